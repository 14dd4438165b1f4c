/* Running totals of complex numbers, plainly, in double precision as PyTorch's. */
#include <math.h>
#include <string.h>

#include "core/tensor.h"
#include "ops/sort/running.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

typedef double _Complex pair;

static pair product(pair x, pair y)
{
    double a = creal(x), b = cimag(x), c = creal(y), d = cimag(y);
    double parts[2] = {a * c - b * d, a * d + b * c}; /* CMPLX is missing with clang */
    pair z;
    memcpy(&z, parts, sizeof z);
    return z;
}

/* log(exp(x) + exp(y)), by the larger real part; infinite ones as PyTorch has them. */
static pair log_of_sum(pair x, pair y)
{
    pair low = creal(x) < creal(y) ? x : y, high = creal(x) < creal(y) ? y : x;
    if (creal(low) == -INFINITY && creal(high) > -INFINITY)
        return high;
    if (creal(low) == creal(high) && isinf(creal(low)))
        return creal(low) < 0 ? low : clog(cexp(x) + cexp(y));
    return high + clog(1 + cexp(low - high));
}

int running_complex(fl_tensor *self, int d, fl_tensor *y, enum running_complex what)
{
    int64_t outer = 1, inner = 1, n = self->ndim ? self->sizes[d] : 1;
    for (int k = 0; k < self->ndim; k++)
        *(k < d ? &outer : &inner) *= k == d ? 1 : self->sizes[k];
    fl_tensor *wide = tensor_as(self, FL_COMPLEX128);
    fl_tensor *sums = wide ? tensor_new(self->ndim, self->sizes, FL_COMPLEX128) : NULL;
    const pair *x = sums ? tensor_data(wide) : NULL;
    pair *s = sums ? tensor_data(sums) : NULL;
    for (int64_t line = 0; sums && sums->numel && line < outer * inner; line++)
        for (int64_t k = 0; k < n; k++) {
            const int64_t at = (line / inner * n + k) * inner + line % inner;
            pair before = k ? s[at - inner] : 0;
            s[at] = !k                        ? x[at]
                    : what == RUNNING_SUM     ? before + x[at]
                    : what == RUNNING_PRODUCT ? product(before, x[at])
                                              : log_of_sum(before, x[at]);
        }
    int status = sums ? tensor_copy(y, sums) : -1;
    tensor_release(wide), tensor_release(sums);
    return status;
}
