/* The plane-by-plane kernels of pooling, for float32, float64 and int64. */
#ifndef FLAMBEAU_OPS_POOL_POOL_H
#define FLAMBEAU_OPS_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"

/* A plane (h, w), its output (oh, ow), and the window; pairs are (vertical, horizontal). */
struct pool_window {
    int64_t in[2], out[2], kernel[2], stride[2], padding[2], dilation[2];
    bool count_padding;
    int64_t divisor; /* 0: the window's size */
    bool adaptive; /* windows cut the plane into out parts; kernel, stride and padding do not count
                    */
};

struct pool_kernels {
    /* index: the position of the maximum in its plane; outside it where a window has no element. */
    void (*max)(const struct pool_window *p, const void *x, void *y, int64_t *index);
    void (*average)(const struct pool_window *p, const void *x, void *y);
    /* Adds to out, which begins as zeros; max_backward's has `plane` elements. */
    void (*max_backward)(int64_t n, const void *g, const int64_t *index, int64_t plane, void *out);
    void (*average_backward)(const struct pool_window *p, const void *g, void *out);
};

enum pool_type { POOL_F32, POOL_F64, POOL_I64 };
struct pool_table {
    struct pool_kernels type[3]; /* by pool_type; int64 has no gradients */
};
FL_SIMD_TABLE(struct pool_table, pool_table);

#endif
