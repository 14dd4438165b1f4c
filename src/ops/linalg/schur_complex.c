/* Schur's form of complex matrices: reflections to Hessenberg's form and QR steps with one shift, that
 * of Wilkinson, as LAPACK's zlahqr takes it (Golub and Van Loan, "Matrix Computations", 7.4 and 7.5,
 * for the real ones). */
#include "ops/linalg/schur.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/linalg/dense.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

typedef double _Complex pair;

/* The rows and columns row.. of t and the columns of z are turned by I - tau v v^H, v of `size`
 * numbers: rows from column `from` on by its adjoint, columns of the first `until` rows. */
static void turn(int64_t n, pair *t, pair *z, int64_t row, int64_t size, pair tau, const pair *v,
                 int64_t from, int64_t until)
{
    assert(size >= 1 && row >= 0 && row + size <= n);
    for (int64_t j = from; j < n; j++) {
        pair sum = 0;
        for (int64_t i = 0; i < size; i++)
            sum += conj(v[i]) * t[(row + i) * n + j];
        for (int64_t i = 0; i < size; i++)
            t[(row + i) * n + j] -= conj(tau) * sum * v[i];
    }
    for (int64_t i = 0; i < until + n; i++) {
        pair *part = (i < until ? t + i * n : z + (i - until) * n) + row, sum = 0;
        for (int64_t k = 0; k < size; k++)
            sum += part[k] * v[k];
        for (int64_t k = 0; k < size; k++)
            part[k] -= tau * sum * conj(v[k]);
    }
}

static void to_hessenberg(int64_t n, pair *t, pair *z, const struct balance *b, pair *v)
{
    dense_identity(2, n, n, (double *)z);
    for (int64_t k = b->lo; k + 2 < b->hi; k++) {
        int64_t m = b->hi - k - 1;
        double beta;
        for (int64_t i = 0; i < m; i++)
            v[i] = t[(k + 1 + i) * n + k];
        pair tau = dense_reflector_complex(m, v, &beta);
        turn(n, t, z, k + 1, m, tau, v, k + 1, n);
        for (int64_t i = 0; i < m; i++)
            t[(k + 1 + i) * n + k] = i ? 0 : beta;
    }
}

/* The principal square root. The C library's has other bits where a processor fuses products and
 * sums. */
static pair root_of(pair z)
{
    double re = creal(z), im = cimag(z), size = dense_length(re, im);
    if (size == 0)
        return 0;
    double a = sqrt(size / 2 + fabs(re) / 2), b = im / (2 * a);
    return re >= 0 ? __builtin_complex(a, b) : __builtin_complex(fabs(b), copysign(a, im));
}

/* The eigenvalue of the last two rows that is closer to the last element. */
static pair shift_of(const pair *last, int64_t n)
{
    pair here = *last, u = root_of(*(last - n)) * root_of(*(last - 1));
    double s = dense_size(u);
    if (s == 0)
        return here;
    pair x = (*(last - n - 1) - here) / 2;
    double far = dense_size(x);
    s = fmax(s, far);
    pair y = s * root_of((x / s) * (x / s) + (u / s) * (u / s));
    if (far > 0 && creal(x / far) * creal(y) + cimag(x / far) * cimag(y) < 0)
        y = -y;
    return here - u * dense_quotient(u, x + y);
}

static void step(int64_t n, pair *t, pair *z, int64_t lo, int64_t hi, pair shift)
{
    assert(lo >= 0 && lo < hi && hi < n);
    for (int64_t k = lo; k < hi; k++) {
        int64_t until = k + 3 < hi + 1 ? k + 3 : hi + 1;
        pair v[2] = {t[k * n + k] - shift, t[(k + 1) * n + k]};
        double beta;
        if (k > lo)
            v[0] = t[k * n + k - 1], v[1] = t[(k + 1) * n + k - 1];
        pair tau = dense_reflector_complex(2, v, &beta);
        turn(n, t, z, k, 2, tau, v, k, until);
        if (k > lo)
            t[k * n + k - 1] = beta, t[(k + 1) * n + k - 1] = 0;
    }
}

static bool is_small(const pair *t, int64_t n, int64_t k)
{
    assert(k >= 1 && k < n);
    double beside = dense_size(t[k * n + k - 1]);
    double scale = dense_size(t[k * n + k]) + dense_size(t[(k - 1) * n + k - 1]);
    return beside <= DBL_EPSILON * scale || beside < DBL_MIN;
}

bool schur_complex(int64_t n, pair *a, const struct balance *b, pair *t, pair *z, pair *work)
{
    memcpy(t, a, (size_t)(n * n) * sizeof *t);
    to_hessenberg(n, t, z, b, work);
    int64_t hi = b->hi - 1;
    for (int64_t steps = 0, all = 0; hi > b->lo; all++) {
        int64_t lo = hi;
        while (lo > b->lo && !is_small(t, n, lo))
            lo--;
        if (lo > b->lo)
            t[lo * n + lo - 1] = 0;
        if (lo == hi) {
            hi--, steps = 0;
            continue;
        }
        if (all > 60 * n)
            return false;
        const pair *last = t + hi * n + hi;
        bool stuck = ++steps % 10 == 0; /* a shift that leads out of a cycle */
        step(n, t, z, lo, hi, stuck ? *last + 0.75 * fabs(creal(last[-1])) : shift_of(last, n));
    }
    return true;
}
