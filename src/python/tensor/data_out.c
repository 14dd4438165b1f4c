/* What Python gets of a tensor's elements: numbers and lists of them. */
#include <assert.h>

#include "core/device.h"
#include "core/error.h"
#include "python/tensor/tensor_object.h"

PyObject *data_from_number(fl_value number)
{
    assert(value_is_number(&number));
    if (number.tag == FL_COMPLEX)
        return PyComplex_FromDoubles(number.as.floats[0], number.as.floats[1]);
    if (number.tag == FL_FLOATING)
        return PyFloat_FromDouble(number.as.f);
    return number.tag == FL_BOOLEAN ? python_bool(number.as.i) : PyLong_FromLongLong(number.as.i);
}

bool data_one(const fl_tensor *t)
{
    if (tensor_is_meta(t)) {
        PyErr_SetString(PyExc_RuntimeError, "Tensor.item() cannot be called on meta tensors");
        return false;
    }
    if (t->flags & TENSOR_IN_OBJECT) {
        tensor_refuse_in_object("_local_scalar_dense");
        return raise_error(), false;
    }
    if (!t->lanes)
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap "
                    "over calling .item() on a Tensor, please try to rewrite what you're doing "
                    "with other operations. If error is occurring somewhere inside PyTorch "
                    "internals, please file a bug report.");
    return false;
}

bool data_int(const fl_tensor *t, int64_t *out)
{
    if (!data_one(t))
        return false;
    *out = tensor_element(t, 0).as.i;
    if (t->dtype != FL_UINT64 || *out >= 0)
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "value cannot be converted to type int64_t without overflow");
    return false;
}

bool data_own(const fl_tensor *t)
{
    if (!t->lanes && !(t->flags & TENSOR_IN_OBJECT))
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "Cannot access data pointer of Tensor that doesn't have storage");
    return false;
}

PyObject *data_item(const fl_tensor *t, int64_t position)
{
    assert(position >= 0 && position < t->numel);
    fl_value v;
    switch (t->flags & TENSOR_ELSEWHERE ? FL_NO_DTYPE : (fl_dtype)t->dtype) {
    case FL_FLOAT32:
        return PyFloat_FromDouble(((const float *)tensor_data(t))[position]);
    case FL_FLOAT64:
        return PyFloat_FromDouble(((const double *)tensor_data(t))[position]);
    case FL_INT64:
        return PyLong_FromLongLong(((const int64_t *)tensor_data(t))[position]);
    case FL_UINT64:
        return PyLong_FromUnsignedLongLong(((const uint64_t *)tensor_data(t))[position]);
    default:
        v = tensor_number(t, position);
        if (v.tag == FL_INTEGER && t->dtype == FL_UINT64)
            return PyLong_FromUnsignedLongLong((uint64_t)v.as.i);
        return v.tag == FL_NONE ? raise_error() : data_from_number(v);
    }
}

static PyObject *list_of(const fl_tensor *t, int dim, int64_t *position)
{
    assert(dim >= 0 && dim <= t->ndim);
    if (dim == t->ndim)
        return data_item(t, (*position)++);
    int64_t count = t->sizes[dim];
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; list && i < count; i++) {
        PyObject *item = list_of(t, dim + 1, position);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *data_to_list(const fl_tensor *t)
{
    fl_tensor *here = data_own(t) ? tensor_host(t) : NULL;
    fl_tensor *whole = here ? tensor_contiguous(here) : NULL;
    tensor_release(here);
    if (!whole)
        return PyErr_Occurred() ? NULL : raise_error();
    int64_t position = 0;
    PyObject *list = list_of(whole, 0, &position);
    tensor_release(whole);
    return list;
}
