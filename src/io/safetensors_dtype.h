/* What the reader and the writer of safetensors share: names of dtypes and the check of texts. */
#ifndef FLAMBEAU_IO_SAFETENSORS_DTYPE_H
#define FLAMBEAU_IO_SAFETENSORS_DTYPE_H

#include <stddef.h>

/* The dtype of a name ("F32"), or FL_NO_DTYPE. */
int safetensors_dtype_of(const char *name);

/* Whether these bytes are valid UTF-8. */
int safetensors_check_utf8(const char *text, size_t bytes);

#endif
