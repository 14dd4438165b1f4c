/* Products with a sparse matrix given by its entries.
 *
 * The entries are put in the order of their rows (a counting sort, which keeps the order within a
 * row); then each row of the result is the sum of its entries' rows of the dense matrix, in that
 * order whatever the number of threads. Halves are computed in float32.
 */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { CHUNK = 1 << 14 }; /* products that a thread does at a time */

static int check_places(const char *what, const fl_tensor *rows, const fl_tensor *columns,
                        int64_t count)
{
    if (rows->dtype != FL_INT64 || columns->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR, "%s: rows and columns must be int64, but are %s and %s",
                         what, fl_dtype_name(rows->dtype), fl_dtype_name(columns->dtype));
    if (rows->ndim != 1 || columns->ndim != 1 || rows->numel != columns->numel ||
        (count != -1 && rows->numel != count))
        return error_set(FL_RUNTIME_ERROR,
                         "%s: rows, columns and values must be vectors of one length", what);
    return 0;
}

/* Checks that all places are within 0..size-1. */
static int check_within(const int64_t *place, int64_t count, int64_t size, const char *what)
{
    assert(count >= 0);
    for (int64_t e = 0; e < count; e++)
        if (place[e] < 0 || place[e] >= size)
            return error_set(FL_INDEX_ERROR,
                             "%s %lld of a sparse matrix is out of range: it has "
                             "%lld",
                             what, (long long)place[e], (long long)size);
    return 0;
}

static int check_dtypes(const fl_tensor *a, const fl_tensor *b)
{
    return a->dtype == b->dtype
               ? 0
               : error_set(FL_RUNTIME_ERROR, "expected scalar type %s but found %s",
                           dtype_title(a->dtype), dtype_title(b->dtype));
}

/* ---- S @ dense ---- */

int sparse_product_shape(fl_tensor *values, fl_tensor *rows, fl_tensor *columns, fl_tensor *dense,
                         int64_t size, struct op_shape *y)
{
    if (check_places("sparse.mm", rows, columns, values->ndim == 1 ? values->numel : -2) ||
        check_dtypes(values, dense))
        return -1;
    if (dense->ndim != 2 || size < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "sparse.mm: the dense operand must be a matrix, not of "
                         "%d dims",
                         dense->ndim);
    op_shape_set(y, 2, (int64_t[]){size, dense->sizes[1]});
    return 0;
}

struct product {
    int64_t rows, width;
    const int64_t *start,
        *entry; /* entries of row r: entry[start[r]] ... entry[start[r + 1] - 1] */
    const int64_t *column;
    const void *value, *dense;
    void *y;
    int64_t step; /* rows a chunk */
};

#define ROWS(name, type)                                                                           \
    static void name(void *context, int64_t chunk)                                                 \
    {                                                                                              \
        const struct product *p = context;                                                         \
        int64_t end = (chunk + 1) * p->step < p->rows ? (chunk + 1) * p->step : p->rows;           \
        for (int64_t r = chunk * p->step; r < end; r++) {                                          \
            type *restrict y = (type *)p->y + r * p->width;                                        \
            memset(y, 0, sizeof *y * (size_t)p->width);                                            \
            for (int64_t e = p->start[r]; e < p->start[r + 1]; e++) {                              \
                int64_t at = p->entry[e];                                                          \
                type v = ((const type *)p->value)[at];                                             \
                const type *x = (const type *)p->dense + p->column[at] * p->width;                 \
                for (int64_t j = 0; j < p->width; j++)                                             \
                    y[j] += v * x[j];                                                              \
            }                                                                                      \
        }                                                                                          \
    }
ROWS(rows_f32, float)
ROWS(rows_f64, double)

/* Fills start (rows + 1) and entry (count): the entries by rows. */
static void sort_by_row(int64_t rows, int64_t count, const int64_t *row, int64_t *start,
                        int64_t *entry)
{
    assert(rows >= 0 && count >= 0);
    memset(start, 0, sizeof *start * (size_t)(rows + 1));
    for (int64_t e = 0; e < count; e++)
        start[row[e] + 1]++;
    for (int64_t r = 0; r < rows; r++)
        start[r + 1] += start[r];
    for (int64_t e = 0; e < count; e++)
        entry[start[row[e]]++] = e;
    for (int64_t r = rows; r > 0; r--) /* each start has become the next row's */
        start[r] = start[r - 1];
    start[0] = 0;
}

static int work_dtype(int dtype)
{
    return dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
}

static int multiply(struct product *p, int64_t count, const int64_t *row, int dtype)
{
    if (p->rows == 0 || p->width == 0)
        return 0; /* there may be no memory */
    size_t bytes = sizeof(int64_t) * (size_t)(p->rows + 1 + count);
    int64_t *start = memory_alloc(bytes);
    if (!start)
        return -1;
    p->start = start, p->entry = start + p->rows + 1;
    sort_by_row(p->rows, count, row, start, start + p->rows + 1);
    int64_t products = p->rows ? count * p->width / p->rows + 1 : 1;
    p->step = CHUNK / products + 1;
    threads_for((p->rows + p->step - 1) / p->step, dtype == FL_FLOAT64 ? rows_f64 : rows_f32, p);
    memory_free(start, bytes);
    return 0;
}

/* Gives y what `work` holds, where they are two. */
static int store(fl_tensor *y, fl_tensor *work)
{
    return work == y ? 0 : tensor_copy(y, work);
}

int sparse_product_cpu(fl_tensor *values, fl_tensor *rows, fl_tensor *columns, fl_tensor *dense,
                       int64_t size, fl_tensor *y)
{
    int dtype = work_dtype(y->dtype), status = -1;
    fl_tensor *v = tensor_as(values, dtype), *d = tensor_as(dense, dtype),
              *r = tensor_contiguous(rows), *c = tensor_contiguous(columns),
              *work = y->dtype == dtype ? tensor_retain(y) : tensor_new(2, y->sizes, dtype);
    if (v && d && r && c && work && check_within(tensor_data(r), r->numel, size, "row") == 0 &&
        check_within(tensor_data(c), c->numel, dense->sizes[0], "column") == 0) {
        struct product p = {.rows = size,
                            .width = dense->sizes[1],
                            .column = tensor_data(c),
                            .value = tensor_data(v),
                            .dense = tensor_data(d),
                            .y = tensor_data(work)};
        status = multiply(&p, r->numel, tensor_data(r), dtype);
        if (status == 0)
            status = store(y, work);
    }
    tensor_release(v), tensor_release(d), tensor_release(r), tensor_release(c);
    tensor_release(work);
    return status;
}

/* ---- a @ b.T at some places ---- */

int sparse_dots_shape(fl_tensor *a, fl_tensor *b, fl_tensor *rows, fl_tensor *columns,
                      struct op_shape *y)
{
    if (check_places("sparse.mm", rows, columns, -1) || check_dtypes(a, b))
        return -1;
    if (a->ndim != 2 || b->ndim != 2 || a->sizes[1] != b->sizes[1])
        return error_set(FL_RUNTIME_ERROR, "sparse.mm: the operands must be matrices with rows of "
                                           "one length");
    op_shape_set(y, 1, &rows->numel);
    return 0;
}

struct dots {
    int64_t count, width, step;
    const int64_t *row, *column;
    const void *a, *b;
    void *y;
};

#define DOTS(name, type)                                                                           \
    static void name(void *context, int64_t chunk)                                                 \
    {                                                                                              \
        const struct dots *p = context;                                                            \
        int64_t end = (chunk + 1) * p->step < p->count ? (chunk + 1) * p->step : p->count;         \
        for (int64_t e = chunk * p->step; e < end; e++) {                                          \
            const type *a = (const type *)p->a + p->row[e] * p->width;                             \
            const type *b = (const type *)p->b + p->column[e] * p->width;                          \
            type part[8] = {0};                                                                    \
            int64_t j = 0;                                                                         \
            for (; j + 8 <= p->width; j += 8)                                                      \
                for (int k = 0; k < 8; k++)                                                        \
                    part[k] += a[j + k] * b[j + k];                                                \
            for (int k = 0; j < p->width; j++, k++)                                                \
                part[k] += a[j] * b[j];                                                            \
            ((type *)p->y)[e] = ((part[0] + part[1]) + (part[2] + part[3])) +                      \
                                ((part[4] + part[5]) + (part[6] + part[7]));                       \
        }                                                                                          \
    }
DOTS(dots_f32, float)
DOTS(dots_f64, double)

int sparse_dots_cpu(fl_tensor *a, fl_tensor *b, fl_tensor *rows, fl_tensor *columns, fl_tensor *y)
{
    int dtype = work_dtype(y->dtype), status = -1;
    fl_tensor *left = tensor_as(a, dtype), *right = tensor_as(b, dtype),
              *r = tensor_contiguous(rows), *c = tensor_contiguous(columns),
              *work = y->dtype == dtype ? tensor_retain(y) : tensor_new(1, y->sizes, dtype);
    if (left && right && r && c && work &&
        check_within(tensor_data(r), r->numel, a->sizes[0], "row") == 0 &&
        check_within(tensor_data(c), c->numel, b->sizes[0], "column") == 0) {
        struct dots p = {.count = r->numel,
                         .width = a->sizes[1],
                         .step = CHUNK / (a->sizes[1] + 1) + 1,
                         .row = tensor_data(r),
                         .column = tensor_data(c),
                         .a = tensor_data(left),
                         .b = tensor_data(right),
                         .y = tensor_data(work)};
        threads_for((p.count + p.step - 1) / p.step, dtype == FL_FLOAT64 ? dots_f64 : dots_f32, &p);
        status = store(y, work);
    }
    tensor_release(left), tensor_release(right), tensor_release(r), tensor_release(c);
    tensor_release(work);
    return status;
}
