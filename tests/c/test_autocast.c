/* Autocast from C: dtypes of results, nesting, gradients of leaves. */
#include "check.h"
#include "flambeau.h"

static fl_tensor *product(fl_tensor *a, fl_tensor *b)
{
    return fl_matmul(a, b);
}

int main(void)
{
    fl_scope_begin();
    fl_tensor *a = fl_ones(FL_INTS_OF(2, 2), FL_FLOAT32, (fl_device){0, 0}, false);
    fl_tensor *w = fl_ones(FL_INTS_OF(2, 2), FL_FLOAT32, (fl_device){0, 0}, true);
    CHECK(fl_dtype_of(product(a, w)) == FL_FLOAT32);
    fl_autocast outer = fl_autocast_begin(true, FL_BFLOAT16);
    CHECK(!outer.enabled && outer.dtype == FL_BFLOAT16);
    CHECK(fl_dtype_of(product(a, w)) == FL_BFLOAT16);
    fl_autocast inner = fl_autocast_begin(false, FL_NO_DTYPE);
    CHECK(inner.enabled && fl_dtype_of(product(a, w)) == FL_FLOAT32);
    fl_autocast_end(inner);
    inner = fl_autocast_begin(true, FL_FLOAT16);
    CHECK(fl_dtype_of(product(a, w)) == FL_FLOAT16);
    fl_autocast_end(inner);
    fl_tensor *loss = fl_sum(product(product(a, w), w), FL_NO_DTYPE);
    CHECK(fl_dtype_of(loss) == FL_BFLOAT16);
    fl_autocast_end(outer);
    CHECK(fl_dtype_of(product(a, w)) == FL_FLOAT32);
    CHECK(fl_backward(loss) == 0);
    CHECK(fl_dtype_of(fl_grad(w)) == FL_FLOAT32);
    fl_autocast_end(outer); /* one end too many does no harm */
    CHECK(product(a, fl_ones(FL_INTS_OF(3), FL_FLOAT32, (fl_device){0, 0}, false)) == NULL);
    fl_scope_end();
    return check_result();
}
