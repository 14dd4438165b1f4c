/* The passes of running.h, written once in running_loops.h and compiled for each type of work. */
#include "ops/sort/running.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define REAL      float
#define TOTAL     double
#define NAME(x)   x##_f32
#define IS_NAN(x) ((x) != (x))
#include "ops/sort/running_loops.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) x##_f64
#include "ops/sort/running_loops.h"
#undef REAL
#undef TOTAL
#undef NAME
#undef IS_NAN

#define REAL      int64_t
#define TOTAL     int64_t
#define NAME(x)   x##_i64
#define IS_NAN(x) false
#include "ops/sort/running_loops.h"

#define ROW(type)                                                                                  \
    {sum_##type,      product_##type,          greatest_##type,                                    \
     smallest_##type, running_greatest_##type, running_smallest_##type}

const struct running_table FL_SIMD(running_table) = {ROW(f32), ROW(f64), ROW(i64)};
