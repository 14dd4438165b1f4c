/* Identity and triangular matrices, and the indices of their elements. */
#include <assert.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "ops/op.h"
#include "ops_kernels.h"

int eye_shape(int64_t n, const int64_t *m, fl_dtype dtype, fl_device device, bool requires_grad,
              struct op_shape *y)
{
    int64_t sizes[2] = {n, m ? *m : n};
    if (n < 0)
        return error_set(FL_RUNTIME_ERROR, "n must be greater or equal to 0, got %lld",
                         (long long)n);
    if (sizes[1] < 0)
        return error_set(FL_RUNTIME_ERROR, "m must be greater or equal to 0, got %lld",
                         (long long)sizes[1]);
    return zeros_shape((fl_ints){sizes, 2}, dtype, device, requires_grad, y);
}

int eye_cpu(int64_t n, const int64_t *m, fl_dtype dtype, fl_device device, bool requires_grad,
            fl_tensor *y)
{
    assert(y->ndim == 2 && y->sizes[0] == n);
    (void)n, (void)m, (void)dtype, (void)device;
    int64_t rows = y->sizes[0], columns = y->sizes[1], length = rows < columns ? rows : columns,
            step = columns + 1;
    fl_tensor *diagonal = tensor_alias(y, 1, &length, &step, y->offset);
    int status = diagonal ? tensor_fill(diagonal, fl_int(1)) : -1;
    tensor_release(diagonal);
    if (status == 0 && requires_grad)
        status = autograd_set_requires_grad(y, true);
    return status;
}

int tril_shape(fl_tensor *self, int64_t diagonal, struct op_shape *y)
{
    (void)diagonal;
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "tril: input tensor must have at least 2 dimensions");
    op_shape_like(y, self);
    return 0;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Copies self and zeroes, in each row, the columns from the diagonal's right on (lower) or up to it
 * (upper). */
static int keep_triangle(fl_tensor *self, int64_t diagonal, bool lower, fl_tensor *y)
{
    assert(self->ndim >= 2 && shape_equal(y, self));
    if (tensor_copy(y, self))
        return -1;
    int64_t rows = y->sizes[y->ndim - 2], columns = y->sizes[y->ndim - 1];
    size_t element = dtype_size(y->dtype);
    diagonal = clamp(diagonal, -rows - 1, columns + 1);
    for (int64_t r = 0; y->numel && r < y->numel / columns; r++) {
        char *row = (char *)tensor_data(y) + (size_t)(r * columns) * element;
        int64_t edge = clamp(r % rows + diagonal + lower, 0, columns);
        if (lower)
            memset(row + (size_t)edge * element, 0, (size_t)(columns - edge) * element);
        else
            memset(row, 0, (size_t)edge * element);
    }
    return 0;
}

int tril_cpu(fl_tensor *self, int64_t diagonal, fl_tensor *y)
{
    return keep_triangle(self, diagonal, true, y);
}

int triu_cpu(fl_tensor *self, int64_t diagonal, fl_tensor *y)
{
    return keep_triangle(self, diagonal, false, y);
}

/* The first column and the number of columns of a row in a triangle. */
static int64_t row_part(int64_t row, int64_t columns, int64_t offset, bool lower, int64_t *first)
{
    assert(row >= 0 && columns >= 0);
    int64_t edge = offset > columns ? columns : clamp(row + offset + lower, 0, columns);
    *first = lower ? 0 : edge;
    return lower ? edge : columns - edge;
}

/* The number of places in a triangle, without a walk through its rows: a lower triangle begins
 * at the row where its edge enters the matrix and grows by one a row until rows are full; what
 * it leaves is the upper triangle of the next diagonal. */
static int triangle_count(int64_t row, int64_t col, int64_t offset, bool lower, int64_t *count)
{
    __int128 edge = (__int128)offset + lower, all = (__int128)row * col;
    __int128 start = edge < 0 ? -edge : 0, full = col - edge;
    start = start > row ? row : start;
    full = full < start ? start : full > row ? row : full;
    __int128 grown = full - start;
    __int128 below = grown ? grown * (start + edge) + grown * (grown - 1) / 2 : 0;
    below += (row - full) * (__int128)col;
    all = lower ? below : all - below;
    *count = (int64_t)all;
    return all > INT64_MAX / 16 ? -1 : 0;
}

static int indices_shape(int64_t row, int64_t col, int64_t offset, fl_dtype dtype, bool lower,
                         struct op_shape *y)
{
    int64_t sizes[2] = {2, 0};
    if (row < 0 || col < 0)
        return error_set(FL_RUNTIME_ERROR, "%s must be non-negative, got %lld",
                         row < 0 ? "row" : "col", (long long)(row < 0 ? row : col));
    if (triangle_count(row, col, offset, lower, &sizes[1]))
        return error_set(FL_RUNTIME_ERROR, "a triangle of %lld rows and %lld columns is too large",
                         (long long)row, (long long)col);
    op_shape_set(y, 2, sizes);
    y->dtype = dtype == FL_NO_DTYPE ? FL_INT64 : (int)dtype;
    if (y->dtype != FL_INT64 && y->dtype != FL_INT32)
        return error_set(FL_RUNTIME_ERROR, "\"tri%c_indices\" not implemented for '%s'",
                         lower ? 'l' : 'u', dtype_title(y->dtype));
    return 0;
}

static int write_indices(int64_t row, int64_t col, int64_t offset, bool lower, fl_tensor *y)
{
    enum { BLOCK = 256 };
    assert(y->ndim == 2 && y->sizes[0] == 2);
    int64_t n = y->sizes[1], at = 0, first, size = (int64_t)dtype_size(y->dtype);
    char *data = tensor_data(y);
    int64_t start = lower && offset < 0 ? clamp(-(offset + 1), 0, row) : 0;
    int64_t beyond = col < INT64_MAX ? col + 1 : col;
    for (int64_t r = start; r < row && at < n; r++) {
        int64_t count = row_part(r, col, clamp(offset, -row - 1, beyond), lower, &first);
        int64_t column[BLOCK];
        for (int64_t done = 0, part; done < count; done += part, at += part) {
            part = count - done < BLOCK ? count - done : BLOCK;
            for (int64_t i = 0; i < part; i++)
                column[i] = first + done + i;
            convert_elements(part, data + at * size, y->dtype, size, &r, FL_INT64, 0);
            convert_elements(part, data + (n + at) * size, y->dtype, size, column, FL_INT64, 8);
        }
    }
    return 0;
}

int tril_indices_shape(int64_t row, int64_t col, int64_t offset, fl_dtype dtype, fl_device device,
                       struct op_shape *y)
{
    return op_shape_on(y, device) || indices_shape(row, col, offset, dtype, true, y) ? -1 : 0;
}

int tril_indices_cpu(int64_t row, int64_t col, int64_t offset, fl_dtype dtype, fl_device device,
                     fl_tensor *y)
{
    (void)dtype, (void)device;
    return write_indices(row, col, offset, true, y);
}

int triu_indices_shape(int64_t row, int64_t col, int64_t offset, fl_dtype dtype, fl_device device,
                       struct op_shape *y)
{
    return op_shape_on(y, device) || indices_shape(row, col, offset, dtype, false, y) ? -1 : 0;
}

int triu_indices_cpu(int64_t row, int64_t col, int64_t offset, fl_dtype dtype, fl_device device,
                     fl_tensor *y)
{
    (void)dtype, (void)device;
    return write_indices(row, col, offset, false, y);
}
