/* Functions of matrices that are made of others: powers, chains of products, ranks, condition
 * numbers, cross products. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/matrix.h"
#include "ops/linalg/singular.h"
#include "ops_kernels.h"

static int refuse_few_dims(const fl_tensor *a, const char *text)
{
    return a->ndim < 2 ? error_set(FL_RUNTIME_ERROR, "%s", text) : 0;
}

/* By squaring: the binary digits of n from the lowest. */
int matrix_power_compose(fl_tensor *self, int64_t n, fl_tensor **y)
{
    if (matrix_check_sides(self, "linalg.matrix_power"))
        return -1;
    if (n == 0) {
        fl_tensor *one = fl_eye(self->sizes[self->ndim - 1], NULL, (fl_dtype)self->dtype,
                                (fl_device){.kind = -1}, false);
        fl_tensor *all = fl_ones_like(self, FL_BOOL, (fl_device){.kind = -1}, false, -1);
        return op_give(y, fl_add(fl_masked_fill_scalar(self, all, fl_int(0)), one, fl_int(1)));
    }
    fl_tensor *power = n < 0 ? fl_linalg_inv(self) : self, *product = NULL;
    uint64_t digits = n < 0 ? -(uint64_t)n : (uint64_t)n;
    if (digits == 1)
        return op_give(y, n < 0 ? power : fl_clone(self, -1));
    for (;; power = fl_matmul(power, power)) {
        if (digits & 1)
            product = product ? fl_matmul(product, power) : power;
        if (!product && !power)
            return -1;
        if (!(digits >>= 1))
            return op_give(y, product);
    }
}

/* ---- Ranks and condition numbers ------------------------------------------------------------- */

static int rank_within(fl_tensor *self, fl_tensor *atol, fl_tensor *rtol, bool hermitian,
                       fl_tensor **y)
{
    if (refuse_few_dims(self, "torch.linalg.matrix_rank: The input tensor input must have at least "
                              "2 dimensions."))
        return -1;
    if (dtype_real(self->dtype) != FL_FLOAT32 && dtype_real(self->dtype) != FL_FLOAT64)
        return error_set(FL_RUNTIME_ERROR,
                         "This function doesn't handle types other than float and double");
    if (matrix_tolerances(self, &atol, &rtol))
        return -1;
    if (!self->sizes[self->ndim - 2] || !self->sizes[self->ndim - 1])
        return op_give(y, fl_zeros((fl_ints){self->sizes, self->ndim - 2}, FL_INT64,
                                   (fl_device){.kind = -1}, false));
    fl_tensor *self_alone = fl_detach(self);
    fl_tensor *s = hermitian ? fl_abs(fl_linalg_eigvalsh(self_alone, "L"))
                             : fl_linalg_svdvals(self_alone, NULL);
    fl_tensor *largest = fl_amax(s, FL_INTS_OF(-1), false);
    fl_tensor *bound = fl_maximum(atol, fl_mul(rtol, largest));
    return op_give(y, fl_sum_dim_intlist(fl_gt(s, fl_unsqueeze(bound, -1)), FL_INTS_OF(-1), false,
                                         FL_NO_DTYPE));
}

int matrix_rank_tensors_compose(fl_tensor *self, fl_tensor *atol, fl_tensor *rtol, bool hermitian,
                                fl_tensor **y)
{
    return rank_within(self, atol, rtol, hermitian, y);
}

int matrix_rank_numbers_compose(fl_tensor *self, const double *atol, const double *rtol,
                                bool hermitian, fl_tensor **y)
{
    return rank_within(self, op_number(atol), op_number(rtol), hermitian, y);
}

int matrix_rank_tol_compose(fl_tensor *self, double tol, bool hermitian, fl_tensor **y)
{
    return rank_within(self, op_number(&tol), op_number(&(double){0}), hermitian, y);
}

int matrix_rank_tol_tensor_compose(fl_tensor *self, fl_tensor *tol, bool hermitian, fl_tensor **y)
{
    return rank_within(self, tol, op_number(&(double){0}), hermitian, y);
}

/* ||A|| ||A^-1|| where that exists, else infinity. */
static fl_tensor *condition_by_inverse(fl_tensor *a, fl_value order, const char *name)
{
    const fl_ints last = FL_INTS_OF(-2, -1);
    fl_tensor *inverse, *info, *norms[2];
    if (fl_linalg_inv_ex(a, false, &inverse, &info))
        return NULL;
    for (int i = 0; i < 2; i++) {
        fl_tensor *x = i ? inverse : a;
        norms[i] = name ? fl_linalg_matrix_norm_str_ord(x, name, last, false, FL_NO_DTYPE)
                        : fl_linalg_matrix_norm(x, order, last, false, FL_NO_DTYPE);
    }
    fl_tensor *product = fl_mul(norms[0], norms[1]);
    return fl_where_scalar(fl_eq_scalar(info, fl_int(0)), product, fl_float(INFINITY));
}

static int check_condition(fl_tensor *self, const char *name)
{
    if (refuse_few_dims(self, "linalg.cond: The input tensor must have at least 2 dimensions."))
        return -1;
    if (!name)
        return 0;
    if (!self->numel)
        return 1;
    char function[64];
    snprintf(function, sizeof function, "linalg.cond(ord=%s)", name);
    return matrix_check_sides(self, function);
}

static int no_condition(fl_tensor *self, fl_tensor **y)
{
    const fl_dtype real = (fl_dtype)dtype_real(self->dtype);
    return op_give(
        y, fl_zeros((fl_ints){self->sizes, self->ndim - 2}, real, (fl_device){.kind = -1}, false));
}

int linalg_cond_compose(fl_tensor *self, fl_value p, fl_tensor **y)
{
    double order = p.tag == FL_NONE ? 2 : p.tag == FL_FLOATING ? p.as.f : (double)p.as.i;
    char name[32];
    snprintf(name, sizeof name, "%g", order);
    if (fabs(order) != 2 && fabs(order) != 1 && !isinf(order))
        return error_set(FL_RUNTIME_ERROR, "linalg.cond got an invalid norm type: %s", name);
    int checked = check_condition(self, fabs(order) == 2 ? NULL : name);
    if (checked)
        return checked < 0 ? -1 : no_condition(self, y);
    if (fabs(order) != 2)
        return op_give(y, condition_by_inverse(self, p, NULL));
    if (!self->numel)
        return no_condition(self, y);
    fl_tensor *s = fl_linalg_svdvals(self, NULL);
    fl_tensor *first = fl_select(s, -1, 0), *last = fl_select(s, -1, -1);
    return op_give(y, order > 0 ? fl_div(first, last) : fl_div(last, first));
}

int linalg_cond_named_compose(fl_tensor *self, const char *p, fl_tensor **y)
{
    if (strcmp(p, "fro") != 0 && strcmp(p, "nuc") != 0)
        return error_set(FL_RUNTIME_ERROR, "linalg.cond got an invalid norm type: %s", p);
    int checked = check_condition(self, p);
    if (checked)
        return checked < 0 ? -1 : no_condition(self, y);
    return op_give(y, condition_by_inverse(self, fl_int(0), p));
}

/* ---- Chains of products ---------------------------------------------------------------------- */

/* The split of factors i..j that costs least, found for all i and j from short to long (Cormen et
 * al., "Introduction to Algorithms", 15.2). split: n * n ints. */
static void plan(int64_t n, const int64_t *sides, double *cost, int64_t *split)
{
    assert(n >= 2);
    for (int64_t length = 1; length <= n; length++)
        for (int64_t i = 0; i + length <= n; i++) {
            int64_t j = i + length - 1;
            cost[i * n + j] = length == 1 ? 0 : INFINITY;
            for (int64_t k = i; k < j; k++) {
                double ways = (double)sides[i] * (double)sides[k + 1] * (double)sides[j + 1];
                double all = cost[i * n + k] + cost[(k + 1) * n + j] + ways;
                if (all < cost[i * n + j])
                    cost[i * n + j] = all, split[i * n + j] = k;
            }
        }
}

static fl_tensor *multiply_chain(fl_tensor *const *factor, int64_t n, const int64_t *split,
                                 int64_t i, int64_t j)
{
    assert(i >= 0 && i <= j && j < n);
    if (i == j)
        return factor[i];
    int64_t k = split[i * n + j];
    return fl_mm(multiply_chain(factor, n, split, i, k),
                 multiply_chain(factor, n, split, k + 1, j));
}

static fl_tensor *chain(fl_tensor *const *factor, int64_t n)
{
    size_t bytes =
        (size_t)(n * n) * (sizeof(double) + sizeof(int64_t)) + (size_t)(n + 1) * sizeof(int64_t);
    double *cost = memory_alloc(bytes);
    if (!cost)
        return NULL;
    int64_t *split = (int64_t *)(cost + n * n), *sides = split + n * n;
    for (int64_t i = 0; i < n; i++)
        sides[i] = factor[i]->sizes[0];
    sides[n] = factor[n - 1]->sizes[1];
    plan(n, sides, cost, split);
    fl_tensor *y = multiply_chain(factor, n, split, 0, n - 1);
    memory_free(cost, bytes);
    return y;
}

static int check_factors(fl_tensors tensors)
{
    int64_t n = tensors.count;
    if (n < 2)
        return error_set(FL_RUNTIME_ERROR, "multi_dot(): expected at least 2 tensors but got %lld",
                         (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const fl_tensor *t = tensors.data[i], *first = tensors.data[0];
        bool end = i == 0 || i == n - 1;
        if (end && (t->ndim < 1 || t->ndim > 2))
            return error_set(FL_RUNTIME_ERROR,
                             "multi_dot(): the %s tensor must be 1D or 2D but got %dD",
                             i ? "last" : "first", t->ndim);
        if (!end && t->ndim != 2)
            return error_set(FL_RUNTIME_ERROR, "multi_dot(): tensor %lld must be 2D but got %dD",
                             (long long)i, t->ndim);
        if (t->dtype != first->dtype)
            return error_set(FL_RUNTIME_ERROR,
                             "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                             "%s and tensor %lld %s",
                             fl_dtype_name((fl_dtype)first->dtype), (long long)i,
                             fl_dtype_name((fl_dtype)t->dtype));
        if (i == 0)
            continue;
        const fl_tensor *before = tensors.data[i - 1];
        if (before->sizes[before->ndim - 1] == t->sizes[0])
            continue;
        char a[64], b[64];
        return error_set(FL_RUNTIME_ERROR,
                         "multi_dot(): tensors %lld and %lld with shapes %s and %s cannot be "
                         "multiplied",
                         (long long)(i - 1), (long long)i,
                         shape_text(a, sizeof a, before->ndim, before->sizes),
                         shape_text(b, sizeof b, t->ndim, t->sizes));
    }
    return 0;
}

/* A first vector is a row, a last one a column; what they add to the result is taken off again. */
int multi_dot_compose(fl_tensors tensors, fl_tensor **y)
{
    int64_t n = tensors.count;
    if (check_factors(tensors))
        return -1;
    fl_tensor *first = tensors.data[0], *last = tensors.data[n - 1];
    size_t bytes = (size_t)n * sizeof first;
    fl_tensor **factor = memory_alloc(bytes);
    if (!factor)
        return -1;
    memcpy(factor, tensors.data, bytes);
    factor[0] = first->ndim == 1 ? fl_unsqueeze(first, 0) : first;
    factor[n - 1] = last->ndim == 1 ? fl_unsqueeze(last, -1) : last;
    *y = factor[0] && factor[n - 1] ? chain(factor, n) : NULL;
    memory_free(factor, bytes);
    if (last->ndim == 1)
        *y = fl_squeeze_dim(*y, -1);
    if (first->ndim == 1)
        *y = fl_squeeze_dim(*y, 0);
    return *y ? 0 : -1;
}

/* ---- Vectors --------------------------------------------------------------------------------- */

int linalg_vander_compose(fl_tensor *x, const int64_t *N, fl_tensor **y)
{
    int64_t n = N ? *N : x->ndim ? x->sizes[x->ndim - 1] : 1;
    x = x->ndim ? x : fl_unsqueeze(x, 0);
    if (!x)
        return -1;
    if (x->dtype == FL_BOOL || dtype_is_narrow(x->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.vander supports floating point, complex, and integer tensors, but "
                         "got %s",
                         dtype_title(x->dtype));
    if (n <= 1)
        return error_set(FL_RUNTIME_ERROR, "N must be greater than 1.");
    if (!dtype_is_inexact(x->dtype))
        x = fl__cast(x, FL_INT64);
    fl_tensor *column = fl_unsqueeze(x, -1);
    int64_t sizes[TENSOR_MAX_DIMS];
    if (!column)
        return -1;
    memcpy(sizes, column->sizes, (size_t)column->ndim * sizeof *sizes);
    sizes[column->ndim - 1] = n - 1;
    fl_tensor *powers =
        fl_cumprod(fl_expand(column, (fl_ints){sizes, column->ndim}, false), -1, FL_NO_DTYPE);
    fl_tensor *ones = fl_ones_like(column, FL_NO_DTYPE, (fl_device){.kind = -1}, false, -1);
    if (!powers || !ones)
        return -1;
    return op_give(y, fl_cat((fl_tensors){(fl_tensor *[]){ones, powers}, 2}, -1));
}

int cross_compose(fl_tensor *self, fl_tensor *other, const int64_t *dim, fl_tensor **y)
{
    int64_t at = 0;
    if (!dim && warning_give("Using torch.cross without specifying the dim arg is deprecated.\n"
                             "Please either pass the dim explicitly or simply use "
                             "torch.linalg.cross.\nThe default value of dim will change to agree "
                             "with that of linalg.cross in a future release."))
        return -1;
    while (!dim && at < self->ndim && self->sizes[at] != 3)
        at++;
    if (!dim && at == self->ndim)
        return error_set(FL_RUNTIME_ERROR, "no dimension of size 3 in input");
    return op_give(y, fl_linalg_cross(self, other, dim ? *dim : at));
}
