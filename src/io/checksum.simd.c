/* CRC-32: the remainder of the bytes, read as a polynomial over two elements, by a fixed one.
 *
 * The generic way looks sixteen bytes up in sixteen tables a step. Where the processor multiplies
 * such polynomials, four stretches of sixteen bytes are folded onto the next four until sixteen
 * bytes are left whose remainder is that of all, and these go the generic way (Gopal and others,
 * "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009; the
 * constants are the paper's). Bits stand in the reversed order throughout, as in zip archives.
 */
#include "io/checksum.h"

#include <assert.h>
#include <string.h>

#if defined(__PCLMUL__)
#include <immintrin.h>
#endif

static const uint32_t POLYNOMIAL = 0xedb88320u;

/* Goes on from the state `crc` over a few bytes, four bits at a time. */
static uint32_t by_nibbles(uint32_t crc, const unsigned char *at, uint64_t bytes)
{
    uint32_t table[16];
    for (uint32_t b = 0; b < 16; b++) {
        table[b] = b;
        for (int bit = 0; bit < 4; bit++)
            table[b] = table[b] >> 1 ^ (table[b] & 1 ? POLYNOMIAL : 0);
    }
    for (; bytes > 0; bytes--, at++) {
        crc = crc >> 4 ^ table[(crc ^ *at) & 15];
        crc = crc >> 4 ^ table[(crc ^ *at >> 4) & 15];
    }
    return crc;
}

#if defined(__PCLMUL__)
enum { FOLDED = 64 }; /* bytes of a round */

static __m128i load(const unsigned char *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

/* `x` moved on by the distance that `by` stands for, and what stands there added. */
static __m128i fold(__m128i x, __m128i by, __m128i there)
{
    const __m128i low = _mm_clmulepi64_si128(x, by, 0x00);
    const __m128i high = _mm_clmulepi64_si128(x, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

/* At least FOLDED bytes are there. */
static uint32_t by_folding(uint32_t crc, const unsigned char *at, uint64_t bytes)
{
    assert(bytes >= FOLDED);
    const __m128i far = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);  /* by 64 bytes */
    const __m128i near = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0); /* by 16 bytes */
    __m128i x[4];
    for (int i = 0; i < 4; i++)
        x[i] = load(at + 16 * i);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)crc));
    for (at += FOLDED, bytes -= FOLDED; bytes >= FOLDED; at += FOLDED, bytes -= FOLDED)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], far, load(at + 16 * i));
    for (int i = 1; i < 4; i++)
        x[0] = fold(x[0], near, x[i]);
    for (; bytes >= 16; at += 16, bytes -= 16)
        x[0] = fold(x[0], near, load(at));
    unsigned char rest[32];
    _mm_storeu_si128((__m128i *)rest, x[0]);
    memcpy(rest + 16, at, bytes);
    return by_nibbles(0, rest, 16 + bytes);
}
#else
enum { STEP = 16, MANY = 4096 /* bytes that pay for filling the tables */ };

/* table[k][b]: the remainder of byte b with k zero bytes behind it. */
static void fill_table(uint32_t table[STEP][256])
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        table[0][b] = crc;
    }
    for (int k = 1; k < STEP; k++)
        for (uint32_t b = 0; b < 256; b++)
            table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

/* The same over many, worth filling the large table for. */
static uint32_t by_table(uint32_t crc, const unsigned char *at, uint64_t bytes)
{
    uint32_t table[STEP][256];
    fill_table(table);
    for (; bytes >= STEP; bytes -= STEP, at += STEP) {
        uint32_t next = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                               (uint32_t)at[3] << 24);
        uint32_t rest = 0; /* waits for no step before it */
        for (int k = 4; k < STEP; k++)
            rest ^= table[STEP - 1 - k][at[k]];
        crc = table[STEP - 1][next & 0xff] ^ table[STEP - 2][next >> 8 & 0xff] ^
              table[STEP - 3][next >> 16 & 0xff] ^ table[STEP - 4][next >> 24] ^ rest;
    }
    return by_nibbles(crc, at, bytes);
}
#endif

static uint32_t crc32(const void *at, uint64_t bytes)
{
    assert(at || bytes == 0);
#if defined(__PCLMUL__)
    if (bytes >= FOLDED)
        return ~by_folding(0xffffffff, at, bytes);
#else
    if (bytes >= MANY)
        return ~by_table(0xffffffff, at, bytes);
#endif
    return ~by_nibbles(0xffffffff, at, bytes);
}

const struct checksum_kernels FL_SIMD(checksum_kernels) = {.crc32 = crc32};
