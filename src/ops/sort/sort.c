/* Sorting along a dim, and what a line in order gives.
 *
 * A line is read as keys of 64 bits whose unsigned order is the order of the elements (NaN last),
 * each with its position; so one set of algorithms on (key, position) pairs (order.h) serves every
 * dtype. Lines are shared out over the pool.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/op.h"
#include "ops/sort/lines.h"
#include "ops/sort/order.h"
#include "ops_kernels.h"
#include "flambeau/ops.h"

/* ---- keys ---- */

/* Flips a double's bits so that unsigned order is numeric order, -0 equal to 0 and every NaN above
 * all. */
static uint64_t key_of_double(double x)
{
    uint64_t bits;
    if (x != x)
        return UINT64_MAX;
    x = x == 0 ? 0 : x;
    memcpy(&bits, &x, 8);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint64_t key_of_int(int64_t x)
{
    return (uint64_t)x ^ UINT64_C(1) << 63;
}

/* Reads a line of n elements as pairs. Descending order inverts keys, so that it is stable too. */
static void read_pairs(const struct line *l, bool descending, struct pair *out)
{
    enum { CHUNK = 256 };
    bool real = dtype_is_floating(l->dtype);
    union {
        double d[CHUNK];
        int64_t i[CHUNK];
    } stage;
    for (int64_t at = 0; at < l->n; at += CHUNK) {
        int64_t m = l->n - at < CHUNK ? l->n - at : CHUNK;
        convert_elements(m, &stage, real ? FL_FLOAT64 : FL_INT64, 8, l->data + at * l->stride,
                         l->dtype, l->stride);
        for (int64_t k = 0; k < m; k++) {
            uint64_t key = real ? key_of_double(stage.d[k]) : key_of_int(stage.i[k]);
            out[at + k] = (struct pair){descending ? ~key : key, at + k};
        }
    }
}

/* ---- lines in parallel ---- */

/* How each line is put in order, and what is written of it: `take` pairs from `skip` on. */
struct job {
    struct lines in, values, indices;
    int64_t per_task, take, skip;
    bool descending, sorted;
    enum { STABLE, ALL, TOP, KTH, MEDIAN, MODE } what;
    _Atomic int failed;
};

static void write_one(const struct line *from, int64_t position, const struct line *value,
                      const struct line *index, int64_t at)
{
    memcpy(value->data + at * value->stride, from->data + position * from->stride,
           dtype_size(from->dtype));
    *(int64_t *)(void *)(index->data + at * index->stride) = position;
}

/* The longest run of equal keys; the smallest element of the longest, and its last position. */
static int64_t find_mode(const struct pair *sorted, int64_t n)
{
    assert(n > 0);
    int64_t best = 0, most = 0;
    for (int64_t i = 0; i < n;) {
        int64_t end = i;
        while (end < n && sorted[end].key == sorted[i].key)
            end++;
        if (end - i > most)
            most = end - i, best = sorted[end - 1].position;
        i = end;
    }
    return best;
}

/* The k least of n at the front. What is little of a long line goes through a heap. */
static void order_top(struct pair *a, int64_t k, int64_t n, bool sorted)
{
    assert(k >= 0 && k <= n);
    if (k <= n / 64) {
        order_least(a, k, n);
        return;
    }
    order_nth(a, k - 1, n);
    if (sorted)
        order_all(a, k - 1);
}

/* Puts the lower median at the front: the first NaN where there is one; of equal elements, the one
 * that a stable order has there. */
static void order_median(struct pair *a, int64_t n, bool real)
{
    int64_t at = (n - 1) / 2, equal = 0, nan = 0;
    while (nan < n && !(real && a[nan].key == UINT64_MAX))
        nan++;
    if (nan < n) {
        a[0] = a[nan];
        return;
    }
    order_nth(a, at, n);
    uint64_t middle = a[at].key;
    for (int64_t i = 0; i < n; i++) {
        if (a[i].key == middle)
            a[equal++] = (struct pair){(uint64_t)a[i].position, a[i].position};
        else
            at -= a[i].key < middle;
    }
    order_nth(a, at, equal);
    a[0] = a[at];
}

static void do_line(struct job *j, int64_t number, struct pair *a, struct pair *spare)
{
    struct line from = line_at(&j->in, number), value = line_at(&j->values, number),
                index = line_at(&j->indices, number);
    read_pairs(&from, j->descending, a);
    if (j->what == STABLE)
        a = order_stable(a, spare, from.n);
    else if (j->what == TOP)
        order_top(a, j->take, from.n, j->sorted);
    else if (j->what == KTH)
        order_nth_recipe(a, j->skip, from.n);
    else if (j->what == MEDIAN)
        order_median(a, from.n, dtype_is_floating(from.dtype));
    else
        order_all(a, from.n);
    if (j->what == MODE) {
        write_one(&from, find_mode(a, from.n), &value, &index, 0);
        return;
    }
    for (int64_t i = 0; i < j->take; i++)
        write_one(&from, a[j->skip + i].position, &value, &index, i);
}

static void run_task(void *context, int64_t task)
{
    struct job *j = context;
    size_t lines = j->what == STABLE ? 2 : 1,
           bytes = lines * sizeof(struct pair) * (size_t)(j->in.n + 1);
    struct pair *a = memory_alloc(bytes);
    if (!a) {
        j->failed = 1;
        return;
    }
    for (int64_t i = task * j->per_task; i < (task + 1) * j->per_task && i < j->in.count; i++)
        do_line(j, i, a, a + j->in.n);
    memory_free(a, bytes);
}

static int run(struct job *j, fl_tensor *self, int dim, fl_tensor *values, fl_tensor *indices,
               bool keeps)
{
    if (values->numel == 0)
        return 0;
    j->in = lines_of(self, dim);
    j->values = lines_of(values, keeps ? dim : -1);
    j->indices = lines_of(indices, keeps ? dim : -1);
    j->per_task = 4096 / (j->in.n + 1) + 1;
    threads_for((j->in.count + j->per_task - 1) / j->per_task, run_task, j);
    return j->failed ? error_set(FL_OUT_OF_MEMORY, "sort: no memory for a line of %lld elements",
                                 (long long)j->in.n)
                     : 0;
}

/* ---- operators ---- */

/* One value and one index a line. */
static int extreme_like(fl_tensor *self, int64_t dim, bool keepdim, struct op_shape *y,
                        const char *what)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (self->ndim && self->sizes[d] == 0)
        return error_set(FL_INDEX_ERROR, "%s(): Expected reduction dim %d to have non-zero size.",
                         what, d);
    op_shape_like(&y[0], self);
    if (self->ndim && keepdim)
        y[0].sizes[d] = 1;
    else if (self->ndim) {
        y[0].ndim--;
        memmove(y[0].sizes + d, y[0].sizes + d + 1, sizeof(int64_t) * (size_t)(self->ndim - d - 1));
    }
    op_shape_set(&y[1], y[0].ndim, y[0].sizes);
    y[1].dtype = FL_INT64;
    return 0;
}

int extreme_shape(fl_tensor *self, int64_t dim, bool keepdim, struct op_shape *y)
{
    return extreme_like(self, dim, keepdim, y, "max");
}

int sort_shape(fl_tensor *self, int64_t dim, bool descending, struct op_shape *y)
{
    (void)descending;
    op_shape_like(&y[0], self);
    op_shape_like(&y[1], self);
    y[1].dtype = FL_INT64;
    return shape_wrap_dim(dim, self->ndim) < 0 ? -1 : 0;
}

int sort_stable_shape(fl_tensor *self, int stable, int64_t dim, bool descending, struct op_shape *y)
{
    (void)stable;
    return sort_shape(self, dim, descending, y);
}

int sort_stable_cpu(fl_tensor *self, int stable, int64_t dim, bool descending, fl_tensor *values,
                    fl_tensor *indices)
{
    int d = shape_wrap_dim(dim, self->ndim);
    struct job j = {.descending = descending,
                    .take = self->ndim ? self->sizes[d] : 1,
                    .what = stable == 1 ? STABLE : ALL};
    /* PyTorch sorts a long row of integers by radix, and an expanded dim not at all. */
    bool radix = self->ndim == 1 && self->numel >= 32768 && !descending &&
                 !dtype_is_floating(self->dtype) && self->dtype != FL_BOOL;
    if (radix || (self->ndim && self->strides[d] == 0))
        j.what = STABLE;
    return run(&j, self, d, values, indices, true);
}

int sort_cpu(fl_tensor *self, int64_t dim, bool descending, fl_tensor *values, fl_tensor *indices)
{
    return sort_stable_cpu(self, false, dim, descending, values, indices);
}

int topk_shape(fl_tensor *self, int64_t k, int64_t dim, bool largest, bool sorted,
               struct op_shape *y)
{
    (void)largest, (void)sorted;
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (k < 0 || k > (self->ndim ? self->sizes[d] : 1))
        return error_set(FL_RUNTIME_ERROR, "selected index k out of range");
    op_shape_like(&y[0], self);
    if (self->ndim)
        y[0].sizes[d] = k;
    op_shape_set(&y[1], y[0].ndim, y[0].sizes);
    y[1].dtype = FL_INT64;
    return 0;
}

int topk_cpu(fl_tensor *self, int64_t k, int64_t dim, bool largest, bool sorted, fl_tensor *values,
             fl_tensor *indices)
{
    struct job j = {.descending = largest, .sorted = sorted, .take = k, .what = TOP};
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices, true);
}

int kthvalue_shape(fl_tensor *self, int64_t k, int64_t dim, bool keepdim, struct op_shape *y)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (extreme_like(self, dim, keepdim, y, "kthvalue"))
        return -1;
    if (k < 1 || k > (self->ndim ? self->sizes[d] : 1))
        return error_set(FL_RUNTIME_ERROR,
                         "kthvalue(): selected number k out of range for dimension %d", d);
    return 0;
}

int kthvalue_cpu(fl_tensor *self, int64_t k, int64_t dim, bool keepdim, fl_tensor *values,
                 fl_tensor *indices)
{
    struct job j = {.take = 1, .skip = k - 1, .what = KTH};
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices, keepdim);
}

int median_dim_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values,
                   fl_tensor *indices)
{
    struct job j = {.take = 1, .what = MEDIAN};
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices, keepdim);
}

int mode_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values, fl_tensor *indices)
{
    struct job j = {.take = 1, .what = MODE};
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices, keepdim);
}

int median_shape(fl_tensor *self, struct op_shape *y)
{
    (void)self;
    op_shape_set(y, 0, NULL);
    return 0;
}

int median_cpu(fl_tensor *self, fl_tensor *y)
{
    if (self->numel == 0)
        return tensor_fill(y, fl_float(NAN));
    fl_tensor *dense = tensor_contiguous(self), *index = tensor_new(0, NULL, FL_INT64);
    fl_tensor *row = dense ? tensor_alias(dense, 1, &dense->numel, &(int64_t){1}, dense->offset)
                           : NULL;
    struct job j = {.take = 1, .what = MEDIAN};
    int status = row && index ? run(&j, row, 0, y, index, false) : -1;
    tensor_release(dense), tensor_release(row), tensor_release(index);
    return status;
}

int argsort_stable_compose(fl_tensor *self, bool stable, int64_t dim, bool descending,
                           fl_tensor **y)
{
    fl_tensor *values;
    return fl_sort_stable(self, stable, dim, descending, &values, y);
}

int argsort_compose(fl_tensor *self, int64_t dim, bool descending, fl_tensor **y)
{
    return argsort_stable_compose(self, false, dim, descending, y);
}

int msort_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *indices;
    return fl_sort(self, 0, false, y, &indices);
}

/* ---- gradients ---- */

int values_backward_compose(fl_tensor *g, int64_t dim, fl_tensor *indices, fl_ints size,
                            bool keepdim, fl_tensor **y)
{
    if (size.count && !keepdim) {
        int64_t d = dim < 0 ? dim + size.count : dim;
        g = fl_unsqueeze(g, d), indices = fl_unsqueeze(indices, d);
    }
    fl_tensor *zeros = g ? fl_zeros(size, (fl_dtype)g->dtype, (fl_device){-1, 0}, false) : NULL;
    *y = fl_scatter_add(zeros, dim, indices, g);
    return *y ? 0 : -1;
}

int running_backward_compose(fl_tensor *g, int64_t dim, fl_tensor *indices, fl_ints size,
                             fl_tensor **y)
{
    fl_tensor *zeros = fl_zeros(size, (fl_dtype)g->dtype, (fl_device){-1, 0}, false);
    *y = fl_scatter_add(zeros, dim, indices, g);
    return *y ? 0 : -1;
}

/* ---- distinct elements ---- */

int unique_all_compose(fl_tensor *self, bool sorted, bool return_inverse, bool return_counts,
                       fl_tensor **values, fl_tensor **inverse, fl_tensor **counts)
{
    (void)sorted, (void)return_inverse, (void)return_counts;
    fl_tensor *order, *row = fl_flatten(self, 0, -1), *all;
    if (!row || fl_sort(row, 0, false, &all, &order))
        return -1;
    int64_t n = self->numel, distinct = 0;
    size_t bytes = dtype_size(self->dtype);
    *inverse = op_adopt(tensor_new(self->ndim, self->sizes, FL_INT64));
    fl_tensor *first = *inverse ? op_adopt(tensor_new(1, &n, FL_INT64)) : NULL;
    if (!first)
        return -1;
    const int64_t *from = tensor_data(order);
    int64_t *start = tensor_data(first), *to = tensor_data(*inverse);
    for (int64_t i = 0; i < n; i++) {
        const char *at = (const char *)tensor_data(all) + (size_t)i * bytes;
        fl_value a = tensor_element(all, i), b = i ? tensor_element(all, i - 1) : a;
        bool same =
            i && (a.tag == FL_FLOATING ? a.as.f == b.as.f : memcmp(at, at - bytes, bytes) == 0);
        if (!same)
            start[distinct++] = i;
        to[from[i]] = distinct - 1;
    }
    int64_t zero = 0;
    fl_tensor *starts = fl_slice(first, 0, &zero, &distinct, 1);
    *values = starts ? fl_index_select(all, 0, starts) : NULL;
    *counts = op_adopt(tensor_new(1, &distinct, FL_INT64));
    int64_t *count = *counts ? tensor_data(*counts) : NULL;
    for (int64_t i = 0; count && i < distinct; i++)
        count[i] = (i + 1 < distinct ? start[i + 1] : n) - start[i];
    return *values && *counts ? 0 : -1;
}
