/* Points of a dim blended: each of the output is a weighted sum of `taps` of the input, which is
 * how images and signals are resized, dim by dim.
 *
 * Around the dim lie outer and inner elements. With inner ones a point is a row of them; along the
 * last dim a row of points is picked by the index. Tap after tap is added, the first to 0.
 */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/image/points.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { CHUNK = 32768 }; /* elements of the output */

struct blend {
    const struct point_loops *loops;
    int64_t outer, in, out, inner, taps, size;
    const int32_t *index; /* (taps, out) */
    const char *weight;   /* (taps, out) */
    char *x, *y;          /* (outer, in, inner), (outer, out, inner) */
    int64_t per_chunk;    /* of outer */
    bool back;
};

static void forth(const struct blend *b, const char *x, char *y)
{
    const int64_t size = b->size, row = b->inner * size;
    for (int64_t t = 0; t < b->taps; t++) {
        const int32_t *index = b->index + t * b->out;
        const char *weight = b->weight + t * b->out * size;
        if (b->inner == 1)
            b->loops->picked(b->out, y, x, index, weight, t == 0);
        for (int64_t i = 0; i < b->out && b->inner > 1; i++)
            b->loops->row(b->inner, y + i * row, x + index[i] * row, weight + i * size, t == 0);
    }
}

static void back(const struct blend *b, char *x, const char *y)
{
    const int64_t size = b->size, row = b->inner * size;
    memset(x, 0, (size_t)(b->in * row));
    for (int64_t t = 0; t < b->taps; t++) {
        const int32_t *index = b->index + t * b->out;
        const char *weight = b->weight + t * b->out * size;
        if (b->inner == 1)
            b->loops->spread(b->out, x, y, index, weight);
        for (int64_t i = 0; i < b->out && b->inner > 1; i++)
            b->loops->row(b->inner, x + index[i] * row, y + i * row, weight + i * size, 0);
    }
}

static void blend_chunk(void *context, int64_t chunk)
{
    assert(chunk >= 0);
    const struct blend *b = context;
    const int64_t next = (chunk + 1) * b->per_chunk, end = next < b->outer ? next : b->outer;
    for (int64_t o = chunk * b->per_chunk; o < end; o++) {
        char *x = b->x + o * b->in * b->inner * b->size,
             *y = b->y + o * b->out * b->inner * b->size;
        if (b->back)
            back(b, x, y);
        else
            forth(b, x, y);
    }
}

/* Runs over contiguous x and y; which names the points, which are all within the dim. */
static int run(struct blend *b, const fl_tensor *x, const fl_tensor *y, int dim,
               const fl_tensor *which, const fl_tensor *weight)
{
    assert(dim >= 0 && dim < x->ndim && x->ndim == y->ndim);
    b->loops = x->dtype == FL_FLOAT64 ? &ISA_PICK(point_table)->f64 : &ISA_PICK(point_table)->f32;
    b->size = (int64_t)dtype_size(x->dtype);
    b->outer = b->inner = 1, b->in = x->sizes[dim], b->out = y->sizes[dim];
    for (int d = 0; d < x->ndim; d++)
        *(d < dim ? &b->outer : d > dim ? &b->inner : &(int64_t){1}) *= x->sizes[d];
    b->taps = which->sizes[0];
    b->index = tensor_data(which), b->weight = tensor_data(weight);
    b->x = tensor_data(x), b->y = tensor_data(y);
    b->per_chunk = CHUNK / ((b->out > b->in ? b->out : b->in) * b->inner + 1) + 1;
    if (b->outer * b->inner > 0)
        threads_for((b->outer + b->per_chunk - 1) / b->per_chunk, blend_chunk, b);
    return 0;
}

static int check_points(const fl_tensor *like, int64_t dim, int64_t size, const fl_tensor *index,
                        const fl_tensor *weight)
{
    int d = shape_wrap_dim(dim, like->ndim);
    if (d < 0)
        return -1;
    if (index->ndim != 2 || index->dtype != FL_INT64 || !shape_equal(index, weight) ||
        weight->dtype != like->dtype || like->ndim == 0 || size > INT32_MAX)
        return error_set(FL_RUNTIME_ERROR, "blended points want an int64 index (taps, points) and "
                                           "weights of its shape and the input's dtype");
    int status = 0;
    if (index->flags & TENSOR_ELSEWHERE) /* made by a composite, which knows the size */
        return 0;
    fl_tensor *dense = tensor_contiguous(index);
    const int64_t *at = dense ? tensor_data(dense) : NULL;
    for (int64_t i = 0; dense && i < index->numel && status == 0; i++)
        if (at[i] < 0 || at[i] >= size)
            status = error_set(FL_INDEX_ERROR, "point %lld is not within a dim of size %lld",
                               (long long)at[i], (long long)size);
    tensor_release(dense);
    return dense ? status : -1;
}

int blend_points_shape(fl_tensor *input, int64_t dim, fl_tensor *index, fl_tensor *weight,
                       struct op_shape *y)
{
    int64_t size =
        input->ndim
            ? input->sizes[shape_wrap_dim(dim, input->ndim) < 0 ? 0
                                                                : shape_wrap_dim(dim, input->ndim)]
            : 1;
    if (check_points(input, dim, size, index, weight))
        return -1;
    op_shape_like(y, input);
    y->sizes[shape_wrap_dim(dim, input->ndim)] = index->sizes[1];
    y->zero = index->sizes[0] == 0;
    return 0;
}

int blend_points_backward_shape(fl_tensor *g, int64_t dim, fl_tensor *index, fl_tensor *weight,
                                int64_t size, struct op_shape *y)
{
    if (check_points(g, dim, size, index, weight))
        return -1;
    op_shape_like(y, g);
    y->sizes[shape_wrap_dim(dim, g->ndim)] = size;
    return 0;
}

/* Both operators: `whole` is theirs, of which `made` is made. */
static int blend(fl_tensor *whole, int64_t dim, fl_tensor *index, fl_tensor *weight, bool back,
                 fl_tensor *made)
{
    const int work = whole->dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
    fl_tensor *from = tensor_as(whole, work), *w = tensor_as(weight, work);
    fl_tensor *which = tensor_as(index, FL_INT32);
    fl_tensor *to =
        made->dtype == work ? tensor_retain(made) : tensor_new(made->ndim, made->sizes, work);
    struct blend b = {.back = back};
    int status = from && w && which && to ? 0 : -1;
    if (status == 0)
        status =
            run(&b, back ? to : from, back ? from : to, shape_wrap_dim(dim, whole->ndim), which, w);
    if (status == 0 && to != made)
        status = tensor_copy(made, to);
    tensor_release(from), tensor_release(w), tensor_release(which), tensor_release(to);
    return status;
}

int blend_points_cpu(fl_tensor *input, int64_t dim, fl_tensor *index, fl_tensor *weight,
                     fl_tensor *y)
{
    return blend(input, dim, index, weight, false, y);
}

int blend_points_backward_cpu(fl_tensor *g, int64_t dim, fl_tensor *index, fl_tensor *weight,
                              int64_t size, fl_tensor *y)
{
    assert(y->sizes[shape_wrap_dim(dim, y->ndim)] == size);
    (void)size;
    return blend(g, dim, index, weight, true, y);
}
