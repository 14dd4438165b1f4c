/* Conversion between dtypes, and transposition, of contiguous pieces: what copies are made of. */
#ifndef FLAMBEAU_CORE_CONVERT_H
#define FLAMBEAU_CORE_CONVERT_H

#include "core/isa.h"
#include "core/tensor.h"

typedef void (*convert_fn)(int64_t n, void *to, const void *from);

struct convert_kernels {
    /* [from][to] for the dtypes before complex; n contiguous elements. */
    convert_fn contiguous[FL_COMPLEX64][FL_COMPLEX64];
    /* n bytes from one place to another that does not overlap it. */
    void (*move)(int64_t n, void *to, const void *from);
    /* n elements of 1 << log2 bytes in reverse order: to[i] = from[n - 1 - i]. */
    void (*reverse[5])(int64_t n, void *to, const void *from);
    /* Writes n elements of 1 << log2 bytes that are all the same. */
    void (*fill[5])(int64_t n, void *to, const void *element);
    /* to[r][c] = from[c][r] for r < rows, c < columns, elements of 1 << log2 bytes, rows `stride`
     * bytes apart. */
    void (*transpose[5])(int64_t rows, int64_t columns, void *to, int64_t to_stride,
                         const void *from, int64_t from_stride);
};
FL_SIMD_TABLE(struct convert_kernels, convert_kernels);

/* Converts n contiguous elements where one dtype, or both, is one of those behind complex128. */
void convert_stored(int64_t n, void *to, int to_dtype, const void *from, int from_dtype);

/* Copies n elements of `size` bytes, any strides (in bytes). */
void convert_move(int64_t n, size_t size, void *to, int64_t to_stride, const void *from,
                  int64_t from_stride);

#endif
