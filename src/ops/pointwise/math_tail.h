/* The normal distribution's tail: erfcx, log_ndtr, ndtri.
 *
 * erfcx x = e^(x^2) erfc x, of which what is small where erfc vanishes is made. Not inline: a loop
 * around these does not vectorise. The float versions are the double ones rounded.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_TAIL_H
#define FLAMBEAU_POINTWISE_MATH_TAIL_H

#include "math_erf.h"
#include "math_log.h"
#include "math_special.h"

/* erfcx: 3 ULP. For x >= 1/2, 1 / (1 + 2x) times a polynomial in (x - 4) / (x + 4), which maps all from 0
 * to [-1, 1); below 0, 2 e^(x^2) - erfcx(-x), with the square in two parts. */
M_CALL double m_erfcx_f64(double x)
{
    static const double FAR[26] = {
        -0x1.2e4a1567a7226p-33, -0x1.246d137a7141bp-32, 0x1.ec1f75354e746p-30,
        0x1.b39ff8659b236p-29,  -0x1.f96a93e7cc6fp-27,  -0x1.613ab11aa87fdp-26,
        0x1.d8dd577cdf1c6p-24,  0x1.4cbb15f961e46p-24,  -0x1.bae01eb0d8ac7p-21,
        0x1.3981051d34c77p-22,  0x1.7f2369c34c9ffp-18,  -0x1.78861f18ee7b4p-17,
        -0x1.9958ab3ba5c33p-16, 0x1.3be04bf52bb5ap-13,  -0x1.a1df2abbaddf5p-13,
        -0x1.8d4a9b00c7997p-11, 0x1.49c6728d8f7d4p-8,   -0x1.0962388397d97p-6,
        0x1.3079edf66992fp-5,   -0x1.0fb06dfe5229fp-4,  0x1.7fee004e1312cp-4,
        -0x1.9ddb23c3e8a22p-4,  0x1.16ecefcfa5342p-4,   0x1.f7f5df66fd6c2p-7,
        -0x1.1df1ad154a28ep-3,  0x1.3ba5916e9fd7fp+0};
    double a = m_abs_f64(x);
    if (a < 0.5) {
        double c = 1.0 - m_erf_f64(x);
        return m_fma_f64(m_expm1_f64(x * x), c, c);
    }
    a = 1e300 < a ? 1e300 : a;
    double y = m_polynomial_f64(FAR, 26, (a - 4.0) / (a + 4.0)) / m_fma_f64(2.0, a, 1.0);
    if (!(x < 0.0))
        return x == M_INF_F64 ? 0.0 : y;
    a = 27.0 < a ? 27.0 : a;
    double h = a * a;
    uint64_t k;
    double e = m_exp_parts_f64(h, m_fma_f64(a, a, -h), &k);
    return m_scale_f64(2.0 * e, k) - y;
}

/* log_ndtr, the logarithm of the normal distribution function: 4 ULP. */
M_CALL double m_log_ndtr_f64(double x)
{
    if (x < 0.0)
        return m_log_f64(0.5 * m_erfcx_f64(x * -0x1.6a09e667f3bcdp-1)) - 0.5 * x * x;
    if (x < 0.9)
        return m_log1p_f64(-0.5 * (1.0 - m_erf_f64(x * 0x1.6a09e667f3bcdp-1)));
    double a = 39.0 < x ? 39.0 : x;
    uint64_t k;
    double e, r = m_normal_tail_f64(a, &e, &k);
    return m_log1p_f64(-m_scale_f64(e * r, k));
}

/* ndtri, the inverse of the normal distribution function: 4 ULP. By erfinv in the middle; in a tail a
 * guess good to 1e-9, a polynomial in w = sqrt(-2 log p), then one step of Newton's method on the
 * logarithm. */
M_CALL double m_ndtri_f64(double p)
{
    static const double GUESS[17] = {
        -0x1.d77eccb6599a9p-16, 0x1.b8166bfdd5278p-15,  0x1.1554ce522acf6p-17,
        0x1.cf0f9496dbf6ep-21,  -0x1.ac3decd71adfbp-13, 0x1.97a09a51d456ap-12,
        -0x1.40529fe201a44p-11, 0x1.4a23cf7eee649p-10,  -0x1.5bdbd18051b4ap-9,
        0x1.5bf9f54d53bc8p-8,   -0x1.5aea536222fedp-7,  0x1.53a46c1868d04p-6,
        -0x1.476009e7e9619p-5,  0x1.2aa570e0dc2dp-4,    -0x1.fc3ed89ce213p-4,
        0x1.27c1cf8fa4fa6p-3,   0x1.dc2e4c6b0d37bp-1};
    double tail = p > 0.5 ? 1.0 - p : p;
    if (!(tail > 0.0))
        return tail == 0.0 ? m_copysign_f64(M_INF_F64, p - 0.5) : M_NAN_F64;
    if (tail > 0.17)
        return 0x1.6a09e667f3bcdp+0 * m_erfinv_f64(2.0 * p - 1.0);
    double l = m_log_f64(tail), w = m_sqrt_f64(-2.0 * l);
    double t = m_fma_f64((w - 4.0) / (w + 4.0), 0x1.b425f0b766fbdp+0, -0x1.8c0474efea160p-2);
    double x = w * m_polynomial_f64(GUESS, 17, t);
    double scaled = m_erfcx_f64(x * 0x1.6a09e667f3bcdp-1);
    double miss = m_log_f64(0.5 * scaled) - m_fma_f64(0.5 * x, x, l);
    x = m_fma_f64(miss * 0x1.40d931ff62706p+0, scaled, x);
    return p > 0.5 ? x : -x;
}

M_ROUNDED(erfcx)
M_ROUNDED(log_ndtr)
M_ROUNDED(ndtri)

#endif
