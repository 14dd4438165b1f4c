/* What asserts ask of tensors and values; see tensor.h for the invariants. */
#ifndef FLAMBEAU_CORE_SOUND_H
#define FLAMBEAU_CORE_SOUND_H

#include "core/tensor.h"

bool tensor_is_sound(const fl_tensor *t);
/* Whether element i lies at data[i]: what a kernel expects of what it walks with one index. */
static inline bool tensor_is_flat(const fl_tensor *t)
{
    return t->storage && t->flags & TENSOR_CONTIGUOUS;
}
/* A tensor, or each of a list's; numbers and the rest always are. */
bool value_is_sound(const fl_value *v);

#endif
