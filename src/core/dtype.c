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
#include <stdio.h>

#include "core/error.h"
#include "core/iterate.h"

/* DLPack's codes of kinds. */
enum {
    INT = 0,
    UINT = 1,
    FLOAT = 2,
    BFLOAT = 4,
    COMPLEX = 5,
    BOOL = 6,
    E4M3FN = 10,
    E4M3FNUZ = 11,
    E5M2 = 12,
    E5M2FNUZ = 13,
    E8M0FNU = 14
};

#define ROW(name, title, c_name, numpy, buffer, safetensors, dlpack, size, class, group, compute,  \
            real, complex, digits, is_signed, largest)                                             \
    {name,                                                                                         \
     title,                                                                                        \
     c_name,                                                                                       \
     numpy,                                                                                        \
     buffer,                                                                                       \
     safetensors,                                                                                  \
     dlpack,                                                                                       \
     size,                                                                                         \
     CLASS_##class,                                                                                \
     group,                                                                                        \
     COMPUTE_##compute,                                                                            \
     FL_##real,                                                                                    \
     FL_##complex,                                                                                 \
     digits,                                                                                       \
     is_signed,                                                                                    \
     largest}
#define WHOLE(name, title, c_name, numpy, buffer, safetensors, size, compute, real, digits)        \
    ROW(name, title, c_name, numpy, buffer, safetensors, INT, size, INTEGRAL, CLASS_INTEGRAL,      \
        compute, real, COMPLEX64, digits, true, 0)
#define UNSIGNED(name, title, c_name, numpy, buffer, safetensors, size, compute, real)             \
    ROW(name, title, c_name, numpy, buffer, safetensors, UINT, size, INTEGRAL, GROUP_UNSIGNED,     \
        compute, real, NO_DTYPE, 8 * size, false, 0)
#define FLOATING(name, title, c_name, numpy, buffer, safetensors, dlpack, size, compute, real,     \
                 complex, digits, largest)                                                         \
    ROW(name, title, c_name, numpy, buffer, safetensors, dlpack, size, FLOATING, CLASS_FLOATING,   \
        compute, real, complex, digits, true, largest)
#define FLOAT8(name, title, safetensors, dlpack, real, digits, is_signed, largest)                 \
    ROW(name, title, "c10::" title, NULL, NULL, safetensors, dlpack, 1, FLOATING, GROUP_FLOAT8,    \
        F32, real, NO_DTYPE, digits, is_signed, largest)

/* clang-format off */
const struct dtype dtypes[FL_DTYPE_COUNT] = {
    [FL_BOOL] = ROW("bool", "Bool", "bool", "b1", "?", "BOOL", BOOL, 1, BOOL, CLASS_BOOL, I32, BOOL,
                    COMPLEX64, 1, false, 0),
    [FL_UINT8] = ROW("uint8", "Byte", "uint8_t", "u1", "B", "U8", UINT, 1, INTEGRAL, CLASS_INTEGRAL,
                     I32, UINT8, COMPLEX64, 8, false, 0),
    [FL_INT8] = WHOLE("int8", "Char", "int8_t", "i1", "b", "I8", 1, I32, INT8, 7),
    [FL_INT16] = WHOLE("int16", "Short", "int16_t", "i2", "h", "I16", 2, I32, INT16, 15),
    [FL_INT32] = WHOLE("int32", "Int", "int", "i4", "i", "I32", 4, I32, INT32, 31),
    [FL_INT64] = WHOLE("int64", "Long", "int64_t", "i8", "l", "I64", 8, I64, INT64, 63),
    [FL_FLOAT16] = FLOATING("float16", "Half", "c10::Half", "f2", "e", "F16", FLOAT, 2, F32,
                            FLOAT16, COMPLEX64, 11, 65504),
    [FL_BFLOAT16] = FLOATING("bfloat16", "BFloat16", "c10::BFloat16", NULL, NULL, "BF16", BFLOAT, 2,
                             F32, BFLOAT16, COMPLEX64, 8, 0x1.fep127),
    [FL_FLOAT32] = FLOATING("float32", "Float", "float", "f4", "f", "F32", FLOAT, 4, F32, FLOAT32,
                            COMPLEX64, 24, FLT_MAX),
    [FL_FLOAT64] = FLOATING("float64", "Double", "double", "f8", "d", "F64", FLOAT, 8, F64, FLOAT64,
                            COMPLEX128, 53, DBL_MAX),
    [FL_COMPLEX64] = ROW("complex64", "ComplexFloat", "c10::complex<float>", "c8", "Zf", "C64",
                         COMPLEX, 8, COMPLEX, CLASS_COMPLEX, C64, FLOAT32, COMPLEX64, 0, true, FLT_MAX),
    [FL_COMPLEX128] = ROW("complex128", "ComplexDouble", "c10::complex<double>", "c16", "Zd",
                          "C128", COMPLEX, 16, COMPLEX, CLASS_COMPLEX, C128, FLOAT64, COMPLEX128, 0,
                          true, DBL_MAX),
    [FL_UINT16] = UNSIGNED("uint16", "UInt16", "uint16_t", "u2", "H", "U16", 2, I32, UINT16),
    [FL_UINT32] = UNSIGNED("uint32", "UInt32", "uint32_t", "u4", "I", "U32", 4, I64, UINT32),
    [FL_UINT64] = UNSIGNED("uint64", "UInt64", "uint64_t", "u8", "L", "U64", 8, I64, UINT64),
    [FL_FLOAT8_E4M3FN] =
        FLOAT8("float8_e4m3fn", "Float8_e4m3fn", "F8_E4M3", E4M3FN, FLOAT8_E4M3FN, 4, true, 448),
    [FL_FLOAT8_E5M2] =
        FLOAT8("float8_e5m2", "Float8_e5m2", "F8_E5M2", E5M2, FLOAT8_E5M2, 3, true, 57344),
    [FL_FLOAT8_E4M3FNUZ] = FLOAT8("float8_e4m3fnuz", "Float8_e4m3fnuz", "F8_E4M3FNUZ", E4M3FNUZ,
                                  FLOAT8_E4M3FNUZ, 4, true, 240),
    [FL_FLOAT8_E5M2FNUZ] = FLOAT8("float8_e5m2fnuz", "Float8_e5m2fnuz", "F8_E5M2FNUZ", E5M2FNUZ,
                                  FLOAT8_E5M2FNUZ, 3, true, 57344),
    [FL_FLOAT8_E8M0FNU] = FLOAT8("float8_e8m0fnu", "Float8_e8m0fnu", "F8_E8M0", E8M0FNU,
                                 FLOAT8_E8M0FNU, 1, false, 0x1p127),
};
/* clang-format on */

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

const char *dtype_tensor_class(char *text, size_t size, int dtype)
{
    const bool old =
        dtype != FL_BOOL && dtype < FL_COMPLEX64; /* of the classes with names of their own */
    snprintf(text, size, old ? "torch.%sTensor" : "CPU%sType", dtype_title(dtype));
    return text;
}

const char *dtype_cpp_name(int dtype)
{
    switch (dtype) {
    case FL_UINT8:
        return "unsigned char";
    case FL_INT8:
        return "signed char";
    case FL_INT16:
        return "short int";
    case FL_INT64:
        return "long int";
    case FL_UINT16:
        return "short unsigned int";
    case FL_UINT32:
        return "unsigned int";
    case FL_UINT64:
        return "long unsigned int";
    default:
        return dtypes[dtype].c_name;
    }
}

/* ---- Numbers ---- */

int64_t dtype_most(int dtype)
{
    assert(dtype_is_integral(dtype));
    int digits = dtype_digits(dtype);
    return digits < 63 ? (INT64_C(1) << digits) - 1 : INT64_MAX;
}

int64_t dtype_least(int dtype)
{
    return -dtype_most(dtype) - (dtype_is_signed(dtype) || dtype_digits(dtype) == 64);
}

bool dtype_holds(double number, int dtype)
{
    double low = dtype_is_signed(dtype) ? (double)dtype_least(dtype) : 0;
    return number >= low && (dtype_digits(dtype) < 63 ? number <= (double)dtype_most(dtype)
                                                      : number < ldexp(1, dtype_digits(dtype)));
}

/* Infinity and NaN exist in every floating dtype; a bool takes any number as its truth; an unsigned
 * integer takes a negative one whose absolute value it holds. */
int number_check_range(fl_value number, int dtype)
{
    bool fits = true;
    if (number.tag == FL_COMPLEX) { /* the imaginary part of a real number is 0 */
        if (!dtype_is_complex(dtype) && dtype != FL_BOOL && number.as.floats[1] == 0)
            return number_check(fl_float(number.as.floats[0]), dtype);
        fits = dtype_is_complex(dtype) || dtype == FL_BOOL;
    } else if (dtype_is_integral(dtype) && number.tag == FL_FLOATING) {
        fits = dtype_holds(number.as.f, dtype);
    } else if (dtype_is_integral(dtype)) {
        fits = number.as.i >= dtype_least(dtype) && number.as.i <= dtype_most(dtype);
    } else if (dtype_is_floating(dtype)) {
        double value = number.tag == FL_FLOATING ? number.as.f : (double)number.as.i;
        fits = !isfinite(value) || fabs(value) <= dtype_largest(dtype);
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
    enum { KEPT = 8 };
    static _Thread_local double kept[KEPT][2];
    static _Thread_local unsigned next;
    double *parts = kept[next++ % KEPT];
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
    int dropped = 64 - dtype_digits(dtype) - dtype_is_signed(dtype);
    uint64_t bits = (uint64_t)number.as.i << dropped;
    return fl_int(dtype_is_signed(dtype) ? (int64_t)bits >> dropped : (int64_t)(bits >> dropped));
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
    bool unsigned_meets_float = dtype_group(high) == GROUP_UNSIGNED && dtype_is_floating(low);
    if (unsigned_meets_float)
        return low;
    if (dtype_group(high) == GROUP_UNSIGNED || dtype_group(high) == GROUP_FLOAT8)
        return error_set(
            FL_RUNTIME_ERROR, "Promotion for %s is not supported, attempted to promote %s and %s",
            dtype_group(high) == GROUP_FLOAT8 ? "Float8 Types" : "uint16, uint32, uint64 types",
            dtype_title(a), dtype_title(b));
    if (dtype_is_complex(high))
        return is_double(low) || is_double(high) ? FL_COMPLEX128 : FL_COMPLEX64;
    if (low == FL_FLOAT16 && high == FL_BFLOAT16)
        return FL_FLOAT32;
    if (low == FL_UINT8 && high == FL_INT8)
        return FL_INT16;
    return high;
}

int dtype_complex_of(int dtype)
{
    int complex = dtype_complex(dtype);
    return complex != FL_NO_DTYPE ? complex
                                  : error_set(FL_RUNTIME_ERROR, "Unknown Complex ScalarType for %s",
                                              dtype_title(dtype));
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

int dtype_check_cast(int from, int to)
{
    if (dtype_can_cast(from, to))
        return 0;
    return error_set(FL_RUNTIME_ERROR, "result type %s can't be cast to the desired output type %s",
                     dtype_title(from), dtype_title(to));
}

int dtype_refuse(const char *name, int dtype)
{
    return error_set(FL_NOT_IMPLEMENTED, "\"%s\" not implemented for '%s'", name,
                     dtype_title(dtype));
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
