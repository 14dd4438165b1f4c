/* Softmax and the normalisations, for norm.gpu. */
#include <assert.h>

#include "device/gpu.h"

enum { GROUP = 64 }; /* items of a channel; the text's */

/* ---- softmax ---- */

static int softmax(struct gpu_call *c, const char *entry, int64_t dim, bool logarithm, int inputs)
{
    const fl_tensor *y = c->y[0];
    struct gpu_launch l = {0};
    int64_t size[3];
    int d = shape_wrap_dim(dim, y->ndim);
    if (d < 0)
        return -1;
    gpu_around(y, d, size);
    if (y->numel == 0)
        return 0;
    int32_t is_logarithm = logarithm;
    for (int i = 0; i < 3; i++)
        gpu_bytes(&l, &size[i], sizeof size[i]);
    gpu_bytes(&l, &is_logarithm, sizeof is_logarithm);
    for (int i = 0; i < inputs; i++)
        gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, i)));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, size[0] * size[2]);
    return gpu_go(c, gpu_text_norm, entry, &l);
}

int gpu_softmax(struct gpu_call *c)
{
    return softmax(c, "softmax", c->args[1].as.i, c->name[0] == 'l', 1);
}

int gpu_softmax_backward(struct gpu_call *c)
{
    return softmax(c, "softmax_backward", c->args[2].as.i, c->name[1] == 'l', 2);
}

/* ---- batch_norm ---- */

struct batch {
    int64_t N_C_S[3];
    double momentum;
    char eps[8];
    size_t size; /* of a T */
    int32_t has;
};

static void put_number(char *to, double number, int dtype)
{
    gpu_scalar((union loop_scalar){.f = number}, compute_of(dtype), to);
}

static struct batch batch_of(const struct gpu_call *c, const fl_tensor *input)
{
    struct batch b = {.size = dtype_size(c->dtype)};
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
    struct batch b = batch_of(c, input);
    struct gpu_launch l = {.dims = 1, .local = {GROUP}, .global = {(size_t)b.N_C_S[1] * GROUP}};
    if (!is_written_in_place(c, mean) || !is_written_in_place(c, var) || input->numel == 0 ||
        c->y[0]->dtype != c->dtype || c->y[1]->dtype != c->dtype)
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
    struct batch b = batch_of(c, input);
    struct gpu_launch l = {0};
    if (input->numel == 0)
        return DEVICE_CANNOT;
    b.has = (weight ? 1 : 0) | (bias ? 2 : 0);
    put_number(b.eps, c->args[5].as.f, c->dtype);
    void *y = gpu_result(c, 0);
    begin(&l, &b);
    gpu_bytes(&l, b.eps, b.size);
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
    struct batch b = batch_of(c, input);
    struct gpu_launch l = {.dims = 1, .local = {GROUP}, .global = {(size_t)b.N_C_S[1] * GROUP}};
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
    struct gpu_launch l = {0};
    char eps[8];
    int32_t has = (weight ? 1 : 0) | (bias ? 2 : 0);
    if (input->numel == 0)
        return DEVICE_CANNOT;
    put_number(eps, c->args[4].as.f, c->dtype);
    void *y = gpu_result(c, 0);
    gpu_bytes(&l, &rows, sizeof rows);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, eps, dtype_size(c->dtype));
    gpu_bytes(&l, &has, sizeof has);
    gpu_buffer(&l, gpu_operand(c, input));
    optional(c, &l, weight, y);
    optional(c, &l, bias, y);
    gpu_buffer(&l, y);
    gpu_buffer(&l, gpu_result(c, 1));
    gpu_buffer(&l, gpu_result(c, 2));
    gpu_spread(&l, rows);
    return gpu_go(c, gpu_text_norm, "layer_norm", &l);
}
