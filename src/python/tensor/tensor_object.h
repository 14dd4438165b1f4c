/* flambeau.Tensor: the Python object around a handle. At most one live object a handle, so that
 * identity holds. */
#ifndef FLAMBEAU_PYTHON_TENSOR_OBJECT_H
#define FLAMBEAU_PYTHON_TENSOR_OBJECT_H

#include <assert.h>

#include "python/python.h"

struct tensor_object {
    PyObject_HEAD fl_tensor *tensor; /* owned, unless kept; its `python` points back here */
    PyObject *dict;                  /* __dict__, NULL until something is put there */
    PyObject *weakrefs;
    bool kept; /* no reference is left in Python: the handle owns the object, and not the reverse */
};

extern PyTypeObject *pytensor_type;

/* Whether o is an instance of a subclass of Tensor. (What is mostly asked of is a number.) */
static inline bool pytensor_is_subclass(PyObject *o)
{
    return !PyLong_CheckExact(o) && !PyFloat_CheckExact(o) &&
           PyType_IsSubtype(Py_TYPE(o), pytensor_type);
}
static inline bool pytensor_check(PyObject *o)
{
    return Py_IS_TYPE(o, pytensor_type) || pytensor_is_subclass(o);
}
static inline fl_tensor *pytensor_get(PyObject *o)
{
    assert(pytensor_check(o));
    return ((struct tensor_object *)o)->tensor;
}
/* The object that shows t, a new reference; takes over the caller's reference to t, also when it
 * fails. NULL gives raise_error(). */
PyObject *pytensor_wrap(fl_tensor *t);
/* The same without taking over; NULL gives None. */
PyObject *pytensor_show(fl_tensor *t);
/* Tells the collector of an object that may now be part of a cycle. */
void pytensor_track(PyObject *o);
/* Another object of the same memory and history, of a subclass. */
PyObject *pytensor_as_subclass(PyObject *self, PyTypeObject *type);
/* A new object of a subclass around t (taken over), which must have no live object. */
PyObject *pytensor_make(PyTypeObject *type, fl_tensor *t);

/* An operator by its base name ("permute"; the overload `name` itself when there is one so called);
 * NULL with an exception. Slow: for a static that is filled once (OPERATOR). */
const fl_op *pytensor_operator(const char *name);
/* Declares `op`, the operator of that name, looked up once; returns NULL from the function when
 * there is none. */
#define OPERATOR(op, name)                                                                         \
    static const fl_op *op;                                                                        \
    if (!op && !(op = pytensor_operator(name)))                                                    \
    return NULL

/* Calls an operator with self and parameters by their names, ended by NULL; the others take their
 * defaults. New handle, or NULL with the library's error. */
struct named_value {
    const char *name;
    fl_value value;
};
fl_tensor *pytensor_call(const fl_op *op, fl_tensor *self, const struct named_value *named);

/* properties.c: gives a tensor another one's content and shape in place, as `p.data = x` does. So many
 * references to `from` are the caller's: where there are no others, no graph has saved it. */
int pytensor_set_data(fl_tensor *t, const fl_tensor *from, int references);

/* The tables of the type, each in its own file. Ended by an empty row. */
extern PyMethodDef in_object_functions[];       /* in_object.c: of the module */
extern PyMethodDef in_object_methods[];         /* in_object.c */
extern PyMethodDef pytensor_methods[];          /* methods.c */
extern PyMethodDef pytensor_data_methods[];     /* data.c */
extern PyMethodDef pytensor_exchange_methods[]; /* exchange.c */
extern PyMethodDef pytensor_graph_methods[];    /* nodes.c */
extern PyGetSetDef pytensor_properties[];       /* properties.c */
extern PyMethodDef pytensor_number_methods[];   /* number.c */
extern PyType_Slot pytensor_number_slots[];     /* number.c */
extern PyType_Slot pytensor_protocol_slots[];   /* methods.c */

/* subscript.c */
PyObject *subscript_get(PyObject *self, PyObject *key);
int subscript_set(PyObject *self, PyObject *key, PyObject *value);

/* data.c: a tensor from Python data, as torch.tensor makes it, always a copy; dtype FL_NO_DTYPE
 * infers. New handle, or NULL with an exception or the library's error. */
fl_tensor *data_tensor(PyObject *data, int dtype);
/* data_out.c: nested lists of the elements; a number for a tensor of no dimension. */
PyObject *data_to_list(const fl_tensor *t);
/* One element (counted from the first, as if contiguous in memory) as a Python number. */
PyObject *data_item(const fl_tensor *t, int64_t position);
/* Refuses, with PyTorch's exception, a tensor that is vmapped over where its one element (data_one)
 * or its memory (data_own) is asked for. */
bool data_one(const fl_tensor *t);
bool data_own(const fl_tensor *t);
/* The one element of a tensor of integers; false with an exception, beyond int64 too. */
bool data_int(const fl_tensor *t, int64_t *out);
/* A Python or NumPy number as a value: 1, 0 when it is none, -1 with an exception (it does not
 * fit). Tensors are not numbers here. */
int data_number(PyObject *o, fl_value *out);
/* An int of 2^63 to 2^64 - 1, at which data_number has raised, where the dtype is known: a float
 * where that is inexact, the same bits for uint64: 1 and no exception any more, else -1. 0: no such int. */
int data_wide_number(PyObject *o, int dtype, fl_value *out);
PyObject *data_from_number(fl_value number);
extern PyMethodDef data_functions[], text_functions[];

/* exchange.c: tensors over the memory of others (buffer protocol, NumPy) and the other way
 * round. */
/* A tensor over the memory of an object that has __array_interface__ (NumPy's arrays and scalars):
 * 1 and a new handle, 0 when it has none, -1 with an exception. *readonly may be NULL. */
int exchange_import(PyObject *o, fl_tensor **out, bool *readonly);
bool exchange_is_array(PyObject *o); /* NumPy's, by its type's name */
/* Refuses, with an exception, to show memory that the host cannot read. */
bool exchange_is_here(const fl_tensor *t);
extern PyMethodDef exchange_functions[];
extern PyType_Slot exchange_slots[];

/* dlpack.c: the same through DLPack. */
extern PyMethodDef pytensor_dlpack_methods[], dlpack_functions[];

/* sharing.c: memory that processes share. */
PyObject *sharing_is_shared(PyObject *self, PyObject *unused);
PyObject *sharing_share_memory(PyObject *self, PyObject *unused);
extern PyMethodDef sharing_functions[];
/* collate.c */
extern PyMethodDef collate_functions[];

/* nodes.c, callbacks.c, function.c: the graph as Python sees it. */
struct node;
PyObject *nodes_show(struct node *n);             /* new reference; NULL node gives None */
PyObject *nodes_next(const struct node *n);       /* its next_functions */
PyObject *function_context(const struct node *n); /* of a Function's node, borrowed; else NULL */
/* For the collector: visits what the graph's state of a handle that only its object owns holds of
 * Python's, and drops it. */
int graph_visit(fl_tensor *t, visitproc visit, void *arg);
void graph_clear(fl_tensor *t);
int nodes_init(PyObject *module);
int function_init(PyObject *module);
extern PyMethodDef graph_functions[];

/* generator_object.c */
int generator_init(PyObject *module);
int generator_from(PyObject *o, fl_generator **out); /* 1, or 0 when o is no Generator */

int pytensor_init(PyObject *module);

#endif
