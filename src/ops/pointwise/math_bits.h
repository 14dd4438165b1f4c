/* What the mathematical functions are built of: bit casts, fused multiply-add, rounding, selects.
 *
 * Everything here is exact or correctly rounded, so that a function made of it, of + - * / and of
 * sqrt has the same bits on every instruction set. Nothing branches: a loop around any of it
 * vectorises. Values that a lane does not need are computed and dropped, which is why no expression
 * may depend on traps or on errno.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_BITS_H
#define FLAMBEAU_POINTWISE_MATH_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/fma.h"

#define M_INLINE static inline __attribute__((always_inline, unused))
#define M_CALL   static __attribute__((noinline, unused)) /* long, and no loop would vectorise */

/* The float version of a function that is the double one rounded; of one and of two arguments. (Where
 * a GPU is given a function, it is written out: gpu_text.c takes texts apart by functions.) */
#define M_ROUNDED(name)                                                                            \
    M_INLINE float m_##name##_f32(float x)                                                         \
    {                                                                                              \
        return (float)m_##name##_f64((double)x);                                                   \
    }
#define M_ROUNDED_2(name)                                                                          \
    M_INLINE float m_##name##_f32(float x, float y)                                                \
    {                                                                                              \
        return (float)m_##name##_f64((double)x, (double)y);                                        \
    }

/* Tables of constants, and what points at them; a GPU's compiler has memory of its own for them. */
#ifndef M_TABLE
#define M_TABLE    const
#define M_CONSTANT const
#endif

#define M_INF_F32 __builtin_inff()
#define M_INF_F64 __builtin_inf()
#define M_NAN_F32 __builtin_nanf("")
#define M_NAN_F64 __builtin_nan("")

/* Adding one of these to a small number rounds it to an integer (half to even), which then lies
 * in the low bits. */
#define M_MAGIC_F32 0x1.8p23f
#define M_MAGIC_F64 0x1.8p52

M_INLINE uint32_t m_bits_f32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

M_INLINE uint64_t m_bits_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

M_INLINE float m_from_bits_f32(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

M_INLINE double m_from_bits_f64(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* a*b + c with one rounding. */
M_INLINE float m_fma_f32(float a, float b, float c)
{
    return fma_float(a, b, c);
}

M_INLINE double m_fma_f64(double a, double b, double c)
{
    return __builtin_fma(a, b, c);
}

/* The polynomial in t of so many coefficients, the highest first. */
M_INLINE double m_polynomial_f64(const double *coefficients, int terms, double t)
{
    double p = coefficients[0];
    for (int i = 1; i < terms; i++)
        p = m_fma_f64(p, t, coefficients[i]);
    return p;
}

M_INLINE float m_abs_f32(float x)
{
    return __builtin_fabsf(x);
}

M_INLINE double m_abs_f64(double x)
{
    return __builtin_fabs(x);
}

/* |x|, and `most` where that is more or NaN: as integers, which compilers do not take for a branch. */
M_INLINE float m_cap_f32(float x, float most)
{
    uint32_t u = m_bits_f32(m_abs_f32(x)), top = m_bits_f32(most);
    return m_from_bits_f32(u < top ? u : top);
}

M_INLINE float m_copysign_f32(float x, float y)
{
    return __builtin_copysignf(x, y);
}

M_INLINE double m_copysign_f64(double x, double y)
{
    return __builtin_copysign(x, y);
}

M_INLINE float m_sqrt_f32(float x)
{
    return __builtin_sqrtf(x);
}

M_INLINE double m_sqrt_f64(double x)
{
    return __builtin_sqrt(x);
}

/* 2^k for k in [-126, 127] and [-1022, 1023]. */
M_INLINE float m_exp2i_f32(uint32_t k)
{
    return m_from_bits_f32((k + 127) << 23);
}

M_INLINE double m_exp2i_f64(uint64_t k)
{
    return m_from_bits_f64((k + 1023) << 52);
}

/* x * 2^k, one rounding, for k in [-252, 254] and [-2044, 2046], |x| in [0.5, 2): the power is
 * applied in two halves, of which the first is exact. k is the two's complement of a signed
 * number. */
M_INLINE float m_scale_f32(float x, uint32_t k)
{
    uint32_t half = ((k + 256) >> 1) - 128;
    return x * m_exp2i_f32(half) * m_exp2i_f32(k - half);
}

M_INLINE double m_scale_f64(double x, uint64_t k)
{
    uint64_t half = ((k + 4096) >> 1) - 2048;
    return x * m_exp2i_f64(half) * m_exp2i_f64(k - half);
}

/* A signed integer of small magnitude, held as two's complement, as a floating number. */
M_INLINE float m_from_int_f32(uint32_t k)
{
    return (float)(int32_t)k;
}

M_INLINE double m_from_int_f64(uint64_t k)
{
    return m_from_bits_f64(k + m_bits_f64(M_MAGIC_F64)) - M_MAGIC_F64;
}

/* And back: a number that is an integer of small magnitude, or is rounded to one. */
M_INLINE uint64_t m_low_bits_f64(double x)
{
    return m_bits_f64(x + M_MAGIC_F64) - m_bits_f64(M_MAGIC_F64);
}

/* Rounding to integers. SSE2 has no instruction for it and libm calls do not vectorise, hence
 * the second form: adding and taking away 2^23 (2^52) rounds half to even, and larger numbers
 * are integers already. */
#if defined(__SSE4_1__) || defined(__aarch64__)
M_INLINE float m_round_f32(float x)
{
    return __builtin_rintf(x);
}
M_INLINE float m_floor_f32(float x)
{
    return __builtin_floorf(x);
}
M_INLINE float m_ceil_f32(float x)
{
    return __builtin_ceilf(x);
}
M_INLINE float m_trunc_f32(float x)
{
    return __builtin_truncf(x);
}
M_INLINE double m_round_f64(double x)
{
    return __builtin_rint(x);
}
M_INLINE double m_floor_f64(double x)
{
    return __builtin_floor(x);
}
M_INLINE double m_ceil_f64(double x)
{
    return __builtin_ceil(x);
}
M_INLINE double m_trunc_f64(double x)
{
    return __builtin_trunc(x);
}
#else
M_INLINE float m_round_f32(float x)
{
    float a = m_abs_f32(x);
    float r = a < 0x1p23f ? (a + 0x1p23f) - 0x1p23f : a;
    return x != x ? x : m_copysign_f32(r, x);
}

M_INLINE float m_floor_f32(float x)
{
    float r = m_round_f32(x);
    return m_copysign_f32(r > x ? r - 1 : r, x);
}

M_INLINE float m_ceil_f32(float x)
{
    float r = m_round_f32(x);
    return m_copysign_f32(r < x ? r + 1 : r, x);
}

M_INLINE float m_trunc_f32(float x)
{
    return m_copysign_f32(m_floor_f32(m_abs_f32(x)), x);
}

M_INLINE double m_round_f64(double x)
{
    double a = m_abs_f64(x);
    double r = a < 0x1p52 ? (a + 0x1p52) - 0x1p52 : a;
    return x != x ? x : m_copysign_f64(r, x);
}

M_INLINE double m_floor_f64(double x)
{
    double r = m_round_f64(x);
    return m_copysign_f64(r > x ? r - 1 : r, x);
}

M_INLINE double m_ceil_f64(double x)
{
    double r = m_round_f64(x);
    return m_copysign_f64(r < x ? r + 1 : r, x);
}

M_INLINE double m_trunc_f64(double x)
{
    return m_copysign_f64(m_floor_f64(m_abs_f64(x)), x);
}
#endif

#endif
