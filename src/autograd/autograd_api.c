/* The public functions of automatic differentiation. */
#include "autograd/autograd.h"
#include "core/error.h"

static int check_given(const void *t)
{
    return t                     ? 0
           : fl_error() != FL_OK ? -1
                                 : error_set(FL_TYPE_ERROR, "expected a tensor, got NULL");
}

bool fl_requires_grad(const fl_tensor *t)
{
    return t && tensor_requires_grad(t);
}

int fl_set_requires_grad(fl_tensor *t, bool requires_grad)
{
    return check_given(t) ? -1 : autograd_set_requires_grad(t, requires_grad);
}

fl_tensor *fl_grad(const fl_tensor *t)
{
    return t && t->autograd ? t->autograd->grad : NULL;
}

int fl_set_grad(fl_tensor *t, fl_tensor *grad)
{
    return check_given(t) ? -1 : autograd_set_grad(t, grad);
}

int fl_backward(fl_tensor *loss)
{
    struct backward_request request = {.count = 1, .tensors = &loss};
    return check_given(loss) ? -1 : engine_backward(&request);
}

bool fl_grad_enabled(bool enabled)
{
    bool was = autograd_mode.grad;
    autograd_mode.grad = enabled;
    return was;
}
