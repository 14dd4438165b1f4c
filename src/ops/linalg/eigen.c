/* Eigenvalues of symmetric matrices: Householder reflections to a tridiagonal matrix, then QR steps
 * with Wilkinson's shift (Golub and Van Loan, "Matrix Computations", 8.3).
 */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

/* rows -= scale * v (v^T rows), rows [m, n]: a reflection from the left. w has room for n. */
static void reflect(int64_t m, int64_t n, double *rows, double scale, const double *v, double *w)
{
    memset(w, 0, (size_t)n * sizeof *w);
    for (int64_t r = 0; r < m; r++)
        matrix_subtract(n, w, -v[r], rows + r * n);
    for (int64_t r = 0; r < m; r++)
        matrix_subtract(n, rows + r * n, scale * v[r], w);
}

/* a [n, n], symmetric, becomes tridiagonal; z, the identity at first, the reflections' product.
 * work: 2 n numbers. */
static void tridiagonalise(int64_t n, double *a, double *z, double *work)
{
    double *v = work, *w = work + n;
    for (int64_t k = 0; k + 2 < n; k++) {
        int64_t m = n - k - 1; /* below and right of element k */
        double square = 0, *corner = a + (k + 1) * n + k + 1;
        for (int64_t r = 0; r < m; r++)
            v[r] = a[(k + 1 + r) * n + k], square += v[r] * v[r];
        if (square == v[0] * v[0])
            continue;
        double length = v[0] > 0 ? -sqrt(square) : sqrt(square);
        v[0] -= length;
        double scale = 2 / (square - 2 * length * (v[0] + length) + length * length);
        for (int64_t r = 0; r < m; r++)
            w[r] = scale * matrix_dot(m, corner + r * n, v);
        double half = scale / 2 * matrix_dot(m, v, w);
        for (int64_t r = 0; r < m; r++)
            w[r] -= half * v[r];
        for (int64_t r = 0; r < m; r++) {
            matrix_subtract(m, corner + r * n, v[r], w);
            matrix_subtract(m, corner + r * n, w[r], v);
        }
        a[(k + 1) * n + k] = length;
        reflect(m, n, z + (k + 1) * n, scale, v, w);
    }
}

/* sqrt(a a + b b) without overflow; the same bits everywhere, which hypot of a C library has not. */
static double length(double a, double b)
{
    double large = fmax(fabs(a), fabs(b)), small = fmin(fabs(a), fabs(b));
    double ratio = large > 0 ? small / large : 0;
    return large * sqrt(1 + ratio * ratio);
}

/* One QR step of the block lo..hi of the tridiagonal d, e; the rows of z turn with it. */
static void step(int64_t n, int64_t lo, int64_t hi, double *d, double *e, double *z)
{
    double gap = (d[hi - 1] - d[hi]) / 2, square = e[hi - 1] * e[hi - 1];
    double shift = d[hi] - square / (gap + copysign(sqrt(gap * gap + square), gap));
    double x = d[lo] - shift, chased = e[lo];
    for (int64_t k = lo; k < hi; k++) {
        double r = length(x, chased), c = r > 0 ? x / r : 1, s = r > 0 ? -chased / r : 0;
        double above = d[k], below = d[k + 1], beside = e[k];
        if (k > lo)
            e[k - 1] = r;
        d[k] = c * c * above - 2 * c * s * beside + s * s * below;
        d[k + 1] = s * s * above + 2 * c * s * beside + c * c * below;
        e[k] = c * s * (above - below) + (c * c - s * s) * beside;
        if (k + 1 < hi) {
            x = e[k];
            chased = -s * e[k + 1];
            e[k + 1] *= c;
        }
        double *p = z + k * n, *q = p + n;
        for (int64_t i = 0; i < n; i++) {
            double held = c * p[i] - s * q[i];
            q[i] = s * p[i] + c * q[i];
            p[i] = held;
        }
    }
}

/* d becomes the eigenvalues; whether that took no more steps than it may. */
static bool diagonalise(int64_t n, double *d, double *e, double *z)
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
            step(n, lo, hi, d, e, z);
        if (steps > 30 * n)
            return false;
    }
    return true;
}

/* Ascending; the rows of z go along. */
static void sort(int64_t n, double *d, double *z)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; j++)
            if (d[j] < d[least])
                least = j;
        double held = d[i];
        d[i] = d[least], d[least] = held;
        for (int64_t k = 0; k < n && least != i; k++) {
            held = z[i * n + k];
            z[i * n + k] = z[least * n + k], z[least * n + k] = held;
        }
    }
}

int eigh_shape(fl_tensor *self, bool upper, struct op_shape *y)
{
    (void)upper;
    if (matrix_check_square(self, "linalg.eigh", "linalg_eigh_cpu"))
        return -1;
    op_shape_set(&y[0], self->ndim - 1, self->sizes);
    op_shape_set(&y[1], self->ndim, self->sizes);
    y[0].dtype = y[1].dtype = self->dtype;
    matrix_column_major(&y[1]);
    return 0;
}

/* One matrix: a [n, n], of which one triangle counts, to d and z, whose rows are the vectors. */
static bool decompose(int64_t n, double *a, bool upper, double *d, double *z, double *work)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            double *below = a + i * n + j, *above = a + j * n + i;
            *(upper ? below : above) = *(upper ? above : below);
        }
    memset(z, 0, (size_t)(n * n) * sizeof *z);
    for (int64_t i = 0; i < n; i++)
        z[i * n + i] = 1;
    tridiagonalise(n, a, z, work);
    double *e = work, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        d[i] = a[i * n + i];
        e[i] = i + 1 < n ? a[(i + 1) * n + i] : 0;
        sum += d[i] + e[i];
    }
    for (int64_t i = 0; i < n && isnan(sum); i++)
        d[i] = NAN, e[i] = 0;
    bool done = diagonalise(n, d, e, z);
    sort(n, d, z);
    return done;
}

int eigh_cpu(fl_tensor *self, bool upper, fl_tensor *values, fl_tensor *vectors)
{
    int64_t n = self->sizes[self->ndim - 1], count = matrix_count(self->ndim, self->sizes, 2);
    size_t bytes = (size_t)(2 * n * n + 3 * n + 1) * sizeof(double);
    double *a = memory_alloc(bytes), *z = a + n * n, *d = z + n * n, *work = d + n;
    fl_tensor *turned =
        tensor_alias(vectors, vectors->ndim, vectors->sizes, vectors->strides, vectors->offset);
    int status = a && turned ? 0 : -1, size = (int)dtype_size(values->dtype);
    if (status == 0) {
        turned->strides[turned->ndim - 2] = vectors->strides[vectors->ndim - 1];
        turned->strides[turned->ndim - 1] = vectors->strides[vectors->ndim - 2];
    }
    for (int64_t i = 0; n && status == 0 && i < count; i++) {
        char name[MATRIX_NAME];
        matrix_load(self, self, i, a);
        if (!decompose(n, a, upper, d, z, work))
            status = error_set(FL_LINALG_ERROR,
                               "linalg.eigh: %sThe algorithm failed to converge because the input "
                               "matrix is ill-conditioned or has too many repeated eigenvalues.",
                               matrix_name(name, self->ndim > 2, i));
        matrix_store(turned, i, z);
        convert_elements(n, (char *)tensor_data(values) + i * n * size, values->dtype, size, d,
                         FL_FLOAT64, 8);
    }
    tensor_release(turned);
    memory_free(a, a ? bytes : 0);
    return status;
}

int linalg_eigvalsh_compose(fl_tensor *self, const char *UPLO, fl_tensor **y)
{
    fl_tensor *vectors;
    bool upper = strcmp(UPLO, "U") == 0 || strcmp(UPLO, "u") == 0;
    if (!upper && strcmp(UPLO, "L") != 0 && strcmp(UPLO, "l") != 0)
        return error_set(FL_RUNTIME_ERROR, "Expected UPLO argument to be 'L' or 'U', but got %s",
                         UPLO);
    return fl__linalg_eigh(self, upper, y, &vectors);
}
