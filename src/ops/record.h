/* Recording: turns a call through the door into a node, and runs its derivative formulas backwards.
 */
#ifndef FLAMBEAU_OPS_RECORD_H
#define FLAMBEAU_OPS_RECORD_H

#include "autograd/autograd.h"
#include "ops/op.h"

/* Whether this call must be recorded: grad mode is on, the operator has formulas, and an argument
 * asks for it. */
static inline bool record_is_needed(const fl_op *f, const fl_value *args)
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

/* Whether a recorded call has a tensor that asks for a gradient, differentiable or not. */
static inline bool record_has_gradient(const fl_op *f, const fl_value *args)
{
    for (int i = 0; autograd_mode.grad && i < f->params; i++) {
        if (args[i].tag == FL_TENSOR && tensor_requires_grad(args[i].as.tensor))
            return true;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (args[i].as.tensors[k] && tensor_requires_grad(args[i].as.tensors[k]))
                return true;
    }
    return false;
}

/* Makes the node of a call. `results` are what the operator gave. */
struct node *record_node(const fl_op *f, const fl_value *args, const fl_value *results);
/* Makes the node and hangs each floating result on it. */
int record_call(const fl_op *f, const fl_value *args, const fl_value *results);
/* Refuses arguments that must not ask for a gradient and do. Grad mode is on. 0 or -1. */
int record_refuse(const fl_op *f, const fl_value *args);
/* The error of out= where a gradient is asked for: -1. */
int record_refuse_out(const fl_op *f);
/* Before an in-place call writes self, its first argument: *n becomes the node that self comes from
 * afterwards, NULL where its history stays. What is saved has the versions of before the write: an
 * operand that shares self's memory is refused in backward, as PyTorch does. */
int record_write(const fl_op *f, const fl_value *args, fl_tensor *self, struct node **n);
/* After the write: counts it, and makes self, and its base, come from n (taken over; may be NULL).
 */
int record_written(fl_tensor *self, struct node *n);
/* The node of an in-place call whose result is constant, for calculus: the gradient of each operand
 * is zero (constant.c). */
struct node *constant_node(const fl_op *f, const fl_value *args);
/* The operator whose call made a node, views passed over: "softmax", "linear"; "" where that is no
 * operator's. */
const char *record_origin(const struct node *n);
/* The operator whose call a node stands for; NULL: it is no operator's. */
const fl_op *record_op(const struct node *n);
/* Whether a parameter of that call was given a number. */
bool record_is_number(const struct node *n, int param);
/* Renames a node that record_node made. */
void record_name(struct node *n, const char *title);
/* Renames the node behind a result that a composite made of other operators, as PyTorch's one is
 * called. A result with the node of `from`, the composite's argument, keeps its name. */
void record_show(fl_tensor *y, const fl_tensor *from, const char *title);
/* The node behind y stands for the one behind `from`, its argument, which PyTorch's graph has alone:
 * it takes that one's title and is shown with that one's edges. With a title: it is named so alone. */
void record_stand_in(fl_tensor *y, const fl_tensor *from, const char *title);
/* Gives the node behind a result an order of its gradients (autograd.h), of as many as it has edges.
 * whole: what the composite at work has made before it counts as its own. */
void record_order(fl_tensor *y, const struct node_order *order, bool whole);
/* Of a node with a composite's name: the number of the first node that the composite made. Those from
 * it on are the composite's, which PyTorch's graph has not. Else UINT64_MAX. */
uint64_t record_made_from(const struct node *n);
/* The edges of a node as PyTorch's graph has them, without what a composite is made of: how many, in
 * shown[RECORD_SHOWN]; -1 where there are more, or too much is behind it, and n->edge serves. */
enum { RECORD_SHOWN = 64 };
int record_shown(const struct node *n, struct edge *shown);
/* Of a node without a composite's name: which edge each of them is, -1 for a tensor that was not given
 * or is a number here, in at[RECORD_SHOWN]. How many; -1 where they are as they stand. */
int record_shown_order(const struct node *n, int *at);
/* What a node of an operator has saved under this name of the table ("self", "result"): a new
 * reference in *t, NULL for a list or an argument not given. 0; 1 where nothing of that name is
 * saved; -1 with the error set (it was freed, or written since). */
int record_saved(struct node *n, const char *name, fl_tensor **t);
/* A number, list of ints or text that a node was called with, by its parameter's name: borrowed.
 * False where it has none. */
bool record_argument(const struct node *n, const char *name, fl_value *v);
/* Gives the nodes behind a composite's results its title, if it has one, and the edges of its
 * operands, for who looks. A result that is an argument itself keeps its own. The views of a list come
 * from one node in PyTorch: CREATION_MANY. */
void record_title(const fl_op *f, const fl_value *args, const fl_value *results);

#endif
