/* Arithmetic and comparisons in expressions over operators: operators of the table where a tensor
 * takes part, else C. */
#include "compose.h"

#include <string.h>

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
        return call_two(c, n->place, OPERATORS[k].name, a, b);
    if (OPERATORS[k].swapped)
        return call_two(c, n->place, OPERATORS[k].swapped, b, a);
    if (n->text[0] == '/') {
        struct value inverse = call_one(c, n->place, "reciprocal", b);
        if (!inverse.known || strcmp(value_text(&a), "int_value(1)") == 0)
            return inverse;
        return call_two(c, n->place, "mul", inverse, a);
    }
    return call_two(c, n->place, OPERATORS[k].name, a, b);
}

static struct value compare_none(struct composer *c, const struct node *n,
                                 const struct node *tested)
{
    struct value v = compose_shape_of(c, tested);
    if (!v.known)
        return VALUE_FAILED;
    const char *sign = strcmp(n->text, "==") == 0 ? "==" : "!=";
    if (v.type == TYPE_DTYPE && !v.as_value)
        return value_make(TYPE_BOOL, text_format("(%s %s FL_NO_DTYPE)", v.text, sign));
    return value_make(TYPE_BOOL, text_format("(%s.tag %s FL_NONE)", value_text(&v), sign));
}

static bool is_comparison(const char *sign)
{
    return strchr("=!<>", sign[0]) && strcmp(sign, "<<") != 0 && strcmp(sign, ">>") != 0;
}

struct value compose_binary(struct composer *c, const struct node *n)
{
    const struct node *left = n->child, *right = n->child->next;
    bool equality = strcmp(n->text, "==") == 0 || strcmp(n->text, "!=") == 0;
    if (equality && (node_is_name(left, "None") || node_is_name(right, "None")))
        return compare_none(c, n, node_is_name(left, "None") ? right : left);
    struct value a = compose_lower(c, left), b = a.known ? compose_lower(c, right) : VALUE_FAILED;
    if (!a.known || !b.known)
        return VALUE_FAILED;
    const char *sign = n->text;
    if (equality && a.type == TYPE_STRING && b.type == TYPE_STRING)
        return value_make(TYPE_BOOL, text_format("%ssame_string(%s, %s)", *sign == '!' ? "!" : "",
                                                 value_c(&a), value_c(&b)));
    if (equality && a.type == TYPE_DTYPE && b.type == TYPE_DTYPE)
        return value_make(TYPE_BOOL,
                          text_format("((int)%s %s (int)%s)", value_c(&a), sign, value_c(&b)));
    if (a.type == TYPE_INTS && b.type == TYPE_INTS && (equality || strcmp(sign, "+") == 0))
        return compose_ints(c, n, &a, &b);
    if (type_is_tensor(a.type) || type_is_tensor(b.type))
        return tensor_binary(c, n, a, b);
    if (!type_is_number(a.type) || !type_is_number(b.type)) {
        complain(n->place, "'%s' has no meaning for %s and %s", sign, value_word(&a),
                 value_word(&b));
        return VALUE_FAILED;
    }
    bool logic = strcmp(sign, "&&") == 0 || strcmp(sign, "||") == 0;
    if (logic || is_comparison(sign)) {
        const char *x = a.type == TYPE_SCALAR ? text_format("float_of(%s)", a.text) : value_c(&a);
        const char *y = b.type == TYPE_SCALAR ? text_format("float_of(%s)", b.text) : value_c(&b);
        return value_make(TYPE_BOOL, text_format("(%s %s %s)", x, sign, y));
    }
    if (a.type == TYPE_SCALAR || b.type == TYPE_SCALAR) {
        if (strchr("+-*/", *sign))
            return value_make(TYPE_SCALAR, text_format("number_arithmetic('%c', %s, %s)", *sign,
                                                       value_text(&a), value_text(&b)));
    } else if (a.type == TYPE_FLOAT || b.type == TYPE_FLOAT) {
        if (strchr("+-*/", *sign))
            return value_make(TYPE_FLOAT, text_format("((double)%s %s (double)%s)", value_c(&a),
                                                      sign, value_c(&b)));
    } else if (*sign == '/' || *sign == '%') {
        return value_make(TYPE_INT, text_format("%s(%s, %s)", *sign == '/' ? "divide" : "modulo",
                                                value_c(&a), value_c(&b)));
    } else {
        return value_make(
            TYPE_INT, text_format("((int64_t)%s %s (int64_t)%s)", value_c(&a), sign, value_c(&b)));
    }
    complain(n->place, "'%s' has no meaning for %s and %s", sign, value_word(&a), value_word(&b));
    return VALUE_FAILED;
}

struct value compose_unary(struct composer *c, const struct node *n)
{
    struct value v = compose_lower(c, n->child);
    if (!v.known)
        return VALUE_FAILED;
    if (type_is_tensor(v.type))
        return call_one(c, n->place,
                        *n->text == '-'   ? "neg"
                        : *n->text == '!' ? "logical_not"
                                          : "bitwise_not",
                        v);
    if (*n->text == '!' && (type_is_number(v.type)))
        return value_make(TYPE_BOOL, text_format("(!%s)", value_c(&v)));
    if (*n->text == '-' && v.type == TYPE_SCALAR)
        return value_make(TYPE_SCALAR,
                          text_format("number_arithmetic('*', %s, int_value(-1))", v.text));
    if (*n->text == '-' && value_is_c_number(&v))
        return value_make(v.type == TYPE_FLOAT ? TYPE_FLOAT : TYPE_INT,
                          text_format("(-%s)", value_c(&v)));
    if (*n->text == '~' && v.type == TYPE_INT)
        return value_make(TYPE_INT, text_format("(~%s)", value_c(&v)));
    complain(n->place, "'%s' has no meaning for %s", n->text, value_word(&v));
    return VALUE_FAILED;
}
