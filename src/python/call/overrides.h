/* __torch_function__: classes that stand in for tensors, or are subclasses, see the calls that they
 * are arguments of.
 *
 * A tensor subclass inherits Tensor.__torch_function__, which makes the call and gives its results
 * the subclass. Plain tensors, and classes whose __torch_function__ is
 * _disabled_torch_function_impl (Parameter), are never asked.
 */
#ifndef FLAMBEAU_PYTHON_OVERRIDES_H
#define FLAMBEAU_PYTHON_OVERRIDES_H

#include "python/tensor/tensor_object.h"

/* How many TorchFunctionModes are entered; a mode sees every call. */
extern int overrides_modes;

/* Whether this thread has entered one. */
bool overrides_mode_here(void);

/* Whether o, which is no plain tensor, is of a class that wants to see calls. */
bool overrides_asks(PyObject *o);

/* Whether a call with this argument is to be shown to its class. */
static inline bool overrides_wants(PyObject *o)
{
    return !Py_IS_TYPE(o, pytensor_type) && overrides_asks(o);
}
/* Whether anyone wants to see a call of these arguments, or of what stands in lists among them;
 * self may be NULL. */
bool overrides_any(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* Shows a call to the modes and classes that want to see it: their result, or the exception. `home`
 * is where Python finds the function: "Tensor" for methods, "functional" for nn.functional (a function
 * of Python in PyTorch), else a namespace of _C. */
PyObject *overrides_call(const char *home, const char *name, PyObject *self, PyObject *const *args,
                         Py_ssize_t nargs, PyObject *kwnames);
/* The same for one of Tensor's own methods of at most two arguments; the second may be NULL. */
PyObject *overrides_method(const char *name, PyObject *self, PyObject *first, PyObject *second);

/* The functional form that is calling an operator in its place (shortcut.c), or NULL. */
extern PyObject *overrides_caller;

int overrides_init(PyObject *module);
extern PyMethodDef overrides_methods[]; /* of Tensor */

#endif
