/* Pooling as called: of one or two spatial dims, with or without a batch, completed to four dims
 * and pairs. */
#include "ops/pool/pool_calls.h"

#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/pool.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int spread(const char *what, const char *name, fl_ints given, int spatial, int64_t otherwise,
                  int64_t *out)
{
    if (given.count != 1 && given.count != spatial)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: %s must either be a single int, or a tuple of %d ints", what, name,
                         spatial);
    for (int d = 0; d < POOL_DIMS; d++)
        out[d] = otherwise;
    for (int d = 0; d < spatial; d++)
        out[POOL_DIMS - spatial + d] = given.data[given.count == 1 ? 0 : d];
    return 0;
}

int pool_sizes_of(const char *what, fl_ints kernel, fl_ints stride, fl_ints padding,
                  fl_ints dilation, int spatial, struct pool_sizes *p)
{
    static const int64_t one = 1;
    if (dilation.count == 0)
        dilation = (fl_ints){&one, 1};
    if (spread(what, "kernel_size", kernel, spatial, 1, p->kernel) ||
        spread(what, "stride", stride.count ? stride : kernel, spatial, 1, p->stride) ||
        spread(what, "padding", padding, spatial, 0, p->padding) ||
        spread(what, "dilation", dilation, spatial, 1, p->dilation))
        return -1;
    for (int d = 0; d < POOL_DIMS; d++) {
        if (p->kernel[d] <= 0 && strcmp(what, "max_pool1d") == 0)
            return error_set(FL_RUNTIME_ERROR,
                             "max_pool1d() kernel_size must be greater than zero, but got %lld",
                             (long long)p->kernel[d]);
        if (p->stride[d] <= 0)
            return error_set(FL_RUNTIME_ERROR, "stride should not be zero");
        if (p->kernel[d] <= 0)
            return error_set(FL_RUNTIME_ERROR,
                             "kernel size should be greater than zero, but got kH: %lld kW: %lld",
                             (long long)p->kernel[1], (long long)p->kernel[2]);
        if (p->dilation[d] <= 0)
            return error_set(
                FL_RUNTIME_ERROR,
                "dilation should be greater than zero, but got dilationH: %lld dilationW: %lld",
                (long long)p->dilation[1], (long long)p->dilation[2]);
        if (p->padding[d] < 0)
            return error_set(FL_RUNTIME_ERROR, "pad must be non-negative, but got pad: %lld",
                             (long long)p->padding[d]);
        int64_t extent;
        if (__builtin_mul_overflow(p->kernel[d] - 1, p->dilation[d], &extent) ||
            __builtin_add_overflow(extent, 1, &extent))
            return error_set(FL_RUNTIME_ERROR, "integer out of range");
        if (p->padding[d] > extent / 2)
            return error_set(
                FL_RUNTIME_ERROR,
                "pad should be at most half of effective kernel size, but got pad=%lld, "
                "kernel_size=%lld and dilation=%lld",
                (long long)p->padding[d], (long long)p->kernel[d], (long long)p->dilation[d]);
    }
    return 0;
}

fl_tensor *pool_batched(const char *what, fl_tensor *t, int spatial)
{
    char got[128];
    bool fits = t->ndim == spatial + 1 || t->ndim == spatial + 2;
    if (!fits && spatial > 1 && strncmp(what, "max", 3) == 0)
        return error_null(FL_RUNTIME_ERROR,
                          "non-empty %dD or %dD (batch mode) tensor expected for input",
                          spatial + 1, spatial + 2);
    for (int d = t->ndim - spatial - 1; fits && d < t->ndim; d++)
        fits = d < 0 || t->sizes[d] > 0;
    if (!fits)
        return error_null(
            FL_RUNTIME_ERROR,
            "%s: Expected %dD or %dD (batch mode) tensor with optional 0 dim batch size for input, "
            "but got: %s",
            what, spatial + 1, spatial + 2, shape_text(got, sizeof got, t->ndim, t->sizes));
    fl_tensor *y = t->ndim == spatial + 2 ? t : fl_unsqueeze(t, 0);
    return spatial == 1 ? fl_unsqueeze(y, 2) : y;
}

fl_tensor *pool_own_dims(fl_tensor *y, const fl_tensor *t, int spatial)
{
    if (y && spatial == 1)
        y = fl_squeeze_dim(y, 2);
    return y && t->ndim == spatial + 1 ? fl_squeeze_dim(y, 0) : y;
}

/* The last two. */
static fl_ints two(const int64_t *sizes)
{
    return (fl_ints){sizes + POOL_DIMS - 2, 2};
}

static int max_pool(const char *what, fl_tensor *self, fl_ints kernel_size, fl_ints stride,
                    fl_ints padding, fl_ints dilation, bool ceil_mode, int spatial, fl_tensor **y,
                    fl_tensor **indices)
{
    struct pool_sizes p;
    fl_tensor *x = pool_batched(what, self, spatial), *maxima, *where;
    if (!x || pool_sizes_of(what, kernel_size, stride, padding, dilation, spatial, &p) ||
        fl__max_pool2d(x, two(p.kernel), two(p.stride), two(p.padding), two(p.dilation), ceil_mode,
                       &maxima, &where))
        return -1;
    *y = pool_own_dims(maxima, self, spatial);
    if (indices)
        *indices = pool_own_dims(where, self, spatial);
    return *y && (!indices || *indices) ? 0 : -1;
}

int max_pool2d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                       fl_ints dilation, bool ceil_mode, fl_tensor **y)
{
    return max_pool("max_pool2d", self, kernel_size, stride, padding, dilation, ceil_mode, 2, y,
                    NULL);
}

int max_pool1d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                       fl_ints dilation, bool ceil_mode, fl_tensor **y)
{
    if (max_pool("max_pool1d", self, kernel_size, stride, padding, dilation, ceil_mode, 1, y, NULL))
        return -1;
    if (!autograd_mode.grad || !tensor_requires_grad(self)) /* PyTorch's own kernel: row by row */
        *y = fl_contiguous(*y, FORMAT_CONTIGUOUS);
    return *y ? 0 : -1;
}

int max_pool2d_with_indices_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride,
                                    fl_ints padding, fl_ints dilation, bool ceil_mode,
                                    fl_tensor **y, fl_tensor **indices)
{
    return max_pool("max_pool2d", self, kernel_size, stride, padding, dilation, ceil_mode, 2, y,
                    indices);
}

int max_pool1d_with_indices_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride,
                                    fl_ints padding, fl_ints dilation, bool ceil_mode,
                                    fl_tensor **y, fl_tensor **indices)
{
    return max_pool("max_pool1d", self, kernel_size, stride, padding, dilation, ceil_mode, 1, y,
                    indices);
}

static int avg_pool(const char *what, fl_tensor *self, fl_ints kernel_size, fl_ints stride,
                    fl_ints padding, bool ceil_mode, bool count_include_pad,
                    const int64_t *divisor_override, int spatial, fl_tensor **y)
{
    struct pool_sizes p;
    if (divisor_override && *divisor_override == 0)
        return error_set(FL_RUNTIME_ERROR, "divisor must be not zero");
    fl_tensor *x = pool_batched(what, self, spatial);
    if (!x || pool_sizes_of(what, kernel_size, stride, padding, (fl_ints){NULL, 0}, spatial, &p))
        return -1;
    fl_tensor *means = fl__avg_pool2d(x, two(p.kernel), two(p.stride), two(p.padding), ceil_mode,
                                      count_include_pad, divisor_override ? *divisor_override : 0);
    *y = pool_own_dims(means, self, spatial);
    return *y ? 0 : -1;
}

int avg_pool2d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                       bool ceil_mode, bool count_include_pad, const int64_t *divisor_override,
                       fl_tensor **y)
{
    return avg_pool("avg_pool2d", self, kernel_size, stride, padding, ceil_mode, count_include_pad,
                    divisor_override, 2, y);
}

int avg_pool1d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                       bool ceil_mode, bool count_include_pad, fl_tensor **y)
{
    return avg_pool("avg_pool1d", self, kernel_size, stride, padding, ceil_mode, count_include_pad,
                    NULL, 1, y);
}

int pool_output_sizes(const char *what, fl_ints output_size, int spatial, int64_t *out)
{
    if (spread(what, "output_size", output_size, spatial, 1, out))
        return -1;
    char text[96];
    int used = 0;
    if (out[0] >= 0 && out[1] >= 0 && out[2] >= 0)
        return 0;
    /* as PyTorch's operators have them, that of one dim being that of two */
    for (int d = spatial == 3 ? 0 : 1; d < POOL_DIMS; d++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%lld",
                         d == (spatial == 3 ? 0 : 1) ? ""
                         : spatial == 3 && d == 2    ? ","
                                                     : ", ",
                         (long long)out[d]);
    return error_set(
        FL_RUNTIME_ERROR,
        "%s: elements of output_size must be greater than or equal to 0 but received {%s}",
        spatial == 1 ? "adaptive_avg_pool2d" : what, text);
}

static int adaptive_avg_pool(const char *what, fl_tensor *self, fl_ints output_size, int spatial,
                             fl_tensor **y)
{
    int64_t out[POOL_DIMS];
    fl_tensor *x = pool_batched(what, self, spatial);
    if (!x || pool_output_sizes(what, output_size, spatial, out))
        return -1;
    bool whole = out[1] == 1 && out[2] == 1; /* one window: PyTorch's graph shows a mean, too */
    *y = pool_own_dims(whole ? fl_mean_dim(x, (fl_ints){(int64_t[]){2, 3}, 2}, true, FL_NO_DTYPE)
                             : fl__adaptive_avg_pool2d(x, two(out)),
                       self, spatial);
    return *y ? 0 : -1;
}

int adaptive_avg_pool2d_compose(fl_tensor *self, fl_ints output_size, fl_tensor **y)
{
    return adaptive_avg_pool("adaptive_avg_pool2d", self, output_size, 2, y);
}

int adaptive_avg_pool1d_compose(fl_tensor *self, fl_ints output_size, fl_tensor **y)
{
    return adaptive_avg_pool("adaptive_avg_pool1d", self, output_size, 1, y);
}

static int adaptive_max_pool(const char *what, fl_tensor *self, fl_ints output_size, int spatial,
                             fl_tensor **y, fl_tensor **indices)
{
    int64_t out[POOL_DIMS];
    fl_tensor *x = pool_batched(what, self, spatial), *maxima, *where;
    if (!x || pool_output_sizes(what, output_size, spatial, out) ||
        fl__adaptive_max_pool2d(x, two(out), &maxima, &where))
        return -1;
    *y = pool_own_dims(maxima, self, spatial);
    *indices = pool_own_dims(where, self, spatial);
    return *y && *indices ? 0 : -1;
}

int adaptive_max_pool2d_compose(fl_tensor *self, fl_ints output_size, fl_tensor **y,
                                fl_tensor **indices)
{
    return adaptive_max_pool("adaptive_max_pool2d", self, output_size, 2, y, indices);
}

int adaptive_max_pool1d_compose(fl_tensor *self, fl_ints output_size, fl_tensor **y,
                                fl_tensor **indices)
{
    return adaptive_max_pool("adaptive_max_pool1d", self, output_size, 1, y, indices);
}
