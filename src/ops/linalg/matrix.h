/* Batches of matrices: checks that every operator on them makes, and one matrix at a time in
 * double, row after row, whatever its dtype and layout.
 */
#ifndef FLAMBEAU_OPS_LINALG_MATRIX_H
#define FLAMBEAU_OPS_LINALG_MATRIX_H

#include "core/tensor.h"
#include "ops/op.h"

/* Refuses what is not a batch of square floating-point matrices, in PyTorch's words; kernel: what
 * PyTorch's errors call the kernel that halves lack. 0, or -1 with the error. */
int matrix_check_square(const fl_tensor *a, const char *function, const char *kernel);
/* Refuses halves and integers, as `"cholesky_cpu" not implemented for 'Half'`. */
int matrix_check_dtype(const fl_tensor *a, const char *kernel);
/* Refuses a right side of another dtype than that of the matrices. */
int matrix_check_same(const fl_tensor *b, const fl_tensor *a);

/* "(Batch element 3): " for an error about one matrix of a batch, else "". */
enum { MATRIX_NAME = 48 };
const char *matrix_name(char *buffer, bool batch, int64_t index);

/* What is left of sizes in front of the last `dims` ones: the number of matrices or vectors. */
int64_t matrix_count(int ndim, const int64_t *sizes, int dims);
/* y's sizes become those of the batch dims of a and b, broadcast, and rows and columns. */
int matrix_broadcast(const fl_tensor *a, const fl_tensor *b, int64_t rows, int64_t columns,
                     struct op_shape *y);
/* Rows come first in memory, as in LAPACK, whose results PyTorch hands out so. */
void matrix_column_major(struct op_shape *y);

/* Matrix number `index` among the batch dims of `like` (t broadcasts to them), to out [rows,
 * columns], and back. */
void matrix_load(const fl_tensor *t, const fl_tensor *like, int64_t index, double *out);
void matrix_store(fl_tensor *t, int64_t index, const double *in);

/* The sum of a[i] * b[i], in eight lanes. */
static inline double matrix_dot(int64_t n, const double *a, const double *b)
{
    double lane[8] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7])) + rest;
}

/* y[i] -= factor * x[i] */
static inline void matrix_subtract(int64_t n, double *restrict y, double factor,
                                   const double *restrict x)
{
    for (int64_t i = 0; i < n; i++)
        y[i] -= factor * x[i];
}

#endif
