/* Loops of points.c and grid_sampler.c, which each instruction set has. */
#ifndef FLAMBEAU_OPS_IMAGE_POINTS_H
#define FLAMBEAU_OPS_IMAGE_POINTS_H

#include <stdint.h>

#include "core/isa.h"

enum { POINTS_TILE = 64 }; /* points of a grid at a time */

/* Of float32 and float64. */
struct point_loops {
    /* y[i] = (first ? 0 : y[i]) + x[i] * weight; and y[i] += x[i] * weight[i] with x named by
     * index. */
    void (*row)(int64_t n, void *y, const void *x, const void *weight, int first);
    void (*picked)(int64_t n, void *y, const void *x, const int32_t *index, const void *weight,
                   int first);
    /* x[index[i]] += y[i] * weight[i] */
    void (*spread)(int64_t n, void *x, const void *y, const int32_t *index, const void *weight);
    /* The four neighbours of n points of an (H, W) image (nearest: the one), as rows of POINTS_TILE
     * elements and weights; -1 and 0 where there is none. */
    void (*neighbours)(int64_t n, const void *y, const void *x, int64_t H, int64_t W, int nearest,
                       int32_t *index, void *weight);
    /* y[i] = the sum of x[index[k][i]] * weight[k][i] over `count` neighbours, in order. */
    void (*sampled)(int64_t n, int count, void *y, const void *x, const int32_t *index,
                    const void *weight);
};

struct point_table {
    struct point_loops f32, f64;
};

FL_SIMD_TABLE(struct point_table, point_table);

#endif
