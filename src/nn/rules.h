/* The rules of C programs' optimizers: options by name with PyTorch's defaults and limits, what is
 * kept for each parameter, and one parameter's update. */
#ifndef FLAMBEAU_NN_RULES_H
#define FLAMBEAU_NN_RULES_H

#include "core/tensor.h"

/* Every option of every rule. */
enum rule_option {
    OPTION_LR,
    OPTION_WEIGHT_DECAY,
    OPTION_MAXIMIZE,
    OPTION_MOMENTUM,
    OPTION_DAMPENING,
    OPTION_NESTEROV,
    OPTION_BETA1,
    OPTION_BETA2,
    OPTION_EPS,
    OPTION_AMSGRAD,
    OPTION_LR_DECAY,
    OPTION_INITIAL,
    OPTION_RHO,
    OPTION_ALPHA,
    OPTION_CENTERED,
    OPTION_MOMENTUM_DECAY,
    OPTION_DECOUPLED,
    OPTION_ETA_MINUS,
    OPTION_ETA_PLUS,
    OPTION_STEP_MIN,
    OPTION_STEP_MAX,
    OPTION_LAMBD,
    OPTION_T0,
    OPTION_BETA2_DECAY,
    OPTION_EPS1,
    OPTION_EPS2,
    OPTION_D,
    OPTION_NS_A,
    OPTION_NS_B,
    OPTION_NS_C,
    OPTION_NS_STEPS,
    OPTION_ADJUST_LR,
    OPTIONS
};

enum { RULE_STATES = 3, RULE_NUMBERS = 2 };

/* What an update sees. g has been turned for maximize and has the weight decay added, where that is
 * not the rule's own affair (`decays`). */
struct rule_update {
    fl_tensor *p, *g; /* of one dtype and contiguous */
    fl_tensor **state;
    double *number;       /* kept numbers; 0 at the first step */
    const double *option; /* by rule_option */
    double step;          /* counts from 1 */
};

struct rule {
    const char *name;                 /* torch.optim's */
    uint32_t uses;                    /* options, as bits */
    bool decays;                      /* sees to maximize and weight_decay itself */
    const char *state[RULE_STATES];   /* names in PyTorch's state, NULL: no more */
    const char *number[RULE_NUMBERS]; /* of the kept numbers */
    double defaults[OPTIONS];
    int (*update)(const struct rule_update *u); /* 0, or -1 with the error set */
};

/* The rule of that name, and an option's number; NULL and -1 with the error set. */
const struct rule *rule_find(const char *name);
int rule_option(const struct rule *r, const char *name);
const char *rule_option_name(int option);
/* Refuses a value out of the option's range, in PyTorch's words: 0, or -1 with the error. */
int rule_check(int option, double value);
/* Whether the rule keeps this state of p with these options; if so, its sizes, which are as many as
 * p's. */
bool rule_keeps(const struct rule *r, int state, const fl_tensor *p, const double *option,
                int64_t *sizes);
/* Refuses a parameter that the rule does not take: 0, or -1 with the error set. */
int rule_takes(const struct rule *r, const fl_tensor *p);

/* The updates of rules_of_matrices.c; Adafactor's states are ADAFACTOR_VARIANCE and so on. */
enum { ADAFACTOR_VARIANCE, ADAFACTOR_ROWS, ADAFACTOR_COLUMNS };
int adafactor_update(const struct rule_update *u);
int muon_update(const struct rule_update *u);

#endif
