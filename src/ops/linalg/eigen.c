/* Eigenvalues and eigenvectors of symmetric matrices. */
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
#include "ops_kernels.h"

int eigh_shape(fl_tensor *self, bool upper, bool compute_v, struct op_shape *y)
{
    (void)upper;
    if (matrix_check_square(self, "linalg.eigh", "linalg_eigh_cpu"))
        return -1;
    op_shape_set(&y[0], self->ndim - 1, self->sizes);
    y[0].dtype = dtype_real(self->dtype);
    y[1].dtype = self->dtype;
    if (!compute_v) {
        op_shape_set(&y[1], 1, (const int64_t[]){0});
        return 0;
    }
    op_shape_set(&y[1], self->ndim, self->sizes);
    matrix_column_major(&y[1]);
    return 0;
}

/* One matrix, of which one triangle counts: values, vectors, and whether that was done. */
static void decompose_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t n = job->rows, parts = job->parts;
    double *d = a + n * n * parts, *work = d + n, *z = job->other ? work + 4 * n * parts : NULL;
    matrix_load(job->in[0], job->in[0], i, a);
    dense_mirror(job->parts, n, a, job->flag);
    bool done = dense_eigen(job->parts, n, a, d, z, work);
    ((bool *)tensor_data(job->out[2]))[i] = done;
    matrix_store_vector(job->out[0], i, d);
    if (z)
        matrix_store_turned(job->out[1], i, z);
}

int eigh_cpu(fl_tensor *self, bool upper, bool compute_v, fl_tensor *values, fl_tensor *vectors)
{
    assert(self->ndim >= 2 && values->ndim == self->ndim - 1);
    int64_t n = self->sizes[self->ndim - 1], count = matrix_count(self->ndim, self->sizes, 2);
    fl_tensor *done = tensor_new(1, &count, FL_BOOL);
    struct matrix_job job = {.one = decompose_one,
                             .in = {self},
                             .out = {values, vectors, done},
                             .rows = n,
                             .flag = upper,
                             .other = compute_v};
    int status = done ? 0 : -1;
    if (status == 0 && n)
        status = matrix_each(&job, count, 2 * n * n + 5 * n, 9 * n * n * n);
    for (int64_t i = 0; n && status == 0 && i < count; i++) {
        char name[MATRIX_NAME];
        if (!((const bool *)tensor_data(done))[i])
            status = error_set(FL_LINALG_ERROR,
                               "linalg.eigh: %sThe algorithm failed to converge because the input "
                               "matrix is ill-conditioned or has too many repeated eigenvalues.",
                               matrix_name(name, self->ndim > 2, i));
    }
    tensor_release(done);
    return status;
}

/* Whether UPLO names the upper triangle; -1 where it names none. */
static int is_upper(const char *uplo)
{
    if (strcmp(uplo, "U") == 0 || strcmp(uplo, "u") == 0)
        return 1;
    if (strcmp(uplo, "L") == 0 || strcmp(uplo, "l") == 0)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "Expected UPLO argument to be 'L' or 'U', but got %s", uplo);
}

int linalg_eigh_compose(fl_tensor *self, const char *UPLO, fl_tensor **values, fl_tensor **vectors)
{
    int upper = is_upper(UPLO);
    return upper < 0 ? -1 : fl__linalg_eigh(self, upper, true, values, vectors);
}

/* The vectors are computed where the gradient will need them. */
int linalg_eigvalsh_compose(fl_tensor *self, const char *UPLO, fl_tensor **y)
{
    fl_tensor *vectors;
    int upper = is_upper(UPLO);
    bool compute_v = matrix_needs_vectors(self);
    return upper < 0 ? -1 : fl__linalg_eigh(self, upper, compute_v, y, &vectors);
}

/* A = V diag(w) V^H gives V^H dA V = diag(dw) + V^H dV E, E_ij = w_j - w_i (Giles, "Collected
 * matrix derivative results", 2008, 3.1). The record conjugates g and the result; here V is, in
 * their place. */
int eigh_backward_compose(fl_tensor *g_values, fl_tensor *g_vectors, fl_tensor *w, fl_tensor *v,
                          fl_tensor **y)
{
    const int dtype = v->dtype;
    v = fl_conj(v);
    fl_tensor *inner = g_values ? fl_diag_embed(g_values, 0, -2, -1) : NULL;
    if (g_vectors) {
        fl_tensor *x = fl_matmul(matrix_adjoint(v), g_vectors);
        if (matrix_check_phases(fl_diagonal(x, 0, -2, -1), "linalg_eigh_backward", "eigenvectors"))
            return -1;
        x = fl_mul_scalar(matrix_skew(x), fl_float(0.5));
        fl_tensor *gap = fl_sub(fl_unsqueeze(w, -2), fl_unsqueeze(w, -1), fl_int(1));
        fl_tensor *ones = fl_diag_embed(
            fl_ones_like(w, FL_NO_DTYPE, (fl_device){.kind = -1}, false, -1), 0, -2, -1);
        x = fl_div(x, fl_add(gap, ones, fl_int(1)));
        inner = inner ? fl_add(inner, x, fl_int(1)) : x;
    }
    inner = inner ? op_as(inner, dtype) : NULL;
    *y = fl_matmul(v, fl_matmul(inner, matrix_adjoint(v)));
    return *y ? 0 : -1;
}
