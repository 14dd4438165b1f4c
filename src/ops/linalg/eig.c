/* Eigenvalues and eigenvectors of any square matrices: complex numbers as pairs of real tensors. */
#include <math.h>

#include "core/error.h"
#include "flambeau/ops.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

int eig_shape(fl_tensor *self, bool phases, struct op_shape *y)
{
    (void)phases;
    if (matrix_check_square(self, "linalg.eig", "linalg_eig_out_cpu"))
        return -1;
    for (int i = 0; i < 4; i++) {
        op_shape_set(&y[i], self->ndim - (i < 2), self->sizes);
        y[i].dtype = self->dtype;
    }
    return 0;
}

enum { EIG_DONE, EIG_STUCK, EIG_NOT_FINITE };

/* out: real and imaginary parts of values and vectors; in[1]: what became of each matrix. */
static void eig_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t n = job->rows;
    double _Complex *w = (double _Complex *)(a + n * n), *v = w + n, *work = v + n * n;
    int32_t *status = (int32_t *)tensor_data(job->in[1]) + i;
    matrix_load(job->in[0], job->in[0], i, a);
    *status = EIG_DONE;
    for (int64_t k = 0; k < n * n; k++)
        if (!isfinite(a[k]))
            *status = EIG_NOT_FINITE;
    if (*status == EIG_DONE && !dense_eigen_general(n, a, w, v, work))
        *status = EIG_STUCK;
    if (*status != EIG_DONE)
        return;
    for (int part = 0; part < 2; part++) {
        double *numbers = (double *)work;
        for (int64_t k = 0; k < n; k++)
            numbers[k] = part ? cimag(w[k]) : creal(w[k]);
        matrix_store_vector(job->out[part], i, numbers);
        for (int64_t k = 0; k < n * n; k++)
            numbers[k] = part ? cimag(v[k]) : creal(v[k]);
        matrix_store_turned(job->out[2 + part], i, numbers);
    }
}

int eig_cpu(fl_tensor *self, bool phases, fl_tensor *wr, fl_tensor *wi, fl_tensor *vr,
            fl_tensor *vi)
{
    (void)phases;
    int64_t n = self->sizes[self->ndim - 1], count = matrix_count(self->ndim, self->sizes, 2);
    fl_tensor *what = tensor_new(1, &count, FL_INT32);
    if (!what)
        return -1;
    struct matrix_job job = {
        .one = eig_one, .in = {self, what}, .out = {wr, wi, vr, vi}, .rows = n};
    int64_t doubles = n * n + 2 * (n + n * n + 2 * n * n + n);
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

/* A complex tensor as its parts. */
struct parts {
    fl_tensor *r, *i;
};

static fl_tensor *minus(fl_tensor *a, fl_tensor *b)
{
    return fl_sub(a, b, fl_int(1));
}

static fl_tensor *plus(fl_tensor *a, fl_tensor *b)
{
    return fl_add(a, b, fl_int(1));
}

static struct parts product(struct parts a, struct parts b)
{
    return (struct parts){minus(fl_matmul(a.r, b.r), fl_matmul(a.i, b.i)),
                          plus(fl_matmul(a.r, b.i), fl_matmul(a.i, b.r))};
}

static struct parts adjoint(struct parts a)
{
    return (struct parts){matrix_turned(a.r), fl_neg(matrix_turned(a.i))};
}

static fl_tensor *beside(fl_tensor *a, fl_tensor *b, int64_t dim)
{
    return fl_cat((fl_tensors){(fl_tensor *[]){a, b}, 2}, dim);
}

/* The real part of X with a X = b: of [[ar, -ai], [ai, ar]] [Xr; Xi] = [br; bi]. */
static fl_tensor *real_solution(struct parts a, struct parts b)
{
    int64_t n = b.r ? b.r->sizes[b.r->ndim - 2] : 0;
    fl_tensor *whole = beside(beside(a.r, fl_neg(a.i), -1), beside(a.i, a.r, -1), -2);
    return fl_narrow(fl_linalg_solve(whole, beside(b.r, b.i, -2), true), -2, 0, n);
}

/* Refuses a loss that depends on the phases of the vectors, which nothing determines. */
static int check_phases(const fl_tensor *imaginary)
{
    const fl_tensor *seen = imaginary ? op_look(imaginary) : NULL;
    fl_tensor *plain = seen ? tensor_as(seen, FL_FLOAT64) : NULL;
    int status = plain ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < plain->numel; i++)
        if (fabs(((const double *)tensor_data(plain))[i]) > 1e-2)
            status = error_set(FL_RUNTIME_ERROR,
                               "linalg_eig_backward: The eigenvectors in the complex case are "
                               "specified up to multiplication by e^{i phi}. The specified loss "
                               "function depends on this quantity, so it is ill-defined.");
    tensor_release(plain);
    return status;
}

/* What the vectors add: (V^H gV - V^H V diag(Re V^H gV)) / E, E_ij = (w_j - w_i)*. */
static int of_vectors(struct parts g, struct parts w, struct parts v, bool phases,
                      struct parts *inner)
{
    struct parts back = adjoint(v), x = product(back, g);
    if (!phases && check_phases(fl_diagonal(x.i, 0, -2, -1)))
        return -1;
    fl_tensor *scale = fl_unsqueeze(fl_diagonal(x.r, 0, -2, -1), -2);
    struct parts taken = product(back, (struct parts){fl_mul(v.r, scale), fl_mul(v.i, scale)});
    fl_tensor *r = minus(x.r, taken.r), *i = minus(x.i, taken.i);
    fl_tensor *one = fl_eye(w.r->sizes[w.r->ndim - 1], NULL, (fl_dtype)w.r->dtype,
                            (fl_device){.kind = -1}, false);
    fl_tensor *er = plus(minus(fl_unsqueeze(w.r, -2), fl_unsqueeze(w.r, -1)), one);
    fl_tensor *ei = minus(fl_unsqueeze(w.i, -1), fl_unsqueeze(w.i, -2));
    fl_tensor *size = plus(fl_square(er), fl_square(ei));
    fl_tensor *off = fl_rsub_scalar(one, fl_int(1), fl_int(1));
    inner->r = fl_mul(off, fl_div(plus(fl_mul(r, er), fl_mul(i, ei)), size));
    inner->i = fl_mul(off, fl_div(minus(fl_mul(i, er), fl_mul(r, ei)), size));
    return inner->r && inner->i ? 0 : -1;
}

static fl_tensor *or_zeros(fl_tensor *g, fl_tensor *like)
{
    return g ? g : fl_zeros_like(like, FL_NO_DTYPE, (fl_device){.kind = -1}, false, -1);
}

/* Re V^-H (diag(gw) + of_vectors) V^H (Boeddeker et al., "On the computation of complex-valued
 * gradients with application to statistically optimum beamforming", 2017, 4.77). */
int eig_backward_compose(fl_tensor *g_wr, fl_tensor *g_wi, fl_tensor *g_vr, fl_tensor *g_vi,
                         fl_tensor *wr, fl_tensor *wi, fl_tensor *vr, fl_tensor *vi, bool phases,
                         fl_tensor **y)
{
    struct parts v = {vr, vi}, inner = {fl_diag_embed(or_zeros(g_wr, wr), 0, -2, -1),
                                        fl_diag_embed(or_zeros(g_wi, wi), 0, -2, -1)};
    if (g_vr || g_vi) {
        struct parts g = {or_zeros(g_vr, vr), or_zeros(g_vi, vi)}, more;
        if (of_vectors(g, (struct parts){wr, wi}, v, phases, &more))
            return -1;
        inner = (struct parts){plus(inner.r, more.r), plus(inner.i, more.i)};
    }
    struct parts back = adjoint(v);
    *y = real_solution(back, product(inner, back));
    return *y ? 0 : -1;
}

static int whole(fl_tensor *self, bool phases, fl_tensor **values, fl_tensor **vectors)
{
    fl_tensor *wr, *wi, *vr, *vi;
    if (fl__linalg_eig(self, phases, &wr, &wi, &vr, &vi))
        return -1;
    *values = fl_complex(wr, wi);
    if (vectors)
        *vectors = fl_complex(vr, vi);
    return *values && (!vectors || *vectors) ? 0 : -1;
}

int linalg_eig_compose(fl_tensor *self, fl_tensor **values, fl_tensor **vectors)
{
    return whole(self, false, values, vectors);
}

int linalg_eigvals_compose(fl_tensor *self, fl_tensor **values)
{
    return whole(self, true, values, NULL);
}
