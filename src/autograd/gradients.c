/* The public functions on gradients, for C programs. */
#include "autograd/autograd.h"

bool fl_requires_grad(const fl_tensor *t)
{
    return t && tensor_requires_grad(t);
}

int fl_set_requires_grad(fl_tensor *t, bool requires_grad)
{
    return t ? autograd_set_requires_grad(t, requires_grad) : -1;
}

fl_tensor *fl_grad(const fl_tensor *t)
{
    return t && t->autograd ? t->autograd->grad : NULL;
}

int fl_set_grad(fl_tensor *t, fl_tensor *grad)
{
    return t ? autograd_set_grad(t, grad) : -1;
}

int fl_backward(fl_tensor *loss)
{
    if (!loss)
        return -1;
    return engine_backward(&(struct backward_request){.count = 1, .tensors = &loss});
}

bool fl_grad_enabled(bool enabled)
{
    bool before = autograd_mode.grad;
    autograd_mode.grad = enabled;
    return before;
}
