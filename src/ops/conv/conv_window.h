/* How a filter is slid, as read from a call and checked: shared by convolutions of one to three
 * spatial dims. */
#ifndef FLAMBEAU_OPS_CONV_CONV_WINDOW_H
#define FLAMBEAU_OPS_CONV_CONV_WINDOW_H

#include "core/tensor.h"

enum { CONV_MAX_DIMS = 3 };

/* One of each for a spatial dim. */
struct conv_window {
    int64_t stride[CONV_MAX_DIMS], padding[CONV_MAX_DIMS], dilation[CONV_MAX_DIMS],
        output_padding[CONV_MAX_DIMS];
};

/* Convolutions of three spatial dims, by those of two (conv3d.c). The arguments are checked. */
int conv3d_forward(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                   const struct conv_window *w, int64_t groups, fl_tensor **y);
int conv3d_transposed(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                      const struct conv_window *w, int64_t groups, fl_tensor **y);

/* The error of an output padding that is as large as stride and dilation: -1. */
int conv_refuse_output_padding(const struct conv_window *w, int spatial);

#endif
