/* nn.Module's C base: registration, attribute access and calls of modules. */
#ifndef FLAMBEAU_PYTHON_MODULE_H
#define FLAMBEAU_PYTHON_MODULE_H

#include <Python.h>

/* Adds to the extension module `ModuleBase`, from which flambeau.nn.Module derives, and the dictionaries of hooks that
 * all modules share (`_global_forward_hooks`, ...). Tensor is looked up in c_module, Parameter and Buffer in
 * flambeau.nn.parameter, when a value is first assigned to a module. Returns 0, or -1 with an exception. */
int module_init(PyObject *c_module);

#endif
