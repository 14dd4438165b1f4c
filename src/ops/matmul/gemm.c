/* Matrix products: chooses how a problem is run and cuts it over threads.
 *
 * C alone is cut, into blocks whose number depends on the sizes; every block packs its part of A.
 * B is packed before them, once for all blocks of the same columns; where there is one such block
 * it does that itself. A small problem is one block on the caller's thread with scratch on the
 * stack. Half precision is widened
 * whole, multiplied in float32 and rounded once. Integers go through plain loops.
 */
#include "ops/matmul/gemm.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"

enum {
    STACK_SCRATCH = 32768, /* bytes */
    GRAIN = 1 << 17,       /* multiply-adds that are worth waking a thread for, some 2 us */
    CHUNKS = 16,           /* of a large problem */
    MAX_COLS = 512,        /* columns of a block */
    MAX_PANELS = 16,       /* of a packed B: it fits the second cache */
    LONG_RUN = 256,        /* columns worth going to another row of B for */
    PACK_A_COLS = 64,      /* columns from which packing A pays, where its rows lie */
    PACK_A_ROWS = 4096,    /* a page apart or more, bytes, or where its columns, read */
    PACK_A_COLUMNS = 256,  /* downwards, lie so far apart that each is other cache lines */
    PACK_B_ROWS = 64,      /* rows from which packing B pays */
    MOST_PACKED = 64 << 20 /* bytes of B packed for all blocks */
};

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t element_size(fl_dtype dtype)
{
    switch (dtype) {
    case FL_UINT8:
    case FL_INT8:
        return 1;
    case FL_INT16:
    case FL_FLOAT16:
    case FL_BFLOAT16:
        return 2;
    case FL_INT32:
    case FL_FLOAT32:
        return 4;
    case FL_INT64:
    case FL_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

static int64_t batch_count(const struct gemm *g)
{
    int64_t count = 1;
    for (int d = 0; d < g->batch_dims; d++)
        count *= g->batch_sizes[d];
    return count;
}

/* The problem number `index` of the batch, by itself. */
static struct gemm batch_member(const struct gemm *g, int64_t index)
{
    assert(index >= 0 && index < batch_count(g));
    struct gemm one = *g;
    int64_t a = 0, b = 0, c = 0, size = element_size(g->dtype);
    for (int d = g->batch_dims - 1; d >= 0; d--) {
        int64_t at = index % g->batch_sizes[d];
        index /= g->batch_sizes[d];
        a += at * g->batch_a[d];
        b += at * g->batch_b[d];
        c += at * g->batch_c[d];
    }
    one.a = (const char *)g->a + a * size;
    one.b = (const char *)g->b + b * size;
    one.c = (char *)g->c + c * size;
    one.batch_dims = 0;
    return one;
}

/* ---- float32 and float64 --------------------------------------------------------------------- */

static const struct gemm_kernels *kernels_of(fl_dtype dtype)
{
    assert(dtype == FL_FLOAT32 || dtype == FL_FLOAT64);
    const struct gemm_table *table = ISA_PICK(gemm_table);
    return dtype == FL_FLOAT32 ? table->f32 : table->f64;
}

static int64_t max_depth_of(fl_dtype dtype)
{
    return dtype == FL_FLOAT32 ? GEMM_DEPTH_F32 : GEMM_DEPTH_F64;
}

/* How a floating problem is cut: a chunk is `group` members of the batch, or one block of `rows` x
 * `cols` of one. */
struct plan {
    const struct gemm *g;
    const struct gemm_kernels *kernels;
    int64_t size; /* of an element */
    int64_t members, group;
    int64_t row_blocks, col_blocks;
    bool pack_a, pack_b;
    int64_t max_depth;
    int64_t scratch;    /* bytes for a chunk */
    char *packed;       /* B of (member, column block), each packed_size bytes; NULL: blocks pack */
    int64_t packed_size;
    _Atomic int failed; /* a chunk had no memory */
};

/* C transposed is B transposed times A transposed. */
static struct gemm transposed(const struct gemm *g)
{
    struct gemm t = *g;
    t.m = g->n, t.n = g->m;
    t.a = g->b, t.a_row = g->b_col, t.a_col = g->b_row;
    t.b = g->a, t.b_row = g->a_col, t.b_col = g->a_row;
    t.c_row = g->c_col, t.c_col = g->c_row;
    t.batch_a = g->batch_b, t.batch_b = g->batch_a;
    if (g->bias_kind != GEMM_NO_BIAS)
        t.bias_kind = g->bias_kind == GEMM_BIAS_N ? GEMM_BIAS_M : GEMM_BIAS_N;
    return t;
}

/* The columns of a block. Few rows meet a B that is not packed. */
static int64_t most_cols(const struct plan *p)
{
    return p->pack_b && p->g->m > GEMM_FEW_ROWS ? MAX_PANELS * p->kernels->cols : MAX_COLS;
}

/* What a block packs; where B is not packed, that is the last panel if it
 * is not full, which only the last block has. */
static int64_t scratch_bytes(const struct plan *p)
{
    int64_t cols = at_most(p->g->n, MAX_COLS); /* of a problem that is one block too */
    int64_t panels = (cols + p->kernels->cols - 1) / p->kernels->cols;
    int64_t depth = at_most(p->g->k, p->max_depth);
    int64_t packed_b = p->packed ? 0 : p->pack_b ? panels : p->g->n % p->kernels->cols != 0;
    int64_t groups = (p->g->m + p->kernels->rows - 1) / p->kernels->rows;
    int64_t packed_a = p->pack_a ? at_most(groups, GEMM_PACKED_GROUPS) : 0;
    return depth * (packed_b * p->kernels->cols + packed_a * p->kernels->panel) * p->size;
}

static void run_block(const struct plan *p, const struct gemm *g, int64_t row, int64_t rows,
                      int64_t col, int64_t cols, const void *packed_b, void *scratch)
{
    assert(rows > 0 && row + rows <= g->m);
    const char *bias = g->bias;
    struct gemm_block block = {.m = rows,
                               .n = cols,
                               .k = g->k,
                               .max_depth = p->max_depth,
                               .a = (const char *)g->a + row * g->a_row * p->size,
                               .a_row = g->a_row,
                               .a_col = g->a_col,
                               .a_rows = g->m - row,
                               .b = (const char *)g->b + col * g->b_col * p->size,
                               .b_row = g->b_row,
                               .b_col = g->b_col,
                               .c = (char *)g->c + (row * g->c_row + col * g->c_col) * p->size,
                               .c_row = g->c_row,
                               .c_col = g->c_col,
                               .accumulate = g->accumulate,
                               .relu = g->activation == GEMM_RELU,
                               .bias_m = g->bias_kind == GEMM_BIAS_M ? bias + row * p->size : NULL,
                               .bias_n = g->bias_kind == GEMM_BIAS_N ? bias + col * p->size : NULL,
                               .pack_a = p->pack_a,
                               .pack_b = p->pack_b,
                               .packed_b = packed_b,
                               .scratch = scratch};
    p->kernels->block(&block);
}

/* Where block j of columns begins: at a whole panel. */
static int64_t first_col(const struct plan *p, int64_t j)
{
    int64_t panels = (p->g->n + p->kernels->cols - 1) / p->kernels->cols;
    return at_most(panels * j / p->col_blocks * p->kernels->cols, p->g->n);
}

/* The bytes of a packed B: stretches of k are rounded up, at most one step more for each. */
static int64_t packed_bytes(const struct gemm_kernels *kernels, fl_dtype dtype, int64_t n,
                            int64_t k)
{
    int64_t panels = (n + kernels->cols - 1) / kernels->cols;
    return panels * kernels->cols * (k + k / max_depth_of(dtype) + 1) * element_size(dtype);
}

static void pack_chunk(void *context, int64_t chunk)
{
    const struct plan *p = context;
    const int64_t j = chunk % p->col_blocks, col = first_col(p, j);
    const struct gemm one = batch_member(p->g, chunk / p->col_blocks);
    const struct gemm_block block = {.n = first_col(p, j + 1) - col,
                                     .k = one.k,
                                     .max_depth = p->max_depth,
                                     .b = (const char *)one.b + col * one.b_col * p->size,
                                     .b_row = one.b_row,
                                     .b_col = one.b_col};
    p->kernels->pack(&block, p->packed + chunk * p->packed_size);
}

static void run_chunk(void *context, int64_t chunk)
{
    struct plan *p = context;
    const struct gemm *g = p->g;
    void *scratch = memory_alloc((size_t)p->scratch);
    if (!scratch) {
        atomic_store(&p->failed, 1);
        return;
    }
    if (p->group > 0) {
        int64_t end = at_most((chunk + 1) * p->group, p->members);
        for (int64_t i = chunk * p->group; i < end; i++) {
            struct gemm one = batch_member(g, i);
            run_block(p, &one, 0, g->m, 0, g->n, NULL, scratch);
        }
    } else {
        int64_t j = chunk % p->col_blocks, i = chunk / p->col_blocks % p->row_blocks;
        int64_t member = chunk / (p->col_blocks * p->row_blocks);
        struct gemm one = batch_member(g, member);
        int64_t row = g->m * i / p->row_blocks, next_row = g->m * (i + 1) / p->row_blocks;
        int64_t col = first_col(p, j), cols = first_col(p, j + 1) - col;
        const char *packed_b =
            p->packed ? p->packed + (member * p->col_blocks + j) * p->packed_size : NULL;
        run_block(p, &one, row, next_row - row, col, cols, packed_b, scratch);
    }
    memory_free(scratch, (size_t)p->scratch);
}

/* Cuts one member into blocks: columns by MAX_COLS, then halves of the longer side until there are
 * enough; rows first where each block packs its part of A, which blocks beside it would pack again. */
static void cut(struct plan *p, int64_t work)
{
    const struct gemm *g = p->g;
    const bool along = g->m <= GEMM_FEW_ROWS && g->b_col == 1; /* each row of B is other pages */
    const int64_t least_rows = 4 * p->kernels->rows;
    const int64_t least_cols = along ? LONG_RUN : 2 * p->kernels->cols;
    const int64_t wanted = at_most(work / GRAIN, CHUNKS);
    p->row_blocks = 1;
    p->col_blocks = (g->n + most_cols(p) - 1) / most_cols(p);
    while (p->members * p->row_blocks * p->col_blocks < wanted) {
        int64_t rows = g->m / (2 * p->row_blocks), cols = g->n / (2 * p->col_blocks);
        if (rows >= least_rows && (p->pack_a || rows >= cols || cols < least_cols))
            p->row_blocks *= 2;
        else if (cols >= least_cols)
            p->col_blocks *= 2;
        else
            break;
    }
}

static size_t packed_total(const struct plan *p)
{
    return (size_t)(p->members * p->col_blocks * p->packed_size);
}

/* Packs B once for all rows, unless that is too large to be worth the memory. */
static int pack_for_all(struct plan *p)
{
    const int64_t cols = p->kernels->cols, panels = (p->g->n + cols - 1) / cols;
    const int64_t widest = (panels + p->col_blocks - 1) / p->col_blocks * cols;
    p->packed_size = (packed_bytes(p->kernels, p->g->dtype, widest, p->g->k) + 63) / 64 * 64;
    if (p->packed_size > MOST_PACKED / (p->members * p->col_blocks)) {
        p->packed_size = 0;
        return 0;
    }
    p->packed = memory_alloc(packed_total(p));
    if (!p->packed)
        return -1;
    threads_for(p->members * p->col_blocks, pack_chunk, p);
    p->scratch = scratch_bytes(p);
    return 0;
}

static int run_real(const struct gemm *given)
{
    struct gemm g = *given;
    /* Vectors run along C's columns: they should be neighbours in memory, or at least many. */
    if (g.c_col == 1 ? g.n <= 4 && g.m >= 16 : g.c_row == 1 || g.m > g.n)
        g = transposed(given);

    struct plan p = {.g = &g,
                     .kernels = kernels_of(g.dtype),
                     .size = element_size(g.dtype),
                     .max_depth = max_depth_of(g.dtype),
                     .members = batch_count(&g)};
    const int64_t work = g.m * g.n * (g.k > 0 ? g.k : 1);
    p.pack_a = g.n >= PACK_A_COLS && (g.a_row == 1 ? g.a_col * p.size >= PACK_A_COLUMNS
                                                   : g.a_row * p.size >= PACK_A_ROWS);
    p.pack_b = g.b_col != 1 || g.m >= PACK_B_ROWS;

    p.scratch = scratch_bytes(&p);
    const bool small = g.n <= MAX_COLS && work < 2 * GRAIN; /* a member is one block */
    if (p.members == 1 && small && p.scratch <= STACK_SCRATCH) {
        _Alignas(64) char scratch[STACK_SCRATCH];
        run_block(&p, &g, 0, g.m, 0, g.n, NULL, scratch);
        return 0;
    }

    int64_t chunks;
    if (small) {
        p.group = at_most(p.members, GRAIN / work + 1);
        chunks = (p.members + p.group - 1) / p.group;
    } else {
        cut(&p, work);
        chunks = p.members * p.row_blocks * p.col_blocks;
        if (p.pack_b && p.row_blocks > 1 && pack_for_all(&p))
            return -1;
    }
    threads_for(chunks, run_chunk, &p);
    memory_free(p.packed, packed_total(&p));
    if (atomic_load(&p.failed))
        return error_set(FL_OUT_OF_MEMORY, "matrix product: no memory for %lld bytes of scratch",
                         (long long)p.scratch);
    return 0;
}

/* ---- Packed once ----------------------------------------------------------------------------- */

int gemm_pack(struct gemm_packed *p, fl_dtype dtype, int64_t n, int64_t k, const void *b,
              int64_t b_row, int64_t b_col)
{
    assert(n >= 0 && k >= 0);
    const struct gemm_kernels *kernels = kernels_of(dtype);
    *p = (struct gemm_packed){.dtype = dtype, .n = n, .k = k};
    p->bytes = (size_t)packed_bytes(kernels, dtype, n, k);
    p->panels = memory_alloc(p->bytes);
    if (!p->panels)
        return -1;
    struct gemm_block block = {
        .n = n, .k = k, .max_depth = max_depth_of(dtype), .b = b, .b_row = b_row, .b_col = b_col};
    kernels->pack(&block, p->panels);
    return 0;
}

void gemm_packed_free(struct gemm_packed *p)
{
    memory_free(p->panels, p->bytes);
    p->panels = NULL;
}

void gemm_packed_run(const struct gemm_packed *p, int64_t m, const void *a, int64_t a_row, void *c,
                     int64_t c_row, bool accumulate, const void *bias)
{
    assert(m >= 0);
    struct gemm_block block = {.m = m,
                               .n = p->n,
                               .k = p->k,
                               .max_depth = max_depth_of(p->dtype),
                               .a = a,
                               .a_row = a_row,
                               .a_col = 1,
                               .a_rows = m,
                               .c = c,
                               .c_row = c_row,
                               .c_col = 1,
                               .accumulate = accumulate,
                               .bias_n = bias,
                               .packed_b = p->panels};
    kernels_of(p->dtype)->block(&block);
}

/* ---- float16 and bfloat16 -------------------------------------------------------------------- */

/* A rows x cols matrix of half precision, widened into a contiguous float32 one. */
static void widen_matrix(const struct gemm_table *table, const uint16_t *src, int64_t row,
                         int64_t col, int64_t rows, int64_t cols, bool bfloat, float *dst)
{
    for (int64_t i = 0; i < rows; i++, src += row, dst += cols) {
        if (col == 1)
            table->widen(src, dst, cols, bfloat);
        else
            for (int64_t j = 0; j < cols; j++)
                table->widen(src + j * col, dst + j, 1, bfloat);
    }
}

/* One member of the batch in float32. Its columns are made neighbours; a transposed operand stays
 * transposed. */
static int run_half_member(const struct gemm_table *table, const struct gemm *g, float *a, float *b,
                           float *c, const float *bias)
{
    const bool bfloat = g->dtype == FL_BFLOAT16;
    struct gemm wide = *g;
    wide.dtype = FL_FLOAT32;
    wide.a = a, wide.b = b, wide.c = c, wide.bias = bias;
    wide.a_row = g->k, wide.a_col = 1, wide.c_row = g->n, wide.c_col = 1;
    widen_matrix(table, g->a, g->a_row, g->a_col, g->m, g->k, bfloat, a);
    if (g->b_row == 1) {
        widen_matrix(table, g->b, g->b_col, 1, g->n, g->k, bfloat, b);
        wide.b_row = 1, wide.b_col = g->k;
    } else {
        widen_matrix(table, g->b, g->b_row, g->b_col, g->k, g->n, bfloat, b);
        wide.b_row = g->n, wide.b_col = 1;
    }
    if (g->accumulate)
        widen_matrix(table, g->c, g->c_row, g->c_col, g->m, g->n, bfloat, c);
    if (run_real(&wide) != 0)
        return -1;
    uint16_t *out = g->c;
    for (int64_t i = 0; i < g->m; i++, out += g->c_row, c += g->n) {
        if (g->c_col == 1)
            table->narrow(c, out, g->n, bfloat);
        else
            for (int64_t j = 0; j < g->n; j++)
                table->narrow(c + j, out + j * g->c_col, 1, bfloat);
    }
    return 0;
}

static int run_half(const struct gemm *g)
{
    const struct gemm_table *table = ISA_PICK(gemm_table);
    const int64_t a_size = g->m * g->k, b_size = g->k * g->n, c_size = g->m * g->n;
    const int64_t bias_size = g->bias_kind == GEMM_NO_BIAS  ? 0
                              : g->bias_kind == GEMM_BIAS_N ? g->n
                                                            : g->m;
    const size_t bytes = (size_t)(a_size + b_size + c_size + bias_size) * sizeof(float);
    float *wide = memory_alloc(bytes);
    if (!wide)
        return -1;
    float *bias = wide + a_size + b_size + c_size;
    if (bias_size)
        table->widen(g->bias, bias, bias_size, g->dtype == FL_BFLOAT16);
    int status = 0;
    for (int64_t i = 0, members = batch_count(g); i < members && status == 0; i++) {
        struct gemm one = batch_member(g, i);
        status = run_half_member(table, &one, wide, wide + a_size, wide + a_size + b_size, bias);
    }
    memory_free(wide, bytes);
    return status;
}

/* ---- Integers -------------------------------------------------------------------------------- */

struct integer_plan {
    const struct gemm *g;
    void (*rows)(const struct gemm *, int64_t begin, int64_t end);
    int64_t total, group; /* rows of C in the whole batch, and in a chunk */
};

static void run_integer_chunk(void *context, int64_t chunk)
{
    const struct integer_plan *p = context;
    int64_t row = chunk * p->group, end = at_most(row + p->group, p->total);
    while (row < end) {
        int64_t begin = row % p->g->m, count = at_most(p->g->m - begin, end - row);
        struct gemm one = batch_member(p->g, row / p->g->m);
        p->rows(&one, begin, begin + count);
        row += count;
    }
}

static int run_integer(const struct gemm *g, int64_t size)
{
    struct integer_plan p = {.g = g,
                             .rows =
                                 ISA_PICK(gemm_table)->integers[__builtin_ctzll((uint64_t)size)],
                             .total = g->m * batch_count(g),
                             .group = GRAIN / (g->n * (g->k + 1)) + 1};
    threads_for((p.total + p.group - 1) / p.group, run_integer_chunk, &p);
    return 0;
}

double gemm_dot(fl_dtype dtype, const void *a, const void *b, int64_t n)
{
    assert(n >= 0);
    return kernels_of(dtype)->dot(a, b, n);
}

int gemm_run(const struct gemm *g)
{
    assert(g->m >= 0 && g->n >= 0 && g->k >= 0);
    assert(g->batch_dims >= 0);
    assert(g->bias_kind == GEMM_NO_BIAS || g->bias);
    if (g->m <= 0 || g->n <= 0 || batch_count(g) <= 0)
        return 0;
    if (g->dtype == FL_FLOAT32 || g->dtype == FL_FLOAT64)
        return run_real(g);
    if (g->dtype == FL_FLOAT16 || g->dtype == FL_BFLOAT16)
        return run_half(g);
    if (g->dtype == FL_COMPLEX64 || g->dtype == FL_COMPLEX128)
        return gemm_complex_run(g);
    int64_t size = element_size(g->dtype);
    if (size)
        return run_integer(g, size);
    return error_set(FL_NOT_IMPLEMENTED, "matrix product is not implemented for dtype number %d",
                     (int)g->dtype);
}
