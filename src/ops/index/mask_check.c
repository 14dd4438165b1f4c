/* What is asked of a mask among indices before it is looked at. */
#include <assert.h>

#include "core/error.h"
#include "core/warning.h"
#include "ops/index/index.h"

bool index_is_mask(const fl_tensor *t)
{
    return t->dtype == FL_BOOL || t->dtype == FL_UINT8;
}

int mask_warn(const fl_tensor *mask)
{
    return mask->dtype != FL_UINT8
               ? 0
               : warning_give("indexing with dtype torch.uint8 is now deprecated, please use a "
                              "dtype torch.bool instead.");
}

int index_check_mask(const fl_tensor *self, const fl_tensor *mask, int dim)
{
    assert(index_is_mask(mask));
    char a[128], b[128];
    if (dim + mask->ndim > self->ndim)
        return error_set(FL_INDEX_ERROR, "too many indices for tensor of dimension %d", self->ndim);
    for (int k = 0; k < mask->ndim; k++)
        if (mask->sizes[k] != self->sizes[dim + k]) {
            error_set(FL_INDEX_ERROR,
                      "The shape of the mask %s at index %d does not match the shape of the "
                      "indexed tensor %s at "
                      "index %d",
                      shape_text(a, sizeof a, mask->ndim, mask->sizes), k,
                      shape_text(b, sizeof b, self->ndim, self->sizes), dim + k);
            return error_hint("a mask holds one truth for each of the %lld elements along dim %d: "
                              "make it from this tensor; for another dim: x[:, mask]",
                              "掩码要为第 %2$d 维的 %1$lld 个元素各给一个真假值："
                              "请由这个张量算出掩码；要用于别的维：x[:, mask]",
                              (long long)self->sizes[dim + k], dim + k);
        }
    return 0;
}
