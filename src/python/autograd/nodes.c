/* The graph as Python sees it: grad_fn objects, backward, gradients, hooks, the modes of recording.
 *
 * A node has at most one live object, which holds a reference to it. The nodes of autograd.Function
 * show their context object instead (function.c).
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "ops/record.h"
#include "python/autograd/callbacks.h"
#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"
#include "python/watch.h"

struct node_object {
    PyObject_HEAD struct node *node;
    PyObject *metadata;
};

static PyTypeObject *node_type;
static PyObject *node_types; /* the type of each derivative that was shown, by its name */
int python_outside;

/* ---- For the collector ------------------------------------------------------------------------
 *
 * What a tensor or an object of a node owns alone, hooks and the context of a Function, may refer
 * back to it. */

static bool is_only(_Atomic int32_t *refs)
{
    assert(atomic_load_explicit(refs, memory_order_relaxed) > 0);
    return python_outside == 0 && atomic_load_explicit(refs, memory_order_relaxed) == 1;
}

static int visit_node(struct node *n, visitproc visit, void *arg)
{
    if (!n || !is_only(&n->refs))
        return 0;
    int status = callbacks_visit(n->hooks, visit, arg);
    PyObject *context = function_context(n);
    return status == 0 && context ? visit(context, arg) : status;
}

int graph_visit(fl_tensor *t, visitproc visit, void *arg)
{
    const struct autograd *a = t->autograd;
    if (!a || !is_only(&t->refs))
        return 0;
    int status = callbacks_visit(a->hooks, visit, arg);
    return status ? status : visit_node(a->node, visit, arg);
}

void graph_clear(fl_tensor *t)
{
    const struct autograd *a = t->autograd;
    if (!a || !is_only(&t->refs))
        return;
    callbacks_clear(a->hooks);
    if (a->node && is_only(&a->node->refs))
        callbacks_clear(a->node->hooks);
}

/* ---- Objects of nodes ------------------------------------------------------------------------ */

static PyTypeObject *type_of(const struct node *n);

PyObject *nodes_show(struct node *n)
{
    if (!n)
        Py_RETURN_NONE;
    if (n->python)
        return Py_NewRef((PyObject *)n->python);
    PyTypeObject *type = type_of(n);
    struct node_object *self = type ? PyObject_GC_New(struct node_object, type) : NULL;
    if (!self)
        return NULL;
    self->node = node_retain(n);
    self->metadata = NULL;
    n->python = self;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

static struct node *node_of(PyObject *self)
{
    return ((struct node_object *)self)->node;
}

static void node_dealloc(PyObject *o)
{
    struct node_object *self = (struct node_object *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    self->node->python = NULL;
    node_release(self->node);
    Py_XDECREF(self->metadata);
    PyObject_GC_Del(o);
    Py_DECREF(type);
}

static int node_traverse(PyObject *o, visitproc visit, void *arg)
{
    struct node_object *self = (struct node_object *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(self->metadata);
    return visit_node(self->node, visit, arg);
}

static int node_clear(PyObject *o)
{
    struct node_object *self = (struct node_object *)o;
    Py_CLEAR(self->metadata);
    if (is_only(&self->node->refs))
        callbacks_clear(self->node->hooks);
    return 0;
}

PyObject *nodes_next(const struct node *n)
{
    struct edge shown[RECORD_SHOWN];
    int count = record_shown(n, shown);
    const struct edge *edge = count < 0 ? n->edge : shown;
    count = count < 0 ? n->edges : count;
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple && i < count; i++) {
        PyObject *next = nodes_show(edge[i].node);
        PyObject *pair = next ? Py_BuildValue("(Ni)", next, (int)edge[i].result) : NULL;
        if (!pair || PyTuple_SetItem(tuple, i, pair) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *node_get_next(PyObject *self, void *unused)
{
    (void)unused;
    return nodes_next(node_of(self));
}

static PyObject *node_get_metadata(PyObject *o, void *unused)
{
    (void)unused;
    struct node_object *self = (struct node_object *)o;
    if (!self->metadata && !(self->metadata = PyDict_New()))
        return NULL;
    return Py_NewRef(self->metadata);
}

static PyObject *node_get_variable(PyObject *self, void *unused)
{
    (void)unused;
    fl_tensor *leaf = node_leaf(node_of(self));
    if (!leaf)
        return PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'",
                            node_name(node_of(self)));
    return pytensor_show(leaf);
}

static PyObject *node_name_method(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_FromString(node_name(node_of(self)));
}

static PyObject *node_sequence(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(node_of(self)->sequence);
}

static PyObject *node_register_hook(PyObject *self, PyObject *function)
{
    return callbacks_add_node(node_of(self), false, function);
}

static PyObject *node_register_prehook(PyObject *self, PyObject *function)
{
    return callbacks_add_node(node_of(self), true, function);
}

/* "AccumulateGrad" of "torch::autograd::AccumulateGrad". */
static const char *short_name(const struct node *n)
{
    const char *name = node_name(n), *space = strrchr(name, ':');
    return space ? space + 1 : name;
}

static PyObject *node_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s object at %p>", short_name(node_of(self)), self);
}

static PyObject *plain_value(const fl_value *v)
{
    if (v->tag == FL_STRING)
        return PyUnicode_FromString(v->as.string);
    if (v->tag != FL_INTS)
        return data_from_number(*v);
    PyObject *list = PyTuple_New(v->count);
    for (uint32_t i = 0; list && i < v->count; i++)
        PyTuple_SetItem(list, i, PyLong_FromLongLong(v->as.ints[i]));
    return list;
}

/* _saved_self, _saved_result, _saved_dim...: what the node keeps for its derivative. */
static PyObject *node_getattro(PyObject *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    bool asks = text && strncmp(text, "_saved_", 7) == 0;
    fl_tensor *t;
    fl_value v;
    int status = asks ? record_saved(node_of(self), text + 7, &t) : 1;
    bool plain = asks && status == 1 && record_argument(node_of(self), text + 7, &v);
    if (status == 1 && !plain) {
        PyErr_Restore(type, value, trace);
        return NULL;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    if (plain)
        return plain_value(&v);
    return status ? raise_error() : t ? pytensor_wrap(t) : Py_NewRef(Py_None);
}

static PyMethodDef node_methods[] = {
    {"name", node_name_method, METH_NOARGS, "The name of the call's derivative: \"AddBackward0\"."},
    {"_sequence_nr", node_sequence, METH_NOARGS,
     "The number of the call; later calls have larger ones."},
    {"register_hook", node_register_hook, METH_O,
     "Calls hook(grad_inputs, grad_outputs) after the node has run."},
    {"register_prehook", node_register_prehook, METH_O,
     "Calls hook(grad_outputs) before the node runs."},
    {0},
};

static PyGetSetDef node_properties[] = {
    {"next_functions", node_get_next, NULL, "A pair (node, which of its results) for each input.",
     NULL},
    {"metadata", node_get_metadata, NULL, "A dictionary for the program's use.", NULL},
    {"variable", node_get_variable, NULL, "The leaf that a node of accumulation adds to.", NULL},
    {0},
};

static PyType_Spec node_spec = {
    .name = "flambeau.autograd.graph.Node",
    .basicsize = sizeof(struct node_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots =
        (PyType_Slot[]){
            SLOT(Py_tp_dealloc, node_dealloc),
            SLOT(Py_tp_traverse, node_traverse),
            SLOT(Py_tp_clear, node_clear),
            SLOT(Py_tp_repr, node_repr),
            SLOT(Py_tp_getattro, node_getattro),
            SLOT(Py_tp_methods, node_methods),
            SLOT(Py_tp_getset, node_properties),
            {0},
        },
};

/* The type of a node, as PyTorch has one for each derivative: made when its first node is shown. */
static PyTypeObject *type_of(const struct node *n)
{
    const char *name = short_name(n);
    PyObject *type = PyDict_GetItemString(node_types, name);
    if (type)
        return (PyTypeObject *)type;
    type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){sss()}", name, node_type,
                                 "__module__", "builtins", "__slots__");
    int failed = type ? PyDict_SetItemString(node_types, name, type) : -1;
    Py_XDECREF(type); /* the dictionary's now */
    return failed ? NULL : (PyTypeObject *)type;
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Runs the engine without the GIL: hooks take it again. */
static int run_backward(const struct backward_request *request)
{
    assert(request->count >= 0 && request->inputs >= 0);
    raise_forget();
    struct outside_call outside;
    outside_enter(&outside, NULL, 0);
    PyThreadState *state = python_leave();
    int status = engine_backward(request);
    python_return(state);
    outside_leave(&outside);
    return status;
}

/* raise_error, with a note of what cut off a tensor that has no graph. */
static PyObject *__attribute__((cold)) raise_explained(void)
{
    raise_error();
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("flambeau._explain");
    PyObject *done = module ? PyObject_CallMethod(module, "of_backward", "O", value) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback); /* in the place of what failed here */
    return NULL;
}

/* The general case checks and fills in gradients in Python. */
static PyObject *backward_in_python(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"grad_tensors", "retain_graph", "create_graph"};
    PyObject *module = PyImport_ImportModule("flambeau.autograd");
    PyObject *function = module ? PyObject_GetAttrString(module, "backward") : NULL;
    PyObject *tensors = PyTuple_Pack(1, self), *keywords = PyDict_New(), *result = NULL;
    bool ok = function && tensors && keywords;
    for (Py_ssize_t i = 0; ok && i < PyTuple_Size(args); i++) {
        if (i == 3)
            ok = PyDict_SetItemString(keywords, "inputs", PyTuple_GetItem(args, i)) == 0;
        else
            ok = PyDict_SetItemString(keywords, names[i], PyTuple_GetItem(args, i)) == 0;
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (ok && kwargs && PyDict_Next(kwargs, &at, &key, &value)) {
        bool gradient = PyUnicode_CompareWithASCIIString(key, "gradient") == 0;
        ok = gradient ? PyDict_SetItemString(keywords, "grad_tensors", value) == 0
                      : PyDict_SetItem(keywords, key, value) == 0;
    }
    if (ok)
        result = PyObject_Call(function, tensors, keywords);
    Py_XDECREF(module);
    Py_XDECREF(function);
    Py_XDECREF(tensors);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *method_backward(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_Size(args) > 4)
        return PyErr_Format(PyExc_TypeError,
                            "backward() takes from 1 to 5 positional arguments but %zd were given",
                            PyTuple_Size(args) + 1);
    if (PyTuple_Size(args) || (kwargs && PyDict_Size(kwargs)))
        return backward_in_python(self, args, kwargs);
    fl_tensor *t = pytensor_get(self);
    struct backward_request request = {.count = 1, .tensors = &t};
    raise_forget();
    if (advice_watch_loss(t))
        return raise_error();
    return run_backward(&request) == 0 ? Py_NewRef(Py_None) : raise_explained();
}

/* The handles of a tuple of tensors and Nones, in memory of PyMem. NULL with an exception. */
static fl_tensor **handles_of(PyObject *tuple, const char *what, bool optional)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    fl_tensor **handles = count < 0 ? NULL : PyMem_Malloc(sizeof *handles * (size_t)(count + 1));
    if (!handles)
        return (fl_tensor **)(PyErr_Occurred() ? NULL : PyErr_NoMemory());
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *o = PyTuple_GetItem(tuple, i);
        handles[i] = pytensor_check(o) ? pytensor_get(o) : NULL;
        if (!handles[i] && (o != Py_None || !optional)) {
            PyErr_Format(PyExc_TypeError, "%s must be Tensors, but element %zd is %s", what, i,
                         python_type_name(o));
            PyMem_Free(handles);
            return NULL;
        }
    }
    return handles;
}

/* _backward(tensors, grads, keep_graph, create_graph, inputs or None, accumulate, allow_unused):
 * the gradients of `inputs`, or None where they are accumulated. */
static PyObject *function_backward(PyObject *module, PyObject *args)
{
    PyObject *tensors, *grads, *inputs, *result = NULL;
    int keep, create, accumulate, unused;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!ppOpp:_backward", &PyTuple_Type, &tensors, &PyTuple_Type,
                          &grads, &keep, &create, &inputs, &accumulate, &unused))
        return NULL;
    if (PyTuple_Size(grads) != PyTuple_Size(tensors))
        return PyErr_Format(PyExc_RuntimeError, "got %zd tensors and %zd gradients",
                            PyTuple_Size(tensors), PyTuple_Size(grads));
    bool wanted = inputs != Py_None;
    Py_ssize_t count = wanted ? PyTuple_Size(inputs) : 0;
    fl_tensor **outputs = handles_of(tensors, "tensors", false), **starts = NULL, **targets = NULL,
              **found = NULL;
    bool ok = outputs && (starts = handles_of(grads, "gradients", true)) && count >= 0;
    if (ok && wanted)
        ok = (targets = handles_of(inputs, "inputs", false)) &&
             (found = PyMem_Calloc((size_t)count + 1, sizeof *found));
    if (ok) {
        struct backward_request request = {
            .count = PyTuple_Size(tensors),
            .tensors = outputs,
            .grads = starts,
            .keep_graph = keep,
            .create_graph = create,
            .allow_unused = unused,
            .accumulate = accumulate,
            .inputs = count,
            .input = targets,
            .results = wanted && !accumulate ? found : NULL,
        };
        ok = run_backward(&request) == 0;
        if (!ok)
            raise_error();
    }
    if (ok && wanted && !accumulate) {
        result = PyTuple_New(count);
        for (Py_ssize_t i = 0; i < count; i++) {
            PyObject *o = found[i] ? pytensor_wrap(found[i]) : Py_NewRef(Py_None);
            if (result && (!o || PyTuple_SetItem(result, i, o) < 0))
                Py_CLEAR(result);
        }
    } else if (ok) {
        result = Py_NewRef(Py_None);
    }
    PyMem_Free(outputs);
    PyMem_Free(starts);
    PyMem_Free(targets);
    PyMem_Free(found);
    return result;
}

/* ---- Tensor's methods ------------------------------------------------------------------------ */

static PyObject *method_detach(PyObject *self, PyObject *unused)
{
    (void)unused;
    return pytensor_wrap(autograd_detach(pytensor_get(self)));
}

static PyObject *method_detach_(PyObject *self, PyObject *unused)
{
    (void)unused;
    return autograd_forget(pytensor_get(self)) == 0 ? Py_NewRef(self) : raise_error();
}

static PyObject *method_requires_grad_(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"requires_grad", NULL};
    PyObject *given = Py_True;
    fl_tensor *t = pytensor_get(self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:requires_grad_", names, &given))
        return NULL;
    if (!PyBool_Check(given))
        return PyErr_Format(PyExc_TypeError,
                            "requires_grad_(): argument 'requires_grad'%s must be bool, not %s",
                            PyTuple_Size(args) ? " (position 1)" : "", python_type_name(given));
    const bool wanted = given == Py_True;
    if (wanted && tensor_is_leaf(t) && !dtype_is_inexact(t->dtype))
        return PyErr_Format(PyExc_RuntimeError,
                            "only Tensors of floating point dtype can require gradients");
    return autograd_set_requires_grad(t, wanted) == 0 ? Py_NewRef(self) : raise_error();
}

static PyObject *method_retain_grad(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!tensor_requires_grad(pytensor_get(self)))
        return PyErr_Format(PyExc_RuntimeError,
                            "can't retain_grad on Tensor that has requires_grad=False");
    return autograd_retain_grad(pytensor_get(self)) == 0 ? Py_NewRef(Py_None) : raise_error();
}

static PyObject *method_register_hook(PyObject *self, PyObject *function)
{
    pytensor_track(self);
    return callbacks_add_tensor(pytensor_get(self), function);
}

static PyObject *method_register_post(PyObject *self, PyObject *function)
{
    pytensor_track(self);
    return callbacks_add_leaf(pytensor_get(self), function);
}

PyMethodDef pytensor_graph_methods[] = {
    {"backward", (PyCFunction)(void (*)(void))method_backward, METH_VARARGS | METH_KEYWORDS,
     "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None): adds gradients "
     "into leaves."},
    {"detach", method_detach, METH_NOARGS, "The same memory without history."},
    {"detach_", method_detach_, METH_NOARGS, "Forgets the history."},
    {"requires_grad_", (PyCFunction)(void (*)(void))method_requires_grad_,
     METH_VARARGS | METH_KEYWORDS,
     "requires_grad_(requires_grad=True): sets whether calls with it are recorded."},
    {"retain_grad", method_retain_grad, METH_NOARGS,
     "Keeps the gradient of a tensor that is no leaf."},
    {"register_hook", method_register_hook, METH_O, "Calls hook(grad) when the gradient is known."},
    {"register_post_accumulate_grad_hook", method_register_post, METH_O,
     "Calls hook(self) when .grad has changed."},
    {0},
};

/* ---- Modes ----------------------------------------------------------------------------------- */

static PyObject *function_is_grad_enabled(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(autograd_mode.grad);
}

static PyObject *function_set_grad_enabled(PyObject *module, PyObject *mode)
{
    (void)module;
    if (!PyBool_Check(mode))
        return PyErr_Format(
            PyExc_TypeError,
            "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not %s",
            python_type_name(mode));
    autograd_mode.grad = mode == Py_True;
    Py_RETURN_NONE;
}

static PyObject *function_is_inference(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return python_bool(autograd_mode.inference);
}

/* Sets it and returns how it was. */
static PyObject *function_set_inference(PyObject *module, PyObject *mode)
{
    (void)module;
    bool before = autograd_mode.inference;
    int wanted = PyObject_IsTrue(mode);
    if (wanted < 0)
        return NULL;
    autograd_mode.inference = wanted;
    return python_bool(before);
}

/* _reaches_others(tensor, leaves): whether it depends on a leaf that is none of them. */
static PyObject *function_reaches_others(PyObject *module, PyObject *args)
{
    PyObject *t, *leaves;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO!:_reaches_others", &t, &PyTuple_Type, &leaves))
        return NULL;
    if (!pytensor_check(t))
        return PyErr_Format(PyExc_TypeError, "expected a Tensor, got %s", python_type_name(t));
    fl_tensor **leaf = handles_of(leaves, "leaves", false);
    if (!leaf)
        return NULL;
    int64_t count = PyTuple_Size(leaves);
    PyThreadState *state = python_leave(); /* the engine's turn is waited for without the GIL */
    int found = engine_reaches_others(pytensor_get(t), count, leaf);
    python_return(state);
    PyMem_Free(leaf);
    return found < 0 ? raise_error() : python_bool(found);
}

static PyObject *function_run(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLongLong(engine_run());
}

/* Whether the walk that runs now reaches this tensor. */
static PyObject *function_expects(PyObject *module, PyObject *o)
{
    struct edge edge;
    (void)module;
    if (!pytensor_check(o))
        return PyErr_Format(PyExc_TypeError, "expected a Tensor, not %s", python_type_name(o));
    if (autograd_edge(pytensor_get(o), &edge) < 0)
        return raise_error();
    bool expects = edge.node && engine_expects(edge.node);
    if (edge.node)
        node_release(edge.node);
    return python_bool(expects);
}

/* The node to which a tensor's gradient goes, and which of its results. */
static PyObject *function_edge(PyObject *module, PyObject *o)
{
    struct edge edge;
    (void)module;
    if (!pytensor_check(o))
        return PyErr_Format(PyExc_TypeError, "expected a Tensor, not %s", python_type_name(o));
    if (autograd_edge(pytensor_get(o), &edge) < 0)
        return raise_error();
    PyObject *shown = nodes_show(edge.node);
    if (edge.node)
        node_release(edge.node);
    return shown ? Py_BuildValue("(Ni)", shown, (int)edge.result) : NULL;
}

/* Counts a write of which the library does not know. */
static PyObject *function_bump(PyObject *module, PyObject *o)
{
    (void)module;
    if (!pytensor_check(o))
        return PyErr_Format(PyExc_TypeError, "expected a Tensor, not %s", python_type_name(o));
    if (pytensor_get(o)->flags & TENSOR_INFERENCE)
        return PyErr_Format(PyExc_RuntimeError,
                            "Inplace update to inference tensor outside InferenceMode is not "
                            "allowed.");
    tensor_bump_version(pytensor_get(o));
    Py_RETURN_NONE;
}

PyMethodDef graph_functions[] = {
    {"_current_graph_task_id", function_run, METH_NOARGS,
     "The number of the backward that runs on this thread, -1 for none."},
    {"_engine_expects", function_expects, METH_O, NULL},
    {"_gradient_edge", function_edge, METH_O, NULL},
    {"_bump_version", function_bump, METH_O, NULL},
    {"_reaches_others", function_reaches_others, METH_VARARGS, NULL},
    {"_backward", function_backward, METH_VARARGS, NULL},
    {"_is_grad_enabled", function_is_grad_enabled, METH_NOARGS, NULL},
    {"_set_grad_enabled", function_set_grad_enabled, METH_O, NULL},
    {"is_inference_mode_enabled", function_is_inference, METH_NOARGS,
     "Whether inference_mode is in force."},
    {"_set_inference_mode", function_set_inference, METH_O, NULL},
    {0},
};

int nodes_init(PyObject *module)
{
    node_type = (PyTypeObject *)PyType_FromSpec(&node_spec);
    node_types = PyDict_New();
    return node_type && node_types ? PyModule_AddObjectRef(module, "_Node", (PyObject *)node_type)
                                   : -1;
}
