/* The correlation of correlate.h as loops around the micro-kernel.
 *
 * The lines of the output (image, i) are cut into chunks. A chunk copies the lines of input that it
 * needs, with zeros around them and, where the step is not 1, its columns sorted by their residue:
 * then the pixels that one tap shows to neighbouring outputs are neighbours too, and a tap is an
 * offset. No column buffer exists. A tile of the result is then either (pixels x filters), pixels
 * broadcast and filters in vectors, transposed as it is stored; or (filters x pixels), where
 * filters are too few to fill a vector. Both add up the products of an output in the same order.
 */
#include "ops/conv/correlate.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/conv_order.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv/depthwise.h"
#include "ops/conv/padded.h"
#include "ops/matmul/gemm.h"

enum {
    CHUNKS = 16,          /* wanted, where there is work for so many */
    MOST_CHUNK = 1 << 24, /* multiply-adds of a chunk */
    LEAST_CHUNK = 1 << 17,
    LEAST_PACKING = 1 << 16, /* weights that are worth waking a thread for */
    SCRATCH_BYTES =
        256 << 10, /* copied input and staged output of a chunk: they stay in the second cache */
    LINE = 64      /* bytes of a cache line */
};

/* What is prepared of a phase. */
struct phase {
    const struct correlation_phase *p;
    bool taps_in_turn; /* taps are neighbours in weight */
    int64_t blocks;    /* (planes / depth, taps) */
    int64_t *
        offsets; /* (blocks): from an output's place in the copy to what the block's tap shows it */
    int64_t *weight_offsets; /* (blocks): to the block in a panel */
    int64_t panel_size;      /* elements */
    char *panels; /* (groups, panels, planes / depth, taps, depth, kernels->cols) of weights */
};

struct target;
struct plan {
    const struct correlation *p;
    const struct gemm_kernels *kernels;
    const struct depthwise_kernels *depthwise;
    void (*tiles)(const struct plan *plan, const struct phase *phase, int64_t group,
                  const char *shown, int64_t lines, struct target to);
    int64_t size; /* of an element */
    int64_t chunk_lines, chunks_of_group;
    bool direct; /* in is read where it lies */
    bool pixels_in_vectors;
    /* Planes are taken `depth` at a time, each time through all taps: what neighbouring taps show
     * stays in the first cache. */
    int64_t depth;
    struct padded copy; /* the copy of the input; direct: how it lies by itself */
    /* Where neighbouring outputs of a phase are not neighbours in memory, a chunk's results are
     * staged (filters, lines, phases, cols) and spread from there; else staged_line, (phases,
     * cols), is 0. */
    int64_t staged_line, staged_filter;
    size_t copy_bytes, scratch; /* of the copy, and of all */
    int64_t panel_count;        /* of a group */
    struct phase *phases;
    const struct phase *packing; /* the phase whose weights are being packed */
    _Atomic int failed;
};

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t a, int64_t to)
{
    assert(a >= 0 && to > 0);
    return (a + to - 1) / to * to;
}

/* ---- Weights --------------------------------------------------------------------------------- */

static void copy_element(void *dst, int64_t to, const void *src, int64_t from, int64_t size)
{
    assert(size == 4 || size == 8);
    if (size == 4)
        ((uint32_t *)dst)[to] = ((const uint32_t *)src)[from];
    else
        ((uint64_t *)dst)[to] = ((const uint64_t *)src)[from];
}

/* One panel of the phase `packing`: filters first .. first + count, in vectors. */
static void pack_panel(void *context, int64_t index)
{
    assert(index >= 0 && ((const struct plan *)context)->packing);
    const struct plan *plan = context;
    const struct correlation *p = plan->p;
    const struct phase *phase = plan->packing;
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t group = index / plan->panel_count,
                  first = index % plan->panel_count * kernels->cols;
    const int64_t count = at_most(p->filters - first, kernels->cols), taps = phase->p->taps;
    const int64_t width = round_up(count, kernels->lanes), size = plan->size;
    const char *weight =
        (const char *)p->weight + (group * p->weight_group + first * p->weight_filter) * size;
    const int64_t tap_rows = plan->depth * kernels->cols; /* from a tap's rows to the next tap's */
    for (int64_t plane = 0; plane < p->planes; plane++) {
        const char *src = weight + plane * p->weight_plane * size;
        char *panel =
            phase->panels + (index * phase->panel_size + plane / plan->depth * taps * tap_rows +
                             plane % plan->depth * kernels->cols) *
                                size;
        if (phase->taps_in_turn) {
            kernels->transpose(src + phase->p->tap[0] * size, p->weight_filter, count, taps, panel,
                               tap_rows, 0);
            continue;
        }
        for (int64_t t = 0; t < taps; t++) {
            char *row = panel + t * tap_rows * size;
            memset(row, 0, (size_t)(width * size));
            for (int64_t i = 0; i < count; i++)
                copy_element(row, i, src, i * p->weight_filter + phase->p->tap[t], size);
        }
    }
}

/* ---- Tiles ----------------------------------------------------------------------------------- */

/* Where results go: the first, and strides. */
struct target {
    char *out;
    int64_t filter, row, col;
};

/* Some lines of an image's group: `shown` is where offsets of their first output count from. */
static void pixels_by_filters(const struct plan *plan, const struct phase *phase, int64_t group,
                              const char *shown, int64_t lines, struct target to)
{
    const struct correlation *p = plan->p;
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t size = plan->size, cols = phase->p->cols;
    const int64_t parts = (cols + kernels->rows - 1) / kernels->rows;
    struct gemm_tile t = {.batch = phase->blocks,
                          .a_offsets = phase->offsets,
                          .depth = plan->depth,
                          .a_row = 1,
                          .a_step = plan->copy.plane_pitch,
                          .b_step = kernels->cols,
                          .c_row = to.col,
                          .c_col = to.filter};
    for (int64_t panel = 0; panel < plan->panel_count; panel++) {
        const int64_t first = panel * kernels->cols;
        t.nr = (int)at_most(p->filters - first, kernels->cols);
        t.b = phase->panels + (group * plan->panel_count + panel) * phase->panel_size * size;
        t.bias_n = p->bias ? (const char *)p->bias + (group * p->filters + first) * size : NULL;
        for (int64_t i = 0; i < lines; i++)
            for (int64_t q = 0; q < parts; q++) {
                const int64_t j = cols * q / parts;
                t.mr = (int)(cols * (q + 1) / parts - j);
                t.a = shown + (i * p->step[0] * plan->copy.row_pitch + j) * size;
                t.c = to.out + (first * to.filter + i * to.row + j * to.col) * size;
                kernels->tile(&t);
            }
    }
}

static void filters_by_pixels(const struct plan *plan, const struct phase *phase, int64_t group,
                              const char *shown, int64_t lines, struct target to)
{
    const struct correlation *p = plan->p;
    const struct gemm_kernels *kernels = plan->kernels;
    const int64_t size = plan->size, cols = phase->p->cols;
    struct gemm_tile t = {.batch = phase->blocks,
                          .a_offsets = phase->weight_offsets,
                          .b_offsets = phase->offsets,
                          .depth = plan->depth,
                          .a_row = 1,
                          .a_step = kernels->cols,
                          .b_step = plan->copy.plane_pitch,
                          .c_row = to.filter,
                          .c_col = to.col};
    for (int64_t panel = 0; panel < plan->panel_count; panel++) {
        const int64_t count = at_most(p->filters - panel * kernels->cols, kernels->cols);
        const int64_t parts = (count + kernels->rows - 1) / kernels->rows;
        for (int64_t q = 0; q < parts; q++) {
            const int64_t within = count * q / parts, first = panel * kernels->cols + within;
            t.mr = (int)(count * (q + 1) / parts - within);
            t.a = phase->panels +
                  ((group * plan->panel_count + panel) * phase->panel_size + within) * size;
            t.bias_m = p->bias ? (const char *)p->bias + (group * p->filters + first) * size : NULL;
            for (int64_t i = 0; i < lines; i++)
                for (int64_t j = 0; j < cols; j += kernels->cols) {
                    t.nr = (int)at_most(cols - j, kernels->cols);
                    t.b = shown + (i * p->step[0] * plan->copy.row_pitch + j) * size;
                    t.c = to.out + (first * to.filter + i * to.row + j * to.col) * size;
                    kernels->tile(&t);
                }
        }
    }
}

/* One filter of one plane, as in depthwise convolution: no product of matrices, a line is the sum
 * of shifted lines. */
static void one_by_one(const struct plan *plan, const struct phase *phase, int64_t group,
                       const char *shown, int64_t lines, struct target to)
{
    const struct correlation *p = plan->p;
    const int64_t size = plan->size, cols = plan->kernels->cols;
    const struct depthwise_lines l = {.taps = phase->p->taps,
                                      .lines = lines,
                                      .n = phase->p->cols,
                                      .offsets = phase->offsets,
                                      .weight = phase->panels + group * plan->panel_count *
                                                                    phase->panel_size * size,
                                      .weight_step = cols,
                                      .x = shown,
                                      .x_row = p->step[0] * plan->copy.row_pitch,
                                      .bias = p->bias ? (const char *)p->bias + group * size : NULL,
                                      .y = to.out,
                                      .y_row = to.row};
    plan->depthwise->lines(&l);
}

/* Staged lines i0 .. i1 go where they belong, `out` elements beyond each phase's first output. */
static void spread(const struct plan *plan, const char *staged, int64_t out, int64_t i0, int64_t i1)
{
    assert(i0 <= i1);
    const struct correlation *p = plan->p;
    const int64_t size = plan->size;
    for (int64_t m = 0; m < p->filters; m++)
        for (int64_t i = 0; i < i1 - i0; i++) {
            const char *line = staged + (m * plan->staged_filter + i * plan->staged_line) * size;
            for (int64_t k = 0; k < p->phase_count; k++) {
                const struct correlation_phase *f = plan->phases[k].p;
                char *dst = (char *)f->out + (out + m * p->out_filter + i * p->out_row) * size;
                if (i0 + i < f->rows)
                    padded_strided(dst, p->out_col, line + k * p->cols * size, 1, f->cols, size);
            }
        }
}

/* Lines i0 .. i1 of an image, in all phases. */
static void run_lines(const struct plan *plan, int64_t group, int64_t image, int64_t i0, int64_t i1,
                      char *copy)
{
    assert(i0 <= i1);
    const struct correlation *p = plan->p;
    const int64_t size = plan->size;
    const char *in =
        (const char *)p->in + (image * p->in_image + group * p->planes * p->in_plane) * size;
    const int64_t out = image * p->out_image + group * p->filters * p->out_filter + i0 * p->out_row;
    const char *shown = copy;
    if (plan->direct)
        shown =
            in + ((i0 * p->step[0] + plan->copy.first_dy) * p->in_row + plan->copy.first_dx) * size;
    else
        padded_copy(&plan->copy, in, p->planes, i0, i1, copy);
    char *staged = copy + plan->copy_bytes;
    for (int64_t i = 0; i < p->phase_count; i++) {
        const struct phase *f = &plan->phases[i];
        struct target to = {(char *)f->p->out + out * size, p->out_filter, p->out_row, p->out_col};
        if (plan->staged_line)
            to = (struct target){staged + i * p->cols * size, plan->staged_filter,
                                 plan->staged_line, 1};
        plan->tiles(plan, f, group, shown, at_most(i1, f->p->rows) - i0, to);
    }
    if (plan->staged_line)
        spread(plan, staged, out, i0, i1);
}

static void run_chunk(void *context, int64_t chunk)
{
    struct plan *plan = context;
    const struct correlation *p = plan->p;
    const int64_t group = chunk / plan->chunks_of_group;
    int64_t line = chunk % plan->chunks_of_group * plan->chunk_lines;
    const int64_t end = at_most(line + plan->chunk_lines, p->images * p->rows);
    char *copy = memory_alloc(plan->scratch);
    if (!copy) {
        atomic_store(&plan->failed, 1);
        return;
    }
    while (line < end) {
        const int64_t i0 = line % p->rows, i1 = at_most(p->rows, i0 + end - line);
        run_lines(plan, group, line / p->rows, i0, i1, copy);
        line += i1 - i0;
    }
    memory_free(copy, plan->scratch);
}

/* ---- The plan -------------------------------------------------------------------------------- */

/* The rectangle of input that the taps of all phases reach from one output. */
static void find_reach(struct plan *plan)
{
    const struct correlation_phase *phases = plan->p->phases;
    struct padded *c = &plan->copy;
    c->first_dy = c->last_dy = phases->dy[0];
    c->first_dx = c->last_dx = phases->dx[0];
    for (const struct correlation_phase *f = phases; f < phases + plan->p->phase_count; f++)
        for (int64_t t = 0; t < f->taps; t++) {
            c->first_dy = at_most(c->first_dy, f->dy[t]);
            c->last_dy = -at_most(-c->last_dy, -f->dy[t]);
            c->first_dx = at_most(c->first_dx, f->dx[t]);
            c->last_dx = -at_most(-c->last_dx, -f->dx[t]);
        }
}

/* How many lines a chunk has. */
static void cut(struct plan *plan)
{
    const struct correlation *p = plan->p;
    int64_t taps = 0;
    for (int64_t f = 0; f < p->phase_count; f++)
        taps += p->phases[f].taps;
    const int64_t line_work = p->cols * p->filters * p->planes * taps + 1,
                  lines = p->images * p->rows;
    int64_t wanted = at_most(MOST_CHUNK, lines * line_work / CHUNKS);
    wanted = (wanted < LEAST_CHUNK ? LEAST_CHUNK : wanted) / line_work + 1;
    const int64_t copied = plan->direct ? 0 : p->planes * plan->copy.row_pitch * p->step[0];
    const int64_t staged = p->out_col == 1 ? 0 : p->filters * p->phase_count * p->cols;
    const int64_t fitting = SCRATCH_BYTES / ((copied + staged + 1) * plan->size);
    wanted = at_most(wanted, fitting > 0 ? fitting : 1);
    if (wanted < p->rows) { /* parts of an image, of like size */
        int64_t parts = (p->rows + wanted - 1) / wanted;
        wanted = (p->rows + parts - 1) / parts;
    } else {
        wanted = wanted / p->rows * p->rows;
    }
    plan->chunk_lines = at_most(wanted, lines);
    plan->chunks_of_group = (lines + plan->chunk_lines - 1) / plan->chunk_lines;
}

/* Elements rounded up to an odd number of cache lines. */
static int64_t odd_lines(int64_t elements, int64_t size)
{
    assert(elements >= 0 && size > 0);
    return (((elements * size + LINE - 1) / LINE) | 1) * LINE / size;
}

/* Which way the tiles lie, and how the copy of the input does. */
static void lay_out(struct plan *plan)
{
    const struct correlation *p = plan->p;
    const int64_t lanes = plan->kernels->lanes, size = plan->size;
    struct padded *c = &plan->copy;
    plan->pixels_in_vectors =
        p->filters * round_up(p->cols, lanes) * 10 < p->cols * round_up(p->filters, lanes) * 9;
    plan->direct = !plan->pixels_in_vectors && p->step[1] == 1 && p->in_col == 1 &&
                   c->first_dx >= 0 && c->last_dx + p->cols <= p->in_cols && c->first_dy >= 0 &&
                   c->last_dy + (p->rows - 1) * p->step[0] < p->in_rows;
    plan->tiles = p->planes == 1 && p->filters == 1 ? one_by_one
                  : plan->pixels_in_vectors         ? filters_by_pixels
                                                    : pixels_by_filters;
    padded_lay_out(c);
    cut(plan);
    const int64_t most = at_most(plan->chunk_lines, p->rows); /* lines of an image at a time */
    if (plan->direct) {
        c->row_pitch = p->in_row;
        c->plane_pitch = p->in_plane;
        plan->copy_bytes = LINE;
    } else {
        /* Planes begin an odd number of cache lines apart, so that they spread over the cache's
         * sets. */
        c->plane_pitch = odd_lines(padded_lines(c, most) * c->row_pitch, size);
        plan->copy_bytes =
            (size_t)round_up((p->planes * c->plane_pitch + plan->kernels->cols) * size, LINE);
    }
    if (p->out_col != 1) {
        plan->staged_line = p->phase_count * p->cols;
        plan->staged_filter = odd_lines(most * plan->staged_line, size);
    }
    plan->scratch = plan->copy_bytes + (size_t)(p->filters * plan->staged_filter * size);
}

static void find_offsets(const struct plan *plan, struct phase *phase)
{
    const struct correlation_phase *f = phase->p;
    for (int64_t i = 0; i < phase->blocks; i++) {
        const int64_t t = i % f->taps;
        phase->offsets[i] = i / f->taps * plan->depth * plan->copy.plane_pitch +
                            padded_offset(&plan->copy, f->dy[t], f->dx[t]);
        phase->weight_offsets[i] = i * plan->depth * plan->kernels->cols;
    }
    phase->taps_in_turn = true;
    for (int64_t t = 1; t < f->taps; t++)
        phase->taps_in_turn &= f->tap[t] == f->tap[0] + t;
}

/* Places the phases' arrays in `block` (which may be NULL: then only counts) and returns its size
 * in bytes. */
static size_t place_phases(struct plan *plan, char *block)
{
    const struct correlation *p = plan->p;
    size_t at = (size_t)round_up(p->phase_count * (int64_t)sizeof(struct phase), LINE);
    for (int64_t i = 0; i < p->phase_count; i++) {
        const struct correlation_phase *f = &p->phases[i];
        const int64_t blocks = p->planes / plan->depth * f->taps;
        const int64_t panel_size = f->taps * p->planes * plan->kernels->cols;
        const size_t offset_bytes = (size_t)round_up(2 * blocks * (int64_t)sizeof(int64_t), LINE);
        if (block) {
            plan->phases = (struct phase *)block;
            plan->phases[i] = (struct phase){.p = f,
                                             .blocks = blocks,
                                             .panel_size = panel_size,
                                             .offsets = (int64_t *)(block + at),
                                             .weight_offsets = (int64_t *)(block + at) + blocks,
                                             .panels = block + at + offset_bytes};
        }
        at += offset_bytes +
              (size_t)round_up(p->groups * plan->panel_count * panel_size * plan->size, LINE);
    }
    return at;
}

int correlate(const struct correlation *p)
{
    if (p->images * p->groups * p->filters * p->rows * p->cols * p->phase_count == 0)
        return 0;
    const struct gemm_table *table = ISA_PICK(gemm_table);
    const bool single = p->dtype == FL_FLOAT32;
    struct plan plan = {.p = p,
                        .kernels = single ? table->f32 : table->f64,
                        .size = single ? 4 : 8,
                        .copy = {.size = single ? 4 : 8,
                                 .step = {p->step[0], p->step[1]},
                                 .cols = p->cols,
                                 .in_rows = p->in_rows,
                                 .in_cols = p->in_cols,
                                 .in_plane = p->in_plane,
                                 .in_row = p->in_row,
                                 .in_col = p->in_col},
                        .depth = conv_depth(p->planes)};
    plan.depthwise = &ISA_PICK(depthwise_table)->type[!single];
    plan.panel_count = (p->filters + plan.kernels->cols - 1) / plan.kernels->cols;
    find_reach(&plan);
    lay_out(&plan);

    const size_t bytes = place_phases(&plan, NULL);
    char *block = memory_alloc(bytes);
    if (!block)
        return -1;
    place_phases(&plan, block);
    const int64_t panels = p->groups * plan.panel_count;
    for (struct phase *f = plan.phases; f < plan.phases + p->phase_count; f++) {
        find_offsets(&plan, f);
        plan.packing = f;
        if (panels * f->panel_size < LEAST_PACKING)
            for (int64_t i = 0; i < panels; i++)
                pack_panel(&plan, i);
        else
            threads_for(panels, pack_panel, &plan);
    }
    threads_for(p->groups * plan.chunks_of_group, run_chunk, &plan);
    memory_free(block, bytes);
    if (atomic_load(&plan.failed))
        return error_set(FL_OUT_OF_MEMORY, "convolution: no memory for %zu bytes of scratch",
                         plan.scratch);
    return 0;
}
