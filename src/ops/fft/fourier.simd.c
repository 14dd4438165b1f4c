/* The loops of fourier.h, written once in fourier_loops.h and compiled for float and double. */
#include "ops/fft/fourier.h"

#include <assert.h>

#include "core/independent.h"

#define real    float
#define NAME(x) x##_f32
#include "ops/fft/fourier_loops.h"
#undef real
#undef NAME
#define real    double
#define NAME(x) x##_f64
#include "ops/fft/fourier_loops.h"

#define LOOPS(suffix)                                                                              \
    {.pass = pass_##suffix,                                                                        \
     .scale = scale_##suffix,                                                                      \
     .split = split_##suffix,                                                                      \
     .merge = merge_##suffix,                                                                      \
     .gather = gather_##suffix,                                                                    \
     .scatter = scatter_##suffix}

const struct fourier_table FL_SIMD(fourier_table) = {LOOPS(f32), LOOPS(f64)};
