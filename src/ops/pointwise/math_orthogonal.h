/* Orthogonal polynomials of degree n at x, and the zeta function: sums whose length depends on the
 * arguments.
 *
 * The degree is a whole number, cut off to one; a negative one gives 0. Each family has its recurrence
 * in the degree (Abramowitz and Stegun, 22.7). Chebyshev's four are also ratios of a sine or cosine of
 * n arccos x (22.3.15, 22.3.16 and their like), which is used within (-1, 1) beyond a small degree, as
 * PyTorch does: its error is that of the angle, n times as large. The recurrences go on until they
 * overflow; a degree beyond 2^24, which would take seconds, gives NaN. The float versions are the double ones rounded.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_ORTHOGONAL_H
#define FLAMBEAU_POINTWISE_MATH_ORTHOGONAL_H

#include "math_pow.h"
#include "math_trig.h"

#define M_MOST_DEGREES ((int64_t)1 << 24)

/* The degree as an integer; -1 for all below 0, and, as for PyTorch, for what no int64 holds. */
M_INLINE int64_t m_degree_f64(double n)
{
    return n > -1.0 && n < 0x1p63 ? (int64_t)n : -1;
}

M_INLINE bool m_is_odd_f64(int64_t n)
{
    return n & 1;
}

/* From the polynomials of degree 0, which is 1, and 1: p(k + 1) = 2 x p(k) - p(k - 1). */
M_INLINE double m_chebyshev_f64(double x, int64_t n, double one)
{
    double p = 1.0, q = n > M_MOST_DEGREES ? M_NAN_F64 : one;
    for (int64_t k = 1; k < n && q == q; k++) {
        double next = m_fma_f64(x + x, q, -p);
        p = q;
        q = next;
    }
    return n > 0 ? q : 1.0;
}

/* The first kind, cos(n a) with x = cos a. */
M_CALL double m_chebyshev_polynomial_t_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    if (n < 0)
        return 0.0;
    if (m_abs_f64(x) == 1.0)
        return x > 0.0 || !m_is_odd_f64(n) ? 1.0 : -1.0;
    if (n > 6 && m_abs_f64(x) < 1.0)
        return m_cos_f64((double)n * m_acos_f64(x));
    return m_chebyshev_f64(x, n, x);
}

/* The second kind, sin((n + 1) a) / sin a. */
M_CALL double m_chebyshev_polynomial_u_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    if (n < 0)
        return 0.0;
    double above = (double)n + 1.0;
    if (m_abs_f64(x) == 1.0)
        return x > 0.0 || !m_is_odd_f64(n) ? above : -above;
    if (n > 8 && m_abs_f64(x) < 1.0) {
        double a = m_acos_f64(x);
        return m_sin_f64(above * a) / m_sin_f64(a);
    }
    return m_chebyshev_f64(x, n, x + x);
}

/* The third kind, cos((n + 1/2) a) / cos(a / 2). */
M_CALL double m_chebyshev_polynomial_v_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    if (n < 0)
        return 0.0;
    double twice = (double)n + (double)n + 1.0;
    if (m_abs_f64(x) == 1.0)
        return x > 0.0 ? 1.0 : m_is_odd_f64(n) ? -twice : twice;
    if (n > 8 && m_abs_f64(x) < 1.0) {
        double half = 0.5 * m_acos_f64(x);
        return m_cos_f64(twice * half) / m_cos_f64(half);
    }
    return m_chebyshev_f64(x, n, x + x - 1.0);
}

/* The fourth kind, sin((n + 1/2) a) / sin(a / 2). */
M_CALL double m_chebyshev_polynomial_w_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    if (n < 0)
        return 0.0;
    double twice = (double)n + (double)n + 1.0;
    if (m_abs_f64(x) == 1.0)
        return x > 0.0 ? twice : m_is_odd_f64(n) ? -1.0 : 1.0;
    if (n > 8 && m_abs_f64(x) < 1.0) {
        double half = 0.5 * m_acos_f64(x);
        return m_sin_f64(twice * half) / m_sin_f64(half);
    }
    return m_chebyshev_f64(x, n, x + x + 1.0);
}

/* Hermite's, of the weight e^(-x^2): h(k + 1) = 2 x h(k) - 2 k h(k - 1). */
M_CALL double m_hermite_polynomial_h_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    double p = 1.0, q = n > M_MOST_DEGREES ? M_NAN_F64 : x + x;
    for (int64_t k = 1; k < n && q == q; k++) {
        double next = m_fma_f64(x + x, q, -2.0 * (double)k * p);
        p = q;
        q = next;
    }
    return n < 0 ? 0.0 : n > 0 ? q : 1.0;
}

/* Hermite's, of the weight e^(-x^2 / 2): h(k + 1) = x h(k) - k h(k - 1). */
M_CALL double m_hermite_polynomial_he_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    double p = 1.0, q = n > M_MOST_DEGREES ? M_NAN_F64 : x;
    for (int64_t k = 1; k < n && q == q; k++) {
        double next = m_fma_f64(x, q, -(double)k * p);
        p = q;
        q = next;
    }
    return n < 0 ? 0.0 : n > 0 ? q : 1.0;
}

/* Laguerre's: (k + 1) l(k + 1) = (2 k + 1 - x) l(k) - k l(k - 1). */
M_CALL double m_laguerre_polynomial_l_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    double p = 1.0, q = x == 0.0 ? 1.0 : n > M_MOST_DEGREES ? M_NAN_F64 : 1.0 - x;
    for (int64_t k = 1; k < n && q == q && x != 0.0; k++) {
        double d = (double)k, next = m_fma_f64(d + d + (1.0 - x), q, -d * p) / (d + 1.0);
        p = q;
        q = next;
    }
    return n < 0 ? 0.0 : n > 0 ? q : 1.0;
}

/* Legendre's: (k + 1) p(k + 1) = (2 k + 1) x p(k) - k p(k - 1). */
M_CALL double m_legendre_polynomial_p_f64(double x, double degree)
{
    int64_t n = m_degree_f64(degree);
    if (n >= 0 && m_abs_f64(x) == 1.0)
        return x > 0.0 || !m_is_odd_f64(n) ? 1.0 : -1.0;
    double p = 1.0, q = n > M_MOST_DEGREES ? M_NAN_F64 : x;
    for (int64_t k = 1; k < n && q == q; k++) {
        double d = (double)k, next = m_fma_f64((d + d + 1.0) * x, q, -d * p) / (d + 1.0);
        p = q;
        q = next;
    }
    return n < 0 ? 0.0 : n > 0 ? q : 1.0;
}

/* The sum of (q + k)^-s over k >= 0, for s > 1 and q > 0: term by term, with what their sum loses kept
 * beside it, until they vanish or far enough for Euler and Maclaurin's formula. */
M_CALL double m_zeta_right_f64(double s, double q)
{
    /* (2j)! / B_2j for j = 1... 8 */
    static const double DIVISORS[] = {12.0,          -720.0,
                                      30240.0,       -1209600.0,
                                      47900160.0,    -1307674368000.0 / 691.0,
                                      74724249600.0, -10670622842880000.0 / 3617.0};
    double a = q, last = m_pow_f64(a, -s), sum = 0.0, lost = 0.0;
    while (a < m_fma_f64(1.5, s, 12.0)) {
        if (!(last > 0x1p-60 * sum && last < M_INF_F64))
            return sum + last;
        double add = last - lost, next = sum + add;
        lost = (next - sum) - add;
        sum = next;
        a += 1.0;
        last = m_pow_f64(a, -s);
    }
    double rising = s, down = last / a, rest = 0.0;
    for (int j = 0; j < 8 && down > 0.0; j++) {
        double d = (double)(2 * j);
        rest += rising * down / DIVISORS[j];
        rising *= (s + d + 1.0) * (s + d + 2.0);
        down /= a * a;
    }
    return sum + (last * (a / (s - 1.0)) + (0.5 * last + rest - lost));
}

/* zeta, Hurwitz's function of s and q: 4 ULP for q > 0. Infinite at s = 1 and at the q of its poles, 0
 * and below; between those, where s is an integer, what the terms of negative base make of it:
 * those of base f - 1, f - 2... down to q, f = q - floor(q), are, but for a sign, a difference of two
 * zetas. NaN for other s there and for s < 1. */
M_CALL double m_zeta_f64(double s, double q)
{
    if (s == 1.0)
        return M_INF_F64;
    if (!(s > 1.0) || !(q < M_INF_F64))
        return M_NAN_F64;
    if (q > 0.0)
        return m_zeta_right_f64(s, q);
    if (q == __builtin_floor(q))
        return M_INF_F64;
    if (s != __builtin_floor(s))
        return M_NAN_F64;
    double f = q - __builtin_floor(q), half = 0.5 * s;
    double passed = m_zeta_right_f64(s, 1.0 - f) - m_zeta_right_f64(s, 1.0 - q);
    return m_zeta_right_f64(s, f) + (half == __builtin_floor(half) ? passed : -passed);
}

M_ROUNDED_2(chebyshev_polynomial_t)
M_ROUNDED_2(chebyshev_polynomial_u)
M_ROUNDED_2(chebyshev_polynomial_v)
M_ROUNDED_2(chebyshev_polynomial_w)
M_ROUNDED_2(hermite_polynomial_h)
M_ROUNDED_2(hermite_polynomial_he)
M_ROUNDED_2(laguerre_polynomial_l)
M_ROUNDED_2(legendre_polynomial_p)
M_ROUNDED_2(zeta)

#endif
