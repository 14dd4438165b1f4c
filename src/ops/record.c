/* The node of an operator's call: a copy of its arguments with the tensors its formulas need, and
 * the walk back through them.
 *
 * One block of memory: the node, its edges, the arguments, their versions, lists, results. An
 * argument whose elements no formula uses is kept as a handle with a shape and no storage, or not
 * at all. A saved result is an alias without history, so that the node does not hold itself; it
 * gets its history back when create_graph asks for it.
 */
#include "ops/record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "autograd/operations.h"
#include "autograd/saving.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "ops/pointwise/pointwise.h"
#include "ops_table.h"

/* Tensors of a node that the program packed; in their places stand handles with a shape alone. */
struct packed_saves {
    size_t bytes;
    int count;
    struct packed_place {
        struct packed_tensor tensor;
        int16_t param, result; /* an argument, or -1 and a result */
        uint32_t k;            /* of a list */
    } at[];
};

struct op_node {
    struct node node;
    const fl_op *op;
    const char *title, *called; /* in the graph; in the message that a derivative is missing */
    size_t bytes;
    uint32_t saves, saves_results; /* parameters and results whose elements are kept */
    bool in_place;                 /* the form "add_" was called */
    bool shapes;                   /* some handles with a shape alone are kept too */
    fl_value *args;                /* op->params of them */
    uint32_t *version; /* of each saved argument; lists one after another at list_version */
    uint32_t *list_version;
    /* Saved results: aliases; or handles with a shape alone, of operators with several results. */
    fl_tensor *result[OP_RESULTS];
    uint32_t result_version[OP_RESULTS];
    fl_tensor *shape[OP_RESULTS];  /* shapes of results that may receive no gradient */
    int32_t first_edge[OP_PARAMS]; /* of each parameter */
    struct packed_saves *packed;   /* NULL: none */
};

static const char *op_node_name(const struct node *n)
{
    return ((const struct op_node *)n)->title;
}

static int op_node_backward(struct node *n, fl_tensor *const *incoming, bool create_graph,
                            fl_tensor **out);
static void op_node_release_saved(struct node *n);
static void op_node_destroy(struct node *n);

static const struct node_class OP_NODE = {op_node_name, op_node_backward, op_node_release_saved,
                                          op_node_destroy};

/* ---- making ---- */

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

/* The tensor itself, an alias, a shape, or nothing: what the formulas need of an argument. */
static int keep_tensor(fl_tensor *t, bool elements, bool shape, fl_tensor **kept, uint32_t *version)
{
    assert(!elements || t->storage);
    *kept = NULL;
    if (elements && t->flags & TENSOR_INFERENCE && !autograd_mode.inference) {
        error_set(
            FL_RUNTIME_ERROR,
            "Inference tensors cannot be saved for backward. Please do not use Tensors "
            "created in inference mode in computation tracked by autograd. To work around "
            "this, you can make a clone to get a normal tensor and use it in autograd, or use "
            "`torch.no_grad()` instead of `torch.inference_mode()`.");
        return -1;
    }
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
    return f->kind == OP_POINTWISE && results[0].tag == FL_TENSOR &&
           !shape_equal(t, results[0].as.tensor);
}

static bool is_differentiable(const fl_op *f, int result)
{
    assert(result >= 0 && result < OP_RESULTS);
    return f->results == 1 || f->grad->grads >> result & 1;
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

/* Calls visit for each tensor that is saved with its elements, until it fails. */
static int each_saved(struct op_node *self,
                      int (*visit)(struct op_node *self, fl_tensor **t, struct packed_place place))
{
    int status = 0;
    for (int i = 0; i < self->op->params && status == 0; i++) {
        fl_value *v = &self->args[i];
        struct packed_place place = {.param = (int16_t)i, .result = -1};
        if (!(self->saves >> i & 1))
            continue;
        if (v->tag == FL_TENSOR && v->as.tensor->storage)
            status = visit(self, &v->as.tensor, place);
        for (; v->tag == FL_TENSORS && place.k < v->count && status == 0; place.k++) {
            fl_tensor **t = (fl_tensor **)&v->as.tensors[place.k];
            if (*t && (*t)->storage)
                status = visit(self, t, place);
        }
    }
    for (int k = 0; k < self->op->results && status == 0; k++)
        if (self->result[k])
            status = visit(self, &self->result[k],
                           (struct packed_place){.param = -1, .result = (int16_t)k});
    return status;
}

static int count_saved(struct op_node *self, fl_tensor **t, struct packed_place place)
{
    (void)t, (void)place;
    self->packed->count++;
    return 0;
}

static int pack_saved(struct op_node *self, fl_tensor **t, struct packed_place place)
{
    if (saving_keep(&place.tensor, *t, place.param < 0))
        return -1;
    self->packed->at[self->packed->count++] = place;
    fl_tensor *kept = *t;
    *t = place.param < 0 ? NULL : tensor_retain(place.tensor.shape);
    tensor_release(kept);
    return 0;
}

/* Gives all that the node has saved to the thread's packer. */
static int pack(struct op_node *self)
{
    struct packed_saves none = {0};
    self->packed = &none;
    each_saved(self, count_saved);
    self->packed = NULL;
    if (none.count == 0)
        return 0;
    size_t bytes = sizeof none + sizeof none.at[0] * (size_t)none.count;
    if (!(self->packed = memory_zalloc(bytes)))
        return -1;
    self->packed->bytes = bytes;
    self->shapes = true;
    return each_saved(self, pack_saved);
}

static void drop_packed(struct op_node *self)
{
    struct packed_saves *packed = self->packed;
    self->packed = NULL;
    for (int i = 0; packed && i < packed->count; i++)
        saving_drop(&packed->at[i].tensor);
    if (packed)
        memory_free(packed, packed->bytes);
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
    self->op = f, self->bytes = p->bytes, self->called = f->base;
    self->title = f->titles ? f->titles(args) : f->title;
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
        bool elements = need.elements >> i & 1, shape = need.shapes >> i & 1;
        bool differentiable = grad->differentiable >> i & 1;
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
        if (f->results > 1) {
            self->shapes = true;
            if (!(self->shape[k] = tensor_shape_only(y)))
                goto fail;
        }
    }
    if (autograd_packer && pack(self))
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
        status = autograd_packer ? pack((struct op_node *)n) : 0;
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

bool record_is_of(const struct node *n, const fl_op *f)
{
    return n->type == &OP_NODE && ((const struct op_node *)n)->op == f;
}

void record_name(struct node *n, const char *title)
{
    assert(n->type == &OP_NODE && title);
    ((struct op_node *)n)->title = title;
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
    self->title = f->title, self->called = f->base, self->in_place = false;
}

void record_title(const fl_op *f, const fl_value *args, const fl_value *results)
{
    for (int k = 0; k < f->results; k++) {
        if (results[k].tag == FL_TENSOR)
            set_title(f, args, results[k].as.tensor);
        for (uint32_t i = 0; results[k].tag == FL_TENSORS && i < results[k].count; i++) {
            fl_tensor *y = results[k].as.tensors[i];
            set_title(f, args, y);
            if (y && y->base) /* PyTorch's node has them all as its results */
                y->creation = CREATION_MANY, y->view_output = (uint16_t)i;
        }
    }
}

/* ---- going backwards ---- */

static int check_versions(struct op_node *self)
{
    assert(!self->node.released);
    const fl_op *f = self->op;
    uint32_t *list_version = self->list_version;
    for (int i = 0; i < f->params; i++) {
        const fl_value *v = &self->args[i];
        bool elements = self->saves >> i & 1;
        if (v->tag == FL_TENSOR && elements && v->as.tensor->storage &&
            v->as.tensor->storage->version != self->version[i])
            return autograd_refuse_version(v->as.tensor, autograd_node(v->as.tensor, NULL),
                                           self->version[i]);
        for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count; k++, list_version++)
            if (elements && v->as.tensors[k] && v->as.tensors[k]->storage &&
                v->as.tensors[k]->storage->version != *list_version)
                return autograd_refuse_version(
                    v->as.tensors[k], autograd_node(v->as.tensors[k], NULL), *list_version);
    }
    for (int k = 0; k < f->results; k++)
        if (self->result[k] && self->result[k]->storage->version != self->result_version[k])
            return autograd_refuse_version(self->result[k],
                                           is_differentiable(f, k) ? &self->node : NULL,
                                           self->result_version[k]);
    return 0;
}

/* t conjugated where it is complex; takes t over. */
static fl_tensor *conjugate(fl_tensor *t)
{
    if (!t || !dtype_is_complex(t->dtype))
        return t;
    fl_tensor *y = operation_conj(t);
    tensor_release(t);
    return y;
}

/* Brings what a formula gave to the shape and dtype of the input it belongs to; a real input takes
 * the real part of it. Takes g over. */
static fl_tensor *as_input_is(fl_tensor *g, const fl_value *input, int dtype)
{
    assert(g && dtype_is_inexact(g->dtype));
    const fl_tensor *t = input->tag == FL_TENSOR ? input->as.tensor : NULL;
    if (t && !shape_equal(g, t)) {
        fl_tensor *summed = operation_sum_to_size(g, (fl_ints){t->sizes, t->ndim});
        tensor_release(g);
        g = summed;
    }
    if (dtype_is_complex(dtype))
        g = conjugate(g);
    if (g && g->dtype != dtype) {
        fl_tensor *cast = operation_cast(g, dtype);
        tensor_release(g);
        g = cast;
    }
    return g;
}

/* How many edges a parameter has: 0 where it was not given. */
static int edges_of(const struct op_node *self, int param)
{
    assert(param >= 0 && param < self->op->params);
    int end = param + 1 < self->op->params ? self->first_edge[param + 1] : self->node.edges;
    return end - self->first_edge[param];
}

/* The parameters whose gradient somebody waits for. */
static uint32_t needed_params(const struct op_node *self)
{
    uint32_t needs = 0;
    for (int i = 0; i < self->op->params; i++) {
        if (!(self->op->grad->differentiable >> i & 1))
            continue;
        for (int k = 0; k < edges_of(self, i); k++)
            if (engine_needs(&self->node.edge[self->first_edge[i] + k]))
                needs |= 1u << i;
    }
    return needs;
}

static fl_value from_code(const struct grad_context *c, uint8_t code)
{
    if (code >= FROM_GRAD)
        return fl_tensor_value(c->g[code - FROM_GRAD]);
    if (code >= FROM_RESULT)
        return fl_tensor_value(c->y[code - FROM_RESULT]);
    return c->args[code];
}

/* The rule's one fused loop. */
static fl_tensor *run_fused(const struct op_grad_rule *rule, const struct grad_context *c,
                            int dtype)
{
    assert(c->g[0]);
    assert(rule->operands <= 8 && rule->scalars <= 8);
    fl_value operand[8], scalar[8];
    for (int i = 0; i < rule->operands; i++)
        operand[i] = from_code(c, rule->operand[i]);
    for (int i = 0; i < rule->scalars; i++)
        scalar[i] = from_code(c, rule->scalar[i]);
    enum compute compute = compute_of(c->g[0]->dtype);
    return pointwise_new(rule->loop[compute], compute, rule->truths, rule->operands, operand,
                         rule->scalars, scalar, dtype);
}

/* Puts what a rule gave into the edges it belongs to. Takes the values over. */
static int store_gradients(struct op_node *self, uint32_t params, fl_value *values, fl_tensor **out)
{
    assert(params);
    int status = 0, k = 0;
    for (int i = 0; i < self->op->params; i++) {
        if (!(params >> i & 1))
            continue;
        fl_value *v = &values[k++];
        int e = self->first_edge[i];
        int count = edges_of(self, i);
        if (v->tag == FL_TENSOR && status == 0 && count == 1 && self->args[i].tag != FL_TENSORS &&
            engine_needs(&self->node.edge[e])) {
            assert(!out[e]);
            out[e] = as_input_is(v->as.tensor, &self->args[i], self->node.edge[e].dtype);
            status = out[e] ? 0 : -1;
            continue;
        }
        for (uint32_t j = 0; v->tag == FL_TENSORS && j < v->count; j++) {
            fl_tensor *t = v->as.tensors[j];
            if (!t || status || (int)j >= count || !engine_needs(&self->node.edge[e + (int)j]))
                continue;
            out[e + (int)j] = as_input_is(tensor_retain(t), &(fl_value){.tag = FL_NONE},
                                          self->node.edge[e + (int)j].dtype);
            status = out[e + (int)j] ? 0 : -1;
        }
        fl_value_release(v);
    }
    return status;
}

/* PyTorch's two messages: of an operator without derivatives, and of one that misses some. */
static int set_missing(const struct op_node *self, const struct op_grad_rule *rule)
{
    if (!*rule->missing)
        return error_set(FL_RUNTIME_ERROR, "derivative for aten::%s%s is not implemented",
                         self->called, self->in_place ? "_" : "");
    return error_set(FL_NOT_IMPLEMENTED, "the derivative for '%s' is not implemented.",
                     rule->missing);
}

/* Fills args, a copy of the node's, and y with what the program unpacks; lists of tensors are
 * copied into `lists`. What was unpacked is *made's, count of them, new references. */
static int unpack(struct op_node *self, bool create_graph, fl_value *args, fl_tensor **lists,
                  fl_tensor **y, fl_tensor **made)
{
    for (int i = 0; i < self->op->params; i++) {
        if (args[i].tag != FL_TENSORS)
            continue;
        memcpy(lists, args[i].as.tensors, sizeof *lists * args[i].count);
        args[i].as.tensors = lists;
        lists += args[i].count;
    }
    for (int i = 0; i < self->packed->count; i++) {
        const struct packed_place *place = &self->packed->at[i];
        bool own = place->param < 0 && is_differentiable(self->op, place->result);
        fl_tensor *t =
            saving_show(&place->tensor, create_graph, own ? &self->node : NULL, place->result);
        if (!t)
            return -1;
        made[i] = t;
        if (place->param < 0)
            y[place->result] = t;
        else if (args[place->param].tag == FL_TENSOR)
            args[place->param].as.tensor = t;
        else
            ((fl_tensor **)args[place->param].as.tensors)[place->k] = t;
    }
    return 0;
}

static int go_back(struct op_node *self, const fl_value *args, fl_tensor *const *incoming,
                   fl_tensor *const *unpacked, bool create_graph, fl_tensor **out);

static int op_node_backward(struct node *n, fl_tensor *const *incoming, bool create_graph,
                            fl_tensor **out)
{
    struct op_node *self = (struct op_node *)n;
    fl_tensor *none[OP_RESULTS] = {NULL};
    if (!self->packed)
        return go_back(self, self->args, incoming, none, create_graph, out);
    fl_value args[OP_PARAMS];
    size_t count = (size_t)self->packed->count;
    memcpy(args, self->args, sizeof *args * self->op->params);
    for (int i = 0; i < self->op->params; i++)
        count += args[i].tag == FL_TENSORS ? args[i].count : 0;
    fl_tensor **room = memory_zalloc(sizeof *room * count);
    if (!room)
        return -1;
    int packed = self->packed->count, status = 0;
    status = unpack(self, create_graph, args, room + packed, none, room);
    if (status == 0)
        status = go_back(self, args, incoming, none, create_graph, out);
    for (int i = 0; i < packed; i++)
        tensor_release(room[i]);
    memory_free(room, sizeof *room * count);
    return status;
}

/* A formula F is that of a holomorphic function: what goes on to a complex input is
 * conj(F(conj(g))), PyTorch's convention (the gradient of a real loss by z is dL/dx + i dL/dy).
 * Loops of formulas are real; complex ones are composed. */
static int go_back(struct op_node *self, const fl_value *args, fl_tensor *const *incoming,
                   fl_tensor *const *unpacked, bool create_graph, fl_tensor **out)
{
    struct node *n = &self->node;
    const struct op_grad *grad = self->op->grad;
    if (check_versions(self))
        return -1;
    fl_tensor *g[OP_RESULTS] = {NULL}, *y[OP_RESULTS] = {NULL};
    bool any = false;
    int status = 0;
    for (int k = 0; k < n->results; k++)
        any |= incoming[k] != NULL;
    if (!any)
        return 0;
    for (int k = 0; k < n->results; k++) {
        g[k] = incoming[k] ? conjugate(tensor_retain(incoming[k])) : NULL;
        if (incoming[k] && !g[k])
            status = -1;
        else if (!g[k] && self->shape[k] && !(g[k] = operation_zeros_like(self->shape[k])))
            status = -1;
        y[k] = unpacked[k] ? unpacked[k] : self->result[k];
        if (y[k] && !unpacked[k] && create_graph && is_differentiable(self->op, k)) {
            y[k] = autograd_unlink(y[k]); /* its history back */
            if (!y[k] || autograd_set_node(y[k], n, k))
                status = -1;
        }
    }
    struct grad_context c = {args, g, y, needed_params(self)};
    for (int r = 0; r < grad->rules && status == 0; r++) {
        const struct op_grad_rule *rule = &grad->rule[r];
        if (!(rule->params & c.needs))
            continue;
        fl_value values[OP_PARAMS];
        memset(values, 0, sizeof values);
        enum compute compute = compute_of(g[0]->dtype);
        if (rule->missing) {
            status = set_missing(self, rule);
            break;
        }
        const int e = self->first_edge[__builtin_ctz(rule->params)];
        bool plain = !create_graph && !(autograd_mode.interpose & INTERPOSE_TRANSFORMS) &&
                     !dtype_is_complex(n->edge[e].dtype);
        if (plain && compute <= COMPUTE_F64 && rule->loop[compute]) {
            values[0] = fl_tensor_value(run_fused(rule, &c, n->edge[e].dtype));
            status = values[0].tag == FL_TENSOR ? 0 : -1;
        } else {
            unsigned errors = error_times;
            status = rule->compose(&c, values);
            for (int k = 0; status == 0 && error_since(errors) && k < OP_PARAMS; k++)
                fl_value_release(&values[k]);
            if (status == 0 && error_since(errors))
                status = -1;
        }
        if (status == 0)
            status = store_gradients(self, rule->params, values, out);
    }
    for (int k = 0; k < n->results; k++) {
        tensor_release(g[k]);
        if (y[k] != self->result[k] && y[k] != unpacked[k])
            tensor_release(y[k]);
    }
    for (int e = 0; status && e < n->edges; e++) {
        tensor_release(out[e]);
        out[e] = NULL;
    }
    return status;
}

static const struct packed_tensor *packed_at(const struct op_node *self, int param, int result)
{
    for (int i = 0; self->packed && i < self->packed->count; i++)
        if (self->packed->at[i].param == param && self->packed->at[i].result == result)
            return &self->packed->at[i].tensor;
    return NULL;
}

int record_saved(struct node *n, const char *name, fl_tensor **t)
{
    *t = NULL;
    struct op_node *self = (struct op_node *)n;
    if (n->type != &OP_NODE)
        return 1;
    int param = -1, result = strcmp(name, "result") == 0 ? 0 : -1;
    for (int i = 0; i < self->op->params && result < 0; i++)
        if (strcmp(self->op->param[i].name, name) == 0)
            param = i;
    if (result < 0 ? param < 0 || !(self->saves >> param & 1) : !(self->saves_results & 1))
        return 1;
    if (n->released)
        return engine_refuse_released(false);
    if (check_versions(self))
        return -1;
    const struct packed_tensor *packed = packed_at(self, param, result);
    fl_tensor *kept = result == 0                          ? self->result[0]
                      : self->args[param].tag == FL_TENSOR ? self->args[param].as.tensor
                                                           : NULL;
    if (packed) {
        *t = saving_show(packed, true, result == 0 ? n : NULL, 0);
        return *t ? 0 : -1;
    }
    if (!kept || result < 0) {
        *t = kept ? tensor_retain(kept) : NULL;
        return 0;
    }
    *t = autograd_unlink(kept);
    return *t && autograd_set_node(*t, n, 0) == 0 ? 0 : -1;
}

/* Drops the tensors that hold elements; with `all` the shapes too. */
static void drop_saved(struct op_node *self, bool all)
{
    for (int i = 0; i < self->op->params; i++) {
        fl_value *v = &self->args[i];
        if (v->tag == FL_TENSOR && (all || v->as.tensor->storage)) {
            fl_tensor *t = v->as.tensor;
            *v = fl_none();
            tensor_release(t);
        }
        for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count; k++) {
            fl_tensor *t = v->as.tensors[k];
            if (t && (all || t->storage)) {
                ((fl_tensor **)v->as.tensors)[k] = NULL;
                tensor_release(t);
            }
        }
    }
    for (int k = 0; k < self->op->results; k++) {
        fl_tensor *y = self->result[k], *shape = self->shape[k];
        self->result[k] = NULL;
        tensor_release(y);
        if (all) {
            self->shape[k] = NULL;
            tensor_release(shape);
        }
    }
}

static void op_node_release_saved(struct node *n)
{
    struct op_node *self = (struct op_node *)n;
    if (self->saves || self->saves_results)
        n->released = true;
    drop_packed(self);
    drop_saved(self, false);
}

static void op_node_destroy(struct node *n)
{
    struct op_node *self = (struct op_node *)n;
    if (self->shapes) /* all else has been dropped */
        drop_saved(self, true);
    memory_free(n, self->bytes);
}
