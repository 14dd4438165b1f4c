/* Recording: turns a call through the door into a node, and runs its derivative formulas backwards.
 */
#ifndef FLAMBEAU_OPS_RECORD_H
#define FLAMBEAU_OPS_RECORD_H

#include "autograd/autograd.h"
#include "ops/op.h"

/* Whether this call must be recorded: grad mode is on, the operator has formulas, and an argument
 * asks for it. */
static inline bool record_wanted(const fl_op *f, const fl_value *args)
{
    if (!autograd_mode.grad || !f->grad)
        return false;
    for (int i = 0; i < f->params; i++) {
        if (!(f->grad->differentiable >> i & 1))
            continue;
        if (args[i].tag == FL_TENSOR && tensor_requires_grad(args[i].as.tensor))
            return true;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (args[i].as.tensors[k] && tensor_requires_grad(args[i].as.tensors[k]))
                return true;
    }
    return false;
}

/* Makes the node of a call. `results` are what the operator gave (in-place: the tensor written).
 * `self_before` stands in for the first argument where an in-place call has overwritten what a
 * formula needs; NULL otherwise. */
struct node *record_node(const fl_op *f, const fl_value *args, const fl_value *results,
                         fl_tensor *self_before);
/* Makes the node and hangs each floating result on it. */
int record_call(const fl_op *f, const fl_value *args, const fl_value *results);
/* After y was written by a call that is no function of what stood there, or a constant one: its
 * history ends in a node that passes zeros on. */
int record_overwritten(const fl_op *f, fl_tensor *y);
/* Refuses arguments that must not ask for a gradient and do. Grad mode is on. 0 or -1. */
int record_refuse(const fl_op *f, const fl_value *args);
/* Gives the nodes behind a composite's results its title. A result that is an argument itself keeps
 * its own. */
void record_title(const fl_op *f, const fl_value *args, const fl_value *results);

#endif
