/* Circular functions and their inverses: sin, cos, tan, asin, acos, atan, atan2, sinc.
 *
 * An angle is brought to |r| <= pi/4 by taking away a multiple of pi/2. Up to a limit that is done
 * with pi in three parts. Beyond it x is an integer times a power of two, and the bits of 1/(2 pi)
 * that matter for it are multiplied as integers (Payne and Hanek's method), so that the sine of any
 * number is right. In float this too is free of branches and of tables; m_*_near_* leave it out,
 * for loops that know their angles to be within M_NEAR_*.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_TRIG_H
#define FLAMBEAU_POINTWISE_MATH_TRIG_H

#include "math_bits.h"

#define M_NEAR_F32 0x1p17f
#define M_NEAR_F64 0x1p25

/* Whether all of n numbers are. Loops ask it for M_NEAR_BLOCK elements at a time. */
enum { M_NEAR_BLOCK = 2048 };
M_INLINE bool m_all_below_f32(const float *x, int64_t n, float bound)
{
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = m_bits_f32(x[i]) & 0x7fffffff;
        most = u > most ? u : most;
    }
    return most < m_bits_f32(bound);
}
static inline __attribute__((unused)) bool m_all_near_f32(const float *x, int64_t n)
{
    return m_all_below_f32(x, n, M_NEAR_F32);
}
static inline __attribute__((unused)) bool m_all_near_f64(const double *x, int64_t n)
{
    uint64_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t u = m_bits_f64(x[i]) & ~((uint64_t)1 << 63);
        most = u > most ? u : most;
    }
    return most < m_bits_f64(M_NEAR_F64);
}

M_INLINE uint32_t m_high_product(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b >> 32);
}

/* a / (2 pi) modulo 1, for a >= 2^17, as a fraction of 64 bits, of which *lo gets the lower
 * half. The words are 8 zero bits and then 1/(2 pi): of these the ones of weight above that of
 * a's last bit give whole turns and are skipped, the next 96 are used. */
M_INLINE uint32_t m_turns_f32(float a, uint32_t *lo)
{
    uint32_t u = m_bits_f32(a);
    uint32_t m = (u & 0x7fffff) | 0x800000;
    uint32_t skip = (u >> 23) - 142;
    uint32_t far = skip & 64, mid = skip & 32, by = skip & 31, back = 31 - by;
    uint32_t a0 = far ? 0x4a7f09d5 : 0x0028be60;
    uint32_t a1 = far ? 0xf47d4d37 : 0xdb939105;
    uint32_t a2 = far ? 0x7036d8a5 : 0x4a7f09d5;
    uint32_t a3 = far ? 0x664f10e4 : 0xf47d4d37;
    uint32_t a4 = far ? 0x107f9458 : 0x7036d8a5;
    uint32_t b0 = mid ? a1 : a0;
    uint32_t b1 = mid ? a2 : a1;
    uint32_t b2 = mid ? a3 : a2;
    uint32_t b3 = mid ? a4 : a3;
    uint32_t w0 = (b0 << by) | ((b1 >> 1) >> back);
    uint32_t w1 = (b1 << by) | ((b2 >> 1) >> back);
    uint32_t w2 = (b2 << by) | ((b3 >> 1) >> back);
    uint32_t p = m * w1;
    *lo = p + m_high_product(m, w2);
    return m * w0 + m_high_product(m, w1) + (*lo < p);
}

/* sin r, or cos r where quarter is odd, for |r| <= pi/4; minus that where bit 1 of quarter is
 * set. */
M_INLINE float m_sin_kernel_f32(float r, uint32_t quarter)
{
    float u = r * r;
    float s = m_fma_f32(-0x1.991696p-13f, u, 0x1.1106bcp-7f);
    s = m_fma_f32(s, u, -0x1.555544p-3f);
    s = m_fma_f32(r * u, s, r);
    float c = m_fma_f32(0x1.99e0ecp-16f, u, -0x1.6c0c1ap-10f);
    c = m_fma_f32(c, u, 0x1.55554ap-5f);
    c = m_fma_f32(u * u, c, m_fma_f32(-0.5f, u, 1.0f));
    return m_from_bits_f32(m_bits_f32(quarter & 1 ? c : s) ^ (quarter << 30 & 0x80000000));
}

/* a less the nearest multiple of pi/2, and in *quarter its number modulo 4; a >= 0. */
M_INLINE float m_quarters_near_f32(float a, uint32_t *quarter)
{
    float z = m_fma_f32(a, 0x1.45f306p-1f, M_MAGIC_F32);
    float n = z - M_MAGIC_F32;
    *quarter = m_bits_f32(z);
    float r = m_fma_f32(n, -0x1.921fb6p+0f, a);
    r = m_fma_f32(n, 0x1.777a5cp-25f, r);
    return m_fma_f32(n, 0x1.ee59dap-50f, r);
}

M_INLINE float m_quarters_f32(float a, uint32_t *quarter)
{
    uint32_t near_quarter;
    float near = m_quarters_near_f32(a, &near_quarter);
    uint32_t lo, hi = m_turns_f32(a, &lo);
    uint32_t far_quarter = (hi + 0x20000000) >> 30;
    /* The rest is a signed fraction of a quarter turn. Its magnitude is taken as 24 bits and 31
     * more, both exact. */
    hi = hi << 2 | lo >> 30;
    uint32_t minus = 0 - (hi >> 31);
    hi ^= minus;
    lo = (lo << 2) ^ minus;
    float top = (float)(int32_t)(hi & 0xffffff80) * 0x1p-32f;
    float rest = (float)(int32_t)((hi & 0x7f) << 24 | lo >> 8) * 0x1p-56f;
    float far = m_fma_f32(rest, 0x1.921fb6p+0f, top * -0x1.777a5cp-25f);
    far = m_fma_f32(top, 0x1.921fb6p+0f, far);
    far = m_from_bits_f32(m_bits_f32(far) ^ (minus & 0x80000000)) + (a - a);
    *quarter = a < M_NEAR_F32 ? near_quarter : far_quarter;
    return a < M_NEAR_F32 ? near : far;
}

M_INLINE float m_flip_f32(float x, uint32_t sign)
{
    return m_from_bits_f32(m_bits_f32(x) ^ (sign & 0x80000000));
}

/* sin and cos: 1.6 ULP. */
M_INLINE float m_sin_f32(float x)
{
    uint32_t quarter;
    float r = m_quarters_f32(m_abs_f32(x), &quarter);
    return m_flip_f32(m_sin_kernel_f32(r, quarter), m_bits_f32(x));
}

M_INLINE float m_cos_f32(float x)
{
    uint32_t quarter;
    float r = m_quarters_f32(m_abs_f32(x), &quarter);
    return m_sin_kernel_f32(r, quarter + 1);
}

/* The same for |x| < M_NEAR_F32 alone; the bits agree. */
M_INLINE float m_sin_near_f32(float x)
{
    uint32_t quarter;
    float r = m_quarters_near_f32(m_abs_f32(x), &quarter);
    return m_flip_f32(m_sin_kernel_f32(r, quarter), m_bits_f32(x));
}

M_INLINE float m_cos_near_f32(float x)
{
    uint32_t quarter;
    float r = m_quarters_near_f32(m_abs_f32(x), &quarter);
    return m_sin_kernel_f32(r, quarter + 1);
}

/* a less the nearest multiple of pi/2, in double, and whether that is an odd one; a >= 0. */
M_INLINE double m_rest_near_f32(float a, uint32_t *odd)
{
    double z = m_fma_f64((double)a, 0x1.45f306dc9c883p-1, M_MAGIC_F64);
    double n = z - M_MAGIC_F64;
    *odd = (uint32_t)m_bits_f64(z) & 1;
    double r = m_fma_f64(n, -0x1.921fb54442d18p+0, (double)a);
    return m_fma_f64(n, -0x1.1a62633145c07p-54, r);
}

/* tan r, or -1 / tan r where odd, with the sign of x. */
M_INLINE float m_tan_kernel_f32(double r, uint32_t odd, float x)
{
    double u = r * r;
    double s = m_fma_f64(0x1.0c1c0af4f0c87p-9, u, -0x1.3da5fd2b5e915p-11);
    s = m_fma_f64(s, u, 0x1.47d09b659bd93p-8);
    s = m_fma_f64(s, u, 0x1.10db2e90e60efp-7);
    s = m_fma_f64(s, u, 0x1.6837568d2f6bap-6);
    s = m_fma_f64(s, u, 0x1.b9feb752e1b72p-5);
    s = m_fma_f64(s, u, 0x1.11117a32a9ba0p-3);
    s = m_fma_f64(s, u, 0x1.55555451babfcp-2);
    double p = m_fma_f64(r * u, s, r);
    float y = (float)((odd ? -1.0 : p) / (odd ? p : 1.0));
    return m_flip_f32(y, m_bits_f32(x));
}

/* tan: 0.6 ULP, computed in double. */
M_INLINE float m_tan_near_f32(float x)
{
    uint32_t odd;
    double r = m_rest_near_f32(m_abs_f32(x), &odd);
    return m_tan_kernel_f32(r, odd, x);
}

M_INLINE float m_tan_f32(float x)
{
    float a = m_abs_f32(x);
    uint32_t near_odd, lo, hi = m_turns_f32(a, &lo), far_odd = (hi + 0x20000000) >> 30 & 1;
    double near = m_rest_near_f32(a, &near_odd);
    hi = hi << 2 | lo >> 30;
    double far = (double)(int32_t)hi * 0x1p-32 + (double)(int32_t)(lo << 2 >> 1) * 0x1p-63;
    far = far * 0x1.921fb54442d18p+0 + (double)(a - a);
    bool is_near = a < M_NEAR_F32;
    return m_tan_kernel_f32(is_near ? near : far, is_near ? near_odd : far_odd, x);
}

/* 1/(2 pi) from its first bit; 64 zero bits stand before it. */
static M_TABLE uint64_t m_inverse_turn[] __attribute__((unused)) = {
    0x0000000000000000, 0x28be60db9391054a, 0x7f09d5f47d4d3770, 0x36d8a5664f10e410,
    0x7f9458eaf7aef158, 0x6dc91b8e909374b8, 0x01924bba82746487, 0x3f877ac72c4a69cf,
    0xba208d7d4baed121, 0x3a671c09ad17df90, 0x4e64758e60d4ce7d, 0x272117e2ef7e4a0e,
    0xc7fe25fff7816603, 0xfbcbc462d6829b47, 0xdb4d9fb3c9f2c26d, 0xd3d18fd9a797fa8b,
    0x5d49eeb1faf97c5e, 0xcf41ce7de294a4ba, 0x9afed7ec47e35742, 0x1580cc11bf1edaea,
};

/* As m_quarters_f32, with what the result lost in *lo, for any a. A call, because it is rare. */
static __attribute__((noinline, unused)) double m_quarters_far_f64(double a, double *lo,
                                                                   uint64_t *quarter)
{
    uint64_t u = m_bits_f64(a);
    *lo = 0.0;
    *quarter = 0;
    if (u >= 0x7ff0000000000000)
        return a - a;
    uint64_t m = (u & 0xfffffffffffff) | 0x10000000000000;
    unsigned skip = (unsigned)(u >> 52) - 1075 + 64, word = skip / 64, by = skip % 64;
    M_CONSTANT uint64_t *from = m_inverse_turn + word;
    uint64_t w[3];
    for (unsigned i = 0; i < 3; i++)
        w[i] = (from[i] << by) | ((from[i + 1] >> 1) >> (63 - by));
#ifdef M_MUL_HIGH /* without integers of 128 bits: two words, of which the sum is made again */
    uint64_t low = m * w[1] + M_MUL_HIGH(m, w[2]);
    uint64_t high = m * w[0] + M_MUL_HIGH(m, w[1]) + (low < m * w[1]);
    *quarter = (high + ((uint64_t)1 << 61)) >> 62;
    high = high << 2 | low >> 62, low <<= 2;
    double first = (double)(int64_t)high;
    double second = (double)(int64_t)(high - (uint64_t)(int64_t)first) * 0x1p-64;
    second += (double)low * 0x1p-128, first *= 0x1p-64;
    double hi = first + second, rest = first - hi + second;
#else
    unsigned __int128 t = ((unsigned __int128)(m * w[0]) << 64) + (unsigned __int128)m * w[1] +
                          (((unsigned __int128)m * w[2]) >> 64);
    *quarter = ((uint64_t)(t >> 64) + ((uint64_t)1 << 61)) >> 62;
    __int128 h = (__int128)(t << 2);
    double hi = (double)h;
    double rest = (double)(h - (__int128)hi) * 0x1p-128;
    hi *= 0x1p-128;
#endif
    double r = hi * 0x1.921fb54442d18p+0;
    double tail = m_fma_f64(hi, 0x1.1a62633145c07p-54, rest * 0x1.921fb54442d18p+0);
    *lo = m_fma_f64(hi, 0x1.921fb54442d18p+0, -r) + tail;
    return r;
}

/* a less the nearest multiple n of pi/2, for a < M_NEAR_F64, with what it lost in *lo. */
M_INLINE double m_quarters_near_f64(double a, double *lo, uint64_t *quarter)
{
    double z = m_fma_f64(a, 0x1.45f306dc9c883p-1, M_MAGIC_F64);
    double n = z - M_MAGIC_F64;
    *quarter = m_bits_f64(z);
    double h = m_fma_f64(n, -0x1.921fb54442d18p+0, a);
    double p = n * 0x1.1a62633145c07p-54;
    double r = h - p;
    double v = r - h;
    double lost = (h - (r - v)) - (p + v);
    *lo = lost - m_fma_f64(n, -0x1.f1976b7ed8fbcp-110, m_fma_f64(n, 0x1.1a62633145c07p-54, -p));
    return r;
}

/* sin(r + lo), or cos where quarter is odd, for |r| <= pi/4; minus that where bit 1 of quarter
 * is set. */
M_INLINE double m_sin_kernel_f64(double r, double lo, uint64_t quarter)
{
    double u = r * r;
    double s = m_fma_f64(0x1.5d7dcda3a996ep-33, u, -0x1.ae5e1eb18aca3p-26);
    s = m_fma_f64(s, u, 0x1.71de351ea6f64p-19);
    s = m_fma_f64(s, u, -0x1.a01a019badedbp-13);
    s = m_fma_f64(s, u, 0x1.111111110f579p-7);
    s = m_fma_f64(s, u, -0x1.5555555555547p-3);
    double h = m_fma_f64(-0.5, u, 1.0);
    s = r + m_fma_f64(r * u, s, h * lo);
    double c = m_fma_f64(-0x1.8f94243db384bp-37, u, 0x1.1ee9b9e890819p-29);
    c = m_fma_f64(c, u, -0x1.27e4f7c23a5c4p-22);
    c = m_fma_f64(c, u, 0x1.a01a019c515d1p-16);
    c = m_fma_f64(c, u, -0x1.6c16c16c14dc4p-10);
    c = m_fma_f64(c, u, 0x1.555555555554ap-5);
    c = h + (m_fma_f64(-0.5, u, 1.0 - h) + m_fma_f64(u * u, c, -r * lo));
    return m_from_bits_f64(m_bits_f64(quarter & 1 ? c : s) ^ (quarter << 62 & ((uint64_t)1 << 63)));
}

M_INLINE double m_flip_f64(double x, uint64_t sign)
{
    return m_from_bits_f64(m_bits_f64(x) ^ (sign & ((uint64_t)1 << 63)));
}

/* sin and cos for |x| < M_NEAR_F64 alone. */
M_INLINE double m_sin_near_f64(double x)
{
    uint64_t quarter;
    double lo, r = m_quarters_near_f64(m_abs_f64(x), &lo, &quarter);
    return m_flip_f64(m_sin_kernel_f64(r, lo, quarter), m_bits_f64(x));
}

M_INLINE double m_cos_near_f64(double x)
{
    uint64_t quarter;
    double lo, r = m_quarters_near_f64(m_abs_f64(x), &lo, &quarter);
    return m_sin_kernel_f64(r, lo, quarter + 1);
}

/* sin and cos: 0.9 ULP. A branch for angles of 2^25 and more keeps a loop from vectorising:
 * where speed matters, look at the angles first and call m_*_near_f64. */
static inline __attribute__((unused)) double m_sin_f64(double x)
{
    double a = m_abs_f64(x), lo;
    if (a < M_NEAR_F64)
        return m_sin_near_f64(x);
    uint64_t quarter;
    double r = m_quarters_far_f64(a, &lo, &quarter);
    return m_flip_f64(m_sin_kernel_f64(r, lo, quarter), m_bits_f64(x));
}

static inline __attribute__((unused)) double m_cos_f64(double x)
{
    double a = m_abs_f64(x), lo;
    if (a < M_NEAR_F64)
        return m_cos_near_f64(x);
    uint64_t quarter;
    double r = m_quarters_far_f64(a, &lo, &quarter);
    return m_sin_kernel_f64(r, lo, quarter + 1);
}

/* tan(r + lo), or -1 / tan(r + lo), for |r| <= pi/4. */
M_INLINE double m_tan_kernel_f64(double r, double lo, uint64_t odd)
{
    double u = r * r;
    double s = m_fma_f64(0x1.48d48c7875511p-17, u, -0x1.974beeefd312cp-16);
    s = m_fma_f64(s, u, 0x1.98049ea4efce9p-15);
    s = m_fma_f64(s, u, -0x1.ae17ab4f54ffdp-16);
    s = m_fma_f64(s, u, 0x1.19f233be14d5fp-14);
    s = m_fma_f64(s, u, 0x1.5e7a555cc8e7ep-14);
    s = m_fma_f64(s, u, 0x1.ff2e55154d68ap-13);
    s = m_fma_f64(s, u, 0x1.34bc1ce82479cp-11);
    s = m_fma_f64(s, u, 0x1.7db18ee0dd624p-10);
    s = m_fma_f64(s, u, 0x1.d6d2e7ade1edbp-9);
    s = m_fma_f64(s, u, 0x1.226e3a817568dp-7);
    s = m_fma_f64(s, u, 0x1.664f485d24e01p-6);
    s = m_fma_f64(s, u, 0x1.ba1ba1babf349p-5);
    s = m_fma_f64(s, u, 0x1.11111111105d2p-3);
    s = m_fma_f64(s, u, 0x1.555555555555ep-2);
    double tail = m_fma_f64(r * u, s, lo);
    double p = r + tail;
    tail = (r - p) + m_fma_f64(p * p, lo, tail);
    /* -1 / (p + tail), by the quotient and its correction. */
    double q = -1.0 / p;
    double rest = m_fma_f64(q, p, 1.0) + q * tail;
    return odd ? m_fma_f64(q, rest, q) : p + tail;
}

/* tan: 1.3 ULP; the remark at sin and cos holds. */
M_INLINE double m_tan_near_f64(double x)
{
    uint64_t quarter;
    double lo, r = m_quarters_near_f64(m_abs_f64(x), &lo, &quarter);
    return m_flip_f64(m_tan_kernel_f64(r, lo, quarter & 1), m_bits_f64(x));
}

static inline __attribute__((unused)) double m_tan_f64(double x)
{
    double a = m_abs_f64(x), lo;
    if (a < M_NEAR_F64)
        return m_tan_near_f64(x);
    uint64_t quarter;
    double r = m_quarters_far_f64(a, &lo, &quarter);
    return m_flip_f64(m_tan_kernel_f64(r, lo, quarter & 1), m_bits_f64(x));
}

/* sinc, sin(pi x) / (pi x), 1 at 0 and NaN at infinity: 0.6 ULP in float, 2 in
 * double. x is brought to |r| <= 1/4 by
 * taking away halves, which is exact; pi has two parts, also where it divides. */
M_INLINE double m_sinc_f64(double x)
{
    double n = m_round_f64(x + x);
    double r = m_fma_f64(-0.5, n, x);
    double p = r * 0x1.921fb54442d18p+1;
    double lo = m_fma_f64(r, 0x1.1a62633145c07p-53, m_fma_f64(r, 0x1.921fb54442d18p+1, -p));
    double z = n - 4.0 * m_round_f64(0.25 * n) + M_MAGIC_F64;
    double s = m_sin_kernel_f64(p, lo, m_bits_f64(z));
    double d = x * 0x1.921fb54442d18p+1;
    double q = s / d;
    double d_lo = m_fma_f64(x, 0x1.1a62633145c07p-53, m_fma_f64(x, 0x1.921fb54442d18p+1, -d));
    q = m_fma_f64(-q, d_lo / d, q);
    q = m_abs_f64(x) >= 0x1p52 ? x - x : q;
    return m_abs_f64(x) < 0x1p-28 ? 1.0 : q;
}

M_INLINE float m_sinc_f32(float x)
{
    return (float)m_sinc_f64((double)x);
}

/* asin s - s for 0 <= s <= 1/2, given z = s^2. */
M_INLINE float m_asin_tail_f32(float s, float z)
{
    float p = m_fma_f32(0x1.596d3p-5f, z, 0x1.8c2dacp-6f);
    p = m_fma_f32(p, z, 0x1.747d04p-5f);
    p = m_fma_f32(p, z, 0x1.3301fcp-4f);
    p = m_fma_f32(p, z, 0x1.5555c8p-3f);
    return s * z * p;
}

M_INLINE double m_asin_tail_f64(double s, double z)
{
    double p = m_fma_f64(0x1.0bd022cd213a6p-5, z, -0x1.599f03a136e64p-6);
    p = m_fma_f64(p, z, 0x1.64b30a3d50c7dp-6);
    p = m_fma_f64(p, z, 0x1.e29b83c24b2fap-9);
    p = m_fma_f64(p, z, 0x1.61712e63e1edap-7);
    p = m_fma_f64(p, z, 0x1.757cf581c694p-7);
    p = m_fma_f64(p, z, 0x1.ca207db3241d3p-7);
    p = m_fma_f64(p, z, 0x1.1c49e7a9356f9p-6);
    p = m_fma_f64(p, z, 0x1.6e8bdf46d8aap-6);
    p = m_fma_f64(p, z, 0x1.f1c71a922ec5dp-6);
    p = m_fma_f64(p, z, 0x1.6db6db72171b2p-5);
    p = m_fma_f64(p, z, 0x1.333333332e10ap-4);
    p = m_fma_f64(p, z, 0x1.5555555555577p-3);
    return s * z * p;
}

/* asin: 1.3 ULP. Beyond 1/2, pi/2 - 2 asin(sqrt((1 - |x|) / 2)), with what its first step loses. */
M_INLINE float m_asin_f32(float x)
{
    float a = m_abs_f32(x);
    float z = a > 0.5f ? 0.5f * (1.0f - a) : a * a;
    float s = a > 0.5f ? m_sqrt_f32(z) : a;
    float p = m_asin_tail_f32(s, z);
    float d = 0x1.921fb6p+0f - (s + s);
    float lost = (0x1.921fb6p+0f - d) - (s + s);
    float far = d - ((p + p) - (lost - 0x1.777a5cp-25f));
    return m_copysign_f32(a > 0.5f ? far : s + p, x);
}

M_INLINE double m_asin_f64(double x)
{
    double a = m_abs_f64(x);
    double z = a > 0.5 ? 0.5 * (1.0 - a) : a * a;
    double s = a > 0.5 ? m_sqrt_f64(z) : a;
    double p = m_asin_tail_f64(s, z);
    double d = 0x1.921fb54442d18p+0 - (s + s);
    double lost = (0x1.921fb54442d18p+0 - d) - (s + s);
    double far = d - ((p + p) - (lost + 0x1.1a62633145c07p-54));
    return m_copysign_f64(a > 0.5 ? far : s + p, x);
}

/* acos: 1.3 ULP. pi/2 - asin x; beyond 1/2, 2 asin(sqrt((1 - |x|) / 2)) or pi less that. */
M_INLINE float m_acos_f32(float x)
{
    float a = m_abs_f32(x);
    float z = a > 0.5f ? 0.5f * (1.0f - a) : a * a;
    float s = a > 0.5f ? m_sqrt_f32(z) : a;
    float p = m_asin_tail_f32(s, z);
    float middle = 0x1.921fb6p+0f - (x + (m_copysign_f32(p, x) + 0x1.777a5cp-25f));
    float right = (s + s) + (p + p);
    float left = (0x1.921fb6p+1f - (s + s)) - (p + p + 0x1.777a5cp-24f);
    return a > 0.5f ? (x > 0.0f ? right : left) : middle;
}

M_INLINE double m_acos_f64(double x)
{
    double a = m_abs_f64(x);
    double z = a > 0.5 ? 0.5 * (1.0 - a) : a * a;
    double s = a > 0.5 ? m_sqrt_f64(z) : a;
    double p = m_asin_tail_f64(s, z);
    double middle = 0x1.921fb54442d18p+0 - (x + (m_copysign_f64(p, x) - 0x1.1a62633145c07p-54));
    double right = (s + s) + (p + p);
    double left = (0x1.921fb54442d18p+1 - (s + s)) - (p + p - 0x1.1a62633145c07p-53);
    return a > 0.5 ? (x > 0.0 ? right : left) : middle;
}

/* atan t for 0 <= t <= 1; at 1, pi/4 rounded. */
M_INLINE float m_atan_kernel_f32(float t)
{
    float u = t * t;
    float p = m_fma_f32(-0x1.d3319p-10f, u, 0x1.64129cp-7f);
    p = m_fma_f32(p, u, -0x1.fd70c2p-6f);
    p = m_fma_f32(p, u, 0x1.da24fp-5f);
    p = m_fma_f32(p, u, -0x1.58081p-4f);
    p = m_fma_f32(p, u, 0x1.c08c26p-4f);
    p = m_fma_f32(p, u, -0x1.242084p-3f);
    p = m_fma_f32(p, u, 0x1.9991ep-3f);
    p = m_fma_f32(p, u, -0x1.55553ep-2f);
    return m_fma_f32(t * u, p, t);
}

M_INLINE double m_atan_kernel_f64(double t)
{
    double u = t * t;
    double p = m_fma_f64(-0x1.22b1152db6e9fp-17, u, 0x1.b4140cc63ee76p-14);
    p = m_fma_f64(p, u, -0x1.3719ceac4f5d4p-11);
    p = m_fma_f64(p, u, 0x1.1a3549af13a11p-9);
    p = m_fma_f64(p, u, -0x1.700552cb1ebadp-8);
    p = m_fma_f64(p, u, 0x1.7304b00873e8ap-7);
    p = m_fma_f64(p, u, -0x1.311210ba7b563p-6);
    p = m_fma_f64(p, u, 0x1.ac8e797e2b54ap-6);
    p = m_fma_f64(p, u, -0x1.0c9c1c194b61p-5);
    p = m_fma_f64(p, u, 0x1.3908ea7f53329p-5);
    p = m_fma_f64(p, u, -0x1.5f263596df054p-5);
    p = m_fma_f64(p, u, 0x1.84b50d6b8c0f7p-5);
    p = m_fma_f64(p, u, -0x1.aeda87017e087p-5);
    p = m_fma_f64(p, u, 0x1.e1d49298425b3p-5);
    p = m_fma_f64(p, u, -0x1.1110335baee96p-4);
    p = m_fma_f64(p, u, 0x1.3b139bec68f1ap-4);
    p = m_fma_f64(p, u, -0x1.745d15d2cf3p-4);
    p = m_fma_f64(p, u, 0x1.c71c71b65106bp-4);
    p = m_fma_f64(p, u, -0x1.24924924576a6p-3);
    p = m_fma_f64(p, u, 0x1.9999999998c65p-3);
    p = m_fma_f64(p, u, -0x1.555555555554dp-2);
    return m_fma_f64(t * u, p, t);
}

/* atan: 1.3 ULP in float, 1.6 in double. Beyond 1, pi/2 - atan(1/|x|). */
M_INLINE float m_atan_f32(float x)
{
    float a = m_abs_f32(x);
    float p = m_atan_kernel_f32(a > 1.0f ? 1.0f / a : a);
    return m_copysign_f32(a > 1.0f ? 0x1.921fb6p+0f - (p + 0x1.777a5cp-25f) : p, x);
}

M_INLINE double m_atan_f64(double x)
{
    double a = m_abs_f64(x);
    double p = m_atan_kernel_f64(a > 1.0 ? 1.0 / a : a);
    return m_copysign_f64(a > 1.0 ? 0x1.921fb54442d18p+0 - (p - 0x1.1a62633145c07p-54) : p, x);
}

/* atan2: 1.6 ULP. The angle of (|x|, |y|) by the quotient that is at most 1, then mirrored into
 * its quadrant. */
M_INLINE float m_atan2_f32(float y, float x)
{
    float a = m_abs_f32(x), b = m_abs_f32(y);
    float top = a < b ? a : b, bottom = a < b ? b : a;
    float t = bottom == 0.0f ? 0.0f : top == M_INF_F32 ? 1.0f : top / bottom;
    float p = m_atan_kernel_f32(t);
    p = a < b ? 0x1.921fb6p+0f - (p + 0x1.777a5cp-25f) : p;
    p = m_bits_f32(x) >> 31 ? 0x1.921fb6p+1f - (p + 0x1.777a5cp-24f) : p;
    return ((x == x) & (y == y)) ? m_copysign_f32(p, y) : x + y;
}

M_INLINE double m_atan2_f64(double y, double x)
{
    double a = m_abs_f64(x), b = m_abs_f64(y);
    double top = a < b ? a : b, bottom = a < b ? b : a;
    double t = bottom == 0.0 ? 0.0 : top == M_INF_F64 ? 1.0 : top / bottom;
    double p = m_atan_kernel_f64(t);
    p = a < b ? 0x1.921fb54442d18p+0 - (p - 0x1.1a62633145c07p-54) : p;
    p = m_bits_f64(x) >> 63 ? 0x1.921fb54442d18p+1 - (p - 0x1.1a62633145c07p-53) : p;
    return ((x == x) & (y == y)) ? m_copysign_f64(p, y) : x + y;
}

#endif
