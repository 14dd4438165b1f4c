/* A walk over several operands at once: dims put into memory order and merged where that is
 * possible. */
#ifndef FLAMBEAU_CORE_WALK_H
#define FLAMBEAU_CORE_WALK_H

#include <string.h>

#include "core/tensor.h"

enum { WALK_MAX_OPERANDS = 12 };

struct walk {
    int ndim; /* at least 1; the last dim is the innermost */
    int operands;
    int64_t numel;
    int64_t sizes[TENSOR_MAX_DIMS + 1];
    int64_t strides[WALK_MAX_OPERANDS]
                   [TENSOR_MAX_DIMS + 1]; /* in bytes; 0 where an operand is broadcast */
};

/* Starts a walk over a whole of these sizes. */
void walk_begin(struct walk *w, int ndim, const int64_t *sizes);
/* Adds an operand, broadcast to the whole; strides in elements. */
void walk_add(struct walk *w, int ndim, const int64_t *sizes, const int64_t *strides,
              size_t element);
/* Orders the dims by the strides of the operands, the first operand's before the others', drops
 * dims of one element, and merges neighbours that are one run for every operand. */
void walk_merge(struct walk *w);
/* The coordinates of an element, by its number in the walk's order. */
void walk_coordinates(const struct walk *w, int64_t element, int64_t *coordinates);
/* Moves coordinates n elements on, past the last one to the first again. */
static inline void walk_on(const struct walk *w, int64_t n, int64_t *coordinates)
{
    int last = w->ndim - 1;
    int64_t carry = coordinates[last] + n;
    for (int d = last; d >= 0 && carry; d--) {
        const int64_t size = w->sizes[d], here = d < last ? coordinates[d] + carry : carry;
        carry = here < size ? 0 : here < 2 * size ? 1 : here / size;
        coordinates[d] = here - carry * size;
    }
}
/* The byte offset of an operand's element at these coordinates. */
int64_t walk_offset(const struct walk *w, int operand, const int64_t *coordinates);

/* A run shorter than this is short. */
enum { WALK_SHORT_RUN = 32 };

/* Copies a short run of elements of 4, 8 or 16 bytes, where a call would cost more than the run. */
static inline void walk_move_short(int64_t n, int64_t size, char *to, int64_t to_stride,
                                   const char *from, int64_t from_stride)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * to_stride, from + i * from_stride, 4);
    else if (size == 8)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * to_stride, from + i * from_stride, 8);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * to_stride, from + i * from_stride, 16);
}

#endif
