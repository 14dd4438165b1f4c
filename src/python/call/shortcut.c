/* Functions whose usual calls go straight to an operator, and whose other calls go to Python.
 *
 * PyTorch's functional forms differ from its operators: they have `inplace`, arguments of old
 * (size_average), another order. shortcut(slow, fast, positional, names, doc, alike) makes a function
 * that calls fast, a built-in function, as it was called; but slow, the Python function with the
 * whole behaviour, when there are more positional arguments than `positional`, when one of the
 * keywords `names` is given, when fast refuses the arguments with a TypeError, and where `alike` is
 * true unless the first two arguments are plain tensors of one size (others are warned of). */
#include "python/call/overrides.h"
#include "python/module/module.h"

typedef PyObject *fast_call(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

struct shortcut {
    PyMethodDef def; /* name and doc stand in the strings below */
    fast_call *fast;
    Py_ssize_t positional;
    int alike;
    PyObject *kept; /* (slow, fast, positional, names, doc): keeps what is borrowed */
    PyObject *slow, *names;
    PyObject *function; /* what Python calls; it keeps this block */
};

/* Whether any keyword of a call is among the names; both hold interned strings. */
static bool has_name(PyObject *keywords, PyObject *names)
{
    Py_ssize_t count = keywords ? PyTuple_Size(keywords) : 0, known = PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < count; i++)
        for (Py_ssize_t j = 0; j < known; j++)
            if (PyTuple_GetItem(keywords, i) == PyTuple_GetItem(names, j))
                return true;
    return false;
}

static bool are_alike(PyObject *const *args, Py_ssize_t count)
{
    return count >= 2 && !overrides_mode_here() && pytensor_check(args[0]) &&
           pytensor_check(args[1]) && !overrides_wants(args[0]) && !overrides_wants(args[1]) &&
           shape_equal(pytensor_get(args[0]), pytensor_get(args[1]));
}

static PyObject *call(PyObject *capsule, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords)
{
    const struct shortcut *s = PyCapsule_GetPointer(capsule, NULL);
    if (count <= s->positional && !has_name(keywords, s->names) &&
        (!s->alike || are_alike(args, count))) {
        overrides_caller = s->function;
        PyObject *result = s->fast(NULL, args, count, keywords);
        bool shown = !overrides_caller; /* to a class, which has answered */
        overrides_caller = NULL;
        if (result || shown || !PyErr_ExceptionMatches(PyExc_TypeError))
            return result;
        PyErr_Clear();
    }
    return python_call(s->slow, args, count, keywords);
}

static void release(PyObject *capsule)
{
    struct shortcut *s = PyCapsule_GetPointer(capsule, NULL);
    Py_XDECREF(s->kept);
    PyMem_Free(s);
}

static PyObject *intern_all(PyObject *names)
{
    PyObject *interned = PyTuple_New(PyTuple_Size(names));
    for (Py_ssize_t i = 0; interned && i < PyTuple_Size(names); i++) {
        PyObject *name = Py_NewRef(PyTuple_GetItem(names, i));
        PyUnicode_InternInPlace(&name);
        PyTuple_SetItem(interned, i, name);
    }
    return interned;
}

static PyObject *shortcut(PyObject *module, PyObject *args)
{
    PyObject *slow, *fast, *names, *doc;
    const char *name, *text;
    Py_ssize_t positional;
    int wanted = METH_FASTCALL | METH_KEYWORDS, alike = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO!nO!U|p:shortcut", &slow, &PyCFunction_Type, &fast, &positional,
                          &PyTuple_Type, &names, &doc, &alike))
        return NULL;
    PyObject *title = PyObject_GetAttrString(slow, "__name__");
    if (!title || !(name = PyUnicode_AsUTF8AndSize(title, NULL)) ||
        !(text = PyUnicode_AsUTF8AndSize(doc, NULL)) ||
        (PyCFunction_GetFlags(fast) & ~METH_STATIC) != wanted) {
        Py_XDECREF(title);
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "shortcut() needs a function of keywords");
        return NULL;
    }
    struct shortcut *s = PyMem_Calloc(1, sizeof *s);
    PyObject *interned = s ? intern_all(names) : PyErr_NoMemory();
    PyObject *kept = interned ? PyTuple_Pack(5, slow, fast, interned, doc, title) : NULL;
    PyObject *capsule = kept ? PyCapsule_New(s, NULL, release) : NULL, *result = NULL;
    Py_XDECREF(interned);
    Py_DECREF(title);
    if (!capsule) {
        Py_XDECREF(kept);
        PyMem_Free(s);
        return NULL;
    }
    s->def = (PyMethodDef){name, (PyCFunction)(void (*)(void))call, wanted, text};
    s->fast = (fast_call *)(void (*)(void))PyCFunction_GetFunction(fast);
    s->positional = positional;
    s->alike = alike;
    s->kept = kept;
    s->slow = slow;
    s->names = interned;
    PyObject *home = PyObject_GetAttrString(slow, "__module__");
    if (home)
        s->function = result = PyCFunction_NewEx(&s->def, capsule, home);
    Py_XDECREF(home);
    Py_DECREF(capsule);
    return result;
}

static PyMethodDef shortcut_method = {
    "shortcut", shortcut, METH_VARARGS,
    "shortcut(slow, fast, positional, names, doc, alike=False)\n--\n\n"
    "fast, or slow for more positional arguments, for the keywords in names, where fast raises "
    "TypeError, and with alike where the first two are no plain tensors of one size."};

int shortcut_init(PyObject *c_module)
{
    PyObject *function = PyCFunction_New(&shortcut_method, NULL);
    int failed = !function || PyModule_AddObjectRef(c_module, "shortcut", function);
    Py_XDECREF(function);
    return failed ? -1 : 0;
}
