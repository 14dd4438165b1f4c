/* Modules, layers and optimizers; included by flambeau.h.
 *
 * A module is a handle that counts its references: a tree of named children, parameters and buffers
 * with a forward function. A layer's constructor draws its initial values from the default
 * generator exactly as PyTorch does, so the same seed gives the same network. Names are PyTorch's
 * ("0.weight"), and so are the files: what fl_module_save writes, PyTorch's safetensors package
 * reads, and Flambeau's Python too.
 *
 *     fl_module *net = fl_sequential_new();
 *     fl_module_append(net, fl_linear_new(64, 32, true));
 *     fl_module_append(net, fl_relu_new());
 *     fl_module_append(net, fl_linear_new(32, 10, true));
 *     fl_optimizer *sgd = fl_sgd_new(fl_module_parameters(net), 0.1, 0.9, 0, 0, false);
 *     for (...) {
 *         fl_scope_begin();
 *         fl_optimizer_zero_grad(sgd);
 *         fl_backward(fl_cross_entropy(fl_module_forward(net, x), labels, ...));
 *         fl_optimizer_step(sgd);
 *         fl_scope_end();
 *     }
 */
#ifndef FLAMBEAU_NN_H
#define FLAMBEAU_NN_H

#include "flambeau/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Modules ---- */

/* Adds a reference and returns the module; drops one. NULL is allowed. */
FL_API fl_module *fl_module_retain(fl_module *m);
FL_API void fl_module_release(fl_module *m);

/* What m makes of x: a new reference, or the scope's. NULL when m or x is NULL, or with the error
 * set. */
FL_API fl_tensor *fl_module_forward(fl_module *m, fl_tensor *x);
/* Training (how a module starts) or evaluation, for m and everything inside it: Dropout and
 * BatchNorm differ. */
FL_API void fl_module_train(fl_module *m, bool training);
FL_API bool fl_module_is_training(const fl_module *m);

/* All parameters, in PyTorch's order. The list is m's and stands until m goes, or the call after
 * something was added below m. Count 0 with the error set when memory is out. */
FL_API fl_tensors fl_module_parameters(fl_module *m);
/* Calls visit for every parameter and buffer below m, in the order of PyTorch's state_dict, with its
 * full name ("0.weight"), which stands during the call. Stops at the first that does not return 0,
 * and returns what it did. */
FL_API int fl_module_each(const fl_module *m,
                          int (*visit)(const char *name, fl_tensor *t, bool is_buffer,
                                       void *context),
                          void *context);
/* The parameter or buffer of that name ("0.weight", "1.running_mean"): borrowed; NULL with the
 * error set. */
FL_API fl_tensor *fl_module_get(const fl_module *m, const char *name);

/* Moves all parameters, their gradients, and buffers to a device, in place. 0, or -1 with the error
 * set. */
FL_API int fl_module_to(fl_module *m, fl_device device);

/* Writes all parameters and buffers to a safetensors file, or as torch.save writes a state_dict()
 * where the path ends in .pt or .pth; reads them back from either. Loading is strict: names and
 * shapes must be the module's, or nothing is changed. 0, or -1 with the error set. */
FL_API int fl_module_save(const fl_module *m, const char *path);
FL_API int fl_module_load(fl_module *m, const char *path);

/* A module of one's own: forward(m, x, context) calls its children and returns what a call returned,
 * x, or what m or the program holds (see fl_keep). NULL for forward: the module only holds its
 * entries under their names. */
FL_API fl_module *fl_module_new(const char *class_name,
                                fl_tensor *(*forward)(fl_module *m, fl_tensor *x, void *context),
                                void *context);
/* Adds a child, a parameter (which then requires grad), or a buffer. The caller's reference, or that
 * of the scope, goes to m, also when the call fails; what two modules share is given to the second
 * with fl_retain. A NULL child or tensor fails and leaves the error that there is. 0, or -1
 * with the error set: then m is not whole, its forward fails and it has no parameters, so that a
 * network can be written down and checked once. */
FL_API int fl_module_add(fl_module *m, const char *name, fl_module *child);
/* Adds a child named by its number: "0", "1", ... */
FL_API int fl_module_append(fl_module *m, fl_module *child);
FL_API int fl_module_add_parameter(fl_module *m, const char *name, fl_tensor *parameter);
FL_API int fl_module_add_buffer(fl_module *m, const char *name, fl_tensor *buffer);
/* The child of that name, borrowed; NULL with the error set. */
FL_API fl_module *fl_module_child(const fl_module *m, const char *name);

/* ---- Layers: NULL with the error set when they cannot be made ---- */

/* The modules that are appended to it, one after the other. (It does not take them as arguments: C
 * evaluates those in any order, and so would draw their first values in any order.) */
FL_API fl_module *fl_sequential_new(void);
/* y = x W' + b: (..., in_features) to (..., out_features). */
FL_API fl_module *fl_linear_new(int64_t in_features, int64_t out_features, bool bias);
/* (N, in_channels, H, W) to (N, out_channels, H', W'), square kernel. */
FL_API fl_module *fl_conv2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel_size,
                                int64_t stride, int64_t padding, int64_t dilation, int64_t groups,
                                bool bias);
/* Over N, H, W of (N, num_features, H, W); PyTorch's defaults are eps 1e-5, momentum 0.1. */
FL_API fl_module *fl_batch_norm2d_new(int64_t num_features, double eps, double momentum);
/* Over the last dims, which have these sizes; PyTorch's eps is 1e-5. */
FL_API fl_module *fl_layer_norm_new(fl_ints normalized_shape, double eps);
/* Integers (...) to rows (..., embedding_dim). */
FL_API fl_module *fl_embedding_new(int64_t num_embeddings, int64_t embedding_dim);
/* Recurrent layers over (T, N, input_size), or with batch_first (N, T, input_size), from states of
 * zeros; forward gives the last layer's results for all steps, (T, N, hidden_size), twice as wide
 * with two directions, proj_size wide where that is not 0. Who needs the states calls fl_lstm,
 * fl_gru, fl_rnn_tanh or fl_rnn_relu with fl_module_parameters(m). dropout acts between layers. */
FL_API fl_module *fl_lstm_new(int64_t input_size, int64_t hidden_size, int64_t num_layers,
                              bool bias, bool batch_first, double dropout, bool bidirectional,
                              int64_t proj_size);
FL_API fl_module *fl_gru_new(int64_t input_size, int64_t hidden_size, int64_t num_layers, bool bias,
                             bool batch_first, double dropout, bool bidirectional);
/* tanh at each step, or relu. */
FL_API fl_module *fl_rnn_new(int64_t input_size, int64_t hidden_size, int64_t num_layers, bool relu,
                             bool bias, bool batch_first, double dropout, bool bidirectional);
FL_API fl_module *fl_dropout_new(double p);
FL_API fl_module *fl_max_pool2d_new(int64_t kernel_size, int64_t stride, int64_t padding);
FL_API fl_module *fl_avg_pool2d_new(int64_t kernel_size, int64_t stride, int64_t padding);
/* Dims 1 and after become one. */
FL_API fl_module *fl_flatten_new(void);
FL_API fl_module *fl_relu_new(void);
FL_API fl_module *fl_gelu_new(void);
FL_API fl_module *fl_tanh_new(void);
FL_API fl_module *fl_sigmoid_new(void);
FL_API fl_module *fl_softmax_new(int64_t dim);

/* ---- Optimizers ---- */

/* One of torch.optim by its name: "SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "RMSprop", "Adamax",
 * "NAdam", "RAdam", "Rprop", "ASGD", "Adafactor", "Muon"; over these parameters, which it retains,
 * with PyTorch's defaults. (LBFGS, which calls the program, is fl_lbfgs_new.) NULL with the error
 * set. */
FL_API fl_optimizer *fl_optimizer_new(const char *name, fl_tensors params);
/* The arguments of torch.optim.SGD, Adam and AdamW, in their order; their defaults are 0, 0, 0, false
 * and 0.9, 0.999, 1e-8, 0 (AdamW: 0.01), false. */
FL_API fl_optimizer *fl_sgd_new(fl_tensors params, double lr, double momentum, double dampening,
                                double weight_decay, bool nesterov);
FL_API fl_optimizer *fl_adam_new(fl_tensors params, double lr, double beta1, double beta2,
                                 double eps, double weight_decay, bool amsgrad);
FL_API fl_optimizer *fl_adamw_new(fl_tensors params, double lr, double beta1, double beta2,
                                  double eps, double weight_decay, bool amsgrad);
FL_API void fl_optimizer_release(fl_optimizer *o);
/* Adds parameters with options of their own, which begin as the defaults: the group's number (the
 * first parameters are group 0), or -1 with the error set. */
FL_API int fl_optimizer_add_group(fl_optimizer *o, fl_tensors params);
FL_API int fl_optimizer_groups(const fl_optimizer *o);
/* An option of a group by PyTorch's name ("lr", "weight_decay", "maximize", "eps", ...; betas are
 * "beta1" and "beta2", Rprop's pairs "eta_minus", "eta_plus", "step_min", "step_max", Adafactor's
 * "eps1", of which a negative one is the dtype's epsilon, and "eps2", Muon's coefficients "ns_a",
 * "ns_b", "ns_c", and for its "adjust_lr_fn" 1 is "match_rms_adamw"; truths are 0 and 1). group -1
 * sets all. 0, or -1 with the error set; NaN with the error set. */
FL_API int fl_optimizer_set(fl_optimizer *o, int group, const char *option, double value);
FL_API double fl_optimizer_get(const fl_optimizer *o, int group, const char *option);
/* The learning rate of group 0; sets that of all groups. */
FL_API double fl_optimizer_lr(const fl_optimizer *o);
FL_API void fl_optimizer_set_lr(fl_optimizer *o, double lr);
/* Changes every parameter that has a gradient. 0, or -1 with the error set. */
FL_API int fl_optimizer_step(fl_optimizer *o);
/* Drops all gradients. */
FL_API void fl_optimizer_zero_grad(fl_optimizer *o);
/* What it keeps and its options, in a safetensors file; loading wants the same optimizer over
 * parameters of the same sizes, and also reads a .pt file that holds its state_dict() in PyTorch. 0,
 * or -1 with the error set and nothing changed. */
FL_API int fl_optimizer_save(const fl_optimizer *o, const char *path);
FL_API int fl_optimizer_load(fl_optimizer *o, const char *path);

/* torch.optim.LBFGS, whose step calls the program for the loss, several times. closure(context)
 * drops the gradients, computes the loss and its gradients (fl_backward), and returns the loss; NaN
 * with the error set ends the step. A line search that meets the strong Wolfe conditions, or steps
 * of lr. PyTorch's defaults are lr 1, max_iter 20, history_size 100, false; at most max_iter * 5 / 4
 * calls, and the end where the gradient is at most 1e-7 or a change at most 1e-9. */
typedef struct fl_lbfgs fl_lbfgs;
FL_API fl_lbfgs *fl_lbfgs_new(fl_tensors params, double lr, int max_iter, int history_size,
                              bool strong_wolfe);
FL_API void fl_lbfgs_release(fl_lbfgs *o);
/* The first loss; NaN with the error set. */
FL_API double fl_lbfgs_step(fl_lbfgs *o, double (*closure)(void *context), void *context);
/* What it remembers between steps and its learning rate, as fl_optimizer_save and _load do: also from
 * a .pt file that holds the state_dict() of torch.optim.LBFGS. */
FL_API int fl_lbfgs_save(const fl_lbfgs *o, const char *path);
FL_API int fl_lbfgs_load(fl_lbfgs *o, const char *path);

/* Scales all gradients so that their common norm is at most max_norm (torch.nn.utils.
 * clip_grad_norm_): the norm before, NaN with the error set. */
FL_API double fl_clip_grad_norm(fl_tensors params, double max_norm);
/* Brings each element of the gradients between -value and value. 0, or -1 with the error set. */
FL_API int fl_clip_grad_value(fl_tensors params, double value);

/* Learning rates after so many steps, for fl_optimizer_set_lr: those of torch.optim.lr_scheduler's
 * StepLR, MultiStepLR, ConstantLR, ExponentialLR, LinearLR, CosineAnnealingLR,
 * CosineAnnealingWarmRestarts, PolynomialLR, OneCycleLR and CyclicLR. lr: the first. What these do
 * one after the other or at once (SequentialLR, ChainedScheduler, LambdaLR) a program writes. */
FL_API double fl_lr_step(double lr, int64_t step, int64_t step_size, double gamma);
FL_API double fl_lr_multi_step(double lr, int64_t step, fl_ints milestones, double gamma);
FL_API double fl_lr_constant(double lr, int64_t step, double factor, int64_t total);
FL_API double fl_lr_exponential(double lr, int64_t step, double gamma);
FL_API double fl_lr_linear(double lr, int64_t step, double start_factor, double end_factor,
                           int64_t total);
FL_API double fl_lr_cosine(double lr, int64_t step, int64_t t_max, double eta_min);
FL_API double fl_lr_cosine_restarts(double lr, int64_t step, int64_t t_0, int64_t t_mult,
                                    double eta_min);
FL_API double fl_lr_polynomial(double lr, int64_t step, int64_t total, double power);
FL_API double fl_lr_one_cycle(double max_lr, int64_t step, int64_t total, double pct_start,
                              double div_factor, double final_div_factor);
/* shrink: what the height of each further cycle is multiplied by ("triangular": 1, "triangular2":
 * 0.5); gamma: what each step multiplies it by (1, but for "exp_range"). */
FL_API double fl_lr_cyclic(double base_lr, double max_lr, int64_t step, int64_t step_size_up,
                           int64_t step_size_down, double shrink, double gamma);

/* ReduceLROnPlateau: its settings, with PyTorch's defaults by fl_plateau_init, and what it has seen.
 * higher: metrics are the better the higher (mode="max"); absolute: threshold is no part of the best
 * (threshold_mode="abs"). */
typedef struct fl_plateau {
    double factor, threshold, min_lr, eps;
    int64_t patience, cooldown;
    bool higher, absolute;
    double best; /* NaN: nothing seen yet */
    int64_t bad, waiting;
} fl_plateau;
FL_API void fl_plateau_init(fl_plateau *p);
/* The learning rate after an epoch that ended with this metric; lr: the one before. */
FL_API double fl_lr_plateau(fl_plateau *p, double lr, double metric);

#ifdef __cplusplus
}
#endif

#endif
