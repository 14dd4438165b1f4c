/* Eigenvalues and eigenvectors of any square matrix: balancing, Schur's form, and substitution for
 * the vectors (Golub and Van Loan, "Matrix Computations", 7.5 and 7.6). */
#include <float.h>
#include <math.h>

#include "ops/linalg/dense.h"
#include "ops/linalg/schur.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

/* v = z x with (t - t[k, k]) x = 0, unbalanced, of length 1; the last number of at least half the
 * largest magnitude is positive. x: n numbers. */
static void vector_of(int64_t n, const double _Complex *t, const double _Complex *z, int64_t k,
                      double least, const struct balance *b, double _Complex *v, double _Complex *x)
{
    assert(k >= 0 && k < n && least > 0);
    double _Complex value = t[k * n + k], lead = 1;
    double square = 0, largest = 0;
    x[k] = 1;
    for (int64_t i = k - 1; i >= 0; i--) {
        double _Complex sum = 0, gap = t[i * n + i] - value;
        for (int64_t j = i + 1; j <= k; j++)
            sum += t[i * n + j] * x[j];
        bool close = fmax(fabs(creal(gap)), fabs(cimag(gap))) < least;
        x[i] = dense_quotient(-sum, close ? least : gap);
    }
    for (int64_t i = 0; i < n; i++) {
        v[i] = 0;
        for (int64_t j = 0; j <= k; j++)
            v[i] += z[i * n + j] * x[j];
    }
    balance_undo(b, n, v);
    for (int64_t i = 0; i < n; i++) {
        double size = dense_length(creal(v[i]), cimag(v[i]));
        largest = fmax(largest, size);
        square += size * size;
    }
    for (int64_t i = 0; i < n; i++)
        if (2 * dense_length(creal(v[i]), cimag(v[i])) >= largest)
            lead = v[i];
    double _Complex scale = conj(lead) / (dense_length(creal(lead), cimag(lead)) * sqrt(square));
    for (int64_t i = 0; i < n; i++)
        v[i] *= scale;
}

/* Of a real matrix eigenvalues come alone, with real vectors, or beside their conjugates. */
static void make_real(int64_t n, double _Complex *w, double _Complex *v)
{
    for (int64_t k = 0; k < n; k++) {
        bool pair = cimag(w[k]) != 0 && k + 1 < n;
        for (int64_t i = 0; i < n; i++)
            v[k * n + i] = pair ? v[k * n + i] : creal(v[k * n + i]);
        if (!pair)
            continue;
        w[k + 1] = conj(w[k]);
        for (int64_t i = 0; i < n; i++)
            v[(k + 1) * n + i] = conj(v[k * n + i]);
        k++;
    }
}

bool dense_eigen_general(int parts, int64_t n, double *a, double _Complex *w, double _Complex *v,
                         double _Complex *work)
{
    assert(n > 0 && w && v && work);
    double _Complex *t = work, *z = t + n * n, *x = z + n * n, *more = x + n;
    struct balance b = {.scale = (double *)(more + n * n + 2 * n)};
    double largest = 0;
    balance_matrix(parts, n, a, &b);
    if (!(parts == 2 ? schur_complex(n, (double _Complex *)a, &b, t, z, more)
                     : schur_real(n, a, &b, t, z, more)))
        return false;
    for (int64_t i = 0; i < n * n; i++)
        largest = fmax(largest, fmax(fabs(creal(t[i])), fabs(cimag(t[i]))));
    for (int64_t k = 0; k < n; k++) {
        vector_of(n, t, z, k, fmax(DBL_EPSILON * largest, DBL_MIN), &b, v + k * n, x);
        w[k] = t[k * n + k];
    }
    if (parts == 1)
        make_real(n, w, v);
    return true;
}
