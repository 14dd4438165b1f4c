/* The kernels of depthwise.h, written once in depthwise_loops.h and compiled for float and double.
 */
#include "ops/conv/depthwise.h"

#define REAL_BITS 32
#include "ops/conv/depthwise_loops.h"
#undef REAL_BITS
#define REAL_BITS 64
#include "ops/conv/depthwise_loops.h"

const struct depthwise_table FL_SIMD(depthwise_table) = {
    {{lines_f32, sums_f32}, {lines_f64, sums_f64}}};
