/* torch.masked's parts that are no expressions: what is masked out replaced, counts, and what loops
 * over dims or looks at values.
 */
#include <assert.h>
#include <math.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* The mask as bools of self's shape; NULL with the error. */
static fl_tensor *canonical(const fl_tensor *self, fl_tensor *mask)
{
    if (!shape_equal(mask, self) && mask->ndim > self->ndim)
        return error_null(FL_INDEX_ERROR, "_input_mask expected broadcastable mask (got mask "
                                          "dimensionality higher than of the input)");
    if (!shape_equal(mask, self))
        mask = fl_broadcast_to(mask, (fl_ints){self->sizes, self->ndim});
    return op_as(mask, FL_BOOL);
}

/* Refuses dims that self does not have, and those that are there twice. */
static int check_dims(const fl_tensor *self, fl_ints dim)
{
    bool seen[TENSOR_MAX_DIMS] = {false};
    for (int64_t i = 0; i < dim.count; i++) {
        int d = shape_wrap_dim(dim.data[i], self->ndim);
        if (d < 0)
            return -1;
        if (seen[d])
            return error_set(FL_RUNTIME_ERROR, "dim=%d appears multiple times in the list of dims",
                             d);
        seen[d] = true;
    }
    return 0;
}

/* value in self's class of numbers: an infinity is the least or greatest of integers. */
static fl_value in_class(double value, int dtype)
{
    if (dtype == FL_BOOL)
        return fl_boolean(value > 0);
    if (dtype_is_inexact(dtype))
        return fl_float(value);
    return fl_int(value == -INFINITY  ? (dtype_is_signed(dtype) ? dtype_least(dtype) : 0)
                  : value == INFINITY ? dtype_most(dtype)
                                      : (int64_t)value);
}

int masked_kept_compose(fl_tensor *self, fl_tensor *mask, double value, fl_ints dim, fl_tensor **y)
{
    if (check_dims(self, dim))
        return -1;
    if (mask && !(mask = canonical(self, mask)))
        return -1;
    return op_give(y, mask ? fl_where_scalar(mask, self, in_class(value, self->dtype)) : self);
}

int masked_size_compose(fl_tensor *self, fl_tensor *mask, fl_ints dim, bool keepdim, fl_tensor **y)
{
    mask =
        mask ? canonical(self, mask) : fl_ones_like(self, FL_BOOL, (fl_device){-1, 0}, false, -1);
    return op_give(y, mask ? fl_sum_dim_intlist(mask, dim, keepdim, FL_NO_DTYPE) : NULL);
}

int masked_prod_compose(fl_tensor *self, fl_ints dim, bool keepdim, fl_dtype dtype, fl_tensor *mask,
                        fl_tensor **y)
{
    bool along[TENSOR_MAX_DIMS] = {false}, all = dim.count == 0;
    fl_tensor *t = NULL;
    if (masked_kept_compose(self, mask, 1, dim, &t))
        return -1;
    for (int64_t i = 0; i < dim.count; i++)
        along[shape_wrap_dim(dim.data[i], self->ndim)] = true;
    if (dtype != FL_NO_DTYPE)
        t = op_as(t, dtype);
    if (t && !self->ndim)
        return op_give(y, fl_prod(t, FL_NO_DTYPE));
    for (int d = self->ndim - 1; t && d >= 0; d--)
        if (all || along[d])
            t = fl_prod_dim_int(t, d, keepdim, FL_NO_DTYPE);
    return op_give(y, t);
}

int masked_mean_check(fl_tensor *self, fl_ints dim, bool keepdim, fl_dtype dtype, fl_tensor *mask)
{
    (void)dim, (void)keepdim, (void)mask;
    int result = dtype == FL_NO_DTYPE ? self->dtype : (int)dtype;
    if (dtype_is_inexact(result))
        return 0;
    return error_set(FL_VALUE_ERROR,
                     "mean(): Could not infer output dtype. %s dtype must be either a floating "
                     "point or complex dtype. Got: torch.%s",
                     dtype == FL_NO_DTYPE ? "Input" : "Optional", fl_dtype_name((fl_dtype)result));
}

int masked_median_compose(fl_tensor *self, int64_t dim, bool keepdim, fl_dtype dtype,
                          fl_tensor *mask, fl_tensor **y)
{
    fl_tensor *positions, *t = dtype_is_floating(self->dtype) ? self : op_as(self, FL_FLOAT32);
    if (!t || masked_kept_compose(t, mask, NAN, (fl_ints){&dim, 1}, &t) ||
        fl_nanmedian_dim(t, dim, keepdim, y, &positions))
        return -1;
    if (dtype_is_floating(self->dtype))
        return 0;
    fl_tensor *empty = fl_any(fl_isnan(op_samples(op_look(*y))));
    if (!empty)
        return -1;
    if (fl_item(empty) != 0)
        return error_set(FL_VALUE_ERROR, "masked median expects no fully masked out rows if dtype "
                                         "is not floating point");
    return op_give(y, op_as(*y, dtype == FL_NO_DTYPE ? self->dtype : (int)dtype));
}

/* The sum of squared distances from the mean, divided by how many there are less the correction. */
int masked_spread_compose(fl_tensor *self, fl_ints dim, int unbiased, const double *correction,
                          bool keepdim, fl_dtype dtype, fl_tensor *mask, fl_tensor **y)
{
    if (unbiased >= 0 && correction)
        return error_set(FL_VALUE_ERROR, "Only one of unbiased and correction may be given");
    double less = correction ? *correction : unbiased == 0 ? 0 : 1;
    int result = dtype != FL_NO_DTYPE            ? (int)dtype
                 : dtype_is_inexact(self->dtype) ? self->dtype
                                                 : FL_FLOAT32;
    int work = dtype_is_inexact(result) ? result : FL_FLOAT32;
    fl_tensor *sum, *count, *t;
    if (masked_kept_compose(self, mask, 0, dim, &t) ||
        masked_size_compose(self, mask, dim, true, &count))
        return -1;
    sum = fl_sum_dim_intlist(t, dim, true, (fl_dtype)result);
    t = sum ? fl_sub(self, fl_div(sum, count), fl_int(1)) : NULL;
    t = t ? fl_mul(t, fl_conj(t)) : NULL;
    if (!t || masked_kept_compose(t, mask, 0, dim, &t))
        return -1;
    t = fl_sum_dim_intlist(t, dim, keepdim, (fl_dtype)work);
    if (!t)
        return -1;
    count = fl_reshape(count, (fl_ints){t->sizes, t->ndim});
    if (less != 0)
        count = fl_clamp_min_scalar(
            fl_sub_scalar(op_as(count, dtype_real(work)), fl_float(less), fl_int(1)), fl_int(0));
    return op_give(y, count ? op_as(fl_div(t, count), result) : NULL);
}
