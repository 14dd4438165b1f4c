/* Sorting along a dim, and what a line in order gives.
 *
 * A line is read as pairs of a key, whose unsigned order is the order of the elements (keys.h), and
 * a position; so one set of algorithms (order.h) serves every dtype. Lines are shared out over the
 * pool.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/sort/keys.h"
#include "ops_kernels.h"

/* ---- lines in parallel ---- */

/* Lengths of lines whose floats are worth taking for distinct. */
enum { LEAST_DISTINCT = 256, MOST_DISTINCT = 4096 };

/* How each line is put in order, and what is written of it: `take` pairs from `skip` on. */
struct job {
    struct lines in, values, indices;
    int64_t per_task, take, skip;
    bool descending, sorted;
    enum { STABLE, ALL, TOP, KTH, MEDIAN, MODE } what;
    _Atomic int failed;
};

/* The longest run of equal keys; the smallest element of the longest, and its last position. A NaN
 * equals nothing. */
static int64_t find_mode(const struct pair *sorted, int64_t n, int dtype)
{
    assert(n > 0);
    int64_t best = 0, most = 0;
    const bool has_nan = dtype_is_floating(dtype);
    const uint64_t nan = keys_nan(dtype);
    for (int64_t i = 0; i < n;) {
        int64_t end = i;
        while (end < n && sorted[end].key == sorted[i].key &&
               (end == i || !has_nan || sorted[i].key != nan))
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
static void order_median(struct pair *a, int64_t n, int dtype)
{
    int64_t at = (n - 1) / 2, equal = 0, nan = dtype_is_floating(dtype) ? 0 : n;
    const uint64_t missing = keys_nan(dtype);
    while (nan < n && a[nan].key != missing)
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

/* All in order as introsort leaves them. Where no two are equal there is one order alone, and a
 * radix sort finds it sooner; floats of a line of middling length are mostly so. */
static struct pair *order_any(const struct job *j, const struct line *from, struct pair *a,
                              struct pair *spare)
{
    if (spare) {
        struct pair *sorted = order_stable(a, spare, from->n);
        int64_t same = 1;
        while (same < from->n && sorted[same].key != sorted[same - 1].key)
            same++;
        if (same == from->n)
            return sorted;
        keys_read(from, j->descending, a);
    }
    order_all(a, from->n);
    return a;
}

static void do_line(struct job *j, int64_t number, struct pair *a, struct pair *spare)
{
    struct line from = line_at(&j->in, number), value = line_at(&j->values, number),
                index = line_at(&j->indices, number);
    if (j->what == STABLE && !dtype_is_floating(from.dtype) &&
        keys_count(&from, j->descending, &value, &index, a))
        return;
    keys_read(&from, j->descending, a);
    if (j->what == STABLE)
        a = order_stable(a, spare, from.n);
    else if (j->what == TOP)
        order_top(a, j->take, from.n, j->sorted);
    else if (j->what == KTH)
        order_nth_recipe(a, j->skip, from.n);
    else if (j->what == MEDIAN)
        order_median(a, from.n, from.dtype);
    else
        a = order_any(j, &from, a, spare);
    if (j->what == MODE)
        a[0].position = find_mode(a, from.n, from.dtype);
    keys_write(&from, a + j->skip, j->take, &value, &index);
}

static void run_task(void *context, int64_t task)
{
    struct job *j = context;
    const int64_t n = j->in.n;
    const bool distinct = (j->what == ALL || j->what == MODE) && n >= LEAST_DISTINCT &&
                          n <= MOST_DISTINCT &&
                          (j->in.dtype == FL_FLOAT32 || j->in.dtype == FL_FLOAT64);
    const bool two = j->what == STABLE || distinct;
    const size_t bytes = (two ? 2 : 1) * sizeof(struct pair) * (size_t)(n + 1);
    struct pair *a = memory_alloc(bytes);
    if (!a) {
        j->failed = 1;
        return;
    }
    for (int64_t i = task * j->per_task; i < (task + 1) * j->per_task && i < j->in.count; i++)
        do_line(j, i, a, two ? a + n : NULL);
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

int min_dim_shape(fl_tensor *self, int64_t dim, bool keepdim, struct op_shape *y)
{
    return extreme_like(self, dim, keepdim, y, "min");
}

int median_dim_shape(fl_tensor *self, int64_t dim, bool keepdim, struct op_shape *y)
{
    return extreme_like(self, dim, keepdim, y, "median");
}

int mode_dim_shape(fl_tensor *self, int64_t dim, bool keepdim, struct op_shape *y)
{
    return extreme_like(self, dim, keepdim, y, "mode");
}

int sort_shape(fl_tensor *self, int64_t dim, bool descending, struct op_shape *y)
{
    (void)descending;
    op_shape_laid_as(&y[0], self);
    op_shape_laid_as(&y[1], self);
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
    assert(shape_equal(values, indices) && indices->dtype == FL_INT64);
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

int topk_check(fl_tensor *self, int64_t k, int64_t dim, bool largest, bool sorted)
{
    (void)k, (void)dim, (void)largest, (void)sorted;
    return self->dtype != FL_BOOL
               ? 0
               : error_set(FL_RUNTIME_ERROR, "topk does not support bool dtypes on CPU");
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
    assert(shape_equal(values, indices) && indices->dtype == FL_INT64);
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
    assert(shape_equal(values, indices) && k >= 1);
    struct job j = {.take = 1, .skip = k - 1, .what = KTH};
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices, keepdim);
}

int median_dim_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values,
                   fl_tensor *indices)
{
    assert(shape_equal(values, indices));
    struct job j = {.take = 1, .what = MEDIAN};
    return run(&j, self, shape_wrap_dim(dim, self->ndim), values, indices, keepdim);
}

int mode_cpu(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor *values, fl_tensor *indices)
{
    assert(shape_equal(values, indices));
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
    assert(y->ndim == 0);
    if (self->numel == 0)
        return tensor_fill(y, fl_float(NAN));
    fl_tensor *dense = tensor_contiguous(self), *index = tensor_new(0, NULL, FL_INT64);
    fl_tensor *row =
        dense ? tensor_alias(dense, 1, &dense->numel, &(int64_t){1}, dense->offset) : NULL;
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
