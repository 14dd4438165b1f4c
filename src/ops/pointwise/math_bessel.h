/* Bessel functions: j0, j1, y0 and y1 of the first and second kind, k0 and k1, modified, of the second.
 *
 * Polynomials in a t that runs from -1 to 1, Chebyshev interpolations of mpmath's values, with zeros,
 * poles and logarithms split off. Beyond 5, j and y are an amplitude and a phase, sqrt(2 / pi x) times
 * P cos c - Q sin c and P sin c + Q cos c, where c = x - pi/4, less pi/2 for order 1 (Abramowitz and
 * Stegun, 9.2.5 and 9.2.6); its sine and cosine are made of those of x, so that a large x loses
 * nothing. The errors of j and y are in units of the last place of their amplitude, or of the result
 * where that is larger. Not inline: a loop around these does not vectorise. The float versions are the
 * double ones rounded.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_BESSEL_H
#define FLAMBEAU_POINTWISE_MATH_BESSEL_H

#include "math_special.h"
#include "math_trig.h"

/* j (second: y) of an order, for x >= 5. P and x Q are polynomials in 50 / x^2 - 1. */
M_CALL double m_bessel_wave_f64(double x, int order, int second)
{
    static const double P0[19] = {
        0x1.93b20ae0b5dfep-40,  -0x1.3a9a744507aafp-39, -0x1.8fa29a7dae927p-39,
        0x1.e0a990fa9a1bep-39,  0x1.260e7dc4ea2fdp-37,  -0x1.dfd1f31e771d8p-37,
        0x1.bae6a5675c692p-37,  -0x1.37439ae824e6ap-35, 0x1.cb6c7359d1be4p-34,
        -0x1.398ee19c4e7bcp-32, 0x1.d5584b0354ca1p-31,  -0x1.8a86464f1d21fp-29,
        0x1.7bfa1eca82aecp-27,  -0x1.b4ebd44f941ffp-25, 0x1.3f88ee6eac547p-22,
        -0x1.4a2bb234fe024p-19, 0x1.24e857e031385p-15,  -0x1.5bfe8e4499278p-10,
        0x1.ff4d0e58750e7p-1};
    static const double P1[19] = {
        -0x1.aaf1d00d97e24p-40, 0x1.4d57047483f35p-39,  0x1.a48afa3875cfdp-39,
        -0x1.f957a8b0aa642p-39, -0x1.38649be0a4a39p-37, 0x1.fffd18a7540ap-37,
        -0x1.e164c1e780321p-37, 0x1.5239f745c86f1p-35,  -0x1.f383b1bd7ff0bp-34,
        0x1.56cc7f3d83cb7p-32,  -0x1.0244b906bbbf8p-30, 0x1.b5bcbd267aaeep-29,
        -0x1.aa2bd5b834ecfp-27, 0x1.f1801f6b891c9p-25,  -0x1.743c6fcaaf5fep-22,
        0x1.8fc8a4519a43fp-19,  -0x1.800dd41111785p-15, 0x1.25cb0665de446p-9,
        0x1.00961eaac1aa9p+0};
    static const double Q0[21] = {
        -0x1.a8775ea3a7f33p-38, 0x1.2d37e798f0449p-37,  0x1.3689d7f87863ap-36,
        -0x1.7f9c06f4cb36p-36,  -0x1.4789894ecc9fbp-35, 0x1.adf297aa682ddp-35,
        0x1.eb7eba2d2c4dap-38,  0x1.0a1285e7ea39cp-36,  -0x1.0caab54fdafe4p-33,
        0x1.1c35d9a93db62p-32,  -0x1.3f3f56331d114p-31, 0x1.a209f16bc2237p-30,
        -0x1.273243006122cp-28, 0x1.c8e9f593699a3p-27,  -0x1.8e8dd89a70191p-25,
        0x1.953c7bae2adbdp-23,  -0x1.f930577aa1p-21,    0x1.a2b325efb6e64p-18,
        -0x1.09dd7055e3afcp-14, 0x1.5883682266d31p-10,  -0x1.fa53af1a412d6p-4};
    static const double Q1[20] = {
        -0x1.3d86d1792c3aap-37, 0x1.d0a65cb3a03bbp-37,  0x1.9337a594c6006p-36,
        -0x1.f0c8a96b56a95p-36, -0x1.c604bc5b8da36p-35, 0x1.3ebffcea5681bp-34,
        -0x1.29a4c978bc127p-36, 0x1.482fa52c07dc7p-34,  -0x1.325b58b594212p-32,
        0x1.67d0fa95a01c6p-31,  -0x1.c74936eff1ef2p-30, 0x1.42cf25e6a1dc3p-28,
        -0x1.f7e89b954ef67p-27, 0x1.bb9af0829fb1dp-25,  -0x1.c8b310837efdcp-23,
        0x1.21e1275afe127p-20,  -0x1.ee9665ed7598cp-18, 0x1.4b4523f72885ep-14,
        -0x1.e8dbf08d12888p-10, 0x1.7e0025755b90ep-2};
    double t = 50.0 / (x * x) - 1.0;
    double p = order ? m_polynomial_f64(P1, 19, t) : m_polynomial_f64(P0, 19, t);
    double q = (order ? m_polynomial_f64(Q1, 20, t) : m_polynomial_f64(Q0, 21, t)) / x;
    double s = m_sin_f64(x), c = m_cos_f64(x);
    double sum = s + c, gap = s - c; /* sqrt(2) times the phase's cosine and sine, for order 0 */
    double y = order == second ? p * sum - q * gap : p * gap + q * sum;
    return (order && second ? -y : y) * 0x1.20dd750429b6dp-1 / m_sqrt_f64(x);
}

/* j0: 2.5 ULP. Up to 5 its first two zeros are split off, in two parts each; up to 1 the 1. */
M_CALL double m_bessel_j0_f64(double x)
{
    static const double NEAR[12] = {
        -0x1.96589e0d107bdp-52, 0x1.50aa4a71eeec7p-46,  -0x1.d91d10eef16a3p-41,
        0x1.1648bb1be27d6p-35,  -0x1.0cdec1eb12685p-30, 0x1.a13bed4381091p-26,
        -0x1.f9558f6abe2ap-22,  0x1.cc073a3fdf466p-18,  -0x1.2ab4ba4dd3ff3p-14,
        0x1.ff5f552d941d9p-12,  -0x1.f799f81a24df2p-10, 0x1.a1c5e862f307cp-9};
    static const double INNER[8] = {0x1.4e03dc1ce1801p-54, -0x1.4d927b7bd3669p-45,
                                    0x1.fdf18aa2e0547p-37, -0x1.1e40ba74801d3p-28,
                                    0x1.be16665dc1bep-21,  -0x1.bc8ced515d931p-14,
                                    0x1.f1f17e9bc13e7p-8,  -0x1.f03872583e05cp-3};
    double a = m_abs_f64(x);
    if (a > 5.0)
        return m_bessel_wave_f64(a, 0, 0);
    if (a < 1.0)
        return m_fma_f64(a * a, m_polynomial_f64(INNER, 8, m_fma_f64(2.0 * a, a, -1.0)), 1.0);
    double first = (a - 0x1.33d152e971b4p+1 + 0x1.0f539d7da258ep-53) * (a + 0x1.33d152e971b4p+1);
    double second = (a - 0x1.6148f5b2c2e45p+2 - 0x1.75054cd60a517p-54) * (a + 0x1.6148f5b2c2e45p+2);
    return first * second * m_polynomial_f64(NEAR, 12, m_fma_f64(0.08 * a, a, -1.0));
}

/* j1: 3.5 ULP. Up to 5 its zeros at 0 and near 3.8 are split off. */
M_CALL double m_bessel_j1_f64(double x)
{
    static const double NEAR[13] = {
        -0x1.74adbafc67582p-53, 0x1.4df092a4a2f3ep-47,  -0x1.ff29dde95d7ap-42,
        0x1.4a45b9d078f76p-36,  -0x1.623701dae085ap-31, 0x1.35278ce236c83p-26,
        -0x1.ac92400b19962p-22, 0x1.c95360babdc49p-18,  -0x1.686a2a3c3f229p-14,
        0x1.8bf87b5439004p-11,  -0x1.15e32ff822fa4p-8,  0x1.acf566aaededbp-7,
        -0x1.041c9423ec767p-6};
    double a = m_abs_f64(x);
    if (a > 5.0)
        return m_copysign_f64(1.0, x) * m_bessel_wave_f64(a, 1, 0);
    double first = (a - 0x1.ea75575af6f09p+1 + 0x1.60155a9d1b256p-53) * (a + 0x1.ea75575af6f09p+1);
    return x * (first * m_polynomial_f64(NEAR, 13, m_fma_f64(0.08 * a, a, -1.0)));
}

/* y0: 4 ULP. Up to 5, 2/pi log(x) j0(x) and an even polynomial; its first zero is split off near it. */
M_CALL double m_bessel_y0_f64(double x)
{
    static const double NEAR[15] = {
        -0x1.1638180b3825cp-49, 0x1.06b223a56d301p-43,  -0x1.a940411742b8dp-38,
        0x1.23cf639f57016p-32,  -0x1.4e02820c0e44ap-27, 0x1.38e97d038e939p-22,
        -0x1.d4ca0d1ce3d89p-18, 0x1.1084623b5261ap-13,  -0x1.d898823c2a8e9p-10,
        0x1.20efffecdb202p-6,   -0x1.c8c5dcec5515ap-4,  0x1.8dd73e3860a7fp-2,
        -0x1.e1dec550e2064p-2,  -0x1.bb0a20bc8fa17p-2,  0x1.ef5591b23addcp-2};
    static const double MIDDLE[30] = {
        -0x1.6b657e1915c9ep-32, 0x1.5ebda83eb140ep-31,  0x1.3fba60a531cb8p-30,
        -0x1.1dddc158948a2p-29, -0x1.18f0dd6aca174p-28, 0x1.fddcf4710a5cep-28,
        0x1.9297ac3d6adcfp-30,  -0x1.0a3e451b232ep-30,  -0x1.60452880841efp-26,
        0x1.5a2702290d1p-25,    -0x1.1185e06ae8a9dp-24, 0x1.24ca73c976c8fp-23,
        -0x1.43c962a7538bbp-22, 0x1.55dadb975f424p-21,  -0x1.69326f5c4b1f6p-20,
        0x1.810f906e42a6ap-19,  -0x1.9c55a53b8215p-18,  0x1.bb8cbad461c57p-17,
        -0x1.dfd8a2d62394ap-16, 0x1.05499729347ccp-14,  -0x1.1ec97976f6ee8p-13,
        0x1.3dbaaeba8f28ep-12,  -0x1.63fdf38ce3df6p-11, 0x1.945ffd5ddd978p-10,
        -0x1.d51fc80497eb1p-9,  0x1.18038f7957608p-7,   -0x1.3784349cc9218p-6,
        0x1.49ee79a13a2b2p-5,   -0x1.ceb9852847b8dp-3,  0x1.a89a6e6601034p-1};
    if (x > 5.0)
        return m_bessel_wave_f64(x, 0, 1);
    if (!(x > 0.0))
        return x == 0.0 ? -M_INF_F64 : M_NAN_F64;
    if (x > 0.5 && x < 1.5)
        return (x - 0x1.c982eb8d417eap-1 - 0x1.ea9d270347f83p-56) *
               m_polynomial_f64(MIDDLE, 30, 2.0 * x - 2.0);
    double near = m_polynomial_f64(NEAR, 15, m_fma_f64(0.08 * x, x, -1.0));
    return m_fma_f64(0x1.45f306dc9c883p-1 * m_log_f64(x), m_bessel_j0_f64(x), near);
}

/* y1: 4 ULP. Up to 5, 2/pi (log(x) j1(x) - 1/x) and an odd polynomial. */
M_CALL double m_bessel_y1_f64(double x)
{
    static const double NEAR[15] = {
        -0x1.2fcf7b2c61f4dp-54, 0x1.3441777912ef2p-48,  -0x1.0db4e97e76408p-42,
        0x1.92d2eb1ca20ddp-37,  -0x1.f9eb33552d88ap-32, 0x1.06a94d242dc66p-26,
        -0x1.b9b6abb687da4p-22, 0x1.2508be43f0382p-17,  -0x1.2893671e20289p-13,
        0x1.b5777b8435cccp-10,  -0x1.b82fcf4b7e771p-7,  0x1.0fc1d2bad4f78p-4,
        -0x1.4e11f71d95a0fp-3,  0x1.75172069e41bbp-4,   0x1.1e34eda905916p-3};
    if (x > 5.0)
        return m_bessel_wave_f64(x, 1, 1);
    if (!(x > 0.0))
        return x == 0.0 ? -M_INF_F64 : M_NAN_F64;
    double near = x * m_polynomial_f64(NEAR, 15, m_fma_f64(0.08 * x, x, -1.0));
    double rest = m_fma_f64(0x1.45f306dc9c883p-1 * m_log_f64(x), m_bessel_j1_f64(x), near);
    return rest - 0x1.45f306dc9c883p-1 / x;
}

/* e^x k0(x) sqrt(x) and e^x k1(x) sqrt(x) for x >= 1: polynomials in 1/x, one up to 6 and one beyond. */
M_CALL double m_bessel_k0_far_f64(double x)
{
    static const double MIDDLE[24] = {
        -0x1.4c39dd0fd98e3p-36, 0x1.41d31e5362d4ep-35,  0x1.447185edc0299p-35,
        -0x1.035315345aad2p-34, -0x1.8e2f1f59f2f74p-33, 0x1.80dcc39d78ba9p-32,
        -0x1.550458d4dba69p-32, 0x1.b3380b78d25c2p-31,  -0x1.3fea92408f34p-29,
        0x1.780fd3c61c0ffp-28,  -0x1.be7b0c2e2454ep-27, 0x1.1632a3533be46p-25,
        -0x1.640e699389eb9p-24, 0x1.d4d291329104ep-23,  -0x1.3fa0f19506b44p-21,
        0x1.c6293cbe83bf2p-20,  -0x1.52fd2b5511c8p-18,  0x1.0cdbcf9a47aefp-16,
        -0x1.cc9f77b89552dp-15, 0x1.b4f6de5c4001fp-13,  -0x1.de9ab5d95efddp-11,
        0x1.47aae9ca9cfcdp-8,   -0x1.538d5856d0875p-5,  0x1.2e813fd7a9eebp+0};
    static const double FAR[16] = {
        -0x1.36e943ee1414ap-43, 0x1.0306113a9f8f5p-41,  -0x1.31febd00a802ap-40,
        0x1.2ce4dd857d4e9p-38,  -0x1.4385238ab9932p-36, 0x1.5a979c4c802bfp-34,
        -0x1.8cb39b1e2d59ap-32, 0x1.ebffaf173f523p-30,  -0x1.4e0433c5355f1p-27,
        0x1.f9597f6676b31p-25,  -0x1.b4902e561beebp-22, 0x1.be6c8a3776f8ep-19,
        -0x1.1df94a0456c32p-15, 0x1.fc0e73cbf1987p-12,  -0x1.882d16a05a7ebp-7,
        0x1.3da69b28638eap+0};
    return x < 6.0 ? m_polynomial_f64(MIDDLE, 24, (2.4 - 1.4 * x) / x)
                   : m_polynomial_f64(FAR, 16, 12.0 / x - 1.0);
}

M_CALL double m_bessel_k1_far_f64(double x)
{
    static const double MIDDLE[24] = {
        0x1.77babaa55c3bbp-36,  -0x1.6d37e6a65bf5ep-35, -0x1.69d00878d4c45p-35,
        0x1.20c7047865fa5p-34,  0x1.c6c2cd1bea30dp-33,  -0x1.ba4805894f88p-32,
        0x1.95c08187c29c7p-32,  -0x1.033938b758c5bp-30, 0x1.7b65c2f7df56bp-29,
        -0x1.c1905edd800bap-28, 0x1.0d7d5dbf4884dp-26,  -0x1.5308355cc36d2p-25,
        0x1.b6ade3b9926a7p-24,  -0x1.249163fffa984p-22, 0x1.951fc9658a9a7p-21,
        -0x1.254420755cf21p-19, 0x1.c0299ca3610b5p-18,  -0x1.6e5fb804e8335p-16,
        0x1.46ffb873810cp-14,   -0x1.493fd6627a3e1p-12, 0x1.8d0d7ba62280ap-10,
        -0x1.4844df58af484p-7,  0x1.3837678317deep-3,   0x1.7e11df8ac00a7p+0};
    static const double FAR[16] = {
        0x1.54bc31dd0defbp-43,  -0x1.1d5ea70f51cb5p-41, 0x1.54f985d0789a8p-40,
        -0x1.517b1daff2743p-38, 0x1.6d39caf4c8e81p-36,  -0x1.8b18c6bd61b06p-34,
        0x1.c99d49bca9c36p-32,  -0x1.1fefffe67aaccp-29, 0x1.8e4ed6688fb39p-27,
        -0x1.34d806eeaffcp-24,  0x1.14266f322af03p-21,  -0x1.29520d25fe8a5p-18,
        0x1.9f2f5c6e96d45p-15,  -0x1.b78822cc910fap-11, 0x1.31b9df86ad62cp-5,
        0x1.4aa184c64cfadp+0};
    return x < 6.0 ? m_polynomial_f64(MIDDLE, 24, (2.4 - 1.4 * x) / x)
                   : m_polynomial_f64(FAR, 16, 12.0 / x - 1.0);
}

/* k0 for 0 < x < 1: an even polynomial less log(x) i0(x), two terms of one sign. */
M_CALL double m_bessel_k0_near_f64(double x)
{
    static const double NEAR[9] = {
        0x1.e61b7806ec4fep-54, 0x1.d18d9ed13d0b1p-45, 0x1.527ba0abfe1d2p-36,
        0x1.6546fbabbe4b3p-28, 0x1.0120e8a956b1ep-20, 0x1.cb6b8d18ee4c4p-14,
        0x1.b2d72c6a79dedp-8,  0x1.3830d94ea686dp-3,  0x1.0c2047108e956p-2};
    double even = m_polynomial_f64(NEAR, 9, m_fma_f64(2.0 * x, x, -1.0));
    return m_fma_f64(-m_log_f64(x), m_i0_f64(x), even);
}

/* k1 for 0 < x < 1: 1/x + log(x) i1(x) and an odd polynomial. */
M_CALL double m_bessel_k1_near_f64(double x)
{
    static const double NEAR[8] = {-0x1.db68a108d714bp-49, -0x1.8ca57959dc4dp-40,
                                   -0x1.eb4b13e98efafp-32, -0x1.ac12dc43dea1ep-24,
                                   -0x1.e53d2237dc1ebp-17, -0x1.3b728099ba46fp-10,
                                   -0x1.710ab17f0d2b8p-5,  -0x1.684507a99024ap-2};
    double odd = x * m_polynomial_f64(NEAR, 8, m_fma_f64(2.0 * x, x, -1.0));
    return 1.0 / x + m_fma_f64(m_log_f64(x), m_i1_f64(x), odd);
}

/* k0 and k1, and e^x times them (scaled): 3 ULP. Infinite at 0, NaN below it. */
M_INLINE double m_bessel_k_f64(double x, int order, int scaled)
{
    if (!(x > 0.0))
        return x == 0.0 ? M_INF_F64 : M_NAN_F64;
    if (x < 1.0) {
        double y = order ? m_bessel_k1_near_f64(x) : m_bessel_k0_near_f64(x);
        return scaled ? m_exp_f64(x) * y : y;
    }
    double y = (order ? m_bessel_k1_far_f64(x) : m_bessel_k0_far_f64(x)) / m_sqrt_f64(x);
    uint64_t k;
    double e = m_exp_parts_f64(x < 760.0 ? -x : -760.0, 0.0, &k);
    return scaled ? y : m_scale_f64(e * y, k);
}

M_CALL double m_modified_bessel_k0_f64(double x)
{
    return m_bessel_k_f64(x, 0, 0);
}

M_CALL double m_modified_bessel_k1_f64(double x)
{
    return m_bessel_k_f64(x, 1, 0);
}

M_CALL double m_scaled_modified_bessel_k0_f64(double x)
{
    return m_bessel_k_f64(x, 0, 1);
}

M_CALL double m_scaled_modified_bessel_k1_f64(double x)
{
    return m_bessel_k_f64(x, 1, 1);
}

M_ROUNDED(bessel_j0)
M_ROUNDED(bessel_j1)
M_ROUNDED(bessel_y0)
M_ROUNDED(bessel_y1)
M_ROUNDED(modified_bessel_k0)
M_ROUNDED(modified_bessel_k1)
M_ROUNDED(scaled_modified_bessel_k0)
M_ROUNDED(scaled_modified_bessel_k1)

#endif
