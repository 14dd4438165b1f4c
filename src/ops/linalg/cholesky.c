/* Cholesky's factor, row by row (Golub and Van Loan, "Matrix Computations", 4.2), its gradient
 * (Murray, "Differentiation of the Cholesky decomposition", 2016), and solutions by it.
 *
 * A matrix is factored in double and rounded once: what is nearly singular in float is judged by
 * its elements, not by the rounding of the elimination.
 */
#include "core/error.h"
#include "core/memory.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

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
    assert(info->dtype == FL_INT32);
    const fl_tensor *seen = op_samples(op_look(info));
    for (int64_t i = 0; seen && i < seen->numel; i++) {
        int order = ((const int32_t *)tensor_data(seen))[i];
        char name[MATRIX_NAME];
        if (!order)
            continue;
        return error_set(FL_LINALG_ERROR,
                         "%s: %sThe factorization could not be completed because the input is not "
                         "positive-definite (the leading minor of order %d is not "
                         "positive-definite).",
                         function, matrix_name(name, info->ndim, i), order);
    }
    return seen ? 0 : -1;
}

static void factor_one(const struct matrix_job *job, int64_t i, double *a)
{
    fl_tensor *y = job->out[0];
    bool upper = job->flag;
    (upper ? matrix_load_turned : matrix_load)(job->in[0], y, i, a);
    int order = dense_cholesky(job->parts, job->rows, a);
    ((int32_t *)tensor_data(job->out[1]))[i] = order;
    (upper ? matrix_store_turned : matrix_store)(y, i, a);
}

int cholesky_ex_cpu(fl_tensor *self, bool upper, bool check_errors, fl_tensor *y, fl_tensor *info)
{
    assert(shape_equal(y, self) && info->ndim == self->ndim - 2);
    int64_t n = self->sizes[self->ndim - 1];
    struct matrix_job job = {
        .one = factor_one, .in = {self}, .out = {y, info}, .rows = n, .flag = upper};
    if (matrix_each(&job, info->numel, n * n, n * n * n / 3))
        return -1;
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
    static atomic_bool warned;
    if (warning_once(&warned,
                     "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will "
                     "be removed in a future PyTorch release.\n"
                     "L = torch.cholesky(A)\n"
                     "should be replaced with\n"
                     "L = torch.linalg.cholesky(A)\n"
                     "and\n"
                     "U = torch.cholesky(A, upper=True)\n"
                     "should be replaced with\n"
                     "U = torch.linalg.cholesky(A).mH\n"
                     "This transform will produce equivalent results for all valid "
                     "(symmetric positive definite) inputs."))
        return -1;
    return checked_cholesky(self, upper, "cholesky", y);
}

/* P = L^H gL with the upper triangle replaced by the mirrored lower one; gA = L^-H P L^-1 / 2. The
 * record conjugates g and gA, so that L is conjugated in their place. */
int cholesky_backward_compose(fl_tensor *g, fl_tensor *l, bool upper, fl_tensor **y)
{
    if (upper)
        g = matrix_adjoint(g), l = matrix_adjoint(l);
    l = fl_conj(l);
    fl_tensor *p = fl_tril(fl_matmul(matrix_adjoint(l), g), 0);
    p = fl_add(p, matrix_adjoint(fl_tril(p, -1)), fl_int(1));
    p = fl_linalg_solve_triangular(matrix_adjoint(l), p, true, true, false);
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

/* L L^T X = B: forwards through L, backwards through L^T. */
static void solve_one(const struct matrix_job *job, int64_t i, double *l)
{
    const struct dense_eliminations *dense = dense_eliminations_of(job->parts);
    int64_t n = job->rows, k = job->few;
    double *b = l + n * n * job->parts;
    (job->flag ? matrix_load_turned : matrix_load)(job->in[0], job->out[0], i, l);
    matrix_load(job->in[1], job->out[0], i, b);
    dense_solve(job->parts, n, k, l, b, false, false);
    dense->solve_transposed(n, k, l, b, false, false);
    matrix_store(job->out[0], i, b);
}

int cholesky_solve_cpu(fl_tensor *self, fl_tensor *input2, bool upper, fl_tensor *y)
{
    int64_t n = y->sizes[y->ndim - 2], k = y->sizes[y->ndim - 1];
    struct matrix_job job = {
        .one = solve_one, .in = {input2, self}, .out = {y}, .rows = n, .few = k, .flag = upper};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    return matrix_each(&job, count, n * n + n * k, 2 * n * n * k);
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

/* With G = A^-1 g and C = G X^H + X G^H: -C L, or -U C; what is saved is conjugated. */
int cholesky_solve_backward_compose(fl_tensor *g, fl_tensor *x, fl_tensor *l, bool upper,
                                    fl_tensor **y)
{
    x = fl_conj(x), l = fl_conj(l);
    fl_tensor *c = fl_matmul(fl_cholesky_solve(g, l, upper), matrix_adjoint(x));
    c = fl_add(c, matrix_adjoint(c), fl_int(1));
    c = fl_neg(upper ? fl_matmul(l, c) : fl_matmul(c, l));
    *y = c ? fl__sum_to_batch(c, (fl_ints){l->sizes, l->ndim}) : NULL;
    return *y ? 0 : -1;
}

/* Refuses a factor with a 0 on its diagonal. */
static int check_pivots(const fl_tensor *factor)
{
    int64_t n = factor->sizes[factor->ndim - 1];
    int parts = matrix_parts(factor);
    const fl_tensor *seen = op_look(factor);
    fl_tensor *dense = seen ? tensor_as(seen, parts == 2 ? FL_COMPLEX128 : FL_FLOAT64) : NULL;
    int status = dense ? 0 : -1;
    for (int64_t i = 0; status == 0 && n && i < dense->numel / n; i++) {
        char name[MATRIX_NAME];
        const double *pivot = (const double *)tensor_data(dense) + (i * n + i % n) * parts;
        if (pivot[0] == 0 && (parts == 1 || pivot[1] == 0))
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
    fl_tensor *identity = fl_eye(n, NULL, (fl_dtype)self->dtype, (fl_device){.kind = -1}, false);
    *y = identity ? fl_cholesky_solve(identity, self, upper) : NULL;
    return *y ? 0 : -1;
}
