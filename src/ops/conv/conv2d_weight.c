/* The gradient of a convolution's weight: dweight[k, c, r, s] = the sum over images and outputs of
 * g times the x it was shown.
 *
 * As a product it is (taps and channels) x (filters), summed over pixels. x is copied with its
 * channels innermost and zeros around it, (lines, columns, channels): there the channels that one
 * tap shows to an output, and for neighbouring columns of the filter the next ones, are a run of
 * neighbours that the micro-kernel broadcasts. g is packed (pixels, filters), filters in vectors. A
 * line of outputs is a block of the batch that the kernel reduces.
 *
 * Images and lines are cut into units of a few hundred pixels, whose copies stay in the second
 * cache, and units into splits that have a sum each; the splits' sums are added in order. Units and
 * splits depend on the shape alone. Filters and channels are cut into blocks as well, which changes
 * no sum.
 */
#include "ops/conv/conv2d_weight.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/conv_order.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv/conv1x1.h"
#include "ops/conv/depthwise.h"
#include "ops/matmul/gemm.h"

enum { FILTER_BLOCK = CONV_FILTER_BLOCK, CHANNEL_BLOCK = 64 };

struct plan {
    const struct conv2d_shape *p;
    const struct gemm_kernels *kernels;
    const struct conv2d_view *g, *x;
    void *dweight;
    int64_t size;              /* of an element */
    int64_t rows, cols;        /* of the output */
    int64_t channels, filters; /* of a group */
    int64_t channel_blocks, filter_blocks;
    struct conv_cut cut;
    /* The copy of x: (images, lines, columns, channels of a block). */
    int64_t columns, most_lines;
    /* A split's sums for a block of filters: (channel blocks, r, s, channels of a block, pitch). */
    int64_t pitch, sums_size;
    char *sums;
    size_t copy_bytes, g_bytes, offset_bytes, scratch;
    _Atomic int failed;
};

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    assert(a >= 0 && b > 0);
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t to)
{
    assert(a >= 0 && to > 0);
    return divide_up(a, to) * to;
}

/* ---- Copies ---------------------------------------------------------------------------------- */

static void copy_scattered(void *dst, int64_t dst_step, const void *src, int64_t src_step,
                           int64_t count, int64_t size)
{
    if (size == 4)
        for (int64_t i = 0; i < count; i++)
            ((uint32_t *)dst)[i * dst_step] = ((const uint32_t *)src)[i * src_step];
    else
        for (int64_t i = 0; i < count; i++)
            ((uint64_t *)dst)[i * dst_step] = ((const uint64_t *)src)[i * src_step];
}

/* count columns of one line of x, from `col` on, channels innermost. */
static void copy_columns(const struct plan *plan, const char *src, int64_t channels, int64_t count,
                         char *dst)
{
    const int64_t *strides = plan->x->strides, size = plan->size;
    if (strides[3] == 1 && channels > 1)
        plan->kernels->transpose(src, strides[1], channels, count, dst, channels, 1);
    else if (strides[1] == 1 && strides[3] == channels)
        memcpy(dst, src, (size_t)(count * channels * size));
    else
        for (int64_t c = 0; c < channels; c++)
            copy_scattered(dst + c * size, channels, src + c * strides[1] * size, strides[3], count,
                           size);
}

/* The lines of x that outputs i0 .. i1 of an image see, for a block of channels. */
static void copy_x(const struct plan *plan, int64_t image, int64_t channel, int64_t channels,
                   int64_t i0, int64_t i1, char *dst)
{
    const struct conv2d_shape *p = plan->p;
    const int64_t *strides = plan->x->strides, size = plan->size;
    const int64_t span = (p->r - 1) * p->dilation[0],
                  lines = (i1 - 1 - i0) * p->stride[0] + span + 1;
    const int64_t left = at_most(p->padding[1], plan->columns);
    const int64_t inside = at_most(p->w, plan->columns - left),
                  right = plan->columns - left - inside;
    const char *src =
        (const char *)plan->x->data + (image * strides[0] + channel * strides[1]) * size;
    for (int64_t line = 0; line < lines; line++, dst += plan->columns * channels * size) {
        const int64_t row = i0 * p->stride[0] - p->padding[0] + line;
        if (line % p->stride[0] > span)
            continue; /* no tap reaches it */
        if (row < 0 || row >= p->h) {
            memset(dst, 0, (size_t)(plan->columns * channels * size));
            continue;
        }
        memset(dst, 0, (size_t)(left * channels * size));
        copy_columns(plan, src + row * strides[2] * size, channels, inside,
                     dst + left * channels * size);
        memset(dst + (left + inside) * channels * size, 0, (size_t)(right * channels * size));
    }
}

/* Lines i0 .. i1 of an image's g as rows of filters, `cols` of the kernel apart. */
static void pack_g(const struct plan *plan, int64_t image, int64_t filter, int64_t filters,
                   int64_t i0, int64_t i1, char *dst)
{
    const int64_t *strides = plan->g->strides, size = plan->size, pitch = plan->kernels->cols;
    const char *src = (const char *)plan->g->data +
                      (image * strides[0] + filter * strides[1] + i0 * strides[2]) * size;
    const bool whole = strides[3] == 1 && strides[2] == plan->cols;
    const int64_t lines = whole ? 1 : i1 - i0, count = whole ? (i1 - i0) * plan->cols : plan->cols;
    const int64_t width = round_up(filters, plan->kernels->lanes);
    for (int64_t i = 0; i < lines; i++, dst += count * pitch * size) {
        const char *line = src + i * strides[2] * size;
        if (strides[3] == 1) {
            plan->kernels->transpose(line, strides[1], filters, count, dst, pitch, 0);
            continue;
        }
        for (int64_t j = 0; j < count; j++) {
            char *row = dst + j * pitch * size;
            copy_scattered(row, 1, line + j * strides[3] * size, strides[1], filters, size);
            memset(row + filters * size, 0, (size_t)((width - filters) * size));
        }
    }
}

/* ---- A chunk: a block of filters of a group, over the units of a split ----------------------- */

struct unit {
    int64_t image, images, i0, i1;
};

static struct unit unit_at(const struct plan *plan, int64_t index)
{
    struct unit u = {.images = 1, .i1 = plan->rows};
    if (plan->cut.units_of_image > 1) {
        u.image = index / plan->cut.units_of_image;
        int64_t part = index % plan->cut.units_of_image;
        u.i0 = plan->rows * part / plan->cut.units_of_image;
        u.i1 = plan->rows * (part + 1) / plan->cut.units_of_image;
    } else {
        u.image = index * plan->cut.unit_images;
        u.images = at_most(plan->cut.unit_images, plan->p->n - u.image);
    }
    return u;
}

/* One run of neighbouring rows of the product against all panels of g. `seen` is the run's first
 * element for the first output, sums its first row. */
static void multiply_run(const struct plan *plan, int64_t run, const char *seen,
                         const int64_t *offsets, int64_t lines, int64_t channels,
                         const char *packed_g, int64_t filters, bool accumulate, char *sums)
{
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t groups = divide_up(run, kernels->rows), size = plan->size;
    const struct gemm_group start = gemm_first_group(run, groups);
    struct gemm_tile t = {.batch = lines,
                          .a_offsets = offsets,
                          .depth = plan->cols,
                          .a_row = 1,
                          .a_step = plan->p->stride[1] * channels,
                          .b_step = kernels->cols,
                          .c_row = plan->pitch,
                          .c_col = 1,
                          .accumulate = accumulate};
    for (int64_t first = 0; first < filters; first += kernels->cols) {
        t.nr = (int)round_up(at_most(filters - first, kernels->cols), kernels->lanes);
        t.b = packed_g + first * lines * plan->cols * size;
        for (struct gemm_group at = start; at.i < groups; gemm_next_group(&at)) {
            t.mr = (int)(at.end - at.row);
            t.a = seen + at.row * size;
            t.c = sums + (at.row * plan->pitch + first) * size;
            kernels->tile(&t);
        }
    }
}

/* A block of channels of one unit: every tap's rows. Where columns of the filter are neighbours
 * they form one run. */
static void multiply_block(const struct plan *plan, const char *copy, const int64_t *offsets,
                           int64_t lines, int64_t channels, const char *packed_g, int64_t filters,
                           bool accumulate, char *sums)
{
    const struct conv2d_shape *p = plan->p;
    const int64_t size = plan->size, runs = p->dilation[1] == 1 ? 1 : p->s;
    const int64_t run = p->s / runs * channels;
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < runs; s++, sums += run * plan->pitch * size) {
            const char *seen =
                copy + (r * p->dilation[0] * plan->columns + s * p->dilation[1]) * channels * size;
            multiply_run(plan, run, seen, offsets, lines, channels, packed_g, filters, accumulate,
                         sums);
        }
}

static void run_unit(const struct plan *plan, int64_t group, int64_t filter, int64_t filters,
                     struct unit u, bool accumulate, char *sums, char *scratch)
{
    const struct conv2d_shape *p = plan->p;
    const int64_t size = plan->size, cols = plan->kernels->cols, lines = u.i1 - u.i0;
    char *copy = scratch, *packed_g = copy + plan->copy_bytes;
    int64_t *offsets = (int64_t *)(packed_g + plan->g_bytes);
    for (int64_t first = 0; first < filters; first += cols)
        for (int64_t z = 0; z < u.images; z++)
            pack_g(plan, u.image + z, group * plan->filters + filter + first,
                   at_most(filters - first, cols), u.i0, u.i1,
                   packed_g + (first * u.images * lines + z * lines * cols) * plan->cols * size);

    const int64_t seen_lines = (lines - 1) * p->stride[0] + (p->r - 1) * p->dilation[0] + 1;
    for (int64_t b = 0; b < plan->channel_blocks; b++) {
        const int64_t channel = plan->channels * b / plan->channel_blocks;
        const int64_t channels = plan->channels * (b + 1) / plan->channel_blocks - channel;
        const int64_t line_size = plan->columns * channels;
        for (int64_t z = 0; z < u.images; z++) {
            copy_x(plan, u.image + z, group * plan->channels + channel, channels, u.i0, u.i1,
                   copy + z * seen_lines * line_size * size);
            for (int64_t i = 0; i < lines; i++)
                offsets[z * lines + i] = (z * seen_lines + i * p->stride[0]) * line_size;
        }
        multiply_block(plan, copy, offsets, u.images * lines, channels, packed_g, filters,
                       accumulate, sums + channel * p->r * p->s * plan->pitch * size);
    }
}

/* Chunks: (groups, filter blocks, splits). */
static void run_chunk(void *context, int64_t chunk)
{
    struct plan *plan = context;
    const int64_t split = chunk % plan->cut.splits,
                  block = chunk / plan->cut.splits % plan->filter_blocks;
    const int64_t group = chunk / plan->cut.splits / plan->filter_blocks;
    const int64_t filter = block * FILTER_BLOCK,
                  filters = at_most(plan->filters - filter, FILTER_BLOCK);
    const int64_t begin = plan->cut.units * split / plan->cut.splits;
    const int64_t end = plan->cut.units * (split + 1) / plan->cut.splits;
    char *sums = plan->sums + chunk * plan->sums_size * plan->size;
    char *scratch = memory_alloc(plan->scratch);
    if (!scratch) {
        atomic_store(&plan->failed, 1);
        return;
    }
    for (int64_t u = begin; u < end; u++)
        run_unit(plan, group, filter, filters, unit_at(plan, u), u > begin, sums, scratch);
    memory_free(scratch, plan->scratch);
}

/* ---- The splits together --------------------------------------------------------------------- */

static void add(void *to, const void *from, int64_t count, int64_t size)
{
    assert(count >= 0 && (size == 4 || size == 8));
    if (size == 4)
        for (int64_t i = 0; i < count; i++)
            ((float *)to)[i] += ((const float *)from)[i];
    else
        for (int64_t i = 0; i < count; i++)
            ((double *)to)[i] += ((const double *)from)[i];
}

/* Adds up the splits of one block of filters, (taps, channels, filters) in each block of channels,
 * and turns them into dweight's order (filters, channels, taps). */
static void join_chunk(void *context, int64_t index)
{
    const struct plan *plan = context;
    const struct conv2d_shape *p = plan->p;
    const int64_t size = plan->size, taps = p->r * p->s;
    const int64_t group = index / plan->filter_blocks,
                  filter = index % plan->filter_blocks * FILTER_BLOCK;
    const int64_t filters = at_most(plan->filters - filter, FILTER_BLOCK);
    char *sums = plan->sums + index * plan->cut.splits * plan->sums_size * size;
    for (int64_t s = 1; s < plan->cut.splits; s++)
        add(sums, sums + s * plan->sums_size * size, plan->sums_size, size);
    char *out =
        (char *)plan->dweight + (group * plan->filters + filter) * plan->channels * taps * size;
    for (int64_t b = 0; b < plan->channel_blocks; b++) {
        const int64_t channel = plan->channels * b / plan->channel_blocks;
        const int64_t channels = plan->channels * (b + 1) / plan->channel_blocks - channel;
        const char *block = sums + channel * taps * plan->pitch * size;
        for (int64_t c = 0; c < channels; c++)
            plan->kernels->transpose(block + c * plan->pitch * size, channels * plan->pitch, taps,
                                     filters, out + (channel + c) * taps * size,
                                     plan->channels * taps, 1);
    }
}

/* ---- The plan -------------------------------------------------------------------------------- */

static void lay_out(struct plan *plan)
{
    const struct conv2d_shape *p = plan->p;
    const int64_t taps = p->r * p->s, size = plan->size;
    plan->channel_blocks = divide_up(plan->channels, CHANNEL_BLOCK);
    plan->filter_blocks = divide_up(plan->filters, FILTER_BLOCK);
    plan->cut = conv_cut(p->n, plan->rows, plan->cols, taps, plan->channels, plan->filters,
                         p->groups, size);
    plan->pitch = round_up(at_most(plan->filters, FILTER_BLOCK), 16);
    plan->sums_size = taps * plan->channels * plan->pitch;

    const int64_t lines = divide_up(plan->rows, plan->cut.units_of_image);
    const int64_t seen = (lines - 1) * p->stride[0] + (p->r - 1) * p->dilation[0] + 1;
    plan->columns = (plan->cols - 1) * p->stride[1] + (p->s - 1) * p->dilation[1] + 1;
    plan->copy_bytes = (size_t)round_up(plan->cut.unit_images * seen * plan->columns *
                                            at_most(plan->channels, CHANNEL_BLOCK) * size,
                                        64);
    plan->g_bytes = (size_t)(plan->cut.unit_images * lines * plan->cols * size *
                             round_up(at_most(plan->filters, FILTER_BLOCK), plan->kernels->cols));
    plan->offset_bytes = (size_t)(plan->cut.unit_images * lines) * sizeof(int64_t);
    plan->scratch = plan->copy_bytes + plan->g_bytes + plan->offset_bytes;
}

int conv2d_weight_gradient(const struct conv2d_shape *p, fl_dtype dtype,
                           const struct conv2d_view *g, const struct conv2d_view *x, void *dweight)
{
    const struct gemm_table *table = ISA_PICK(gemm_table);
    const bool single = dtype == FL_FLOAT32;
    struct plan plan = {.p = p,
                        .kernels = single ? table->f32 : table->f64,
                        .g = g,
                        .x = x,
                        .dweight = dweight,
                        .size = single ? 4 : 8,
                        .rows = conv2d_rows(p),
                        .cols = conv2d_cols(p),
                        .channels = p->c / p->groups,
                        .filters = p->k / p->groups};
    if (p->n * plan.rows * plan.cols * plan.channels * plan.filters == 0) {
        memset(dweight, 0, (size_t)(p->k * plan.channels * p->r * p->s * plan.size));
        return 0;
    }
    if (plan.channels == 1 && plan.filters == 1 && p->groups > 1 && g->strides[3] == 1)
        return depthwise_weight_gradient(p, dtype, g, x, dweight);
    if (conv1x1_few_pixels(p) && conv1x1_takes(p, g) && conv1x1_takes(p, x))
        return conv1x1_backward_weight(p, dtype, g, x, dweight);
    lay_out(&plan);
    const int64_t blocks = p->groups * plan.filter_blocks;
    const size_t bytes = (size_t)(blocks * plan.cut.splits * plan.sums_size * plan.size);
    plan.sums = memory_alloc(bytes);
    if (!plan.sums)
        return -1;
    threads_for(blocks * plan.cut.splits, run_chunk, &plan);
    if (!atomic_load(&plan.failed))
        threads_for(blocks, join_chunk, &plan);
    memory_free(plan.sums, bytes);
    if (atomic_load(&plan.failed))
        return error_set(FL_OUT_OF_MEMORY, "convolution: no memory for %zu bytes of scratch",
                         plan.scratch);
    return 0;
}
