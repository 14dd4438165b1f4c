/* Memory shared with other libraries: Python's buffer protocol and NumPy's arrays. Nothing here
 * imports NumPy but numpy().
 *
 * A tensor over foreign memory holds a reference to the object that owns it; the other way round,
 * what is given out holds the storage: the tensor may get another one meanwhile (x.data = y).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/device.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

/* ---- Foreign memory as a tensor -------------------------------------------------------------- */

/* Drops the Python object that owns a storage's memory; any thread may be the one. */
static void drop_owner(void *owner)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF((PyObject *)owner);
    PyGILState_Release(state);
}

/* A handle over `data`, strides in elements, at least 0. Keeps `owner`. NULL with the library's
 * error. */
static fl_tensor *over_memory(PyObject *owner, void *data, int dtype, int ndim,
                              const int64_t *sizes, const int64_t *strides)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT);
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    int64_t last = 0, one = 1;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        empty |= sizes[i] == 0;
        last += (sizes[i] - 1) * strides[i];
    }
    size_t bytes = empty ? 0 : (size_t)(last + 1) * dtype_size(dtype);
    struct storage *storage = storage_from_memory(data, bytes, drop_owner, owner);
    if (!storage)
        return NULL;
    Py_INCREF(owner);
    fl_tensor *t = tensor_new(1, (int64_t[]){0}, dtype);
    if (t) {
        tensor_set_storage(t, storage);
        if (tensor_set_shape(t, ndim, ndim ? sizes : &one, ndim ? strides : &one, 0) < 0) {
            tensor_release(t);
            t = NULL;
        }
    }
    storage_release(storage);
    return t;
}

/* The dtype of a typestr of NumPy's ("<f4"): -1 when there is none. */
static int dtype_of_typestr(const char *s)
{
    if (*s != '<' && *s != '|' && *s != '=')
        return -1;
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++)
        if (dtypes[dtype].numpy && strcmp(s + 1, dtypes[dtype].numpy) == 0)
            return dtype;
    return -1;
}

/* Reads a tuple of ints: of nothing else, whose __index__ might drop the tuple meanwhile. */
static bool read_dims(PyObject *tuple, int64_t *out, Py_ssize_t ndim)
{
    assert(ndim <= TENSOR_MAX_DIMS);
    for (Py_ssize_t i = 0; i < ndim; i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        if (item && !PyLong_Check(item))
            PyErr_Format(PyExc_TypeError, "'%s' object cannot be interpreted as an integer",
                         python_type_name(item));
        out[i] = item && !PyErr_Occurred() ? PyLong_AsLongLong(item) : -1;
    }
    return !PyErr_Occurred();
}

/* The address in an entry "data" of __array_interface__: (address, readonly). */
static void *read_address(PyObject *pair, bool *readonly)
{
    PyObject *address = pair && PyTuple_Check(pair) ? PyTuple_GetItem(pair, 0) : NULL;
    PyObject *flag = address ? PyTuple_GetItem(pair, 1) : NULL;
    if (readonly)
        *readonly = flag == Py_True;
    return address && PyLong_Check(address) ? PyLong_AsVoidPtr(address) : NULL;
}

/* Byte strides as element strides; refuses what a tensor cannot have. */
static bool to_elements(int64_t *strides, const int64_t *sizes, Py_ssize_t ndim, int64_t size)
{
    assert(ndim >= 0 && size > 0);
    for (Py_ssize_t i = 0; i < ndim; i++) {
        if (strides[i] < 0) {
            PyErr_SetString(PyExc_ValueError, "At least one stride in the given numpy array is "
                                              "negative, and tensors with negative strides are "
                                              "not currently supported. (You can probably work "
                                              "around this by making a copy of your array  with "
                                              "array.copy().) ");
            return false;
        }
        if (sizes[i] > 1 && strides[i] % size) {
            PyErr_SetString(
                PyExc_ValueError,
                "given numpy array strides not a multiple of the element byte size. Copy the "
                "numpy array to reallocate the memory.");
            return false;
        }
        strides[i] /= size;
    }
    return true;
}

/* The array has a type that no tensor has: -1 with PyTorch's exception, which names it as NumPy
 * does ("numpy.str_"). */
static int refuse_type(PyObject *interface, const char *text)
{
    if (*text == '>') {
        PyErr_SetString(PyExc_ValueError,
                        "given numpy array has byte order different from the native byte order. "
                        "Conversion between byte orders is currently not supported.");
        return -1;
    }
    PyObject *array = PyDict_GetItemString(interface, "__owner__");
    PyObject *dtype = array ? PyObject_GetAttrString(array, "dtype") : NULL;
    PyObject *type = dtype ? PyObject_GetAttrString(dtype, "type") : NULL;
    PyObject *name = type ? PyObject_GetAttrString(type, "__name__") : NULL;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError,
                 "can't convert np.ndarray of type %s%V. The only supported types are: float64, "
                 "float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, "
                 "uint32, uint16, uint8, and bool.",
                 name ? "numpy." : "", name, text);
    Py_XDECREF(dtype);
    Py_XDECREF(type);
    Py_XDECREF(name);
    return -1;
}

static int import_interface(PyObject *o, PyObject *interface, fl_tensor **out, bool *readonly)
{
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    PyObject *type = PyDict_GetItemString(interface, "typestr"),
             *shape = PyDict_GetItemString(interface, "shape");
    PyObject *steps = PyDict_GetItemString(interface, "strides");
    const char *text = type && PyUnicode_Check(type) ? PyUnicode_AsUTF8AndSize(type, NULL) : NULL;
    if (!text || !shape || !PyTuple_Check(shape) || PyTuple_Size(shape) > TENSOR_MAX_DIMS)
        return PyErr_Clear(), 0;
    int dtype = dtype_of_typestr(text);
    if (dtype < 0) {
        return refuse_type(interface, text);
    }
    Py_ssize_t ndim = PyTuple_Size(shape);
    int64_t size = (int64_t)dtype_size(dtype);
    if (!read_dims(shape, sizes, ndim))
        return -1;
    if (steps && PyTuple_Check(steps) && PyTuple_Size(steps) == ndim) {
        if (!read_dims(steps, strides, ndim) || !to_elements(strides, sizes, ndim, size))
            return -1;
    } else {
        shape_contiguous_strides((int)ndim, sizes, strides);
    }
    void *data = read_address(PyDict_GetItemString(interface, "data"), readonly);
    if (!data && PyErr_Occurred())
        return -1;
    *out = over_memory(o, data, dtype, (int)ndim, sizes, strides);
    if (!*out)
        return raise_error(), -1;
    return 1;
}

int exchange_import(PyObject *o, fl_tensor **out, bool *readonly)
{
    *out = NULL;
    if (PyUnicode_Check(o) || PyLong_Check(o) || python_is_sequence(o) || o == Py_None ||
        PyFloat_CheckExact(o))
        return 0;
    PyObject *interface = PyObject_GetAttrString(o, "__array_interface__");
    if (!interface) {
        PyErr_Clear();
        return 0;
    }
    /* The dictionary may own the memory (of a scalar), so it is what the tensor keeps, with o in
     * it. */
    int fits = PyDict_Check(interface) && PyDict_SetItemString(interface, "__owner__", o) == 0
                   ? import_interface(interface, interface, out, readonly)
                   : 0;
    Py_DECREF(interface);
    return fits;
}

bool exchange_is_array(PyObject *o)
{
    return strcmp(python_type_name(o), "numpy.ndarray") == 0;
}

static PyObject *function_from_numpy(PyObject *module, PyObject *array)
{
    (void)module;
    fl_tensor *t;
    bool readonly = false;
    bool known = exchange_is_array(array) || strcmp(python_type_name(array), "numpy.memmap") == 0;
    int fits = known ? exchange_import(array, &t, &readonly) : 0;
    if (fits == 0)
        PyErr_Format(PyExc_TypeError, "expected np.ndarray (got %s)", python_type_name(array));
    if (fits <= 0)
        return NULL;
    if (readonly &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "The given NumPy array is not writable, and PyTorch does not support "
                     "non-writable tensors. "
                     "This means writing to this tensor will result in undefined behavior.",
                     1) < 0) {
        tensor_release(t);
        return NULL;
    }
    return pytensor_wrap(t);
}

static void drop_buffer(void *context)
{
    assert(context);
    PyGILState_STATE state = PyGILState_Ensure();
    PyBuffer_Release(context);
    free(context);
    PyGILState_Release(state);
}

/* Where a buffer is cut: counts in elements, offset in bytes. */
static bool check_cut(const Py_buffer *view, int64_t size, int64_t *count, int64_t offset)
{
    if (view->len == 0 || *count == 0)
        PyErr_Format(PyExc_ValueError, "both buffer length (%zd) and count (%lld) must not be 0",
                     view->len, (long long)*count);
    else if (offset < 0 || offset >= view->len)
        PyErr_Format(
            PyExc_ValueError,
            "offset (%lld bytes) must be non-negative and no greater than buffer length (%zd "
            "bytes) minus 1",
            (long long)offset, view->len);
    else if (*count < 0 && (view->len - offset) % size)
        PyErr_Format(
            PyExc_ValueError,
            "buffer length (%lld bytes) after offset (%lld bytes) must be a multiple of element "
            "size (%lld)",
            (long long)(view->len - offset), (long long)offset, (long long)size);
    else if (*count > (view->len - offset) / size)
        PyErr_Format(
            PyExc_ValueError,
            "requested buffer length (%lld * %lld bytes) after offset (%lld bytes) must not be "
            "greater than actual buffer length (%zd bytes)",
            (long long)*count, (long long)size, (long long)offset, view->len);
    else
        return *count = *count < 0 ? (view->len - offset) / size : *count, true;
    return false;
}

static PyObject *function_frombuffer(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"buffer", "dtype", "count", "offset", "requires_grad", NULL};
    PyObject *object, *kind = Py_None;
    long long count = -1, offset = 0;
    int requires_grad = 0, dtype;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OLLp:frombuffer", names, &object, &kind,
                                     &count, &offset, &requires_grad))
        return NULL;
    if (!types_as_dtype(kind, &dtype))
        return PyErr_Format(PyExc_TypeError,
                            "frombuffer(): argument 'dtype' must be torch.dtype, not %s",
                            python_type_name(kind));
    if (!PyObject_CheckBuffer(object))
        return PyErr_Format(PyExc_ValueError, "object does not implement Python buffer protocol.");
    Py_buffer *view = malloc(sizeof *view);
    if (!view)
        return PyErr_NoMemory();
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE | PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0) {
            free(view);
            PyErr_Clear();
            return PyErr_Format(PyExc_ValueError, "could not retrieve buffer from object");
        }
        if (PyErr_WarnEx(
                PyExc_UserWarning,
                "The given buffer is not writable, and PyTorch does not support non-writable "
                "tensors.",
                1) < 0) {
            drop_buffer(view);
            return NULL;
        }
    }
    int64_t size = (int64_t)dtype_size(dtype), length = count, one = 1;
    fl_tensor *t = NULL;
    struct storage *storage = NULL;
    if (check_cut(view, size, &length, offset))
        storage = storage_from_memory((char *)view->buf + offset, (size_t)(length * size),
                                      drop_buffer, view);
    if (!storage) {
        drop_buffer(view);
        return PyErr_Occurred() ? NULL : raise_error();
    }
    t = tensor_new(1, (int64_t[]){0}, dtype);
    if (t) {
        tensor_set_storage(t, storage);
        if (tensor_set_shape(t, 1, &length, &one, 0) < 0 ||
            (requires_grad && autograd_set_requires_grad(t, true) < 0)) {
            tensor_release(t);
            t = NULL;
        }
    }
    storage_release(storage);
    return pytensor_wrap(t);
}

/* ---- A tensor's memory for others ------------------------------------------------------------ */

/* What a buffer keeps. */
struct lent {
    struct storage *storage;
    Py_ssize_t dims[]; /* sizes, then strides in bytes */
};

bool exchange_is_here(const fl_tensor *t)
{
    if (!(t->flags & TENSOR_ELSEWHERE))
        return true;
    PyErr_Format(PyExc_TypeError,
                 "can't convert %s device type tensor to numpy. Use Tensor.cpu() to copy the "
                 "tensor to host memory first.",
                 tensor_device(t)->name);
    return false;
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags)
{
    const fl_tensor *t = pytensor_get(self);
    bool contiguous = t->flags & TENSOR_CONTIGUOUS;
    view->obj = NULL;
    if (!data_own(t) || !exchange_is_here(t))
        return -1;
    if (tensor_requires_grad(t)) {
        PyErr_SetString(PyExc_BufferError, "the tensor requires grad: use its detach()");
        return -1;
    }
    if (!dtypes[t->dtype].buffer) {
        PyErr_Format(PyExc_BufferError, "Python's buffers have no format for %s",
                     fl_dtype_name(t->dtype));
        return -1;
    }
    if (!contiguous && (flags & PyBUF_STRIDES) != PyBUF_STRIDES) {
        PyErr_SetString(PyExc_BufferError, "the tensor is not contiguous");
        return -1;
    }
    Py_ssize_t size = (Py_ssize_t)dtype_size(t->dtype);
    struct lent *lent = malloc(sizeof *lent + sizeof *lent->dims * (size_t)(2 * t->ndim));
    if (!lent)
        return PyErr_NoMemory(), -1;
    Py_ssize_t *dims = lent->dims;
    for (int i = 0; i < t->ndim; i++) {
        dims[i] = (Py_ssize_t)t->sizes[i];
        dims[t->ndim + i] = (Py_ssize_t)t->strides[i] * size;
    }
    static char nothing[8];
    storage_lend(lent->storage = t->storage);
    *view = (Py_buffer){
        .buf = tensor_data(t) ? tensor_data(t) : nothing,
        .obj = Py_NewRef(self),
        .len = (Py_ssize_t)t->numel * size,
        .itemsize = size,
        .ndim = t->ndim,
        .format = (flags & PyBUF_FORMAT) ? (char *)dtypes[t->dtype].buffer : NULL,
        .shape = (flags & PyBUF_ND) ? dims : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? dims + t->ndim : NULL,
        .internal = lent,
    };
    return 0;
}

static void release_buffer(PyObject *self, Py_buffer *view)
{
    assert(view->internal);
    (void)self;
    storage_take_back(((struct lent *)view->internal)->storage);
    free(view->internal);
}

static bool numpy_can_show(const fl_tensor *t, const char *what)
{
    if (autograd_mode.grad && tensor_requires_grad(t)) { /* under no_grad it is shown, too */
        PyErr_Format(PyExc_RuntimeError,
                     "Can't call %s on Tensor that requires grad. Use tensor.detach().%s instead.",
                     what, what);
        raise_hint("the result is a copy of the values without a graph: x.detach().numpy().",
                   "该张量在计算图中，不能直接转换为 NumPy 数组：请写 x.detach().numpy()，"
                   "得到的数组不带计算图。");
        return false;
    }
    if (!dtypes[t->dtype].buffer)
        PyErr_Format(PyExc_TypeError, "Got unsupported ScalarType %s", dtype_title(t->dtype));
    return dtypes[t->dtype].buffer != NULL;
}

/* NumPy's array over self's memory. It holds another object than self, which may hold the array. */
static PyObject *to_numpy(PyObject *self)
{
    const fl_tensor *t = pytensor_get(self);
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) {
        PyErr_Clear();
        return PyErr_Format(PyExc_RuntimeError, "Numpy is not available");
    }
    PyObject *alias = pytensor_wrap(tensor_alias(t, t->ndim, t->sizes, t->strides, t->offset));
    PyObject *view = alias ? PyMemoryView_FromObject(alias) : NULL;
    Py_XDECREF(alias);
    PyObject *array = view ? PyObject_CallMethod(numpy, "asarray", "O", view) : NULL;
    Py_DECREF(numpy);
    Py_XDECREF(view);
    return array;
}

static PyObject *method_numpy(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"force", NULL};
    int force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:numpy", names, &force))
        return NULL;
    if (!force)
        return numpy_can_show(pytensor_get(self), "numpy()") ? to_numpy(self) : NULL;
    PyObject *plain = pytensor_wrap(autograd_detach(pytensor_get(self)));
    PyObject *array =
        plain && numpy_can_show(pytensor_get(plain), "numpy()") ? to_numpy(plain) : NULL;
    Py_XDECREF(plain);
    return array;
}

static PyObject *method_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:__array__", names, &dtype, &copy) ||
        !numpy_can_show(pytensor_get(self), "numpy()"))
        return NULL;
    PyObject *array = to_numpy(self);
    if (array && dtype != Py_None) {
        PyObject *converted = PyObject_CallMethod(array, "astype", "O", dtype);
        Py_DECREF(array);
        array = converted;
    } else if (array && copy == Py_True) {
        PyObject *own = PyObject_CallMethod(array, "copy", NULL);
        Py_DECREF(array);
        array = own;
    }
    return array;
}

/* What a function of NumPy's gives for tensors becomes a tensor again. */
static PyObject *method_array_wrap(PyObject *self, PyObject *args)
{
    PyObject *array, *context = NULL, *scalar = NULL;
    (void)self;
    if (!PyArg_UnpackTuple(args, "__array_wrap__", 1, 3, &array, &context, &scalar))
        return NULL;
    PyObject *dtype = PyObject_GetAttrString(array, "dtype");
    PyObject *kind = dtype ? PyObject_GetAttrString(dtype, "kind") : NULL, *result = NULL;
    const char *text = kind ? PyUnicode_AsUTF8AndSize(kind, NULL) : NULL;
    if (text) /* truths as uint8, like PyTorch's */
        array =
            *text == 'b' ? PyObject_CallMethod(array, "astype", "s", "uint8") : Py_NewRef(array);
    if (text && array) {
        result = function_from_numpy(NULL, array);
        Py_DECREF(array);
    }
    Py_XDECREF(kind);
    Py_XDECREF(dtype);
    return result;
}

PyType_Slot exchange_slots[] = {
    SLOT(Py_bf_getbuffer, get_buffer),
    SLOT(Py_bf_releasebuffer, release_buffer),
    {0},
};

PyMethodDef pytensor_exchange_methods[] = {
    {"numpy", (PyCFunction)(void (*)(void))method_numpy, METH_VARARGS | METH_KEYWORDS,
     "numpy(*, force=False): a NumPy array over the same memory."},
    {"__array__", (PyCFunction)(void (*)(void))method_array, METH_VARARGS | METH_KEYWORDS, NULL},
    {"__array_wrap__", method_array_wrap, METH_VARARGS, NULL},
    {0},
};

PyMethodDef exchange_functions[] = {
    {"from_numpy", function_from_numpy, METH_O, "A tensor over the memory of a NumPy array."},
    {"frombuffer", (PyCFunction)(void (*)(void))function_frombuffer, METH_VARARGS | METH_KEYWORDS,
     "frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False): a 1-D tensor over a "
     "buffer's memory."},
    {0},
};
