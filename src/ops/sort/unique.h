/* Distinct elements on a device with kernels of its own. */
#ifndef FLAMBEAU_OPS_SORT_UNIQUE_H
#define FLAMBEAU_OPS_SORT_UNIQUE_H

#include <stdbool.h>

#include "flambeau/base.h"

/* In a composite: the distinct elements of self, which has some, in order or among neighbours, the
 * number of each element (or none), and how often each stands. 0, or -1 with the error. */
int unique_elsewhere(fl_tensor *self, bool neighbours, bool return_inverse, fl_tensor **values,
                     fl_tensor **inverse, fl_tensor **counts);

#endif
