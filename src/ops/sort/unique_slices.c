/* Distinct elements or slices as programs ask for them, and what is among given elements.
 *
 * Slices along a dim are compared by the keys (sort/keys.h) of their elements, in order; a NaN is
 * like nothing, not even itself.
 */
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/pointwise/pointwise.h"
#include "ops/sort/keys.h"
#include "ops_kernels.h"

struct slices {
    int64_t count, width;
    uint64_t *key;         /* (count, width) */
    bool has_nan;          /* whether the dtype has NaNs, */
    uint64_t nan;          /* and their key */
    int64_t *order, *room; /* which slice stands at each place; as much again */
};

static int compare(const struct slices *s, int64_t a, int64_t b)
{
    const uint64_t *x = s->key + a * s->width, *y = s->key + b * s->width;
    for (int64_t i = 0; i < s->width; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static bool are_same(const struct slices *s, int64_t a, int64_t b)
{
    const uint64_t *x = s->key + a * s->width;
    for (int64_t i = 0; s->has_nan && i < s->width; i++)
        if (x[i] == s->nan)
            return false;
    return compare(s, a, b) == 0;
}

/* Merges neighbouring runs of `length` places, from s->order into s->room, and exchanges them. */
static void merge_runs(struct slices *s, int64_t length)
{
    for (int64_t from = 0; from < s->count; from += 2 * length) {
        const int64_t middle = from + length < s->count ? from + length : s->count;
        const int64_t end = middle + length < s->count ? middle + length : s->count;
        int64_t a = from, b = middle;
        for (int64_t to = from; to < end; to++) {
            bool first = b == end || (a < middle && compare(s, s->order[a], s->order[b]) <= 0);
            s->room[to] = s->order[first ? a++ : b++];
        }
    }
    int64_t *sorted = s->room;
    s->room = s->order, s->order = sorted;
}

/* The slices of `rows` (count, width), contiguous, as keys. */
static int read_keys(const fl_tensor *rows, struct slices *s)
{
    const int64_t size = (int64_t)dtype_size(rows->dtype);
    const size_t bytes = sizeof(struct pair) * (size_t)(s->width + 1);
    struct pair *pairs = memory_alloc(bytes);
    if (!pairs)
        return -1;
    for (int64_t i = 0; i < s->count; i++) {
        const struct line line = {(char *)tensor_data(rows) + i * s->width * size, s->width, size,
                                  rows->dtype};
        keys_read(&line, false, pairs);
        for (int64_t k = 0; k < s->width; k++)
            s->key[i * s->width + k] = pairs[k].key;
    }
    s->has_nan = dtype_is_floating(rows->dtype);
    s->nan = keys_nan(rows->dtype);
    memory_free(pairs, bytes);
    return 0;
}

/* Finds which slice is new in order: its place in first[], how many in *distinct, and in inverse[]
 * each slice's number. */
static void find_distinct(const struct slices *s, int64_t *first, int64_t *inverse,
                          int64_t *distinct)
{
    int64_t count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        if (i == 0 || !are_same(s, s->order[i], s->order[i - 1]))
            first[count++] = i;
        inverse[s->order[i]] = count - 1;
    }
    first[count] = s->count;
    *distinct = count;
}

static fl_tensor *new_numbers(int64_t count)
{
    return op_adopt(tensor_new(1, &count, FL_INT64));
}

/* The slices of self along d, a row each, contiguous. */
static fl_tensor *rows_of(fl_tensor *self, int d, int64_t width)
{
    const int64_t from = d, to = 0, shape[] = {self->sizes[d], width};
    fl_tensor *front = fl_movedim(self, (fl_ints){&from, 1}, (fl_ints){&to, 1});
    front = front ? fl_reshape(front, (fl_ints){shape, 2}) : NULL;
    return front ? op_adopt(tensor_contiguous(front)) : NULL;
}

/* Slices of self; index_select has no unsigned integers, whose bits go as signed ones. */
static fl_tensor *selected(fl_tensor *self, int d, fl_tensor *places)
{
    const int dtype = self->dtype, as = dtype == FL_UINT16   ? FL_INT16
                                        : dtype == FL_UINT32 ? FL_INT32
                                        : dtype == FL_UINT64 ? FL_INT64
                                                             : dtype;
    if (as == dtype)
        return fl_index_select(self, d, places);
    fl_tensor *bits = fl_view_dtype(self, (fl_dtype)as);
    fl_tensor *picked = bits ? fl_index_select(bits, d, places) : NULL;
    return picked ? fl_view_dtype(picked, (fl_dtype)dtype) : NULL;
}

static int unique_rows(fl_tensor *self, int d, bool sort, struct slices *s, fl_tensor **values,
                       fl_tensor **inverse, fl_tensor **counts)
{
    fl_tensor *rows = rows_of(self, d, s->width), *first = new_numbers(s->count + 1);
    *inverse = new_numbers(s->count);
    if (!rows || !first || !*inverse || read_keys(rows, s))
        return -1;
    for (int64_t i = 0; i < s->count; i++)
        s->order[i] = i;
    for (int64_t length = 1; sort && length < s->count; length *= 2)
        merge_runs(s, length);
    int64_t distinct, *at = tensor_data(first);
    find_distinct(s, at, tensor_data(*inverse), &distinct);
    fl_tensor *places = new_numbers(distinct);
    *counts = new_numbers(distinct);
    if (!places || !*counts)
        return -1;
    int64_t *place = tensor_data(places), *count = tensor_data(*counts);
    for (int64_t k = 0; k < distinct; k++)
        place[k] = s->order[at[k]], count[k] = at[k + 1] - at[k];
    *values = selected(self, d, places);
    return *values ? 0 : -1;
}

int unique_dim_compose(fl_tensor *self, int64_t dim, bool sorted, fl_tensor **values,
                       fl_tensor **inverse, fl_tensor **counts)
{
    int d = shape_wrap_dim(dim, self->ndim), empty = 0;
    if (d < 0)
        return -1;
    if (self->ndim == 0)
        return fl__unique2(self, true, true, true, values, inverse, counts);
    for (int i = 0; i < self->ndim; i++)
        empty += self->sizes[i] == 0;
    if (self->sizes[d] == 0 && empty > 1)
        return error_set(FL_RUNTIME_ERROR, "Number of zero sized dimensions is more than one, so "
                                           "unique cannot be applied ");
    if (self->sizes[d] && empty)
        return error_set(FL_RUNTIME_ERROR, "There are 0 sized dimensions, and they aren't "
                                           "selected, so unique cannot be applied");
    struct slices s = {.count = self->sizes[d]};
    s.width = s.count ? self->numel / s.count : 0;
    const size_t keys = sizeof *s.key * (size_t)(self->numel + 1),
                 places = sizeof *s.order * (size_t)(s.count + 1);
    int64_t *order = s.order = memory_alloc(places), *room = s.room = memory_alloc(places);
    s.key = memory_alloc(keys);
    int status =
        order && room && s.key ? unique_rows(self, d, sorted, &s, values, inverse, counts) : -1;
    if (s.key)
        memory_free(s.key, keys);
    if (order)
        memory_free(order, places);
    if (room)
        memory_free(room, places);
    return status;
}

int unique_compose(fl_tensor *self, bool sorted, bool return_inverse, bool return_counts,
                   const int64_t *dim, fl_tensor **values, fl_tensor **inverse, fl_tensor **counts)
{
    int status =
        dim ? fl__unique_dim(self, *dim, true, values, inverse, counts)
            : fl__unique2(self, sorted, return_inverse, return_counts, values, inverse, counts);
    *inverse = return_inverse ? *inverse : NULL;
    *counts = return_counts ? *counts : NULL;
    return status;
}

int unique_consecutive_compose(fl_tensor *self, bool return_inverse, bool return_counts,
                               const int64_t *dim, fl_tensor **values, fl_tensor **inverse,
                               fl_tensor **counts)
{
    int status =
        dim ? fl__unique_dim(self, *dim, false, values, inverse, counts)
            : fl__unique_neighbours(self, return_inverse, return_counts, values, inverse, counts);
    *inverse = return_inverse ? *inverse : NULL;
    *counts = return_counts ? *counts : NULL;
    return status;
}

/* ---- Among given elements -------------------------------------------------------------------- */

/* A tensor, or a number as a tensor of the dtype that it and `other` have in common. */
static fl_tensor *as_operand(const fl_value *v, const fl_value *other)
{
    const fl_value both[] = {*v, *other};
    return v->tag == FL_TENSOR ? v->as.tensor
                               : op_adopt(tensor_from_number(*v, pointwise_promote(2, both)));
}

enum { FEW_KNOWN = 8 }; /* up to so many, comparing with each costs less than a search */

/* Whether each element is one of `known`, which has at least one; invert: is none. */
static fl_tensor *among_few(fl_tensor *wanted, fl_tensor *known, bool invert)
{
    fl_tensor *found = NULL;
    for (int64_t i = 0; known && i < known->numel; i++) {
        fl_tensor *one = fl_select(known, 0, i);
        fl_tensor *same = !one ? NULL : invert ? fl_ne(wanted, one) : fl_eq(wanted, one);
        found = i == 0   ? same
                : !found ? NULL
                : invert ? fl_logical_and(found, same)
                         : fl_logical_or(found, same);
        if (!found)
            return NULL;
    }
    return found;
}

int isin_compose(fl_value elements, fl_value test_elements, bool invert, fl_tensor **y)
{
    fl_tensor *wanted = as_operand(&elements, &test_elements);
    fl_tensor *known = as_operand(&test_elements, &elements);
    if (!wanted || !known)
        return -1;
    if (wanted->dtype == FL_BOOL || known->dtype == FL_BOOL)
        return error_set(FL_RUNTIME_ERROR, "Unsupported input type encountered for isin(): Bool");
    known = fl_flatten(op_samples(fl_detach(known)), 0, -1);
    if (known && dtype_is_floating(known->dtype) &&
        !tensor_is_meta(known)) /* NaN is like nothing */
        known = fl_masked_select(known, fl_eq(known, known));
    if (!known)
        return -1;
    if (known->numel == 0) {
        *y = fl_full((fl_ints){wanted->sizes, wanted->ndim}, fl_boolean(invert), FL_BOOL,
                     (fl_device){-1, 0}, false);
        return *y ? 0 : -1;
    }
    const int dtype = dtype_promote(wanted->dtype, known->dtype);
    wanted = op_as(wanted, dtype);
    if (known->numel <= FEW_KNOWN) {
        *y = among_few(wanted, op_as(known, dtype), invert);
        return *y ? 0 : -1;
    }
    fl_tensor *sorted, *order;
    if (fl_sort(op_as(known, dtype), -1, false, &sorted, &order))
        return -1;
    fl_tensor *at = fl_clamp(fl_searchsorted(sorted, wanted, false, false, NULL, NULL), fl_none(),
                             fl_int(known->numel - 1));
    fl_tensor *found = fl_eq(fl_take(sorted, at), wanted);
    *y = invert ? fl_logical_not(found) : found;
    return *y ? 0 : -1;
}
