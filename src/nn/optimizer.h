/* Optimizers' updates on raw memory: what one step does to the elements of one parameter.
 *
 * The order of operations and roundings is that of PyTorch's single-tensor implementations:
 * alpha-adds, lerp and addcmul are fused, for bfloat16 and float16 each operation's result is
 * rounded to the dtype. Elements are independent, so neither the number of threads nor the
 * instruction set changes a bit.
 */
#ifndef FLAMBEAU_NN_OPTIMIZER_H
#define FLAMBEAU_NN_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"

/* torch.optim.SGD's options. */
struct optimizer_sgd {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
};

/* torch.optim.Adam's; `decoupled` makes it AdamW. */
struct optimizer_adam {
    double lr, beta1, beta2, eps, weight_decay;
    bool amsgrad, maximize, decoupled;
};

/* Adam's numbers for one step, derived once from the options and the step's number. */
struct optimizer_adam_step {
    struct optimizer_adam rule;
    double step_size;  /* lr / (1 - beta1^step) */
    double correction; /* sqrt(1 - beta2^step) */
};

/* One step of n contiguous elements of a floating dtype. `buffer` is the momentum's, NULL when
 * momentum is 0; with `first` it holds nothing yet and receives the gradient. No buffer may overlap
 * another. */
void optimizer_sgd(const struct optimizer_sgd *rule, int dtype, int64_t n, void *param,
                   const void *grad, void *buffer, bool first);
/* The same for Adam. `step` counts from 1. max_exp_avg_sq is NULL unless amsgrad. */
void optimizer_adam(const struct optimizer_adam *rule, int dtype, int64_t n, double step,
                    void *param, const void *grad, void *exp_avg, void *exp_avg_sq,
                    void *max_exp_avg_sq);

/* The kernels behind them, one a floating dtype in the order of optimizer_kind. */
enum optimizer_kind {
    OPTIMIZER_F16,
    OPTIMIZER_BF16,
    OPTIMIZER_F32,
    OPTIMIZER_F64,
    OPTIMIZER_KINDS
};
struct optimizer_kernels {
    void (*sgd[OPTIMIZER_KINDS])(const struct optimizer_sgd *rule, int64_t n, void *param,
                                 const void *grad, void *buffer, bool first);
    void (*adam[OPTIMIZER_KINDS])(const struct optimizer_adam_step *step, int64_t n, void *param,
                                  const void *grad, void *exp_avg, void *exp_avg_sq,
                                  void *max_exp_avg_sq);
};
FL_SIMD_TABLE(struct optimizer_kernels, optimizer_kernels);

#endif
