/* Room for results. */
#ifndef FLAMBEAU_OPS_ROOM_H
#define FLAMBEAU_OPS_ROOM_H

#include "ops/op.h"

/* Whether t shows memory of an argument: it is one of them, or a view. */
bool room_is_shared(const fl_op *f, const fl_value *args, const fl_tensor *t);
/* Gives `to`, which the program gave for a result of f, the result's sizes, with PyTorch's warning
 * where it has elements; without one where f makes a tensor of no other (zeros, linspace). 0, or -1
 * with the error. */
int room_resize(const fl_op *f, fl_tensor *to, int ndim, const int64_t *sizes);
/* Where the one result of a call may be computed right into `to`, a tensor that the program gave
 * for it (out=), *y is a new reference on that, which is resized where it had no elements; else *y
 * is NULL: the result wants memory of its own. -1 with the error set. */
int room_take(const fl_op *f, const fl_value *args, fl_tensor *to, int ndim, const int64_t *sizes,
              int dtype, fl_tensor **y);

#endif
