/* The small types that programs name: dtype, device, Size, layout, memory_format. One object a
 * dtype, layout and format, so that `is` compares them. */
#ifndef FLAMBEAU_PYTHON_TYPES_H
#define FLAMBEAU_PYTHON_TYPES_H

#include "python/python.h"

/* The number that operators see for a layout (PyTorch's). */
enum { LAYOUT_STRIDED };

extern PyTypeObject *types_size_type, *types_dtype_type, *types_device_type;

/* New references. */
PyObject *types_dtype(int dtype);
PyObject *types_device(fl_device device); /* a CPU has no index */
PyObject *types_size(Py_ssize_t count, const int64_t *sizes);
PyObject *types_layout(void);

/* What an object says: 1 and the value; 0 when it is something else; -1 with an exception. A dtype
 * may be written as one of the types float, int, bool; a device as text. */
int types_as_dtype(PyObject *o, int *dtype);
int types_as_device(PyObject *o, fl_device *device);
/* The device itself; NULL with an exception where it is not there. Of CUDA there is none in Python,
 * as in PyTorch built without it. `made`: a tensor is to be made there, not brought. */
struct device *types_device_find(fl_device device, bool made);
/* Raises that no generator draws there. */
void types_device_no_generator(int kind);
/* The name of a kind, also of one that only PyTorch has: "mps". */
const char *types_device_name(int kind);
int types_as_layout(PyObject *o);                     /* 1 or 0 */
int types_as_memory_format(PyObject *o, int *format); /* 1 or 0 */

int types_init(PyObject *module);
int device_object_init(PyObject *module);

#endif
