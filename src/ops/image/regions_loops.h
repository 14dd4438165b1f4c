/* The kernels of regions.c for one type. Included once for each. */
#include "ops/image/real.h"

/* ---- Suppression ----------------------------------------------------------------------------- */

/* keep[i]: whether box order[i] stays; keep begins as ones. */
static void NAME(suppress)(int64_t n, const real *box, const int64_t *order, double threshold,
                           bool *keep)
{
    for (int64_t i = 0; i < n; i++) {
        const real *a = box + 4 * order[i];
        real area = (a[2] - a[0]) * (a[3] - a[1]);
        for (int64_t j = i + 1; keep[i] && j < n; j++) {
            const real *b = box + 4 * order[j];
            real left = a[0] > b[0] ? a[0] : b[0], top = a[1] > b[1] ? a[1] : b[1];
            real right = a[2] < b[2] ? a[2] : b[2], bottom = a[3] < b[3] ? a[3] : b[3];
            real width = right - left > 0 ? right - left : 0,
                 height = bottom - top > 0 ? bottom - top : 0, both = width * height;
            real overlap = both / (area + (b[2] - b[0]) * (b[3] - b[1]) - both);
            if ((double)overlap > threshold)
                keep[j] = false;
        }
    }
}

/* ---- Aligned averages ------------------------------------------------------------------------ */

/* Four elements of a plane and their weights; none (count 0) out of it. */
struct NAME(corner) {
    int count;
    int64_t at[4];
    real weight[4];
};

static inline struct NAME(corner) NAME(corners)(const struct regions *r, real y, real x)
{
    struct NAME(corner) c = {0};
    int64_t H = r->in[0], W = r->in[1];
    if (!(y >= -1 && y <= (real)H && x >= -1 && x <= (real)W))
        return c;
    y = y > 0 ? y : 0, x = x > 0 ? x : 0;
    int64_t top = (int64_t)y, left = (int64_t)x, bottom = top + 1, right = left + 1;
    if (top >= H - 1)
        top = bottom = H - 1, y = (real)top;
    if (left >= W - 1)
        left = right = W - 1, x = (real)left;
    real v = y - (real)top, h = x - (real)left;
    c.count = 4;
    c.at[0] = top * W + left, c.weight[0] = (1 - v) * (1 - h);
    c.at[1] = top * W + right, c.weight[1] = (1 - v) * h;
    c.at[2] = bottom * W + left, c.weight[2] = v * (1 - h);
    c.at[3] = bottom * W + right, c.weight[3] = v * h;
    return c;
}

/* A region's bins: where the first begins, how large they are, how many samples they take. */
struct NAME(bins) {
    real start[2], size[2];
    int64_t samples[2], count;
};

static struct NAME(bins) NAME(bins_of)(const struct regions *r, const real *roi)
{
    struct NAME(bins) b;
    real shift = r->aligned ? (real)0.5 : 0, scale = (real)r->scale;
    for (int d = 0; d < 2; d++) {
        b.start[d] = roi[2 - d] * scale - shift;
        real length = roi[4 - d] * scale - shift - b.start[d];
        if (!r->aligned)
            length = length > 1 ? length : 1;
        b.size[d] = length / (real)r->out[d];
        real dense = NAME(up)(length / (real)r->out[d]);
        b.samples[d] = r->sampling > 0 ? r->sampling
                       : dense > 0     ? (int64_t)(dense < (real)MOST ? dense : (real)MOST)
                                       : 0;
    }
    b.count = b.samples[0] * b.samples[1] > 1 ? b.samples[0] * b.samples[1] : 1;
    return b;
}

/* One region: forward sums x into y; backward spreads y into x. `image` is the region's own. */
static void NAME(align_region)(const struct regions *r, int64_t k, bool back)
{
    const real *roi = (const real *)r->rois + 5 * k;
    struct NAME(bins) b = NAME(bins_of)(r, roi);
    int64_t plane = r->in[0] * r->in[1], out = r->out[0] * r->out[1];
    real *x = (real *)r->x + (int64_t)roi[0] * r->C * plane, *y = (real *)r->y + k * r->C * out;
    for (int64_t i = 0; i < out; i++) {
        int64_t row = i / r->out[1], column = i % r->out[1];
        for (int64_t c = 0; !back && c < r->C; c++)
            y[c * out + i] = 0;
        for (int64_t sy = 0; plane && sy < b.samples[0]; sy++) /* an image may have no pixels */
            for (int64_t sx = 0; sx < b.samples[1]; sx++) {
                real down = b.start[0] + (real)row * b.size[0] +
                            ((real)sy + (real)0.5) * b.size[0] / (real)b.samples[0];
                real right = b.start[1] + (real)column * b.size[1] +
                             ((real)sx + (real)0.5) * b.size[1] / (real)b.samples[1];
                struct NAME(corner) p = NAME(corners)(r, down, right);
                for (int64_t c = 0; p.count && c < r->C; c++) {
                    real *at = x + c * plane, *value = y + c * out + i;
                    if (!back)
                        *value += p.weight[0] * at[p.at[0]] + p.weight[1] * at[p.at[1]] +
                                  p.weight[2] * at[p.at[2]] + p.weight[3] * at[p.at[3]];
                    else
                        for (int q = 0; q < 4; q++)
                            at[p.at[q]] += *value * p.weight[q] / (real)b.count;
                }
            }
        for (int64_t c = 0; !back && c < r->C; c++)
            y[c * out + i] /= (real)b.count;
    }
}

/* ---- Pooled maxima --------------------------------------------------------------------------- */

static int64_t NAME(between)(real at, int64_t most)
{
    return at > 0 ? at < (real)most ? (int64_t)at : most : 0;
}

static void NAME(pool_region)(const struct regions *r, int64_t k)
{
    const real *roi = (const real *)r->rois + 5 * k;
    int64_t plane = r->in[0] * r->in[1], out = r->out[0] * r->out[1];
    const real *x = (const real *)r->x + (int64_t)roi[0] * r->C * plane;
    real *y = (real *)r->y + k * r->C * out, start[2], size[2];
    int64_t *argmax = r->argmax + k * r->C * out;
    for (int d = 0; d < 2; d++) {
        start[d] = NAME(nearest)(roi[2 - d] * (real)r->scale);
        real length = NAME(nearest)(roi[4 - d] * (real)r->scale) - start[d] + 1;
        size[d] = (length > 1 ? length : 1) / (real)r->out[d];
    }
    for (int64_t i = 0; i < out; i++) {
        real row = (real)(i / r->out[1]), column = (real)(i % r->out[1]);
        int64_t top = NAME(between)(-NAME(up)(-row * size[0]) + start[0], r->in[0]),
                bottom = NAME(between)(NAME(up)((row + 1) * size[0]) + start[0], r->in[0]),
                left = NAME(between)(-NAME(up)(-column * size[1]) + start[1], r->in[1]),
                right = NAME(between)(NAME(up)((column + 1) * size[1]) + start[1], r->in[1]);
        bool empty = bottom <= top || right <= left;
        for (int64_t c = 0; c < r->C; c++) {
            real best = empty ? 0 : -NAME(largest);
            int64_t at = -1;
            for (int64_t v = top; v < bottom; v++)
                for (int64_t h = left; h < right; h++)
                    if (x[c * plane + v * r->in[1] + h] > best)
                        at = v * r->in[1] + h, best = x[c * plane + at];
            y[c * out + i] = best, argmax[c * out + i] = at;
        }
    }
}

/* Forward picks the elements of x that argmax names; backward adds y to them. */
static void NAME(pick_region)(const struct regions *r, int64_t k, bool back)
{
    const real *roi = (const real *)r->rois + 5 * k;
    int64_t plane = r->in[0] * r->in[1], out = r->out[0] * r->out[1];
    real *x = (real *)r->x + (int64_t)roi[0] * r->C * plane, *y = (real *)r->y + k * r->C * out;
    const int64_t *argmax = r->argmax + k * r->C * out;
    for (int64_t c = 0; c < r->C; c++)
        for (int64_t i = c * out; i < (c + 1) * out; i++)
            if (!back)
                y[i] = argmax[i] < 0 ? 0 : x[c * plane + argmax[i]];
            else if (argmax[i] >= 0)
                x[c * plane + argmax[i]] += y[i];
}
