/* The steps of optimizers: one call updates a whole group of parameters.
 *
 * A step reads the group's dict and the optimizer's state dict as they are now, so both may be
 * changed from Python between steps. It first gathers all tensors and checks them; only when every
 * parameter of the group can be updated here does it write anything. Otherwise it returns False,
 * and Python goes on in terms of operators: options that are recorded tensors, parameters that are
 * not contiguous, states of another dtype.
 */
#include "python/module/optim.h"

#include <assert.h>
#include <stdlib.h>

#include "nn/optimizer.h"
#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"
#include "python/watch.h"

enum {
    STATES = 3,
    INLINE_SLOTS = 32,
    LONG_STEP = 1 << 17
}; /* elements from which the GIL is given up */

/* One parameter of the step. */
struct slot {
    /* Owned, because user code may run while a step is gathered (a state's __missing__), or beside
     * a long one. */
    fl_tensor *param;
    fl_tensor *grad; /* perhaps a contiguous copy */
    fl_tensor *state[STATES];
    PyObject *dict;     /* the parameter's state */
    fl_tensor *counter; /* Adam: the state's "step" */
    double step;        /* and its value in this step, from 1 */
    bool first;         /* SGD: state[0] is new, and not in the dict yet */
};

struct step {
    Py_ssize_t count;
    int64_t elements;
    struct slot *slots, inline_slots[INLINE_SLOTS];
    struct outside_call outside;
};

/* Keys of groups and states, interned once. */
static PyObject *key_params, *key_lr, *key_momentum, *key_dampening, *key_weight_decay,
    *key_nesterov, *key_maximize, *key_differentiable, *key_capturable, *key_betas, *key_eps,
    *key_amsgrad, *key_decoupled, *key_momentum_buffer, *key_step, *key_exp_avg, *key_exp_avg_sq,
    *key_max_exp_avg_sq;

int optim_init(void)
{
    static const struct {
        PyObject **key;
        const char *text;
    } KEYS[] = {
        {&key_params, "params"},
        {&key_lr, "lr"},
        {&key_momentum, "momentum"},
        {&key_dampening, "dampening"},
        {&key_weight_decay, "weight_decay"},
        {&key_nesterov, "nesterov"},
        {&key_maximize, "maximize"},
        {&key_differentiable, "differentiable"},
        {&key_capturable, "capturable"},
        {&key_betas, "betas"},
        {&key_eps, "eps"},
        {&key_amsgrad, "amsgrad"},
        {&key_decoupled, "decoupled_weight_decay"},
        {&key_momentum_buffer, "momentum_buffer"},
        {&key_step, "step"},
        {&key_exp_avg, "exp_avg"},
        {&key_exp_avg_sq, "exp_avg_sq"},
        {&key_max_exp_avg_sq, "max_exp_avg_sq"},
    };
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        if (!(*KEYS[i].key = PyUnicode_InternFromString(KEYS[i].text)))
            return -1;
    return 0;
}

/* ---- Reading the group ---- */

/* An option, borrowed; a KeyError when the group lacks it. */
static PyObject *option(PyObject *group, PyObject *key)
{
    PyObject *value = PyDict_GetItemWithError(group, key);
    if (!value && !PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, key);
    return value;
}

/* What reading an option says: go on, or leave the step to Python's operators, or an exception is
 * set. */
enum outcome { GO_ON, LEAVE, FAILED };

static enum outcome number_of(PyObject *value, double *out)
{
    if (!value)
        return FAILED;
    if (pytensor_check(value) && tensor_requires_grad(pytensor_get(value)))
        return LEAVE;
    *out = PyFloat_AsDouble(value);
    return *out == -1.0 && PyErr_Occurred() ? FAILED : GO_ON;
}

static enum outcome number_option(PyObject *group, PyObject *key, double *out)
{
    return number_of(option(group, key), out);
}

static enum outcome flag_option(PyObject *group, PyObject *key, bool *out)
{
    PyObject *value = option(group, key);
    int truth = value ? PyObject_IsTrue(value) : -1;
    *out = truth > 0;
    return truth < 0 ? FAILED : GO_ON;
}

/* LEAVE when the option is on. */
static enum outcome refuse_option(PyObject *group, PyObject *key)
{
    bool on;
    enum outcome outcome = flag_option(group, key, &on);
    return outcome == GO_ON && on ? LEAVE : outcome;
}

/* ---- Gathering ---- */

static bool is_plain(const fl_tensor *t)
{
    return (t->flags & (TENSOR_CONTIGUOUS | TENSOR_ELSEWHERE)) == TENSOR_CONTIGUOUS && t->storage;
}

/* Whether a state's tensor can be updated beside the parameter. */
static bool fits(const fl_tensor *state, const fl_tensor *param)
{
    return is_plain(state) && state->dtype == param->dtype && state->numel == param->numel &&
           (state->storage != param->storage || !param->numel);
}

/* A tensor of a state dict, a new reference; NULL when there is none. LEAVE when it is something
 * else or does not fit. */
static enum outcome state_tensor(PyObject *dict, PyObject *key, const fl_tensor *param,
                                 fl_tensor **out)
{
    assert(PyDict_Check(dict));
    PyObject *value = PyDict_GetItemWithError(dict, key);
    *out = NULL;
    if (!value)
        return PyErr_Occurred() ? FAILED : GO_ON;
    if (value == Py_None)
        return GO_ON;
    if (!pytensor_check(value) || !fits(pytensor_get(value), param))
        return LEAVE;
    *out = tensor_retain(pytensor_get(value));
    return GO_ON;
}

/* The parameters of the group that have a gradient become slots, without state. */
static enum outcome gather(struct step *step, PyObject *group)
{
    PyObject *params = option(group, key_params);
    if (!params)
        return FAILED;
    if (!PyList_Check(params))
        return LEAVE;
    Py_ssize_t count = PyList_Size(params);
    step->count = 0;
    step->elements = 0;
    step->slots = step->inline_slots;
    if (count > INLINE_SLOTS &&
        !(step->slots = PyMem_Malloc((size_t)count * sizeof *step->slots))) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *object = PyList_GetItem(params, i);
        if (!pytensor_check(object))
            return LEAVE;
        fl_tensor *p = pytensor_get(object);
        fl_tensor *g = autograd_grad(p);
        if (!g)
            continue;
        if (!is_plain(p) || !dtype_is_floating(p->dtype) || g->dtype != p->dtype ||
            g->flags & TENSOR_IN_OBJECT || g->numel != p->numel ||
            (g->storage == p->storage && p->numel) || !shape_equal(p, g)) {
            tensor_release(g);
            return LEAVE;
        }
        if (!is_plain(g)) {
            fl_tensor *plain = tensor_contiguous(g);
            tensor_release(g);
            g = plain;
        }
        if (!g) {
            raise_error();
            return FAILED;
        }
        step->slots[step->count++] = (struct slot){.param = tensor_retain(p), .grad = g};
        step->elements += p->numel;
    }
    return GO_ON;
}

/* The state dict of a slot's parameter, as a new reference: made by the state (a defaultdict) when
 * it is missing. */
static enum outcome find_state(struct slot *slot, PyObject *state)
{
    assert(slot->param && slot->param->python);
    PyObject *param = slot->param->python;
    slot->dict = PyDict_GetItemWithError(state, param);
    if (slot->dict)
        Py_INCREF(slot->dict);
    else if (PyErr_Occurred() || !(slot->dict = PyObject_GetItem(state, param)))
        return FAILED;
    return PyDict_Check(slot->dict) ? GO_ON : LEAVE;
}

/* Begins a step, before it looks at a tensor: until it ends no other thread gives one of them other
 * memory. */
static void begin(struct step *step)
{
    *step = (struct step){.slots = step->inline_slots};
    outside_enter(&step->outside, NULL, 0);
}

/* Ends a step: drops what the slots own; the call's result. */
static PyObject *finish(struct step *step, enum outcome outcome)
{
    outside_leave(&step->outside);
    for (Py_ssize_t i = 0; i < step->count; i++) {
        struct slot *slot = &step->slots[i];
        tensor_release(slot->param);
        tensor_release(slot->grad);
        for (int k = 0; k < STATES; k++)
            tensor_release(slot->state[k]);
        tensor_release(slot->counter);
        Py_XDECREF(slot->dict);
    }
    if (step->slots != step->inline_slots)
        PyMem_Free(step->slots);
    return outcome == FAILED ? NULL : python_bool(outcome == GO_ON);
}

/* Both arguments of a step are dicts. */
static bool check_dicts(const char *name, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 2 && PyDict_Check(args[0]) && PyDict_Check(args[1]))
        return true;
    PyErr_Format(PyExc_TypeError, "%s expects a group and a state, both dicts", name);
    return false;
}

/* ---- SGD ---- */

static enum outcome sgd_options(PyObject *group, struct optimizer_sgd *rule)
{
    enum outcome outcome = refuse_option(group, key_differentiable);
    if (outcome == GO_ON)
        outcome = number_option(group, key_lr, &rule->lr);
    if (outcome == GO_ON)
        outcome = number_option(group, key_momentum, &rule->momentum);
    if (outcome == GO_ON)
        outcome = number_option(group, key_dampening, &rule->dampening);
    if (outcome == GO_ON)
        outcome = number_option(group, key_weight_decay, &rule->weight_decay);
    if (outcome == GO_ON)
        outcome = flag_option(group, key_nesterov, &rule->nesterov);
    return outcome == GO_ON ? flag_option(group, key_maximize, &rule->maximize) : outcome;
}

/* The momentum buffer of each slot, new ones in memory alone. */
static enum outcome sgd_states(struct step *step, PyObject *state)
{
    for (Py_ssize_t i = 0; i < step->count; i++) {
        struct slot *slot = &step->slots[i];
        enum outcome outcome = find_state(slot, state);
        if (outcome == GO_ON)
            outcome = state_tensor(slot->dict, key_momentum_buffer, slot->param, &slot->state[0]);
        if (outcome != GO_ON)
            return outcome;
    }
    for (Py_ssize_t i = 0; i < step->count; i++) {
        struct slot *slot = &step->slots[i];
        if (slot->state[0])
            continue;
        slot->state[0] = tensor_new(slot->param->ndim, slot->param->sizes, slot->param->dtype);
        if (!slot->state[0]) {
            raise_error();
            return FAILED;
        }
        slot->first = true;
    }
    return GO_ON;
}

static void sgd_update(const struct step *step, const struct optimizer_sgd *rule)
{
    for (Py_ssize_t i = 0; i < step->count; i++) {
        const struct slot *slot = &step->slots[i];
        fl_tensor *p = slot->param, *buffer = slot->state[0];
        optimizer_sgd(rule, p->dtype, p->numel, tensor_data(p), tensor_data(slot->grad),
                      buffer ? tensor_data(buffer) : NULL, slot->first);
        tensor_bump_version(p);
        if (buffer)
            tensor_bump_version(buffer);
    }
}

static PyObject *sgd_step(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct optimizer_sgd rule;
    struct step step;
    if (!check_dicts("_sgd_step", args, nargs))
        return NULL;
    begin(&step);
    enum outcome outcome = sgd_options(args[0], &rule);
    if (outcome == GO_ON)
        outcome = gather(&step, args[0]);
    if (outcome == GO_ON && rule.momentum != 0)
        outcome = sgd_states(&step, args[1]);
    if (outcome != GO_ON)
        return finish(&step, outcome);
    PyThreadState *thread = step.elements >= LONG_STEP ? python_leave() : NULL;
    sgd_update(&step, &rule);
    if (thread)
        python_return(thread);
    for (Py_ssize_t i = 0; i < step.count && outcome == GO_ON; i++) {
        struct slot *slot = &step.slots[i];
        PyObject *buffer = slot->first ? pytensor_show(slot->state[0]) : NULL;
        if (slot->first && (!buffer || PyDict_SetItem(slot->dict, key_momentum_buffer, buffer) < 0))
            outcome = FAILED;
        Py_XDECREF(buffer);
    }
    return finish(&step, outcome);
}

/* ---- Adam ---- */

static enum outcome adam_options(PyObject *group, struct optimizer_adam *rule)
{
    enum outcome outcome = refuse_option(group, key_differentiable);
    if (outcome == GO_ON)
        outcome = refuse_option(group, key_capturable);
    PyObject *betas = outcome == GO_ON ? option(group, key_betas) : NULL;
    if (outcome == GO_ON && !betas)
        return FAILED;
    if (outcome == GO_ON && (!python_is_sequence(betas) || python_length(betas) != 2))
        return LEAVE;
    if (outcome == GO_ON)
        outcome = number_of(python_item(betas, 0), &rule->beta1);
    if (outcome == GO_ON)
        outcome = number_of(python_item(betas, 1), &rule->beta2);
    if (outcome == GO_ON)
        outcome = number_option(group, key_lr, &rule->lr);
    if (outcome == GO_ON)
        outcome = number_option(group, key_eps, &rule->eps);
    if (outcome == GO_ON)
        outcome = number_option(group, key_weight_decay, &rule->weight_decay);
    if (outcome == GO_ON)
        outcome = flag_option(group, key_amsgrad, &rule->amsgrad);
    if (outcome == GO_ON)
        outcome = flag_option(group, key_maximize, &rule->maximize);
    return outcome == GO_ON ? flag_option(group, key_decoupled, &rule->decoupled) : outcome;
}

/* Puts a tensor of zeros into the dict. */
static bool put_zeros(PyObject *dict, PyObject *key, int ndim, const int64_t *sizes, int dtype)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS && dtype > FL_NO_DTYPE);
    fl_tensor *zeros = tensor_new(ndim, sizes, dtype);
    if (zeros && tensor_fill(zeros, fl_int(0)) != 0) {
        tensor_release(zeros);
        zeros = NULL;
    }
    PyObject *object = pytensor_wrap(zeros);
    bool done = object && PyDict_SetItem(dict, key, object) == 0;
    Py_XDECREF(object);
    return done;
}

/* Fills an empty state, in PyTorch's order of keys. */
static bool adam_start(PyObject *dict, const fl_tensor *p, bool amsgrad)
{
    assert(PyDict_Check(dict));
    int step_dtype = dtype_default() == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
    if (put_zeros(dict, key_step, 0, NULL, step_dtype) &&
        put_zeros(dict, key_exp_avg, p->ndim, p->sizes, p->dtype) &&
        put_zeros(dict, key_exp_avg_sq, p->ndim, p->sizes, p->dtype) &&
        (!amsgrad || put_zeros(dict, key_max_exp_avg_sq, p->ndim, p->sizes, p->dtype)))
        return true;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyDict_Clear(dict);
    PyErr_Restore(type, value, traceback);
    return false;
}

/* Finds the tensor that counts steps. */
static enum outcome find_counter(struct slot *slot)
{
    assert(slot->dict);
    PyObject *object = PyDict_GetItemWithError(slot->dict, key_step);
    if (!object || !pytensor_check(object))
        return PyErr_Occurred() ? FAILED : LEAVE;
    fl_tensor *t = pytensor_get(object);
    if (!is_plain(t) || t->numel != 1 || (t->dtype != FL_FLOAT32 && t->dtype != FL_FLOAT64))
        return LEAVE;
    slot->counter = tensor_retain(t);
    return GO_ON;
}

static enum outcome adam_states(struct step *step, PyObject *state, bool amsgrad)
{
    for (Py_ssize_t i = 0; i < step->count; i++) {
        struct slot *slot = &step->slots[i];
        enum outcome outcome = find_state(slot, state);
        if (outcome != GO_ON)
            return outcome;
        if (PyDict_Size(slot->dict) == 0 && !adam_start(slot->dict, slot->param, amsgrad))
            return FAILED;
        PyObject *const keys[STATES] = {key_exp_avg, key_exp_avg_sq, key_max_exp_avg_sq};
        for (int k = 0; k < STATES - !amsgrad && outcome == GO_ON; k++) {
            outcome = state_tensor(slot->dict, keys[k], slot->param, &slot->state[k]);
            if (outcome == GO_ON && !slot->state[k])
                outcome = LEAVE;
        }
        if (outcome == GO_ON)
            outcome = find_counter(slot);
        if (outcome != GO_ON)
            return outcome;
    }
    return GO_ON;
}

/* Counts this step in the state's tensors. */
static void adam_count(struct step *step)
{
    for (Py_ssize_t i = 0; i < step->count; i++) {
        fl_tensor *t = step->slots[i].counter;
        if (t->dtype == FL_FLOAT32)
            step->slots[i].step = *(float *)tensor_data(t) += 1;
        else
            step->slots[i].step = *(double *)tensor_data(t) += 1;
        tensor_bump_version(t);
    }
}

static void adam_update(const struct step *step, const struct optimizer_adam *rule)
{
    for (Py_ssize_t i = 0; i < step->count; i++) {
        const struct slot *slot = &step->slots[i];
        fl_tensor *p = slot->param;
        optimizer_adam(rule, p->dtype, p->numel, slot->step, tensor_data(p),
                       tensor_data(slot->grad), tensor_data(slot->state[0]),
                       tensor_data(slot->state[1]),
                       rule->amsgrad ? tensor_data(slot->state[2]) : NULL);
        tensor_bump_version(p);
        for (int k = 0; k < STATES - !rule->amsgrad; k++)
            tensor_bump_version(slot->state[k]);
    }
}

static PyObject *adam_step(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct optimizer_adam rule;
    struct step step;
    if (!check_dicts("_adam_step", args, nargs))
        return NULL;
    begin(&step);
    enum outcome outcome = adam_options(args[0], &rule);
    if (outcome == GO_ON)
        outcome = gather(&step, args[0]);
    if (outcome == GO_ON)
        outcome = adam_states(&step, args[1], rule.amsgrad);
    if (outcome != GO_ON)
        return finish(&step, outcome);
    adam_count(&step);
    PyThreadState *thread = step.elements >= LONG_STEP ? python_leave() : NULL;
    adam_update(&step, &rule);
    if (thread)
        python_return(thread);
    return finish(&step, GO_ON);
}

/* ---- zero_grad ---- */

static PyObject *zero_grad(PyObject *module, PyObject *groups)
{
    (void)module;
    bool dropped = false;
    if (!PyList_Check(groups))
        return PyErr_Format(PyExc_TypeError, "_zero_grad expects a list of groups");
    for (Py_ssize_t i = 0; i < PyList_Size(groups); i++) {
        PyObject *group = PyList_GetItem(groups, i);
        PyObject *params = PyDict_Check(group) ? option(group, key_params) : NULL;
        if (!params || !PyList_Check(params))
            return PyErr_Occurred()
                       ? NULL
                       : PyErr_Format(PyExc_TypeError, "a group's params must be a list");
        /* The size is asked each time: dropping a gradient may run code. */
        for (Py_ssize_t k = 0; k < PyList_Size(params); k++) {
            PyObject *p = PyList_GetItem(params, k);
            if (!pytensor_check(p))
                return PyErr_Format(PyExc_TypeError, "a parameter must be a Tensor, not %s",
                                    python_type_name(p));
            fl_tensor *t = pytensor_get(p);
            if (!t->autograd || !t->autograd->grad)
                continue;
            dropped = true;
            if (autograd_set_grad(t, NULL) != 0)
                return raise_error();
        }
    }
    return dropped && advice_watch_zero(groups) ? raise_error() : Py_NewRef(Py_None);
}

PyMethodDef optim_functions[] = {
    {"_sgd_step", (PyCFunction)(void (*)(void))sgd_step, METH_FASTCALL,
     "_sgd_step(group, state): SGD's step for a group; False when it must be done by operators."},
    {"_adam_step", (PyCFunction)(void (*)(void))adam_step, METH_FASTCALL,
     "_adam_step(group, state): Adam's step for a group; False when it must be done by operators."},
    {"_zero_grad", zero_grad, METH_O,
     "_zero_grad(groups): drops the gradients of the groups' parameters."},
    {0},
};
