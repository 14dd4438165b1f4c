/* QR by reflections; eigenvalues of symmetric matrices and singular values by reflections to a
 * tridiagonal or bidiagonal matrix, then QR steps with Wilkinson's shift. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/linalg/dense.h"

/* n numbers of a column, which lie `next` apart, to x and back. */
static void take_column(int64_t n, double *x, const double *column, int64_t next)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = column[i * next];
}

static void put_column(int64_t n, const double *x, double *column, int64_t next)
{
    for (int64_t i = 0; i < n; i++)
        column[i * next] = x[i];
}

/* rows -= tau v (v^T rows), rows [m, n] with `next` numbers from one to the next. w: n numbers. */
static void reflect(int64_t m, int64_t n, double *rows, int64_t next, double tau, const double *v,
                    double *w)
{
    if (tau == 0 || n == 0)
        return;
    memset(w, 0, (size_t)n * sizeof *w);
    for (int64_t r = 0; r < m; r++)
        dense_subtract(n, w, -tau * v[r], rows + r * next);
    for (int64_t r = 0; r < m; r++)
        dense_subtract(n, rows + r * next, v[r], w);
}

/* rows -= tau (rows v) v^T, v of n numbers. */
static void reflect_right(int64_t m, int64_t n, double *rows, int64_t next, double tau,
                          const double *v)
{
    for (int64_t r = 0; r < m && tau != 0; r++)
        dense_subtract(n, rows + r * next, tau * dense_dot(n, rows + r * next, v), v);
}

static void qr(int64_t m, int64_t n, double *a, double *tau, double *work)
{
    double *v = work, *w = work + m;
    for (int64_t i = 0; i < n && i < m; i++) {
        double *corner = a + i * n + i, beta;
        take_column(m - i, v, corner, n);
        tau[i] = dense_reflector(m - i, v, &beta);
        reflect(m - i, n - i - 1, corner + 1, n, tau[i], v, w);
        put_column(m - i, v, corner, n);
        *corner = beta;
    }
}

static void apply(int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                  const double *tau, double *c, bool transposed, bool wedge, double *work)
{
    double *v = work, *w = work + m;
    for (int64_t step = 0; step < k; step++) {
        int64_t i = transposed ? step : k - 1 - step, skip = wedge ? i : 0;
        take_column(m - i, v, a + i * columns + i, columns);
        v[0] = 1;
        if (skip < n)
            reflect(m - i, n - skip, c + i * n + skip, n, tau[i], v, w);
    }
}

/* Rows p and q become c p + s q and c q - s p. */
static void rotate(int64_t n, double *restrict p, double *restrict q, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        double held = c * p[i] + s * q[i];
        q[i] = c * q[i] - s * p[i];
        p[i] = held;
    }
}

/* ---- Symmetric matrices ---------------------------------------------------------------------- */

/* a [n, n], symmetric, becomes tridiagonal: d and e. The rows of z, unless that is NULL, become the
 * columns of the reflections' product. e and work: n numbers each. */
static void tridiagonalise(int64_t n, double *a, double *d, double *e, double *z, double *work)
{
    double *w = work;
    for (int64_t k = 0; k + 2 < n; k++) {
        int64_t m = n - k - 1; /* below and right of element k */
        double *v = a + k * n + k + 1, *corner = a + (k + 1) * n + k + 1;
        double tau = dense_reflector(m, v, &e[k]);
        d[k] = tau; /* until z is made */
        for (int64_t r = 0; r < m && tau != 0; r++)
            w[r] = tau * dense_dot(m, corner + r * n, v);
        double half = tau != 0 ? tau / 2 * dense_dot(m, v, w) : 0;
        if (tau != 0)
            dense_subtract(m, w, half, v);
        for (int64_t r = 0; r < m && tau != 0; r++) {
            dense_subtract(m, corner + r * n, v[r], w);
            dense_subtract(m, corner + r * n, w[r], v);
        }
    }
    if (n >= 2)
        e[n - 2] = a[(n - 2) * n + n - 1];
    if (z) {
        dense_identity(1, n, n, z);
        for (int64_t k = n - 3; k >= 0; k--)
            reflect_right(n - k - 1, n - k - 1, z + (k + 1) * n + k + 1, n, d[k],
                          a + k * n + k + 1);
    }
    for (int64_t k = 0; k < n; k++)
        d[k] = a[k * n + k];
}

/* One QR step of the block lo..hi of the tridiagonal d, e; the rows of z turn with it. */
static void step(int64_t width, int64_t lo, int64_t hi, double *d, double *e, double *z)
{
    assert(lo >= 0 && lo < hi);
    double gap = (d[hi - 1] - d[hi]) / 2, last = e[hi - 1];
    double far = dense_length(gap, last);
    double shift = d[hi] - last * (last / (gap + copysign(far, gap)));
    double x = d[lo] - shift, chased = e[lo];
    for (int64_t k = lo; k < hi; k++) {
        double r = dense_length(x, chased), c = r > 0 ? x / r : 1, s = r > 0 ? chased / r : 0;
        double above = d[k], below = d[k + 1], beside = e[k];
        if (k > lo)
            e[k - 1] = r;
        d[k] = c * c * above + 2 * c * s * beside + s * s * below;
        d[k + 1] = s * s * above - 2 * c * s * beside + c * c * below;
        e[k] = c * s * (below - above) + (c * c - s * s) * beside;
        if (k + 1 < hi) {
            x = e[k];
            chased = s * e[k + 1];
            e[k + 1] *= c;
        }
        if (z)
            rotate(width, z + k * width, z + (k + 1) * width, c, s);
    }
}

/* d becomes the eigenvalues; whether that took no more steps than it may. */
static bool diagonalise(int64_t n, double *d, double *e, int64_t width, double *z)
{
    int64_t hi = n - 1;
    for (int64_t steps = 0; hi > 0; steps++) {
        for (int64_t i = 0; i < hi; i++)
            if (fabs(e[i]) <= 0x1p-53 * (fabs(d[i]) + fabs(d[i + 1])))
                e[i] = 0;
        while (hi > 0 && e[hi - 1] == 0)
            hi--;
        int64_t lo = hi;
        while (lo > 0 && e[lo - 1] != 0)
            lo--;
        if (lo < hi)
            step(width, lo, hi, d, e, z);
        if (steps > 30 * n)
            return false;
    }
    return true;
}

static void exchange(int64_t n, double *p, double *q)
{
    for (int64_t i = 0; i < n; i++) {
        double held = p[i];
        p[i] = q[i], q[i] = held;
    }
}

/* Puts d in ascending order, or descending; rows of p and q go along, unless they are NULL. */
static void sort(int64_t n, double *d, bool descending, int64_t p_width, double *p, int64_t q_width,
                 double *q)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t first = i;
        for (int64_t j = i + 1; j < n; j++)
            if (descending ? d[j] > d[first] : d[j] < d[first])
                first = j;
        if (first == i)
            continue;
        exchange(1, d + i, d + first);
        if (p)
            exchange(p_width, p + i * p_width, p + first * p_width);
        if (q)
            exchange(q_width, q + i * q_width, q + first * q_width);
    }
}

static void negate(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = -x[i];
}

static bool eigenvalues(int64_t n, double *d, double *e, int64_t width, double *z)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += d[i] + (i + 1 < n ? e[i] : 0);
    if (!isfinite(sum)) {
        for (int64_t i = 0; i < n; i++)
            d[i] = NAN, e[i] = 0;
        for (int64_t i = 0; z && i < n * width; i++)
            z[i] = NAN;
    }
    bool done = diagonalise(n, d, e, width, z);
    sort(n, d, false, width, z, 0, NULL);
    return done;
}

static bool eigen(int64_t n, double *a, double *d, double *z, double *work)
{
    tridiagonalise(n, a, d, work, z, work + n);
    return eigenvalues(n, d, work, n, z);
}

/* ---- Singular values ------------------------------------------------------------------------- */

/* a [m, n], m >= n, becomes bidiagonal: d, and e above it. The rows of u and v become the columns
 * of the reflections' products. work: 3 n + m. */
static void bidiagonalise(int64_t m, int64_t n, double *a, double *d, double *e, int64_t rows,
                          double *u, double *v, double *work)
{
    assert(m >= n && (!u || v));
    double *left = work, *right = left + n, *w = right + n, *column = w + n;
    for (int64_t i = 0; i < n; i++) {
        double *corner = a + i * n + i;
        take_column(m - i, column, corner, n);
        left[i] = dense_reflector(m - i, column, &d[i]);
        reflect(m - i, n - i - 1, corner + 1, n, left[i], column, w);
        put_column(m - i, column, corner, n);
        right[i] = 0;
        if (i + 1 == n)
            break;
        right[i] = dense_reflector(n - i - 1, corner + 1, &e[i]);
        reflect_right(m - i - 1, n - i - 1, corner + n + 1, n, right[i], corner + 1);
    }
    if (!u)
        return;
    dense_identity(1, rows, m, u);
    dense_identity(1, n, n, v);
    for (int64_t i = n - 1; i >= 0; i--) {
        take_column(m - i, column, a + i * n + i, n);
        reflect_right(rows - i, m - i, u + i * m + i, m, left[i], column);
        if (i + 1 < n)
            reflect_right(n - i - 1, n - i - 1, v + (i + 1) * n + i + 1, n, right[i],
                          a + i * n + i + 1);
    }
}

/* A bidiagonal matrix, and the vectors that turn with it: NULL where none are wanted. */
struct bidiagonal {
    int64_t n;
    double *d, *e;
    int64_t u_width, v_width;
    double *u, *v;
};

static void turn_rows(const struct bidiagonal *b, int64_t i, int64_t j, double c, double s)
{
    if (b->u)
        rotate(b->u_width, b->u + i * b->u_width, b->u + j * b->u_width, c, s);
}

static void turn_columns(const struct bidiagonal *b, int64_t i, int64_t j, double c, double s)
{
    if (b->v)
        rotate(b->v_width, b->v + i * b->v_width, b->v + j * b->v_width, c, s);
}

/* d[i] is 0: the element beside it is chased out of its row, through the rows below. */
static void clear_row(const struct bidiagonal *b, int64_t i, int64_t hi)
{
    assert(i >= 0 && i < hi && b->d[i] == 0);
    double chased = b->e[i];
    b->e[i] = 0;
    for (int64_t k = i + 1; k <= hi && chased != 0; k++) {
        double r = dense_length(b->d[k], chased), c = b->d[k] / r, s = chased / r;
        b->d[k] = r;
        chased = k < hi ? -s * b->e[k] : 0;
        if (k < hi)
            b->e[k] *= c;
        turn_rows(b, k, i, c, s);
    }
}

/* d[hi] is 0: the element above it is chased out of its column, through the columns before. */
static void clear_column(const struct bidiagonal *b, int64_t lo, int64_t hi)
{
    assert(lo >= 0 && lo < hi && b->d[hi] == 0);
    double chased = b->e[hi - 1];
    b->e[hi - 1] = 0;
    for (int64_t k = hi - 1; k >= lo && chased != 0; k--) {
        double r = dense_length(b->d[k], chased), c = b->d[k] / r, s = chased / r;
        b->d[k] = r;
        chased = k > lo ? -s * b->e[k - 1] : 0;
        if (k > lo)
            b->e[k - 1] *= c;
        turn_columns(b, k, hi, c, s);
    }
}

/* One QR step of the block lo..hi, with the shift of B^T B. */
static void singular_step(const struct bidiagonal *b, int64_t lo, int64_t hi)
{
    assert(lo >= 0 && lo < hi && hi < b->n);
    double *d = b->d, *e = b->e;
    double before = hi - 1 > lo ? e[hi - 2] : 0;
    double above = d[hi - 1] * d[hi - 1] + before * before;
    double below = d[hi] * d[hi] + e[hi - 1] * e[hi - 1], beside = d[hi - 1] * e[hi - 1];
    double gap = (above - below) / 2, far = dense_length(gap, beside);
    double shift = far > 0 ? below - beside * (beside / (gap + copysign(far, gap))) : below;
    double x = d[lo] - shift / d[lo], chased = e[lo]; /* both divided by d[lo] */
    for (int64_t k = lo; k < hi; k++) {
        double r = dense_length(x, chased), c = r > 0 ? x / r : 1, s = r > 0 ? chased / r : 0;
        if (k > lo)
            e[k - 1] = r;
        double first = c * d[k] + s * e[k];
        e[k] = c * e[k] - s * d[k];
        chased = s * d[k + 1];
        d[k + 1] *= c;
        turn_columns(b, k, k + 1, c, s);
        r = dense_length(first, chased), c = r > 0 ? first / r : 1, s = r > 0 ? chased / r : 0;
        d[k] = r;
        double second = c * e[k] + s * d[k + 1];
        d[k + 1] = c * d[k + 1] - s * e[k];
        e[k] = x = second;
        if (k + 1 < hi) {
            chased = s * e[k + 1];
            e[k + 1] *= c;
        }
        turn_rows(b, k, k + 1, c, s);
    }
}

/* d becomes the singular values up to their signs; whether that took no more steps than it may. */
static bool settle(const struct bidiagonal *b)
{
    double *d = b->d, *e = b->e, norm = 0;
    int64_t hi = b->n - 1;
    for (int64_t i = 0; i < b->n; i++)
        norm = fmax(norm, fabs(d[i]) + (i + 1 < b->n ? fabs(e[i]) : 0));
    for (int64_t steps = 0; hi > 0; steps++) {
        for (int64_t i = 0; i < hi; i++)
            if (fabs(e[i]) <= 0x1p-53 * (fabs(d[i]) + fabs(d[i + 1])) || fabs(e[i]) < DBL_MIN)
                e[i] = 0;
        while (hi > 0 && e[hi - 1] == 0)
            hi--;
        int64_t lo = hi, zero = -1;
        while (lo > 0 && e[lo - 1] != 0)
            lo--;
        for (int64_t i = lo; i <= hi; i++)
            if (fabs(d[i]) <= 0x1p-53 * norm)
                d[i] = 0, zero = i;
        if (steps > 60 * b->n)
            return false;
        if (lo == hi)
            continue;
        if (zero == hi)
            clear_column(b, lo, hi);
        else if (zero >= 0)
            clear_row(b, zero, hi);
        else
            singular_step(b, lo, hi);
    }
    return true;
}

static bool singular_values(int64_t n, double *d, double *e, int64_t u_width, double *u,
                            int64_t v_width, double *v)
{
    struct bidiagonal b = {n, d, e, u_width, v_width, u, v};
    bool done = settle(&b);
    for (int64_t i = 0; i < n; i++) {
        if (v && signbit(d[i]))
            negate(v_width, v + i * v_width);
        d[i] = fabs(d[i]);
    }
    sort(n, d, true, u_width, u, v_width, v);
    return done;
}

static bool svd(int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u, double *v,
                double *work)
{
    int exponent = dense_scale(m * n, a);
    bidiagonalise(m, n, a, d, work, rows, u, v, work + n);
    bool done = singular_values(n, d, work, m, u, n, u ? v : NULL);
    for (int64_t i = 0; i < n; i++)
        d[i] = ldexp(d[i], exponent);
    return done;
}

const struct dense_reflections FL_SIMD(dense_reflections) = {qr, apply, eigen, svd};
const struct dense_rotations FL_SIMD(dense_rotations) = {eigenvalues, singular_values};
