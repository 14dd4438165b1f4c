/* Normalisation of rows: layer_norm, rms_norm, group_norm. */
#include <assert.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/norm_order.h"
#include "core/threads.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/norm/norm.h"
#include "ops/norm/norm_work.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int check_shape(fl_tensor *input, fl_ints normalized_shape, fl_tensor *weight,
                       fl_tensor *bias)
{
    char wanted[128], got[128];
    int k = (int)normalized_shape.count;
    bool fits = k >= 1 && input->ndim >= k;
    shape_text(wanted, sizeof wanted, k, normalized_shape.data);
    if (k < 1)
        return error_set(
            FL_RUNTIME_ERROR,
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            "one element, but got normalized_shape = []");
    for (int d = 0; fits && d < k; d++)
        fits = input->sizes[input->ndim - k + d] == normalized_shape.data[d];
    if (!fits) {
        error_set(FL_RUNTIME_ERROR,
                  "Given normalized_shape=%s, expected input with shape [*, %.*s, but got input of "
                  "size%s",
                  wanted, (int)sizeof wanted - 1, wanted + 1,
                  shape_text(got, sizeof got, input->ndim, input->sizes));
        return error_hint("the layer normalises the last dims, and was made for %s: make it for "
                          "the last dims of this input, or move the features to the end first "
                          "(x.transpose(1, 2))",
                          "该层对最后的维做归一化，是为 %s 建立的：请按这个输入最后的维来建立，"
                          "或先把特征移到最后一维（x.transpose(1, 2)）",
                          wanted);
    }
    for (int i = 0; i < 2; i++) {
        fl_tensor *p = i ? bias : weight;
        bool same = !p || (p->ndim == k && memcmp(p->sizes, normalized_shape.data,
                                                  sizeof(int64_t) * (size_t)k) == 0);
        if (!same)
            return error_set(
                FL_RUNTIME_ERROR,
                "Expected %s to be of same shape as normalized_shape, but got %s of shape %s "
                "and normalized_shape = %s",
                i ? "bias" : "weight", i ? "bias" : "weight",
                shape_text(got, sizeof got, p->ndim, p->sizes), wanted);
    }
    return 0;
}

static int64_t row_length(fl_ints normalized_shape)
{
    assert(normalized_shape.count >= 1);
    int64_t n = 1;
    for (int d = 0; d < normalized_shape.count; d++)
        n *= normalized_shape.data[d];
    return n;
}

int native_layer_norm_shape(fl_tensor *input, fl_ints normalized_shape, fl_tensor *weight,
                            fl_tensor *bias, double eps, struct op_shape *y)
{
    (void)eps;
    if (check_shape(input, normalized_shape, weight, bias) ||
        norm_check_dtypes(input, (const fl_tensor *[]){weight, bias}, 2))
        return -1;
    op_shape_like(&y[0], input);
    for (int k = 1; k < 3; k++) {
        op_shape_like(&y[k], input);
        for (int64_t d = input->ndim - normalized_shape.count; d < input->ndim; d++)
            y[k].sizes[d] = 1;
        y[k].dtype = weight && weight->dtype != input->dtype ? weight->dtype : input->dtype;
    }
    return 0;
}

struct job {
    const struct norm_kernels *k;
    int64_t rows, n, per_task;
    size_t element;
    const char *x, *g, *weight, *bias;
    char *y, *mean, *rstd;
    char *parts[2]; /* of each task: n of the weight's gradient, n of the bias's */
    double eps;
};

static void forward_task(void *context, int64_t task)
{
    const struct job *j = context;
    int64_t from = task * j->per_task,
            rows = j->rows - from < j->per_task ? j->rows - from : j->per_task;
    size_t at = (size_t)from * j->element, wide = at * (size_t)j->n;
    j->k->layer_norm(rows, j->n, j->x + wide, j->weight, j->bias, j->eps, j->y + wide, j->mean + at,
                     j->rstd + at);
}

int native_layer_norm_cpu(fl_tensor *input, fl_ints normalized_shape, fl_tensor *weight,
                          fl_tensor *bias, double eps, fl_tensor *y, fl_tensor *mean,
                          fl_tensor *rstd)
{
    assert(shape_equal(y, input) && mean->dtype == rstd->dtype);
    int work = norm_work_of(input->dtype), status = -1;
    int64_t n = row_length(normalized_shape);
    fl_tensor *x, *w, *b;
    if (input->numel == 0)
        return tensor_fill(mean, fl_int(0)) || tensor_fill(rstd, fl_int(0)) ? -1 : 0;
    fl_tensor *out = norm_work_room(y, work), *m = norm_work_room(mean, work),
              *r = norm_work_room(rstd, work);
    int failed = norm_work_as(input, work, &x) | norm_work_as(weight, work, &w) |
                 norm_work_as(bias, work, &b);
    if (!failed && out && m && r) {
        struct job j = {.k = &ISA_PICK(norm_table)->type[work == FL_FLOAT64],
                        .rows = input->numel / n,
                        .n = n,
                        .per_task = norm_rows(n),
                        .element = dtype_size(work),
                        .x = tensor_data(x),
                        .weight = w ? tensor_data(w) : NULL,
                        .bias = b ? tensor_data(b) : NULL,
                        .y = tensor_data(out),
                        .mean = tensor_data(m),
                        .rstd = tensor_data(r),
                        .eps = eps};
        threads_for((j.rows + j.per_task - 1) / j.per_task, forward_task, &j);
        status = norm_work_put(y, out) || norm_work_put(mean, m) || norm_work_put(rstd, r) ? -1 : 0;
    }
    tensor_release(x), tensor_release(w), tensor_release(b), tensor_release(out), tensor_release(m),
        tensor_release(r);
    return status;
}

/* ---- Backward ---------------------------------------------------------------------------------
 */

int layer_norm_backward_shape(fl_tensor *g, fl_tensor *input, fl_ints normalized_shape,
                              fl_tensor *mean, fl_tensor *rstd, fl_tensor *weight,
                              struct op_shape *y)
{
    (void)g, (void)mean, (void)rstd, (void)weight;
    int work = norm_work_of(input->dtype);
    op_shape_like(&y[0], input);
    y[0].dtype = work;
    for (int k = 1; k < 3; k++) {
        op_shape_set(&y[k], (int)normalized_shape.count, normalized_shape.data);
        y[k].dtype = work, y[k].zero = true;
    }
    return 0;
}

static void backward_task(void *context, int64_t task)
{
    const struct job *j = context;
    int64_t from = task * j->per_task,
            rows = j->rows - from < j->per_task ? j->rows - from : j->per_task;
    size_t at = (size_t)from * j->element, wide = at * (size_t)j->n,
           part = (size_t)(task * j->n) * j->element;
    j->k->layer_norm_backward(rows, j->n, j->g + wide, j->x + wide, j->weight, j->mean + at,
                              j->rstd + at, j->y + wide);
    memset(j->parts[0] + part, 0, (size_t)j->n * j->element);
    memset(j->parts[1] + part, 0, (size_t)j->n * j->element);
    j->k->layer_norm_affine(rows, j->n, j->g + wide, j->x + wide, j->mean + at, j->rstd + at,
                            j->parts[0] + part, j->parts[1] + part);
}

int layer_norm_backward_cpu(fl_tensor *g, fl_tensor *input, fl_ints normalized_shape,
                            fl_tensor *mean, fl_tensor *rstd, fl_tensor *weight, fl_tensor *y,
                            fl_tensor *weight_grad, fl_tensor *bias_grad)
{
    int work = y->dtype, status = -1;
    int64_t n = row_length(normalized_shape);
    if (input->numel == 0)
        return 0;
    fl_tensor *x, *dy, *w, *m, *r;
    struct job j = {.k = &ISA_PICK(norm_table)->type[work == FL_FLOAT64],
                    .rows = input->numel / n,
                    .n = n,
                    .per_task = norm_rows(n),
                    .element = dtype_size(work),
                    .y = tensor_data(y)};
    int64_t tasks = (j.rows + j.per_task - 1) / j.per_task;
    size_t bytes = 2 * (size_t)(tasks * n) * j.element;
    int failed = norm_work_as(input, work, &x) | norm_work_as(g, work, &dy) |
                 norm_work_as(weight, work, &w) | norm_work_as(mean, work, &m) |
                 norm_work_as(rstd, work, &r);
    if (!failed && (j.parts[0] = memory_alloc(bytes))) {
        j.parts[1] = j.parts[0] + bytes / 2;
        j.x = tensor_data(x), j.g = tensor_data(dy), j.weight = w ? tensor_data(w) : NULL,
        j.mean = tensor_data(m), j.rstd = tensor_data(r);
        threads_for(tasks, backward_task, &j);
        for (int64_t t = 0; t < tasks; t++) {
            j.k->add(n, tensor_data(weight_grad), j.parts[0] + (size_t)(t * n) * j.element);
            j.k->add(n, tensor_data(bias_grad), j.parts[1] + (size_t)(t * n) * j.element);
        }
        status = 0;
    }
    memory_free(j.parts[0], bytes);
    tensor_release(x), tensor_release(dy), tensor_release(w), tensor_release(m), tensor_release(r);
    return status;
}

/* The same in operators, so that it can be differentiated. */
static int backward_in_operators(fl_tensor *g, fl_tensor *input, fl_ints normalized_shape,
                                 fl_tensor *mean, fl_tensor *rstd, fl_tensor *weight,
                                 fl_tensor **dx, fl_tensor **dw, fl_tensor **db)
{
    (void)mean, (void)rstd;
    int64_t last[TENSOR_MAX_DIMS], first[TENSOR_MAX_DIMS];
    int k = (int)normalized_shape.count, lead = input->ndim - k;
    for (int d = 0; d < input->ndim; d++)
        *(d < lead ? &first[d] : &last[d - lead]) = d;
    fl_ints rows = {first, lead}, row = {last, k};
    fl_tensor *centred = fl_sub(input, fl_mean_dim(input, row, true, FL_NO_DTYPE), fl_int(1));
    fl_tensor *variance = fl_mean_dim(fl_mul(centred, centred), row, true, FL_NO_DTYPE);
    /* rstd holds eps: 1 / rstd^2 - variance, a constant of the forward pass */
    fl_tensor *constant = fl_sub(fl_reciprocal(fl_mul(rstd, rstd)), variance, fl_int(1));
    constant = constant ? op_adopt(autograd_detach(constant)) : NULL;
    fl_tensor *scale = fl_rsqrt(fl_add(variance, constant, fl_int(1))), *z = fl_mul(centred, scale);
    fl_tensor *h = weight ? fl_mul(g, weight) : g;
    fl_tensor *a = fl_mean_dim(h, row, true, FL_NO_DTYPE),
              *b = fl_mean_dim(fl_mul(h, z), row, true, FL_NO_DTYPE);
    *dx = fl_mul(scale, fl_sub(fl_sub(h, a, fl_int(1)), fl_mul(z, b), fl_int(1)));
    fl_tensor *gz = fl_mul(g, z);
    *dw = lead ? fl_sum_dim_intlist(gz, rows, false, FL_NO_DTYPE) : gz;
    *db = lead ? fl_sum_dim_intlist(g, rows, false, FL_NO_DTYPE) : g;
    return *dx && *dw && *db ? 0 : -1;
}

int layer_norm_backward_compose(fl_tensor *g, fl_tensor *input, fl_ints normalized_shape,
                                fl_tensor *mean, fl_tensor *rstd, fl_tensor *weight,
                                fl_tensor *bias, int64_t needs, fl_tensor **dx, fl_tensor **dw,
                                fl_tensor **db)
{
    (void)bias, (void)needs;
    if (autograd_derives() || g->lanes || input->lanes || (weight && weight->lanes))
        return backward_in_operators(g, input, normalized_shape, mean, rstd, weight, dx, dw, db);
    return fl__layer_norm_backward_kernel(g, input, normalized_shape, mean, rstd, weight, dx, dw,
                                          db);
}

/* ---- what is made of it ---- */

int layer_norm_compose(fl_tensor *input, fl_ints normalized_shape, fl_tensor *weight,
                       fl_tensor *bias, double eps, bool cudnn_enable, fl_tensor **y)
{
    (void)cudnn_enable;
    fl_tensor *mean, *rstd;
    return fl_native_layer_norm(input, normalized_shape, weight, bias, eps, y, &mean, &rstd);
}

int rms_norm_compose(fl_tensor *input, fl_ints normalized_shape, fl_tensor *weight,
                     const double *eps, fl_tensor **y)
{
    int64_t dims[TENSOR_MAX_DIMS];
    if (check_shape(input, normalized_shape, weight, NULL))
        return -1;
    if (weight && weight->dtype != input->dtype &&
        warning_give(
            "Mismatch dtype between input and weight: input dtype = %s, weight dtype = %s, "
            "Cannot dispatch to fused implementation.",
            dtype_cpp_name(input->dtype), dtype_cpp_name(weight->dtype)))
        return -1;
    for (int d = 0; d < normalized_shape.count; d++)
        dims[d] = input->ndim - normalized_shape.count + d;
    fl_tensor *x = op_widen(fl_contiguous(input, -1));
    if (!x)
        return -1;
    double small = eps ? *eps : x->dtype == FL_FLOAT64 ? 0x1p-52 : 0x1p-23;
    fl_tensor *squares =
        fl_mean_dim(fl_mul(x, x), (fl_ints){dims, normalized_shape.count}, true, FL_NO_DTYPE);
    x = fl_mul(x, fl_rsqrt(fl_add_scalar(squares, fl_float(small), fl_int(1))));
    if (x && weight)
        x = fl_mul(x, op_widen(weight));
    *y = op_as(x, input->dtype);
    return *y ? 0 : -1;
}

/* Whether the channels of (N, C, ...) make so many groups, and weight and bias have one number each. */
static int check_groups(fl_tensor *input, int64_t num_groups, fl_tensor *weight, fl_tensor *bias)
{
    char got[128], whole[128];
    int64_t C = input->sizes[1];
    if (num_groups <= 0)
        return error_set(FL_RUNTIME_ERROR, "Expected num groups to be greater than 0, got %lld",
                         (long long)num_groups);
    if (C % num_groups)
        return error_set(
            FL_RUNTIME_ERROR,
            "Expected number of channels in input to be divisible by num_groups, but got input "
            "of shape %s and num_groups=%lld",
            shape_text(got, sizeof got, input->ndim, input->sizes), (long long)num_groups);
    for (int i = 0; i < 2; i++) {
        fl_tensor *p = i ? bias : weight;
        if (p && (p->ndim != 1 || p->sizes[0] != C))
            return error_set(
                FL_RUNTIME_ERROR,
                "Expected %s to be a vector of size equal to the number of channels in input, "
                "but got %s of shape %s and input of shape %s",
                i ? "bias" : "weight", i ? "bias" : "weight",
                shape_text(got, sizeof got, p->ndim, p->sizes),
                shape_text(whole, sizeof whole, input->ndim, input->sizes));
    }
    return norm_check_dtypes(input, (const fl_tensor *[]){weight, bias}, 2);
}

/* The groups brought to mean 0 and variance 1, as rows of native_layer_norm, times weight, plus
 * bias. */
static fl_tensor *group_norm(fl_tensor *input, int64_t num_groups, fl_tensor *weight,
                             fl_tensor *bias, double eps)
{
    int64_t N = input->sizes[0], C = input->sizes[1], groups = N * num_groups,
            rows[2] = {groups, groups > 0 ? input->numel / groups : 0}, each[TENSOR_MAX_DIMS];
    for (int d = 0; d < input->ndim; d++)
        each[d] = d == 1 ? C : 1;
    fl_ints by_channel = {each, input->ndim}, sizes = {input->sizes, input->ndim};
    /* Gradients reach what was made last first: input, weight, bias, as from PyTorch's one node. */
    fl_tensor *b = bias ? fl_view(op_widen(bias), by_channel) : NULL;
    fl_tensor *w = weight ? fl_view(op_widen(weight), by_channel) : NULL;
    fl_tensor *flat = fl_reshape(op_widen(input), (fl_ints){rows, 2}), *x, *mean, *rstd;
    if (fl_native_layer_norm(flat, (fl_ints){&rows[1], 1}, NULL, NULL, eps, &x, &mean, &rstd))
        return NULL;
    x = fl_view(x, sizes);
    if (weight && bias) /* in one pass */
        x = fl_addcmul(b, x, w, fl_int(1));
    else if (weight)
        x = fl_mul(x, w);
    else if (bias)
        x = fl_add(x, b, fl_int(1));
    x = op_as(x, input->dtype);
    return x ? fl__keep_format(x, input) : NULL;
}

int group_norm_compose(fl_tensor *input, int64_t num_groups, fl_tensor *weight, fl_tensor *bias,
                       double eps, bool cudnn_enabled, fl_tensor **y)
{
    (void)cudnn_enabled;
    if (input->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected at least 2 dimensions for input tensor but received %d",
                         input->ndim);
    if (check_groups(input, num_groups, weight, bias))
        return -1;
    *y = group_norm(input, num_groups, weight, bias, eps);
    return *y ? 0 : -1;
}

int native_group_norm_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, int64_t N,
                              int64_t C, int64_t HxW, int64_t group, double eps, fl_tensor **y,
                              fl_tensor **mean, fl_tensor **rstd)
{
    char text[128];
    int64_t each[] = {N, group};
    if (input->ndim < 2 || input->sizes[0] != N || input->sizes[1] != C ||
        input->numel != N * C * HxW)
        return error_set(FL_RUNTIME_ERROR,
                         "native_group_norm: expected an input of N * C * HxW elements, (%lld, "
                         "%lld, %lld), but got shape %s",
                         (long long)N, (long long)C, (long long)HxW,
                         shape_text(text, sizeof text, input->ndim, input->sizes));
    if (check_groups(input, group, weight, bias))
        return -1;
    *y = group_norm(input, group, weight, bias, eps);
    if (!*y)
        return -1;
    int64_t groups = N * group, rows[] = {groups, groups > 0 ? input->numel / groups : 0};
    fl_tensor *flat = fl_reshape(op_widen(input), (fl_ints){rows, 2}); /* these have gradients */
    *mean = fl_mean_dim(flat, FL_INTS_OF(1), true, FL_NO_DTYPE);
    fl_tensor *x = fl_sub(flat, *mean, fl_int(1));
    *rstd = fl_mean_dim(fl_mul(x, x), FL_INTS_OF(1), true, FL_NO_DTYPE);
    *rstd = fl_rsqrt(fl_add_scalar(*rstd, fl_float(eps), fl_int(1)));
    int dtype = weight ? weight->dtype : input->dtype;
    *mean = fl_view(op_as(*mean, dtype), (fl_ints){each, 2});
    *rstd = fl_view(op_as(*rstd, dtype), (fl_ints){each, 2});
    return *mean && *rstd ? 0 : -1;
}
