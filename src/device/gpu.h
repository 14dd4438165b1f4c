/* What the devices with kernels of their own (OpenCL, CUDA) share: one dialect of kernel text, a
 * table of compiled kernels, and the operators' kernels, which only need a driver that compiles and
 * launches.
 *
 * A kernel is found by a key of the caller's: a few bytes that say which text, for which dtypes.
 * Only where it is not found is its text put together and compiled.
 *
 * The dialect (gpu_text_opencl and its like make it the driver's): FL_KERNEL, FL_GLOBAL, FL_LOCAL,
 * FL_CONSTANT mark kernels and memory; FL_ID(d), FL_GROUP(d), FL_ITEM(d) number work items, groups,
 * and items of a group; FL_BARRIER waits for the group. Each buffer among the arguments is a pair
 * FL_BUFFER(type, name): a pointer and an offset in bytes, of which FL_AT(type, name) makes the
 * address.
 */
#ifndef FLAMBEAU_DEVICE_GPU_H
#define FLAMBEAU_DEVICE_GPU_H

#include "core/device.h"

enum { GPU_DIMS = 8, GPU_ARGUMENTS = 40, GPU_KEY = 48, GPU_GROUP = 256 };

/* An argument of a launch: a buffer (an address of the device), or bytes as they are. */
struct gpu_argument {
    const void *data;
    size_t size; /* 0: data is an address of the device */
};

struct gpu_launch {
    const char *name; /* of the operator, for messages */
    int dims;
    size_t global[3], local[3]; /* global is a multiple of local */
    int count;
    struct gpu_argument argument[GPU_ARGUMENTS];
};

struct gpu_kernel; /* compiled; the driver's */

/* What a driver adds to its device. The device comes first: a struct device of these is one. */
struct gpu {
    struct device device;
    const char *prelude; /* makes the dialect the driver's */
    /* Compiles `count` texts, one after the other, of which the kernel `name` is used. NULL with the
     * error, which holds the compiler's words. */
    struct gpu_kernel *(*compile)(struct gpu *g, int count, const char *const *texts,
                                  const char *name);
    int (*launch)(struct gpu *g, struct gpu_kernel *k, const struct gpu_launch *l);
    struct gpu_table *table; /* kernels by key (gpu.c) */
    size_t group_limit;      /* work items of a group, at most */
};

/* Fills in the functions of a device that are the same for all drivers. */
void gpu_set_up(struct gpu *g);

static inline struct gpu *gpu_of(struct device *d)
{
    return (struct gpu *)d;
}

/* What names a compiled kernel: all of its bytes count, so it is cleared before it is filled in. */
struct gpu_key {
    const char *text;
    uint8_t detail[GPU_KEY - sizeof(char *)];
};

/* The kernel with this key, compiled from texts that `write` puts out where it is not there yet: it
 * fills at most 16 of them and returns how many. NULL with the error. */
enum { GPU_TEXTS = 16 };
struct gpu_kernel *gpu_find(struct gpu *g, const struct gpu_key *key, const char *name,
                            int (*write)(const struct gpu_key *key, const void *context,
                                         const char **texts),
                            const void *context);

/* Adds an argument to a launch; data stays where it is until the launch. */
static inline void gpu_buffer(struct gpu_launch *l, const void *address)
{
    l->argument[l->count++] = (struct gpu_argument){address, 0};
}
static inline void gpu_bytes(struct gpu_launch *l, const void *data, size_t size)
{
    l->argument[l->count++] = (struct gpu_argument){data, size};
}
/* Runs n work items in one dim, by groups; what is above n must do nothing. */
void gpu_spread(struct gpu_launch *l, int64_t n);

/* Whether kernels know a dtype. */
bool gpu_has_dtype(int dtype);
const char *gpu_dtype_name(int dtype); /* "f32", which the dialect's FL_LOAD_f32 and so on end in */
/* Writes a scalar of a loop as T; returns its bytes, 8 at most. */
size_t gpu_scalar(union loop_scalar s, enum compute compute, void *to);
/* "#define FL_F32", for T and what hangs on it. */
const char *gpu_compute_define(enum compute type);

/* gpu_pointwise.c, gpu_reduce.c, gpu_convert.c, gpu_kernels.c: the device's functions. */
int gpu_pointwise(struct device *d, const struct device_loop *loop);
int gpu_reduce(struct device *d, const struct device_reduction *reduction);
int gpu_convert(struct device *d, fl_tensor *to, const fl_tensor *from);
int gpu_run_kernel(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y);

/* Texts that opgen embeds: files *.gpu of this folder, and what math.h is made of. */
extern const char gpu_text_opencl[], gpu_text_dialect[], gpu_text_math[], gpu_text_primitives[],
    gpu_text_pointwise[], gpu_text_reduce[], gpu_text_matmul[];

#endif
