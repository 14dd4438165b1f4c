/* Which way a matrix takes: LAPACK's, or the kernels'. */
#include "ops/linalg/dense.h"

#include <math.h>

#include "ops/linalg/lapack.h"

static int64_t smaller(int64_t m, int64_t n)
{
    return m < n ? m : n;
}

static const struct dense_reflections *reflections_of(int parts)
{
    assert(parts == 1 || parts == 2);
    return parts == 2 ? &dense_complex_reflections : ISA_PICK(dense_reflections);
}

int dense_cholesky(int parts, int64_t n, double *a)
{
    assert(n >= 0 && a);
    int info;
    if (dense_is_large(n) && lapack_cholesky(parts, n, a, &info))
        return info;
    return dense_eliminations_of(parts)->cholesky(n, a);
}

int dense_lu(int parts, int64_t m, int64_t n, double *a, int32_t *pivots)
{
    assert(m >= 0 && n >= 0 && (pivots || !smaller(m, n)));
    int info;
    if (dense_is_large(smaller(m, n)) && lapack_lu(parts, m, n, a, pivots, &info))
        return info;
    return dense_eliminations_of(parts)->lu(m, n, a, pivots);
}

void dense_solve(int parts, int64_t n, int64_t k, const double *a, double *b, bool upper, bool unit)
{
    assert(n >= 0 && k >= 0);
    if (!dense_is_large(smaller(n, 8 * k)) || !lapack_solve(parts, n, k, a, b, upper, unit))
        dense_eliminations_of(parts)->solve(n, k, a, b, upper, unit);
}

void dense_multiply(int parts, int64_t m, int64_t k, int64_t n, const double *a, const double *b,
                    double *y)
{
    assert(m >= 0 && k >= 0 && n >= 0 && y != a && y != b);
    if (!dense_is_large(smaller(m, n)) || !lapack_multiply(parts, m, k, n, a, b, y))
        dense_eliminations_of(parts)->multiply(m, k, n, a, b, y);
}

void dense_qr(int parts, int64_t m, int64_t n, double *a, double *tau, double *work)
{
    assert(m >= 0 && n >= 0 && tau && work);
    if (!dense_is_large(smaller(m, n)) || !lapack_qr(parts, m, n, a, tau))
        reflections_of(parts)->qr(m, n, a, tau, work);
}

void dense_apply(int parts, int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                 const double *tau, double *c, bool transposed, bool wedge, double *work)
{
    assert(k >= 0 && k <= m && k <= columns);
    if (!dense_is_large(smaller(k, n)) ||
        !lapack_apply(parts, m, n, k, columns, a, tau, c, transposed))
        reflections_of(parts)->apply(m, n, k, columns, a, tau, c, transposed, wedge, work);
}

/* Of vectors x that differ by a factor of magnitude 1, which serve equally, a decision that
 * rounding does not change: the conjugate of the direction of the first (or last) number of at
 * least half the largest magnitude. x times that has a positive number there. */
static void direction(int parts, int64_t n, const double *x, bool last, double *back)
{
    double largest = 0;
    back[0] = 1, back[1] = 0;
    for (int64_t i = 0; i < n * parts; i++)
        largest = fmax(largest, fabs(x[i]));
    for (int64_t k = 0; k < n; k++) {
        const double *at = x + (last ? n - 1 - k : k) * parts;
        double imaginary = parts == 2 ? at[1] : 0, size = dense_length(at[0], imaginary);
        if (2 * size < largest || size == 0)
            continue;
        back[0] = at[0] / size, back[1] = -imaginary / size;
        return;
    }
}

static void turn(int parts, int64_t n, double *x, const double *by)
{
    for (int64_t i = 0; i < n * parts; i += parts) {
        double real = x[i] * by[0] - (parts == 2 ? x[i + 1] * by[1] : 0);
        if (parts == 2)
            x[i + 1] = x[i] * by[1] + x[i + 1] * by[0];
        x[i] = real;
    }
}

bool dense_eigen(int parts, int64_t n, double *a, double *d, double *z, double *work)
{
    assert(n > 0 && a != z && work);
    bool done;
    double back[2];
    if (!dense_is_large(n) || !lapack_eigen(parts, n, a, d, z, &done))
        done = reflections_of(parts)->eigen(n, a, d, z, work);
    for (int64_t i = 0; z && i < n; i++) {
        direction(parts, n, z + i * n * parts, true, back);
        turn(parts, n, z + i * n * parts, back);
    }
    return done;
}

/* The first numbers of left vectors are negative, as LAPACK's are. */
bool dense_svd(int parts, int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u,
               double *v, double *work)
{
    assert(m >= n && (!u || (rows >= n && rows <= m)));
    bool done;
    double back[2];
    if (!dense_is_large(n) || !lapack_svd(parts, m, n, a, d, rows, u, v, &done))
        done = reflections_of(parts)->svd(m, n, a, d, rows, u, v, work);
    for (int64_t i = 0; u && i < n; i++) {
        direction(parts, m, u + i * m * parts, false, back);
        back[0] = -back[0], back[1] = -back[1];
        turn(parts, m, u + i * m * parts, back);
        turn(parts, n, v + i * n * parts, back);
    }
    return done;
}
