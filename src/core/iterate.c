/* The strided iterator: how each operand of a loop is served.
 *
 *   run      one run in the walk's order and of the compute type: a pointer that moves on
 *   period   repeats every `period` elements (a number, a bias along the last dims): gathered once
 *            a chunk, one block and one period long, so that every phase can be read from it
 *   row      contiguous along the innermost dim only, blocks end with the row: a pointer a block
 *   level    the same all along the innermost dim (a column): one element, where there is a loop
 *            that takes one, else a buffer filled once a row
 *   gathered everything else, and every dtype that is not its compute type: through a buffer
 *
 * When every operand is a run, a chunk is one call of the loop; one element for all may stand beside,
 * if a loop takes it. Where none needs more than a pointer or a level, chunks are whole rows, with
 * little to do from one to the next. Otherwise they go by blocks of BLOCK elements or, of few operands, of what fills a buffer; buffers stay in the first cache. Where
 * an input lies transposed to the result, chunks go by tiles instead: it is turned tile by tile, so
 * that each of its cache lines is read once. Chunks have about GRAIN elements, whatever the number of threads.
 */
#include "core/iterate.h"

#include <assert.h>
#include <string.h>

#include "core/convert.h"
#include "core/threads.h"
#include "core/walk.h"

enum { GRAIN = 32768, BLOCK = 512 };
/* Lengths that pay for whole rows, and for blocks that end with one. */
enum { SHORT_ROW = 32, LONG_ROW = 128 };
enum { FEW = 4 }; /* operands whose whole buffers fit the first cache */
enum { BUFFER = 2 * BLOCK * COMPUTE_LARGEST }; /* bytes */
enum { TILE_ROWS = 16, TILE_COLUMNS = 64 };

_Static_assert((int)TILE_ROWS *TILE_COLUMNS <= 2 * BLOCK, "a tile fits into a buffer");

_Static_assert((int)ITERATE_MAX_OPERANDS <= (int)WALK_MAX_OPERANDS, "a walk holds every operand");

enum service { SERVE_RUN, SERVE_PERIOD, SERVE_ROW, SERVE_LEVEL, SERVE_GATHERED };

struct served {
    char *data;
    enum service service;
    int dtype, compute_dtype;
    int64_t size;    /* of a compute element */
    int64_t period;  /* SERVE_PERIOD */
    bool transposed; /* SERVE_GATHERED: contiguous along the dim `across` */
};

struct iteration {
    struct walk w;
    struct served operand[ITERATE_MAX_OPERANDS];
    int operands, outputs;
    bool by_rows;         /* blocks end where a row ends */
    int64_t rows_a_chunk; /* 0: chunks are no whole rows */
    int single;           /* the operand of which the loop takes one element; -1: none */
    _Alignas(16) char element[COMPUTE_LARGEST]; /* it, where it is one for all */
    int across;   /* the other dim of tiles; -1: no tiles */
    int64_t row_tiles, column_tiles, tiles, tiles_a_chunk;
    loop_fn loop;
    const union loop_scalar *scalars;
};

const int8_t compute_dtypes[] = {
    [COMPUTE_F32] = FL_FLOAT32, [COMPUTE_F64] = FL_FLOAT64,   [COMPUTE_I32] = FL_INT32,
    [COMPUTE_I64] = FL_INT64,   [COMPUTE_C64] = FL_COMPLEX64, [COMPUTE_C128] = FL_COMPLEX128,
    [COMPUTE_BOOL] = FL_BOOL,   [COMPUTE_U8] = FL_UINT8,      [COMPUTE_I8] = FL_INT8,
    [COMPUTE_I16] = FL_INT16,   [COMPUTE_BF16] = FL_BFLOAT16};

size_t compute_size(enum compute type)
{
    assert(type < COMPUTE_LOOPS);
    return dtype_size(compute_dtypes[type]);
}

union loop_scalar loop_scalar_of(const fl_value *number, enum compute type)
{
    union loop_scalar s = {.c = {0, 0}};
    if (type == COMPUTE_F32 || type == COMPUTE_F64)
        s.f = number_real(number);
    else if (compute_is_complex(type))
        s.c[0] = number_real(number), s.c[1] = number_imag(number);
    else if (number->tag == FL_FLOATING || number->tag == FL_COMPLEX)
        s.i = (int64_t)number_real(number);
    else
        s.i = number->as.i;
    return s;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Gathering and scattering --------------------------------------------------------------- */

/* Writes each of `rows` elements `times` times; inlined with a constant size, and times where they
 * are few. */
static inline __attribute__((always_inline)) void repeat(int64_t rows, const int64_t times,
                                                         const size_t size, char *to,
                                                         const char *from, int64_t step)
{
    for (int64_t r = 0; r < rows; r++, to += times * (int64_t)size)
        for (int64_t i = 0; i < times; i++)
            memcpy(to + i * (int64_t)size, from + r * step, size);
}

/* Elements of 4 or 8 bytes. */
static void repeat_each(int64_t rows, int64_t times, int64_t size, char *to, const char *from,
                        int64_t step)
{
    assert(size == 4 || size == 8);
    if (size == 8)
        repeat(rows, times, 8, to, from, step);
    else if (times == 2)
        repeat(rows, 2, 4, to, from, step);
    else if (times == 3)
        repeat(rows, 3, 4, to, from, step);
    else if (times == 4)
        repeat(rows, 4, 4, to, from, step);
    else
        repeat(rows, times, 4, to, from, step);
}

/* Walks n elements of operand k from coordinates `start` on, row by row, between its memory and a
 * buffer of compute elements: into the buffer, or out of it where `out` is set. */
static void pass(const struct iteration *it, int k, const int64_t *start, int64_t n, char *buffer,
                 bool out)
{
    assert(k >= 0 && k < it->operands);
    assert(n > 0);
    const struct walk *w = &it->w;
    const struct served *s = &it->operand[k];
    const int64_t *strides = w->strides[k];
    int last = w->ndim - 1;
    int64_t at[TENSOR_MAX_DIMS + 1];
    memcpy(at, start, (size_t)w->ndim * sizeof *at);
    char *memory = s->data + walk_offset(w, k, at);
    bool short_runs =
        s->dtype == s->compute_dtype && s->size >= 4 && w->sizes[last] < WALK_SHORT_RUN;
    const bool repeats = short_runs && !out && last > 0 && strides[last] == 0 && s->size <= 8;
    while (n > 0) {
        int64_t run = least(w->sizes[last] - at[last], n), rows = 1;
        if (repeats && at[last] == 0 && n >= 2 * run) {
            rows = least(n / run, w->sizes[last - 1] - at[last - 1]);
            repeat_each(rows, run, s->size, buffer, memory, strides[last - 1]);
            memory += (rows - 1) * strides[last - 1], at[last - 1] += rows - 1;
            run *= rows;
        } else if (short_runs && out)
            walk_move_short(run, s->size, memory, strides[last], buffer, s->size);
        else if (short_runs)
            walk_move_short(run, s->size, buffer, s->size, memory, strides[last]);
        else if (out)
            convert_elements(run, memory, s->dtype, strides[last], buffer, s->compute_dtype,
                             s->size);
        else
            convert_elements(run, buffer, s->compute_dtype, s->size, memory, s->dtype,
                             strides[last]);
        buffer += run * s->size;
        n -= run;
        memory -= at[last] * strides[last];
        at[last] = 0;
        for (int d = last - 1; d >= 0; d--) {
            memory += strides[d];
            if (++at[d] < w->sizes[d])
                break;
            memory -= at[d] * strides[d];
            at[d] = 0;
        }
    }
}

/* Fills a buffer with one period after another, for blocks of `most` elements at any phase. */
static void fill_periods(const struct iteration *it, int k, int64_t most, char *buffer)
{
    assert(it->operand[k].period > 0 && it->operand[k].period <= BLOCK);
    const struct served *s = &it->operand[k];
    static const int64_t ORIGIN[TENSOR_MAX_DIMS + 1];
    int64_t have = s->period, whole = most + s->period;
    assert(whole * s->size <= BUFFER);
    pass(it, k, ORIGIN, have, buffer, false);
    while (have < whole) {
        int64_t more = least(have, whole - have);
        memcpy(buffer + have * s->size, buffer, (size_t)(more * s->size));
        have += more;
    }
}

/* Spreads the element at `from` over a buffer of n. */
static void fill_level(const struct served *s, int64_t n, char *buffer, const char *from)
{
    assert(n * s->size <= BUFFER);
    if (s->dtype == s->compute_dtype)
        ISA_PICK(convert_kernels)->fill[__builtin_ctz((unsigned)s->size)](n, buffer, from);
    else
        convert_elements(n, buffer, s->compute_dtype, s->size, from, s->dtype, 0);
}

/* ---- A chunk -------------------------------------------------------------------------------- */

/* at % period, where at is seldom beyond two periods: a division would cost as much as a short block. */
static int64_t phase_after(int64_t at, int64_t period)
{
    at = at >= period ? at - period : at;
    return at >= period ? at % period : at;
}

static void run_blocks(const struct iteration *it, int64_t start, int64_t end)
{
    assert(start >= 0 && start < end && end <= it->w.numel);
    const struct walk *w = &it->w;
    _Alignas(64) char buffers[ITERATE_MAX_OPERANDS][BUFFER];
    char *data[ITERATE_MAX_OPERANDS];
    int64_t at[TENSOR_MAX_DIMS + 1];
    int64_t most = end - start; /* elements of a block: some operands limit it to their buffers */
    for (int k = 0; k < it->operands; k++) {
        const enum service service = it->operand[k].service;
        if (service == SERVE_LEVEL)
            most = least(most, 2 * BLOCK);
        else if (service == SERVE_GATHERED && it->operands > FEW)
            most = least(most, BLOCK);
        else if (service == SERVE_GATHERED)
            most = least(most, (int64_t)(2 * BLOCK * sizeof(double)) / it->operand[k].size);
        else if (service == SERVE_PERIOD)
            most = least(most, (int64_t)(BLOCK * sizeof(double)) / it->operand[k].size);
    }
    for (int k = 0; k < it->operands; k++)
        if (it->operand[k].service == SERVE_PERIOD)
            fill_periods(it, k, most, buffers[k]);
    const int last = w->ndim - 1;
    int64_t row = w->sizes[last], phase[ITERATE_MAX_OPERANDS];
    for (int k = 0; k < it->operands; k++)
        phase[k] = it->operand[k].service == SERVE_PERIOD ? start % it->operand[k].period : 0;
    walk_coordinates(w, start, at);
    bool first = true; /* of a row's blocks here, none of which is longer */
    for (int64_t n; start < end; start += n) {
        first |= at[last] == 0;
        n = least(most, end - start);
        if (it->by_rows)
            n = least(n, row - at[last]);
        for (int k = 0; k < it->operands; k++) {
            const struct served *s = &it->operand[k];
            switch (s->service) {
            case SERVE_RUN:
                data[k] = s->data + start * s->size;
                break;
            case SERVE_PERIOD:
                data[k] = buffers[k] + phase[k] * s->size;
                phase[k] = phase_after(phase[k] + n, s->period);
                break;
            case SERVE_ROW:
                data[k] = s->data + walk_offset(w, k, at);
                break;
            case SERVE_LEVEL:
                data[k] = buffers[k];
                if (first)
                    fill_level(s, n, buffers[k], s->data + walk_offset(w, k, at));
                break;
            case SERVE_GATHERED:
                data[k] = buffers[k];
                if (k >= it->outputs)
                    pass(it, k, at, n, buffers[k], false);
            }
        }
        it->loop(n, data, it->scalars);
        first = false;
        for (int k = 0; k < it->outputs; k++)
            if (it->operand[k].service == SERVE_GATHERED)
                pass(it, k, at, n, buffers[k], true);
        walk_on(w, n, at);
    }
}

static void run_chunk(void *context, int64_t chunk)
{
    const struct iteration *it = context;
    int64_t start = chunk * GRAIN;
    run_blocks(it, start, least(it->w.numel, start + GRAIN));
}

/* ---- A chunk of rows ------------------------------------------------------------------------ */

/* Rows that follow each other along one dim. */
struct rows {
    char *data[ITERATE_MAX_OPERANDS];          /* what the loop is given */
    int64_t step[ITERATE_MAX_OPERANDS];        /* from one row to the next; 0 of levels */
    int levels, level[ITERATE_MAX_OPERANDS];   /* those that need elements spread over a buffer */
    const char *element[ITERATE_MAX_OPERANDS]; /* of levels, with their steps */
    int64_t element_step[ITERATE_MAX_OPERANDS];
};

/* Sets everything out for the rows from these coordinates on; the levels' buffers are in data. */
static void begin_rows(const struct iteration *it, struct rows *s, const int64_t *at)
{
    const struct walk *w = &it->w;
    s->levels = 0;
    for (int k = 0; k < it->operands; k++) {
        char *begin = it->operand[k].data + walk_offset(w, k, at);
        const int64_t step = w->strides[k][w->ndim - 2];
        s->step[k] = 0;
        if (it->operand[k].service != SERVE_LEVEL ||
            (k == it->single && it->operand[k].dtype == it->operand[k].compute_dtype)) {
            s->data[k] = begin, s->step[k] = step;
            continue;
        }
        s->element[s->levels] = begin, s->element_step[s->levels] = step;
        s->level[s->levels++] = k;
    }
}

/* A row in pieces of what a level's buffer holds. */
static void run_pieces(const struct iteration *it, char *const *row, int64_t n, int64_t piece)
{
    char *data[ITERATE_MAX_OPERANDS];
    memcpy(data, row, sizeof data);
    for (int64_t done = 0; done < n; done += piece) {
        piece = least(piece, n - done);
        it->loop(piece, data, it->scalars);
        for (int k = 0; k < it->operands; k++)
            data[k] += it->operand[k].service == SERVE_LEVEL ? 0 : piece * it->operand[k].size;
    }
}

static void run_neighbours(const struct iteration *it, struct rows *s, int64_t count)
{
    const int64_t n = it->w.sizes[it->w.ndim - 1];
    const int64_t piece = it->single < 0 && s->levels ? least(n, 2 * BLOCK) : n;
    const int64_t spread = it->single < 0 ? piece : 1;
    const int operands = it->operands;
    for (int64_t r = 0; r < count; r++) {
        for (int l = 0; l < s->levels; l++) {
            fill_level(&it->operand[s->level[l]], spread, s->data[s->level[l]], s->element[l]);
            s->element[l] += s->element_step[l];
        }
        if (piece == n)
            it->loop(n, s->data, it->scalars);
        else
            run_pieces(it, s->data, n, piece);
        for (int k = 0; k < operands; k++)
            s->data[k] += s->step[k];
    }
}

static void run_rows(void *context, int64_t chunk)
{
    const struct iteration *it = context;
    const struct walk *w = &it->w;
    const int64_t n = w->sizes[w->ndim - 1], along = w->sizes[w->ndim - 2];
    const int64_t end = least(w->numel / n, (chunk + 1) * it->rows_a_chunk);
    _Alignas(64) char buffers[ITERATE_MAX_OPERANDS][BUFFER];
    int64_t at[TENSOR_MAX_DIMS + 1];
    struct rows s;
    assert(w->ndim >= 2);
    for (int k = 0; k < it->operands; k++)
        s.data[k] = buffers[k];
    for (int64_t r = chunk * it->rows_a_chunk, count; r < end; r += count) {
        count = least(along - r % along, end - r);
        walk_coordinates(w, r * n, at);
        begin_rows(it, &s, at);
        run_neighbours(it, &s, count);
    }
}

/* ---- A chunk of runs, and one element beside ------------------------------------------------ */

static void run_beside(void *context, int64_t chunk)
{
    const struct iteration *it = context;
    const int64_t start = chunk * GRAIN;
    char *data[ITERATE_MAX_OPERANDS];
    assert(it->single >= it->outputs && start < it->w.numel);
    for (int k = 0; k < it->operands; k++)
        data[k] = it->operand[k].data + start * it->operand[k].size;
    data[it->single] = (char *)it->element;
    it->loop(least(GRAIN, it->w.numel - start), data, it->scalars);
}

/* ---- A chunk of tiles ----------------------------------------------------------------------- */

typedef char tile_buffer[TILE_ROWS * TILE_COLUMNS * COMPUTE_LARGEST];

/* Turns a tile of operand k into a buffer of compute elements, rows TILE_COLUMNS apart. */
static void turn_tile(const struct iteration *it, int k, const int64_t *at, int64_t rows,
                      int64_t columns, char *buffer)
{
    assert(rows <= TILE_ROWS && columns <= TILE_COLUMNS);
    assert(k >= it->outputs);
    const struct walk *w = &it->w;
    const struct served *s = &it->operand[k];
    _Alignas(64) tile_buffer scratch;
    int64_t size = (int64_t)dtype_size(s->dtype);
    bool direct = s->dtype == s->compute_dtype;
    char *turned = direct ? buffer : scratch;
    ISA_PICK(convert_kernels)
        ->transpose[__builtin_ctz((unsigned)size)](rows, columns, turned, TILE_COLUMNS * size,
                                                   s->data + walk_offset(w, k, at),
                                                   w->strides[k][w->ndim - 1]);
    for (int64_t r = 0; r < rows && !direct; r++)
        convert_elements(columns, buffer + r * TILE_COLUMNS * s->size, s->compute_dtype, s->size,
                         turned + r * TILE_COLUMNS * size, s->dtype, size);
}

static void run_tile(const struct iteration *it, int64_t *at, int64_t rows, int64_t columns)
{
    assert(rows > 0 && rows <= TILE_ROWS);
    assert(columns > 0 && columns <= TILE_COLUMNS);
    const struct walk *w = &it->w;
    _Alignas(64) tile_buffer buffers[ITERATE_MAX_OPERANDS];
    char *data[ITERATE_MAX_OPERANDS];
    for (int k = it->outputs; k < it->operands; k++)
        if (it->operand[k].transposed)
            turn_tile(it, k, at, rows, columns, buffers[k]);
    for (int64_t r = 0; r < rows; r++, at[it->across]++) {
        for (int k = 0; k < it->operands; k++) {
            const struct served *s = &it->operand[k];
            data[k] = buffers[k];
            if (s->transposed)
                data[k] += r * TILE_COLUMNS * s->size;
            else if (s->service == SERVE_RUN || s->service == SERVE_ROW)
                data[k] = s->data + walk_offset(w, k, at);
            else if (k >= it->outputs)
                pass(it, k, at, columns, buffers[k], false);
        }
        it->loop(columns, data, it->scalars);
        for (int k = 0; k < it->outputs; k++)
            if (it->operand[k].service == SERVE_GATHERED)
                pass(it, k, at, columns, buffers[k], true);
    }
}

static void run_tiles(void *context, int64_t chunk)
{
    const struct iteration *it = context;
    const struct walk *w = &it->w;
    int last = w->ndim - 1;
    int64_t end = least(it->tiles, (chunk + 1) * it->tiles_a_chunk);
    for (int64_t tile = chunk * it->tiles_a_chunk; tile < end; tile++) {
        int64_t at[TENSOR_MAX_DIMS + 1];
        int64_t column = tile % it->column_tiles * TILE_COLUMNS;
        int64_t row = tile / it->column_tiles % it->row_tiles * TILE_ROWS;
        int64_t outer = tile / it->column_tiles / it->row_tiles;
        for (int d = last - 1; d >= 0; d--) {
            if (d == it->across)
                continue;
            at[d] = outer % w->sizes[d];
            outer /= w->sizes[d];
        }
        at[it->across] = row;
        at[last] = column;
        run_tile(it, at, least(TILE_ROWS, w->sizes[it->across] - row),
                 least(TILE_COLUMNS, w->sizes[last] - column));
    }
}

/* ---- Everything one run --------------------------------------------------------------------- */

struct run {
    char *data[ITERATE_MAX_OPERANDS];
    int64_t sizes[ITERATE_MAX_OPERANDS];
    int operands;
    int64_t numel;
    loop_fn loop;
    const union loop_scalar *scalars;
};

static void run_runs(void *context, int64_t chunk)
{
    const struct run *r = context;
    int64_t start = chunk * GRAIN;
    char *data[ITERATE_MAX_OPERANDS];
    for (int k = 0; k < r->operands; k++)
        data[k] = r->data[k] + start * r->sizes[k];
    r->loop(least(GRAIN, r->numel - start), data, r->scalars);
}

/* Whether an operand has the whole's sizes, without a gap. */
static bool is_contiguous(const struct iterate_operand *o, int ndim, const int64_t *sizes,
                          int64_t numel)
{
    if (numel == 1)
        return true;
    if (o->ndim != ndim)
        return false;
    int64_t expected = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        if (o->sizes[i] != sizes[i] || (sizes[i] != 1 && o->strides[i] != expected))
            return false;
        expected *= sizes[i];
    }
    return true;
}

static bool try_run(int ndim, const int64_t *sizes, int64_t numel, int operands,
                    const struct iterate_operand *operand, loop_fn loop,
                    const union loop_scalar *scalars)
{
    struct run r;
    for (int k = 0; k < operands; k++) {
        const struct iterate_operand *o = &operand[k];
        if (o->dtype != compute_dtypes[o->compute] || !is_contiguous(o, ndim, sizes, numel))
            return false;
        r.data[k] = o->data;
        r.sizes[k] = (int64_t)dtype_size(o->dtype);
    }
    if (numel <= GRAIN) {
        loop(numel, r.data, scalars);
        return true;
    }
    r.operands = operands;
    r.numel = numel;
    r.loop = loop;
    r.scalars = scalars;
    threads_for((numel + GRAIN - 1) / GRAIN, run_runs, &r);
    return true;
}

/* ---- Choice --------------------------------------------------------------------------------- */

/* The period of an operand that the outer dims do not move; 0 when they do, or when it is longer
 * than a block. */
static int64_t period_of(const struct walk *w, int k)
{
    int d = 0;
    while (d < w->ndim && w->strides[k][d] == 0)
        d++;
    int64_t period = 1;
    for (; d < w->ndim; d++) {
        period *= w->sizes[d];
        if (period > BLOCK)
            return 0;
    }
    return period;
}

static bool is_run(const struct walk *w, int k, int64_t size)
{
    for (int d = w->ndim - 1; d >= 0; d--) {
        if (w->sizes[d] != 1 && w->strides[k][d] != size)
            return false;
        size *= w->sizes[d];
    }
    return true;
}

/* Rows of at least `long_row` elements are served by themselves. */
static void choose_services(struct iteration *it, int64_t long_row)
{
    const struct walk *w = &it->w;
    int last = w->ndim - 1;
    bool long_rows = w->sizes[last] >= long_row;
    it->by_rows = false;
    for (int k = 0; k < it->operands; k++) {
        struct served *s = &it->operand[k];
        bool direct = s->dtype == s->compute_dtype;
        int64_t period;
        if (direct && is_run(w, k, s->size)) {
            s->service = SERVE_RUN;
        } else if (k >= it->outputs && (period = period_of(w, k)) > 0 && period < w->numel) {
            s->service = SERVE_PERIOD;
            s->period = period;
        } else if (direct && long_rows && w->strides[k][last] == s->size) {
            s->service = SERVE_ROW;
            it->by_rows = true;
        } else if (k >= it->outputs && long_rows && w->strides[k][last] == 0) {
            s->service = SERVE_LEVEL;
            it->by_rows = true;
        } else {
            s->service = SERVE_GATHERED;
        }
    }
}

/* The only operand that is one element for a loop, if it is an input of two for which there is such a
 * loop; then the loop is that one. */
static void choose_single(struct iteration *it, enum service service, const loop_fn *level)
{
    int found = 0;
    it->single = -1;
    for (int k = it->outputs; k < it->operands; k++)
        if (it->operand[k].service == service)
            found++, it->single = k;
    const int input = it->single - it->outputs;
    if (found != 1 || it->operands != it->outputs + 2 || !level || !level[input])
        it->single = -1;
    else
        it->loop = level[input];
}

/* Settles on one element for all beside runs, if that is how it is. */
static bool choose_runs(struct iteration *it, const loop_fn *level)
{
    for (int k = 0; k < it->operands; k++) {
        const struct served *s = &it->operand[k];
        if (s->service != SERVE_RUN && !(s->service == SERVE_PERIOD && s->period == 1))
            return false;
    }
    choose_single(it, SERVE_PERIOD, level);
    if (it->single >= 0)
        fill_level(&it->operand[it->single], 1, it->element, it->operand[it->single].data);
    return it->single >= 0;
}

/* Settles on whole rows where each operand is a pointer or a level along them, and rows are no longer
 * than a chunk. What repeats is a pointer to the same row again. */
static void choose_rows(struct iteration *it, const loop_fn *level)
{
    const struct walk *w = &it->w;
    const int last = w->ndim - 1;
    it->rows_a_chunk = 0, it->single = -1;
    if (!it->by_rows || w->sizes[last] > GRAIN)
        return;
    for (int k = it->outputs; level && it->operands == it->outputs + 2 && k < it->operands; k++)
        if (it->operand[k].service == SERVE_PERIOD && it->operand[k].period == 1 &&
            level[k - it->outputs])
            it->operand[k].service = SERVE_LEVEL;
    for (int k = 0; k < it->operands; k++) {
        const struct served *s = &it->operand[k];
        const bool pointer = s->dtype == s->compute_dtype && w->strides[k][last] == s->size;
        if (!pointer && s->service != SERVE_LEVEL)
            return;
    }
    it->rows_a_chunk = GRAIN / w->sizes[last];
    choose_single(it, SERVE_LEVEL, level);
}

/* Looks for inputs that are contiguous along another dim than the last, and settles on tiles if
 * there are any. */
static void choose_tiles(struct iteration *it)
{
    const struct walk *w = &it->w;
    int last = w->ndim - 1;
    it->across = -1;
    if (last == 0 || w->sizes[last] < TILE_ROWS)
        return;
    for (int k = it->outputs; k < it->operands; k++) {
        struct served *s = &it->operand[k];
        int64_t size = (int64_t)dtype_size(s->dtype), along = w->strides[k][last];
        if (s->service != SERVE_GATHERED || along == size || along == 0)
            continue;
        for (int d = 0; d < last && it->across < 0; d++)
            if (w->strides[k][d] == size && w->sizes[d] >= TILE_ROWS)
                it->across = d;
        s->transposed = it->across >= 0 && w->strides[k][it->across] == size;
    }
    if (it->across < 0)
        return;
    it->row_tiles = (w->sizes[it->across] + TILE_ROWS - 1) / TILE_ROWS;
    it->column_tiles = (w->sizes[last] + TILE_COLUMNS - 1) / TILE_COLUMNS;
    it->tiles =
        w->numel / (w->sizes[last] * w->sizes[it->across]) * it->row_tiles * it->column_tiles;
    it->tiles_a_chunk = GRAIN / (TILE_ROWS * TILE_COLUMNS);
}

int iterate_run(int ndim, const int64_t *sizes, int operands, int outputs,
                const struct iterate_operand *operand, loop_fn loop, const loop_fn *level,
                const union loop_scalar *scalars)
{
    assert(outputs >= 1 && outputs <= operands && operands <= ITERATE_MAX_OPERANDS);
    assert(loop);
    int64_t numel = 1;
    for (int i = 0; i < ndim; i++)
        numel *= sizes[i];
    if (numel == 0 || try_run(ndim, sizes, numel, operands, operand, loop, scalars))
        return 0;
    struct iteration it;
    it.operands = operands;
    it.outputs = outputs;
    it.loop = loop;
    it.scalars = scalars;
    walk_begin(&it.w, ndim, sizes);
    for (int k = 0; k < operands; k++) {
        const struct iterate_operand *o = &operand[k];
        walk_add(&it.w, o->ndim, o->sizes, o->strides, dtype_size(o->dtype));
        it.operand[k] = (struct served){.data = o->data,
                                        .dtype = o->dtype,
                                        .compute_dtype = compute_dtypes[o->compute],
                                        .size = (int64_t)compute_size(o->compute)};
    }
    walk_merge(&it.w);
    choose_services(&it, SHORT_ROW);
    choose_rows(&it, level);
    if (!it.rows_a_chunk && it.by_rows)
        choose_services(&it, LONG_ROW);
    choose_tiles(&it);
    if (choose_runs(&it, level))
        threads_for((numel + GRAIN - 1) / GRAIN, run_beside, &it);
    else if (it.rows_a_chunk)
        threads_for((numel / it.w.sizes[it.w.ndim - 1] + it.rows_a_chunk - 1) / it.rows_a_chunk,
                    run_rows, &it);
    else if (it.across < 0)
        threads_for((numel + GRAIN - 1) / GRAIN, run_chunk, &it);
    else
        threads_for((it.tiles + it.tiles_a_chunk - 1) / it.tiles_a_chunk, run_tiles, &it);
    return 0;
}
