/* Optimizers of C programs: the parameters, what is kept for each, and a step over all of them.
 *
 * The arithmetic is in optimizer.simd.c, on contiguous elements. A parameter that is not contiguous
 * is worked on in a copy and written back; state is always contiguous.
 */
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "flambeau/nn.h"
#include "nn/optimizer.h"

enum rule { RULE_SGD, RULE_ADAM };
enum { STATES = 3 };

struct fl_optimizer {
    enum rule rule;
    struct optimizer_sgd sgd;
    struct optimizer_adam adam;
    int64_t count;
    struct held {
        fl_tensor *param;
        int64_t steps;
        fl_tensor *state[STATES]; /* SGD: momentum; Adam: exp_avg, exp_avg_sq, max_exp_avg_sq */
    } held[];
};

static size_t optimizer_bytes(int64_t count)
{
    return sizeof(struct fl_optimizer) + (size_t)count * sizeof(struct held);
}

static fl_optimizer *make(fl_tensors params, enum rule rule)
{
    if (!params.data || params.count <= 0)
        return fl_error() != FL_OK && !params.data
                   ? NULL
                   : error_null(FL_VALUE_ERROR, "optimizer got an empty parameter list");
    for (int64_t i = 0; i < params.count; i++) {
        if (!params.data[i])
            return NULL;
        if (!dtype_is_floating(params.data[i]->dtype))
            return error_null(FL_VALUE_ERROR, "an optimizer cannot change a parameter of dtype %s",
                              fl_dtype_name(params.data[i]->dtype));
    }
    fl_optimizer *o = memory_zalloc(optimizer_bytes(params.count));
    if (!o)
        return NULL;
    o->rule = rule;
    o->count = params.count;
    for (int64_t i = 0; i < params.count; i++)
        o->held[i].param = tensor_retain(params.data[i]);
    return o;
}

/* -1 with PyTorch's error when a number is negative, or NaN. */
static int check(const char *what, double value)
{
    return value >= 0 ? 0 : error_set(FL_VALUE_ERROR, "Invalid %s: %g", what, value);
}

fl_optimizer *fl_sgd_new(fl_tensors params, double lr, double momentum, double dampening,
                         double weight_decay, bool nesterov)
{
    if (check("learning rate", lr) || check("momentum value", momentum) ||
        check("weight_decay value", weight_decay))
        return NULL;
    if (nesterov && (momentum <= 0 || dampening != 0))
        return error_null(FL_VALUE_ERROR,
                          "Nesterov momentum requires a momentum and zero dampening");
    fl_optimizer *o = make(params, RULE_SGD);
    if (o)
        o->sgd = (struct optimizer_sgd){.lr = lr,
                                        .momentum = momentum,
                                        .dampening = dampening,
                                        .weight_decay = weight_decay,
                                        .nesterov = nesterov};
    return o;
}

static fl_optimizer *make_adam(fl_tensors params, double lr, double beta1, double beta2, double eps,
                               double weight_decay, bool amsgrad, bool decoupled)
{
    if (check("learning rate", lr) || check("epsilon value", eps) ||
        check("weight_decay value", weight_decay))
        return NULL;
    if (!(beta1 >= 0 && beta1 < 1))
        return error_null(FL_VALUE_ERROR, "Invalid beta parameter at index 0: %g", beta1);
    if (!(beta2 >= 0 && beta2 < 1))
        return error_null(FL_VALUE_ERROR, "Invalid beta parameter at index 1: %g", beta2);
    fl_optimizer *o = make(params, RULE_ADAM);
    if (o)
        o->adam = (struct optimizer_adam){.lr = lr,
                                          .beta1 = beta1,
                                          .beta2 = beta2,
                                          .eps = eps,
                                          .weight_decay = weight_decay,
                                          .amsgrad = amsgrad,
                                          .decoupled = decoupled};
    return o;
}

fl_optimizer *fl_adam_new(fl_tensors params, double lr, double beta1, double beta2, double eps,
                          double weight_decay, bool amsgrad)
{
    return make_adam(params, lr, beta1, beta2, eps, weight_decay, amsgrad, false);
}

fl_optimizer *fl_adamw_new(fl_tensors params, double lr, double beta1, double beta2, double eps,
                           double weight_decay, bool amsgrad)
{
    return make_adam(params, lr, beta1, beta2, eps, weight_decay, amsgrad, true);
}

void fl_optimizer_release(fl_optimizer *o)
{
    if (!o)
        return;
    for (int64_t i = 0; i < o->count; i++) {
        tensor_release(o->held[i].param);
        for (int s = 0; s < STATES; s++)
            tensor_release(o->held[i].state[s]);
    }
    memory_free(o, optimizer_bytes(o->count));
}

/* ---- A step --------------------------------------------------------------------------------- */

/* Makes the states a parameter needs, zeroed, at its first step. */
static int make_states(struct held *h, int count)
{
    for (int s = 0; s < count; s++) {
        if (h->state[s])
            continue;
        if (!(h->state[s] = tensor_new(h->param->ndim, h->param->sizes, h->param->dtype)))
            return -1;
        tensor_fill(h->state[s], fl_int(0));
    }
    return 0;
}

static void *data_of(const fl_tensor *t)
{
    return t ? tensor_data(t) : NULL;
}

static int step_one(fl_optimizer *o, struct held *h, const fl_tensor *grad)
{
    bool adam = o->rule == RULE_ADAM;
    int states = adam ? (o->adam.amsgrad ? 3 : 2) : o->sgd.momentum != 0;
    fl_tensor *g = tensor_as(grad, h->param->dtype), *p = tensor_contiguous(h->param);
    int status = g && p ? make_states(h, states) : -1;
    if (status == 0) {
        h->steps++;
        if (adam)
            optimizer_adam(&o->adam, p->dtype, p->numel, (double)h->steps, tensor_data(p),
                           tensor_data(g), data_of(h->state[0]), data_of(h->state[1]),
                           data_of(h->state[2]));
        else
            optimizer_sgd(&o->sgd, p->dtype, p->numel, tensor_data(p), tensor_data(g),
                          data_of(h->state[0]), h->steps == 1);
        if (p != h->param)
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
        return fl_null_argument("fl_optimizer_step", "o");
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

double fl_optimizer_lr(const fl_optimizer *o)
{
    return !o ? 0 : o->rule == RULE_ADAM ? o->adam.lr : o->sgd.lr;
}

void fl_optimizer_set_lr(fl_optimizer *o, double lr)
{
    if (!o)
        return;
    o->sgd.lr = o->adam.lr = lr;
}
