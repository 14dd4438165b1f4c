/* Advice becomes Python's warnings (flambeau._advice), and training is watched: the loss on its way
 * into backward, and each step of an optimizer. A watch compares a few words, of the thread that
 * holds the GIL. */
#include "python/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/advice.h"
#include "python/autograd/location.h"
#include "python/tensor/tensor_object.h"

/* The library may have released the GIL. */
static int warn(const char *name, const char *text)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("flambeau._advice");
    PyObject *done = module ? PyObject_CallMethod(module, "warn", "ss", name, text) : NULL;
    int status = done ? 0 : raise_stash();
    Py_XDECREF(module);
    Py_XDECREF(done);
    PyGILState_Release(state);
    return status;
}

/* ---- the loss ---- */

/* Sizes of the finite losses so far. */
static struct {
    double lowest, latest;
    long long steps, lowest_at;
    double lr; /* of the last optimizer's step; 0: unknown */
} losses;

static bool number_of_loss(const fl_tensor *t, double *value)
{
    if (t->numel != 1 || !t->storage || t->flags & TENSOR_ELSEWHERE)
        return false;
    if (t->dtype == FL_FLOAT32)
        *value = (double)*(const float *)tensor_data(t);
    else if (t->dtype == FL_FLOAT64)
        *value = *(const double *)tensor_data(t);
    else
        return false;
    return true;
}

static int __attribute__((cold)) advise_of_nan(double value)
{
    static struct advice grown = {
        .name = "loss_diverges",
        .english = "hint: the learning rate is too large: try a tenth of it, and again until the "
                   "loss falls; clip_grad_norm_ helps where single steps are large.",
        .chinese = "提示：学习率太大：请先取十分之一，再逐步减小，直到损失下降；"
                   "若只是个别步太大，可用 clip_grad_norm_ 裁剪梯度。"};
    static struct advice sudden = {
        .name = "loss_is_nan",
        .english = "hint: look for nan or inf in the inputs (torch.isfinite(x).all()), for log or "
                   "sqrt of 0 and for 0/0; torch.autograd.set_detect_anomaly(True) names the line.",
        .chinese = "提示：请检查输入里有没有 nan 或 inf（torch.isfinite(x).all()），有没有 0 的 "
                   "log、sqrt 或 0/0；torch.autograd.set_detect_anomaly(True) 会指出是哪一行。"};
    const char *is = isnan(value) ? "nan" : "inf";
    bool grew = losses.steps > 1 && losses.latest > 1e3 && losses.latest > 100 * losses.lowest;
    if (!grew) /* inf at once is what a gradient scaler looks for */
        return isnan(value) ? advice_give_seen(&sudden, "The loss is %s.", "损失变成了 %s。", is)
                            : 0;
    long long steps = losses.steps - losses.lowest_at + 1;
    if (losses.lr > 0)
        return advice_give_seen(
            &grown,
            "The loss is %s: it grew from %.3g to %.3g and beyond in %lld steps, with the "
            "learning rate %g.",
            "损失变成了 %s：它从 %.3g 增大到 %.3g 以上，只用了 %lld 步，学习率是 %g。", is,
            losses.lowest, losses.latest, steps, losses.lr);
    return advice_give_seen(&grown,
                            "The loss is %s: it grew from %.3g to %.3g and beyond in %lld "
                            "steps.",
                            "损失变成了 %s：它从 %.3g 增大到 %.3g 以上，只用了 %lld 步。", is,
                            losses.lowest, losses.latest, steps);
}

int advice_watch_loss(const fl_tensor *loss)
{
    double value;
    if (!number_of_loss(loss, &value))
        return 0;
    if (!isfinite(value)) /* anomaly detection knows better */
        return location_anomaly ? 0 : advise_of_nan(value);
    losses.steps++;
    losses.latest = fabs(value);
    if (losses.steps == 1 || losses.latest <= losses.lowest) {
        losses.lowest = losses.latest;
        losses.lowest_at = losses.steps;
    }
    return 0;
}

/* ---- the step ---- */

/* What the last step saw. Pointers are compared, and never followed. */
static struct {
    const void *grad;   /* the first gradient */
    uint32_t version;   /* its storage's */
    int grown;          /* steps in a row in which backward added to it, and nothing else wrote */
    const void *barren; /* the groups whose step found no gradient */
    long long barren_loss; /* losses.steps at that time */
} last;

static int advise_step_without_gradients(const void *groups)
{
    static struct advice advice = {
        .name = "optimizer_of_other_parameters",
        .english =
            "optimizer.step() finds no gradient in any of the optimizer's parameters, though "
            "backward() has run: the gradients went to other tensors, and nothing is "
            "trained.\n"
            "hint: make the optimizer after the model, from the parameters of the model that "
            "computes the loss: optim.SGD(model.parameters(), ...).",
        .chinese = "backward() 已经执行，但 optimizer.step() 在优化器的所有参数里都找不到梯度："
                   "梯度落在了别的张量上，什么也没有训练。\n"
                   "提示：请先建立模型，再用计算损失的那个模型的参数建立优化器："
                   "optim.SGD(model.parameters(), ...)。"};
    bool again = last.barren == groups && losses.steps > last.barren_loss;
    last.barren = groups;
    last.barren_loss = losses.steps;
    return again ? advice_give(&advice) : 0;
}

static int advise_gradients_that_grow(const fl_tensor *g)
{
    static struct advice advice = {
        .name = "zero_grad_missing",
        .english = "The gradients were not set to zero between the last three steps: each backward "
                   "adds to those of all steps before.\n"
                   "hint: call optimizer.zero_grad() in every step, before loss.backward().",
        .chinese = "最近三步之间没有清零梯度：每次 backward 都累加到之前所有步的梯度上。\n"
                   "提示：请在每一步的 loss.backward() 之前调用 optimizer.zero_grad()。"};
    uint32_t version = g->storage ? g->storage->version : 0;
    last.grown = g == last.grad && version == last.version + 1 ? last.grown + 1 : 0;
    last.grad = g;
    last.version = version;
    return last.grown >= 2 ? advice_give(&advice) : 0;
}

static int advise_of_mode(void)
{
    static struct advice advice = {
        .name = "training_in_eval_mode",
        .english = "This step trains a model in evaluation mode: its dropout does nothing and its "
                   "batch normalisation learns no statistics.\n"
                   "hint: call model.train() before training, also again after each model.eval().",
        .chinese = "这一步在评估模式下训练模型：dropout 不起作用，批归一化也不更新统计量。\n"
                   "提示：训练之前请调用 model.train()，每次 model.eval() 之后也要重新调用。"};
    bool training = atomic_exchange_explicit(&advice_saw_training, false, memory_order_relaxed);
    bool evaluation = atomic_exchange_explicit(&advice_saw_evaluation, false, memory_order_relaxed);
    return evaluation && !training ? advice_give(&advice) : 0;
}

/* The first gradient of the groups' parameters, borrowed, and the learning rate of its group. */
static const fl_tensor *first_gradient(PyObject *groups)
{
    static PyObject *key_params, *key_lr;
    if (!key_params) {
        key_params = PyUnicode_InternFromString("params");
        key_lr = PyUnicode_InternFromString("lr");
    }
    for (Py_ssize_t i = 0; key_lr && PyList_Check(groups) && i < PyList_Size(groups); i++) {
        PyObject *group = PyList_GetItem(groups, i);
        PyObject *params = PyDict_Check(group) ? PyDict_GetItemWithError(group, key_params) : NULL;
        for (Py_ssize_t k = 0; params && PyList_Check(params) && k < PyList_Size(params); k++) {
            PyObject *p = PyList_GetItem(params, k);
            const fl_tensor *t = pytensor_check(p) ? pytensor_get(p) : NULL;
            if (!t || !t->autograd || !t->autograd->grad)
                continue;
            PyObject *lr = PyDict_GetItemWithError(group, key_lr);
            losses.lr = lr && PyFloat_Check(lr)  ? PyFloat_AsDouble(lr)
                        : lr && PyLong_Check(lr) ? PyLong_AsDouble(lr)
                                                 : 0;
            return t->autograd->grad;
        }
    }
    return NULL;
}

/* Looks at the parameters after a step. */
static PyObject *watch_step(PyObject *module, PyObject *groups)
{
    (void)module;
    if (!atomic_load_explicit(&advice_round, memory_order_relaxed))
        Py_RETURN_NONE;
    const fl_tensor *g = first_gradient(groups);
    PyErr_Clear();
    int status = g ? advise_gradients_that_grow(g) : advise_step_without_gradients(groups);
    if (status == 0)
        status = advise_of_mode();
    return status ? raise_error() : Py_NewRef(Py_None);
}

/* ---- the switch ---- */

static PyObject *set_round(PyObject *module, PyObject *on)
{
    static unsigned rounds = 1;
    (void)module;
    int truth = PyObject_IsTrue(on);
    if (truth < 0)
        return NULL;
    atomic_store(&advice_round, truth ? ++rounds : 0);
    last.grad = last.barren = NULL;
    last.grown = 0;
    losses.steps = 0;
    Py_RETURN_NONE;
}

PyMethodDef advice_functions[] = {
    {"_watch_step", watch_step, METH_O,
     "_watch_step(groups): advises on what an optimizer's step finds."},
    {"_set_advice", set_round, METH_O,
     "_set_advice(on): all advice may be given (again), or none is."},
    {0},
};

void advice_init(void)
{
    const char *wanted = getenv("FLAMBEAU_ADVICE");
    advice_listener = warn;
    atomic_store(&advice_round, wanted && strcmp(wanted, "0") == 0 ? 0 : 1);
}
