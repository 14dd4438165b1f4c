/* An in-place write on a view, seen from its base: y = base with one strided slice replaced by
 * inner(slice, others...).
 *
 * Backward: the gradient of the base is g with the slice replaced by inner's gradient of it; what
 * inner gives for its other inputs goes on to them. The inner node keeps the saved tensors; its
 * edges beyond the first move here.
 */
#include "autograd/copyslices.h"

#include <assert.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/device.h"
#include "core/lanes.h"
#include "core/memory.h"

struct geometry {
    int ndim;
    int64_t offset;
    int64_t *sizes, *strides; /* one block of 2 * ndim */
};

struct copyslices {
    struct node node;
    struct node *inner;
    struct geometry base, slice; /* slice.offset counts from the base's first element */
    bool parts;                  /* the slice's elements are parts of the base's, or pairs */
    size_t bytes;
};

static const char *name(const struct node *n)
{
    (void)n;
    return "torch::autograd::CopySlices";
}

static int keep_geometry(struct geometry *to, const fl_tensor *t, int64_t offset)
{
    to->ndim = t->ndim, to->offset = offset;
    to->sizes = memory_alloc(2 * sizeof(int64_t) * (size_t)(t->ndim + 1));
    if (!to->sizes)
        return -1;
    to->strides = to->sizes + t->ndim;
    memcpy(to->sizes, t->sizes, sizeof(int64_t) * (size_t)t->ndim);
    memcpy(to->strides, t->strides, sizeof(int64_t) * (size_t)t->ndim);
    return 0;
}

static void drop_geometry(struct geometry *x)
{
    memory_free(x->sizes, 2 * sizeof(int64_t) * (size_t)(x->ndim + 1));
}

static fl_tensor *take_slice(fl_tensor *whole, const struct copyslices *self)
{
    const struct geometry *s = &self->slice;
    assert(s->ndim <= TENSOR_MAX_DIMS);
    return operation_as_strided(whole, self->parts, (fl_ints){s->sizes, s->ndim},
                                (fl_ints){s->strides, s->ndim}, s->offset);
}

/* The base's gradient before inner's part is written: a copy of g laid out as the base. */
static fl_tensor *lay_out(const struct copyslices *self, fl_tensor *g)
{
    const struct geometry *base = &self->base;
    fl_tensor *whole = g->lanes ? lanes_new(g->lanes, tensor_device(g), base->ndim, base->sizes,
                                            base->strides, g->dtype)
                                : tensor_new_on(tensor_device(g), base->ndim, base->sizes,
                                                base->strides, g->dtype);
    if (whole && operation_copy_(whole, g) == 0)
        return whole;
    tensor_release(whole);
    return NULL;
}

static int backward(struct node *n, fl_tensor *const *g, bool create_graph, fl_tensor **out)
{
    struct copyslices *self = (struct copyslices *)n;
    if (!g[0])
        return 0;
    int status = -1;
    fl_tensor *part = NULL, *incoming = NULL,
              **inner_out = out; /* inner has as many edges as this node */
    fl_tensor *whole = lay_out(self, g[0]);
    if (whole)
        part = take_slice(whole, self);
    if (part)
        incoming = operation_clone(part);
    if (incoming &&
        self->inner->type->backward(self->inner, &incoming, create_graph, inner_out) == 0) {
        status = out[0] ? operation_copy_(part, out[0]) : operation_zero_(part);
        tensor_release(out[0]);
        out[0] = NULL;
        if (status == 0 && self->node.edge[0].node)
            out[0] = tensor_retain(whole);
    }
    tensor_release(incoming);
    tensor_release(part);
    tensor_release(whole);
    return status;
}

static void release_saved(struct node *n)
{
    struct node *inner = ((struct copyslices *)n)->inner;
    inner->type->release_saved(inner);
    n->released = inner->released;
}

static void destroy(struct node *n)
{
    struct copyslices *self = (struct copyslices *)n;
    node_release(self->inner);
    drop_geometry(&self->base);
    drop_geometry(&self->slice);
    memory_free(self, self->bytes);
}

static const struct node_class COPYSLICES = {name, backward, release_saved, destroy};

struct node *copyslices_new(fl_tensor *base, fl_tensor *view, struct node *inner)
{
    assert(inner->edges >= 1);
    assert(!base->base && view->base == base);
    size_t bytes = sizeof(struct copyslices) + (size_t)inner->edges * sizeof(struct edge);
    struct copyslices *self = memory_zalloc(bytes);
    if (!self)
        return NULL;
    struct edge *edge = (struct edge *)(self + 1);
    node_init(&self->node, &COPYSLICES, inner->edges, edge, 1);
    self->inner = node_retain(inner);
    self->bytes = bytes;
    self->parts = tensor_is_by_parts(view);
    int64_t first = !self->parts                    ? base->offset
                    : dtype_is_complex(base->dtype) ? 2 * base->offset
                                                    : base->offset / 2;
    if (keep_geometry(&self->base, base, 0) ||
        keep_geometry(&self->slice, view, view->offset - first) || autograd_edge(base, &edge[0])) {
        node_release(&self->node);
        return NULL;
    }
    /* The inner node computes its self-gradient whether or not the base wants one: what it
     * overwrote is cut out by it. */
    for (int i = 1; i < inner->edges; i++) {
        edge[i] = inner->edge[i];
        if (edge[i].node)
            node_retain(edge[i].node);
    }
    return &self->node;
}
