/* Reference counts, which several threads may change at once.
 *
 * A locked instruction costs about twenty cycles and waits for all stores before it: a call of a small
 * operator spends a tenth of its time on them. A process that never had a second thread does without:
 * the C library knows, and says so (glibc 2.32, sys/single_threaded.h). A thread that starts later sees
 * all that was counted before: starting one orders memory. */
#ifndef FLAMBEAU_CORE_REFS_H
#define FLAMBEAU_CORE_REFS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined __has_include && __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
static inline bool refs_alone(void)
{
    return __libc_single_threaded;
}
#else
static inline bool refs_alone(void)
{
    return false;
}
#endif

static inline void refs_add(_Atomic int32_t *refs)
{
    const int32_t had = atomic_load_explicit(refs, memory_order_relaxed);
    assert(had > 0);
    if (refs_alone())
        atomic_store_explicit(refs, had + 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* Drops a reference; true where it was the last, and the count stays as it was. Who holds the only one
 * needs no locked instruction: nobody can add one. */
static inline bool refs_drop(_Atomic int32_t *refs)
{
    const int32_t had = atomic_load_explicit(refs, memory_order_acquire);
    assert(had > 0);
    if (had == 1)
        return true;
    if (refs_alone()) {
        atomic_store_explicit(refs, had - 1, memory_order_relaxed);
        return false;
    }
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

/* The same where somebody keeps a pointer without a reference, and asks for one by refs_add_living: the
 * count goes to zero with the last, so that nobody gets one any more. */
static inline bool refs_end(_Atomic int32_t *refs)
{
    const int32_t had = atomic_load_explicit(refs, memory_order_relaxed);
    assert(had > 0);
    if (!refs_alone())
        return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
    atomic_store_explicit(refs, had - 1, memory_order_relaxed);
    return had == 1;
}

/* A reference, unless the last one is gone already. */
static inline bool refs_add_living(_Atomic int32_t *refs)
{
    int32_t had = atomic_load_explicit(refs, memory_order_relaxed);
    if (had > 0 && refs_alone()) {
        atomic_store_explicit(refs, had + 1, memory_order_relaxed);
        return true;
    }
    while (had > 0)
        if (atomic_compare_exchange_weak_explicit(refs, &had, had + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

#endif
