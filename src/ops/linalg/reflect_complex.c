/* The reflections of dense.h for matrices of complex numbers: I - tau v v^H, whose adjoint maps a
 * vector onto a real multiple of the first unit vector (LAPACK's choice). So what becomes
 * tridiagonal or bidiagonal becomes real, and its rotations are those of real matrices. */
#include <string.h>

#include "ops/linalg/dense.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

typedef double _Complex pair;

pair dense_reflector_complex(int64_t n, pair *x, double *beta)
{
    assert(n >= 1);
    double largest = 0, rest = 0, real = creal(*x), imaginary = cimag(*x);
    for (int64_t i = 1; i < n; i++)
        largest = fmax(largest, fmax(fabs(creal(x[i])), fabs(cimag(x[i]))));
    *beta = real;
    *x = 1;
    if (largest == 0 && imaginary == 0)
        return 0;
    for (int64_t i = 1; i < n && largest > 0; i++) {
        x[i] /= largest;
        rest += creal(x[i]) * creal(x[i]) + cimag(x[i]) * cimag(x[i]);
    }
    *beta = -copysign(dense_length(dense_length(real, imaginary), largest * sqrt(rest)), real);
    pair scale = dense_quotient(largest, real - *beta + imaginary * I);
    for (int64_t i = 1; i < n; i++)
        x[i] *= scale;
    return (*beta - real) / *beta - imaginary / *beta * I;
}

static void add(int64_t n, pair *y, pair factor, const pair *x)
{
    dense_add(2, n, (double *)y, (const double *)&factor, (const double *)x);
}

/* n numbers of a column, which lie `next` apart, to x and back. */
static void take_column(int64_t n, pair *x, const pair *column, int64_t next)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = column[i * next];
}

static void put_column(int64_t n, const pair *x, pair *column, int64_t next)
{
    for (int64_t i = 0; i < n; i++)
        column[i * next] = x[i];
}

/* rows -= tau v (v^H rows), rows [m, n] with `next` numbers from one to the next. w: n numbers. */
static void reflect(int64_t m, int64_t n, pair *rows, int64_t next, pair tau, const pair *v,
                    pair *w)
{
    if (tau == 0 || n == 0)
        return;
    memset(w, 0, (size_t)n * sizeof *w);
    for (int64_t r = 0; r < m; r++)
        add(n, w, tau * conj(v[r]), rows + r * next);
    for (int64_t r = 0; r < m; r++)
        add(n, rows + r * next, -v[r], w);
}

/* rows -= tau (rows v) v^H, v of n numbers. */
static void reflect_right(int64_t m, int64_t n, pair *rows, int64_t next, pair tau, const pair *v)
{
    for (int64_t r = 0; r < m && tau != 0; r++, rows += next) {
        pair sum = 0;
        for (int64_t c = 0; c < n; c++)
            sum += rows[c] * v[c];
        for (int64_t c = 0; c < n; c++)
            rows[c] -= tau * sum * conj(v[c]);
    }
}

static void qr(int64_t m, int64_t n, double *plain, double *taus, double *work)
{
    pair *a = (pair *)plain, *tau = (pair *)taus, *v = (pair *)work, *w = v + m;
    for (int64_t i = 0; i < n && i < m; i++) {
        pair *corner = a + i * n + i;
        double beta;
        take_column(m - i, v, corner, n);
        tau[i] = dense_reflector_complex(m - i, v, &beta);
        reflect(m - i, n - i - 1, corner + 1, n, conj(tau[i]), v, w);
        put_column(m - i, v, corner, n);
        *corner = beta;
    }
}

static void apply(int64_t m, int64_t n, int64_t k, int64_t columns, const double *plain,
                  const double *taus, double *to, bool transposed, bool wedge, double *work)
{
    const pair *a = (const pair *)plain, *tau = (const pair *)taus;
    pair *c = (pair *)to, *v = (pair *)work, *w = v + m;
    for (int64_t step = 0; step < k; step++) {
        int64_t i = transposed ? step : k - 1 - step, skip = wedge ? i : 0;
        take_column(m - i, v, a + i * columns + i, columns);
        v[0] = 1;
        if (skip < n)
            reflect(m - i, n - skip, c + i * n + skip, n, transposed ? conj(tau[i]) : tau[i], v, w);
    }
}

/* a [n, n], Hermitian, becomes tridiagonal: d and e. The rows of z, unless that is NULL, become the
 * columns, conjugated, of the reflections' product. work: 3 n numbers. */
static void tridiagonalise(int64_t n, pair *a, double *d, double *e, pair *z, pair *work)
{
    pair *p = work, *v = p + n, *tau = v + n;
    for (int64_t k = 0; k + 1 < n; k++) {
        int64_t m = n - k - 1; /* below and right of element k */
        pair *column = a + (k + 1) * n + k, *corner = column + 1, half = 0;
        take_column(m, v, column, n);
        tau[k] = dense_reflector_complex(m, v, &e[k]);
        put_column(m, v, column, n);
        for (int64_t r = 0; r < m; r++) {
            pair sum = 0;
            for (int64_t c = 0; c < m; c++)
                sum += corner[r * n + c] * v[c];
            p[r] = tau[k] * sum;
            half += conj(v[r]) * p[r];
        }
        add(m, p, -conj(tau[k]) / 2 * half, v);
        for (int64_t r = 0; r < m && tau[k] != 0; r++)
            for (int64_t c = 0; c < m; c++)
                corner[r * n + c] -= v[r] * conj(p[c]) + p[r] * conj(v[c]);
    }
    if (z)
        dense_identity(2, n, n, (double *)z);
    for (int64_t k = n - 2; z && k >= 0; k--) {
        int64_t m = n - k - 1;
        take_column(m, v, a + (k + 1) * n + k, n);
        reflect_right(m, m, z + (k + 1) * n + k + 1, n, conj(tau[k]), v);
    }
    for (int64_t k = 0; k < n; k++)
        d[k] = creal(a[k * n + k]);
}

static bool eigen(int64_t n, double *a, double *d, double *z, double *work)
{
    tridiagonalise(n, (pair *)a, d, work, (pair *)z, (pair *)(work + n));
    return ISA_PICK(dense_rotations)->eigenvalues(n, d, work, 2 * n, z);
}

/* a [m, n], m >= n, becomes bidiagonal: d, and e above it. The rows of u and v become the columns,
 * conjugated, of the reflections' products. work: 3 n + m. */
static void bidiagonalise(int64_t m, int64_t n, pair *a, double *d, double *e, int64_t rows,
                          pair *u, pair *v, pair *work)
{
    pair *left = work, *right = left + n, *w = right + n, *column = w + n;
    for (int64_t i = 0; i < n; i++) {
        pair *corner = a + i * n + i;
        take_column(m - i, column, corner, n);
        left[i] = dense_reflector_complex(m - i, column, &d[i]);
        reflect(m - i, n - i - 1, corner + 1, n, conj(left[i]), column, w);
        put_column(m - i, column, corner, n);
        if (i + 1 == n)
            break;
        dense_conjugate(2, n - i - 1, (double *)(corner + 1));
        right[i] = dense_reflector_complex(n - i - 1, corner + 1, &e[i]);
        reflect_right(m - i - 1, n - i - 1, corner + n + 1, n, right[i], corner + 1);
    }
    if (!u)
        return;
    dense_identity(2, rows, m, (double *)u);
    dense_identity(2, n, n, (double *)v);
    for (int64_t i = n - 1; i >= 0; i--) {
        take_column(m - i, column, a + i * n + i, n);
        column[0] = 1;
        reflect_right(rows - i, m - i, u + i * m + i, m, conj(left[i]), column);
        if (i + 1 < n)
            reflect_right(n - i - 1, n - i - 1, v + (i + 1) * n + i + 1, n, conj(right[i]),
                          a + i * n + i + 1);
    }
}

static bool svd(int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u, double *v,
                double *work)
{
    int exponent = dense_scale(2 * m * n, a);
    bidiagonalise(m, n, (pair *)a, d, work, rows, (pair *)u, (pair *)v, (pair *)(work + n));
    bool done =
        ISA_PICK(dense_rotations)->singular_values(n, d, work, 2 * m, u, 2 * n, u ? v : NULL);
    for (int64_t i = 0; i < n; i++)
        d[i] = ldexp(d[i], exponent);
    return done;
}

const struct dense_reflections dense_complex_reflections = {qr, apply, eigen, svd};
