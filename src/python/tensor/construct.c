/* The old constructors: torch.Tensor(...), torch.LongTensor(...), t.new(...), t.set_(...), and what
 * storages are made of.
 *
 * An old constructor takes sizes (uninitialised), a sequence or array (copied and converted), a
 * tensor of its dtype (an alias without history) or a storage (its memory), and the keywords
 * device, size and data. A storage, for C, is any object whose `_over` is a tensor on that memory:
 * storage.py has the classes.
 */
#include "python/tensor/construct.h"

#include <assert.h>

#include "python/tensor/types.h"

/* Whether every argument is a size: Tensor(2, 3), by ints or what stands for one. */
static bool are_sizes(PyObject *args)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        PyObject *o = PyTuple_GetItem(args, i);
        if (PyLong_Check(o) && !PyBool_Check(o))
            continue;
        if (PyBool_Check(o) || !PyIndex_Check(o) || (pytensor_check(o) && PyTuple_Size(args) == 1))
            return false;
        PyObject *index = PyNumber_Index(o); /* an array has the slot, and is none */
        PyErr_Clear();
        Py_XDECREF(index);
        if (!index)
            return false;
    }
    return true;
}

static fl_tensor *uninitialised(PyObject *sizes, int dtype)
{
    assert(PyTuple_Check(sizes));
    int64_t dims[TENSOR_MAX_DIMS];
    Py_ssize_t count = PyTuple_Size(sizes);
    if (count > TENSOR_MAX_DIMS)
        return error_null(FL_VALUE_ERROR, "a tensor has at most %d dims, got %zd", TENSOR_MAX_DIMS,
                          count);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *size = PyNumber_Index(PyTuple_GetItem(sizes, i));
        dims[i] = size ? PyLong_AsLongLong(size) : -1;
        Py_XDECREF(size);
        if (PyErr_Occurred())
            return NULL;
        if (dims[i] < 0)
            return error_null(FL_RUNTIME_ERROR,
                              "Trying to create tensor with negative dimension %lld",
                              (long long)dims[i]);
    }
    return tensor_new((int)count, dims, dtype);
}

/* The tensor behind a storage, a new reference to its object; NULL without an exception where o is
 * no storage. */
static PyObject *storage_tensor(PyObject *o)
{
    PyObject *over = PyUnicode_Check(o) ? NULL : PyObject_GetAttrString(o, "_over");
    if (over && pytensor_check(over))
        return over;
    PyErr_Clear();
    Py_XDECREF(over);
    return NULL;
}

/* A flat tensor of dtype over a whole storage. `o`: the storage's object, whose dtype must agree
 * where it has one. */
static fl_tensor *whole_storage(PyObject *o, const fl_tensor *over, int dtype)
{
    assert(over->storage);
    int own = dtype;
    PyObject *typed = PyObject_GetAttrString(o, "dtype");
    if (!typed)
        PyErr_Clear();
    else if (!types_as_dtype(typed, &own))
        own = dtype;
    Py_XDECREF(typed);
    if (own != dtype)
        return error_null(FL_RUNTIME_ERROR,
                          "Expected a Storage of type %s or an UntypedStorage, but got type %s for "
                          "argument 1 'storage'",
                          dtype_title(dtype), dtype_title(own));
    int64_t count = over->storage ? (int64_t)(over->storage->bytes / dtype_size(dtype)) : 0;
    return tensor_on_storage(over->storage, 1, &count, NULL, 0, dtype);
}

/* An alias of a tensor of that dtype; dtype FL_NO_DTYPE admits any. */
static fl_tensor *same_tensor(const fl_tensor *t, int dtype)
{
    if (dtype != FL_NO_DTYPE && t->dtype != dtype)
        return error_null(FL_TYPE_ERROR,
                          "expected a tensor of dtype torch.%s (got torch.%s): convert it with "
                          "to() or type()",
                          fl_dtype_name((fl_dtype)dtype), fl_dtype_name(t->dtype));
    return autograd_detach((fl_tensor *)t);
}

/* What one argument, which is no size, gives. */
static fl_tensor *from_data(PyObject *data, int dtype)
{
    int made = dtype == FL_NO_DTYPE ? dtype_default() : dtype;
    if (pytensor_check(data))
        return same_tensor(pytensor_get(data), dtype);
    if (Py_IS_TYPE(data, types_size_type))
        return uninitialised(data, made);
    if (PyUnicode_Check(data) || PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "new(): invalid data type '%s'", python_type_name(data));
        raise_hint("the elements are texts: make them numbers first, torch.tensor([float(s) for s "
                   "in texts]); words: give each a number.",
                   "元素是字符串：请先转换为数字：torch.tensor([float(s) for s in texts])；"
                   "若是单词，请先给每个词编号。");
        return NULL;
    }
    PyObject *over = storage_tensor(data);
    if (over) {
        fl_tensor *t = whole_storage(data, pytensor_get(over), made);
        Py_DECREF(over);
        return t;
    }
    if (!PySequence_Check(data)) {
        PyErr_Format(PyExc_TypeError, "new(): data must be a sequence (got %s)",
                     python_type_name(data));
        return NULL;
    }
    return data_tensor(data, made);
}

/* Refuses a device that is not the CPU. */
static bool on_cpu(PyObject *o)
{
    fl_device device = {FL_CPU, 0};
    int fits = o == Py_None ? 1 : types_as_device(o, &device);
    if (fits == 0)
        PyErr_Format(PyExc_TypeError, "new(): argument 'device' must be torch.device, not %s",
                     python_type_name(o));
    if (fits > 0 && device.kind != FL_CPU) {
        PyErr_Format(PyExc_RuntimeError,
                     "legacy constructor expects device type: cpu but device type: %s was passed",
                     types_device_name(device.kind));
        return false;
    }
    return fits > 0;
}

/* Takes the keywords apart: what stands for the first argument (borrowed, NULL: none given). */
static bool read_keywords(PyObject *kwargs, PyObject **first)
{
    assert(first);
    PyObject *key, *value;
    Py_ssize_t place = 0;
    *first = NULL;
    while (kwargs && PyDict_Next(kwargs, &place, &key, &value)) {
        bool data = PyUnicode_CompareWithASCIIString(key, "data") == 0 ||
                    PyUnicode_CompareWithASCIIString(key, "size") == 0 ||
                    PyUnicode_CompareWithASCIIString(key, "other") == 0;
        if (data) {
            *first = value;
        } else if (PyUnicode_CompareWithASCIIString(key, "device") != 0) {
            PyErr_Format(PyExc_TypeError,
                         "new() received an invalid combination of arguments: there is no "
                         "argument '%U' (it takes sizes or data, and device)",
                         key);
            return false;
        } else if (!on_cpu(value)) {
            return false;
        }
    }
    return true;
}

fl_tensor *construct_tensor(int dtype, PyObject *args, PyObject *kwargs)
{
    assert(PyTuple_Check(args));
    static const int64_t nothing[1] = {0};
    PyObject *first;
    if (!read_keywords(kwargs, &first))
        return NULL;
    int made = dtype == FL_NO_DTYPE ? dtype_default() : dtype;
    if (PyTuple_Size(args) && first) {
        PyErr_SetString(PyExc_TypeError,
                        "new() received an invalid combination of arguments: sizes or data come "
                        "by position or by name, not both");
        return NULL;
    }
    if (first && PyDict_GetItemString(kwargs, "size")) {
        PyObject *sizes = PySequence_Tuple(first);
        fl_tensor *t = sizes ? uninitialised(sizes, made) : NULL;
        Py_XDECREF(sizes);
        return t;
    }
    if (!first && PyTuple_Size(args) && are_sizes(args))
        return uninitialised(args, made);
    if (!first && PyTuple_Size(args) > 1) {
        PyErr_SetString(PyExc_TypeError,
                        "new() received an invalid combination of arguments: it takes sizes as "
                        "ints, or one sequence, tensor or storage");
        return NULL;
    }
    if (!first && PyTuple_Size(args))
        first = PyTuple_GetItem(args, 0);
    return first ? from_data(first, dtype) : tensor_new(1, nothing, made);
}

/* _construct(dtype, args, kwargs): what FloatTensor(*args, **kwargs) and its kin call. */
static PyObject *function_construct(PyObject *module, PyObject *args)
{
    PyObject *type, *given, *keywords;
    int dtype;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO!O!:_construct", &type, &PyTuple_Type, &given, &PyDict_Type,
                          &keywords))
        return NULL;
    if (!types_as_dtype(type, &dtype))
        return PyErr_Format(PyExc_TypeError, "_construct() expects a dtype");
    fl_tensor *t = construct_tensor(dtype, given, keywords);
    return t ? pytensor_wrap(t) : raise_error();
}

static PyObject *method_new(PyObject *self, PyObject *args, PyObject *kwargs)
{
    fl_tensor *t = construct_tensor(pytensor_get(self)->dtype, args, kwargs);
    return t ? pytensor_wrap(t) : raise_error();
}

/* ---- Storages ------------------------------------------------------------------------------- */

/* The memory of the whole storage, as bytes. */
static PyObject *method_storage_bytes(PyObject *self, PyObject *unused)
{
    const fl_tensor *t = pytensor_get(self);
    int64_t size = t->storage ? (int64_t)t->storage->bytes : 0;
    (void)unused;
    return pytensor_wrap(tensor_on_storage(t->storage, 1, &size, NULL, 0, FL_UINT8));
}

/* A number that tells storages apart while they live. */
static PyObject *method_storage_key(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromVoidPtr(pytensor_get(self)->storage);
}

/* The storage as an object of flambeau.storage.NAME. */
static PyObject *storage_object(const char *name, PyObject *self)
{
    PyObject *module = PyImport_ImportModule("flambeau.storage");
    PyObject *result = module ? PyObject_CallMethod(module, name, "O", self) : NULL;
    Py_XDECREF(module);
    return result;
}

static PyObject *method_untyped_storage(PyObject *self, PyObject *unused)
{
    (void)unused;
    return storage_object("_untyped", self);
}

static PyObject *method_storage(PyObject *self, PyObject *unused)
{
    (void)unused;
    return storage_object("_typed", self);
}

static PyObject *method_storage_type(PyObject *self, PyObject *unused)
{
    (void)unused;
    return storage_object("_type_of", self);
}

/* A tuple or Size of ints into dims: how many, or -1 with an exception. */
static int read_dims(PyObject *o, int64_t *dims)
{
    PyObject *sizes = PyLong_Check(o) ? PyTuple_Pack(1, o) : PySequence_Tuple(o);
    Py_ssize_t count = sizes ? PyTuple_Size(sizes) : -1;
    if (count > TENSOR_MAX_DIMS)
        PyErr_Format(PyExc_ValueError, "a tensor has at most %d dims, got %zd", TENSOR_MAX_DIMS,
                     count);
    for (Py_ssize_t i = 0; i < count && !PyErr_Occurred(); i++)
        dims[i] = PyLong_AsLongLong(PyTuple_GetItem(sizes, i));
    Py_XDECREF(sizes);
    return PyErr_Occurred() ? -1 : (int)count;
}

/* A handle on over's storage of the sizes asked for; refuses what reaches beyond it. */
static fl_tensor *on_storage(const fl_tensor *over, int dtype, PyObject *sizes, PyObject *strides,
                             long long offset)
{
    assert(over->storage);
    int64_t dims[TENSOR_MAX_DIMS], steps[TENSOR_MAX_DIMS];
    int ndim = read_dims(sizes, dims), last = strides == Py_None ? ndim : read_dims(strides, steps);
    if (ndim < 0 || last < 0)
        return NULL;
    if (last != ndim || offset < 0)
        return error_null(FL_RUNTIME_ERROR,
                          "set_(): sizes have %d dims and strides %d, storage offset is %lld", ndim,
                          last, offset);
    if (shape_numel(ndim, dims) < 0)
        return NULL;
    if (strides == Py_None)
        shape_contiguous_strides(ndim, dims, steps);
    int64_t reach = offset + 1, bytes = over->storage ? (int64_t)over->storage->bytes : 0;
    for (int d = 0; d < ndim; d++) {
        int64_t part;
        if (steps[d] < 0 || __builtin_mul_overflow(dims[d] - 1, steps[d], &part) ||
            __builtin_add_overflow(reach, part, &reach))
            return error_null(FL_RUNTIME_ERROR, "set_(): strides out of range");
    }
    if (shape_numel(ndim, dims) && reach > bytes / (int64_t)dtype_size(dtype))
        return error_null(FL_RUNTIME_ERROR,
                          "setStorage: sizes and strides with storage offset %lld need %lld "
                          "elements, which is out of bounds for storage of size %lld bytes",
                          offset, (long long)reach, (long long)bytes);
    return tensor_on_storage(over->storage, ndim, dims, steps, offset, dtype);
}

/* The handle that set_'s arguments describe, a new reference. */
static fl_tensor *set_source(PyObject *self, PyObject *source, long long offset, PyObject *sizes,
                             PyObject *strides)
{
    int dtype = pytensor_get(self)->dtype;
    PyObject *over = pytensor_check(source) ? Py_NewRef(source) : storage_tensor(source);
    fl_tensor *t = NULL;
    if (!over)
        PyErr_Format(PyExc_TypeError,
                     "set_(): argument 'source' (position 1) must be a tensor or a storage, not %s",
                     python_type_name(source));
    else if (pytensor_check(source) && pytensor_get(source)->dtype != dtype)
        error_set(FL_RUNTIME_ERROR, "Could not set tensor of type %s to a tensor of type %s",
                  dtype_cpp_name(pytensor_get(source)->dtype), dtype_cpp_name(dtype));
    else if (pytensor_get(over)->flags & TENSOR_IN_OBJECT)
        tensor_refuse_in_object("set_.source_Tensor");
    else if (sizes != Py_None)
        t = on_storage(pytensor_get(over), dtype, sizes, strides, offset);
    else if (pytensor_check(source))
        t = tensor_retain(pytensor_get(source));
    else
        t = whole_storage(source, pytensor_get(over), dtype);
    Py_XDECREF(over);
    return t;
}

static PyObject *method_set(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"source", "storage_offset", "size", "stride", NULL};
    PyObject *source = NULL, *sizes = Py_None, *strides = Py_None;
    long long offset = 0;
    static const int64_t nothing[1] = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OLOO:set_", names, &source, &offset, &sizes,
                                     &strides))
        return NULL;
    fl_tensor *to = pytensor_get(self), *from;
    if (autograd_check_inplace(to, tensor_requires_grad(to)))
        return raise_error();
    from = source ? set_source(self, source, offset, sizes, strides)
                  : tensor_new(1, nothing, to->dtype);
    const bool has_object = source && pytensor_check(source) && from == pytensor_get(source);
    int failed = from ? pytensor_set_data(to, from, 1 + has_object) : -1;
    tensor_release(from);
    return failed ? raise_error() : Py_NewRef(self);
}

PyMethodDef construct_functions[] = {
    {"_construct", function_construct, METH_VARARGS, NULL},
    {0},
};

PyMethodDef construct_methods[] = {
    {"new", (PyCFunction)(void (*)(void))method_new, METH_VARARGS | METH_KEYWORDS,
     "new(*sizes) or new(data): a tensor of the same dtype, as its type's old constructor makes "
     "it."},
    {"set_", (PyCFunction)(void (*)(void))method_set, METH_VARARGS | METH_KEYWORDS,
     "set_(source=None, storage_offset=0, size=(), stride=()): from now on the memory of a tensor "
     "or storage of the same dtype. RuntimeError where the sizes reach beyond it."},
    {"untyped_storage", method_untyped_storage, METH_NOARGS, "The storage, as bytes."},
    {"storage", method_storage, METH_NOARGS, "The storage, as elements of this dtype."},
    {"_typed_storage", method_storage, METH_NOARGS, NULL},
    {"storage_type", method_storage_type, METH_NOARGS, "The type of storage()."},
    {"_storage_bytes", method_storage_bytes, METH_NOARGS, NULL},
    {"_storage_key", method_storage_key, METH_NOARGS, NULL},
    {0},
};
