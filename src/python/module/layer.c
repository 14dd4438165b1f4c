/* The forward of a layer that is one function of flambeau.nn.functional: layer_forward("linear",
 * "weight", "bias") calls linear(input, self.weight, self.bias).
 *
 * It behaves as a method (it binds, and takes part in super().forward(x)), but a call of the module
 * comes here without a frame of the interpreter, and finds parameters without attribute access. */
#include "python/module/module.h"
#include "python/python.h"

#include <stddef.h>
#include <structmember.h>

enum { MOST_NAMES = 4 };

typedef PyObject *fast_call(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

struct layer_object {
    PyObject_HEAD PyObject *function; /* its name until the first call */
    fast_call *fast;                  /* what the function calls, where it is one of C; or NULL */
    PyObject *names[MOST_NAMES];      /* interned */
    int count;
    bool ends_inplace; /* the last name is "inplace" */
};

PyTypeObject *layer_type;

/* self.NAME: a parameter first, then what any attribute may be. A new reference. */
static PyObject *setting(PyObject *module, PyObject *name)
{
    struct module_object *self = (struct module_object *)module;
    PyObject *value = self->dict ? PyDict_GetItemWithError(self->dict, name) : NULL;
    if (!value && !PyErr_Occurred())
        value = module_item(self->parameters, name);
    if (value)
        return Py_NewRef(value);
    return PyErr_Occurred() ? NULL : PyObject_GetAttr(module, name);
}

/* Puts the function in the place of its name. Returns 0 or -1. */
static int resolve(struct layer_object *layer)
{
    PyObject *functional = PyImport_ImportModule("flambeau.nn.functional");
    PyObject *function = functional ? PyObject_GetAttr(functional, layer->function) : NULL;
    Py_XDECREF(functional);
    if (!function)
        return -1;
    Py_DECREF(layer->function);
    layer->function = function;
    if (PyCFunction_CheckExact(function) &&
        (PyCFunction_GetFlags(function) & ~METH_STATIC) == (METH_FASTCALL | METH_KEYWORDS))
        layer->fast = (fast_call *)(void (*)(void))PyCFunction_GetFunction(function);
    return 0;
}

PyObject *layer_call(PyObject *forward, PyObject *module, PyObject *input)
{
    assert(Py_IS_TYPE(forward, layer_type));
    struct layer_object *layer = (struct layer_object *)forward;
    PyObject *all[1 + MOST_NAMES] = {input}, **a = all + 1, *result = NULL;
    int given = 0;
    if (PyUnicode_Check(layer->function) && resolve(layer))
        return NULL;
    while (given < layer->count && (a[given] = setting(module, layer->names[given])))
        given++;
    bool whole = given == layer->count;
    if (whole && given && layer->ends_inplace && a[given - 1] == Py_False) {
        Py_DECREF(a[--given]); /* relu(x) rather than relu(x, False): the straight way */
        a[given] = NULL;
    }
    if (whole)
        result = layer->fast
                     ? layer->fast(PyCFunction_GetSelf(layer->function), all, 1 + given, NULL)
                     : python_call(layer->function, all, 1 + given, NULL);
    for (int i = 0; i < given; i++)
        Py_DECREF(a[i]);
    return result;
}

/* forward(module, input), as on the class. */
static PyObject *call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"self", "input", NULL};
    PyObject *module, *input;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:forward", names, &module, &input))
        return NULL;
    if (!PyObject_TypeCheck(module, (PyTypeObject *)module_type)) {
        PyErr_SetString(PyExc_TypeError, "forward() needs a module first");
        return NULL;
    }
    module_refresh((struct module_object *)module);
    return layer_call(op, module, input);
}

static PyObject *bind(PyObject *op, PyObject *module, PyObject *type)
{
    (void)type;
    if (!module || module == Py_None)
        return Py_NewRef(op);
    static PyObject *method_type;
    if (!method_type) {
        PyObject *types = PyImport_ImportModule("types");
        method_type = types ? PyObject_GetAttrString(types, "MethodType") : NULL;
        Py_XDECREF(types);
        if (!method_type)
            return NULL;
    }
    return PyObject_CallFunctionObjArgs(method_type, op, module, NULL);
}

static int traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((struct layer_object *)op)->function);
    return 0;
}

static int clear(PyObject *op)
{
    Py_CLEAR(((struct layer_object *)op)->function);
    return 0;
}

static void release(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    clear(op);
    for (int i = 0; i < MOST_NAMES; i++)
        Py_CLEAR(((struct layer_object *)op)->names[i]);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(op);
    Py_DECREF(type);
}

static PyObject *construct(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t count = PyTuple_Size(args) - 1;
    if (count < 0 || count > MOST_NAMES || (kwargs && PyDict_Size(kwargs))) {
        PyErr_Format(PyExc_TypeError, "layer_forward(name, *settings) takes at most %d settings",
                     MOST_NAMES);
        return NULL;
    }
    PyObject *op = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!op)
        return NULL;
    struct layer_object *layer = (struct layer_object *)op;
    layer->function = Py_NewRef(PyTuple_GetItem(args, 0));
    for (; layer->count < count; layer->count++) {
        PyObject *name = PyTuple_GetItem(args, layer->count + 1);
        if (!PyUnicode_Check(name)) {
            PyErr_SetString(PyExc_TypeError, "settings must be names");
            Py_DECREF(op);
            return NULL;
        }
        layer->names[layer->count] = Py_NewRef(name);
        PyUnicode_InternInPlace(&layer->names[layer->count]);
        layer->ends_inplace = PyUnicode_CompareWithASCIIString(name, "inplace") == 0;
    }
    return op;
}

/* (self, input), for inspect.signature. */
static PyObject *get_signature(PyObject *op, void *context)
{
    (void)op, (void)context;
    PyObject *linear = PyImport_ImportModule("flambeau.nn.modules.linear");
    PyObject *identity = linear ? PyObject_GetAttrString(linear, "Identity") : NULL;
    PyObject *forward = identity ? PyObject_GetAttrString(identity, "forward") : NULL;
    PyObject *inspect = forward ? PyImport_ImportModule("inspect") : NULL;
    PyObject *result = inspect ? PyObject_CallMethod(inspect, "signature", "O", forward) : NULL;
    Py_XDECREF(linear);
    Py_XDECREF(identity);
    Py_XDECREF(forward);
    Py_XDECREF(inspect);
    return result;
}

static PyObject *get_name(PyObject *op, void *context)
{
    (void)op;
    return PyUnicode_FromString((const char *)context);
}

static PyMemberDef members[] = {
    {"function", T_OBJECT, offsetof(struct layer_object, function), READONLY, NULL},
    {0},
};

static PyGetSetDef getset[] = {
    {"__name__", get_name, NULL, NULL, "forward"},
    {"__signature__", get_signature, NULL, NULL, NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "layer_forward(name, *settings)\n--\n\n"
                "A forward method: the function of flambeau.nn.functional on (input, "
                "self.SETTING, ...)."},
    {Py_tp_new, construct},
    {Py_tp_dealloc, release},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_call, call},
    {Py_tp_descr_get, bind},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "flambeau._C.layer_forward",
    .basicsize = sizeof(struct layer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

int layer_init(PyObject *c_module)
{
    layer_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return layer_type ? PyModule_AddObjectRef(c_module, "layer_forward", (PyObject *)layer_type)
                      : -1;
}
