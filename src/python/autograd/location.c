/* Where in Python a node was made, told when its backward fails; and anomaly detection's refusal of
 * NaN.
 *
 * To ask for the running frame makes an object of it, which costs more than recording a call. The
 * mistakes that this is for show in the first steps of a program, so the line is noted for the first
 * calls of a process alone, which is a fixed cost. Anomaly detection notes the whole stack of every
 * call.
 *
 * A node's `code` is a str under anomaly detection, else one of `sites`, which stay. */
#include "python/autograd/location.h"

#include <string.h>

bool location_anomaly;
static bool check_nan = true;

enum { SITES = 4096 };
static struct site {
    PyObject *code; /* owned */
    int line;
} sites[SITES];
static int sites_used;
static char own_folder[1024]; /* where flambeau's own Python is: its frames are passed over */

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

static bool is_site(const void *where)
{
    return (const struct site *)where >= sites && (const struct site *)where < sites + SITES;
}

/* A string attribute of code, UTF-8 that lives as long as code does; "?" where there is none. */
static const char *text_of(PyObject *code, const char *attribute)
{
    PyObject *value = PyObject_GetAttrString(code, attribute);
    const char *text = value ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
    Py_XDECREF(value); /* the code object holds it */
    PyErr_Clear();
    return text ? text : "?";
}

/* Takes the place of `locate` while anomaly detection is off: the line of the innermost frame that
 * is not our own, a site; NULL after the first SITES calls. */
static const void *locate_line(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    struct site *site = sites_used < SITES ? &sites[sites_used++] : NULL;
    PyObject *frame = site ? Py_XNewRef((PyObject *)PyEval_GetFrame()) : NULL;
    while (frame) {
        PyObject *code = (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
        if (strncmp(text_of(code, "co_filename"), own_folder, strlen(own_folder)) != 0) {
            site->code = code;
            site->line = PyFrame_GetLineNumber((PyFrameObject *)frame);
            break;
        }
        PyObject *back = PyObject_GetAttrString(frame, "f_back");
        Py_DECREF(code);
        Py_DECREF(frame);
        frame = back == Py_None ? NULL : back;
        if (!frame)
            Py_XDECREF(back);
    }
    Py_XDECREF(frame);
    PyErr_Clear();
    if (sites_used == SITES && autograd_anomaly.locate == locate_line)
        autograd_anomaly.locate = NULL;
    PyGILState_Release(state);
    return site && site->code ? site : NULL;
}

static void drop(const void *where)
{
    if (is_site(where))
        return;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF((PyObject *)where);
    PyGILState_Release(state);
}

/* Adds to the error which node's backward failed, and the line that recorded it. */
static void name_line(const struct node *n)
{
    const struct site *site = n->code && is_site(n->code) ? n->code : NULL;
    const char *name = node_name(n);
    if (!site) {
        error_context("in the backward of %s (torch.autograd.set_detect_anomaly(True) shows the "
                      "line that recorded it)",
                      "出错处是 %s 的反向计算（torch.autograd.set_detect_anomaly(True) "
                      "会指出记录它的那一行）",
                      name);
        return;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *error_type, *error_value, *error_trace;
    PyErr_Fetch(&error_type, &error_value, &error_trace);
    const char *file = text_of(site->code, "co_filename"), *base = strrchr(file, '/');
    PyObject *module = PyImport_ImportModule("linecache");
    PyObject *line = module ? PyObject_CallMethod(module, "getline", "si", file, site->line) : NULL;
    PyObject *stripped = line ? PyObject_CallMethod(line, "strip", NULL) : NULL;
    const char *text = stripped ? PyUnicode_AsUTF8AndSize(stripped, NULL) : NULL;
    error_context("in the backward of %s, recorded by %s, line %d, in %s: %s",
                  "出错处是 %s 的反向计算，记录它的是 %s 第 %d 行（%s）：%s", name,
                  base ? base + 1 : file, site->line, text_of(site->code, "co_name"),
                  text ? text : "");
    Py_XDECREF(module);
    Py_XDECREF(line);
    Py_XDECREF(stripped);
    PyErr_Restore(error_type, error_value, error_trace);
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
        n->code && !is_site(n->code)
            ? PyUnicode_FromFormat("Error detected in %s. Traceback of forward call that "
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
    location_anomaly = enabled, check_nan = check;
    autograd_anomaly.locate = location_anomaly ? locate : sites_used < SITES ? locate_line : NULL;
    autograd_anomaly.report = location_anomaly ? report : name_line;
    autograd_anomaly.check_nan = location_anomaly && check_nan;
    Py_RETURN_NONE;
}

static PyObject *is_anomaly(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(location_anomaly);
}

static PyObject *is_check_nan(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(check_nan);
}

/* Given flambeau's folder once it is known. */
static PyObject *note_lines(PyObject *module, PyObject *folder)
{
    (void)module;
    const char *text = PyUnicode_AsUTF8AndSize(folder, NULL);
    if (!text)
        return NULL;
    if (strlen(text) < sizeof own_folder) {
        strcpy(own_folder, text);
        autograd_anomaly.locate = locate_line;
    }
    Py_RETURN_NONE;
}

PyMethodDef location_functions[] = {
    {"set_anomaly_enabled", set_anomaly, METH_VARARGS,
     "set_anomaly_enabled(mode, check_nan=True): switches anomaly detection."},
    {"is_anomaly_enabled", is_anomaly, METH_NOARGS, "Whether anomaly detection is on."},
    {"is_anomaly_check_nan_enabled", is_check_nan, METH_NOARGS,
     "Whether anomaly detection refuses NaN in gradients."},
    {"_note_lines", note_lines, METH_O,
     "_note_lines(folder): lines are noted from now on, but those of files in the folder."},
    {0},
};

void location_init(void)
{
    autograd_anomaly.drop = drop;
    autograd_anomaly.report = name_line;
}
