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
    int first, count; /* of self's dims: where the indexed ones start, how many */
    const fl_tensor *index[MOST];
    int ndim; /* of the indices, broadcast */
    int64_t sizes[TENSOR_MAX_DIMS], positions;
    int64_t before, n, after; /* self's elements: around the indexed dims, and in these */
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

/* False: what the CPU must take, masks, dims that do not stand together, and mistakes. */
static bool places_of(const fl_tensor *self, const fl_value *indices, struct places *p)
{
    *p = (struct places){.before = 1, .n = 1, .after = 1};
    for (uint32_t i = 0; i < indices->count; i++) {
        const fl_tensor *t = indices->as.tensors[i];
        if (!t)
            continue;
        p->first = p->count ? p->first : (int)i;
        if ((t->dtype != FL_INT64 && t->dtype != FL_INT32) || p->count == MOST ||
            (int)i != p->first + p->count || !join(p, t))
            return false;
        p->index[p->count++] = t;
    }
    if (!p->count || p->first + p->count > self->ndim || (int64_t)indices->count > self->ndim)
        return false;
    for (int d = 0; d < self->ndim; d++)
        *(d < p->first              ? &p->before
          : d < p->first + p->count ? &p->n
                                    : &p->after) *= self->sizes[d];
    p->positions = shape_numel(p->ndim, p->sizes);
    return p->positions == 0 || p->positions * p->before * p->n * p->after > 0;
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
static const void *run_of(struct gpu_call *c, const fl_tensor *self, const struct places *p)
{
    void *run = gpu_room(c, p->positions, FL_INT64);
    for (int k = 0; k < p->count; k++) {
        const int64_t n = self->sizes[p->first + k];
        int64_t wrong;
        fl_tensor *index = spread(c, p->index[k], p->ndim, p->sizes);
        int status = index ? place(c, index, n, INT64_MIN, true, k == 0, run, &wrong) : -1;
        tensor_release(index);
        if (status > 0)
            shape_refuse_index(FL_INDEX_ERROR, wrong, p->first + k, n);
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
    if (!places_of(self, &c->args[1], &p) || self->dtype != c->y[0]->dtype)
        return DEVICE_CANNOT;
    assert(c->y[0]->numel == p.before * p.positions * p.after);
    if (p.positions == 0)
        return 0;
    const void *run = run_of(c, self, &p);
    if (!run)
        return -1;
    gpu_bytes(&l, &p.before, sizeof p.before);
    gpu_bytes(&l, &p.n, sizeof p.n);
    gpu_bytes(&l, &p.positions, sizeof p.positions);
    gpu_bytes(&l, &p.after, sizeof p.after);
    gpu_buffer(&l, gpu_operand(c, self));
    gpu_buffer(&l, run);
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_buffer(&l, gpu_index_none(c)); /* all are right: nothing will be written there */
    gpu_spread(&l, c->y[0]->numel);
    return gpu_go(c, gpu_text_index, "select_at", &l);
}

/* ---- writing ---- */

/* What becomes of an element that another comes to; the text's. */
enum how { HOW_COPY, HOW_ADD, HOW_MULTIPLY, HOW_GREATEST, HOW_LEAST };

/* x into y (size[0], size[1], size[2]), both of T, at k places; EACH: a place for each of its
 * elements; ONE: it is one element. */
enum { AT_PLACES = 0, EACH = 1, ONE = 2 };
static int write_at(struct gpu_call *c, const int64_t size[3], int64_t k, int flags, enum how how,
                    const void *x, const void *run, const void *y)
{
    const int32_t of_each = flags & EACH, one = flags & ONE, as = (int32_t)how;
    struct gpu_launch l = {0};
    gpu_bytes(&l, &size[0], sizeof size[0]);
    gpu_bytes(&l, &size[1], sizeof size[1]);
    gpu_bytes(&l, &k, sizeof k);
    gpu_bytes(&l, &size[2], sizeof size[2]);
    gpu_bytes(&l, &of_each, sizeof of_each);
    gpu_bytes(&l, &one, sizeof one);
    gpu_bytes(&l, &as, sizeof as);
    gpu_buffer(&l, x);
    gpu_buffer(&l, run);
    gpu_buffer(&l, y);
    gpu_spread(&l, size[0] * size[2]);
    return gpu_go(c, gpu_text_index, "write_at", &l);
}

/* Whether `from` can be written into y element by element, as T. Other dtypes round each sum. */
static bool plain(const struct gpu_call *c, const fl_tensor *y, const fl_tensor *from)
{
    const bool number = from->flags & TENSOR_WRAPPED_NUMBER && dtype_is_floating(y->dtype);
    return y->dtype == c->dtype && (from->dtype == y->dtype || number) &&
           from->storage != y->storage;
}

static int put(struct gpu_call *c, fl_tensor *y, const fl_value *indices, const fl_tensor *values,
               bool adds)
{
    struct places p;
    int ndim = 0;
    int64_t sizes[2 * TENSOR_MAX_DIMS];
    if (!plain(c, y, values) || !places_of(y, indices, &p) ||
        p.ndim + y->ndim - p.count > TENSOR_MAX_DIMS)
        return DEVICE_CANNOT;
    for (int d = 0; d < p.first; d++)
        sizes[ndim++] = y->sizes[d];
    for (int d = 0; d < p.ndim; d++)
        sizes[ndim++] = p.sizes[d];
    for (int d = p.first + p.count; d < y->ndim; d++)
        sizes[ndim++] = y->sizes[d];
    fl_tensor *whole = spread(c, values, ndim, sizes);
    if (!whole)
        return c->failed ? -1 : DEVICE_CANNOT;
    const int64_t size[3] = {p.before, p.n, p.after};
    const void *run = p.positions ? run_of(c, y, &p) : NULL;
    int status = p.positions == 0 ? 0
                 : run ? write_at(c, size, p.positions, AT_PLACES, adds ? HOW_ADD : HOW_COPY,
                                  gpu_operand(c, whole), run, tensor_address(y))
                       : -1;
    tensor_release(whole);
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
    int64_t size[3], wrong;
    const int d = gpu_along(y, c->args[1].as.i, size);
    if (d < 0)
        return -1;
    if (!plain(c, y, from) || index->dtype != FL_INT64 || index->ndim != 1 ||
        !alike_but(from, y, d) || (y->ndim ? from->sizes[d] : 1) != index->numel ||
        (from->numel == 0 && index->numel) ||
        (adds && !(alpha->tag == FL_FLOATING ? alpha->as.f == 1
                                             : alpha->tag == FL_INTEGER && alpha->as.i == 1)))
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
    return status ? -1
                  : write_at(c, size, index->numel, AT_PLACES, adds ? HOW_ADD : HOW_COPY,
                             gpu_operand(c, from), run, tensor_address(y));
}

/* Combines `from`, or one element, into c->y[0] along d where the index says, which may cover a part of
 * either. */
static int scatter(struct gpu_call *c, int d, const fl_tensor *index, const fl_tensor *from,
                   bool one, enum how how)
{
    fl_tensor *y = c->y[0];
    int64_t size[3], own[3], wrong;
    if (!plain(c, y, from))
        return DEVICE_CANNOT;
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
    const void *run = gpu_room(c, index->numel, FL_INT64), *x = gpu_operand(c, part);
    fl_tensor *plain_into = tensor_contiguous(into);
    int status = plain_into ? place(c, index, size[1], NONE_SKIPPED, false, true, run, &wrong) : -1;
    if (status > 0)
        status = shape_refuse_index(FL_RUNTIME_ERROR, wrong, d, size[1]);
    else if (status == 0)
        status = write_at(c, size, own[1], EACH | (one ? ONE : 0), how, x, run,
                          tensor_address(plain_into));
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
    int status = from ? scatter(c, d, gpu_tensor(c, 2), from, one, how) : -1;
    tensor_release(from);
    return status;
}

/* scatter_reduce.two(self, dim, index, src, reduce, include_self): what counts nothing. */
int gpu_scatter_reduce(struct gpu_call *c)
{
    static const struct {
        const char *name;
        enum how how;
    } JOINS[] = {
        {"sum", HOW_ADD}, {"prod", HOW_MULTIPLY}, {"amax", HOW_GREATEST}, {"amin", HOW_LEAST}};
    const int d = shape_wrap_dim(c->args[1].as.i, c->y[0]->ndim);
    const fl_tensor *self = gpu_tensor(c, 0), *index = gpu_tensor(c, 2), *from = gpu_tensor(c, 3);
    if (d < 0)
        return -1;
    for (size_t i = 0; c->args[5].as.i && i < sizeof JOINS / sizeof *JOINS; i++)
        if (strcmp(JOINS[i].name, c->args[4].as.string) == 0)
            return tensor_copy(c->y[0], self) ? -1
                                              : scatter(c, d, index, from, false, JOINS[i].how);
    return DEVICE_CANNOT;
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
    if ((given && (given->ndim || !(given->flags & TENSOR_WRAPPED_NUMBER))) ||
        y->dtype != c->dtype || index->dtype != FL_INT64 || index->ndim > 1 ||
        (y->numel == 0 && index->numel))
        return DEVICE_CANNOT;
    fl_tensor *one = element_of(c, given ? tensor_number(given, 0) : c->args[3]);
    if (!one || index->numel == 0) {
        const int nothing = one ? 0 : -1;
        tensor_release(one);
        return nothing;
    }
    const void *run = gpu_room(c, index->numel, FL_INT64), *x = gpu_operand(c, one);
    int status = place(c, index, size[1], INT64_MIN, true, true, run, &wrong);
    if (status > 0)
        status = shape_refuse_index(FL_INDEX_ERROR, wrong, d, size[1]);
    else if (status == 0)
        status = write_at(c, size, index->numel, ONE, HOW_COPY, x, run, tensor_address(y));
    tensor_release(one);
    return status;
}

/* _embedding_backward(g, indices, size, padding_idx, scale_grad_by_freq), into zeros. */
int gpu_embedding_backward(struct gpu_call *c)
{
    fl_tensor *y = c->y[0];
    const fl_tensor *g = gpu_tensor(c, 0), *index = gpu_tensor(c, 1);
    const int64_t zero = 0, skipped = c->args[3].as.i;
    int64_t wrong;
    if (c->args[4].as.i || index->numel == 0 || y->numel == 0)
        return DEVICE_CANNOT;
    const int64_t size[3] = {1, y->sizes[0], y->sizes[1]};
    assert(g->numel == index->numel * size[2]);
    void *to = gpu_result(c, 0), *run = gpu_room(c, index->numel, FL_INT64);
    if (!to || (y->dtype != c->dtype && c->g->device.fill(&c->g->device, to, &zero,
                                                          dtype_size(c->dtype), (size_t)y->numel)))
        return -1;
    int status = place(c, index, size[1], skipped, false, true, run, &wrong);
    if (status > 0)
        return error_set(FL_INDEX_ERROR, "index out of range in self");
    return status ? -1
                  : write_at(c, size, index->numel, AT_PLACES, HOW_ADD, gpu_operand(c, g), run, to);
}
