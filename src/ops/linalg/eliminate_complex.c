/* The eliminations of dense.h for matrices of complex numbers. */
#include "ops/linalg/dense.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

typedef double _Complex pair;

/* The sum of x[i] * conj(y[i]). */
static pair dot(int64_t n, const pair *x, const pair *y)
{
    double real = 0, imaginary = 0;
    for (int64_t i = 0; i < n; i++) {
        real += creal(x[i]) * creal(y[i]) + cimag(x[i]) * cimag(y[i]);
        imaginary += cimag(x[i]) * creal(y[i]) - creal(x[i]) * cimag(y[i]);
    }
    return real + imaginary * I;
}

static void subtract(int64_t n, pair *y, pair factor, const pair *x)
{
    factor = -factor;
    dense_add(2, n, (double *)y, (const double *)&factor, (const double *)x);
}

static int cholesky(int64_t n, double *plain)
{
    pair *a = (pair *)plain;
    for (int64_t i = 0; i < n; i++) {
        pair *row = a + i * n;
        for (int64_t j = 0; j < i; j++) {
            const pair *other = a + j * n;
            row[j] = (row[j] - dot(j, row, other)) / creal(other[j]);
        }
        double pivot = creal(row[i]) - creal(dot(i, row, row));
        row[i] = pivot > 0 ? sqrt(pivot) : pivot;
        for (int64_t j = i + 1; j < n; j++)
            row[j] = 0;
        if (pivot > 0)
            continue;
        for (int64_t r = i + 1; r < n; r++)
            for (int64_t j = r + 1; j < n; j++)
                a[r * n + j] = 0;
        return (int)(i + 1);
    }
    return 0;
}

/* What LAPACK compares pivots by. */
static double size_of(pair x)
{
    return fabs(creal(x)) + fabs(cimag(x));
}

static void swap(int64_t n, pair *p, pair *q)
{
    for (int64_t i = 0; i < n; i++) {
        pair held = p[i];
        p[i] = q[i], q[i] = held;
    }
}

static int lu(int64_t m, int64_t n, double *plain, int32_t *pivots)
{
    pair *a = (pair *)plain;
    int64_t k = m < n ? m : n;
    int zero = 0;
    for (int64_t i = 0; i < k; i++) {
        int64_t best = i;
        for (int64_t r = i + 1; r < m; r++)
            if (size_of(a[r * n + i]) > size_of(a[best * n + i]))
                best = r;
        pivots[i] = (int32_t)(best + 1);
        if (best != i)
            swap(n, a + i * n, a + best * n);
        pair pivot = a[i * n + i];
        if (pivot == 0) {
            zero = zero ? zero : (int)(i + 1);
            continue;
        }
        for (int64_t r = i + 1; r < m; r++) {
            pair factor = a[r * n + i] /= pivot;
            subtract(n - i - 1, a + r * n + i + 1, factor, a + i * n + i + 1);
        }
    }
    return zero;
}

static void exchange(int64_t n, double *b, int64_t count, const int32_t *pivots, bool reverse)
{
    for (int64_t step = 0; step < count; step++) {
        int64_t i = reverse ? count - 1 - step : step;
        if (pivots[i] != i + 1)
            swap(n, (pair *)b + i * n, (pair *)b + (pivots[i] - 1) * n);
    }
}

static void divide(int64_t n, pair *row, pair by)
{
    for (int64_t i = 0; i < n; i++)
        row[i] /= by;
}

static void solve(int64_t n, int64_t k, const double *plain, double *right, bool upper, bool unit)
{
    const pair *a = (const pair *)plain;
    pair *b = (pair *)right;
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? n - 1 - step : step;
        int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
        for (int64_t j = from; j < to; j++)
            subtract(k, b + i * k, a[i * n + j], b + j * k);
        if (!unit)
            divide(k, b + i * k, a[i * n + i]);
    }
}

static void solve_transposed(int64_t n, int64_t k, const double *plain, double *right, bool upper,
                             bool unit)
{
    const pair *a = (const pair *)plain;
    pair *b = (pair *)right;
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? step : n - 1 - step;
        int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
        if (!unit)
            divide(k, b + i * k, conj(a[i * n + i]));
        for (int64_t j = from; j < to; j++)
            subtract(k, b + j * k, conj(a[i * n + j]), b + i * k);
    }
}

static void multiply(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *y)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            dense_add(2, n, y + 2 * i * n, a + 2 * (i * k + j), b + 2 * j * n);
}

const struct dense_eliminations dense_complex_eliminations = {
    cholesky, lu, exchange, solve, solve_transposed, multiply};
