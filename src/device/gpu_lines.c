/* What goes along lines, for lines.gpu: running totals and extremes, extremes with their positions,
 * triangles. */
#include <assert.h>

#include "device/gpu.h"

/* x as (outer, n, inner), an item a line; false where there is nothing to go along. */
static bool lines_of(struct gpu_launch *l, int64_t size[3])
{
    const int64_t lines = size[0] * size[2];
    for (int i = 0; i < 3; i++)
        gpu_bytes(l, &size[i], sizeof size[i]);
    if (lines == 0 || size[1] == 0)
        return false;
    gpu_spread(l, lines);
    return true;
}

/* cumsum(self, dim, dtype), cumprod. */
int gpu_running(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    const int32_t product = c->name[3] == 'p';
    struct gpu_launch l = {0};
    int64_t size[3];
    if (gpu_along(x, c->args[1].as.i, size) < 0)
        return -1;
    /* A dtype that is not computed in rounds what it is given before anything is added. */
    if (c->y[0]->dtype != c->dtype && x->dtype != c->y[0]->dtype)
        return DEVICE_CANNOT;
    if (!lines_of(&l, size))
        return c->y[0]->numel ? DEVICE_CANNOT : 0;
    gpu_bytes(&l, &product, sizeof product);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_result(c, 0));
    return gpu_go(c, gpu_text_lines, "running", &l);
}

/* cummax(self, dim), cummin: with positions. */
int gpu_running_extreme(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    const int32_t smallest = c->name[4] == 'i';
    struct gpu_launch l = {0};
    int64_t size[3];
    if (gpu_along(x, c->args[1].as.i, size) < 0)
        return -1;
    assert(c->y[0]->dtype == x->dtype && c->y[1]->dtype == FL_INT64);
    if (!lines_of(&l, size))
        return c->y[0]->numel ? DEVICE_CANNOT : 0;
    gpu_bytes(&l, &smallest, sizeof smallest);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_buffer(&l, tensor_address(c->y[1]));
    return gpu_go(c, gpu_text_lines, "running_extreme", &l);
}

/* logcumsumexp(self, dim), in double as on the CPU. */
int gpu_running_log_sum(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    struct gpu_launch l = {0};
    int64_t size[3];
    if (gpu_along(x, c->args[1].as.i, size) < 0)
        return -1;
    if (!lines_of(&l, size))
        return c->y[0]->numel ? DEVICE_CANNOT : 0;
    c->dtype = FL_FLOAT64;
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_result(c, 0));
    return gpu_go(c, gpu_text_lines, "running_log_sum", &l);
}

/* Positions of x's extremes in y[k]; their values in y[0] where k is 1. */
static int extreme(struct gpu_call *c, const fl_tensor *x, int64_t size[3], int k)
{
    const int32_t smallest = c->name[c->name[0] == 'a' ? 4 : 1] == 'i', has = k;
    struct gpu_launch l = {0};
    assert(c->y[k]->dtype == FL_INT64);
    c->dtype = compute_dtype(compute_of(x->dtype));
    if (!lines_of(&l, size))
        return c->y[0]->numel ? DEVICE_CANNOT : 0;
    const void *index = tensor_address(c->y[k]);
    gpu_bytes(&l, &smallest, sizeof smallest);
    gpu_bytes(&l, &has, sizeof has);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, has ? gpu_result(c, 0) : index);
    gpu_buffer(&l, index);
    return gpu_go(c, gpu_text_lines, "extreme", &l);
}

/* argmax(self, dim, keepdim), argmin. */
int gpu_arg_extreme(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    int64_t size[3] = {1, x->numel, 1};
    if (c->args[1].tag != FL_NONE && gpu_along(x, c->args[1].as.i, size) < 0)
        return -1;
    return extreme(c, x, size, 0);
}

/* max(self, dim, keepdim), min: with positions. */
int gpu_extreme(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    int64_t size[3];
    if (gpu_along(x, c->args[1].as.i, size) < 0)
        return -1;
    assert(c->y[0]->dtype == x->dtype);
    return extreme(c, x, size, 1);
}

/* tril(self, diagonal), triu. */
int gpu_triangle(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    const int32_t lower = c->name[3] == 'l';
    struct gpu_launch l = {0};
    assert(x->ndim >= 2 && x->dtype == c->y[0]->dtype);
    if (x->numel == 0)
        return 0;
    gpu_bytes(&l, &x->numel, sizeof x->numel);
    gpu_bytes(&l, &x->sizes[x->ndim - 2], sizeof *x->sizes);
    gpu_bytes(&l, &x->sizes[x->ndim - 1], sizeof *x->sizes);
    gpu_bytes(&l, &c->args[1].as.i, sizeof c->args[1].as.i);
    gpu_bytes(&l, &lower, sizeof lower);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, x->numel);
    return gpu_go(c, gpu_text_lines, "triangle", &l);
}
