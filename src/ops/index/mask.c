/* Masks: their positions, and reading and writing by them. */
#include <assert.h>

#include "core/device.h"
#include "core/error.h"
#include "core/iterate.h"
#include "core/sound.h"
#include "core/threads.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/view.h"
#include "ops/index/index.h"
#include "ops/index/places.h"
#include "ops/op.h"
#include "ops/place.h"
#include "ops_kernels.h"
#include "ops_table.h"

/* ---- positions ---- */

/* t as contiguous bytes: 0 is false, all else true (memory of others may hold any byte). */
static fl_tensor *as_truth(const fl_tensor *t)
{
    return tensor_as(t, FL_BOOL);
}

static int64_t count_truth(const fl_tensor *truth)
{
    assert(truth->dtype == FL_BOOL && tensor_is_flat(truth));
    enum { BLOCK = 4096 }; /* counted in few bits, which vectors hold more of */
    const uint8_t *byte = tensor_data(truth);
    int64_t count = 0;
    for (int64_t i = 0; i < truth->numel; i += BLOCK) {
        const int64_t end = truth->numel - i < BLOCK ? truth->numel : i + BLOCK;
        uint16_t part = 0;
        for (int64_t k = i; k < end; k++)
            part = (uint16_t)(part + (byte[k] != 0));
        count += part;
    }
    return count;
}

int64_t mask_count(const fl_tensor *t)
{
    fl_tensor *truth = as_truth(t);
    int64_t count = truth ? count_truth(truth) : -1;
    tensor_release(truth);
    return count;
}

/* The `count` positions, one each `step` words, their dims `pitch` words apart. Each element's is
 * written to the next place, which moves on where it is true: no branch to guess. */
static void write_positions(const fl_tensor *truth, int64_t count, int64_t *out, int64_t step,
                            int64_t pitch)
{
    assert(count >= 0 && count <= truth->numel);
    assert(truth->dtype == FL_BOOL && tensor_is_flat(truth));
    int64_t at[TENSOR_MAX_DIMS] = {0}, left = count;
    const int last = truth->ndim - 1;
    const int64_t row = last < 0 ? 0 : truth->sizes[last];
    const uint8_t *byte = tensor_data(truth);
    if (last == 0 && step == 1) { /* the last place that is true has none behind it to write */
        int64_t end = row;
        while (end > 0 && !byte[end - 1])
            end--;
        if (end)
            places_true(end - 1, byte, 0, out), out[count - 1] = end - 1;
        return;
    }
    while (left > 0 && row > 0) {
        for (int64_t i = 0; i < row && left > 0; i++) {
            for (int d = 0; d < last; d++)
                out[d * pitch] = at[d];
            out[last * pitch] = i;
            out += byte[i] ? step : 0;
            left -= byte[i] != 0;
        }
        byte += row;
        for (int d = last - 1; d >= 0 && ++at[d] == truth->sizes[d]; d--)
            at[d] = 0;
    }
}

fl_tensor *mask_positions(const fl_tensor *t)
{
    fl_tensor *truth = as_truth(t);
    if (!truth)
        return NULL;
    fl_tensor *y = tensor_new(2, (int64_t[]){count_truth(truth), t->ndim}, FL_INT64);
    if (y)
        write_positions(truth, y->sizes[0], tensor_data(y), t->ndim, 1);
    tensor_release(truth);
    return y;
}

int index_warn_expanded(const fl_tensor *self, const char *what, const char *example)
{
    bool expanded = false;
    for (int d = 0; d < self->ndim; d++)
        expanded |= self->sizes[d] > 1 && self->strides[d] == 0;
    return !expanded
               ? 0
               : warning_give("Use of %s on expanded tensors is deprecated. Please clone() the "
                              "tensor before performing this operation. This also applies to "
                              "advanced indexing e.g. %s",
                              what, example);
}

int nonzero_shape(fl_tensor *self, struct op_shape *y)
{
    if (tensor_is_meta(self))
        return place_refuse_meta(&op_nonzero);
    const int64_t count = self->flags & TENSOR_ELSEWHERE ? place_count(self) : mask_count(self);
    op_shape_set(y, 2, (int64_t[]){count, self->ndim});
    y->strided = true; /* a column a dim, as PyTorch has it */
    y->strides[0] = 1, y->strides[1] = count;
    return count < 0 ? -1 : 0;
}

int nonzero_cpu(fl_tensor *self, fl_tensor *y)
{
    assert(y->dtype == FL_INT64 && y->ndim == 2 && y->sizes[1] == self->ndim);
    fl_tensor *truth = as_truth(self);
    if (truth)
        write_positions(truth, y->sizes[0], tensor_data(y), 1, y->strides[1]);
    tensor_release(truth);
    return truth ? 0 : -1;
}

int nonzero_as_tuple_compose(fl_tensor *self, bool as_tuple, fl_tensor **positions,
                             fl_value *columns)
{
    return as_tuple ? fl_where_condition(self, columns) : op_give(positions, fl_nonzero(self));
}

/* ---- reading and writing ---- */

#define READ(type)                                                                                 \
    for (int64_t i = 0, k = 0; k < count; i++) {                                                   \
        ((type *)to)[k] = ((const type *)from)[i];                                                 \
        k += byte[i] != 0;                                                                         \
    }

int mask_read(const fl_tensor *self, const fl_tensor *mask, fl_tensor *y)
{
    fl_tensor *dense = tensor_contiguous(self), *truth = dense ? as_truth(mask) : NULL;
    if (truth) {
        const int64_t run = truth->numel ? dense->numel / truth->numel : 0;
        const int64_t count = run ? y->numel / run : 0;
        const size_t bytes = dtype_size(y->dtype) * (size_t)run;
        const uint8_t *byte = tensor_data(truth);
        const char *from = tensor_data(dense);
        char *to = tensor_data(y);
        if (bytes == 1)
            READ(uint8_t)
        else if (bytes == 4)
            READ(uint32_t)
        else if (bytes == 8)
            READ(uint64_t)
        else
            for (int64_t i = 0, k = 0; k < count; i++)
                if (byte[i])
                    memcpy(to + (size_t)k++ * bytes, from + (size_t)i * bytes, bytes);
    }
    tensor_release(dense), tensor_release(truth);
    return truth ? 0 : -1;
}

struct filling {
    char *to;
    const uint8_t *marks;
    const void *element;
    int64_t n, size;
};

enum { FILL_CHUNK = 1 << 16 };

#define FILL(type)                                                                                 \
    {                                                                                              \
        type x, *t = (type *)f->to;                                                                \
        memcpy(&x, f->element, sizeof x);                                                          \
        for (int64_t i = begin; i < end; i++)                                                      \
            t[i] = f->marks[i] ? x : t[i];                                                         \
    }

static void fill_chunk(void *context, int64_t chunk)
{
    const struct filling *f = context;
    const int64_t begin = chunk * FILL_CHUNK,
                  end = f->n - begin < FILL_CHUNK ? f->n : begin + FILL_CHUNK;
    if (f->size == 1)
        FILL(uint8_t)
    else if (f->size == 2)
        FILL(uint16_t)
    else if (f->size == 4)
        FILL(uint32_t)
    else if (f->size == 8)
        FILL(uint64_t)
    else
        for (int64_t i = begin; i < end; i++)
            if (f->marks[i])
                memcpy(f->to + i * f->size, f->element, (size_t)f->size);
}

int mask_fill(fl_tensor *self, const fl_tensor *mask, const void *element)
{
    fl_tensor *truth = as_truth(mask);
    if (!truth)
        return -1;
    struct filling f = {tensor_data(self), tensor_data(truth), element, self->numel,
                        (int64_t)dtype_size(self->dtype)};
    threads_for((f.n + FILL_CHUNK - 1) / FILL_CHUNK, fill_chunk, &f);
    tensor_release(truth);
    return 0;
}

static int check_mask(const fl_tensor *mask, const char *what)
{
    if (mask->dtype == FL_BOOL)
        return 0;
    error_set(FL_RUNTIME_ERROR, "%s only supports boolean masks, but got mask with dtype %s", what,
              dtype_cpp_name(mask->dtype));
    return error_hint("compare first, for example mask = x > 0, or mask.bool()",
                      "请先做比较，例如 mask = x > 0，或用 mask.bool()");
}

/* t seen with the sizes of `like`, with strides of 0 where it is broadcast; NULL with the error. */
static fl_tensor *expand_to(const fl_tensor *t, const fl_tensor *like)
{
    struct op_view v;
    if (expand_view((fl_tensor *)t, (fl_ints){like->sizes, like->ndim}, true, &v))
        return NULL;
    return tensor_alias(t, v.ndim, v.sizes, v.strides, v.offset);
}

/* The mask as bytes, broadcast to self and contiguous. */
static fl_tensor *mask_for(const fl_tensor *mask, const fl_tensor *self)
{
    fl_tensor *spread = expand_to(mask, self), *dense = spread ? tensor_contiguous(spread) : NULL;
    tensor_release(spread);
    return dense;
}

void mask_write(fl_tensor *t, const fl_tensor *from, const uint8_t *marks)
{
    assert(from->dtype == t->dtype && tensor_is_flat(from));
    int64_t at[TENSOR_MAX_DIMS] = {0}, offset = 0;
    size_t bytes = dtype_size(t->dtype);
    const char *source = tensor_data(from);
    char *to = tensor_data(t);
    for (int64_t i = 0; i < t->numel; i++) {
        if (marks[i])
            index_move(to + offset * (int64_t)bytes, source + (size_t)i * bytes, bytes);
        for (int d = t->ndim - 1; d >= 0; d--) {
            offset += t->strides[d];
            if (++at[d] < t->sizes[d])
                break;
            offset -= at[d] * t->strides[d], at[d] = 0;
        }
    }
}

const char *masked_fill_title(fl_tensor *self, fl_tensor *mask, fl_value value)
{
    (void)self, (void)mask;
    bool number = value.tag != FL_TENSOR || value.as.tensor->flags & TENSOR_WRAPPED_NUMBER;
    return number ? "MaskedFillBackward0" : "MaskedFillBackward1";
}

/* Into *sizes what both are broadcast to; the number of dims, or -1 with the error, which tells of
 * `first` first. */
static int common_sizes(const fl_tensor *first, const fl_tensor *second,
                        int64_t sizes[TENSOR_MAX_DIMS])
{
    int ndim = first->ndim;
    for (int d = 0; d < ndim; d++)
        sizes[d] = first->sizes[d];
    return shape_broadcast(&ndim, sizes, second->ndim, second->sizes) ? -1 : ndim;
}

int masked_fill__cpu(fl_tensor *self, fl_tensor *mask, fl_tensor *value)
{
    if (check_mask(mask, "masked_fill_") ||
        index_warn_expanded(self, "masked_fill_", "tensor[mask] = scalar"))
        return -1;
    if (value->ndim != 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %d "
            "dimension(s).",
            value->ndim);
    fl_value number = tensor_number(value, 0);
    int64_t sizes[TENSOR_MAX_DIMS];
    const int ndim = common_sizes(self, mask, sizes);
    if (number_check(number, self->dtype) || ndim < 0)
        return -1;
    for (int d = 0; d < ndim; d++)
        if (ndim != self->ndim || sizes[d] != self->sizes[d])
            return shape_refuse(self, ndim, sizes);
    fl_tensor *where = mask_for(mask, self), *one = tensor_from_number(number, self->dtype);
    fl_tensor *into = where && one ? tensor_contiguous(self) : NULL;
    int status = into ? mask_fill(into, where, tensor_data(one)) : -1;
    if (status == 0 && into != self)
        mask_write(self, into, tensor_data(where));
    tensor_release(where), tensor_release(one), tensor_release(into);
    return status;
}

/* A copy of self that has a place for each element of the mask; NULL with the error. */
static fl_tensor *copy_for(fl_tensor *self, const fl_tensor *mask)
{
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim = common_sizes(mask, self, sizes);
    return ndim < 0 ? NULL : fl_clone(fl_expand(self, (fl_ints){sizes, ndim}, false), 0);
}

int masked_fill_compose(fl_tensor *self, fl_tensor *mask, fl_value value, fl_tensor **y)
{
    fl_tensor *copy = copy_for(self, mask);
    *y = value.tag == FL_TENSOR ? fl_masked_fill_(copy, mask, value.as.tensor)
                                : fl_masked_fill_scalar_(copy, mask, value);
    return *y ? 0 : -1;
}

int masked_select_compose(fl_tensor *self, fl_tensor *mask, fl_tensor **y)
{
    if (mask->dtype != FL_BOOL)
        return error_set(FL_RUNTIME_ERROR, "masked_select: expected BoolTensor for mask");
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim = common_sizes(mask, self, sizes);
    if (ndim < 0)
        return -1;
    if (ndim == 0)
        sizes[ndim++] = 1;
    fl_tensor *from = fl_expand(self, (fl_ints){sizes, ndim}, false),
              *where = fl_expand(mask, (fl_ints){sizes, ndim}, false);
    *y = from && where ? fl_index(from, (fl_tensors){&where, 1}) : NULL;
    return *y ? 0 : -1;
}

int masked_scatter__cpu(fl_tensor *self, fl_tensor *mask, fl_tensor *source)
{
    if (mask->dtype == FL_UINT8 &&
        warning_give("masked_scatter_ received a mask with dtype torch.uint8, this behavior is now "
                     "deprecated,please use a mask with dtype torch.bool instead."))
        return -1;
    if (mask->dtype != FL_BOOL)
        return error_set(FL_RUNTIME_ERROR,
                         "masked_scatter_ only supports boolean masks, but got mask with dtype %s",
                         dtype_title(mask->dtype));
    if (source->dtype != self->dtype)
        return error_set(
            FL_RUNTIME_ERROR,
            "masked_scatter: expected self and source to have same dtypes but got%s and %s",
            dtype_title(self->dtype), dtype_title(source->dtype));
    if (tensor_check_written(self))
        return -1;
    fl_tensor *where = mask_for(mask, self), *from = where ? tensor_contiguous(source) : NULL;
    fl_tensor *into = from ? tensor_contiguous(self) : NULL;
    int status = into ? 0 : -1;
    size_t bytes = dtype_size(self->dtype);
    if (status == 0 && count_truth(where) > source->numel)
        status =
            error_set(FL_RUNTIME_ERROR, "Number of elements of source < number of ones in mask");
    const uint8_t *picked = into ? tensor_data(where) : NULL;
    const char *next = into ? tensor_data(from) : NULL;
    char *to = into ? tensor_data(into) : NULL;
    for (int64_t i = 0; status == 0 && i < into->numel; i++)
        if (picked[i]) {
            index_move(to + (size_t)i * bytes, next, bytes);
            next += bytes;
        }
    if (status == 0 && into != self)
        status = tensor_copy(self, into);
    tensor_release(where), tensor_release(from), tensor_release(into);
    return status;
}

int masked_scatter_compose(fl_tensor *self, fl_tensor *mask, fl_tensor *source, fl_tensor **y)
{
    *y = fl_masked_scatter_(copy_for(self, mask), mask, source);
    return *y ? 0 : -1;
}

int masked_scatter_backward_compose(fl_tensor *g, fl_tensor *mask, fl_ints size, fl_tensor **y)
{
    fl_tensor *picked = fl_masked_select(g, mask);
    int64_t numel = shape_numel((int)size.count, size.data);
    if (!picked)
        return -1;
    int64_t missing = numel - picked->numel;
    fl_tensor *rest =
        fl_zeros((fl_ints){&missing, 1}, (fl_dtype)g->dtype, (fl_device){-1, 0}, false);
    *y = rest ? fl_reshape(fl_cat((fl_tensors){(fl_tensor *[]){picked, rest}, 2}, 0), size) : NULL;
    return *y ? 0 : -1;
}
