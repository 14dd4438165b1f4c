/* _C.pyi, and linalg.pyi and its like: types for editors: Tensor's methods, and the functions of
 * the modules. */
#include "opgen.h"

#include <string.h>

static const char HEAD[] =
    "# Types of the operators, for editors (opgen writes this file from the operator table). What "
    "is\n"
    "# no operator stands in _objects.pyi.\n"
    "from typing import Any, NamedTuple, Optional, Sequence, Union, overload\n"
    "\n"
    "from flambeau._objects import *\n"
    "from flambeau._objects import Generator, Number, TensorBase, device, dtype\n"
    "\n"
    "_dtype = dtype\n"
    "_device = Union[device, str, int]\n"
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
                                        [TYPE_DTYPE] = "_dtype",
                                        [TYPE_DEVICE] = "_device",
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

/* The NamedTuple of an operator with several results that all have names ("values_indices"), or NULL.
 */
static const char *tuple_name(const struct op *op)
{
    const char *text = "_Results";
    for (int i = 0; i < op->results; i++) {
        if (!op->result[i].name)
            return NULL;
        text = text_format("%s_%s", text, op->result[i].name);
    }
    return op->results > 1 ? text : NULL;
}

/* Whether an operator before op, of one of the forms, has the same NamedTuple. */
static bool same_before(const struct table *t, const struct op *op, unsigned forms)
{
    for (const struct op *before = t->first; before != op; before = before->next)
        if (before->forms & forms && tuple_name(before) &&
            strcmp(tuple_name(before), tuple_name(op)) == 0)
            return true;
    return false;
}

/* Writes the NamedTuples, each once. */
static void tuples(struct out *o, const struct table *t)
{
    for (const struct op *op = t->first; op; op = op->next) {
        const char *name = tuple_name(op);
        if (!name || same_before(t, op, ~0u))
            continue;
        emit(o, "class %s(NamedTuple):\n", name);
        for (int i = 0; i < op->results; i++)
            emit(o, "    %s: Tensor\n", op->result[i].name);
        emit_text(o, "\n");
    }
}

static const char *result_text(const struct op *op)
{
    const char *text = "";
    if (tuple_name(op))
        return tuple_name(op);
    for (int i = 0; i < op->results; i++) {
        struct param p = {.type = op->result[i].type};
        if (op->result[i].optional)
            return "Any";
        const char *one = p.type == TYPE_TENSORS ? "tuple[Tensor, ...]" : type_text(&p);
        text = text_format("%s%s%s", text, i ? ", " : "", one);
    }
    return op->results == 1 ? text : op->results ? text_format("tuple[%s]", text) : "None";
}

/* A function of the module, a method of Tensor, or a function of a submodule, which a stub can only
 * show as a class of static methods. */
enum where { IN_MODULE, IN_TENSOR, IN_SUBMODULE };

/* Whether sizes or dims may stand one by one: they come first, and what follows has its name. */
static bool takes_many(const struct op *op, bool method)
{
    int first = method && op->params && strcmp(op->param[0].name, "self") == 0;
    if (first >= op->params || op->param[first].type != TYPE_INTS || op->param[first].value)
        return false;
    for (int i = first + 1; i < op->params; i++)
        if (!op->param[i].keyword_only)
            return false;
    return true;
}

static void definition(struct out *o, const struct op *op, const char *name, enum where where,
                       bool inplace, bool overloaded, bool many)
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
        if (many && p->type == TYPE_INTS && !p->keyword_only) {
            emit(o, "%s*%s: int", first ? "" : ", ", p->name);
            keywords = true, first = false;
            continue;
        }
        bool varargs = i == 0 && op->forms & (FORM_VARARGS | FORM_VARARGS_OR_LIST);
        if (p->keyword_only && !keywords)
            emit(o, "%s*", first ? "" : ", "), first = false;
        keywords |= p->keyword_only || varargs;
        emit(o, "%s%s%s%s: %s%s", first ? "" : ", ", varargs ? "*" : "",
             !method && strcmp(p->name, "self") == 0 ? "input" : p->name,
             is_keyword(p->name) ? "_" : "", varargs ? "Tensor" : type_text(p),
             p->value ? " = ..." : "");
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
    bool method = where == IN_TENSOR;
    for (const struct op *op = first; op; op = op->next_overload)
        if (has_form(op, form, inplace))
            total += 1 + takes_many(op, method);
    const char *name = text_format("%s%s", python_name(first, form), inplace ? "_" : "");
    if (is_keyword(name))
        return 0;
    for (const struct op *op = first; op; op = op->next_overload)
        for (int many = 0; has_form(op, form, inplace) && many <= takes_many(op, method); many++)
            definition(o, op, name, where, inplace, total > 1, many);
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

/* A submodule whose operators are all of a form: linalg.pyi. */
static void submodule(struct out *o, const struct table *t, unsigned form)
{
    emit_text(o, "# Types of the operators, for editors (opgen writes this file from the operator "
                 "table).\n"
                 "from typing import Any, Optional, Sequence, Union, overload\n"
                 "\n"
                 "from flambeau._C import Tensor, _device, _dtype\n"
                 "from flambeau._objects import Generator, Number\n");
    for (const struct op *op = t->first; op; op = op->next)
        if (op->forms & form && tuple_name(op) && !same_before(t, op, form))
            emit(o, "from flambeau._C import %s\n", tuple_name(op));
    emit_text(o, "\n");
    if (form == FORM_LINALG)
        emit_text(o, "class LinAlgError(RuntimeError): ...\n\n");
    names(o, t, form, IN_MODULE);
}

void emit_pyi(struct out *o, struct out *spaces, const struct table *t)
{
    emit_text(o, HEAD);
    emit_text(o, "class Tensor(TensorBase):\n");
    names(o, t, FORM_METHOD, IN_TENSOR);
    emit_text(o, "\n");
    tuples(o, t);
    names(o, t, FORM_FUNCTION, IN_MODULE);
    emit_text(o, "\nclass _nn:\n");
    names(o, t, FORM_NN, IN_SUBMODULE);
    emit_text(o, "\n");
    for (int i = SPACES_OWN; i < SPACES_COUNT; i++) {
        emit(o, "_%s: Any\n", SPACES[i].word);
        submodule(&spaces[i - SPACES_OWN], t, SPACES[i].form);
    }
}
