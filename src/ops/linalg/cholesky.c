/* Cholesky's factor, row by row (Golub and Van Loan, "Matrix Computations", 4.2), its gradient
 * (Murray, "Differentiation of the Cholesky decomposition", 2016), and solutions by it.
 *
 * A matrix is factored in double and rounded once: what is nearly singular in float is judged by
 * its elements, not by the rounding of the elimination.
 */
#include <math.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

/* a [n, n] becomes its lower factor, zeros above; only the lower triangle is read. 0, or the order
 * of the leading minor that is not positive-definite. */
static int factor(int64_t n, double *a)
{
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (int64_t j = 0; j < i; j++) {
            const double *other = a + j * n;
            row[j] = (row[j] - matrix_dot(j, row, other)) / other[j];
        }
        double pivot = row[i] - matrix_dot(i, row, row);
        row[i] = pivot > 0 ? sqrt(pivot) : pivot;
        for (int64_t j = i + 1; j < n; j++)
            row[j] = 0;
        if (!(pivot > 0)) {
            for (int64_t r = i + 1; r < n; r++)
                for (int64_t j = r + 1; j < n; j++)
                    a[r * n + j] = 0;
            return (int)(i + 1);
        }
    }
    return 0;
}

static void transpose(int64_t n, double *a)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            double held = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = held;
        }
}

int cholesky_ex_shape(fl_tensor *self, bool upper, bool check_errors, struct op_shape *y)
{
    (void)upper, (void)check_errors;
    if (matrix_check_square(self, "linalg.cholesky", "cholesky_cpu"))
        return -1;
    op_shape_set(&y[0], self->ndim, self->sizes);
    y[0].dtype = self->dtype;
    matrix_column_major(&y[0]);
    op_shape_set(&y[1], self->ndim - 2, self->sizes);
    y[1].dtype = FL_INT32;
    return 0;
}

/* Tells of the first matrix that has no factor. */
static int check_info(const fl_tensor *info, const char *function)
{
    for (int64_t i = 0; i < info->numel; i++) {
        int order = ((const int32_t *)tensor_data(info))[i];
        char name[MATRIX_NAME];
        if (!order)
            continue;
        return error_set(FL_LINALG_ERROR,
                         "%s: %sThe factorization could not be completed because the input is not "
                         "positive-definite (the leading minor of order %d is not "
                         "positive-definite).",
                         function, matrix_name(name, info->ndim, i), order);
    }
    return 0;
}

int cholesky_ex_cpu(fl_tensor *self, bool upper, bool check_errors, fl_tensor *y, fl_tensor *info)
{
    int64_t n = self->sizes[self->ndim - 1], count = matrix_count(self->ndim, self->sizes, 2);
    double *a = memory_alloc((size_t)(n * n + 1) * sizeof *a);
    if (!a)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        matrix_load(self, y, i, a);
        if (upper)
            transpose(n, a);
        ((int32_t *)tensor_data(info))[i] = factor(n, a);
        if (upper)
            transpose(n, a);
        matrix_store(y, i, a);
    }
    memory_free(a, (size_t)(n * n + 1) * sizeof *a);
    return check_errors ? check_info(info, "linalg.cholesky_ex") : 0;
}

static int checked_cholesky(fl_tensor *self, bool upper, const char *function, fl_tensor **y)
{
    fl_tensor *info;
    return fl_linalg_cholesky_ex(self, upper, false, y, &info) || check_info(info, function) ? -1
                                                                                             : 0;
}

int linalg_cholesky_compose(fl_tensor *self, bool upper, fl_tensor **y)
{
    return checked_cholesky(self, upper, "linalg.cholesky", y);
}

int cholesky_compose(fl_tensor *self, bool upper, fl_tensor **y)
{
    return checked_cholesky(self, upper, "cholesky", y);
}

static fl_tensor *turned(fl_tensor *t)
{
    return fl_transpose(t, -2, -1);
}

/* P = L^T gL with the upper triangle replaced by the mirrored lower one; gA = L^-T P L^-1 / 2. */
int cholesky_backward_compose(fl_tensor *g, fl_tensor *l, bool upper, fl_tensor **y)
{
    if (upper)
        g = turned(g), l = turned(l);
    fl_tensor *p = fl_tril(fl_matmul(turned(l), g), 0);
    p = fl_add(p, turned(fl_tril(p, -1)), fl_int(1));
    p = fl_linalg_solve_triangular(turned(l), p, true, true, false);
    p = fl_linalg_solve_triangular(l, p, false, false, false);
    *y = fl_mul_scalar(p, fl_float(0.5));
    return *y ? 0 : -1;
}

/* ---- Solutions ----------------------------------------------------------------------------- */

int cholesky_solve_shape(fl_tensor *self, fl_tensor *input2, bool upper, struct op_shape *y)
{
    (void)upper;
    const fl_tensor *few = self->ndim < 2 ? self : input2;
    if (few->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "%s should have at least 2 dimensions, but has %d dimensions instead",
                         few == self ? "b" : "u", few->ndim);
    const int64_t *b = self->sizes + self->ndim - 2, *a = input2->sizes + input2->ndim - 2;
    if (a[0] != a[1])
        return error_set(FL_RUNTIME_ERROR,
                         "A must be batches of square matrices, but they are %lld by %lld matrices",
                         (long long)a[0], (long long)a[1]);
    if (a[0] != b[0])
        return error_set(FL_RUNTIME_ERROR,
                         "Incompatible matrix sizes for cholesky_solve: each A matrix is %lld by "
                         "%lld but each b matrix is %lld by %lld",
                         (long long)a[0], (long long)a[1], (long long)b[0], (long long)b[1]);
    if (matrix_check_same(self, input2) || matrix_check_dtype(self, "cholesky_solve_cpu") ||
        matrix_broadcast(self, input2, b[0], b[1], y))
        return -1;
    matrix_column_major(y);
    return 0;
}

/* L L^T X = B, L [n, n] lower, b [n, k]: forwards through L, backwards through L^T. */
static void solve_by_factor(int64_t n, int64_t k, const double *l, double *b)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++)
            matrix_subtract(k, b + i * k, l[i * n + j], b + j * k);
        for (int64_t c = 0; c < k; c++)
            b[i * k + c] /= l[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t c = 0; c < k; c++)
            b[i * k + c] /= l[i * n + i];
        for (int64_t j = 0; j < i; j++)
            matrix_subtract(k, b + j * k, l[i * n + j], b + i * k);
    }
}

int cholesky_solve_cpu(fl_tensor *self, fl_tensor *input2, bool upper, fl_tensor *y)
{
    int64_t n = y->sizes[y->ndim - 2], k = y->sizes[y->ndim - 1];
    size_t bytes = (size_t)(n * n + n * k + 1) * sizeof(double);
    double *l = memory_alloc(bytes), *b = l + n * n;
    if (!l)
        return -1;
    for (int64_t i = 0; y->numel && i < matrix_count(y->ndim, y->sizes, 2); i++) {
        matrix_load(input2, y, i, l);
        if (upper)
            transpose(n, l);
        matrix_load(self, y, i, b);
        solve_by_factor(n, k, l, b);
        matrix_store(y, i, b);
    }
    memory_free(l, bytes);
    return 0;
}

int sum_to_batch_compose(fl_tensor *self, fl_ints size, fl_tensor **y)
{
    int64_t sizes[TENSOR_MAX_DIMS];
    for (int64_t d = 0; d < size.count; d++)
        sizes[d] = size.data[d];
    for (int k = 1; k <= 2; k++)
        sizes[size.count - k] = self->sizes[self->ndim - k];
    *y = fl_sum_to_size(self, (fl_ints){sizes, size.count});
    return *y ? 0 : -1;
}

/* With G = A^-1 g and C = G X^T + X G^T: -C L, or -U C. */
int cholesky_solve_backward_compose(fl_tensor *g, fl_tensor *x, fl_tensor *l, bool upper,
                                    fl_tensor **y)
{
    fl_tensor *c = fl_matmul(fl_cholesky_solve(g, l, upper), turned(x));
    c = fl_add(c, turned(c), fl_int(1));
    c = fl_neg(upper ? fl_matmul(l, c) : fl_matmul(c, l));
    *y = c ? fl__sum_to_batch(c, (fl_ints){l->sizes, l->ndim}) : NULL;
    return *y ? 0 : -1;
}

/* Refuses a factor with a 0 on its diagonal. */
static int check_pivots(const fl_tensor *factor)
{
    int64_t n = factor->sizes[factor->ndim - 1];
    fl_tensor *dense = tensor_as(factor, FL_FLOAT64);
    int status = dense ? 0 : -1;
    for (int64_t i = 0; status == 0 && n && i < dense->numel / n; i++) {
        char name[MATRIX_NAME];
        if (((const double *)tensor_data(dense))[i * n + i % n] == 0)
            status = error_set(FL_LINALG_ERROR,
                               "cholesky_inverse: %sThe diagonal element %lld is zero, the "
                               "inversion could not be completed because the input matrix is "
                               "singular.",
                               matrix_name(name, factor->ndim > 2, i / n), (long long)(i % n + 1));
    }
    tensor_release(dense);
    return status;
}

int cholesky_inverse_compose(fl_tensor *self, bool upper, fl_tensor **y)
{
    if (matrix_check_square(self, "cholesky_inverse", "cholesky_inverse_out_cpu"))
        return -1;
    int64_t n = self->sizes[self->ndim - 1];
    if (check_pivots(self))
        return -1;
    fl_tensor *identity =
        fl_eye(n, NULL, (fl_dtype)self->dtype, (fl_device){.kind = FL_CPU}, false);
    *y = identity ? fl_cholesky_solve(identity, self, upper) : NULL;
    return *y ? 0 : -1;
}
