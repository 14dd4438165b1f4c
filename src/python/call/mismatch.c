/* The TypeError for a call whose arguments fit no overload, in PyTorch's words.
 *
 * Where one overload alone takes so many arguments, what is wrong with it is said ("argument
 * 'other' (position 1) must be Tensor, not str"); otherwise all overloads are listed.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "python/call/arguments.h"
#include "python/module/module.h"
#include "python/tensor/tensor_object.h"

/* A text that grows up to a bound and then is cut. */
struct text {
    size_t length;
    char data[4096];
};

static void append(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *t, const char *format, ...)
{
    assert(t->length < sizeof t->data);
    va_list args;
    size_t room = sizeof t->data - t->length;
    va_start(args, format);
    int n = vsnprintf(t->data + t->length, room, format, args);
    va_end(args);
    if (n > 0)
        t->length += (size_t)n < room ? (size_t)n : room - 1;
}

static const char *type_text(const struct op_param *p)
{
    switch (p->type) {
    case TYPE_TENSOR:
    case TYPE_OPERAND:
        return "Tensor";
    case TYPE_TENSORS:
        return "tuple of Tensors";
    case TYPE_INT:
        return "int";
    case TYPE_INTS:
        return "tuple of ints";
    case TYPE_FLOAT:
        return "float";
    case TYPE_FLOATS:
        return "tuple of floats";
    case TYPE_BOOL:
        return "bool";
    case TYPE_SCALAR:
        return "Number";
    case TYPE_DTYPE:
        return "torch.dtype";
    case TYPE_DEVICE:
        return "torch.device";
    case TYPE_LAYOUT:
        return "torch.layout";
    case TYPE_MEMORY_FORMAT:
        return "torch.memory_format";
    case TYPE_STRING:
        return "str";
    case TYPE_GENERATOR:
        return "torch.Generator";
    default:
        return "object";
    }
}

static const char *param_name(const struct op_param *p)
{
    return strcmp(p->name, "self") == 0 ? "input" : p->name;
}

static bool is_required(const struct op_param *p)
{
    return !p->has_default && (!p->optional || p->keyword_only);
}

static void append_default(struct text *t, const struct op_param *p)
{
    const fl_value *v = &p->value;
    if (!p->has_default || v->tag == FL_NONE)
        append(t, " = None");
    else if (v->tag == FL_BOOLEAN)
        append(t, " = %s", v->as.i ? "True" : "False");
    else if (v->tag == FL_INTEGER)
        append(t, " = %lld", (long long)v->as.i);
    else if (v->tag == FL_FLOATING)
        append(t, " = %g", v->as.f);
    else if (v->tag == FL_STRING)
        append(t, " = \"%s\"", v->as.string);
    else if (v->tag == FL_INTS)
        append(t, v->count ? " = %lld" : " = []", v->count ? (long long)v->as.ints[0] : 0);
    else
        append(t, " = None");
}

static bool takes_operand(const fl_op *op)
{
    bool found = false;
    for (int i = 0; i < op->params && !found; i++)
        found = op->param[i].type == TYPE_OPERAND;
    return found;
}

/* What the second of a pair of overloads lacks where it has the same types. */
static bool left_out(const struct op_param *p)
{
    return p->type == TYPE_GENERATOR || !(p->keyword_only || is_required(p));
}

/* "(Tensor input, Tensor other, *, Number alpha = 1)"; second: of a pair, in which what may be a
 * number is one, or what may be left out is. */
static void append_signature(struct text *t, const fl_op *op, bool method, bool second)
{
    const bool numbers = second && takes_operand(op);
    int self_at = method ? arguments_self(op) : -1;
    const char *comma = "";
    bool star = false;
    append(t, "(");
    for (int i = 0; i < op->params; i++) {
        const struct op_param *p = &op->param[i];
        if (i == self_at || (second && !numbers && left_out(p)))
            continue;
        if (p->keyword_only && !star) {
            append(t, "%s*", comma);
            comma = ", ", star = true;
        }
        append(t, "%s%s %s", comma, numbers && p->type == TYPE_OPERAND ? "Number" : type_text(p),
               param_name(p));
        if (!is_required(p))
            append_default(t, p);
        comma = ", ";
    }
    if (op->out && !method)
        append(t, "%s%s%s out = None", comma, star ? "" : "*, ",
               op->results == 1 ? "Tensor" : "tuple of Tensors");
    append(t, ")");
}

void mismatch_signature(char *text, size_t size, const fl_op *op, bool method)
{
    assert(size > 0);
    struct text t = {0};
    append_signature(&t, op, method, false);
    const size_t length = t.length < size ? t.length : size - 1;
    memcpy(text, t.data, length);
    text[length] = '\0';
}

static void append_given(struct text *t, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t keywords = kwnames ? PyTuple_Size(kwnames) : 0;
    append(t, "(");
    for (Py_ssize_t i = 0; i < nargs; i++)
        append(t, "%s%s", i ? ", " : "", python_type_name(args[i]));
    for (Py_ssize_t k = 0; k < keywords; k++) {
        const char *name = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(kwnames, k), NULL);
        append(t, "%s%s=%s", nargs || k ? ", " : "", name ? name : "?",
               python_type_name(args[nargs + k]));
    }
    append(t, keywords && !nargs ? ", )" : ")"); /* as PyTorch writes it */
}

/* Whether PyTorch has two overloads where one stands here: of these it lists all, but where so few
 * arguments are given that the one which asks for more is out of question. */
static bool some_stand_for_two(const struct python_name *name, Py_ssize_t given)
{
    bool found = false;
    for (int i = 0; i < name->count && !found; i++) {
        const fl_op *op = name->overloads[i];
        int needed = 0;
        for (int k = 0; k < op->params && !takes_operand(op); k++)
            if (!op->param[k].keyword_only && left_out(&op->param[k]))
                needed = k + 1;
        found = op->pairs && given >= needed;
    }
    return found;
}

static PyObject *raise_all(const struct python_name *name, bool method, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *kwnames)
{
    struct text t = {0};
    append(&t, "%s() received an invalid combination of arguments - got ", name->called);
    append_given(&t, args, nargs, kwnames);
    const bool one = name->count == 1 && !name->overloads[0]->pairs;
    append(&t, one ? ", but expected " : ", but expected one of:\n");
    for (int i = 0; i < name->count; i++)
        for (int numbers = 0; numbers <= name->overloads[i]->pairs; numbers++) {
            append(&t, one ? "" : " * ");
            append_signature(&t, name->overloads[i], method, numbers);
            append(&t, one ? "" : "\n");
        }
    PyErr_Clear();
    PyErr_SetString(PyExc_TypeError, t.data);
    return NULL;
}

/* How many arguments an overload takes, self of a method not counted. */
struct counts {
    int least, positional, most;
};

static struct counts counts_of(const fl_op *op, bool method)
{
    struct counts c = {0, 0, op->out && !method ? 1 : 0};
    int self_at = method ? arguments_self(op) : -1;
    for (int i = 0; i < op->params; i++) {
        if (i == self_at)
            continue;
        c.least += is_required(&op->param[i]);
        c.positional += !op->param[i].keyword_only;
        c.most++;
    }
    return c;
}

static PyObject *raise_missing(const char *name, const fl_op *op, int from, bool method)
{
    struct text t = {0};
    int missing = 0;
    for (int i = from; i < op->params; i++)
        if (is_required(&op->param[i]))
            append(&t, "%s\"%s\"", missing++ ? ", " : "", param_name(&op->param[i]));
    struct text english = {0}, chinese = {0};
    append(&english, "it is called as %s", name);
    append_signature(&english, op, method, false);
    append(&chinese, "它的调用形式是 %s", name);
    append_signature(&chinese, op, method, false);
    /* the plural is PyTorch's own */
    PyErr_Format(PyExc_TypeError, "%s() missing %d required positional argument%s: %s", name,
                 missing, missing == 1 ? "s" : "", t.data);
    return raise_hint(english.data, chinese.data);
}

static PyObject *raise_count(const char *name, struct counts c, bool method, Py_ssize_t nargs)
{
    if (c.most == 0 && method)
        return PyErr_Format(PyExc_TypeError, "TensorBase.%s() takes no arguments (%zd given)", name,
                            nargs);
    if (c.least != c.positional)
        return PyErr_Format(PyExc_TypeError,
                            "%s() takes from %d to %d positional arguments but %zd were given",
                            name, c.least, c.positional, nargs);
    return PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd %s given",
                        name, c.positional, c.positional == 1 ? "" : "s", nargs,
                        nargs == 1 ? "was" : "were");
}

/* The fix for what was given in the place of a tensor. NULL. */
static PyObject *__attribute__((cold)) hint_of_object(PyObject *o)
{
    if (PyTuple_Check(o) && PyTuple_Size(o) > 1 && pytensor_check(python_item(o, 0)))
        return raise_hint(
            "a tuple of several results, as an LSTM (output, (h, c)), max(dim) (values, indices) "
            "or "
            "a model that returns more than one gives it: take the one that is meant, "
            "output, state = lstm(x), or result[0]; in nn.Sequential a module of your own does it.",
            "传入的是多个结果组成的元组，例如 LSTM 的 (output, (h, c))、max(dim) 的"
            "（值, 下标），或返回多个值的模型：请取出需要的那个：output, state = lstm(x)，"
            "或 result[0]；在 nn.Sequential 里请写一个自己的模块来取。");
    if (python_is_sequence(o) && python_length(o) && PyUnicode_Check(python_item(o, 0)))
        return raise_hint(
            "these are texts: give each class a number, number = {'cat': 0, 'dog': 1}, "
            "and make torch.tensor([number[name] for name in names]), best in the "
            "dataset.",
            "传入的是字符串：请给每个类别编号 number = {'cat': 0, 'dog': 1}，"
            "再写 torch.tensor([number[name] for name in names])，最好放在数据集里。");
    if (python_is_sequence(o) && python_length(o) && pytensor_check(python_item(o, 0)))
        return raise_hint(
            "a list of tensors, such as the batch of a DataLoader: unpack it, `for x, "
            "y in loader`, or join it with torch.stack or torch.cat.",
            "传入的是张量的列表（例如 DataLoader 的一个批次）：请拆开："
            "for x, y in loader；或用 torch.stack、torch.cat 合并。");
    if (PyObject_TypeCheck(o, (PyTypeObject *)module_type))
        return raise_hint(
            "this is a module and no tensor: nn.ReLU(x) makes a layer, nn.ReLU()(x) or "
            "F.relu(x) applies one.",
            "传入的是模块而不是张量：nn.ReLU(x) 只是建立一个层，"
            "请写 nn.ReLU()(x) 或 F.relu(x)。");
    if (o == Py_None)
        return raise_hint("this is None: a function or forward without `return` gives None.",
                          "传入的是 None：没有 return 的函数或 forward 返回 None。");
    if (PyCallable_Check(o))
        return raise_hint("this is a function and not its result: call it, with brackets ().",
                          "传入的是函数而不是它的结果：请加括号 () 调用它。");
    return raise_hint(
        "make it a tensor first: torch.tensor(x), or torch.from_numpy(x) for an array, "
        "with .float() where the layer is of floats.",
        "请先转换为张量：torch.tensor(x)；NumPy 数组用 torch.from_numpy(x)；"
        "若该层是浮点类型，再加 .float()。");
}

/* The same for any parameter. */
static PyObject *__attribute__((cold)) hint_of_argument(const struct op_param *p, PyObject *o)
{
    if (p->type == TYPE_TENSOR)
        return hint_of_object(o);
    if (p->type == TYPE_TENSORS && pytensor_check(o))
        return raise_hint("the tensors are given as one list: torch.cat([a, b], dim=0).",
                          "请把张量放进一个列表：torch.cat([a, b], dim=0)。");
    if (p->type == TYPE_INTS && PyLong_Check(o))
        return raise_hint("a size is a tuple, also of one number: torch.randint(0, 10, (3,)).",
                          "大小要写成元组，一个数也一样：torch.randint(0, 10, (3,))。");
    if (p->type == TYPE_INTS && python_is_sequence(o))
        return raise_hint("sizes are whole numbers, and / always gives a float: use //, or int(n).",
                          "大小必须是整数，而除法 / 的结果总是浮点数：请用 //，或 int(n)。");
    return NULL;
}

/* Of a list of numbers, the first element that does not fit is the first of all: others have been
 * refused where they were read. */
static void raise_type(const char *name, const struct op_param *p, const struct mismatch *why)
{
    PyObject *o = why->object;
    const bool list = (p->type == TYPE_INTS || p->type == TYPE_FLOATS) && python_is_sequence(o) &&
                      python_length(o) > 0;
    char place[32] = "";
    if (why->position >= 0)
        snprintf(place, sizeof place, " (position %lld)", (long long)why->position + 1);
    PyErr_Format(PyExc_TypeError, "%s(): argument '%s'%s must be %s, %s%s%s", name, param_name(p),
                 place, type_text(p), list ? "but found element of type " : "not ",
                 python_type_name(list ? python_item(o, 0) : o), list ? " at pos 0" : "");
}

static PyObject *raise_one(const char *name, const fl_op *op, const struct mismatch *why,
                           bool method, Py_ssize_t nargs)
{
    const struct op_param *p = &op->param[why->param];
    const bool named = why->kind == MISMATCH_KEYWORD || why->kind == MISMATCH_TWICE;
    if (named && method && counts_of(op, method).most == 0)
        return PyErr_Format(PyExc_TypeError, "TensorBase.%s() takes no keyword arguments", name);
    switch (why->kind) {
    case MISMATCH_TOO_MANY:
        return raise_count(name, counts_of(op, method), method, nargs);
    case MISMATCH_MISSING:
        return raise_missing(name, op, why->param, method);
    case MISMATCH_KEYWORD:
        return PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", name,
                            why->object);
    case MISMATCH_TWICE:
        if (method && why->param == arguments_self(op))
            return PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                                name, why->object);
        return PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", name,
                            why->object);
    default:
        raise_type(name, p, why);
        return hint_of_argument(p, why->object);
    }
}

PyObject *mismatch_raise(const struct python_name *name, const struct mismatch *why, bool method,
                         bool old, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t given = nargs + (kwnames ? PyTuple_Size(kwnames) : 0);
    int plausible = 0, which = 0;
    for (int i = 0; i < name->count; i++) {
        struct counts c = counts_of(name->overloads[i], method);
        if (given >= c.least && given <= c.most)
            plausible++, which = i;
    }
    if (!some_stand_for_two(name, given) && (plausible == 1 || (name->count == 1 && !old)))
        return raise_one(name->called, name->overloads[which], &why[which], method, nargs);
    return raise_all(name, method, args, nargs, kwnames);
}
