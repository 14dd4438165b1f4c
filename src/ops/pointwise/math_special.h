/* Special functions: erfinv, lgamma, digamma, i0, i1, i0e, i1e. The float versions are, but for erfinv, the double ones
 * rounded.
 *
 * erfinv refines an estimate with erf itself in double, and looks polynomials up in float. The gamma family uses Stirling's series from 8 on,
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

/* Beyond 1 - 2^-8, in double, where 1 - x^2 is exact: an estimate good to 2^-28 in the root of w, up to
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
    double q = m_fma_f64(-0x1.6ec5e55edc71dp-16, h, 0x1.a84bd58741934p-11);
    q = m_fma_f64(q, h, -0x1.b353dc7509f5dp-7);
    q = m_fma_f64(q, h, 0x1.04d37a013d660p-3);
    q = m_fma_f64(q, h, -0x1.93d5381b36af3p-1);
    q = m_fma_f64(q, h, 0x1.a51261b890e30p+1);
    q = m_fma_f64(q, h, -0x1.2a1e5f28a117cp+3);
    q = m_fma_f64(q, h, 0x1.18c08fbdb0c94p+4);
    q = m_fma_f64(q, h, -0x1.4b542d4a41b41p+4);
    q = m_fma_f64(q, h, 0x1.cba00b501f53cp+3);
    return m_fma_f64(q, h, -0x1.b7871bbb0521fp+1);
}

/* For |x| below 1 - 2^-8, in float: of 1 - |x|, which is exact where it counts, the exponent and the
 * first bit choose among 16 polynomials for erfinv(x) / x. Rows of the table: the middle of an
 * interval, the value there in two parts, and what r, the distance from the middle, is multiplied
 * with. A result must not be subnormal, since the product with what is left would be; and what is
 * left of the first interval is above 0, so that -0 stays what it is. */
static M_TABLE float m_erfinv_table[10][16] __attribute__((unused)) = {
    {0x1.fbp-1f, 0x1.f9p-1f, 0x1.f6p-1f, 0x1.f2p-1f, 0x1.ecp-1f, 0x1.e4p-1f, 0x1.d8p-1f, 0x1.c8p-1f,
     0x1.bp-1f, 0x1.9p-1f, 0x1.6p-1f, 0x1.2p-1f, 0x1.8p-2f, 0x1p-3f, 0x1.fd8p-1f, 0x1.fc8p-1f},
    {0x1.d85edap+0f, 0x1.c48a0ep+0f, 0x1.af24a2p+0f, 0x1.9aa96cp+0f, 0x1.84b912p+0f, 0x1.6fec22p+0f,
     0x1.59ebeap+0f, 0x1.456798p+0f, 0x1.302d1ep+0f, 0x1.1cf6dp+0f, 0x1.09ee68p+0f, 0x1.f3b952p-1f,
     0x1.d7e1fp-1f, 0x1.c5bf88p-1f, 0x1.00012p+1f, 0x1.ecfa98p+0f},
    {-0x1.99eeb6p-25f, -0x1.7576a2p-26f, 0x1.c80ad2p-29f, 0x1.58d7ccp-25f, 0x1.24895ep-25f,
     0x1.eae1dap-27f, -0x1.9ab2fcp-25f, -0x1.8f1432p-27f, -0x1.a77d5p-26f, 0x1.547932p-26f,
     -0x1.22a424p-27f, 0x1.3dce9ep-26f, -0x1.649cecp-29f, 0x1.df4b3cp-9f, 0x1.37d964p-24f,
     0x1.7dac52p-26f},
    {-0x1.75b1d4p+4f, -0x1.0fddap+4f, -0x1.830b6ap+3f, -0x1.17e62p+3f, -0x1.8b16ep+2f,
     -0x1.1aaf36p+2f, -0x1.8923d8p+1f, -0x1.14274p+1f, -0x1.762044p+0f, -0x1.fbc826p-1f,
     -0x1.45837ap-1f, -0x1.940d48p-2f, -0x1.a4a7a2p-3f, -0x1.e375ap-5f, -0x1.661898p+5f,
     -0x1.054abep+5f},
    {0x1.19cb76p+10f, 0x1.26c636p+9f, 0x1.289028p+8f, 0x1.360f2ap+7f, 0x1.3777a6p+6f,
     0x1.44ceacp+5f, 0x1.44f052p+4f, 0x1.511306p+3f, 0x1.4ef606p+2f, 0x1.595e7ep+1f, 0x1.568684p+0f,
     0x1.6604fap-1f, 0x1.7c626ap-2f, 0x1.f4519ap-3f, 0x1.0bfb34p+12f, 0x1.182438p+11f},
    {-0x1.218664p+16f, -0x1.b09116p+14f, -0x1.30c504p+13f, -0x1.c7b3f8p+11f, -0x1.4110bcp+10f,
     -0x1.dfb0fcp+8f, -0x1.5154d4p+7f, -0x1.f646d4p+5f, -0x1.5f33aep+4f, -0x1.034c6p+3f,
     -0x1.6573c2p+1f, -0x1.010b28p+0f, -0x1.456b4ep-2f, -0x1.138d1ap-4f, -0x1.13b01ap+19f,
     -0x1.9b6212p+17f},
    {0x1.52af06p+22f, 0x1.698d3cp+20f, 0x1.6435b2p+18f, 0x1.7cad86p+16f, 0x1.775a5ep+14f,
     0x1.913b5ap+12f, 0x1.8b66c6p+10f, 0x1.a5f7dep+8f, 0x1.9e75fp+6f, 0x1.b832c2p+4f,
     0x1.ad64eap+2f, 0x1.c59444p+0f, 0x1.c3401cp-2f, 0x1.310cdcp-3f, 0x1.42eefp+26f,
     0x1.5842a8p+24f},
    {-0x1.a94f38p+28f, -0x1.4759e6p+26f, -0x1.bf58bap+23f, -0x1.51bed2p+21f, -0x1.d6fc08p+18f,
     -0x1.67bce4p+16f, -0x1.f03b9ep+13f, -0x1.7da6aap+11f, -0x1.051ea2p+9f, -0x1.8e11c2p+6f,
     -0x1.0fc188p+4f, -0x1.993486p+1f, -0x1.1080bep-1f, -0x1.288b82p-4f, -0x1.962a0ep+33f,
     -0x1.36b87p+31f},
    {0x1.294d3ep+35f, 0x1.397a2ep+32f, 0x1.381b86p+29f, 0x1.49d77p+26f, 0x1.48b67p+23f,
     0x1.5badfap+20f, 0x1.5a41cap+17f, 0x1.6da8acp+14f, 0x1.6cdb1cp+11f, 0x1.802fcap+8f,
     0x1.7dca22p+5f, 0x1.8f8954p+2f, 0x1.8c8dp-1f, 0x1.f26e7ep-4f, 0x1.1c3796p+41f,
     0x1.2a64c8p+38f},
    {-0x1.9c456cp+41f, -0x1.997e22p+37f, -0x1.a99a82p+34f, -0x1.c43d66p+31f, -0x1.c341cp+27f,
     -0x1.568cdp+24f, -0x1.dfec64p+20f, -0x1.0db1dcp+17f, -0x1.f1d04cp+13f, -0x1.5bfc2ep+10f,
     -0x1.080d68p+7f, -0x1.99ff4cp+3f, -0x1.0e517ap+0f, -0x1.4c82p-4f, -0x1.87991p+48f,
     -0x1.e8b77cp+44f}};

#define M_ERFINV_BELOW_1 0x1.fffffep-1f /* 1 less a unit: 0 belongs to the interval beside it */
#define M_ERFINV_SHIFT   22
#define M_ERFINV_INNER   0x1.fep-1f /* 1 - 2^-8 */
#define M_ERFINV_TINY    0x1p-100f

M_INLINE float m_erfinv_inner_f32(float x)
{
    float a = m_abs_f32(x);
    uint32_t i = m_bits_f32(M_ERFINV_BELOW_1 - a) >> M_ERFINV_SHIFT & 15;
    float r = m_erfinv_table[0][i] - a;
    float p = m_fma_f32(m_erfinv_table[9][i], r, m_erfinv_table[8][i]);
    p = m_fma_f32(p, r, m_erfinv_table[7][i]);
    p = m_fma_f32(p, r, m_erfinv_table[6][i]);
    p = m_fma_f32(p, r, m_erfinv_table[5][i]);
    p = m_fma_f32(p, r, m_erfinv_table[4][i]);
    p = m_fma_f32(p, r, m_erfinv_table[3][i]);
    p = m_fma_f32(p, r, m_erfinv_table[2][i]);
    return m_fma_f32(x, m_erfinv_table[1][i], x * p);
}

/* erfinv x, given what m_erfinv_inner_f32 says of it. */
M_INLINE float m_erfinv_outer_f32(float x, float inner)
{
    float a = m_abs_f32(x);
    double b = (double)a, w = m_erfinv_log_rough_f64(b);
    double far = b * (a < M_ERFINV_TINY ? 0x1.c5bf891b4ef6bp-1 : m_erfinv_outer_rough_f64(w));
    float y = m_copysign_f32(a > 1.0f ? M_NAN_F32 : a == 1.0f ? M_INF_F32 : (float)far, x);
    return a >= M_ERFINV_TINY && a < M_ERFINV_INNER ? inner : y;
}

M_INLINE float m_erfinv_f32(float x)
{
    return m_erfinv_outer_f32(x, m_erfinv_inner_f32(x));
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
