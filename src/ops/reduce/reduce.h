/* Reductions at run time. */
#ifndef FLAMBEAU_OPS_REDUCE_REDUCE_H
#define FLAMBEAU_OPS_REDUCE_REDUCE_H

#include "ops/op.h"

/* op_call for the functional form of a reduction. */
int reduce_call(const fl_op *f, const fl_value *args, fl_tensor *to, fl_value *results);

/* Which dims a list names, as bits (the list absent or empty: all); -1 with PyTorch's error for one
 * out of range or twice. */
int reduce_dims(const fl_value *dims, int ndim, uint64_t *mask);
/* The shape after reducing those dims. */
void reduce_shape(const fl_tensor *t, uint64_t mask, bool keepdim, int *ndim, int64_t *sizes);

#endif
