/* Python functions as hooks of tensors and of nodes.
 *
 * A hook's function stands in a small counted block that the library and the handle given to the
 * program share. The block knows where the library keeps it without owning that, and forgets it
 * when the library drops it: a handle keeps no tensor alive.
 */
#include <stdlib.h>

#include "python/autograd/callbacks.h"
#include "python/tensor/tensor_object.h"

struct callback {
    _Atomic int refs;
    PyObject *function; /* NULL once removed; changed with the GIL held, as the rest */
    fl_tensor *leaf;    /* where the library keeps it, alive as long as it does: a leaf... */
    struct node *node;  /* ...or a node; NULL once the library has dropped it */
    int64_t id;
};

static void callback_release(struct callback *c)
{
    if (atomic_fetch_sub(&c->refs, 1) == 1)
        free(c);
}

/* The library drops its share, on any thread. */
static void callback_drop(void *context)
{
    struct callback *c = context;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_CLEAR(c->function);
    c->leaf = NULL, c->node = NULL;
    PyGILState_Release(state);
    callback_release(c);
}

/* ---- The handle that the program gets -------------------------------------------------------- */

struct handle_object {
    PyObject_HEAD struct callback *callback;
};

static PyTypeObject *handle_type;

static PyObject *handle_remove(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct callback *c = ((struct handle_object *)self)->callback;
    Py_CLEAR(c->function);
    if (c->leaf)
        autograd_remove_hook(c->leaf, c->id);
    else if (c->node)
        node_remove_hook(c->node, c->id);
    Py_RETURN_NONE;
}

static PyObject *handle_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyObject *handle_exit(PyObject *self, PyObject *args)
{
    (void)args;
    return handle_remove(self, NULL);
}

static void handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    callback_release(((struct handle_object *)self)->callback);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef handle_methods[] = {
    {"remove", handle_remove, METH_NOARGS, "Takes the hook away; again is harmless."},
    {"__enter__", handle_enter, METH_NOARGS, NULL},
    {"__exit__", handle_exit, METH_VARARGS, NULL},
    {0},
};

static PyType_Spec handle_spec = {
    .name = "flambeau._C.HookHandle",
    .basicsize = sizeof(struct handle_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots =
        (PyType_Slot[]){
            SLOT(Py_tp_dealloc, handle_dealloc),
            SLOT(Py_tp_methods, handle_methods),
            {0},
        },
};

/* A callback with two owners: the library and the handle in *handle. NULL with an exception. */
static struct callback *callback_new(PyObject *function, PyObject **handle)
{
    if (!PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "a hook must be callable, not %s",
                     python_type_name(function));
        return NULL;
    }
    struct callback *c = malloc(sizeof *c);
    struct handle_object *h = c ? PyObject_New(struct handle_object, handle_type) : NULL;
    if (!h) {
        free(c);
        PyErr_NoMemory();
        return NULL;
    }
    *c = (struct callback){.refs = 2, .function = Py_NewRef(function)};
    h->callback = c;
    *handle = (PyObject *)h;
    return c;
}

/* The handle after the library was given the callback; on failure (id < 0) both shares go. */
static PyObject *callback_given(struct callback *c, PyObject *handle, fl_tensor *t, struct node *n,
                                int64_t id)
{
    int result;
    if (id >= 0) {
        c->id = id;
        c->node = t && !tensor_is_leaf(t) ? autograd_node(t, &result) : n;
        c->leaf = t && tensor_is_leaf(t) ? t : NULL;
        return handle;
    }
    callback_drop(c);
    Py_DECREF(handle);
    return raise_error();
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* Calls with the arguments (stolen, may be NULL on error): the result, or NULL with an exception.
 */
static PyObject *call_with(PyObject *function, PyObject *args)
{
    Py_INCREF(function); /* the hook may remove itself */
    PyObject *result = args ? PyObject_CallObject(function, args) : NULL;
    Py_XDECREF(args);
    Py_DECREF(function);
    return result;
}

static int run_tensor_hook(void *context, fl_tensor **grad)
{
    struct callback *c = context;
    PyGILState_STATE state = PyGILState_Ensure();
    int status = 0;
    if (c->function) {
        PyObject *shown = pytensor_show(*grad);
        PyObject *result = call_with(c->function, shown ? Py_BuildValue("(N)", shown) : NULL);
        if (result && pytensor_check(result)) {
            tensor_release(*grad);
            *grad = tensor_retain(pytensor_get(result));
        } else if (result && result != Py_None) {
            PyErr_Format(
                PyExc_TypeError,
                "hook for tensor returned an invalid type: expected Tensor or None, got %s",
                python_type_name(result));
        }
        Py_XDECREF(result);
        status = PyErr_Occurred() ? raise_stash() : 0;
    }
    PyGILState_Release(state);
    return status;
}

static int run_leaf_hook(void *context, fl_tensor *leaf)
{
    struct callback *c = context;
    PyGILState_STATE state = PyGILState_Ensure();
    int status = 0;
    if (c->function) {
        PyObject *shown = pytensor_show(leaf);
        PyObject *result = call_with(c->function, shown ? Py_BuildValue("(N)", shown) : NULL);
        Py_XDECREF(result);
        status = result ? 0 : raise_stash();
    }
    PyGILState_Release(state);
    return status;
}

static PyObject *tuple_of(int count, fl_tensor *const *tensors)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *o = pytensor_show(tensors[i]);
        if (!o || PyTuple_SetItem(tuple, i, o) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* Puts what a hook returned (None, one tensor, a tuple) in the place of `count` gradients. */
static bool replace_all(PyObject *result, int count, fl_tensor **tensors)
{
    if (result == Py_None)
        return true;
    bool single = !PyTuple_Check(result);
    if ((single ? 1 : PyTuple_Size(result)) != count) {
        PyErr_Format(PyExc_RuntimeError,
                     "hook has returned an incorrect number of values (got %zd, but expected %d)",
                     single ? 1 : PyTuple_Size(result), count);
        return false;
    }
    for (int i = 0; i < count; i++) {
        PyObject *o = single ? result : PyTuple_GetItem(result, i);
        if (o != Py_None && !pytensor_check(o)) {
            PyErr_Format(PyExc_TypeError, "expected Tensor, but hook returned '%s'",
                         python_type_name(o));
            return false;
        }
        fl_tensor *new = o == Py_None ? NULL : tensor_retain(pytensor_get(o));
        tensor_release(tensors[i]);
        tensors[i] = new;
    }
    return true;
}

static int run_node_hook(struct callback *c, PyObject *args, int count, fl_tensor **replaced)
{
    PyObject *result = call_with(c->function, args);
    bool ok = result && replace_all(result, count, replaced);
    Py_XDECREF(result);
    return ok ? 0 : raise_stash();
}

static int run_after_hook(void *context, int inputs, fl_tensor **grad_inputs, int results,
                          fl_tensor **grad_results)
{
    struct callback *c = context;
    PyGILState_STATE state = PyGILState_Ensure();
    int status = 0;
    if (c->function) {
        PyObject *in = tuple_of(inputs, grad_inputs), *out = tuple_of(results, grad_results);
        status = run_node_hook(c, in && out ? PyTuple_Pack(2, in, out) : NULL, inputs, grad_inputs);
        Py_XDECREF(in);
        Py_XDECREF(out);
    }
    PyGILState_Release(state);
    return status;
}

static int run_before_hook(void *context, int inputs, fl_tensor **grad_inputs, int results,
                           fl_tensor **grad_results)
{
    (void)inputs, (void)grad_inputs;
    struct callback *c = context;
    PyGILState_STATE state = PyGILState_Ensure();
    int status = 0;
    if (c->function) {
        PyObject *out = tuple_of(results, grad_results);
        status = run_node_hook(c, out ? Py_BuildValue("(N)", out) : NULL, results, grad_results);
    }
    PyGILState_Release(state);
    return status;
}

/* ---- What tensors and nodes offer ------------------------------------------------------------ */

PyObject *callbacks_add_tensor(fl_tensor *t, PyObject *function)
{
    PyObject *handle;
    if (!tensor_requires_grad(t))
        return PyErr_Format(PyExc_RuntimeError,
                            "cannot register a hook on a tensor that doesn't require gradient");
    struct callback *c = callback_new(function, &handle);
    return c ? callback_given(c, handle, t, NULL,
                              autograd_add_hook(t, run_tensor_hook, c, callback_drop))
             : NULL;
}

PyObject *callbacks_add_leaf(fl_tensor *t, PyObject *function)
{
    PyObject *handle;
    if (!tensor_requires_grad(t))
        return PyErr_Format(PyExc_RuntimeError,
                            "cannot register a hook on a tensor that doesn't require gradient");
    if (!tensor_is_leaf(t))
        return PyErr_Format(PyExc_RuntimeError,
                            "post accumulate grad hooks cannot be registered on non-leaf tensors");
    struct callback *c = callback_new(function, &handle);
    return c ? callback_given(c, handle, t, NULL,
                              autograd_add_post_accumulate_hook(t, run_leaf_hook, c, callback_drop))
             : NULL;
}

PyObject *callbacks_add_node(struct node *n, bool before, PyObject *function)
{
    PyObject *handle;
    struct callback *c = callback_new(function, &handle);
    if (!c)
        return NULL;
    return callback_given(
        c, handle, NULL, n,
        node_add_hook(n, before, before ? run_before_hook : run_after_hook, c, callback_drop));
}

int callbacks_init(void)
{
    handle_type = (PyTypeObject *)PyType_FromSpec(&handle_spec);
    return handle_type ? 0 : -1;
}
