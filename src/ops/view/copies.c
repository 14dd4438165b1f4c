/* Copies of what views show, and copies with something else written where a view looks. */
#include <assert.h>

#include "core/device.h"
#include "core/error.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int check_part(const fl_tensor *part, const fl_tensor *src)
{
    char a[128], b[128];
    if (shape_equal(part, src))
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "expected src to have a size equal to the slice of self. src size = %s, slice "
                     "size = %s",
                     shape_text(a, sizeof a, src->ndim, src->sizes),
                     shape_text(b, sizeof b, part->ndim, part->sizes));
}

/* The part of y's memory that as_strided shows: a new reference. */
static fl_tensor *strided_part(fl_tensor *y, fl_ints size, fl_ints stride, const int64_t *offset)
{
    struct op_view view = {.dtype = y->dtype};
    if (as_strided_view(y, size, stride, offset, &view))
        return NULL;
    return tensor_alias(y, view.ndim, view.sizes, view.strides, view.offset);
}

/* A copy of the whole memory that self is a view of, so that offsets mean the same there; of self
 * alone where its elements overlap, as PyTorch does. *seen: self's part of it. */
static fl_tensor *memory_copy(const fl_tensor *self, fl_tensor **seen)
{
    struct device *where = tensor_device(self);
    bool overlaps = false;
    for (int d = 0; d < self->ndim; d++)
        overlaps |= self->strides[d] == 0 && self->sizes[d] > 1;
    if (overlaps) {
        fl_tensor *copy = tensor_new_on(where, self->ndim, self->sizes, NULL, self->dtype);
        *seen = copy && tensor_copy(copy, self) == 0 ? tensor_retain(copy) : NULL;
        return copy;
    }
    const int64_t all = (int64_t)(self->storage->bytes / dtype_size(self->dtype)), one = 1;
    fl_tensor *memory = tensor_alias(self, 1, &all, &one, 0);
    fl_tensor *copy = memory ? tensor_new_on(where, 1, &all, NULL, self->dtype) : NULL;
    *seen = copy && tensor_copy(copy, memory) == 0
                ? tensor_alias(copy, self->ndim, self->sizes, self->strides, self->offset)
                : NULL;
    tensor_release(memory);
    return copy;
}

int as_strided_scatter_shape(fl_tensor *self, fl_tensor *src, fl_ints size, fl_ints stride,
                             const int64_t *storage_offset, struct op_shape *y)
{
    (void)src, (void)size, (void)stride, (void)storage_offset;
    op_shape_laid_as(y, self);
    return 0;
}

int as_strided_scatter_cpu(fl_tensor *self, fl_tensor *src, fl_ints size, fl_ints stride,
                           const int64_t *storage_offset, fl_tensor *y)
{
    assert(shape_equal(y, self) && y->dtype == self->dtype);
    fl_tensor *seen = NULL, *copy = memory_copy(self, &seen);
    fl_tensor *part = seen ? strided_part(seen, size, stride, storage_offset) : NULL;
    int status = part ? check_part(part, src) : -1;
    if (status == 0)
        status = tensor_copy(part, src) || tensor_copy(y, seen) ? -1 : 0;
    tensor_release(part), tensor_release(seen), tensor_release(copy);
    return status;
}

int as_strided_scatter_alone_cpu(fl_tensor *self, fl_tensor *src, fl_ints size, fl_ints stride,
                                 const int64_t *storage_offset, fl_tensor *y)
{
    assert(shape_equal(y, self) && y->dtype == self->dtype);
    fl_tensor *part = strided_part(y, size, stride, storage_offset);
    int status = part ? check_part(part, src) : -1;
    if (status == 0)
        status = tensor_copy(y, self) || tensor_copy(part, src) ? -1 : 0;
    tensor_release(part);
    return status;
}

int as_strided_part_cpu(fl_tensor *self, fl_ints size, fl_ints stride,
                        const int64_t *storage_offset, fl_tensor *y)
{
    fl_tensor *from = tensor_contiguous(self), *part = NULL, *to = NULL;
    int status = from && tensor_fill(y, fl_int(0)) == 0 ? 0 : -1;
    if (status == 0) {
        part = strided_part(from, size, stride, storage_offset);
        to = strided_part(y, size, stride, storage_offset);
        status = part && to ? tensor_copy(to, part) : -1;
    }
    tensor_release(part), tensor_release(to), tensor_release(from);
    return status;
}
