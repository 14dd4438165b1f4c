/* What losses share: the mean or the sum of errors, or the errors. */
#ifndef FLAMBEAU_OPS_LOSS_LOSS_H
#define FLAMBEAU_OPS_LOSS_LOSS_H

#include "core/tensor.h"

/* In a composite: *y from the errors (NULL where making them failed), by 'mean', 'sum' or 'none'. */
int loss_reduce(fl_tensor *errors, const char *reduction, fl_tensor **y);

#endif
