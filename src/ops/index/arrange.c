/* Blocks, grids, choices and coordinates; differences of neighbours, and areas under points. */
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/pointwise/pointwise.h"
#include "ops_kernels.h"

/* ---- Blocks and choices ---------------------------------------------------------------------- */

int nonzero_static_compose(fl_tensor *self, int64_t size, int64_t fill_value, fl_tensor **y)
{
    if (size < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "nonzero_static: 'size' must be an non-negative integer");
    fl_tensor *found = fl_nonzero(self);
    if (!found)
        return -1;
    if (found->sizes[0] >= size)
        return op_give(y, fl_narrow(found, 0, 0, size));
    const int64_t rest[] = {size - found->sizes[0], self->ndim};
    fl_tensor *parts[] = {found, fl_full((fl_ints){rest, 2}, fl_int(fill_value), FL_INT64,
                                         (fl_device){-1, 0}, false)};
    return op_give(y, op_joined(parts, 2, 0));
}

int block_diag_compose(fl_tensors tensors, fl_tensor **y)
{
    fl_value list;
    int64_t width = 0, at = 0;
    if (!tensors.count)
        return op_give(
            y, fl_zeros((fl_ints){(int64_t[]){1, 0}, 2}, FL_NO_DTYPE, (fl_device){-1, 0}, false));
    const int dtype = pointwise_promote_list(tensors.data, tensors.count);
    fl_tensor **row = dtype < 0 ? NULL : op_list(&list, tensors.count);
    for (int64_t i = 0; row && i < tensors.count; i++) {
        if (tensors.data[i]->ndim > 2) {
            op_list_drop(&list);
            return error_set(
                FL_RUNTIME_ERROR,
                "block_diag: Input tensors must have 2 or fewer dimensions. Input %lld "
                "has %d dimensions",
                (long long)i, tensors.data[i]->ndim);
        }
        row[i] = fl_atleast_2d(tensors.data[i]);
        width += row[i] ? row[i]->sizes[1] : 0;
    }
    for (int64_t i = 0; row && i < tensors.count; i++) {
        const int64_t own = row[i] ? row[i]->sizes[1] : 0, pad[] = {at, width - at - own};
        row[i] = fl_constant_pad_nd(op_as(row[i], dtype), (fl_ints){pad, 2}, fl_int(0));
        at += own;
    }
    *y = row ? op_joined(row, tensors.count, 0) : NULL;
    if (row)
        op_list_drop(&list);
    return *y ? 0 : -1;
}

int cartesian_prod_compose(fl_tensors tensors, fl_tensor **y)
{
    fl_value grid;
    if (tensors.count == 1)
        return op_give(y, tensors.data[0]);
    if (fl_meshgrid(tensors, "ij", &grid) || grid.tag != FL_TENSORS)
        return -1;
    fl_value list;
    fl_tensor **column = op_list(&list, tensors.count);
    for (int64_t i = 0; column && i < tensors.count; i++)
        column[i] = fl_flatten(grid.as.tensors[i], 0, -1);
    op_list_drop(&grid);
    *y = column ? op_stacked(column, tensors.count, 1) : NULL;
    if (column)
        op_list_drop(&list);
    return *y ? 0 : -1;
}

/* n over r; -1 where it exceeds 64 bits: soon, as r is at most half of n in the loop. */
static int64_t choose(int64_t n, int64_t r)
{
    assert(n >= 0 && r >= 0);
    int64_t count = 1;
    if (n < r)
        return 0;
    r = r < n - r ? r : n - r;
    for (int64_t i = 0; i < r; i++)
        if (__builtin_mul_overflow(count, n - i, &count))
            return -1;
        else
            count /= i + 1;
    return count;
}

/* The rows of r positions among n in lexical order. */
static void fill_choices(int64_t *row, int64_t rows, int64_t n, int64_t r, bool again)
{
    for (int64_t k = 0; rows && k < r; k++)
        row[k] = again ? 0 : k;
    for (int64_t i = 1; i < rows; i++, row += r) {
        int64_t *next = row + r, k = r - 1;
        memcpy(next, row, sizeof *row * (size_t)r);
        while (next[k] == (again ? n - 1 : n - r + k))
            k--;
        next[k]++;
        for (int64_t j = k + 1; j < r; j++)
            next[j] = next[j - 1] + !again;
    }
}

int combinations_compose(fl_tensor *self, int64_t r, bool with_replacement, fl_tensor **y)
{
    char got[128];
    if (self->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "Expect a 1D vector, but got shape %s",
                         shape_text(got, sizeof got, self->ndim, self->sizes));
    if (r < 0)
        return error_set(FL_RUNTIME_ERROR, "Expect a non-negative number, but got %lld",
                         (long long)r);
    if (r == 0)
        return op_give(y, fl_narrow(self, 0, 0, 0));
    const int64_t n = self->sizes[0];
    int64_t from = n; /* rows are r of so many */
    bool counts = !with_replacement || !n || !__builtin_add_overflow(n - 1, r, &from);
    const int64_t rows = !counts ? -1 : n ? choose(from, r) : 0, shape[] = {rows, r};
    if (rows < 0)
        return error_set(FL_RUNTIME_ERROR, "combinations: more rows than 64 bits count");
    fl_tensor *index = op_adopt(tensor_new(2, shape, FL_INT64));
    if (!index)
        return -1;
    fill_choices(tensor_data(index), rows, n, r, with_replacement);
    return op_give(y,
                   fl_reshape(fl_index_select(self, 0, fl_flatten(op_beside(index, self), 0, -1)),
                              (fl_ints){shape, 2}));
}

int unravel_index_compose(fl_tensor *indices, fl_ints shape, fl_value *y)
{
    if (!dtype_is_integral(indices->dtype))
        return error_set(FL_VALUE_ERROR, "expected 'indices' to be integer dtype, but got torch.%s",
                         fl_dtype_name((fl_dtype)indices->dtype));
    for (int64_t d = 0; d < shape.count; d++)
        if (shape.data[d] < 0)
            return error_set(FL_VALUE_ERROR, "'shape' cannot have negative values, but got %s",
                             shape_text((char[128]){0}, 128, (int)shape.count, shape.data));
    fl_tensor **coordinate = op_list(y, shape.count), *left = op_as(indices, FL_INT64);
    for (int64_t d = shape.count - 1; coordinate && d >= 0; d--) {
        coordinate[d] = fl_remainder_scalar(left, fl_int(shape.data[d]));
        left = fl_floor_divide_scalar(left, fl_int(shape.data[d]));
        if (!left)
            return -1;
    }
    return coordinate ? 0 : -1;
}

/* ---- Splits along the dim that a name means -------------------------------------------------- */

static int check_ranks(const fl_tensor *self, const char *name, int least)
{
    return self->ndim >= least
               ? 0
               : error_set(FL_RUNTIME_ERROR,
                           "torch.%s requires a tensor with at least %d dimension%s, but got a "
                           "tensor with %d dimensions!",
                           name, least, least > 1 ? "s" : "", self->ndim);
}

static int split_evenly(fl_tensor *self, const char *name, int least, int dim, int64_t sections,
                        fl_value *y)
{
    if (check_ranks(self, name, least))
        return -1;
    if (sections <= 0 || self->sizes[dim] % sections)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.%s attempted to split along dimension %d, but the size of the "
                         "dimension %lld is not divisible by the split_size %lld!",
                         name, dim, (long long)self->sizes[dim], (long long)sections);
    return fl_tensor_split(self, sections, dim, y);
}

static int split_at(fl_tensor *self, const char *name, int least, int dim, fl_ints indices,
                    fl_value *y)
{
    return check_ranks(self, name, least) ? -1 : fl_tensor_split_indices(self, indices, dim, y);
}

int hsplit_compose(fl_tensor *self, int64_t sections, fl_value *y)
{
    return split_evenly(self, "hsplit", 1, self->ndim > 1, sections, y);
}

int hsplit_array_compose(fl_tensor *self, fl_ints indices, fl_value *y)
{
    return split_at(self, "hsplit", 1, self->ndim > 1, indices, y);
}

int vsplit_compose(fl_tensor *self, int64_t sections, fl_value *y)
{
    return split_evenly(self, "vsplit", 2, 0, sections, y);
}

int vsplit_array_compose(fl_tensor *self, fl_ints indices, fl_value *y)
{
    return split_at(self, "vsplit", 2, 0, indices, y);
}

int dsplit_compose(fl_tensor *self, int64_t sections, fl_value *y)
{
    return split_evenly(self, "dsplit", 3, 2, sections, y);
}

int dsplit_array_compose(fl_tensor *self, fl_ints indices, fl_value *y)
{
    return split_at(self, "dsplit", 3, 2, indices, y);
}

/* ---- Differences and areas ------------------------------------------------------------------- */

/* t less its last, or its first, index of a dim. */
static fl_tensor *without_last(fl_tensor *t, int64_t dim)
{
    return fl_slice(t, dim, NULL, &(int64_t){-1}, 1);
}

static fl_tensor *without_first(fl_tensor *t, int64_t dim)
{
    return fl_slice(t, dim, &(int64_t){1}, NULL, 1);
}

int diff_compose(fl_tensor *self, int64_t n, int64_t dim, fl_tensor *prepend, fl_tensor *append,
                 fl_tensor **y)
{
    if (self->ndim == 0)
        return error_set(FL_RUNTIME_ERROR, "diff expects input to be at least one-dimensional");
    if (n < 0)
        return error_set(FL_RUNTIME_ERROR, "order must be non-negative but got %lld", (long long)n);
    int d = shape_wrap_dim(dim, self->ndim), count = 0;
    if (d < 0)
        return -1;
    if ((prepend && prepend->ndim != self->ndim) || (append && append->ndim != self->ndim))
        return error_set(FL_RUNTIME_ERROR, "diff expects prepend or append to be the same "
                                           "dimension as input");
    if (n == 0)
        return op_give(y, fl_clone(self, -1));
    fl_tensor *parts[3];
    if (prepend)
        parts[count++] = prepend;
    parts[count++] = self;
    if (append)
        parts[count++] = append;
    fl_tensor *t = count > 1 ? fl_cat((fl_tensors){parts, count}, d) : self;
    if (t && n > t->sizes[d])
        n = t->sizes[d];
    for (int64_t i = 0; t && i < n; i++)
        t = t->dtype == FL_BOOL ? fl_bitwise_xor(without_first(t, d), without_last(t, d))
                                : fl_sub(without_first(t, d), without_last(t, d), fl_int(1));
    return op_give(y, t);
}

/* The areas between neighbours: half the sum of both times the distance. */
static fl_tensor *trapezoids(fl_tensor *t, fl_tensor *x, fl_value dx, int d)
{
    assert(d >= 0 && (d < t->ndim || t->ndim == 0));
    if (t->dtype == FL_BOOL || (x && x->dtype == FL_BOOL))
        return error_null(FL_RUNTIME_ERROR, "trapezoid: bool is not supported for `x` or `y`");
    fl_tensor *middle = fl_add(without_first(t, d), without_last(t, d), fl_int(1));
    if (!x)
        return fl_mul_scalar(middle, fl_float(number_real(&dx) / 2));
    int64_t shape[TENSOR_MAX_DIMS];
    for (int k = 0; k < t->ndim; k++)
        shape[k] = k == d && x->ndim == 1 ? x->sizes[0] : 1;
    if (x->ndim == 1 && t->ndim > 1) {
        if (x->sizes[0] != t->sizes[d])
            return error_null(FL_RUNTIME_ERROR,
                              "trapezoid: There must be one `x` value for each sample point");
        x = fl_reshape(x, (fl_ints){shape, t->ndim});
    } else if (x->ndim < t->ndim) {
        memcpy(shape + t->ndim - x->ndim, x->sizes, sizeof *shape * (size_t)x->ndim);
        x = fl_reshape(x, (fl_ints){shape, t->ndim});
    }
    if (!x)
        return NULL;
    fl_tensor *width = fl_diff(x, 1, d + x->ndim - t->ndim, NULL, NULL);
    return fl_div_scalar(fl_mul(middle, width), fl_float(2));
}

int trapezoid_compose(fl_tensor *t, fl_tensor *x, int64_t dim, fl_tensor **y)
{
    int d = shape_wrap_dim(dim, t->ndim);
    return d < 0 ? -1
                 : op_give(y, fl_sum_dim_intlist(trapezoids(t, x, fl_int(1), d), (fl_ints){&dim, 1},
                                                 false, FL_NO_DTYPE));
}

int trapezoid_dx_compose(fl_tensor *t, fl_value dx, int64_t dim, fl_tensor **y)
{
    int d = shape_wrap_dim(dim, t->ndim);
    return d < 0 ? -1
                 : op_give(y,
                           fl_mul_scalar(fl_sum_dim_intlist(trapezoids(t, NULL, fl_int(2), d),
                                                            (fl_ints){&dim, 1}, false, FL_NO_DTYPE),
                                         fl_float(number_real(&dx) / 2)));
}

int cumulative_trapezoid_compose(fl_tensor *t, fl_tensor *x, int64_t dim, fl_tensor **y)
{
    int d = shape_wrap_dim(dim, t->ndim);
    return d < 0 ? -1 : op_give(y, fl_cumsum(trapezoids(t, x, fl_int(1), d), dim, FL_NO_DTYPE));
}

int cumulative_trapezoid_dx_compose(fl_tensor *t, fl_value dx, int64_t dim, fl_tensor **y)
{
    int d = shape_wrap_dim(dim, t->ndim);
    return d < 0 ? -1 : op_give(y, fl_cumsum(trapezoids(t, NULL, dx, d), dim, FL_NO_DTYPE));
}
