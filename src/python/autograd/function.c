/* autograd.Function: nodes whose derivative is written in Python.
 *
 * From _FunctionNode derive flambeau.autograd.Function and the class that each Function has for its
 * nodes, `_backward_cls`; an instance of the latter is the `ctx` of one call, made by apply. The
 * node in the graph owns the ctx; the ctx points back without owning, so there is no cycle. What
 * save_for_backward was given is kept as handles with their versions once forward has returned; a
 * saved result is kept as an alias without history, because the result holds the node.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "autograd/saving.h"
#include "autograd/turn.h"
#include "core/memory.h"
#include "ops/forward.h"
#include "python/autograd/callbacks.h"
#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"

struct context_object;

/* A tensor that was saved. */
struct saved {
    fl_tensor *tensor; /* NULL: None was saved */
    uint32_t version;
    int result;                  /* it is a result of the node's (an alias of it); -1: it is not */
    struct packed_tensor packed; /* in the place of `tensor`, where the program packs */
};

/* One block of memory: the node, its edges, its saved tensors, the shapes of its results. */
struct function_node {
    struct node node;
    size_t bytes;
    struct context_object *context; /* owned */
    int arguments;                  /* of forward */
    int *edge_of;                   /* for each argument: its edge, -1 where it is no tensor */
    fl_tensor **shape; /* for each result: sizes and dtype alone, NULL where it is no tensor */
    fl_tensor **input; /* for each edge likewise, NULL where no gradient goes along it */
    char name[96];
};

struct context_object {
    PyObject_HEAD struct function_node
        *node; /* borrowed, NULL before the call is recorded and after the node is gone */
    PyObject *dict, *weakrefs;
    PyObject *to_save, *dirty, *non_differentiable, *needs_input_grad;
    char materialize;
    struct saved *saved;
    int saved_count;
    bool released;
};

static PyTypeObject *context_type;

static struct context_object *context_of(PyObject *o)
{
    return (struct context_object *)o;
}

/* ---- Saved tensors --------------------------------------------------------------------------- */

static void drop_saved(struct context_object *c)
{
    assert(c->saved_count == 0 || c->saved);
    struct saved *saved = c->saved;
    int count = c->saved_count;
    c->saved = NULL, c->saved_count = 0;
    for (int i = 0; i < count; i++) {
        tensor_release(saved[i].tensor);
        saving_drop(&saved[i].packed);
    }
    PyMem_Free(saved);
}

/* Keeps what save_for_backward was given. `results` are those of the recorded node. */
static bool keep_saved(struct context_object *c, fl_tensor *const *results, int count)
{
    assert(count >= 0);
    PyObject *tuple = c->to_save;
    if (!tuple || !PyTuple_Check(tuple))
        return true;
    Py_ssize_t n = PyTuple_Size(tuple);
    c->saved = PyMem_Calloc((size_t)n + 1, sizeof *c->saved);
    if (!c->saved)
        return PyErr_NoMemory(), false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GetItem(tuple, i);
        struct saved *s = &c->saved[c->saved_count++];
        s->result = -1;
        if (o == Py_None)
            continue;
        if (!pytensor_check(o)) {
            PyErr_Format(
                PyExc_TypeError,
                "save_for_backward can only save variables, but argument %zd is of type %s", i,
                python_type_name(o));
            return false;
        }
        fl_tensor *t = pytensor_get(o);
        for (int k = 0; k < count; k++)
            if (results[k] == t)
                s->result = k;
        if (autograd_packer && t->storage) {
            if (saving_keep(&s->packed, t, s->result >= 0))
                return raise_error(), false;
            continue;
        }
        s->tensor = s->result < 0 ? tensor_retain(t) : autograd_unlink(t);
        if (!s->tensor)
            return raise_error(), false;
        s->version = t->storage ? t->storage->version : 0;
    }
    Py_CLEAR(c->to_save);
    return true;
}

static PyObject *saved_show(struct context_object *c, const struct saved *s)
{
    fl_tensor *t = s->tensor;
    if (s->packed.packed)
        return pytensor_wrap(saving_show(
            &s->packed, true, s->result < 0 || !c->node ? NULL : &c->node->node, s->result));
    if (!t)
        Py_RETURN_NONE;
    if (t->storage && t->storage->version != s->version) {
        const struct node *maker = s->result < 0 ? autograd_node(t, NULL)
                                   : c->node     ? &c->node->node
                                                 : NULL;
        autograd_refuse_version(t, maker, s->version);
        return raise_error();
    }
    if (s->result < 0 || !c->node)
        return pytensor_show(t);
    fl_tensor *alias = autograd_unlink(t);
    if (alias && autograd_set_node(alias, &c->node->node, s->result) < 0) {
        tensor_release(alias);
        alias = NULL;
    }
    return pytensor_wrap(alias);
}

static PyObject *context_get_saved(PyObject *self, void *unused)
{
    (void)unused;
    struct context_object *c = context_of(self);
    if (c->released)
        return PyErr_Format(
            PyExc_RuntimeError,
            "Trying to backward through the graph a second time (or directly access saved tensors "
            "after they "
            "have already been freed). Saved intermediate values of the graph are freed when you "
            "call "
            ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
            "through the "
            "graph a second time or if you need to access saved tensors after calling backward.");
    if (c->to_save)
        return Py_NewRef(c->to_save);
    PyObject *tuple = PyTuple_New(c->saved_count);
    for (int i = 0; tuple && i < c->saved_count; i++) {
        PyObject *o = saved_show(c, &c->saved[i]);
        if (!o || PyTuple_SetItem(tuple, i, o) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* ---- The context object ---------------------------------------------------------------------- */

static int context_traverse(PyObject *o, visitproc visit, void *arg)
{
    struct context_object *c = context_of(o);
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(c->dict);
    Py_VISIT(c->to_save);
    Py_VISIT(c->dirty);
    Py_VISIT(c->non_differentiable);
    Py_VISIT(c->needs_input_grad);
    return 0;
}

static int context_clear(PyObject *o)
{
    struct context_object *c = context_of(o);
    Py_CLEAR(c->dict);
    Py_CLEAR(c->to_save);
    Py_CLEAR(c->dirty);
    Py_CLEAR(c->non_differentiable);
    Py_CLEAR(c->needs_input_grad);
    return 0;
}

static void context_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (context_of(o)->weakrefs)
        PyObject_ClearWeakRefs(o);
    context_clear(o);
    drop_saved(context_of(o));
    PyObject_GC_Del(o);
    Py_DECREF(type);
}

static PyObject *context_save(PyObject *self, PyObject *tensors)
{
    PyObject *old = context_of(self)->to_save;
    context_of(self)->to_save = Py_NewRef(tensors);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *context_mark_dirty(PyObject *self, PyObject *tensors)
{
    PyObject *old = context_of(self)->dirty;
    context_of(self)->dirty = Py_NewRef(tensors);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *context_mark_non_differentiable(PyObject *self, PyObject *tensors)
{
    PyObject *old = context_of(self)->non_differentiable;
    context_of(self)->non_differentiable = Py_NewRef(tensors);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *context_set_materialize(PyObject *self, PyObject *value)
{
    int truth = PyObject_IsTrue(value);
    if (truth < 0)
        return NULL;
    context_of(self)->materialize = (char)truth;
    Py_RETURN_NONE;
}

static PyObject *context_name(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_FromString(python_type_name(self));
}

static PyObject *context_next(PyObject *self, void *unused)
{
    (void)unused;
    struct function_node *n = context_of(self)->node;
    return n ? nodes_next(&n->node) : PyTuple_New(0);
}

static PyObject *context_metadata(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *dict = PyObject_GenericGetDict(self, NULL);
    PyObject *metadata = dict ? PyDict_GetItemString(dict, "_metadata") : NULL;
    PyObject *made = dict && !metadata ? PyDict_New() : NULL;
    if (made && PyDict_SetItemString(dict, "_metadata", made) == 0)
        metadata = made;
    Py_XINCREF(metadata);
    Py_XDECREF(made);
    Py_XDECREF(dict);
    return metadata;
}

static PyObject *context_hook(PyObject *self, PyObject *function)
{
    struct function_node *n = context_of(self)->node;
    return n ? callbacks_add_node(&n->node, false, function)
             : PyErr_Format(PyExc_RuntimeError, "the call was not recorded");
}

static PyObject *context_prehook(PyObject *self, PyObject *function)
{
    struct function_node *n = context_of(self)->node;
    return n ? callbacks_add_node(&n->node, true, function)
             : PyErr_Format(PyExc_RuntimeError, "the call was not recorded");
}

/* ---- Backward -------------------------------------------------------------------------------- */

static const char *function_name(const struct node *n)
{
    return ((const struct function_node *)n)->name;
}

/* The incoming gradients as arguments for backward: ctx, then one a result. */
static PyObject *backward_arguments(struct function_node *f, fl_tensor *const *g)
{
    assert(f->node.results > 0);
    PyObject *args = PyTuple_New(f->node.results + 1);
    if (!args)
        return NULL;
    PyTuple_SetItem(args, 0, Py_NewRef((PyObject *)f->context));
    for (int i = 0; i < f->node.results; i++) {
        PyObject *o;
        const fl_tensor *shape = f->shape[i];
        if (!g[i] && shape && f->context->materialize) {
            fl_tensor *made = tensor_new(shape->ndim, shape->sizes, shape->dtype);
            if (made && tensor_fill(made, fl_int(0)) < 0) {
                tensor_release(made);
                made = NULL;
            }
            o = pytensor_wrap(made);
        } else {
            o = pytensor_show(g[i]);
        }
        if (!o || PyTuple_SetItem(args, i + 1, o) < 0) {
            Py_DECREF(args);
            return NULL;
        }
    }
    return args;
}

/* What backward returned, dealt out to the edges. */
static bool take_gradients(struct function_node *f, PyObject *result, fl_tensor **out)
{
    assert(f->node.edges >= 0);
    bool single = !PyTuple_Check(result);
    Py_ssize_t count = single ? 1 : PyTuple_Size(result);
    Py_ssize_t extra = f->arguments;
    while (extra < count && PyTuple_GetItem(result, extra) == Py_None)
        extra++; /* more than there are arguments, but None */
    if (count < f->arguments || extra < count) {
        PyErr_Format(PyExc_RuntimeError,
                     "function %s returned an incorrect number of gradients (expected %d, got %zd)",
                     f->name, f->arguments, count);
        return false;
    }
    for (int i = 0; i < f->arguments; i++) {
        PyObject *o = single ? result : PyTuple_GetItem(result, i);
        int edge = f->edge_of[i];
        if (edge < 0 && o != Py_None) {
            PyErr_Format(
                PyExc_RuntimeError,
                "function %s returned a gradient different from None at position %d, but the "
                "corresponding forward input was not a Variable",
                f->name, i + 1);
            return false;
        }
        if (o == Py_None)
            continue;
        if (!pytensor_check(o)) {
            PyErr_Format(PyExc_RuntimeError, "expected Variable or None (got %s)",
                         python_type_name(o));
            return false;
        }
        const bool asks = f->input[edge] != NULL;
        if (!asks && !f->node.hooks) /* hooks see what was returned for other inputs, too */
            continue;
        out[edge] = tensor_retain(pytensor_get(o));
        if (asks && engine_fit(&out[edge], f->input[edge], f->name, edge))
            return raise_error(), false;
    }
    return true;
}

static int function_backward(struct node *n, fl_tensor *const *g, bool create_graph,
                             fl_tensor **out)
{
    assert(!n->released);
    (void)create_graph;
    struct function_node *f = (struct function_node *)n;
    bool held = turn_pause();
    struct outside_callback state = outside_callback();
    PyObject *class =
        PyObject_GetAttrString((PyObject *)Py_TYPE((PyObject *)f->context), "_forward_cls");
    PyObject *backward = class ? PyObject_GetAttrString(class, "backward") : NULL;
    PyObject *args = backward ? backward_arguments(f, g) : NULL;
    PyObject *result = args ? PyObject_CallObject(backward, args) : NULL;
    bool ok = result && take_gradients(f, result, out);
    Py_XDECREF(class);
    Py_XDECREF(backward);
    Py_XDECREF(args);
    Py_XDECREF(result);
    if (!ok) {
        for (int i = 0; i < n->edges; i++) {
            tensor_release(out[i]);
            out[i] = NULL;
        }
        raise_stash();
    }
    outside_callback_end(state);
    turn_resume(held);
    return ok ? 0 : -1;
}

static void function_release_saved(struct node *n)
{
    struct function_node *f = (struct function_node *)n;
    PyGILState_STATE state = PyGILState_Ensure();
    if (f->context) {
        drop_saved(f->context);
        f->context->released = true;
    }
    PyGILState_Release(state);
}

static void function_destroy(struct node *n)
{
    struct function_node *f = (struct function_node *)n;
    PyGILState_STATE state = PyGILState_Ensure();
    for (int i = 0; i < n->results; i++)
        tensor_release(f->shape[i]);
    for (int i = 0; i < n->edges; i++)
        tensor_release(f->input[i]);
    if (f->context) {
        f->context->node = NULL;
        Py_DECREF((PyObject *)f->context);
    }
    memory_free(f, f->bytes);
    PyGILState_Release(state);
}

static const struct node_class FUNCTION_NODE = {
    function_name,
    function_backward,
    function_release_saved,
    function_destroy,
};

PyObject *function_context(const struct node *n)
{
    return n->type == &FUNCTION_NODE ? (PyObject *)((const struct function_node *)n)->context
                                     : NULL;
}

/* ---- apply ----------------------------------------------------------------------------------- */

/* A node for a call with these arguments and so many results. NULL with an exception. */
static struct function_node *node_new(PyObject *context, PyObject *args, int results)
{
    assert(results > 0);
    int arguments = (int)PyTuple_Size(args), edges = 0;
    for (int i = 0; i < arguments; i++)
        edges += pytensor_check(PyTuple_GetItem(args, i));
    size_t bytes = sizeof(struct function_node) + sizeof(struct edge) * (size_t)edges +
                   sizeof(fl_tensor *) * (size_t)(results + edges) +
                   sizeof(int) * (size_t)arguments;
    struct function_node *f = memory_zalloc(bytes);
    if (!f)
        return (struct function_node *)(void *)raise_error();
    struct edge *edge = (struct edge *)(f + 1);
    f->shape = (fl_tensor **)(edge + edges);
    f->input = f->shape + results;
    f->edge_of = (int *)(f->input + edges);
    f->bytes = bytes;
    f->arguments = arguments;
    node_init(&f->node, &FUNCTION_NODE, edges, edge, results);
    PyOS_snprintf(f->name, sizeof f->name, "%s", python_type_name(context));
    for (int i = 0, next = 0; i < arguments; i++) {
        PyObject *o = PyTuple_GetItem(args, i);
        int e = f->edge_of[i] = pytensor_check(o) ? next++ : -1;
        if (e >= 0 && (autograd_edge(pytensor_get(o), &edge[e]) < 0 ||
                       (edge[e].node && !(f->input[e] = tensor_shape_only(pytensor_get(o)))))) {
            node_release(&f->node);
            return (struct function_node *)(void *)raise_error();
        }
    }
    f->context = context_of(Py_NewRef(context));
    f->context->node = f;
    f->node.python = context;
    return f;
}

static bool contains(PyObject *tuple, PyObject *o)
{
    for (Py_ssize_t i = 0; tuple && PyTuple_Check(tuple) && i < PyTuple_Size(tuple); i++)
        if (PyTuple_GetItem(tuple, i) == o)
            return true;
    return false;
}

/* Hangs one result on the node: the object to return in its place, a new reference. */
static PyObject *record_result(struct function_node *f, PyObject *args, PyObject *o, int i)
{
    assert(i >= 0 && i < f->node.results);
    fl_tensor *t = pytensor_get(o);
    struct context_object *c = f->context;
    bool is_input = contains(args, o), is_dirty = contains(c->dirty, o);
    bool floating = dtype_is_inexact(t->dtype);
    if (!(f->shape[i] = tensor_shape_only(t)))
        return raise_error();
    if (contains(c->non_differentiable, o) || !floating) {
        if (is_input && !is_dirty)
            return pytensor_wrap(autograd_unlink(t));
        t->flags &= (uint8_t)~TENSOR_REQUIRES_GRAD;
        return Py_NewRef(o);
    }
    if (is_dirty) {
        bool view_of_input = is_input && t->base;
        bool asks = tensor_requires_grad(t);
        if (asks && (t->base ? tensor_is_leaf(t->base) : tensor_is_leaf(t)))
            return PyErr_Format(PyExc_RuntimeError,
                                "a %sleaf Variable that requires grad has been used in an in-place "
                                "operation.",
                                t->base ? "view of a " : "");
        int failed = autograd_check_inplace(t, true);
        if (!failed)
            failed =
                view_of_input ? autograd_rebase(t, &f->node) : autograd_set_node(t, &f->node, i);
        if (!failed)
            tensor_bump_version(t);
        return failed ? raise_error() : Py_NewRef(o);
    }
    int creation = f->node.results > 1 ? CREATION_MANY : CREATION_FUNCTION;
    if (!is_input) {
        if (t->base)
            t->creation = (uint8_t)creation;
        return autograd_set_node(t, &f->node, i) < 0 ? raise_error() : Py_NewRef(o);
    }
    fl_tensor *alias = autograd_unlink(t);
    if (alias)
        tensor_set_base(alias, t, creation);
    if (alias && autograd_set_node(alias, &f->node, i) < 0) {
        tensor_release(alias);
        alias = NULL;
    }
    return pytensor_wrap(alias);
}

/* Refuses a tensor that was marked as written and is no result: its history would be wrong. */
static bool check_dirty(PyObject *dirty, PyObject *outputs)
{
    for (Py_ssize_t i = 0; dirty && PyTuple_Check(dirty) && i < PyTuple_Size(dirty); i++) {
        PyObject *o = PyTuple_GetItem(dirty, i);
        if (!pytensor_check(o) || contains(outputs, o))
            continue;
        PyErr_SetString(PyExc_RuntimeError,
                        "Some elements marked as dirty during the forward method were not returned "
                        "as output. The inputs that are modified inplace must all be outputs of "
                        "the Function.");
        return false;
    }
    return true;
}

/* Records the call: the results to return. */
static PyObject *record(PyObject *context, PyObject *args, PyObject *outputs)
{
    assert(PyTuple_Check(args) && PyTuple_Check(outputs));
    int count = (int)PyTuple_Size(outputs);
    if (!check_dirty(context_of(context)->dirty, outputs))
        return NULL;
    struct function_node *f = node_new(context, args, count);
    PyObject *wrapped = f ? PyTuple_New(count) : NULL;
    fl_tensor **results = wrapped ? PyMem_Calloc((size_t)count + 1, sizeof *results) : NULL;
    for (int i = 0; results && wrapped && i < count; i++) {
        PyObject *o = PyTuple_GetItem(outputs, i);
        PyObject *shown = pytensor_check(o) ? record_result(f, args, o, i) : Py_NewRef(o);
        if (shown && pytensor_check(shown))
            pytensor_track(shown); /* the context may come to refer to it */
        if (!shown || PyTuple_SetItem(wrapped, i, shown) < 0)
            Py_CLEAR(wrapped);
        else
            results[i] = pytensor_check(o) ? pytensor_get(o) : NULL;
    }
    if (wrapped && (!results || !keep_saved(context_of(context), results, count)))
        Py_CLEAR(wrapped);
    PyMem_Free(results);
    if (f)
        node_release(&f->node);
    return wrapped;
}

/* Without recording: tensors that came in go out as they are. */
static PyObject *run_forward(PyObject *class, PyObject *context, bool by_setup, PyObject *args)
{
    PyObject *first = by_setup ? PyTuple_New(0) : PyTuple_Pack(1, context);
    PyObject *all = first ? PySequence_Concat(first, args) : NULL;
    PyObject *forward = PyObject_GetAttrString(class, "forward");
    PyObject *output = all && forward ? PyObject_Call(forward, all, NULL) : NULL;
    PyObject *done = output && by_setup
                         ? PyObject_CallMethod(class, "setup_context", "OOO", context, args, output)
                         : NULL;
    if (output && by_setup && !done)
        Py_CLEAR(output);
    Py_XDECREF(first);
    Py_XDECREF(all);
    Py_XDECREF(forward);
    Py_XDECREF(done);
    return output;
}

/* Whether the class has a setup_context of its own: 1, 0, or -1 with an exception. */
static int has_setup(PyObject *class)
{
    PyObject *setup = PyObject_GetAttrString(class, "setup_context");
    PyObject *none =
        setup ? PyObject_GetAttrString((PyObject *)context_type, "setup_context") : NULL;
    const int found = none ? setup != none : -1;
    Py_XDECREF(setup);
    Py_XDECREF(none);
    return found;
}

static PyObject *needs_of(PyObject *args)
{
    assert(PyTuple_Check(args));
    PyObject *needs = PyTuple_New(PyTuple_Size(args));
    for (Py_ssize_t i = 0; needs && i < PyTuple_Size(args); i++) {
        PyObject *o = PyTuple_GetItem(args, i);
        PyTuple_SetItem(needs, i,
                        python_bool(pytensor_check(o) && tensor_requires_grad(pytensor_get(o))));
    }
    return needs;
}

/* Whether forward mode goes through the call. */
static bool is_moving(PyObject *args)
{
    for (Py_ssize_t i = 0; autograd_mode.interpose & INTERPOSE_TANGENTS && i < PyTuple_Size(args);
         i++)
        if (pytensor_check(PyTuple_GetItem(args, i)) &&
            forward_has_tangent(pytensor_get(PyTuple_GetItem(args, i))))
            return true;
    return false;
}

/* Room for tangents in the results of forward, which what is saved of them shares. */
static bool prepare_tangents(PyObject *output)
{
    bool many = PyTuple_Check(output);
    for (Py_ssize_t i = 0; i < (many ? PyTuple_Size(output) : 1); i++) {
        PyObject *o = many ? PyTuple_GetItem(output, i) : output;
        if (pytensor_check(o) && tangents_prepare(pytensor_get(o)))
            return raise_error(), false;
    }
    return true;
}

/* The same output, moved by the Function's jvp. Takes output over. */
static PyObject *push_forward(PyObject *context, PyObject *args, PyObject *output)
{
    PyObject *module = PyImport_ImportModule("flambeau.autograd._push_forward");
    PyObject *done =
        module ? PyObject_CallMethod(module, "push_forward", "OOO", context, args, output) : NULL;
    Py_XDECREF(module);
    if (!done)
        Py_CLEAR(output);
    Py_XDECREF(done);
    return output;
}

/* apply, of arguments in the order of forward's parameters. */
static PyObject *apply_ordered(PyObject *class, bool by_setup, PyObject *args)
{
    if (autograd_mode.interpose & INTERPOSE_LANES && function_needs_batch(class, args))
        return function_apply_batch(class, args);
    PyObject *kind = PyObject_GetAttrString(class, "_backward_cls");
    PyObject *context =
        kind && PyType_Check(kind) && PyType_IsSubtype((PyTypeObject *)kind, context_type)
            ? PyType_GenericAlloc((PyTypeObject *)kind, 0)
            : NULL;
    if (kind && !context && !PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "_backward_cls is no class of contexts");
    Py_XDECREF(kind);
    if (!context)
        return NULL;
    context_of(context)->materialize = 1;
    context_of(context)->needs_input_grad = needs_of(args);
    bool recorded = false, enabled = autograd_mode.grad;
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        PyObject *o = PyTuple_GetItem(args, i);
        recorded |= enabled && pytensor_check(o) && tensor_requires_grad(pytensor_get(o));
    }
    const bool moving = is_moving(args);
    const uint32_t below = tangent_levels.below;
    autograd_mode.grad = false;
    if (moving)
        tangent_levels.below = 1; /* forward sees no tangent */
    PyObject *output =
        context_of(context)->needs_input_grad ? run_forward(class, context, by_setup, args) : NULL;
    autograd_mode.grad = enabled, tangent_levels.below = below;
    if (output && moving && !prepare_tangents(output))
        Py_CLEAR(output);
    if (output && recorded) {
        PyObject *outputs = PyTuple_Check(output) ? Py_NewRef(output) : PyTuple_Pack(1, output);
        PyObject *wrapped = outputs ? record(context, args, outputs) : NULL;
        bool single = !PyTuple_Check(output);
        Py_DECREF(output);
        output = wrapped && single ? Py_NewRef(PyTuple_GetItem(wrapped, 0)) : Py_XNewRef(wrapped);
        Py_XDECREF(outputs);
        Py_XDECREF(wrapped);
    }
    if (output && moving)
        output = push_forward(context, args, output);
    Py_DECREF(context);
    return output;
}

static PyObject *context_apply(PyObject *class, PyObject *args, PyObject *kwargs)
{
    const int by_setup = has_setup(class);
    PyObject *ordered = by_setup >= 0 ? function_arguments(class, by_setup, args, kwargs) : NULL;
    PyObject *output = ordered ? apply_ordered(class, by_setup, ordered) : NULL;
    Py_XDECREF(ordered);
    return output;
}

static PyObject *context_setup_nothing(PyObject *unused, PyObject *args)
{
    (void)unused, (void)args;
    return PyErr_Format(PyExc_NotImplementedError, "setup_context is not implemented.");
}

static PyMethodDef context_methods[] = {
    {"apply", (PyCFunction)(void (*)(void))context_apply, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "Calls forward, and records the call."},
    {"setup_context", context_setup_nothing, METH_VARARGS | METH_STATIC,
     "setup_context(ctx, inputs, output): fills ctx after a forward that takes no ctx."},
    {"save_for_backward", context_save, METH_VARARGS,
     "Keeps tensors for backward, which finds them in saved_tensors."},
    {"mark_dirty", context_mark_dirty, METH_VARARGS,
     "Says which arguments forward has changed in place."},
    {"mark_non_differentiable", context_mark_non_differentiable, METH_VARARGS,
     "Says which results have no gradient."},
    {"set_materialize_grads", context_set_materialize, METH_O,
     "Whether a gradient that did not come is given as zeros."},
    {"name", context_name, METH_NOARGS, "The name of the node."},
    {"register_hook", context_hook, METH_O,
     "Calls hook(grad_inputs, grad_outputs) after the node has run."},
    {"register_prehook", context_prehook, METH_O, "Calls hook(grad_outputs) before the node runs."},
    {0},
};

static PyGetSetDef context_properties[] = {
    {"saved_tensors", context_get_saved, NULL, "What save_for_backward was given.", NULL},
    {"saved_variables", context_get_saved, NULL, NULL, NULL},
    {"next_functions", context_next, NULL,
     "A pair (node, which of its results) for each tensor given.", NULL},
    {"metadata", context_metadata, NULL, "A dictionary for the program's use.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {0},
};

static PyMemberDef context_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(struct context_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct context_object, weakrefs), READONLY, NULL},
    {"to_save", T_OBJECT, offsetof(struct context_object, to_save), 0, NULL},
    {"dirty_tensors", T_OBJECT, offsetof(struct context_object, dirty), 0, NULL},
    {"non_differentiable", T_OBJECT, offsetof(struct context_object, non_differentiable), 0, NULL},
    {"needs_input_grad", T_OBJECT, offsetof(struct context_object, needs_input_grad), 0,
     "For each argument whether its gradient is wanted."},
    {"materialize_grads", T_BOOL, offsetof(struct context_object, materialize), 0, NULL},
    {0},
};

/* As PyTorch's, whose node is of a class of its own, NAMEBackward; what is not made by apply is an
 * object as any other. */
static PyObject *context_repr(PyObject *self)
{
    if (!context_of(self)->needs_input_grad)
        return ((reprfunc)PyType_GetSlot(&PyBaseObject_Type, Py_tp_repr))(self);
    PyObject *name = PyType_GetName(Py_TYPE(self));
    PyObject *text =
        name ? PyUnicode_FromFormat("<torch.autograd.function.%U object at %p>", name, self) : NULL;
    Py_XDECREF(name);
    return text;
}

static PyType_Spec context_spec = {
    .name = "flambeau._C._FunctionNode",
    .basicsize = sizeof(struct context_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots =
        (PyType_Slot[]){
            SLOT(Py_tp_dealloc, context_dealloc),
            SLOT(Py_tp_traverse, context_traverse),
            SLOT(Py_tp_clear, context_clear),
            SLOT(Py_tp_repr, context_repr),
            SLOT(Py_tp_methods, context_methods),
            SLOT(Py_tp_getset, context_properties),
            SLOT(Py_tp_members, context_members),
            {0},
        },
};

int function_init(PyObject *module)
{
    context_type = (PyTypeObject *)PyType_FromSpec(&context_spec);
    return context_type ? PyModule_AddObjectRef(module, "_FunctionNode", (PyObject *)context_type)
                        : -1;
}
