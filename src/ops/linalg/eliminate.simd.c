/* The eliminations of dense.h for matrices of real numbers. */
#include <math.h>

#include "ops/linalg/dense.h"

#define NUMBER         double
#define REAL(x)        (x)
#define CONJUGATE(x)   (x)
#define QUOTIENT(x, y) ((x) / (y))
#define SIZE(x)        fabs(x)
#define dot            dense_dot
#define subtract       dense_subtract

#include "ops/linalg/eliminate.h"

const struct dense_eliminations FL_SIMD(dense_eliminations) = {
    cholesky, lu, exchange, solve, solve_transposed, multiply};
