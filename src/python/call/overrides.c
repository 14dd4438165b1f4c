/* __torch_function__ (source: torch.overrides): who is asked, in which order, and what Tensor's own
 * does.
 *
 * The argument parser notices a class that wants to see calls while it reads the arguments, and
 * hands the call over here instead of to the door. What Tensor does without the parser (properties,
 * methods that are no operators) is looked up on the instance: __init_subclass__ gives subclasses a
 * __getattribute__ that hands those over, so that plain tensors pay nothing.
 */
#include "python/call/overrides.h"

#include <assert.h>
#include <string.h>

#include "python/call/arguments.h"

int overrides_modes;
PyObject *overrides_caller;
static _Thread_local int disabled;       /* not 0: subclasses are not asked in this thread */
static _Thread_local int modes_disabled; /* nor modes */
static _Thread_local PyObject *modes;    /* list, the innermost last; NULL: none entered yet */
static PyObject *disabled_function;      /* _disabled_torch_function_impl */
static PyObject *c_module;               /* flambeau._C */
static PyTypeObject *last_plain;         /* a class that was found not to ask, held */

/* ---- Who is asked ---------------------------------------------------------------------------- */

bool overrides_asks(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    if (type == last_plain || disabled)
        return false;
    PyObject *own = PyObject_GetAttrString((PyObject *)type, "__torch_function__");
    if (!own) {
        PyErr_Clear();
        return false;
    }
    bool plain = own == disabled_function;
    if (plain) { /* mostly Parameter */
        PyTypeObject *old = last_plain;
        last_plain = (PyTypeObject *)Py_NewRef((PyObject *)type);
        Py_XDECREF((PyObject *)old);
    }
    Py_DECREF(own);
    return !plain;
}

bool overrides_mode_here(void)
{
    return modes && !modes_disabled && PyList_Size(modes) > 0;
}

/* Numbers, text and their like, which are met most, without looking for an attribute. */
static bool wants(PyObject *o)
{
    return o != Py_None && !PyLong_CheckExact(o) && !PyFloat_CheckExact(o) && !PyBool_Check(o) &&
           !PyUnicode_CheckExact(o) && !PyType_Check(o) && overrides_wants(o);
}

/* Puts o among those asked: before the first whose class it derives from, once for each class. */
static int add_asked(PyObject *asked, PyObject *o)
{
    Py_ssize_t count = PyList_Size(asked), at = count;
    for (Py_ssize_t i = count - 1; i >= 0; i--) {
        PyTypeObject *other = Py_TYPE(PyList_GetItem(asked, i));
        if (Py_IS_TYPE(o, other))
            return 0;
        if (PyType_IsSubtype(Py_TYPE(o), other))
            at = i;
    }
    return PyList_Insert(asked, at, o);
}

static int gather_one(PyObject *asked, PyObject *o)
{
    if (!python_is_sequence(o))
        return wants(o) ? add_asked(asked, o) : 0;
    for (Py_ssize_t i = 0; i < python_length(o); i++)
        if (wants(python_item(o, i)) && add_asked(asked, python_item(o, i)) < 0)
            return -1;
    return 0;
}

/* The objects whose classes are asked, in order: a new list. */
static PyObject *gather(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    assert(count >= 0);
    PyObject *asked = PyList_New(0);
    int failed = asked && self ? gather_one(asked, self) : 0;
    for (Py_ssize_t i = 0; asked && !failed && i < count; i++)
        failed = gather_one(asked, args[i]);
    if (failed)
        Py_CLEAR(asked);
    return asked;
}

bool overrides_any(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *asked = gather(self, args, count);
    bool any = asked && PyList_Size(asked) > 0;
    Py_XDECREF(asked);
    PyErr_Clear();
    return any;
}

static PyObject *types_of(PyObject *asked)
{
    assert(PyList_Check(asked));
    PyObject *types = PyTuple_New(PyList_Size(asked));
    for (Py_ssize_t i = 0; types && i < PyList_Size(asked); i++)
        PyTuple_SetItem(types, i, Py_NewRef((PyObject *)Py_TYPE(PyList_GetItem(asked, i))));
    return types;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static PyObject *ask(PyObject *o, PyObject *function, PyObject *types, PyObject *args,
                     PyObject *kwargs)
{
    PyObject *own = PyObject_GetAttrString(o, "__torch_function__");
    PyObject *result =
        own ? PyObject_CallFunctionObjArgs(own, function, types, args, kwargs, NULL) : NULL;
    Py_XDECREF(own);
    return result;
}

/* Asks the innermost mode, with those outside it alone in force; NotImplemented without one. */
static PyObject *ask_mode(PyObject *function, PyObject *types, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t count = overrides_mode_here() ? PyList_Size(modes) : 0;
    if (!count)
        return Py_NewRef(Py_NotImplemented);
    PyObject *mode = Py_NewRef(PyList_GetItem(modes, count - 1)), *kind, *value, *trace;
    if (PyList_SetSlice(modes, count - 1, count, NULL) < 0)
        return Py_DECREF(mode), NULL;
    overrides_modes--;
    PyObject *result = ask(mode, function, types, args, kwargs);
    PyErr_Fetch(&kind, &value, &trace);
    overrides_modes += PyList_Append(modes, mode) == 0;
    PyErr_Restore(kind, value, trace);
    Py_DECREF(mode);
    return result;
}

/* "torch.Tensor.add": the function's name for messages; a new reference. */
static PyObject *name_of(PyObject *function)
{
    PyObject *module = PyImport_ImportModule("flambeau.overrides");
    PyObject *name = module ? PyObject_CallMethod(module, "resolve_name", "O", function) : NULL;
    Py_XDECREF(module);
    return name;
}

/* The TypeError of a call that no class makes anything of, as PyTorch says it of its operators, or
 * of functions that are Python's. */
static void refuse(PyObject *function, PyObject *types, bool is_operator)
{
    PyObject *name = name_of(function), *list = PySequence_List(types);
    if (name && list && is_operator)
        PyErr_Format(PyExc_TypeError,
                     "Multiple dispatch failed for '%U'; all __torch_function__ handlers returned "
                     "NotImplemented:\n\n  - tensor subclasses %R",
                     name, list);
    else if (name && list)
        PyErr_Format(PyExc_TypeError,
                     "no implementation found for '%U' on types that implement "
                     "__torch_function__: %R",
                     name, list);
    Py_XDECREF(name);
    Py_XDECREF(list);
}

/* Asks the mode, then each object; what none answers is a TypeError. */
static PyObject *ask_all(PyObject *asked, PyObject *function, PyObject *args, PyObject *kwargs,
                         bool is_operator)
{
    assert(PyList_Check(asked));
    PyObject *types = types_of(asked);
    PyObject *result = types ? ask_mode(function, types, args, kwargs) : NULL;
    for (Py_ssize_t i = 0; result == Py_NotImplemented && i < PyList_Size(asked); i++) {
        Py_DECREF(result);
        result = ask(PyList_GetItem(asked, i), function, types, args, kwargs);
    }
    if (result == Py_NotImplemented) {
        Py_CLEAR(result);
        refuse(function, types, is_operator);
    }
    Py_XDECREF(types);
    return result;
}

/* What Python calls: Tensor.add, _C.add, _C._nn.gelu. */
static PyObject *find(const char *home, const char *name)
{
    if (strcmp(home, "Tensor") == 0)
        return PyObject_GetAttrString((PyObject *)pytensor_type, name);
    PyObject *space = strcmp(home, "functional") == 0
                          ? PyImport_ImportModule("flambeau.nn.functional")
                      : *home ? PyObject_GetAttrString(c_module, home)
                              : Py_NewRef(c_module);
    PyObject *function = space ? PyObject_GetAttrString(space, name) : NULL;
    Py_XDECREF(space);
    return function;
}

/* (self, args...) and {keyword: value} from a vector of arguments: 0, or -1. */
static int pack(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                PyObject **tuple, PyObject **dict)
{
    Py_ssize_t first = self ? 1 : 0, keywords = kwnames ? PyTuple_Size(kwnames) : 0;
    *tuple = PyTuple_New(first + nargs), *dict = PyDict_New();
    if (!*tuple || !*dict)
        return -1;
    if (self)
        PyTuple_SetItem(*tuple, 0, Py_NewRef(self));
    for (Py_ssize_t i = 0; i < nargs; i++)
        PyTuple_SetItem(*tuple, first + i, Py_NewRef(args[i]));
    for (Py_ssize_t k = 0; k < keywords; k++)
        if (PyDict_SetItem(*dict, PyTuple_GetItem(kwnames, k), args[nargs + k]) < 0)
            return -1;
    return 0;
}

PyObject *python_call(PyObject *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *tuple = NULL, *dict = NULL;
    PyObject *result =
        pack(NULL, args, nargs, kwnames, &tuple, &dict) == 0 ? PyObject_Call(f, tuple, dict) : NULL;
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    return result;
}

static PyObject *call_found(PyObject *function, PyObject *self, PyObject *const *args,
                            Py_ssize_t nargs, PyObject *kwnames, bool is_operator)
{
    PyObject *tuple = NULL, *dict = NULL, *result = NULL;
    PyObject *asked = gather(self, args, nargs + (kwnames ? PyTuple_Size(kwnames) : 0));
    if (asked && pack(self, args, nargs, kwnames, &tuple, &dict) == 0)
        result = ask_all(asked, function, tuple, dict, is_operator);
    Py_XDECREF(asked);
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    return result;
}

PyObject *overrides_call(const char *home, const char *name, PyObject *self, PyObject *const *args,
                         Py_ssize_t nargs, PyObject *kwnames)
{
    bool is_operator = !overrides_caller && strcmp(home, "functional") != 0;
    PyObject *function = overrides_caller ? Py_NewRef(overrides_caller) : find(home, name);
    overrides_caller = NULL;
    PyObject *result =
        function ? call_found(function, self, args, nargs, kwnames, is_operator) : NULL;
    Py_XDECREF(function);
    return result;
}

PyObject *overrides_method(const char *name, PyObject *self, PyObject *first, PyObject *second)
{
    PyObject *args[] = {first, second};
    return overrides_call("Tensor", name, self, args, !first ? 0 : !second ? 1 : 2, NULL);
}

/* ---- What Tensor does for its subclasses ----------------------------------------------------- */

/* The call itself, unseen by the subclasses. */
static PyObject *call_unseen(PyObject *function, PyObject *args, PyObject *kwargs)
{
    PyObject *empty = args ? NULL : PyTuple_New(0);
    disabled++;
    PyObject *result = args || empty ? PyObject_Call(function, args ? args : empty,
                                                     kwargs == Py_None ? NULL : kwargs)
                                     : NULL;
    disabled--;
    Py_XDECREF(empty);
    return result;
}

static PyObject *convert(PyObject *result, PyObject *type);

/* A tuple or list of converted items, of the same class. */
static PyObject *convert_items(PyObject *result, PyObject *type)
{
    Py_ssize_t count = python_length(result);
    PyObject *items = PyTuple_New(count);
    bool changed = false;
    for (Py_ssize_t i = 0; items && i < count; i++) {
        PyObject *item = Py_NewRef(python_item(result, i)), *one = convert(Py_NewRef(item), type);
        changed |= one != item;
        Py_DECREF(item);
        if (!one || PyTuple_SetItem(items, i, one) < 0)
            Py_CLEAR(items);
    }
    PyObject *made = items && changed && !Py_IS_TYPE(result, &PyTuple_Type)
                         ? PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(result), items, NULL)
                         : Py_XNewRef(changed || !items ? items : result);
    Py_XDECREF(items);
    Py_DECREF(result);
    return made;
}

/* The result with the class `type` where it is a tensor of another; takes over its reference. */
static PyObject *convert(PyObject *result, PyObject *type)
{
    if (pytensor_check(result)) {
        if (PyType_IsSubtype(Py_TYPE(result), (PyTypeObject *)type))
            return result;
        PyObject *made = pytensor_as_subclass(result, (PyTypeObject *)type);
        Py_DECREF(result);
        return made;
    }
    return python_is_sequence(result) ? convert_items(result, type) : result;
}

/* Whether the function reads a property whose value keeps its class: grad, _grad, _base. */
static bool keeps_class(PyObject *function)
{
    static const char *const names[] = {"grad", "_grad", "_base"};
    PyObject *own = PyObject_GetAttrString(function, "__self__");
    bool keeps = false;
    for (int i = 0; own && i < 3 && !keeps; i++) {
        PyObject *property = PyObject_GetAttrString((PyObject *)pytensor_type, names[i]);
        keeps = property == own;
        Py_XDECREF(property);
    }
    Py_XDECREF(own);
    PyErr_Clear();
    return keeps;
}

/* A function that was given our tensor while calls are unseen is no operator of ours, but may be
 * PyTorch's: a new reference to ours of its name, or to itself. */
static PyObject *own_function(PyObject *function)
{
    PyObject *module = PyImport_ImportModule("flambeau.overrides");
    PyObject *own = module ? PyObject_CallMethod(module, "_own", "O", function) : NULL;
    Py_XDECREF(module);
    return own;
}

static PyObject *torch_function(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"func", "types", "args", "kwargs", NULL};
    PyObject *function, *types, *given = NULL, *named = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O!O:__torch_function__", names, &function,
                                     &types, &PyTuple_Type, &given, &named))
        return NULL;
    PyObject *list = PySequence_Tuple(types);
    bool foreign = false;
    for (Py_ssize_t i = 0; list && i < PyTuple_Size(list) && !foreign; i++)
        foreign = PyObject_IsSubclass(type, PyTuple_GetItem(list, i)) != 1;
    Py_XDECREF(list);
    if (!list || PyErr_Occurred())
        return NULL;
    if (foreign)
        return Py_NewRef(Py_NotImplemented);
    PyObject *called = disabled ? own_function(function) : Py_NewRef(function);
    PyObject *result = called ? call_unseen(called, given, named) : NULL;
    Py_XDECREF(called);
    if (!result || type == (PyObject *)pytensor_type || keeps_class(function))
        return result;
    return convert(result, type);
}

static PyObject *disabled_call(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"func", "types", "args", "kwargs", NULL};
    PyObject *function, *types, *given = NULL, *named = NULL;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O!O:_disabled_torch_function_impl", names,
                                     &function, &types, &PyTuple_Type, &given, &named))
        return NULL;
    return call_unseen(function, given, named);
}

/* ---- Attributes of instances ----------------------------------------------------------------- */

/* A method of Tensor's bound to an instance; `parts` is (the function, the instance). */
static PyObject *bound_call(PyObject *parts, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames)
{
    return call_found(PyTuple_GetItem(parts, 0), PyTuple_GetItem(parts, 1), args, nargs, kwnames,
                      true);
}

static PyMethodDef bound_method = {"method", (PyCFunction)(void (*)(void))bound_call,
                                   METH_FASTCALL | METH_KEYWORDS, NULL};

/* What reading Tensor's own attribute `own` gives an instance that wants to see it. */
static PyObject *show_attribute(PyObject *self, PyObject *own, PyObject *value)
{
    static PyTypeObject *getset;
    if (!getset) {
        PyObject *shape = PyObject_GetAttrString((PyObject *)pytensor_type, "shape");
        getset = shape ? Py_TYPE(shape) : NULL;
        Py_XDECREF(shape);
    }
    if (getset && Py_IS_TYPE(own, getset)) {
        PyObject *get = PyObject_GetAttrString(own, "__get__");
        PyObject *result = get ? call_found(get, self, NULL, 0, NULL, true) : NULL;
        Py_XDECREF(get);
        return result;
    }
    if (!PyCFunction_CheckExact(value) || PyCFunction_GetSelf(value) != self)
        return Py_NewRef(value);
    PyObject *parts = PyTuple_Pack(2, own, self);
    PyObject *bound = parts ? PyCFunction_New(&bound_method, parts) : NULL;
    Py_XDECREF(parts);
    return bound;
}

/* Attributes that say nothing of the tensor, or are asked while a call is shown. */
static bool is_hidden(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    return !text || (text[0] == '_' && text[1] == '_') || strcmp(text, "as_subclass") == 0;
}

static PyObject *get_attribute(PyObject *self, PyObject *name)
{
    if (!PyUnicode_Check(name) || is_hidden(name) || !overrides_asks(self))
        return PyObject_GenericGetAttr(self, name);
    PyObject *own = PyObject_GetAttr((PyObject *)pytensor_type, name);
    if (!own)
        PyErr_Clear();
    PyObject *found = own ? PyObject_GetAttr((PyObject *)Py_TYPE(self), name) : NULL;
    PyErr_Clear();
    bool inherited = own && found == own;
    bool is_data = inherited && !PyCallable_Check(own);
    PyObject *value = is_data ? Py_NewRef(own) : PyObject_GenericGetAttr(self, name);
    if (inherited && value) {
        PyObject *shown = show_attribute(self, own, value);
        Py_DECREF(value);
        value = shown;
    }
    Py_XDECREF(own);
    Py_XDECREF(found);
    return value;
}

static PyObject *init_subclass(PyObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    if (kwargs && PyDict_Size(kwargs))
        return PyErr_Format(PyExc_TypeError, "%s.__init_subclass__() takes no keyword arguments",
                            "Tensor");
    PyObject *own = PyObject_GetAttrString(type, "__torch_function__");
    PyObject *getter =
        own ? PyObject_GetAttrString((PyObject *)pytensor_type, "_get_attribute") : NULL;
    int failed = !getter;
    if (getter && own != disabled_function) {
        PyObject *named = PyObject_GetAttrString(type, "__getattribute__");
        PyObject *plain = PyObject_GetAttrString((PyObject *)pytensor_type, "__getattribute__");
        if (named && named == plain)
            failed = PyObject_SetAttrString(type, "__getattribute__", getter);
        failed |= !named || !plain;
        Py_XDECREF(named);
        Py_XDECREF(plain);
    }
    Py_XDECREF(own);
    Py_XDECREF(getter);
    return failed ? NULL : Py_NewRef(Py_None);
}

PyMethodDef overrides_methods[] = {
    {"__torch_function__", (PyCFunction)(void (*)(void))torch_function,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "__torch_function__(func, types, args=(), kwargs=None): calls func, and gives what it returns "
     "the class."},
    {"__init_subclass__", (PyCFunction)(void (*)(void))init_subclass,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, NULL},
    {"_get_attribute", get_attribute, METH_O, NULL},
    {0},
};

/* ---- The module's functions ------------------------------------------------------------------ */

static PyObject *has_torch_function(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *list = PySequence_Tuple(args);
    bool any = list && overrides_mode_here();
    for (Py_ssize_t i = 0; list && i < PyTuple_Size(list) && !any; i++)
        any = wants(PyTuple_GetItem(list, i));
    Py_XDECREF(list);
    return list ? python_bool(any) : NULL;
}

static PyObject *handle_torch_function(PyObject *module, PyObject *args)
{
    PyObject *function, *relevant, *given, *named;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOO!O!:_handle_torch_function", &function, &relevant,
                          &PyTuple_Type, &given, &PyDict_Type, &named))
        return NULL;
    PyObject *list = PySequence_Tuple(relevant), *asked = list ? PyList_New(0) : NULL;
    PyObject *result = NULL;
    int failed = !asked;
    for (Py_ssize_t i = 0; !failed && i < PyTuple_Size(list); i++)
        if (wants(PyTuple_GetItem(list, i)))
            failed = add_asked(asked, PyTuple_GetItem(list, i));
    if (!failed)
        result = ask_all(asked, function, given, named, false);
    Py_XDECREF(list);
    Py_XDECREF(asked);
    return result;
}

/* with DisableTorchFunctionSubclass(): calls are not shown to subclasses. */
static PyObject *hide_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    disabled++;
    return Py_NewRef(self);
}

static PyObject *hide_exit(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    disabled--;
    Py_RETURN_NONE;
}

/* with DisableTorchFunction(): nor to modes. */
static PyObject *hide_all_enter(PyObject *self, PyObject *unused)
{
    modes_disabled++;
    return hide_enter(self, unused);
}

static PyObject *hide_all_exit(PyObject *self, PyObject *unused)
{
    modes_disabled--;
    return hide_exit(self, unused);
}

static PyMethodDef hide_methods[] = {
    {"__enter__", hide_enter, METH_NOARGS, NULL}, {"__exit__", hide_exit, METH_VARARGS, NULL}, {0}};
static PyMethodDef hide_all_methods[] = {{"__enter__", hide_all_enter, METH_NOARGS, NULL},
                                         {"__exit__", hide_all_exit, METH_VARARGS, NULL},
                                         {0}};

static int add_context(PyObject *module, const char *name, const char *full, PyMethodDef *methods)
{
    PyType_Spec spec = {
        .name = full,
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = (PyType_Slot[]){SLOT(Py_tp_methods, methods), {0}},
    };
    PyObject *type = PyType_FromSpec(&spec);
    int failed = !type || PyModule_AddObjectRef(module, name, type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyObject *push_mode(PyObject *module, PyObject *mode)
{
    (void)module;
    if (!modes && !(modes = PyList_New(0)))
        return NULL;
    if (PyList_Append(modes, mode) < 0)
        return NULL;
    overrides_modes++;
    return Py_NewRef(Py_None);
}

static PyObject *pop_mode(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    Py_ssize_t count = modes ? PyList_Size(modes) : 0;
    if (!count)
        return PyErr_Format(PyExc_RuntimeError, "no TorchFunctionMode is entered");
    PyObject *mode = Py_NewRef(PyList_GetItem(modes, count - 1));
    if (PyList_SetSlice(modes, count - 1, count, NULL) < 0)
        return Py_DECREF(mode), NULL;
    overrides_modes--;
    return mode;
}

static PyMethodDef functions[] = {
    {"_disabled_torch_function_impl", (PyCFunction)(void (*)(void))disabled_call,
     METH_VARARGS | METH_KEYWORDS,
     "The __torch_function__ of classes that take no part: calls func as it is."},
    {"_has_torch_function", has_torch_function, METH_O,
     "Whether a class among these arguments, or a mode, wants to see calls."},
    {"_handle_torch_function", handle_torch_function, METH_VARARGS,
     "_handle_torch_function(func, relevant, args, kwargs): asks them."},
    {"_push_on_torch_function_stack", push_mode, METH_O, NULL},
    {"_pop_torch_function_stack", pop_mode, METH_NOARGS, NULL},
    {0},
};

int overrides_init(PyObject *module)
{
    c_module = module;
    if (PyModule_AddFunctions(module, functions) < 0 ||
        add_context(module, "DisableTorchFunctionSubclass",
                    "flambeau._C.DisableTorchFunctionSubclass", hide_methods) < 0 ||
        add_context(module, "DisableTorchFunction", "flambeau._C.DisableTorchFunction",
                    hide_all_methods) < 0)
        return -1;
    disabled_function = PyObject_GetAttrString(module, "_disabled_torch_function_impl");
    return disabled_function ? 0 : -1;
}
