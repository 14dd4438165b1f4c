/* Learning rates over a training, as torch.optim.lr_scheduler's, and clipping of gradients. */
#include <math.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/scope.h"
#include "core/tensor.h"
#include "flambeau.h"

double fl_lr_step(double lr, int64_t step, int64_t step_size, double gamma)
{
    return step_size > 0 ? lr * pow(gamma, (double)(step / step_size)) : lr;
}

double fl_lr_multi_step(double lr, int64_t step, fl_ints milestones, double gamma)
{
    int passed = 0;
    for (int i = 0; i < milestones.count; i++)
        passed += milestones.data[i] <= step;
    return lr * pow(gamma, passed);
}

double fl_lr_constant(double lr, int64_t step, double factor, int64_t total)
{
    return step < total ? lr * factor : lr;
}

double fl_lr_exponential(double lr, int64_t step, double gamma)
{
    return lr * pow(gamma, (double)step);
}

double fl_lr_linear(double lr, int64_t step, double start_factor, double end_factor, int64_t total)
{
    double part = total > 0 && step < total ? (double)step / (double)total : 1;
    return lr * (start_factor + (end_factor - start_factor) * part);
}

double fl_lr_cosine(double lr, int64_t step, int64_t t_max, double eta_min)
{
    double part = t_max > 0 ? (double)step / (double)t_max : 0;
    return eta_min + (lr - eta_min) * (1 + cos(acos(-1.0) * part)) / 2;
}

double fl_lr_cosine_restarts(double lr, int64_t step, int64_t t_0, int64_t t_mult, double eta_min)
{
    int64_t period = t_0;
    if (t_mult <= 1)
        step = t_0 > 0 ? step % t_0 : 0;
    else
        while (period > 0 && step >= period)
            step -= period, period *= t_mult;
    return fl_lr_cosine(lr, step, period, eta_min);
}

double fl_lr_polynomial(double lr, int64_t step, int64_t total, double power)
{
    double left = total > 0 && step < total ? 1 - (double)step / (double)total : 0;
    return lr * pow(left, power);
}

/* The same as OneCycleLR with three_phase=False and anneal_strategy="cos". */
double fl_lr_one_cycle(double max_lr, int64_t step, int64_t total, double pct_start,
                       double div_factor, double final_div_factor)
{
    double first = max_lr / div_factor, last = first / final_div_factor, pi = acos(-1.0);
    double up = pct_start * (double)total - 1, end = (double)total - 1, at = (double)step;
    if (at <= up)
        return up > 0 ? max_lr + (first - max_lr) / 2 * (1 + cos(pi * at / up)) : max_lr;
    double part = end > up ? fmin((at - up) / (end - up), 1) : 1;
    return last + (max_lr - last) / 2 * (1 + cos(pi * part));
}

double fl_lr_cyclic(double base_lr, double max_lr, int64_t step, int64_t step_size_up,
                    int64_t step_size_down, double shrink, double gamma)
{
    int64_t length = step_size_up + step_size_down;
    if (step < 0 || step_size_up <= 0 || step_size_down <= 0)
        return base_lr;
    int64_t at = step % length;
    double height = at <= step_size_up ? (double)at / (double)step_size_up
                                       : (double)(length - at) / (double)step_size_down;
    double scale = pow(shrink, (double)(step / length)) * pow(gamma, (double)step);
    return base_lr + (max_lr - base_lr) * height * scale;
}

void fl_plateau_init(fl_plateau *p)
{
    *p = (fl_plateau){
        .factor = 0.1, .threshold = 1e-4, .eps = 1e-8, .patience = 10, .best = (double)NAN};
}

/* Whether a metric is better than the best one, by more than the threshold. */
static bool improves(const fl_plateau *p, double metric)
{
    double step = p->absolute ? p->threshold : p->threshold * p->best;
    if (isnan(metric) || isnan(p->best))
        return !isnan(metric);
    return p->higher ? metric > p->best + step : metric < p->best - step;
}

double fl_lr_plateau(fl_plateau *p, double lr, double metric)
{
    if (improves(p, metric))
        p->best = metric, p->bad = 0;
    else
        p->bad++;
    if (p->waiting > 0)
        p->waiting--, p->bad = 0;
    if (p->bad <= p->patience)
        return lr;
    p->waiting = p->cooldown, p->bad = 0;
    double lower = fmax(lr * p->factor, p->min_lr);
    return lr - lower > p->eps ? lower : lr;
}

/* ---- Clipping -------------------------------------------------------------------------------- */

/* The norms' norm, of the gradients that are there; NaN with the error set. */
static double norm_of_gradients(fl_tensors params)
{
    double total = 0;
    for (int64_t i = 0; i < params.count; i++) {
        fl_tensor *g = params.data[i] ? fl_grad(params.data[i]) : NULL;
        fl_tensor *size = g ? fl_norm(g, fl_int(2)) : NULL;
        if (g && !size)
            return NAN;
        double one = size ? fl_item(size) : 0;
        total += one * one;
    }
    return sqrt(total);
}

double fl_clip_grad_norm(fl_tensors params, double max_norm)
{
    bool recorded = autograd_mode.grad;
    struct scope scope;
    scope_open(&scope);
    autograd_mode.grad = false;
    double norm = norm_of_gradients(params), factor = max_norm / (norm + 1e-6);
    for (int64_t i = 0; factor < 1 && i < params.count; i++) {
        fl_tensor *g = params.data[i] ? fl_grad(params.data[i]) : NULL;
        if (g && !fl_mul_scalar_(g, fl_float(factor)))
            norm = NAN;
    }
    autograd_mode.grad = recorded;
    scope_close(&scope);
    return norm;
}

int fl_clip_grad_value(fl_tensors params, double value)
{
    bool recorded = autograd_mode.grad;
    struct scope scope;
    int status = 0;
    scope_open(&scope);
    autograd_mode.grad = false;
    for (int64_t i = 0; i < params.count && status == 0; i++) {
        fl_tensor *g = params.data[i] ? fl_grad(params.data[i]) : NULL;
        if (g && !fl_clamp_(g, fl_float(-value), fl_float(value)))
            status = -1;
    }
    autograd_mode.grad = recorded;
    scope_close(&scope);
    return status;
}
