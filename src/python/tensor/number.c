/* Tensor's operators: arithmetic and comparison with tensors and numbers on either side, in place,
 * and as a Python number.
 *
 * An operator's overloads are looked up once by the operator's name. Both operands become values on
 * the stack, the first overload that takes values of these kinds is called; a number where only a
 * tensor is taken becomes a tensor of no dimension that is weak in type promotion.
 */
#include <assert.h>
#include <string.h>

#include "core/advice.h"
#include "python/call/arguments.h"
#include "python/call/overrides.h"

enum { OVERLOADS = 6 };

struct operator_row {
    const char *base;
    int count; /* -1: not looked up yet */
    const fl_op *overload[OVERLOADS];
    struct operator_row *reflected; /* for a number on the left: called with the tensor first */
    const char *method, *reverse;   /* what __torch_function__ sees: the method, and the one that a
                                       number on the left calls */
};

static void look_up(struct operator_row *row)
{
    row->count = 0;
    for (int i = 0; i < ops_count && row->count < OVERLOADS; i++) {
        const fl_op *op = ops_all[i];
        if (op->form == FORM_FUNCTION && strcmp(op->base, row->base) == 0)
            row->overload[row->count++] = op;
    }
}

/* How well a value suits a parameter: 2 as it is, 1 as a tensor made of it, 0 not at all. */
static int suits(const struct op_param *p, const fl_value *v)
{
    bool is_tensor = v->tag == FL_TENSOR;
    switch (p->type) {
    case TYPE_OPERAND:
        return 2;
    case TYPE_TENSOR:
        return is_tensor ? 2 : 1;
    case TYPE_SCALAR:
        return is_tensor ? 0 : 2;
    default:
        return 0;
    }
}

/* The overload that takes the values most directly. */
static const fl_op *choose(struct operator_row *row, const fl_value *values, int count)
{
    assert(count == 1 || count == 2);
    if (row->count < 0)
        look_up(row);
    const fl_op *best = NULL;
    int best_fit = 0;
    for (int i = 0; i < row->count; i++) {
        const fl_op *op = row->overload[i];
        int fit = op->params >= count ? 1 << count : 0;
        for (int k = 0; k < count && fit; k++) {
            int one = suits(&op->param[k], &values[k]);
            fit = one == 0 ? 0 : fit - (one == 1);
        }
        if (fit > best_fit)
            best = op, best_fit = fit;
        if (fit == 1 << count)
            break;
    }
    return best;
}

/* A tensor or a number as a value: 1, 0, -1. Notes where a tensor's class wants to see the call. */
static inline int operand(struct arguments *a, PyObject *o, fl_value *v)
{
    if (!Py_IS_TYPE(o, pytensor_type)) {
        if (!pytensor_is_subclass(o))
            return data_number(o, v);
        a->shown |= overrides_asks(o);
    }
    v->tag = FL_TENSOR, v->as.tensor = pytensor_get(o);
    return 1;
}

/* The same of an operand whose int is too wide for a value by itself, beside the other. */
static int operand_beside(PyObject *o, PyObject *other, fl_value *v)
{
    return pytensor_check(other) ? data_wide_number(o, pytensor_get(other)->dtype, v) : -1;
}

/* Both operands as values: 1; 0 when one is neither tensor nor number; -1; 2 when the call is to be
 * shown to a class or a mode. */
static inline int operands(struct arguments *a, PyObject *x, PyObject *y)
{
    a->shown = overrides_modes && overrides_mode_here();
    int left = operand(a, x, &a->value[0]);
    if (left < 0)
        left = operand_beside(x, y, &a->value[0]);
    int right = left > 0 ? operand(a, y, &a->value[1]) : left;
    if (left > 0 && right < 0)
        right = operand_beside(y, x, &a->value[1]);
    if (right == 0 && overrides_any(NULL, (PyObject *[]){x, y}, 2))
        return 2;
    return right > 0 && a->shown ? 2 : right;
}

/* A TypeError of an operator leaves it to the other operand. */
static PyObject *leave(PyObject *result)
{
    if (result || !PyErr_ExceptionMatches(PyExc_TypeError))
        return result;
    PyErr_Clear();
    Py_RETURN_NOTIMPLEMENTED;
}

/* Shows x (operator) y, as the method of the one of them that is a tensor. */
static PyObject *show(const struct operator_row *row, PyObject *x, PyObject *y)
{
    return leave(pytensor_check(x) ? overrides_method(row->method, x, y, NULL)
                                   : overrides_method(row->reverse, y, x, NULL));
}

/* Numbers where the operator takes tensors alone become tensors, kept in made[] for release. */
static int make_tensors(const fl_op *op, fl_value *values, int count, fl_tensor **made)
{
    assert(count >= 0 && count <= OP_PARAMS);
    int failed = 0;
    for (int k = 0; k < count; k++) {
        made[k] = NULL;
        if (op->param[k].type != TYPE_TENSOR || values[k].tag == FL_TENSOR)
            continue;
        made[k] = tensor_from_number(values[k], number_dtype(&values[k]));
        failed |= !made[k];
        if (made[k])
            made[k]->flags |= TENSOR_WRAPPED_NUMBER;
        values[k] = fl_tensor_value(made[k]);
    }
    return failed;
}

static PyObject *run(const fl_op *op, struct arguments *a, int count)
{
    assert(count == 1 || count == 2);
    fl_tensor *made[2];
    fl_value result;
    for (int i = count; i < op->params; i++)
        a->value[i] = op->param[i].has_default ? op->param[i].value : fl_none();
    int failed = make_tensors(op, a->value, count, made) || arguments_run(op, a, &result) != 0;
    for (int k = 0; k < count; k++)
        if (made[k])
            tensor_release(made[k]);
    return failed                    ? raise_error()
           : result.tag == FL_TENSOR ? pytensor_wrap(result.as.tensor)
                                     : results_wrap(op, &result);
}

static PyObject *binary(struct operator_row *row, PyObject *x, PyObject *y)
{
    struct arguments a;
    int fits = operands(&a, x, y);
    if (fits != 1) {
        if (fits == 2)
            return show(row, x, y);
        if (fits < 0)
            return NULL;
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (row->reflected && a.value[0].tag != FL_TENSOR) {
        fl_value number = a.value[0];
        a.value[0] = a.value[1], a.value[1] = number;
        row = row->reflected;
    }
    const fl_op *op = choose(row, a.value, 2);
    if (!op)
        Py_RETURN_NOTIMPLEMENTED;
    return run(op, &a, 2);
}

static PyObject *binary_inplace(struct operator_row *row, const char *method, PyObject *x,
                                PyObject *y)
{
    struct arguments a;
    int fits = operands(&a, x, y);
    if (fits < 0 || fits == 2)
        return fits < 0 ? NULL : leave(overrides_method(method, x, y, NULL));
    const fl_op *op = fits ? choose(row, a.value, 2) : NULL;
    if (!op || !op->inplace)
        Py_RETURN_NOTIMPLEMENTED;
    return run(op->inplace, &a, 2);
}

static PyObject *unary(struct operator_row *row, PyObject *x)
{
    struct arguments a;
    a.shown = overrides_modes && overrides_mode_here();
    operand(&a, x, &a.value[0]);
    if (a.shown)
        return overrides_method(row->method, x, NULL, NULL);
    const fl_op *op = choose(row, a.value, 1);
    return op ? run(op, &a, 1) : PyErr_Format(PyExc_NotImplementedError, "operator %s", row->base);
}

/* One row and its functions for each operator; `x` and `y` in either order, as Python calls
 * reflected operators. */
#define BINARY(name, base, reflected, method, reverse)                                             \
    static struct operator_row row_##name = {base, -1, {0}, reflected, method, reverse};           \
    static PyObject *number_##name(PyObject *x, PyObject *y)                                       \
    {                                                                                              \
        return binary(&row_##name, x, y);                                                          \
    }
#define BINARY_INPLACE(name, base, reflected, method, reverse, written)                            \
    BINARY(name, base, reflected, method, reverse)                                                 \
    static PyObject *number_##name##_inplace(PyObject *x, PyObject *y)                             \
    {                                                                                              \
        return binary_inplace(&row_##name, written, x, y);                                         \
    }
#define UNARY(name, base, method)                                                                  \
    static struct operator_row row_##name = {base, -1, {0}, NULL, method, method};                 \
    static PyObject *number_##name(PyObject *x)                                                    \
    {                                                                                              \
        return unary(&row_##name, x);                                                              \
    }

BINARY_INPLACE(add, "add", &row_add, "add", "add", "add_")

/* total += loss, of results alone: looked at now and then, for what the sum may keep alive. */
static PyObject *accumulate(PyObject *x, PyObject *y)
{
    static struct advice advice = {
        .name = "losses_kept",
        .english = "A running total of losses is computed with their history: it keeps what each "
                   "step recorded, and memory grows with every step.\n"
                   "hint: add numbers, total += loss.item().",
        .chinese = "损失的累计值带着计算图：它保留了每一步的记录，内存逐步增长。\n"
                   "提示：请累加数值：total += loss.item()。"};
    static unsigned seen;
    assert(pytensor_check(x));
    const fl_tensor *total = pytensor_get(x), *loss = pytensor_check(y) ? pytensor_get(y) : NULL;
    bool kept = loss && !total->ndim && !loss->ndim && autograd_mode.grad && total->autograd &&
                total->autograd->node && loss->autograd && loss->autograd->node;
    if (kept && ++seen >= 16 && !(seen & (seen - 1))) {
        atomic_store(&advice.given, 0); /* the listener may have declined another sum before */
        if (advice_give(&advice))
            return raise_error();
    }
    return number_add_inplace(x, y);
}

static struct operator_row row_rsub = {.base = "rsub", .count = -1};
BINARY_INPLACE(sub, "sub", &row_rsub, "sub", "__rsub__", "sub_")
BINARY_INPLACE(mul, "mul", &row_mul, "mul", "mul", "mul_")
static struct operator_row row_rdiv = {.base = "_rdiv", .count = -1};
BINARY_INPLACE(div, "div", &row_rdiv, "div", "__rdiv__", "div_")
BINARY_INPLACE(floor_divide, "floor_divide", NULL, "__floordiv__", "__rfloordiv__", "floor_divide_")
BINARY_INPLACE(remainder, "remainder", NULL, "remainder", "__rmod__", "remainder_")
BINARY_INPLACE(power, "pow", NULL, "pow", "__rpow__", "pow_")
BINARY_INPLACE(and, "bitwise_and", &row_and, "__and__", "__rand__", "__iand__")
BINARY_INPLACE(or, "bitwise_or", &row_or, "__or__", "__ror__", "__ior__")
BINARY_INPLACE(xor, "bitwise_xor", &row_xor, "__xor__", "__rxor__", "__ixor__")
BINARY_INPLACE(left_shift, "bitwise_left_shift", NULL, "__lshift__", "__rlshift__", "__ilshift__")
BINARY_INPLACE(right_shift, "bitwise_right_shift", NULL, "__rshift__", "__rrshift__", "__irshift__")
BINARY(lt, "lt", NULL, "lt", "gt")
BINARY(le, "le", NULL, "le", "ge")
static struct operator_row row_eq = {"eq", -1, {0}, NULL, "__eq__", "__eq__"};
static struct operator_row row_ne = {"ne", -1, {0}, NULL, "ne", "ne"};
BINARY(gt, "gt", NULL, "gt", "lt")
BINARY(ge, "ge", NULL, "ge", "le")
UNARY(neg, "neg", "neg")
UNARY(abs, "abs", "abs")
UNARY(invert, "bitwise_not", "__invert__")

/* Equality with a NumPy array, which leaves it to us: of the elements, all the same. */
static PyObject *equality(struct operator_row *row, PyObject *x, PyObject *y)
{
    PyObject *result = binary(row, x, y);
    if (result != Py_NotImplemented || !exchange_is_array(y))
        return result;
    fl_tensor *array;
    int fits = exchange_import(y, &array, NULL);
    if (fits <= 0)
        return fits < 0 ? (Py_DECREF(result), NULL) : result;
    Py_DECREF(result);
    PyObject *wrapped = pytensor_wrap(array);
    result = wrapped ? binary(row, x, wrapped) : NULL;
    Py_XDECREF(wrapped);
    return result;
}

/* A NumPy array on the left leaves the quotient to us: its product with the reciprocal, which is
 * NumPy's again. */
static PyObject *quotient(PyObject *x, PyObject *y)
{
    PyObject *result = number_div(x, y);
    if (result != Py_NotImplemented || !exchange_is_array(x))
        return result;
    Py_DECREF(result);
    PyObject *reciprocal = PyObject_CallMethod(y, "reciprocal", NULL);
    result = reciprocal ? PyNumber_Multiply(reciprocal, x) : NULL;
    Py_XDECREF(reciprocal);
    return result;
}

static struct operator_row row_matmul = {"matmul", -1, {0}, NULL, "matmul", "__rmatmul__"};

static PyObject *number_matmul(PyObject *x, PyObject *y)
{
    if (!pytensor_check(x) || !pytensor_check(y)) {
        if (overrides_any(NULL, (PyObject *[]){x, y}, 2))
            return show(&row_matmul, x, y);
        Py_RETURN_NOTIMPLEMENTED;
    }
    return binary(&row_matmul, x, y);
}

static PyObject *number_pow(PyObject *x, PyObject *y, PyObject *modulus)
{
    if (modulus != Py_None)
        Py_RETURN_NOTIMPLEMENTED;
    return number_power(x, y);
}

static PyObject *number_pow_inplace(PyObject *x, PyObject *y, PyObject *modulus)
{
    if (modulus != Py_None)
        Py_RETURN_NOTIMPLEMENTED;
    return number_power_inplace(x, y);
}

static PyObject *number_positive(PyObject *x)
{
    if (overrides_wants(x))
        return overrides_method("positive", x, NULL, NULL);
    OPERATOR(positive, "positive");
    fl_tensor *t = pytensor_get(x);
    return t->dtype != FL_BOOL ? Py_NewRef(x) : pytensor_wrap(pytensor_call(positive, t, NULL));
}

static PyObject *number_compare(PyObject *x, PyObject *y, int operation)
{
    switch (operation) {
    case Py_LT:
        return number_lt(x, y);
    case Py_LE:
        return number_le(x, y);
    case Py_EQ:
        return equality(&row_eq, x, y);
    case Py_NE:
        return equality(&row_ne, x, y);
    case Py_GT:
        return number_gt(x, y);
    default:
        return number_ge(x, y);
    }
}

/* ---- As a Python number ---------------------------------------------------------------------- */

static int number_truth(PyObject *self)
{
    if (overrides_wants(self)) {
        PyObject *shown = overrides_method("__bool__", self, NULL, NULL);
        int truth = shown ? PyObject_IsTrue(shown) : -1;
        Py_XDECREF(shown);
        return truth;
    }
    const fl_tensor *t = pytensor_get(self);
    if (t->numel != 1) {
        PyErr_SetString(PyExc_RuntimeError,
                        t->numel ? "Boolean value of Tensor with more than one value is ambiguous"
                                 : "Boolean value of Tensor with no values is ambiguous");
        raise_hint(
            "a condition needs one truth: (x > 0).any() or (x > 0).all(), or torch.where for "
            "a choice element by element; conditions of elements are joined by & | ~ in brackets, "
            "not by `and`, `or`, `not`; `is not None` asks whether there is a tensor.",
            "条件只能是一个真假值，而张量有多个元素：请写 (x > 0).any() 或 (x > 0).all()；"
            "逐元素的选择用 torch.where；逐元素的条件用 & | ~（加括号）连接，而不是 and、or、not；"
            "判断有没有张量用 is not None。");
        return -1;
    }
    if (t->lanes) {
        PyErr_SetString(PyExc_RuntimeError,
                        "vmap: It looks like you're attempting to use a Tensor in some "
                        "data-dependent control flow. We don't support that yet, please file an "
                        "issue at https://github.com/pytorch/pytorch/issues .");
        return -1;
    }
    if (!data_one(t))
        return -1;
    fl_value v = tensor_number(t, 0);
    return number_real(&v) != 0 || number_imag(&v) != 0 || number_real(&v) != number_real(&v);
}

static bool is_single(const fl_tensor *t)
{
    if (t->numel == 1)
        return data_one(t);
    PyErr_SetString(PyExc_ValueError,
                    "only one element tensors can be converted to Python scalars");
    raise_hint(
        "reduce it to one element first (mean, sum), or index the element you mean; functions of "
        "math are of single numbers, and torch's of all elements, torch.sqrt(x).",
        "请先归约为单个元素（mean、sum），或用下标取出所需元素；math 的函数只处理单个数，"
        "对所有元素请用 torch 的函数，例如 torch.sqrt(x)。");
    return false;
}

/* Tells once that a number forgets what it was computed from; false with an exception. */
static bool warn_of_number(const fl_tensor *t)
{
    static bool told;
#define CONVERTING                                                                                 \
    "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"   \
    "Consider using tensor.detach() first.\n"
    bool first = !told && autograd_mode.grad && tensor_requires_grad(t);
    told |= first;
    return !first ||
           PyErr_WarnEx(PyExc_UserWarning,
                        error_speaks_chinese()
                            ? CONVERTING "提示：得到的数不再带计算图，不能用来训练；"
                                         "若只是要数值，请写 x.item()。"
                            : CONVERTING "hint: the number has no graph, and nothing is trained "
                                         "through it; where the value is meant: x.item().",
                        1) == 0;
#undef CONVERTING
}

static bool is_real(const fl_value *v, const char *type)
{
    if (number_imag(v) == 0)
        return true;
    PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", type);
    return false;
}

/* t's one element, where it is converted to a float: one of uint64 beyond int64 is one already. */
static fl_value as_number(const fl_tensor *t)
{
    fl_value v = tensor_number(t, 0);
    bool beyond = t->dtype == FL_UINT64 && v.as.i < 0;
    return beyond ? fl_float((double)(uint64_t)v.as.i) : v;
}

static PyObject *method_complex(PyObject *self, PyObject *unused)
{
    const fl_tensor *t = pytensor_get(self);
    (void)unused;
    if (!is_single(t))
        return NULL;
    fl_value v = as_number(t);
    return PyComplex_FromDoubles(number_real(&v), number_imag(&v));
}

/* t's one element, an integer or a bool, as a Python int. */
static PyObject *whole_number(const fl_tensor *t)
{
    return t->dtype == FL_UINT64 ? data_item(t, 0) : PyLong_FromLongLong(tensor_element(t, 0).as.i);
}

static PyObject *number_int(PyObject *self)
{
    if (overrides_wants(self))
        return overrides_method("__int__", self, NULL, NULL);
    const fl_tensor *t = pytensor_get(self);
    if (!is_single(t) || !warn_of_number(t))
        return NULL;
    fl_value v = tensor_number(t, 0);
    if (!is_real(&v, "int64_t"))
        return NULL;
    return v.tag == FL_FLOATING || v.tag == FL_COMPLEX ? PyLong_FromDouble(number_real(&v))
                                                       : whole_number(t);
}

static PyObject *number_float(PyObject *self)
{
    if (overrides_wants(self))
        return overrides_method("__float__", self, NULL, NULL);
    const fl_tensor *t = pytensor_get(self);
    if (!is_single(t) || !warn_of_number(t))
        return NULL;
    fl_value v = as_number(t);
    return is_real(&v, "double") ? PyFloat_FromDouble(number_real(&v)) : NULL;
}

static PyObject *number_index(PyObject *self)
{
    if (overrides_wants(self))
        return overrides_method("__index__", self, NULL, NULL);
    const fl_tensor *t = pytensor_get(self);
    if (t->numel != 1 || dtype_class(t->dtype) > CLASS_INTEGRAL) {
        PyErr_SetString(PyExc_TypeError,
                        "only integer tensors of a single element can be converted to an index");
        return NULL;
    }
    return data_one(t) ? whole_number(t) : NULL;
}

static PyObject *method_rdiv(PyObject *self, PyObject *other)
{
    return number_div(other, self);
}

PyMethodDef pytensor_number_methods[] = {
    {"__rdiv__", method_rdiv, METH_O, NULL},
    {"__complex__", method_complex, METH_NOARGS, NULL},
    {0},
};

PyType_Slot pytensor_number_slots[] = {
    SLOT(Py_nb_add, number_add),
    SLOT(Py_nb_subtract, number_sub),
    SLOT(Py_nb_multiply, number_mul),
    SLOT(Py_nb_true_divide, quotient),
    SLOT(Py_nb_floor_divide, number_floor_divide),
    SLOT(Py_nb_remainder, number_remainder),
    SLOT(Py_nb_power, number_pow),
    SLOT(Py_nb_and, number_and),
    SLOT(Py_nb_or, number_or),
    SLOT(Py_nb_xor, number_xor),
    SLOT(Py_nb_lshift, number_left_shift),
    SLOT(Py_nb_rshift, number_right_shift),
    SLOT(Py_nb_matrix_multiply, number_matmul),
    SLOT(Py_nb_negative, number_neg),
    SLOT(Py_nb_positive, number_positive),
    SLOT(Py_nb_absolute, number_abs),
    SLOT(Py_nb_invert, number_invert),
    SLOT(Py_nb_inplace_add, accumulate),
    SLOT(Py_nb_inplace_subtract, number_sub_inplace),
    SLOT(Py_nb_inplace_multiply, number_mul_inplace),
    SLOT(Py_nb_inplace_true_divide, number_div_inplace),
    SLOT(Py_nb_inplace_floor_divide, number_floor_divide_inplace),
    SLOT(Py_nb_inplace_remainder, number_remainder_inplace),
    SLOT(Py_nb_inplace_power, number_pow_inplace),
    SLOT(Py_nb_inplace_and, number_and_inplace),
    SLOT(Py_nb_inplace_or, number_or_inplace),
    SLOT(Py_nb_inplace_xor, number_xor_inplace),
    SLOT(Py_nb_inplace_lshift, number_left_shift_inplace),
    SLOT(Py_nb_inplace_rshift, number_right_shift_inplace),
    SLOT(Py_nb_bool, number_truth),
    SLOT(Py_nb_int, number_int),
    SLOT(Py_nb_float, number_float),
    SLOT(Py_nb_index, number_index),
    SLOT(Py_tp_richcompare, number_compare),
    {0},
};
