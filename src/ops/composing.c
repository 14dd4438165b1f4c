/* What composites use beside operators: tensors made by hand, and conversions. */
#include <assert.h>

#include "core/scope.h"
#include "flambeau/ops.h"
#include "ops/op.h"

fl_tensor *op_adopt(fl_tensor *t)
{
    return scope_adopt(t) == 0 ? t : NULL;
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
