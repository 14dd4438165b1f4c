/* Comparisons of whole tensors. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/sound.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/advise.h"
#include "ops_kernels.h"

/* Scores (N, C) and labels (N): the error is broadcasting's, and the fix another. */
static int check_classes(const fl_tensor *scores, const fl_tensor *labels, bool scores_first)
{
    if (scores->ndim != 2 || labels->ndim != 1 || !dtype_is_floating(scores->dtype) ||
        dtype_is_floating(labels->dtype) || scores->sizes[0] != labels->sizes[0])
        return 0;
    const fl_tensor *a = scores_first ? scores : labels, *b = scores_first ? labels : scores;
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim = a->ndim;
    memcpy(sizes, a->sizes, (size_t)ndim * sizeof *sizes);
    if (shape_broadcast(&ndim, sizes, b->ndim, b->sizes) == 0)
        return 0;
    return error_hint("one of them holds %lld scores a sample, the other its label: compare the "
                      "classes, scores.argmax(1) == labels",
                      "一个是每个样本的 %lld 个得分，另一个是标签：请比较类别，"
                      "scores.argmax(1) == labels",
                      (long long)scores->sizes[1]);
}

int equality_check(fl_tensor *self, fl_value other)
{
    if (other.tag == FL_TENSOR && self->ndim != other.as.tensor->ndim)
        return check_classes(self, other.as.tensor, true) ||
                       check_classes(other.as.tensor, self, false)
                   ? -1
                   : advise_equality(self, other.as.tensor);
    if (other.tag == FL_TENSOR)
        return 0;
    return other.tag == FL_FLOATING ? advise_nan(other.as.f) : 0;
}

static int refuse_tolerances(const fl_tensor *self, const fl_tensor *other, double rtol,
                             double atol)
{
    if (self->dtype != other->dtype)
        return error_set(FL_RUNTIME_ERROR, "%s did not match %s", dtype_title(self->dtype),
                         dtype_title(other->dtype));
    if (!(rtol >= 0))
        return error_set(FL_RUNTIME_ERROR, "rtol must be greater than or equal to zero, but got %g",
                         rtol);
    if (!(atol >= 0))
        return error_set(FL_RUNTIME_ERROR, "atol must be greater than or equal to zero, but got %g",
                         atol);
    return 0;
}

/* Distances are those of the plane. */
static fl_tensor *complex_isclose(fl_tensor *self, fl_tensor *other, double rtol, double atol,
                                  bool equal_nan)
{
    fl_tensor *error = fl_abs(fl_sub(self, other, fl_int(1)));
    fl_tensor *allowed =
        fl_add_scalar(fl_mul_scalar(fl_abs(other), fl_float(rtol)), fl_float(atol), fl_int(1));
    fl_tensor *near = fl_logical_and(fl_isfinite(error), fl_le(error, allowed));
    fl_tensor *close = fl_logical_or(fl_eq(self, other), near);
    if (!equal_nan)
        return close;
    return fl_logical_or(close, fl_logical_and(fl_isnan(self), fl_isnan(other)));
}

/* Differences are exact: doubles would not tell great neighbours apart, and tell what wraps. */
static fl_tensor *integers_isclose(fl_tensor *self, fl_tensor *other, double rtol, double atol)
{
    fl_tensor *same = fl_eq(self, other);
    if (rtol == 0 && atol == 0)
        return same;
    fl_tensor *gap = fl_abs(fl_sub(fl__cast(self, FL_INT64), fl__cast(other, FL_INT64), fl_int(1)));
    self = fl__cast(self, FL_FLOAT64), other = fl__cast(other, FL_FLOAT64);
    fl_tensor *allowed =
        fl_add_scalar(fl_abs(fl_mul_scalar(other, fl_float(rtol))), fl_float(atol), fl_int(1));
    fl_tensor *near = fl_logical_and(fl_le(fl__cast(gap, FL_FLOAT64), allowed),
                                     fl_le(fl_abs(fl_sub(self, other, fl_int(1))), allowed));
    return fl_logical_or(same, near);
}

int isclose_compose(fl_tensor *self, fl_tensor *other, double rtol, double atol, bool equal_nan,
                    fl_tensor **y)
{
    if (refuse_tolerances(self, other, rtol, atol))
        return -1;
    if (dtype_is_complex(self->dtype)) {
        *y = complex_isclose(self, other, rtol, atol, equal_nan);
        return *y ? 0 : -1;
    }
    if (!dtype_is_floating(self->dtype) && self->dtype != FL_BOOL) {
        *y = integers_isclose(self, other, rtol, atol);
        return *y ? 0 : -1;
    }
    if (self->dtype == FL_BOOL)
        self = fl__cast(self, FL_FLOAT64), other = fl__cast(other, FL_FLOAT64);
    *y = fl__isclose(self, other, rtol, atol, equal_nan);
    return *y ? 0 : -1;
}

/* Whether a tensor of truth values has no false one. */
static int read_all(fl_tensor *t, bool *y)
{
    fl_tensor *all = fl_all(t);
    if (!all)
        return -1;
    fl_value whole = tensor_element(all, 0);
    *y = whole.as.i != 0;
    return 0;
}

int allclose_compose(fl_tensor *self, fl_tensor *other, double rtol, double atol, bool equal_nan,
                     bool *y)
{
    return read_all(fl_isclose(self, other, rtol, atol, equal_nan), y);
}

/* The tensor with its dims in the order of `like`'s strides, the largest first. */
static fl_tensor *in_memory_order(fl_tensor *t, const fl_tensor *like)
{
    int64_t dims[TENSOR_MAX_DIMS];
    assert(t->ndim == like->ndim);
    for (int d = 0; d < t->ndim; d++) {
        int at = d;
        for (; at > 0 && like->strides[dims[at - 1]] < like->strides[d]; at--)
            dims[at] = dims[at - 1];
        dims[at] = d;
    }
    return fl_permute(t, (fl_ints){dims, t->ndim});
}

/* Piece by piece, some rows of the outermost dim in memory: the first that differs ends it. */
int equal_compose(fl_tensor *self, fl_tensor *other, bool *y)
{
    enum { FIRST = 256, PIECE = 1 << 14 };
    *y = false;
    if (!shape_equal(self, other))
        return 0;
    if ((self->flags | other->flags) & TENSOR_ELSEWHERE || self->numel <= FIRST)
        return read_all(fl_eq(self, other), y);
    const bool flat = tensor_is_flat(self) && tensor_is_flat(other);
    fl_tensor *a = flat ? fl_flatten(self, 0, -1) : in_memory_order(self, self);
    fl_tensor *b = flat ? fl_flatten(other, 0, -1) : in_memory_order(other, self);
    if (!a || !b)
        return -1;
    const int64_t row = a->numel / a->sizes[0];
    int64_t rows = FIRST > row ? FIRST / row : 1;
    *y = true;
    for (int64_t at = 0; *y && at < a->sizes[0]; at += rows) {
        rows = at ? (PIECE > row ? PIECE / row : 1) : rows;
        rows = a->sizes[0] - at < rows ? a->sizes[0] - at : rows;
        if (read_all(fl_eq(fl_narrow(a, 0, at, rows), fl_narrow(b, 0, at, rows)), y))
            return -1;
    }
    return 0;
}
