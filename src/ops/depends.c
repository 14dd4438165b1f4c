/* The node of a gradient that depends on an operand, if only by zeros: PyTorch's backward functions
 * are given the operand (a pool's input), and so have a gradient by it of their own. A penalty on
 * the gradients of such operators alone has a backward then, which gives zeros, or nothing (a
 * convolution's).
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/memory.h"
#include "ops/op_node.h"

struct depends {
    struct node node;
    struct edge edge[2]; /* what the gradient came from, and the operand */
    fl_tensor *shape;    /* the operand's sizes and dtype; NULL: no gradient goes there */
    char title[96];
};

static const char *name(const struct node *n)
{
    return ((const struct depends *)n)->title;
}

static int backward(struct node *n, fl_tensor *const *g, bool create_graph, fl_tensor **out)
{
    (void)create_graph;
    assert(n->edges == 2);
    if (!g[0])
        return 0;
    if (engine_needs(&n->edge[0]))
        out[0] = tensor_retain(g[0]);
    if (!((struct depends *)n)->shape || !engine_needs(&n->edge[1]))
        return 0;
    out[1] = operation_zeros_like(((struct depends *)n)->shape);
    return out[1] ? 0 : -1;
}

static void release_saved(struct node *n)
{
    (void)n;
}

static void destroy(struct node *n)
{
    assert(n->edges == 2);
    tensor_release(((struct depends *)n)->shape);
    memory_free(n, sizeof(struct depends));
}

static const struct node_class DEPENDS = {name, backward, release_saved, destroy};

int op_node_depends(const struct op_node *self, int e, const struct op_grad_rule *rule,
                    fl_tensor **gradient)
{
    assert(e >= 0 && e < self->node.edges && *gradient);
    struct depends *made = memory_zalloc(sizeof *made);
    if (!made)
        return -1;
    node_init(&made->node, &DEPENDS, 2, made->edge, 1);
    if (rule->depends_title)
        snprintf(made->title, sizeof made->title, "%sBackward0", rule->depends_title);
    else /* "HardtanhBackward0": "HardtanhBackwardBackward0" */
        snprintf(made->title, sizeof made->title, "%.*sBackward0", (int)strlen(self->title) - 1,
                 self->title);
    const bool zeros = rule->depends == 1;
    made->edge[1] = self->node.edge[e];
    node_retain(made->edge[1].node);
    made->shape = zeros ? tensor_shape_only(*gradient) : NULL;
    fl_tensor *dependent = autograd_unlink(*gradient);
    if ((zeros && !made->shape) || !dependent || autograd_edge(*gradient, &made->edge[0])) {
        node_release(&made->node);
        tensor_release(dependent);
        return -1;
    }
    node_number(&made->node);
    tensor_release(*gradient);
    *gradient = dependent;
    return autograd_adopt_node(dependent, &made->node, 0);
}
