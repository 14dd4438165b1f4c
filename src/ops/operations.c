/* What the graph asks of operators (autograd/operations.h), as calls through the door. */
#include "autograd/operations.h"

#include <assert.h>

#include "core/device.h"
#include "core/error.h"
#include "ops/op.h"
#include "ops/record.h"
#include "ops_table.h"

const struct object_operations *operation_in_object;

fl_tensor *operation_dense(fl_tensor *t)
{
    return t->flags & TENSOR_IN_OBJECT ? operation_in_object->dense(t) : tensor_retain(t);
}

/* Calls an operator on the dense form of its first argument. */
static fl_tensor *call_dense(const fl_op *op, fl_value *args)
{
    fl_tensor *dense = operation_dense(args[0].as.tensor);
    if (!dense)
        return NULL;
    args[0] = fl_tensor_value(dense);
    fl_tensor *y = op_call1(op, args);
    tensor_release(dense);
    return y;
}

fl_tensor *operation_add(fl_tensor *a, fl_tensor *b)
{
    if ((a->flags | b->flags) & TENSOR_IN_OBJECT)
        return operation_in_object->add(a, b);
    return op_call1(&op_add_Tensor,
                    (fl_value[]){fl_tensor_value(a), fl_tensor_value(b), fl_int(1)});
}

/* Calls an operator that writes its first argument, without recording it where `record` is false.
 */
static int call_writing(const fl_op *op, const fl_value *args, bool record)
{
    bool mode = autograd_mode.grad;
    autograd_mode.grad = mode && record;
    fl_tensor *same = op_call1(op, args);
    autograd_mode.grad = mode;
    tensor_release(same);
    return same ? 0 : -1;
}

int operation_add_(fl_tensor *a, fl_tensor *b)
{
    assert(a->dtype == b->dtype && shape_equal(a, b));
    return call_writing(op_add_Tensor.inplace,
                        (fl_value[]){fl_tensor_value(a), fl_tensor_value(b), fl_int(1)}, false);
}

int operation_copy_(fl_tensor *to, fl_tensor *from)
{
    return call_writing(&op_copy_,
                        (fl_value[]){fl_tensor_value(to), fl_tensor_value(from), fl_boolean(false)},
                        true);
}

int operation_zero_(fl_tensor *t)
{
    return call_writing(&op_zero_, (fl_value[]){fl_tensor_value(t)}, true);
}

fl_tensor *operation_clone(fl_tensor *t)
{
    return op_call1(&op_clone, (fl_value[]){fl_tensor_value(t), fl_none()});
}

fl_tensor *operation_clone_rows(fl_tensor *t)
{
    if (t->flags & TENSOR_IN_OBJECT)
        return tensor_retain(t);
    return op_call1(&op_clone, (fl_value[]){fl_tensor_value(t), fl_int(FORMAT_CONTIGUOUS)});
}

fl_tensor *operation_own(fl_tensor *g, const fl_tensor *like)
{
    assert(shape_equal(g, like));
    if (g->lanes)
        return operation_clone(g);
    if (g->flags & TENSOR_IN_OBJECT)
        return tensor_retain(g);
    fl_tensor *y = tensor_is_dense(like) ? tensor_new_like(like, g->dtype)
                                         : tensor_new_on(tensor_device(like), like->ndim,
                                                         like->sizes, NULL, g->dtype);
    if (y && operation_copy_(y, g)) {
        tensor_release(y);
        y = NULL;
    }
    return y;
}

/* A tensor of t's sizes and dtype filled with a number. t may be a handle with a shape alone. */
static fl_tensor *filled(const fl_tensor *t, int64_t number)
{
    struct device *d = t->storage       ? tensor_device(t)
                       : device_default ? device_default
                                        : &device_cpu;
    fl_tensor *y = tensor_new_on(d, t->ndim, t->sizes, NULL, t->dtype);
    if (y && tensor_fill(y, fl_int(number))) {
        tensor_release(y);
        y = NULL;
    }
    return y;
}

fl_tensor *operation_ones_like(fl_tensor *t)
{
    return filled(t, 1);
}

fl_tensor *operation_zeros_like(fl_tensor *t)
{
    return filled(t, 0);
}

static fl_value ints_value(fl_ints list)
{
    fl_value v = {.tag = FL_INTS, .count = (uint32_t)list.count};
    v.as.ints = list.data;
    return v;
}

static fl_tensor *strided(fl_tensor *t, fl_ints sizes, fl_ints strides, int64_t offset)
{
    return op_call1(&op_as_strided, (fl_value[]){fl_tensor_value(t), ints_value(sizes),
                                                 ints_value(strides), fl_int(offset)});
}

/* All of t's memory from its first element on, as the parts of its elements or as pairs of them. */
static fl_tensor *by_parts(fl_tensor *t)
{
    if (dtype_is_complex(t->dtype))
        return op_call1(&op_view_as_real, (fl_value[]){fl_tensor_value(t)});
    int64_t reach = 1;
    for (int d = 0; d < t->ndim; d++)
        reach += (t->sizes[d] - 1) * t->strides[d];
    fl_tensor *pairs = strided(t, FL_INTS_OF(reach / 2, 2), FL_INTS_OF(2, 1), t->offset);
    fl_tensor *y =
        pairs ? op_call1(&op_view_as_complex, (fl_value[]){fl_tensor_value(pairs)}) : NULL;
    tensor_release(pairs);
    return y;
}

fl_tensor *operation_as_strided(fl_tensor *t, bool parts, fl_ints sizes, fl_ints strides,
                                int64_t offset)
{
    assert(sizes.count == strides.count && offset >= 0);
    if (!parts)
        return strided(t, sizes, strides, offset);
    fl_tensor *other = by_parts(t), *y = other ? strided(other, sizes, strides, offset) : NULL;
    tensor_release(other);
    return y;
}

struct node *operation_view_node(fl_tensor *view)
{
    assert(view->base && view->storage == view->base->storage);
    bool mode = autograd_mode.grad;
    autograd_mode.grad = true;
    fl_tensor *from = tensor_is_by_parts(view) ? by_parts(view->base) : tensor_retain(view->base);
    autograd_mode.grad = mode;
    fl_value args[] = {fl_tensor_value(from), ints_value((fl_ints){view->sizes, view->ndim}),
                       ints_value((fl_ints){view->strides, view->ndim}), fl_int(view->offset)};
    fl_value result = fl_tensor_value(view);
    struct node *node = from ? record_node(&op_as_strided, args, &result) : NULL;
    tensor_release(from);
    return node;
}

fl_tensor *operation_sum_to_size(fl_tensor *t, fl_ints sizes)
{
    return call_dense(&op_sum_to_size, (fl_value[]){fl_tensor_value(t), ints_value(sizes)});
}

fl_tensor *operation_conj(fl_tensor *t)
{
    return call_dense(&op__conj, (fl_value[]){fl_tensor_value(t)});
}

fl_tensor *operation_cast(fl_tensor *t, int dtype)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT);
    fl_value d = {.tag = FL_DTYPE};
    d.as.i = dtype;
    return call_dense(&op__cast, (fl_value[]){fl_tensor_value(t), d});
}

fl_tensor *operation_move(fl_tensor *t, fl_device device)
{
    fl_value d = {.tag = FL_DEVICE};
    d.as.device = device;
    return call_dense(&op__move, (fl_value[]){fl_tensor_value(t), d});
}

int operation_has_nan(fl_tensor *t)
{
    bool mode = autograd_mode.grad;
    autograd_mode.grad = false;
    fl_tensor *nan = call_dense(&op_isnan, (fl_value[]){fl_tensor_value(t)});
    fl_tensor *any = nan ? op_call1(&op_any, (fl_value[]){fl_tensor_value(nan)}) : NULL;
    int found = any ? (int)tensor_element(any, 0).as.i : -1;
    autograd_mode.grad = mode;
    tensor_release(nan), tensor_release(any);
    return found;
}
