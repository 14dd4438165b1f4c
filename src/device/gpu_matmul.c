/* Matrix products as problems for matmul.gpu. */
#include <assert.h>
#include <string.h>

#include "device/gpu.h"

enum { TILE = 32, SIDE = 8, BATCH_DIMS = 8 };

/* struct fl_product of the text. */
struct product {
    int64_t m, n, k, a_row, a_col, b_row, b_col, c_row, c_col, has_bias;
    int64_t size[BATCH_DIMS], a_batch[BATCH_DIMS], b_batch[BATCH_DIMS], c_batch[BATCH_DIMS];
};

static struct product new_product(void)
{
    struct product p = {0};
    for (int d = 0; d < BATCH_DIMS; d++)
        p.size[d] = 1;
    return p;
}

static size_t tiles(int64_t n)
{
    assert(n >= 0);
    return (size_t)((n + TILE - 1) / TILE);
}

static int run(struct gpu_call *c, const struct product *p, const void *a, const void *b,
               const void *bias, void *y)
{
    size_t batch = 1;
    struct gpu_launch l = {.dims = 2, .local = {SIDE, SIDE}};
    if (p->m == 0 || p->n == 0)
        return 0;
    for (int d = 0; d < BATCH_DIMS; d++)
        batch *= (size_t)p->size[d];
    if (!batch)
        return 0;
    /* All groups along one dim: only the first may be long on every device. */
    l.global[0] = tiles(p->n) * tiles(p->m) * batch * SIDE, l.global[1] = SIDE;
    gpu_bytes(&l, p, sizeof *p);
    gpu_buffer(&l, a ? a : y); /* a factor without elements has no memory; k is 0 then */
    gpu_buffer(&l, b ? b : y);
    gpu_buffer(&l, bias ? bias : y);
    gpu_buffer(&l, y);
    return gpu_go(c, gpu_text_matmul, "product", &l);
}

/* A factor where it lies, if it is of the call's dtype: products take any strides. */
static const fl_tensor *factor(struct gpu_call *c, const fl_tensor *t, const void **data)
{
    if (t->dtype == c->dtype) {
        *data = t->storage && t->numel ? tensor_address(t) : NULL;
        return t;
    }
    *data = gpu_operand(c, t);
    return c->failed ? NULL : c->count && t->numel ? c->made[c->count - 1] : t;
}

int gpu_matmul(struct gpu_call *c)
{
    const void *A, *B;
    const fl_tensor *a = factor(c, gpu_tensor(c, 0), &A), *b = factor(c, gpu_tensor(c, 1), &B);
    fl_tensor *y = c->y[0];
    if (!a || !b)
        return -1;
    bool vector_a = a->ndim == 1, vector_b = b->ndim == 1;
    int batch = y->ndim - !vector_a - !vector_b;
    if (batch > BATCH_DIMS)
        return DEVICE_CANNOT;
    struct product p = new_product();
    p.k = a->sizes[a->ndim - 1], p.a_col = a->strides[a->ndim - 1];
    p.b_row = b->strides[vector_b ? 0 : b->ndim - 2];
    p.m = vector_a ? 1 : a->sizes[a->ndim - 2], p.a_row = vector_a ? 0 : a->strides[a->ndim - 2];
    p.n = vector_b ? 1 : b->sizes[b->ndim - 1], p.b_col = vector_b ? 0 : b->strides[b->ndim - 1];
    p.c_row = vector_a ? 0 : y->strides[y->ndim - 1 - !vector_b];
    p.c_col = vector_b ? 0 : y->strides[y->ndim - 1];
    for (int d = 0; d < batch; d++) {
        int at = BATCH_DIMS - batch + d, i = d - (batch - (a->ndim - 2)),
            j = d - (batch - (b->ndim - 2));
        p.size[at] = y->sizes[d], p.c_batch[at] = y->strides[d];
        p.a_batch[at] = i < 0 || a->ndim < 3 || a->sizes[i] == 1 ? 0 : a->strides[i];
        p.b_batch[at] = j < 0 || b->ndim < 3 || b->sizes[j] == 1 ? 0 : b->strides[j];
    }
    return run(c, &p, A, B, NULL, gpu_result(c, 0));
}

/* y (rows, n) = input (rows, k) times the transpose of weight (n, k), plus bias (n). */
int gpu_linear(struct gpu_call *c)
{
    const fl_tensor *input = gpu_tensor(c, 0), *weight = gpu_tensor(c, 1), *bias = gpu_tensor(c, 2);
    if (weight->ndim != 2 || (bias && bias->numel != weight->sizes[0]))
        return DEVICE_CANNOT;
    struct product p = new_product();
    p.k = weight->sizes[1], p.n = weight->sizes[0], p.m = p.n ? c->y[0]->numel / p.n : 0;
    p.a_row = p.k, p.a_col = 1, p.b_row = 1, p.b_col = p.k, p.c_row = p.n, p.c_col = 1;
    p.has_bias = bias != NULL;
    return run(c, &p, gpu_operand(c, input), gpu_operand(c, weight), gpu_operand(c, bias),
               gpu_result(c, 0));
}

/* y (rows, k) = g (rows, n) times weight (n, k). */
int gpu_linear_backward_input(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *weight = gpu_tensor(c, 1);
    if (weight->ndim != 2)
        return DEVICE_CANNOT;
    struct product p = new_product();
    p.k = weight->sizes[0], p.n = weight->sizes[1], p.m = p.n ? c->y[0]->numel / p.n : 0;
    p.a_row = p.k, p.a_col = 1, p.b_row = p.n, p.b_col = 1, p.c_row = p.n, p.c_col = 1;
    return run(c, &p, gpu_operand(c, g), gpu_operand(c, weight), NULL, gpu_result(c, 0));
}

/* y (n, k) = the transpose of g (rows, n) times input (rows, k). */
int gpu_linear_backward_weight(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *input = gpu_tensor(c, 1);
    if (c->y[0]->ndim != 2)
        return DEVICE_CANNOT;
    struct product p = new_product();
    p.m = c->y[0]->sizes[0], p.n = c->y[0]->sizes[1], p.k = p.n ? input->numel / p.n : 0;
    p.a_row = 1, p.a_col = p.m, p.b_row = p.n, p.b_col = 1, p.c_row = p.n, p.c_col = 1;
    return run(c, &p, gpu_operand(c, g), gpu_operand(c, input), NULL, gpu_result(c, 0));
}
