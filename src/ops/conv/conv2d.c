/* Convolution's three faces: forward and input gradient as correlations, half precision by way of
 * float32, and the bias's gradient. The weight's gradient is in conv2d_weight.c.
 */
#include "ops/conv/conv2d.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/isa.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv/conv1x1.h"
#include "ops/conv/conv2d_weight.h"
#include "ops/conv/correlate.h"
#include "ops/matmul/gemm.h"

static bool is_half(fl_dtype dtype)
{
    return dtype == FL_FLOAT16 || dtype == FL_BFLOAT16;
}

/* ---- Half precision -------------------------------------------------------------------------- */

/* float32 copies of half operands, in one block: widened on the way in, narrowed on the way out. */
struct wide {
    bool bfloat;
    size_t bytes, used;
    float *block;
};

static int64_t count_of(const int64_t sizes[4])
{
    return sizes[0] * sizes[1] * sizes[2] * sizes[3];
}

static int wide_open(struct wide *w, fl_dtype dtype, int64_t elements)
{
    assert(elements >= 0);
    assert(is_half(dtype) && elements >= 0);
    w->bfloat = dtype == FL_BFLOAT16;
    w->bytes = (size_t)elements * sizeof(float);
    w->used = 0;
    w->block = memory_alloc(w->bytes);
    return w->block ? 0 : -1;
}

static float *wide_take(struct wide *w, int64_t elements)
{
    assert(elements >= 0);
    float *taken = w->block + w->used;
    w->used += (size_t)elements;
    return taken;
}

static void wide_close(struct wide *w)
{
    memory_free(w->block, w->bytes);
}

/* A contiguous float32 copy of a view of half precision. */
static struct conv2d_view wide_view(struct wide *w, const struct conv2d_view *v,
                                    const int64_t sizes[4])
{
    const struct gemm_table *table = ISA_PICK(gemm_table);
    float *dst = wide_take(w, count_of(sizes));
    struct conv2d_view out = {dst,
                              {sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1}};
    for (int64_t n = 0; n < sizes[0]; n++)
        for (int64_t c = 0; c < sizes[1]; c++)
            for (int64_t h = 0; h < sizes[2]; h++, dst += sizes[3]) {
                const uint16_t *src = (const uint16_t *)v->data + n * v->strides[0] +
                                      c * v->strides[1] + h * v->strides[2];
                if (v->strides[3] == 1)
                    table->widen(src, dst, sizes[3], w->bfloat);
                else
                    for (int64_t i = 0; i < sizes[3]; i++)
                        table->widen(src + i * v->strides[3], dst + i, 1, w->bfloat);
            }
    return out;
}

static void wide_narrow(const struct wide *w, const float *src, void *dst, int64_t count)
{
    ISA_PICK(gemm_table)->narrow(src, dst, count, w->bfloat);
}

/* The sizes of x, of the weight and of y. */
struct sizes {
    int64_t x[4], weight[4], y[4];
};

static struct sizes sizes_of(const struct conv2d_shape *p)
{
    assert(p->groups > 0 && p->c % p->groups == 0 && p->k % p->groups == 0);
    return (struct sizes){{p->n, p->c, p->h, p->w},
                          {p->k, p->c / p->groups, p->r, p->s},
                          {p->n, p->k, conv2d_rows(p), conv2d_cols(p)}};
}

/* ---- Forward --------------------------------------------------------------------------------- */

enum { STACK_TAPS = 64 };

/* Arrays of three numbers a tap: on the stack where they fit. */
struct taps {
    int64_t here[3 * STACK_TAPS];
    int64_t *dy, *dx, *tap;
    size_t bytes; /* of a block, or 0 */
};

static int taps_open(struct taps *t, int64_t count)
{
    assert(count >= 0);
    t->bytes = count > STACK_TAPS ? (size_t)(3 * count) * sizeof(int64_t) : 0;
    t->dy = t->bytes ? memory_alloc(t->bytes) : t->here;
    if (!t->dy)
        return -1;
    t->dx = t->dy + count;
    t->tap = t->dx + count;
    return 0;
}

static void taps_close(struct taps *t)
{
    if (t->bytes)
        memory_free(t->dy, t->bytes);
}

static int forward_real(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *x,
                        const struct conv2d_view *weight, const void *bias, void *y)
{
    if (conv1x1_takes(p, x))
        return conv1x1_forward(p, dtype, x, weight, bias, y);
    struct taps taps;
    if (taps_open(&taps, p->r * p->s) != 0)
        return -1;
    int64_t count = 0;
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->s; s++, count++) {
            taps.dy[count] = r * p->dilation[0] - p->padding[0];
            taps.dx[count] = s * p->dilation[1] - p->padding[1];
            taps.tap[count] = r * weight->strides[2] + s * weight->strides[3];
        }
    const int64_t rows = conv2d_rows(p), cols = conv2d_cols(p);
    struct correlation_phase phase = {rows, cols, count, taps.dy, taps.dx, taps.tap, y};
    struct correlation q = {.dtype = dtype,
                            .images = p->n,
                            .groups = p->groups,
                            .filters = p->k / p->groups,
                            .planes = p->c / p->groups,
                            .rows = rows,
                            .cols = cols,
                            .step = {p->stride[0], p->stride[1]},
                            .phase_count = 1,
                            .phases = &phase,
                            .in = x->data,
                            .in_image = x->strides[0],
                            .in_plane = x->strides[1],
                            .in_row = x->strides[2],
                            .in_col = x->strides[3],
                            .in_rows = p->h,
                            .in_cols = p->w,
                            .weight = weight->data,
                            .weight_group = p->k / p->groups * weight->strides[0],
                            .weight_filter = weight->strides[0],
                            .weight_plane = weight->strides[1],
                            .out_image = p->k * rows * cols,
                            .out_filter = rows * cols,
                            .out_row = cols,
                            .out_col = 1,
                            .bias = bias};
    int status = correlate(&q);
    taps_close(&taps);
    return status;
}

int conv2d_forward(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *x,
                   const struct conv2d_view *weight, const void *bias, void *y)
{
    assert(conv2d_rows(p) >= 0 && conv2d_cols(p) >= 0);
    if (!is_half(dtype))
        return forward_real(p, dtype, x, weight, bias, y);
    const struct sizes sizes = sizes_of(p);
    const int64_t out = count_of(sizes.y);
    struct wide w;
    if (wide_open(&w, dtype, count_of(sizes.x) + count_of(sizes.weight) + p->k + out) != 0)
        return -1;
    struct conv2d_view wide_x = wide_view(&w, x, sizes.x);
    struct conv2d_view wide_weight = wide_view(&w, weight, sizes.weight);
    float *wide_bias = bias ? wide_take(&w, p->k) : NULL, *wide_y = wide_take(&w, out);
    if (bias)
        ISA_PICK(gemm_table)->widen(bias, wide_bias, p->k, w.bfloat);
    int status = forward_real(p, FL_FLOAT32, &wide_x, &wide_weight, wide_bias, wide_y);
    if (status == 0)
        wide_narrow(&w, wide_y, y, out);
    wide_close(&w);
    return status;
}

/* ---- Input gradient -------------------------------------------------------------------------- */

/* The taps that reach inputs whose coordinate on an axis is `phase` modulo the stride: x[i * stride
 * + phase] is shown tap r by g[i + (phase + padding - r * dilation) / stride] where that division
 * leaves nothing. */
static bool reaches(const struct conv2d_shape *p, int axis, int64_t phase, int64_t r,
                    int64_t *delta)
{
    assert(axis == 0 || axis == 1);
    int64_t at = phase + p->padding[axis] - r * p->dilation[axis];
    if (at % p->stride[axis] != 0)
        return false;
    *delta = at / p->stride[axis];
    return true;
}

static int64_t phases_of(const struct conv2d_shape *p, int axis)
{
    assert(axis == 0 || axis == 1);
    int64_t size = axis ? p->w : p->h;
    return size < p->stride[axis] ? size : p->stride[axis];
}

/* Lists the phases that taps reach, each a correlation of g with a step of 1. A tap is in one phase
 * at most. */
static int64_t list_phases(const struct conv2d_shape *p, const struct conv2d_view *weight,
                           int64_t size, void *dx, struct taps *taps,
                           struct correlation_phase *phases)
{
    int64_t listed = 0, used = 0;
    for (int64_t y = 0; y < phases_of(p, 0); y++)
        for (int64_t x = 0; x < phases_of(p, 1); x++) {
            int64_t count = 0, dy, ex;
            for (int64_t r = 0; r < p->r; r++)
                for (int64_t s = 0; s < p->s; s++)
                    if (reaches(p, 0, y, r, &dy) && reaches(p, 1, x, s, &ex)) {
                        taps->dy[used + count] = dy;
                        taps->dx[used + count] = ex;
                        taps->tap[used + count++] = r * weight->strides[2] + s * weight->strides[3];
                    }
            if (count)
                phases[listed++] =
                    (struct correlation_phase){(p->h - y + p->stride[0] - 1) / p->stride[0],
                                               (p->w - x + p->stride[1] - 1) / p->stride[1],
                                               count,
                                               taps->dy + used,
                                               taps->dx + used,
                                               taps->tap + used,
                                               (char *)dx + (y * p->w + x) * size};
            used += count;
        }
    return listed;
}

static int correlate_phases(const struct conv2d_shape *p, fl_dtype dtype,
                            const struct conv2d_view *g, const struct conv2d_view *weight, void *dx,
                            struct taps *taps, struct correlation_phase *phases)
{
    const int64_t size = dtype == FL_FLOAT32 ? 4 : 8, all = phases_of(p, 0) * phases_of(p, 1);
    const int64_t count = list_phases(p, weight, size, dx, taps, phases);
    if (count < all) /* inputs that no tap reaches */
        memset(dx, 0, (size_t)(p->n * p->c * p->h * p->w * size));
    struct correlation q = {.dtype = dtype,
                            .images = p->n,
                            .groups = p->groups,
                            .filters = p->c / p->groups,
                            .planes = p->k / p->groups,
                            .rows = (p->h + p->stride[0] - 1) / p->stride[0],
                            .cols = (p->w + p->stride[1] - 1) / p->stride[1],
                            .step = {1, 1},
                            .phase_count = count,
                            .phases = phases,
                            .in = g->data,
                            .in_image = g->strides[0],
                            .in_plane = g->strides[1],
                            .in_row = g->strides[2],
                            .in_col = g->strides[3],
                            .in_rows = conv2d_rows(p),
                            .in_cols = conv2d_cols(p),
                            .weight = weight->data,
                            .weight_group = p->k / p->groups * weight->strides[0],
                            .weight_filter = weight->strides[1],
                            .weight_plane = weight->strides[0],
                            .out_image = p->c * p->h * p->w,
                            .out_filter = p->h * p->w,
                            .out_row = p->stride[0] * p->w,
                            .out_col = p->stride[1]};
    return correlate(&q);
}

static int backward_input_real(const struct conv2d_shape *p, fl_dtype dtype,
                               const struct conv2d_view *g, const struct conv2d_view *weight,
                               void *dx)
{
    if (p->n * p->c * p->h * p->w == 0)
        return 0;
    if (conv1x1_takes(p, g))
        return conv1x1_backward_input(p, dtype, g, weight, dx);
    const size_t bytes =
        (size_t)(phases_of(p, 0) * phases_of(p, 1)) * sizeof(struct correlation_phase);
    struct correlation_phase *phases = memory_alloc(bytes);
    if (!phases)
        return -1;
    struct taps taps;
    int status = taps_open(&taps, p->r * p->s);
    if (status == 0) {
        status = correlate_phases(p, dtype, g, weight, dx, &taps, phases);
        taps_close(&taps);
    }
    memory_free(phases, bytes);
    return status;
}

int conv2d_backward_input(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *g,
                          const struct conv2d_view *weight, void *dx)
{
    assert(conv2d_rows(p) >= 0 && conv2d_cols(p) >= 0);
    if (!is_half(dtype))
        return backward_input_real(p, dtype, g, weight, dx);
    const struct sizes sizes = sizes_of(p);
    const int64_t out = count_of(sizes.x);
    struct wide w;
    if (wide_open(&w, dtype, count_of(sizes.y) + count_of(sizes.weight) + out) != 0)
        return -1;
    struct conv2d_view wide_g = wide_view(&w, g, sizes.y);
    struct conv2d_view wide_weight = wide_view(&w, weight, sizes.weight);
    float *wide_dx = wide_take(&w, out);
    int status = backward_input_real(p, FL_FLOAT32, &wide_g, &wide_weight, wide_dx);
    if (status == 0)
        wide_narrow(&w, wide_dx, dx, out);
    wide_close(&w);
    return status;
}

/* ---- Weight gradient ------------------------------------------------------------------------- */

int conv2d_backward_weight(const struct conv2d_shape *p, fl_dtype dtype,
                           const struct conv2d_view *g, const struct conv2d_view *x, void *dweight)
{
    assert(conv2d_rows(p) >= 0 && conv2d_cols(p) >= 0);
    if (!is_half(dtype))
        return conv2d_weight_gradient(p, dtype, g, x, dweight);
    const struct sizes sizes = sizes_of(p);
    const int64_t out = count_of(sizes.weight);
    struct wide w;
    if (wide_open(&w, dtype, count_of(sizes.y) + count_of(sizes.x) + out) != 0)
        return -1;
    struct conv2d_view wide_g = wide_view(&w, g, sizes.y), wide_x = wide_view(&w, x, sizes.x);
    float *wide_dweight = wide_take(&w, out);
    int status = conv2d_weight_gradient(p, FL_FLOAT32, &wide_g, &wide_x, wide_dweight);
    if (status == 0)
        wide_narrow(&w, wide_dweight, dweight, out);
    wide_close(&w);
    return status;
}
