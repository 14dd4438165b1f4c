/* Optimizers' updates: picks the kernel of the dtype and cuts large parameters over the threads. */
#include "nn/optimizer.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

#include "core/tensor.h"
#include "core/threads.h"
#include "flambeau/nn.h"

enum { CHUNK = 32768 }; /* elements; up to here no thread is woken */

static enum optimizer_kind kind_of(int dtype)
{
    return (enum optimizer_kind)(dtype - FL_FLOAT16);
}

struct work {
    const struct optimizer_sgd *sgd;
    const struct optimizer_adam_step *adam;
    int dtype;
    bool first;
    int64_t n;
    char *param, *state[3]; /* momentum buffer; or exp_avg, exp_avg_sq, max_exp_avg_sq */
    const char *grad;
};

static void run_chunk(void *context, int64_t chunk)
{
    assert(chunk >= 0);
    const struct work *w = context;
    const struct optimizer_kernels *kernels = ISA_PICK(optimizer_kernels);
    size_t skip = (size_t)chunk * CHUNK * dtype_size(w->dtype);
    int64_t n = w->n - chunk * CHUNK < CHUNK ? w->n - chunk * CHUNK : CHUNK;
    char *state[3];
    for (int i = 0; i < 3; i++)
        state[i] = w->state[i] ? w->state[i] + skip : NULL;
    if (w->sgd)
        kernels->sgd[kind_of(w->dtype)](w->sgd, n, w->param + skip, w->grad + skip, state[0],
                                        w->first);
    else
        kernels->adam[kind_of(w->dtype)](w->adam, n, w->param + skip, w->grad + skip, state[0],
                                         state[1], state[2]);
}

void optimizer_sgd(const struct optimizer_sgd *rule, int dtype, int64_t n, void *param,
                   const void *grad, void *buffer, bool first)
{
    assert(n >= 0 && dtype_is_floating(dtype));
    struct work w = {
        .sgd = rule, .dtype = dtype, .first = first, .n = n, .param = param, .grad = grad};
    w.state[0] = buffer;
    threads_for((n + CHUNK - 1) / CHUNK, run_chunk, &w);
}

void optimizer_adam(const struct optimizer_adam *rule, int dtype, int64_t n, double step,
                    void *param, const void *grad, void *exp_avg, void *exp_avg_sq,
                    void *max_exp_avg_sq)
{
    assert(n >= 0 && step >= 1 && dtype_is_floating(dtype));
    struct optimizer_adam_step now = {
        .rule = *rule,
        .step_size = rule->lr / (1 - pow(rule->beta1, step)),
        .correction = sqrt(1 - pow(rule->beta2, step)),
    };
    struct work w = {.adam = &now, .dtype = dtype, .n = n, .param = param, .grad = grad};
    w.state[0] = exp_avg;
    w.state[1] = exp_avg_sq;
    w.state[2] = max_exp_avg_sq;
    threads_for((n + CHUNK - 1) / CHUNK, run_chunk, &w);
}
