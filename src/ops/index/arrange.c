/* Blocks, choices and coordinates. */
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/pointwise/pointwise.h"
#include "ops_kernels.h"

/* ---- Blocks and choices ---------------------------------------------------------------------- */

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
