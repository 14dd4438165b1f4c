/* Mixed precision: under autocast, operators whose descriptor says so get their tensors in another
 * dtype. */
#ifndef FLAMBEAU_OPS_AUTOCAST_H
#define FLAMBEAU_OPS_AUTOCAST_H

#include "autograd/autograd.h"
#include "ops/op.h"

/* op_call, when the mode is on and the operator has a rule: brings the tensors to the rule's dtype
 * and calls the operator with the mode off. */
int autocast_call(const fl_op *op, const fl_value *args, fl_value *results);

/* The thread's state besides INTERPOSE_AUTOCAST, which says whether the mode is on anywhere. */
struct autocast_state {
    uint8_t on; /* kinds of devices (bits) whose tensors it brings to another dtype */
    int dtype[FL_DEVICE_KINDS]; /* what AUTOCAST_LOWER means there: FL_BFLOAT16 or FL_FLOAT16 */
    bool cache;  /* casts of leaves that ask for gradients are kept */
    int nesting; /* of contexts; leaving the outermost one drops the kept casts */
};
extern __thread struct autocast_state autocast_state;
static inline bool autocast_enabled(int kind)
{
    assert(kind >= 0 && kind < FL_DEVICE_KINDS);
    return autograd_mode.interpose & INTERPOSE_AUTOCAST && autocast_state.on >> kind & 1;
}
void autocast_enable(int kind, bool on);
void autocast_clear(void); /* drops this thread's kept casts */

#endif
