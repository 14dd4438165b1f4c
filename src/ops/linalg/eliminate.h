/* The eliminations of dense.h, written once: Cholesky's factor row by row, Gaussian elimination with
 * partial pivoting, substitution. eliminate.simd.c includes this with NUMBER double,
 * eliminate_complex.c with NUMBER double _Complex; they define
 *
 *   REAL(x), CONJUGATE(x), QUOTIENT(x, y)
 *   SIZE(x)                    what pivots are compared by, as LAPACK does
 *   dot(n, x, y)               the sum of x[i] * conj(y[i])
 *   subtract(n, y, factor, x)  y -= factor * x
 */

static int cholesky(int64_t n, double *plain)
{
    NUMBER *a = (NUMBER *)plain;
    for (int64_t i = 0; i < n; i++) {
        NUMBER *row = a + i * n;
        for (int64_t j = 0; j < i; j++) {
            const NUMBER *other = a + j * n;
            row[j] = (row[j] - dot(j, row, other)) / REAL(other[j]);
        }
        double pivot = REAL(row[i]) - REAL(dot(i, row, row));
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

static void swap(int64_t n, NUMBER *restrict p, NUMBER *restrict q)
{
    for (int64_t i = 0; i < n; i++) {
        NUMBER held = p[i];
        p[i] = q[i], q[i] = held;
    }
}

static int lu(int64_t m, int64_t n, double *plain, int32_t *pivots)
{
    NUMBER *a = (NUMBER *)plain;
    int64_t k = m < n ? m : n;
    int zero = 0;
    for (int64_t i = 0; i < k; i++) {
        int64_t best = i;
        for (int64_t r = i + 1; r < m; r++)
            if (SIZE(a[r * n + i]) > SIZE(a[best * n + i]))
                best = r;
        pivots[i] = (int32_t)(best + 1);
        if (best != i)
            swap(n, a + i * n, a + best * n);
        NUMBER pivot = a[i * n + i];
        if (pivot == 0) {
            zero = zero ? zero : (int)(i + 1);
            continue;
        }
        for (int64_t r = i + 1; r < m; r++) {
            NUMBER factor = a[r * n + i] = QUOTIENT(a[r * n + i], pivot);
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
            swap(n, (NUMBER *)b + i * n, (NUMBER *)b + (pivots[i] - 1) * n);
    }
}

static void divide(int64_t n, NUMBER *row, NUMBER by)
{
    for (int64_t i = 0; i < n; i++)
        row[i] = QUOTIENT(row[i], by);
}

static void solve(int64_t n, int64_t k, const double *plain, double *right, bool upper, bool unit)
{
    const NUMBER *a = (const NUMBER *)plain;
    NUMBER *b = (NUMBER *)right;
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
    const NUMBER *a = (const NUMBER *)plain;
    NUMBER *b = (NUMBER *)right;
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? step : n - 1 - step;
        int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
        if (!unit)
            divide(k, b + i * k, CONJUGATE(a[i * n + i]));
        for (int64_t j = from; j < to; j++)
            subtract(k, b + j * k, CONJUGATE(a[i * n + j]), b + i * k);
    }
}

static void multiply(int64_t m, int64_t k, int64_t n, const double *left, const double *right,
                     double *result)
{
    const NUMBER *a = (const NUMBER *)left, *b = (const NUMBER *)right;
    NUMBER *y = (NUMBER *)result;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            subtract(n, y + i * n, -a[i * k + j], b + j * n);
}
