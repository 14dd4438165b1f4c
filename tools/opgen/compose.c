/* Expressions over operators, as C: composed operators and the differentiable form of gradients.
 *
 * A call becomes op_call on a descriptor; its result stands in a slot of the array t until the
 * function ends, where all slots are released, whichever way it ends.
 */
#include "compose.h"

#include <string.h>

enum { MAX_DEPTH = 500 };

/* ---- names ---- */

static struct value lower_name(struct composer *c, const struct node *n)
{
    for (const struct local *l = c->locals; l; l = l->next) {
        if (strcmp(l->name, n->text) != 0)
            continue;
        if (c->rule && l->param && (type_is_tensor(l->value.type) || l->value.type == TYPE_TENSORS))
            c->rule->saves |= l->param;
        if (c->rule && l->result >= 0)
            c->rule->saves_results |= 1u << l->result;
        if (l->result < -1)
            c->grads |= 1u << (-2 - l->result);
        return l->value;
    }
    if (strcmp(n->text, "None") == 0)
        return value_make(TYPE_NONE, "none()");
    if (strcmp(n->text, "True") == 0 || strcmp(n->text, "False") == 0)
        return value_make(TYPE_BOOL, n->text[0] == 'T' ? "true" : "false");
    if (strcmp(n->text, "inf") == 0 || strcmp(n->text, "nan") == 0)
        return value_make(TYPE_FLOAT, n->text[0] == 'i' ? "(double)INFINITY" : "(double)NAN");
    if (strcmp(n->text, "pi") == 0)
        return value_make(TYPE_FLOAT, "3.14159265358979323846");
    if (dtype_constant(n->text))
        return value_make(TYPE_DTYPE, text_format("(int)%s", dtype_constant(n->text)));
    complain(n->place, "'%s' is not known here", n->text);
    return VALUE_FAILED;
}

/* A tensor of which only shape or dtype is asked. */
struct value compose_shape_of(struct composer *c, const struct node *n)
{
    uint32_t saves = c->rule ? c->rule->saves : 0, results = c->rule ? c->rule->saves_results : 0;
    struct value v = compose_lower(c, n);
    if (c->rule && n->kind == NODE_NAME && v.known) {
        c->rule->saves_shape |= c->rule->saves & ~saves;
        c->rule->saves = saves;
        for (const struct local *l = c->locals; l; l = l->next)
            if (strcmp(l->name, n->text) == 0) {
                c->rule->saves_shape |= l->param;
                break;
            }
        (void)results; /* a result's shape is its handle's: it stays saved */
    }
    return v;
}

static struct value lower_member(struct composer *c, const struct node *n)
{
    static const struct {
        const char *name, *function;
        enum type type;
    } MEMBERS[] = {{"sizes", "sizes_of", TYPE_INTS},  {"strides", "strides_of", TYPE_INTS},
                   {"ndim", "ndim_of", TYPE_INT},     {"numel", "numel_of", TYPE_INT},
                   {"offset", "offset_of", TYPE_INT}, {"dtype", "dtype_in", TYPE_DTYPE}};
    static const struct {
        const char *name, *function;
        enum type type;
    } OF_DTYPES[] = {{"floating", "is_floating", TYPE_BOOL},
                     {"complex", "is_complex", TYPE_BOOL},
                     {"title", "title_of", TYPE_STRING}};
    struct value v = compose_shape_of(c, n->child);
    if (!v.known)
        return VALUE_FAILED;
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++)
        if (strcmp(MEMBERS[i].name, n->text) == 0) {
            if (!type_is_tensor(v.type))
                break;
            return value_make(MEMBERS[i].type, text_format("%s(%s)", MEMBERS[i].function, v.text));
        }
    for (size_t i = 0; i < sizeof OF_DTYPES / sizeof *OF_DTYPES && v.type == TYPE_DTYPE; i++)
        if (strcmp(OF_DTYPES[i].name, n->text) == 0)
            return value_make(OF_DTYPES[i].type,
                              text_format("%s(%s)", OF_DTYPES[i].function, value_c(&v)));
    if (strcmp(n->text, "shapes") == 0 && v.type == TYPE_TENSORS)
        return v;
    if (strcmp(n->text, "count") == 0 &&
        (v.type == TYPE_INTS || v.type == TYPE_TENSORS || v.type == TYPE_FLOATS))
        return value_make(TYPE_INT, text_format("(int64_t)%s.count", v.text));
    complain(
        n->place,
        "found '.%s' on a %s, expected sizes strides ndim numel offset dtype of a tensor, floating "
        "complex title of a dtype, or count or shapes of a list",
        n->text, value_word(&v));
    return VALUE_FAILED;
}

/* ---- calls ---- */

/* Functions of numbers alone are C's. */
static bool is_number_function(const struct node *n, const struct call *call)
{
    static const char *const NAMES[] = {"log", "exp", "sqrt", "log2", "log10"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(NAMES[i], n->text) == 0)
            return call->count == 1 && call->value[0].known && type_is_number(call->value[0].type);
    return false;
}

/* wrap_dim(dim, ndim): the dim counted from the front, or PyTorch's error of one out of range. */
static struct value wrap_dim(struct composer *c, const struct node *n, const struct call *call)
{
    const struct value *v = call->value;
    if (call->count != 2 || v[0].type != TYPE_INT || v[1].type != TYPE_INT) {
        if (call->count != 2 || (v[0].known && v[1].known))
            complain(n->place, "expected wrap_dim(int, int)");
        return VALUE_FAILED;
    }
    const char *name = text_format("dim%d", c->dims++);
    emit(&c->tops, "    int64_t %s = 0;\n", name);
    compose_line(
        c, text_format("%s = shape_wrap_dim(%s, (int)%s);", name, value_c(&v[0]), value_c(&v[1])));
    compose_fail_if(c, text_format("%s < 0", name));
    return value_make(TYPE_INT, name);
}

static struct value lower_call(struct composer *c, const struct node *n)
{
    struct call call = {0};
    for (const struct node *a = n->child; a; a = a->next) {
        if (call.count == MAX_PARAMS) {
            complain(a->place, "more than %d arguments", MAX_PARAMS);
            return VALUE_FAILED;
        }
        call.keyword[call.count] = a->keyword;
        call.value[call.count++] = compose_lower(c, a);
    }
    if (is_number_function(n, &call)) {
        const struct value *v = &call.value[0];
        if (v->type == TYPE_SCALAR && strcmp(n->text, "log") == 0)
            return value_make(TYPE_SCALAR, text_format("number_log(%s)", value_text(v)));
        return value_make(
            TYPE_FLOAT,
            text_format(v->as_value ? "%s(float_of(%s))" : "%s((double)%s)", n->text, v->text));
    }
    if (strcmp(n->text, "wrap_dim") == 0)
        return wrap_dim(c, n, &call);
    return call_emit(c, n->place, n->text, &call);
}

/* ---- conditions ---- */

static void assign(struct composer *c, const struct value *to, const struct value *from)
{
    if (from->slot >= 0)
        compose_line(c, text_format("%s = %s, %s = none();", to->text, from->text, from->text));
    else
        compose_line(c, text_format("%s = hold(%s);", to->text, value_text(from)));
}

/* One of two lists, at least one of which takes lines to compute. */
static struct value choose_list(struct composer *c, const struct node *n, const char *test,
                                const struct value *v, const struct out *parts, enum type type)
{
    if (type == TYPE_TENSORS && (v[0].slot >= 0 || v[1].slot >= 0)) {
        complain(n->place, "a condition cannot choose between lists of new tensors");
        return VALUE_FAILED;
    }
    const char *name = text_format("list%d", c->lists++);
    emit(&c->tops, "    fl_value %s = none();\n", name);
    for (int i = 0; i < 2; i++) {
        compose_line(c, i ? "} else {" : text_format("if (%s) {", test));
        emit_text(&c->body, parts[i].text ? parts[i].text : "");
        c->indent++, compose_line(c, text_format("%s = %s;", name, value_text(&v[i])));
        c->indent--;
    }
    compose_line(c, "}");
    return value_make(type, name);
}

static struct value lower_cond(struct composer *c, const struct node *n)
{
    const char *test = compose_test(c, n->child);
    if (!test)
        return VALUE_FAILED;
    /* Both branches are emitted apart first: what they do decides how they are put together. */
    struct out whole = c->body;
    struct value v[2];
    struct out parts[2];
    for (int i = 0; i < 2; i++) {
        c->body = (struct out){0};
        c->indent++;
        v[i] = compose_lower(c, i ? n->child->next->next : n->child->next);
        c->indent--;
        parts[i] = c->body;
    }
    struct value result = VALUE_FAILED;
    bool plain = v[0].known && v[1].known && !parts[0].size && !parts[1].size;
    c->body = whole;
    if (plain && value_is_c_number(&v[0]) && value_is_c_number(&v[1])) {
        enum type type = v[0].type == TYPE_FLOAT || v[1].type == TYPE_FLOAT ? TYPE_FLOAT
                         : v[0].type == v[1].type                           ? v[0].type
                                                                            : TYPE_INT;
        result =
            value_make(type, text_format("(%s ? %s : %s)", test, value_c(&v[0]), value_c(&v[1])));
    } else if (plain && v[0].type == v[1].type && !v[0].as_value && !v[1].as_value) {
        result = value_make(v[0].type, text_format("(%s ? %s : %s)", test, v[0].text, v[1].text));
    } else if (v[0].known && v[1].known) {
        bool none = v[0].type == TYPE_NONE || v[1].type == TYPE_NONE;
        bool tensors = type_is_tensor(v[0].type) || type_is_tensor(v[1].type);
        enum type type = v[0].type == v[1].type   ? v[0].type
                         : v[0].type == TYPE_NONE ? v[1].type
                         : v[1].type == TYPE_NONE ? v[0].type
                         : tensors                ? TYPE_OPERAND
                                                  : TYPE_SCALAR;
        bool lists = type == TYPE_TENSORS || type == TYPE_INTS || type == TYPE_FLOATS;
        if (lists && !plain) {
            result = choose_list(c, n, test, v, parts, type);
            result.optional = none;
        } else if (type == TYPE_SCALAR &&
                   !(type_is_number(v[0].type) && type_is_number(v[1].type)) && !none) {
            complain(n->place, "a condition chooses between %s and %s", value_word(&v[0]),
                     value_word(&v[1]));
        } else if (lists) {
            result = value_make(
                type, text_format("(%s ? %s : %s)", test, value_text(&v[0]), value_text(&v[1])));
            result.optional = none;
        } else {
            result = compose_slot(c, n->place, 1, type);
            if (result.known) {
                compose_line(c, text_format("if (%s) {", test));
                emit_text(&c->body, parts[0].text ? parts[0].text : "");
                c->indent++, assign(c, &result, &v[0]), c->indent--;
                compose_line(c, "} else {");
                emit_text(&c->body, parts[1].text ? parts[1].text : "");
                c->indent++, assign(c, &result, &v[1]), c->indent--;
                compose_line(c, "}");
                result.as_value = true;
                result.optional = none || v[0].optional || v[1].optional;
            }
        }
    }
    text_release(&parts[0]);
    text_release(&parts[1]);
    return result;
}

static struct value lower_then(struct composer *c, const struct node *n)
{
    struct local *outer = c->locals;
    struct value v =
        compose_statement(c, n->child) ? compose_lower(c, n->child->next) : VALUE_FAILED;
    c->locals = outer;
    return v;
}

struct value compose_lower(struct composer *c, const struct node *n)
{
    struct value v = VALUE_FAILED;
    if (++c->depth > MAX_DEPTH) {
        if (c->depth == MAX_DEPTH + 1)
            complain(n->place, "an expression nested too deep");
        c->depth--;
        return v;
    }
    switch (n->kind) {
    case NODE_NUMBER:
        v = n->is_float ? value_make(TYPE_FLOAT, n->text) : value_make(TYPE_INT, n->text);
        break;
    case NODE_STRING:
        v = value_make(TYPE_STRING, text_format("\"%s\"", text_quote(n->text)));
        break;
    case NODE_NAME:
        v = lower_name(c, n);
        break;
    case NODE_LIST:
        v = compose_list(c, n);
        break;
    case NODE_UNARY:
        v = compose_unary(c, n);
        break;
    case NODE_BINARY:
        v = compose_binary(c, n);
        break;
    case NODE_COND:
        v = lower_cond(c, n);
        break;
    case NODE_CALL:
        v = lower_call(c, n);
        break;
    case NODE_MEMBER:
        v = lower_member(c, n);
        break;
    case NODE_INDEX:
        v = compose_index(c, n);
        break;
    case NODE_SLICE:
        v = compose_slice(c, n);
        break;
    case NODE_THEN:
        v = lower_then(c, n);
        break;
    case NODE_EACH: /* compose_list has met it */
    case NODE_LET:
    case NODE_REQUIRE:
    case NODE_LOOP:
        complain(n->place, "a statement has no value");
        break;
    }
    c->depth--;
    return v;
}

/* ---- whole functions ---- */

static void add_local(struct composer *c, const char *name, struct value v, uint32_t param,
                      int result)
{
    struct local *l = arena_alloc(sizeof *l);
    *l = (struct local){name, v, param, result, c->locals};
    c->locals = l;
}

static void add_params(struct composer *c, const char *args)
{
    for (int i = 0; i < c->op->params; i++) {
        const struct param *p = &c->op->param[i];
        struct value v = value_make(p->type, text_format("%s[%d]", args, i));
        v.as_value = true;
        v.optional = p->optional;
        add_local(c, p->name, v, 1u << i, -1);
    }
}

static void emit_function(struct out *o, struct composer *c, const char *head, const char *early,
                          struct place place)
{
    emit(o, "%s\n%s\n{\n", paragraph_line(c->op, place), head);
    emit_text(o, c->tops.text ? c->tops.text : "");
    if (c->slots)
        emit(o, "    fl_value t[%d] = {{0}};\n", c->slots);
    emit_text(o, early);
    const bool fails = c->slots || c->fails;
    if (fails)
        emit_text(o, "    int status = -1;\n");
    emit_text(o, c->body.text ? c->body.text : "");
    if (fails)
        emit(o, "    status = 0;\ndone:\n%s    return status;\n}\n",
             c->slots ? text_format("    release_all(%d, t);\n", c->slots) : "");
    else
        emit_text(o, "    return 0;\n}\n");
    emit(o, "#line %d \"%s\"\n", o->line + 1, o->name);
    text_release(&c->body);
    text_release(&c->tops);
}

/* Hands y[0] over to the scope. */
static void line_adopt(struct composer *c, const char *result)
{
    compose_fail_if(c, text_format("adopt(&%s) != 0", result));
}

/* The statements of a check: nothing is returned. */
void compose_emit_check(struct out *o, const struct table *t, struct op *op)
{
    struct composer c = {.table = t, .op = op, .indent = 1};
    add_params(&c, "args");
    compose_lower(&c, op->checks);
    emit_function(o, &c, text_format("static int call_check_%s(const fl_value *args)", op->id),
                  op->params ? "" : "    (void)args;\n", op->checks->place);
}

/* An expression for several results is a call that gives them. */
static void return_several(struct composer *c, const struct node *body, const struct value *v)
{
    const struct op *op = c->op;
    if (body->kind != NODE_CALL || v->slot < 0 || v->slot + op->results != c->slots)
        complain(body->place, "an expression for %d results calls one operator with as many",
                 op->results);
    for (int i = 0; i < op->results; i++) {
        compose_line(c, text_format("y[%d] = t[%d], t[%d] = none();", i, v->slot + i, v->slot + i));
        line_adopt(c, text_format("y[%d]", i));
    }
}

static void return_one(struct composer *c, const struct node *body, const struct value *v)
{
    struct value y = value_make(c->op->result[0].type, "y[0]");
    bool operand = y.type == TYPE_TENSOR && v->type == TYPE_OPERAND;
    bool held = strncmp(v->text, "t[", 2) == 0; /* by this function */
    if (v->type != y.type && !operand && !(type_is_number(y.type) && type_is_number(v->type)))
        complain(body->place, "found a %s, but the result of %s is a %s", value_word(v),
                 c->op->name, value_word(&y));
    if (y.type == TYPE_TENSORS && !held)
        complain(body->place, "a list that is a result is made by an operator, or by 'for'");
    if (operand) {
        compose_fail_if(c, text_format("as_tensor(%s, &y[0]) != 0", v->text));
    } else if (y.type == TYPE_FLOAT) {
        compose_line(c, text_format("y[0] = %s;", value_as_float(v)));
    } else if (v->slot >= 0 || (held && y.type == TYPE_TENSORS)) {
        compose_line(c, text_format("y[0] = %s, %s = none();", v->text, v->text));
    } else {
        compose_line(c, text_format(held ? "y[0] = hold(%s);" : "y[0] = %s;", value_text(v)));
    }
    if (held || operand)
        line_adopt(c, "y[0]");
}

void compose_emit_function(struct out *o, const struct table *t, struct op *op, struct node *n,
                           const char *prefix)
{
    struct composer c = {.table = t, .op = op, .indent = 1, .writes = compose_has_calls(n)};
    add_params(&c, "args");
    struct value v = compose_lower(&c, n);
    if (v.known && op->results > 1)
        return_several(&c, n, &v);
    else if (v.known)
        return_one(&c, n, &v);
    const char *head =
        text_format("static int %s_%s(const fl_value *args, fl_value *y)", prefix, op->id);
    emit_function(o, &c, head, op->params ? "" : "    (void)args;\n", n->place);
}

/* Where the gradient of each parameter of a rule goes: its rank among the rule's bits. */
static int rank(uint32_t params, int p)
{
    return __builtin_popcount(params & ((1u << p) - 1));
}

void compose_emit_rule(struct out *o, const struct table *t, struct op *op, struct rule *rule,
                       int number)
{
    struct composer c = {.table = t, .op = op, .rule = rule, .indent = 1};
    add_params(&c, "c->args");
    for (int i = 0; i < op->results; i++) {
        struct value y = value_make(TYPE_TENSOR, text_format("tensor_value(c->y[%d])", i));
        struct value g = value_make(TYPE_TENSOR, text_format("tensor_value(c->g[%d])", i));
        g.optional = op->results > 1;
        if (op->result[i].name && op_param(op, op->result[i].name) < 0)
            add_local(&c, op->result[i].name, y, 0, i);
        add_local(&c, text_format("y%d", i), y, 0, i);
        add_local(&c, text_format("g%d", i), g, 0, -2 - i);
        if (!i) {
            add_local(&c, "y", y, 0, i);
            add_local(&c, "g", g, 0, -2 - i);
        }
    }
    add_local(&c, "needs", value_make(TYPE_INT, "(int64_t)c->needs"), 0, -1);
    struct value v = compose_lower(&c, rule->body);
    rule->saves_shape &= ~rule->saves;
    if (v.known && rule->count > 1) {
        bool slots = v.slot >= 0 && rule->body->kind == NODE_CALL;
        if (!slots || v.slot + rule->count != c.slots)
            complain(rule->place,
                     "a rule for %d parameters calls one operator with as many results",
                     rule->count);
        for (int i = 0; i < rule->count; i++) {
            struct value out =
                value_make(TYPE_TENSOR, text_format("out[%d]", rank(rule->params, rule->order[i])));
            struct value one = value_make(TYPE_TENSOR, text_format("t[%d]", v.slot + i));
            one.slot = v.slot + i;
            assign(&c, &out, &one);
        }
    } else if (v.known) {
        struct value out = value_make(TYPE_TENSOR, "out[0]");
        bool list = op->param[rule->order[0]].type == TYPE_TENSORS;
        bool fits = list ? v.type == TYPE_TENSORS : type_is_tensor(v.type);
        if (!fits && v.type != TYPE_NONE)
            complain(rule->place, "found a %s, expected a %s: the gradient of '%s'", value_word(&v),
                     list ? "Tensor[]" : "Tensor", op->param[rule->order[0]].name);
        if (list && v.slot < 0)
            complain(rule->place, "the gradient of a list is the result of an operator");
        assign(&c, &out, &v);
    }
    const char *early = "", *test = "";
    for (int i = 0; i < rule->count; i++)
        early = text_format("%s    out[%d] = none();\n", early, i);
    for (int i = 0; i < op->results; i++)
        if (c.grads >> i & 1)
            test = text_format("%s%s!c->g[%d]", test, *test ? " && " : "", i);
    if (*test)
        early = text_format("%s    if (%s)\n        return 0;\n", early, test);
    else
        early = text_format("%s    (void)c;\n", early);
    rule->grads = c.grads;
    rule->function = text_format("grad_%s_%d", op->id, number);
    emit_function(
        o, &c,
        text_format("static int %s(const struct grad_context *c, fl_value *out)", rule->function),
        early, rule->place);
}
