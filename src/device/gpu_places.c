/* Reading and writing at indices that make places first, for index.gpu: self[indices], index_add_,
 * scatter_, and the gradients that add up.
 *
 * Indices become places, which a kernel checks: only when the host has read that all are within is
 * anything written. Elements are added in the CPU's order, by each column's item, and so to its bits. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "device/gpu.h"

enum { MOST = 4, NONE_SKIPPED = -1 }; /* dims with an index; no index in range is below 0 */

struct places {
    int first, count; /* of `seen`: where the indexed dims start, how many there are */
    const fl_tensor *index[MOST];
    int dim[MOST]; /* theirs in self, for messages */
    fl_tensor *
        seen; /* self; where the indexed dims do not stand together, these in front of the others */
    int ndim; /* of the indices, broadcast */
    int64_t sizes[TENSOR_MAX_DIMS], positions;
    int64_t before, n, after; /* seen's elements: around the indexed dims, and in these */
};

/* ---- indices ---- */

/* Adds one dim's indices to run, room for a place of each. 1: one is wrong, in *wrong; -1: an error. */
static int place(struct gpu_call *c, const fl_tensor *index, int64_t n, int64_t skipped, bool wraps,
                 bool first, const void *run, int64_t *wrong)
{
    struct gpu_launch l = {0};
    const int32_t wrap = wraps, begin = first;
    void *found = gpu_index_none(c);
    assert(index->numel > 0 && n >= 0);
    gpu_bytes(&l, &index->numel, sizeof index->numel);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &skipped, sizeof skipped);
    gpu_bytes(&l, &wrap, sizeof wrap);
    gpu_bytes(&l, &begin, sizeof begin);
    gpu_buffer(&l, gpu_operand_as(c, index, FL_INT64));
    gpu_buffer(&l, run);
    gpu_buffer(&l, found);
    gpu_spread(&l, index->numel);
    return gpu_go(c, gpu_text_index, "place_at", &l) ? -1 : gpu_index_wrong(c, found, wrong);
}

/* Whether t broadcasts together with what p has so far; then p is of both. */
static bool join(struct places *p, const fl_tensor *t)
{
    for (int k = 1; k <= p->ndim && k <= t->ndim; k++) {
        const int64_t a = p->sizes[p->ndim - k], b = t->sizes[t->ndim - k];
        if (a != b && a != 1 && b != 1)
            return false;
    }
    return shape_broadcast(&p->ndim, p->sizes, t->ndim, t->sizes) == 0;
}

/* self with the indexed dims in front of the others, which is where PyTorch puts them in a result. */
static fl_tensor *with_indexed_first(const fl_tensor *self, const struct places *p)
{
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    int at = p->count;
    for (int d = 0, k = 0; d < self->ndim; d++) {
        const bool indexed = k < p->count && p->dim[k] == d;
        const int to = indexed ? k++ : at++;
        sizes[to] = self->sizes[d], strides[to] = self->strides[d];
    }
    assert(at == self->ndim);
    return tensor_alias(self, self->ndim, sizes, strides, self->offset);
}

/* False: what the CPU must take, masks, and mistakes; or where the call has failed. p->seen is a new
 * reference, NULL where false. */
static bool places_of(struct gpu_call *c, const fl_tensor *self, const fl_value *indices,
                      struct places *p)
{
    bool together = true;
    *p = (struct places){.before = 1, .n = 1, .after = 1};
    for (uint32_t i = 0; i < indices->count; i++) {
        const fl_tensor *t = indices->as.tensors[i];
        if (!t)
            continue;
        p->first = p->count ? p->first : (int)i;
        if ((t->dtype != FL_INT64 && t->dtype != FL_INT32) || p->count == MOST || !join(p, t))
            return false;
        together &= (int)i == p->first + p->count;
        p->dim[p->count] = (int)i, p->index[p->count++] = t;
    }
    if (!p->count || (int64_t)indices->count > self->ndim)
        return false;
    p->first = together ? p->first : 0;
    p->positions = shape_numel(p->ndim, p->sizes);
    if (p->positions && self->numel == 0)
        return false;
    p->seen = together ? tensor_retain((fl_tensor *)self) : with_indexed_first(self, p);
    for (int d = 0; p->seen && d < self->ndim; d++)
        *(d < p->first              ? &p->before
          : d < p->first + p->count ? &p->n
                                    : &p->after) *= p->seen->sizes[d];
    c->failed |= !p->seen;
    return p->seen != NULL;
}

/* t broadcast to sizes, where it fits; NULL without an error where not. A new reference. */
static fl_tensor *spread(struct gpu_call *c, const fl_tensor *t, int ndim, const int64_t *sizes)
{
    int64_t strides[TENSOR_MAX_DIMS] = {0};
    const int extra = ndim - t->ndim;
    for (int d = 0; d < t->ndim; d++)
        if (extra < 0 || (t->sizes[d] != sizes[extra + d] && t->sizes[d] != 1))
            return NULL;
        else
            strides[extra + d] = t->sizes[d] == 1 ? 0 : t->strides[d];
    fl_tensor *y = tensor_alias(t, ndim, sizes, strides, t->offset);
    c->failed |= !y;
    return y;
}

/* The place of each position, checked; NULL with the error. */
static const void *run_of(struct gpu_call *c, const struct places *p)
{
    void *run = gpu_room(c, p->positions, FL_INT64);
    for (int k = 0; k < p->count; k++) {
        const int64_t n = p->seen->sizes[p->first + k];
        int64_t wrong;
        fl_tensor *index = spread(c, p->index[k], p->ndim, p->sizes);
        int status = index ? place(c, index, n, INT64_MIN, true, k == 0, run, &wrong) : -1;
        tensor_release(index);
        if (status > 0)
            shape_refuse_index(FL_INDEX_ERROR, wrong, p->dim[k], n);
        if (status)
            return NULL;
    }
    return run;
}

/* ---- reading ---- */

/* index(self, indices). */
int gpu_index(struct gpu_call *c)
{
    const fl_tensor *self = gpu_tensor(c, 0);
    struct places p;
    struct gpu_launch l = {0};
    if (self->dtype != c->y[0]->dtype || !places_of(c, self, &c->args[1], &p))
        return DEVICE_CANNOT;
    assert(c->y[0]->numel == p.before * p.positions * p.after);
    const void *run = p.positions ? run_of(c, &p) : NULL, *x = run ? gpu_operand(c, p.seen) : NULL;
    tensor_release(p.seen);
    if (!x)
        return p.positions ? -1 : 0;
    gpu_bytes(&l, &p.before, sizeof p.before);
    gpu_bytes(&l, &p.n, sizeof p.n);
    gpu_bytes(&l, &p.positions, sizeof p.positions);
    gpu_bytes(&l, &p.after, sizeof p.after);
    gpu_buffer(&l, x);
    gpu_buffer(&l, run);
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_buffer(&l, gpu_index_none(c)); /* all are right: nothing will be written there */
    gpu_spread(&l, c->y[0]->numel);
    return gpu_go(c, gpu_text_index, "select_at", &l);
}

/* ---- writing ---- */

/* What becomes of an element that another comes to; the text's. */
enum how { HOW_COPY, HOW_ADD, HOW_MULTIPLY, HOW_GREATEST, HOW_LEAST };

/* What is written, and where: x into y (size[0], size[1], size[2]), both of dtype `stored`, at k places;
 * EACH: a place for each of x's elements; ONE: it is one element. */
enum { AT_PLACES = 0, EACH = 1, ONE = 2 };
struct writing {
    const int64_t *size;
    int64_t k;
    int flags, stored;
    enum how how;
    union loop_scalar alpha; /* what x is multiplied by, but of a copy */
    const void *x, *run, *y;
};

static union loop_scalar one_of(int dtype)
{
    return dtype_is_floating(dtype) ? (union loop_scalar){.f = 1} : (union loop_scalar){.i = 1};
}

static int write_at(struct gpu_call *c, const struct writing *w)
{
    const int32_t of_each = w->flags & EACH, one = w->flags & ONE, as = (int32_t)w->how;
    const int64_t *size = w->size;
    struct gpu_launch l = {0};
    char alpha[8];
    assert(w->k > 0 && gpu_has_dtype(w->stored));
    gpu_bytes(&l, &size[0], sizeof size[0]);
    gpu_bytes(&l, &size[1], sizeof size[1]);
    gpu_bytes(&l, &w->k, sizeof w->k);
    gpu_bytes(&l, &size[2], sizeof size[2]);
    gpu_bytes(&l, &of_each, sizeof of_each);
    gpu_bytes(&l, &one, sizeof one);
    gpu_bytes(&l, &as, sizeof as);
    gpu_bytes(&l, alpha, gpu_scalar(w->alpha, compute_of(c->dtype), alpha));
    gpu_buffer(&l, w->x);
    gpu_buffer(&l, w->run);
    gpu_buffer(&l, w->y);
    gpu_spread(&l, size[0] * size[2]);
    return gpu_go_stored(c, w->stored, gpu_text_index, "write_at", &l);
}

/* Whether a number, which the host has, is one of y's integers. */
static bool is_small(const fl_tensor *number, const fl_tensor *y)
{
    if (number->dtype != FL_INT64 || number->ndim || tensor_device(number) != &device_cpu)
        return false;
    const int bits = 8 * (int)dtype_size(y->dtype) - 1;
    const int64_t value = tensor_number(number, 0).as.i;
    return y->dtype != FL_BOOL && value >= 0 && value <= INT64_MAX >> (63 - bits);
}

/* Whether `from` can be written into y element by element: it has y's dtype, or is a number that y can
 * hold. */
static bool plain(const fl_tensor *y, const fl_tensor *from)
{
    const bool number =
        from->flags & TENSOR_WRAPPED_NUMBER && (dtype_is_floating(y->dtype) || is_small(from, y));
    return (from->dtype == y->dtype || number) && from->storage != y->storage;
}

/* Writes values, which fit, at places that are seen; `into` is seen row by row. */
static int put_at(struct gpu_call *c, const struct places *p, const fl_tensor *values,
                  const fl_tensor *into, enum how how)
{
    const int64_t size[3] = {p->before, p->n, p->after};
    const struct writing w = {.size = size,
                              .k = p->positions,
                              .flags = AT_PLACES,
                              .stored = into->dtype,
                              .how = how,
                              .alpha = one_of(into->dtype),
                              .x = gpu_operand_as(c, values, into->dtype),
                              .run = run_of(c, p),
                              .y = tensor_address(into)};
    return w.run && w.x ? write_at(c, &w) : -1;
}

static int put(struct gpu_call *c, fl_tensor *y, const fl_value *indices, const fl_tensor *values,
               bool adds)
{
    struct places p;
    int ndim = 0;
    int64_t sizes[2 * TENSOR_MAX_DIMS];
    if (!plain(y, values) || !places_of(c, y, indices, &p))
        return DEVICE_CANNOT;
    for (int d = 0; d < p.first; d++)
        sizes[ndim++] = p.seen->sizes[d];
    for (int d = 0; d < p.ndim; d++)
        sizes[ndim++] = p.sizes[d];
    for (int d = p.first + p.count; d < y->ndim; d++)
        sizes[ndim++] = p.seen->sizes[d];
    fl_tensor *whole = ndim <= TENSOR_MAX_DIMS ? spread(c, values, ndim, sizes) : NULL;
    fl_tensor *into = whole ? tensor_contiguous(p.seen) : NULL;
    int status = whole || c->failed ? -1 : DEVICE_CANNOT;
    if (into)
        status = p.positions ? put_at(c, &p, whole, into, adds ? HOW_ADD : HOW_COPY) : 0;
    if (status == 0 && into->storage != y->storage)
        status = tensor_copy(p.seen, into);
    tensor_release(whole), tensor_release(into), tensor_release(p.seen);
    return status;
}

/* index_put_(self, indices, values, accumulate). */
int gpu_index_put(struct gpu_call *c)
{
    return put(c, c->y[0], &c->args[1], gpu_tensor(c, 2), c->args[3].as.i != 0);
}

/* _index_backward(g, size, indices), into zeros. */
int gpu_index_backward(struct gpu_call *c)
{
    return put(c, c->y[0], &c->args[2], gpu_tensor(c, 0), true);
}

/* Whether t has y's sizes but along d. */
static bool alike_but(const fl_tensor *t, const fl_tensor *y, int d)
{
    bool alike = t->ndim == y->ndim;
    for (int k = 0; alike && k < y->ndim; k++)
        alike = k == d || t->sizes[k] == y->sizes[k];
    return alike;
}

/* index_add_(self, dim, index, source, alpha), index_copy_ without alpha. */
int gpu_index_add(struct gpu_call *c)
{
    const bool adds = strcmp(c->name, "index_add_") == 0;
    fl_tensor *y = c->y[0];
    const fl_tensor *index = gpu_tensor(c, 2), *from = gpu_tensor(c, 3);
    const fl_value *alpha = &c->args[4];
    const bool real = dtype_is_floating(y->dtype);
    int64_t size[3], wrong;
    const int d = gpu_along(y, c->args[1].as.i, size);
    if (d < 0)
        return -1;
    if (!plain(y, from) || index->dtype != FL_INT64 || index->ndim > 1 || !alike_but(from, y, d) ||
        (y->ndim ? from->sizes[d] : 1) != index->numel || (from->numel == 0 && index->numel) ||
        (adds && alpha->tag != FL_INTEGER && !(alpha->tag == FL_FLOATING && real)))
        return DEVICE_CANNOT;
    if (index->numel == 0)
        return 0;
    const void *run = gpu_room(c, index->numel, FL_INT64);
    int status = place(c, index, size[1], NONE_SKIPPED, false, true, run, &wrong);
    if (status > 0)
        return adds ? error_set(FL_INDEX_ERROR, "index out of range in self")
                    : error_set(FL_INDEX_ERROR,
                                "index_copy_(): index %lld is out of bounds for dimension %d with "
                                "size %lld",
                                (long long)wrong, d, (long long)size[1]);
    struct writing w = {.size = size,
                        .k = index->numel,
                        .flags = AT_PLACES,
                        .stored = y->dtype,
                        .how = adds ? HOW_ADD : HOW_COPY,
                        .alpha = one_of(y->dtype),
                        .run = run,
                        .y = tensor_address(y)};
    if (adds && real)
        w.alpha.f = alpha->tag == FL_FLOATING ? alpha->as.f : (double)alpha->as.i;
    else if (adds)
        w.alpha.i = alpha->as.i;
    w.x = gpu_operand_as(c, from, y->dtype);
    return status ? -1 : write_at(c, &w);
}

/* Launches reduce_at for what write_at would do in T. */
static int reduce_at(struct gpu_call *c, const struct writing *w, bool mean, bool include_self)
{
    const int32_t own = include_self, divides = mean, as = (int32_t)w->how;
    const int64_t n = w->size[0] * w->size[1] * w->size[2], none = 0;
    struct gpu_launch l = {0};
    assert(w->stored == c->dtype && w->flags == EACH);
    void *hits = gpu_room(c, n, FL_INT64);
    if (!hits || c->g->device.fill(&c->g->device, hits, &none, sizeof none, (size_t)n))
        return -1;
    gpu_bytes(&l, &w->size[0], sizeof *w->size);
    gpu_bytes(&l, &w->size[1], sizeof *w->size);
    gpu_bytes(&l, &w->k, sizeof w->k);
    gpu_bytes(&l, &w->size[2], sizeof *w->size);
    gpu_bytes(&l, &own, sizeof own);
    gpu_bytes(&l, &divides, sizeof divides);
    gpu_bytes(&l, &as, sizeof as);
    gpu_buffer(&l, w->x);
    gpu_buffer(&l, w->run);
    gpu_buffer(&l, hits);
    gpu_buffer(&l, w->y);
    gpu_spread(&l, w->size[0] * w->size[2]);
    return gpu_go(c, gpu_text_index, "reduce_at", &l);
}

/* How scatter_reduce joins; NULL: how scatter_ writes. */
struct joining {
    const char *name;
    enum how how;
    bool mean, include_self;
};

/* Combines `from`, or one element, into y along d where the index says, which may cover a part of
 * either. */
static int scatter(struct gpu_call *c, fl_tensor *y, int d, const fl_tensor *index,
                   const fl_tensor *from, bool one, enum how how, const struct joining *join)
{
    int64_t size[3], own[3], wrong;
    if (index->numel == 0)
        return 0; /* whatever its dims */
    fl_tensor *part = one ? tensor_retain((fl_tensor *)from) : gpu_covered(c, from, index, -1);
    fl_tensor *into = part ? gpu_covered(c, y, index, d) : NULL;
    if (!into || (index->dtype != FL_INT64 && index->dtype != FL_INT32)) {
        tensor_release(part), tensor_release(into);
        return c->failed ? -1 : DEVICE_CANNOT;
    }
    gpu_around(into, d, size);
    gpu_around(index, d, own);
    const void *run = gpu_room(c, index->numel, FL_INT64), *x = gpu_operand_as(c, part, y->dtype);
    fl_tensor *plain_into = tensor_contiguous(into);
    int status = plain_into ? place(c, index, size[1], NONE_SKIPPED, false, true, run, &wrong) : -1;
    if (status > 0)
        status = shape_refuse_index(FL_RUNTIME_ERROR, wrong, d, size[1]);
    else if (status == 0) {
        const struct writing w = {.size = size,
                                  .k = own[1],
                                  .flags = EACH | (one ? ONE : 0),
                                  .stored = y->dtype,
                                  .how = how,
                                  .alpha = one_of(y->dtype),
                                  .x = x,
                                  .run = run,
                                  .y = tensor_address(plain_into)};
        status = join ? reduce_at(c, &w, join->mean, join->include_self) : write_at(c, &w);
    }
    if (status == 0 && plain_into != into)
        status = tensor_copy(into, plain_into);
    tensor_release(part), tensor_release(into), tensor_release(plain_into);
    return status;
}

/* A number as an element of c->y[0]; NULL with the error. A new reference. */
static fl_tensor *element_of(const struct gpu_call *c, fl_value number)
{
    const int dtype = c->y[0]->dtype;
    return number_check(number, dtype) ? NULL : tensor_from_number(number, dtype);
}

/* scatter_add_(self, dim, index, src); scatter_ of src or a value, and with what becomes of it. */
int gpu_scatter(struct gpu_call *c)
{
    const bool adds = strcmp(c->name, "scatter_add_") == 0, one = c->args[3].tag != FL_TENSOR;
    const char *reduce = strstr(c->name, "reduce") ? c->args[4].as.string : NULL;
    const int d = shape_wrap_dim(c->args[1].as.i, c->y[0]->ndim);
    if (d < 0)
        return -1;
    if (reduce && strcmp(reduce, "add") != 0 && strcmp(reduce, "multiply") != 0)
        return DEVICE_CANNOT; /* which refuses it */
    const enum how how = adds                         ? HOW_ADD
                         : !reduce                    ? HOW_COPY
                         : strcmp(reduce, "add") == 0 ? HOW_ADD
                                                      : HOW_MULTIPLY;
    fl_tensor *from = one ? element_of(c, c->args[3]) : tensor_retain(c->args[3].as.tensor);
    int status = !from ? -1
                 : one || plain(c->y[0], from)
                     ? scatter(c, c->y[0], d, gpu_tensor(c, 2), from, one, how, NULL)
                     : DEVICE_CANNOT;
    tensor_release(from);
    return status;
}

/* scatter_reduce.two(self, dim, index, src, reduce, include_self), in a type that is wide enough to
 * count in: rounded once. */
int gpu_scatter_reduce(struct gpu_call *c)
{
    static const struct joining JOINS[] = {{.name = "sum", .how = HOW_ADD},
                                           {.name = "prod", .how = HOW_MULTIPLY},
                                           {.name = "mean", .how = HOW_ADD, .mean = true},
                                           {.name = "amax", .how = HOW_GREATEST},
                                           {.name = "amin", .how = HOW_LEAST}};
    fl_tensor *y = c->y[0];
    const int d = shape_wrap_dim(c->args[1].as.i, y->ndim);
    const fl_tensor *self = gpu_tensor(c, 0), *index = gpu_tensor(c, 2), *from = gpu_tensor(c, 3);
    size_t i = 0;
    if (d < 0)
        return -1;
    while (i < sizeof JOINS / sizeof *JOINS && strcmp(JOINS[i].name, c->args[4].as.string) != 0)
        i++;
    assert(i < sizeof JOINS / sizeof *JOINS); /* the shape function has asked */
    struct joining join = JOINS[i];
    join.include_self = c->args[5].as.i != 0;
    c->dtype = dtype_is_floating(y->dtype) ? c->dtype : FL_INT64;
    fl_tensor *wide = tensor_new_on(&c->g->device, y->ndim, y->sizes, NULL, c->dtype);
    int status = wide ? tensor_copy(wide, self) : -1;
    if (status == 0)
        status = scatter(c, wide, d, index, from, false, join.how, &join);
    if (status == 0)
        status = tensor_copy(y, wide);
    tensor_release(wide);
    return status;
}

/* index_fill_(self, dim, index, value). */
int gpu_index_fill(struct gpu_call *c)
{
    fl_tensor *y = c->y[0];
    const fl_tensor *index = gpu_tensor(c, 2), *given = gpu_tensor(c, 3);
    int64_t size[3], wrong;
    const int d = gpu_along(y, c->args[1].as.i, size);
    if (d < 0)
        return -1;
    if ((given && given->ndim) || index->dtype != FL_INT64 || index->ndim > 1 ||
        (y->numel == 0 && index->numel))
        return DEVICE_CANNOT;
    fl_tensor *one = element_of(c, given ? tensor_number(given, 0) : c->args[3]);
    if (!one || index->numel == 0) {
        const int nothing = one ? 0 : -1;
        tensor_release(one);
        return nothing;
    }
    const struct writing w = {.size = size,
                              .k = index->numel,
                              .flags = ONE,
                              .stored = y->dtype,
                              .how = HOW_COPY,
                              .alpha = one_of(y->dtype),
                              .x = gpu_operand_as(c, one, y->dtype),
                              .run = gpu_room(c, index->numel, FL_INT64),
                              .y = tensor_address(y)};
    int status = place(c, index, size[1], INT64_MIN, true, true, w.run, &wrong);
    if (status > 0)
        status = shape_refuse_index(FL_INDEX_ERROR, wrong, d, size[1]);
    else if (status == 0)
        status = write_at(c, &w);
    tensor_release(one);
    return status;
}

const void *gpu_count_places(struct gpu_call *c, const void *run, int64_t k, int64_t rows)
{
    const int64_t size[3] = {1, rows, 1}, none = 0, one = 1;
    struct device *d = &c->g->device;
    const int computed = c->dtype;
    assert(k > 0 && rows > 0);
    void *counts = gpu_room(c, rows, FL_INT64), *unit = gpu_room(c, 1, FL_INT64);
    if (!counts || !unit || d->fill(d, counts, &none, sizeof none, (size_t)rows) ||
        d->write(d, unit, &one, sizeof one))
        return NULL;
    const struct writing w = {.size = size,
                              .k = k,
                              .flags = ONE,
                              .stored = FL_INT64,
                              .how = HOW_ADD,
                              .alpha = one_of(FL_INT64),
                              .x = unit,
                              .run = run,
                              .y = counts};
    c->dtype = FL_INT64;
    const int status = write_at(c, &w);
    c->dtype = computed;
    return status ? NULL : counts;
}

/* Rows (k, n), each divided by how often its place comes. NULL with the error. */
static const void *divided(struct gpu_call *c, const void *x, const void *run, int64_t k, int64_t n,
                           int64_t rows)
{
    const void *counts = gpu_count_places(c, run, k, rows), *y = gpu_room(c, k * n, c->dtype);
    struct gpu_launch l = {0};
    if (!counts || !y)
        return NULL;
    gpu_bytes(&l, &k, sizeof k);
    gpu_bytes(&l, &n, sizeof n);
    gpu_buffer(&l, x);
    gpu_buffer(&l, run);
    gpu_buffer(&l, counts);
    gpu_buffer(&l, y);
    gpu_spread(&l, k * n);
    return gpu_go(c, gpu_text_index, "divide_rows", &l) ? NULL : y;
}

/* _embedding_backward(g, indices, size, padding_idx, scale_grad_by_freq), into zeros. */
int gpu_embedding_backward(struct gpu_call *c)
{
    fl_tensor *y = c->y[0];
    const fl_tensor *g = gpu_tensor(c, 0), *index = gpu_tensor(c, 1);
    const int64_t zero = 0, skipped = c->args[3].as.i;
    int64_t wrong;
    if (index->numel == 0 || y->numel == 0)
        return DEVICE_CANNOT;
    const int64_t size[3] = {1, y->sizes[0], y->sizes[1]};
    assert(g->numel == index->numel * size[2]);
    void *to = gpu_result(c, 0);
    struct writing w = {.size = size,
                        .k = index->numel,
                        .flags = AT_PLACES,
                        .stored = c->dtype,
                        .how = HOW_ADD,
                        .alpha = one_of(c->dtype),
                        .x = gpu_operand(c, g),
                        .run = gpu_room(c, index->numel, FL_INT64),
                        .y = to};
    if (!to || (y->dtype != c->dtype && c->g->device.fill(&c->g->device, to, &zero,
                                                          dtype_size(c->dtype), (size_t)y->numel)))
        return -1;
    int status = place(c, index, size[1], skipped, false, true, w.run, &wrong);
    if (status > 0)
        return error_set(FL_INDEX_ERROR, "index out of range in self");
    if (status == 0 && c->args[4].as.i)
        status = (w.x = divided(c, w.x, w.run, w.k, size[2], size[1])) ? 0 : -1;
    return status ? -1 : write_at(c, &w);
}
