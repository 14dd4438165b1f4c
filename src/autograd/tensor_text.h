/* The text of a tensor, as repr shows it. */
#ifndef FLAMBEAU_AUTOGRAD_TENSOR_TEXT_H
#define FLAMBEAU_AUTOGRAD_TENSOR_TEXT_H

#include "autograd/autograd.h"
#include "core/print.h"

/* Adds "tensor(...)": `prefix` with its bracket, `indent` columns wide; `contents` stand in the
 * place of the numbers where they are given. */
void tensor_text(struct print_text *text, fl_tensor *t, const char *prefix, int indent,
                 const char *contents);

#endif
