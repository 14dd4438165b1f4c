/* How layer_norm's rows are dealt out to sums of the weight's and the bias's gradients: by the length
 * of a row alone, so that one order of additions holds on the CPU and on devices. */
#ifndef FLAMBEAU_CORE_NORM_ORDER_H
#define FLAMBEAU_CORE_NORM_ORDER_H

#include <assert.h>
#include <stdint.h>

/* Rows of n elements that one sum takes; the sums are added in their order. */
static inline int64_t norm_rows(int64_t n)
{
    enum { ELEMENTS = 32768 };
    assert(n > 0);
    return ELEMENTS / n + 1;
}

#endif
