/* Extremes, running sums and counts: one pass along each line. */
#include "ops/sort/lines.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/threads.h"
#include "ops/op.h"
#include "ops_kernels.h"

struct lines lines_of(const fl_tensor *t, int dim)
{
    int64_t bytes = (int64_t)dtype_size(t->dtype);
    struct lines l = {.data = t->data, .dtype = t->dtype, .n = 1, .stride = bytes, .count = 1};
    for (int d = 0; d < t->ndim; d++) {
        if (d == dim) {
            l.n = t->sizes[d], l.stride = t->strides[d] * bytes;
            continue;
        }
        l.sizes[l.ndim] = t->sizes[d], l.strides[l.ndim++] = t->strides[d] * bytes;
        l.count *= t->sizes[d];
    }
    return l;
}

struct line line_at(const struct lines *l, int64_t number)
{
    struct line line = {l->data, l->n, l->stride, l->dtype};
    for (int d = l->ndim - 1; d >= 0; d--) {
        line.data += number % l->sizes[d] * l->strides[d];
        number /= l->sizes[d];
    }
    return line;
}

/* ---- one pass over each line ---- */

struct job {
    struct lines in, out, index;
    int64_t per_task;
    enum { GREATEST, SMALLEST, SUM, PRODUCT, RUNNING_GREATEST, RUNNING_SMALLEST, LOG_SUM } what;
    bool values; /* GREATEST and SMALLEST: out is written too */
};

/* An element as a double or, of integers, as itself. */
struct number {
    double d;
    int64_t i;
};

static struct number load(const struct line *l, int64_t at)
{
    struct number x = {0, 0};
    const char *p = l->data + at * l->stride;
    if (l->dtype == FL_FLOAT32) {
        float f;
        memcpy(&f, p, 4);
        x.d = (double)f;
    } else if (dtype_is_floating(l->dtype)) {
        convert_elements(1, &x.d, FL_FLOAT64, 8, p, l->dtype, 0);
    } else {
        convert_elements(1, &x.i, FL_INT64, 8, p, l->dtype, 0);
    }
    return x;
}

/* Whether x beats the best so far; the first NaN beats all. */
static bool beats(bool real, bool greatest, struct number x, struct number best, bool or_equal)
{
    if (!real)
        return greatest ? x.i > best.i || (or_equal && x.i == best.i)
                        : x.i < best.i || (or_equal && x.i == best.i);
    if (best.d != best.d)
        return or_equal && x.d != x.d;
    return x.d != x.d || (greatest ? x.d > best.d : x.d < best.d) || (or_equal && x.d == best.d);
}

static void copy_element(const struct line *to, int64_t at, const struct line *from,
                         int64_t position)
{
    memcpy(to->data + at * to->stride, from->data + position * from->stride,
           dtype_size(from->dtype));
}

static void extreme(const struct job *j, const struct line *in, const struct line *out,
                    const struct line *index)
{
    bool real = dtype_is_floating(in->dtype);
    struct number best = load(in, 0);
    int64_t at = 0;
    for (int64_t i = 1; i < in->n; i++) {
        struct number x = load(in, i);
        if (beats(real, j->what == GREATEST, x, best, false))
            best = x, at = i;
    }
    *(int64_t *)(void *)index->data = at;
    if (j->values)
        copy_element(out, 0, in, at);
}

static void running_extreme(const struct job *j, const struct line *in, const struct line *out,
                            const struct line *index)
{
    bool real = dtype_is_floating(in->dtype);
    struct number best = {0, 0};
    int64_t at = 0;
    for (int64_t i = 0; i < in->n; i++) {
        struct number x = load(in, i);
        if (i == 0 || beats(real, j->what == RUNNING_GREATEST, x, best, true))
            best = x, at = i;
        copy_element(out, i, in, at);
        *(int64_t *)(void *)(index->data + i * index->stride) = at;
    }
}

/* Sums and products in double (or, of integers, in 64 bits), rounded as each is written. */
static void running_total(const struct job *j, const struct line *in, const struct line *out)
{
    bool real = dtype_is_floating(out->dtype);
    struct number total = {j->what == PRODUCT, j->what == PRODUCT};
    double top = -INFINITY, scaled = 0;
    for (int64_t i = 0; i < in->n; i++) {
        struct number x = load(in, i);
        if (real && !dtype_is_floating(in->dtype))
            x.d = (double)x.i;
        if (!real && dtype_is_floating(in->dtype))
            x.i = (int64_t)x.d;
        if (j->what == LOG_SUM) { /* exp(top) * scaled is the sum */
            if (x.d > top)
                scaled = scaled * exp(top - x.d) + 1, top = x.d;
            else if (x.d > -INFINITY || x.d != x.d)
                scaled += exp(x.d - top);
            total.d = isinf(top) && x.d == x.d ? top : top + log(scaled);
        } else if (j->what == SUM) {
            total.d += x.d, total.i += x.i;
        } else {
            total.d *= x.d, total.i *= x.i;
        }
        convert_elements(1, out->data + i * out->stride, out->dtype, 8,
                         real ? (void *)&total.d : (void *)&total.i, real ? FL_FLOAT64 : FL_INT64,
                         8);
    }
}

static void run_task(void *context, int64_t task)
{
    const struct job *j = context;
    for (int64_t i = task * j->per_task; i < (task + 1) * j->per_task && i < j->in.count; i++) {
        struct line in = line_at(&j->in, i), out = {0}, index = {0};
        if (j->out.data)
            out = line_at(&j->out, i);
        if (j->index.data)
            index = line_at(&j->index, i);
        if (j->what <= SMALLEST)
            extreme(j, &in, &out, &index);
        else if (j->what == RUNNING_GREATEST || j->what == RUNNING_SMALLEST)
            running_extreme(j, &in, &out, &index);
        else
            running_total(j, &in, &out);
    }
}

static int run(struct job *j)
{
    j->per_task = 8192 / (j->in.n + 1) + 1;
    if (j->in.n && j->in.count)
        threads_for((j->in.count + j->per_task - 1) / j->per_task, run_task, j);
    return 0;
}

/* ---- extremes ---- */

static int extreme_dim(fl_tensor *self, int64_t dim, bool keepdim, bool greatest, fl_tensor *values,
                       fl_tensor *indices)
{
    int d = shape_wrap_dim(dim, self->ndim);
    struct job j = {.in = lines_of(self, d),
                    .what = greatest ? GREATEST : SMALLEST,
                    .values = true,
                    .out = keepdim ? lines_of(values, d) : lines_of(values, -1),
                    .index = keepdim ? lines_of(indices, d) : lines_of(indices, -1)};
    return run(&j);
}

int max_dim_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values, fl_tensor *indices)
{
    return extreme_dim(self, dim, keepdim, true, values, indices);
}

int min_dim_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values, fl_tensor *indices)
{
    return extreme_dim(self, dim, keepdim, false, values, indices);
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

static int arg(fl_tensor *self, const int64_t *dim, bool keepdim, bool greatest, fl_tensor *y)
{
    fl_tensor *row = dim ? tensor_retain(self) : tensor_contiguous(self);
    if (!row)
        return -1;
    int d = dim ? shape_wrap_dim(*dim, self->ndim) : 0;
    struct job j = {.in = lines_of(row, d), .what = greatest ? GREATEST : SMALLEST};
    if (!dim)
        j.in = (struct lines){.data = row->data,
                              .dtype = row->dtype,
                              .n = row->numel,
                              .stride = (int64_t)dtype_size(row->dtype),
                              .count = 1};
    j.index = dim && keepdim ? lines_of(y, d) : lines_of(y, -1);
    int status = run(&j);
    tensor_release(row);
    return status;
}

int argmax_cpu(fl_tensor *self, const int64_t *dim, bool keepdim, fl_tensor *y)
{
    return arg(self, dim, keepdim, true, y);
}

int argmin_cpu(fl_tensor *self, const int64_t *dim, bool keepdim, fl_tensor *y)
{
    return arg(self, dim, keepdim, false, y);
}

static int running(fl_tensor *self, int64_t dim, bool greatest, fl_tensor *values,
                   fl_tensor *indices)
{
    int d = shape_wrap_dim(dim, self->ndim);
    struct job j = {.in = lines_of(self, d),
                    .out = lines_of(values, d),
                    .index = lines_of(indices, d),
                    .what = greatest ? RUNNING_GREATEST : RUNNING_SMALLEST};
    return run(&j);
}

int running_shape(fl_tensor *self, int64_t dim, struct op_shape *y)
{
    return sort_shape(self, dim, false, y);
}

int cummax_cpu(fl_tensor *self, int64_t dim, fl_tensor *values, fl_tensor *indices)
{
    return running(self, dim, true, values, indices);
}

int cummin_cpu(fl_tensor *self, int64_t dim, fl_tensor *values, fl_tensor *indices)
{
    return running(self, dim, false, values, indices);
}

/* ---- running totals ---- */

int cumulative_shape(fl_tensor *self, int64_t dim, fl_dtype dtype, struct op_shape *y)
{
    op_shape_like(y, self);
    y->dtype = dtype != FL_NO_DTYPE             ? (int)dtype
               : dtype_is_floating(self->dtype) ? self->dtype
                                                : FL_INT64;
    return shape_wrap_dim(dim, self->ndim) < 0 ? -1 : 0;
}

static int total(fl_tensor *self, int64_t dim, fl_tensor *y, int what)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    struct job j = {.in = lines_of(self, d), .out = lines_of(y, d), .what = what};
    return run(&j);
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

int logcumsumexp_cpu(fl_tensor *self, int64_t dim, fl_tensor *y)
{
    return total(self, dim, y, LOG_SUM);
}

/* Without zeros: reversed running sum of g y, over self. With zeros: each row of the Jacobian by
 * products that leave one factor out. */
int cumprod_backward_compose(fl_tensor *g, fl_tensor *self, int64_t dim, fl_tensor *y,
                             fl_tensor **out)
{
    if (self->ndim == 0 || self->numel == 0) {
        *out = g;
        return 0;
    }
    int d = shape_wrap_dim(dim, self->ndim);
    int64_t n = self->sizes[d];
    fl_tensor *zeros = fl_any(fl_eq_scalar(self, fl_int(0)));
    if (!zeros)
        return -1;
    if (fl_item(zeros) == 0) {
        fl_tensor *sums =
            fl_flip(fl_cumsum(fl_flip(fl_mul(g, y), (fl_ints){(int64_t[]){d}, 1}), d, FL_NO_DTYPE),
                    (fl_ints){(int64_t[]){d}, 1});
        *out = fl_div(sums, self);
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
        fl_tensor *rest = fl_cumprod(
            fl_cat((fl_tensors){(fl_tensor *[]){one, after}, after ? 2 : 0}, d), d, FL_NO_DTYPE);
        fl_tensor *chain = before ? fl_mul(rest, before) : rest;
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
    fl_tensor *lowest = fl_full((fl_ints){NULL, 0}, fl_float(-INFINITY), (fl_dtype)g->dtype,
                                (fl_device){-1, 0}, false);
    fl_tensor *half[2];
    for (int negative = 0; negative < 2; negative++) {
        fl_tensor *part = negative ? fl_neg(g) : g;
        fl_tensor *log_g = fl_where(fl_gt_scalar(part, fl_int(0)), fl_log(part), lowest);
        fl_tensor *sums =
            fl_flip(fl_logcumsumexp(fl_flip(fl_sub(log_g, y, fl_int(1)), along), dim), along);
        half[negative] = fl_exp(fl_add(sums, self, fl_int(1)));
    }
    *out = fl_sub(half[0], half[1], fl_int(1));
    return *out ? 0 : -1;
}

/* ---- counting ---- */

static int check_counted(const fl_tensor *self, const fl_tensor *weights, int64_t minlength,
                         int64_t *length)
{
    if (self->ndim != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "bincount only supports 1-d non-negative integral inputs.");
    if (minlength < 0)
        return error_set(FL_RUNTIME_ERROR, "minlength should be >= 0");
    if (weights && weights->numel != self->numel)
        return error_set(FL_RUNTIME_ERROR,
                         "weights should be 1-d and have the same length as input");
    struct lines l = lines_of(self, 0);
    struct line line = line_at(&l, 0);
    *length = minlength;
    for (int64_t i = 0; i < self->numel; i++) {
        int64_t k = load(&line, i).i;
        if (k < 0)
            return error_set(FL_RUNTIME_ERROR,
                             "bincount only supports 1-d non-negative integral inputs.");
        if (k >= *length)
            *length = k + 1;
    }
    return 0;
}

int bincount_shape(fl_tensor *self, fl_tensor *weights, int64_t minlength, struct op_shape *y)
{
    int64_t length;
    if (check_counted(self, weights, minlength, &length))
        return -1;
    op_shape_set(y, 1, &length);
    y->dtype = !weights ? FL_INT64 : weights->dtype == FL_FLOAT32 ? FL_FLOAT32 : FL_FLOAT64;
    y->zero = true;
    return 0;
}

int bincount_cpu(fl_tensor *self, fl_tensor *weights, int64_t minlength, fl_tensor *y)
{
    (void)minlength;
    fl_tensor *which = tensor_as(self, FL_INT64),
              *w = weights ? tensor_as(weights, y->dtype) : NULL;
    int status = which && (w || !weights) ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < self->numel; i++) {
        int64_t k = ((const int64_t *)which->data)[i];
        if (!w)
            ((int64_t *)y->data)[k]++;
        else if (y->dtype == FL_FLOAT32)
            ((float *)y->data)[k] += ((const float *)w->data)[i];
        else
            ((double *)y->data)[k] += ((const double *)w->data)[i];
    }
    tensor_release(which), tensor_release(w);
    return status;
}

int searchsorted_sorted_shape(fl_tensor *sorted, fl_tensor *self, bool out_int32, bool right,
                              struct op_shape *y)
{
    (void)right;
    if (sorted->ndim != 1) {
        bool fits = sorted->ndim == self->ndim;
        for (int d = 0; fits && d < self->ndim - 1; d++)
            fits = sorted->sizes[d] == self->sizes[d];
        if (!fits || sorted->ndim == 0)
            return error_set(
                FL_RUNTIME_ERROR,
                "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
                "dimensions of boundaries tensor and input value tensor must match");
    }
    op_shape_like(y, self);
    y->dtype = out_int32 ? FL_INT32 : FL_INT64;
    return 0;
}

int searchsorted_sorted_cpu(fl_tensor *sorted, fl_tensor *self, bool out_int32, bool right,
                            fl_tensor *y)
{
    (void)out_int32;
    int work = dtype_is_floating(dtype_promote(sorted->dtype, self->dtype)) ? FL_FLOAT64 : FL_INT64;
    fl_tensor *edges = tensor_as(sorted, work), *x = tensor_as(self, work),
              *at = tensor_new(self->ndim, self->sizes, FL_INT64);
    int status = edges && x && at ? 0 : -1;
    int64_t n = sorted->sizes[sorted->ndim - 1],
            row = self->ndim && sorted->ndim > 1 ? self->sizes[self->ndim - 1] : self->numel;
    for (int64_t i = 0; status == 0 && i < x->numel; i++) {
        int64_t low = 0, high = n, base = sorted->ndim > 1 ? i / row * n : 0;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            bool before;
            if (work == FL_FLOAT64) {
                double e = ((const double *)edges->data)[base + middle],
                       v = ((const double *)x->data)[i];
                before = right ? !(e > v) : !(e >= v);
            } else {
                int64_t e = ((const int64_t *)edges->data)[base + middle],
                        v = ((const int64_t *)x->data)[i];
                before = right ? e <= v : e < v;
            }
            *(before ? &low : &high) = middle + before;
        }
        ((int64_t *)at->data)[i] = low;
    }
    if (status == 0)
        status = tensor_copy(y, at);
    tensor_release(edges), tensor_release(x), tensor_release(at);
    return status;
}

int searchsorted_compose(fl_tensor *sorted, fl_value self, bool out_int32, bool right,
                         const char *side, fl_tensor *sorter, fl_tensor **y)
{
    bool left = side && strcmp(side, "left") == 0;
    if (side && !left && strcmp(side, "right") != 0)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.searchsorted(): side can only be 'left' or 'right' but got %s",
                         side);
    if (left && right)
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True");
    fl_tensor *x =
        self.tag == FL_TENSOR
            ? self.as.tensor
            : op_adopt(tensor_from_number(self, self.tag == FL_FLOATING ? FL_FLOAT64 : FL_INT64));
    if (!x)
        return -1;
    if (self.tag != FL_TENSOR && sorted->ndim != 1)
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
            "dimension is 1, but we got boundaries tensor dim(%d)",
            sorted->ndim);
    if (sorter &&
        (sorter->dtype != FL_INT64 || sorter->ndim != sorted->ndim ||
         memcmp(sorter->sizes, sorted->sizes, sizeof(int64_t) * (size_t)sorted->ndim) != 0))
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.searchsorted(): sorter must be an int64 tensor of the size of boundaries");
    fl_tensor *edges = sorter ? fl_gather(sorted, -1, sorter, false) : sorted;
    *y = edges ? fl__searchsorted(edges, x, out_int32, right || (side && !left)) : NULL;
    return *y ? 0 : -1;
}

int bucketize_compose(fl_value self, fl_tensor *boundaries, bool out_int32, bool right,
                      fl_tensor **y)
{
    if (boundaries->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "boundaries tensor must be 1 dimension, but got dim(%d)",
                         boundaries->ndim);
    return searchsorted_compose(boundaries, self, out_int32, right, NULL, NULL, y);
}
