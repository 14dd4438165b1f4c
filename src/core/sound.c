/* Whether handles keep what tensor.h promises of them: for asserts alone, so that a broken promise
 * is met where it was broken and not where it hurts. */
#include "core/sound.h"

#include "core/device.h"

/* Sizes at least 0, their product in numel; contiguous exactly where the flag says so, dense where its
 * own says so. */
static bool shape_is_sound(const fl_tensor *t)
{
    int64_t numel = 1, expected = 1;
    bool contiguous = true, dense = true;
    for (int i = 0; i < t->ndim; i++) {
        if (t->sizes[i] < 0)
            return false;
        numel *= t->sizes[i];
    }
    for (int i = t->ndim - 1; i >= 0 && numel > 0 && contiguous; i--) {
        dense = dense && t->strides[i] == expected;
        contiguous = t->sizes[i] == 1 || t->strides[i] == expected;
        expected *= t->sizes[i];
    }
    return numel == t->numel && contiguous == ((t->flags & TENSOR_CONTIGUOUS) != 0) &&
           (dense || !(t->flags & TENSOR_DENSE));
}

/* Every element lies within the storage. */
static bool memory_is_sound(const fl_tensor *t)
{
    const struct storage *s = t->storage;
    if (!s || t->numel == 0 || t->lanes) /* a lane may have no sample */
        return true;
    int64_t last = t->offset;
    for (int i = 0; i < t->ndim; i++) {
        if (t->sizes[i] > 1 && t->strides[i] < 0)
            return false;
        last += (t->sizes[i] - 1) * (t->sizes[i] > 1 ? t->strides[i] : 0);
    }
    return s->refs > 0 && (s->address || s->device->memory == DEVICE_NONE) && t->offset >= 0 &&
           (size_t)(last + 1) * dtype_size(t->dtype) <= s->bytes;
}

bool tensor_is_sound(const fl_tensor *t)
{
    if (!t || t->refs <= 0 || t->ndim < 0 || t->ndim > TENSOR_MAX_DIMS)
        return false;
    if (t->dtype < 0 || t->dtype >= FL_DTYPE_COUNT || !dtype_size(t->dtype))
        return false;
    if (!t->sizes || (t->ndim > TENSOR_INLINE_DIMS) != (t->sizes != t->inline_dims))
        return false;
    if (t->base && (t->base == t || t->base->base))
        return false;
    return shape_is_sound(t) && memory_is_sound(t);
}

bool value_is_sound(const fl_value *v)
{
    if (v->tag == FL_TENSOR)
        return tensor_is_sound(v->as.tensor);
    for (uint32_t i = 0; v->tag == FL_TENSORS && i < v->count; i++)
        if (v->as.tensors[i] && !tensor_is_sound(v->as.tensors[i]))
            return false;
    return v->tag <= FL_COMPLEX;
}
