/* torch.device: what it prints, how it compares, the thread's default.
 *
 * A device type of PyTorch's that Flambeau has no driver for ("mps", "xpu") is made, printed and
 * compared like any other, so that a program may ask about it; it has a kind behind
 * FL_DEVICE_KINDS, and is refused where a tensor is to live there.
 */
#include "device/devices.h"
#include "python/tensor/types.h"

#include <stdlib.h>
#include <string.h>

PyTypeObject *types_device_type;

struct device_object {
    PyObject_HEAD int kind, index; /* index -1: none given */
};

/* The types of devices: those that Flambeau knows, by fl_device_kind, and behind them PyTorch's
 * others, each with what PyTorch without it says: `refusal`, or else that the backend cannot run
 * what makes a tensor there. */
static const struct device_type {
    const char *name, *backend, *refusal, *generator;
    PyObject **exception; /* of the refusal */
} TYPES[] = {
    [FL_CPU] = {"cpu"},
    [FL_CUDA] = {"cuda"},
    [FL_OPENCL] = {"opencl"},
    [FL_META] = {"meta", .generator = "META device type not an accelerator."},
    {"mps", "MPS", .generator = "Cannot execute getNewGenerator() without MPS backend."},
    {"xpu", "XPU", "Torch not compiled with XPU enabled",
     "Cannot get XPU generator without ATen_xpu library.", &PyExc_AssertionError},
    {"xla", "XLA"},
    {"hpu", "HPU", "No module named 'torch.hpu'", .exception = &PyExc_ModuleNotFoundError},
    {"mtia", "MTIA", "Torch not compiled with MTIA enabled",
     "Cannot execute getNewGenerator() without MTIA backend.", &PyExc_AssertionError},
    {"privateuseone", "PrivateUse1", "No module named 'torch.privateuseone'",
     .exception = &PyExc_ModuleNotFoundError},
    {"ipu", "IPU"},
    {"hip", "HIP"},
    {"ve", "VE"},
    {"fpga", "FPGA"},
    {"maia", "MAIA"},
    {"lazy", "Lazy"},
    {"vulkan", "Vulkan"},
    {"mkldnn"},
    {"opengl"},
    {"ideep"},
};
enum { DEVICE_TYPES = sizeof TYPES / sizeof *TYPES };
static PyObject *plain_device[DEVICE_TYPES];

const char *types_device_name(int kind)
{
    assert(kind >= FL_CPU && kind < DEVICE_TYPES);
    return TYPES[kind].name;
}

/* Raises what PyTorch raises where a tensor is to be made or brought there; NULL. */
static struct device *refuse_type(int kind, bool made)
{
    assert(kind >= FL_DEVICE_KINDS && kind < DEVICE_TYPES);
    const struct device_type *t = &TYPES[kind];
    if (t->refusal)
        PyErr_SetString(*t->exception, t->refusal);
    else if (made && t->backend)
        PyErr_Format(PyExc_NotImplementedError,
                     "Could not run 'aten::empty.memory_format' with arguments from the '%s' "
                     "backend.",
                     t->backend);
    else
        PyErr_Format(PyExc_RuntimeError, "PyTorch is not linked with support for %s devices",
                     t->name);
    raise_hint("Flambeau has no driver for such devices; it runs on 'cpu' and 'opencl'.",
               "Flambeau 没有这种设备的驱动；它在 'cpu' 和 'opencl' 上运行。");
    return NULL;
}

void types_device_no_generator(int kind)
{
    assert(kind > FL_CPU && kind < DEVICE_TYPES);
    const char *text = TYPES[kind].generator;
    PyErr_SetString(PyExc_RuntimeError, text ? text : "Backend doesn`t support getNewGenerator()");
}

static PyObject *device_make(int kind, int index)
{
    assert(kind >= FL_CPU && kind < DEVICE_TYPES);
    if (index < 0 && plain_device[kind])
        return Py_NewRef(plain_device[kind]);
    struct device_object *o = PyObject_New(struct device_object, types_device_type);
    if (!o)
        return NULL;
    o->kind = kind, o->index = index;
    return (PyObject *)o;
}

PyObject *types_device(fl_device device)
{
    return device_make(device.kind,
                       device.kind == FL_CPU || device.kind == FL_META ? -1 : device.index);
}

/* An int of the machine; -1 with PyTorch's exception. */
static int read_number(PyObject *number, long *given)
{
    *given = PyLong_AsLong(number);
    if (*given != -1 || !PyErr_Occurred())
        return 0;
    return PyErr_ExceptionMatches(PyExc_OverflowError) ? raise_overflow() : -1;
}

/* A number names a device of the machine's accelerator, which is no kind of Python's here: -1 with
 * PyTorch's exception. */
static int refuse_number(PyObject *number)
{
    long given;
    if (read_number(number, &given))
        return -1;
    PyErr_SetString(PyExc_RuntimeError,
                    given < 0 ? "Device index must not be negative"
                              : "Cannot access accelerator device when none is available.");
    return -1;
}

/* Reads "cuda:1". -1 with an exception. */
static int device_parse(const char *text, int *kind, int *index)
{
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    for (int i = 0; i < DEVICE_TYPES; i++) {
        if (strlen(TYPES[i].name) != length || strncmp(TYPES[i].name, text, length) != 0)
            continue;
        *kind = i, *index = -1;
        if (!colon)
            return 0;
        char *end;
        long number = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end || number < 0 || number > 127 || colon[1] == '+' ||
            colon[1] == ' ' || (colon[1] == '0' && colon[2])) {
            PyErr_Format(PyExc_RuntimeError, "Invalid device string: '%s'", text);
            return -1;
        }
        *index = (int)number;
        return 0;
    }
    for (size_t i = 0; i < strlen(text); i++)
        if (text[i] != '_' && !(text[i] >= 'a' && text[i] <= 'z') &&
            !(text[i] >= 'A' && text[i] <= 'Z') && !(i >= length)) {
            PyErr_Format(PyExc_RuntimeError, "Invalid device string: '%s'", text);
            return -1;
        }
    char kind_text[32];
    PyOS_snprintf(kind_text, sizeof kind_text, "%.*s", (int)length, text);
    PyErr_Format(
        PyExc_RuntimeError,
        "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, "
        "xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device "
        "string: %s",
        kind_text);
    raise_hint("an NVIDIA GPU is 'cuda' (or 'cuda:0'), an OpenCL device 'opencl', the processor "
               "'cpu': device = 'cuda' if torch.cuda.is_available() else 'cpu'.",
               "NVIDIA 显卡写 'cuda'（或 'cuda:0'），OpenCL 设备写 'opencl'，处理器写 'cpu'："
               "device = 'cuda' if torch.cuda.is_available() else 'cpu'。");
    return -1;
}

int types_as_device(PyObject *o, fl_device *device)
{
    int kind, index;
    if (Py_IS_TYPE(o, types_device_type)) {
        kind = ((struct device_object *)o)->kind, index = ((struct device_object *)o)->index;
    } else if (PyUnicode_Check(o)) {
        const char *text = PyUnicode_AsUTF8AndSize(o, NULL);
        if (!text || device_parse(text, &kind, &index) < 0)
            return -1;
    } else {
        return PyLong_Check(o) && !PyBool_Check(o) ? refuse_number(o) : 0;
    }
    *device = (fl_device){(int16_t)kind, (int16_t)(index < 0 ? 0 : index)};
    return 1;
}

struct device *types_device_find(fl_device device, bool made)
{
    if (device.kind >= FL_DEVICE_KINDS)
        return refuse_type(device.kind, made);
    struct device *d = device.kind == FL_CUDA ? NULL : device_find(device);
    if (!d && device.kind == FL_CUDA)
        raise_no_cuda();
    else if (!d)
        raise_error();
    return d;
}

static PyObject *device_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"type", "index", NULL};
    PyObject *what, *number = NULL;
    int kind, index = -1;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:device", names, &what, &number))
        return NULL;
    if (Py_IS_TYPE(what, types_device_type) && !number)
        return Py_NewRef(what);
    if (PyLong_Check(what) && !number) {
        refuse_number(what);
        return NULL;
    }
    if (PyUnicode_Check(what)) {
        const char *text = PyUnicode_AsUTF8AndSize(what, NULL);
        if (!text || device_parse(text, &kind, &index) < 0)
            return NULL;
    } else {
        return PyErr_Format(PyExc_TypeError,
                            "device(): argument 'type' (position 1) must be str, not %s",
                            python_type_name(what));
    }
    if (number && number != Py_None) {
        if (index >= 0)
            return PyErr_Format(PyExc_RuntimeError,
                                "type (string) must not include an index because index was "
                                "passed explicitly: %S",
                                what);
        long given;
        if (read_number(number, &given))
            return NULL;
        if (given < 0 || given > 127)
            return PyErr_Format(PyExc_RuntimeError, "Device index must not be negative");
        index = (int)given;
    }
    return device_make(kind, index);
}

static PyObject *device_repr(PyObject *self)
{
    struct device_object *d = (struct device_object *)self;
    if (d->index < 0)
        return PyUnicode_FromFormat("device(type='%s')", TYPES[d->kind].name);
    return PyUnicode_FromFormat("device(type='%s', index=%d)", TYPES[d->kind].name, d->index);
}

static PyObject *device_str(PyObject *self)
{
    struct device_object *d = (struct device_object *)self;
    if (d->index < 0)
        return PyUnicode_FromString(TYPES[d->kind].name);
    return PyUnicode_FromFormat("%s:%d", TYPES[d->kind].name, d->index);
}

static PyObject *device_compare(PyObject *a, PyObject *b, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) || !Py_IS_TYPE(a, types_device_type) ||
        !Py_IS_TYPE(b, types_device_type))
        Py_RETURN_NOTIMPLEMENTED;
    struct device_object *x = (struct device_object *)a, *y = (struct device_object *)b;
    bool equal = x->kind == y->kind && x->index == y->index;
    return python_bool(equal == (operation == Py_EQ));
}

static Py_hash_t device_hash(PyObject *self)
{
    struct device_object *d = (struct device_object *)self;
    return (d->kind + 1) * 256 + d->index + 1;
}

static PyObject *device_kind(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(TYPES[((struct device_object *)self)->kind].name);
}

static PyObject *device_index(PyObject *self, void *unused)
{
    (void)unused;
    int index = ((struct device_object *)self)->index;
    return index < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(index);
}

static PyObject *device_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct device_object *d = (struct device_object *)self;
    if (d->index < 0)
        return Py_BuildValue("(O(s))", types_device_type, TYPES[d->kind].name);
    return Py_BuildValue("(O(si))", types_device_type, TYPES[d->kind].name, d->index);
}

/* Makes a device the thread's own; false with an exception. */
static bool device_choose(PyObject *self)
{
    fl_device id;
    struct device *d = types_as_device(self, &id) > 0 ? types_device_find(id, true) : NULL;
    if (!d)
        return false;
    device_default = d == &device_cpu ? NULL : d;
    device_others |= d != &device_cpu;
    return true;
}

/* As a context a device is where factories allocate; what was so before comes back behind it. */
static __thread struct entered {
    struct device *before;
    struct entered *outer;
} *entered;

static PyObject *device_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct entered *own = malloc(sizeof *own);
    if (!own)
        return PyErr_NoMemory();
    *own = (struct entered){device_default, entered};
    if (!device_choose(self)) {
        free(own);
        return NULL;
    }
    entered = own;
    return Py_NewRef(self);
}

static PyObject *device_exit(PyObject *self, PyObject *args)
{
    (void)self, (void)args;
    struct entered *own = entered;
    if (own) {
        device_default = own->before, entered = own->outer;
        free(own);
    }
    Py_RETURN_NONE;
}

static PyObject *set_default_device(PyObject *module, PyObject *o)
{
    (void)module;
    if (o == Py_None)
        device_default = NULL;
    else if (!Py_IS_TYPE(o, types_device_type))
        return PyErr_Format(PyExc_TypeError, "expected a torch.device");
    else if (!device_choose(o))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_default_device(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return types_device(device_default ? device_default->id : (fl_device){FL_CPU, 0});
}

static PyObject *count_devices(PyObject *module, PyObject *o)
{
    (void)module;
    const int kind = ((struct device_object *)o)->kind;
    return PyLong_FromLong(kind < FL_DEVICE_KINDS ? device_count(kind) : 0);
}

static PyMethodDef device_functions[] = {
    {"_set_default_device", set_default_device, METH_O, NULL},
    {"_get_default_device", get_default_device, METH_NOARGS, NULL},
    {"_device_count", count_devices, METH_O, NULL},
    {NULL},
};

static PyMethodDef device_methods[] = {
    {"__reduce__", device_reduce, METH_NOARGS, NULL},
    {"__enter__", device_enter, METH_NOARGS, NULL},
    {"__exit__", device_exit, METH_VARARGS, NULL},
    {0},
};

static PyGetSetDef device_properties[] = {
    {"type", device_kind, NULL, "\"cpu\", \"cuda\", ...", NULL},
    {"index", device_index, NULL, "Which device of that type; None when none was given.", NULL},
    {0},
};

static PyType_Spec device_spec = {
    .name = "flambeau.device",
    .basicsize = sizeof(struct device_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots =
        (PyType_Slot[]){
            SLOT(Py_tp_new, device_new),
            SLOT(Py_tp_repr, device_repr),
            SLOT(Py_tp_str, device_str),
            SLOT(Py_tp_richcompare, device_compare),
            SLOT(Py_tp_hash, device_hash),
            SLOT(Py_tp_methods, device_methods),
            SLOT(Py_tp_getset, device_properties),
            {0},
        },
};

int device_object_init(PyObject *module)
{
    types_device_type = (PyTypeObject *)PyType_FromSpec(&device_spec);
    if (!types_device_type)
        return -1;
    for (int i = 0; i < DEVICE_TYPES; i++)
        if (!(plain_device[i] = device_make(i, -1)))
            return -1;
    if (PyModule_AddFunctions(module, device_functions) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "device", (PyObject *)types_device_type);
}
