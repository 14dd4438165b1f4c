/* What every file of the extension starts from: Python's limited API, the library's headers, and
 * errors.
 *
 * A function that calls into the library and sees it fail returns raise_error(), which turns the
 * library's error into the exception that PyTorch raises. A Python exception that a callback left
 * behind while C ran (a hook that raises) is kept by raise_stash and takes the place of the
 * library's error.
 */
#ifndef FLAMBEAU_PYTHON_PYTHON_H
#define FLAMBEAU_PYTHON_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "ops/op.h"

/* Raises the library's error of this thread as a Python exception; always NULL. */
PyObject *raise_error(void);
/* Sets the pending Python exception aside and leaves a library error in its place; always -1. For
 * callbacks. */
int raise_stash(void);
/* Raises what an int of more than 64 bits raises in PyTorch; -1. */
int raise_overflow(void);
/* Raises what PyTorch without a GPU raises; NULL. */
PyObject *raise_no_cuda(void) __attribute__((cold));
/* Adds a hint to the pending exception, as a note: its text stays PyTorch's. NULL. */
PyObject *raise_hint(const char *english, const char *chinese) __attribute__((cold));
/* Adds OutOfMemoryError to the module. */
int raise_init(PyObject *module);

/* Forgets a set-aside exception, before a call that may leave a new one. */
void raise_forget(void);

/* Releases the GIL while C runs, and takes it again. python_outside counts who is out, and changes
 * with the GIL held alone: while it is 0 nobody changes what the graph holds. */
extern int python_outside;
static inline PyThreadState *python_leave(void)
{
    python_outside++;
    return PyEval_SaveThread();
}
static inline void python_return(PyThreadState *thread)
{
    assert(python_outside > 0);
    PyEval_RestoreThread(thread);
    python_outside--;
}

/* The name of o's type, for messages; good until a few calls later. */
const char *python_type_name(PyObject *o);

/* Casts for tables of slots and methods, whose functions have many types. */
#define SLOT(id, function) {id, (void *)(function)}
#define FAST(name, function, doc)                                                                  \
    {name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS, doc}

/* f(*args, **kwargs) from a vector of arguments (call/overrides.c). */
PyObject *python_call(PyObject *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

static inline PyObject *python_bool(bool truth)
{
    return Py_NewRef(truth ? Py_True : Py_False);
}

/* Element i of a tuple or a list, borrowed. */
static inline PyObject *python_item(PyObject *sequence, Py_ssize_t i)
{
    assert(PyTuple_Check(sequence) || PyList_Check(sequence));
    return PyTuple_Check(sequence) ? PyTuple_GetItem(sequence, i) : PyList_GetItem(sequence, i);
}
static inline Py_ssize_t python_length(PyObject *sequence)
{
    return PyTuple_Check(sequence) ? PyTuple_Size(sequence) : PyList_Size(sequence);
}
static inline bool python_is_sequence(PyObject *o)
{
    return PyTuple_Check(o) || PyList_Check(o);
}

#endif
