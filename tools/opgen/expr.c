/* Expressions to trees, by precedence climbing. The depth is bounded, so that no input can exhaust
 * the stack. */
#include "opgen.h"

#include <string.h>

enum { MAX_DEPTH = 200 };

static struct node *parse(struct lexer *l);

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

/* Comma-separated expressions up to `end`, as a list; with keywords where `named`. */
static bool parse_list(struct lexer *l, const char *end, bool named, struct node **list)
{
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
        n->keyword = keyword;
        *list = n;
        list = &n->next;
        if (!lexer_accept(l, ","))
            break;
    }
    return lexer_expect(l, end, named ? "after the arguments" : "at the list's end");
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
            n = parse(l);
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
    while (lexer_is(l, ".")) {
        lexer_next(l);
        struct node *member = node_new(NODE_MEMBER, l->token.place, l->token.text);
        if (l->token.kind != TOKEN_NAME) {
            complain(l->token.place, "found %s, expected a name after '.'", token_text(&l->token));
            return NULL;
        }
        lexer_next(l);
        member->child = n;
        n = member;
    }
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

struct node *expr_parse(struct lexer *l)
{
    struct node *first = parse(l);
    if (!first || first->kind != NODE_NAME || !lexer_is(l, "="))
        return first;
    struct node *let = node_new(NODE_LET, first->place, first->text);
    lexer_next(l);
    let->child = parse(l);
    if (!let->child || !lexer_expect(l, ";", "after the value of a name"))
        return NULL;
    let->child->next = enter(l) ? expr_parse(l) : NULL;
    l->depth--;
    return let->child->next ? let : NULL;
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
