/* Flambeau: tensors, automatic differentiation and training, in C.
 *
 * Who owns a tensor: what a call returns is yours to release with fl_release, unless a scope is
 * open, which then releases it at its end; fl_keep takes it out of the scope; what you give to a
 * module or an optimizer to hold, you need not release. An in-place call (fl_add_) returns its
 * first argument, of which you own no more than before.
 *
 * A function that fails returns NULL (or -1) and leaves the error of this thread, which
 * fl_error_message tells. An operator given a NULL tensor returns NULL and leaves the error that
 * there is, so that a whole expression can be written and checked once:
 *
 *     fl_scope_begin();
 *     fl_tensor *loss = fl_mse_loss(fl_linear(x, w, b), target, "mean");
 *     if (fl_backward(loss) != 0)
 *         fprintf(stderr, "%s\n", fl_error_message());
 *     fl_scope_end();
 *
 * This header includes all the others: flambeau/base.h (types, memory, errors, autograd),
 * flambeau/device.h, flambeau/io.h (files), flambeau/nn.h (modules, layers, optimizers) and flambeau/ops.h
 * (the operators: typed inline functions, each PyTorch's operator of that name, with its argument order and defaults).
 */
#ifndef FLAMBEAU_H
#define FLAMBEAU_H

#include "flambeau/base.h"
#include "flambeau/device.h"
#include "flambeau/io.h"
#include "flambeau/nn.h"
#include "flambeau/ops.h"

#endif
