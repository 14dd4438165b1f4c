/* Anomaly detection: where in Python a node was made, told when its backward fails; and the refusal
 * of NaN. */
#include "python/autograd/location.h"

static bool anomaly, check_nan = true;

/* The stack that runs now, as traceback.format_stack gives it, joined: a str. The GIL may have been
 * released for a long call. NULL, and nothing raised, where that fails. */
static const void *locate(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *lines = module ? PyObject_CallMethod(module, "format_stack", NULL) : NULL;
    PyObject *empty = lines ? PyUnicode_FromString("") : NULL;
    PyObject *text = empty ? PyUnicode_Join(empty, lines) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(lines);
    Py_XDECREF(empty);
    PyErr_Clear();
    PyGILState_Release(state);
    return text;
}

static void drop(const void *where)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF((PyObject *)where);
    PyGILState_Release(state);
}

/* Warns of the node whose backward has failed. Where warnings are errors, the warning is the one
 * that is raised. */
static void report(const struct node *n)
{
    PyGILState_STATE state = PyGILState_Ensure();
    struct error_state *error = error_save();
    const char *name = node_name(n);
    PyObject *text =
        n->code ? PyUnicode_FromFormat("Error detected in %s. Traceback of forward call that "
                                       "caused the error:\n%U",
                                       name, (PyObject *)n->code)
                : PyUnicode_FromFormat("Error detected in %s. No forward pass information "
                                       "available. Enable detect anomaly during forward pass for "
                                       "more information.",
                                       name);
    const char *message = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    int failed = message ? PyErr_WarnEx(PyExc_UserWarning, message, 1) : -1;
    error_restore(error);
    if (failed)
        raise_stash();
    Py_XDECREF(text);
    PyGILState_Release(state);
}

static PyObject *set_anomaly(PyObject *module, PyObject *args)
{
    int enabled, check = 1;
    (void)module;
    if (!PyArg_ParseTuple(args, "p|p:set_anomaly_enabled", &enabled, &check))
        return NULL;
    anomaly = enabled, check_nan = check;
    autograd_anomaly.locate = anomaly ? locate : NULL;
    autograd_anomaly.report = anomaly ? report : NULL;
    autograd_anomaly.check_nan = anomaly && check_nan;
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
    {"set_anomaly_enabled", set_anomaly, METH_VARARGS,
     "set_anomaly_enabled(mode, check_nan=True): switches anomaly detection."},
    {"is_anomaly_enabled", is_anomaly, METH_NOARGS, "Whether anomaly detection is on."},
    {"is_anomaly_check_nan_enabled", is_check_nan, METH_NOARGS,
     "Whether anomaly detection refuses NaN in gradients."},
    {0},
};

void location_init(void)
{
    autograd_anomaly.drop = drop;
}
