/* The texts in a safetensors file: names of dtypes, and UTF-8. */
#ifndef FLAMBEAU_IO_SAFETENSORS_TEXT_H
#define FLAMBEAU_IO_SAFETENSORS_TEXT_H

#include <stddef.h>

/* The dtype of a name ("F32"), or FL_NO_DTYPE. */
int safetensors_dtype_of(const char *name);
/* The name of a dtype. */
const char *safetensors_dtype_name(int dtype);

/* Whether these bytes are valid UTF-8. */
int safetensors_check_utf8(const char *text, size_t bytes);

#endif
