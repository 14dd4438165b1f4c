/* What torch.func and forward_ad are made of: leaves and results of a transform, dual tensors. */
#include "ops/batch.h"
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
    PyObject *tangent =
        primal ? pytensor_show(tangents_shown(level) ? tangents_of(t, level) : NULL) : NULL;
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

/* ---- Batches --------------------------------------------------------------------------------- */

static void warn(const char *name)
{
    PyGILState_STATE state = PyGILState_Ensure();
    if (PyErr_WarnFormat(PyExc_UserWarning, 1,
                         "There is a performance drop because we have not yet implemented the "
                         "batching rule for aten::%s. The samples of the batch are computed one "
                         "after another.",
                         name) < 0)
        PyErr_Clear();
    PyGILState_Release(state);
}

/* _vmap_begin(samples, randomness): the number of its lane. */
static PyObject *function_vmap_begin(PyObject *module, PyObject *args)
{
    long long size;
    int randomness;
    (void)module;
    if (!PyArg_ParseTuple(args, "Li:_vmap_begin", &size, &randomness))
        return NULL;
    batch_warn = warn;
    uint32_t id = batch_begin(size, (enum batch_randomness)randomness);
    return id ? PyLong_FromUnsignedLong(id) : raise_error();
}

static PyObject *function_vmap_end(PyObject *module, PyObject *number)
{
    (void)module;
    unsigned long id = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred())
        return NULL;
    batch_end((uint32_t)id);
    Py_RETURN_NONE;
}

/* _lane_enter(t, lane, dim) */
static PyObject *function_lane_enter(PyObject *module, PyObject *args)
{
    PyObject *o;
    unsigned int id;
    long long dim;
    (void)module;
    if (!PyArg_ParseTuple(args, "OIL:_lane_enter", &o, &id, &dim))
        return NULL;
    fl_tensor *t = tensor_of(o);
    return t ? pytensor_wrap(batch_enter(t, id, dim)) : NULL;
}

/* _lane_leave(t, lane, size, dim) */
static PyObject *function_lane_leave(PyObject *module, PyObject *args)
{
    PyObject *o;
    unsigned int id;
    long long size, dim;
    (void)module;
    if (!PyArg_ParseTuple(args, "OILL:_lane_leave", &o, &id, &size, &dim))
        return NULL;
    fl_tensor *t = tensor_of(o);
    return t ? pytensor_wrap(batch_leave(t, id, size, dim)) : NULL;
}

/* _lanes(t): the numbers of t's lanes. */
static PyObject *function_lanes(PyObject *module, PyObject *o)
{
    (void)module;
    fl_tensor *t = tensor_of(o);
    PyObject *list = t ? PyList_New(0) : NULL;
    for (int i = 0; list && t->lanes && i < t->lanes->count; i++) {
        PyObject *id = PyLong_FromUnsignedLong(t->lanes->lane[i].id);
        if (!id || PyList_Append(list, id))
            Py_CLEAR(list);
        Py_XDECREF(id);
    }
    return list;
}

/* _vmaps(): (lane, samples, randomness) of those at work, outer first. */
static PyObject *function_vmaps(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *tuple = PyTuple_New(batch_levels.count);
    for (int i = 0; tuple && i < batch_levels.count; i++) {
        const struct batch_level *l = &batch_levels.of[i];
        PyObject *row = Py_BuildValue("ILi", l->id, (long long)l->size, (int)l->randomness);
        if (!row || PyTuple_SetItem(tuple, i, row))
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* _spread(t): t expanded to the lanes of all vmaps at work. */
static PyObject *function_spread(PyObject *module, PyObject *o)
{
    (void)module;
    fl_tensor *t = tensor_of(o);
    if (!t || !batch_levels.count)
        return t ? Py_NewRef(o) : NULL;
    return pytensor_wrap(batch_spread(t));
}

PyMethodDef transform_functions[] = {
    {"_vmap_begin", function_vmap_begin, METH_VARARGS, NULL},
    {"_vmap_end", function_vmap_end, METH_O, NULL},
    {"_lane_enter", function_lane_enter, METH_VARARGS, NULL},
    {"_lane_leave", function_lane_leave, METH_VARARGS, NULL},
    {"_lanes", function_lanes, METH_O, NULL},
    {"_vmaps", function_vmaps, METH_NOARGS, NULL},
    {"_spread", function_spread, METH_O, NULL},
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
