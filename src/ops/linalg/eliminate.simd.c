/* Cholesky's factor row by row, Gaussian elimination with partial pivoting, substitution. */
#include <math.h>

#include "ops/linalg/dense.h"

static int cholesky(int64_t n, double *a)
{
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (int64_t j = 0; j < i; j++) {
            const double *other = a + j * n;
            row[j] = (row[j] - dense_dot(j, row, other)) / other[j];
        }
        double pivot = row[i] - dense_dot(i, row, row);
        row[i] = pivot > 0 ? sqrt(pivot) : pivot;
        for (int64_t j = i + 1; j < n; j++)
            row[j] = 0;
        if (!(pivot > 0)) {
            for (int64_t r = i + 1; r < n; r++)
                for (int64_t j = r + 1; j < n; j++)
                    a[r * n + j] = 0;
            return (int)(i + 1);
        }
    }
    return 0;
}

static void swap(int64_t n, double *restrict p, double *restrict q)
{
    for (int64_t i = 0; i < n; i++) {
        double held = p[i];
        p[i] = q[i], q[i] = held;
    }
}

static int lu(int64_t m, int64_t n, double *a, int32_t *pivots)
{
    int64_t k = m < n ? m : n;
    int zero = 0;
    for (int64_t i = 0; i < k; i++) {
        int64_t best = i;
        for (int64_t r = i + 1; r < m; r++)
            if (fabs(a[r * n + i]) > fabs(a[best * n + i]))
                best = r;
        pivots[i] = (int32_t)(best + 1);
        if (best != i)
            swap(n, a + i * n, a + best * n);
        double pivot = a[i * n + i];
        if (pivot == 0) {
            zero = zero ? zero : (int)(i + 1);
            continue;
        }
        for (int64_t r = i + 1; r < m; r++) {
            double factor = a[r * n + i] /= pivot;
            dense_subtract(n - i - 1, a + r * n + i + 1, factor, a + i * n + i + 1);
        }
    }
    return zero;
}

static void exchange(int64_t n, double *b, int64_t count, const int32_t *pivots, bool reverse)
{
    for (int64_t step = 0; step < count; step++) {
        int64_t i = reverse ? count - 1 - step : step;
        if (pivots[i] != i + 1)
            swap(n, b + i * n, b + (pivots[i] - 1) * n);
    }
}

static void divide(int64_t n, double *row, double by)
{
    for (int64_t i = 0; i < n; i++)
        row[i] /= by;
}

static void solve(int64_t n, int64_t k, const double *a, double *b, bool upper, bool unit)
{
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? n - 1 - step : step;
        int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
        for (int64_t j = from; j < to; j++)
            dense_subtract(k, b + i * k, a[i * n + j], b + j * k);
        if (!unit)
            divide(k, b + i * k, a[i * n + i]);
    }
}

static void solve_transposed(int64_t n, int64_t k, const double *a, double *b, bool upper,
                             bool unit)
{
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? step : n - 1 - step;
        int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
        if (!unit)
            divide(k, b + i * k, a[i * n + i]);
        for (int64_t j = from; j < to; j++)
            dense_subtract(k, b + j * k, a[i * n + j], b + i * k);
    }
}

static void multiply(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *y)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            dense_subtract(n, y + i * n, -a[i * k + j], b + j * n);
}

const struct dense_eliminations FL_SIMD(dense_eliminations) = {
    cholesky, lu, exchange, solve, solve_transposed, multiply};
