/* gather, scatter, take and put: elements named by an index of the whole shape. */
#include <assert.h>

#include "core/error.h"
#include "core/sound.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/index/index.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* The error of a source with another number of dims than the index: PyTorch asks for its size along
 * the dim first. -1. */
static int refuse_source(const fl_tensor *source, int d)
{
    if (shape_wrap_dim(d, source->ndim) < 0)
        return -1;
    return error_set(FL_RUNTIME_ERROR,
                     "Index tensor must have the same number of dimensions as src tensor");
}

/* index must fit in `t` but along d; with `source`, in source too. */
static int check_shapes(const fl_tensor *t, const fl_tensor *index, int d, const fl_tensor *source,
                        const char *what)
{
    char a[128], b[128], c[128];
    if (index->numel && index->dtype != FL_INT64 && index->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR, "%s(): Expected dtype int32/int64 for index", what);
    int ndim = t->ndim ? t->ndim : 1, own = index->ndim ? index->ndim : 1;
    if (ndim != own && index->numel) {
        error_set(FL_RUNTIME_ERROR,
                  "Index tensor must have the same number of dimensions as %s tensor",
                  strcmp(what, "gather") ? "self" : "input");
        if (strcmp(what, "gather"))
            return error_hint(
                "the tensor has %d dims and the index %d: one element a row is written by "
                "x.scatter_(1, index.unsqueeze(1), value); one-hot labels: "
                "F.one_hot(index, classes)",
                "张量有 %d 维，而下标有 %d 维，必须相同：每行写一个元素时用 "
                "x.scatter_(1, index.unsqueeze(1), value)；one-hot 标签："
                "F.one_hot(index, classes)",
                ndim, own);
        return error_hint("the tensor has %d dims and the index %d: one element a row is taken by "
                          "x.gather(1, index.unsqueeze(1)).squeeze(1)",
                          "张量有 %d 维，而下标有 %d 维，必须相同：每行取一个元素时写 "
                          "x.gather(1, index.unsqueeze(1)).squeeze(1)",
                          ndim, own);
    }
    for (int k = 0; k < index->ndim && t->ndim && index->numel; k++)
        if (k != d && index->sizes[k] > t->sizes[k])
            return error_set(
                FL_RUNTIME_ERROR,
                "Size does not match at dimension %d expected index %s to be no larger than self "
                "%s apart from dimension %d",
                k, shape_text(a, sizeof a, index->ndim, index->sizes),
                shape_text(b, sizeof b, t->ndim, t->sizes), d);
    if (!source || index->numel == 0)
        return 0;
    if ((source->ndim ? source->ndim : 1) != own)
        return refuse_source(source, d);
    for (int k = 0; k < index->ndim; k++)
        if (index->sizes[k] > (source->ndim ? source->sizes[k] : 1))
            return error_set(
                FL_RUNTIME_ERROR,
                "Expected index %s to be no larger than self %s apart from dimension %d and to be "
                "no larger size than src %s",
                shape_text(a, sizeof a, index->ndim, index->sizes),
                shape_text(b, sizeof b, t->ndim, t->sizes), d,
                shape_text(c, sizeof c, source->ndim, source->sizes));
    if (source->dtype != t->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "scatter(): Expected self.dtype to be equal to src.dtype");
    return 0;
}

int index_check(const fl_tensor *which, int dim, int64_t size)
{
    const int64_t *k = tensor_data(which);
    if (index_within(k, which->numel, 0, size - 1))
        return 0;
    int64_t i = 0;
    while (k[i] >= 0 && k[i] < size)
        i++;
    assert(i < which->numel);
    return shape_refuse_index(FL_RUNTIME_ERROR, k[i], dim, size);
}

static int64_t stride_of(const fl_tensor *t, int d)
{
    assert(d >= 0 && d < TENSOR_MAX_DIMS);
    return t && t->ndim ? t->strides[d] * (int64_t)dtype_size(t->dtype) : 0;
}

/* Walks index (contiguous int64, within bounds) row by row along one dim: the last, or the longest
 * where that is short. Whichever it is, elements that name the same place, which differ along d
 * alone, come in the order in which they lie. Element i of a row has the index k[i * k_step]; it
 * names the address `named + i * step + index * along` in t, and its own position in other is
 * `own + i * own_step`. These strides are in bytes. */
struct walk {
    const fl_tensor *t, *index, *other;
    int d, row;
    int64_t at[TENSOR_MAX_DIMS], done, n, along, step, own_step, k_step;
    const int64_t *k;
    char *named, *own;
};

enum { SHORT_ROW = 16 }; /* elements */

static struct walk walk_of(const fl_tensor *t, const fl_tensor *index, const fl_tensor *other,
                           int d)
{
    assert(index->dtype == FL_INT64 && tensor_is_flat(index));
    struct walk w = {.t = t, .index = index, .other = other, .d = d, .row = index->ndim - 1};
    for (int e = w.row - 1; e >= 0 && index->sizes[index->ndim - 1] < SHORT_ROW; e--)
        if (index->sizes[e] > index->sizes[w.row])
            w.row = e;
    w.along = stride_of(t, d), w.n = w.k_step = 1;
    if (w.row < 0)
        return w;
    w.n = index->sizes[w.row], w.k_step = index->strides[w.row];
    w.step = w.row == d ? 0 : stride_of(t, w.row);
    w.own_step = stride_of(other, w.row);
    return w;
}

/* The next row, or false. */
static bool walk_row(struct walk *w)
{
    if (w->done == w->index->numel)
        return false;
    w->k = tensor_data(w->index);
    w->named = tensor_data(w->t), w->own = w->other ? tensor_data(w->other) : NULL;
    for (int e = 0; e < w->index->ndim; e++) {
        w->k += w->at[e] * w->index->strides[e];
        if (e != w->d)
            w->named += w->at[e] * stride_of(w->t, e);
        if (w->other)
            w->own += w->at[e] * stride_of(w->other, e);
    }
    w->done += w->n;
    for (int e = w->index->ndim - 1; e >= 0; e--) {
        if (e == w->row)
            continue;
        if (++w->at[e] < w->index->sizes[e])
            break;
        w->at[e] = 0;
    }
    return true;
}

int gather_shape(fl_tensor *self, int64_t dim, fl_tensor *index, bool sparse_grad,
                 struct op_shape *y)
{
    (void)sparse_grad;
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0 || check_shapes(self, index, d, NULL, "gather"))
        return -1;
    op_shape_like(y, index);
    return 0;
}

/* The indices of a row that lie one behind another are checked with the row, while a cache holds
 * them: false where one is out of bounds. (scatter, which writes to what is there, checks all first.)
 * Inlined with constants: elements of `bytes`; dense: rows lie along d, and neighbours are neighbours
 * in memory. */
static inline __attribute__((always_inline)) bool gather_rows(struct walk *w, const size_t bytes,
                                                              const bool dense)
{
    const int64_t size = w->t->ndim ? w->t->sizes[w->d] : 1;
    while (walk_row(w)) {
        if (w->k_step == 1 && !index_within(w->k, w->n, 0, size - 1))
            return false;
        const int64_t n = w->n, k_step = dense ? 1 : w->k_step, *k = w->k;
        const int64_t along = dense ? (int64_t)bytes : w->along, step = dense ? 0 : w->step;
        const int64_t own_step = dense ? (int64_t)bytes : w->own_step;
        const char *named = w->named;
        char *own = w->own;
        for (int64_t i = 0; i < n; i++)
            memcpy(own + i * own_step, named + i * step + k[i * k_step] * along, bytes);
    }
    return true;
}

int gather_cpu(fl_tensor *self, int64_t dim, fl_tensor *index, bool sparse_grad, fl_tensor *y)
{
    assert(shape_equal(y, index) && y->dtype == self->dtype);
    (void)sparse_grad;
    fl_tensor *which = tensor_as(index, FL_INT64);
    if (!which)
        return -1;
    struct walk w = walk_of(self, which, y, shape_wrap_dim(dim, self->ndim));
    const int64_t bytes = (int64_t)dtype_size(self->dtype),
                  size = self->ndim ? self->sizes[w.d] : 1;
    const bool dense = w.row == w.d && w.along == bytes && w.own_step == bytes && w.k_step == 1;
    assert(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16);
    bool within = w.k_step == 1 || index_check(which, w.d, size) == 0;
    if (within && bytes == 4)
        within = dense ? gather_rows(&w, 4, true) : gather_rows(&w, 4, false);
    else if (within && bytes == 8)
        within = dense ? gather_rows(&w, 8, true) : gather_rows(&w, 8, false);
    else if (within && bytes == 1)
        within = gather_rows(&w, 1, false);
    else if (within && bytes == 2)
        within = gather_rows(&w, 2, false);
    else if (within)
        within = gather_rows(&w, 16, false);
    int status = within ? 0 : index_check(which, w.d, size);
    tensor_release(which);
    return status;
}

/* Copies a row of scatter; inlined with constant `bytes`. */
static inline __attribute__((always_inline)) void copy_row(const struct index_row *row,
                                                           const size_t bytes)
{
    const struct index_row r = *row;
    for (int64_t i = 0; i < r.n; i++)
        memcpy(r.to + i * r.to_step + r.index[i * r.index_step] * r.along, r.from + i * r.from_step,
               bytes);
}

/* source NULL: every element named receives `number` (one element of self's dtype). */
static int scatter_into(enum index_how how, fl_tensor *self, int64_t dim, fl_tensor *index,
                        const fl_tensor *source, const void *number, const char *what)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0 || tensor_check_written(self) || check_shapes(self, index, d, source, what))
        return -1;
    assert(!source == !!number);
    fl_tensor *which = tensor_as(index, FL_INT64);
    if (!which)
        return -1;
    struct walk w = walk_of(self, which, source, d);
    int status = index_check(which, d, self->ndim ? self->sizes[d] : 1);
    const size_t bytes = dtype_size(self->dtype);
    while (status == 0 && walk_row(&w)) {
        const struct index_row row = {w.n,
                                      w.k,
                                      w.k_step,
                                      w.named,
                                      w.step,
                                      w.along,
                                      number ? number : w.own,
                                      number ? 0 : w.own_step};
        if (how == INDEX_COPY && bytes == 4)
            copy_row(&row, 4);
        else if (how == INDEX_COPY && bytes == 8)
            copy_row(&row, 8);
        else if (how == INDEX_COPY && bytes == 2)
            copy_row(&row, 2);
        else if (how == INDEX_COPY && bytes == 1)
            copy_row(&row, 1);
        else
            index_combine_row(how, self->dtype, &row);
    }
    tensor_release(which);
    return status;
}

int scatter__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src)
{
    return scatter_into(INDEX_COPY, self, dim, index, src, NULL, "scatter");
}

int scatter_add__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src)
{
    return scatter_into(INDEX_ADD, self, dim, index, src, NULL, "scatter_add");
}

int scatter_value__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_value value)
{
    fl_tensor *one =
        number_check(value, self->dtype) ? NULL : tensor_from_number(value, self->dtype);
    int status =
        one ? scatter_into(INDEX_COPY, self, dim, index, NULL, tensor_data(one), "scatter") : -1;
    tensor_release(one);
    return status;
}

int scatter_reduce_named__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src,
                              const char *reduce)
{
    bool add = strcmp(reduce, "add") == 0;
    if (!add && strcmp(reduce, "multiply") != 0)
        return error_set(FL_RUNTIME_ERROR, "reduce argument must be either add or multiply.");
    return scatter_into(add ? INDEX_ADD : INDEX_MULTIPLY, self, dim, index, src, NULL, "scatter");
}

int scatter_value_reduce__cpu(fl_tensor *self, int64_t dim, fl_tensor *index, fl_value value,
                              const char *reduce)
{
    bool add = strcmp(reduce, "add") == 0;
    if (!add && strcmp(reduce, "multiply") != 0)
        return error_set(FL_RUNTIME_ERROR, "reduce argument must be either add or multiply.");
    fl_tensor *one =
        number_check(value, self->dtype) ? NULL : tensor_from_number(value, self->dtype);
    int status = one ? scatter_into(add ? INDEX_ADD : INDEX_MULTIPLY, self, dim, index, NULL,
                                    tensor_data(one), "scatter")
                     : -1;
    tensor_release(one);
    return status;
}

int scatter_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src, fl_tensor **y)
{
    *y = fl_scatter_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, src);
    return *y ? 0 : -1;
}

int scatter_value_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_value value,
                          fl_tensor **y)
{
    *y = fl_scatter_value_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, value);
    return *y ? 0 : -1;
}

int scatter_reduce_named_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src,
                                 const char *reduce, fl_tensor **y)
{
    *y = fl_scatter_reduce_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, src, reduce);
    return *y ? 0 : -1;
}

int scatter_value_reduce_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_value value,
                                 const char *reduce, fl_tensor **y)
{
    *y = fl_scatter_value_reduce_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, value, reduce);
    return *y ? 0 : -1;
}

int scatter_add_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_tensor *src,
                        fl_tensor **y)
{
    *y = fl_scatter_add_(fl_clone(self, FORMAT_CONTIGUOUS), dim, index, src);
    return *y ? 0 : -1;
}

/* An index without dims, or with one, may go to a tensor with one, or without: their elements are one
 * row. One without elements goes to any. */
int gather_into_compose(fl_tensor *self, int64_t dim, fl_tensor *index, fl_ints size, fl_tensor **y)
{
    if (index->numel == 0) {
        *y = fl_new_zeros(self, size, FL_NO_DTYPE, (fl_device){-1, 0}, false);
        return *y ? 0 : -1;
    }
    fl_tensor *picked = fl_gather(self, dim, index, false);
    if (picked && size.count != index->ndim)
        picked = fl_reshape(picked, (fl_ints){&picked->numel, size.count > 0});
    if (!picked)
        return -1;
    assert(picked->ndim == size.count);
    int64_t pad[2 * TENSOR_MAX_DIMS] = {0};
    bool same = true;
    for (int d = 0; d < picked->ndim; d++) {
        pad[2 * (picked->ndim - 1 - d) + 1] = size.data[d] - picked->sizes[d];
        same = same && size.data[d] == picked->sizes[d];
    }
    *y = same ? picked : fl_constant_pad_nd(picked, (fl_ints){pad, 2 * size.count}, fl_int(0));
    return *y ? 0 : -1;
}

/* Refuses positions beyond a row of n elements. */
static int check_positions(const fl_tensor *index, int64_t n)
{
    const fl_tensor *seen = op_look(index);
    fl_tensor *plain = seen ? tensor_contiguous(seen) : NULL;
    const int64_t *at = plain ? tensor_data(plain) : NULL;
    int status = plain ? 0 : -1;
    bool within = plain && index_within(at, plain->numel, -n, n - 1);
    for (int64_t i = 0; status == 0 && !within; i++)
        if (at[i] < -n || at[i] >= n)
            status = error_set(FL_INDEX_ERROR,
                               "out of range: tried to access index %lld on a tensor of %lld "
                               "elements.",
                               (long long)at[i], (long long)n);
    tensor_release(plain);
    return status;
}

int put_compose(fl_tensor *self, fl_tensor *index, fl_tensor *source, bool accumulate,
                fl_tensor **y)
{
    if (index->numel != source->numel)
        return error_set(FL_INDEX_ERROR,
                         "put_(): Expected source and index to have the same number of elements, "
                         "but got source.numel() = %lld, index.numel() = %lld",
                         (long long)source->numel, (long long)index->numel);
    if (index->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR, "put_(): Expected a long tensor for index, but got %s",
                         dtype_title(index->dtype));
    if (source->dtype != self->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "put_(): self and source expected to have the same dtype, but got self."
                         "dtype = %s and source.dtype = %s",
                         dtype_title(self->dtype), dtype_title(source->dtype));
    if (self->numel == 0 && index->numel)
        return error_set(FL_INDEX_ERROR, "put_(): Tried to put elements into an empty tensor");
    if (check_positions(index, self->numel))
        return -1;
    fl_ints row = {(int64_t[]){-1}, 1};
    fl_tensor *places = fl_reshape(index, row), *from = fl_reshape(source, row),
              *into = fl_reshape(self, row);
    *y = places && from && into ? fl_index_put(into, (fl_tensors){&places, 1}, from, accumulate)
                                : NULL;
    *y = fl_reshape(*y, (fl_ints){self->sizes, self->ndim});
    if (*y && !(self->flags & TENSOR_CONTIGUOUS))
        *y = fl_copy_(fl_empty_like(self, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1), *y, false);
    return *y ? 0 : -1;
}

int take_compose(fl_tensor *self, fl_tensor *index, fl_tensor **y)
{
    if (index->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR, "take(): Expected a long tensor for index, but got %s",
                         dtype_title(index->dtype));
    if (self->numel == 0 && index->numel)
        return error_set(FL_INDEX_ERROR, "take(): tried to take from an empty tensor");
    if (check_positions(index, self->numel))
        return -1;
    fl_tensor *row = fl_reshape(self, (fl_ints){(int64_t[]){-1}, 1}),
              *at = fl_contiguous(index, -1);
    *y = row && at ? fl_index(row, (fl_tensors){&at, 1}) : NULL;
    return *y ? 0 : -1;
}

/* A copy of indices in which those below 0 count from the end of a dim of n. */
static fl_tensor *from_the_front(fl_tensor *indices, int64_t n)
{
    if (indices->flags & TENSOR_ELSEWHERE)
        return fl_where(fl_lt_scalar(indices, fl_int(0)),
                        fl_add_scalar(indices, fl_int(n), fl_int(1)), indices);
    fl_tensor *copy = op_adopt(tensor_new(indices->ndim, indices->sizes, FL_INT64));
    if (!copy || tensor_copy(copy, indices))
        return NULL;
    int64_t *place = tensor_data(copy);
    for (int64_t i = 0; i < copy->numel; i++)
        place[i] += place[i] < 0 ? n : 0;
    return copy;
}

int take_along_dim_compose(fl_tensor *self, fl_tensor *indices, const int64_t *dim, fl_tensor **y)
{
    if (indices->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.take_along_dim(): dtype of indices should be Long but got %s",
                         dtype_title(indices->dtype));
    if (!dim) {
        fl_tensor *flat = from_the_front(indices, self->numel);
        *y = flat ? fl_gather(fl_flatten(self, 0, -1), 0, fl_flatten(flat, 0, -1), false) : NULL;
        return *y ? 0 : -1;
    }
    if (self->ndim != indices->ndim)
        return error_set(
            FL_RUNTIME_ERROR,
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            "but got %d dimensions for input, and %d dimensions for indices",
            self->ndim, indices->ndim);
    int d = shape_wrap_dim(*dim, self->ndim);
    if (d < 0)
        return -1;
    int64_t from[TENSOR_MAX_DIMS], which[TENSOR_MAX_DIMS];
    for (int k = 0; k < self->ndim; k++) {
        int64_t a = self->sizes[k], b = indices->sizes[k], both = a == 1 ? b : a;
        from[k] = k == d ? a : both, which[k] = k == d ? b : both;
    }
    fl_tensor *front = from_the_front(indices, self->ndim ? self->sizes[d] : 1);
    *y = !front ? NULL
                : fl_gather(fl_expand(self, (fl_ints){from, self->ndim}, false), d,
                            fl_expand(front, (fl_ints){which, self->ndim}, false), false);
    return *y ? 0 : -1;
}
