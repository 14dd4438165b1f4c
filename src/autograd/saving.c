/* Packed tensors: see saving.h. */
#include "autograd/saving.h"

#include <assert.h>

#include "autograd/operations.h"
#include "autograd/turn.h"
#include "core/error.h"

__thread const struct packer *autograd_packer __attribute__((tls_model("initial-exec")));

/* The packer's answer; its own work is neither recorded nor packed. */
static struct packed *ask(const struct packer *packer, fl_tensor *t)
{
    struct autograd_mode mode = autograd_mode;
    uint32_t version = t->storage->version;
    autograd_mode.grad = false;
    autograd_packer = NULL;
    struct packed *packed = packer->pack(packer->context, t);
    autograd_packer = packer;
    autograd_mode = mode;
    if (packed && t->storage->version != version) {
        packed->drop(packed);
        return error_null(FL_RUNTIME_ERROR,
                          "A saved tensor pack hook is modifying its input in place. Tensors "
                          "provided as input to pack hook can not be modified by in-place "
                          "operations as this can lead to unexpected side-effects. Please open an "
                          "issue if you need to perform in-place operations on the input to a "
                          "pack hook.");
    }
    return packed;
}

int saving_keep(struct packed_tensor *p, fl_tensor *t, bool result)
{
    assert(autograd_packer && t->storage);
    *p = (struct packed_tensor){0};
    fl_tensor *given = result ? autograd_detach(t) : tensor_retain(t);
    if (!given)
        return -1;
    p->packed = ask(autograd_packer, given);
    tensor_release(given);
    if (!p->packed)
        return -1;
    if (!(p->shape = tensor_shape_only(t)) || (!result && autograd_edge(t, &p->from))) {
        saving_drop(p);
        return -1;
    }
    return 0;
}

/* An alias of t that comes from `leaf`, which has the same sizes. */
static int come_from_leaf(fl_tensor *t, fl_tensor *leaf)
{
    bool mode = autograd_mode.grad;
    int result = 0;
    autograd_mode.grad = true;
    fl_tensor *view = operation_as_strided(leaf, false, (fl_ints){leaf->sizes, leaf->ndim},
                                           (fl_ints){leaf->strides, leaf->ndim}, leaf->offset);
    autograd_mode.grad = mode;
    struct node *n = view ? autograd_node(view, &result) : NULL;
    int status = n ? autograd_set_node(t, n, result) : -1;
    tensor_release(view);
    return status;
}

fl_tensor *saving_show(const struct packed_tensor *p, bool history, struct node *maker, int result)
{
    assert(p->packed);
    bool held = turn_pause(); /* it is the program's code */
    fl_tensor *t = p->packed->unpack(p->packed);
    turn_resume(held);
    if (!t)
        return NULL;
    struct node *from = maker ? maker : p->from.node;
    if (!history || !from)
        return t;
    fl_tensor *alias = autograd_detach(t), *leaf = node_leaf(from);
    tensor_release(t);
    if (!alias)
        return NULL;
    int status = leaf ? come_from_leaf(alias, leaf)
                      : autograd_set_node(alias, from, maker ? result : p->from.result);
    if (status == 0)
        return alias;
    tensor_release(alias);
    return NULL;
}

void saving_drop(struct packed_tensor *p)
{
    struct packed *packed = p->packed;
    fl_tensor *shape = p->shape;
    struct node *from = p->from.node;
    *p = (struct packed_tensor){0};
    if (packed)
        packed->drop(packed);
    tensor_release(shape);
    if (from)
        node_release(from);
}
