/* Modules moved between devices: their tensors keep their handles, so that optimizers, and whoever
 * holds a parameter, go on with what they have. */
#include "autograd/operations.h"
#include "core/device.h"
#include "core/error.h"
#include "flambeau/nn.h"

/* t takes over what `there`, a copy of it on another device, shows. */
static int become(fl_tensor *t, const fl_tensor *there)
{
    if (tensor_set_shape(t, there->ndim, there->sizes, there->strides, there->offset))
        return -1;
    tensor_set_storage(t, there->storage);
    return 0;
}

static int move(fl_tensor *t, fl_device device)
{
    bool mode = autograd_mode.grad;
    autograd_mode.grad = false;
    fl_tensor *there = operation_move(t, device);
    autograd_mode.grad = mode;
    int status = there ? become(t, there) : -1;
    tensor_release(there);
    return status;
}

static int visit(const char *name, fl_tensor *t, bool is_buffer, void *context)
{
    const fl_device device = *(const fl_device *)context;
    (void)name, (void)is_buffer;
    fl_tensor *g = t->autograd ? t->autograd->grad : NULL;
    return move(t, device) || (g && move(g, device)) ? -1 : 0;
}

int fl_module_to(fl_module *m, fl_device device)
{
    if (!m)
        return fl_null_argument("fl_module_to", "m");
    return fl_module_each(m, visit, &device);
}
