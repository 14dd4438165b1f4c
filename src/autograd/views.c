/* What a recorded in-place write does to the graph.
 *
 * A tensor that is no view comes from the node of the write. Of a view, the base comes from a
 * CopySlices node around it, and the view from an as_strided of the base.
 */
#include <assert.h>

#include "autograd/copyslices.h"
#include "autograd/operations.h"

int autograd_rebase(fl_tensor *t, struct node *n)
{
    assert(n->edges >= 1 && n->results >= 1);
    fl_tensor *base = t->base;
    if (!base)
        return autograd_set_node(t, n, 0);
    struct node *slices = copyslices_new(base, t, n);
    if (!slices)
        return -1;
    int status = autograd_set_node(base, slices, 0);
    node_release(slices);
    if (status == 0) {
        struct node *fresh = operation_view_node(t);
        status = fresh ? autograd_set_node(t, fresh, 0) : -1;
        if (fresh)
            node_release(fresh);
    }
    return status;
}
