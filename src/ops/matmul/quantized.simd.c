/* The loops of quantized.h. Sums of integers are exact in any order. */
#include "ops/matmul/quantized.h"

#include <assert.h>

#include "core/fma.h"
#include "ops/pointwise/math.h"

enum { LANES = 16 };

static bool range(int64_t n, const float *x, float *low, float *high)
{
    float least[LANES] = {0}, most[LANES] = {0};
    int strange[LANES] = {0};
    const int64_t whole = n - n % LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const float v = x[i + l];
            least[l] = v < least[l] ? v : least[l];
            most[l] = v > most[l] ? v : most[l];
            strange[l] |= v != v;
        }
    for (int64_t i = whole; i < n; i++) {
        least[0] = x[i] < least[0] ? x[i] : least[0];
        most[0] = x[i] > most[0] ? x[i] : most[0];
        strange[0] |= x[i] != x[i];
    }
    int any = 0;
    for (int l = 0; l < LANES; l++) {
        *low = least[l] < *low ? least[l] : *low;
        *high = most[l] > *high ? most[l] : *high;
        any |= strange[l];
    }
    return !any;
}

static void steps(const struct quantized_steps *s, int64_t n, int16_t *restrict to,
                  const float *restrict x)
{
    const float inverse = s->inverse, zero = (float)s->zero, top = (float)s->top;
    for (int64_t i = 0; i < n; i++) {
        float v = m_round_f32(fma_float(x[i], inverse, zero));
        v = v > 0 ? v : 0;
        v = v < top ? v : top;
        to[i] = (int16_t)(int32_t)(v - zero);
    }
}

static void widen(int64_t n, int16_t *restrict to, const int8_t *restrict from)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

static void dots(int rows, int64_t n, const int16_t *x, int64_t stride, const int16_t *w,
                 int64_t *y)
{
    assert(n <= QUANTIZED_STRETCH && rows <= QUANTIZED_ROWS);
    if (rows == QUANTIZED_ROWS) {
        const int16_t *a = x, *b = x + stride, *c = x + 2 * stride, *d = x + 3 * stride;
        int32_t of_a = 0, of_b = 0, of_c = 0, of_d = 0;
        for (int64_t i = 0; i < n; i++) {
            of_a += a[i] * w[i];
            of_b += b[i] * w[i];
            of_c += c[i] * w[i];
            of_d += d[i] * w[i];
        }
        y[0] += of_a, y[1] += of_b, y[2] += of_c, y[3] += of_d;
        return;
    }
    for (int r = 0; r < rows; r++, x += stride) {
        int32_t sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += x[i] * w[i];
        y[r] += sum;
    }
}

const struct quantized_kernels FL_SIMD(quantized_kernels) = {range, steps, widen, dots};
