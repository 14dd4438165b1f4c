/* Balancing of a matrix before its eigenvalues are computed (Parlett and Reinsch, "Balancing a
 * matrix for calculation of eigenvalues and eigenvectors", 1969; James, Langou and Lowery, "On
 * matrix balancing and eigenvector computation", 2014, for the norm): in the order of LAPACK, which
 * determines that of the eigenvalues. */
#include "ops/linalg/schur.h"

#include <float.h>
#include <math.h>

#include "ops/linalg/dense.h"

struct square {
    int parts;
    int64_t n;
    double *a;
};

static double magnitude(const struct square *s, int64_t row, int64_t column)
{
    const double *x = s->a + (row * s->n + column) * s->parts;
    return s->parts == 2 ? dense_length(x[0], x[1]) : fabs(x[0]);
}

/* Rows and columns p and q change places: columns of rows below `until`, rows from column `from`. */
static void exchange(const struct square *s, int64_t p, int64_t q, int64_t until, int64_t from)
{
    assert(p >= 0 && p < s->n && q >= 0 && q < s->n);
    int64_t parts = s->parts, wide = s->n * parts;
    for (int64_t i = 0; i < until; i++)
        for (int64_t part = 0; part < parts; part++) {
            double *x = s->a + i * wide + p * parts + part, held = *x;
            double *y = s->a + i * wide + q * parts + part;
            *x = *y, *y = held;
        }
    for (int64_t k = from * parts; k < wide; k++) {
        double held = s->a[p * wide + k];
        s->a[p * wide + k] = s->a[q * wide + k], s->a[q * wide + k] = held;
    }
}

/* Whether row i (or column i) from lo to hi - 1 is 0 but for the diagonal. */
static bool stands_alone(const struct square *s, int64_t i, bool column, int64_t lo, int64_t hi)
{
    for (int64_t j = lo; j < hi; j++)
        if (j != i && magnitude(s, column ? j : i, column ? i : j) != 0)
            return false;
    return true;
}

/* Brings eigenvalues that can be read off to the end, then to the beginning. */
static void permute(const struct square *s, struct balance *b)
{
    for (int64_t i = b->hi - 1; i >= 0; i--) {
        if (!stands_alone(s, i, false, 0, b->hi))
            continue;
        b->scale[b->hi - 1] = (double)i;
        exchange(s, i, b->hi - 1, b->hi, 0);
        i = --b->hi;
    }
    for (int64_t j = b->lo; j < b->hi; j++) {
        if (!stands_alone(s, j, true, b->lo, b->hi))
            continue;
        b->scale[b->lo] = (double)j;
        exchange(s, j, b->lo, b->hi, b->lo);
        j = b->lo++;
    }
}

static double norm(const struct square *s, int64_t i, bool column, const struct balance *b)
{
    assert(i >= b->lo && i < b->hi);
    double sum = 0;
    for (int64_t j = b->lo; j < b->hi; j++) {
        double x = magnitude(s, column ? j : i, column ? i : j);
        sum += x * x;
    }
    return sqrt(sum);
}

static void multiply(const struct square *s, int64_t i, double by)
{
    assert(by > 0);
    int64_t parts = s->parts, wide = s->n * parts;
    for (int64_t k = 0; k < wide; k++)
        s->a[i * wide + k] /= by;
    for (int64_t r = 0; r < s->n; r++)
        for (int64_t part = 0; part < parts; part++)
            s->a[r * wide + i * parts + part] *= by;
}

/* Makes the norms of row i and column i alike, where that is worth it. */
static bool equal_out(const struct square *s, int64_t i, struct balance *b)
{
    const double most = ldexp(1, 900);
    double c = norm(s, i, true, b), r = norm(s, i, false, b), f = 1, before = c + r;
    if (!(c > 0 && r > 0 && c < most && r < most))
        return false;
    for (; c < r / 2 && f < most; f *= 2)
        c *= 2, r /= 2;
    for (; c / 2 >= r && f > 1 / most; f /= 2)
        c /= 2, r *= 2;
    if (c + r >= 0.95 * before)
        return false;
    b->scale[i] *= f;
    multiply(s, i, f);
    return true;
}

void balance_matrix(int parts, int64_t n, double *a, struct balance *b)
{
    struct square s = {parts, n, a};
    b->lo = 0, b->hi = n;
    permute(&s, b);
    for (int64_t i = b->lo; i < b->hi; i++)
        b->scale[i] = 1;
    for (bool again = true; again;) {
        again = false;
        for (int64_t i = b->lo; i < b->hi; i++)
            again |= equal_out(&s, i, b);
    }
}

static void swap(double _Complex *v, int64_t i, int64_t j)
{
    double _Complex held = v[i];
    v[i] = v[j], v[j] = held;
}

void balance_undo(const struct balance *b, int64_t n, double _Complex *v)
{
    assert(b->lo >= 0 && b->lo <= b->hi && b->hi <= n);
    for (int64_t i = b->lo; i < b->hi; i++)
        v[i] *= b->scale[i];
    for (int64_t i = b->lo - 1; i >= 0; i--)
        swap(v, i, (int64_t)b->scale[i]);
    for (int64_t i = b->hi; i < n; i++)
        swap(v, i, (int64_t)b->scale[i]);
}
