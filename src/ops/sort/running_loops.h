/* The passes of running.h for one type: REAL, its TOTAL, IS_NAN. Included once for each by
 * running.simd.c. Lines are independent of one another, so a step's are done by vectors, and each
 * line's operations are the same as if it were alone: that case keeps its state in registers. */

INLINE void NAME(total)(const struct running_pass *p, bool product)
{
    TOTAL *restrict total = p->state;
    const REAL *x = p->x;
    REAL *y = p->y;
    const int64_t n = p->n, lanes = p->lanes;
    if (lanes == 1) {
        TOTAL t = *total;
        for (int64_t i = 0; i < n; i++, x += p->x_stride, y += p->y_stride) {
            t = product ? t * *x : t + *x;
            *y = (REAL)t;
        }
        *total = t;
        return;
    }
    for (int64_t i = 0; i < n; i++, x += p->x_stride, y += p->y_stride) {
        const REAL *restrict from = x;
        REAL *restrict to = y;
        for (int64_t l = 0; l < lanes; l++) {
            total[l] = product ? total[l] * from[l] : total[l] + from[l];
            to[l] = (REAL)total[l];
        }
    }
}

/* Whether an element takes the place of the best before it: the last of equals where extremes are
 * running, else the first; NaN beats all. */
INLINE bool NAME(wins)(REAL x, REAL best, bool smallest, bool running)
{
    if (running)
        return (smallest ? x <= best : x >= best) | IS_NAN(x);
    return ((smallest ? x < best : x > best) | IS_NAN(x)) & !IS_NAN(best);
}

INLINE void NAME(extreme)(const struct running_pass *p, bool smallest, bool running)
{
    REAL *restrict best = p->state;
    int64_t *restrict at = p->at;
    const REAL *x = p->x;
    REAL *y = p->y;
    int64_t *index = p->index;
    const int64_t n = p->n, lanes = p->lanes, start = p->start;
    if (lanes == 1) {
        REAL b = *best;
        int64_t a = *at;
        for (int64_t i = 0; i < n; i++, x += p->x_stride) {
            if (NAME(wins)(*x, b, smallest, running))
                b = *x, a = start + i;
            if (running)
                y[i * p->y_stride] = b, index[i * p->index_stride] = a;
        }
        *best = b, *at = a;
        return;
    }
    for (int64_t i = 0; i < n; i++, x += p->x_stride) {
        const REAL *restrict from = x;
        for (int64_t l = 0; l < lanes; l++) {
            const bool wins = NAME(wins)(from[l], best[l], smallest, running);
            best[l] = wins ? from[l] : best[l];
            at[l] = wins ? start + i : at[l];
        }
        if (!running)
            continue;
        memcpy(y + i * p->y_stride, best, sizeof *best * (size_t)lanes);
        memcpy(index + i * p->index_stride, at, sizeof *at * (size_t)lanes);
    }
}

static void NAME(sum)(const struct running_pass *p)
{
    NAME(total)(p, false);
}

static void NAME(product)(const struct running_pass *p)
{
    NAME(total)(p, true);
}

static void NAME(greatest)(const struct running_pass *p)
{
    NAME(extreme)(p, false, false);
}

static void NAME(smallest)(const struct running_pass *p)
{
    NAME(extreme)(p, true, false);
}

static void NAME(running_greatest)(const struct running_pass *p)
{
    NAME(extreme)(p, false, true);
}

static void NAME(running_smallest)(const struct running_pass *p)
{
    NAME(extreme)(p, true, true);
}
