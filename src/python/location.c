/* Which line of Python made a node, for the messages of a backward that fails; and the switch of
 * anomaly detection. */
#include <stdio.h>

#include "python/location.h"

static bool anomaly, check_nan = true;

/* The code object and line that run now. The GIL may have been released for a long call. */
static const void *location_now(int32_t *line)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyFrameObject *frame = PyEval_GetFrame();
    PyCodeObject *code = frame ? PyFrame_GetCode(frame) : NULL;
    *line = frame ? PyFrame_GetLineNumber(frame) : 0;
    PyGILState_Release(state);
    return code;
}

static void location_drop(const void *code)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF((PyObject *)code);
    PyGILState_Release(state);
}

static void location_text(const void *code, int32_t line, char *out, size_t size)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *file = PyObject_GetAttrString((PyObject *)code, "co_filename");
    PyObject *name = PyObject_GetAttrString((PyObject *)code, "co_name");
    const char *where = file ? PyUnicode_AsUTF8AndSize(file, NULL) : NULL;
    const char *who = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    snprintf(out, size, "%s:%d, in %s", where ? where : "?", (int)line, who ? who : "?");
    Py_XDECREF(file);
    Py_XDECREF(name);
    PyErr_Clear();
    PyGILState_Release(state);
}

static PyObject *set_anomaly(PyObject *module, PyObject *args)
{
    int enabled, check = 1;
    (void)module;
    if (!PyArg_ParseTuple(args, "p|p:_set_anomaly_enabled", &enabled, &check))
        return NULL;
    anomaly = enabled, check_nan = check;
    autograd_location = anomaly ? location_now : NULL;
    Py_RETURN_NONE;
}

static PyObject *is_anomaly(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(anomaly);
}

static PyObject *is_check_nan(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(check_nan);
}

PyMethodDef location_functions[] = {
    {"_set_anomaly_enabled", set_anomaly, METH_VARARGS, NULL},
    {"_is_anomaly_enabled", is_anomaly, METH_NOARGS, NULL},
    {"_is_anomaly_check_nan_enabled", is_check_nan, METH_NOARGS, NULL},
    {0},
};

void location_init(void)
{
    autograd_location_drop = location_drop;
    autograd_location_text = location_text;
}
