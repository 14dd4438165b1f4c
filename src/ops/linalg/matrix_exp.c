/* The exponential of matrices by scaling, the diagonal Pade approximant of degree 13, and squaring
 * (Higham, "The scaling and squaring method for the matrix exponential revisited", 2005). */
#include <math.h>
#include <string.h>

#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/view.h"
#include "ops/linalg/dense.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

int matrix_exp_shape(fl_tensor *self, struct op_shape *y)
{
    if (matrix_check_sides(self, "linalg.matrix_exp"))
        return -1;
    if (!dtype_is_inexact(self->dtype))
        return matrix_check(self, "linalg.matrix_exp", "matrix_exp");
    op_shape_like(y, self);
    y->dtype = self->dtype;
    return 0;
}

static const double TERMS[14] = {64764752532480000,
                                 32382376266240000,
                                 7771770303897600,
                                 1187353796428800,
                                 129060195264000,
                                 10559470521600,
                                 670442572800,
                                 33522128640,
                                 1323241920,
                                 40840800,
                                 960960,
                                 16380,
                                 182,
                                 1};

/* y = c0 I + c2 A^2 + c4 A^4 + c6 A^6, from the powers; c in steps of 2. */
static void even_terms(int parts, int64_t n, const double *const power[3], const double *c,
                       double *y)
{
    for (int64_t i = 0; i < n * n * parts; i++)
        y[i] = (i % ((n + 1) * parts) == 0 ? c[0] : 0) + c[2] * power[0][i] + c[4] * power[1][i] +
               c[6] * power[2][i];
}

static void product(int parts, int64_t n, const double *a, const double *b, double *y)
{
    assert(y != a && y != b);
    memset(y, 0, (size_t)(n * n * parts) * sizeof *y);
    dense_multiply(parts, n, n, n, a, b, y);
}

/* x [n, n] becomes its exponential. work: 6 n n numbers, pivots: n. */
static void exponential(int parts, int64_t n, double *x, double *work, int32_t *pivots)
{
    const int64_t square = n * n * parts;
    double *p2 = work, *p4 = p2 + square, *p6 = p4 + square, *u = p6 + square, *v = u + square;
    double *t = v + square;
    const double *const power[3] = {p2, p4, p6};
    const double high_odd[7] = {0, 0, TERMS[9], 0, TERMS[11], 0, TERMS[13]};
    const double high_even[7] = {0, 0, TERMS[8], 0, TERMS[10], 0, TERMS[12]};
    product(parts, n, x, x, p2), product(parts, n, p2, p2, p4), product(parts, n, p4, p2, p6);
    even_terms(parts, n, power, high_odd, t);
    even_terms(parts, n, power, TERMS + 1, v);
    dense_multiply(parts, n, n, n, p6, t, v);
    product(parts, n, x, v, u);
    even_terms(parts, n, power, high_even, t);
    even_terms(parts, n, power, TERMS, v);
    dense_multiply(parts, n, n, n, p6, t, v);
    for (int64_t i = 0; i < square; i++)
        t[i] = v[i] - u[i], x[i] = v[i] + u[i];
    dense_lu(parts, n, n, t, pivots);
    dense_eliminations_of(parts)->exchange(n, x, n, pivots, false);
    dense_solve(parts, n, n, t, x, false, true);
    dense_solve(parts, n, n, t, x, true, false);
}

static void exp_one(const struct matrix_job *job, int64_t i, double *x)
{
    const double WHERE_EXACT = 5.371920351148152;
    int64_t n = job->rows, square = n * n * job->parts;
    double *work = x + square, norm = 0;
    matrix_load(job->in[0], job->in[0], i, x);
    for (int64_t c = 0; c < n; c++) {
        double sum = 0;
        for (int64_t r = 0; r < n; r++)
            for (int part = 0; part < job->parts; part++)
                sum += fabs(x[(r * n + c) * job->parts + part]);
        norm = sum > norm || isnan(sum) ? sum : norm;
    }
    int squarings = 0;
    frexp(norm / WHERE_EXACT, &squarings);
    squarings = squarings > 0 && isfinite(norm) ? squarings : 0;
    for (int64_t k = 0; k < square; k++)
        x[k] = isfinite(norm) ? ldexp(x[k], -squarings) : NAN;
    if (isfinite(norm))
        exponential(job->parts, n, x, work, (int32_t *)(work + 6 * square));
    for (int s = 0; s < squarings; s++) {
        product(job->parts, n, x, x, work);
        memcpy(x, work, (size_t)square * sizeof *x);
    }
    matrix_store(job->out[0], i, x);
}

int matrix_exp_cpu(fl_tensor *self, fl_tensor *y)
{
    assert(shape_equal(y, self));
    int64_t n = self->sizes[self->ndim - 1];
    struct matrix_job job = {.one = exp_one, .in = {self}, .out = {y}, .rows = n};
    int64_t count = y->numel ? matrix_count(y->ndim, y->sizes, 2) : 0;
    return matrix_each(&job, count, 7 * n * n + n, 20 * n * n * n);
}

/* The derivative in the direction g is the block above the diagonal of exp [[A, g], [0, A]]; the
 * gradient is that of A^T. */
int matrix_exp_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor **y)
{
    int64_t n = a->sizes[a->ndim - 1];
    fl_tensor *t = matrix_turned(a);
    fl_tensor *zero = fl_zeros_like(t, FL_NO_DTYPE, (fl_device){.kind = -1}, false, -1);
    fl_tensor *above = fl_cat((fl_tensors){(fl_tensor *[]){t, g}, 2}, -1);
    fl_tensor *below = fl_cat((fl_tensors){(fl_tensor *[]){zero, t}, 2}, -1);
    fl_tensor *all =
        fl_linalg_matrix_exp(fl_cat((fl_tensors){(fl_tensor *[]){above, below}, 2}, -2));
    *y = fl_narrow(fl_narrow(all, -2, 0, n), -1, n, n);
    return *y ? 0 : -1;
}
