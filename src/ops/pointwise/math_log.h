/* Logarithms and what is made of them: log, log2, log10, log1p, asinh, acosh, atanh, softplus,
 * log_sigmoid, logaddexp, logaddexp2, xlogy.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt 2): log x = k ln2 + log(1 + f). In float the last
 * is a polynomial in f; in double it is 2 atanh(s) with s = f / (2 + f), kept in two parts where a
 * base other than e multiplies it. Zero, infinity, negative numbers and NaN are put right at the
 * end by selects.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_LOG_H
#define FLAMBEAU_POINTWISE_MATH_LOG_H

#include "math_exp.h"

/* f and k of a positive finite x, subnormals included. */
M_INLINE float m_log_reduce_f32(float x, float *k)
{
    uint32_t tiny = x < 0x1p-126f ? 23u : 0u;
    uint32_t u = m_bits_f32(x < 0x1p-126f ? x * 0x1p23f : x) - 0x3f3504f3;
    *k = (float)((int32_t)u >> 23) - (float)(int32_t)tiny;
    return m_from_bits_f32((u & 0x7fffff) + 0x3f3504f3) - 1.0f;
}

M_INLINE double m_log_reduce_f64(double x, double *k)
{
    uint64_t tiny = x < 0x1p-1022 ? 52u : 0u;
    uint64_t u = m_bits_f64(x < 0x1p-1022 ? x * 0x1p52 : x);
    u += 0x3ff0000000000000 - 0x3fe6a09e667f3bcd;
    *k = m_from_int_f64((u >> 52) - 1023 - tiny);
    return m_from_bits_f64((u & 0xfffffffffffff) + 0x3fe6a09e667f3bcd) - 1.0;
}

/* The value at x where the reduction is not defined: y elsewhere. */
M_INLINE float m_log_edges_f32(float x, float y)
{
    y = x < M_INF_F32 ? y : x;
    y = x == 0.0f ? -M_INF_F32 : y;
    return x < 0.0f ? M_NAN_F32 : y;
}

M_INLINE double m_log_edges_f64(double x, double y)
{
    y = x < M_INF_F64 ? y : x;
    y = x == 0.0 ? -M_INF_F64 : y;
    return x < 0.0 ? M_NAN_F64 : y;
}

/* k ln2 + log(1 + f). */
M_INLINE float m_log_kernel_f32(float f, float k)
{
    float p = m_fma_f32(-0x1.38c904p-4f, f, 0x1.055e6p-3f);
    p = m_fma_f32(p, f, -0x1.0d8232p-3f);
    p = m_fma_f32(p, f, 0x1.22d936p-3f);
    p = m_fma_f32(p, f, -0x1.54728cp-3f);
    p = m_fma_f32(p, f, 0x1.99a01cp-3f);
    p = m_fma_f32(p, f, -0x1.000226p-2f);
    p = m_fma_f32(p, f, 0x1.555554p-2f);
    p = m_fma_f32(p, f, -0.5f);
    p = m_fma_f32(k, -0x1.05c61p-29f, f * f * p);
    return m_fma_f32(k, 0x1.62e43p-1f, f + p);
}

/* log(1 + f) - (f - f^2/2), for |f| < 0.42. */
M_INLINE double m_log_tail_f64(double f)
{
    double s = f / (2.0 + f);
    double z = s * s;
    double r = m_fma_f64(0x1.0f1d25ddc8131p-3, z, 0x1.0f65f2812ee7fp-3);
    r = m_fma_f64(r, z, 0x1.3b202f9aa8231p-3);
    r = m_fma_f64(r, z, 0x1.745ce19c658b3p-3);
    r = m_fma_f64(r, z, 0x1.c71c724bbaaf7p-3);
    r = m_fma_f64(r, z, 0x1.249249243961ep-2);
    r = m_fma_f64(r, z, 0x1.9999999999d11p-2);
    r = m_fma_f64(r, z, 0x1.5555555555555p-1);
    return s * m_fma_f64(r, z, 0.5 * f * f);
}

M_INLINE double m_log_kernel_f64(double f, double k)
{
    double t = m_fma_f64(k, 0x1.abc9e3b39803fp-56, m_log_tail_f64(f));
    return m_fma_f64(k, 0x1.62e42fefa39efp-1, f - m_fma_f64(0.5 * f, f, -t));
}

/* log: 0.9 ULP. */
M_INLINE float m_log_f32(float x)
{
    float k, f = m_log_reduce_f32(x, &k);
    return m_log_edges_f32(x, m_log_kernel_f32(f, k));
}

M_INLINE double m_log_f64(double x)
{
    double k, f = m_log_reduce_f64(x, &k);
    return m_log_edges_f64(x, m_log_kernel_f64(f, k));
}

/* log1p: 1.6 ULP. log of u = 1 + x rounded; what the rounding lost, exactly, joins f. */
M_INLINE float m_log1p_f32(float x)
{
    float u = 1.0f + x;
    float v = u - 1.0f;
    float lost = (x - v) + (1.0f - (u - v));
    float k, f = m_log_reduce_f32(u, &k);
    float capped = k < 126.0f ? k : 126.0f;
    f += lost * m_exp2i_f32(0u - (uint32_t)(int32_t)capped);
    float y = m_log_edges_f32(u, m_log_kernel_f32(f, k));
    return m_copysign_f32(y, x);
}

M_INLINE double m_log1p_f64(double x)
{
    double u = 1.0 + x;
    double v = u - 1.0;
    double lost = (x - v) + (1.0 - (u - v));
    double k, f = m_log_reduce_f64(u, &k);
    double capped = k < 1022.0 ? k : 1022.0;
    f += lost * m_exp2i_f64(m_low_bits_f64(-capped));
    double y = m_log_edges_f64(u, m_log_kernel_f64(f, k));
    return m_copysign_f64(y, x);
}

/* log2: 1.0 ULP. k + f c + f^2 q(f), c = 1/ln2 in two parts. */
M_INLINE float m_log2_f32(float x)
{
    float k, f = m_log_reduce_f32(x, &k);
    float q = m_fma_f32(-0x1.c39888p-4f, f, 0x1.7f278ep-3f);
    q = m_fma_f32(q, f, -0x1.87f804p-3f);
    q = m_fma_f32(q, f, 0x1.a2c9e4p-3f);
    q = m_fma_f32(q, f, -0x1.eaa24ap-3f);
    q = m_fma_f32(q, f, 0x1.277f44p-2f);
    q = m_fma_f32(q, f, -0x1.715afep-2f);
    q = m_fma_f32(q, f, 0x1.ec7094p-2f);
    q = m_fma_f32(q, f, -0x1.71547p-1f);
    q = m_fma_f32(q, f, 0x1.4ae0cp-26f);
    return m_log_edges_f32(x, k + m_fma_f32(f, 0x1.715476p+0f, f * q));
}

/* log10: 1.0 ULP. k log10(2) + f c + f^2 q(f), c = 1/ln10 in two parts. */
M_INLINE float m_log10_f32(float x)
{
    float k, f = m_log_reduce_f32(x, &k);
    float q = m_fma_f32(-0x1.1500a4p-5f, f, 0x1.cfdb24p-5f);
    q = m_fma_f32(q, f, -0x1.d74bbap-5f);
    q = m_fma_f32(q, f, 0x1.f7eda4p-5f);
    q = m_fma_f32(q, f, -0x1.276904p-4f);
    q = m_fma_f32(q, f, 0x1.63d1ecp-4f);
    q = m_fma_f32(q, f, -0x1.bcbf5ep-4f);
    q = m_fma_f32(q, f, 0x1.287a7p-3f);
    q = m_fma_f32(q, f, -0x1.bcb7aap-3f);
    q = m_fma_f32(q, f, -0x1.5b235ep-27f);
    q = m_fma_f32(k, -0x1.ec10cp-27f, f * q);
    q = m_fma_f32(f, 0x1.bcb7b2p-2f, q);
    return m_log_edges_f32(x, m_fma_f32(k, 0x1.344136p-2f, q));
}

/* log(1 + f) as a sum of two doubles: the first, f - f^2/2 rounded, has what it lost in the
 * second. */
M_INLINE double m_log_pair_f64(double f, double *lo)
{
    double h = 0.5 * f;
    double hi = m_fma_f64(-h, f, f);
    *lo = m_fma_f64(-h, f, f - hi) + m_log_tail_f64(f);
    return hi;
}

M_INLINE double m_log2_f64(double x)
{
    double k, lo, f = m_log_reduce_f64(x, &k);
    double hi = m_log_pair_f64(f, &lo);
    lo = m_fma_f64(hi, 0x1.777d0ffda0d24p-56, lo * 0x1.71547652b82fep+0);
    return m_log_edges_f64(x, k + m_fma_f64(hi, 0x1.71547652b82fep+0, lo));
}

M_INLINE double m_log10_f64(double x)
{
    double k, lo, f = m_log_reduce_f64(x, &k);
    double hi = m_log_pair_f64(f, &lo);
    lo = m_fma_f64(hi, 0x1.95355baaafad3p-57, lo * 0x1.bcb7b1526e50ep-2);
    lo = m_fma_f64(k, -0x1.9dc1da994fd21p-59, lo);
    lo = m_fma_f64(hi, 0x1.bcb7b1526e50ep-2, lo);
    return m_log_edges_f64(x, m_fma_f64(k, 0x1.34413509f79ffp-2, lo));
}

/* log1p(x + lo) for x >= 0 and a small correction lo, |lo| <= x 2^-52. */
M_INLINE double m_log1p_sum_f64(double x, double lo)
{
    double u = 1.0 + x;
    double v = u - 1.0;
    double lost = (x - v) + (1.0 - (u - v)) + lo;
    double k, f = m_log_reduce_f64(u, &k);
    double capped = k < 1022.0 ? k : 1022.0;
    f += lost * m_exp2i_f64(m_low_bits_f64(-capped));
    return m_log_edges_f64(u, m_log_kernel_f64(f, k));
}

/* asinh: 0.6 ULP in float, 1.7 in double. log1p(a + a^2 / (1 + sqrt(1 + a^2))) with a = |x|;
 * from 2^60 on, log a + ln2. */
M_INLINE double m_asinh_f64(double x)
{
    double a = m_abs_f64(x);
    int far = a > 0x1p60;
    double h = far ? 1.0 : a * a;
    double t = h / (1.0 + m_sqrt_f64(1.0 + h));
    double s = a + t;
    double lost = t - (s - a);
    double y = m_log1p_sum_f64(far ? a : s, far ? 0.0 : lost);
    return m_copysign_f64(far ? y + 0x1.62e42fefa39efp-1 : y, x);
}

M_INLINE float m_asinh_f32(float x)
{
    return (float)m_asinh_f64((double)x);
}

/* acosh: 0.6 ULP in float, 1.8 in double. log1p(t + sqrt(2t + t^2)) with t = x - 1; from 2^60
 * on, log x + ln2. */
M_INLINE double m_acosh_f64(double x)
{
    int far = x > 0x1p60;
    double t = far ? 1.0 : x - 1.0;
    double square = m_fma_f64(t, t, t + t);
    double r = m_sqrt_f64(square);
    double s = r + t;
    double lost = t - (s - r) + (r > 0.0 ? m_fma_f64(-r, r, square) / (r + r) : 0.0);
    double y = m_log1p_sum_f64(far ? x : s, far ? 0.0 : lost);
    return x < 1.0 ? M_NAN_F64 : far ? y + 0x1.62e42fefa39efp-1 : y;
}

M_INLINE float m_acosh_f32(float x)
{
    return (float)m_acosh_f64((double)x);
}

/* atanh: 0.6 ULP in float, 1.6 in double. log1p(2a / (1 - a)) / 2 with a = |x|. */
M_INLINE double m_atanh_f64(double x)
{
    double a = m_abs_f64(x);
    double d = 1.0 - a;
    double lost = (1.0 - d) - a;
    double q = (a + a) / d;
    double rest = (m_fma_f64(-q, d, a + a) - q * lost) / d;
    double y = 0.5 * m_log1p_sum_f64(q, q < M_INF_F64 ? rest : 0.0);
    return m_copysign_f64(a > 1.0 ? M_NAN_F64 : y, x);
}

M_INLINE float m_atanh_f32(float x)
{
    return (float)m_atanh_f64((double)x);
}

/* softplus with slope and threshold 1 apart, log(1 + e^x): 1.9 ULP. */
M_INLINE float m_softplus_f32(float x)
{
    float tail = m_log1p_f32(m_exp_f32(-m_abs_f32(x)));
    return (x < 0.0f ? 0.0f : x) + tail;
}

M_INLINE double m_softplus_f64(double x)
{
    double tail = m_log1p_f64(m_exp_f64(-m_abs_f64(x)));
    return (x < 0.0 ? 0.0 : x) + tail;
}

/* log(sigmoid(x)) = -softplus(-x): 1.9 ULP. */
M_INLINE float m_log_sigmoid_f32(float x)
{
    return 0.0f - m_softplus_f32(-x);
}

M_INLINE double m_log_sigmoid_f64(double x)
{
    return 0.0 - m_softplus_f64(-x);
}

/* log(e^a + e^b): the larger plus log1p(e^-difference). 1.7 ULP of the largest of a, b and the
 * result: where the terms cancel, nothing better is to be had. Equal infinities have no
 * difference. */
M_INLINE float m_logaddexp_f32(float a, float b)
{
    float d = a == b ? 0.0f : m_abs_f32(a - b);
    return (a > b ? a : b) + m_log1p_f32(m_exp_f32(-d));
}

M_INLINE double m_logaddexp_f64(double a, double b)
{
    double d = a == b ? 0.0 : m_abs_f64(a - b);
    return (a > b ? a : b) + m_log1p_f64(m_exp_f64(-d));
}

/* log2(2^a + 2^b), with the bounds of m_logaddexp_*. */
M_INLINE float m_logaddexp2_f32(float a, float b)
{
    float d = a == b ? 0.0f : m_abs_f32(a - b);
    return m_fma_f32(m_log1p_f32(m_exp2_f32(-d)), 0x1.715476p+0f, a > b ? a : b);
}

M_INLINE double m_logaddexp2_f64(double a, double b)
{
    double d = a == b ? 0.0 : m_abs_f64(a - b);
    return m_fma_f64(m_log1p_f64(m_exp2_f64(-d)), 0x1.71547652b82fep+0, a > b ? a : b);
}

/* x log(y), where 0 times anything but NaN is 0: 1.6 ULP. */
M_INLINE float m_xlogy_f32(float x, float y)
{
    return ((x == 0.0f) & (y == y)) ? 0.0f : x * m_log_f32(y);
}

M_INLINE double m_xlogy_f64(double x, double y)
{
    return ((x == 0.0) & (y == y)) ? 0.0 : x * m_log_f64(y);
}

#endif
