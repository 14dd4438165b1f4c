/* Statements before the value of an expression over operators: names, requirements, loops.
 *
 * What a loop's body makes stands in slots of its own, which are emptied after each round; what a
 * name carries from one round to the next stands in a slot outside.
 */
#include "compose.h"

#include <string.h>

void compose_name(struct composer *c, const char *name, struct value v)
{
    struct local *l = arena_alloc(sizeof *l);
    v.slot = -1; /* it may be used again */
    *l = (struct local){.name = name, .value = v, .result = -1, .next = c->locals};
    c->locals = l;
}

/* "if (...)" of a condition that C can ask, or NULL after a complaint. */
const char *compose_test(struct composer *c, const struct node *n)
{
    struct value v = compose_lower(c, n);
    if (!v.known)
        return NULL;
    if (value_is_c_number(&v))
        return value_c(&v);
    if (v.type == TYPE_SCALAR)
        return text_format("float_of(%s) != 0", v.text);
    complain(n->place,
             "found a condition that is a %s, expected a bool or a number: where() chooses between "
             "elements",
             value_word(&v));
    return NULL;
}

void compose_fail_if(struct composer *c, const char *failed)
{
    c->fails = true;
    compose_line(c, text_format("if (%s)", failed));
    compose_line(c, "    goto done;");
}

/* ---- requirements ---- */

static const char *error_kind(const struct node *n)
{
    static const struct {
        const char *name, *kind;
    } KINDS[] = {{"RuntimeError", "FL_RUNTIME_ERROR"},
                 {"ValueError", "FL_VALUE_ERROR"},
                 {"IndexError", "FL_INDEX_ERROR"},
                 {"TypeError", "FL_TYPE_ERROR"},
                 {"NotImplementedError", "FL_NOT_IMPLEMENTED"}};
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++)
        if (!n->keyword || strcmp(n->keyword, KINDS[k].name) == 0)
            return KINDS[k].kind;
    complain(n->place,
             "found '%s', expected RuntimeError ValueError IndexError TypeError "
             "NotImplementedError, or the message",
             n->keyword);
    return KINDS[0].kind;
}

/* How printf shows a value: its format, and *text the argument. */
static const char *shown(const struct node *n, const struct value *v, const char **text)
{
    switch (v->type) {
    case TYPE_INT:
    case TYPE_BOOL:
        *text = text_format("(long long)%s", value_c(v));
        return "%lld";
    case TYPE_FLOAT:
    case TYPE_SCALAR:
        *text = v->type == TYPE_FLOAT ? value_c(v) : text_format("float_of(%s)", v->text);
        return "%g";
    case TYPE_INTS:
        *text = text_format("ints_text(%s, (char[128]){0}, 128)", value_text(v));
        return "%s";
    case TYPE_DTYPE:
        *text = text_format("dtype_word(%s)", value_c(v));
        return "%s";
    case TYPE_STRING:
        *text = value_c(v);
        return "%s";
    default:
        complain(n->place, "a message shows numbers, int[], dtypes and str, not a %s",
                 value_word(v));
        return NULL;
    }
}

static bool lower_require(struct composer *c, const struct node *n)
{
    const char *test = compose_test(c, n->child), *kind = error_kind(n), *format = "", *list = "";
    if (!test)
        return false;
    c->fails = true;
    compose_line(c, text_format("if (!(%s)) {", test));
    c->indent++;
    const struct node *part = n->parts;
    for (const char *at = n->text; *at; at++) {
        if (*at != '{') {
            format = text_format(*at == '%' ? "%s%%%c" : "%s%c", format, *at);
            continue;
        }
        const char *text = NULL, *one = NULL;
        struct value v = compose_lower(c, part);
        if (v.known)
            one = shown(part, &v, &text);
        if (!one)
            return false;
        format = text_format("%s%s", format, one), list = text_format("%s, %s", list, text);
        at = strchr(at, '}'), part = part->next;
    }
    compose_line(c, text_format("error_set(%s, \"%s\"%s);", kind, text_quote(format), list));
    compose_line(c, "goto done;");
    c->indent--;
    compose_line(c, "}");
    return true;
}

/* ---- loops ---- */

/* Opens a loop over a list, or over the ints below a number, and names what it meets. `rounds` is
 * the C of how many there are. */
static void open_loop(struct composer *c, const struct node *n, const struct value *range,
                      const char *rounds)
{
    const int k = c->loops++;
    struct value met = value_make(TYPE_INT, text_format("i%d", k));
    if (range->type == TYPE_TENSORS)
        met = value_make(TYPE_TENSOR, text_format("tensor_at(%s, i%d)", range->text, k));
    else if (range->type == TYPE_INTS)
        met = value_make(TYPE_INT, text_format("int_at(%s, i%d)", range->text, k));
    compose_line(c, text_format("for (int64_t i%d = 0; i%d < %s; i%d++) {", k, k, rounds, k));
    c->indent++;
    compose_name(c, n->text, met);
}

/* Ends a round, and the loop: the slots from `first` on are its own. */
static void close_loop(struct composer *c, int first)
{
    if (c->slots > first)
        compose_line(c, text_format("renew(%d, t + %d);", c->slots - first, first));
    c->indent--;
    compose_line(c, "}");
}

/* The C of how many rounds a loop over `range` takes, counted before it; NULL after a complaint. */
static const char *count_rounds(struct composer *c, const struct node *n, struct value *range)
{
    *range = compose_lower(c, n->child);
    if (!range->known)
        return NULL;
    const char *rounds = text_format("rounds%d", c->loops);
    const bool list = range->type == TYPE_TENSORS || range->type == TYPE_INTS;
    if (!list && range->type != TYPE_INT) {
        complain(n->child->place, "found a %s, expected an int, int[] or Tensor[] after 'in'",
                 value_word(range));
        return NULL;
    }
    emit(&c->tops, "    int64_t %s = 0;\n", rounds);
    compose_line(c, text_format(list ? "%s = %s.count;" : "%s = natural(%s);", rounds,
                                list ? range->text : value_c(range)));
    return rounds;
}

/* The local that a loop gives a new value each round, moved to a slot; NULL after a complaint. */
static struct local *carried(struct composer *c, const struct node *let)
{
    const struct node name = {.kind = NODE_NAME, .place = let->place, .text = let->text};
    struct value v = compose_lower(c, &name);
    if (!v.known)
        return NULL;
    if (!type_is_tensor(v.type) && !type_is_number(v.type)) {
        complain(let->place, "a loop gives a new value to a Tensor or a number, not to a %s",
                 value_word(&v));
        return NULL;
    }
    struct value slot = compose_slot(c, let->place, 1, v.type);
    if (!slot.known)
        return NULL;
    slot.as_value = true, slot.optional = v.optional;
    compose_line(c, text_format("%s = hold(%s);", slot.text, value_text(&v)));
    compose_name(c, let->text, slot);
    return c->locals;
}

/* Gives a carried name the value of this round. */
static bool carry_on(struct composer *c, const struct node *let, const struct value *to)
{
    struct value v = compose_lower(c, let->child);
    if (!v.known)
        return false;
    const bool widens = to->type == TYPE_FLOAT && v.type == TYPE_INT;
    if (v.type != to->type && !widens) {
        complain(let->place, "'%s' is a %s, and the loop gives it a %s", let->text, value_word(to),
                 value_word(&v));
        return false;
    }
    if (v.slot >= 0)
        compose_line(c, text_format("replace(&%s, %s), %s = none();", to->text, v.text, v.text));
    else
        compose_line(c, text_format("replace(&%s, hold(%s));", to->text,
                                    widens ? value_as_float(&v) : value_text(&v)));
    return true;
}

static bool lower_loop(struct composer *c, const struct node *n)
{
    const struct node *body = n->child->next;
    struct value range;
    struct local *carry = NULL;
    const char *rounds = count_rounds(c, n, &range);
    if (!rounds || (body->kind == NODE_LET && !(carry = carried(c, body))))
        return false;
    struct local *outer = c->locals;
    const int first = c->slots;
    open_loop(c, n, &range, rounds);
    if (!(carry ? carry_on(c, body, &carry->value) : compose_statement(c, body)))
        return false;
    close_loop(c, first);
    c->locals = outer;
    return true;
}

/* [VALUE for NAME in RANGE]: a list of ints, or of tensors. */
struct value compose_each(struct composer *c, const struct node *n)
{
    struct value range, list = VALUE_FAILED;
    struct local *outer = c->locals;
    const char *rounds = count_rounds(c, n, &range);
    if (!rounds)
        return VALUE_FAILED;
    /* What the value is decides how the list is made, before the loop. */
    struct out before = c->body;
    c->body = (struct out){0};
    const int k = c->loops;
    struct value slot = compose_slot(c, n->place, 1, TYPE_TENSORS);
    const int first = c->slots;
    open_loop(c, n, &range, rounds);
    struct value v = slot.known ? compose_lower(c, n->child->next) : VALUE_FAILED;
    struct out round = c->body;
    c->body = before;
    if (v.known && v.type == TYPE_INT) {
        c->slots -= c->slots == first; /* nothing stands in it */
        const char *name = text_format("list%d", c->lists++);
        emit(&c->tops, "    int64_t %s[TENSOR_MAX_DIMS];\n", name);
        c->indent--, compose_fail_if(c, text_format("ints_room(%s)", rounds)), c->indent++;
        emit_text(&c->body, round.text);
        compose_line(c, text_format("%s[i%d] = %s;", name, k, value_c(&v)));
        close_loop(c, first);
        list = value_make(TYPE_INTS, text_format("ints_value(%s, %s)", name, rounds));
    } else if (v.known && v.type == TYPE_TENSOR) {
        c->indent--;
        compose_fail_if(c, text_format("!op_list(&%s, %s)", slot.text, rounds));
        c->indent++;
        emit_text(&c->body, round.text);
        if (v.slot >= 0)
            compose_line(c, text_format("list_put(%s, i%d, %s), %s = none();", slot.text, k, v.text,
                                        v.text));
        else
            compose_line(c, text_format("list_put(%s, i%d, hold(%s));", slot.text, k, v.text));
        close_loop(c, first);
        list = slot;
        list.as_value = true;
    } else if (v.known) {
        complain(n->place, "a list is made of ints or Tensors, not of a %s", value_word(&v));
    }
    text_release(&round);
    c->locals = outer;
    return list;
}

/* ---- all of them ---- */

bool compose_has_calls(const struct node *n)
{
    if ((n->kind == NODE_THEN && n->child->kind == NODE_CALL) ||
        (n->kind == NODE_LOOP && n->child->next->kind == NODE_CALL))
        return true;
    for (const struct node *child = n->child; child; child = child->next)
        if (compose_has_calls(child))
            return true;
    return false;
}

bool compose_statement(struct composer *c, const struct node *n)
{
    switch (n->kind) {
    case NODE_REQUIRE:
        return lower_require(c, n);
    case NODE_LOOP:
        return lower_loop(c, n);
    case NODE_LET: {
        struct value v = compose_lower(c, n->child);
        if (v.known)
            compose_name(c, n->text, v);
        return v.known;
    }
    default:
        return compose_lower(c, n).known;
    }
}
