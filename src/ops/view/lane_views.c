/* Views that turn dims into lanes and lanes into dims. */
#include "core/error.h"
#include "core/lanes.h"
#include "ops/op.h"
#include "ops_kernels.h"

static void copy_dims(const fl_tensor *t, int from, int count, struct op_view *y, int to)
{
    for (int i = 0; i < count; i++)
        y->sizes[to + i] = t->sizes[from + i], y->strides[to + i] = t->strides[from + i];
}

int lane_enter_view(fl_tensor *self, int64_t lane, int64_t dim, struct op_view *y)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    y->ndim = self->ndim - 1, y->offset = self->offset;
    copy_dims(self, 0, d, y, 0);
    copy_dims(self, d + 1, y->ndim - d, y, d);
    y->change = VIEW_ADDS_LANE;
    y->lane = (uint32_t)lane, y->lane_size = self->sizes[d], y->lane_stride = self->strides[d];
    return 0;
}

int lane_leave_view(fl_tensor *self, int64_t lane, int64_t size, int64_t dim, struct op_view *y)
{
    const struct lane *own = lanes_find(self->lanes, (uint32_t)lane);
    int d = shape_wrap_dim(dim, self->ndim + 1);
    if (d < 0)
        return -1;
    if (self->ndim + 1 > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    y->ndim = self->ndim + 1, y->offset = self->offset;
    copy_dims(self, 0, d, y, 0);
    y->sizes[d] = own ? own->size : size, y->strides[d] = own ? own->stride : 0;
    copy_dims(self, d, self->ndim - d, y, d + 1);
    y->change = VIEW_DROPS_LANE;
    y->lane = (uint32_t)lane;
    return 0;
}

int lane_expand_view(fl_tensor *self, int64_t lane, int64_t size, struct op_view *y)
{
    y->ndim = self->ndim, y->offset = self->offset;
    copy_dims(self, 0, self->ndim, y, 0);
    if (!lanes_find(self->lanes, (uint32_t)lane)) /* a tangent may have what its tensor lacks */
        y->change = VIEW_ADDS_LANE;
    y->lane = (uint32_t)lane, y->lane_size = size, y->lane_stride = 0;
    return 0;
}
