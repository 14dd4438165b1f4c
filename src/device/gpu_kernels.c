/* Operators by name, and how their kernels see operands. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "device/gpu.h"

static const struct {
    const char *name;
    int (*run)(struct gpu_call *c);
} KERNELS[] = {
    {"_avg_pool2d", gpu_avg_pool2d},
    {"_avg_pool2d_backward", gpu_avg_pool2d_backward},
    {"_batch_norm_backward_kernel", gpu_batch_norm_backward},
    {"_batch_norm_inference", gpu_batch_norm_inference},
    {"_batch_norm_training", gpu_batch_norm_training},
    {"_conv2d", gpu_conv2d},
    {"_conv2d_backward_input", gpu_conv2d_backward_input},
    {"_conv2d_backward_weight", gpu_conv2d_backward_weight},
    {"_linear_backward_input", gpu_linear_backward_input},
    {"_linear_backward_weight", gpu_linear_backward_weight},
    {"_log_softmax_backward", gpu_softmax_backward},
    {"_matmul_batch", gpu_matmul},
    {"_max_pool2d", gpu_max_pool2d},
    {"_max_pool2d_backward", gpu_max_pool2d_backward},
    {"_nll_loss", gpu_nll_loss},
    {"_nll_loss_backward", gpu_nll_loss_backward},
    {"_softmax_backward", gpu_softmax_backward},
    {"bmm", gpu_matmul},
    {"cat", gpu_cat},
    {"dot", gpu_matmul},
    {"embedding", gpu_index_select},
    {"gather", gpu_gather},
    {"index_select", gpu_index_select},
    {"linear", gpu_linear},
    {"log_softmax.int", gpu_softmax},
    {"matmul", gpu_matmul},
    {"mm", gpu_matmul},
    {"mv", gpu_matmul},
    {"native_layer_norm", gpu_layer_norm},
    {"softmax.int", gpu_softmax},
};

/* ---- operands ---- */

static fl_tensor *keep(struct gpu_call *c, fl_tensor *t)
{
    assert(c->count < (int)(sizeof c->made / sizeof *c->made));
    if (t)
        c->made[c->count++] = t;
    else
        c->failed = true;
    return t;
}

/* A new tensor of t's sizes, contiguous, on the call's device. */
static fl_tensor *new_like(struct gpu_call *c, const fl_tensor *t, int dtype)
{
    return keep(c, tensor_new_on(&c->g->device, t->ndim, t->sizes, NULL, dtype));
}

const void *gpu_operand_as(struct gpu_call *c, const fl_tensor *t, int dtype)
{
    if (!t || c->failed)
        return NULL;
    if (t->dtype == dtype && t->flags & TENSOR_CONTIGUOUS)
        return t->storage ? tensor_address(t) : NULL;
    fl_tensor *plain = new_like(c, t, dtype);
    if (plain && plain->numel && gpu_convert(&c->g->device, plain, t))
        c->failed = true;
    return plain && plain->numel ? tensor_address(plain) : NULL;
}

const void *gpu_operand(struct gpu_call *c, const fl_tensor *t)
{
    return gpu_operand_as(c, t, c->dtype);
}

void *gpu_room(struct gpu_call *c, int64_t n, int dtype)
{
    fl_tensor *room = keep(c, tensor_new_on(&c->g->device, 1, &n, NULL, dtype));
    return room && n ? tensor_address(room) : NULL;
}

void *gpu_result(struct gpu_call *c, int k)
{
    fl_tensor *y = c->y[k];
    if (y->dtype == c->dtype || y->dtype == FL_INT64)
        return tensor_address(y);
    c->room[k] = new_like(c, y, c->dtype);
    return c->room[k] ? tensor_address(c->room[k]) : NULL;
}

void gpu_around(const fl_tensor *t, int d, int64_t outer_n_inner[3])
{
    assert(t->ndim == 0 || (d >= 0 && d < t->ndim));
    for (int i = 0; i < 3; i++)
        outer_n_inner[i] = 1;
    for (int k = 0; k < t->ndim; k++)
        outer_n_inner[k < d ? 0 : k == d ? 1 : 2] *= t->sizes[k];
}

/* ---- running ---- */

static int write_texts(const struct gpu_key *key, const void *context, const char **texts)
{
    const struct gpu *g = context;
    const char *all[] = {g->prelude,    gpu_compute_define(key->compute), gpu_text_dialect,
                         gpu_text_math, gpu_text_primitives,           key->text};
    memcpy(texts, all, sizeof all);
    return sizeof all / sizeof *all;
}

int gpu_go(struct gpu_call *c, const char *text, const char *entry, struct gpu_launch *l)
{
    struct gpu_key key;
    if (c->failed)
        return -1;
    memset(&key, 0, sizeof key);
    key.text = text, key.compute = (uint8_t)compute_of(c->dtype);
    memcpy(key.detail, &entry, sizeof entry); /* which of the text's kernels */
    l->name = c->name;
    struct gpu_kernel *k = gpu_find(c->g, &key, c->name, entry, write_texts, c->g);
    return k ? c->g->launch(c->g, k, l) : -1;
}

/* What T is for an operator: the compute type of its first result. */
static int dtype_of_call(const fl_value *args, fl_tensor *const *y)
{
    int dtype = y[0]->dtype;
    (void)args;
    return gpu_has_dtype(dtype) ? compute_dtype(compute_of(dtype)) : -1;
}

/* 32 bits number the elements of every tensor. */
static bool all_small(const fl_value *args, int count)
{
    for (int i = 0; i < count; i++)
        if (args[i].tag == FL_TENSOR && args[i].as.tensor->numel > INT32_MAX)
            return false;
    return true;
}

int gpu_run_kernel(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y)
{
    struct gpu_call c = {.g = gpu_of(d), .name = name, .args = args, .y = y};
    int (*run)(struct gpu_call *) = NULL;
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS && !run; i++)
        if (strcmp(KERNELS[i].name, name) == 0)
            run = KERNELS[i].run;
    if (!run || !y || !all_small(args, 2) || y[0]->numel > INT32_MAX ||
        !(y[0]->flags & TENSOR_CONTIGUOUS) || (c.dtype = dtype_of_call(args, y)) < 0)
        return DEVICE_CANNOT;
    int status = run(&c);
    for (int k = 0; k < 8 && status == 0; k++)
        if (c.room[k] && y[k]->numel)
            status = gpu_convert(d, y[k], c.room[k]);
    for (int i = 0; i < c.count; i++)
        tensor_release(c.made[i]);
    return c.failed ? -1 : status;
}
