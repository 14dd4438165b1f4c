/* Complex numbers from their parts, and what is made of the parts of complex numbers. */
#include <assert.h>

#include "core/error.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/pointwise/pointwise.h"
#include "ops_kernels.h"

int conj_compose(fl_tensor *self, fl_tensor **y)
{
    return op_give(y, dtype_is_complex(self->dtype) ? fl__conj(self) : self);
}

int resolved_compose(fl_tensor *self, fl_tensor **y)
{
    return op_give(y, self);
}

int angle_compose(fl_tensor *self, fl_tensor **y)
{
    if (dtype_is_complex(self->dtype))
        return op_give(y, fl_atan2(fl_imag(self), fl_real(self)));
    if (!dtype_is_floating(self->dtype))
        self = op_as(self, dtype_default());
    return op_give(y, fl__angle_real(self));
}

/* Both as views of the shape to which they broadcast. */
static int expand_both(fl_tensor **a, fl_tensor **b)
{
    assert(*a && *b);
    const fl_value both[] = {fl_tensor_value(*a), fl_tensor_value(*b)};
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim;
    if (pointwise_broadcast(2, both, &ndim, sizes))
        return -1;
    *a = fl_expand(*a, (fl_ints){sizes, ndim}, false);
    *b = fl_expand(*b, (fl_ints){sizes, ndim}, false);
    return *a && *b ? 0 : -1;
}

int complex_check(fl_tensor *a, fl_tensor *b)
{
    for (int i = 0; i < 2; i++) {
        int dtype = (i ? b : a)->dtype;
        if (dtype != FL_FLOAT32 && dtype != FL_FLOAT64)
            return error_set(FL_RUNTIME_ERROR,
                             "Expected both inputs to be Half, Float or Double tensors but got %s "
                             "and %s",
                             dtype_title(a->dtype), dtype_title(b->dtype));
    }
    if (a->dtype != b->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected object of scalar type %s but got scalar type %s for second "
                         "argument",
                         dtype_title(a->dtype), dtype_title(b->dtype));
    return 0;
}

/* The dims of both, outermost first in the memory of a pointwise result, and where each went; false
 * where they stand so already. */
static bool order_of(const fl_tensor *a, const fl_tensor *b, int64_t *order, int64_t *back)
{
    assert(shape_equal(a, b));
    bool moved = false;
    int64_t strides[TENSOR_MAX_DIMS];
    const int64_t *const both[] = {a->strides, b->strides};
    shape_lay(a->ndim, a->sizes, 2, both, strides);
    for (int d = 0; d < a->ndim; d++) {
        int at = d;
        for (; at > 0 && strides[order[at - 1]] < strides[d]; at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
    for (int k = 0; k < a->ndim; k++)
        back[order[k]] = k, moved |= order[k] != k;
    return moved;
}

int complex_compose(fl_tensor *real, fl_tensor *imag, fl_tensor **y)
{
    int64_t order[TENSOR_MAX_DIMS], back[TENSOR_MAX_DIMS];
    if (expand_both(&real, &imag))
        return -1;
    const fl_ints there = {order, real->ndim}, here = {back, real->ndim};
    const bool moved = order_of(real, imag, order, back);
    if (moved)
        real = fl_permute(real, there), imag = fl_permute(imag, there);
    fl_tensor *const parts[] = {real, imag};
    fl_tensor *both = real && imag ? fl_stack((fl_tensors){parts, 2}, -1) : NULL;
    fl_tensor *made = both ? fl_view_as_complex(both) : NULL;
    return op_give(y, made && moved ? fl_permute(made, here) : made);
}

int polar_compose(fl_tensor *abs, fl_tensor *angle, fl_tensor **y)
{
    return op_give(y, fl_complex(fl_mul(abs, fl_cos(angle)), fl_mul(abs, fl_sin(angle))));
}
