/* Calls from Python to operators: which argument goes to which parameter, which overload fits, and
 * the call itself.
 *
 * A call by position costs a loop over the parameters and nothing else. What a keyword names is
 * remembered by its address, because the names in a call are interned.
 */
#include "python/call/arguments.h"

#include <assert.h>
#include <string.h>

#include "python/call/outside.h"
#include "python/call/overrides.h"
#include "python/tensor/types.h"

/* ---- Keywords -------------------------------------------------------------------------------- */

static int param_index(const fl_op *op, const char *name)
{
    for (int i = 0; i < op->params; i++)
        if (strcmp(op->param[i].name, name) == 0)
            return i;
    return -1;
}

/* NumPy's names, and PyTorch's `input` for what the signature calls self. */
static int alias_index(const fl_op *op, const char *name)
{
    static const char *const alias[][2] = {
        {"input", "self"}, {"axis", "dim"}, {"keepdims", "keepdim"}, {"x", "self"},
        {"a", "self"},     {"x1", "self"},  {"x2", "other"},         {"x", "input"},
    };
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++) {
        int at = strcmp(alias[i][0], name) == 0 ? param_index(op, alias[i][1]) : -1;
        if (at >= 0)
            return at;
    }
    return -1;
}

/* What keywords were found to name, by the addresses of operator and keyword. Keywords are interned
 * by the compiler, so a call finds its own again. An entry owns its keyword: the address stays its.
 */
enum { REMEMBERED = 1024 };
static struct remembered {
    const fl_op *op;
    PyObject *keyword;
    int at;
} remembered[REMEMBERED];

/* Which parameter a keyword names, -1: none; -2 with an exception. */
static int keyword_index(const fl_op *op, PyObject *keyword)
{
    assert(PyUnicode_Check(keyword));
    uint64_t key = ((uint64_t)(uintptr_t)op >> 4) ^ ((uint64_t)(uintptr_t)keyword << 7);
    struct remembered *r = &remembered[(key * 0x9E3779B97F4A7C15u) >> 54];
    if (r->op == op && r->keyword == keyword)
        return r->at;
    const char *text = PyUnicode_AsUTF8AndSize(keyword, NULL);
    if (!text)
        return -2;
    PyObject *old = r->keyword;
    int at = param_index(op, text);
    *r = (struct remembered){op, Py_NewRef(keyword), at >= 0 ? at : alias_index(op, text)};
    at = r->at;
    Py_XDECREF(old);
    return at;
}

/* ---- One overload ---------------------------------------------------------------------------- */

static bool is_factory(const fl_op *op)
{
    for (int i = op->params - 1; i >= 0; i--)
        if (op->param[i].type == TYPE_DEVICE)
            return true;
    return false;
}

static int refuse(struct mismatch *why, int kind, int param, Py_ssize_t position, PyObject *object)
{
    *why = (struct mismatch){kind, param, position, object};
    return 0;
}

/* Keywords that are no parameter of the operator's: out, and what Python's factories take besides.
 * 1, 0 unknown, -1. */
static int extra_keyword(const fl_op *op, struct arguments *a, PyObject *keyword, PyObject *value)
{
    if (op->out && PyUnicode_CompareWithASCIIString(keyword, "out") == 0) {
        a->out = value == Py_None ? NULL : value;
        return 1;
    }
    if (!is_factory(op))
        return 0;
    if (PyUnicode_CompareWithASCIIString(keyword, "requires_grad") == 0) {
        int truth = PyObject_IsTrue(value);
        a->requires_grad = truth > 0;
        return truth < 0 ? -1 : 1;
    }
    if (PyUnicode_CompareWithASCIIString(keyword, "layout") == 0)
        return value == Py_None || types_as_layout(value);
    return PyUnicode_CompareWithASCIIString(keyword, "pin_memory") == 0;
}

static int take_keywords(const fl_op *op, struct arguments *a, PyObject *const *values,
                         PyObject *kwnames, struct mismatch *why)
{
    Py_ssize_t count = PyTuple_Size(kwnames);
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *keyword = PyTuple_GetItem(kwnames, k);
        int at = keyword_index(op, keyword);
        if (at == -2)
            return -1;
        if (at >= 0) {
            if (a->given[at])
                return refuse(why, MISMATCH_TWICE, at, -1, keyword);
            a->given[at] = values[k];
            continue;
        }
        int taken = extra_keyword(op, a, keyword, values[k]);
        if (taken <= 0)
            return taken < 0 ? -1 : refuse(why, MISMATCH_KEYWORD, 0, -1, keyword);
    }
    return 1;
}

/* Whether o is a tensor; notes where its class wants to see the call. */
static inline bool takes_tensor(struct arguments *a, PyObject *o)
{
    if (Py_IS_TYPE(o, pytensor_type))
        return true;
    if (!pytensor_is_subclass(o))
        return false;
    a->shown |= overrides_asks(o);
    return true;
}

/* The tensors given as out=, appended to the values. */
static int take_out(const fl_op *op, struct arguments *a)
{
    fl_value *out = a->value + op->params;
    if (op->results == 1 && takes_tensor(a, a->out)) {
        out[0] = fl_tensor_value(pytensor_get(a->out));
        return 1;
    }
    if (!python_is_sequence(a->out) || python_length(a->out) != op->results) {
        PyErr_Format(PyExc_TypeError,
                     op->results == 1 ? "%s(): argument 'out' must be Tensor, not %s"
                                      : "%s(): argument 'out' must be tuple of Tensors, not %s",
                     op->base, python_type_name(a->out));
        return -1;
    }
    fl_tensor **held = values_list(a, op->results);
    for (int i = 0; held && i < op->results; i++) {
        PyObject *o = python_item(a->out, i);
        if (!takes_tensor(a, o)) {
            PyErr_Format(
                PyExc_TypeError,
                "%s(): argument 'out' must be tuple of Tensors, but found element of type %s at "
                "pos %d",
                op->base, python_type_name(o), i);
            return -1;
        }
        out[i] = fl_tensor_value(held[i] = tensor_retain(pytensor_get(o)));
    }
    return held ? 1 : -1;
}

/* Whether so many ints in a row stand for the one list that the call takes by position. */
static bool takes_varargs(const fl_op *op, int self_at, PyObject *first)
{
    int positional = 0, list = 0;
    for (int i = 0; i < op->params && !op->param[i].keyword_only; i++)
        if (i != self_at)
            positional++, list = i;
    return positional == 1 && op->param[list].type == TYPE_INTS && !python_is_sequence(first) &&
           !PyBool_Check(first) && (PyIndex_Check(first) || pytensor_check(first));
}

/* The first parameter that must be given and is not; -1. */
static int missing_param(const fl_op *op, const struct arguments *a)
{
    for (int i = 0; i < op->params; i++)
        if (!a->given[i] && !op->param[i].has_default && !op->param[i].optional)
            return i;
    return -1;
}

/* A number as a tensor without dims, which votes in promotion as the number would: 1; 0; -1. */
static int number_as_tensor(struct arguments *a, PyObject *o, fl_value *out)
{
    fl_value number;
    int fits = data_number(o, &number);
    if (fits <= 0)
        return fits;
    int dtype = number.tag == FL_BOOLEAN   ? FL_BOOL
                : number.tag == FL_INTEGER ? FL_INT64
                                           : FL_FLOAT64;
    fl_tensor **held = values_list(a, 1), *made = held ? tensor_from_number(number, dtype) : NULL;
    if (!made)
        return held ? (raise_error(), -1) : -1;
    made->flags |= TENSOR_WRAPPED_NUMBER;
    *out = fl_tensor_value(held[0] = made);
    return 1;
}

/* What decides how an int beyond int64 is read: the dtype asked for, else a tensor's, one of floats or
 * complex numbers first. */
static int dtype_of_wide(const fl_op *op, const struct arguments *a)
{
    int found = FL_NO_DTYPE;
    for (int i = 0; i < op->params; i++) {
        const fl_value *v = &a->value[i];
        if (v->tag == FL_DTYPE && v->as.i != FL_NO_DTYPE)
            return (int)v->as.i;
        if (v->tag == FL_TENSOR && (found == FL_NO_DTYPE || dtype_is_inexact(v->as.tensor->dtype)))
            found = v->as.tensor->dtype;
    }
    return found;
}

static int settle_wide(const fl_op *op, struct arguments *a)
{
    const int dtype = dtype_of_wide(op, a);
    for (int i = 0; i < op->params; i++)
        if (a->given[i] &&
            (op->param[i].type == TYPE_SCALAR || op->param[i].type == TYPE_OPERAND) &&
            data_wide_number(a->given[i], dtype, &a->value[i]) < 0)
            return -1;
    return 1;
}

/* Fits the arguments to one overload: 1; 0 and why not; -1 with an exception. */
static int fit(const struct python_name *name, const fl_op *op, struct arguments *a, PyObject *self,
               PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, struct mismatch *why)
{
    int self_at = self ? arguments_self(op) : -1;
    Py_ssize_t next = 0;
    Py_ssize_t position[ARGUMENTS_MAX];
    int varargs = -1;

    a->out = NULL, a->requires_grad = false, a->wide = false, a->used = 0;
    a->shown = overrides_modes && overrides_mode_here();
    for (int i = 0; i < op->params; i++) {
        if (i == self_at) {
            a->given[i] = self;
        } else if (next < nargs && !op->param[i].keyword_only) {
            position[i] = next;
            a->given[i] = args[next++];
        } else {
            position[i] = -1;
            a->given[i] = NULL;
        }
    }
    if (next < nargs) {
        if (next != 1 || !takes_varargs(op, self_at, args[0]))
            return refuse(why, MISMATCH_TOO_MANY, 0, next, NULL);
        varargs = self_at == 0 ? 1 : 0;
    }
    if (kwnames) {
        int taken = take_keywords(op, a, args + nargs, kwnames, why);
        int missing = taken == 0 && why->kind == MISMATCH_KEYWORD ? missing_param(op, a) : -1;
        if (missing >= 0)
            return refuse(why, MISMATCH_MISSING, missing, -1, NULL);
        if (taken <= 0)
            return taken;
    }
    for (int i = 0; i < op->params; i++) {
        const struct op_param *p = &op->param[i];
        PyObject *o = a->given[i];
        if (!o) {
            if (!p->has_default && !p->optional)
                return refuse(why, MISMATCH_MISSING, i, -1, NULL);
            a->value[i] = p->has_default ? p->value : fl_none();
            continue;
        }
        if ((p->type == TYPE_TENSOR || p->type == TYPE_OPERAND) && takes_tensor(a, o)) {
            a->value[i].tag = FL_TENSOR, a->value[i].as.tensor = pytensor_get(o);
            continue;
        }
        int fits;
        if (p->number) {
            fits = number_as_tensor(a, o, &a->value[i]);
        } else if (i == varargs || (i != self_at && p->type == TYPE_INTS && position[i] == 0 &&
                                    nargs == 1 && !p->list_size && takes_varargs(op, self_at, o))) {
            fits = values_from_ints(a, name->called, p, args, nargs, &a->value[i]);
        } else {
            fits = values_from(a, name->called, p, o, i == self_at ? 0 : position[i], &a->value[i]);
        }
        if (fits <= 0)
            return fits < 0 ? -1 : refuse(why, MISMATCH_TYPE, i, i == self_at ? 0 : position[i], o);
        if (a->value[i].tag == FL_COMPLEX && op_check_complex(op, &a->value[i]))
            return raise_error(), -1;
    }
    if (a->wide && settle_wide(op, a) < 0)
        return -1;
    return a->out ? take_out(op, a) : 1;
}

/* ---- The call -------------------------------------------------------------------------------- */

/* Above so many elements a call is long enough to let other threads run. */
enum { LONG_CALL = 65536 };

static inline bool is_long(const fl_op *op, const struct arguments *a)
{
    if (op->kind == OP_VIEW)
        return false;
    int64_t total = 0;
    for (int i = 0; i < op->params; i++) {
        const fl_value *v = &a->value[i];
        if (v->tag == FL_TENSOR) {
            total += v->as.tensor->numel;
        } else if (v->tag == FL_TENSORS) {
            for (uint32_t k = 0; k < v->count; k++)
                total += v->as.tensors[k] ? v->as.tensors[k]->numel : 0;
        } else if (v->tag == FL_INTS && i == 0) {
            double size = 1;
            for (uint32_t k = 0; k < v->count; k++)
                size *= (double)v->as.ints[k];
            total += size > LONG_CALL ? LONG_CALL : 0;
        }
    }
    return total >= LONG_CALL;
}

/* Whether the call may give its destinations other memory or another shape. */
static bool changes_handles(const fl_op *op)
{
    return op->form == FORM_OUT || (op->form == FORM_INPLACE && op->function->view) ||
           (op_writes(op->function) && strncmp(op->name, "resize_", 7) == 0);
}

static int wait_for_handles(const fl_op *op, const struct arguments *a)
{
    const int first = op->form == FORM_OUT ? op->params : 0;
    const int count = op->form == FORM_OUT ? op->results : 1;
    for (int i = first; i < first + count; i++)
        if (a->value[i].tag == FL_TENSOR && outside_wait(a->value[i].as.tensor))
            return -1;
    return 0;
}

/* A call that is long, or made while other threads are outside. */
static int __attribute__((noinline)) run_apart(const fl_op *op, struct arguments *a,
                                               fl_value *results, bool is_short)
{
    const bool changes = changes_handles(op);
    if (python_outside && changes && wait_for_handles(op, a))
        return -1;
    if (changes || is_short) /* a change is seen by no other thread before it is whole */
        return op_call(op, a->value, results);
    struct outside_call outside;
    outside_enter(&outside, a->value, op->params + (op->form == FORM_OUT ? op->results : 0));
    PyThreadState *state = python_leave();
    int failed = op_call(op, a->value, results);
    python_return(state);
    outside_leave(&outside);
    return failed;
}

static inline int run_call(const fl_op *op, struct arguments *a, fl_value *results)
{
    assert(op->function == op || op->form != FORM_FUNCTION);
    assert(!PyErr_Occurred());
    const bool is_short = !is_long(op, a);
    return !python_outside && is_short ? op_call(op, a->value, results)
                                       : run_apart(op, a, results, is_short);
}

int arguments_run(const fl_op *op, struct arguments *a, fl_value *results)
{
    return run_call(op, a, results);
}

static PyObject *run(const fl_op *op, struct arguments *a)
{
    fl_value results[OP_RESULTS];
    if (run_call(a->out ? op->out : op, a, results) != 0)
        return raise_error();
    if (a->requires_grad && results[0].tag == FL_TENSOR &&
        autograd_set_requires_grad(results[0].as.tensor, true) < 0) {
        tensor_release(results[0].as.tensor);
        return raise_error();
    }
    if (op->results == 1 && results[0].tag == FL_TENSOR)
        return pytensor_wrap(results[0].as.tensor);
    return results_wrap(a->out ? op->out : op, results);
}

static PyObject *call(const struct python_name *name, PyObject *self, PyObject *const *args,
                      Py_ssize_t nargs, PyObject *kwnames)
{
    assert(name->count >= 1 && name->count <= OVERLOADS_MAX);
    assert(nargs >= 0);
    struct arguments a;
    struct mismatch why[OVERLOADS_MAX]; /* opgen admits no more */
    a.more = NULL, a.lists = NULL;
    for (int i = 0; i < name->count; i++) {
        const fl_op *op = name->overloads[i];
        int fits = fit(name, op, &a, self, args, nargs, kwnames, &why[i]);
        PyObject *result = fits <= 0 ? NULL
                           : a.shown
                               ? overrides_call(name->home, name->name, self, args, nargs, kwnames)
                               : run(op, &a);
        if (a.more || a.lists)
            values_release(&a);
        if (fits) {
            assert(!result == !!PyErr_Occurred());
            return result;
        }
    }
    if (overrides_any(self, args, nargs + (kwnames ? PyTuple_Size(kwnames) : 0)))
        return overrides_call(name->home, name->name, self, args, nargs, kwnames);
    struct old_arguments old;
    int arranged = old_overloads_arrange(name, self != NULL, args, nargs, kwnames, &old);
    if (arranged) {
        PyObject *result =
            arranged < 0 ? NULL : call(name, self, old.args, old.positional, old.names);
        if (arranged > 0)
            Py_DECREF(old.names);
        return result;
    }
    return mismatch_raise(name, why, self != NULL, old_overloads_has(name->called), args, nargs,
                          kwnames);
}

PyObject *arguments_call_method(const struct python_name *name, PyObject *self,
                                PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return call(name, self, args, nargs, kwnames);
}

PyObject *arguments_call_function(const struct python_name *name, PyObject *const *args,
                                  Py_ssize_t nargs, PyObject *kwnames)
{
    return call(name, NULL, args, nargs, kwnames);
}
