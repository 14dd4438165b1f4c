/* Convolutions as operators: arguments checked and completed, then conv2d.h's kernels.
 *
 * conv1d is conv2d of one row, conv3d is made of conv2d (conv3d.c). A transposed convolution is the
 * input gradient of conv2d, which is an operator of its own; the three of _conv2d,
 * _conv2d_backward_input and _conv2d_backward_weight are each other's derivatives.
 */
#include <assert.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/sound.h"
#include "flambeau/ops/conv.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/conv/conv2d.h"
#include "ops/conv/conv_complex.h"
#include "ops/conv/conv_window.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int refuse_count(const char *name, const int64_t *given, int count, int wanted)
{
    char list[128];
    return error_set(FL_RUNTIME_ERROR,
                     "expected %s to be a single integer value or a list of %d values to match the "
                     "convolution dimensions, but got %s=%s",
                     name, wanted, name, shape_text(list, sizeof list, count, given));
}

static int spread(const char *name, fl_ints given, int spatial, int64_t *out)
{
    if (given.count != 1 && given.count != spatial)
        return refuse_count(name, given.data, (int)given.count, spatial);
    for (int d = 0; d < spatial; d++)
        out[d] = given.data[given.count == 1 ? 0 : d];
    return 0;
}

/* PyTorch looks at negative ones first, and computes one dim as two. */
static int refuse_dilation(const struct conv_window *w, int spatial)
{
    char text[128];
    const int64_t wide[2] = {1, w->dilation[0]};
    for (int d = 0; d < spatial; d++)
        if (w->dilation[d] < 0)
            return error_set(FL_RUNTIME_ERROR, "dilation should be greater than zero");
    return error_set(FL_RUNTIME_ERROR, "dilation should be greater than zero, but got %s",
                     spatial == 1 ? shape_text(text, sizeof text, 2, wide)
                                  : shape_text(text, sizeof text, spatial, w->dilation));
}

static int check_window(const struct conv_window *w, int spatial, int64_t groups)
{
    for (int d = 0; d < spatial; d++) {
        if (w->padding[d] < 0)
            return error_set(FL_RUNTIME_ERROR, "negative padding is not supported");
        if (w->stride[d] <= 0)
            return error_set(FL_RUNTIME_ERROR, "non-positive stride is not supported");
        if (w->dilation[d] <= 0)
            return refuse_dilation(w, spatial);
        if (w->output_padding[d] < 0)
            return error_set(FL_RUNTIME_ERROR, "negative output_padding is not supported");
        /* Places are sums and products of these: they stay far within 64 bits. */
        if (w->padding[d] > INT32_MAX || w->stride[d] > INT32_MAX || w->dilation[d] > INT32_MAX ||
            w->output_padding[d] > INT32_MAX)
            return error_set(FL_RUNTIME_ERROR, "value cannot be converted to type int without "
                                               "overflow");
    }
    if (groups <= 0)
        return error_set(FL_RUNTIME_ERROR, "non-positive groups is not supported");
    return 0;
}

/* The fix for an input of other channels than the layer's: the dims in another order, no channel
 * dim, or another number of channels. */
static int __attribute__((cold)) hint_of_channels(const fl_tensor *input, int spatial, long long C,
                                                  long long wanted)
{
    bool batch = input->ndim == spatial + 2;
    const int64_t *end = input->sizes + input->ndim;
    if (spatial == 2 && end[-1] == wanted && end[-2] != wanted) /* no square of that side */
        return error_hint(
            "the channels are the last dim, as in Pillow and Matplotlib, and belong before height "
            "and width: %s",
            "通道在最后一维（Pillow 和 Matplotlib 的排列），而这里要求通道在高和宽之前：%s",
            batch ? "x.permute(0, 3, 1, 2)" : "x.permute(2, 0, 1)");
    if (spatial == 1 && input->sizes[input->ndim - 1] == wanted)
        return error_hint("the channels are the last dim, as in a recurrent network's input, and "
                          "belong before the length: x.transpose(-1, -2)",
                          "通道（特征）在最后一维（循环网络的排列），而这里要求通道在长度之前："
                          "x.transpose(-1, -2)");
    if (!batch && wanted == 1)
        return error_hint("this is taken for one sample of %lld channels; a batch of samples of "
                          "one channel needs the channel dim: x.unsqueeze(1)",
                          "该输入被当作一个有 %lld 个通道的样本；若它是一批单通道样本，"
                          "请加上通道维：x.unsqueeze(1)",
                          C);
    return error_hint("the layer was made with in_channels=%lld, and the input has %lld channels: "
                      "make the layer with in_channels=%lld, or give it the input it was made for",
                      "该层的 in_channels 是 %lld，而输入有 %lld 个通道：请把 in_channels 改为 "
                      "%lld，或给它通道数正确的输入",
                      wanted, C, C);
}

/* The fix where the input has another number of dims than a convolution takes. */
static int __attribute__((cold)) hint_of_rank(const fl_tensor *input, int spatial)
{
    static const char *const layout[] = {"", "(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)"};
    long long side = 1;
    while (input->ndim == 2 && side * side < input->sizes[1])
        side++;
    if (spatial == 2 && input->ndim == 2 && side > 1 && side * side == input->sizes[1])
        return error_hint(
            "the images are flat: x.view(-1, 1, %lld, %lld) gives them their channel, "
            "height and width back",
            "图片被展平了：x.view(-1, 1, %lld, %lld) 恢复通道、高和宽", side, side);
    return error_hint("the layer takes %s: unsqueeze(0) adds a missing batch dim, unsqueeze(1) a "
                      "missing channel dim, view or flatten make other shapes",
                      "该层的输入形状是 %s：缺少批次维用 unsqueeze(0)，缺少通道维用 unsqueeze(1)，"
                      "其他情况用 view 或 flatten",
                      layout[spatial <= 3 ? spatial : 0]);
}

/* In PyTorch's words, which depend on who would compute it there: another library takes float32 in
 * groups, in batches and of many elements; complex numbers are taken apart before. */
static void refuse_types(const fl_tensor *input, const fl_tensor *other, int64_t groups)
{
    enum { MANY = 20480 };
    char a[32], b[32];
    const bool fast =
        input->dtype == FL_FLOAT32 && (groups > 1 || input->sizes[0] > 1 || input->numel > MANY);
    if (!fast && !dtype_is_complex(input->dtype)) {
        error_set(FL_RUNTIME_ERROR, "expected scalar type %s but found %s",
                  dtype_title(input->dtype), dtype_title(other->dtype));
        return;
    }
    error_set(FL_RUNTIME_ERROR, "Input type (%s) and weight type (%s) should be the same%s",
              dtype_tensor_class(a, sizeof a, input->dtype),
              dtype_tensor_class(b, sizeof b, other->dtype),
              fast ? " or input should be a MKLDNN tensor and weight is a dense tensor" : "");
}

static int check_tensors(const fl_tensor *input, const fl_tensor *weight, const fl_tensor *bias,
                         int spatial, int64_t groups, bool transposed, const int64_t *step)
{
    char got[128], filter[128];
    if (input->ndim != spatial + 2 && input->ndim != spatial + 1) {
        error_set(FL_RUNTIME_ERROR,
                  "Expected %dD (unbatched) or %dD (batched) input to conv%s%dd, but got input of "
                  "size: %s",
                  spatial + 1, spatial + 2, transposed ? "_transpose" : "", spatial,
                  shape_text(got, sizeof got, input->ndim, input->sizes));
        return hint_of_rank(input, spatial);
    }
    if (weight->ndim < 3)
        return error_set(FL_RUNTIME_ERROR, "weight should have at least three dimensions");
    if (weight->ndim != spatial + 2)
        return refuse_count("stride", step, spatial, weight->ndim - 2);
    if (input->dtype != weight->dtype || (bias && bias->dtype != input->dtype)) {
        if (!transposed && bias && bias->dtype != input->dtype)
            error_set(FL_RUNTIME_ERROR, "Input type (%s) and bias type (%s) should be the same",
                      dtype_cpp_name(input->dtype), dtype_cpp_name(bias->dtype));
        else
            refuse_types(input, input->dtype != weight->dtype ? weight : bias, groups);
        return error_hint(
            "convert the input to the layer's dtype: x.float() (of an image of bytes: "
            "x.float() / 255), or x.to(conv.weight.dtype)",
            "输入和该层参数的数据类型不同：请把输入转换成该层的类型：x.float()"
            "（若是字节图像：x.float() / 255），或 x.to(conv.weight.dtype)");
    }
    int64_t C = input->sizes[input->ndim - spatial - 1];
    if (groups <= 0)
        return error_set(FL_RUNTIME_ERROR, "non-positive groups is not supported");
    int64_t wanted = transposed ? weight->sizes[0] : weight->sizes[1] * groups;
    int64_t K = transposed ? weight->sizes[1] * groups : weight->sizes[0];
    const bool too_few = weight->sizes[0] < groups;
    if (too_few ||
        (transposed ? C : K) % groups) /* PyTorch writes one of the sizes in two brackets */
        return error_set(
            FL_RUNTIME_ERROR,
            "Given groups=%lld, expected weight to be %s %lld at dimension 0, but got weight of "
            "size %s%s%s instead",
            (long long)groups, too_few ? "at least" : "divisible by", (long long)groups,
            too_few ? "" : "[", shape_text(filter, sizeof filter, weight->ndim, weight->sizes),
            too_few ? "" : "]");
    if (C != wanted) {
        error_set(
            FL_RUNTIME_ERROR,
            "Given %s=%lld, weight of size %s, expected input%s to have %lld channels, but got "
            "%lld channels instead",
            transposed ? "transposed" : "groups", transposed ? 1LL : (long long)groups,
            shape_text(filter, sizeof filter, weight->ndim, weight->sizes),
            shape_text(got, sizeof got, input->ndim, input->sizes), (long long)wanted,
            (long long)C);
        return hint_of_channels(input, spatial, (long long)C, (long long)wanted);
    }
    if (bias && (bias->ndim != 1 || bias->sizes[0] != K))
        return error_set(
            FL_RUNTIME_ERROR,
            "Given %sweight of size %s, expected bias to be 1-dimensional with %lld elements, "
            "but got bias of size %s instead",
            transposed ? "transposed=1, " : "",
            shape_text(filter, sizeof filter, weight->ndim, weight->sizes), (long long)K,
            shape_text(got, sizeof got, bias->ndim, bias->sizes));
    return 0;
}

static struct conv2d_shape shape_of(const int64_t *x, const int64_t *w, fl_ints stride,
                                    fl_ints padding, fl_ints dilation, int64_t groups)
{
    assert(stride.count == 2 && padding.count == 2 && dilation.count == 2);
    assert(groups >= 1);
    struct conv2d_shape p = {.n = x[0],
                             .c = x[1],
                             .h = x[2],
                             .w = x[3],
                             .k = w[0],
                             .r = w[2],
                             .s = w[3],
                             .groups = groups};
    for (int d = 0; d < 2; d++)
        p.stride[d] = stride.data[d], p.padding[d] = padding.data[d],
        p.dilation[d] = dilation.data[d];
    return p;
}

static struct conv2d_view view_of(const fl_tensor *t)
{
    assert(t->ndim == 4);
    struct conv2d_view v = {.data = tensor_data(t)};
    memcpy(v.strides, t->strides, sizeof v.strides);
    return v;
}

/* g, or a copy of it where its columns are no neighbours (the gradient of a sum is one number shown
 * everywhere): a new reference, of which *view is made. */
static fl_tensor *contiguous_rows(fl_tensor *g, struct conv2d_view *view)
{
    fl_tensor *t = g->strides[3] == 1 ? tensor_retain(g) : tensor_contiguous(g);
    if (t)
        *view = view_of(t);
    return t;
}

/* Integers, which no fast kernel serves: plain sums in 64 bits, which wrap around, a row of results at
 * a time. One tap's part in a row: y[col] for the columns that it reaches within the input's row.
 * With `transposed` x receives from y. */
static void convolve_integer_tap(const struct conv2d_shape *p, int64_t s, int64_t cols,
                                 int64_t factor, int64_t *x, int64_t *y, bool transposed)
{
    const int64_t step = p->stride[1], first = s * p->dilation[1] - p->padding[1];
    const int64_t begin = first < 0 ? (-first + step - 1) / step : 0;
    int64_t end = first < p->w ? (p->w - first + step - 1) / step : 0;
    end = end < cols ? end : cols;
    for (int64_t col = begin; transposed && col < end; col++)
        x[first + col * step] += y[col] * factor;
    for (int64_t col = begin; !transposed && col < end; col++)
        y[col] += x[first + col * step] * factor;
}

static void convolve_integers(const struct conv2d_shape *p, fl_tensor *x, fl_tensor *w,
                              fl_tensor *y, bool transposed)
{
    const int64_t rows = y->sizes[2], cols = y->sizes[3];
    const int64_t filters = p->k / p->groups, depth = p->c / p->groups;
    int64_t *in = tensor_data(x), *out = tensor_data(y);
    const int64_t *weight = tensor_data(w);
    for (int64_t i = 0; cols && i < y->numel / cols; i++, out += cols) {
        const int64_t row = i % rows, k = i / rows % p->k, n = i / rows / p->k;
        for (int64_t c = 0; c < depth; c++)
            for (int64_t r = 0; r < p->r; r++) {
                const int64_t h = row * p->stride[0] - p->padding[0] + r * p->dilation[0];
                if (h < 0 || h >= p->h)
                    continue;
                int64_t *line = in + ((n * p->c + k / filters * depth + c) * p->h + h) * p->w;
                for (int64_t s = 0; s < p->s; s++)
                    convolve_integer_tap(p, s, cols,
                                         weight[((k * depth + c) * p->r + r) * p->s + s], line, out,
                                         transposed);
            }
    }
}

/* The convolution or its transpose on copies of 64-bit integers. `result` is whichever of x and y
 * it is. */
static int run_integers(const struct conv2d_shape *p, fl_tensor *x, fl_tensor *w, fl_tensor *bias,
                        fl_tensor *y, fl_tensor *result)
{
    fl_tensor *from = tensor_as(result == y ? x : y, FL_INT64), *filter = tensor_as(w, FL_INT64);
    fl_tensor *to = tensor_new(4, result->sizes, FL_INT64);
    int status = from && filter && to ? tensor_fill(to, fl_int(0)) : -1;
    if (status == 0 && bias) {
        fl_tensor *spread =
            tensor_alias(bias, 4, to->sizes, (int64_t[]){0, bias->strides[0], 0, 0}, bias->offset);
        status = spread ? tensor_copy(to, spread) : -1;
        tensor_release(spread);
    }
    if (status == 0)
        convolve_integers(p, result == y ? from : to, filter, result == y ? to : from, result == x);
    if (status == 0)
        status = tensor_copy(result, to);
    tensor_release(from), tensor_release(filter), tensor_release(to);
    return status;
}

/* ---- the three operators ---- */

int conv2d_shape(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                 fl_ints padding, fl_ints dilation, int64_t groups, struct op_shape *y)
{
    (void)bias;
    struct conv2d_shape p =
        shape_of(input->sizes, weight->sizes, stride, padding, dilation, groups);
    int64_t reach[2] = {dilation.data[0] * (p.r - 1) + 1, dilation.data[1] * (p.s - 1) + 1};
    int64_t padded[2] = {p.h + 2 * padding.data[0], p.w + 2 * padding.data[1]};
    if (p.h == 1 && p.r == 1 && padded[1] < reach[1]) { /* conv1d */
        error_set(FL_RUNTIME_ERROR,
                  "Calculated padded input size per channel: (%lld). Kernel size: (%lld). "
                  "Kernel size can't be greater than actual input size",
                  (long long)padded[1], (long long)reach[1]);
        return error_hint("the sequence has %lld places, the kernel %lld: take a smaller kernel, "
                          "padding, or longer sequences; the order of dims is N, C, L",
                          "序列只有 %lld 个位置，而卷积核有 %lld 个：请用更小的卷积核、加 padding，"
                          "或用更长的序列；维的顺序应为 N, C, L",
                          (long long)p.w, (long long)reach[1]);
    }
    if (padded[0] < reach[0] || padded[1] < reach[1]) {
        error_set(FL_RUNTIME_ERROR,
                  "Calculated padded input size per channel: (%lld x %lld). Kernel size: "
                  "(%lld x %lld). Kernel size "
                  "can't be greater than actual input size",
                  (long long)padded[0], (long long)padded[1], (long long)reach[0],
                  (long long)reach[1]);
        return error_hint(
            "the image is smaller than the kernel: take a smaller kernel, padding, or "
            "larger images; the order of dims is N, C, H, W",
            "图像比卷积核还小：请用更小的卷积核、加 padding，或用更大的图像；"
            "维的顺序应为 N, C, H, W");
    }
    op_shape_set(y, 4, (int64_t[]){p.n, p.k, conv2d_rows(&p), conv2d_cols(&p)});
    return 0;
}

int conv2d_cpu(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
               fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor *y)
{
    assert(input->ndim == 4 && weight->ndim == 4);
    assert(tensor_is_flat(y) && y->dtype == input->dtype);
    if (dtype_is_complex(y->dtype))
        return conv_complex(
            &(struct conv_complex){CONV_FORWARD, {0}, stride, padding, dilation, groups}, input,
            weight, bias, y);
    struct conv2d_shape p =
        shape_of(input->sizes, weight->sizes, stride, padding, dilation, groups);
    struct conv2d_view x = view_of(input), w = view_of(weight);
    fl_tensor *b = bias ? tensor_contiguous(bias) : NULL;
    int status = -1;
    if (y->numel == 0)
        status = 0;
    else if (p.c == 0 || p.r == 0 || p.s == 0)
        status = error_set(FL_RUNTIME_ERROR, "conv2d: weight and input must have elements");
    else if (dtype_is_integral(input->dtype))
        status = run_integers(&p, input, weight, bias, y, y);
    else if (b || !bias)
        status = conv2d_forward(&p, (fl_dtype)input->dtype, &x, &w, b ? tensor_data(b) : NULL,
                                tensor_data(y));
    tensor_release(b);
    return status;
}

int conv2d_backward_input_shape(fl_tensor *g, fl_ints input_size, fl_tensor *weight, fl_ints stride,
                                fl_ints padding, fl_ints dilation, int64_t groups,
                                struct op_shape *y)
{
    (void)g, (void)weight, (void)stride, (void)padding, (void)dilation, (void)groups;
    op_shape_set(y, 4, input_size.data);
    return 0;
}

int conv2d_backward_input_cpu(fl_tensor *g, fl_ints input_size, fl_tensor *weight, fl_ints stride,
                              fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor *y)
{
    assert(g->ndim == 4 && weight->ndim == 4 && input_size.count == 4);
    assert(tensor_is_flat(y));
    if (dtype_is_complex(y->dtype))
        return conv_complex(&(struct conv_complex){CONV_BACKWARD_INPUT, input_size, stride, padding,
                                                   dilation, groups},
                            g, weight, NULL, y);
    struct conv2d_shape p =
        shape_of(input_size.data, weight->sizes, stride, padding, dilation, groups);
    struct conv2d_view dy = view_of(g), w = view_of(weight);
    if (y->numel == 0 || g->numel == 0)
        return tensor_fill(y, fl_int(0));
    if (dtype_is_integral(g->dtype))
        return run_integers(&p, y, weight, NULL, g, y);
    fl_tensor *rows = contiguous_rows(g, &dy);
    int status = rows ? conv2d_backward_input(&p, (fl_dtype)g->dtype, &dy, &w, tensor_data(y)) : -1;
    tensor_release(rows);
    return status;
}

int conv2d_backward_weight_shape(fl_tensor *g, fl_tensor *input, fl_ints weight_size,
                                 fl_ints stride, fl_ints padding, fl_ints dilation, int64_t groups,
                                 struct op_shape *y)
{
    (void)g, (void)input, (void)stride, (void)padding, (void)dilation, (void)groups;
    op_shape_set(y, 4, weight_size.data);
    return 0;
}

int conv2d_backward_weight_cpu(fl_tensor *g, fl_tensor *input, fl_ints weight_size, fl_ints stride,
                               fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor *y)
{
    assert(g->ndim == 4 && input->ndim == 4 && weight_size.count == 4);
    assert(tensor_is_flat(y));
    if (dtype_is_complex(y->dtype))
        return conv_complex(&(struct conv_complex){CONV_BACKWARD_WEIGHT, weight_size, stride,
                                                   padding, dilation, groups},
                            g, input, NULL, y);
    struct conv2d_shape p =
        shape_of(input->sizes, weight_size.data, stride, padding, dilation, groups);
    struct conv2d_view dy = view_of(g), x = view_of(input);
    if (y->numel == 0 || g->numel == 0 || input->numel == 0)
        return tensor_fill(y, fl_int(0));
    fl_tensor *rows = contiguous_rows(g, &dy);
    int status =
        rows ? conv2d_backward_weight(&p, (fl_dtype)g->dtype, &dy, &x, tensor_data(y)) : -1;
    tensor_release(rows);
    return status;
}

/* ---- the composites ---- */

/* Input, weight and bias as tensors of four dims and one: a batch of one, and rows of height one, where
 * they are missing. Gradients reach the nodes made last first: what PyTorch leaves to one node is made
 * in the order bias, weight, input, so that hooks run in its order. False with the error. */
static bool four_dims(fl_tensor **input, fl_tensor **weight, fl_tensor **bias, int spatial,
                      bool batched)
{
    assert(spatial == 1 || spatial == 2);
    if (!batched)
        *input = fl_unsqueeze(*input, 0);
    if (spatial == 1) {
        if (*bias && tensor_requires_grad(*bias))
            *bias = fl_view(*bias, (fl_ints){(*bias)->sizes, 1});
        *weight = fl_unsqueeze(*weight, 2);
        *input = *input ? fl_unsqueeze(*input, 2) : NULL;
    }
    return *input && *weight;
}

static fl_tensor *own_dims(fl_tensor *y, int spatial, bool batched)
{
    if (y && spatial == 1)
        y = fl_squeeze_dim(y, 2);
    return y && !batched ? fl_squeeze_dim(y, 0) : y;
}

/* Puts the one dim of a 1-d window second, where a row of height one has its width. */
static void widen_window(struct conv_window *w, int spatial)
{
    if (spatial == 2)
        return;
    w->stride[1] = w->stride[0], w->padding[1] = w->padding[0];
    w->dilation[1] = w->dilation[0], w->output_padding[1] = w->output_padding[0];
    w->stride[0] = w->dilation[0] = 1, w->padding[0] = w->output_padding[0] = 0;
}

static int convolve(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                    fl_ints padding, fl_ints dilation, int64_t groups, int spatial, fl_tensor **y)
{
    struct conv_window w = {0};
    if (spread("stride", stride, spatial, w.stride) ||
        spread("padding", padding, spatial, w.padding) ||
        spread("dilation", dilation, spatial, w.dilation) || check_window(&w, spatial, groups) ||
        check_tensors(input, weight, bias, spatial, groups, false, w.stride))
        return -1;
    if (spatial == 3) {
        if (conv3d_forward(input, weight, bias, &w, groups, y))
            return -1;
        if (input->ndim == 5 && input->sizes[0] > 1) /* PyTorch's of one volume: row by row */
            *y = fl__keep_format(fl__keep_format(*y, weight), input);
        return *y ? 0 : -1;
    }
    widen_window(&w, spatial);
    bool batched = input->ndim == spatial + 2;
    if (spatial == 1) /* whose turned dims are not channels that come last (as in PyTorch) */
        input = fl_contiguous(input, FORMAT_CONTIGUOUS);
    if (!input || !four_dims(&input, &weight, &bias, spatial, batched))
        return -1;
    fl_tensor *result = fl__conv2d(input, weight, bias, (fl_ints){w.stride, 2},
                                   (fl_ints){w.padding, 2}, (fl_ints){w.dilation, 2}, groups);
    *y = own_dims(result, spatial, batched);
    return *y ? 0 : -1;
}

int conv2d_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                   fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    return convolve(input, weight, bias, stride, padding, dilation, groups, 2, y);
}

int conv1d_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                   fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    return convolve(input, weight, bias, stride, padding, dilation, groups, 1, y);
}

int conv3d_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                   fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    return convolve(input, weight, bias, stride, padding, dilation, groups, 3, y);
}

/* padding='same' with a total that is odd pads one more at the end, as PyTorch does: by zeros
 * joined on first. */
static int convolve_padded(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                           const char *padding, fl_ints dilation, int64_t groups, int spatial,
                           fl_tensor **y)
{
    int64_t pad[CONV_MAX_DIMS] = {0}, step[CONV_MAX_DIMS] = {0}, spacing[CONV_MAX_DIMS] = {0};
    if (strcmp(padding, "valid") == 0)
        return convolve(input, weight, bias, stride, (fl_ints){pad, 1}, dilation, groups, spatial,
                        y);
    if (strcmp(padding, "same") != 0)
        return error_set(FL_RUNTIME_ERROR, "Invalid padding string: '%s'", padding);
    if (spread("stride", stride, spatial, step) || spread("dilation", dilation, spatial, spacing) ||
        check_tensors(input, weight, bias, spatial, groups, false, step))
        return -1;
    for (int d = 0; d < spatial; d++) {
        if (step[d] != 1)
            return error_set(FL_RUNTIME_ERROR,
                             "padding='same' is not supported for strided convolutions");
        int64_t total = spacing[d] * (weight->sizes[2 + d] - 1);
        pad[d] = total / 2;
        if (total % 2) {
            int dim = input->ndim - spatial + d;
            int64_t sizes[CONV_MAX_DIMS + 2];
            memcpy(sizes, input->sizes, sizeof(int64_t) * (size_t)input->ndim);
            sizes[dim] = 1;
            fl_tensor *zeros = fl_zeros((fl_ints){sizes, input->ndim}, (fl_dtype)input->dtype,
                                        (fl_device){-1, 0}, false);
            input = zeros ? fl_cat((fl_tensors){(fl_tensor *[]){input, zeros}, 2}, dim) : NULL;
            if (!input)
                return -1;
        }
    }
    return convolve(input, weight, bias, stride, (fl_ints){pad, spatial}, dilation, groups, spatial,
                    y);
}

int conv2d_padding_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                           const char *padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    return convolve_padded(input, weight, bias, stride, padding, dilation, groups, 2, y);
}

int conv1d_padding_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                           const char *padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    return convolve_padded(input, weight, bias, stride, padding, dilation, groups, 1, y);
}

int conv3d_padding_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                           const char *padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    return convolve_padded(input, weight, bias, stride, padding, dilation, groups, 3, y);
}

/* An output padding of a stride or more makes room for further windows: g with zeros for them. */
static fl_tensor *fill_up(fl_tensor *g, const int64_t *size, const fl_tensor *filter,
                          const struct conv_window *w)
{
    struct conv2d_shape p = {
        .h = size[2], .w = size[3], .r = filter->sizes[2], .s = filter->sizes[3]};
    memcpy(p.stride, w->stride, sizeof p.stride);
    memcpy(p.padding, w->padding, sizeof p.padding);
    memcpy(p.dilation, w->dilation, sizeof p.dilation);
    int64_t wanted[2] = {conv2d_rows(&p), conv2d_cols(&p)};
    for (int d = 0; d < 2 && g; d++) {
        int64_t sizes[4] = {g->sizes[0], g->sizes[1], g->sizes[2], g->sizes[3]};
        sizes[2 + d] = wanted[d] - g->sizes[2 + d];
        if (sizes[2 + d] <= 0)
            continue;
        fl_tensor *zeros =
            fl_zeros((fl_ints){sizes, 4}, (fl_dtype)g->dtype, (fl_device){-1, 0}, false);
        g = zeros ? fl_cat((fl_tensors){(fl_tensor *[]){g, zeros}, 2}, 2 + d) : NULL;
    }
    return g;
}

static int convolve_transposed(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                               fl_ints padding, fl_ints output_padding, int64_t groups,
                               fl_ints dilation, int spatial, fl_tensor **y)
{
    struct conv_window w = {0};
    if (spread("stride", stride, spatial, w.stride) ||
        spread("padding", padding, spatial, w.padding) ||
        spread("dilation", dilation, spatial, w.dilation) ||
        spread("output_padding", output_padding, spatial, w.output_padding) ||
        check_window(&w, spatial, groups) ||
        check_tensors(input, weight, bias, spatial, groups, true, w.stride))
        return -1;
    fl_dtype dtype = (fl_dtype)input->dtype;
    input = op_widen(input), weight = op_widen(weight), bias = op_widen(bias);
    if (!input || !weight)
        return -1;
    if (spatial == 3) {
        fl_tensor *wide = NULL;
        if (conv3d_transposed(input, weight, bias, &w, groups, &wide))
            return -1;
        *y = op_as(wide, dtype);
        return *y ? 0 : -1;
    }
    widen_window(&w, spatial);
    bool batched = input->ndim == spatial + 2;
    fl_tensor *g = input, *filter = weight, *none = NULL;
    fl_tensor *added = bias ? fl_view(bias, (fl_ints){(int64_t[]){-1, 1, 1}, 3}) : NULL;
    if ((bias && !added) || !four_dims(&g, &filter, &none, spatial, batched))
        return -1;
    int64_t size[4] = {g->sizes[0], filter->sizes[1] * groups};
    for (int d = 0; d < 2; d++) {
        size[2 + d] = (g->sizes[2 + d] - 1) * w.stride[d] - 2 * w.padding[d] +
                      w.dilation[d] * (filter->sizes[2 + d] - 1) + w.output_padding[d] + 1;
        if (w.output_padding[d] >= w.stride[d] && w.output_padding[d] >= w.dilation[d])
            return conv_refuse_output_padding(&w, 2);
        if (size[2 + d] < 1)
            return error_set(
                FL_RUNTIME_ERROR,
                "Given input size per channel: (%lld x %lld). Calculated output size per "
                "channel: (%lld). Output size is too small",
                (long long)g->sizes[2], (long long)g->sizes[3], (long long)size[2 + d]);
    }
    g = fill_up(g, size, filter, &w);
    fl_tensor *result =
        fl__conv2d_backward_input(g, (fl_ints){size, 4}, filter, (fl_ints){w.stride, 2},
                                  (fl_ints){w.padding, 2}, (fl_ints){w.dilation, 2}, groups);
    if (result && added)
        result = fl_add(result, added, fl_int(1));
    result = own_dims(result, spatial, batched);
    if (result)
        result = fl__keep_format(fl__keep_format(result, weight), input);
    *y = op_as(result, dtype);
    return *y ? 0 : -1;
}

int conv_transpose2d_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                             fl_ints padding, fl_ints output_padding, int64_t groups,
                             fl_ints dilation, fl_tensor **y)
{
    return convolve_transposed(input, weight, bias, stride, padding, output_padding, groups,
                               dilation, 2, y);
}

int conv_transpose1d_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                             fl_ints padding, fl_ints output_padding, int64_t groups,
                             fl_ints dilation, fl_tensor **y)
{
    return convolve_transposed(input, weight, bias, stride, padding, output_padding, groups,
                               dilation, 1, y);
}

int conv_transpose3d_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                             fl_ints padding, fl_ints output_padding, int64_t groups,
                             fl_ints dilation, fl_tensor **y)
{
    return convolve_transposed(input, weight, bias, stride, padding, output_padding, groups,
                               dilation, 3, y);
}
