/* batch_norm: each channel of (N, C, S...) normalised by the batch's statistics or the running
 * ones. */
#include <assert.h>
#include <math.h>

#include "autograd/autograd.h"
#include "core/advice.h"
#include "core/error.h"
#include "core/threads.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/norm/norm.h"
#include "ops/norm/norm_work.h"
#include "ops/op.h"
#include "ops_kernels.h"

struct job {
    const struct norm_kernels *k;
    int64_t N, C, S, per_task;
    const char *x, *g;
    char *y;
    const fl_tensor *weight, *bias, *mean, *rstd; /* of the type of work, C elements each */
    fl_tensor *running_mean, *running_var, *weight_grad, *bias_grad;
    bool training;
    int kept; /* the dtype that the statistics are rounded to: theirs, where it is a half */
    double momentum, eps;
};

enum { TASK = 32768 };

static double at(const fl_tensor *t, int64_t i)
{
    assert(!t || i < t->numel);
    return t->dtype == FL_FLOAT32 ? (double)((const float *)tensor_data(t))[i]
                                  : ((const double *)tensor_data(t))[i];
}

static void set(const fl_tensor *t, int64_t i, double value)
{
    if (t->dtype == FL_FLOAT32)
        ((float *)tensor_data(t))[i] = (float)value;
    else
        ((double *)tensor_data(t))[i] = value;
}

/* running = (1 - momentum) running + momentum value, whatever dtype and stride the statistic has.
 */
static void follow(fl_tensor *running, int64_t c, double momentum, double value)
{
    assert(!running || c < running->numel);
    if (!running)
        return;
    int64_t size = (int64_t)dtype_size(running->dtype);
    char *place = (char *)tensor_data(running) + c * running->strides[0] * size;
    double old;
    convert_elements(1, &old, FL_FLOAT64, 8, place, running->dtype, size);
    old = (1 - momentum) * old + momentum * value;
    convert_elements(1, place, running->dtype, size, &old, FL_FLOAT64, 8);
}

/* How many channels a task does at once, from c on. */
static int64_t channels_at(const struct job *j, int64_t task, int64_t c)
{
    int64_t end = (task + 1) * j->per_task < j->C ? (task + 1) * j->per_task : j->C;
    return end - c < NORM_CHANNELS ? end - c : NORM_CHANNELS;
}

/* The factor and the term that normalise channel c. mean, squares: of the batch, in training. */
static void normalising(const struct job *j, int64_t c, double mean, double squares, double *scale,
                        double *shift)
{
    double rstd, count = (double)(j->N * j->S);
    if (j->training) {
        double variance = convert_rounded(convert_rounded(squares, j->kept) / count, j->kept);
        rstd = 1 / sqrt(variance + j->eps);
        follow(j->running_mean, c, j->momentum, mean);
        follow(j->running_var, c, j->momentum, squares / (count - 1));
        mean = convert_rounded(mean, j->kept), rstd = convert_rounded(rstd, j->kept);
        set(j->mean, c, mean), set(j->rstd, c, rstd);
    } else {
        mean = at(j->running_mean, c);
        rstd = 1 / sqrt(at(j->running_var, c) + j->eps);
    }
    *scale = rstd * (j->weight ? at(j->weight, c) : 1);
    *shift = (j->bias ? at(j->bias, c) : 0) - mean * *scale;
}

static void forward_task(void *context, int64_t task)
{
    const struct job *j = context;
    double mean[NORM_CHANNELS] = {0}, squares[NORM_CHANNELS] = {0}, scale[NORM_CHANNELS],
           shift[NORM_CHANNELS];
    for (int64_t c = task * j->per_task, n; (n = channels_at(j, task, c)) > 0; c += n) {
        if (j->training)
            j->k->channel_moments(j->N, j->C, j->S, c, n, j->x, mean, squares);
        for (int64_t k = 0; k < n; k++)
            normalising(j, c + k, mean[k], squares[k], &scale[k], &shift[k]);
        j->k->channel_affine(j->N, j->C, j->S, c, n, j->x, scale, shift, j->y);
    }
}

int norm_check_dtypes(const fl_tensor *input, const fl_tensor *const *p, int count)
{
    int first = 0, wanted = input->dtype;
    while (first < count && !p[first])
        first++;
    if (first < count && p[first]->dtype != wanted) {
        if (p[first]->dtype != FL_FLOAT32)
            return error_set(FL_RUNTIME_ERROR,
                             "mixed dtype (CPU): expect parameter to have scalar type of Float");
        if (wanted != FL_FLOAT16 && wanted != FL_BFLOAT16)
            return error_set(FL_RUNTIME_ERROR,
                             "mixed dtype (CPU): all inputs must share same datatype.");
        wanted = FL_FLOAT32;
    }
    for (int i = first; i < count; i++)
        if (p[i] && p[i]->dtype != wanted)
            return wanted != input->dtype
                       ? error_set(FL_RUNTIME_ERROR, "mixed dtype (CPU): expect parameter to have "
                                                     "scalar type of Float")
                       : error_set(FL_RUNTIME_ERROR, "expected scalar type %s but found %s",
                                   dtype_title(wanted), dtype_title(p[i]->dtype));
    return 0;
}

static int check(const fl_tensor *input, const fl_tensor *p, const char *name)
{
    if (!p || p->numel == input->sizes[1])
        return 0;
    error_set(FL_RUNTIME_ERROR, "%s should contain %lld elements not %lld", name,
              (long long)input->sizes[1], (long long)p->numel);
    return error_hint("the layer was made for %lld channels, and the input has %lld (dim 1): make "
                      "it with num_features=%lld",
                      "该层是为 %lld 个通道建立的，而输入有 %lld 个通道（第 1 维）：请把 "
                      "num_features 改为 %lld",
                      (long long)p->numel, (long long)input->sizes[1], (long long)input->sizes[1]);
}

/* Statistics are rows: what is written to them goes by their number of elements. */
static int check_row(const fl_tensor *p)
{
    return !p || p->ndim == 1
               ? 0
               : error_set(FL_RUNTIME_ERROR, "TensorAccessor expected 1 dims but tensor has %d",
                           p->ndim);
}

static int shape_of(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_tensor *running_mean,
                    fl_tensor *running_var, bool training, struct op_shape *y)
{
    if (input->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "batch_norm: expected input with at least 2 dims (N, C, ...), got %d",
                         input->ndim);
    if (check(input, running_mean, "running_mean") || check(input, running_var, "running_var") ||
        check(input, weight, "weight") || check(input, bias, "bias") || check_row(running_mean) ||
        check_row(running_var))
        return -1;
    if (norm_check_dtypes(input, (const fl_tensor *[]){weight, bias, running_mean, running_var}, 4))
        return -1;
    op_shape_like(&y[0], input);
    for (int k = 1; k < 3; k++) {
        op_shape_set(&y[k], 1, (int64_t[]){training ? input->sizes[1] : 0});
        y[k].dtype = weight && weight->dtype != input->dtype ? weight->dtype : input->dtype;
    }
    return 0;
}

static struct job job_of(const fl_tensor *input, int work)
{
    struct job j = {.k = &ISA_PICK(norm_table)->type[work == FL_FLOAT64],
                    .N = input->sizes[0],
                    .C = input->sizes[1],
                    .S = 1};
    for (int d = 2; d < input->ndim; d++)
        j.S *= input->sizes[d];
    j.per_task = TASK / (j.N * j.S + 1) + 1;
    return j;
}

/* A statistic of C elements in any shape as one row: its own memory where that is dense, else a copy
 * that put_row writes back. NULL for NULL, or with the error. */
static fl_tensor *as_row(fl_tensor *statistic)
{
    if (!statistic || statistic->ndim == 1)
        return statistic ? tensor_retain(statistic) : NULL;
    fl_tensor *dense = tensor_contiguous(statistic);
    fl_tensor *row = dense ? tensor_alias(dense, 1, &dense->numel, NULL, dense->offset) : NULL;
    tensor_release(dense);
    return row;
}

static int put_row(fl_tensor *statistic, fl_tensor *row)
{
    if (!statistic || row->storage == statistic->storage)
        return 0;
    fl_tensor *shaped = tensor_alias(row, statistic->ndim, statistic->sizes, NULL, row->offset);
    int status = shaped ? tensor_copy(statistic, shaped) : -1;
    tensor_release(shaped);
    return status;
}

static int forward(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_tensor *running_mean,
                   fl_tensor *running_var, bool training, double momentum, double eps, fl_tensor *y,
                   fl_tensor *mean, fl_tensor *rstd)
{
    int work = norm_work_of(input->dtype), status = -1;
    fl_tensor *x, *w, *b, *rm = NULL, *rv = NULL;
    fl_tensor *out = norm_work_room(y, work), *m = norm_work_room(mean, work),
              *r = norm_work_room(rstd, work);
    int failed = norm_work_as(input, work, &x) | norm_work_as(weight, work, &w) |
                 norm_work_as(bias, work, &b);
    if (training) {
        rm = as_row(running_mean), rv = as_row(running_var);
        failed |= (running_mean && !rm) | (running_var && !rv);
    } else {
        failed |= norm_work_as(running_mean, work, &rm) | norm_work_as(running_var, work, &rv);
    }
    if (!failed && out && m && r) {
        struct job j = job_of(input, work);
        j.x = tensor_data(x), j.y = tensor_data(out), j.weight = w, j.bias = b, j.mean = m,
        j.rstd = r;
        j.running_mean = rm, j.running_var = rv;
        j.training = training, j.momentum = momentum, j.eps = eps;
        j.kept = mean->dtype == work ? FL_FLOAT64 : mean->dtype;
        if (input->numel)
            threads_for((j.C + j.per_task - 1) / j.per_task, forward_task, &j);
        status = norm_work_put(y, out) || norm_work_put(mean, m) || norm_work_put(rstd, r) ? -1 : 0;
        if (status == 0 && training)
            status = put_row(running_mean, rm) || put_row(running_var, rv) ? -1 : 0;
    }
    tensor_release(m), tensor_release(r);
    if (training && running_mean)
        tensor_bump_version(running_mean);
    if (training && running_var)
        tensor_bump_version(running_var);
    tensor_release(x), tensor_release(w), tensor_release(b), tensor_release(rm), tensor_release(rv),
        tensor_release(out);
    return status;
}

int batch_norm_training_shape(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                              fl_tensor *running_mean, fl_tensor *running_var, double momentum,
                              double eps, struct op_shape *y)
{
    (void)momentum, (void)eps;
    return shape_of(input, weight, bias, running_mean, running_var, true, y);
}

int batch_norm_training_cpu(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                            fl_tensor *running_mean, fl_tensor *running_var, double momentum,
                            double eps, fl_tensor *y, fl_tensor *mean, fl_tensor *rstd)
{
    return forward(input, weight, bias, running_mean, running_var, true, momentum, eps, y, mean,
                   rstd);
}

int batch_norm_inference_shape(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                               fl_tensor *running_mean, fl_tensor *running_var, double eps,
                               struct op_shape *y)
{
    (void)eps;
    return shape_of(input, weight, bias, running_mean, running_var, false, y);
}

int batch_norm_inference_cpu(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                             fl_tensor *running_mean, fl_tensor *running_var, double eps,
                             fl_tensor *y, fl_tensor *mean, fl_tensor *rstd)
{
    return forward(input, weight, bias, running_mean, running_var, false, 0, eps, y, mean, rstd);
}

int native_batch_norm_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                              fl_tensor *running_mean, fl_tensor *running_var, bool training,
                              double momentum, double eps, fl_tensor **y, fl_tensor **mean,
                              fl_tensor **rstd)
{
    if (!dtype_is_floating(input->dtype))
        return dtype_refuse("batch_norm", input->dtype);
    if (training)
        return fl__batch_norm_training(input, weight, bias, running_mean, running_var, momentum,
                                       eps, y, mean, rstd);
    if (!running_mean || !running_var)
        return error_set(FL_RUNTIME_ERROR, "%s must be defined in evaluation mode",
                         !running_mean ? "running_mean" : "running_var");
    return fl__batch_norm_inference(input, weight, bias, running_mean, running_var, eps, y, mean,
                                    rstd);
}

/* ---- Backward ---------------------------------------------------------------------------------
 */

int batch_norm_backward_shape(fl_tensor *g, fl_tensor *input, fl_tensor *weight, fl_tensor *mean,
                              fl_tensor *rstd, bool training, struct op_shape *y)
{
    (void)g, (void)weight, (void)mean, (void)rstd, (void)training;
    op_shape_like(&y[0], input);
    op_shape_set(&y[1], 1, &input->sizes[1]);
    op_shape_set(&y[2], 1, &input->sizes[1]);
    y[0].dtype = y[1].dtype = y[2].dtype = norm_work_of(input->dtype);
    y[1].zero = y[2].zero = true;
    return 0;
}

/* With z = (x - mean) rstd: weight's gradient is sum(g z), bias's sum(g); x's is weight rstd (g -
 * mean(g) - z mean(g z)) where the statistics are the batch's, weight rstd g where they are given.
 */
static void backward_task(void *context, int64_t task)
{
    const struct job *j = context;
    const double count = (double)(j->N * j->S);
    double sum[NORM_CHANNELS], dot[NORM_CHANNELS], mean[NORM_CHANNELS], a[NORM_CHANNELS],
        slope[NORM_CHANNELS], shift[NORM_CHANNELS];
    for (int64_t c = task * j->per_task, n; (n = channels_at(j, task, c)) > 0; c += n) {
        for (int64_t k = 0; k < n; k++)
            mean[k] = at(j->mean, c + k);
        j->k->channel_sums(j->N, j->C, j->S, c, n, j->g, j->x, mean, sum, dot);
        for (int64_t k = 0; k < n; k++) {
            const double rstd = at(j->rstd, c + k), weight = j->weight ? at(j->weight, c + k) : 1;
            set(j->weight_grad, c + k, dot[k] * rstd);
            set(j->bias_grad, c + k, sum[k]);
            a[k] = weight * rstd;
            slope[k] = j->training ? -a[k] * rstd * rstd * dot[k] / count : 0;
            shift[k] = j->training ? -a[k] * sum[k] / count : 0;
        }
        j->k->channel_backward(j->N, j->C, j->S, c, n, j->g, j->x, mean, a, slope, shift, j->y);
    }
}

int batch_norm_backward_cpu(fl_tensor *g, fl_tensor *input, fl_tensor *weight, fl_tensor *mean,
                            fl_tensor *rstd, bool training, fl_tensor *y, fl_tensor *weight_grad,
                            fl_tensor *bias_grad)
{
    int work = y->dtype, status = -1;
    fl_tensor *x, *dy, *w, *m, *r;
    int failed = norm_work_as(input, work, &x) | norm_work_as(g, work, &dy) |
                 norm_work_as(weight, work, &w) | norm_work_as(mean, work, &m) |
                 norm_work_as(rstd, work, &r);
    if (!failed) {
        struct job j = job_of(input, work);
        j.x = tensor_data(x), j.g = tensor_data(dy), j.y = tensor_data(y), j.weight = w, j.mean = m,
        j.rstd = r;
        j.weight_grad = weight_grad, j.bias_grad = bias_grad, j.training = training;
        if (input->numel)
            threads_for((j.C + j.per_task - 1) / j.per_task, backward_task, &j);
        status = 0;
    }
    tensor_release(x), tensor_release(dy), tensor_release(w), tensor_release(m), tensor_release(r);
    return status;
}

/* The same in operators, so that it can be differentiated. */
static int backward_in_operators(fl_tensor *g, fl_tensor *input, fl_tensor *weight, fl_tensor *mean,
                                 fl_tensor *rstd, bool training, double eps, fl_tensor **dx,
                                 fl_tensor **dw, fl_tensor **db)
{
    int64_t dims[TENSOR_MAX_DIMS], shape[TENSOR_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < input->ndim; d++) {
        if (d != 1)
            dims[n++] = d;
        shape[d] = d == 1 ? input->sizes[1] : 1;
    }
    fl_ints over = {dims, n}, by_channel = {shape, input->ndim};
    fl_tensor *centre =
        training ? fl_mean_dim(input, over, true, FL_NO_DTYPE) : fl_view(mean, by_channel);
    fl_tensor *centred = fl_sub(input, centre, fl_int(1));
    fl_tensor *scale =
        training
            ? fl_rsqrt(fl_add_scalar(fl_mean_dim(fl_mul(centred, centred), over, true, FL_NO_DTYPE),
                                     fl_float(eps), fl_int(1)))
            : fl_view(rstd, by_channel);
    fl_tensor *z = fl_mul(centred, scale), *gz = fl_mul(g, z);
    fl_tensor *a = weight ? fl_mul(scale, fl_view(weight, by_channel)) : scale, *h = g;
    if (training)
        h = fl_sub(fl_sub(g, fl_mean_dim(g, over, true, FL_NO_DTYPE), fl_int(1)),
                   fl_mul(z, fl_mean_dim(gz, over, true, FL_NO_DTYPE)), fl_int(1));
    *dx = fl_mul(a, h);
    *dw = fl_sum_dim_intlist(gz, over, false, FL_NO_DTYPE);
    *db = fl_sum_dim_intlist(g, over, false, FL_NO_DTYPE);
    return *dx && *dw && *db ? 0 : -1;
}

int batch_norm_backward_compose(fl_tensor *g, fl_tensor *input, fl_tensor *weight,
                                fl_tensor *running_mean, fl_tensor *running_var, fl_tensor *mean,
                                fl_tensor *rstd, bool training, double eps, int64_t needs,
                                fl_tensor **dx, fl_tensor **dw, fl_tensor **db)
{
    (void)needs;
    fl_tensor *centre = mean, *scale = rstd;
    if (!training) {
        centre = op_as(running_mean, norm_work_of(input->dtype));
        scale = fl_rsqrt(fl_add_scalar(op_as(running_var, norm_work_of(input->dtype)),
                                       fl_float(eps), fl_int(1)));
    }
    if (autograd_derives())
        return backward_in_operators(g, input, weight, centre, scale, training, eps, dx, dw, db);
    return fl__batch_norm_backward_kernel(g, input, weight, centre, scale, training, dx, dw, db);
}

int batch_norm_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias,
                       fl_tensor *running_mean, fl_tensor *running_var, bool training,
                       double momentum, double eps, bool cudnn_enabled, fl_tensor **y)
{
    (void)cudnn_enabled;
    fl_tensor *mean, *rstd;
    if (autograd_mode.grad && weight && tensor_requires_grad(weight))
        advice_see_mode(training);
    else if (!autograd_mode.grad && advice_see_unrecorded(training))
        return -1;
    if (input->numel == 0) { /* of any shape; the first channel's parameters stay in the graph */
        *y = fl_clone(input, -1);
        if (*y && weight)
            *y = fl_mul(*y, fl_select(weight, 0, 0));
        if (*y && bias)
            *y = fl_add(*y, fl_select(bias, 0, 0), fl_int(1));
        return *y ? 0 : -1;
    }
    return fl_native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum,
                                eps, y, &mean, &rstd);
}
