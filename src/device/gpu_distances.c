/* Distances of rows, for distances.gpu. */
#include <assert.h>
#include <math.h>

#include "device/gpu.h"

/* _cdist(x1, x2, p). */
int gpu_cdist(struct gpu_call *c)
{
    const fl_tensor *a = gpu_tensor(c, 0), *b = gpu_tensor(c, 1), *y = c->y[0];
    const double p = c->args[2].as.f;
    const int32_t how = p == 0 ? 0 : p == 1 ? 1 : p == 2 ? 2 : isinf(p) ? 3 : 4;
    const int64_t *n = &a->sizes[a->ndim - 1];
    struct gpu_launch l = {0};
    char power[8], root[8];
    assert(a->ndim >= 2 && b->ndim == a->ndim && y->dtype == c->dtype);
    if (y->numel == 0)
        return 0;
    if (*n == 0)
        return DEVICE_CANNOT;
    gpu_bytes(&l, &y->numel, sizeof y->numel);
    gpu_bytes(&l, &a->sizes[a->ndim - 2], sizeof *n);
    gpu_bytes(&l, &b->sizes[b->ndim - 2], sizeof *n);
    gpu_bytes(&l, n, sizeof *n);
    gpu_bytes(&l, &how, sizeof how);
    gpu_bytes(&l, power, gpu_scalar((union loop_scalar){.f = p}, compute_of(c->dtype), power));
    gpu_bytes(&l, root,
              gpu_scalar((union loop_scalar){.f = p ? 1 / p : 0}, compute_of(c->dtype), root));
    gpu_buffer(&l, gpu_operand(c, a));
    gpu_buffer(&l, gpu_operand(c, b));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, y->numel);
    return gpu_go(c, gpu_text_distances, "distances", &l);
}
