/* What an optimizer of C programs consists of. */
#ifndef FLAMBEAU_NN_STEPS_H
#define FLAMBEAU_NN_STEPS_H

#include "nn/rules.h"

struct held {
    fl_tensor *param;
    int64_t steps;
    int group;
    fl_tensor *state[RULE_STATES];
    double number[RULE_NUMBERS];
};

struct fl_optimizer {
    const struct rule *rule;
    int64_t count;
    int groups;
    double (*option)[OPTIONS]; /* of each group */
    struct held *held;
};

#endif
