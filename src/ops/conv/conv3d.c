/* Convolutions of three spatial dims by those of two.
 *
 * The filter's taps along the depth become channels: each output slice is a 2-d convolution of the
 * kT input slices under it, of C kT channels. Its transpose gives each input slice's part in kT
 * output slices, which are added up. So whatever conv2d does fast is fast here, and the derivatives
 * are those of its parts.
 */
#include <stdio.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/conv.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/conv/conv_window.h"
#include "ops/op.h"

static fl_tensor *shaped(fl_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return t ? fl_reshape(t, FL_INTS_OF(a, b, c, d)) : NULL;
}

/* The filter (K, C, kT, R, S) as one of two dims, (K, C kT, R, S). */
static fl_tensor *flat_filter(fl_tensor *w)
{
    return shaped(w, w->sizes[0], w->sizes[1] * w->sizes[2], w->sizes[3], w->sizes[4]);
}

int conv_refuse_output_padding(const struct conv_window *w, int spatial)
{
    static const char *const NAMES[] = {"depth", "height", "width"};
    const int64_t *of[] = {w->output_padding, w->stride, w->dilation};
    static const char *const WHAT[] = {"output_padding", "stride", "dilation"};
    char text[512];
    int n = 0;
    for (int k = 0; k < 3; k++)
        for (int d = 0; d < spatial; d++)
            n += snprintf(text + n, sizeof text - (size_t)n, " %s_%s: %lld", WHAT[k],
                          NAMES[3 - spatial + d], (long long)of[k][d]);
    return error_set(FL_RUNTIME_ERROR,
                     "output padding must be smaller than either stride or dilation, but got%s",
                     text);
}

/* x, padded along its depth alone, must hold the filter along all dims. */
static int check_room(const fl_tensor *x, const fl_tensor *weight, const struct conv_window *w)
{
    long long have[3], need[3];
    bool fits = true;
    for (int d = 0; d < 3; d++) {
        have[d] = x->sizes[2 + d] + (d ? 2 * w->padding[d] : 0);
        need[d] = w->dilation[d] * (weight->sizes[2 + d] - 1) + 1;
        fits &= have[d] >= need[d];
    }
    return fits
               ? 0
               : error_set(FL_RUNTIME_ERROR,
                           "Calculated padded input size per channel: (%lld x %lld x %lld). Kernel "
                           "size: (%lld x %lld x %lld). Kernel size can't be greater than actual "
                           "input size",
                           have[0], have[1], have[2], need[0], need[1], need[2]);
}

int conv3d_forward(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                   const struct conv_window *w, int64_t groups, fl_tensor **y)
{
    const bool batched = input->ndim == 5;
    const int64_t taps = weight->sizes[2], reach = w->dilation[0] * (taps - 1) + 1;
    /* bias, weight, input: gradients reach what was made last first, as from PyTorch's one node */
    if (bias && tensor_requires_grad(bias))
        bias = fl_view(bias, (fl_ints){bias->sizes, bias->ndim});
    fl_tensor *filter = flat_filter(weight), *x = batched ? input : fl_unsqueeze(input, 0);
    if (x && w->padding[0])
        x = fl_constant_pad_nd(x, FL_INTS_OF(0, 0, 0, 0, w->padding[0], w->padding[0]), fl_int(0));
    if (!x || !filter || check_room(x, weight, w))
        return -1;
    const int64_t N = x->sizes[0], C = x->sizes[1], H = x->sizes[3], W = x->sizes[4];
    x = fl_unfold(x, 2, reach, w->stride[0]); /* (N, C, D', H, W, reach) */
    if (x && w->dilation[0] > 1)
        x = fl_slice(x, 5, NULL, NULL, w->dilation[0]);
    const int64_t depth = x ? x->sizes[2] : 0;
    x = x ? fl_permute(x, FL_INTS_OF(0, 2, 1, 5, 3, 4)) : NULL;
    fl_tensor *result =
        fl_conv2d(shaped(x, N * depth, C * taps, H, W), filter, bias, (fl_ints){w->stride + 1, 2},
                  (fl_ints){w->padding + 1, 2}, (fl_ints){w->dilation + 1, 2}, groups);
    if (!result)
        return -1;
    result = fl_reshape(result,
                        FL_INTS_OF(N, depth, result->sizes[1], result->sizes[2], result->sizes[3]));
    result = result ? fl_contiguous(fl_transpose(result, 1, 2), -1) : NULL;
    *y = result && !batched ? fl_squeeze_dim(result, 0) : result;
    return *y ? 0 : -1;
}

/* Parts (N, C, D, taps, H, W) added up along the depth: part t of slice d goes to d stride + t
 * dilation. */
static fl_tensor *add_slices(fl_tensor *parts, const struct conv_window *w)
{
    const int64_t D = parts->sizes[2], taps = parts->sizes[3], rows = D * taps;
    fl_tensor *index = op_adopt(tensor_new(1, &rows, FL_INT64));
    if (!index)
        return NULL;
    for (int64_t i = 0; i < rows; i++)
        ((int64_t *)tensor_data(index))[i] = i / taps * w->stride[0] + i % taps * w->dilation[0];
    if (!(index = op_beside(index, parts)))
        return NULL;
    const int64_t whole = (D - 1) * w->stride[0] + w->dilation[0] * (taps - 1) + 1;
    const int64_t after = w->output_padding[0], kept = whole - 2 * w->padding[0] + after;
    const int64_t N = parts->sizes[0], C = parts->sizes[1];
    const int64_t H = parts->sizes[4], W = parts->sizes[5];
    fl_tensor *room = fl_zeros(FL_INTS_OF(N, C, whole + after, H, W), (fl_dtype)parts->dtype,
                               (fl_device){-1, 0}, false);
    fl_tensor *sum = room ? fl_index_add(room, 2, index,
                                         fl_reshape(parts, FL_INTS_OF(N, C, rows, H, W)), fl_int(1))
                          : NULL;
    return sum ? fl_contiguous(fl_narrow(sum, 2, w->padding[0], kept), -1) : NULL;
}

/* A transposed convolution's result along a dim. */
static long long reach_of(const fl_tensor *x, const fl_tensor *weight, const struct conv_window *w,
                          int d)
{
    return (x->sizes[2 + d] - 1) * w->stride[d] - 2 * w->padding[d] +
           w->dilation[d] * (weight->sizes[2 + d] - 1) + w->output_padding[d] + 1;
}

int conv3d_transposed(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                      const struct conv_window *w, int64_t groups, fl_tensor **y)
{
    const bool batched = input->ndim == 5;
    const int64_t taps = weight->sizes[2], K = weight->sizes[1] * groups;
    fl_tensor *x = batched ? input : fl_unsqueeze(input, 0);
    if (!x)
        return -1;
    const int64_t N = x->sizes[0], C = x->sizes[1], D = x->sizes[2];
    const int64_t kept = reach_of(x, weight, w, 0);
    if (w->output_padding[0] >= w->stride[0] && w->output_padding[0] >= w->dilation[0])
        return conv_refuse_output_padding(w, 3);
    if (kept < 1)
        return error_set(
            FL_RUNTIME_ERROR,
            "Given input size per channel: (%lld x %lld x %lld). Calculated output size "
            "per channel: (%lld x %lld x %lld). Output size is too small",
            (long long)D, (long long)x->sizes[3], (long long)x->sizes[4], (long long)kept,
            reach_of(x, weight, w, 1), reach_of(x, weight, w, 2));
    fl_tensor *added = bias ? fl_view(bias, FL_INTS_OF(-1, 1, 1, 1)) : NULL,
              *filter = flat_filter(weight);
    fl_tensor *slices = shaped(fl_transpose(x, 1, 2), N * D, C, x->sizes[3], x->sizes[4]);
    fl_tensor *parts = fl_conv_transpose2d(
        slices, filter, NULL, (fl_ints){w->stride + 1, 2}, (fl_ints){w->padding + 1, 2},
        (fl_ints){w->output_padding + 1, 2}, groups, (fl_ints){w->dilation + 1, 2});
    if (!parts)
        return -1;
    parts = fl_reshape(parts, FL_INTS_OF(N, D, K, taps, parts->sizes[2], parts->sizes[3]));
    parts = parts ? fl_permute(parts, FL_INTS_OF(0, 2, 1, 3, 4, 5)) : NULL;
    fl_tensor *result = parts ? add_slices(parts, w) : NULL;
    if (result && bias)
        result = added ? fl_add(result, added, fl_int(1)) : NULL;
    *y = result && !batched ? fl_squeeze_dim(result, 0) : result;
    return *y ? 0 : -1;
}
