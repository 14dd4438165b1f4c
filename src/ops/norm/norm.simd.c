/* The row and channel kernels of norm.h, written once in norm_loops.h and compiled for float and
 * double. */
#include "ops/norm/norm.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ops/pointwise/math.h"

enum { LANES = 32, ROWS = 16 };

#define REAL    float
#define NAME(x) x##_f32
#define EXP     m_exp_f32
#define LOG     m_log_f32
#define SQRT    sqrtf
#include "ops/norm/norm_loops.h"
#undef REAL
#undef NAME
#undef EXP
#undef LOG
#undef SQRT

#define REAL    double
#define NAME(x) x##_f64
#define EXP     m_exp_f64
#define LOG     m_log_f64
#define SQRT    sqrt
#include "ops/norm/norm_loops.h"

const struct norm_table FL_SIMD(norm_table) = {{
    {softmax_f32, softmax_backward_f32, softmax_columns_f32, softmax_columns_backward_f32,
     layer_norm_f32, layer_norm_backward_f32, layer_norm_affine_f32, add_f32, channel_moments_f32,
     channel_sums_f32, channel_affine_f32, channel_backward_f32},
    {softmax_f64, softmax_backward_f64, softmax_columns_f64, softmax_columns_backward_f64,
     layer_norm_f64, layer_norm_backward_f64, layer_norm_affine_f64, add_f64, channel_moments_f64,
     channel_sums_f64, channel_affine_f64, channel_backward_f64},
}};
