/* Paragraphs to struct op.
 *
 * A file is cut into lines, lines into paragraphs (a line at the left margin begins one) and keys
 * (the first indented line settles how far keys are indented; what is indented deeper continues the
 * key above). A key's text goes to the function of its name in KEYS. A signature goes on over lines
 * while a parenthesis is open.
 */
#include "opgen.h"

#include <stdio.h>
#include <string.h>

/* A stretch of the file: one key's text, or a signature. */
struct stretch {
    const char *file, *text;
    size_t at, end, line_start;
    int line;
};

static void start(struct lexer *l, const struct stretch *s)
{
    lexer_start(l, s->file, s->text, s->at, s->end, s->line, s->line_start);
}

static void expect_end(struct lexer *l, const char *what)
{
    if (l->token.kind != TOKEN_END)
        complain(l->token.place, "found %s after %s", token_text(&l->token), what);
}

bool type_is_number(enum type type)
{
    return type == TYPE_SCALAR || type == TYPE_INT || type == TYPE_FLOAT || type == TYPE_BOOL;
}

bool type_is_tensor(enum type type)
{
    return type == TYPE_TENSOR || type == TYPE_OPERAND;
}

int op_param(const struct op *op, const char *name)
{
    for (int i = 0; i < op->params; i++)
        if (strcmp(op->param[i].name, name) == 0)
            return i;
    return -1;
}

struct op *table_find(const struct table *t, const char *base)
{
    for (struct op *op = t->first; op; op = op->next)
        if (strcmp(op->base, base) == 0)
            return op;
    return NULL;
}

/* ---- signatures ---- */

static const struct {
    const char *name;
    enum type type, list; /* list TYPE_NONE: there are no lists of it */
} TYPES[] = {
    {"Tensor", TYPE_TENSOR, TYPE_TENSORS},    {"int", TYPE_INT, TYPE_INTS},
    {"float", TYPE_FLOAT, TYPE_FLOATS},       {"bool", TYPE_BOOL, TYPE_NONE},
    {"Scalar", TYPE_SCALAR, TYPE_NONE},       {"dtype", TYPE_DTYPE, TYPE_NONE},
    {"device", TYPE_DEVICE, TYPE_NONE},       {"layout", TYPE_LAYOUT, TYPE_NONE},
    {"str", TYPE_STRING, TYPE_NONE},          {"memory_format", TYPE_MEMORY_FORMAT, TYPE_NONE},
    {"Generator", TYPE_GENERATOR, TYPE_NONE},
};

static const char *const KEYWORDS[] = {
    "and",      "auto",     "bool",     "break",     "case",     "catch",     "char",     "class",
    "const",    "continue", "default",  "delete",    "do",       "double",    "else",     "enum",
    "explicit", "export",   "extern",   "false",     "float",    "for",       "friend",   "goto",
    "if",       "inline",   "int",      "long",      "mutable",  "namespace", "new",      "not",
    "operator", "or",       "private",  "protected", "public",   "register",  "restrict", "return",
    "short",    "signed",   "sizeof",   "static",    "struct",   "switch",    "template", "this",
    "throw",    "true",     "try",      "typedef",   "typename", "union",     "unsigned", "using",
    "virtual",  "void",     "volatile", "while",     "xor",      "y",         "args",     "results",
    "op",
};

static const char *c_name(const char *name)
{
    for (size_t i = 0; i < sizeof KEYWORDS / sizeof *KEYWORDS; i++)
        if (strcmp(KEYWORDS[i], name) == 0)
            return text_format("%s_", name);
    /* y0, y1... name results */
    return name[0] == 'y' && name[1] >= '0' && name[1] <= '9' ? text_format("%s_", name) : name;
}

static bool parse_type(struct lexer *l, struct param *p)
{
    size_t k = 0, count = sizeof TYPES / sizeof *TYPES;
    while (k < count && !lexer_is(l, TYPES[k].name))
        k++;
    if (k == count) {
        complain(l->token.place,
                 "found %s, expected a type (Tensor, int, float, bool, Scalar, dtype, str, ...)",
                 token_text(&l->token));
        return false;
    }
    lexer_next(l);
    p->type = TYPES[k].type;
    if (lexer_accept(l, "|")) {
        if (p->type != TYPE_TENSOR || !lexer_expect(l, "Scalar", "after 'Tensor|'"))
            return false;
        p->type = TYPE_OPERAND;
    }
    if (lexer_accept(l, "!"))
        p->written = true;
    if (lexer_accept(l, "?"))
        p->optional = true;
    if (!lexer_is(l, "["))
        return true;
    if (TYPES[k].list == TYPE_NONE || p->type == TYPE_OPERAND) {
        complain(l->token.place, "there are no lists of %s", TYPES[k].name);
        return false;
    }
    lexer_next(l);
    p->type = TYPES[k].list;
    p->elements_optional = p->optional;
    p->optional = false;
    if (l->token.kind == TOKEN_NUMBER) {
        if (sscanf(l->token.text, "%d", &p->list_size) != 1 || p->list_size < 1 ||
            p->list_size > 64) {
            complain(l->token.place, "a list of %s, expected a length from 1 to 64", l->token.text);
            p->list_size = 0;
        }
        lexer_next(l);
    }
    if (!lexer_expect(l, "]", "after a list's length"))
        return false;
    p->optional = lexer_accept(l, "?");
    return true;
}

static bool parse_param(struct lexer *l, struct op *op)
{
    if (op->params == MAX_PARAMS) {
        complain(l->token.place, "more than %d parameters", MAX_PARAMS);
        return false;
    }
    struct param *p = &op->param[op->params];
    if (op->params)
        p->keyword_only = p[-1].keyword_only;
    if (!parse_type(l, p))
        return false;
    p->place = l->token.place;
    if (l->token.kind != TOKEN_NAME) {
        complain(l->token.place, "found %s, expected the parameter's name", token_text(&l->token));
        return false;
    }
    p->name = l->token.text;
    p->cname = c_name(p->name);
    if (op_param(op, p->name) >= 0)
        complain(p->place, "the parameter '%s' is there twice", p->name);
    lexer_next(l);
    if (lexer_accept(l, "=")) {
        p->value = expr_parse_value(l);
        if (!p->value)
            return false;
    }
    if (p->written && (op->params > 0 || p->type != TYPE_TENSOR))
        complain(p->place, "'!' belongs to a first parameter of type Tensor");
    op->writes |= p->written;
    op->params++;
    return true;
}

static bool parse_params(struct lexer *l, struct op *op)
{
    bool keywords = false;
    while (!lexer_is(l, ")")) {
        if (lexer_accept(l, "*")) {
            keywords = true;
        } else {
            if (!parse_param(l, op))
                return false;
            op->param[op->params - 1].keyword_only = keywords;
        }
        if (!lexer_accept(l, ","))
            break;
    }
    return lexer_expect(l, ")", "after the parameters");
}

static bool parse_result(struct lexer *l, struct op *op)
{
    struct place place = l->token.place;
    struct param p = {0};
    struct result *r = &op->result[op->results];
    if (op->results == MAX_RESULTS) {
        complain(place, "more than %d results", MAX_RESULTS);
        return false;
    }
    if (op->params && lexer_accept(l, op->param[0].name)) {
        if (!op->writes)
            complain(place, "the result can be '%s' only when it is written (Tensor! %s)",
                     op->param[0].name, op->param[0].name);
        r->type = TYPE_TENSOR;
        op->results++;
        return true;
    }
    if (!parse_type(l, &p))
        return false;
    r->type = p.type;
    if (p.optional || p.written || p.elements_optional ||
        !(p.type == TYPE_TENSOR || p.type == TYPE_TENSORS || type_is_number(p.type)))
        complain(place, "a result is a Tensor, Tensor[], bool, int, float or Scalar");
    if (l->token.kind == TOKEN_NAME) {
        r->name = l->token.text;
        lexer_next(l);
    }
    op->results++;
    return true;
}

static bool parse_results(struct lexer *l, struct op *op)
{
    if (!lexer_expect(l, "->", "and the result"))
        return false;
    if (!lexer_accept(l, "("))
        return parse_result(l, op);
    while (!lexer_is(l, ")")) {
        if (!parse_result(l, op))
            return false;
        if (!lexer_accept(l, ","))
            break;
    }
    return lexer_expect(l, ")", "after the results");
}

static bool parse_signature(struct op *op, const struct stretch *s)
{
    struct lexer l;
    start(&l, s);
    op->place = l.token.place;
    if (l.token.kind != TOKEN_NAME) {
        complain(op->place, "found %s, expected an operator's name", token_text(&l.token));
        return false;
    }
    op->base = l.token.text;
    op->overload = "";
    lexer_next(&l);
    if (lexer_accept(&l, ".")) {
        if (l.token.kind != TOKEN_NAME) {
            complain(l.token.place, "found %s, expected the overload's name", token_text(&l.token));
            return false;
        }
        op->overload = l.token.text;
        lexer_next(&l);
    }
    op->name = *op->overload ? text_format("%s.%s", op->base, op->overload) : op->base;
    op->id = text_replace(op->name, '.', '_');
    if (!lexer_expect(&l, "(", "after the operator's name") || !parse_params(&l, op) ||
        !parse_results(&l, op))
        return false;
    expect_end(&l, "the signature");
    if (op->writes && (op->results != 1 || op->result[0].type != TYPE_TENSOR))
        complain(op->place, "an operator that writes '%s' has it as its result", op->param[0].name);
    return true;
}

/* ---- keys ---- */

static void key_dtypes(struct op *op, const struct stretch *s, int unused)
{
    static const struct {
        const char *name;
        int accepts, rule; /* rule -1: none */
    } WORDS[] = {{"bool", ACCEPT_BOOL, -1},
                 {"int", ACCEPT_INTEGRAL, -1},
                 {"float", ACCEPT_FLOATING, -1},
                 {"any", ACCEPT_ANY, -1},
                 {"numeric", ACCEPT_INTEGRAL | ACCEPT_FLOATING, -1},
                 {"floating", ACCEPT_FLOATING, -1},
                 {"integral", ACCEPT_INTEGRAL, -1},
                 {"intbool", ACCEPT_INTEGRAL | ACCEPT_BOOL, -1},
                 {"promoted", 0, RESULT_PROMOTED},
                 {"tofloat", 0, RESULT_FLOAT},
                 {"tosum", 0, RESULT_SUM},
                 {"own", 0, RESULT_OWN}};
    (void)unused;
    struct lexer l;
    start(&l, s);
    unsigned accepts = 0;
    while (l.token.kind != TOKEN_END) {
        if (lexer_accept(&l, "->")) {
            if (lexer_is(&l, "bool"))
                op->result_dtype = RESULT_BOOL;
            else if (lexer_is(&l, "int64"))
                op->result_dtype = RESULT_INT64;
            else
                complain(l.token.place, "found %s, expected bool or int64 after '->'",
                         token_text(&l.token));
            lexer_next(&l);
            continue;
        }
        size_t k = 0, count = sizeof WORDS / sizeof *WORDS;
        while (k < count && !lexer_is(&l, WORDS[k].name))
            k++;
        if (k == count) {
            complain(l.token.place,
                     "found %s, expected bool int float any numeric floating integral intbool, "
                     "or promoted tofloat tosum '-> bool' '-> int64' own",
                     token_text(&l.token));
            return;
        }
        accepts |= (unsigned)WORDS[k].accepts;
        if (WORDS[k].rule >= 0) {
            op->result_dtype = (enum rule_dtype)WORDS[k].rule;
            op->promotes |= WORDS[k].rule == RESULT_PROMOTED;
        }
        lexer_next(&l);
    }
    op->accepts = accepts ? accepts : ACCEPT_ANY;
}

static void key_forms(struct op *op, const struct stretch *s, int unused)
{
    static const struct {
        const char *name;
        enum form form;
    } FORMS[] = {{"function", FORM_FUNCTION},
                 {"method", FORM_METHOD},
                 {"inplace", FORM_INPLACE},
                 {"out", FORM_OUT},
                 {"nn", FORM_NN},
                 {"special", FORM_SPECIAL},
                 {"linalg", FORM_LINALG},
                 {"internal", FORM_INTERNAL}};
    (void)unused;
    struct lexer l;
    start(&l, s);
    op->forms = 0;
    while (l.token.kind != TOKEN_END) {
        size_t k = 0, count = sizeof FORMS / sizeof *FORMS;
        while (k < count && !lexer_is(&l, FORMS[k].name))
            k++;
        if (k == count) {
            complain(l.token.place,
                     "found %s, expected function method inplace out nn special linalg internal",
                     token_text(&l.token));
            return;
        }
        op->forms |= FORMS[k].form;
        lexer_next(&l);
    }
}

enum slot {
    SLOT_VALUE,
    SLOT_INT,
    SLOT_BOOL,
    SLOT_FLOAT,
    SLOT_START,
    SLOT_STEP,
    SLOT_JOIN,
    SLOT_FINISH
};

static void set_kind(struct op *op, enum kind kind, struct place place)
{
    static const char *const NAMES[] = {"", "pointwise", "reduce", "view", "kernel", "compose"};
    if (op->kind != KIND_NONE && op->kind != kind)
        complain(place, "this key makes %s a %s operator, but one above made it a %s one", op->name,
                 NAMES[kind], NAMES[op->kind]);
    op->kind = kind;
}

static struct node *whole_expression(const struct stretch *s)
{
    struct lexer l;
    start(&l, s);
    struct node *n = expr_parse(&l);
    if (n)
        expect_end(&l, "the expression");
    return n;
}

static void key_expression(struct op *op, const struct stretch *s, int slot)
{
    struct node **slots[] = {&op->value[0], &op->value[1], &op->value[2], &op->value[3],
                             &op->start,    &op->step,     &op->join,     &op->finish};
    struct lexer l;
    start(&l, s);
    if (*slots[slot])
        complain(l.token.place, "this key is there twice");
    set_kind(op, slot <= SLOT_FLOAT ? KIND_POINTWISE : KIND_REDUCE, l.token.place);
    *slots[slot] = whole_expression(s);
}

/* "key NAME": the stem of C functions. */
static const char *one_name(const struct stretch *s, const char *what)
{
    struct lexer l;
    start(&l, s);
    const char *name = l.token.text;
    if (l.token.kind != TOKEN_NAME) {
        complain(l.token.place, "found %s, expected the name of %s", token_text(&l.token), what);
        return NULL;
    }
    lexer_next(&l);
    expect_end(&l, "the name");
    return name;
}

static void key_view(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->view = one_name(s, "a view function");
    set_kind(op, KIND_VIEW, op->place);
}

static void key_kernel(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->kernel = one_name(s, "a kernel");
    set_kind(op, KIND_KERNEL, op->place);
}

static void key_check(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->check = one_name(s, "a check function");
}

static void key_shape(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    start(&l, s);
    if (!lexer_accept(&l, "like")) {
        op->shape = one_name(s, "a shape function");
        return;
    }
    if (l.token.kind == TOKEN_END) { /* a function of that name */
        op->shape = "like";
        return;
    }
    op->shape_like = l.token.kind == TOKEN_NAME ? op_param(op, l.token.text) : -1;
    if (op->shape_like < 0 || op->param[op->shape_like].type != TYPE_TENSOR) {
        complain(l.token.place, "found %s, expected a Tensor parameter after 'like'",
                 token_text(&l.token));
        op->shape_like = -1;
        return;
    }
    lexer_next(&l);
    expect_end(&l, "the parameter");
}

static void key_compose(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    set_kind(op, KIND_COMPOSE, op->place);
    struct node *n = whole_expression(s);
    if (n && n->kind == NODE_NAME && op_param(op, n->text) < 0)
        op->compose_name = n->text;
    else
        op->compose = n;
}

static bool grad_param(struct lexer *l, struct op *op, struct rule *rule)
{
    int p = l->token.kind == TOKEN_NAME ? op_param(op, l->token.text) : -1;
    if (p < 0) {
        complain(l->token.place, "found %s, expected a parameter of %s", token_text(&l->token),
                 op->name);
        return false;
    }
    enum type type = op->param[p].type;
    if (!type_is_tensor(type) && type != TYPE_TENSORS) {
        complain(l->token.place, "the parameter '%s' is not a tensor: it has no gradient",
                 l->token.text);
        return false;
    }
    for (struct rule *r = op->rules; r; r = r->next)
        for (int i = 0; i < r->count; i++)
            if (r->order[i] == p)
                complain(l->token.place, "'%s' has a rule already", l->token.text);
    if (rule->count == MAX_RESULTS) {
        complain(l->token.place, "more than %d parameters in one rule", MAX_RESULTS);
        return false;
    }
    rule->order[rule->count++] = p;
    rule->params |= 1u << p;
    lexer_next(l);
    return true;
}

static void key_grad(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    start(&l, s);
    op->has_grad = true;
    while (l.token.kind != TOKEN_END) {
        struct rule *rule = arena_alloc(sizeof *rule);
        rule->place = l.token.place;
        do {
            if (!grad_param(&l, op, rule))
                return;
        } while (lexer_accept(&l, ","));
        if (!lexer_expect(&l, ":", "between the parameter and its gradient"))
            return;
        rule->place = l.token.place;
        if (!lexer_accept(&l, "none")) {
            rule->body = expr_parse(&l);
            if (!rule->body)
                return;
        }
        struct rule **last = &op->rules;
        while (*last)
            last = &(*last)->next;
        *last = rule;
    }
}

static void key_random(struct op *op, const struct stretch *s, int unused)
{
    (void)unused, (void)s;
    op->random = true;
}

/* Parameters' names, as bits. */
static void key_bits(struct op *op, const struct stretch *s, int promoted)
{
    struct lexer l;
    start(&l, s);
    for (; l.token.kind != TOKEN_END; lexer_next(&l)) {
        int p = l.token.kind == TOKEN_NAME ? op_param(op, l.token.text) : -1;
        bool fits = p >= 0 && op->param[p].type == (promoted ? TYPE_SCALAR : TYPE_TENSOR);
        if (!fits)
            complain(l.token.place, "found %s, expected a %s parameter of %s", token_text(&l.token),
                     promoted ? "Scalar" : "Tensor", op->name);
        else
            *(promoted ? &op->promoted : &op->truths) |= 1u << p;
    }
}

static void key_title(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->title = one_name(s, "the node in the graph");
}

static void key_cname(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->cname = one_name(s, "the C function, without fl_");
}

/* Lines trimmed by the indentation of the second one. */
static void key_doc(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    char *doc = arena_alloc(s->end - s->at + 1), *to = doc;
    int indent = -1;
    for (size_t at = s->at; at < s->end;) {
        size_t end = at, skip = at;
        while (end < s->end && s->text[end] != '\n')
            end++;
        while (skip < end && (s->text[skip] == ' ' || s->text[skip] == '\r'))
            skip++;
        if (at > s->at) {
            *to++ = '\n';
            if (skip < end && indent < 0)
                indent = (int)(skip - at);
            if (skip < end && (int)(skip - at) > indent)
                skip = at + (size_t)indent;
        }
        size_t last = end;
        while (last > skip && (s->text[last - 1] == ' ' || s->text[last - 1] == '\r'))
            last--;
        for (; skip < last; skip++)
            if (s->text[skip])
                *to++ = s->text[skip];
        at = end + 1;
    }
    while (to > doc && to[-1] == '\n')
        to--;
    *to = 0;
    op->doc = doc;
}

static const struct key {
    const char *name;
    void (*parse)(struct op *op, const struct stretch *s, int argument);
    int argument;
    bool repeats;
} KEYS[] = {
    {"dtypes", key_dtypes, 0, false},
    {"forms", key_forms, 0, false},
    {"value", key_expression, SLOT_VALUE, false},
    {"value.int", key_expression, SLOT_INT, false},
    {"value.bool", key_expression, SLOT_BOOL, false},
    {"value.float", key_expression, SLOT_FLOAT, false},
    {"start", key_expression, SLOT_START, false},
    {"step", key_expression, SLOT_STEP, false},
    {"join", key_expression, SLOT_JOIN, false},
    {"finish", key_expression, SLOT_FINISH, false},
    {"view", key_view, 0, false},
    {"shape", key_shape, 0, false},
    {"kernel", key_kernel, 0, false},
    {"check", key_check, 0, false},
    {"compose", key_compose, 0, false},
    {"grad", key_grad, 0, true},
    {"random", key_random, 0, false},
    {"truths", key_bits, 0, false},
    {"promotes", key_bits, 1, false},
    {"title", key_title, 0, false},
    {"cname", key_cname, 0, false},
    {"doc", key_doc, 0, false},
};

static void parse_key(struct op *op, const struct stretch *line)
{
    size_t end = line->at;
    while (end < line->end && line->text[end] > ' ')
        end++;
    const char *name = text_copy(line->text + line->at, end - line->at);
    struct place place = {line->file, line->line, (int)(line->at - line->line_start) + 1};
    for (size_t k = 0; k < sizeof KEYS / sizeof *KEYS; k++) {
        if (strcmp(KEYS[k].name, name) != 0)
            continue;
        while (end < line->end && (line->text[end] == ' ' || line->text[end] == '\t'))
            end++;
        struct stretch rest = *line;
        rest.at = end;
        KEYS[k].parse(op, &rest, KEYS[k].argument);
        return;
    }
    complain(
        place,
        "found the key '%s', expected dtypes forms value start step join finish view shape kernel "
        "check compose grad random truths promotes title cname or doc",
        name);
}

/* ---- checks of one paragraph ---- */

static int bits(uint32_t mask)
{
    return __builtin_popcount(mask);
}

/* Which parameters a pointwise operator's loop reads. */
static void find_operands(struct op *op)
{
    for (int i = 0; i < op->params; i++) {
        struct param *p = &op->param[i];
        if (type_is_tensor(p->type) && op->kind == KIND_POINTWISE) {
            if (p->optional)
                complain(p->place, "a pointwise operator's tensor cannot be optional: compose it");
            if (op->operands == MAX_OPERANDS)
                complain(p->place, "more than %d tensors in a pointwise operator", MAX_OPERANDS);
            else
                op->operand[op->operands++] = i;
        } else if (type_is_number(p->type) && !p->optional && strcmp(p->name, "keepdim") != 0) {
            if (op->scalars == MAX_OPERANDS)
                complain(p->place, "more than %d numbers", MAX_OPERANDS);
            else
                op->scalar[op->scalars++] = i;
        } else if (op->kind == KIND_POINTWISE) {
            complain(p->place, "a pointwise operator's parameters are Tensor, Tensor|Scalar, "
                               "Scalar, float, int or "
                               "bool: compose it");
        }
    }
    if (op->kind == KIND_POINTWISE && !op->operands)
        complain(op->place, "a pointwise operator needs a tensor");
}

static void check_results(struct op *op)
{
    for (int i = 0; i < op->results; i++) {
        enum type type = op->result[i].type;
        if (type == TYPE_TENSOR || op->kind == KIND_COMPOSE || op->kind == KIND_NONE)
            continue;
        complain(op->place, "only a compose operator has a result that is not a Tensor");
    }
    bool single = op->kind == KIND_POINTWISE || op->kind == KIND_REDUCE || op->kind == KIND_VIEW;
    if (single && op->results != 1)
        complain(op->place, "a pointwise, reduce or view operator has one result");
    if (op->kind == KIND_COMPOSE && op->compose && op->results == 0)
        complain(op->place, "an expression has a result: name a function");
}

static void check_paragraph(struct op *op)
{
    if (op->kind == KIND_NONE) {
        complain(op->place, "%s has no value, step, view, kernel or compose", op->name);
        return;
    }
    check_results(op);
    bool valued = op->value[VALUE_ANY] || op->value[VALUE_INT] || op->value[VALUE_BOOL] ||
                  op->value[VALUE_FLOAT];
    if (op->kind == KIND_POINTWISE && valued)
        find_operands(op);
    if (op->kind == KIND_REDUCE) {
        if (!op->step || !op->join)
            complain(op->place, "a reduction needs step and join");
        if (!op->params || op->param[0].type != TYPE_TENSOR)
            complain(op->place, "a reduction's first parameter is the Tensor");
        find_operands(op);
    }
    if (op->kind == KIND_KERNEL && !op->writes && op->results && !op->shape && op->shape_like < 0)
        complain(op->place, "a kernel needs a shape");
    if (op->writes && (op->forms & (FORM_INPLACE | FORM_OUT)))
        complain(op->place, "%s is in place by nature: it has no inplace or out form", op->name);
    if ((op->forms & FORM_INPLACE) && (!op->params || op->param[0].type != TYPE_TENSOR ||
                                       op->results != 1 || op->result[0].type != TYPE_TENSOR))
        complain(op->place, "an inplace form needs a Tensor as first parameter and as result");
    bool tensors = true;
    for (int i = 0; i < op->results; i++)
        tensors &= op->result[i].type == TYPE_TENSOR;
    if ((op->forms & FORM_OUT) && !tensors)
        complain(op->place, "an out form needs results that are Tensors");
    if (op->forms & FORM_METHOD && op_param(op, "self") < 0)
        complain(op->place, "a method needs a parameter 'self'");
    if (bits(op->truths) && op->kind != KIND_POINTWISE)
        complain(op->place, "truths is for pointwise operators");
}

/* ---- files ---- */

struct reader {
    struct table *table;
    struct op *op;      /* the paragraph being read; NULL after a bad signature */
    struct stretch key; /* its key being read; no text: none */
    bool has_key, has_paragraph;
    int key_indent;
};

static void end_key(struct reader *r)
{
    if (r->has_key && r->op)
        parse_key(r->op, &r->key);
    r->has_key = false;
}

static void end_paragraph(struct reader *r)
{
    end_key(r);
    if (r->op)
        check_paragraph(r->op);
    r->op = NULL;
}

static void begin_paragraph(struct reader *r, const struct stretch *s)
{
    end_paragraph(r);
    r->has_paragraph = true;
    r->key_indent = 0;
    struct op *op = arena_alloc(sizeof *op);
    op->forms = FORM_FUNCTION;
    op->accepts = ACCEPT_ANY;
    op->shape_like = -1;
    if (!parse_signature(op, s))
        return;
    op->family = "";
    const char *slash = strrchr(s->file, '/');
    if (slash) {
        const char *folder = slash;
        while (folder > s->file && folder[-1] != '/')
            folder--;
        op->family = text_copy(folder, (size_t)(slash - folder));
    }
    r->op = op;
    struct table *t = r->table;
    *(t->last ? &t->last->next : &t->first) = op;
    t->last = op;
    t->count++;
}

/* The end of a signature: where its line ends, or further while a parenthesis is open. */
static size_t signature_end(const char *text, size_t at, size_t size, int *lines)
{
    int open = 0;
    bool comment = false;
    for (*lines = 0; at < size; at++) {
        char c = text[at];
        if (c == '\n') {
            if (open <= 0 || (at + 1 < size && text[at + 1] > ' '))
                return at;
            ++*lines;
            comment = false;
        } else if (c == '#') {
            comment = true;
        } else if (!comment) {
            open += (c == '(') - (c == ')');
        }
    }
    return at;
}

static void read_key_line(struct reader *r, const struct stretch *line, int indent)
{
    struct place place = {line->file, line->line, indent + 1};
    if (!r->has_paragraph) {
        complain(place, "an indented line before any operator");
        return;
    }
    if (r->has_key && indent > r->key_indent) {
        r->key.end = line->end;
        return;
    }
    end_key(r);
    if (r->key_indent && indent != r->key_indent)
        complain(place, "indented by %d, expected %d as the keys above", indent, r->key_indent);
    if (!r->key_indent)
        r->key_indent = indent;
    r->key = *line;
    r->has_key = true;
}

void table_parse(struct table *t, const char *file, const char *text, size_t size)
{
    struct reader r = {.table = t};
    int number = 1;
    for (size_t at = 0; at < size; number++) {
        size_t end = at, first = at;
        while (end < size && text[end] != '\n')
            end++;
        while (first < end && (text[first] == ' ' || text[first] == '\r'))
            first++;
        struct stretch line = {file, text, first, end, at, number};
        if (first < end && text[first] == '\t') {
            complain((struct place){file, number, (int)(first - at) + 1},
                     "found a tab, expected spaces");
        } else if (first < end && text[first] != '#') {
            if (first == at) {
                int lines;
                line.end = end = signature_end(text, at, size, &lines);
                begin_paragraph(&r, &line);
                number += lines;
            } else {
                read_key_line(&r, &line, (int)(first - at));
            }
        }
        at = end + 1;
    }
    end_paragraph(&r);
}

/* ---- across paragraphs ---- */

static const char *camel_case(const char *base)
{
    char *s = arena_alloc(strlen(base) + 1), *to = s;
    bool upper = true;
    for (; *base; base++) {
        if (*base == '_') {
            upper = true;
            continue;
        }
        *to++ = upper && *base >= 'a' && *base <= 'z' ? (char)(*base - 32) : *base;
        upper = false;
    }
    return s;
}

static void name_forms(struct op *op)
{
    if (op->forms & FORM_INPLACE) {
        op->inplace_name = text_format("%s_%s%s", op->base, *op->overload ? "." : "", op->overload);
        op->inplace_id = text_replace(op->inplace_name, '.', '_');
    }
    if (op->forms & FORM_OUT) {
        bool plain = !*op->overload || (strcmp(op->overload, "Tensor") == 0 && op->order == 0);
        op->out_name = plain ? text_format("%s.out", op->base)
                             : text_format("%s.%s_out", op->base, op->overload);
        op->out_id = text_replace(op->out_name, '.', '_');
    }
}

void table_finish(struct table *t)
{
    int graded = 0;
    for (struct op *op = t->first; op; op = op->next) {
        struct op *first = table_find(t, op->base), *last = first;
        for (struct op *other = first; other != op && other; other = other->next)
            if (strcmp(other->name, op->name) == 0) {
                complain(op->place, "%s is there already, at %s:%d", op->name, other->place.file,
                         other->place.line);
                break;
            }
        graded = op->has_grad;
        if (op != first) {
            while (last->next_overload)
                last = last->next_overload;
            last->next_overload = op;
            op->order = last->order + 1;
            graded = 0;
            for (struct op *o = first; o != op; o = o->next_overload)
                graded += o->has_grad || o->kind == KIND_POINTWISE;
        } else {
            graded = 0;
        }
        op->title =
            text_format("%sBackward%d", op->title ? op->title : camel_case(op->base), graded);
    }
    for (struct op *op = t->first; op; op = op->next)
        name_forms(op);
}
