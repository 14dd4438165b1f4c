/* The kernel of cdist: norms of the differences of all pairs of rows, for float32 [0] and float64 [1].
 *
 * Each distance is a chain over its columns in order, in stretches of DISTANCE_STRETCH whose sums are
 * added in order: the same on every instruction set.
 */
#ifndef FLAMBEAU_OPS_REDUCE_DISTANCES_H
#define FLAMBEAU_OPS_REDUCE_DISTANCES_H

#include <stdint.h>

#include "core/isa.h"

enum { DISTANCE_STRETCH = 64 };

/* a (rows, columns), b (others, columns) and y (rows, others), contiguous; p is at least 0. */
struct distances {
    int64_t rows, others, columns;
    const void *a, *b;
    void *y;
    double p;
};

struct distance_kernels {
    int width; /* rows of b in a panel */
    /* The distances to panel number `panel` of b. scratch has room for columns * width elements. */
    void (*panel)(const struct distances *d, int64_t panel, void *scratch);
};

struct distance_table {
    struct distance_kernels type[2];
};
FL_SIMD_TABLE(struct distance_table, distance_table);

#endif
