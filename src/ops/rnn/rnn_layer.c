/* One layer of a recurrent net in one direction, forward and backward.
 *
 * Forward: the input's part of all gates is one product over the whole sequence, written where the
 * steps will read it; then the steps (rnn_sweep.h). Backward: the steps leave the gradients of the
 * gates' sums; those of input, weights and biases are products over the whole sequence again. What
 * is kept between the two is one matrix, a row for each row of the input (rnn.h).
 */
#include <assert.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "ops/op.h"
#include "ops/rnn/rnn_sweep.h"
#include "ops_kernels.h"

static const int GATES[RNN_CELLS] = {4, 3, 1, 1}, KEPT[RNN_CELLS] = {5, 4, 1, 1};

/* ---- Sizes ----------------------------------------------------------------------------------- */

static int check_dtype(const char *name, const fl_tensor *t, int dtype)
{
    if (!t || t->dtype == dtype)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "%s and input tensors are not the same dtype, found input tensor with %s and "
                     "%s tensor with %s",
                     name, dtype_title(dtype), name, dtype_title(t->dtype));
}

static int check_matrix(const char *name, const fl_tensor *t, int64_t rows, int64_t cols)
{
    char got[128];
    if (t && t->ndim == 2 && t->sizes[0] == rows && t->sizes[1] == cols)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "Expected %s size (%lld, %lld), got %s", name,
                     (long long)rows, (long long)cols,
                     t ? shape_text(got, sizeof got, t->ndim, t->sizes) : "none");
}

/* Steps and batch of so many packed rows. */
static int count_packed(const fl_tensor *batch_sizes, struct rnn_sizes *n)
{
    int64_t sum = 0, last = INT64_MAX;
    if (batch_sizes->ndim != 1 || batch_sizes->dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR, "batch_sizes must be a vector of int64");
    const int64_t *sizes = tensor_data(batch_sizes);
    n->steps = batch_sizes->numel;
    for (int64_t t = 0; t < n->steps; t++) {
        const int64_t size = sizes[t * batch_sizes->strides[0]];
        if (size <= 0 || size > last || size > n->rows - sum)
            return error_set(FL_RUNTIME_ERROR,
                             "batch_sizes must be positive, not increase, and sum up to the %lld "
                             "rows of the data",
                             (long long)n->rows);
        n->batch = t == 0 ? size : n->batch;
        last = size, sum += size;
    }
    if (sum != n->rows)
        return error_set(FL_RUNTIME_ERROR, "batch_sizes sum up to %lld, the data has %lld rows",
                         (long long)sum, (long long)n->rows);
    return 0;
}

/* Steps, batch and rows, of a padded input or of a packed one. */
static int count_rows(fl_tensor *input, fl_tensor *batch_sizes, struct rnn_sizes *n)
{
    const int ndim = batch_sizes ? 2 : 3;
    if (input->ndim != ndim)
        return error_set(FL_RUNTIME_ERROR, "input must have %d dimensions, got %d", ndim,
                         input->ndim);
    n->in = input->sizes[ndim - 1];
    if (!batch_sizes) {
        n->steps = input->sizes[0], n->batch = input->sizes[1];
        n->rows = n->steps * n->batch;
    } else {
        fl_tensor *here = tensor_host(batch_sizes);
        n->rows = input->sizes[0];
        const int status = here ? count_packed(here, n) : -1;
        tensor_release(here);
        if (status)
            return -1;
    }
    if (n->steps == 0)
        return error_set(FL_RUNTIME_ERROR, "Expected sequence length to be larger than 0 in RNN");
    return 0;
}

static int sizes_of(fl_tensor *input, fl_tensor *batch_sizes, fl_tensor *hx, fl_tensor *w_ih,
                    fl_tensor *w_hh, fl_tensor *w_hr, int64_t cell, bool reverse,
                    struct rnn_sizes *n)
{
    *n = (struct rnn_sizes){.cell = (enum rnn_cell)cell, .reverse = reverse, .projected = w_hr};
    if (cell < 0 || cell >= RNN_CELLS || (w_hr && cell != RNN_LSTM))
        return error_set(FL_RUNTIME_ERROR, "there is no recurrent cell number %lld%s",
                         (long long)cell, w_hr ? " with a projection" : "");
    if (count_rows(input, batch_sizes, n))
        return -1;
    if (w_ih->ndim != 2 || w_hh->ndim != 2 || hx->ndim != 2 || (w_hr && w_hr->ndim != 2))
        return error_set(FL_RUNTIME_ERROR, "weights and states of a recurrent layer must be "
                                           "matrices");
    n->P = w_hh->sizes[1];
    n->H = w_hr ? w_hr->sizes[1] : n->P;
    n->gates = GATES[cell] * n->H;
    n->saved = KEPT[cell] * n->H + n->P;
    return 0;
}

static int check_bias(const char *name, const fl_tensor *t, int64_t size)
{
    char got[128];
    if (!t || (t->ndim == 1 && t->sizes[0] == size))
        return 0;
    return error_set(FL_RUNTIME_ERROR, "Expected %s size (%lld), got %s", name, (long long)size,
                     shape_text(got, sizeof got, t->ndim, t->sizes));
}

static void shape_matrix(struct op_shape *y, int64_t rows, int64_t cols)
{
    assert(rows >= 0 && cols >= 0);
    op_shape_set(y, 2, (int64_t[]){rows, cols});
}

int rnn_layer_shape(fl_tensor *input, fl_tensor *batch_sizes, fl_tensor *hx, fl_tensor *cx,
                    fl_tensor *w_ih, fl_tensor *w_hh, fl_tensor *b_ih, fl_tensor *b_hh,
                    fl_tensor *w_hr, int64_t cell, bool reverse, struct op_shape *y)
{
    struct rnn_sizes n;
    int dtype = input->dtype;
    if (check_dtype("hidden", hx, dtype) || check_dtype("cell", cx, dtype) ||
        check_dtype("weight", w_ih, dtype) || check_dtype("weight", w_hh, dtype) ||
        check_dtype("bias", b_ih, dtype) || check_dtype("bias", b_hh, dtype) ||
        check_dtype("projection", w_hr, dtype) ||
        sizes_of(input, batch_sizes, hx, w_ih, w_hh, w_hr, cell, reverse, &n) ||
        check_matrix("weight_ih", w_ih, n.gates, n.in) ||
        check_matrix("weight_hh", w_hh, n.gates, n.P) ||
        (w_hr && check_matrix("weight_hr", w_hr, n.P, n.H)) ||
        check_bias("bias_ih", b_ih, n.gates) || check_bias("bias_hh", b_hh, n.gates) ||
        check_matrix("hidden[0]", hx, n.batch, n.P) ||
        (cell == RNN_LSTM && check_matrix("hidden[1]", cx, n.batch, n.H)))
        return -1;
    op_shape_like(&y[0], input);
    y[0].sizes[input->ndim - 1] = n.P;
    shape_matrix(&y[1], n.batch, n.P);
    shape_matrix(&y[2], cell == RNN_LSTM ? n.batch : 0, n.H);
    shape_matrix(&y[3], n.rows, n.saved);
    y[3].dtype = compute_dtype(compute_of(dtype));
    return 0;
}

/* ---- Operands -------------------------------------------------------------------------------- */

/* Operands as contiguous tensors of the type of work, and results' room of that type: copies where
 * they are not. */
enum { MOST_TENSORS = 24 };

struct tensors {
    int work, count;
    bool failed;
    fl_tensor *held[MOST_TENSORS], *result[MOST_TENSORS]; /* result: where a room goes, or NULL */
};

static void *hold(struct tensors *ts, fl_tensor *held, fl_tensor *result)
{
    assert(ts->count < MOST_TENSORS);
    ts->held[ts->count] = held, ts->result[ts->count++] = result;
    ts->failed |= !held;
    return held ? tensor_data(held) : NULL;
}

static void *operand(struct tensors *ts, fl_tensor *t)
{
    return t ? hold(ts, tensor_as(t, ts->work), NULL) : NULL;
}

static void *room(struct tensors *ts, fl_tensor *y)
{
    return y->dtype == ts->work ? hold(ts, tensor_retain(y), NULL)
                                : hold(ts, tensor_new(y->ndim, y->sizes, ts->work), y);
}

/* A matrix of the type of work that is needed for this call alone. */
static void *scratch(struct tensors *ts, int64_t rows, int64_t cols)
{
    assert(rows >= 0 && cols >= 0);
    return hold(ts, tensor_new(2, (int64_t[]){rows, cols}, ts->work), NULL);
}

static int finish(struct tensors *ts, int status)
{
    for (int i = 0; i < ts->count; i++) {
        if (status == 0 && ts->result[i])
            status = tensor_copy(ts->result[i], ts->held[i]);
        tensor_release(ts->held[i]);
    }
    return status;
}

/* The first row of each step, and the end of the last; NULL with the error set. */
static int64_t *first_rows(struct tensors *ts, const struct rnn_sizes *n,
                           const fl_tensor *batch_sizes)
{
    int64_t *first = hold(ts, tensor_new(1, (int64_t[]){n->steps + 1}, FL_INT64), NULL);
    if (!first)
        return NULL;
    first[0] = 0;
    for (int64_t t = 0; t < n->steps; t++) {
        int64_t size = n->batch;
        if (batch_sizes)
            size = ((const int64_t *)tensor_data(batch_sizes))[t * batch_sizes->strides[0]];
        first[t + 1] = first[t] + size;
    }
    return first;
}

static void begin(struct rnn_sweep *s, struct tensors *ts, const fl_tensor *batch_sizes)
{
    assert(ts->work == FL_FLOAT32 || ts->work == FL_FLOAT64);
    s->work = (fl_dtype)ts->work;
    s->element = dtype_size(ts->work);
    s->kernels = &ISA_PICK(rnn_table)->type[ts->work == FL_FLOAT64];
    s->first = first_rows(ts, &s->n, batch_sizes);
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* The bias of the input's product: both biases where the hidden part is added to it. */
static const void *whole_bias(const struct rnn_sweep *s, struct tensors *ts, const void *b_ih,
                              const void *b_hh)
{
    if (!b_ih || !b_hh)
        return b_ih ? b_ih : b_hh;
    void *both = scratch(ts, 1, s->n.gates);
    if (both) {
        memcpy(both, b_ih, (size_t)s->n.gates * s->element);
        s->kernels->add(s->n.gates, both, b_hh);
    }
    return both;
}

int rnn_layer_cpu(fl_tensor *input, fl_tensor *batch_sizes, fl_tensor *hx, fl_tensor *cx,
                  fl_tensor *w_ih, fl_tensor *w_hh, fl_tensor *b_ih, fl_tensor *b_hh,
                  fl_tensor *w_hr, int64_t cell, bool reverse, fl_tensor *y, fl_tensor *hy,
                  fl_tensor *cy, fl_tensor *saved)
{
    assert(y->ndim == input->ndim);
    struct rnn_sweep s = {.failed = 0};
    struct tensors ts = {.work = saved->dtype};
    if (sizes_of(input, batch_sizes, hx, w_ih, w_hh, w_hr, cell, reverse, &s.n))
        return -1;
    begin(&s, &ts, batch_sizes);
    const void *x = operand(&ts, input), *w = operand(&ts, w_ih), *u = operand(&ts, w_hh);
    const void *v = operand(&ts, w_hr), *b = operand(&ts, b_ih), *b2 = operand(&ts, b_hh);
    const void *h = operand(&ts, hx), *c = cell == RNN_LSTM ? operand(&ts, cx) : NULL;
    s.saved = tensor_data(saved), s.y = room(&ts, y), s.h = room(&ts, hy), s.c = room(&ts, cy);
    if (cell == RNN_GRU)
        s.hidden_bias = b2;
    else
        b = whole_bias(&s, &ts, b, b2);
    int status = -1;
    if (!ts.failed) {
        if (hy->numel)
            memcpy(s.h, h, (size_t)hy->numel * s.element);
        if (c)
            memcpy(s.c, c, (size_t)cy->numel * s.element);
        struct gemm g = {.dtype = s.work,
                         .m = s.n.rows,
                         .n = s.n.gates,
                         .k = s.n.in,
                         .a = x,
                         .a_row = s.n.in,
                         .a_col = 1,
                         .b = w,
                         .b_row = 1,
                         .b_col = s.n.in,
                         .c = s.saved,
                         .c_row = s.n.saved,
                         .c_col = 1,
                         .bias_kind = b ? GEMM_BIAS_N : GEMM_NO_BIAS,
                         .bias = b};
        status = gemm_run(&g) || rnn_factor_make(&s.weight, &s, s.n.gates, s.n.P, u, 1, s.n.P) ||
                         (v && rnn_factor_make(&s.projection, &s, s.n.P, s.n.H, v, 1, s.n.H)) ||
                         rnn_sweep_forward(&s)
                     ? -1
                     : 0;
    }
    rnn_factor_free(&s.weight), rnn_factor_free(&s.projection);
    return finish(&ts, status);
}

/* ---- Backward -------------------------------------------------------------------------------- */

/* The parameters of _rnn_layer, as `needs` has them. */
enum needs { INPUT = 1, W_IH = 1 << 4, W_HH = 1 << 5, B_IH = 1 << 6, B_HH = 1 << 7, W_HR = 1 << 8 };

int rnn_layer_backward_shape(fl_tensor *g, fl_tensor *gh, fl_tensor *gc, fl_tensor *input,
                             fl_tensor *batch_sizes, fl_tensor *hx, fl_tensor *cx, fl_tensor *w_ih,
                             fl_tensor *w_hh, fl_tensor *b_ih, fl_tensor *b_hh, fl_tensor *w_hr,
                             fl_tensor *saved, int64_t cell, bool reverse, int64_t needs,
                             struct op_shape *y)
{
    (void)g, (void)gh, (void)saved, (void)batch_sizes, (void)cx, (void)cell, (void)reverse;
    fl_tensor *like[8] = {input, hx, gc, w_ih, w_hh, b_ih, b_hh, w_hr};
    const int need[8] = {INPUT, 0, 0, W_IH, W_HH, B_IH, B_HH, W_HR};
    for (int k = 0; k < 8; k++) {
        if (like[k] && (!need[k] || needs & need[k]))
            op_shape_like(&y[k], like[k]);
        else
            op_shape_set(&y[k], 1, (int64_t[]){0});
    }
    return 0;
}

/* C (m, n) = A' (m, rows) B (rows, n), where A (rows, m) has the row pitch a_row: the gradient of a
 * weight. */
static int weight_gradient(const struct rnn_sweep *s, const void *a, int64_t m, const void *b,
                           int64_t b_row, int64_t n, void *c)
{
    assert(m >= 0 && n >= 0);
    struct gemm g = {.dtype = s->work,
                     .m = m,
                     .n = n,
                     .k = s->n.rows,
                     .a = a,
                     .a_row = 1,
                     .a_col = m,
                     .b = b,
                     .b_row = b_row,
                     .b_col = 1,
                     .c = c,
                     .c_row = n,
                     .c_col = 1};
    return gemm_run(&g);
}

/* The sums of the columns: a product with ones. */
static int bias_gradient(const struct rnn_sweep *s, const void *sums, void *out)
{
    const float one = 1;
    const double wide_one = 1;
    struct gemm g = {.dtype = s->work,
                     .m = 1,
                     .n = s->n.gates,
                     .k = s->n.rows,
                     .a = s->work == FL_FLOAT64 ? (const void *)&wide_one : &one,
                     .b = sums,
                     .b_row = s->n.gates,
                     .b_col = 1,
                     .c = out,
                     .c_row = s->n.gates,
                     .c_col = 1};
    return gemm_run(&g);
}

static int input_gradient(const struct rnn_sweep *s, const void *w, void *out)
{
    struct gemm g = {.dtype = s->work,
                     .m = s->n.rows,
                     .n = s->n.in,
                     .k = s->n.gates,
                     .a = s->sums,
                     .a_row = s->n.gates,
                     .a_col = 1,
                     .b = w,
                     .b_row = s->n.in,
                     .b_col = 1,
                     .c = out,
                     .c_row = s->n.in,
                     .c_col = 1};
    return gemm_run(&g);
}

int rnn_layer_backward_cpu(fl_tensor *g, fl_tensor *gh, fl_tensor *gc, fl_tensor *input,
                           fl_tensor *batch_sizes, fl_tensor *hx, fl_tensor *cx, fl_tensor *w_ih,
                           fl_tensor *w_hh, fl_tensor *b_ih, fl_tensor *b_hh, fl_tensor *w_hr,
                           fl_tensor *saved, int64_t cell, bool reverse, int64_t needs,
                           fl_tensor *dx, fl_tensor *dh, fl_tensor *dc, fl_tensor *dw_ih,
                           fl_tensor *dw_hh, fl_tensor *db_ih, fl_tensor *db_hh, fl_tensor *dw_hr)
{
    (void)cx, (void)b_ih, (void)b_hh;
    struct rnn_sweep s = {.failed = 0};
    struct tensors ts = {.work = saved->dtype};
    if (sizes_of(input, batch_sizes, hx, w_ih, w_hh, w_hr, cell, reverse, &s.n))
        return -1;
    const struct rnn_sizes *n = &s.n;
    begin(&s, &ts, batch_sizes);
    fl_tensor *out[8] = {dx, dh, dc, dw_ih, dw_hh, db_ih, db_hh, dw_hr};
    void *to[8];
    for (int k = 0; k < 8; k++)
        to[k] = room(&ts, out[k]);
    const void *x = operand(&ts, input), *w = operand(&ts, w_ih), *u = operand(&ts, w_hh);
    const void *v = operand(&ts, w_hr), *h = operand(&ts, gh), *c = operand(&ts, gc);
    s.g = operand(&ts, g), s.saved = tensor_data(saved), s.h = to[1], s.c = to[2];
    s.sums = scratch(&ts, n->rows, n->gates);
    s.hidden_sums = cell == RNN_GRU ? scratch(&ts, n->rows, n->gates) : NULL;
    if (v) {
        s.output = scratch(&ts, n->rows, n->H);
        s.output_sums = scratch(&ts, n->rows, n->P);
    }
    int status = -1;
    if (!ts.failed) {
        const void *sums = cell == RNN_GRU ? s.hidden_sums : s.sums;
        const char *before = (const char *)s.saved + (size_t)(n->saved - n->P) * s.element;
        if (dh->numel)
            memcpy(s.h, h, (size_t)dh->numel * s.element);
        if (dc->numel)
            memcpy(s.c, c, (size_t)dc->numel * s.element);
        status = rnn_factor_make(&s.weight, &s, n->P, n->gates, u, n->P, 1) ||
                         (v && rnn_factor_make(&s.projection, &s, n->H, n->P, v, n->H, 1)) ||
                         rnn_sweep_backward(&s) ||
                         (needs & INPUT && input_gradient(&s, w, to[0])) ||
                         (needs & W_IH &&
                          weight_gradient(&s, s.sums, n->gates, x, n->in, n->in, to[3])) ||
                         (needs & W_HH &&
                          weight_gradient(&s, sums, n->gates, before, n->saved, n->P, to[4])) ||
                         (needs & B_IH && bias_gradient(&s, s.sums, to[5])) ||
                         (needs & B_HH && bias_gradient(&s, sums, to[6])) ||
                         (needs & W_HR &&
                          weight_gradient(&s, s.output_sums, n->P, s.output, n->H, n->H, to[7]))
                     ? -1
                     : 0;
    }
    rnn_factor_free(&s.weight), rnn_factor_free(&s.projection);
    return finish(&ts, status);
}
