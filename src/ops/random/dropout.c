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

int normal_of_shape(fl_tensor *drawn, fl_tensor *mean, fl_tensor *std, struct op_shape *y)
{
    (void)mean, (void)std;
    op_shape_set(y, drawn->ndim, drawn->sizes);
    return 0;
}

int normal_of_cpu(fl_tensor *drawn, fl_tensor *mean, fl_tensor *std, fl_tensor *y)
{
    assert(shape_equal(y, drawn));
    (void)mean, (void)std;
    return tensor_copy(y, drawn);
}

const char *normal_of_title(fl_tensor *drawn, fl_tensor *mean, fl_tensor *std)
{
    (void)drawn;
    return mean && std ? "NormalBackward3" : mean ? "NormalBackward1" : "NormalBackward2";
}

/* Refuses a deviation below 0, before a number is drawn. */
static int check_deviations(fl_tensor *std)
{
    if (!std->numel)
        return 0;
    fl_tensor *least = fl_amin(op_samples(std), (fl_ints){NULL, 0}, false);
    if (!least)
        return -1;
    if (!tensor_is_meta(least) && !(fl_item(least) >= 0))
        return error_set(FL_RUNTIME_ERROR, "normal expects all elements of std >= 0.0");
    return 0;
}

/* standard * std + mean, whose derivatives count as 0. */
static int scale_and_shift(fl_tensor *standard, fl_tensor *mean, fl_tensor *std, fl_tensor **y)
{
    if (!standard)
        return -1;
    fl_tensor *drawn = std ? fl_mul(standard, fl_detach(std)) : standard;
    drawn = mean ? fl_add(drawn, fl_detach(mean), fl_int(1)) : drawn;
    *y = fl__normal_of(drawn, mean, std);
    return *y ? 0 : -1;
}

static fl_tensor *standard_normal(fl_ints size, fl_dtype dtype, fl_generator *generator)
{
    return fl_normal_(fl_empty(size, dtype, ANYWHERE, false, -1), 0, 1, generator);
}

int normal_tensors_compose(fl_tensor *mean, fl_tensor *std, fl_generator *generator, fl_tensor **y)
{
    int ndim = 0;
    int64_t sizes[TENSOR_MAX_DIMS];
    if (shape_broadcast(&ndim, sizes, mean->ndim, mean->sizes) ||
        shape_broadcast(&ndim, sizes, std->ndim, std->sizes) || check_deviations(std))
        return -1;
    fl_tensor *z = standard_normal((fl_ints){sizes, ndim}, (fl_dtype)mean->dtype, generator);
    return z ? scale_and_shift(z, mean, std, y) : -1;
}

int normal_tensor_float_compose(fl_tensor *mean, double std, fl_generator *generator, fl_tensor **y)
{
    if (std < 0)
        return error_set(FL_RUNTIME_ERROR, "normal expects std >= 0.0, but found std %g", std);
    fl_tensor *z =
        standard_normal((fl_ints){mean->sizes, mean->ndim}, (fl_dtype)mean->dtype, generator);
    return z ? scale_and_shift(fl_mul_scalar(z, fl_float(std)), mean, NULL, y) : -1;
}

int normal_float_tensor_compose(double mean, fl_tensor *std, fl_generator *generator, fl_tensor **y)
{
    if (check_deviations(std))
        return -1;
    fl_tensor *z =
        standard_normal((fl_ints){std->sizes, std->ndim}, (fl_dtype)std->dtype, generator);
    if (!z || scale_and_shift(z, NULL, std, y))
        return -1;
    *y = fl_add_scalar_(*y, fl_float(mean), fl_int(1));
    return *y ? 0 : -1;
}

int normal_size_compose(double mean, double std, fl_ints size, fl_generator *generator,
                        fl_dtype dtype, fl_device device, bool requires_grad, fl_tensor **y)
{
    return finish(fl_normal_(fl_empty(size, dtype, device, false, -1), mean, std, generator),
                  requires_grad, y);
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
