/* Symmetric indefinite matrices: A = L D L^T with the pivots of Bunch and Kaufman ("Some stable
 * methods for calculating inertia and solving symmetric linear systems", 1977), laid down as LAPACK
 * lays them down: D has blocks of 1 and 2; pivots[k] > 0: row k changed places with row
 * pivots[k] - 1; pivots[k] = pivots[k + 1] < 0: a block of 2, row k + 1 changed places with row
 * -pivots[k] - 1. Of Hermitian matrices it is L D L^H. All numbers are complex here, the imaginary
 * parts of real ones 0: they cost little beside what a second copy would. */
#include <math.h>

#include "core/error.h"
#include "flambeau/ops/linalg.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

#include <complex.h> /* last: its macro `complex` is a name of the other headers */

typedef double _Complex pair;

int ldl_factor_ex_shape(fl_tensor *self, bool hermitian, bool check_errors, struct op_shape *y)
{
    (void)hermitian, (void)check_errors;
    if (matrix_check_square(self, "torch.linalg.ldl_factor_ex", "ldl_factor_kernel_cpu"))
        return -1;
    op_shape_set(&y[0], self->ndim, self->sizes);
    matrix_column_major(&y[0]);
    op_shape_set(&y[1], self->ndim - 1, self->sizes);
    op_shape_set(&y[2], self->ndim - 2, self->sizes);
    y[0].dtype = self->dtype;
    y[1].dtype = y[2].dtype = FL_INT32;
    return 0;
}

/* What stands opposite to x in a symmetric matrix, or in a Hermitian one. */
static pair across(pair x, bool hermitian)
{
    return hermitian ? conj(x) : x;
}

static void swap(pair *x, pair *y)
{
    pair held = *x;
    *x = *y, *y = held;
}

/* Rows and columns p < q of the symmetric matrix a change places, from column `from` on; of a the
 * lower triangle is there. */
static void exchange(int64_t n, pair *a, int64_t p, int64_t q, bool hermitian)
{
    assert(p >= 0 && p < q && q < n);
    for (int64_t i = q + 1; i < n; i++)
        swap(&a[i * n + p], &a[i * n + q]);
    for (int64_t i = p + 1; i < q; i++) {
        pair held = across(a[i * n + p], hermitian);
        a[i * n + p] = across(a[q * n + i], hermitian), a[q * n + i] = held;
    }
    a[q * n + p] = across(a[q * n + p], hermitian);
    swap(&a[p * n + p], &a[q * n + q]);
}

/* How step k pivots: row *row comes to k, or to k + 1 where *two. */
static void choose(int64_t n, const pair *a, int64_t k, int64_t *row, bool *two)
{
    assert(k >= 0 && k < n);
    const double alpha = (1 + sqrt(17)) / 8;
    double here = dense_size(a[k * n + k]), most = 0, other = 0;
    int64_t at = k;
    *row = k, *two = false;
    for (int64_t i = k + 1; i < n; i++)
        if (dense_size(a[i * n + k]) > most)
            most = dense_size(a[i * n + k]), at = i;
    if (here >= alpha * most)
        return;
    for (int64_t j = k; j < at; j++)
        other = fmax(other, dense_size(a[at * n + j]));
    for (int64_t i = at + 1; i < n; i++)
        other = fmax(other, dense_size(a[i * n + at]));
    if (here >= alpha * most * (most / other))
        return;
    *row = at;
    *two = dense_size(a[at * n + at]) < alpha * other;
}

/* Takes the block of column k, or of k and k + 1, out of what is below and right of it. */
static void take_one(int64_t n, pair *a, int64_t k, bool hermitian)
{
    for (int64_t j = k + 1; j < n; j++) {
        pair factor = dense_quotient(across(a[j * n + k], hermitian), a[k * n + k]);
        for (int64_t i = j; i < n; i++)
            a[i * n + j] -= a[i * n + k] * factor;
        a[j * n + j] = hermitian ? creal(a[j * n + j]) : a[j * n + j];
    }
    for (int64_t j = k + 1; j < n; j++)
        a[j * n + k] = dense_quotient(a[j * n + k], a[k * n + k]);
}

/* A block [d1 d across(u); d u d2] of D, divided by d: first and second are d1 / d and d2 / d. */
struct block {
    pair d, u, first, second;
};

static struct block block_at(int64_t n, const pair *a, int64_t k, bool hermitian)
{
    assert(k >= 0 && k + 1 < n);
    pair off = a[(k + 1) * n + k], d = hermitian ? dense_length(creal(off), cimag(off)) : off;
    return (struct block){d, dense_quotient(off, d), dense_quotient(a[k * n + k], d),
                          dense_quotient(a[(k + 1) * n + k + 1], d)};
}

static void take_two(int64_t n, pair *a, int64_t k, bool hermitian)
{
    struct block b = block_at(n, a, k, hermitian);
    pair scale = dense_quotient(dense_quotient(1, b.second * b.first - 1), b.d);
    for (int64_t j = k + 2; j < n; j++) {
        pair p = a[j * n + k], q = a[j * n + k + 1];
        pair x = scale * (b.second * p - b.u * q);
        pair z = scale * (b.first * q - across(b.u, hermitian) * p);
        for (int64_t i = j; i < n; i++)
            a[i * n + j] -=
                a[i * n + k] * across(x, hermitian) + a[i * n + k + 1] * across(z, hermitian);
        a[j * n + j] = hermitian ? creal(a[j * n + j]) : a[j * n + j];
        a[j * n + k] = x, a[j * n + k + 1] = z;
    }
}

/* a [n, n], of which the lower triangle counts, becomes L and D. The first block that is 0, counted
 * from 1, or 0. */
static int factor(int64_t n, pair *a, bool hermitian, int32_t *pivots)
{
    int zero = 0;
    for (int64_t k = 0; k < n;) {
        int64_t row, wide;
        bool two;
        choose(n, a, k, &row, &two);
        wide = two ? k + 1 : k;
        if (row != wide) {
            exchange(n, a, wide, row, hermitian);
            for (int64_t j = k; j < wide; j++)
                swap(&a[wide * n + j], &a[row * n + j]);
        }
        if (two) {
            take_two(n, a, k, hermitian);
        } else if (a[k * n + k] != 0) {
            take_one(n, a, k, hermitian);
        } else {
            zero = zero ? zero : (int)(k + 1);
        }
        pivots[k] = (int32_t)(two ? -(row + 1) : row + 1);
        if (two)
            pivots[k + 1] = pivots[k];
        k += two ? 2 : 1;
    }
    return zero;
}

/* n numbers become complex, and real again where they were. */
static void widen(int parts, int64_t n, double *a)
{
    for (int64_t i = n - 1; parts == 1 && i >= 0; i--)
        a[2 * i] = a[i], a[2 * i + 1] = 0;
}

static void narrow(int parts, int64_t n, double *a)
{
    for (int64_t i = 0; parts == 1 && i < n; i++)
        a[i] = a[2 * i];
}

/* job->flag: the matrix is Hermitian. */
static void factor_one(const struct matrix_job *job, int64_t i, double *plain)
{
    int64_t n = job->rows;
    pair *a = (pair *)plain;
    matrix_load(job->in[0], job->in[0], i, plain);
    widen(job->parts, n * n, plain);
    for (int64_t r = 0; r < n; r++) {
        a[r * n + r] = job->flag ? creal(a[r * n + r]) : a[r * n + r];
        for (int64_t c = r + 1; c < n; c++)
            a[r * n + c] = 0;
    }
    ((int32_t *)tensor_data(job->out[2]))[i] =
        factor(n, a, job->flag, (int32_t *)tensor_data(job->out[1]) + i * n);
    narrow(job->parts, n * n, plain);
    matrix_store(job->out[0], i, plain);
}

static int check_info(const fl_tensor *info, const char *function)
{
    const fl_tensor *seen = op_samples(op_look(info));
    for (int64_t i = 0; seen && i < seen->numel; i++) {
        int at = ((const int32_t *)tensor_data(seen))[i];
        char name[MATRIX_NAME];
        if (at)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.linalg.%s: %sD[%d,%d] is zero and solving with it would "
                             "result in a division by zero.",
                             function, matrix_name(name, info->ndim, i), at, at);
    }
    return seen ? 0 : -1;
}

int ldl_factor_ex_cpu(fl_tensor *self, bool hermitian, bool check_errors, fl_tensor *LD,
                      fl_tensor *pivots, fl_tensor *info)
{
    int64_t n = self->sizes[self->ndim - 1];
    struct matrix_job job = {.one = factor_one,
                             .in = {self},
                             .out = {LD, pivots, info},
                             .rows = n,
                             .flag = hermitian && matrix_parts(self) == 2};
    if (matrix_each(&job, info->numel, 2 * n * n, n * n * n))
        return -1;
    return check_errors ? check_info(info, "ldl_factor_ex") : 0;
}

int ldl_factor_compose(fl_tensor *self, bool hermitian, fl_tensor **LD, fl_tensor **pivots)
{
    fl_tensor *info;
    if (fl_linalg_ldl_factor_ex(self, hermitian, false, LD, pivots, &info))
        return -1;
    return check_info(info, "ldl_factor");
}

/* ---- Solutions ------------------------------------------------------------------------------- */

int ldl_solve_shape(fl_tensor *LD, fl_tensor *pivots, fl_tensor *B, bool hermitian,
                    struct op_shape *y)
{
    static const char NAME[] = "torch.linalg.ldl_solve";
    (void)hermitian;
    if (B->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected B to have at least 2 dimensions, but it has %d dimensions "
                         "instead",
                         NAME, B->ndim);
    if (matrix_check_square(LD, NAME, "ldl_solve_kernel_cpu"))
        return -1;
    long long n = LD->sizes[LD->ndim - 1], rows = B->sizes[B->ndim - 2];
    long long columns = B->sizes[B->ndim - 1];
    if (rows != n)
        return error_set(FL_RUNTIME_ERROR,
                         "Incompatible matrix sizes for %s: each A matrix is %lld by %lld but each "
                         "b matrix is %lld by %lld",
                         NAME, n, n, rows, columns);
    bool same = pivots->ndim == LD->ndim - 1;
    for (int d = 0; same && d < pivots->ndim; d++)
        same = pivots->sizes[d] == LD->sizes[d];
    if (!same)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected LD.shape[:-1] and pivots.shape to be the same, but got "
                         "pivots with shape %s instead",
                         NAME, shape_text((char[128]){0}, 128, pivots->ndim, pivots->sizes));
    if (pivots->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR, "%s: Expected pivots to be integers. Got %s", NAME,
                         dtype_title(pivots->dtype));
    if (matrix_check_same(B, LD) || matrix_broadcast(B, LD, rows, columns, y))
        return -1;
    y->dtype = LD->dtype;
    matrix_column_major(y);
    return 0;
}

static void swap_rows(int64_t k, pair *b, int64_t p, int64_t q)
{
    assert(p >= 0 && q >= 0);
    for (int64_t c = 0; c < k && p != q; c++)
        swap(&b[p * k + c], &b[q * k + c]);
}

/* row [few] -= factor x [few] */
static void subtract(int64_t few, pair *row, pair factor, const pair *x)
{
    factor = -factor;
    dense_add(2, few, (double *)row, (const double *)&factor, (const double *)x);
}

/* Divides rows k and k + 1 of b by the block of D there. */
static void divide_two(int64_t few, struct block d, bool hermitian, pair *b)
{
    pair scale = d.first * d.second - 1;
    for (int64_t c = 0; c < few; c++) {
        pair p = dense_quotient(b[c], d.d), q = dense_quotient(b[few + c], d.d);
        b[c] = dense_quotient(d.second * p - across(d.u, hermitian) * q, scale);
        b[few + c] = dense_quotient(d.first * q - d.u * p, scale);
    }
}

/* b [n, few] becomes X with L D L^H X = b. */
static void solve(int64_t n, int64_t few, const pair *a, const int32_t *pivots, bool hermitian,
                  pair *b)
{
    assert(n >= 0 && few >= 0 && a != b);
    for (int64_t k = 0; k < n;) {
        int wide = pivots[k] < 0 ? 2 : 1;
        swap_rows(few, b, k + wide - 1, (wide == 2 ? -pivots[k] : pivots[k]) - 1);
        for (int64_t r = k + wide; r < n; r++)
            for (int64_t c = k; c < k + wide; c++)
                subtract(few, b + r * few, a[r * n + c], b + c * few);
        for (int64_t c = 0; wide == 1 && c < few; c++)
            b[k * few + c] = dense_quotient(b[k * few + c], a[k * n + k]);
        if (wide == 2)
            divide_two(few, block_at(n, a, k, hermitian), hermitian, b + k * few);
        k += wide;
    }
    for (int64_t k = n - 1; k >= 0;) {
        int wide = pivots[k] < 0 ? 2 : 1;
        for (int64_t c = k - wide + 1; c <= k; c++)
            for (int64_t r = k + 1; r < n; r++)
                subtract(few, b + c * few, across(a[r * n + c], hermitian), b + r * few);
        swap_rows(few, b, k, (wide == 2 ? -pivots[k] : pivots[k]) - 1);
        k -= wide;
    }
}

static void solve_one(const struct matrix_job *job, int64_t i, double *plain)
{
    int64_t n = job->rows, few = job->few;
    pair *a = (pair *)plain, *b = a + n * n;
    matrix_load(job->in[0], job->out[0], i, plain);
    matrix_load(job->in[1], job->out[0], i, (double *)b);
    widen(job->parts, n * n, plain);
    widen(job->parts, n * few, (double *)b);
    solve(n, few, a, job->pivots + matrix_index(job->in[0], job->out[0], i) * n, job->flag, b);
    narrow(job->parts, n * few, (double *)b);
    matrix_store(job->out[0], i, (double *)b);
}

/* Refuses pivots that no factorization leaves, which would lead out of the matrix. */
static int check_pivots(const int32_t *pivots, int64_t count, int64_t n)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t p = pivots[i] < 0 ? -(int64_t)pivots[i] : pivots[i];
        bool pair = pivots[i] >= 0 || (i % n + 1 < n && pivots[i + 1] == pivots[i]);
        if (p < 1 || p > n || !pair)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.linalg.ldl_solve: the pivots are not those of ldl_factor");
        i += pivots[i] < 0;
    }
    return 0;
}

int ldl_solve_cpu(fl_tensor *LD, fl_tensor *pivots, fl_tensor *B, bool hermitian, fl_tensor *y)
{
    int64_t n = LD->sizes[LD->ndim - 1], few = y->sizes[y->ndim - 1];
    fl_tensor *plain = tensor_contiguous(pivots);
    if (!plain)
        return -1;
    struct matrix_job job = {.one = solve_one,
                             .in = {LD, B},
                             .out = {y},
                             .pivots = tensor_data(plain),
                             .rows = n,
                             .few = few,
                             .flag = hermitian && matrix_parts(LD) == 2};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    int status = check_pivots(job.pivots, plain->numel, n);
    if (status == 0)
        status = matrix_each(&job, count, 2 * n * (n + few), 4 * n * n * few);
    tensor_release(plain);
    return status;
}
