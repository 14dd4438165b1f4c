/* Row and channel kernels of softmax and the normalisations, for float32 [0] and float64 [1]. */
#ifndef FLAMBEAU_OPS_NORM_NORM_H
#define FLAMBEAU_OPS_NORM_NORM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"

enum { NORM_CHANNELS = 64 };

/* x, y, g, out are (rows, n), contiguous, of the kernel's type; per-row and per-column vectors
 * likewise. Sums run in a fixed number of lanes joined by a fixed tree, the same on every
 * instruction set. */
struct norm_kernels {
    /* y = exp(x - max) / sum, or x - max - log(sum) with `logarithm`, along each row. */
    void (*softmax)(int64_t rows, int64_t n, const void *x, void *y, bool logarithm);
    /* out = y (g - sum(g y)); logarithm: g - exp(y) sum(g). */
    void (*softmax_backward)(int64_t rows, int64_t n, const void *g, const void *y, void *out,
                             bool logarithm);
    /* The same down the columns of one (n, inner) matrix. */
    void (*softmax_columns)(int64_t n, int64_t inner, const void *x, void *y, bool logarithm);
    void (*softmax_columns_backward)(int64_t n, int64_t inner, const void *g, const void *y,
                                     void *out, bool logarithm);
    /* y = (x - mean) rstd [* weight + bias] along each row; mean and rstd are written, one a row.
     */
    void (*layer_norm)(int64_t rows, int64_t n, const void *x, const void *weight, const void *bias,
                       double eps, void *y, void *mean, void *rstd);
    void (*layer_norm_backward)(int64_t rows, int64_t n, const void *g, const void *x,
                                const void *weight, const void *mean, const void *rstd, void *out);
    /* Adds the rows' parts to the gradients of weight and bias (either may be NULL), in the order
     * of rows. */
    void (*layer_norm_affine)(int64_t rows, int64_t n, const void *g, const void *x,
                              const void *mean, const void *rstd, void *weight, void *bias);
    /* a[i] += b[i]. */
    void (*add)(int64_t n, void *a, const void *b);
    /* Channels c to c + count - 1 of x (N, C, S), at most NORM_CHANNELS: their means and sums of
     * squared differences from them. */
    void (*channel_moments)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count,
                            const void *x, double *mean, double *squares);
    /* Of g, x: sum(g) and sum(g (x - mean)). */
    void (*channel_sums)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count, const void *g,
                         const void *x, const double *mean, double *sum, double *dot);
    /* y = x * scale + shift. */
    void (*channel_affine)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count, const void *x,
                           const double *scale, const double *shift, void *y);
    /* out = g * a + (x - mean) * b + shift. */
    void (*channel_backward)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count,
                             const void *g, const void *x, const double *mean, const double *a,
                             const double *b, const double *shift, void *out);
};

struct norm_table {
    struct norm_kernels type[2];
};
FL_SIMD_TABLE(struct norm_table, norm_table);

#endif
