/* What is built on singular values: pseudo-inverses and least squares. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops/linalg/singular.h"
#include "ops_kernels.h"

int matrix_tolerances(fl_tensor *a, fl_tensor **atol, fl_tensor **rtol)
{
    const fl_device here = {.kind = -1};
    double eps = dtype_real(a->dtype) == FL_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
    int64_t m = a->ndim < 2 ? 0 : a->sizes[a->ndim - 2],
            n = a->ndim < 2 ? 0 : a->sizes[a->ndim - 1];
    double usual = eps * (double)(m > n ? m : n);
    fl_tensor *given = *atol;
    if (!*atol)
        *atol = fl_full((fl_ints){NULL, 0}, fl_float(0), FL_FLOAT64, here, false);
    if (!*rtol && given)
        *rtol =
            fl_mul_scalar(fl__cast(fl_le_scalar(given, fl_int(0)), FL_FLOAT64), fl_float(usual));
    else if (!*rtol)
        *rtol = fl_full((fl_ints){NULL, 0}, fl_float(usual), FL_FLOAT64, here, false);
    return *atol && *rtol ? 0 : -1;
}

int pinv_shape(fl_tensor *self, fl_tensor *atol, fl_tensor *rtol, bool hermitian,
               struct op_shape *y)
{
    (void)atol, (void)rtol;
    int real = dtype_real(self->dtype);
    if (self->ndim < 2 || (real != FL_FLOAT32 && real != FL_FLOAT64))
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.pinv(%s{%s}): expected a tensor with 2 or more dimensions of "
                         "float, double, cfloat or cdouble types",
                         dtype_title(self->dtype),
                         shape_text((char[128]){0}, 128, self->ndim, self->sizes));
    if (hermitian && matrix_check_square(self, "linalg.eigh", "linalg_eigh_cpu"))
        return -1;
    op_shape_set(y, self->ndim, self->sizes);
    y->sizes[self->ndim - 2] = self->sizes[self->ndim - 1];
    y->sizes[self->ndim - 1] = self->sizes[self->ndim - 2];
    y->dtype = self->dtype;
    return 0;
}

/* y [count, few] += x^H row / d, x [count] and row [few]. */
static void add_product(int parts, int64_t count, int64_t few, const double *x, double d,
                        const double *row, double *y)
{
    for (int64_t r = 0; r < count; r++) {
        const double factor[2] = {x[r * parts] / d, parts == 2 ? -x[r * parts + 1] / d : 0};
        dense_add(parts, few, y + r * few * parts, factor, row);
    }
}

/* y [n, m] = V (1 / d where d is above the bound) U^H, of the rows of u and v. NaN is above any:
 * the inverse of what is not finite is NaN. */
static void pseudo_inverse(const struct svd_parts *s, double bound, double *y)
{
    memset(y, 0, (size_t)(s->n * s->m * s->parts) * sizeof *y);
    for (int64_t k = 0; k < s->n; k++)
        if (!(fabs(s->d[k]) <= bound))
            add_product(s->parts, s->n, s->m, s->v + k * s->n * s->parts, s->d[k],
                        s->u + k * s->m * s->parts, y);
}

/* plain: the tolerances of each matrix, atol and rtol in turn. */
static void pinv_one(const struct matrix_job *job, int64_t i, double *scratch)
{
    bool wide = job->rows < job->columns, hermitian = job->flag;
    int64_t m = wide ? job->columns : job->rows, n = wide ? job->rows : job->columns;
    struct svd_parts s = svd_place(job->parts, m, n, n, scratch);
    double *y = s.work + (4 * n + m) * job->parts, largest = 0;
    int32_t *status = (int32_t *)tensor_data(job->out[3]) + i;
    (wide ? matrix_load_turned : matrix_load)(job->in[0], job->in[0], i, s.a);
    if (hermitian) {
        dense_mirror(job->parts, n, s.a, false);
        s.v = s.u;
        *status = dense_eigen(job->parts, n, s.a, s.d, s.u, s.work) ? SVD_DONE : SVD_STUCK;
    } else {
        *status = svd_run(&s, true);
    }
    if (*status != SVD_DONE)
        return;
    for (int64_t k = 0; k < n; k++)
        largest = fmax(largest, fabs(s.d[k]));
    pseudo_inverse(&s, fmax(job->plain[2 * i], job->plain[2 * i + 1] * largest), y);
    (wide ? matrix_store_turned : matrix_store)(job->out[0], i, y);
}

int pinv_cpu(fl_tensor *self, fl_tensor *atol, fl_tensor *rtol, bool hermitian, fl_tensor *y)
{
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1], k = m < n ? m : n;
    int64_t count = matrix_count(self->ndim, self->sizes, 2), tall = m < n ? n : m;
    fl_tensor *status = tensor_new(1, &count, FL_INT32), *a = tensor_as(atol, FL_FLOAT64);
    fl_tensor *r = tensor_as(rtol, FL_FLOAT64);
    fl_tensor *both = tensor_new(2, (const int64_t[]){count, 2}, FL_FLOAT64);
    int done = status && a && r && both ? 0 : -1;
    for (int64_t i = 0; done == 0 && i < count; i++) {
        double *pair = (double *)tensor_data(both) + 2 * i;
        pair[0] = ((const double *)tensor_data(a))[i];
        pair[1] = ((const double *)tensor_data(r))[i];
    }
    if (done == 0 && k) {
        struct matrix_job job = {.one = pinv_one,
                                 .in = {self},
                                 .out = {y, NULL, NULL, status},
                                 .plain = tensor_data(both),
                                 .rows = m,
                                 .columns = n,
                                 .flag = hermitian};
        done = matrix_each(&job, count, svd_doubles(tall, k, k) + m * n, 14 * m * n * (k + 1));
        done = done ? done
                    : svd_check(status, self->ndim > 2, hermitian ? "linalg.eigh" : "linalg.svd");
    }
    tensor_release(status), tensor_release(a), tensor_release(r), tensor_release(both);
    return done;
}

/* Of Y = A^+: -Y^H g Y^H + (I - A Y) g^H Y Y^H + Y^H Y g^H (I - Y A) (Golub and Pereyra, "The
 * differentiation of pseudo-inverses and nonlinear least squares problems", 1973). The record
 * conjugates g and the result; here A and Y are, in their place. */
int pinv_backward_compose(fl_tensor *g, fl_tensor *p, fl_tensor *a, fl_tensor **y)
{
    p = fl_conj(p), a = fl_conj(a);
    fl_tensor *p_t = matrix_adjoint(p), *g_t = matrix_adjoint(g);
    fl_tensor *first = fl_matmul(p_t, fl_matmul(g, p_t));
    fl_tensor *second = fl_matmul(fl_matmul(g_t, p), p_t),
              *third = fl_matmul(p_t, fl_matmul(p, g_t));
    second = fl_sub(second, fl_matmul(a, fl_matmul(p, second)), fl_int(1));
    third = fl_sub(third, fl_matmul(fl_matmul(third, p), a), fl_int(1));
    *y = fl_sub(fl_add(second, third, fl_int(1)), first, fl_int(1));
    return *y ? 0 : -1;
}

static int pinv_within(fl_tensor *self, fl_tensor *atol, fl_tensor *rtol, bool hermitian,
                       fl_tensor **y)
{
    if (matrix_tolerances(self, &atol, &rtol))
        return -1;
    fl_ints batch = {self->sizes, self->ndim < 2 ? 0 : self->ndim - 2};
    *y = fl__linalg_pinv(self, fl_expand(atol, batch, false), fl_expand(rtol, batch, false),
                         hermitian);
    return *y ? 0 : -1;
}

int pinv_tensors_compose(fl_tensor *self, fl_tensor *atol, fl_tensor *rtol, bool hermitian,
                         fl_tensor **y)
{
    return pinv_within(self, atol, rtol, hermitian, y);
}

int pinv_numbers_compose(fl_tensor *self, const double *atol, const double *rtol, bool hermitian,
                         fl_tensor **y)
{
    return pinv_within(self, op_number(atol), op_number(rtol), hermitian, y);
}

int pinv_rcond_compose(fl_tensor *self, double rcond, bool hermitian, fl_tensor **y)
{
    return pinv_within(self, op_number(&(double){0}), op_number(&rcond), hermitian, y);
}

int pinv_old_compose(fl_tensor *self, double rcond, fl_tensor **y)
{
    return pinv_rcond_compose(self, rcond, false, y);
}

/* ---- Least squares --------------------------------------------------------------------------- */

int lstsq_shape(fl_tensor *self, fl_tensor *b, double rcond, struct op_shape *y)
{
    (void)rcond;
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1];
    if (matrix_broadcast(self, b, n, b->sizes[b->ndim - 1], &y[0]))
        return -1;
    matrix_column_major(&y[0]);
    op_shape_set(&y[1], y[0].ndim - 2, y[0].sizes);
    op_shape_set(&y[2], y[0].ndim - 1, y[0].sizes);
    y[2].sizes[y[2].ndim - 1] = m < n ? m : n;
    y[0].dtype = self->dtype;
    y[2].dtype = dtype_real(self->dtype);
    y[1].dtype = FL_INT64;
    return 0;
}

/* x = sum over the singular values that count of right (left b) / d: the shortest of all that leave
 * the least behind. Of a wide matrix left and right are exchanged. */
static void lstsq_one(const struct matrix_job *job, int64_t i, double *scratch)
{
    bool wide = job->rows < job->columns;
    int64_t m = wide ? job->columns : job->rows, n = wide ? job->rows : job->columns;
    int64_t few = job->few, rank = 0, parts = job->parts;
    struct svd_parts s = svd_place(job->parts, m, n, n, scratch);
    double *b = s.work + (4 * n + m) * parts, *x = b + job->rows * few * parts;
    double *t = x + job->columns * few * parts;
    const fl_tensor *like = job->out[0];
    int32_t *status = (int32_t *)tensor_data(job->out[3]) + i;
    (wide ? matrix_load_turned : matrix_load)(job->in[0], like, i, s.a);
    matrix_load(job->in[1], like, i, b);
    *status = svd_run(&s, true);
    memset(x, 0, (size_t)(job->columns * few * parts) * sizeof *x);
    for (int64_t k = 0; *status == SVD_DONE && k < n; k++) {
        const double *left = wide ? s.v + k * n * parts : s.u + k * m * parts;
        const double *right = wide ? s.u + k * m * parts : s.v + k * n * parts;
        if (s.d[k] <= job->number * s.d[0])
            break;
        rank++;
        memset(t, 0, (size_t)(few * parts) * sizeof *t);
        for (int64_t r = 0; r < job->rows; r++)
            dense_add(job->parts, few, t, left + r * parts, b + r * few * parts);
        add_product(job->parts, job->columns, few, right, s.d[k], t, x);
    }
    ((int64_t *)tensor_data(job->out[1]))[i] = rank;
    matrix_store(job->out[0], i, x);
    if (*status == SVD_DONE)
        matrix_store_vector(job->out[2], i, s.d);
}

int lstsq_cpu(fl_tensor *self, fl_tensor *b, double rcond, fl_tensor *y, fl_tensor *rank,
              fl_tensor *values)
{
    assert(rank->dtype == FL_INT64 && y->ndim >= 2);
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1], k = m < n ? m : n;
    int64_t few = y->sizes[y->ndim - 1], tall = m < n ? n : m;
    struct matrix_job job = {.one = lstsq_one,
                             .in = {self, b},
                             .out = {y, rank, values, tensor_new(1, &rank->numel, FL_INT32)},
                             .rows = m,
                             .columns = n,
                             .few = few,
                             .number = rcond};
    if (!job.out[3])
        return -1;
    int64_t doubles = svd_doubles(tall, k, k) + (m + n + 1) * few;
    int status = matrix_each(&job, rank->numel, doubles, 12 * m * n * (k + 1));
    status = status ? status : svd_check(job.out[3], y->ndim > 2, "torch.linalg.lstsq");
    tensor_release(job.out[3]);
    return status;
}

/* gB = A^+T g, and A's part is that of x = A^+ B. */
int lstsq_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *b, bool of_a, fl_tensor **y)
{
    fl_tensor *p = fl_linalg_pinv(a, NULL, NULL, false);
    if (of_a)
        *y = fl__sum_to_batch(fl__pinv_backward(fl_matmul(g, matrix_turned(b)), p, a),
                              (fl_ints){a->sizes, a->ndim});
    else
        *y = fl__sum_to_batch(fl_matmul(matrix_turned(p), g), (fl_ints){b->sizes, b->ndim});
    return *y ? 0 : -1;
}

/* Refuses arguments; whether the right side is a vector a matrix in *vector. */
static int check_lstsq(const fl_tensor *a, const fl_tensor *b, const char *driver, bool *vector)
{
    static const char NAME[] = "torch.linalg.lstsq";
    int more = a->ndim - b->ndim;
    if (a->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "%s: input must have at least 2 dimensions.", NAME);
    if (b->ndim < 1)
        return error_set(FL_RUNTIME_ERROR, "%s: other must have at least 1 dimension.", NAME);
    if (a->dtype != b->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected input and other to have the same dtype, but got input's "
                         "dtype %s and other's dtype %s",
                         NAME, dtype_title(a->dtype), dtype_title(b->dtype));
    if (more < 0 || more > 1)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: input.dim() must be greater or equal to other.dim() and "
                         "(input.dim() - other.dim()) <= 1",
                         NAME);
    *vector = more == 1 && matrix_beside_vector(a, b);
    if (more == 1 && !*vector && b->ndim == 1)
        *vector = true;
    if (*vector ? a->sizes[a->ndim - 2] != b->sizes[b->ndim - 1]
                : b->ndim < 2 || a->sizes[a->ndim - 2] != b->sizes[b->ndim - 2])
        return error_set(FL_RUNTIME_ERROR, "%s: input.size(-2) should match other.size(-%d)", NAME,
                         *vector ? 1 : 2);
    if (dtype_real(a->dtype) != FL_FLOAT32 && dtype_real(a->dtype) != FL_FLOAT64)
        return error_set(FL_RUNTIME_ERROR,
                         "This function doesn't handle types other than float and double");
    for (int i = 0; driver && i < 4; i++)
        if (strcmp(driver, (const char *[]){"gels", "gelsy", "gelsd", "gelss"}[i]) == 0)
            return 0;
    if (driver)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)",
                         NAME);
    return 0;
}

/* gels presumes full rank. PyTorch's looks for a zero on R's diagonal and names its place; here the
 * rank is the number of singular values above the bound, and the place the one after them. */
static int check_full_rank(const fl_tensor *ranks, int64_t full)
{
    for (int64_t i = 0; i < ranks->numel; i++) {
        const int64_t rank = ((const int64_t *)tensor_data(ranks))[i];
        assert(rank >= 0 && rank <= full);
        char place[48] = "";
        if (ranks->ndim)
            snprintf(place, sizeof place, "(Batch element %lld): ", (long long)i);
        if (rank < full)
            return error_set(FL_LINALG_ERROR,
                             "torch.linalg.lstsq: %sThe least squares solution could not be "
                             "computed because the input matrix does not have full rank (error "
                             "code: %lld).",
                             place, (long long)rank + 1);
    }
    return 0;
}

int linalg_lstsq_compose(fl_tensor *self, fl_tensor *b, const double *rcond, const char *driver,
                         fl_tensor **y, fl_tensor **residuals, fl_tensor **rank, fl_tensor **values)
{
    bool vector = false, full = true;
    if (check_lstsq(self, b, driver, &vector))
        return -1;
    driver = driver ? driver : "gelsy";
    int64_t m = self->sizes[self->ndim - 2], n = self->sizes[self->ndim - 1];
    double eps = dtype_real(self->dtype) == FL_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
    double bound = rcond ? *rcond : eps * (double)(m > n ? m : n);
    bool presumed = strcmp(driver, "gels") == 0; /* that the rank is full */
    fl_tensor *right = vector ? fl_unsqueeze(b, -1) : b;
    if (presumed)
        bound = DBL_EPSILON * (double)(m > n ? m : n);
    if (fl__linalg_lstsq(self, right, bound, y, rank, values))
        return -1;
    fl_tensor *none =
        fl_new_empty(*values, FL_INTS_OF(0), FL_NO_DTYPE, (fl_device){.kind = -1}, false);
    const fl_tensor *ranks = op_look(*rank);
    for (int64_t i = 0; ranks && i < ranks->numel; i++)
        full &= ((const int64_t *)tensor_data(ranks))[i] == n;
    if (presumed && ranks && check_full_rank(ranks, m < n ? m : n))
        return -1;
    *residuals = op_as(fl_flatten(fl_narrow(*y, -1, 0, 0), 0, -1), dtype_real(self->dtype));
    if (m > n && (full || presumed) && strcmp(driver, "gelsy") != 0) {
        fl_tensor *left = fl_square(fl_abs(fl_sub(fl_matmul(self, *y), right, fl_int(1))));
        *residuals = fl_sum_dim_intlist(left, FL_INTS_OF(-2), false, FL_NO_DTYPE);
    }
    if (strcmp(driver, "gelsd") != 0 && strcmp(driver, "gelss") != 0)
        *values = none;
    if (presumed)
        *rank = fl_new_empty(*rank, FL_INTS_OF(0), FL_NO_DTYPE, (fl_device){.kind = -1}, false);
    if (vector)
        *y = fl_squeeze_dim(*y, -1);
    return *y && *residuals && *rank && *values ? 0 : -1;
}
