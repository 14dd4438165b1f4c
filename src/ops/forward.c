/* Forward mode: a call whose arguments have tangents computes those of its results.
 *
 * The results are computed and recorded as ever; then, for each level from the outermost in, the
 * tangent is made of ordinary calls that see the levels outside it alone. By kind:
 *   pointwise   the derivative is diagonal, so the gradient's formula gives it, with g read as the
 *               operand's tangent; the operands' shares add up;
 *   view        the same view of the tangent;
 *   others      the gradient G(u) of an argument is linear in the incoming u; the change along t is
 *               the gradient of <G(u), t> by u (Townsend, "A new trick for calculating Jacobian
 *               vector products", 2017).
 * A composite has the tangents of its parts. Pointwise calls with complex numbers are among the
 * others: their formulas are those of holomorphic functions, and some are none (abs).
 */
#include "ops/forward.h"

#include <assert.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/error.h"
#include "core/lanes.h"
#include "core/memory.h"
#include "ops/door.h"
#include "ops/record.h"
#include "ops_table.h"

/* ---- Whom it concerns ------------------------------------------------------------------------ */

bool forward_has_tangent(const fl_tensor *t)
{
    const struct tangents *s = t->autograd ? t->autograd->tangents : NULL;
    for (int i = 0; s && i < s->count; i++)
        if (tangents_shown(s->of[i].level))
            return true;
    return false;
}

bool forward_concerns(const fl_op *op, const fl_value *args)
{
    const fl_op *f = op->function;
    for (int i = 0; i < f->params + (op->form == FORM_OUT ? f->results : 0); i++) {
        if (args[i].tag == FL_TENSOR && forward_has_tangent(args[i].as.tensor))
            return true;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (args[i].as.tensors[k] && forward_has_tangent(args[i].as.tensors[k]))
                return true;
    }
    return false;
}

/* Whether an argument, or one of a list's, has a tangent at a level. */
static bool has_tangent(const fl_value *v, uint32_t level)
{
    bool found = v->tag == FL_TENSOR && tangents_of(v->as.tensor, level);
    for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count && !found; k++)
        found = v->as.tensors[k] && tangents_of(v->as.tensors[k], level);
    return found;
}

/* The parameters (bits) that have one and a derivative. */
static uint32_t moving(const fl_op *f, const fl_value *args, uint32_t level)
{
    uint32_t found = 0;
    for (int i = 0; i < f->params; i++)
        if (f->grad && f->grad->differentiable >> i & 1 && has_tangent(&args[i], level))
            found |= 1u << i;
    return found;
}

/* ---- One level of one call ------------------------------------------------------------------- */

struct call {
    const fl_op *f;
    const fl_value *args;
    fl_tensor *y[OP_RESULTS]; /* borrowed; NULL where it is no tensor */
    uint32_t level;
};

static int refuse(const fl_op *f)
{
    return error_set(FL_NOT_IMPLEMENTED,
                     "Trying to use forward AD with %s that does not support it because it has not "
                     "been implemented yet.",
                     f->base);
}

/* t with like's sizes and dtype: a new reference, NULL with the error. */
static fl_tensor *fitted(fl_tensor *t, const fl_tensor *like)
{
    fl_tensor *cast = t->dtype == like->dtype ? tensor_retain(t) : operation_cast(t, like->dtype);
    if (!cast || shape_equal(cast, like))
        return cast;
    fl_value sizes = {.tag = FL_INTS, .count = (uint32_t)like->ndim, .as.ints = like->sizes};
    fl_tensor *y =
        op_call1(&op_expand, (fl_value[]){fl_tensor_value(cast), sizes, fl_boolean(false)});
    tensor_release(cast);
    return y;
}

/* Adds d (given away) to *sum. */
static int add(fl_tensor **sum, fl_tensor *d)
{
    fl_tensor *old = *sum;
    if (!d)
        return -1;
    *sum = old ? operation_add(old, d) : tensor_retain(d);
    tensor_release(old);
    tensor_release(d);
    return *sum ? 0 : -1;
}

/* The share that parameter i has in a pointwise result's tangent, added to *sum. */
static int add_share(const struct call *c, int i, fl_tensor **sum)
{
    const struct op_grad *grad = c->f->grad;
    int r = 0;
    while (r < grad->rules && !(grad->rule[r].params >> i & 1))
        r++;
    if (r == grad->rules)
        return 0;
    const struct op_grad_rule *rule = &grad->rule[r];
    if (rule->missing)
        return refuse(c->f);
    fl_value values[OP_PARAMS];
    memset(values, 0, sizeof values);
    fl_tensor *t = fitted(tangents_of(c->args[i].as.tensor, c->level), c->y[0]);
    struct grad_context context = {c->args, &t, c->y, 1u << i};
    int status = t ? rule->compose(&context, values) : -1;
    int own = __builtin_popcount(rule->params & ((1u << i) - 1));
    for (int k = 0; status == 0 && k < __builtin_popcount(rule->params); k++) {
        if (k == own && values[k].tag == FL_TENSOR)
            status = add(sum, fitted(values[k].as.tensor, c->y[0]));
        fl_value_release(&values[k]);
    }
    tensor_release(t);
    return status;
}

static bool is_complex(const struct call *c)
{
    bool found = dtype_is_complex(c->y[0]->dtype);
    for (int i = 0; i < c->f->params; i++)
        found |= c->args[i].tag == FL_TENSOR && dtype_is_complex(c->args[i].as.tensor->dtype);
    return found;
}

static int pointwise(const struct call *c, uint32_t from, fl_tensor **dy)
{
    int status = 0;
    for (int i = 0; i < c->f->params && status == 0; i++)
        if (from >> i & 1)
            status = add_share(c, i, dy);
    return status;
}

/* The pairs <G(u), t>: gradients that depend on u, and the tangents they are multiplied with. */
struct pairs {
    int count, room;
    fl_tensor **g, **t; /* of room, references */
};

/* t conjugated where it is complex: a new reference. */
static fl_tensor *conjugate(fl_tensor *t)
{
    return dtype_is_complex(t->dtype) ? operation_conj(t) : tensor_retain(t);
}

static int pairs_add(struct pairs *p, fl_tensor *g, fl_tensor *tangent)
{
    if (!tensor_requires_grad(g)) /* it does not depend on u */
        return 0;
    assert(p->count < p->room);
    fl_tensor *t = fitted(tangent, g), *whole = t ? conjugate(g) : NULL;
    if (!whole) {
        tensor_release(t);
        return -1;
    }
    p->g[p->count] = whole, p->t[p->count++] = t;
    return 0;
}

/* Takes what a rule gave (and releases it). */
static int pairs_take(struct pairs *p, const struct call *c, const fl_value *arg, fl_value *value)
{
    int status = 0;
    if (value->tag == FL_TENSOR && arg->tag == FL_TENSOR) {
        fl_tensor *t = tangents_of(arg->as.tensor, c->level);
        status = t ? pairs_add(p, value->as.tensor, t) : 0;
    }
    for (uint32_t k = 0; value->tag == FL_TENSORS && k < value->count && status == 0; k++) {
        fl_tensor *of = arg->tag == FL_TENSORS && k < arg->count ? arg->as.tensors[k] : NULL;
        fl_tensor *t = of ? tangents_of(of, c->level) : NULL;
        if (t && value->as.tensors[k])
            status = pairs_add(p, value->as.tensors[k], t);
    }
    fl_value_release(value);
    return status;
}

/* Runs the rules of the parameters `from` on u, as record.c does on gradients. */
static int run_rules(const struct call *c, uint32_t from, fl_tensor *const *u, struct pairs *p)
{
    assert(c->f->grad && c->level);
    const struct op_grad *grad = c->f->grad;
    fl_tensor *start[OP_RESULTS] = {NULL};
    struct grad_context context = {c->args, start, c->y, from};
    int status = 0;
    for (int k = 0; k < c->f->results; k++)
        if (u[k] && !(start[k] = conjugate(u[k])))
            status = -1;
    for (int r = 0; r < grad->rules && status == 0; r++) {
        const struct op_grad_rule *rule = &grad->rule[r];
        fl_value values[OP_PARAMS];
        memset(values, 0, sizeof values);
        if (!(rule->params & from))
            continue;
        bool held = autograd_mode.any_gradient;
        autograd_mode.any_gradient = true;
        status = rule->missing ? refuse(c->f) : rule->compose(&context, values);
        autograd_mode.any_gradient = held;
        for (int i = 0, k = 0; i < c->f->params; i++)
            if (rule->params >> i & 1) {
                fl_value *value = &values[k++];
                if (status == 0 && from >> i & 1)
                    status = pairs_take(p, c, &c->args[i], value);
                else
                    fl_value_release(value);
            }
    }
    for (int k = 0; k < c->f->results; k++)
        tensor_release(start[k]);
    return status;
}

/* u for each result that has a derivative: ones that ask for a gradient. (Where they stand does not
 * matter to what is linear, but some formulas take logarithms of u.) */
static int make_starts(const struct call *c, fl_tensor **u)
{
    assert(c->f->grad);
    for (int k = 0; k < c->f->results; k++) {
        bool has = (c->f->results == 1 || c->f->grad->grads >> k & 1) && c->y[k] &&
                   dtype_is_inexact(c->y[k]->dtype);
        if (has && (!(u[k] = operation_ones_like(c->y[k])) || lanes_spread(u[k], c->y[k]->lanes) ||
                    autograd_set_requires_grad(u[k], true)))
            return -1;
    }
    return 0;
}

static int count_tensors(const fl_op *f, const fl_value *args)
{
    int count = 0;
    for (int i = 0; i < f->params; i++)
        count += args[i].tag == FL_TENSOR ? 1 : args[i].tag == FL_TENSORS ? (int)args[i].count : 0;
    return count;
}

/* The gradients of the pairs by u are the tangents. */
static int differentiate(const struct pairs *p, int results, fl_tensor *const *u, bool recorded,
                         fl_tensor **dy)
{
    assert(results <= OP_RESULTS);
    fl_tensor *input[OP_RESULTS], *found[OP_RESULTS] = {NULL};
    int inputs = 0;
    for (int k = 0; k < results; k++)
        if (u[k])
            input[inputs++] = u[k];
    struct backward_request request = {.count = p->count,
                                       .tensors = p->g,
                                       .grads = p->t,
                                       .create_graph = recorded,
                                       .keep_graph = recorded,
                                       .allow_unused = true,
                                       .inputs = inputs,
                                       .input = input,
                                       .results = found};
    if (!p->count || !inputs)
        return 0;
    if (engine_backward(&request))
        return -1;
    for (int k = 0, at = 0; k < results; k++)
        if (u[k])
            dy[k] = found[at++];
    return 0;
}

/* Whether the tangents are to be recorded: something behind them asks for a gradient. */
static bool is_recorded(const struct call *c)
{
    bool asks = false;
    for (int i = 0; i < c->f->params && !asks; i++) {
        const fl_value *v = &c->args[i];
        for (uint32_t k = 0; k < (v->tag == FL_TENSORS ? v->count : 1) && !asks; k++) {
            const fl_tensor *t = v->tag == FL_TENSORS  ? v->as.tensors[k]
                                 : v->tag == FL_TENSOR ? v->as.tensor
                                                       : NULL;
            const fl_tensor *d = t ? tangents_of(t, c->level) : NULL;
            asks = (t && tensor_requires_grad(t)) || (d && tensor_requires_grad(d));
        }
    }
    return asks;
}

static int by_two_gradients(const struct call *c, uint32_t from, fl_tensor **dy)
{
    fl_tensor *u[OP_RESULTS] = {NULL};
    struct pairs p = {.room = count_tensors(c->f, c->args)};
    size_t bytes = 2 * sizeof(fl_tensor *) * (size_t)(p.room + 1);
    bool mode = autograd_mode.grad, recorded = mode && is_recorded(c);
    if (!(p.g = memory_zalloc(bytes)))
        return -1;
    p.t = p.g + p.room;
    autograd_mode.grad = true;
    int status = make_starts(c, u);
    if (status == 0)
        status = run_rules(c, from, u, &p);
    autograd_mode.grad = mode;
    if (status == 0)
        status = differentiate(&p, c->f->results, u, recorded, dy);
    for (int i = 0; i < p.count; i++)
        tensor_release(p.g[i]), tensor_release(p.t[i]);
    memory_free(p.g, bytes);
    for (int k = 0; k < c->f->results; k++)
        tensor_release(u[k]);
    return status;
}

static bool shares_storage(const fl_tensor *t, uint32_t level, const fl_tensor *d)
{
    const fl_tensor *own = t ? tangents_of(t, level) : NULL;
    return own && own->storage == d->storage;
}

/* Whether d lies in memory as t does, so that what makes a view of t makes one of d. */
static bool lies_alike(const fl_tensor *d, const fl_tensor *t)
{
    assert(d->ndim == t->ndim);
    for (int i = 0; i < t->ndim; i++)
        if (t->sizes[i] > 1 && d->strides[i] != t->strides[i])
            return false;
    return true;
}

/* Whether d shows memory of an argument's tangent, which writing d would change. */
static bool is_borrowed(const struct call *c, const fl_tensor *d)
{
    bool found = false;
    for (int i = 0; i < c->f->params && !found; i++) {
        const fl_value *v = &c->args[i];
        found = v->tag == FL_TENSOR && shares_storage(v->as.tensor, c->level, d);
        for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count && !found; k++)
            found = shares_storage(v->as.tensors[k], c->level, d);
    }
    return found;
}

/* Puts copies in the place of tangents that are borrowed or lie otherwise than their results. */
static int make_own(const struct call *c, fl_tensor **dy)
{
    for (int k = 0; k < c->f->results; k++) {
        if (!dy[k] || (lies_alike(dy[k], c->y[k]) && !is_borrowed(c, dy[k])))
            continue;
        fl_tensor *copy = operation_own(dy[k], c->y[k]);
        tensor_release(dy[k]);
        if (!(dy[k] = copy))
            return -1;
    }
    return 0;
}

/* The tangents of the results at the call's level: dy, new references or NULL. */
static int tangents_for(const struct call *c, fl_tensor **dy)
{
    assert(c->level);
    uint32_t from = moving(c->f, c->args, c->level), below = tangent_levels.below;
    if (!from)
        return 0;
    tangent_levels.below = c->level;
    bool diagonal = c->f->kind == OP_POINTWISE && !is_complex(c);
    int status = diagonal ? pointwise(c, from, dy) : by_two_gradients(c, from, dy);
    if (status == 0)
        status = make_own(c, dy);
    tangent_levels.below = below;
    return status;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* The levels that are shown, outer first. */
static int shown_levels(uint32_t *level)
{
    int count = 0;
    for (int i = 0; i < tangent_levels.count; i++)
        if (tangents_shown(tangent_levels.level[i]))
            level[count++] = tangent_levels.level[i];
    return count;
}

static int call_view(const fl_op *op, const fl_value *args, fl_value *results)
{
    assert(op->function->kind == OP_VIEW && op->function->first >= 0);
    const fl_op *f = op->function;
    uint32_t level[TANGENT_LEVELS], below = tangent_levels.below;
    int levels = shown_levels(level), status = door_plain(op, args, results);
    fl_value moved[OP_PARAMS];
    memcpy(moved, args, sizeof *moved * f->params);
    for (int i = 0; i < levels && status == 0; i++) {
        fl_tensor *t = tangents_of(args[f->first].as.tensor, level[i]);
        if (!t)
            continue;
        moved[f->first] = fl_tensor_value(t);
        tangent_levels.below = level[i];
        fl_tensor *dy = op_call1(f, moved); /* of t_() too: the tangent stays a view */
        tangent_levels.below = below;
        status = dy ? tangents_set(results[0].as.tensor, level[i], dy) : -1;
        tensor_release(dy);
    }
    if (status && results[0].tag == FL_TENSOR)
        tensor_release(results[0].as.tensor);
    return status;
}

static int call_computed(const fl_op *f, const fl_value *args, fl_value *results)
{
    uint32_t level[TANGENT_LEVELS], below = tangent_levels.below;
    int levels = shown_levels(level);
    struct call c = {.f = f, .args = args};
    bool mode = autograd_mode.grad;
    if (mode && f->grad && f->grad->refused && record_refuse(f, args))
        return -1;
    autograd_mode.grad = false, tangent_levels.below = 1; /* there is no level below the first */
    int status = op_call(f, args, results);
    autograd_mode.grad = mode, tangent_levels.below = below;
    if (status)
        return -1;
    for (int k = 0; k < f->results && status == 0; k++) {
        c.y[k] = results[k].tag == FL_TENSOR ? results[k].as.tensor : NULL;
        if (c.y[k] && dtype_is_inexact(c.y[k]->dtype))
            status = tangents_prepare(c.y[k]);
    }
    if (status == 0 && record_is_needed(f, args))
        status = record_call(f, args, results);
    for (int i = 0; i < levels && status == 0; i++) {
        fl_tensor *dy[OP_RESULTS] = {NULL};
        c.level = level[i];
        status = tangents_for(&c, dy);
        for (int k = 0; k < f->results; k++) {
            if (dy[k] && status == 0)
                status = tangents_set(c.y[k], level[i], dy[k]);
            tensor_release(dy[k]);
        }
    }
    for (int k = 0; status && k < f->results; k++)
        fl_value_release(&results[k]);
    return status;
}

/* Makes d (may be NULL: zeros) the tangent of a written tensor, whose views and base share its
 * memory as they do the tensor's. */
static int write_tangent(fl_tensor *self, uint32_t level, fl_tensor *d)
{
    assert(level);
    fl_tensor *t = tangents_of(self, level), *base = self->base;
    if (!t && !d)
        return 0;
    if (!t && base) {
        fl_tensor *of_base = tangents_of(base, level);
        of_base = of_base ? tensor_retain(of_base) : tensor_new_like(base, base->dtype);
        int status = of_base ? 0 : -1;
        if (status == 0 && !tangents_of(base, level))
            status = tensor_fill(of_base, fl_int(0)) || tangents_set(base, level, of_base) ? -1 : 0;
        if (status == 0)
            t = operation_as_strided(of_base, tensor_is_by_parts(self),
                                     (fl_ints){self->sizes, self->ndim},
                                     (fl_ints){self->strides, self->ndim}, self->offset);
        status = t ? tangents_set(self, level, t) : -1;
        tensor_release(of_base);
        tensor_release(t);
        if (status)
            return -1;
    }
    if (t)
        return d ? operation_copy_(t, d) : operation_zero_(t);
    fl_tensor *own = operation_clone(d);
    int status = own ? tangents_set(self, level, own) : -1;
    tensor_release(own);
    return status;
}

/* In place by nature: the tangents are computed from what self was, and written after it. */
static int call_writer(const fl_op *op, const fl_value *args, fl_value *results)
{
    assert(args[0].tag == FL_TENSOR);
    const fl_op *f = op->function;
    fl_tensor *self = args[0].as.tensor, *dy[TANGENT_LEVELS] = {NULL};
    uint32_t level[TANGENT_LEVELS], below = tangent_levels.below;
    int levels = shown_levels(level), status = 0;
    struct call c = {.f = f, .args = args, .y = {self}};
    for (int i = 0; i < levels && status == 0; i++) {
        c.level = level[i];
        if (dtype_is_inexact(self->dtype))
            status = tangents_for(&c, &dy[i]);
    }
    if (status == 0)
        status = door_plain(op, args, results);
    for (int i = 0; i < levels; i++) {
        tangent_levels.below = level[i];
        if (status == 0 && (status = write_tangent(self, level[i], dy[i])))
            fl_value_release(&results[0]);
        tensor_release(dy[i]);
    }
    tangent_levels.below = below;
    return status;
}

int forward_call(const fl_op *op, const fl_value *args, fl_value *results)
{
    const fl_op *f = op->function;
    fl_value complete[OP_PARAMS];
    fl_tensor *made[OP_PARAMS];
    if (f->kind == OP_VIEW && op->form != FORM_OUT)
        return call_view(op, args, results);
    if (op->form != FORM_FUNCTION)
        return door_written(op, args, results);
    if (f->kind == OP_COMPOSE)
        return door_plain(op, args, results);
    memcpy(complete, args, sizeof *complete * f->params);
    int status = f->kind == OP_KERNEL ? door_numbers(f, complete, made) : 0;
    if (status == 0)
        status = (op_writes(f) ? call_writer : call_computed)(f, complete, results);
    for (int i = 0; f->kind == OP_KERNEL && i < f->params; i++)
        tensor_release(made[i]);
    return status;
}

/* ---- Dual tensors ---------------------------------------------------------------------------- */

static fl_tensor *view_of(fl_tensor *t)
{
    fl_value sizes = {.tag = FL_INTS, .count = (uint32_t)t->ndim, .as.ints = t->sizes};
    return op_call1(&op_expand, (fl_value[]){fl_tensor_value(t), sizes, fl_boolean(false)});
}

fl_tensor *forward_make(fl_tensor *t, fl_tensor *tangent, uint32_t level)
{
    assert(level);
    char own[128], given[128];
    if (!shape_equal(t, tangent))
        return error_null(FL_RUNTIME_ERROR,
                          "Trying to set a forward gradient that has a different size than that of "
                          "the original Tensor, this is not supported. Tensor is of size %s while "
                          "the given forward gradient is of size %s.",
                          shape_text(own, sizeof own, t->ndim, t->sizes),
                          shape_text(given, sizeof given, tangent->ndim, tangent->sizes));
    fl_tensor *y = view_of(t), *d = y ? fitted(tangent, y) : NULL;
    if (d && !lies_alike(d, y)) {
        fl_tensor *copy = operation_own(d, y);
        tensor_release(d);
        d = copy;
    }
    if (!d || tangents_set(y, level, d)) {
        tensor_release(y);
        y = NULL;
    }
    tensor_release(d);
    return y;
}

fl_tensor *forward_primal(fl_tensor *t, uint32_t level)
{
    uint32_t below = tangent_levels.below;
    tangent_levels.below = below && below < level ? below : level;
    fl_tensor *y = view_of(t);
    tangent_levels.below = below;
    return y;
}
