/* Functions that take more than an expression: what is refused, and what is chosen by an argument.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/pointwise/math.h"
#include "ops_kernels.h"

int heaviside_check(fl_tensor *self, fl_tensor *values)
{
    if (self->dtype == values->dtype)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "heaviside is not yet implemented for tensors with different dtypes.");
}

int softshrink_check(fl_tensor *self, fl_value lambd)
{
    double l = lambd.tag == FL_FLOATING ? lambd.as.f : (double)lambd.as.i;
    (void)self;
    if (l >= 0)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "lambda must be greater or equal to 0, but found to be %g.",
                     l);
}

int hardtanh_check(fl_tensor *self, fl_value min_val, fl_value max_val)
{
    double min = min_val.tag == FL_FLOATING ? min_val.as.f : (double)min_val.as.i;
    double max = max_val.tag == FL_FLOATING ? max_val.as.f : (double)max_val.as.i;
    (void)self;
    return min > max ? error_set(FL_VALUE_ERROR, "min_val cannot be greater than max_val") : 0;
}

/* log(pi) p (p - 1) / 4 + the sum over k < p of lgamma(self - k / 2). */
int mvlgamma_compose(fl_tensor *self, int64_t p, fl_tensor **y)
{
    if (p < 1)
        return error_set(FL_RUNTIME_ERROR, "p has to be greater than or equal to 1");
    if (p > 1 << 16) /* each step is a pass: beyond, it is a slip that would run for hours */
        return error_set(FL_VALUE_ERROR, "p has to be at most 65536, got %lld", (long long)p);
    *y = fl_lgamma(self);
    for (int64_t k = 1; k < p && *y; k++)
        *y = fl_add(*y, fl_lgamma(fl_sub_scalar(self, fl_float(0.5 * (double)k), fl_int(1))),
                    fl_int(1));
    double constant = 0.28618247146235004 * (double)p * (double)(p - 1);
    *y = fl_add_scalar(*y, fl_float(constant), fl_int(1));
    return *y ? 0 : -1;
}

int polygamma_check(int64_t n, fl_tensor *self)
{
    (void)self;
    if (n < 0)
        return error_set(FL_RUNTIME_ERROR, "polygamma(n, x) does not support negative n.");
    return 0;
}

int polygamma_cpu(fl_tensor *self, int64_t n, fl_tensor *y)
{
    assert(n >= 0 && shape_equal(y, self));
    double factor = n % 2 ? 1 : -1; /* n!, positive where n is odd */
    for (int64_t k = 2; k <= n && k < 200; k++)
        factor *= (double)k;
    fl_tensor *x = tensor_as(self, FL_FLOAT64),
              *z = tensor_new(self->ndim, self->sizes, FL_FLOAT64);
    int status = x && z ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < x->numel; i++)
        ((double *)tensor_data(z))[i] =
            n < INT32_MAX ? factor * m_zeta_f64((double)n + 1, ((const double *)tensor_data(x))[i])
                          : NAN;
    if (status == 0)
        status = tensor_copy(y, z);
    tensor_release(x), tensor_release(z);
    return status;
}

int nan_to_num_compose(fl_tensor *self, const double *nan, const double *posinf,
                       const double *neginf, fl_tensor **y)
{
    double most = dtype_is_floating(self->dtype) ? dtype_largest(self->dtype) : 0;
    *y = fl__nan_to_num(self, nan ? *nan : 0, posinf ? *posinf : most, neginf ? *neginf : -most);
    return *y ? 0 : -1;
}

int gelu_compose(fl_tensor *self, const char *approximate, fl_tensor **y)
{
    bool tanh = strcmp(approximate, "tanh") == 0;
    if (!tanh && strcmp(approximate, "none") != 0)
        return error_set(FL_RUNTIME_ERROR, "approximate argument must be either none or tanh.");
    *y = tanh ? fl__gelu_tanh(self) : fl__gelu(self);
    return *y ? 0 : -1;
}

int celu_compose(fl_tensor *self, fl_value alpha, fl_tensor **y)
{
    double a = alpha.tag == FL_FLOATING ? alpha.as.f : (double)alpha.as.i;
    if (a == 0)
        return error_set(FL_RUNTIME_ERROR, "ZeroDivisionError: alpha cannot be 0 for CELU");
    *y = fl_elu(self, fl_float(a), fl_float(1), fl_float(1 / a));
    return *y ? 0 : -1;
}

int glu_compose(fl_tensor *self, int64_t dim, fl_tensor **y)
{
    if (self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "glu does not support 0-dimensional tensors");
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t half = self->sizes[d] / 2;
    if (2 * half != self->sizes[d])
        return error_set(FL_RUNTIME_ERROR,
                         "Halving dimension must be even, but dimension %d is size %lld", d,
                         (long long)self->sizes[d]);
    *y = fl_mul(fl_narrow(self, d, 0, half), fl_sigmoid(fl_narrow(self, d, half, half)));
    return *y ? 0 : -1;
}

int prelu_compose(fl_tensor *self, fl_tensor *weight, fl_tensor **y)
{
    int64_t sizes[TENSOR_MAX_DIMS], channels = self->ndim > 1 ? self->sizes[1] : 1;
    if (self->dtype != weight->dtype)
        return error_set(FL_RUNTIME_ERROR, "prelu: Type promoting not supported. Got %s and %s",
                         dtype_title(self->dtype), dtype_title(weight->dtype));
    if (weight->ndim > 1)
        return error_set(FL_RUNTIME_ERROR,
                         "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = %d",
                         weight->ndim);
    if (weight->numel != 1) {
        if (self->ndim == 0)
            return error_set(FL_RUNTIME_ERROR, "Not allow zero-dim input tensor.");
        if (weight->numel != channels)
            return error_set(
                FL_RUNTIME_ERROR,
                "Mismatch of parameter numbers and input channel size. Found parameter "
                "numbers = %lld and channel size = %lld.",
                (long long)weight->numel, (long long)channels);
    }
    int ndim = self->ndim > 1 ? self->ndim : 1;
    for (int d = 0; d < ndim; d++)
        sizes[d] = d == (self->ndim > 1) ? weight->numel : 1;
    *y = fl__prelu_kernel(self, self->ndim ? fl_reshape(weight, (fl_ints){sizes, ndim})
                                           : fl_reshape(weight, (fl_ints){sizes, 0}));
    return *y ? 0 : -1;
}
