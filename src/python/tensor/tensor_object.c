/* The type flambeau.Tensor: making, dropping, attributes.
 *
 * An object owns a reference to its handle, and the handle's `python` points back, so a handle that
 * is shown again while its object lives gives the same object. When an object that a program could
 * tell from a fresh one (it has attributes, or is of a subclass) loses its last reference while a
 * graph still holds the handle, ownership turns around: the handle keeps the object, until it is
 * shown again or dies. Plain objects come from a free list.
 * The collector knows of an object only once it has a __dict__ or a hook, its node was shown, or a
 * Function made it (or is of a subclass): a plain tensor cannot be part of a cycle.
 */
#include "python/tensor/tensor_object.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/advice.h"
#include "python/call/overrides.h"
#include "python/tensor/construct.h"
#include "python/tensor/types.h"

PyTypeObject *pytensor_type;

enum { FREE_MAX = 512 };
static struct tensor_object *free_objects[FREE_MAX];
static int free_count;

/* ---- Life ------------------------------------------------------------------------------------ */

PyObject *pytensor_make(PyTypeObject *type, fl_tensor *t)
{
    assert(t && !t->python);
    struct tensor_object *self;
    if (type != pytensor_type) {
        self = (struct tensor_object *)PyType_GenericAlloc(type, 0);
    } else if (free_count) {
        self = free_objects[--free_count];
        PyObject_Init((PyObject *)self, type);
    } else {
        self = PyObject_GC_New(struct tensor_object, type);
        if (self)
            self->dict = self->weakrefs = NULL, self->kept = false;
    }
    if (!self) {
        tensor_release(t);
        return NULL;
    }
    self->tensor = t;
    t->python = self;
    return (PyObject *)self;
}

PyObject *pytensor_wrap(fl_tensor *t)
{
    if (!t)
        return raise_error();
    if (!t->python)
        return pytensor_make(pytensor_type, t);
    struct tensor_object *self = t->python;
    if (self->kept) { /* the handle's reference to the object is the caller's now, and ours back */
        self->kept = false;
        return (PyObject *)self;
    }
    Py_INCREF((PyObject *)self);
    tensor_release(t);
    return (PyObject *)self;
}

PyObject *pytensor_show(fl_tensor *t)
{
    return t ? pytensor_wrap(tensor_retain(t)) : Py_NewRef(Py_None);
}

/* Lets the handle keep an object about to die, where others hold the handle; says whether. What a
 * subclass put into __slots__ is lost: Python clears that before it asks its base. */
static bool keep(struct tensor_object *self)
{
    assert(!self->kept);
    fl_tensor *t = self->tensor;
    if (!t || atomic_load_explicit(&t->refs, memory_order_acquire) == 1)
        return false;
    Py_INCREF((PyObject *)self); /* from 0: the handle's */
    self->kept = true;
    if (!PyObject_GC_IsTracked((PyObject *)self))
        PyObject_GC_Track((PyObject *)self);
    tensor_release(t); /* the last one after all, perhaps: then the object goes with it */
    return true;
}

/* A handle that keeps its object has lost its last reference. Where Python has found the object
 * meanwhile (by a weak reference), the object owns the handle again, which lives on: true. */
static bool drop_kept(fl_tensor *t)
{
    assert(t->python);
    if (!Py_IsInitialized())
        return false;
    PyGILState_STATE state = PyGILState_Ensure();
    struct tensor_object *self = t->python;
    bool found = Py_REFCNT((PyObject *)self) > 1;
    self->kept = false;
    if (found)
        atomic_store_explicit(&t->refs, 1, memory_order_relaxed);
    else
        self->tensor = NULL;
    Py_DECREF((PyObject *)self);
    PyGILState_Release(state);
    return found;
}

static void tensor_dealloc(PyObject *o)
{
    struct tensor_object *self = (struct tensor_object *)o;
    PyTypeObject *type = Py_TYPE(o);
    if ((self->dict || type != pytensor_type) && keep(self))
        return;
    PyObject_GC_UnTrack(o);
    if (self->tensor)
        self->tensor->python = NULL;
    if (self->weakrefs)
        PyObject_ClearWeakRefs(o);
    Py_CLEAR(self->dict);
    if (self->tensor)
        tensor_release(self->tensor);
    self->tensor = NULL;
    if (type == pytensor_type && free_count < FREE_MAX)
        free_objects[free_count++] = self;
    else
        PyObject_GC_Del(o);
    Py_DECREF(type);
}

static int tensor_traverse(PyObject *o, visitproc visit, void *arg)
{
    struct tensor_object *self = (struct tensor_object *)o;
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(self->dict);
    return self->tensor && !self->kept ? graph_visit(self->tensor, visit, arg) : 0;
}

static int tensor_clear(PyObject *o)
{
    struct tensor_object *self = (struct tensor_object *)o;
    Py_CLEAR(self->dict);
    if (self->tensor && !self->kept)
        graph_clear(self->tensor);
    return 0;
}

void pytensor_track(PyObject *o)
{
    if (!PyObject_GC_IsTracked(o))
        PyObject_GC_Track(o);
}

/* Once there is a __dict__ the collector must see the object. */
static void track_dict(PyObject *o)
{
    if (((struct tensor_object *)o)->dict)
        pytensor_track(o);
}

/* Advises where an attribute that is not requires_grad was meant to be: p.require_grad = False sets a
 * name that nobody reads. */
static int advise_of_name(PyObject *name)
{
    static struct advice advice = {
        .name = "misspelled_requires_grad",
        .english = "An attribute is set on a tensor that is meant for requires_grad: nothing reads "
                   "it, and whether the tensor is trained does not change.\n"
                   "hint: the name is requires_grad: p.requires_grad = False, or "
                   "p.requires_grad_(False).",
        .chinese = "给张量设置了一个本应是 requires_grad 的属性：没有代码会读取它，"
                   "张量是否参与训练并没有改变。\n"
                   "提示：正确的名字是 requires_grad：p.requires_grad = False，或 "
                   "p.requires_grad_(False)。"};
    static const char *const names[] = {"require_grad",   "required_grad", "requires_grads",
                                        "require_grads",  "requiresgrad",  "requires_gradient",
                                        "requieres_grad", "stop_gradient", "trainable"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return advice_give(&advice) ? -1 : 0;
    return 0;
}

static int tensor_setattr(PyObject *o, PyObject *name, PyObject *value)
{
    if (value && PyUnicode_Check(name) && PyUnicode_GetLength(name) >= 9) {
        const Py_UCS4 first = PyUnicode_ReadChar(name, 0);
        if ((first == 'r' || first == 's' || first == 't') && advise_of_name(name)) {
            raise_error();
            return -1;
        }
    }
    int failed = PyObject_GenericSetAttr(o, name, value);
    track_dict(o);
    return failed;
}

static PyObject *dict_get(PyObject *o, void *context)
{
    PyObject *dict = PyObject_GenericGetDict(o, context);
    track_dict(o);
    return dict;
}

static int dict_set(PyObject *o, PyObject *value, void *context)
{
    int failed = PyObject_GenericSetDict(o, value, context);
    track_dict(o);
    return failed;
}

/* ---- Making from Python ---------------------------------------------------------------------- */

static PyObject *tensor_construct(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    fl_tensor *t = construct_tensor(FL_NO_DTYPE, args, kwargs);
    return t ? pytensor_make(type, t) : raise_error();
}

static PyObject *make_subclass(PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cls", "data", "require_grad", NULL};
    PyObject *type, *data;
    int requires_grad = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:_make_subclass", names, &type, &data,
                                     &requires_grad))
        return NULL;
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, pytensor_type))
        return PyErr_Format(PyExc_TypeError, "cls must be a type that derives from Tensor");
    if (!pytensor_check(data))
        return PyErr_Format(PyExc_TypeError,
                            "_make_subclass(): argument 'data' (position 2) must be Tensor, not %s",
                            python_type_name(data));
    if (pytensor_get(data)->flags & TENSOR_IN_OBJECT) {
        tensor_refuse_in_object("_make_subclass");
        return raise_error();
    }
    fl_tensor *t = autograd_detach(pytensor_get(data));
    if (t && requires_grad && autograd_set_requires_grad(t, true) < 0) {
        tensor_release(t);
        t = NULL;
    }
    return t ? pytensor_make((PyTypeObject *)type, t) : raise_error();
}

static PyObject *method_make_subclass(PyObject *unused, PyObject *args, PyObject *kwargs)
{
    (void)unused;
    return make_subclass(args, kwargs);
}

PyObject *pytensor_as_subclass(PyObject *self, PyTypeObject *type)
{
    fl_tensor *t = pytensor_get(self);
    int result;
    fl_tensor *alias = tensor_alias(t, t->ndim, t->sizes, t->strides, t->offset);
    if (alias)
        tensor_set_base(alias, t, 0);
    struct node *n = alias ? autograd_node(t, &result) : NULL;
    if (n ? autograd_set_node(alias, n, result) < 0 : fl_error() != FL_OK) {
        tensor_release(alias);
        alias = NULL;
    }
    return alias ? pytensor_make(type, alias) : raise_error();
}

static PyObject *as_subclass(PyObject *self, PyObject *type)
{
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, pytensor_type))
        return PyErr_Format(
            PyExc_TypeError,
            "as_subclass(): argument 'cls' must be a type that derives from Tensor");
    return pytensor_as_subclass(self, (PyTypeObject *)type);
}

/* ---- Operators by name ----------------------------------------------------------------------- */

const fl_op *pytensor_operator(const char *name)
{
    const fl_op *first = NULL;
    for (int i = 0; i < ops_count; i++) {
        const fl_op *op = ops_all[i];
        if (strcmp(op->name, name) == 0)
            return op;
        if (!first && op->form == FORM_FUNCTION && strcmp(op->base, name) == 0)
            first = op;
    }
    if (!first)
        PyErr_Format(PyExc_NotImplementedError, "there is no operator %s", name);
    return first;
}

fl_tensor *pytensor_call(const fl_op *op, fl_tensor *self, const struct named_value *named)
{
    assert(op && op->params <= OP_PARAMS);
    fl_value args[64], result;
    for (int i = 0; i < op->params; i++) {
        const struct op_param *p = &op->param[i];
        args[i] = i == 0 ? fl_tensor_value(self) : p->has_default ? p->value : fl_none();
        for (const struct named_value *n = named; n && n->name; n++)
            if (n->value.tag != FL_NONE && strcmp(p->name, n->name) == 0)
                args[i] = n->value;
    }
    if (op_call(op, args, &result) != 0)
        return NULL;
    return result.as.tensor;
}

/* ---- The type -------------------------------------------------------------------------------- */

static PyMethodDef own_methods[] = {
    {"_make_subclass", (PyCFunction)(void (*)(void))method_make_subclass,
     METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     "_make_subclass(cls, data, require_grad=False): data's memory as a new tensor of type cls, "
     "without history."},
    {"as_subclass", as_subclass, METH_O,
     "The same tensor as an object of a subclass, with its history."},
    {0},
};

static PyMemberDef offsets[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(struct tensor_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct tensor_object, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef dict_property = {"__dict__", dict_get, dict_set, NULL, NULL};

extern PyMethodDef ops_methods[];

static int count_methods(const PyMethodDef *m)
{
    int n = 0;
    while (m[n].ml_name)
        n++;
    return n;
}

/* All methods in one table: of two with a name the first counts, so what is written by hand comes
 * before what is generated. */
static PyMethodDef *all_methods(void)
{
    PyMethodDef *tables[] = {own_methods,
                             overrides_methods,
                             construct_methods,
                             pytensor_number_methods,
                             pytensor_methods,
                             in_object_methods,
                             pytensor_data_methods,
                             pytensor_exchange_methods,
                             pytensor_dlpack_methods,
                             pytensor_graph_methods,
                             ops_methods};
    int total = 0, n = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        total += count_methods(tables[i]);
    PyMethodDef *all = calloc((size_t)total + 1, sizeof *all); /* lives as long as the type */
    for (size_t i = 0; all && i < sizeof tables / sizeof *tables; i++)
        for (PyMethodDef *m = tables[i]; m->ml_name; m++)
            all[n++] = *m;
    return all;
}

static PyGetSetDef *all_properties(void)
{
    int n = 0;
    while (pytensor_properties[n].name)
        n++;
    PyGetSetDef *all = calloc((size_t)n + 2, sizeof *all);
    if (all) {
        memcpy(all, pytensor_properties, (size_t)n * sizeof *all);
        all[n] = dict_property;
    }
    return all;
}

static Py_hash_t tensor_hash(PyObject *self)
{
    return (Py_hash_t)(intptr_t)self;
}

int pytensor_init(PyObject *module)
{
    tensor_drop_python = drop_kept;
    PyType_Slot slots[96];
    int n = 0;
    PyMethodDef *methods = all_methods();
    PyGetSetDef *properties = all_properties();
    if (!methods || !properties)
        return PyErr_NoMemory(), -1;
    const PyType_Slot own[] = {
        SLOT(Py_tp_new, tensor_construct),
        SLOT(Py_tp_dealloc, tensor_dealloc),
        SLOT(Py_tp_traverse, tensor_traverse),
        SLOT(Py_tp_clear, tensor_clear),
        SLOT(Py_tp_setattro, tensor_setattr),
        SLOT(Py_tp_hash, tensor_hash),
        SLOT(Py_mp_subscript, subscript_get),
        SLOT(Py_mp_ass_subscript, subscript_set),
        SLOT(Py_tp_methods, methods),
        SLOT(Py_tp_getset, properties),
        SLOT(Py_tp_members, offsets),
        {Py_tp_doc, "A multi-dimensional array of one dtype, with its gradient."},
        {0},
    };
    const PyType_Slot *tables[] = {own, pytensor_number_slots, pytensor_protocol_slots,
                                   exchange_slots};
    for (int k = 0; k < 4; k++)
        for (const PyType_Slot *s = tables[k]; s->slot; s++)
            slots[n++] = *s;
    slots[n] = (PyType_Slot){0};
    PyType_Spec spec = {
        .name = "flambeau.Tensor",
        .basicsize = sizeof(struct tensor_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    pytensor_type = (PyTypeObject *)PyType_FromSpec(&spec);
    PyObject *name = pytensor_type ? PyUnicode_FromString("Tensor") : NULL;
    /* Python's own messages show __name__ as it is set here, without the module. */
    int failed = name ? PyObject_SetAttrString((PyObject *)pytensor_type, "__name__", name) : -1;
    Py_XDECREF(name);
    /* NumPy leaves an operator to the operand of the highest priority. */
    PyObject *priority = failed ? NULL : PyLong_FromLong(1000);
    failed = !priority ||
             PyObject_SetAttrString((PyObject *)pytensor_type, "__array_priority__", priority);
    Py_XDECREF(priority);
    return failed ? -1 : PyModule_AddObjectRef(module, "Tensor", (PyObject *)pytensor_type);
}
