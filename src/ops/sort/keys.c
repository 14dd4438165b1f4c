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

bool keys_count(const struct line *from, bool descending, const struct line *values,
                const struct line *positions, struct pair *room)
{
    int64_t least, greatest, block[BLOCK], next = 0;
    int64_t *place = (int64_t *)(void *)room;
    if (!keys_span(from, (uint64_t)from->n / 8, &least, &greatest))
        return false;
    const int64_t span = greatest - least + 1;
    memset(place, 0, sizeof *place * (size_t)span);
    for (int64_t at = 0, n; at < from->n; at += n) {
        n = read_integers(from, at, block);
        int64_t ones = 0;
        for (int64_t k = 0; span == 2 && k < n; k++)
            ones += block[k] - least;
        for (int64_t k = 0; span != 2 && k < n; k++)
            place[block[k] - least]++;
        if (span == 2)
            place[0] += n - ones, place[1] += ones;
    }
    for (int64_t i = 0; i < span; i++) {
        const int64_t v = descending ? span - 1 - i : i, count = place[v], number = least + v;
        if (count)
            convert_elements(count, values->data + next * values->stride, values->dtype,
                             values->stride, &number, FL_INT64, 0);
        place[v] = next, next += count;
    }
    if (span == 2) {
        place_two(from, least, place, positions);
        return true;
    }
    for (int64_t at = 0, n; at < from->n; at += n) {
        n = read_integers(from, at, block);
        for (int64_t k = 0; k < n; k++) {
            char *to = positions->data + place[block[k] - least]++ * positions->stride;
            memcpy(to, &(int64_t){at + k}, sizeof(int64_t));
        }
    }
    return true;
}
