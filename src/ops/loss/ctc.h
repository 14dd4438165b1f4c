/* The inner loops of CTC, over the positions of one target at one step, for float32 [0] and float64
 * [1]. Everything is a logarithm.
 */
#ifndef FLAMBEAU_OPS_LOSS_CTC_H
#define FLAMBEAU_OPS_LOSS_CTC_H

#include <stdint.h>

#include "core/isa.h"

/* Rows of forward and backward variables begin with so many elements of -inf, which stand for the
 * positions before the first. */
enum { CTC_MARGIN = 2 };

struct ctc_kernels {
    /* row[i] = -inf. */
    void (*impossible)(int64_t n, void *row);
    /* y[s] = log(exp(x[s]) + exp(x[s-1]) + exp(x[s-2] + skip[s])) + log_p[s], for n positions; x
     * and y point at their margins. */
    void (*step)(int64_t n, const void *x, const void *skip, const void *log_p, void *y);
    /* p[s] = exp(alpha[s] + beta[n-1-s] - log_p[s] + loss): how likely position s is at this step,
     * given the whole target. alpha and beta point at their margins. */
    void (*posterior)(int64_t n, const void *alpha, const void *beta, const void *log_p,
                      const void *loss, void *p);
    /* dx[c] = (exp(log_p[c]) - the sum of p over the n positions whose class is c) g, for C
     * classes; NaN where the loss is infinite. */
    void (*gradient)(int64_t C, const void *log_p, int64_t n, const int64_t *class, const void *p,
                     const void *loss, const void *g, void *dx);
};

struct ctc_table {
    struct ctc_kernels type[2];
};
FL_SIMD_TABLE(struct ctc_table, ctc_table);

#endif
