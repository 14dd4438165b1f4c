/* The layers: for each its forward function, its class, and its constructor with PyTorch's first
 * values.
 *
 * A constructor adds what it makes to the module and looks once, at the end, whether all went well:
 * adding a tensor that could not be made fails too.
 */
#include <assert.h>

#include "core/error.h"
#include "flambeau/ops/conv.h"
#include "flambeau/ops/loss.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/pool.h"
#include "flambeau/ops/random.h"
#include "flambeau/ops/view.h"
#include "nn/initialise.h"
#include "nn/modules.h"

/* The finished module, or NULL, dropping it, when a step of its making failed. */
static fl_module *finished(fl_module *m, int failures)
{
    if (m && !failures)
        return m;
    fl_module_release(m);
    return NULL;
}

/* -1 with the error set unless every number is at least `least`. */
static int check_sizes(const char *layer, int64_t least, fl_ints numbers)
{
    assert(numbers.count >= 1);
    for (int64_t i = 0; i < numbers.count; i++)
        if (numbers.data[i] < least)
            return error_set(FL_VALUE_ERROR,
                             "%s: a size of %lld is too small, at least %lld is needed", layer,
                             (long long)numbers.data[i], (long long)least);
    return 0;
}

/* Both dims of an image by one number. */
static fl_ints square(int64_t *pair, int64_t size)
{
    assert(size >= 0);
    pair[0] = pair[1] = size;
    return (fl_ints){pair, 2};
}

/* ---- Linear --------------------------------------------------------------------------------- */

static fl_tensor *forward_linear(fl_module *m, fl_tensor *x)
{
    return fl_linear(x, module_tensor(m, "weight"), module_tensor(m, "bias"));
}

static const struct module_class LINEAR = {"Linear", forward_linear};

fl_module *fl_linear_new(int64_t in_features, int64_t out_features, bool bias)
{
    if (check_sizes("Linear", 0, FL_INTS_OF(in_features, out_features)) != 0)
        return NULL;
    fl_module *m = module_new(&LINEAR);
    fl_ints sizes = FL_INTS_OF(out_features, in_features);
    int failures = fl_module_add_parameter(m, "weight", initialise_weight(sizes, in_features));
    if (bias)
        failures |= fl_module_add_parameter(m, "bias", initialise_bias(out_features, in_features));
    return finished(m, failures);
}

/* ---- Convolution ---------------------------------------------------------------------------- */

enum { CONV_STRIDE, CONV_PADDING, CONV_DILATION, CONV_GROUPS };

static fl_tensor *forward_conv2d(fl_module *m, fl_tensor *x)
{
    int64_t stride[2], padding[2], dilation[2];
    return fl_conv2d(x, module_tensor(m, "weight"), module_tensor(m, "bias"),
                     square(stride, m->numbers[CONV_STRIDE]),
                     square(padding, m->numbers[CONV_PADDING]),
                     square(dilation, m->numbers[CONV_DILATION]), m->numbers[CONV_GROUPS]);
}

static const struct module_class CONV2D = {"Conv2d", forward_conv2d};

fl_module *fl_conv2d_new(int64_t in_channels, int64_t out_channels, int64_t kernel_size,
                         int64_t stride, int64_t padding, int64_t dilation, int64_t groups,
                         bool bias)
{
    if (check_sizes("Conv2d", 1,
                    FL_INTS_OF(in_channels, out_channels, kernel_size, stride, dilation, groups)) !=
            0 ||
        check_sizes("Conv2d", 0, FL_INTS_OF(padding)) != 0)
        return NULL;
    if (in_channels % groups || out_channels % groups)
        return error_null(FL_VALUE_ERROR, "%s must be divisible by groups",
                          in_channels % groups ? "in_channels" : "out_channels");
    fl_module *m = module_new(&CONV2D);
    if (!m)
        return NULL;
    m->numbers[CONV_STRIDE] = stride;
    m->numbers[CONV_PADDING] = padding;
    m->numbers[CONV_DILATION] = dilation;
    m->numbers[CONV_GROUPS] = groups;
    fl_ints sizes = FL_INTS_OF(out_channels, in_channels / groups, kernel_size, kernel_size);
    int64_t fan_in = in_channels / groups * kernel_size * kernel_size;
    int failures = fl_module_add_parameter(m, "weight", initialise_weight(sizes, fan_in));
    if (bias)
        failures |= fl_module_add_parameter(m, "bias", initialise_bias(out_channels, fan_in));
    return finished(m, failures);
}

/* ---- Normalisation -------------------------------------------------------------------------- */

enum { NORM_EPS, NORM_MOMENTUM }; /* among the reals */

static fl_tensor *forward_batch_norm2d(fl_module *m, fl_tensor *x)
{
    if (x->ndim != 4)
        return error_null(FL_VALUE_ERROR, "expected 4D input (got %dD input)", x->ndim);
    fl_tensor *counted = module_tensor(m, "num_batches_tracked");
    if (m->training && counted->flags & TENSOR_ELSEWHERE)
        fl_add_scalar_(counted, fl_int(1), fl_int(1));
    else if (m->training)
        ++*(int64_t *)tensor_data(counted);
    return fl_batch_norm(x, module_tensor(m, "weight"), module_tensor(m, "bias"),
                         module_tensor(m, "running_mean"), module_tensor(m, "running_var"),
                         m->training, m->reals[NORM_MOMENTUM], m->reals[NORM_EPS], true);
}

static const struct module_class BATCH_NORM2D = {"BatchNorm2d", forward_batch_norm2d};

fl_module *fl_batch_norm2d_new(int64_t num_features, double eps, double momentum)
{
    fl_ints sizes = FL_INTS_OF(num_features), none = {NULL, 0};
    fl_module *m = module_new(&BATCH_NORM2D);
    if (!m)
        return NULL;
    m->reals[NORM_EPS] = eps;
    m->reals[NORM_MOMENTUM] = momentum;
    int failures =
        fl_module_add_parameter(m, "weight", initialise_constant(sizes, 1, FL_NO_DTYPE)) |
        fl_module_add_parameter(m, "bias", initialise_constant(sizes, 0, FL_NO_DTYPE)) |
        fl_module_add_buffer(m, "running_mean", initialise_constant(sizes, 0, FL_NO_DTYPE)) |
        fl_module_add_buffer(m, "running_var", initialise_constant(sizes, 1, FL_NO_DTYPE)) |
        fl_module_add_buffer(m, "num_batches_tracked", initialise_constant(none, 0, FL_INT64));
    return finished(m, failures);
}

static fl_tensor *forward_layer_norm(fl_module *m, fl_tensor *x)
{
    fl_tensor *weight = module_tensor(m, "weight");
    return fl_layer_norm(x, fl_sizes(weight), weight, module_tensor(m, "bias"), m->reals[NORM_EPS],
                         true);
}

static const struct module_class LAYER_NORM = {"LayerNorm", forward_layer_norm};

fl_module *fl_layer_norm_new(fl_ints normalized_shape, double eps)
{
    fl_module *m = module_new(&LAYER_NORM);
    if (!m)
        return NULL;
    m->reals[NORM_EPS] = eps;
    return finished(m, fl_module_add_parameter(
                           m, "weight", initialise_constant(normalized_shape, 1, FL_NO_DTYPE)) |
                           fl_module_add_parameter(
                               m, "bias", initialise_constant(normalized_shape, 0, FL_NO_DTYPE)));
}

/* ---- Embedding and dropout ------------------------------------------------------------------ */

static fl_tensor *forward_embedding(fl_module *m, fl_tensor *x)
{
    return fl_embedding(module_tensor(m, "weight"), x, -1, false, false);
}

static const struct module_class EMBEDDING = {"Embedding", forward_embedding};

fl_module *fl_embedding_new(int64_t num_embeddings, int64_t embedding_dim)
{
    fl_ints sizes = FL_INTS_OF(num_embeddings, embedding_dim);
    fl_module *m = module_new(&EMBEDDING);
    return finished(m, fl_module_add_parameter(m, "weight", initialise_normal(sizes)));
}

static fl_tensor *forward_dropout(fl_module *m, fl_tensor *x)
{
    return fl_dropout(x, m->reals[0], m->training);
}

static const struct module_class DROPOUT = {"Dropout", forward_dropout};

fl_module *fl_dropout_new(double p)
{
    if (!(p >= 0 && p <= 1))
        return error_null(FL_VALUE_ERROR,
                          "dropout probability has to be between 0 and 1, but got %g", p);
    fl_module *m = module_new(&DROPOUT);
    if (m)
        m->reals[0] = p;
    return m;
}

/* ---- Pooling -------------------------------------------------------------------------------- */

enum { POOL_KERNEL, POOL_STRIDE, POOL_PADDING };

static fl_tensor *forward_max_pool2d(fl_module *m, fl_tensor *x)
{
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    return fl_max_pool2d(x, square(kernel, m->numbers[POOL_KERNEL]),
                         square(stride, m->numbers[POOL_STRIDE]),
                         square(padding, m->numbers[POOL_PADDING]), square(dilation, 1), false);
}

static fl_tensor *forward_avg_pool2d(fl_module *m, fl_tensor *x)
{
    int64_t kernel[2], stride[2], padding[2];
    return fl_avg_pool2d(x, square(kernel, m->numbers[POOL_KERNEL]),
                         square(stride, m->numbers[POOL_STRIDE]),
                         square(padding, m->numbers[POOL_PADDING]), false, true, NULL);
}

static const struct module_class MAX_POOL2D = {"MaxPool2d", forward_max_pool2d};
static const struct module_class AVG_POOL2D = {"AvgPool2d", forward_avg_pool2d};

static fl_module *pool(const struct module_class *type, int64_t kernel_size, int64_t stride,
                       int64_t padding)
{
    fl_module *m = module_new(type);
    if (!m)
        return NULL;
    m->numbers[POOL_KERNEL] = kernel_size;
    m->numbers[POOL_STRIDE] = stride;
    m->numbers[POOL_PADDING] = padding;
    return m;
}

fl_module *fl_max_pool2d_new(int64_t kernel_size, int64_t stride, int64_t padding)
{
    return pool(&MAX_POOL2D, kernel_size, stride, padding);
}

fl_module *fl_avg_pool2d_new(int64_t kernel_size, int64_t stride, int64_t padding)
{
    return pool(&AVG_POOL2D, kernel_size, stride, padding);
}

/* ---- Layers without numbers ----------------------------------------------------------------- */

static fl_tensor *forward_flatten(fl_module *m, fl_tensor *x)
{
    (void)m;
    return fl_flatten(x, 1, -1);
}

static fl_tensor *forward_relu(fl_module *m, fl_tensor *x)
{
    (void)m;
    return fl_relu(x);
}

static fl_tensor *forward_gelu(fl_module *m, fl_tensor *x)
{
    (void)m;
    return fl_gelu(x, "none");
}

static fl_tensor *forward_tanh(fl_module *m, fl_tensor *x)
{
    (void)m;
    return fl_tanh(x);
}

static fl_tensor *forward_sigmoid(fl_module *m, fl_tensor *x)
{
    (void)m;
    return fl_sigmoid(x);
}

static fl_tensor *forward_softmax(fl_module *m, fl_tensor *x)
{
    return fl_softmax(x, m->numbers[0], FL_NO_DTYPE);
}

static const struct module_class FLATTEN = {"Flatten", forward_flatten};
static const struct module_class RELU = {"ReLU", forward_relu};
static const struct module_class GELU = {"GELU", forward_gelu};
static const struct module_class TANH = {"Tanh", forward_tanh};
static const struct module_class SIGMOID = {"Sigmoid", forward_sigmoid};
static const struct module_class SOFTMAX = {"Softmax", forward_softmax};

fl_module *fl_flatten_new(void)
{
    return module_new(&FLATTEN);
}

fl_module *fl_relu_new(void)
{
    return module_new(&RELU);
}

fl_module *fl_gelu_new(void)
{
    return module_new(&GELU);
}

fl_module *fl_tanh_new(void)
{
    return module_new(&TANH);
}

fl_module *fl_sigmoid_new(void)
{
    return module_new(&SIGMOID);
}

fl_module *fl_softmax_new(int64_t dim)
{
    fl_module *m = module_new(&SOFTMAX);
    if (m)
        m->numbers[0] = dim;
    return m;
}
