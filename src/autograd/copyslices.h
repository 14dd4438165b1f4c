/* The node of an in-place write on a view, seen from its base. */
#ifndef FLAMBEAU_AUTOGRAD_COPYSLICES_H
#define FLAMBEAU_AUTOGRAD_COPYSLICES_H

#include "autograd/autograd.h"

/* The node from which `base` comes after `inner` wrote its view: takes over inner's edges but the
 * first. NULL with the error set. */
struct node *copyslices_new(fl_tensor *base, fl_tensor *view, struct node *inner);

#endif
