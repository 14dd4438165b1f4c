/* Python functions as hooks of tensors and of nodes.
 *
 * A hook's function stands in a small counted block that the library and the handle given to the
 * program share. The block knows where the library keeps it without owning that, and forgets it
 * when the library drops it: a handle keeps no tensor alive.
 */
#include <assert.h>
#include <stdlib.h>

#include "autograd/hooks.h"
#include "ops/record.h"
#include "python/autograd/callbacks.h"
#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"

struct callback {
    _Atomic int32_t refs;
    PyObject *function; /* NULL once removed; changed with the GIL held, as the rest */
    fl_tensor *leaf;    /* where the library keeps it, alive as long as it does: a leaf... */
    struct node *node;  /* ...or a node; NULL once the library has dropped it */
    int64_t id;
};

static void callback_release(struct callback *c)
{
    if (refs_drop(&c->refs))
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
    .name = "flambeau.utils.hooks.RemovableHandle",
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
    assert(c && handle);
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

/* The hook's function, a new reference: it may remove itself while it runs. NULL where it was
 * removed. */
static PyObject *function_of(const struct callback *c)
{
    return Py_XNewRef(c->function);
}

/* Calls with the arguments (stolen, may be NULL on error): the result, or NULL with an exception.
 */
static PyObject *call_with(PyObject *function, PyObject *args)
{
    PyObject *result = args ? PyObject_CallObject(function, args) : NULL;
    Py_XDECREF(args);
    return result;
}

/* A hook's __name__, or its type's, in a buffer of the caller's. */
static const char *hook_name(PyObject *hook, char *buffer, size_t size)
{
    assert(size > 0);
    PyObject *name = PyObject_GetAttrString(hook, "__name__");
    const char *text = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    PyErr_Clear();
    PyOS_snprintf(buffer, size, "%s", text ? text : python_type_name(hook));
    Py_XDECREF(name);
    return buffer;
}

/* Puts what a hook returned in the place of a gradient; an exception where it is not like it. */
static bool replace_one(PyObject *hook, fl_tensor *new, fl_tensor **grad)
{
    char name[128];
    if (hooks_check(hook_name(hook, name, sizeof name), *grad, new))
        return raise_error(), false;
    tensor_retain(new);
    tensor_release(*grad);
    *grad = new;
    return true;
}

static int run_tensor_hook(void *context, fl_tensor **grad)
{
    assert(*grad);
    struct callback *c = context;
    struct outside_callback state = outside_callback();
    int status = 0;
    PyObject *function = function_of(c);
    if (function) {
        PyObject *shown = pytensor_show(*grad);
        PyObject *result = call_with(function, shown ? Py_BuildValue("(N)", shown) : NULL);
        if (result && pytensor_check(result))
            replace_one(function, pytensor_get(result), grad);
        else if (result && result != Py_None)
            PyErr_Format(PyExc_TypeError, "expected Variable, but hook returned '%s'",
                         python_type_name(result));
        Py_XDECREF(result);
        Py_DECREF(function);
        status = PyErr_Occurred() ? raise_stash() : 0;
    }
    outside_callback_end(state);
    return status;
}

static int run_leaf_hook(void *context, fl_tensor *leaf)
{
    assert(leaf);
    struct callback *c = context;
    struct outside_callback state = outside_callback();
    int status = 0;
    PyObject *function = function_of(c);
    if (function) {
        PyObject *shown = pytensor_show(leaf);
        PyObject *result = call_with(function, shown ? Py_BuildValue("(N)", shown) : NULL);
        if (result && result != Py_None)
            PyErr_SetString(PyExc_RuntimeError,
                            "Tensor post accumulate grad hooks should return None.");
        Py_XDECREF(result);
        Py_DECREF(function);
        status = PyErr_Occurred() ? raise_stash() : 0;
    }
    outside_callback_end(state);
    return status;
}

static PyObject *tuple_of(int count, fl_tensor *const *tensors)
{
    assert(count >= 0);
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *o = pytensor_show(tensors[i]);
        if (!o || PyTuple_SetItem(tuple, i, o) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* Puts what a hook returned (None, one tensor, a tuple) in the place of `count` gradients. */
static bool replace_all(PyObject *hook, PyObject *result, int count, fl_tensor **tensors)
{
    assert(count >= 0);
    if (result == Py_None)
        return true;
    bool single = !PyTuple_Check(result);
    char name[128];
    if ((single ? 1 : PyTuple_Size(result)) != count) {
        PyErr_Format(
            PyExc_RuntimeError,
            "hook '%s' has returned an incorrect number of values (got %zd, but expected %d)",
            hook_name(hook, name, sizeof name), single ? 1 : PyTuple_Size(result), count);
        return false;
    }
    for (int i = 0; i < count; i++) {
        PyObject *o = single ? result : PyTuple_GetItem(result, i);
        if (o != Py_None && !pytensor_check(o)) {
            PyErr_Format(PyExc_TypeError, "expected Tensor, but hook returned '%s'",
                         python_type_name(o));
            return false;
        }
        fl_tensor *new = o == Py_None ? NULL : pytensor_get(o);
        if (new && tensors[i]) {
            if (!replace_one(hook, new, &tensors[i]))
                return false;
            continue;
        }
        if (new) {
            PyErr_SetString(PyExc_RuntimeError,
                            "can't replace a None gradient with a non-None value");
            return false;
        }
        tensor_release(tensors[i]);
        tensors[i] = NULL;
    }
    return true;
}

static int run_node_hook(struct callback *c, PyObject *args, bool tuples, int count,
                         fl_tensor **replaced)
{
    PyObject *function = function_of(c);
    PyObject *result = call_with(function, args);
    if (result && tuples && result != Py_None && !PyTuple_Check(result)) {
        PyErr_Format(PyExc_TypeError, "expected tuple, but hook returned '%s'",
                     python_type_name(result));
        Py_CLEAR(result);
    }
    bool ok = result && replace_all(function, result, count, replaced);
    Py_XDECREF(result);
    Py_DECREF(function);
    return ok ? 0 : raise_stash();
}

static int run_after_hook(void *context, int inputs, fl_tensor **grad_inputs, int results,
                          fl_tensor **grad_results)
{
    struct callback *c = context;
    struct outside_callback state = outside_callback();
    int status = 0;
    if (c->function) {
        fl_tensor *seen[RECORD_SHOWN];
        int at[RECORD_SHOWN], count = c->node ? record_shown_order(c->node, at) : -1;
        for (int k = 0; k < count; k++)
            seen[k] = at[k] < 0 ? NULL : grad_inputs[at[k]];
        fl_tensor **shown = count < 0 ? grad_inputs : seen;
        const int given = count < 0 ? inputs : count;
        PyObject *in = tuple_of(given, shown), *out = tuple_of(results, grad_results);
        status = run_node_hook(c, in && out ? PyTuple_Pack(2, in, out) : NULL, true, given, shown);
        for (int k = 0; k < count; k++)
            if (at[k] >= 0)
                grad_inputs[at[k]] = seen[k];
        Py_XDECREF(in);
        Py_XDECREF(out);
    }
    outside_callback_end(state);
    return status;
}

static int run_before_hook(void *context, int inputs, fl_tensor **grad_inputs, int results,
                           fl_tensor **grad_results)
{
    (void)inputs, (void)grad_inputs;
    struct callback *c = context;
    struct outside_callback state = outside_callback();
    int status = 0;
    if (c->function) {
        PyObject *out = tuple_of(results, grad_results);
        status =
            run_node_hook(c, out ? Py_BuildValue("(N)", out) : NULL, false, results, grad_results);
    }
    outside_callback_end(state);
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

/* ---- For the collector ----------------------------------------------------------------------- */

struct visitor {
    visitproc visit;
    void *arg;
};

static bool is_callback(void (*run)(void))
{
    return run == (void (*)(void))run_tensor_hook || run == (void (*)(void))run_leaf_hook ||
           run == (void (*)(void))run_before_hook || run == (void (*)(void))run_after_hook;
}

static int visit_callback(void (*run)(void), void *context, void *arg)
{
    const struct visitor *v = arg;
    PyObject *function = is_callback(run) ? ((struct callback *)context)->function : NULL;
    return function ? v->visit(function, v->arg) : 0;
}

int callbacks_visit(struct grad_hooks *hooks, visitproc visit, void *arg)
{
    struct visitor v = {visit, arg};
    return hooks_each(hooks, visit_callback, &v);
}

static int clear_callback(void (*run)(void), void *context, void *arg)
{
    (void)arg;
    if (is_callback(run))
        Py_CLEAR(((struct callback *)context)->function);
    return 0;
}

void callbacks_clear(struct grad_hooks *hooks)
{
    hooks_each(hooks, clear_callback, NULL);
}

int callbacks_init(void)
{
    handle_type = (PyTypeObject *)PyType_FromSpec(&handle_spec);
    return handle_type ? 0 : -1;
}
