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

static void definition(struct out *o, const struct op *op, const char *name, bool method,
                       bool overloaded)
{
    const char *indent = method ? "    " : "";
    emit(o, "%s%sdef %s(", overloaded ? text_format("%s@overload\n", indent) : "", indent, name);
    bool keywords = false, first = true;
    if (method) {
        emit_text(o, "self");
        first = false;
    }
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
    if (!method && (op->forms & FORM_OUT) && strcmp(name, op->base) == 0)
        emit(o, "%s%sout: Optional[%s] = None", first ? "" : ", ", keywords ? "" : "*, ",
             result_text(op));
    emit(o, ") -> %s: ...\n", result_text(op));
}

static void names(struct out *o, const struct table *t, unsigned form, bool method)
{
    bool any = false;
    for (int inplace = 0; inplace < 2; inplace++)
        for (struct op *first = t->first; first; first = first->next) {
            int count = 0;
            if (first != table_find(t, first->base))
                continue;
            for (int pass = 0; pass < 2; pass++) {
                int total = count;
                for (const struct op *op = first; op; op = op->next_overload) {
                    bool here = inplace ? op->inplace_id && (method || (op->forms & form))
                                        : op->forms & form;
                    if (!here || is_keyword(op->base))
                        continue;
                    count++;
                    if (pass)
                        definition(o, op, inplace ? text_format("%s_", op->base) : op->base, method,
                                   total > 1);
                    any = true;
                }
            }
        }
    if (method && !any)
        emit_text(o, "    pass\n");
}

void emit_pyi(struct out *o, const struct table *t)
{
    emit_text(o, HEAD);
    emit_text(o, "class Tensor:\n");
    names(o, t, FORM_METHOD, true);
    emit_text(o, "    def __getattr__(self, name: str) -> Any: ...\n\n");
    names(o, t, FORM_FUNCTION, false);
    emit_text(o, "\ndef __getattr__(name: str) -> Any: ...\n");
}
