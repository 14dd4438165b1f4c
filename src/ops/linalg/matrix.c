/* Checks and the passage of one matrix from a batch to double and back. */
#include "ops/linalg/matrix.h"

#include <stdio.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "core/sound.h"
#include "core/threads.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/lapack.h"

int matrix_check_dtype(const fl_tensor *a, const char *kernel)
{
    if (a->dtype == FL_FLOAT32 || a->dtype == FL_FLOAT64 || dtype_is_complex(a->dtype))
        return 0;
    return dtype_refuse(kernel, a->dtype);
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

int matrix_check(const fl_tensor *a, const char *function, const char *kernel)
{
    if (a->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: The input tensor A must have at least 2 dimensions.", function);
    if (!dtype_is_inexact(a->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "%s: Expected a floating point or complex tensor as input. Got %s",
                         function, dtype_title(a->dtype));
    return matrix_check_dtype(a, kernel);
}

int matrix_check_sides(const fl_tensor *a, const char *function)
{
    if (a->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "%s: The input tensor A must have at least 2 dimensions.", function);
    long long rows = a->sizes[a->ndim - 2], columns = a->sizes[a->ndim - 1];
    if (rows == columns)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "%s: A must be batches of square matrices, but they are %lld by %lld matrices",
                     function, rows, columns);
}

int matrix_check_square(const fl_tensor *a, const char *function, const char *kernel)
{
    return matrix_check_sides(a, function) ? -1 : matrix_check(a, function, kernel);
}

bool matrix_beside_vector(const fl_tensor *a, const fl_tensor *b)
{
    if (b->ndim == 1)
        return true;
    bool same = b->ndim == a->ndim - 1;
    for (int d = 0; same && d < b->ndim; d++)
        same = a->sizes[d] == b->sizes[d];
    return same;
}

bool matrix_needs_vectors(const fl_tensor *a)
{
    return autograd_mode.interpose & INTERPOSE_TRANSFORMS ||
           (autograd_mode.grad && tensor_requires_grad(a));
}

fl_tensor *matrix_turned(fl_tensor *t)
{
    return fl_transpose(t, -2, -1);
}

fl_tensor *matrix_adjoint(fl_tensor *t)
{
    return fl_conj(fl_transpose(t, -2, -1));
}

fl_tensor *matrix_skew(fl_tensor *t)
{
    if (!t)
        return NULL;
    fl_tensor *x = fl_sub(t, matrix_adjoint(t), fl_int(1));
    if (!dtype_is_complex(t->dtype)) /* it is 0 there */
        return x;
    return fl_sub(x, fl_diag_embed(fl_diagonal(x, 0, -2, -1), 0, -2, -1), fl_int(1));
}

fl_tensor *matrix_mirrored(fl_tensor *t)
{
    fl_tensor *half = fl_add(fl_tril(t, 0), fl_tril(t, -1), fl_int(1));
    half = fl_mul_scalar(half, fl_float(0.5));
    return fl_add(half, matrix_adjoint(half), fl_int(1));
}

int matrix_check_phases(fl_tensor *turns, const char *function, const char *vectors)
{
    if (!turns || !dtype_is_complex(turns->dtype) || autograd_mode.any_gradient)
        return turns ? 0 : -1;
    fl_tensor *all = op_samples(turns);
    const fl_tensor *seen = all ? op_look(all) : NULL;
    fl_tensor *plain = seen ? tensor_as(seen, FL_COMPLEX128) : NULL;
    int status = plain ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < plain->numel; i++)
        if (fabs(((const double *)tensor_data(plain))[2 * i + 1]) > 1e-2)
            status = error_set(FL_RUNTIME_ERROR,
                               "%s: The %s in the complex case are specified up to multiplication "
                               "by e^{i phi}. The specified loss function depends on this "
                               "quantity, so it is ill-defined.",
                               function, vectors);
    tensor_release(plain);
    return status;
}

int matrix_parts(const fl_tensor *t)
{
    return dtype_is_complex(t->dtype) ? 2 : 1;
}

/* The dtype of numbers in scratch memory beside t. */
static int plain_dtype(const fl_tensor *t)
{
    return dtype_is_complex(t->dtype) ? FL_COMPLEX128 : FL_FLOAT64;
}

const char *matrix_name(char *buffer, bool batch, int64_t index)
{
    assert(!batch || index >= 0);
    *buffer = 0;
    if (batch)
        snprintf(buffer, MATRIX_NAME, "(Batch element %lld): ", (long long)index);
    return buffer;
}

int64_t matrix_count(int ndim, const int64_t *sizes, int dims)
{
    assert(dims >= 0 && dims <= ndim);
    int64_t count = 1;
    for (int d = 0; d < ndim - dims; d++)
        count *= sizes[d];
    return count;
}

int matrix_broadcast(const fl_tensor *a, const fl_tensor *b, int64_t rows, int64_t columns,
                     struct op_shape *y)
{
    assert(a->ndim >= 2 && b->ndim >= 2);
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
    assert(y->ndim >= 2);
    int r = y->ndim - 2, c = y->ndim - 1;
    shape_contiguous_strides(y->ndim, y->sizes, y->strides);
    y->strides[r] = 1;
    y->strides[c] = y->sizes[r] > 1 ? y->sizes[r] : 1;
    y->strided = true;
}

/* Where matrix `index` of like's batch begins in t, in elements from t's data. */
static int64_t matrix_start(const fl_tensor *t, const fl_tensor *like, int64_t index)
{
    assert(index >= 0 && like->ndim >= 2 && t->ndim <= like->ndim);
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

int64_t matrix_index(const fl_tensor *t, const fl_tensor *like, int64_t index)
{
    assert(index >= 0 && t->ndim <= like->ndim);
    int64_t own = 0, step = 1;
    int missing = like->ndim - t->ndim;
    for (int d = like->ndim - 3; d >= 0 && d - missing >= 0; d--) {
        own += t->sizes[d - missing] > 1 ? index % like->sizes[d] * step : 0;
        index /= like->sizes[d];
        step *= t->sizes[d - missing];
    }
    return own;
}

/* The passage of one matrix; `plain` is rows * columns doubles, row after row where not turned. */
static void pass(const fl_tensor *t, int64_t start, double *plain, bool in, bool turned)
{
    assert(t->ndim >= 2 && start >= 0);
    int first = t->ndim - 2 + turned, second = t->ndim - 1 - turned;
    int64_t size = (int64_t)dtype_size(t->dtype), step = t->strides[second] * size;
    int64_t count = t->sizes[second], wide = count * matrix_parts(t);
    const int dtype = plain_dtype(t);
    const int64_t next = (int64_t)sizeof *plain * matrix_parts(t);
    char *data = (char *)tensor_data(t) + start * size;
    for (int64_t r = 0; r < t->sizes[first]; r++, plain += wide) {
        char *row = data + r * t->strides[first] * size;
        if (in)
            convert_elements(count, plain, dtype, next, row, t->dtype, step);
        if (turned)
            dense_conjugate(matrix_parts(t), count, plain);
        if (!in)
            convert_elements(count, row, t->dtype, step, plain, dtype, next);
        if (turned && !in)
            dense_conjugate(matrix_parts(t), count, plain);
    }
}

void matrix_load(const fl_tensor *t, const fl_tensor *like, int64_t index, double *out)
{
    pass(t, matrix_start(t, like, index), out, true, false);
}

void matrix_load_turned(const fl_tensor *t, const fl_tensor *like, int64_t index, double *out)
{
    pass(t, matrix_start(t, like, index), out, true, true);
}

void matrix_store(fl_tensor *t, int64_t index, const double *in)
{
    pass(t, matrix_start(t, t, index), (double *)in, false, false);
}

void matrix_store_turned(fl_tensor *t, int64_t index, const double *in)
{
    pass(t, matrix_start(t, t, index), (double *)in, false, true);
}

void matrix_store_vector(fl_tensor *t, int64_t index, const double *in)
{
    assert(t->ndim >= 1 && index >= 0 && tensor_is_flat(t));
    int64_t n = t->sizes[t->ndim - 1], size = (int64_t)dtype_size(t->dtype);
    convert_elements(n, (char *)tensor_data(t) + index * n * size, t->dtype, size, in,
                     plain_dtype(t), (int64_t)sizeof *in * matrix_parts(t));
}

void matrix_put(fl_tensor *t, int64_t index, double x, double imaginary)
{
    assert(index >= 0 && index < t->numel && tensor_is_flat(t));
    const double number[2] = {x, imaginary};
    int64_t size = (int64_t)dtype_size(t->dtype);
    convert_elements(1, (char *)tensor_data(t) + index * size, t->dtype, size, number,
                     plain_dtype(t), sizeof number);
}

/* A job cut into chunks of about as many matrices each, with the scratch of all. */
struct each {
    const struct matrix_job *job;
    int64_t count, chunks, doubles;
    double *scratch;
};

static void run_chunk(void *context, int64_t chunk)
{
    assert(chunk >= 0 && chunk < ((const struct each *)context)->chunks);
    const struct each *e = context;
    for (int64_t i = e->count * chunk / e->chunks; i < e->count * (chunk + 1) / e->chunks; i++)
        e->job->one(e->job, i, e->scratch + chunk * e->doubles);
}

int matrix_each(const struct matrix_job *plain, int64_t count, int64_t numbers, int64_t work)
{
    assert(plain->one && plain->in[0] && count >= 0 && numbers >= 0);
    enum { WORTH_A_THREAD = 1 << 16 };
    struct matrix_job own = *plain, *job = &own;
    int64_t doubles = numbers * (own.parts = matrix_parts(plain->in[0]));
    int64_t most = threads_count(), worth = 1 + count * (work / 64 + 1) / (WORTH_A_THREAD / 64);
    int64_t chunks = count < most ? count : most;
    chunks = chunks < worth ? chunks : worth;
    if (count == 0)
        return 0;
    if (dense_is_large(job->rows)) {
        if (lapack_open())
            return -1;
        chunks = lapack_path() ? 1 : chunks; /* it has threads of its own */
    }
    size_t bytes = (size_t)(chunks * doubles + 1) * sizeof(double);
    struct each e = {job, count, chunks, doubles, memory_alloc(bytes)};
    if (!e.scratch)
        return -1;
    threads_for(chunks, run_chunk, &e);
    memory_free(e.scratch, bytes);
    return 0;
}
