/* Triangular systems, by substitution. */
#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops.h"
#include "ops/linalg/matrix.h"
#include "ops_kernels.h"

int solve_triangular_shape(fl_tensor *self, fl_tensor *B, bool upper, bool left, bool unitriangular,
                           struct op_shape *y)
{
    (void)upper, (void)unitriangular;
    if (matrix_check_square(self, "linalg.solve_triangular", "triangular_solve_cpu"))
        return -1;
    if (B->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "linalg.solve_triangular: The input tensor B must have "
                                           "at least 2 dimensions.");
    long long n = self->sizes[self->ndim - 1];
    long long rows = B->sizes[B->ndim - 2], columns = B->sizes[B->ndim - 1];
    if ((left ? rows : columns) != n)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.solve_triangular: Incompatible shapes of A and B for the equation "
                         "%s = B (%lldx%lld and %lldx%lld)",
                         left ? "AX" : "XA", n, n, rows, columns);
    if (matrix_broadcast(B, self, rows, columns, y))
        return -1;
    if (left)
        matrix_column_major(y);
    return 0;
}

/* a X = b; a [n, n], b [n, k] becomes X. */
static void solve_left(int64_t n, int64_t k, const double *a, double *b, bool upper, bool unit)
{
    for (int64_t step = 0; step < n; step++) {
        int64_t i = upper ? n - 1 - step : step;
        int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
        for (int64_t j = from; j < to; j++)
            matrix_subtract(k, b + i * k, a[i * n + j], b + j * k);
        for (int64_t c = 0; c < k && !unit; c++)
            b[i * k + c] /= a[i * n + i];
    }
}

/* X a = b; a [n, n], b [m, n] becomes X. */
static void solve_right(int64_t m, int64_t n, const double *a, double *b, bool upper, bool unit)
{
    for (int64_t r = 0; r < m; r++)
        for (int64_t step = 0; step < n; step++) {
            int64_t i = upper ? step : n - 1 - step;
            double *row = b + r * n;
            if (!unit)
                row[i] /= a[i * n + i];
            int64_t from = upper ? i + 1 : 0, to = upper ? n : i;
            matrix_subtract(to - from, row + from, row[i], a + i * n + from);
        }
}

int solve_triangular_cpu(fl_tensor *self, fl_tensor *B, bool upper, bool left, bool unitriangular,
                         fl_tensor *y)
{
    int64_t rows = y->sizes[y->ndim - 2], columns = y->sizes[y->ndim - 1];
    int64_t n = left ? rows : columns;
    size_t bytes = (size_t)(n * n + rows * columns + 1) * sizeof(double);
    double *a = memory_alloc(bytes), *b = a + n * n;
    if (!a)
        return -1;
    for (int64_t i = 0; y->numel && i < matrix_count(y->ndim, y->sizes, 2); i++) {
        matrix_load(self, y, i, a);
        matrix_load(B, y, i, b);
        if (left)
            solve_left(n, columns, a, b, upper, unitriangular);
        else
            solve_right(rows, n, a, b, upper, unitriangular);
        matrix_store(y, i, b);
    }
    memory_free(a, bytes);
    return 0;
}

static fl_tensor *turned(fl_tensor *t)
{
    return fl_transpose(t, -2, -1);
}

/* gB = a^-T g; ga = -gB x^T, the triangle that was read (X a = B: the mirror image). */
int solve_triangular_backward_compose(fl_tensor *g, fl_tensor *a, fl_tensor *x, fl_ints b_sizes,
                                      bool upper, bool left, bool unitriangular, bool of_a,
                                      fl_tensor **y)
{
    fl_tensor *g_b = fl_linalg_solve_triangular(turned(a), g, !upper, left, unitriangular);
    if (!of_a) {
        *y = fl__sum_to_batch(g_b, b_sizes);
        return *y ? 0 : -1;
    }
    fl_tensor *g_a = fl_neg(left ? fl_matmul(g_b, turned(x)) : fl_matmul(turned(x), g_b));
    int64_t beside = unitriangular ? 1 : 0;
    g_a = upper ? fl_triu(g_a, beside) : fl_tril(g_a, -beside);
    *y = g_a ? fl__sum_to_batch(g_a, (fl_ints){a->sizes, a->ndim}) : NULL;
    return *y ? 0 : -1;
}

int triangular_solve_compose(fl_tensor *self, fl_tensor *A, bool upper, bool transpose,
                             bool unitriangular, fl_tensor **y0, fl_tensor **y1)
{
    if (matrix_check_same(self, A))
        return -1;
    *y1 = fl_clone(A, -1);
    *y0 = fl_linalg_solve_triangular(transpose ? turned(A) : A, self, upper != transpose, true,
                                     unitriangular);
    return *y0 && *y1 ? 0 : -1;
}
