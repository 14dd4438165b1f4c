/* Convolutions with a filter of one tap, which are matrix products. */
#ifndef FLAMBEAU_OPS_CONV_CONV1X1_H
#define FLAMBEAU_OPS_CONV_CONV1X1_H

#include <stdbool.h>

#include "ops/conv/conv2d.h"

/* Whether the convolution is one here: one tap, step 1, no padding, and the pixels of each image in
 * one run of equal steps. `seen` is the operand that is read, x or g. */
bool conv1x1_takes(const struct conv2d_shape *p, const struct conv2d_view *seen);

/* As conv2d.h's three, of float32 or float64. */
int conv1x1_forward(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *x,
                    const struct conv2d_view *weight, const void *bias, void *y);
int conv1x1_backward_input(const struct conv2d_shape *p, fl_dtype dtype,
                           const struct conv2d_view *g, const struct conv2d_view *weight, void *dx);
int conv1x1_backward_weight(const struct conv2d_shape *p, fl_dtype dtype,
                            const struct conv2d_view *g, const struct conv2d_view *x,
                            void *dweight);
/* Whether the weight's gradient is better made so: few pixels, many weights. */
bool conv1x1_few_pixels(const struct conv2d_shape *p);

#endif
