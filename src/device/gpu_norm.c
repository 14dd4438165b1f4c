/* Softmax and the normalisations, for norm.gpu. */
#include <assert.h>

#include "core/norm_order.h"
#include "device/gpu.h"

enum { LANES = 32 }; /* items of a line or a channel; the text's */

/* A group of items for each of n. */
static struct gpu_launch group_each(int64_t n)
{
    return (struct gpu_launch){.dims = 1, .local = {LANES}, .global = {(size_t)n * LANES}};
}

/* ---- softmax ---- */

/* rows: the entry where the dim is the last; columns: where it is another. */
static int softmax(struct gpu_call *c, const char *rows, const char *columns, int64_t dim,
                   bool logarithm, int inputs)
{
    const fl_tensor *y = c->y[0];
    int64_t size[3];
    if (gpu_along(y, dim, size) < 0)
        return -1;
    if (y->numel == 0)
        return 0;
    const bool last = size[2] == 1;
    struct gpu_launch l = last ? group_each(size[0]) : (struct gpu_launch){0};
    int32_t is_logarithm = logarithm;
    for (int i = 0; i < 3; i++)
        gpu_bytes(&l, &size[i], sizeof size[i]);
    gpu_bytes(&l, &is_logarithm, sizeof is_logarithm);
    for (int i = 0; i < inputs; i++)
        gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, i)));
    gpu_buffer(&l, gpu_result(c, 0));
    if (!last)
        gpu_spread(&l, size[0] * size[2]);
    return gpu_go(c, gpu_text_norm, last ? rows : columns, &l);
}

int gpu_softmax(struct gpu_call *c)
{
    return softmax(c, "softmax", "softmax_columns", c->args[1].as.i, c->name[0] == 'l', 1);
}

int gpu_softmax_backward(struct gpu_call *c)
{
    return softmax(c, "softmax_backward", "softmax_columns_backward", c->args[2].as.i,
                   c->name[1] == 'l', 2);
}

/* ---- batch_norm ---- */

struct batch {
    int64_t N_C_S[3];
    double momentum;
    int32_t has;
};

static struct batch batch_of(const fl_tensor *input)
{
    struct batch b = {.momentum = 0};
    gpu_around(input, 1, b.N_C_S);
    return b;
}

static void begin(struct gpu_launch *l, const struct batch *b)
{
    for (int i = 0; i < 3; i++)
        gpu_bytes(l, &b->N_C_S[i], sizeof b->N_C_S[i]);
}

/* A parameter that may be missing; the kernel does not look then. */
static void optional(struct gpu_call *c, struct gpu_launch *l, const fl_tensor *t,
                     const void *instead)
{
    gpu_buffer(l, t ? gpu_operand(c, t) : instead);
}

/* A statistic is written where it lies. */
static bool is_written_in_place(const struct gpu_call *c, const fl_tensor *t)
{
    return !t || (t->dtype == c->dtype && t->flags & TENSOR_CONTIGUOUS);
}

int gpu_batch_norm_training(struct gpu_call *c)
{
    const fl_tensor *input = gpu_tensor(c, 0), *weight = gpu_tensor(c, 1), *bias = gpu_tensor(c, 2);
    fl_tensor *mean = (fl_tensor *)gpu_tensor(c, 3), *var = (fl_tensor *)gpu_tensor(c, 4);
    struct batch b = batch_of(input);
    struct gpu_launch l = group_each(b.N_C_S[1]);
    if (!is_written_in_place(c, mean) || !is_written_in_place(c, var) || input->numel == 0)
        return DEVICE_CANNOT;
    b.has = (weight ? 1 : 0) | (bias ? 2 : 0) | (mean ? 4 : 0) | (var ? 8 : 0);
    const double eps = c->args[6].as.f;
    b.momentum = c->args[5].as.f;
    void *y = gpu_result(c, 0);
    begin(&l, &b);
    gpu_bytes(&l, &b.momentum, sizeof b.momentum);
    gpu_bytes(&l, &eps, sizeof eps);
    gpu_bytes(&l, &b.has, sizeof b.has);
    gpu_buffer(&l, gpu_operand(c, input));
    optional(c, &l, weight, y);
    optional(c, &l, bias, y);
    optional(c, &l, mean, y);
    optional(c, &l, var, y);
    gpu_buffer(&l, y);
    gpu_buffer(&l, gpu_result(c, 1));
    gpu_buffer(&l, gpu_result(c, 2));
    int status = gpu_go(c, gpu_text_norm, "batch_norm_training", &l);
    if (mean && status == 0)
        tensor_bump_version(mean);
    if (var && status == 0)
        tensor_bump_version(var);
    return status;
}

int gpu_batch_norm_inference(struct gpu_call *c)
{
    const fl_tensor *input = gpu_tensor(c, 0), *weight = gpu_tensor(c, 1), *bias = gpu_tensor(c, 2);
    struct batch b = batch_of(input);
    struct gpu_launch l = {0};
    if (input->numel == 0)
        return DEVICE_CANNOT;
    b.has = (weight ? 1 : 0) | (bias ? 2 : 0);
    const double eps = c->args[5].as.f;
    void *y = gpu_result(c, 0);
    begin(&l, &b);
    gpu_bytes(&l, &eps, sizeof eps);
    gpu_bytes(&l, &b.has, sizeof b.has);
    gpu_buffer(&l, gpu_operand(c, input));
    optional(c, &l, weight, y);
    optional(c, &l, bias, y);
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 3)));
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 4)));
    gpu_buffer(&l, y);
    gpu_spread(&l, input->numel);
    return gpu_go(c, gpu_text_norm, "batch_norm_inference", &l);
}

int gpu_batch_norm_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *input = gpu_tensor(c, 1), *weight = gpu_tensor(c, 2);
    struct batch b = batch_of(input);
    struct gpu_launch l = group_each(b.N_C_S[1]);
    int32_t training = c->args[5].as.i != 0;
    if (input->numel == 0)
        return DEVICE_CANNOT;
    b.has = weight ? 1 : 0;
    void *y = gpu_result(c, 0);
    begin(&l, &b);
    gpu_bytes(&l, &training, sizeof training);
    gpu_bytes(&l, &b.has, sizeof b.has);
    gpu_buffer(&l, gpu_operand(c, g));
    gpu_buffer(&l, gpu_operand(c, input));
    optional(c, &l, weight, y);
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 3)));
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 4)));
    gpu_buffer(&l, y);
    gpu_buffer(&l, gpu_result(c, 1));
    gpu_buffer(&l, gpu_result(c, 2));
    return gpu_go(c, gpu_text_norm, "batch_norm_backward", &l);
}

/* ---- layer_norm ---- */

int gpu_layer_norm(struct gpu_call *c)
{
    const fl_tensor *input = gpu_tensor(c, 0), *weight = gpu_tensor(c, 2), *bias = gpu_tensor(c, 3);
    int64_t rows = c->y[1]->numel, n = rows ? input->numel / rows : 0;
    const double eps = c->args[4].as.f;
    struct gpu_launch l = group_each(rows);
    int32_t has = (weight ? 1 : 0) | (bias ? 2 : 0);
    if (input->numel == 0)
        return tensor_fill(c->y[1], fl_int(0)) || tensor_fill(c->y[2], fl_int(0)) ? -1 : 0;
    void *y = gpu_result(c, 0);
    gpu_bytes(&l, &rows, sizeof rows);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &eps, sizeof eps);
    gpu_bytes(&l, &has, sizeof has);
    gpu_buffer(&l, gpu_operand(c, input));
    optional(c, &l, weight, y);
    optional(c, &l, bias, y);
    gpu_buffer(&l, y);
    gpu_buffer(&l, gpu_result(c, 1));
    gpu_buffer(&l, gpu_result(c, 2));
    return gpu_go(c, gpu_text_norm, "layer_norm", &l);
}

/* _layer_norm_backward_kernel(g, input, normalized_shape, mean, rstd, weight). */
int gpu_layer_norm_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *input = gpu_tensor(c, 1), *weight = gpu_tensor(c, 5);
    const int64_t n = c->y[1]->numel, rows = n ? input->numel / n : 0;
    const int64_t each = n ? norm_rows(n) : 0;
    struct gpu_launch l = group_each(rows), sums = {0};
    const int32_t has = weight ? 1 : 0;
    if (input->numel == 0)
        return 0; /* the gradients of weight and bias are zeros already */
    assert(rows * n == input->numel && c->y[0]->dtype == c->dtype);
    const void *from = gpu_operand(c, g), *x = gpu_operand(c, input);
    const void *mean = gpu_operand(c, gpu_tensor(c, 3)), *rstd = gpu_operand(c, gpu_tensor(c, 4));
    void *y = gpu_result(c, 0);
    gpu_bytes(&l, &rows, sizeof rows);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &has, sizeof has);
    gpu_buffer(&l, from);
    gpu_buffer(&l, x);
    optional(c, &l, weight, y);
    gpu_buffer(&l, mean);
    gpu_buffer(&l, rstd);
    gpu_buffer(&l, y);
    if (gpu_go(c, gpu_text_norm, "layer_norm_backward", &l))
        return -1;
    gpu_bytes(&sums, &rows, sizeof rows);
    gpu_bytes(&sums, &n, sizeof n);
    gpu_bytes(&sums, &each, sizeof each);
    gpu_buffer(&sums, from);
    gpu_buffer(&sums, x);
    gpu_buffer(&sums, mean);
    gpu_buffer(&sums, rstd);
    gpu_buffer(&sums, gpu_result(c, 1));
    gpu_buffer(&sums, gpu_result(c, 2));
    gpu_spread(&sums, n);
    return gpu_go(c, gpu_text_norm, "layer_norm_affine", &sums);
}
