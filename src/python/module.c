/* nn.Module's C base: registration, attribute access and calls of modules.
 *
 * An instance is its __dict__, as in PyTorch: `_parameters`, `_buffers`, `_modules` and the dictionaries of hooks are
 * entries of it, and Python code may read and replace them. What the hot paths need of these entries is kept in the
 * object too. The copies are good while `_parameters` in __dict__ is still the one they were taken with; whoever
 * assigns one of the names, or __dict__ itself, drops them.
 *
 * Attribute access is C's tp_getattro. A name that the class has not, but a dictionary of the instance has, is
 * remembered with the class in a small table (`hints`), so that the next access looks into the dictionaries first and
 * no AttributeError is made and dropped on the way. There is no __getattr__ in the type: any would send every
 * attribute of every subclass through the interpreter's slow path. Assignment is a method and not tp_setattro, because
 * a C slot would forbid object.__setattr__(module, name, value), which programs use to pass registration by.
 *
 * A call without hooks goes straight to the class's `forward`; with hooks it goes to `_call_with_hooks`, in Python. */
#include "python/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

/* What a module keeps in its __dict__, in the order in which PyTorch's constructor makes it. */
enum entry {
    TRAINING,
    PARAMETERS,
    BUFFERS,
    NON_PERSISTENT,
    BACKWARD_PRE_HOOKS,
    BACKWARD_HOOKS,
    IS_FULL_BACKWARD_HOOK,
    FORWARD_HOOKS,
    FORWARD_HOOKS_WITH_KWARGS,
    FORWARD_HOOKS_ALWAYS_CALLED,
    FORWARD_PRE_HOOKS,
    FORWARD_PRE_HOOKS_WITH_KWARGS,
    STATE_DICT_HOOKS,
    STATE_DICT_PRE_HOOKS,
    LOAD_STATE_DICT_PRE_HOOKS,
    LOAD_STATE_DICT_POST_HOOKS,
    MODULES,
    ENTRY_COUNT
};

static const char *const entry_text[ENTRY_COUNT] = {
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

/* Hooks that all modules share. The first four make a call take the slow way. */
enum shared {
    ALL_BACKWARD_PRE,
    ALL_BACKWARD,
    ALL_FORWARD_PRE,
    ALL_FORWARD,
    CALL_HOOKS,
    ON_BUFFER = CALL_HOOKS,
    ON_MODULE,
    ON_PARAMETER,
    SHARED_COUNT
};

static const char *const shared_text[SHARED_COUNT] = {
    "_global_backward_pre_hooks",         "_global_backward_hooks",
    "_global_forward_pre_hooks",          "_global_forward_hooks",
    "_global_buffer_registration_hooks",  "_global_module_registration_hooks",
    "_global_parameter_registration_hooks",
};

typedef struct {
    PyObject_HEAD
    PyObject *dict;                                /* __dict__ */
    PyObject *weakrefs;
    PyObject *parameters, *buffers, *modules;      /* copies of entries; NULL until needed */
    PyObject *hooks[CALL_HOOKS];                   /* likewise: backward pre, backward, pre, forward */
} ModuleObject;

static PyObject *entry_name[ENTRY_COUNT];
static PyObject *shared[SHARED_COUNT];
static PyObject *extension, *base_type, *ordered_dict;
static PyTypeObject *tensor_type, *parameter_type, *function_type;
static PyObject *buffer_type;
static PyObject *s_forward, *s_register_parameter, *s_register_buffer, *s_call_with_hooks;

/* ---- The registered values ------------------------------------------------------------------------------------- */

static void forget(ModuleObject *self)
{
    Py_CLEAR(self->parameters);
    Py_CLEAR(self->buffers);
    Py_CLEAR(self->modules);
    for (int i = 0; i < CALL_HOOKS; i++)
        Py_CLEAR(self->hooks[i]);
}

/* An entry of __dict__, borrowed; NULL without an error where it is missing. */
static PyObject *entry_get(ModuleObject *self, enum entry entry)
{
    return self->dict ? PyDict_GetItemWithError(self->dict, entry_name[entry]) : NULL;
}

static void copy_dict(ModuleObject *self, PyObject **copy, enum entry entry)
{
    PyObject *value = entry_get(self, entry);
    if (value && PyDict_Check(value))
        *copy = Py_NewRef(value);
}

/* Brings the copies up to date. Afterwards parameters is NULL when the constructor has not run. */
static void refresh(ModuleObject *self)
{
    PyObject *parameters = entry_get(self, PARAMETERS);
    if (parameters && parameters == self->parameters)
        return;
    forget(self);
    copy_dict(self, &self->parameters, PARAMETERS);
    copy_dict(self, &self->buffers, BUFFERS);
    copy_dict(self, &self->modules, MODULES);
    copy_dict(self, &self->hooks[ALL_BACKWARD_PRE], BACKWARD_PRE_HOOKS);
    copy_dict(self, &self->hooks[ALL_BACKWARD], BACKWARD_HOOKS);
    copy_dict(self, &self->hooks[ALL_FORWARD_PRE], FORWARD_PRE_HOOKS);
    copy_dict(self, &self->hooks[ALL_FORWARD], FORWARD_HOOKS);
}

/* An item of a dictionary that may be NULL, borrowed; NULL without an error where it is missing. */
static PyObject *item_of(PyObject *dict, PyObject *name)
{
    return dict && PyDict_Size(dict) ? PyDict_GetItemWithError(dict, name) : NULL;
}

/* A parameter, buffer or child by its name, borrowed. */
static PyObject *registered(ModuleObject *self, PyObject *name)
{
    refresh(self);
    PyObject *value = item_of(self->parameters, name);
    if (!value && !PyErr_Occurred())
        value = item_of(self->buffers, name);
    if (!value && !PyErr_Occurred())
        value = item_of(self->modules, name);
    return value;
}

/* An OrderedDict keeps its order beside the table: it must be written through its own methods. */
static int item_set(PyObject *dict, PyObject *name, PyObject *value)
{
    return PyDict_CheckExact(dict) ? PyDict_SetItem(dict, name, value) : PyObject_SetItem(dict, name, value);
}

/* Takes a name out of a dictionary that may be NULL. Returns 1 if it was there, 0 if not, -1 on error. */
static int item_drop(PyObject *dict, PyObject *name)
{
    if (!item_of(dict, name))
        return PyErr_Occurred() ? -1 : 0;
    int failed = PyDict_CheckExact(dict) ? PyDict_DelItem(dict, name) : PyObject_DelItem(dict, name);
    return failed ? -1 : 1;
}

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

/* "'Net' object has no attribute 'x'", in PyTorch's words. */
static void no_attribute(PyObject *self, PyObject *name)
{
    PyObject *type = PyType_GetName(Py_TYPE(self));
    if (type)
        PyErr_Format(PyExc_AttributeError, "'%U' object has no attribute '%S'", type, name);
    Py_XDECREF(type);
}

/* torch.typename(value): 'torch.FloatTensor' for a tensor, else the full name of the value or its type. */
static PyObject *name_of_type(PyObject *value)
{
    if (tensor_type && PyObject_TypeCheck(value, tensor_type))
        return PyObject_CallMethod(value, "type", NULL);
    PyObject *named = PyObject_HasAttrString(value, "__qualname__") ? value : (PyObject *)Py_TYPE(value);
    PyObject *module = PyObject_GetAttrString(named, "__module__"), *text = NULL;
    PyObject *name = module ? PyObject_GetAttrString(named, "__qualname__") : NULL;
    if (name && PyUnicode_Check(module) && PyUnicode_CompareWithASCIIString(module, "builtins"))
        text = PyUnicode_FromFormat("%U.%S", module, name);
    else if (name)
        text = PyObject_Str(name);
    Py_XDECREF(module);
    Py_XDECREF(name);
    return text;
}

/* Raises kind with a format of exactly two %U: the value's type name, and name. Returns -1. */
static int refuse(PyObject *kind, const char *format, PyObject *value, PyObject *name)
{
    PyObject *type = name_of_type(value);
    if (type)
        PyErr_Format(kind, format, type, name);
    Py_XDECREF(type);
    return -1;
}

/* Checks a name to register: a string, without '.', not empty, not an attribute that is something else. what is
 * "parameter", "buffer" or "module"; taken the dictionary where the name may already be. Returns 0 or -1. */
static int check_name(PyObject *self, const char *what, PyObject *name, PyObject *taken)
{
    if (!PyUnicode_Check(name)) {
        PyObject *type = name_of_type(name);
        if (type)
            PyErr_Format(PyExc_TypeError, "%s name should be a string. Got %U", what, type);
        Py_XDECREF(type);
        return -1;
    }
    Py_ssize_t length = PyUnicode_GetLength(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, 1);
    if (dot == -2)
        return -1;
    if (dot >= 0)
        PyErr_Format(PyExc_KeyError, *what == 'm' ? "%s name can't contain \".\", got: %U"
                                                  : "%s name can't contain \".\"", what, name);
    else if (length == 0)
        PyErr_Format(PyExc_KeyError, "%s name can't be empty string \"\"", what);
    else if (!item_of(taken, name) && PyObject_HasAttr(self, name))
        PyErr_Format(PyExc_KeyError, "attribute '%U' already exists", name);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- Types that Python defines --------------------------------------------------------------------------------- */

static int find_types(void)
{
    if (parameter_type)
        return 0;
    PyObject *module = PyImport_ImportModule("flambeau.nn.parameter");
    PyObject *tensor = module ? PyObject_GetAttrString(extension, "Tensor") : NULL;
    PyObject *buffer = tensor ? PyObject_GetAttrString(module, "Buffer") : NULL;
    PyObject *parameter = buffer ? PyObject_GetAttrString(module, "Parameter") : NULL;
    Py_XDECREF(module);
    if (parameter && PyType_Check(tensor) && PyType_Check(parameter)) {
        tensor_type = (PyTypeObject *)tensor;
        buffer_type = buffer;
        parameter_type = (PyTypeObject *)parameter;
        return 0;
    }
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "Tensor and Parameter must be types");
    Py_XDECREF(tensor);
    Py_XDECREF(buffer);
    Py_XDECREF(parameter);
    return -1;
}

static bool is_module(PyObject *value)
{
    return PyObject_TypeCheck(value, (PyTypeObject *)base_type);
}

/* A tensor, or what takes part in its dispatch. */
static bool is_tensor_like(PyObject *value)
{
    return PyObject_TypeCheck(value, tensor_type) || PyObject_HasAttrString(value, "__torch_function__");
}

/* ---- Registration ---------------------------------------------------------------------------------------------- */

/* Lets the hooks of one kind see, and replace, a value on its way in. *value is a reference the caller owns. */
static int pass_hooks(enum shared kind, PyObject *self, PyObject *name, PyObject **value)
{
    if (PyDict_Size(shared[kind]) == 0)
        return 0;
    PyObject *hooks = PyMapping_Values(shared[kind]);
    int status = hooks ? 0 : -1;
    for (Py_ssize_t i = 0; !status && i < PyList_Size(hooks); i++) {
        PyObject *hook = PyList_GetItem(hooks, i);
        PyObject *result = PyObject_CallFunctionObjArgs(hook, self, name, *value, NULL);
        if (!result)
            status = -1;
        if (result && result != Py_None) {
            Py_DECREF(*value);
            *value = Py_NewRef(result);
        }
        Py_XDECREF(result);
    }
    Py_XDECREF(hooks);
    return status;
}

/* Passes the hooks and stores. */
static int enter(enum shared kind, PyObject *self, PyObject *dict, PyObject *name, PyObject *value)
{
    Py_INCREF(dict);
    Py_INCREF(value);
    int status = pass_hooks(kind, self, name, &value);
    if (!status)
        status = item_set(dict, name, value);
    Py_DECREF(value);
    Py_DECREF(dict);
    return status;
}

static int add_parameter(ModuleObject *self, PyObject *name, PyObject *value)
{
    PyObject *op = (PyObject *)self;
    refresh(self);
    if (!self->parameters) {
        PyErr_SetString(PyExc_AttributeError, "cannot assign parameter before Module.__init__() call");
        return -1;
    }
    if (check_name(op, "parameter", name, self->parameters))
        return -1;
    if (value == Py_None)
        return item_set(self->parameters, name, value);
    if (!PyObject_TypeCheck(value, parameter_type))
        return refuse(PyExc_TypeError,
                      "cannot assign '%U' object to parameter '%U' (torch.nn.Parameter or None required)", value, name);
    PyObject *grad_fn = PyObject_GetAttrString(value, "grad_fn");
    if (!grad_fn)
        return -1;
    Py_DECREF(grad_fn);
    if (grad_fn != Py_None) {
        PyErr_Format(PyExc_ValueError,
                     "Cannot assign non-leaf Tensor to parameter '%U'. Model parameters must be created explicitly. To "
                     "express '%U' as a function of another Tensor, compute the value in the forward() method.",
                     name, name);
        return -1;
    }
    return enter(ON_PARAMETER, op, self->parameters, name, value);
}

static int add_buffer(ModuleObject *self, PyObject *name, PyObject *value, bool persistent)
{
    PyObject *op = (PyObject *)self;
    refresh(self);
    if (!self->buffers) {
        PyErr_SetString(PyExc_AttributeError, "cannot assign buffer before Module.__init__() call");
        return -1;
    }
    if (check_name(op, "buffer", name, self->buffers))
        return -1;
    if (value != Py_None && !is_tensor_like(value))
        return refuse(PyExc_TypeError, "cannot assign '%U' object to buffer '%U' (torch Tensor or None required)",
                      value, name);
    if (enter(ON_BUFFER, op, self->buffers, name, value))
        return -1;
    PyObject *left_out = entry_get(self, NON_PERSISTENT);
    if (!left_out)
        return PyErr_Occurred() ? -1 : 0;
    return persistent ? (PySet_Discard(left_out, name) < 0 ? -1 : 0) : PySet_Add(left_out, name);
}

static PyObject *register_parameter(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "param", NULL};
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:register_parameter", names, &name, &value) || find_types())
        return NULL;
    if (add_parameter((ModuleObject *)self, name, value))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *register_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "tensor", "persistent", NULL};
    PyObject *name, *value;
    int persistent = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:register_buffer", names, &name, &value, &persistent) ||
        find_types())
        return NULL;
    if (add_buffer((ModuleObject *)self, name, value, persistent))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *add_module(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "module", NULL};
    ModuleObject *self = (ModuleObject *)op;
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:add_module", names, &name, &value) || find_types())
        return NULL;
    refresh(self);
    if (value != Py_None && !is_module(value)) {
        refuse(PyExc_TypeError, "%U is not a Module subclass", value, name);
        return NULL;
    }
    if (!self->modules) {
        no_attribute(op, entry_name[MODULES]);
        return NULL;
    }
    if (check_name(op, "module", name, self->modules) || enter(ON_MODULE, op, self->modules, name, value))
        return NULL;
    Py_RETURN_NONE;
}

/* ---- Assignment ------------------------------------------------------------------------------------------------ */

/* Takes a name out of wherever it is but keep, so that a value of another kind can have it. */
static int make_room(ModuleObject *self, PyObject *name, PyObject *keep)
{
    PyObject *places[] = {self->dict, self->parameters, self->buffers, self->modules};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] != keep && item_drop(places[i], name) < 0)
            return -1;
    PyObject *left_out = entry_get(self, NON_PERSISTENT);
    return left_out && PySet_Discard(left_out, name) < 0 ? -1 : 0;
}

/* Whether the class has a method of its own in place of the base's. */
static int overridden(PyObject *self, PyObject *method)
{
    PyObject *ours = PyObject_GetAttr(base_type, method);
    PyObject *theirs = ours ? PyObject_GetAttr((PyObject *)Py_TYPE(self), method) : NULL;
    int result = theirs ? theirs != ours : -1;
    Py_XDECREF(ours);
    Py_XDECREF(theirs);
    return result;
}

static int assign_parameter(ModuleObject *self, PyObject *name, PyObject *value)
{
    int own = overridden((PyObject *)self, s_register_parameter);
    if (own <= 0)
        return own ? -1 : add_parameter(self, name, value);
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)self, s_register_parameter, name, value, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* A value for a name that is a buffer's, or a Buffer for any name. */
static int assign_buffer(ModuleObject *self, PyObject *name, PyObject *value, bool marked)
{
    if (value != Py_None && !is_tensor_like(value))
        return refuse(PyExc_TypeError,
                      "cannot assign '%U' as buffer '%U' (torch.nn.Buffer, torch.Tensor or None expected)", value,
                      name);
    int persistent;
    if (marked) {
        PyObject *mark = PyObject_GetAttrString(value, "persistent");
        persistent = mark ? PyObject_IsTrue(mark) : -1;
        Py_XDECREF(mark);
    } else {
        PyObject *left_out = entry_get(self, NON_PERSISTENT);
        int out = left_out ? PySet_Contains(left_out, name) : 0;
        persistent = out < 0 ? -1 : !out;
    }
    int own = persistent < 0 ? -1 : overridden((PyObject *)self, s_register_buffer);
    if (own <= 0)
        return own ? -1 : add_buffer(self, name, value, persistent);
    /* A register_buffer of the subclass's may know nothing of `persistent`; it is told only what is not usual. */
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)self, s_register_buffer, name, value,
                                                  persistent ? NULL : Py_False, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int assign_module(ModuleObject *self, PyObject *name, PyObject *value)
{
    if (!self->modules) {
        PyErr_SetString(PyExc_AttributeError, "cannot assign module before Module.__init__() call");
        return -1;
    }
    if (make_room(self, name, self->modules))
        return -1;
    return enter(ON_MODULE, (PyObject *)self, self->modules, name, value);
}

/* Any other value: an attribute like that of every object. */
static int assign_plain(ModuleObject *self, PyObject *name, PyObject *value)
{
    if (PyUnicode_Check(name) && PyUnicode_GetLength(name) && PyUnicode_ReadChar(name, 0) == '_')
        forget(self);
    return PyObject_GenericSetAttr((PyObject *)self, name, value);
}

static int assign(ModuleObject *self, PyObject *name, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    refresh(self);
    if (PyType_IsSubtype(type, parameter_type)) {
        if (!self->parameters) {
            PyErr_SetString(PyExc_AttributeError, "cannot assign parameters before Module.__init__() call");
            return -1;
        }
        return make_room(self, name, self->parameters) ? -1 : assign_parameter(self, name, value);
    }
    if (item_of(self->parameters, name)) {
        if (value != Py_None)
            return refuse(PyExc_TypeError,
                          "cannot assign '%U' as parameter '%U' (torch.nn.Parameter or None expected)", value, name);
        return assign_parameter(self, name, value);
    }
    if (is_module(value))
        return assign_module(self, name, value);
    if (item_of(self->modules, name)) {
        if (value != Py_None)
            return refuse(PyExc_TypeError,
                          "cannot assign '%U' as child module '%U' (torch.nn.Module or None expected)", value, name);
        return enter(ON_MODULE, (PyObject *)self, self->modules, name, value);
    }
    int marked = PyType_IsSubtype(type, tensor_type) ? PyObject_IsInstance(value, buffer_type) : 0;
    if (marked > 0 || item_of(self->buffers, name))
        return assign_buffer(self, name, value, marked);
    return marked < 0 || PyErr_Occurred() ? -1 : assign_plain(self, name, value);
}

static PyObject *module_setattr(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "expected 2 arguments, got %zd", count);
        return NULL;
    }
    if (find_types() || assign((ModuleObject *)self, args[0], args[1]))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *module_delattr(PyObject *op, PyObject *name)
{
    ModuleObject *self = (ModuleObject *)op;
    refresh(self);
    if (!self->parameters) {
        no_attribute(op, entry_name[PARAMETERS]);
        return NULL;
    }
    int found = item_drop(self->parameters, name);
    if (!found && (found = item_drop(self->buffers, name)) > 0) {
        PyObject *left_out = entry_get(self, NON_PERSISTENT);
        if (left_out && PySet_Discard(left_out, name) < 0)
            return NULL;
    }
    if (!found)
        found = item_drop(self->modules, name);
    if (found < 0 || (!found && assign_plain(self, name, NULL)))
        return NULL;
    Py_RETURN_NONE;
}

/* ---- Attribute access ------------------------------------------------------------------------------------------ */

/* Pairs of class and name that were found in a dictionary of an instance and not on the class; and pairs of class and
 * forward, for calls. The pointers are compared only, never followed. */
static struct hint {
    const void *type, *name;
} hints[512];

static struct hint *hint_of(const void *type, const void *name)
{
    uintptr_t mixed = ((uintptr_t)type >> 4) * 31 + ((uintptr_t)name >> 4);
    return &hints[(mixed ^ mixed >> 9) % (sizeof hints / sizeof *hints)];
}

static PyObject *module_getattro(PyObject *op, PyObject *name)
{
    ModuleObject *self = (ModuleObject *)op;
    const void *type = Py_TYPE(op);
    struct hint *hint = hint_of(type, name);
    if (hint->name == name && hint->type == type && self->dict && !PyDict_GetItemWithError(self->dict, name)) {
        PyObject *value = registered(self, name);
        if (value)
            return Py_NewRef(value);
        if (PyErr_Occurred())
            return NULL;
    }
    PyObject *value = PyObject_GenericGetAttr(op, name);
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    value = registered(self, name);
    if (value) {
        *hint = (struct hint){type, name};
        return Py_NewRef(value);
    }
    if (!PyErr_Occurred())
        no_attribute(op, name);
    return NULL;
}

/* What a subclass's __getattr__ asks for with super().__getattr__(name): a registered value or the error. */
static PyObject *module_lookup(PyObject *op, PyObject *name)
{
    PyObject *value = registered((ModuleObject *)op, name);
    if (value)
        return Py_NewRef(value);
    if (!PyErr_Occurred())
        no_attribute(op, name);
    return NULL;
}

/* ---- Calls ----------------------------------------------------------------------------------------------------- */

/* forward(*args) where the class's forward is a Python function: called with self first, no bound method made. */
static PyObject *call_function(PyObject *function, PyObject *self, PyObject *args)
{
    PyObject *a[4];
    Py_ssize_t count = PyTuple_Size(args);
    for (Py_ssize_t i = 0; i < count; i++)
        a[i] = PyTuple_GetItem(args, i);
    switch (count) {
    case 0:
        return PyObject_CallFunctionObjArgs(function, self, NULL);
    case 1:
        return PyObject_CallFunctionObjArgs(function, self, a[0], NULL);
    case 2:
        return PyObject_CallFunctionObjArgs(function, self, a[0], a[1], NULL);
    case 3:
        return PyObject_CallFunctionObjArgs(function, self, a[0], a[1], a[2], NULL);
    default:
        return PyObject_CallFunctionObjArgs(function, self, a[0], a[1], a[2], a[3], NULL);
    }
}

/* Remembers that a class's forward is an ordinary method: a bound one holds self and the function. A static method
 * shows itself on the class as the same function. */
static void note_method(struct hint *hint, PyObject *self, PyObject *bound, PyObject *function)
{
    PyObject *owner = PyObject_GetAttrString(bound, "__self__");
    PyObject *inner = owner ? PyObject_GetAttrString(bound, "__func__") : NULL;
    if (owner == self && inner == function)
        *hint = (struct hint){Py_TYPE(self), function};
    PyErr_Clear();
    Py_XDECREF(owner);
    Py_XDECREF(inner);
}

static PyObject *call_forward(ModuleObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *op = (PyObject *)self, *function = NULL, *result = NULL;
    struct hint *hint = NULL;
    if (PyTuple_Size(args) <= 4 && !(kwargs && PyDict_Size(kwargs)) &&
        !PyDict_GetItemWithError(self->dict, s_forward)) {
        function = PyObject_GetAttr((PyObject *)Py_TYPE(op), s_forward);
        PyErr_Clear();
    }
    if (function && Py_TYPE(function) == function_type) {
        hint = hint_of(Py_TYPE(op), function);
        if (hint->type == Py_TYPE(op) && hint->name == function) {
            result = call_function(function, op, args);
            Py_DECREF(function);
            return result;
        }
    }
    PyObject *bound = PyObject_GetAttr(op, s_forward);
    if (bound) {
        if (hint)
            note_method(hint, op, bound, function);
        result = PyObject_Call(bound, args, kwargs);
        Py_DECREF(bound);
    }
    Py_XDECREF(function);
    return result;
}

static PyObject *module_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    ModuleObject *self = (ModuleObject *)op;
    refresh(self);
    Py_ssize_t hooks = 0;
    for (int i = 0; i < CALL_HOOKS; i++) {
        if (!self->hooks[i]) {
            no_attribute(op, entry_name[BACKWARD_HOOKS]);
            return NULL;
        }
        hooks += PyDict_Size(self->hooks[i]) + PyDict_Size(shared[i]);
    }
    if (!hooks)
        return call_forward(self, args, kwargs);
    PyObject *slow = PyObject_GetAttr(op, s_call_with_hooks);
    PyObject *result = slow ? PyObject_Call(slow, args, kwargs) : NULL;
    Py_XDECREF(slow);
    return result;
}

/* ---- Construction and the type --------------------------------------------------------------------------------- */

static int fill(ModuleObject *self)
{
    PyObject *op = (PyObject *)self;
    forget(self);
    for (enum entry i = 0; i < ENTRY_COUNT; i++) {
        PyObject *value;
        if (i == TRAINING)
            value = Py_NewRef(Py_True);
        else if (i == IS_FULL_BACKWARD_HOOK)
            value = Py_NewRef(Py_None);
        else if (i == NON_PERSISTENT)
            value = PySet_New(NULL);
        else if (i == PARAMETERS || i == BUFFERS || i == MODULES)
            value = PyDict_New();
        else
            value = PyObject_CallNoArgs(ordered_dict);
        int failed = !value || PyObject_GenericSetAttr(op, entry_name[i], value);
        Py_XDECREF(value);
        if (failed)
            return -1;
    }
    return 0;
}

/* Module.__init__: takes no arguments, unless the class says call_super_init, which hands them to the next class. */
static int module_construct(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *passes = PyObject_GetAttrString(self, "call_super_init");
    int pass = passes ? PyObject_IsTrue(passes) : -1;
    Py_XDECREF(passes);
    if (pass < 0)
        return -1;
    PyObject *type = PyType_GetName(Py_TYPE(self));
    if (!type)
        return -1;
    if (!pass && kwargs && PyDict_Size(kwargs)) {
        PyObject *key, *value;
        Py_ssize_t at = 0;
        PyDict_Next(kwargs, &at, &key, &value);
        PyErr_Format(PyExc_TypeError, "%U.__init__() got an unexpected keyword argument '%U'", type, key);
    } else if (!pass && PyTuple_Size(args)) {
        PyErr_Format(PyExc_TypeError, "%U.__init__() takes 1 positional argument but %zd were given", type,
                     PyTuple_Size(args) + 1);
    }
    Py_DECREF(type);
    if (PyErr_Occurred() || fill((ModuleObject *)self))
        return -1;
    if (!pass)
        return 0;
    PyObject *next = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, base_type, self, NULL);
    PyObject *init = next ? PyObject_GetAttrString(next, "__init__") : NULL;
    PyObject *done = init ? PyObject_Call(init, args, kwargs) : NULL;
    Py_XDECREF(next);
    Py_XDECREF(init);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int module_traverse(PyObject *op, visitproc visit, void *arg)
{
    ModuleObject *self = (ModuleObject *)op;
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
    forget((ModuleObject *)op);
    Py_CLEAR(((ModuleObject *)op)->dict);
    return 0;
}

static void module_free(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((ModuleObject *)op)->weakrefs)
        PyObject_ClearWeakRefs(op);
    module_clear(op);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(op);
    Py_DECREF(type);
}

static int set_dict(PyObject *op, PyObject *value, void *context)
{
    forget((ModuleObject *)op);
    return PyObject_GenericSetDict(op, value, context);
}

static PyMethodDef methods[] = {
    {"__setattr__", (PyCFunction)(void (*)(void))module_setattr, METH_FASTCALL, NULL},
    {"__delattr__", module_delattr, METH_O, NULL},
    {"_lookup", module_lookup, METH_O, "The parameter, buffer or child of that name, or AttributeError."},
    {"register_parameter", (PyCFunction)(void (*)(void))register_parameter, METH_VARARGS | METH_KEYWORDS,
     "register_parameter($self, name, param)\n--\n\nAdds a Parameter, or None, under a name without dots."},
    {"register_buffer", (PyCFunction)(void (*)(void))register_buffer, METH_VARARGS | METH_KEYWORDS,
     "register_buffer($self, name, tensor, persistent=True)\n--\n\nAdds a tensor, or None, that moves and is saved with the "
     "module but is not trained; state_dict leaves it out where persistent is False."},
    {"add_module", (PyCFunction)(void (*)(void))add_module, METH_VARARGS | METH_KEYWORDS,
     "add_module($self, name, module)\n--\n\nAdds a child module, or None, under a name without dots."},
    {"register_module", (PyCFunction)(void (*)(void))add_module, METH_VARARGS | METH_KEYWORDS,
     "register_module($self, name, module)\n--\n\nAnother name of add_module."},
    {0},
};

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(ModuleObject, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ModuleObject, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef getset[] = {
    {"__dict__", PyObject_GenericGetDict, set_dict, NULL, NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "ModuleBase(*args, **kwargs)\n--\n\nThe part of nn.Module that is written in C: registration, attributes, calls."},
    {Py_tp_init, module_construct},
    {Py_tp_dealloc, module_free},
    {Py_tp_traverse, module_traverse},
    {Py_tp_clear, module_clear},
    {Py_tp_getattro, module_getattro},
    {Py_tp_call, module_call},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "flambeau._C.ModuleBase",
    .basicsize = sizeof(ModuleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static int intern(PyObject **name, const char *text)
{
    return (*name = PyUnicode_InternFromString(text)) ? 0 : -1;
}

/* The type of Python functions has no name in the limited API, and the module `types` costs an import: it is taken
 * from a function that is always there. */
static PyTypeObject *type_of_functions(void)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *function = os ? PyObject_GetAttrString(os, "getenv") : NULL;
    PyObject *type = function ? Py_NewRef((PyObject *)Py_TYPE(function)) : NULL;
    Py_XDECREF(os);
    Py_XDECREF(function);
    return (PyTypeObject *)type;
}

int module_init(PyObject *c_module)
{
    extension = Py_NewRef(c_module);
    for (int i = 0; i < ENTRY_COUNT; i++)
        if (intern(&entry_name[i], entry_text[i]))
            return -1;
    if (intern(&s_forward, "forward") || intern(&s_register_parameter, "register_parameter") ||
        intern(&s_register_buffer, "register_buffer") || intern(&s_call_with_hooks, "_call_with_hooks"))
        return -1;

    PyObject *collections = PyImport_ImportModule("_collections");
    ordered_dict = collections ? PyObject_GetAttrString(collections, "OrderedDict") : NULL;
    Py_XDECREF(collections);
    function_type = ordered_dict ? type_of_functions() : NULL;
    base_type = function_type ? PyType_FromSpec(&spec) : NULL;
    if (!base_type || PyModule_AddObjectRef(c_module, "ModuleBase", base_type))
        return -1;
    for (int i = 0; i < SHARED_COUNT; i++) {
        shared[i] = PyObject_CallNoArgs(ordered_dict);
        if (!shared[i] || PyModule_AddObjectRef(c_module, shared_text[i], shared[i]))
            return -1;
    }
    return 0;
}
