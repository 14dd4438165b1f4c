/* Loops of points.c. */
#include "ops/image/points.h"

#define LOOPS(real, suffix)                                                                        \
    static void row_##suffix(int64_t n, void *restrict y, const void *restrict x,                  \
                             const void *weight, int first)                                        \
    {                                                                                              \
        const real w = *(const real *)weight, *from = x;                                           \
        real *to = y;                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[i] = from[i] * w + (first ? 0 : to[i]);                                             \
    }                                                                                              \
    static void picked_##suffix(int64_t n, void *restrict y, const void *restrict x,               \
                                const int32_t *restrict index, const void *restrict weight,        \
                                int first)                                                         \
    {                                                                                              \
        const real *w = weight, *from = x;                                                         \
        real *to = y;                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[i] = from[index[i]] * w[i] + (first ? 0 : to[i]);                                   \
    }                                                                                              \
    static void spread_##suffix(int64_t n, void *restrict x, const void *restrict y,               \
                                const int32_t *restrict index, const void *restrict weight)        \
    {                                                                                              \
        const real *w = weight, *from = y;                                                         \
        real *to = x;                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[index[i]] += from[i] * w[i];                                                        \
    }

LOOPS(float, f32)
LOOPS(double, f64)

const struct point_table FL_SIMD(point_table) = {.f32 = {row_f32, picked_f32, spread_f32},
                                                 .f64 = {row_f64, picked_f64, spread_f64}};
