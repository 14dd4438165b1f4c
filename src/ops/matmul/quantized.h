/* The loops of a linear layer whose weight is int8 and whose input is made integers as it comes. */
#ifndef FLAMBEAU_OPS_MATMUL_QUANTIZED_H
#define FLAMBEAU_OPS_MATMUL_QUANTIZED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"

/* Products of steps (at most 255) and weights of int8, of which a sum fits int32. */
enum { QUANTIZED_STRETCH = 1 << 15, QUANTIZED_ROWS = 4 };

/* How numbers become steps: round(x * inverse + zero), of which the
 * inside is rounded once, from 0 to top. */
struct quantized_steps {
    float inverse;
    int zero, top;
};

struct quantized_kernels {
    /* The least and the largest of n numbers and 0; false where one is NaN. */
    bool (*range)(int64_t n, const float *x, float *low, float *high);
    /* to[i] = the step of x[i], less the one that 0 becomes. */
    void (*steps)(const struct quantized_steps *s, int64_t n, int16_t *to, const float *x);
    void (*widen)(int64_t n, int16_t *to, const int8_t *from);
    /* y[r] += the sum of products of row r of x and w, n numbers, at most QUANTIZED_STRETCH; rows,
     * at most QUANTIZED_ROWS, are `stride` numbers apart. */
    void (*dots)(int rows, int64_t n, const int16_t *x, int64_t stride, const int16_t *w,
                 int64_t *y);
};
FL_SIMD_TABLE(struct quantized_kernels, quantized_kernels);

#endif
