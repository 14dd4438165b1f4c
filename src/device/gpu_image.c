/* Resizing, for image.gpu. */
#include <assert.h>

#include "device/gpu.h"

/* Along the dim of c's argument 1 from x to y, or back. */
static int blend(struct gpu_call *c, bool back)
{
    const fl_tensor *whole = gpu_tensor(c, 0), *index = gpu_tensor(c, 2), *y = c->y[0];
    int64_t given[3], made[3];
    struct gpu_launch l = {0};
    const int d = gpu_along(whole, c->args[1].as.i, given);
    if (d < 0)
        return -1;
    if (y->numel == 0)
        return 0;
    if (whole->numel == 0 || index->numel == 0)
        return DEVICE_CANNOT;
    assert(index->ndim == 2 && whole->ndim == y->ndim);
    gpu_around(y, d, made);
    const int64_t in = back ? made[1] : given[1], out = back ? given[1] : made[1];
    gpu_bytes(&l, &given[0], sizeof given[0]);
    gpu_bytes(&l, &in, sizeof in);
    gpu_bytes(&l, &out, sizeof out);
    gpu_bytes(&l, &given[2], sizeof given[2]);
    gpu_bytes(&l, &index->sizes[0], sizeof index->sizes[0]);
    gpu_buffer(&l, gpu_operand(c, whole));
    gpu_buffer(&l, gpu_operand_as(c, index, FL_INT64));
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 3)));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, back ? given[0] * given[2] : y->numel);
    return gpu_go(c, gpu_text_image, back ? "blend_backward" : "blend", &l);
}

/* _blend_points(input, dim, index, weight). */
int gpu_blend_points(struct gpu_call *c)
{
    return blend(c, false);
}

/* _blend_points_backward(grad_output, dim, index, weight, size). */
int gpu_blend_points_backward(struct gpu_call *c)
{
    return blend(c, true);
}
