/* ops_python.c: what the extension module's types and namespaces are filled with. An entry is a
 * stub that hands its arguments, and the overloads of its name, to the argument parser. */
#include "opgen.h"

#include <string.h>

/* As many as the argument parser takes (src/python/call/arguments.h). */
enum { OVERLOADS_MAX = 16 };

/* One Python name in one place (a method of Tensor, a function of the module...). */
struct name {
    const char *python; /* "add_" */
    const struct op *op[OVERLOADS_MAX];
    const char *id[OVERLOADS_MAX];
    int count;
    struct name *next;
};

static void add(struct name **list, const char *python, const struct op *op, const char *id)
{
    while (*list && strcmp((*list)->python, python) != 0)
        list = &(*list)->next;
    if (!*list) {
        *list = arena_alloc(sizeof **list);
        (*list)->python = python;
    }
    struct name *n = *list;
    if (n->count == OVERLOADS_MAX) {
        complain(op->place, "more than %d overloads of %s", OVERLOADS_MAX, python);
        return;
    }
    n->op[n->count] = op;
    n->id[n->count++] = id;
}

static struct name *collect(const struct table *t, unsigned form)
{
    struct name *list = NULL;
    for (const struct op *op = t->first; op; op = op->next) {
        bool here = op->forms & form;
        if (here)
            add(&list, python_name(op, form), op, op->id);
        bool inplace = form == FORM_METHOD || here;
        if (op->inplace_id && inplace && !(op->forms & FORM_INTERNAL))
            add(&list, text_format("%s_", python_name(op, form)), op, op->inplace_id);
    }
    return list;
}

/* "relu(input, inplace=False)\n--\n\n...", as inspect reads it. */
static const char *functional_text(const struct name *n)
{
    const struct op *op = n->op[0];
    const char *parameters = strstr(signature_text(op, n->python), "(self") + strlen("(self");
    size_t length = strcspn(parameters, ")");
    return text_format("%s(input%s, inplace=False)\n--\n\n%s", n->python,
                       text_copy(parameters, length), op->doc ? op->doc : "");
}

/* Whether the function takes `inplace`, which chooses the form whose name ends in "_". */
static bool takes_inplace(const struct name *n, unsigned form)
{
    return form == FORM_NN && n->op[0]->forms & FORM_NN_INPLACE &&
           strcmp(n->id[0], n->op[0]->id) == 0;
}

/* The one signature of all overloads, as inspect reads it; NULL where they differ. */
static const char *common_signature(const struct name *n)
{
    const char *first = signature_text(n->op[0], n->python), *arrow = strstr(first, ") -> ");
    for (int i = 1; i < n->count; i++)
        if (strcmp(signature_text(n->op[i], n->python), first) != 0)
            return NULL;
    if (!arrow)
        return NULL;
    const char *text = text_format("%s)\n--", text_copy(first, (size_t)(arrow - first)));
    return strstr(text, "(self") ? text_substitute(text, "(self", "(input") : text;
}

static const char *doc_text(const struct name *n, unsigned form)
{
    const char *text = form == FORM_NN ? common_signature(n) : NULL;
    int known = text ? n->count : 0;
    if (!text)
        text = "";
    for (int i = known; i < n->count; i++)
        text = text_format("%s%s%s", text, i ? "\n" : "", signature_text(n->op[i], n->python));
    for (int i = 0; i < n->count; i++)
        if (n->op[i]->doc)
            return text_format("%s\n\n%s", text, n->op[i]->doc);
    return text;
}

/* What errors call the function: by its operator's name where that says the namespace. */
static const char *called(const struct name *n)
{
    return strstr(n->op[0]->base, n->python) ? n->op[0]->base : n->python;
}

/* The function of the argument parser that a Python function hands its arguments to. */
static const char *parser_of(const struct name *n, unsigned form)
{
    unsigned forms = n->op[0]->forms;
    if (form == FORM_METHOD)
        return "arguments_call_method";
    return forms & FORM_VARARGS           ? "arguments_call_varargs"
           : forms & FORM_VARARGS_OR_LIST ? "arguments_call_varargs_or_list"
           : forms & FORM_EACH            ? "arguments_call_each"
                                          : "arguments_call_function";
}

/* PREFIX_NAME for each name, and the array ops_PREFIX of them; home: where Python finds them. */
static void emit_names(struct out *o, const struct table *t, unsigned form, const char *prefix,
                       const char *home)
{
    struct name *list = collect(t, form);
    for (const struct name *n = list; n; n = n->next) {
        emit(o, "static const fl_op *const overloads_%s_%s[] = {", prefix, n->python);
        for (int i = 0; i < n->count; i++)
            emit(o, "%s&op_%s", i ? ", " : "", n->id[i]);
        emit(o,
             "};\nstatic const struct python_name name_%s_%s = {\"%s\", %d, overloads_%s_%s, "
             "\"%s\", \"%s\"};\n",
             prefix, n->python, n->python, n->count, prefix, n->python,
             takes_inplace(n, form) ? "functional" : home, called(n));
        if (takes_inplace(n, form))
            emit(o, "static const struct python_name name_%s_%s_;\n", prefix, n->python);
        emit(o,
             "static PyObject *%s_%s(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject "
             "*kw)\n{\n",
             prefix, n->python);
        const char *parser = parser_of(n, form);
        if (form == FORM_METHOD)
            emit(o, "    return %s(&name_%s_%s, self, args, n, kw);\n}\n", parser, prefix,
                 n->python);
        else if (takes_inplace(n, form))
            emit(o,
                 "    (void)self;\n    return arguments_call_inplace(&name_%s_%s, &name_%s_%s_, "
                 "args, n, kw);\n}\n",
                 prefix, n->python, prefix, n->python);
        else
            emit(o, "    (void)self;\n    return %s(&name_%s_%s, args, n, kw);\n}\n", parser,
                 prefix, n->python);
    }
    emit(o, "%sPyMethodDef ops_%s[] = {\n", *home == '_' ? "static " : "", prefix);
    for (const struct name *n = list; n; n = n->next)
        emit(o,
             "    {\"%s\", (PyCFunction)(void (*)(void))%s_%s, METH_FASTCALL | METH_KEYWORDS,\n    "
             " \"%s\"},\n",
             n->python, prefix, n->python,
             text_quote(takes_inplace(n, form) ? functional_text(n) : doc_text(n, form)));
    emit_text(o, "    {NULL, NULL, 0, NULL},\n};\n\n");
}

void emit_python(struct out *o, const struct table *t)
{
    emit_text(o, "/* Python's names for the operators (opgen writes this file). */\n"
                 "#include \"python/call/arguments.h\"\n\n#include \"ops_table.h\"\n\n");
    emit_names(o, t, FORM_METHOD, "methods", "Tensor");
    emit_names(o, t, FORM_FUNCTION, "functions", "");
    const char *list = "";
    for (int i = 0; i < SPACES_COUNT; i++) {
        emit_names(o, t, SPACES[i].form, SPACES[i].word, text_format("_%s", SPACES[i].word));
        list = text_format("%s    {\"_%s\", \"flambeau._C._%s\", ops_%s},\n", list, SPACES[i].word,
                           SPACES[i].word, SPACES[i].word);
    }
    emit(o, "const struct python_space ops_spaces[] = {\n%s    {0},\n};\n", list);
}
