/* What calls a thread makes and how long they take. */
#ifndef FLAMBEAU_OPS_PROFILE_H
#define FLAMBEAU_OPS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flambeau.h"

struct profile_event {
    const char *name;   /* lives as long as the library */
    int64_t start, end; /* nanoseconds of the monotonic clock; end 0: it runs still */
    int64_t bytes;      /* by how much memory in use grew meanwhile, where asked for */
    int64_t given, made; /* where the sizes of arguments and results begin; -1: not asked for */
};

/* From now on this thread's calls are written down, until profile_stop. */
void profile_start(bool bytes, bool shapes);
void profile_stop(void);
size_t profile_begin(const fl_op *op, const fl_value *args);
void profile_end(size_t event, const fl_op *op, const fl_value *results);
/* Sizes, from an event's place on: how many values there are, then of each a tensor's dims and sizes,
 * PROFILE_LIST with the number of its tensors and what stands for each, or PROFILE_OTHER. */
enum { PROFILE_OTHER = -1, PROFILE_LIST = -2 };
const int64_t *profile_sizes(void);
/* This thread's events, in the order in which they began, and how many did not fit into memory. */
const struct profile_event *profile_events(size_t *count, size_t *lost);
void profile_clear(void);

#endif
