/* Complex functions for loops: m_NAME_c64 on pairs of float, m_NAME_c128 on pairs of double.
 *
 * Products and quotients are written out, since C's follow Annex G at the cost of a call: a product
 * is the plain formula, a quotient Smith's (Robert L. Smith, Algorithm 116, 1962), which divides by
 * the larger part of the divisor so that nothing overflows that need not. exp and its kin are the C
 * library's, whose treatment of infinities and branch cuts is that of C99. Loops of them do not
 * vectorise: they are compiled once, for the least instruction set, and so are their results the same
 * on every one.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_COMPLEX_H
#define FLAMBEAU_POINTWISE_MATH_COMPLEX_H

#include "math_arith.h"
#include "math_exp.h"
#include "math_log.h"
#include "math_trig.h"

typedef float _Complex c64;
typedef double _Complex c128;

/* C is the complex type and R that of its parts; s is the ending of C's functions for R ("f" or
 * nothing), b and r are the endings of the names here (c64 and f32). */
#define COMPLEX_FUNCTIONS(C, R, s, b, r)                                                           \
    static inline C m_pair_##b(const double *parts)                                                \
    {                                                                                              \
        return __builtin_complex((R)parts[0], (R)parts[1]);                                        \
    }                                                                                              \
    static inline R m_real_##b(C z)                                                                \
    {                                                                                              \
        return __real__ z;                                                                         \
    }                                                                                              \
    static inline R m_imag_##b(C z)                                                                \
    {                                                                                              \
        return __imag__ z;                                                                         \
    }                                                                                              \
    static inline C m_conj_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_complex(__real__ z, -__imag__ z);                                         \
    }                                                                                              \
    static inline C m_mul_##b(C x, C y)                                                            \
    {                                                                                              \
        R p = __real__ x, q = __imag__ x, c = __real__ y, d = __imag__ y;                          \
        return __builtin_complex(p * c - q * d, p * d + q * c);                                    \
    }                                                                                              \
    static inline C m_div_##b(C x, C y)                                                            \
    {                                                                                              \
        R p = __real__ x, q = __imag__ x, c = __real__ y, d = __imag__ y;                          \
        R size_c = m_abs_##r(c), size_d = m_abs_##r(d);                                            \
        if (size_c >= size_d) {                                                                    \
            if (size_c == 0 && size_d == 0)                                                        \
                return __builtin_complex(p / size_c, q / size_d);                                  \
            R ratio = d / c, scale = 1 / (c + d * ratio);                                          \
            return __builtin_complex((p + q * ratio) * scale, (q - p * ratio) * scale);            \
        }                                                                                          \
        R ratio = c / d, scale = 1 / (c * ratio + d);                                              \
        return __builtin_complex((p * ratio + q) * scale, (q * ratio - p) * scale);                \
    }                                                                                              \
    static inline R m_abs_##b(C z)                                                                 \
    {                                                                                              \
        return __builtin_hypot##s(__real__ z, __imag__ z);                                         \
    }                                                                                              \
    static inline C m_sgn_##b(C z)                                                                 \
    {                                                                                              \
        R size = m_abs_##b(z);                                                                     \
        return size == 0 ? (C)0 : __builtin_complex(__real__ z / size, __imag__ z / size);         \
    }                                                                                              \
    static inline int m_isnan_##b(C z)                                                             \
    {                                                                                              \
        return __real__ z != __real__ z || __imag__ z != __imag__ z;                               \
    }                                                                                              \
    static inline int m_isinf_##b(C z)                                                             \
    {                                                                                              \
        return m_isinf_##r(__real__ z) || m_isinf_##r(__imag__ z);                                 \
    }                                                                                              \
    static inline int m_isfinite_##b(C z)                                                          \
    {                                                                                              \
        return m_isfinite_##r(__real__ z) && m_isfinite_##r(__imag__ z);                           \
    }                                                                                              \
    static inline C m_sqrt_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_csqrt##s(z);                                                              \
    }                                                                                              \
    static inline C m_rsqrt_##b(C z)                                                               \
    {                                                                                              \
        return m_div_##b(1, __builtin_csqrt##s(z));                                                \
    }                                                                                              \
    static inline C m_exp_##b(C z)                                                                 \
    {                                                                                              \
        return __builtin_cexp##s(z);                                                               \
    }                                                                                              \
    static inline C m_exp2_##b(C z)                                                                \
    {                                                                                              \
        const R ln2 = (R)0.693147180559945309417;                                                  \
        return __builtin_cexp##s(__builtin_complex(__real__ z * ln2, __imag__ z * ln2));           \
    }                                                                                              \
    /* e^x cos y - 1 without cancellation: (e^x - 1) cos y - 2 sin^2(y / 2). */                    \
    static inline C m_expm1_##b(C z)                                                               \
    {                                                                                              \
        R x = __real__ z, y = __imag__ z;                                                          \
        if (y == 0)                                                                                \
            return __builtin_complex(m_expm1_##r(x), y);                                           \
        R half = m_sin_##r(y / 2), less = m_expm1_##r(x);                                          \
        return __builtin_complex(less * m_cos_##r(y) - 2 * half * half,                            \
                                 m_exp_##r(x) * m_sin_##r(y));                                     \
    }                                                                                              \
    static inline C m_log_##b(C z)                                                                 \
    {                                                                                              \
        return __builtin_clog##s(z);                                                               \
    }                                                                                              \
    static inline C m_log2_##b(C z)                                                                \
    {                                                                                              \
        C y = __builtin_clog##s(z);                                                                \
        const R ln2 = (R)0.693147180559945309417;                                                  \
        return __builtin_complex(__real__ y / ln2, __imag__ y / ln2);                              \
    }                                                                                              \
    static inline C m_log10_##b(C z)                                                               \
    {                                                                                              \
        C y = __builtin_clog##s(z);                                                                \
        const R ln10 = (R)2.30258509299404568402;                                                  \
        return __builtin_complex(__real__ y / ln10, __imag__ y / ln10);                            \
    }                                                                                              \
    /* |1 + z|^2 - 1 = x (2 + x) + y^2, whose log1p keeps what is small. */                        \
    static inline C m_log1p_##b(C z)                                                               \
    {                                                                                              \
        R x = __real__ z, y = __imag__ z, size = __builtin_hypot##s(1 + x, y);                     \
        R real =                                                                                   \
            size > (R)0.5 && size < 2 ? m_log1p_##r(x * (2 + x) + y * y) / 2 : m_log_##r(size);    \
        return __builtin_complex(real, m_atan2_##r(y, 1 + x));                                     \
    }                                                                                              \
    /* By the larger real part, so that nothing overflows; infinite ones as PyTorch has them. */   \
    static inline C m_logaddexp_##b(C x, C y)                                                      \
    {                                                                                              \
        C low = __real__ x < __real__ y ? x : y, high = __real__ x < __real__ y ? y : x;           \
        if (__real__ low == __real__ high && m_isinf_##r(__real__ low))                            \
            return __real__ low < 0                                                                \
                       ? low                                                                       \
                       : __builtin_clog##s(__builtin_cexp##s(x) + __builtin_cexp##s(y));           \
        return high + m_log1p_##b(__builtin_cexp##s(low - high));                                  \
    }                                                                                              \
    static inline C m_sin_##b(C z)                                                                 \
    {                                                                                              \
        return __builtin_csin##s(z);                                                               \
    }                                                                                              \
    static inline C m_cos_##b(C z)                                                                 \
    {                                                                                              \
        return __builtin_ccos##s(z);                                                               \
    }                                                                                              \
    static inline C m_tan_##b(C z)                                                                 \
    {                                                                                              \
        return __builtin_ctan##s(z);                                                               \
    }                                                                                              \
    static inline C m_asin_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_casin##s(z);                                                              \
    }                                                                                              \
    static inline C m_acos_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_cacos##s(z);                                                              \
    }                                                                                              \
    static inline C m_atan_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_catan##s(z);                                                              \
    }                                                                                              \
    static inline C m_sinh_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_csinh##s(z);                                                              \
    }                                                                                              \
    static inline C m_cosh_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_ccosh##s(z);                                                              \
    }                                                                                              \
    static inline C m_tanh_##b(C z)                                                                \
    {                                                                                              \
        return __builtin_ctanh##s(z);                                                              \
    }                                                                                              \
    static inline C m_asinh_##b(C z)                                                               \
    {                                                                                              \
        return __builtin_casinh##s(z);                                                             \
    }                                                                                              \
    static inline C m_acosh_##b(C z)                                                               \
    {                                                                                              \
        return __builtin_cacosh##s(z);                                                             \
    }                                                                                              \
    static inline C m_atanh_##b(C z)                                                               \
    {                                                                                              \
        return __builtin_catanh##s(z);                                                             \
    }                                                                                              \
    static inline C m_sigmoid_##b(C z)                                                             \
    {                                                                                              \
        return m_div_##b(1, 1 + __builtin_cexp##s(-z));                                            \
    }                                                                                              \
    static inline C m_pow_##b(C x, C y)                                                            \
    {                                                                                              \
        return __builtin_cpow##s(x, y);                                                            \
    }

COMPLEX_FUNCTIONS(c64, float, f, c64, f32)
COMPLEX_FUNCTIONS(c128, double, , c128, f64)
#undef COMPLEX_FUNCTIONS

#endif
