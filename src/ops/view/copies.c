/* Copies of what views show, and copies with something else written where a view looks. */
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

/* The part of a contiguous y that as_strided shows: a new reference. */
static fl_tensor *strided_part(fl_tensor *y, fl_ints size, fl_ints stride, const int64_t *offset)
{
    struct op_view view = {.dtype = y->dtype};
    if (as_strided_view(y, size, stride, offset, &view))
        return NULL;
    return tensor_alias(y, view.ndim, view.sizes, view.strides, view.offset);
}

int as_strided_scatter_cpu(fl_tensor *self, fl_tensor *src, fl_ints size, fl_ints stride,
                           const int64_t *storage_offset, fl_tensor *y)
{
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
