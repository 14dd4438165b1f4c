/* flambeau.Generator: a stream of random numbers as a Python object; at most one live object a
 * generator. */
#include <unistd.h>

#include "core/device.h"
#include "core/random.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

struct generator_object {
    PyObject_HEAD fl_generator *generator; /* owned */
    fl_device device; /* that it was asked for; its numbers are the CPU's, for every device */
};

static PyTypeObject *generator_type;

static fl_generator *generator_of(PyObject *o)
{
    return ((struct generator_object *)o)->generator;
}

int generator_from(PyObject *o, fl_generator **out)
{
    if (!Py_IS_TYPE(o, generator_type))
        return 0;
    *out = generator_of(o);
    return 1;
}

/* Takes over g. */
static PyObject *generator_wrap(fl_generator *g)
{
    if (!g)
        return raise_error();
    if (g->python) {
        PyObject *known = Py_NewRef((PyObject *)g->python);
        generator_release(g);
        return known;
    }
    struct generator_object *self = PyObject_New(struct generator_object, generator_type);
    if (!self) {
        generator_release(g);
        return NULL;
    }
    self->generator = g, self->device = (fl_device){FL_CPU, 0};
    g->python = self;
    return (PyObject *)self;
}

/* Takes over g, a new one. */
static PyObject *generator_wrap_for(fl_generator *g, fl_device device)
{
    PyObject *self = generator_wrap(g);
    if (self)
        ((struct generator_object *)self)->device = device;
    return self;
}

static void generator_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    generator_of(self)->python = NULL;
    generator_release(generator_of(self));
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *generator_construct(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"device", NULL};
    PyObject *device = NULL;
    fl_device where = {FL_CPU, 0};
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", names, &device))
        return NULL;
    int fits = device && device != Py_None ? types_as_device(device, &where) : 1;
    if (fits == 0)
        PyErr_Format(PyExc_TypeError,
                     "Generator(): argument 'device' (position 1) must be torch.device, not %s",
                     python_type_name(device));
    if (fits > 0 && where.kind == FL_CUDA)
        return PyErr_Format(PyExc_RuntimeError,
                            "Cannot get CUDA generator: Flambeau was not built for that device");
    if (fits > 0 && where.kind != FL_CPU && where.kind != FL_OPENCL) {
        types_device_no_generator(where.kind);
        return raise_hint("random numbers are drawn on the CPU, for every device: "
                          "torch.Generator()",
                          "随机数在 CPU 上产生，对所有设备都一样：torch.Generator()");
    }
    if (fits > 0 && where.kind == FL_OPENCL) {
        struct device *found = types_device_find(where, false);
        if (!found)
            return NULL;
        where = found->id;
    }
    return fits > 0 ? generator_wrap_for(generator_new(), where) : NULL;
}

static PyObject *generator_manual_seed(PyObject *self, PyObject *o)
{
    if (!PyLong_Check(o))
        return PyErr_Format(PyExc_RuntimeError, "manual_seed expected a long, but got %s",
                            python_type_name(o));
    uint64_t seed = PyLong_AsUnsignedLongLong(o);
    if (seed == UINT64_MAX && PyErr_Occurred()) { /* negative: counted from 2^64 */
        PyErr_Clear();
        long long negative = PyLong_AsLongLong(o);
        if (negative == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            return PyErr_Format(PyExc_ValueError, "Overflow when unpacking long long");
        }
        seed = (uint64_t)negative;
    }
    generator_seed(generator_of(self), seed);
    return Py_NewRef(self);
}

static PyObject *generator_seed_method(PyObject *self, PyObject *unused)
{
    uint64_t seed;
    (void)unused;
    if (getentropy(&seed, sizeof seed) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    generator_seed(generator_of(self), seed);
    return PyLong_FromUnsignedLongLong(seed);
}

static PyObject *generator_initial_seed(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(generator_of(self)->seed);
}

static PyObject *generator_get_state_method(PyObject *self, PyObject *unused)
{
    int64_t size = GENERATOR_STATE_BYTES;
    (void)unused;
    fl_tensor *state = tensor_new(1, &size, FL_UINT8);
    if (state)
        generator_get_state(generator_of(self), tensor_data(state));
    return pytensor_wrap(state);
}

/* PyTorch's, which programs print. */
static PyObject *generator_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<torch._C.Generator object at %p>", self);
}

static PyObject *generator_set_state_method(PyObject *self, PyObject *o)
{
    if (!pytensor_check(o))
        return PyErr_Format(PyExc_TypeError, "expected a torch.ByteTensor, but got %s",
                            python_type_name(o));
    if (pytensor_get(o)->dtype != FL_UINT8)
        return PyErr_Format(PyExc_TypeError, "RNG state must be a torch.ByteTensor");
    fl_tensor *whole = tensor_contiguous(pytensor_get(o));
    int failed = !whole || generator_set_state(generator_of(self), tensor_data(whole),
                                               (size_t)whole->numel) != 0;
    tensor_release(whole);
    return failed ? raise_error() : Py_NewRef(self);
}

static PyObject *generator_clone(PyObject *self, PyObject *unused)
{
    (void)unused;
    char state[GENERATOR_STATE_BYTES];
    fl_generator *copy = generator_new();
    if (copy) {
        generator_get_state(generator_of(self), state);
        if (generator_set_state(copy, state, sizeof state) != 0) {
            generator_release(copy);
            copy = NULL;
        }
    }
    return generator_wrap_for(copy, ((struct generator_object *)self)->device);
}

/* (Generator, (device,), (seed, None, state)), as PyTorch pickles it. */
static PyObject *generator_reduce(PyObject *self, PyObject *unused)
{
    PyObject *state = generator_get_state_method(self, unused);
    return state ? Py_BuildValue("(O(N)(KON))", (PyObject *)generator_type,
                                 types_device(((struct generator_object *)self)->device),
                                 (unsigned long long)generator_of(self)->seed, Py_None, state)
                 : NULL;
}

static PyObject *generator_setstate(PyObject *self, PyObject *parts)
{
    if (!PyTuple_Check(parts) || PyTuple_Size(parts) != 3)
        return PyErr_Format(PyExc_TypeError, "a Generator's state has a seed, an offset and bytes");
    PyObject *seeded = generator_manual_seed(self, PyTuple_GetItem(parts, 0));
    Py_XDECREF(seeded);
    return seeded ? generator_set_state_method(self, PyTuple_GetItem(parts, 2)) : NULL;
}

static PyObject *generator_device(PyObject *self, void *unused)
{
    (void)unused;
    return types_device(((struct generator_object *)self)->device);
}

static PyMethodDef generator_methods[] = {
    {"manual_seed", generator_manual_seed, METH_O,
     "Starts the stream of that seed, which is PyTorch's; returns itself."},
    {"seed", generator_seed_method, METH_NOARGS,
     "Seeds from the system's randomness; returns the seed."},
    {"initial_seed", generator_initial_seed, METH_NOARGS, "The seed last given."},
    {"get_state", generator_get_state_method, METH_NOARGS, "The state as a tensor of bytes."},
    {"set_state", generator_set_state_method, METH_O, "Puts a state back."},
    {"__reduce__", generator_reduce, METH_NOARGS, NULL},
    {"__setstate__", generator_setstate, METH_O, NULL},
    {"clone_state", generator_clone, METH_NOARGS, "A generator of its own in the same state."},
    {0},
};

static PyGetSetDef generator_properties[] = {
    {"device", generator_device, NULL, "Whose tensors it was made for.", NULL},
    {0},
};

static PyType_Spec generator_spec = {
    .name = "flambeau.Generator",
    .basicsize = sizeof(struct generator_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots =
        (PyType_Slot[]){
            SLOT(Py_tp_new, generator_construct),
            SLOT(Py_tp_dealloc, generator_dealloc),
            SLOT(Py_tp_methods, generator_methods),
            SLOT(Py_tp_getset, generator_properties),
            SLOT(Py_tp_repr, generator_repr),
            {0},
        },
};

int generator_init(PyObject *module)
{
    generator_type = (PyTypeObject *)PyType_FromSpec(&generator_spec);
    if (!generator_type ||
        PyModule_AddObjectRef(module, "Generator", (PyObject *)generator_type) < 0)
        return -1;
    PyObject *standard = generator_wrap(generator_retain(random_default()));
    int failed = standard ? PyModule_AddObjectRef(module, "default_generator", standard) : -1;
    Py_XDECREF(standard);
    return failed;
}
