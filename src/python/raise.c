/* Errors of the library become Python exceptions here, and exceptions of callbacks travel through C
 * here. */
#include "python/python.h"

#include <stdio.h>

static PyObject *out_of_memory, *linalg_error;

/* An exception that a callback raised while the library ran, until the call that started it
 * returns. */
static __thread PyObject *stashed_type, *stashed_value, *stashed_traceback;

void raise_forget(void)
{
    Py_CLEAR(stashed_type);
    Py_CLEAR(stashed_value);
    Py_CLEAR(stashed_traceback);
}

int raise_stash(void)
{
    assert(PyErr_Occurred());
    raise_forget();
    PyErr_Fetch(&stashed_type, &stashed_value, &stashed_traceback);
    return error_set(FL_RUNTIME_ERROR, "a Python function failed during the call");
}

/* A warning of the library: Python's, whose filters may make it an exception. The thread may have let
 * go of the GIL. */
static int give_warning(const char *text, void *context)
{
    (void)context;
    PyGILState_STATE state = PyGILState_Ensure();
    int status = PyErr_WarnEx(PyExc_UserWarning, text, 1) < 0 ? raise_stash() : 0;
    PyGILState_Release(state);
    return status;
}

static PyObject *exception_of(fl_error_kind kind)
{
    switch (kind) {
    case FL_VALUE_ERROR:
        return PyExc_ValueError;
    case FL_TYPE_ERROR:
        return PyExc_TypeError;
    case FL_INDEX_ERROR:
        return PyExc_IndexError;
    case FL_NOT_IMPLEMENTED:
        return PyExc_NotImplementedError;
    case FL_OUT_OF_MEMORY:
        return out_of_memory;
    case FL_FILE_NOT_FOUND:
        return PyExc_FileNotFoundError;
    case FL_IO_ERROR:
        return PyExc_OSError;
    case FL_OVERFLOW_ERROR:
        return PyExc_OverflowError;
    case FL_ASSERTION_ERROR:
        return PyExc_AssertionError;
    case FL_LINALG_ERROR:
        return linalg_error;
    default:
        return PyExc_RuntimeError;
    }
}

PyObject *raise_error(void)
{
    if (stashed_type) {
        PyErr_Restore(stashed_type, stashed_value, stashed_traceback);
        stashed_type = stashed_value = stashed_traceback = NULL;
        fl_error_clear();
        return NULL;
    }
    if (PyErr_Occurred())
        return NULL;
    const char *text = fl_error_message();
    PyErr_SetString(exception_of(fl_error()), text && *text ? text : "unknown error");
    fl_error_clear();
    return NULL;
}

int raise_overflow(void)
{
    PyErr_Clear();
    PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long");
    return -1;
}

PyObject *raise_hint(const char *english, const char *chinese)
{
    assert(PyErr_Occurred() && english && chinese);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    bool speaks_chinese = error_speaks_chinese(); /* a format of Python's is ASCII */
    PyObject *text = PyUnicode_FromFormat(
        "%s%s", speaks_chinese ? "提示：" : "hint: ", speaks_chinese ? chinese : english);
    PyObject *done = value && text ? PyObject_CallMethod(value, "add_note", "O", text) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

PyObject *raise_no_cuda(void)
{
    PyErr_SetString(PyExc_AssertionError, "Torch not compiled with CUDA enabled");
    return raise_hint("no CUDA device is available: device = 'cuda' if torch.cuda.is_available() "
                      "else 'cpu', and .to(device) in place of .cuda().",
                      "没有可用的 CUDA 设备：请写 device = 'cuda' if "
                      "torch.cuda.is_available() else 'cpu'，并用 .to(device) 代替 .cuda()。");
}

const char *python_type_name(PyObject *o)
{
    static char names[4][128]; /* the GIL is held */
    static int next;
    char *out = names[next++ % 4];
    PyObject *name = PyType_GetName(Py_TYPE(o));
    const char *text = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    PyObject *home = PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__module__");
    bool numpy =
        home && PyUnicode_Check(home) && PyUnicode_CompareWithASCIIString(home, "numpy") == 0;
    if (!home)
        PyErr_Clear();
    snprintf(out, sizeof names[0], "%s%s", numpy ? "numpy." : "", text ? text : "object");
    Py_XDECREF(name);
    Py_XDECREF(home);
    return out;
}

int raise_init(PyObject *module)
{
    out_of_memory = PyErr_NewExceptionWithDoc("flambeau.OutOfMemoryError",
                                              "An allocation failed; the program can go on.",
                                              PyExc_RuntimeError, NULL);
    linalg_error = PyErr_NewExceptionWithDoc("flambeau._C._LinAlgError",
                                             "A matrix has no factor or no inverse.",
                                             PyExc_RuntimeError, NULL);
    fl_on_warning(give_warning, NULL);
    if (!out_of_memory || !linalg_error ||
        PyModule_AddObjectRef(module, "_LinAlgError", linalg_error))
        return -1;
    return PyModule_AddObjectRef(module, "OutOfMemoryError", out_of_memory);
}
