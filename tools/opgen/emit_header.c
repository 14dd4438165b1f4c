/* flambeau/ops/FAMILY.h: a typed inline function for each operator, over fl_call; flambeau/ops.h
 * includes all families. An operator adds no symbol to the library.
 *
 * They are written with flambeau/call.h. Valid C11 and C++17: no compound literals, no designated
 * initialisers.
 */
#include "opgen.h"

#include <ctype.h>
#include <string.h>

static const char HEAD[] =
    "/* The operators, as C functions, a header for each family (opgen writes them from the "
    "operator\n"
    " * table).\n"
    " *\n"
    " * Each is PyTorch's operator of that name. A tensor that is returned is a new reference, or "
    "the\n"
    " * scope's. A function given NULL for a tensor that is not optional fails at once; the error "
    "that\n"
    " * the thread has stays, and where it has none, it is told which argument was NULL. "
    "NAME_scalar\n"
    " * takes a number (fl_int, fl_float, fl_boolean) in the place of its last tensor; a name that "
    "ends\n"
    " * in _ writes its first argument in place. Lists and optional numbers are borrowed; {NULL, "
    "0},\n"
    " * NULL, -1 and FL_NO_DTYPE stand for \"none given\".\n"
    " */\n"
    "#ifndef FLAMBEAU_OPS_H\n"
    "#define FLAMBEAU_OPS_H\n"
    "\n";

/* Names that flambeau.h has for other things. */
static const char *const TAKEN[] = {
    "int",           "float",    "boolean", "none",     "tensor_value", "error",
    "retain",        "release",  "keep",    "scalar",   "ndim",         "size",
    "sizes",         "strides",  "numel",   "data",     "item",         "call",
    "grad",          "backward", "version", "dtype_of", "device_of",    "is_contiguous",
    "requires_grad", "item_int"};

static const char *const ENDS[] = {"_scalar", "_scalar_first"};

/* The name with what distinguishes it, before the _ that says in place. */
static const char *with_end(const char *name, const char *end)
{
    size_t n = strlen(name);
    bool inplace = n && name[n - 1] == '_';
    return text_format("%.*s%s%s", (int)(n - inplace), name, end, inplace ? "_" : "");
}

struct used {
    const char *name;
    struct used *next;
};
static struct used *names;

static const char *unused_name(const char *name)
{
    for (size_t i = 0; i < sizeof TAKEN / sizeof *TAKEN; i++)
        if (strcmp(TAKEN[i], name) == 0)
            name = text_format("%s_op", name);
    for (struct used *u = names; u; u = u->next)
        if (strcmp(u->name, name) == 0)
            return unused_name(text_format("%s_op", name));
    struct used *u = arena_alloc(sizeof *u);
    u->name = name, u->next = names;
    names = u;
    return name;
}

static const char *lower_case(const char *s)
{
    char *copy = text_copy(s, strlen(s));
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static const char *upper_case(const char *s)
{
    char *copy = text_copy(s, strlen(s));
    for (char *c = copy; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return copy;
}

static const char *const WRAP[] = {
    [TYPE_TENSOR] = "fl_tensor_value",
    [TYPE_OPERAND] = "fl_tensor_value",
    [TYPE_TENSORS] = "fl_ops_tensors",
    [TYPE_INT] = "fl_int",
    [TYPE_INTS] = "fl_ops_ints",
    [TYPE_FLOAT] = "fl_float",
    [TYPE_FLOATS] = "fl_ops_floats",
    [TYPE_BOOL] = "fl_boolean",
    [TYPE_SCALAR] = "",
    [TYPE_DTYPE] = "fl_ops_dtype",
    [TYPE_DEVICE] = "fl_ops_device",
    [TYPE_LAYOUT] = "fl_ops_enum",
    [TYPE_MEMORY_FORMAT] = "fl_ops_enum",
    [TYPE_STRING] = "fl_ops_string",
    [TYPE_GENERATOR] = "fl_ops_generator",
};

static const char *wrap(const struct param *p)
{
    if (p->optional && p->type == TYPE_INT)
        return "fl_ops_int";
    if (p->optional && p->type == TYPE_FLOAT)
        return "fl_ops_float";
    if (p->optional && p->type == TYPE_BOOL)
        return "fl_ops_bool";
    return WRAP[p->type];
}

static void function_head(struct out *o, const struct op *op, const char *name, int number)
{
    bool single = op->results == 1 && op->result[0].type == TYPE_TENSOR;
    emit(o, "static inline %sfl_%s(", single ? "fl_tensor *" : "int ", name);
    for (int i = 0; i < op->params; i++)
        emit(o, "%s%s%s", i ? ", " : "",
             i == number ? "fl_value " : ctype_internal(&op->param[i], KIND_KERNEL),
             op->param[i].cname);
    for (int i = 0; i < op->results && !single; i++) {
        static const char *const TYPES[] = {
            [TYPE_TENSOR] = "fl_tensor **", [TYPE_TENSORS] = "fl_value *",
            [TYPE_INT] = "int64_t *",       [TYPE_FLOAT] = "double *",
            [TYPE_BOOL] = "bool *",         [TYPE_SCALAR] = "fl_value *"};
        emit(o, "%s%s", i || op->params ? ", " : "", TYPES[op->result[i].type]);
        emit(o, op->results == 1 ? "y" : "y%d", i);
    }
    emit_text(o, op->params || !single ? ")\n{\n" : "void)\n{\n");
}

/* An in-place function gives its first argument back, and no reference to it. */
static void function_results(struct out *o, const struct op *op, bool inplace)
{
    if (op->results == 1 && op->result[0].type == TYPE_TENSOR) {
        const char *args = op->params ? "a" : "NULL";
        if (inplace)
            emit(o, "    return op && fl_call(op, %d, %s, 0, NULL) == 0 ? %s : NULL;\n", op->params,
                 args, op->param[0].cname);
        else
            emit(o, "    return fl_ops_call(op, %d, %s);\n", op->params, args);
        return;
    }
    emit(o, "    if (!op || fl_call(op, %d, %s, %d, r) != 0)\n        return -1;\n", op->params,
         op->params ? "a" : "NULL", op->results);
    for (int i = 0; i < op->results; i++) {
        static const char *const MEMBERS[] = {
            [TYPE_TENSOR] = ".as.tensor", [TYPE_TENSORS] = "", [TYPE_INT] = ".as.i",
            [TYPE_FLOAT] = ".as.f",       [TYPE_SCALAR] = "",  [TYPE_BOOL] = ".as.i != 0"};
        emit(o, op->results == 1 ? "    *y = " : "    *y%d = ", i);
        emit(o, "r[%d]%s;\n", i, MEMBERS[op->result[i].type]);
    }
    emit_text(o, "    return 0;\n");
}

/* number: the parameter that this variant takes as a number, or -1. */
static void function(struct out *o, const struct op *op, const char *name, const char *id,
                     const char *full_name, int number)
{
    bool single = op->results == 1 && op->result[0].type == TYPE_TENSOR;
    function_head(o, op, name, number);
    emit(o, "    FL_OPS_FIND(op_%s, \"%s\");\n", id, full_name);
    if (op->params)
        emit(o, "    fl_value a[%d];\n", op->params);
    if (!single && op->results)
        emit(o, "    fl_value r[%d];\n", op->results);
    else if (!single)
        emit_text(o, "    fl_value *r = NULL;\n");
    for (int i = 0; i < op->results && !single; i++)
        if (op->result[i].type == TYPE_TENSOR)
            emit(o, op->results == 1 ? "    *y = NULL;\n" : "    *y%d = NULL;\n", i);
    const char *test = "", *which = NULL;
    for (int i = op->params - 1; i >= 0; i--) {
        const char *p = op->param[i].cname;
        if (!type_is_tensor(op->param[i].type) || op->param[i].optional || i == number)
            continue;
        test = text_format("!%s%s%s", p, *test ? " || " : "", test);
        which = which ? text_format("!%s ? \"%s\" : %s", p, p, which) : text_format("\"%s\"", p);
    }
    if (which)
        emit(o, "    if (%s) {\n        fl_ops_null(\"fl_%s\", %s);\n        return %s;\n    }\n",
             test, name, which, single ? "NULL" : "-1");
    for (int i = 0; i < op->params; i++)
        emit(o, "    a[%d] = %s(%s);\n", i, i == number ? "" : wrap(&op->param[i]),
             op->param[i].cname);
    function_results(o, op, name[strlen(name) - 1] == '_');
    emit_text(o, "}\n");
}

static void comment(struct out *o, const struct op *op)
{
    const char *doc = op->doc ? op->doc : "", *at;
    while ((at = strstr(doc, "*/")))
        doc = text_format("%.*s* /%s", (int)(at - doc), doc, at + 2);
    emit(o, "\n/* %s%s", signature_text(op, NULL), *doc ? "\n * " : "");
    for (; *doc; doc++) {
        emit_text(o, *doc == '\n' ? "\n * " : text_copy(doc, 1));
    }
    emit_text(o, " */\n");
}

static void all_variants(struct out *o, const struct op *op, const char *name, const char *id,
                         const char *full_name)
{
    int numbers[2] = {-1, -1}, operands = 0;
    for (int i = 0; i < op->params; i++)
        if (op->param[i].type == TYPE_OPERAND)
            numbers[operands++ ? 0 : 1] = i;
    if (operands == 1) /* the only one is the last */
        numbers[0] = numbers[1], numbers[1] = -1;
    const char *own = unused_name(name);
    function(o, op, own, id, full_name, -1);
    for (int k = 0; k < 2; k++)
        if (numbers[k] >= 0)
            function(o, op, unused_name(with_end(own, ENDS[k])), id, full_name, numbers[k]);
}

/* The paragraph without overload has the base name, else the first; the others add their overload. */
const char *c_function_name(const struct table *t, const struct op *op)
{
    const struct op *plain = table_find(t, op->base);
    for (const struct op *o = plain; o; o = o->next_overload)
        if (!*o->overload)
            plain = o;
    const char *name =
        op == plain ? op->base : with_end(op->base, text_format("_%s", lower_case(op->overload)));
    if (op->cname)
        return op->cname;
    for (const struct op *other = table_find(t, op->base); other; other = other->next_overload)
        if (text_same(other->cname, name))
            return op->params ? text_format("%s_%s", name, op->param[0].name)
                              : text_format("%s_op", name);
    return name;
}

/* The family's header, begun where this is its first operator. */
static struct out *header_of(struct header **list, const char *family)
{
    while (*list && strcmp((*list)->family, family) != 0)
        list = &(*list)->next;
    if (!*list) {
        struct header *h = *list = arena_alloc(sizeof *h);
        const char *guard = upper_case(family);
        h->family = family;
        h->out = (struct out){.name = text_format("flambeau/ops/%s.h", family), .line = 1};
        emit(&h->out,
             "/* Operators of src/ops/%s, as C functions: see flambeau/ops.h, which includes all. "
             "*/\n"
             "#ifndef FLAMBEAU_OPS_%s_H\n#define FLAMBEAU_OPS_%s_H\n\n"
             "#include \"flambeau/call.h\"\n",
             family, guard, guard);
    }
    return &(*list)->out;
}

struct header *emit_header(struct out *o, const struct table *t)
{
    struct header *families = NULL;
    for (int internal = 0; internal < 2; internal++) {
        for (struct header *h = families; h; h = h->next)
            emit_text(&h->out, "\n#ifdef FLAMBEAU_INTERNAL\n");
        for (const struct op *op = t->first; op; op = op->next) {
            struct out *header = header_of(&families, op->family);
            if (!!(op->forms & FORM_INTERNAL) != internal)
                continue;
            const char *name = c_function_name(t, op);
            comment(header, op);
            all_variants(header, op, name, op->id, op->name);
            if (op->inplace_name)
                all_variants(header, op, text_format("%s_", name), op->inplace_id,
                             op->inplace_name);
        }
    }
    emit_text(o, HEAD);
    for (struct header *h = families; h; h = h->next) {
        emit_text(&h->out, "#endif\n\n#endif\n");
        emit(o, "#include \"%s\"\n", h->out.name);
    }
    emit_text(o, "\n#endif\n");
    return families;
}
