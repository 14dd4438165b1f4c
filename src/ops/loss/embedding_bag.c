/* Bags of rows of a table: their sums, means or maxima, and the gradients.
 *
 * Each bag is made on its own, its rows added in the order of its indices; the gradient of the
 * table is added up in that order too, by one thread, since bags share rows.
 */
#include <assert.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/loss.h"
#include "ops/loss/gather.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum mode { BAG_SUM, BAG_MEAN, BAG_MAX };
enum { BAGS_A_CHUNK = 32 };

/* ---- what is refused ---- */

static int check_index_types(const fl_tensor *indices, const fl_tensor *offsets)
{
    const fl_tensor *each[] = {indices, offsets};
    int whole = 0;
    for (int i = 0; i < 2; i++)
        whole += each[i]->dtype == FL_INT64 || each[i]->dtype == FL_INT32;
    if (whole && !dtype_is_floating(indices->dtype) && !dtype_is_floating(offsets->dtype))
        return 0;
    const fl_tensor *bad = dtype_is_floating(offsets->dtype) ? offsets : indices;
    return error_set(FL_RUNTIME_ERROR,
                     "Expected tensor for argument #1 'indices' to have one of the following "
                     "scalar types: Long, Int; but got torch.%sTensor instead (while checking "
                     "arguments for embedding_bag)",
                     dtype_title(bad->dtype));
}

static int check_weights(const fl_tensor *weight, const fl_tensor *indices,
                         const fl_tensor *per_sample_weights, int64_t mode)
{
    if (!per_sample_weights)
        return 0;
    if (mode != BAG_SUM)
        return error_set(FL_RUNTIME_ERROR,
                         "embedding_bag: per_sample_weights only supported with mode='sum'");
    if (per_sample_weights->dtype != weight->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected tensor for argument #1 'weight' to have the same type as tensor "
                         "for argument #1 'per_sample_weights'; but type torch.%sTensor does not "
                         "equal torch.%sTensor (while checking arguments for embedding_bag)",
                         dtype_title(weight->dtype), dtype_title(per_sample_weights->dtype));
    if (per_sample_weights->ndim != 1 || per_sample_weights->numel != indices->numel)
        return error_set(FL_RUNTIME_ERROR,
                         "embedding_bag: per_sample_weights must be a 1D Tensor with as many "
                         "elements as indices (%lld), but got %lld",
                         (long long)indices->numel, (long long)per_sample_weights->numel);
    return 0;
}

int embedding_bag_shape(fl_tensor *weight, fl_tensor *indices, fl_tensor *offsets,
                        bool scale_grad_by_freq, int64_t mode, fl_tensor *per_sample_weights,
                        bool include_last_offset, int64_t padding_idx, struct op_shape *y)
{
    (void)scale_grad_by_freq, (void)padding_idx;
    if (weight->ndim != 2)
        return error_set(FL_RUNTIME_ERROR,
                         "weight has to be a 2D Tensor, but got Tensor of dimension %d",
                         weight->ndim);
    if (indices->ndim != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "input has to be a 1D Tensor, but got Tensor of dimension %d",
                         indices->ndim);
    if (offsets->ndim != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "offsets has to be a 1D Tensor, but got Tensor of dimension %d",
                         offsets->ndim);
    if (check_index_types(indices, offsets))
        return -1;
    if (!dtype_is_floating(weight->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "Expected tensor for argument #1 'weight' to have one of the following "
                         "scalar types: Half, BFloat16, Float, Double; but got torch.%sTensor "
                         "instead (while checking arguments for embedding_bag)",
                         dtype_title(weight->dtype));
    if (mode < BAG_SUM || mode > BAG_MAX)
        return error_set(FL_RUNTIME_ERROR, "`mode` must be sum, mean, or max.");
    if (check_weights(weight, indices, per_sample_weights, mode))
        return -1;
    if (include_last_offset && offsets->numel < 1)
        return error_set(FL_RUNTIME_ERROR,
                         "include_last_offset: number of offset should be at least 1");
    const int64_t bags = offsets->numel - include_last_offset;
    op_shape_set(&y[0], 2, (int64_t[]){bags, weight->sizes[1]});
    op_shape_set(&y[1], 1, &indices->numel);
    op_shape_set(&y[2], 1, &bags);
    op_shape_set(&y[3], mode == BAG_MAX ? 2 : 1, y[0].sizes);
    for (int i = 0; i < 4; i++)
        y[i].zero = true;
    y[1].dtype = y[2].dtype = y[3].dtype = FL_INT64;
    return 0;
}

static int check_offsets(const int64_t *offsets, int64_t count, int64_t total)
{
    if (count && offsets[0] != 0)
        return error_set(FL_RUNTIME_ERROR,
                         "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has "
                         "to start from position 0. However, got %lld",
                         (long long)offsets[0]);
    if (count && offsets[count - 1] > total)
        return error_set(FL_RUNTIME_ERROR,
                         "offsets[-1] can not be greater than input's length %lld but got "
                         "offsets[-1] of %lld",
                         (long long)total, (long long)offsets[count - 1]);
    for (int64_t i = 1; i < count; i++)
        if (offsets[i] < offsets[i - 1])
            return error_set(FL_INDEX_ERROR,
                             "offsets must not decrease: offsets[%lld] is %lld after %lld",
                             (long long)i, (long long)offsets[i], (long long)offsets[i - 1]);
    return 0;
}

/* simple: as PyTorch's quick way tells it, for sums and means without padding. */
static int check_indices(const int64_t *indices, int64_t count, int64_t rows, bool simple)
{
    for (int64_t i = 0; i < count; i++) {
        if (indices[i] >= 0 && indices[i] < rows)
            continue;
        if (simple)
            return error_set(
                FL_RUNTIME_ERROR,
                "Index %lld of input takes value %lld which is not in the valid range [0, %lld)",
                (long long)i, (long long)indices[i], (long long)rows);
        return error_set(FL_RUNTIME_ERROR,
                         "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx "
                         "to be %lld",
                         (long long)indices[i]);
    }
    return 0;
}

/* ---- forward ---- */

struct bags {
    const fl_tensor *table, *weights; /* contiguous, of one compute type; weights: NULL for ones */
    const int64_t *indices, *offsets;
    int64_t bags, total, n, padding;
    enum mode mode;
    fl_tensor *y;                 /* (bags, n), of the compute type, zeroed */
    int64_t *bag_of, *size, *max; /* (total), (bags), and (bags, n) or (bags) */
};

static double weight_at(const fl_tensor *weights, int64_t i)
{
    return !weights                       ? 1
           : weights->dtype == FL_FLOAT32 ? (double)((const float *)tensor_data(weights))[i]
                                          : ((const double *)tensor_data(weights))[i];
}

/* The greatest so far; of equal elements the first, and NaN stays once it came first. */
#define TAKE_GREATER(type)                                                                         \
    do {                                                                                           \
        const type *x = (const type *)tensor_data(k->table) + row * k->n;                          \
        type *y = (type *)tensor_data(k->y) + bag * k->n;                                          \
        for (int64_t j = 0; j < k->n; j++)                                                         \
            if (first || x[j] > y[j])                                                              \
                y[j] = x[j], max[j] = row;                                                         \
    } while (0)

static void take_greater(const struct bags *k, int64_t row, int64_t bag, bool first)
{
    int64_t *max = k->max + bag * k->n;
    if (k->y->dtype == FL_FLOAT32)
        TAKE_GREATER(float);
    else
        TAKE_GREATER(double);
}

static void divide_row(fl_tensor *y, int64_t bag, int64_t n, int64_t count)
{
    for (int64_t j = bag * n; j < (bag + 1) * n; j++)
        if (y->dtype == FL_FLOAT32)
            ((float *)tensor_data(y))[j] /= (float)count;
        else
            ((double *)tensor_data(y))[j] /= (double)count;
}

static void fill_bag(const struct bags *k, int64_t bag)
{
    const int64_t end = bag + 1 < k->bags ? k->offsets[bag + 1] : k->total;
    int64_t count = 0;
    for (int64_t i = k->offsets[bag]; i < end; i++) {
        const int64_t row = k->indices[i];
        k->bag_of[i] = bag;
        if (row == k->padding)
            continue;
        if (k->mode == BAG_MAX)
            take_greater(k, row, bag, count == 0);
        else
            gather_add_row(k->table, row, k->y, bag, k->n, weight_at(k->weights, i));
        count++;
    }
    if (k->mode == BAG_MEAN && count > 1)
        divide_row(k->y, bag, k->n, count);
    if (k->mode != BAG_SUM)
        k->size[bag] = count;
    if (k->mode == BAG_MEAN)
        k->max[bag] = count;
}

static void fill_chunk(void *context, int64_t chunk)
{
    const struct bags *k = context;
    int64_t end = (chunk + 1) * BAGS_A_CHUNK < k->bags ? (chunk + 1) * BAGS_A_CHUNK : k->bags;
    for (int64_t bag = chunk * BAGS_A_CHUNK; bag < end; bag++)
        fill_bag(k, bag);
}

int embedding_bag_cpu(fl_tensor *weight, fl_tensor *indices, fl_tensor *offsets,
                      bool scale_grad_by_freq, int64_t mode, fl_tensor *per_sample_weights,
                      bool include_last_offset, int64_t padding_idx, fl_tensor *y,
                      fl_tensor *offset2bag, fl_tensor *bag_size, fl_tensor *maximum_indices)
{
    (void)scale_grad_by_freq;
    int64_t beyond = 0;
    const int work = compute_dtype(compute_of(weight->dtype));
    fl_tensor *table = tensor_as(weight, work), *which = tensor_as(indices, FL_INT64);
    fl_tensor *starts = tensor_as(offsets, FL_INT64);
    fl_tensor *weights = per_sample_weights ? tensor_as(per_sample_weights, work) : NULL;
    fl_tensor *out = y->dtype == work ? tensor_retain(y) : tensor_new(2, y->sizes, work);
    int status = -1;
    if (table && which && starts && out && (weights || !per_sample_weights)) {
        struct bags k = {.table = table,
                         .weights = weights,
                         .indices = tensor_data(which),
                         .offsets = tensor_data(starts),
                         .bags = y->sizes[0],
                         .total = which->numel,
                         .n = y->sizes[1],
                         .padding = padding_idx,
                         .mode = (enum mode)mode,
                         .y = out,
                         .bag_of = tensor_data(offset2bag),
                         .size = tensor_data(bag_size),
                         .max = tensor_data(maximum_indices)};
        status = out == y ? 0 : tensor_fill(out, fl_int(0));
        if (status == 0)
            status = check_offsets(k.offsets, starts->numel, k.total);
        if (status == 0)
            status = check_indices(k.indices, k.total, weight->sizes[0],
                                   mode != BAG_MAX && padding_idx < 0);
        if (status == 0 && include_last_offset) /* what lies beyond is in no bag */
            for (k.total = k.offsets[k.bags]; k.total + beyond < which->numel; beyond++)
                k.bag_of[k.total + beyond] = -1;
        if (status == 0)
            threads_for((k.bags + BAGS_A_CHUNK - 1) / BAGS_A_CHUNK, fill_chunk, &k);
        if (status == 0 && out != y)
            status = tensor_copy(y, out);
    }
    tensor_release(table), tensor_release(which), tensor_release(starts);
    tensor_release(weights), tensor_release(out);
    return status;
}

/* ---- backward ---- */

int embedding_bag_backward_shape(fl_tensor *g, fl_tensor *indices, fl_tensor *offset2bag,
                                 fl_tensor *bag_size, fl_tensor *maximum_indices, fl_ints size,
                                 bool scale_grad_by_freq, int64_t mode,
                                 fl_tensor *per_sample_weights, int64_t padding_idx,
                                 struct op_shape *y)
{
    (void)g, (void)indices, (void)offset2bag, (void)bag_size, (void)maximum_indices;
    (void)scale_grad_by_freq, (void)mode, (void)per_sample_weights, (void)padding_idx;
    op_shape_set(y, 2, size.data);
    y->zero = true;
    return 0;
}

/* Each element of a bag that has rows goes to the row it was the greatest of. */
static void send_to_greatest(const fl_tensor *dy, const int64_t *size, const int64_t *max,
                             fl_tensor *dw)
{
    const int64_t n = dy->sizes[1];
    for (int64_t i = 0; i < dy->numel; i++) {
        if (size[i / n] == 0)
            continue;
        const int64_t at = max[i] * n + i % n;
        if (dw->dtype == FL_FLOAT32)
            ((float *)tensor_data(dw))[at] += ((const float *)tensor_data(dy))[i];
        else
            ((double *)tensor_data(dw))[at] += ((const double *)tensor_data(dy))[i];
    }
}

int embedding_bag_backward_cpu(fl_tensor *g, fl_tensor *indices, fl_tensor *offset2bag,
                               fl_tensor *bag_size, fl_tensor *maximum_indices, fl_ints size,
                               bool scale_grad_by_freq, int64_t mode, fl_tensor *per_sample_weights,
                               int64_t padding_idx, fl_tensor *y)
{
    assert(size.count == 2);
    const int work = compute_dtype(compute_of(g->dtype));
    const size_t counts = (size_t)size.data[0] * sizeof(int64_t);
    fl_tensor *dy = tensor_as(g, work), *which = tensor_as(indices, FL_INT64);
    fl_tensor *weights = per_sample_weights ? tensor_as(per_sample_weights, work) : NULL;
    fl_tensor *out = y->dtype == work ? tensor_retain(y) : tensor_new(2, size.data, work);
    int64_t *times = scale_grad_by_freq ? memory_zalloc(counts) : NULL;
    int status = -1;
    if (dy && which && out && (weights || !per_sample_weights) && (times || !scale_grad_by_freq)) {
        const int64_t *index = tensor_data(which), *bag = tensor_data(offset2bag);
        const int64_t *rows = tensor_data(bag_size), total = dy->sizes[0] ? which->numel : 0;
        status = out == y ? 0 : tensor_fill(out, fl_int(0));
        if (mode == BAG_MAX)
            send_to_greatest(dy, rows, tensor_data(maximum_indices), out);
        for (int64_t i = 0; times && i < total; i++)
            times[index[i]]++;
        for (int64_t i = 0; mode != BAG_MAX && i < total; i++) {
            double scale = weight_at(weights, i) / (times ? (double)times[index[i]] : 1);
            scale /= mode == BAG_MEAN && bag[i] >= 0 && rows[bag[i]] ? (double)rows[bag[i]] : 1;
            if (index[i] != padding_idx && bag[i] >= 0)
                gather_add_row(dy, bag[i], out, index[i], size.data[1], scale);
        }
        if (status == 0 && out != y)
            status = tensor_copy(y, out);
    }
    if (times)
        memory_free(times, counts);
    tensor_release(dy), tensor_release(which), tensor_release(weights), tensor_release(out);
    return status;
}

int embedding_bag_per_sample_weights_backward_shape(fl_tensor *g, fl_tensor *weight,
                                                    fl_tensor *indices, fl_tensor *offset2bag,
                                                    int64_t padding_idx, struct op_shape *y)
{
    (void)g, (void)weight, (void)offset2bag, (void)padding_idx;
    op_shape_set(y, 1, &indices->numel);
    y->zero = true;
    return 0;
}

static double dot(const fl_tensor *a, int64_t i, const fl_tensor *b, int64_t k, int64_t n)
{
    assert(i >= 0 && k >= 0 && n >= 0);
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        sum += weight_at(a, i * n + j) * weight_at(b, k * n + j);
    return sum;
}

int embedding_bag_per_sample_weights_backward_cpu(fl_tensor *g, fl_tensor *weight,
                                                  fl_tensor *indices, fl_tensor *offset2bag,
                                                  int64_t padding_idx, fl_tensor *y)
{
    assert(y->ndim == 1);
    const int work = compute_dtype(compute_of(g->dtype));
    fl_tensor *dy = tensor_as(g, work), *table = tensor_as(weight, work);
    fl_tensor *which = tensor_as(indices, FL_INT64);
    fl_tensor *out = y->dtype == work ? tensor_retain(y) : tensor_new(1, y->sizes, work);
    int status = -1;
    if (dy && table && which && out) {
        const int64_t *index = tensor_data(which), *bag = tensor_data(offset2bag);
        for (int64_t i = 0; dy->sizes[0] && i < which->numel; i++) {
            const double sum = index[i] == padding_idx || bag[i] < 0
                                   ? 0
                                   : dot(dy, bag[i], table, index[i], weight->sizes[1]);
            if (work == FL_FLOAT32)
                ((float *)tensor_data(out))[i] = (float)sum;
            else
                ((double *)tensor_data(out))[i] = sum;
        }
        status = out == y ? 0 : tensor_copy(y, out);
    }
    tensor_release(dy), tensor_release(table), tensor_release(which), tensor_release(out);
    return status;
}

/* ---- embedding_bag as called ---- */

int embedding_bag_compose(fl_tensor *weight, fl_tensor *indices, fl_tensor *offsets,
                          bool scale_grad_by_freq, int64_t mode, bool sparse,
                          fl_tensor *per_sample_weights, bool include_last_offset,
                          const int64_t *padding_idx, fl_tensor **y, fl_tensor **offset2bag,
                          fl_tensor **bag_size, fl_tensor **maximum_indices)
{
    if (sparse)
        return error_set(FL_NOT_IMPLEMENTED,
                         "embedding_bag: sparse gradients are not available; use sparse=False");
    int64_t padding = -1;
    if (padding_idx) {
        const int64_t rows = weight->ndim ? weight->sizes[0] : 0;
        if (*padding_idx < -rows || *padding_idx >= rows)
            return error_set(FL_RUNTIME_ERROR,
                             "padding_idx must be within the number of embeddings, -%lld through "
                             "%lld, but got %lld",
                             (long long)rows, (long long)rows - 1, (long long)*padding_idx);
        padding = *padding_idx + (*padding_idx < 0 ? rows : 0);
    }
    return fl__embedding_bag(weight, indices, offsets, scale_grad_by_freq, mode, per_sample_weights,
                             include_last_offset, padding, y, offset2bag, bag_size,
                             maximum_indices);
}
