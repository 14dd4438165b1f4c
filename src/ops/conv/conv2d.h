/* Two-dimensional convolution (cross-correlation, as in PyTorch) and its gradients, over pointers,
 * sizes and strides.
 *
 * Results are the same for any number of threads and on every instruction set.
 */
#ifndef FLAMBEAU_OPS_CONV_CONV2D_H
#define FLAMBEAU_OPS_CONV_CONV2D_H

#include <assert.h>
#include <stdint.h>

#include "flambeau/base.h"

/* x (n, c, h, w), weight (k, c / groups, r, s), y (n, k, conv2d_rows, conv2d_cols); pairs are
 * (vertical, horizontal). The caller has checked that groups divides c and k, strides and dilations
 * are positive, paddings not negative, and that the output is not of negative size. */
struct conv2d_shape {
    int64_t n, c, h, w;
    int64_t k, r, s;
    int64_t groups;
    int64_t stride[2], padding[2], dilation[2];
};

/* An operand of four dimensions with any strides, in elements. */
struct conv2d_view {
    const void *data;
    int64_t strides[4];
};

/* How many positions a filter of `filter` taps has along one axis of `in` elements. */
static inline int64_t conv2d_positions(int64_t in, int64_t filter, int64_t stride, int64_t padding,
                                       int64_t dilation)
{
    assert(stride > 0 && dilation > 0 && padding >= 0);
    int64_t room = in + 2 * padding - dilation * (filter - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}
static inline int64_t conv2d_rows(const struct conv2d_shape *p)
{
    return conv2d_positions(p->h, p->r, p->stride[0], p->padding[0], p->dilation[0]);
}
static inline int64_t conv2d_cols(const struct conv2d_shape *p)
{
    return conv2d_positions(p->w, p->s, p->stride[1], p->padding[1], p->dilation[1]);
}

/* dtype is that of all operands: float32, float64, or float16 and bfloat16 (computed in float32,
 * rounded once). Results are contiguous. bias (k), contiguous, may be NULL. All return 0, or -1
 * with the error set. */
int conv2d_forward(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *x,
                   const struct conv2d_view *weight, const void *bias, void *y);
/* The gradients of x and weight, from the gradient g of y. (A bias's is the sum of g.) */
int conv2d_backward_input(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *g,
                          const struct conv2d_view *weight, void *dx);
int conv2d_backward_weight(const struct conv2d_shape *p, fl_dtype dtype,
                           const struct conv2d_view *g, const struct conv2d_view *x, void *dweight);

#endif
