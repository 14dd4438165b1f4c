/* The kernels of grid_sampler.c for one type. Included once for each. */
#include "ops/image/real.h"

/* A coordinate from -1 ... 1 in elements of a dim; *slope is how fast it moves. */
static inline real NAME(unscale)(const struct sampler *s, int d, real at, real *slope)
{
    int64_t n = s->in[d];
    *slope = (real)(s->align_corners ? n - 1 : n) / 2;
    return s->align_corners ? (at + 1) * *slope : (at + 1) * *slope - (real)0.5;
}

/* Holds a coordinate between 0 and n - 1, NaN at 0; *slope becomes 0 where it is held. */
static inline real NAME(held)(real at, int64_t n, real *slope)
{
    if (at > 0 && at < (real)(n - 1))
        return at;
    *slope = 0;
    return at > 0 ? (real)(n - 1) : 0;
}

/* A coordinate mirrored at low / 2 and high / 2 as often as it takes. */
static inline real NAME(mirrored)(real at, int64_t low, int64_t high, real *slope)
{
    if (low == high) {
        *slope = 0;
        return 0;
    }
    real least = (real)low / 2, span = (real)(high - low) / 2, sign = at < least ? -1 : 1;
    at = NAME(absolute)(at - least);
    real flips = NAME(down)(at / span), extra = at - flips * span;
    bool odd = flips - 2 * NAME(down)(flips / 2) != 0;
    *slope *= odd ? -sign : sign;
    return (odd ? span - extra : extra) + least;
}

/* What the padding makes of a coordinate out of the image. */
static inline real NAME(padded)(const struct sampler *s, int d, real at, real *slope)
{
    int64_t n = s->in[d];
    if (s->padding == PAD_REFLECTION) {
        at = s->align_corners ? NAME(mirrored)(at, 0, 2 * (n - 1), slope)
                              : NAME(mirrored)(at, -1, 2 * n - 1, slope);
        return NAME(held)(at, n, slope);
    }
    return s->padding == PAD_BORDER ? NAME(held)(at, n, slope) : at;
}

/* The weights of the four neighbours of a point t behind the second (Keys, 1981, a = -3/4), or how
 * fast they change with t. */
static inline void NAME(cubic)(real t, bool slope, real *w)
{
    const real a = (real)-0.75;
    for (int k = 0; k < 4; k++) {
        real x = k < 2 ? t + (real)(1 - k) : (real)(k - 1) - t, side = k < 2 ? 1 : -1;
        bool near = k == 1 || k == 2;
        if (!slope)
            w[k] = near ? ((a + 2) * x - (a + 3)) * x * x + 1
                        : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
        else
            w[k] = side *
                   (near ? (3 * (a + 2) * x - 2 * (a + 3)) * x : (3 * a * x - 10 * a) * x + 8 * a);
    }
}

/* What a point of the output is made of: `count` elements of each plane with their weights, and
 * how these change with the point's z, y and x (slope[0], [1], [2]), in units of the grid. */
struct NAME(point) {
    int count;
    int64_t at[16];
    real weight[16], slope[3][16];
};

/* Adds the element at (z, y, x) of the weight w, if there is one. */
static inline void NAME(add)(const struct sampler *s, const real *at, real w, const real *slope,
                             struct NAME(point) * p)
{
    int64_t element = 0;
    for (int d = 0; d < 3; d++) {
        if (!(at[d] >= 0 && at[d] < (real)s->in[d]))
            return;
        element = element * s->in[d] + (int64_t)at[d];
    }
    int k = p->count++;
    p->at[k] = element, p->weight[k] = w;
    for (int d = 0; d < 3; d++)
        p->slope[d][k] = slope[d];
}

/* The sixteen neighbours of a point of an image. */
static inline void NAME(find_cubic)(const struct sampler *s, const real *at, const real *speed,
                                    struct NAME(point) * p)
{
    real top = NAME(down)(at[1]), left = NAME(down)(at[2]), w[2][4], slope[2][4], ignored;
    NAME(cubic)(at[1] - top, false, w[0]), NAME(cubic)(at[2] - left, false, w[1]);
    NAME(cubic)(at[1] - top, true, slope[0]), NAME(cubic)(at[2] - left, true, slope[1]);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            real near[3] = {0, NAME(padded)(s, 1, top + (real)(i - 1), &ignored),
                            NAME(padded)(s, 2, left + (real)(j - 1), &ignored)};
            real slopes[3] = {0, slope[0][i] * w[1][j] * speed[1],
                              w[0][i] * slope[1][j] * speed[2]};
            NAME(add)(s, near, w[0][i] * w[1][j], slopes, p);
        }
}

static inline void NAME(find)(const struct sampler *s, const real *grid, struct NAME(point) * p)
{
    real at[3] = {0, 0, 0}, speed[3] = {0, 0, 0}, flat[3] = {0, 0, 0}, low[3], part[3];
    int first = 3 - s->dims;
    p->count = 0;
    for (int d = first; d < 3; d++)
        at[d] = NAME(unscale)(s, d, grid[2 - d], &speed[d]);
    if (s->mode == MODE_BICUBIC) {
        NAME(find_cubic)(s, at, speed, p);
        return;
    }
    for (int d = first; d < 3; d++)
        at[d] = NAME(padded)(s, d, at[d], &speed[d]);
    for (int d = 0; d < 3; d++) {
        low[d] = s->mode == MODE_NEAREST ? NAME(even)(at[d]) : NAME(down)(at[d]);
        part[d] = at[d] - low[d];
    }
    if (s->mode == MODE_NEAREST) {
        NAME(add)(s, low, 1, flat, p);
        return;
    }
    for (int corner = 0; corner < 1 << s->dims; corner++) {
        real near[3], w[3], slope[3];
        for (int d = 0; d < 3; d++) {
            int up = corner >> (2 - d) & 1;
            near[d] = low[d] + (real)up;
            w[d] = up ? part[d] : 1 - part[d];
        }
        for (int d = 0; d < 3; d++) {
            int up = corner >> (2 - d) & 1;
            real others = w[d == 2 ? 1 : 2] * w[d == 0 ? 1 : 0];
            slope[d] = (up ? others : -others) * speed[d];
        }
        NAME(add)(s, near, w[2] * w[1] * w[0], slope, p);
    }
}

/* A row of an image's output, POINTS_TILE points at a time: places and weights first, which all
 * channels share, then each channel by itself. Gives what sample_row gives. */
static void NAME(sample_image_row)(const struct sampler *s, const real *x, const real *grid,
                                   real *y)
{
    const struct point_loops *loops = POINT_LOOPS;
    const int64_t plane = s->in[1] * s->in[2], out = s->out[1] * s->out[2];
    const bool nearest = s->mode == MODE_NEAREST;
    real at[2][POINTS_TILE], weight[4 * POINTS_TILE], slope;
    int32_t index[4 * POINTS_TILE];
    assert(s->dims == 2 && s->mode != MODE_BICUBIC);
    for (int64_t j = 0; j < s->out[2]; j += POINTS_TILE, grid += 2 * POINTS_TILE) {
        const int64_t n = s->out[2] - j < POINTS_TILE ? s->out[2] - j : POINTS_TILE;
        for (int d = 0; d < 2; d++)
            for (int64_t i = 0; i < n; i++)
                at[d][i] = NAME(unscale)(s, 1 + d, grid[2 * i + 1 - d], &slope);
        for (int d = 0; d < 2 && s->padding != PAD_ZEROS; d++)
            for (int64_t i = 0; i < n; i++)
                at[d][i] = NAME(padded)(s, 1 + d, at[d][i], &slope);
        loops->neighbours(n, at[0], at[1], s->in[1], s->in[2], nearest, index, weight);
        for (int64_t c = 0; c < s->C; c++)
            loops->sampled(n, nearest ? 1 : 4, y + c * out + j, x + c * plane, index, weight);
    }
}

/* One row of the output, all channels of it. */
static void NAME(sample_row)(const struct sampler *s, int64_t row)
{
    int64_t rows = s->out[0] * s->out[1], image = row / rows, i = row % rows,
            plane = s->in[0] * s->in[1] * s->in[2], out = rows * s->out[2];
    const real *x = (const real *)s->x + image * s->C * plane;
    const real *grid = (const real *)s->grid + row * s->out[2] * s->dims;
    real *y = (real *)s->y + image * s->C * out + i * s->out[2];
    struct NAME(point) p;
    if (s->dims == 2 && s->mode != MODE_BICUBIC && plane <= INT32_MAX) {
        NAME(sample_image_row)(s, x, grid, y);
        return;
    }
    for (int64_t j = 0; j < s->out[2]; j++) {
        NAME(find)(s, grid + s->dims * j, &p);
        for (int64_t c = 0; c < s->C; c++) {
            real sum = 0;
            for (int k = 0; k < p.count; k++)
                sum += x[c * plane + p.at[k]] * p.weight[k];
            y[c * out + j] = sum;
        }
    }
}

/* The gradients of one image (dx begins as zeros) and of its grid. */
static void NAME(backward_image)(const struct sampler *s, int64_t image)
{
    int64_t plane = s->in[0] * s->in[1] * s->in[2], out = s->out[0] * s->out[1] * s->out[2];
    const real *x = (const real *)s->x + image * s->C * plane;
    const real *g = (const real *)s->y + image * s->C * out;
    const real *grid = (const real *)s->grid + image * out * s->dims;
    real *dx = (real *)s->dx + image * s->C * plane;
    real *dgrid = (real *)s->dgrid + image * out * s->dims;
    struct NAME(point) p;
    for (int64_t j = 0; j < out; j++) {
        real slope[3] = {0, 0, 0};
        NAME(find)(s, grid + s->dims * j, &p);
        for (int64_t c = 0; c < s->C; c++)
            for (int k = 0; k < p.count; k++) {
                real gradient = g[c * out + j], value = x[c * plane + p.at[k]];
                dx[c * plane + p.at[k]] += gradient * p.weight[k];
                for (int d = 0; d < 3; d++)
                    slope[d] += gradient * value * p.slope[d][k];
            }
        for (int d = 0; d < s->dims; d++)
            dgrid[s->dims * j + d] = slope[2 - d];
    }
}
