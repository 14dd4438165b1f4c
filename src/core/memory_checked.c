/* The allocator under AddressSanitizer: every block is malloc's, so that each error of its use is
 * seen. */
#include "core/memory.h"
#include "core/memory_policy.h"

#if MEMORY_PASS_THROUGH

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* AddressSanitizer ends the program when it is asked for more than a terabyte. */
#define CHECKED_LARGEST ((size_t)1 << 39)

static _Atomic int64_t live, peak, calls;

/* The error of an allocation that failed; NULL. */
static __attribute__((cold, noinline)) void *refuse(size_t size, int code)
{
    struct memory_stats held;
    memory_stats(&held);
    return memory_refuse(size, code, &held);
}

void *memory_alloc(size_t size)
{
    void *block = NULL;
    size_t limit = memory_limit();
    bool over = limit && (size_t)atomic_load(&live) + size > limit;
    bool fails = memory_must_fail() || size > CHECKED_LARGEST || over;
    if (!fails && memory_source.allocate)
        fails = !(block = memory_source.allocate(size ? size : 1, memory_source.context));
    else if (!fails)
        fails = posix_memalign(&block, size < 64 ? 16 : 64, size ? size : 1) != 0;
    if (fails)
        return refuse(size, over ? 0 : ENOMEM);
    int64_t now = atomic_fetch_add(&live, (int64_t)size) + (int64_t)size;
    if (now > atomic_load(&peak))
        atomic_store(&peak, now);
    atomic_fetch_add(&calls, 1);
    return block;
}

void *memory_zalloc(size_t size)
{
    void *block = memory_alloc(size);
    return block ? memset(block, 0, size) : NULL;
}

void memory_free(void *block, size_t size)
{
    if (!block)
        return;
    atomic_fetch_sub(&live, (int64_t)size);
    if (memory_source.release)
        memory_source.release(block, size ? size : 1, memory_source.context);
    else
        free(block);
}

void memory_stats(struct memory_stats *out)
{
    out->allocated = out->reserved = atomic_load(&live);
    out->peak = atomic_load(&peak);
    out->allocations = out->system_calls = atomic_load(&calls);
}

void memory_empty_cache(void)
{
}

#endif
