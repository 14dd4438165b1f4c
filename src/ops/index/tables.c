/* Numbers as rows of a table: one-hot rows, and rows held to a norm. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

int one_hot_compose(fl_tensor *tensor, int64_t num_classes, fl_tensor **y)
{
    int64_t shape[TENSOR_MAX_DIMS];
    if (tensor->ndim == TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    fl_tensor *all = op_samples(tensor);
    if (!all)
        return -1;
    if (tensor->numel == 0) {
        if (num_classes <= 0)
            return error_set(FL_RUNTIME_ERROR,
                             "Can not infer total number of classes from empty tensor.");
    } else {
        fl_tensor *least = fl_min(all), *most = fl_max(all);
        if (!least || !most)
            return -1;
        const fl_value first = tensor_element(least, 0), last = tensor_element(most, 0);
        const int64_t low = first.as.i, high = last.as.i;
        if (first.tag == FL_NONE || last.tag == FL_NONE)
            return -1;
        if (low < 0)
            return error_set(FL_RUNTIME_ERROR, "Class values must be non-negative.");
        if (num_classes != -1 && num_classes < 1)
            return error_set(FL_RUNTIME_ERROR, "num_classes should be positive");
        if (num_classes != -1 && high >= num_classes)
            return error_set(FL_RUNTIME_ERROR, "Class values must be smaller than num_classes.");
        num_classes = num_classes == -1 ? high + 1 : num_classes;
    }
    memcpy(shape, tensor->sizes, sizeof *shape * (size_t)tensor->ndim);
    shape[tensor->ndim] = num_classes;
    fl_tensor *rows =
        fl_zeros((fl_ints){shape, tensor->ndim + 1}, FL_INT64, (fl_device){-1, 0}, false);
    *y = tensor->numel ? fl_scatter_value(rows, -1, fl_unsqueeze(tensor, -1), fl_int(1)) : rows;
    return *y ? 0 : -1;
}

static double norm_of(const double *row, int64_t n, double p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double size = fabs(row[i]);
        sum = isinf(p) ? (size > sum ? size : sum)
                       : sum + (p == 0   ? size != 0
                                : p == 2 ? size * size
                                : p == 1 ? size
                                         : pow(size, p));
    }
    return isinf(p) || p == 1 || p == 0 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p);
}

/* Holds row number `at` of t (rows, n) to the norm; room has n numbers. */
static void hold_row(fl_tensor *t, int64_t at, double max_norm, double p, double *room)
{
    const int64_t n = t->sizes[1], size = (int64_t)dtype_size(t->dtype);
    char *row = (char *)tensor_data(t) + at * t->strides[0] * size;
    convert_elements(n, room, FL_FLOAT64, 8, row, t->dtype, t->strides[1] * size);
    const double norm = norm_of(room, n, p);
    if (!(norm > max_norm))
        return;
    const double scale = max_norm / (norm + 1e-7);
    for (int64_t i = 0; i < n; i++)
        room[i] *= scale;
    convert_elements(n, row, t->dtype, t->strides[1] * size, room, FL_FLOAT64, 8);
}

int embedding_renorm__cpu(fl_tensor *self, fl_tensor *indices, double max_norm, double norm_type)
{
    if (self->ndim != 2)
        return error_set(FL_RUNTIME_ERROR, "'weight' must be 2-D");
    if (indices->dtype != FL_INT64 && indices->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected tensor for argument #2 'indices' to have one of the following "
                         "scalar types: Long, Int; but got torch.%s instead (while checking "
                         "arguments for embedding_renorm_)",
                         fl_dtype_name((fl_dtype)indices->dtype));
    const size_t bytes = sizeof(double) * (size_t)(self->sizes[1] + 1),
                 marks = (size_t)self->sizes[0] + 1;
    fl_tensor *wide = tensor_as(indices, FL_INT64), *at = wide ? tensor_contiguous(wide) : NULL;
    double *room = memory_alloc(bytes);
    bool *done = memory_zalloc(marks);
    int status = at && room && done ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < at->numel; i++) {
        const int64_t row = ((const int64_t *)tensor_data(at))[i];
        if (row < 0 || row >= self->sizes[0])
            status = error_set(FL_INDEX_ERROR, "index out of range in self");
        else if (!done[row])
            done[row] = true, hold_row(self, row, max_norm, norm_type, room);
    }
    if (room)
        memory_free(room, bytes);
    if (done)
        memory_free(done, marks);
    tensor_release(wide), tensor_release(at);
    return status;
}
