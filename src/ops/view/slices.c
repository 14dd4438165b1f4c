/* Views that pick: one index of a dim, a slice, windows, a diagonal; the pieces of a tensor; and
 * the gradients of picking. */
#include <assert.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

static void view_of(struct op_view *y, int ndim, const int64_t *sizes, const int64_t *strides,
                    int64_t offset)
{
    y->ndim = ndim, y->offset = offset;
    memcpy(y->sizes, sizes, sizeof(int64_t) * (size_t)ndim);
    memcpy(y->strides, strides, sizeof(int64_t) * (size_t)ndim);
}

static void remove_dim(struct op_view *y, int dim)
{
    assert(dim >= 0 && dim < y->ndim);
    y->ndim--;
    for (int d = dim; d < y->ndim; d++)
        y->sizes[d] = y->sizes[d + 1], y->strides[d] = y->strides[d + 1];
}

/* A geometry to apply a view to: that of a contiguous tensor of these sizes. */
static fl_tensor contiguous_of(fl_ints size, int64_t *strides)
{
    fl_tensor t = {.ndim = (int16_t)size.count,
                   .sizes = (int64_t *)size.data,
                   .strides = strides,
                   .dtype = FL_FLOAT32};
    shape_contiguous_strides((int)size.count, size.data, strides);
    return t;
}

/* y is zeros of the input's sizes; writes g where the view shows it. */
static int write_through(fl_tensor *g, fl_tensor *y, const struct op_view *view)
{
    fl_tensor *part = tensor_alias(y, view->ndim, view->sizes, view->strides, view->offset);
    int status = !part || op_check_gradient(g, (fl_ints){view->sizes, view->ndim})
                     ? -1
                     : tensor_copy(part, g);
    tensor_release(part);
    return status;
}

static int zeros_of(fl_ints size, struct op_shape *y)
{
    op_shape_set(y, (int)size.count, size.data);
    y->zero = true;
    return 0;
}

/* ---- select ---- */

int select_view(fl_tensor *self, int64_t dim, int64_t index, struct op_view *y)
{
    if (self->ndim == 0)
        return error_set(FL_INDEX_ERROR, "select() cannot be applied to a 0-dim tensor.");
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t size = self->sizes[d];
    if (index < -size || index >= size)
        return error_set(FL_INDEX_ERROR,
                         "select(): index %lld out of range for tensor of size %s at dimension %d",
                         (long long)index, shape_text((char[128]){0}, 128, self->ndim, self->sizes),
                         d);
    view_of(y, self->ndim, self->sizes, self->strides, self->offset);
    y->offset += (index < 0 ? index + size : index) * self->strides[d];
    remove_dim(y, d);
    return 0;
}

int select_backward_shape(fl_tensor *g, fl_ints size, int64_t dim, int64_t index,
                          struct op_shape *y)
{
    (void)g, (void)dim, (void)index;
    return zeros_of(size, y);
}

int select_backward_cpu(fl_tensor *g, fl_ints size, int64_t dim, int64_t index, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    struct op_view view;
    (void)size;
    return select_view(y, dim, index, &view) ? -1 : write_through(g, y, &view);
}

/* ---- slice ---- */

static int64_t clamp_index(int64_t i, int64_t size)
{
    assert(size >= 0);
    i = i < 0 ? i + size : i;
    return i < 0 ? 0 : i > size ? size : i;
}

int slice_view(fl_tensor *self, int64_t dim, const int64_t *start, const int64_t *end, int64_t step,
               struct op_view *y)
{
    if (self->ndim == 0)
        return error_set(FL_INDEX_ERROR, "slice() cannot be applied to a 0-dim tensor.");
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (step <= 0)
        return error_set(FL_RUNTIME_ERROR, "slice step must be positive");
    int64_t size = self->sizes[d];
    int64_t from = clamp_index(start ? *start : 0, size),
            to = clamp_index(end ? *end : INT64_MAX, size);
    int64_t length = to > from ? to - from : 0;
    view_of(y, self->ndim, self->sizes, self->strides, self->offset);
    y->offset += from * self->strides[d];
    y->sizes[d] = length / step + (length % step != 0);
    if (y->sizes[d] > 1 && __builtin_mul_overflow(self->strides[d], step, &y->strides[d]))
        return error_set(FL_RUNTIME_ERROR, "slice step is too large");
    if (y->sizes[d] <= 1 && step < INT32_MAX)
        y->strides[d] = self->strides[d] * step;
    return 0;
}

int slice_backward_shape(fl_tensor *g, fl_ints size, int64_t dim, const int64_t *start,
                         const int64_t *end, int64_t step, struct op_shape *y)
{
    (void)g, (void)dim, (void)start, (void)end, (void)step;
    return zeros_of(size, y);
}

int slice_backward_cpu(fl_tensor *g, fl_ints size, int64_t dim, const int64_t *start,
                       const int64_t *end, int64_t step, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    struct op_view view;
    (void)size;
    return slice_view(y, dim, start, end, step, &view) ? -1 : write_through(g, y, &view);
}

int narrow_compose(fl_tensor *self, int64_t dim, int64_t start, int64_t length, fl_tensor **y)
{
    if (self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "narrow() cannot be applied to a 0-dim tensor.");
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t size = self->sizes[d];
    if (length < 0)
        return error_set(FL_RUNTIME_ERROR, "narrow(): length must be non-negative.");
    if (start < -size || start > size)
        return error_set(
            FL_INDEX_ERROR,
            "start out of range (expected to be in range of [%lld, %lld], but got %lld)",
            (long long)-size, (long long)size, (long long)start);
    start = start < 0 ? start + size : start;
    if (start > size - length)
        return error_set(FL_RUNTIME_ERROR,
                         "start (%lld) + length (%lld) exceeds dimension size (%lld).",
                         (long long)start, (long long)length, (long long)size);
    int64_t end = start + length;
    *y = fl_slice(self, d, &start, &end, 1);
    return *y ? 0 : -1;
}

/* ---- windows and diagonals ---- */

int unfold_view(fl_tensor *self, int64_t dimension, int64_t size, int64_t step, struct op_view *y)
{
    int d = shape_wrap_dim(dimension, self->ndim);
    if (d < 0)
        return -1;
    int64_t have = self->ndim ? self->sizes[d] : 1, stride = self->ndim ? self->strides[d] : 1;
    if (size < 0)
        return error_set(FL_RUNTIME_ERROR, "size is %lld but must be >= 0", (long long)size);
    if (size > have)
        return error_set(FL_RUNTIME_ERROR,
                         "maximum size for tensor at dimension %d is %lld but size is %lld", d,
                         (long long)have, (long long)size);
    if (step <= 0)
        return error_set(FL_RUNTIME_ERROR, "step is %lld but must be > 0", (long long)step);
    if (self->ndim == TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    view_of(y, self->ndim, self->sizes, self->strides, self->offset);
    if (self->ndim)
        y->sizes[d] = (have - size) / step + 1, y->strides[d] = stride * step;
    y->sizes[y->ndim] = size, y->strides[y->ndim++] = stride;
    return 0;
}

int unfold_backward_compose(fl_tensor *g, fl_ints input_sizes, int64_t dim, int64_t size,
                            int64_t step, fl_tensor **y)
{
    int64_t strides[TENSOR_MAX_DIMS], zero = 0;
    fl_tensor input = contiguous_of(input_sizes, strides);
    struct op_view view;
    if (unfold_view(&input, dim, size, step, &view))
        return -1;
    *y = fl__as_strided_backward(g, input_sizes, (fl_ints){strides, input_sizes.count}, 0,
                                 (fl_ints){view.sizes, view.ndim},
                                 (fl_ints){view.strides, view.ndim}, &zero);
    return *y ? 0 : -1;
}

int diagonal_view(fl_tensor *self, int64_t offset, int64_t dim1, int64_t dim2, struct op_view *y)
{
    int a = shape_wrap_dim(dim1, self->ndim), b = shape_wrap_dim(dim2, self->ndim);
    if (a < 0 || b < 0)
        return -1;
    if (a == b)
        return error_set(FL_RUNTIME_ERROR, "diagonal dimensions cannot be identical %lld, %lld",
                         (long long)dim1, (long long)dim2);
    int64_t rows = self->sizes[a], columns = self->sizes[b];
    int64_t room = offset >= 0 ? columns - (offset > columns ? columns : offset)
                               : rows + (offset < -rows ? -rows : offset);
    int64_t other = offset >= 0 ? rows : columns, length = room < other ? room : other;
    view_of(y, self->ndim, self->sizes, self->strides, self->offset);
    if (length > 0)
        y->offset += offset >= 0 ? offset * self->strides[b] : -offset * self->strides[a];
    remove_dim(y, a > b ? a : b);
    remove_dim(y, a > b ? b : a);
    y->sizes[y->ndim] = length, y->strides[y->ndim++] = self->strides[a] + self->strides[b];
    return 0;
}

int diagonal_backward_shape(fl_tensor *g, fl_ints size, int64_t offset, int64_t dim1, int64_t dim2,
                            struct op_shape *y)
{
    (void)g, (void)offset, (void)dim1, (void)dim2;
    return zeros_of(size, y);
}

int diagonal_backward_cpu(fl_tensor *g, fl_ints size, int64_t offset, int64_t dim1, int64_t dim2,
                          fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    struct op_view view;
    (void)size;
    return diagonal_view(y, offset, dim1, dim2, &view) ? -1 : write_through(g, y, &view);
}

/* ---- dims joined and parted ---- */

int flatten_compose(fl_tensor *self, int64_t start_dim, int64_t end_dim, fl_tensor **y)
{
    int64_t sizes[TENSOR_MAX_DIMS], product = 1;
    int from = shape_wrap_dim(start_dim, self->ndim), to = shape_wrap_dim(end_dim, self->ndim),
        ndim = 0;
    if (from < 0 || to < 0)
        return -1;
    if (from > to)
        return error_set(FL_RUNTIME_ERROR,
                         "flatten() has invalid args: start_dim cannot come after end_dim");
    if (from == to && self->ndim) {
        *y = self;
        return 0;
    }
    for (int d = 0; d < self->ndim; d++) {
        bool inside = d >= from && d <= to;
        product *= inside ? self->sizes[d] : 1;
        if (d == to)
            sizes[ndim++] = product;
        else if (!inside)
            sizes[ndim++] = self->sizes[d];
    }
    if (self->ndim == 0)
        sizes[ndim++] = 1;
    *y = fl_reshape(self, (fl_ints){sizes, ndim});
    return *y ? 0 : -1;
}

int unflatten_compose(fl_tensor *self, int64_t dim, fl_ints sizes, fl_tensor **y)
{
    int64_t all[TENSOR_MAX_DIMS + 1], known = 1;
    int d = shape_wrap_dim(dim, self->ndim), ndim = 0, open = -1;
    if (d < 0)
        return -1;
    if (self->ndim == 0 || sizes.count == 0)
        return error_set(FL_RUNTIME_ERROR, "unflatten: sizes must be non-empty");
    if (self->ndim - 1 + sizes.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    for (int k = 0; k < self->ndim; k++) {
        if (k != d) {
            all[ndim++] = self->sizes[k];
            continue;
        }
        for (int i = 0; i < sizes.count; i++) {
            if (sizes.data[i] == -1 && open < 0)
                open = ndim;
            else if (sizes.data[i] < 0 || __builtin_mul_overflow(known, sizes.data[i], &known))
                known = -1;
            all[ndim++] = sizes.data[i];
        }
    }
    char text[128];
    bool fits = open < 0 ? known == self->sizes[d] : known > 0 && self->sizes[d] % known == 0;
    if (!fits)
        return error_set(
            FL_RUNTIME_ERROR,
            "unflatten: Provided sizes %s don't multiply up to the size of dim %d (%lld) in "
            "the input tensor",
            shape_text(text, sizeof text, (int)sizes.count, sizes.data), d,
            (long long)self->sizes[d]);
    if (open >= 0)
        all[open] = self->sizes[d] / known;
    *y = fl_view(self, (fl_ints){all, ndim});
    return *y ? 0 : -1;
}

/* ---- pieces ---- */

/* The piece of self along d from *from to `to`, where the next one begins. */
static fl_tensor *next_piece(fl_tensor *self, int d, int64_t *from, int64_t to)
{
    fl_tensor *piece = fl_slice(self, d, from, &to, 1);
    *from = to;
    return piece;
}

static int equal_pieces(fl_tensor *self, int d, int64_t count, int64_t each, fl_value *y)
{
    assert(count >= 0 && each >= 0);
    fl_tensor **list = op_list(y, count);
    int64_t from = 0;
    for (int64_t i = 0; list && i < count; i++)
        if (!(list[i] = next_piece(self, d, &from, from + each)))
            return -1;
    return list ? 0 : -1;
}

int split_compose(fl_tensor *self, int64_t split_size, int64_t dim, fl_value *y)
{
    if (self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "split expects at least a 1-dimensional tensor");
    if (split_size < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "split expects split_size be non-negative, but got split_size=%lld",
                         (long long)split_size);
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t size = self->sizes[d];
    if (split_size == 0 && size != 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "split_size can only be 0 if dimension size is 0, but got dimension size of %lld",
            (long long)size);
    int64_t count = split_size ? size / split_size + (size % split_size != 0) : 1;
    return equal_pieces(self, d, count ? count : 1, split_size, y);
}

/* Cuts at the given places, `count` of them, into a list of count + 1. */
static int cut(fl_tensor *self, int d, int64_t count, const int64_t *places, fl_value *y)
{
    assert(count >= 0);
    fl_tensor **list = op_list(y, count + 1);
    int64_t from = 0;
    for (int64_t i = 0; list && i <= count; i++)
        if (!(list[i] = next_piece(self, d, &from, i < count ? places[i] : self->sizes[d])))
            return -1;
    return list ? 0 : -1;
}

int split_with_sizes_compose(fl_tensor *self, fl_ints split_sizes, int64_t dim, fl_value *y)
{
    if (self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "split expects at least a 1-dimensional tensor");
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t sum = 0;
    char text[128];
    for (int i = 0; i < split_sizes.count; i++) {
        if (split_sizes.data[i] < 0)
            return error_set(
                FL_RUNTIME_ERROR,
                "split_with_sizes expects split_sizes have only non-negative entries, but got "
                "split_sizes=%s",
                shape_text(text, sizeof text, (int)split_sizes.count, split_sizes.data));
        sum += split_sizes.data[i];
    }
    if (sum != self->sizes[d])
        return error_set(
            FL_RUNTIME_ERROR,
            "split_with_sizes expects split_sizes to sum exactly to %lld (input tensor's size "
            "at dimension %d), but got split_sizes=%s",
            (long long)self->sizes[d], d,
            shape_text(text, sizeof text, (int)split_sizes.count, split_sizes.data));
    fl_tensor **list = op_list(y, split_sizes.count);
    int64_t from = 0;
    for (int i = 0; list && i < split_sizes.count; i++)
        if (!(list[i] = next_piece(self, d, &from, from + split_sizes.data[i])))
            return -1;
    return list ? 0 : -1;
}

/* The memory of a view, and its history, behind a handle that is no view: with a storage of its own,
 * which counts its own writes. NULL with the error. */
static fl_tensor *apart(fl_tensor *view)
{
    int result = 0;
    struct storage *own = NULL;
    struct node *n = tensor_requires_grad(view) ? autograd_node(view, &result) : NULL;
    if (tensor_requires_grad(view) && !n)
        return NULL;
    fl_tensor *y = autograd_unlink(view);
    if (y && (own = storage_beside(view->storage))) {
        tensor_set_storage(y, own);
        storage_release(own);
    }
    if (y && (!own || (n && autograd_set_node(y, n, result)))) {
        tensor_release(y);
        return NULL;
    }
    return y;
}

int apart_each_compose(fl_tensors tensors, fl_value *y)
{
    fl_tensor **list = op_list(y, tensors.count);
    for (int64_t i = 0; list && i < tensors.count; i++)
        if (!(list[i] = op_adopt(apart(tensors.data[i]))))
            return -1;
    return list ? 0 : -1;
}

int chunk_compose(fl_tensor *self, int64_t chunks, int64_t dim, fl_value *y)
{
    if (self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "chunk expects at least a 1-dimensional tensor");
    if (chunks <= 0)
        return error_set(FL_RUNTIME_ERROR, "chunk expects `chunks` to be greater than 0, got: %lld",
                         (long long)chunks);
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t each = self->sizes[d] / chunks + (self->sizes[d] % chunks != 0);
    if (each == 0) /* nothing to share out: as many empty pieces as were asked for */
        return equal_pieces(self, d, chunks, 0, y);
    return split_compose(self, each, d, y);
}

int tensor_split_compose(fl_tensor *self, int64_t sections, int64_t dim, fl_value *y)
{
    if (self->ndim == 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 "
            "dims");
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    if (sections <= 0)
        return error_set(FL_RUNTIME_ERROR, "number of sections must be larger than 0, got %lld",
                         (long long)sections);
    int64_t size = self->sizes[d], from = 0;
    fl_tensor **list = op_list(y, sections);
    for (int64_t i = 0; list && i < sections; i++) {
        int64_t to = from + size / sections + (i < size % sections);
        if (!(list[i] = next_piece(self, d, &from, to)))
            return -1;
    }
    return list ? 0 : -1;
}

int tensor_split_indices_compose(fl_tensor *self, fl_ints indices, int64_t dim, fl_value *y)
{
    if (self->ndim == 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 "
            "dims");
    int d = shape_wrap_dim(dim, self->ndim);
    return d < 0 ? -1 : cut(self, d, indices.count, indices.data, y);
}

int tensor_split_tensor_compose(fl_tensor *self, fl_tensor *by, int64_t dim, fl_value *y)
{
    if (by->dtype != FL_INT64 || by->ndim > 1)
        return error_set(
            FL_RUNTIME_ERROR,
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
            "one-dimensional int64 tensor, but got %s with %d dims",
            dtype_title(by->dtype), by->ndim);
    if (by->ndim == 0)
        return tensor_split_compose(self, tensor_element(by, 0).as.i, dim, y);
    by = op_host(by);
    fl_tensor *row = by ? op_adopt(tensor_contiguous(by)) : NULL;
    return row ? tensor_split_indices_compose(self, (fl_ints){tensor_data(row), row->numel}, dim, y)
               : -1;
}

/* ---- shapes made alike ---- */

int broadcast_tensors_compose(fl_tensors tensors, fl_value *y)
{
    int ndim = 0;
    int64_t sizes[TENSOR_MAX_DIMS];
    for (int64_t i = 0; i < tensors.count; i++)
        if (shape_broadcast(&ndim, sizes, tensors.data[i]->ndim, tensors.data[i]->sizes))
            return -1;
    fl_tensor **list = op_list(y, tensors.count);
    for (int64_t i = 0; list && i < tensors.count; i++) {
        fl_tensor *t = tensors.data[i];
        bool whole = t->ndim == ndim && memcmp(t->sizes, sizes, sizeof *sizes * (size_t)ndim) == 0;
        list[i] = whole ? t : fl_expand(t, (fl_ints){sizes, ndim}, false);
        if (!list[i])
            return -1;
    }
    return list ? 0 : -1;
}
