/* Joining, repeating and rearranging. */
#include <assert.h>

#include "core/error.h"
#include "core/threads.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/view.h"
#include "ops/index/index.h"
#include "ops/op.h"
#include "ops/pointwise/pointwise.h"
#include "ops_kernels.h"

/* ---- cat ---- */

/* PyTorch lets an empty vector stand among tensors of any rank. */
static bool is_skipped(const fl_tensor *t)
{
    return t->ndim == 1 && t->sizes[0] == 0;
}

/* The fix where t differs from the first tensor in dim k, and maybe in more. */
static int __attribute__((cold)) hint_of_sizes(const fl_tensor *first, const fl_tensor *t, int d,
                                               int k)
{
    int differ = 0;
    for (int i = 0; i < t->ndim; i++)
        differ += i != d && t->sizes[i] != first->sizes[i];
    if (differ > 1 && t->ndim >= 3) /* images, as where a network joins two of its layers */
        return error_hint("they are joined along dim %d and differ in %d more dims: bring one to "
                          "the other's size first, F.interpolate(b, size=a.shape[2:]), or cut, "
                          "b[..., :%lld, :%lld]; sizes that halve evenly need no such step",
                          "拼接沿第 %d 维进行，而它们还有 %d 维的大小不同：请先使大小一致："
                          "F.interpolate(b, size=a.shape[2:])，或截取 b[..., :%lld, :%lld]；"
                          "每次都能整除的尺寸就不会这样",
                          d, differ, (long long)first->sizes[t->ndim - 2],
                          (long long)first->sizes[t->ndim - 1]);
    return error_hint("they are joined along dim %d and differ in dim %d: join them along that "
                      "(dim=%d), or make them equal there",
                      "拼接沿第 %d 维进行，而它们在第 %d 维的大小不同："
                      "请改为沿该维拼接（dim=%d），或先使该维大小相同",
                      d, k, k);
}

int cat_shape(fl_tensors tensors, int64_t dim, struct op_shape *y)
{
    const fl_tensor *first = NULL;
    if (tensors.count == 0)
        return error_set(FL_VALUE_ERROR, "torch.cat(): expected a non-empty list of Tensors");
    for (int64_t i = 0; i < tensors.count; i++) {
        if (tensors.data[i]->ndim == 0) {
            error_set(FL_RUNTIME_ERROR,
                      "zero-dimensional tensor (at position %lld) cannot be concatenated",
                      (long long)i);
            return error_hint("cat joins along a dim that the tensors have; single numbers are "
                              "stacked: torch.stack(tensors)",
                              "cat 沿已有的维拼接，而单个数没有维：请用 torch.stack(tensors)");
        }
        if (!first && !is_skipped(tensors.data[i]))
            first = tensors.data[i];
    }
    y->dtype = pointwise_promote_list(tensors.data, tensors.count);
    int d = shape_wrap_dim(dim, first ? first->ndim : 1);
    if (d < 0)
        return -1;
    op_shape_like(y, first ? first : tensors.data[0]);
    if (!first)
        return 0;
    y->sizes[d] = 0;
    for (int64_t i = 0; i < tensors.count; i++) {
        const fl_tensor *t = tensors.data[i];
        if (is_skipped(t))
            continue;
        if (t->ndim != first->ndim)
            return error_set(FL_RUNTIME_ERROR,
                             "Tensors must have same number of dimensions: got %d and %d",
                             first->ndim, t->ndim);
        for (int k = 0; k < t->ndim; k++)
            if (k != d && t->sizes[k] != first->sizes[k]) {
                error_set(
                    FL_RUNTIME_ERROR,
                    "Sizes of tensors must match except in dimension %d. Expected size %lld but "
                    "got size %lld for tensor number %lld in the list.",
                    d, (long long)first->sizes[k], (long long)t->sizes[k], (long long)i);
                return hint_of_sizes(first, t, d, k);
            }
        y->sizes[d] += t->sizes[d];
    }
    return 0;
}

int cat_cpu(fl_tensors tensors, int64_t dim, fl_tensor *y)
{
    assert(tensors.count > 0);
    int d = shape_wrap_dim(dim, y->ndim);
    int64_t offset = y->offset, sizes[TENSOR_MAX_DIMS];
    for (int64_t i = 0; i < tensors.count; i++) {
        const fl_tensor *t = tensors.data[i];
        if (is_skipped(t) || t->numel == 0)
            continue;
        memcpy(sizes, t->sizes, sizeof(int64_t) * (size_t)t->ndim);
        fl_tensor *part = tensor_alias(y, y->ndim, sizes, y->strides, offset);
        int status = part ? tensor_copy(part, t) : -1;
        tensor_release(part);
        if (status)
            return -1;
        offset += t->sizes[d] * y->strides[d];
    }
    return 0;
}

int cat_backward_compose(fl_tensor *g, fl_tensors shapes, int64_t dim, fl_value *y)
{
    assert(shapes.count > 0);
    fl_tensor **list = op_list(y, shapes.count);
    int d = shape_wrap_dim(dim, g->ndim);
    int64_t from = 0;
    for (int64_t i = 0; list && i < shapes.count; i++) {
        const fl_tensor *t = shapes.data[i];
        int64_t to = from + (is_skipped(t) ? 0 : t->sizes[d]);
        list[i] = is_skipped(t) ? fl_zeros((fl_ints){t->sizes, 1}, (fl_dtype)g->dtype,
                                           (fl_device){-1, 0}, false)
                                : fl_slice(g, d, &from, &to, 1);
        if (!list[i])
            return -1;
        from = to;
    }
    return list ? 0 : -1;
}

/* The tensors each passed through `change`, then cat. */
static int cat_changed(fl_tensors tensors, fl_tensor *(*change)(fl_tensor *t, int dim), int dim,
                       int64_t along, const char *what, fl_tensor **y)
{
    assert(change);
    fl_value list;
    if (tensors.count == 0)
        return error_set(FL_RUNTIME_ERROR, "%s expects a non-empty TensorList", what);
    fl_tensor **changed = op_list(&list, tensors.count);
    int status = changed ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < tensors.count; i++)
        status = (changed[i] = change(tensors.data[i], dim)) ? 0 : -1;
    *y = status == 0 ? fl_cat((fl_tensors){changed, tensors.count}, along) : NULL;
    op_list_drop(&list);
    return *y ? 0 : -1;
}

static fl_tensor *insert_dim(fl_tensor *t, int dim)
{
    return fl_unsqueeze(t, dim);
}

int stack_compose(fl_tensors tensors, int64_t dim, fl_tensor **y)
{
    if (tensors.count == 0)
        return error_set(FL_RUNTIME_ERROR, "stack expects a non-empty TensorList");
    int d = shape_wrap_dim(dim, tensors.data[0]->ndim + 1);
    char a[128], b[128];
    for (int64_t i = 1; i < tensors.count && d >= 0; i++)
        if (!shape_equal(tensors.data[0], tensors.data[i])) {
            error_set(
                FL_RUNTIME_ERROR,
                "stack expects each tensor to be equal size, but got %s at entry 0 and %s at entry "
                "%lld",
                shape_text(a, sizeof a, tensors.data[0]->ndim, tensors.data[0]->sizes),
                shape_text(b, sizeof b, tensors.data[i]->ndim, tensors.data[i]->sizes),
                (long long)i);
            return error_hint(
                "all must have one shape: fill the shorter up with nn.utils.rnn.pad_sequence (for "
                "a "
                "DataLoader in its collate_fn), or cut or resize them; torch.cat joins along a dim "
                "that they have",
                "所有张量的形状必须相同：可用 nn.utils.rnn.pad_sequence 把短的补齐（在 DataLoader "
                "中写在 collate_fn 里），或裁剪、缩放；若要沿已有的维拼接，请用 torch.cat");
        }
    if (d < 0)
        return -1;
    const fl_tensor *one = tensors.data[0];
    if (d == one->ndim || one->ndim + 1 > TENSOR_MAX_DIMS)
        return cat_changed(tensors, insert_dim, d, d, "stack", y);
    /* Joined along the dim that is there, which keeps the channels last, and that dim cut. */
    int64_t sizes[TENSOR_MAX_DIMS];
    for (int k = 0; k <= one->ndim; k++)
        sizes[k] = k == d ? tensors.count : one->sizes[k - (k > d)];
    fl_tensor *joined = fl_cat(tensors, d);
    *y = joined ? fl_view(joined, (fl_ints){sizes, one->ndim + 1}) : NULL;
    return *y ? 0 : -1;
}

/* ---- repeat ---- */

/* self as (1, s0, 1, s1, ...) expanded to (r0, s0, r1, s1, ...), then joined pairwise. */
int repeat_compose(fl_tensor *self, fl_ints repeats, fl_tensor **y)
{
    int extra = (int)repeats.count - self->ndim;
    int64_t apart[TENSOR_MAX_DIMS], wide[TENSOR_MAX_DIMS], sizes[TENSOR_MAX_DIMS];
    if (extra < 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor");
    if (2 * repeats.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "repeat: more than %d dims", TENSOR_MAX_DIMS / 2);
    for (int d = 0; d < repeats.count; d++) {
        if (repeats.data[d] < 0)
            return error_set(FL_RUNTIME_ERROR,
                             "Trying to create tensor with negative dimension %lld",
                             (long long)repeats.data[d]);
        int64_t size = d < extra ? 1 : self->sizes[d - extra];
        apart[2 * d] = 1, wide[2 * d] = repeats.data[d], apart[2 * d + 1] = wide[2 * d + 1] = size;
        if (__builtin_mul_overflow(size, repeats.data[d], &sizes[d]))
            return error_set(FL_RUNTIME_ERROR, "repeat: the result is too large");
    }
    int n = (int)repeats.count;
    fl_tensor *spread =
        fl_expand(fl_reshape(self, (fl_ints){apart, 2 * n}), (fl_ints){wide, 2 * n}, false);
    *y = fl_reshape(fl_clone(spread, 0), (fl_ints){sizes, n});
    return *y ? 0 : -1;
}

int repeat_interleave_int_compose(fl_tensor *self, int64_t repeats, const int64_t *dim,
                                  const int64_t *output_size, fl_tensor **y)
{
    (void)output_size; /* what repeats makes of it anyway */
    fl_tensor *from = dim ? self : fl_flatten(self, 0, -1);
    int d = from ? shape_wrap_dim(dim ? *dim : 0, from->ndim) : -1;
    if (d < 0)
        return -1;
    if (repeats < 0)
        return error_set(FL_RUNTIME_ERROR, "repeats can not be negative");
    if (from->ndim == 0)
        from = fl_reshape(from, (fl_ints){(int64_t[]){1}, 1});
    if (!from || from->ndim == TENSOR_MAX_DIMS)
        return -1;
    int64_t wide[TENSOR_MAX_DIMS + 1], sizes[TENSOR_MAX_DIMS];
    for (int k = 0; k < from->ndim; k++) {
        wide[k + (k > d)] = from->sizes[k];
        sizes[k] = from->sizes[k] * (k == d ? repeats : 1);
    }
    wide[d + 1] = repeats;
    fl_tensor *spread =
        fl_expand(fl_unsqueeze(from, d + 1), (fl_ints){wide, from->ndim + 1}, false);
    *y = fl_reshape(fl_clone(spread, 0), (fl_ints){sizes, from->ndim});
    return *y ? 0 : -1;
}

int repeat_interleave_compose(fl_tensor *self, fl_tensor *repeats, const int64_t *dim,
                              const int64_t *output_size, fl_tensor **y)
{
    fl_tensor *from = dim ? self : fl_flatten(self, 0, -1);
    int d = from ? shape_wrap_dim(dim ? *dim : 0, from->ndim) : -1;
    if (d < 0)
        return -1;
    int64_t n = from->ndim ? from->sizes[d] : 1, total = 0;
    if (repeats->ndim > 1 || (repeats->dtype != FL_INT64 && repeats->dtype != FL_INT32))
        return error_set(FL_RUNTIME_ERROR, repeats->ndim > 1
                                               ? "repeats must be 0-dim or 1-dim tensor"
                                               : "repeats has to be Long or Int tensor");
    if (repeats->numel != n && repeats->numel != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "repeats must have the same size as input along dim, but got "
                         "repeats.size(0) = %lld and "
                         "input.size(%d) = %lld",
                         (long long)repeats->numel, d, (long long)n);
    fl_tensor *counts = tensor_as(repeats, FL_INT64);
    const int64_t *times = counts ? tensor_data(counts) : NULL;
    for (int64_t i = 0; counts && i < n; i++) {
        int64_t r = times[repeats->numel == 1 ? 0 : i];
        if (total >= 0 && (r < 0 || __builtin_add_overflow(total, r, &total)))
            total = -1;
    }
    fl_tensor *which = counts && total >= 0 ? op_adopt(tensor_new(1, &total, FL_INT64)) : NULL;
    int64_t *to = which ? tensor_data(which) : NULL;
    for (int64_t i = 0; which && i < n; i++)
        for (int64_t r = times[repeats->numel == 1 ? 0 : i]; r > 0; r--)
            *to++ = i;
    tensor_release(counts);
    if (total < 0)
        return error_set(FL_RUNTIME_ERROR, "repeats can not be negative");
    if (output_size && *output_size != total)
        return error_set(FL_RUNTIME_ERROR,
                         "allocated size does not match required size: output_size is %lld, "
                         "the repeats add up to %lld",
                         (long long)*output_size, (long long)total);
    *y = which ? fl_index_select(from, d, which) : NULL;
    return *y ? 0 : -1;
}

int repeat_interleave_places_compose(fl_tensor *repeats, const int64_t *output_size, fl_tensor **y)
{
    if (repeats->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "repeat_interleave only accept 1D vector as repeat");
    if (repeats->dtype != FL_INT64 && repeats->dtype != FL_INT32)
        return dtype_refuse("repeat_interleave_cpu", repeats->dtype);
    fl_tensor *places =
        fl_arange(fl_int(repeats->numel), (fl_dtype)repeats->dtype, (fl_device){-1, 0}, false);
    return places ? repeat_interleave_compose(places, repeats, NULL, output_size, y) : -1;
}

/* ---- in another order ---- */

static int flip_mask(const fl_tensor *self, fl_ints dims, uint64_t *mask)
{
    *mask = 0;
    for (int64_t i = 0; i < dims.count; i++) {
        int d = shape_wrap_dim(dims.data[i], self->ndim);
        if (d < 0)
            return -1;
        if (*mask >> d & 1)
            return error_set(FL_RUNTIME_ERROR, "dim %d appears multiple times in the list of dims",
                             d);
        *mask |= UINT64_C(1) << d;
    }
    return 0;
}

int flip_shape(fl_tensor *self, fl_ints dims, struct op_shape *y)
{
    uint64_t mask;
    op_shape_laid_as(y, self);
    return flip_mask(self, dims, &mask);
}

/* A copy of a view that begins at the last element of the flipped dims and walks back. */
int flip_cpu(fl_tensor *self, fl_ints dims, fl_tensor *y)
{
    assert(shape_equal(y, self) && y->dtype == self->dtype);
    uint64_t mask;
    if (flip_mask(self, dims, &mask))
        return -1;
    int64_t strides[TENSOR_MAX_DIMS], offset = self->offset;
    for (int d = 0; d < self->ndim; d++) {
        const bool back = mask >> d & 1 && self->numel;
        offset += back ? (self->sizes[d] - 1) * self->strides[d] : 0;
        strides[d] = back ? -self->strides[d] : self->strides[d];
    }
    fl_tensor *backwards = tensor_alias(self, self->ndim, self->sizes, strides, offset);
    int status = backwards ? tensor_copy(y, backwards) : -1;
    tensor_release(backwards);
    return status;
}

/* ---- diagonals ---- */

int meshgrid_compose(fl_tensors tensors, const char *indexing, fl_value *y)
{
    int n = (int)tensors.count;
    int64_t sizes[TENSOR_MAX_DIMS];
    if (!indexing && warning_give("torch.meshgrid: in an upcoming release, it will be required to "
                                  "pass the indexing argument."))
        return -1;
    indexing = indexing ? indexing : "ij";
    bool swap = strcmp(indexing, "xy") == 0 && n >= 2;
    if (!swap && strcmp(indexing, "ij") != 0 && strcmp(indexing, "xy") != 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: %s", indexing);
    if (n == 0 || n > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "meshgrid expects a non-empty TensorList");
    for (int i = 0; i < n; i++) {
        if (tensors.data[i]->ndim > 1)
            return error_set(
                FL_RUNTIME_ERROR,
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got a %d-D one",
                tensors.data[i]->ndim);
        if (tensors.data[i]->dtype != tensors.data[0]->dtype)
            return error_set(FL_RUNTIME_ERROR,
                             "meshgrid expects all tensors to have the same dtype");
        sizes[swap && i < 2 ? 1 - i : i] = tensors.data[i]->numel;
    }
    fl_tensor **list = op_list(y, n);
    for (int i = 0; list && i < n; i++) {
        int64_t own[TENSOR_MAX_DIMS];
        int at = swap && i < 2 ? 1 - i : i;
        for (int d = 0; d < n; d++)
            own[d] = d == at ? tensors.data[i]->numel : 1;
        list[i] =
            fl_expand(fl_reshape(tensors.data[i], (fl_ints){own, n}), (fl_ints){sizes, n}, false);
        if (!list[i])
            return -1;
    }
    return list ? 0 : -1;
}
