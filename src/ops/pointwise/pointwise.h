/* Pointwise operators at run time: promotion, broadcasting, the result's layout, and one loop over
 * it. */
#ifndef FLAMBEAU_OPS_POINTWISE_POINTWISE_H
#define FLAMBEAU_OPS_POINTWISE_POINTWISE_H

#include "ops/op.h"

/* op_call for a pointwise operator, in any form. */
int pointwise_call(const fl_op *op, const fl_value *args, fl_value *results);

/* A new tensor of `dtype` from one loop (an index into the loops) over tensors and numbers,
 * broadcast together, computed in `compute`; operands with a bit in `truths` are read as truth
 * values. For fused derivatives. */
fl_tensor *pointwise_new(const fl_op *f, const char *text, int loop, enum compute compute,
                         uint8_t truths, int operands, const fl_value *operand, int scalars,
                         const fl_value *scalar, int dtype);

/* The dtype to which tensors and numbers promote together (torch.result_type): tensors with dims
 * outweigh 0-dim ones, which outweigh numbers, where the kinds (bool, integral, floating) are the
 * same or lower. -1 with the error
 * where two do not promote. */
int pointwise_promote(int count, const fl_value *values);
int pointwise_promote_list(fl_tensor *const *tensors, int64_t count); /* NULLs are passed over */

/* Broadcasts the shapes of tensors among the values; numbers have none. */
int pointwise_broadcast(int count, const fl_value *values, int *ndim, int64_t *sizes);

#endif
