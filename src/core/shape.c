/* Shapes: products, strides, wrapped dims, broadcasting. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"

const char *shape_text(char *buffer, size_t size, int ndim, const int64_t *sizes)
{
    assert(buffer && size > 0);
    size_t used = 0;
    if (size)
        buffer[0] = '\0';
    for (int i = -1; i <= ndim && used < size; i++) {
        int wrote = i < 0       ? snprintf(buffer + used, size - used, "[")
                    : i == ndim ? snprintf(buffer + used, size - used, "]")
                                : snprintf(buffer + used, size - used,
                                           i ? ", %" PRId64 : "%" PRId64, sizes[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return buffer;
}

int64_t shape_numel(int ndim, const int64_t *sizes)
{
    /* A size of 0 makes every product 0, whatever the others are; so overflow is looked at without
     * it, as PyTorch does. */
    int64_t product = 1;
    bool overflow = false, empty = false;
    for (int i = 0; i < ndim; i++) {
        char text[512];
        if (sizes[i] < 0) {
            error_set(FL_RUNTIME_ERROR,
                      "Trying to create tensor with negative dimension %" PRId64 ": %s", sizes[i],
                      shape_text(text, sizeof text, ndim, sizes));
            return -1;
        }
        if (sizes[i] == 0)
            empty = true;
        else
            overflow |= __builtin_mul_overflow(product, sizes[i], &product);
    }
    if (empty)
        return 0;
    if (overflow) {
        char text[512];
        error_set(FL_RUNTIME_ERROR, "numel: integer multiplication overflow");
        error_context("The sizes were %s.", "各维大小为 %s。",
                      shape_text(text, sizeof text, ndim, sizes));
        return -1;
    }
    return product;
}

int shape_check_strides(int ndim, const int64_t *sizes)
{
    int64_t stride = 1;
    for (int i = ndim - 1; i > 0; i--)
        if (sizes[i] > 1 && __builtin_mul_overflow(stride, sizes[i], &stride))
            return error_set(FL_RUNTIME_ERROR, "Stride calculation overflowed");
    return 0;
}

void shape_contiguous_strides(int ndim, const int64_t *sizes, int64_t *strides)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    int64_t stride = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= sizes[i] > 1 ? sizes[i] : 1;
    }
}

/* Which of two dims is to lie further out, by the first list of strides that tells: above 0 when it
 * is d, below 0 when it is e; 0 where none tells. */
static int further_out(const int64_t *sizes, int count, const int64_t *const *strides, int d, int e)
{
    assert(d != e && count >= 0);
    for (int i = 0; i < count; i++) {
        const int64_t a = strides[i][d], b = strides[i][e];
        if (a == 0 || b == 0)
            continue;
        if (a != b)
            return a > b ? 1 : -1;
        if (sizes[d] > sizes[e])
            return 1;
    }
    return 0;
}

void shape_lay(int ndim, const int64_t *sizes, int count, const int64_t *const *strides,
               int64_t *laid)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    int order[TENSOR_MAX_DIMS]; /* from the innermost dim outwards */
    for (int k = 0; k < ndim; k++) {
        order[k] = ndim - 1 - k;
        for (int at = k, j = k - 1; j >= 0; j--) {
            const int told = further_out(sizes, count, strides, order[j], order[at]);
            if (told < 0)
                break;
            if (told == 0)
                continue;
            const int swapped = order[j];
            order[j] = order[at], order[at] = swapped, at = j;
        }
    }
    int64_t step = 1;
    for (int k = 0; k < ndim; k++) {
        laid[order[k]] = step;
        step *= sizes[order[k]] > 1 ? sizes[order[k]] : 1;
    }
}

int shape_refuse(const fl_tensor *written, int ndim, const int64_t *sizes)
{
    char own[128], wanted[128];
    return error_set(FL_RUNTIME_ERROR, "output with shape %s doesn't match the broadcast shape %s",
                     shape_text(own, sizeof own, written->ndim, written->sizes),
                     shape_text(wanted, sizeof wanted, ndim, sizes));
}

int shape_wrap_dim(int64_t dim, int ndim)
{
    assert(ndim >= 0);
    int count = ndim ? ndim : 1;
    if (dim >= -count && dim < count)
        return (int)(dim < 0 ? dim + count : dim);
    error_set(FL_INDEX_ERROR,
              "Dimension out of range (expected to be in range of [%d, %d], but got %" PRId64 ")",
              -count, count - 1, dim);
    error_hint("the tensor has %d dims; they are counted from 0, or from the end with -1",
               "该张量有 %d 维；维的编号从 0 开始，或用 -1 从末尾数起", ndim);
    return -1;
}

int shape_refuse_index(enum fl_error_kind kind, int64_t index, int dim, int64_t size)
{
    assert(size >= 0);
    return error_set(kind, "index %" PRId64 " is out of bounds for dimension %d with size %" PRId64,
                     index, dim, size);
}

/* The fix for sizes a and b that differ in dim `at` of the longer one. */
static int __attribute__((cold)) hint_of_broadcast(int a_ndim, const int64_t *a, int b_ndim,
                                                   const int64_t *b, int at)
{
    if (a_ndim == 1 && b_ndim == 1)
        return error_hint(
            "a has %lld elements and b %lld; where they are predictions and labels, the "
            "predictions are taken over the classes of each sample, "
            "scores.argmax(1), and not over the batch, argmax(0)",
            "a 有 %lld 个元素，b 有 %lld 个，无法逐个对应；若它们是预测与标签，"
            "预测应沿每个样本的类别取：scores.argmax(1)，而不是沿批次 argmax(0)",
            (long long)a[0], (long long)b[0]);
    if (a_ndim == 3 && b_ndim == 3 && at == 1 && (a[0] == 1) != (b[0] == 1))
        return error_hint(
            "one of them holds %lld places for all of the batch, and the sequences have "
            "%lld: make it for the longest, and take what is needed, "
            "x + self.pos[:, :x.size(1)]",
            "其中一个（如位置编码）为整个批次准备了 %lld 个位置，而序列有 %lld 个："
            "请按最长的序列建立它，再截取所需的部分：x + self.pos[:, :x.size(1)]",
            (long long)(a[0] == 1 ? a[1] : b[1]), (long long)(a[0] == 1 ? b[1] : a[1]));
    if (b_ndim == 1 && a_ndim == 2 && a[0] == b[0])
        return error_hint("b has one number for each row of a: b.unsqueeze(1) makes it a column",
                          "b 为 a 的每一行各有一个数：b.unsqueeze(1) 把它变成一列");
    if (a_ndim == 1 && b_ndim == 2 && b[0] == a[0])
        return error_hint("a has one number for each row of b: a.unsqueeze(1) makes it a column",
                          "a 为 b 的每一行各有一个数：a.unsqueeze(1) 把它变成一列");
    if (a_ndim == b_ndim && a_ndim >= 3 && at == 1)
        return error_hint("two branches of a network are joined: give both %lld channels, for "
                          "example by a convolution of size 1 on the other branch, "
                          "nn.Conv%dd(%lld, %lld, 1)",
                          "网络的两个分支相加，通道数必须相同：请使两者都有 %lld 个通道，"
                          "例如在另一个分支上加 nn.Conv%dd(%lld, %lld, 1)",
                          (long long)b[1], a_ndim - 2, (long long)a[1], (long long)b[1]);
    if (a_ndim == b_ndim && a_ndim == 4)
        return error_hint("height and width differ: a convolution keeps them with "
                          "padding=kernel_size // 2; F.interpolate(b, size=a.shape[2:]) brings one "
                          "to the other's size",
                          "高和宽不同：卷积加 padding=kernel_size // 2 就保持大小；"
                          "F.interpolate(b, size=a.shape[2:]) 可使两者大小一致");
    return error_hint("sizes must be equal, or one of them 1: add dimensions at the end with "
                      "b[:, None, None] or unsqueeze(-1), or reshape or transpose one of the "
                      "tensors.",
                      "两个张量在这一维的大小不同，又都不是 1，无法广播：可用 b[:, None, None] 或 "
                      "unsqueeze(-1) 在末尾增加维度，或用 reshape、transpose 调整其中一个张量。");
}

int shape_broadcast(int *out_ndim, int64_t *out, int ndim, const int64_t *sizes)
{
    assert(*out_ndim >= 0 && *out_ndim <= TENSOR_MAX_DIMS);
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    int before = *out_ndim;
    int whole = before > ndim ? before : ndim;
    if (whole > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "Tensors of more than %d dimensions are not supported",
                         TENSOR_MAX_DIMS);
    if (whole > before) {
        memmove(out + (whole - before), out, (size_t)before * sizeof *out);
        for (int i = 0; i < whole - before; i++)
            out[i] = 1;
        *out_ndim = whole;
    }
    for (int i = whole - 1, j = ndim - 1; j >= 0; i--, j--) {
        if (out[i] == sizes[j] || sizes[j] == 1)
            continue;
        if (out[i] != 1) {
            char text[512];
            error_set(FL_RUNTIME_ERROR,
                      "The size of tensor a (%" PRId64 ") must match the size of tensor b (%" PRId64
                      ") at non-singleton dimension %d",
                      out[i], sizes[j], i);
            error_context("b has sizes %s; they are compared from the last dimension on.",
                          "b 的形状是 %s；形状从最后一维开始逐维比较。",
                          shape_text(text, sizeof text, ndim, sizes));
            return hint_of_broadcast(before, out + (whole - before), ndim, sizes, i);
        }
        out[i] = sizes[j];
    }
    return 0;
}
