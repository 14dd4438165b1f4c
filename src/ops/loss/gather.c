/* What picks by class or row number: the kernels of nll_loss and embedding, and their gradients. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "core/sound.h"
#include "ops/loss/gather.h"
#include "ops/loss/loss.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* ---- nll_loss: input (N, C, S), target (N, S) ---- */

struct classes {
    int64_t N, C, S;
};

static struct classes classes_of(int ndim, const int64_t *sizes)
{
    assert(ndim >= 1);
    struct classes k = {ndim > 1 ? sizes[0] : 1, ndim ? sizes[ndim > 1] : 1, 1};
    for (int d = 2; d < ndim; d++)
        k.S *= sizes[d];
    return k;
}

/* The error where scores and labels differ in the dims after the batch. */
static int __attribute__((cold)) set_places_error(const fl_tensor *input, const fl_tensor *target,
                                                  const char *in, const char *to)
{
    assert(input->ndim >= 3 && target->ndim >= 1);
    if (input->ndim == 4) {
        error_set(FL_RUNTIME_ERROR, "size mismatch (got input: %s, target: %s)", in, to);
    } else {
        int64_t wanted[TENSOR_MAX_DIMS] = {input->sizes[0]};
        char text[128];
        for (int d = 2; d < input->ndim; d++)
            wanted[d - 1] = input->sizes[d];
        error_set(FL_RUNTIME_ERROR, "Expected target size %s, got %s",
                  shape_text(text, sizeof text, input->ndim - 1, wanted), to);
    }
    if (input->ndim == 3 && target->ndim == 1)
        return error_hint(
            "there are %lld results a sample, and one label: of a sequence take the last "
            "step, fc(out[:, -1]), or the mean, out.mean(1); labels of all steps are "
            "(%lld, %lld)",
            "每个样本有 %lld 个结果，却只有一个标签：序列请取最后一步 fc(out[:, -1])，"
            "或取均值 out.mean(1)；若每一步都有标签，形状应为（%lld, %lld）",
            (long long)input->sizes[1], (long long)input->sizes[0], (long long)input->sizes[1]);
    if (input->ndim == 3 && target->sizes[1] == input->sizes[1])
        return error_hint("classes are dim 1 of the scores, and here they are the last: "
                          "loss(scores.transpose(1, 2), labels), or for all places as one batch "
                          "loss(scores.flatten(0, 1), labels.flatten())",
                          "得分的第 1 维应是类别，而这里类别在最后一维："
                          "loss(scores.transpose(1, 2), labels)，或把所有位置当作一批："
                          "loss(scores.flatten(0, 1), labels.flatten())");
    return error_hint(
        "scores (N, C, ...) go with labels (N, ...): all dims but the classes must be "
        "equal; scores of another size: F.interpolate(scores, size=labels.shape[1:])",
        "得分 (N, C, ...) 与标签 (N, ...)：除类别维以外的大小必须相同；"
        "若得分的尺寸不同：F.interpolate(scores, size=labels.shape[1:])");
}

/* The error where there is not one label a sample, as the numbers of dims or the batches tell. */
static int __attribute__((cold)) refuse_target(const fl_tensor *input, const fl_tensor *target,
                                               const char *in, const char *to)
{
    assert(input->ndim > 1);
    if (target->ndim && input->sizes[0] == target->sizes[0] && input->ndim == 2) {
        error_set(FL_RUNTIME_ERROR, "0D or 1D target tensor expected, multi-target not supported");
        return target->ndim == 2 && target->sizes[1] == 1
                   ? error_hint("the labels are a column (%lld, 1); the loss takes one class "
                                "number a sample, (%lld): target.squeeze(1)",
                                "标签是一列 (%lld, 1)，而损失函数要求每个样本一个类别编号，"
                                "形状为 (%lld)：target.squeeze(1)",
                                (long long)target->sizes[0], (long long)target->sizes[0])
                   : error_hint("the target must hold one class number a sample; one-hot labels: "
                                "target.argmax(1)",
                                "目标应为每个样本一个类别编号；若是 one-hot 标签："
                                "target.argmax(1)");
    }
    if (target->ndim && input->sizes[0] == target->sizes[0] && input->ndim == 4) {
        error_set(FL_RUNTIME_ERROR,
                  "only batches of spatial targets supported (3D tensors) but got "
                  "targets of dimension: %d",
                  target->ndim);
        return error_hint("for scores (N, C, H, W) the labels are one class number a pixel, "
                          "(N, H, W): target.squeeze(1) takes a channel dim of 1 away, "
                          "target.argmax(1) turns one-hot labels into numbers",
                          "得分是 (N, C, H, W) 时，标签是每个像素一个类别编号，形状为 (N, H, W)："
                          "target.squeeze(1) 去掉大小为 1 的通道维，"
                          "target.argmax(1) 把 one-hot 标签变成编号");
    }
    const int64_t samples = target->ndim ? target->sizes[0] : 0;
    if (!target->ndim || input->sizes[0] != samples) {
        error_set(FL_VALUE_ERROR,
                  "Expected input batch_size (%lld) to match target batch_size (%lld).",
                  (long long)input->sizes[0], (long long)samples);
        if (input->ndim == 3 && input->sizes[0] == 1 && input->sizes[1] == samples)
            return error_hint(
                "dim 0 of an RNN's state h counts its layers: take the last, fc(h[-1]), which "
                "is (batch, features)",
                "循环网络的状态 h 的第 0 维是层：请取最后一层 fc(h[-1])，形状为（批次, 特征）");
        return error_hint("the first dim of both is the batch: a view or reshape in the network "
                          "may mix it with other dims (x.flatten(1) keeps it), or an index take "
                          "a step of time for it (the last is out[:, -1] where batch_first=True)",
                          "两者的第 0 维都是批次，大小必须相同：网络里的 view 或 reshape "
                          "可能把批次维与其他维混在了一起（x.flatten(1) 会保留批次维），"
                          "或下标取错了维（batch_first=True 时最后一步是 out[:, -1]）");
    }
    return set_places_error(input, target, in, to);
}

int nll_loss_shape(fl_tensor *input, fl_tensor *target, fl_tensor *weight, int64_t reduction,
                   int64_t ignore_index, struct op_shape *y)
{
    (void)ignore_index;
    char in[128], to[128];
    shape_text(in, sizeof in, input->ndim, input->sizes),
        shape_text(to, sizeof to, target->ndim, target->sizes);
    if (input->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "input tensor should be 1D or 2D");
    if (input->ndim > 1 && (target->ndim != input->ndim - 1 || target->sizes[0] != input->sizes[0]))
        return refuse_target(input, target, in, to);
    for (int d = 2; d < input->ndim; d++)
        if (target->sizes[d - 1] != input->sizes[d])
            return set_places_error(input, target, in, to);
    if (input->ndim == 1 && target->numel != 1)
        return error_set(FL_VALUE_ERROR,
                         "For 1D input, 1D target must have size 1, but got target size: %lld",
                         (long long)target->numel);
    if (target->dtype != FL_INT64 && target->dtype != FL_UINT8) {
        error_set(FL_RUNTIME_ERROR, "expected target dtype to be Long or Byte, but got %s",
                  dtype_title(target->dtype));
        return error_hint("the target holds class numbers, which are integers: target = "
                          "target.long()",
                          "目标（target）应是类别编号，类型必须是整数：target = target.long()");
    }
    struct classes k = classes_of(input->ndim, input->sizes);
    if (weight && (weight->ndim != 1 || weight->numel != k.C))
        return loss_refuse_weight(weight, k.C);
    if (weight && weight->dtype != input->dtype)
        return error_set(FL_RUNTIME_ERROR, "expected scalar type %s but found %s",
                         dtype_title(input->dtype), dtype_title(weight->dtype));
    y[0].ndim = y[1].ndim = 0;
    if (reduction == 0)
        op_shape_like(&y[0], target);
    return 0;
}

/* The number at position i of a contiguous tensor of float32 or float64; 1 without a tensor. */
static double number_at(const fl_tensor *t, int64_t i)
{
    assert(!t || (i >= 0 && i < t->numel && tensor_is_flat(t)));
    return !t                       ? 1
           : t->dtype == FL_FLOAT32 ? (double)((const float *)tensor_data(t))[i]
                                    : ((const double *)tensor_data(t))[i];
}

static void put_number(fl_tensor *t, int64_t i, double value)
{
    assert(i >= 0 && i < t->numel && tensor_is_flat(t));
    if (t->dtype == FL_FLOAT32)
        ((float *)tensor_data(t))[i] = (float)value;
    else
        ((double *)tensor_data(t))[i] = value;
}

/* Class of sample i, -1 where it is ignored; -2 with the error set where there is no such class. */
static int64_t class_at(const fl_tensor *labels, int64_t i, int64_t C, int64_t ignore_index)
{
    assert(labels->dtype == FL_INT64 && i >= 0 && i < labels->numel);
    int64_t c = ((const int64_t *)tensor_data(labels))[i];
    if (c == ignore_index)
        return -1;
    if (c >= 0 && c < C)
        return c;
    error_set(FL_INDEX_ERROR, "Target %lld is out of bounds.", (long long)c);
    if (c == C)
        error_hint("class numbers run from 0 to %lld for %lld classes; labels that begin at 1: "
                   "target - 1; more classes: a last layer with more outputs",
                   "共 %2$lld 类时，类别编号从 0 到 %1$lld；若标签从 1 开始：target - 1；"
                   "若类别更多：请增大最后一层的输出数",
                   (long long)C - 1, (long long)C);
    else if (c < 0)
        error_hint("class numbers run from 0 to %lld: labels -1 and 1 become 0 and 1 by "
                   "(target + 1) // 2; samples without a label are left out by ignore_index=%lld",
                   "类别编号从 0 到 %lld：标签 -1 和 1 用 (target + 1) // 2 变为 0 和 1；"
                   "没有标签的样本用 ignore_index=%lld 忽略",
                   (long long)C - 1, (long long)c);
    else
        error_hint("class numbers run from 0 to %lld for the %lld outputs of the network: correct "
                   "the labels, or give the last layer more outputs",
                   "网络有 %2$lld 个输出，类别编号应从 0 到 %1$lld：请改正标签，"
                   "或增大最后一层的输出数",
                   (long long)C - 1, (long long)C);
    return -2;
}

const char *nll_loss_title(fl_tensor *input, fl_tensor *target, fl_tensor *weight,
                           int64_t reduction, int64_t ignore_index)
{
    (void)target, (void)weight, (void)reduction, (void)ignore_index;
    return input->ndim > 2 ? "NllLoss2DBackward0" : "NllLossBackward0";
}

int nll_loss_cpu(fl_tensor *input, fl_tensor *target, fl_tensor *weight, int64_t reduction,
                 int64_t ignore_index, fl_tensor *y, fl_tensor *total_weight)
{
    assert(reduction >= 0 && reduction <= 2);
    struct classes k = classes_of(input->ndim, input->sizes);
    int work = compute_dtype(compute_of(input->dtype)), status = -1;
    fl_tensor *x = tensor_as(input, work), *w = weight ? tensor_as(weight, work) : NULL,
              *labels = tensor_as(target, FL_INT64);
    fl_tensor *each = reduction == 0 ? tensor_new(y->ndim, y->sizes, work) : NULL;
    if (x && labels && (w || !weight) && (each || reduction)) {
        double sum = 0, total = 0;
        status = 0;
        for (int64_t i = 0; i < k.N * k.S && status == 0; i++) {
            int64_t c = class_at(labels, i, k.C, ignore_index);
            status = c == -2 ? -1 : 0;
            double scale = c < 0 ? 0 : number_at(w, c);
            double value = c < 0 ? 0 : -scale * number_at(x, (i / k.S * k.C + c) * k.S + i % k.S);
            total += scale, sum += value;
            if (each)
                put_number(each, i, value);
        }
        if (status == 0 && each)
            status = tensor_copy(y, each);
        else if (status == 0)
            status = tensor_fill(y, fl_float(reduction == 1 ? sum / total : sum));
        if (status == 0)
            status = tensor_fill(total_weight, fl_float(total));
    }
    tensor_release(x), tensor_release(w), tensor_release(labels), tensor_release(each);
    return status;
}

int nll_loss_backward_shape(fl_tensor *g, fl_ints size, fl_tensor *target, fl_tensor *weight,
                            fl_tensor *total_weight, int64_t reduction, int64_t ignore_index,
                            struct op_shape *y)
{
    (void)g, (void)target, (void)weight, (void)total_weight, (void)reduction, (void)ignore_index;
    op_shape_set(y, (int)size.count, size.data);
    y->zero = true;
    return 0;
}

int nll_loss_backward_cpu(fl_tensor *g, fl_ints size, fl_tensor *target, fl_tensor *weight,
                          fl_tensor *total_weight, int64_t reduction, int64_t ignore_index,
                          fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    struct classes k = classes_of((int)size.count, size.data);
    int work = compute_dtype(compute_of(g->dtype)), status = -1;
    fl_tensor *dy = tensor_as(g, work), *w = weight ? tensor_as(weight, work) : NULL,
              *labels = tensor_as(target, FL_INT64);
    fl_tensor *total = tensor_as(total_weight, work);
    fl_tensor *out = y->dtype == work ? tensor_retain(y) : tensor_new(y->ndim, y->sizes, work);
    if (dy && labels && total && out && (w || !weight)) {
        double whole = reduction ? number_at(dy, 0) : 0;
        if (reduction == 1)
            whole /= number_at(total, 0);
        status = out == y ? 0 : tensor_fill(out, fl_int(0));
        for (int64_t i = 0; i < k.N * k.S && status == 0; i++) {
            int64_t c = class_at(labels, i, k.C, ignore_index);
            status = c == -2 ? -1 : 0;
            if (c >= 0)
                put_number(out, (i / k.S * k.C + c) * k.S + i % k.S,
                           -number_at(w, c) * (reduction ? whole : number_at(dy, i)));
        }
        if (status == 0 && out != y)
            status = tensor_copy(y, out);
    }
    tensor_release(dy), tensor_release(w), tensor_release(labels), tensor_release(total),
        tensor_release(out);
    return status;
}

/* ---- embedding ---- */

static int check_indices(const fl_tensor *indices)
{
    if (indices->dtype == FL_INT64 || indices->dtype == FL_INT32)
        return 0;
    error_set(
        FL_RUNTIME_ERROR,
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
        "Long, Int; but got torch.%sTensor instead (while checking arguments for embedding)",
        dtype_title(indices->dtype));
    return error_hint("an embedding takes the numbers of words, which are integers: x.long() "
                      "(torch.tensor([1, 5]) makes integers, torch.Tensor([1, 5]) floats)",
                      "嵌入层的输入是词的编号，必须是整数：x.long()（torch.tensor([1, 5]) "
                      "得到整数，而 torch.Tensor([1, 5]) 得到浮点数）");
}

int embedding_shape(fl_tensor *weight, fl_tensor *indices, int64_t padding_idx,
                    bool scale_grad_by_freq, bool sparse, struct op_shape *y)
{
    (void)padding_idx, (void)scale_grad_by_freq, (void)sparse;
    if (weight->ndim != 2)
        return error_set(FL_RUNTIME_ERROR, "'weight' must be 2-D");
    if (check_indices(indices))
        return -1;
    if (indices->ndim == TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    op_shape_like(y, indices);
    y->sizes[y->ndim++] = weight->sizes[1];
    return 0;
}

static int set_range_error(int64_t index, int64_t rows)
{
    error_set(FL_INDEX_ERROR, "index out of range in self");
    error_context("the index %lld, of a table of %lld rows", "下标是 %lld，而表只有 %lld 行",
                  (long long)index, (long long)rows);
    if (index < 0)
        return error_hint(
            "indices run from 0 to %lld: a place to be filled up has a row of its own, "
            "x.masked_fill(x < 0, 0) with padding_idx=0, and -1 is none",
            "下标应从 0 到 %lld，没有 -1：填充的位置请用单独的一行："
            "x.masked_fill(x < 0, 0)，并设 padding_idx=0",
            (long long)rows - 1);
    return error_hint("indices run from 0 to %lld: make the table larger (num_embeddings=%lld or "
                      "more), or correct the index",
                      "下标应从 0 到 %lld：请增大词表（num_embeddings 至少为 %lld），或改正下标",
                      (long long)rows - 1, (long long)index + 1);
}

int embedding_cpu(fl_tensor *weight, fl_tensor *indices, int64_t padding_idx,
                  bool scale_grad_by_freq, bool sparse, fl_tensor *y)
{
    assert(weight->ndim == 2 && y->ndim == indices->ndim + 1);
    (void)padding_idx, (void)scale_grad_by_freq;
    if (sparse)
        return error_set(FL_NOT_IMPLEMENTED,
                         "embedding: sparse gradients are not available; use sparse=False");
    fl_tensor *table = tensor_contiguous(weight), *which = tensor_as(indices, FL_INT64);
    int status = table && which ? 0 : -1;
    size_t row = status ? 0 : (size_t)weight->sizes[1] * dtype_size(weight->dtype);
    const int64_t *index = status ? NULL : tensor_data(which);
    const char *from = status ? NULL : tensor_data(table);
    char *to = tensor_data(y);
    for (int64_t i = 0; status == 0 && i < which->numel; i++) {
        int64_t k = index[i];
        if (k < 0 || k >= weight->sizes[0])
            status = set_range_error(k, weight->sizes[0]);
        else if (row)
            memcpy(to + (size_t)i * row, from + (size_t)k * row, row);
    }
    tensor_release(table), tensor_release(which);
    return status;
}

int embedding_backward_shape(fl_tensor *g, fl_tensor *indices, fl_ints size, int64_t padding_idx,
                             bool scale_grad_by_freq, struct op_shape *y)
{
    (void)g, (void)indices, (void)padding_idx, (void)scale_grad_by_freq;
    op_shape_set(y, 2, size.data);
    y->zero = true;
    return 0;
}

void gather_add_row(const fl_tensor *from, int64_t i, fl_tensor *to, int64_t k, int64_t n,
                    double scale)
{
    assert(i >= 0 && k >= 0 && n >= 0);
    if (to->dtype == FL_FLOAT32) {
        const float *a = (const float *)tensor_data(from) + i * n;
        float *b = (float *)tensor_data(to) + k * n, s = (float)scale;
        for (int64_t j = 0; j < n; j++)
            b[j] += a[j] * s;
        return;
    }
    const double *a = (const double *)tensor_data(from) + i * n;
    double *b = (double *)tensor_data(to) + k * n;
    for (int64_t j = 0; j < n; j++)
        b[j] += a[j] * scale;
}

int embedding_backward_cpu(fl_tensor *g, fl_tensor *indices, fl_ints size, int64_t padding_idx,
                           bool scale_grad_by_freq, fl_tensor *y)
{
    assert(size.count == 2 && y->ndim == 2);
    int work = compute_dtype(compute_of(g->dtype)), status = -1;
    int64_t rows = size.data[0], n = size.data[1];
    fl_tensor *dy = tensor_as(g, work), *which = tensor_as(indices, FL_INT64);
    fl_tensor *out = y->dtype == work ? tensor_retain(y) : tensor_new(2, size.data, work);
    int64_t *count = scale_grad_by_freq ? memory_zalloc(sizeof *count * (size_t)rows) : NULL;
    if (dy && which && out && (count || !scale_grad_by_freq)) {
        const int64_t *index = tensor_data(which);
        status = out == y ? 0 : tensor_fill(out, fl_int(0));
        for (int64_t i = 0; status == 0 && i < which->numel; i++)
            if (index[i] < 0 || index[i] >= rows)
                status = set_range_error(index[i], rows);
            else if (count)
                count[index[i]]++;
        for (int64_t i = 0; status == 0 && i < which->numel; i++)
            if (index[i] != padding_idx)
                gather_add_row(dy, i, out, index[i], n, count ? 1 / (double)count[index[i]] : 1);
        if (status == 0 && out != y)
            status = tensor_copy(y, out);
    }
    memory_free(count, sizeof *count * (size_t)rows);
    tensor_release(dy), tensor_release(which), tensor_release(out);
    return status;
}
