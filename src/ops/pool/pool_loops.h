/* The kernels of pool.h for one type: REAL and NAME. Included once for each by pool.simd.c. */

/* The maximum of one window; the first of equals, but a NaN wins. */
static inline void NAME(max_window)(const struct pool_window *p, const REAL *x, int64_t oy,
                                    int64_t ox, REAL *y, int64_t *index)
{
    REAL best = -INFINITY;
    int64_t at = -1;
    struct range v, h;
    int64_t step[2] = {p->adaptive ? 1 : p->dilation[0], p->adaptive ? 1 : p->dilation[1]};
    if (p->adaptive) {
        v = range_of(p, 0, oy), h = range_of(p, 1, ox);
    } else {
        v.from = oy * p->stride[0] - p->padding[0], h.from = ox * p->stride[1] - p->padding[1];
        v.to = least(v.from + (p->kernel[0] - 1) * step[0] + 1, p->in[0]);
        h.to = least(h.from + (p->kernel[1] - 1) * step[1] + 1, p->in[1]);
        while (v.from < 0)
            v.from += step[0];
        while (h.from < 0)
            h.from += step[1];
    }
    for (int64_t i = v.from; i < v.to; i += step[0])
        for (int64_t j = h.from; j < h.to; j += step[1]) {
            REAL value = x[i * p->in[1] + j];
            if (at < 0 || value > best || value != value)
                best = value, at = i * p->in[1] + j;
        }
    *y = best, *index = at;
}

/* Windows of 2 x 2 side by side, the commonest: no bounds to look at. */
static void NAME(max_2x2)(const struct pool_window *p, const REAL *x, REAL *y, int64_t *index)
{
    for (int64_t oy = 0; oy < p->out[0]; oy++) {
        const REAL *top = x + 2 * oy * p->in[1], *low = top + p->in[1];
        int64_t row = 2 * oy * p->in[1];
        for (int64_t ox = 0; ox < p->out[1]; ox++) {
            REAL a = top[2 * ox], b = top[2 * ox + 1], c = low[2 * ox], d = low[2 * ox + 1];
            bool right = b > a || b != b, low_right = d > c || d != d;
            REAL upper = right ? b : a, lower = low_right ? d : c;
            bool down = !(upper != upper && !(lower != lower)) && (lower > upper || lower != lower);
            y[oy * p->out[1] + ox] = down ? lower : upper;
            index[oy * p->out[1] + ox] = row + 2 * ox + (down ? p->in[1] + low_right : right);
        }
    }
}

static void NAME(max)(const struct pool_window *p, const void *from, void *to, int64_t *index)
{
    const REAL *x = from;
    REAL *y = to;
    bool plain = !p->adaptive && p->kernel[0] == 2 && p->kernel[1] == 2 && p->stride[0] == 2 &&
                 p->stride[1] == 2 && p->padding[0] == 0 && p->padding[1] == 0 &&
                 p->dilation[0] == 1 && p->dilation[1] == 1 && 2 * p->out[0] <= p->in[0] &&
                 2 * p->out[1] <= p->in[1];
    if (plain) {
        NAME(max_2x2)(p, x, y, index);
        return;
    }
    for (int64_t oy = 0; oy < p->out[0]; oy++)
        for (int64_t ox = 0; ox < p->out[1]; ox++)
            NAME(max_window)(p, x, oy, ox, &y[oy * p->out[1] + ox], &index[oy * p->out[1] + ox]);
}

static void NAME(average)(const struct pool_window *p, const void *from, void *to)
{
    const REAL *x = from;
    REAL *y = to;
    for (int64_t oy = 0; oy < p->out[0]; oy++) {
        struct range v = range_of(p, 0, oy);
        for (int64_t ox = 0; ox < p->out[1]; ox++) {
            struct range h = range_of(p, 1, ox);
            REAL sum = 0;
            for (int64_t i = v.from; i < v.to; i++)
                for (int64_t j = h.from; j < h.to; j++)
                    sum += x[i * p->in[1] + j];
            y[oy * p->out[1] + ox] =
                v.from < v.to && h.from < h.to ? sum / (REAL)window_divisor(p, v, h) : 0;
        }
    }
}

static void NAME(max_backward)(int64_t n, const void *incoming, const int64_t *index, void *to)
{
    const REAL *g = incoming;
    REAL *out = to;
    for (int64_t i = 0; i < n; i++)
        out[index[i]] += g[i];
}

static void NAME(average_backward)(const struct pool_window *p, const void *incoming, void *to)
{
    const REAL *g = incoming;
    REAL *out = to;
    for (int64_t oy = 0; oy < p->out[0]; oy++) {
        struct range v = range_of(p, 0, oy);
        for (int64_t ox = 0; ox < p->out[1]; ox++) {
            struct range h = range_of(p, 1, ox);
            if (v.from >= v.to || h.from >= h.to)
                continue;
            REAL part = g[oy * p->out[1] + ox] / (REAL)window_divisor(p, v, h);
            for (int64_t i = v.from; i < v.to; i++)
                for (int64_t j = h.from; j < h.to; j++)
                    out[i * p->in[1] + j] += part;
        }
    }
}
