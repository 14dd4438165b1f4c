/* Window functions: expressions over the points 0 ... N - 1, each step rounded to float32 unless
 * float64 is asked for, as PyTorch's. */
#include <math.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/pointwise.h"
#include "ops/op.h"
#include "ops_kernels.h"

static const fl_device ANYWHERE = {-1, 0};

/* The points times `scale`; of a window of at most one point, NULL and *y is that window. */
static fl_tensor *points(const char *name, int64_t length, bool periodic, double scale,
                         fl_dtype dtype, fl_device device, fl_tensor **y)
{
    int wanted = dtype == FL_NO_DTYPE ? dtype_default() : (int)dtype;
    *y = NULL;
    if (!dtype_is_floating(wanted))
        return error_null(FL_RUNTIME_ERROR, "%s expects floating point dtypes, got: %s", name,
                          fl_dtype_name((fl_dtype)wanted));
    if (length < 0)
        return error_null(FL_RUNTIME_ERROR,
                          "%s requires non-negative window_length, got window_length=%lld", name,
                          (long long)length);
    if (length <= 1) {
        *y = fl_ones((fl_ints){&length, 1}, (fl_dtype)wanted, device, false);
        return NULL;
    }
    double period = (double)(periodic ? length : length - 1);
    fl_dtype work = wanted == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
    fl_tensor *n = fl_arange(fl_int(length), work, device, false);
    return fl_mul_scalar(n, fl_float(scale / period));
}

/* Gives the window its dtype and, where it is wanted, requires_grad. */
static int finish(fl_tensor *window, fl_dtype dtype, bool requires_grad, fl_tensor **y)
{
    if (!*y && window)
        *y = fl_to(window, dtype == FL_NO_DTYPE ? (fl_dtype)dtype_default() : dtype, ANYWHERE);
    if (!*y)
        return -1;
    return requires_grad ? autograd_set_requires_grad(*y, true) : 0;
}

/* a - b cos(x) + c cos(2 x), x = 2 pi n / (N - 1) */
static int cosines(const char *name, int64_t length, bool periodic, double a, double b, double c,
                   fl_dtype dtype, fl_device device, bool requires_grad, fl_tensor **y)
{
    fl_tensor *x = points(name, length, periodic, 2 * M_PI, dtype, device, y), *waves = NULL;
    if (x)
        waves = fl_mul_scalar(fl_cos(x), fl_float(-b));
    if (waves && c != 0)
        waves = fl_add(fl_mul_scalar(fl_cos(fl_mul_scalar(x, fl_float(2))), fl_float(c)), waves,
                       fl_int(1));
    return finish(waves ? fl_add_scalar(waves, fl_float(a), fl_int(1)) : NULL, dtype, requires_grad,
                  y);
}

int hann_window_compose(int64_t window_length, bool periodic, fl_dtype dtype, fl_device device,
                        bool requires_grad, fl_tensor **y)
{
    return cosines("hann_window", window_length, periodic, 0.5, 0.5, 0, dtype, device,
                   requires_grad, y);
}

int hamming_window_compose(int64_t window_length, bool periodic, double alpha, double beta,
                           fl_dtype dtype, fl_device device, bool requires_grad, fl_tensor **y)
{
    return cosines("hamming_window", window_length, periodic, alpha, beta, 0, dtype, device,
                   requires_grad, y);
}

int blackman_window_compose(int64_t window_length, bool periodic, fl_dtype dtype, fl_device device,
                            bool requires_grad, fl_tensor **y)
{
    return cosines("blackman_window", window_length, periodic, 0.42, 0.5, 0.08, dtype, device,
                   requires_grad, y);
}

int bartlett_window_compose(int64_t window_length, bool periodic, fl_dtype dtype, fl_device device,
                            bool requires_grad, fl_tensor **y)
{
    fl_tensor *x = points("bartlett_window", window_length, periodic, 2, dtype, device, y);
    fl_tensor *away = x ? fl_abs(fl_sub_scalar(x, fl_int(1), fl_int(1))) : NULL;
    return finish(away ? fl_rsub_scalar(away, fl_int(1), fl_int(1)) : NULL, dtype, requires_grad,
                  y);
}

int kaiser_window_compose(int64_t window_length, bool periodic, double beta, fl_dtype dtype,
                          fl_device device, bool requires_grad, fl_tensor **y)
{
    fl_tensor *x = points("kaiser_window", window_length, periodic, 2, dtype, device, y);
    fl_tensor *middle = x ? fl_sub_scalar(x, fl_int(1), fl_int(1)) : NULL, *window = NULL;
    if (middle) {
        fl_tensor *height = fl_sqrt(fl_rsub_scalar(fl_square(middle), fl_int(1), fl_int(1)));
        fl_tensor *whole =
            fl_full((fl_ints){NULL, 0}, fl_float(beta), (fl_dtype)x->dtype, ANYWHERE, false);
        window = fl_div(fl_i0(fl_mul_scalar(height, fl_float(beta))), fl_i0(whole));
    }
    return finish(window, dtype, requires_grad, y);
}
