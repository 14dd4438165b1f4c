/* Box and Muller, and the scaling of uniforms, with PyTorch's roundings.
 *
 * PyTorch evaluates the logarithm, sine and cosine in this transform by the single-precision
 * polynomials of the Cephes library (Moshier), each step fused where its compiler fuses it. The
 * same steps are taken here, with the fused operations written out, so that the numbers agree to
 * the last bit and on every instruction set.
 */
#include <math.h>
#include <string.h>

#include "core/fma.h"
#include "core/random_kernels.h"

enum { PAIRS = 8 };

/* log x for x in [2^-24, 1]: x = m 2^e with m in [sqrt(1/2), sqrt(2)), and a polynomial in m - 1.
 */
static inline float log_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t half_bits = (bits & 0x007fffff) | 0x3f000000;
    float m, e = (float)((bits >> 23) - 126);
    memcpy(&m, &half_bits, sizeof m); /* in [1/2, 1) */
    int small = m < 0.707106781186547524f;
    e -= small ? 1.0f : 0.0f;
    m = (m - 1.0f) + (small ? m : 0.0f);
    float z = m * m, p = 7.0376836292e-2f;
    p = fma_float(p, m, -1.1514610310e-1f);
    p = fma_float(p, m, 1.1676998740e-1f);
    p = fma_float(p, m, -1.2420140846e-1f);
    p = fma_float(p, m, 1.4249322787e-1f);
    p = fma_float(p, m, -1.6668057665e-1f);
    p = fma_float(p, m, 2.0000714765e-1f);
    p = fma_float(p, m, -2.4999993993e-1f);
    p = fma_float(p, m, 3.3333331174e-1f);
    /* e log 2 is added in two parts, the small one first. */
    p = fma_float(p * m, z, e * -2.12194440e-4f);
    p = fma_float(z, -0.5f, p);
    return fma_float(e, 0.693359375f, m + p);
}

/* Sine and cosine of x in [0, 2 pi], by eighths of the circle. */
static inline void sine_cosine(float x, float *sine, float *cosine)
{
    int32_t octant = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    float y = (float)octant;
    x = fma_float(y, -0.78515625f, x); /* pi / 4 in three parts */
    x = fma_float(y, -2.4187564849853515625e-4f, x);
    x = fma_float(y, -3.77489497744594108e-8f, x);
    float z = x * x;
    float c = fma_float(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fma_float(c, z, 4.166664568298827e-2f);
    c = fma_float(c * z, z, -(z * 0.5f)) + 1.0f;
    float s = fma_float(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fma_float(s, z, -1.6666654611e-1f);
    s = fma_float(s * z, x, x);
    float a = octant & 2 ? c : s, b = octant & 2 ? s : c;
    *sine = octant & 4 ? -a : a;
    *cosine = (octant + 2) & 4 ? -b : b;
}

static void box_muller(int64_t blocks, float *data, float mean, float std)
{
    for (int64_t i = 0; i < blocks; i++) {
        float *x = data + 2 * PAIRS * i;
        for (int j = 0; j < PAIRS; j++) {
            float u1 = 1.0f - x[j], theta = 6.2831855f * x[j + PAIRS];
            float radius = sqrtf(-2.0f * log_of(u1));
            float sine, cosine;
            sine_cosine(theta, &sine, &cosine);
            x[j] = fma_float(radius * cosine, std, mean);
            x[j + PAIRS] = fma_float(radius * sine, std, mean);
        }
    }
}

static void scale_float(int64_t n, float *data, float span, float low)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = fma_float(data[i], span, low);
}

static void scale_double(int64_t n, double *data, double span, double low)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = fma(data[i], span, low);
}

const struct random_kernels FL_SIMD(random_kernels) = {box_muller, scale_float, scale_double};
