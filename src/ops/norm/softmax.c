/* softmax and log_softmax along any dim: rows where it is the last, columns otherwise. */
#include "core/error.h"

#include <assert.h>

#include "autograd/autograd.h"
#include "core/threads.h"
#include "ops/advise.h"
#include "ops/norm/norm.h"
#include "ops/norm/norm_work.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { TASK = 32768 }; /* elements of a task of the pool */

/* A tensor as (outer, n, inner) around a dim, in a type the kernels compute in. */
struct job {
    const struct norm_kernels *k;
    const char *a, *b; /* x; or g and y */
    char *out;
    int64_t n, inner, outer, per_task;
    size_t element;
    bool logarithm;
};

static void run_task(void *context, int64_t task)
{
    const struct job *j = context;
    int64_t from = task * j->per_task,
            end = from + j->per_task < j->outer ? from + j->per_task : j->outer;
    size_t slab = (size_t)(j->n * j->inner) * j->element;
    if (j->inner == 1) {
        size_t at = (size_t)from * slab;
        if (j->b)
            j->k->softmax_backward(end - from, j->n, j->a + at, j->b + at, j->out + at,
                                   j->logarithm);
        else
            j->k->softmax(end - from, j->n, j->a + at, j->out + at, j->logarithm);
        return;
    }
    for (int64_t o = from; o < end; o++) {
        size_t at = (size_t)o * slab;
        if (j->b)
            j->k->softmax_columns_backward(j->n, j->inner, j->a + at, j->b + at, j->out + at,
                                           j->logarithm);
        else
            j->k->softmax_columns(j->n, j->inner, j->a + at, j->out + at, j->logarithm);
    }
}

/* Runs over `like`'s shape; a, b (may be NULL) and y are converted to and from the type of work. */
static int run(fl_tensor *a, fl_tensor *b, int64_t dim, bool logarithm, fl_tensor *y)
{
    assert(shape_equal(a, y) && (!b || shape_equal(b, y)));
    int d = shape_wrap_dim(dim, y->ndim), work = norm_work_of(y->dtype);
    if (d < 0)
        return -1;
    if (y->numel == 0)
        return 0;
    fl_tensor *first = tensor_as(a, work), *second = b ? tensor_as(b, work) : NULL;
    fl_tensor *out = y->dtype == work && y->flags & TENSOR_CONTIGUOUS
                         ? tensor_retain(y)
                         : tensor_new(y->ndim, y->sizes, work);
    int status = -1;
    if (first && out && (second || !b)) {
        struct job j = {&ISA_PICK(norm_table)->type[work == FL_FLOAT64],
                        tensor_data(first),
                        second ? tensor_data(second) : NULL,
                        tensor_data(out),
                        1,
                        1,
                        1,
                        1,
                        dtype_size(work),
                        logarithm};
        for (int k = 0; k < y->ndim; k++)
            *(k < d ? &j.outer : k == d ? &j.n : &j.inner) *= y->sizes[k];
        j.per_task = TASK / (j.n * j.inner) + 1;
        threads_for((j.outer + j.per_task - 1) / j.per_task, run_task, &j);
        status = out == y ? 0 : tensor_copy(y, out);
    }
    tensor_release(first);
    tensor_release(second);
    tensor_release(out);
    return status;
}

static int softmax_like(fl_tensor *self, int64_t dim, fl_dtype dtype, const char *what,
                        struct op_shape *y)
{
    int d = shape_wrap_dim(dim, self->ndim);
    if (d < 0 || (autograd_mode.grad ? advise_softmax(self, d, *what)
                                     : d == 0 && advise_unrecorded_softmax(self, d)))
        return -1;
    op_shape_like(y, self);
    y->dtype = dtype == FL_NO_DTYPE ? self->dtype : (int)dtype;
    if (!dtype_is_floating(y->dtype)) {
        error_set(FL_NOT_IMPLEMENTED, "\"%s%s\" not implemented for '%s'", what,
                  d == self->ndim - 1 || !self->ndim ? "softmax_lastdim_kernel_impl"
                                                     : "softmax_kernel_impl",
                  dtype_title(y->dtype));
        return error_hint("softmax is of scores, which are floats: x.float(); in cross_entropy the "
                          "scores come first and the labels second: loss(scores, labels)",
                          "softmax 的输入是得分，必须是浮点数：x.float()；"
                          "在 cross_entropy 里先给得分、后给标签：loss(scores, labels)");
    }
    return 0;
}

int softmax_shape(fl_tensor *self, int64_t dim, fl_dtype dtype, struct op_shape *y)
{
    return softmax_like(self, dim, dtype, "", y);
}

int log_softmax_shape(fl_tensor *self, int64_t dim, fl_dtype dtype, struct op_shape *y)
{
    return softmax_like(self, dim, dtype, "log_", y);
}

int softmax_cpu(fl_tensor *self, int64_t dim, fl_dtype dtype, fl_tensor *y)
{
    (void)dtype;
    return run(self, NULL, dim, false, y);
}

int log_softmax_cpu(fl_tensor *self, int64_t dim, fl_dtype dtype, fl_tensor *y)
{
    (void)dtype;
    return run(self, NULL, dim, true, y);
}

int softmax_backward_cpu(fl_tensor *grad_output, fl_tensor *output, int64_t dim, fl_tensor *y)
{
    return run(grad_output, output, dim, false, y);
}

int log_softmax_backward_cpu(fl_tensor *grad_output, fl_tensor *output, int64_t dim, fl_tensor *y)
{
    return run(grad_output, output, dim, true, y);
}
