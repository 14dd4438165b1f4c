/* Tensors whose elements are kept by the object around them: sparse ones (flambeau.sparse). Their
 * handle has sizes and a dtype, and says so: gradients are added, and made dense, here. */
#include "autograd/operations.h"
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
