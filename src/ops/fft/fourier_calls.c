/* torch.fft's functions: a transform along one dim or along several is read (dims, points, norm,
 * dtype), the input padded with zeros or cut, and one of three operators called.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/fft.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* forward says how norms count; the conjugates make of a real operator its opposite direction. */
struct transform {
    const char *name;
    enum { OF_COMPLEX, OF_REAL, TO_REAL } kind;
    bool forward, conjugate;
};

static const struct transform *transform_named(const char *name)
{
    static const struct transform rows[] = {
        {"fft", OF_COMPLEX, true, false}, {"ifft", OF_COMPLEX, false, false},
        {"rfft", OF_REAL, true, false},   {"ihfft", OF_REAL, false, true},
        {"hfft", TO_REAL, true, true},    {"irfft", TO_REAL, false, false}};
    size_t i = 0, count = sizeof rows / sizeof *rows;
    while (i < count && strcmp(rows[i].name, name) != 0)
        i++;
    if (i == count)
        error_set(FL_VALUE_ERROR, "there is no transform called %s", name);
    return i < count ? &rows[i] : NULL;
}

/* t in numbers that the transform takes: integers as the default dtype, no halves. NULL with the
 * error. */
static fl_tensor *in_numbers(const struct transform *f, fl_tensor *t)
{
    if (!dtype_is_inexact(t->dtype))
        t = op_as(t, dtype_default());
    if (t && dtype_real(t->dtype) != FL_FLOAT32 && dtype_real(t->dtype) != FL_FLOAT64)
        return error_null(FL_RUNTIME_ERROR, "Unsupported dtype %s", dtype_title(t->dtype));
    bool widen = t && f->kind != OF_REAL && !dtype_is_complex(t->dtype);
    return widen ? op_as(t, dtype_complex(t->dtype)) : t;
}

/* What a transform of so many points is multiplied with; -1 with the error. */
static double scale_of(const char *norm, double points, bool forward)
{
    if (!norm || strcmp(norm, "backward") == 0)
        return forward ? 1 : 1 / points;
    if (strcmp(norm, "ortho") == 0)
        return 1 / sqrt(points);
    if (strcmp(norm, "forward") == 0)
        return forward ? 1 / points : 1;
    return error_set(FL_RUNTIME_ERROR, "Invalid normalization mode: \"%s\"", norm);
}

/* t with zeros after it, or cut, to so many points along dims. */
static fl_tensor *resized(fl_tensor *t, fl_ints dims, const int64_t *points)
{
    int64_t pad[2 * TENSOR_MAX_DIMS] = {0};
    bool any = false;
    for (int64_t i = 0; i < dims.count; i++) {
        int64_t more = points[i] - t->sizes[dims.data[i]];
        pad[2 * (t->ndim - 1 - dims.data[i]) + 1] = more;
        any |= more != 0;
    }
    return any ? fl_constant_pad_nd(t, (fl_ints){pad, 2 * t->ndim}, fl_int(0)) : t;
}

/* The transform of t, in its numbers, to so many points along dims that exist. */
static fl_tensor *transformed(const struct transform *f, fl_tensor *t, fl_ints dims,
                              int64_t *points, const char *norm)
{
    double count = 1;
    for (int64_t i = 0; i < dims.count; count *= (double)points[i], i++)
        if (points[i] < 1)
            return error_null(FL_RUNTIME_ERROR, "Invalid number of data points (%lld) specified",
                              (long long)points[i]);
    double scale = scale_of(norm, count, f->forward);
    if (scale < 0)
        return NULL;
    if (f->kind == OF_COMPLEX && !dims.count)
        return fl_clone(t, -1);
    assert(dims.count > 0);
    int64_t *last = &points[dims.count - 1], whole = *last;
    if (f->kind == TO_REAL)
        *last = whole / 2 + 1;
    t = resized(t, dims, points);
    if (t && f->kind == TO_REAL && f->conjugate)
        t = fl_conj(t);
    if (!t)
        return NULL;
    if (f->kind == OF_COMPLEX)
        return fl__fft_c2c(t, dims, scale, f->forward);
    if (f->kind == TO_REAL)
        return fl__fft_c2r(t, dims, scale, whole);
    t = fl__fft_r2c(t, dims, scale, true);
    return t && f->conjugate ? fl_conj(t) : t;
}

/* dim counted from the front; -1 with the error. */
static int dim_of(const fl_tensor *t, int64_t dim)
{
    if (t->ndim)
        return shape_wrap_dim(dim, t->ndim);
    return error_set(FL_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions",
                     (long long)dim);
}

int fft_line_compose(fl_tensor *self, const int64_t *n, int64_t dim, const char *norm,
                     const char *name, fl_tensor **y)
{
    const struct transform *f = transform_named(name);
    if (f && f->kind == OF_REAL && dtype_is_complex(self->dtype))
        return error_set(FL_RUNTIME_ERROR, "%s expects a real input tensor, but got %s", name,
                         dtype_title(self->dtype));
    fl_tensor *t = f ? in_numbers(f, self) : NULL;
    if (!t)
        return -1;
    int64_t along = dim_of(t, dim);
    if (along < 0)
        return -1;
    int64_t size = t->sizes[along], points = n ? *n : f->kind == TO_REAL ? 2 * (size - 1) : size;
    return op_give(y, transformed(f, t, (fl_ints){&along, 1}, &points, norm));
}

/* The dims of a transform of several, from the front, and the points of each; how many, or -1. */
static int dims_and_points(const fl_tensor *t, fl_ints s, fl_ints dim, int64_t *dims,
                           int64_t *points)
{
    bool seen[TENSOR_MAX_DIMS] = {false};
    int count = (int)(dim.data ? dim.count : s.data ? s.count : t->ndim);
    for (int i = 0; dim.data && i < count; i++) {
        if ((dims[i] = dim_of(t, dim.data[i])) < 0)
            return -1;
        if (seen[dims[i]])
            return error_set(FL_RUNTIME_ERROR, "FFT dims must be unique");
        seen[dims[i]] = true;
    }
    if (s.data && s.count != count)
        return error_set(FL_RUNTIME_ERROR,
                         "When given, dim and shape arguments must have the same length");
    if (count > t->ndim && !dim.data)
        return error_set(FL_RUNTIME_ERROR,
                         "Got shape with %d values but input tensor only has %d dimensions.", count,
                         t->ndim);
    for (int i = 0; !dim.data && i < count; i++)
        dims[i] = t->ndim - count + i;
    if (!t->ndim)
        return 0;
    for (int i = 0; i < count; i++)
        points[i] = s.data && s.data[i] != -1 ? s.data[i] : t->sizes[dims[i]];
    return count;
}

int fft_grid_compose(fl_tensor *self, fl_ints s, fl_ints dim, const char *norm, const char *name,
                     fl_tensor **y)
{
    int64_t dims[TENSOR_MAX_DIMS], points[TENSOR_MAX_DIMS];
    const struct transform *f = transform_named(name);
    if (f && f->kind == OF_REAL && dtype_is_complex(self->dtype) && f->conjugate)
        return error_set(FL_RUNTIME_ERROR, "Only supports floating-point dtypes, but found: %s",
                         dtype_title(self->dtype));
    if (f && f->kind == OF_REAL && dtype_is_complex(self->dtype))
        return error_set(FL_RUNTIME_ERROR, "%sn expects a real-valued input tensor, but got %s",
                         name, dtype_title(self->dtype));
    fl_tensor *t = f ? in_numbers(f, self) : NULL;
    int count = t ? dims_and_points(t, s, dim, dims, points) : -1;
    if (count < 0)
        return -1;
    if (!count && f->kind != OF_COMPLEX)
        return error_set(FL_RUNTIME_ERROR, "%sn must transform at least one axis", name);
    if (f->kind == TO_REAL && (!s.data || s.data[count - 1] == -1))
        points[count - 1] = 2 * (points[count - 1] - 1);
    return op_give(y, transformed(f, t, (fl_ints){dims, count}, points, norm));
}

/* ---- Frequencies and shifts ---- */

static int roll_half(fl_tensor *self, fl_ints dim, int rounding, fl_tensor **y)
{
    int64_t shifts[TENSOR_MAX_DIMS], dims[TENSOR_MAX_DIMS];
    int count = dim.data ? (int)dim.count : self->ndim;
    for (int i = 0; i < count; i++) {
        int d = dim.data ? shape_wrap_dim(dim.data[i], self->ndim) : i;
        if (d < 0)
            return -1;
        dims[i] = d, shifts[i] = self->ndim ? (self->sizes[d] + rounding) / 2 : 0;
    }
    return op_give(y, fl_roll(self, (fl_ints){shifts, count}, (fl_ints){dims, count}));
}

int fft_fftshift_compose(fl_tensor *self, fl_ints dim, fl_tensor **y)
{
    return roll_half(self, dim, 0, y);
}

int fft_ifftshift_compose(fl_tensor *self, fl_ints dim, fl_tensor **y)
{
    return roll_half(self, dim, 1, y);
}

/* steps / (n d) */
static int frequencies(fl_tensor *steps, int64_t n, double d, bool requires_grad, fl_tensor **y)
{
    if (steps && n)
        steps = fl_mul_scalar(steps, fl_float(1 / ((double)n * d)));
    if (op_give(y, steps))
        return -1;
    return requires_grad ? autograd_set_requires_grad(*y, true) : 0;
}

static int frequency_dtype(const char *name, int64_t n, fl_dtype *dtype)
{
    if (n < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "Trying to create tensor with negative dimension %lld: [%lld]",
                         (long long)n, (long long)n);
    if (*dtype == FL_NO_DTYPE)
        *dtype = (fl_dtype)dtype_default();
    return dtype_is_inexact(*dtype)
               ? 0
               : error_set(FL_RUNTIME_ERROR, "%s requires a floating point or complex dtype", name);
}

int fft_fftfreq_compose(int64_t n, double d, fl_dtype dtype, fl_device device, bool requires_grad,
                        fl_tensor **y)
{
    if (frequency_dtype("fftfreq", n, &dtype))
        return -1;
    int64_t half = (n + 1) / 2;
    fl_tensor *steps[] = {
        fl_arange(fl_int(half), dtype, device, false),
        fl_arange_start(fl_int(half - n), fl_int(0), fl_int(1), dtype, device, false)};
    return frequencies(op_joined(steps, 2, 0), n, d, requires_grad, y);
}

int fft_rfftfreq_compose(int64_t n, double d, fl_dtype dtype, fl_device device, bool requires_grad,
                         fl_tensor **y)
{
    if (frequency_dtype("rfftfreq", n, &dtype))
        return -1;
    fl_tensor *steps = fl_arange(fl_int(n / 2 + 1), dtype, device, false);
    return frequencies(steps, n, d, requires_grad, y);
}
