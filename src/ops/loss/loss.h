/* What losses share: the mean or the sum of errors, or the errors. */
#ifndef FLAMBEAU_OPS_LOSS_LOSS_H
#define FLAMBEAU_OPS_LOSS_LOSS_H

#include "core/tensor.h"

/* In a composite: *y from the errors (NULL where making them failed), by 'mean', 'sum' or 'none'. */
int loss_reduce(fl_tensor *errors, const char *reduction, fl_tensor **y);
/* Refuses the weights of classes that are not C in a line. -1. */
int loss_refuse_weight(const fl_tensor *weight, int64_t C) __attribute__((cold));

#endif
