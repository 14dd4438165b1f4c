/* Dense matrix products over pointers, sizes and strides: C = [C +] A·B, with bias and activation.
 *
 * Each element of C is a chain of fused multiply-adds over blocks of at most GEMM_DEPTH_F32 (F64)
 * steps of k, in order, and the blocks' sums are added in order: the same on every instruction set
 * and for any number of threads. What is cut over threads is C alone.
 */
#ifndef FLAMBEAU_OPS_MATMUL_GEMM_H
#define FLAMBEAU_OPS_MATMUL_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/isa.h"
#include "flambeau/base.h"

enum { GEMM_DEPTH_F32 = 256, GEMM_DEPTH_F64 = 192 };
enum { GEMM_FEW_ROWS = 4 }; /* so few rows meet B where it lies: packing it would cost more */

enum gemm_bias { GEMM_NO_BIAS, GEMM_BIAS_N, GEMM_BIAS_M }; /* one value a column of C; one a row */
enum gemm_activation { GEMM_LINEAR, GEMM_RELU };

/* A (m, k) times B (k, n) into C (m, n). Strides are in elements and may be any (0 and negative
 * too, for A and B); C does not overlap itself, A or B. dtype is that of all operands: float32,
 * float64, float16 and bfloat16 (summed in float32, rounded once), or an integer type (which wraps
 * around), or complex64 and complex128. */
struct gemm {
    fl_dtype dtype;
    int64_t m, n, k;
    const void *a;
    int64_t a_row, a_col;
    const void *b;
    int64_t b_row, b_col;
    void *c;
    int64_t c_row, c_col;
    bool accumulate; /* add to what C holds; k = 0 leaves C + bias */
    enum gemm_bias bias_kind;
    const void *bias; /* contiguous; floating dtypes alone */
    enum gemm_activation activation;
    /* The problem is repeated over batch_dims dimensions; strides in elements, 0 repeats an
     * operand. 0 dimensions: once. The bias is the same for all. */
    int batch_dims;
    const int64_t *batch_sizes, *batch_a, *batch_b, *batch_c;
};

/* Returns 0, or -1 with the error set (out of memory, or a dtype it does not know). */
int gemm_run(const struct gemm *g);
/* gemm_complex.c: the same of complex64 and complex128; C's columns are side by side. */
int gemm_complex_run(const struct gemm *g);
/* The sum of a[i] * b[i] for i < n, both contiguous, float32 or float64: GEMM_DOT_SUMS sums,
 * element i in number i % GEMM_DOT_SUMS, added up in pairs. */
enum { GEMM_DOT_SUMS = 64 };
double gemm_dot(fl_dtype dtype, const void *a, const void *b, int64_t n);

/* ---- A right factor that serves many products ------------------------------------------------ */

/* B (k, n) of float32 or float64 in the order in which the kernel reads it: the weight of a
 * recurrence, made once and used at every step. */
struct gemm_packed {
    fl_dtype dtype;
    int64_t n, k;
    void *panels;
    size_t bytes;
};
/* 0, or -1 with the error set (out of memory). Released by gemm_packed_free, also one of zeros. */
int gemm_pack(struct gemm_packed *p, fl_dtype dtype, int64_t n, int64_t k, const void *b,
              int64_t b_row, int64_t b_col);
void gemm_packed_free(struct gemm_packed *p);
/* C (m, n) = [C +] A (m, k) · B + bias, on the calling thread: the bits of gemm_run. The columns of
 * A and of C are contiguous; bias is a value a column, or NULL. */
void gemm_packed_run(const struct gemm_packed *p, int64_t m, const void *a, int64_t a_row, void *c,
                     int64_t c_row, bool accumulate, const void *bias);

/* ---- The building block, also of convolutions ------------------------------------------------ */

/* One tile: C (mr, nr) = [C +] the sum over `batch` of A_i (mr, depth) · B_i (depth, nr), mr and nr
 * at most the kernel's `rows` and `cols`. A_i begins at a + a_offsets[i] and has any strides; B_i
 * begins at b + b_offsets[i] and its rows, b_step apart, are read in whole vectors. Without
 * b_offsets the blocks B_i lie one after the other; without a_offsets A_i are all at a. The biases
 * point at the tile's first element or are NULL, and are added last, before the activation. */
struct gemm_tile {
    int mr, nr;
    int64_t batch;
    const int64_t *a_offsets, *b_offsets;
    int64_t depth;
    const void *a;
    int64_t a_row, a_step;
    const void *b;
    int64_t b_step;
    void *c;
    int64_t c_row, c_col;
    bool accumulate, relu;
    const void *bias_m, *bias_n;
};

/* A block of C of any size, on one thread: packs, and loops over tiles. `scratch` holds
 * gemm_scratch elements, aligned to 64 bytes. */
struct gemm_block {
    int64_t m, n, k;
    int64_t max_depth;
    const void *a;
    int64_t a_row, a_col;
    int64_t
        a_rows; /* how many rows of A there are from `a` on, those behind the block's included */
    const void *b;
    int64_t b_row, b_col;
    void *c;
    int64_t c_row, c_col;
    bool accumulate, relu;
    const void *bias_m, *bias_n;
    bool pack_a, pack_b; /* advice: what cannot be used as it lies is packed anyway */
    const void *packed_b; /* B as `pack` wrote it, or NULL: then b is not read */
    void *scratch;
};

/* Groups of rows of A that a block packs at a time: together they are whole cache lines of a
 * transposed A. */
enum { GEMM_PACKED_GROUPS = 8 };

/* m rows cut into groups that differ by one row at most: group i is rows m * i / groups to
 * m * (i + 1) / groups - 1. Stepping from one to the next needs no division. */
struct gemm_group {
    int64_t i, row, end;
    int64_t groups, each, extra, rest; /* rest: the remainder of m * (i + 1) / groups */
};

static inline void gemm_next_group(struct gemm_group *g)
{
    g->i++;
    g->row = g->end;
    g->end += g->each;
    g->rest += g->extra;
    if (g->rest >= g->groups)
        g->end++, g->rest -= g->groups;
}

static inline struct gemm_group gemm_first_group(int64_t m, int64_t groups)
{
    struct gemm_group g = {.i = -1, .groups = groups, .each = m / groups};
    g.extra = m - g.each * groups;
    gemm_next_group(&g);
    return g;
}

struct gemm_kernels {
    int rows, cols; /* of the largest tile */
    int lanes;      /* of a vector */
    int panel;      /* the length of a column of packed A: `rows`, rounded up to lanes */
    void (*tile)(const struct gemm_tile *);
    void (*block)(const struct gemm_block *);
    /* Writes the block's B as panels, k * n elements with n rounded up to `cols`. */
    void (*pack)(const struct gemm_block *, void *dst);
    /* dst[j * dst_row + i] = src[i * src_row + j] for i < rows, j < cols. With exact = 0 dst rows
     * are filled up to a multiple of `lanes` with something. */
    void (*transpose)(const void *src, int64_t src_row, int64_t rows, int64_t cols, void *dst,
                      int64_t dst_row, int exact);
    double (*dot)(const void *a, const void *b, int64_t n);
};

struct gemm_table {
    const struct gemm_kernels *f32, *f64;
    /* count elements of float16 or bfloat16 (`bfloat`) to float32 and back, both contiguous */
    void (*widen)(const uint16_t *src, float *dst, int64_t count, bool bfloat);
    void (*narrow)(const float *src, uint16_t *dst, int64_t count, bool bfloat);
    /* Rows begin .. end of one product of integers of 1, 2, 4 and 8 bytes. */
    void (*integers[4])(const struct gemm *g, int64_t begin, int64_t end);
};

FL_SIMD_TABLE(struct gemm_table, gemm_table);

#endif
