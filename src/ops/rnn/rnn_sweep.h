/* One direction of one layer over all steps: what rnn.c walks, forward and backward. */
#ifndef FLAMBEAU_OPS_RNN_RNN_SWEEP_H
#define FLAMBEAU_OPS_RNN_RNN_SWEEP_H

#include "core/tensor.h"
#include "ops/matmul/gemm.h"
#include "ops/rnn/rnn.h"

/* The sizes of a call. Rows of sequences stand step by step: step t has rows first[t] up to
 * first[t + 1], those of the longest sequences, which come first. */
struct rnn_sizes {
    enum rnn_cell cell;
    bool reverse, projected;
    int64_t steps, batch, rows, in;
    int64_t H, P;  /* hidden units; of the state h, which a projection makes smaller */
    int64_t gates; /* of the cell, times H: the rows of the weights */
    int64_t saved; /* elements of a row of `saved` */
};

/* A matrix that multiplies at every step: packed, or where there is one step as it lies. */
struct rnn_factor {
    struct gemm_packed packed;
    struct gemm plain;
};

/* All pointers are to contiguous memory of the type of work. Shapes by the letters above. */
struct rnn_sweep {
    struct rnn_sizes n;
    const int64_t *first; /* (steps + 1) */
    const struct rnn_kernels *kernels;
    fl_dtype work;
    size_t element;
    struct rnn_factor weight, projection; /* those of the direction: of w_hh and w_hr or of their
                                             transposes */
    void *saved;                          /* (rows, saved) */
    void *h, *c;                          /* (batch, P), (batch, H): states, or their gradients */
    const void *hidden_bias;              /* GRU, forward: (gates) or NULL */
    void *y;                              /* forward: (rows, P) */
    const void *g;                        /* backward: (rows, P) */
    void *sums, *hidden_sums;             /* backward: (rows, gates) each; GRU: two */
    void *output, *output_sums;           /* backward of a projection: (rows, H) and (rows, P) */
    int64_t chunks;
    _Atomic int failed;
};

/* Runs it over the threads; 0, or -1 with the error set. */
int rnn_sweep_forward(struct rnn_sweep *s);
int rnn_sweep_backward(struct rnn_sweep *s);
/* Makes B (k, n) ready for a sweep; released by rnn_factor_free, also one of zeros. */
int rnn_factor_make(struct rnn_factor *f, const struct rnn_sweep *s, int64_t n, int64_t k,
                    const void *b, int64_t b_row, int64_t b_col);
void rnn_factor_free(struct rnn_factor *f);

#endif
