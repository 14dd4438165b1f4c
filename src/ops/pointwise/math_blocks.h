/* What of math.h goes by blocks: a vector at a time, with instructions that a loop does not get.
 *
 * erfinv of floats looks its polynomials up in rows of 16 numbers, which a vector register or two
 * hold: a shuffle is a lookup in each lane, where compilers gather from memory lane by lane. The
 * bits are those of m_erfinv_inner_f32.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_BLOCKS_H
#define FLAMBEAU_POINTWISE_MATH_BLOCKS_H

#include <assert.h>

#include "math.h"

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

/* Elements of a block; of numbers spread evenly over (-1, 1), most blocks have an outer one. */
enum { M_INNER_BLOCK = 128 };

/* Whether m_erfinv_inner_f32 serves them all: |x| is below 1 - 2^-8, and 0 or not tiny. Of 0 - 1 is
 * the most, as an unsigned number. most, least: of the bits of |x|, and of those less 1. */
static inline bool m_erfinv_all_inner(uint32_t most, uint32_t least)
{
    return most < m_bits_f32(M_ERFINV_INNER) && least >= m_bits_f32(M_ERFINV_TINY) - 1;
}

#if defined(__AVX512F__)
#define BLOCK_LANES 16
typedef __m512 block_f32;
typedef __m512i block_i32;
#define BLOCK(name)      _mm512_##name
#define BLOCK_BITS(name) _mm512_##name##_si512

static inline block_f32 block_lookup(const float *row, block_i32 i)
{
    return _mm512_permutexvar_ps(i, _mm512_loadu_ps(row));
}
#elif defined(__AVX2__) && defined(__FMA__)
#define BLOCK_LANES      8
typedef __m256 block_f32;
typedef __m256i block_i32;
#define BLOCK(name)      _mm256_##name
#define BLOCK_BITS(name) _mm256_##name##_si256

/* The lowest three bits of i choose in each half of the row, the fourth one the half. */
static inline block_f32 block_lookup(const float *row, block_i32 i)
{
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(row), i),
                            _mm256_permutevar8x32_ps(_mm256_loadu_ps(row + 8), i),
                            _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
}
#endif

#if defined(BLOCK_LANES)
/* BLOCK_LANES numbers, whose bits join the most and the least ones of each lane. */
static inline __attribute__((always_inline)) void m_erfinv_lanes(const float *x, float *y,
                                                                 block_i32 *most, block_i32 *least)
{
    const block_f32 v = BLOCK(loadu_ps)(x);
    const block_i32 u = BLOCK_BITS (and)((block_i32)v, BLOCK(set1_epi32)(0x7fffffff));
    *most = BLOCK(max_epu32)(*most, u);
    *least = BLOCK(min_epu32)(*least, BLOCK(sub_epi32)(u, BLOCK(set1_epi32)(1)));
    const block_f32 a = (block_f32)u;
    const block_f32 d = BLOCK(sub_ps)(BLOCK(set1_ps)(M_ERFINV_BELOW_1), a);
    const block_i32 i = BLOCK(srli_epi32)((block_i32)d, M_ERFINV_SHIFT);
    const block_f32 r = BLOCK(sub_ps)(block_lookup(m_erfinv_table[0], i), a);
    block_f32 p = block_lookup(m_erfinv_table[9], i);
    for (int k = 8; k >= 2; k--)
        p = BLOCK(fmadd_ps)(p, r, block_lookup(m_erfinv_table[k], i));
    p = BLOCK(fmadd_ps)(v, block_lookup(m_erfinv_table[1], i), BLOCK(mul_ps)(v, p));
    BLOCK(storeu_ps)(y, p);
}
#endif

/* y[i] = m_erfinv_inner_f32(x[i]) for at most M_INNER_BLOCK elements. Whether that is erfinv of all. */
static inline __attribute__((unused)) bool m_erfinv_inner_block_f32(const float *x, float *y,
                                                                    int64_t n)
{
    assert(n > 0 && n <= M_INNER_BLOCK);
    uint32_t most = 0, least = UINT32_MAX;
#if defined(BLOCK_LANES)
    enum { LANES = BLOCK_LANES };
    block_i32 lanes_most = BLOCK_BITS(setzero)(), lanes_least = BLOCK(set1_epi32)(-1);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        m_erfinv_lanes(x + i, y + i, &lanes_most, &lanes_least);
    if (i < n) {
        float rest[LANES] = {0};
        memcpy(rest, x + i, (size_t)(n - i) * sizeof *x);
        m_erfinv_lanes(rest, rest, &lanes_most, &lanes_least);
        memcpy(y + i, rest, (size_t)(n - i) * sizeof *x);
    }
    uint32_t each[2][LANES];
    memcpy(each[0], &lanes_most, sizeof each[0]);
    memcpy(each[1], &lanes_least, sizeof each[1]);
    for (int k = 0; k < LANES; k++) {
        most = each[0][k] > most ? each[0][k] : most;
        least = each[1][k] < least ? each[1][k] : least;
    }
#else
    for (int64_t i = 0; i < n; i++) {
        const uint32_t u = m_bits_f32(x[i]) & 0x7fffffff;
        most = u > most ? u : most;
        least = u - 1 < least ? u - 1 : least;
        y[i] = m_erfinv_inner_f32(x[i]);
    }
#endif
    return m_erfinv_all_inner(most, least);
}

#endif
