/* core/fma.h and the kernels' vectors of it against the C library's fmaf: every bit, also where
 * rounding twice would be wrong. Compiled for the least instruction set, where they are computed.
 */
#include "core/fma.h"

#include <float.h>

#include "kernels.h"

#define REAL_BITS 32
#include "ops/matmul/gemm_vector.h"

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void check_one(float a, float b, float c)
{
    float want = fmaf(a, b, c), one = fma_float(a, b, c);
    float many = fma_f32(splat_f32(a), splat_f32(b), splat_f32(c))[LANES - 1];
    uint32_t bits = bits_of(want);
    bool nan = want != want;
    if ((nan ? one == one : bits_of(one) != bits) || (nan ? many == many : bits_of(many) != bits)) {
        if (failures++ < 20)
            printf("fma(%a, %a, %a) is %a, not %a, %a\n", a, b, c, want, one, many);
    }
}

/* Any bits; or few significant ones, so that sums are exact or halfway; or near the ends. */
static float some_float(void)
{
    uint32_t u = (uint32_t)(random_next() >> 20);
    switch (random_below(6)) {
    case 0:
        return of_bits(u);
    case 1:
        return of_bits(u & 0xfff00000);
    case 2:
        return of_bits((u & 0x80ffffff) | 0x3f000000); /* 0.5 .. 2 */
    case 3:
        return of_bits((u & 0x807fffff) | (uint32_t)random_below(30) << 23);
    case 4:
        return of_bits((u & 0x80000003) | 0x3f800000); /* about 1 */
    default:
        return of_bits((u & 0x80ffffff) | (uint32_t)(random_below(2) ? 0x20000000 : 0x5f000000));
    }
}

/* a * b is half a unit of c's last place, or a little more or less: by the square of 2^-k too,
 * which a sum in double does not see. */
static void check_halfway(void)
{
    int exponent = (int)random_below(230), half = (exponent > 1 ? exponent : 1) - 151;
    float c = of_bits((uint32_t)random_next() >> 9 | (uint32_t)exponent << 23 |
                      (random_below(16) ? 0 : 0x7fffff));
    float step = random_below(8) ? ldexpf(1, -(int)random_below(24)) : 0;
    int split = half / 2 + (int)random_below(20) - 10;
    float a = ldexpf(random_below(2) ? 1 : 1 + step, split);
    float b = ldexpf(random_below(2) ? 1 + step : 1 - step, half - split);
    check_one(a, b, c), check_one(-a, b, c), check_one(a, b, -c), check_one(-a, b, -c);
}

void test_fma(void)
{
    static const float ENDS[] = {0,         -0.0f,     1,          -1,         INFINITY,
                                 -INFINITY, NAN,       0x1p-149f,  -0x1p-149f, 0x1p-126f,
                                 0x1p-75f,  -0x1p-74f, 0x1p-127f,  0x1p127f,   FLT_MAX,
                                 -FLT_MAX,  0x1p-24f,  0x1.8p-150f};
    enum { COUNT = sizeof ENDS / sizeof *ENDS };
    for (int i = 0; i < COUNT * COUNT * COUNT; i++)
        check_one(ENDS[i % COUNT], ENDS[i / COUNT % COUNT], ENDS[i / COUNT / COUNT]);
    for (int i = 0; i < 2000000; i++)
        check_one(some_float(), some_float(), some_float());
    for (int i = 0; i < 400000; i++)
        check_halfway();
}
