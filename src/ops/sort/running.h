/* One pass along lines that lie side by side: running totals, extremes, running extremes. */
#ifndef FLAMBEAU_OPS_SORT_RUNNING_H
#define FLAMBEAU_OPS_SORT_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"
#include "core/tensor.h"

/* n steps along `lanes` lines. Strides are in elements and lead to the next step; at each, the
 * lines' elements are neighbours. */
struct running_pass {
    int64_t n, lanes, start; /* start: the position of the first step */
    const void *x;
    void *y;        /* what each step results in; not of GREATEST and SMALLEST */
    int64_t *index; /* and where the running extreme stands */
    int64_t x_stride, y_stride, index_stride;
    /* What goes on to the next pass, for each line: the total (double, or int64_t), or the best
     * element so far and its position. */
    void *state;
    int64_t *at;
};

enum running { SUM, PRODUCT, GREATEST, SMALLEST, RUNNING_GREATEST, RUNNING_SMALLEST, RUNNINGS };

typedef void (*running_fn)(const struct running_pass *p);

struct running_table {
    running_fn f32[RUNNINGS], f64[RUNNINGS], i64[RUNNINGS];
};
FL_SIMD_TABLE(struct running_table, running_table);

/* The running totals y of the complex self along dim d, or the logarithms of those of exponentials. */
enum running_complex { RUNNING_SUM, RUNNING_PRODUCT, RUNNING_LOG_SUM };
int running_complex(fl_tensor *self, int d, fl_tensor *y, enum running_complex what);

#endif
