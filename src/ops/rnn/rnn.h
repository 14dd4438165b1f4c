/* The cells of recurrent nets: their numbers, and one step of each, gates fused, for float32 [0]
 * and float64 [1].
 */
#ifndef FLAMBEAU_OPS_RNN_RNN_H
#define FLAMBEAU_OPS_RNN_RNN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"
#include "core/tensor.h"

enum rnn_cell { RNN_LSTM, RNN_GRU, RNN_TANH, RNN_RELU, RNN_CELLS };

/* One step of `rows` sequences with H hidden units. A row of `saved` keeps what backward needs,
 * blocks of H elements side by side and last the hidden state before the step, which the caller
 * puts there:
 *   LSTM         i f g o, the cell state before the step
 *   GRU          r z n, the hidden part of n
 *   tanh, relu   the result
 * Forward finds in saved's first blocks what the gates are applied to: all of it for LSTM, tanh and
 * relu; for GRU the input's part, and the hidden part in `hidden` (rows, 3 H).
 */
struct rnn_step {
    int64_t rows, H;
    void *saved;
    int64_t saved_row;
    const void *hidden;
    void *h; /* (rows, H): the hidden state, replaced. Backward: its gradient, replaced for GRU by
                the part that skips the product with the weight, else read alone */
    void *c; /* (rows, H), LSTM alone: the cell state, replaced; backward: its gradient, replaced */
    /* Backward alone: the gradients of the sums, (rows, gates H) each with its row pitch: on the
     * side of the input, and on the side of the hidden state (GRU alone; else NULL). */
    void *sums, *hidden_sums;
    int64_t sums_row;
    void *output; /* LSTM with a projection: the result before it, (rows, H), made again; or NULL */
};

struct rnn_kernels {
    /* a[i] += b[i]. */
    void (*add)(int64_t n, void *a, const void *b);
    void (*forward[RNN_CELLS])(const struct rnn_step *);
    void (*backward[RNN_CELLS])(const struct rnn_step *);
};

struct rnn_table {
    struct rnn_kernels type[2];
};
FL_SIMD_TABLE(struct rnn_table, rnn_table);

/* rnn_again.c. One layer in one direction in operators, of operands by these numbers: the results, of
 * packed sequences (rows, P), else (T, N, P); the last states in *h and *c. NULL with the error. */
enum rnn_operand {
    RNN_X,
    RNN_HX,
    RNN_CX,
    RNN_W_IH,
    RNN_W_HH,
    RNN_B_IH,
    RNN_B_HH,
    RNN_W_HR,
    RNN_OPERANDS
};
fl_tensor *rnn_in_operators(fl_tensor *const *operands, fl_tensor *batch_sizes, int64_t cell,
                            bool reverse, fl_tensor **h, fl_tensor **c);

#endif
