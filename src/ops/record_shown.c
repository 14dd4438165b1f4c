/* The edges of a node as PyTorch's graph has them, for who looks at it: the engine runs others.
 *
 * Of a node with a composite's name, the nodes that the composite made are not shown: an edge that
 * leads to one stands for the edges that lead on from it, each of them once. So are the nodes between
 * dims and lanes, of which vmap makes one an input.
 */
#include <assert.h>
#include <string.h>

#include "ops/op.h"
#include "ops/record.h"
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
        if (!(own ? follow(w, next) : add(w, n->edge[i])))
            return false;
    }
    return true;
}

int record_shown(const struct node *n, struct edge *shown)
{
    struct walk w = {.from = record_made_from(n), .shown = shown};
    if (w.from != UINT64_MAX)
        return follow(&w, n) ? w.count : -1;
    if (n->edges >= RECORD_SHOWN)
        return -1;
    const bool ordered = n->order && !n->inside && n->order->edges == n->edges;
    for (int i = 0; i < n->edges; i++)
        shown[i] = n->edge[ordered ? n->order->edge[i] : i];
    const bool more = has_number(n);
    if (more)
        memset(&shown[n->edges], 0, sizeof *shown);
    assert(n->edges + more <= RECORD_SHOWN);
    return n->edges + more;
}
