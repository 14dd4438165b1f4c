/* Optimizers of C programs: groups of parameters with options of their own, what is kept for each
 * parameter, and a step over all of them.
 *
 * The arithmetic is the rules' (rules.c), on contiguous elements. A parameter that is not
 * contiguous is worked on in a copy and written back; state is always contiguous.
 */
#include "nn/steps.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "core/tensor.h"
#include "flambeau.h"

/* ---- Making ---------------------------------------------------------------------------------- */

static int check_params(const fl_optimizer *o, fl_tensors params)
{
    if (!params.data || params.count <= 0)
        return fl_error() != FL_OK && !params.data
                   ? -1
                   : error_set(FL_VALUE_ERROR, "optimizer got an empty parameter list");
    for (int64_t i = 0; i < params.count; i++) {
        if (!params.data[i])
            return -1;
        if (rule_takes(o->rule, params.data[i]))
            return -1;
        for (int64_t k = 0; k < o->count; k++)
            if (o->held[k].param == params.data[i])
                return error_set(FL_VALUE_ERROR,
                                 "some parameters appear in more than one parameter group");
    }
    return 0;
}

int fl_optimizer_add_group(fl_optimizer *o, fl_tensors params)
{
    if (!o || check_params(o, params))
        return -1;
    size_t held_bytes = (size_t)o->count * sizeof *o->held;
    size_t option_bytes = (size_t)o->groups * sizeof *o->option;
    size_t more_held = held_bytes + (size_t)params.count * sizeof *o->held;
    size_t more_options = option_bytes + sizeof *o->option;
    struct held *held = memory_zalloc(more_held);
    double (*option)[OPTIONS] = memory_zalloc(more_options);
    if (!held || !option) {
        memory_free(held, more_held);
        memory_free(option, more_options);
        return -1;
    }
    if (o->groups) {
        memcpy(held, o->held, held_bytes);
        memcpy(option, o->option, option_bytes);
        memory_free(o->held, held_bytes);
        memory_free(o->option, option_bytes);
    }
    memcpy(option[o->groups], o->rule->defaults, sizeof *option);
    for (int64_t i = 0; i < params.count; i++)
        held[o->count + i] =
            (struct held){.param = tensor_retain(params.data[i]), .group = o->groups};
    o->held = held, o->option = option;
    o->count += params.count;
    return o->groups++;
}

fl_optimizer *fl_optimizer_new(const char *name, fl_tensors params)
{
    const struct rule *rule = rule_find(name);
    fl_optimizer *o = rule ? memory_zalloc(sizeof *o) : NULL;
    if (!o)
        return NULL;
    o->rule = rule;
    if (fl_optimizer_add_group(o, params) < 0) {
        fl_optimizer_release(o);
        return NULL;
    }
    return o;
}

void fl_optimizer_release(fl_optimizer *o)
{
    if (!o)
        return;
    for (int64_t i = 0; i < o->count; i++) {
        tensor_release(o->held[i].param);
        for (int s = 0; s < RULE_STATES; s++)
            tensor_release(o->held[i].state[s]);
    }
    if (o->held)
        memory_free(o->held, (size_t)o->count * sizeof *o->held);
    if (o->option)
        memory_free(o->option, (size_t)o->groups * sizeof *o->option);
    memory_free(o, sizeof *o);
}

/* ---- Options --------------------------------------------------------------------------------- */

int fl_optimizer_set(fl_optimizer *o, int group, const char *option, double value)
{
    int k = o ? rule_option(o->rule, option) : -1;
    if (k < 0 || rule_check(k, value))
        return -1;
    if (group < -1 || group >= o->groups)
        return error_set(FL_INDEX_ERROR, "there is no parameter group %d (there are %d)", group,
                         o->groups);
    for (int g = group < 0 ? 0 : group; g < (group < 0 ? o->groups : group + 1); g++)
        o->option[g][k] = value;
    return 0;
}

double fl_optimizer_get(const fl_optimizer *o, int group, const char *option)
{
    int k = o ? rule_option(o->rule, option) : -1;
    if (k < 0)
        return NAN;
    if (group < 0 || group >= o->groups) {
        error_set(FL_INDEX_ERROR, "there is no parameter group %d (there are %d)", group,
                  o->groups);
        return NAN;
    }
    return o->option[group][k];
}

int fl_optimizer_groups(const fl_optimizer *o)
{
    return o ? o->groups : 0;
}

double fl_optimizer_lr(const fl_optimizer *o)
{
    return o ? o->option[0][OPTION_LR] : 0;
}

void fl_optimizer_set_lr(fl_optimizer *o, double lr)
{
    for (int g = 0; o && g < o->groups; g++)
        o->option[g][OPTION_LR] = lr;
}

/* An optimizer with options, of which the constructors below have checked some. */
struct setting {
    const char *name;
    double value;
};

static fl_optimizer *make(const char *name, fl_tensors params, const struct setting *settings)
{
    fl_optimizer *o = fl_optimizer_new(name, params);
    for (; o && settings->name; settings++)
        if (fl_optimizer_set(o, 0, settings->name, settings->value)) {
            fl_optimizer_release(o);
            o = NULL;
        }
    return o;
}

fl_optimizer *fl_sgd_new(fl_tensors params, double lr, double momentum, double dampening,
                         double weight_decay, bool nesterov)
{
    if (nesterov && (!(momentum > 0) || dampening != 0))
        return error_null(FL_VALUE_ERROR,
                          "Nesterov momentum requires a momentum and zero dampening");
    return make("SGD", params,
                (struct setting[]){{"lr", lr},
                                   {"momentum", momentum},
                                   {"dampening", dampening},
                                   {"weight_decay", weight_decay},
                                   {"nesterov", nesterov},
                                   {0}});
}

static fl_optimizer *make_adam(const char *name, fl_tensors params, double lr, double beta1,
                               double beta2, double eps, double weight_decay, bool amsgrad)
{
    return make(name, params,
                (struct setting[]){{"lr", lr},
                                   {"eps", eps},
                                   {"beta1", beta1},
                                   {"beta2", beta2},
                                   {"weight_decay", weight_decay},
                                   {"amsgrad", amsgrad},
                                   {0}});
}

fl_optimizer *fl_adam_new(fl_tensors params, double lr, double beta1, double beta2, double eps,
                          double weight_decay, bool amsgrad)
{
    return make_adam("Adam", params, lr, beta1, beta2, eps, weight_decay, amsgrad);
}

fl_optimizer *fl_adamw_new(fl_tensors params, double lr, double beta1, double beta2, double eps,
                           double weight_decay, bool amsgrad)
{
    return make_adam("AdamW", params, lr, beta1, beta2, eps, weight_decay, amsgrad);
}

/* ---- A step ---------------------------------------------------------------------------------- */

/* Makes the states that a parameter lacks, zeroed. */
static int make_states(const fl_optimizer *o, struct held *h)
{
    const fl_tensor *p = h->param;
    int64_t sizes[TENSOR_MAX_DIMS];
    for (int s = 0; s < RULE_STATES; s++) {
        if (h->state[s] || !rule_keeps(o->rule, s, p, o->option[h->group], sizes))
            continue;
        if (!(h->state[s] = tensor_new_on(tensor_device(p), p->ndim, sizes, NULL, p->dtype)))
            return -1;
        tensor_fill(h->state[s], fl_int(0));
    }
    return 0;
}

/* The gradient as the rule wants it: turned for maximize, with the weight decay. */
static fl_tensor *prepared(const struct rule *rule, const double *option, fl_tensor *g,
                           fl_tensor *p)
{
    assert(g);
    if (rule->decays)
        return g;
    if (option[OPTION_MAXIMIZE] != 0)
        g = fl_neg(g);
    if (option[OPTION_WEIGHT_DECAY] != 0 && option[OPTION_DECOUPLED] == 0)
        g = fl_add(g, p, fl_float(option[OPTION_WEIGHT_DECAY]));
    return g;
}

/* The update of one parameter, unrecorded, in a scope of its own. */
static int update(const fl_optimizer *o, struct held *h, fl_tensor *p, fl_tensor *g)
{
    assert(shape_equal(p, g));
    const double *option = o->option[h->group];
    bool recorded = autograd_mode.grad;
    struct scope scope;
    scope_open(&scope);
    autograd_mode.grad = false;
    struct rule_update u = {.p = p,
                            .g = prepared(o->rule, option, g, p),
                            .state = h->state,
                            .number = h->number,
                            .option = option,
                            .step = (double)h->steps};
    int status = u.g ? o->rule->update(&u) : -1;
    autograd_mode.grad = recorded;
    scope_close(&scope);
    return status;
}

static int step_one(const fl_optimizer *o, struct held *h, const fl_tensor *grad)
{
    fl_tensor *g = tensor_as(grad, h->param->dtype), *p = tensor_contiguous(h->param);
    int status = g && p ? make_states(o, h) : -1;
    if (status == 0) {
        h->steps++;
        status = update(o, h, p, g);
        if (status == 0 && p != h->param)
            status = tensor_copy(h->param, p);
        tensor_bump_version(h->param);
    }
    tensor_release(g);
    tensor_release(p);
    return status;
}

int fl_optimizer_step(fl_optimizer *o)
{
    if (!o)
        return -1;
    for (int64_t i = 0; i < o->count; i++) {
        const fl_tensor *grad = fl_grad(o->held[i].param);
        if (grad && step_one(o, &o->held[i], grad) != 0)
            return -1;
    }
    return 0;
}

void fl_optimizer_zero_grad(fl_optimizer *o)
{
    for (int64_t i = 0; o && i < o->count; i++)
        fl_set_grad(o->held[i].param, NULL);
}
