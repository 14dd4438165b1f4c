/* Gaussian elimination with partial pivoting (Golub and Van Loan, "Matrix Computations", 3.4):
 * determinants and inverses. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

/* a [n, n] becomes L (below the diagonal, of ones there) and U; what is done to its rows is done to
 * the k columns of b as well, which become L^-1 P b. The sign is that of the permutation. The
 * first pivot that is 0, counted from 1, or 0. */
static int eliminate(int64_t n, double *a, int64_t k, double *b, double *sign)
{
    int zero = 0;
    *sign = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = i;
        for (int64_t r = i + 1; r < n; r++)
            if (fabs(a[r * n + i]) > fabs(a[best * n + i]))
                best = r;
        if (best != i) {
            *sign = -*sign;
            for (int64_t c = 0; c < n + k; c++) {
                double *p = c < n ? a + i * n + c : b + i * k + (c - n);
                double *q = c < n ? a + best * n + c : b + best * k + (c - n), held = *p;
                *p = *q, *q = held;
            }
        }
        double pivot = a[i * n + i];
        if (pivot == 0) {
            zero = zero ? zero : (int)(i + 1);
            continue;
        }
        for (int64_t r = i + 1; r < n; r++) {
            double factor = a[r * n + i] /= pivot;
            matrix_subtract(n - i - 1, a + r * n + i + 1, factor, a + i * n + i + 1);
            matrix_subtract(k, b + r * k, factor, b + i * k);
        }
    }
    return zero;
}

int slogdet_shape(fl_tensor *self, struct op_shape *y)
{
    if (matrix_check_square(self, "linalg.slogdet", "lu_factor"))
        return -1;
    for (int i = 0; i < 2; i++) {
        op_shape_set(&y[i], self->ndim - 2, self->sizes);
        y[i].dtype = self->dtype;
    }
    return 0;
}

static void put(fl_tensor *t, int64_t i, double x)
{
    if (t->dtype == FL_FLOAT64)
        ((double *)tensor_data(t))[i] = x;
    else
        ((float *)tensor_data(t))[i] = (float)x;
}

int slogdet_cpu(fl_tensor *self, fl_tensor *sign, fl_tensor *logabsdet)
{
    int64_t n = self->sizes[self->ndim - 1];
    size_t bytes = (size_t)(n * n + 1) * sizeof(double);
    double *a = memory_alloc(bytes);
    if (!a)
        return -1;
    for (int64_t i = 0; i < sign->numel; i++) {
        double s, sum = 0;
        matrix_load(self, self, i, a);
        eliminate(n, a, 0, a, &s);
        for (int64_t j = 0; j < n; j++) {
            double pivot = a[j * n + j];
            s = pivot < 0 ? -s : pivot == 0 ? 0 : s;
            sum += log(fabs(pivot));
        }
        put(sign, i, s), put(logabsdet, i, sum);
    }
    memory_free(a, bytes);
    return 0;
}

int logdet_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *sign, *logabsdet;
    if (fl_linalg_slogdet(self, &sign, &logabsdet))
        return -1;
    *y = fl_where_scalar(fl_ne_scalar(sign, fl_int(-1)), logabsdet, fl_float(NAN));
    return *y ? 0 : -1;
}

/* ---- Inverses ------------------------------------------------------------------------------ */

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
    for (int64_t i = 0; i < info->numel; i++) {
        int pivot = ((const int32_t *)tensor_data(info))[i];
        char name[MATRIX_NAME];
        if (!pivot)
            continue;
        return error_set(FL_LINALG_ERROR,
                         "%s: %sThe diagonal element %d is zero, the inversion could not be "
                         "completed because the input matrix is singular.",
                         function, matrix_name(name, info->ndim, i), pivot);
    }
    return 0;
}

int inv_ex_cpu(fl_tensor *self, bool check_errors, fl_tensor *y, fl_tensor *info)
{
    int64_t n = self->sizes[self->ndim - 1];
    size_t bytes = (size_t)(2 * n * n + 1) * sizeof(double);
    double *a = memory_alloc(bytes), *b = a + n * n, sign;
    if (!a)
        return -1;
    for (int64_t i = 0; i < info->numel; i++) {
        matrix_load(self, self, i, a);
        memset(b, 0, (size_t)(n * n) * sizeof *b);
        for (int64_t j = 0; j < n; j++)
            b[j * n + j] = 1;
        ((int32_t *)tensor_data(info))[i] = eliminate(n, a, n, b, &sign);
        for (int64_t r = n - 1; r >= 0; r--) {
            for (int64_t j = r + 1; j < n; j++)
                matrix_subtract(n, b + r * n, a[r * n + j], b + j * n);
            for (int64_t c = 0; c < n; c++)
                b[r * n + c] /= a[r * n + r];
        }
        matrix_store(y, i, b);
    }
    memory_free(a, bytes);
    return check_errors ? check_info(info, "linalg.inv_ex") : 0;
}

int linalg_inv_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *info;
    return fl_linalg_inv_ex(self, false, y, &info) || check_info(info, "linalg.inv") ? -1 : 0;
}
