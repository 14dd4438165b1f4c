/* Overloads that PyTorch has deprecated and still takes: numbers before the last tensor.
 *
 * add_(-lr, grad) is add_(grad, alpha=-lr); addcmul_(value, a, b) is addcmul_(a, b, value=value);
 * addmm(beta, x, alpha, a, b) is addmm(x, a, b, beta=beta, alpha=alpha). (Source: PyTorch's
 * deprecated.yaml.) Looked at once no overload fits, so that other calls pay nothing.
 */
#include <assert.h>
#include <string.h>

#include "python/call/arguments.h"
#include "python/tensor/tensor_object.h"

enum { TENSORS_MOST = 3, NUMBERS_MOST = 2, GIVEN_MOST = OLD_ARGUMENTS - 1 };

/* layouts: the orders of tensors (T) and numbers (N); for a method, self is the first T. */
static const struct old_overload {
    const char *name, *layouts[2], *numbers[NUMBERS_MOST];
} OLD[] = {{"add", {"TNT"}, {"alpha"}},
           {"sub", {"TNT"}, {"alpha"}},
           {"addcmul", {"TNTT"}, {"value"}},
           {"addcdiv", {"TNTT"}, {"value"}},
           {"addmm", {"NTNTT", "NTTT"}, {"beta", "alpha"}},
           {"addmv", {"NTNTT", "NTTT"}, {"beta", "alpha"}},
           {"addr", {"NTNTT", "NTTT"}, {"beta", "alpha"}},
           {"addbmm", {"NTNTT", "NTTT"}, {"beta", "alpha"}},
           {"baddbmm", {"NTNTT", "NTTT"}, {"beta", "alpha"}}};

static const struct old_overload *old_of(const char *name)
{
    size_t length = strlen(name);
    length -= length > 0 && name[length - 1] == '_';
    for (size_t i = 0; i < sizeof OLD / sizeof *OLD; i++)
        if (strlen(OLD[i].name) == length && strncmp(OLD[i].name, name, length) == 0)
            return &OLD[i];
    return NULL;
}

bool old_overloads_has(const char *name)
{
    return old_of(name) != NULL;
}

/* Whether `given` is the layout, of a method without its first tensor. */
static bool is_layout(const char *layout, bool method, const char *given)
{
    const size_t before = method ? strcspn(layout, "T") : strlen(layout);
    assert(!method || layout[before] == 'T');
    return strncmp(layout, given, before) == 0 &&
           strcmp(layout + before + method, given + before) == 0;
}

/* Deals what was given into tensors and numbers. How many numbers; 0: it is no such call. */
static int deal(const struct old_overload *old, bool method, PyObject *const *args,
                Py_ssize_t nargs, PyObject **tensors, PyObject **numbers)
{
    int many = 0, found = 0;
    char given[GIVEN_MOST + 1] = "";
    if (nargs > GIVEN_MOST)
        return 0;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyObject *o = args[i];
        bool number = (PyFloat_Check(o) || PyLong_Check(o)) && !PyBool_Check(o);
        if (number ? found == NUMBERS_MOST : many == TENSORS_MOST || !pytensor_check(o))
            return 0;
        given[i] = number ? 'N' : 'T';
        if (number)
            numbers[found++] = o;
        else
            tensors[many++] = o;
    }
    for (int i = 0; i < 2 && old->layouts[i]; i++)
        if (is_layout(old->layouts[i], method, given))
            return found;
    return 0;
}

static int warn(const struct python_name *name, bool method)
{
    static bool told;
    char is[512];
    if (told)
        return 0;
    told = true;
    mismatch_signature(is, sizeof is, name->overloads[0], method);
    return PyErr_WarnFormat(PyExc_UserWarning, 1,
                            "This overload of %s is deprecated:\n\t%s with its numbers before the "
                            "last tensor\nConsider using one of the following signatures "
                            "instead:\n\t%s%s",
                            name->called, name->called, name->called, is);
}

/* Names for the numbers, then those that were given (out=). */
static PyObject *names_of(const struct old_overload *old, int numbers, PyObject *kwnames)
{
    Py_ssize_t given = kwnames ? PyTuple_Size(kwnames) : 0;
    PyObject *names = PyTuple_New(numbers + given);
    for (int i = 0; names && i < numbers; i++) {
        PyObject *text = PyUnicode_InternFromString(old->numbers[i]);
        if (!text || PyTuple_SetItem(names, i, text) < 0)
            Py_CLEAR(names);
    }
    for (Py_ssize_t k = 0; names && k < given; k++)
        PyTuple_SetItem(names, numbers + k, Py_NewRef(PyTuple_GetItem(kwnames, k)));
    return names;
}

int old_overloads_arrange(const struct python_name *name, bool method, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames, struct old_arguments *a)
{
    assert(nargs >= 0 && !PyErr_Occurred());
    const struct old_overload *old = old_of(name->called);
    const Py_ssize_t given = kwnames ? PyTuple_Size(kwnames) : 0;
    PyObject *tensors[TENSORS_MOST], *numbers[NUMBERS_MOST];
    int found = old && given <= 1 ? deal(old, method, args, nargs, tensors, numbers) : 0;
    if (!found)
        return 0;
    if (warn(name, method) || !(a->names = names_of(old, found, kwnames)))
        return -1;
    a->positional = nargs - found;
    memcpy(a->args, tensors, sizeof *tensors * (size_t)a->positional);
    memcpy(a->args + a->positional, numbers, sizeof *numbers * (size_t)found);
    if (given)
        a->args[nargs] = args[nargs];
    return 1;
}
