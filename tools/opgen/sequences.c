/* Lists in expressions over operators: written out, indexed, cut, joined. What is computed stands
 * in an array at the function's top. */
#include "compose.h"

#include <string.h>

struct value compose_list(struct composer *c, const struct node *n)
{
    enum type type = TYPE_INTS;
    const char *texts[64];
    int count = 0;
    if (n->child && n->child->kind == NODE_EACH) {
        if (n->child->next)
            complain(n->child->next->place, "found more after 'for', expected the list's end");
        return compose_each(c, n->child);
    }
    for (const struct node *a = n->child; a; a = a->next, count++) {
        struct value v = compose_lower(c, a);
        if (!v.known)
            return VALUE_FAILED;
        enum type own = type_is_tensor(v.type) ? TYPE_TENSORS
                        : v.type == TYPE_INT   ? TYPE_INTS
                                               : TYPE_FLOATS;
        if (count == 64 || (own == TYPE_FLOATS && v.type != TYPE_FLOAT) ||
            (count && (own == TYPE_TENSORS) != (type == TYPE_TENSORS))) {
            complain(a->place, "a list has up to 64 ints, floats or Tensors");
            return VALUE_FAILED;
        }
        if (!count || own == TYPE_FLOATS)
            type = own;
        texts[count] = own == TYPE_TENSORS ? text_format("tensor_of(%s)", v.text) : value_c(&v);
    }
    const char *name = text_format("list%d", c->lists++); /* those within it came first */
    emit(&c->tops, "    %s %s[%d];\n",
         type == TYPE_INTS     ? "int64_t"
         : type == TYPE_FLOATS ? "double"
                               : "fl_tensor *",
         name, count ? count : 1);
    if (!count)
        compose_line(c, text_format("%s[0] = 0;", name));
    for (int i = 0; i < count; i++)
        compose_line(c, text_format("%s[%d] = %s;", name, i, texts[i]));
    return value_make(type, text_format("%s_value(%s, %d)",
                                        type == TYPE_INTS     ? "ints"
                                        : type == TYPE_FLOATS ? "floats"
                                                              : "tensors",
                                        name, count));
}

/* The list that is indexed or cut: of ints or of tensors. */
static struct value list_of(struct composer *c, const struct node *n)
{
    struct value list = compose_lower(c, n->child);
    if (list.known && list.type != TYPE_INTS && list.type != TYPE_TENSORS) {
        complain(n->place, "found '[' behind a %s, expected an int[] or a Tensor[]",
                 value_word(&list));
        return VALUE_FAILED;
    }
    return list;
}

/* "7" for an int, "int_of(args[1])" for one that is given; NULL after a complaint. */
static const char *bound(struct composer *c, const struct node *n, const char *none)
{
    struct value v = compose_lower(c, n);
    if (!v.known)
        return NULL;
    if (v.type == TYPE_NONE && none)
        return none;
    if (v.type == TYPE_INT)
        return value_c(&v);
    complain(n->place, "found a %s, expected an int", value_word(&v));
    return NULL;
}

struct value compose_index(struct composer *c, const struct node *n)
{
    struct value list = list_of(c, n);
    const char *at = list.known ? bound(c, n->child->next, NULL) : NULL;
    if (!at)
        return VALUE_FAILED;
    if (list.type == TYPE_INTS)
        return value_make(TYPE_INT, text_format("int_at(%s, %s)", list.text, at));
    return value_make(TYPE_TENSOR, text_format("tensor_at(%s, %s)", list.text, at));
}

struct value compose_slice(struct composer *c, const struct node *n)
{
    struct value list = list_of(c, n);
    const char *from = list.known ? bound(c, n->child->next, "0") : NULL;
    const char *to = from ? bound(c, n->child->next->next, "INT64_MAX") : NULL;
    return to ? value_make(list.type, text_format("list_part(%s, %s, %s)", list.text, from, to))
              : VALUE_FAILED;
}

/* a + b, or == and !=, of lists of ints. */
struct value compose_ints(struct composer *c, const struct node *n, const struct value *a,
                          const struct value *b)
{
    if (n->text[0] != '+')
        return value_make(TYPE_BOOL, text_format("%ssame_ints(%s, %s)", *n->text == '!' ? "!" : "",
                                                 a->text, b->text));
    const int k = c->lists++;
    emit(&c->tops, "    int64_t room%d[TENSOR_MAX_DIMS];\n    fl_value list%d = none();\n", k, k);
    compose_fail_if(c, text_format("join_ints(&list%d, room%d, %s, %s)", k, k, a->text, b->text));
    return value_make(TYPE_INTS, text_format("list%d", k));
}
