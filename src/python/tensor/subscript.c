/* x[...] and x[...] = v.
 *
 * A key is read from left to right. Integers, slices, None and Ellipsis only change sizes, strides
 * and the offset: together they make one view. Where the view must be recorded, each of them is a
 * call of select, slice or unsqueeze instead. Index tensors, masks and lists are gathered on the
 * way, each at the dim of the view that it stands for, and given to index or index_put_.
 *
 * Reading an item may run the program's code (__index__, what a list holds), which may give the
 * tensor other memory: the view is made on the storage that was there at the start, or not at all.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "autograd/operations.h"
#include "ops/index/index.h"
#include "python/call/arguments.h"
#include "python/call/overrides.h"

/* The view so far. */
struct subscript {
    fl_tensor *self;         /* borrowed */
    struct storage *storage; /* self's at the start (a reference) */
    fl_tensor *view; /* recorded: what the calls so far gave (owned), NULL before the first */
    bool recorded;
    int ndim, dim; /* dims of the view; the one that the next item speaks of */
    int real_dim;  /* the dim of self that it is, for messages */
    int64_t offset;
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    int behind;  /* dims that masks took beyond the one entry that each has in index */
    int indices; /* entries of index in use, NULL where a dim is taken whole */
    fl_tensor *index[TENSOR_MAX_DIMS]; /* owned */
};

/* Whether somebody wants to see each step: the graph, or a transform of functions. */
static bool in_steps(const fl_tensor *t)
{
    return autograd_mode.interpose & INTERPOSE_TRANSFORMS ||
           (autograd_mode.grad && tensor_requires_grad(t));
}

static void subscript_begin(struct subscript *s, fl_tensor *self, bool recorded)
{
    assert(self->ndim <= TENSOR_MAX_DIMS && self->storage);
    s->self = self;
    s->storage = storage_retain(self->storage);
    s->view = NULL;
    s->recorded = recorded;
    s->ndim = self->ndim;
    s->dim = s->real_dim = s->indices = s->behind = 0;
    s->offset = self->offset;
    for (int i = 0; i < self->ndim; i++)
        s->sizes[i] = self->sizes[i], s->strides[i] = self->strides[i];
}

static void subscript_end(struct subscript *s)
{
    assert(s->storage);
    storage_release(s->storage);
    if (s->view)
        tensor_release(s->view);
    for (int i = 0; i < s->indices; i++)
        tensor_release(s->index[i]);
}

/* A view as the door makes it when nothing is recorded. */
static fl_tensor *plain_view(fl_tensor *self, int ndim, const int64_t *sizes,
                             const int64_t *strides, int64_t offset)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    fl_tensor *y = tensor_alias(self, ndim, sizes, strides, offset);
    if (y && !(self->flags & TENSOR_INFERENCE))
        tensor_set_base(y, self, autograd_creation());
    return y;
}

/* One recorded step: the view becomes what the operator gives for it. */
static bool step(struct subscript *s, const fl_op *op, const struct named_value *named)
{
    assert(op && (s->view || s->self));
    fl_tensor *y = pytensor_call(op, s->view ? s->view : s->self, named);
    if (!y)
        return raise_error(), false;
    tensor_release(s->view);
    s->view = y;
    return true;
}

#define STEP(s, name, ...)                                                                         \
    static const fl_op *op;                                                                        \
    if ((s)->recorded && ((!op && !(op = pytensor_operator(name))) ||                              \
                          !step(s, op, (struct named_value[]){__VA_ARGS__, {0}})))                 \
    return false

/* ---- One item of the key --------------------------------------------------------------------- */

/* What indices a dim of this size has. NULL. */
static PyObject *__attribute__((cold)) hint_of_index(int64_t size)
{
    char english[160], chinese[200];
    long long end = size;
    snprintf(english, sizeof english,
             end ? "indices run from 0 to %lld, or from -%lld to -1." : "the dim is empty.",
             end - 1, end);
    snprintf(chinese, sizeof chinese,
             end ? "下标超出范围：应在 0 到 %lld 之间，或从末尾数的 -%lld 到 -1。"
                 : "该维是空的，没有任何下标可用。",
             end - 1, end);
    return raise_hint(english, chinese);
}

static bool take_int(struct subscript *s, int64_t i)
{
    if (s->dim >= s->ndim) {
        PyErr_SetString(PyExc_IndexError,
                        s->self->ndim
                            ? "too many indices for tensor"
                            : "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                              "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
        return false;
    }
    int64_t size = s->sizes[s->dim];
    if (i < -size || i >= size) {
        PyErr_Format(PyExc_IndexError,
                     "index %lld is out of bounds for dimension %d with size %lld", (long long)i,
                     s->real_dim, (long long)size);
        hint_of_index(size);
        return false;
    }
    i += i < 0 ? size : 0;
    STEP(s, "select", {"dim", fl_int(s->dim)}, {"index", fl_int(i)});
    s->offset += i * s->strides[s->dim];
    s->ndim--;
    for (int d = s->dim; d < s->ndim; d++)
        s->sizes[d] = s->sizes[d + 1], s->strides[d] = s->strides[d + 1];
    s->real_dim++;
    return true;
}

static bool refuse_many(const struct subscript *s)
{
    PyErr_Format(PyExc_IndexError, "too many indices for tensor of dimension %d", s->self->ndim);
    return false;
}

static bool take_slice(struct subscript *s, PyObject *slice)
{
    assert(PySlice_Check(slice));
    Py_ssize_t start, stop, by;
    if (PySlice_Unpack(slice, &start, &stop, &by) < 0)
        return false;
    if (by <= 0) {
        PyErr_SetString(PyExc_ValueError, "step must be greater than zero");
        return false;
    }
    if (s->dim >= s->ndim) { /* behind a second Ellipsis */
        bool whole = start == 0 && stop == PY_SSIZE_T_MAX && by == 1;
        s->dim++, s->real_dim++;
        return whole || refuse_many(s);
    }
    int64_t size = s->sizes[s->dim];
    Py_ssize_t count = PySlice_AdjustIndices((Py_ssize_t)size, &start, &stop, by);
    if (start != 0 || count != size || by != 1) {
        STEP(s, "slice", {"dim", fl_int(s->dim)}, {"start", fl_int(start)}, {"end", fl_int(stop)},
             {"step", fl_int(by)});
        s->offset += count ? start * s->strides[s->dim] : 0;
        s->sizes[s->dim] = count;
        s->strides[s->dim] *= by;
    }
    s->dim++, s->real_dim++;
    return true;
}

static bool take_none(struct subscript *s)
{
    if (s->dim > s->ndim) {
        PyErr_Format(PyExc_IndexError,
                     "Dimension out of range (expected to be in range of [%d, %d], but got %d)",
                     -s->ndim - 1, s->ndim, s->dim);
        return false;
    }
    if (s->ndim == TENSOR_MAX_DIMS) {
        PyErr_Format(PyExc_IndexError, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
        return false;
    }
    STEP(s, "unsqueeze", {"dim", fl_int(s->dim)});
    for (int d = s->ndim; d > s->dim; d--)
        s->sizes[d] = s->sizes[d - 1], s->strides[d] = s->strides[d - 1];
    s->strides[s->dim] = s->dim < s->ndim ? s->sizes[s->dim + 1] * s->strides[s->dim + 1] : 1;
    s->sizes[s->dim] = 1;
    s->ndim++, s->dim++;
    return true;
}

/* Notes an index tensor (taken over) for the dim at hand. */
static bool take_index(struct subscript *s, fl_tensor *index)
{
    if (!index)
        return raise_error(), false;
    if (s->dim >= TENSOR_MAX_DIMS) {
        tensor_release(index);
        PyErr_SetString(PyExc_IndexError, "too many indices for tensor");
        return false;
    }
    while (s->indices < s->dim - s->behind)
        s->index[s->indices++] = NULL;
    s->index[s->indices++] = index;
    int dims = index->dtype == FL_BOOL ? index->ndim : 1;
    s->behind += dims - 1;
    s->dim += dims, s->real_dim += dims;
    return true;
}

/* True and False as an index: a new dim, taken whole or not at all. */
static bool take_truth(struct subscript *s, bool truth)
{
    int64_t size = truth;
    if (!take_none(s))
        return false;
    s->dim--, s->real_dim--;
    fl_tensor *index = tensor_new(1, &size, FL_INT64);
    if (index && truth)
        *(int64_t *)tensor_data(index) = 0;
    return take_index(s, index);
}

static bool take_tensor(struct subscript *s, fl_tensor *t)
{
    if (t->dtype != FL_INT64 && t->dtype != FL_INT32 && t->dtype != FL_UINT8 &&
        t->dtype != FL_BOOL) {
        PyErr_SetString(PyExc_IndexError,
                        "tensors used as indices must be long, int, byte or bool tensors");
        raise_hint("positions are integers: x[index.long()].", "下标必须是整数：x[index.long()]。");
        return false;
    }
    if (t->lanes && (t->dtype == FL_BOOL || t->dtype == FL_UINT8)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "vmap: We do not support batching operators that can support dynamic "
                        "shape. Attempting to batch over indexing with a boolean mask.");
        return false;
    }
    if (t->lanes) { /* no number, nor memory to convert */
        fl_tensor *index = t->dtype == FL_INT32 ? operation_cast(t, FL_INT64) : tensor_retain(t);
        return take_index(s, index);
    }
    bool is_mask = t->dtype == FL_BOOL || t->dtype == FL_UINT8;
    if (mask_warn(t))
        return raise_error(), false;
    if (t->ndim == 0 && !data_one(t))
        return false;
    if (t->ndim == 0 && is_mask)
        return take_truth(s, tensor_element(t, 0).as.i != 0);
    if (t->ndim == 0)
        return take_int(s, tensor_element(t, 0).as.i);
    return take_index(s, t->dtype == FL_UINT8   ? tensor_as(t, FL_BOOL)
                         : t->dtype == FL_INT32 ? tensor_as(t, FL_INT64)
                                                : tensor_retain(t));
}

static bool take_data(struct subscript *s, PyObject *item)
{
    bool empty = python_is_sequence(item) && python_length(item) == 0;
    fl_tensor *t = data_tensor(item, empty ? FL_INT64 : FL_NO_DTYPE);
    if (!t)
        return raise_error(), false;
    bool ok = take_tensor(s, t);
    tensor_release(t);
    return ok;
}

static bool refuse_item(PyObject *item)
{
    PyErr_Format(
        PyExc_IndexError,
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        "indices (got %s)",
        python_type_name(item));
    return false;
}

/* `whole`: how many dims an Ellipsis stands for. */
static bool take_item(struct subscript *s, PyObject *item, int whole)
{
    if (item == Py_None)
        return take_none(s);
    if (item == Py_Ellipsis)
        return s->dim += whole, s->real_dim += whole, true;
    if (PyBool_Check(item))
        return take_truth(s, item == Py_True);
    if (PySlice_Check(item))
        return take_slice(s, item);
    if (pytensor_check(item))
        return take_tensor(s, pytensor_get(item));
    if (!PyLong_Check(item) && PySequence_Check(item) && !PyUnicode_Check(item) &&
        !PyBytes_Check(item))
        return take_data(s, item);
    if (PyIndex_Check(item)) {
        Py_ssize_t i = PyNumber_AsSsize_t(item, PyExc_IndexError);
        return (i != -1 || !PyErr_Occurred()) && take_int(s, i);
    }
    return refuse_item(item);
}

/* How many dims of self an item speaks of. */
static int dims_of(PyObject *item)
{
    if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item))
        return 0;
    if (!pytensor_check(item))
        return 1;
    const fl_tensor *t = pytensor_get(item);
    return t->dtype == FL_BOOL || t->dtype == FL_UINT8 ? t->ndim : 1;
}

/* PyTorch's rule for lists of less than 32 items: one that holds a slice, a sequence, a tensor,
 * None or Ellipsis is read as a tuple. */
static bool is_like_tuple(PyObject *key)
{
    bool like = false;
    Py_ssize_t count = PyList_Check(key) ? PyList_Size(key) : 0;
    for (Py_ssize_t i = 0; i < count && count < 32; i++) {
        PyObject *item = PyList_GetItem(key, i);
        like |= item == Py_None || item == Py_Ellipsis || PySlice_Check(item) ||
                pytensor_check(item) || PySequence_Check(item);
    }
    return like;
}

static bool take_key(struct subscript *s, PyObject *key)
{
    if (is_like_tuple(key)) {
        static const char TOLD[] =
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be "
            "changed in pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will "
            "be interpreted as tensor index, x[torch.tensor(seq)], which will result either in an "
            "error or a different result";
        PyObject *tuple = PyList_AsTuple(key);
        bool ok = tuple && PyErr_WarnEx(PyExc_UserWarning, TOLD, 1) == 0 && take_key(s, tuple);
        Py_XDECREF(tuple);
        return ok;
    }
    bool is_tuple = PyTuple_Check(key);
    Py_ssize_t count = is_tuple ? PyTuple_Size(key) : 1;
    int dims = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        dims += dims_of(is_tuple ? PyTuple_GetItem(key, i) : key);
    if (dims > s->self->ndim) {
        if (s->self->ndim == 0 && dims == 1 && count == 1 &&
            PyIndex_Check(is_tuple ? PyTuple_GetItem(key, 0) : key))
            return take_int(s, 0);
        PyErr_Format(PyExc_IndexError, "too many indices for tensor of dimension %d",
                     s->self->ndim);
        return false;
    }
    int whole = s->self->ndim - dims;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!take_item(s, is_tuple ? PyTuple_GetItem(key, i) : key, whole))
            return false;
    return true;
}

/* The view that the basic items make: a new reference, NULL with an exception. */
static fl_tensor *take_view(struct subscript *s)
{
    if (s->recorded && !s->view) { /* the whole tensor as a view */
        STEP(s, "expand",
             {"size", {.tag = FL_INTS, .count = (uint32_t)s->ndim, .as.ints = s->sizes}});
    }
    if (s->recorded)
        return tensor_retain(s->view);
    if (s->self->storage != s->storage) {
        PyErr_SetString(PyExc_IndexError, "the tensor was given other memory by its own index");
        return NULL;
    }
    fl_tensor *y = plain_view(s->self, s->ndim, s->sizes, s->strides, s->offset);
    if (!y)
        raise_error();
    return y;
}

/* Whether the key indexes t itself, with no view before. */
static bool take_whole(const struct subscript *s, const fl_tensor *t)
{
    return s->indices && !s->view && s->ndim == t->ndim && s->offset == t->offset &&
           memcmp(s->sizes, t->sizes, (size_t)t->ndim * sizeof *s->sizes) == 0 &&
           memcmp(s->strides, t->strides, (size_t)t->ndim * sizeof *s->strides) == 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static PyObject *gather(struct subscript *s, fl_tensor *from)
{
    OPERATOR(op, "index");
    struct arguments a;
    fl_value result;
    a.value[0] = fl_tensor_value(from);
    a.value[1] =
        (fl_value){.tag = FL_TENSORS, .count = (uint32_t)s->indices, .as.tensors = s->index};
    return arguments_run(op, &a, &result) == 0 ? pytensor_wrap(result.as.tensor) : raise_error();
}

/* x[i], the commonest: one view without any table. */
static PyObject *row(fl_tensor *t, int64_t i)
{
    assert(t->ndim >= 1);
    if (i < -t->sizes[0] || i >= t->sizes[0]) {
        PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for dimension 0 with size %lld",
                     (long long)i, (long long)t->sizes[0]);
        return hint_of_index(t->sizes[0]);
    }
    i += i < 0 ? t->sizes[0] : 0;
    return pytensor_wrap(
        plain_view(t, t->ndim - 1, t->sizes + 1, t->strides + 1, t->offset + i * t->strides[0]));
}

PyObject *subscript_get(PyObject *self, PyObject *key)
{
    if (overrides_wants(self))
        return overrides_method("__getitem__", self, key, NULL);
    fl_tensor *t = pytensor_get(self);
    bool recorded = in_steps(t);
    if (PyLong_CheckExact(key) && t->ndim && !recorded) {
        int64_t i = PyLong_AsLongLong(key);
        if (i != -1 || !PyErr_Occurred())
            return row(t, i);
        PyErr_Clear();
        PyErr_SetString(PyExc_IndexError, "cannot fit 'int' into an index-sized integer");
        return NULL;
    }
    struct subscript s;
    PyObject *result = NULL;
    subscript_begin(&s, t, recorded);
    if (take_key(&s, key)) {
        fl_tensor *view = take_whole(&s, t) ? tensor_retain(t) : take_view(&s);
        if (view && s.indices) {
            result = gather(&s, view);
            tensor_release(view);
        } else if (view) {
            result = pytensor_wrap(view);
        }
    }
    subscript_end(&s);
    return result;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* What is assigned as a tensor: a new reference. */
static fl_tensor *value_tensor(const fl_tensor *self, PyObject *value)
{
    fl_value number;
    if (pytensor_check(value))
        return tensor_retain(pytensor_get(value));
    int fits = data_number(value, &number);
    if (fits == 0)
        PyErr_Format(PyExc_TypeError, "can't assign a %s to a torch.%sTensor",
                     python_type_name(value), dtype_title(self->dtype));
    if (fits < 0)
        raise_overflow();
    if (fits <= 0)
        return NULL;
    /* A number for half precision becomes a float32 first. */
    bool half = dtype_is_narrow(self->dtype);
    fl_tensor *t = number_check(number, half ? FL_FLOAT32 : self->dtype)
                       ? NULL
                       : tensor_from_number(number, self->dtype);
    if (!t)
        raise_error();
    return t;
}

/* value as another operator shows it with these sizes. Takes over value. */
static fl_tensor *resized(fl_tensor *value, const fl_op **op, const char *name, const char *param,
                          int ndim, const int64_t *sizes)
{
    fl_value list = {.tag = FL_INTS, .count = (uint32_t)ndim, .as.ints = sizes};
    fl_tensor *y = NULL;
    if (*op || (*op = pytensor_operator(name))) {
        y = pytensor_call(*op, value, (struct named_value[]){{param, list}, {0}});
        if (!y)
            raise_error();
    }
    tensor_release(value);
    return y;
}

/* value without leading dims of size 1, as long as it has more than so many dims. Takes over value.
 */
static fl_tensor *trim(fl_tensor *value, int ndim)
{
    assert(ndim >= 0);
    assert(ndim >= 0);
    static const fl_op *reshape;
    int extra = 0;
    while (value->ndim - extra > ndim && value->sizes[extra] == 1)
        extra++;
    return extra ? resized(value, &reshape, "reshape", "shape", value->ndim - extra,
                           value->sizes + extra)
                 : value;
}

/* `value` as what is copied into a view of these sizes: trimmed, and expanded, which says what does
 * not fit. Takes over value. */
static fl_tensor *fit_value(fl_tensor *value, const fl_tensor *to)
{
    static const fl_op *expand;
    value = trim(value, to->ndim);
    return !value || value->ndim == 0 || shape_equal(value, to)
               ? value
               : resized(value, &expand, "expand", "size", to->ndim, to->sizes);
}

static int run_writer(const char *name, const fl_op **op, struct arguments *a, int given)
{
    fl_value result;
    if (!*op && !(*op = pytensor_operator(name)))
        return -1;
    for (int i = given; i < (*op)->params; i++)
        a->value[i] = (*op)->param[i].has_default ? (*op)->param[i].value : fl_none();
    if (arguments_run(*op, a, &result) != 0)
        return raise_error(), -1;
    fl_value_release(&result);
    return 0;
}

/* Writes value (taken over) where the subscript says. */
static int store(struct subscript *s, fl_tensor *to, fl_tensor *value)
{
    static const fl_op *copy, *put;
    struct arguments a;
    int status = -1;
    a.value[0] = fl_tensor_value(to);
    if (s->indices && (value = trim(value, 0))) {
        a.value[1] =
            (fl_value){.tag = FL_TENSORS, .count = (uint32_t)s->indices, .as.tensors = s->index};
        a.value[2] = fl_tensor_value(value);
        status = run_writer("index_put_", &put, &a, 3);
    } else if (!s->indices && (value = fit_value(value, to))) {
        a.value[1] = fl_tensor_value(value);
        status = run_writer("copy_", &copy, &a, 2);
    }
    if (value)
        tensor_release(value);
    return status;
}

int subscript_set(PyObject *self, PyObject *key, PyObject *value)
{
    if (value && overrides_wants(self)) {
        PyObject *shown = overrides_method("__setitem__", self, key, value);
        Py_XDECREF(shown);
        return shown ? 0 : -1;
    }
    fl_tensor *t = pytensor_get(self);
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Tensor does not support deleting items");
        return -1;
    }
    struct subscript s;
    int status = -1;
    fl_tensor *from = value_tensor(t, value);
    subscript_begin(&s, t, in_steps(t));
    if (from && take_key(&s, key)) {
        fl_tensor *to = take_whole(&s, t) ? tensor_retain(t) : take_view(&s);
        if (to) {
            status = store(&s, to, from);
            from = NULL;
            tensor_release(to);
        }
    }
    if (from)
        tensor_release(from);
    subscript_end(&s);
    return status;
}
