/* Memory formats: which one strides speak of, and results that take their operand's.
 *
 * PyTorch's kernels for images write their result with the channels last where they read so. Ours
 * write row by row; a result that is to have the other format is copied into it, by the key `keeps`
 * of the operator's paragraph. (Pointwise operators follow their operands' strides by themselves.)
 */
#include "core/device.h"
#include "core/error.h"
#include "ops/op.h"

int format_strides(int format, int ndim, const int64_t *sizes, int64_t *strides)
{
    int rank = format == FORMAT_CHANNELS_LAST ? 4 : 5;
    if (format <= FORMAT_PRESERVE) {
        shape_contiguous_strides(ndim, sizes, strides);
        return 0;
    }
    if (ndim != rank)
        return error_set(FL_RUNTIME_ERROR, "required rank %d tensor to use channels_last%s format",
                         rank, rank == 5 ? "_3d" : "");
    int64_t step = sizes[1] > 1 ? sizes[1] : 1;
    strides[1] = 1;
    for (int d = ndim - 1; d >= 2; d--) {
        strides[d] = step;
        step *= sizes[d] > 1 ? sizes[d] : 1;
    }
    strides[0] = step;
    return 0;
}

/* Whether strides grow from the channels over the last dim to the first (source: c10's
 * is_channels_last_strides). Where sizes of 1 leave it open, as for one pixel, it is contiguous. */
static bool has_channels_last(const fl_tensor *t)
{
    int64_t least = 0;
    if (t->strides[1] == 0)
        return false;
    for (int k = 0; k < t->ndim; k++) {
        int d = k == 0 ? 1 : k == t->ndim - 1 ? 0 : t->ndim - k;
        if (t->sizes[d] == 0 || t->strides[d] < least || (d == 0 && least == t->strides[1]))
            return false;
        least = t->strides[d] * (t->sizes[d] > 1 ? t->sizes[d] : 1);
    }
    return true;
}

int format_of(const fl_tensor *t)
{
    return (t->ndim != 4 && t->ndim != 5) || !has_channels_last(t) ? FORMAT_CONTIGUOUS
           : t->ndim == 4                                          ? FORMAT_CHANNELS_LAST
                                                                   : FORMAT_CHANNELS_LAST_3D;
}

/* The format of one of the operands that count, or of a list whose tensors agree. */
static int wanted_format(const fl_op *f, const fl_value *args)
{
    for (int i = 0; i < f->params; i++) {
        int format = FORMAT_CONTIGUOUS;
        if (!(f->keeps >> i & 1))
            continue;
        if (args[i].tag == FL_TENSOR)
            format = format_of(args[i].as.tensor);
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++) {
            int one = format_of(args[i].as.tensors[k]);
            format = k == 0 || one == format ? one : FORMAT_CONTIGUOUS;
        }
        if (format != FORMAT_CONTIGUOUS)
            return format;
    }
    return FORMAT_CONTIGUOUS;
}

int format_keep(const fl_op *f, const fl_value *args, fl_tensor **y)
{
    int format = wanted_format(f, args);
    for (int k = 0; format != FORMAT_CONTIGUOUS && k < f->results; k++) {
        int64_t strides[TENSOR_MAX_DIMS];
        if (!y[k] || y[k]->ndim != (format == FORMAT_CHANNELS_LAST ? 4 : 5) ||
            format_strides(format, y[k]->ndim, y[k]->sizes, strides))
            continue;
        fl_tensor *laid =
            tensor_new_on(tensor_device(y[k]), y[k]->ndim, y[k]->sizes, strides, y[k]->dtype);
        if (!laid || tensor_copy(laid, y[k])) {
            tensor_release(laid);
            return -1;
        }
        tensor_release(y[k]);
        y[k] = laid;
    }
    return 0;
}
