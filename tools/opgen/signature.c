/* Signatures: "name.overload(Tensor self, *, int n=1) -> Tensor", as in PyTorch's schemas. */
#include "opgen.h"

#include <stdio.h>
#include <string.h>

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
    r->optional = p.optional;
    bool tensors = p.type == TYPE_TENSOR || p.type == TYPE_TENSORS;
    if ((p.optional && !tensors) || p.written || p.elements_optional ||
        !(tensors || type_is_number(p.type) || p.type == TYPE_STRING))
        complain(place, "a result is a Tensor, Tensor[], bool, int, float, Scalar or str, and one "
                        "of several may be a Tensor? or Tensor[]?");
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

bool signature_parse(struct op *op, const struct stretch *s)
{
    struct lexer l;
    lexer_open(&l, s);
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
    lexer_expect_end(&l, "the signature");
    if (op->writes && (op->results != 1 || op->result[0].type != TYPE_TENSOR))
        complain(op->place, "an operator that writes '%s' has it as its result", op->param[0].name);
    return true;
}
