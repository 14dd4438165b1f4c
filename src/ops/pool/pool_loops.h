/* The kernels of pool.h for one type: REAL_BITS, and INDEX, the integer as wide. Included once for
 * each by pool.simd.c. */
#include "ops/matmul/gemm_vector.h"

typedef INDEX NAME(lane) __attribute__((vector_size(VECTOR_BYTES)));

/* The maximum of one window; the first of equals, but a NaN wins. */
static inline void NAME(max_window)(const struct pool_window *p, const real *x, int64_t oy,
                                    int64_t ox, real *y, int64_t *index)
{
    real best = -INFINITY;
    int64_t at = -1;
    struct range v, h;
    int64_t step[2];
    taps_of(p, oy, ox, &v, &h, step);
    for (int64_t i = v.from; i < v.to; i += step[0])
        for (int64_t j = h.from; j < h.to; j += step[1]) {
            real value = x[i * p->in[1] + j];
            if (at < 0 || value > best || value != value)
                best = value, at = i * p->in[1] + j;
        }
    *y = best, *index = at;
}

/* ---- Runs: LANES neighbouring outputs of a row at a time ------------------------------------- */

/* Elements src[0], src[step], ... src[(count - 1) * step] in the first `count` lanes. */
INLINE vec NAME(every)(const real *src, const int64_t step, int count)
{
    if (step == 1)
        return count == LANES ? NAME(load)(src) : NAME(load_first)(src, count);
    vec v = {0};
    if (step == 2) {
        const int more = 2 * count - 1 - LANES;
        const vec low = more >= 0 ? NAME(load)(src) : NAME(load_first)(src, 2 * count - 1);
        const vec high = more > 0 ? NAME(load_first)(src + LANES, more) : v;
        return NAME(even)(low, high);
    }
    for (int i = 0; i < count; i++)
        v[i] = src[i * step];
    return v;
}

/* The maxima of `count` windows in a row: window i has its first tap at x[origin + i * step]. Taps
 * are `rows` x p->kernel[1], all inside the plane. What is the maximum so far, and how far from its
 * window's first tap it lies, stays in registers while the taps pass. */
INLINE void NAME(max_run)(const struct pool_window *p, const real *x, int64_t origin, int64_t rows,
                          const int64_t step, int count, real *y, int64_t *index)
{
    vec best = NAME(splat)(-INFINITY);
    NAME(lane) at = {0};
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < p->kernel[1]; s++) {
            const int64_t offset = r * p->dilation[0] * p->in[1] + s * p->dilation[1];
            const vec v = NAME(every)(x + origin + offset, step, count);
            const NAME(lane) wins = (NAME(lane))(v > best) | (NAME(lane))(v != v);
            best = (vec)((wins & (NAME(lane))v) | (~wins & (NAME(lane))best));
            at = (wins & ((NAME(lane)){0} + (INDEX)offset)) | (~wins & at);
        }
    int64_t place[LANES];
    for (int i = 0; i < LANES; i++)
        place[i] = origin + i * step + at[i];
    if (count == LANES) {
        NAME(store)(y, best);
        memcpy(index, place, sizeof place);
    } else {
        NAME(store_first)(y, best, count);
        memcpy(index, place, sizeof *place * (size_t)count);
    }
}

/* Outputs first .. last of the row whose taps begin at x[origin] for output 0. */
static void NAME(max_row)(const struct pool_window *p, const real *x, int64_t origin, int64_t rows,
                          int64_t first, int64_t last, real *y, int64_t *index)
{
    const int64_t step = p->stride[1];
    for (int64_t i = first; i < last; i += LANES) {
        const int count = (int)least(last - i, LANES);
        const int64_t from = origin + i * step;
        if (step == 1)
            NAME(max_run)(p, x, from, rows, 1, count, y + i, index + i);
        else if (step == 2)
            NAME(max_run)(p, x, from, rows, 2, count, y + i, index + i);
        else
            NAME(max_run)(p, x, from, rows, step, count, y + i, index + i);
    }
}

/* Windows that reach over the left or right edge go one by one, the others in runs. */
static void NAME(max)(const struct pool_window *p, const void *from, void *to, int64_t *index)
{
    const real *x = from;
    real *y = to;
    const struct range inside = inside_of(p);
    for (int64_t oy = 0; oy < p->out[0]; oy++, y += p->out[1], index += p->out[1]) {
        const int64_t top = oy * p->stride[0] - p->padding[0], step = p->dilation[0];
        const int64_t skipped = top < 0 ? (-top + step - 1) / step : 0;
        const int64_t rows = least(p->kernel[0], (p->in[0] - 1 - top) / step + 1) - skipped;
        for (int64_t ox = 0; ox < inside.from; ox++)
            NAME(max_window)(p, x, oy, ox, &y[ox], &index[ox]);
        NAME(max_row)(p, x, (top + skipped * step) * p->in[1] - p->padding[1], rows, inside.from,
                      inside.to, y, index);
        for (int64_t ox = inside.to; ox < p->out[1]; ox++)
            NAME(max_window)(p, x, oy, ox, &y[ox], &index[ox]);
    }
}

/* The mean over one window, whose rows are v. */
static inline real NAME(mean_window)(const struct pool_window *p, const real *x, struct range v,
                                     int64_t ox)
{
    const struct range h = range_of(p, 1, ox);
    real sum = 0;
    for (int64_t i = v.from; i < v.to; i++)
        for (int64_t j = h.from; j < h.to; j++)
            sum += x[i * p->in[1] + j];
    return v.from < v.to && h.from < h.to ? sum / (real)window_divisor(p, v, h) : 0;
}

/* The means of `count` windows in a row, of which the first has its first tap at x[0]. */
INLINE void NAME(mean_run)(const struct pool_window *p, const real *x, int64_t rows,
                           const int64_t step, int count, real divisor, real *y)
{
    vec sum = {0};
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < p->kernel[1]; j++)
            sum += NAME(every)(x + i * p->in[1] + j, step, count);
    sum /= NAME(splat)(divisor);
    if (count == LANES)
        NAME(store)(y, sum);
    else
        NAME(store_first)(y, sum, count);
}

/* Windows at most two apart that lie between the edges go in runs, as those of max. */
static void NAME(average)(const struct pool_window *p, const void *from, void *to)
{
    const real *x = from;
    real *y = to;
    const struct range inside = p->stride[1] <= 2 ? inside_of(p) : (struct range){0, 0, 0};
    for (int64_t oy = 0; oy < p->out[0]; oy++, y += p->out[1]) {
        const struct range v = range_of(p, 0, oy);
        const int64_t runs_to = v.from < v.to ? inside.to : inside.from;
        int64_t ox = 0;
        for (; ox < inside.from; ox++)
            y[ox] = NAME(mean_window)(p, x, v, ox);
        const real divisor = (real)window_divisor(p, v, range_of(p, 1, ox));
        for (; ox < runs_to; ox += LANES) {
            const int count = (int)least(runs_to - ox, LANES);
            const real *first = x + v.from * p->in[1] + ox * p->stride[1] - p->padding[1];
            if (p->stride[1] == 1)
                NAME(mean_run)(p, first, v.to - v.from, 1, count, divisor, y + ox);
            else
                NAME(mean_run)(p, first, v.to - v.from, 2, count, divisor, y + ox);
        }
        for (ox = runs_to; ox < p->out[1]; ox++)
            y[ox] = NAME(mean_window)(p, x, v, ox);
    }
}

static void NAME(max_backward)(int64_t n, const void *incoming, const int64_t *index, int64_t plane,
                               void *to)
{
    const real *g = incoming;
    real *out = to;
    for (int64_t i = 0; i < n; i++)
        if ((uint64_t)index[i] < (uint64_t)plane) /* not of a window that lies in the padding */
            out[index[i]] += g[i];
}

static void NAME(average_backward)(const struct pool_window *p, const void *incoming, void *to)
{
    const real *g = incoming;
    real *out = to;
    for (int64_t oy = 0; oy < p->out[0]; oy++) {
        struct range v = range_of(p, 0, oy);
        for (int64_t ox = 0; ox < p->out[1]; ox++) {
            struct range h = range_of(p, 1, ox);
            if (v.from >= v.to || h.from >= h.to)
                continue;
            real part = g[oy * p->out[1] + ox] / (real)window_divisor(p, v, h);
            for (int64_t i = v.from; i < v.to; i++)
                for (int64_t j = h.from; j < h.to; j++)
                    out[i * p->in[1] + j] += part;
        }
    }
}
