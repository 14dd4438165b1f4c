/* Sobol's sequence in Gray code order: a point differs from the one before it by one column of the
 * state, that of the lowest zero bit of its number (Antonov and Saleev, 1979). So a point takes one
 * exclusive or a dimension. Bits are kept as 30-bit whole numbers and divided by 2^30 at the end.
 */
#include <assert.h>

#include "core/error.h"
#include "core/tensor.h"
#include "ops/op.h"
#include "ops/random/sobol_numbers.h"
#include "ops_kernels.h"

enum { BITS = 30 };

/* Whether t is int64, contiguous and of these sizes. */
static int check(const fl_tensor *t, const char *name, int ndim, int64_t dimension)
{
    const int64_t sizes[] = {dimension, BITS, BITS};
    bool fits = t->dtype == FL_INT64 && t->ndim == ndim && (t->flags & TENSOR_CONTIGUOUS);
    for (int i = 0; i < ndim && fits; i++)
        fits = t->sizes[i] == sizes[i];
    if (!fits)
        return error_set(
            FL_RUNTIME_ERROR,
            "%s of a sobol sequence of %lld dimensions is a contiguous int64 tensor of "
            "%d dims, the first of that size, the others of %d",
            name, (long long)dimension, ndim, BITS);
    return 0;
}

/* The direction numbers of a polynomial of that degree: the first are given, each later one is made
 * of `degree` before it. */
static void directions(int polynomial, int degree, const uint16_t *first, int64_t *v)
{
    assert(degree >= 0 && degree < BITS && polynomial >> degree == 1);
    for (int i = 0; i < degree; i++)
        v[i] = first[i];
    for (int i = degree; i < BITS; i++) {
        v[i] = v[i - degree];
        for (int k = 1; k <= degree; k++)
            if (polynomial >> (degree - k) & 1)
                v[i] ^= v[i - k] << k;
    }
    for (int i = 0; i < BITS; i++)
        v[i] <<= BITS - 1 - i;
}

int sobol_initialize__cpu(fl_tensor *self, int64_t dimension)
{
    if (dimension < 1 || dimension > SOBOL_DIMENSIONS)
        return error_set(FL_VALUE_ERROR, "a sobol sequence has 1 to %d dimensions, got %lld",
                         SOBOL_DIMENSIONS, (long long)dimension);
    if (check(self, "the state", 2, dimension))
        return -1;
    int64_t *v = tensor_data(self);
    for (int i = 0; i < BITS; i++)
        v[i] = (int64_t)1 << (BITS - 1 - i);
    const uint16_t *at = sobol_numbers;
    for (int64_t d = 1; d < dimension; d++) {
        int degree = 0;
        while (*at >> (degree + 1))
            degree++;
        directions(*at, degree, at + 1, v + d * BITS);
        at += 1 + degree;
    }
    assert(at <= sobol_numbers + sizeof sobol_numbers / sizeof *sobol_numbers);
    return 0;
}

int sobol_scramble__cpu(fl_tensor *self, fl_tensor *ltm, int64_t dimension)
{
    if (check(self, "the state", 2, dimension) || check(ltm, "ltm", 3, dimension))
        return -1;
    int64_t *v = tensor_data(self);
    const int64_t *matrix = tensor_data(ltm);
    for (int64_t d = 0; d < dimension; d++, v += BITS, matrix += BITS * BITS) {
        uint64_t rows[BITS]; /* a row's first element is its highest bit */
        for (int i = 0; i < BITS; i++) {
            rows[i] = (uint64_t)1 << (BITS - 1 - i);
            for (int k = 0; k < BITS; k++)
                if (k != i && matrix[i * BITS + k] & 1)
                    rows[i] |= (uint64_t)1 << (BITS - 1 - k);
        }
        for (int j = 0; j < BITS; j++) {
            int64_t made = 0;
            for (int i = 0; i < BITS; i++) {
                uint64_t common = rows[i] & (uint64_t)v[j];
                common ^= common >> 16;
                common ^= common >> 8;
                common ^= common >> 4;
                made |= (int64_t)(0x6996 >> (common & 15) & 1) << (BITS - 1 - i);
            }
            v[j] = made;
        }
    }
    return 0;
}

/* The column that leads from the point of that number to the next: that of its lowest zero bit. */
static int column(int64_t number)
{
    int at = 0;
    while (number >> at & 1)
        at++;
    return at;
}

static int check_numbers(int64_t n, int64_t num_generated)
{
    if (n < 0 || num_generated < 0)
        return error_set(FL_VALUE_ERROR,
                         "a sobol sequence goes forward: n is %lld, num_generated "
                         "%lld",
                         (long long)n, (long long)num_generated);
    if (n > ((int64_t)1 << BITS) - 1 - num_generated)
        return error_set(FL_VALUE_ERROR, "a sobol sequence has 2^%d points", BITS);
    return 0;
}

int sobol_ff__cpu(fl_tensor *self, int64_t n, fl_tensor *state, int64_t dimension,
                  int64_t num_generated)
{
    if (check(self, "the point", 1, dimension) || check(state, "the state", 2, dimension) ||
        check_numbers(n, num_generated))
        return -1;
    int64_t *point = tensor_data(self);
    const int64_t *v = tensor_data(state);
    for (int64_t i = 0; i < n; i++)
        for (int64_t d = 0, at = column(num_generated + i); d < dimension; d++)
            point[d] ^= v[d * BITS + at];
    return 0;
}

int sobol_draw_shape(fl_tensor *quasi, int64_t n, fl_tensor *state, int64_t dimension,
                     int64_t num_generated, fl_dtype dtype, struct op_shape *y)
{
    if (check(quasi, "the point", 1, dimension) || check(state, "the state", 2, dimension) ||
        check_numbers(n, num_generated))
        return -1;
    if (dtype == FL_NO_DTYPE)
        dtype = dtype_default();
    if (dtype != FL_FLOAT32 && dtype != FL_FLOAT64)
        return dtype_refuse("_sobol_engine_draw", dtype);
    op_shape_set(&y[0], 2, (const int64_t[]){n, dimension});
    y[0].dtype = dtype;
    op_shape_set(&y[1], 1, &dimension);
    y[1].dtype = FL_INT64;
    return 0;
}

int sobol_draw_cpu(fl_tensor *quasi, int64_t n, fl_tensor *state, int64_t dimension,
                   int64_t num_generated, fl_dtype dtype, fl_tensor *y0, fl_tensor *y1)
{
    (void)dtype;
    assert(y0->numel == n * dimension && y1->numel == dimension);
    const int64_t *from = tensor_data(quasi), *v = tensor_data(state);
    int64_t *point = tensor_data(y1);
    float *few = y0->dtype == FL_FLOAT32 ? tensor_data(y0) : NULL;
    double *many = few ? NULL : tensor_data(y0);
    for (int64_t d = 0; d < dimension; d++)
        point[d] = from[d];
    for (int64_t i = 0; i < n; i++)
        for (int64_t d = 0, at = column(num_generated + i); d < dimension; d++) {
            point[d] ^= v[d * BITS + at];
            if (few) /* rounded before it is scaled, as in PyTorch */
                few[i * dimension + d] = (float)point[d] * 0x1p-30f;
            else
                many[i * dimension + d] = (double)point[d] * 0x1p-30;
        }
    return 0;
}
