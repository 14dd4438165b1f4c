/* The gradient of a convolution's weight, in float32 and float64. */
#ifndef FLAMBEAU_OPS_CONV_CONV2D_WEIGHT_H
#define FLAMBEAU_OPS_CONV_CONV2D_WEIGHT_H

#include "ops/conv/conv2d.h"

/* As conv2d_backward_weight. */
int conv2d_weight_gradient(const struct conv2d_shape *p, fl_dtype dtype,
                           const struct conv2d_view *g, const struct conv2d_view *x, void *dweight);

#endif
