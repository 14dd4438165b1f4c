/* Which elements differ from the one before them: one loop for each way of comparing. */
#include "ops/index/places.h"

#define DIFFER(name, type, read)                                                                   \
    static void name(int64_t n, const void *x, uint8_t *restrict differs)                          \
    {                                                                                              \
        const type *a = x, *before = a - 1;                                                        \
        for (int64_t i = 0; i < n; i++)                                                            \
            differs[i] = read(a[i]) != read(before[i]);                                            \
    }

DIFFER(differ_1, uint8_t, )
DIFFER(differ_2, uint16_t, )
DIFFER(differ_4, uint32_t, )
DIFFER(differ_8, uint64_t, )
DIFFER(differ_f32, float, )
DIFFER(differ_f64, double, )
DIFFER(differ_truth, uint8_t, !)

const struct places_kernels FL_SIMD(places_kernels) = {
    {differ_1, differ_2, differ_4, differ_8, differ_f32, differ_f64, differ_truth}};
