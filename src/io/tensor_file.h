/* Named tensors to a file, for those who know that what they give is whole. */
#ifndef FLAMBEAU_IO_TENSOR_FILE_H
#define FLAMBEAU_IO_TENSOR_FILE_H

#include "core/tensor.h"
#include "flambeau/io.h"

/* Writes a safetensors file, or PyTorch's format where the path ends in .pt or .pth; tensors may
 * have any strides. 0, or -1 with the error set. */
int tensor_file_save(const char *path, int64_t count, const char *const *names,
                     fl_tensor *const *tensors);

/* The place of a tensor in the file's order, or -1 (no error). */
int64_t tensor_file_find(const fl_file *f, const char *name);
/* The dims of tensor i, and its sizes, before it is read; -1 with the error set for .npz archives. */
int tensor_file_sizes(const fl_file *f, int64_t i, const int64_t **sizes);
/* Reads it: a new tensor, or NULL with the error set. */
fl_tensor *tensor_file_read(fl_file *f, int64_t i);

#endif
