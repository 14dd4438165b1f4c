/* Contiguous conversion between all real dtypes, filling, and transposition of tiles.
 *
 * A conversion goes from the stored type to the value it stands for (float16 and bfloat16 stand for
 * a float) and on to the stored type of the result. A floating value becomes an integer as in C
 * where it fits, through 64 bits for uint8 and int64 and 32 bits otherwise, and then wraps; what
 * does not fit there becomes the least integer, as it does on x86. Truth is being different from 0.
 */
#include <assert.h>
#include <string.h>
#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "core/convert.h"
#include "core/half.h"

static inline int32_t to_i32(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}

static inline int32_t to_i32_from_float(float x)
{
    return x >= -2147483648.0f && x < 2147483648.0f ? (int32_t)x : INT32_MIN;
}

static inline int64_t to_i64(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

/* What a stored element stands for. */
#define VALUE_b8(x)   ((x) != 0)
#define VALUE_u8(x)   (x)
#define VALUE_i8(x)   (x)
#define VALUE_i16(x)  (x)
#define VALUE_i32(x)  (x)
#define VALUE_i64(x)  (x)
#define VALUE_f16(x)  half_to_float(x)
#define VALUE_bf16(x) bf16_to_float(x)
#define VALUE_f32(x)  (x)
#define VALUE_f64(x)  (x)

#define INTEGER32(v) _Generic((v), float: to_i32_from_float, double: to_i32, default: same_i64)(v)
#define INTEGER64(v) _Generic((v), float: to_i64, double: to_i64, default: same_i64)(v)

static inline int64_t same_i64(int64_t x)
{
    return x;
}

/* How a value is stored. */
#define STORE_b8(v)   ((v) != 0)
#define STORE_u8(v)   (uint8_t)INTEGER64(v)
#define STORE_i8(v)   (int8_t)INTEGER32(v)
#define STORE_i16(v)  (int16_t)INTEGER32(v)
#define STORE_i32(v)  (int32_t)INTEGER32(v)
#define STORE_i64(v)  INTEGER64(v)
#define STORE_f16(v)  float_to_half((float)(v))
#define STORE_bf16(v) float_to_bf16((float)(v))
#define STORE_f32(v)  (float)(v)
#define STORE_f64(v)  (double)(v)

typedef uint8_t b8_t; /* a byte: a bool made elsewhere may hold more than 0 and 1 */
typedef uint8_t u8_t;
typedef int8_t i8_t;
typedef int16_t i16_t;
typedef int32_t i32_t;
typedef int64_t i64_t;
typedef uint16_t f16_t;
typedef uint16_t bf16_t;
typedef float f32_t;
typedef double f64_t;

#define CONVERT(from, to)                                                                          \
    static void from##_to_##to(int64_t n, void *restrict result, const void *restrict source)      \
    {                                                                                              \
        to##_t *restrict r = result;                                                               \
        const from##_t *restrict s = source;                                                       \
        for (int64_t i = 0; i < n; i++)                                                            \
            r[i] = STORE_##to(VALUE_##from(s[i]));                                                 \
    }

#define CONVERT_FROM(from)                                                                         \
    CONVERT(from, b8)                                                                              \
    CONVERT(from, u8)                                                                              \
    CONVERT(from, i8)                                                                              \
    CONVERT(from, i16)                                                                             \
    CONVERT(from, i32)                                                                             \
    CONVERT(from, i64)                                                                             \
    CONVERT(from, f16)                                                                             \
    CONVERT(from, bf16)                                                                            \
    CONVERT(from, f32)                                                                             \
    CONVERT(from, f64)

CONVERT_FROM(b8)
CONVERT_FROM(u8)
CONVERT_FROM(i8)
CONVERT_FROM(i16)
CONVERT_FROM(i32)
CONVERT_FROM(i64)
#if defined(__F16C__) /* instructions convert 8 at a time, the loops the last few */
#define f16_to_f32 f16_to_f32_few
#define f32_to_f16 f32_to_f16_few
#endif
CONVERT_FROM(f16)
CONVERT_FROM(bf16)
CONVERT_FROM(f32)
CONVERT_FROM(f64)

#if defined(__F16C__)
#undef f16_to_f32
#undef f32_to_f16

static void f16_to_f32(int64_t n, void *restrict result, const void *restrict source)
{
    assert(n >= 0);
    float *r = result;
    const uint16_t *s = source;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(r + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(s + i))));
    f16_to_f32_few(n - i, r + i, s + i);
}

static void f32_to_f16(int64_t n, void *restrict result, const void *restrict source)
{
    assert(n >= 0);
    uint16_t *r = result;
    const float *s = source;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((void *)(r + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(s + i), _MM_FROUND_TO_NEAREST_INT));
    f32_to_f16_few(n - i, r + i, s + i);
}
#endif

struct pair {
    uint64_t low, high;
};

/* From one dtype to each, in the order of fl_dtype, whose first is none. */
#define ROW(from)                                                                                  \
    {NULL,          from##_to_b8,  from##_to_u8,   from##_to_i8,  from##_to_i16, from##_to_i32,    \
     from##_to_i64, from##_to_f16, from##_to_bf16, from##_to_f32, from##_to_f64}

/* ---- Moving --------------------------------------------------------------------------------- */

typedef uint64_t line __attribute__((vector_size(64)));
typedef line line_anywhere __attribute__((aligned(1), may_alias));

/* Where the C library copies pieces of some KiB by `rep movsb`, that is several times slower when
 * source and destination lie differently in their lines; these loads and stores are not. */
static void move(int64_t n, void *to, const void *from)
{
    assert(n >= 0);
    const int64_t whole = n / 256 * 256;
    char *t = to;
    const char *f = from;
    for (int64_t i = 0; i < whole; i += 256) {
        const line_anywhere *s = (const line_anywhere *)(f + i);
        line_anywhere *r = (line_anywhere *)(t + i);
        line a = s[0], b = s[1], c = s[2], d = s[3];
        r[0] = a, r[1] = b, r[2] = c, r[3] = d;
    }
    memcpy(t + whole, f + whole, (size_t)(n - whole));
}

#define REVERSE(name, type)                                                                        \
    static void name(int64_t n, void *to, const void *from)                                        \
    {                                                                                              \
        type *r = to;                                                                              \
        const type *s = (const type *)from + n - 1;                                                \
        for (int64_t i = 0; i < n; i++)                                                            \
            r[i] = s[-i];                                                                          \
    }

REVERSE(reverse_1, uint8_t)
REVERSE(reverse_2, uint16_t)
REVERSE(reverse_4, uint32_t)
REVERSE(reverse_8, uint64_t)
REVERSE(reverse_16, struct pair)

/* ---- Filling -------------------------------------------------------------------------------- */

#define FILL(name, type)                                                                           \
    static void name(int64_t n, void *to, const void *element)                                     \
    {                                                                                              \
        type x;                                                                                    \
        memcpy(&x, element, sizeof x);                                                             \
        type *r = to;                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            r[i] = x;                                                                              \
    }

FILL(fill_1, uint8_t)
FILL(fill_2, uint16_t)
FILL(fill_4, uint32_t)
FILL(fill_8, uint64_t)
FILL(fill_16, struct pair)

/* ---- Transposition -------------------------------------------------------------------------- */

/* (Eight bytes may be a complex number that begins at any float.) */
typedef uint64_t loose_8 __attribute__((aligned(4)));

#define TRANSPOSE_PLAIN(name, type)                                                                \
    static void name(int64_t rows, int64_t columns, void *to, int64_t to_stride, const void *from, \
                     int64_t from_stride)                                                          \
    {                                                                                              \
        for (int64_t r = 0; r < rows; r++)                                                         \
            for (int64_t c = 0; c < columns; c++)                                                  \
                ((type *)((char *)to + r * to_stride))[c] =                                        \
                    ((const type *)((const char *)from + c * from_stride))[r];                     \
    }

TRANSPOSE_PLAIN(plain_1, uint8_t)
TRANSPOSE_PLAIN(plain_2, uint16_t)
TRANSPOSE_PLAIN(plain_4, uint32_t)
TRANSPOSE_PLAIN(plain_8, loose_8)
TRANSPOSE_PLAIN(transpose_16, struct pair)

/* Blocks of as many rows as columns in registers: at each step rows i and i + d exchange the elements whose
 * column has, and has not, the bit d; after all bits the block is transposed. */
#define ROW_TYPES(row, type, side)                                                                 \
    typedef type row __attribute__((vector_size(side * sizeof(type))));                            \
    typedef type row##_loose                                                                       \
        __attribute__((vector_size(side * sizeof(type)), aligned(1), may_alias));

ROW_TYPES(row_2, uint16_t, 8)
ROW_TYPES(row_4, uint32_t, 8)
#if defined(__AVX512F__)
ROW_TYPES(row_8, uint64_t, 8)
#else /* the registers are too short for eight of 8 bytes */
ROW_TYPES(half_row_8, uint64_t, 4)
#endif

/* What the step with the bit d leaves in row i, and in row i + d, of rows of 8 and of 4. */
/* clang-format off */
#define KEEP_8_1(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define GIVE_8_1(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define KEEP_8_2(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define GIVE_8_2(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define KEEP_8_4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define GIVE_8_4(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#define KEEP_4_1(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define GIVE_4_1(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#define KEEP_4_2(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define GIVE_4_2(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
/* clang-format on */

#define EXCHANGE(row, side, distance)                                                              \
    _Pragma("GCC unroll 8") for (int i = 0; i < side; i++)                                         \
    {                                                                                              \
        if (i & distance)                                                                          \
            continue;                                                                              \
        row a = v[i], b = v[i + distance];                                                         \
        v[i] = KEEP_##side##_##distance(a, b);                                                     \
        v[i + distance] = GIVE_##side##_##distance(a, b);                                          \
    }
#define EXCHANGE_4(row) EXCHANGE(row, 4, 1) EXCHANGE(row, 4, 2)
#define EXCHANGE_8(row) EXCHANGE(row, 8, 1) EXCHANGE(row, 8, 2) EXCHANGE(row, 8, 4)

/* Unrolled, and of loads of whole rows, so that no row lies in memory meanwhile. Of the results the first
 * `kept` rows are written. */
#define BLOCK(name, row, side)                                                                     \
    static inline void name(char *to, int64_t to_stride, const char *from, int64_t from_stride,    \
                            int64_t kept)                                                          \
    {                                                                                              \
        row v[side];                                                                               \
        _Pragma("GCC unroll 8") for (int i = 0; i < side; i++) v[i] =                              \
            *(const row##_loose *)(from + i * from_stride);                                        \
        EXCHANGE_##side(row);                                                                      \
        _Pragma("GCC unroll 8") for (int i = 0; i < side; i++) if (i < kept) *                     \
            (row##_loose *)(to + i * to_stride) = v[i];                                            \
    }

BLOCK(block_2, row_2, 8)
BLOCK(block_4, row_4, 8)
#if defined(__AVX512F__)
BLOCK(block_8, row_8, 8)
#else
BLOCK(quarter_8, half_row_8, 4)

/* Whole cache lines are read and written, a fourth of the block at a time. */
static inline void block_8(char *to, int64_t to_stride, const char *from, int64_t from_stride,
                           int64_t kept)
{
    for (int64_t i = 0; i < kept; i += 4)
        for (int64_t j = 0; j < 8; j += 4)
            quarter_8(to + i * to_stride + j * 8, to_stride, from + j * from_stride + i * 8,
                      from_stride, kept - i);
}
#endif

enum { SIDE = 8 };

/* Rows that do not fill a block go by blocks too, which read what lies behind them, as far as that is
 * before the end of the last; the last columns are in two blocks where they do not fill one. */
#define TRANSPOSE(name, plain, block, type)                                                        \
    static void name(int64_t rows, int64_t columns, void *to, int64_t to_stride, const void *from, \
                     int64_t from_stride)                                                          \
    {                                                                                              \
        char *t = to;                                                                              \
        const char *f = from;                                                                      \
        int64_t r = 0, size = sizeof(type);                                                        \
        for (; r + SIDE <= rows && columns >= SIDE; r += SIDE) {                                   \
            int64_t c = 0;                                                                         \
            for (; c + SIDE <= columns; c += SIDE)                                                 \
                block(t + r * to_stride + c * size, to_stride, f + c * from_stride + r * size,     \
                      from_stride, SIDE);                                                          \
            if (c < columns)                                                                       \
                c = columns - SIDE, block(t + r * to_stride + c * size, to_stride,                 \
                                          f + c * from_stride + r * size, from_stride, SIDE);      \
        }                                                                                          \
        const int64_t beyond = (r + SIDE - rows) * size;                                           \
        int64_t c = 0;                                                                             \
        for (; r < rows && from_stride > 0 && c + SIDE <= columns &&                               \
               (columns - c - SIDE) * from_stride >= beyond;                                       \
             c += SIDE)                                                                            \
            block(t + r * to_stride + c * size, to_stride, f + c * from_stride + r * size,         \
                  from_stride, rows - r);                                                          \
        plain(rows - r, columns - c, t + r * to_stride + c * size, to_stride,                      \
              f + c * from_stride + r * size, from_stride);                                        \
    }

TRANSPOSE(transpose_2, plain_2, block_2, uint16_t)
TRANSPOSE(transpose_4, plain_4, block_4, uint32_t)
TRANSPOSE(transpose_8, plain_8, block_8, uint64_t)

const struct convert_kernels FL_SIMD(convert_kernels) = {
    .contiguous = {{NULL},
                   ROW(b8),
                   ROW(u8),
                   ROW(i8),
                   ROW(i16),
                   ROW(i32),
                   ROW(i64),
                   ROW(f16),
                   ROW(bf16),
                   ROW(f32),
                   ROW(f64)},
    .move = move,
    .reverse = {reverse_1, reverse_2, reverse_4, reverse_8, reverse_16},
    .fill = {fill_1, fill_2, fill_4, fill_8, fill_16},
    .transpose = {plain_1, transpose_2, transpose_4, transpose_8, transpose_16},
};
