/* The correlation of correlate.h as loops around the micro-kernel.
 *
 * The lines of the output (image, i) are cut into chunks. A chunk copies the lines of input that it needs, with zeros
 * around them and, where the step is not 1, its columns sorted by their residue: then the pixels that one tap shows to
 * neighbouring outputs are neighbours too, and a tap is an offset. No column buffer exists. A tile of the result is then
 * either (pixels x filters), pixels broadcast and filters in vectors, transposed as it is stored; or (filters x pixels),
 * where filters are too few to fill a vector. Both add up the products of an output in the same order.
 */
#include "ops/conv/correlate.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/matmul/gemm.h"

enum {
    CHUNK = 1 << 24,         /* multiply-adds of a chunk where there are many */
    LEAST_CHUNK = 1 << 17,   /* of a chunk at least */
    COPY_BYTES = 256 << 10,  /* copied input of a chunk: it stays in the second cache */
    LINE = 64                /* bytes of a cache line */
};

struct plan {
    const struct correlation *p;
    const struct gemm_kernels *kernels;
    int64_t size;              /* of an element */
    int64_t chunk_lines, chunks_of_group;
    int64_t first_dy, last_dy, first_dx, last_dx;
    bool direct;               /* in is read where it lies */
    bool pixels_in_vectors;
    bool taps_in_turn;         /* taps are neighbours in weight */
    /* The copy: (planes, input lines, step[1] residues, phase). */
    int64_t plane_pitch, row_pitch, phase_pitch;
    size_t scratch;            /* bytes */
    int64_t *offsets;          /* (taps): from an output's place in the copy to its tap */
    char *panels;              /* (groups, panels, taps, planes, kernels->cols): weights, filters in vectors */
    int64_t panel_count, panel_size; /* of a group; elements of one */
    _Atomic int failed;
};

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t a, int64_t to)
{
    return (a + to - 1) / to * to;
}

/* ---- Weights --------------------------------------------------------------------------------------------------------- */

static void copy_element(void *dst, int64_t to, const void *src, int64_t from, int64_t size)
{
    if (size == 4)
        ((uint32_t *)dst)[to] = ((const uint32_t *)src)[from];
    else
        ((uint64_t *)dst)[to] = ((const uint64_t *)src)[from];
}

/* A panel (taps, planes, cols) of filters first .. first + count. */
static void pack_panel(void *context, int64_t index)
{
    const struct plan *plan = context;
    const struct correlation *p = plan->p;
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t group = index / plan->panel_count, first = index % plan->panel_count * kernels->cols;
    const int64_t count = at_most(p->filters - first, kernels->cols);
    const int64_t width = round_up(count, kernels->lanes), size = plan->size;
    const char *weight = (const char *)p->weight +
                         (group * p->weight_group + first * p->weight_filter) * size;
    char *panel = plan->panels + index * plan->panel_size * size;
    const int64_t tap_rows = p->planes * kernels->cols; /* from a tap's rows to the next tap's */
    for (int64_t plane = 0; plane < p->planes; plane++, panel += kernels->cols * size) {
        const char *src = weight + plane * p->weight_plane * size;
        if (plan->taps_in_turn) {
            kernels->transpose(src + p->tap[0] * size, p->weight_filter, count, p->taps, panel, tap_rows, 0);
            continue;
        }
        for (int64_t t = 0; t < p->taps; t++) {
            char *row = panel + t * tap_rows * size;
            memset(row, 0, (size_t)(width * size));
            for (int64_t i = 0; i < count; i++)
                copy_element(row, i, src, i * p->weight_filter + p->tap[t], size);
        }
    }
}

/* ---- The copy of the input --------------------------------------------------------------------------------------------- */

static void copy_strided(void *dst, const void *src, int64_t stride, int64_t count, int64_t size)
{
    if (stride == 1) {
        memcpy(dst, src, (size_t)(count * size));
    } else if (size == 4) {
        uint32_t *d = dst;
        const uint32_t *s = src;
        if (stride == 2)
            for (int64_t i = 0; i < count; i++)
                d[i] = s[2 * i];
        else
            for (int64_t i = 0; i < count; i++)
                d[i] = s[i * stride];
    } else {
        uint64_t *d = dst;
        const uint64_t *s = src;
        for (int64_t i = 0; i < count; i++)
            d[i] = s[i * stride];
    }
}

/* One line of one plane: each residue of the columns by itself, zeros outside 0 .. in_cols. src is NULL above and below. */
static void copy_line(const struct plan *plan, const char *src, char *dst)
{
    const struct correlation *p = plan->p;
    const int64_t size = plan->size, step = p->step[1];
    const int64_t residues = at_most(step, plan->last_dx - plan->first_dx + 1);
    for (int64_t f = 0; f < residues; f++, dst += plan->phase_pitch * size) {
        int64_t length = p->cols + (plan->last_dx - plan->first_dx - f) / step;
        int64_t first = plan->first_dx + f;              /* the column of element 0 */
        int64_t begin = first < 0 ? (-first + step - 1) / step : 0;
        int64_t end = first < p->in_cols ? (p->in_cols - first + step - 1) / step : 0;
        begin = at_most(begin, length);
        end = !src ? begin : end < begin ? begin : at_most(end, length);
        memset(dst, 0, (size_t)(begin * size));
        if (end > begin)
            copy_strided(dst + begin * size, src + (first + begin * step) * p->in_col * size,
                         step * p->in_col, end - begin, size);
        memset(dst + end * size, 0, (size_t)((length - end) * size));
    }
}

/* The input lines of output lines i0 .. i1 of one image and group. */
static void copy_input(const struct plan *plan, const char *in, int64_t i0, int64_t i1, char *copy)
{
    const struct correlation *p = plan->p;
    const int64_t span = plan->last_dy - plan->first_dy;
    const int64_t lines = (i1 - 1 - i0) * p->step[0] + span + 1;
    for (int64_t plane = 0; plane < p->planes; plane++)
        for (int64_t line = 0; line < lines; line++) {
            if (line % p->step[0] > span)
                continue; /* no tap reaches it */
            int64_t row = i0 * p->step[0] + plan->first_dy + line;
            bool inside = row >= 0 && row < p->in_rows;
            const char *src = in + (plane * p->in_plane + row * p->in_row) * plan->size;
            copy_line(plan, inside ? src : NULL,
                      copy + (plane * plan->plane_pitch + line * plan->row_pitch) * plan->size);
        }
}

/* ---- Tiles ---------------------------------------------------------------------------------------------------------------- */

/* Lines i0 .. i1 of an image's group: `shown` is where tap offsets of output (i0, 0) count from, out its first output. */
static void pixels_by_filters(const struct plan *plan, const char *shown, const char *panels,
                              const char *bias, int64_t lines, char *out)
{
    const struct correlation *p = plan->p;
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t size = plan->size, groups = (p->cols + kernels->rows - 1) / kernels->rows;
    struct gemm_tile t = {.batch = p->taps, .a_offsets = plan->offsets, .depth = p->planes,
                          .a_row = 1, .a_step = plan->plane_pitch, .b_step = kernels->cols,
                          .c_row = p->out_col, .c_col = p->out_filter};
    for (int64_t panel = 0; panel < plan->panel_count; panel++) {
        const int64_t first = panel * kernels->cols;
        t.nr = (int)at_most(p->filters - first, kernels->cols);
        t.b = panels + panel * plan->panel_size * size;
        t.bias_n = bias ? bias + first * size : NULL;
        for (int64_t i = 0; i < lines; i++)
            for (int64_t q = 0; q < groups; q++) {
                const int64_t j = p->cols * q / groups;
                t.mr = (int)(p->cols * (q + 1) / groups - j);
                t.a = shown + (i * p->step[0] * plan->row_pitch + j) * size;
                t.c = out + (first * p->out_filter + i * p->out_row + j * p->out_col) * size;
                kernels->tile(&t);
            }
    }
}

static void filters_by_pixels(const struct plan *plan, const char *shown, const char *panels,
                              const char *bias, int64_t lines, char *out)
{
    const struct correlation *p = plan->p;
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t size = plan->size;
    struct gemm_tile t = {.batch = p->taps, .a_offsets = plan->offsets + p->taps,
                          .b_offsets = plan->offsets, .depth = p->planes, .a_row = 1,
                          .a_step = kernels->cols, .b_step = plan->plane_pitch,
                          .c_row = p->out_filter, .c_col = p->out_col};
    for (int64_t panel = 0; panel < plan->panel_count; panel++) {
        const int64_t count = at_most(p->filters - panel * kernels->cols, kernels->cols);
        const int64_t groups = (count + kernels->rows - 1) / kernels->rows;
        for (int64_t q = 0; q < groups; q++) {
            const int64_t within = count * q / groups, first = panel * kernels->cols + within;
            t.mr = (int)(count * (q + 1) / groups - within);
            t.a = panels + (panel * plan->panel_size + within) * size;
            t.bias_m = bias ? bias + first * size : NULL;
            for (int64_t i = 0; i < lines; i++)
                for (int64_t j = 0; j < p->cols; j += kernels->cols) {
                    t.nr = (int)at_most(p->cols - j, kernels->cols);
                    t.b = shown + (i * p->step[0] * plan->row_pitch + j) * size;
                    t.c = out + (first * p->out_filter + i * p->out_row + j * p->out_col) * size;
                    kernels->tile(&t);
                }
        }
    }
}

static void run_chunk(void *context, int64_t chunk)
{
    struct plan *plan = context;
    const struct correlation *p = plan->p;
    const int64_t size = plan->size, group = chunk / plan->chunks_of_group;
    const char *panels = plan->panels + group * plan->panel_count * plan->panel_size * size;
    const char *bias = p->bias ? (const char *)p->bias + group * p->filters * size : NULL;
    int64_t line = chunk % plan->chunks_of_group * plan->chunk_lines;
    const int64_t end = at_most(line + plan->chunk_lines, p->images * p->rows);
    char *copy = memory_alloc(plan->scratch);
    if (!copy) {
        atomic_store(&plan->failed, 1);
        return;
    }
    while (line < end) {
        const int64_t image = line / p->rows, i0 = line % p->rows;
        const int64_t i1 = at_most(p->rows, i0 + end - line);
        const char *in = (const char *)p->in + (image * p->in_image + group * p->planes * p->in_plane) * size;
        char *out = (char *)p->out + (image * p->out_image + group * p->filters * p->out_filter +
                                      i0 * p->out_row) * size;
        const char *shown = copy;
        if (plan->direct)
            shown = in + ((i0 * p->step[0] + plan->first_dy) * p->in_row + plan->first_dx) * size;
        else
            copy_input(plan, in, i0, i1, copy);
        (plan->pixels_in_vectors ? filters_by_pixels : pixels_by_filters)(plan, shown, panels, bias,
                                                                          i1 - i0, out);
        line += i1 - i0;
    }
    memory_free(copy, plan->scratch);
}

/* ---- The plan ------------------------------------------------------------------------------------------------------------- */

static void find_reach(struct plan *plan)
{
    const struct correlation *p = plan->p;
    plan->first_dy = plan->last_dy = p->dy[0];
    plan->first_dx = plan->last_dx = p->dx[0];
    for (int64_t t = 1; t < p->taps; t++) {
        plan->first_dy = at_most(plan->first_dy, p->dy[t]);
        plan->last_dy = -at_most(-plan->last_dy, -p->dy[t]);
        plan->first_dx = at_most(plan->first_dx, p->dx[t]);
        plan->last_dx = -at_most(-plan->last_dx, -p->dx[t]);
    }
}

/* How much a chunk holds, and how its copy of the input lies. */
static void lay_out(struct plan *plan)
{
    const struct correlation *p = plan->p;
    const int64_t lanes = plan->kernels->lanes, size = plan->size;
    const int64_t span = plan->last_dy - plan->first_dy, reach = plan->last_dx - plan->first_dx;
    plan->pixels_in_vectors = p->out_col == 1 && p->filters * round_up(p->cols, lanes) * 10 <
                                                     p->cols * round_up(p->filters, lanes) * 9;
    plan->direct = !plan->pixels_in_vectors && p->step[1] == 1 && p->in_col == 1 &&
                   plan->first_dx >= 0 && plan->last_dx + p->cols <= p->in_cols &&
                   plan->first_dy >= 0 &&
                   plan->last_dy + (p->rows - 1) * p->step[0] < p->in_rows;

    plan->phase_pitch = p->cols + reach / p->step[1];
    plan->row_pitch = at_most(p->step[1], reach + 1) * plan->phase_pitch;
    const int64_t line_work = p->cols * p->filters * p->planes * p->taps + 1;
    const int64_t lines = p->images * p->rows;
    int64_t wanted = at_most(CHUNK, lines * line_work / 16);
    wanted = (wanted < LEAST_CHUNK ? LEAST_CHUNK : wanted) / line_work + 1;
    if (!plan->direct) {
        int64_t fitting = COPY_BYTES / ((p->planes + 1) * plan->row_pitch * p->step[0] * size);
        wanted = at_most(wanted, fitting > 0 ? fitting : 1);
    }
    /* Chunks of an image are of like size. */
    if (wanted < p->rows) {
        int64_t parts = (p->rows + wanted - 1) / wanted;
        wanted = (p->rows + parts - 1) / parts;
    } else {
        wanted = wanted / p->rows * p->rows;
    }
    plan->chunk_lines = at_most(wanted, lines);
    plan->chunks_of_group = (lines + plan->chunk_lines - 1) / plan->chunk_lines;

    if (plan->direct) {
        plan->row_pitch = p->in_row;
        plan->plane_pitch = p->in_plane;
        plan->scratch = LINE;
    } else {
        /* Planes begin an odd number of cache lines apart, so that they spread over the cache's sets. */
        int64_t most = at_most(plan->chunk_lines, p->rows);
        plan->plane_pitch = round_up(((most - 1) * p->step[0] + span + 1) * plan->row_pitch, LINE / size);
        if (plan->plane_pitch * size / LINE % 2 == 0)
            plan->plane_pitch += LINE / size;
        plan->scratch = (size_t)((p->planes * plan->plane_pitch + plan->kernels->cols) * size);
    }
}

int correlate(const struct correlation *p)
{
    if (p->images * p->groups * p->filters * p->rows * p->cols == 0)
        return 0;
    const struct gemm_table *table = ISA_PICK(gemm_table);
    const bool single = p->dtype == FL_FLOAT32;
    struct plan plan = {.p = p, .kernels = single ? table->f32 : table->f64, .size = single ? 4 : 8};
    find_reach(&plan);
    lay_out(&plan);
    plan.panel_count = (p->filters + plan.kernels->cols - 1) / plan.kernels->cols;
    plan.panel_size = p->taps * p->planes * plan.kernels->cols;

    const size_t offset_bytes = (size_t)round_up(2 * p->taps * (int64_t)sizeof(int64_t), LINE);
    const size_t bytes = offset_bytes + (size_t)(p->groups * plan.panel_count * plan.panel_size * plan.size);
    char *block = memory_alloc(bytes);
    if (!block)
        return -1;
    plan.offsets = (int64_t *)block;
    plan.taps_in_turn = true;
    plan.panels = block + offset_bytes;
    for (int64_t t = 0; t < p->taps; t++) {
        plan.taps_in_turn &= p->tap[t] == p->tap[0] + t;
        int64_t across = p->dx[t] - plan.first_dx;
        plan.offsets[t] = (p->dy[t] - plan.first_dy) * plan.row_pitch + across / p->step[1];
        if (!plan.direct)
            plan.offsets[t] += across % p->step[1] * plan.phase_pitch;
        plan.offsets[p->taps + t] = t * p->planes * plan.kernels->cols;
    }
    int64_t panels = p->groups * plan.panel_count;
    if (panels * plan.panel_size < 1 << 16)
        for (int64_t i = 0; i < panels; i++)
            pack_panel(&plan, i);
    else
        threads_for(panels, pack_panel, &plan);
    threads_for(p->groups * plan.chunks_of_group, run_chunk, &plan);
    memory_free(block, bytes);
    if (atomic_load(&plan.failed))
        return error_set(FL_OUT_OF_MEMORY, "convolution: no memory for %zu bytes of scratch", plan.scratch);
    return 0;
}
