/* Dtypes: a row each, promotion, and which results may be written where.
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
#include "core/iterate.h"

#define ROW(name, title, c_name, size, class, compute, real, complex)                              \
    {name, title, c_name, size, CLASS_##class, COMPUTE_##compute, FL_##real, FL_COMPLEX##complex}

const struct dtype dtypes[FL_DTYPE_COUNT] = {
    [FL_BOOL] = ROW("bool", "Bool", "bool", 1, BOOL, I32, BOOL, 64),
    [FL_UINT8] = ROW("uint8", "Byte", "uint8_t", 1, INTEGRAL, I32, UINT8, 64),
    [FL_INT8] = ROW("int8", "Char", "int8_t", 1, INTEGRAL, I32, INT8, 64),
    [FL_INT16] = ROW("int16", "Short", "int16_t", 2, INTEGRAL, I32, INT16, 64),
    [FL_INT32] = ROW("int32", "Int", "int", 4, INTEGRAL, I32, INT32, 64),
    [FL_INT64] = ROW("int64", "Long", "int64_t", 8, INTEGRAL, I64, INT64, 64),
    [FL_FLOAT16] = ROW("float16", "Half", "c10::Half", 2, FLOATING, F32, FLOAT16, 64),
    [FL_BFLOAT16] = ROW("bfloat16", "BFloat16", "c10::BFloat16", 2, FLOATING, F32, BFLOAT16, 64),
    [FL_FLOAT32] = ROW("float32", "Float", "float", 4, FLOATING, F32, FLOAT32, 64),
    [FL_FLOAT64] = ROW("float64", "Double", "double", 8, FLOATING, F64, FLOAT64, 128),
    [FL_COMPLEX64] =
        ROW("complex64", "ComplexFloat", "c10::complex<float>", 8, COMPLEX, C64, FLOAT32, 64),
    [FL_COMPLEX128] =
        ROW("complex128", "ComplexDouble", "c10::complex<double>", 16, COMPLEX, C128, FLOAT64, 128),
};

static bool known(int dtype)
{
    return dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT;
}

const char *dtype_title(int dtype)
{
    return known(dtype) ? dtypes[dtype].title : "Undefined";
}

const char *fl_dtype_name(fl_dtype dtype)
{
    return known(dtype) ? dtypes[dtype].name : "none";
}

size_t fl_dtype_size(fl_dtype dtype)
{
    return known(dtype) ? dtypes[dtype].size : 0;
}

const char *dtype_c_name(int dtype)
{
    return dtypes[dtype].c_name;
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
    if (number.tag == FL_COMPLEX) { /* the imaginary part of a real number is 0 */
        if (!dtype_is_complex(dtype) && dtype != FL_BOOL && number.as.floats[1] == 0)
            return number_check(fl_float(number.as.floats[0]), dtype);
        fits = dtype_is_complex(dtype) || dtype == FL_BOOL;
    } else if (dtype_is_integral(dtype) && number.tag == FL_FLOATING) {
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
    if (number.tag == FL_COMPLEX)
        error_context("the value is %g%+gj", "这个数是 %g%+gj", number.as.floats[0],
                      number.as.floats[1]);
    else if (number.tag == FL_FLOATING)
        error_context("the value is %g", "这个数是 %g", number.as.f);
    else
        error_context("the value is %lld", "这个数是 %lld", (long long)number.as.i);
    return error_hint(
        "give a number that the dtype holds, or convert the tensor to a wider one",
        "这个数超出了该 dtype 的范围：请给出它能表示的数，或先把张量转换成更宽的 dtype");
}

int number_dtype(const fl_value *number)
{
    return number->tag == FL_COMPLEX    ? FL_COMPLEX128
           : number->tag == FL_FLOATING ? FL_FLOAT64
           : number->tag == FL_INTEGER  ? FL_INT64
                                        : FL_BOOL;
}

fl_value number_from_parts(double real, double imag)
{
    static _Thread_local double kept[16][2];
    static _Thread_local unsigned next;
    double *parts = kept[next++ % 16];
    parts[0] = real, parts[1] = imag;
    return fl_complex_of(parts);
}

fl_value number_complex(char sign, const fl_value *a, const fl_value *b)
{
    double ar = number_real(a), ai = number_imag(a), br = number_real(b), bi = number_imag(b);
    if (sign == '+')
        return number_from_parts(ar + br, ai + bi);
    if (sign == '-')
        return number_from_parts(ar - br, ai - bi);
    if (sign == '*')
        return number_from_parts(ar * br - ai * bi, ar * bi + ai * br);
    double size = br * br + bi * bi;
    return number_from_parts((ar * br + ai * bi) / size, (ai * br - ar * bi) / size);
}

fl_value number_log(fl_value number)
{
    double real = number_real(&number), imag = number_imag(&number);
    return number.tag == FL_COMPLEX ? number_from_parts(log(hypot(real, imag)), atan2(imag, real))
                                    : fl_float(log(real));
}

fl_value number_wrap(fl_value number, int dtype)
{
    assert(value_is_number(&number));
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
