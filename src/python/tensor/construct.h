/* The old constructors of tensors, and storages. */
#ifndef FLAMBEAU_PYTHON_CONSTRUCT_H
#define FLAMBEAU_PYTHON_CONSTRUCT_H

#include "python/tensor/tensor_object.h"

/* The tensor that Tensor(*args, **kwargs) makes, of that dtype (FL_NO_DTYPE: the default, and a
 * tensor given keeps its own). New handle, or NULL with an exception or the library's error. */
fl_tensor *construct_tensor(int dtype, PyObject *args, PyObject *kwargs);

extern PyMethodDef construct_functions[], construct_methods[];

#endif
