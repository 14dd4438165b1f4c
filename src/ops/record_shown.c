/* The edges of a node as PyTorch's graph has them, for who looks at it: the engine runs others.
 *
 * Of a node with a composite's name, the nodes that the composite made are not shown: an edge that
 * leads to one stands for the edges that lead on from it, each of them once. So are the nodes between
 * dims and lanes, of which vmap makes one an input.
 */
#include <assert.h>
#include <string.h>

#include "ops/op_node.h"
#include "ops_table.h"

enum { INSIDE = 256 };

struct walk {
    uint64_t from; /* nodes from this number on, leaves aside, are the composite's */
    struct edge *shown;
    const struct node *inside[INSIDE]; /* those whose edges were followed */
    int count, inside_count;
};

/* Whether PyTorch's node has an edge more: the number of x * 2 is a tensor there, where numbers have
 * no overload of their own. */
static bool has_number(const struct node *n)
{
    const fl_op *f = record_op(n);
    bool found = false;
    for (int i = 0; f && n->edges == 1 && i < f->params && !found; i++)
        found = f->param[i].type == TYPE_OPERAND && record_is_number(n, i);
    return found && !f->function->pairs;
}

/* Adds an edge that leads out of the composite. False where there are too many. */
static bool add(struct walk *w, struct edge edge)
{
    for (int i = 0; i < w->count && edge.node; i++)
        if (w->shown[i].node == edge.node && w->shown[i].result == edge.result)
            return true;
    if (w->count == RECORD_SHOWN)
        return false;
    w->shown[w->count++] = edge;
    return true;
}

/* Adds what the edges of n lead to outside the composite. False where there is too much. */
static bool follow(struct walk *w, const struct node *n)
{
    for (int i = 0; i < w->inside_count; i++)
        if (w->inside[i] == n)
            return true;
    if (w->inside_count == INSIDE)
        return false;
    w->inside[w->inside_count++] = n;
    for (int i = 0; i < n->edges; i++) {
        const struct node *next = n->edge[i].node;
        const bool own =
            next && ((next->sequence >= w->from && next->sequence != UINT64_MAX) ||
                     record_op(next) == &op__lane_enter || record_op(next) == &op__lane_expand);
        if (next && !(own ? follow(w, next) : add(w, n->edge[i])))
            return false;
    }
    return true;
}

/* Puts an edge to nothing in the place of each operand of the composite that asks for no gradient. */
static int with_absent(struct walk *w, uint32_t absent)
{
    for (int i = 0; absent >> i && w->count < RECORD_SHOWN; i++) {
        if (!(absent >> i & 1))
            continue;
        const int at = i < w->count ? i : w->count;
        memmove(&w->shown[at + 1], &w->shown[at], sizeof *w->shown * (size_t)(w->count - at));
        w->shown[at] = (struct edge){0};
        w->count++;
    }
    return w->count;
}

/* The edges of parameter i of an operator's node: from which on, and how many. */
static int edges_of(const struct op_node *self, int i, int *first)
{
    const int end = i + 1 < self->op->params ? self->first_edge[i + 1] : self->node.edges;
    assert(end >= self->first_edge[i]);
    *first = self->first_edge[i];
    return end - *first;
}

/* The edges of an operator's node by its parameters, -1 for a tensor that was not given. */
static int by_parameters(const struct op_node *self, int *at)
{
    const fl_op *f = self->op;
    int count = 0, first;
    for (int i = 0; i < f->params; i++) {
        const bool differentiable = f->grad->differentiable >> i & 1;
        const int given = differentiable ? edges_of(self, i, &first) : 0;
        for (int e = 0; e < given; e++)
            at[count++] = first + e;
        if (differentiable && !given && f->param[i].type == TYPE_TENSOR && f->param[i].optional &&
            !f->titles)
            at[count++] = -1;
    }
    assert(count >= self->node.edges);
    return count;
}

int record_shown_order(const struct node *n, int *at)
{
    if (record_made_from(n) != UINT64_MAX || n->edges + OP_PARAMS >= RECORD_SHOWN)
        return -1;
    int count = 0;
    if (n->type == &OP_NODE && ((const struct op_node *)n)->op->grad)
        count = by_parameters((const struct op_node *)n, at);
    while (count < n->edges)
        at[count] = count, count++;
    const bool ordered = n->order && !n->inside && n->order->edges == n->edges;
    for (int i = 0; ordered && i < n->edges; i++) /* a linear's bias comes first */
        at[i] = n->order->edge[i];
    if (has_number(n))
        at[count++] = -1;
    return count;
}

int record_shown(const struct node *n, struct edge *shown)
{
    struct walk w = {.from = record_made_from(n), .shown = shown};
    int at[RECORD_SHOWN];
    if (w.from != UINT64_MAX)
        return follow(&w, n) ? with_absent(&w, ((const struct op_node *)n)->absent) : -1;
    const int count = record_shown_order(n, at);
    for (int i = 0; i < count; i++)
        shown[i] = at[i] < 0 ? (struct edge){0} : n->edge[at[i]];
    return count;
}
