/* Products summed over dims that are numbered, and other relatives of the matrix product. */

#include "core/error.h"
#include "core/warning.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* The dims summed over, counted from the front, and then, in order, the others. */
struct split {
    int summed, ndim;
    int64_t dim[TENSOR_MAX_DIMS];
};

static int split_dims(const fl_tensor *t, fl_ints dims, struct split *s)
{
    bool taken[TENSOR_MAX_DIMS] = {false};
    s->summed = s->ndim = 0;
    for (int64_t i = 0; i < dims.count; i++) {
        int d = shape_wrap_dim(dims.data[i], t->ndim);
        if (d < 0)
            return -1;
        if (d >= t->ndim || taken[d])
            return error_set(FL_RUNTIME_ERROR, "dim %d appears multiple times in the list of dims",
                             d);
        taken[d] = true;
        s->dim[s->ndim++] = d;
    }
    s->summed = s->ndim;
    for (int d = 0; d < t->ndim; d++)
        if (!taken[d])
            s->dim[s->ndim++] = d;
    return 0;
}

/* t as a matrix: the other dims by those summed over, or the other way around. */
static fl_tensor *as_matrix(fl_tensor *t, const struct split *s, bool summed_last)
{
    assert(t->ndim == s->ndim && s->summed <= s->ndim);
    int64_t order[TENSOR_MAX_DIMS], shape[2] = {1, 1};
    const int others = s->ndim - s->summed;
    for (int i = 0; i < s->ndim; i++) {
        bool summed = i < s->summed;
        order[summed_last ? (summed ? others + i : i - s->summed) : i] = s->dim[i];
        shape[summed == summed_last] *= t->sizes[s->dim[i]];
    }
    return fl_reshape(fl_permute(t, (fl_ints){order, s->ndim}), (fl_ints){shape, 2});
}

int tensordot_compose(fl_tensor *self, fl_tensor *other, fl_ints dims_self, fl_ints dims_other,
                      fl_tensor **y)
{
    struct split a, b;
    int64_t shape[TENSOR_MAX_DIMS];
    if (dims_self.count != dims_other.count)
        return error_set(FL_RUNTIME_ERROR, "both dimension lists should have same length");
    if (split_dims(self, dims_self, &a) || split_dims(other, dims_other, &b))
        return -1;
    fl_tensor *left = self, *right = other;
    for (int i = 0; i < a.summed; i++) {
        const int64_t m = self->sizes[a.dim[i]], n = other->sizes[b.dim[i]];
        if (m != n && m != 1 && n != 1)
            return error_set(FL_RUNTIME_ERROR,
                             "contracted dimensions need to match, but first has size %lld in dim "
                             "%lld and second has size %lld in dim %lld",
                             (long long)m, (long long)dims_self.data[i], (long long)n,
                             (long long)dims_other.data[i]);
        if (m == 1 && n != 1)
            right =
                fl_sum_dim_intlist(right, (fl_ints){&b.dim[i], 1}, true, (fl_dtype)other->dtype);
        else if (n == 1 && m != 1)
            left = fl_sum_dim_intlist(left, (fl_ints){&a.dim[i], 1}, true, (fl_dtype)self->dtype);
    }
    int ndim = 0;
    for (int i = a.summed; i < a.ndim; i++)
        shape[ndim++] = self->sizes[a.dim[i]];
    for (int i = b.summed; i < b.ndim && ndim < TENSOR_MAX_DIMS; i++)
        shape[ndim++] = other->sizes[b.dim[i]];
    if (!left || !right)
        return -1;
    fl_tensor *rows = as_matrix(left, &a, true), *columns = as_matrix(right, &b, false);
    fl_tensor *product = ndim || a.summed == 0 /* all of both: their dot product, as PyTorch's */
                             ? fl_matmul(rows, columns)
                             : fl_dot(fl_flatten(rows, 0, -1), fl_flatten(columns, 0, -1));
    *y = fl_reshape(product, (fl_ints){shape, ndim});
    return *y ? 0 : -1;
}

int kron_compose(fl_tensor *self, fl_tensor *other, fl_tensor **y)
{
    int64_t a[2 * TENSOR_MAX_DIMS], b[2 * TENSOR_MAX_DIMS], sizes[TENSOR_MAX_DIMS];
    const int ndim = self->ndim > other->ndim ? self->ndim : other->ndim;
    if (2 * ndim > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "kron: more than %d dims", TENSOR_MAX_DIMS / 2);
    for (int d = 0; d < ndim; d++) {
        const int i = d - (ndim - self->ndim), j = d - (ndim - other->ndim);
        a[2 * d] = i < 0 ? 1 : self->sizes[i], a[2 * d + 1] = 1;
        b[2 * d] = 1, b[2 * d + 1] = j < 0 ? 1 : other->sizes[j];
        if (__builtin_mul_overflow(a[2 * d], b[2 * d + 1], &sizes[d]))
            return error_set(FL_RUNTIME_ERROR, "kron: a size exceeds 64 bits");
    }
    fl_tensor *product =
        fl_mul(fl_reshape(self, (fl_ints){a, 2 * ndim}), fl_reshape(other, (fl_ints){b, 2 * ndim}));
    *y = fl_reshape(product, (fl_ints){sizes, ndim});
    return *y ? 0 : -1;
}

int chain_matmul_check(fl_tensors matrices)
{
    static atomic_bool warned;
    (void)matrices;
    return warning_once(&warned, "torch.chain_matmul is deprecated and will be removed in a future "
                                 "PyTorch release. Use torch.linalg.multi_dot instead, which "
                                 "accepts a list of two or more tensors rather than multiple "
                                 "parameters.");
}
