/* The kernel of distances.h, written once in distances_loops.h and compiled for float and double. */
#include "ops/reduce/distances.h"

#include <assert.h>
#include <math.h>

#include "ops/pointwise/math.h"

/* What is done with a difference depends on the norm's order. */
enum order { ORDER_ZERO, ORDER_ONE, ORDER_TWO, ORDER_MOST, ORDER_ANY };

static enum order order_of(double p)
{
    assert(p >= 0);
    return p == 0     ? ORDER_ZERO
           : p == 1   ? ORDER_ONE
           : p == 2   ? ORDER_TWO
           : isinf(p) ? ORDER_MOST
                      : ORDER_ANY;
}

#define REAL_BITS 32
#define INDEX     int32_t
#include "ops/reduce/distances_loops.h"
#undef REAL_BITS
#undef INDEX

#define REAL_BITS 64
#define INDEX     int64_t
#include "ops/reduce/distances_loops.h"

const struct distance_table FL_SIMD(distance_table) = {
    .type = {{WIDTH_f32, panel_f32}, {WIDTH_f64, panel_f64}}};
