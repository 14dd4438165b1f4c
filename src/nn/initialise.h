/* First values of parameters, drawn as PyTorch's constructors draw them. New tensors that belong to
 * the caller. */
#ifndef FLAMBEAU_NN_INITIALISE_H
#define FLAMBEAU_NN_INITIALISE_H

#include "core/tensor.h"

/* Every element the same. dtype FL_NO_DTYPE: the default dtype. */
fl_tensor *initialise_constant(fl_ints sizes, double value, int dtype);
/* Uniform in [-bound, bound). */
fl_tensor *initialise_uniform(fl_ints sizes, double bound);
/* kaiming_uniform_ with a = sqrt(5), for a fan-in: the weights of Linear and Conv2d. */
fl_tensor *initialise_weight(fl_ints sizes, int64_t fan_in);
/* Uniform within 1 / sqrt(fan_in): their biases. */
fl_tensor *initialise_bias(int64_t size, int64_t fan_in);
/* Normal with mean 0 and deviation 1. */
fl_tensor *initialise_normal(fl_ints sizes);

#endif
