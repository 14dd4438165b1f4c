/* Kernels as the door runs them: what they see of their arguments.
 *
 * A dim of size 1 has any stride: transpose, expand and slices leave behind what was there. A
 * kernel that takes a stride for the distance of rows would go astray, so it sees every tensor with
 * the stride that a dim of size 1 has in front of the dims behind it in dense memory.
 */
#include <assert.h>

#include "core/error.h"
#include "core/memory.h"
#include "ops/op.h"
#include "ops/place.h"

int op_check_gradient(const fl_tensor *g, fl_ints sizes)
{
    assert(sizes.count >= 0);
    char got[128], want[128];
    bool same = g->ndim == sizes.count;
    for (int d = 0; same && d < g->ndim; d++)
        same = g->sizes[d] == sizes.data[d];
    return same ? 0
                : error_set(FL_RUNTIME_ERROR, "expected a gradient of shape %s, got %s",
                            shape_text(want, sizeof want, (int)sizes.count, sizes.data),
                            shape_text(got, sizeof got, g->ndim, g->sizes));
}

static inline bool is_plain(const fl_tensor *t)
{
    if (t->flags & TENSOR_DENSE)
        return true;
    int64_t expected = 1;
    const int64_t *sizes = t->sizes, *strides = t->strides;
    for (int d = t->ndim - 1; d >= 0; d--) {
        if (sizes[d] == 1 && strides[d] != expected)
            return t->numel == 0;
        expected = strides[d] * sizes[d];
    }
    return true;
}

/* The same elements behind a handle of its own; NULL with the error. */
static fl_tensor *plain(const fl_tensor *t)
{
    int64_t strides[TENSOR_MAX_DIMS], expected = 1;
    for (int d = t->ndim - 1; d >= 0; d--) {
        strides[d] = t->sizes[d] == 1 ? expected : t->strides[d];
        expected = strides[d] * t->sizes[d];
    }
    return tensor_alias(t, t->ndim, t->sizes, strides, t->offset);
}

static bool all_plain(const fl_op *f, const fl_value *args)
{
    for (const fl_value *v = args; v < args + f->params; v++) {
        if (v->tag == FL_TENSOR) {
            if (!is_plain(v->as.tensor))
                return false;
        } else if (v->tag == FL_TENSORS) {
            for (uint32_t k = 0; k < v->count; k++)
                if (v->as.tensors[k] && !is_plain(v->as.tensors[k]))
                    return false;
        }
    }
    return true;
}

/* What an argument holds as plain handles, all of them new references, in *list (of v->count, or of
 * one). */
static int take_plain(fl_value *v, fl_tensor ***list)
{
    bool one = v->tag == FL_TENSOR;
    uint32_t count = one ? 1 : v->count;
    fl_tensor **made = memory_zalloc(sizeof *made * (count + 1)), *single = v->as.tensor;
    fl_tensor *const *from = one ? &single : v->as.tensors;
    if (!(*list = made))
        return -1;
    for (uint32_t k = 0; k < count; k++)
        if (from[k] && !(made[k] = is_plain(from[k]) ? tensor_retain(from[k]) : plain(from[k])))
            return -1;
    if (one)
        v->as.tensor = made[0];
    else
        v->as.tensors = made;
    return 0;
}

int kernel_run(const fl_op *f, const fl_value *args, fl_tensor **y)
{
    assert(f->kind == OP_KERNEL && f->kernel && f->params <= OP_PARAMS);
    assert(op_writes(f) || y);
    if (device_others && f->place != PLACE_ANY &&
        ((y && y[0]->flags & TENSOR_ELSEWHERE) || place_is_elsewhere(f->params, args)))
        return place_kernel(f, args, y);
    if (all_plain(f, args))
        return f->kernel(args, y);
    fl_value seen[OP_PARAMS];
    fl_tensor **list[OP_PARAMS] = {NULL};
    int status = 0;
    for (int i = 0; i < f->params; i++) {
        seen[i] = args[i];
        if (status == 0 && (args[i].tag == FL_TENSOR || args[i].tag == FL_TENSORS))
            status = take_plain(&seen[i], &list[i]);
    }
    if (status == 0)
        status = f->kernel(seen, y);
    for (int i = 0; i < f->params; i++) {
        uint32_t count = args[i].tag == FL_TENSORS ? args[i].count : 1;
        for (uint32_t k = 0; list[i] && k < count; k++)
            tensor_release(list[i][k]);
        memory_free(list[i], sizeof *list[i] * (count + 1));
    }
    return status;
}
