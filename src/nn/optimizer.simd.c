/* Optimizers' update kernels: float32 and float64 in place; bfloat16 and float16 through blocks of
 * float32 in cache, each operation rounded to the dtype. */
#include "nn/optimizer.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/fma.h"

/* What ROUND rounds to in float arithmetic. */
enum half { WHOLE, BFLOAT16, FLOAT16 };

static inline float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Drops the low `cut` bits of the significand, to nearest, ties to even. */
static inline float round_bits(float x, int cut)
{
    uint32_t u = bits_of_float(x);
    return float_of_bits((u + (1u << (cut - 1)) - 1 + (u >> cut & 1)) & ~((1u << cut) - 1));
}

/* x rounded to the values of the dtype, still a float. Branch-free, so that loops over it become
 * vectors. */
static inline __attribute__((always_inline)) float round_half(float x, enum half half)
{
    if (half == WHOLE)
        return x;
    if (half == BFLOAT16)
        return x != x ? x : round_bits(x, 16);
    float size = fabsf(x);
    float normal = round_bits(size, 13);
    float tiny =
        (size + 0.75f) - 0.75f; /* below 2^-14 the step is 2^-24, which is 0.75's last place */
    float y = size < 0x1p-14f ? tiny : normal;
    y = y > 65504.0f ? INFINITY : y;
    return x != x ? x : copysignf(y, x);
}

/* n stored halves as floats. */
static inline __attribute__((always_inline)) void
load_half(float *restrict to, const uint16_t *restrict from, int64_t n, enum half half)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = from[i];
        if (half == BFLOAT16) {
            to[i] = float_of_bits(u << 16);
        } else {
            uint32_t sign = (u & 0x8000) << 16, size = (u & 0x7fff) << 13;
            uint32_t finite = bits_of_float(float_of_bits(size) * 0x1p112f);
            to[i] = float_of_bits(sign | (size >= 0x0f800000u ? size | 0x7f800000u : finite));
        }
    }
}

/* n floats, rounded already, as stored halves. */
static inline __attribute__((always_inline)) void
store_half(uint16_t *restrict to, const float *restrict from, int64_t n, enum half half)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = bits_of_float(from[i]);
        if (half == BFLOAT16) {
            to[i] = (uint16_t)(from[i] != from[i] ? 0x7fc0 : u >> 16);
        } else {
            uint32_t sign = u >> 16 & 0x8000, size = u & 0x7fffffffu;
            uint32_t finite = bits_of_float(float_of_bits(size) * 0x1p-112f) >> 13;
            to[i] = (uint16_t)(sign | (size > 0x7f800000u    ? 0x7e00
                                       : size == 0x7f800000u ? 0x7c00
                                                             : finite));
        }
    }
}

#define REAL         float
#define NAME(name)   name##_f32
#define FMA(a, b, c) fma_float(a, b, c)
#define SQRT(x)      sqrtf(x)
#define ROUND(x)     round_half(x, half)
#include "nn/optimizer_loops.h"
#undef REAL
#undef NAME
#undef FMA
#undef SQRT
#undef ROUND

#define REAL         double
#define NAME(name)   name##_f64
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define SQRT(x)      sqrt(x)
#define ROUND(x)     (x)
#include "nn/optimizer_loops.h"

static void sgd_f32(const struct optimizer_sgd *rule, int64_t n, void *param, const void *grad,
                    void *buffer, bool first)
{
    sgd_loop_f32(rule, n, param, grad, buffer, first, WHOLE);
}

static void sgd_f64(const struct optimizer_sgd *rule, int64_t n, void *param, const void *grad,
                    void *buffer, bool first)
{
    sgd_loop_f64(rule, n, param, grad, buffer, first, WHOLE);
}

static void adam_f32(const struct optimizer_adam_step *step, int64_t n, void *param,
                     const void *grad, void *exp_avg, void *exp_avg_sq, void *max_exp_avg_sq)
{
    if (max_exp_avg_sq)
        adam_loop_f32(step, n, param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, true, WHOLE);
    else
        adam_loop_f32(step, n, param, grad, exp_avg, exp_avg_sq, NULL, false, WHOLE);
}

static void adam_f64(const struct optimizer_adam_step *step, int64_t n, void *param,
                     const void *grad, void *exp_avg, void *exp_avg_sq, void *max_exp_avg_sq)
{
    if (max_exp_avg_sq)
        adam_loop_f64(step, n, param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, true, WHOLE);
    else
        adam_loop_f64(step, n, param, grad, exp_avg, exp_avg_sq, NULL, false, WHOLE);
}

enum { BLOCK = 256 }; /* elements of a half type that are widened at a time */

static inline __attribute__((always_inline)) void sgd_halves(const struct optimizer_sgd *rule,
                                                             int64_t n, uint16_t *param,
                                                             const uint16_t *grad, uint16_t *buffer,
                                                             bool first, enum half half)
{
    float p[BLOCK], g[BLOCK], b[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t count = n - i < BLOCK ? n - i : BLOCK;
        load_half(p, param + i, count, half);
        load_half(g, grad + i, count, half);
        if (buffer && first)
            memset(b, 0, sizeof b);
        else if (buffer)
            load_half(b, buffer + i, count, half);
        sgd_loop_f32(rule, count, p, g, buffer ? b : NULL, first, half);
        store_half(param + i, p, count, half);
        if (buffer)
            store_half(buffer + i, b, count, half);
    }
}

static void sgd_bf16(const struct optimizer_sgd *rule, int64_t n, void *param, const void *grad,
                     void *buffer, bool first)
{
    sgd_halves(rule, n, param, grad, buffer, first, BFLOAT16);
}

static void sgd_f16(const struct optimizer_sgd *rule, int64_t n, void *param, const void *grad,
                    void *buffer, bool first)
{
    sgd_halves(rule, n, param, grad, buffer, first, FLOAT16);
}

static inline __attribute__((always_inline)) void
adam_halves(const struct optimizer_adam_step *step, int64_t n, uint16_t *param,
            const uint16_t *grad, uint16_t *exp_avg, uint16_t *exp_avg_sq, uint16_t *max_exp_avg_sq,
            enum half half)
{
    float p[BLOCK], g[BLOCK], m[BLOCK], v[BLOCK], top[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t count = n - i < BLOCK ? n - i : BLOCK;
        load_half(p, param + i, count, half);
        load_half(g, grad + i, count, half);
        load_half(m, exp_avg + i, count, half);
        load_half(v, exp_avg_sq + i, count, half);
        if (max_exp_avg_sq) {
            load_half(top, max_exp_avg_sq + i, count, half);
            adam_loop_f32(step, count, p, g, m, v, top, true, half);
            store_half(max_exp_avg_sq + i, top, count, half);
        } else {
            adam_loop_f32(step, count, p, g, m, v, NULL, false, half);
        }
        store_half(param + i, p, count, half);
        store_half(exp_avg + i, m, count, half);
        store_half(exp_avg_sq + i, v, count, half);
    }
}

static void adam_bf16(const struct optimizer_adam_step *step, int64_t n, void *param,
                      const void *grad, void *exp_avg, void *exp_avg_sq, void *max_exp_avg_sq)
{
    adam_halves(step, n, param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, BFLOAT16);
}

static void adam_f16(const struct optimizer_adam_step *step, int64_t n, void *param,
                     const void *grad, void *exp_avg, void *exp_avg_sq, void *max_exp_avg_sq)
{
    adam_halves(step, n, param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, FLOAT16);
}

const struct optimizer_kernels FL_SIMD(optimizer_kernels) = {
    .sgd = {[OPTIMIZER_F16] = sgd_f16,
            [OPTIMIZER_BF16] = sgd_bf16,
            [OPTIMIZER_F32] = sgd_f32,
            [OPTIMIZER_F64] = sgd_f64},
    .adam = {[OPTIMIZER_F16] = adam_f16,
             [OPTIMIZER_BF16] = adam_bf16,
             [OPTIMIZER_F32] = adam_f32,
             [OPTIMIZER_F64] = adam_f64},
};
