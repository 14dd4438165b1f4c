/* Dtypes: sizes, names, promotion, and which results may be written where.
 *
 * PyTorch's order of kinds is bool, integer, floating, complex; the higher kind wins. Within a kind
 * the larger wins, but uint8 with a signed type needs one that holds both, and float16 with
 * bfloat16 needs float32.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>

#include "core/error.h"
#include "core/tensor.h"

const uint8_t dtype_sizes[FL_DTYPE_COUNT] = {
    [FL_BOOL] = 1,    [FL_UINT8] = 1,   [FL_INT8] = 1,      [FL_INT16] = 2,
    [FL_INT32] = 4,   [FL_INT64] = 8,   [FL_FLOAT16] = 2,   [FL_BFLOAT16] = 2,
    [FL_FLOAT32] = 4, [FL_FLOAT64] = 8, [FL_COMPLEX64] = 8, [FL_COMPLEX128] = 16,
};

static const char *const TITLES[FL_DTYPE_COUNT] = {
    [FL_BOOL] = "Bool",
    [FL_UINT8] = "Byte",
    [FL_INT8] = "Char",
    [FL_INT16] = "Short",
    [FL_INT32] = "Int",
    [FL_INT64] = "Long",
    [FL_FLOAT16] = "Half",
    [FL_BFLOAT16] = "BFloat16",
    [FL_FLOAT32] = "Float",
    [FL_FLOAT64] = "Double",
    [FL_COMPLEX64] = "ComplexFloat",
    [FL_COMPLEX128] = "ComplexDouble",
};

static const char *const NAMES[FL_DTYPE_COUNT] = {
    [FL_BOOL] = "bool",       [FL_UINT8] = "uint8",         [FL_INT8] = "int8",
    [FL_INT16] = "int16",     [FL_INT32] = "int32",         [FL_INT64] = "int64",
    [FL_FLOAT16] = "float16", [FL_BFLOAT16] = "bfloat16",   [FL_FLOAT32] = "float32",
    [FL_FLOAT64] = "float64", [FL_COMPLEX64] = "complex64", [FL_COMPLEX128] = "complex128",
};

static bool known(int dtype)
{
    return dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT;
}

const char *dtype_title(int dtype)
{
    return known(dtype) ? TITLES[dtype] : "Undefined";
}

const char *fl_dtype_name(fl_dtype dtype)
{
    return known(dtype) ? NAMES[dtype] : "none";
}

size_t fl_dtype_size(fl_dtype dtype)
{
    return known(dtype) ? dtype_sizes[dtype] : 0;
}

const char *dtype_c_name(int dtype)
{
    static const char *const C_NAMES[] = {
        [FL_BOOL] = "bool",         [FL_UINT8] = "uint8_t",
        [FL_INT8] = "int8_t",       [FL_INT16] = "int16_t",
        [FL_INT32] = "int",         [FL_INT64] = "int64_t",
        [FL_FLOAT16] = "c10::Half", [FL_BFLOAT16] = "c10::BFloat16",
        [FL_FLOAT32] = "float",     [FL_FLOAT64] = "double",
    };
    return dtype > FL_NO_DTYPE && dtype <= FL_FLOAT64 ? C_NAMES[dtype] : "complex";
}

/* ---- Numbers ---- */

/* Infinity and NaN exist in every floating dtype; a bool takes any number as its truth; an unsigned
 * integer takes a negative one whose absolute value it holds. */
int number_check_range(fl_value number, int dtype)
{
    static const int64_t INTEGERS[][2] = {
        [FL_UINT8] = {-UINT8_MAX, UINT8_MAX}, [FL_INT8] = {INT8_MIN, INT8_MAX},
        [FL_INT16] = {INT16_MIN, INT16_MAX},  [FL_INT32] = {INT32_MIN, INT32_MAX},
        [FL_INT64] = {INT64_MIN, INT64_MAX},
    };
    static const double FLOATS[] = {
        [FL_FLOAT16] = 65504, [FL_BFLOAT16] = 0x1.fep127, [FL_FLOAT32] = FLT_MAX};
    bool fits = true;
    if (dtype_is_integral(dtype) && number.tag == FL_FLOATING) {
        double low = (double)INTEGERS[dtype][0], high = (double)INTEGERS[dtype][1];
        fits = number.as.f >= (dtype == FL_UINT8 ? 0 : low) &&
               (dtype == FL_INT64 ? number.as.f < high : number.as.f <= high);
    } else if (dtype_is_integral(dtype)) {
        fits = number.as.i >= INTEGERS[dtype][0] && number.as.i <= INTEGERS[dtype][1];
    } else if (dtype >= FL_FLOAT16 && dtype <= FL_FLOAT32) {
        double value = number.tag == FL_FLOATING ? number.as.f : (double)number.as.i;
        fits = !isfinite(value) || fabs(value) <= FLOATS[dtype];
    }
    if (fits)
        return 0;
    error_set(FL_RUNTIME_ERROR, "value cannot be converted to type %s without overflow",
              dtype_c_name(dtype));
    if (number.tag == FL_FLOATING)
        error_context("the value is %g", "这个数是 %g", number.as.f);
    else
        error_context("the value is %lld", "这个数是 %lld", (long long)number.as.i);
    return error_hint("give a number that the dtype holds, or convert the tensor to a wider one",
                      "这个数超出了该 dtype 的范围：请给出它能表示的数，或先把张量转换成更宽的 dtype");
}

fl_value number_wrap(fl_value number, int dtype)
{
    assert(number.tag >= FL_BOOLEAN && number.tag <= FL_FLOATING);
    if (number.tag != FL_INTEGER || !dtype_is_integral(dtype))
        return number;
    switch (dtype) {
    case FL_UINT8:
        return fl_int((uint8_t)number.as.i);
    case FL_INT8:
        return fl_int((int8_t)number.as.i);
    case FL_INT16:
        return fl_int((int16_t)number.as.i);
    case FL_INT32:
        return fl_int((int32_t)number.as.i);
    default:
        return number;
    }
}

static bool is_double(int dtype)
{
    return dtype == FL_FLOAT64 || dtype == FL_COMPLEX128;
}

int dtype_promote(int a, int b)
{
    assert(known(a) && known(b));
    int low = a < b ? a : b, high = a < b ? b : a;
    if (low == high)
        return high;
    if (dtype_is_complex(high))
        return is_double(low) || is_double(high) ? FL_COMPLEX128 : FL_COMPLEX64;
    if (low == FL_FLOAT16 && high == FL_BFLOAT16)
        return FL_FLOAT32;
    if (low == FL_UINT8 && high == FL_INT8)
        return FL_INT16;
    return high;
}

bool dtype_can_cast(int from, int to)
{
    assert(known(from) && known(to));
    if (dtype_is_complex(from) && !dtype_is_complex(to))
        return false;
    if (dtype_is_floating(from) && dtype_is_integral(to))
        return false;
    return from == FL_BOOL || to != FL_BOOL;
}

static _Atomic int default_dtype = FL_FLOAT32;

int dtype_default(void)
{
    return atomic_load_explicit(&default_dtype, memory_order_relaxed);
}

void dtype_set_default(int dtype)
{
    assert(dtype_is_floating(dtype));
    atomic_store_explicit(&default_dtype, dtype, memory_order_relaxed);
}
