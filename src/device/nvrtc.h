/* NVRTC, CUDA's compiler as a library, opened on first use. It needs no GPU. */
#ifndef FLAMBEAU_DEVICE_NVRTC_H
#define FLAMBEAU_DEVICE_NVRTC_H

#include <stddef.h>

/* Opens it: FLAMBEAU_NVRTC's library, else the system's, else the wheel's beside this package. -1 with
 * the error, which says what to install. */
int nvrtc_open(void);
/* The texts, one after the other, compiled for a compute capability (9, 0): a cubin, to be freed, of
 * *size bytes; for a GPU that is newer than the compiler PTX, which the driver translates. NULL with the
 * error, which holds the compiler's words. */
char *nvrtc_compile(int count, const char *const *texts, int major, int minor, size_t *size);

#endif
