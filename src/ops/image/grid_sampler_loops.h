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
 * how these change with the point's y (slope[0]) and x (slope[1]), in units of the grid. */
struct NAME(point) {
    int count;
    int64_t at[16];
    real weight[16], slope[2][16];
};

static inline void NAME(add)(const struct sampler *s, real y, real x, real weight, real down,
                             real right, struct NAME(point) * p)
{
    if (!(y >= 0 && y < (real)s->in[0] && x >= 0 && x < (real)s->in[1]))
        return;
    int k = p->count++;
    p->at[k] = (int64_t)y * s->in[1] + (int64_t)x;
    p->weight[k] = weight, p->slope[0][k] = down, p->slope[1][k] = right;
}

static inline void NAME(find)(const struct sampler *s, const real *grid, struct NAME(point) * p)
{
    real speed[2];
    real x = NAME(unscale)(s, 1, grid[0], &speed[1]), y = NAME(unscale)(s, 0, grid[1], &speed[0]);
    p->count = 0;
    if (s->mode == MODE_BICUBIC) {
        real top = NAME(down)(y), left = NAME(down)(x), w[2][4], slope[2][4], ignored;
        NAME(cubic)(y - top, false, w[0]), NAME(cubic)(x - left, false, w[1]);
        NAME(cubic)(y - top, true, slope[0]), NAME(cubic)(x - left, true, slope[1]);
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                NAME(add)(s, NAME(padded)(s, 0, top + (real)(i - 1), &ignored),
                          NAME(padded)(s, 1, left + (real)(j - 1), &ignored), w[0][i] * w[1][j],
                          slope[0][i] * w[1][j] * speed[0], w[0][i] * slope[1][j] * speed[1], p);
        return;
    }
    y = NAME(padded)(s, 0, y, &speed[0]), x = NAME(padded)(s, 1, x, &speed[1]);
    if (s->mode == MODE_NEAREST) {
        NAME(add)(s, NAME(even)(y), NAME(even)(x), 1, 0, 0, p);
        return;
    }
    real top = NAME(down)(y), left = NAME(down)(x), v = y - top, h = x - left;
    NAME(add)(s, top, left, (1 - h) * (1 - v), -(1 - h) * speed[0], -(1 - v) * speed[1], p);
    NAME(add)(s, top, left + 1, h * (1 - v), -h * speed[0], (1 - v) * speed[1], p);
    NAME(add)(s, top + 1, left, (1 - h) * v, (1 - h) * speed[0], -v * speed[1], p);
    NAME(add)(s, top + 1, left + 1, h * v, h * speed[0], v * speed[1], p);
}

/* One row of the output, all channels of it. */
static void NAME(sample_row)(const struct sampler *s, int64_t row)
{
    int64_t image = row / s->out[0], i = row % s->out[0], plane = s->in[0] * s->in[1],
            out = s->out[0] * s->out[1];
    const real *x = (const real *)s->x + image * s->C * plane;
    const real *grid = (const real *)s->grid + row * s->out[1] * 2;
    real *y = (real *)s->y + image * s->C * out + i * s->out[1];
    struct NAME(point) p;
    for (int64_t j = 0; j < s->out[1]; j++) {
        NAME(find)(s, grid + 2 * j, &p);
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
    int64_t plane = s->in[0] * s->in[1], out = s->out[0] * s->out[1];
    const real *x = (const real *)s->x + image * s->C * plane;
    const real *g = (const real *)s->y + image * s->C * out;
    const real *grid = (const real *)s->grid + image * out * 2;
    real *dx = (real *)s->dx + image * s->C * plane, *dgrid = (real *)s->dgrid + image * out * 2;
    struct NAME(point) p;
    for (int64_t j = 0; j < out; j++) {
        real down = 0, right = 0;
        NAME(find)(s, grid + 2 * j, &p);
        for (int64_t c = 0; c < s->C; c++)
            for (int k = 0; k < p.count; k++) {
                real gradient = g[c * out + j], value = x[c * plane + p.at[k]];
                dx[c * plane + p.at[k]] += gradient * p.weight[k];
                down += gradient * value * p.slope[0][k];
                right += gradient * value * p.slope[1][k];
            }
        dgrid[2 * j] = right, dgrid[2 * j + 1] = down;
    }
}
