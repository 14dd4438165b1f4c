/* Expressions over operators, as C: composed operators and the differentiable form of gradients.
 *
 * A call becomes op_call on a descriptor; its result stands in a slot of the array t until the
 * function ends, where all slots are released, whichever way it ends. The overload is chosen by the
 * arguments' types: the candidate whose conversions cost least, the first of equals. Numbers stay C
 * numbers, or fl_values where their type is Scalar; only what an operator needs as a tensor is made
 * one.
 */
#include "opgen.h"

#include <string.h>

enum { MAX_SLOTS = 200, MAX_DEPTH = 500, IMPOSSIBLE = 10000 };

struct value {
    enum type type;   /* TYPE_NONE: None */
    bool optional;    /* may be None when it runs */
    const char *text; /* C: an int64_t, double, bool, int (dtype), const char *; else an fl_value */
    bool as_value;    /* text is an fl_value */
    int slot;         /* of t, when nobody else holds it: it may be moved out; else -1 */
    bool known;       /* not a failure */
};

struct local {
    const char *name;
    struct value value;
    uint32_t param; /* the bit of a parameter, 0 for others */
    int result;     /* a result of the forward call, or -1 */
    struct local *next;
};

struct composer {
    const struct table *table;
    const struct op *op;
    struct rule *rule; /* NULL for a compose expression */
    struct local *locals;
    struct out body, tops; /* tops: declarations at the function's top */
    int slots, lists, depth, indent;
    uint32_t grads; /* incoming gradients that are used */
};

static struct value lower(struct composer *c, const struct node *n);

static const struct value FAILED = {.slot = -1};

static struct value make(enum type type, const char *text)
{
    bool as_value = type <= TYPE_TENSORS || type == TYPE_INTS || type == TYPE_FLOATS ||
                    type == TYPE_SCALAR || type == TYPE_GENERATOR || type == TYPE_DEVICE ||
                    type == TYPE_NONE;
    return (struct value){
        .type = type, .text = text, .as_value = as_value, .slot = -1, .known = true};
}

static void line(struct composer *c, const char *text)
{
    emit(&c->body, "%*s%s\n", 4 * c->indent, "", text);
}

static const char *type_word(const struct value *v)
{
    static const char *const WORDS[] = {"Tensor",        "Tensor|Scalar", "Tensor[]",  "int",
                                        "int[]",         "float",         "float[]",   "bool",
                                        "Scalar",        "dtype",         "device",    "layout",
                                        "memory_format", "str",           "Generator", "None"};
    return WORDS[v->type];
}

/* ---- C numbers and fl_values ---- */

static const char *as_value(const struct value *v)
{
    if (v->as_value)
        return v->text;
    switch (v->type) {
    case TYPE_INT:
    case TYPE_LAYOUT:
    case TYPE_MEMORY_FORMAT:
        return text_format("int_value(%s)", v->text);
    case TYPE_FLOAT:
        return text_format("float_value(%s)", v->text);
    case TYPE_BOOL:
        return text_format("bool_value(%s)", v->text);
    case TYPE_DTYPE:
        return text_format("dtype_value(%s)", v->text);
    case TYPE_STRING:
        return text_format("string_value(%s)", v->text);
    default:
        return v->text;
    }
}

static const char *as_c(const struct value *v)
{
    if (!v->as_value)
        return v->text;
    const char *function = v->type == TYPE_INT                                       ? "int_of"
                           : v->type == TYPE_BOOL                                    ? "bool_of"
                           : v->type == TYPE_DTYPE                                   ? "dtype_of"
                           : v->type == TYPE_STRING                                  ? "string_of"
                           : v->type == TYPE_LAYOUT || v->type == TYPE_MEMORY_FORMAT ? "enum_of"
                                                                                     : "float_of";
    return text_format("%s(%s)", function, v->text);
}

static bool is_c_number(const struct value *v)
{
    return v->type == TYPE_INT || v->type == TYPE_FLOAT || v->type == TYPE_BOOL;
}

static struct value new_slot(struct composer *c, struct place place, int count, enum type type)
{
    if (c->slots + count > MAX_SLOTS) {
        complain(place, "an expression with more than %d operators", MAX_SLOTS);
        return FAILED;
    }
    struct value v = make(type, text_format("t[%d]", c->slots));
    v.slot = c->slots;
    c->slots += count;
    return v;
}

static const char *as_float_value(const struct value *v)
{
    return v->type == TYPE_FLOAT || v->type == TYPE_NONE ? as_value(v)
                                                         : text_format("float_value(%s)", as_c(v));
}

/* ---- overloads ---- */

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
        return is_c_number(v) ? 1 : IMPOSSIBLE;
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

struct call {
    int count;
    struct value value[MAX_PARAMS];
    const char *keyword[MAX_PARAMS];
};

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
                        call->keyword[i] ? "=" : "", type_word(&call->value[i]));
    return text;
}

/* Emits the call; the value is the first of `results` slots. */
static struct value emit_call(struct composer *c, struct place place, const char *base,
                              const struct call *call)
{
    int to[MAX_PARAMS];
    for (int i = 0; i < call->count; i++)
        if (!call->value[i].known)
            return FAILED;
    if (!table_find(c->table, base)) {
        complain(place, "there is no operator '%s' in the table", base);
        return FAILED;
    }
    const struct op *op = choose(c, base, call, to);
    if (!op) {
        complain(place, "no overload of %s takes (%s)", base, types_text(call));
        for (op = table_find(c->table, base); op; op = op->next_overload)
            complain(op->place, "    a candidate: %s", signature_text(op, false));
        return FAILED;
    }
    const char *args[MAX_PARAMS] = {0}, *list = "";
    for (int i = 0; i < call->count; i++) {
        const struct value *v = &call->value[i];
        const struct param *p = &op->param[to[i]];
        if (v->type == TYPE_NONE)
            continue;
        args[to[i]] = p->type == TYPE_FLOAT ? as_float_value(v) : as_value(v);
        if (p->type == TYPE_TENSOR && v->type != TYPE_TENSOR && v->type != TYPE_NONE) {
            struct value t = new_slot(c, place, 1, TYPE_TENSOR);
            if (!t.known)
                return FAILED;
            line(c, text_format("if (as_tensor(%s, &%s) != 0)", as_value(v), t.text));
            line(c, "    goto done;");
            args[to[i]] = t.text;
        }
    }
    for (int p = 0; p < op->params; p++)
        list = text_format("%s%s%s", list, p ? ", " : "",
                           args[p]              ? args[p]
                           : op->param[p].value ? text_format("op_%s.param[%d].value", op->id, p)
                                                : "none()");
    struct value y = new_slot(c, place, op->results ? op->results : 1,
                              op->results ? op->result[0].type : TYPE_NONE);
    if (!y.known)
        return FAILED;
    const char *pointer = "NULL";
    if (op->params) {
        line(c, "{");
        line(c, text_format("    const fl_value a[] = {%s};", list));
        pointer = "a";
    }
    line(c, text_format("%sif (op_call(&op_%s, %s, &%s) != 0)", op->params ? "    " : "", op->id,
                        pointer, y.text));
    line(c, op->params ? "        goto done;" : "    goto done;");
    if (op->params)
        line(c, "}");
    y.as_value = true;
    return y;
}

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
        return make(TYPE_NONE, "none()");
    if (strcmp(n->text, "True") == 0 || strcmp(n->text, "False") == 0)
        return make(TYPE_BOOL, n->text[0] == 'T' ? "true" : "false");
    if (strcmp(n->text, "inf") == 0 || strcmp(n->text, "nan") == 0)
        return make(TYPE_FLOAT, n->text[0] == 'i' ? "(double)INFINITY" : "(double)NAN");
    if (strcmp(n->text, "pi") == 0)
        return make(TYPE_FLOAT, "3.14159265358979323846");
    if (dtype_constant(n->text))
        return make(TYPE_DTYPE, text_format("(int)%s", dtype_constant(n->text)));
    complain(n->place, "'%s' is not known here", n->text);
    return FAILED;
}

/* A tensor of which only shape or dtype is asked. */
static struct value lower_shape_of(struct composer *c, const struct node *n)
{
    uint32_t saves = c->rule ? c->rule->saves : 0, results = c->rule ? c->rule->saves_results : 0;
    struct value v = lower(c, n);
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
    struct value v = lower_shape_of(c, n->child);
    if (!v.known)
        return FAILED;
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++)
        if (strcmp(MEMBERS[i].name, n->text) == 0) {
            if (!type_is_tensor(v.type))
                break;
            return make(MEMBERS[i].type, text_format("%s(%s)", MEMBERS[i].function, v.text));
        }
    if (strcmp(n->text, "count") == 0 &&
        (v.type == TYPE_INTS || v.type == TYPE_TENSORS || v.type == TYPE_FLOATS))
        return make(TYPE_INT, text_format("(int64_t)%s.count", v.text));
    complain(
        n->place,
        "found '.%s' on a %s, expected sizes strides ndim numel offset dtype of a tensor, or count "
        "of a list",
        n->text, type_word(&v));
    return FAILED;
}

/* ---- calls and lists ---- */

/* Functions of numbers alone are C's. */
static bool is_number_function(const struct node *n, const struct call *call)
{
    static const char *const NAMES[] = {"log", "exp", "sqrt", "log2", "log10"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(NAMES[i], n->text) == 0)
            return call->count == 1 && call->value[0].known && type_is_number(call->value[0].type);
    return false;
}

static struct value lower_call(struct composer *c, const struct node *n)
{
    struct call call = {0};
    if (strcmp(n->text, "size") == 0 && n->child && n->child->next && !n->child->next->next) {
        struct value t = lower_shape_of(c, n->child), dim = lower(c, n->child->next);
        if (!t.known || !dim.known)
            return FAILED;
        if (type_is_tensor(t.type) && dim.type == TYPE_INT)
            return make(TYPE_INT, text_format("size_in(%s, %s)", t.text, as_c(&dim)));
        complain(n->place, "found size(%s, %s), expected size(Tensor, int)", type_word(&t),
                 type_word(&dim));
        return FAILED;
    }
    for (const struct node *a = n->child; a; a = a->next) {
        if (call.count == MAX_PARAMS) {
            complain(a->place, "more than %d arguments", MAX_PARAMS);
            return FAILED;
        }
        call.keyword[call.count] = a->keyword;
        call.value[call.count++] = lower(c, a);
    }
    if (is_number_function(n, &call)) {
        const struct value *v = &call.value[0];
        return make(TYPE_FLOAT, text_format(v->as_value ? "%s(float_of(%s))" : "%s((double)%s)",
                                            n->text, v->text));
    }
    return emit_call(c, n->place, n->text, &call);
}

static struct value lower_list(struct composer *c, const struct node *n)
{
    enum type type = TYPE_INTS;
    const char *texts[64], *name = text_format("list%d", c->lists);
    int count = 0;
    for (const struct node *a = n->child; a; a = a->next, count++) {
        struct value v = lower(c, a);
        if (!v.known)
            return FAILED;
        enum type own = type_is_tensor(v.type) ? TYPE_TENSORS
                        : v.type == TYPE_INT   ? TYPE_INTS
                                               : TYPE_FLOATS;
        if (count == 64 || (own == TYPE_FLOATS && v.type != TYPE_FLOAT) ||
            (count && (own == TYPE_TENSORS) != (type == TYPE_TENSORS))) {
            complain(a->place, "a list has up to 64 ints, floats or Tensors");
            return FAILED;
        }
        if (!count || own == TYPE_FLOATS)
            type = own;
        texts[count] = own == TYPE_TENSORS ? text_format("tensor_of(%s)", v.text) : as_c(&v);
    }
    c->lists++;
    emit(&c->tops, "    %s %s[%d];\n",
         type == TYPE_INTS     ? "int64_t"
         : type == TYPE_FLOATS ? "double"
                               : "fl_tensor *",
         name, count ? count : 1);
    if (!count)
        line(c, text_format("%s[0] = 0;", name));
    for (int i = 0; i < count; i++)
        line(c, text_format("%s[%d] = %s;", name, i, texts[i]));
    return make(type, text_format("%s_value(%s, %d)",
                                  type == TYPE_INTS     ? "ints"
                                  : type == TYPE_FLOATS ? "floats"
                                                        : "tensors",
                                  name, count));
}

/* ---- arithmetic ---- */

static struct value call2(struct composer *c, struct place place, const char *name, struct value a,
                          struct value b)
{
    struct call call = {.count = 2, .value = {a, b}};
    return emit_call(c, place, name, &call);
}

static struct value call1(struct composer *c, struct place place, const char *name, struct value a)
{
    struct call call = {.count = 1, .value = {a}};
    return emit_call(c, place, name, &call);
}

/* Arithmetic with a tensor in it. A number on the left changes sides where the operator allows it.
 */
static struct value tensor_binary(struct composer *c, const struct node *n, struct value a,
                                  struct value b)
{
    static const struct {
        const char *sign, *name, *swapped;
    } OPERATORS[] = {{"+", "add", "add"},
                     {"-", "sub", "rsub"},
                     {"*", "mul", "mul"},
                     {"/", "div", NULL},
                     {"%", "remainder", NULL},
                     {"==", "eq", "eq"},
                     {"!=", "ne", "ne"},
                     {"<", "lt", "gt"},
                     {"<=", "le", "ge"},
                     {">", "gt", "lt"},
                     {">=", "ge", "le"},
                     {"&&", "logical_and", "logical_and"},
                     {"||", "logical_or", "logical_or"},
                     {"&", "bitwise_and", "bitwise_and"},
                     {"|", "bitwise_or", "bitwise_or"},
                     {"^", "bitwise_xor", "bitwise_xor"},
                     {"<<", "bitwise_left_shift", NULL},
                     {">>", "bitwise_right_shift", NULL}};
    size_t k = 0;
    while (strcmp(OPERATORS[k].sign, n->text) != 0)
        k++;
    if (!type_is_number(a.type))
        return call2(c, n->place, OPERATORS[k].name, a, b);
    if (OPERATORS[k].swapped)
        return call2(c, n->place, OPERATORS[k].swapped, b, a);
    if (n->text[0] == '/') {
        struct value inverse = call1(c, n->place, "reciprocal", b);
        if (!inverse.known || strcmp(as_value(&a), "int_value(1)") == 0)
            return inverse;
        return call2(c, n->place, "mul", inverse, a);
    }
    return call2(c, n->place, OPERATORS[k].name, a, b);
}

static struct value compare_none(struct composer *c, const struct node *n,
                                 const struct node *tested)
{
    struct value v = lower_shape_of(c, tested);
    if (!v.known)
        return FAILED;
    const char *sign = strcmp(n->text, "==") == 0 ? "==" : "!=";
    if (v.type == TYPE_DTYPE && !v.as_value)
        return make(TYPE_BOOL, text_format("(%s %s FL_NO_DTYPE)", v.text, sign));
    return make(TYPE_BOOL, text_format("(%s.tag %s FL_NONE)", as_value(&v), sign));
}

static bool is_comparison(const char *sign)
{
    return strchr("=!<>", sign[0]) && strcmp(sign, "<<") != 0 && strcmp(sign, ">>") != 0;
}

static struct value lower_binary(struct composer *c, const struct node *n)
{
    const struct node *left = n->child, *right = n->child->next;
    bool equality = strcmp(n->text, "==") == 0 || strcmp(n->text, "!=") == 0;
    if (equality && (node_is_name(left, "None") || node_is_name(right, "None")))
        return compare_none(c, n, node_is_name(left, "None") ? right : left);
    struct value a = lower(c, left), b = a.known ? lower(c, right) : FAILED;
    if (!a.known || !b.known)
        return FAILED;
    const char *sign = n->text;
    if (equality && a.type == TYPE_STRING && b.type == TYPE_STRING)
        return make(TYPE_BOOL, text_format("%ssame_string(%s, %s)", *sign == '!' ? "!" : "",
                                           as_c(&a), as_c(&b)));
    if (equality && a.type == TYPE_DTYPE && b.type == TYPE_DTYPE)
        return make(TYPE_BOOL, text_format("((int)%s %s (int)%s)", as_c(&a), sign, as_c(&b)));
    if (type_is_tensor(a.type) || type_is_tensor(b.type))
        return tensor_binary(c, n, a, b);
    if (!type_is_number(a.type) || !type_is_number(b.type)) {
        complain(n->place, "'%s' has no meaning for %s and %s", sign, type_word(&a), type_word(&b));
        return FAILED;
    }
    bool logic = strcmp(sign, "&&") == 0 || strcmp(sign, "||") == 0;
    if (logic || is_comparison(sign)) {
        const char *x = a.type == TYPE_SCALAR ? text_format("float_of(%s)", a.text) : as_c(&a);
        const char *y = b.type == TYPE_SCALAR ? text_format("float_of(%s)", b.text) : as_c(&b);
        return make(TYPE_BOOL, text_format("(%s %s %s)", x, sign, y));
    }
    if (a.type == TYPE_SCALAR || b.type == TYPE_SCALAR) {
        if (strchr("+-*/", *sign))
            return make(TYPE_SCALAR, text_format("number_arithmetic('%c', %s, %s)", *sign,
                                                 as_value(&a), as_value(&b)));
    } else if (a.type == TYPE_FLOAT || b.type == TYPE_FLOAT) {
        if (strchr("+-*/", *sign))
            return make(TYPE_FLOAT,
                        text_format("((double)%s %s (double)%s)", as_c(&a), sign, as_c(&b)));
    } else if (*sign == '/' || *sign == '%') {
        return make(TYPE_INT, text_format("%s(%s, %s)", *sign == '/' ? "divide" : "modulo",
                                          as_c(&a), as_c(&b)));
    } else {
        return make(TYPE_INT,
                    text_format("((int64_t)%s %s (int64_t)%s)", as_c(&a), sign, as_c(&b)));
    }
    complain(n->place, "'%s' has no meaning for %s and %s", sign, type_word(&a), type_word(&b));
    return FAILED;
}

static struct value lower_unary(struct composer *c, const struct node *n)
{
    struct value v = lower(c, n->child);
    if (!v.known)
        return FAILED;
    if (type_is_tensor(v.type))
        return call1(c, n->place,
                     *n->text == '-'   ? "neg"
                     : *n->text == '!' ? "logical_not"
                                       : "bitwise_not",
                     v);
    if (*n->text == '!' && (type_is_number(v.type)))
        return make(TYPE_BOOL, text_format("(!%s)", as_c(&v)));
    if (*n->text == '-' && v.type == TYPE_SCALAR)
        return make(TYPE_SCALAR, text_format("number_arithmetic('*', %s, int_value(-1))", v.text));
    if (*n->text == '-' && is_c_number(&v))
        return make(v.type == TYPE_FLOAT ? TYPE_FLOAT : TYPE_INT, text_format("(-%s)", as_c(&v)));
    if (*n->text == '~' && v.type == TYPE_INT)
        return make(TYPE_INT, text_format("(~%s)", as_c(&v)));
    complain(n->place, "'%s' has no meaning for %s", n->text, type_word(&v));
    return FAILED;
}

/* ---- conditions ---- */

static void assign(struct composer *c, const struct value *to, const struct value *from)
{
    if (from->slot >= 0)
        line(c, text_format("%s = %s, %s = none();", to->text, from->text, from->text));
    else
        line(c, text_format("%s = hold(%s);", to->text, as_value(from)));
}

static struct value lower_cond(struct composer *c, const struct node *n)
{
    struct value condition = lower(c, n->child);
    if (!condition.known)
        return FAILED;
    if (!is_c_number(&condition) && condition.type != TYPE_SCALAR) {
        complain(
            n->child->place,
            "found a condition that is a %s, expected a bool or a number: where() chooses between "
            "elements",
            type_word(&condition));
        return FAILED;
    }
    const char *test = condition.type == TYPE_SCALAR
                           ? text_format("float_of(%s) != 0", condition.text)
                           : as_c(&condition);
    /* Both branches are emitted apart first: what they do decides how they are put together. */
    struct out whole = c->body;
    struct value v[2];
    struct out parts[2];
    for (int i = 0; i < 2; i++) {
        c->body = (struct out){0};
        c->indent++;
        v[i] = lower(c, i ? n->child->next->next : n->child->next);
        c->indent--;
        parts[i] = c->body;
    }
    struct value result = FAILED;
    bool plain = v[0].known && v[1].known && !parts[0].size && !parts[1].size;
    c->body = whole;
    if (plain && is_c_number(&v[0]) && is_c_number(&v[1])) {
        enum type type = v[0].type == TYPE_FLOAT || v[1].type == TYPE_FLOAT ? TYPE_FLOAT
                         : v[0].type == v[1].type                           ? v[0].type
                                                                            : TYPE_INT;
        result = make(type, text_format("(%s ? %s : %s)", test, as_c(&v[0]), as_c(&v[1])));
    } else if (plain && v[0].type == v[1].type && !v[0].as_value && !v[1].as_value) {
        result = make(v[0].type, text_format("(%s ? %s : %s)", test, v[0].text, v[1].text));
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
            complain(n->place, "a condition cannot choose between lists that are computed");
        } else if (type == TYPE_SCALAR &&
                   !(type_is_number(v[0].type) && type_is_number(v[1].type)) && !none) {
            complain(n->place, "a condition chooses between %s and %s", type_word(&v[0]),
                     type_word(&v[1]));
        } else if (lists) {
            result =
                make(type, text_format("(%s ? %s : %s)", test, as_value(&v[0]), as_value(&v[1])));
            result.optional = none;
        } else {
            result = new_slot(c, n->place, 1, type);
            if (result.known) {
                line(c, text_format("if (%s) {", test));
                emit_text(&c->body, parts[0].text ? parts[0].text : "");
                c->indent++, assign(c, &result, &v[0]), c->indent--;
                line(c, "} else {");
                emit_text(&c->body, parts[1].text ? parts[1].text : "");
                c->indent++, assign(c, &result, &v[1]), c->indent--;
                line(c, "}");
                result.as_value = true;
                result.optional = none || v[0].optional || v[1].optional;
            }
        }
    }
    text_release(&parts[0]);
    text_release(&parts[1]);
    return result;
}

static struct value lower_let(struct composer *c, const struct node *n)
{
    struct value v = lower(c, n->child);
    if (!v.known)
        return FAILED;
    v.slot = -1; /* it may be used again */
    struct local *l = arena_alloc(sizeof *l), *outer = c->locals;
    *l = (struct local){.name = n->text, .value = v, .result = -1, .next = outer};
    c->locals = l;
    v = lower(c, n->child->next);
    c->locals = outer;
    return v;
}

static struct value lower(struct composer *c, const struct node *n)
{
    struct value v = FAILED;
    if (++c->depth > MAX_DEPTH) {
        if (c->depth == MAX_DEPTH + 1)
            complain(n->place, "an expression nested too deep");
        c->depth--;
        return v;
    }
    switch (n->kind) {
    case NODE_NUMBER:
        v = n->is_float ? make(TYPE_FLOAT, n->text) : make(TYPE_INT, n->text);
        break;
    case NODE_STRING:
        v = make(TYPE_STRING, text_format("\"%s\"", text_quote(n->text)));
        break;
    case NODE_NAME:
        v = lower_name(c, n);
        break;
    case NODE_LIST:
        v = lower_list(c, n);
        break;
    case NODE_UNARY:
        v = lower_unary(c, n);
        break;
    case NODE_BINARY:
        v = lower_binary(c, n);
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
    case NODE_LET:
        v = lower_let(c, n);
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
        struct value v = make(p->type, text_format("%s[%d]", args, i));
        v.as_value = true;
        v.optional = p->optional;
        add_local(c, p->name, v, 1u << i, -1);
    }
}

static void emit_function(struct out *o, struct composer *c, const char *head, const char *early,
                          struct place place)
{
    emit(o, "#line %d \"%s\"\n%s\n{\n", place.line, text_quote(place.file), head);
    emit_text(o, c->tops.text ? c->tops.text : "");
    if (c->slots)
        emit(o, "    fl_value t[%d] = {{0}};\n", c->slots);
    emit_text(o, early);
    if (c->slots)
        emit_text(o, "    int status = -1;\n");
    emit_text(o, c->body.text ? c->body.text : "");
    if (c->slots)
        emit(o, "    status = 0;\ndone:\n    release_all(%d, t);\n    return status;\n}\n",
             c->slots);
    else
        emit_text(o, "    return 0;\n}\n");
    emit(o, "#line %d \"%s\"\n", o->line + 1, o->name);
    text_release(&c->body);
    text_release(&c->tops);
}

/* Hands y[0] over to the scope. */
static void line_adopt(struct composer *c, const char *result)
{
    line(c, text_format("if (adopt(&%s) != 0)", result));
    line(c, "    goto done;");
}

/* An expression for several results is a call that gives them. */
static void return_several(struct composer *c, const struct node *body, const struct value *v)
{
    const struct op *op = c->op;
    if (body->kind != NODE_CALL || v->slot < 0 || v->slot + op->results != c->slots)
        complain(body->place, "an expression for %d results calls one operator with as many",
                 op->results);
    for (int i = 0; i < op->results; i++) {
        line(c, text_format("y[%d] = t[%d], t[%d] = none();", i, v->slot + i, v->slot + i));
        line_adopt(c, text_format("y[%d]", i));
    }
}

static void return_one(struct composer *c, const struct node *body, const struct value *v)
{
    struct value y = make(c->op->result[0].type, "y[0]");
    bool operand = y.type == TYPE_TENSOR && v->type == TYPE_OPERAND;
    bool held = strncmp(v->text, "t[", 2) == 0; /* by this function */
    if (v->type != y.type && !operand && !(type_is_number(y.type) && type_is_number(v->type)))
        complain(body->place, "found a %s, but the result of %s is a %s", type_word(v), c->op->name,
                 type_word(&y));
    if (operand) {
        line(c, text_format("if (as_tensor(%s, &y[0]) != 0)", v->text));
        line(c, "    goto done;");
        c->slots += c->slots == 0;
    } else if (y.type == TYPE_FLOAT) {
        line(c, text_format("y[0] = %s;", as_float_value(v)));
    } else if (v->slot >= 0) {
        line(c, text_format("y[0] = %s, %s = none();", v->text, v->text));
    } else {
        line(c, text_format(held ? "y[0] = hold(%s);" : "y[0] = %s;", as_value(v)));
    }
    if (held || operand)
        line_adopt(c, "y[0]");
}

void compose_emit_function(struct out *o, const struct table *t, struct op *op)
{
    struct composer c = {.table = t, .op = op, .indent = 1};
    add_params(&c, "args");
    struct value v = lower(&c, op->compose);
    if (v.known && op->results > 1)
        return_several(&c, op->compose, &v);
    else if (v.known)
        return_one(&c, op->compose, &v);
    const char *head =
        text_format("static int call_compose_%s(const fl_value *args, fl_value *y)", op->id);
    emit_function(o, &c, head, op->params ? "" : "    (void)args;\n", op->compose->place);
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
        struct value y = make(TYPE_TENSOR, text_format("tensor_value(c->y[%d])", i));
        struct value g = make(TYPE_TENSOR, text_format("tensor_value(c->g[%d])", i));
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
    add_local(&c, "needs", make(TYPE_INT, "(int64_t)c->needs"), 0, -1);
    struct value v = lower(&c, rule->body);
    rule->saves_shape &= ~rule->saves;
    if (v.known && rule->count > 1) {
        bool slots = v.slot >= 0 && rule->body->kind == NODE_CALL;
        if (!slots || v.slot + rule->count != c.slots)
            complain(rule->place,
                     "a rule for %d parameters calls one operator with as many results",
                     rule->count);
        for (int i = 0; i < rule->count; i++) {
            struct value out =
                make(TYPE_TENSOR, text_format("out[%d]", rank(rule->params, rule->order[i])));
            struct value one = make(TYPE_TENSOR, text_format("t[%d]", v.slot + i));
            one.slot = v.slot + i;
            assign(&c, &out, &one);
        }
    } else if (v.known) {
        struct value out = make(TYPE_TENSOR, "out[0]");
        bool list = op->param[rule->order[0]].type == TYPE_TENSORS;
        bool fits = list ? v.type == TYPE_TENSORS : type_is_tensor(v.type);
        if (!fits && v.type != TYPE_NONE)
            complain(rule->place, "found a %s, expected a %s: the gradient of '%s'", type_word(&v),
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
    rule->function = text_format("grad_%s_%d", op->id, number);
    emit_function(
        o, &c,
        text_format("static int %s(const struct grad_context *c, fl_value *out)", rule->function),
        early, rule->place);
}
