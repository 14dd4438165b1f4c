/* What both allocators share (memory.c, and memory_checked.c under AddressSanitizer): when to
 * refuse, and how. */
#ifndef FLAMBEAU_CORE_MEMORY_POLICY_H
#define FLAMBEAU_CORE_MEMORY_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_PASS_THROUGH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_PASS_THROUGH 1
#endif
#endif
#ifndef MEMORY_PASS_THROUGH
#define MEMORY_PASS_THROUGH 0
#endif

/* No block is larger. */
#define MEMORY_LARGEST ((size_t)1 << 47)

/* Sets the error of an allocation that failed and returns NULL; code is ENOMEM, or 0 for the limit;
 * held is what there is. */
void *memory_refuse(size_t size, int code, const struct memory_stats *held)
    __attribute__((cold, noinline));
/* The limit on what is held; 0 for none. */
size_t memory_limit(void);

/* Where blocks come from in the place of the system; allocate is NULL where it is the system. */
struct memory_source {
    void *(*allocate)(size_t bytes, void *context);
    void (*release)(void *block, size_t bytes, void *context);
    void *context;
};
extern struct memory_source memory_source;

/* The test switch: -1 off, else the allocations that still succeed. */
extern _Atomic int64_t memory_fail_after;
static inline bool memory_may_fail(void)
{
    return atomic_load_explicit(&memory_fail_after, memory_order_relaxed) >= 0;
}
/* Counts an allocation; whether it is the one to fail. */
bool memory_must_fail(void);

#endif
