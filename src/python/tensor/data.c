/* Tensors of Python data: numbers and nested sequences. (The way back is data_out.c.)
 *
 * A nested sequence is walked twice: once to find its sizes (down the first items) and the dtype
 * that holds every number, once to write the numbers, as double or int64, into a row of memory that
 * is then converted to the dtype as a whole.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/advice.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "device/devices.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

/* ---- Numbers --------------------------------------------------------------------------------- */

/* NumPy's scalars, told by their type's module without importing NumPy. */
static bool is_numpy_scalar(PyObject *o)
{
    if (PyUnicode_Check(o) || python_is_sequence(o) || o == Py_None || pytensor_check(o) ||
        PyType_Check(o))
        return false;
    const char *name = python_type_name(o);
    return strncmp(name, "numpy.", 6) == 0 && strcmp(name, "numpy.timedelta64") != 0 &&
           strcmp(name, "numpy.datetime64") != 0 && !exchange_is_array(o) &&
           PyObject_HasAttrString(o, "item");
}

/* A scalar that Python has no exact number for, and whose item is itself (longdouble). */
static int long_number(PyObject *o, fl_value *out)
{
    assert(!PyErr_Occurred());
    if (strncmp(python_type_name(o), "numpy.clongdouble", 17) == 0) {
        PyObject *plain = PyObject_CallMethod(o, "__complex__", NULL);
        const int fits = plain && PyComplex_Check(plain) ? data_number(plain, out) : -1;
        Py_XDECREF(plain);
        return fits;
    }
    if (strncmp(python_type_name(o), "numpy.longdouble", 16) == 0)
        *out = fl_float(PyFloat_AsDouble(o));
    else
        return 0;
    return PyErr_Occurred() ? -1 : 1;
}

/* An int beyond int64 is no number here. PyTorch takes those that a uint64 holds for operands that
 * wrap, and refuses them where they are stored; wrapping would be wrong beside floats. */
static int refuse_number(PyObject *o)
{
    PyErr_Clear();
    unsigned long long bits = PyLong_AsUnsignedLongLong(o);
    if (bits == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    PyErr_SetString(PyExc_RuntimeError,
                    "value cannot be converted to type int64_t without overflow");
    return -1;
}

int data_wide_number(PyObject *o, int dtype, fl_value *out)
{
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_RuntimeError))
        return -1;
    int beyond = 0;
    if (!PyLong_Check(o) || (PyLong_AsLongLongAndOverflow(o, &beyond), beyond <= 0))
        return PyErr_Occurred() ? -1 : 0;
    PyErr_Clear();
    unsigned long long bits = PyLong_AsUnsignedLongLong(o);
    if (bits == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    assert(bits > INT64_MAX);
    if (dtype != FL_NO_DTYPE && dtype_is_inexact(dtype))
        *out = fl_float((double)bits);
    else if (dtype == FL_UINT64)
        *out = fl_int((int64_t)bits);
    else
        return refuse_number(o);
    return 1;
}

int data_number(PyObject *o, fl_value *out)
{
    if (PyFloat_Check(o)) {
        *out = fl_float(PyFloat_AsDouble(o));
        return 1;
    }
    if (PyBool_Check(o)) {
        *out = fl_boolean(o == Py_True);
        return 1;
    }
    if (PyLong_Check(o)) {
        *out = fl_int(PyLong_AsLongLong(o));
        return out->as.i == -1 && PyErr_Occurred() ? refuse_number(o) : 1;
    }
    if (PyComplex_Check(o)) {
        *out = number_from_parts(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o));
        return 1;
    }
    if (!is_numpy_scalar(o))
        return 0;
    PyObject *plain = PyObject_CallMethod(o, "item", NULL);
    int fits = !plain                         ? -1
               : Py_TYPE(plain) == Py_TYPE(o) ? long_number(o, out)
                                              : data_number(plain, out);
    Py_XDECREF(plain);
    return fits;
}

/* ---- From Python: sizes and dtype ------------------------------------------------------------ */

struct shape {
    int ndim;
    int64_t sizes[TENSOR_MAX_DIMS];
};

/* Items of this object are data: not text, not a number, not a tensor. */
static bool is_data_sequence(PyObject *o)
{
    if (python_is_sequence(o))
        return true;
    return !PyUnicode_Check(o) && !PyBytes_Check(o) && !PyDict_Check(o) && !pytensor_check(o) &&
           PySequence_Check(o) && !PyLong_Check(o) && !PyFloat_Check(o);
}

/* The object as a list or tuple, a new reference. */
static PyObject *as_list(PyObject *o)
{
    return python_is_sequence(o) ? Py_NewRef(o) : PySequence_List(o);
}

static bool too_deep(PyObject *list)
{
    PyErr_Format(PyExc_ValueError, "too many dimensions '%s'", python_type_name(list));
    return false;
}

static bool find_sizes(PyObject *o, struct shape *s)
{
    PyObject *at = Py_NewRef(o);
    s->ndim = 0;
    while (is_data_sequence(at)) {
        PyObject *list = as_list(at);
        Py_DECREF(at);
        if (!list)
            return false;
        if (s->ndim == TENSOR_MAX_DIMS) {
            too_deep(list);
            Py_DECREF(list);
            return false;
        }
        Py_ssize_t count = python_length(list);
        s->sizes[s->ndim++] = count;
        at = count ? Py_NewRef(python_item(list, 0)) : Py_NewRef(Py_None);
        Py_DECREF(list);
        if (!count)
            break;
    }
    Py_DECREF(at);
    return true;
}

/* The dtype of one number or tensor, FL_NO_DTYPE with an exception. */
static int dtype_of_one(PyObject *o)
{
    if (PyFloat_CheckExact(o))
        return dtype_default();
    if (PyBool_Check(o))
        return FL_BOOL;
    if (PyLong_Check(o))
        return FL_INT64;
    if (PyComplex_CheckExact(o))
        return dtype_complex(dtype_default());
    if (pytensor_check(o))
        return pytensor_get(o)->dtype;
    if (PyUnicode_Check(o) || PyBytes_Check(o)) {
        PyErr_Format(PyExc_TypeError, "new(): invalid data type '%s'", python_type_name(o));
        raise_hint("the elements are texts: make them numbers first, torch.tensor([float(s) for s "
                   "in texts]); words: give each a number.",
                   "元素是字符串：请先转换为数字：torch.tensor([float(s) for s in texts])；"
                   "若是单词，请先给每个词编号。");
        return FL_NO_DTYPE;
    }
    fl_tensor *t;
    int is_array = exchange_import(o, &t, NULL);
    if (is_array > 0) {
        int dtype = t->dtype;
        tensor_release(t);
        return dtype;
    }
    if (is_array == 0 && PyFloat_Check(o))
        return dtype_default();
    if (is_array == 0 && PyComplex_Check(o))
        return dtype_complex(dtype_default());
    if (is_array == 0) {
        PyErr_Format(PyExc_RuntimeError, "Could not infer dtype of %s", python_type_name(o));
        if (o == Py_None)
            raise_hint("a value is missing: leave its row out, or write float('nan') for it.",
                       "数据里有缺失值 None：请去掉那一行，或用 float('nan') 代替。");
        else
            raise_hint("a tensor is made of numbers: take the numbers out of this object first.",
                       "张量由数组成：请先从该对象里取出数。");
    }
    return FL_NO_DTYPE;
}

/* Joins the dtypes of all numbers in o, `depth` lists deep, into *dtype (FL_NO_DTYPE: none seen yet). */
static bool find_dtype(PyObject *o, int depth, int *dtype)
{
    assert(depth >= 0);
    if (!is_data_sequence(o)) {
        int one = dtype_of_one(o);
        if (one != FL_NO_DTYPE)
            *dtype = *dtype == FL_NO_DTYPE ? one : dtype_promote(*dtype, one);
        if (*dtype < 0)
            raise_error();
        return one != FL_NO_DTYPE && *dtype >= 0;
    }
    if (depth == TENSOR_MAX_DIMS) /* a list that holds itself has no end */
        return too_deep(o);
    PyObject *list = as_list(o);
    bool ok = list != NULL;
    for (Py_ssize_t i = 0; ok && i < python_length(list); i++) {
        PyObject *item = Py_NewRef(python_item(list, i)); /* what it runs may change the list */
        ok = item != o && find_dtype(item, depth + 1, dtype);
        if (item == o)
            PyErr_SetString(PyExc_TypeError, "new(): self-referential lists are incompatible");
        Py_DECREF(item);
    }
    Py_XDECREF(list);
    return ok;
}

/* ---- From Python: the numbers ---------------------------------------------------------------- */

/* Where numbers are written: as doubles when the dtype is floating, as pairs of them when it is
 * complex, else as int64. */
struct sink {
    int dtype;
    bool floating, complex;
    double *f;
    int64_t *i;
    int64_t count;
};

static bool put_overflow(struct sink *s)
{
    PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow",
                 fl_dtype_name(s->dtype));
    return false;
}

static bool put_complex(struct sink *s, double real, double imag)
{
    assert(s->complex);
    s->f[2 * s->count] = real, s->f[2 * s->count + 1] = imag;
    s->count++;
    return true;
}

static bool put_int(struct sink *s, int64_t value)
{
    if (s->complex) {
        return put_complex(s, (double)value, 0);
    } else if (s->floating) {
        s->f[s->count++] = (double)value;
    } else if (s->dtype == FL_BOOL) {
        s->i[s->count++] = value != 0;
    } else if (value < dtype_least(s->dtype) || value > dtype_most(s->dtype)) {
        return put_overflow(s);
    } else {
        s->i[s->count++] = value;
    }
    return true;
}

static bool put_float(struct sink *s, double value)
{
    if (s->complex) {
        return put_complex(s, value, 0);
    } else if (s->floating) {
        s->f[s->count++] = value;
    } else if (s->dtype == FL_BOOL) {
        s->i[s->count++] = value != 0;
    } else if (!dtype_holds(value, s->dtype)) {
        return put_overflow(s);
    } else {
        s->i[s->count++] = (int64_t)value;
    }
    return true;
}

/* uint64 alone has Python's own rules and exceptions. */
static bool put_unsigned(struct sink *s, PyObject *o)
{
    assert(s->dtype == FL_UINT64);
    PyObject *whole = PyLong_Check(o) ? Py_NewRef(o) : PyNumber_Index(o);
    if (!whole) {
        PyErr_SetString(PyExc_TypeError, "an integer is required");
        return false;
    }
    s->i[s->count++] = (int64_t)PyLong_AsUnsignedLongLong(whole);
    Py_DECREF(whole);
    return !PyErr_Occurred();
}

static bool refuse_type(const struct sink *s, PyObject *o)
{
    PyErr_Format(PyExc_TypeError,
                 s->floating ? "must be real number, not %s"
                             : "'%s' object cannot be interpreted as an integer",
                 python_type_name(o));
    return false;
}

static bool put_number(struct sink *s, PyObject *o, const fl_value *v)
{
    if (v->tag == FL_COMPLEX && s->complex)
        return put_complex(s, v->as.floats[0], v->as.floats[1]);
    if (v->tag == FL_COMPLEX && s->dtype == FL_BOOL)
        return put_int(s, v->as.floats[0] != 0 || v->as.floats[1] != 0);
    if (v->tag == FL_COMPLEX)
        return refuse_type(s, o);
    return v->tag == FL_FLOATING ? put_float(s, v->as.f) : put_int(s, v->as.i);
}

static bool put_one(struct sink *s, PyObject *o)
{
    fl_value v;
    if (s->dtype == FL_UINT64)
        return put_unsigned(s, o);
    if (PyFloat_CheckExact(o))
        return put_float(s, PyFloat_AsDouble(o));
    if (pytensor_check(o)) {
        if (pytensor_get(o)->numel != 1) {
            const bool whole = dtype_group(s->dtype) <= (int)CLASS_INTEGRAL;
            PyErr_SetString(
                whole ? PyExc_TypeError : PyExc_ValueError,
                whole ? "only integer tensors of a single element can be converted to an index"
                      : "only one element tensors can be converted to Python scalars");
            raise_hint("a list of tensors is joined by torch.stack(tensors) (or torch.cat along a "
                       "dim that they have): torch.tensor takes numbers.",
                       "张量的列表用 torch.stack(tensors) 合并（或用 torch.cat 沿已有的维拼接）："
                       "torch.tensor 只接受数。");
            return false;
        }
        if (!data_one(pytensor_get(o)))
            return false;
        if (pytensor_get(o)->dtype == FL_UINT64) { /* whose whole range a Python int has */
            PyObject *whole = data_item(pytensor_get(o), 0);
            bool put = whole && put_one(s, whole);
            Py_XDECREF(whole);
            return put;
        }
        v = tensor_number(pytensor_get(o), 0);
        return put_number(s, o, &v);
    }
    if (PyLong_CheckExact(o) && (s->floating || s->complex)) {
        double value = PyLong_AsDouble(o);
        return (value != -1 || !PyErr_Occurred()) && put_float(s, value);
    }
    int fits = data_number(o, &v);
    if (fits > 0)
        return put_number(s, o, &v);
    if (fits == 0) {
        refuse_type(s, o);
    } else if (PyErr_ExceptionMatches(PyExc_RuntimeError) ||
               PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long");
    }
    return false;
}

static bool put_all(struct sink *s, PyObject *o, const struct shape *shape, int dim)
{
    assert(dim >= 0);
    if (dim == shape->ndim)
        return put_one(s, o);
    if (!is_data_sequence(o)) {
        PyErr_SetString(PyExc_TypeError, "not a sequence");
        return false;
    }
    PyObject *list = as_list(o);
    Py_ssize_t count = list ? python_length(list) : 0;
    bool ok = list != NULL;
    if (ok && count != shape->sizes[dim]) {
        PyErr_Format(PyExc_ValueError, "expected sequence of length %lld at dim %d (got %zd)",
                     (long long)shape->sizes[dim], dim, count);
        raise_hint("all rows must have one length: fill the shorter up, or keep a list of tensors "
                   "and use nn.utils.rnn.pad_sequence.",
                   "各行的长度必须相同：请把短的补齐；或保留为张量的列表，再用 "
                   "nn.utils.rnn.pad_sequence 补齐。");
        ok = false;
    }
    for (Py_ssize_t i = 0; ok && i < count; i++) {
        PyObject *item = Py_XNewRef(python_item(list, i)); /* NULL: the list became shorter */
        ok = item && put_all(s, item, shape, dim + 1);
        Py_XDECREF(item);
    }
    Py_XDECREF(list);
    return ok;
}

/* Tells once that a list of arrays is read number by number; false with an exception. */
static bool warn_of_arrays(PyObject *data)
{
    static bool told;
    if (told || !PyList_Check(data) || PyList_Size(data) == 0 ||
        !exchange_is_array(PyList_GetItem(data, 0)))
        return true;
    told = true;
    return PyErr_WarnEx(PyExc_UserWarning,
                        "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please "
                        "consider converting the list to a single numpy.ndarray with numpy.array() "
                        "before converting to a tensor.",
                        1) == 0;
}

static fl_tensor *from_sequence(PyObject *data, int dtype)
{
    struct shape shape;
    if (!warn_of_arrays(data) || !find_sizes(data, &shape))
        return NULL;
    if (dtype == FL_NO_DTYPE && !find_dtype(data, 0, &dtype))
        return NULL;
    if (dtype == FL_NO_DTYPE)
        dtype = dtype_default();
    fl_tensor *t = tensor_new(shape.ndim, shape.sizes, dtype);
    if (!t)
        return NULL;
    struct sink sink = {
        .dtype = dtype, .floating = dtype_is_floating(dtype), .complex = dtype_is_complex(dtype)};
    int written = sink.complex ? FL_COMPLEX128 : sink.floating ? FL_FLOAT64 : FL_INT64;
    bool direct = dtype == written;
    size_t bytes = (size_t)t->numel * dtype_size(written);
    void *row = direct ? tensor_data(t) : memory_alloc(bytes);
    sink.f = row, sink.i = row;
    bool ok = (direct || row) && put_all(&sink, data, &shape, 0);
    if (ok && !direct)
        convert_elements(t->numel, tensor_data(t), dtype, (int64_t)dtype_size(dtype), row, written,
                         (int64_t)dtype_size(written));
    if (!direct)
        memory_free(row, bytes);
    if (!ok) {
        tensor_release(t);
        t = NULL;
    }
    return t;
}

fl_tensor *data_tensor(PyObject *data, int dtype)
{
    fl_tensor *shared = NULL;
    if (PyFloat_CheckExact(data))
        return tensor_from_number(fl_float(PyFloat_AsDouble(data)),
                                  dtype == FL_NO_DTYPE ? dtype_default() : dtype);
    if (pytensor_check(data))
        shared = tensor_retain(pytensor_get(data));
    else if (!python_is_sequence(data) && exchange_import(data, &shared, NULL) < 0)
        return NULL;
    if (!shared)
        return from_sequence(data, dtype);
    fl_tensor *copy = tensor_new_like(shared, dtype == FL_NO_DTYPE ? shared->dtype : dtype);
    if (copy && tensor_copy(copy, shared) < 0) {
        tensor_release(copy);
        copy = NULL;
    }
    tensor_release(shared);
    return copy;
}

/* ---- Functions of the module ----------------------------------------------------------------- */

/* What tensor, as_tensor, asarray and new_tensor are given. */
struct request {
    PyObject *data;
    fl_device device; /* of kind -1: the thread's own */
    int dtype;
    bool requires_grad;
    bool grad_given; /* requires_grad is among the arguments */
    int copy;        /* -1: only where needed */
};

static bool read_device(const char *name, struct request *r, PyObject *o)
{
    int fits = o == Py_None ? 1 : types_as_device(o, &r->device);
    if (fits == 0)
        PyErr_Format(PyExc_TypeError, "%s(): argument 'device' must be torch.device, not %s", name,
                     python_type_name(o));
    return fits > 0 && types_device_find(r->device, false);
}

/* One argument into the request: 1, 0 when no parameter is called so, -1. */
static int read_keyword(const char *name, struct request *r, PyObject *keyword, PyObject *o)
{
    assert(PyUnicode_Check(keyword));
    if (PyUnicode_CompareWithASCIIString(keyword, "requires_grad") == 0)
        return r->requires_grad = PyObject_IsTrue(o) == 1, r->grad_given = o != Py_None, 1;
    if (PyUnicode_CompareWithASCIIString(keyword, "dtype") == 0) {
        if (o == Py_None || types_as_dtype(o, &r->dtype))
            return 1;
        PyErr_Format(PyExc_TypeError, "%s(): argument 'dtype' must be torch.dtype, not %s", name,
                     python_type_name(o));
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(keyword, "device") == 0)
        return read_device(name, r, o) ? 1 : -1;
    if (PyUnicode_CompareWithASCIIString(keyword, "copy") == 0)
        return r->copy = o == Py_None ? -1 : PyObject_IsTrue(o), 1;
    if (PyUnicode_CompareWithASCIIString(keyword, "data") == 0 ||
        PyUnicode_CompareWithASCIIString(keyword, "obj") == 0)
        return r->data = o, 1;
    return PyUnicode_CompareWithASCIIString(keyword, "pin_memory") == 0;
}

/* positional: how many may come by position: data, dtype, device. */
static bool read_request(const char *name, struct request *r, int positional, PyObject *const *args,
                         Py_ssize_t nargs, PyObject *kwnames)
{
    assert(nargs >= 0 && positional >= 0);
    if (nargs > positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd were given",
                     name, positional, positional == 1 ? "" : "s", nargs);
        return false;
    }
    if (nargs > 0)
        r->data = args[0];
    if (nargs > 1 && args[1] != Py_None && !types_as_dtype(args[1], &r->dtype)) {
        PyErr_Format(PyExc_TypeError,
                     "%s(): argument 'dtype' (position 2) must be torch.dtype, not %s", name,
                     python_type_name(args[1]));
        return false;
    }
    if (nargs > 2 && !read_device(name, r, args[2]))
        return false;
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_Size(kwnames); k++) {
        PyObject *keyword = PyTuple_GetItem(kwnames, k);
        int known = read_keyword(name, r, keyword, args[nargs + k]);
        if (known == 0)
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", name,
                         keyword);
        if (known <= 0)
            return false;
    }
    if (!r->data)
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional arguments: \"data\"",
                     name);
    return r->data != NULL;
}

/* Where the result is wanted: where the program says, else beside a tensor that is given. */
static fl_device wanted_device(const struct request *r)
{
    const bool beside = r->device.kind < 0 && !device_default && pytensor_check(r->data);
    return beside ? fl_device_of(pytensor_get(r->data)) : r->device;
}

/* The result of the functions below: t (taken over), or a copy on that device; a leaf. */
static PyObject *finish(fl_tensor *t, fl_device device, bool requires_grad)
{
    if (t && (device_others || device.kind > FL_CPU)) { /* asked for here, or known already */
        struct device *d = device.kind >= 0 ? device_find(device)
                           : device_default ? device_default
                                            : &device_cpu;
        fl_tensor *there = !d                      ? NULL
                           : d == tensor_device(t) ? tensor_retain(t)
                                                   : operation_move(t, d->id);
        tensor_release(t);
        t = there;
    }
    if (t && requires_grad && autograd_set_requires_grad(t, true) < 0) {
        tensor_release(t);
        t = NULL;
        if (fl_error() == FL_RUNTIME_ERROR) {
            fl_error_clear();
            PyErr_SetString(
                PyExc_RuntimeError,
                "Only Tensors of floating point and complex dtype can require gradients");
            raise_hint(
                "whole numbers have no gradient: write them as floats, [1., 2., 3.], or give "
                "dtype=torch.float32.",
                "整数没有梯度：请写成浮点数 [1., 2., 3.]，或指定 dtype=torch.float32。");
        }
    }
    return t ? pytensor_wrap(t) : raise_error();
}

/* Warns of a tensor made from a tensor by that function; false when warnings are errors. */
static bool warn_of_copy(PyObject *data, const char *name)
{
    return !pytensor_check(data) ||
           PyErr_WarnFormat(PyExc_UserWarning, 1,
                            "To copy construct from a tensor, it is recommended to use "
                            "sourceTensor.detach().clone() or "
                            "sourceTensor.detach().clone().requires_grad_(True), rather than "
                            "%s(sourceTensor).",
                            name) == 0;
}

/* Advises where torch.tensor(losses, requires_grad=True) copies what was computed: results whose
 * history the new tensor does not have. false with an exception. */
static bool advise_of_results(PyObject *data)
{
    static struct advice advice = {
        .name = "copy_of_results",
        .english =
            "torch.tensor copies the values of computed tensors and drops their history: "
            "requires_grad=True makes a new leaf, and no gradient reaches what they were "
            "computed from.\n"
            "hint: join them with torch.stack(list) (or take sum(list)), and call backward() on "
            "that.",
        .chinese = "torch.tensor 只复制张量的数值，丢掉了计算历史：requires_grad=True "
                   "只是建立新的叶子张量，"
                   "梯度传不到它们的来源。\n"
                   "提示：请用 torch.stack(list) 合并（或 sum(list)），再对结果调用 backward()。"};
    static struct advice single = {
        .name = "copy_of_results",
        .english =
            "torch.tensor copies the value of a computed tensor and drops its history: "
            "requires_grad=True makes a new leaf, and no gradient reaches what it was computed "
            "from.\n"
            "hint: leave torch.tensor out, and call backward() on the computed tensor itself.",
        .chinese = "torch.tensor 只复制张量的数值，丢掉了计算历史：requires_grad=True "
                   "只是建立新的叶子张量，梯度传不到它的来源。\n"
                   "提示：去掉 torch.tensor，直接对算出的张量调用 backward()。"};
    PyObject *first = data;
    if (!pytensor_check(data) && python_is_sequence(data) && python_length(data))
        first = python_item(data, 0);
    bool computed = pytensor_check(first) && pytensor_get(first)->autograd &&
                    pytensor_get(first)->autograd->node;
    if (!computed || advice_give(first == data ? &single : &advice) == 0)
        return true;
    raise_error();
    return false;
}

static PyObject *data_function_tensor(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames)
{
    (void)module;
    struct request r = {.device = {-1, 0}, .dtype = FL_NO_DTYPE};
    if (!read_request("tensor", &r, 1, args, nargs, kwnames) ||
        !warn_of_copy(r.data, "torch.tensor") || (r.requires_grad && !advise_of_results(r.data)))
        return NULL;
    return finish(data_tensor(r.data, r.dtype), wanted_device(&r), r.requires_grad);
}

static PyObject *method_new_tensor(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames)
{
    struct request r = {.device = fl_device_of(pytensor_get(self)),
                        .dtype = pytensor_get(self)->dtype};
    if (!read_request("new_tensor", &r, 1, args, nargs, kwnames) ||
        !warn_of_copy(r.data, "tensor.new_tensor"))
        return NULL;
    return finish(data_tensor(r.data, r.dtype), r.device, r.requires_grad);
}

/* The data itself where it is a tensor of that dtype, shared memory where it is NumPy's, else a
 * copy. */
static PyObject *share_or_copy(struct request *r)
{
    fl_tensor *shared = NULL;
    if (pytensor_check(r->data) && r->copy <= 0) {
        int dtype = r->dtype == FL_NO_DTYPE ? pytensor_get(r->data)->dtype : r->dtype;
        fl_device there = r->device.kind >= 0 ? r->device
                          : device_default    ? device_default->id
                                              : fl_device_of(pytensor_get(r->data));
        return PyObject_CallMethod(r->data, "to", "NN", types_device(there), types_dtype(dtype));
    }
    if (r->copy <= 0 && !pytensor_check(r->data) && exchange_import(r->data, &shared, NULL) < 0)
        return NULL;
    if (shared && (r->dtype == FL_NO_DTYPE || shared->dtype == r->dtype))
        return finish(shared, r->device, r->requires_grad);
    tensor_release(shared);
    if (r->copy == 0)
        return PyErr_Format(PyExc_ValueError, "can't alias arbitrary sequence into a tensor.");
    return finish(data_tensor(r->data, r->dtype), wanted_device(r), r->requires_grad);
}

static PyObject *data_function_as_tensor(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                         PyObject *kwnames)
{
    (void)module;
    struct request r = {.device = {-1, 0}, .dtype = FL_NO_DTYPE, .copy = -1};
    return read_request("as_tensor", &r, 3, args, nargs, kwnames) ? share_or_copy(&r) : NULL;
}

/* A tensor over the memory of bytes, which are elements of the dtype; or a copy. */
static PyObject *from_bytes(const struct request *r)
{
    int dtype = r->dtype == FL_NO_DTYPE ? dtype_default() : r->dtype;
    PyObject *module = PyImport_ImportModule("flambeau._C");
    PyObject *f = module ? PyObject_GetAttrString(module, "frombuffer") : NULL;
    PyObject *given = f ? PyTuple_Pack(1, r->data) : NULL;
    PyObject *named = given ? Py_BuildValue("{sNsO}", "dtype", types_dtype(dtype), "requires_grad",
                                            r->requires_grad ? Py_True : Py_False)
                            : NULL;
    PyObject *result = named ? PyObject_Call(f, given, named) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(f);
    Py_XDECREF(given);
    Py_XDECREF(named);
    if (!result || r->copy <= 0)
        return result;
    PyObject *own = PyObject_CallMethod(result, "clone", NULL);
    Py_DECREF(result);
    return own;
}

/* result.name(), in place of result. */
static PyObject *replaced_by(PyObject *result, const char *name)
{
    PyObject *next = result ? PyObject_CallMethod(result, name, NULL) : NULL;
    Py_XDECREF(result);
    return next;
}

/* A tensor as an array: a copy keeps its history, and requires_grad counts where it was given. */
static PyObject *asarray_of_tensor(struct request *r)
{
    bool copies = r->copy > 0, requires = tensor_requires_grad(pytensor_get(r->data));
    if (requires && !r->grad_given &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad "
                     "instead of False. Pass requires_grad=False explicitly to get the old "
                     "behavior and silence this warning.",
                     1) < 0)
        return NULL;
    r->copy = copies ? -1 : r->copy;
    PyObject *result = share_or_copy(r);
    if (copies && result == r->data)
        result = replaced_by(result, "clone");
    if (!r->grad_given || requires == r->requires_grad)
        return result;
    return replaced_by(result, requires ? "detach" : "requires_grad_");
}

static PyObject *data_function_asarray(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames)
{
    (void)module;
    struct request r = {.device = {-1, 0}, .dtype = FL_NO_DTYPE, .copy = -1};
    if (!read_request("asarray", &r, 1, args, nargs, kwnames))
        return NULL;
    if (pytensor_check(r.data))
        return asarray_of_tensor(&r);
    return PyByteArray_Check(r.data) || PyBytes_Check(r.data) || PyMemoryView_Check(r.data)
               ? from_bytes(&r)
               : share_or_copy(&r);
}

PyMethodDef data_functions[] = {
    FAST("tensor", data_function_tensor,
         "tensor(data, *, dtype=None, device=None, requires_grad=False): a tensor with a copy of "
         "data."),
    FAST("as_tensor", data_function_as_tensor,
         "as_tensor(data, dtype=None, device=None): data as a tensor, without a copy where that "
         "can be."),
    FAST("asarray", data_function_asarray,
         "asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False): obj as a "
         "tensor."),
    {0},
};

PyMethodDef pytensor_data_methods[] = {
    FAST("new_tensor", method_new_tensor,
         "new_tensor(data, *, dtype=None, device=None, requires_grad=False)"),
    {0},
};
