/* Forward mode: tangents of results beside the results. */
#ifndef FLAMBEAU_OPS_FORWARD_H
#define FLAMBEAU_OPS_FORWARD_H

#include "autograd/tangents.h"
#include "ops/op.h"

/* Whether t has a tangent that is shown. */
bool forward_has_tangent(const fl_tensor *t);
/* Whether an argument has a tangent that is shown. */
bool forward_concerns(const fl_op *op, const fl_value *args);
/* op_call where it has: the same results, with tangents. */
int forward_call(const fl_op *op, const fl_value *args, fl_value *results);

/* t as a dual tensor: a view of it with a tangent at a level. PyTorch's errors for a tangent of
 * another size. A new reference. */
fl_tensor *forward_make(fl_tensor *t, fl_tensor *tangent, uint32_t level);
/* A view of t without the tangent of a level and those inside it. */
fl_tensor *forward_primal(fl_tensor *t, uint32_t level);

#endif
