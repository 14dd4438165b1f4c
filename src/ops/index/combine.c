/* Elements added to others or multiplied with them, in place, as their dtype does it.
 *
 * Runs lie one behind another; elements that an index names lie anywhere, and are taken in order, since
 * a sum of floats depends on it. Loops exist for each dtype that programs index; others go through
 * a type that holds their values.
 */
#include <assert.h>

#include "core/half.h"
#include "core/iterate.h"
#include "ops/index/index.h"

static void multiply_complex(int dtype, int64_t n, void *to, const void *from)
{
    assert(n >= 0 && dtype_is_complex(dtype));
    const int64_t size = (int64_t)dtype_size(dtype);
    for (int64_t i = 0; i < n; i++) {
        double a[2], b[2], c[2];
        convert_elements(1, a, FL_COMPLEX128, 16, (char *)to + i * size, dtype, size);
        convert_elements(1, b, FL_COMPLEX128, 16, (const char *)from + i * size, dtype, size);
        c[0] = a[0] * b[0] - a[1] * b[1], c[1] = a[0] * b[1] + a[1] * b[0];
        convert_elements(1, (char *)to + i * size, dtype, size, c, FL_COMPLEX128, 16);
    }
}

/* to = to (op) from by way of float32, float64 or int64. */
static void combine_run(int dtype, int64_t n, void *to, const void *from, bool multiply)
{
    assert(n >= 0 && !dtype_is_complex(dtype));
    enum { CHUNK = 256 };
    const int work = dtype_is_floating(dtype) ? compute_dtype(compute_of(dtype)) : FL_INT64;
    const int64_t size = (int64_t)dtype_size(dtype), wide = (int64_t)dtype_size(work);
    union {
        float f[CHUNK];
        double d[CHUNK];
        int64_t i[CHUNK];
    } a, b;
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t m = n - at < CHUNK ? n - at : CHUNK;
        convert_elements(m, &a, work, wide, (char *)to + at * size, dtype, size);
        convert_elements(m, &b, work, wide, (const char *)from + at * size, dtype, size);
        for (int64_t k = 0; k < m; k++) {
            if (work == FL_FLOAT32)
                a.f[k] = multiply ? a.f[k] * b.f[k] : a.f[k] + b.f[k];
            else if (work == FL_FLOAT64)
                a.d[k] = multiply ? a.d[k] * b.d[k] : a.d[k] + b.d[k];
            else
                a.i[k] = multiply ? a.i[k] * b.i[k] : a.i[k] + b.i[k];
        }
        convert_elements(m, (char *)to + at * size, dtype, size, &a, work, wide);
    }
}

/* ---- loops of a dtype ------------------------------------------------------------------------ */

struct combine {
    void (*add)(int64_t n, void *to, const void *from);
    void (*multiply)(int64_t n, void *to, const void *from);
    void (*add_named)(const struct index_row *row);
};

#define LOOP(name, type, what)                                                                     \
    static void name(int64_t n, void *to, const void *from)                                        \
    {                                                                                              \
        type *a = to;                                                                              \
        const type *b = from;                                                                      \
        for (int64_t i = 0; i < n; i++)                                                            \
            a[i] = what(a[i], b[i]);                                                               \
    }
#define LOOPS(name, type, sum, product)                                                            \
    LOOP(add_##name, type, sum)                                                                    \
    LOOP(multiply_##name, type, product)                                                           \
    static void add_named_##name(const struct index_row *row)                                      \
    {                                                                                              \
        const struct index_row r = *row;                                                           \
        for (int64_t i = 0; i < r.n; i++) {                                                        \
            type *a = (type *)(r.to + i * r.to_step + r.index[i * r.index_step] * r.along);        \
            *a = sum(*a, *(const type *)(r.from + i * r.from_step));                               \
        }                                                                                          \
    }

#define SUM(a, b)          ((a) + (b))
#define PRODUCT(a, b)      ((a) * (b))
#define SUM_8(a, b)        (uint8_t)((a) + (b))
#define PRODUCT_8(a, b)    (uint8_t)((a) * (b))
#define SUM_16(a, b)       (uint16_t)((a) + (b))
#define PRODUCT_16(a, b)   (uint16_t)((uint32_t)(a) * (b))
#define SUM_BOOL(a, b)     (((a) | (b)) != 0)
#define PRODUCT_BOOL(a, b) (((a) != 0) & ((b) != 0))
#define SUM_BF16(a, b)     float_to_bf16(bf16_to_float(a) + bf16_to_float(b))
#define PRODUCT_BF16(a, b) float_to_bf16(bf16_to_float(a) * bf16_to_float(b))
#define SUM_F16(a, b)      float_to_half(half_to_float(a) + half_to_float(b))
#define PRODUCT_F16(a, b)  float_to_half(half_to_float(a) * half_to_float(b))

LOOPS(f32, float, SUM, PRODUCT)
LOOPS(f64, double, SUM, PRODUCT)
LOOPS(i64, uint64_t, SUM, PRODUCT)
LOOPS(i32, uint32_t, SUM, PRODUCT)
LOOPS(i16, uint16_t, SUM_16, PRODUCT_16)
LOOPS(i8, uint8_t, SUM_8, PRODUCT_8)
LOOPS(bool, uint8_t, SUM_BOOL, PRODUCT_BOOL)
LOOPS(bf16, uint16_t, SUM_BF16, PRODUCT_BF16)
LOOPS(f16, uint16_t, SUM_F16, PRODUCT_F16)

#define ROW(name) {add_##name, multiply_##name, add_named_##name}
static const struct combine LOOPS_OF[FL_DTYPE_COUNT] = {
    [FL_FLOAT32] = ROW(f32), [FL_FLOAT64] = ROW(f64), [FL_INT64] = ROW(i64),
    [FL_INT32] = ROW(i32),   [FL_INT16] = ROW(i16),   [FL_INT8] = ROW(i8),
    [FL_UINT8] = ROW(i8),    [FL_BOOL] = ROW(bool),   [FL_BFLOAT16] = ROW(bf16),
    [FL_FLOAT16] = ROW(f16)};

/* ---- by dtype -------------------------------------------------------------------------------- */

void index_add_run(int dtype, int64_t n, void *to, const void *from)
{
    assert(dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    if (dtype_is_complex(dtype)) /* parts add up on their own */
        dtype = dtype_real(dtype), n *= 2;
    if (LOOPS_OF[dtype].add)
        LOOPS_OF[dtype].add(n, to, from);
    else
        combine_run(dtype, n, to, from, false);
}

void index_multiply_run(int dtype, int64_t n, void *to, const void *from)
{
    assert(dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    if (dtype_is_complex(dtype))
        multiply_complex(dtype, n, to, from);
    else if (LOOPS_OF[dtype].multiply)
        LOOPS_OF[dtype].multiply(n, to, from);
    else
        combine_run(dtype, n, to, from, true);
}

void index_combine_row(enum index_how how, int dtype, const struct index_row *row)
{
    assert(row->n >= 0 && dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    if (how == INDEX_ADD && LOOPS_OF[dtype].add_named) {
        LOOPS_OF[dtype].add_named(row);
        return;
    }
    for (int64_t i = 0; i < row->n; i++)
        index_combine(how, dtype, 1,
                      row->to + i * row->to_step + row->index[i * row->index_step] * row->along,
                      row->from + i * row->from_step);
}

void index_add_at(int dtype, void *to, int64_t count, const int64_t *place, int64_t n,
                  const void *from)
{
    assert(count >= 0 && n >= 0);
    const int64_t size = (int64_t)dtype_size(dtype), bytes = n * size;
    if (n == 1)
        index_combine_row(INDEX_ADD, dtype,
                          &(struct index_row){count, place, 1, to, 0, size, from, size});
    for (int64_t i = 0; n > 1 && i < count; i++)
        index_add_run(dtype, n, (char *)to + place[i] * bytes, (const char *)from + i * bytes);
}

void index_pick(char *to, const char *from, int64_t count, const int64_t *place, size_t bytes)
{
    assert(count >= 0);
    if (bytes == 8)
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * 8, from + place[i] * 8, 8);
    else if (bytes == 4)
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * 4, from + place[i] * 4, 4);
    else
        for (int64_t i = 0; i < count; i++)
            index_move(to + (size_t)i * bytes, from + (size_t)place[i] * bytes, bytes);
}
