/* instance_norm: batch_norm of each sample by itself. */
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* A statistic of each channel for each sample. */
static fl_tensor *repeated(fl_tensor *t, int64_t batch)
{
    return t ? fl_repeat(t, (fl_ints){&batch, 1}) : NULL;
}

/* A running statistic becomes the mean over the samples. */
static int take_mean(fl_tensor *running, fl_tensor *each, int64_t batch, int64_t channels)
{
    const int64_t shape[] = {batch, channels}, dim = 0;
    fl_tensor *rows = fl_view(fl_detach(each), (fl_ints){shape, 2});
    return fl_copy_(running, fl_mean_dim(rows, (fl_ints){&dim, 1}, false, FL_NO_DTYPE), false) ? 0
                                                                                               : -1;
}

int instance_norm_compose(fl_tensor *input, fl_tensor *running_mean, fl_tensor *running_var,
                          fl_tensor *weight, fl_tensor *bias, bool use_input_stats, double momentum,
                          double eps, fl_tensor **y)
{
    char got[128];
    int64_t flat[TENSOR_MAX_DIMS], spatial = 1;
    for (int d = 2; d < input->ndim; d++)
        spatial *= flat[d] = input->sizes[d];
    if (use_input_stats && spatial == 1)
        return error_set(FL_VALUE_ERROR,
                         "Expected more than 1 spatial element when training, got input size "
                         "torch.Size(%s)",
                         shape_text(got, sizeof got, input->ndim, input->sizes));
    if (input->ndim < 2 || (!running_mean && !use_input_stats))
        return error_set(FL_RUNTIME_ERROR, "Expected running_mean and running_var to be defined "
                                           "when use_input_stats is false");
    const int64_t batch = input->sizes[0], channels = input->sizes[1];
    flat[0] = 1, flat[1] = batch * channels;
    fl_tensor *mean = repeated(running_mean, batch), *var = repeated(running_var, batch);
    /* in PyTorch's order: gradients reach what was made last first */
    fl_tensor *scale = repeated(weight, batch), *shift = repeated(bias, batch),
              *x = fl_reshape(input, (fl_ints){flat, input->ndim});
    fl_tensor *result =
        fl_batch_norm(x, scale, shift, mean, var, use_input_stats, momentum, eps, true);
    *y = fl_view(result, (fl_ints){input->sizes, input->ndim});
    if (!*y || !use_input_stats || !running_mean)
        return *y ? 0 : -1;
    return take_mean(running_mean, mean, batch, channels) ||
                   take_mean(running_var, var, batch, channels)
               ? -1
               : 0;
}
