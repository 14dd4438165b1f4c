/* The edges of a node as PyTorch's graph has them, for who looks at it: the engine runs others.
 *
 * Of a node with a composite's name, the nodes that the composite made are not shown: an edge that
 * leads to one stands for the edges that lead on from it, each of them once. So are the nodes between
 * dims and lanes, of which vmap makes one an input.
 */
#include <assert.h>
#include <string.h>

#include "ops/record.h"
#include "ops_table.h"

enum { INSIDE = 256 };

struct walk {
    uint64_t from; /* nodes from this number on, leaves aside, are the composite's */
    struct edge *shown;
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
                     record_is_of(next, &op__lane_enter) || record_is_of(next, &op__lane_expand));
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
    for (int i = 0; i < n->edges; i++)
        shown[i] = n->edge[i];
    if (n->edges == 3 &&
        record_is_of(n, &op_linear)) { /* linear: PyTorch's addmm has the bias first */
        const struct edge bias = shown[2];
        shown[2] = shown[1], shown[1] = shown[0], shown[0] = bias;
    }
    const bool more = has_number(n);
    if (more)
        memset(&shown[n->edges], 0, sizeof *shown);
    assert(n->edges + more <= RECORD_SHOWN);
    return n->edges + more;
}
