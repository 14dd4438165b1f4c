/* Gradients of pointwise operators as one loop each.
 *
 * A formula is lowered this way when it uses nothing but elements: operands, incoming gradient,
 * result, numbers and other pointwise operators. What is the incoming gradient itself is left to
 * the composition, which passes it on.
 */
#include "opgen.h"

#include <string.h>

struct uses {
    struct op *op;
    struct rule *rule;
    struct loop_spec spec;
    bool fits;
};

static void use_operand(struct uses *u, const char *name, int from, bool truth)
{
    for (int i = 0; i < u->spec.operands; i++)
        if (strcmp(u->spec.operand[i], name) == 0)
            return;
    if (u->spec.operands == MAX_GRAD_OPERANDS) {
        u->fits = false;
        return;
    }
    u->rule->operand[u->spec.operands] = from;
    if (truth)
        u->spec.truths |= 1u << u->spec.operands;
    u->spec.operand[u->spec.operands++] = name;
}

static void use_scalar(struct uses *u, const char *name, int param)
{
    for (int i = 0; i < u->spec.scalars; i++)
        if (strcmp(u->spec.scalar[i], name) == 0)
            return;
    if (u->spec.scalars == MAX_GRAD_OPERANDS) {
        u->fits = false;
        return;
    }
    u->rule->scalar[u->spec.scalars] = param;
    u->spec.scalar[u->spec.scalars++] = name;
}

static void find_uses(struct uses *u, const struct node *n)
{
    if (n->kind == NODE_NAME) {
        int p = op_param(u->op, n->text);
        if (p >= 0 && type_is_tensor(u->op->param[p].type))
            use_operand(u, n->text, FROM_PARAM + p, u->op->truths >> p & 1);
        else if (p >= 0)
            use_scalar(u, n->text, p);
        else if (strcmp(n->text, "g") == 0)
            use_operand(u, n->text, FROM_GRAD, false);
        else if (strcmp(n->text, "y") == 0)
            use_operand(u, n->text, FROM_RESULT, false);
    }
    if (n->kind == NODE_MEMBER || n->kind == NODE_STRING || n->kind == NODE_LIST ||
        n->kind == NODE_REQUIRE || n->kind == NODE_LOOP || node_is_name(n, "needs"))
        u->fits = false;
    for (const struct node *c = n->child; c; c = c->next)
        find_uses(u, c);
}

/* Whether a formula, or a branch of it, is g itself. */
static bool passes_on(const struct node *n)
{
    while (n->kind == NODE_THEN)
        n = n->child->next;
    if (n->kind == NODE_COND)
        return passes_on(n->child->next) || passes_on(n->child->next->next);
    return node_is_name(n, "g") || node_is_name(n, "None");
}

static void fuse(const struct table *t, struct op *op, struct rule *rule)
{
    struct uses u = {.op = op, .rule = rule, .fits = true};
    find_uses(&u, rule->body);
    u.spec.table = t;
    u.spec.quiet = true;
    if (!u.fits || rule->count != 1 || passes_on(rule->body) || !u.spec.operands)
        return;
    const char *body[2];
    for (int type = F32; type <= F64; type++) {
        u.spec.type = (enum compute)type;
        body[type] = loop_body(&u.spec, rule->body);
        if (!body[type])
            return;
    }
    for (int type = F32; type <= F64; type++)
        rule->loop[type] = loop_add(op, body[type], rule->place);
    rule->operands = u.spec.operands;
    rule->scalars = u.spec.scalars;
    rule->truths = u.spec.truths;
    u.spec.gpu = true;
    u.spec.type = F32;
    rule->gpu = loop_body(&u.spec, rule->body);
}

void emit_grad_loops(const struct table *t)
{
    for (struct op *op = t->first; op; op = op->next)
        for (struct rule *r = op->rules; r; r = r->next)
            if (r->body && op->kind == KIND_POINTWISE)
                fuse(t, op, r);
}
