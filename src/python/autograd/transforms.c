/* What torch.func and forward_ad are made of: leaves and results of a transform, dual tensors. */
#include "ops/forward.h"
#include "python/autograd/callbacks.h"
#include "python/tensor/tensor_object.h"

static fl_tensor *tensor_of(PyObject *o)
{
    if (pytensor_check(o))
        return pytensor_get(o);
    PyErr_Format(PyExc_TypeError, "expected a Tensor, got %s", python_type_name(o));
    return NULL;
}

/* _without_history(t): an alias of t that keeps its tangents alone. */
static PyObject *function_without_history(PyObject *module, PyObject *o)
{
    (void)module;
    fl_tensor *t = tensor_of(o);
    return t ? pytensor_wrap(autograd_unlink(t)) : NULL;
}

/* ---- Forward mode ---------------------------------------------------------------------------- */

static PyObject *function_dual_begin(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    uint32_t level = tangents_begin();
    return level ? PyLong_FromUnsignedLong(level) : raise_error();
}

static PyObject *function_dual_end(PyObject *module, PyObject *number)
{
    (void)module;
    unsigned long level = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred())
        return NULL;
    tangents_end((uint32_t)level);
    Py_RETURN_NONE;
}

/* _make_dual(primal, tangent, level) */
static PyObject *function_make_dual(PyObject *module, PyObject *args)
{
    PyObject *primal, *tangent;
    unsigned int level;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOI:_make_dual", &primal, &tangent, &level))
        return NULL;
    fl_tensor *t = tensor_of(primal), *d = t ? tensor_of(tangent) : NULL;
    return d ? pytensor_wrap(forward_make(t, d, level)) : NULL;
}

/* _unpack_dual(t, level): (primal, tangent or None) */
static PyObject *function_unpack_dual(PyObject *module, PyObject *args)
{
    PyObject *o;
    unsigned int level;
    (void)module;
    if (!PyArg_ParseTuple(args, "OI:_unpack_dual", &o, &level))
        return NULL;
    fl_tensor *t = tensor_of(o);
    if (!t)
        return NULL;
    PyObject *primal = pytensor_wrap(forward_primal(t, level));
    PyObject *tangent = primal ? pytensor_show(tangents_shown(level) ? tangents_of(t, level) : NULL)
                               : NULL;
    PyObject *both = tangent ? PyTuple_Pack(2, primal, tangent) : NULL;
    Py_XDECREF(primal);
    Py_XDECREF(tangent);
    return both;
}

/* _dual_levels(): those that are shown, outer first. */
static PyObject *function_dual_levels(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < tangent_levels.count; i++) {
        PyObject *level = PyLong_FromUnsignedLong(tangent_levels.level[i]);
        if (!level || (tangents_shown(tangent_levels.level[i]) && PyList_Append(list, level)))
            Py_CLEAR(list);
        Py_XDECREF(level);
    }
    return list;
}

/* _hide_duals(level): hides it and all inside it, 0 nothing; returns what was hidden before. */
static PyObject *function_hide_duals(PyObject *module, PyObject *number)
{
    (void)module;
    unsigned long level = PyLong_AsUnsignedLong(number), before = tangent_levels.below;
    if (PyErr_Occurred())
        return NULL;
    tangent_levels.below = (uint32_t)level;
    return PyLong_FromUnsignedLong(before);
}

/* _set_tangent(t, tangent, level) */
static PyObject *function_set_tangent(PyObject *module, PyObject *args)
{
    PyObject *o, *tangent;
    unsigned int level;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOI:_set_tangent", &o, &tangent, &level))
        return NULL;
    fl_tensor *t = tensor_of(o), *d = t ? tensor_of(tangent) : NULL;
    if (!d)
        return NULL;
    return tangents_set(t, level, d) ? raise_error() : Py_NewRef(Py_None);
}

PyMethodDef transform_functions[] = {
    {"_dual_levels", function_dual_levels, METH_NOARGS, NULL},
    {"_hide_duals", function_hide_duals, METH_O, NULL},
    {"_set_tangent", function_set_tangent, METH_VARARGS, NULL},
    {"_without_history", function_without_history, METH_O, NULL},
    {"_dual_begin", function_dual_begin, METH_NOARGS, NULL},
    {"_dual_end", function_dual_end, METH_O, NULL},
    {"_make_dual", function_make_dual, METH_VARARGS, NULL},
    {"_unpack_dual", function_unpack_dual, METH_VARARGS, NULL},
    {0},
};
