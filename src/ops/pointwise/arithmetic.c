/* Arithmetic that takes more than an expression: what is refused, and what is chosen by an
 * argument. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/pointwise/pointwise.h"
#include "ops_kernels.h"
#include "ops_table.h"

static int dtype_of(fl_value v)
{
    return v.tag == FL_TENSOR ? v.as.tensor->dtype : number_dtype(&v);
}

/* Calls an operator of a few parameters; the result is the scope's. */
static int call(const fl_op *op, fl_value a, fl_value b, fl_value c, fl_tensor **y)
{
    const fl_value args[] = {a, b, c};
    fl_value result;
    if (fl_call(op, op->params, args, 1, &result))
        return -1;
    *y = result.as.tensor;
    return 0;
}

/* ---- refusals ---- */

int neg_check(fl_tensor *self)
{
    return self->dtype != FL_BOOL
               ? 0
               : error_set(FL_RUNTIME_ERROR,
                           "Negation, the `-` operator, on a bool tensor is not supported. If you "
                           "are trying to invert a mask, use the `~` or `logical_not()` operator "
                           "instead.");
}

int sub_check(fl_tensor *self, fl_value other, fl_value alpha)
{
    (void)alpha;
    bool first = self->dtype == FL_BOOL, second = dtype_of(other) == FL_BOOL;
    if (first && second)
        return error_set(
            FL_RUNTIME_ERROR,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead.");
    if (first || second)
        return error_set(FL_RUNTIME_ERROR,
                         "Subtraction, the `-` operator, with a bool tensor is not supported. If "
                         "you are trying to invert "
                         "a mask, use the `~` or `logical_not()` operator instead.");
    return 0;
}

/* Whether an integral tensor has an element that is 0 as dtype; -1 with the error set. */
static int has_zero(const fl_tensor *t, int dtype)
{
    if (tensor_is_meta(t))
        return 0;
    fl_tensor *here = tensor_host(t), *narrow = here ? tensor_as(here, dtype) : NULL;
    fl_tensor *truths = narrow ? tensor_as(narrow, FL_BOOL) : NULL;
    int found =
        !truths ? -1 : truths->numel && memchr(tensor_data(truths), 0, (size_t)truths->numel);
    tensor_release(truths), tensor_release(narrow), tensor_release(here);
    return found;
}

/* A divisor of no dim is converted to the dividend's dtype, where it may become 0. */
static int refuse_zero(fl_value dividend, fl_value divisor)
{
    assert(divisor.tag != FL_NONE);
    const fl_value both[] = {dividend, divisor};
    int common = pointwise_promote(2, both);
    if (dtype_is_inexact(common))
        return 0;
    int zero = divisor.tag == FL_TENSOR ? has_zero(divisor.as.tensor, common)
                                        : number_wrap(divisor, common).as.i == 0;
    if (zero <= 0)
        return zero;
    return error_set(FL_RUNTIME_ERROR, "ZeroDivisionError");
}

int divisor_check(fl_tensor *self, fl_value other)
{
    return refuse_zero(fl_tensor_value(self), other);
}

int remainder_scalar_check(fl_value self, fl_tensor *other)
{
    return refuse_zero(self, fl_tensor_value(other));
}

int pow_check(fl_tensor *self, fl_value exponent)
{
    if (exponent.tag == FL_INTEGER && exponent.as.i < 0 && !dtype_is_inexact(self->dtype))
        return error_set(FL_RUNTIME_ERROR, "Integers to negative integer powers are not allowed.");
    return 0;
}

static int refuse_other_dtype(const fl_tensor *self, const fl_tensor *t, const char *name)
{
    if (self->dtype == t->dtype)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "expected dtype %s for `%s` but got dtype %s",
                     fl_dtype_name(self->dtype), name, fl_dtype_name(t->dtype));
}

int lerp_check(fl_tensor *self, fl_tensor *end, fl_value weight)
{
    (void)weight;
    return refuse_other_dtype(self, end, "end");
}

int lerp_tensor_check(fl_tensor *self, fl_tensor *end, fl_tensor *weight)
{
    return refuse_other_dtype(self, end, "end") || refuse_other_dtype(self, weight, "weight") ? -1
                                                                                              : 0;
}

int nextafter_compose(fl_tensor *self, fl_tensor *other, fl_tensor **y)
{
    const fl_value both[] = {fl_tensor_value(self), fl_tensor_value(other)};
    fl_value pair = fl_none();
    int common = pointwise_promote(2, both);
    if (common < 0)
        return -1;
    if (common != FL_FLOAT16 && common != FL_BFLOAT16)
        *y = fl__nextafter(self, other);
    else if ((self = fl__cast(self, (fl_dtype)common)) &&
             (other = fl__cast(other, (fl_dtype)common)) &&
             fl_broadcast_tensors((fl_tensors){(fl_tensor *[]){self, other}, 2}, &pair) == 0)
        *y = fl__nextafter_half(pair.as.tensors[0], pair.as.tensors[1]);
    fl_value_release(&pair);
    return *y ? 0 : -1;
}

/* The bits of halves count up with their magnitude, in both formats. */
static uint16_t next_half(uint16_t x, uint16_t y, uint16_t infinity)
{
    const uint16_t sign = 0x8000, magnitude = 0x7fff;
    if ((x & magnitude) > infinity || (y & magnitude) > infinity)
        return magnitude; /* NaN */
    int a = x & sign ? -(x & magnitude) : x, b = y & sign ? -(y & magnitude) : y;
    if (a == b)
        return y;
    if (a == 0)
        return (uint16_t)((y & sign) | 1);
    return (uint16_t)((a < b) == (a > 0) ? x + 1 : x - 1);
}

int nextafter_half_cpu(fl_tensor *self, fl_tensor *other, fl_tensor *y)
{
    assert(y->numel == self->numel);
    fl_tensor *from = tensor_contiguous(self), *to = from ? tensor_contiguous(other) : NULL;
    uint16_t infinity = self->dtype == FL_FLOAT16 ? 0x7c00 : 0x7f80, *out = tensor_data(y);
    const uint16_t *a = to ? tensor_data(from) : NULL, *b = to ? tensor_data(to) : NULL;
    for (int64_t i = 0; to && i < y->numel; i++)
        out[i] = next_half(a[i], b[i], infinity);
    int status = to ? 0 : -1;
    tensor_release(from), tensor_release(to);
    return status;
}

int frexp_check(fl_tensor *self)
{
    return dtype_is_floating(self->dtype)
               ? 0
               : error_set(FL_RUNTIME_ERROR, "torch.frexp() only supports floating-point dtypes");
}

int frexp_shape(fl_tensor *self, struct op_shape *y)
{
    op_shape_laid_as(&y[0], self);
    op_shape_laid_as(&y[1], self);
    y[0].dtype = self->dtype, y[1].dtype = FL_INT32;
    return 0;
}

/* As frexp of the C library, of which no element waits for another's branch. */
static inline double split(double x, int32_t *power)
{
    const uint64_t field = UINT64_C(0x7ff) << 52;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const bool tiny = (bits & field) == 0, whole = (bits & field) == field || x == 0;
    double scaled = tiny ? x * 0x1p54 : x;
    memcpy(&bits, &scaled, sizeof bits);
    *power = whole ? 0 : (int32_t)((bits & field) >> 52) - 1022 - (tiny ? 54 : 0);
    bits = (bits & ~field) | UINT64_C(1022) << 52;
    memcpy(&scaled, &bits, sizeof bits);
    return whole ? x : scaled;
}

int frexp_cpu(fl_tensor *self, fl_tensor *mantissa, fl_tensor *exponent)
{
    assert(exponent->dtype == FL_INT32 && mantissa->numel == self->numel);
    fl_tensor *x = tensor_as(self, FL_FLOAT64),
              *m = tensor_new(self->ndim, self->sizes, FL_FLOAT64),
              *e = tensor_new(self->ndim, self->sizes, FL_INT32);
    int status = x && m && e ? 0 : -1;
    const double *from = status == 0 ? tensor_data(x) : NULL;
    double *fraction = status == 0 ? tensor_data(m) : NULL;
    int32_t *power = status == 0 ? tensor_data(e) : NULL;
    for (int64_t i = 0; status == 0 && i < x->numel; i++)
        fraction[i] = split(from[i], &power[i]);
    if (status == 0)
        status = tensor_copy(mantissa, m) || tensor_copy(exponent, e) ? -1 : 0;
    tensor_release(x), tensor_release(m), tensor_release(e);
    return status;
}

/* A bound that is a number must fit the dtype in which it is compared. */
int bound_check(fl_tensor *self, fl_value bound)
{
    const fl_value both[] = {fl_tensor_value(self), bound};
    return bound.tag == FL_TENSOR ? 0 : number_check(bound, pointwise_promote(2, both));
}

int bounds_check(fl_tensor *self, fl_value min, fl_value max)
{
    assert(self->dtype > FL_NO_DTYPE && self->dtype < FL_DTYPE_COUNT);
    const fl_value all[] = {fl_tensor_value(self), min, max};
    int common = pointwise_promote(3, all);
    for (int i = 1; i < 3; i++)
        if (all[i].tag != FL_TENSOR && number_check(all[i], common))
            return -1;
    return 0;
}

int where_check(fl_tensor *condition, fl_value self, fl_value other)
{
    const fl_value both[] = {self, other};
    int common = pointwise_promote(2, both);
    if (common == FL_FLOAT16 || common == FL_BFLOAT16)
        common = FL_FLOAT32; /* the number becomes a tensor of that first */
    for (int i = 0; i < 2; i++)
        if (both[i].tag != FL_TENSOR && number_check(both[i], common))
            return -1;
    if (condition->dtype == FL_UINT8)
        return warning_give("where received a uint8 condition tensor. This behavior is deprecated "
                            "and will be removed "
                            "in a future version of PyTorch. Use a boolean condition instead.");
    if (condition->dtype == FL_BOOL)
        return 0;
    return error_set(
        FL_RUNTIME_ERROR,
        "where expected condition to be a boolean tensor, but got a tensor with dtype %s",
        dtype_title(condition->dtype));
}

/* ---- choices ---- */

int div_mode_compose(fl_tensor *self, fl_value other, const char *rounding_mode, fl_tensor **y)
{
    const fl_op *op = !rounding_mode                        ? &op_div_Tensor
                      : strcmp(rounding_mode, "floor") == 0 ? &op__div_floor
                      : strcmp(rounding_mode, "trunc") == 0 ? &op__div_trunc
                                                            : NULL;
    if (!op)
        return error_set(
            FL_RUNTIME_ERROR,
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            "'%s'",
            rounding_mode);
    bool half = self->dtype == FL_FLOAT16 || self->dtype == FL_BFLOAT16;
    if (op == &op__div_trunc && half && other.tag == FL_TENSOR &&
        other.as.tensor->ndim) { /* the quotient of elements is rounded to its dtype first */
        if (call(&op_div_Tensor, fl_tensor_value(self), other, fl_none(), y))
            return -1;
        *y = fl_trunc(*y);
        return *y ? 0 : -1;
    }
    return call(op, fl_tensor_value(self), other, fl_none(), y);
}

int float_power_compose(fl_tensor *self, fl_value exponent, fl_tensor **y)
{
    bool complex = dtype_is_complex(self->dtype) || dtype_is_complex(dtype_of(exponent));
    fl_dtype dtype = complex ? FL_COMPLEX128 : FL_FLOAT64;
    fl_tensor *base = fl__cast(self, dtype);
    if (exponent.tag == FL_TENSOR)
        *y = fl_pow(base, fl__cast(exponent.as.tensor, dtype));
    else
        *y = fl_pow_scalar(base, exponent);
    return *y ? 0 : -1;
}

int float_power_in_place_compose(fl_tensor *self, fl_value exponent, fl_tensor **y)
{
    assert(self->dtype == FL_FLOAT64 || self->dtype == FL_COMPLEX128);
    *y = exponent.tag == FL_TENSOR ? fl_pow_(self, fl__cast(exponent.as.tensor, FL_FLOAT64))
                                   : fl_pow_scalar_(self, fl_float(number_real(&exponent)));
    return *y ? 0 : -1;
}

int float_power_scalar_compose(fl_value self, fl_tensor *exponent, fl_tensor **y)
{
    bool complex = self.tag == FL_COMPLEX || dtype_is_complex(exponent->dtype);
    *y = fl_pow_scalar_first(self, fl__cast(exponent, complex ? FL_COMPLEX128 : FL_FLOAT64));
    return *y ? 0 : -1;
}

/* ---- names of nodes, which count a number and a tensor apart ---- */

const char *remainder_title(fl_tensor *self, fl_value other)
{
    (void)self;
    return other.tag == FL_TENSOR ? "RemainderBackward1" : "RemainderBackward0";
}

const char *fmod_title(fl_tensor *self, fl_value other)
{
    (void)self;
    return other.tag == FL_TENSOR ? "FmodBackward1" : "FmodBackward0";
}
