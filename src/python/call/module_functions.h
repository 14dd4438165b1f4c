/* Functions of the module that are no operators. */
#ifndef FLAMBEAU_PYTHON_MODULE_FUNCTIONS_H
#define FLAMBEAU_PYTHON_MODULE_FUNCTIONS_H

#include "python/python.h"

/* Adds the methods of Tensor that are functions of the module too. */
int module_functions_init(PyObject *module);
extern PyMethodDef module_functions[]; /* after ops_functions: these count */

#endif
