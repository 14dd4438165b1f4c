/* saved_tensors_hooks: pairs of Python functions, the innermost of which packs what nodes save. */
#include "autograd/saving.h"
#include "autograd/turn.h"
#include "python/autograd/callbacks.h"
#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"

/* One pair, in force on its thread. */
struct pair {
    struct packer packer;
    PyObject *pack, *unpack;
    struct pair *outer;
};

/* What a pack function returned, with its fellow. */
struct python_packed {
    struct packed packed;
    PyObject *unpack, *value;
};

static __thread struct pair *innermost;
static __thread PyObject *refusal; /* why no pair may be pushed, NULL: it may */

static fl_tensor *unpack_value(struct packed *p)
{
    const struct python_packed *self = (const struct python_packed *)p;
    struct outside_callback state = outside_callback();
    fl_tensor *t = NULL;
    PyObject *result = PyObject_CallFunctionObjArgs(self->unpack, self->value, NULL);
    if (result && pytensor_check(result))
        t = tensor_retain(pytensor_get(result));
    else if (result)
        PyErr_Format(PyExc_TypeError,
                     "Output of saved tensor unpack_hook expected to be a Tensor but got result of "
                     "type %s",
                     python_type_name(result));
    if (!t)
        raise_stash();
    Py_XDECREF(result);
    outside_callback_end(state);
    return t;
}

static void drop_value(struct packed *p)
{
    struct python_packed *self = (struct python_packed *)p;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(self->unpack);
    Py_DECREF(self->value);
    PyMem_Free(self);
    PyGILState_Release(state);
}

static struct packed *pack_tensor(void *context, fl_tensor *t)
{
    const struct pair *pair = context;
    bool held = turn_pause(); /* it is the program's code, perhaps within a backward */
    struct outside_callback state = outside_callback();
    struct python_packed *self = NULL;
    PyObject *shown = pytensor_show(t);
    PyObject *value = shown ? PyObject_CallFunctionObjArgs(pair->pack, shown, NULL) : NULL;
    if (value && !(self = PyMem_Calloc(1, sizeof *self)))
        PyErr_NoMemory();
    if (self)
        *self = (struct python_packed){{unpack_value, drop_value}, Py_NewRef(pair->unpack), value};
    else
        Py_XDECREF(value), raise_stash();
    Py_XDECREF(shown);
    outside_callback_end(state);
    turn_resume(held);
    return self ? &self->packed : NULL;
}

static PyObject *push(PyObject *module, PyObject *args)
{
    PyObject *pack, *unpack;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO:_push_saved_hooks", &pack, &unpack))
        return NULL;
    if (refusal)
        return PyErr_Format(PyExc_RuntimeError, "%U", refusal);
    struct pair *pair = PyMem_Malloc(sizeof *pair);
    if (!pair)
        return PyErr_NoMemory();
    *pair = (struct pair){{pack_tensor, pair}, Py_NewRef(pack), Py_NewRef(unpack), innermost};
    innermost = pair;
    autograd_packer = &pair->packer;
    Py_RETURN_NONE;
}

static PyObject *pop(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    struct pair *pair = innermost;
    if (!pair)
        return PyErr_Format(PyExc_RuntimeError, "no saved_tensors_hooks are in force");
    innermost = pair->outer;
    autograd_packer = innermost ? &innermost->packer : NULL;
    Py_DECREF(pair->pack);
    Py_DECREF(pair->unpack);
    PyMem_Free(pair);
    Py_RETURN_NONE;
}

/* Sets why no hooks may be pushed on this thread (None: they may), and returns what it was. */
static PyObject *refuse(PyObject *module, PyObject *text)
{
    (void)module;
    if (text != Py_None && !PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "the error message must be a str, not %s",
                            python_type_name(text));
    if (text != Py_None && innermost)
        return PyErr_Format(PyExc_RuntimeError, "%U", text);
    PyObject *before = refusal ? refusal : Py_NewRef(Py_None);
    refusal = text == Py_None ? NULL : Py_NewRef(text);
    return before;
}

PyMethodDef saved_hook_functions[] = {
    {"_push_saved_hooks", push, METH_VARARGS, NULL},
    {"_pop_saved_hooks", pop, METH_NOARGS, NULL},
    {"_refuse_saved_hooks", refuse, METH_O, NULL},
    {0},
};
