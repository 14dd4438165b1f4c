/* The kernels of depthwise.h for one type, REAL_BITS. Included once for each by depthwise.simd.c.
 */
#include "ops/matmul/gemm_vector.h"

/* rows x vectors vectors of outputs, from line i and output j on; the last vector of a row has
 * `width` of them. */
INLINE void NAME(outputs)(const struct depthwise_lines *l, int64_t i, int64_t j, const int rows,
                          const int vectors, int width)
{
    const real *x = (const real *)l->x + i * l->x_row + j, *weight = l->weight;
    real *y = (real *)l->y + i * l->y_row + j;
    vec sums[4][4] = {{{0}}};
    for (int64_t t = 0; t < l->taps; t++) {
        const vec w = NAME(splat)(weight[t * l->weight_step]);
        const real *shown = x + l->offsets[t];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++, shown += l->x_row) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors - 1; v++)
                sums[r][v] = NAME(fma)(w, NAME(load)(shown + v * LANES), sums[r][v]);
            const vec last = NAME(load_first)(shown + (vectors - 1) * LANES, width);
            sums[r][vectors - 1] = NAME(fma)(w, last, sums[r][vectors - 1]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++, y += l->y_row)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            if (l->bias)
                sums[r][v] += NAME(splat)(*(const real *)l->bias);
            NAME(store_first)(y + v * LANES, sums[r][v], v == vectors - 1 ? width : LANES);
        }
}

/* The same for all lines: as many at a time as give four chains. */
INLINE void NAME(column)(const struct depthwise_lines *l, int64_t j, const int vectors, int width)
{
    const int rows = vectors == 1 ? 4 : vectors == 2 ? 2 : 1;
    int64_t i = 0;
    for (; i + rows <= l->lines; i += rows)
        NAME(outputs)(l, i, j, rows, vectors, width);
    for (; rows > 1 && i < l->lines; i++)
        NAME(outputs)(l, i, j, 1, vectors, width);
}

static void NAME(lines)(const struct depthwise_lines *l)
{
    int64_t j = 0;
    for (; l->n - j > 4 * LANES; j += 4 * LANES)
        NAME(column)(l, j, 4, LANES);
    const int left = (int)(l->n - j), width = (left - 1) % LANES + 1;
    switch ((left + LANES - 1) / LANES) {
    case 4:
        NAME(column)(l, j, 4, width);
        break;
    case 3:
        NAME(column)(l, j, 3, width);
        break;
    case 2:
        NAME(column)(l, j, 2, width);
        break;
    default:
        NAME(column)(l, j, 1, width);
        break;
    }
}

static void NAME(sums)(const struct depthwise_sums *s)
{
    enum { VECTORS = DEPTHWISE_SUMS / LANES };
    for (int64_t t = 0; t < s->taps; t++) {
        real *to = (real *)s->sums + t * DEPTHWISE_SUMS;
        const real *g = s->g, *x = (const real *)s->x + s->offsets[t];
        vec sums[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            sums[v] = NAME(load)(to + v * LANES);
        for (int64_t i = 0; i < s->lines; i++, g += s->g_row, x += s->x_row) {
            int64_t j = 0;
            for (; j + DEPTHWISE_SUMS <= s->n; j += DEPTHWISE_SUMS)
                for (int v = 0; v < VECTORS; v++)
                    sums[v] = NAME(fma)(NAME(load)(g + j + v * LANES),
                                        NAME(load)(x + j + v * LANES), sums[v]);
            for (int v = 0; j < s->n; v++, j += LANES) {
                const int width = s->n - j < LANES ? (int)(s->n - j) : LANES;
                sums[v] = NAME(fma)(NAME(load_first)(g + j, width), NAME(load_first)(x + j, width),
                                    sums[v]);
            }
        }
        for (int v = 0; v < VECTORS; v++)
            NAME(store)(to + v * LANES, sums[v]);
    }
}
