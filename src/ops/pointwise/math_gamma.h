/* The incomplete gamma function, and how draws of the gamma and the beta distribution move with
 * their parameters. Loops whose length depends on the arguments: these do not vectorise. The float
 * versions are the double ones rounded.
 *
 * igamma(a, x) and igammac(a, x) = 1 - igamma(a, x), the regularised lower and upper functions, by
 * whichever of three ways suits (Gautschi, "A computational procedure for incomplete gamma
 * functions", ACM TOMS 5, 1979; Temme, "The asymptotic expansion of the incomplete gamma
 * functions", SIAM J. Math. Anal. 10, 1979): the series of the lower one for x < a + 1, Legendre's
 * continued fraction of the upper one beyond, and Temme's uniform expansion for a > 1e5, where the
 * other two would take thousands of terms.
 *
 * A draw x of Gamma(a), seen as a function of a at a fixed quantile, has the derivative
 * -(d cdf(x; a) / da) / pdf(x; a) (Figurnov, Mohamed and Mnih, "Implicit reparameterization
 * gradients", 2018). gamma_grad and dirichlet_grad approximate it as PyTorch does, by series near
 * the edges, saddle points for large parameters and rational fits between, to some 1e-3: the
 * coefficients are those of ATen's Distributions.h, so that gradients are the same numbers.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_GAMMA_H
#define FLAMBEAU_POINTWISE_MATH_GAMMA_H

#include "math_erf.h"
#include "math_log.h"
#include "math_pow.h"
#include "math_special.h"

/* log(1 + m) - m for m > -1. */
M_INLINE double m_log1p_minus_f64(double m)
{
    if (m_abs_f64(m) > 0.3)
        return m_log1p_f64(m) - m;
    double r = m / (2.0 + m), u = r * r, power = u * r, sum = 0.0;
    for (double k = 3.0; k < 40.0; k += 2.0) { /* |r| < 0.18: r^39 is below the last place */
        sum += power / k;
        power *= u;
    }
    return 2.0 * (sum - u / (1.0 - r));
}

/* x^a e^-x / gamma(a + 1) for a, x > 0. From 10 on by Stirling's series, which avoids the
 * difference of large logarithms. */
M_INLINE double m_igamma_factor_f64(double a, double x)
{
    if (a < 10.0)
        return m_exp_f64(a * m_log_f64(x) - x - m_lgamma_f64(a + 1.0));
    double v = 1.0 / a, u = v * v;
    double s = m_fma_f64(-0x1.f6ab0d9993c7dp-10, u, 0x1.b951e2b18ff23p-11);
    s = m_fma_f64(s, u, -0x1.3813813813814p-11);
    s = m_fma_f64(s, u, 0x1.a01a01a01a01ap-11);
    s = m_fma_f64(s, u, -0x1.6c16c16c16c17p-9);
    s = m_fma_f64(s, u, 0x1.5555555555555p-4);
    double power = a * m_log1p_minus_f64((x - a) / a);
    return m_exp_f64(power - s * v) * 0x1.9884533d43651p-2 / m_sqrt_f64(a);
}

/* The lower function for x < a + 1: factor * (1 + x/(a+1) + x^2/((a+1)(a+2)) + ...). */
M_INLINE double m_igamma_series_f64(double a, double x)
{
    double term = 1.0, sum = 1.0;
    for (double k = 1.0; k < 20000.0 && term > 0x1p-54 * sum; k += 1.0) {
        term *= x / (a + k);
        sum += term;
    }
    return sum * m_igamma_factor_f64(a, x);
}

/* The upper function for x >= a + 1, by Lentz's method. */
M_INLINE double m_igammac_fraction_f64(double a, double x)
{
    double b = x + 1.0 - a, c = 0x1p1000, d = 1.0 / b, h = d;
    for (double k = 1.0; k < 20000.0; k += 1.0) {
        double step = k * (a - k);
        b += 2.0;
        d = 1.0 / m_fma_f64(step, d, b);
        c = b + step / c;
        h *= c * d;
        if (m_abs_f64(c * d - 1.0) < 0x1p-53)
            break;
    }
    return h * a * m_igamma_factor_f64(a, x);
}

/* Both for large a: half an erfc of the distance from the mean and two terms of a correction. */
M_INLINE double m_igamma_temme_f64(double a, double x, int upper)
{
    double mu = (x - a) / a, half_square = -m_log1p_minus_f64(mu);
    double eta = m_copysign_f64(m_sqrt_f64(2.0 * half_square), mu);
    double c0, c1;
    if (m_abs_f64(eta) < 0.01) { /* the closed forms below cancel */
        c0 = m_fma_f64(m_fma_f64(0x1.2f684bda12f68p-10, eta, -0x1.e573ac901e574p-7), eta,
                       0x1.5555555555555p-4);
        c0 = m_fma_f64(c0, eta, -0x1.5555555555555p-2);
        c1 = m_fma_f64(m_fma_f64(0x1.0ee643b990ee6p-9, eta, -0x1.c71c71c71c71cp-9), eta,
                       -0x1.e573ac901e574p-10);
    } else {
        c0 = 1.0 / mu - 1.0 / eta;
        c1 = 1.0 / (eta * eta * eta) - 1.0 / (mu * mu * mu) - 1.0 / (mu * mu) - 1.0 / (12.0 * mu);
    }
    double correction =
        m_exp_f64(-a * half_square) * 0x1.9884533d43651p-2 / m_sqrt_f64(a) * (c0 + c1 / a);
    double z = eta * m_sqrt_f64(0.5 * a);
    return upper ? m_fma_f64(0.5, m_erfc_f64(z), correction)
                 : m_fma_f64(0.5, m_erfc_f64(-z), -correction);
}

/* Either function. NaN below 0 and where both go to 0 or to infinity. */
M_INLINE double m_igamma_either_f64(double a, double x, int upper)
{
    double one = 0.0; /* the lower function, where it is 0 or 1 */
    if (!(a >= 0.0 && x >= 0.0) || a + x == 0.0 || (a == M_INF_F64 && x == M_INF_F64))
        return M_NAN_F64;
    if (a == 0.0 || x == M_INF_F64)
        one = 1.0;
    else if (x != 0.0 && a != M_INF_F64) {
        if (a > 1e5)
            return m_igamma_temme_f64(a, x, upper);
        if (x < a + 1.0) {
            double lower = m_igamma_series_f64(a, x);
            return upper ? 1.0 - lower : lower;
        }
        double above = m_igammac_fraction_f64(a, x);
        return upper ? above : 1.0 - above;
    }
    return upper ? 1.0 - one : one;
}

M_INLINE double m_igamma_f64(double a, double x)
{
    return m_igamma_either_f64(a, x, 0);
}

M_INLINE float m_igamma_f32(float a, float x)
{
    return (float)m_igamma_f64((double)a, (double)x);
}

M_INLINE double m_igammac_f64(double a, double x)
{
    return m_igamma_either_f64(a, x, 1);
}

M_INLINE float m_igammac_f32(float a, float x)
{
    return (float)m_igammac_f64((double)a, (double)x);
}

/* Below 0.8: five terms of the series of the cdf and of its derivative. */
M_INLINE double m_gamma_grad_small_f64(double a, double x)
{
    double term = 1.0, cdf = 1.0 / a, slope = 1.0 / (a * a);
    for (int i = 1; i <= 5; i++) {
        double d = a + (double)i;
        term *= -x / (double)i;
        cdf += term / d;
        slope += term / (d * d);
    }
    double power = m_pow_f64(x, a), pdf = m_pow_f64(x, a - 1.0) * m_exp_f64(-x);
    double y = -((m_log_f64(x) - m_digamma_f64(a)) * (power * cdf) - power * slope) / pdf;
    return y == y ? y : 0.0;
}

/* Above 8: Rice's saddle point, with a polynomial about its singularity at x = a. */
M_INLINE double m_gamma_grad_large_f64(double a, double x)
{
    if (0.9 * a <= x && x <= 1.1 * a) {
        double p = 1.0 + 24.0 * a * (1.0 + 12.0 * a);
        double q = 1440.0 * (a * a) + 6.0 * x * (53.0 - 120.0 * x) - 65.0 * x * x / a +
                   a * (107.0 + 3600.0 * x);
        return p * q / (1244160.0 * (a * a) * (a * a));
    }
    double root = m_sqrt_f64(8.0 * a), ratio = m_log_f64(x / a), gap = a - x;
    double tail = m_pow_f64(x - a - a * ratio, -1.5);
    double t =
        ratio * (root / gap - (x < a ? tail : -tail)) - m_sqrt_f64(2.0 / a) * (a + x) / (gap * gap);
    double stirling = 1.0 + 1.0 / (12.0 * a) * (1.0 + 1.0 / (24.0 * a));
    return -stirling * (x * t) / root;
}

static M_TABLE double m_gamma_grad_table[3][8] __attribute__((unused)) = {
    {0.16009398, -0.094634809, 0.025146376, -0.0030648343, 1, 0.32668115, 0.10406089, 0.0014179084},
    {0.53487893, 0.1298071, 0.065735949, -0.0015649758, 0.16639465, 0.020070113, -0.0035938915,
     -0.00058392623},
    {0.040121004, -0.0065914022, -0.0026286047, -0.0013441777, 0.017050642, -0.0021309326,
     0.00085092367, -1.5247877e-07}};

/* Else: the exponential of a rational function of log(x / a) and log(a). */
M_INLINE double m_gamma_grad_fit_f64(double a, double x)
{
    double u = m_log_f64(x / a), v = m_log_f64(a), c[8];
    for (int i = 0; i < 8; i++)
        c[i] = m_gamma_grad_table[0][i] +
               u * (m_gamma_grad_table[1][i] + u * m_gamma_grad_table[2][i]);
    double p = c[0] + v * (c[1] + v * (c[2] + v * c[3]));
    double q = c[4] + v * (c[5] + v * (c[6] + v * c[7]));
    return m_exp_f64(p / q);
}

M_INLINE double m_gamma_grad_f64(double a, double x)
{
    if (x < (double)0.8f)
        return m_gamma_grad_small_f64(a, x);
    return a > 8.0 ? m_gamma_grad_large_f64(a, x) : m_gamma_grad_fit_f64(a, x);
}

M_INLINE float m_gamma_grad_f32(float a, float x)
{
    return (float)m_gamma_grad_f64((double)a, (double)x);
}

/* A draw x of Beta(a, b), by a: x near 0. */
M_INLINE double m_beta_grad_first_f64(double x, double a, double b)
{
    double factor = m_digamma_f64(a) - m_digamma_f64(a + b) - m_log_f64(x);
    double term = 1.0, sum = (factor + 1.0 / a) / a;
    for (int i = 1; i <= 10; i++) {
        double d = a + (double)i;
        term *= ((double)i - b) * x / (double)i;
        sum += term / d * (factor + 1.0 / d);
    }
    double y = x * m_pow_f64(1.0 - x, -b) * sum;
    return y == y ? y : 0.0;
}

/* The same by b, x near 0. */
M_INLINE double m_beta_grad_second_f64(double x, double a, double b)
{
    double factor = m_digamma_f64(a + b) - m_digamma_f64(b);
    double term = 1.0, product = 1.0, slope = 0.0, sum = factor / a;
    for (int i = 1; i <= 8; i++) {
        double k = (double)i;
        term *= -x / k;
        slope = slope * (b - k) + product;
        product *= b - k;
        sum += term / (a + k) * (slope + factor * product);
    }
    double y = -m_pow_f64(1.0 - x, 1.0 - b) * sum;
    return y == y ? y : 0.0;
}

/* By a, where a and b are large: a saddle point, with a polynomial about its singularity. */
M_INLINE double m_beta_grad_large_f64(double x, double a, double b)
{
    double total = a + b, mean = a / total, std = m_sqrt_f64(a * b / (total + 1.0)) / total;
    if (mean - 0.1 * std <= x && x <= mean + 0.1 * std) {
        double b2 = b * b;
        double p = 8.0 * (1.0 - x) * (135.0 * b - 11.0);
        p = (453.0 + 1620.0 * b * (1.0 - x) - 455.0 * x) * b + a * p;
        p = 3.0 * (59.0 + 180.0 * b - 90.0 * x) * b2 + a * p;
        p = (43.0 + 20.0 * (16.0 + 27.0 * b) * x) * b2 * b + a * p;
        p = 47.0 * x * b2 * b2 + a * p;
        double scale = (1.0 + 12.0 * a) * (1.0 + 12.0 * b) / (total * total);
        return scale / (1.0 - x) * p / (12960.0 * a * a * a * b2 * (1.0 + 12.0 * total));
    }
    double lead = -x / m_sqrt_f64(2.0 * a * b / total);
    double stirling = (1.0 + 1.0 / (12.0 * a) + 1.0 / (288.0 * a * a)) *
                      (1.0 + 1.0 / (12.0 * b) + 1.0 / (288.0 * b * b)) /
                      (1.0 + 1.0 / (12.0 * total) + 1.0 / (288.0 * total * total));
    double gap = a * (x - 1.0) + b * x;
    double first = (2.0 * (a * a) * (x - 1.0) + a * b * (x - 1.0) - x * (b * b)) /
                   (m_sqrt_f64(2.0 * a / b) * m_pow_f64(total, 1.5) * gap * gap);
    double at_a = m_log_f64(a / (total * x)), at_b = m_log_f64(b / (total * (1.0 - x)));
    double tail = m_pow_f64(b * at_b + a * at_a, -1.5);
    double rest = m_sqrt_f64(8.0 * a * b / total) / gap + (x < mean ? tail : -tail);
    return stirling * lead * (first + 0.5 * at_a * rest);
}

static M_TABLE double m_beta_grad_table[2][3][3][4] __attribute__((unused)) = {
    {{{1.003668233, -0.01061107488, -0.0657888334, 0.01201642863},
      {0.6336835991, -0.3557432599, 0.05486251648, -0.001465281033},
      {-0.03276231906, 0.004474107445, 0.002429354597, -0.0001557569013}},
     {{0.221950385, -0.3187676331, 0.01799915743, 0.01074823814},
      {-0.2951249643, 0.06219954479, 0.01535556598, 0.001550077057},
      {0.02155310298, 0.004170831599, 0.001292462449, 6.976601077e-05}},
     {{-0.05980841433, 0.008441916499, 0.01085618172, 0.002319392565},
      {0.02911413504, 0.01400243777, -0.002721828457, 0.000751041181},
      {0.005900514878, -0.001936558688, -9.495446725e-06, 5.385558597e-05}}},
    {{{1, -0.02924021934, -0.04438342661, 0.007285809825},
      {0.6357567472, -0.3473456711, 0.05454656494, -0.002407477521},
      {-0.03301322327, 0.004845219414, 0.00231480583, -0.0002307248149}},
     {{0.5925320577, -0.1757678135, 0.01505928619, 0.000564515273},
      {0.1014815858, -0.06589186703, 0.01272886114, -0.0007316646956},
      {-0.007258481865, 0.001096195486, 0.0003934994223, -4.12701925e-05}},
     {{0.06469649321, -0.0236701437, 0.002902096474, -5.896963079e-05},
      {0.001925008108, -0.002869809258, 0.0008000589141, -6.063713228e-05},
      {-0.0003477407336, 6.959756487e-05, 1.097287507e-05, -1.650964693e-06}}}};

/* Else: x (digamma(total) - digamma(a)) / b times a rational function of three logarithms. */
M_INLINE double m_beta_grad_fit_f64(double x, double a, double total)
{
    double u = m_log_f64(x), v = m_log_f64(a) - u, w = m_log_f64(total) - v, sum[2] = {0.0, 0.0};
    double in_u[3] = {1.0, u, u * u}, in_v[3] = {1.0, v, v * v};
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                M_CONSTANT double *c = m_beta_grad_table[part][i][j];
                sum[part] += in_u[i] * in_v[j] * (c[0] + w * (c[1] + w * (c[2] + w * c[3])));
            }
    double about = x * (m_digamma_f64(total) - m_digamma_f64(a)) / (total - a);
    return sum[0] / sum[1] * about;
}

/* The derivative of a draw x of Beta(a, total - a) by a, divided by 1 - x: what a Dirichlet's
 * gradient is made of. near = total x (1 - x) tells which way suits. */
M_INLINE double m_dirichlet_grad_near_f64(double x, double a, double total, double near)
{
    double b = total - a;
    if (x <= 0.5 && near < 2.5)
        return m_beta_grad_first_f64(x, a, b);
    if (x >= 0.5 && near < 0.75)
        return -m_beta_grad_second_f64(1.0 - x, b, a);
    return a > 6.0 && b > 6.0 ? m_beta_grad_large_f64(x, a, b) : m_beta_grad_fit_f64(x, a, total);
}

M_INLINE double m_dirichlet_grad_f64(double x, double a, double total)
{
    return m_dirichlet_grad_near_f64(x, a, total, total * x * (1.0 - x));
}

M_INLINE float m_dirichlet_grad_f32(float x, float a, float total)
{
    float near = total * x * (1.0f - x);
    return (float)m_dirichlet_grad_near_f64((double)x, (double)a, (double)total, (double)near);
}

#endif
