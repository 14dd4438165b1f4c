/* Parts of the door, for those who look at a call before it runs. */
#ifndef FLAMBEAU_OPS_DOOR_H
#define FLAMBEAU_OPS_DOOR_H

#include "ops/op.h"

/* The call itself, with nobody looking. What it calls in turn is looked at again. */
int door_plain(const fl_op *op, const fl_value *args, fl_value *results);
/* The in-place or out= form of what computes a new result: calls the functional form through the
 * door and writes what that gave. */
int door_written(const fl_op *op, const fl_value *args, fl_value *results);
/* Numbers given for Tensor|Scalar as the 0-dim tensors that a kernel wants, in args; `made` is to be
 * released, also after a failure. */
int door_numbers(const fl_op *f, fl_value *args, fl_tensor **made);

#endif
