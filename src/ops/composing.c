/* What composites use beside operators: tensors made by hand, and conversions. */
#include <assert.h>

#include "core/device.h"
#include "core/scope.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/reduce.h"
#include "ops/op.h"

fl_tensor *op_adopt(fl_tensor *t)
{
    return scope_adopt(t) == 0 ? t : NULL;
}

fl_tensor *op_host(fl_tensor *t)
{
    return t && t->flags & TENSOR_ELSEWHERE ? op_adopt(tensor_host(t)) : t;
}

fl_tensor *op_look(const fl_tensor *t)
{
    static const int64_t none = 0;
    return t && tensor_is_meta(t) ? op_adopt(tensor_new(1, &none, t->dtype))
                                  : op_host((fl_tensor *)t);
}

fl_tensor *op_beside(fl_tensor *t, const fl_tensor *like)
{
    return t && like->flags & TENSOR_ELSEWHERE ? fl__move(t, tensor_device(like)->id) : t;
}

bool op_has_kernels(const fl_tensor *t)
{
    return tensor_device(t)->kernel != NULL;
}

fl_tensor *op_as(fl_tensor *t, int dtype)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT);
    return t && t->dtype != dtype ? fl__cast(t, (fl_dtype)dtype) : t;
}

fl_tensor *op_widen(fl_tensor *t)
{
    return t && (t->dtype == FL_FLOAT16 || t->dtype == FL_BFLOAT16) ? fl__cast(t, FL_FLOAT32) : t;
}

int op_give(fl_tensor **y, fl_tensor *t)
{
    *y = t;
    return t ? 0 : -1;
}

fl_tensor *op_ones_of(fl_tensor *t)
{
    return fl_ones_like(t, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
}

fl_tensor *op_sum_along(fl_tensor *t, int64_t dim, bool keepdim)
{
    return fl_sum_dim_intlist(t, (fl_ints){&dim, 1}, keepdim, FL_NO_DTYPE);
}

fl_tensor *op_number(const double *x)
{
    return x ? fl_full((fl_ints){NULL, 0}, fl_float(*x), FL_FLOAT64, (fl_device){-1, 0}, false)
             : NULL;
}

bool op_all_there(fl_tensor *const *list, int64_t count)
{
    int64_t there = 0;
    while (there < count && list[there])
        there++;
    return there == count;
}

fl_tensor *op_joined(fl_tensor *const *list, int64_t count, int64_t dim)
{
    return op_all_there(list, count) ? fl_cat((fl_tensors){list, count}, dim) : NULL;
}

fl_tensor *op_stacked(fl_tensor *const *list, int64_t count, int64_t dim)
{
    return op_all_there(list, count) ? fl_stack((fl_tensors){list, count}, dim) : NULL;
}
