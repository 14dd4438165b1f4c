/* One Python value as one parameter's type: what fits, and what it becomes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "python/call/arguments.h"
#include "python/call/overrides.h"
#include "python/tensor/types.h"

/* ---- Memory for lists: the call's own words, then blocks ------------------------------------- */

struct arguments_block {
    struct arguments_block *next;
    int64_t words[];
};

static void *take_words(struct arguments *a, Py_ssize_t count)
{
    assert(count >= 0);
    if (count <= ARGUMENTS_INLINE - a->used) {
        a->used += (int)count;
        return a->words + a->used - count;
    }
    struct arguments_block *block = malloc(sizeof *block + (size_t)count * sizeof(int64_t));
    if (!block)
        return PyErr_NoMemory();
    block->next = a->more, a->more = block;
    return block->words;
}

struct arguments_list {
    struct arguments_list *next;
    Py_ssize_t count;
    fl_tensor *tensors[];
};

fl_tensor **values_list(struct arguments *a, Py_ssize_t count)
{
    assert(count >= 0);
    struct arguments_list *list = take_words(a, count + 2);
    if (!list)
        return NULL;
    list->next = a->lists, list->count = count;
    memset(list->tensors, 0, sizeof *list->tensors * (size_t)count);
    a->lists = list;
    return list->tensors;
}

void values_release(struct arguments *a)
{
    for (; a->lists; a->lists = a->lists->next)
        for (Py_ssize_t i = 0; i < a->lists->count; i++)
            tensor_release(a->lists->tensors[i]);
    while (a->more) {
        struct arguments_block *block = a->more;
        a->more = block->next;
        free(block);
    }
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* Whether a tensor is more than its elements, so that no number stands for it. */
static bool is_followed(const fl_tensor *t)
{
    return tensor_requires_grad(t) || t->lanes || (t->autograd && t->autograd->tangents);
}

/* A tensor of one element without dims that may stand for a number. */
static bool is_number_tensor(PyObject *o)
{
    return pytensor_check(o) && pytensor_get(o)->ndim == 0 && !is_followed(pytensor_get(o)) &&
           !tensor_is_meta(pytensor_get(o));
}

/* A complex one's parts stand in the call's words. */
static int number_from(struct arguments *a, PyObject *o, fl_value *out)
{
    int fits = data_number(o, out);
    if (fits == 0 && is_number_tensor(o)) {
        const fl_tensor *t = pytensor_get(o);
        int64_t whole;
        if (t->dtype == FL_UINT64)
            *out = data_int(t, &whole) ? fl_int(whole) : fl_none();
        else
            *out = data_one(t) ? tensor_number(t, 0) : fl_none();
        fits = out->tag == FL_NONE ? -1 : 1;
    }
    if (fits == 1 && out->tag == FL_COMPLEX) {
        double *parts = take_words(a, 2);
        if (!parts)
            return -1;
        memcpy(parts, out->as.floats, 2 * sizeof *parts);
        out->as.floats = parts;
    }
    return fits;
}

/* An int that is no bool: 1 and the value, 0, -1. */
static int int_from(PyObject *o, int64_t *out)
{
    if (PyLong_CheckExact(o)) {
        *out = PyLong_AsLongLong(o);
    } else if (PyBool_Check(o) || PyFloat_Check(o)) {
        return 0;
    } else if (pytensor_check(o)) {
        const fl_tensor *t = pytensor_get(o);
        if (t->ndim || !dtype_is_integral(t->dtype) || is_followed(t))
            return 0;
        return data_int(t, out) ? 1 : -1;
    } else if (PyIndex_Check(o)) {
        PyObject *number = PyNumber_Index(o);
        if (!number) {
            PyErr_Clear(); /* an array of several elements has __index__ too */
            return 0;
        }
        *out = PyLong_AsLongLong(number);
        Py_DECREF(number);
    } else {
        return 0;
    }
    return *out == -1 && PyErr_Occurred() ? raise_overflow() : 1;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static int refuse_element(const char *name, const struct op_param *p, Py_ssize_t at,
                          const char *wanted, PyObject *o)
{
    PyErr_Format(
        PyExc_TypeError,
        "%s(): argument '%s' failed to unpack the object at pos %zd with error \"type must be "
        "tuple of %s,but got %s\"",
        name, p->name, at + 1, wanted, python_type_name(o));
    return -1;
}

/* An element that is an int but none of 64 bits: the same exception, which names its place. */
static int locate_overflow(const char *name, const struct op_param *p, Py_ssize_t at)
{
    if (!PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError,
                 "%s(): argument '%s' failed to unpack the object at pos %zd with error \"Overflow "
                 "when unpacking long long\n\"",
                 name, p->name, at + 1);
    return -1;
}

static int ints_from(struct arguments *a, const char *name, const struct op_param *p, PyObject *o,
                     fl_value *out)
{
    int64_t one;
    if (!python_is_sequence(o)) {
        int fits = p->list_size ? int_from(o, &one) : 0;
        if (fits == 0 && p->list_size && pytensor_check(o) && pytensor_get(o)->numel == 1 &&
            dtype_is_integral(pytensor_get(o)->dtype)) {
            fits = data_int(pytensor_get(o), &one) ? 1 : -1;
        }
        if (fits <= 0)
            return fits;
        int64_t *ints = take_words(a, p->list_size);
        if (!ints)
            return -1;
        for (int i = 0; i < p->list_size; i++)
            ints[i] = one;
        *out = (fl_value){.tag = FL_INTS, .count = p->list_size, .as.ints = ints};
        return 1;
    }
    Py_ssize_t count = python_length(o);
    if (op_check_ints(name, p, count))
        return raise_error(), -1;
    int64_t *ints = take_words(a, count);
    if (!ints)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = Py_XNewRef(python_item(o, i)); /* its __index__ may change the list */
        if (!item)
            return -1;
        int fits = int_from(item, &ints[i]);
        if (fits < 0)
            fits = locate_overflow(name, p, i);
        else if (fits == 0 && i > 0)
            fits = refuse_element(name, p, i, "ints", item);
        Py_DECREF(item);
        if (fits <= 0)
            return fits;
    }
    *out = (fl_value){.tag = FL_INTS, .count = (uint32_t)count, .as.ints = ints};
    return 1;
}

int values_from_ints(struct arguments *a, const char *name, const struct op_param *p,
                     PyObject *const *args, Py_ssize_t count, fl_value *out)
{
    if (op_check_ints(name, p, count))
        return raise_error(), -1;
    int64_t *ints = take_words(a, count);
    if (!ints)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        int fits = int_from(args[i], &ints[i]);
        if (fits < 0)
            return locate_overflow(name, p, i);
        if (fits == 0)
            return i == 0 ? 0 : refuse_element(name, p, i, "ints", args[i]);
    }
    *out = (fl_value){.tag = FL_INTS, .count = (uint32_t)count, .as.ints = ints};
    return 1;
}

static int floats_from(struct arguments *a, const char *name, const struct op_param *p, PyObject *o,
                       fl_value *out)
{
    bool single = !python_is_sequence(o);
    if (single && !p->list_size)
        return 0;
    Py_ssize_t count = single ? p->list_size : python_length(o);
    double *floats = take_words(a, count);
    if (!floats)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        fl_value number;
        PyObject *item = Py_XNewRef(single ? o : python_item(o, i));
        int fits = item ? number_from(a, item, &number) : -1;
        if (fits == 1 && number.tag == FL_COMPLEX)
            fits = 0;
        if (fits == 0 && i > 0)
            fits = refuse_element(name, p, i, "floats", item);
        Py_XDECREF(item);
        if (fits <= 0)
            return fits;
        floats[i] = number.tag == FL_FLOATING ? number.as.f : (double)number.as.i;
    }
    *out = (fl_value){.tag = FL_FLOATS, .count = (uint32_t)count, .as.floats = floats};
    return 1;
}

static int tensors_from(struct arguments *a, const struct op_param *p, PyObject *o,
                        Py_ssize_t position, fl_value *out)
{
    if (!python_is_sequence(o))
        return 0;
    Py_ssize_t count = python_length(o);
    fl_tensor **tensors = values_list(a, count);
    if (!tensors)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = python_item(o, i);
        if (!item)
            return -1;
        if (pytensor_check(item)) {
            tensors[i] = tensor_retain(pytensor_get(item));
            a->shown |= overrides_wants(item);
        } else if (item != Py_None && overrides_wants(item)) {
            a->shown = true; /* no tensor, but of a class that takes calls: they go no further */
        } else if (item != Py_None || !p->elements_optional) {
            PyErr_Format(PyExc_TypeError,
                         "expected Tensor as element %zd in argument %zd, but got %s", i,
                         position < 0 ? 0 : position, python_type_name(item));
            return -1;
        }
    }
    *out = (fl_value){.tag = FL_TENSORS, .count = (uint32_t)count, .as.tensors = tensors};
    return 1;
}

/* ---- The rest -------------------------------------------------------------------------------- */

static int bool_from(PyObject *o, fl_value *out)
{
    if (PyBool_Check(o))
        return *out = fl_boolean(o == Py_True), 1;
    if (is_number_tensor(o) && pytensor_get(o)->dtype == FL_BOOL)
        return data_one(pytensor_get(o))
                   ? (*out = fl_boolean(tensor_element(pytensor_get(o), 0).as.i), 1)
                   : -1;
    if (PyLong_Check(o) || PyFloat_Check(o))
        return 0;
    int fits = data_number(o, out); /* NumPy's bool */
    return fits == 1 && out->tag == FL_BOOLEAN ? 1 : fits < 0 ? -1 : 0;
}

static int float_from(struct arguments *a, PyObject *o, fl_value *out)
{
    if (PyFloat_CheckExact(o))
        return *out = fl_float(PyFloat_AsDouble(o)), 1;
    if (PyLong_CheckExact(o)) {
        double f = PyLong_AsDouble(o);
        if (f == -1 && PyErr_Occurred())
            return -1;
        return *out = fl_float(f), 1;
    }
    fl_value number;
    int fits = number_from(a, o, &number);
    if (fits == 1 && number.tag == FL_COMPLEX)
        return 0;
    if (fits == 1)
        *out = number.tag == FL_FLOATING ? number : fl_float((double)number.as.i);
    return fits;
}

static int device_from(PyObject *o, fl_value *out)
{
    *out = (fl_value){.tag = FL_DEVICE};
    int fits = types_as_device(o, &out->as.device);
    return fits > 0 && !types_device_find(out->as.device, true) ? -1 : fits;
}

static int string_from(PyObject *o, fl_value *out)
{
    if (!PyUnicode_Check(o))
        return 0;
    *out = (fl_value){.tag = FL_STRING, .as.string = PyUnicode_AsUTF8AndSize(o, NULL)};
    return out->as.string ? 1 : -1;
}

int values_from(struct arguments *a, const char *name, const struct op_param *p, PyObject *o,
                Py_ssize_t position, fl_value *out)
{
    int fits, number;
    if (o == Py_None) { /* PyTorch's parser takes it for an empty list that is the default */
        bool empty = p->type == TYPE_INTS && p->has_default && p->value.count == 0;
        *out = empty && !p->optional ? p->value : fl_none();
        return p->optional || empty;
    }
    switch (p->type) {
    case TYPE_TENSOR:
        return 0;
    case TYPE_OPERAND:
    case TYPE_SCALAR:
        fits = number_from(a, o, out);
        if (fits >= 0)
            return fits;
        a->wide = true;
        return data_wide_number(o, FL_UINT64, out);
    case TYPE_TENSORS:
        return tensors_from(a, p, o, position, out);
    case TYPE_INT:
        *out = fl_int(0);
        return int_from(o, &out->as.i);
    case TYPE_INTS:
        return ints_from(a, name, p, o, out);
    case TYPE_FLOAT:
        return float_from(a, o, out);
    case TYPE_FLOATS:
        return floats_from(a, name, p, o, out);
    case TYPE_BOOL:
        return bool_from(o, out);
    case TYPE_DTYPE:
        fits = types_as_dtype(o, &number);
        *out = (fl_value){.tag = FL_DTYPE, .as.i = fits ? number : 0};
        return fits;
    case TYPE_DEVICE:
        return device_from(o, out);
    case TYPE_LAYOUT:
        *out = fl_int(LAYOUT_STRIDED);
        return types_as_layout(o);
    case TYPE_MEMORY_FORMAT:
        fits = types_as_memory_format(o, &number);
        *out = fl_int(fits ? number : 0);
        return fits;
    case TYPE_STRING:
        return string_from(o, out);
    case TYPE_GENERATOR:
        *out = (fl_value){.tag = FL_GENERATOR};
        return generator_from(o, &out->as.generator);
    default:
        return 0;
    }
}
