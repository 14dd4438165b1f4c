/* Loops of points.c and grid_sampler.c. */
#include "ops/image/points.h"

#include <assert.h>
#include <math.h>

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

/* whole: the integer below, even: the nearest one. */
#define SAMPLES(real, suffix, whole, even)                                                         \
    static void put_##suffix(int64_t n, const real *restrict y, const real *restrict x, real H,    \
                             real W, int32_t *restrict index, const real *restrict given,          \
                             real *restrict weight)                                                \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const int in = (y[i] >= 0) & (y[i] < H) & (x[i] >= 0) & (x[i] < W);                    \
            const real row = in ? y[i] : 0, column = in ? x[i] : 0;                                \
            index[i] = in ? (int32_t)row * (int32_t)W + (int32_t)column : -1;                      \
            weight[i] = in ? given[i] : 0;                                                         \
        }                                                                                          \
    }                                                                                              \
    static void neighbours_##suffix(int64_t n, const void *at_y, const void *at_x, int64_t H,      \
                                    int64_t W, int nearest, int32_t *index, void *weight)          \
    {                                                                                              \
        const real *y = at_y, *x = at_x;                                                           \
        real low[2][POINTS_TILE], high[2][POINTS_TILE], part[4][POINTS_TILE], *w = weight;         \
        assert(n <= POINTS_TILE);                                                                  \
        for (int64_t i = 0; nearest && i < n; i++)                                                 \
            low[0][i] = even(y[i]), low[1][i] = even(x[i]), part[0][i] = 1;                        \
        for (int64_t i = 0; !nearest && i < n; i++) {                                              \
            low[0][i] = whole(y[i]), low[1][i] = whole(x[i]);                                      \
            const real down = y[i] - low[0][i], along = x[i] - low[1][i];                          \
            high[0][i] = low[0][i] + 1, high[1][i] = low[1][i] + 1;                                \
            part[0][i] = (1 - along) * (1 - down), part[1][i] = along * (1 - down);                \
            part[2][i] = (1 - along) * down, part[3][i] = along * down;                            \
        }                                                                                          \
        put_##suffix(n, low[0], low[1], (real)H, (real)W, index, part[0], w);                      \
        for (int k = 1; !nearest && k < 4; k++)                                                    \
            put_##suffix(n, k < 2 ? low[0] : high[0], k == 2 ? low[1] : high[1], (real)H, (real)W, \
                         index + k * POINTS_TILE, part[k], w + k * POINTS_TILE);                   \
    }                                                                                              \
    static void sampled_##suffix(int64_t n, int count, void *restrict y, const void *restrict x,   \
                                 const int32_t *restrict index, const void *restrict weight)       \
    {                                                                                              \
        const real *from = x;                                                                      \
        real *to = y;                                                                              \
        for (int k = 0; k < count; k++) {                                                          \
            const real *w = (const real *)weight + k * POINTS_TILE;                                \
            const int32_t *at = index + k * POINTS_TILE;                                           \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const real value = at[i] < 0 ? 0 : from[at[i]];                                    \
                to[i] = (k ? to[i] : 0) + value * w[i];                                            \
            }                                                                                      \
        }                                                                                          \
    }

SAMPLES(float, f32, floorf, rintf)
SAMPLES(double, f64, floor, rint)

const struct point_table FL_SIMD(point_table) = {
    .f32 = {row_f32, picked_f32, spread_f32, neighbours_f32, sampled_f32},
    .f64 = {row_f64, picked_f64, spread_f64, neighbours_f64, sampled_f64}};
