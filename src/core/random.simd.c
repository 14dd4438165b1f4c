/* Box and Muller in floats, with the functions inside evaluated in doubles.
 *
 * The result must be PyTorch's to rounding, so every step that PyTorch rounds to float is rounded here: log(1 - u1), the
 * angle 2 pi u2, cosine and sine, the products. Between them doubles make each function right to its last bit, nearly
 * always, with short polynomials. PyTorch fuses the last multiply-add, so it is fused here; no other is, and every
 * instruction set gives the same bits.
 */
#include <math.h>
#include <string.h>

#include "core/random_kernels.h"

enum { PAIRS = 8 };

/* log x for float x in [2^-24, 1]: x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 atanh((m - 1) / (m + 1)). */
static inline double log_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t e = (bits - 0x3f3504f3) >> 23; /* 0x3f3504f3 is sqrt(1/2) */
    int32_t mantissa = bits - (int32_t)((uint32_t)e << 23);
    float mf;
    memcpy(&mf, &mantissa, sizeof mf);
    double m = mf, s = (m - 1) / (m + 1), z = s * s;
    double p = 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return (double)e * 0.6931471805599453 + 2 * s * (1 + z * p);
}

/* Sine and cosine of x in [0, 2 pi], by quarters of the circle. */
static inline void sine_cosine(double x, double *sine, double *cosine)
{
    int32_t quarter = (int32_t)(x * 0.6366197723675814 + 0.5);
    double r = x - (double)quarter * 1.5707963267948966, z = r * r;
    double s = 1.0 / 6227020800;
    s = s * z - 1.0 / 39916800;
    s = s * z + 1.0 / 362880;
    s = s * z - 1.0 / 5040;
    s = s * z + 1.0 / 120;
    s = s * z - 1.0 / 6;
    s = r + r * z * s;
    double c = -1.0 / 87178291200;
    c = c * z + 1.0 / 479001600;
    c = c * z - 1.0 / 3628800;
    c = c * z + 1.0 / 40320;
    c = c * z - 1.0 / 720;
    c = c * z + 1.0 / 24;
    c = c * z - 0.5;
    c = 1 + z * c;
    double a = quarter & 1 ? c : s, b = quarter & 1 ? s : c;
    *sine = quarter & 2 ? -a : a;
    *cosine = (quarter + 1) & 2 ? -b : b;
}

static void box_muller(int64_t blocks, float *data, float mean, float std)
{
    for (int64_t i = 0; i < blocks; i++) {
        float *x = data + 2 * PAIRS * i;
        for (int j = 0; j < PAIRS; j++) {
            float u1 = 1.0f - x[j], theta = 6.2831855f * x[j + PAIRS];
            float radius = sqrtf(-2.0f * (float)log_of(u1));
            double sine, cosine;
            sine_cosine(theta, &sine, &cosine);
            x[j] = fmaf(radius * (float)cosine, std, mean);
            x[j + PAIRS] = fmaf(radius * (float)sine, std, mean);
        }
    }
}

static void scale_float(int64_t n, float *data, float span, float low)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = fmaf(data[i], span, low);
}

static void scale_double(int64_t n, double *data, double span, double low)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = fma(data[i], span, low);
}

const struct random_kernels FL_SIMD(random_kernels) = {box_muller, scale_float, scale_double};
