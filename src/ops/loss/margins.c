/* Losses with margins, and likelihoods of counts and of normal distributions. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
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
