/* Convolutions with a filter of one tap, as matrix products over pixels.
 *
 * y of an image, (filters, pixels), is weight (filters, channels) times x (channels, pixels): a
 * batch of products over images. Where images have few pixels the weight would be read again for
 * each: then they are copied side by side, (channels, images, pixels), and it is one product.
 */
#include "ops/conv/conv1x1.h"

#include <string.h>

#include "core/memory.h"
#include "ops/matmul/gemm.h"

enum { FEW_PIXELS = 64, WEIGHTS_A_PIXEL = 64 };

static int64_t pixels_of(const struct conv2d_shape *p)
{
    return p->h * p->w;
}

bool conv1x1_takes(const struct conv2d_shape *p, const struct conv2d_view *seen)
{
    return p->r == 1 && p->s == 1 && p->groups == 1 && p->stride[0] == 1 && p->stride[1] == 1 &&
           p->padding[0] == 0 && p->padding[1] == 0 && p->n * p->c * p->k * pixels_of(p) > 0 &&
           (p->h == 1 || p->w == 1 || seen->strides[2] == p->w * seen->strides[3]);
}

bool conv1x1_few_pixels(const struct conv2d_shape *p)
{
    const int64_t pixels = p->n * pixels_of(p);
    return pixels <= 8 * FEW_PIXELS || p->k * p->c > WEIGHTS_A_PIXEL * pixels;
}

static int64_t pixel_step(const struct conv2d_shape *p, const struct conv2d_view *v)
{
    return p->w > 1 ? v->strides[3] : v->strides[2];
}

static int64_t size_of(fl_dtype dtype)
{
    return dtype == FL_FLOAT32 ? 4 : 8;
}

/* ---- Images side by side --------------------------------------------------------------------- */

static void copy_run(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count,
                     int64_t size)
{
    if (to_step == 1 && from_step == 1)
        memcpy(to, from, (size_t)(count * size));
    else if (size == 4)
        for (int64_t i = 0; i < count; i++)
            ((uint32_t *)to)[i * to_step] = ((const uint32_t *)from)[i * from_step];
    else
        for (int64_t i = 0; i < count; i++)
            ((uint64_t *)to)[i * to_step] = ((const uint64_t *)from)[i * from_step];
}

/* (channels, images, pixels) from a view of (images, channels, pixels). */
static void *side_by_side(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *v,
                          int64_t channels, size_t *bytes)
{
    const int64_t pixels = pixels_of(p), size = size_of(dtype), step = pixel_step(p, v);
    *bytes = (size_t)(channels * p->n * pixels * size);
    char *to = memory_alloc(*bytes), *at = to;
    for (int64_t c = 0; to && c < channels; c++)
        for (int64_t n = 0; n < p->n; n++, at += pixels * size)
            copy_run(at, 1, (const char *)v->data + (n * v->strides[0] + c * v->strides[1]) * size,
                     step, pixels, size);
    return to;
}

/* ---- Products -------------------------------------------------------------------------------- */

/* out (images, m, pixels), contiguous, = a (m, k) times v's images (k, pixels) + bias: `g` but for
 * what follows from v and out. */
static int multiply_images(const struct conv2d_shape *p, struct gemm g, const struct conv2d_view *v,
                           void *out)
{
    const int64_t pixels = pixels_of(p), size = size_of(g.dtype), all = p->n * pixels;
    g.batch_dims = 1, g.batch_sizes = &p->n, g.batch_a = &(int64_t){0};
    g.batch_b = &v->strides[0], g.batch_c = &(int64_t){g.m * pixels};
    g.n = g.c_row = pixels, g.c_col = 1, g.c = out;
    g.b = v->data, g.b_row = v->strides[1], g.b_col = pixel_step(p, v);
    if (p->n == 1 || pixels >= FEW_PIXELS)
        return gemm_run(&g);

    size_t bytes, out_bytes = (size_t)(g.m * all * size);
    void *dense = side_by_side(p, g.dtype, v, g.k, &bytes);
    char *beside = dense ? memory_alloc(out_bytes) : NULL;
    g.batch_dims = 0, g.n = g.c_row = g.b_row = all, g.b_col = 1, g.b = dense, g.c = beside;
    const int status = beside ? gemm_run(&g) : -1;
    for (int64_t n = 0; status == 0 && n < p->n; n++)
        for (int64_t m = 0; m < g.m; m++)
            memcpy((char *)out + (n * g.m + m) * pixels * size,
                   beside + (m * all + n * pixels) * size, (size_t)(pixels * size));
    memory_free(dense, bytes), memory_free(beside, out_bytes);
    return status;
}

int conv1x1_forward(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *x,
                    const struct conv2d_view *weight, const void *bias, void *y)
{
    struct gemm g = {.dtype = dtype,
                     .m = p->k,
                     .k = p->c,
                     .a = weight->data,
                     .a_row = weight->strides[0],
                     .a_col = weight->strides[1],
                     .bias_kind = bias ? GEMM_BIAS_M : GEMM_NO_BIAS,
                     .bias = bias};
    return multiply_images(p, g, x, y);
}

int conv1x1_backward_input(const struct conv2d_shape *p, fl_dtype dtype,
                           const struct conv2d_view *g, const struct conv2d_view *weight, void *dx)
{
    struct gemm product = {.dtype = dtype,
                           .m = p->c,
                           .k = p->k,
                           .a = weight->data,
                           .a_row = weight->strides[1],
                           .a_col = weight->strides[0]};
    return multiply_images(p, product, g, dx);
}

int conv1x1_backward_weight(const struct conv2d_shape *p, fl_dtype dtype,
                            const struct conv2d_view *g, const struct conv2d_view *x, void *dweight)
{
    const int64_t all = p->n * pixels_of(p);
    size_t g_bytes, x_bytes;
    void *dense_g = side_by_side(p, dtype, g, p->k, &g_bytes);
    void *dense_x = dense_g ? side_by_side(p, dtype, x, p->c, &x_bytes) : NULL;
    if (!dense_x) {
        memory_free(dense_g, g_bytes);
        return -1;
    }
    struct gemm product = {.dtype = dtype,
                           .m = p->k,
                           .n = p->c,
                           .k = all,
                           .a = dense_g,
                           .a_row = all,
                           .a_col = 1,
                           .b = dense_x,
                           .b_row = 1,
                           .b_col = all,
                           .c = dweight,
                           .c_row = p->c,
                           .c_col = 1};
    const int status = gemm_run(&product);
    memory_free(dense_g, g_bytes), memory_free(dense_x, x_bytes);
    return status;
}
