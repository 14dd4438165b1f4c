/* The p-norms of windows, from the means of p-th powers. */
#include <assert.h>
#include <math.h>

#include "core/error.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/pool.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int root(fl_tensor *means, fl_ints kernel, double p, fl_tensor **y)
{
    int64_t count = 1;
    for (int64_t d = 0; d < kernel.count; d++)
        if (__builtin_mul_overflow(count, kernel.data[d], &count))
            return error_set(FL_RUNTIME_ERROR, "integer out of range");
    fl_tensor *sums = fl_mul(fl_sign(means), fl_relu(fl_abs(means)));
    *y = fl_pow_scalar(fl_mul_scalar(sums, fl_int(count)), fl_float(1 / p));
    return *y ? 0 : -1;
}

/* How windows lie, in one, two or three dims. */
struct windows {
    int dims;
    fl_ints kernel, stride, none, ones;
    bool ceil_mode;
};

static fl_tensor *means_of(const struct windows *w, fl_tensor *t)
{
    return w->dims == 1 ? fl_avg_pool1d(t, w->kernel, w->stride, w->none, w->ceil_mode, true)
           : w->dims == 2
               ? fl_avg_pool2d(t, w->kernel, w->stride, w->none, w->ceil_mode, true, NULL)
               : fl_avg_pool3d(t, w->kernel, w->stride, w->none, w->ceil_mode, true, NULL);
}

static fl_tensor *maxima_of(const struct windows *w, fl_tensor *t)
{
    return w->dims == 1   ? fl_max_pool1d(t, w->kernel, w->stride, w->none, w->ones, w->ceil_mode)
           : w->dims == 2 ? fl_max_pool2d(t, w->kernel, w->stride, w->none, w->ones, w->ceil_mode)
                          : fl_max_pool3d(t, w->kernel, w->stride, w->none, w->ones, w->ceil_mode);
}

/* The norms of order infinity and minus infinity are the greatest and the least magnitude. */
static int norms_of(int dims, fl_tensor *input, fl_value norm_type, fl_ints kernel, fl_ints stride,
                    bool ceil_mode, fl_tensor **y)
{
    static const int64_t zeros[] = {0, 0, 0}, ones[] = {1, 1, 1};
    const struct windows w = {dims, kernel, stride, {zeros, dims}, {ones, dims}, ceil_mode};
    const double p = number_real(&norm_type);
    assert(dims >= 1 && dims <= 3);
    if (p == INFINITY)
        return op_give(y, maxima_of(&w, fl_abs(input)));
    if (p == -INFINITY)
        return op_give(y, fl_neg(maxima_of(&w, fl_neg(fl_abs(input)))));
    return root(means_of(&w, fl_pow_scalar(input, norm_type)), kernel, p, y);
}

int lp_pool1d_compose(fl_tensor *input, fl_value norm_type, fl_ints kernel_size, fl_ints stride,
                      bool ceil_mode, fl_tensor **y)
{
    return norms_of(1, input, norm_type, kernel_size, stride, ceil_mode, y);
}

int lp_pool2d_compose(fl_tensor *input, fl_value norm_type, fl_ints kernel_size, fl_ints stride,
                      bool ceil_mode, fl_tensor **y)
{
    return norms_of(2, input, norm_type, kernel_size, stride, ceil_mode, y);
}

int lp_pool3d_compose(fl_tensor *input, fl_value norm_type, fl_ints kernel_size, fl_ints stride,
                      bool ceil_mode, fl_tensor **y)
{
    return norms_of(3, input, norm_type, kernel_size, stride, ceil_mode, y);
}
