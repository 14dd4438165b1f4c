/* Losses made of pointwise errors and a reduction, and cross_entropy. */
#include <string.h>

#include "autograd/autograd.h"
#include "core/advice.h"
#include "core/device.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/loss.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/advise.h"
#include "ops/loss/loss.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum reduction { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };

static int reduction_of(const char *name)
{
    if (strcmp(name, "mean") == 0)
        return REDUCE_MEAN;
    if (strcmp(name, "sum") == 0)
        return REDUCE_SUM;
    if (strcmp(name, "none") == 0)
        return REDUCE_NONE;
    return error_set(FL_VALUE_ERROR, "%s is not a valid value for reduction", name);
}

int loss_reduce(fl_tensor *errors, const char *reduction, fl_tensor **y)
{
    int how = reduction_of(reduction);
    if (how < 0)
        return -1;
    *y = how == REDUCE_NONE   ? errors
         : how == REDUCE_MEAN ? fl_mean(errors, FL_NO_DTYPE)
                              : fl_sum(errors, FL_NO_DTYPE);
    return *y ? 0 : -1;
}

int mse_loss_compose(fl_tensor *self, fl_tensor *target, const char *reduction, fl_tensor **y)
{
    const int common = dtype_promote(self->dtype, target->dtype);
    if (!dtype_is_inexact(common))
        return dtype_refuse("mse_cpu", common);
    if (advise_rounded(self))
        return -1;
    return loss_reduce(fl__squared_error(self, target), reduction, y);
}

int loss_refuse_weight(const fl_tensor *weight, int64_t C)
{
    char text[128];
    assert(weight && C >= 0);
    error_set(FL_RUNTIME_ERROR,
              "weight tensor should be defined either for all %lld classes or no classes but got "
              "weight tensor of shape: %s",
              (long long)C, shape_text(text, sizeof text, weight->ndim, weight->sizes));
    return error_hint("the weight holds one number a class, for the network's %lld outputs: make "
                      "it of that length, or give the last layer as many outputs as there are "
                      "classes",
                      "weight 为每个类别各给一个数，而网络有 %lld 个输出：请使两者个数相同",
                      (long long)C);
}

/* The fix for a binary loss whose target has another shape. */
static int __attribute__((cold)) hint_of_shapes(const fl_tensor *input, const fl_tensor *target)
{
    if (input->ndim == target->ndim + 1 && input->sizes[input->ndim - 1] == 1)
        return error_hint("give both one shape: input.squeeze(-1), or target.unsqueeze(-1)",
                          "输入与目标的形状必须相同：input.squeeze(-1)，或 target.unsqueeze(-1)");
    if (target->ndim == input->ndim + 1 && target->sizes[target->ndim - 1] == 1)
        return input->ndim == 0
                   ? error_hint("squeeze() without a dim drops a batch of one too: write "
                                "output.squeeze(1), which keeps it",
                                "不带参数的 squeeze() 会把大小为 1 的批次维也去掉：请写 "
                                "output.squeeze(1)，它保留批次维")
                   : error_hint("give both one shape: target.squeeze(-1)",
                                "输入与目标的形状必须相同：target.squeeze(-1)");
    if (input->ndim == 2 && target->ndim == 1 && input->sizes[0] == target->sizes[0])
        return error_hint("class numbers and one output a class go to CrossEntropyLoss, "
                          "F.cross_entropy(output, target); for a binary loss give the last layer "
                          "one output, or one-hot labels, F.one_hot(target, %lld).float()",
                          "每类一个输出、目标是类别编号时应使用 CrossEntropyLoss："
                          "F.cross_entropy(output, target)；用二分类损失时，最后一层只要一个输出，"
                          "或用 one-hot 标签 F.one_hot(target, %lld).float()",
                          (long long)input->sizes[1]);
    return error_hint(
        "give both one shape; class numbers: F.one_hot(target, classes).float()",
        "输入与目标的形状必须相同；若目标是类别编号：F.one_hot(target, classes).float()");
}

static int __attribute__((cold)) hint_of_labels(void)
{
    return error_hint("a binary loss takes targets that are floats, 0. or 1.: target.float()",
                      "二分类损失的目标必须是浮点数（0. 或 1.）：target.float()");
}

/* Advises on targets that are no probabilities: looks at those of the first losses alone. */
static int advise_targets(const fl_tensor *self, fl_tensor *target)
{
    static struct advice advice = {
        .name = "targets_of_binary_loss",
        .english =
            "hint: labels 1 and 2 become 0 and 1 by target - 1, labels -1 and 1 by (target + 1) "
            "/ 2; more than two classes go to CrossEntropyLoss, with an output for each.",
        .chinese = "提示：标签 1 和 2 请写 target - 1，标签 -1 和 1 请写 (target + 1) / 2；"
                   "多于两类请用 CrossEntropyLoss，每类一个输出。"};
    static _Atomic int looks;
    if (!tensor_requires_grad(self) || advice_is_given(&advice) || target->numel == 0 ||
        target->flags & TENSOR_ELSEWHERE || tensor_is_meta(target) ||
        tensor_requires_grad(target) || atomic_load_explicit(&looks, memory_order_relaxed) >= 4)
        return 0;
    atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
    target = op_samples(target);
    fl_tensor *least = fl_amin(target, (fl_ints){NULL, 0}, false),
              *most = fl_amax(target, (fl_ints){NULL, 0}, false);
    if (!least || !most)
        return -1;
    double low = fl_item(least), high = fl_item(most);
    return !(low < 0 || high > 1) /* false of NaN, which this does not tell of */
               ? 0
               : advice_give_seen(
                     &advice,
                     "The targets of binary_cross_entropy_with_logits "
                     "(BCEWithLogitsLoss) are between %g and %g, and should be 0. or 1., or "
                     "probabilities: the loss has no minimum.",
                     "binary_cross_entropy_with_logits（BCEWithLogitsLoss）的目标在 %g 和 %g "
                     "之间，而它应为 0. 或 1.，或概率：这样的损失没有最小值。",
                     low, high);
}

static int check_chances(fl_tensor *t, const char *name)
{
    if (t->numel == 0 || tensor_is_meta(t))
        return 0;
    t = op_samples(t);
    fl_tensor *least = fl_amin(t, (fl_ints){NULL, 0}, false),
              *most = fl_amax(t, (fl_ints){NULL, 0}, false);
    if (!least || !most)
        return -1;
    double low = fl_item(least), high = fl_item(most);
    if (low >= 0 && high <= 1)
        return 0;
    error_set(FL_RUNTIME_ERROR, "all elements of %s should be between 0 and 1", name);
    error_context("they are between %g and %g", "实际的值在 %g 和 %g 之间", low, high);
    if (strcmp(name, "target") == 0)
        return error_hint(
            "targets are 0. or 1., or probabilities: of labels 1 and 2 subtract 1, of -1 "
            "and 1 take (target + 1) / 2; more than two classes go to "
            "CrossEntropyLoss, with an output for each",
            "目标（target）的每个元素应为 0. 或 1.，或 0 到 1 之间的概率：标签是 1 和 2 "
            "请减 1，是 -1 和 1 请用 (target + 1) / 2；多于两类请用 CrossEntropyLoss，"
            "每类一个输出");
    return error_hint(
        "BCELoss takes probabilities: apply torch.sigmoid to the network's output, or "
        "use BCEWithLogitsLoss (binary_cross_entropy_with_logits), which takes it as "
        "it is",
        "BCELoss 的输入必须是 0 到 1 之间的概率：请对网络输出做 torch.sigmoid，"
        "或改用 BCEWithLogitsLoss（binary_cross_entropy_with_logits），"
        "它直接接受原始输出");
}

int binary_cross_entropy_compose(fl_tensor *self, fl_tensor *target, fl_tensor *weight,
                                 const char *reduction, fl_tensor **y)
{
    char a[128], b[128];
    if (!shape_equal(self, target)) {
        error_set(FL_VALUE_ERROR,
                  "Using a target size (torch.Size(%s)) that is different to the input size "
                  "(torch.Size(%s)) is deprecated. Please ensure they have the same size.",
                  shape_text(b, sizeof b, target->ndim, target->sizes),
                  shape_text(a, sizeof a, self->ndim, self->sizes));
        return hint_of_shapes(self, target);
    }
    if (weight && !(weight = fl_expand(weight, (fl_ints){self->sizes, self->ndim}, false)))
        return -1;
    if (target->dtype != self->dtype) {
        error_set(FL_RUNTIME_ERROR, "Found dtype %s but expected %s", dtype_title(target->dtype),
                  dtype_title(self->dtype));
        return hint_of_labels();
    }
    if (advise_rounded(self))
        return -1;
    if (check_chances(self, "input") || check_chances(target, "target"))
        return -1;
    fl_tensor *errors = fl__bce_error(self, target);
    return loss_reduce(weight ? fl_mul(errors, weight) : errors, reduction, y);
}

int bce_with_logits_compose(fl_tensor *self, fl_tensor *target, fl_tensor *weight,
                            fl_tensor *pos_weight, const char *reduction, fl_tensor **y)
{
    char a[128], b[128];
    if (!shape_equal(self, target)) {
        error_set(FL_VALUE_ERROR,
                  "Target size (torch.Size(%s)) must be the same as input size (torch.Size(%s))",
                  shape_text(b, sizeof b, target->ndim, target->sizes),
                  shape_text(a, sizeof a, self->ndim, self->sizes));
        return hint_of_shapes(self, target);
    }
    if (!dtype_is_inexact(self->dtype))
        return dtype_refuse("log_sigmoid_cpu", self->dtype);
    if (dtype_check_cast(FL_FLOAT32, target->dtype))
        return hint_of_labels();
    if (advise_logits(self) || advise_targets(self, target))
        return -1;
    fl_tensor *errors;
    bool half = self->dtype == FL_FLOAT16 || self->dtype == FL_BFLOAT16;
    if (pos_weight ||
        half) { /* (1 - t) x - (1 + (p - 1) t) log_sigmoid(x), rounded as PyTorch does */
        fl_tensor *soft = fl_log_sigmoid(self);
        if (pos_weight)
            soft = fl_mul(
                soft, fl_add_scalar(fl_mul(fl_sub_scalar(pos_weight, fl_int(1), fl_int(1)), target),
                                    fl_int(1), fl_int(1)));
        errors =
            fl_sub(fl_mul(fl_rsub_scalar(target, fl_int(1), fl_int(1)), self), soft, fl_int(1));
    } else {
        errors = fl__bce_logits_error(self, target);
    }
    return loss_reduce(weight ? fl_mul(errors, weight) : errors, reduction, y);
}

int kl_div_compose(fl_tensor *self, fl_tensor *target, const char *reduction, bool log_target,
                   fl_tensor **y)
{
    if (!log_target && advise_divergence(self))
        return -1;
    fl_tensor *errors = log_target ? fl__kl_log_error(self, target) : fl__kl_error(self, target);
    if (strcmp(reduction, "batchmean") == 0) {
        if (!errors)
            return -1;
        int64_t batch = errors->ndim ? errors->sizes[0] : 1;
        *y = fl_div_scalar(fl_sum(errors, FL_NO_DTYPE), fl_float((double)batch));
        return *y ? 0 : -1;
    }
    return loss_reduce(errors, reduction, y);
}

int soft_margin_loss_compose(fl_tensor *self, fl_tensor *target, const char *reduction,
                             fl_tensor **y)
{
    if (dtype_check_cast(FL_FLOAT32, self->dtype))
        return -1;
    if (autograd_mode.grad && tensor_requires_grad(target))
        return error_set(FL_RUNTIME_ERROR,
                         "The function 'soft_margin_loss' is not differentiable with respect to "
                         "argument 'target'. This input cannot have requires_grad True.");
    return loss_reduce(fl_log1p(fl_exp(fl_neg(fl_mul(target, self)))), reduction, y);
}

/* ---- cross entropy ---- */

/* target holds class probabilities: -sum over classes of w target log_p, smoothed towards the
 * uniform distribution. */
static int entropy_of_probabilities(fl_tensor *log_p, int dim, fl_tensor *target, fl_tensor *weight,
                                    const char *reduction, double smoothing, fl_tensor **y)
{
    int64_t C = log_p->ndim ? log_p->sizes[dim] : 1, shape[TENSOR_MAX_DIMS];
    for (int d = 0; d < log_p->ndim; d++)
        shape[d] = d == dim ? C : 1;
    if (smoothing > 0)
        target = fl_add_scalar(fl_mul_scalar(target, fl_float(1 - smoothing)),
                               fl_float(smoothing / (double)C), fl_int(1));
    if (weight)
        log_p = fl_mul(log_p, fl_view(weight, (fl_ints){shape, log_p->ndim}));
    fl_tensor *loss = fl_neg(fl_sum_dim_intlist(
        fl_mul(log_p, target), (fl_ints){(int64_t[]){dim}, 1}, false, FL_NO_DTYPE));
    if (!loss)
        return -1;
    if (strcmp(reduction, "mean") == 0) { /* the mean over samples */
        double samples = (double)(log_p->numel / (C ? C : 1));
        *y = fl_div_scalar(fl_sum(loss, FL_NO_DTYPE), fl_float(samples));
        return *y ? 0 : -1;
    }
    return loss_reduce(loss, reduction, y);
}

/* (1 - s) nll + s / C * (-sum over classes of w log_p), means weighted as nll_loss weighs them. */
static int smoothed(fl_tensor *log_p, int dim, fl_tensor *target, fl_tensor *weight,
                    int64_t ignore_index, const char *reduction, double smoothing, fl_tensor **y)
{
    int64_t C = log_p->sizes[dim], shape[TENSOR_MAX_DIMS];
    int how = reduction_of(reduction);
    fl_tensor *nll = fl_nll_loss(log_p, target, weight, ignore_index, reduction);
    for (int d = 0; d < log_p->ndim; d++)
        shape[d] = d == dim ? C : 1;
    fl_tensor *weighed =
        weight ? fl_mul(log_p, fl_view(weight, (fl_ints){shape, log_p->ndim})) : log_p;
    fl_tensor *uniform =
        fl_neg(fl_sum_dim_intlist(weighed, (fl_ints){(int64_t[]){dim}, 1}, false, FL_NO_DTYPE));
    fl_tensor *ignored = fl_eq_scalar(target, fl_int(ignore_index));
    uniform = fl_masked_fill_scalar(uniform, ignored, fl_int(0));
    if (how < 0 || !nll || !uniform)
        return -1;
    if (how == REDUCE_SUM)
        uniform = fl_sum(uniform, FL_NO_DTYPE);
    if (how == REDUCE_MEAN) {
        fl_tensor *kept = fl__cast(fl_logical_not(ignored), (fl_dtype)log_p->dtype);
        if (weight) {
            fl_tensor *safe = fl_masked_fill_scalar(target, ignored, fl_int(0));
            kept = fl_mul(kept, fl_reshape(fl_index_select(weight, 0, fl_flatten(safe, 0, -1)),
                                           (fl_ints){target->sizes, target->ndim}));
        }
        uniform = fl_div(fl_sum(uniform, FL_NO_DTYPE), fl_sum(kept, FL_NO_DTYPE));
    }
    *y = fl_add(fl_mul_scalar(nll, fl_float(1 - smoothing)),
                fl_mul_scalar(uniform, fl_float(smoothing / (double)C)), fl_int(1));
    return *y ? 0 : -1;
}

int cross_entropy_compose(fl_tensor *input, fl_tensor *target, fl_tensor *weight,
                          int64_t ignore_index, const char *reduction, double label_smoothing,
                          fl_tensor **y)
{
    if (label_smoothing > 1)
        return error_set(FL_RUNTIME_ERROR, "label_smoothing must be between 0.0 and 1.0. Got: %g",
                         label_smoothing);
    if (reduction_of(reduction) < 0)
        return -1;
    if (advise_cross_entropy(input))
        return -1;
    int dim = input->ndim <= 1 ? 0 : 1;
    bool probabilities =
        shape_equal(input, target) && (dtype_is_floating(target->dtype) || input->ndim == 0);
    if (shape_equal(input, target) && input->ndim > 0 && !probabilities) {
        error_set(FL_RUNTIME_ERROR,
                  "Expected floating point type for target with class probabilities, got %s",
                  dtype_title(target->dtype));
        return error_hint("a target of the input's shape holds probabilities, which are floats: "
                          "give class numbers, target.argmax(1), or target.float()",
                          "目标与输入形状相同时表示各类的概率，必须是浮点数：请改用类别编号 "
                          "target.argmax(1)，或 target.float()");
    }
    if (probabilities && ignore_index >= 0)
        return error_set(FL_RUNTIME_ERROR,
                         "ignore_index is not supported for floating point target");
    int64_t C = input->ndim ? input->sizes[dim] : 0;
    if (weight && (weight->ndim != 1 || weight->numel != C))
        return loss_refuse_weight(weight, C);
    fl_tensor *log_p = fl_log_softmax(input, dim, FL_NO_DTYPE);
    if (!log_p)
        return -1;
    if (probabilities)
        return entropy_of_probabilities(log_p, dim, target, weight, reduction, label_smoothing, y);
    if (label_smoothing > 0)
        return smoothed(log_p, dim, target, weight, ignore_index, reduction, label_smoothing, y);
    *y = fl_nll_loss(log_p, target, weight, ignore_index, reduction);
    return *y ? 0 : -1;
}

/* ---- nll_loss as called ---- */

int nll_loss_compose(fl_tensor *input, fl_tensor *target, fl_tensor *weight, int64_t ignore_index,
                     const char *reduction, fl_tensor **y)
{
    fl_tensor *total;
    int how = reduction_of(reduction);
    return how < 0 || advise_nll(input)
               ? -1
               : fl__nll_loss(input, target, weight, how, ignore_index, y, &total);
}

int nll_loss_only_compose(fl_tensor *input, fl_tensor *target, fl_tensor *weight, int64_t reduction,
                          int64_t ignore_index, fl_tensor **y)
{
    fl_tensor *total;
    return fl__nll_loss(input, target, weight, reduction, ignore_index, y, &total);
}
