/* The micro-kernel and the packing around it, for one element type: a template, included by
 * gemm.simd.c for each.
 *
 * A tile of C, TILE_ROWS x TILE_COLS, stays in registers while k runs: each step loads a row of B
 * (two vectors) and multiplies it by each of TILE_ROWS elements of A, read where they lie and
 * broadcast. The sums start at 0 for each block of k and are added to C at its end. The batch of
 * blocks makes it a batch-reduce kernel (Georganas et al., "Harnessing Deep Learning via a Single
 * Building Block", 2020): a convolution is a batch over the filter's taps.
 */
#include "ops/matmul/gemm_vector.h"

#define TILE_COLS  (2 * LANES)
#define FEW_GROUPS 5
/* The pitch of packed A: a column of a panel is stored in whole vectors. */
#define PANEL     ((TILE_ROWS + LANES - 1) / LANES * LANES)

/* ---- The end of a tile ----------------------------------------------------------------------- */

INLINE vec NAME(relu)(vec v)
{
    return (vec)(~(v < (vec){0}) & (__typeof__(v < v))v); /* NaN stays NaN */
}

/* A tile that lies in `sums` (row pitch TILE_COLS) and is partial in its columns goes to C, whose
 * rows are contiguous. */
static void NAME(finish_rows)(const struct gemm_tile *t, const real *sums)
{
    real *c = t->c;
    const real *bias_m = t->bias_m, *bias_n = t->bias_n;
    for (int i = 0; i < t->mr; i++, c += t->c_row, sums += TILE_COLS)
        for (int j = 0; j < t->nr; j += LANES) {
            int width = t->nr - j < LANES ? t->nr - j : LANES;
            vec v = NAME(load)(sums + j);
            if (t->accumulate)
                v = NAME(load_first)(c + j, width) + v;
            if (bias_n)
                v += NAME(load_first)(bias_n + j, width);
            if (bias_m)
                v += NAME(splat)(bias_m[i]);
            if (t->relu)
                v = NAME(relu)(v);
            NAME(store_first)(c + j, v, width);
        }
}

/* The same where the columns of C are contiguous: transposed in registers, LANES x LANES at a time.
 */
static void NAME(finish_columns)(const struct gemm_tile *t, const real *sums)
{
    const real *bias_m = t->bias_m, *bias_n = t->bias_n;
    for (int i = 0; i < t->mr; i += LANES) {
        int height = t->mr - i < LANES ? t->mr - i : LANES;
        for (int j = 0; j < t->nr; j += LANES) {
            vec v[LANES];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++)
                v[r] = NAME(load)(sums + (i + r) * TILE_COLS + j);
            NAME(transpose)(v);
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) {
                if (j + r >= t->nr)
                    break;
                real *c = (real *)t->c + (j + r) * t->c_col + i;
                vec x = v[r];
                if (t->accumulate)
                    x = NAME(load_first)(c, height) + x;
                if (bias_n)
                    x += NAME(splat)(bias_n[j + r]);
                if (bias_m)
                    x += NAME(load_first)(bias_m + i, height);
                if (t->relu)
                    x = NAME(relu)(x);
                NAME(store_first)(c, x, height);
            }
        }
    }
}

/* The same where neither is: along the shorter stride. */
static void NAME(finish_scattered)(const struct gemm_tile *t, const real *sums)
{
    const real *bias_m = t->bias_m, *bias_n = t->bias_n;
    const int down = (t->c_row < 0 ? -t->c_row : t->c_row) < (t->c_col < 0 ? -t->c_col : t->c_col);
    const int outer = down ? t->nr : t->mr, inner = down ? t->mr : t->nr;
    for (int p = 0; p < outer; p++)
        for (int q = 0; q < inner; q++) {
            const int i = down ? q : p, j = down ? p : q;
            real *c = (real *)t->c + i * t->c_row + j * t->c_col;
            real x = sums[i * TILE_COLS + j];
            if (t->accumulate)
                x = *c + x;
            if (bias_n)
                x += bias_n[j];
            if (bias_m)
                x += bias_m[i];
            *c = t->relu && x < 0 ? 0 : x;
        }
}

static __attribute__((noinline)) void NAME(finish)(const struct gemm_tile *t, const real *sums)
{
    if (t->c_col == 1)
        NAME(finish_rows)(t, sums);
    else if (t->c_row == 1)
        NAME(finish_columns)(t, sums);
    else
        NAME(finish_scattered)(t, sums);
}

/* ---- The tile -------------------------------------------------------------------------------- */

/* Rows that are contiguous go to C straight from the registers; the last vector may be a part of
 * one. */
INLINE void NAME(finish_in_registers)(const struct gemm_tile *t, const int mr, const int nv,
                                      vec sums[TILE_ROWS][2])
{
    const int last = nv - 1, width = CHEAP_PARTS ? t->nr - last * LANES : LANES;
    real *c = t->c;
    if (t->accumulate) {
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            if (nv == 2)
                sums[i][0] = NAME(load)(c + i * t->c_row) + sums[i][0];
            sums[i][last] = NAME(load_part)(c + i * t->c_row + last * LANES, width) + sums[i][last];
        }
    }
    if (t->bias_n) {
        const vec first = NAME(load_part)(t->bias_n, nv == 2 ? LANES : width);
        const vec second = NAME(load_part)((const real *)t->bias_n + last * LANES, width);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            sums[i][0] += first;
            if (nv == 2)
                sums[i][1] += second;
        }
    }
    if (t->bias_m) {
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++)
            for (int j = 0; j < nv; j++)
                sums[i][j] += NAME(splat)(((const real *)t->bias_m)[i]);
    }
    if (t->relu) {
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++)
            for (int j = 0; j < nv; j++)
                sums[i][j] = NAME(relu)(sums[i][j]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++, c += t->c_row) {
        if (nv == 2)
            NAME(store)(c, sums[i][0]);
        NAME(store_part)(c + last * LANES, sums[i][last], width);
    }
}

/* Steps of k whose cache lines are asked for before they are needed: in the second cache they are
 * too far away, and where rows lie apart the processor does not foresee them. */
enum { NAME(AHEAD) = 8, NAME(LINE) = 64 / sizeof(real) };

/* mr rows, nv vectors of columns: constants in every use. near: the rows of A are neighbours (a_row
 * = 1). */
INLINE void NAME(tile_body)(const struct gemm_tile *t, const int mr, const int nv, const int near)
{
    vec sums[TILE_ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++)
            sums[i][j] = (vec){0};

    const int64_t a_row = near ? 1 : t->a_row, a_step = t->a_step, b_step = t->b_step;
    const real *b = t->b;
    for (int64_t g = 0; g < t->batch; g++) {
        const real *a = (const real *)t->a + (t->a_offsets ? t->a_offsets[g] : 0);
        if (t->b_offsets)
            b = (const real *)t->b + t->b_offsets[g];
        for (int64_t k = t->depth; k > 0; k--) {
            if (near) {
                __builtin_prefetch(a + NAME(AHEAD) * a_step);
#pragma GCC unroll 2
                for (int j = 0; j < nv * LANES; j += NAME(LINE))
                    __builtin_prefetch(b + NAME(AHEAD) * b_step + j);
            }
            vec right[2];
#pragma GCC unroll 2
            for (int j = 0; j < nv; j++)
                right[j] = NAME(load)(b + j * LANES);
#pragma GCC unroll 16
            for (int i = 0; i < mr; i++) {
                vec left = NAME(splat)(a[i * a_row]);
#pragma GCC unroll 2
                for (int j = 0; j < nv; j++)
                    sums[i][j] = NAME(fma)(left, right[j], sums[i][j]);
            }
            a += a_step;
            b += b_step;
        }
    }

    if (t->c_col == 1 && (CHEAP_PARTS || t->nr == nv * LANES)) {
        NAME(finish_in_registers)(t, mr, nv, sums);
        return;
    }
    _Alignas(VECTOR_BYTES) real spilt[PANEL * TILE_COLS];
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            *(vec *)(spilt + i * TILE_COLS + j * LANES) = sums[i][j];
    NAME(finish)(t, spilt);
}

/* clang-format off */
#define TILE(mr, nv, near)                                                                         \
    static void NAME(tile_##mr##_##nv##_##near)(const struct gemm_tile *t)                         \
    {                                                                                              \
        NAME(tile_body)(t, mr, nv, near);                                                          \
    }
#define TILES(mr) TILE(mr, 1, 0) TILE(mr, 1, 1) TILE(mr, 2, 0) TILE(mr, 2, 1)
#define TILE_ENTRY(mr)                                                                             \
    {{NAME(tile_##mr##_1_0), NAME(tile_##mr##_1_1)}, {NAME(tile_##mr##_2_0), NAME(tile_##mr##_2_1)}}

TILES(1) TILES(2) TILES(3) TILES(4)
#if TILE_ROWS >= 6
TILES(5) TILES(6)
#endif
#if TILE_ROWS >= 14
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif

static void (*const NAME(tiles)[TILE_ROWS][2][2])(const struct gemm_tile *) = {
    TILE_ENTRY(1), TILE_ENTRY(2), TILE_ENTRY(3), TILE_ENTRY(4),
#if TILE_ROWS >= 6
    TILE_ENTRY(5), TILE_ENTRY(6),
#endif
#if TILE_ROWS >= 14
    TILE_ENTRY(7), TILE_ENTRY(8), TILE_ENTRY(9), TILE_ENTRY(10),
    TILE_ENTRY(11), TILE_ENTRY(12), TILE_ENTRY(13), TILE_ENTRY(14),
#endif
};
/* clang-format on */

static void NAME(tile)(const struct gemm_tile *t)
{
    NAME(tiles)[t->mr - 1][t->nr > LANES][t->a_row == 1](t);
}

/* ---- A dot product --------------------------------------------------------------------------- */

/* DOT_SUMS partial sums, element i in number i % DOT_SUMS, added up in pairs. */
static double NAME(dot)(const void *left, const void *right, int64_t n)
{
    enum { VECTORS = GEMM_DOT_SUMS / LANES };
    const real *a = left, *b = right;
    vec sums[VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + GEMM_DOT_SUMS <= n; i += GEMM_DOT_SUMS)
#pragma GCC unroll 16
        for (int j = 0; j < VECTORS; j++)
            sums[j] =
                NAME(fma)(NAME(load)(a + i + j * LANES), NAME(load)(b + i + j * LANES), sums[j]);
    for (int j = 0; i < n; i += LANES, j++) {
        const int width = n - i < LANES ? (int)(n - i) : LANES;
        sums[j] =
            NAME(fma)(NAME(load_first)(a + i, width), NAME(load_first)(b + i, width), sums[j]);
    }
    real flat[GEMM_DOT_SUMS];
    memcpy(flat, sums, sizeof flat);
    for (int half = GEMM_DOT_SUMS / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            flat[j] += flat[j + half];
    return (double)flat[0];
}

/* ---- Packing --------------------------------------------------------------------------------- */

static void NAME(transpose_any)(const void *src, int64_t src_row, int64_t rows, int64_t cols,
                                void *dst, int64_t dst_row, int exact)
{
    NAME(transpose_copy)(src, src_row, rows, cols, dst, dst_row, exact);
}

/* mr rows of A over `depth` steps become columns of pitch PANEL. */
static void NAME(pack_rows)(const real *a, int64_t a_row, int64_t a_col, int mr, int64_t depth,
                            real *dst)
{
    if (a_col == 1) {
        NAME(transpose_copy)(a, a_row, mr, depth, dst, PANEL, 0);
    } else {
        for (int64_t k = 0; k < depth; k++, a += a_col, dst += PANEL)
            for (int i = 0; i < mr; i++)
                dst[i] = a[i * a_row];
    }
}

/* Where the rows of A are neighbours: groups that begin at row[0], row[1] ..., all of which advance
 * along k together, since a cache line belongs to several of them. Of the first `whole` groups there
 * are rows behind them to fill their vectors up with. */
INLINE void NAME(pack_near)(const real *a, int64_t a_col, const int64_t *row, const int64_t whole,
                            const int64_t count, int64_t depth, real *dst)
{
    const int64_t begin = row[0], end = row[count], size = depth * PANEL;
    for (int64_t k = 0; k < depth; k++, a += a_col, dst += PANEL) {
        const real *ahead = a + NAME(AHEAD) * a_col;
        for (int64_t i = begin; i < end; i += NAME(LINE))
            __builtin_prefetch(ahead + i);
        __builtin_prefetch(ahead + end - 1);
#pragma GCC unroll 8
        for (int64_t q = 0; q < whole; q++)
#pragma GCC unroll 4
            for (int i = 0; i < PANEL; i += LANES)
                NAME(store)(dst + q * size + i, NAME(load)(a + row[q] + i));
        for (int64_t q = whole; q < count; q++) {
            const int mr = (int)(row[q + 1] - row[q]);
            for (int i = 0; i < mr; i += LANES)
                NAME(store)(dst + q * size + i, mr - i < LANES
                                                    ? NAME(load_first)(a + row[q] + i, mr - i)
                                                    : NAME(load)(a + row[q] + i));
        }
    }
}

/* Groups at.i to end - 1 of A's m rows, one after the other at dst, depth * PANEL apart. Where rows
 * are neighbours all groups advance along k together. */
static void NAME(pack_groups)(const struct gemm_block *g, const real *a, struct gemm_group at,
                              int64_t end, int64_t depth, real *dst)
{
    int64_t row[GEMM_PACKED_GROUPS + 1] = {at.row};
    const int64_t first = at.i;
    for (; at.i < end; gemm_next_group(&at))
        row[at.i - first + 1] = at.end;
    const int64_t count = end - first;
    if (g->a_row != 1) {
        for (int64_t q = 0; q < count; q++)
            NAME(pack_rows)(a + row[q] * g->a_row, g->a_row, g->a_col, (int)(row[q + 1] - row[q]),
                            depth, dst + q * depth * PANEL);
        return;
    }
    int64_t whole = 0;
    while (whole < count && row[whole] + PANEL <= g->a_rows)
        whole++;
    if (whole == GEMM_PACKED_GROUPS)
        NAME(pack_near)(a, g->a_col, row, GEMM_PACKED_GROUPS, GEMM_PACKED_GROUPS, depth, dst);
    else
        NAME(pack_near)(a, g->a_col, row, whole, count, depth, dst);
}

/* nr columns of B over `depth` steps become rows of pitch TILE_COLS, filled up with zeros to whole
 * vectors. */
static void NAME(pack_columns)(const real *b, int64_t b_row, int64_t b_col, int nr, int64_t depth,
                               real *dst)
{
    if (b_row == 1) {
        NAME(transpose_copy)(b, b_col, nr, depth, dst, TILE_COLS, 0);
    } else if (b_col == 1 && nr == TILE_COLS) {
        for (int64_t k = 0; k < depth; k++, b += b_row, dst += TILE_COLS) {
            __builtin_prefetch(b + NAME(AHEAD) * b_row);
            __builtin_prefetch(b + NAME(AHEAD) * b_row + LANES);
            NAME(store)(dst, NAME(load)(b));
            NAME(store)(dst + LANES, NAME(load)(b + LANES));
        }
    } else if (b_col == 1) {
        int whole = nr / LANES * LANES;
        for (int64_t k = 0; k < depth; k++, b += b_row, dst += TILE_COLS) {
            if (whole)
                NAME(store)(dst, NAME(load)(b));
            if (nr > whole)
                NAME(store)(dst + whole, NAME(load_first)(b + whole, nr - whole));
        }
    } else {
        int width = nr > LANES ? TILE_COLS : LANES;
        for (int64_t k = 0; k < depth; k++, b += b_row, dst += TILE_COLS)
            for (int j = 0; j < width; j++)
                dst[j] = j < nr ? b[j * b_col] : 0;
    }
}

/* ---- A few rows ------------------------------------------------------------------------------ */

enum { NAME(AHEAD_ALONG) = 512 / sizeof(real) }; /* as AHEAD, along a column of B */

/* LANES columns of C at a time, for the rows of a tile no higher than GEMM_FEW_ROWS, where B lies with
 * its columns contiguous, as a layer's weight does: packing it would cost more than the product.
 * Blocks of LANES x LANES are transposed in registers, so that each element of C is the same chain
 * over k. t->b is B's element (0, 0), t->b_step from one column to the next. */
INLINE void NAME(few_rows_body)(const struct gemm_tile *t, const int mr)
{
    vec sums[TILE_ROWS][2] = {{{0}}};
    const real *a = t->a, *b = t->b;
    for (int64_t k = 0; k < t->depth; k += LANES) {
        const int steps = t->depth - k < LANES ? (int)(t->depth - k) : LANES;
        vec v[LANES];
        if (steps == LANES) {
#pragma GCC unroll 16
            for (int j = 0; j < LANES; j++) {
                const real *at = b + (j < t->nr ? j : 0) * t->b_step + k;
                __builtin_prefetch(at + NAME(AHEAD_ALONG));
                v[j] = NAME(load)(at);
            }
        } else {
#pragma GCC unroll 16
            for (int j = 0; j < LANES; j++)
                v[j] = NAME(load_first)(b + (j < t->nr ? j : 0) * t->b_step + k, steps);
        }
        NAME(transpose)(v);
#pragma GCC unroll 16
        for (int s = 0; s < LANES; s++) {
            if (s >= steps)
                break;
            for (int i = 0; i < mr; i++)
                sums[i][0] =
                    NAME(fma)(NAME(splat)(a[i * t->a_row + (k + s) * t->a_step]), v[s], sums[i][0]);
        }
    }
    if (t->c_col == 1 && (CHEAP_PARTS || t->nr == LANES)) {
        NAME(finish_in_registers)(t, mr, 1, sums);
        return;
    }
    _Alignas(VECTOR_BYTES) real spilt[PANEL * TILE_COLS];
    for (int i = 0; i < mr; i++)
        *(vec *)(spilt + i * TILE_COLS) = sums[i][0];
    NAME(finish)(t, spilt);
}

static void NAME(few_rows)(const struct gemm_tile *t)
{
    switch (t->mr) {
    case 1:
        NAME(few_rows_body)(t, 1);
        break;
    case 2:
        NAME(few_rows_body)(t, 2);
        break;
    case 3:
        NAME(few_rows_body)(t, 3);
        break;
    default:
        NAME(few_rows_body)(t, GEMM_FEW_ROWS);
        break;
    }
}

/* The same where B's rows are contiguous: RUN sums, all columns of a few rows, stay in the first
 * cache while the rows of B stream past, four to a visit. */
enum { NAME(RUN) = 16384 / sizeof(real) };

static void NAME(few_rows_along)(const struct gemm_tile *t)
{
    _Alignas(VECTOR_BYTES) real sums[NAME(RUN)];
    const real *a = t->a, *b = t->b;
    const int pitch = (t->nr + LANES - 1) / LANES * LANES;
    memset(sums, 0, (size_t)(t->mr * pitch) * sizeof *sums);
    for (int64_t k = 0; k < t->depth; k += 4, b += 4 * t->b_step) {
        const int rows = t->depth - k < 4 ? (int)(t->depth - k) : 4;
        for (int i = 0; i < t->mr; i++) {
            vec left[4];
            for (int r = 0; r < 4; r++)
                left[r] = NAME(splat)(r < rows ? a[i * t->a_row + (k + r) * t->a_step] : 0);
            int j = 0;
            for (; j + LANES <= t->nr && rows == 4; j += LANES) {
                vec s = NAME(load)(sums + i * pitch + j);
#pragma GCC unroll 4
                for (int r = 0; r < 4; r++)
                    s = NAME(fma)(left[r], NAME(load)(b + r * t->b_step + j), s);
                NAME(store)(sums + i * pitch + j, s);
            }
            for (; j < t->nr; j += LANES) {
                const int width = t->nr - j < LANES ? t->nr - j : LANES;
                vec s = NAME(load)(sums + i * pitch + j);
                for (int r = 0; r < rows; r++)
                    s = NAME(fma)(left[r], NAME(load_first)(b + r * t->b_step + j, width), s);
                NAME(store)(sums + i * pitch + j, s);
            }
        }
    }
    for (int i = 0; i < t->mr; i++) {
        struct gemm_tile row = *t;
        row.mr = 1;
        row.c = (real *)t->c + i * t->c_row;
        row.bias_m = t->bias_m ? (const real *)t->bias_m + i : NULL;
        if (t->c_col == 1)
            NAME(finish_rows)(&row, sums + i * pitch);
        else
            NAME(finish_scattered)(&row, sums + i * pitch);
    }
}

/* Columns outside, stretches of k within them: B's lines are read in the order in which they lie. */
static void NAME(few_rows_block)(const struct gemm_block *g, int64_t stretch, int64_t stretches)
{
    const bool along = g->b_col == 1;
    const int64_t width = along ? NAME(RUN) / g->m / LANES * LANES : LANES;
    struct gemm_tile t = {.mr = (int)g->m,
                          .a_row = g->a_row,
                          .a_step = g->a_col,
                          .b_step = along ? g->b_row : g->b_col,
                          .c_row = g->c_row,
                          .c_col = g->c_col};
    for (int64_t col = 0; col < g->n; col += width) {
        t.nr = (int)(g->n - col < width ? g->n - col : width);
        t.c = (real *)g->c + col * g->c_col;
        for (int64_t s = 0; s < stretches; s++) {
            const int64_t k0 = s * stretch;
            const bool last = s == stretches - 1;
            t.depth = last ? g->k - k0 : stretch;
            t.a = (const real *)g->a + k0 * g->a_col;
            t.b = (const real *)g->b + col * g->b_col + k0 * g->b_row;
            t.accumulate = g->accumulate || s > 0;
            t.relu = last && g->relu;
            t.bias_m = last ? g->bias_m : NULL;
            t.bias_n = last && g->bias_n ? (const real *)g->bias_n + col : NULL;
            if (along)
                NAME(few_rows_along)(&t);
            else
                NAME(few_rows)(&t);
        }
    }
}

/* ---- A block --------------------------------------------------------------------------------- */

/* Where k is cut: stretches of the same length, but for the last. */
INLINE int64_t NAME(stretch_of)(int64_t k, int64_t max_depth, int64_t *stretches)
{
    *stretches = k > max_depth ? (k + max_depth - 1) / max_depth : 1;
    return (k + *stretches - 1) / *stretches;
}

/* Panels `first` and after of B's rows k0 .. k0 + depth, one after the other at dst. */
static void NAME(pack_stretch)(const struct gemm_block *g, int64_t k0, int64_t depth,
                               int64_t stretch, int64_t first, real *dst)
{
    const real *b = (const real *)g->b + k0 * g->b_row;
    for (int64_t col = first * TILE_COLS; col < g->n; col += TILE_COLS) {
        int64_t nr = g->n - col < TILE_COLS ? g->n - col : TILE_COLS;
        NAME(pack_columns)(b + col * g->b_col, g->b_row, g->b_col, (int)nr, depth, dst);
        dst += stretch * TILE_COLS;
    }
}

static void NAME(pack)(const struct gemm_block *g, void *dst)
{
    int64_t stretches, stretch = NAME(stretch_of)(g->k, g->max_depth, &stretches);
    const int64_t panels = (g->n + TILE_COLS - 1) / TILE_COLS;
    for (int64_t s = 0; s < stretches; s++) {
        const int64_t k0 = s * stretch, depth = g->k - k0 < stretch ? g->k - k0 : stretch;
        NAME(pack_stretch)(g, k0, depth, stretch, 0, (real *)dst + k0 * panels * TILE_COLS);
    }
}

/* A stretch of k of a block: where its A and B begin, and B's panels from first_packed on. */
struct NAME(stretch) {
    const struct gemm_block *g;
    const real *a, *b, *packed_b;
    int64_t panels, first_packed, pitch; /* elements from one packed panel to the next */
    int64_t groups, held;                /* of rows; held: as many as are packed at a time */
    bool last;
};

/* The tile's columns are those of panel p. */
INLINE void NAME(place_panel)(struct gemm_tile *t, const struct NAME(stretch) * s, int64_t p)
{
    const struct gemm_block *g = s->g;
    const int64_t col = p * TILE_COLS;
    const bool packed = p >= s->first_packed;
    t->nr = (int)(g->n - col < TILE_COLS ? g->n - col : TILE_COLS);
    t->b = packed ? s->packed_b + (p - s->first_packed) * s->pitch : s->b + col;
    t->b_step = packed ? TILE_COLS : g->b_row;
    t->bias_n = s->last && g->bias_n ? (const real *)g->bias_n + col : NULL;
}

/* Its rows are those of a group; A lies as it is, or packed at `packed`. */
INLINE void NAME(place_group)(struct gemm_tile *t, const struct NAME(stretch) * s,
                              const struct gemm_group *at, const real *packed)
{
    const struct gemm_block *g = s->g;
    t->mr = (int)(at->end - at->row);
    t->a = packed ? packed : s->a + at->row * g->a_row;
    t->a_row = packed ? 1 : g->a_row;
    t->a_step = packed ? PANEL : g->a_col;
    t->bias_m = s->last && g->bias_m ? (const real *)g->bias_m + at->row : NULL;
}

INLINE void NAME(run_tile)(struct gemm_tile *t, const struct gemm_block *g, int64_t row, int64_t p)
{
    t->c = (real *)g->c + row * g->c_row + p * TILE_COLS * g->c_col;
    NAME(tile)(t);
}

/* Each panel of B stays and the rows of A, which are few, pass: B is read once. */
static void NAME(rows_past_panels)(const struct NAME(stretch) * s, struct gemm_tile *t)
{
    const struct gemm_group first = gemm_first_group(s->g->m, s->groups);
    for (int64_t p = 0; p < s->panels; p++) {
        NAME(place_panel)(t, s, p);
        for (struct gemm_group at = first; at.i < s->groups; gemm_next_group(&at)) {
            NAME(place_group)(t, s, &at, NULL);
            NAME(run_tile)(t, s->g, at.row, p);
        }
    }
}

/* Each group of rows of A stays in the first cache, packed (with those of a few groups more) where
 * that is wanted, and the panels of B pass it from the second. */
static void NAME(panels_past_rows)(const struct NAME(stretch) * s, struct gemm_tile *t)
{
    const struct gemm_block *g = s->g;
    real *packed = NULL;
    int64_t packed_end = 0; /* the first group that was not packed yet */
    for (struct gemm_group at = gemm_first_group(g->m, s->groups); at.i < s->groups;
         gemm_next_group(&at)) {
        if (g->pack_a && at.i == packed_end) {
            packed = g->scratch;
            packed_end = at.i + s->held < s->groups ? at.i + s->held : s->groups;
            NAME(pack_groups)(g, s->a, at, packed_end, t->depth, packed);
        } else if (g->pack_a) {
            packed += t->depth * PANEL;
        }
        NAME(place_group)(t, s, &at, packed);
        for (int64_t p = 0; p < s->panels; p++) {
            NAME(place_panel)(t, s, p);
            NAME(run_tile)(t, g, at.row, p);
        }
    }
}

/* For each stretch of k: packs B where that is wanted (always a last panel that is not full), then
 * runs the tiles. */
static void NAME(block)(const struct gemm_block *g)
{
    int64_t stretches, stretch = NAME(stretch_of)(g->k, g->max_depth, &stretches);
    const bool down = g->b_row == 1 && g->b_col != 1 && g->n > 1;
    if (!g->packed_b && g->m <= GEMM_FEW_ROWS &&
        (down || (g->b_col == 1 && g->n >= 4 * TILE_COLS))) {
        NAME(few_rows_block)(g, stretch, stretches);
        return;
    }
    const bool all_packed = g->packed_b || g->pack_b || g->b_col != 1;
    struct NAME(stretch) at = {.g = g,
                               .panels = (g->n + TILE_COLS - 1) / TILE_COLS,
                               .first_packed = all_packed ? 0 : g->n / TILE_COLS,
                               .pitch = stretch * TILE_COLS,
                               .groups = (g->m + TILE_ROWS - 1) / TILE_ROWS};
    at.held = at.groups < GEMM_PACKED_GROUPS ? at.groups : GEMM_PACKED_GROUPS;
    real *room = (real *)g->scratch + (g->pack_a ? at.held * stretch * PANEL : 0);

    for (int64_t s = 0; s < stretches; s++) {
        const int64_t k0 = s * stretch;
        at.last = s == stretches - 1;
        at.a = (const real *)g->a + k0 * g->a_col;
        at.b = (const real *)g->b + k0 * g->b_row;
        struct gemm_tile t = {.batch = 1,
                              .depth = at.last ? g->k - k0 : stretch,
                              .c_row = g->c_row,
                              .c_col = g->c_col,
                              .accumulate = g->accumulate || s > 0,
                              .relu = at.last && g->relu};
        at.packed_b = room;
        if (g->packed_b)
            at.packed_b = (const real *)g->packed_b + k0 * at.panels * TILE_COLS;
        else
            NAME(pack_stretch)(g, k0, t.depth, stretch, at.first_packed, room);
        if (g->packed_b && !g->pack_a && g->m <= FEW_GROUPS * TILE_ROWS)
            NAME(rows_past_panels)(&at, &t);
        else
            NAME(panels_past_rows)(&at, &t);
    }
}

static const struct gemm_kernels NAME(kernels) = {
    .rows = TILE_ROWS,
    .cols = TILE_COLS,
    .lanes = LANES,
    .panel = PANEL,
    .tile = NAME(tile),
    .block = NAME(block),
    .pack = NAME(pack),
    .transpose = NAME(transpose_any),
    .dot = NAME(dot),
};
