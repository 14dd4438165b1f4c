/* Elements reduced into where an index says: sum, prod, mean, amax or amin.
 *
 * The result starts as a copy, wide enough to count in; each element of src joins the one that index
 * names, in order. Where self is left out, the first that comes takes its place.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/sound.h"
#include "core/warning.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/index/index.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum join { JOIN_SUM, JOIN_PROD, JOIN_MEAN, JOIN_AMAX, JOIN_AMIN };

static int join_of(const char *name)
{
    static const char *const NAMES[] = {"sum", "prod", "mean", "amax", "amin"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return i;
    return error_set(FL_RUNTIME_ERROR,
                     "reduce argument must be either sum, prod, mean, amax or amin, got %s", name);
}

/* The size of a dim; a tensor without dims counts as one of one element. */
static int64_t size_at(const fl_tensor *t, int k)
{
    return t->ndim ? t->sizes[k] : 1;
}

int scatter_reduce_shape(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src,
                         const char *reduce, bool include_self, struct op_shape *y)
{
    int d = shape_wrap_dim(dim, self->ndim);
    (void)include_self;
    if (d < 0 || join_of(reduce) < 0)
        return -1;
    op_shape_like(y, self);
    if (self->dtype != src->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "scatter(): Expected self.dtype to be equal to src.dtype");
    if (index->dtype != FL_INT64 && index->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR, "scatter(): Expected dtype int32/int64 for index");
    const int rank = self->ndim ? self->ndim : 1;
    if (index->numel == 0)
        return 0;
    if ((index->ndim ? index->ndim : 1) != rank || (src->ndim ? src->ndim : 1) != rank)
        return error_set(FL_RUNTIME_ERROR,
                         "Index tensor must have the same number of dimensions "
                         "as %s tensor",
                         (index->ndim ? index->ndim : 1) != rank ? "self" : "src");
    for (int k = 0; k < rank; k++)
        if ((k != d && size_at(index, k) > size_at(self, k)) ||
            size_at(index, k) > size_at(src, k)) {
            char a[128], b[128], c[128];
            return error_set(FL_RUNTIME_ERROR,
                             "Expected index %s to be no larger than self %s apart from dimension "
                             "%d and to be no larger size than src %s",
                             shape_text(a, sizeof a, index->ndim, index->sizes),
                             shape_text(b, sizeof b, self->ndim, self->sizes), d,
                             shape_text(c, sizeof c, src->ndim, src->sizes));
        }
    return 0;
}

/* One call: y and src contiguous, of one working dtype; hits counts what came to each element of y,
 * and is NULL where that does not matter. The index has the strides 0 of an expanded one. */
struct scatter {
    enum join join;
    bool include_self;
    int ndim, dim, row; /* row: the dim of rows */
    const fl_tensor *y, *src, *index;
    int64_t *hits;
};

/* Where a row begins: element i of it joins src[from + i * from_step] to y[to + i * to_step +
 * index[index + i * index_step] * along]. Elements of one place differ along `dim` alone, so they
 * come in order whichever dim rows have. */
struct row {
    int64_t at[TENSOR_MAX_DIMS], index, to, from;
};

/* The next row; false when all are done. */
static bool next_row(const struct scatter *s, struct row *r)
{
    for (int d = s->ndim - 1; d >= 0; d--) {
        if (d == s->row)
            continue;
        const int64_t to_step = d == s->dim ? 0 : s->y->strides[d], from_step = s->src->strides[d];
        r->to += to_step, r->from += from_step, r->index += s->index->strides[d];
        if (++r->at[d] < s->index->sizes[d])
            return true;
        r->to -= r->at[d] * to_step, r->from -= r->at[d] * from_step;
        r->index -= r->at[d] * s->index->strides[d], r->at[d] = 0;
    }
    return false;
}

/* The last dim, or the longest where that is short. */
static int dim_of_rows(const fl_tensor *index)
{
    enum { SHORT_ROW = 16 };
    int row = index->ndim - 1;
    for (int d = row - 1; d >= 0 && index->sizes[index->ndim - 1] < SHORT_ROW; d--)
        if (index->sizes[d] > index->sizes[row])
            row = d;
    return row;
}

/* take ? x : old, without a branch: which one it is cannot be foretold. */
static inline float chosen_f32(bool take, float x, float old)
{
    uint32_t a, b;
    memcpy(&a, &x, sizeof a), memcpy(&b, &old, sizeof b);
    b ^= (a ^ b) & -(uint32_t)take;
    memcpy(&old, &b, sizeof old);
    return old;
}
static inline double chosen_f64(bool take, double x, double old)
{
    uint64_t a, b;
    memcpy(&a, &x, sizeof a), memcpy(&b, &old, sizeof b);
    b ^= (a ^ b) & -(uint64_t)take;
    memcpy(&old, &b, sizeof old);
    return old;
}
static inline int64_t chosen_i64(bool take, int64_t x, int64_t old)
{
    return take ? x : old;
}

/* rows: inlined with a constant join, and hits or none, which only a mean and a left out self need. */
#define JOIN_ALL(type, suffix)                                                                     \
    static inline __attribute__((always_inline)) type joined_##suffix(enum join join, type old,    \
                                                                      type x)                      \
    {                                                                                              \
        if (join == JOIN_PROD)                                                                     \
            return old * x;                                                                        \
        if (join <= JOIN_MEAN)                                                                     \
            return old + x;                                                                        \
        /* NaN stays, and is taken; of equal ones the older maximum, the newer minimum */          \
        return chosen_##suffix((join == JOIN_AMAX ? x > old : x <= old) | (x != x), x, old);       \
    }                                                                                              \
    static inline __attribute__((always_inline)) void rows_##suffix(const struct scatter *s,       \
                                                                    enum join join, int64_t *hits) \
    {                                                                                              \
        const int row = s->row;                                                                    \
        const int64_t n = s->index->sizes[row], along = s->y->strides[s->dim],                     \
                      to_step = s->dim == row ? 0 : s->y->strides[row],                            \
                      from_step = s->src->strides[row], index_step = s->index->strides[row];       \
        const bool run = !hits && index_step == 0 && to_step == 1 && from_step == 1;               \
        struct row r = {{0}, 0, 0, 0};                                                             \
        do {                                                                                       \
            const int64_t *index = (const int64_t *)tensor_data(s->index) + r.index;               \
            const type *src = (const type *)tensor_data(s->src) + r.from;                          \
            type *y = (type *)tensor_data(s->y) + r.to + (run ? *index * along : 0);               \
            for (int64_t i = 0; run && i < n; i++)                                                 \
                y[i] = joined_##suffix(join, y[i], src[i]);                                        \
            for (int64_t i = 0; !run && i < n; i++) {                                              \
                const int64_t to = i * to_step + index[i * index_step] * along;                    \
                const type x = src[i * from_step];                                                 \
                const bool first = hits && hits[r.to + to]++ == 0 && !s->include_self;             \
                y[to] = first ? x : joined_##suffix(join, y[to], x);                               \
            }                                                                                      \
        } while (next_row(s, &r));                                                                 \
    }                                                                                              \
    static void join_##suffix(const struct scatter *s)                                             \
    {                                                                                              \
        type *y = tensor_data(s->y);                                                               \
        if (s->join == JOIN_MEAN || !s->include_self)                                              \
            rows_##suffix(s, s->join, s->hits);                                                    \
        else if (s->join == JOIN_SUM)                                                              \
            rows_##suffix(s, JOIN_SUM, NULL);                                                      \
        else if (s->join == JOIN_PROD)                                                             \
            rows_##suffix(s, JOIN_PROD, NULL);                                                     \
        else if (s->join == JOIN_AMAX)                                                             \
            rows_##suffix(s, JOIN_AMAX, NULL);                                                     \
        else                                                                                       \
            rows_##suffix(s, JOIN_AMIN, NULL);                                                     \
        for (int64_t i = 0; s->join == JOIN_MEAN && i < s->y->numel; i++) {                        \
            const int64_t count = s->hits[i] + (s->include_self ? 1 : 0);                          \
            if (s->hits[i])                                                                        \
                y[i] = divided_##suffix(y[i], count);                                              \
        }                                                                                          \
    }

static inline float divided_f32(float x, int64_t count)
{
    return x / (float)count;
}
static inline double divided_f64(double x, int64_t count)
{
    return x / (double)count;
}
static inline int64_t divided_i64(int64_t x, int64_t count) /* downwards */
{
    return x / count - (x % count < 0);
}

JOIN_ALL(float, f32)
JOIN_ALL(double, f64)
JOIN_ALL(int64_t, i64)

/* A tensor without dims as one of one element: a new reference. */
static fl_tensor *with_dims(const fl_tensor *t)
{
    static const int64_t one = 1;
    return t->ndim ? tensor_retain((fl_tensor *)t) : tensor_alias(t, 1, &one, &one, t->offset);
}

/* The same, contiguous and of that dtype. */
static fl_tensor *dense_of(const fl_tensor *t, int dtype)
{
    fl_tensor *vector = with_dims(t), *dense = vector ? tensor_as(vector, dtype) : NULL;
    tensor_release(vector);
    return dense;
}

/* The index as int64, each element of which is checked once, however often it shows. */
static fl_tensor *checked_index(const fl_tensor *index, int dim, int64_t size)
{
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    assert(index->ndim >= 1 && dim < index->ndim);
    for (int d = 0; d < index->ndim; d++)
        sizes[d] = index->strides[d] ? index->sizes[d] : 1;
    fl_tensor *shown = tensor_alias(index, index->ndim, sizes, index->strides, index->offset);
    fl_tensor *own = shown ? tensor_as(shown, FL_INT64) : NULL, *wide = NULL;
    if (own && index_check(own, dim, size) == 0) {
        for (int d = 0; d < index->ndim; d++)
            strides[d] = index->strides[d] ? own->strides[d] : 0;
        wide = tensor_alias(own, index->ndim, index->sizes, strides, own->offset);
    }
    tensor_release(shown), tensor_release(own);
    return wide;
}

int scatter_reduce_cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src,
                       const char *reduce, bool include_self, fl_tensor *y)
{
    if (index->numel == 0)
        return tensor_copy(y, self);
    const int work = self->dtype == FL_FLOAT64        ? FL_FLOAT64
                     : dtype_is_floating(self->dtype) ? FL_FLOAT32
                                                      : FL_INT64;
    struct scatter s = {.join = (enum join)join_of(reduce), .include_self = include_self};
    fl_tensor *own = dense_of(self, work), *from = dense_of(src, work), *named = with_dims(index),
              *at = NULL, *to = NULL;
    const bool counts = s.join == JOIN_MEAN || !include_self;
    const size_t bytes = sizeof *s.hits * (size_t)(self->numel + 1);
    s.hits = counts ? memory_zalloc(bytes) : NULL;
    if (own && from && named && (s.hits || !counts)) {
        s.ndim = own->ndim, s.dim = shape_wrap_dim(dim, own->ndim);
        at = checked_index(named, s.dim, own->sizes[s.dim]);
    }
    if (at)
        to = y->dtype == work && y->ndim && tensor_is_flat(y)
                 ? tensor_retain(y)
                 : tensor_new(own->ndim, own->sizes, work);
    int status = to ? tensor_copy(to, own) : -1;
    if (status == 0) {
        s.y = to, s.src = from, s.index = at, s.row = dim_of_rows(at);
        work == FL_FLOAT64 ? join_f64(&s) : work == FL_FLOAT32 ? join_f32(&s) : join_i64(&s);
    }
    if (status == 0 && to != y) {
        fl_tensor *shaped = tensor_alias(to, self->ndim, self->sizes, to->strides, to->offset);
        status = shaped ? tensor_copy(y, shaped) : -1;
        tensor_release(shaped);
    }
    memory_free(s.hits, s.hits ? bytes : 0);
    tensor_release(own), tensor_release(from), tensor_release(named);
    tensor_release(at), tensor_release(to);
    return status;
}

/* ---- The gradient ---------------------------------------------------------------------------- */

static fl_tensor *zeros_like(fl_tensor *t)
{
    return fl_zeros_like(t, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
}

struct gradient {
    fl_tensor *g, *self, *src, *result, *index;
    int64_t dim;
    bool include_self;
};

static fl_tensor *gathered(const struct gradient *c, fl_tensor *t)
{
    return fl_gather(t, c->dim, c->index, false);
}

static fl_tensor *reduced(const struct gradient *c, fl_tensor *self, fl_tensor *src)
{
    return fl_scatter_reduce_two(self, c->dim, c->index, src, "prod", c->include_self);
}

static void of_mean(const struct gradient *c, fl_tensor **of_self, fl_tensor **of_src)
{
    fl_tensor *count = c->include_self ? op_ones_of(c->g) : zeros_like(c->g);
    count =
        fl_clamp_min_scalar(fl_scatter_add(count, c->dim, c->index, op_ones_of(c->src)), fl_int(1));
    *of_self = fl_div(c->g, count);
    *of_src = fl_div(gathered(c, c->g), gathered(c, count));
}

/* Shared equally by all that are the extreme; NaN where none is, since the extreme is NaN. */
static void of_extreme(const struct gradient *c, fl_tensor **of_self, fl_tensor **of_src)
{
    fl_tensor *own = op_as(fl_eq(c->self, c->result), c->g->dtype);
    fl_tensor *others = op_as(fl_eq(c->src, gathered(c, c->result)), c->g->dtype);
    if (!c->include_self)
        own = fl_scatter_value(own, c->dim, c->index, fl_int(0));
    fl_tensor *count = fl_scatter_add(own, c->dim, c->index, others);
    fl_tensor *share = fl_div(c->g, count);
    *of_self = fl_mul(own, share);
    *of_src = fl_mul(others, gathered(c, share));
}

/* The product of all others: the whole divided by the element, or made anew where that is the only
 * zero. */
static void of_product(const struct gradient *c, fl_tensor **of_self, fl_tensor **of_src)
{
    fl_tensor *safe_self =
        fl_masked_fill_scalar(c->self, fl_eq_scalar(c->self, fl_int(0)), fl_int(1));
    *of_self = fl_div(fl_mul(c->g, reduced(c, safe_self, c->src)), safe_self);
    fl_tensor *zero = fl_eq_scalar(c->src, fl_int(0));
    fl_tensor *zeros = gathered(
        c, fl_scatter_add(zeros_like(c->self), c->dim, c->index, op_as(zero, c->self->dtype)));
    fl_tensor *alone = fl_logical_and(zero, fl_eq_scalar(zeros, fl_int(1)));
    fl_tensor *without = reduced(c, c->self, fl_masked_fill_scalar(c->src, alone, fl_int(1)));
    *of_src = fl_where(alone, gathered(c, fl_mul(c->g, without)),
                       fl_div(gathered(c, fl_mul(c->g, c->result)),
                              fl_masked_fill_scalar(c->src, zero, fl_int(1))));
}

int scatter_reduce_backward_compose(fl_tensor *g, fl_tensor *self, int64_t dim, fl_tensor *index,
                                    fl_tensor *src, const char *reduce, bool include_self,
                                    fl_tensor *result, fl_tensor **of_self, fl_tensor **of_src)
{
    int64_t corner[TENSOR_MAX_DIMS];
    struct gradient c = {g, self, src, result, index, dim, include_self};
    int join = join_of(reduce);
    if (join < 0)
        return -1;
    if (index->numel == 0) {
        *of_self = g, *of_src = zeros_like(src);
        return *of_src ? 0 : -1;
    }
    bool whole = true; /* index reaches all of src */
    for (int d = 0; d < src->ndim; d++) {
        corner[d] = size_at(index, d);
        whole = whole && corner[d] == src->sizes[d];
    }
    for (int d = 0; !whole && d < src->ndim; d++)
        c.src = fl_narrow(c.src, d, 0, corner[d]);
    if (!whole && !index->ndim) /* so that both are of one shape */
        c.src = fl_reshape(c.src, (fl_ints){NULL, 0});
    if (!c.src)
        return -1;
    if (join == JOIN_SUM)
        *of_self = g, *of_src = gathered(&c, g);
    else if (join == JOIN_MEAN)
        of_mean(&c, of_self, of_src);
    else if (join == JOIN_PROD)
        of_product(&c, of_self, of_src);
    else
        of_extreme(&c, of_self, of_src);
    if (!include_self && *of_self)
        *of_self = fl_scatter_value(*of_self, dim, index, fl_int(0));
    if (!whole && !index->ndim)
        *of_src = fl_reshape(*of_src, (fl_ints){corner, src->ndim});
    for (int d = src->ndim - 1; !whole && d >= 0; d--) {
        int64_t pad[2 * TENSOR_MAX_DIMS] = {0};
        pad[2 * (src->ndim - 1 - d) + 1] = src->sizes[d] - corner[d];
        *of_src = fl_constant_pad_nd(*of_src, (fl_ints){pad, 2 * (src->ndim - d)}, fl_int(0));
    }
    return *of_self && *of_src ? 0 : -1;
}

/* ---- Slices ---------------------------------------------------------------------------------- */

int index_reduce_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *source,
                         const char *reduce, bool include_self, fl_tensor **y)
{
    static atomic_bool warned;
    int64_t shape[TENSOR_MAX_DIMS];
    int d = shape_wrap_dim(dim, self->ndim), join = join_of(reduce);
    if (d < 0 ||
        warning_once(&warned, "index_reduce() is in beta and the API may change at any time."))
        return -1;
    if (join <= JOIN_SUM) {
        fl_error_clear();
        return error_set(FL_RUNTIME_ERROR,
                         "index_reduce(): Expected reduce to be one of prod, mean, amax or amin "
                         "but got %s.",
                         reduce);
    }
    for (int k = 0; k < self->ndim; k++)
        shape[k] = k == d ? -1 : 1;
    fl_tensor *wide = self->ndim == 0 ? fl_reshape(index, (fl_ints){NULL, 0})
                                      : fl_expand(fl_reshape(index, (fl_ints){shape, self->ndim}),
                                                  (fl_ints){source->sizes, source->ndim}, false);
    if (self->ndim == 0)
        source = fl_reshape(source, (fl_ints){NULL, 0});
    *y = fl_scatter_reduce_two(self, dim, wide, source, reduce, include_self);
    return *y ? 0 : -1;
}
