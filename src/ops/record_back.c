/* The walk back through the node of a call: what came in by each result becomes, by the formulas of
 * the table, what goes on to each argument that asked for a gradient.
 */
#include <assert.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "ops/op_node.h"
#include "ops/pointwise/pointwise.h"

/* t conjugated where it is complex; takes t over. */
static fl_tensor *conjugate(fl_tensor *t)
{
    if (!t || !dtype_is_complex(t->dtype))
        return t;
    fl_tensor *y = operation_conj(t);
    tensor_release(t);
    return y;
}

static bool same_device(fl_device a, fl_device b)
{
    return a.kind == b.kind && a.index == b.index;
}

/* Brings what a formula gave to the shape, dtype and device of the input it belongs to; a real input
 * takes the real part of it. Takes g over. */
static fl_tensor *as_input_is(fl_tensor *g, const fl_value *input, const struct edge *edge)
{
    assert(g && dtype_is_inexact(g->dtype));
    const fl_tensor *t = input->tag == FL_TENSOR ? input->as.tensor : NULL;
    if (t && !shape_equal(g, t)) {
        fl_tensor *summed = operation_sum_to_size(g, (fl_ints){t->sizes, t->ndim});
        tensor_release(g);
        g = summed;
    }
    if (dtype_is_complex(edge->dtype))
        g = conjugate(g);
    if (g && g->dtype != edge->dtype) {
        fl_tensor *cast = operation_cast(g, edge->dtype);
        tensor_release(g);
        g = cast;
    }
    if (g && device_others && !same_device(tensor_device(g)->id, edge->device)) {
        fl_tensor *moved = operation_move(g, edge->device);
        tensor_release(g);
        g = moved;
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
static fl_tensor *run_fused(const fl_op *f, const struct op_grad_rule *rule,
                            const struct grad_context *c, int dtype)
{
    assert(c->g[0]);
    assert(rule->operands <= 8 && rule->scalars <= 8);
    fl_value operand[8], scalar[8];
    for (int i = 0; i < rule->operands; i++)
        operand[i] = from_code(c, rule->operand[i]);
    for (int i = 0; i < rule->scalars; i++)
        scalar[i] = from_code(c, rule->scalar[i]);
    enum compute compute = compute_of(c->g[0]->dtype);
    return pointwise_new(f, rule->gpu, rule->loop[compute], compute, rule->truths, rule->operands,
                         operand, rule->scalars, scalar, dtype);
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
            out[e] = as_input_is(v->as.tensor, &self->args[i], &self->node.edge[e]);
            status = out[e] ? 0 : -1;
            continue;
        }
        for (uint32_t j = 0; v->tag == FL_TENSORS && j < v->count; j++) {
            fl_tensor *t = v->as.tensors[j];
            if (!t || status || (int)j >= count || !engine_needs(&self->node.edge[e + (int)j]))
                continue;
            out[e + (int)j] = as_input_is(tensor_retain(t), &(fl_value){.tag = FL_NONE},
                                          &self->node.edge[e + (int)j]);
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

/* A formula F is that of a holomorphic function: what goes on to a complex input is
 * conj(F(conj(g))), PyTorch's convention (the gradient of a real loss by z is dL/dx + i dL/dy).
 * Loops of formulas are real; complex ones are composed. */
static int go_back_there(struct op_node *self, const fl_value *args, fl_tensor *const *incoming,
                         fl_tensor *const *unpacked, bool create_graph, fl_tensor **out)
{
    struct node *n = &self->node;
    const struct op_grad *grad = self->op->grad;
    if (op_node_check_versions(self))
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
        /* (A fused loop is of a pointwise operator, which has one result.) */
        enum compute compute = g[0] ? compute_of(g[0]->dtype) : COMPUTE_TYPES;
        if (rule->missing) {
            status = set_missing(self, rule);
            break;
        }
        const int e = self->first_edge[__builtin_ctz(rule->params)];
        bool plain = !create_graph && !(autograd_mode.interpose & INTERPOSE_TRANSFORMS) &&
                     !dtype_is_complex(n->edge[e].dtype);
        if (plain && compute <= COMPUTE_F64 && rule->loop[compute]) {
            values[0] = fl_tensor_value(run_fused(self->op, rule, &c, n->edge[e].dtype));
            status = values[0].tag == FL_TENSOR ? 0 : -1;
        } else {
            unsigned errors = error_times;
            memset(values, 0, sizeof values);
            status = rule->compose(&c, values);
            for (int k = 0; status == 0 && error_since(errors) && k < OP_PARAMS; k++)
                fl_value_release(&values[k]);
            if (status == 0 && error_since(errors))
                status = -1;
        }
        if (status == 0)
            status = store_gradients(self, rule->params, values, out);
        if (status == 0 && rule->depends && create_graph && out[e])
            status = op_node_depends(self, e, rule, &out[e]);
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

/* The same, with what formulas make where the gradients live. */
static int go_back(struct op_node *self, const fl_value *args, fl_tensor *const *incoming,
                   fl_tensor *const *unpacked, bool create_graph, fl_tensor **out)
{
    struct device *before = device_default;
    for (int k = 0; device_others && k < self->node.results; k++)
        if (incoming[k])
            device_default = tensor_device(incoming[k]);
    int status = go_back_there(self, args, incoming, unpacked, create_graph, out);
    device_default = before;
    return status;
}

int op_node_backward(struct node *n, fl_tensor *const *incoming, bool create_graph, fl_tensor **out)
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
    status = op_node_unpack(self, create_graph, args, room + packed, none, room);
    if (status == 0)
        status = go_back(self, args, incoming, none, create_graph, out);
    for (int i = 0; i < packed; i++)
        tensor_release(room[i]);
    memory_free(room, sizeof *room * count);
    return status;
}
