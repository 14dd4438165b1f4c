/* Vectors of one element type, as wide as the instruction set's registers: what the dense kernels
 * are written in.
 *
 * A template: a *.simd.c includes it (through its own template) once with REAL_BITS 32 and once
 * with 64; every name gets the suffix _f32 or _f64. Vector extensions do all but three things, for
 * which each instruction set has its intrinsics: a multiply-add that is surely fused, and the load
 * and store of the first few lanes. Where the processor has no fused multiply-add it is computed
 * (slowly) to the same bits.
 */
#undef real
#undef NAME
#undef LANES
#undef vec
#undef vec_loose

#ifndef VECTOR_BYTES
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/fma.h"
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#include <immintrin.h>
#elif defined(__AVX2__) && defined(__FMA__)
#define VECTOR_BYTES 32
#include <immintrin.h>
#else
#define VECTOR_BYTES 16
#if defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif
#endif
#define INLINE static inline __attribute__((always_inline, unused))
#endif

#define LANES (VECTOR_BYTES * 8 / REAL_BITS)
#if REAL_BITS == 32
#define real    float
#define NAME(x) x##_f32
#else
#define real    double
#define NAME(x) x##_f64
#endif
#define vec       NAME(vec)
#define vec_loose NAME(vec_loose)

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
/* The same in memory, at any element's address. */
typedef real vec_loose
    __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BITS / 8), may_alias));

INLINE vec NAME(load)(const real *p)
{
    return *(const vec_loose *)p;
}

INLINE void NAME(store)(real *p, vec v)
{
    *(vec_loose *)p = v;
}

INLINE vec NAME(splat)(real x)
{
    return x - (vec){0};
}

/* ---- What vector extensions cannot say ------------------------------------------------------- */

#if VECTOR_BYTES == 64 && REAL_BITS == 32
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
INLINE vec NAME(load_first)(const real *p, int count)
{
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
INLINE void NAME(store_first)(real *p, vec v, int count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
}
#elif VECTOR_BYTES == 64
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
INLINE vec NAME(load_first)(const real *p, int count)
{
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), p);
}
INLINE void NAME(store_first)(real *p, vec v, int count)
{
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), (__m512d)v);
}
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
INLINE __m256i NAME(first)(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vec NAME(load_first)(const real *p, int count)
{
    return (vec)_mm256_maskload_ps(p, NAME(first)(count));
}
INLINE void NAME(store_first)(real *p, vec v, int count)
{
    _mm256_maskstore_ps(p, NAME(first)(count), (__m256)v);
}
#elif VECTOR_BYTES == 32
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
INLINE __m256i NAME(first)(int count)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
INLINE vec NAME(load_first)(const real *p, int count)
{
    return (vec)_mm256_maskload_pd(p, NAME(first)(count));
}
INLINE void NAME(store_first)(real *p, vec v, int count)
{
    _mm256_maskstore_pd(p, NAME(first)(count), (__m256d)v);
}
#else
#if defined(__aarch64__) && REAL_BITS == 32
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
#elif defined(__aarch64__)
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#elif REAL_BITS == 32 && defined(__SSE2__)
/* Through double as in core/fma.h, but with plain rounding there: rounding twice is wrong only
 * where the sum in double is halfway between two floats. Among normal floats that shows in its low
 * 29 bits; subnormal results, and the least normal one, all go the long way. A sum that becomes 0
 * is exact: unless c is 0, the product is at least 2^-150 and hence a multiple of 2^-197. */
static __attribute__((noinline, cold)) vec NAME(fma_slow)(vec a, vec b, vec c)
{
    for (int i = 0; i < LANES; i++)
        c[i] = fma_float(a[i], b[i], c[i]);
    return c;
}
INLINE __m128d NAME(fma_wide)(__m128 a, __m128 b, __m128 c)
{
    return _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), _mm_cvtps_pd(c));
}
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    __m128d low = NAME(fma_wide)(a, b, c);
    __m128d high = NAME(fma_wide)(_mm_movehl_ps(a, a), _mm_movehl_ps(b, b), _mm_movehl_ps(c, c));
    __m128 r = _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
    __m128i tails = (__m128i)_mm_shuffle_ps((__m128)low, (__m128)high, _MM_SHUFFLE(2, 0, 2, 0));
    __m128i halfway = _mm_cmpeq_epi32(_mm_and_si128(tails, _mm_set1_epi32(0x1fffffff)),
                                      _mm_set1_epi32(0x10000000));
    /* 0 < |r| <= 2^-126: without its sign bit and less one, below 2^24 as an unsigned number. */
    __m128i size = _mm_add_epi32(_mm_slli_epi32((__m128i)r, 1), _mm_set1_epi32(INT32_MAX));
    __m128i tiny = _mm_cmplt_epi32(size, _mm_set1_epi32(INT32_MIN + (1 << 24)));
    if (__builtin_expect(_mm_movemask_epi8(_mm_or_si128(halfway, tiny)) != 0, 0))
        return NAME(fma_slow)(a, b, c);
    return (vec)r;
}
#elif REAL_BITS == 32
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    for (int i = 0; i < LANES; i++)
        c[i] = fma_float(a[i], b[i], c[i]);
    return c;
}
#else
INLINE vec NAME(fma)(vec a, vec b, vec c)
{
    for (int i = 0; i < LANES; i++)
        c[i] = fma(a[i], b[i], c[i]);
    return c;
}
#endif
INLINE vec NAME(load_first)(const real *p, int count)
{
    vec v = {0};
    for (int i = 0; i < LANES; i++)
        if (i < count)
            v[i] = p[i];
    return v;
}
INLINE void NAME(store_first)(real *p, vec v, int count)
{
    for (int i = 0; i < LANES; i++)
        if (i < count)
            p[i] = v[i];
}
#endif

/* Where parts of vectors cost no more than whole ones, these are the same as load_first and
 * store_first; elsewhere count is LANES. */
#define CHEAP_PARTS (VECTOR_BYTES == 64)

INLINE vec NAME(load_part)(const real *p, int count)
{
    return CHEAP_PARTS ? NAME(load_first)(p, count) : NAME(load)(p);
}

INLINE void NAME(store_part)(real *p, vec v, int count)
{
    if (CHEAP_PARTS)
        NAME(store_first)(p, v, count);
    else
        NAME(store)(p, v);
}

/* ---- Transposition --------------------------------------------------------------------------- */

/* a0 b0 a1 b1 ... of the lower halves, and of the upper halves; the elements at even places. */
#if LANES == 16
#define INTERLEAVE_LOW(a, b)                                                                       \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(a, b)                                                                      \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVEN(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#elif LANES == 8
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN(a, b)            __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#elif LANES == 4
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVEN(a, b)            __builtin_shufflevector(a, b, 0, 2, 4, 6)
#else
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 2)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#define EVEN(a, b)            __builtin_shufflevector(a, b, 0, 2)
#endif

/* The elements at even places of a and then b. */
INLINE vec NAME(even)(vec a, vec b)
{
    return EVEN(a, b);
}

#if VECTOR_BYTES == 32 && REAL_BITS == 32
/* Turns LANES rows into LANES columns: within the halves of vectors by ones and by twos, which costs
 * these processors least, then halves against halves. */
INLINE void NAME(transpose)(vec v[LANES])
{
    vec one[LANES], two[LANES];
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += 2) {
        one[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        one[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < LANES; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const vec a = one[i + j], b = one[i + j + 2];
            two[i + 2 * j] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
            two[i + 2 * j + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
        }
#pragma GCC unroll 4
    for (int i = 0; i < LANES / 2; i++) {
        const vec a = two[i], b = two[i + LANES / 2];
        v[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
        v[i + LANES / 2] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    }
}
#elif VECTOR_BYTES == 32
INLINE void NAME(transpose)(vec v[LANES])
{
    vec one[LANES];
#pragma GCC unroll 2
    for (int i = 0; i < LANES; i += 2) {
        one[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 4, 2, 6);
        one[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 1, 5, 3, 7);
    }
#pragma GCC unroll 2
    for (int i = 0; i < LANES / 2; i++) {
        const vec a = one[i], b = one[i + LANES / 2];
        v[i] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
        v[i + LANES / 2] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    }
}
#else
/* Turns LANES rows into LANES columns. A round interleaves row i with row i + LANES/2, which
 * rotates the bits of an element's index (row, lane) by one place; log2(LANES) rounds exchange row
 * and lane. */
INLINE void NAME(transpose)(vec v[LANES])
{
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
        vec t[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = INTERLEAVE_LOW(v[i], v[i + LANES / 2]);
            t[2 * i + 1] = INTERLEAVE_HIGH(v[i], v[i + LANES / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            v[i] = t[i];
    }
}
#endif

/* A block of transpose_copy that is not whole: height rows of width elements, neither more than
 * LANES. `exact` as there. */
static __attribute__((unused, noinline)) void NAME(transpose_edge)(const real *src, int64_t src_row,
                                                                   int height, int width, real *dst,
                                                                   int64_t dst_row, int exact)
{
    vec v[LANES];
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++)
        v[r] = NAME(load_first)(src + (r < height ? r : 0) * src_row, width);
    NAME(transpose)(v);
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++) {
        if (r >= width)
            break;
        if (exact && height < LANES)
            NAME(store_first)(dst + r * dst_row, v[r], height);
        else
            NAME(store)(dst + r * dst_row, v[r]);
    }
}

/* dst[j * dst_row + i] = src[i * src_row + j] for i < rows, j < cols: rows of src become columns.
 * Unless `exact`, dst rows are written in whole vectors; what stands in them past `rows` is some
 * element of src. */
static __attribute__((unused)) void NAME(transpose_copy)(const real *src, int64_t src_row,
                                                         int64_t rows, int64_t cols, real *dst,
                                                         int64_t dst_row, int exact)
{
    for (int64_t i = 0; i < rows; i += LANES) {
        const int height = rows - i < LANES ? (int)(rows - i) : LANES;
        for (int64_t j = 0; j < cols; j += LANES) {
            const int width = cols - j < LANES ? (int)(cols - j) : LANES;
            const real *s = src + i * src_row + j;
            real *d = dst + j * dst_row + i;
            if (height < LANES || width < LANES) {
                NAME(transpose_edge)(s, src_row, height, width, d, dst_row, exact);
                continue;
            }
            vec v[LANES];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++, s += src_row)
                v[r] = NAME(load)(s);
            NAME(transpose)(v);
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++, d += dst_row)
                NAME(store)(d, v[r]);
        }
    }
}

#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH
#undef EVEN
