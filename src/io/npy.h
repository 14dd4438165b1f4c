/* NumPy's .npy format: one array behind a short header of text.
 *
 *     6 bytes   \x93NUMPY, then the version (major, minor)
 *     2 bytes   length N of the header (4 from version 2 on), little-endian
 *     N bytes   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, spaces, a newline
 *     the rest  the elements
 */
#ifndef FLAMBEAU_IO_NPY_H
#define FLAMBEAU_IO_NPY_H

#include "core/tensor.h"
#include "io/zip.h"

/* Whether bytes begin as such a file does. */
int npy_begins(const void *bytes, uint64_t size);
/* The array that stands in `bytes` bytes from `begin` on: a new tensor, or NULL with the error set:
 * a dtype that tensors have not, a header that is damaged, or elements that are missing. */
fl_tensor *npy_read(const struct zip_source *source, uint64_t begin, uint64_t bytes);

#endif
