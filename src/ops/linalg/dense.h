/* Dense linear algebra on one matrix: row after row, in double, without tensors.
 *
 * A matrix [m, n] is m * n numbers without gaps. The loops are compiled for each instruction set;
 * sums have fixed lanes, so that the results do not depend on it.
 */
#ifndef FLAMBEAU_OPS_LINALG_DENSE_H
#define FLAMBEAU_OPS_LINALG_DENSE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

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
     * z [n, n], unless that is NULL, become the vectors. work: 2 n. False: no convergence. */
    bool (*eigen)(int64_t n, double *a, double *d, double *z, double *work);
    /* The singular values d [n], descending, of a [m, n], m >= n, which is destroyed; the rows of
     * u [rows, m] and v [n, n] become the vectors, unless u is NULL; n <= rows <= m.
     * work: 4 n + m. False: no convergence. */
    bool (*svd)(int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u, double *v,
                double *work);
};

FL_SIMD_TABLE(struct dense_eliminations, dense_eliminations);
FL_SIMD_TABLE(struct dense_reflections, dense_reflections);

/* The same by LAPACK where that is there and the matrix is large, and by those kernels else; of
 * vectors that are determined up to their sign the same one is taken. */
int dense_cholesky(int64_t n, double *a);
int dense_lu(int64_t m, int64_t n, double *a, int32_t *pivots);
void dense_solve(int64_t n, int64_t k, const double *a, double *b, bool upper, bool unit);
void dense_multiply(int64_t m, int64_t k, int64_t n, const double *a, const double *b, double *y);
void dense_qr(int64_t m, int64_t n, double *a, double *tau, double *work);
void dense_apply(int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                 const double *tau, double *c, bool transposed, bool wedge, double *work);
bool dense_eigen(int64_t n, double *a, double *d, double *z, double *work);
bool dense_svd(int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u, double *v,
               double *work);
/* The eigenvalues w [n] of any square a [n, n], which is destroyed, and the rows of v [n, n],
 * eigenvectors of length 1. work: 2 n n + n complex numbers. False: no convergence. */
bool dense_eigen_general(int64_t n, double *a, double _Complex *w, double _Complex *v,
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

/* sqrt(a a + b b) without overflow; the same bits everywhere, which hypot of a C library has
 * not. */
static inline double dense_length(double a, double b)
{
    double large = fmax(fabs(a), fabs(b)), small = fmin(fabs(a), fabs(b));
    double ratio = large > 0 ? small / large : 0;
    return large * sqrt(1 + ratio * ratio);
}

/* The reflection that maps the n numbers x onto a multiple of the first unit vector: x becomes v,
 * whose first number is 1, *beta the multiple. tau. */
static inline double dense_reflector(int64_t n, double *x, double *beta)
{
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

#endif
