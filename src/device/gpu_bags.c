/* Bags of rows of a table, for bags.gpu. What is refused is refused by the CPU, which finds it again. */
#include <assert.h>

#include "device/gpu.h"

/* Whether all indices are rows of the table and the offsets are in order; -1 with the error. */
static int are_right(struct gpu_call *c, const void *index, int64_t total, int64_t rows,
                     const void *offsets, int64_t starts)
{
    struct gpu_launch l = {0};
    int64_t found;
    void *wrong = gpu_index_none(c);
    assert(total > 0 && starts > 0);
    gpu_bytes(&l, &total, sizeof total);
    gpu_bytes(&l, &rows, sizeof rows);
    gpu_bytes(&l, &starts, sizeof starts);
    gpu_buffer(&l, index);
    gpu_buffer(&l, offsets);
    gpu_buffer(&l, wrong);
    gpu_spread(&l, total > starts ? total : starts);
    if (gpu_go(c, gpu_text_bags, "check_bags", &l))
        return -1;
    const int status = gpu_index_wrong(c, wrong, &found);
    return status < 0 ? -1 : !status;
}

/* _embedding_bag(weight, indices, offsets, scale_grad_by_freq, mode, per_sample_weights,
 * include_last_offset, padding_idx), whose results begin as zeros. */
int gpu_embedding_bag(struct gpu_call *c)
{
    const fl_tensor *table = gpu_tensor(c, 0), *indices = gpu_tensor(c, 1);
    const fl_tensor *offsets = gpu_tensor(c, 2), *weights = gpu_tensor(c, 5);
    const int64_t bags = c->y[0]->sizes[0], n = c->y[0]->sizes[1], total = indices->numel;
    const int64_t padding = c->args[7].as.i;
    const int32_t mode = (int32_t)c->args[4].as.i, weighted = weights != NULL;
    int64_t end = total;
    struct gpu_launch l = {0};
    if (c->y[0]->numel == 0 || total == 0 || table->numel == 0)
        return DEVICE_CANNOT;
    const void *index = gpu_operand_as(c, indices, FL_INT64);
    const int64_t *starts = gpu_operand_as(c, offsets, FL_INT64);
    const int right =
        starts ? are_right(c, index, total, table->sizes[0], starts, offsets->numel) : -1;
    if (right <= 0)
        return right ? -1 : DEVICE_CANNOT;
    if (c->args[6].as.i && c->g->device.read(&c->g->device, &end, starts + bags, sizeof end))
        return -1;
    void *y = gpu_result(c, 0);
    gpu_bytes(&l, &bags, sizeof bags);
    gpu_bytes(&l, &total, sizeof total);
    gpu_bytes(&l, &end, sizeof end);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &padding, sizeof padding);
    gpu_bytes(&l, &mode, sizeof mode);
    gpu_bytes(&l, &weighted, sizeof weighted);
    gpu_buffer(&l, gpu_operand(c, table));
    gpu_buffer(&l, index);
    gpu_buffer(&l, starts);
    gpu_buffer(&l, weights ? gpu_operand(c, weights) : y);
    gpu_buffer(&l, y);
    for (int k = 1; k < 4; k++)
        gpu_buffer(&l, tensor_address(c->y[k]));
    gpu_spread(&l, bags * n);
    return gpu_go(c, gpu_text_bags, "fill_bags", &l);
}

/* _embedding_bag_backward(grad_output, indices, offset2bag, bag_size, maximum_indices, size,
 * scale_grad_by_freq, mode, per_sample_weights, padding_idx), into zeros. */
int gpu_embedding_bag_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *indices = gpu_tensor(c, 1), *weights = gpu_tensor(c, 8);
    fl_tensor *y = c->y[0];
    const int64_t total = indices->numel, padding = c->args[9].as.i, none = 0;
    const int32_t mode = (int32_t)c->args[7].as.i, weighted = weights != NULL;
    const int32_t counted = c->args[6].as.i && mode != 2;
    struct gpu_launch l = {0};
    if (g->numel == 0 || y->numel == 0 || total == 0)
        return DEVICE_CANNOT;
    void *to = gpu_result(c, 0);
    const void *index = gpu_operand_as(c, indices, FL_INT64), *counts = to;
    if (counted && !(counts = gpu_count_places(c, index, total, y->sizes[0])))
        return -1;
    if (!to || (y->dtype != c->dtype && c->g->device.fill(&c->g->device, to, &none,
                                                          dtype_size(c->dtype), (size_t)y->numel)))
        return -1;
    gpu_bytes(&l, &g->sizes[0], sizeof *g->sizes);
    gpu_bytes(&l, &total, sizeof total);
    gpu_bytes(&l, &y->sizes[1], sizeof *y->sizes);
    gpu_bytes(&l, &padding, sizeof padding);
    gpu_bytes(&l, &mode, sizeof mode);
    gpu_bytes(&l, &weighted, sizeof weighted);
    gpu_bytes(&l, &counted, sizeof counted);
    gpu_buffer(&l, gpu_operand(c, g));
    gpu_buffer(&l, index);
    for (int k = 2; k < 5; k++)
        gpu_buffer(&l, gpu_operand_as(c, gpu_tensor(c, k), FL_INT64));
    gpu_buffer(&l, weights ? gpu_operand(c, weights) : to);
    gpu_buffer(&l, counts);
    gpu_buffer(&l, to);
    gpu_spread(&l, y->sizes[1]);
    return gpu_go(c, gpu_text_bags, "bags_backward", &l);
}

/* _embedding_bag_per_sample_weights_backward(grad_output, weight, indices, offset2bag, padding_idx). */
int gpu_embedding_bag_weights_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *table = gpu_tensor(c, 1), *indices = gpu_tensor(c, 2);
    const int64_t total = indices->numel, padding = c->args[4].as.i;
    struct gpu_launch l = {0};
    if (total == 0 || g->numel == 0 || table->numel == 0)
        return DEVICE_CANNOT;
    assert(table->ndim == 2 && c->y[0]->numel == total);
    gpu_bytes(&l, &total, sizeof total);
    gpu_bytes(&l, &table->sizes[1], sizeof *table->sizes);
    gpu_bytes(&l, &padding, sizeof padding);
    gpu_buffer(&l, gpu_operand(c, g));
    gpu_buffer(&l, gpu_operand(c, table));
    gpu_buffer(&l, gpu_operand_as(c, indices, FL_INT64));
    gpu_buffer(&l, gpu_operand_as(c, gpu_tensor(c, 3), FL_INT64));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, total);
    return gpu_go(c, gpu_text_bags, "bags_weights_backward", &l);
}
