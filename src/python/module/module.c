/* nn.Module's C base: the type, attribute access and calls.
 *
 * An instance is its __dict__, as in PyTorch: `_parameters`, `_buffers`, `_modules` and the
 * dictionaries of hooks are entries of it, and Python code may read and replace them. What the hot
 * paths need of these entries is kept in the object too. The copies are good while `_parameters` in
 * __dict__ is still the one they were taken with; whoever assigns one of the names, or __dict__
 * itself, drops them.
 *
 * Attribute access is C's tp_getattro. A name that the class has not, but a dictionary of the
 * instance has, is remembered with the class in a small table (`hints`), so that the next access
 * looks into the dictionaries first and no AttributeError is made and dropped on the way. There is
 * no __getattr__ in the type: any would send every attribute of every subclass through the
 * interpreter's slow path. Assignment is a method and not tp_setattro, because a C slot would
 * forbid object.__setattr__(module, name, value), by which programs avoid registration.
 *
 * A call without hooks goes straight to the class's `forward`; with hooks it goes to
 * `_call_with_hooks`, in Python. */
#include "python/module/module.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

static const char *const entry_texts[MODULE_ENTRIES] = {
    "training",
    "_parameters",
    "_buffers",
    "_non_persistent_buffers_set",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
    "_modules",
};

static const char *const hook_texts[MODULE_HOOKS] = {
    "_global_backward_pre_hooks",
    "_global_backward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks",
    "_global_buffer_registration_hooks",
    "_global_module_registration_hooks",
    "_global_parameter_registration_hooks",
};

PyObject *module_type;
PyObject *module_shared_hooks[MODULE_HOOKS];
PyObject *module_entry_names[MODULE_ENTRIES];

static PyObject *ordered_dict;
static PyTypeObject *function_type;
static PyObject *s_forward, *s_call_with_hooks;

/* ---- What an instance holds ------------------------------------------------------------------ */

void module_forget(struct module_object *self)
{
    Py_CLEAR(self->parameters);
    Py_CLEAR(self->buffers);
    Py_CLEAR(self->modules);
    for (int i = 0; i < CALL_HOOKS; i++)
        Py_CLEAR(self->hooks[i]);
}

PyObject *module_entry(struct module_object *self, enum module_entry entry)
{
    assert(entry >= 0 && entry < MODULE_ENTRIES);
    return self->dict ? PyDict_GetItemWithError(self->dict, module_entry_names[entry]) : NULL;
}

static void copy_dict(struct module_object *self, PyObject **copy, enum module_entry entry)
{
    PyObject *value = module_entry(self, entry);
    if (value && PyDict_Check(value))
        *copy = Py_NewRef(value);
}

void module_refresh(struct module_object *self)
{
    PyObject *parameters = module_entry(self, PARAMETERS);
    if (parameters && parameters == self->parameters)
        return;
    module_forget(self);
    copy_dict(self, &self->parameters, PARAMETERS);
    copy_dict(self, &self->buffers, BUFFERS);
    copy_dict(self, &self->modules, MODULES);
    copy_dict(self, &self->hooks[ALL_BACKWARD_PRE], BACKWARD_PRE_HOOKS);
    copy_dict(self, &self->hooks[ALL_BACKWARD], BACKWARD_HOOKS);
    copy_dict(self, &self->hooks[ALL_FORWARD_PRE], FORWARD_PRE_HOOKS);
    copy_dict(self, &self->hooks[ALL_FORWARD], FORWARD_HOOKS);
}

PyObject *module_item(PyObject *dict, PyObject *name)
{
    assert(!dict || PyDict_Check(dict));
    return dict && PyDict_Size(dict) ? PyDict_GetItemWithError(dict, name) : NULL;
}

PyObject *module_member(struct module_object *self, PyObject *name)
{
    module_refresh(self);
    PyObject *value = module_item(self->parameters, name);
    if (!value && !PyErr_Occurred())
        value = module_item(self->buffers, name);
    if (!value && !PyErr_Occurred())
        value = module_item(self->modules, name);
    return value;
}

void module_no_attribute(PyObject *self, PyObject *name)
{
    PyObject *type = PyType_GetName(Py_TYPE(self));
    if (type)
        PyErr_Format(PyExc_AttributeError, "'%U' object has no attribute '%S'", type, name);
    Py_XDECREF(type);
}

/* ---- Attribute access ------------------------------------------------------------------------ */

/* Pairs of class and name that were found in a dictionary of an instance and not on the class; and
 * pairs of class and forward, for calls. The pointers are compared only, never followed. A set of
 * four places, the last found first, keeps two pairs in use from driving each other out. */
enum { HINT_SETS = 256, HINT_PLACES = 4 };
static struct hint {
    const void *type, *name;
} hints[HINT_SETS][HINT_PLACES];

static struct hint *hint_set(const void *type, const void *name)
{
    uintptr_t mixed = ((uintptr_t)type >> 4) * 31 + ((uintptr_t)name >> 4);
    return hints[(mixed ^ mixed >> 8) % HINT_SETS];
}

static bool hint_has(const void *type, const void *name)
{
    const struct hint *set = hint_set(type, name);
    for (int i = 0; i < HINT_PLACES; i++)
        if (set[i].name == name && set[i].type == type)
            return true;
    return false;
}

static void hint_add(const void *type, const void *name)
{
    assert(type && name);
    struct hint *set = hint_set(type, name);
    memmove(set + 1, set, (HINT_PLACES - 1) * sizeof *set);
    set[0] = (struct hint){type, name};
}

static PyObject *module_getattro(PyObject *op, PyObject *name)
{
    struct module_object *self = (struct module_object *)op;
    const void *type = Py_TYPE(op);
    bool known = hint_has(type, name);
    if (known && self->dict && !PyDict_GetItemWithError(self->dict, name)) {
        PyObject *value = module_member(self, name);
        if (value)
            return Py_NewRef(value);
        if (PyErr_Occurred())
            return NULL;
    }
    PyObject *value = PyObject_GenericGetAttr(op, name);
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    value = module_member(self, name);
    if (value) {
        if (!known)
            hint_add(type, name);
        return Py_NewRef(value);
    }
    if (!PyErr_Occurred())
        module_no_attribute(op, name);
    return NULL;
}

/* What a subclass's __getattr__ asks for with super().__getattr__(name). */
static PyObject *module_lookup(PyObject *op, PyObject *name)
{
    PyObject *value = module_member((struct module_object *)op, name);
    if (value)
        return Py_NewRef(value);
    if (!PyErr_Occurred())
        module_no_attribute(op, name);
    return NULL;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* forward(*args) of a Python function: called with self first, no bound method made. At most four
 * arguments. */
static PyObject *call_function(PyObject *function, PyObject *self, PyObject *args)
{
    assert(PyTuple_Check(args));
    PyObject *a[4] = {NULL};
    Py_ssize_t count = PyTuple_Size(args);
    for (Py_ssize_t i = 0; i < count; i++)
        a[i] = PyTuple_GetItem(args, i);
    switch (count) { /* the list of arguments ends at NULL */
    case 1:
        return PyObject_CallFunctionObjArgs(function, self, a[0], NULL);
    case 2:
        return PyObject_CallFunctionObjArgs(function, self, a[0], a[1], NULL);
    default:
        return PyObject_CallFunctionObjArgs(function, self, a[0], a[1], a[2], a[3], NULL);
    }
}

/* Remembers that a class's forward is an ordinary method: a bound one holds self and the function.
 * A static method shows itself on the class as the same function. */
static void note_method(PyObject *self, PyObject *bound, PyObject *function)
{
    PyObject *owner = PyObject_GetAttrString(bound, "__self__");
    PyObject *inner = owner ? PyObject_GetAttrString(bound, "__func__") : NULL;
    if (owner == self && inner == function)
        hint_add(Py_TYPE(self), function);
    PyErr_Clear();
    Py_XDECREF(owner);
    Py_XDECREF(inner);
}

static PyObject *call_forward(struct module_object *self, PyObject *args, PyObject *kwargs)
{
    PyObject *op = (PyObject *)self, *function = NULL, *result = NULL;
    Py_ssize_t count = PyTuple_Size(args);
    bool note = false;
    if (count <= 4 && !(kwargs && PyDict_Size(kwargs)) &&
        !PyDict_GetItemWithError(self->dict, s_forward)) {
        function = PyObject_GetAttr((PyObject *)Py_TYPE(op), s_forward);
        PyErr_Clear();
    }
    if (function && Py_TYPE(function) == layer_type && count == 1) {
        result = layer_call(function, op, PyTuple_GetItem(args, 0));
        Py_DECREF(function);
        return result;
    }
    if (function && Py_TYPE(function) == function_type) {
        note = !hint_has(Py_TYPE(op), function);
        if (!note) {
            result = call_function(function, op, args);
            Py_DECREF(function);
            return result;
        }
    }
    PyObject *bound = PyObject_GetAttr(op, s_forward);
    if (bound) {
        if (note)
            note_method(op, bound, function);
        result = PyObject_Call(bound, args, kwargs);
        Py_DECREF(bound);
    }
    Py_XDECREF(function);
    return result;
}

static PyObject *call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    struct module_object *self = (struct module_object *)op;
    module_refresh(self);
    Py_ssize_t hooks = 0;
    for (int i = 0; i < CALL_HOOKS; i++) {
        if (!self->hooks[i]) {
            module_no_attribute(op, module_entry_names[BACKWARD_HOOKS]);
            return NULL;
        }
        hooks += PyDict_Size(self->hooks[i]) + PyDict_Size(module_shared_hooks[i]);
    }
    if (!hooks)
        return call_forward(self, args, kwargs);
    PyObject *slow = PyObject_GetAttr(op, s_call_with_hooks);
    PyObject *result = slow ? PyObject_Call(slow, args, kwargs) : NULL;
    Py_XDECREF(slow);
    return result;
}

/* Notes on the exception that it passed this module; see flambeau/nn/modules/_failure.py. What fails
 * here is dropped. */
static void __attribute__((cold)) note_failure(PyObject *op, PyObject *args, PyObject *kwargs)
{
    assert(PyErr_Occurred());
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("flambeau.nn.modules._failure");
    PyObject *done = module ? PyObject_CallMethod(module, "note", "OOOO", value, op, args,
                                                  kwargs ? kwargs : Py_None)
                            : NULL;
    Py_XDECREF(module);
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback); /* in the place of what failed here */
}

static PyObject *module_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *result = call(op, args, kwargs);
    if (!result)
        note_failure(op, args, kwargs);
    return result;
}

/* ---- Construction ---------------------------------------------------------------------------- */

static PyObject *first_value(enum module_entry entry)
{
    switch (entry) {
    case TRAINING:
        return Py_NewRef(Py_True);
    case IS_FULL_BACKWARD_HOOK:
        return Py_NewRef(Py_None);
    case NON_PERSISTENT:
        return PySet_New(NULL);
    case PARAMETERS:
    case BUFFERS:
    case MODULES:
        return PyDict_New();
    default: /* hooks: handles hold weak references to them, which plain dictionaries do not take */
        return PyObject_CallNoArgs(ordered_dict);
    }
}

static int fill(struct module_object *self)
{
    module_forget(self);
    for (enum module_entry i = 0; i < MODULE_ENTRIES; i++) {
        PyObject *value = first_value(i);
        int failed =
            !value || PyObject_GenericSetAttr((PyObject *)self, module_entry_names[i], value);
        Py_XDECREF(value);
        if (failed)
            return -1;
    }
    return 0;
}

/* Refuses arguments to the constructor, which takes none. Returns 0 or -1. */
static int check_no_arguments(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *type = PyType_GetName(Py_TYPE(self));
    if (!type)
        return -1;
    PyObject *key, *value;
    Py_ssize_t at = 0, count = PyTuple_Size(args);
    if (kwargs && PyDict_Next(kwargs, &at, &key, &value))
        PyErr_Format(PyExc_TypeError, "%U.__init__() got an unexpected keyword argument '%U'", type,
                     key);
    else if (count)
        PyErr_Format(PyExc_TypeError,
                     "%U.__init__() takes 1 positional argument but %zd were given", type,
                     count + 1);
    Py_DECREF(type);
    return PyErr_Occurred() ? -1 : 0;
}

/* Module.__init__: takes no arguments, unless the class says call_super_init, which hands them to
 * the next class. */
static int module_construct(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *passes = PyObject_GetAttrString(self, "call_super_init");
    int pass = passes ? PyObject_IsTrue(passes) : -1;
    Py_XDECREF(passes);
    if (pass < 0 || (!pass && check_no_arguments(self, args, kwargs)))
        return -1;
    if (fill((struct module_object *)self))
        return -1;
    if (!pass)
        return 0;
    PyObject *next =
        PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, module_type, self, NULL);
    PyObject *init = next ? PyObject_GetAttrString(next, "__init__") : NULL;
    PyObject *done = init ? PyObject_Call(init, args, kwargs) : NULL;
    Py_XDECREF(next);
    Py_XDECREF(init);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* ---- The type -------------------------------------------------------------------------------- */

static int module_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct module_object *self = (struct module_object *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->dict);
    Py_VISIT(self->parameters);
    Py_VISIT(self->buffers);
    Py_VISIT(self->modules);
    for (int i = 0; i < CALL_HOOKS; i++)
        Py_VISIT(self->hooks[i]);
    return 0;
}

static int module_clear(PyObject *op)
{
    module_forget((struct module_object *)op);
    Py_CLEAR(((struct module_object *)op)->dict);
    return 0;
}

static void module_free(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((struct module_object *)op)->weakrefs)
        PyObject_ClearWeakRefs(op);
    module_clear(op);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(op);
    Py_DECREF(type);
}

static int set_dict(PyObject *op, PyObject *value, void *context)
{
    module_forget((struct module_object *)op);
    return PyObject_GenericSetDict(op, value, context);
}

static PyMethodDef lookup_method = {
    "_lookup", module_lookup, METH_O,
    "The parameter, buffer or child of that name, or AttributeError."};

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(struct module_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct module_object, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef getset[] = {
    {"__dict__", PyObject_GenericGetDict, set_dict, NULL, NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "ModuleBase(*args, **kwargs)\n--\n\n"
                "The part of nn.Module that is written in C: registration, attributes, calls."},
    {Py_tp_init, module_construct},
    {Py_tp_dealloc, module_free},
    {Py_tp_traverse, module_traverse},
    {Py_tp_clear, module_clear},
    {Py_tp_getattro, module_getattro},
    {Py_tp_call, module_call},
    {Py_tp_methods, registration_methods},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "flambeau._C.ModuleBase",
    .basicsize = sizeof(struct module_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

/* Methods that are not registration's. Returns the type, or NULL. */
static PyObject *make_type(void)
{
    PyObject *type = PyType_FromSpec(&spec);
    PyObject *lookup = type ? PyDescr_NewMethod((PyTypeObject *)type, &lookup_method) : NULL;
    int failed = !lookup || PyObject_SetAttrString(type, lookup_method.ml_name, lookup);
    Py_XDECREF(lookup);
    if (failed)
        Py_CLEAR(type);
    return type;
}

/* The type of Python functions has no name in the limited API, and the module `types` costs an
 * import: it is taken from a function that is always there. */
static PyTypeObject *type_of_functions(void)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *function = os ? PyObject_GetAttrString(os, "getenv") : NULL;
    PyObject *type = function ? Py_NewRef((PyObject *)Py_TYPE(function)) : NULL;
    Py_XDECREF(os);
    Py_XDECREF(function);
    return (PyTypeObject *)type;
}

static int make_names(void)
{
    for (int i = 0; i < MODULE_ENTRIES; i++)
        if (!(module_entry_names[i] = PyUnicode_InternFromString(entry_texts[i])))
            return -1;
    s_forward = PyUnicode_InternFromString("forward");
    s_call_with_hooks = PyUnicode_InternFromString("_call_with_hooks");
    return s_forward && s_call_with_hooks ? 0 : -1;
}

int module_init(PyObject *c_module)
{
    if (make_names() || registration_init(c_module) || layer_init(c_module) ||
        shortcut_init(c_module))
        return -1;
    PyObject *collections = PyImport_ImportModule("_collections");
    ordered_dict = collections ? PyObject_GetAttrString(collections, "OrderedDict") : NULL;
    Py_XDECREF(collections);
    function_type = ordered_dict ? type_of_functions() : NULL;
    module_type = function_type ? make_type() : NULL;
    if (!module_type || PyModule_AddObjectRef(c_module, "ModuleBase", module_type))
        return -1;
    for (int i = 0; i < MODULE_HOOKS; i++) {
        PyObject *hooks = module_shared_hooks[i] = PyObject_CallNoArgs(ordered_dict);
        if (!hooks || PyModule_AddObjectRef(c_module, hook_texts[i], hooks))
            return -1;
    }
    return 0;
}
