/* Functions and methods that differ from their operators in how Python calls them. */
#ifndef FLAMBEAU_PYTHON_FUNCTIONS_H
#define FLAMBEAU_PYTHON_FUNCTIONS_H

#include "python/python.h"

extern PyMethodDef functions_functions[]; /* after ops_functions: these count */
extern PyMethodDef functions_methods[];

#endif
