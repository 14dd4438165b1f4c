/* The eliminations of dense.h for matrices of complex numbers. */
#include "ops/linalg/dense.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

#define NUMBER       double _Complex
#define REAL(x)      creal(x)
#define CONJUGATE(x) conj(x)
#define QUOTIENT     dense_quotient
#define SIZE(x)      (fabs(creal(x)) + fabs(cimag(x)))

static NUMBER dot(int64_t n, const NUMBER *x, const NUMBER *y)
{
    double real = 0, imaginary = 0;
    for (int64_t i = 0; i < n; i++) {
        real += creal(x[i]) * creal(y[i]) + cimag(x[i]) * cimag(y[i]);
        imaginary += cimag(x[i]) * creal(y[i]) - creal(x[i]) * cimag(y[i]);
    }
    return real + imaginary * I;
}

static void subtract(int64_t n, NUMBER *y, NUMBER factor, const NUMBER *x)
{
    factor = -factor;
    dense_add(2, n, (double *)y, (const double *)&factor, (const double *)x);
}

#include "ops/linalg/eliminate.h"

const struct dense_eliminations dense_complex_eliminations = {
    cholesky, lu, exchange, solve, solve_transposed, multiply};
