/* The p-norms of windows, from the means of p-th powers. */
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

static const fl_ints none = {(const int64_t[]){0, 0, 0}, 3}, ones = {(const int64_t[]){1, 1, 1}, 3};

/* The norm of order infinity is the greatest element, PyTorch's without the magnitude. */
static bool is_greatest(const fl_value *norm_type)
{
    return number_real(norm_type) == INFINITY;
}

int lp_pool1d_compose(fl_tensor *input, fl_value norm_type, fl_ints kernel_size, fl_ints stride,
                      bool ceil_mode, fl_tensor **y)
{
    if (is_greatest(&norm_type))
        return op_give(y, fl_max_pool1d(input, kernel_size, stride, (fl_ints){none.data, 1},
                                        (fl_ints){ones.data, 1}, ceil_mode));
    fl_tensor *powers = fl_pow_scalar(input, norm_type);
    return root(
        fl_avg_pool1d(powers, kernel_size, stride, (fl_ints){none.data, 1}, ceil_mode, true),
        kernel_size, number_real(&norm_type), y);
}

int lp_pool2d_compose(fl_tensor *input, fl_value norm_type, fl_ints kernel_size, fl_ints stride,
                      bool ceil_mode, fl_tensor **y)
{
    if (is_greatest(&norm_type))
        return op_give(y, fl_max_pool2d(input, kernel_size, stride, (fl_ints){none.data, 2},
                                        (fl_ints){ones.data, 2}, ceil_mode));
    fl_tensor *powers = fl_pow_scalar(input, norm_type);
    return root(
        fl_avg_pool2d(powers, kernel_size, stride, (fl_ints){none.data, 2}, ceil_mode, true, NULL),
        kernel_size, number_real(&norm_type), y);
}

int lp_pool3d_compose(fl_tensor *input, fl_value norm_type, fl_ints kernel_size, fl_ints stride,
                      bool ceil_mode, fl_tensor **y)
{
    if (is_greatest(&norm_type))
        return op_give(y, fl_max_pool3d(input, kernel_size, stride, none, ones, ceil_mode));
    fl_tensor *powers = fl_pow_scalar(input, norm_type);
    return root(fl_avg_pool3d(powers, kernel_size, stride, none, ceil_mode, true, NULL),
                kernel_size, number_real(&norm_type), y);
}
