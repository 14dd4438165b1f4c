/* Pools over three spatial dims by those over two, and unpooling.
 *
 * A window is a box: first each slice is pooled over its height and width, then the results over
 * the depth, as planes (D, H' W') with windows of width one. The maximum that comes first in a box
 * comes first in its slice, and its slice first, so that positions are PyTorch's; a mean's divisor
 * is a product of one number a dim.
 */
#include <assert.h>

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/pool.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/pool/pool_calls.h"
#include "ops_kernels.h"

/* Slices (N, C D, H, W) of x (N, C, D, H, W). */
static fl_tensor *slices(fl_tensor *x)
{
    return fl_reshape(x,
                      FL_INTS_OF(x->sizes[0], x->sizes[1] * x->sizes[2], x->sizes[3], x->sizes[4]));
}

/* Results of slices (N, C D, H', W') as planes (N, C, D, H' W'). */
static fl_tensor *columns(fl_tensor *y, const fl_tensor *x)
{
    return y ? fl_reshape(
                   y, FL_INTS_OF(x->sizes[0], x->sizes[1], x->sizes[2], y->sizes[2] * y->sizes[3]))
             : NULL;
}

/* Planes (N, C, D', H' W') as (N, C, D', H', W'), where flat is (.., .., H', W'). */
static fl_tensor *boxes(fl_tensor *y, const fl_tensor *flat)
{
    return y ? fl_reshape(y, FL_INTS_OF(y->sizes[0], y->sizes[1], y->sizes[2], flat->sizes[2],
                                        flat->sizes[3]))
             : NULL;
}

/* The position in (D, H, W) of each maximum: `deep` (N, C, D', P) is its place among (D, P), where
 * `flat` (N, C D, H', W') has the position in (H, W). */
static fl_tensor *positions(fl_tensor *deep, fl_tensor *flat, const fl_tensor *x)
{
    const int64_t N = x->sizes[0], C = x->sizes[1], P = deep->sizes[3];
    fl_tensor *place =
        fl_clamp(fl_reshape(deep, FL_INTS_OF(N, C, deep->sizes[2] * P)), fl_int(0), fl_none());
    fl_tensor *inside =
        fl_gather(fl_reshape(flat, FL_INTS_OF(N, C, x->sizes[2] * P)), 2, place, false);
    fl_tensor *slice = fl_div_tensor_mode_scalar(place, fl_int(P), "floor");
    fl_tensor *before = fl_mul_scalar(slice, fl_int(x->sizes[3] * x->sizes[4]));
    fl_tensor *all = fl_add(inside, before, fl_int(1));
    return all ? boxes(fl_view(all, (fl_ints){deep->sizes, 4}), flat) : NULL;
}

/* Maxima over windows `p`, or where that is NULL over `out` adaptive ones. */
static int max_pool(const char *what, fl_tensor *self, const struct pool_sizes *p,
                    const int64_t *out, bool ceil_mode, fl_tensor **y, fl_tensor **indices)
{
    assert(p || out);
    fl_tensor *x = pool_batched(what, self, 3), *flat, *flat_at, *deep, *deep_at;
    if (!x)
        return -1;
    if (p ? fl__max_pool2d(slices(x), (fl_ints){p->kernel + 1, 2}, (fl_ints){p->stride + 1, 2},
                           (fl_ints){p->padding + 1, 2}, (fl_ints){p->dilation + 1, 2}, ceil_mode,
                           &flat, &flat_at)
          : fl__adaptive_max_pool2d(slices(x), (fl_ints){out + 1, 2}, &flat, &flat_at))
        return -1;
    fl_tensor *planes = columns(flat, x);
    if (!planes)
        return -1;
    if (p ? fl__max_pool2d(planes, FL_INTS_OF(p->kernel[0], 1), FL_INTS_OF(p->stride[0], 1),
                           FL_INTS_OF(p->padding[0], 0), FL_INTS_OF(p->dilation[0], 1), ceil_mode,
                           &deep, &deep_at)
          : fl__adaptive_max_pool2d(planes, FL_INTS_OF(out[0], planes->sizes[3]), &deep, &deep_at))
        return -1;
    *y = fl__keep_format(pool_own_dims(boxes(deep, flat), self, 3), self);
    if (indices)
        *indices = fl__keep_format(pool_own_dims(positions(deep_at, flat_at, x), self, 3), self);
    return *y && (!indices || *indices) ? 0 : -1;
}

int max_pool3d_with_indices_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride,
                                    fl_ints padding, fl_ints dilation, bool ceil_mode,
                                    fl_tensor **y, fl_tensor **indices)
{
    struct pool_sizes p;
    return pool_sizes_of("max_pool3d", kernel_size, stride, padding, dilation, 3, &p)
               ? -1
               : max_pool("max_pool3d", self, &p, NULL, ceil_mode, y, indices);
}

int max_pool3d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                       fl_ints dilation, bool ceil_mode, fl_tensor **y)
{
    return max_pool3d_with_indices_compose(self, kernel_size, stride, padding, dilation, ceil_mode,
                                           y, NULL);
}

int adaptive_max_pool3d_compose(fl_tensor *self, fl_ints output_size, fl_tensor **y,
                                fl_tensor **indices)
{
    int64_t out[POOL_DIMS];
    return pool_output_sizes("adaptive_max_pool3d", output_size, 3, out)
               ? -1
               : max_pool("adaptive_max_pool3d", self, NULL, out, false, y, indices);
}

/* What avg_pool3d is asked, of x (N, C, D, H, W). */
struct mean {
    struct pool_sizes p;
    bool ceil_mode, count_include_pad;
};

/* Sums over boxes divided by a number for slices and one for the depth; 0: by their sizes. */
static fl_tensor *mean(const struct mean *m, fl_tensor *x, int64_t of_slices, int64_t of_depth)
{
    fl_tensor *flat = fl__avg_pool2d(slices(x), (fl_ints){m->p.kernel + 1, 2},
                                     (fl_ints){m->p.stride + 1, 2}, (fl_ints){m->p.padding + 1, 2},
                                     m->ceil_mode, m->count_include_pad, of_slices);
    fl_tensor *planes = columns(flat, x);
    fl_tensor *deep =
        planes ? fl__avg_pool2d(planes, FL_INTS_OF(m->p.kernel[0], 1),
                                FL_INTS_OF(m->p.stride[0], 1), FL_INTS_OF(m->p.padding[0], 0),
                                m->ceil_mode, m->count_include_pad, of_depth)
               : NULL;
    return boxes(deep, flat);
}

/* The same of integers, cut off once: a box's size is how many elements it has over their mean where
 * all are 1. */
static fl_tensor *integral_mean(const struct mean *m, fl_tensor *x, int64_t divisor)
{
    assert(!dtype_is_inexact(x->dtype));
    fl_tensor *sum = mean(m, x, 1, 1);
    if (divisor)
        return sum ? fl_div_tensor_mode_scalar(sum, fl_int(divisor), "trunc") : NULL;
    fl_tensor *ones = fl_ones_like(x, FL_FLOAT64, (fl_device){-1, 0}, false, -1);
    fl_tensor *count = ones ? mean(m, ones, 1, 1) : NULL,
              *part = count ? mean(m, ones, 0, 0) : NULL;
    fl_tensor *size = part ? op_as(fl_round(fl_div(count, part)), x->dtype) : NULL;
    return sum && size ? fl_div_tensor_mode(sum, size, "trunc") : NULL;
}

int avg_pool3d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints stride, fl_ints padding,
                       bool ceil_mode, bool count_include_pad, const int64_t *divisor_override,
                       fl_tensor **y)
{
    struct mean m = {.ceil_mode = ceil_mode, .count_include_pad = count_include_pad};
    const int64_t divisor = divisor_override ? *divisor_override : 0;
    if (divisor_override && divisor == 0)
        return error_set(FL_RUNTIME_ERROR, "divisor must be not zero");
    if (pool_sizes_of("avg_pool3d", kernel_size, stride, padding, (fl_ints){NULL, 0}, 3, &m.p))
        return -1;
    fl_tensor *x = pool_batched("avg_pool3d", op_widen(self), 3);
    if (!x)
        return -1;
    fl_tensor *means = dtype_is_inexact(x->dtype) ? mean(&m, x, divisor ? 1 : 0, divisor)
                                                  : integral_mean(&m, x, divisor);
    *y = means ? op_as(pool_own_dims(means, self, 3), self->dtype) : NULL;
    return *y ? 0 : -1;
}

int adaptive_avg_pool3d_compose(fl_tensor *self, fl_ints output_size, fl_tensor **y)
{
    int64_t out[POOL_DIMS];
    if (pool_output_sizes("adaptive_avg_pool3d", output_size, 3, out))
        return -1;
    fl_tensor *x = pool_batched("adaptive_avg_pool3d", op_widen(self), 3), *means;
    if (!x)
        return -1;
    if (out[0] == 1 && out[1] == 1 && out[2] == 1) {
        means = fl_mean_dim(x, FL_INTS_OF(2, 3, 4), true, FL_NO_DTYPE);
    } else {
        fl_tensor *flat = fl__adaptive_avg_pool2d(slices(x), (fl_ints){out + 1, 2});
        fl_tensor *planes = columns(flat, x);
        means =
            planes
                ? boxes(fl__adaptive_avg_pool2d(planes, FL_INTS_OF(out[0], planes->sizes[3])), flat)
                : NULL;
    }
    *y = op_as(pool_own_dims(means, self, 3), self->dtype);
    return *y ? 0 : -1;
}

/* ---- Unpooling ------------------------------------------------------------------------------- */

static int check_unpool(const char *what, const fl_tensor *self, const fl_tensor *indices,
                        fl_ints output_size, int spatial)
{
    char got[128], wanted[128];
    if (output_size.count != spatial)
        return error_set(FL_RUNTIME_ERROR,
                         "There should be exactly %d elements in output_size, "
                         "but got %lld elements.",
                         spatial, (long long)output_size.count);
    if (self->ndim != spatial + 1 && self->ndim != spatial + 2)
        return error_set(FL_RUNTIME_ERROR,
                         "Input to max_unpooling%dd should be a %dd or %dd Tensor, but got a "
                         "tensor with %d dimensions",
                         spatial, spatial + 1, spatial + 2, self->ndim);
    if (indices->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR, "elements in indices should be type int64 but got: %s",
                         dtype_title(indices->dtype));
    if (!shape_equal(self, indices))
        return error_set(FL_RUNTIME_ERROR,
                         "Expected shape of indices to be same as that of the input tensor (%s) "
                         "but got indices tensor with shape: %s",
                         shape_text(wanted, sizeof wanted, self->ndim, self->sizes),
                         shape_text(got, sizeof got, indices->ndim, indices->sizes));
    for (int d = self->ndim - spatial; d < self->ndim; d++)
        if (self->sizes[d] == 0)
            return error_set(FL_RUNTIME_ERROR, "%s: input has no elements along dimension %d", what,
                             d);
    for (int d = 0; d < spatial; d++)
        if (output_size.data[d] < 0)
            return error_set(FL_RUNTIME_ERROR, "%s: output_size must not be negative", what);
    return 0;
}

/* Each element to its place in a plane of zeros. */
static int unpool(const char *what, fl_tensor *self, fl_tensor *indices, fl_ints output_size,
                  int spatial, fl_tensor **y)
{
    assert(spatial == 2 || spatial == 3);
    if (check_unpool(what, self, indices, output_size, spatial))
        return -1;
    const int lead = self->ndim - spatial;
    int64_t sizes[TENSOR_MAX_DIMS], planes = 1, size = 1;
    for (int d = 0; d < self->ndim; d++) {
        sizes[d] = d < lead ? self->sizes[d] : output_size.data[d - lead];
        planes *= d < lead ? sizes[d] : 1;
    }
    if (shape_numel(self->ndim, sizes) < 0)
        return -1;
    for (int d = 0; d < spatial; d++)
        size *= output_size.data[d];
    const fl_tensor *seen = op_look(indices);
    fl_tensor *at = seen ? tensor_contiguous(seen) : NULL;
    for (int64_t i = 0; at && i < at->numel; i++) {
        int64_t place = ((int64_t *)tensor_data(at))[i];
        if (place >= 0 && place < size)
            continue;
        tensor_release(at);
        return error_set(FL_RUNTIME_ERROR,
                         "Found an invalid max index: %lld (output volumes are of size %lld)",
                         (long long)place, (long long)size);
    }
    tensor_release(at);
    fl_ints flat = FL_INTS_OF(planes, planes ? self->numel / planes : 0);
    fl_tensor *room =
        fl_zeros(FL_INTS_OF(planes, size), (fl_dtype)self->dtype, (fl_device){-1, 0}, false);
    fl_tensor *filled =
        room && at ? fl_scatter(room, 1, fl_reshape(indices, flat), fl_reshape(self, flat)) : NULL;
    *y = filled ? fl_view(filled, (fl_ints){sizes, self->ndim}) : NULL;
    return *y ? 0 : -1;
}

int max_unpool2d_compose(fl_tensor *self, fl_tensor *indices, fl_ints output_size, fl_tensor **y)
{
    return unpool("max_unpool2d", self, indices, output_size, 2, y);
}

int max_unpool3d_compose(fl_tensor *self, fl_tensor *indices, fl_ints output_size, fl_ints stride,
                         fl_ints padding, fl_tensor **y)
{
    (void)padding;
    for (int64_t d = 0; d < stride.count; d++)
        if (stride.data[d] <= 0)
            return error_set(FL_RUNTIME_ERROR, "strides should be greater than zero");
    return unpool("max_unpool3d", self, indices, output_size, 3, y);
}
