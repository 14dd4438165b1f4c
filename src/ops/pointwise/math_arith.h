/* Arithmetic that is more than an operator of C: signs, parts of numbers, comparisons, remainders,
 * steps.
 *
 * All of it is exact or correctly rounded. Where C and IEEE leave a choice, it is the one that
 * PyTorch made.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_ARITH_H
#define FLAMBEAU_POINTWISE_MATH_ARITH_H

#include "math_bits.h"

/* 1 / sqrt x: 1.5 ULP. */
M_INLINE float m_rsqrt_f32(float x)
{
    return 1.0f / m_sqrt_f32(x);
}

M_INLINE double m_rsqrt_f64(double x)
{
    return 1.0 / m_sqrt_f64(x);
}

/* The fraction with the sign of x. */
M_INLINE float m_frac_f32(float x)
{
    return x - m_trunc_f32(x);
}

M_INLINE double m_frac_f64(double x)
{
    return x - m_trunc_f64(x);
}

/* -1, 0 or 1; 0 for NaN. */
M_INLINE float m_sign_f32(float x)
{
    return (float)((x > 0.0f) - (x < 0.0f));
}

M_INLINE double m_sign_f64(double x)
{
    return (double)((x > 0.0) - (x < 0.0));
}

M_INLINE int m_isnan_f32(float x)
{
    return x != x;
}

M_INLINE int m_isnan_f64(double x)
{
    return x != x;
}

M_INLINE int m_isinf_f32(float x)
{
    return m_abs_f32(x) == M_INF_F32;
}

M_INLINE int m_isinf_f64(double x)
{
    return m_abs_f64(x) == M_INF_F64;
}

M_INLINE int m_isfinite_f32(float x)
{
    return m_abs_f32(x) < M_INF_F32;
}

M_INLINE int m_isfinite_f64(double x)
{
    return m_abs_f64(x) < M_INF_F64;
}

/* The smaller, the larger: fmin and fmax prefer a number to a NaN, minimum and maximum a NaN; of
 * two equals the first. */
M_INLINE float m_fmin_f32(float a, float b)
{
    return ((a > b) | (a != a)) ? b : a;
}

M_INLINE double m_fmin_f64(double a, double b)
{
    return ((a > b) | (a != a)) ? b : a;
}

M_INLINE float m_fmax_f32(float a, float b)
{
    return ((a < b) | (a != a)) ? b : a;
}

M_INLINE double m_fmax_f64(double a, double b)
{
    return ((a < b) | (a != a)) ? b : a;
}

M_INLINE float m_minimum_f32(float a, float b)
{
    float r = a > b ? b : a;
    return b != b ? b : r;
}

M_INLINE double m_minimum_f64(double a, double b)
{
    double r = a > b ? b : a;
    return b != b ? b : r;
}

M_INLINE float m_maximum_f32(float a, float b)
{
    float r = a < b ? b : a;
    return b != b ? b : r;
}

M_INLINE double m_maximum_f64(double a, double b)
{
    double r = a < b ? b : a;
    return b != b ? b : r;
}

/* 0 below 0, `at_zero` at it, 1 above it; 0 for NaN. */
M_INLINE float m_heaviside_f32(float x, float at_zero)
{
    return x == 0.0f ? at_zero : x > 0.0f ? 1.0f : 0.0f;
}

M_INLINE double m_heaviside_f64(double x, double at_zero)
{
    return x == 0.0 ? at_zero : x > 0.0 ? 1.0 : 0.0;
}

/* Remainders are exact. Where the quotient is near 0, a few operations make them. In float they are
 * done in double, where the truncated quotient and its product with b are exact. In double b is cut
 * in two halves, whose products with a quotient of 24 bits are exact; that is rounded to nearest,
 * so that what is left after the first has not more bits than b. A far quotient may have any number
 * of digits, hence libm's function, which does not vectorise. 0, infinities and NaN are all near.
 */
#define M_QUOTIENT_F32 0x1p28f
#define M_QUOTIENT_F64 0x1p24

M_INLINE int m_quotient_is_far_f32(float a, float b)
{
    a = m_abs_f32(a);
    return (a >= m_abs_f32(b) * M_QUOTIENT_F32) & (b != 0.0f) & (a < M_INF_F32);
}

M_INLINE int m_quotient_is_far_f64(double a, double b)
{
    a = m_abs_f64(a);
    return ((a >= m_abs_f64(b) * M_QUOTIENT_F64) | (a >= 0x1p1000)) & (b != 0.0) & (a < M_INF_F64);
}

/* Whether all of n quotients are near; the steps are 1, or 0 of a number. */
M_INLINE bool m_all_quotients_near_f32(const float *a, int64_t a_step, const float *b,
                                       int64_t b_step, int64_t n)
{
    int far = 0;
    for (int64_t i = 0; i < n; i++)
        far |= m_quotient_is_far_f32(a[i * a_step], b[i * b_step]);
    return !far;
}

M_INLINE bool m_all_quotients_near_f64(const double *a, int64_t a_step, const double *b,
                                       int64_t b_step, int64_t n)
{
    int64_t far = 0;
    for (int64_t i = 0; i < n; i++)
        far |= m_quotient_is_far_f64(a[i * a_step], b[i * b_step]);
    return !far;
}

/* The remainder of a / b truncated, with the sign of a. */
M_INLINE float m_fmod_near_f32(float a, float b)
{
    double q = m_trunc_f64((double)a / (double)b);
    return q == 0.0 ? a : m_copysign_f32((float)((double)a - q * (double)b), a);
}

M_INLINE double m_fmod_near_f64(double a, double b)
{
    double x = m_abs_f64(a), y = m_abs_f64(b);
    double q = m_round_f64(x / y);
    double high = m_from_bits_f64(m_bits_f64(y) & ~(uint64_t)0x7ffffff);
    double r = (x - q * high) - q * (y - high);
    r = r < 0.0 ? r + y : r;
    return m_copysign_f64(q == 0.0 ? x : r, a);
}

M_INLINE float m_fmod_f32(float a, float b)
{
    return m_quotient_is_far_f32(a, b) ? __builtin_fmodf(a, b) : m_fmod_near_f32(a, b);
}

M_INLINE double m_fmod_f64(double a, double b)
{
    return m_quotient_is_far_f64(a, b) ? __builtin_fmod(a, b) : m_fmod_near_f64(a, b);
}

/* What the truncated remainder r of a / b makes of the remainder of a / b floored, with the sign of
 * b as Python's %, and of floor(a / b) such that b times it and that remainder make a, as Python's
 * //. */
M_INLINE float m_floored_f32(float b, float r)
{
    return ((r != 0.0f) & ((r < 0.0f) != (b < 0.0f))) ? r + b : r;
}

M_INLINE double m_floored_f64(double b, double r)
{
    return ((r != 0.0) & ((r < 0.0) != (b < 0.0))) ? r + b : r;
}

M_INLINE float m_floored_quotient_f32(float a, float b, float r)
{
    float q = (a - r) / b;
    q = ((r != 0.0f) & ((r < 0.0f) != (b < 0.0f))) ? q - 1.0f : q;
    float n = m_floor_f32(q);
    n = q - n > 0.5f ? n + 1.0f : n;
    n = q == 0.0f ? m_copysign_f32(0.0f, a / b) : n;
    return b == 0.0f ? a / b : n;
}

M_INLINE double m_floored_quotient_f64(double a, double b, double r)
{
    double q = (a - r) / b;
    q = ((r != 0.0) & ((r < 0.0) != (b < 0.0))) ? q - 1.0 : q;
    double n = m_floor_f64(q);
    n = q - n > 0.5 ? n + 1.0 : n;
    n = q == 0.0 ? m_copysign_f64(0.0, a / b) : n;
    return b == 0.0 ? a / b : n;
}

M_INLINE float m_remainder_f32(float a, float b)
{
    return m_floored_f32(b, m_fmod_f32(a, b));
}

M_INLINE float m_remainder_near_f32(float a, float b)
{
    return m_floored_f32(b, m_fmod_near_f32(a, b));
}

M_INLINE double m_remainder_f64(double a, double b)
{
    return m_floored_f64(b, m_fmod_f64(a, b));
}

M_INLINE double m_remainder_near_f64(double a, double b)
{
    return m_floored_f64(b, m_fmod_near_f64(a, b));
}

M_INLINE float m_floor_divide_f32(float a, float b)
{
    return m_floored_quotient_f32(a, b, m_fmod_f32(a, b));
}

M_INLINE float m_floor_divide_near_f32(float a, float b)
{
    return m_floored_quotient_f32(a, b, m_fmod_near_f32(a, b));
}

M_INLINE double m_floor_divide_f64(double a, double b)
{
    return m_floored_quotient_f64(a, b, m_fmod_f64(a, b));
}

M_INLINE double m_floor_divide_near_f64(double a, double b)
{
    return m_floored_quotient_f64(a, b, m_fmod_near_f64(a, b));
}

/* The next number after x towards y. */
M_INLINE float m_nextafter_f32(float x, float y)
{
    uint32_t u = m_bits_f32(x);
    uint32_t next = (x < y) == (x > 0.0f) ? u + 1 : u - 1;
    uint32_t first = (m_bits_f32(y) & ((uint32_t)1 << 31)) | 1;
    float z = m_from_bits_f32(x == 0.0f ? first : next);
    z = x == y ? y : z;
    return ((x != x) | (y != y)) ? x + y : z;
}

M_INLINE double m_nextafter_f64(double x, double y)
{
    uint64_t u = m_bits_f64(x);
    uint64_t next = (x < y) == (x > 0.0) ? u + 1 : u - 1;
    uint64_t first = (m_bits_f64(y) & ((uint64_t)1 << 63)) | 1;
    double z = m_from_bits_f64(x == 0.0 ? first : next);
    z = x == y ? y : z;
    return ((x != x) | (y != y)) ? x + y : z;
}

/* x * 2^n, one rounding, for an integer n. In double the power is applied in up to three
 * factors, of which only the last can round. */
M_INLINE float m_ldexp_f32(float x, float n)
{
    n = 300.0f < n ? 300.0f : n;
    n = -300.0f > n ? -300.0f : n;
    return (float)((double)x * m_exp2i_f64(m_low_bits_f64((double)n)));
}

M_INLINE double m_ldexp_f64(double x, double n)
{
    n = 3000.0 < n ? 3000.0 : n;
    n = -3000.0 > n ? -3000.0 : n;
    for (int i = 0; i < 2; i++) {
        double step = n > 1023.0 ? 1023.0 : n < -1022.0 ? -969.0 : 0.0;
        x *= m_exp2i_f64(m_low_bits_f64(step));
        n -= step;
    }
    n = 1023.0 < n ? 1023.0 : n;
    n = -1022.0 > n ? -1022.0 : n;
    return x * m_exp2i_f64(m_low_bits_f64(n));
}

/* Integers. Quotients floor, remainders have the divisor's sign; the caller has made sure that b
 * is not 0. Dividing the least number by -1 wraps. No processor divides vectors of integers: those
 * of 32 bits are divided in double, whose quotient floored is right; those of 64 where both are
 * below 2^51, with a correction, for rounding may have reached the next integer. */
M_INLINE int32_t m_floordiv_i32(int32_t a, int32_t b)
{
    int32_t d = b == -1 ? 1 : b;
    int32_t q = (int32_t)m_floor_f64((double)a / (double)d);
    return b == -1 ? (int32_t)(0 - (uint32_t)a) : q;
}

M_INLINE int32_t m_mod_i32(int32_t a, int32_t b)
{
    int32_t d = b == -1 ? 1 : b;
    return a - m_floordiv_i32(a, d) * d;
}

/* The same of numbers of 16 bits at most, exact in float. */
M_INLINE int32_t m_floordiv_i16(int32_t a, int32_t b)
{
    return (int32_t)m_floor_f32((float)a / (float)b);
}

M_INLINE int32_t m_mod_i16(int32_t a, int32_t b)
{
    return a - m_floordiv_i16(a, b) * b;
}

M_INLINE int64_t m_floordiv_i64(int64_t a, int64_t b)
{
    int64_t d = b == -1 ? 1 : b;
    int64_t q = a / d;
    q -= (a % d != 0) & ((a < 0) != (d < 0));
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : q;
}

M_INLINE int64_t m_mod_i64(int64_t a, int64_t b)
{
    int64_t d = b == -1 ? 1 : b;
    int64_t r = a % d;
    return ((r != 0) & ((r < 0) != (d < 0))) ? r + d : r;
}

M_INLINE bool m_all_quotients_near_i64(const int64_t *a, int64_t a_step, const int64_t *b,
                                       int64_t b_step, int64_t n)
{
    uint64_t bits = 0, least = (uint64_t)1 << 51;
    for (int64_t i = 0; i < n; i++)
        bits |= ((uint64_t)a[i * a_step] + least) | ((uint64_t)b[i * b_step] + least);
    return bits < 2 * least;
}

M_INLINE int64_t m_floordiv_near_i64(int64_t a, int64_t b)
{
    double quotient = m_from_int_f64((uint64_t)a) / m_from_int_f64((uint64_t)b);
    int64_t q = (int64_t)m_low_bits_f64(m_floor_f64(quotient));
    int64_t r = a - q * b;
    return q - ((r != 0) & ((r < 0) != (b < 0)));
}

M_INLINE int64_t m_mod_near_i64(int64_t a, int64_t b)
{
    return a - m_floordiv_near_i64(a, b) * b;
}

/* a^n, wrapping; for negative n what integer division of 1 by a^-n gives, and 0 where a is 0. */
M_INLINE int32_t m_pow_i32(int32_t a, int32_t n)
{
    uint32_t power = 1, square = (uint32_t)a;
    for (uint32_t rest = n < 0 ? 0 : (uint32_t)n; rest; rest >>= 1) {
        power *= rest & 1 ? square : 1;
        square *= square;
    }
    int32_t inverse = a == 1 ? 1 : a == -1 ? (n & 1 ? -1 : 1) : 0;
    return n < 0 ? inverse : (int32_t)power;
}

M_INLINE int64_t m_pow_i64(int64_t a, int64_t n)
{
    uint64_t power = 1, square = (uint64_t)a;
    for (uint64_t rest = n < 0 ? 0 : (uint64_t)n; rest; rest >>= 1) {
        power *= rest & 1 ? square : 1;
        square *= square;
    }
    int64_t inverse = a == 1 ? 1 : a == -1 ? (n & 1 ? -1 : 1) : 0;
    return n < 0 ? inverse : (int64_t)power;
}

/* The greatest common divisor, not negative but for that of the least number with itself or 0. */
M_INLINE int32_t m_gcd_i32(int32_t a, int32_t b)
{
    uint32_t x = a < 0 ? 0 - (uint32_t)a : (uint32_t)a, y = b < 0 ? 0 - (uint32_t)b : (uint32_t)b;
    while (y) {
        uint32_t r = x % y;
        x = y;
        y = r;
    }
    return (int32_t)x;
}

M_INLINE int64_t m_gcd_i64(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return (int64_t)x;
}

#endif
