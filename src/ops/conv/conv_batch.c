/* Convolutions under vmap: where all samples share their filters, samples are more images; where
 * each has its own, they are more channels, in as many more groups. */
#include <string.h>

#include "flambeau/ops/conv.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/batch.h"
#include "ops_kernels.h"

int conv2d_batch_compose(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_ints stride,
                         fl_ints padding, fl_ints dilation, int64_t groups, fl_tensor **y)
{
    struct lanes all = {0};
    if (batch_join(&all, input) || batch_join(&all, weight) || batch_join(&all, bias) ||
        batch_check_samples(&all, "conv2d"))
        return -1;
    int own = weight->lanes != NULL;
    bool later = bias && bias->lanes && !own; /* the bias differs, and the filters do not */
    fl_tensor *x = batch_fold(input, &all, own), *w = own ? batch_fold(weight, &all, 0) : weight;
    fl_tensor *b = later || !bias ? NULL : own ? batch_fold(bias, &all, 0) : bias;
    if (!x || !w || (bias && !later && !b))
        return -1;
    fl_tensor *z =
        fl__conv2d(x, w, b, stride, padding, dilation, own ? groups * batch_samples(&all) : groups);
    z = z ? batch_unfold(z, &all, own) : NULL;
    if (z && later) {
        int64_t sizes[4] = {1, bias->sizes[0], 1, 1};
        z = fl_add(z, fl_reshape(bias, (fl_ints){sizes, 4}), fl_int(1));
    }
    *y = z;
    return z ? 0 : -1;
}

int conv2d_backward_input_batch_compose(fl_tensor *g, fl_ints input_size, fl_tensor *weight,
                                        fl_ints stride, fl_ints padding, fl_ints dilation,
                                        int64_t groups, fl_tensor **y)
{
    struct lanes all = {0};
    int64_t sizes[4];
    if (batch_join(&all, g) || batch_join(&all, weight) || batch_check_samples(&all, "conv2d"))
        return -1;
    int own = weight->lanes != NULL;
    int64_t samples = batch_samples(&all);
    memcpy(sizes, input_size.data, sizeof sizes);
    sizes[own] *= samples;
    fl_tensor *dy = batch_fold(g, &all, own), *w = own ? batch_fold(weight, &all, 0) : weight;
    fl_tensor *z = dy && w ? fl__conv2d_backward_input(dy, (fl_ints){sizes, 4}, w, stride, padding,
                                                       dilation, own ? groups * samples : groups)
                           : NULL;
    *y = z ? batch_unfold(z, &all, own) : NULL;
    return *y ? 0 : -1;
}

int conv2d_backward_weight_batch_compose(fl_tensor *g, fl_tensor *input, fl_ints weight_size,
                                         fl_ints stride, fl_ints padding, fl_ints dilation,
                                         int64_t groups, fl_tensor **y)
{
    struct lanes all = {0};
    int64_t sizes[4];
    if (batch_join(&all, g) || batch_join(&all, input) || batch_check_samples(&all, "conv2d"))
        return -1;
    memcpy(sizes, weight_size.data, sizeof sizes);
    sizes[0] *= batch_samples(&all);
    fl_tensor *dy = batch_fold(g, &all, 1), *x = batch_fold(input, &all, 1);
    fl_tensor *z = dy && x ? fl__conv2d_backward_weight(dy, x, (fl_ints){sizes, 4}, stride, padding,
                                                        dilation, groups * batch_samples(&all))
                           : NULL;
    *y = z ? batch_unfold(z, &all, 0) : NULL;
    return *y ? 0 : -1;
}
