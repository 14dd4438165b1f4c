/* Convolutions of complex numbers. */
#ifndef FLAMBEAU_OPS_CONV_COMPLEX_H
#define FLAMBEAU_OPS_CONV_COMPLEX_H

#include "core/tensor.h"
#include "ops/op.h"

/* A call of one of the kernels conv2d_cpu, conv2d_backward_input_cpu, conv2d_backward_weight_cpu:
 * what comes beside its two tensors; size: that of the input, or of the weight, for the latter two. */
struct conv_complex {
    enum { CONV_FORWARD, CONV_BACKWARD_INPUT, CONV_BACKWARD_WEIGHT } which;
    fl_ints size, stride, padding, dilation;
    int64_t groups;
};
int conv_complex(const struct conv_complex *c, fl_tensor *a, fl_tensor *b, fl_tensor *bias,
                 fl_tensor *y);

#endif
