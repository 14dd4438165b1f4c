/* The loops of fourier.h for one type, `real`.
 *
 * A pass makes of each r numbers, n / r apart, r others that lie `done` apart, and turns them by
 * roots. Its inner loop runs over what shares these: the `done` numbers that earlier passes made, on
 * all lines. In the first pass on one line that is a single number, and the loop runs over the
 * groups instead. The arithmetic is the same.
 */
struct NAME(number) {
    real re, im;
};

static inline struct NAME(number) NAME(plus)(struct NAME(number) a, struct NAME(number) b)
{
    return (struct NAME(number)){a.re + b.re, a.im + b.im};
}

static inline struct NAME(number) NAME(minus)(struct NAME(number) a, struct NAME(number) b)
{
    return (struct NAME(number)){a.re - b.re, a.im - b.im};
}

static inline struct NAME(number) NAME(times)(struct NAME(number) a, struct NAME(number) b)
{
    return (struct NAME(number)){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* -i a */
static inline struct NAME(number) NAME(turned)(struct NAME(number) a)
{
    return (struct NAME(number)){a.im, -a.re};
}

static inline struct NAME(number) NAME(scaled)(struct NAME(number) a, real s)
{
    return (struct NAME(number)){a.re * s, a.im * s};
}

/* ---- The transforms of 2, 3, 4, 5 and 8 numbers ----------------------------------------------- */

static inline void NAME(butterfly2)(struct NAME(number) * a)
{
    struct NAME(number) b = NAME(minus)(a[0], a[1]);
    a[0] = NAME(plus)(a[0], a[1]);
    a[1] = b;
}

static inline void NAME(butterfly3)(struct NAME(number) * a)
{
    const real s = (real)0.86602540378443864676; /* sin(2 pi / 3) */
    struct NAME(number) sum = NAME(plus)(a[1], a[2]);
    struct NAME(number) side = NAME(scaled)(NAME(turned)(NAME(minus)(a[1], a[2])), s);
    struct NAME(number) middle = NAME(minus)(a[0], NAME(scaled)(sum, (real)0.5));
    a[0] = NAME(plus)(a[0], sum);
    a[1] = NAME(plus)(middle, side);
    a[2] = NAME(minus)(middle, side);
}

static inline void NAME(butterfly4)(struct NAME(number) * a)
{
    struct NAME(number) even = NAME(plus)(a[0], a[2]), odd = NAME(plus)(a[1], a[3]);
    struct NAME(number) across = NAME(minus)(a[0], a[2]);
    struct NAME(number) side = NAME(turned)(NAME(minus)(a[1], a[3]));
    a[0] = NAME(plus)(even, odd);
    a[1] = NAME(plus)(across, side);
    a[2] = NAME(minus)(even, odd);
    a[3] = NAME(minus)(across, side);
}

static inline void NAME(butterfly5)(struct NAME(number) * a)
{
    const real c1 = (real)0.30901699437494742410, c2 = (real)-0.80901699437494742410;
    const real s1 = (real)0.95105651629515357212, s2 = (real)0.58778525229247312917;
    struct NAME(number) p = NAME(plus)(a[1], a[4]), q = NAME(plus)(a[2], a[3]);
    struct NAME(number) u = NAME(turned)(NAME(minus)(a[1], a[4]));
    struct NAME(number) v = NAME(turned)(NAME(minus)(a[2], a[3]));
    struct NAME(number) near =
        NAME(plus)(a[0], NAME(plus)(NAME(scaled)(p, c1), NAME(scaled)(q, c2)));
    struct NAME(number) far =
        NAME(plus)(a[0], NAME(plus)(NAME(scaled)(p, c2), NAME(scaled)(q, c1)));
    struct NAME(number) near_side = NAME(plus)(NAME(scaled)(u, s1), NAME(scaled)(v, s2));
    struct NAME(number) far_side = NAME(minus)(NAME(scaled)(u, s2), NAME(scaled)(v, s1));
    a[0] = NAME(plus)(a[0], NAME(plus)(p, q));
    a[1] = NAME(plus)(near, near_side);
    a[2] = NAME(plus)(far, far_side);
    a[3] = NAME(minus)(far, far_side);
    a[4] = NAME(minus)(near, near_side);
}

static inline void NAME(butterfly8)(struct NAME(number) * a)
{
    const real h = (real)0.70710678118654752440; /* cos(pi / 4) */
    struct NAME(number) e[4] = {a[0], a[2], a[4], a[6]}, o[4] = {a[1], a[3], a[5], a[7]};
    NAME(butterfly4)(e), NAME(butterfly4)(o);
    o[1] = (struct NAME(number)){(o[1].re + o[1].im) * h, (o[1].im - o[1].re) * h};
    o[2] = NAME(turned)(o[2]);
    o[3] = (struct NAME(number)){(o[3].im - o[3].re) * h, -(o[3].re + o[3].im) * h};
    a[0] = NAME(plus)(e[0], o[0]), a[4] = NAME(minus)(e[0], o[0]);
    a[1] = NAME(plus)(e[1], o[1]), a[5] = NAME(minus)(e[1], o[1]);
    a[2] = NAME(plus)(e[2], o[2]), a[6] = NAME(minus)(e[2], o[2]);
    a[3] = NAME(plus)(e[3], o[3]), a[7] = NAME(minus)(e[3], o[3]);
}

/* ---- A pass -------------------------------------------------------------------------------------- */

/* r numbers `step` apart become r others, `apart` apart, turned by w where `turn`. */
static inline __attribute__((always_inline)) void
NAME(cell)(int r, const real *restrict xr, const real *restrict xi, int64_t step, real *restrict yr,
           real *restrict yi, int64_t apart, bool turn, const struct NAME(number) * w)
{
    struct NAME(number) a[8];
#pragma GCC unroll 8
    for (int j = 0; j < r; j++)
        a[j] = (struct NAME(number)){xr[j * step], xi[j * step]};
    if (r == 2)
        NAME(butterfly2)(a);
    else if (r == 3)
        NAME(butterfly3)(a);
    else if (r == 4)
        NAME(butterfly4)(a);
    else if (r == 5)
        NAME(butterfly5)(a);
    else
        NAME(butterfly8)(a);
    yr[0] = a[0].re, yi[0] = a[0].im;
#pragma GCC unroll 8
    for (int k = 1; k < r; k++) {
        if (turn)
            a[k] = NAME(times)(a[k], w[k]);
        yr[k * apart] = a[k].re, yi[k * apart] = a[k].im;
    }
}

/* The roots of group p. */
static inline __attribute__((always_inline)) void NAME(turns_of)(int r, int64_t groups, int64_t p,
                                                                 const real *restrict roots,
                                                                 struct NAME(number) * w)
{
#pragma GCC unroll 8
    for (int k = 1; k < r; k++)
        w[k] = (struct NAME(number)){roots[(k - 1) * groups + p], roots[(r + k - 2) * groups + p]};
}

/* Group by group, of m numbers each. */
static inline __attribute__((always_inline)) void
NAME(groups_of)(int r, int64_t groups, int64_t m, const real *restrict roots,
                const real *restrict xr, const real *restrict xi, real *restrict yr,
                real *restrict yi)
{
    int64_t step = groups * m;
    for (int64_t p = 0; p < groups; p++) {
        struct NAME(number) w[8];
        NAME(turns_of)(r, groups, p, roots, w);
        INDEPENDENT
        for (int64_t q = 0; q < m; q++)
            NAME(cell)(r, xr + p * m + q, xi + p * m + q, step, yr + r * p * m + q,
                       yi + r * p * m + q, m, true, w);
    }
}

/* m: the numbers that share roots. Eight of them fill a vector, whose offsets become constants. */
static inline __attribute__((always_inline)) void
NAME(pass_of)(int r, int64_t groups, int64_t m, const real *restrict roots, const real *restrict xr,
              const real *restrict xi, real *restrict yr, real *restrict yi)
{
    struct NAME(number) w[8];
    int64_t step = groups * m;
    if (groups == 1) {
        INDEPENDENT
        for (int64_t q = 0; q < m; q++)
            NAME(cell)(r, xr + q, xi + q, step, yr + q, yi + q, m, false, w);
    } else if (m == 1) {
        INDEPENDENT
        for (int64_t p = 0; p < groups; p++) {
            struct NAME(number) own[8];
            NAME(turns_of)(r, groups, p, roots, own);
            NAME(cell)(r, xr + p, xi + p, step, yr + r * p, yi + r * p, 1, true, own);
        }
    } else if (m == 8) {
        NAME(groups_of)(r, groups, 8, roots, xr, xi, yr, yi);
    } else {
        NAME(groups_of)(r, groups, m, roots, xr, xi, yr, yi);
    }
}

/* y += x * w for n numbers. */
static inline void NAME(add)(int64_t n, struct NAME(number) w, const real *restrict xr,
                             const real *restrict xi, real *restrict yr, real *restrict yi)
{
    for (int64_t q = 0; q < n; q++) {
        struct NAME(number) t = NAME(times)((struct NAME(number)){xr[q], xi[q]}, w);
        yr[q] += t.re, yi[q] += t.im;
    }
}

/* Any r, by the definition. The first group's turn by r-th roots is in the roots of the last pass
 * with this factor: the caller gives those. */
static void NAME(pass_any)(int r, int64_t groups, int64_t m, const real *restrict roots,
                           const real *restrict whole, const real *restrict xr,
                           const real *restrict xi, real *restrict yr, real *restrict yi)
{
    for (int64_t p = 0; p < groups; p++)
        for (int k = 0; k < r; k++) {
            real *toward_re = yr + (r * p + k) * m, *toward_im = yi + (r * p + k) * m;
            for (int64_t q = 0; q < m; q++)
                toward_re[q] = xr[p * m + q], toward_im[q] = xi[p * m + q];
            for (int j = 1; j < r; j++) {
                struct NAME(number) w = {whole[j * k % r], whole[r + j * k % r]};
                NAME(add)(m, w, xr + (p + groups * j) * m, xi + (p + groups * j) * m, toward_re,
                          toward_im);
            }
            if (k == 0 || p == 0)
                continue;
            struct NAME(number) w = {roots[(k - 1) * groups + p], roots[(r + k - 2) * groups + p]};
            for (int64_t q = 0; q < m; q++) {
                struct NAME(number) t =
                    NAME(times)((struct NAME(number)){toward_re[q], toward_im[q]}, w);
                toward_re[q] = t.re, toward_im[q] = t.im;
            }
        }
}

static void NAME(pass)(const struct fourier *f, int r, int64_t done, const void *roots,
                       struct fourier_lines *x)
{
    assert(f->n % (done * r) == 0);
    int64_t groups = f->n / done / r, m = done * x->count;
    const real *w = roots, *xr = x->re, *xi = x->im;
    real *yr = x->other_re, *yi = x->other_im;
    if (r == 2)
        NAME(pass_of)(2, groups, m, w, xr, xi, yr, yi);
    else if (r == 3)
        NAME(pass_of)(3, groups, m, w, xr, xi, yr, yi);
    else if (r == 4)
        NAME(pass_of)(4, groups, m, w, xr, xi, yr, yi);
    else if (r == 5)
        NAME(pass_of)(5, groups, m, w, xr, xi, yr, yi);
    else if (r == 8)
        NAME(pass_of)(8, groups, m, w, xr, xi, yr, yi);
    else
        NAME(pass_any)(r, groups, m, w, w + 2 * (r - 1) * groups, xr, xi, yr, yi);
    fourier_exchange(x);
}

/* ---- Around the passes --------------------------------------------------------------------------- */

static void NAME(scale)(int64_t n, const void *by, struct fourier_lines *x)
{
    const real *wr = by, *wi = wr + n;
    real *re = x->re, *im = x->im;
    int64_t count = x->count;
    for (int64_t k = 0; k < n; k++) {
        struct NAME(number) w = {wr[k], wi[k]};
        for (int64_t l = k * count; l < (k + 1) * count; l++) {
            struct NAME(number) t = NAME(times)((struct NAME(number)){re[l], im[l]}, w);
            re[l] = t.re, im[l] = t.im;
        }
    }
}

/* Numbers k and n - k of a plan of n. */
struct NAME(two) {
    struct NAME(number) a, b;
};

/* Of the transforms E and O of the points of even and odd places, E + i O being x: E + w O. */
static inline struct NAME(two) NAME(joined)(struct NAME(two) x, struct NAME(number) w)
{
    const real half = (real)0.5;
    struct NAME(number) even = {(x.a.re + x.b.re) * half, (x.a.im - x.b.im) * half};
    struct NAME(number) odd = {(x.a.im + x.b.im) * half, (x.b.re - x.a.re) * half};
    struct NAME(number) t = NAME(times)(odd, w);
    return (struct NAME(two)){{even.re + t.re, even.im + t.im}, {even.re - t.re, t.im - even.im}};
}

/* And back, of twice that. */
static inline struct NAME(two) NAME(parted)(struct NAME(two) x, struct NAME(number) w)
{
    struct NAME(number) even = {x.a.re + x.b.re, x.a.im - x.b.im};
    struct NAME(number) odd = NAME(times)((struct NAME(number)){x.a.re - x.b.re, x.a.im + x.b.im},
                                          (struct NAME(number)){w.re, -w.im});
    return (struct NAME(two)){{even.re - odd.im, even.im + odd.re},
                              {even.re + odd.im, odd.re - even.im}};
}

/* joined or parted of `count` numbers from a and from b on, one root for all, or those of a and of
 * what follows, b going backwards. */
static inline __attribute__((always_inline)) void NAME(pairs)(bool join, int64_t count, int64_t a,
                                                              int64_t b, int back, const real *wr,
                                                              const real *wi,
                                                              const struct fourier_lines *x)
{
    const real *xr = x->re, *xi = x->im;
    real *restrict yr = x->other_re, *restrict yi = x->other_im;
    INDEPENDENT
    for (int64_t l = 0; l < count; l++) {
        int64_t at = a + l, from = back ? b - l : b + l;
        struct NAME(two) two = {{xr[at], xi[at]}, {xr[from], xi[from]}};
        struct NAME(number) w = {wr[back ? l : 0], wi[back ? l : 0]};
        two = join ? NAME(joined)(two, w) : NAME(parted)(two, w);
        yr[at] = two.a.re, yi[at] = two.a.im, yr[from] = two.b.re, yi[from] = two.b.im;
    }
}

/* All pairs but those of numbers 0 and n. */
static inline __attribute__((always_inline)) void
NAME(all_pairs)(bool join, const struct fourier *f, const struct fourier_lines *x)
{
    assert(f->is_half);
    int64_t n = f->n, count = x->count;
    const real *wr = f->turns, *wi = wr + n + 1;
    if (count == 1) {
        NAME(pairs)(join, (n - 1) / 2, 1, n - 1, true, wr + 1, wi + 1, x);
        if (n % 2 == 0)
            NAME(pairs)(join, 1, n / 2, n / 2, false, wr + n / 2, wi + n / 2, x);
    } else {
        for (int64_t k = 1; 2 * k <= n; k++)
            NAME(pairs)(join, count, k * count, (n - k) * count, false, wr + k, wi + k, x);
    }
}

/* Of numbers 0 ... n - 1, the first standing for the n-th too: 0 ... n. */
static void NAME(split)(const struct fourier *f, struct fourier_lines *x)
{
    int64_t n = f->n, count = x->count;
    const real *xr = x->re, *xi = x->im;
    real *yr = x->other_re, *yi = x->other_im;
    for (int64_t l = 0; l < count; l++) {
        yr[l] = xr[l] + xi[l], yr[n * count + l] = xr[l] - xi[l];
        yi[l] = yi[n * count + l] = 0;
    }
    NAME(all_pairs)(true, f, x);
    fourier_exchange(x);
}

static void NAME(merge)(const struct fourier *f, struct fourier_lines *x)
{
    const real *xr = x->re;
    real *yr = x->other_re, *yi = x->other_im;
    for (int64_t l = 0; l < x->count; l++) {
        real first = xr[l], last = xr[f->n * x->count + l];
        yr[l] = first + last, yi[l] = first - last;
    }
    NAME(all_pairs)(false, f, x);
    fourier_exchange(x);
}

/* ---- To and from tensors -------------------------------------------------------------------------- */

/* A row of n numbers, `step` apart. The common steps are written out, so that they become vectors. */
#define ROWS(type, suffix)                                                                         \
    static void NAME(gather_row_##suffix)(int64_t n, int64_t step, const type *re, const type *im, \
                                          real *restrict xr, real *restrict xi)                    \
    {                                                                                              \
        if (step == 2 && im == re + 1)                                                             \
            for (int64_t k = 0; k < n; k++)                                                        \
                xr[k] = (real)re[2 * k], xi[k] = (real)re[2 * k + 1];                              \
        else if (im)                                                                               \
            for (int64_t k = 0; k < n; k++)                                                        \
                xr[k] = (real)re[k * step], xi[k] = (real)im[k * step];                            \
        else                                                                                       \
            for (int64_t k = 0; k < n; k++)                                                        \
                xr[k] = (real)re[k * step], xi[k] = 0;                                             \
    }                                                                                              \
    static void NAME(scatter_row_##suffix)(int64_t n, int64_t step, type *restrict re, type *im,   \
                                           real scale, const real *xr, const real *xi)             \
    {                                                                                              \
        if (step == 2 && im == re + 1)                                                             \
            for (int64_t k = 0; k < n; k++)                                                        \
                re[2 * k] = (type)(xr[k] * scale), re[2 * k + 1] = (type)(xi[k] * scale);          \
        else if (im)                                                                               \
            for (int64_t k = 0; k < n; k++)                                                        \
                re[k * step] = (type)(xr[k] * scale), im[k * step] = (type)(xi[k] * scale);        \
        else                                                                                       \
            for (int64_t k = 0; k < n; k++)                                                        \
                re[k * step] = (type)(xr[k] * scale);                                              \
    }

ROWS(float, narrow)
ROWS(double, wide)
#undef ROWS

static void NAME(gather)(const struct fourier_memory *from, struct fourier_lines *x)
{
    real *xr = x->re, *xi = x->im;
    for (int64_t k = 0; k < from->outer; k++, xr += from->inner, xi += from->inner) {
        if (from->wide)
            NAME(gather_row_wide)(from->inner, from->inner_step,
                                  (double *)from->re + k * from->step,
                                  from->im ? (double *)from->im + k * from->step : NULL, xr, xi);
        else
            NAME(gather_row_narrow)(from->inner, from->inner_step,
                                    (float *)from->re + k * from->step,
                                    from->im ? (float *)from->im + k * from->step : NULL, xr, xi);
    }
}

static void NAME(scatter)(const struct fourier_memory *to, double scale,
                          const struct fourier_lines *x)
{
    const real *xr = x->re, *xi = x->im;
    for (int64_t k = 0; k < to->outer; k++, xr += to->inner, xi += to->inner) {
        if (to->wide)
            NAME(scatter_row_wide)(to->inner, to->inner_step, (double *)to->re + k * to->step,
                                   to->im ? (double *)to->im + k * to->step : NULL, (real)scale, xr,
                                   xi);
        else
            NAME(scatter_row_narrow)(to->inner, to->inner_step, (float *)to->re + k * to->step,
                                     to->im ? (float *)to->im + k * to->step : NULL, (real)scale,
                                     xr, xi);
    }
}
