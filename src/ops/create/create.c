/* Tensors from nothing: filled, counted, spaced, triangular. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/sound.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/forward.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* What every creation shares: the dtype and device given, or else this one and the preset. */
static int settle(struct op_shape *y, fl_dtype given, int otherwise, fl_device device)
{
    y->dtype = given == FL_NO_DTYPE ? otherwise : (int)given;
    return op_shape_on(y, device);
}

static int settle_sizes(struct op_shape *y, fl_ints size)
{
    if (size.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims, got %lld sizes",
                         TENSOR_MAX_DIMS, (long long)size.count);
    for (int d = 0; d < size.count; d++)
        if (size.data[d] < 0) {
            char text[128];
            return error_set(
                FL_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s",
                (long long)size.data[d], shape_text(text, sizeof text, (int)size.count, size.data));
        }
    op_shape_set(y, (int)size.count, size.data);
    return 0;
}

/* (y may be a destination of the user's.) */
static int mark(fl_tensor *y, bool requires_grad)
{
    return requires_grad ? autograd_set_requires_grad(y, true) : 0;
}

static int fill_and_mark(fl_tensor *y, fl_value number, bool requires_grad)
{
    assert((number.tag >= FL_BOOLEAN && number.tag <= FL_FLOATING) || number.tag == FL_COMPLEX);
    return number_check(number, y->dtype) || tensor_fill(y, number) ? -1 : mark(y, requires_grad);
}

/* The dtype that a number stands for. */
static int dtype_of_number(fl_value v)
{
    return v.tag == FL_BOOLEAN   ? FL_BOOL
           : v.tag == FL_INTEGER ? FL_INT64
           : v.tag == FL_COMPLEX ? dtype_complex(dtype_default())
                                 : dtype_default();
}

static double as_double(fl_value v)
{
    assert(v.tag >= FL_BOOLEAN && v.tag <= FL_FLOATING);
    return v.tag == FL_FLOATING ? v.as.f : (double)v.as.i;
}

/* ---- filled ---- */

int empty_shape(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad,
                int memory_format, struct op_shape *y)
{
    (void)requires_grad;
    if (settle(y, dtype, dtype_default(), device) || settle_sizes(y, size))
        return -1;
    if (memory_format > 1) { /* laid out as a contiguous tensor of these sizes would be cloned */
        int64_t strides[TENSOR_MAX_DIMS];
        fl_tensor shape = {.ndim = (int16_t)size.count,
                           .sizes = (int64_t *)size.data,
                           .strides = strides,
                           .flags = TENSOR_CONTIGUOUS};
        shape_contiguous_strides((int)size.count, size.data, strides);
        return clone_shape(&shape, memory_format, y);
    }
    return 0;
}

int empty_cpu(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad, int memory_format,
              fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)size, (void)dtype, (void)device, (void)memory_format;
    return mark(y, requires_grad);
}

int zeros_shape(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad,
                struct op_shape *y)
{
    y->zero = true;
    for (int64_t d = 0; d < size.count; d++)
        if (size.data[d] < 0)
            return error_set(FL_RUNTIME_ERROR, "zeros: Dimension size must be non-negative.");
    return empty_shape(size, dtype, device, requires_grad, -1, y);
}

int zeros_cpu(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad, fl_tensor *y)
{
    assert(tensor_is_flat(y) && y->ndim == (int)size.count);
    (void)size, (void)dtype, (void)device;
    return mark(y, requires_grad);
}

int ones_shape(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad,
               struct op_shape *y)
{
    return empty_shape(size, dtype, device, requires_grad, -1, y);
}

int ones_cpu(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad, fl_tensor *y)
{
    assert(tensor_is_flat(y) && y->ndim == (int)size.count);
    (void)size, (void)dtype, (void)device;
    return fill_and_mark(y, fl_int(1), requires_grad);
}

int full_shape(fl_ints size, fl_value fill_value, fl_dtype dtype, fl_device device,
               bool requires_grad, struct op_shape *y)
{
    (void)requires_grad;
    return settle(y, dtype, dtype_of_number(fill_value), device) || settle_sizes(y, size) ? -1 : 0;
}

int full_cpu(fl_ints size, fl_value fill_value, fl_dtype dtype, fl_device device,
             bool requires_grad, fl_tensor *y)
{
    assert(tensor_is_flat(y) && y->ndim == (int)size.count);
    (void)size, (void)dtype, (void)device;
    return fill_and_mark(y, fill_value, requires_grad);
}

int scalar_tensor_shape(fl_value s, fl_dtype dtype, fl_device device, bool requires_grad,
                        struct op_shape *y)
{
    (void)s, (void)requires_grad;
    return settle(y, dtype, dtype_default(), device);
}

int scalar_tensor_cpu(fl_value s, fl_dtype dtype, fl_device device, bool requires_grad,
                      fl_tensor *y)
{
    assert(y->ndim == 0);
    (void)dtype, (void)device;
    return fill_and_mark(y, s, requires_grad);
}

/* ---- like others ---- */

int like_shape(fl_tensor *self, fl_dtype dtype, fl_device device, bool requires_grad,
               int memory_format, struct op_shape *y)
{
    (void)requires_grad;
    return settle(y, dtype, self->dtype, device) ? -1 : clone_shape(self, memory_format, y);
}

int empty_like_cpu(fl_tensor *self, fl_dtype dtype, fl_device device, bool requires_grad,
                   int memory_format, fl_tensor *y)
{
    assert(shape_equal(y, self));
    (void)self, (void)dtype, (void)device, (void)memory_format;
    return mark(y, requires_grad);
}

int zeros_like_cpu(fl_tensor *self, fl_dtype dtype, fl_device device, bool requires_grad,
                   int memory_format, fl_tensor *y)
{
    assert(shape_equal(y, self));
    (void)self, (void)dtype, (void)device, (void)memory_format;
    return fill_and_mark(y, fl_int(0), requires_grad);
}

int ones_like_cpu(fl_tensor *self, fl_dtype dtype, fl_device device, bool requires_grad,
                  int memory_format, fl_tensor *y)
{
    assert(shape_equal(y, self));
    (void)self, (void)dtype, (void)device, (void)memory_format;
    return fill_and_mark(y, fl_int(1), requires_grad);
}

int full_like_shape(fl_tensor *self, fl_value fill_value, fl_dtype dtype, fl_device device,
                    bool requires_grad, int memory_format, struct op_shape *y)
{
    (void)fill_value;
    return like_shape(self, dtype, device, requires_grad, memory_format, y);
}

int full_like_cpu(fl_tensor *self, fl_value fill_value, fl_dtype dtype, fl_device device,
                  bool requires_grad, int memory_format, fl_tensor *y)
{
    assert(shape_equal(y, self));
    (void)self, (void)dtype, (void)device, (void)memory_format;
    return fill_and_mark(y, fill_value, requires_grad);
}

int new_shape(fl_tensor *self, fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad,
              struct op_shape *y)
{
    (void)requires_grad;
    return settle(y, dtype, self->dtype, device) || settle_sizes(y, size) ? -1 : 0;
}

int new_empty_cpu(fl_tensor *self, fl_ints size, fl_dtype dtype, fl_device device,
                  bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)self, (void)size, (void)dtype, (void)device;
    return mark(y, requires_grad);
}

int new_zeros_cpu(fl_tensor *self, fl_ints size, fl_dtype dtype, fl_device device,
                  bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)self, (void)size, (void)dtype, (void)device;
    return fill_and_mark(y, fl_int(0), requires_grad);
}

int new_ones_cpu(fl_tensor *self, fl_ints size, fl_dtype dtype, fl_device device,
                 bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)self, (void)size, (void)dtype, (void)device;
    return fill_and_mark(y, fl_int(1), requires_grad);
}

int new_full_shape(fl_tensor *self, fl_ints size, fl_value fill_value, fl_dtype dtype,
                   fl_device device, bool requires_grad, struct op_shape *y)
{
    (void)fill_value;
    return new_shape(self, size, dtype, device, requires_grad, y);
}

int new_full_cpu(fl_tensor *self, fl_ints size, fl_value fill_value, fl_dtype dtype,
                 fl_device device, bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == (int)size.count);
    (void)self, (void)size, (void)dtype, (void)device;
    return fill_and_mark(y, fill_value, requires_grad);
}

int empty_strided_shape(fl_ints size, fl_ints stride, fl_dtype dtype, fl_device device,
                        bool requires_grad, struct op_shape *y)
{
    (void)requires_grad;
    if (size.count != stride.count)
        return error_set(
            FL_RUNTIME_ERROR,
            "dimensionality of sizes (%lld) must match dimensionality of strides (%lld)",
            (long long)size.count, (long long)stride.count);
    if (settle(y, dtype, dtype_default(), device) || settle_sizes(y, size))
        return -1;
    y->strided = true;
    for (int d = 0; d < size.count; d++)
        y->strides[d] = stride.data[d];
    return 0;
}

int empty_strided_cpu(fl_ints size, fl_ints stride, fl_dtype dtype, fl_device device,
                      bool requires_grad, fl_tensor *y)
{
    assert(size.count == stride.count && y->ndim == (int)size.count);
    (void)size, (void)stride, (void)dtype, (void)device;
    return mark(y, requires_grad);
}

int new_empty_strided_shape(fl_tensor *self, fl_ints size, fl_ints stride, fl_dtype dtype,
                            fl_device device, bool requires_grad, struct op_shape *y)
{
    return empty_strided_shape(size, stride, dtype == FL_NO_DTYPE ? (fl_dtype)self->dtype : dtype,
                               device, requires_grad, y);
}

int new_empty_strided_cpu(fl_tensor *self, fl_ints size, fl_ints stride, fl_dtype dtype,
                          fl_device device, bool requires_grad, fl_tensor *y)
{
    (void)self;
    return empty_strided_cpu(size, stride, dtype, device, requires_grad, y);
}

/* Strides as of a contiguous tensor whose dims stand in the order of the layout. */
int empty_permuted_shape(fl_ints size, fl_ints physical_layout, fl_dtype dtype, fl_device device,
                         bool requires_grad, struct op_shape *y)
{
    uint64_t seen = 0;
    (void)requires_grad;
    if (settle(y, dtype, dtype_default(), device))
        return -1;
    if (size.count != physical_layout.count)
        return error_set(FL_RUNTIME_ERROR,
                         "Number of dimensions in size does not match the length of the "
                         "physical_layout; i.e. len(size) = %lld is not equal to "
                         "len(physical_layout) = %lld",
                         (long long)size.count, (long long)physical_layout.count);
    if (settle_sizes(y, size))
        return -1;
    for (int i = 0; i < size.count; i++) {
        int64_t d = physical_layout.data[i];
        if (d < 0 || d >= size.count)
            return error_set(FL_RUNTIME_ERROR,
                             "Dimension out of range (expected to be between 0 and %lld, but got "
                             "%lld at index %d).  NB: negative dims not currently supported; file "
                             "an issue if you want it.",
                             (long long)size.count - 1, (long long)d, i);
        if (seen >> d & 1)
            return error_set(FL_RUNTIME_ERROR, "Duplicate dim not allowed");
        seen |= (uint64_t)1 << d;
    }
    y->strided = true;
    int64_t step = 1;
    for (int64_t i = size.count - 1; i >= 0; i--) {
        int64_t d = physical_layout.data[i], n = size.data[d];
        y->strides[d] = step;
        if (n > 1 && __builtin_mul_overflow(step, n, &step))
            return error_set(FL_RUNTIME_ERROR, "empty_permuted: a tensor of so many elements is "
                                               "beyond 64 bits");
    }
    return 0;
}

int empty_permuted_cpu(fl_ints size, fl_ints physical_layout, fl_dtype dtype, fl_device device,
                       bool requires_grad, fl_tensor *y)
{
    (void)size, (void)physical_layout, (void)dtype, (void)device;
    return mark(y, requires_grad);
}

/* ---- filled in place ---- */

int zero__cpu(fl_tensor *self)
{
    return tensor_fill(self, fl_int(0));
}

int fill__cpu(fl_tensor *self, fl_value value)
{
    return number_check(value, self->dtype) ? -1 : tensor_fill(self, value);
}

int fill_tensor__cpu(fl_tensor *self, fl_tensor *value)
{
    if (value->ndim != 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "fill_ only supports 0-dimension value tensor but got tensor with %d dimensions.",
            value->ndim);
    fl_value number = tensor_number(value, 0);
    return number_check(number, self->dtype) ? -1 : tensor_fill(self, number);
}

int fill_compose(fl_tensor *self, fl_value value, fl_tensor **y)
{
    /* Elements that nobody looks at are not copied; a copy has its history, tangents and lanes. */
    const bool bare = !fl_requires_grad(self) && !self->lanes && !forward_has_tangent(self);
    fl_tensor *copy =
        bare ? fl_empty_like(self, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1) : fl_clone(self, -1);
    *y = value.tag == FL_TENSOR ? fl_fill_tensor_(copy, value.as.tensor) : fl_fill_(copy, value);
    return *y ? 0 : -1;
}

/* ---- counted and spaced ---- */

/* Writes y from a function of the index, as doubles or 64-bit integers by its dtype. */
static void write_counted(fl_tensor *y, double (*real)(const double *p, int64_t i), const double *p,
                          int64_t first, int64_t step)
{
    assert(tensor_is_flat(y));
    enum { CHUNK = 512 };
    union {
        double f[CHUNK];
        int64_t i[CHUNK];
    } stage;
    int64_t size = (int64_t)dtype_size(y->dtype);
    for (int64_t at = 0; at < y->numel; at += CHUNK) {
        int64_t n = y->numel - at < CHUNK ? y->numel - at : CHUNK;
        for (int64_t k = 0; k < n; k++) {
            if (real)
                stage.f[k] = real(p, at + k);
            else
                stage.i[k] = first + (at + k) * step;
        }
        convert_elements(n, (char *)tensor_data(y) + at * size, y->dtype, size, &stage,
                         real ? FL_FLOAT64 : FL_INT64, 8);
    }
}

static int count_steps(fl_value start, fl_value end, fl_value step, bool integral, bool inclusive,
                       int64_t *count)
{
    double from = as_double(start), to = as_double(end), by = as_double(step);
    if (!(by > 0 || by < 0))
        return error_set(FL_RUNTIME_ERROR, "step must be nonzero");
    if (!isfinite(from) || !isfinite(to))
        return error_set(FL_RUNTIME_ERROR, "unsupported range: %g -> %g", from, to);
    if ((by > 0) != (to >= from) && to != from)
        return error_set(FL_RUNTIME_ERROR,
                         "upper bound and lower bound inconsistent with step sign");
    double exact = inclusive ? floor((to - from) / by) + 1 : ceil((to - from) / by);
    if (integral && !inclusive) {
        __int128 span = (__int128)end.as.i - start.as.i, each = step.as.i;
        exact = (double)((span + each + (each > 0 ? -1 : 1)) / each);
    }
    if (exact < 0 || exact >= 9.2e18)
        return error_set(FL_RUNTIME_ERROR, "invalid size, possible overflow?");
    *count = (int64_t)exact;
    return 0;
}

static bool all_integers(fl_value a, fl_value b, fl_value c)
{
    return a.tag != FL_FLOATING && b.tag != FL_FLOATING && c.tag != FL_FLOATING;
}

/* The number as int64 keeps it: PyTorch counts in int64 where that is asked for. */
static fl_value truncated(fl_value v)
{
    return v.tag == FL_FLOATING ? fl_int((int64_t)v.as.f) : v;
}

static int arange_like_shape(fl_value start, fl_value end, fl_value step, fl_dtype dtype,
                             fl_device device, bool inclusive, struct op_shape *y)
{
    bool integral = all_integers(start, end, step);
    int64_t count;
    if (settle(y, dtype, integral && !inclusive ? FL_INT64 : dtype_default(), device))
        return -1;
    if (y->dtype == FL_INT64 && !inclusive && !integral && isfinite(as_double(start)) &&
        isfinite(as_double(end)) && isfinite(as_double(step))) {
        start = truncated(start), end = truncated(end), step = truncated(step), integral = true;
        if (step.as.i == 0)
            return error_set(FL_VALUE_ERROR, "step must be nonzero");
    }
    if (count_steps(start, end, step, integral, inclusive, &count))
        return -1;
    if (y->dtype == FL_BOOL)
        return error_set(FL_NOT_IMPLEMENTED, "\"arange_cpu\" not implemented for 'Bool'");
    op_shape_set(y, 1, &count);
    return 0;
}

int arange_shape(fl_value start, fl_value end, fl_value step, fl_dtype dtype, fl_device device,
                 bool requires_grad, struct op_shape *y)
{
    (void)requires_grad;
    return arange_like_shape(start, end, step, dtype, device, false, y);
}

int range_shape(fl_value start, fl_value end, fl_value step, fl_dtype dtype, fl_device device,
                bool requires_grad, struct op_shape *y)
{
    (void)requires_grad;
    if (warning_give(
            "torch.range is deprecated and will be removed in a future release because its "
            "behavior is inconsistent with Python's range builtin. Instead, use "
            "torch.arange, which produces values in [start, end)."))
        return -1;
    return arange_like_shape(start, end, step, dtype, device, true, y);
}

/* p: start and step. */
static double arange_exact(const double *p, int64_t i)
{
    return p[0] + (double)i * p[1];
}

/* PyTorch counts in blocks of a vector, whose first number is rounded to the dtype, and what is left
 * behind the last pair of blocks from the start. p: start, step, the block's length (a power of 2),
 * where the blocks end, the dtype. */
static double arange_double(const double *p, int64_t i)
{
    if (i >= (int64_t)p[3])
        return fma(p[1], (double)i, p[0]);
    const int64_t within = i & ((int64_t)p[2] - 1);
    const double first = convert_rounded(fma(p[1], (double)(i - within), p[0]), (int)p[4]);
    return fma(p[1], (double)within, first);
}

/* The same of halves, which PyTorch counts in float. */
static double arange_half(const double *p, int64_t i)
{
    const float start = (float)p[0], step = (float)p[1];
    if (i >= (int64_t)p[3])
        return fmaf(step, (float)i, start);
    const int64_t within = i & ((int64_t)p[2] - 1);
    const double first = convert_rounded(fmaf(step, (float)(i - within), start), (int)p[4]);
    return fmaf(step, (float)within, (float)first);
}

static void write_arange(double start, double step, fl_tensor *y)
{
    assert(dtype_is_floating(y->dtype));
    const bool half = dtype_digits(y->dtype) < 24;
    const int64_t lanes = half ? 16 : 32 / (int64_t)dtype_size(y->dtype);
    const double p[5] = {start, step, (double)lanes, (double)(y->numel & ~(2 * lanes - 1)),
                         y->dtype};
    const double most = ldexp(1, dtype_digits(y->dtype));
    const bool exact = start == trunc(start) && step == trunc(step) &&
                       fabs(start) + fabs(step) * (double)y->numel < most;
    write_counted(y, exact ? arange_exact : half ? arange_half : arange_double, p, 0, 0);
}

int arange_cpu(fl_value start, fl_value end, fl_value step, fl_dtype dtype, fl_device device,
               bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == 1 && tensor_is_flat(y));
    (void)end, (void)dtype, (void)device;
    if (dtype_is_floating(y->dtype))
        write_arange(as_double(start), as_double(step), y);
    else
        write_counted(y, NULL, NULL, truncated(start).as.i, truncated(step).as.i);
    return mark(y, requires_grad);
}

int arange_end_shape(fl_value end, fl_dtype dtype, fl_device device, bool requires_grad,
                     struct op_shape *y)
{
    return arange_shape(fl_int(0), end, fl_int(1), dtype, device, requires_grad, y);
}

int arange_end_cpu(fl_value end, fl_dtype dtype, fl_device device, bool requires_grad, fl_tensor *y)
{
    return arange_cpu(fl_int(0), end, fl_int(1), dtype, device, requires_grad, y);
}

int linspace_shape(fl_value start, fl_value end, int64_t steps, fl_dtype dtype, fl_device device,
                   bool requires_grad, struct op_shape *y)
{
    (void)requires_grad;
    bool complex = start.tag == FL_COMPLEX || end.tag == FL_COMPLEX;
    int usual = complex ? dtype_complex(dtype_default()) : dtype_default();
    if (steps < 0)
        return error_set(FL_RUNTIME_ERROR, "number of steps must be non-negative");
    if (settle(y, dtype, usual, device))
        return -1;
    if (complex && !dtype_is_complex(y->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "torch.linspace(): inferred dtype %s can't be safely cast to passed dtype "
                         "%s",
                         dtypes[usual].c_name, dtype_title(y->dtype));
    op_shape_set(y, 1, &steps);
    return 0;
}

/* From both ends towards the middle, so that the last value is `end` itself. p: start, end, step,
 * steps. */
static double linspace_value(const double *p, int64_t i)
{
    int64_t steps = (int64_t)p[3];
    return i < steps / 2 ? p[0] + p[2] * (double)i : p[1] - p[2] * (double)(steps - i - 1);
}

/* The same in each dtype, of which PyTorch rounds step and value: fused multiply-adds. */
static double linspace_fused(const double *p, int64_t i)
{
    int64_t steps = (int64_t)p[3];
    return i < steps / 2 ? fma(p[2], (double)i, p[0]) : fma(-p[2], (double)(steps - i - 1), p[1]);
}

static double linspace_float(const double *p, int64_t i)
{
    int64_t steps = (int64_t)p[3];
    return i < steps / 2 ? fmaf((float)p[2], (float)i, (float)p[0])
                         : fmaf(-(float)p[2], (float)(steps - i - 1), (float)p[1]);
}

/* In halves, each of whose operations is rounded; p[4]: the dtype. */
static double linspace_half(const double *p, int64_t i)
{
    int64_t steps = (int64_t)p[3];
    int dtype = (int)p[4];
    bool first = i < steps / 2;
    double count = convert_rounded((double)(first ? i : steps - i - 1), dtype);
    double way = convert_rounded(p[2] * count, dtype);
    return first ? p[0] + way : p[1] - way;
}

/* Start, end and step are rounded to a floating `dtype`; start and end are cut to an integral one. */
static void linspace_parameters(fl_value start, fl_value end, int64_t steps, int dtype, double *p)
{
    assert(steps >= 0);
    int rounded = dtype_is_floating(dtype) ? dtype : FL_FLOAT64;
    p[0] = convert_rounded(as_double(start), rounded);
    p[1] = convert_rounded(as_double(end), rounded);
    if (dtype_is_integral(dtype))
        p[0] = trunc(p[0]), p[1] = trunc(p[1]);
    p[2] = convert_rounded(p[1] - p[0], rounded);
    p[2] = steps > 1 ? convert_rounded(p[2] / (double)(steps - 1), rounded) : 0;
    p[3] = (double)steps, p[4] = dtype;
    if (steps == 1)
        p[1] = p[0];
}

/* Points on the line between two complex numbers, or powers of `base` with these exponents. */
static int complex_spaced(fl_value start, fl_value end, int64_t steps, const double *base,
                          fl_tensor *y)
{
    double real[5], imag[5];
    fl_tensor *wide = tensor_new(1, &steps, FL_COMPLEX128);
    double *out = wide ? tensor_data(wide) : NULL;
    linspace_parameters(fl_float(number_real(&start)), fl_float(number_real(&end)), steps,
                        FL_FLOAT64, real);
    linspace_parameters(fl_float(number_imag(&start)), fl_float(number_imag(&end)), steps,
                        FL_FLOAT64, imag);
    for (int64_t i = 0; wide && i < steps; i++) {
        const double a = linspace_value(real, i), b = linspace_value(imag, i);
        const double turn = base && *base < 0 ? acos(-1) : 0; /* the base's own angle */
        const double size = base ? pow(fabs(*base), a) * exp(-b * turn) : 0;
        const double angle = base && *base != 0 ? a * turn + b * log(fabs(*base)) : 0;
        out[2 * i] = base ? size * cos(angle) : a;
        out[2 * i + 1] = base ? size * sin(angle) : b;
    }
    int status = wide ? tensor_copy(y, wide) : -1;
    tensor_release(wide);
    return status;
}

int linspace_cpu(fl_value start, fl_value end, int64_t steps, fl_dtype dtype, fl_device device,
                 bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == 1 && y->numel == steps);
    (void)dtype, (void)device;
    double p[5];
    if (number_check(start, y->dtype) || number_check(end, y->dtype))
        return -1;
    if (dtype_is_complex(y->dtype))
        return complex_spaced(start, end, steps, NULL, y) ? -1 : mark(y, requires_grad);
    linspace_parameters(start, end, steps, y->dtype, p);
    write_counted(y,
                  y->dtype == FL_FLOAT32      ? linspace_float
                  : dtype_is_narrow(y->dtype) ? linspace_half
                                              : linspace_fused,
                  p, 0, 0);
    return mark(y, requires_grad);
}

int logspace_shape(fl_value start, fl_value end, int64_t steps, double base, fl_dtype dtype,
                   fl_device device, bool requires_grad, struct op_shape *y)
{
    (void)base;
    return linspace_shape(start, end, steps, dtype, device, requires_grad, y);
}

/* p[5]: the base. Exponents are rounded as the dtype has it, step by step. */
static double logspace_value(const double *p, int64_t i)
{
    const int64_t steps = (int64_t)p[3];
    const bool first = i < steps / 2;
    const float way = (float)p[2] * (float)(first ? i : steps - i - 1);
    const double exponent = dtype_is_narrow((int)p[4]) ? linspace_half(p, i)
                            : p[4] == FL_FLOAT32 ? (first ? (float)p[0] + way : (float)p[1] - way)
                                                 : linspace_value(p, i);
    return pow(p[5], exponent);
}

int logspace_cpu(fl_value start, fl_value end, int64_t steps, double base, fl_dtype dtype,
                 fl_device device, bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == 1 && y->numel == steps);
    (void)dtype, (void)device;
    double p[6];
    if (dtype_is_complex(y->dtype))
        return complex_spaced(start, end, steps, &base, y) ? -1 : mark(y, requires_grad);
    linspace_parameters(start, end, steps, steps == 1 ? FL_FLOAT64 : y->dtype, p);
    p[5] = base;
    write_counted(y, logspace_value, p, 0, 0);
    return mark(y, requires_grad);
}

int vander_compose(fl_tensor *x, const int64_t *N, bool increasing, fl_tensor **y)
{
    if (x->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "x must be a one-dimensional tensor.");
    int64_t n = N ? *N : x->sizes[0];
    if (n < 0)
        return error_set(FL_RUNTIME_ERROR, "N must be non-negative.");
    /* 1 and n - 1 times x, multiplied up: exact where powers by logarithms are not. */
    fl_tensor *column = fl_unsqueeze(x, -1);
    fl_tensor *parts[] = {fl_ones_like(column, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1),
                          fl_expand(column, FL_INTS_OF(x->sizes[0], n > 1 ? n - 1 : 0), false)};
    fl_tensor *powers = fl_cumprod(op_joined(parts, 2, -1), -1, FL_NO_DTYPE);
    powers = fl_narrow(powers, -1, 0, n < 1 ? 0 : n);
    return op_give(y, increasing ? powers : fl_flip(powers, FL_INTS_OF(-1)));
}

int fill_diagonal_compose(fl_tensor *self, fl_value fill_value, bool wrap, fl_tensor **y)
{
    *y = self;
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "dimensions must larger than 1");
    int64_t height = self->sizes[0], width = self->sizes[1], step = 0;
    for (int d = 0; d < self->ndim; d++) {
        step += self->strides[d];
        if (self->ndim > 2 && self->sizes[d] != height)
            return error_set(FL_RUNTIME_ERROR, "all dimensions of input must be of equal length");
    }
    if (self->ndim > 2) {
        fl_tensor *line =
            fl_as_strided(self, (fl_ints){&height, 1}, (fl_ints){&step, 1}, &self->offset);
        return line && fl_fill_(line, fill_value) ? 0 : -1;
    }
    for (int64_t row = 0; row < height && (row == 0 || wrap); row += width + 1) {
        int64_t rows = height - row < width ? height - row : width;
        fl_tensor *block = fl_narrow(self, 0, row, rows);
        if (!block || !fl_fill_(fl_diagonal(block, 0, 0, 1), fill_value))
            return -1;
    }
    return 0;
}
