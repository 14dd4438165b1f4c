/* The loops of ctc.h for one element type: a template, included by ctc.simd.c for each. */

static void NAME(impossible)(int64_t n, void *row)
{
    REAL *x = row;
    for (int64_t i = 0; i < n; i++)
        x[i] = -(REAL)INFINITY;
}

/* Where all three are -inf their greatest is taken for 0, since -inf - -inf is no number. */
static void NAME(step)(int64_t n, const void *x, const void *skip, const void *log_p, void *y)
{
    const REAL *restrict before = (const REAL *)x + CTC_MARGIN;
    const REAL *restrict jump = skip, *restrict here = log_p;
    REAL *restrict after = (REAL *)y + CTC_MARGIN;
    for (int64_t s = 0; s < n; s++) {
        const REAL a = before[s], b = before[s - 1], c = before[s - 2] + jump[s];
        const REAL ab = a > b ? a : b, abc = ab > c ? ab : c;
        const REAL most = abc == -(REAL)INFINITY ? 0 : abc;
        after[s] = LOG(EXP(a - most) + EXP(b - most) + EXP(c - most)) + most + here[s];
    }
}

static void NAME(posterior)(int64_t n, const void *alpha, const void *beta, const void *log_p,
                            const void *loss, void *p)
{
    const REAL *restrict a = (const REAL *)alpha + CTC_MARGIN;
    const REAL *restrict b = (const REAL *)beta + CTC_MARGIN + n - 1;
    const REAL *restrict here = log_p;
    REAL *restrict to = p;
    const REAL total = *(const REAL *)loss;
    for (int64_t s = 0; s < n; s++)
        to[s] = EXP(a[s] + b[-s] - here[s] + total);
}

/* The sums come to be where the gradient goes. */
static void NAME(gradient)(int64_t C, const void *log_p, int64_t n, const int64_t *class,
                           const void *p, const void *loss, const void *g, void *dx)
{
    const REAL *restrict x = log_p, *restrict posterior = p;
    REAL *restrict to = dx;
    const REAL none = 0 * *(const REAL *)loss, scale = *(const REAL *)g;
    for (int64_t c = 0; c < C; c++)
        to[c] = none;
    for (int64_t s = 0; s < n; s++)
        to[class[s]] += posterior[s];
    for (int64_t c = 0; c < C; c++)
        to[c] = (EXP(x[c]) - to[c]) * scale;
}
