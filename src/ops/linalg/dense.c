/* Which way a matrix takes: LAPACK's, or the kernels'. */
#include "ops/linalg/dense.h"

#include <math.h>

#include "ops/linalg/lapack.h"

static int64_t smaller(int64_t m, int64_t n)
{
    return m < n ? m : n;
}

int dense_cholesky(int64_t n, double *a)
{
    int info;
    if (dense_is_large(n) && lapack_cholesky(n, a, &info))
        return info;
    return ISA_PICK(dense_eliminations)->cholesky(n, a);
}

int dense_lu(int64_t m, int64_t n, double *a, int32_t *pivots)
{
    int info;
    if (dense_is_large(smaller(m, n)) && lapack_lu(m, n, a, pivots, &info))
        return info;
    return ISA_PICK(dense_eliminations)->lu(m, n, a, pivots);
}

void dense_solve(int64_t n, int64_t k, const double *a, double *b, bool upper, bool unit)
{
    if (!dense_is_large(smaller(n, 8 * k)) || !lapack_solve(n, k, a, b, upper, unit))
        ISA_PICK(dense_eliminations)->solve(n, k, a, b, upper, unit);
}

void dense_multiply(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *y)
{
    if (!dense_is_large(smaller(m, n)) || !lapack_multiply(m, k, n, a, b, y))
        ISA_PICK(dense_eliminations)->multiply(m, k, n, a, b, y);
}

void dense_qr(int64_t m, int64_t n, double *a, double *tau, double *work)
{
    if (!dense_is_large(smaller(m, n)) || !lapack_qr(m, n, a, tau))
        ISA_PICK(dense_reflections)->qr(m, n, a, tau, work);
}

void dense_apply(int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                 const double *tau, double *c, bool transposed, bool wedge, double *work)
{
    if (!dense_is_large(smaller(k, n)) || !lapack_apply(m, n, k, columns, a, tau, c, transposed))
        ISA_PICK(dense_reflections)->apply(m, n, k, columns, a, tau, c, transposed, wedge, work);
}

/* Of a vector x and its negative, which serve equally, a decision that rounding does not change:
 * whether the first (or last) number of at least half the largest magnitude is negative. */
static bool leads_negative(int64_t n, const double *x, bool last)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(x[i]));
    for (int64_t k = 0; k < n; k++) {
        double candidate = x[last ? n - 1 - k : k];
        if (2 * fabs(candidate) >= largest)
            return candidate < 0;
    }
    return false;
}

static void negate(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = -x[i];
}

bool dense_eigen(int64_t n, double *a, double *d, double *z, double *work)
{
    bool done;
    if (!dense_is_large(n) || !lapack_eigen(n, a, d, z, &done))
        done = ISA_PICK(dense_reflections)->eigen(n, a, d, z, work);
    for (int64_t i = 0; z && i < n; i++)
        if (leads_negative(n, z + i * n, true))
            negate(n, z + i * n);
    return done;
}

bool dense_svd(int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u, double *v,
               double *work)
{
    bool done;
    if (!dense_is_large(n) || !lapack_svd(m, n, a, d, rows, u, v, &done))
        done = ISA_PICK(dense_reflections)->svd(m, n, a, d, rows, u, v, work);
    for (int64_t i = 0; u && i < n; i++)
        if (!leads_negative(m, u + i * m, false))
            negate(m, u + i * m), negate(n, v + i * n);
    return done;
}
