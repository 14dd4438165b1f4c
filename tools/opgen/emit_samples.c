/* ops_samples.json: what the table says of each public operator, and its sample calls, for the test
 * that walks the table (tests/table). Nothing of it goes into the library. */
#include "opgen.h"

#include <string.h>

static const char *const TYPE_NAMES[] = {
    [TYPE_TENSOR] = "Tensor",       [TYPE_OPERAND] = "Tensor|Scalar",
    [TYPE_TENSORS] = "Tensor[]",    [TYPE_INT] = "int",
    [TYPE_INTS] = "int[]",          [TYPE_FLOAT] = "float",
    [TYPE_FLOATS] = "float[]",      [TYPE_BOOL] = "bool",
    [TYPE_SCALAR] = "Scalar",       [TYPE_DTYPE] = "dtype",
    [TYPE_DEVICE] = "device",       [TYPE_LAYOUT] = "layout",
    [TYPE_STRING] = "str",          [TYPE_MEMORY_FORMAT] = "memory_format",
    [TYPE_GENERATOR] = "Generator", [TYPE_NONE] = "None"};

/* JSON's quoting: of texts that came through the lexer, which have no control characters. */
static const char *quoted(const char *s)
{
    return text_format("\"%s\"", text_substitute(text_substitute(s, "\\", "\\\\"), "\"", "\\\""));
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

/* "formula", "none", "missing", "refused", or "" where the table says nothing. */
static const char *gradient_of(const struct op *op, int p)
{
    for (const struct rule *r = op->rules; r; r = r->next)
        if (r->params >> p & 1)
            return r->body ? "formula" : r->missing ? "missing" : r->refused ? "refused" : "none";
    return "";
}

static void words(struct out *o, const char *key, unsigned set, const char *const *names,
                  size_t count)
{
    emit(o, "  \"%s\": [", key);
    bool any = false;
    for (size_t i = 0; i < count; i++)
        if (set >> i & 1)
            emit(o, "%s\"%s\"", any ? ", " : "", names[i]), any = true;
    emit_text(o, "],\n");
}

/* An expression that hands its first parameter to one call takes what that takes. */
static unsigned accepts_of(const struct table *t, const struct op *op)
{
    const struct node *n = op->has_dtypes ? NULL : op->compose;
    if (!n || n->kind != NODE_CALL || !op->params || !n->child || n->child->keyword ||
        !node_is_name(n->child, op->param[0].name))
        return op->accepts;
    unsigned accepts = 0;
    for (const struct op *other = table_find(t, n->text); other; other = other->next_overload)
        if (other != op)
            accepts |= other->accepts;
    return op->accepts & (accepts | ACCEPT_UNSAID);
}

static void describe(struct out *o, const struct table *t, const struct op *op)
{
    static const char *const KINDS[] = {"", "pointwise", "reduce", "view", "kernel", "compose"};
    static const char *const FORMS[] = {"function", "method",          "inplace",    "out",
                                        "nn",       "special",         "linalg",     "internal",
                                        "varargs",  "varargs_or_list", "each",       "copy",
                                        "fft",      "masked",          "nn(inplace)"};
    static const char *const ACCEPTS[] = {"bool",   "int",      "float", "complex",
                                          "unsaid", "unsigned", "float8"};
    static const char *const RESULTS[] = {"promoted", "float", "sum", "bool",
                                          "int64",    "real",  "own"};
    emit(o, " {\"name\": \"%s\", \"base\": \"%s\", \"c\": \"fl_%s\", \"kind\": \"%s\",\n", op->name,
         op->base, c_function_name(t, op), KINDS[op->kind]);
    emit(o, "  \"place\": \"%s:%d\", \"family\": \"%s\",\n", op->place.file, op->place.line,
         op->family);
    words(o, "forms", op->forms, FORMS, sizeof FORMS / sizeof *FORMS);
    words(o, "accepts", accepts_of(t, op), ACCEPTS, 7);
    emit(o, "  \"result_dtype\": \"%s\", \"random\": %s, \"writes\": %s,\n",
         RESULTS[op->result_dtype], truth(op->random), truth(op->writes));
    emit_text(o, "  \"results\": [");
    for (int i = 0; i < op->results; i++)
        emit(o, "%s\"%s%s\"", i ? ", " : "", TYPE_NAMES[op->result[i].type],
             op->result[i].optional ? "?" : "");
    emit_text(o, "],\n  \"params\": [");
    for (int i = 0; i < op->params; i++) {
        const struct param *p = &op->param[i];
        emit(o,
             "%s\n   {\"name\": \"%s\", \"type\": \"%s\", \"optional\": %s, \"default\": %s,"
             " \"keyword\": %s, \"truth\": %s, \"list_size\": %d, \"grad\": \"%s\"}",
             i ? "," : "", p->name, TYPE_NAMES[p->type], truth(p->optional), truth(p->value),
             truth(p->keyword_only), truth(op->truths >> i & 1), p->list_size, gradient_of(op, i));
    }
    emit_text(o, "],\n  \"try\": [");
    for (const struct sample *s = op->samples; s; s = s->next) {
        const char *comma = "";
        emit(o, "%s{", s == op->samples ? "" : ", ");
        for (int i = 0; i < op->params; i++)
            if (s->value[i]) {
                emit(o, "%s\"%s\": %s", comma, op->param[i].name, quoted(s->value[i]));
                comma = ", ";
            }
        emit_text(o, "}");
    }
    emit_text(o, "]}");
}

void emit_samples(struct out *o, const struct table *t)
{
    const char *comma = "";
    emit_text(o, "[\n");
    for (const struct op *op = t->first; op; op = op->next) {
        if (op->forms & FORM_INTERNAL)
            continue;
        emit_text(o, comma);
        describe(o, t, op);
        comma = ",\n";
    }
    emit_text(o, "\n]\n");
}
