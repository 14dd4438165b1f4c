/* Attention in one pass: a block of rows at a time, whose scores stay in cache.
 *
 * A task is a block of rows of one head (backward: a head, block by block, so that each key's
 * gradient is one sum in order). It multiplies its queries with the keys, masks, takes the softmax
 * and multiplies with the values; scores are never kept. The gradient makes them again. Causal
 * blocks stop at their last row's key. Blocks depend on the sizes alone.
 */
#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/attention/attention.h"
#include "ops/matmul/gemm.h"
#include "ops/norm/norm.h"
#include "ops/norm/norm_work.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { BLOCK_SCORES = 1 << 16, LEAST_ROWS = 16, CAUSAL_ROWS = 32, MOST_ROWS = 128 };

/* Matrices, one a head, as they lie: their columns are neighbours, since programs make heads of a row's
 * parts and turn dims around. Strides in elements, over the batch dims and the rows. */
struct matrices {
    char *data;
    const int64_t *strides;
    int64_t row;
};

struct job {
    int dtype; /* float32 or float64, which all but a bool mask are of */
    int64_t size;
    int64_t heads, rows, keys, features, width; /* width: features of a value */
    struct matrices q, k, v, g, y, dq, dk, dv;
    const fl_tensor *mask;
    int64_t mask_strides[TENSOR_MAX_DIMS]; /* over the batch dims, rows and keys; 0: broadcast */
    int batch_dims;
    const int64_t *batch;
    bool causal;
    double scale;
    int64_t block, blocks; /* rows of a block; blocks of a head */
    const struct norm_kernels *kernels;
    _Atomic int failed;
};

/* One block: its rows, the keys they may see, and room for scores, three times (rows, seen). */
struct block {
    int64_t head, row, rows, seen;
    char *queries; /* (rows, features), scaled */
    char *scores, *weights, *spare;
};

static void multiply(struct job *j, int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row,
                     int64_t a_col, const void *b, int64_t b_row, int64_t b_col, void *c,
                     int64_t c_row, bool accumulate)
{
    assert(m >= 0 && n >= 0 && k >= 0);
    const struct gemm g = {.dtype = (fl_dtype)j->dtype,
                           .m = m,
                           .n = n,
                           .k = k,
                           .a = a,
                           .a_row = a_row,
                           .a_col = a_col,
                           .b = b,
                           .b_row = b_row,
                           .b_col = b_col,
                           .c = c,
                           .c_row = c_row,
                           .c_col = 1,
                           .accumulate = accumulate};
    if (gemm_run(&g))
        atomic_store(&j->failed, 1);
}

#define SCALE(type)                                                                                \
    for (int64_t i = 0; i < n; i++)                                                                \
    ((type *)to)[i] = ((const type *)from)[i] * (type)factor

static void scale_row(const struct job *j, int64_t n, const void *from, double factor, void *to)
{
    assert(j->dtype == FL_FLOAT32 || j->dtype == FL_FLOAT64);
    if (j->dtype == FL_FLOAT32)
        SCALE(float);
    else
        SCALE(double);
}

/* Rows of `features` elements, each row its pitch behind the one before. */
static void scale(const struct job *j, int64_t rows, const char *from, int64_t from_row, char *to,
                  int64_t to_row)
{
    assert(rows >= 0);
    int64_t n = j->features;
    if (from_row == n && to_row == n)
        n *= rows, rows = 1;
    for (int64_t i = 0; i < rows; i++)
        scale_row(j, n, from + i * from_row * j->size, j->scale, to + i * to_row * j->size);
}

/* Where a head begins, in elements; strides over the batch dims. */
static int64_t head_offset(const struct job *j, const int64_t *strides, int64_t head)
{
    assert(head >= 0 && head < j->heads);
    int64_t offset = 0;
    for (int d = j->batch_dims - 1; d >= 0; d--) {
        offset += head % j->batch[d] * strides[d];
        head /= j->batch[d];
    }
    return offset;
}

static char *row_of(const struct job *j, const struct matrices *m, int64_t head, int64_t row)
{
    return m->data + (head_offset(j, m->strides, head) + row * m->row) * j->size;
}

/* ---- Masks ----------------------------------------------------------------------------------- */

/* One row of scores, `seen` of them and the first `open` not behind the own place. False where a
 * bool mask leaves nothing. */
#define MASK_ROW(name, type)                                                                       \
    static bool name(type *s, int64_t seen, int64_t open, const type *added, const uint8_t *shown, \
                     int64_t step)                                                                 \
    {                                                                                              \
        bool any = !shown;                                                                         \
        for (int64_t i = open; i < seen; i++)                                                      \
            s[i] = -INFINITY;                                                                      \
        for (int64_t i = 0; added && i < open; i++)                                                \
            s[i] += added[i * step];                                                               \
        for (int64_t i = 0; shown && i < open; i++) {                                              \
            any |= shown[i * step] != 0;                                                           \
            s[i] = shown[i * step] ? s[i] : -INFINITY;                                             \
        }                                                                                          \
        return any;                                                                                \
    }

MASK_ROW(mask_row_f32, float)
MASK_ROW(mask_row_f64, double)

static bool mask_row(const struct job *j, const struct block *b, int64_t i)
{
    assert(i >= 0 && i < b->rows);
    const int64_t own = j->causal ? b->row + i + 1 : b->seen, open = own < b->seen ? own : b->seen;
    char *s = b->scores + i * b->seen * j->size;
    const char *mask = NULL;
    int64_t step = 0;
    bool truth = j->mask && j->mask->dtype == FL_BOOL;
    if (j->mask) {
        const int64_t *strides = j->mask_strides + j->batch_dims;
        const int64_t at = head_offset(j, j->mask_strides, b->head) + (b->row + i) * strides[0];
        mask = (const char *)tensor_data(j->mask) + at * (truth ? 1 : j->size), step = strides[1];
    }
    const void *added = truth ? NULL : mask;
    const uint8_t *shown = truth ? (const uint8_t *)mask : NULL;
    return j->dtype == FL_FLOAT32 ? mask_row_f32((float *)s, b->seen, open, added, shown, step)
                                  : mask_row_f64((double *)s, b->seen, open, added, shown, step);
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* Fills b->queries and b->weights, the softmax of the block's scores. A row that may look nowhere
 * weighs nothing. */
static void weigh(struct job *j, const struct block *b)
{
    assert(b->rows <= MOST_ROWS && b->seen <= j->keys);
    bool shown[MOST_ROWS];
    scale(j, b->rows, row_of(j, &j->q, b->head, b->row), j->q.row, b->queries, j->features);
    multiply(j, b->rows, b->seen, j->features, b->queries, j->features, 1,
             row_of(j, &j->k, b->head, 0), 1, j->k.row, b->scores, b->seen, false);
    for (int64_t i = 0; i < b->rows; i++)
        shown[i] = (j->causal || j->mask) ? mask_row(j, b, i) : true;
    j->kernels->softmax(b->rows, b->seen, b->scores, b->weights, false);
    for (int64_t i = 0; i < b->rows; i++)
        if (!shown[i])
            memset(b->weights + i * b->seen * j->size, 0, (size_t)(b->seen * j->size));
}

static void forward_block(struct job *j, const struct block *b)
{
    weigh(j, b);
    multiply(j, b->rows, j->width, b->seen, b->weights, b->seen, 1, row_of(j, &j->v, b->head, 0),
             j->v.row, 1, row_of(j, &j->y, b->head, b->row), j->y.row, false);
}

/* With weights p and scores s: dv += pᵀ g, dp = g vᵀ, ds = the softmax's gradient of dp,
 * dq = ds k scale, dk += dsᵀ (q scale). */
static void backward_block(struct job *j, const struct block *b)
{
    const char *g = row_of(j, &j->g, b->head, b->row), *k = row_of(j, &j->k, b->head, 0);
    char *dq = row_of(j, &j->dq, b->head, b->row);
    weigh(j, b);
    multiply(j, b->seen, j->width, b->rows, b->weights, 1, b->seen, g, j->g.row, 1,
             row_of(j, &j->dv, b->head, 0), j->dv.row, true);
    multiply(j, b->rows, b->seen, j->width, g, j->g.row, 1, row_of(j, &j->v, b->head, 0), 1,
             j->v.row, b->spare, b->seen, false);
    j->kernels->softmax_backward(b->rows, b->seen, b->spare, b->weights, b->scores, false);
    multiply(j, b->rows, j->features, b->seen, b->scores, b->seen, 1, k, j->k.row, 1, dq, j->dq.row,
             false);
    scale(j, b->rows, dq, j->dq.row, dq, j->dq.row);
    multiply(j, b->seen, j->features, b->rows, b->scores, 1, b->seen, b->queries, j->features, 1,
             row_of(j, &j->dk, b->head, 0), j->dk.row, true);
}

static void run_blocks(struct job *j, int64_t head, int64_t first, int64_t end,
                       void (*run)(struct job *, const struct block *))
{
    assert(first <= end && end <= j->blocks);
    const int64_t scores = j->block * j->keys * j->size;
    const size_t bytes = (size_t)(3 * scores + j->block * j->features * j->size);
    char *room = memory_alloc(bytes);
    if (!room) {
        atomic_store(&j->failed, 1);
        return;
    }
    for (int64_t i = first; i < end; i++) {
        struct block b = {.head = head,
                          .row = i * j->block,
                          .scores = room,
                          .weights = room + scores,
                          .spare = room + 2 * scores,
                          .queries = room + 3 * scores};
        b.rows = j->rows - b.row < j->block ? j->rows - b.row : j->block;
        b.seen = j->causal && b.row + b.rows < j->keys ? b.row + b.rows : j->keys;
        run(j, &b);
    }
    memory_free(room, bytes);
}

static void forward_task(void *context, int64_t task)
{
    assert(task >= 0 && task < ((struct job *)context)->heads * ((struct job *)context)->blocks);
    struct job *j = context;
    const int64_t block = task % j->blocks;
    run_blocks(j, task / j->blocks, block, block + 1, forward_block);
}

static void backward_task(void *context, int64_t head)
{
    struct job *j = context;
    run_blocks(j, head, 0, j->blocks, backward_block);
}

/* ---- The operators --------------------------------------------------------------------------- */

static struct matrices matrices_of(const fl_tensor *t)
{
    assert(t->ndim >= 2);
    return (struct matrices){tensor_data(t), t->strides, t->strides[t->ndim - 2]};
}

static bool has_rows(const fl_tensor *t, int work)
{
    return t->dtype == work &&
           (t->flags & TENSOR_CONTIGUOUS || (t->ndim >= 2 && t->strides[t->ndim - 1] == 1));
}

/* An operand as it lies where its columns are neighbours, else a copy; for the caller to release. */
static fl_tensor *rows_as(fl_tensor *t, int work)
{
    return has_rows(t, work) ? tensor_retain(t) : tensor_as(t, work);
}

/* The same of a result: itself, or room for it. */
static fl_tensor *room_for(fl_tensor *y, int work)
{
    return has_rows(y, work) && tensor_is_dense(y) ? tensor_retain(y)
                                                   : tensor_new(y->ndim, y->sizes, work);
}

static void set_up(struct job *j, const fl_tensor *q, const fl_tensor *k, const fl_tensor *v,
                   const fl_tensor *mask)
{
    assert(q->ndim == k->ndim && q->ndim == v->ndim && q->ndim >= 2);
    const int n = q->ndim;
    j->rows = q->sizes[n - 2], j->features = q->sizes[n - 1];
    j->keys = k->sizes[n - 2], j->width = v->sizes[n - 1];
    j->size = (int64_t)dtype_size(j->dtype);
    j->batch_dims = n - 2, j->batch = q->sizes, j->heads = 1;
    for (int d = 0; d < n - 2; d++)
        j->heads *= q->sizes[d];
    j->kernels = &ISA_PICK(norm_table)->type[j->dtype == FL_FLOAT64];
    j->mask = mask;
    for (int d = 0; mask && d < n; d++) {
        const int own = d - (n - mask->ndim);
        j->mask_strides[d] = own < 0 || mask->sizes[own] == 1 ? 0 : mask->strides[own];
    }
    j->block = BLOCK_SCORES / (j->keys + 1);
    j->block = j->block < LEAST_ROWS ? LEAST_ROWS : j->block > MOST_ROWS ? MOST_ROWS : j->block;
    /* What a row computes behind its own key is for nothing. */
    if (j->causal && j->block > CAUSAL_ROWS)
        j->block = CAUSAL_ROWS;
    j->block = j->block > j->rows ? j->rows : j->block;
    j->blocks = j->block ? (j->rows + j->block - 1) / j->block : 0;
    j->q = matrices_of(q), j->k = matrices_of(k), j->v = matrices_of(v);
}

/* Runs forward into y[0], or, where g is given, backward into y[0] to y[2]: dq, dk, dv. */
static int run(fl_tensor *g, fl_tensor *query, fl_tensor *key, fl_tensor *value, fl_tensor *mask,
               bool is_causal, double scale_by, fl_tensor **y)
{
    struct job j = {.dtype = norm_work_of(query->dtype), .causal = is_causal, .scale = scale_by};
    const int results = g ? 3 : 1;
    fl_tensor *made[3] = {NULL, NULL, NULL}, *from = NULL, *seen = NULL;
    fl_tensor *q = rows_as(query, j.dtype), *k = rows_as(key, j.dtype),
              *v = rows_as(value, j.dtype);
    int status = q && k && v ? 0 : -1;
    if (mask && !(seen = tensor_as(mask, mask->dtype == FL_BOOL ? FL_BOOL : j.dtype)))
        status = -1;
    if (g && !(from = rows_as(g, j.dtype)))
        status = -1;
    for (int i = 0; i < results && status == 0; i++)
        status = (made[i] = room_for(y[i], j.dtype)) ? 0 : -1;
    if (status == 0) {
        set_up(&j, q, k, v, seen);
        if (g) {
            j.g = matrices_of(from), j.dq = matrices_of(made[0]);
            j.dk = matrices_of(made[1]), j.dv = matrices_of(made[2]);
            for (int i = 1; i < 3; i++)
                memset(tensor_data(made[i]), 0, (size_t)(made[i]->numel * j.size));
            threads_for(j.heads, backward_task, &j);
        } else {
            j.y = matrices_of(made[0]);
            threads_for(j.heads * j.blocks, forward_task, &j);
        }
        if (atomic_load(&j.failed))
            status = error_set(FL_OUT_OF_MEMORY, "attention: no memory for the scores of a block");
    }
    for (int i = 0; i < results && status == 0; i++)
        status = norm_work_put(y[i], made[i]);
    for (int i = 0; i < 3; i++)
        tensor_release(made[i]);
    tensor_release(q), tensor_release(k), tensor_release(v);
    tensor_release(seen), tensor_release(from);
    return status;
}

/* Heads that a program has turned back and forth lie in the result as in the operand, so that turning
 * them once more is a view. */
static void lie_as(struct op_shape *y, const fl_tensor *t)
{
    assert(y->ndim == t->ndim);
    if (t->flags & TENSOR_CONTIGUOUS || !tensor_is_dense(t) || t->strides[t->ndim - 1] != 1)
        return;
    y->strided = true;
    memcpy(y->strides, t->strides, sizeof *y->strides * (size_t)t->ndim);
}

int attention_shape(fl_tensor *query, fl_tensor *key, fl_tensor *value, fl_tensor *mask,
                    bool is_causal, double scale_by, struct op_shape *y)
{
    (void)is_causal, (void)scale_by;
    if (!attention_fits(query, key, value, mask))
        return error_set(FL_RUNTIME_ERROR, "attention: query, key, value and mask do not fit "
                                           "together");
    op_shape_like(y, query);
    y->sizes[query->ndim - 1] = value->sizes[query->ndim - 1];
    if (y->sizes[query->ndim - 1] == query->sizes[query->ndim - 1])
        lie_as(y, query);
    return 0;
}

int attention_cpu(fl_tensor *query, fl_tensor *key, fl_tensor *value, fl_tensor *mask,
                  bool is_causal, double scale_by, fl_tensor *y)
{
    return run(NULL, query, key, value, mask, is_causal, scale_by, &y);
}

int attention_backward_shape(fl_tensor *g, fl_tensor *query, fl_tensor *key, fl_tensor *value,
                             fl_tensor *mask, bool is_causal, double scale_by, struct op_shape *y)
{
    struct op_shape result;
    if (attention_shape(query, key, value, mask, is_causal, scale_by, &result))
        return -1;
    if (g->ndim != result.ndim ||
        memcmp(g->sizes, result.sizes, sizeof *g->sizes * (size_t)g->ndim) != 0)
        return error_set(FL_RUNTIME_ERROR, "attention: the gradient is not of the result's sizes");
    op_shape_like(&y[0], query), op_shape_like(&y[1], key), op_shape_like(&y[2], value);
    lie_as(&y[0], query), lie_as(&y[1], key), lie_as(&y[2], value);
    return 0;
}

int attention_backward_cpu(fl_tensor *g, fl_tensor *query, fl_tensor *key, fl_tensor *value,
                           fl_tensor *mask, bool is_causal, double scale_by, fl_tensor *dq,
                           fl_tensor *dk, fl_tensor *dv)
{
    assert(shape_equal(dq, query) && shape_equal(dk, key) && shape_equal(dv, value));
    return run(g, query, key, value, mask, is_causal, scale_by, (fl_tensor *[]){dq, dk, dv});
}
