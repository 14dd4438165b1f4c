/* Tensor's methods that are no operators: questions about shape and memory, conversions of dtype
 * and device, Python's own protocols (length, iteration, copying, pickling, text). */
#include <assert.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/device.h"
#include "core/memory.h"
#include "python/call/arguments.h"
#include "python/call/overrides.h"
#include "python/tensor/types.h"

#define METHOD(name) static PyObject *name(PyObject *self, PyObject *unused __attribute__((unused)))
#define FAST_METHOD(name)                                                                          \
    static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t nargs,                 \
                          PyObject *kwnames)

/* The value of an argument that may come at `position` or by `keyword`; NULL when it is absent.
 * Borrowed. */
static PyObject *find_argument(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                               Py_ssize_t position, const char *keyword)
{
    assert(nargs >= 0 && (position >= 0 || keyword));
    if (position >= 0 && position < nargs)
        return args[position];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_Size(kwnames); k++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GetItem(kwnames, k), keyword) == 0)
            return args[nargs + k];
    return NULL;
}

static bool takes_at_most(const char *name, Py_ssize_t most, Py_ssize_t nargs)
{
    if (nargs <= most)
        return true;
    PyErr_Format(PyExc_TypeError,
                 "%s() takes from 0 to %zd positional arguments but %zd were given", name, most,
                 nargs);
    return false;
}

/* ---- Shape and memory ------------------------------------------------------------------------ */

/* The entry of `list` for the dim in o; NULL with an exception. */
static PyObject *entry_of(const fl_tensor *t, const int64_t *list, const char *name, PyObject *o)
{
    if (!PyIndex_Check(o) || PyBool_Check(o))
        return PyErr_Format(PyExc_TypeError,
                            "%s(): argument 'dim' (position 1) must be int, not %s", name,
                            python_type_name(o));
    Py_ssize_t dim = PyNumber_AsSsize_t(o, PyExc_IndexError);
    if (dim == -1 && PyErr_Occurred())
        return NULL;
    if (t->ndim == 0)
        return PyErr_Format(PyExc_IndexError,
                            "Dimension specified as %zd but tensor has no dimensions", dim);
    int at = shape_wrap_dim(dim, t->ndim);
    return at < 0 ? raise_error() : PyLong_FromLongLong(list[at]);
}

FAST_METHOD(method_size)
{
    const fl_tensor *t = pytensor_get(self);
    if (!takes_at_most("size", 1, nargs))
        return NULL;
    PyObject *dim = find_argument(args, nargs, kwnames, 0, "dim");
    return dim && dim != Py_None ? entry_of(t, t->sizes, "size", dim)
                                 : types_size(t->ndim, t->sizes);
}

FAST_METHOD(method_stride)
{
    const fl_tensor *t = pytensor_get(self);
    if (!takes_at_most("stride", 1, nargs))
        return NULL;
    PyObject *dim = find_argument(args, nargs, kwnames, 0, "dim");
    if (dim && dim != Py_None)
        return entry_of(t, t->strides, "stride", dim);
    PyObject *tuple = PyTuple_New(t->ndim);
    for (int i = 0; tuple && i < t->ndim; i++)
        PyTuple_SetItem(tuple, i, PyLong_FromLongLong(t->strides[i]));
    return tuple;
}

METHOD(method_dim)
{
    return PyLong_FromLong(pytensor_get(self)->ndim);
}

METHOD(method_numel)
{
    return PyLong_FromLongLong(pytensor_get(self)->numel);
}

METHOD(method_element_size)
{
    return PyLong_FromSize_t(dtype_size(pytensor_get(self)->dtype));
}

METHOD(method_data_ptr)
{
    const fl_tensor *t = pytensor_get(self);
    return data_own(t) ? PyLong_FromVoidPtr(t->numel ? tensor_address(t) : NULL) : NULL;
}

METHOD(method_storage_offset)
{
    return PyLong_FromLongLong(pytensor_get(self)->offset);
}

METHOD(method_get_device)
{
    const fl_device d = fl_device_of(pytensor_get(self));
    return PyLong_FromLong(d.kind == FL_CPU || d.kind == FL_META ? -1 : d.index);
}

METHOD(method_no)
{
    (void)self;
    Py_RETURN_FALSE;
}

METHOD(method_is_floating_point)
{
    return python_bool(dtype_is_floating(pytensor_get(self)->dtype));
}

METHOD(method_is_complex)
{
    return python_bool(dtype_is_complex(pytensor_get(self)->dtype));
}

METHOD(method_is_signed)
{
    int dtype = pytensor_get(self)->dtype;
    return python_bool(dtype_is_signed(dtype));
}

METHOD(method_is_inference)
{
    return python_bool(pytensor_get(self)->flags & TENSOR_INFERENCE);
}

METHOD(method_is_view)
{
    return python_bool(pytensor_get(self)->base != NULL);
}

METHOD(method_is_same_size)
{
    if (!pytensor_check(unused))
        return PyErr_Format(PyExc_TypeError,
                            "is_same_size(): argument 'other' (position 1) must be Tensor, not %s",
                            python_type_name(unused));
    return python_bool(shape_equal(pytensor_get(self), pytensor_get(unused)));
}

METHOD(method_is_set_to)
{
    if (!pytensor_check(unused))
        return PyErr_Format(PyExc_TypeError,
                            "is_set_to(): argument 'tensor' (position 1) must be Tensor, not %s",
                            python_type_name(unused));
    const fl_tensor *a = pytensor_get(self), *b = pytensor_get(unused);
    return python_bool(a->storage == b->storage && a->offset == b->offset && shape_equal(a, b) &&
                       memcmp(a->strides, b->strides, (size_t)a->ndim * sizeof *a->strides) == 0);
}

/* Whether a tensor of 4 (or 5) dims stands with its channels last. */
static bool is_channels_last(const fl_tensor *t, int ndim)
{
    assert(ndim == 4 || ndim == 5);
    if (t->ndim != ndim)
        return false;
    int64_t expected = 1;
    for (int k = 0; k < ndim; k++) {
        int d = k == 0          ? 1
                : k == ndim - 1 ? 0
                                : ndim - k; /* C, then the spatial dims from the last, then N */
        if (t->sizes[d] != 1 && t->strides[d] != expected)
            return false;
        expected *= t->sizes[d];
    }
    return true;
}

static bool has_format(const fl_tensor *t, int format)
{
    assert(format >= 0 && format < FORMAT_COUNT);
    return format == FORMAT_CHANNELS_LAST      ? is_channels_last(t, 4)
           : format == FORMAT_CHANNELS_LAST_3D ? is_channels_last(t, 5)
                                               : t->flags & TENSOR_CONTIGUOUS;
}

/* Reads memory_format from the arguments into *format (left alone when it is absent). */
static bool read_format(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                        Py_ssize_t position, const char *name, int *format)
{
    PyObject *o = find_argument(args, nargs, kwnames, position, "memory_format");
    if (!o || o == Py_None || types_as_memory_format(o, format))
        return true;
    PyErr_Format(PyExc_TypeError,
                 "%s(): argument 'memory_format' must be torch.memory_format, not %s", name,
                 python_type_name(o));
    return false;
}

FAST_METHOD(method_is_contiguous)
{
    int format = FORMAT_CONTIGUOUS;
    if (!read_format(args, nargs, kwnames, 0, "is_contiguous", &format))
        return NULL;
    return python_bool(has_format(pytensor_get(self), format));
}

FAST_METHOD(method_contiguous)
{
    int format = FORMAT_CONTIGUOUS;
    if (!read_format(args, nargs, kwnames, 0, "contiguous", &format))
        return NULL;
    if (has_format(pytensor_get(self), format))
        return Py_NewRef(self);
    OPERATOR(clone, "clone");
    return pytensor_wrap(pytensor_call(
        clone, pytensor_get(self), (struct named_value[]){{"memory_format", fl_int(format)}, {0}}));
}

/* ---- dtype and device ------------------------------------------------------------------------ */

/* t as dtype, recorded: t itself when it is so already, with strides that speak of the memory format
 * (one channel may lie either way), and no copy is asked for. */
static PyObject *cast(PyObject *self, int dtype, bool copy, int format)
{
    fl_tensor *t = pytensor_get(self);
    fl_value memory = format < 0 ? fl_none() : fl_int(format);
    const bool kept = format < 0 || format == FORMAT_PRESERVE;
    if (t->dtype == dtype && !copy && (kept || format_of(t) == format))
        return Py_NewRef(self);
    if (t->dtype == dtype) {
        OPERATOR(clone, "clone");
        return pytensor_wrap(
            pytensor_call(clone, t, (struct named_value[]){{"memory_format", memory}, {0}}));
    }
    if (tensor_warn_parts(t, dtype))
        return raise_error();
    OPERATOR(to_dtype, "_cast");
    fl_value type = {.tag = FL_DTYPE, .as.i = dtype};
    PyObject *y =
        pytensor_wrap(pytensor_call(to_dtype, t, (struct named_value[]){{"dtype", type}, {0}}));
    if (!y || kept)
        return y;
    OPERATOR(contiguous, "contiguous");
    PyObject *laid = pytensor_wrap(pytensor_call(
        contiguous, pytensor_get(y), (struct named_value[]){{"memory_format", memory}, {0}}));
    Py_DECREF(y);
    return laid;
}

/* t on a device, recorded: takes the object over; itself where t is there. NULL for NULL. */
static PyObject *move(PyObject *o, fl_device device)
{
    if (!o || device.kind < 0)
        return o;
    fl_tensor *t = pytensor_get(o);
    fl_device own = tensor_device(t)->id;
    if (own.kind == device.kind && own.index == device.index)
        return o;
    PyObject *there = pytensor_wrap(operation_move(t, device));
    Py_DECREF(o);
    return there;
}

struct to_request {
    fl_device device; /* of kind -1: where it is */
    int dtype;        /* FL_NO_DTYPE: as it is */
    bool copy;
    int format;
};

/* One positional argument of to(): a dtype, a device, a tensor to be like, or, after these,
 * non_blocking and copy. */
static bool read_to(struct to_request *r, PyObject *o, Py_ssize_t position)
{
    if (o == Py_None || (PyBool_Check(o) && position == 1))
        return true;
    if (PyBool_Check(o))
        return r->copy = position >= 2 && o == Py_True, true;
    if (types_as_dtype(o, &r->dtype))
        return true;
    if (pytensor_check(o))
        return r->dtype = pytensor_get(o)->dtype, r->device = fl_device_of(pytensor_get(o)), true;
    if (PyLong_Check(o)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Cannot access accelerator device when none is available.");
        return false;
    }
    int fits = types_as_device(o, &r->device);
    if (fits > 0)
        return types_device_find(r->device, false) != NULL;
    if (fits == 0)
        PyErr_Format(
            PyExc_TypeError,
            "to() received an invalid combination of arguments - got (%s), but expected one of:\n"
            " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, "
            "bool copy = False, "
            "*, torch.memory_format memory_format = None)\n"
            " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, "
            "torch.memory_format "
            "memory_format = None)\n"
            " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, "
            "torch.memory_format "
            "memory_format = None)\n",
            python_type_name(o));
    return false;
}

FAST_METHOD(method_to)
{
    static const char *const keywords[] = {"device", "dtype", "other", "tensor"};
    struct to_request r = {{-1, 0}, FL_NO_DTYPE, false, -1};
    if (!takes_at_most("to", 4, nargs))
        return NULL;
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (!read_to(&r, args[i], i))
            return NULL;
    for (int i = 0; kwnames && i < 4; i++) {
        PyObject *o = find_argument(args, nargs, kwnames, -1, keywords[i]);
        if (o && !read_to(&r, o, 0))
            return NULL;
    }
    PyObject *copy = kwnames ? find_argument(args, nargs, kwnames, -1, "copy") : NULL;
    if (copy)
        r.copy = PyObject_IsTrue(copy) == 1;
    if (!read_format(args, nargs, kwnames, -1, "to", &r.format))
        return NULL;
    if (r.device.kind == FL_META)
        r.device.index = 0;
    return move(
        cast(self, r.dtype == FL_NO_DTYPE ? pytensor_get(self)->dtype : r.dtype, r.copy, r.format),
        r.device);
}

/* x.float() and its like. */
#define CAST_METHOD(name, dtype)                                                                   \
    FAST_METHOD(name)                                                                              \
    {                                                                                              \
        int format = -1;                                                                           \
        return read_format(args, nargs, kwnames, 0, #name, &format)                                \
                   ? cast(self, dtype, false, format)                                              \
                   : NULL;                                                                         \
    }
CAST_METHOD(method_float, FL_FLOAT32)
CAST_METHOD(method_double, FL_FLOAT64)
CAST_METHOD(method_cfloat, FL_COMPLEX64)
CAST_METHOD(method_cdouble, FL_COMPLEX128)
CAST_METHOD(method_half, FL_FLOAT16)
CAST_METHOD(method_bfloat16, FL_BFLOAT16)
CAST_METHOD(method_int, FL_INT32)
CAST_METHOD(method_long, FL_INT64)
CAST_METHOD(method_short, FL_INT16)
CAST_METHOD(method_char, FL_INT8)
CAST_METHOD(method_byte, FL_UINT8)
CAST_METHOD(method_bool, FL_BOOL)

FAST_METHOD(method_cpu)
{
    (void)args, (void)nargs, (void)kwnames;
    return move(Py_NewRef(self), (fl_device){FL_CPU, 0});
}

/* No memory is pinned; a device may be named, as in old programs. */
FAST_METHOD(method_is_pinned)
{
    (void)self, (void)args;
    if (nargs + (kwnames ? PyTuple_Size(kwnames) : 0) > 0 &&
        PyErr_WarnEx(PyExc_DeprecationWarning,
                     "The argument 'device' of Tensor.is_pinned() is deprecated. Please do not "
                     "pass this argument.",
                     1) < 0)
        return NULL;
    Py_RETURN_FALSE;
}

FAST_METHOD(method_cuda)
{
    fl_device device;
    (void)self, (void)kwnames;
    return nargs && types_as_device(args[0], &device) < 0 ? NULL : raise_no_cuda();
}

/* type('torch.LongTensor'), or with the type itself, whose module and name say the same. */
static PyObject *type_by_name(PyObject *self, PyObject *o)
{
    PyObject *module = PyType_Check(o) ? PyObject_GetAttrString(o, "__module__") : NULL;
    PyObject *own = module ? PyObject_GetAttrString(o, "__name__") : NULL;
    PyObject *full = own ? PyUnicode_FromFormat("%U.%U", module, own) : Py_NewRef(o);
    const char *text = full && PyUnicode_Check(full) ? PyUnicode_AsUTF8AndSize(full, NULL) : NULL;
    int dtype = text && strcmp(text, "torch.Tensor") == 0 ? dtype_default() : FL_NO_DTYPE;
    bool cuda = text && strncmp(text, "torch.cuda.", 11) == 0;
    for (int d = FL_BOOL; text && dtype == FL_NO_DTYPE && d < FL_DTYPE_COUNT; d++) {
        char name[48];
        PyOS_snprintf(name, sizeof name, "torch.%s%sTensor", cuda ? "cuda." : "", dtype_title(d));
        if (strcmp(text, name) == 0)
            dtype = d;
    }
    if (dtype == FL_NO_DTYPE && !PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "invalid type: %R", own ? own : o);
    if (dtype != FL_NO_DTYPE && cuda)
        PyErr_SetString(PyExc_RuntimeError, "Cannot initialize CUDA: this build has none");
    Py_XDECREF(module);
    Py_XDECREF(own);
    Py_XDECREF(full);
    return dtype == FL_NO_DTYPE || cuda ? NULL : cast(self, dtype, false, -1);
}

/* "meta.": what stands before the type's name of a tensor that is not on the CPU. */
static const char *kind_prefix(const fl_tensor *t)
{
    assert(tensor_device(t)->id.kind < FL_DEVICE_KINDS);
    static const char *const PREFIXES[FL_DEVICE_KINDS] = {"", "cuda.", "opencl.", "meta."};
    return PREFIXES[tensor_device(t)->id.kind];
}

/* Memory of the CPU is as near to a device as it gets; a device's own cannot be pinned. */
METHOD(method_pin_memory)
{
    const fl_tensor *t = pytensor_get(self);
    (void)unused;
    if (!(t->flags & TENSOR_ELSEWHERE))
        return Py_NewRef(self);
    return PyErr_Format(PyExc_RuntimeError,
                        "cannot pin 'torch.%s%sTensor' only dense CPU tensors can be pinned",
                        kind_prefix(t), dtype_title(t->dtype));
}

FAST_METHOD(method_type)
{
    PyObject *o = find_argument(args, nargs, kwnames, 0, "dtype");
    int dtype;
    if (!o || o == Py_None)
        return PyUnicode_FromFormat("torch.%s%sTensor", kind_prefix(pytensor_get(self)),
                                    dtype_title(pytensor_get(self)->dtype));
    if (o == (PyObject *)pytensor_type)
        return cast(self, dtype_default(), false, -1);
    if (!PyType_Check(o) && types_as_dtype(o, &dtype))
        return cast(self, dtype, false, -1);
    return type_by_name(self, o);
}

METHOD(method_type_as)
{
    if (!pytensor_check(unused))
        return PyErr_Format(PyExc_TypeError,
                            "type_as(): argument 'other' (position 1) must be Tensor, not %s",
                            python_type_name(unused));
    return cast(self, pytensor_get(unused)->dtype, false, -1);
}

/* ---- Elements one by one --------------------------------------------------------------------- */

METHOD(method_item)
{
    const fl_tensor *t = pytensor_get(self);
    if (!data_one(t))
        return NULL;
    if (t->numel != 1) {
        PyErr_Format(PyExc_RuntimeError,
                     "a Tensor with %lld elements cannot be converted to Scalar",
                     (long long)t->numel);
        return raise_hint("item() is of one number: reduce first, x.mean().item(), take one, "
                          "x[0].item(), or all, x.tolist().",
                          "item() 只用于一个数：请先归约 x.mean().item()，取一个 x[0].item()，"
                          "或全部取出 x.tolist()。");
    }
    return data_item(t, 0);
}

METHOD(method_tolist)
{
    return data_to_list(pytensor_get(self));
}

/* Writes function(elements...) over self, for apply_ and map_. `other` NULL: one argument. */
static PyObject *apply_elements(PyObject *self, PyObject *function, fl_tensor *other)
{
    fl_tensor *t = pytensor_get(self), *a = tensor_contiguous(t),
              *b = other ? tensor_contiguous(other) : NULL;
    fl_tensor *out = tensor_new(t->ndim, t->sizes, t->dtype);
    if (t->flags & TENSOR_ELSEWHERE) {
        PyErr_SetString(PyExc_TypeError, "apply_ is only implemented on CPU tensors");
        tensor_release(a), tensor_release(b), tensor_release(out);
        return NULL;
    }
    bool failed = !a || !out || (other && !b);
    for (int64_t i = 0; !failed && i < t->numel; i++) {
        PyObject *x = data_item(a, i), *y = b ? data_item(b, i) : NULL;
        PyObject *z = x ? PyObject_CallFunctionObjArgs(function, x, y, NULL) : NULL;
        fl_value v;
        Py_XDECREF(x);
        Py_XDECREF(y);
        failed = !z || data_number(z, &v) <= 0;
        if (!failed) {
            fl_tensor *one = tensor_from_number(v, t->dtype);
            size_t size = dtype_size(t->dtype);
            failed = !one;
            if (one)
                memcpy((char *)tensor_data(out) + (size_t)i * size, tensor_data(one), size);
            tensor_release(one);
        } else if (z && !PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "the function must return a number, not %s",
                         python_type_name(z));
        }
        Py_XDECREF(z);
    }
    failed = failed || tensor_copy(t, out) < 0;
    tensor_bump_version(t);
    tensor_release(a);
    tensor_release(b);
    tensor_release(out);
    return failed ? raise_error() : Py_NewRef(self);
}

METHOD(method_apply_)
{
    if (tensor_requires_grad(pytensor_get(self)))
        return PyErr_Format(PyExc_RuntimeError,
                            "Can't call apply_() on Variable that requires grad. Use var.detach()."
                            "apply_() instead.");
    return apply_elements(self, unused, NULL);
}

static PyObject *method_map_(PyObject *self, PyObject *args)
{
    PyObject *other, *function;
    if (!PyArg_ParseTuple(args, "OO:map_", &other, &function))
        return NULL;
    if (tensor_requires_grad(pytensor_get(self)))
        return PyErr_Format(PyExc_RuntimeError,
                            "Can't call map_() on Variable that requires grad. Use var.detach()."
                            "map_() instead.");
    if (!pytensor_check(other) || !shape_equal(pytensor_get(self), pytensor_get(other)))
        return PyErr_Format(
            PyExc_TypeError,
            "map_(): argument 'tensor' (position 1) must be a Tensor of the same shape");
    return apply_elements(self, function, pytensor_get(other));
}

/* ---- Python's protocols ---------------------------------------------------------------------- */

static Py_ssize_t tensor_length(PyObject *self)
{
    if (overrides_wants(self)) {
        PyObject *shown = overrides_method("__len__", self, NULL, NULL);
        Py_ssize_t length = shown ? PyNumber_AsSsize_t(shown, PyExc_OverflowError) : -1;
        Py_XDECREF(shown);
        return length;
    }
    const fl_tensor *t = pytensor_get(self);
    if (t->ndim)
        return (Py_ssize_t)t->sizes[0];
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
}

static PyObject *tensor_iter(PyObject *self)
{
    if (pytensor_get(self)->ndim == 0)
        return PyErr_Format(PyExc_TypeError, "iteration over a 0-d tensor");
    PyObject *tuple = PyObject_CallMethod(self, "unbind", NULL);
    PyObject *iterator = tuple ? PyObject_GetIter(tuple) : NULL;
    Py_XDECREF(tuple);
    return iterator;
}

METHOD(method_reversed)
{
    if (overrides_wants(self))
        return overrides_method("__reversed__", self, NULL, NULL);
    fl_tensor *t = pytensor_get(self);
    int64_t dims[1] = {0};
    if (t->ndim == 0)
        return Py_NewRef(self);
    OPERATOR(flip, "flip");
    fl_value list = {.tag = FL_INTS, .count = 1, .as.ints = dims};
    return pytensor_wrap(pytensor_call(flip, t, (struct named_value[]){{"dims", list}, {0}}));
}

static int tensor_contains(PyObject *self, PyObject *value)
{
    if (overrides_wants(self)) {
        PyObject *shown = overrides_method("__contains__", self, value, NULL);
        int truth = shown ? PyObject_IsTrue(shown) : -1;
        Py_XDECREF(shown);
        return truth;
    }
    fl_value number;
    int fits = pytensor_check(value) ? 1 : data_number(value, &number);
    if (fits <= 0) {
        if (fits == 0)
            PyErr_Format(
                PyExc_RuntimeError,
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a %R.",
                (PyObject *)Py_TYPE(value));
        return -1;
    }
    PyObject *equal = PyObject_RichCompare(value, self, Py_EQ);
    PyObject *any = equal ? PyObject_CallMethod(equal, "any", NULL) : NULL;
    int truth = any ? PyObject_IsTrue(any) : -1;
    Py_XDECREF(equal);
    Py_XDECREF(any);
    return truth;
}

/* Calls a function of a Python module, which is imported when it is first needed, with self and
 * perhaps one argument more. */
static PyObject *call_python(const char *home, const char *function, PyObject *self, PyObject *more)
{
    PyObject *module = PyImport_ImportModule(home);
    PyObject *f = module ? PyObject_GetAttrString(module, function) : NULL;
    PyObject *result = f ? PyObject_CallFunctionObjArgs(f, self, more, NULL) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(f);
    return result;
}

static PyObject *tensor_repr(PyObject *self)
{
    if (overrides_wants(self))
        return overrides_method("__repr__", self, NULL, NULL);
    return call_python("flambeau._tensor_str", "_str", self, NULL);
}

METHOD(method_format)
{
    if (overrides_wants(self))
        return overrides_method("__format__", self, unused, NULL);
    return call_python("flambeau._tensor_str", "_format", self, unused);
}

METHOD(method_dir)
{
    PyObject *names = PyObject_Dir((PyObject *)Py_TYPE(self));
    PyObject *dict = ((struct tensor_object *)self)->dict;
    PyObject *keys = names && dict ? PyDict_Keys(dict) : NULL;
    if (keys) {
        PyObject *all = PySequence_InPlaceConcat(names, keys);
        Py_DECREF(names);
        Py_DECREF(keys);
        names = all;
    }
    if (names && PyList_Sort(names) < 0)
        Py_CLEAR(names);
    return names;
}

/* ---- Copies and pickles: flambeau._tensor ---------------------------------------------------- */

static PyObject *method_deepcopy(PyObject *self, PyObject *memo)
{
    if (overrides_wants(self))
        return overrides_method("__deepcopy__", self, memo, NULL);
    return call_python("flambeau._tensor", "_deepcopy", self, memo);
}

METHOD(method_reduce)
{
    if (overrides_wants(self))
        return overrides_method("__reduce_ex__", self, unused, NULL);
    return call_python("flambeau._tensor", "_reduce", self, NULL);
}

/* __array_namespace__(*, api_version=None) */
static PyObject *method_array_namespace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"api_version", NULL};
    PyObject *version = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:__array_namespace__", names, &version))
        return NULL;
    return call_python("flambeau._tensor", "_array_namespace", self, version);
}

PyType_Slot pytensor_protocol_slots[] = {
    SLOT(Py_mp_length, tensor_length),     SLOT(Py_sq_length, tensor_length),
    SLOT(Py_sq_contains, tensor_contains), SLOT(Py_tp_iter, tensor_iter),
    SLOT(Py_tp_repr, tensor_repr),         {0},
};

PyMethodDef pytensor_methods[] = {
    FAST("size", method_size, "size(dim=None): the sizes, or that of one dimension."),
    FAST("stride", method_stride,
         "stride(dim=None): the strides in elements, or that of one dimension."),
    {"dim", method_dim, METH_NOARGS, "The number of dimensions."},
    {"ndimension", method_dim, METH_NOARGS, "The number of dimensions."},
    {"numel", method_numel, METH_NOARGS, "The number of elements."},
    {"nelement", method_numel, METH_NOARGS, "The number of elements."},
    {"element_size", method_element_size, METH_NOARGS, "Bytes of an element."},
    {"data_ptr", method_data_ptr, METH_NOARGS, "The address of the first element."},
    {"storage_offset", method_storage_offset, METH_NOARGS,
     "The first element's place in the storage, in elements."},
    {"get_device", method_get_device, METH_NOARGS, "The index of the device; -1 on a CPU."},
    {"is_floating_point", method_is_floating_point, METH_NOARGS,
     "Whether the dtype is floating point."},
    {"is_complex", method_is_complex, METH_NOARGS, "Whether the dtype is complex."},
    {"is_signed", method_is_signed, METH_NOARGS, "Whether the dtype holds negative numbers."},
    {"is_inference", method_is_inference, METH_NOARGS, "Whether it was made under inference_mode."},
    {"_is_view", method_is_view, METH_NOARGS, "Whether it is a view of another tensor."},
    {"is_same_size", method_is_same_size, METH_O, "Whether both have the same sizes."},
    {"is_set_to", method_is_set_to, METH_O, "Whether both are the same memory in the same shape."},
    {"is_conj", method_no, METH_NOARGS, NULL},
    {"is_neg", method_no, METH_NOARGS, NULL},
    {"is_shared", sharing_is_shared, METH_NOARGS,
     "Whether its memory can be shared with other processes."},
    FAST("is_pinned", method_is_pinned, NULL),
    {"share_memory_", sharing_share_memory, METH_NOARGS,
     "Moves its memory to where other processes can share it. Returns self."},
    {"pin_memory", method_pin_memory, METH_NOARGS, NULL},
    FAST("is_contiguous", method_is_contiguous, "is_contiguous(memory_format=contiguous_format)"),
    FAST("contiguous", method_contiguous,
         "contiguous(memory_format=contiguous_format): itself, or a copy that is."),
    FAST("to", method_to, "to(dtype or device or tensor, ...): itself, or a copy converted so."),
    FAST("float", method_float, "As float32."),
    FAST("double", method_double, "As float64."),
    FAST("cfloat", method_cfloat, "As complex64."),
    FAST("cdouble", method_cdouble, "As complex128."),
    FAST("half", method_half, "As float16."),
    FAST("bfloat16", method_bfloat16, "As bfloat16."),
    FAST("int", method_int, "As int32."),
    FAST("long", method_long, "As int64."),
    FAST("short", method_short, "As int16."),
    FAST("char", method_char, "As int8."),
    FAST("byte", method_byte, "As uint8."),
    FAST("bool", method_bool, "As bool."),
    FAST("cpu", method_cpu, "On the CPU."),
    FAST("cuda", method_cuda, "On a CUDA device."),
    FAST("type", method_type,
         "type(dtype=None): PyTorch's name of the type, or a copy converted to a type."),
    {"type_as", method_type_as, METH_O, "With the dtype of another tensor."},
    {"item", method_item, METH_NOARGS, "The single element as a Python number."},
    {"tolist", method_tolist, METH_NOARGS, "Nested lists of the elements."},
    {"apply_", method_apply_, METH_O, "Replaces each element by function(element). Slow."},
    {"map_", method_map_, METH_VARARGS,
     "map_(tensor, function): replaces each element by function(element, other). Slow."},
    {"__reversed__", method_reversed, METH_NOARGS, NULL},
    {"__format__", method_format, METH_O, NULL},
    {"__dir__", method_dir, METH_NOARGS, NULL},
    {"__array_namespace__", (PyCFunction)(void (*)(void))method_array_namespace,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"__deepcopy__", method_deepcopy, METH_O, NULL},
    {"__reduce_ex__", method_reduce, METH_O, NULL},
    {0},
};
