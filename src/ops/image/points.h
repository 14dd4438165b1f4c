/* Loops of points.c, which each instruction set has. */
#ifndef FLAMBEAU_OPS_IMAGE_POINTS_H
#define FLAMBEAU_OPS_IMAGE_POINTS_H

#include <stdint.h>

#include "core/isa.h"

/* Of float32 and float64. */
struct point_loops {
    /* y[i] = (first ? 0 : y[i]) + x[i] * weight; and y[i] += x[i] * weight[i] with x named by
     * index. */
    void (*row)(int64_t n, void *y, const void *x, const void *weight, int first);
    void (*picked)(int64_t n, void *y, const void *x, const int32_t *index, const void *weight,
                   int first);
    /* x[index[i]] += y[i] * weight[i] */
    void (*spread)(int64_t n, void *x, const void *y, const int32_t *index, const void *weight);
};

struct point_table {
    struct point_loops f32, f64;
};

FL_SIMD_TABLE(struct point_table, point_table);

#endif
