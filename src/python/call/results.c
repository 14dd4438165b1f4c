/* What an operator's call gives back to Python: a tensor, a number, a list, or a tuple whose items
 * have names.
 *
 * torch.return_types.NAME is a tuple with a property an item; the type is made when an operator
 * first returns it.
 */
#include <assert.h>
#include <string.h>

#include "python/call/arguments.h"
#include "python/tensor/tensor_object.h"

/* The type of one operator's results: overloads have it together; those of out= have their own. */
struct named_type {
    PyObject *type;
    const char *base; /* the functional form's */
    bool out;
    const char *const *names;
    int count;
    char title[64];
    PyGetSetDef properties[OP_RESULTS + 1];
    struct named_type *next;
};
static struct named_type *named_types; /* they live as long as the process */
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

static PyObject *tuple_of_names(const struct named_type *n)
{
    PyObject *fields = PyTuple_New(n->count);
    for (int i = 0; fields && i < n->count; i++) {
        PyObject *name = PyUnicode_FromString(n->names[i]);
        if (!name || PyTuple_SetItem(fields, i, name) < 0)
            Py_CLEAR(fields);
    }
    return fields;
}

static bool make_type(struct named_type *n)
{
    for (int i = 0; i < n->count; i++)
        n->properties[i] = (PyGetSetDef){n->names[i], item_get, NULL, NULL, (void *)(intptr_t)i};
    PyOS_snprintf(n->title, sizeof n->title, "torch.return_types.%s%s", n->base,
                  n->out ? "_out" : "");
    PyType_Spec spec = {
        .name = n->title,
        .flags = Py_TPFLAGS_DEFAULT,
        .slots =
            (PyType_Slot[]){
                SLOT(Py_tp_new, named_new),
                SLOT(Py_tp_repr, named_repr),
                SLOT(Py_tp_getset, n->properties),
                SLOT(Py_tp_methods, named_methods),
                {0},
            },
    };
    if (!tuple_new)
        tuple_new = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    PyObject *fields = tuple_of_names(n);
    n->type = fields ? PyType_FromSpecWithBases(&spec, (PyObject *)&PyTuple_Type) : NULL;
    if (n->type && PyObject_SetAttrString(n->type, "_fields", fields) < 0)
        Py_CLEAR(n->type);
    Py_XDECREF(fields);
    return n->type != NULL;
}

/* The type for an operator whose results have names, borrowed; NULL with an exception. */
static PyObject *type_of(const fl_op *f, bool out)
{
    for (const struct named_type *n = named_types; n; n = n->next)
        if (strcmp(n->base, f->base) == 0 && n->count == f->results && n->out == out)
            return n->type;
    struct named_type *n = PyMem_Calloc(1, sizeof *n);
    if (!n)
        return PyErr_NoMemory();
    n->base = f->base, n->names = f->result_names, n->count = f->results, n->out = out;
    if (!make_type(n)) {
        PyMem_Free(n);
        return NULL;
    }
    n->next = named_types;
    named_types = n;
    return n->type;
}

/* An empty tuple of so many items, of the type that the operator's results have. */
static PyObject *tuple_for(const fl_op *op)
{
    assert(op->results > 1 && op->results <= OP_RESULTS);
    if (!op->function->result_names)
        return PyTuple_New(op->results);
    PyObject *type = type_of(op->function, op->form == FORM_OUT);
    return type ? PyType_GenericAlloc((PyTypeObject *)type, op->results) : NULL;
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
    case FL_COMPLEX:
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

/* Of results that are there only where they were asked for, those that are: one by itself. */
static PyObject *wrap_present(const fl_op *op, fl_value *results)
{
    int count = 0;
    for (int i = 0; i < op->results; i++)
        if (results[i].tag != FL_NONE)
            results[count++] = results[i];
    if (count == 1)
        return result_wrap(&results[0]);
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; i < count; i++) {
        PyObject *o = result_wrap(&results[i]);
        if (tuple && (!o || PyTuple_SetItem(tuple, i, o) < 0))
            Py_CLEAR(tuple);
        else if (!tuple)
            Py_XDECREF(o);
    }
    return tuple;
}

PyObject *results_wrap(const fl_op *op, fl_value *results)
{
    if (op->function->optional_results)
        return wrap_present(op, results);
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
    assert(tuple || PyErr_Occurred());
    return tuple;
}

PyObject *results_type(PyObject *module, PyObject *name)
{
    (void)module;
    const char *base = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, NULL) : "";
    if (!base)
        return NULL;
    for (int i = 0; i < ops_count; i++) {
        const fl_op *f = ops_all[i];
        if (f == f->function && f->result_names && f->results > 1 && strcmp(f->base, base) == 0)
            return Py_XNewRef(type_of(f, false));
    }
    Py_RETURN_NONE;
}
