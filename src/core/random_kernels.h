/* The parts of random.c that are vectorised. */
#ifndef FLAMBEAU_CORE_RANDOM_KERNELS_H
#define FLAMBEAU_CORE_RANDOM_KERNELS_H

#include <stdint.h>

#include "core/isa.h"

struct random_kernels {
    /* Turns uniforms in [0, 1) into normals, in place: in each block of 16 element j is paired with
     * j + 8. */
    void (*box_muller)(int64_t blocks, float *data, float mean, float std);
    /* data * span + low, fused. */
    void (*scale_float)(int64_t n, float *data, float span, float low);
    void (*scale_double)(int64_t n, double *data, double span, double low);
};
FL_SIMD_TABLE(struct random_kernels, random_kernels);

#endif
