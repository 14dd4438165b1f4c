/* Elements as keys: unsigned numbers in the order of the elements. */
#ifndef FLAMBEAU_OPS_SORT_KEYS_H
#define FLAMBEAU_OPS_SORT_KEYS_H

#include <stdbool.h>

#include "ops/sort/lines.h"
#include "ops/sort/order.h"

/* The line's n elements as pairs of key and position. Elements that are equal have equal keys, -0
 * and 0 among them; NaN comes last. Descending order inverts keys, so that it is stable too. */
void keys_read(const struct line *l, bool descending, struct pair *out);
/* The key of a NaN, read ascending; integers, which have none, may have it too. */
uint64_t keys_nan(int dtype);

/* What a line in order gives: the elements at `take` pairs' positions into one line of the same
 * dtype, the positions themselves into one of int64. */
void keys_write(const struct line *from, const struct pair *pairs, int64_t take,
                const struct line *values, const struct line *positions);

/* The least and the greatest of a line of integers; false where the line is empty or they are `most`
 * or more apart. */
bool keys_span(const struct line *l, uint64_t most, int64_t *least, int64_t *greatest);

/* Sorts a line of integers that span few numbers by counting them, equal ones as they stood: false
 * where they span too many, and nothing is written. `room` holds as many pairs as the line. */
bool keys_count(const struct line *from, bool descending, const struct line *values,
                const struct line *positions, struct pair *room);

#endif
