/* Views that rearrange, resize or pick dims. Each function maps sizes and strides to sizes and
 * strides. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

static void view_of(struct op_view *y, const fl_tensor *t)
{
    y->ndim = t->ndim, y->offset = t->offset;
    memcpy(y->sizes, t->sizes, sizeof(int64_t) * (size_t)t->ndim);
    memcpy(y->strides, t->strides, sizeof(int64_t) * (size_t)t->ndim);
}

static void swap(struct op_view *y, int a, int b)
{
    assert(a >= 0 && a < y->ndim && b >= 0 && b < y->ndim);
    int64_t size = y->sizes[a], stride = y->strides[a];
    y->sizes[a] = y->sizes[b], y->strides[a] = y->strides[b];
    y->sizes[b] = size, y->strides[b] = stride;
}

/* ---- other sizes ---- */

/* The fix for sizes that hold another number of elements. */
static int __attribute__((cold)) hint_of_sizes(fl_ints wanted, int64_t numel)
{
    int64_t first = wanted.count > 1 ? wanted.data[0] : 0;
    if (wanted.count == 2 && first > 0 && numel % first == 0)
        return error_hint(
            "%lld elements in %lld rows are %lld a row: (%lld, %lld), or x.flatten(1)",
            "共 %lld 个元素，分成 %lld 行，每行 %lld 个：(%lld, %lld)，"
            "或 x.flatten(1)",
            (long long)numel, (long long)first, (long long)(numel / first), (long long)first,
            (long long)(numel / first));
    if (wanted.count == 2 && first == -1)
        return error_hint("%lld elements do not make whole rows of %lld; x.flatten(1) keeps the "
                          "batch and shows how many features a sample has",
                          "%lld 个元素不能整除为每行 %lld 个；用 x.flatten(1) 可以保留批次维，"
                          "并看出每个样本有多少个特征",
                          (long long)numel, (long long)wanted.data[1]);
    return error_hint("the product of the new sizes must be %lld, the number of elements; -1 lets "
                      "one of them be worked out",
                      "新形状各维之积必须等于元素个数 %lld；可以用 -1 让其中一维自动推算",
                      (long long)numel);
}

/* Writes `wanted` with its -1 settled so that it holds numel elements; -1 with PyTorch's error. */
static int settle_sizes(fl_ints wanted, int64_t numel, int64_t *sizes)
{
    assert(numel >= 0);
    char text[256];
    int64_t known = 1;
    int open = -1;
    if (wanted.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims, got %lld sizes",
                         TENSOR_MAX_DIMS, (long long)wanted.count);
    for (int d = 0; d < wanted.count; d++) {
        sizes[d] = wanted.data[d];
        if (sizes[d] == -1 && open >= 0)
            return error_set(FL_RUNTIME_ERROR, "only one dimension can be inferred");
        if (sizes[d] < -1)
            return error_set(FL_RUNTIME_ERROR,
                             "invalid shape dimension %lld at index %d of shape %s",
                             (long long)sizes[d], d,
                             shape_text(text, sizeof text, (int)wanted.count, wanted.data));
        if (sizes[d] == -1)
            open = d;
        else if (__builtin_mul_overflow(known, sizes[d], &known))
            known = -1; /* more than any tensor has */
    }
    if (open >= 0 && known == 0)
        return error_set(FL_RUNTIME_ERROR,
                         "cannot reshape tensor of %lld elements into shape %s because the "
                         "unspecified dimension size -1 "
                         "can be any value and is ambiguous",
                         (long long)numel,
                         shape_text(text, sizeof text, (int)wanted.count, wanted.data));
    bool fits = known >= 0 && (open < 0 ? known == numel : numel % known == 0);
    if (!fits) {
        error_set(FL_RUNTIME_ERROR, "shape '%s' is invalid for input of size %lld",
                  shape_text(text, sizeof text, (int)wanted.count, wanted.data), (long long)numel);
        return hint_of_sizes(wanted, numel);
    }
    if (open >= 0)
        sizes[open] = numel / known;
    return 0;
}

/* Strides with which t's storage shows `sizes`, if there are any. Runs of t's dims that are one
 * piece of memory are matched with runs of the new dims that hold as many elements. */
static bool view_strides(const fl_tensor *t, int ndim, const int64_t *sizes, int64_t *strides)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    if (t->numel == 0 || t->flags & TENSOR_CONTIGUOUS) {
        shape_contiguous_strides(ndim, sizes, strides);
        return true;
    }
    int d = ndim - 1;
    int64_t base = t->ndim ? t->strides[t->ndim - 1] : 1, old_run = 1, new_run = 1;
    for (int k = t->ndim - 1; k >= 0; k--) {
        old_run *= t->sizes[k];
        bool ends = k == 0 || (t->sizes[k - 1] != 1 && t->strides[k - 1] != old_run * base);
        if (!ends)
            continue;
        while (d >= 0 && (new_run < old_run || sizes[d] == 1)) {
            strides[d] = new_run * base;
            new_run *= sizes[d--];
        }
        if (new_run != old_run)
            return false;
        if (k > 0)
            base = t->strides[k - 1], old_run = new_run = 1;
    }
    return d < 0;
}

int view_view(fl_tensor *self, fl_ints size, struct op_view *y)
{
    y->ndim = (int)size.count, y->offset = self->offset;
    if (settle_sizes(size, self->numel, y->sizes))
        return -1;
    if (view_strides(self, y->ndim, y->sizes, y->strides))
        return 0;
    error_set(
        FL_RUNTIME_ERROR,
        "view size is not compatible with input tensor's size and stride (at least one dimension "
        "spans across two contiguous subspaces). Use .reshape(...) instead.");
    return error_hint("use reshape, or contiguous() before view",
                      "张量的元素在内存中不按顺序排列（例如 transpose 之后），不能用 view："
                      "请改用 reshape，或先 contiguous() 再 view");
}

int reshape_compose(fl_tensor *self, fl_ints shape, fl_tensor **y)
{
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    if (settle_sizes(shape, self->numel, sizes))
        return -1;
    fl_ints wanted = {sizes, shape.count};
    fl_tensor *from = self;
    if (!view_strides(self, (int)shape.count, sizes, strides))
        from = fl_clone(self, 0);
    *y = fl_view(from, wanted);
    return *y ? 0 : -1;
}

int view_dtype_compose(fl_tensor *self, fl_dtype dtype, fl_tensor **y)
{
    size_t from = dtype_size(self->dtype), to = dtype_size(dtype);
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    int last = self->ndim - 1;
    const char *own = dtype_title(self->dtype), *wanted = dtype_title(dtype);
    if (from != to && self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR,
                         "self.dim() cannot be 0 to view %s as %s (different element sizes)", own,
                         wanted);
    if (from != to && self->strides[last] != 1)
        return error_set(
            FL_RUNTIME_ERROR,
            "self.stride(-1) must be 1 to view %s as %s (different element sizes), but got %lld",
            own, wanted, (long long)self->strides[last]);
    if (from < to && self->sizes[last] * (int64_t)from % (int64_t)to)
        return error_set(
            FL_RUNTIME_ERROR,
            "self.size(-1) must be divisible by %zu to view %s as %s (different element "
            "sizes), but got %lld",
            to / from, own, wanted, (long long)self->sizes[last]);
    if (from < to && self->offset % (int64_t)(to / from))
        return error_set(FL_RUNTIME_ERROR,
                         "self.storage_offset() must be divisible by %zu to view %s as %s "
                         "(different element sizes), but got %lld",
                         to / from, own, wanted, (long long)self->offset);
    for (int d = 0; d <= last; d++) {
        int64_t bytes = self->strides[d] * (int64_t)from;
        if (d != last && bytes % (int64_t)to)
            return error_set(FL_RUNTIME_ERROR,
                             "self.stride(%d) must be divisible by %zu to view %s as %s", d,
                             to / from, own, wanted);
        sizes[d] = self->sizes[d], strides[d] = d == last && from != to ? 1 : bytes / (int64_t)to;
    }
    if (from != to)
        sizes[last] = sizes[last] * (int64_t)from / (int64_t)to;
    fl_tensor *alias =
        tensor_alias(self, self->ndim, sizes, strides, self->offset * (int64_t)from / (int64_t)to);
    if (!alias)
        return -1;
    alias->dtype = (int8_t)dtype;
    *y = op_adopt(alias);
    return *y ? 0 : -1;
}

/* ---- dims in another order ---- */

/* Which dim of the input stands at each place of the result. */
static int permutation(fl_tensor *self, fl_ints dims, int *order)
{
    uint64_t seen = 0;
    if (dims.count != self->ndim) {
        error_set(
            FL_RUNTIME_ERROR,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            "length of the "
            "desired ordering of dimensions i.e. input.dim() = %d is not equal to len(dims) = %lld",
            self->ndim, (long long)dims.count);
        return error_hint(
            "name all %d dims in their new order, the batch among them: for images "
            "x.permute(0, 3, 1, 2); two dims alone are exchanged by x.transpose(1, 2)",
            "请按新的顺序写出全部 %d 个维，包括批次维：图片用 "
            "x.permute(0, 3, 1, 2)；只交换两维用 x.transpose(1, 2)",
            self->ndim);
    }
    for (int d = 0; d < self->ndim; d++) {
        order[d] = shape_wrap_dim(dims.data[d], self->ndim);
        if (order[d] < 0)
            return -1;
        if (seen >> order[d] & 1)
            return error_set(FL_RUNTIME_ERROR, "permute(): duplicate dims are not allowed.");
        seen |= UINT64_C(1) << order[d];
    }
    return 0;
}

int permute_view(fl_tensor *self, fl_ints dims, struct op_view *y)
{
    int order[TENSOR_MAX_DIMS];
    if (permutation(self, dims, order))
        return -1;
    y->ndim = self->ndim, y->offset = self->offset;
    for (int d = 0; d < self->ndim; d++)
        y->sizes[d] = self->sizes[order[d]], y->strides[d] = self->strides[order[d]];
    return 0;
}

int permute_back_view(fl_tensor *self, fl_ints dims, struct op_view *y)
{
    int order[TENSOR_MAX_DIMS];
    if (permutation(self, dims, order))
        return -1;
    y->ndim = self->ndim, y->offset = self->offset;
    for (int d = 0; d < self->ndim; d++)
        y->sizes[order[d]] = self->sizes[d], y->strides[order[d]] = self->strides[d];
    return 0;
}

int transpose_view(fl_tensor *self, int64_t dim0, int64_t dim1, struct op_view *y)
{
    int a = shape_wrap_dim(dim0, self->ndim), b = shape_wrap_dim(dim1, self->ndim);
    if (a < 0 || b < 0)
        return -1;
    view_of(y, self);
    if (self->ndim)
        swap(y, a, b);
    return 0;
}

int t_view(fl_tensor *self, struct op_view *y)
{
    if (self->ndim > 2)
        return error_set(FL_RUNTIME_ERROR,
                         "t() expects a tensor with <= 2 dimensions, but self is %dD", self->ndim);
    view_of(y, self);
    if (self->ndim == 2)
        swap(y, 0, 1);
    return 0;
}

int movedim_compose(fl_tensor *self, fl_ints source, fl_ints destination, fl_tensor **y)
{
    int64_t order[TENSOR_MAX_DIMS];
    uint64_t from = 0, to = 0;
    char a[128], b[128];
    if (source.count != destination.count)
        return error_set(
            FL_RUNTIME_ERROR,
            "movedim: Invalid source or destination dims: source (%s dims) should contain "
            "the same number of dims as destination (%s dims)",
            shape_text(a, sizeof a, (int)source.count, source.data),
            shape_text(b, sizeof b, (int)destination.count, destination.data));
    for (int d = 0; d < self->ndim; d++)
        order[d] = -1;
    for (int i = 0; i < source.count; i++) {
        int s = shape_wrap_dim(source.data[i], self->ndim),
            t = shape_wrap_dim(destination.data[i], self->ndim);
        if (s < 0 || t < 0)
            return -1;
        if (from >> s & 1 || to >> t & 1)
            return error_set(FL_RUNTIME_ERROR, "movedim: repeated dim in `%s` (%s)",
                             from >> s & 1 ? "source" : "destination",
                             from >> s & 1
                                 ? shape_text(a, sizeof a, (int)source.count, source.data)
                                 : shape_text(b, sizeof b, (int)source.count, destination.data));
        from |= UINT64_C(1) << s, to |= UINT64_C(1) << t;
        order[t] = s;
    }
    int next = 0;
    for (int d = 0; d < self->ndim; d++) {
        if (order[d] >= 0)
            continue;
        while (from >> next & 1)
            next++;
        order[d] = next++;
    }
    *y = self->ndim ? fl_permute(self, (fl_ints){order, self->ndim}) : self;
    return *y ? 0 : -1;
}

/* ---- broadcasting and dims of size 1 ---- */

/* The error of sizes that self cannot be expanded to, -1: of the size wanted in a dim and the one it
 * has, which is -1 where there is no such dim; or, with a dim of -1, of how many they are. */
static int __attribute__((cold, noinline)) refuse_expand(const fl_tensor *self, fl_ints size,
                                                         int dim, int64_t want, int64_t have)
{
    char wanted[128], own[128], of[32];
    shape_text(wanted, sizeof wanted,
               (int)(size.count < TENSOR_MAX_DIMS ? size.count : TENSOR_MAX_DIMS), size.data);
    shape_text(own, sizeof own, self->ndim, self->sizes);
    dtype_tensor_class(of, sizeof of, self->dtype);
    if (dim < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "expand(%s{%s}, size=%s): the number of sizes provided (%lld) must be "
                         "greater or equal to the number of dimensions in the tensor (%d)",
                         of, own, wanted, (long long)size.count, self->ndim);
    if (have < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "The expanded size of the tensor (-1) isn't allowed in a leading, "
                         "non-existing dimension %d",
                         dim);
    return error_set(
        FL_RUNTIME_ERROR,
        "The expanded size of the tensor (%lld) must match the existing size (%lld) at "
        "non-singleton dimension %d.  Target sizes: %s.  Tensor sizes: %s",
        (long long)want, (long long)have, dim, wanted, own);
}

int expand_view(fl_tensor *self, fl_ints size, bool implicit, struct op_view *y)
{
    (void)implicit;
    if (size.count < self->ndim || size.count > TENSOR_MAX_DIMS)
        return refuse_expand(self, size, -1, 0, 0);
    y->ndim = (int)size.count, y->offset = self->offset;
    int extra = y->ndim - self->ndim;
    for (int d = y->ndim - 1; d >= 0; d--) {
        int64_t want = size.data[d], have = d < extra ? 1 : self->sizes[d - extra];
        if (want == -1 && d < extra)
            return refuse_expand(self, size, d, want, -1);
        if (want == -1)
            want = have;
        if (want < 0 || (have != 1 && have != want))
            return refuse_expand(self, size, d, want, have);
        y->sizes[d] = want;
        y->strides[d] = d < extra || (have == 1 && want != 1) ? 0 : self->strides[d - extra];
    }
    return shape_numel(y->ndim, y->sizes) < 0 ? -1 : 0;
}

/* Leaves out the dims of `mask` that have size 1. */
static void drop_dims(const fl_tensor *t, uint64_t mask, struct op_view *y)
{
    y->ndim = 0, y->offset = t->offset;
    for (int d = 0; d < t->ndim; d++) {
        if (mask >> d & 1 && t->sizes[d] == 1)
            continue;
        y->sizes[y->ndim] = t->sizes[d], y->strides[y->ndim++] = t->strides[d];
    }
}

int squeeze_view(fl_tensor *self, struct op_view *y)
{
    drop_dims(self, ~UINT64_C(0), y);
    return 0;
}

int squeeze_dim_view(fl_tensor *self, int64_t dim, struct op_view *y)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0)
        return -1;
    drop_dims(self, UINT64_C(1) << d, y);
    return 0;
}

int squeeze_dims_view(fl_tensor *self, fl_ints dim, struct op_view *y)
{
    uint64_t mask = 0;
    for (int i = 0; i < dim.count; i++) {
        int d = shape_wrap_dim(dim.data[i], self->ndim);
        if (d < 0)
            return -1;
        if (mask >> d & 1)
            return error_set(FL_RUNTIME_ERROR, "dim %d appears multiple times in the list of dims",
                             d);
        mask |= UINT64_C(1) << d;
    }
    drop_dims(self, mask, y);
    return 0;
}

int unsqueeze_view(fl_tensor *self, int64_t dim, struct op_view *y)
{
    int at = shape_wrap_dim(dim, self->ndim + 1);
    if (at < 0)
        return -1;
    if (self->ndim == TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    y->ndim = self->ndim + 1, y->offset = self->offset;
    for (int d = 0, from = 0; d < y->ndim; d++) {
        if (d == at) {
            y->sizes[d] = 1;
            y->strides[d] = from < self->ndim ? self->sizes[from] * self->strides[from] : 1;
        } else {
            y->sizes[d] = self->sizes[from], y->strides[d] = self->strides[from++];
        }
    }
    return 0;
}
