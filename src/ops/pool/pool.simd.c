/* The kernels of pool.h, written once in pool_loops.h and compiled for float and double. Maxima and
 * means of int64, which doubles would round, go window by window. */
#include "ops/pool/pool.h"

#include <limits.h>
#include <stddef.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The part of the input that output i covers along dim d: [from, to), the first element it really
 * reads at `first`. */
struct range {
    int64_t from, to, padded; /* padded: the window's length with padding that counts */
};

static struct range range_of(const struct pool_window *p, int d, int64_t i)
{
    if (p->adaptive) {
        int64_t from = i * p->in[d] / p->out[d],
                to = ((i + 1) * p->in[d] + p->out[d] - 1) / p->out[d];
        return (struct range){from, to, to - from};
    }
    int64_t from = i * p->stride[d] - p->padding[d],
            to = least(from + p->kernel[d], p->in[d] + p->padding[d]);
    struct range r = {from, to, to - from};
    r.from = from < 0 ? 0 : from;
    r.to = least(to, p->in[d]);
    return r;
}

/* The rows and columns that a window of max pooling looks at, those in the plane: every step[0]-th
 * of v and every step[1]-th of h. */
static void taps_of(const struct pool_window *p, int64_t oy, int64_t ox, struct range *v,
                    struct range *h, int64_t *step)
{
    const int64_t at[2] = {oy, ox};
    struct range *const out[2] = {v, h};
    for (int d = 0; d < 2; d++) {
        step[d] = p->adaptive ? 1 : p->dilation[d];
        if (p->adaptive) {
            *out[d] = range_of(p, d, at[d]);
            continue;
        }
        int64_t from = at[d] * p->stride[d] - p->padding[d];
        const int64_t to = least(from + (p->kernel[d] - 1) * step[d] + 1, p->in[d]);
        if (from < 0)
            from += (step[d] - 1 - from) / step[d] * step[d];
        *out[d] = (struct range){from, to, to - from};
    }
}

static int64_t window_divisor(const struct pool_window *p, struct range v, struct range h)
{
    return p->divisor         ? p->divisor
           : p->count_padding ? v.padded * h.padded
                              : (v.to - v.from) * (h.to - h.from);
}

/* The outputs of a row whose windows lie between the left and the right edge; none where offsets in
 * the plane are too large for a lane. */
static struct range inside_of(const struct pool_window *p)
{
    struct range r = {0, 0, 0};
    if (p->adaptive || p->in[0] * p->in[1] > INT_MAX)
        return r;
    const int64_t last = p->in[1] - 1 - (p->kernel[1] - 1) * p->dilation[1] + p->padding[1];
    r.from = least((p->padding[1] + p->stride[1] - 1) / p->stride[1], p->out[1]);
    r.to = last < 0 ? 0 : least(last / p->stride[1] + 1, p->out[1]);
    r.to = r.to < r.from ? r.from : r.to;
    return r;
}

#define REAL_BITS 32
#define INDEX     int32_t
#include "ops/pool/pool_loops.h"
#undef REAL_BITS
#undef INDEX

#define REAL_BITS 64
#define INDEX     int64_t
#include "ops/pool/pool_loops.h"

static void max_i64(const struct pool_window *p, const void *from, void *to, int64_t *index)
{
    const int64_t *x = from;
    int64_t *y = to;
    for (int64_t o = 0; o < p->out[0] * p->out[1]; o++) {
        struct range v, h;
        int64_t step[2], best = INT64_MIN, at = -1;
        taps_of(p, o / p->out[1], o % p->out[1], &v, &h, step);
        for (int64_t i = v.from; i < v.to; i += step[0])
            for (int64_t j = h.from; j < h.to; j += step[1])
                if (at < 0 || x[i * p->in[1] + j] > best)
                    at = i * p->in[1] + j, best = x[at];
        y[o] = best, index[o] = at;
    }
}

/* Sums wrap around, as those of sum do; the mean is cut off. */
static void average_i64(const struct pool_window *p, const void *from, void *to)
{
    const uint64_t *x = from;
    int64_t *y = to;
    for (int64_t o = 0; o < p->out[0] * p->out[1]; o++) {
        const struct range v = range_of(p, 0, o / p->out[1]), h = range_of(p, 1, o % p->out[1]);
        uint64_t sum = 0;
        for (int64_t i = v.from; i < v.to; i++)
            for (int64_t j = h.from; j < h.to; j++)
                sum += x[i * p->in[1] + j];
        const bool empty = v.from >= v.to || h.from >= h.to;
        const int64_t divisor = empty ? 1 : window_divisor(p, v, h);
        y[o] = divisor == -1 ? (int64_t)(0 - sum) : (int64_t)sum / divisor;
    }
}

const struct pool_table FL_SIMD(pool_table) = {{
    {max_f32, average_f32, max_backward_f32, average_backward_f32},
    {max_f64, average_f64, max_backward_f64, average_backward_f64},
    {max_i64, average_i64, NULL, NULL},
}};
