/* Texts of tensors for Python, and the options of printing. */
#include "autograd/tensor_text.h"
#include "python/tensor/tensor_object.h"

/* _tensor_text(tensor, prefix, contents or None) */
static PyObject *function_text(PyObject *module, PyObject *args)
{
    PyObject *o, *prefix, *contents, *result = NULL;
    (void)module;
    if (!PyArg_UnpackTuple(args, "_tensor_text", 3, 3, &o, &prefix, &contents))
        return NULL;
    if (!pytensor_check(o) || !PyUnicode_Check(prefix))
        return PyErr_Format(PyExc_TypeError, "_tensor_text takes a Tensor and a str");
    const char *start = PyUnicode_AsUTF8AndSize(prefix, NULL), *given = NULL;
    if (!start || (contents != Py_None && !(given = PyUnicode_AsUTF8AndSize(contents, NULL))))
        return NULL;
    struct print_text text = {0};
    tensor_text(&text, pytensor_get(o), start, (int)PyUnicode_GetLength(prefix), given);
    result = text.failed ? raise_error() : PyUnicode_FromString(text.data);
    print_release(&text);
    return result;
}

/* A number of items; infinity stands for all. */
static bool read_count(PyObject *o, int64_t *count)
{
    double value = PyFloat_AsDouble(o);
    if (value == -1 && PyErr_Occurred())
        return false;
    *count = value >= 0x1p62 ? INT64_MAX : value < 0 ? 0 : (int64_t)value;
    return true;
}

/* _set_print_options(precision, threshold, edgeitems, linewidth, sci_mode) */
static PyObject *function_options(PyObject *module, PyObject *args)
{
    struct print_options options = {0};
    PyObject *precision, *threshold, *edges, *width, *scientific;
    int64_t digits;
    (void)module;
    if (!PyArg_UnpackTuple(args, "_set_print_options", 5, 5, &precision, &threshold, &edges, &width,
                           &scientific) ||
        !read_count(precision, &digits) || !read_count(threshold, &options.threshold) ||
        !read_count(edges, &options.edge_items) || !read_count(width, &options.line_width))
        return NULL;
    options.precision = digits > 100 ? 100 : (int)digits;
    options.scientific = scientific == Py_None ? -1 : PyObject_IsTrue(scientific);
    if (options.scientific < 0 && scientific != Py_None)
        return NULL;
    print_options = options;
    Py_RETURN_NONE;
}

PyMethodDef text_functions[] = {
    {"_tensor_text", function_text, METH_VARARGS, NULL},
    {"_set_print_options", function_options, METH_VARARGS, NULL},
    {0},
};
