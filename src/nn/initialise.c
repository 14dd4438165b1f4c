/* First values of parameters. */
#include "nn/initialise.h"

#include <assert.h>
#include <math.h>

#include "core/random.h"

static fl_tensor *blank(fl_ints sizes)
{
    return tensor_new((int)sizes.count, sizes.data, dtype_default());
}

fl_tensor *initialise_constant(fl_ints sizes, double value, int dtype)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT);
    fl_tensor *t =
        tensor_new((int)sizes.count, sizes.data, dtype == FL_NO_DTYPE ? dtype_default() : dtype);
    if (t)
        tensor_fill(t, fl_float(value));
    return t;
}

fl_tensor *initialise_uniform(fl_ints sizes, double bound)
{
    assert(bound >= 0);
    fl_tensor *t = blank(sizes);
    if (t)
        random_uniform(random_default(), tensor_data(t), t->numel, t->dtype, -bound, bound);
    return t;
}

fl_tensor *initialise_weight(fl_ints sizes, int64_t fan_in)
{
    assert(fan_in >= 0);
    /* In PyTorch's steps, so that the bound is the same to the last bit. */
    double slope = sqrt(5.0), gain = sqrt(2.0 / (1 + slope * slope));
    double deviation = gain / sqrt((double)(fan_in ? fan_in : 1));
    return initialise_uniform(sizes, sqrt(3.0) * deviation);
}

fl_tensor *initialise_bias(int64_t size, int64_t fan_in)
{
    assert(size >= 0);
    return initialise_uniform((fl_ints){&size, 1}, fan_in > 0 ? 1 / sqrt((double)fan_in) : 0);
}

fl_tensor *initialise_normal(fl_ints sizes)
{
    fl_tensor *t = blank(sizes);
    if (t)
        random_normal(random_default(), tensor_data(t), t->numel, t->dtype, 0, 1);
    return t;
}
