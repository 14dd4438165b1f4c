/* Powers: pow, with the special cases of C's Annex F, and hypot.
 *
 * x^y = e^(y log x) needs a logarithm with as many bits more than the result as the result has bits
 * of exponent. In float it is computed in double throughout. In double the logarithm is a sum of
 * two doubles.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_POW_H
#define FLAMBEAU_POINTWISE_MATH_POW_H

#include "math_arith.h"
#include "math_log.h"

/* log2 x for a finite float x > 0 given as a double, so that no subnormal is left: relative
 * error 2^-37. */
M_INLINE double m_log2_rough_f64(double x)
{
    uint64_t u = m_bits_f64(x) + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd);
    double k = m_from_int_f64((u >> 52) - 1023);
    double f = m_from_bits_f64((u & 0xfffffffffffff) + 0x3fe6a09e667f3bcd) - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double r = m_fma_f64(0x1.5ce7d623b2b51p-2, z, 0x1.a58d8f40fa5bbp-2);
    r = m_fma_f64(r, z, 0x1.27777fdb9dd47p-1);
    r = m_fma_f64(r, z, 0x1.ec709d12df41fp-1);
    r = m_fma_f64(r, z, 0x1.71547652bede8p+1);
    return m_fma_f64(s, r, k);
}

/* 2^t for |t| <= 1000: relative error 2^-34. */
M_INLINE double m_exp2_rough_f64(double t)
{
    double z = t + M_MAGIC_F64;
    double r = t - (z - M_MAGIC_F64);
    double q = m_fma_f64(0x1.fe173f696bde7p-17, r, 0x1.446a421ba796fp-13);
    q = m_fma_f64(q, r, 0x1.5d8a71171025bp-10);
    q = m_fma_f64(q, r, 0x1.3b29dc1659f0ep-7);
    q = m_fma_f64(q, r, 0x1.c6b08aae500dbp-5);
    q = m_fma_f64(q, r, 0x1.ebfbe0a4f1a3dp-3);
    q = m_fma_f64(q, r, 0x1.62e42ff116c0ep-1);
    q = m_fma_f64(q, r, 0x1.ffffffffab97cp-1);
    return q * m_exp2i_f64(m_bits_f64(z) - m_bits_f64(M_MAGIC_F64));
}

/* What pow makes of a magnitude p of |x|^y: its sign for odd y, NaN for a negative x to a
 * fraction, and 1 where one of the arguments asks for it whatever the other is. The sign comes by
 * a mask, because GCC vectorises no choice by a condition that is the same for the whole loop. */
M_INLINE float m_pow_edges_f32(float x, float y, float p)
{
    float half = y * 0.5f;
    int whole = m_round_f32(y) == y;
    uint32_t sign = (uint32_t)(whole & (m_round_f32(half) != half)) << 31;
    p = m_from_bits_f32((m_bits_f32(p) & ~sign) | (m_bits_f32(x) & sign));
    p = ((x < 0.0f) & (x > -M_INF_F32) & !whole & (y == y)) ? M_NAN_F32 : p;
    p = ((x == -1.0f) & (m_abs_f32(y) == M_INF_F32)) ? 1.0f : p;
    return ((x == 1.0f) | (y == 0.0f)) ? 1.0f : p;
}

M_INLINE double m_pow_edges_f64(double x, double y, double p)
{
    double half = y * 0.5;
    int whole = m_round_f64(y) == y;
    uint64_t sign = (uint64_t)(whole & (m_round_f64(half) != half)) << 63;
    p = m_from_bits_f64((m_bits_f64(p) & ~sign) | (m_bits_f64(x) & sign));
    p = ((x < 0.0) & (x > -M_INF_F64) & !whole & (y == y)) ? M_NAN_F64 : p;
    p = ((x == -1.0) & (m_abs_f64(y) == M_INF_F64)) ? 1.0 : p;
    return ((x == 1.0) | (y == 0.0)) ? 1.0 : p;
}

/* pow: 0.6 ULP in float, 1 in double. */
M_INLINE float m_pow_f32(float x, float y)
{
    float a = m_abs_f32(x);
    double l = m_log2_rough_f64((double)a);
    l = a == 0.0f ? -M_INF_F64 : l;
    l = a < M_INF_F32 ? l : (double)a;
    double t = l * (double)y;
    t = 200.0 < t ? 200.0 : t;
    t = -200.0 > t ? -200.0 : t;
    return m_pow_edges_f32(x, y, (float)m_exp2_rough_f64(t));
}

/* log x for finite x > 0 as a sum of two doubles: relative error 2^-63. log(1 + f) = 2s + 2/3
 * s^3 + s^5 r(s^2), the first two terms in twice the precision. */
M_INLINE double m_log_long_f64(double x, double *lo)
{
    double k, f = m_log_reduce_f64(x, &k);
    double d = 2.0 + f;
    double inverse = 1.0 / d;
    double s = f * inverse;
    double s_lo = m_fma_f64(-s, f - (d - 2.0), m_fma_f64(-s, d, f)) * inverse;
    double z = s * s;
    double z_lo = m_fma_f64(s + s, s_lo, m_fma_f64(s, s, -z));
    double r = m_fma_f64(0x1.b99133739dfcep-4, z, 0x1.e37d52d717bb7p-4);
    r = m_fma_f64(r, z, 0x1.1103e64104a11p-3);
    r = m_fma_f64(r, z, 0x1.3b140207ad855p-3);
    r = m_fma_f64(r, z, 0x1.745d165a2977dp-3);
    r = m_fma_f64(r, z, 0x1.c71c71c859bb5p-3);
    r = m_fma_f64(r, z, 0x1.2492492491fa2p-2);
    r = m_fma_f64(r, z, 0x1.999999999999ap-2);
    r *= z;
    double c = 0x1.5555555555555p-1 + r;
    double c_lo = (0x1.5555555555555p-1 - c) + r + 0x1.5555555555555p-55;
    double p = z * c;
    double p_lo = m_fma_f64(z, c, -p) + m_fma_f64(z, c_lo, z_lo * c);
    double w = s * p;
    double w_lo = m_fma_f64(s, p, -w) + m_fma_f64(s, p_lo, s_lo * p);
    double hi = (s + s) + w;
    double tail = ((s + s) - hi) + w + (w_lo + (s_lo + s_lo));
    /* ln2's first part has 42 bits: times k it is exact. */
    double b = k * 0x1.62e42fefa38p-1;
    double sum = b + hi;
    double v = sum - b;
    *lo = (b - (sum - v)) + (hi - v) + m_fma_f64(k, 0x1.ef35793c7673p-45, tail);
    return sum;
}

M_INLINE double m_pow_f64(double x, double y)
{
    double a = m_abs_f64(x);
    double lo, l = m_log_long_f64(a, &lo);
    int plain = (a > 0.0) & (a < M_INF_F64);
    l = plain ? l : a == 0.0 ? -M_INF_F64 : a;
    lo = plain ? lo : 0.0;
    double t = l * y;
    double rest = m_fma_f64(lo, y, m_fma_f64(l, y, -t));
    int within = m_abs_f64(t) < 800.0;
    rest = within ? rest : 0.0;
    t = 800.0 < t ? 800.0 : t;
    t = -800.0 > t ? -800.0 : t;
    uint64_t k;
    double e = m_exp_parts_f64(t, rest, &k);
    return m_pow_edges_f64(x, y, m_scale_f64(e, k));
}

/* hypot: 0.6 ULP in float, by double; 1 in double, by a scale that keeps the squares in range.
 * An infinity wins over a NaN. */
M_INLINE float m_hypot_f32(float x, float y)
{
    double a = (double)x, b = (double)y;
    float h = (float)m_sqrt_f64(a * a + b * b);
    return (m_isinf_f32(x) | m_isinf_f32(y)) ? M_INF_F32 : h;
}

M_INLINE double m_hypot_f64(double x, double y)
{
    double a = m_abs_f64(x), b = m_abs_f64(y);
    double top = a > b ? a : b;
    double down = top > 0x1p500 ? 0x1p-600 : top < 0x1p-400 ? 0x1p600 : 1.0;
    double up = top > 0x1p500 ? 0x1p600 : top < 0x1p-400 ? 0x1p-600 : 1.0;
    a *= down;
    b *= down;
    double big = a > b ? a : b, small = a > b ? b : a;
    double h = m_sqrt_f64(m_fma_f64(big, big, small * small)) * up;
    return (m_isinf_f64(x) | m_isinf_f64(y)) ? M_INF_F64 : h;
}

#endif
