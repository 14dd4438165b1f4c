/* Singular values for those who build on them: one matrix in scratch memory. */
#ifndef FLAMBEAU_OPS_LINALG_SINGULAR_H
#define FLAMBEAU_OPS_LINALG_SINGULAR_H

#include "core/tensor.h"

/* A matrix a [m, n], m >= n, and its parts: values d, left vectors, conjugated, in the rows of u
 * [rows, m], right ones in those of v [n, n]. */
struct svd_parts {
    int parts; /* of each number */
    int64_t m, n, rows;
    double *a, *d, *u, *v, *work;
};

/* How many numbers they take, and their places in that many. */
int64_t svd_doubles(int64_t m, int64_t n, int64_t rows);
struct svd_parts svd_place(int parts, int64_t m, int64_t n, int64_t rows, double *scratch);

/* Computes the parts from a. NaN is refused; infinity gives NaN. */
enum { SVD_DONE, SVD_STUCK, SVD_NAN };
int svd_run(const struct svd_parts *s, bool vectors);
/* Refuses what svd_run left in status, int32, one for each matrix. */
int svd_check(const fl_tensor *status, bool batch, const char *function);

/* Fills in the tolerances that were not given (NULL): 0 for atol; for rtol 0 beside an atol above
 * 0, else the rounding of a sum as long as the larger side. */
int matrix_tolerances(fl_tensor *a, fl_tensor **atol, fl_tensor **rtol);

#endif
