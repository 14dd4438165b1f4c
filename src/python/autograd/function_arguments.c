/* What autograd.Function's apply is given, brought to the order of forward's parameters, so that each
 * argument has a place in needs_input_grad and a gradient of its own. */
#include <assert.h>

#include "core/lanes.h"
#include "python/autograd/callbacks.h"
#include "python/tensor/tensor_object.h"

/* A function of one of this folder's modules in Python, called. */
static PyObject *ask(const char *module_name, const char *function, PyObject *class, PyObject *args,
                     PyObject *kwargs)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *result =
        module ? PyObject_CallMethod(module, function, "OOO", class, args, kwargs) : NULL;
    Py_XDECREF(module);
    return result;
}

PyObject *function_arguments(PyObject *class, bool by_setup, PyObject *args, PyObject *kwargs)
{
    assert(PyTuple_Check(args));
    if (!by_setup && !(kwargs && PyDict_Size(kwargs)))
        return Py_NewRef(args);
    PyObject *bound =
        ask("flambeau.autograd._function_arguments", by_setup ? "with_defaults" : "in_order", class,
            args, kwargs ? kwargs : Py_None);
    if (bound && !PyTuple_Check(bound)) {
        Py_DECREF(bound);
        return PyErr_Format(PyExc_TypeError, "arguments are a tuple");
    }
    return bound;
}

bool function_needs_batch(PyObject *class, PyObject *args)
{
    struct lanes all = {0};
    int least = LANES_MAX + 1;
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        PyObject *o = PyTuple_GetItem(args, i);
        const fl_tensor *t = pytensor_check(o) ? pytensor_get(o) : NULL;
        int own = t && t->lanes ? t->lanes->count : 0;
        for (int k = 0; k < own; k++)
            if (!lanes_find(&all, t->lanes->lane[k].id) && lanes_insert(&all, t->lanes->lane[k]))
                return false;
        least = t && tensor_requires_grad(t) && own < least ? own : least;
    }
    return all.count && (least < all.count || PyObject_HasAttrString(class, "vmap"));
}

PyObject *function_apply_batch(PyObject *class, PyObject *args)
{
    return ask("flambeau.autograd._function_vmap", "apply", class, args, Py_None);
}
