/* Autocast and the profiler, as Python switches them. */
#include "ops/autocast.h"
#include "ops/profile.h"
#include "python/autograd/callbacks.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

/* ---- Autocast -------------------------------------------------------------------------------- */

/* The kind of a torch.device's device type, given by its name; -1 with an exception. */
static int kind_of(PyObject *name)
{
    fl_device device;
    const int fits = types_as_device(name, &device);
    if (fits == 0)
        PyErr_SetString(PyExc_TypeError, "device type must be a string");
    if (fits > 0 && device.kind >= FL_DEVICE_KINDS)
        PyErr_SetString(PyExc_RuntimeError, "unknown device type for autocast in "
                                            "get_autocast_dispatch_key_from_device_type");
    return fits > 0 && device.kind < FL_DEVICE_KINDS ? device.kind : -1;
}

static PyObject *function_enabled(PyObject *module, PyObject *kind)
{
    const int k = kind_of(kind);
    (void)module;
    return k < 0 ? NULL : python_bool(autocast_enabled(k));
}

/* (device type, on) */
static PyObject *function_enable(PyObject *module, PyObject *args)
{
    PyObject *kind;
    int on;
    (void)module;
    if (!PyArg_ParseTuple(args, "Op", &kind, &on))
        return NULL;
    const int k = kind_of(kind);
    if (k < 0)
        return NULL;
    autocast_enable(k, on);
    Py_RETURN_NONE;
}

static PyObject *function_dtype(PyObject *module, PyObject *kind)
{
    const int k = kind_of(kind);
    (void)module;
    return k < 0 ? NULL : types_dtype(autocast_state.dtype[k]);
}

/* (device type, dtype) */
static PyObject *function_set_dtype(PyObject *module, PyObject *args)
{
    PyObject *kind, *o;
    int dtype;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO", &kind, &o))
        return NULL;
    const int k = kind_of(kind);
    if (k < 0)
        return NULL;
    if (!types_as_dtype(o, &dtype) || (dtype != FL_BFLOAT16 && dtype != FL_FLOAT16))
        return PyErr_Format(PyExc_ValueError,
                            "autocast computes in torch.bfloat16 or torch.float16, not %R", o);
    autocast_state.dtype[k] = dtype;
    Py_RETURN_NONE;
}

static PyObject *function_caches(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(autocast_state.cache);
}

static PyObject *function_set_caches(PyObject *module, PyObject *on)
{
    (void)module;
    int truth = PyObject_IsTrue(on);
    if (truth < 0)
        return NULL;
    autocast_state.cache = truth;
    Py_RETURN_NONE;
}

static PyObject *function_deeper(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(++autocast_state.nesting);
}

static PyObject *function_shallower(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(--autocast_state.nesting);
}

static PyObject *function_clear(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    autocast_clear();
    Py_RETURN_NONE;
}

/* ---- The profiler ---------------------------------------------------------------------------- */

/* 0: stops; 1: writes times down, 2: bytes too, 5: sizes too, 6: all. */
static PyObject *function_profile(PyObject *module, PyObject *how)
{
    (void)module;
    long much = PyLong_AsLong(how);
    if (much == -1 && PyErr_Occurred())
        return NULL;
    if (much)
        profile_start(much % 4 > 1, much > 4);
    else
        profile_stop();
    Py_RETURN_NONE;
}

/* The sizes of one tensor at *at, as a list; [] for what is none. */
static PyObject *sizes_of_one(const int64_t **at)
{
    const int64_t dims = *(*at)++;
    PyObject *list = PyList_New(dims > 0 ? (Py_ssize_t)dims : 0);
    for (Py_ssize_t d = 0; list && d < dims; d++) {
        PyObject *size = PyLong_FromLongLong(*(*at)++);
        if (!size || PyList_SetItem(list, d, size) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* What stands from `place` on as a list of lists, one a value; None where nothing was kept. */
static PyObject *sizes_at(int64_t place)
{
    if (place < 0)
        return Py_NewRef(Py_None);
    const int64_t *at = profile_sizes() + place;
    const int64_t count = *at++;
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < count; i++) {
        PyObject *one;
        if (*at == PROFILE_LIST) {
            const int64_t tensors = at[1];
            at += 2;
            one = PyList_New(0);
            for (int64_t k = 0; one && k < tensors; k++) {
                PyObject *inner = sizes_of_one(&at);
                if (!inner || PyList_Append(one, inner) < 0)
                    Py_CLEAR(one);
                Py_XDECREF(inner);
            }
        } else {
            one = sizes_of_one(&at);
        }
        if (!one || PyList_Append(list, one) < 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

/* [(name, start, end, bytes, sizes given, sizes made), ...], which are forgotten. */
static PyObject *function_take_profile(PyObject *module, PyObject *unused)
{
    size_t count, lost;
    (void)module, (void)unused;
    const struct profile_event *event = profile_events(&count, &lost);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        bool done = event[i].end;
        PyObject *item = Py_BuildValue("sLLLNN", event[i].name, (long long)event[i].start,
                                       (long long)(done ? event[i].end : event[i].start),
                                       (long long)(done ? event[i].bytes : 0),
                                       sizes_at(event[i].given), sizes_at(event[i].made));
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    if (list)
        profile_clear();
    return list;
}

PyMethodDef interposer_functions[] = {
    {"_autocast_enabled", function_enabled, METH_O, NULL},
    {"_set_autocast_enabled", function_enable, METH_VARARGS, NULL},
    {"_autocast_dtype", function_dtype, METH_O, NULL},
    {"_set_autocast_dtype", function_set_dtype, METH_VARARGS, NULL},
    {"is_autocast_cache_enabled", function_caches, METH_NOARGS,
     "Whether autocast keeps the casts of parameters."},
    {"set_autocast_cache_enabled", function_set_caches, METH_O,
     "Sets whether autocast keeps the casts of parameters."},
    {"autocast_increment_nesting", function_deeper, METH_NOARGS, NULL},
    {"autocast_decrement_nesting", function_shallower, METH_NOARGS, NULL},
    {"clear_autocast_cache", function_clear, METH_NOARGS, "Drops the kept casts."},
    {"_profile", function_profile, METH_O, NULL},
    {"_take_profile", function_take_profile, METH_NOARGS, NULL},
    {0},
};
