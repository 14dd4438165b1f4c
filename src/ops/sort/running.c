/* Extremes, running extremes and running totals along a dim.
 *
 * Lines are passed over many at a time. Along an inner dim they are columns, whose elements are
 * neighbours as they are; along the last dim they are rows, which are turned tile by tile in cache
 * and back. Totals are double (or, of integers, 64 bits) and rounded as each is written, in the
 * order of the line. Work is in float32, float64 or int64; other dtypes are converted.
 */
#include "ops/sort/running.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/convert.h"
#include "core/device.h"
#include "core/error.h"
#include "core/threads.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum {
    ROWS = 32,     /* rows turned together */
    FEW_ROWS = 4,  /* below, each is passed over by itself */
    STEPS = 64,    /* elements of a row turned at a time */
    COLUMNS = 512, /* columns passed over together */
    TASK = 32768   /* elements a task of the pool should have */
};

/* x is (outer, n, inner); y and index too, or (outer, inner) where a line has one result. */
struct job {
    const char *x;
    char *y;        /* or NULL */
    int64_t *index; /* or NULL */
    int work;
    int64_t size, outer, n, inner;
    running_fn pass;
    bool one_result, product;
    int64_t columns; /* passed over together */
    int64_t groups, per_task;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The lines' state before their first step, which lies at x. */
static void begin(const struct job *j, const char *x, int64_t lanes, struct running_pass *p)
{
    const int64_t start = j->product;
    if (p->at) {
        memcpy(p->state, x, (size_t)(lanes * j->size));
        memset(p->at, 0, (size_t)lanes * sizeof *p->at);
    } else {
        convert_elements(lanes, p->state, j->work == FL_INT64 ? FL_INT64 : FL_FLOAT64, 8, &start,
                         FL_INT64, 0);
    }
}

static void finish(const struct job *j, int64_t result, const struct running_pass *p)
{
    if (!j->one_result)
        return;
    memcpy(j->index + result, p->at, (size_t)p->lanes * sizeof *p->at);
    if (j->y)
        memcpy(j->y + result * j->size, p->state, (size_t)(p->lanes * j->size));
}

/* The columns `first` and on of one (n, inner). */
static void pass_columns(const struct job *j, int64_t outer, int64_t first, int64_t lanes)
{
    _Alignas(64) char state[COLUMNS * sizeof(double)];
    int64_t at[COLUMNS], from = outer * j->n * j->inner + first;
    struct running_pass p = {.n = j->n,
                             .lanes = lanes,
                             .x = j->x + from * j->size,
                             .x_stride = j->inner,
                             .y_stride = j->inner,
                             .index_stride = j->inner,
                             .state = state,
                             .at = j->index ? at : NULL};
    if (!j->one_result) {
        p.y = j->y + from * j->size;
        p.index = j->index ? j->index + from : NULL;
    }
    begin(j, p.x, lanes, &p);
    j->pass(&p);
    finish(j, outer * j->inner + first, &p);
}

static void pass_rows(const struct job *j, int64_t first, int64_t lanes)
{
    _Alignas(64) char x[ROWS * STEPS * sizeof(double)], y[sizeof x], state[ROWS * sizeof(double)];
    int64_t index[ROWS * STEPS], at[ROWS];
    const struct convert_kernels *convert = ISA_PICK(convert_kernels);
    const int log2 = j->size == 4 ? 2 : 3;
    const int64_t row = j->n * j->size;
    struct running_pass p = {.lanes = lanes,
                             .x = x,
                             .y = y,
                             .index = index,
                             .x_stride = ROWS,
                             .y_stride = ROWS,
                             .index_stride = ROWS,
                             .state = state,
                             .at = j->index ? at : NULL};
    for (; p.start < j->n; p.start += STEPS) {
        const int64_t from = first * j->n + p.start;
        p.n = least(STEPS, j->n - p.start);
        for (int64_t l = 0; l < lanes; l += 8) /* no more lines than a cache has ways */
            convert->transpose[log2](p.n, least(8, lanes - l), x + l * j->size, ROWS * j->size,
                                     j->x + from * j->size + l * row, row);
        if (p.start == 0)
            begin(j, x, lanes, &p);
        j->pass(&p);
        if (j->one_result)
            continue;
        convert->transpose[log2](lanes, p.n, j->y + from * j->size, row, y, ROWS * j->size);
        if (j->index)
            convert->transpose[3](lanes, p.n, j->index + from, j->n * (int64_t)sizeof *index, index,
                                  ROWS * sizeof *index);
    }
    finish(j, first, &p);
}

static void run_task(void *context, int64_t task)
{
    const struct job *j = context;
    const int64_t end = least((task + 1) * j->per_task, j->groups);
    for (int64_t group = task * j->per_task; group < end; group++) {
        if (j->inner == 1 && j->columns > 1) {
            const int64_t first = group * ROWS, last = least(first + ROWS, j->outer);
            if (last - first >= FEW_ROWS)
                pass_rows(j, first, last - first);
            else
                for (int64_t r = first; r < last; r++)
                    pass_columns(j, r, 0, 1);
        } else {
            const int64_t in_one = (j->inner + j->columns - 1) / j->columns;
            const int64_t first = group % in_one * j->columns;
            pass_columns(j, group / in_one, first, least(j->columns, j->inner - first));
        }
    }
}

/* Passes over the lines of x along dim d into y and index, either of which may be NULL. */
static int run(struct job *j, const fl_tensor *x, int d, fl_tensor *y, fl_tensor *index)
{
    assert(d >= 0 && (d < x->ndim || x->ndim == 0));
    fl_tensor *from = tensor_as(x, j->work), *to = NULL;
    if (y)
        to = y->dtype == j->work ? tensor_retain(y) : tensor_new(y->ndim, y->sizes, j->work);
    int status = from && (to || !y) ? 0 : -1;
    if (status == 0) {
        j->x = tensor_data(from), j->y = to ? tensor_data(to) : NULL;
        j->index = index ? (int64_t *)tensor_data(index) : NULL;
        j->size = (int64_t)dtype_size(j->work);
        j->outer = j->inner = j->n = 1;
        for (int k = 0; k < x->ndim; k++)
            *(k < d ? &j->outer : k == d ? &j->n : &j->inner) *= x->sizes[k];
        const bool rows = j->inner == 1 && j->columns > 1;
        const int64_t lanes = rows ? ROWS : least(j->columns, j->inner);
        j->groups = rows       ? (j->outer + ROWS - 1) / ROWS
                    : j->inner ? j->outer * ((j->inner + j->columns - 1) / j->columns)
                               : 0;
        j->per_task = TASK / (j->n * lanes + 1) + 1;
        if (j->n)
            threads_for((j->groups + j->per_task - 1) / j->per_task, run_task, j);
        if (to && to != y)
            status = tensor_copy(y, to);
    }
    tensor_release(from), tensor_release(to);
    return status;
}

static int work_of(int dtype)
{
    return !dtype_is_floating(dtype) ? FL_INT64 : dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
}

static struct job job_of(enum running what, int dtype)
{
    const struct running_table *table = ISA_PICK(running_table);
    const int work = work_of(dtype);
    return (struct job){.work = work,
                        .columns = COLUMNS,
                        .pass = work == FL_INT64     ? table->i64[what]
                                : work == FL_FLOAT64 ? table->f64[what]
                                                     : table->f32[what],
                        .one_result = what == GREATEST || what == SMALLEST,
                        .product = what == PRODUCT};
}

/* ---- extremes ---- */

static int extreme_dim(fl_tensor *self, int64_t dim, fl_tensor *values, fl_tensor *indices,
                       enum running what)
{
    assert(indices->dtype == FL_INT64 && (!values || shape_equal(values, indices)));
    struct job j = job_of(what, self->dtype);
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices);
}

int max_dim_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values, fl_tensor *indices)
{
    (void)keepdim;
    return extreme_dim(self, dim, values, indices, GREATEST);
}

int min_dim_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values, fl_tensor *indices)
{
    (void)keepdim;
    return extreme_dim(self, dim, values, indices, SMALLEST);
}

static int refuse_bool(const fl_tensor *self, const char *name)
{
    return self->dtype == FL_BOOL
               ? error_set(FL_RUNTIME_ERROR, "%s(): does not support bool input", name)
               : 0;
}

int argmax_check(fl_tensor *self, const int64_t *dim, bool keepdim)
{
    (void)dim, (void)keepdim;
    return refuse_bool(self, "argmax");
}

int argmin_check(fl_tensor *self, const int64_t *dim, bool keepdim)
{
    (void)dim, (void)keepdim;
    return refuse_bool(self, "argmin");
}

int arg_shape(fl_tensor *self, const int64_t *dim, bool keepdim, struct op_shape *y)
{
    int d = dim ? shape_wrap_dim(*dim, self->ndim) : 0;
    if (d < 0)
        return -1;
    if (!dim && self->numel == 0)
        return error_set(
            FL_INDEX_ERROR,
            "argmax(): Expected reduction dim to be specified for input.numel() == 0.");
    if (dim && self->ndim && self->sizes[d] == 0)
        return error_set(FL_INDEX_ERROR,
                         "argmax(): Expected reduction dim %d to have non-zero size.", d);
    y->ndim = 0;
    for (int k = 0; k < self->ndim; k++) {
        bool dropped = !dim || k == d;
        if (!dropped || keepdim)
            y->sizes[y->ndim++] = dropped ? 1 : self->sizes[k];
    }
    return 0;
}

static int arg(fl_tensor *self, const int64_t *dim, fl_tensor *y, enum running what)
{
    assert(y->dtype == FL_INT64);
    if (dim)
        return extreme_dim(self, *dim, NULL, y, what);
    fl_tensor *row = tensor_contiguous(self);
    fl_tensor *line = row ? tensor_alias(row, 1, &row->numel, (int64_t[]){1}, row->offset) : NULL;
    int status = line ? extreme_dim(line, 0, NULL, y, what) : -1;
    tensor_release(line), tensor_release(row);
    return status;
}

int argmax_cpu(fl_tensor *self, const int64_t *dim, bool keepdim, fl_tensor *y)
{
    (void)keepdim;
    return arg(self, dim, y, GREATEST);
}

int argmin_cpu(fl_tensor *self, const int64_t *dim, bool keepdim, fl_tensor *y)
{
    (void)keepdim;
    return arg(self, dim, y, SMALLEST);
}

int running_shape(fl_tensor *self, int64_t dim, struct op_shape *y)
{
    op_shape_like(&y[0], self);
    op_shape_like(&y[1], self);
    y[1].dtype = FL_INT64;
    return shape_wrap_dim(dim, self->ndim) < 0 ? -1 : 0;
}

int cummax_cpu(fl_tensor *self, int64_t dim, fl_tensor *values, fl_tensor *indices)
{
    return extreme_dim(self, dim, values, indices, RUNNING_GREATEST);
}

int cummin_cpu(fl_tensor *self, int64_t dim, fl_tensor *values, fl_tensor *indices)
{
    return extreme_dim(self, dim, values, indices, RUNNING_SMALLEST);
}

/* ---- running totals ---- */

int cumulative_shape(fl_tensor *self, int64_t dim, fl_dtype dtype, struct op_shape *y)
{
    op_shape_like(y, self);
    y->dtype = dtype != FL_NO_DTYPE            ? (int)dtype
               : dtype_is_inexact(self->dtype) ? self->dtype
                                               : FL_INT64;
    return shape_wrap_dim(dim, self->ndim) < 0 ? -1 : 0;
}

static int total(fl_tensor *self, int64_t dim, fl_tensor *y, enum running what)
{
    assert(shape_equal(y, self));
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (dtype_is_complex(y->dtype))
        return running_complex(self, d, y, what == PRODUCT ? RUNNING_PRODUCT : RUNNING_SUM);
    fl_tensor *x =
        tensor_as(self, y->dtype); /* which may wrap or round, before anything is added */
    struct job j = job_of(what, y->dtype);
    int status = x ? run(&j, x, d, y, NULL) : -1;
    tensor_release(x);
    return status;
}

int cumsum_cpu(fl_tensor *self, int64_t dim, fl_dtype dtype, fl_tensor *y)
{
    (void)dtype;
    return total(self, dim, y, SUM);
}

int cumprod_cpu(fl_tensor *self, int64_t dim, fl_dtype dtype, fl_tensor *y)
{
    (void)dtype;
    return total(self, dim, y, PRODUCT);
}

/* One line of doubles; exp(top) * scaled is the sum. */
static void log_sum(const struct running_pass *p)
{
    const double *x = p->x;
    double *y = p->y, top = -INFINITY, scaled = 0;
    bool nan = false;
    for (int64_t i = 0; i < p->n; i++, x += p->x_stride, y += p->y_stride) {
        if (*x > top)
            scaled = scaled * exp(top - *x) + 1, top = *x;
        else if (*x > -INFINITY)
            scaled += exp(*x - top);
        nan |= *x != *x;
        *y = nan ? NAN : isinf(top) ? top : top + log(scaled);
    }
}

int logcumsumexp_cpu(fl_tensor *self, int64_t dim, fl_tensor *y)
{
    assert(shape_equal(y, self));
    int d = shape_wrap_dim(dim, self->ndim);
    if (d >= 0 && dtype_is_complex(y->dtype))
        return running_complex(self, d, y, RUNNING_LOG_SUM);
    struct job j = {.work = FL_FLOAT64, .columns = 1, .pass = log_sum};
    return d < 0 ? -1 : run(&j, self, d, y, NULL);
}

/* The sums of what comes at or behind each place along d. */
static fl_tensor *sums_from_the_end(fl_tensor *t, int64_t d)
{
    fl_ints along = {&d, 1};
    return fl_flip(fl_cumsum(fl_flip(t, along), d, FL_NO_DTYPE), along);
}

/* cumprod's gradient where there are zeros. Before a line's first zero: the reversed running sum of
 * g y there, over self. At the first zero, the sum of g times the products that leave it out, up to
 * the second zero. Beyond: 0. */
static fl_tensor *products_behind_zeros(fl_tensor *g, fl_tensor *self, int64_t d, fl_tensor *y)
{
    const fl_value none = fl_int(0), one = fl_int(1);
    const int64_t n = self->sizes[d], last = n - 1;
    fl_tensor *zero = fl_eq_scalar(self, none);
    fl_tensor *count = zero ? fl_cumsum(zero, d, FL_NO_DTYPE) : NULL;
    fl_tensor *before = count ? fl_eq_scalar(count, none) : NULL;
    fl_tensor *behind = count ? fl_eq_scalar(count, one) : NULL;
    fl_tensor *first = behind ? fl_logical_and(behind, zero) : NULL;
    if (!first)
        return NULL;
    fl_tensor *early =
        fl_div(sums_from_the_end(fl_where_scalar(before, fl_mul(g, y), none), d), self);
    fl_tensor *factors = fl_where_scalar(fl_logical_and(behind, fl_logical_not(zero)), self, one);
    fl_tensor *terms =
        fl_mul(fl_cumprod(factors, d, FL_NO_DTYPE), fl_where_scalar(behind, g, none));
    fl_tensor *sum = fl_sum_dim_intlist(terms, (fl_ints){&d, 1}, true, FL_NO_DTYPE);
    fl_tensor *start =
        fl_ones_like(fl_narrow(y, d, 0, 1), FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    fl_tensor *shifted =
        fl_cat((fl_tensors){(fl_tensor *[]){start, fl_narrow(y, d, 0, last)}, 2}, d);
    return fl_where(before, early, fl_where_scalar(first, fl_mul(shifted, sum), none));
}

/* Without zeros: reversed running sum of g y, over self. With zeros, where the gradient will be
 * derived again: each row of the Jacobian by products that leave one factor out. */
int cumprod_backward_compose(fl_tensor *g, fl_tensor *self, int64_t dim, fl_tensor *y,
                             fl_tensor **out)
{
    if (self->ndim == 0 || self->numel == 0) {
        *out = g;
        return 0;
    }
    int d = shape_wrap_dim(dim, self->ndim);
    int64_t n = self->sizes[d];
    if (n == 1) {
        *out = g;
        return 0;
    }
    fl_tensor *zeros = fl_any(fl_eq_scalar(op_samples(self), fl_int(0)));
    if (!zeros)
        return -1;
    if (tensor_is_meta(zeros) || fl_item(zeros) == 0) {
        *out = fl_div(sums_from_the_end(fl_mul(g, y), d), self);
        return *out ? 0 : -1;
    }
    if (!autograd_mode.grad) {
        *out = products_behind_zeros(g, self, d, y);
        return *out ? 0 : -1;
    }
    fl_value list;
    fl_tensor **part = op_list(&list, n);
    int status = part ? 0 : -1;
    for (int64_t k = 0; status == 0 && k < n;
         k++) { /* d y_j / d x_k, for j >= k, is the product without x_k */
        int64_t next = k + 1;
        fl_tensor *before = k ? fl_slice(y, d, &(int64_t){k - 1}, &k, 1) : NULL;
        fl_tensor *after = fl_slice(self, d, &next, &n, 1);
        fl_tensor *one = fl_ones_like(fl_slice(self, d, &k, &next, 1), FL_NO_DTYPE,
                                      (fl_device){-1, 0}, false, -1);
        fl_tensor *rest =
            fl_cumprod(fl_cat((fl_tensors){(fl_tensor *[]){one, after}, 2}, d), d, FL_NO_DTYPE);
        fl_tensor *chain = k ? fl_mul(rest, before) : rest;
        part[k] = fl_sum_dim_intlist(fl_mul(fl_slice(g, d, &k, &n, 1), chain),
                                     (fl_ints){(int64_t[]){d}, 1}, true, FL_NO_DTYPE);
        status = part[k] ? 0 : -1;
    }
    *out = status == 0 ? fl_cat((fl_tensors){part, n}, d) : NULL;
    op_list_drop(&list);
    return *out ? 0 : -1;
}

int logcumsumexp_backward_compose(fl_tensor *g, fl_tensor *self, fl_tensor *y, int64_t dim,
                                  fl_tensor **out)
{
    /* sum over j >= k of g_j exp(x_k - y_j), by the signs of g apart, in logarithms */
    fl_ints along = {(int64_t[]){self->ndim ? dim : 0}, self->ndim ? 1 : 0};
    if (dtype_is_complex(self->dtype)) { /* whose logarithms need no signs */
        fl_tensor *terms = fl_flip(fl_sub(fl_log(g), y, fl_int(1)), along);
        fl_tensor *sums = fl_flip(fl_logcumsumexp(terms, dim), along);
        *out = fl_exp(fl_add(sums, self, fl_int(1)));
        return *out ? 0 : -1;
    }
    const fl_value lowest = fl_float(-dtypes[g->dtype].largest);
    fl_tensor *half[2];
    for (int negative = 0; negative < 2; negative++) {
        fl_tensor *part = negative ? fl_neg(g) : g;
        fl_tensor *is_part = fl_gt_scalar(part, fl_int(0));
        /* what is left out is 1 before the logarithm, so that its derivative is none */
        fl_tensor *log_g = fl_log(fl_where_scalar(is_part, part, fl_int(1)));
        fl_tensor *terms = fl_sub(fl_where_scalar(is_part, log_g, lowest), y, fl_int(1));
        fl_tensor *sums = fl_flip(fl_logcumsumexp(fl_flip(terms, along), dim), along);
        half[negative] = fl_exp(fl_add(sums, self, fl_int(1)));
    }
    *out = fl_sub(half[0], half[1], fl_int(1));
    return *out ? 0 : -1;
}
