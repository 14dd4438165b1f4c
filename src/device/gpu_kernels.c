/* Operators by name, and how their kernels see operands. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "device/gpu.h"

/* By the operator's name, with the number of its parameters. */
static const struct kernel {
    const char *name;
    int (*run)(struct gpu_call *c);
    int params;
} KERNELS[] = {
    {"_avg_pool2d", gpu_avg_pool2d, 7},
    {"_avg_pool2d_backward", gpu_avg_pool2d_backward, 8},
    {"_batch_norm_backward_kernel", gpu_batch_norm_backward, 6},
    {"_batch_norm_inference", gpu_batch_norm_inference, 6},
    {"_batch_norm_training", gpu_batch_norm_training, 7},
    {"_conv2d", gpu_conv2d, 7},
    {"_conv2d_backward_input", gpu_conv2d_backward_input, 7},
    {"_conv2d_backward_weight", gpu_conv2d_backward_weight, 7},
    {"_linear_backward_input", gpu_linear_backward_input, 2},
    {"_linear_backward_weight", gpu_linear_backward_weight, 2},
    {"_log_softmax_backward", gpu_softmax_backward, 3},
    {"_matmul_batch", gpu_matmul, 2},
    {"_max_pool2d", gpu_max_pool2d, 6},
    {"_max_pool2d_backward", gpu_max_pool2d_backward, 3},
    {"_nll_loss", gpu_nll_loss, 5},
    {"_nll_loss_backward", gpu_nll_loss_backward, 7},
    {"_softmax_backward", gpu_softmax_backward, 3},
    {"bmm", gpu_matmul, 2},
    {"cat", gpu_cat, 2},
    {"dot", gpu_matmul, 2},
    {"embedding", gpu_index_select, 2},
    {"gather", gpu_gather, 3},
    {"index_select", gpu_index_select, 3},
    {"linear", gpu_linear, 3},
    {"log_softmax", gpu_softmax, 2},
    {"matmul", gpu_matmul, 2},
    {"mm", gpu_matmul, 2},
    {"mv", gpu_matmul, 2},
    {"native_layer_norm", gpu_layer_norm, 5},
    {"softmax", gpu_softmax, 2},
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
        return tensor_address(t);
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

/* On this device (indices and numbers may come from the CPU), with elements that 32 bits number. */
static bool fits(const struct device *d, const fl_tensor *t)
{
    return !t || (tensor_device(t) == d && t->numel <= INT32_MAX && gpu_has_dtype(t->dtype));
}

static bool all_fit(const struct device *d, int count, const fl_value *args)
{
    for (int i = 0; i < count; i++) {
        if (args[i].tag == FL_TENSOR && !fits(d, args[i].as.tensor))
            return false;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (!fits(d, args[i].as.tensors[k]))
                return false;
    }
    return true;
}

int gpu_run_kernel(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y)
{
    struct gpu_call c = {.g = gpu_of(d), .name = name, .args = args, .y = y};
    const struct kernel *k = NULL;
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS && !k; i++)
        if (strcmp(KERNELS[i].name, name) == 0)
            k = &KERNELS[i];
    if (!k || !y || !all_fit(d, k->params, args) || !fits(d, y[0]) ||
        !(y[0]->flags & TENSOR_CONTIGUOUS))
        return DEVICE_CANNOT;
    c.dtype = compute_dtype(compute_of(y[0]->dtype));
    int status = k->run(&c);
    for (int i = 0; i < 8 && status == 0; i++)
        if (c.room[i] && y[i]->numel)
            status = gpu_convert(d, y[i], c.room[i]);
    for (int i = 0; i < c.count; i++)
        tensor_release(c.made[i]);
    return c.failed ? -1 : status;
}
