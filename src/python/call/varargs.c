/* Functions that take other arguments than their operator: tensors one by one where it takes a list,
 * or one tensor, and `inplace`. They are the words varargs, varargs_or_list, each and nn(inplace) of
 * the table's key `forms`.
 */
#include <assert.h>

#include "python/call/arguments.h"
#include "python/tensor/tensor_object.h"

static PyObject *as_tuple(PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *tuple = PyTuple_New(nargs);
    for (Py_ssize_t i = 0; tuple && i < nargs; i++)
        PyTuple_SetItem(tuple, i, Py_NewRef(args[i]));
    return tuple;
}

/* The positional arguments as one tuple, or the one that is a list itself; a new reference. */
static PyObject *as_list(PyObject *const *args, Py_ssize_t nargs)
{
    return nargs == 1 && python_is_sequence(args[0]) ? Py_NewRef(args[0]) : as_tuple(args, nargs);
}

/* Calls the operator with the list (taken over) and the keywords as they came. */
static PyObject *call_with_list(const struct python_name *name, PyObject *list, bool with_list,
                                PyObject *const *keyword, PyObject *kwnames)
{
    PyObject *passed[1 + OP_PARAMS], *result = NULL;
    Py_ssize_t keywords = kwnames ? PyTuple_Size(kwnames) : 0;
    passed[0] = list;
    if (list && keywords > OP_PARAMS)
        PyErr_Format(PyExc_TypeError, "%s() got too many keyword arguments", name->called);
    else if (list) {
        for (Py_ssize_t k = 0; k < keywords; k++)
            passed[with_list + k] = keyword[k];
        result = arguments_call_function(name, passed, with_list, kwnames);
    }
    Py_XDECREF(list);
    return result;
}

PyObject *arguments_call_varargs(const struct python_name *name, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *kwnames)
{
    const struct op_param *p = name->overloads[0]->param;
    assert(name->count >= 1 && p->type == TYPE_TENSORS);
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_Size(kwnames); k++) {
        PyObject *keyword = PyTuple_GetItem(kwnames, k);
        if (PyUnicode_CompareWithASCIIString(keyword, p->name) == 0 ||
            name->overloads[0]->params == 1)
            return PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                                name->called, keyword);
    }
    return call_with_list(name, as_tuple(args, nargs), true, args + nargs, kwnames);
}

PyObject *arguments_call_varargs_or_list(const struct python_name *name, PyObject *const *args,
                                         Py_ssize_t nargs, PyObject *kwnames)
{
    assert(name->count >= 1 && name->overloads[0]->param[0].type == TYPE_TENSORS);
    bool given = nargs > 0 || !kwnames; /* else the list may be among the keywords */
    return call_with_list(name, as_list(args, nargs), given, args + nargs, kwnames);
}

PyObject *arguments_call_each(const struct python_name *name, PyObject *const *args,
                              Py_ssize_t nargs, PyObject *kwnames)
{
    assert(name->count >= 1 && name->overloads[0]->params == 1);
    bool single = nargs == 1 && !python_is_sequence(args[0]);
    if (single && !kwnames && !pytensor_check(args[0]))
        return PyErr_Format(PyExc_TypeError,
                            "%s() received an invalid combination of arguments - got (%s), but "
                            "expected one of:\n * (Tensor input)\n * (tuple of Tensors tensors)\n",
                            name->called, python_type_name(args[0]));
    if (single || kwnames)
        return arguments_call_function(name, args, nargs, kwnames);
    PyObject *list = as_list(args, nargs);
    PyObject *tuple = list ? PyTuple_New(python_length(list)) : NULL;
    for (Py_ssize_t i = 0; tuple && i < PyTuple_Size(tuple); i++) {
        PyObject *item = python_item(list, i), *result = NULL;
        if (item && !pytensor_check(item))
            PyErr_Format(PyExc_TypeError,
                         "expected Tensor as element %zd in argument 0, but got %s", i,
                         python_type_name(item));
        else if (item)
            result = arguments_call_function(name, &item, 1, NULL);
        if (!result || PyTuple_SetItem(tuple, i, result) < 0)
            Py_CLEAR(tuple);
    }
    Py_XDECREF(list);
    return tuple;
}

/* kwnames without the one at k; NULL where none is left, or with an exception. */
static PyObject *without(PyObject *kwnames, Py_ssize_t k)
{
    const Py_ssize_t count = PyTuple_Size(kwnames);
    assert(k >= 0 && k < count);
    PyObject *rest = count > 1 ? PyTuple_New(count - 1) : NULL;
    for (Py_ssize_t i = 0; rest && i < count; i++)
        if (i != k)
            PyTuple_SetItem(rest, i - (i > k), Py_NewRef(PyTuple_GetItem(kwnames, i)));
    return rest;
}

PyObject *arguments_call_inplace(const struct python_name *name, const struct python_name *writing,
                                 PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const Py_ssize_t own = name->overloads[0]->params;
    const Py_ssize_t keywords = kwnames ? PyTuple_Size(kwnames) : 0;
    Py_ssize_t at = nargs == own + 1 ? own : -1, keyword = -1;
    assert(name->count == 1 && writing->count == 1);
    for (Py_ssize_t k = 0; k < keywords; k++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GetItem(kwnames, k), "inplace") == 0)
            keyword = k;
    if (at >= 0 && keyword >= 0)
        return PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument 'inplace'",
                            name->called);
    if (nargs > own + 1) {
        Py_ssize_t least = 0;
        while (least < own && !name->overloads[0]->param[least].has_default)
            least++;
        return PyErr_Format(PyExc_TypeError,
                            "%s() takes from %zd to %zd positional arguments but %zd were given",
                            name->called, least, own + 1, nargs);
    }
    at = keyword >= 0 ? nargs + keyword : at;
    PyObject *passed[2 * OP_PARAMS], *names = keyword >= 0 ? NULL : Py_XNewRef(kwnames);
    if (at < 0 || nargs + keywords > 2 * OP_PARAMS) {
        Py_XDECREF(names);
        return arguments_call_function(name, args, nargs, kwnames);
    }
    const int writes = PyObject_IsTrue(args[at]);
    for (Py_ssize_t i = 0; i < nargs + keywords; i++)
        if (i != at)
            passed[i - (i > at)] = args[i];
    if (keyword >= 0)
        names = without(kwnames, keyword);
    PyObject *result = writes < 0 || PyErr_Occurred()
                           ? NULL
                           : arguments_call_function(writes ? writing : name, passed,
                                                     nargs - (keyword < 0), names);
    Py_XDECREF(names);
    return result;
}
