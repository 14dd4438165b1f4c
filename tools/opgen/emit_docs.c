/* ops.md: the reference pages, by family; and the text of a signature. */
#include "opgen.h"

#include <string.h>

static const char *literal_text(const struct node *n)
{
    if (n->kind == NODE_STRING)
        return text_format("'%s'", n->text);
    if (n->kind == NODE_UNARY)
        return text_format("-%s", n->child->text);
    if (n->kind != NODE_LIST)
        return n->text;
    const char *text = "";
    for (const struct node *c = n->child; c; c = c->next)
        text = text_format("%s%s%s", text, *text ? ", " : "", c->text);
    return text_format("[%s]", text);
}

static const char *type_text(const struct param *p)
{
    static const char *const NAMES[] = {
        [TYPE_TENSOR] = "Tensor",       [TYPE_OPERAND] = "Tensor|Scalar",
        [TYPE_TENSORS] = "Tensor[]",    [TYPE_INT] = "int",
        [TYPE_INTS] = "int[]",          [TYPE_FLOAT] = "float",
        [TYPE_FLOATS] = "float[]",      [TYPE_BOOL] = "bool",
        [TYPE_SCALAR] = "Scalar",       [TYPE_DTYPE] = "dtype",
        [TYPE_DEVICE] = "device",       [TYPE_LAYOUT] = "layout",
        [TYPE_STRING] = "str",          [TYPE_MEMORY_FORMAT] = "memory_format",
        [TYPE_GENERATOR] = "Generator", [TYPE_NONE] = "None"};
    return text_format("%s%s", NAMES[p->type], p->optional ? "?" : "");
}

const char *results_text(const struct op *op)
{
    const char *text = "";
    for (int i = 0; i < op->results; i++) {
        struct param p = {.type = op->result[i].type, .optional = op->result[i].optional};
        text = text_format("%s%s%s%s%s", text, i ? ", " : "", type_text(&p),
                           op->result[i].name ? " " : "",
                           op->result[i].name ? op->result[i].name : "");
    }
    return op->results == 1 ? text : text_format("(%s)", text);
}

const struct space SPACES[SPACES_COUNT] = {
    {FORM_NN, "nn", "", "flambeau.nn.functional"},
    {FORM_SPECIAL, "special", "special_", "flambeau.special"},
    {FORM_LINALG, "linalg", "linalg_", "flambeau.linalg"},
    {FORM_FFT, "fft", "fft_", "flambeau.fft"},
    {FORM_MASKED, "masked", "masked_", "flambeau.masked"}};

const char *python_name(const struct op *op, unsigned form)
{
    const char *prefix = "";
    for (int i = 0; i < SPACES_COUNT; i++)
        if (SPACES[i].form == form)
            prefix = SPACES[i].prefix;
    size_t n = strlen(prefix);
    return strncmp(op->base, prefix, n) == 0 ? op->base + n : op->base;
}

const char *signature_text(const struct op *op, const char *python)
{
    const char *text = text_format("%s(", python ? python : op->name);
    bool keywords = false;
    for (int i = 0; i < op->params; i++) {
        const struct param *p = &op->param[i];
        bool varargs = i == 0 && python && op->forms & (FORM_VARARGS | FORM_VARARGS_OR_LIST);
        const char *star = varargs ? "*" : p->keyword_only && !keywords ? "*, " : "";
        keywords |= p->keyword_only || varargs;
        text = text_format("%s%s%s%s%s%s%s%s", text, i ? ", " : "", star,
                           python ? "" : type_text(p), python ? "" : " ", p->name,
                           p->value ? "=" : "", p->value ? literal_text(p->value) : "");
    }
    return text_format("%s) -> %s", text, results_text(op));
}

static void page(struct out *o, const struct op *op)
{
    emit(o, "### %s\n\n`%s`\n\n", op->name, signature_text(op, NULL));
    if (op->doc)
        emit(o, "%s\n\n", op->doc);
    static const struct {
        enum form form;
        const char *format;
    } FORMS[] = {{FORM_FUNCTION, "%s `flambeau.%s`"},
                 {FORM_METHOD, "%s `Tensor.%s`"},
                 {FORM_INPLACE, "%s `Tensor.%s_`"}};
    const char *forms = "";
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
        if (op->forms & FORMS[i].form)
            forms = text_format(FORMS[i].format, forms, op->base);
    for (int i = 0; i < SPACES_COUNT; i++)
        if (op->forms & SPACES[i].form)
            forms =
                text_format("%s `%s.%s`", forms, SPACES[i].module, python_name(op, SPACES[i].form));
    emit(o, "Forms:%s%s\n\n", forms, op->forms & FORM_OUT ? ", with `out=`" : "");
    const char *without = "";
    for (const struct rule *r = op->rules; r; r = r->next)
        for (int i = 0; !r->body && i < r->count; i++)
            without =
                text_format("%s%s%s", without, *without ? ", " : "", op->param[r->order[i]].name);
    if (*without)
        emit(o, "No gradient: %s.\n\n", without);
}

void emit_docs(struct out *o, const struct table *t)
{
    emit_text(o, "# Operators\n\nWritten from the operator table by opgen.\n\n");
    for (const struct op *op = t->first; op; op = op->next) {
        bool begun = false;
        for (const struct op *other = t->first; other != op; other = other->next)
            begun |= strcmp(other->family, op->family) == 0;
        if (begun)
            continue;
        emit(o, "## %s\n\n", op->family);
        for (const struct op *other = op; other; other = other->next)
            if (strcmp(other->family, op->family) == 0 && !(other->forms & FORM_INTERNAL))
                page(o, other);
    }
}
