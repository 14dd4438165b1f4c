/* Lists of tensors that operators return, and what holds a result. */
#include "ops/list.h"

#include <assert.h>

#include "core/error.h"
#include "core/memory.h"

fl_tensor **op_list(fl_value *y, int64_t count)
{
    *y = fl_none();
    if (count < 0 || count > INT32_MAX)
        return error_null(FL_OUT_OF_MEMORY, "a list of %lld tensors is too long", (long long)count);
    struct op_list *list = memory_zalloc(list_bytes(count));
    if (!list)
        return NULL;
    y->tag = FL_TENSORS, y->count = (uint32_t)count, y->as.tensors = list->tensor;
    return list->tensor;
}

void op_list_drop(fl_value *y)
{
    assert(y->tag != FL_TENSORS || y->as.tensors);
    if (y->tag == FL_TENSORS)
        memory_free(list_of(y), list_bytes(y->count));
    *y = fl_none();
}

void fl_value_release(fl_value *value)
{
    assert(value->tag <= FL_GENERATOR);
    if (value->tag == FL_TENSOR)
        tensor_release(value->as.tensor);
    if (value->tag == FL_TENSORS && !list_of(value)->adopted)
        for (uint32_t i = 0; i < value->count; i++)
            tensor_release(value->as.tensors[i]);
    op_list_drop(value);
}
