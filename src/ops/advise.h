/* What losses, softmax and subtraction notice of where their input comes from: advice, given once.
 * Each returns 0, or -1 where the listener raised. They look at nodes, so most say nothing of calls
 * that are not recorded. */
#ifndef FLAMBEAU_OPS_ADVISE_H
#define FLAMBEAU_OPS_ADVISE_H

#include "core/tensor.h"

/* cross_entropy of a softmax, of a ReLU, or of one class. */
int advise_cross_entropy(const fl_tensor *input);
/* binary_cross_entropy_with_logits of a sigmoid. */
int advise_logits(const fl_tensor *input);
/* kl_div of what are no log-probabilities. */
int advise_divergence(const fl_tensor *input);
/* A loss of what was rounded, whose gradient is 0 everywhere. */
int advise_rounded(const fl_tensor *input);
/* nll_loss (N, C) of what are no log-probabilities, or of those along the batch. */
int advise_nll(const fl_tensor *input);
/* softmax along the batch of what a linear layer gives, (N, C), or along a dim of one output. */
int advise_softmax(const fl_tensor *input, int dim, bool logarithm);
/* The same of a softmax that is not recorded: the listener looks whether a network gave its input. */
int advise_unrecorded_softmax(const fl_tensor *input, int dim);
/* The difference of (N, 1), from a layer, and (N), which is (N, N). */
int advise_difference(const fl_tensor *a, const fl_tensor *b);
/* Weights (N) times a layer's errors (N, 1), which is (N, N). */
int advise_weights(const fl_tensor *a, const fl_tensor *b);
/* (N, 1) == (N), which is (N, N): the listener looks whether the program counts hits. */
int advise_equality(const fl_tensor *a, const fl_tensor *b);
/* x == nan. */
int advise_nan(double number);

#endif
