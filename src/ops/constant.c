/* The node of an in-place call whose result does not depend on its operands, for calculus: x.gt_(2)
 * writes truths. It takes the place of the history that the written tensor had; the gradient of
 * every operand is zero.
 */
#include <ctype.h>
#include <stdio.h>

#include "autograd/operations.h"
#include "core/memory.h"
#include "device/devices.h"
#include "ops/record.h"

enum { OPERANDS = 4 };

struct constant {
    struct node node;
    struct edge edge[OPERANDS];
    fl_tensor *shape[OPERANDS]; /* of the operands: sizes and dtype alone */
    char title[64];
};

static const char *name(const struct node *n)
{
    return ((const struct constant *)n)->title;
}

static int backward(struct node *n, fl_tensor *const *g, bool create_graph, fl_tensor **out)
{
    (void)create_graph;
    struct device *before = device_default;
    int status = 0;
    for (int i = 0; g[0] && i < n->edges && status == 0; i++) {
        if (!engine_needs(&n->edge[i]))
            continue;
        device_default = device_find(n->edge[i].device);
        if (!(out[i] = operation_zeros_like(((struct constant *)n)->shape[i])))
            status = -1;
    }
    device_default = before;
    return status;
}

static void release_saved(struct node *n)
{
    (void)n;
}

static void destroy(struct node *n)
{
    for (int i = 0; i < n->edges; i++)
        tensor_release(((struct constant *)n)->shape[i]);
    memory_free(n, sizeof(struct constant));
}

static const struct node_class CONSTANT = {name, backward, release_saved, destroy};

struct node *constant_node(const fl_op *f, const fl_value *args)
{
    struct constant *made = memory_zalloc(sizeof *made);
    if (!made)
        return NULL;
    node_init(&made->node, &CONSTANT, 0, made->edge, 1);
    snprintf(made->title, sizeof made->title, "%c%sBackward0", toupper((unsigned char)f->base[0]),
             f->base + 1);
    for (int i = 0; i < f->params && made->node.edges < OPERANDS; i++) {
        if (args[i].tag != FL_TENSOR || !dtype_is_inexact(args[i].as.tensor->dtype))
            continue;
        int e = made->node.edges++;
        made->shape[e] = tensor_shape_only(args[i].as.tensor);
        if (!made->shape[e] || autograd_edge(args[i].as.tensor, &made->edge[e])) {
            node_release(&made->node);
            return NULL;
        }
    }
    return &made->node;
}
