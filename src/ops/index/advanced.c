/* Indexing by tensors: self[i, :, mask], read and written.
 *
 * A mask of k dims becomes k index vectors (the positions that are true). Index tensors broadcast
 * together to B positions; for each, the offset that the indexed dims contribute is worked out
 * once. If the indexed dims stand together the result is (before..., B..., after...), else the
 * indexed dims are moved to the front, and it is (B..., rest...), as in NumPy. self is then
 * contiguous, so that each position is one run of `after` elements; writers work on a copy where it
 * is not.
 */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/sound.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "ops/index/index.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { MOST = TENSOR_MAX_DIMS };

struct plan {
    int first, count; /* where the indexed dims start, how many dims have an index */
    bool together;
    fl_tensor *index[MOST]; /* of dim d: int64, any strides; NULL: the whole dim. References. */
    int ndim;               /* of the broadcast indices */
    int64_t sizes[MOST], positions;
    int64_t before,
        after;       /* elements of the dims around the indexed ones, once these stand together */
    int order[MOST]; /* the dims, indexed ones together */
};

static void plan_drop(struct plan *p)
{
    for (int d = 0; d < MOST; d++)
        tensor_release(p->index[d]);
}

/* The index of dim `dim` and, for masks, of the dims after it; how many dims it took, or -1. */
static int take_index(struct plan *p, const fl_tensor *self, fl_tensor *index, int dim)
{
    assert(dim >= 0);
    if (index_is_mask(index)) {
        if (mask_warn(index) || index_check_mask(self, index, dim))
            return -1;
        fl_tensor *where = mask_positions(index); /* (n, k) */
        if (!where)
            return -1;
        for (int k = 0; k < index->ndim; k++) {
            p->index[dim + k] =
                tensor_alias(where, 1, where->sizes, (int64_t[]){where->strides[0]}, k);
            if (!p->index[dim + k])
                break;
        }
        tensor_release(where);
        return index->ndim && !p->index[dim + index->ndim - 1] ? -1 : index->ndim;
    }
    if (dim >= self->ndim)
        return error_set(FL_INDEX_ERROR, "too many indices for tensor of dimension %d", self->ndim);
    if (!dtype_is_integral(index->dtype)) {
        error_set(FL_INDEX_ERROR,
                  "tensors used as indices must be long, int, byte or bool tensors");
        return error_hint("positions are integers: x[index.long()]",
                          "下标必须是整数：x[index.long()]");
    }
    p->index[dim] = index->dtype == FL_INT64 ? tensor_retain(index) : tensor_as(index, FL_INT64);
    return p->index[dim] ? 1 : -1;
}

static int broadcast_indices(struct plan *p)
{
    for (int d = 0; d < MOST; d++) {
        if (!p->index[d])
            continue;
        if (shape_broadcast(&p->ndim, p->sizes, p->index[d]->ndim, p->index[d]->sizes)) {
            char a[128], b[128];
            fl_tensor *t = p->index[d];
            return error_set(
                FL_INDEX_ERROR,
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                "%s, %s",
                shape_text(a, sizeof a, p->ndim, p->sizes),
                shape_text(b, sizeof b, t->ndim, t->sizes));
        }
    }
    p->positions = shape_numel(p->ndim, p->sizes);
    return p->positions < 0 ? -1 : 0;
}

static int plan_make(struct plan *p, const fl_tensor *self, fl_tensors indices)
{
    memset(p, 0, sizeof *p);
    int dim = 0, last = -1;
    if (indices.count > self->ndim)
        return error_set(FL_INDEX_ERROR, "too many indices for tensor of dimension %d (got %lld)",
                         self->ndim, (long long)indices.count);
    for (int64_t i = 0; i < indices.count; i++) {
        int took = indices.data[i] ? take_index(p, self, indices.data[i], dim) : 1;
        if (took >= 0 && dim + took > self->ndim)
            took = error_set(FL_INDEX_ERROR, "too many indices for tensor of dimension %d",
                             self->ndim);
        if (took < 0)
            goto fail;
        dim += took;
    }
    p->first = -1, p->together = true;
    for (int d = 0; d < self->ndim; d++) {
        if (!p->index[d])
            continue;
        p->together = p->together && (last < 0 || last == d - 1);
        p->first = p->first < 0 ? d : p->first, last = d, p->count++;
    }
    if (p->count == 0)
        p->first = 0;
    int at = 0, start = p->together ? p->first : 0;
    p->before = p->after = 1;
    for (int d = 0; d < start; d++)
        p->order[at++] = d, p->before *= self->sizes[d];
    for (int d = 0; d < self->ndim; d++)
        if (p->index[d])
            p->order[at++] = d;
    for (int d = start; d < self->ndim; d++)
        if (!p->index[d])
            p->order[at++] = d, p->after *= self->sizes[d];
    p->first = start;
    if (broadcast_indices(p) == 0)
        return 0;
fail:
    plan_drop(p);
    return -1;
}

/* The sizes of self[indices]. */
static void result_sizes(const struct plan *p, const fl_tensor *self, int *ndim, int64_t *sizes)
{
    assert(p->first >= 0 && p->first + p->count <= self->ndim);
    *ndim = 0;
    for (int k = 0; k < p->first; k++)
        sizes[(*ndim)++] = self->sizes[p->order[k]];
    for (int k = 0; k < p->ndim; k++)
        sizes[(*ndim)++] = p->sizes[k];
    for (int k = p->first + p->count; k < self->ndim; k++)
        sizes[(*ndim)++] = self->sizes[p->order[k]];
}

/* self with its dims in the plan's order: an alias. */
static fl_tensor *ordered(const struct plan *p, const fl_tensor *self)
{
    int64_t sizes[MOST], strides[MOST];
    for (int k = 0; k < self->ndim; k++)
        sizes[k] = self->sizes[p->order[k]], strides[k] = self->strides[p->order[k]];
    return tensor_alias(self, self->ndim, sizes, strides, self->offset);
}

/* Adds the index's numbers times scale to those of all positions, which are as many and lie alike:
 * false, and nothing is added, where one is out of bounds. */
static bool add_flat(const fl_tensor *t, int64_t size, int64_t scale, int64_t *run)
{
    const int64_t *k = tensor_data(t);
    if (!index_within(k, t->numel, -size, size - 1))
        return false;
    for (int64_t i = 0; i < t->numel; i++)
        run[i] += (k[i] + (k[i] < 0 ? size : 0)) * scale;
    return true;
}

/* For each position, the number of the run of `after` elements it names within one `before`; NULL
 * with IndexError. */
static int64_t *run_numbers(const struct plan *p, const fl_tensor *self)
{
    assert(p->positions >= 0);
    int64_t *run = memory_zalloc(sizeof *run * (size_t)(p->positions + 1)), scale = 1;
    for (int k = p->first + p->count - 1; run && k >= p->first; k--) {
        int dim = p->order[k];
        const fl_tensor *t = p->index[dim];
        int64_t size = self->sizes[dim], strides[MOST], at[MOST] = {0};
        const int64_t *data = tensor_data(t);
        for (int d = 0; d < p->ndim; d++) {
            int s = d - (p->ndim - t->ndim);
            strides[d] = s < 0 || t->sizes[s] == 1 ? 0 : t->strides[s];
        }
        const bool added =
            t->numel == p->positions && tensor_is_flat(t) && add_flat(t, size, scale, run);
        for (int64_t i = 0; !added && i < p->positions; i++) {
            int64_t index = *data;
            if (index < -size || index >= size) {
                memory_free(run, sizeof *run * (size_t)(p->positions + 1));
                shape_refuse_index(FL_INDEX_ERROR, index, dim, size);
                return NULL;
            }
            run[i] += (index < 0 ? index + size : index) * scale;
            for (int d = p->ndim - 1; d >= 0; d--) {
                data += strides[d];
                if (++at[d] < p->sizes[d])
                    break;
                data -= at[d] * strides[d], at[d] = 0;
            }
        }
        scale *= size;
    }
    return run;
}

static int64_t runs_before(const struct plan *p, const fl_tensor *self)
{
    int64_t runs = 1;
    for (int k = p->first; k < p->first + p->count; k++)
        runs *= self->sizes[p->order[k]];
    return runs;
}

/* The mask that is the one index, which needs no positions; NULL where there is more, or less. */
static const fl_tensor *lone_mask(fl_tensors indices)
{
    const fl_tensor *first = indices.count == 1 ? indices.data[0] : NULL;
    return first && index_is_mask(first) && first->ndim ? first : NULL;
}

/* ---- reading ---- */

/* Lays a result out as the operands of PyTorch's loop say: self, of which the dims of the indices tell
 * nothing, then the indices, of which the other dims do not. */
static void lay_out(const struct plan *p, const fl_tensor *self, struct op_shape *y)
{
    int64_t seen[MOST + 1][MOST] = {{0}};
    const int64_t *list[MOST + 1] = {seen[0]};
    int count = 1;
    for (int k = 0; k < self->ndim; k++) {
        const int dim = p->order[k];
        if (!p->index[dim]) {
            seen[0][k < p->first ? k : k - p->count + p->ndim] = self->strides[dim];
            continue;
        }
        const fl_tensor *t = p->index[dim];
        for (int d = 0; d < y->ndim; d++) /* where all are of size 1, strides tell all the same */
            seen[count][d] = y->sizes[d] == 1 ? d < p->first ? t->numel : 1 : 0;
        for (int d = 0; d < t->ndim; d++)
            seen[count][p->first + p->ndim - t->ndim + d] = t->sizes[d] == 1 ? 0 : t->strides[d];
        list[count] = seen[count], count++;
    }
    shape_lay(y->ndim, y->sizes, count, list, y->strides);
    y->strided = true;
}

int index_shape(fl_tensor *self, fl_tensors indices, struct op_shape *y)
{
    const fl_tensor *mask = lone_mask(indices);
    if (mask) {
        if (index_check_mask(self, mask, 0) || (y->sizes[0] = mask_count(mask)) < 0)
            return -1;
        int64_t seen[MOST] = {0};
        const int64_t *list = seen;
        y->ndim = 1;
        for (int d = mask->ndim; d < self->ndim; d++, y->ndim++)
            y->sizes[y->ndim] = self->sizes[d], seen[y->ndim] = self->strides[d];
        if ((y->strided = !(self->flags & TENSOR_CONTIGUOUS)))
            shape_lay(y->ndim, y->sizes, 1, &list, y->strides);
        return 0;
    }
    struct plan p;
    if (plan_make(&p, self, indices))
        return -1;
    bool plain = self->flags & TENSOR_CONTIGUOUS;
    for (int d = 0; d < self->ndim && plain; d++)
        plain = !p.index[d] || p.index[d]->ndim < 2 || p.index[d]->flags & TENSOR_CONTIGUOUS;
    result_sizes(&p, self, &y->ndim, y->sizes);
    if (!plain)
        lay_out(&p, self, y);
    plan_drop(&p);
    return 0;
}

/* self[indices] into y, which is contiguous. */
static int read_positions(const fl_tensor *self, fl_tensors indices, fl_tensor *y)
{
    assert(y->flags & TENSOR_CONTIGUOUS);
    struct plan p;
    if (plan_make(&p, self, indices))
        return -1;
    int status = -1;
    fl_tensor *alias = ordered(&p, self), *from = alias ? tensor_contiguous(alias) : NULL;
    int64_t *run = from ? run_numbers(&p, self) : NULL;
    if (run) {
        size_t bytes = (size_t)p.after * dtype_size(self->dtype);
        int64_t runs = runs_before(&p, self);
        const char *source = tensor_data(from);
        char *to = tensor_data(y);
        for (int64_t b = 0; b < p.before && bytes; b++)
            index_pick(to + (size_t)(b * p.positions) * bytes, source + (size_t)(b * runs) * bytes,
                       p.positions, run, bytes);
        status = 0;
        memory_free(run, sizeof *run * (size_t)(p.positions + 1));
    }
    tensor_release(alias), tensor_release(from);
    plan_drop(&p);
    return status;
}

int index_cpu(fl_tensor *self, fl_tensors indices, fl_tensor *y)
{
    assert(y->dtype == self->dtype);
    const fl_tensor *mask = lone_mask(indices);
    fl_tensor *to =
        y->flags & TENSOR_CONTIGUOUS ? tensor_retain(y) : tensor_new(y->ndim, y->sizes, y->dtype);
    int status = !to ? -1 : mask ? mask_read(self, mask, to) : read_positions(self, indices, to);
    if (status == 0 && to != y)
        status = tensor_copy(y, to);
    tensor_release(to);
    return status;
}

/* ---- writing ---- */

/* Writes or adds `values`, contiguous and of self's dtype and result_sizes, at the indices of self.
 */
static int put(struct plan *p, fl_tensor *self, const fl_tensor *values, bool accumulate)
{
    int status = -1;
    fl_tensor *alias = ordered(p, self), *into = alias ? tensor_contiguous(alias) : NULL;
    int64_t *run = into ? run_numbers(p, self) : NULL;
    uint8_t *marks = run && into != alias ? memory_zalloc((size_t)self->numel + 1) : NULL;
    if (run && (marks || into == alias)) {
        size_t bytes = (size_t)p->after * dtype_size(self->dtype);
        int64_t runs = runs_before(p, self);
        const char *from = tensor_data(values);
        char *to = tensor_data(into);
        for (int64_t b = 0; b < p->before && bytes; b++, to += (size_t)runs * bytes) {
            if (accumulate)
                index_add_at(self->dtype, to, p->positions, run, p->after, from);
            for (int64_t i = 0; !accumulate && i < p->positions; i++)
                index_move(to + (size_t)run[i] * bytes, from + (size_t)i * bytes, bytes);
            for (int64_t i = 0; marks && i < p->positions; i++)
                memset(marks + (b * runs + run[i]) * p->after, 1, (size_t)p->after);
            from += (size_t)p->positions * bytes;
        }
        if (marks)
            mask_write(alias, into, marks);
        status = 0;
    }
    memory_free(marks, (size_t)self->numel + 1);
    if (run)
        memory_free(run, sizeof *run * (size_t)(p->positions + 1));
    tensor_release(alias), tensor_release(into);
    return status;
}

/* `values` spread over the plan's result, contiguous, as self's dtype. */
static fl_tensor *spread_values(const struct plan *p, const fl_tensor *self,
                                const fl_tensor *values)
{
    int ndim, extra;
    int64_t sizes[MOST], strides[MOST];
    result_sizes(p, self, &ndim, sizes);
    int skip = 0; /* leading dims of size 1 that values has beyond the result */
    while (values->ndim - skip > ndim && values->sizes[skip] == 1)
        skip++;
    extra = ndim - (values->ndim - skip);
    bool fits = extra >= 0;
    for (int d = 0; fits && d < ndim; d++) {
        int s = d - extra + skip;
        fits = d < extra || values->sizes[s] == sizes[d] || values->sizes[s] == 1;
        strides[d] = d < extra || values->sizes[s] == 1 ? 0 : values->strides[s];
    }
    if (!fits) {
        char a[128], b[128];
        return error_null(
            FL_RUNTIME_ERROR,
            "shape mismatch: value tensor of shape %s cannot be broadcast to indexing result of "
            "shape %s",
            shape_text(a, sizeof a, values->ndim, values->sizes),
            shape_text(b, sizeof b, ndim, sizes));
    }
    fl_tensor *alias = tensor_alias(values, ndim, sizes, strides, values->offset);
    fl_tensor *dense = alias ? tensor_as(alias, self->dtype) : NULL;
    tensor_release(alias);
    return dense;
}

/* Whether it is masked_fill in other words, which converts: one element, put where one mask is true.
 */
static bool is_masked_fill(fl_tensors indices, const fl_tensor *values)
{
    int masks = 0;
    for (int64_t i = 0; i < indices.count; i++) {
        const fl_tensor *t = indices.data[i];
        if (t && t->dtype != FL_BOOL && t->dtype != FL_UINT8)
            return false;
        masks += t != NULL;
    }
    return masks == 1 && values->numel == 1;
}

int index_put__cpu(fl_tensor *self, fl_tensors indices, fl_tensor *values, bool accumulate)
{
    const fl_tensor *mask = lone_mask(indices);
    struct plan p;
    if (index_warn_expanded(self, "index_put_", "tensor[indices] = tensor") ||
        (!accumulate && is_masked_fill(indices, values) &&
         index_warn_expanded(self, "masked_fill_", "tensor[mask] = scalar")))
        return -1;
    if (values->dtype != self->dtype && !(values->flags & TENSOR_WRAPPED_NUMBER) &&
        (accumulate || !is_masked_fill(indices, values)))
        return error_set(
            FL_RUNTIME_ERROR,
            "Index put requires the source and destination dtypes match, got %s for the "
            "destination and %s for the source.",
            dtype_title(self->dtype), dtype_title(values->dtype));
    if (mask && values->numel == 1 && !accumulate && mask->ndim == self->ndim &&
        (self->flags & TENSOR_CONTIGUOUS)) {
        fl_tensor *one = index_check_mask(self, mask, 0) ? NULL : tensor_as(values, self->dtype);
        int filled = one ? mask_fill(self, mask, tensor_data(one)) : -1;
        tensor_release(one);
        return filled;
    }
    if (plan_make(&p, self, indices))
        return -1;
    fl_tensor *dense = spread_values(&p, self, values);
    int status = dense ? put(&p, self, dense, accumulate) : -1;
    tensor_release(dense);
    plan_drop(&p);
    return status;
}

int index_backward_shape(fl_tensor *g, fl_ints size, fl_tensors indices, struct op_shape *y)
{
    (void)g, (void)indices;
    op_shape_set(y, (int)size.count, size.data);
    y->zero = true;
    return 0;
}

int index_backward_cpu(fl_tensor *g, fl_ints size, fl_tensors indices, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)size;
    struct plan p;
    if (plan_make(&p, y, indices))
        return -1;
    fl_tensor *dense = tensor_contiguous(g);
    int status = dense ? put(&p, y, dense, true) : -1;
    tensor_release(dense);
    plan_drop(&p);
    return status;
}

int index_put_compose(fl_tensor *self, fl_tensors indices, fl_tensor *values, bool accumulate,
                      fl_tensor **y)
{
    *y = fl_index_put_(fl_clone(self, -1), indices, values, accumulate);
    return *y ? 0 : -1;
}

int index_zero_compose(fl_tensor *self, fl_tensors indices, fl_tensor **y)
{
    fl_tensor *zero =
        fl_zeros((fl_ints){NULL, 0}, (fl_dtype)self->dtype, (fl_device){-1, 0}, false);
    *y = fl_index_put(self, indices, zero, false);
    return *y ? 0 : -1;
}
