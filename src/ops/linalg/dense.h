/* Dense linear algebra on one matrix: row after row, in double, without tensors.
 *
 * A matrix [m, n] is m * n numbers without gaps. The loops are compiled for each instruction set;
 * sums have fixed lanes, so that the results do not depend on it.
 *
 * A number has one part, or two where matrices are complex: then the arrays hold pairs, and
 * "transposed" means conjugated as well, a^T the conjugate transpose. Singular values and
 * eigenvalues of symmetric (Hermitian) matrices are real in both.
 */
#ifndef FLAMBEAU_OPS_LINALG_DENSE_H
#define FLAMBEAU_OPS_LINALG_DENSE_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/isa.h"

/* Elimination and substitution (Golub and Van Loan, "Matrix Computations", 3.1, 3.4, 4.2). */
struct dense_eliminations {
    /* a [n, n] becomes its lower factor, zeros above; only the lower triangle is read. 0, or the
     * order of the leading minor that is not positive-definite. */
    int (*cholesky)(int64_t n, double *a);
    /* a [m, n] becomes L (below the diagonal, of ones there) and U, with rows exchanged: row i with
     * row pivots[i] - 1. The first pivot that is 0, counted from 1, or 0. */
    int (*lu)(int64_t m, int64_t n, double *a, int32_t *pivots);
    /* Rows i and pivots[i] - 1 of b [m, n] change places, for the first `count` pivots in turn, or
     * in the reverse order. */
    void (*exchange)(int64_t n, double *b, int64_t count, const int32_t *pivots, bool reverse);
    /* b [n, k] becomes X with a X = b, a [n, n] triangular, of ones on the diagonal where unit. */
    void (*solve)(int64_t n, int64_t k, const double *a, double *b, bool upper, bool unit);
    /* Likewise X with a^T X = b; upper says which triangle of a is read. */
    void (*solve_transposed)(int64_t n, int64_t k, const double *a, double *b, bool upper,
                             bool unit);
    /* y [m, n] += a [m, k] b [k, n] */
    void (*multiply)(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *y);
};

/* Reflections I - tau v v^T (5.1, 5.2, 5.4, 8.3, 8.6 there), with LAPACK's signs. */
struct dense_reflections {
    /* a [m, n] becomes R, and below the diagonal the vectors v, without their leading 1. tau:
     * min(m, n) numbers; work: m + n. */
    void (*qr)(int64_t m, int64_t n, double *a, double *tau, double *work);
    /* c [m, n] becomes Q c, or Q^T c, for Q the product of the k reflections in a [m, columns].
     * wedge: c is a part of the identity, whose zeros are skipped. work: m + n numbers. */
    void (*apply)(int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                  const double *tau, double *c, bool transposed, bool wedge, double *work);
    /* The eigenvalues d [n], ascending, of the symmetric a [n, n], which is destroyed; the rows of
     * z [n, n], unless that is NULL, become the vectors, conjugated. work: 4 n. False: no
     * convergence. */
    bool (*eigen)(int64_t n, double *a, double *d, double *z, double *work);
    /* The singular values d [n], descending, of a [m, n], m >= n, which is destroyed; the rows of
     * u [rows, m] and v [n, n] become the vectors, conjugated, unless u is NULL; n <= rows <= m.
     * work: 4 n + m. False: no convergence. */
    bool (*svd)(int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u, double *v,
                double *work);
};

/* What becomes of tridiagonal and bidiagonal matrices, which are real always: rows of the vectors
 * turn along, each of as many doubles as `width` says. */
struct dense_rotations {
    /* d [n] beside e [n]: eigenvalues, ascending. z: n rows, or NULL. False: no convergence. */
    bool (*eigenvalues)(int64_t n, double *d, double *e, int64_t width, double *z);
    /* d [n] above which e lies: singular values, descending. u and v: n rows or more, or NULL. */
    bool (*singular_values)(int64_t n, double *d, double *e, int64_t u_width, double *u,
                            int64_t v_width, double *v);
};

FL_SIMD_TABLE(struct dense_eliminations, dense_eliminations);
FL_SIMD_TABLE(struct dense_reflections, dense_reflections);
FL_SIMD_TABLE(struct dense_rotations, dense_rotations);
extern const struct dense_eliminations dense_complex_eliminations;
extern const struct dense_reflections dense_complex_reflections;

static inline const struct dense_eliminations *dense_eliminations_of(int parts)
{
    assert(parts == 1 || parts == 2);
    return parts == 2 ? &dense_complex_eliminations : ISA_PICK(dense_eliminations);
}

/* The same by LAPACK where that is there and the matrix is large, and by those kernels else; of
 * vectors that are determined up to their sign, or phase, the same one is taken. */
int dense_cholesky(int parts, int64_t n, double *a);
int dense_lu(int parts, int64_t m, int64_t n, double *a, int32_t *pivots);
void dense_solve(int parts, int64_t n, int64_t k, const double *a, double *b, bool upper,
                 bool unit);
void dense_multiply(int parts, int64_t m, int64_t k, int64_t n, const double *a, const double *b,
                    double *y);
void dense_qr(int parts, int64_t m, int64_t n, double *a, double *tau, double *work);
void dense_apply(int parts, int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                 const double *tau, double *c, bool transposed, bool wedge, double *work);
bool dense_eigen(int parts, int64_t n, double *a, double *d, double *z, double *work);
bool dense_svd(int parts, int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u,
               double *v, double *work);
/* The complex eigenvalues w [n] of any square a [n, n], which is destroyed, and the rows of v
 * [n, n], eigenvectors of length 1. work: 3 n n + 4 n complex numbers. False: no convergence. */
bool dense_eigen_general(int parts, int64_t n, double *a, double _Complex *w, double _Complex *v,
                         double _Complex *work);
/* Whether matrices of that side are large. */
static inline bool dense_is_large(int64_t side)
{
    return side >= 192;
}

/* The sum of a[i] * b[i], in eight lanes. */
static inline double dense_dot(int64_t n, const double *a, const double *b)
{
    double lane[8] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7])) + rest;
}

/* y[i] -= factor * x[i] */
static inline void dense_subtract(int64_t n, double *restrict y, double factor,
                                  const double *restrict x)
{
    for (int64_t i = 0; i < n; i++)
        y[i] -= factor * x[i];
}

/* a [m, n] becomes zeros, with ones on the diagonal. */
static inline void dense_identity(int parts, int64_t m, int64_t n, double *a)
{
    assert(m >= 0 && n >= 0);
    memset(a, 0, (size_t)(m * n * parts) * sizeof *a);
    for (int64_t i = 0; i < m && i < n; i++)
        a[(i * n + i) * parts] = 1;
}

/* a [n, n] becomes symmetric, or Hermitian: one triangle and the diagonal's real parts are read. */
static inline void dense_mirror(int parts, int64_t n, double *a, bool upper)
{
    assert(n >= 0 && (parts == 1 || parts == 2));
    for (int64_t r = 0; r < n; r++) {
        if (parts == 2)
            a[2 * (r * n + r) + 1] = 0;
        for (int64_t c = 0; c < r; c++) {
            double *below = a + (r * n + c) * parts, *above = a + (c * n + r) * parts;
            double *to = upper ? below : above;
            const double *from = upper ? above : below;
            to[0] = from[0];
            if (parts == 2)
                to[1] = -from[1];
        }
    }
}

/* n numbers become their conjugates. */
static inline void dense_conjugate(int parts, int64_t n, double *a)
{
    for (int64_t i = 0; parts == 2 && i < n; i++)
        a[2 * i + 1] = -a[2 * i + 1];
}

/* y [n] += factor x [n], factor a number. */
static inline void dense_add(int parts, int64_t n, double *restrict y, const double *factor,
                             const double *restrict x)
{
    assert(n >= 0 && (parts == 1 || parts == 2));
    if (parts == 1)
        dense_subtract(n, y, -*factor, x);
    for (int64_t i = 0; parts == 2 && i < 2 * n; i += 2) {
        y[i] += factor[0] * x[i] - factor[1] * x[i + 1];
        y[i + 1] += factor[0] * x[i + 1] + factor[1] * x[i];
    }
}

/* sqrt(a a + b b) without overflow; the same bits everywhere, which hypot of a C library has
 * not. */
static inline double dense_length(double a, double b)
{
    double large = fmax(fabs(a), fabs(b)), small = fmin(fabs(a), fabs(b));
    double ratio = large > 0 ? small / large : 0;
    return large * sqrt(1 + ratio * ratio);
}

/* |Re x| + |Im x|: what LAPACK compares pivots and tests for zero by (its cabs1). */
static inline double dense_size(double _Complex x)
{
    return fabs(__real__ x) + fabs(__imag__ x);
}

/* x / y by Smith's way (Robert L. Smith, Algorithm 116, 1962), written out: the quotient of the
 * compiler's library has other bits where a processor fuses products and sums. */
static inline double _Complex dense_quotient(double _Complex x, double _Complex y)
{
    double p = __real__ x, q = __imag__ x, c = __real__ y, d = __imag__ y;
    if (c == 0 && d == 0)
        return __builtin_complex(p / c, q / c);
    bool turned = fabs(c) < fabs(d);
    double ratio = turned ? c / d : d / c, scale = turned ? c * ratio + d : c + d * ratio;
    return turned ? __builtin_complex((p * ratio + q) / scale, (q * ratio - p) / scale)
                  : __builtin_complex((p + q * ratio) / scale, (q - p * ratio) / scale);
}

/* Divides n numbers by a power of two, so that the largest is about 1: its exponent. */
static inline int dense_scale(int64_t n, double *a)
{
    double largest = 0;
    int exponent = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(a[i]));
    frexp(largest, &exponent);
    for (int64_t i = 0; i < n && largest > 0; i++)
        a[i] = ldexp(a[i], -exponent);
    return exponent;
}

/* The reflection that maps the n numbers x onto a multiple of the first unit vector: x becomes v,
 * whose first number is 1, *beta the multiple. tau. */
static inline double dense_reflector(int64_t n, double *x, double *beta)
{
    assert(n >= 1);
    double largest = 0, first = *x;
    for (int64_t i = 1; i < n; i++)
        largest = fmax(largest, fabs(x[i]));
    *beta = first;
    *x = 1;
    if (largest == 0)
        return 0;
    for (int64_t i = 1; i < n; i++)
        x[i] /= largest;
    double rest = largest * sqrt(dense_dot(n - 1, x + 1, x + 1));
    *beta = -copysign(dense_length(first, rest), first);
    double scale = largest / (first - *beta);
    for (int64_t i = 1; i < n; i++)
        x[i] *= scale;
    return (*beta - first) / *beta;
}

/* The same of complex numbers: (I - tau* v v^H) x is *beta, a real number, before zeros. */
double _Complex dense_reflector_complex(int64_t n, double _Complex *x, double *beta);

#endif
