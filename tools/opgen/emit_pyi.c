/* _C.pyi: types for editors: Tensor's methods, and the functions of the module. */
#include "opgen.h"

#include <string.h>

static const char HEAD[] =
    "# Types of the operators, for editors (opgen writes this file from the operator table).\n"
    "from typing import Any, Optional, Sequence, Union, overload\n"
    "\n"
    "Number = Union[int, float, bool]\n"
    "dtype = Any\n"
    "device = Any\n"
    "Generator = Any\n"
    "\n";

static const char *const PYTHON_KEYWORDS[] = {
    "from", "in",   "is", "lambda", "def",    "class",  "None", "not",   "and",
    "or",   "with", "as", "pass",   "import", "global", "del",  "yield", "async"};

static bool is_keyword(const char *name)
{
    for (size_t i = 0; i < sizeof PYTHON_KEYWORDS / sizeof *PYTHON_KEYWORDS; i++)
        if (strcmp(PYTHON_KEYWORDS[i], name) == 0)
            return true;
    return false;
}

static const char *type_text(const struct param *p)
{
    static const char *const NAMES[] = {[TYPE_TENSOR] = "Tensor",
                                        [TYPE_OPERAND] = "Union[Tensor, Number]",
                                        [TYPE_TENSORS] = "Sequence[Tensor]",
                                        [TYPE_INT] = "int",
                                        [TYPE_INTS] = "Sequence[int]",
                                        [TYPE_FLOAT] = "float",
                                        [TYPE_FLOATS] = "Sequence[float]",
                                        [TYPE_BOOL] = "bool",
                                        [TYPE_SCALAR] = "Number",
                                        [TYPE_DTYPE] = "dtype",
                                        [TYPE_DEVICE] = "Union[device, str]",
                                        [TYPE_LAYOUT] = "Any",
                                        [TYPE_STRING] = "str",
                                        [TYPE_MEMORY_FORMAT] = "Any",
                                        [TYPE_GENERATOR] = "Generator",
                                        [TYPE_NONE] = "None"};
    const char *text = NAMES[p->type];
    if (p->type == TYPE_TENSORS && p->elements_optional)
        text = "Sequence[Optional[Tensor]]";
    if (p->type == TYPE_INTS)
        text = "Union[int, Sequence[int]]";
    return p->optional ? text_format("Optional[%s]", text) : text;
}

static const char *result_text(const struct op *op)
{
    const char *text = "";
    for (int i = 0; i < op->results; i++) {
        struct param p = {.type = op->result[i].type};
        const char *one = p.type == TYPE_TENSORS ? "tuple[Tensor, ...]" : type_text(&p);
        text = text_format("%s%s%s", text, i ? ", " : "", one);
    }
    return op->results == 1 ? text : op->results ? text_format("tuple[%s]", text) : "None";
}

/* A function of the module, a method of Tensor, or a function of a submodule, which a stub can only
 * show as a class of static methods. */
enum where { IN_MODULE, IN_TENSOR, IN_SUBMODULE };

static void definition(struct out *o, const struct op *op, const char *name, enum where where,
                       bool inplace, bool overloaded)
{
    const char *indent = where == IN_MODULE ? "" : "    ";
    bool method = where == IN_TENSOR, keywords = false, first = !method;
    if (where == IN_SUBMODULE)
        emit_text(o, "    @staticmethod\n");
    if (overloaded)
        emit(o, "%s@overload\n", indent);
    emit(o, "%sdef %s(%s", indent, name, method ? "self" : "");
    for (int i = 0; i < op->params; i++) {
        const struct param *p = &op->param[i];
        if (method && strcmp(p->name, "self") == 0)
            continue;
        if (p->keyword_only && !keywords)
            emit(o, "%s*", first ? "" : ", "), first = false;
        keywords |= p->keyword_only;
        emit(o, "%s%s%s: %s%s", first ? "" : ", ",
             !method && strcmp(p->name, "self") == 0 ? "input" : p->name,
             is_keyword(p->name) ? "_" : "", type_text(p), p->value ? " = ..." : "");
        first = false;
    }
    if (!method && (op->forms & FORM_OUT) && !inplace)
        emit(o, "%s%sout: Optional[%s] = None", first ? "" : ", ", keywords ? "" : "*, ",
             result_text(op));
    emit(o, ") -> %s: ...\n", result_text(op));
}

static bool has_form(const struct op *op, unsigned form, bool inplace)
{
    if (!inplace)
        return op->forms & form;
    return op->inplace_id && (form == FORM_METHOD || op->forms & form);
}

/* The overloads of one base name, which stand together. */
static int overloads(struct out *o, const struct op *first, unsigned form, enum where where,
                     bool inplace)
{
    int total = 0;
    for (const struct op *op = first; op; op = op->next_overload)
        total += has_form(op, form, inplace);
    const char *name = text_format("%s%s", python_name(first, form), inplace ? "_" : "");
    if (is_keyword(name))
        return 0;
    for (const struct op *op = first; op; op = op->next_overload)
        if (has_form(op, form, inplace))
            definition(o, op, name, where, inplace, total > 1);
    return total;
}

static void names(struct out *o, const struct table *t, unsigned form, enum where where)
{
    int total = 0;
    for (int inplace = 0; inplace < 2; inplace++)
        for (const struct op *op = t->first; op; op = op->next)
            if (op == table_find(t, op->base))
                total += overloads(o, op, form, where, inplace);
    if (where != IN_MODULE && !total)
        emit_text(o, "    pass\n");
}

void emit_pyi(struct out *o, const struct table *t)
{
    emit_text(o, HEAD);
    emit_text(o, "class Tensor:\n");
    names(o, t, FORM_METHOD, IN_TENSOR);
    emit_text(o, "    def __getattr__(self, name: str) -> Any: ...\n\n");
    names(o, t, FORM_FUNCTION, IN_MODULE);
    static const struct {
        const char *name;
        enum form form;
    } SUBMODULES[] = {
        {"_nn", FORM_NN}, {"_special", FORM_SPECIAL}, {"_linalg", FORM_LINALG}};
    for (size_t i = 0; i < sizeof SUBMODULES / sizeof *SUBMODULES; i++) {
        emit(o, "\nclass %s:\n", SUBMODULES[i].name);
        names(o, t, SUBMODULES[i].form, IN_SUBMODULE);
    }
    emit_text(o, "\ndef __getattr__(name: str) -> Any: ...\n");
}
