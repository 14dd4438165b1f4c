/* Complex matrix products as real ones: the 1m method (Van Zee, "Implementing high-performance
 * complex matrix multiplication via the 1m method", 2020).
 *
 * A (m, k) of pairs is read as a real matrix (m, 2k), C (m, n) as (m, 2n), and each element b of B
 * becomes the block [re b, im b; -im b, re b] of a real matrix (2k, 2n): their real product is the
 * complex one, in place, with bias and accumulation as they stand. B is written out so for each
 * product; A is copied where its columns are not side by side.
 */
#include <assert.h>
#include <stddef.h>

#include "core/memory.h"
#include "ops/matmul/gemm.h"

static void expand_single(const struct gemm *g, const float *b, float *to)
{
    for (int64_t i = 0; i < g->k; i++, to += 4 * g->n)
        for (int64_t j = 0; j < g->n; j++) {
            const float *z = b + 2 * (i * g->b_row + j * g->b_col);
            to[2 * j] = z[0], to[2 * j + 1] = z[1];
            to[2 * g->n + 2 * j] = -z[1], to[2 * g->n + 2 * j + 1] = z[0];
        }
}

static void expand_double(const struct gemm *g, const double *b, double *to)
{
    for (int64_t i = 0; i < g->k; i++, to += 4 * g->n)
        for (int64_t j = 0; j < g->n; j++) {
            const double *z = b + 2 * (i * g->b_row + j * g->b_col);
            to[2 * j] = z[0], to[2 * j + 1] = z[1];
            to[2 * g->n + 2 * j] = -z[1], to[2 * g->n + 2 * j + 1] = z[0];
        }
}

/* A with its columns side by side. */
static void copy_rows(const struct gemm *g, size_t size, const char *a, char *to)
{
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->k; j++, to += size)
            __builtin_memcpy(to, a + (i * g->a_row + j * g->a_col) * (int64_t)size, size);
}

/* Batch number `index` of an operand: its elements' offset. */
static int64_t batch_offset(const struct gemm *g, int64_t index, const int64_t *strides)
{
    assert(index >= 0);
    int64_t offset = 0;
    for (int d = g->batch_dims - 1; d >= 0; d--) {
        offset += index % g->batch_sizes[d] * strides[d];
        index /= g->batch_sizes[d];
    }
    return offset;
}

int gemm_complex_run(const struct gemm *g)
{
    assert(g->dtype == FL_COMPLEX64 || g->dtype == FL_COMPLEX128);
    assert(g->n == 1 || g->c_col == 1);
    const bool single = g->dtype == FL_COMPLEX64, dense = g->k == 1 || g->a_col == 1;
    const size_t size = single ? 8 : 16;
    const size_t b_bytes = 2 * size * (size_t)(g->k * g->n), a_bytes = size * (size_t)(g->m * g->k);
    void *b = memory_alloc(b_bytes + 1), *a = dense ? NULL : memory_alloc(a_bytes + 1);
    int64_t batches = 1;
    int status = b && (dense || a) ? 0 : -1;
    for (int d = 0; d < g->batch_dims; d++)
        batches *= g->batch_sizes[d];
    for (int64_t i = 0; status == 0 && i < batches; i++) {
        const char *from_a = (const char *)g->a + batch_offset(g, i, g->batch_a) * (int64_t)size;
        const char *from_b = (const char *)g->b + batch_offset(g, i, g->batch_b) * (int64_t)size;
        if (single)
            expand_single(g, (const void *)from_b, b);
        else
            expand_double(g, (const void *)from_b, b);
        if (!dense)
            copy_rows(g, size, from_a, a);
        struct gemm real = {
            .dtype = single ? FL_FLOAT32 : FL_FLOAT64,
            .m = g->m,
            .n = 2 * g->n,
            .k = 2 * g->k,
            .a = dense ? from_a : a,
            .a_row = 2 * (dense ? g->a_row : g->k),
            .a_col = 1,
            .b = b,
            .b_row = 2 * g->n,
            .b_col = 1,
            .c = (char *)g->c + batch_offset(g, i, g->batch_c) * (int64_t)size,
            .c_row = 2 * g->c_row,
            .c_col = 1,
            .accumulate = g->accumulate,
            .bias_kind = g->bias_kind,
            .bias = g->bias,
        };
        status = gemm_run(&real);
    }
    memory_free(b, b_bytes + 1);
    if (a)
        memory_free(a, a_bytes + 1);
    return status;
}
