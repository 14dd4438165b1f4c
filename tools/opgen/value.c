/* Values of expressions over operators, as C: numbers stay C numbers, or fl_values where their
 * type is Scalar; tensors are fl_values. */
#include "compose.h"

#include <string.h>

const struct value VALUE_FAILED = {.slot = -1};

struct value value_make(enum type type, const char *text)
{
    bool as_value = type <= TYPE_TENSORS || type == TYPE_INTS || type == TYPE_FLOATS ||
                    type == TYPE_SCALAR || type == TYPE_GENERATOR || type == TYPE_DEVICE ||
                    type == TYPE_NONE;
    return (struct value){
        .type = type, .text = text, .as_value = as_value, .slot = -1, .known = true};
}

void compose_line(struct composer *c, const char *text)
{
    emit(&c->body, "%*s%s\n", 4 * c->indent, "", text);
}

const char *value_word(const struct value *v)
{
    static const char *const WORDS[] = {"Tensor",        "Tensor|Scalar", "Tensor[]",  "int",
                                        "int[]",         "float",         "float[]",   "bool",
                                        "Scalar",        "dtype",         "device",    "layout",
                                        "memory_format", "str",           "Generator", "None"};
    return WORDS[v->type];
}

/* ---- C numbers and fl_values ---- */

const char *value_text(const struct value *v)
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

const char *value_c(const struct value *v)
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

bool value_is_c_number(const struct value *v)
{
    return v->type == TYPE_INT || v->type == TYPE_FLOAT || v->type == TYPE_BOOL;
}

struct value compose_slot(struct composer *c, struct place place, int count, enum type type)
{
    if (c->slots + count > MAX_SLOTS) {
        complain(place, "an expression with more than %d operators", MAX_SLOTS);
        return VALUE_FAILED;
    }
    struct value v = value_make(type, text_format("t[%d]", c->slots));
    v.slot = c->slots;
    c->slots += count;
    return v;
}

const char *value_as_float(const struct value *v)
{
    return v->type == TYPE_FLOAT || v->type == TYPE_NONE
               ? value_text(v)
               : text_format("float_value(%s)", value_c(v));
}
