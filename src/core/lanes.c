/* Sets of lanes, and tensors that have them. */
#include "core/lanes.h"

#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

_Atomic int64_t lanes_alive;

const struct lane *lanes_find(const struct lanes *lanes, uint32_t id)
{
    for (int i = 0; lanes && i < lanes->count; i++)
        if (lanes->lane[i].id == id)
            return &lanes->lane[i];
    return NULL;
}

int lanes_insert(struct lanes *lanes, struct lane lane)
{
    int at = lanes->count;
    if (at == LANES_MAX)
        return error_set(FL_RUNTIME_ERROR, "vmap is nested more than %d deep", LANES_MAX);
    for (; at && lanes->lane[at - 1].id > lane.id; at--)
        lanes->lane[at] = lanes->lane[at - 1];
    assert(!at || lanes->lane[at - 1].id != lane.id);
    lanes->lane[at] = lane;
    lanes->count++;
    return 0;
}

void lanes_erase(struct lanes *lanes, uint32_t id)
{
    int to = 0;
    for (int i = 0; i < lanes->count; i++)
        if (lanes->lane[i].id != id)
            lanes->lane[to++] = lanes->lane[i];
    lanes->count = to;
}

int lanes_set(fl_tensor *t, const struct lanes *lanes)
{
    struct lanes copy = {0};
    if (lanes)
        copy = *lanes; /* may be t's own */
    if (!copy.count) {
        if (t->lanes)
            atomic_fetch_sub(&lanes_alive, 1);
        memory_free(t->lanes, sizeof *t->lanes);
        t->lanes = NULL;
        return 0;
    }
    if (!t->lanes) {
        if (!(t->lanes = memory_alloc(sizeof *t->lanes)))
            return -1;
        atomic_fetch_add(&lanes_alive, 1);
    }
    *t->lanes = copy;
    return 0;
}

int lanes_spread(fl_tensor *t, const struct lanes *lanes)
{
    struct lanes spread = {0};
    for (; lanes && spread.count < lanes->count; spread.count++) {
        spread.lane[spread.count] = lanes->lane[spread.count];
        spread.lane[spread.count].stride = 0;
    }
    return lanes_set(t, &spread);
}

fl_tensor *lanes_show(const fl_tensor *t, const struct lanes *all, int ndim, bool expand)
{
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    int own = t->ndim, pad = ndim > own ? ndim - own : 0, total = all->count + pad + own, d = 0;
    if (total > TENSOR_MAX_DIMS)
        return error_null(FL_RUNTIME_ERROR, "a tensor of %d dims with %d vmaps has more than %d",
                          own, all->count, TENSOR_MAX_DIMS);
    for (int i = 0; i < all->count; i++, d++) {
        const struct lane *lane = lanes_find(t->lanes, all->lane[i].id);
        sizes[d] = lane || expand ? all->lane[i].size : 1;
        strides[d] = lane ? lane->stride : 0;
    }
    for (int i = 0; i < pad; i++, d++)
        sizes[d] = 1, strides[d] = 0;
    for (int i = 0; i < own; i++, d++)
        sizes[d] = t->sizes[i], strides[d] = t->strides[i];
    return tensor_on_storage(t->storage, total, sizes, strides, t->offset, t->dtype);
}

int lanes_hide(fl_tensor *t, const struct lanes *all)
{
    struct lanes lanes = {0};
    assert(!t->lanes && t->ndim >= all->count);
    for (int i = 0; i < all->count; i++)
        lanes.lane[lanes.count++] = (struct lane){all->lane[i].id, t->sizes[i], t->strides[i]};
    return tensor_set_shape(t, t->ndim - all->count, t->sizes + all->count, t->strides + all->count,
                            t->offset) ||
                   lanes_set(t, &lanes)
               ? -1
               : 0;
}

fl_tensor *lanes_new(const struct lanes *like, struct device *d, int ndim, const int64_t *sizes,
                     const int64_t *strides, int dtype)
{
    int64_t all[TENSOR_MAX_DIMS], step[TENSOR_MAX_DIMS], reach = 1;
    if (like->count + ndim > TENSOR_MAX_DIMS)
        return error_null(FL_RUNTIME_ERROR, "a tensor of %d dims with %d vmaps has more than %d",
                          ndim, like->count, TENSOR_MAX_DIMS);
    for (int i = 0; i < ndim; i++) {
        all[like->count + i] = sizes[i], step[like->count + i] = strides[i];
        reach += sizes[i] ? (sizes[i] - 1) * strides[i] : 0;
    }
    for (int i = like->count - 1; i >= 0; i--) {
        all[i] = like->lane[i].size, step[i] = reach;
        reach *= all[i];
    }
    fl_tensor *t = tensor_new_on(d, like->count + ndim, all, step, dtype);
    if (t && lanes_hide(t, like)) {
        tensor_release(t);
        return NULL;
    }
    return t;
}
