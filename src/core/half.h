/* float16 and bfloat16 as bits: exact to float, and back rounded to nearest, ties to even.
 *
 * No branch and no special instruction, so that loops over these vectorise on every instruction set and give the same
 * bits there. A NaN becomes the plain quiet NaN, as in PyTorch.
 */
#ifndef FLAMBEAU_CORE_HALF_H
#define FLAMBEAU_CORE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t half_bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float half_float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float half_to_float(uint16_t h)
{
    /* The digits in float's place with half's bias of 15; the product sets the bias, and makes subnormals normal. */
    uint32_t magnitude = h & 0x7fffu;
    uint32_t bits = half_bits_of(half_float_of(magnitude << 13) * 0x1p112f);
    bits |= magnitude >= 0x7c00u ? 0x7f800000u : 0;
    return half_float_of(bits | (uint32_t)(h & 0x8000u) << 16);
}

static inline uint16_t float_to_half(float f)
{
    uint32_t u = half_bits_of(f), magnitude = u & 0x7fffffffu;
    uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    /* Below 2^-14 the addition of 1/2 puts the last digit of a subnormal half at float's, and rounds. */
    uint32_t subnormal = half_bits_of(half_float_of(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t bits = magnitude < 0x38800000u ? subnormal : normal;
    bits = magnitude >= 0x47800000u ? 0x7c00u : bits;
    bits = magnitude > 0x7f800000u ? 0x7e00u : bits;
    return (uint16_t)(bits | (u >> 16 & 0x8000u));
}

static inline float bf16_to_float(uint16_t h)
{
    return half_float_of((uint32_t)h << 16);
}

static inline uint16_t float_to_bf16(float f)
{
    uint32_t u = half_bits_of(f);
    uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

#endif
