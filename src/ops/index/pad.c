/* Padding by a number: the margins are filled slab by slab, the inside is one copy. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int64_t positive(int64_t n)
{
    return n > 0 ? n : 0;
}

/* pad[0], pad[1] are before and after the last dim, pad[2], pad[3] of the one before it, ... */
static int64_t before(fl_ints pad, int ndim, int d)
{
    assert(d >= 0 && d < ndim);
    int64_t at = 2 * (int64_t)(ndim - 1 - d);
    return at < pad.count ? pad.data[at] : 0;
}

static int64_t after(fl_ints pad, int ndim, int d)
{
    assert(d >= 0 && d < ndim);
    int64_t at = 2 * (int64_t)(ndim - 1 - d) + 1;
    return at < pad.count ? pad.data[at] : 0;
}

int constant_pad_nd_shape(fl_tensor *self, fl_ints pad, fl_value value, struct op_shape *y)
{
    (void)value;
    if (pad.count % 2)
        return error_set(FL_RUNTIME_ERROR, "Length of pad must be even but instead it equals %lld",
                         (long long)pad.count);
    if (pad.count > 2 * (int64_t)self->ndim)
        return error_set(FL_RUNTIME_ERROR,
                         "Length of pad should be no more than twice the number of dimensions of "
                         "the input. Pad length is %lldwhile the input has %ddimensions.",
                         (long long)pad.count, self->ndim);
    op_shape_like(y, self);
    for (int d = 0; d < self->ndim; d++) {
        int64_t first = before(pad, self->ndim, d), last = after(pad, self->ndim, d), size;
        if (self->sizes[d] + (first < 0 ? first : 0) + (last < 0 ? last : 0) < 0)
            return error_set(FL_RUNTIME_ERROR, "narrow(): length must be non-negative.");
        if (__builtin_add_overflow(self->sizes[d], first, &size) ||
            __builtin_add_overflow(size, last, &size))
            return error_set(FL_RUNTIME_ERROR, "a padded size exceeds 64 bits");
        y->sizes[d] = size;
    }
    return 0;
}

/* The part of y of these sizes, `offset` elements on. */
static int fill_part(fl_tensor *y, const int64_t *sizes, int64_t offset, fl_value value)
{
    assert(offset >= 0);
    fl_tensor *part = tensor_alias(y, y->ndim, sizes, y->strides, offset);
    int status = part ? tensor_fill(part, value) : -1;
    tensor_release(part);
    return status;
}

int constant_pad_nd_cpu(fl_tensor *self, fl_ints pad, fl_value value, fl_tensor *y)
{
    assert(y->ndim == self->ndim && pad.count % 2 == 0 && pad.count <= 2 * self->ndim);
    int64_t inside[TENSOR_MAX_DIMS], from = self->offset, to = y->offset;
    if (number_check(value, y->dtype))
        return -1;
    memcpy(inside, y->sizes, sizeof *inside * (size_t)y->ndim);
    for (int d = 0; d < y->ndim; d++) {
        int64_t first = before(pad, y->ndim, d), last = after(pad, y->ndim, d);
        int64_t length = y->sizes[d] - positive(first) - positive(last);
        inside[d] = positive(first);
        if (first > 0 && fill_part(y, inside, to, value))
            return -1;
        inside[d] = positive(last);
        if (last > 0 &&
            fill_part(y, inside, to + (positive(first) + length) * y->strides[d], value))
            return -1;
        inside[d] = length;
        to += positive(first) * y->strides[d];
        from += positive(-first) * self->strides[d];
    }
    fl_tensor *source = tensor_alias(self, y->ndim, inside, self->strides, from);
    fl_tensor *target = tensor_alias(y, y->ndim, inside, y->strides, to);
    int status = source && target ? tensor_copy(target, source) : -1;
    tensor_release(source), tensor_release(target);
    return status;
}
