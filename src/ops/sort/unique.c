/* Distinct elements: of a whole tensor in order, or among neighbours.
 *
 * Integers that span few numbers are looked up in a table of that span; all else is put in order by
 * keys (sort/keys.h), where equal elements become neighbours. A NaN is like nothing, not even
 * itself.
 */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/view.h"
#include "ops/forward.h"
#include "ops/index/places.h"
#include "ops/op.h"
#include "ops/place.h"
#include "ops/sort/keys.h"
#include "ops/sort/unique.h"
#include "ops_kernels.h"
#include "ops_table.h"

/* What is wanted of n elements, and what comes of them. */
struct distinct {
    fl_tensor *self;
    const fl_tensor *from; /* self, contiguous */
    int64_t n, count;      /* elements, distinct ones */
    int64_t *inverse;      /* each element's number, or NULL */
    int64_t *first;        /* where each distinct one stands first; room for n + 1 */
    fl_tensor *values, *counts;
};

/* ---- By a table ------------------------------------------------------------------------------ */

enum { CHUNK = 512 };

/* The elements from `at` on, at most CHUNK, as int64. */
static int64_t read_integers(const fl_tensor *t, int64_t at, int64_t *out)
{
    const int64_t size = (int64_t)dtype_size(t->dtype), n = t->numel - at;
    const int64_t m = n < CHUNK ? n : CHUNK;
    convert_elements(m, out, FL_INT64, 8, (const char *)tensor_data(t) + at * size, t->dtype, size);
    return m;
}

/* Counts into `table`, then numbers the places that are not empty. */
static int unique_by_table(struct distinct *u, int64_t least, int64_t *table, int64_t span)
{
    int64_t block[CHUNK];
    for (int64_t at = 0, m; at < u->n; at += m) {
        m = read_integers(u->from, at, block);
        for (int64_t k = 0; k < m; k++)
            table[block[k] - least]++;
    }
    for (int64_t i = 0; i < span; i++)
        u->count += table[i] != 0;
    fl_tensor *numbers = op_adopt(tensor_new(1, &u->count, FL_INT64));
    u->counts = op_adopt(tensor_new(1, &u->count, FL_INT64));
    if (!numbers || !u->counts)
        return -1;
    int64_t *number = tensor_data(numbers), *count = tensor_data(u->counts), k = 0;
    for (int64_t i = 0; i < span; i++)
        if (table[i])
            number[k] = least + i, count[k] = table[i], table[i] = k++;
    for (int64_t at = 0, m; u->inverse && at < u->n; at += m) {
        m = read_integers(u->from, at, block);
        for (int64_t i = 0; i < m; i++)
            u->inverse[at + i] = table[block[i] - least];
    }
    u->values = op_adopt(tensor_as(numbers, u->from->dtype));
    return u->values ? 0 : -1;
}

/* ---- Among neighbours ------------------------------------------------------------------------ */

static void count_runs(struct distinct *u)
{
    int64_t *count = tensor_data(u->counts);
    for (int64_t k = 0; k < u->count; k++)
        count[k] = u->first[k + 1] - u->first[k];
}

static int pick_recorded(struct distinct *u, const struct pair *order)
{
    fl_tensor *places = op_adopt(tensor_new(1, &u->count, FL_INT64));
    int64_t *place = places ? tensor_data(places) : NULL;
    for (int64_t k = 0; places && k < u->count; k++)
        place[k] = order ? order[u->first[k]].position : u->first[k];
    u->values = places ? fl_index_select(fl_flatten(u->self, 0, -1), 0, places) : NULL;
    return u->values ? 0 : -1;
}

#define TAKE(type)                                                                                 \
    for (int64_t k = 0; k < u->count; k++)                                                         \
    ((type *)value)[k] = ((const type *)from)[order ? order[first[k]].position : first[k]]

/* The values and the counts of runs that begin at places u->first of `order` (NULL: as they stand).
 */
static int take_runs(struct distinct *u, const struct pair *order)
{
    u->counts = op_adopt(tensor_new(1, &u->count, FL_INT64));
    if (!u->counts)
        return -1;
    if (fl_requires_grad(u->self) || forward_has_tangent(u->self)) { /* operators record it */
        u->first[u->count] = u->n;
        count_runs(u);
        return pick_recorded(u, order);
    }
    u->values = op_adopt(tensor_new(1, &u->count, u->from->dtype));
    if (!u->values)
        return -1;
    const void *from = tensor_data(u->from);
    void *value = tensor_data(u->values);
    int64_t *first = u->first;
    first[u->count] = u->n;
    count_runs(u);
    switch (dtype_size(u->from->dtype)) {
    case 1:
        TAKE(uint8_t);
        break;
    case 2:
        TAKE(uint16_t);
        break;
    case 4:
        TAKE(uint32_t);
        break;
    default:
        TAKE(uint64_t);
        break;
    }
    return 0;
}

static void find_runs(struct distinct *u, const struct pair *order)
{
    const bool has_nan = dtype_is_floating(u->from->dtype);
    const uint64_t nan = keys_nan(u->from->dtype);
    int64_t *first = u->first, *inverse = u->inverse, count = 0;
    for (int64_t i = 0; i < u->n; i++) {
        first[count] = i;
        count += i == 0 || order[i].key != order[i - 1].key || (has_nan && order[i].key == nan);
        if (inverse)
            inverse[order[i].position] = count - 1;
    }
    u->count = count;
}

static int unique_by_order(struct distinct *u)
{
    const size_t bytes = 2 * sizeof(struct pair) * (size_t)(u->n + 1);
    struct pair *pairs = memory_alloc(bytes);
    if (!pairs)
        return -1;
    const int64_t size = (int64_t)dtype_size(u->from->dtype);
    const struct line line = {tensor_data(u->from), u->n, size, u->from->dtype};
    keys_read(&line, false, pairs);
    const struct pair *order = order_stable(pairs, pairs + u->n, u->n);
    find_runs(u, order);
    const int status = take_runs(u, order);
    memory_free(pairs, bytes);
    return status;
}

/* How neighbours are compared. A bool is read as its truth: its byte may be any. */
static enum places_of compared_as(int dtype)
{
    if (dtype == FL_BOOL)
        return PLACES_TRUTH;
    if (dtype_is_floating(dtype))
        return dtype == FL_FLOAT32 ? PLACES_F32 : PLACES_F64;
    return PLACES_1 + (enum places_of)__builtin_ctzll(dtype_size(dtype));
}

static int unique_neighbours(struct distinct *u)
{
    enum { BLOCK = 1024 };
    const fl_tensor *from = u->from;
    if (dtype_is_narrow(from->dtype) && !(from = op_adopt(tensor_as(from, FL_FLOAT32))))
        return -1;
    const char *data = tensor_data(from);
    const enum places_of kind = compared_as(from->dtype);
    int64_t *first = u->first, count = u->n > 0;
    uint8_t differs[BLOCK];
    first[0] = 0;
    for (int64_t at = 1, m; at < u->n; at += m) {
        m = u->n - at < BLOCK ? u->n - at : BLOCK;
        ISA_PICK(places_kernels)
            ->differ[kind](m, data + (size_t)at * dtype_size(from->dtype), differs);
        count += places_true(m, differs, at, first + count);
    }
    u->count = count;
    if (take_runs(u, NULL))
        return -1;
    for (int64_t k = 0; u->inverse && k < count; k++)
        for (int64_t i = first[k]; i < first[k + 1]; i++)
            u->inverse[i] = k;
    return 0;
}

/* ---- The operators --------------------------------------------------------------------------- */

static int distinct_here(fl_tensor *self, bool neighbours, bool return_inverse, fl_tensor **values,
                         fl_tensor **inverse, fl_tensor **counts)
{
    struct distinct u = {.self = self, .from = op_adopt(tensor_contiguous(self)), .n = self->numel};
    const int64_t none = 0;
    *inverse = op_adopt(return_inverse ? tensor_new(self->ndim, self->sizes, FL_INT64)
                                       : tensor_new(1, &none, FL_INT64));
    if (!u.from || !*inverse)
        return -1;
    u.inverse = return_inverse ? tensor_data(*inverse) : NULL;
    const struct line line = {tensor_data(u.from), u.n, (int64_t)dtype_size(self->dtype),
                              self->dtype};
    int64_t least, greatest;
    int status;
    if (!neighbours && !dtype_is_floating(self->dtype) && dtype_digits(self->dtype) < 64 &&
        keys_span(&line, 2 * (uint64_t)u.n + 256, &least, &greatest)) {
        const int64_t span = greatest - least + 1;
        const size_t bytes = sizeof(int64_t) * (size_t)span;
        int64_t *table = memory_zalloc(bytes);
        status = table ? unique_by_table(&u, least, table, span) : -1;
        memory_free(table, bytes);
    } else {
        fl_tensor *first = op_adopt(tensor_new(1, &(int64_t){u.n + 1}, FL_INT64));
        u.first = first ? tensor_data(first) : NULL;
        status = !first ? -1 : neighbours ? unique_neighbours(&u) : unique_by_order(&u);
    }
    *values = u.values, *counts = u.counts;
    return status;
}

/* On the device where its kernels can, else on the CPU. */
static int distinct_of(fl_tensor *self, bool neighbours, bool return_inverse, fl_tensor **values,
                       fl_tensor **inverse, fl_tensor **counts)
{
    if (tensor_is_meta(self))
        return place_refuse_meta(neighbours ? &op__unique_neighbours : &op__unique2);
    if (op_has_kernels(self) && self->numel)
        return unique_elsewhere(self, neighbours, return_inverse, values, inverse, counts);
    const fl_device cpu = {FL_CPU, 0};
    fl_tensor *host = self->flags & TENSOR_ELSEWHERE ? fl__move(self, cpu) : self; /* recorded */
    if (!host || distinct_here(host, neighbours, return_inverse, values, inverse, counts))
        return -1;
    *values = op_beside(*values, self);
    *inverse = op_beside(*inverse, self);
    *counts = op_beside(*counts, self);
    return *values && *inverse && *counts ? 0 : -1;
}

int unique_all_compose(fl_tensor *self, bool sorted, bool return_inverse, bool return_counts,
                       fl_tensor **values, fl_tensor **inverse, fl_tensor **counts)
{
    (void)sorted, (void)return_counts;
    return distinct_of(self, false, return_inverse, values, inverse, counts);
}

int unique_neighbours_compose(fl_tensor *self, bool return_inverse, bool return_counts,
                              fl_tensor **values, fl_tensor **inverse, fl_tensor **counts)
{
    (void)return_counts;
    return distinct_of(self, true, return_inverse, values, inverse, counts);
}
