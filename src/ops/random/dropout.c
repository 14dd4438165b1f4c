/* Random tensors made of others, and dropout. */
#include <assert.h>
#include <math.h>

#include "autograd/autograd.h"
#include "core/advice.h"
#include "core/device.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/random.h"
#include "flambeau/ops/reduce.h"
#include "ops/op.h"
#include "ops_kernels.h"
#include "ops_table.h"

static const fl_device ANYWHERE = {-1, 0};

/* Uninitialised, to be filled; marked only afterwards, since what requires grad is not written. */
static fl_tensor *room_like(fl_tensor *self, fl_dtype dtype, fl_device device, int memory_format)
{
    return fl_empty_like(self, dtype, device, false, memory_format);
}

static int finish(fl_tensor *filled, bool requires_grad, fl_tensor **y)
{
    *y = filled;
    return !filled || (requires_grad && fl_set_requires_grad(filled, true)) ? -1 : 0;
}

int rand_like_compose(fl_tensor *self, fl_dtype dtype, fl_device device, bool requires_grad,
                      int memory_format, fl_tensor **y)
{
    return finish(fl_uniform_(room_like(self, dtype, device, memory_format), 0, 1, NULL),
                  requires_grad, y);
}

int randn_like_compose(fl_tensor *self, fl_dtype dtype, fl_device device, bool requires_grad,
                       int memory_format, fl_tensor **y)
{
    return finish(fl_normal_(room_like(self, dtype, device, memory_format), 0, 1, NULL),
                  requires_grad, y);
}

int randint_like_low_compose(fl_tensor *self, int64_t low, int64_t high, fl_dtype dtype,
                             fl_device device, bool requires_grad, int memory_format, fl_tensor **y)
{
    return finish(fl_random_from_(room_like(self, dtype, device, memory_format), low, &high, NULL),
                  requires_grad, y);
}

int randint_like_compose(fl_tensor *self, int64_t high, fl_dtype dtype, fl_device device,
                         bool requires_grad, int memory_format, fl_tensor **y)
{
    return randint_like_low_compose(self, 0, high, dtype, device, requires_grad, memory_format, y);
}

/* ---- normal by tensors ---- */

/* Refuses a deviation below 0, before a number is drawn. */
static int check_deviations(const fl_tensor *std)
{
    if (dtype_is_complex(std->dtype))
        return error_set(FL_RUNTIME_ERROR, "normal expects standard deviation to be non-complex");
    fl_tensor *dense = tensor_as(std, FL_FLOAT64);
    const double *p = dense ? tensor_data(dense) : NULL;
    int status = dense ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < dense->numel; i++)
        if (!(p[i] >= 0))
            status = error_set(FL_RUNTIME_ERROR, "normal expects all elements of std >= 0.0");
    tensor_release(dense);
    return status;
}

/* y = y by or + operand, in place and unrecorded. */
static int change(const fl_op *f, fl_tensor *y, fl_value operand)
{
    assert(f->inplace && y->storage);
    const bool mode = autograd_mode.grad;
    autograd_mode.grad = false;
    fl_tensor *same = op_call1(f->inplace, (fl_value[]){fl_tensor_value(y), operand, fl_int(1)});
    autograd_mode.grad = mode;
    tensor_release(same);
    return same ? 0 : -1;
}

int normal_tensors_shape(fl_tensor *mean, fl_tensor *std, fl_generator *generator,
                         struct op_shape *y)
{
    (void)generator;
    y->ndim = 0;
    return shape_broadcast(&y->ndim, y->sizes, mean->ndim, mean->sizes) ||
                   shape_broadcast(&y->ndim, y->sizes, std->ndim, std->sizes)
               ? -1
               : 0;
}

/* Numbers of variance 1 are drawn in the order of y's memory, then scaled and shifted: PyTorch's
 * bits, of which the derivatives count as 0. */
int normal_tensors_cpu(fl_tensor *mean, fl_tensor *std, fl_generator *generator, fl_tensor *y)
{
    return check_deviations(std) || normal__cpu(y, 0, 1, generator) ||
                   change(&op_mul_Tensor, y, fl_tensor_value(std)) ||
                   change(&op_add_Tensor, y, fl_tensor_value(mean))
               ? -1
               : 0;
}

int normal_tensor_float_cpu(fl_tensor *mean, double std, fl_generator *generator, fl_tensor *y)
{
    assert(shape_equal(y, mean));
    return normal__cpu(y, 0, std, generator) || change(&op_add_Tensor, y, fl_tensor_value(mean))
               ? -1
               : 0;
}

int normal_float_tensor_cpu(double mean, fl_tensor *std, fl_generator *generator, fl_tensor *y)
{
    assert(shape_equal(y, std));
    return check_deviations(std) || normal__cpu(y, 0, 1, generator) ||
                   change(&op_mul_Tensor, y, fl_tensor_value(std)) ||
                   change(&op_add_Tensor, y, fl_float(mean))
               ? -1
               : 0;
}

int normal_size_shape(double mean, double std, fl_ints size, fl_generator *generator,
                      fl_dtype dtype, fl_device device, bool requires_grad, struct op_shape *y)
{
    (void)mean, (void)std;
    return randn_shape(size, generator, dtype, device, requires_grad, y);
}

int normal_size_cpu(double mean, double std, fl_ints size, fl_generator *generator, fl_dtype dtype,
                    fl_device device, bool requires_grad, fl_tensor *y)
{
    (void)size, (void)dtype, (void)device;
    return normal__cpu(y, mean, std, generator) ||
                   (requires_grad && autograd_set_requires_grad(y, true))
               ? -1
               : 0;
}

/* ---- dropout ---- */

static int check_probability(double p)
{
    if (p >= 0 && p <= 1)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "dropout probability has to be between 0 and 1, but got %g",
                     p);
}

/* Where an element, or a channel, stays: 1 with probability 1 - p, else 0. */
static fl_tensor *draw_kept(fl_tensor *input, bool channels, double p)
{
    int64_t sizes[TENSOR_MAX_DIMS];
    if (channels && input->ndim < 2)
        return error_null(FL_RUNTIME_ERROR,
                          "Feature dropout requires at least 2 dimensions in the input");
    for (int d = 0; d < input->ndim; d++)
        sizes[d] = d < 2 ? input->sizes[d] : 1;
    fl_tensor *room = channels ? fl_empty((fl_ints){sizes, input->ndim}, (fl_dtype)input->dtype,
                                          ANYWHERE, false, -1)
                               : room_like(input, FL_NO_DTYPE, ANYWHERE, -1);
    return fl_bernoulli_float_(room, 1 - p, NULL);
}

/* Zeros with probability p, the rest divided by 1 - p. Where all is dropped nothing is drawn. */
static int drop(fl_tensor *input, bool channels, bool in_place, double p, bool train, fl_tensor **y)
{
    *y = input;
    if (check_probability(p))
        return -1;
    if (train && p == 1 && (in_place || input->numel))
        *y = in_place ? fl_mul_scalar_(input, fl_int(0)) : fl_mul_scalar(input, fl_int(0));
    else if (train && p > 0 && input->numel) {
        fl_tensor *noise = fl_div_scalar_(draw_kept(input, channels, p), fl_float(1 - p));
        *y = in_place ? fl_mul_(input, noise) : fl_mul(input, noise);
    }
    return *y ? 0 : -1;
}

/* Advises once where dropout runs though nothing is recorded, as when a model is evaluated. Python's
 * side looks who called it, and is silent where that is meant. */
static int __attribute__((cold)) advise_in_evaluation(void)
{
    static struct advice advice = {
        .name = "dropout_in_evaluation",
        .english =
            "F.dropout drops elements though the model is in evaluation mode: its `training` is "
            "True unless it is given, and predictions are random.\n"
            "hint: F.dropout(x, p, training=self.training), or a layer nn.Dropout(p), which "
            "knows the mode.",
        .chinese = "模型处于评估模式，F.dropout 却仍在丢弃元素：不传 training 时它总是 True，"
                   "预测结果是随机的。\n"
                   "提示：请写 F.dropout(x, p, training=self.training)；或用层 nn.Dropout(p)，"
                   "它会跟随模式。"};
    return advice_give(&advice);
}

int dropout_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    if (autograd_mode.grad && tensor_requires_grad(input))
        advice_see_mode(train);
    else if (train && !autograd_mode.grad &&
             (advise_in_evaluation() || advice_see_unrecorded(train)))
        return -1;
    return drop(input, false, false, p, train, y);
}

int dropout_in_place_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop(input, false, true, p, train, y);
}

int native_dropout_compose(fl_tensor *input, double p, int train, fl_tensor **y, fl_tensor **mask)
{
    if (check_probability(p))
        return -1;
    if (train == 0) {
        *y = fl_clone(input, -1);
        *mask = fl_ones_like(input, FL_BOOL, ANYWHERE, false, -1);
        return *y && *mask ? 0 : -1;
    }
    *mask = fl_bernoulli_float_(room_like(input, FL_BOOL, ANYWHERE, -1), 1 - p, NULL);
    *y = fl_mul_scalar(fl_mul(input, *mask), fl_float(p == 1 ? 0 : 1 / (1 - p)));
    return *y && *mask ? 0 : -1;
}

int feature_dropout_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop(input, true, false, p, train, y);
}

int feature_dropout_in_place_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop(input, true, true, p, train, y);
}

/* Dropped elements become alpha' = -1.7580993408473766, and the whole is scaled and shifted back to
 * mean 0 and variance 1 (Klambauer et al., "Self-Normalizing Neural Networks", 2017). */
static int drop_alpha(fl_tensor *input, bool channels, bool in_place, double p, bool train,
                      fl_tensor **y)
{
    const double alpha = 1.7580993408473766;
    *y = input;
    if (check_probability(p))
        return -1;
    if (!train || p == 0 || input->numel == 0)
        return 0;
    if (p == 1) {
        *y = in_place ? fl_mul_scalar_(input, fl_int(0)) : fl_mul_scalar(input, fl_int(0));
        return *y ? 0 : -1;
    }
    double a = 1 / sqrt((alpha * alpha * p + 1) * (1 - p));
    fl_tensor *noise = draw_kept(input, channels, p);
    fl_tensor *shift = fl_add_scalar(
        fl_mul_scalar(fl_sub_scalar(noise, fl_int(1), fl_int(1)), fl_float(alpha * a)),
        fl_float(alpha * a * p), fl_int(1));
    noise = fl_mul_scalar(noise, fl_float(a));
    *y = in_place ? fl_add_(fl_mul_(input, noise), shift, fl_int(1))
                  : fl_add(fl_mul(input, noise), shift, fl_int(1));
    return *y ? 0 : -1;
}

int alpha_dropout_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop_alpha(input, false, false, p, train, y);
}

int alpha_dropout_in_place_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop_alpha(input, false, true, p, train, y);
}

int feature_alpha_dropout_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop_alpha(input, true, false, p, train, y);
}

int feature_alpha_dropout_in_place_compose(fl_tensor *input, double p, bool train, fl_tensor **y)
{
    return drop_alpha(input, true, true, p, train, y);
}
