/* Losses with margins, and likelihoods of counts and of normal distributions. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/loss/loss.h"
#include "ops/op.h"
#include "ops_kernels.h"

static fl_tensor *at_least_zero(fl_tensor *t)
{
    return fl_clamp_min_scalar(t, fl_int(0));
}

static fl_tensor *plus(fl_tensor *t, double number)
{
    return fl_add_scalar(t, fl_float(number), fl_int(1));
}

int cosine_embedding_loss_compose(fl_tensor *input1, fl_tensor *input2, fl_tensor *target,
                                  double margin, const char *reduction, fl_tensor **y)
{
    char a[128], b[128];
    const int dim = target->ndim;
    if (dim > 1)
        return error_set(FL_RUNTIME_ERROR,
                         "0D or 1D target tensor expected, multi-target not supported");
    if (input1->ndim != dim + 1 || input2->ndim != dim + 1)
        return error_set(FL_RUNTIME_ERROR,
                         "%dD target tensor expects %dD input tensors, but found inputs with sizes "
                         "%s and %s.",
                         dim, dim + 1, shape_text(a, sizeof a, input1->ndim, input1->sizes),
                         shape_text(b, sizeof b, input2->ndim, input2->sizes));
    fl_tensor *size1 = plus(op_sum_along(fl_mul(input1, input1), dim, false), 1e-12),
              *size2 = plus(op_sum_along(fl_mul(input2, input2), dim, false), 1e-12);
    fl_tensor *cosine =
        fl_div(op_sum_along(fl_mul(input1, input2), dim, false), fl_sqrt(fl_mul(size1, size2)));
    fl_tensor *near = fl_where_scalar(fl_eq_scalar(target, fl_int(1)),
                                      fl_rsub_scalar(cosine, fl_int(1), fl_int(1)), fl_float(0));
    fl_tensor *far = fl_where_scalar(fl_eq_scalar(target, fl_int(-1)),
                                     at_least_zero(plus(cosine, -margin)), fl_float(0));
    return loss_reduce(fl_add(near, far, fl_int(1)), reduction, y);
}

int triplet_margin_loss_compose(fl_tensor *anchor, fl_tensor *positive, fl_tensor *negative,
                                double margin, double p, double eps, bool swap,
                                const char *reduction, fl_tensor **y)
{
    if (!(margin > 0))
        return error_set(FL_VALUE_ERROR, "margin must be greater than 0, got %g", margin);
    fl_tensor *near = fl_pairwise_distance(anchor, positive, p, eps, false),
              *far = fl_pairwise_distance(anchor, negative, p, eps, false);
    if (swap)
        far = fl_minimum(far, fl_pairwise_distance(positive, negative, p, eps, false));
    return loss_reduce(at_least_zero(fl_sub(plus(near, margin), far, fl_int(1))), reduction, y);
}

int multilabel_soft_margin_loss_compose(fl_tensor *input, fl_tensor *target, fl_tensor *weight,
                                        const char *reduction, fl_tensor **y)
{
    if (input->ndim == 0)
        return error_set(FL_INDEX_ERROR, "Dimension specified as -1 but tensor has no dimensions");
    fl_tensor *hit = fl_mul(target, fl_log_sigmoid(input));
    fl_tensor *miss =
        fl_mul(fl_rsub_scalar(target, fl_int(1), fl_int(1)), fl_log_sigmoid(fl_neg(input)));
    fl_tensor *errors = fl_neg(fl_add(hit, miss, fl_int(1)));
    if (weight)
        errors = fl_mul(errors, weight);
    return loss_reduce(
        fl_div_scalar(op_sum_along(errors, -1, false), fl_int(input->sizes[input->ndim - 1])),
        reduction, y);
}

int multi_margin_loss_compose(fl_tensor *input, fl_tensor *target, fl_value p, double margin,
                              fl_tensor *weight, const char *reduction, fl_tensor **y)
{
    int64_t shape[TENSOR_MAX_DIMS];
    const double power = number_real(&p);
    if (power != 1 && power != 2)
        return error_set(FL_VALUE_ERROR, "only p == 1 and p == 2 supported");
    if (weight && weight->ndim != 1)
        return error_set(FL_VALUE_ERROR, "weight must be one-dimensional");
    if (weight && input->ndim && weight->sizes[0] != input->sizes[input->ndim - 1])
        return error_set(FL_RUNTIME_ERROR, "inconsistent weight size, expected %lld but got [%lld]",
                         (long long)input->sizes[input->ndim - 1], (long long)weight->sizes[0]);
    if (input->ndim == 0 && !(input = fl_reshape(input, (fl_ints){(int64_t[]){1}, 1})))
        return -1;
    const int64_t classes = input->sizes[input->ndim - 1];
    memcpy(shape, input->sizes, sizeof *shape * (size_t)input->ndim);
    shape[input->ndim - 1] = 1;
    fl_tensor *index = fl_reshape(target, (fl_ints){shape, input->ndim});
    fl_tensor *own =
        fl_rsub_scalar(fl_gather(input, -1, index, false), fl_float(margin), fl_int(1));
    fl_tensor *errors = fl_pow_scalar(fl_relu(fl_add(own, input, fl_int(1))), /* no slope at 0 */
                                      power == 1 ? fl_int(1) : fl_int(2));
    if (weight)
        errors = fl_mul(errors, fl_reshape(fl_index_select(weight, 0, fl_flatten(index, 0, -1)),
                                           (fl_ints){shape, input->ndim}));
    fl_tensor *numbers = fl_arange(fl_int(classes), FL_NO_DTYPE, (fl_device){-1, 0}, false);
    errors = fl_masked_fill_scalar(errors, fl_eq(index, numbers), fl_float(0));
    return loss_reduce(fl_div_scalar(op_sum_along(errors, -1, false), fl_int(classes)), reduction,
                       y);
}

static int check_labels(const fl_tensor *input, const fl_tensor *target)
{
    char a[128], b[128];
    if (input->ndim > 2 || (input->ndim && input->sizes[input->ndim - 1] == 0))
        return error_set(FL_RUNTIME_ERROR,
                         "Expected non-empty vector or matrix with optional 0-dim batch size, but "
                         "got: %s",
                         shape_text(a, sizeof a, input->ndim, input->sizes));
    if (!shape_equal(target, input) &&
        (input->ndim == 2 || target->ndim > 1 || target->numel != input->numel))
        return error_set(FL_RUNTIME_ERROR, "inconsistent target size: %s for input of size: %s",
                         shape_text(b, sizeof b, target->ndim, target->sizes),
                         shape_text(a, sizeof a, input->ndim, input->sizes));
    return 0;
}

int multilabel_margin_loss_compose(fl_tensor *input, fl_tensor *target, const char *reduction,
                                   fl_tensor **y)
{
    if (check_labels(input, target))
        return -1;
    if (input->ndim == 0)
        return loss_reduce(fl_mul_scalar(input, fl_int(0)), reduction, y);
    /* Labels count up to the first that is negative. */
    fl_tensor *ended = fl_cumsum(fl_lt_scalar(target, fl_int(0)), -1, FL_NO_DTYPE);
    fl_tensor *named = fl_eq_scalar(ended, fl_int(0)), *unnamed = fl_logical_not(named);
    fl_tensor *index = fl_masked_fill_scalar(
        fl_reshape(target, (fl_ints){input->sizes, input->ndim}), unnamed, fl_int(0));
    fl_tensor *zeros = fl_zeros_like(input, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    fl_tensor *chosen =
        fl_gt_scalar(fl_scatter_add(zeros, -1, index, op_as(named, input->dtype)), fl_int(0));
    fl_tensor *own =
        fl_unsqueeze(fl_rsub_scalar(fl_gather(input, -1, index, false), fl_int(1), fl_int(1)), -1);
    /* At the margin itself the gradient is 0: relu's, not clamp's. */
    fl_tensor *errors = fl_relu(fl_add(own, fl_unsqueeze(input, -2), fl_int(1)));
    fl_tensor *left_out = fl_logical_or(fl_unsqueeze(unnamed, -1), fl_unsqueeze(chosen, -2));
    errors = fl_masked_fill_scalar(errors, left_out, fl_float(0));
    errors = fl_sum_dim_intlist(errors, (fl_ints){(int64_t[]){-1, -2}, 2}, false, FL_NO_DTYPE);
    return loss_reduce(fl_div_scalar(errors, fl_int(input->sizes[input->ndim - 1])), reduction, y);
}

/* log(target!) by Stirling's formula, 0 for counts of 0 and 1. */
static fl_tensor *log_factorial(fl_tensor *target)
{
    const double pi = 3.14159265358979323846;
    fl_tensor *whole = fl_sub(fl_mul(target, fl_log(target)), target, fl_int(1));
    fl_tensor *rest = fl_mul_scalar(fl_log(fl_mul_scalar(target, fl_float(2 * pi))), fl_float(0.5));
    return fl_masked_fill_scalar(fl_add(whole, rest, fl_int(1)), fl_le_scalar(target, fl_int(1)),
                                 fl_int(0));
}

int poisson_nll_loss_compose(fl_tensor *input, fl_tensor *target, bool log_input, bool full,
                             double eps, const char *reduction, fl_tensor **y)
{
    fl_tensor *errors = log_input
                            ? fl_sub(fl_exp(input), fl_mul(target, input), fl_int(1))
                            : fl_sub(input, fl_mul(target, fl_log(plus(input, eps))), fl_int(1));
    if (full)
        errors = fl_add(errors, op_as(log_factorial(target), errors ? errors->dtype : FL_FLOAT32),
                        fl_int(1));
    return loss_reduce(errors, reduction, y);
}

/* var with input's rank; NULL where it fits no input. */
static fl_tensor *fit_variance(fl_tensor *var, const fl_tensor *input)
{
    bool same = var->ndim == input->ndim, broadcast = false;
    const int common = var->ndim < input->ndim ? var->ndim : input->ndim;
    int equal = 0;
    for (int d = 0; d < common; d++) {
        const int64_t m = input->sizes[d], n = var->sizes[d];
        equal += m == n;
        broadcast |= m != n && (m == 1 || n == 1);
    }
    if (same && equal == common)
        return var;
    if (var->ndim == input->ndim - 1 && equal == common)
        return fl_unsqueeze(var, -1);
    return broadcast ? var : error_null(FL_VALUE_ERROR, "var is of incorrect size");
}

int gaussian_nll_loss_compose(fl_tensor *input, fl_tensor *target, fl_value var, bool full,
                              double eps, const char *reduction, fl_tensor **y)
{
    fl_tensor *v = var.tag == FL_TENSOR
                       ? var.as.tensor
                       : fl_full_like(input, var, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    fl_tensor *negative = fl_any(fl_lt_scalar(op_samples(op_look(v)), fl_int(0)));
    if (!negative || fl_item(negative) != 0)
        return negative ? error_set(FL_VALUE_ERROR, "var has negative entry/entries") : -1;
    if (!(v = fit_variance(v, input)))
        return -1;
    if (strcmp(reduction, "none") != 0 && strcmp(reduction, "mean") != 0 &&
        strcmp(reduction, "sum") != 0)
        return error_set(FL_VALUE_ERROR, "%s is not valid", reduction);
    /* at least eps, with the gradient of var */
    v = fl_add(v, at_least_zero(fl_rsub_scalar(fl_detach(v), fl_float(eps), fl_int(1))), fl_int(1));
    fl_tensor *gap = fl_sub(input, target, fl_int(1));
    fl_tensor *errors = fl_add(fl_log(v), fl_div(fl_mul(gap, gap), v), fl_int(1));
    errors = fl_mul_scalar(errors, fl_float(0.5));
    if (full)
        errors = plus(errors, 0.5 * log(2 * 3.14159265358979323846));
    return loss_reduce(errors, reduction, y);
}
