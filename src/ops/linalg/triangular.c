/* Triangular systems, by substitution. */
#include "core/error.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

int solve_triangular_shape(fl_tensor *self, fl_tensor *B, bool upper, bool left, bool unitriangular,
                           struct op_shape *y)
{
    (void)upper, (void)unitriangular;
    if (matrix_check_square(self, "linalg.solve_triangular", "triangular_solve_cpu"))
        return -1;
    if (B->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "linalg.solve_triangular: The input tensor B must have "
                                           "at least 2 dimensions.");
    long long n = self->sizes[self->ndim - 1];
    long long rows = B->sizes[B->ndim - 2], columns = B->sizes[B->ndim - 1];
    if ((left ? rows : columns) != n)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.solve_triangular: Incompatible shapes of A and B for the equation "
                         "%s = B (%lldx%lld and %lldx%lld)",
                         left ? "AX" : "XA", n, n, rows, columns);
    if (matrix_broadcast(B, self, rows, columns, y))
        return -1;
    if (left)
        matrix_column_major(y);
    return 0;
}

/* X a = b is a^T X^T = b^T. */
static void solve_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t n = job->rows, k = job->few;
    double *b = a + n * n * job->parts;
    bool left = job->flag;
    fl_tensor *y = job->out[0];
    (left ? matrix_load : matrix_load_turned)(job->in[0], y, i, a);
    (left ? matrix_load : matrix_load_turned)(job->in[1], y, i, b);
    dense_solve(job->parts, n, k, a, b, job->other == left, job->number != 0);
    (left ? matrix_store : matrix_store_turned)(y, i, b);
}

int solve_triangular_cpu(fl_tensor *self, fl_tensor *B, bool upper, bool left, bool unitriangular,
                         fl_tensor *y)
{
    assert(y->ndim >= 2 && y->dtype == self->dtype);
    fl_tensor *right = tensor_as(B, y->dtype); /* may be of another: the result is of self's */
    if (!right)
        return -1;
    int64_t rows = y->sizes[y->ndim - 2], columns = y->sizes[y->ndim - 1];
    int64_t n = left ? rows : columns, k = left ? columns : rows;
    struct matrix_job job = {.one = solve_one,
                             .in = {self, right},
                             .out = {y},
                             .rows = n,
                             .few = k,
                             .number = unitriangular,
                             .flag = left,
                             .other = upper};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    int status = matrix_each(&job, count, n * n + n * k, n * n * k);
    tensor_release(right);
    return status;
}

/* gB = a^-T g; ga = -gB x^T, the triangle that was read (X a = B: the mirror image). */
int solve_triangular_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *x, fl_ints b_sizes,
                                      bool upper, bool left, bool unitriangular, bool of_a,
                                      fl_tensor **y)
{
    fl_tensor *g_b = fl_linalg_solve_triangular(matrix_turned(a), g, !upper, left, unitriangular);
    if (!of_a) {
        *y = fl__sum_to_batch(g_b, b_sizes);
        return *y ? 0 : -1;
    }
    fl_tensor *g_a =
        fl_neg(left ? fl_matmul(g_b, matrix_turned(x)) : fl_matmul(matrix_turned(x), g_b));
    int64_t beside = unitriangular ? 1 : 0;
    g_a = upper ? fl_triu(g_a, beside) : fl_tril(g_a, -beside);
    *y = g_a ? fl__sum_to_batch(g_a, (fl_ints){a->sizes, a->ndim}) : NULL;
    return *y ? 0 : -1;
}

int triangular_solve_compose(fl_tensor *self, fl_tensor *A, bool upper, bool transpose,
                             bool unitriangular, fl_tensor **y0, fl_tensor **y1)
{
    static atomic_bool warned;
    if (warning_once(&warned,
                     "torch.triangular_solve is deprecated in favor of "
                     "torch.linalg.solve_triangularand will be removed in a future PyTorch "
                     "release.\n"
                     "torch.linalg.solve_triangular has its arguments reversed and does "
                     "not return a copy of one of the inputs.\n"
                     "X = torch.triangular_solve(B, A).solution\n"
                     "should be replaced with\n"
                     "X = torch.linalg.solve_triangular(A, B)."))
        return -1;
    if (matrix_check_same(self, A))
        return -1;
    *y1 = fl_clone(A, -1);
    *y0 = fl_linalg_solve_triangular(transpose ? matrix_turned(A) : A, self, upper != transpose,
                                     true, unitriangular);
    return *y0 && *y1 ? 0 : -1;
}
