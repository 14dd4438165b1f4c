/* Ways to put (key, position) pairs in order. */
#ifndef FLAMBEAU_OPS_SORT_ORDER_H
#define FLAMBEAU_OPS_SORT_ORDER_H

#include <stdint.h>

struct pair {
    uint64_t key;
    int64_t position;
};

/* All n in order, equal keys as they stood; positions are 0 to n - 1. spare has room for n; the result is in a or in spare,
 * and returned. */
struct pair *order_stable(struct pair *a, struct pair *spare, int64_t n);

/* All n in order; equal keys as introsort leaves them. */
void order_all(struct pair *a, int64_t n);

/* The k least in order at the front, as a heap leaves them; the rest in any order. */
void order_least(struct pair *a, int64_t k, int64_t n);

/* a[k] (0 <= k < n) as if all were in order, none before it greater and none after it less:
 * as introselect leaves them, or as the quickselect of Numerical Recipes does. */
void order_nth(struct pair *a, int64_t k, int64_t n);
void order_nth_recipe(struct pair *a, int64_t k, int64_t n);

#endif
