/* Tensors whose elements are kept by the object around them: sparse ones (flambeau.sparse). Their
 * handle has sizes and a dtype, and says so: gradients are added, and made dense, here. What only
 * they have by a name of Tensor's, a tensor with elements of its own refuses here, as PyTorch's does. */
#include <assert.h>

#include "autograd/operations.h"
#include "python/call/overrides.h"
#include "python/tensor/tensor_object.h"

/* flambeau.sparse.tensor's sum of the two. */
static fl_tensor *add(fl_tensor *a, fl_tensor *b)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *home = PyImport_ImportModule("flambeau.sparse.tensor");
    PyObject *sum = home ? PyObject_GetAttrString(home, "add_gradients") : NULL;
    PyObject *one = pytensor_show(a), *two = pytensor_show(b);
    PyObject *y = sum && one && two ? PyObject_CallFunctionObjArgs(sum, one, two, NULL) : NULL;
    fl_tensor *result = y ? tensor_retain(pytensor_get(y)) : NULL;
    if (!result)
        raise_stash();
    Py_XDECREF(home);
    Py_XDECREF(sum);
    Py_XDECREF(one);
    Py_XDECREF(two);
    Py_XDECREF(y);
    PyGILState_Release(gil);
    return result;
}

/* The object's to_dense(). */
static fl_tensor *dense(fl_tensor *t)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *object = pytensor_show(t);
    PyObject *y = object ? PyObject_CallMethod(object, "to_dense", NULL) : NULL;
    fl_tensor *result = y ? tensor_retain(pytensor_get(y)) : NULL;
    if (!result)
        raise_stash();
    Py_XDECREF(object);
    Py_XDECREF(y);
    PyGILState_Release(gil);
    return result;
}

static PyObject *keep_in_object(PyObject *unused, PyObject *tensor)
{
    (void)unused;
    if (!pytensor_check(tensor))
        return PyErr_Format(PyExc_TypeError, "expected a tensor, not %s", python_type_name(tensor));
    static const struct object_operations operations = {add, dense};
    operation_in_object = &operations;
    pytensor_get(tensor)->flags |= TENSOR_IN_OBJECT;
    Py_RETURN_NONE;
}

PyMethodDef in_object_functions[] = {
    {"_keep_in_object", keep_in_object, METH_O, "Says that a tensor's object keeps its elements."},
    {0},
};

/* ---- Methods ------------------------------------------------------------------------------------ */

/* What a subclass says, or a refusal; layout NULL: no kernel has it. */
static PyObject *ask(PyObject *self, const char *name, const char *layout)
{
    assert(pytensor_check(self));
    if (overrides_wants(self))
        return overrides_method(name, self, NULL, NULL);
    if (layout)
        return PyErr_Format(PyExc_RuntimeError, "%s expected sparse %s layout but got Strided",
                            name, layout);
    return PyErr_Format(PyExc_NotImplementedError,
                        "Could not run 'aten::%s' with arguments from the 'CPU' backend: it is for "
                        "tensors of another layout",
                        name);
}

#define ONLY_OF(name, layout)                                                                      \
    static PyObject *only_##name(PyObject *self, PyObject *unused)                                 \
    {                                                                                              \
        (void)unused;                                                                              \
        return ask(self, #name, layout);                                                           \
    }

ONLY_OF(coalesce, "coordinate tensor")
ONLY_OF(is_coalesced, "coordinate tensor")
ONLY_OF(indices, "coordinate tensor")
ONLY_OF(values, "tensor")
ONLY_OF(crow_indices, "row compressed tensor")
ONLY_OF(col_indices, "row compressed tensor")
ONLY_OF(ccol_indices, "column compressed tensor")
ONLY_OF(row_indices, "column compressed tensor")
ONLY_OF(_indices, NULL)
ONLY_OF(_values, NULL)
ONLY_OF(_nnz, NULL)

static PyObject *sparse_dim(PyObject *self, PyObject *unused)
{
    (void)unused;
    return overrides_wants(self) ? overrides_method("sparse_dim", self, NULL, NULL)
                                 : PyLong_FromLong(0);
}

static PyObject *dense_dim(PyObject *self, PyObject *unused)
{
    (void)unused;
    return overrides_wants(self) ? overrides_method("dense_dim", self, NULL, NULL)
                                 : PyLong_FromLong(pytensor_get(self)->ndim);
}

/* to_padded_tensor(padding, output_size=None) */
static PyObject *to_padded_tensor(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"padding", "output_size", NULL};
    PyObject *padding, *size = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:to_padded_tensor", names, &padding, &size))
        return NULL;
    return ask(self, "to_padded_tensor", NULL);
}

#define METHOD_ROW(name, text) {#name, only_##name, METH_NOARGS, text}

PyMethodDef in_object_methods[] = {
    METHOD_ROW(coalesce, "A sparse tensor with its places in order and each once."),
    METHOD_ROW(is_coalesced, "Whether a sparse tensor's places are in order and each once."),
    METHOD_ROW(indices, "The places of a coalesced sparse_coo tensor."),
    METHOD_ROW(values, "The values of a sparse tensor."),
    METHOD_ROW(crow_indices, "Where each row of a sparse_csr tensor begins."),
    METHOD_ROW(col_indices, "The columns of a sparse_csr tensor's values."),
    METHOD_ROW(ccol_indices, "Where each column of a sparse_csc tensor begins."),
    METHOD_ROW(row_indices, "The rows of a sparse_csc tensor's values."),
    METHOD_ROW(_indices, "The places of a sparse_coo tensor, coalesced or not."),
    METHOD_ROW(_values, "The values of a sparse_coo tensor, coalesced or not."),
    METHOD_ROW(_nnz, "How many values a sparse tensor has."),
    {"to_padded_tensor", (PyCFunction)(void (*)(void))to_padded_tensor,
     METH_VARARGS | METH_KEYWORDS, "A nested tensor's rows, padded to one size."},
    {"sparse_dim", sparse_dim, METH_NOARGS, "How many of a sparse tensor's dims are sparse."},
    {"dense_dim", dense_dim, METH_NOARGS, "How many of a tensor's dims are dense."},
    {0},
};
