/* Functions that take more than an expression: what is refused, and what is chosen by an argument.
 */
#include <assert.h>
#include <math.h>

#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/pointwise/math.h"
#include "ops_kernels.h"

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
    const bool complex = dtype_is_complex(self->dtype);
    const double most = dtype_is_inexact(self->dtype) ? dtype_largest(self->dtype) : 0;
    fl_tensor *parts = complex ? fl_view_as_real(self) : self;
    *y = parts ? fl__nan_to_num(parts, nan ? *nan : 0, posinf ? *posinf : most,
                                neginf ? *neginf : -most)
               : NULL;
    if (*y && complex) { /* a number with one such part has no gradient */
        *y = fl_view_as_complex(*y);
        *y = *y ? fl_where(fl_isfinite(self), *y, fl_detach(*y)) : NULL;
    }
    return *y ? 0 : -1;
}
