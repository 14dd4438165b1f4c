/* Paragraphs that others have by a word: NAME_copy of a view (forms copy), NAME_scatter (scatter),
 * and other names (alias). Each is written as text, as if it stood in the table. */
#include "opgen.h"

#include <string.h>

/* "self, dim, start=start": the parameters as a call hands them on. */
static const char *handed_on(const struct op *op)
{
    const char *text = "";
    for (int i = 0; i < op->params; i++)
        text = text_format(op->param[i].keyword_only ? "%s%s%s=%s" : "%s%s%s", text, i ? ", " : "",
                           op->param[i].name, op->param[i].name);
    return text;
}

static const char *samples_text(const struct op *op)
{
    const char *text = "";
    for (const struct sample *s = op->samples; s; s = s->next) {
        const char *separator = "    try ";
        for (int i = 0; i < op->params; i++)
            if (s->value[i]) {
                text = text_format("%s%s%s=%s", text, separator, op->param[i].name, s->value[i]);
                separator = ", ";
            }
        text = text_format("%s\n", text);
    }
    return text;
}

/* "NAME.overload(parameters) -> result" */
static const char *signature_of(const struct op *op, const char *name)
{
    return text_format("%s%s%s%s", name, *op->overload ? "." : "", op->overload,
                       strchr(signature_text(op, NULL), '('));
}

static const char *copy_text(const struct op *op)
{
    bool list = op->results && op->result[0].type == TYPE_TENSORS;
    return text_format("%s\n    forms function%s\n    compose %s(%s(%s)%s)\n%s"
                       "    doc A copy of what %s shows.\n",
                       signature_of(op, text_format("%s_copy", op->base)), list ? "" : " out",
                       list ? "_clone_each" : "clone", op->base, handed_on(op),
                       list ? "" : ", memory_format=0", samples_text(op), op->base);
}

/* src stands behind self. */
static const char *scatter_text(const struct op *op)
{
    const char *parameters = strchr(signature_text(op, NULL), '(') + strlen("(Tensor self");
    return text_format(
        "%s_scatter(Tensor self, Tensor src%s\n    forms function method\n"
        "    compose whole = clone(self);\n"
        "        part = %s(whole%s);\n"
        "        require part.sizes == src.sizes \"expected src to have a size equal "
        "to the slice of self. src size = {src.sizes}, slice size = "
        "{part.sizes}\";\n"
        "        copy_(part, src); whole\n"
        "    try %s\n"
        "    doc A copy of self with src where %s shows it.\n",
        op->base, parameters, op->base, handed_on(op) + strlen("self"), op->scatter, op->base);
}

/* Whether the key `pairs` speaks of one of the operator's names: it names some, or means all. */
bool pairs_of(const struct op *op, const char *name)
{
    if (!op->pairs_text || !*op->pairs_text)
        return op->pairs_text != NULL;
    return strstr(text_format(" %s ", op->pairs_text), text_format(" %s ", name)) != NULL;
}

/* A composite is written again, so that it costs no call more; what else there is calls the operator. */
static const char *alias_text(const struct op *op, const char *name)
{
    const char *lines = op->lines;
    if (op->kind != KIND_COMPOSE)
        lines = text_format(
            "    forms%s%s%s%s\n    compose %s(%s)\n%s%s",
            op->forms & FORM_FUNCTION ? " function" : "", op->forms & FORM_METHOD ? " method" : "",
            op->forms & FORM_INPLACE ? " inplace" : "", op->forms & FORM_OUT ? " out" : "",
            op->base, handed_on(op), op->numbers ? "    numbers self\n" : "", samples_text(op));
    return text_format("%s\n%s%s    doc %s by another name.\n", signature_of(op, name), lines,
                       pairs_of(op, name) ? "    pairs\n" : "", op->base);
}

/* The names in `pairs` must be the operator's. */
static void check_pairs(const struct op *op)
{
    const char *names = text_format(" %s%s ", op->base, op->alias ? op->alias : "");
    for (const char *at = op->pairs_text; at && *at; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " ");
        const char *word = text_copy(at, length);
        if (!strstr(names, text_format(" %s ", word)))
            complain(op->place, "pairs has %s, expected %s or an alias of it", word, op->base);
        at += length;
    }
}

static void add(struct table *t, const struct op *op, const char *text)
{
    table_parse(t, op->place.file, text, strlen(text));
}

void table_derive(struct table *t)
{
    const struct op *last = t->last;
    for (const struct op *op = t->first; op; op = op == last ? NULL : op->next) {
        check_pairs(op);
        if (op->forms & FORM_COPY)
            add(t, op, copy_text(op));
        if (op->scatter)
            add(t, op, scatter_text(op));
        for (const char *at = op->alias ? op->alias : ""; *at;) {
            size_t length = strcspn(++at, " ");
            add(t, op, alias_text(op, text_copy(at, length)));
            at += length;
        }
    }
}
