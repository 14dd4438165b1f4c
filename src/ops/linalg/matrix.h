/* Batches of matrices: checks that every operator on them makes, and one matrix at a time in
 * double, row after row, whatever its dtype and layout; in pairs of doubles where it is complex.
 */
#ifndef FLAMBEAU_OPS_LINALG_MATRIX_H
#define FLAMBEAU_OPS_LINALG_MATRIX_H

#include "core/tensor.h"
#include "ops/op.h"

/* Refuses what is not a batch of square floating-point matrices, in PyTorch's words; kernel: what
 * PyTorch's errors call the kernel that halves lack. 0, or -1 with the error. */
int matrix_check_square(const fl_tensor *a, const char *function, const char *kernel);
/* Refuses what is not a batch of square matrices, whatever their dtype. */
int matrix_check_sides(const fl_tensor *a, const char *function);
/* Refuses halves and integers, as `"cholesky_cpu" not implemented for 'Half'`. */
int matrix_check_dtype(const fl_tensor *a, const char *kernel);
/* Refuses what is no batch of matrices: fewer than two dims, integers, halves. */
int matrix_check(const fl_tensor *a, const char *function, const char *kernel);
/* Refuses a right side of another dtype than that of the matrices. */
int matrix_check_same(const fl_tensor *b, const fl_tensor *a);

/* Whether b is a batch of vectors beside the matrices a, as PyTorch decides it. */
bool matrix_beside_vector(const fl_tensor *a, const fl_tensor *b);

/* Whether values alone do not serve, because a derivative will want the vectors that go with
 * them. */
bool matrix_needs_vectors(const fl_tensor *a);

/* In a composition: t with its last two dims exchanged, and conjugated as well; the Hermitian matrix
 * whose lower triangle, with the real part of its diagonal, is that of t. */
fl_tensor *matrix_turned(fl_tensor *t);
fl_tensor *matrix_adjoint(fl_tensor *t);
fl_tensor *matrix_mirrored(fl_tensor *t);
/* t less its adjoint, with zeros on the diagonal. */
fl_tensor *matrix_skew(fl_tensor *t);

/* 0, or -1 with the error that a loss depends on the phases of vectors, which nothing determines:
 * numbers of the last dim of `turns` have imaginary parts. What the vectors are called. */
int matrix_check_phases(fl_tensor *turns, const char *function, const char *vectors);

/* The doubles that an element takes: 2 of complex ones. */
int matrix_parts(const fl_tensor *t);

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

/* The number among t's own matrices of that which broadcasts to matrix `index` of `like`. */
int64_t matrix_index(const fl_tensor *t, const fl_tensor *like, int64_t index);

/* Matrix number `index` among the batch dims of `like` (t broadcasts to them), to out [rows,
 * columns], and back. */
void matrix_load(const fl_tensor *t, const fl_tensor *like, int64_t index, double *out);
void matrix_store(fl_tensor *t, int64_t index, const double *in);
/* The same with the matrix transposed, and conjugated, on the way: out and in are [columns, rows].
 */
void matrix_load_turned(const fl_tensor *t, const fl_tensor *like, int64_t index, double *out);
void matrix_store_turned(fl_tensor *t, int64_t index, const double *in);
/* Vector number `index` of the contiguous t, whose vectors are its last dim. */
void matrix_store_vector(fl_tensor *t, int64_t index, const double *in);
/* Element number `index` of the contiguous t. */
void matrix_put(fl_tensor *t, int64_t index, double x, double imaginary);

/* What is done to each matrix of a batch, on several threads. `one` gets scratch of its own and
 * sets no error: it leaves a number in an info tensor that is looked at afterwards. */
struct matrix_job {
    void (*one)(const struct matrix_job *job, int64_t index, double *scratch);
    fl_tensor *in[3], *out[4];
    const double *plain; /* numbers of all matrices, where an input has been made double before */
    const int32_t *pivots;
    int64_t rows, columns, few;
    double number;
    bool flag, other;
    int parts; /* of in[0], which matrix_each fills in */
};
/* Runs a job; numbers: how much scratch a matrix needs, in numbers as in[0] has them; work: about
 * how many operations. */
int matrix_each(const struct matrix_job *job, int64_t count, int64_t numbers, int64_t work);

#endif
