/* Eigenvalues and eigenvectors of any square matrices, which are complex. */
#include <math.h>

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

int eig_shape(fl_tensor *self, struct op_shape *y)
{
    if (matrix_check_square(self, "linalg.eig", "linalg_eig_out_cpu"))
        return -1;
    for (int i = 0; i < 2; i++) {
        op_shape_set(&y[i], self->ndim - 1 + i, self->sizes);
        y[i].dtype = dtype_complex(self->dtype);
    }
    matrix_column_major(&y[1]);
    return 0;
}

enum { EIG_DONE, EIG_STUCK, EIG_NOT_FINITE };

/* in[1]: what became of each matrix. Rows of v are vectors, which are stored as columns. */
static void eig_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t n = job->rows, numbers = n * n * job->parts;
    double _Complex *w = (double _Complex *)(a + 2 * n * n), *v = w + n, *work = v + n * n;
    int32_t *status = (int32_t *)tensor_data(job->in[1]) + i;
    matrix_load(job->in[0], job->in[0], i, a);
    *status = EIG_DONE;
    for (int64_t k = 0; k < numbers; k++)
        if (!isfinite(a[k]))
            *status = EIG_NOT_FINITE;
    if (*status == EIG_DONE && !dense_eigen_general(job->parts, n, a, w, v, work))
        *status = EIG_STUCK;
    if (*status != EIG_DONE)
        return;
    matrix_store_vector(job->out[0], i, (double *)w);
    dense_conjugate(2, n * n, (double *)v);
    matrix_store_turned(job->out[1], i, (double *)v);
}

int eig_cpu(fl_tensor *self, fl_tensor *values, fl_tensor *vectors)
{
    assert(shape_equal(vectors, self) && values->ndim == self->ndim - 1);
    int64_t n = self->sizes[self->ndim - 1], count = matrix_count(self->ndim, self->sizes, 2);
    fl_tensor *what = tensor_new(1, &count, FL_INT32);
    if (!what)
        return -1;
    struct matrix_job job = {
        .one = eig_one, .in = {self, what}, .out = {values, vectors}, .rows = n};
    int64_t doubles = 2 * (n * n + n + n * n + 3 * n * n + 4 * n);
    int status = n ? matrix_each(&job, count, doubles, 25 * n * n * n) : 0;
    for (int64_t i = 0; n && status == 0 && i < count; i++) {
        int32_t became = ((const int32_t *)tensor_data(what))[i];
        char name[MATRIX_NAME];
        if (became == EIG_NOT_FINITE)
            status = error_set(FL_RUNTIME_ERROR,
                               "torch.linalg.eig: input tensor should not contain infs or NaNs.");
        else if (became == EIG_STUCK)
            status = error_set(FL_LINALG_ERROR,
                               "linalg.eig: %sThe algorithm failed to converge because the input "
                               "matrix is ill-conditioned or has too many repeated eigenvalues.",
                               matrix_name(name, self->ndim > 2, i));
    }
    tensor_release(what);
    return status;
}

/* ---- The gradient ---------------------------------------------------------------------------- */

static fl_tensor *minus(fl_tensor *a, fl_tensor *b)
{
    return fl_sub(a, b, fl_int(1));
}

/* What the vectors add: (V^H gV - V^H V diag(Re V^H gV)) / E, E_ij = (w_j - w_i)*. */
static fl_tensor *of_vectors(fl_tensor *g, fl_tensor *w, fl_tensor *v)
{
    fl_tensor *back = matrix_adjoint(v), *x = fl_matmul(back, g);
    fl_tensor *diagonal = fl_diagonal(x, 0, -2, -1);
    if (matrix_check_phases(diagonal, "linalg_eig_backward", "eigenvectors"))
        return NULL;
    fl_tensor *real = fl_mul_scalar(fl_add(diagonal, fl_conj(diagonal), fl_int(1)), fl_float(0.5));
    fl_tensor *taken = fl_matmul(back, fl_mul(v, fl_unsqueeze(real, -2)));
    fl_tensor *one =
        fl_eye(w->sizes[w->ndim - 1], NULL, (fl_dtype)w->dtype, (fl_device){.kind = -1}, false);
    fl_tensor *gap = fl_conj(minus(fl_unsqueeze(w, -2), fl_unsqueeze(w, -1)));
    fl_tensor *inner = fl_div(minus(x, taken), fl_add(gap, one, fl_int(1)));
    return fl_mul(inner, fl_rsub_scalar(one, fl_int(1), fl_int(1)));
}

/* V^-H (diag(gw) + of_vectors) V^H (Boeddeker et al., "On the computation of complex-valued gradients
 * with application to statistically optimum beamforming", 2017, 4.77). The record conjugates g and
 * the result; here w and V are, in their place. */
int eig_backward_compose(fl_tensor *g_values, fl_tensor *g_vectors, fl_tensor *w, fl_tensor *v,
                         fl_tensor **y)
{
    w = fl_conj(w), v = fl_conj(v);
    if (!w || !v)
        return -1;
    fl_tensor *inner = g_values ? fl_diag_embed(g_values, 0, -2, -1) : NULL;
    if (g_vectors) {
        fl_tensor *more = of_vectors(g_vectors, w, v);
        inner = inner ? fl_add(inner, more, fl_int(1)) : more;
    }
    fl_tensor *back = matrix_adjoint(v), *info;
    return fl__linalg_solve(back, fl_matmul(inner, back), true, y, &info);
}

int linalg_eig_compose(fl_tensor *self, fl_tensor **values, fl_tensor **vectors)
{
    return fl__linalg_eig(self, values, vectors);
}

int linalg_eigvals_compose(fl_tensor *self, fl_tensor **values)
{
    fl_tensor *vectors;
    return fl__linalg_eig(self, values, &vectors);
}
