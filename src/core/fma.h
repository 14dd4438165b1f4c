/* a * b + c with one rounding, in float, where it may not cost a call: the bits of fmaf.
 *
 * Where there is no such instruction it goes through double. The product of two floats is exact
 * there; the sum is rounded to odd (toward zero, and made odd if anything was lost), after which
 * rounding it to float gives what one rounding of the exact value gives, for subnormals too (Boldo
 * and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
 * odd", 2008). Nothing branches: a loop around it vectorises.
 *
 * In double there is no wider type, and error-free products fail near the ends of the range: there
 * it is the library's fma.
 */
#ifndef FLAMBEAU_CORE_FMA_H
#define FLAMBEAU_CORE_FMA_H

#include <stdint.h>
#include <string.h>

static inline __attribute__((always_inline, unused)) float fma_float(float a, float b, float c)
{
#if defined(__FMA__) || defined(__aarch64__) || defined(__FP_FAST_FMAF)
    return __builtin_fmaf(a, b, c);
#else
    double product = (double)a * b, sum = product + c, rest = sum - product;
    double lost = (product - (sum - rest)) + (c - rest);
    uint64_t bits, lost_bits;
    memcpy(&bits, &sum, sizeof bits);
    memcpy(&lost_bits, &lost, sizeof lost_bits);
    uint64_t inexact = (lost > 0) | (lost < 0); /* not where it is NaN */
    uint64_t beyond = (bits ^ lost_bits) >> 63; /* the sum is further from zero than the truth */
    bits = (bits - (beyond & inexact)) | inexact;
    memcpy(&sum, &bits, sizeof sum);
    return (float)sum;
#endif
}

#endif
