/* The dense building block for each instruction set: gemm_tile.h in float32 and float64, and half
 * precision's way in and out. */
#include "ops/matmul/gemm.h"

#include "core/half.h"

/* Rows of a tile: as many as leave room among the registers for a row of B. */
#if defined(__AVX512F__)
#define TILE_ROWS 14
#elif defined(__AVX2__)
#define TILE_ROWS 6
#elif defined(__aarch64__)
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif

#define REAL_BITS 32
#include "ops/matmul/gemm_tile.h"
#undef REAL_BITS
#define REAL_BITS 64
#include "ops/matmul/gemm_tile.h"

/* ---- Integers -------------------------------------------------------------------------------- */

/* Sums wrap around, so signed types are computed as the unsigned ones of their size. RUN columns'
 * sums stay in registers while the rows of B pass; where B's columns are no neighbours, one sum at
 * a time. */
enum { RUN = 32 };

#define INTEGER_ROWS(name, type, wide)                                                             \
    static void name(const struct gemm *g, int64_t begin, int64_t end)                             \
    {                                                                                              \
        for (int64_t i = begin; i < end; i++) {                                                    \
            const type *a = (const type *)g->a + i * g->a_row;                                     \
            type *c = (type *)g->c + i * g->c_row;                                                 \
            int64_t j = 0;                                                                         \
            for (; j + RUN <= g->n && g->b_col == 1; j += RUN) {                                   \
                type sums[RUN] = {0};                                                              \
                const type *b = (const type *)g->b + j;                                            \
                for (int64_t k = 0; k < g->k; k++, b += g->b_row) {                                \
                    const wide x = a[k * g->a_col];                                                \
                    for (int t = 0; t < RUN; t++)                                                  \
                        sums[t] = (type)(sums[t] + x * b[t]);                                      \
                }                                                                                  \
                for (int t = 0; t < RUN; t++)                                                      \
                    c[(j + t) * g->c_col] =                                                        \
                        (type)(sums[t] + (g->accumulate ? c[(j + t) * g->c_col] : 0));             \
            }                                                                                      \
            for (; j < g->n; j++) {                                                                \
                const type *b = (const type *)g->b + j * g->b_col;                                 \
                wide sum = g->accumulate ? c[j * g->c_col] : 0;                                    \
                for (int64_t k = 0; k < g->k; k++)                                                 \
                    sum += (wide)a[k * g->a_col] * b[k * g->b_row];                                \
                c[j * g->c_col] = (type)sum;                                                       \
            }                                                                                      \
        }                                                                                          \
    }

INTEGER_ROWS(rows_8, uint8_t, uint32_t)
INTEGER_ROWS(rows_16, uint16_t, uint32_t)
INTEGER_ROWS(rows_32, uint32_t, uint32_t)
INTEGER_ROWS(rows_64, uint64_t, uint64_t)

/* ---- Half precision -------------------------------------------------------------------------- */

static void widen(const uint16_t *src, float *dst, int64_t count, bool bfloat)
{
    if (bfloat)
        for (int64_t i = 0; i < count; i++)
            dst[i] = bf16_to_float(src[i]);
    else
        for (int64_t i = 0; i < count; i++)
            dst[i] = half_to_float(src[i]);
}

static void narrow(const float *src, uint16_t *dst, int64_t count, bool bfloat)
{
    if (bfloat)
        for (int64_t i = 0; i < count; i++)
            dst[i] = float_to_bf16(src[i]);
    else
        for (int64_t i = 0; i < count; i++)
            dst[i] = float_to_half(src[i]);
}

const struct gemm_table FL_SIMD(gemm_table) = {.f32 = &kernels_f32,
                                               .f64 = &kernels_f64,
                                               .widen = widen,
                                               .narrow = narrow,
                                               .integers = {rows_8, rows_16, rows_32, rows_64}};
