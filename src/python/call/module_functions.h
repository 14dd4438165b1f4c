/* Functions and methods that are no operators, or differ from theirs in what they give. */
#ifndef FLAMBEAU_PYTHON_MODULE_FUNCTIONS_H
#define FLAMBEAU_PYTHON_MODULE_FUNCTIONS_H

#include "python/python.h"

/* Adds the methods of Tensor that are functions of the module too. */
int module_functions_init(PyObject *module);
extern PyMethodDef module_functions[]; /* after ops_functions: these count */
extern PyMethodDef module_methods[];

#endif
