/* Named tensors to a file, for those who know that what they give is whole. */
#ifndef FLAMBEAU_IO_TENSOR_FILE_H
#define FLAMBEAU_IO_TENSOR_FILE_H

#include "core/tensor.h"

/* Writes a safetensors file that PyTorch's package reads; tensors may have any strides. 0, or -1
 * with the error set. */
int tensor_file_save(const char *path, int64_t count, const char *const *names,
                     fl_tensor *const *tensors);

#endif
