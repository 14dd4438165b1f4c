/* Advice about what an operator is applied to: the node of the input names the operator that made it,
 * with views between them passed over. */
#include "ops/advise.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/advice.h"
#include "ops/record.h"

/* Whether the recorded call that made t, views apart, was of this operator. */
static bool comes_from(const fl_tensor *t, const char *name)
{
    return t->autograd && t->autograd->node && strcmp(record_origin(t->autograd->node), name) == 0;
}

int advise_cross_entropy(const fl_tensor *input)
{
    static struct advice advice = {
        .name = "softmax_before_loss",
        .english = "cross_entropy is given the result of softmax, but it applies log_softmax "
                   "itself: twice applied, the gradients are tiny and training hardly moves.\n"
                   "hint: leave the softmax out of the network and give the loss the raw scores "
                   "(logits); apply softmax only to show probabilities.",
        .chinese = "cross_entropy 的输入是 softmax 的结果，但它内部已经做了 log_softmax："
                   "做两次会让梯度非常小，几乎学不动。\n"
                   "提示：把网络里的 softmax 去掉，直接把原始得分（logits）交给损失函数；"
                   "只有在显示概率时才做 softmax。"};
    static struct advice relu = {
        .name = "relu_before_loss",
        .english =
            "cross_entropy is given the result of relu: scores below 0 are cut off and get no "
            "gradient, and a sample whose scores are all 0 teaches nothing.\n"
            "hint: leave out the activation after the last layer; the loss takes raw scores "
            "(logits).",
        .chinese = "cross_entropy 的输入是 relu 的结果：小于 0 的得分被截断而没有梯度，"
                   "得分全为 0 的样本什么也学不到。\n"
                   "提示：去掉最后一层之后的激活函数，损失函数需要原始得分（logits）。"};
    static struct advice sigmoid = {
        .name = "sigmoid_before_cross_entropy",
        .english =
            "cross_entropy is given the result of sigmoid: scores between 0 and 1 differ too "
            "little for its softmax, whose probabilities then stay close to each other.\n"
            "hint: leave the sigmoid out of the network and give the loss the raw scores "
            "(logits).",
        .chinese = "cross_entropy 的输入是 sigmoid 的结果：得分都在 0 和 1 之间，"
                   "经它内部的 softmax 之后各类概率几乎相同。\n"
                   "提示：把网络里的 sigmoid 去掉，直接把原始得分（logits）交给损失函数。"};
    static struct advice one = {
        .name = "loss_of_one_class",
        .english = "cross_entropy is given one output a sample: of one class the probability is "
                   "always 1 and the loss always 0, and nothing is trained.\n"
                   "hint: for two classes give the last layer two outputs, or one output and "
                   "BCEWithLogitsLoss with targets 0. and 1.",
        .chinese = "cross_entropy 的输入每个样本只有一个输出：只有一类时概率总是 1，损失总是 0，"
                   "什么也学不到。\n"
                   "提示：二分类请让最后一层有两个输出；或用一个输出加 "
                   "BCEWithLogitsLoss，目标为 0. 和 1.。"};
    if (!input->autograd || !input->autograd->node)
        return 0;
    if (input->ndim == 2 && input->sizes[1] == 1 && input->sizes[0] > 1)
        return advice_give(&one);
    return comes_from(input, "softmax")   ? advice_give(&advice)
           : comes_from(input, "relu")    ? advice_give(&relu)
           : comes_from(input, "sigmoid") ? advice_give(&sigmoid)
                                          : 0;
}

/* Whether t's first row holds probabilities: two or more from 0 to 1, with the sum 1. */
static bool is_probabilities(const fl_tensor *t)
{
    if (t->ndim < 1 || t->dtype != FL_FLOAT32 || !t->storage || t->flags & TENSOR_ELSEWHERE ||
        !t->numel || t->sizes[t->ndim - 1] < 2)
        return false;
    assert(t->numel > 0);
    const float *row = tensor_data(t);
    int64_t classes = t->sizes[t->ndim - 1], stride = t->strides[t->ndim - 1];
    double sum = 0;
    for (int64_t c = 0; row && c < classes; sum += (double)row[c++ * stride])
        if (!(row[c * stride] >= 0 && row[c * stride] <= 1))
            return false;
    return fabs(sum - 1) < 1e-4;
}

int advise_divergence(const fl_tensor *input)
{
    static struct advice advice = {
        .name = "kl_of_probabilities",
        .english = "kl_div (KLDivLoss) is given probabilities as its input, but it takes "
                   "log-probabilities there: the result is no divergence.\n"
                   "hint: use log_softmax for the input (the first argument), and softmax for the "
                   "target.",
        .chinese = "kl_div（KLDivLoss）的 input 是概率，但它需要对数概率："
                   "得到的不是散度。\n"
                   "提示：input（第一个参数）用 log_softmax，target 用 softmax。"};
    if (advice_is_given(&advice))
        return 0;
    return comes_from(input, "softmax") || is_probabilities(input) ? advice_give(&advice) : 0;
}

int advise_rounded(const fl_tensor *input)
{
    static struct advice advice = {
        .name = "loss_of_rounded",
        .english =
            "The loss is given the result of round (or sign, floor, ceil), whose gradient is 0 "
            "everywhere: nothing before it is trained.\n"
            "hint: compute the loss from the values before rounding, and round only to "
            "predict.",
        .chinese = "损失函数的输入是 round（或 sign、floor、ceil）的结果，它的梯度处处为 0："
                   "前面的层都学不到东西。\n"
                   "提示：请用取整之前的值计算损失，只在预测时取整。"};
    static const char *const names[] = {"round", "sign", "floor", "ceil"};
    const char *origin =
        input->autograd && input->autograd->node ? record_origin(input->autograd->node) : "";
    for (size_t i = 0; *origin && i < sizeof names / sizeof *names; i++)
        if (strcmp(origin, names[i]) == 0)
            return advice_give(&advice);
    return 0;
}

int advise_logits(const fl_tensor *input)
{
    static struct advice advice = {
        .name = "sigmoid_before_loss",
        .english = "binary_cross_entropy_with_logits (BCEWithLogitsLoss) is given the result of "
                   "sigmoid, but it applies sigmoid itself: twice applied, predictions stay "
                   "between 0.5 and 0.73.\n"
                   "hint: leave the sigmoid out of the network, or keep it and use BCELoss.",
        .chinese = "binary_cross_entropy_with_logits（BCEWithLogitsLoss）的输入是 sigmoid 的结果，"
                   "但它内部已经做了 sigmoid：做两次后预测只能在 0.5 到 0.73 之间。\n"
                   "提示：把网络里的 sigmoid 去掉；或保留它并改用 BCELoss。"};
    return comes_from(input, "sigmoid") ? advice_give(&advice) : 0;
}

int advise_nll(const fl_tensor *input)
{
    static struct advice softmax = {
        .name = "nll_of_probabilities",
        .english = "nll_loss (NLLLoss) is given the result of softmax, but it takes "
                   "log-probabilities: without the logarithm it does not measure likelihood.\n"
                   "hint: use log_softmax in place of softmax, or give the raw scores to "
                   "cross_entropy (CrossEntropyLoss).",
        .chinese = "nll_loss（NLLLoss）的输入是 softmax 的结果，但它需要对数概率："
                   "没有取对数，得到的就不是似然。\n"
                   "提示：把 softmax 换成 log_softmax；或把原始得分直接交给 "
                   "cross_entropy（CrossEntropyLoss）。"};
    static struct advice scores = {
        .name = "nll_of_scores",
        .english = "nll_loss (NLLLoss) is given the scores of a linear layer, but it takes "
                   "log-probabilities: the loss becomes ever more negative and means nothing.\n"
                   "hint: use cross_entropy (CrossEntropyLoss), or end the network with "
                   "log_softmax(dim=1).",
        .chinese = "nll_loss（NLLLoss）的输入是线性层的原始得分，但它需要对数概率："
                   "这样损失会一直变负，没有意义。\n"
                   "提示：改用 cross_entropy（CrossEntropyLoss）；或在网络最后加上 "
                   "log_softmax(dim=1)。"};
    if (input->ndim != 2 || !input->autograd || !input->autograd->node)
        return 0;
    return comes_from(input, "softmax")  ? advice_give(&softmax)
           : comes_from(input, "linear") ? advice_give(&scores)
                                         : 0;
}

/* Two places give this advice, each with a round of its own. */
#define SOFTMAX_OVER_BATCH                                                                         \
    {.name = "softmax_over_batch",                                                                 \
     .english = "Each column then sums to 1 over the samples of the batch, and the probabilities " \
                "of one sample do not.\n"                                                          \
                "hint: use dim=1 (or dim=-1), the dim of the classes.",                            \
     .chinese = "这样每一列在整个批次上的和为 1，而同一个样本的各类概率之和不是 1。\n"             \
                "提示：请用 dim=1（或 dim=-1），也就是类别所在的维。"}

static int
    __attribute__((cold)) give_softmax_over_batch(struct advice *advice, const fl_tensor *input)
{
    assert(input->ndim == 2);
    return advice_give_seen(
        advice,
        "softmax along dim 0, the batch, of what a network gives for a batch: (%lld, %lld).",
        "softmax 沿第 0 维（批次）计算，而输入是网络对一个批次的输出：(%lld, %lld)。",
        (long long)input->sizes[0], (long long)input->sizes[1]);
}

int advise_unrecorded_softmax(const fl_tensor *input, int dim)
{
    /* its own: what the listener declines here may be given there */
    static struct advice advice = SOFTMAX_OVER_BATCH;
    if (dim != 0 || input->ndim != 2 || input->sizes[0] < 2 || input->sizes[1] < 2 ||
        advice_is_given(&advice))
        return 0;
    return give_softmax_over_batch(&advice, input);
}

int advise_softmax(const fl_tensor *input, int dim, bool logarithm)
{
    static struct advice advice = SOFTMAX_OVER_BATCH;
    static struct advice one = {
        .name = "softmax_of_one",
        .english =
            "softmax over one output is always 1, whatever the network computes, and nothing "
            "is trained.\n"
            "hint: for two classes use sigmoid with one output (and BCEWithLogitsLoss without "
            "it), or give the last layer two outputs.",
        .chinese = "只有一个输出时，softmax 的结果总是 1，与网络的计算无关，什么也学不到。\n"
                   "提示：二分类请对一个输出用 sigmoid（BCEWithLogitsLoss 则不用），"
                   "或让最后一层有两个输出。"};
    if (!logarithm && input->ndim == 2 && dim == 1 && input->sizes[1] == 1 &&
        comes_from(input, "linear"))
        return advice_give(&one);
    if (dim != 0 || input->ndim != 2 || input->sizes[0] < 2 || input->sizes[1] < 2 ||
        !comes_from(input, "linear"))
        return 0;
    return give_softmax_over_batch(&advice, input);
}

/* Whether they are (N, 1) and (N), of more than one sample, which broadcast to (N, N). */
static bool is_column_beside(const fl_tensor *column, const fl_tensor *row)
{
    return column->ndim == 2 && row->ndim == 1 && column->sizes[1] == 1 && column->sizes[0] >= 2 &&
           column->sizes[0] == row->sizes[0];
}

int advise_difference(const fl_tensor *a, const fl_tensor *b)
{
    static struct advice advice = {
        .name = "difference_broadcasts",
        .english = "Every prediction is compared with every target, and a loss of that trains the "
                   "mean of the targets.\n"
                   "hint: give both one shape: prediction.squeeze(1), or target.unsqueeze(1).",
        .chinese = "于是每个预测都与所有目标相减，用它做损失只会学到目标的平均值。\n"
                   "提示：让两者形状一致：prediction.squeeze(1)，或 target.unsqueeze(1)。"};
    const fl_tensor *column = a->ndim == 2 ? a : b, *row = a->ndim == 2 ? b : a;
    if (!is_column_beside(column, row) || tensor_requires_grad(row) ||
        !comes_from(column, "linear"))
        return 0;
    long long N = column->sizes[0];
    return advice_give_seen(
        &advice,
        "The difference of a layer's result (%lld, 1) and (%lld) broadcasts to (%lld, %lld).",
        "层的输出 (%lld, 1) 与 (%lld) 相减，被广播成了 (%lld, %lld)。", N, N, N, N);
}

/* Whether t is a power or size of the difference of a layer's result and something. */
static bool is_error_of_layer(const fl_tensor *t)
{
    const struct node *power = t->autograd ? t->autograd->node : NULL;
    const char *name = power ? record_origin(power) : "";
    if (strcmp(name, "pow") != 0 && strcmp(name, "square") != 0 && strcmp(name, "abs") != 0)
        return false;
    const struct node *difference = power->edges ? power->edge[0].node : NULL;
    if (!difference || strcmp(record_origin(difference), "sub") != 0)
        return false;
    for (int e = 0; e < difference->edges; e++)
        if (difference->edge[e].node &&
            strcmp(record_origin(difference->edge[e].node), "linear") == 0)
            return true;
    return false;
}

int advise_weights(const fl_tensor *a, const fl_tensor *b)
{
    static struct advice advice = {
        .name = "weights_broadcast",
        .english = "Every error is weighted with the weights of all samples.\n"
                   "hint: give both one shape: weights.unsqueeze(1), or errors.squeeze(1).",
        .chinese = "于是每个样本的误差都乘上了所有样本的权重。\n"
                   "提示：让两者形状一致：weights.unsqueeze(1)，或 errors.squeeze(1)。"};
    const fl_tensor *column = a->ndim == 2 ? a : b, *row = a->ndim == 2 ? b : a;
    if (!is_column_beside(column, row) || tensor_requires_grad(row) || !is_error_of_layer(column))
        return 0;
    long long N = column->sizes[0];
    return advice_give_seen(
        &advice, "The product of errors (%lld, 1) and weights (%lld) broadcasts to (%lld, %lld).",
        "误差 (%lld, 1) 与权重 (%lld) 相乘，被广播成了 (%lld, %lld)。", N, N, N, N);
}

int advise_equality(const fl_tensor *a, const fl_tensor *b)
{
    static struct advice advice = {
        .name = "comparison_broadcasts",
        .english = "Every prediction is compared with every label, and the number of hits is no "
                   "accuracy.\n"
                   "hint: give both one shape: prediction.squeeze(1), or labels.unsqueeze(1).",
        .chinese = "于是每个预测都与所有标签比较，得到的个数不是准确率。\n"
                   "提示：让两者形状一致：prediction.squeeze(1)，或 labels.unsqueeze(1)。"};
    const fl_tensor *column = a->ndim == 2 ? a : b, *row = a->ndim == 2 ? b : a;
    if (!is_column_beside(column, row) || column->storage == row->storage ||
        advice_is_given(&advice)) /* one tensor with itself: pairs are meant */
        return 0;
    long long N = column->sizes[0];
    return advice_give_seen(&advice,
                            "The comparison of (%lld, 1) with (%lld) broadcasts to (%lld, %lld).",
                            "(%lld, 1) 与 (%lld) 比较，被广播成了 (%lld, %lld)。", N, N, N, N);
}

int advise_nan(double number)
{
    static struct advice advice = {
        .name = "comparison_with_nan",
        .english =
            "A tensor is compared with nan, which equals nothing, not even itself: == is False "
            "and != True everywhere.\n"
            "hint: torch.isnan(x) finds them; torch.nan_to_num(x) replaces them.",
        .chinese =
            "张量与 nan 比较，而 nan 不等于任何数，包括它自己：== 处处为 False，!= 处处为 True。\n"
            "提示：查找 nan 用 torch.isnan(x)，替换用 torch.nan_to_num(x)。"};
    return number != number ? advice_give(&advice) : 0;
}
