/* Conversion of strided elements, in terms of the contiguous kernels. */
#include "core/convert.h"

#include <assert.h>
#include <string.h>

#include "core/iterate.h"

enum {
    BLOCK = 256, /* elements that pass through buffers at a time */
    LEAST_MOVE = 1024,
    MOST_MOVE = 1 << 20 /* bytes; the C library goes past the cache with more */
};

static void move_bytes(void *to, const void *from, size_t n)
{
    if (n == 0) /* there may be no memory */
        return;
    if (n < LEAST_MOVE || n > MOST_MOVE)
        memcpy(to, from, n);
    else
        ISA_PICK(convert_kernels)->move((int64_t)n, to, from);
}

#define MOVE(type)                                                                                 \
    for (int64_t i = 0; i < n; i++)                                                                \
    memcpy(t + i * to_stride, f + i * from_stride, sizeof(type))

void convert_move(int64_t n, size_t size, void *to, int64_t to_stride, const void *from,
                  int64_t from_stride)
{
    char *t = to;
    const char *f = from;
    if (to_stride == (int64_t)size && from_stride == (int64_t)size) {
        move_bytes(t, f, (size_t)n * size);
        return;
    }
    if (to_stride == (int64_t)size && from_stride == -(int64_t)size) {
        ISA_PICK(convert_kernels)
            ->reverse[__builtin_ctzll(size)](n, t, f - (n - 1) * (int64_t)size);
        return;
    }
    switch (size) {
    case 1:
        MOVE(char);
        break;
    case 2:
        MOVE(char[2]);
        break;
    case 4:
        MOVE(char[4]);
        break;
    case 8:
        MOVE(char[8]);
        break;
    default:
        MOVE(char[16]);
        break;
    }
}

/* From one real dtype to another that differs. */
static void convert_real(int64_t n, void *to, int to_dtype, const void *from, int from_dtype)
{
    if (to_dtype < FL_COMPLEX64 && from_dtype < FL_COMPLEX64)
        ISA_PICK(convert_kernels)->contiguous[from_dtype][to_dtype](n, to, from);
    else
        convert_stored(n, to, to_dtype, from, from_dtype);
}

/* n real parts, with 0 as the imaginary ones. */
static void widen(int64_t n, void *to, int part, const void *from)
{
    if (part == FL_FLOAT64) {
        double *y = to;
        const double *x = from;
        for (int64_t i = 0; i < n; i++)
            y[2 * i] = x[i], y[2 * i + 1] = 0;
    } else {
        float *y = to;
        const float *x = from;
        for (int64_t i = 0; i < n; i++)
            y[2 * i] = x[i], y[2 * i + 1] = 0;
    }
}

/* Up to BLOCK elements, one dtype being complex: the imaginary part of a real type is 0. */
static void convert_complex_block(int64_t n, char *to, int to_dtype, const char *from,
                                  int from_dtype)
{
    assert(n <= BLOCK && dtype_is_complex(to_dtype) != dtype_is_complex(from_dtype));
    _Alignas(64) char parts[8 * BLOCK];
    int from_part = dtype_real(from_dtype), to_part = dtype_real(to_dtype);
    size_t from_size = dtype_size(from_dtype), part_size = dtype_size(from_part);
    if (dtype_is_complex(to_dtype)) {
        if (from_part != to_part)
            convert_real(n, parts, to_part, from, from_part);
        widen(n, to, to_part, from_part != to_part ? parts : from);
        return;
    }
    convert_move(n, part_size, parts, (int64_t)part_size, from, (int64_t)from_size);
    if (from_part == to_part)
        move_bytes(to, parts, (size_t)n * part_size);
    else
        convert_real(n, to, to_part, parts, from_part);
    if (to_dtype != FL_BOOL)
        return;
    char truth[BLOCK];
    convert_move(n, part_size, parts, (int64_t)part_size, from + part_size, (int64_t)from_size);
    convert_real(n, truth, FL_BOOL, parts, from_part);
    for (int64_t i = 0; i < n; i++)
        to[i] |= truth[i];
}

/* Where one dtype is complex: the real part goes to a real type; its truth is that of both parts. */
static void convert_complex(int64_t n, char *to, int to_dtype, const char *from, int from_dtype)
{
    if (dtype_is_complex(from_dtype) && dtype_is_complex(to_dtype)) {
        convert_real(2 * n, to, dtype_real(to_dtype), from, dtype_real(from_dtype));
        return;
    }
    int64_t to_size = (int64_t)dtype_size(to_dtype), from_size = (int64_t)dtype_size(from_dtype);
    for (int64_t done = 0; done < n; done += BLOCK)
        convert_complex_block(n - done < BLOCK ? n - done : BLOCK, to + done * to_size, to_dtype,
                              from + done * from_size, from_dtype);
}

static void convert_contiguous(int64_t n, void *to, int to_dtype, const void *from, int from_dtype)
{
    if (to_dtype == from_dtype)
        move_bytes(to, from, (size_t)n * dtype_size(to_dtype));
    else if (dtype_is_complex(to_dtype) || dtype_is_complex(from_dtype))
        convert_complex(n, to, to_dtype, from, from_dtype);
    else
        convert_real(n, to, to_dtype, from, from_dtype);
}

void convert_elements(int64_t n, void *to, int to_dtype, int64_t to_stride, const void *from,
                      int from_dtype, int64_t from_stride)
{
    int64_t to_size = (int64_t)dtype_size(to_dtype), from_size = (int64_t)dtype_size(from_dtype);
    if (n == 1 || (to_stride == to_size && from_stride == from_size)) {
        convert_contiguous(n, to, to_dtype, from, from_dtype);
        return;
    }
    if (from_stride == 0) {
        _Alignas(16) char element[16];
        convert_contiguous(1, element, to_dtype, from, from_dtype);
        if (to_stride == to_size)
            ISA_PICK(convert_kernels)->fill[__builtin_ctz((unsigned)to_size)](n, to, element);
        else
            convert_move(n, (size_t)to_size, to, to_stride, element, 0);
        return;
    }
    if (to_dtype == from_dtype) {
        convert_move(n, (size_t)to_size, to, to_stride, from, from_stride);
        return;
    }
    _Alignas(64) char gathered[16 * BLOCK], converted[16 * BLOCK];
    char *t = to;
    const char *f = from;
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t count = n - done < BLOCK ? n - done : BLOCK;
        const char *source = f + done * from_stride;
        char *result = t + done * to_stride;
        if (from_stride != from_size) {
            convert_move(count, (size_t)from_size, gathered, from_size, source, from_stride);
            source = gathered;
        }
        if (to_stride == to_size) {
            convert_contiguous(count, result, to_dtype, source, from_dtype);
        } else {
            convert_contiguous(count, converted, to_dtype, source, from_dtype);
            convert_move(count, (size_t)to_size, result, to_stride, converted, to_size);
        }
    }
}

double convert_rounded(double x, int dtype)
{
    _Alignas(16) char element[16];
    convert_contiguous(1, element, dtype, &x, FL_FLOAT64);
    convert_contiguous(1, &x, FL_FLOAT64, element, dtype);
    return x;
}
