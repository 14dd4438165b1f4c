/* The lines of a tensor; counting, and searching in sorted lines. */
#include "ops/sort/lines.h"

#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/warning.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/sort.h"
#include "ops/op.h"
#include "ops_kernels.h"

struct lines lines_of(const fl_tensor *t, int dim)
{
    assert(dim >= -1 && (dim < t->ndim || t->ndim == 0));
    int64_t bytes = (int64_t)dtype_size(t->dtype);
    struct lines l = {
        .data = tensor_data(t), .dtype = t->dtype, .n = 1, .stride = bytes, .count = 1};
    for (int d = 0; d < t->ndim; d++) {
        if (d == dim) {
            l.n = t->sizes[d], l.stride = t->strides[d] * bytes;
            continue;
        }
        l.sizes[l.ndim] = t->sizes[d], l.strides[l.ndim++] = t->strides[d] * bytes;
        l.count *= t->sizes[d];
    }
    return l;
}

struct line line_at(const struct lines *l, int64_t number)
{
    assert(number >= 0);
    struct line line = {l->data, l->n, l->stride, l->dtype};
    for (int d = l->ndim - 1; d >= 0; d--) {
        line.data += number % l->sizes[d] * l->strides[d];
        number /= l->sizes[d];
    }
    return line;
}

/* ---- counting ---- */

static int check_counted(const fl_tensor *self, const fl_tensor *weights, int64_t minlength,
                         int64_t *length)
{
    if (self->ndim != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "bincount only supports 1-d non-negative integral inputs.");
    if (minlength < 0)
        return error_set(FL_RUNTIME_ERROR, "minlength should be >= 0");
    if (weights && weights->numel != self->numel)
        return error_set(FL_RUNTIME_ERROR,
                         "weights should be 1-d and have the same length as input");
    struct lines l = lines_of(self, 0);
    struct line line = line_at(&l, 0);
    int64_t block[512], signs = 0, most = minlength - 1;
    for (int64_t i = 0, n; i < self->numel; i += n) {
        n = self->numel - i < 512 ? self->numel - i : 512;
        convert_elements(n, block, FL_INT64, 8, line.data + i * line.stride, line.dtype,
                         line.stride);
        for (int64_t k = 0; k < n; k++)
            signs |= block[k];
        for (int64_t k = 0; k < n; k++)
            most = block[k] > most ? block[k] : most;
    }
    if (signs < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "bincount only supports 1-d non-negative integral inputs.");
    *length = most + 1;
    return 0;
}

int bincount_shape(fl_tensor *self, fl_tensor *weights, int64_t minlength, struct op_shape *y)
{
    int64_t length;
    if (check_counted(self, weights, minlength, &length))
        return -1;
    op_shape_set(y, 1, &length);
    y->dtype = !weights ? FL_INT64 : weights->dtype == FL_FLOAT32 ? FL_FLOAT32 : FL_FLOAT64;
    y->zero = true;
    return 0;
}

int bincount_cpu(fl_tensor *self, fl_tensor *weights, int64_t minlength, fl_tensor *y)
{
    assert(y->ndim == 1);
    (void)minlength;
    fl_tensor *which = tensor_as(self, FL_INT64),
              *w = weights ? tensor_as(weights, y->dtype) : NULL;
    int status = which && (w || !weights) ? 0 : -1;
    if (status == 0) {
        const int64_t *bin = tensor_data(which);
        const void *weight = w ? tensor_data(w) : NULL;
        void *sums = tensor_data(y);
        for (int64_t i = 0; i < self->numel; i++)
            if (!w)
                ((int64_t *)sums)[bin[i]]++;
            else if (y->dtype == FL_FLOAT32)
                ((float *)sums)[bin[i]] += ((const float *)weight)[i];
            else
                ((double *)sums)[bin[i]] += ((const double *)weight)[i];
    }
    tensor_release(which), tensor_release(w);
    return status;
}

int searchsorted_sorted_shape(fl_tensor *sorted, fl_tensor *self, bool out_int32, bool right,
                              struct op_shape *y)
{
    (void)right;
    if (sorted->ndim != 1) {
        bool fits = sorted->ndim == self->ndim;
        for (int d = 0; fits && d < self->ndim - 1; d++)
            fits = sorted->sizes[d] == self->sizes[d];
        if (!fits)
            return error_set(
                FL_RUNTIME_ERROR,
                "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
                "dimensions of boundaries tensor and input value tensor must match");
    }
    op_shape_like(y, self);
    y->dtype = out_int32 ? FL_INT32 : FL_INT64;
    return 0;
}

int searchsorted_sorted_cpu(fl_tensor *sorted, fl_tensor *self, bool out_int32, bool right,
                            fl_tensor *y)
{
    assert(sorted->ndim >= 1 && shape_equal(y, self));
    (void)out_int32;
    int work = dtype_is_floating(dtype_promote(sorted->dtype, self->dtype)) ? FL_FLOAT64 : FL_INT64;
    fl_tensor *edges = tensor_as(sorted, work), *x = tensor_as(self, work),
              *at = tensor_new(self->ndim, self->sizes, FL_INT64);
    int status = edges && x && at ? 0 : -1;
    int64_t n = sorted->sizes[sorted->ndim - 1],
            row = self->ndim && sorted->ndim > 1 ? self->sizes[self->ndim - 1] : self->numel;
    const void *edge = status ? NULL : tensor_data(edges), *value = status ? NULL : tensor_data(x);
    int64_t *place = status ? NULL : tensor_data(at);
    for (int64_t i = 0; status == 0 && i < x->numel; i++) {
        int64_t low = 0, high = n, base = sorted->ndim > 1 ? i / row * n : 0;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            bool before;
            if (work == FL_FLOAT64) {
                double e = ((const double *)edge)[base + middle], v = ((const double *)value)[i];
                before = right ? !(e > v) : !(e >= v);
            } else {
                int64_t e = ((const int64_t *)edge)[base + middle], v = ((const int64_t *)value)[i];
                before = right ? e <= v : e < v;
            }
            *(before ? &low : &high) = middle + before;
        }
        place[i] = low;
    }
    if (status == 0)
        status = tensor_copy(y, at);
    tensor_release(edges), tensor_release(x), tensor_release(at);
    return status;
}

static const char *const NAMES[] = {"input value", "boundary", "sorter"};

static int warn_of_layout(const char *name)
{
    return warning_give(
        "torch.searchsorted(): %s tensor is non-contiguous, this will lower the "
        "performance due to extra data copy when converting non-contiguous tensor to "
        "contiguous, please use contiguous %s tensor if possible. This message will "
        "only appear once per program.",
        name, name);
}

int searchsorted_compose(fl_tensor *sorted, fl_value self, bool out_int32, bool right,
                         const char *side, fl_tensor *sorter, fl_tensor **y)
{
    bool left = side && strcmp(side, "left") == 0;
    if (side && !left && strcmp(side, "right") != 0)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.searchsorted(): side can only be 'left' or 'right' but got %s",
                         side);
    if (left && right)
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True");
    fl_tensor *x =
        self.tag == FL_TENSOR
            ? self.as.tensor
            : op_adopt(tensor_from_number(self, self.tag == FL_FLOATING ? FL_FLOAT64 : FL_INT64));
    if (!x)
        return -1;
    if (x->ndim == 0 && sorted->ndim != 1)
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
            "dimension is 1, but we got boundaries tensor dim(%d) and input value's dim(0) "
            "numel(1)",
            sorted->ndim);
    if (sorted->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "torch.searchsorted(): boundaries tensor should have "
                                           "positive dimension, but got 0 dimension");
    if (sorter &&
        (sorter->dtype != FL_INT64 || sorter->ndim != sorted->ndim ||
         memcmp(sorter->sizes, sorted->sizes, sizeof(int64_t) * (size_t)sorted->ndim) != 0))
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.searchsorted(): sorter must be an int64 tensor of the size of boundaries");
    const fl_tensor *given[] = {x, sorted, sorter};
    for (int i = 0; i < 3; i++)
        if (given[i] && !(given[i]->flags & TENSOR_CONTIGUOUS) && warn_of_layout(NAMES[i]))
            return -1;
    fl_tensor *edges = sorter ? fl_gather(sorted, -1, sorter, false) : sorted;
    *y = edges ? fl__searchsorted(edges, x, out_int32, right || (side && !left)) : NULL;
    return *y ? 0 : -1;
}

int bucketize_compose(fl_value self, fl_tensor *boundaries, bool out_int32, bool right,
                      fl_tensor **y)
{
    if (boundaries->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "boundaries tensor must be 1 dimension, but got dim(%d)",
                         boundaries->ndim);
    return searchsorted_compose(boundaries, self, out_int32, right, NULL, NULL, y);
}
