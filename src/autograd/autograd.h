/* The graph: nodes, the state a tensor keeps of it, and the engine that walks it backwards.
 *
 * A node stands for one recorded call; its edges lead to the nodes that made its inputs. A tensor
 * that a recorded call made points at the node (grad_fn); a leaf that gathers a gradient has an
 * accumulate node, which points at the leaf. Nodes know no operator by name: a node_class says how
 * to go backwards. Tensors hold nodes, nodes hold saved tensors, and never the tensors that they
 * made, so that there is no cycle.
 */
#ifndef FLAMBEAU_AUTOGRAD_AUTOGRAD_H
#define FLAMBEAU_AUTOGRAD_AUTOGRAD_H

#include "core/tensor.h"

struct node;
struct grad_hooks;
struct tangents;

/* "The gradient of result `result` of `node`"; node NULL: nobody asks for it. dtype and device are
 * the input's. */
struct edge {
    struct node *node;
    int16_t result;
    int8_t dtype;
    fl_device device;
};

/* In which order a node's gradients go on, where it is not that of the edges: PyTorch has several
 * nodes there, and the hooks of leaves tell. at_once: a leaf that is ready runs before the next
 * gradient goes on. */
enum { NODE_ORDERED = 8 };
struct node_order {
    bool at_once;
    int8_t edges, edge[NODE_ORDERED];
};

struct node_class {
    const char *(*name)(const struct node *n); /* "AddBackward0" */
    /* From the gradients of its results (NULL: none came) to those of its inputs, one an edge: each
     * NULL or a new reference. Runs with grad mode set to create_graph. 0, or -1 with the error
     * set. */
    int (*backward)(struct node *n, fl_tensor *const *g, bool create_graph, fl_tensor **out);
    /* Drops what was saved, and sets n->released if backward cannot run again without it: after a
     * backward without keep_graph, and before destroy. Twice is harmless. */
    void (*release_saved)(struct node *n);
    /* Frees the node itself (edges are already released). */
    void (*destroy)(struct node *n);
};

struct node {
    _Atomic int32_t refs;
    int32_t edges, results;
    uint64_t sequence; /* of making: later nodes run first; accumulate nodes have UINT64_MAX */
    const struct node_class *type;
    struct edge *edge;        /* edges of them, in memory of the node's own */
    struct node_state *state; /* the engine's, while it runs */
    struct grad_hooks *hooks; /* NULL: none */
    bool released;            /* saved tensors are gone: a second backward is an error */
    const struct node_order *order; /* NULL: the edges' */
    uint64_t inside;          /* of an order: nodes from this number on count as leaves; 0: none */
    void *python;             /* the live Python object that shows this node, borrowed */
    const void *code;         /* who made it, where somebody asked: see autograd_anomaly */
};

/* What a tensor keeps. */
struct autograd {
    struct node *node; /* grad_fn; NULL for a leaf */
    int16_t result;    /* which of its results */
    bool retains_grad;
    struct node *accumulate; /* of leaves: borrowed, NULL when no graph uses it */
    void *spare;             /* of leaves: memory for the next accumulate node, or NULL */
    fl_tensor *grad;
    struct tangents *tangents; /* forward mode's, NULL: none (tangents.h) */
    struct grad_hooks *
        hooks; /* of leaves: those of register_hook, moved to the accumulate node when it is made */
};

/* ---- modes of the thread ---- */

struct autograd_mode {
    bool grad;         /* calls are recorded */
    bool inference;    /* inference_mode: neither recorded nor versioned */
    uint8_t interpose; /* who looks at each call before it runs: bits */
    bool
        any_gradient; /* a formula runs on a gradient that stands for all (ops/forward.c), so that it
                          refuses none */
};
enum {
    INTERPOSE_AUTOCAST = 1, /* brings tensors to another dtype (ops/autocast.c) */
    INTERPOSE_PROFILE = 2,  /* writes down names and times (ops/profile.c) */
    INTERPOSE_TANGENTS = 4, /* computes tangents beside results (ops/forward.c) */
    INTERPOSE_LANES = 8,    /* runs over the lanes of a batch (ops/batch.c) */
    INTERPOSE_TRANSFORMS = INTERPOSE_TANGENTS | INTERPOSE_LANES
};
extern __thread struct autograd_mode autograd_mode __attribute__((tls_model("initial-exec")));
/* Whether a formula must be one that can be derived again, backwards or forwards. */
static inline bool autograd_derives(void)
{
    return autograd_mode.grad || autograd_mode.interpose & INTERPOSE_TANGENTS;
}

/* ---- tensors ---- */

static inline bool tensor_has_node(const fl_tensor *t)
{
    return t->autograd && t->autograd->node;
}
/* How a view that is made now comes to be. */
static inline int autograd_creation(void)
{
    return autograd_mode.inference ? CREATION_INFERENCE : autograd_mode.grad ? 0 : CREATION_NO_GRAD;
}
/* A view between complex numbers and their parts: its elements are not those of its base. */
static inline bool tensor_is_by_parts(const fl_tensor *t)
{
    assert(!t->base || !t->base->base);
    return t->base && dtype_is_complex(t->base->dtype) != dtype_is_complex(t->dtype);
}
/* A view made before its base came to require grad by a write: its history is the base's. */
static inline bool tensor_follows_base(const fl_tensor *t)
{
    assert(!t->base || !t->base->base);
    return t->base && t->base->flags & TENSOR_REQUIRES_GRAD && tensor_has_node(t->base) &&
           !(t->creation || t->flags & TENSOR_REQUIRES_GRAD);
}
static inline bool tensor_is_leaf(const fl_tensor *t)
{
    return !tensor_has_node(t) && !tensor_follows_base(t);
}
static inline bool tensor_requires_grad(const fl_tensor *t)
{
    return t->flags & TENSOR_REQUIRES_GRAD ||
           (t->base && t->base->flags & TENSOR_REQUIRES_GRAD && dtype_is_inexact(t->dtype));
}
/* The state of t, made when there is none; NULL with an error when memory is out. */
struct autograd *autograd_of(fl_tensor *t);
/* t's grad_fn, borrowed, NULL for a leaf; a view whose base has changed gets its new one here. Sets
 * *result. NULL with the error set where that cannot be: memory is out, or t's creation forbids it.
 */
struct node *autograd_node(fl_tensor *t, int *result);
/* Where t's gradient goes: its grad_fn, or its accumulate node (made when needed); a new reference
 * in edge->node, which is NULL when t does not require grad. -1 when memory is out. */
int autograd_edge(fl_tensor *t, struct edge *edge);
/* Makes t the result `result` of a node: set_node takes a new reference, adopt_node the caller's,
 * also where it fails. */
int autograd_set_node(fl_tensor *t, struct node *n, int result);
int autograd_adopt_node(fl_tensor *t, struct node *n, int result);
/* Sets requires_grad of a leaf, with PyTorch's errors for non-leaves and non-floating dtypes. */
int autograd_set_requires_grad(fl_tensor *t, bool requires_grad);
/* Prepares an in-place write on t by a call that may be recorded: -1 with PyTorch's error when grad
 * mode is on and t is a leaf that requires grad, a view of one, or a view that may not be written. */
int autograd_check_inplace(fl_tensor *t, bool recorded);
/* After an in-place call recorded as `n` (whose first edge is t's old one): t, and its base when it
 * is a view, now come from it. */
int autograd_rebase(fl_tensor *t, struct node *n);
fl_tensor *autograd_detach(fl_tensor *t); /* an alias without history, tangents and base */
fl_tensor *autograd_unlink(fl_tensor *t); /* the same, but it shares t's tangents */
fl_tensor *autograd_copy(fl_tensor *t);   /* elements in memory of their own, with t's history */
int autograd_forget(fl_tensor *t);        /* detach_: t itself loses its history */
/* The error that a saved tensor has been written since; maker (may be NULL) is the node it came
 * from. -1. */
int autograd_refuse_version(const fl_tensor *t, const struct node *maker, uint32_t expected);
int autograd_retain_grad(fl_tensor *t);
/* t's .grad, a new reference; NULL when there is none (no error). */
fl_tensor *autograd_grad(fl_tensor *t);
/* Adds g into t's .grad. */
int autograd_add_grad(fl_tensor *t, fl_tensor *g, bool create_graph);
int autograd_set_grad(fl_tensor *t,
                      fl_tensor *grad); /* NULL drops it; checks shape, dtype, device as PyTorch */

/* ---- hooks ---- */

/* May replace *grad (releasing the old, giving a new reference). 0 or -1. */
typedef int (*tensor_hook_fn)(void *context, fl_tensor **grad);
/* Runs when t's gradient is known, before it goes on. `drop` frees the context. Returns an id for
 * removal, or -1. */
int64_t autograd_add_hook(fl_tensor *t, tensor_hook_fn run, void *context,
                          void (*drop)(void *context));
/* Refuses a gradient of another shape or dtype that the hook of that name put in the place of one:
 * 0, or -1 with PyTorch's error. */
int hooks_check(const char *name, const fl_tensor *old, const fl_tensor *new);
/* Runs after the leaf's .grad has been updated. */
typedef int (*leaf_hook_fn)(void *context, fl_tensor *leaf);
int64_t autograd_add_post_accumulate_hook(fl_tensor *t, leaf_hook_fn run, void *context,
                                          void (*drop)(void *context));
/* Runs around a node's backward: before (grad of results; may replace) and after (grads of inputs
 * and results). */
typedef int (*node_hook_fn)(void *context, int inputs, fl_tensor **grad_inputs, int results,
                            fl_tensor **grad_results);
int64_t node_add_hook(struct node *n, bool before, node_hook_fn run, void *context,
                      void (*drop)(void *context));
/* Removes a hook by its id, wherever it is; harmless when it is gone. t or n as it was added. */
void autograd_remove_hook(fl_tensor *t, int64_t id);
void node_remove_hook(struct node *n, int64_t id);

/* ---- nodes ---- */

/* Initialises a node in memory of the caller's; edge points at `edges` zeroed edges there. refs 1.
 */
void node_init(struct node *n, const struct node_class *type, int edges, struct edge *edge,
               int results);
/* To be called when a node's edges are set: an edge of a view whose base was written has just made a
 * node of its own, which must be earlier than this one. */
void node_number(struct node *n);
/* How many nodes were made so far: the next one's sequence number. */
uint64_t node_count(void);
static inline struct node *node_retain(struct node *n)
{
    refs_add(&n->refs);
    return n;
}
/* Drops a reference; a long chain is freed without recursion. */
void node_release(struct node *n);
const char *node_name(const struct node *n);
/* The leaf of an accumulate node, borrowed; NULL for other nodes. */
fl_tensor *node_leaf(const struct node *n);

/* Who made a node, and what becomes of it when its backward fails; set by the Python side. */
extern struct autograd_anomaly {
    const void *(*locate)(void);          /* what runs now, kept by a node that is made */
    void (*drop)(const void *where);      /* drops what locate returned */
    void (*report)(const struct node *n); /* is told whose backward has failed */
    bool check_nan;                       /* a gradient that is NaN is an error */
} autograd_anomaly;

/* ---- the engine ---- */

/* Walks back from `count` tensors. grads[i] may be NULL for a tensor of one element (PyTorch's
 * "grad can be implicitly created only for scalar outputs"). inputs NULL: gradients are added into
 * the leaves' .grad. Else results[i] receives that of inputs[i] (a new reference, or NULL where
 * none came and allow_unused; an error otherwise), and leaves stay as they are, unless
 * `accumulate`: then inputs' .grad receive them (backward(inputs=...)) and results may be NULL. */
struct backward_request {
    int64_t count;
    fl_tensor *const *tensors;
    fl_tensor *const *grads; /* NULL: all implicit */
    bool keep_graph, create_graph, allow_unused, accumulate;
    int64_t inputs;
    fl_tensor *const *input;
    fl_tensor **results;
};
int engine_backward(const struct backward_request *request);
/* Whether t depends on a leaf other than these: 1, 0, or -1 with the error set. */
int engine_reaches_others(fl_tensor *t, int64_t count, fl_tensor *const *leaf);
/* Makes *g (replaced, a reference) a gradient of something with like's sizes and dtype: summed over
 * what broadcasting would have added, and cast. -1 with PyTorch's "Function %s returned an invalid
 * gradient at index %d" where that cannot be. *g stays, or becomes NULL, on an error. For gradients
 * that programs make. */
int engine_fit(fl_tensor **g, const fl_tensor *like, const char *function, int index);
/* Asked by a hook while it runs: the number of this walk, -1 outside of one; whether it reaches n.
 */
int64_t engine_run(void);
bool engine_expects(const struct node *n);
/* PyTorch's error that a node's saved tensors are freed. -1. */
int engine_refuse_released(bool kept);
/* Asked by a node's backward while it runs: whether the gradient that goes along this edge of its
 * is of use. */
bool engine_needs(const struct edge *edge);

#endif
