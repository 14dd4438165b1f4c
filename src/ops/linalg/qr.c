/* A = Q R, and products of the reflections that Q is made of. */
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/warning.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

enum qr_mode { QR_REDUCED, QR_COMPLETE, QR_R, QR_UNKNOWN };

static enum qr_mode mode_of(const char *mode)
{
    return strcmp(mode, "reduced") == 0    ? QR_REDUCED
           : strcmp(mode, "complete") == 0 ? QR_COMPLETE
           : strcmp(mode, "r") == 0        ? QR_R
                                           : QR_UNKNOWN;
}

int qr_shape(fl_tensor *A, const char *mode, struct op_shape *y)
{
    if (matrix_check(A, "linalg.qr", "geqrf_cpu"))
        return -1;
    enum qr_mode which = mode_of(mode);
    if (which == QR_UNKNOWN)
        return error_set(FL_RUNTIME_ERROR,
                         "qr received unrecognized mode '%s' but expected one of 'reduced' "
                         "(default), 'r', or 'complete'",
                         mode);
    int64_t m = A->sizes[A->ndim - 2], n = A->sizes[A->ndim - 1];
    int64_t width = which == QR_COMPLETE || m < n ? m : n;
    for (int i = 0; i < 2; i++) {
        op_shape_set(&y[i], A->ndim, A->sizes);
        y[i].dtype = A->dtype;
    }
    y[0].sizes[A->ndim - 1] = y[1].sizes[A->ndim - 2] = width;
    if (which == QR_R)
        op_shape_set(&y[0], 1, (const int64_t[]){0});
    else
        matrix_column_major(&y[0]);
    matrix_column_major(&y[1]);
    return 0;
}

static void qr_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t m = job->rows, n = job->columns, width = job->few, k = m < n ? m : n;
    int64_t parts = job->parts;
    double *q = a + m * n * parts, *r = q + m * width * parts, *tau = r + width * n * parts;
    double *work = tau + k * parts;
    matrix_load(job->in[0], job->in[0], i, a);
    dense_qr(job->parts, m, n, a, tau, work);
    memset(r, 0, (size_t)(width * n * parts) * sizeof *r);
    for (int64_t row = 0; row < k; row++)
        memcpy(r + (row * n + row) * parts, a + (row * n + row) * parts,
               (size_t)((n - row) * parts) * sizeof *r);
    matrix_store(job->out[1], i, r);
    if (job->flag)
        return;
    dense_identity(job->parts, m, width, q);
    dense_apply(job->parts, m, width, k, n, a, tau, q, false, true, work);
    matrix_store(job->out[0], i, q);
}

int qr_cpu(fl_tensor *A, const char *mode, fl_tensor *Q, fl_tensor *R)
{
    assert(A->ndim >= 2 && R->ndim == A->ndim);
    int64_t m = A->sizes[A->ndim - 2], n = A->sizes[A->ndim - 1], width = R->sizes[R->ndim - 2];
    struct matrix_job job = {.one = qr_one,
                             .in = {A},
                             .out = {Q, R},
                             .rows = m,
                             .columns = n,
                             .few = width,
                             .flag = mode_of(mode) == QR_R};
    int64_t doubles = m * n + (m + n) * width + m + 2 * n + width;
    return matrix_each(&job, matrix_count(R->ndim, R->sizes, 2), doubles, 4 * m * n * width);
}

int qr_old_compose(fl_tensor *self, bool some, fl_tensor **Q, fl_tensor **R)
{
    static atomic_bool warned;
    if (warning_once(
            &warned,
            "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a "
            "future PyTorch release.\n"
            "The boolean parameter 'some' has been replaced with a string parameter 'mode'.\n"
            "Q, R = torch.qr(A, some)\n"
            "should be replaced with\n"
            "Q, R = torch.linalg.qr(A, 'reduced' if some else 'complete')"))
        return -1;
    return fl_linalg_qr(self, some ? "reduced" : "complete", Q, R);
}

/* Of a square or tall A: (gQ + Q (M + M^H with the diagonal once)) R^-H, M the lower triangle of
 * R gR^H - gQ^H Q (Walter and Lehmann, "Algorithmic differentiation of linear algebra functions",
 * 2010). */
static fl_tensor *qr_backward(fl_tensor *g_q, fl_tensor *g_r, fl_tensor *q, fl_tensor *r)
{
    fl_tensor *m = g_r ? fl_matmul(r, matrix_adjoint(g_r)) : NULL;
    if (g_q) {
        fl_tensor *with_q = fl_matmul(matrix_adjoint(g_q), q);
        m = m ? fl_sub(m, with_q, fl_int(1)) : fl_neg(with_q);
    }
    fl_tensor *x = fl_matmul(q, matrix_mirrored(m));
    x = g_q ? fl_add(g_q, x, fl_int(1)) : x;
    return fl_linalg_solve_triangular(matrix_adjoint(r), x, false, false, false);
}

/* A wide A = [A1 A2] has R = [R1 R2] with A1 = Q R1 and R2 = Q^H A2. The record conjugates what
 * comes in and the result; here Q and R are, in their place. */
int qr_backward_compose(fl_tensor *g_q, fl_tensor *g_r, fl_tensor *q, fl_tensor *r,
                        const char *mode, fl_tensor **y)
{
    enum qr_mode which = mode_of(mode);
    if (which == QR_R)
        return error_set(FL_RUNTIME_ERROR,
                         "The derivative of linalg.qr depends on Q, which is not computed when "
                         "mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to "
                         "differentiate through linalg.qr.");
    int64_t m = q->sizes[q->ndim - 2], n = r->sizes[r->ndim - 1];
    if (which == QR_COMPLETE && m > n)
        return error_set(FL_RUNTIME_ERROR,
                         "The QR decomposition is not differentiable when mode='complete' and "
                         "nrows > ncols.");
    q = fl_conj(q), r = fl_conj(r);
    if (m >= n) {
        *y = qr_backward(g_q, g_r, q, r);
        return *y ? 0 : -1;
    }
    fl_tensor *r1 = fl_narrow(r, -1, 0, m), *g_r1 = NULL, *rest = NULL;
    if (g_r) {
        fl_tensor *g_r2 = fl_narrow(g_r, -1, m, n - m);
        g_r1 = fl_narrow(g_r, -1, 0, m);
        rest = fl_matmul(q, g_r2);
        fl_tensor *through =
            fl_matmul(fl_matmul(q, fl_narrow(r, -1, m, n - m)), matrix_adjoint(g_r2));
        g_q = g_q ? fl_add(g_q, through, fl_int(1)) : through;
    }
    fl_tensor *first = qr_backward(g_q, g_r1, q, r1);
    if (rest)
        *y = fl_cat((fl_tensors){(fl_tensor *[]){first, rest}, 2}, -1);
    else
        *y = fl_constant_pad_nd(first, FL_INTS_OF(0, n - m), fl_int(0));
    return *y ? 0 : -1;
}

/* ---- Reflections ----------------------------------------------------------------------------- */

int geqrf_shape(fl_tensor *self, struct op_shape *y)
{
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "torch.geqrf: input must have at least 2 dimensions.");
    if (matrix_check_dtype(self, "geqrf_cpu"))
        return -1;
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1];
    op_shape_set(&y[0], self->ndim, self->sizes);
    matrix_column_major(&y[0]);
    op_shape_set(&y[1], self->ndim - 1, self->sizes);
    y[1].sizes[self->ndim - 2] = m < n ? m : n;
    y[0].dtype = y[1].dtype = self->dtype;
    return 0;
}

static void geqrf_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t m = job->rows, n = job->columns;
    double *tau = a + m * n * job->parts, *work = tau + n * job->parts;
    matrix_load(job->in[0], job->in[0], i, a);
    dense_qr(job->parts, m, n, a, tau, work);
    matrix_store(job->out[0], i, a);
    matrix_store_vector(job->out[1], i, tau);
}

int geqrf_cpu(fl_tensor *self, fl_tensor *y, fl_tensor *tau)
{
    assert(shape_equal(y, self) && tau->ndim == self->ndim - 1);
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1];
    struct matrix_job job = {
        .one = geqrf_one, .in = {self}, .out = {y, tau}, .rows = m, .columns = n};
    return matrix_each(&job, matrix_count(self->ndim, self->sizes, 2), m * n + m + 2 * n,
                       2 * m * n * n);
}

/* tau and other beside the reflections in a: one dim less, the same batch. */
static int check_beside(const fl_tensor *a, const fl_tensor *t, int missing, const char *name,
                        const char *what)
{
    bool same = t->ndim == a->ndim - missing;
    if (!same)
        return missing ? error_set(FL_RUNTIME_ERROR,
                                   "%s: Expected %s to have one dimension less than input, but got "
                                   "%s.ndim equal to %d and input.ndim is equal to %d",
                                   name, what, what, t->ndim, a->ndim)
                       : error_set(FL_RUNTIME_ERROR,
                                   "%s: Expected %s to have the same number of dimensions as "
                                   "input, but got %s.ndim equal to %d and input.ndim is equal to "
                                   "%d",
                                   name, what, what, t->ndim, a->ndim);
    const int batch = a->ndim - 2;
    for (int d = 0; same && d < batch; d++)
        same = t->sizes[d] == a->sizes[d];
    if (!same)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected batch dimensions of %s to be equal to input.shape[:-2], but "
                         "got %s",
                         name, what, shape_text((char[128]){0}, 128, batch, t->sizes));
    if (t->dtype != a->dtype) /* PyTorch's ormqr writes no space there */
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected input and %s to have the same dtype, but input has dtype%s "
                         "and %s has dtype %s",
                         name, what, dtype_title(a->dtype), what, dtype_title(t->dtype));
    return 0;
}

int householder_product_shape(fl_tensor *input, fl_tensor *tau, struct op_shape *y)
{
    static const char NAME[] = "torch.linalg.householder_product";
    if (input->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "%s: input must have at least 2 dimensions.", NAME);
    int64_t m = input->sizes[input->ndim - 2], n = input->sizes[input->ndim - 1];
    if (m < n)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: input.shape[-2] must be greater than or equal to input.shape[-1]",
                         NAME);
    if (tau->ndim < 1 || n < tau->sizes[tau->ndim - 1])
        return error_set(FL_RUNTIME_ERROR,
                         "%s: input.shape[-1] must be greater than or equal to tau.shape[-1]",
                         NAME);
    if (input->ndim - tau->ndim != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected tau to have one dimension less than input, but got "
                         "tau.ndim equal to %d and input.ndim is equal to %d",
                         NAME, tau->ndim, input->ndim);
    if (check_beside(input, tau, 1, NAME, "tau") || matrix_check_dtype(input, "orgqr_cpu"))
        return -1;
    op_shape_set(y, input->ndim, input->sizes);
    y->dtype = input->dtype;
    matrix_column_major(y);
    return 0;
}

static void product_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t m = job->rows, n = job->columns, k = job->few;
    double *q = a + m * n * job->parts, *work = q + m * n * job->parts;
    matrix_load(job->in[0], job->in[0], i, a);
    dense_identity(job->parts, m, n, q);
    dense_apply(job->parts, m, n, k, n, a, job->plain + i * k * job->parts, q, false, true, work);
    matrix_store(job->out[0], i, q);
}

int householder_product_cpu(fl_tensor *input, fl_tensor *tau, fl_tensor *y)
{
    int64_t m = y->sizes[y->ndim - 2], n = y->sizes[y->ndim - 1];
    int64_t k = tau->sizes[tau->ndim - 1];
    fl_tensor *plain = tensor_as(tau, matrix_parts(tau) == 2 ? FL_COMPLEX128 : FL_FLOAT64);
    if (!plain)
        return -1;
    struct matrix_job job = {.one = product_one,
                             .in = {input},
                             .out = {y},
                             .plain = tensor_data(plain),
                             .rows = m,
                             .columns = n,
                             .few = k};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    int status = matrix_each(&job, count, 2 * m * n + m + n, 4 * m * n * k);
    tensor_release(plain);
    return status;
}

int ormqr_shape(fl_tensor *self, fl_tensor *input2, fl_tensor *input3, bool left, bool transpose,
                struct op_shape *y)
{
    static const char NAME[] = "torch.ormqr";
    (void)transpose;
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "%s: input must have at least 2 dimensions.", NAME);
    if (input3->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "%s: other must have at least 2 dimensions.", NAME);
    int side = left ? -2 : -1;
    int64_t k = input2->ndim ? input2->sizes[input2->ndim - 1] : 0;
    int64_t along = input3->sizes[input3->ndim + side], m = self->sizes[self->ndim - 2];
    int64_t n = self->sizes[self->ndim - 1];
    if (k != (along < n ? along : n))
        return error_set(FL_RUNTIME_ERROR,
                         "%s: tau.shape[-1] must be equal to min(other.shape[%d], "
                         "input.shape[-1])",
                         NAME, side);
    if (along != m)
        return error_set(FL_RUNTIME_ERROR, "%s: other.shape[%d] must be equal to input.shape[-2]",
                         NAME, side);
    if (check_beside(self, input2, 1, NAME, "tau") ||
        check_beside(self, input3, 0, NAME, "other") || matrix_check_dtype(self, "ormqr_cpu"))
        return -1;
    op_shape_set(y, input3->ndim, input3->sizes);
    y->dtype = self->dtype;
    matrix_column_major(y);
    return 0;
}

/* C Q is (Q^H C^H)^H. */
static void ormqr_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t m = job->rows, n = job->columns, few = job->few, k = m < n ? m : n;
    double *c = a + m * n * job->parts, *work = c + m * few * job->parts;
    bool left = job->flag;
    matrix_load(job->in[0], job->in[0], i, a);
    (left ? matrix_load : matrix_load_turned)(job->in[1], job->in[1], i, c);
    dense_apply(job->parts, m, few, k, n, a, job->plain + i * k * job->parts, c, job->other == left,
                false, work);
    (left ? matrix_store : matrix_store_turned)(job->out[0], i, c);
}

int ormqr_cpu(fl_tensor *self, fl_tensor *input2, fl_tensor *input3, bool left, bool transpose,
              fl_tensor *y)
{
    assert(shape_equal(y, input3));
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1];
    int64_t few = input3->sizes[input3->ndim - 1 - !left];
    fl_tensor *plain = tensor_as(input2, matrix_parts(input2) == 2 ? FL_COMPLEX128 : FL_FLOAT64);
    if (!plain)
        return -1;
    struct matrix_job job = {.one = ormqr_one,
                             .in = {self, input3},
                             .out = {y},
                             .plain = tensor_data(plain),
                             .rows = m,
                             .columns = n,
                             .few = few,
                             .flag = left,
                             .other = transpose};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    int status = matrix_each(&job, count, m * (n + few) + m + few, 4 * m * n * few);
    tensor_release(plain);
    return status;
}

/* ---- Their gradient -------------------------------------------------------------------------- */

/* The i-th vector v, with its 1 and the zeros before it: [m, 1]. */
static fl_tensor *vector_of(fl_tensor *a, int64_t i)
{
    int64_t m = a->sizes[a->ndim - 2];
    fl_tensor *below = fl_narrow(fl_narrow(a, -1, i, 1), -2, i + 1, m - i - 1);
    fl_tensor *one = fl_ones_like(fl_narrow(fl_narrow(a, -1, i, 1), -2, 0, 1), FL_NO_DTYPE,
                                  (fl_device){.kind = -1}, false, -1);
    return fl_constant_pad_nd(fl_cat((fl_tensors){(fl_tensor *[]){one, below}, 2}, -2),
                              FL_INTS_OF(0, 0, i, 0), fl_int(0));
}

/* x - tau v (v^H x) */
static fl_tensor *reflected(fl_tensor *x, fl_tensor *v, fl_tensor *tau)
{
    return fl_sub(x, fl_mul(tau, fl_matmul(v, fl_matmul(matrix_adjoint(v), x))), fl_int(1));
}

/* What the reflections of one call are made of, and their gradients in the same places. */
struct reflections {
    int64_t count;
    fl_tensor *taus;    /* [..., 1, count] */
    fl_tensor **v, **x; /* of each: its vector, and what it is applied to */
};

/* Y = H1 ... Hk C (transposed: Hk^H ... H1^H C, whose taus are conjugated). What each is applied to
 * is found by going through them once more; g goes back through them in the other order and becomes
 * C's gradient. Of H x with gradient g: gv = -(tau* g x^H v + tau x g^H v), gtau = -(v^H g) (x^H v). */
static fl_tensor *through(struct reflections *h, fl_tensor *g, fl_tensor *a, fl_tensor *c,
                          bool transposed)
{
    assert(h->count > 0);
    for (int64_t s = 0; s < h->count; s++) {
        int64_t i = transposed ? s : h->count - 1 - s;
        h->v[i] = vector_of(a, i);
        h->x[i] = c;
        c = reflected(c, h->v[i], fl_narrow(h->taus, -1, i, 1));
    }
    for (int64_t s = 0; s < h->count; s++) {
        int64_t i = transposed ? h->count - 1 - s : s;
        fl_tensor *tau = fl_narrow(h->taus, -1, i, 1), *v = h->v[i], *x = h->x[i];
        fl_tensor *of_x = fl_matmul(matrix_adjoint(x), v), *of_g = fl_matmul(matrix_adjoint(g), v);
        fl_tensor *back = fl_conj(tau);
        h->v[i] = fl_neg(
            fl_add(fl_mul(back, fl_matmul(g, of_x)), fl_mul(tau, fl_matmul(x, of_g)), fl_int(1)));
        h->x[i] = fl_neg(fl_matmul(matrix_adjoint(of_g), of_x));
        g = reflected(g, v, back);
    }
    return g;
}

/* The record conjugates g and the gradients; here what is saved is, in their place. */
static int reflect_backward(fl_tensor *g, fl_tensor *a, fl_tensor *tau, fl_tensor *c,
                            bool transposed, fl_tensor **g_a, fl_tensor **g_tau, fl_tensor **g_c)
{
    int64_t k = tau->sizes[tau->ndim - 1], n = a->sizes[a->ndim - 1];
    if (k == 0) {
        *g_a = fl_mul_scalar(a, fl_int(0)), *g_tau = fl_mul_scalar(tau, fl_int(0)), *g_c = g;
        return *g_a && *g_tau ? 0 : -1;
    }
    size_t bytes = 2 * (size_t)k * sizeof(fl_tensor *);
    fl_tensor **list = memory_alloc(bytes);
    if (!list)
        return -1;
    tau = transposed ? tau : fl_conj(tau), a = fl_conj(a), c = fl_conj(c);
    struct reflections h = {k, fl_unsqueeze(tau, -2), list, list + k};
    *g_c = a ? through(&h, g, a, c, transposed) : NULL;
    fl_tensor *columns = *g_c ? fl_tril(fl_cat((fl_tensors){h.v, k}, -1), -1) : NULL;
    *g_a = fl_constant_pad_nd(columns, FL_INTS_OF(0, n - k), fl_int(0));
    *g_tau = *g_c ? fl_squeeze_dim(fl_cat((fl_tensors){h.x, k}, -1), -2) : NULL;
    *g_tau = transposed ? fl_conj(*g_tau) : *g_tau;
    memory_free(list, bytes);
    return *g_a && *g_tau && *g_c ? 0 : -1;
}

int householder_product_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *tau,
                                         fl_tensor **g_a, fl_tensor **g_tau)
{
    int64_t m = a->sizes[a->ndim - 2], n = a->sizes[a->ndim - 1];
    fl_tensor *c = fl_eye(m, &n, (fl_dtype)a->dtype, (fl_device){.kind = -1}, false), *g_c;
    return reflect_backward(g, a, tau, fl_expand_as(c, a), false, g_a, g_tau, &g_c);
}

int ormqr_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *tau, fl_tensor *c, bool left,
                           bool transpose, fl_tensor **g_a, fl_tensor **g_tau, fl_tensor **g_c)
{
    if (left)
        return reflect_backward(g, a, tau, c, transpose, g_a, g_tau, g_c);
    if (reflect_backward(matrix_adjoint(g), a, tau, matrix_adjoint(c), !transpose, g_a, g_tau, g_c))
        return -1;
    *g_c = matrix_adjoint(*g_c);
    return *g_c ? 0 : -1;
}
