/* Where the result of a call is computed: in new memory, or in what the program gave for it. */
#include "ops/room.h"

#include <assert.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/warning.h"

bool room_is_shared(const fl_op *f, const fl_value *args, const fl_tensor *t)
{
    for (int i = 0; i < f->params; i++) {
        if (args[i].tag == FL_TENSOR && args[i].as.tensor->storage == t->storage)
            return true;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (args[i].as.tensors[k] && args[i].as.tensors[k]->storage == t->storage)
                return true;
    }
    return false;
}

/* Whether tensors are among its operands. */
static bool is_of_others(const fl_op *f)
{
    bool of_others = false;
    for (int i = 0; i < f->params; i++) {
        enum op_type type = f->param[i].type;
        of_others |= type == TYPE_TENSOR || type == TYPE_OPERAND || type == TYPE_TENSORS;
    }
    return of_others;
}

int room_resize(const fl_op *f, fl_tensor *to, int ndim, const int64_t *sizes)
{
    assert(to->storage);
    char was[256];
    if (strcmp(f->base, "arange") == 0 && to->numel && to->numel != sizes[0] &&
        warning_give("The number of elements in the out tensor of shape %s is %lld which does not "
                     "match the computed number of elements %lld. Note that this may occur as a "
                     "result of rounding error. The out tensor will be resized to a tensor of "
                     "shape (%lld,).",
                     shape_text(was, sizeof was, to->ndim, to->sizes), (long long)to->numel,
                     (long long)sizes[0], (long long)sizes[0]))
        return -1;
    return is_of_others(f) && !f->random ? tensor_resize_output(to, ndim, sizes)
                                         : tensor_resize(to, ndim, sizes);
}

int room_take(const fl_op *f, const fl_value *args, fl_tensor *to, int ndim, const int64_t *sizes,
              int dtype, fl_tensor **y)
{
    *y = NULL;
    if (f->results != 1 || f->keeps || to->dtype != dtype || to->lanes || !to->storage ||
        tensor_device(to) != &device_cpu || room_is_shared(f, args, to))
        return 0;
    bool same = to->ndim == ndim;
    for (int d = 0; same && d < ndim; d++)
        same = to->sizes[d] == sizes[d];
    if (!same && to->numel)
        return 0;
    if (!same && room_resize(f, to, ndim, sizes))
        return -1;
    /* rand and its kin draw in the order of the memory that they write, of whatever strides. */
    if (!(to->flags & TENSOR_CONTIGUOUS)) {
        if (!f->random)
            return 0;
        if (tensor_check_written(to))
            return -1;
    }
    tensor_bump_version(to);
    *y = tensor_retain(to);
    return 0;
}
