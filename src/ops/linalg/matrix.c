/* Checks and the passage of one matrix from a batch to double and back. */
#include "ops/linalg/matrix.h"

#include <stdio.h>

#include "core/error.h"
#include "core/iterate.h"

int matrix_check_dtype(const fl_tensor *a, const char *kernel)
{
    if (a->dtype == FL_FLOAT32 || a->dtype == FL_FLOAT64)
        return 0;
    return error_set(FL_NOT_IMPLEMENTED, "\"%s\" not implemented for '%s'", kernel,
                     dtype_title(a->dtype));
}

int matrix_check_same(const fl_tensor *b, const fl_tensor *a)
{
    if (a->dtype == b->dtype)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "Expected b and A to have the same dtype, but found b of type %s and A of "
                     "type %s instead.",
                     dtype_title(b->dtype), dtype_title(a->dtype));
}

int matrix_check_square(const fl_tensor *a, const char *function, const char *kernel)
{
    if (a->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: The input tensor A must have at least 2 dimensions.", function);
    long long rows = a->sizes[a->ndim - 2], columns = a->sizes[a->ndim - 1];
    if (rows != columns)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: A must be batches of square matrices, but they are %lld by %lld "
                         "matrices",
                         function, rows, columns);
    if (!dtype_is_floating(a->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected a floating point or complex tensor as input. Got %s",
                         function, dtype_title(a->dtype));
    return matrix_check_dtype(a, kernel);
}

const char *matrix_name(char *buffer, bool batch, int64_t index)
{
    *buffer = 0;
    if (batch)
        snprintf(buffer, MATRIX_NAME, "(Batch element %lld): ", (long long)index);
    return buffer;
}

int64_t matrix_count(int ndim, const int64_t *sizes, int dims)
{
    int64_t count = 1;
    for (int d = 0; d < ndim - dims; d++)
        count *= sizes[d];
    return count;
}

int matrix_broadcast(const fl_tensor *a, const fl_tensor *b, int64_t rows, int64_t columns,
                     struct op_shape *y)
{
    y->ndim = a->ndim - 2;
    for (int d = 0; d < y->ndim; d++)
        y->sizes[d] = a->sizes[d];
    if (shape_broadcast(&y->ndim, y->sizes, b->ndim - 2, b->sizes))
        return -1;
    y->sizes[y->ndim++] = rows;
    y->sizes[y->ndim++] = columns;
    return 0;
}

void matrix_column_major(struct op_shape *y)
{
    int r = y->ndim - 2, c = y->ndim - 1;
    shape_contiguous_strides(y->ndim, y->sizes, y->strides);
    y->strides[r] = 1;
    y->strides[c] = y->sizes[r] > 1 ? y->sizes[r] : 1;
    y->strided = true;
}

/* Where matrix `index` of like's batch begins in t, in elements from t's data. */
static int64_t matrix_start(const fl_tensor *t, const fl_tensor *like, int64_t index)
{
    int64_t start = 0;
    int missing = like->ndim - t->ndim;
    for (int d = like->ndim - 3; d >= 0 && d - missing >= 0; d--) {
        int64_t at = index % like->sizes[d];
        index /= like->sizes[d];
        if (t->sizes[d - missing] > 1)
            start += at * t->strides[d - missing];
    }
    return start;
}

void matrix_load(const fl_tensor *t, const fl_tensor *like, int64_t index, double *out)
{
    int64_t rows = t->sizes[t->ndim - 2], columns = t->sizes[t->ndim - 1];
    int64_t down = t->strides[t->ndim - 2], right = t->strides[t->ndim - 1];
    int64_t start = matrix_start(t, like, index);
    int64_t size = (int64_t)dtype_size(t->dtype);
    const char *data = tensor_data(t);
    for (int64_t r = 0; r < rows; r++)
        convert_elements(columns, out + r * columns, FL_FLOAT64, sizeof *out,
                         data + (start + r * down) * size, t->dtype, right * size);
}

void matrix_store(fl_tensor *t, int64_t index, const double *in)
{
    int64_t rows = t->sizes[t->ndim - 2], columns = t->sizes[t->ndim - 1];
    int64_t down = t->strides[t->ndim - 2], right = t->strides[t->ndim - 1];
    int64_t start = matrix_start(t, t, index);
    int64_t size = (int64_t)dtype_size(t->dtype);
    char *data = tensor_data(t);
    for (int64_t r = 0; r < rows; r++)
        convert_elements(columns, data + (start + r * down) * size, t->dtype, right * size,
                         in + r * columns, FL_FLOAT64, sizeof *in);
}
