/* One step of each cell, for one element type: a template, included by rnn.simd.c for each.
 *
 * The formulas are PyTorch's, in its order: c = f c + i g, h = o tanh(c) (Hochreiter and
 * Schmidhuber 1997; Gers et al. 2000); h = (h - n) z + n with n = tanh(x + r hidden) (Cho et al.
 * 2014). Rows are functions of their own whose blocks are parameters: only of those do compilers
 * believe that they do not overlap.
 */

static void NAME(add)(int64_t n, void *to, const void *from)
{
    REAL *restrict a = to;
    const REAL *restrict b = from;
    for (int64_t j = 0; j < n; j++)
        a[j] += b[j];
}

ROW void NAME(lstm_row)(int64_t H, REAL *restrict i, REAL *restrict f, REAL *restrict g,
                        REAL *restrict o, REAL *restrict before, REAL *restrict c, REAL *restrict h)
{
    for (int64_t j = 0; j < H; j++) {
        const REAL a = SIGMOID(i[j]), b = SIGMOID(f[j]), d = TANH(g[j]), e = SIGMOID(o[j]);
        const REAL state = b * c[j] + a * d;
        i[j] = a, f[j] = b, g[j] = d, o[j] = e;
        before[j] = c[j];
        c[j] = state;
        h[j] = e * TANH(state);
    }
}

static void NAME(lstm)(const struct rnn_step *s)
{
    const int64_t H = s->H;
    REAL *i = s->saved, *c = s->c, *h = s->h;
    for (int64_t row = 0; row < s->rows; row++, i += s->saved_row, c += H, h += H)
        NAME(lstm_row)(H, i, i + H, i + 2 * H, i + 3 * H, i + 4 * H, c, h);
}

/* saved and sums are i f g o; tanh(c) is made again. */
ROW void NAME(lstm_row_backward)(int64_t H, const REAL *restrict i, const REAL *restrict f,
                                 const REAL *restrict g, const REAL *restrict o,
                                 const REAL *restrict before, const REAL *restrict dh,
                                 REAL *restrict dc, REAL *restrict di, REAL *restrict df,
                                 REAL *restrict dg, REAL *restrict d_o)
{
    for (int64_t j = 0; j < H; j++) {
        const REAL t = TANH(f[j] * before[j] + i[j] * g[j]);
        const REAL d = dc[j] + dh[j] * o[j] * (1 - t * t);
        d_o[j] = dh[j] * t * o[j] * (1 - o[j]);
        di[j] = d * g[j] * i[j] * (1 - i[j]);
        df[j] = d * before[j] * f[j] * (1 - f[j]);
        dg[j] = d * i[j] * (1 - g[j] * g[j]);
        dc[j] = d * f[j];
    }
}

ROW void NAME(lstm_row_output)(int64_t H, const REAL *restrict i, const REAL *restrict before,
                               REAL *restrict output)
{
    const REAL *f = i + H, *g = f + H, *o = g + H;
    for (int64_t j = 0; j < H; j++)
        output[j] = o[j] * TANH(f[j] * before[j] + i[j] * g[j]);
}

static void NAME(lstm_backward)(const struct rnn_step *s)
{
    const int64_t H = s->H;
    const REAL *i = s->saved, *dh = s->h;
    REAL *dc = s->c, *di = s->sums;
    for (int64_t row = 0; row < s->rows; row++) {
        NAME(lstm_row_backward)(H, i, i + H, i + 2 * H, i + 3 * H, i + 4 * H, dh, dc, di, di + H,
                                di + 2 * H, di + 3 * H);
        if (s->output)
            NAME(lstm_row_output)(H, i, i + 4 * H, (REAL *)s->output + row * H);
        i += s->saved_row, dh += H, dc += H, di += s->sums_row;
    }
}

ROW void NAME(gru_row)(int64_t H, REAL *restrict r, REAL *restrict z, REAL *restrict n,
                       REAL *restrict hidden, const REAL *restrict hr, const REAL *restrict hz,
                       const REAL *restrict hn, REAL *restrict h)
{
    for (int64_t j = 0; j < H; j++) {
        const REAL a = SIGMOID(r[j] + hr[j]), b = SIGMOID(z[j] + hz[j]);
        const REAL d = TANH(n[j] + a * hn[j]);
        r[j] = a, z[j] = b, n[j] = d;
        hidden[j] = hn[j];
        h[j] = (h[j] - d) * b + d;
    }
}

static void NAME(gru)(const struct rnn_step *s)
{
    const int64_t H = s->H;
    const REAL *hidden = s->hidden;
    REAL *r = s->saved, *h = s->h;
    for (int64_t row = 0; row < s->rows; row++) {
        NAME(gru_row)(H, r, r + H, r + 2 * H, r + 3 * H, hidden, hidden + H, hidden + 2 * H, h);
        r += s->saved_row, hidden += 3 * H, h += H;
    }
}

ROW void NAME(gru_row_backward)(int64_t H, const REAL *restrict r, const REAL *restrict z,
                                const REAL *restrict n, const REAL *restrict hidden,
                                const REAL *restrict before, REAL *restrict dh, REAL *restrict dr,
                                REAL *restrict dz, REAL *restrict dn, REAL *restrict hr,
                                REAL *restrict hz, REAL *restrict hn)
{
    for (int64_t j = 0; j < H; j++) {
        const REAL d = dh[j] * (1 - z[j]) * (1 - n[j] * n[j]);
        const REAL a = d * hidden[j] * r[j] * (1 - r[j]);
        const REAL b = dh[j] * (before[j] - n[j]) * z[j] * (1 - z[j]);
        dr[j] = hr[j] = a;
        dz[j] = hz[j] = b;
        dn[j] = d;
        hn[j] = d * r[j];
        dh[j] *= z[j];
    }
}

static void NAME(gru_backward)(const struct rnn_step *s)
{
    const int64_t H = s->H;
    const REAL *r = s->saved;
    REAL *dh = s->h, *dr = s->sums, *hr = s->hidden_sums;
    for (int64_t row = 0; row < s->rows; row++) {
        NAME(gru_row_backward)(H, r, r + H, r + 2 * H, r + 3 * H, r + 4 * H, dh, dr, dr + H,
                               dr + 2 * H, hr, hr + H, hr + 2 * H);
        r += s->saved_row, dh += H, dr += s->sums_row, hr += s->sums_row;
    }
}

static void NAME(tanh)(const struct rnn_step *s)
{
    for (int64_t row = 0; row < s->rows; row++) {
        REAL *restrict y = (REAL *)s->saved + row * s->saved_row;
        REAL *restrict h = (REAL *)s->h + row * s->H;
        for (int64_t j = 0; j < s->H; j++)
            h[j] = y[j] = TANH(y[j]);
    }
}

static void NAME(tanh_backward)(const struct rnn_step *s)
{
    for (int64_t row = 0; row < s->rows; row++) {
        const REAL *restrict y = (const REAL *)s->saved + row * s->saved_row;
        const REAL *restrict dh = (const REAL *)s->h + row * s->H;
        REAL *restrict sums = (REAL *)s->sums + row * s->sums_row;
        for (int64_t j = 0; j < s->H; j++)
            sums[j] = dh[j] * (1 - y[j] * y[j]);
    }
}

static void NAME(relu)(const struct rnn_step *s)
{
    for (int64_t row = 0; row < s->rows; row++) {
        REAL *restrict y = (REAL *)s->saved + row * s->saved_row;
        REAL *restrict h = (REAL *)s->h + row * s->H;
        for (int64_t j = 0; j < s->H; j++)
            h[j] = y[j] = y[j] < 0 ? 0 : y[j]; /* NaN stays */
    }
}

static void NAME(relu_backward)(const struct rnn_step *s)
{
    for (int64_t row = 0; row < s->rows; row++) {
        const REAL *restrict y = (const REAL *)s->saved + row * s->saved_row;
        const REAL *restrict dh = (const REAL *)s->h + row * s->H;
        REAL *restrict sums = (REAL *)s->sums + row * s->sums_row;
        for (int64_t j = 0; j < s->H; j++)
            sums[j] = y[j] <= 0 ? 0 : dh[j];
    }
}
