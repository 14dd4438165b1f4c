/* LAPACK and BLAS in double, of a library that is opened on first use.
 *
 * It serves large matrices, for which it is faster than the plain kernels of dense.h; nothing needs
 * it. Looked for are FLAMBEAU_LAPACK (a path; "none": no library), the wheel scipy-openblas32
 * beside this library, and the system's OpenBLAS, MKL or LAPACK. Matrices are row after row; each function
 * does what its namesake in dense.h does and returns false, with nothing changed, where there is no
 * library or no memory.
 */
#ifndef FLAMBEAU_OPS_LINALG_LAPACK_H
#define FLAMBEAU_OPS_LINALG_LAPACK_H

#include <stdbool.h>
#include <stdint.h>

/* Opens the library: 0, or -1 with an error where FLAMBEAU_LAPACK names one that cannot be used.
 * The path of the library in use, NULL: none. */
int lapack_open(void);
const char *lapack_path(void);

bool lapack_cholesky(int parts, int64_t n, double *a, int *info);
bool lapack_lu(int parts, int64_t m, int64_t n, double *a, int32_t *pivots, int *info);
bool lapack_solve(int parts, int64_t n, int64_t k, const double *a, double *b, bool upper,
                  bool unit);
bool lapack_multiply(int parts, int64_t m, int64_t k, int64_t n, const double *a, const double *b,
                     double *y);
bool lapack_qr(int parts, int64_t m, int64_t n, double *a, double *tau);
bool lapack_apply(int parts, int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                  const double *tau, double *c, bool transposed);
bool lapack_eigen(int parts, int64_t n, double *a, double *d, double *z, bool *converged);
bool lapack_svd(int parts, int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u,
                double *v, bool *converged);

#endif
