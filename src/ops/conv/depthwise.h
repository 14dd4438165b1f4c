/* Depthwise convolution: one filter for each plane, where a matrix product would use one lane in
 * many. Its kernels, and the gradient of its weight. */
#ifndef FLAMBEAU_OPS_CONV_DEPTHWISE_H
#define FLAMBEAU_OPS_CONV_DEPTHWISE_H

#include "core/isa.h"
#include <stdbool.h>

#include "ops/conv/conv2d.h"

/* `lines` lines of n outputs, x_row and y_row apart: y[j] = bias + the sum over taps of weight[t *
 * weight_step] * x[offsets[t] + j], a chain of fused multiply-adds over the taps, then the bias
 * (one number, or NULL). */
struct depthwise_lines {
    int64_t taps, lines, n;
    const int64_t *offsets;
    const void *weight;
    int64_t weight_step;
    const void *x, *bias;
    void *y;
    int64_t x_row, y_row;
};

enum { DEPTHWISE_SUMS = 16 };

/* sums (taps, DEPTHWISE_SUMS) += g * x: for each tap, element j of a line of n in sum number j %
 * DEPTHWISE_SUMS, over `lines` lines, g_row and x_row apart. */
struct depthwise_sums {
    int64_t taps, lines, n;
    const int64_t *offsets;
    const void *g, *x;
    int64_t g_row, x_row;
    void *sums;
};

struct depthwise_kernels {
    void (*lines)(const struct depthwise_lines *l);
    void (*sums)(const struct depthwise_sums *s);
};

struct depthwise_table {
    struct depthwise_kernels type[2]; /* float32, float64 */
};
FL_SIMD_TABLE(struct depthwise_table, depthwise_table);

/* conv2d_backward_weight where every group has one filter and one plane, for float32 and float64;
 * g's columns are neighbours. 0, or -1 with the error set. */
int depthwise_weight_gradient(const struct conv2d_shape *p, fl_dtype dtype,
                              const struct conv2d_view *g, const struct conv2d_view *x,
                              void *dweight);

#endif
