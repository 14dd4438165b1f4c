/* Optimizers' steps, for optimizer.gpu: (parameter, gradient, states..., numbers, flags), in which the
 * text's numbers come as doubles and its flags as an integer. */
#include <assert.h>

#include "device/gpu.h"

enum { MOST_NUMBERS = 9 };

/* Whether each of the tensors is floats of one dtype, row by row, on the device: they are written where
 * they lie. */
static bool all_plain(const struct gpu_call *c, int tensors)
{
    bool plain = dtype_is_floating(c->y[0]->dtype);
    for (int i = 0; i < tensors && plain; i++) {
        const fl_tensor *t = gpu_tensor(c, i);
        plain = !t || (t->dtype == c->y[0]->dtype && t->flags & TENSOR_CONTIGUOUS &&
                       tensor_device(t) == &c->g->device && t->numel == c->y[0]->numel);
    }
    return plain;
}

static int step(struct gpu_call *c, const char *entry, int states)
{
    const int tensors = 2 + states;
    const fl_value *numbers = &c->args[tensors];
    const int64_t n = c->y[0]->numel;
    const int32_t flags = (int32_t)c->args[tensors + 1].as.i;
    char number[MOST_NUMBERS][8];
    struct gpu_launch l = {0};
    assert(numbers->tag == FL_FLOATS && numbers->count <= MOST_NUMBERS);
    if (!all_plain(c, tensors))
        return DEVICE_CANNOT;
    if (n == 0)
        return 0;
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &flags, sizeof flags);
    for (uint32_t i = 0; i < numbers->count; i++)
        gpu_bytes(&l, number[i],
                  gpu_scalar((union loop_scalar){.f = numbers->as.floats[i]}, compute_of(c->dtype),
                             number[i]));
    for (int i = 0; i < tensors; i++)
        gpu_buffer(&l, tensor_address(gpu_tensor(c, gpu_tensor(c, i) ? i : 0)));
    gpu_spread(&l, n);
    return gpu_go_stored(c, c->y[0]->dtype, gpu_text_optimizer, entry, &l);
}

int gpu_sgd_step(struct gpu_call *c)
{
    return step(c, "sgd_step", 1);
}

int gpu_adam_step(struct gpu_call *c)
{
    return step(c, "adam_step", 3);
}
