/* What an operator's call gives back to Python: a tensor, a number, a list, or a tuple whose items
 * have names.
 *
 * torch.return_types.NAME is a tuple with a property an item; the type is made when an operator
 * first returns it.
 */
#include <string.h>

#include "python/call/arguments.h"
#include "python/tensor/tensor_object.h"

/* Operators whose results have names in Python; all others give a plain tuple. */
static const struct {
    const char *base, *names[OP_RESULTS];
} named[] = {
    {"max", {"values", "indices"}},
    {"min", {"values", "indices"}},
    {"median", {"values", "indices"}},
    {"nanmedian", {"values", "indices"}},
    {"mode", {"values", "indices"}},
    {"sort", {"values", "indices"}},
    {"topk", {"values", "indices"}},
    {"kthvalue", {"values", "indices"}},
    {"cummax", {"values", "indices"}},
    {"cummin", {"values", "indices"}},
    {"aminmax", {"min", "max"}},
    {"frexp", {"mantissa", "exponent"}},
    {"slogdet", {"sign", "logabsdet"}},
    {"linalg_slogdet", {"sign", "logabsdet"}},
    {"linalg_qr", {"Q", "R"}},
    {"qr", {"Q", "R"}},
    {"linalg_svd", {"U", "S", "Vh"}},
    {"svd", {"U", "S", "V"}},
    {"linalg_eig", {"eigenvalues", "eigenvectors"}},
    {"linalg_eigh", {"eigenvalues", "eigenvectors"}},
    {"linalg_lu", {"P", "L", "U"}},
    {"linalg_lu_factor", {"LU", "pivots"}},
    {"linalg_lu_factor_ex", {"LU", "pivots", "info"}},
    {"_lu_with_info", {"LU", "pivots", "info"}},
    {"lu_unpack", {"P", "L", "U"}},
    {"linalg_ldl_factor", {"LD", "pivots"}},
    {"linalg_ldl_factor_ex", {"LD", "pivots", "info"}},
    {"geqrf", {"a", "tau"}},
    {"linalg_cholesky_ex", {"L", "info"}},
    {"linalg_inv_ex", {"inverse", "info"}},
    {"linalg_solve_ex", {"result", "info"}},
    {"linalg_lstsq", {"solution", "residuals", "rank", "singular_values"}},
    {"triangular_solve", {"solution", "cloned_coefficient"}},
};
enum { NAMED = sizeof named / sizeof *named };

static PyObject *named_type[NAMED];
static newfunc tuple_new;

/* The item that a property stands for; its closure is the position. */
static PyObject *item_get(PyObject *self, void *position)
{
    return Py_XNewRef(PyTuple_GetItem(self, (Py_ssize_t)(intptr_t)position));
}

static PyObject *type_field(PyObject *self, const char *field)
{
    return PyObject_GetAttrString((PyObject *)Py_TYPE(self), field);
}

static PyObject *named_repr(PyObject *self)
{
    PyObject *name = type_field(self, "__name__"), *fields = type_field(self, "_fields");
    PyObject *text = name && fields ? PyUnicode_FromFormat("torch.return_types.%U(", name) : NULL;
    for (Py_ssize_t i = 0; text && i < PyTuple_Size(self); i++) {
        PyObject *field = PyTuple_GetItem(fields, i);
        PyObject *more =
            field ? PyUnicode_FromFormat("%U\n%S=%R%s", text, field, PyTuple_GetItem(self, i),
                                         i + 1 < PyTuple_Size(self) ? "," : ")")
                  : NULL;
        Py_DECREF(text);
        text = more;
    }
    Py_XDECREF(name);
    Py_XDECREF(fields);
    return text;
}

static PyObject *named_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *self = tuple_new(type, args, kwargs);
    PyObject *fields = self ? type_field(self, "_fields") : NULL;
    Py_ssize_t want = fields ? PyObject_Size(fields) : -1;
    Py_XDECREF(fields);
    if (want >= 0 && PyTuple_Size(self) != want)
        PyErr_Format(PyExc_TypeError,
                     "torch.return_types.%s() takes a %zd-sequence (%zd-sequence given)",
                     python_type_name(self), want, PyTuple_Size(self));
    if (PyErr_Occurred())
        Py_CLEAR(self);
    return self;
}

static PyObject *named_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PySequence_List(self), *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple ? Py_BuildValue("(O(N))", (PyObject *)&PyTuple_Type, tuple) : NULL;
}

static PyMethodDef named_methods[] = {{"__reduce__", named_reduce, METH_NOARGS, NULL}, {0}};

/* The type for named[which], borrowed. */
static PyObject *type_of(int which)
{
    static PyGetSetDef properties[NAMED][5];
    static char titles[NAMED][64];
    if (named_type[which])
        return named_type[which];
    PyObject *fields = PyTuple_New(0);
    int count = 0;
    while (count < 4 && named[which].names[count]) {
        properties[which][count] =
            (PyGetSetDef){named[which].names[count], item_get, NULL, NULL, (void *)(intptr_t)count};
        PyObject *one = Py_BuildValue("(s)", named[which].names[count]);
        PyObject *more = fields && one ? PySequence_Concat(fields, one) : NULL;
        Py_XDECREF(one);
        Py_XDECREF(fields);
        fields = more;
        count++;
    }
    PyOS_snprintf(titles[which], sizeof titles[which], "flambeau.return_types.%s",
                  named[which].base);
    PyType_Spec spec = {
        .name = titles[which],
        .flags = Py_TPFLAGS_DEFAULT,
        .slots =
            (PyType_Slot[]){
                SLOT(Py_tp_new, named_new),
                SLOT(Py_tp_repr, named_repr),
                SLOT(Py_tp_getset, properties[which]),
                SLOT(Py_tp_methods, named_methods),
                {0},
            },
    };
    if (!tuple_new)
        tuple_new = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    PyObject *type = fields ? PyType_FromSpecWithBases(&spec, (PyObject *)&PyTuple_Type) : NULL;
    if (type && PyObject_SetAttrString(type, "_fields", fields) < 0)
        Py_CLEAR(type);
    Py_XDECREF(fields);
    return named_type[which] = type;
}

/* An empty tuple of so many items, of the type that the operator's results have. */
static PyObject *tuple_for(const fl_op *op)
{
    for (int i = 0; i < NAMED; i++) {
        if (strcmp(named[i].base, op->base) != 0 || !named[i].names[op->results - 1] ||
            (op->results < 4 && named[i].names[op->results]))
            continue;
        PyObject *type = type_of(i);
        return type ? PyType_GenericAlloc((PyTypeObject *)type, op->results) : NULL;
    }
    return PyTuple_New(op->results);
}

/* One result as an object. Takes over its reference. */
static PyObject *result_wrap(fl_value *v)
{
    switch (v->tag) {
    case FL_TENSOR:
        return pytensor_wrap(v->as.tensor);
    case FL_BOOLEAN:
    case FL_INTEGER:
    case FL_FLOATING:
        return data_from_number(*v);
    case FL_TENSORS: {
        PyObject *list = PyTuple_New(v->count);
        for (uint32_t i = 0; i < v->count; i++) {
            PyObject *o = list && v->as.tensors[i] ? pytensor_show(v->as.tensors[i]) : NULL;
            if (list && (!o || PyTuple_SetItem(list, i, o) < 0))
                Py_CLEAR(list);
        }
        fl_value_release(v);
        return list;
    }
    case FL_INTS: {
        PyObject *list = PyTuple_New(v->count);
        for (uint32_t i = 0; list && i < v->count; i++)
            PyTuple_SetItem(list, i, PyLong_FromLongLong(v->as.ints[i]));
        fl_value_release(v);
        return list;
    }
    default:
        return Py_NewRef(Py_None);
    }
}

PyObject *results_wrap(const fl_op *op, fl_value *results)
{
    if (op->results == 0)
        return Py_NewRef(Py_None);
    if (op->results == 1)
        return result_wrap(&results[0]);
    PyObject *tuple = tuple_for(op);
    for (int i = 0; i < op->results; i++) {
        PyObject *o = result_wrap(&results[i]);
        if (tuple && (!o || PyTuple_SetItem(tuple, i, o) < 0))
            Py_CLEAR(tuple);
        else if (!tuple)
            Py_XDECREF(o);
    }
    return tuple;
}
