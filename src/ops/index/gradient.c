/* gradient: derivatives of samples along dims, by central differences inside and one-sided ones at
 * both ends (Fornberg, "Generation of Finite Difference Formulas on Arbitrarily Spaced Grids", 1988).
 * Samples lie at equal steps, or at the coordinates of a tensor. */
#include "core/error.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* Where the samples along one dim lie: at equal steps, or at `places`, 1-d. */
struct axis {
    int d;
    fl_value step;
    fl_tensor *places;
};

static fl_tensor *times(fl_tensor *x, double factor)
{
    return fl_mul_scalar(x, fl_float(factor));
}

static fl_tensor *plus(fl_tensor *a, fl_tensor *b)
{
    return fl_add(a, b, fl_int(1));
}

static fl_tensor *less(fl_tensor *a, fl_tensor *b)
{
    return fl_sub(a, b, fl_int(1));
}

/* The sample at `at` of each line. */
static fl_tensor *sample(fl_tensor *x, int d, int64_t at)
{
    return fl_narrow(x, d, at, 1);
}

static fl_tensor *joined(fl_tensor *first, fl_tensor *middle, fl_tensor *last, int d)
{
    fl_tensor *parts[] = {first, middle, last};
    return first && middle && last ? fl_cat((fl_tensors){parts, 3}, d) : NULL;
}

static fl_tensor *along_steps(fl_tensor *x, const struct axis *a, int64_t order)
{
    assert(a->d >= 0 && a->d < x->ndim && (order == 1 || order == 2));
    int d = a->d;
    int64_t n = x->sizes[d];
    fl_tensor *first, *last;
    if (order == 1) {
        first = less(sample(x, d, 1), sample(x, d, 0));
        last = less(sample(x, d, n - 1), sample(x, d, n - 2));
    } else {
        first = less(plus(times(sample(x, d, 0), -1.5), fl_mul_scalar(sample(x, d, 1), fl_int(2))),
                     times(sample(x, d, 2), 0.5));
        last = plus(
            less(times(sample(x, d, n - 3), 0.5), fl_mul_scalar(sample(x, d, n - 2), fl_int(2))),
            times(sample(x, d, n - 1), 1.5));
    }
    fl_tensor *middle = less(fl_narrow(x, d, 2, n - 2), fl_narrow(x, d, 0, n - 2));
    middle = fl_div_scalar(fl_div_scalar(middle, a->step), fl_int(2));
    return joined(fl_div_scalar(first, a->step), middle, fl_div_scalar(last, a->step), d);
}

/* The derivative at the first (place 0), the second (1) or the third (2) of three samples x0, x1, x2
 * that lie h and k apart. */
static fl_tensor *of_three(fl_tensor *const *x, fl_tensor *h, fl_tensor *k, int place)
{
    assert(place >= 0 && place <= 2);
    fl_tensor *both = plus(h, k), *a, *b, *c;
    if (place == 0) {
        a = fl_neg(fl_div(plus(h, both), fl_mul(h, both)));
        b = fl_div(both, fl_mul(h, k));
        c = fl_neg(fl_div(h, fl_mul(k, both)));
    } else if (place == 1) {
        a = fl_neg(fl_div(k, fl_mul(h, both)));
        b = fl_div(less(k, h), fl_mul(h, k));
        c = fl_div(h, fl_mul(k, both));
    } else {
        a = fl_div(k, fl_mul(h, both));
        b = fl_neg(fl_div(both, fl_mul(h, k)));
        c = fl_div(plus(k, both), fl_mul(k, both));
    }
    return plus(plus(fl_mul(a, x[0]), fl_mul(b, x[1])), fl_mul(c, x[2]));
}

static fl_tensor *along_places(fl_tensor *x, const struct axis *a, int64_t order)
{
    assert(a->d >= 0 && a->d < x->ndim && a->places);
    int d = a->d;
    int64_t n = x->sizes[d], line[TENSOR_MAX_DIMS], m = a->places->sizes[0];
    for (int i = 0; i < x->ndim; i++)
        line[i] = i == d ? m - 1 : 1;
    fl_tensor *gaps = less(fl_narrow(a->places, 0, 1, m - 1), fl_narrow(a->places, 0, 0, m - 1));
    gaps = fl_reshape(gaps, (fl_ints){line, x->ndim}); /* broadcast along the other dims */
    if (!gaps)
        return NULL;
    fl_tensor *inner[] = {fl_narrow(x, d, 0, n - 2), fl_narrow(x, d, 1, n - 2),
                          fl_narrow(x, d, 2, n - 2)};
    fl_tensor *middle =
        of_three(inner, fl_narrow(gaps, d, 0, m - 2), fl_narrow(gaps, d, 1, m - 2), 1);
    fl_tensor *first, *last;
    if (order == 1) {
        first = fl_div(less(sample(x, d, 1), sample(x, d, 0)), sample(gaps, d, 0));
        last = fl_div(less(sample(x, d, n - 1), sample(x, d, n - 2)), sample(gaps, d, m - 2));
    } else {
        fl_tensor *start[] = {sample(x, d, 0), sample(x, d, 1), sample(x, d, 2)};
        fl_tensor *end[] = {sample(x, d, n - 3), sample(x, d, n - 2), sample(x, d, n - 1)};
        first = of_three(start, sample(gaps, d, 0), sample(gaps, d, 1), 0);
        last = of_three(end, sample(gaps, d, m - 3), sample(gaps, d, m - 2), 2);
    }
    return joined(first, middle, last, d);
}

/* The dims that are asked for, or all. `spacings` says how many spacings were given, ONE_FOR_ALL if
 * one or none stands for all dims. Returns their number, or -1. */
enum { ONE_FOR_ALL = -1 };

static int settle_axes(const fl_tensor *self, int64_t spacings, fl_ints dim, int64_t order,
                       struct axis *axes)
{
    if (dim.data && spacings != ONE_FOR_ALL && spacings != dim.count)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.gradient expected spacing to be unspecified, a scalar or it's "
                         "spacing and dim arguments to have the same length, but got a spacing "
                         "argument of length %lld and a dim argument of length %lld.",
                         (long long)spacings, (long long)dim.count);
    if (!dim.data && spacings != ONE_FOR_ALL && spacings != 1 && spacings != self->ndim)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.gradient expected spacing to be unspecified, a scalar, or a list "
                         "of length equal to 'self.dim() = %d', since dim argument was not given, "
                         "but got a list of length %lld",
                         self->ndim, (long long)spacings);
    if (order != 1 && order != 2)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.gradient only supports edge_order=1 and edge_order=2.");
    if (self->dtype == FL_UINT8)
        return error_set(FL_RUNTIME_ERROR, "torch.gradient does not support uint8 input.");
    uint64_t seen = 0;
    int count = dim.data ? (int)dim.count : self->ndim;
    for (int i = 0; i < count; i++) {
        int d = shape_wrap_dim(dim.data ? dim.data[i] : i, self->ndim);
        if (d < 0)
            return -1;
        if (seen >> d & 1)
            return error_set(FL_RUNTIME_ERROR, "dim %d appears multiple times in the list of dims",
                             d);
        seen |= (uint64_t)1 << d;
        axes[i] = (struct axis){.d = d};
    }
    for (int i = 0; i < count; i++)
        if (self->ndim && self->sizes[axes[i].d] < order + 1)
            return error_set(
                FL_RUNTIME_ERROR,
                "torch.gradient expected each dimension size to be at least edge_order+1");
    return self->ndim ? count : 0;
}

static int derive(fl_tensor *self, const struct axis *axes, int count, int64_t order, fl_value *y)
{
    assert(count >= 0 && count <= TENSOR_MAX_DIMS);
    fl_tensor **list = op_list(y, count);
    for (int i = 0; list && i < count; i++) {
        list[i] = axes[i].places ? along_places(self, &axes[i], order)
                                 : along_steps(self, &axes[i], order);
        if (!list[i])
            return -1;
    }
    return list ? 0 : -1;
}

int gradient_compose(fl_tensor *self, fl_value spacing, fl_ints dim, int64_t edge_order,
                     fl_value *y)
{
    struct axis axes[TENSOR_MAX_DIMS];
    int count = settle_axes(self, ONE_FOR_ALL, dim, edge_order, axes);
    for (int i = 0; i < count; i++)
        axes[i].step = spacing.tag == FL_NONE ? fl_int(1) : spacing;
    return count < 0 ? -1 : derive(self, axes, count, edge_order, y);
}

int gradient_steps_compose(fl_tensor *self, fl_floats spacing, fl_ints dim, int64_t edge_order,
                           fl_value *y)
{
    struct axis axes[TENSOR_MAX_DIMS];
    int count = settle_axes(self, spacing.count, dim, edge_order, axes);
    for (int i = 0; i < count; i++)
        axes[i].step = fl_float(spacing.data[spacing.count == 1 ? 0 : i]);
    return count < 0 ? -1 : derive(self, axes, count, edge_order, y);
}

int gradient_places_compose(fl_tensor *self, fl_tensors spacing, fl_ints dim, int64_t edge_order,
                            fl_value *y)
{
    struct axis axes[TENSOR_MAX_DIMS];
    int count = settle_axes(self, spacing.count, dim, edge_order, axes);
    for (int i = 0; i < count; i++) {
        fl_tensor *places = spacing.data[spacing.count == 1 ? 0 : i];
        if (places->ndim != 1)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.gradient expected each element of spacing to have one "
                             "dimension, but got an element with %d dimensions!",
                             places->ndim);
        if (places->sizes[0] != self->sizes[axes[i].d])
            return error_set(FL_RUNTIME_ERROR,
                             "torch.gradient expected each tensor of spacing to be as long as its "
                             "dim, but got %lld coordinates for dim %d of size %lld",
                             (long long)places->sizes[0], axes[i].d,
                             (long long)self->sizes[axes[i].d]);
        axes[i].places = places;
    }
    return count < 0 ? -1 : derive(self, axes, count, edge_order, y);
}
