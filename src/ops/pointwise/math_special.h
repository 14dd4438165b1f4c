/* Special functions: erfinv, lgamma, digamma, i0, i1, i0e, i1e. The float versions are, but for erfinv, the double ones
 * rounded.
 *
 * erfinv refines an estimate with erf itself. The gamma family uses Stirling's series from 8 on,
 * goes there (or to [1, 2)) by the recurrence, and to negative numbers by reflection. The
 * recurrence is a loop of fixed length.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_SPECIAL_H
#define FLAMBEAU_POINTWISE_MATH_SPECIAL_H

#include "math_erf.h"
#include "math_trig.h"

/* erfinv: 0.6 ULP in float, 2.5 in double. An estimate good to 2^-20 is a polynomial in w =
 * -log(1 - x^2), or in its root; then one step of Halley's method, on erf below 0.7 and on erfc
 * above it. */
M_INLINE double m_erfinv_f64(double x)
{
    double a = m_abs_f64(x);
    double w = -m_log_f64((1.0 - a) * (1.0 + a));
    double p = m_fma_f64(0x1.70eb724715953p-32, w, -0x1.26d3488eb1098p-26);
    p = m_fma_f64(p, w, 0x1.4ca3845a64612p-22);
    p = m_fma_f64(p, w, -0x1.4f41da7741f58p-19);
    p = m_fma_f64(p, w, 0x1.879df20a271a5p-18);
    p = m_fma_f64(p, w, 0x1.53a11ebe2030bp-15);
    p = m_fma_f64(p, w, -0x1.ffb7967096144p-14);
    p = m_fma_f64(p, w, -0x1.32846550c5acp-9);
    p = m_fma_f64(p, w, 0x1.7a7b3c920bc5fp-7);
    p = m_fma_f64(p, w, 0x1.db29ec5a4fdf9p-3);
    p = m_fma_f64(p, w, 0x1.c5bf892c7d747p-1);
    double h = m_sqrt_f64(w);
    double q = m_fma_f64(-0x1.706db48efa062p-20, h, 0x1.c86d445690c3dp-15);
    q = m_fma_f64(q, h, -0x1.ebe2f7cb38a0ap-11);
    q = m_fma_f64(q, h, 0x1.2bca6755b7743p-7);
    q = m_fma_f64(q, h, -0x1.bece6d980be6cp-5);
    q = m_fma_f64(q, h, 0x1.928973b0e0c2ap-3);
    q = m_fma_f64(q, h, -0x1.71f7ead1932bep-2);
    q = m_fma_f64(q, h, -0x1.a1670e3e5bb88p-5);
    q = m_fma_f64(q, h, 0x1.c33e50bccb9b8p+0);
    q = m_fma_f64(q, h, -0x1.3cbecb70a359dp+1);
    q = m_fma_f64(q, h, 0x1.1841067900cf9p+1);
    double y = a * (w < 5.0 ? p : q);
    double miss = a < 0.7 ? m_erf_f64(y) - a : (1.0 - a) - m_erfc_kernel_f64(y);
    double step = miss * 0x1.c5bf891b4ef6bp-1 * m_exp_f64(y * y);
    y -= step / m_fma_f64(y, step, 1.0);
    y = a == 1.0 ? M_INF_F64 : y;
    y = a < 0x1p-500 ? a * 0x1.c5bf891b4ef6bp-1 : y;
    return m_copysign_f64(a > 1.0 ? M_NAN_F64 : y, x);
}

/* Beyond 0.9966, in double, where 1 - x^2 is exact: an estimate good to 2^-28 in the root of w, up to
 * that of the last float below 1, and no more. This is w, to 2^-30 of 1, without a division. */
M_INLINE double m_erfinv_log_rough_f64(double a)
{
    uint64_t u = m_bits_f64((1.0 - a) * (1.0 + a)) + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd);
    double f = m_from_bits_f64((u & 0xfffffffffffff) + 0x3fe6a09e667f3bcd) - 1.0;
    double z = f * f;
    double even = m_fma_f64(0x1.0b6e9c637691fp-3, z, 0x1.220097760e266p-3);
    even = m_fma_f64(even, z, 0x1.99a831d43ca8ap-3);
    even = m_fma_f64(even, z, 0x1.55554bf79ff6bp-2);
    even = m_fma_f64(even, z, 0x1.ffffffffbef5ep-1);
    double odd = m_fma_f64(-0x1.37984ea95b6efp-4, z, -0x1.110edc2339b15p-3);
    odd = m_fma_f64(odd, z, -0x1.53d577266b711p-3);
    odd = m_fma_f64(odd, z, -0x1.00065ea8728ebp-2);
    odd = m_fma_f64(odd, z, -0x1.ffffef3d00610p-2);
    double k = m_from_int_f64(1023 - (u >> 52));
    return m_fma_f64(k, 0x1.62e42fefa39efp-1, -(f * m_fma_f64(odd, f, even)));
}

/* The root is taken in float, and what it lacks is added. */
M_INLINE double m_erfinv_outer_rough_f64(double w)
{
    float rough = m_sqrt_f32((float)w);
    double h = (double)rough;
    h = m_fma_f64(m_fma_f64(-h, h, w), (double)(0.5f / rough), h);
    double q = m_fma_f64(-0x1.e9e8ce08d2dbcp-16, h, 0x1.0fab1c201143dp-10);
    q = m_fma_f64(q, h, -0x1.0d3b89e03d374p-6);
    q = m_fma_f64(q, h, 0x1.398e0dc1f5d39p-3);
    q = m_fma_f64(q, h, -0x1.da4b1fa7ea4c4p-1);
    q = m_fma_f64(q, h, 0x1.e55b6cec36252p+1);
    q = m_fma_f64(q, h, -0x1.52ac1447493f4p+3);
    q = m_fma_f64(q, h, 0x1.3baf2ccab0082p+4);
    q = m_fma_f64(q, h, -0x1.72a63bd4c5d42p+4);
    q = m_fma_f64(q, h, 0x1.ffda3baf6ce97p+3);
    return m_fma_f64(q, h, -0x1.f5b0380ecbbd4p+1);
}

/* For |x| below 0.9966, and w below 5, in float, with the low parts of 1 - x^2, of w and of the product
 * beside the high ones. x times a line in w, and times what is left, which is below 1/64. A result
 * must not be subnormal, since the low part of the product would be. */
M_INLINE float m_erfinv_near_f32(float x)
{
    float p = x * x, q = 1.0f - p;
    float lost = (1.0f - q - p) - m_fma_f32(x, x, -p);
    float v = q + lost;
    uint32_t u = m_bits_f32(v) + (0x3f800000 - 0x3f3504f3);
    float f = m_from_bits_f32((u & 0x7fffff) + 0x3f3504f3) - 1.0f;
    float f_lo = (lost - (v - q)) * m_from_bits_f32((254u << 23) - (u & 0xff800000));
    float k = m_from_int_f32(u >> 23); /* v = 2^(k - 127) (1 + f + f_lo) */

    float t = m_fma_f32(-0x1.65b914p-4f, f, 0x1.27c4b4p-3f);
    t = m_fma_f32(t, f, -0x1.32c6c4p-3f);
    t = m_fma_f32(t, f, 0x1.52fdf6p-3f);
    t = m_fma_f32(t, f, -0x1.98a664p-3f);
    t = m_fma_f32(t, f, 0x1.000688p-2f);
    t = m_fma_f32(t, f, -0x1.5557acp-2f);
    t = m_fma_f32(t, f, 0x1.fffff4p-2f);
    float ln = m_fma_f32(k, -0x1.62ep-1f, 127 * 0x1.62ep-1f); /* exact, in the bits it has of ln2 */
    float ln_lo = m_fma_f32(k, -0x1.0bfbe8p-15f, 127 * 0x1.0bfbe8p-15f);
    float w = ln - f;
    float w_lo = m_fma_f32(-f_lo, m_fma_f32(f, -0.85f, 1.0f), m_fma_f32(f * f, t, ln_lo));
    w_lo += ln - w - f;

    float c = (w - 2.5f) + w_lo;
    float g = m_fma_f32(0x1.75640ep-32f, c, -0x1.2d25d2p-27f);
    g = m_fma_f32(g, c, 0x1.34fb9cp-26f);
    g = m_fma_f32(g, c, 0x1.f42364p-22f);
    g = m_fma_f32(g, c, -0x1.ccf4b8p-19f);
    g = m_fma_f32(g, c, -0x1.4cf5eep-18f);
    g = m_fma_f32(g, c, 0x1.c9c568p-13f);
    g = m_fma_f32(g, c, -0x1.48665p-10f);
    g = m_fma_f32(g, c, -0x1.11c42p-8f);
    g = m_fma_f32(g, c, 0x1.91bfa2p-8f);
    g = m_fma_f32(g, c, 0x1.279854p-7f);
    float line = m_fma_f32(0x1.ec908ep-3f, w, 0x1.c84p-1f);
    float line_lo = m_fma_f32(0x1.ec908ep-3f, w, 0x1.c84p-1f - line);
    g += m_fma_f32(0x1.ec908ep-3f, w_lo, line_lo);
    float y = x * line;
    return y - m_fma_f32(-x, g, m_fma_f32(-x, line, y));
}

M_INLINE float m_erfinv_f32(float x)
{
    const float tiny = 0x1p-100f;
    float a = m_abs_f32(x);
    double b = (double)a, w = m_erfinv_log_rough_f64(b);
    float far = (float)(b * (a < tiny ? 0x1.c5bf891b4ef6bp-1 : m_erfinv_outer_rough_f64(w)));
    float y = a >= tiny && a < 0.9966f ? m_erfinv_near_f32(a) : a == 1.0f ? M_INF_F32 : far;
    return m_copysign_f32(a > 1.0f ? M_NAN_F32 : y, x);
}

/* Whether m_erfinv_near_f32 has the bits for all: |x| is below 0.9966, and 0 or not tiny. Of numbers
 * spread evenly, most blocks of so many hold no other. */
enum { M_INNER_BLOCK = 128 };
static inline __attribute__((unused)) bool m_all_inner_f32(const float *x, int64_t n)
{
    uint32_t most = 0, least = 0xffffffffu; /* 0 - 1 is the most */
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = m_bits_f32(x[i]) & 0x7fffffff;
        most = u > most ? u : most;
        least = u - 1 < least ? u - 1 : least;
    }
    return most < m_bits_f32(0.9966f) && least >= m_bits_f32(0x1p-100f) - 1;
}

/* log gamma(1.375 + t) for |t| <= 0.63: (x - 1)(x - 2) q(t), so that the zeros at 1 and 2 are
 * exact. */
M_INLINE double m_lgamma_kernel_f64(double x)
{
    double t = x - 1.375;
    double q = m_fma_f64(-0x1.f214fed6467e4p-13, t, -0x1.5aaec2442eeap-15);
    q = m_fma_f64(q, t, 0x1.590b2a82f4a6cp-11);
    q = m_fma_f64(q, t, 0x1.a77204c8756b7p-15);
    q = m_fma_f64(q, t, -0x1.83cfc265ac5cap-11);
    q = m_fma_f64(q, t, -0x1.602a5d2502d15p-14);
    q = m_fma_f64(q, t, 0x1.21ce015965448p-11);
    q = m_fma_f64(q, t, -0x1.ab0f8f27334b5p-16);
    q = m_fma_f64(q, t, -0x1.2c6cfdc92f599p-13);
    q = m_fma_f64(q, t, -0x1.0b779b06f7823p-13);
    q = m_fma_f64(q, t, 0x1.ee0359b33a2dfp-13);
    q = m_fma_f64(q, t, -0x1.007d4ef9f1e11p-12);
    q = m_fma_f64(q, t, 0x1.6c8bbd15518a3p-12);
    q = m_fma_f64(q, t, -0x1.15bc125df0e04p-11);
    q = m_fma_f64(q, t, 0x1.99d946cf50e1dp-11);
    q = m_fma_f64(q, t, -0x1.2ec8b2b7f4647p-10);
    q = m_fma_f64(q, t, 0x1.c330f5a050dap-10);
    q = m_fma_f64(q, t, -0x1.52b96a92c33efp-9);
    q = m_fma_f64(q, t, 0x1.00962a7ee2486p-8);
    q = m_fma_f64(q, t, -0x1.89356dcaa833bp-8);
    q = m_fma_f64(q, t, 0x1.31d3c3fe015ecp-7);
    q = m_fma_f64(q, t, -0x1.e5856474847efp-7);
    q = m_fma_f64(q, t, 0x1.8cdb39b501559p-6);
    q = m_fma_f64(q, t, -0x1.5357c893b0288p-5);
    q = m_fma_f64(q, t, 0x1.3911f42530ba8p-4);
    q = m_fma_f64(q, t, -0x1.4e6fc9adb1f55p-3);
    q = m_fma_f64(q, t, 0x1.013d8539b967ap-1);
    return (x - 1.0) * (x - 2.0) * q;
}

/* log gamma(a) for a > 0. */
M_INLINE double m_lgamma_positive_f64(double a)
{
    /* Down to [1, 2) from below 8, with the product of what was passed; up by one from below
     * 0.75. */
    double small = a < 8.0 ? a : 1.0;
    double product = small < 0.75 ? small : 1.0;
    double low = small < 0.75 ? small + 1.0 : small;
    for (int i = 0; i < 6; i++) {
        double next = low - 1.0;
        product = low >= 2.0 ? product * next : product;
        low = low >= 2.0 ? next : low;
    }
    double l = m_log_f64(product);
    double near = m_lgamma_kernel_f64(low) + (small < 0.75 ? -l : l);
    double big = a < 8.0 ? 8.0 : a;
    double v = 1.0 / big;
    double u = v * v;
    double s = m_fma_f64(0x1.2223d35fcd1bp-8, u, -0x1.e7c95705e478dp-10);
    s = m_fma_f64(s, u, 0x1.b8e732de6c5bdp-11);
    s = m_fma_f64(s, u, -0x1.3812c0714aba4p-11);
    s = m_fma_f64(s, u, 0x1.a01a00fc5fe36p-11);
    s = m_fma_f64(s, u, -0x1.6c16c16c09d09p-9);
    s = m_fma_f64(s, u, 0x1.5555555555555p-4);
    double far = m_fma_f64(big - 0.5, m_log_f64(big) - 1.0, m_fma_f64(s, v, 0x1.acfe390c97d69p-2));
    far = a < 0x1p1000 ? far : a * (m_log_f64(a) - 1.0);
    return a < 8.0 ? near : far;
}

/* lgamma, log |gamma(x)|: 0.6 ULP in float, 4 in double, for x > 0; below 0 the error is 4 ULP
 * of the larger of two terms that cancel near the zeros. */
M_INLINE double m_lgamma_f64(double x)
{
    double a = m_abs_f64(x);
    double y = m_lgamma_positive_f64(a);
    /* gamma(-a) gamma(a) = -pi / (a sin(pi a)), the sine taken of the distance to the nearest
     * integer. */
    double r = m_abs_f64(a - m_round_f64(a));
    double half = r * 0x1.921fb54442d18p+0;
    double s = 2.0 * m_sin_kernel_f64(half, 0.0, 0) * m_sin_kernel_f64(half, 0.0, 1);
    double below = 0x1.250d048e7a1bdp+0 - m_log_f64(s * a) - y;
    below = r == 0.0 ? M_INF_F64 : below;
    below = a < 0x1p-60 ? -m_log_f64(a) : below;
    y = x < 0.0 ? below : y;
    return x == 0.0 || a == M_INF_F64 ? M_INF_F64 : y;
}

M_INLINE float m_lgamma_f32(float x)
{
    return (float)m_lgamma_f64((double)x);
}

/* digamma: 6 ULP of the larger of the result and 1 (near its zeros terms cancel); in float 0.6,
 * but for 2^-29 around the zeros. NaN at the negative integers, an infinity of the other sign at
 * 0. */
M_INLINE double m_digamma_f64(double x)
{
    double a = x < 0.0 ? 1.0 - x : x;
    double sum = 0.0;
    for (int i = 0; i < 8; i++) {
        sum = a < 8.0 ? sum + 1.0 / a : sum;
        a = a < 8.0 ? a + 1.0 : a;
    }
    double v = 1.0 / a;
    double u = v * v;
    double s = m_fma_f64(0x1.052b69f1ed4cdp-4, u, -0x1.533aa6d0e352ap-6);
    s = m_fma_f64(s, u, 0x1.f03a0c6a2290dp-8);
    s = m_fma_f64(s, u, -0x1.1110b834f33ffp-8);
    s = m_fma_f64(s, u, 0x1.041040cb8d1e3p-8);
    s = m_fma_f64(s, u, -0x1.111111110a96p-7);
    s = m_fma_f64(s, u, 0x1.5555555555555p-4);
    double y = m_log_f64(a) - m_fma_f64(s, u, 0.5 * v) - sum;
    /* digamma(x) = digamma(1 - x) - pi / tan(pi x), where the tangent has period 1. */
    double n = m_round_f64(x);
    double r = (x - n) * 0x1.921fb54442d18p+0;
    double sine = m_sin_kernel_f64(r, 0.0, 0), cosine = m_sin_kernel_f64(r, 0.0, 1);
    double cotangent = (cosine * cosine - sine * sine) / (2.0 * sine * cosine);
    double below = m_fma_f64(-0x1.921fb54442d18p+1, cotangent, y);
    y = x < 0.0 ? (x == n ? M_NAN_F64 : below) : y;
    y = x == M_INF_F64 ? x : y;
    return x == 0.0 ? m_copysign_f64(M_INF_F64, -x) : y;
}

M_INLINE float m_digamma_f32(float x)
{
    return (float)m_digamma_f64((double)x);
}

/* i0, the modified Bessel function of the first kind of order 0, and i0e, e^-|x| times it: 0.6 ULP in
 * float, 4 in double. Up to 8 a polynomial in x^2 / 4; beyond, e^a / sqrt(a) times a polynomial in
 * 1/a; it overflows later than e^a. i0 of infinity is NaN, as PyTorch's. */
M_INLINE double m_i0_near_f64(double small)
{
    double u = 0.25 * small * small;
    double p = m_fma_f64(0x1.8c960dd73c3f8p-98, u, 0x1.c9d6ea30236c9p-89);
    p = m_fma_f64(p, u, 0x1.524e030d6915ap-81);
    p = m_fma_f64(p, u, 0x1.416419a2b3babp-73);
    p = m_fma_f64(p, u, 0x1.e690dd31000dap-66);
    p = m_fma_f64(p, u, 0x1.41a0cea1ce5dfp-58);
    p = m_fma_f64(p, u, 0x1.69c9cebe6ce33p-51);
    p = m_fma_f64(p, u, 0x1.560195816f328p-44);
    p = m_fma_f64(p, u, 0x1.0b3131ee9d578p-37);
    p = m_fma_f64(p, u, 0x1.522a440093f3p-31);
    p = m_fma_f64(p, u, 0x1.522a43f5db596p-25);
    p = m_fma_f64(p, u, 0x1.02e85c089c78bp-19);
    p = m_fma_f64(p, u, 0x1.23456789aba8ap-14);
    p = m_fma_f64(p, u, 0x1.c71c71c71c736p-10);
    p = m_fma_f64(p, u, 0x1.c71c71c71c71cp-6);
    p = m_fma_f64(p, u, 0x1p-2);
    p = m_fma_f64(p, u, 0x1p+0);
    p = m_fma_f64(p, u, 0x1p+0);
    return p;
}

M_INLINE double m_i0_far_f64(double big)
{
    double t = 16.0 / big - 1.0;
    double q = m_fma_f64(-0x1.0adb754ca8b19p-34, t, -0x1.646da6611913p-36);
    q = m_fma_f64(q, t, 0x1.f741903e631aep-32);
    q = m_fma_f64(q, t, 0x1.4ffe43b34b0cep-33);
    q = m_fma_f64(q, t, -0x1.bd05a336c6a55p-30);
    q = m_fma_f64(q, t, -0x1.3a3b59d669597p-31);
    q = m_fma_f64(q, t, 0x1.f3ff264907755p-29);
    q = m_fma_f64(q, t, 0x1.a1d63d6d82361p-30);
    q = m_fma_f64(q, t, -0x1.99204d1a8bb2ep-28);
    q = m_fma_f64(q, t, -0x1.e1db3b1fc3ea5p-29);
    q = m_fma_f64(q, t, 0x1.fe9e1dd494c83p-28);
    q = m_fma_f64(q, t, 0x1.03813921d363bp-27);
    q = m_fma_f64(q, t, -0x1.7369bf37c026dp-28);
    q = m_fma_f64(q, t, -0x1.ccba1604bc157p-27);
    q = m_fma_f64(q, t, -0x1.cfb20ddb53edep-28);
    q = m_fma_f64(q, t, 0x1.0393c5c549066p-27);
    q = m_fma_f64(q, t, 0x1.7232c4c122295p-26);
    q = m_fma_f64(q, t, 0x1.51ce71adfb8dcp-25);
    q = m_fma_f64(q, t, 0x1.7d0f1670e44e2p-24);
    q = m_fma_f64(q, t, 0x1.3f49a7d62b2a7p-22);
    q = m_fma_f64(q, t, 0x1.8e513a708989ep-20);
    q = m_fma_f64(q, t, 0x1.75e5ee7193c9bp-17);
    q = m_fma_f64(q, t, 0x1.1daa72b5e2bd7p-13);
    q = m_fma_f64(q, t, 0x1.b87969bb93b86p-9);
    q = m_fma_f64(q, t, 0x1.9bd428ad249a5p-2);
    return q / m_sqrt_f64(big);
}

M_INLINE double m_i0_f64(double x)
{
    double a = m_abs_f64(x);
    double near = m_i0_near_f64(a < 8.0 ? a : 8.0);
    double big = a < 8.0 ? 8.0 : 720.0 < a ? 720.0 : a;
    uint64_t k;
    double e = m_exp_parts_f64(big, 0.0, &k);
    double far = m_scale_f64(e * m_i0_far_f64(big), k);
    return a < 8.0 ? near : a < M_INF_F64 ? far : M_NAN_F64;
}

/* i0e, e^-|x| i0(x). */
M_INLINE double m_i0e_f64(double x)
{
    double a = m_abs_f64(x);
    double near = m_i0_near_f64(a < 8.0 ? a : 8.0) * m_exp_f64(-a);
    return a < 8.0 ? near : a <= M_INF_F64 ? m_i0_far_f64(a) : x;
}

M_INLINE float m_i0_f32(float x)
{
    return (float)m_i0_f64((double)x);
}

M_INLINE float m_i0e_f32(float x)
{
    return (float)m_i0e_f64((double)x);
}

/* i1 and i1e, those of order 1: 0.6 ULP in float, 4 in double, in the same two pieces. */
M_INLINE double m_i1_near_f64(double small)
{
    double u = 0.25 * small * small;
    double p = m_fma_f64(0x1.08fbc76dd1dfp-92, u, 0x1.38dbeef3ff4f1p-85);
    p = m_fma_f64(p, u, 0x1.5ac53da80dc82p-77);
    p = m_fma_f64(p, u, 0x1.159f90570389ap-69);
    p = m_fma_f64(p, u, 0x1.8be972f0e252ep-62);
    p = m_fma_f64(p, u, 0x1.e260acd0c17e6p-55);
    p = m_fma_f64(p, u, 0x1.f176cf1f1237fp-48);
    p = m_fma_f64(p, u, 0x1.ab81e74959342p-41);
    p = m_fma_f64(p, u, 0x1.2c9758fda3036p-34);
    p = m_fma_f64(p, u, 0x1.522a43f427f3bp-28);
    p = m_fma_f64(p, u, 0x1.27e4fb77a30bbp-22);
    p = m_fma_f64(p, u, 0x1.845c8a0ce3807p-17);
    p = m_fma_f64(p, u, 0x1.6c16c16c16d2p-12);
    p = m_fma_f64(p, u, 0x1.c71c71c71c70fp-8);
    p = m_fma_f64(p, u, 0x1.5555555555556p-4);
    p = m_fma_f64(p, u, 0x1p-1);
    p = m_fma_f64(p, u, 0x1p+0);
    return p;
}

M_INLINE double m_i1_far_f64(double big)
{
    double t = 16.0 / big - 1.0;
    double q = m_fma_f64(0x1.1556db352e8e6p-34, t, 0x1.45b8aea87b95p-36);
    q = m_fma_f64(q, t, -0x1.059e6bcc892fbp-31);
    q = m_fma_f64(q, t, -0x1.341e6ffaf59fap-33);
    q = m_fma_f64(q, t, 0x1.cf243016f9c2cp-30);
    q = m_fma_f64(q, t, 0x1.23214d692a96p-31);
    q = m_fma_f64(q, t, -0x1.04c48e6f24f2ep-28);
    q = m_fma_f64(q, t, -0x1.8b794674af087p-30);
    q = m_fma_f64(q, t, 0x1.acff7707fcc46p-28);
    q = m_fma_f64(q, t, 0x1.d6e5e5ac6b3a2p-29);
    q = m_fma_f64(q, t, -0x1.0f0aac74a7f0dp-27);
    q = m_fma_f64(q, t, -0x1.069735b018307p-27);
    q = m_fma_f64(q, t, 0x1.9a8f6afc3dd3dp-28);
    q = m_fma_f64(q, t, 0x1.e236784650fbp-27);
    q = m_fma_f64(q, t, 0x1.cec9f53b94527p-28);
    q = m_fma_f64(q, t, -0x1.21936a1ea1c23p-27);
    q = m_fma_f64(q, t, -0x1.918f9f9793789p-26);
    q = m_fma_f64(q, t, -0x1.727a1058f659fp-25);
    q = m_fma_f64(q, t, -0x1.ad8d53e613985p-24);
    q = m_fma_f64(q, t, -0x1.76137f7ae6917p-22);
    q = m_fma_f64(q, t, -0x1.ec8e106de0a2fp-20);
    q = m_fma_f64(q, t, -0x1.f89c230615615p-17);
    q = m_fma_f64(q, t, -0x1.cbc54df1e92ep-13);
    q = m_fma_f64(q, t, -0x1.3f796198ee62dp-7);
    q = m_fma_f64(q, t, 0x1.8ebe783a8403p-2);
    return q / m_sqrt_f64(big);
}

M_INLINE double m_i1_f64(double x)
{
    double a = m_abs_f64(x);
    double near = 0.5 * x * m_i1_near_f64(a < 8.0 ? a : 8.0);
    double big = a < 8.0 ? 8.0 : 720.0 < a ? 720.0 : a;
    uint64_t k;
    double e = m_exp_parts_f64(big, 0.0, &k);
    double far = m_scale_f64(e * m_i1_far_f64(big), k);
    return a < 8.0 ? near : a < M_INF_F64 ? m_copysign_f64(far, x) : M_NAN_F64;
}

/* i1e, e^-|x| i1(x). */
M_INLINE double m_i1e_f64(double x)
{
    double a = m_abs_f64(x);
    double near = 0.5 * x * m_i1_near_f64(a < 8.0 ? a : 8.0) * m_exp_f64(-a);
    return a < 8.0 ? near : a <= M_INF_F64 ? m_copysign_f64(m_i1_far_f64(a), x) : x;
}

M_INLINE float m_i1_f32(float x)
{
    return (float)m_i1_f64((double)x);
}

M_INLINE float m_i1e_f32(float x)
{
    return (float)m_i1e_f64((double)x);
}

#endif
