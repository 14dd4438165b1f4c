/* Systems of linear equations, by elimination or with a factor L U that is there already. */
#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

/* Refuses an equation whose sizes do not fit. */
static int check_equation(const fl_tensor *a, const fl_tensor *b, bool left, const char *function)
{
    assert(a->ndim >= 2 && b->ndim >= 2);
    const int64_t *n = a->sizes + a->ndim - 2, *k = b->sizes + b->ndim - 2;
    if ((left ? k[0] : k[1]) == n[0])
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "%s: Incompatible shapes of A and B for the equation %s = B (%lldx%lld and "
                     "%lldx%lld)",
                     function, left ? "AX" : "XA", (long long)n[0], (long long)n[1],
                     (long long)k[0], (long long)k[1]);
}

static int check_dtypes(const fl_tensor *a, const char *what, const fl_tensor *b,
                        const char *function)
{
    if (a->dtype == b->dtype)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "%s: Expected %s and B to have the same dtype, but found %s of type %s and B "
                     "of type %s instead",
                     function, what, what, dtype_title(a->dtype), dtype_title(b->dtype));
}

int solve_shape(fl_tensor *A, fl_tensor *B, bool left, struct op_shape *y)
{
    const int64_t *k = B->sizes + B->ndim - 2;
    if (matrix_check_square(A, "linalg.solve", "lu_cpu") ||
        check_equation(A, B, left, "linalg.solve") || matrix_broadcast(B, A, k[0], k[1], &y[0]))
        return -1;
    if (left)
        matrix_column_major(&y[0]);
    op_shape_set(&y[1], A->ndim - 2, A->sizes);
    y[0].dtype = A->dtype;
    y[1].dtype = FL_INT32;
    y[1].zero = true;
    return 0;
}

/* X A = B is A^T X^T = B^T. */
static void solve_one(const struct matrix_job *job, int64_t i, double *a)
{
    const struct dense_eliminations *dense = dense_eliminations_of(job->parts);
    int64_t n = job->rows, k = job->few;
    double *b = a + n * n * job->parts;
    int32_t *pivots = (int32_t *)(b + n * k * job->parts);
    fl_tensor *y = job->out[0];
    (job->flag ? matrix_load : matrix_load_turned)(job->in[0], y, i, a);
    (job->flag ? matrix_load : matrix_load_turned)(job->in[1], y, i, b);
    int zero = dense_lu(job->parts, n, n, a, pivots);
    ((int32_t *)tensor_data(job->out[1]))[matrix_index(job->in[0], y, i)] = zero;
    dense->exchange(k, b, n, pivots, false);
    dense_solve(job->parts, n, k, a, b, false, true);
    dense_solve(job->parts, n, k, a, b, true, false);
    (job->flag ? matrix_store : matrix_store_turned)(y, i, b);
}

int solve_cpu(fl_tensor *A, fl_tensor *B, bool left, fl_tensor *y, fl_tensor *info)
{
    assert(A->ndim >= 2 && info->dtype == FL_INT32);
    int64_t n = A->sizes[A->ndim - 1], k = y->sizes[y->ndim - 1 - !left];
    int64_t count = matrix_count(y->ndim, y->sizes, 2);
    struct matrix_job job = {
        .one = solve_one, .in = {A, B}, .out = {y, info}, .rows = n, .few = k, .flag = left};
    return matrix_each(&job, count, n * n + n * k + n, n * n * (n + 2 * k));
}

static int solve_with_info(fl_tensor *a, fl_tensor *b, bool left, const char *function,
                           fl_tensor **y, fl_tensor **info)
{
    if (matrix_check_square(a, "linalg.solve", "lu_cpu") || check_dtypes(a, "A", b, "linalg.solve"))
        return -1;
    bool vector = matrix_beside_vector(a, b);
    if (vector && !left)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.solve: Vector broadcasting of the left hand side is not supported "
                         "for left=False. In this case linalg.solve is equivalent to "
                         "B / A.squeeze(-1)");
    if (b->ndim == 0)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.solve: The input tensor B must have at least 2 dimensions.");
    if (fl__linalg_solve(a, vector ? fl_unsqueeze(b, -1) : b, left, y, info))
        return -1;
    const fl_tensor *seen = function ? op_samples(op_look(*info)) : NULL;
    for (int64_t i = 0; seen && i < seen->numel; i++) {
        char name[MATRIX_NAME];
        if (((const int32_t *)tensor_data(seen))[i])
            return error_set(FL_LINALG_ERROR,
                             "torch.%s: %sThe solver failed because the input matrix is singular.",
                             function, matrix_name(name, (*info)->ndim, i));
    }
    if (vector)
        *y = fl_squeeze_dim(*y, -1);
    return *y ? 0 : -1;
}

int linalg_solve_ex_compose(fl_tensor *A, fl_tensor *B, bool left, bool check_errors, fl_tensor **y,
                            fl_tensor **info)
{
    return solve_with_info(A, B, left, check_errors ? "linalg.solve_ex" : NULL, y, info);
}

int linalg_solve_compose(fl_tensor *A, fl_tensor *B, bool left, fl_tensor **y)
{
    fl_tensor *info;
    return solve_with_info(A, B, left, "linalg.solve", y, &info);
}

/* gB = A^-T g; gA = -gB X^T, or for X A = B the mirror image. */
int solve_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *x, fl_ints b_sizes, bool left,
                           bool of_a, fl_tensor **y)
{
    fl_tensor *info, *g_b;
    if (fl__linalg_solve(matrix_turned(a), g, left, &g_b, &info))
        return -1;
    if (!of_a) {
        *y = fl__sum_to_batch(g_b, b_sizes);
        return *y ? 0 : -1;
    }
    fl_tensor *g_a = left ? fl_matmul(g_b, matrix_turned(x)) : fl_matmul(matrix_turned(x), g_b);
    *y = fl__sum_to_batch(fl_neg(g_a), (fl_ints){a->sizes, a->ndim});
    return *y ? 0 : -1;
}

/* ---- With a factor --------------------------------------------------------------------------- */

static int check_lu_solve(const fl_tensor *lu, const fl_tensor *pivots, const fl_tensor *b,
                          bool left)
{
    const char *name = "linalg.lu_solve";
    if (matrix_check_square(lu, "torch.linalg.lu_solve", "lu_solve_cpu") ||
        check_dtypes(lu, "LU", b, name))
        return -1;
    if (b->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: The input tensor B must have at least 2 dimensions.", name);
    if (check_equation(lu, b, left, name))
        return -1;
    if (pivots->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: pivots should be a Tensor of scalar type torch.int32", name);
    if (pivots->ndim == 0 || pivots->sizes[pivots->ndim - 1] != lu->sizes[lu->ndim - 1])
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Number of pivots per batch should be same as the dimension of the "
                         "matrix",
                         name);
    bool same = pivots->ndim == lu->ndim - 1;
    for (int d = 0; same && d < pivots->ndim; d++)
        same = pivots->sizes[d] == lu->sizes[d];
    if (!same)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected LU.shape[:-1] and pivots.shape to be the same, but got "
                         "pivots with shape %s instead",
                         name, shape_text((char[128]){0}, 128, pivots->ndim, pivots->sizes));
    return 0;
}

int lu_solve_shape(fl_tensor *LU, fl_tensor *pivots, fl_tensor *B, bool left, bool adjoint,
                   struct op_shape *y)
{
    if (check_lu_solve(LU, pivots, B, left) ||
        matrix_broadcast(B, LU, B->sizes[B->ndim - 2], B->sizes[B->ndim - 1], y))
        return -1;
    y->dtype = LU->dtype;
    if (left != adjoint || left)
        matrix_column_major(y);
    return 0;
}

/* job->other: with A^T in the place of A, for what is asked or because X A = B is turned round. */
static void lu_solve_one(const struct matrix_job *job, int64_t i, double *a)
{
    const struct dense_eliminations *dense = dense_eliminations_of(job->parts);
    int64_t n = job->rows, k = job->few;
    double *b = a + n * n * job->parts;
    fl_tensor *y = job->out[0];
    const fl_tensor *lu = job->in[0];
    matrix_load(lu, y, i, a);
    (job->flag ? matrix_load : matrix_load_turned)(job->in[1], y, i, b);
    const int32_t *pivots = job->pivots + matrix_index(lu, y, i) * n;
    if (job->other) {
        dense->solve_transposed(n, k, a, b, true, false);
        dense->solve_transposed(n, k, a, b, false, true);
        dense->exchange(k, b, n, pivots, true);
    } else {
        dense->exchange(k, b, n, pivots, false);
        dense_solve(job->parts, n, k, a, b, false, true);
        dense_solve(job->parts, n, k, a, b, true, false);
    }
    (job->flag ? matrix_store : matrix_store_turned)(y, i, b);
}

int lu_solve_cpu(fl_tensor *LU, fl_tensor *pivots, fl_tensor *B, bool left, bool adjoint,
                 fl_tensor *y)
{
    int64_t n = LU->sizes[LU->ndim - 1], k = y->sizes[y->ndim - 1 - !left];
    fl_tensor *plain = tensor_contiguous(pivots);
    int status = plain ? 0 : -1;
    const int32_t *pivot = plain ? tensor_data(plain) : NULL;
    for (int64_t i = 0; status == 0 && i < plain->numel; i++)
        if (pivot[i] < 1 || pivot[i] > n)
            status = error_set(FL_RUNTIME_ERROR,
                               "Pivots given to lu_solve must all be %s. Did you properly pass the "
                               "result of lu_factor?",
                               pivot[i] < 1 ? "greater or equal to 1"
                                            : "smaller or equal to LU.size(-2)");
    struct matrix_job job = {.one = lu_solve_one,
                             .in = {LU, B},
                             .out = {y},
                             .pivots = pivot,
                             .rows = n,
                             .few = k,
                             .flag = left,
                             .other = left == adjoint};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    if (status == 0)
        status = matrix_each(&job, count, n * n + n * k, 2 * n * n * k);
    tensor_release(plain);
    return status;
}

/* A X = B, A = P L U: with h = U^-H g, gU = -h X^H and gL = -L^-H h (U X)^H. A^H X = B: with
 * h = L^-1 P^T g, gL = -P^T X h^H and gU = -(L^H P^T X) (U^-1 h)^H. X A = B is the other of the
 * two, turned round. The record conjugates g and the result; here what is saved is, in their
 * place. */
int lu_solve_backward_compose(fl_tensor *g, fl_tensor *lu, fl_tensor *pivots, fl_tensor *x,
                              bool left, bool adjoint, fl_tensor **y)
{
    fl_tensor *P, *L, *U, *g_l, *g_u;
    if (fl_lu_unpack(lu, pivots, true, true, &P, &L, &U))
        return -1;
    if (!left)
        g = matrix_adjoint(g), x = matrix_adjoint(x), adjoint = !adjoint;
    x = fl_conj(x), L = fl_conj(L), U = fl_conj(U);
    if (!adjoint) {
        fl_tensor *h = fl_linalg_solve_triangular(matrix_adjoint(U), g, false, true, false);
        fl_tensor *k = fl_linalg_solve_triangular(matrix_adjoint(L), h, true, true, true);
        g_u = fl_matmul(h, matrix_adjoint(x));
        g_l = fl_matmul(k, matrix_adjoint(fl_matmul(U, x)));
    } else {
        fl_tensor *moved = fl_matmul(matrix_turned(P), x);
        fl_tensor *h =
            fl_linalg_solve_triangular(L, fl_matmul(matrix_turned(P), g), false, true, true);
        fl_tensor *k = fl_linalg_solve_triangular(U, h, true, true, false);
        g_l = fl_matmul(moved, matrix_adjoint(h));
        g_u = fl_matmul(fl_matmul(matrix_adjoint(L), moved), matrix_adjoint(k));
    }
    fl_tensor *sum = fl_neg(fl_add(fl_triu(g_u, 0), fl_tril(g_l, -1), fl_int(1)));
    *y = fl__sum_to_batch(sum, (fl_ints){lu->sizes, lu->ndim});
    return *y ? 0 : -1;
}

int torch_lu_solve_compose(fl_tensor *self, fl_tensor *LU_data, fl_tensor *LU_pivots, fl_tensor **y)
{
    *y = fl_linalg_lu_solve(LU_data, LU_pivots, self, true, false);
    return *y ? 0 : -1;
}
