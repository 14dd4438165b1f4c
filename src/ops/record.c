/* Recording a call: its node is a copy of its arguments with the tensors that its formulas need.
 *
 * One block of memory: the node, its edges, the arguments, their versions, lists, results. An
 * argument whose elements no formula uses is kept as a handle with a shape and no storage, or not
 * at all. A saved result is an alias without history, so that the node does not hold itself; it
 * gets its history back when create_graph asks for it.
 */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "ops/op_node.h"
#include "ops_table.h"

static const char *op_node_name(const struct node *n)
{
    return ((const struct op_node *)n)->title;
}

const struct node_class OP_NODE = {op_node_name, op_node_backward, op_node_release_saved,
                                   op_node_destroy};

static size_t round8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

struct plan {
    size_t bytes, args, versions, list_versions, lists;
    int edges, list_tensors;
    uint32_t asking; /* parameters that ask for a gradient */
};

/* (These three are one function of record_node, whose cost every recorded call pays.) */
static inline __attribute__((always_inline)) struct plan plan_of(const fl_op *f,
                                                                 const fl_value *args)
{
    struct plan p = {0};
    size_t lists = 0;
    for (int i = 0; i < f->params; i++) {
        bool differentiable = f->grad->differentiable >> i & 1;
        if (args[i].tag == FL_TENSOR) {
            p.edges += differentiable;
            p.asking |= (uint32_t)tensor_requires_grad(args[i].as.tensor) << i;
        } else if (args[i].tag == FL_TENSORS) {
            p.list_tensors += (int)args[i].count;
            p.edges += differentiable ? (int)args[i].count : 0;
            lists += sizeof(fl_tensor *) * args[i].count;
            for (uint32_t k = 0; k < args[i].count; k++)
                if (args[i].as.tensors[k] && tensor_requires_grad(args[i].as.tensors[k]))
                    p.asking |= 1u << i;
        } else if (args[i].tag == FL_INTS || args[i].tag == FL_FLOATS ||
                   args[i].tag == FL_COMPLEX) {
            lists += sizeof(int64_t) * args[i].count;
        } else if (args[i].tag == FL_STRING) {
            lists += round8(strlen(args[i].as.string) + 1);
        }
    }
    p.args = round8(sizeof(struct op_node) + sizeof(struct edge) * (size_t)p.edges);
    p.versions = p.args + sizeof(fl_value) * f->params;
    p.list_versions = p.versions + sizeof(uint32_t) * f->params;
    p.lists = round8(p.list_versions + sizeof(uint32_t) * (size_t)p.list_tensors);
    p.bytes = p.lists + lists;
    return p;
}

static const void *keep_bytes(char **at, const void *from, size_t size)
{
    void *to = *at;
    if (size)
        memcpy(to, from, size);
    *at += round8(size);
    return to;
}

static __attribute__((noinline)) int refuse_inference(void)
{
    return error_set(
        FL_RUNTIME_ERROR,
        "Inference tensors cannot be saved for backward. Please do not use Tensors "
        "created in inference mode in computation tracked by autograd. To work around "
        "this, you can make a clone to get a normal tensor and use it in autograd, or use "
        "`torch.no_grad()` instead of `torch.inference_mode()`.");
}

/* The tensor itself, an alias, a shape, or nothing: what the formulas need of an argument. */
static inline int keep_tensor(fl_tensor *t, bool elements, bool shape, fl_tensor **kept,
                              uint32_t *version)
{
    assert(!elements || t->storage);
    *kept = NULL;
    if (elements && t->flags & TENSOR_INFERENCE && !autograd_mode.inference)
        return refuse_inference();
    if (elements) {
        *kept = tensor_retain(t);
        *version = t->storage ? t->storage->version : 0;
    } else if (shape) {
        *kept = tensor_shape_only(t);
        return *kept ? 0 : -1;
    }
    return 0;
}

/* Whether a pointwise result is larger than this operand, so that the operand's shape must be known
 * to sum its gradient. */
static bool is_broadcast(const fl_op *f, const fl_tensor *t, const fl_value *results)
{
    if (f->kind != OP_POINTWISE || results[0].tag != FL_TENSOR)
        return false;
    const fl_tensor *y = results[0].as.tensor;
    /* No dim of y is smaller than t's: with as many elements, if there are any, none is larger. */
    return y->numel != t->numel || y->ndim != t->ndim || (y->numel == 0 && !shape_equal(t, y));
}

/* What the formulas of the arguments that ask for a gradient use. */
struct needs {
    uint32_t elements, shapes, results;
};

static inline __attribute__((always_inline)) struct needs needs_of(const fl_op *f, uint32_t asking)
{
    struct needs need = {0};
    for (int r = 0; r < f->grad->rules; r++) {
        const struct op_grad_rule *rule = &f->grad->rule[r];
        if (!(rule->params & asking))
            continue;
        need.elements |= rule->saves, need.shapes |= rule->saves_shape,
            need.results |= rule->saves_results;
    }
    return need;
}

static inline __attribute__((always_inline)) struct node *
make_node(const fl_op *f, const struct plan *p, struct needs need, const fl_value *args,
          const fl_value *results, fl_tensor *self_before)
{
    assert(f->grad); /* a stale view gets its node anew in backward too, where grad mode is off */
    struct op_node *self = memory_alloc(p->bytes);
    if (!self)
        return NULL;
    memset(self, 0, p->lists);
    node_init(&self->node, &OP_NODE, p->edges, (struct edge *)(self + 1),
              f->results ? f->results : 1);
    self->op = f, self->bytes = p->bytes, self->called = f->base, self->made_from = UINT64_MAX;
    self->title = f->titles ? f->titles(args) : f->title;
    if (f->order)
        self->node.order = f->order(args);
    char *block = (char *)self, *lists = block + p->lists;
    self->args = (fl_value *)(block + p->args);
    self->version = (uint32_t *)(block + p->versions);
    self->list_version = (uint32_t *)(block + p->list_versions);
    uint32_t *list_version = self->list_version;
    const struct op_grad *grad = f->grad;
    self->saves = need.elements, self->saves_results = need.results;
    int edge = 0;
    for (int i = 0; i < f->params; i++) {
        fl_value *to = &self->args[i], from = args[i];
        const uint32_t bit = UINT32_C(1) << i;
        bool elements = need.elements & bit, shape = need.shapes & bit;
        bool differentiable = grad->differentiable & bit;
        self->first_edge[i] = edge;
        *to = from;
        switch (from.tag) {
        case FL_TENSOR: {
            fl_tensor *kept, *t = from.as.tensor;
            *to = fl_none();
            if (differentiable && autograd_edge(t, &self->node.edge[edge++]))
                goto fail;
            shape = shape || (differentiable && is_broadcast(f, t, results));
            self->shapes |= shape && !elements;
            if (keep_tensor(i == 0 && self_before ? self_before : t, elements, shape, &kept,
                            &self->version[i]))
                goto fail;
            *to = fl_tensor_value(kept);
            break;
        }
        case FL_TENSORS: {
            fl_tensor **list = (fl_tensor **)lists;
            memset(list, 0, sizeof *list * from.count);
            lists += sizeof *list * from.count;
            to->as.tensors = list;
            for (uint32_t k = 0; k < from.count; k++) {
                fl_tensor *t = from.as.tensors[k];
                if (differentiable && t && autograd_edge(t, &self->node.edge[edge]))
                    goto fail;
                edge += differentiable;
                self->shapes |= t && shape && !elements;
                if (t && keep_tensor(t, elements, shape, &list[k], list_version))
                    goto fail;
                list_version++;
            }
            break;
        }
        case FL_INTS:
        case FL_FLOATS:
        case FL_COMPLEX:
            to->as.ints = keep_bytes(&lists, from.as.ints, sizeof(int64_t) * from.count);
            break;
        case FL_STRING:
            to->as.string = keep_bytes(&lists, from.as.string, strlen(from.as.string) + 1);
            break;
        case FL_GENERATOR:
            *to = fl_none();
            break;
        default:
            break;
        }
    }
    assert(edge == p->edges && lists <= block + p->bytes);
    node_number(&self->node);
    for (int k = 0; results && k < f->results; k++) {
        if (results[k].tag != FL_TENSOR)
            continue;
        fl_tensor *y = results[k].as.tensor;
        if (need.results >> k & 1) {
            self->result[k] = autograd_unlink(y);
            self->result_version[k] = y->storage->version;
            if (!self->result[k])
                goto fail;
        }
        if (f->results > 1 && f->grad->needed_grads >> k & 1) {
            self->shapes = true;
            if (!(self->shape[k] = tensor_shape_only(y)))
                goto fail;
        }
    }
    if (autograd_packer && op_node_pack(self))
        goto fail;
    return &self->node;
fail:
    node_release(&self->node);
    return NULL;
}

struct node *record_node(const fl_op *f, const fl_value *args, const fl_value *results)
{
    assert(f->grad && f->function == f);
    struct plan p = plan_of(f, args);
    return make_node(f, &p, needs_of(f, p.asking), args, results, NULL);
}

int record_write(const fl_op *f, const fl_value *args, fl_tensor *self, struct node **n)
{
    assert(op_writes(f) || f->inplace);
    assert(args[0].tag == FL_TENSOR);
    *n = NULL;
    if (!dtype_is_inexact(self->dtype) || !record_has_gradient(f, args))
        return 0;
    if (!record_is_needed(f, args)) {
        *n = constant_node(f, args);
        return *n ? 0 : -1;
    }
    struct plan p = plan_of(f, args);
    struct needs need = needs_of(f, p.asking);
    fl_tensor *before = need.elements & 1 ? autograd_copy(self) : NULL;
    if (need.elements & 1 && !before)
        return -1;
    fl_value result = fl_tensor_value(self);
    const struct packer *packer = autograd_packer;
    autograd_packer = NULL; /* the result is not there yet: record_written packs */
    *n = make_node(f, &p, need, args, &result, before);
    autograd_packer = packer;
    tensor_release(before);
    if (*n)
        ((struct op_node *)*n)->in_place = !op_writes(f);
    return *n ? 0 : -1;
}

int record_written(fl_tensor *self, struct node *n)
{
    assert(self->storage);
    tensor_bump_version(self);
    if (!n)
        return 0;
    int status = 0;
    if (n->type == &OP_NODE) {
        ((struct op_node *)n)->result_version[0] = self->storage->version;
        status = autograd_packer ? op_node_pack((struct op_node *)n) : 0;
    }
    if (status == 0)
        status = autograd_rebase(self, n);
    node_release(n);
    return status;
}

int record_call(const fl_op *f, const fl_value *args, const fl_value *results)
{
    assert(autograd_mode.grad);
    struct node *n = record_node(f, args, results);
    if (!n)
        return -1;
    int status = 0;
    for (int k = 0; k < f->results && status == 0; k++) {
        if (!is_differentiable(f, k) || results[k].tag != FL_TENSOR ||
            !dtype_is_inexact(results[k].as.tensor->dtype))
            continue;
        if (f->results == 1)
            return autograd_adopt_node(results[0].as.tensor, n, 0);
        status = autograd_set_node(results[k].as.tensor, n, k);
    }
    node_release(n);
    return status;
}

int record_refuse_out(const fl_op *f)
{
    return error_set(FL_RUNTIME_ERROR,
                     "%s(): functions with out=... arguments don't support automatic "
                     "differentiation, but one of the arguments requires grad.",
                     f->base);
}

int record_refuse(const fl_op *f, const fl_value *args)
{
    for (int i = 0; i < f->params; i++)
        if (f->grad->refused >> i & 1 && args[i].tag == FL_TENSOR &&
            tensor_requires_grad(args[i].as.tensor))
            return error_set(FL_RUNTIME_ERROR,
                             "The function '%s' is not differentiable with respect to argument "
                             "'%s'. This input cannot have requires_grad True.",
                             f->grad->refuser, f->param[i].name);
    return 0;
}

const char *record_origin(const struct node *n)
{
    while (n && n->type == &OP_NODE) {
        const struct op_node *self = (const struct op_node *)n;
        if (self->op->kind != OP_VIEW || n->edges != 1)
            return self->op->base;
        n = n->edge[0].node;
    }
    return "";
}

const fl_op *record_op(const struct node *n)
{
    return n->type == &OP_NODE ? ((const struct op_node *)n)->op : NULL;
}

bool record_is_number(const struct node *n, int param)
{
    assert(n->type == &OP_NODE && param >= 0 && param < ((const struct op_node *)n)->op->params);
    const int tag = ((const struct op_node *)n)->args[param].tag;
    return tag == FL_BOOLEAN || tag == FL_INTEGER || tag == FL_FLOATING || tag == FL_COMPLEX;
}

void record_name(struct node *n, const char *title)
{
    assert(n->type == &OP_NODE && title);
    ((struct op_node *)n)->title = title;
}

/* The number of the running composite's first node. */
static uint64_t began(void)
{
    return scope_current ? scope_current->nodes : UINT64_MAX;
}

void record_show(fl_tensor *y, const fl_tensor *from, const char *title)
{
    assert(from && title);
    struct node *n = y && y->autograd ? y->autograd->node : NULL;
    if (n && n->type == &OP_NODE && !(from->autograd && from->autograd->node == n))
        ((struct op_node *)n)->title = title, ((struct op_node *)n)->made_from = began();
}

void record_stand_in(fl_tensor *y, const fl_tensor *from, const char *title)
{
    assert(y && from);
    struct node *n = y->autograd ? y->autograd->node : NULL;
    const struct node *inner = from->autograd ? from->autograd->node : NULL;
    if (!n || !inner || n == inner || n->type != &OP_NODE || inner->type != &OP_NODE)
        return;
    const struct op_node *behind = (const struct op_node *)inner;
    struct op_node *self = (struct op_node *)n;
    self->title = title ? title : behind->title;
    if (!title)
        self->made_from = behind->made_from < inner->sequence ? behind->made_from : inner->sequence;
}

void record_order(fl_tensor *y, const struct node_order *order, bool whole)
{
    assert(order);
    struct node *n = y && y->autograd ? y->autograd->node : NULL;
    if (n && n->type == &OP_NODE && n->edges == order->edges)
        n->order = order, n->inside = whole ? began() : 0;
}

uint64_t record_made_from(const struct node *n)
{
    return n->type == &OP_NODE ? ((const struct op_node *)n)->made_from : UINT64_MAX;
}

/* Whether a node is of the writer that a composite without a title calls on a copy: masked_fill_ of
 * masked_fill, which PyTorch's graph has as one node. */
static bool writes_for(const fl_op *f, const struct op_node *self)
{
    const size_t length = strlen(f->base);
    return strncmp(self->op->base, f->base, length) == 0 &&
           strcmp(self->op->base + length, "_") == 0;
}

/* Which of a composite's floating tensors ask for no gradient; bits, of the first 32. */
static uint32_t absent_of(const fl_op *f, const fl_value *args)
{
    uint32_t absent = 0;
    int place = 0;
    for (int i = 0; i < f->params; i++) {
        const bool list = args[i].tag == FL_TENSORS;
        fl_tensor *const *t = list ? args[i].as.tensors : &args[i].as.tensor;
        const uint32_t count = list ? args[i].count : args[i].tag == FL_TENSOR;
        for (uint32_t k = 0; k < count; k++)
            if (t[k] && dtype_is_inexact(t[k]->dtype) && place < 32)
                absent |= (uint32_t)!tensor_requires_grad(t[k]) << place++;
    }
    return absent;
}

static void set_title(const fl_op *f, const fl_value *args, fl_tensor *y)
{
    struct node *n = y && y->autograd ? y->autograd->node : NULL;
    if (!n || n->type != &OP_NODE)
        return;
    for (int i = 0; i < f->params; i++)
        if (args[i].tag == FL_TENSOR && args[i].as.tensor->autograd &&
            args[i].as.tensor->autograd->node == n)
            return;
    struct op_node *self = (struct op_node *)n;
    if (f->title)
        self->title = f->title, self->called = f->base, self->in_place = false;
    else if (!writes_for(f, self))
        return;
    self->made_from = began();
    self->absent = absent_of(f, args);
}

void record_title(const fl_op *f, const fl_value *args, const fl_value *results)
{
    for (int k = 0; k < f->results; k++) {
        if (results[k].tag == FL_TENSOR)
            set_title(f, args, results[k].as.tensor);
        for (uint32_t i = 0; f->title && results[k].tag == FL_TENSORS && i < results[k].count;
             i++) {
            fl_tensor *y = results[k].as.tensors[i];
            set_title(f, args, y);
            if (y && y->base) /* PyTorch's node has them all as its results */
                y->creation = CREATION_MANY, y->view_output = (uint16_t)i;
        }
    }
}
