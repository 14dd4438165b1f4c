/* The type that a normalisation works in: its kernels exist for float32 and float64 alone.
 *
 * Operands of other dtypes are converted before a kernel, results after it.
 */
#ifndef FLAMBEAU_OPS_NORM_NORM_WORK_H
#define FLAMBEAU_OPS_NORM_NORM_WORK_H

#include "core/iterate.h"
#include "core/tensor.h"

static inline int norm_work_of(int dtype)
{
    return compute_dtype(compute_of(dtype));
}

/* *out: t, contiguous and of the type of work, for the caller to release; NULL where t is. Fails
 * only when memory is out. */
static inline int norm_work_as(fl_tensor *t, int work, fl_tensor **out)
{
    *out = t ? tensor_as(t, work) : NULL;
    return t && !*out ? -1 : 0;
}

/* A result itself where it is of the type of work and in rows, else room of that type, for the caller to
 * release; and back. */
static inline fl_tensor *norm_work_room(fl_tensor *y, int work)
{
    bool direct = y->dtype == work && y->flags & TENSOR_CONTIGUOUS;
    return direct ? tensor_retain(y) : tensor_new(y->ndim, y->sizes, work);
}

static inline int norm_work_put(fl_tensor *y, const fl_tensor *room)
{
    return room == y ? 0 : tensor_copy(y, room);
}

/* Halves go with parameters of float32, else all are of one dtype: 0, or -1 with PyTorch's error. p:
 * `count` parameters, each of which may be NULL. */
int norm_check_dtypes(const fl_tensor *input, const fl_tensor *const *p, int count);

#endif
