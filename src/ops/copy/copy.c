/* Copies, casts, as_strided and what undoes broadcasting. */
#include <assert.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

int clone_shape(fl_tensor *self, int memory_format, struct op_shape *y)
{
    op_shape_laid_as(y, self);
    if (memory_format < 0 || memory_format == FORMAT_PRESERVE)
        return 0;
    y->strided = true;
    return format_strides(memory_format, self->ndim, self->sizes, y->strides);
}

int clone_cpu(fl_tensor *self, int memory_format, fl_tensor *y)
{
    assert(shape_equal(y, self) && y->dtype == self->dtype);
    (void)memory_format;
    return tensor_copy(y, self);
}

int move_shape(fl_tensor *self, fl_device device, struct op_shape *y)
{
    return op_shape_on(y, device) ? -1 : clone_shape(self, FORMAT_PRESERVE, y);
}

int move_cpu(fl_tensor *self, fl_device device, fl_tensor *y)
{
    (void)device;
    return tensor_copy(y, self);
}

int cast_shape(fl_tensor *self, fl_dtype dtype, struct op_shape *y)
{
    y->dtype = dtype;
    int status = clone_shape(self, FORMAT_PRESERVE, y);
    return status;
}

int cast_cpu(fl_tensor *self, fl_dtype dtype, fl_tensor *y)
{
    assert(shape_equal(y, self) && y->dtype == (int)dtype);
    (void)dtype;
    return tensor_copy(y, self);
}

int copy__cpu(fl_tensor *self, fl_tensor *src, bool non_blocking)
{
    assert(self->storage && src->storage);
    (void)non_blocking;
    int64_t strides[TENSOR_MAX_DIMS];
    if (tensor_check_written(self))
        return -1;
    if (tensor_warn_parts(src, self->dtype))
        return -1;
    if (shape_equal(self, src))
        return self == src ? 0 : tensor_copy(self, src);
    if (src->ndim > self->ndim)
        goto mismatch;
    for (int d = 0; d < self->ndim; d++) {
        int s = d - (self->ndim - src->ndim);
        int64_t size = s < 0 ? 1 : src->sizes[s];
        if (size != self->sizes[d] && size != 1)
            goto mismatch;
        strides[d] = size == self->sizes[d] && s >= 0 ? src->strides[s] : 0;
    }
    fl_tensor *spread = tensor_alias(src, self->ndim, self->sizes, strides, src->offset);
    int status = spread ? tensor_copy(self, spread) : -1;
    tensor_release(spread);
    return status;
mismatch:;
    int ndim = self->ndim;
    int64_t sizes[TENSOR_MAX_DIMS];
    memcpy(sizes, self->sizes, sizeof *sizes * (size_t)ndim);
    if (shape_broadcast(&ndim, sizes, src->ndim, src->sizes))
        return -1;
    return shape_refuse(self, ndim, sizes);
}

/* Whether t is laid out in a memory format. */
static bool has_format(const fl_tensor *t, int format, const int64_t *strides)
{
    if (format <= FORMAT_PRESERVE)
        return t->flags & TENSOR_CONTIGUOUS;
    for (int d = 0; d < t->ndim; d++)
        if (t->sizes[d] != 1 && t->strides[d] != strides[d])
            return false;
    return true;
}

static int check_resizable(fl_tensor *self)
{
    return tensor_requires_grad(self)
               ? error_set(FL_RUNTIME_ERROR, "cannot resize variables that require grad")
               : 0;
}

int resize__check(fl_tensor *self, fl_ints size, int memory_format)
{
    (void)size, (void)memory_format;
    return check_resizable(self);
}

int resize_as__check(fl_tensor *self, fl_tensor *the_template, int memory_format)
{
    (void)the_template, (void)memory_format;
    return check_resizable(self);
}

int resize__cpu(fl_tensor *self, fl_ints size, int memory_format)
{
    int64_t strides[TENSOR_MAX_DIMS];
    bool same = size.count == self->ndim;
    for (int d = 0; same && d < self->ndim; d++)
        same = size.data[d] == self->sizes[d];
    if (same && memory_format < 0)
        return 0;
    if (tensor_resize(self, (int)size.count, size.data))
        return -1;
    if (memory_format <= FORMAT_PRESERVE)
        return 0;
    return format_strides(memory_format, self->ndim, self->sizes, strides)
               ? -1
               : tensor_set_shape(self, self->ndim, self->sizes, strides, self->offset);
}

int resize_as__cpu(fl_tensor *self, fl_tensor *the_template, int memory_format)
{
    return resize__cpu(self, (fl_ints){the_template->sizes, (size_t)the_template->ndim},
                       memory_format);
}

int keep_format_compose(fl_tensor *self, fl_tensor *like, fl_tensor **y)
{
    int64_t strides[TENSOR_MAX_DIMS];
    const int format = format_of(like);
    *y = self;
    if (self->ndim != like->ndim || format == FORMAT_CONTIGUOUS)
        return 0;
    if (format_strides(format, self->ndim, self->sizes, strides))
        return -1;
    if (memcmp(strides, self->strides, sizeof *strides * (size_t)self->ndim) != 0)
        *y = fl_clone(self, format);
    return *y ? 0 : -1;
}

int contiguous_compose(fl_tensor *self, int memory_format, fl_tensor **y)
{
    int64_t strides[TENSOR_MAX_DIMS];
    int format = memory_format < 0 ? FORMAT_CONTIGUOUS : memory_format;
    if (format == FORMAT_PRESERVE)
        return error_set(FL_RUNTIME_ERROR,
                         "preserve memory format is unsupported by the contiguous operator");
    if (format_strides(format, self->ndim, self->sizes, strides))
        return -1;
    *y = has_format(self, format, strides) ? self : fl_clone(self, format);
    return *y ? 0 : -1;
}

/* ---- as_strided ---- */

int as_strided_view(fl_tensor *self, fl_ints size, fl_ints stride, const int64_t *storage_offset,
                    struct op_view *y)
{
    char text[128];
    int64_t offset = storage_offset ? *storage_offset : self->offset;
    if (size.count != stride.count)
        return error_set(FL_RUNTIME_ERROR, "mismatch in length of strides and shape");
    if (size.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "as_strided: more than %d dims", TENSOR_MAX_DIMS);
    if (offset < 0)
        return error_set(FL_RUNTIME_ERROR, "Tensor: invalid storage offset %lld",
                         (long long)offset);
    if (shape_numel((int)size.count, size.data) < 0)
        return -1;
    int64_t last = offset, room = (int64_t)(self->storage->bytes / dtype_size(self->dtype));
    bool empty = false, overflow = false;
    for (int64_t d = 0; d < size.count; d++) {
        int64_t reach;
        if (stride.data[d] < 0)
            return error_set(
                FL_RUNTIME_ERROR,
                "as_strided: Negative strides are not supported at the moment, got strides: "
                "%s",
                shape_text(text, sizeof text, (int)stride.count, stride.data));
        empty |= size.data[d] == 0;
        overflow |= __builtin_mul_overflow(size.data[d] - 1, stride.data[d], &reach) ||
                    __builtin_add_overflow(last, reach, &last);
        y->sizes[d] = size.data[d], y->strides[d] = stride.data[d];
    }
    if (!empty && (overflow || last >= room)) {
        char steps[128];
        int64_t bytes, item = (int64_t)dtype_size(self->dtype);
        shape_text(text, sizeof text, (int)size.count, size.data);
        shape_text(steps, sizeof steps, (int)stride.count, stride.data);
        if (overflow || __builtin_add_overflow(last, 1, &last) ||
            __builtin_mul_overflow(last, item, &bytes))
            return error_set(FL_RUNTIME_ERROR,
                             "Storage size calculation overflowed with sizes=%s and strides=%s",
                             text, steps);
        return error_set(FL_RUNTIME_ERROR,
                         "setStorage: sizes %s, strides %s, storage offset %lld, and itemsize %lld "
                         "requiring a storage size of %lld are out of bounds for storage of size "
                         "%zu",
                         text, steps, (long long)offset, (long long)item, (long long)bytes,
                         self->storage->bytes);
    }
    y->ndim = (int)size.count, y->offset = offset;
    return 0;
}

/* The smallest storage that a geometry lives in: elements from the first one. */
static int64_t span(fl_ints size, fl_ints stride)
{
    assert(size.count == stride.count);
    int64_t last = 0;
    for (int64_t d = 0; d < size.count; d++) {
        if (size.data[d] == 0)
            return 0;
        last += (size.data[d] - 1) * stride.data[d];
    }
    return last + 1;
}

/* Where the base and the view lie in a common storage that starts at the lower of their offsets. */
struct common {
    int64_t base, view, elements;
};

static struct common common_storage(fl_ints base_size, fl_ints base_stride, int64_t base_offset,
                                    fl_ints size, fl_ints stride, const int64_t *storage_offset)
{
    int64_t view_offset = storage_offset ? *storage_offset : base_offset;
    int64_t low = base_offset < view_offset ? base_offset : view_offset;
    struct common c = {base_offset - low, view_offset - low, 0};
    int64_t a = c.base + span(base_size, base_stride), b = c.view + span(size, stride);
    c.elements = a > b ? a : b;
    return c;
}

int as_strided_backward_shape(fl_tensor *g, fl_ints base_size, fl_ints base_stride,
                              int64_t base_offset, fl_ints size, fl_ints stride,
                              const int64_t *storage_offset, struct op_shape *y)
{
    (void)base_stride, (void)base_offset, (void)stride, (void)storage_offset;
    op_shape_set(y, (int)base_size.count, base_size.data);
    return op_check_gradient(g, size);
}

/* storage[strides] += g, element by element in a fixed order: views may show an element many times.
 */
static int add_elements(fl_tensor *storage, fl_tensor *g, fl_ints size, fl_ints stride,
                        int64_t offset)
{
    assert(size.count == stride.count);
    fl_tensor *dense = tensor_contiguous(g);
    if (!dense)
        return -1;
    int64_t index[TENSOR_MAX_DIMS] = {0}, at = offset, n = g->numel;
    int ndim = (int)size.count;
    const void *from = tensor_data(dense);
    void *to = tensor_data(storage);
    for (int64_t i = 0; i < n; i++) {
        if (storage->dtype == FL_FLOAT32)
            ((float *)to)[at] += ((const float *)from)[i];
        else
            ((double *)to)[at] += ((const double *)from)[i];
        for (int d = ndim - 1; d >= 0; d--) {
            at += stride.data[d];
            if (++index[d] < size.data[d])
                break;
            at -= index[d] * stride.data[d];
            index[d] = 0;
        }
    }
    tensor_release(dense);
    return 0;
}

/* Whether a geometry may show an element twice: a dim's stride must reach beyond all inner dims. */
static bool may_overlap(fl_ints size, fl_ints stride)
{
    assert(size.count == stride.count);
    int64_t reach = 0;
    uint64_t done = 0;
    for (int64_t k = 0; k < size.count; k++) {
        int64_t least = -1;
        for (int64_t d = 0; d < size.count; d++)
            if (!(done >> d & 1) && (least < 0 || stride.data[d] < stride.data[least]))
                least = d;
        done |= UINT64_C(1) << least;
        if (size.data[least] < 2)
            continue;
        if (stride.data[least] <= reach)
            return true;
        reach += (size.data[least] - 1) * stride.data[least];
    }
    return false;
}

/* Divides each element of the storage by how often the base shows it: its gradient is shared. */
static int share_elements(fl_tensor *storage, fl_ints size, fl_ints stride, int64_t offset)
{
    assert(size.count == stride.count && offset >= 0);
    fl_tensor *ones = tensor_new((int)size.count, size.data, storage->dtype),
              *count = tensor_new(1, storage->sizes, storage->dtype);
    int status = !ones || !count || tensor_fill(ones, fl_int(1)) || tensor_fill(count, fl_int(0)) ||
                         add_elements(count, ones, size, stride, offset)
                     ? -1
                     : 0;
    for (int64_t i = 0; status == 0 && i < storage->numel; i++) {
        double times = tensor_element(count, i).as.f;
        if (times > 1 && storage->dtype == FL_FLOAT32)
            ((float *)tensor_data(storage))[i] /= (float)times;
        else if (times > 1)
            ((double *)tensor_data(storage))[i] /= times;
    }
    tensor_release(ones), tensor_release(count);
    return status;
}

/* A geometry of complex elements as one of their parts, along a last dim of 2. */
struct parts {
    int64_t size[TENSOR_MAX_DIMS + 1], stride[TENSOR_MAX_DIMS + 1];
};

static void split_parts(struct parts *p, fl_ints size, fl_ints stride)
{
    for (int64_t d = 0; d < size.count; d++)
        p->size[d] = size.data[d], p->stride[d] = 2 * stride.data[d];
    p->size[size.count] = 2, p->stride[size.count] = 1;
}

static fl_tensor *alias_parts(const fl_tensor *t)
{
    struct parts p;
    split_parts(&p, (fl_ints){t->sizes, t->ndim}, (fl_ints){t->strides, t->ndim});
    return tensor_on_storage(t->storage, t->ndim + 1, p.size, p.stride, 2 * t->offset,
                             dtype_real(t->dtype));
}

static int complex_as_strided_backward(fl_tensor *g, fl_ints base_size, fl_ints base_stride,
                                       int64_t base_offset, fl_ints size, fl_ints stride,
                                       const int64_t *storage_offset, fl_tensor *y)
{
    struct parts base, view;
    if (base_size.count >= TENSOR_MAX_DIMS || size.count >= TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    split_parts(&base, base_size, base_stride);
    split_parts(&view, size, stride);
    const int64_t offset = storage_offset ? 2 * *storage_offset : 0;
    fl_tensor *g_parts = alias_parts(g), *y_parts = alias_parts(y);
    int status = -1;
    if (g_parts && y_parts)
        status = as_strided_backward_cpu(g_parts, (fl_ints){base.size, base_size.count + 1},
                                         (fl_ints){base.stride, base_size.count + 1},
                                         2 * base_offset, (fl_ints){view.size, size.count + 1},
                                         (fl_ints){view.stride, size.count + 1},
                                         storage_offset ? &offset : NULL, y_parts);
    tensor_release(g_parts), tensor_release(y_parts);
    return status;
}

int as_strided_backward_cpu(fl_tensor *g, fl_ints base_size, fl_ints base_stride,
                            int64_t base_offset, fl_ints size, fl_ints stride,
                            const int64_t *storage_offset, fl_tensor *y)
{
    assert(base_size.count == base_stride.count && size.count == stride.count);
    if (dtype_is_complex(g->dtype))
        return complex_as_strided_backward(g, base_size, base_stride, base_offset, size, stride,
                                           storage_offset, y);
    struct common c =
        common_storage(base_size, base_stride, base_offset, size, stride, storage_offset);
    int work = g->dtype == FL_FLOAT32 ? FL_FLOAT32 : FL_FLOAT64, status = -1;
    fl_tensor *incoming = tensor_as(g, work), *shown = NULL;
    fl_tensor *storage = tensor_new(1, &c.elements, work);
    if (storage && incoming) {
        if (c.elements)
            memset(tensor_data(storage), 0, storage->storage->bytes);
        status = add_elements(storage, incoming, size, stride, c.view);
        if (status == 0 && may_overlap(base_size, base_stride))
            status = share_elements(storage, base_size, base_stride, c.base);
    }
    if (status == 0) {
        shown =
            tensor_alias(storage, (int)base_size.count, base_size.data, base_stride.data, c.base);
        status = shown ? tensor_copy(y, shown) : -1;
    }
    tensor_release(shown);
    tensor_release(storage);
    tensor_release(incoming);
    return status;
}

int as_strided_like_compose(fl_tensor *self, fl_ints base_size, fl_ints base_stride,
                            int64_t base_offset, fl_ints size, fl_ints stride,
                            const int64_t *storage_offset, fl_tensor **y)
{
    struct common c =
        common_storage(base_size, base_stride, base_offset, size, stride, storage_offset);
    fl_ints whole = {&c.elements, 1};
    fl_tensor *storage = fl_zeros(whole, self->dtype, (fl_device){-1, 0}, false);
    fl_tensor *base = fl_as_strided(storage, base_size, base_stride, &c.base);
    if (!fl_copy_(base, self, false))
        return -1;
    *y = fl_as_strided(storage, size, stride, &c.view);
    return *y ? 0 : -1;
}

int sum_to_size_compose(fl_tensor *self, fl_ints size, fl_tensor **y)
{
    int64_t dims[TENSOR_MAX_DIMS];
    int count = 0, extra = self->ndim - (int)size.count;
    if (extra < 0)
        goto mismatch;
    for (int d = 0; d < self->ndim; d++) {
        int64_t wanted = d < extra ? 1 : size.data[d - extra];
        if (wanted != self->sizes[d] && wanted != 1)
            goto mismatch;
        if (d < extra || wanted != self->sizes[d])
            dims[count++] = d;
    }
    *y = self;
    if (count || size.count == 0) /* integers become int64 */
        *y = fl_sum_dim_intlist(self, (fl_ints){dims, count}, true, FL_NO_DTYPE);
    if (*y && extra)
        *y = fl_view(*y, size);
    return *y ? 0 : -1;
mismatch:;
    char own[128], wanted_text[128];
    return error_set(FL_RUNTIME_ERROR, "size {%s} is not expandable to size {%s}.",
                     shape_text(wanted_text, sizeof wanted_text, (int)size.count, size.data),
                     shape_text(own, sizeof own, self->ndim, self->sizes));
}
