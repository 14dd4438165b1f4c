/* Exponentials and what is made of them: exp, exp2, expm1, tanh, sinh, cosh, sigmoid.
 *
 * x = k ln2 + r with k an integer and |r| <= ln2/2: then e^x = 2^k e^r, where e^r - 1 is a
 * polynomial. ln2 is held in two parts, so that r has no error worth the name. Coefficients are
 * minimax fits made for this file.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_EXP_H
#define FLAMBEAU_POINTWISE_MATH_EXP_H

#include "math_bits.h"

/* e^r - 1 for |r| <= 0.347. */
M_INLINE float m_expm1_kernel_f32(float r)
{
    float q = m_fma_f32(0x1.9c7d46p-13f, r, 0x1.6d3876p-10f);
    q = m_fma_f32(q, r, 0x1.1113c6p-7f);
    q = m_fma_f32(q, r, 0x1.5554f8p-5f);
    q = m_fma_f32(q, r, 0x1.555554p-3f);
    q = m_fma_f32(q, r, 0.5f);
    return m_fma_f32(r * r, q, r);
}

M_INLINE double m_expm1_kernel_f64(double r)
{
    double q = m_fma_f64(0x1.785ab53a8eed2p-33, r, 0x1.1f616e4db8aa9p-29);
    q = m_fma_f64(q, r, 0x1.ae530af1bbc53p-26);
    q = m_fma_f64(q, r, 0x1.27e4e5370095bp-22);
    q = m_fma_f64(q, r, 0x1.71de3f34204afp-19);
    q = m_fma_f64(q, r, 0x1.a01a01a31cbc3p-16);
    q = m_fma_f64(q, r, 0x1.a01a019ed9071p-13);
    q = m_fma_f64(q, r, 0x1.6c16c16c16b9bp-10);
    q = m_fma_f64(q, r, 0x1.1111111111355p-7);
    q = m_fma_f64(q, r, 0x1.5555555555555p-5);
    q = m_fma_f64(q, r, 0x1.5555555555555p-3);
    q = m_fma_f64(q, r, 0.5);
    return m_fma_f64(r * r, q, r);
}

/* r and k of x; |x| must be small enough for k to fit its magic number (22 bits, 51 bits). */
M_INLINE float m_exp_reduce_f32(float x, uint32_t *k)
{
    float z = m_fma_f32(x, 0x1.715476p+0f, M_MAGIC_F32);
    float n = z - M_MAGIC_F32;
    *k = m_bits_f32(z) - m_bits_f32(M_MAGIC_F32);
    return m_fma_f32(n, 0x1.05c61p-29f, m_fma_f32(n, -0x1.62e43p-1f, x));
}

M_INLINE double m_exp_reduce_f64(double x, uint64_t *k)
{
    double z = m_fma_f64(x, 0x1.71547652b82fep+0, M_MAGIC_F64);
    double n = z - M_MAGIC_F64;
    *k = m_bits_f64(z) - m_bits_f64(M_MAGIC_F64);
    return m_fma_f64(n, -0x1.abc9e3b39803fp-56, m_fma_f64(n, -0x1.62e42fefa39efp-1, x));
}

/* exp: 1.0 ULP. The clamps lie beyond overflow and beyond the smallest subnormal, and let NaN
 * through; m_exp_clamped_* leaves them to its caller. Both ask x itself, since of a clamp of a clamp
 * GCC makes seven instructions. */
M_INLINE float m_exp_clamped_f32(float x)
{
    uint32_t k;
    float r = m_exp_reduce_f32(x, &k);
    float q = m_fma_f32(0x1.6a336cp-10f, r, 0x1.123996p-7f);
    q = m_fma_f32(q, r, 0x1.5558c2p-5f);
    q = m_fma_f32(q, r, 0x1.555492p-3f);
    q = m_fma_f32(q, r, 0x1.fffffcp-2f);
    return m_scale_f32(m_fma_f32(r * r, q, r) + 1.0f, k);
}

M_INLINE double m_exp_clamped_f64(double x)
{
    uint64_t k;
    double r = m_exp_reduce_f64(x, &k);
    return m_scale_f64(m_expm1_kernel_f64(r) + 1.0, k);
}

M_INLINE float m_exp_f32(float x)
{
    float c = 89.0f < x ? 89.0f : x;
    c = -104.0f > x ? -104.0f : c;
    return m_exp_clamped_f32(c);
}

M_INLINE double m_exp_f64(double x)
{
    double c = 710.0 < x ? 710.0 : x;
    c = -746.0 > x ? -746.0 : c;
    return m_exp_clamped_f64(c);
}

/* e^(x + lo) / 2^k and k, for |x| <= 150 (1500) and a small correction lo of at most |x| 2^-24
 * (2^-53). Where more factors follow, m_scale_* comes after them, so that only one rounding
 * meets a subnormal. */
M_INLINE float m_exp_parts_f32(float x, float lo, uint32_t *k)
{
    float r = m_exp_reduce_f32(x, k) + lo;
    return m_expm1_kernel_f32(r) + 1.0f;
}

M_INLINE double m_exp_parts_f64(double x, double lo, uint64_t *k)
{
    double r = m_exp_reduce_f64(x, k) + lo;
    return m_expm1_kernel_f64(r) + 1.0;
}

/* exp2: 0.9 ULP. 2^r = 1 + r ln2 + r^2 q(r), ln2 in two parts. */
M_INLINE float m_exp2_f32(float x)
{
    x = 129.0f < x ? 129.0f : x;
    x = -151.0f > x ? -151.0f : x;
    float z = x + M_MAGIC_F32;
    uint32_t k = m_bits_f32(z) - m_bits_f32(M_MAGIC_F32);
    float r = x - (z - M_MAGIC_F32);
    float q = m_fma_f32(0x1.41602p-13f, r, 0x1.5f02fep-10f);
    q = m_fma_f32(q, r, 0x1.3b2deap-7f);
    q = m_fma_f32(q, r, 0x1.c6af8ap-5f);
    q = m_fma_f32(q, r, 0x1.ebfbdcp-3f);
    q = m_fma_f32(q, r, -0x1.05c61p-29f);
    return m_scale_f32(m_fma_f32(r, 0x1.62e43p-1f, r * q) + 1.0f, k);
}

/* 2^(k + r) for |r| <= 1/2, the integer k within m_scale_f64's range. */
M_INLINE double m_exp2_kernel_f64(double r, uint64_t k)
{
    double q = m_fma_f64(0x1.c0a305e9e81eap-36, r, 0x1.e9e650bd1cb71p-32);
    q = m_fma_f64(q, r, 0x1.e4d2240d80e02p-28);
    q = m_fma_f64(q, r, 0x1.b524f038ebabfp-24);
    q = m_fma_f64(q, r, 0x1.62c0215da8d3ep-20);
    q = m_fma_f64(q, r, 0x1.ffcbfc6b3906dp-17);
    q = m_fma_f64(q, r, 0x1.430912f8a9b22p-13);
    q = m_fma_f64(q, r, 0x1.5d87fe78a48dap-10);
    q = m_fma_f64(q, r, 0x1.3b2ab6fba4d81p-7);
    q = m_fma_f64(q, r, 0x1.c6b08d704a0c3p-5);
    q = m_fma_f64(q, r, 0x1.ebfbdff82c58fp-3);
    q = m_fma_f64(q, r, 0x1.abc9e3b39803fp-56);
    return m_scale_f64(m_fma_f64(r, 0x1.62e42fefa39efp-1, r * q) + 1.0, k);
}

M_INLINE double m_exp2_f64(double x)
{
    x = 1025.0 < x ? 1025.0 : x;
    x = -1076.0 > x ? -1076.0 : x;
    double z = x + M_MAGIC_F64;
    uint64_t k = m_bits_f64(z) - m_bits_f64(M_MAGIC_F64);
    return m_exp2_kernel_f64(x - (z - M_MAGIC_F64), k);
}

/* expm1: 1.5 ULP in float, 1.9 in double. 2^k (e^r - 1) + (2^k - 1), where the last is exact as
 * long as it matters. 2^k is applied as 2^(k-1) and 2, because 2^128 (2^1024) is not a number.
 * Below -18 (-38) the result is -1. */
M_INLINE float m_expm1_f32(float x)
{
    float c = 89.0f < x ? 89.0f : x;
    c = -18.0f > c ? -18.0f : c;
    uint32_t k;
    float r = m_exp_reduce_f32(c, &k);
    float half = m_exp2i_f32(k - 1);
    float y = m_fma_f32(half, m_expm1_kernel_f32(r), half - 0.5f) * 2.0f;
    return m_copysign_f32(y, x);
}

M_INLINE double m_expm1_f64(double x)
{
    double c = 710.0 < x ? 710.0 : x;
    c = -38.0 > c ? -38.0 : c;
    uint64_t k;
    double r = m_exp_reduce_f64(c, &k);
    double half = m_exp2i_f64(k - 1);
    double y = m_fma_f64(half, m_expm1_kernel_f64(r), half - 0.5) * 2.0;
    return m_copysign_f64(y, x);
}

/* e^x - 1 for 0 <= x <= 80, without the care for signs and overflow. */
M_INLINE float m_expm1_positive_f32(float x)
{
    uint32_t k;
    float r = m_exp_reduce_f32(x, &k);
    float s = m_exp2i_f32(k);
    return m_fma_f32(s, m_expm1_kernel_f32(r), s - 1.0f);
}

M_INLINE double m_expm1_positive_f64(double x)
{
    uint64_t k;
    double r = m_exp_reduce_f64(x, &k);
    double s = m_exp2i_f64(k);
    return m_fma_f64(s, m_expm1_kernel_f64(r), s - 1.0);
}

/* n / (one + e) for e <= one or one = 2, where the sum has been rounded: the quotient is put
 * right for that and for its own rounding. */
M_INLINE float m_over_sum_f32(float n, float one, float e)
{
    float d = one + e;
    float lost = e - (d - one);
    float inverse = 1.0f / d;
    float q = n * inverse;
    return m_fma_f32(m_fma_f32(-q, lost, m_fma_f32(-q, d, n)), inverse, q);
}

M_INLINE double m_over_sum_f64(double n, double one, double e)
{
    double d = one + e;
    double lost = e - (d - one);
    double inverse = 1.0 / d;
    double q = n * inverse;
    return m_fma_f64(m_fma_f64(-q, lost, m_fma_f64(-q, d, n)), inverse, q);
}

/* tanh: 1.6 ULP in float, 2 in double. With t = e^(2|x|) - 1: t / (2 + t) while small, 1 - 2 /
 * (2 + t) beyond, by one division. */
M_INLINE float m_tanh_f32(float x)
{
    float a = m_abs_f32(x);
    a = 10.0f < a ? 10.0f : a;
    float t = m_expm1_positive_f32(a + a);
    float q = m_over_sum_f32(a > 0.5f ? 2.0f : t, 2.0f, t);
    return m_copysign_f32(a > 0.5f ? 1.0f - q : q, x);
}

M_INLINE double m_tanh_f64(double x)
{
    double a = m_abs_f64(x);
    a = 20.0 < a ? 20.0 : a;
    double t = m_expm1_positive_f64(a + a);
    double q = m_over_sum_f64(a > 0.5 ? 2.0 : t, 2.0, t);
    return m_copysign_f64(a > 0.5 ? 1.0 - q : q, x);
}

/* e^a / 2 for a >= 0: the halving is folded into the exponent, so that it overflows when the
 * half does. */
M_INLINE float m_half_exp_f32(float a)
{
    a = 90.0f < a ? 90.0f : a;
    uint32_t k;
    float r = m_exp_reduce_f32(a, &k);
    return m_scale_f32(m_expm1_kernel_f32(r) + 1.0f, k - 1);
}

M_INLINE double m_half_exp_f64(double a)
{
    a = 711.0 < a ? 711.0 : a;
    uint64_t k;
    double r = m_exp_reduce_f64(a, &k);
    return m_scale_f64(m_expm1_kernel_f64(r) + 1.0, k - 1);
}

/* sinh: 1.8 ULP. Below 1 an odd polynomial, beyond (e^|x| - e^-|x|) / 2. */
M_INLINE float m_sinh_f32(float x)
{
    float u = x * x;
    float s = m_fma_f32(0x1.75f048p-19f, u, 0x1.a01fc4p-13f);
    s = m_fma_f32(s, u, 0x1.1110e4p-7f);
    s = m_fma_f32(s, u, 0x1.555556p-3f);
    float half = m_half_exp_f32(m_abs_f32(x));
    float near = m_fma_f32(x * u, s, x);
    return m_abs_f32(x) < 1.0f ? near : m_copysign_f32(half - 0.25f / half, x);
}

M_INLINE double m_sinh_f64(double x)
{
    double u = x * x;
    double s = m_fma_f64(0x1.b5bae7bddc60dp-41, u, 0x1.61171e54369b3p-33);
    s = m_fma_f64(s, u, 0x1.ae646f9564671p-26);
    s = m_fma_f64(s, u, 0x1.71de3a3b6c2fcp-19);
    s = m_fma_f64(s, u, 0x1.a01a01a036c5ap-13);
    s = m_fma_f64(s, u, 0x1.111111111102p-7);
    s = m_fma_f64(s, u, 0x1.5555555555556p-3);
    double half = m_half_exp_f64(m_abs_f64(x));
    double near = m_fma_f64(x * u, s, x);
    return m_abs_f64(x) < 1.0 ? near : m_copysign_f64(half - 0.25 / half, x);
}

/* cosh: 1.6 ULP. (e^|x| + e^-|x|) / 2. */
M_INLINE float m_cosh_f32(float x)
{
    float half = m_half_exp_f32(m_abs_f32(x));
    return half + 0.25f / half;
}

M_INLINE double m_cosh_f64(double x)
{
    double half = m_half_exp_f64(m_abs_f64(x));
    return half + 0.25 / half;
}

/* sigmoid, 1 / (1 + e^-x): 1.6 ULP. By e^-|x|, which cannot overflow, so that the left tail keeps
 * its subnormals. */
M_INLINE float m_sigmoid_f32(float x)
{
    float a = m_abs_f32(x);
    float e = m_exp_clamped_f32(-(104.0f < a ? 104.0f : a));
    return m_over_sum_f32(x < 0.0f ? e : 1.0f, 1.0f, e);
}

M_INLINE double m_sigmoid_f64(double x)
{
    double a = m_abs_f64(x);
    double e = m_exp_clamped_f64(-(746.0 < a ? 746.0 : a));
    return m_over_sum_f64(x < 0.0 ? e : 1.0, 1.0, e);
}

#endif
