/* What puts lines in order, for sort.gpu: sort, topk, median, kthvalue, mode; and searching in lines
 * that are. */
#include <assert.h>

#include "device/gpu.h"

/* Lines of x along a dim, as (outer, n, inner). */
struct order {
    int64_t size[3];
    const void *x, *order; /* x as T; positions, (lines, n) */
    const void *spare;     /* room for as many */
};

static int64_t lines_of(const struct order *o)
{
    return o->size[0] * o->size[2];
}

static void begin(struct gpu_launch *l, const struct order *o)
{
    for (int i = 0; i < 3; i++)
        gpu_bytes(l, &o->size[i], sizeof o->size[i]);
}

/* Puts every line in order. DEVICE_CANNOT: there is nothing to put. */
static int put_in_order(struct gpu_call *c, const fl_tensor *x, const int64_t size[3],
                        bool descending, struct order *o)
{
    *o = (struct order){{size[0], size[1], size[2]}, gpu_operand(c, x), NULL, NULL};
    const int64_t n = size[1], count = lines_of(o) * n;
    const int32_t down = descending;
    if (count == 0)
        return DEVICE_CANNOT;
    const void *from = gpu_room(c, count, FL_INT64), *to = gpu_room(c, count, FL_INT64);
    for (int64_t width = 1; width == 1 || width < n; width *= 2) {
        struct gpu_launch l = {0};
        begin(&l, o);
        gpu_bytes(&l, &width, sizeof width);
        gpu_bytes(&l, &down, sizeof down);
        gpu_buffer(&l, o->x);
        gpu_buffer(&l, from);
        gpu_buffer(&l, to);
        gpu_spread(&l, count);
        if (gpu_go(c, gpu_text_sort, "merge", &l))
            return -1;
        const void *done = to;
        to = from, from = done;
    }
    o->order = from, o->spare = to;
    return 0;
}

/* Launches what reads the order and writes values and their positions. */
static int write_out(struct gpu_call *c, const char *entry, struct gpu_launch *l,
                     const struct order *o, int64_t count, const void *index)
{
    assert(count > 0);
    gpu_buffer(l, o->x);
    gpu_buffer(l, o->order);
    gpu_buffer(l, gpu_result(c, 0));
    gpu_buffer(l, index);
    gpu_spread(l, count);
    return gpu_go(c, gpu_text_sort, entry, l);
}

/* Which order equal elements have: as they stood, or as the CPU's sort and topk leave them. */
enum ties { STABLE = -1, ALL, TOP, TOP_UNSORTED };

static int settle_ties(struct gpu_call *c, const struct order *o, int64_t k, enum ties ties)
{
    const int32_t how = ties;
    struct gpu_launch l = {0};
    assert(ties != STABLE && k > 0 && k <= o->size[1]);
    begin(&l, o);
    gpu_bytes(&l, &k, sizeof k);
    gpu_bytes(&l, &how, sizeof how);
    gpu_buffer(&l, o->x);
    gpu_buffer(&l, o->order);
    gpu_buffer(&l, o->spare);
    gpu_spread(&l, lines_of(o));
    return gpu_go(c, gpu_text_sort, "settle_ties", &l);
}

enum { WHOLE = -1 };

/* The first k of each line's elements, or the WHOLE line. */
static int take(struct gpu_call *c, int64_t dim, bool descending, int64_t k, enum ties ties)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    struct order o;
    struct gpu_launch l = {0};
    int64_t size[3];
    if (gpu_along(x, dim, size) < 0)
        return -1;
    if (c->y[0]->numel == 0)
        return 0;
    k = k == WHOLE ? size[1] : k;
    int status = put_in_order(c, x, size, descending, &o);
    if (status)
        return status;
    assert(k <= size[1]);
    if (ties != STABLE && settle_ties(c, &o, k, ties))
        return -1;
    begin(&l, &o);
    gpu_bytes(&l, &k, sizeof k);
    return write_out(c, "ordered", &l, &o, lines_of(&o) * k, tensor_address(c->y[1]));
}

/* What need not be stable: on the CPU a long row of integers is, and an expanded dim, as in PyTorch. */
static int sort(struct gpu_call *c, int64_t dim, bool descending, bool stable)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    const int d = shape_wrap_dim(dim, x->ndim);
    if (d < 0)
        return -1;
    const bool radix = x->ndim == 1 && x->numel >= 32768 && !descending &&
                       !dtype_is_floating(x->dtype) && x->dtype != FL_BOOL;
    stable |= radix || (x->ndim && x->strides[d] == 0);
    return take(c, dim, descending, WHOLE, stable ? STABLE : ALL);
}

/* sort(self, dim, descending). */
int gpu_sort(struct gpu_call *c)
{
    return sort(c, c->args[1].as.i, c->args[2].as.i != 0, false);
}

/* sort.stable(self, stable, dim, descending). */
int gpu_sort_stable(struct gpu_call *c)
{
    return sort(c, c->args[2].as.i, c->args[3].as.i != 0, c->args[1].as.i == 1);
}

/* topk(self, k, dim, largest, sorted). */
int gpu_topk(struct gpu_call *c)
{
    const enum ties ties = c->args[4].as.i ? TOP : TOP_UNSORTED;
    return take(c, c->args[2].as.i, c->args[3].as.i != 0, c->args[1].as.i, ties);
}

/* Puts every line along dim of the operand in order, as put_in_order does. */
static int put_along(struct gpu_call *c, int64_t dim, struct order *o)
{
    int64_t size[3];
    return gpu_along(gpu_tensor(c, 0), dim, size) < 0
               ? -1
               : put_in_order(c, gpu_tensor(c, 0), size, false, o);
}

/* median.dim(self, dim, keepdim). */
int gpu_median_along(struct gpu_call *c)
{
    struct order o;
    struct gpu_launch l = {0};
    int status = put_along(c, c->args[1].as.i, &o);
    if (status)
        return status;
    begin(&l, &o);
    return write_out(c, "median", &l, &o, lines_of(&o), tensor_address(c->y[1]));
}

/* kthvalue(self, k, dim, keepdim): each line's pairs go the CPU's way, which says what stands there. */
int gpu_kth(struct gpu_call *c)
{
    const int64_t k = c->args[1].as.i - 1;
    struct order o;
    struct gpu_launch l = {0};
    int status = put_along(c, c->args[2].as.i, &o);
    if (status)
        return status;
    assert(k >= 0 && k < o.size[1]);
    begin(&l, &o);
    gpu_bytes(&l, &k, sizeof k);
    gpu_buffer(&l, o.spare);
    return write_out(c, "kth", &l, &o, lines_of(&o), tensor_address(c->y[1]));
}

/* mode(self, dim, keepdim). */
int gpu_mode(struct gpu_call *c)
{
    struct order o;
    struct gpu_launch l = {0};
    int status = put_along(c, c->args[1].as.i, &o);
    if (status)
        return status;
    if (settle_ties(c, &o, o.size[1], ALL))
        return -1;
    begin(&l, &o);
    return write_out(c, "mode", &l, &o, lines_of(&o), tensor_address(c->y[1]));
}

/* median(self): of all elements as one line. */
int gpu_median(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    struct order o;
    struct gpu_launch l = {0};
    int status = put_in_order(c, x, (int64_t[]){1, x->numel, 1}, false, &o);
    if (status)
        return status;
    begin(&l, &o);
    return write_out(c, "median", &l, &o, 1, gpu_room(c, 1, FL_INT64));
}

/* _searchsorted(sorted_sequence, self, out_int32, right). */
int gpu_searchsorted(struct gpu_call *c)
{
    const fl_tensor *sorted = gpu_tensor(c, 0), *x = gpu_tensor(c, 1);
    const int32_t right = c->args[3].as.i != 0;
    const int64_t n = sorted->sizes[sorted->ndim - 1];
    const int64_t row = sorted->ndim > 1 && x->ndim ? x->sizes[x->ndim - 1] : 0;
    struct gpu_launch l = {0};
    if (x->numel == 0 || sorted->numel == 0)
        return DEVICE_CANNOT;
    c->dtype = dtype_is_floating(dtype_promote(sorted->dtype, x->dtype)) ? FL_FLOAT64 : FL_INT64;
    gpu_bytes(&l, &x->numel, sizeof x->numel);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &row, sizeof row);
    gpu_bytes(&l, &right, sizeof right);
    gpu_buffer(&l, gpu_operand(c, sorted));
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_result_as(c, 0, FL_INT64));
    gpu_spread(&l, x->numel);
    return gpu_go(c, gpu_text_sort, "search", &l);
}
