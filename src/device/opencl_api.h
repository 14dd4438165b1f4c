/* The part of OpenCL 1.2 that Flambeau uses, declared by hand, and its functions as found in the
 * loader (libOpenCL.so.1), which is opened on first use.
 *
 * Nothing of OpenCL is there when Flambeau is built. Handles are pointers to what only the driver
 * knows; numbers are the standard's (Khronos, "The OpenCL Specification", version 1.2).
 */
#ifndef FLAMBEAU_DEVICE_OPENCL_API_H
#define FLAMBEAU_DEVICE_OPENCL_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cl_platform *cl_platform;
typedef struct cl_device *cl_device;
typedef struct cl_context *cl_context;
typedef struct cl_queue *cl_queue;
typedef struct cl_memory *cl_memory;
typedef struct cl_program *cl_program;
typedef struct cl_kernel *cl_kernel;
typedef struct cl_event *cl_event;

enum {
    CL_MEM_READ_WRITE = 1,
    CL_DEVICE_SINGLE_FP_CONFIG = 0x101B,
    CL_DEVICE_NAME = 0x102B,
    CL_DEVICE_EXTENSIONS = 0x1030,
    CL_PROGRAM_BUILD_LOG = 0x1183
};
#define CL_DEVICE_TYPE_ALL                  UINT64_C(0xFFFFFFFF)
#define CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT UINT64_C(128)

/* In the order of the names in opencl_open.c. Without events and without waiting lists, which an
 * in-order queue does not need, their arguments are 0 and NULL. */
struct opencl_api {
    int (*get_platforms)(unsigned room, cl_platform *platforms, unsigned *count);
    int (*get_devices)(cl_platform p, uint64_t type, unsigned room, cl_device *devices,
                       unsigned *count);
    int (*get_device_info)(cl_device d, unsigned name, size_t room, void *value, size_t *size);
    cl_context (*create_context)(const intptr_t *properties, unsigned count,
                                 const cl_device *devices,
                                 void (*notify)(const char *, const void *, size_t, void *),
                                 void *user, int *error);
    int (*release_context)(cl_context c);
    cl_queue (*create_queue)(cl_context c, cl_device d, uint64_t properties, int *error);
    cl_memory (*create_buffer)(cl_context c, uint64_t flags, size_t bytes, void *host, int *error);
    int (*release_memory)(cl_memory m);
    int (*read_buffer)(cl_queue q, cl_memory m, unsigned blocking, size_t offset, size_t bytes,
                       void *to, unsigned waits, const cl_event *wait, cl_event *event);
    int (*write_buffer)(cl_queue q, cl_memory m, unsigned blocking, size_t offset, size_t bytes,
                        const void *from, unsigned waits, const cl_event *wait, cl_event *event);
    int (*copy_buffer)(cl_queue q, cl_memory from, cl_memory to, size_t from_offset,
                       size_t to_offset, size_t bytes, unsigned waits, const cl_event *wait,
                       cl_event *event);
    int (*fill_buffer)(cl_queue q, cl_memory m, const void *pattern, size_t pattern_bytes,
                       size_t offset, size_t bytes, unsigned waits, const cl_event *wait,
                       cl_event *event);
    cl_program (*create_program)(cl_context c, unsigned count, const char **texts,
                                 const size_t *lengths, int *error);
    int (*build_program)(cl_program p, unsigned count, const cl_device *devices,
                         const char *options, void (*notify)(cl_program, void *), void *user);
    int (*get_build_info)(cl_program p, cl_device d, unsigned name, size_t room, void *value,
                          size_t *size);
    int (*release_program)(cl_program p);
    cl_kernel (*create_kernel)(cl_program p, const char *name, int *error);
    int (*set_argument)(cl_kernel k, unsigned index, size_t bytes, const void *value);
    int (*run_kernel)(cl_queue q, cl_kernel k, unsigned dims, const size_t *offset,
                      const size_t *global, const size_t *local, unsigned waits,
                      const cl_event *wait, cl_event *event);
    int (*finish)(cl_queue q);
};

/* One device in use: its context and one in-order queue. */
struct opencl {
    struct opencl_api api;
    cl_device device;
    cl_context context;
    cl_queue queue;
    char name[128], options[64]; /* options: for every program that is built */
};

/* opencl_open.c: the devices of all platforms, opened on first use. -1 with the error, which says
 * what to install, where there is no loader, no platform or no device; else how many there are. */
int opencl_count(void);
/* Device `index`, or NULL with the error. It stays open until the process ends. */
struct opencl *opencl_open(int index);
/* Sets the error that `what` failed with the code `status`, which it names. -1. */
int opencl_failed(const struct opencl *cl, const char *what, int status);

#endif
