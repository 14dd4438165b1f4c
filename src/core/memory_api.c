/* The public functions of memory: statistics, the limit, a program's own allocator. */
#include "core/error.h"
#include "core/memory.h"
#include "core/memory_policy.h"

void fl_memory_stats(fl_memory *out)
{
    struct memory_stats stats;
    if (!out) {
        fl_null_argument("fl_memory_stats", "out");
        return;
    }
    memory_stats(&stats);
    *out = (fl_memory){.allocated = stats.allocated,
                       .peak = stats.peak,
                       .reserved = stats.reserved,
                       .allocations = stats.allocations,
                       .system_calls = stats.system_calls};
}

void fl_memory_limit(size_t bytes)
{
    memory_set_limit(bytes);
}

int fl_set_allocator(void *(*allocate)(size_t bytes, void *context),
                     void (*release)(void *block, size_t bytes, void *context), void *context)
{
    struct memory_stats stats;
    if (!allocate != !release)
        return fl_null_argument("fl_set_allocator", allocate ? "release" : "allocate");
    memory_stats(&stats);
    if (stats.allocations > 0)
        return error_set(FL_RUNTIME_ERROR,
                         "an allocator is set before the library allocates anything; %lld "
                         "allocations were made already",
                         (long long)stats.allocations);
    memory_source = (struct memory_source){allocate, release, context};
    return 0;
}
