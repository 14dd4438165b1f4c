/* Elements as keys.
 *
 * Integers flip their sign bit, where they have one. Floats flip all bits where they are negative and the sign bit where
 * not. Keys of float32 and halves have 32 bits, the rest 64: a radix sort goes over those that
 * differ.
 */
#include "ops/sort/keys.h"

#include <assert.h>
#include <string.h>

#include "core/iterate.h"

static uint64_t key_of_float(uint32_t bits)
{
    if ((bits & INT32_MAX) > 0x7f800000)
        return UINT32_MAX;
    bits = bits == UINT32_C(1) << 31 ? 0 : bits;
    return bits ^ ((uint32_t)-(int32_t)(bits >> 31) | UINT32_C(1) << 31);
}

static uint64_t key_of_double(uint64_t bits)
{
    if ((bits & INT64_MAX) > UINT64_C(0x7ff) << 52)
        return UINT64_MAX;
    bits = bits == UINT64_C(1) << 63 ? 0 : bits;
    return bits ^ ((uint64_t)-(int64_t)(bits >> 63) | UINT64_C(1) << 63);
}

uint64_t keys_nan(int dtype)
{
    return dtype == FL_FLOAT64 || !dtype_is_floating(dtype) ? UINT64_MAX : UINT32_MAX;
}

void keys_read(const struct line *l, bool descending, struct pair *out)
{
    enum { CHUNK = 256 };
    assert(!dtype_is_complex(l->dtype));
    const int work = !dtype_is_floating(l->dtype) ? FL_INT64
                     : l->dtype == FL_FLOAT64     ? FL_FLOAT64
                                                  : FL_FLOAT32;
    const uint64_t sign = dtype_digits(l->dtype) < 64 ? UINT64_C(1) << 63 : 0;
    const uint64_t flip = descending ? UINT64_MAX : 0;
    union {
        uint32_t f[CHUNK];
        uint64_t d[CHUNK];
    } stage;
    for (int64_t at = 0; at < l->n; at += CHUNK, out += CHUNK) {
        const int64_t m = l->n - at < CHUNK ? l->n - at : CHUNK;
        convert_elements(m, &stage, work, (int64_t)dtype_size(work), l->data + at * l->stride,
                         l->dtype, l->stride);
        if (work == FL_FLOAT32)
            for (int64_t k = 0; k < m; k++)
                out[k] = (struct pair){key_of_float(stage.f[k]) ^ flip, at + k};
        else if (work == FL_FLOAT64)
            for (int64_t k = 0; k < m; k++)
                out[k] = (struct pair){key_of_double(stage.d[k]) ^ flip, at + k};
        else
            for (int64_t k = 0; k < m; k++)
                out[k] = (struct pair){stage.d[k] ^ sign ^ flip, at + k};
    }
}

#define PICK(type)                                                                                 \
    for (int64_t i = 0; i < take; i++)                                                             \
    memcpy(values->data + i * values->stride, from->data + pairs[i].position * from->stride,       \
           sizeof(type))

void keys_write(const struct line *from, const struct pair *pairs, int64_t take,
                const struct line *values, const struct line *positions)
{
    assert(from->dtype == values->dtype);
    switch (dtype_size(from->dtype)) {
    case 1:
        PICK(char);
        break;
    case 2:
        PICK(char[2]);
        break;
    case 4:
        PICK(char[4]);
        break;
    default:
        PICK(char[8]);
        break;
    }
    for (int64_t i = 0; i < take; i++)
        memcpy(positions->data + i * positions->stride, &pairs[i].position, sizeof(int64_t));
}

/* ---- Counting -------------------------------------------------------------------------------- */

enum { BLOCK = 512 };

/* Elements from `at` on, at most BLOCK. */
static int64_t read_integers(const struct line *l, int64_t at, int64_t *out)
{
    const int64_t n = l->n - at < BLOCK ? l->n - at : BLOCK;
    convert_elements(n, out, FL_INT64, 8, l->data + at * l->stride, l->dtype, l->stride);
    return n;
}

bool keys_span(const struct line *l, uint64_t most, int64_t *least, int64_t *greatest)
{
    int64_t block[BLOCK], low = INT64_MAX, high = INT64_MIN;
    for (int64_t at = 0, n; at < l->n; at += n) {
        n = read_integers(l, at, block);
        for (int64_t k = 0; k < n; k++) {
            low = block[k] < low ? block[k] : low;
            high = block[k] > high ? block[k] : high;
        }
        if ((uint64_t)high - (uint64_t)low >= most)
            return false;
    }
    *least = low, *greatest = high;
    return l->n > 0;
}

/* Positions of elements that are `least` or one more: those of the former from place[0] on, of the
 * latter from place[1]. Both stay in registers, where a table of two would make each step wait for
 * the one before. */
static void place_two(const struct line *from, int64_t least, const int64_t *place,
                      const struct line *positions)
{
    int64_t block[BLOCK];
    const int64_t stride = positions->stride;
    char *zero = positions->data + place[0] * stride, *one = positions->data + place[1] * stride;
    for (int64_t at = 0, n; at < from->n; at += n) {
        n = read_integers(from, at, block);
        for (int64_t k = 0; k < n; k++) {
            const int64_t which = block[k] - least, mask = -which;
            assert(which == 0 || which == 1);
            char *to = zero + ((one - zero) & mask);
            memcpy(to, &(int64_t){at + k}, sizeof(int64_t));
            zero += stride & ~mask, one += stride & mask;
        }
    }
}

/* A line is counted and placed in PARTS of it side by side, each with a table of its own, so that equal
 * neighbours do not wait for one another; the last has what is left over too. */
enum { PARTS = 4, FEW_NUMBERS = 64 };

/* m elements from `at` on of each of `together` parts from `first` on. */
static inline __attribute__((always_inline)) void read_parts(const struct line *l, int first,
                                                             int together, int64_t at, int64_t m,
                                                             int64_t block[][BLOCK])
{
    for (int p = first; p < first + together; p++)
        convert_elements(m, block[p], FL_INT64, 8, l->data + (p * (l->n / PARTS) + at) * l->stride,
                         l->dtype, l->stride);
}

static void count_parts(const struct line *from, int64_t least, int64_t *table, int64_t span)
{
    int64_t block[PARTS][BLOCK];
    const int64_t length = from->n / PARTS;
    for (int64_t at = 0, m; at < length; at += m) {
        m = length - at < BLOCK ? length - at : BLOCK;
        read_parts(from, 0, PARTS, at, m, block);
        for (int64_t k = 0; k < m; k++)
            for (int p = 0; p < PARTS; p++)
                table[p * span + block[p][k] - least]++;
    }
    for (int64_t k = 0, m = read_integers(from, PARTS * length, block[0]); k < m; k++)
        table[(PARTS - 1) * span + block[0][k] - least]++;
}

/* Positions of the elements, each to the next place of its number in its part's table. */
static inline __attribute__((always_inline)) void place_parts(const struct line *from,
                                                              int64_t least, int64_t *table,
                                                              int64_t span, int together,
                                                              const struct line *positions)
{
    int64_t block[PARTS][BLOCK];
    const int64_t length = from->n / PARTS;
    for (int first = 0; first < PARTS; first += together)
        for (int64_t at = 0, m; at < length; at += m) {
            m = length - at < BLOCK ? length - at : BLOCK;
            read_parts(from, first, together, at, m, block);
            for (int64_t k = 0; k < m; k++)
                for (int p = first; p < first + together; p++) {
                    const int64_t place = table[p * span + block[p][k] - least]++;
                    memcpy(positions->data + place * positions->stride,
                           &(int64_t){p * length + at + k}, sizeof(int64_t));
                }
        }
    for (int64_t k = 0, m = read_integers(from, PARTS * length, block[0]); k < m; k++) {
        const int64_t place = table[(PARTS - 1) * span + block[0][k] - least]++;
        memcpy(positions->data + place * positions->stride, &(int64_t){PARTS * length + k},
               sizeof(int64_t));
    }
}

/* What a line of bytes spans at most, where that is little beside its length; else what it does span. */
static bool span_of(const struct line *l, int64_t *least, int64_t *greatest)
{
    const uint64_t most = (uint64_t)l->n / 8;
    if (dtype_size(l->dtype) > 1 || most < 256)
        return keys_span(l, most, least, greatest);
    *least = l->dtype == FL_INT8 ? INT8_MIN : 0;
    *greatest = *least + 255;
    return true;
}

bool keys_count(const struct line *from, bool descending, const struct line *values,
                const struct line *positions, struct pair *room)
{
    int64_t least, greatest, next = 0, low = -1, high = -1;
    int64_t *table = (int64_t *)(void *)room;
    if (!span_of(from, &least, &greatest))
        return false;
    const int64_t span = greatest - least + 1;
    memset(table, 0, PARTS * sizeof *table * (size_t)span);
    count_parts(from, least, table, span);
    for (int64_t i = 0; i < span; i++) {
        const int64_t v = descending ? span - 1 - i : i, begin = next, number = least + v;
        for (int p = 0; p < PARTS; p++) {
            const int64_t count = table[p * span + v];
            table[p * span + v] = next, next += count;
        }
        if (next == begin)
            continue;
        convert_elements(next - begin, values->data + begin * values->stride, values->dtype,
                         values->stride, &number, FL_INT64, 0);
        low = low < 0 || v < low ? v : low, high = v > high ? v : high;
    }
    if (high - low == 1)
        place_two(from, least + low, table + low, positions);
    else if (high - low < FEW_NUMBERS)
        place_parts(from, least, table, span, PARTS, positions);
    else
        place_parts(from, least, table, span, 1, positions);
    return true;
}
