/* Calls of operators in expressions: the overload is chosen by the arguments' types, as the
 * candidate whose conversions cost least, the first of equals. */
#include "compose.h"

#include <string.h>

enum { IMPOSSIBLE = 10000 };

static int conversion_cost(const struct value *v, const struct param *p)
{
    if (v->type == TYPE_NONE)
        return p->optional || p->value ? 0 : IMPOSSIBLE;
    int maybe = v->optional && !p->optional;
    if (v->type == p->type)
        return maybe;
    switch (p->type) {
    case TYPE_TENSOR:
        return v->type == TYPE_OPERAND ? 10 : type_is_number(v->type) ? 20 : IMPOSSIBLE;
    case TYPE_OPERAND:
        return v->type == TYPE_TENSOR ? maybe : type_is_number(v->type) ? 1 : IMPOSSIBLE;
    case TYPE_SCALAR:
        return value_is_c_number(v) ? 1 : IMPOSSIBLE;
    case TYPE_FLOAT:
        return v->type == TYPE_INT ? 1 : v->type == TYPE_SCALAR ? 2 : IMPOSSIBLE;
    case TYPE_INT:
        return v->type == TYPE_BOOL ? 1 : IMPOSSIBLE;
    case TYPE_BOOL:
        return v->type == TYPE_INT ? 2 : IMPOSSIBLE;
    case TYPE_INTS:
        return v->type == TYPE_INT && p->list_size ? 1 : IMPOSSIBLE;
    case TYPE_LAYOUT:
    case TYPE_MEMORY_FORMAT:
        return v->type == TYPE_INT ? 1 : IMPOSSIBLE;
    default:
        return IMPOSSIBLE;
    }
}

/* The cost of calling op so, and where each argument goes. */
static int call_cost(const struct op *op, const struct call *call, int *to)
{
    uint32_t given = 0;
    int cost = 0, position = 0;
    for (int i = 0; i < call->count; i++) {
        int p = call->keyword[i] ? op_param(op, call->keyword[i]) : position++;
        if (p < 0 || p >= op->params || (given >> p & 1) ||
            (!call->keyword[i] && op->param[p].keyword_only))
            return IMPOSSIBLE;
        given |= 1u << p;
        to[i] = p;
        cost += conversion_cost(&call->value[i], &op->param[p]);
    }
    for (int p = 0; p < op->params; p++)
        if (!(given >> p & 1) && !op->param[p].value && !op->param[p].optional)
            return IMPOSSIBLE;
    return cost;
}

static const struct op *choose(const struct composer *c, const char *base, const struct call *call,
                               int *to)
{
    const struct op *best = NULL;
    int least = IMPOSSIBLE;
    for (const struct op *op = table_find(c->table, base); op; op = op->next_overload) {
        int place[MAX_PARAMS] = {0}, cost = call_cost(op, call, place);
        if (cost < least) {
            least = cost, best = op;
            memcpy(to, place, sizeof place);
        }
    }
    return best;
}

static const char *types_text(const struct call *call)
{
    const char *text = "";
    for (int i = 0; i < call->count; i++)
        text =
            text_format("%s%s%s%s%s", text, i ? ", " : "", call->keyword[i] ? call->keyword[i] : "",
                        call->keyword[i] ? "=" : "", value_word(&call->value[i]));
    return text;
}

static struct value inlined(struct composer *c, const struct op *op, const char *const *args,
                            const bool *optional)
{
    struct local *outer = c->locals;
    c->locals = NULL; /* it knows its own parameters alone */
    c->writes |= compose_has_calls(op->compose);
    for (int p = 0; p < op->params; p++) {
        struct value v = value_make(op->param[p].type, args[p]);
        v.as_value = true, v.optional = optional[p];
        compose_name(c, op->param[p].name, v);
    }
    struct value y = compose_lower(c, op->compose);
    c->locals = outer;
    return y;
}

/* Emits the call; the value is the first of `results` slots. */
struct value call_emit(struct composer *c, struct place place, const char *base,
                       const struct call *call)
{
    int to[MAX_PARAMS];
    for (int i = 0; i < call->count; i++)
        if (!call->value[i].known)
            return VALUE_FAILED;
    if (!table_find(c->table, base)) {
        complain(place, "there is no operator '%s' in the table", base);
        return VALUE_FAILED;
    }
    const struct op *op = choose(c, base, call, to);
    if (!op) {
        complain(place, "no overload of %s takes (%s)", base, types_text(call));
        for (op = table_find(c->table, base); op; op = op->next_overload)
            complain(op->place, "    a candidate: %s", signature_text(op, NULL));
        return VALUE_FAILED;
    }
    const char *args[MAX_PARAMS] = {0}, *list = "";
    bool optional[MAX_PARAMS] = {false};
    for (int i = 0; i < call->count; i++) {
        const struct value *v = &call->value[i];
        const struct param *p = &op->param[to[i]];
        optional[to[i]] = v->optional;
        if (v->type == TYPE_NONE)
            continue;
        args[to[i]] = p->type == TYPE_FLOAT ? value_as_float(v) : value_text(v);
        if (p->type == TYPE_TENSOR && v->type != TYPE_TENSOR && v->type != TYPE_NONE) {
            struct value t = compose_slot(c, place, 1, TYPE_TENSOR);
            if (!t.known)
                return VALUE_FAILED;
            compose_line(c, text_format("if (as_tensor(%s, &%s) != 0)", value_text(v), t.text));
            compose_line(c, "    goto done;");
            args[to[i]] = t.text;
        }
    }
    for (int p = 0; p < op->params; p++) {
        if (!args[p]) {
            optional[p] = true;
            args[p] =
                op->param[p].value ? text_format("op_%s.param[%d].value", op->id, p) : "none()";
        }
        list = text_format("%s%s%s", list, p ? ", " : "", args[p]);
    }
    if (op_is_inlined(op))
        return inlined(c, op, args, optional);
    struct value y = compose_slot(c, place, op->results ? op->results : 1,
                                  op->results ? op->result[0].type : TYPE_NONE);
    if (!y.known)
        return VALUE_FAILED;
    const char *pointer = "NULL";
    if (op->params) {
        compose_line(c, "{");
        compose_line(c, text_format("    const fl_value a[] = {%s};", list));
        pointer = "a";
    }
    compose_line(c, text_format("%sif (op_call(&op_%s, %s, &%s) != 0)", op->params ? "    " : "",
                                op->id, pointer, y.text));
    compose_line(c, op->params ? "        goto done;" : "    goto done;");
    if (op->params)
        compose_line(c, "}");
    for (int i = 0; i < op->results && c->writes; i++)
        if (op->result[i].type == TYPE_TENSOR)
            compose_fail_if(c, text_format("show_scope(t[%d]) != 0", y.slot + i));
    y.as_value = true;
    return y;
}

struct value call_two(struct composer *c, struct place place, const char *name, struct value a,
                      struct value b)
{
    struct call call = {.count = 2, .value = {a, b}};
    return call_emit(c, place, name, &call);
}

struct value call_one(struct composer *c, struct place place, const char *name, struct value a)
{
    struct call call = {.count = 1, .value = {a}};
    return call_emit(c, place, name, &call);
}
