/* Small pieces that the index kernels share. */
#ifndef FLAMBEAU_OPS_INDEX_INDEX_H
#define FLAMBEAU_OPS_INDEX_INDEX_H

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/tensor.h"

/* Copies a run of bytes; the sizes of single elements without a call. */
static inline void index_move(void *to, const void *from, size_t bytes)
{
    if (bytes == 4)
        memcpy(to, from, 4);
    else if (bytes == 8)
        memcpy(to, from, 8);
    else if (bytes == 2)
        memcpy(to, from, 2);
    else if (bytes)
        memcpy(to, from, bytes); /* a tensor without elements has no memory */
}

/* Whether low <= k[i] <= high for all i; low <= 0. The top bit of k - low or of high - k is set
 * where an index is outside; the loop has no branch. */
static inline bool index_within(const int64_t *k, int64_t n, int64_t low, int64_t high)
{
    uint64_t signs = 0;
    for (int64_t i = 0; i < n; i++)
        signs |= ((uint64_t)k[i] - (uint64_t)low) | ((uint64_t)high - (uint64_t)k[i]);
    return signs >> 63 == 0;
}

/* Refuses an index (contiguous int64) below 0 or not below size, before anything is written. */
int index_check(const fl_tensor *which, int dim, int64_t size);

/* to[i] += from[i] for n contiguous elements, as the dtype adds (bool: or). */
void index_add_run(int dtype, int64_t n, void *to, const void *from);
/* Adds `count` runs of n elements, which lie one behind another, to those at these places of `to`,
 * in order. */
void index_add_at(int dtype, void *to, int64_t count, const int64_t *place, int64_t n,
                  const void *from);
/* Lays `count` runs of so many bytes one behind another: those at these places of `from`. */
void index_pick(char *to, const char *from, int64_t count, const int64_t *place, size_t bytes);
/* to[i] *= from[i]. */
void index_multiply_run(int dtype, int64_t n, void *to, const void *from);

/* What becomes of n contiguous elements that are written to where an index says. */
enum index_how { INDEX_COPY, INDEX_ADD, INDEX_MULTIPLY };
static inline void index_combine(enum index_how how, int dtype, int64_t n, void *to,
                                 const void *from)
{
    assert(n >= 0);
    if (how == INDEX_ADD)
        index_add_run(dtype, n, to, from);
    else if (how == INDEX_MULTIPLY)
        index_multiply_run(dtype, n, to, from);
    else
        index_move(to, from, (size_t)n * dtype_size(dtype));
}

/* Elements `from + i * from_step` for those `to + i * to_step + index[i * index_step] * along` of a
 * tensor, 0 <= i < n; but for index_step, steps are in bytes. */
struct index_row {
    int64_t n;
    const int64_t *index;
    int64_t index_step;
    char *to;
    int64_t to_step, along;
    const char *from;
    int64_t from_step;
};
/* Combines them in order. */
void index_combine_row(enum index_how how, int dtype, const struct index_row *row);

/* The positions of the elements of t that are not zero: a new (n, ndim) int64 tensor, in order. */
fl_tensor *mask_positions(const fl_tensor *t);
/* mask_check.c. Whether an index is a mask: bools, or bytes, of which PyTorch warns. */
bool index_is_mask(const fl_tensor *t);
/* Refuses a mask that is not of the sizes of self's dims from `dim` on. 0, or -1 with the error. */
int index_check_mask(const fl_tensor *self, const fl_tensor *mask, int dim);
/* PyTorch's warning of a mask of bytes. 0, or -1 where it is an error. */
int mask_warn(const fl_tensor *mask);
/* Warns of a write to a tensor that shows one element several times. example: of what else it says. */
int index_warn_expanded(const fl_tensor *self, const char *what, const char *example);
int64_t mask_count(const fl_tensor *t);
/* Into y, contiguous, the elements (or slices) of self where the mask, of self's first dims, is
 * true. */
int mask_read(const fl_tensor *self, const fl_tensor *mask, fl_tensor *y);
/* Writes one element where the mask is true; self is contiguous and of the mask's sizes. */
int mask_fill(fl_tensor *self, const fl_tensor *mask, const void *element);
/* Copies the elements of `from` (contiguous, of t's sizes and dtype) whose mark is not 0 into t, one
 * after another: t may show one element several times (expand), and the last one stays. */
void mask_write(fl_tensor *t, const fl_tensor *from, const uint8_t *marks);

#endif
