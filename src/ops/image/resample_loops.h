/* The passes of resample.c for one type. Included once for each. */
#include "ops/image/real.h"

/* The filter at a distance from its middle, in taps. */
static real NAME(filter)(int taps, real x)
{
    const real a = (real)-0.5;
    x = x < 0 ? -x : x;
    if (taps == 2)
        return x < 1 ? 1 - x : 0;
    if (taps == 4)
        return x < 1   ? ((a + 2) * x - (a + 3)) * x * x + 1
               : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
                       : 0;
    if (x == 0)
        return 1;
    real wide = (real)pi * x;
    return x < 3 ? 3 * NAME(m_sin)(wide) * NAME(m_sin)(wide / 3) / (wide * wide) : 0;
}

/* Fills t's weights: those of element i of the output begin at weight[i * t->most]. */
static void NAME(weigh)(const struct taps *t, int taps, const double *given, bool align_corners)
{
    real scale = align_corners         ? t->out > 1 ? (real)(t->in - 1) / (real)(t->out - 1) : 0
                 : given && *given > 0 ? (real)(1 / *given)
                                       : (real)t->in / (real)t->out;
    real reach = scale >= 1 ? (real)taps / 2 * scale : (real)taps / 2;
    real narrow = scale >= 1 ? 1 / scale : 1;
    for (int64_t i = 0; i < t->out; i++) {
        real middle = scale * ((real)i + (real)0.5), total = 0;
        real *w = (real *)t->weight + i * t->most;
        int64_t from = (int64_t)(middle - reach + (real)0.5),
                to = (int64_t)(middle + reach + (real)0.5);
        from = from < 0 ? 0 : from, to = to > t->in ? t->in : to;
        from = from > t->in ? t->in : from;
        int64_t count = to - from < 0 ? 0 : to - from > t->most ? t->most : to - from;
        for (int64_t k = 0; k < count; k++) {
            w[k] = NAME(filter)(taps, ((real)(k + from) - middle + (real)0.5) * narrow);
            total += w[k];
        }
        for (int64_t k = 0; k < count; k++)
            w[k] = total != 0 ? w[k] / total : w[k];
        t->from[i] = from, t->count[i] = count;
    }
}

/* Rows of x (t->in elements) to rows of y (t->out). */
static void NAME(across)(const struct taps *t, int64_t rows, const real *x, real *y)
{
    for (int64_t row = 0; row < rows; row++, x += t->in, y += t->out)
        for (int64_t i = 0; i < t->out; i++) {
            const real *w = (const real *)t->weight + i * t->most, *src = x + t->from[i];
            real sum = 0;
            for (int64_t k = 0; k < t->count[i]; k++)
                sum += src[k] * w[k];
            y[i] = sum;
        }
}

/* A plane of t->in rows to one of t->out. */
static void NAME(downwards)(const struct taps *t, int64_t width, const real *x, real *y)
{
    for (int64_t i = 0; i < t->out; i++, y += width) {
        const real *w = (const real *)t->weight + i * t->most;
        for (int64_t j = 0; j < width; j++)
            y[j] = 0;
        for (int64_t k = 0; k < t->count[i]; k++) {
            const real *src = x + (t->from[i] + k) * width;
            for (int64_t j = 0; j < width; j++)
                y[j] += src[j] * w[k];
        }
    }
}

/* The same the other way: what went into y is added to x, which begins as zeros. */
static void NAME(across_back)(const struct taps *t, int64_t rows, const real *y, real *x)
{
    for (int64_t row = 0; row < rows; row++, x += t->in, y += t->out)
        for (int64_t i = 0; i < t->out; i++) {
            const real *w = (const real *)t->weight + i * t->most;
            for (int64_t k = 0; k < t->count[i]; k++)
                x[t->from[i] + k] += y[i] * w[k];
        }
}

static void NAME(downwards_back)(const struct taps *t, int64_t width, const real *y, real *x)
{
    for (int64_t i = 0; i < t->out; i++, y += width) {
        const real *w = (const real *)t->weight + i * t->most;
        for (int64_t k = 0; k < t->count[i]; k++) {
            real *dst = x + (t->from[i] + k) * width;
            for (int64_t j = 0; j < width; j++)
                dst[j] += y[j] * w[k];
        }
    }
}

/* One plane, across and then downwards, or back; `between` has room for in[0] * out[1]. */
static void NAME(plane)(const struct job *j, int64_t p, real *between)
{
    const struct taps *v = &j->taps[0], *h = &j->taps[1];
    if (!j->back) {
        NAME(across)(h, v->in, (const real *)j->x + p * v->in * h->in, between);
        NAME(downwards)(v, h->out, between, (real *)j->y + p * v->out * h->out);
        return;
    }
    memset(between, 0, sizeof *between * (size_t)(v->in * h->out));
    NAME(downwards_back)(v, h->out, (const real *)j->y + p * v->out * h->out, between);
    NAME(across_back)(h, v->in, between, (real *)j->x + p * v->in * h->in);
}
