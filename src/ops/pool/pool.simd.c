/* The kernels of pool.h, written once in pool_loops.h and compiled for float and double. */
#include "ops/pool/pool.h"

#include <limits.h>

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

const struct pool_table FL_SIMD(pool_table) = {{
    {max_f32, average_f32, max_backward_f32, average_backward_f32},
    {max_f64, average_f64, max_backward_f64, average_backward_f64},
}};
