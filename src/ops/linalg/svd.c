/* Singular values and vectors. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops/linalg/singular.h"
#include "ops_kernels.h"

int svd_shape(fl_tensor *A, bool full_matrices, bool compute_uv, struct op_shape *y)
{
    if (matrix_check(A, "linalg.svd", "linalg_svd_cpu"))
        return -1;
    int64_t m = A->sizes[A->ndim - 2], n = A->sizes[A->ndim - 1], k = m < n ? m : n;
    for (int i = 0; i < 3; i++) {
        op_shape_set(&y[i], A->ndim, A->sizes);
        y[i].dtype = i == 1 ? dtype_real(A->dtype) : A->dtype;
    }
    y[0].sizes[A->ndim - 1] = full_matrices ? m : k;
    y[2].sizes[A->ndim - 2] = full_matrices ? n : k;
    y[1].ndim--;
    y[1].sizes[A->ndim - 2] = k;
    for (int i = 0; i < 3; i += 2)
        if (compute_uv)
            matrix_column_major(&y[i]);
        else
            op_shape_set(&y[i], 1, (const int64_t[]){0});
    return 0;
}

int64_t svd_doubles(int64_t m, int64_t n, int64_t rows)
{
    return m * n + n + rows * m + n * n + 4 * n + m;
}

struct svd_parts svd_place(int parts, int64_t m, int64_t n, int64_t rows, double *scratch)
{
    assert(m >= n && rows >= 0 && rows <= m);
    struct svd_parts s = {.parts = parts, .m = m, .n = n, .rows = rows, .a = scratch};
    s.d = s.a + m * n * parts, s.u = s.d + n, s.v = s.u + rows * m * parts;
    s.work = s.v + n * n * parts;
    return s;
}

int svd_run(const struct svd_parts *s, bool vectors)
{
    double sum = 0;
    for (int64_t i = 0; i < s->m * s->n * s->parts; i++) {
        if (isnan(s->a[i]))
            return SVD_NAN;
        sum += isinf(s->a[i]);
    }
    if (sum == 0)
        return dense_svd(s->parts, s->m, s->n, s->a, s->d, s->rows, vectors ? s->u : NULL, s->v,
                         s->work)
                   ? SVD_DONE
                   : SVD_STUCK;
    for (double *x = s->d; x < s->work; x++)
        *x = NAN;
    return SVD_DONE;
}

/* A wide matrix is A^H = U S V^H. */
static void svd_one(const struct matrix_job *job, int64_t i, double *scratch)
{
    bool wide = job->rows < job->columns;
    int64_t m = wide ? job->columns : job->rows, n = wide ? job->rows : job->columns;
    struct svd_parts s = svd_place(job->parts, m, n, job->few, scratch);
    (wide ? matrix_load_turned : matrix_load)(job->in[0], job->in[0], i, s.a);
    int32_t *status = (int32_t *)tensor_data(job->out[3]) + i;
    *status = svd_run(&s, job->flag);
    if (*status != SVD_DONE)
        return;
    matrix_store_vector(job->out[1], i, s.d);
    if (!job->flag)
        return;
    matrix_store_turned(job->out[0], i, wide ? s.v : s.u);
    matrix_store(job->out[2], i, wide ? s.u : s.v);
}

int svd_check(const fl_tensor *status, bool batch, const char *function)
{
    assert(status->dtype == FL_INT32);
    const int32_t *at = tensor_data(status);
    for (int64_t i = 0; i < status->numel; i++) {
        char name[MATRIX_NAME];
        if (at[i] != SVD_DONE)
            return error_set(FL_LINALG_ERROR, "%s: %sThe algorithm failed to converge because %s.",
                             function, matrix_name(name, batch, i),
                             at[i] == SVD_NAN ? "the input matrix contained non-finite values"
                                              : "the input matrix is ill-conditioned or has too "
                                                "many repeated singular values");
    }
    return 0;
}

int svd_cpu(fl_tensor *A, bool full_matrices, bool compute_uv, fl_tensor *U, fl_tensor *S,
            fl_tensor *Vh)
{
    assert(A->ndim >= 2 && S->ndim == A->ndim - 1);
    int64_t m = A->sizes[A->ndim - 2], n = A->sizes[A->ndim - 1];
    int64_t count = matrix_count(A->ndim, A->sizes, 2);
    int64_t tall = m < n ? n : m, k = m < n ? m : n;
    struct matrix_job job = {.one = svd_one,
                             .in = {A},
                             .out = {U, S, Vh, tensor_new(1, &count, FL_INT32)},
                             .rows = m,
                             .columns = n,
                             .few = full_matrices ? tall : k,
                             .flag = compute_uv};
    if (!job.out[3])
        return -1;
    int status = matrix_each(&job, count, svd_doubles(tall, k, job.few), 12 * m * n * (k + 1));
    status = status ? status : svd_check(job.out[3], A->ndim > 2, "linalg.svd");
    tensor_release(job.out[3]);
    return status;
}

static int refuse_driver(const char *driver)
{
    if (!driver)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA "
                     "inputs with cuSOLVER backend.");
}

int linalg_svd_compose(fl_tensor *A, bool full_matrices, const char *driver, fl_tensor **U,
                       fl_tensor **S, fl_tensor **Vh)
{
    return refuse_driver(driver) ? -1 : fl__linalg_svd(A, full_matrices, true, U, S, Vh);
}

/* The vectors are computed where the gradient will need them. */
int linalg_svdvals_compose(fl_tensor *A, const char *driver, fl_tensor **y)
{
    fl_tensor *u, *vh;
    bool vectors = matrix_needs_vectors(A);
    return refuse_driver(driver) ? -1 : fl__linalg_svd(A, false, vectors, &u, y, &vh);
}

int svd_old_compose(fl_tensor *self, bool some, bool compute_uv, fl_tensor **U, fl_tensor **S,
                    fl_tensor **V)
{
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.svd: input should have at least 2 dimensions, but has %d "
                         "dimensions instead",
                         self->ndim);
    if (compute_uv) {
        if (fl__linalg_svd(self, !some, true, U, S, V))
            return -1;
        *V = matrix_turned(*V);
        return *V ? 0 : -1;
    }
    int64_t sizes[TENSOR_MAX_DIMS], m = self->sizes[self->ndim - 2];
    int64_t n = self->sizes[self->ndim - 1];
    memcpy(sizes, self->sizes, (size_t)self->ndim * sizeof *sizes);
    sizes[self->ndim - 1] = m;
    *U = fl_new_zeros(self, (fl_ints){sizes, self->ndim}, FL_NO_DTYPE, (fl_device){.kind = -1},
                      false);
    sizes[self->ndim - 2] = sizes[self->ndim - 1] = n;
    *V = fl_new_zeros(self, (fl_ints){sizes, self->ndim}, FL_NO_DTYPE, (fl_device){.kind = -1},
                      false);
    *S = fl_linalg_svdvals(self, NULL);
    return *U && *S && *V ? 0 : -1;
}

/* x with its part in the span of q's columns taken away. */
static fl_tensor *outside(fl_tensor *q, fl_tensor *x)
{
    return fl_sub(x, fl_matmul(q, fl_matmul(matrix_adjoint(q), x)), fl_int(1));
}

/* How the phase of each pair of vectors turns: i Im diag(U^H gU) / s, which U alone is asked for,
 * since that of V is its negative where the loss is well defined. */
static fl_tensor *turned_phases(fl_tensor *of_u, fl_tensor *s)
{
    fl_tensor *x = fl_diagonal(of_u, 0, -2, -1);
    x = fl_div(fl_sub(x, fl_conj(x), fl_int(1)), fl_mul_scalar(s, fl_float(2)));
    return fl_diag_embed(x, 0, -2, -1);
}

/* Giles, "Collected matrix derivative results", 2008, 3.2; E_ij = s_j^2 - s_i^2:
 * U [(U^H gU - gU^H U) / E S + S (V^H gV - gV^H V) / E + diag(gS)] V^H, and what gU and gV have
 * outside of the spans of U and V. The record conjugates g and the result; here U and V are, in
 * their place. */
int svd_backward_compose(fl_tensor *g_u, fl_tensor *g_s, fl_tensor *g_vh, fl_tensor *u,
                         fl_tensor *s, fl_tensor *vh, fl_tensor **y)
{
    int64_t m = u->sizes[u->ndim - 2], n = vh->sizes[vh->ndim - 1], k = m < n ? m : n;
    const int dtype = u->dtype;
    u = fl_conj(fl_narrow(u, -1, 0, k)), vh = fl_conj(fl_narrow(vh, -2, 0, k));
    fl_tensor *v = matrix_adjoint(vh), *inner = g_s ? fl_diag_embed(g_s, 0, -2, -1) : NULL;
    if (!g_u && !g_vh) {
        inner = inner ? op_as(inner, dtype) : NULL;
        *y = fl_matmul(u, fl_matmul(inner, vh));
        return *y ? 0 : -1;
    }
    fl_tensor *row = fl_unsqueeze(s, -2), *column = fl_unsqueeze(s, -1);
    fl_tensor *gap = fl_mul(fl_sub(row, column, fl_int(1)), fl_add(row, column, fl_int(1)));
    gap =
        fl_add(gap, fl_eye(k, NULL, (fl_dtype)s->dtype, (fl_device){.kind = -1}, false), fl_int(1));
    fl_tensor *rest = NULL, *turns = NULL;
    if (g_u) {
        g_u = fl_narrow(g_u, -1, 0, k);
        fl_tensor *of_u = fl_matmul(matrix_adjoint(u), g_u);
        fl_tensor *x = fl_mul(fl_div(matrix_skew(of_u), gap), row);
        inner = inner ? fl_add(inner, x, fl_int(1)) : x;
        turns = fl_diagonal(of_u, 0, -2, -1);
        if (dtype_is_complex(dtype))
            inner = fl_add(inner, turned_phases(of_u, s), fl_int(1));
        if (m > k)
            rest = fl_matmul(fl_div(outside(u, g_u), row), vh);
    }
    if (g_vh) {
        fl_tensor *g_v = matrix_adjoint(fl_narrow(g_vh, -2, 0, k));
        fl_tensor *of_v = fl_matmul(vh, g_v);
        fl_tensor *x = fl_mul(column, fl_div(matrix_skew(of_v), gap));
        inner = inner ? fl_add(inner, x, fl_int(1)) : x;
        fl_tensor *more = fl_diagonal(of_v, 0, -2, -1);
        turns = turns ? fl_add(turns, more, fl_int(1)) : more;
        if (n > k)
            rest = fl_matmul(u, fl_div(matrix_adjoint(outside(v, g_v)), column));
    }
    if (matrix_check_phases(turns, "svd_backward", "singular vectors"))
        return -1;
    *y = fl_matmul(u, fl_matmul(inner, vh));
    *y = rest ? fl_add(*y, rest, fl_int(1)) : *y;
    return *y ? 0 : -1;
}
