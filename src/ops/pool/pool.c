/* Pooling as operators: arguments checked and completed, then one task of the pool a few planes. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/threads.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pool.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/pool/pool.h"
#include "ops_kernels.h"

enum { TASK = 16384 }; /* elements of a task */

/* ---- windows ---- */

/* The number of windows along a dim, PyTorch's rule: with ceil_mode the last one must begin inside
 * the input or the padding before it. */
static int64_t windows(int64_t in, int64_t kernel, int64_t stride, int64_t padding,
                       int64_t dilation, bool ceil_mode)
{
    assert(stride > 0 && kernel > 0);
    int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    int64_t count = (room < 0 ? -((-room + stride - 1) / stride) : room / stride) + 1;
    if (ceil_mode && (count - 1) * stride >= in + padding)
        count--;
    return count;
}

static int window_of(struct pool_window *w, const fl_tensor *t, fl_ints kernel, fl_ints stride,
                     fl_ints padding, fl_ints dilation, bool ceil_mode)
{
    memset(w, 0, sizeof *w);
    for (int d = 0; d < 2; d++) {
        w->in[d] = t->sizes[2 + d], w->kernel[d] = kernel.data[d], w->stride[d] = stride.data[d];
        w->padding[d] = padding.data[d], w->dilation[d] = dilation.data ? dilation.data[d] : 1;
        /* Places are sums and products of these: they stay within 64 bits. */
        if (w->kernel[d] > INT32_MAX || w->stride[d] > INT32_MAX || w->padding[d] > INT32_MAX ||
            w->dilation[d] > INT32_MAX)
            return error_set(FL_RUNTIME_ERROR, "integer out of range");
        w->out[d] =
            windows(w->in[d], w->kernel[d], w->stride[d], w->padding[d], w->dilation[d], ceil_mode);
    }
    if (w->out[0] >= 1 && w->out[1] >= 1)
        return 0;
    error_set(
        FL_RUNTIME_ERROR,
        "Given input size: (%lldx%lldx%lld). Calculated output size: (%lldx%lldx%lld). Output size "
        "is too small",
        (long long)t->sizes[1], (long long)w->in[0], (long long)w->in[1], (long long)t->sizes[1],
        (long long)w->out[0], (long long)w->out[1]);
    return error_hint(
        "the image is %lld x %lld here, smaller than the window of %lld x %lld: leave "
        "out some poolings or strides before, or take larger images",
        "到这里图像只有 %lld x %lld，小于窗口 %lld x %lld：请去掉前面的一些池化或步长，"
        "或用更大的图像",
        (long long)w->in[0], (long long)w->in[1], (long long)w->kernel[0], (long long)w->kernel[1]);
}

/* Windows that cut the plane evenly are plain ones. */
static struct pool_window adaptive_window(const int64_t *in, const int64_t *out)
{
    enum { LEAST_ROW = 4 }; /* outputs in a row that are worth a vector */
    if (out[1] >= LEAST_ROW && out[0] > 0 && in[0] && in[1] && in[0] % out[0] == 0 &&
        in[1] % out[1] == 0)
        return (struct pool_window){.in = {in[0], in[1]},
                                    .out = {out[0], out[1]},
                                    .kernel = {in[0] / out[0], in[1] / out[1]},
                                    .stride = {in[0] / out[0], in[1] / out[1]},
                                    .dilation = {1, 1}};
    return (struct pool_window){
        .in = {in[0], in[1]}, .out = {out[0], out[1]}, .dilation = {1, 1}, .adaptive = true};
}

/* ---- running over planes ---- */

struct job {
    const struct pool_kernels *k;
    struct pool_window w;
    const char *x;
    char *y;
    int64_t *index;
    int64_t planes, per_task, in, out; /* in, out: elements of a plane */
    size_t element;
    enum { MAX, AVERAGE, MAX_BACKWARD, AVERAGE_BACKWARD } what;
};

static void run_task(void *context, int64_t task)
{
    const struct job *j = context;
    for (int64_t p = task * j->per_task; p < (task + 1) * j->per_task && p < j->planes; p++) {
        const char *x = j->x + (size_t)(p * j->in) * j->element;
        char *y = j->y + (size_t)(p * j->out) * j->element;
        if (j->what == MAX)
            j->k->max(&j->w, x, y, j->index + p * j->out);
        else if (j->what == AVERAGE)
            j->k->average(&j->w, x, y);
        else if (j->what == MAX_BACKWARD)
            j->k->max_backward(j->in, x, j->index + p * j->in, j->out, y);
        else
            j->k->average_backward(&j->w, x, y);
    }
}

/* Runs a job from x to y, both of four dims, by way of the type of work; y is zeroed first for the
 * backward ones. */
static int run(struct job *j, const fl_tensor *x, fl_tensor *y)
{
    assert(x->ndim >= 2 && y->ndim == x->ndim);
    const int dtype = y->dtype;
    const enum pool_type type = dtype == FL_INT64 ? POOL_I64
                                : dtype == FL_FLOAT32 || dtype == FL_FLOAT16 || dtype == FL_BFLOAT16
                                    ? POOL_F32
                                    : POOL_F64;
    const int work = (const int[]){FL_FLOAT32, FL_FLOAT64, FL_INT64}[type];
    int status = -1;
    fl_tensor *from = tensor_as(x, work),
              *to = y->dtype == work ? tensor_retain(y) : tensor_new(4, y->sizes, work);
    if (from && to) {
        if (j->what >= MAX_BACKWARD && to->numel)
            memset(tensor_data(to), 0, (size_t)to->numel * dtype_size(work));
        j->k = &ISA_PICK(pool_table)->type[type];
        j->x = tensor_data(from), j->y = tensor_data(to), j->element = dtype_size(work);
        j->planes = x->sizes[0] * x->sizes[1];
        j->in = x->sizes[2] * x->sizes[3], j->out = y->sizes[2] * y->sizes[3];
        j->per_task = TASK / ((j->in > j->out ? j->in : j->out) + 1) + 1;
        if (x->numel && y->numel)
            threads_for((j->planes + j->per_task - 1) / j->per_task, run_task, j);
        status = to == y ? 0 : tensor_copy(y, to);
    }
    tensor_release(from), tensor_release(to);
    return status;
}

static void plane_shape(struct op_shape *y, const fl_tensor *x, const int64_t *out)
{
    op_shape_set(y, 4, (int64_t[]){x->sizes[0], x->sizes[1], out[0], out[1]});
}

/* ---- max ---- */

int max_pool2d_shape(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                     fl_ints dilation, bool ceil_mode, struct op_shape *y)
{
    struct pool_window w;
    if (window_of(&w, self, kernel_size, stride, padding, dilation, ceil_mode))
        return -1;
    plane_shape(&y[0], self, w.out);
    plane_shape(&y[1], self, w.out);
    y[1].dtype = FL_INT64;
    return 0;
}

int max_pool2d_cpu(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                   fl_ints dilation, bool ceil_mode, fl_tensor *y, fl_tensor *indices)
{
    assert(shape_equal(y, indices) && indices->dtype == FL_INT64);
    struct job j = {.what = MAX, .index = tensor_data(indices)};
    return window_of(&j.w, self, kernel_size, stride, padding, dilation, ceil_mode)
               ? -1
               : run(&j, self, y);
}

int adaptive_max_pool2d_shape(fl_tensor *self, fl_ints output_size, struct op_shape *y)
{
    plane_shape(&y[0], self, output_size.data);
    plane_shape(&y[1], self, output_size.data);
    y[1].dtype = FL_INT64;
    return 0;
}

int adaptive_max_pool2d_cpu(fl_tensor *self, fl_ints output_size, fl_tensor *y, fl_tensor *indices)
{
    assert(self->ndim == 4 && output_size.count == 2);
    assert(shape_equal(y, indices) && indices->dtype == FL_INT64);
    struct job j = {.what = MAX,
                    .index = tensor_data(indices),
                    .w = adaptive_window(self->sizes + 2, output_size.data)};
    return run(&j, self, y);
}

int pool_backward_shape(fl_tensor *g, fl_tensor *indices, fl_ints size, struct op_shape *y)
{
    (void)g, (void)indices;
    op_shape_set(y, 4, size.data);
    return 0;
}

int max_pool2d_backward_cpu(fl_tensor *g, fl_tensor *indices, fl_ints size, fl_tensor *y)
{
    assert(shape_equal(g, indices));
    (void)size;
    fl_tensor *index = tensor_contiguous(indices);
    struct job j = {.what = MAX_BACKWARD, .index = index ? tensor_data(index) : NULL};
    int status = index ? run(&j, g, y) : -1;
    tensor_release(index);
    return status;
}

int pick_in_plane_compose(fl_tensor *self, fl_tensor *indices, fl_tensor **y)
{
    fl_tensor *picked = fl_gather(fl_flatten(self, 2, 3), 2, fl_flatten(indices, 2, 3), false);
    *y = fl_view(picked, (fl_ints){indices->sizes, indices->ndim});
    return *y ? 0 : -1;
}

/* ---- average ---- */

int avg_pool2d_shape(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                     bool ceil_mode, bool count_include_pad, int64_t divisor, struct op_shape *y)
{
    (void)count_include_pad, (void)divisor;
    struct pool_window w;
    if (window_of(&w, self, kernel_size, stride, padding, (fl_ints){NULL, 0}, ceil_mode))
        return -1;
    plane_shape(y, self, w.out);
    return 0;
}

int avg_pool2d_cpu(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                   bool ceil_mode, bool count_include_pad, int64_t divisor, fl_tensor *y)
{
    struct job j = {.what = AVERAGE};
    if (window_of(&j.w, self, kernel_size, stride, padding, (fl_ints){NULL, 0}, ceil_mode))
        return -1;
    j.w.count_padding = count_include_pad, j.w.divisor = divisor;
    return run(&j, self, y);
}

int avg_pool2d_backward_shape(fl_tensor *g, fl_ints size, fl_ints kernel_size, fl_ints stride,
                              fl_ints padding, bool ceil_mode, bool count_include_pad,
                              int64_t divisor, struct op_shape *y)
{
    (void)g, (void)kernel_size, (void)stride, (void)padding, (void)ceil_mode,
        (void)count_include_pad, (void)divisor;
    op_shape_set(y, 4, size.data);
    return 0;
}

int avg_pool2d_backward_cpu(fl_tensor *g, fl_ints size, fl_ints kernel_size, fl_ints stride,
                            fl_ints padding, bool ceil_mode, bool count_include_pad,
                            int64_t divisor, fl_tensor *y)
{
    assert(size.count == 4);
    struct job j = {.what = AVERAGE_BACKWARD};
    (void)size;
    if (window_of(&j.w, y, kernel_size, stride, padding, (fl_ints){NULL, 0}, ceil_mode))
        return -1;
    j.w.count_padding = count_include_pad, j.w.divisor = divisor;
    return run(&j, g, y);
}

int adaptive_pool2d_shape(fl_tensor *self, fl_ints output_size, struct op_shape *y)
{
    plane_shape(y, self, output_size.data);
    return 0;
}

int adaptive_avg_pool2d_cpu(fl_tensor *self, fl_ints output_size, fl_tensor *y)
{
    assert(self->ndim == 4 && output_size.count == 2);
    struct job j = {.what = AVERAGE, .w = adaptive_window(self->sizes + 2, output_size.data)};
    return run(&j, self, y);
}

int adaptive_avg_pool2d_backward_shape(fl_tensor *g, fl_ints size, struct op_shape *y)
{
    (void)g;
    op_shape_set(y, 4, size.data);
    return 0;
}

int adaptive_avg_pool2d_backward_cpu(fl_tensor *g, fl_ints size, fl_tensor *y)
{
    assert(g->ndim == 4 && size.count == 4);
    struct job j = {.what = AVERAGE_BACKWARD, .w = adaptive_window(size.data + 2, g->sizes + 2)};
    return run(&j, g, y);
}

int adaptive_avg_pool2d_like_compose(fl_tensor *self, fl_ints size, fl_tensor **y)
{
    *y = fl__adaptive_avg_pool2d(self, (fl_ints){size.data + 2, 2});
    return *y ? 0 : -1;
}
