/* Where elements differ from the one before them, and where bytes are true. */
#ifndef FLAMBEAU_OPS_INDEX_PLACES_H
#define FLAMBEAU_OPS_INDEX_PLACES_H

#include <stdint.h>

#include "core/isa.h"

/* How elements are compared: as bits of so many bytes, as floats (a NaN differs from itself), or by
 * their truth. */
enum places_of {
    PLACES_1,
    PLACES_2,
    PLACES_4,
    PLACES_8,
    PLACES_F32,
    PLACES_F64,
    PLACES_TRUTH,
    PLACES_KINDS
};

struct places_kernels {
    /* differs[i] = whether x[i] is not x[i - 1], for i from 0 to n. */
    void (*differ[PLACES_KINDS])(int64_t n, const void *x, uint8_t *differs);
};
FL_SIMD_TABLE(struct places_kernels, places_kernels);

/* Writes from + i for each of n bytes that is not 0, and returns how many those are. `out` has room for
 * one more. */
int64_t places_true(int64_t n, const uint8_t *byte, int64_t from, int64_t *out);

#endif
