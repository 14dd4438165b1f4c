/* The limit, the test switch, and the message when there is no memory. */
#include "core/memory_policy.h"

#include <errno.h>

#include "core/error.h"
#include "core/memory.h"

_Atomic int64_t memory_fail_after = -1;
struct memory_source memory_source;
static _Atomic size_t limit;

void *memory_refuse(size_t size, int code, const struct memory_stats *held)
{
    error_set(FL_OUT_OF_MEMORY,
              "DefaultCPUAllocator: can't allocate memory: you tried to allocate %zu bytes. "
              "Error code %d (%s)",
              size, code ? code : ENOMEM, code ? "Cannot allocate memory" : "The limit is reached");
    error_context("Held from the system: %lld bytes, of which %lld are in use.",
                  "已向系统申请 %lld 字节，其中 %lld 字节正在使用。", (long long)held->reserved,
                  (long long)held->allocated);
    error_hint("make the tensors or the batch smaller, or drop results that are no longer needed "
               "(del x; keep loss.item(), not loss).",
               "请减小张量或批大小，或释放不再需要的结果（del x；保存 loss.item() 而不是 loss）。");
    error_hint_in_c(
        "make the tensors or the batch smaller, or release results that are no longer "
        "needed (fl_release, or a scope around each step).",
        "请减小张量或批大小，或释放不再需要的结果（fl_release，或每一步用一个 scope）。");
    return NULL;
}

size_t memory_limit(void)
{
    return atomic_load_explicit(&limit, memory_order_relaxed);
}

void memory_set_limit(size_t bytes)
{
    atomic_store(&limit, bytes);
}

bool memory_must_fail(void)
{
    return memory_may_fail() && atomic_fetch_sub(&memory_fail_after, 1) == 0;
}

void memory_fail_nth(int64_t n)
{
    atomic_store(&memory_fail_after, n < 0 ? -1 : n);
}
