/* Functions of the module that are no operators: of shapes alone, and methods of Tensor. */
#include "python/call/module_functions.h"

#include "python/call/arguments.h"
#include "python/call/overrides.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* Tells which dim of a shape fits neither 1 nor the common size; dims count from the last. */
static PyObject *refuse_shape(PyObject *shape, Py_ssize_t argument, int count, const int64_t *sizes,
                              int ndim, const int64_t *common)
{
    char text[512];
    int d = 1;
    while (sizes[count - d] == 1 || common[ndim - d] == 1 || sizes[count - d] == common[ndim - d])
        d++;
    return PyErr_Format(PyExc_RuntimeError,
                        "Attempting to broadcast a dimension of length %lld at %d! Mismatching "
                        "argument at index %zd had %R; but expected shape should be broadcastable "
                        "to %s",
                        (long long)sizes[count - d], -d, argument, shape,
                        shape_text(text, sizeof text, ndim, common));
}

static PyObject *function_broadcast_shapes(PyObject *module, PyObject *args)
{
    int64_t out[TENSOR_MAX_DIMS], sizes[TENSOR_MAX_DIMS];
    int ndim = 0;
    (void)module;
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        PyObject *shape = PyTuple_GetItem(args, i);
        bool is_list = python_is_sequence(shape);
        Py_ssize_t count = is_list ? python_length(shape) : shape == Py_None ? 0 : 1;
        if (count > TENSOR_MAX_DIMS)
            return PyErr_Format(PyExc_RuntimeError, "a shape has at most %d dims", TENSOR_MAX_DIMS);
        for (Py_ssize_t k = 0; k < count; k++) {
            PyObject *item = is_list ? python_item(shape, k) : shape;
            if (item && !PyIndex_Check(item))
                return PyErr_Format(PyExc_TypeError,
                                    "'<' not supported between instances of '%s' and 'int'",
                                    python_type_name(item));
            sizes[k] = item ? PyNumber_AsSsize_t(item, PyExc_OverflowError) : -1;
            if (PyErr_Occurred())
                return NULL;
            if (sizes[k] < 0)
                return PyErr_Format(PyExc_RuntimeError,
                                    "Trying to create tensor with negative dimension (%lld)",
                                    (long long)sizes[k]);
        }
        if (shape_broadcast(&ndim, out, (int)count, sizes) < 0) {
            fl_error_clear();
            return refuse_shape(shape, i, (int)count, sizes, ndim, out);
        }
    }
    return types_size(ndim, out);
}

/* ---- Methods of Tensor that are functions too ------------------------------------------------ */

/* method(input, ...), with `input` by position or by keyword. */
static PyObject *call_method(PyObject *method, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    PyObject *title = PyObject_GetAttrString(method, "__name__"), *result = NULL;
    const char *name = title ? PyUnicode_AsUTF8AndSize(title, NULL) : NULL;
    bool named = nargs == 0 && kwnames && PyTuple_Size(kwnames) == 1 &&
                 PyUnicode_CompareWithASCIIString(PyTuple_GetItem(kwnames, 0), "input") == 0;
    if (named)
        nargs = 1, kwnames = NULL;
    if (!name)
        ;
    else if (nargs == 0)
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional arguments: \"input\"",
                     name);
    else if (overrides_any(NULL, args, nargs))
        result = overrides_call("", name, NULL, args, nargs, kwnames);
    else if (!pytensor_check(args[0]))
        PyErr_Format(PyExc_TypeError, "%s(): argument 'input' (position 1) must be Tensor, not %s",
                     name, python_type_name(args[0]));
    else
        result = python_call(method, args, nargs, kwnames);
    Py_XDECREF(title);
    return result;
}

int module_functions_init(PyObject *module)
{
    static const char *const names[] = {
        "numel",  "is_floating_point", "is_complex",   "is_conj",      "is_neg",
        "detach", "detach_",           "is_inference", "is_same_size", "is_signed",
    };
    enum { COUNT = sizeof names / sizeof *names };
    static PyMethodDef defs[COUNT];
    PyObject *home = PyModule_GetNameObject(module);
    int failed = !home;
    for (int i = 0; i < COUNT && !failed; i++) {
        defs[i] = (PyMethodDef)FAST(names[i], call_method, NULL);
        PyObject *method = PyObject_GetAttrString((PyObject *)pytensor_type, names[i]);
        PyObject *function = method ? PyCFunction_NewEx(&defs[i], method, home) : NULL;
        failed = !function || PyModule_AddObjectRef(module, names[i], function) < 0;
        Py_XDECREF(method);
        Py_XDECREF(function);
    }
    Py_XDECREF(home);
    return failed ? -1 : 0;
}

PyMethodDef module_functions[] = {
    {"_result_type_named", results_type, METH_O, NULL},
    {"broadcast_shapes", function_broadcast_shapes, METH_VARARGS,
     "broadcast_shapes(*shapes): the common shape."},
    {0},
};
