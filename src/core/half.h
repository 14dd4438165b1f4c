/* The 16-bit floats, IEEE's binary16 and bfloat16, as float and back.
 *
 * To 16 bits rounds to nearest even; a NaN stays a quiet NaN with the top of its payload. No
 * branches and no intrinsics: loops over these vectorise, and the bits are those of the F16C and
 * AVX512-BF16 instructions, but that those of the latter flush subnormals.
 */
#ifndef FLAMBEAU_CORE_HALF_H
#define FLAMBEAU_CORE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_to_float(uint16_t h)
{
    /* Placed 112 too low in the exponent, which a multiplication mends for subnormals too; it is
     * exact. */
    uint32_t u = (uint32_t)(h & 0x7fff) << 13;
    float f;
    memcpy(&f, &u, sizeof f);
    f *= 0x1p112f;
    uint32_t finite;
    memcpy(&finite, &f, sizeof finite);
    uint32_t special = u | 0x7f800000 | ((h & 0x3ff) ? 0x400000 : 0);
    uint32_t r = ((h & 0x7c00) == 0x7c00 ? special : finite) | (uint32_t)(h & 0x8000) << 16;
    memcpy(&f, &r, sizeof f);
    return f;
}

static inline uint16_t float_to_half(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t a = u & 0x7fffffff;
    /* From 2^-14 on: round at bit 13 and move the exponent; a carry into the exponent is right,
     * up to infinity. */
    uint32_t capped = a < 0x47800000 ? a : 0x47800000;
    uint32_t normal = ((capped + 0xfff + ((capped >> 13) & 1)) >> 13) - (112u << 10);
    /* Below: adding 1/2 rounds to multiples of 2^-24, of which the low bits then say how many. */
    float f;
    memcpy(&f, &a, sizeof f);
    f += 0.5f;
    uint32_t tiny;
    memcpy(&tiny, &f, sizeof tiny);
    tiny -= 0x3f000000;
    uint32_t r = a < 0x38800000 ? tiny : normal;
    r = a > 0x7f800000 ? 0x7e00 | ((a >> 13) & 0x3ff) : r;
    return (uint16_t)(r | (u >> 16 & 0x8000));
}

static inline float bf16_to_float(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint16_t float_to_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : rounded);
}

#endif
