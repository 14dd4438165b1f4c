/* What reductions are made into: norms, variances, logsumexp; and what their gradients need. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/linalg.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/reduce/reduce.h"
#include "ops_kernels.h"

static double number_of(fl_value v)
{
    return v.tag == FL_FLOATING ? v.as.f : (double)v.as.i;
}

static fl_value dims_value(fl_ints dim)
{
    fl_value v = fl_none();
    if (dim.data)
        v.tag = FL_INTS, v.count = (uint32_t)dim.count, v.as.ints = dim.data;
    return v;
}

/* ---- gradients ---- */

int expand_reduced_view(fl_tensor *self, fl_ints sizes, fl_ints dim, bool keepdim,
                        struct op_view *y)
{
    assert(sizes.count <= TENSOR_MAX_DIMS);
    fl_value dims = dims_value(dim);
    uint64_t mask;
    if (reduce_dims(&dims, (int)sizes.count, &mask))
        return -1;
    y->ndim = (int)sizes.count;
    y->offset = self->offset;
    for (int d = 0, k = 0; d < y->ndim; d++) {
        bool reduced = mask >> d & 1, there = k < self->ndim && (!reduced || keepdim);
        y->sizes[d] = sizes.data[d];
        y->strides[d] = there && !reduced ? self->strides[k] : 0;
        k += !reduced || keepdim;
    }
    return 0;
}

/* Whether a 0-dim tensor of bool is true; false for NULL, whose error the next call gives. */
static bool truth_of(const fl_tensor *t)
{
    return t && !tensor_is_meta(t) && tensor_element(t, 0).as.i;
}

int prod_backward_compose(fl_tensor *g, fl_tensor *self, fl_tensor *result, const int64_t *dim,
                          bool keepdim, fl_tensor **y)
{
    fl_ints sizes = {self->sizes, self->ndim}, dims = {dim, dim != NULL};
    fl_tensor *zeros = fl_count_nonzero(fl_eq_scalar(op_samples(self), fl_int(0)), NULL);
    if (!zeros)
        return -1;
    const int64_t count = tensor_is_meta(zeros) ? 0 : tensor_element(zeros, 0).as.i;
    if (count > 1 && !dim && !autograd_mode.grad) /* whatever the others are */
        return op_give(y, fl_zeros_like(self, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1));
    if (count == 0)
        return op_give(y,
                       fl_div(fl__expand_reduced(fl_mul(g, result), sizes, dims, keepdim), self));
    return op_give(
        y, fl_mul(fl__expand_reduced(g, sizes, dims, keepdim), fl__product_of_others(self, dim)));
}

/* A tensor's elements as doubles or complex doubles in lines: before * n * after, where n is the
 * reduced extent. */
struct lines {
    fl_tensor *x;
    void *out; /* of x's size */
    int dtype;
    int64_t before, n, after;
};

static size_t lines_bytes(const struct lines *l)
{
    return dtype_size(l->dtype) * (size_t)l->x->numel;
}

static int lines_begin(struct lines *l, const fl_tensor *self, const int64_t *dim)
{
    l->before = l->after = 1, l->n = self->numel;
    l->dtype = dtype_is_complex(self->dtype) ? FL_COMPLEX128 : FL_FLOAT64;
    if (dim && self->ndim) {
        int d = shape_wrap_dim(*dim, self->ndim);
        if (d < 0)
            return -1;
        l->n = self->sizes[d];
        for (int i = 0; i < self->ndim; i++)
            *(i < d ? &l->before : &l->after) *= i == d ? 1 : self->sizes[i];
    }
    l->x = tensor_as(self, l->dtype);
    l->out = l->x ? memory_alloc(lines_bytes(l)) : NULL;
    if (l->out)
        return 0;
    tensor_release(l->x);
    return -1;
}

static int lines_end(struct lines *l, fl_tensor *y)
{
    assert(l->out && y->numel == l->x->numel);
    convert_elements(y->numel, tensor_data(y), y->dtype, (int64_t)dtype_size(y->dtype), l->out,
                     l->dtype, (int64_t)dtype_size(l->dtype));
    memory_free(l->out, lines_bytes(l));
    tensor_release(l->x);
    return 0;
}

/* products: of those before an element times those after it. slopes: for element k the sum over i of
 * h[i] times the product of all x but i and k, where p runs over products and s over sums. `after`
 * lies between the elements of a line. */
#define LINE(number, suffix)                                                                       \
    static void products_##suffix(int64_t n, int64_t after, const void *from, void *to)            \
    {                                                                                              \
        const number *x = from;                                                                    \
        number *out = to, p = 1;                                                                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            out[i * after] = p, p *= x[i * after];                                                 \
        p = 1;                                                                                     \
        for (int64_t i = n - 1; i >= 0; i--)                                                       \
            out[i * after] *= p, p *= x[i * after];                                                \
    }                                                                                              \
    static void slopes_##suffix(int64_t n, int64_t after, const void *from, const void *gradient,  \
                                void *to)                                                          \
    {                                                                                              \
        const number *x = from, *h = gradient;                                                     \
        number *out = to;                                                                          \
        for (int64_t k = 0; k < n; k++) {                                                          \
            number p = 1, s = 0;                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                if (i == k)                                                                        \
                    continue;                                                                      \
                s = s * x[i * after] + p * h[i * after];                                           \
                p *= x[i * after];                                                                 \
            }                                                                                      \
            out[k * after] = s;                                                                    \
        }                                                                                          \
    }

LINE(double, real)
LINE(double _Complex, complex)

int product_of_others_cpu(fl_tensor *self, const int64_t *dim, fl_tensor *y)
{
    assert(y->numel == self->numel);
    struct lines l;
    if (lines_begin(&l, self, dim))
        return -1;
    char *x = tensor_data(l.x), *out = l.out;
    for (int64_t b = 0; b < l.before; b++)
        for (int64_t a = 0; a < l.after; a++) {
            int64_t at = (b * l.n * l.after + a) * (int64_t)dtype_size(l.dtype);
            (l.dtype == FL_FLOAT64 ? products_real : products_complex)(l.n, l.after, x + at,
                                                                       out + at);
        }
    return lines_end(&l, y);
}

int product_of_others_backward_cpu(fl_tensor *g, fl_tensor *self, const int64_t *dim, fl_tensor *y)
{
    assert(y->numel == self->numel && g->numel == self->numel);
    struct lines l;
    if (lines_begin(&l, self, dim))
        return -1;
    fl_tensor *gradient = tensor_as(g, l.dtype);
    char *x = tensor_data(l.x), *out = l.out, *h = gradient ? tensor_data(gradient) : NULL;
    for (int64_t b = 0; b < l.before && h; b++)
        for (int64_t a = 0; a < l.after; a++) {
            int64_t at = (b * l.n * l.after + a) * (int64_t)dtype_size(l.dtype);
            (l.dtype == FL_FLOAT64 ? slopes_real : slopes_complex)(l.n, l.after, x + at, h + at,
                                                                   out + at);
        }
    int status = gradient ? 0 : -1;
    tensor_release(gradient);
    return lines_end(&l, y) || status ? -1 : 0;
}

/* ---- small ones ---- */

int aminmax_compose(fl_tensor *self, const int64_t *dim, bool keepdim, fl_tensor **y0,
                    fl_tensor **y1)
{
    if (!dim && !self->numel)
        return error_set(
            FL_RUNTIME_ERROR,
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has "
            "no identity.");
    fl_ints dims = {dim, dim != NULL};
    return op_give(y0, fl_amin(self, dims, keepdim)) || op_give(y1, fl_amax(self, dims, keepdim))
               ? -1
               : 0;
}

int logsumexp_compose(fl_tensor *self, fl_ints dim, bool keepdim, fl_tensor **y)
{
    if (!dtype_is_inexact(self->dtype))
        self = fl__cast(self, (fl_dtype)dtype_default());
    if (!self)
        return -1;
    if (!self->numel)
        return op_give(y, fl_log(fl_sum_dim_intlist(fl_exp(self), dim, keepdim, FL_NO_DTYPE)));
    fl_tensor *m =
        fl__amax_constant(dtype_is_complex(self->dtype) ? fl_real(self) : self, dim, true);
    m = fl_where_scalar(fl_isfinite(m), m, fl_float(0));
    fl_tensor *s =
        fl_log(fl_sum_dim_intlist(fl_exp(fl_sub(self, m, fl_int(1))), dim, keepdim, FL_NO_DTYPE));
    if (!s)
        return -1;
    return op_give(y, fl_add(s, fl_reshape(m, (fl_ints){s->sizes, s->ndim}), fl_int(1)));
}

/* ---- norms ---- */

/* Refuses a norm that has no value where nothing is reduced: of order inf, or below 0. */
static int check_norm_of_nothing(const fl_tensor *self, double p, fl_ints dim)
{
    if (self->numel || !(p < 0 || p == INFINITY))
        return 0;
    if (!dim.count)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.vector_norm cannot compute the %g norm on an empty tensor because "
                         "the operation does not have an identity",
                         p);
    for (int64_t i = 0; i < dim.count; i++) {
        int d = shape_wrap_dim(dim.data[i], self->ndim);
        if (d < 0)
            return -1;
        if (self->ndim && self->sizes[d] == 0)
            return error_set(FL_RUNTIME_ERROR,
                             "linalg.vector_norm cannot compute the %g norm on the dimension "
                             "%dbecause this dimension is empty and the operation does not have an "
                             "identity",
                             p, d);
    }
    return 0;
}

/* Whether each norm along dims is that of one element at most. */
static bool is_of_one(const fl_tensor *self, fl_ints dim)
{
    bool one = dim.count || self->numel == 1, none = !self->numel && !dim.count;
    for (int64_t i = 0; i < dim.count; i++) {
        const int64_t d = dim.data[i] < 0 ? dim.data[i] + self->ndim : dim.data[i];
        const int64_t size = d >= 0 && d < self->ndim ? self->sizes[d] : 1;
        assert(size >= 0);
        one = one && size == 1;
        none = none || !size;
    }
    return one || none;
}

static fl_tensor *norm_of(fl_tensor *self, fl_value order, fl_ints dim, bool keepdim,
                          fl_dtype dtype)
{
    double p = number_of(order);
    if (!self)
        return NULL;
    if (check_norm_of_nothing(self, p, dim))
        return NULL;
    if (dtype_is_complex(self->dtype) &&
        (dtype == FL_NO_DTYPE || dtype_is_complex((int)dtype))) { /* that of the magnitudes */
        int part = dtype_real(dtype == FL_NO_DTYPE ? self->dtype : (int)dtype);
        return norm_of(op_as(fl_abs(self), part), order, dim, keepdim, FL_NO_DTYPE);
    }
    if (!dtype_is_floating(dtype == FL_NO_DTYPE ? self->dtype : (int)dtype))
        return error_null(
            FL_RUNTIME_ERROR,
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            "%s",
            dtype_title(self->dtype));
    if (p == 0)
        return fl__norm_0(self, dim, keepdim, dtype);
    const bool one = is_of_one(self, dim); /* |x|, whose power may be beyond the dtype's range */
    if (p == 1 || (one && isinf(p)))
        return fl__norm_1(self, dim, keepdim, dtype);
    if (one)
        return fl__norm_of_one(self, dim, keepdim, dtype);
    if (p == 2)
        return fl__norm_2(self, dim, keepdim, dtype);
    if (p == INFINITY)
        return fl__norm_inf(self, dim, keepdim, dtype);
    if (p == -INFINITY)
        return fl__norm_minus_inf(self, dim, keepdim, dtype);
    return fl__norm_p(self, p, dim, keepdim, dtype);
}

static const fl_ints ALL = {NULL, 0};

static fl_value order_or_2(fl_value p)
{
    return p.tag == FL_NONE ? fl_int(2) : p;
}

int norm_all_compose(fl_tensor *self, fl_value p, fl_tensor **y)
{
    return op_give(y, norm_of(self, order_or_2(p), ALL, false, FL_NO_DTYPE));
}

int vector_norm_compose(fl_tensor *self, fl_value ord, fl_ints dim, bool keepdim, fl_dtype dtype,
                        fl_tensor **y)
{
    return op_give(y, norm_of(self, order_or_2(ord), dim, keepdim, dtype));
}

int norm_except_dim_compose(fl_tensor *v, int64_t pow, int64_t dim, fl_tensor **y)
{
    if (dim == -1)
        return op_give(y, norm_of(v, fl_int(pow), ALL, false, FL_NO_DTYPE));
    int64_t kept = shape_wrap_dim(dim, v->ndim), others[TENSOR_MAX_DIMS], n = 0;
    if (kept < 0)
        return -1;
    for (int64_t d = 0; d < v->ndim; d++)
        if (d != kept)
            others[n++] = d;
    return op_give(y, n ? norm_of(v, fl_int(pow), (fl_ints){others, (size_t)n}, true, FL_NO_DTYPE)
                        : fl_abs(v));
}

/* The dims of the matrices, wrapped, as far as they are two different ones. */
static int matrix_dims(const fl_tensor *self, fl_ints dim, int64_t *dims)
{
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
    if (!dtype_is_inexact(self->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.matrix_norm: Expected a floating point or complex tensor as "
                         "input. Got %s",
                         dtype_title(self->dtype));
    if (dim.count != 2) {
        char text[256] = "";
        for (int64_t i = 0, used = 0; i < dim.count && used < (int64_t)sizeof text; i++)
            used += snprintf(text + used, sizeof text - (size_t)used, i ? " %lld" : "%lld",
                             (long long)dim.data[i]);
        return error_set(FL_RUNTIME_ERROR, "linalg.matrix_norm: dim must be a 2-tuple. Got %s",
                         text);
    }
    for (int i = 0; i < 2; i++)
        if ((dims[i] = shape_wrap_dim(dim.data[i], self->ndim)) < 0)
            return -1;
    if (dims[0] == dims[1])
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.matrix_norm: dims must be different. Got (%d, %d)", (int)dims[0],
                         (int)dims[1]);
    return 0;
}

/* amax along a dim, 0 where that has no elements. */
static fl_tensor *largest(fl_tensor *sums, fl_ints dim, bool keepdim)
{
    assert(dim.count >= 1);
    int64_t at = sums ? shape_wrap_dim(dim.data[0], sums->ndim) : -1;
    if (at < 0)
        return NULL;
    return sums->sizes[at] ? fl_amax(sums, dim, keepdim)
                           : fl_sum_dim_intlist(sums, dim, keepdim, FL_NO_DTYPE);
}

/* The sum of the singular values (nuclear norm), or the largest (2) or smallest (-2). */
static fl_tensor *singular_norm(fl_tensor *self, const int64_t *dims, bool keepdim, fl_dtype dtype,
                                double order)
{
    assert(dims[0] != dims[1]);
    const fl_ints last = FL_INTS_OF(-2, -1), along = FL_INTS_OF(-1);
    if (dtype != FL_NO_DTYPE)
        self = fl__cast(self, dtype);
    fl_tensor *s = fl_linalg_svdvals(fl_movedim(self, (fl_ints){dims, 2}, last), NULL);
    s = order == -2  ? fl_amin(s, along, false)
        : order == 2 ? largest(s, along, false)
                     : fl_sum_dim_intlist(s, along, false, FL_NO_DTYPE);
    if (!keepdim)
        return s;
    int64_t first = dims[0] < dims[1] ? dims[0] : dims[1];
    return fl_unsqueeze(fl_unsqueeze(s, first), dims[0] + dims[1] - first);
}

int norm_named_compose(fl_tensor *self, const char *p, fl_ints dim, bool keepdim, fl_dtype dtype,
                       fl_tensor **y)
{
    int64_t dims[2], all[TENSOR_MAX_DIMS];
    if (strcmp(p, "fro") == 0)
        return op_give(y, norm_of(self, fl_int(2), dim, keepdim, dtype));
    if (strcmp(p, "nuc") != 0)
        return error_set(FL_RUNTIME_ERROR, "linalg.matrix_norm: Order %s not supported.", p);
    for (int d = 0; d < self->ndim; d++)
        all[d] = d;
    if (matrix_dims(self, dim.data ? dim : (fl_ints){all, self->ndim}, dims))
        return -1;
    return op_give(y, singular_norm(self, dims, keepdim, dtype, 0));
}

/* The largest or smallest sum of magnitudes of a column (1) or of a row (inf). */
int matrix_norm_compose(fl_tensor *self, fl_value ord, fl_ints dim, bool keepdim, fl_dtype dtype,
                        fl_tensor **y)
{
    double p = number_of(ord), size = fabs(p);
    int64_t dims[2];
    if (matrix_dims(self, dim, dims))
        return -1;
    if (size == 2)
        return op_give(y, singular_norm(self, dims, keepdim, dtype, p));
    if (size != 1 && size != INFINITY)
        return error_set(FL_RUNTIME_ERROR, "linalg.matrix_norm: Order %g not supported.", p);
    int64_t along = dims[size != 1], over = dims[size == 1];
    if (!keepdim && over > along)
        over--;
    fl_tensor *sums = norm_of(self, fl_int(1), (fl_ints){&along, 1}, keepdim, dtype);
    fl_ints last = {&over, 1};
    return op_give(y, p > 0 ? largest(sums, last, keepdim) : fl_amin(sums, last, keepdim));
}

int matrix_norm_named_compose(fl_tensor *self, const char *ord, fl_ints dim, bool keepdim,
                              fl_dtype dtype, fl_tensor **y)
{
    int64_t dims[2];
    if (matrix_dims(self, dim, dims))
        return -1;
    return norm_named_compose(self, ord, dim, keepdim, dtype, y);
}

int linalg_norm_compose(fl_tensor *self, fl_value ord, fl_ints dim, bool keepdim, fl_dtype dtype,
                        fl_tensor **y)
{
    static const int64_t LAST[] = {-2, -1};
    bool matrix = ord.tag != FL_NONE && (dim.data ? dim.count == 2 : self->ndim == 2);
    if (ord.tag != FL_NONE && !dim.data && self->ndim != 1 && self->ndim != 2)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.norm: If dim is not specified but ord is, the input "
                         "must be 1D or 2D. Got %dD.",
                         self->ndim);
    if (matrix)
        return matrix_norm_compose(self, ord, dim.data ? dim : (fl_ints){LAST, 2}, keepdim, dtype,
                                   y);
    return vector_norm_compose(self, ord, dim, keepdim, dtype, y);
}

int linalg_norm_named_compose(fl_tensor *self, const char *ord, fl_ints dim, bool keepdim,
                              fl_dtype dtype, fl_tensor **y)
{
    static const int64_t LAST[] = {-2, -1};
    if (!dim.data && self->ndim != 2)
        return error_set(FL_RUNTIME_ERROR,
                         "linalg.norm: If dim is not specified but ord is, the input "
                         "must be 1D or 2D. Got %dD.",
                         self->ndim);
    return matrix_norm_named_compose(self, ord, dim.data ? dim : (fl_ints){LAST, 2}, keepdim, dtype,
                                     y);
}

/* Slices along dim whose p-norm is above maxnorm are scaled down to it. */
int renorm_compose(fl_tensor *self, fl_value p, int64_t dim, fl_value maxnorm, fl_tensor **y)
{
    double most = number_of(maxnorm);
    int64_t others[TENSOR_MAX_DIMS], n = 0;
    if (!(number_of(p) > 0))
        return error_set(FL_RUNTIME_ERROR, "renorm: non-positive-norm not supported");
    if (!(most >= 0))
        return error_set(FL_RUNTIME_ERROR, "renorm: expected maxnorm to be >= 0 but got %g", most);
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "renorm: input needs at least 2 dimensions, got %d dimensions",
                         self->ndim);
    int along = shape_wrap_dim(dim, self->ndim);
    if (along < 0)
        return -1;
    for (int64_t d = 0; d < self->ndim; d++)
        if (d != along)
            others[n++] = d;
    self = fl_contiguous(self, -1); /* one order of summation for any layout */
    fl_tensor *rows = self ? op_widen(self) : NULL;
    const fl_ints along_others = {others, n};
    fl_tensor *size = rows ? norm_of(rows, p, along_others, true, FL_NO_DTYPE) : NULL;
    fl_tensor *above = size ? fl_gt_scalar(size, maxnorm) : NULL;
    if (above && autograd_mode.grad && tensor_requires_grad(self)) /* of what is scaled alone */
        size =
            norm_of(fl_where_scalar(above, rows, fl_float(0)), p, along_others, true, FL_NO_DTYPE);
    fl_tensor *smaller =
        size ? fl_mul_scalar(fl_reciprocal(fl_add_scalar(size, fl_float(1e-7), fl_int(1))), maxnorm)
             : NULL;
    fl_tensor *scale = above && smaller ? fl_where_scalar(above, smaller, fl_float(1)) : NULL;
    return op_give(y, scale ? fl_mul(self, op_as(scale, self->dtype)) : NULL);
}

/* ---- variance ---- */

/* The variance and the mean: two passes, the second over squared distances. Halves are computed as
 * floats. `what` warns where there are no degrees of freedom; NULL: it was said before. */
static int variance(const char *what, fl_tensor *self, fl_ints dim, double correction, bool keepdim,
                    fl_tensor **var, fl_tensor **mean)
{
    assert(var && mean);
    int dtype = self->dtype;
    if (dtype_is_complex(dtype)) { /* the distances' squares are those of both parts */
        fl_tensor *real, *imag, *m_real, *m_imag;
        if (variance(what, fl_real(self), dim, correction, keepdim, &real, &m_real) ||
            variance(NULL, fl_imag(self), dim, correction, keepdim, &imag, &m_imag))
            return -1;
        *var = fl_add(real, imag, fl_int(1)), *mean = fl_complex(m_real, m_imag);
        return *var && *mean ? 0 : -1;
    }
    if (!dtype_is_floating(dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "std and var only support floating point and complex dtypes");
    bool half = dtype == FL_FLOAT16 || dtype == FL_BFLOAT16;
    fl_tensor *x = half ? fl__cast(self, FL_FLOAT32) : self;
    fl_tensor *m = fl_mean_dim(x, dim, true, FL_NO_DTYPE);
    fl_tensor *s =
        fl_sum_dim_intlist(fl_square(fl_sub(x, m, fl_int(1))), dim, keepdim, FL_NO_DTYPE);
    if (!s)
        return -1;
    double n = (double)self->numel / (double)(m->numel ? m->numel : 1) - correction;
    if (what && n <= 0 &&
        warning_give(
            "%s(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            what))
        return -1;
    *var = fl_div_scalar(s, fl_float(n > 0 ? n : 0));
    *mean = keepdim ? m : fl_reshape(m, (fl_ints){s->sizes, s->ndim});
    if (half)
        *var = fl__cast(*var, (fl_dtype)dtype), *mean = fl__cast(*mean, (fl_dtype)dtype);
    return *var && *mean ? 0 : -1;
}

static int deviation(const char *what, fl_tensor *self, fl_ints dim, double correction,
                     bool keepdim, fl_tensor **std, fl_tensor **mean)
{
    if (variance(what, self, dim, correction, keepdim, std, mean))
        return -1;
    const int real = dtype_real(self->dtype);
    const bool complex = dtype_is_complex(self->dtype);
    if (real == FL_FLOAT64 || !truth_of(fl_any(fl_isinf(*std))))
        return op_give(std, fl__sqrt_safe(*std));
    /* The variance is beyond its dtype, as the deviation need not be. */
    self = fl__cast(self, complex ? FL_COMPLEX128 : FL_FLOAT64);
    const int dtype = (*mean)->dtype;
    if (variance(NULL, self, dim, correction, keepdim, std, mean))
        return -1;
    *mean = fl__cast(*mean, (fl_dtype)dtype);
    return op_give(std, fl__cast(fl__sqrt_safe(*std), (fl_dtype)real)) || !*mean ? -1 : 0;
}

static double correction_of(fl_value correction)
{
    return correction.tag == FL_NONE ? 1 : number_of(correction);
}

int var_all_compose(fl_tensor *self, bool unbiased, fl_tensor **y)
{
    fl_tensor *mean;
    return variance("var", self, ALL, unbiased, false, y, &mean);
}

int var_unbiased_compose(fl_tensor *self, fl_ints dim, bool unbiased, bool keepdim, fl_tensor **y)
{
    fl_tensor *mean;
    return variance("var", self, dim, unbiased, keepdim, y, &mean);
}

int var_correction_compose(fl_tensor *self, fl_ints dim, fl_value correction, bool keepdim,
                           fl_tensor **y)
{
    fl_tensor *mean;
    return variance("var", self, dim, correction_of(correction), keepdim, y, &mean);
}

int std_all_compose(fl_tensor *self, bool unbiased, fl_tensor **y)
{
    fl_tensor *mean;
    return deviation("std", self, ALL, unbiased, false, y, &mean);
}

int std_unbiased_compose(fl_tensor *self, fl_ints dim, bool unbiased, bool keepdim, fl_tensor **y)
{
    fl_tensor *mean;
    return deviation("std", self, dim, unbiased, keepdim, y, &mean);
}

int std_correction_compose(fl_tensor *self, fl_ints dim, fl_value correction, bool keepdim,
                           fl_tensor **y)
{
    fl_tensor *mean;
    return deviation("std", self, dim, correction_of(correction), keepdim, y, &mean);
}

int var_mean_all_compose(fl_tensor *self, bool unbiased, fl_tensor **y0, fl_tensor **y1)
{
    return variance("var_mean", self, ALL, unbiased, false, y0, y1);
}

int var_mean_unbiased_compose(fl_tensor *self, fl_ints dim, bool unbiased, bool keepdim,
                              fl_tensor **y0, fl_tensor **y1)
{
    return variance("var_mean", self, dim, unbiased, keepdim, y0, y1);
}

int var_mean_correction_compose(fl_tensor *self, fl_ints dim, fl_value correction, bool keepdim,
                                fl_tensor **y0, fl_tensor **y1)
{
    return variance("var_mean", self, dim, correction_of(correction), keepdim, y0, y1);
}

int std_mean_all_compose(fl_tensor *self, bool unbiased, fl_tensor **y0, fl_tensor **y1)
{
    return deviation("std_mean", self, ALL, unbiased, false, y0, y1);
}

int std_mean_unbiased_compose(fl_tensor *self, fl_ints dim, bool unbiased, bool keepdim,
                              fl_tensor **y0, fl_tensor **y1)
{
    return deviation("std_mean", self, dim, unbiased, keepdim, y0, y1);
}

int std_mean_correction_compose(fl_tensor *self, fl_ints dim, fl_value correction, bool keepdim,
                                fl_tensor **y0, fl_tensor **y1)
{
    return deviation("std_mean", self, dim, correction_of(correction), keepdim, y0, y1);
}
