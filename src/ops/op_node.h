/* The node of an operator's call, as the files that make it (record.c), keep what it saves
 * (record_saved.c) and walk back through it (record_back.c) share it.
 */
#ifndef FLAMBEAU_OPS_OP_NODE_H
#define FLAMBEAU_OPS_OP_NODE_H

#include "autograd/saving.h"
#include "ops/record.h"

/* Tensors of a node that the program packed; in their places stand handles with a shape alone. */
struct packed_saves {
    size_t bytes;
    int count;
    struct packed_place {
        struct packed_tensor tensor;
        int16_t param, result; /* an argument, or -1 and a result */
        uint32_t k;            /* of a list */
    } at[];
};

struct op_node {
    struct node node;
    const fl_op *op;
    const char *title, *called; /* in the graph; in the message that a derivative is missing */
    uint64_t made_from; /* shown by a composite's name: its first node's number, else UINT64_MAX */
    uint32_t
        absent; /* of that composite's floating tensors those that ask for no gradient (bits) */
    size_t bytes;
    uint32_t saves, saves_results; /* parameters and results whose elements are kept */
    bool in_place;                 /* the form "add_" was called */
    bool shapes;                   /* some handles with a shape alone are kept too */
    fl_value *args;                /* op->params of them */
    uint32_t *version; /* of each saved argument; lists one after another at list_version */
    uint32_t *list_version;
    /* Saved results: aliases; or handles with a shape alone, of operators with several results. */
    fl_tensor *result[OP_RESULTS];
    uint32_t result_version[OP_RESULTS];
    fl_tensor *shape[OP_RESULTS];  /* shapes of results that may receive no gradient */
    int32_t first_edge[OP_PARAMS]; /* of each parameter */
    struct packed_saves *packed;   /* NULL: none */
};

extern const struct node_class OP_NODE;

/* Whether something flows back into a result of f. */
static inline bool is_differentiable(const fl_op *f, int result)
{
    assert(result >= 0 && result < OP_RESULTS);
    return f->results == 1 || f->grad->grads >> result & 1;
}

/* Gives all that the node has saved to the thread's packer. 0 or -1. */
int op_node_pack(struct op_node *self);
/* Fills args, a copy of the node's, and y with what the program unpacks; lists of tensors are
 * copied into `lists`. What was unpacked is *made's, count of them, new references. */
int op_node_unpack(struct op_node *self, bool create_graph, fl_value *args, fl_tensor **lists,
                   fl_tensor **y, fl_tensor **made);
/* Refuses what was written since it was saved. 0 or -1. */
int op_node_check_versions(struct op_node *self);
/* Makes a gradient that went to edge e depend on what that edge leads to, by zeros or nothing, as the
 * rule says (depends.c): by a node whose title is the rule's, or made of self's. 0, or -1 with the
 * error. */
int op_node_depends(const struct op_node *self, int e, const struct op_grad_rule *rule,
                    fl_tensor **gradient);
/* The three functions of the class. */
int op_node_backward(struct node *n, fl_tensor *const *incoming, bool create_graph,
                     fl_tensor **out);
void op_node_release_saved(struct node *n);
void op_node_destroy(struct node *n);

#endif
