/* Hooks: callbacks kept by a node or a leaf, in the order in which they were added. */
#ifndef FLAMBEAU_AUTOGRAD_HOOKS_H
#define FLAMBEAU_AUTOGRAD_HOOKS_H

#include "autograd/autograd.h"

enum hook_kind {
    HOOK_TENSOR, /* one gradient of a node's results, before the node runs */
    HOOK_RETAIN, /* the same, last of them: stores it as .grad of a non-leaf */
    HOOK_BEFORE, /* all gradients of a node's results */
    HOOK_AFTER,  /* a node's gradients of inputs and results */
    HOOK_LEAF    /* after a leaf's .grad was updated */
};

/* Adds one; *hooks is made when it is NULL. Returns its id (unique in the process), or -1 when
 * memory is out. */
int64_t hooks_add(struct grad_hooks **hooks, enum hook_kind kind, int result, void (*run)(void),
                  void *context, void (*drop)(void *context));
void hooks_remove(struct grad_hooks *hooks, int64_t id);
/* Drops HOOK_RETAIN entries of that context (the tensor that goes). */
void hooks_forget(struct grad_hooks *hooks, const void *context);
void hooks_free(struct grad_hooks *hooks);
/* Shows each hook's function and context to `see` until that returns another value than 0, which
 * is returned. */
int hooks_each(struct grad_hooks *hooks, int (*see)(void (*run)(void), void *context, void *arg),
               void *arg);
/* Runs those of tensors, then those before the node, on the gradients of a node's results. */
int hooks_run_before(struct grad_hooks *hooks, int results, fl_tensor **g);
int hooks_run_after(struct grad_hooks *hooks, int inputs, fl_tensor **out, int results,
                    fl_tensor **g);
int hooks_run_leaf(struct grad_hooks *hooks, fl_tensor *leaf);

#endif
