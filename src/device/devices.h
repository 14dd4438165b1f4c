/* The devices of this process, opened when they are first asked for. */
#ifndef FLAMBEAU_DEVICE_DEVICES_H
#define FLAMBEAU_DEVICE_DEVICES_H

#include "core/device.h"

enum { DEVICES_OF_A_KIND = 16 };

/* A kind of device. count opens the driver's library where it is there; 0 and no error where not.
 * open makes device `index`, of CUDA one of those counted, which lives as long as the process; NULL
 * with the error set, which says what to install. */
struct driver {
    const char *name; /* "opencl" */
    bool threads;     /* its library has some, which a fork does not take along */
    int (*count)(void);
    struct device *(*open)(int index);
};
extern const struct driver driver_meta, driver_opencl, driver_cuda;

/* Fills api, a struct of `count` pointers to functions, with those of these names in a library that
 * dlopen gave. NULL; else the first name that is not there, and api is as it was. */
const char *devices_functions(void *library, int count, const char *const *names, void *api);

/* The device, opened; NULL with PyTorch's error where there is none. Kind -1: the CPU. */
struct device *device_find(fl_device id);
/* Puts a device of somebody else's at its id: a test's. */
void device_add(struct device *d);
/* How many there are of an fl_device_kind; no error. */
int device_count(int kind);

/* forked.c. Makes all of a device's functions refuse; and PyTorch's refusal, -1. */
void device_lose(struct device *d);
int device_refuse_forked(int kind);

#endif
