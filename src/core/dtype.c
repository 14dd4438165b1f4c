/* Dtypes: sizes, names, promotion, and which results may be written where.
 *
 * PyTorch's order of kinds is bool, integer, floating, complex; the higher kind wins. Within a kind
 * the larger wins, but uint8 with a signed type needs one that holds both, and float16 with
 * bfloat16 needs float32.
 */
#include <stdatomic.h>

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
    return dtype >= 0 && dtype < FL_DTYPE_COUNT;
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

static bool is_double(int dtype)
{
    return dtype == FL_FLOAT64 || dtype == FL_COMPLEX128;
}

int dtype_promote(int a, int b)
{
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
    atomic_store_explicit(&default_dtype, dtype, memory_order_relaxed);
}
