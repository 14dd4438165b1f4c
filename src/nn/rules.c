/* The rules of torch.optim that update elementwise. SGD, Adam and AdamW are one loop over memory
 * (optimizer.simd.c); the others are written with operators, in the order of PyTorch's
 * single-tensor implementations, as python/flambeau/optim writes them. */
#include "nn/rules.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "flambeau.h"
#include "nn/optimizer.h"

#define BIT(option)  (UINT32_C(1) << (option))
#define OPTION(name) (u->option[OPTION_##name])

/* ---- Options ---- */

static const struct {
    const char *name, *title; /* title: as errors call it */
    double least, below;      /* least <= value < below; NaN is refused */
} LIMITS[OPTIONS] = {
    [OPTION_LR] = {"lr", "learning rate", 0, INFINITY},
    [OPTION_WEIGHT_DECAY] = {"weight_decay", "weight_decay value", 0, INFINITY},
    [OPTION_MAXIMIZE] = {"maximize", "maximize", 0, 2},
    [OPTION_MOMENTUM] = {"momentum", "momentum value", 0, INFINITY},
    [OPTION_DAMPENING] = {"dampening", "dampening", -INFINITY, INFINITY},
    [OPTION_NESTEROV] = {"nesterov", "nesterov", 0, 2},
    [OPTION_BETA1] = {"beta1", "beta parameter at index 0", 0, 1},
    [OPTION_BETA2] = {"beta2", "beta parameter at index 1", 0, 1},
    [OPTION_EPS] = {"eps", "epsilon value", 0, INFINITY},
    [OPTION_AMSGRAD] = {"amsgrad", "amsgrad", 0, 2},
    [OPTION_LR_DECAY] = {"lr_decay", "lr_decay value", 0, INFINITY},
    [OPTION_INITIAL] = {"initial_accumulator_value", "initial_accumulator_value value", 0,
                        INFINITY},
    [OPTION_RHO] = {"rho", "rho value", 0, 1 + 1e-15},
    [OPTION_ALPHA] = {"alpha", "alpha value", 0, INFINITY},
    [OPTION_CENTERED] = {"centered", "centered", 0, 2},
    [OPTION_MOMENTUM_DECAY] = {"momentum_decay", "momentum_decay value", 0, INFINITY},
    [OPTION_DECOUPLED] = {"decoupled_weight_decay", "decoupled_weight_decay", 0, 2},
    [OPTION_ETA_MINUS] = {"eta_minus", "eta values", 0x1p-1022, 1},
    [OPTION_ETA_PLUS] = {"eta_plus", "eta values", 1 + 0x1p-52, INFINITY},
    [OPTION_STEP_MIN] = {"step_min", "step size", 0, INFINITY},
    [OPTION_STEP_MAX] = {"step_max", "step size", 0, INFINITY},
    [OPTION_LAMBD] = {"lambd", "lambd value", -INFINITY, INFINITY},
    [OPTION_T0] = {"t0", "t0 value", -INFINITY, INFINITY},
    [OPTION_BETA2_DECAY] = {"beta2_decay", "beta2_decay", -INFINITY, 0x1p-1074},
    [OPTION_EPS1] = {"eps1", "epsilon1", -INFINITY, INFINITY},
    [OPTION_EPS2] = {"eps2", "epsilon2", 0, INFINITY},
    [OPTION_D] = {"d", "clipping threshold d", 1, INFINITY},
    [OPTION_NS_A] = {"ns_a", "coefficient", -INFINITY, INFINITY},
    [OPTION_NS_B] = {"ns_b", "coefficient", -INFINITY, INFINITY},
    [OPTION_NS_C] = {"ns_c", "coefficient", -INFINITY, INFINITY},
    [OPTION_NS_STEPS] = {"ns_steps", "number of steps", 0, 100},
    [OPTION_ADJUST_LR] = {"adjust_lr_fn", "adjust_lr_fn", 0, 2},
};

int rule_check(int option, double value)
{
    assert(option >= 0);
    if (value >= LIMITS[option].least && value < LIMITS[option].below)
        return 0;
    return error_set(FL_VALUE_ERROR, "Invalid %s: %g", LIMITS[option].title, value);
}

const char *rule_option_name(int option)
{
    assert(option >= 0);
    return LIMITS[option].name;
}

/* ---- Updates by one loop ---- */

static void *data_of(const fl_tensor *t)
{
    return t ? tensor_data(t) : NULL;
}

/* Runs an update by a kernel of the device where its tensors live (device/optimizer.gpu), which gets
 * `states` of them, so many numbers, and flags; DEVICE_CANNOT where there is none. */
static int on_device(const struct rule_update *u, const char *name, int states, uint32_t count,
                     const double *numbers, int64_t flags)
{
    struct device *d = tensor_device(u->p);
    fl_value args[RULE_STATES + 4] = {fl_tensor_value(u->p), fl_tensor_value(u->g)};
    assert(states <= RULE_STATES);
    for (int k = 0; k < states; k++)
        args[2 + k] = u->state[k] ? fl_tensor_value(u->state[k]) : fl_none();
    args[2 + states] = (fl_value){.tag = FL_FLOATS, .count = count, .as.floats = numbers};
    args[3 + states] = fl_int(flags);
    return d->kernel ? d->kernel(d, name, args, NULL) : DEVICE_CANNOT;
}

/* Runs an update by a loop on copies of what lives on another device, and writes them back. */
static int on_host(const struct rule_update *u, int (*update)(const struct rule_update *u))
{
    struct rule_update here = *u;
    fl_tensor *state[RULE_STATES] = {NULL};
    here.p = tensor_host(u->p), here.g = tensor_host(u->g), here.state = state;
    int status = here.p && here.g ? 0 : -1;
    for (int k = 0; k < RULE_STATES && status == 0; k++)
        if (u->state[k] && !(state[k] = tensor_host(u->state[k])))
            status = -1;
    if (status == 0)
        status = update(&here);
    if (status == 0)
        status = tensor_host_back(u->p, here.p);
    for (int k = 0; k < RULE_STATES; k++) {
        if (state[k] && status == 0)
            status = tensor_host_back(u->state[k], state[k]);
        tensor_release(state[k]);
    }
    tensor_release(here.p), tensor_release(here.g);
    return status;
}

static int sgd_elsewhere(const struct rule_update *u);

static int sgd_update(const struct rule_update *u)
{
    struct optimizer_sgd rule = {.lr = OPTION(LR),
                                 .momentum = OPTION(MOMENTUM),
                                 .dampening = OPTION(DAMPENING),
                                 .weight_decay = OPTION(WEIGHT_DECAY),
                                 .nesterov = OPTION(NESTEROV) != 0,
                                 .maximize = OPTION(MAXIMIZE) != 0};
    if (rule.nesterov && (rule.momentum <= 0 || rule.dampening != 0))
        return error_set(FL_VALUE_ERROR,
                         "Nesterov momentum requires a momentum and zero dampening");
    if (u->p->flags & TENSOR_ELSEWHERE)
        return sgd_elsewhere(u);
    bool first = u->number[0] == 0;
    u->number[0] = 1;
    optimizer_sgd(&rule, u->p->dtype, u->p->numel, tensor_data(u->p), tensor_data(u->g),
                  data_of(u->state[0]), first);
    return 0;
}

/* The numbers and flags are those of optimizer.gpu. */
static int sgd_elsewhere(const struct rule_update *u)
{
    const double numbers[] = {OPTION(MAXIMIZE) != 0 ? -1 : 1, OPTION(WEIGHT_DECAY), -OPTION(LR),
                              OPTION(MOMENTUM), 1 - OPTION(DAMPENING)};
    const int64_t flags = (OPTION(WEIGHT_DECAY) != 0 ? 1 : 0) | (OPTION(NESTEROV) != 0 ? 2 : 0) |
                          (u->state[0] ? 4 : 0) | (u->number[0] == 0 ? 8 : 0);
    int status = on_device(u, "_sgd_step_", 1, sizeof numbers / sizeof *numbers, numbers, flags);
    if (status == DEVICE_CANNOT)
        return on_host(u, sgd_update);
    u->number[0] = 1;
    return status;
}

static int adam_with(const struct rule_update *u, bool decoupled)
{
    struct optimizer_adam rule = {.lr = OPTION(LR),
                                  .beta1 = OPTION(BETA1),
                                  .beta2 = OPTION(BETA2),
                                  .eps = OPTION(EPS),
                                  .weight_decay = OPTION(WEIGHT_DECAY),
                                  .amsgrad = OPTION(AMSGRAD) != 0,
                                  .maximize = OPTION(MAXIMIZE) != 0,
                                  .decoupled = decoupled || OPTION(DECOUPLED) != 0};
    optimizer_adam(&rule, u->p->dtype, u->p->numel, u->step, tensor_data(u->p), tensor_data(u->g),
                   tensor_data(u->state[0]), tensor_data(u->state[1]), data_of(u->state[2]));
    return 0;
}

static int adam_elsewhere(const struct rule_update *u, bool decoupled,
                          int (*update)(const struct rule_update *u))
{
    const double lr = OPTION(LR), decay = OPTION(WEIGHT_DECAY), beta1 = OPTION(BETA1);
    const double beta2 = OPTION(BETA2);
    const double numbers[] = {OPTION(MAXIMIZE) != 0 ? -1 : 1,
                              decay,
                              1 - lr * decay,
                              1 - beta1,
                              beta2,
                              1 - beta2,
                              sqrt(1 - pow(beta2, u->step)),
                              OPTION(EPS),
                              -lr / (1 - pow(beta1, u->step))};
    const int64_t flags =
        (decay != 0 ? decoupled ? 2 : 1 : 0) | (OPTION(AMSGRAD) != 0 && u->state[2] ? 4 : 0);
    int status = on_device(u, "_adam_step_", 3, sizeof numbers / sizeof *numbers, numbers, flags);
    return status == DEVICE_CANNOT ? on_host(u, update) : status;
}

static int adam_update(const struct rule_update *u)
{
    return u->p->flags & TENSOR_ELSEWHERE ? adam_elsewhere(u, OPTION(DECOUPLED) != 0, adam_update)
                                          : adam_with(u, false);
}

static int adamw_update(const struct rule_update *u)
{
    return u->p->flags & TENSOR_ELSEWHERE ? adam_elsewhere(u, true, adamw_update)
                                          : adam_with(u, true);
}

/* ---- Updates by operators: each returns the last result, NULL with the error ---- */

static int done(const fl_tensor *last)
{
    return last ? 0 : -1;
}

/* t = t * kept + g * g * (1 - kept) */
static fl_tensor *mean_square(fl_tensor *t, fl_tensor *g, double kept)
{
    return fl_addcmul_(fl_mul_scalar_(t, fl_float(kept)), g, g, fl_float(1 - kept));
}

static fl_tensor *plus(fl_tensor *t, double number)
{
    return fl_add_scalar(t, fl_float(number), fl_int(1));
}

static int adagrad_update(const struct rule_update *u)
{
    double lr = OPTION(LR) / (1 + (u->step - 1) * OPTION(LR_DECAY));
    fl_tensor *sum = u->state[0];
    if (u->step == 1 && !fl_fill_(sum, fl_float(OPTION(INITIAL))))
        return -1;
    sum = fl_addcmul_(sum, u->g, u->g, fl_int(1));
    return done(fl_addcdiv_(u->p, u->g, plus(fl_sqrt(sum), OPTION(EPS)), fl_float(-lr)));
}

static int adadelta_update(const struct rule_update *u)
{
    double rho = OPTION(RHO), eps = OPTION(EPS);
    fl_tensor *v = mean_square(u->state[0], u->g, rho);
    fl_tensor *delta = fl_mul(fl_div(fl_sqrt(plus(u->state[1], eps)), fl_sqrt(plus(v, eps))), u->g);
    if (!mean_square(u->state[1], delta, rho))
        return -1;
    return done(fl_add_(u->p, delta, fl_float(-OPTION(LR))));
}

/* States: square_avg, momentum_buffer, grad_avg. */
static int rmsprop_update(const struct rule_update *u)
{
    double kept = OPTION(ALPHA), lr = OPTION(LR);
    fl_tensor *v = mean_square(u->state[0], u->g, kept);
    if (OPTION(CENTERED) != 0) {
        fl_tensor *mean = fl_lerp_scalar_(u->state[2], u->g, fl_float(1 - kept));
        v = fl_addcmul(v, mean, mean, fl_int(-1));
    }
    fl_tensor *size = plus(fl_sqrt(v), OPTION(EPS));
    if (OPTION(MOMENTUM) == 0)
        return done(fl_addcdiv_(u->p, u->g, size, fl_float(-lr)));
    fl_tensor *steps =
        fl_addcdiv_(fl_mul_scalar_(u->state[1], fl_float(OPTION(MOMENTUM))), u->g, size, fl_int(1));
    return done(fl_add_(u->p, steps, fl_float(-lr)));
}

static int adamax_update(const struct rule_update *u)
{
    double beta1 = OPTION(BETA1);
    fl_tensor *m = fl_lerp_scalar_(u->state[0], u->g, fl_float(1 - beta1));
    fl_tensor *top = fl_maximum(fl_mul_scalar(u->state[1], fl_float(OPTION(BETA2))),
                                plus(fl_abs(u->g), OPTION(EPS)));
    fl_tensor *largest = fl_copy_(u->state[1], top, false);
    double rate = OPTION(LR) / (1 - pow(beta1, u->step));
    return done(fl_addcdiv_(u->p, m, largest, fl_float(-rate)));
}

/* Shrinks p by lr * weight_decay where that is decoupled. */
static int shrink(const struct rule_update *u)
{
    if (OPTION(DECOUPLED) == 0 || OPTION(WEIGHT_DECAY) == 0)
        return 0;
    return done(fl_mul_scalar_(u->p, fl_float(1 - OPTION(LR) * OPTION(WEIGHT_DECAY))));
}

static int nadam_update(const struct rule_update *u)
{
    double beta1 = OPTION(BETA1), beta2 = OPTION(BETA2), lr = OPTION(LR), t = u->step;
    double now = beta1 * (1 - 0.5 * pow(0.96, t * OPTION(MOMENTUM_DECAY)));
    double after = beta1 * (1 - 0.5 * pow(0.96, (t + 1) * OPTION(MOMENTUM_DECAY)));
    double product = (t == 1 ? 1 : u->number[0]) * now;
    u->number[0] = product;
    if (shrink(u))
        return -1;
    fl_tensor *m = fl_lerp_scalar_(u->state[0], u->g, fl_float(1 - beta1));
    fl_tensor *v = mean_square(u->state[1], u->g, beta2);
    fl_tensor *size = plus(fl_sqrt(fl_div_scalar(v, fl_float(1 - pow(beta2, t)))), OPTION(EPS));
    fl_tensor *p = fl_addcdiv_(u->p, u->g, size, fl_float(-lr * (1 - now) / (1 - product)));
    return done(fl_addcdiv_(p, m, size, fl_float(-lr * after / (1 - product * after))));
}

static int radam_update(const struct rule_update *u)
{
    double beta1 = OPTION(BETA1), beta2 = OPTION(BETA2), t = u->step;
    if (shrink(u))
        return -1;
    fl_tensor *m = fl_lerp_scalar_(u->state[0], u->g, fl_float(1 - beta1));
    fl_tensor *v = mean_square(u->state[1], u->g, beta2);
    fl_tensor *step = fl_div_scalar(m, fl_float(1 - pow(beta1, t)));
    double correction = 1 - pow(beta2, t), limit = 2 / (1 - beta2) - 1;
    double length = limit - 2 * t * pow(beta2, t) / correction;
    if (length > 5) {
        double rectified =
            sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length));
        fl_tensor *size = plus(fl_sqrt(v), OPTION(EPS));
        fl_tensor *inverse = fl_reciprocal(size);
        step = fl_mul_scalar(fl_mul(step, fl_mul_scalar(inverse, fl_float(sqrt(correction)))),
                             fl_float(rectified));
    }
    return done(fl_add_(u->p, step, fl_float(-OPTION(LR))));
}

/* States: prev, step_size. */
static int rprop_update(const struct rule_update *u)
{
    fl_tensor *before = u->state[0], *size = u->state[1];
    if (u->step == 1 && !fl_fill_(size, fl_float(OPTION(LR))))
        return -1;
    fl_tensor *agree = fl_mul(u->g, before);
    fl_tensor *turned = fl_lt_scalar(agree, fl_int(0));
    fl_tensor *factor = fl_ones_like(u->g, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    factor =
        fl_masked_fill_scalar_(factor, fl_gt_scalar(agree, fl_int(0)), fl_float(OPTION(ETA_PLUS)));
    factor = fl_masked_fill_scalar_(factor, turned, fl_float(OPTION(ETA_MINUS)));
    size = fl_clamp_(fl_mul_(size, factor), fl_float(OPTION(STEP_MIN)), fl_float(OPTION(STEP_MAX)));
    fl_tensor *g = fl_masked_fill_scalar(u->g, turned, fl_int(0));
    if (!fl_addcmul_(u->p, fl_sign(g), size, fl_int(-1)))
        return -1;
    return done(fl_copy_(before, g, false));
}

/* Numbers: eta, mu; state: ax. */
static int asgd_update(const struct rule_update *u)
{
    double lr = OPTION(LR), lambd = OPTION(LAMBD);
    if (u->step == 1)
        u->number[0] = lr, u->number[1] = 1;
    double eta = u->number[0], mu = u->number[1];
    fl_tensor *p = fl_add_(fl_mul_scalar_(u->p, fl_float(1 - lambd * eta)), u->g, fl_float(-eta));
    fl_tensor *mean = u->state[0];
    if (mu != 1)
        mean = fl_add_(mean, fl_mul_scalar_(fl_sub(p, mean, fl_int(1)), fl_float(mu)), fl_int(1));
    else
        mean = fl_copy_(mean, p, false);
    u->number[0] = lr / pow(1 + lambd * lr * u->step, OPTION(ALPHA));
    u->number[1] = 1 / fmax(1, u->step - OPTION(T0));
    return done(mean);
}

/* ---- The table ---- */

#define COMMON          (BIT(OPTION_LR) | BIT(OPTION_WEIGHT_DECAY) | BIT(OPTION_MAXIMIZE))
#define BETAS           (BIT(OPTION_BETA1) | BIT(OPTION_BETA2) | BIT(OPTION_EPS))
#define BETAS_ARE(a, b) [OPTION_BETA1] = (a), [OPTION_BETA2] = (b), [OPTION_EPS] = 1e-8

static const struct rule RULES[] = {
    {"SGD",
     COMMON | BIT(OPTION_MOMENTUM) | BIT(OPTION_DAMPENING) | BIT(OPTION_NESTEROV),
     true,
     {"momentum_buffer"},
     {"moved"},
     {[OPTION_LR] = 1e-3},
     sgd_update},
    {"Adam",
     COMMON | BETAS | BIT(OPTION_AMSGRAD) | BIT(OPTION_DECOUPLED),
     true,
     {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
     {NULL},
     {[OPTION_LR] = 1e-3, BETAS_ARE(0.9, 0.999)},
     adam_update},
    {"AdamW",
     COMMON | BETAS | BIT(OPTION_AMSGRAD),
     true,
     {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
     {NULL},
     {[OPTION_LR] = 1e-3, [OPTION_WEIGHT_DECAY] = 1e-2, BETAS_ARE(0.9, 0.999)},
     adamw_update},
    {"Adagrad",
     COMMON | BIT(OPTION_LR_DECAY) | BIT(OPTION_INITIAL) | BIT(OPTION_EPS),
     false,
     {"sum"},
     {NULL},
     {[OPTION_LR] = 1e-2, [OPTION_EPS] = 1e-10},
     adagrad_update},
    {"Adadelta",
     COMMON | BIT(OPTION_RHO) | BIT(OPTION_EPS),
     false,
     {"square_avg", "acc_delta"},
     {NULL},
     {[OPTION_LR] = 1, [OPTION_RHO] = 0.9, [OPTION_EPS] = 1e-6},
     adadelta_update},
    {"RMSprop",
     COMMON | BIT(OPTION_ALPHA) | BIT(OPTION_EPS) | BIT(OPTION_MOMENTUM) | BIT(OPTION_CENTERED),
     false,
     {"square_avg", "momentum_buffer", "grad_avg"},
     {NULL},
     {[OPTION_LR] = 1e-2, [OPTION_ALPHA] = 0.99, [OPTION_EPS] = 1e-8},
     rmsprop_update},
    {"Adamax",
     COMMON | BETAS,
     false,
     {"exp_avg", "exp_inf"},
     {NULL},
     {[OPTION_LR] = 2e-3, BETAS_ARE(0.9, 0.999)},
     adamax_update},
    {"NAdam",
     COMMON | BETAS | BIT(OPTION_MOMENTUM_DECAY) | BIT(OPTION_DECOUPLED),
     false,
     {"exp_avg", "exp_avg_sq"},
     {"mu_product"},
     {[OPTION_LR] = 2e-3, [OPTION_MOMENTUM_DECAY] = 4e-3, BETAS_ARE(0.9, 0.999)},
     nadam_update},
    {"RAdam",
     COMMON | BETAS | BIT(OPTION_DECOUPLED),
     false,
     {"exp_avg", "exp_avg_sq"},
     {NULL},
     {[OPTION_LR] = 1e-3, BETAS_ARE(0.9, 0.999)},
     radam_update},
    {"Rprop",
     BIT(OPTION_LR) | BIT(OPTION_MAXIMIZE) | BIT(OPTION_ETA_MINUS) | BIT(OPTION_ETA_PLUS) |
         BIT(OPTION_STEP_MIN) | BIT(OPTION_STEP_MAX),
     false,
     {"prev", "step_size"},
     {NULL},
     {[OPTION_LR] = 1e-2,
      [OPTION_ETA_MINUS] = 0.5,
      [OPTION_ETA_PLUS] = 1.2,
      [OPTION_STEP_MIN] = 1e-6,
      [OPTION_STEP_MAX] = 50},
     rprop_update},
    {"ASGD",
     COMMON | BIT(OPTION_LAMBD) | BIT(OPTION_ALPHA) | BIT(OPTION_T0),
     false,
     {"ax"},
     {"eta", "mu"},
     {[OPTION_LR] = 1e-2, [OPTION_LAMBD] = 1e-4, [OPTION_ALPHA] = 0.75, [OPTION_T0] = 1e6},
     asgd_update},
    {"Adafactor",
     COMMON | BIT(OPTION_BETA2_DECAY) | BIT(OPTION_EPS1) | BIT(OPTION_EPS2) | BIT(OPTION_D),
     true,
     {[ADAFACTOR_VARIANCE] = "variance",
      [ADAFACTOR_ROWS] = "row_var",
      [ADAFACTOR_COLUMNS] = "col_var"},
     {NULL},
     {[OPTION_LR] = 1e-2,
      [OPTION_BETA2_DECAY] = -0.8,
      [OPTION_EPS1] = -1,
      [OPTION_EPS2] = 1e-3,
      [OPTION_D] = 1},
     adafactor_update},
    {"Muon",
     BIT(OPTION_LR) | BIT(OPTION_WEIGHT_DECAY) | BIT(OPTION_MOMENTUM) | BIT(OPTION_NESTEROV) |
         BIT(OPTION_NS_A) | BIT(OPTION_NS_B) | BIT(OPTION_NS_C) | BIT(OPTION_EPS) |
         BIT(OPTION_NS_STEPS) | BIT(OPTION_ADJUST_LR),
     true,
     {"momentum_buffer"},
     {NULL},
     {[OPTION_LR] = 1e-3,
      [OPTION_WEIGHT_DECAY] = 0.1,
      [OPTION_MOMENTUM] = 0.95,
      [OPTION_NESTEROV] = 1,
      [OPTION_NS_A] = 3.4445,
      [OPTION_NS_B] = -4.775,
      [OPTION_NS_C] = 2.0315,
      [OPTION_EPS] = 1e-7,
      [OPTION_NS_STEPS] = 5},
     muon_update},
};

const struct rule *rule_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof RULES / sizeof *RULES; i++)
        if (strcmp(RULES[i].name, name) == 0)
            return &RULES[i];
    return error_null(FL_VALUE_ERROR, "there is no optimizer '%s'", name ? name : "NULL");
}

int rule_option(const struct rule *r, const char *name)
{
    assert(r && name);
    for (int k = 0; name && k < OPTIONS; k++)
        if (r->uses & BIT(k) && strcmp(LIMITS[k].name, name) == 0)
            return k;
    return error_set(FL_VALUE_ERROR, "%s has no option '%s'", r->name, name ? name : "NULL");
}

int rule_takes(const struct rule *r, const fl_tensor *p)
{
    if (!dtype_is_floating(p->dtype))
        return error_set(FL_VALUE_ERROR, "an optimizer cannot change a parameter of dtype %s",
                         fl_dtype_name(p->dtype));
    if (r->update == muon_update && p->ndim != 2)
        return error_set(FL_VALUE_ERROR,
                         "Muon only supports 2D parameters whereas we found a parameter of %d "
                         "dims",
                         p->ndim);
    return 0;
}

/* Adafactor keeps the mean square of a matrix as a column and a row. */
static bool adafactor_keeps(int state, const fl_tensor *p, int64_t *sizes)
{
    if (p->ndim > 1 && state != ADAFACTOR_VARIANCE)
        sizes[state == ADAFACTOR_ROWS ? p->ndim - 1 : p->ndim - 2] = 1;
    return (p->ndim <= 1) == (state == ADAFACTOR_VARIANCE);
}

bool rule_keeps(const struct rule *r, int state, const fl_tensor *p, const double *option,
                int64_t *sizes)
{
    assert(state >= 0 && state < RULE_STATES);
    memcpy(sizes, p->sizes, (size_t)p->ndim * sizeof *sizes);
    if (!r->state[state])
        return false;
    if (r->update == adafactor_update)
        return adafactor_keeps(state, p, sizes);
    if (r->update == sgd_update)
        return option[OPTION_MOMENTUM] != 0;
    if (r->uses & BIT(OPTION_AMSGRAD))
        return state < 2 || option[OPTION_AMSGRAD] != 0;
    if (r->update == rmsprop_update && state)
        return option[state == 1 ? OPTION_MOMENTUM : OPTION_CENTERED] != 0;
    return true;
}
