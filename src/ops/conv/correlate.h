/* What forward convolution and input gradient have in common: a correlation of planes with lists of
 * taps.
 *
 *     out[image, m, i, j] = bias[m] + sum over taps t and planes p of
 *                           weight[m, p, t] * in[image, p, i * step[0] + dy[t], j * step[1] +
 * dx[t]]
 *
 * for i < rows, j < cols, where in is 0 outside its edges; each of `groups` groups by itself. There
 * may be several phases: outputs of their own from the same input, each with its own taps.
 */
#ifndef FLAMBEAU_OPS_CONV_CORRELATE_H
#define FLAMBEAU_OPS_CONV_CORRELATE_H

#include <stdint.h>

#include "flambeau/base.h"

struct correlation_phase {
    int64_t rows, cols;     /* at most the correlation's */
    int64_t taps;           /* at least 1 */
    const int64_t *dy, *dx; /* (taps) */
    const int64_t *tap;     /* (taps): offset of the tap in weight, in elements */
    void *out;
};

struct correlation {
    fl_dtype dtype; /* float32 or float64 */
    int64_t images, groups;
    int64_t filters, planes; /* of a group: m and p run below them */
    int64_t rows, cols;
    int64_t step[2];
    int64_t phase_count;
    const struct correlation_phase *phases;
    const void *in;
    int64_t in_image, in_plane, in_row, in_col; /* strides; group q begins q * planes planes on */
    int64_t in_rows, in_cols;
    const void *weight;
    int64_t weight_group, weight_filter, weight_plane; /* strides */
    int64_t out_image, out_filter, out_row,
        out_col;      /* strides; group q begins q * filters filters on */
    const void *bias; /* (groups * filters), contiguous, or NULL */
};

/* Returns 0, or -1 with the error set (out of memory). */
int correlate(const struct correlation *p);

#endif
