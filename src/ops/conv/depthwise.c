/* The gradient of a depthwise convolution's weight: for each plane and tap the sum over images and
 * outputs of g times the x it was shown, DEPTHWISE_SUMS partial sums that are added up in pairs.
 *
 * A chunk is a plane: it copies the image's lines of x, padded, and passes all of them by each tap.
 */
#include "ops/conv/depthwise.h"

#include <stdatomic.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv/padded.h"

struct plan {
    const struct conv2d_shape *p;
    const struct depthwise_kernels *kernels;
    const struct conv2d_view *g, *x;
    void *dweight;
    struct padded copy;
    int64_t rows, taps;
    size_t copy_bytes, offset_bytes, sum_bytes, scratch;
    _Atomic int failed;
};

/* Adds up the partial sums of each tap into dweight's row for a plane. */
#define JOIN(name, type)                                                                           \
    static void name(type *sums, int64_t taps, type *out)                                          \
    {                                                                                              \
        for (int64_t t = 0; t < taps; t++, sums += DEPTHWISE_SUMS) {                               \
            for (int half = DEPTHWISE_SUMS / 2; half > 0; half /= 2)                               \
                for (int j = 0; j < half; j++)                                                     \
                    sums[j] += sums[j + half];                                                     \
            out[t] = sums[0];                                                                      \
        }                                                                                          \
    }

JOIN(join_f32, float)
JOIN(join_f64, double)

static void run_plane(void *context, int64_t plane)
{
    struct plan *plan = context;
    const struct conv2d_shape *p = plan->p;
    const int64_t size = plan->copy.size;
    char *copy = memory_alloc(plan->scratch);
    if (!copy) {
        atomic_store(&plan->failed, 1);
        return;
    }
    int64_t *offsets = (int64_t *)(copy + plan->copy_bytes);
    char *sums = (char *)offsets + plan->offset_bytes;
    for (int64_t t = 0; t < plan->taps; t++)
        offsets[t] = padded_offset(&plan->copy, t / p->s * p->dilation[0] - p->padding[0],
                                   t % p->s * p->dilation[1] - p->padding[1]);
    memset(sums, 0, plan->sum_bytes);
    struct depthwise_sums s = {.taps = plan->taps,
                               .lines = plan->rows,
                               .n = plan->copy.cols,
                               .offsets = offsets,
                               .x = copy,
                               .g_row = plan->g->strides[2],
                               .x_row = p->stride[0] * plan->copy.row_pitch,
                               .sums = sums};
    for (int64_t image = 0; image < p->n; image++) {
        const int64_t *x = plan->x->strides, *g = plan->g->strides;
        padded_copy(&plan->copy, (const char *)plan->x->data + (image * x[0] + plane * x[1]) * size,
                    1, 0, plan->rows, copy);
        s.g = (const char *)plan->g->data + (image * g[0] + plane * g[1]) * size;
        plan->kernels->sums(&s);
    }
    if (size == 4)
        join_f32((float *)sums, plan->taps, (float *)plan->dweight + plane * plan->taps);
    else
        join_f64((double *)sums, plan->taps, (double *)plan->dweight + plane * plan->taps);
    memory_free(copy, plan->scratch);
}

int depthwise_weight_gradient(const struct conv2d_shape *p, fl_dtype dtype,
                              const struct conv2d_view *g, const struct conv2d_view *x,
                              void *dweight)
{
    const bool single = dtype == FL_FLOAT32;
    struct plan plan = {.p = p,
                        .kernels = &ISA_PICK(depthwise_table)->type[!single],
                        .g = g,
                        .x = x,
                        .dweight = dweight,
                        .rows = conv2d_rows(p),
                        .taps = p->r * p->s,
                        .copy = {.size = single ? 4 : 8,
                                 .step = {p->stride[0], p->stride[1]},
                                 .cols = conv2d_cols(p),
                                 .first_dy = -p->padding[0],
                                 .last_dy = (p->r - 1) * p->dilation[0] - p->padding[0],
                                 .first_dx = -p->padding[1],
                                 .last_dx = (p->s - 1) * p->dilation[1] - p->padding[1],
                                 .in_rows = p->h,
                                 .in_cols = p->w,
                                 .in_plane = x->strides[1],
                                 .in_row = x->strides[2],
                                 .in_col = x->strides[3]}};
    padded_lay_out(&plan.copy);
    const size_t size = (size_t)plan.copy.size;
    const size_t elements = (size_t)(padded_lines(&plan.copy, plan.rows) * plan.copy.row_pitch);
    plan.copy_bytes = (elements * size + 63) / 64 * 64;
    plan.offset_bytes = ((size_t)plan.taps * sizeof(int64_t) + 63) / 64 * 64;
    plan.sum_bytes = (size_t)plan.taps * DEPTHWISE_SUMS * size;
    plan.scratch = plan.copy_bytes + plan.offset_bytes + plan.sum_bytes;
    threads_for(p->c, run_plane, &plan);
    if (atomic_load(&plan.failed))
        return error_set(FL_OUT_OF_MEMORY, "convolution: no memory for %zu bytes of scratch",
                         plan.scratch);
    return 0;
}
