/* flambeau._C: the module itself, and its functions that are no operators. */
#include "core/memory.h"
#include "core/threads.h"
#include "core/warning.h"
#include "ops/pointwise/pointwise.h"
#include "python/autograd/callbacks.h"
#include "python/autograd/location.h"
#include "python/call/arguments.h"
#include "python/call/module_functions.h"
#include "python/call/overrides.h"
#include "python/module/module.h"
#include "python/module/optim.h"
#include "python/tensor/construct.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"
#include "python/watch.h"

/* ---- Threads, memory, the default dtype ------------------------------------------------------ */

static PyObject *function_set_threads(PyObject *module, PyObject *o)
{
    (void)module;
    if (!PyLong_Check(o))
        return PyErr_Format(PyExc_RuntimeError, "set_num_threads expects an int, but got %s",
                            python_type_name(o));
    long count = PyLong_AsLong(o);
    if (count == -1 && PyErr_Occurred())
        return raise_overflow(), NULL;
    if (count < 1 || count > 65536)
        return PyErr_Format(PyExc_RuntimeError, "set_num_threads expects a positive integer");
    threads_set_count((int)count);
    Py_RETURN_NONE;
}

static PyObject *function_get_threads(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(threads_count());
}

static PyObject *function_warn_always(PyObject *module, PyObject *o)
{
    (void)module;
    const int always = PyObject_IsTrue(o);
    if (always < 0)
        return NULL;
    atomic_store(&warning_always, always);
    Py_RETURN_NONE;
}

static PyObject *function_memory_stats(PyObject *module, PyObject *unused)
{
    struct memory_stats s;
    (void)module, (void)unused;
    memory_stats(&s);
    return Py_BuildValue("{sLsLsLsLsL}", "allocated", (long long)s.allocated, "peak",
                         (long long)s.peak, "reserved", (long long)s.reserved, "allocations",
                         (long long)s.allocations, "system_calls", (long long)s.system_calls);
}

static PyObject *function_empty_cache(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    memory_empty_cache();
    Py_RETURN_NONE;
}

static PyObject *function_set_limit(PyObject *module, PyObject *o)
{
    (void)module;
    size_t bytes = PyLong_AsSize_t(o);
    if (bytes == (size_t)-1 && PyErr_Occurred())
        return NULL;
    memory_set_limit(bytes);
    Py_RETURN_NONE;
}

static PyObject *function_fail_nth(PyObject *module, PyObject *o)
{
    (void)module;
    long long n = PyLong_AsLongLong(o);
    if (n == -1 && PyErr_Occurred())
        return NULL;
    memory_fail_nth(n);
    Py_RETURN_NONE;
}

static PyObject *function_get_default(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return types_dtype(dtype_default());
}

static PyObject *function_set_default(PyObject *module, PyObject *o)
{
    int dtype;
    (void)module;
    if (!types_as_dtype(o, &dtype))
        return PyErr_Format(
            PyExc_TypeError,
            "invalid dtype object: only floating-point types are supported as the default "
            "type");
    if (fl_set_default_dtype((fl_dtype)dtype))
        return raise_error();
    Py_RETURN_NONE;
}

/* ---- Questions about dtypes ------------------------------------------------------------------ */

/* Two dtypes from a call of two arguments. */
static bool two_dtypes(const char *name, PyObject *args, int *a, int *b)
{
    assert(PyTuple_Check(args));
    PyObject *x, *y;
    if (!PyArg_UnpackTuple(args, name, 2, 2, &x, &y))
        return false;
    if (types_as_dtype(x, a) && types_as_dtype(y, b))
        return true;
    bool first = !types_as_dtype(x, a);
    PyErr_Format(PyExc_TypeError, "%s(): argument '%s' (position %d) must be torch.dtype, not %s",
                 name, first ? "type1" : "type2", first ? 1 : 2, python_type_name(first ? x : y));
    return false;
}

static PyObject *function_promote_types(PyObject *module, PyObject *args)
{
    int a, b;
    (void)module;
    if (!two_dtypes("promote_types", args, &a, &b))
        return NULL;
    int dtype = dtype_promote(a, b);
    return dtype < 0 ? raise_error() : types_dtype(dtype);
}

static PyObject *function_can_cast(PyObject *module, PyObject *args)
{
    int a, b;
    (void)module;
    return two_dtypes("can_cast", args, &a, &b) ? python_bool(dtype_can_cast(a, b)) : NULL;
}

/* A tensor, or a number as a tensor that is weak in promotion. NULL without an error where it is
 * neither. */
static fl_tensor *operand(PyObject *o)
{
    fl_value number;
    if (pytensor_check(o))
        return tensor_retain(pytensor_get(o));
    if (data_number(o, &number) <= 0)
        return NULL;
    int dtype = number.tag == FL_COMPLEX    ? dtype_complex(dtype_default())
                : number.tag == FL_FLOATING ? dtype_default()
                                            : number_dtype(&number);
    fl_tensor *t = tensor_from_number(number, dtype);
    if (t)
        t->flags |= TENSOR_WRAPPED_NUMBER;
    return t;
}

static PyObject *refuse_operands(PyObject *args)
{
    assert(PyTuple_Check(args));
    PyObject *names = PyList_New(0), *comma = PyUnicode_FromString(", "), *given = NULL;
    for (Py_ssize_t i = 0; names && i < PyTuple_Size(args); i++) {
        PyObject *name = PyUnicode_FromString(python_type_name(PyTuple_GetItem(args, i)));
        if (!name || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    if (names && comma && (given = PyUnicode_Join(comma, names)))
        PyErr_Format(
            PyExc_TypeError,
            "result_type() received an invalid combination of arguments - got (%U), but "
            "expected one of:\n * (Tensor tensor, Tensor other)\n * (Number scalar, Tensor "
            "tensor)\n * (Tensor tensor, Number other)\n * (Number scalar1, Number scalar2)\n",
            given);
    Py_XDECREF(names), Py_XDECREF(comma), Py_XDECREF(given);
    return NULL;
}

static PyObject *function_result_type(PyObject *module, PyObject *args)
{
    fl_tensor *both[2] = {NULL, NULL};
    (void)module;
    fl_error_clear();
    bool fits = PyTuple_Size(args) == 2;
    for (Py_ssize_t i = 0; fits && i < 2; i++)
        fits = (both[i] = operand(PyTuple_GetItem(args, i))) != NULL;
    int dtype = fits ? pointwise_promote_list(both, 2) : -1;
    PyObject *result = dtype < 0 ? NULL : types_dtype(dtype);
    tensor_release(both[0]);
    tensor_release(both[1]);
    if (result || PyErr_Occurred())
        return result;
    return fl_error() ? raise_error() : refuse_operands(args);
}

static PyObject *function_isa(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(isa_name());
}

/* Callbacks from other threads find their interpreter by the thread, which knows but one. (Python
 * copies a module into a second interpreter without asking it.) */
static PyObject *function_check_interpreter(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
        Py_RETURN_NONE;
    return PyErr_Format(PyExc_ImportError, "flambeau works in the main interpreter only, not in a "
                                           "sub-interpreter; use a process instead");
}

static PyMethodDef own_functions[] = {
    {"_isa_name", function_isa, METH_NOARGS, NULL},
    {"_check_interpreter", function_check_interpreter, METH_NOARGS, NULL},
    {"set_num_threads", function_set_threads, METH_O, "Sets how many threads a call may use."},
    {"get_num_threads", function_get_threads, METH_NOARGS, "How many threads a call may use."},
    {"set_num_interop_threads", function_set_threads, METH_O, NULL},
    {"get_num_interop_threads", function_get_threads, METH_NOARGS, NULL},
    {"_warn_always", function_warn_always, METH_O, NULL},
    {"memory_stats", function_memory_stats, METH_NOARGS,
     "What the allocator holds and has done, in bytes and calls."},
    {"empty_cache", function_empty_cache, METH_NOARGS, "Gives free memory back to the system."},
    {"_set_memory_limit", function_set_limit, METH_O, NULL},
    {"_memory_fail_nth", function_fail_nth, METH_O, NULL},
    {"get_default_dtype", function_get_default, METH_NOARGS,
     "The dtype of new floating-point tensors."},
    {"set_default_dtype", function_set_default, METH_O,
     "Sets the dtype of new floating-point tensors."},
    {"promote_types", function_promote_types, METH_VARARGS, "The smallest dtype that holds both."},
    {"can_cast", function_can_cast, METH_VARARGS,
     "Whether a result of the first dtype may be written as the second."},
    {"result_type", function_result_type, METH_VARARGS, "The dtype of arithmetic on two operands."},
    {0},
};

/* ---- The module ------------------------------------------------------------------------------ */

extern PyMethodDef ops_functions[];

static int add_spaces(PyObject *module)
{
    int failed = 0;
    for (const struct python_space *s = ops_spaces; s->name && !failed; s++) {
        PyObject *space = PyModule_New(s->module);
        failed = !space || PyModule_AddFunctions(space, s->functions) ||
                 PyModule_AddObjectRef(module, s->name, space) ||
                 PyDict_SetItemString(PyImport_GetModuleDict(), s->module, space);
        Py_XDECREF(space);
    }
    return failed ? -1 : 0;
}

static int add_functions(PyObject *module)
{
    PyMethodDef *tables[] = {ops_functions,          module_functions,      own_functions,
                             data_functions,         exchange_functions,    graph_functions,
                             optim_functions,        safetensors_functions, archive_functions,
                             location_functions,     construct_functions,   sharing_functions,
                             text_functions,         interposer_functions,  saved_hook_functions,
                             collate_functions,      transform_functions,   advice_functions,
                             registration_functions, dlpack_functions,      in_object_functions};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (PyModule_AddFunctions(module, tables[i]) < 0)
            return -1;
    return 0;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "flambeau._C",
    "Flambeau's operators and types.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__C(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (!module)
        return NULL;
    error_for_python = true;
    location_init();
    advice_init();
    if (raise_init(module) < 0 || types_init(module) < 0 || pytensor_init(module) < 0 ||
        generator_init(module) < 0 || overrides_init(module) < 0 || callbacks_init() < 0 ||
        nodes_init(module) < 0 || function_init(module) < 0 || optim_init() < 0 ||
        add_functions(module) < 0 || module_functions_init(module) < 0 || add_spaces(module) < 0 ||
        module_init(module) < 0)
        Py_CLEAR(module);
    return module;
}
