/* Nodes whose derivative a C program wrote (fl_record).
 *
 * One block of memory: the node, its edges, the saved tensors with their versions, the shapes of
 * the outputs. A saved output is kept as an alias without history, because the output holds the
 * node; a walk that is recorded gives it its history back.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/saving.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"

struct saved {
    fl_tensor *tensor;
    uint32_t version;
    int output;                  /* which one it is, -1 for none */
    struct packed_tensor packed; /* in the place of `tensor`, where the program packs */
};

struct custom_node {
    struct node node;
    size_t bytes;
    int (*run)(const fl_backward_call *call);
    void *context;
    void (*free)(void *context);
    int saved_count;
    struct saved *saved;
    fl_tensor **input; /* handles of the inputs' sizes and dtype alone */
    char name[96];
};

static struct custom_node *custom(struct node *n)
{
    return (struct custom_node *)n;
}

static const char *custom_name(const struct node *n)
{
    return ((const struct custom_node *)n)->name;
}

static void release_saved(struct node *n)
{
    struct custom_node *self = custom(n);
    n->released = self->saved_count > 0;
    for (int i = 0; i < self->saved_count; i++) {
        fl_tensor *t = self->saved[i].tensor;
        self->saved[i].tensor = NULL;
        tensor_release(t);
        saving_drop(&self->saved[i].packed);
    }
}

static void destroy(struct node *n)
{
    struct custom_node *self = custom(n);
    for (int i = 0; i < n->edges; i++)
        tensor_release(self->input[i]);
    if (self->free)
        self->free(self->context);
    memory_free(self, self->bytes);
}

static int check_saved(const struct custom_node *self)
{
    char sizes[128];
    for (int i = 0; i < self->saved_count; i++) {
        const fl_tensor *t = self->saved[i].tensor;
        if (t && t->storage && t->storage->version != self->saved[i].version) {
            error_set(FL_RUNTIME_ERROR,
                      "one of the variables needed for gradient computation has been modified by "
                      "an inplace operation: [torch.%sTensor %s] is at version %u; expected "
                      "version %u instead.",
                      dtype_title(t->dtype), shape_text(sizes, sizeof sizes, t->ndim, t->sizes),
                      t->storage->version, self->saved[i].version);
            return error_context("It was saved by %s.", "它由 %s 保存。", self->name);
        }
    }
    return 0;
}

/* Fills room with new references to what was saved, outputs with their history where the walk is
 * recorded. -1 with the error set when memory is out; what is not NULL is the caller's to release. */
static int show_saved(struct custom_node *self, bool create_graph, fl_tensor **room)
{
    assert(room || !self->saved_count);
    for (int i = 0; i < self->saved_count; i++) {
        const struct saved *s = &self->saved[i];
        if (s->packed.packed &&
            !(room[i] = saving_show(&s->packed, create_graph, s->output < 0 ? NULL : &self->node,
                                    s->output)))
            return -1;
        if (!s->tensor)
            continue;
        if (!create_graph || s->output < 0)
            room[i] = tensor_retain(s->tensor);
        else if (!(room[i] = autograd_unlink(s->tensor)) ||
                 autograd_set_node(room[i], &self->node, s->output))
            return -1;
    }
    return 0;
}

/* Calls the program's function in a scope of its own; out receives a new reference an edge. */
static int go_back(struct node *n, fl_tensor *const *g, bool create_graph, fl_tensor **out)
{
    struct custom_node *self = custom(n);
    if (check_saved(self))
        return -1;
    size_t count = (size_t)self->saved_count + (size_t)n->edges + 1, bytes = count * sizeof *out;
    fl_tensor **room = memory_zalloc(bytes), **wanted = room + self->saved_count;
    if (!room)
        return -1;
    for (int i = 0; i < n->edges; i++)
        wanted[i] = engine_needs(&n->edge[i]) ? self->input[i] : NULL;
    struct scope here;
    scope_open(&here);
    int status = show_saved(self, create_graph, room);
    if (status == 0)
        status = self->run(&(fl_backward_call){.gradients = {g, n->results},
                                               .saved = {room, self->saved_count},
                                               .context = self->context,
                                               .inputs = {wanted, n->edges},
                                               .results = out});
    for (int i = 0; i < n->edges; i++) {
        out[i] = scope_hand_on(&here, out[i]);
        if (out[i] && status) {
            tensor_release(out[i]);
            out[i] = NULL;
        }
    }
    scope_close(&here);
    for (int i = 0; i < self->saved_count; i++)
        fl_release(room[i]);
    memory_free(room, bytes);
    if (status && fl_error() == FL_OK)
        error_set(FL_RUNTIME_ERROR, "%s failed without an error", self->name);
    return status ? -1 : 0;
}

static const struct node_class CUSTOM = {custom_name, go_back, release_saved, destroy};

static int keep_saved(struct custom_node *self, fl_tensors saved, fl_tensors outputs)
{
    assert(saved.count >= 0);
    for (int64_t i = 0; i < saved.count; i++) {
        fl_tensor *t = saved.data[i];
        struct saved *s = &self->saved[self->saved_count++];
        s->output = -1;
        for (int64_t k = 0; k < outputs.count; k++)
            if (outputs.data[k] == t)
                s->output = (int)k;
        if (!t)
            continue;
        if (autograd_packer && t->storage) {
            if (saving_keep(&s->packed, t, s->output >= 0))
                return -1;
            continue;
        }
        if (!(s->tensor = s->output < 0 ? tensor_retain(t) : autograd_unlink(t)))
            return -1;
        s->version = t->storage ? t->storage->version : 0;
    }
    return 0;
}

static struct custom_node *make(const char *name, fl_tensors inputs, int outputs, fl_tensors saved)
{
    assert(outputs > 0);
    size_t edges = sizeof(struct edge) * (size_t)inputs.count,
           kept = sizeof(struct saved) * (size_t)saved.count,
           shapes = sizeof(fl_tensor *) * (size_t)inputs.count;
    size_t bytes = sizeof(struct custom_node) + edges + kept + shapes;
    struct custom_node *self = memory_zalloc(bytes);
    if (!self)
        return NULL;
    self->bytes = bytes;
    self->saved = (void *)((char *)(self + 1) + edges);
    self->input = (void *)((char *)self->saved + kept);
    node_init(&self->node, &CUSTOM, (int)inputs.count, (struct edge *)(self + 1), outputs);
    snprintf(self->name, sizeof self->name, "%.80sBackward", name);
    return self;
}

static int record(const char *name, fl_tensors inputs, fl_tensors outputs, fl_tensors saved,
                  struct custom_node **made)
{
    struct custom_node *self = *made = make(name, inputs, (int)outputs.count, saved);
    if (!self || keep_saved(self, saved, outputs))
        return -1;
    for (int64_t i = 0; i < inputs.count; i++) {
        fl_tensor *t = inputs.data[i];
        if (!t)
            continue;
        if (autograd_edge(t, &self->node.edge[i]) || !(self->input[i] = tensor_shape_only(t)))
            return -1;
    }
    for (int64_t k = 0; k < outputs.count; k++)
        if (!autograd_of(outputs.data[k]))
            return -1;
    return 0;
}

static int check_given(const char *name, fl_tensors inputs, fl_tensors outputs, fl_tensors saved)
{
    if (!name)
        return fl_null_argument("fl_record", "name");
    if (inputs.count < 1 || outputs.count < 1 || saved.count < 0 || inputs.count > 30000 ||
        outputs.count > 30000 || saved.count > 30000)
        return error_set(FL_VALUE_ERROR,
                         "fl_record(): %s has %lld inputs, %lld outputs and %lld saved tensors; "
                         "at least one input and output, and at most 30000 of each are possible",
                         name, (long long)inputs.count, (long long)outputs.count,
                         (long long)saved.count);
    for (int64_t k = 0; k < outputs.count; k++) {
        const fl_tensor *t = outputs.data[k];
        if (!t)
            return fl_null_argument("fl_record", "outputs");
        if (tensor_requires_grad(t))
            return error_set(FL_RUNTIME_ERROR,
                             "fl_record(): output %lld of %s has a history already: compute it "
                             "while recording is off (fl_grad_enabled(false))",
                             (long long)k, name);
        if (!dtype_is_inexact(t->dtype))
            return error_set(FL_RUNTIME_ERROR,
                             "fl_record(): output %lld of %s has the dtype %s, "
                             "of which there is no derivative",
                             (long long)k, name, fl_dtype_name((fl_dtype)t->dtype));
    }
    return 0;
}

int fl_record(const char *name, fl_tensors inputs, fl_tensors outputs, fl_tensors saved,
              int (*backward)(const fl_backward_call *call), void *context,
              void (*free)(void *context))
{
    bool wanted = false;
    int status = check_given(name, inputs, outputs, saved);
    if (status == 0 && !backward)
        status = fl_null_argument("fl_record", "backward");
    for (int64_t i = 0; status == 0 && i < inputs.count; i++)
        wanted |= inputs.data[i] && tensor_requires_grad(inputs.data[i]);
    struct custom_node *self = NULL;
    if (status == 0 && wanted && autograd_mode.grad)
        status = record(name, inputs, outputs, saved, &self);
    if (self && status == 0) {
        self->run = backward, self->context = context, self->free = free;
        free = NULL; /* the node's now */
        for (int64_t k = 0; k < outputs.count; k++)
            autograd_set_node(outputs.data[k], &self->node, (int)k); /* there is memory for it */
    }
    if (self)
        node_release(&self->node);
    if (free)
        free(context);
    return status;
}
