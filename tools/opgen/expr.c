/* Expressions to trees, by precedence climbing. The depth is bounded, so that no input can exhaust
 * the stack. */
#include "opgen.h"

#include <string.h>

enum { MAX_DEPTH = 200 };

static struct node *parse(struct lexer *l);
static struct node *parse_body(struct lexer *l, bool valued);

static struct node *node_new(enum node_kind kind, struct place place, const char *text)
{
    struct node *n = arena_alloc(sizeof *n);
    n->kind = kind, n->place = place, n->text = text;
    return n;
}

bool node_is_name(const struct node *n, const char *name)
{
    return n && n->kind == NODE_NAME && strcmp(n->text, name) == 0;
}

static int precedence(const struct token *t)
{
    static const struct {
        const char *sign;
        int level;
    } LEVELS[] = {{"||", 1}, {"&&", 2}, {"|", 3},  {"^", 4},  {"&", 5},  {"==", 6},
                  {"!=", 6}, {"<", 7},  {"<=", 7}, {">", 7},  {">=", 7}, {"<<", 8},
                  {">>", 8}, {"+", 9},  {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10}};
    if (t->kind == TOKEN_SIGN)
        for (size_t i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
            if (strcmp(LEVELS[i].sign, t->text) == 0)
                return LEVELS[i].level;
    return 0;
}

/* "NAME in RANGE", after "for": the range, and the name into *name. */
static struct node *parse_range(struct lexer *l, const char **name)
{
    *name = l->token.text;
    if (l->token.kind != TOKEN_NAME) {
        complain(l->token.place, "found %s, expected a name after 'for'", token_text(&l->token));
        return NULL;
    }
    lexer_next(l);
    return lexer_expect(l, "in", "after the name of a loop") ? parse(l) : NULL;
}

/* "for NAME in RANGE", after what stands for each element: a list's only element. */
static struct node *parse_each(struct lexer *l, struct node *element)
{
    struct node *each = node_new(NODE_EACH, element->place, "");
    lexer_next(l);
    each->child = parse_range(l, &each->text);
    if (!each->child)
        return NULL;
    each->child->next = element;
    return each;
}

/* Comma-separated expressions up to `end`, as a list; with keywords where `named`. */
static bool parse_list(struct lexer *l, const char *end, bool named, struct node **list)
{
    bool first = true;
    while (!lexer_is(l, end)) {
        const char *keyword = NULL;
        struct node *n = parse(l);
        if (!n)
            return false;
        if (named && n->kind == NODE_NAME && lexer_accept(l, "=")) {
            keyword = n->text;
            n = parse(l);
            if (!n)
                return false;
        }
        if (!named && first && lexer_is(l, "for") && !(n = parse_each(l, n)))
            return false;
        first = false;
        n->keyword = keyword;
        *list = n;
        list = &n->next;
        if (!lexer_accept(l, ","))
            break;
    }
    return lexer_expect(l, end, named ? "after the arguments" : "at the list's end");
}

/* ".NAME", "[INDEX]" or "[FROM:TO]" behind n; a bound that is left out is None. */
static struct node *parse_part(struct lexer *l, struct node *n)
{
    struct node *part = node_new(NODE_MEMBER, l->token.place, "[");
    part->child = n;
    if (lexer_accept(l, ".")) {
        part->place = l->token.place, part->text = l->token.text;
        if (l->token.kind != TOKEN_NAME) {
            complain(l->token.place, "found %s, expected a name after '.'", token_text(&l->token));
            return NULL;
        }
        lexer_next(l);
        return part;
    }
    lexer_next(l);
    part->kind = NODE_INDEX;
    struct node *from = lexer_is(l, ":") ? node_new(NODE_NAME, l->token.place, "None") : parse(l);
    n->next = from;
    if (from && lexer_accept(l, ":")) {
        part->kind = NODE_SLICE;
        from->next = lexer_is(l, "]") ? node_new(NODE_NAME, l->token.place, "None") : parse(l);
        from = from->next;
    }
    return from && lexer_expect(l, "]", "after the index") ? part : NULL;
}

static struct node *parse_primary(struct lexer *l)
{
    struct token t = l->token;
    struct node *n = NULL;
    switch (t.kind) {
    case TOKEN_NUMBER:
        lexer_next(l);
        n = node_new(NODE_NUMBER, t.place, t.text);
        n->is_float = strpbrk(t.text, ".eE") != NULL;
        if (!n->is_float && strlen(t.text) > 18) {
            complain(t.place, "the integer %s is too large", t.text);
            return NULL;
        }
        break;
    case TOKEN_STRING:
        lexer_next(l);
        n = node_new(NODE_STRING, t.place, t.text);
        break;
    case TOKEN_NAME:
        lexer_next(l);
        n = node_new(NODE_NAME, t.place, t.text);
        if (lexer_accept(l, "(")) {
            n->kind = NODE_CALL;
            if (!parse_list(l, ")", true, &n->child))
                return NULL;
        }
        break;
    case TOKEN_SIGN:
        if (lexer_accept(l, "(")) {
            n = parse_body(l, true);
            if (!n || !lexer_expect(l, ")", "to close the parenthesis"))
                return NULL;
        } else if (lexer_accept(l, "[")) {
            n = node_new(NODE_LIST, t.place, "[");
            if (!parse_list(l, "]", false, &n->child))
                return NULL;
        }
        break;
    case TOKEN_END:
        break;
    }
    if (!n) {
        complain(t.place, "found %s, expected an expression", token_text(&t));
        return NULL;
    }
    while (n && (lexer_is(l, ".") || lexer_is(l, "[")))
        n = parse_part(l, n);
    return n;
}

static bool enter(struct lexer *l)
{
    if (++l->depth <= MAX_DEPTH)
        return true;
    if (l->depth == MAX_DEPTH + 1)
        complain(l->token.place, "an expression nested more than %d deep", MAX_DEPTH);
    return false;
}

static struct node *parse_unary(struct lexer *l)
{
    if (lexer_is(l, "-") || lexer_is(l, "!") || lexer_is(l, "~")) {
        struct token t = l->token;
        lexer_next(l);
        struct node *child = enter(l) ? parse_unary(l) : NULL;
        l->depth--;
        if (!child)
            return NULL;
        if (t.text[0] == '-' && child->kind == NODE_NUMBER && child->text[0] != '-') {
            child->text = text_format("-%s", child->text);
            return child;
        }
        struct node *n = node_new(NODE_UNARY, t.place, t.text);
        n->child = child;
        return n;
    }
    return parse_primary(l);
}

static struct node *parse_binary(struct lexer *l, int level)
{
    struct node *left = parse_unary(l);
    int count = 0;
    while (left) {
        struct token t = l->token;
        int mine = precedence(&t);
        if (!mine || mine < level)
            break;
        if (++count > MAX_DEPTH) { /* a long chain is a deep tree */
            complain(t.place, "a chain of more than %d operators", MAX_DEPTH);
            return NULL;
        }
        lexer_next(l);
        struct node *right = parse_binary(l, mine + 1);
        if (!right)
            return NULL;
        struct node *n = node_new(NODE_BINARY, t.place, t.text);
        n->child = left;
        left->next = right;
        left = n;
    }
    return left;
}

static struct node *parse(struct lexer *l)
{
    struct node *condition = enter(l) ? parse_binary(l, 1) : NULL;
    if (condition && lexer_is(l, "?")) {
        struct node *n = node_new(NODE_COND, l->token.place, "?");
        lexer_next(l);
        struct node *yes = parse(l), *no = NULL;
        if (yes && lexer_expect(l, ":", "between the two values of '?'"))
            no = parse(l);
        n->child = condition;
        condition->next = yes;
        if (yes)
            yes->next = no;
        condition = no ? n : NULL;
    }
    l->depth--;
    return condition;
}

/* ---- Statements ---- */

/* The expressions that stand in braces in a message, each as if it stood in the table there. */
static bool parse_message(struct lexer *l, struct node *require)
{
    struct node **last = &require->parts;
    for (const char *at = require->text; (at = strchr(at, '{')); at++) {
        const char *end = strchr(at, '}');
        if (!end) {
            complain(require->place, "a '{' without its '}'");
            return false;
        }
        struct lexer inner;
        struct stretch stretch = {
            l->file, at + 1, 0, (size_t)(end - at - 1), 0, require->place.line};
        lexer_open(&inner, &stretch);
        inner.depth = l->depth;
        *last = parse(&inner);
        if (!*last)
            return false;
        lexer_expect_end(&inner, "what the message shows");
        last = &(*last)->next;
        at = end;
    }
    return true;
}

/* "CONDITION "message"", after "require"; the kind of error may stand before the message. */
static struct node *parse_require(struct lexer *l, struct place place)
{
    struct node *n = node_new(NODE_REQUIRE, place, "");
    n->child = parse(l);
    if (!n->child)
        return NULL;
    if (l->token.kind == TOKEN_NAME) {
        n->keyword = l->token.text;
        lexer_next(l);
    }
    if (l->token.kind != TOKEN_STRING) {
        complain(l->token.place, "found %s, expected a message in quotes", token_text(&l->token));
        return NULL;
    }
    n->place = l->token.place;
    for (; l->token.kind == TOKEN_STRING; lexer_next(l)) /* a long one in pieces, as in C */
        n->text = text_format("%s%s", n->text, l->token.text);
    return parse_message(l, n) ? n : NULL;
}

/* A statement without its ";": "require ...", "for NAME in RANGE: STATEMENT", "NAME = EXPRESSION",
 * or an expression. */
static struct node *parse_statement(struct lexer *l)
{
    struct place place = l->token.place;
    if (lexer_accept(l, "require"))
        return parse_require(l, place);
    if (lexer_accept(l, "for")) {
        struct node *loop = node_new(NODE_LOOP, place, "");
        loop->child = parse_range(l, &loop->text);
        if (!loop->child || !lexer_expect(l, ":", "before what the loop does"))
            return NULL;
        loop->child->next = enter(l) ? parse_statement(l) : NULL;
        l->depth--;
        return loop->child->next ? loop : NULL;
    }
    struct node *first = parse(l);
    if (!first || first->kind != NODE_NAME || !lexer_accept(l, "="))
        return first;
    struct node *let = node_new(NODE_LET, place, first->text);
    let->child = parse(l);
    return let->child ? let : NULL;
}

/* Statements, each with its ";", and the value; where none is wanted, None stands for it. */
static struct node *parse_body(struct lexer *l, bool valued)
{
    if (!valued && l->token.kind == TOKEN_END)
        return node_new(NODE_NAME, l->token.place, "None");
    struct node *n = parse_statement(l);
    if (!n)
        return NULL;
    bool statement = n->kind == NODE_LET || n->kind == NODE_REQUIRE || n->kind == NODE_LOOP;
    if (!statement && !lexer_is(l, ";"))
        return n;
    if (!lexer_expect(l, ";",
                      n->kind == NODE_LET ? "after the value of a name" : "after a statement"))
        return NULL;
    struct node *then = node_new(NODE_THEN, n->place, ";");
    then->child = n;
    n->next = enter(l) ? parse_body(l, valued) : NULL;
    l->depth--;
    return n->next ? then : NULL;
}

struct node *expr_parse(struct lexer *l)
{
    return parse_body(l, true);
}

struct node *expr_parse_checks(struct lexer *l)
{
    return parse_body(l, false);
}

static bool is_literal(const struct node *n)
{
    if (n->kind == NODE_LIST) {
        for (const struct node *c = n->child; c; c = c->next)
            if (c->kind != NODE_NUMBER)
                return false;
        return true;
    }
    return n->kind == NODE_NUMBER || n->kind == NODE_STRING || n->kind == NODE_NAME ||
           (n->kind == NODE_UNARY && n->child->kind == NODE_NAME);
}

struct node *expr_parse_value(struct lexer *l)
{
    struct place place = l->token.place;
    struct node *n = parse(l);
    if (n && !is_literal(n)) {
        complain(place,
                 "a default must be a number, a string, True, False, None or a list of numbers");
        return NULL;
    }
    return n;
}
