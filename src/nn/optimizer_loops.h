/* The update loops, included by optimizer.simd.c once for each type of arithmetic: REAL is the
 * type, NAME(x) names a function for it, FMA and SQRT are its operations, ROUND(x) rounds a result
 * to the dtype that is stored (`half` tells which where REAL is float).
 *
 * Options that no memory hangs on are selects inside the loop, so that one vector loop serves them
 * all: the loops wait for memory, not for arithmetic.
 */

/* p, g, b: n elements; b NULL without momentum. */
static inline __attribute__((always_inline)) void
NAME(sgd_loop)(const struct optimizer_sgd *o, int64_t n, REAL *restrict p, const REAL *restrict g,
               REAL *restrict b, bool first, enum half half)
{
    (void)half;
    const REAL sign = o->maximize ? -1 : 1;
    const REAL decay = ROUND((REAL)o->weight_decay), down = ROUND((REAL)-o->lr);
    const REAL momentum = (REAL)o->momentum, ahead = ROUND((REAL)o->momentum);
    const REAL share = ROUND((REAL)(1 - o->dampening));
    const bool decays = o->weight_decay != 0, nesterov = o->nesterov;
    if (!b) {
        for (int64_t i = 0; i < n; i++) {
            REAL x = sign * g[i];
            REAL decayed = ROUND(FMA(decay, p[i], x));
            x = decays ? decayed : x;
            p[i] = ROUND(FMA(down, x, p[i]));
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        REAL x = sign * g[i];
        REAL decayed = ROUND(FMA(decay, p[i], x));
        x = decays ? decayed : x;
        REAL moved = ROUND(FMA(share, x, ROUND(b[i] * momentum)));
        moved = first ? x : moved;
        REAL looked = ROUND(FMA(ahead, moved, x));
        b[i] = moved;
        p[i] = ROUND(FMA(down, nesterov ? looked : moved, p[i]));
    }
}

/* p, g, m (exp_avg), v (exp_avg_sq): n elements; top (max_exp_avg_sq) too, or NULL when `amsgrad`
 * is false. */
static inline __attribute__((always_inline)) void
NAME(adam_loop)(const struct optimizer_adam_step *s, int64_t n, REAL *restrict p,
                const REAL *restrict g, REAL *restrict m, REAL *restrict v, REAL *restrict top,
                bool amsgrad, enum half half)
{
    (void)half;
    const struct optimizer_adam *o = &s->rule;
    const REAL sign = o->maximize ? -1 : 1;
    const bool decays = o->weight_decay != 0 && !o->decoupled,
               shrinks = o->weight_decay != 0 && o->decoupled;
    const REAL decay = ROUND((REAL)o->weight_decay), shrink = (REAL)(1 - o->lr * o->weight_decay);
    const REAL weight = (REAL)(1 - o->beta1), beta2 = (REAL)o->beta2, share = (REAL)(1 - o->beta2);
    const REAL correction = (REAL)s->correction, eps = ROUND((REAL)o->eps),
               down = (REAL)-s->step_size;
    const bool near = weight < (REAL)0.5; /* lerp starts from the end that is closer */
    for (int64_t i = 0; i < n; i++) {
        REAL x = sign * g[i], old = p[i];
        REAL decayed = ROUND(FMA(decay, old, x)), shrunk = ROUND(old * shrink);
        x = decays ? decayed : x;
        old = shrinks ? shrunk : old;
        REAL apart = x - m[i];
        REAL mean = ROUND(near ? FMA(weight, apart, m[i]) : FMA(-apart, 1 - weight, x));
        REAL square = ROUND(FMA(share * x, x, ROUND(v[i] * beta2)));
        m[i] = mean;
        v[i] = square;
        if (amsgrad) {
            /* NaN wins, as in torch.maximum. */
            square = top[i] > square || top[i] != top[i] ? top[i] : square;
            top[i] = square;
        }
        REAL below = ROUND(ROUND(ROUND(SQRT(square)) / correction) + eps);
        p[i] = ROUND(old + down * mean / below);
    }
}
