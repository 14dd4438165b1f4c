/* Random numbers for tests, the same in every run: Marsaglia's xorshift (Journal of Statistical
 * Software 8(14), 2003).
 */
#ifndef FLAMBEAU_TESTS_DRAWS_H
#define FLAMBEAU_TESTS_DRAWS_H

#include <stdint.h>

static uint64_t draws_state = 88172645463325252u;

static inline uint64_t random_next(void)
{
    draws_state ^= draws_state << 13;
    draws_state ^= draws_state >> 7;
    draws_state ^= draws_state << 17;
    return draws_state;
}

static inline int64_t random_below(int64_t n)
{
    return (int64_t)(random_next() >> 20) % n;
}

/* Uniform in -1 .. 1. */
static inline double random_real(void)
{
    return (double)(int64_t)random_next() / 9223372036854775808.0;
}

#endif
