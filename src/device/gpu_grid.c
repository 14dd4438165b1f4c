/* Sampling at the points of a grid, for grid.gpu. */
#include <assert.h>
#include <string.h>

#include "device/gpu.h"

/* struct fl_sampler of the text. */
struct sampler {
    int64_t images, channels, points, in[3];
    int32_t dims, mode, padding, corners;
};

/* input, grid, and the three arguments behind them: mode, padding, align_corners. */
static struct sampler sampler_of(const fl_tensor *x, const fl_tensor *grid, const fl_value *how)
{
    assert(x->ndim == grid->ndim && (x->ndim == 4 || x->ndim == 5));
    struct sampler s = {.images = x->sizes[0],
                        .channels = x->sizes[1],
                        .points = 1,
                        .in = {1, 1, 1},
                        .dims = x->ndim - 2,
                        .mode = (int32_t)how[0].as.i,
                        .padding = (int32_t)how[1].as.i,
                        .corners = how[2].as.i != 0};
    for (int d = 0; d < s.dims; d++) {
        s.in[3 - s.dims + d] = x->sizes[2 + d];
        s.points *= grid->sizes[1 + d];
    }
    return s;
}

/* grid_sampler_2d(input, grid, interpolation_mode, padding_mode, align_corners), grid_sampler_3d. */
int gpu_grid_sample(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0), *grid = gpu_tensor(c, 1);
    struct sampler s = sampler_of(x, grid, &c->args[2]);
    struct gpu_launch l = {0};
    if (c->y[0]->numel == 0)
        return 0;
    gpu_bytes(&l, &s, sizeof s);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_operand(c, grid));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, s.images * s.points);
    return gpu_go(c, gpu_text_grid, "grid_sample", &l);
}

/* grid_sampler_2d_backward(grad_output, input, grid, ...), grid_sampler_3d_backward. */
int gpu_grid_sample_backward(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 1), *grid = gpu_tensor(c, 2);
    struct sampler s = sampler_of(x, grid, &c->args[3]);
    struct gpu_launch planes = {0}, points = {0};
    if (gpu_tensor(c, 0)->numel == 0)
        return DEVICE_CANNOT;
    const void *g = gpu_operand(c, gpu_tensor(c, 0)), *at = gpu_operand(c, grid);
    gpu_bytes(&planes, &s, sizeof s);
    gpu_buffer(&planes, g);
    gpu_buffer(&planes, at);
    gpu_buffer(&planes, gpu_result(c, 0));
    gpu_spread(&planes, s.images * s.channels);
    gpu_bytes(&points, &s, sizeof s);
    gpu_buffer(&points, g);
    gpu_buffer(&points, gpu_operand(c, x));
    gpu_buffer(&points, at);
    gpu_buffer(&points, gpu_result(c, 1));
    gpu_spread(&points, s.images * s.points);
    return gpu_go(c, gpu_text_grid, "grid_sample_planes", &planes) ||
                   gpu_go(c, gpu_text_grid, "grid_sample_points", &points)
               ? -1
               : 0;
}
