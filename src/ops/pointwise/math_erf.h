/* The error function and its kin: erf, erfc, erfinv, gelu.
 *
 * erfc x = e^(-x^2) w(x) for x >= 0, where (1 + 2x) w(x) is a polynomial in t = (x - c) / (x + c),
 * which maps all x >= 0 to [-1, 1). x^2 is kept in two parts, because the exponential magnifies its
 * rounding.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_ERF_H
#define FLAMBEAU_POINTWISE_MATH_ERF_H

#include "math_pow.h"

/* erfc a for a >= 0; a beyond underflow is brought back to it. */
M_INLINE double m_erfc_kernel_f64(double a)
{
    a = 27.3 < a ? 27.3 : a;
    double t = (a - 4.0) / (a + 4.0);
    double p = m_fma_f64(0x1.7d538a89e73a7p-30, t, 0x1.1a9570bcc6cafp-28);
    p = m_fma_f64(p, t, -0x1.307035e4ffee4p-27);
    p = m_fma_f64(p, t, -0x1.550cbf1c5e336p-26);
    p = m_fma_f64(p, t, 0x1.99e97d68ae1eap-24);
    p = m_fma_f64(p, t, 0x1.2aa02b541c7efp-24);
    p = m_fma_f64(p, t, -0x1.b229ce6827aefp-21);
    p = m_fma_f64(p, t, 0x1.46c7119211aa1p-22);
    p = m_fma_f64(p, t, 0x1.7e79d038dbea5p-18);
    p = m_fma_f64(p, t, -0x1.78d66b3c30a1ep-17);
    p = m_fma_f64(p, t, -0x1.99496f97ae524p-16);
    p = m_fma_f64(p, t, 0x1.3be27fc7b3811p-13);
    p = m_fma_f64(p, t, -0x1.a1df92daa7c15p-13);
    p = m_fma_f64(p, t, -0x1.8d4ac0bd4263ap-11);
    p = m_fma_f64(p, t, 0x1.49c672f25c5e2p-8);
    p = m_fma_f64(p, t, -0x1.0962385293a4bp-6);
    p = m_fma_f64(p, t, 0x1.3079edf5a9154p-5);
    p = m_fma_f64(p, t, -0x1.0fb06dff7719ap-4);
    p = m_fma_f64(p, t, 0x1.7fee004e14ceap-4);
    p = m_fma_f64(p, t, -0x1.9ddb23c3dab17p-4);
    p = m_fma_f64(p, t, 0x1.16ecefcfa53c5p-4);
    p = m_fma_f64(p, t, 0x1.f7f5df66fb5b3p-7);
    p = m_fma_f64(p, t, -0x1.1df1ad154a28fp-3);
    p = m_fma_f64(p, t, 0x1.3ba5916e9fd7fp+0);
    double h = a * a;
    uint64_t k;
    double e = m_exp_parts_f64(-h, -m_fma_f64(a, a, -h), &k);
    return m_scale_f64(e * (p / m_fma_f64(2.0, a, 1.0)), k);
}

/* erf: 1.1 ULP. Below 1 an odd polynomial; in float, beyond, 1 - e^q with a polynomial q for log
 * erfc. */
M_INLINE float m_erf_f32(float x)
{
    float u = x * x;
    float s = m_fma_f32(0x1.4773a2p-14f, u, -0x1.a351dp-11f);
    s = m_fma_f32(s, u, 0x1.53f22ep-8f);
    s = m_fma_f32(s, u, -0x1.b7f71ap-6f);
    s = m_fma_f32(s, u, 0x1.ce2ce6p-4f);
    s = m_fma_f32(s, u, -0x1.81273ep-2f);
    s = m_fma_f32(s, u, 0x1.06eba8p-3f);
    float a = m_abs_f32(x);
    a = 4.0f < a ? 4.0f : a;
    float q = m_fma_f32(0x1.86d824p-13f, a, -0x1.82585cp-9f);
    q = m_fma_f32(q, a, 0x1.65ca6cp-6f);
    q = m_fma_f32(q, a, -0x1.a652d4p-4f);
    q = m_fma_f32(q, a, -0x1.46baf8p-1f);
    q = m_fma_f32(q, a, -0x1.2088e8p+0f);
    q = m_fma_f32(q, a, -0x1.66243ap-12f);
    uint32_t k;
    float r = m_exp_reduce_f32(q, &k);
    float e = m_exp2i_f32(k);
    e = m_fma_f32(e, m_expm1_kernel_f32(r), e);
    return a < 1.0f ? m_fma_f32(x, s, x) : m_copysign_f32(1.0f - e, x);
}

M_INLINE double m_erf_f64(double x)
{
    double u = x * x;
    double s = m_fma_f64(-0x1.a1df9c9102873p-31, u, 0x1.d3c2d373c98c3p-27);
    s = m_fma_f64(s, u, -0x1.5b8935dc7c8bp-23);
    s = m_fma_f64(s, u, 0x1.b96aeb32279c6p-20);
    s = m_fma_f64(s, u, -0x1.f4c82674ff46bp-17);
    s = m_fma_f64(s, u, 0x1.f9a29649a11dep-14);
    s = m_fma_f64(s, u, -0x1.c02daeb3d3d2cp-11);
    s = m_fma_f64(s, u, 0x1.565bcceecc101p-8);
    s = m_fma_f64(s, u, -0x1.b82ce311a93c8p-6);
    s = m_fma_f64(s, u, 0x1.ce2f21a03f8b2p-4);
    s = m_fma_f64(s, u, -0x1.812746b03799dp-2);
    s = m_fma_f64(s, u, 0x1.06eba8214db68p-3);
    double a = m_abs_f64(x);
    double far = 1.0 - m_erfc_kernel_f64(a);
    return a < 1.0 ? m_fma_f64(x, s, x) : m_copysign_f64(far, x);
}

/* The normal distribution's tail, erfc(a / sqrt 2) / 2, for a >= 0. The first is for float
 * results, in double because no float way stays within 2 ULP: relative error 2^-28. */
M_INLINE double m_normal_tail_rough_f64(double a)
{
    a = 14.5 < a ? 14.5 : a;
    double d = a + 4.0, e = a + a + 1.0;
    double inverse = 1.0 / (d * e);
    double t = (a - 4.0) * (e * inverse);
    double p = m_fma_f64(-0x1.33958aa2eeafdp-13, t, -0x1.df80c9591f9f4p-15);
    p = m_fma_f64(p, t, 0x1.99490b30324e6p-10);
    p = m_fma_f64(p, t, -0x1.4ac35ea3b818ep-10);
    p = m_fma_f64(p, t, -0x1.5895ffc8099fbp-7);
    p = m_fma_f64(p, t, 0x1.6b887b1ce3279p-5);
    p = m_fma_f64(p, t, -0x1.862e3d37188e4p-4);
    p = m_fma_f64(p, t, 0x1.08005e6f0fe0cp-3);
    p = m_fma_f64(p, t, -0x1.8ac5dd338e7f5p-4);
    p = m_fma_f64(p, t, -0x1.78fb94b20a86ap-6);
    p = m_fma_f64(p, t, 0x1.b30b53082ed4ep-1);
    return m_exp2_rough_f64(a * a * -0x1.71547652b82fep-1) * (p * (d * inverse));
}

/* The tail as a product, e times what is returned times 2^k, where e 2^k = e^(-a^2/2): 3 ULP. */
M_INLINE double m_normal_tail_f64(double a, double *e, uint64_t *k)
{
    double t = (a - 5.0) / (a + 5.0);
    double p = m_fma_f64(-0x1.a3b6cc011332ep-31, t, 0x1.7495668264518p-31);
    p = m_fma_f64(p, t, 0x1.9b8565f17506ep-27);
    p = m_fma_f64(p, t, 0x1.218b88cc6a852p-28);
    p = m_fma_f64(p, t, -0x1.4410fd8f6ca6fp-24);
    p = m_fma_f64(p, t, -0x1.7487c33cacf4bp-25);
    p = m_fma_f64(p, t, 0x1.da6c7275fceebp-22);
    p = m_fma_f64(p, t, 0x1.89f8d24f73797p-23);
    p = m_fma_f64(p, t, -0x1.8099cdcbd1d71p-19);
    p = m_fma_f64(p, t, 0x1.1c8391fac6a2p-21);
    p = m_fma_f64(p, t, 0x1.455be16bb5723p-16);
    p = m_fma_f64(p, t, -0x1.bb7ed5267e044p-16);
    p = m_fma_f64(p, t, -0x1.c5ba8a2345db5p-14);
    p = m_fma_f64(p, t, 0x1.bdbe9938682d2p-12);
    p = m_fma_f64(p, t, -0x1.f1d62beb20e75p-14);
    p = m_fma_f64(p, t, -0x1.d42635116c568p-9);
    p = m_fma_f64(p, t, 0x1.f96034e537fe5p-7);
    p = m_fma_f64(p, t, -0x1.42359ad1c2539p-5);
    p = m_fma_f64(p, t, 0x1.28e8fee385395p-4);
    p = m_fma_f64(p, t, -0x1.9c4af953ccb91p-4);
    p = m_fma_f64(p, t, 0x1.9d3d58860d49ep-4);
    p = m_fma_f64(p, t, -0x1.ba6f247fb8f0fp-5);
    p = m_fma_f64(p, t, -0x1.44c9cd8f57976p-5);
    p = m_fma_f64(p, t, 0x1.b135a378924a6p-1);
    double h = a * a;
    double lost = m_fma_f64(a, a, -h);
    *e = m_exp_parts_f64(-0.5 * h, -0.5 * lost, k);
    return p / m_fma_f64(2.0, a, 1.0);
}

/* erfc: 0.6 ULP in float, 3 in double: below 0.65 it is 1 - erf. */
M_INLINE float m_erfc_f32(float x)
{
    double e = m_normal_tail_rough_f64((double)m_abs_f32(x) * 0x1.6a09e667f3bcdp+0);
    return (float)(x < 0.0f ? 2.0 - (e + e) : e + e);
}

M_INLINE double m_erfc_f64(double x)
{
    double e = m_erfc_kernel_f64(m_abs_f64(x));
    e = x < 0.0 ? 2.0 - e : e;
    return m_abs_f64(x) < 0.65 ? 1.0 - m_erf_f64(x) : e;
}

/* gelu, x times the normal distribution function: in float 3.5 ULP, in double 3. It is max(x, 0) less
 * a times the tail, a = |x|, which holds in the left tail too, where x (1 + erf(x / sqrt 2)) / 2 keeps
 * nothing. In float the tail's e^(-a^2/2) is (1 + d) 2^k with |d| < 1/2, and its factor q(u) / (3.1 +
 * 1.271 a), where u = a / (3.1 + 1.271 a) and q is a polynomial: half of 3.1 at 0, which is kept apart,
 * so that small numbers are as right as large ones. The tail's factor is held within the range
 * where the tail is not 0. Of -inf they are NaN, and the slope of both infinities too, as in
 * PyTorch, which multiplies 0 by infinity there. */
M_INLINE float m_gelu_divisor_f32(float a)
{
    return m_fma_f32(a, 0x1.45604p+0f, 0x1.8cccccp+1f);
}

/* -2^-40 q, which leaves room for k above the subnormal numbers. */
M_INLINE float m_gelu_factor_f32(float u)
{
    float t = u - 0x1.ce739ep-2f;
    float q = m_fma_f32(0x1.c2ec6ap-41f, t, 0x1.22e4d2p-41f);
    q = m_fma_f32(q, t, -0x1.5b99eep-41f);
    q = m_fma_f32(q, t, -0x1.70e95ep-41f);
    q = m_fma_f32(q, t, 0x1.7ea302p-42f);
    q = m_fma_f32(q, t, 0x1.6decc4p-41f);
    q = m_fma_f32(q, t, -0x1.b412e4p-42f);
    q = m_fma_f32(q, t, -0x1.a5f85ep-41f);
    q = m_fma_f32(q, t, 0x1.9f21bep-40f);
    return m_fma_f32(q, u, -0x1.8cccccp-40f);
}

/* d, and 2^(k+40), whose exponent the magic number leaves where a shift finds it. a^2 + 2 k ln2 has one
 * rounding, because k times the first part of 2 ln2 is exact. */
M_INLINE float m_gelu_exp_f32(float a, float *scale)
{
    const float magic = M_MAGIC_F32 + 167.0f;
    float z = m_fma_f32(a * -0x1.715476p-1f, a, magic);
    float k = z - magic;
    float r = m_fma_f32(k, 0x1.7f7d1cp-19f, m_fma_f32(a, a, k * 0x1.62e4p+0f));
    float e = m_fma_f32(0x1.6a2318p-16f, r, -0x1.123a92p-12f);
    e = m_fma_f32(e, r, 0x1.5558f6p-9f);
    e = m_fma_f32(e, r, -0x1.55549p-6f);
    e = m_fma_f32(e, r, 0x1.fffffcp-4f);
    *scale = m_from_bits_f32(m_bits_f32(z) << 23);
    return m_fma_f32(e, r, -0.5f) * r;
}

/* Below 0 the tail is taken from -0, and of -inf from NaN, which is what 0 x is. */
M_INLINE float m_gelu_f32(float x)
{
    float a = m_cap_f32(x, 14.5f);
    float scale, d = m_gelu_exp_f32(a, &scale);
    float u = a / m_gelu_divisor_f32(a);
    float v = m_gelu_factor_f32(u) * scale;
    return m_fma_f32(u, m_fma_f32(d, v, v), x < 0.0f ? x * 0.0f : x);
}

M_INLINE double m_gelu_f64(double x)
{
    double a = m_abs_f64(x);
    a = 39.0 < a ? 39.0 : a;
    uint64_t k;
    double e, r = m_normal_tail_f64(a, &e, &k);
    double tail = m_scale_f64(a * e * r, k);
    double u = x * x;
    double p = m_fma_f64(0x1.19a4de0b3c73cp-36, u, -0x1.772da577bf606p-33);
    p = m_fma_f64(p, u, 0x1.49a720bce0423p-29);
    p = m_fma_f64(p, u, -0x1.636a44549267fp-25);
    p = m_fma_f64(p, u, 0x1.6598dd0c900a3p-21);
    p = m_fma_f64(p, u, -0x1.3ce96395bb0b2p-17);
    p = m_fma_f64(p, u, 0x1.e42b10de7a5a3p-14);
    p = m_fma_f64(p, u, -0x1.37403f74777f6p-10);
    p = m_fma_f64(p, u, 0x1.46d042977f807p-7);
    p = m_fma_f64(p, u, -0x1.1058377e2d041p-4);
    p = m_fma_f64(p, u, 0x1.9884533d43651p-2);
    double far = x == -M_INF_F64 ? M_NAN_F64 : x < 0.0 ? -tail : x - tail;
    return a < 0.75 ? x * m_fma_f64(x, p, 0.5) : far;
}

/* gelu's derivative, the normal distribution function plus x times its density c e^(-x^2/2): in
 * float 4 ULP, in double 3.5, of the larger of the two, which cancel near -3/4. Near 0 the first is
 * 1/2 + x p(x^2). */
M_INLINE float m_gelu_slope_f32(float x)
{
    float a = m_abs_f32(x);
    a = 15.0f < a ? 15.0f : a;
    float scale, d = m_gelu_exp_f32(a, &scale);
    float inverse = 1.0f / m_gelu_divisor_f32(a);
    float v = m_fma_f32(m_gelu_factor_f32(a * inverse), inverse, a * 0x1.988454p-42f) * scale;
    float beyond = m_fma_f32(d, v, v);
    float far = x < 0.0f ? -beyond : 1.0f + beyond;

    float u = x * x;
    float p = m_fma_f32(-0x1.7c47ap-16f, u, 0x1.2eff12p-13f);
    p = m_fma_f32(p, u, -0x1.3cdefep-10f);
    p = m_fma_f32(p, u, 0x1.470612p-7f);
    p = m_fma_f32(p, u, -0x1.1058ecp-4f);
    p = m_fma_f32(p, u, 0x1.988454p-2f);
    v = scale * 0x1.988454p-42f;
    float near = m_fma_f32(x, m_fma_f32(d, v, v), m_fma_f32(x, p, 0.5f));
    return a < 0.875f ? near : m_isinf_f32(x) ? M_NAN_F32 : far;
}

M_INLINE double m_gelu_slope_f64(double x)
{
    double a = m_abs_f64(x);
    a = 39.0 < a ? 39.0 : a;
    uint64_t k;
    double e, r = m_normal_tail_f64(a, &e, &k);
    double beyond = m_scale_f64(e * m_fma_f64(a, 0x1.9884533d43651p-2, -r), k);
    return m_isinf_f64(x) ? M_NAN_F64 : x < 0.0 ? -beyond : 1.0 + beyond;
}

/* gelu's approximation by a hyperbolic tangent, x (1 + tanh u) / 2 = x / (1 + e^-2u) with
 * 2u = 2 sqrt(2/pi) (x + 0.044715 x^3), which is made in twice the precision: 2.2 ULP. */
M_INLINE float m_gelu_tanh_f32(float x)
{
    float a = m_abs_f32(x);
    a = 11.0f < a ? 11.0f : a;
    double b = (double)a;
    double v = b * m_fma_f64(b * b, 0x1.2444f2a4d8b4bp-4, 0x1.9884533d43651p+0);
    float hi = (float)v;
    uint32_t k;
    float e = m_exp_parts_f32(-hi, -(float)(v - (double)hi), &k);
    float q = m_over_sum_f32(x < 0.0f ? -a * e : 1.0f, 1.0f, m_scale_f32(e, k));
    return x == -M_INF_F32 ? M_NAN_F32 : x < 0.0f ? m_scale_f32(q, k) : x * q;
}

M_INLINE double m_gelu_tanh_f64(double x)
{
    double a = m_abs_f64(x);
    a = 22.0 < a ? 22.0 : a;
    double h = a * a;
    double c = 0x1.2444f2a4d8b4bp-4;
    double p = h * c;
    double p_lo = m_fma_f64(h, -0x1.6c843a29d1c7p-61, m_fma_f64(a, a, -h) * c);
    p_lo += m_fma_f64(h, c, -p);
    double w = p + 0x1.9884533d43651p+0;
    double v = w - p;
    double w_lo = (p - (w - v)) + (0x1.9884533d43651p+0 - v) + (p_lo - 0x1.cbc0d30ebfd15p-54);
    double u = a * w;
    uint64_t k;
    double e = m_exp_parts_f64(-u, -m_fma_f64(a, w_lo, m_fma_f64(a, w, -u)), &k);
    double q = m_over_sum_f64(x < 0.0 ? -a * e : 1.0, 1.0, m_scale_f64(e, k));
    return x == -M_INF_F64 ? M_NAN_F64 : x < 0.0 ? m_scale_f64(q, k) : x * q;
}

#endif
