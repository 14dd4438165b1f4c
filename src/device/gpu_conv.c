/* Convolution and pooling of four dims, for conv.gpu and pool.gpu. */
#include <assert.h>
#include <string.h>

#include "core/conv_order.h"
#include "device/gpu.h"

/* struct fl_conv of the text. */
struct conv {
    int32_t N, C, H, W, K, R, S, P, Q, groups, stride[2], padding[2], dilation[2], has_bias, depth;
    int32_t unit_images, units_of_image, units, splits;
};

enum { BLOCK = 8 }; /* channels of an item; the text's */

/* Items for so many channels, of each group by blocks. */
static int64_t items(int64_t channels, const struct conv *v)
{
    assert(v->groups > 0 && channels % v->groups == 0);
    int64_t each = channels / v->groups;
    return v->groups * ((each + BLOCK - 1) / BLOCK);
}

/* Numbers whose products 32 bits may not hold are the CPU's: false. */
static bool take(int64_t from, int32_t *to)
{
    enum { MOST = 1 << 20 };
    *to = (int32_t)from;
    return from >= -MOST && from <= MOST;
}

static bool take_pair(const fl_value *v, int32_t pair[2])
{
    bool fits = true;
    for (int d = 0; d < 2; d++)
        fits &= take(v->tag == FL_INTS ? v->as.ints[d] : v->as.i, &pair[d]);
    return fits;
}

/* x (N, C, H, W), w (K, C / groups, R, S), y (N, K, P, Q); at: the parameter `stride`. False where a
 * number does not fit. */
static bool conv_of(const struct gpu_call *c, const int64_t *x, const int64_t *w, const int64_t *y,
                    int at, struct conv *v)
{
    *v = (struct conv){.N = (int32_t)x[0],
                       .C = (int32_t)x[1],
                       .H = (int32_t)x[2],
                       .W = (int32_t)x[3],
                       .K = (int32_t)w[0],
                       .R = (int32_t)w[2],
                       .S = (int32_t)w[3],
                       .P = (int32_t)y[2],
                       .Q = (int32_t)y[3]};
    return take_pair(&c->args[at], v->stride) && take_pair(&c->args[at + 1], v->padding) &&
           take_pair(&c->args[at + 2], v->dilation) && take(c->args[at + 3].as.i, &v->groups);
}

/* n items of an entry with its problem, a struct of the text. */
static int launch(struct gpu_call *c, const char *text, const char *entry, const void *problem,
                  size_t size, int count, const void *const *buffers, int64_t n)
{
    struct gpu_launch l = {0};
    if (n == 0 || c->y[0]->numel == 0)
        return 0;
    gpu_bytes(&l, problem, size);
    for (int i = 0; i < count; i++)
        gpu_buffer(&l, buffers[i] ? buffers[i] : buffers[count - 1]);
    gpu_spread(&l, n);
    return gpu_go(c, text, entry, &l);
}

int gpu_conv2d(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0), *w = gpu_tensor(c, 1), *bias = gpu_tensor(c, 2);
    struct conv v;
    if (!conv_of(c, x->sizes, w->sizes, c->y[0]->sizes, 3, &v))
        return DEVICE_CANNOT;
    v.has_bias = bias != NULL;
    v.depth = (int32_t)conv_depth(v.C / v.groups);
    const void *buffers[] = {gpu_operand(c, x), gpu_operand(c, w), gpu_operand(c, bias),
                             gpu_result(c, 0)};
    return launch(c, gpu_text_conv, "conv2d", &v, sizeof v, 4, buffers,
                  v.N * items(v.K, &v) * v.P * v.Q);
}

int gpu_conv2d_backward_input(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *w = gpu_tensor(c, 2);
    struct conv v;
    if (!conv_of(c, c->y[0]->sizes, w->sizes, g->sizes, 3, &v))
        return DEVICE_CANNOT;
    v.depth = (int32_t)conv_depth(v.K / v.groups);
    const void *buffers[] = {gpu_operand(c, g), gpu_operand(c, w), gpu_result(c, 0)};
    return launch(c, gpu_text_conv, "conv2d_input", &v, sizeof v, 3, buffers,
                  v.N * items(v.C, &v) * v.H * v.W);
}

int gpu_conv2d_backward_weight(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *x = gpu_tensor(c, 1);
    struct conv v;
    if (!conv_of(c, x->sizes, c->y[0]->sizes, g->sizes, 3, &v))
        return DEVICE_CANNOT;
    if (g->numel == 0 || x->numel == 0 || c->y[0]->numel == 0)
        return DEVICE_CANNOT;
    const struct conv_cut cut = conv_cut(v.N, v.P, v.Q, v.R * v.S, v.C / v.groups, v.K / v.groups,
                                         v.groups, (int64_t)dtype_size(c->dtype));
    v.unit_images = (int32_t)cut.unit_images, v.units_of_image = (int32_t)cut.units_of_image;
    v.units = (int32_t)cut.units, v.splits = (int32_t)cut.splits;
    const void *buffers[] = {gpu_operand(c, g), gpu_operand(c, x), gpu_result(c, 0)};
    return launch(c, gpu_text_conv, "conv2d_weight", &v, sizeof v, 3, buffers,
                  items(v.K, &v) * (v.C / v.groups) * v.R * v.S);
}

/* ---- pooling ---- */

/* struct fl_pool of the text. */
struct pool {
    int32_t planes, H, W, P, Q, kernel[2], stride[2], padding[2], dilation[2], count_padding,
        divisor, adaptive;
};

static struct pool pool_of(const int64_t *in, const int64_t *out)
{
    return (struct pool){.planes = (int32_t)(in[0] * in[1]),
                         .H = (int32_t)in[2],
                         .W = (int32_t)in[3],
                         .P = (int32_t)out[2],
                         .Q = (int32_t)out[3],
                         .dilation = {1, 1}};
}

static bool take_window(const struct gpu_call *c, int at, struct pool *v)
{
    return take_pair(&c->args[at], v->kernel) && take_pair(&c->args[at + 1], v->stride) &&
           take_pair(&c->args[at + 2], v->padding);
}

int gpu_max_pool2d(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    struct pool v = pool_of(x->sizes, c->y[0]->sizes);
    if (!dtype_is_floating(c->dtype) || !take_window(c, 1, &v) ||
        !take_pair(&c->args[4], v.dilation))
        return DEVICE_CANNOT;
    const void *buffers[] = {gpu_operand(c, x), gpu_result(c, 0), tensor_address(c->y[1])};
    return launch(c, gpu_text_pool, "max_pool2d", &v, sizeof v, 3, buffers, c->y[0]->numel);
}

int gpu_max_pool2d_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *index = gpu_tensor(c, 1);
    struct pool v = pool_of(c->y[0]->sizes, g->sizes);
    const void *buffers[] = {gpu_operand(c, g), gpu_operand_as(c, index, FL_INT64),
                             gpu_result(c, 0)};
    return launch(c, gpu_text_pool, "max_pool2d_backward", &v, sizeof v, 3, buffers, v.planes);
}

static bool take_divisor(const struct gpu_call *c, int at, struct pool *v)
{
    v->count_padding = c->args[at].as.i != 0;
    return take(c->args[at + 1].as.i, &v->divisor);
}

/* _adaptive_max_pool2d(self, output_size), _adaptive_avg_pool2d(self, output_size). */
int gpu_adaptive_pool2d(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    const bool largest = strcmp(c->name, "_adaptive_max_pool2d") == 0;
    struct pool v = pool_of(x->sizes, c->y[0]->sizes);
    v.adaptive = 1;
    if (c->y[0]->numel == 0)
        return 0;
    if (!dtype_is_floating(c->dtype) || x->numel == 0)
        return DEVICE_CANNOT;
    const void *buffers[] = {gpu_operand(c, x), gpu_result(c, 0),
                             largest ? tensor_address(c->y[1]) : NULL};
    return launch(c, gpu_text_pool, largest ? "max_pool2d" : "avg_pool2d", &v, sizeof v,
                  largest ? 3 : 2, buffers, c->y[0]->numel);
}

int gpu_adaptive_avg_pool2d_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0);
    struct pool v = pool_of(c->y[0]->sizes, g->sizes);
    v.adaptive = 1;
    if (c->y[0]->numel == 0)
        return 0;
    if (g->numel == 0)
        return DEVICE_CANNOT;
    const void *buffers[] = {gpu_operand(c, g), gpu_result(c, 0)};
    return launch(c, gpu_text_pool, "avg_pool2d_backward", &v, sizeof v, 2, buffers,
                  c->y[0]->numel);
}

int gpu_avg_pool2d(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    struct pool v = pool_of(x->sizes, c->y[0]->sizes);
    if (!dtype_is_floating(c->dtype) || !take_window(c, 1, &v) || !take_divisor(c, 5, &v))
        return DEVICE_CANNOT;
    const void *buffers[] = {gpu_operand(c, x), gpu_result(c, 0)};
    return launch(c, gpu_text_pool, "avg_pool2d", &v, sizeof v, 2, buffers, c->y[0]->numel);
}

int gpu_avg_pool2d_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0);
    struct pool v = pool_of(c->y[0]->sizes, g->sizes);
    if (!take_window(c, 2, &v) || !take_divisor(c, 6, &v))
        return DEVICE_CANNOT;
    const void *buffers[] = {gpu_operand(c, g), gpu_result(c, 0)};
    return launch(c, gpu_text_pool, "avg_pool2d_backward", &v, sizeof v, 2, buffers,
                  c->y[0]->numel);
}
