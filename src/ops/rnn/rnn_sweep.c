/* The walk over the steps of a recurrence.
 *
 * Sequences do not know of each other: each chunk of them walks through all steps by itself, on one
 * thread, without waiting for another; how many chunks there are depends on the sizes alone. A step
 * is one product with the packed weight and one fused loop. The states stand in one buffer
 * throughout: a sequence that has ended keeps its last state, one that has not begun its first, so
 * that packed sequences need no other code in either direction.
 */
#include "ops/rnn/rnn_sweep.h"

#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"

enum {
    GRAIN = 1 << 17,        /* multiply-adds that are worth a thread */
    LEAST_ROWS = 8,         /* sequences of a chunk */
    LEAST_ROWS_LARGE = 16,  /* where the weight does not stay in the second cache */
    LARGE_WEIGHT = 1 << 18, /* elements of such a weight */
    MOST_CHUNKS = 16
};

int rnn_factor_make(struct rnn_factor *f, const struct rnn_sweep *s, int64_t n, int64_t k,
                    const void *b, int64_t b_row, int64_t b_col)
{
    assert(n >= 0 && k >= 0);
    if (s->n.steps > 1)
        return gemm_pack(&f->packed, s->work, n, k, b, b_row, b_col);
    f->plain = (struct gemm){.dtype = s->work,
                             .n = n,
                             .k = k,
                             .b = b,
                             .b_row = b_row,
                             .b_col = b_col,
                             .a_row = k,
                             .a_col = 1,
                             .c_col = 1};
    return 0;
}

void rnn_factor_free(struct rnn_factor *f)
{
    gemm_packed_free(&f->packed);
}

/* C (m, n) = [C +] A (m, k) B + bias; A is contiguous. */
static int multiply(const struct rnn_factor *f, int64_t m, const void *a, void *c, int64_t c_row,
                    bool accumulate, const void *bias)
{
    assert(m >= 0 && c_row >= 0);
    if (f->packed.panels) {
        gemm_packed_run(&f->packed, m, a, f->packed.k, c, c_row, accumulate, bias);
        return 0;
    }
    struct gemm g = f->plain;
    g.m = m, g.a = a, g.c = c, g.c_row = c_row, g.accumulate = accumulate;
    g.bias_kind = bias ? GEMM_BIAS_N : GEMM_NO_BIAS, g.bias = bias;
    return gemm_run(&g);
}

/* Powers of two, so that they fall evenly on two or four threads. */
static int64_t chunks_of(const struct rnn_sizes *n)
{
    const int64_t least = n->gates * n->P > LARGE_WEIGHT ? LEAST_ROWS_LARGE : LEAST_ROWS;
    int64_t chunks = 1, work = n->rows * n->gates * n->P;
    if (n->steps == 1) /* the product itself is cut */
        return 1;
    while (chunks < MOST_CHUNKS && n->batch / (2 * chunks) >= least && work / (2 * chunks) >= GRAIN)
        chunks *= 2;
    return chunks;
}

/* What a chunk has at one step: `rows` of its sequences run, the first in row `row`. */
struct at {
    int64_t rows, row;
};

static struct at at_step(const struct rnn_sweep *s, int64_t step, int64_t begin, int64_t end)
{
    assert(step >= 0 && begin >= 0 && begin <= end);
    int64_t t = s->n.reverse ? s->n.steps - 1 - step : step;
    int64_t running = s->first[t + 1] - s->first[t];
    return (struct at){(running < end ? running : end) - begin, s->first[t] + begin};
}

/* Rows of `width` elements from one pitch to another. */
static void copy_rows(const struct rnn_sweep *s, int64_t rows, int64_t width, void *to,
                      int64_t to_row, const void *from, int64_t from_row)
{
    assert(rows >= 0 && width >= 0);
    for (int64_t r = 0; r < rows && width; r++) /* rows of nothing may have no memory */
        memcpy((char *)to + (size_t)(r * to_row) * s->element,
               (const char *)from + (size_t)(r * from_row) * s->element,
               (size_t)width * s->element);
}

static void *offset(const struct rnn_sweep *s, const void *p, int64_t elements)
{
    return p ? (char *)p + (size_t)elements * s->element : NULL;
}

/* ---- Forward --------------------------------------------------------------------------------- */

static int step_forward(struct rnn_sweep *s, struct at at, char *h, char *c, char *scratch)
{
    assert(at.rows >= 0 && at.row >= 0);
    const struct rnn_sizes *n = &s->n;
    char *saved = offset(s, s->saved, at.row * n->saved);
    const bool apart = n->cell == RNN_GRU;
    copy_rows(s, at.rows, n->P, offset(s, saved, n->saved - n->P), n->saved, h, n->P);
    if (apart ? multiply(&s->weight, at.rows, h, scratch, n->gates, false, s->hidden_bias)
              : multiply(&s->weight, at.rows, h, saved, n->saved, true, NULL))
        return -1;
    struct rnn_step step = {.rows = at.rows,
                            .H = n->H,
                            .saved = saved,
                            .saved_row = n->saved,
                            .hidden = apart ? scratch : NULL,
                            .h = n->projected ? scratch : h,
                            .c = c};
    s->kernels->forward[n->cell](&step);
    if (n->projected && multiply(&s->projection, at.rows, scratch, h, n->P, false, NULL))
        return -1;
    if (n->P) /* else there is no memory */
        memcpy(offset(s, s->y, at.row * n->P), h, (size_t)(at.rows * n->P) * s->element);
    return 0;
}

/* ---- Backward -------------------------------------------------------------------------------- */

static int step_backward(struct rnn_sweep *s, struct at at, char *dh, char *dc, char *scratch)
{
    assert(at.rows >= 0 && at.row >= 0 && at.row + at.rows <= s->n.rows);
    const struct rnn_sizes *n = &s->n;
    const bool apart = n->cell == RNN_GRU;
    s->kernels->add(at.rows * n->P, dh, offset(s, s->g, at.row * n->P));
    struct rnn_step step = {.rows = at.rows,
                            .H = n->H,
                            .saved = offset(s, s->saved, at.row * n->saved),
                            .saved_row = n->saved,
                            .h = dh,
                            .c = dc,
                            .sums = offset(s, s->sums, at.row * n->gates),
                            .hidden_sums = offset(s, s->hidden_sums, at.row * n->gates),
                            .sums_row = n->gates,
                            .output = offset(s, s->output, at.row * n->H)};
    if (s->output) {
        memcpy(offset(s, s->output_sums, at.row * n->P), dh, (size_t)(at.rows * n->P) * s->element);
        if (multiply(&s->projection, at.rows, dh, scratch, n->H, false, NULL))
            return -1;
        step.h = scratch;
    }
    s->kernels->backward[n->cell](&step);
    return multiply(&s->weight, at.rows, apart ? step.hidden_sums : step.sums, dh, n->P, apart,
                    NULL);
}

/* ---- Both ------------------------------------------------------------------------------------ */

static void run_chunk(struct rnn_sweep *s, int64_t chunk, bool backward)
{
    assert(chunk >= 0 && chunk < s->chunks);
    const struct rnn_sizes *n = &s->n;
    const int64_t begin = n->batch * chunk / s->chunks, end = n->batch * (chunk + 1) / s->chunks;
    const size_t bytes = (size_t)((end - begin) * n->gates) * s->element;
    char *h = offset(s, s->h, begin * n->P), *c = offset(s, s->c, begin * n->H);
    char *scratch = memory_alloc(bytes);
    bool failed = !scratch;
    for (int64_t i = 0; i < n->steps && !failed; i++) {
        struct at at = at_step(s, backward ? n->steps - 1 - i : i, begin, end);
        if (at.rows > 0)
            failed =
                backward ? step_backward(s, at, h, c, scratch) : step_forward(s, at, h, c, scratch);
    }
    memory_free(scratch, bytes);
    if (failed)
        atomic_store(&s->failed, 1);
}

static void forward_chunk(void *context, int64_t chunk)
{
    run_chunk(context, chunk, false);
}

static void backward_chunk(void *context, int64_t chunk)
{
    run_chunk(context, chunk, true);
}

static int run(struct rnn_sweep *s, void (*body)(void *, int64_t))
{
    s->chunks = chunks_of(&s->n);
    threads_for(s->chunks, body, s);
    if (!atomic_load(&s->failed))
        return 0;
    return error_set(FL_OUT_OF_MEMORY, "recurrent layer: no memory for the scratch of a step");
}

int rnn_sweep_forward(struct rnn_sweep *s)
{
    return run(s, forward_chunk);
}

int rnn_sweep_backward(struct rnn_sweep *s)
{
    return run(s, backward_chunk);
}
