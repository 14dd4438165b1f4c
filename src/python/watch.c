/* Advice becomes Python's warnings (flambeau._advice), and training is watched: the loss on its way
 * into backward, and each step of an optimizer. A watch compares a few words, of the thread that
 * holds the GIL. */
#include "python/watch.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/advice.h"
#include "core/sound.h"
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

/* What was seen of the losses so far. */
static struct {
    double lowest, latest;
    long long steps, lowest_at;
    int infinite; /* inf, in a row */
    double lr;    /* of the last optimizer's step; 0: unknown */
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
    losses.infinite = isinf(value) ? losses.infinite + 1 : 0;
    bool grew = losses.steps > 1 && losses.latest > 1e3 && losses.latest > 100 * losses.lowest;
    if (!grew) /* inf at once is what a gradient scaler looks for, and not again and again */
        return isnan(value) || losses.infinite >= 3
                   ? advice_give_seen(&sudden, "The loss is %s.", "损失变成了 %s。", is)
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

static int __attribute__((cold)) advise_of_leaf(void)
{
    static struct advice advice = {
        .name = "backward_of_leaf",
        .english =
            "backward() of a tensor that was not computed from others: its own .grad becomes 1, "
            "and no parameter gets a gradient.\n"
            "hint: torch.tensor(x), argmax, a comparison, .item() and .detach() cut a loss off "
            "from the model, and requires_grad=True does not join it again: compute the loss "
            "from the model's output itself.",
        .chinese =
            "对一个不是由其他张量算出的张量调用 backward()：只有它自己的 .grad 变为 1，"
            "任何参数都得不到梯度。\n"
            "提示：torch.tensor(x)、argmax、比较、.item() 和 .detach() 会切断损失与模型的联系，"
            "设 requires_grad=True 并不能恢复：请直接用模型的输出计算损失。"};
    return advice_give(&advice);
}

int advice_watch_loss(const fl_tensor *loss)
{
    double value;
    if (loss->numel == 1 && tensor_is_leaf(loss) && tensor_requires_grad(loss) && advise_of_leaf())
        return -1;
    if (!number_of_loss(loss, &value))
        return 0;
    if (!isfinite(value)) /* anomaly detection knows better */
        return location_anomaly ? 0 : advise_of_nan(value);
    losses.infinite = 0;
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
    uint64_t nodes;        /* calls recorded by then */
    long long loss;        /* losses.steps at the last step that found one */
    const void *zeroed;    /* the groups whose zero_grad dropped gradients */
    long long zeroed_loss; /* losses.steps at that time */
    int unused;            /* zero_grads in a row that dropped gradients, before any step at all */
    bool stepped;          /* an optimizer's step has run */
    int zeros;             /* steps in a row of a first weight that is 0, as its gradient is */
    bool evaluated;        /* only layers in evaluation mode were recorded before the last step */
} last;

int advice_watch_zero(const void *groups)
{
    static struct advice advice = {
        .name = "step_missing",
        .english =
            "zero_grad() has dropped the gradients of four backwards, and no optimizer's step() "
            "has run: nothing is trained.\n"
            "hint: call optimizer.step(), with brackets, after loss.backward().",
        .chinese = "zero_grad() 已经四次丢弃了 backward 得到的梯度，而没有一次优化器的 step() "
                   "执行过：什么也没有训练。\n"
                   "提示：请在 loss.backward() 之后调用 optimizer.step()，不要漏了括号。"};
    bool fresh = last.zeroed != groups || last.zeroed_loss < losses.steps;
    last.zeroed = groups;
    last.zeroed_loss = losses.steps;
    if (last.stepped || !fresh)
        return 0;
    return ++last.unused >= 4 ? advice_give(&advice) : 0;
}

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
    static struct advice zeroed = {
        .name = "zero_grad_before_step",
        .english = "optimizer.step() finds no gradient: zero_grad() has dropped them between "
                   "backward() and step(), and nothing is trained.\n"
                   "hint: the order is optimizer.zero_grad(), loss.backward(), optimizer.step().",
        .chinese =
            "optimizer.step() 找不到梯度：zero_grad() 在 backward() 与 step() 之间把它们丢弃了，"
            "什么也没有训练。\n"
            "提示：顺序应为 optimizer.zero_grad()、loss.backward()、optimizer.step()。"};
    static struct advice missing = {
        .name = "backward_missing",
        .english =
            "optimizer.step() finds no gradient: a loss was computed since the last step, but "
            "backward() has not run, and nothing is trained.\n"
            "hint: call loss.backward(), with brackets, before optimizer.step().",
        .chinese = "optimizer.step() 找不到梯度：上一步之后计算了损失，但没有执行 backward()，"
                   "什么也没有训练。\n"
                   "提示：请在 optimizer.step() 之前调用 loss.backward()，不要漏了括号。"};
    bool again = last.barren == groups, ran = losses.steps > last.barren_loss;
    bool recorded = node_count() > last.nodes;
    bool dropped =
        last.zeroed == groups && last.zeroed_loss == losses.steps && last.zeroed_loss > last.loss;
    last.barren = groups;
    last.barren_loss = losses.steps;
    last.nodes = node_count();
    if (!again)
        return 0;
    return ran && dropped ? advice_give(&zeroed)
           : ran          ? advice_give(&advice)
           : recorded     ? advice_give(&missing)
                          : 0;
}

static int advise_gradients_that_grow(const fl_tensor *g)
{
    static struct advice advice = {
        .name = "zero_grad_missing",
        .english = "The gradients were not set to zero between the last three steps: each backward "
                   "adds to those of all steps before.\n"
                   "hint: call optimizer.zero_grad(), with brackets, in every step before "
                   "loss.backward().",
        .chinese =
            "最近三步之间没有清零梯度：每次 backward 都累加到之前所有步的梯度上。\n"
            "提示：请在每一步的 loss.backward() 之前调用 optimizer.zero_grad()，不要漏了括号。"};
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
    /* Once may be another model's evaluation, whose graph nobody trains. */
    bool again = last.evaluated;
    last.evaluated = evaluation && !training;
    return again && last.evaluated ? advice_give(&advice) : 0;
}

static bool is_zero(const fl_tensor *t)
{
    if (t->dtype != FL_FLOAT32 || !tensor_is_flat(t) || t->flags & TENSOR_ELSEWHERE)
        return false;
    const float *at = tensor_data(t);
    for (int64_t i = 0; i < t->numel; i++)
        if (at[i] != 0)
            return false;
    return true;
}

/* Weights that begin at 0, and stay there: reading ends at the first element in all other cases. */
static int advise_of_zeros(const fl_tensor *weight)
{
    static struct advice advice = {
        .name = "weights_are_zero",
        .english = "The weights of the first layer are all 0, and so are their gradients, in three "
                   "steps: nothing reaches them, and they are not trained.\n"
                   "hint: leave weights as the layers begin them, at random, or use "
                   "nn.init.xavier_uniform_ or kaiming_uniform_; only biases may begin at 0.",
        .chinese = "连续三步，第一层的权重全是 0，它的梯度也全是 0：梯度传不到它，什么也学不到。\n"
                   "提示：权重请保留各层自己的随机初始值，或用 nn.init.xavier_uniform_、"
                   "kaiming_uniform_；只有偏置可以从 0 开始。"};
    assert(weight->autograd && weight->autograd->grad);
    bool zero = weight->ndim >= 2 && weight->numel > 1 && is_zero(weight) &&
                is_zero(weight->autograd->grad);
    last.zeros = zero ? last.zeros + 1 : 0;
    return last.zeros >= 3 ? advice_give(&advice) : 0;
}

/* The first of the groups' parameters that has a gradient, borrowed; and its group's learning rate. */
static const fl_tensor *first_trained(PyObject *groups)
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
            return t;
        }
    }
    return NULL;
}

/* Sees that an optimizer's step runs, the first time, whoever wrote the optimizer. */
static PyObject *step_begins(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    last.stepped = true;
    Py_RETURN_NONE;
}

/* Looks at the parameters after a step. */
static PyObject *watch_step(PyObject *module, PyObject *groups)
{
    (void)module;
    if (!atomic_load_explicit(&advice_round, memory_order_relaxed))
        Py_RETURN_NONE;
    const fl_tensor *first = first_trained(groups);
    PyErr_Clear();
    if (first) {
        last.loss = losses.steps;
        atomic_store_explicit(&advice_trained, true, memory_order_relaxed);
    }
    int status = first ? advise_gradients_that_grow(first->autograd->grad)
                       : advise_step_without_gradients(groups);
    if (status == 0 && first)
        status = advise_of_zeros(first);
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
    last.grown = last.unused = last.zeros = 0;
    last.barren_loss = last.loss = last.zeroed_loss = 0;
    losses.steps = 0;
    Py_RETURN_NONE;
}

PyMethodDef advice_functions[] = {
    {"_watch_step", watch_step, METH_O,
     "_watch_step(groups): advises on what an optimizer's step finds."},
    {"_step_begins", step_begins, METH_NOARGS,
     "_step_begins(): tells that an optimizer's step runs."},
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
