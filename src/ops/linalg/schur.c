/* Schur's form of real matrices: reflections to Hessenberg's form, Francis's QR steps (Golub and Van
 * Loan, "Matrix Computations", 7.4 and 7.5) with the shifts that LAPACK's dlahqr takes, which the
 * order of the eigenvalues depends on, and blocks of 2 that rotations with complex numbers make
 * triangular. */
#include "ops/linalg/schur.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/linalg/dense.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

/* h = z^T a z; both [n, n]. */
struct schur {
    int64_t n;
    double *h, *z;
};

/* rows row.. of h, from column `from` on, and columns row.. of its first `until` rows and of z are
 * reflected by v, of `size` numbers. w: n numbers. */
static void turn(const struct schur *s, int64_t row, int64_t size, double tau, const double *v,
                 int64_t from, int64_t until, double *w)
{
    assert(size >= 1 && row >= 0 && row + size <= s->n);
    int64_t n = s->n;
    if (tau == 0)
        return;
    memset(w, 0, (size_t)(n - from) * sizeof *w);
    for (int64_t i = 0; i < size; i++)
        dense_subtract(n - from, w, -tau * v[i], s->h + (row + i) * n + from);
    for (int64_t i = 0; i < size; i++)
        dense_subtract(n - from, s->h + (row + i) * n + from, v[i], w);
    for (int64_t i = 0; i < until; i++) {
        double *part = s->h + i * n + row;
        dense_subtract(size, part, tau * dense_dot(size, part, v), v);
    }
    for (int64_t i = 0; i < n; i++) {
        double *part = s->z + i * n + row;
        dense_subtract(size, part, tau * dense_dot(size, part, v), v);
    }
}

static void to_hessenberg(const struct schur *s, const struct balance *b, double *work)
{
    int64_t n = s->n;
    double *v = work, *w = work + n, beta;
    dense_identity(1, n, n, s->z);
    for (int64_t k = b->lo; k + 2 < b->hi; k++) {
        int64_t m = b->hi - k - 1;
        for (int64_t i = 0; i < m; i++)
            v[i] = s->h[(k + 1 + i) * n + k];
        double tau = dense_reflector(m, v, &beta);
        turn(s, k + 1, m, tau, v, k + 1, n, w);
        for (int64_t i = 0; i < m; i++)
            s->h[(k + 1 + i) * n + k] = i ? 0 : beta;
    }
}

/* One double step of the block lo..hi; where exceptional, with shifts that lead out of a cycle. */
static void francis(const struct schur *s, int64_t lo, int64_t hi, bool exceptional, double *w)
{
    assert(lo >= 0 && hi - lo >= 2 && hi < s->n);
    int64_t n = s->n;
    double *h = s->h, *last = h + hi * n + hi, *before = last - n - 1, v[3], beta;
    double sum = *before + *last, product = *before * *last - *(last - n) * *(last - 1);
    double half = sum / 2, square = half * half - product;
    if (exceptional) {
        double size = fabs(*(last - 1)) + (hi - 1 > lo ? fabs(*(before - 1)) : 0);
        sum = 1.5 * size, product = size * size;
    } else if (square > 0) { /* two real shifts: twice the one that is closer to the last element */
        double root = sqrt(square), above = half + root, below = half - root;
        double near = fabs(above - *last) <= fabs(below - *last) ? above : below;
        sum = 2 * near, product = near * near;
    }
    const double *top = h + lo * n + lo;
    double x = top[0] * top[0] + top[1] * top[n] - sum * top[0] + product;
    double y = top[n] * (top[0] + top[n + 1] - sum), z = top[n] * top[2 * n + 1];
    for (int64_t k = lo; k < hi; k++) {
        int64_t size = k + 1 < hi ? 3 : 2, until = k + 4 <= hi + 1 ? k + 4 : hi + 1;
        v[0] = x, v[1] = y, v[2] = z;
        double tau = dense_reflector(size, v, &beta);
        turn(s, k, size, tau, v, k > lo ? k - 1 : lo, until, w);
        for (int64_t i = 0; k > lo && i < size; i++)
            h[(k + i) * n + k - 1] = i ? 0 : beta;
        x = h[(k + 1) * n + k];
        y = k + 2 <= hi ? h[(k + 2) * n + k] : 0;
        z = k + 3 <= hi ? h[(k + 3) * n + k] : 0;
    }
}

/* The block of rows p and p + 1, where its eigenvalues are real, becomes triangular. */
static void split(const struct schur *s, int64_t p, double *w)
{
    assert(p >= 0 && p + 1 < s->n);
    int64_t n = s->n;
    double *a = s->h + p * n + p, half = (a[0] - a[n + 1]) / 2, v[2], beta;
    double square = half * half + a[1] * a[n];
    if (square < 0)
        return;
    v[0] = half + copysign(sqrt(square), half), v[1] = a[n];
    double tau = dense_reflector(2, v, &beta);
    turn(s, p, 2, tau, v, p, p + 2, w);
    a[n] = 0;
}

/* h becomes triangular but for blocks of 2 with complex eigenvalues. */
static bool to_schur(const struct schur *s, const struct balance *b, double *work)
{
    int64_t n = s->n, hi = b->hi - 1;
    for (int64_t steps = 0, all = 0; hi > b->lo; all++) {
        int64_t lo = hi;
        for (; lo > b->lo; lo--) {
            double *beside = s->h + lo * n + lo - 1;
            double scale = fabs(*(beside + 1)) + fabs(*(beside - n));
            if (fabs(*beside) <= DBL_EPSILON * scale || fabs(*beside) < DBL_MIN) {
                *beside = 0;
                break;
            }
        }
        if (lo >= hi - 1) {
            if (lo == hi - 1)
                split(s, lo, work);
            hi = lo - 1, steps = 0;
            continue;
        }
        if (all > 60 * n)
            return false;
        steps++;
        francis(s, lo, hi, steps % 10 == 0, work);
    }
    return true;
}

/* Columns p and p + 1 of m [rows, n] become their products with the unitary [c -s*; s c*]. */
static void turn_columns(int64_t rows, int64_t n, double _Complex *m, int64_t p, double _Complex c,
                         double s)
{
    for (int64_t i = 0; i < rows; i++, m += n) {
        double _Complex held = c * m[p] + s * m[p + 1];
        m[p + 1] = conj(c) * m[p + 1] - s * m[p];
        m[p] = held;
    }
}

/* The block of t at p with complex eigenvalues becomes triangular, that with the positive imaginary
 * part first. */
static void split_complex(int64_t n, double _Complex *t, double _Complex *z, int64_t p)
{
    assert(p >= 0 && p + 1 < n);
    double _Complex *a = t + p * n + p, *upper = t + p * n, *lower = upper + n;
    double half = creal(a[0] - a[n + 1]) / 2, s = creal(a[n]);
    double imaginary = sqrt(fmax(0, -(half * half + creal(a[1]) * s)));
    double size = dense_length(dense_length(half, imaginary), s);
    double _Complex c = (half + imaginary * I) / size;
    s /= size;
    for (int64_t j = p; j < n; j++) {
        double _Complex held = conj(c) * upper[j] + s * lower[j];
        lower[j] = c * lower[j] - s * upper[j];
        upper[j] = held;
    }
    turn_columns(p + 2, n, t, p, c, s);
    turn_columns(n, n, z, p, c, s);
    a[n] = 0;
}

bool schur_real(int64_t n, double *a, const struct balance *b, double _Complex *t,
                double _Complex *z, double _Complex *work)
{
    struct schur s = {n, a, (double *)work};
    double *rest = s.z + n * n;
    to_hessenberg(&s, b, rest);
    if (!to_schur(&s, b, rest))
        return false;
    for (int64_t i = 0; i < n * n; i++)
        t[i] = s.h[i], z[i] = s.z[i];
    for (int64_t p = 0; p + 1 < n; p++)
        if (creal(t[(p + 1) * n + p]) != 0)
            split_complex(n, t, z, p);
    return true;
}
