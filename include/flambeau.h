/* Flambeau: tensors, automatic differentiation and training, in C.
 *
 * A tensor is a handle that counts its references. A function that makes a tensor returns a new
 * reference, which fl_release drops; between fl_scope_begin and fl_scope_end the results of calls
 * belong to the scope, which releases them together, and fl_keep takes one out. A function that
 * fails returns NULL (or -1) and leaves the error of this thread, which fl_error_message tells. An
 * operator given a NULL tensor returns NULL and leaves the error as it is, so that a whole
 * expression can be written and checked once:
 *
 *     fl_scope_begin();
 *     fl_tensor *loss = fl_mse_loss(fl_linear(x, w, b), target, "mean");
 *     if (fl_backward(loss) != 0)
 *         fprintf(stderr, "%s\n", fl_error_message());
 *     fl_scope_end();
 *
 * This header includes all the others: flambeau/base.h (types, memory, errors, autograd),
 * flambeau/nn.h (modules, layers, optimizers) and flambeau/ops.h (the operators: typed inline
 * functions, each PyTorch's operator of that name, with its argument order and defaults).
 */
#ifndef FLAMBEAU_H
#define FLAMBEAU_H

#include "flambeau/base.h"
#include "flambeau/nn.h"
#include "flambeau/ops.h"

#endif
