/* Airy's function ai, the solution of y'' = x y that decays.
 *
 * Polynomials on unit intervals from -8 to 2. Beyond, with z = 2/3 |x|^(3/2) in two parts: to the
 * right e^-z / (2 sqrt(pi) x^(1/4)) times a polynomial in 1/z; to the left a wave of phase z + pi/4
 * (Abramowitz and Stegun, 10.4.59 and 10.4.60). All are Chebyshev interpolations of mpmath's values.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_AIRY_H
#define FLAMBEAU_POINTWISE_MATH_AIRY_H

#include "math_exp.h"
#include "math_trig.h"

/* 2/3 a^(3/2) and what it lacks, for a > 0. */
M_INLINE double m_airy_phase_f64(double a, double *lo)
{
    double s = m_sqrt_f64(a), p = a * s;
    double p_lo = m_fma_f64(a, s, -p) + a * (m_fma_f64(-s, s, a) / (s + s));
    double z = p * 0x1.5555555555555p-1;
    *lo = m_fma_f64(p, 0x1.5555555555555p-1, -z) + p * 0x1.5555555555555p-55 +
          p_lo * 0x1.5555555555555p-1;
    return z;
}

M_CALL double m_airy_right_f64(double x)
{
    static const double FAR[26] = {
        -0x1.a3e66c48282a9p-36, 0x1.3a6e9fb7ca75bp-35,  0x1.a0d712fedd5dep-34,
        -0x1.1e7bb0d764e8fp-33, -0x1.fa1921ce59affp-33, 0x1.5841c686de65fp-32,
        0x1.dec114bb0907cp-33,  -0x1.f7621d65c45e1p-33, -0x1.fd32d1c018a32p-32,
        0x1.948b413c7aee5p-31,  -0x1.c6a8630d8fe0bp-31, 0x1.05bc0e240db91p-29,
        -0x1.382b74757e53fp-28, 0x1.5e7e7527ab029p-27,  -0x1.9821d3a78d4fdp-26,
        0x1.f1e059a08e899p-25,  -0x1.3e1d597e6c04bp-23, 0x1.ad3203463c877p-22,
        -0x1.34f9cce457ed1p-20, 0x1.e18cf6eff77dcp-19,  -0x1.9e8b68ade6873p-17,
        0x1.968a3b4045f4ap-15,  -0x1.ddd739cba3cbep-13, 0x1.7276586a1ad66p-10,
        -0x1.deda93a68b4ap-7,   0x1.f7a4cf9aff946p-1};
    double lo, z = m_airy_phase_f64(x < 120.0 ? x : 120.0, &lo);
    uint64_t k;
    double e = m_exp_parts_f64(-z, -lo, &k);
    double f = m_polynomial_f64(FAR, 26, 0x1.e2b7dddfefa66p+1 / z - 1.0);
    return m_scale_f64(e * (f * 0x1.20dd750429b6dp-2 / m_sqrt_f64(m_sqrt_f64(x))), k);
}

M_CALL double m_airy_left_f64(double x)
{
    static const double P[9] = {
        0x1.5378a189b422ap-51,  -0x1.f27be0a807353p-48, 0x1.cb79190f91d71p-44,
        -0x1.20d741b30d8adp-39, 0x1.0690fa4fc664bp-34,  -0x1.852e284b055e3p-29,
        0x1.2152d204a05cap-22,  -0x1.53ecda3014369p-14, 0x1.fff55775bd033p-1};
    static const double Q[10] = {-0x1.15422e3983658p-51, 0x1.2e822c7f45b8p-48,
                                 -0x1.82a082386929cp-45, 0x1.3e2defb5de3efp-41,
                                 -0x1.5401a5021f44p-37,  0x1.f79cb16fa8026p-33,
                                 -0x1.1ca9f7d861ccbp-27, 0x1.1eca5aed0973p-21,
                                 -0x1.598dfbdfa4a6ap-14, 0x1.1c1ad1ee86c99p-4};
    double lo, z = m_airy_phase_f64(-x, &lo), w = 0x1.e2b7dddfefa66p+3 / z;
    double s = m_sin_f64(z), c = m_cos_f64(z), t = m_fma_f64(2.0 * w, w, -1.0);
    double sine = m_fma_f64(c, lo, s), cosine = m_fma_f64(-s, lo, c);
    double wave = m_polynomial_f64(P, 9, t) * (sine + cosine) -
                  m_polynomial_f64(Q, 10, t) / z * (cosine - sine);
    return wave * 0x1.9884533d43651p-2 / m_sqrt_f64(m_sqrt_f64(-x));
}

/* ai: 4 ULP, below 0 of its amplitude. NaN at the infinities, as in PyTorch. */
M_CALL double m_airy_ai_f64(double x)
{
    static const double NEAR[10][20] = {
        {0x1.072f38545d7a8p-49,  0x1.34c24571a5036p-45,  -0x1.f64b7bfa4e5cap-42,
         -0x1.e493ec79e7638p-40, 0x1.ff782d105cc15p-35,  -0x1.b149c97f15aecp-34,
         -0x1.48b3a964e2915p-28, 0x1.bda0689aabbc6p-26,  0x1.07c12a0a64aedp-22,
         -0x1.32abbddc0fd63p-19, -0x1.cdd2608498552p-18, 0x1.d9b2c606d729cp-14,
         0x1.9ac2d51ee7585p-15,  -0x1.a74702a1ec3bap-9,  0x1.1a9dace2ec895p-9,
         0x1.8fbbc002e1a82p-5,   -0x1.6128e7519ea3fp-5,  -0x1.34e7999d61c7bp-2,
         0x1.4675ffd3b25d9p-3,   0x1.497f92ca01e61p-2},
        {-0x1.d9a7e269b72cbp-51, -0x1.cefd3e742525bp-47, 0x1.c8a7fe358fcb2p-43,
         0x1.be2f46c858c6bp-42,  -0x1.cf24f53ad3ceep-36, 0x1.b38291c608447p-34,
         0x1.1980e12db030cp-29,  -0x1.2e6725f71cb5p-26,  -0x1.6b9197ef0ea01p-24,
         0x1.86c3d94c8d17ep-20,  0x1.69305a3620dc4p-22,  -0x1.2619a9fc84a03p-14,
         0x1.1e66d5653077p-13,   0x1.0218f3ba0569fp-9,   -0x1.7d1175ae7d252p-8,
         -0x1.e6aace4d777f8p-6,  0x1.62100577643bfp-4,   0x1.8c10d71f99cbap-3,
         -0x1.59935f836551ap-2,  -0x1.e7773026e4abdp-3},
        {0x1.c784e3d2f88b5p-52,  0x1.fd9607e00726bp-49, -0x1.8d8613d13ff9ap-44,
         0x1.ff2f338837009p-44,  0x1.6e5e283e14405p-37, -0x1.550269f4211eap-34,
         -0x1.5d8b2881adad9p-31, 0x1.68c2dbb3cfdffp-27, 0x1.65aa6a38bad28p-29,
         -0x1.9aa346ec9880ap-21, 0x1.66e2c3d1ca451p-19, 0x1.09f1cdd4f19f4p-15,
         -0x1.a792416bbd1adp-13, -0x1.6553fb504176p-11, 0x1.b77ad6daee375p-8,
         0x1.82c78c7cfac8fp-8,   -0x1.941446a08e4bfp-4, -0x1.909522c678d4ep-7,
         0x1.ba780ec73ea42p-2,   0x1.2355309057e0ap-6},
        {-0x1.9e809c9854fcfp-53, -0x1.18b204cef65d8p-51, 0x1.2fd43b9cc0c53p-45,
         -0x1.b2c497515377cp-43, -0x1.b1abc9a09a877p-39, 0x1.91c5d66b6be74p-35,
         0x1.656963605bb0fp-35,  -0x1.4a9da8438a5cap-28, 0x1.8ea6e29a1eb44p-26,
         0x1.16b0edf12ea26p-22,  -0x1.705e1e57d4e5fp-19, -0x1.1f49dd9b51bd6p-18,
         0x1.371c084642adfp-13,  -0x1.01a9634f107e5p-12, -0x1.0e9f98d06b6a4p-8,
         0x1.9f84fbc6fab1cp-7,   0x1.c3cd9c4b751edp-5,   -0x1.508f5c68518e1p-3,
         -0x1.0bf62c807eea1p-2,  0x1.2b2a1940487e5p-2},
        {0,
         -0x1.0dc091f9f1a35p-52,
         -0x1.585776b171455p-47,
         0x1.19ef0967a46f8p-43,
         0x1.79cbf80219b52p-42,
         -0x1.5145f2c1330c7p-36,
         0x1.d2ca20dd66dd6p-34,
         0x1.677ba6f26986cp-30,
         -0x1.424926b8fe83fp-26,
         0x1.395545ec98443p-30,
         0x1.74dbd8f62e9e5p-20,
         -0x1.c75ab79964757p-18,
         -0x1.878ce0fbdc8fbp-15,
         0x1.f053634ba6f32p-12,
         0x1.1eccb1dfcbec6p-12,
         -0x1.c32c20619adb1p-7,
         0x1.1a1e43061412dp-6,
         0x1.507a723b41486p-3,
         -0x1.5fafa2aad827cp-3,
         -0x1.808bf043b852cp-2},
        {-0x1.8100ef290769p-56,  0x1.f7299f846592fp-53,  0x1.a6be351ebfacep-50,
         -0x1.ccb5276d12b82p-45, 0x1.38042616150f3p-42,  0x1.4242cb873771p-38,
         -0x1.4b329eb175946p-34, 0x1.879b6d0a184e4p-34,  0x1.e8cf15c9b5b02p-28,
         -0x1.f5c9f46c3756fp-25, -0x1.a9504d2d1cbecp-23, 0x1.619d6aa9c3571p-18,
         -0x1.079f3a640d325p-16, -0x1.9400afe7e790bp-13, 0x1.6e530cb8252aep-10,
         0x1.bf9b4d0b748b4p-10,  -0x1.34d060df9ee1ep-5,  0x1.1f8d5b3a9f6cep-5,
         0x1.5b9295e8ef584p-2,   -0x1.cc155ec43247dp-4},
        {0,
         0,
         0,
         0x1.971f9340ec4f6p-47,
         -0x1.b20852ee97bep-43,
         0x1.52290f2ca522cp-42,
         0x1.9b9a2ccec2167p-36,
         -0x1.1a1e3bf251b42p-32,
         -0x1.6ec87c38ae94fp-32,
         0x1.e4838ce1217d7p-26,
         -0x1.902c9169ba72fp-23,
         -0x1.c9bbec193a4e1p-21,
         0x1.29c2e08d96c7ap-16,
         -0x1.c5bff5dd0de6ap-15,
         -0x1.1d563563d98c3p-11,
         0x1.1bcf72b438b0bp-8,
         0x1.4cd63c5bc7657p-17,
         -0x1.648c8ea7271fap-4,
         0x1.3c9b8221ef635p-3,
         0x1.db661389897f8p-2},
        {0,
         0,
         0,
         0,
         0x1.dbb8c6a5d405fp-45,
         -0x1.807b522863299p-41,
         -0x1.10e0bac14c09ep-43,
         0x1.90536c4655332p-34,
         -0x1.f1bf06134322ep-31,
         -0x1.234e9c1e65644p-30,
         0x1.984b876312c8ep-24,
         -0x1.78b66ffdb5efbp-21,
         -0x1.892e978a0ef82p-20,
         0x1.bf0b832f06814p-15,
         -0x1.11be31907f38bp-12,
         -0x1.8ae5ac39c1197p-11,
         0x1.8a6c703871a39p-7,
         -0x1.e72543cd05e5dp-6,
         -0x1.a1f5921e923fp-4,
         0x1.e72543cd05e5dp-2},
        {0,
         0,
         0,
         0,
         0,
         0x1.badb6fc75c58p-43,
         -0x1.623d79fb054eap-39,
         0x1.44d4e664e8a23p-39,
         0x1.400b815a42c63p-32,
         -0x1.d7c99d695b37fp-29,
         0x1.92d0a5ec8e87dp-28,
         0x1.0cbed463b756bp-22,
         -0x1.6d51732190803p-19,
         0x1.993e14e825002p-18,
         0x1.bcba11fdc3bccp-14,
         -0x1.0b8914ad5bce8p-10,
         0x1.4599a423ea68ep-9,
         0x1.da822d743843ep-7,
         -0x1.cc9de4b290e91p-4,
         0x1.da822d743844p-3},
        {0,
         0,
         0,
         0,
         -0x1.48fbc407a6b74p-48,
         0x1.7b07a9b54b917p-47,
         0x1.52ca429b22e0ep-41,
         -0x1.4d0662e1eb00ap-37,
         0x1.6fd4a43d0b4fbp-35,
         0x1.57ecb8010894fp-31,
         -0x1.97d7694adeeddp-27,
         0x1.36fe28929ebf4p-24,
         0x1.f4cbd483250f4p-23,
         -0x1.f9c5726406653p-18,
         0x1.cdc86e9a45cafp-15,
         -0x1.6c06e2714e81fp-14,
         -0x1.95e7d0c8c0777p-10,
         0x1.b8d4336bb3ca2p-7,
         -0x1.8ee0710605791p-5,
         0x1.25e2ccf277dc1p-4}};
    if (!(m_abs_f64(x) < M_INF_F64))
        return M_NAN_F64;
    if (x < -8.0)
        return m_airy_left_f64(x);
    if (x >= 2.0)
        return m_airy_right_f64(x);
    int i = (int)(x + 8.0);
    return m_polynomial_f64(NEAR[i], 20, 2.0 * (x - (double)(i - 8)) - 1.0);
}

M_ROUNDED(airy_ai)

#endif
