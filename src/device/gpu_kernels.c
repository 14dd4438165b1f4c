/* The kernels of operators, by name, and what a device with kernels can do. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "device/gpu.h"

/* By the operator's name in the table, with the number of its parameters. One whose name ends in _
 * (in front of its overload) writes in place: its first argument is its result. The steps of C
 * programs' optimizers (nn/rules.c) are rows too, though no operators. */
static const struct kernel {
    const char *name;
    int (*run)(struct gpu_call *c);
    int params;
} KERNELS[] = {
    {"_adaptive_avg_pool2d", gpu_adaptive_pool2d, 2},
    {"_adaptive_avg_pool2d_backward", gpu_adaptive_avg_pool2d_backward, 2},
    {"_adaptive_max_pool2d", gpu_adaptive_pool2d, 2},
    {"_adam_step_", gpu_adam_step, 7},
    {"_as_strided_backward", gpu_as_strided_backward, 7},
    {"_avg_pool2d", gpu_avg_pool2d, 7},
    {"_avg_pool2d_backward", gpu_avg_pool2d_backward, 8},
    {"_batch_norm_backward_kernel", gpu_batch_norm_backward, 6},
    {"_batch_norm_inference", gpu_batch_norm_inference, 6},
    {"_batch_norm_training", gpu_batch_norm_training, 7},
    {"_blend_points", gpu_blend_points, 4},
    {"_blend_points_backward", gpu_blend_points_backward, 5},
    {"_cdist", gpu_cdist, 3},
    {"_conv2d", gpu_conv2d, 7},
    {"_conv2d_backward_input", gpu_conv2d_backward_input, 7},
    {"_conv2d_backward_weight", gpu_conv2d_backward_weight, 7},
    {"_ctc_loss", gpu_ctc_loss, 6},
    {"_ctc_loss_backward", gpu_ctc_loss_backward, 9},
    {"_embedding_backward", gpu_embedding_backward, 5},
    {"_embedding_bag", gpu_embedding_bag, 8},
    {"_embedding_bag_backward", gpu_embedding_bag_backward, 10},
    {"_embedding_bag_per_sample_weights_backward", gpu_embedding_bag_weights_backward, 5},
    {"_index_backward", gpu_index_backward, 3},
    {"_layer_norm_backward_kernel", gpu_layer_norm_backward, 6},
    {"_linear_backward_input", gpu_linear_backward_input, 2},
    {"_linear_backward_weight", gpu_linear_backward_weight, 2},
    {"_log_softmax_backward", gpu_softmax_backward, 3},
    {"_matmul_batch", gpu_matmul, 2},
    {"_max_pool2d", gpu_max_pool2d, 6},
    {"_max_pool2d_backward", gpu_max_pool2d_backward, 3},
    {"_nll_loss", gpu_nll_loss, 5},
    {"_nll_loss_backward", gpu_nll_loss_backward, 7},
    {"_points_of", gpu_index_select, 3},
    {"_searchsorted", gpu_searchsorted, 4},
    {"_sgd_step_", gpu_sgd_step, 5},
    {"_softmax_backward", gpu_softmax_backward, 3},
    {"argmax", gpu_arg_extreme, 3},
    {"argmin", gpu_arg_extreme, 3},
    {"bmm", gpu_matmul, 2},
    {"cat", gpu_cat, 2},
    {"cummax", gpu_running_extreme, 2},
    {"cummin", gpu_running_extreme, 2},
    {"cumprod", gpu_running, 3},
    {"cumsum", gpu_running, 3},
    {"dot", gpu_matmul, 2},
    {"embedding", gpu_index_select, 2},
    {"gather", gpu_gather, 3},
    {"grid_sampler_2d", gpu_grid_sample, 5},
    {"grid_sampler_2d_backward", gpu_grid_sample_backward, 6},
    {"grid_sampler_3d", gpu_grid_sample, 5},
    {"grid_sampler_3d_backward", gpu_grid_sample_backward, 6},
    {"index.Tensor", gpu_index, 2},
    {"index_add_", gpu_index_add, 5},
    {"index_copy_", gpu_index_add, 4},
    {"index_fill_", gpu_index_fill, 4},
    {"index_put_", gpu_index_put, 4},
    {"index_select", gpu_index_select, 3},
    {"kthvalue", gpu_kth, 4},
    {"linear", gpu_linear, 3},
    {"log_softmax.int", gpu_softmax, 3},
    {"logcumsumexp", gpu_running_log_sum, 2},
    {"masked_fill_", gpu_masked_fill, 3},
    {"masked_scatter_", gpu_masked_scatter, 3},
    {"matmul", gpu_matmul, 2},
    {"max.dim", gpu_extreme, 3},
    {"median", gpu_median, 1},
    {"median.dim", gpu_median_along, 3},
    {"min.dim", gpu_extreme, 3},
    {"mm", gpu_matmul, 2},
    {"mode", gpu_mode, 3},
    {"mv", gpu_matmul, 2},
    {"native_layer_norm", gpu_layer_norm, 5},
    {"nonzero", gpu_nonzero, 1},
    {"scatter_.reduce", gpu_scatter, 5},
    {"scatter_.src", gpu_scatter, 4},
    {"scatter_.value", gpu_scatter, 4},
    {"scatter_.value_reduce", gpu_scatter, 5},
    {"scatter_add_", gpu_scatter, 4},
    {"scatter_reduce.two", gpu_scatter_reduce, 6},
    {"softmax.int", gpu_softmax, 3},
    {"sort", gpu_sort, 3},
    {"sort.stable", gpu_sort_stable, 4},
    {"topk", gpu_topk, 5},
    {"tril", gpu_triangle, 2},
    {"triu", gpu_triangle, 2},
};

enum { MOST_PARAMS = 10 };

/* On this device, or a number or an index of the CPU's (which gpu_operand copies), with elements that
 * 32 bits number. */
static bool fits(const struct device *d, const fl_tensor *t, bool is_index)
{
    const bool joins = t && (t->ndim == 0 || is_index) && tensor_device(t) == &device_cpu;
    return !t ||
           ((tensor_device(t) == d || joins) && t->numel <= INT32_MAX && gpu_has_dtype(t->dtype));
}

static bool all_fit(const struct device *d, int count, const fl_value *args)
{
    for (int i = 0; i < count; i++) {
        if (args[i].tag == FL_TENSOR && !fits(d, args[i].as.tensor, false))
            return false;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (!fits(d, args[i].as.tensors[k], true))
                return false;
    }
    return true;
}

/* What a kernel writes to in the place of what does not lie row by row: a copy, to be written back. */
static fl_tensor *rows_of(const fl_tensor *t)
{
    fl_tensor *rows = tensor_contiguous(t);
    assert(!rows || (rows->storage != t->storage && rows->flags & TENSOR_CONTIGUOUS));
    return rows;
}

int gpu_run_kernel(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y)
{
    struct gpu_call c = {.g = gpu_of(d), .name = name, .args = args};
    fl_value given[MOST_PARAMS];
    const struct kernel *k = NULL;
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS && !k; i++)
        if (strcmp(KERNELS[i].name, name) == 0)
            k = &KERNELS[i];
    const bool in_place = name[strcspn(name, ".") - 1] == '_';
    if (!k || in_place != !y || !all_fit(d, k->params, args))
        return DEVICE_CANNOT;
    c.y = y = in_place ? &args[0].as.tensor : y;
    fl_tensor *const to = y[0];
    const bool rows =
        to->flags & TENSOR_CONTIGUOUS || k->run == gpu_nonzero; /* it writes columns */
    if (tensor_device(to) != d || !fits(d, to, false) ||
        (!rows && !(in_place && gpu_lies_apart(to->ndim, to->sizes, to->strides))))
        return DEVICE_CANNOT;
    if (!rows && k->run != gpu_masked_fill) {
        memcpy(given, args, sizeof *args * (size_t)k->params);
        if (!(given[0].as.tensor = rows_of(to)))
            return -1;
        c.args = given, c.y = y = &given[0].as.tensor;
    }
    c.dtype = compute_dtype(compute_of(to->dtype));
    int status = k->run(&c);
    for (int i = 0; i < 8 && status == 0; i++)
        if (c.room[i] && y[i]->numel)
            status = tensor_copy(y[i], c.room[i]);
    for (int i = 0; i < c.count; i++)
        tensor_release(c.made[i]);
    if (y[0] != to) {
        if (status == 0 && !c.failed)
            status = tensor_copy(to, y[0]);
        tensor_release(y[0]);
    }
    return c.failed ? -1 : status;
}

int gpu_set_up(struct gpu *g, const char *driver, fl_device id)
{
    assert(id.kind > FL_CPU && id.index >= 0);
    snprintf(g->name, sizeof g->name, "%s:%d", driver, id.index);
    g->device.id = id, g->device.name = g->name, g->device.memory = DEVICE_APART;
    g->device.pointwise = gpu_pointwise;
    g->device.reduce = gpu_reduce;
    g->device.convert = gpu_convert;
    g->device.kernel = gpu_run_kernel;
    return (g->table = gpu_table_new()) ? 0 : -1;
}
