/* Views between complex tensors and their parts. */
#include "core/error.h"
#include "core/lanes.h"
#include "ops_kernels.h"

int view_as_real_view(fl_tensor *self, struct op_view *y)
{
    if (!dtype_is_complex(self->dtype))
        return error_set(FL_RUNTIME_ERROR, "view_as_real is only supported for complex tensors");
    if (self->ndim == TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    for (int d = 0; d < self->ndim; d++)
        y->sizes[d] = self->sizes[d], y->strides[d] = 2 * self->strides[d];
    y->sizes[self->ndim] = 2, y->strides[self->ndim] = 1;
    y->ndim = self->ndim + 1;
    y->offset = 2 * self->offset;
    y->dtype = dtype_real(self->dtype);
    return 0;
}

int view_as_complex_view(fl_tensor *self, struct op_view *y)
{
    int last = self->ndim - 1;
    if (self->dtype != FL_FLOAT32 && self->dtype != FL_FLOAT64)
        return error_set(
            FL_RUNTIME_ERROR,
            "view_as_complex is only supported for half, float and double tensors, but "
            "got a tensor of scalar type: %s",
            dtype_title(self->dtype));
    if (last < 0)
        return error_set(FL_RUNTIME_ERROR, "Input tensor must have one or more dimensions");
    if (self->sizes[last] != 2)
        return error_set(FL_RUNTIME_ERROR, "Tensor must have a last dimension of size 2");
    if (self->strides[last] != 1)
        return error_set(FL_RUNTIME_ERROR, "Tensor must have a last dimension with stride 1");
    for (int d = 0; d < last; d++) {
        if (self->strides[d] % 2)
            return error_set(FL_RUNTIME_ERROR,
                             "Tensor must have a stride divisible by 2 for all but last dimension");
        y->sizes[d] = self->sizes[d], y->strides[d] = self->strides[d] / 2;
    }
    for (int i = 0; self->lanes && i < self->lanes->count; i++)
        if (self->lanes->lane[i].stride % 2)
            return error_set(FL_RUNTIME_ERROR,
                             "Tensor must have samples a stride divisible by 2 apart");
    if (self->offset % 2)
        return error_set(FL_RUNTIME_ERROR, "Tensor must have a storage_offset divisible by 2");
    y->ndim = last;
    y->offset = self->offset / 2;
    y->dtype = dtype_complex(self->dtype);
    return 0;
}
