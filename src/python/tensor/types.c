/* dtype, Size, layout and memory_format: what they print, how they compare, what they convert to.
 *
 * The names they print are PyTorch's ("torch.float32"), because programs print and compare them.
 */
#include "python/tensor/types.h"

#include <stdlib.h>
#include <string.h>

PyTypeObject *types_size_type, *types_dtype_type;
static PyTypeObject *layout_type, *format_type;

/* ---- dtype ----------------------------------------------------------------------------------- */

struct dtype_object {
    PyObject_HEAD int dtype;
};

static PyObject *dtype_objects[FL_DTYPE_COUNT];

static int dtype_of(PyObject *o)
{
    return ((struct dtype_object *)o)->dtype;
}

PyObject *types_dtype(int dtype)
{
    assert(dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    return Py_NewRef(dtype_objects[dtype]);
}

int types_as_dtype(PyObject *o, int *dtype)
{
    if (Py_IS_TYPE(o, types_dtype_type))
        return *dtype = dtype_of(o), 1;
    if (o == (PyObject *)&PyFloat_Type)
        return *dtype = FL_FLOAT64, 1;
    if (o == (PyObject *)&PyLong_Type)
        return *dtype = FL_INT64, 1;
    if (o == (PyObject *)&PyBool_Type)
        return *dtype = FL_BOOL, 1;
    if (o == (PyObject *)&PyComplex_Type)
        return *dtype = FL_COMPLEX128, 1;
    return 0;
}

static PyObject *dtype_repr(PyObject *self)
{
    return PyUnicode_FromFormat("torch.%s", fl_dtype_name(dtype_of(self)));
}

static PyObject *dtype_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_FromString(fl_dtype_name(dtype_of(self)));
}

static PyObject *dtype_floating(PyObject *self, void *unused)
{
    (void)unused;
    return python_bool(dtype_is_floating(dtype_of(self)));
}

static PyObject *dtype_is_complex_(PyObject *self, void *unused)
{
    (void)unused;
    return python_bool(dtype_is_complex(dtype_of(self)));
}

static PyObject *dtype_signed(PyObject *self, void *unused)
{
    (void)unused;
    return python_bool(dtype_is_signed(dtype_of(self)));
}

static PyObject *dtype_itemsize(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(dtype_size(dtype_of(self)));
}

static PyObject *dtype_to_real(PyObject *self, PyObject *unused)
{
    (void)unused;
    return types_dtype(dtype_real(dtype_of(self)));
}

static PyObject *dtype_to_complex(PyObject *self, PyObject *unused)
{
    (void)unused;
    int dtype = dtype_complex_of(dtype_of(self));
    return dtype < 0 ? raise_error() : types_dtype(dtype);
}

static PyMethodDef dtype_methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, NULL},
    {"to_real", dtype_to_real, METH_NOARGS, "The dtype of the real part."},
    {"to_complex", dtype_to_complex, METH_NOARGS, "The complex dtype whose parts are as wide."},
    {0},
};

static PyGetSetDef dtype_properties[] = {
    {"is_floating_point", dtype_floating, NULL, "Whether it is a floating-point dtype.", NULL},
    {"is_complex", dtype_is_complex_, NULL, "Whether it is a complex dtype.", NULL},
    {"is_signed", dtype_signed, NULL, "Whether it holds negative numbers.", NULL},
    {"itemsize", dtype_itemsize, NULL, "Bytes of an element.", NULL},
    {0},
};

static PyType_Spec dtype_spec = {
    .name = "flambeau.dtype",
    .basicsize = sizeof(struct dtype_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots =
        (PyType_Slot[]){
            SLOT(Py_tp_repr, dtype_repr),
            SLOT(Py_tp_methods, dtype_methods),
            SLOT(Py_tp_getset, dtype_properties),
            {0},
        },
};

static int dtype_init(PyObject *module)
{
    types_dtype_type = (PyTypeObject *)PyType_FromSpec(&dtype_spec);
    if (!types_dtype_type ||
        PyModule_AddObjectRef(module, "dtype", (PyObject *)types_dtype_type) < 0)
        return -1;
    for (int i = FL_BOOL; i < FL_DTYPE_COUNT; i++) {
        struct dtype_object *o = PyObject_New(struct dtype_object, types_dtype_type);
        if (!o)
            return -1;
        o->dtype = i;
        dtype_objects[i] = (PyObject *)o;
        if (PyModule_AddObjectRef(module, fl_dtype_name(i), dtype_objects[i]) < 0)
            return -1;
    }
    return 0;
}

/* ---- layout, memory_format ------------------------------------------------------------------- */

struct named_object {
    PyObject_HEAD const char *name;
    int number;
};

static const char *const format_names[FORMAT_COUNT] = {
    "contiguous_format",
    "preserve_format",
    "channels_last",
    "channels_last_3d",
};

/* Layouts and dtypes that programs compare a tensor's with and no tensor has. They have types of
 * their own, so that what takes a layout or a dtype refuses them. */
static const char *const layouts_absent[] = {
    "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc",
};
static const char *const dtypes_absent[] = {"complex32", "float4_e2m1fn_x2"};
#define COUNT(names) (sizeof(names) / sizeof *(names))

static PyObject *strided;

static PyObject *named_repr(PyObject *self)
{
    return PyUnicode_FromFormat("torch.%s", ((struct named_object *)self)->name);
}

static PyObject *named_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_FromString(((struct named_object *)self)->name);
}

static PyMethodDef named_methods[] = {
    {"__reduce__", named_reduce, METH_NOARGS, NULL},
    {0},
};

static PyType_Slot named_slots[] = {
    SLOT(Py_tp_repr, named_repr),
    SLOT(Py_tp_methods, named_methods),
    {0},
};

static PyTypeObject *named_type(const char *name)
{
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(struct named_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = named_slots,
    };
    return (PyTypeObject *)PyType_FromSpec(&spec);
}

static PyObject *named_add(PyObject *module, PyTypeObject *type, const char *name, int number)
{
    struct named_object *o = PyObject_New(struct named_object, type);
    if (!o)
        return NULL;
    o->name = name, o->number = number;
    return PyModule_AddObjectRef(module, name, (PyObject *)o) < 0 ? NULL : (PyObject *)o;
}

static int absent_add(PyObject *module, const char *title, const char *const *names, size_t count)
{
    PyTypeObject *type = named_type(title);
    for (size_t i = 0; type && i < count; i++) {
        PyObject *o = named_add(module, type, names[i], 0);
        if (!o)
            return -1;
        Py_DECREF(o);
    }
    return type ? 0 : -1;
}

static int named_init(PyObject *module)
{
    layout_type = named_type("flambeau.layout");
    format_type = named_type("flambeau.memory_format");
    if (!layout_type || !format_type ||
        PyModule_AddObjectRef(module, "layout", (PyObject *)layout_type) < 0 ||
        PyModule_AddObjectRef(module, "memory_format", (PyObject *)format_type) < 0)
        return -1;
    strided = named_add(module, layout_type, "strided", LAYOUT_STRIDED);
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (!named_add(module, format_type, format_names[i], i))
            return -1;
    return !strided || absent_add(module, "flambeau.absent_layout", layouts_absent,
                                  COUNT(layouts_absent)) < 0
               ? -1
               : absent_add(module, "flambeau.absent_dtype", dtypes_absent, COUNT(dtypes_absent));
}

PyObject *types_layout(void)
{
    return Py_NewRef(strided);
}

int types_as_layout(PyObject *o)
{
    return Py_IS_TYPE(o, layout_type);
}

int types_as_memory_format(PyObject *o, int *format)
{
    if (!Py_IS_TYPE(o, format_type))
        return 0;
    *format = ((struct named_object *)o)->number;
    return 1;
}

/* ---- Size ------------------------------------------------------------------------------------ */

static newfunc tuple_new;
static ssizeargfunc tuple_repeat;
static binaryfunc tuple_concat, tuple_subscript;

PyObject *types_size(Py_ssize_t count, const int64_t *sizes)
{
    assert(count >= 0 && count <= TENSOR_MAX_DIMS);
    PyObject *size = PyType_GenericAlloc(types_size_type, count);
    for (Py_ssize_t i = 0; size && i < count; i++) {
        PyObject *n = PyLong_FromLongLong(sizes[i]);
        if (!n || PyTuple_SetItem(size, i, n) < 0)
            Py_CLEAR(size);
    }
    return size;
}

/* A tuple (stolen) as a Size; anything else as it is. */
static PyObject *size_of_tuple(PyObject *tuple)
{
    if (!tuple || !PyTuple_CheckExact(tuple))
        return tuple;
    Py_ssize_t count = PyTuple_Size(tuple);
    PyObject *size = PyType_GenericAlloc(types_size_type, count);
    for (Py_ssize_t i = 0; size && i < count; i++)
        if (PyTuple_SetItem(size, i, Py_NewRef(PyTuple_GetItem(tuple, i))) < 0)
            Py_CLEAR(size);
    Py_DECREF(tuple);
    return size;
}

static PyObject *size_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *self = tuple_new(type, args, kwargs);
    for (Py_ssize_t i = 0; self && i < PyTuple_Size(self); i++) {
        PyObject *item = PyTuple_GetItem(self, i);
        if (PyLong_Check(item))
            continue;
        PyObject *number = PyIndex_Check(item) ? PyNumber_Index(item) : NULL;
        if (!number) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_TypeError,
                             "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i,
                             python_type_name(item));
            Py_DECREF(self);
            return NULL;
        }
        PyTuple_SetItem(self, i, number); /* the old item is released by it */
    }
    return self;
}

static PyObject *size_repr(PyObject *self)
{
    PyObject *list = PySequence_List(self);
    PyObject *text = list ? PyUnicode_FromFormat("torch.Size(%R)", list) : NULL;
    Py_XDECREF(list);
    return text;
}

static PyObject *size_concat(PyObject *a, PyObject *b)
{
    if (!PyTuple_Check(a) || !PyTuple_Check(b))
        return PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not %s) to torch.Size",
                            python_type_name(PyTuple_Check(a) ? b : a));
    return size_of_tuple(tuple_concat(a, b));
}

/* tuple + Size is a Size too. */
static PyObject *size_add(PyObject *a, PyObject *b)
{
    if (!PyTuple_Check(a) || !PyTuple_Check(b))
        Py_RETURN_NOTIMPLEMENTED;
    return size_of_tuple(tuple_concat(a, b));
}

static PyObject *size_repeat(PyObject *self, Py_ssize_t count)
{
    PyObject *result = tuple_repeat(self, count);
    if (result == self) /* cannot be for a subclass, but costs nothing to know */
        return result;
    return size_of_tuple(result);
}

static PyObject *size_subscript(PyObject *self, PyObject *key)
{
    PyObject *result = tuple_subscript(self, key);
    return PySlice_Check(key) ? size_of_tuple(result) : result;
}

static PyObject *size_numel(PyObject *self, PyObject *unused)
{
    (void)unused;
    uint64_t product = 1; /* wraps, as PyTorch's */
    for (Py_ssize_t i = 0; i < PyTuple_Size(self); i++)
        product *= (uint64_t)PyLong_AsLongLong(PyTuple_GetItem(self, i));
    return PyErr_Occurred() ? NULL : PyLong_FromLongLong((int64_t)product);
}

static PyObject *size_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PySequence_List(self);
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple ? Py_BuildValue("(O(N))", types_size_type, tuple) : NULL;
}

static PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "The number of elements of a tensor of this size."},
    {"__reduce__", size_reduce, METH_NOARGS, NULL},
    {0},
};

static int size_init(PyObject *module)
{
    PyType_Spec spec = {
        .name = "flambeau.Size",
        .flags = Py_TPFLAGS_DEFAULT,
        .slots =
            (PyType_Slot[]){
                SLOT(Py_tp_new, size_new),
                SLOT(Py_tp_repr, size_repr),
                SLOT(Py_sq_concat, size_concat),
                SLOT(Py_sq_repeat, size_repeat),
                SLOT(Py_mp_subscript, size_subscript),
                SLOT(Py_nb_add, size_add),
                SLOT(Py_tp_methods, size_methods),
                {0},
            },
    };
    tuple_new = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    tuple_concat = (binaryfunc)PyType_GetSlot(&PyTuple_Type, Py_sq_concat);
    tuple_repeat = (ssizeargfunc)PyType_GetSlot(&PyTuple_Type, Py_sq_repeat);
    tuple_subscript = (binaryfunc)PyType_GetSlot(&PyTuple_Type, Py_mp_subscript);
    types_size_type = (PyTypeObject *)PyType_FromSpecWithBases(&spec, (PyObject *)&PyTuple_Type);
    return types_size_type ? PyModule_AddObjectRef(module, "Size", (PyObject *)types_size_type)
                           : -1;
}

int types_init(PyObject *module)
{
    return dtype_init(module) < 0 || named_init(module) < 0 || device_object_init(module) < 0 ||
                   size_init(module) < 0
               ? -1
               : 0;
}
