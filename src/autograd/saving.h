/* What a program puts in the place of tensors that nodes save for backward (PyTorch's
 * saved_tensors_hooks): on a disk, in another memory, compressed.
 *
 * While a thread has a packer, each tensor that a node would save is given to it, and the node
 * keeps what it returns; backward gives that back for a tensor. The tensor's sizes, dtype and place
 * in the graph stay with the node.
 */
#ifndef FLAMBEAU_AUTOGRAD_SAVING_H
#define FLAMBEAU_AUTOGRAD_SAVING_H

#include "autograd/autograd.h"

/* What a packer returned. Made by the packer, freed by `drop`. */
struct packed {
    fl_tensor *(*unpack)(struct packed *p); /* a new reference, or NULL with the error set */
    void (*drop)(struct packed *p);
};

struct packer {
    struct packed *(*pack)(void *context, fl_tensor *t); /* NULL with the error set */
    void *context;
};

/* The thread's, NULL for none. */
extern __thread const struct packer *autograd_packer __attribute__((tls_model("initial-exec")));

/* A packed tensor in a node. */
struct packed_tensor {
    struct packed *packed; /* NULL: nothing stands here */
    fl_tensor *shape;      /* sizes and dtype alone */
    struct edge from;      /* where the tensor comes from, a reference; nowhere for a result */
};

/* Gives t to the thread's packer. `result`: t is a result of the node that saves it, which must not
 * hold itself. 0, or -1 with the error set and nothing kept. */
int saving_keep(struct packed_tensor *p, fl_tensor *t, bool result);
/* The tensor again, a new reference; with `history` it comes from where it came from, or from
 * result `result` of `maker` where that is not NULL. NULL with the error set. */
fl_tensor *saving_show(const struct packed_tensor *p, bool history, struct node *maker, int result);
/* Drops it; again is harmless. */
void saving_drop(struct packed_tensor *p);

#endif
