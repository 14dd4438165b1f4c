/* The kernels of norm.h for one type: REAL, with NAME, EXP, LOG and SQRT. Included once for each
 * type by norm.simd.c.
 *
 * A sum runs over blocks of BLOCK elements in LANES lanes; the blocks' sums are added in double,
 * which costs nothing at that rate and keeps long rows exact.
 */

/* ---- sums in lanes ---- */

static inline REAL NAME(join)(REAL *lane)
{
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

/* Of n elements: a partial sum over every LANES-th, n at most a few thousand. */
static inline REAL NAME(sum_block)(int64_t n, const REAL *x)
{
    REAL lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += x[i + l];
    for (int l = 0; i + l < n; l++)
        lane[l] += x[i + l];
    return NAME(join)(lane);
}

static inline REAL NAME(dot_block)(int64_t n, const REAL *x, const REAL *y)
{
    REAL lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += x[i + l] * y[i + l];
    for (int l = 0; i + l < n; l++)
        lane[l] += x[i + l] * y[i + l];
    return NAME(join)(lane);
}

/* Of squared differences from `mean`; of products with differences from it. */
static inline REAL NAME(squares_block)(int64_t n, const REAL *x, REAL mean)
{
    REAL lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += (x[i + l] - mean) * (x[i + l] - mean);
    for (int l = 0; i + l < n; l++)
        lane[l] += (x[i + l] - mean) * (x[i + l] - mean);
    return NAME(join)(lane);
}

static inline REAL NAME(centred_block)(int64_t n, const REAL *g, const REAL *x, REAL mean)
{
    REAL lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += g[i + l] * (x[i + l] - mean);
    for (int l = 0; i + l < n; l++)
        lane[l] += g[i + l] * (x[i + l] - mean);
    return NAME(join)(lane);
}

/* The same over any n, blocks added in double. */
static double NAME(sum)(int64_t n, const REAL *x)
{
    assert(n >= 0);
    double total = 0;
    for (int64_t i = 0; i < n; i += 2048)
        total += (double)NAME(sum_block)(n - i < 2048 ? n - i : 2048, x + i);
    return total;
}

static double NAME(dot)(int64_t n, const REAL *x, const REAL *y)
{
    double total = 0;
    for (int64_t i = 0; i < n; i += 2048)
        total += (double)NAME(dot_block)(n - i < 2048 ? n - i : 2048, x + i, y + i);
    return total;
}

static double NAME(squares)(int64_t n, const REAL *x, REAL mean)
{
    double total = 0;
    for (int64_t i = 0; i < n; i += 2048)
        total += (double)NAME(squares_block)(n - i < 2048 ? n - i : 2048, x + i, mean);
    return total;
}

static double NAME(centred)(int64_t n, const REAL *g, const REAL *x, REAL mean)
{
    double total = 0;
    for (int64_t i = 0; i < n; i += 2048)
        total += (double)NAME(centred_block)(n - i < 2048 ? n - i : 2048, g + i, x + i, mean);
    return total;
}

/* The greatest element; NaN if there is one. */
static REAL NAME(greatest)(int64_t n, const REAL *x)
{
    assert(n > 0);
    REAL lane[LANES];
    int64_t i = 0;
    for (int l = 0; l < LANES; l++)
        lane[l] = l < n ? x[l] : -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (int l = 0; i + l < n; l++)
        lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] = lane[l + width] > lane[l] ? lane[l + width] : lane[l];
    return lane[0];
}

/* ---- short rows ---- */

/* Rows of at most LANES elements lie beside each other, ROWS at a time: element i of all of them is
 * a vector. A sum is the tree that a row by itself has. */
static inline void NAME(lay_beside)(int64_t rows, int64_t n, const REAL *x, REAL (*beside)[ROWS])
{
    assert(rows > 0 && rows <= ROWS && n <= LANES);
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t i = 0; i < n; i++)
            beside[i][r] = x[(r < rows ? r : 0) * n + i];
}

static inline void NAME(lay_back)(int64_t rows, int64_t n, REAL (*beside)[ROWS], REAL *y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            y[r * n + i] = beside[i][r];
}

/* Of the lanes that a row would have: n elements, then zeros, joined by halves. */
static inline void NAME(sum_beside)(int64_t n, REAL (*beside)[ROWS], REAL *sum)
{
    REAL lane[LANES / 2][ROWS];
    int width = LANES / 2;
    while (width > 1 && width >= n)
        width /= 2;
    for (int l = 0; l < width; l++)
        for (int r = 0; r < ROWS; r++)
            lane[l][r] =
                0 + (l < n ? beside[l][r] : 0) + (l + width < n ? beside[l + width][r] : 0);
    for (width /= 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            for (int r = 0; r < ROWS; r++)
                lane[l][r] += lane[l + width][r];
    memcpy(sum, lane[0], sizeof lane[0]);
}

static void NAME(softmax_short)(int64_t rows, int64_t n, const REAL *x, REAL *y, bool logarithm)
{
    REAL from[LANES][ROWS], e[LANES][ROWS], top[ROWS], sum[ROWS];
    NAME(lay_beside)(rows, n, x, from);
    for (int r = 0; r < ROWS; r++)
        top[r] = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        for (int r = 0; r < ROWS; r++)
            top[r] = from[i][r] > top[r] ? from[i][r] : top[r];
    for (int64_t i = 0; i < n; i++)
        for (int r = 0; r < ROWS; r++)
            e[i][r] = EXP(from[i][r] - top[r]);
    NAME(sum_beside)(n, e, sum);
    for (int r = 0; r < ROWS; r++)
        sum[r] = logarithm ? LOG(sum[r]) : 1 / sum[r];
    for (int64_t i = 0; i < n; i++)
        for (int r = 0; r < ROWS; r++)
            e[i][r] = logarithm ? from[i][r] - top[r] - sum[r] : e[i][r] * sum[r];
    NAME(lay_back)(rows, n, e, y);
}

/* means, rstds: of these rows. Weight and bias may be NULL. */
static void NAME(layer_norm_short)(int64_t rows, int64_t n, const REAL *x, const REAL *weight,
                                   const REAL *bias, double eps, REAL *y, REAL *means, REAL *rstds)
{
    REAL from[LANES][ROWS], z[LANES][ROWS], mean[ROWS], rstd[ROWS];
    NAME(lay_beside)(rows, n, x, from);
    NAME(sum_beside)(n, from, mean);
    for (int r = 0; r < ROWS; r++)
        mean[r] = (REAL)((double)mean[r] / (double)n);
    for (int64_t i = 0; i < n; i++)
        for (int r = 0; r < ROWS; r++)
            z[i][r] = (from[i][r] - mean[r]) * (from[i][r] - mean[r]);
    NAME(sum_beside)(n, z, rstd);
    for (int r = 0; r < ROWS; r++)
        rstd[r] = (REAL)(1 / sqrt((double)rstd[r] / (double)n + eps));
    for (int64_t i = 0; i < n; i++) {
        const REAL w = weight ? weight[i] : 1, b = bias ? bias[i] : 0;
        for (int r = 0; r < ROWS; r++) {
            const REAL scaled = (from[i][r] - mean[r]) * rstd[r] * w;
            z[i][r] = bias ? scaled + b : scaled;
        }
    }
    NAME(lay_back)(rows, n, z, y);
    memcpy(means, mean, sizeof *mean * (size_t)rows);
    memcpy(rstds, rstd, sizeof *rstd * (size_t)rows);
}

/* ---- softmax ---- */

/* At most ROWS rows, whose logarithms are one vector. */
static void NAME(softmax_long)(int64_t rows, int64_t n, const REAL *from, REAL *to, bool logarithm)
{
    REAL top[ROWS], sum[ROWS];
    assert(rows > 0 && rows <= ROWS);
    for (int64_t r = 0; r < ROWS; r++)
        sum[r] = 1;
    for (int64_t r = 0; r < rows; r++) {
        const REAL *x = from + r * n, greatest = NAME(greatest)(n, x);
        REAL *y = to + r * n;
        for (int64_t i = 0; i < n; i++)
            y[i] = EXP(x[i] - greatest);
        top[r] = greatest, sum[r] = (REAL)NAME(sum)(n, y);
    }
    for (int64_t r = 0; r < ROWS; r++)
        sum[r] = logarithm ? LOG(sum[r]) : 1 / sum[r];
    for (int64_t r = 0; r < rows; r++) {
        const REAL *x = from + r * n, greatest = top[r], scale = sum[r];
        REAL *y = to + r * n;
        for (int64_t i = 0; logarithm && i < n; i++)
            y[i] = x[i] - greatest - scale;
        for (int64_t i = 0; !logarithm && i < n; i++)
            y[i] *= scale;
    }
}

static void NAME(softmax)(int64_t rows, int64_t n, const void *from, void *to, bool logarithm)
{
    assert(rows >= 0 && n >= 0);
    const bool beside = n <= LANES && rows >= ROWS / 2;
    for (int64_t r = 0; beside && r < rows; r += ROWS)
        NAME(softmax_short)(rows - r < ROWS ? rows - r : ROWS, n, (const REAL *)from + r * n,
                            (REAL *)to + r * n, logarithm);
    for (int64_t r = 0; !beside && r < rows; r += ROWS)
        NAME(softmax_long)(rows - r < ROWS ? rows - r : ROWS, n, (const REAL *)from + r * n,
                           (REAL *)to + r * n, logarithm);
}

static void NAME(softmax_backward)(int64_t rows, int64_t n, const void *incoming,
                                   const void *result, void *to, bool logarithm)
{
    for (int64_t r = 0; r < rows; r++) {
        const REAL *g = (const REAL *)incoming + r * n, *y = (const REAL *)result + r * n;
        REAL *out = (REAL *)to + r * n;
        if (logarithm) {
            REAL sum = (REAL)NAME(sum)(n, g);
            for (int64_t i = 0; i < n; i++)
                out[i] = g[i] - EXP(y[i]) * sum;
        } else {
            REAL sum = (REAL)NAME(dot)(n, g, y);
            for (int64_t i = 0; i < n; i++)
                out[i] = y[i] * (g[i] - sum);
        }
    }
}

/* Columns are done COLUMNS at a time, so that their maxima and sums stay in registers' reach. */
enum { NAME(COLUMNS) = 64 };

static void NAME(softmax_columns)(int64_t n, int64_t inner, const void *from, void *to,
                                  bool logarithm)
{
    const REAL *x = from;
    REAL *y = to, top[NAME(COLUMNS)], sum[NAME(COLUMNS)];
    for (int64_t c = 0; c < inner; c += NAME(COLUMNS)) {
        int64_t w = inner - c < NAME(COLUMNS) ? inner - c : NAME(COLUMNS);
        for (int64_t k = 0; k < w; k++)
            top[k] = -INFINITY, sum[k] = 0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < w; k++)
                top[k] = x[i * inner + c + k] > top[k] ? x[i * inner + c + k] : top[k];
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < w; k++) {
                REAL e = EXP(x[i * inner + c + k] - top[k]);
                y[i * inner + c + k] = e;
                sum[k] += e;
            }
        for (int64_t k = 0; k < w; k++)
            sum[k] = logarithm ? LOG(sum[k]) : 1 / sum[k];
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < w; k++) {
                int64_t at = i * inner + c + k;
                y[at] = logarithm ? x[at] - top[k] - sum[k] : y[at] * sum[k];
            }
    }
}

static void NAME(softmax_columns_backward)(int64_t n, int64_t inner, const void *incoming,
                                           const void *result, void *to, bool logarithm)
{
    const REAL *g = incoming, *y = result;
    REAL *out = to, sum[NAME(COLUMNS)];
    for (int64_t c = 0; c < inner; c += NAME(COLUMNS)) {
        int64_t w = inner - c < NAME(COLUMNS) ? inner - c : NAME(COLUMNS);
        for (int64_t k = 0; k < w; k++)
            sum[k] = 0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < w; k++)
                sum[k] +=
                    logarithm ? g[i * inner + c + k] : g[i * inner + c + k] * y[i * inner + c + k];
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < w; k++) {
                int64_t at = i * inner + c + k;
                out[at] = logarithm ? g[at] - EXP(y[at]) * sum[k] : y[at] * (g[at] - sum[k]);
            }
    }
}

/* ---- rows normalised ---- */

/* Either of weight and bias may be NULL: inlined, so that the loop has no conditions. */
static inline __attribute__((always_inline)) void NAME(normalise)(int64_t n, const REAL *x,
                                                                  REAL mean, REAL rstd,
                                                                  const REAL *weight,
                                                                  const REAL *bias, REAL *y)
{
    for (int64_t i = 0; i < n; i++) {
        REAL z = (x[i] - mean) * rstd;
        z = weight ? z * weight[i] : z;
        y[i] = bias ? z + bias[i] : z;
    }
}

static void NAME(layer_norm)(int64_t rows, int64_t n, const void *from, const void *weights,
                             const void *biases, double eps, void *to, void *means, void *rstds)
{
    assert(rows >= 0 && n > 0);
    const REAL *weight = weights, *bias = biases;
    const bool beside = n <= LANES && rows >= ROWS / 2;
    for (int64_t r = 0; beside && r < rows; r += ROWS)
        NAME(layer_norm_short)(rows - r < ROWS ? rows - r : ROWS, n, (const REAL *)from + r * n,
                               weight, bias, eps, (REAL *)to + r * n, (REAL *)means + r,
                               (REAL *)rstds + r);
    for (int64_t r = 0; !beside && r < rows; r++) {
        const REAL *x = (const REAL *)from + r * n;
        REAL *y = (REAL *)to + r * n;
        REAL mean = (REAL)(NAME(sum)(n, x) / (double)n);
        REAL rstd = (REAL)(1 / sqrt(NAME(squares)(n, x, mean) / (double)n + eps));
        ((REAL *)means)[r] = mean, ((REAL *)rstds)[r] = rstd;
        if (weight && bias)
            NAME(normalise)(n, x, mean, rstd, weight, bias, y);
        else if (weight)
            NAME(normalise)(n, x, mean, rstd, weight, NULL, y);
        else if (bias)
            NAME(normalise)(n, x, mean, rstd, NULL, bias, y);
        else
            NAME(normalise)(n, x, mean, rstd, NULL, NULL, y);
    }
}

/* With h = g * weight and z the normalised x: out = rstd (h - mean(h) - z mean(h z)). */
static void NAME(layer_norm_backward)(int64_t rows, int64_t n, const void *incoming,
                                      const void *from, const void *weights, const void *means,
                                      const void *rstds, void *to)
{
    const REAL *weight = weights;
    for (int64_t r = 0; r < rows; r++) {
        const REAL *g = (const REAL *)incoming + r * n, *x = (const REAL *)from + r * n;
        REAL *out = (REAL *)to + r * n, mean = ((const REAL *)means)[r],
             rstd = ((const REAL *)rstds)[r];
        if (weight)
            for (int64_t i = 0; i < n; i++)
                out[i] = g[i] * weight[i];
        else
            memcpy(out, g, sizeof *out * (size_t)n);
        REAL a = (REAL)(NAME(sum)(n, out) / (double)n);
        REAL b = (REAL)(NAME(centred)(n, out, x, mean) * (double)rstd / (double)n);
        for (int64_t i = 0; i < n; i++)
            out[i] = rstd * (out[i] - a - (x[i] - mean) * rstd * b);
    }
}

static void NAME(layer_norm_affine)(int64_t rows, int64_t n, const void *incoming, const void *from,
                                    const void *means, const void *rstds, void *weights,
                                    void *biases)
{
    REAL *weight = weights, *bias = biases;
    for (int64_t r = 0; r < rows; r++) {
        const REAL *g = (const REAL *)incoming + r * n, *x = (const REAL *)from + r * n;
        REAL mean = ((const REAL *)means)[r], rstd = ((const REAL *)rstds)[r];
        if (weight)
            for (int64_t i = 0; i < n; i++)
                weight[i] += g[i] * ((x[i] - mean) * rstd);
        if (bias)
            for (int64_t i = 0; i < n; i++)
                bias[i] += g[i];
    }
}

static void NAME(add)(int64_t n, void *to, const void *from)
{
    REAL *a = to;
    const REAL *b = from;
    for (int64_t i = 0; i < n; i++)
        a[i] += b[i];
}

/* ---- channels of (N, C, S) ---- */

/* A channel of S elements is a row for each sample; of one element, it is a column, and the columns
 * of several channels run side by side. */

static void NAME(channel_moments)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count,
                                  const void *from, double *mean, double *squares)
{
    assert(c >= 0 && count <= NORM_CHANNELS && c + count <= C);
    const REAL *x = (const REAL *)from + c * S;
    for (int64_t k = 0; k < count; k++)
        mean[k] = squares[k] = 0;
    for (int64_t b = 0; S == 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++)
            mean[k] += (double)x[b * C + k];
    for (int64_t b = 0; S != 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++)
            mean[k] += NAME(sum)(S, x + (b * C + k) * S);
    for (int64_t k = 0; k < count; k++)
        mean[k] /= (double)(N * S);
    for (int64_t b = 0; S == 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++)
            squares[k] += ((double)x[b * C + k] - mean[k]) * ((double)x[b * C + k] - mean[k]);
    if (S == 1)
        return;
    for (int64_t b = 0; b < N; b++)
        for (int64_t k = 0; k < count; k++)
            squares[k] += NAME(squares)(S, x + (b * C + k) * S, (REAL)mean[k]);
    for (int64_t k = 0; k < count; k++) { /* the differences were from the rounded mean */
        double off = mean[k] - (double)(REAL)mean[k],
               exact = squares[k] - off * off * (double)(N * S);
        squares[k] = exact < 0 ? 0 : exact;
    }
}

static void NAME(channel_sums)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count,
                               const void *incoming, const void *from, const double *mean,
                               double *sum, double *dot)
{
    assert(c >= 0 && count <= NORM_CHANNELS && c + count <= C);
    const REAL *g = (const REAL *)incoming + c * S, *x = (const REAL *)from + c * S;
    for (int64_t k = 0; k < count; k++)
        sum[k] = dot[k] = 0;
    for (int64_t b = 0; S == 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++) {
            sum[k] += (double)g[b * C + k];
            dot[k] += (double)g[b * C + k] * ((double)x[b * C + k] - mean[k]);
        }
    for (int64_t b = 0; S != 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++) {
            const int64_t row = (b * C + k) * S;
            sum[k] += NAME(sum)(S, g + row);
            dot[k] += NAME(centred)(S, g + row, x + row, (REAL)mean[k]);
        }
}

static void NAME(channel_affine)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count,
                                 const void *from, const double *scale, const double *shift,
                                 void *to)
{
    assert(c >= 0 && count <= NORM_CHANNELS && c + count <= C);
    const REAL *x = (const REAL *)from + c * S;
    REAL *y = (REAL *)to + c * S, a[NORM_CHANNELS], d[NORM_CHANNELS];
    for (int64_t k = 0; k < count; k++)
        a[k] = (REAL)scale[k], d[k] = (REAL)shift[k];
    for (int64_t b = 0; S == 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++)
            y[b * C + k] = x[b * C + k] * a[k] + d[k];
    for (int64_t b = 0; S != 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0, row = (b * C + k) * S; i < S; i++)
                y[row + i] = x[row + i] * a[k] + d[k];
}

static void NAME(channel_backward)(int64_t N, int64_t C, int64_t S, int64_t c, int64_t count,
                                   const void *incoming, const void *from, const double *mean,
                                   const double *scale, const double *slope, const double *shift,
                                   void *to)
{
    assert(c >= 0 && count <= NORM_CHANNELS && c + count <= C);
    const REAL *g = (const REAL *)incoming + c * S, *x = (const REAL *)from + c * S;
    REAL *out = (REAL *)to + c * S, m[NORM_CHANNELS], a[NORM_CHANNELS], h[NORM_CHANNELS],
         d[NORM_CHANNELS];
    for (int64_t k = 0; k < count; k++) {
        m[k] = (REAL)mean[k], a[k] = (REAL)scale[k];
        h[k] = (REAL)slope[k], d[k] = (REAL)shift[k];
    }
    for (int64_t b = 0; S == 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++) {
            const int64_t at = b * C + k;
            out[at] = g[at] * a[k] + (x[at] - m[k]) * h[k] + d[k];
        }
    for (int64_t b = 0; S != 1 && b < N; b++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0, row = (b * C + k) * S; i < S; i++)
                out[row + i] = g[row + i] * a[k] + (x[row + i] - m[k]) * h[k] + d[k];
}
