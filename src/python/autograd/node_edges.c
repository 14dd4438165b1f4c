/* A node's next_functions, as PyTorch's graph has them.
 *
 * Of a node with a composite's name, the nodes that the composite made are not shown: an edge that
 * leads to one stands for the edges that lead on from it, each of them once.
 */
#include <assert.h>
#include <string.h>

#include "ops/record.h"
#include "python/tensor/tensor_object.h"

enum { SHOWN = 64, INSIDE = 256 };

/* What is found behind a node. */
struct edges {
    uint64_t from; /* nodes from this number on, leaves aside, are the composite's */
    struct edge shown[SHOWN];
    const struct node *inside[INSIDE]; /* those whose edges were followed */
    int count, inside_count;
};

/* Whether PyTorch's node has an edge more: the number of x * 2 is a tensor there. */
static bool has_number(const struct node *n)
{
    static const char *const NAMES[] = {"MulBackward0", "AddBackward0", "DivBackward0",
                                        "SubBackward0"};
    bool found = false;
    for (int i = 0; i < 4 && n->edges == 1 && !found; i++)
        found = strcmp(node_name(n), NAMES[i]) == 0;
    return found;
}

/* Adds an edge that leads out of the composite. False where there are too many. */
static bool add(struct edges *e, struct edge edge)
{
    for (int i = 0; i < e->count && edge.node; i++)
        if (e->shown[i].node == edge.node && e->shown[i].result == edge.result)
            return true;
    if (e->count == SHOWN)
        return false;
    e->shown[e->count++] = edge;
    return true;
}

/* Adds what the edges of n lead to outside the composite. False where there is too much. */
static bool follow(struct edges *e, const struct node *n)
{
    for (int i = 0; i < e->inside_count; i++)
        if (e->inside[i] == n)
            return true;
    if (e->inside_count == INSIDE)
        return false;
    e->inside[e->inside_count++] = n;
    for (int i = 0; i < n->edges; i++) {
        const struct node *next = n->edge[i].node;
        const bool own = next && next->sequence >= e->from && next->sequence != UINT64_MAX;
        if (!(own ? follow(e, next) : add(e, n->edge[i])))
            return false;
    }
    return true;
}

static PyObject *pair_of(struct edge edge)
{
    PyObject *next = nodes_show(edge.node);
    return next ? Py_BuildValue("(Ni)", next, (int)edge.result) : NULL;
}

static PyObject *tuple_of(const struct edge *edge, int count, bool more, bool bias_first)
{
    assert(count >= 0 && !(bias_first && count != 3));
    PyObject *tuple = PyTuple_New(count + more);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *pair = pair_of(edge[bias_first ? (i + 2) % 3 : i]);
        if (!pair || PyTuple_SetItem(tuple, i, pair) < 0)
            Py_CLEAR(tuple);
    }
    if (tuple && more) {
        PyObject *none = Py_BuildValue("(Oi)", Py_None, 0);
        if (!none || PyTuple_SetItem(tuple, count, none) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

PyObject *nodes_next(const struct node *n)
{
    struct edges e = {.from = record_made_from(n)};
    if (e.from != UINT64_MAX && follow(&e, n))
        return tuple_of(e.shown, e.count, false, false);
    const bool linear = n->last_first && n->edges == 3; /* PyTorch's addmm has the bias first */
    return tuple_of(n->edge, n->edges, has_number(n), linear);
}
