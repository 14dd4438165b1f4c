/* Conversion of the dtypes that are little more than stored: uint16, uint32, uint64 and floats of 8
 * bits.
 *
 * Each has a carrier, a dtype with loops of its own that holds all its values, and two loops here,
 * to the carrier and from it. A conversion goes from carrier to carrier: int32 for uint16, int64 for
 * uint32, float32 for float8. uint64 has three: int64 towards integers, whose bits wrap, and the
 * floating dtype itself that it meets, since no other holds its values.
 *
 * A float of 8 bits is a sign, an exponent and a significand ("e4m3": 4 and 3 bits). "fn": no
 * infinity; "uz": no negative zero, whose code is the only NaN; "e8m0fnu": an exponent alone. What
 * is too large becomes infinity or NaN, and in e4m3fn the largest number, as in PyTorch.
 */
#include <assert.h>
#include <string.h>

#include "core/convert.h"

/* ---- Floats of 8 bits ----------------------------------------------------------------------- */

struct small_float {
    int digits; /* of the significand, without the leading one */
    int bias;
    uint8_t most;     /* the code of the largest number */
    uint8_t overflow; /* what is larger becomes */
    uint8_t nan;
    bool no_minus; /* neither a negative zero nor a sign of what overflows */
};

static const struct small_float E4M3FN = {3, 7, 0x7e, 0x7e, 0x7f, false};
static const struct small_float E5M2 = {2, 15, 0x7b, 0x7c, 0x7f, false};
static const struct small_float E4M3FNUZ = {3, 8, 0x7f, 0x80, 0x80, true};
static const struct small_float E5M2FNUZ = {2, 16, 0x7f, 0x80, 0x80, true};

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Rounds to nearest, ties to even. */
static inline uint8_t small_of_float(float x, struct small_float f)
{
    const uint32_t bits = bits_of(x), size = bits & INT32_MAX;
    const uint8_t sign = bits >> 24 & 0x80;
    const int dropped = 23 - f.digits;
    uint32_t code;
    if (size > 0x7f800000)
        return f.no_minus ? f.nan : sign | f.nan;
    if (size < (uint32_t)(128 - f.bias) << 23) { /* adding a number whose last bit is a step of
                                                    subnormal ones rounds to such steps */
        uint32_t step = (uint32_t)(1 - f.bias - f.digits + 23 + 127) << 23;
        code = bits_of(float_of(size) + float_of(step)) - step;
    } else {
        uint32_t odd = size >> dropped & 1;
        code = ((size + (UINT32_C(1) << (dropped - 1)) - 1 + odd) >> dropped) -
               ((uint32_t)(127 - f.bias) << f.digits);
    }
    if (code > f.most)
        code = f.overflow;
    return f.no_minus && (code == 0 || code == f.overflow) ? (uint8_t)code : sign | (uint8_t)code;
}

static inline float small_to_float(uint8_t code, struct small_float f)
{
    if ((f.no_minus && code == f.nan) || (!f.no_minus && (code & 0x7f) > f.overflow))
        return float_of(0x7fc00000 | (uint32_t)(code & 0x80) << 24);
    uint32_t sign = (uint32_t)(code & 0x80) << 24;
    if (!f.no_minus && (code & 0x7f) == f.overflow && f.overflow != f.most)
        return float_of(sign | 0x7f800000);
    /* Placed too low in the exponent, which a multiplication mends, for subnormals too. */
    float size = float_of((uint32_t)(code & 0x7f) << (23 - f.digits)) *
                 float_of((uint32_t)(254 - f.bias) << 23);
    return float_of(sign | bits_of(size));
}

/* The exponent, one more where the significand is 1.5 or above. The sign is lost. */
static uint8_t exponent_of_float(float x)
{
    const uint32_t bits = bits_of(x) & INT32_MAX, exponent = bits >> 23;
    if (exponent == 0xff)
        return 0xff;
    return (uint8_t)(exponent + (exponent ? bits >> 22 & 1 : bits > UINT32_C(1) << 22));
}

static float exponent_to_float(uint8_t code)
{
    return float_of(code == 0xff ? 0x7fc00000 : code ? (uint32_t)code << 23 : UINT32_C(1) << 22);
}

/* ---- Integers ------------------------------------------------------------------------------- */

/* As x86 compilers do it: a negative number wraps, what fits nowhere is 0 or 2^63. */
static uint64_t u64_of_double(double x)
{
    const double half = 0x1p63;
    bool low = !(x >= half);
    double in = low ? x : x - half;
    int64_t whole = in >= -half && in < half ? (int64_t)in : INT64_MIN;
    return (uint64_t)whole ^ (low ? 0 : UINT64_C(1) << 63);
}

/* ---- Loops ---------------------------------------------------------------------------------- */

#define LOOP(name, from_type, to_type, expression)                                                 \
    static void name(int64_t n, void *to, const void *from)                                        \
    {                                                                                              \
        to_type *r = to;                                                                           \
        const from_type *s = from;                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const from_type x = s[i];                                                              \
            r[i] = (to_type)(expression);                                                          \
        }                                                                                          \
    }

LOOP(u16_to_i32, uint16_t, int32_t, x)
LOOP(i32_to_u16, int32_t, uint16_t, x)
LOOP(u32_to_i64, uint32_t, int64_t, x)
LOOP(i64_to_u32, int64_t, uint32_t, x)
LOOP(u64_to_i64, uint64_t, int64_t, x)
LOOP(i64_to_u64, int64_t, uint64_t, x)
LOOP(u64_to_f32, uint64_t, float, x)
LOOP(f32_to_u64, float, uint64_t, u64_of_double(x))
LOOP(u64_to_f64, uint64_t, double, x)
LOOP(f64_to_u64, double, uint64_t, u64_of_double(x))
LOOP(e4m3fn_to_f32, uint8_t, float, small_to_float(x, E4M3FN))
LOOP(f32_to_e4m3fn, float, uint8_t, small_of_float(x, E4M3FN))
LOOP(e5m2_to_f32, uint8_t, float, small_to_float(x, E5M2))
LOOP(f32_to_e5m2, float, uint8_t, small_of_float(x, E5M2))
LOOP(e4m3fnuz_to_f32, uint8_t, float, small_to_float(x, E4M3FNUZ))
LOOP(f32_to_e4m3fnuz, float, uint8_t, small_of_float(x, E4M3FNUZ))
LOOP(e5m2fnuz_to_f32, uint8_t, float, small_to_float(x, E5M2FNUZ))
LOOP(f32_to_e5m2fnuz, float, uint8_t, small_of_float(x, E5M2FNUZ))
LOOP(e8m0fnu_to_f32, uint8_t, float, exponent_to_float(x))
LOOP(f32_to_e8m0fnu, float, uint8_t, exponent_of_float(x))

/* ---- The way over carriers ------------------------------------------------------------------ */

struct carried {
    int carrier;
    convert_fn to_carrier, from_carrier;
};

enum { FIRST = FL_UINT16 };

static const struct carried CARRIED[] = {
    [FL_UINT16 - FIRST] = {FL_INT32, u16_to_i32, i32_to_u16},
    [FL_UINT32 - FIRST] = {FL_INT64, u32_to_i64, i64_to_u32},
    [FL_UINT64 - FIRST] = {FL_INT64, u64_to_i64, i64_to_u64},
    [FL_FLOAT8_E4M3FN - FIRST] = {FL_FLOAT32, e4m3fn_to_f32, f32_to_e4m3fn},
    [FL_FLOAT8_E5M2 - FIRST] = {FL_FLOAT32, e5m2_to_f32, f32_to_e5m2},
    [FL_FLOAT8_E4M3FNUZ - FIRST] = {FL_FLOAT32, e4m3fnuz_to_f32, f32_to_e4m3fnuz},
    [FL_FLOAT8_E5M2FNUZ - FIRST] = {FL_FLOAT32, e5m2fnuz_to_f32, f32_to_e5m2fnuz},
    [FL_FLOAT8_E8M0FNU - FIRST] = {FL_FLOAT32, e8m0fnu_to_f32, f32_to_e8m0fnu},
};

/* How a dtype goes to and from its carrier when it meets `other`; no loops where it needs none. */
static struct carried carried_of(int dtype, int other)
{
    if (dtype < FIRST)
        return (struct carried){dtype, NULL, NULL};
    if (dtype == FL_UINT64 && other == FL_FLOAT64)
        return (struct carried){FL_FLOAT64, u64_to_f64, f64_to_u64};
    if (dtype == FL_UINT64 && dtype_is_floating(other))
        return (struct carried){FL_FLOAT32, u64_to_f32, f32_to_u64};
    return CARRIED[dtype - FIRST];
}

void convert_stored(int64_t n, void *to, int to_dtype, const void *from, int from_dtype)
{
    enum { BLOCK = 256 };
    assert(!dtype_is_complex(to_dtype) && !dtype_is_complex(from_dtype));
    const struct carried in = carried_of(from_dtype, to_dtype),
                         out = carried_of(to_dtype, from_dtype);
    const size_t from_size = dtype_size(from_dtype), to_size = dtype_size(to_dtype);
    convert_fn between = in.carrier == out.carrier
                             ? NULL
                             : ISA_PICK(convert_kernels)->contiguous[in.carrier][out.carrier];
    _Alignas(64) char first[8 * BLOCK], second[8 * BLOCK];
    const char *f = from;
    for (char *t = to; n > 0; n -= BLOCK, t += BLOCK * to_size, f += BLOCK * from_size) {
        const int64_t count = n < BLOCK ? n : BLOCK;
        const void *at = f;
        if (in.to_carrier) {
            in.to_carrier(count, between || out.from_carrier ? first : t, at);
            at = first;
        }
        if (between) {
            between(count, out.from_carrier ? second : t, at);
            at = second;
        }
        if (out.from_carrier)
            out.from_carrier(count, t, at);
    }
}
