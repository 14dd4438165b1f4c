/* Windows of images as columns, and back. */

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

struct windows {
    const int64_t *kernel, *dilation, *padding, *stride;
    int64_t count[2]; /* how many fit down and across */
    int64_t taps;     /* the places of one */
};

static int refuse_two(const char *what, const char *name, const int64_t *two)
{
    return error_set(FL_RUNTIME_ERROR, "%s, but got %s_height: %lld %s_width: %lld", what, name,
                     (long long)two[0], name, (long long)two[1]);
}

static int count_windows(struct windows *w, const int64_t *size, fl_ints kernel, fl_ints dilation,
                         fl_ints padding, fl_ints stride)
{
    *w = (struct windows){kernel.data, dilation.data, padding.data, stride.data, {0, 0}, 0};
    for (int d = 0; d < 2; d++) {
        if (w->kernel[d] <= 0)
            return refuse_two("kernel size should be greater than zero", "kernel", w->kernel);
        if (w->dilation[d] <= 0)
            return refuse_two("dilation should be greater than zero", "dilation", w->dilation);
        if (w->stride[d] <= 0)
            return refuse_two("stride should be greater than zero", "stride", w->stride);
        if (w->padding[d] < 0)
            return refuse_two("padding should be non-negative", "pad", w->padding);
        int64_t extent, room;
        if (__builtin_mul_overflow(w->kernel[d] - 1, w->dilation[d], &extent) ||
            __builtin_mul_overflow(w->padding[d], 2, &room) ||
            __builtin_add_overflow(room, size[d], &room) ||
            __builtin_sub_overflow(room, extent, &room))
            return error_set(FL_RUNTIME_ERROR, "integer out of range");
        w->count[d] = room < 1 ? 0 : (room - 1) / w->stride[d] + 1;
    }
    if (__builtin_mul_overflow(w->kernel[0], w->kernel[1], &w->taps))
        return error_set(FL_RUNTIME_ERROR,
                         "Given kernel_width = %lld and kernel_height = %lld the product of "
                         "kernel_width and kernel_height overflowed.",
                         (long long)w->kernel[1], (long long)w->kernel[0]);
    return 0;
}

/* The elements of t (N, C, H, W), padded, that stand at place (i, j) of every window. */
static fl_tensor *at_place(fl_tensor *t, const struct windows *w, int64_t i, int64_t j)
{
    assert(i >= 0 && i < w->kernel[0] && j >= 0 && j < w->kernel[1]);
    const int64_t place[2] = {i, j};
    for (int d = 0; d < 2; d++) {
        const int64_t start = place[d] * w->dilation[d];
        const int64_t end = start + w->stride[d] * (w->count[d] - 1) + 1;
        t = fl_slice(t, d + 2, &start, &end, w->stride[d]);
    }
    return t;
}

int unfold_windows_compose(fl_tensor *input, fl_ints kernel_size, fl_ints dilation, fl_ints padding,
                           fl_ints stride, fl_tensor **y)
{
    char got[128];
    struct windows w;
    fl_tensor *t = input->ndim == 3 ? fl_unsqueeze(input, 0) : input;
    bool fits = t && t->ndim == 4;
    for (int d = 1; fits && d < 4; d++)
        fits = t->sizes[d] > 0;
    if (!fits)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and "
                         "other non-zero dimensions for input, but got: %s",
                         shape_text(got, sizeof got, input->ndim, input->sizes));
    if (count_windows(&w, t->sizes + 2, kernel_size, dilation, padding, stride))
        return -1;
    const int64_t kh = w.kernel[0], kw = w.kernel[1];
    if (w.count[0] < 1 || w.count[1] < 1)
        return error_set(FL_RUNTIME_ERROR,
                         "Given input with spatial size (%lld, %lld), kernel_size=(%lld, %lld), "
                         "dilation=(%lld, %lld), padding=(%lld, %lld), calculated shape of the "
                         "array of sliding blocks as (%lld, %lld), but its components must be at "
                         "least one.",
                         (long long)t->sizes[2], (long long)t->sizes[3], (long long)kh,
                         (long long)kw, (long long)w.dilation[0], (long long)w.dilation[1],
                         (long long)w.padding[0], (long long)w.padding[1], (long long)w.count[0],
                         (long long)w.count[1]);
    const int64_t pads[] = {w.padding[1], w.padding[1], w.padding[0], w.padding[0]};
    fl_tensor *padded = fl_constant_pad_nd(t, (fl_ints){pads, 4}, fl_int(0));
    fl_value list;
    fl_tensor **part = op_list(&list, w.taps);
    if (!part)
        return -1;
    for (int64_t i = 0; i < w.taps; i++)
        part[i] = at_place(padded, &w, i / kw, i % kw);
    const int64_t shape[] = {t->sizes[0], t->sizes[1] * w.taps, w.count[0] * w.count[1]};
    fl_tensor *columns = fl_reshape(op_stacked(part, w.taps, 2), (fl_ints){shape, 3});
    columns = columns ? fl_contiguous(columns, FORMAT_CONTIGUOUS) : NULL;
    op_list_drop(&list);
    return op_give(y, input->ndim == 3 ? fl_squeeze_dim(columns, 0) : columns);
}

int fold_compose(fl_tensor *input, fl_ints output_size, fl_ints kernel_size, fl_ints dilation,
                 fl_ints padding, fl_ints stride, fl_tensor **y)
{
    char got[128];
    struct windows w;
    fl_tensor *t = input->ndim == 2 ? fl_unsqueeze(input, 0) : input;
    if (!t || count_windows(&w, output_size.data, kernel_size, dilation, padding, stride))
        return -1;
    const int64_t kh = w.kernel[0], kw = w.kernel[1], height = output_size.data[0],
                  width = output_size.data[1];
    if (t->ndim == 3 && t->sizes[1] % w.taps)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected size of input's dimension 1 to be divisible by the product of "
                         "kernel_size, but got input.size(1)=%lld and kernel_size=(%lld, %lld).",
                         (long long)t->sizes[1], (long long)kh, (long long)kw);
    if (t->ndim == 3 && w.count[0] >= 1 && w.count[1] >= 1 &&
        t->sizes[2] != w.count[0] * w.count[1])
        return error_set(
            FL_RUNTIME_ERROR,
            "Given output_size=(%lld, %lld), kernel_size=(%lld, %lld), dilation=(%lld, %lld), "
            "padding=(%lld, %lld), stride=(%lld, %lld), expected size of input's dimension 2 to "
            "match the calculated number of sliding blocks %lld * %lld = %lld, but got "
            "input.size(2)=%lld.",
            (long long)height, (long long)width, (long long)kh, (long long)kw,
            (long long)w.dilation[0], (long long)w.dilation[1], (long long)w.padding[0],
            (long long)w.padding[1], (long long)w.stride[0], (long long)w.stride[1],
            (long long)w.count[0], (long long)w.count[1], (long long)(w.count[0] * w.count[1]),
            (long long)t->sizes[2]);
    if (t->ndim != 3 || w.count[0] < 1 || w.count[1] < 1)
        return error_set(FL_RUNTIME_ERROR,
                         "Given output_size=(%lld, %lld), kernel_size=(%lld, %lld), expected input "
                         "of shape (N, C * %lld, %lld), but got %s",
                         (long long)height, (long long)width, (long long)kh, (long long)kw,
                         (long long)w.taps, (long long)(w.count[0] * w.count[1]),
                         shape_text(got, sizeof got, input->ndim, input->sizes));
    const int64_t N = t->sizes[0], C = t->sizes[1] / w.taps;
    const int64_t shape[] = {N, C, w.taps, w.count[0], w.count[1]};
    const int64_t whole[] = {N, C, height + 2 * w.padding[0], width + 2 * w.padding[1]};
    fl_tensor *parts = fl_reshape(t, (fl_ints){shape, 5});
    fl_tensor *sum = fl_new_zeros(t, (fl_ints){whole, 4}, FL_NO_DTYPE, (fl_device){-1, 0}, false);
    for (int64_t i = 0; sum && i < w.taps; i++)
        if (!fl_add_(at_place(sum, &w, i / kw, i % kw), fl_select(parts, 2, i), fl_int(1)))
            return -1;
    if (w.padding[0] || w.padding[1]) {
        sum = fl_narrow(fl_narrow(sum, 2, w.padding[0], height), 3, w.padding[1], width);
        sum = sum ? fl_contiguous(sum, FORMAT_CONTIGUOUS) : NULL;
    }
    return op_give(y, input->ndim == 2 ? fl_squeeze_dim(sum, 0) : sum);
}
