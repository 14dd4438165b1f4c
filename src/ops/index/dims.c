/* Indexing along one dim: slices named by an index vector. */
#include <assert.h>
#include <stdio.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/sound.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/index/index.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* A contiguous tensor around a dim: (outer, n, inner). 0-dim tensors count as one element in one
 * dim. */
struct around {
    int64_t outer, n, inner;
};

static struct around around_of(const fl_tensor *t, int dim)
{
    assert(dim >= 0 && (dim < t->ndim || t->ndim == 0));
    struct around a = {1, t->ndim ? t->sizes[dim] : 1, 1};
    for (int d = 0; d < t->ndim; d++)
        *(d < dim ? &a.outer : d > dim ? &a.inner : &(int64_t){1}) *= t->sizes[d];
    return a;
}

static int check_vector(const fl_tensor *index, const char *what)
{
    if (index->ndim > 1)
        return error_set(FL_INDEX_ERROR, "%s(): Index is supposed to be a vector", what);
    if (index->dtype != FL_INT64 && index->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR, "%s(): Expected dtype int32 or int64 for index", what);
    return 0;
}

/* The index vector as int64, all of it within 0..n-1; NULL with the error. */
static fl_tensor *checked_vector(const fl_tensor *index, int dim, int64_t n, const char *what)
{
    assert(n >= 0);
    fl_tensor *which = check_vector(index, what) ? NULL : tensor_as(index, FL_INT64);
    const int64_t *place = which ? tensor_data(which) : NULL;
    if (!which || index_within(place, which->numel, 0, n - 1))
        return which;
    for (int64_t i = 0;; i++) {
        int64_t k = place[i];
        assert(i < which->numel);
        if (k >= 0 && k < n)
            continue;
        tensor_release(which);
        if (strcmp(what, "index_copy_") == 0)
            error_set(FL_INDEX_ERROR,
                      "index_copy_(): index %lld is out of bounds for dimension %d with size %lld",
                      (long long)k, dim, (long long)n);
        else if (strcmp(what, "index_select") == 0 && dim == 1) /* PyTorch's words, of this dim */
            error_set(FL_RUNTIME_ERROR,
                      "INDICES element is out of DATA bounds, id=%lld axis_dim=%lld", (long long)k,
                      (long long)n);
        else
            error_set(FL_INDEX_ERROR, "index out of range in self");
        error_context("%s() got the index %lld, of a dim of size %lld",
                      "%s() 得到的下标是 %lld，而该维的大小是 %lld", what, (long long)k,
                      (long long)n);
        return NULL;
    }
}

int index_select_shape(fl_tensor *self, int64_t dim, fl_tensor *index, struct op_shape *y)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0 || check_vector(index, "index_select"))
        return -1;
    op_shape_like(y, self);
    if (self->ndim)
        y->sizes[d] = index->numel;
    else if (index->numel != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "index_select(): Index to scalar can have only 1 value, got %lld value(s)",
                         (long long)index->numel);
    return 0;
}

int index_select_cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *y)
{
    assert(y->dtype == self->dtype && tensor_is_flat(y));
    int d = shape_wrap_dim(dim, self->ndim);
    struct around a = around_of(self, d);
    fl_tensor *which = checked_vector(index, d, a.n, "index_select"),
              *from = which ? tensor_contiguous(self) : NULL;
    size_t run = (size_t)a.inner * dtype_size(self->dtype);
    const int64_t *place = from ? tensor_data(which) : NULL;
    const char *source = from ? tensor_data(from) : NULL;
    char *to = tensor_data(y);
    for (int64_t o = 0; from && run && o < a.outer; o++)
        index_pick(to + (size_t)(o * which->numel) * run, source + (size_t)(o * a.n) * run,
                   which->numel, place, run);
    int status = from ? 0 : -1;
    tensor_release(which), tensor_release(from);
    return status;
}

int zeros_of_shape(fl_tensor *like, fl_ints size, struct op_shape *y)
{
    (void)like;
    op_shape_set(y, (int)size.count, size.data);
    y->zero = true;
    return 0;
}

int zeros_of_cpu(fl_tensor *like, fl_ints size, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)like, (void)size, (void)y;
    return 0;
}

/* What PyTorch asks of index_copy_'s index and source, in its order and words. */
static int check_copied(const fl_tensor *self, int d, const fl_tensor *index,
                        const fl_tensor *source)
{
    const long long n = index->numel, along = source->ndim ? source->sizes[d] : 1;
    if (index->ndim > 1)
        return error_set(FL_INDEX_ERROR,
                         "index_copy_(): Index should have dimension 1 or 0 (got %d)", index->ndim);
    if (source->ndim == 0 && n != 1)
        return error_set(FL_INDEX_ERROR,
                         "index_copy_(): When source is scalar, index should have one "
                         "element (got %lld)",
                         n);
    if (source->ndim && self->ndim && source->ndim != self->ndim)
        return error_set(FL_INDEX_ERROR,
                         "index_copy_(): When source and destination are not scalars, their "
                         "dimensionality must match. Source dimensionality (%d), destination "
                         "dimensionality (%d)",
                         source->ndim, self->ndim);
    if (index->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR,
                         "index_copy_(): Expected a long tensor for index, but got %s",
                         dtype_title(index->dtype));
    if (source->dtype != self->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "index_copy_(): self and source expected to have the same dtype, but got "
                         "(self) %s and (source) %s",
                         dtype_title(self->dtype), dtype_title(source->dtype));
    char a[256] = "", b[256] = "";
    int at[2] = {0, 0};
    bool differ = false;
    for (int k = 0; k < self->ndim; k++)
        if (k != d) {
            long long here = self->sizes[k], there = k < source->ndim ? source->sizes[k] : 1;
            differ |= here != there;
            at[0] += snprintf(a + at[0], sizeof a - (size_t)at[0], " %lld", here);
            at[1] += snprintf(b + at[1], sizeof b - (size_t)at[1], " %lld", there);
        }
    if (differ)
        return error_set(FL_RUNTIME_ERROR,
                         "index_copy_(): Source/destination tensor must have same slice shapes. "
                         "Destination slice shape:%s at dimension %d and source slice shape:%s at "
                         "dimension 0.",
                         a, d, b);
    if (source->ndim && n != along)
        return error_set(FL_INDEX_ERROR,
                         "index_copy_(): Number of indices (%lld) should be equal to "
                         "source.size(dim) (%lld)",
                         n, along);
    return 0;
}

/* The same of index_add_ and index_reduce_. */
static int check_added(const fl_tensor *self, int d, const fl_tensor *index,
                       const fl_tensor *source, const char *what)
{
    char a[128], b[128];
    const long long n = index->numel, along = d < source->ndim ? source->sizes[d] : 1;
    if (index->ndim > 1)
        return error_set(
            FL_INDEX_ERROR,
            "%s(): Index is supposed to be a vector, but got dim: %d with type: %s and "
            "size: %s",
            what, index->ndim, dtype_title(index->dtype),
            shape_text(a, sizeof a, index->ndim, index->sizes));
    if (index->dtype != FL_INT64 && index->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR, "%s(): Expected dtype int32/int64 for index but got: %s",
                         what, dtype_title(index->dtype));
    if (source->dtype != self->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "%s(): self (%s) and source (%s) must have the same scalar type", what,
                         dtype_title(self->dtype), dtype_title(source->dtype));
    if (d && d >= source->ndim)
        return error_set(FL_RUNTIME_ERROR,
                         "%s(): Indexing dim %d is out of bounds of the source tensor with dim %d",
                         what, d, source->ndim);
    if (source->ndim == 0 && n != 1)
        return error_set(FL_INDEX_ERROR, "Dimension specified as 0 but tensor has no dimensions");
    if (n != along)
        return error_set(FL_RUNTIME_ERROR,
                         "%s(): Number of indices (%lld) should be equal to source.size(dim): "
                         "(%lld), for dim: %d",
                         what, n, along, d);
    bool fits = self->ndim == source->ndim;
    for (int k = 0; fits && k < self->ndim; k++)
        fits = k == d || self->sizes[k] == source->sizes[k];
    if (!fits)
        return error_set(
            FL_RUNTIME_ERROR,
            "source tensor shape must match self tensor shape, excluding the specified "
            "dimension. Got self.shape = %s source.shape = %s",
            shape_text(a, sizeof a, self->ndim, self->sizes),
            shape_text(b, sizeof b, source->ndim, source->sizes));
    return 0;
}

enum { SHORT_RUN = 16 };

/* Adds few short slices to each of many: one element of them at a time, down all of the outer ones. */
static void add_down(int dtype, struct around a, int64_t count, const int64_t *place, char *to,
                     const char *slices)
{
    const int64_t size = (int64_t)dtype_size(dtype), run = a.inner * size;
    assert(a.inner < SHORT_RUN && count >= 0);
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < run; k += size)
            index_combine_row(INDEX_ADD, dtype,
                              &(struct index_row){.n = a.outer,
                                                  .index = place + i,
                                                  .to = to + k,
                                                  .to_step = a.n * run,
                                                  .along = run,
                                                  .from = slices + i * run + k,
                                                  .from_step = count * run});
}

/* A copy of a contiguous tensor, each element times a number that its dtype holds. */
static fl_tensor *scaled(const fl_tensor *t, fl_value number)
{
    enum { BLOCK = 256 };
    const int64_t size = (int64_t)dtype_size(t->dtype);
    _Alignas(16) char factors[BLOCK * COMPUTE_LARGEST];
    fl_tensor *y = tensor_new(t->ndim, t->sizes, t->dtype),
              *one = tensor_from_number(number, t->dtype);
    if (y && one && tensor_copy(y, t) == 0) {
        for (int64_t i = 0; i < BLOCK; i++)
            memcpy(factors + i * size, tensor_data(one), (size_t)size);
        for (int64_t i = 0; i < y->numel; i += BLOCK)
            index_multiply_run(y->dtype, y->numel - i < BLOCK ? y->numel - i : BLOCK,
                               (char *)tensor_data(y) + i * size, factors);
        tensor_release(one);
        return y;
    }
    tensor_release(one), tensor_release(y);
    return NULL;
}

/* Combines source's slices into those of self that index names. */
static int put_slices(enum index_how how, fl_tensor *self, int64_t dim, fl_tensor *index,
                      fl_tensor *source, fl_value alpha, const char *what)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0 || tensor_check_written(self) ||
        (how == INDEX_COPY ? check_copied(self, d, index, source)
                           : check_added(self, d, index, source, what)) ||
        number_check(alpha, self->dtype))
        return -1;
    struct around a = around_of(self, d);
    fl_tensor *which = checked_vector(index, d, a.n, what), *from = NULL,
              *into = which ? tensor_contiguous(self) : NULL;
    if (into)
        from = tensor_contiguous(source);
    bool one = alpha.tag == FL_FLOATING ? alpha.as.f == 1 : alpha.as.i == 1;
    if (from && !one) {
        fl_tensor *copy = scaled(from, alpha);
        tensor_release(from);
        from = copy;
    }
    int64_t count = which ? which->numel : 0;
    size_t run = (size_t)a.inner * dtype_size(self->dtype);
    const int64_t *place = from ? tensor_data(which) : NULL;
    const char *slices = from ? tensor_data(from) : NULL;
    char *to = from ? tensor_data(into) : NULL;
    const bool few = how == INDEX_ADD && a.inner < SHORT_RUN && count < a.outer;
    if (from && few)
        add_down(self->dtype, a, count, place, to, slices);
    for (int64_t o = 0; from && !few && o < a.outer; o++, to += (size_t)a.n * run) {
        if (how == INDEX_ADD)
            index_add_at(self->dtype, to, count, place, a.inner, slices);
        for (int64_t i = 0; how == INDEX_COPY && i < count; i++)
            index_move(to + (size_t)place[i] * run, slices + (size_t)i * run, run);
        slices += (size_t)count * run;
    }
    int status = !from ? -1 : into == self ? 0 : tensor_copy(self, into);
    tensor_release(which), tensor_release(from), tensor_release(into);
    return status;
}

int index_add__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *source,
                   fl_value alpha)
{
    return put_slices(INDEX_ADD, self, dim, index, source, alpha, "index_add_");
}

int index_copy__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *source)
{
    return put_slices(INDEX_COPY, self, dim, index, source, fl_int(1), "index_copy_");
}

int index_fill__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *value)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (value->ndim)
        return error_set(
            FL_RUNTIME_ERROR,
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with %d "
            "dimension(s).",
            value->ndim);
    struct around a = around_of(self, d);
    if (index->dtype != FL_INT64)
        return error_set(FL_INDEX_ERROR, "index_fill_(): Expected dtype int64 for index.");
    if (index->ndim > 1)
        return error_set(FL_RUNTIME_ERROR, "Index has to be a vector/scalar");
    if (index_warn_expanded(self, "index_fill_", "tensor[mask] = scalar"))
        return -1;
    fl_value number = tensor_number(value, 0);
    if (number_check(number, self->dtype))
        return -1;
    fl_tensor *which = tensor_as(index, FL_INT64);
    int status = which ? 0 : -1;
    const int64_t *place = which ? tensor_data(which) : NULL;
    for (int64_t i = 0; status == 0 && i < which->numel; i++) {
        int64_t k = place[i], sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
        if (k < -a.n || k >= a.n) {
            status = shape_refuse_index(FL_INDEX_ERROR, k, d, a.n);
            break;
        }
        int ndim = 0;
        for (int e = 0; e < self->ndim; e++)
            if (e != d)
                sizes[ndim] = self->sizes[e], strides[ndim++] = self->strides[e];
        int64_t offset = self->offset + (k < 0 ? k + a.n : k) * (self->ndim ? self->strides[d] : 0);
        fl_tensor *slice = tensor_alias(self, ndim, sizes, strides, offset);
        status = slice ? tensor_fill(slice, number) : -1;
        tensor_release(slice);
    }
    tensor_release(which);
    return status;
}

int index_add_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *source,
                      fl_value alpha, fl_tensor **y)
{
    *y = fl_index_add_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, source, alpha);
    return *y ? 0 : -1;
}

int index_copy_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *source,
                       fl_tensor **y)
{
    *y = fl_index_copy_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, source);
    return *y ? 0 : -1;
}

int index_fill_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_value value,
                       fl_tensor **y)
{
    fl_tensor *copy = fl_clone(self, -1);
    *y = value.tag == FL_TENSOR ? fl_index_fill_(copy, dim, index, value.as.tensor)
                                : fl_index_fill_scalar_(copy, dim, index, value);
    return *y ? 0 : -1;
}

int index_select_scaled_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_value alpha,
                                fl_ints size, fl_tensor **y)
{
    *y = fl_reshape(fl_mul_scalar(fl_index_select(self, dim, index), alpha), size);
    return *y ? 0 : -1;
}
