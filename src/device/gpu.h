/* What the devices with kernels of their own (OpenCL, CUDA) share: one dialect of kernel text, a
 * table of compiled kernels, and the operators' kernels, which only need a driver that compiles and
 * launches.
 *
 * A kernel is found by a key of the caller's: a few bytes that say which text, for which dtypes.
 * Only where it is not found is its text put together and compiled.
 *
 * The dialect (gpu_text_opencl and its like make it the driver's): FL_ENTRY, FL_GLOBAL, FL_LOCAL
 * (and FL_LOCAL_AT, what points there) mark kernels and memory; FL_ID(d), FL_GROUP(d), FL_ITEM(d)
 * number work items, groups, and items of a group; FL_BARRIER waits for the group. Each buffer among
 * the arguments is a pair FL_BUFFER(type, name): a pointer and an offset in bytes, of which
 * FL_AT(type, name) makes the address.
 */
#ifndef FLAMBEAU_DEVICE_GPU_H
#define FLAMBEAU_DEVICE_GPU_H

#include "core/device.h"

enum { GPU_DIMS = 8, GPU_ARGUMENTS = 40, GPU_KEY = 48 };

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
    char name[32];       /* the device's: "opencl:0" */
    const char *prelude; /* makes the dialect the driver's */
    /* Compiles `count` texts, one after the other, of which the kernel `name` is used. NULL with the
     * error, which holds the compiler's words. */
    struct gpu_kernel *(*compile)(struct gpu *g, int count, const char *const *texts,
                                  const char *name);
    int (*launch)(struct gpu *g, struct gpu_kernel *k, const struct gpu_launch *l);
    struct gpu_table *table; /* kernels by key (gpu.c) */
};

/* Fills in what is the same for all drivers: what kind of device it is, its name, and the functions
 * that run. 0, or -1 with the error. */
int gpu_set_up(struct gpu *g, const char *driver, fl_device id);

/* Memory is given out by classes of sizes, a power of two times 4, 5, 6 or 7 quarters; each is a multiple of
 * 64. What is given back waits for the next who asks for its class: a device's queue is in order, so what
 * still runs on it ends before anything new begins. The class of bytes, -1 of too many. */
enum { GPU_CLASSES = 160 };
size_t gpu_class_size(int class);
int gpu_class_of(size_t bytes);

struct gpu_table *gpu_table_new(void); /* an empty one, or NULL with the error */

static inline struct gpu *gpu_of(struct device *d)
{
    return (struct gpu *)d;
}

/* What names a compiled kernel: all of its bytes count, so it is cleared before it is filled in. */
struct gpu_key {
    const char *text;
    uint8_t compute; /* an enum compute: T's */
    uint8_t detail[GPU_KEY - sizeof(char *) - 1];
};

/* gpu_text.c: what of math.h these texts need, to be freed; NULL with the error. */
char *gpu_math_for(int count, const char *const *texts, enum compute compute);

/* The kernel `entry` with this key, for the operator `name`, compiled where it is not there yet from
 * texts that `write` puts out: it fills at most GPU_TEXTS of them and returns how many. gpu_text_math among them stands for what the others
 * need of it. NULL with the error. */
enum { GPU_TEXTS = 16 };
struct gpu_kernel *
gpu_find(struct gpu *g, const struct gpu_key *key, const char *name, const char *entry,
         int (*write)(const struct gpu_key *key, const void *context, const char **texts),
         const void *context);

/* What a `write` that puts lines of the kernel's own in front of the texts has as its context. */
enum { GPU_DEFINES = 1024 };
struct gpu_writing {
    const struct gpu *g;
    char *defines; /* room for them */
};

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

/* How many dims a kernel has that is to walk n: 1, 2, 4 or GPU_DIMS, so that few are compiled; those in
 * front are of size 1. Moves the numbers of n dims to their ends, with `front` before them. */
int gpu_dims(int n);
void gpu_pad(int n, int64_t *numbers, int64_t front);
/* Whether kernels know a dtype. */
bool gpu_has_dtype(int dtype);
const char *gpu_dtype_name(int dtype); /* "f32", which the dialect's FL_LOAD_f32 and so on end in */
/* Writes a scalar of a loop as T; returns its bytes, 8 at most. */
size_t gpu_scalar(union loop_scalar s, enum compute compute, void *to);
/* "#define FL_F32", for T and what hangs on it. */
const char *gpu_compute_define(enum compute type);

/* gpu_pointwise.c, gpu_reduce.c, gpu_kernels.c: the device's functions. */
int gpu_pointwise(struct device *d, const struct device_loop *loop);
int gpu_reduce(struct device *d, const struct device_reduction *reduction);
int gpu_convert(struct device *d, fl_tensor *to, const fl_tensor *from);
int gpu_run_kernel(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y);

/* ---- operators' kernels (gpu_call.c) ----
 *
 * They see their operands contiguous and of one dtype, that of the type T in which they compute;
 * what is not so is copied first. */
struct gpu_call {
    struct gpu *g;
    const char *name; /* the operator's */
    const fl_value *args;
    fl_tensor *const *y;
    int dtype;                     /* T's */
    bool failed;                   /* an error is set */
    fl_tensor *made[16], *room[8]; /* room: of results of another dtype */
    int count;
};

/* An address for a kernel: of t as contiguous elements of T, or of `dtype`. NULL for NULL. */
const void *gpu_operand(struct gpu_call *c, const fl_tensor *t);
const void *gpu_operand_as(struct gpu_call *c, const fl_tensor *t, int dtype);
/* Room for n elements of T, which goes when the call ends. */
void *gpu_room(struct gpu_call *c, int64_t n, int dtype);
/* The address of result k, or of room of its size in T, which is converted to it in the end. */
void *gpu_result(struct gpu_call *c, int k);
/* The same for a kernel that writes that dtype there, whatever T is. */
void *gpu_result_as(struct gpu_call *c, int k, int dtype);
/* The first elements of t along each dim, as many as `like` has, and along dim `whole` (-1: none) all: a
 * new reference; NULL where like has more, without an error unless the call has failed. */
fl_tensor *gpu_covered(struct gpu_call *c, const fl_tensor *t, const fl_tensor *like, int whole);
/* Compiles `entry` of a text, and launches it with T as the call's. 0 or -1. Its buffers hold elements of
 * T, or in the texts that say FL_STORED of a dtype that is computed in T. */
int gpu_go(struct gpu_call *c, const char *text, const char *entry, struct gpu_launch *l);
int gpu_go_stored(struct gpu_call *c, int stored, const char *text, const char *entry,
                  struct gpu_launch *l);
static inline const fl_tensor *gpu_tensor(const struct gpu_call *c, int i)
{
    return c->args[i].tag == FL_TENSOR ? c->args[i].as.tensor : NULL;
}
/* Whether no two elements of such a layout lie in one place, which what is written must not. */
bool gpu_lies_apart(int ndim, const int64_t *sizes, const int64_t *strides);
/* Numbers of (outer, n, inner) around dim d. */
void gpu_around(const fl_tensor *t, int d, int64_t outer_n_inner[3]);
/* The same around a dim as programs give it: the dim from 0 on, or -1 with the error. */
int gpu_along(const fl_tensor *t, int64_t dim, int64_t outer_n_inner[3]);

int gpu_matmul(struct gpu_call *c); /* mm, bmm, mv, dot, matmul */
int gpu_linear(struct gpu_call *c);
int gpu_linear_backward_input(struct gpu_call *c);
int gpu_linear_backward_weight(struct gpu_call *c);
int gpu_conv2d(struct gpu_call *c);
int gpu_conv2d_backward_input(struct gpu_call *c);
int gpu_conv2d_backward_weight(struct gpu_call *c);
int gpu_max_pool2d(struct gpu_call *c);
int gpu_max_pool2d_backward(struct gpu_call *c);
int gpu_avg_pool2d(struct gpu_call *c);
int gpu_avg_pool2d_backward(struct gpu_call *c);
int gpu_adaptive_pool2d(struct gpu_call *c); /* means or maxima */
int gpu_adaptive_avg_pool2d_backward(struct gpu_call *c);
int gpu_softmax(struct gpu_call *c); /* and log_softmax */
int gpu_softmax_backward(struct gpu_call *c);
int gpu_batch_norm_training(struct gpu_call *c);
int gpu_batch_norm_inference(struct gpu_call *c);
int gpu_batch_norm_backward(struct gpu_call *c);
int gpu_layer_norm(struct gpu_call *c);
int gpu_layer_norm_backward(struct gpu_call *c);
int gpu_nll_loss(struct gpu_call *c);
int gpu_nll_loss_backward(struct gpu_call *c);
int gpu_index_select(struct gpu_call *c); /* and embedding */
int gpu_gather(struct gpu_call *c);
int gpu_cat(struct gpu_call *c);
int gpu_index(struct gpu_call *c);
int gpu_index_backward(struct gpu_call *c);
int gpu_index_put(struct gpu_call *c);
int gpu_index_add(struct gpu_call *c); /* and index_copy_ */
int gpu_index_fill(struct gpu_call *c);
int gpu_scatter(struct gpu_call *c); /* scatter_ and scatter_add_ */
int gpu_scatter_reduce(struct gpu_call *c);
int gpu_embedding_backward(struct gpu_call *c);
int gpu_running(struct gpu_call *c);         /* cumsum, cumprod */
int gpu_running_extreme(struct gpu_call *c); /* cummax, cummin */
int gpu_running_log_sum(struct gpu_call *c);
int gpu_extreme(struct gpu_call *c);     /* max and min along a dim */
int gpu_arg_extreme(struct gpu_call *c); /* argmax, argmin */
int gpu_triangle(struct gpu_call *c);    /* tril, triu */
int gpu_as_strided_backward(struct gpu_call *c);
int gpu_masked_fill(struct gpu_call *c);
int gpu_masked_scatter(struct gpu_call *c);
int gpu_nonzero(struct gpu_call *c);
int gpu_sort(struct gpu_call *c);
int gpu_sort_stable(struct gpu_call *c);
int gpu_topk(struct gpu_call *c);
int gpu_median_along(struct gpu_call *c);
int gpu_kth(struct gpu_call *c);
int gpu_mode(struct gpu_call *c);
int gpu_median(struct gpu_call *c);
int gpu_searchsorted(struct gpu_call *c);
int gpu_blend_points(struct gpu_call *c);
int gpu_blend_points_backward(struct gpu_call *c);
int gpu_grid_sample(struct gpu_call *c); /* of images and volumes */
int gpu_grid_sample_backward(struct gpu_call *c);
int gpu_cdist(struct gpu_call *c);
int gpu_ctc_loss(struct gpu_call *c);
int gpu_ctc_loss_backward(struct gpu_call *c);
int gpu_embedding_bag(struct gpu_call *c);
int gpu_embedding_bag_backward(struct gpu_call *c);
int gpu_embedding_bag_weights_backward(struct gpu_call *c); /* of per_sample_weights */
int gpu_sgd_step(struct gpu_call *c);
int gpu_adam_step(struct gpu_call *c);

/* gpu_places.c: how often each of `rows` places comes among k, as int64; NULL with the error. */
const void *gpu_count_places(struct gpu_call *c, const void *run, int64_t k, int64_t rows);
/* gpu_index.c: room for the wrong index that a kernel finds, filled with what is none; and what
 * stands there when it has run: 1, and it in *index; 0: there was none; -1 with the error. */
void *gpu_index_none(struct gpu_call *c);
int gpu_index_wrong(struct gpu_call *c, const void *wrong, int64_t *index);

/* Texts that opgen embeds: files *.gpu of this folder, and what math.h is made of. */
extern const char gpu_text_opencl[], gpu_text_cuda[], gpu_text_dialect[], gpu_text_math[],
    gpu_text_primitives[], gpu_text_pointwise[], gpu_text_reduce[], gpu_text_matmul[],
    gpu_text_conv[], gpu_text_pool[], gpu_text_norm[], gpu_text_index[], gpu_text_lines[],
    gpu_text_sort[], gpu_text_image[], gpu_text_grid[], gpu_text_bags[], gpu_text_ctc[],
    gpu_text_distances[], gpu_text_optimizer[];

#endif
