/* Memory shared with other libraries through DLPack: capsules given and taken.
 *
 * What is given out holds the storage, not the tensor, which may get another one meanwhile; what is
 * taken keeps the capsule's owner alive until the storage goes.
 */
#include "python/tensor/dlpack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

/* ---- Giving ---------------------------------------------------------------------------------- */

static struct dlpack_type dlpack_of(int dtype)
{
    assert(dtype >= FL_BOOL && dtype < FL_DTYPE_COUNT);
    return (struct dlpack_type){dtypes[dtype].dlpack, (uint8_t)(8 * dtype_size(dtype)), 1};
}

/* What is given out: the structure of the version asked for, the storage, and sizes and strides
 * behind. */
struct given {
    struct dlpack_managed managed;
    struct dlpack_versioned versioned;
    struct storage *storage;
    int64_t dims[];
};

static void drop(struct given *g)
{
    assert(g->storage);
    storage_take_back(g->storage);
    free(g);
}

static void given_drop(struct dlpack_managed *managed)
{
    drop(managed->context);
}

static void versioned_drop(struct dlpack_versioned *managed)
{
    drop(managed->context);
}

/* A capsule that nobody took. */
static void capsule_drop(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor"))
        given_drop(PyCapsule_GetPointer(capsule, "dltensor"));
    if (PyCapsule_IsValid(capsule, "dltensor_versioned"))
        versioned_drop(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
}

/* Whether a consumer takes version 1, by the pair it names. */
static bool takes_versions(PyObject *version)
{
    PyObject *major = version && PyTuple_Check(version) && PyTuple_Size(version)
                          ? PyTuple_GetItem(version, 0)
                          : NULL;
    return major && PyLong_Check(major) && PyLong_AsLong(major) >= 1;
}

static PyObject *give(fl_tensor *t, bool versioned, bool copied)
{
    if (!data_own(t) || !exchange_is_here(t))
        return NULL;
    if (tensor_requires_grad(t))
        return PyErr_Format(PyExc_BufferError,
                            "Can't export tensors that require gradient, use tensor.detach()");
    struct given *g = malloc(sizeof *g + sizeof(int64_t) * (size_t)(2 * t->ndim));
    if (!g)
        return PyErr_NoMemory();
    storage_lend(g->storage = t->storage);
    if (t->ndim) {
        memcpy(g->dims, t->sizes, sizeof(int64_t) * (size_t)t->ndim);
        memcpy(g->dims + t->ndim, t->strides, sizeof(int64_t) * (size_t)t->ndim);
    }
    g->managed = (struct dlpack_managed){
        .tensor = {.data = tensor_data(t),
                   .device = {DLPACK_CPU, 0},
                   .ndim = t->ndim,
                   .dtype = dlpack_of(t->dtype),
                   .shape = g->dims,
                   .strides = g->dims + t->ndim},
        .context = g,
        .deleter = given_drop,
    };
    g->versioned = (struct dlpack_versioned){
        .version = {1, 0},
        .context = g,
        .deleter = versioned_drop,
        .flags = copied ? DLPACK_COPIED : 0,
        .tensor = g->managed.tensor,
    };
    PyObject *capsule = versioned ? PyCapsule_New(&g->versioned, "dltensor_versioned", capsule_drop)
                                  : PyCapsule_New(&g->managed, "dltensor", capsule_drop);
    if (!capsule)
        drop(g);
    return capsule;
}

/* Whether a pair (kind, number) names the CPU, or nothing is named. */
static bool is_host(PyObject *device)
{
    if (!device || device == Py_None)
        return true;
    PyObject *kind = PySequence_Check(device) ? PySequence_GetItem(device, 0) : NULL;
    bool host = kind && PyLong_Check(kind) && PyLong_AsLong(kind) == DLPACK_CPU;
    Py_XDECREF(kind);
    if (!host && !PyErr_Occurred())
        PyErr_SetString(PyExc_BufferError,
                        "Can't export a tensor on the CPU to another device: move it there first");
    return host;
}

/* Of a device's tensor a copy on the CPU, where that was asked for: its memory has no address that
 * others could use. */
static PyObject *give_from_device(const fl_tensor *t, PyObject *version, bool to_host)
{
    if (!to_host)
        return PyErr_Format(PyExc_BufferError,
                            "Can't export a tensor on %s through DLPack: its memory has no address "
                            "that others can use. Copy it to the CPU first (tensor.cpu()), or ask "
                            "for dl_device=(1, 0)",
                            t->storage->device->name);
    if (tensor_requires_grad(t))
        return PyErr_Format(PyExc_BufferError,
                            "Can't export tensors that require gradient, use tensor.detach()");
    fl_tensor *host = tensor_host(t);
    PyObject *capsule = host ? give(host, takes_versions(version), true) : raise_error();
    tensor_release(host);
    return capsule;
}

/* __dlpack__(*, stream=-1, max_version=None, dl_device=None, copy=None): a CPU has no streams. */
static PyObject *method_dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = NULL, *version = NULL, *device = NULL, *copy = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:Tensor.__dlpack__", names, &stream,
                                     &version, &device, &copy))
        return NULL;
    if (stream && stream != Py_None && !PyLong_CheckExact(stream))
        return PyErr_Format(PyExc_TypeError, "stream must be ``int`` or ``none``");
    if (stream && stream != Py_None && PyLong_AsLong(stream) != -1)
        return PyErr_Format(PyExc_AssertionError, "stream should be None on cpu.");
    if (!is_host(device))
        return NULL;
    const fl_tensor *t = pytensor_get(self);
    if (t->flags & TENSOR_ELSEWHERE && t->storage->device->memory == DEVICE_APART)
        return give_from_device(t, version, device && device != Py_None && copy != Py_False);
    if (copy != Py_True)
        return give(pytensor_get(self), takes_versions(version), false);
    OPERATOR(clone, "clone");
    fl_tensor *own = pytensor_call(clone, pytensor_get(self), NULL);
    PyObject *capsule = own ? give(own, takes_versions(version), true) : raise_error();
    tensor_release(own);
    return capsule;
}

static PyObject *method_dlpack_device(PyObject *self, PyObject *unused)
{
    (void)unused;
    const fl_device own = tensor_device(pytensor_get(self))->id;
    const int kind_of[] = {
        [FL_CPU] = DLPACK_CPU, [FL_CUDA] = DLPACK_CUDA, [FL_OPENCL] = DLPACK_OPENCL};
    if (own.kind == FL_META)
        return PyErr_Format(PyExc_BufferError,
                            "Can't export a meta tensor through DLPack: it has no memory");
    assert(own.kind >= 0 && (size_t)own.kind < sizeof kind_of / sizeof *kind_of);
    PyObject *module = PyImport_ImportModule("flambeau.utils.dlpack");
    PyObject *type = module ? PyObject_GetAttrString(module, "DLDeviceType") : NULL;
    PyObject *kind = type ? PyObject_CallFunction(type, "i", kind_of[own.kind]) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(type);
    return kind ? Py_BuildValue("(Ni)", kind, own.kind == FL_CPU ? 0 : own.index) : NULL;
}

/* ---- Taking ---------------------------------------------------------------------------------- */

static int dlpack_dtype(struct dlpack_type type)
{
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++) {
        struct dlpack_type own = dlpack_of(dtype);
        if (memcmp(&type, &own, sizeof type) == 0)
            return dtype;
    }
    return -1;
}

static void taken_drop(void *context)
{
    struct dlpack_managed *managed = context;
    if (managed->deleter)
        managed->deleter(managed);
}

static void taken_versioned_drop(void *context)
{
    struct dlpack_versioned *managed = context;
    if (managed->deleter)
        managed->deleter(managed);
}

static fl_tensor *over_dlpack(const struct dlpack_tensor *d, void (*drop)(void *), void *context)
{
    assert(drop && context);
    int64_t strides[TENSOR_MAX_DIMS], last = 0, one = 1;
    int dtype = dlpack_dtype(d->dtype);
    bool empty = false;
    if (dtype < 0 || d->device.type != DLPACK_CPU || d->ndim > TENSOR_MAX_DIMS || d->ndim < 0)
        return error_null(FL_RUNTIME_ERROR,
                          "from_dlpack: a dtype, device or rank that Flambeau has not");
    if (d->strides)
        memcpy(strides, d->strides, sizeof(int64_t) * (size_t)d->ndim);
    else
        shape_contiguous_strides(d->ndim, d->shape, strides);
    for (int i = 0; i < d->ndim; i++) {
        empty |= d->shape[i] == 0;
        if (strides[i] < 0 && d->shape[i] > 1)
            return error_null(FL_RUNTIME_ERROR, "from_dlpack: negative strides are not supported");
        strides[i] = strides[i] < 0 ? 0 : strides[i];
        last += (d->shape[i] - 1) * strides[i];
    }
    struct storage *storage =
        storage_from_memory((char *)d->data + d->byte_offset,
                            empty ? 0 : (size_t)(last + 1) * dtype_size(dtype), drop, context);
    fl_tensor *t = storage ? tensor_new(1, (int64_t[]){0}, dtype) : NULL;
    if (t) {
        tensor_set_storage(t, storage);
        if (tensor_set_shape(t, d->ndim, d->ndim ? d->shape : &one, strides, 0) < 0) {
            storage->free = NULL;
            tensor_release(t);
            t = NULL;
        }
    } else if (storage) {
        storage->free = NULL; /* the capsule still owns the memory */
    }
    storage_release(storage);
    return t;
}

static PyObject *refuse_capsule(void)
{
    PyErr_Clear();
    return PyErr_Format(PyExc_RuntimeError,
                        "from_dlpack received an invalid capsule. Note that DLTensor capsules can "
                        "be consumed only once, so you might have already constructed a tensor "
                        "from it once.");
}

/* A tensor over what a capsule holds; the capsule is marked as taken. */
static PyObject *take_capsule(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        struct dlpack_versioned *m = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        fl_tensor *t = over_dlpack(&m->tensor, taken_versioned_drop, m);
        if (t)
            PyCapsule_SetName(capsule, "used_dltensor_versioned");
        return pytensor_wrap(t);
    }
    if (!PyCapsule_IsValid(capsule, "dltensor"))
        return refuse_capsule();
    struct dlpack_managed *m = PyCapsule_GetPointer(capsule, "dltensor");
    fl_tensor *t = over_dlpack(&m->tensor, taken_drop, m);
    if (t)
        PyCapsule_SetName(capsule, "used_dltensor");
    return pytensor_wrap(t);
}

/* What the exporter is asked beside its version: where the memory shall be, and whether it shall be
 * its own. NULL with the exception. */
static PyObject *wishes(PyObject *device, PyObject *copy)
{
    PyObject *asked = PyDict_New();
    bool ok = asked != NULL;
    if (ok && copy != Py_None)
        ok = PyDict_SetItemString(asked, "copy", copy) == 0;
    if (ok && device != Py_None) {
        fl_device named;
        PyObject *pair =
            types_as_device(device, &named) > 0 ? Py_BuildValue("(ii)", DLPACK_CPU, 0) : NULL;
        if (pair && named.kind != FL_CPU)
            PyErr_SetString(PyExc_BufferError, "from_dlpack gives tensors on the CPU alone");
        else if (!pair && !PyErr_Occurred())
            PyErr_Format(PyExc_TypeError,
                         "from_dlpack(): argument 'device' must be torch.device, "
                         "not %s",
                         python_type_name(device));
        ok = pair && named.kind == FL_CPU && PyDict_SetItemString(asked, "dl_device", pair) == 0;
        Py_XDECREF(pair);
    }
    if (!ok)
        Py_CLEAR(asked);
    return asked;
}

/* The capsule of an exporter; one of version 0 knows no max_version. */
static PyObject *ask_exporter(PyObject *method, PyObject *asked)
{
    PyObject *none = PyTuple_New(0), *version = Py_BuildValue("(ii)", 1, 0), *capsule = NULL;
    if (none && version && PyDict_SetItemString(asked, "max_version", version) == 0)
        capsule = PyObject_Call(method, none, asked);
    if (!capsule && none && version && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        if (PyDict_DelItemString(asked, "max_version") == 0)
            capsule = PyObject_Call(method, none, asked);
    }
    Py_XDECREF(none);
    Py_XDECREF(version);
    return capsule;
}

/* from_dlpack(ext_tensor, *, device=None, copy=None) */
static PyObject *function_from_dlpack(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"ext_tensor", "device", "copy", NULL};
    PyObject *object, *device = Py_None, *copy = Py_None;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OO:from_dlpack", names, &object, &device,
                                     &copy))
        return NULL;
    if (PyCapsule_CheckExact(object)) {
        if (device == Py_None && copy == Py_None)
            return take_capsule(object);
        return PyErr_Format(PyExc_AssertionError, "device and copy kwargs not supported when "
                                                  "ext_tensor is already a DLPack capsule.");
    }
    PyObject *method = PyObject_GetAttrString(object, "__dlpack__");
    if (!method)
        return PyErr_ExceptionMatches(PyExc_AttributeError) ? refuse_capsule() : NULL;
    PyObject *asked = wishes(device, copy);
    PyObject *capsule = asked ? ask_exporter(method, asked) : NULL;
    Py_DECREF(method);
    Py_XDECREF(asked);
    PyObject *result = capsule ? take_capsule(capsule) : NULL;
    Py_XDECREF(capsule);
    return result;
}

PyMethodDef pytensor_dlpack_methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))method_dlpack, METH_VARARGS | METH_KEYWORDS, NULL},
    {"__dlpack_device__", method_dlpack_device, METH_NOARGS, NULL},
    {0},
};

PyMethodDef dlpack_functions[] = {
    {"from_dlpack", (PyCFunction)(void (*)(void))function_from_dlpack, METH_VARARGS | METH_KEYWORDS,
     "from_dlpack(ext_tensor, *, device=None, copy=None): a tensor over the memory of an object "
     "that "
     "speaks DLPack, or over a copy of its own."},
    {0},
};
