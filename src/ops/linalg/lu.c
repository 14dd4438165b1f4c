/* A = P L U by elimination with partial pivoting, and what follows from it at once: determinants
 * and inverses. Systems are in solve.c. */
#include <math.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

int lu_factor_ex_shape(fl_tensor *A, bool pivot, bool check_errors, struct op_shape *y)
{
    (void)check_errors;
    if (A->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: %s "
                         "instead",
                         shape_text((char[128]){0}, 128, A->ndim, A->sizes));
    if (!dtype_is_inexact(A->dtype) ? matrix_check_dtype(A, "lu_cpu")
                                    : matrix_check(A, "linalg.lu_factor", "lu_cpu"))
        return -1;
    if (!pivot)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.lu_factor: LU without pivoting is not implemented on the CPU");
    const int64_t *last = A->sizes + A->ndim - 2;
    op_shape_set(&y[0], A->ndim, A->sizes);
    y[0].dtype = A->dtype;
    matrix_column_major(&y[0]);
    op_shape_set(&y[1], A->ndim - 1, A->sizes);
    y[1].sizes[A->ndim - 2] = last[0] < last[1] ? last[0] : last[1];
    op_shape_set(&y[2], A->ndim - 2, A->sizes);
    y[1].dtype = y[2].dtype = FL_INT32;
    return 0;
}

static void factor_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t k = job->rows < job->columns ? job->rows : job->columns;
    int32_t *pivots = (int32_t *)tensor_data(job->out[1]) + i * k;
    matrix_load(job->in[0], job->out[0], i, a);
    int zero = dense_lu(job->parts, job->rows, job->columns, a, pivots);
    ((int32_t *)tensor_data(job->out[2]))[i] = zero;
    matrix_store(job->out[0], i, a);
}

static int check_factor(const fl_tensor *info, const char *function)
{
    assert(info->dtype == FL_INT32);
    const fl_tensor *seen = op_samples(op_look(info));
    for (int64_t i = 0; seen && i < seen->numel; i++) {
        int at = ((const int32_t *)tensor_data(seen))[i];
        char name[MATRIX_NAME];
        if (at)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.%s: %sU[%d,%d] is zero and using it on lu_solve would result "
                             "in a division by zero. If you still want to perform the "
                             "factorization, consider calling linalg.lu(A, pivot) or "
                             "linalg.lu_factor_ex(A, pivot)",
                             function, matrix_name(name, info->ndim, i), at, at);
    }
    return seen ? 0 : -1;
}

int lu_factor_ex_cpu(fl_tensor *A, bool pivot, bool check_errors, fl_tensor *LU, fl_tensor *pivots,
                     fl_tensor *info)
{
    assert(shape_equal(LU, A) && pivots->dtype == FL_INT32);
    (void)pivot;
    int64_t m = A->sizes[A->ndim - 2], n = A->sizes[A->ndim - 1], k = m < n ? m : n;
    struct matrix_job job = {
        .one = factor_one, .in = {A}, .out = {LU, pivots, info}, .rows = m, .columns = n};
    if (matrix_each(&job, info->numel, m * n, m * n * k))
        return -1;
    return check_errors ? check_factor(info, "linalg.lu_factor_ex") : 0;
}

int lu_factor_compose(fl_tensor *A, bool pivot, fl_tensor **LU, fl_tensor **pivots)
{
    fl_tensor *info;
    if (fl_linalg_lu_factor_ex(A, pivot, false, LU, pivots, &info))
        return -1;
    return check_factor(info, "linalg.lu_factor");
}

int linalg_lu_compose(fl_tensor *A, bool pivot, fl_tensor **P, fl_tensor **L, fl_tensor **U)
{
    fl_tensor *LU, *pivots, *info;
    if (A->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.lu: Expected tensor with 2 or more dimensions. Got size: %s "
                         "instead",
                         shape_text((char[128]){0}, 128, A->ndim, A->sizes));
    if (fl_linalg_lu_factor_ex(A, pivot, false, &LU, &pivots, &info))
        return -1;
    return fl_lu_unpack(LU, pivots, true, true, P, L, U);
}

/* With U and L wide or tall, their square parts and the rest: of A = P L U, L^-1 P^T dA U^-1 is
 * L^-1 dL below the diagonal and dU U^-1 from it on. */
int lu_factor_backward_compose(fl_tensor *g, fl_tensor *lu, fl_tensor *pivots, fl_tensor **y)
{
    fl_tensor *P, *L, *U;
    int64_t m = lu->sizes[lu->ndim - 2], n = lu->sizes[lu->ndim - 1], k = m < n ? m : n;
    if (fl_lu_unpack(lu, pivots, true, true, &P, &L, &U))
        return -1;
    fl_tensor *l = fl_narrow(L, -2, 0, k), *u = fl_narrow(U, -1, 0, k);
    fl_tensor *gl = fl_tril(fl_narrow(g, -1, 0, k), -1), *gu = fl_triu(fl_narrow(g, -2, 0, k), 0);
    fl_tensor *below = fl_matmul(matrix_turned(l), fl_narrow(gl, -2, 0, k));
    fl_tensor *above = fl_matmul(fl_narrow(gu, -1, 0, k), matrix_turned(u));
    fl_tensor *rest = NULL;
    if (m < n) {
        rest = fl_narrow(gu, -1, k, n - k);
        below =
            fl_sub(below, fl_matmul(rest, matrix_turned(fl_narrow(U, -1, k, n - k))), fl_int(1));
    } else if (m > n) {
        rest = fl_narrow(gl, -2, k, m - k);
        above =
            fl_sub(above, fl_matmul(matrix_turned(fl_narrow(L, -2, k, m - k)), rest), fl_int(1));
    }
    fl_tensor *x = fl_add(fl_tril(below, -1), fl_triu(above, 0), fl_int(1));
    fl_tensor *l_turned = matrix_turned(l), *u_turned = matrix_turned(u);
    x = fl_linalg_solve_triangular(l_turned, x, true, true, true);
    x = fl_linalg_solve_triangular(u_turned, x, false, false, false);
    if (m < n) {
        rest = fl_linalg_solve_triangular(l_turned, rest, true, true, true);
        x = fl_cat((fl_tensors){(fl_tensor *[]){x, rest}, 2}, -1);
    } else if (m > n) {
        rest = fl_linalg_solve_triangular(u_turned, rest, false, false, false);
        x = fl_cat((fl_tensors){(fl_tensor *[]){x, rest}, 2}, -2);
    }
    *y = fl_matmul(P, x);
    return *y ? 0 : -1;
}

/* ---- The parts of a factor ------------------------------------------------------------------- */

int lu_permutation_shape(fl_tensor *pivots, int64_t rows, fl_dtype dtype, struct op_shape *y)
{
    op_shape_set(y, pivots->ndim + 1, pivots->sizes);
    y->sizes[pivots->ndim - 1] = y->sizes[pivots->ndim] = rows;
    y->dtype = (int)dtype;
    y->zero = true;
    return 0;
}

/* The rows that the exchanges leave in each place: column place[i] of P is the unit vector i. */
static int permute(int64_t rows, int64_t k, const int32_t *pivots, int64_t *place)
{
    assert(k >= 0 && k <= rows);
    for (int64_t i = 0; i < rows; i++)
        place[i] = i;
    for (int64_t i = 0; i < k; i++) {
        if (pivots[i] < 1 || pivots[i] > rows)
            return error_set(FL_RUNTIME_ERROR,
                             "pivots passed to lu_unpack must be between 1 and LU.size(-2) "
                             "inclusive.Did you properly pass the result of lu_factor?");
        int64_t held = place[i];
        place[i] = place[pivots[i] - 1], place[pivots[i] - 1] = held;
    }
    return 0;
}

int lu_permutation_cpu(fl_tensor *pivots, int64_t rows, fl_dtype dtype, fl_tensor *y)
{
    (void)dtype;
    int64_t k = pivots->sizes[pivots->ndim - 1], count = matrix_count(y->ndim, y->sizes, 2);
    size_t bytes = (size_t)(rows + 1) * sizeof(int64_t);
    fl_tensor *plain = tensor_contiguous(pivots);
    int64_t *place = memory_alloc(bytes);
    int status = plain && place ? 0 : -1;
    for (int64_t i = 0; status == 0 && rows && i < count; i++) {
        status = permute(rows, k, (const int32_t *)tensor_data(plain) + i * k, place);
        for (int64_t r = 0; status == 0 && r < rows; r++)
            matrix_put(y, (i * rows + place[r]) * rows + r, 1, 0);
    }
    memory_free(place, place ? bytes : 0);
    tensor_release(plain);
    return status;
}

int lu_unpack_compose(fl_tensor *LU_data, fl_tensor *LU_pivots, bool unpack_data,
                      bool unpack_pivots, fl_tensor **P, fl_tensor **L, fl_tensor **U)
{
    if (LU_data->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.lu_unpack: Expected tensor with 2 or more "
                         "dimensions. Got size: %s instead",
                         shape_text((char[128]){0}, 128, LU_data->ndim, LU_data->sizes));
    if (unpack_pivots && LU_pivots->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of "
                         "torch.int32 dtype.\nNote: this function is intended to be used with the "
                         "output produced by torch.linalg.lu_factor");
    int64_t m = LU_data->sizes[LU_data->ndim - 2], n = LU_data->sizes[LU_data->ndim - 1];
    int64_t k = m < n ? m : n;
    if (unpack_pivots && (!LU_pivots->ndim || LU_pivots->sizes[LU_pivots->ndim - 1] > m))
        return error_set(FL_RUNTIME_ERROR,
                         "torch.lu_unpack: LU_pivots must be vectors of at most LU.size(-2) "
                         "numbers, but their shape is %s",
                         shape_text((char[128]){0}, 128, LU_pivots->ndim, LU_pivots->sizes));
    fl_tensor *none =
        fl_new_empty(LU_data, FL_INTS_OF(0), FL_NO_DTYPE, (fl_device){.kind = -1}, false);
    *P = *L = *U = none;
    if (unpack_pivots)
        *P = fl__lu_permutation(LU_pivots, m, (fl_dtype)LU_data->dtype);
    if (unpack_data) {
        fl_tensor *ones = fl_eye(m, &k, (fl_dtype)LU_data->dtype, (fl_device){.kind = -1}, false);
        *U = fl_triu(fl_narrow(LU_data, -2, 0, k), 0);
        *L = fl_add(fl_tril(fl_narrow(LU_data, -1, 0, k), -1), ones, fl_int(1));
    }
    return *P && *L && *U ? 0 : -1;
}

/* ---- Determinants ---------------------------------------------------------------------------- */

int det_shape(fl_tensor *A, struct op_shape *y)
{
    if (matrix_check_square(A, "linalg.det", "lu_cpu"))
        return -1;
    op_shape_set(y, A->ndim - 2, A->sizes);
    y->dtype = A->dtype;
    return 0;
}

int slogdet_shape(fl_tensor *self, struct op_shape *y)
{
    if (matrix_check_square(self, "linalg.slogdet", "lu_factor"))
        return -1;
    for (int i = 0; i < 2; i++) {
        op_shape_set(&y[i], self->ndim - 2, self->sizes);
        y[i].dtype = i ? dtypes[self->dtype].real : self->dtype;
    }
    return 0;
}

/* out: the determinant, or its sign (of magnitude 1 where it is complex) and the logarithm of its
 * magnitude. */
static void determinant_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t n = job->rows, parts = job->parts;
    int32_t *pivots = (int32_t *)(a + n * n * parts);
    double real = 1, imaginary = 0, sum = 0;
    matrix_load(job->in[0], job->in[0], i, a);
    dense_lu(job->parts, n, n, a, pivots);
    for (int64_t j = 0; j < n; j++) {
        double by = a[(j * n + j) * parts], turned = parts == 2 ? a[(j * n + j) * parts + 1] : 0;
        if (job->out[1]) {
            double size = parts == 2 ? dense_length(by, turned) : fabs(by);
            sum += log(size);
            if (parts == 2)
                by = size != 0 ? by / size : 0, turned = size != 0 ? turned / size : 0;
            else /* of NaN it is 0, as sgn's */
                by = (by > 0) - (by < 0);
        }
        double sign = pivots[j] == j + 1 ? 1 : -1, held = sign * (real * by - imaginary * turned);
        imaginary = parts == 2 ? sign * (real * turned + imaginary * by) : 0;
        real = parts == 2 ? held : sign * real * by;
    }
    matrix_put(job->out[0], i, real, imaginary);
    if (job->out[1])
        matrix_put(job->out[1], i, sum, 0);
}

static int determinants(fl_tensor *a, fl_tensor *y0, fl_tensor *y1)
{
    assert(a->ndim >= 2 && y0->ndim == a->ndim - 2);
    int64_t n = a->sizes[a->ndim - 1];
    struct matrix_job job = {.one = determinant_one, .in = {a}, .out = {y0, y1}, .rows = n};
    return matrix_each(&job, y0->numel, n * n + n, n * n * n);
}

int det_cpu(fl_tensor *A, fl_tensor *y)
{
    return determinants(A, y, NULL);
}

int slogdet_cpu(fl_tensor *self, fl_tensor *sign, fl_tensor *logabsdet)
{
    return determinants(self, sign, logabsdet);
}

static bool has_zero(const fl_tensor *there)
{
    bool zero = false;
    const fl_tensor *t = op_look(there);
    int64_t size = (int64_t)dtype_size(there->dtype);
    for (int64_t i = 0; t && i < t->numel; i++) {
        double number[2] = {0, 0};
        convert_elements(1, number, FL_COMPLEX128, sizeof number,
                         (const char *)tensor_data(t) + i * size, t->dtype, size);
        zero |= number[0] == 0 && number[1] == 0;
    }
    return zero;
}

/* The cofactors: det(A) A^-T, or conj(U) (the products of all singular values but one) V^T times
 * the determinants of U and V^H where a matrix of the batch is singular. */
int det_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *det, fl_tensor **y)
{
    g = fl_unsqueeze(fl_unsqueeze(g, -1), -1);
    if (!has_zero(det)) {
        fl_tensor *scaled = fl_mul(g, fl_unsqueeze(fl_unsqueeze(det, -1), -1));
        *y = fl_mul(scaled, matrix_turned(fl_linalg_inv(a)));
        return *y ? 0 : -1;
    }
    fl_tensor *u, *s, *vh;
    if (fl_linalg_svd(a, true, NULL, &u, &s, &vh))
        return -1;
    int64_t n = a->sizes[a->ndim - 1];
    fl_tensor *one = fl_eye(n, NULL, (fl_dtype)s->dtype, (fl_device){.kind = -1}, false);
    fl_tensor *others = fl_add(
        fl_mul(fl_unsqueeze(s, -2), fl_rsub_scalar(one, fl_int(1), fl_int(1))), one, fl_int(1));
    fl_tensor *products = fl_prod_dim_int(others, -1, false, FL_NO_DTYPE);
    fl_tensor *signs = fl_mul(fl_linalg_det(u), fl_linalg_det(vh));
    products = fl_mul(products, fl_unsqueeze(fl_detach(signs), -1));
    *y = fl_mul(g, fl_matmul(fl_mul(fl_conj(u), fl_unsqueeze(products, -2)), fl_conj(vh)));
    return *y ? 0 : -1;
}

/* d log det(A) = tr(A^-1 dA), whose real part is that of the logarithm of the magnitude and whose
 * imaginary part turns the sign. */
int slogdet_backward_compose(fl_tensor *g_sign, fl_tensor *g, fl_tensor *a, fl_tensor *sign,
                             fl_tensor **y)
{
    if (g_sign && dtype_is_complex(a->dtype)) {
        fl_tensor *turn = fl_mul(g_sign, sign);
        turn = fl_mul_scalar(fl_sub(turn, fl_conj(turn), fl_int(1)), fl_float(0.5));
        g = g ? fl_add(turn, g, fl_int(1)) : turn;
    }
    *y = g ? fl_mul(fl_unsqueeze(fl_unsqueeze(g, -1), -1), matrix_turned(fl_linalg_inv(a)))
           : fl_zeros_like(a, FL_NO_DTYPE, (fl_device){.kind = -1}, false, -1);
    return *y ? 0 : -1;
}

int logdet_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *sign, *logabsdet;
    if (!dtype_is_inexact(self->dtype) && self->ndim >= 2)
        return matrix_check(self, "logdet", "lu_cpu");
    if (fl_linalg_slogdet(self, &sign, &logabsdet))
        return -1;
    if (dtype_is_complex(self->dtype))
        *y = fl_add(fl_log(sign), logabsdet, fl_int(1));
    else
        *y = fl_where_scalar(fl_ne_scalar(sign, fl_int(-1)), logabsdet, fl_float(NAN));
    return *y ? 0 : -1;
}

/* ---- Inverses -------------------------------------------------------------------------------- */

int inv_ex_shape(fl_tensor *self, bool check_errors, struct op_shape *y)
{
    (void)check_errors;
    if (matrix_check_square(self, "linalg.inv", "linalg_inv"))
        return -1;
    op_shape_set(&y[0], self->ndim, self->sizes);
    y[0].dtype = self->dtype;
    matrix_column_major(&y[0]);
    op_shape_set(&y[1], self->ndim - 2, self->sizes);
    y[1].dtype = FL_INT32;
    return 0;
}

static int check_info(const fl_tensor *info, const char *function)
{
    const fl_tensor *seen = op_samples(op_look(info));
    for (int64_t i = 0; seen && i < seen->numel; i++) {
        int pivot = ((const int32_t *)tensor_data(seen))[i];
        char name[MATRIX_NAME];
        if (!pivot)
            continue;
        return error_set(FL_LINALG_ERROR,
                         "%s: %sThe diagonal element %d is zero, the inversion could not be "
                         "completed because the input matrix is singular.",
                         function, matrix_name(name, info->ndim, i), pivot);
    }
    return seen ? 0 : -1;
}

static void invert_one(const struct matrix_job *job, int64_t i, double *a)
{
    int64_t n = job->rows;
    double *b = a + n * n * job->parts;
    int32_t *pivots = (int32_t *)(b + n * n * job->parts);
    matrix_load(job->in[0], job->in[0], i, a);
    ((int32_t *)tensor_data(job->out[1]))[i] = dense_lu(job->parts, n, n, a, pivots);
    dense_identity(job->parts, n, n, b);
    dense_eliminations_of(job->parts)->exchange(n, b, n, pivots, false);
    dense_solve(job->parts, n, n, a, b, false, true);
    dense_solve(job->parts, n, n, a, b, true, false);
    matrix_store(job->out[0], i, b);
}

int inv_ex_cpu(fl_tensor *self, bool check_errors, fl_tensor *y, fl_tensor *info)
{
    assert(shape_equal(y, self) && info->ndim == self->ndim - 2);
    int64_t n = self->sizes[self->ndim - 1];
    struct matrix_job job = {.one = invert_one, .in = {self}, .out = {y, info}, .rows = n};
    if (matrix_each(&job, info->numel, 2 * n * n + n, 2 * n * n * n))
        return -1;
    return check_errors ? check_info(info, "linalg.inv_ex") : 0;
}

int linalg_inv_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *info;
    return fl_linalg_inv_ex(self, false, y, &info) || check_info(info, "linalg.inv") ? -1 : 0;
}
