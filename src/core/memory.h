/* Memory: every block of the library comes from here, from free lists by size class.
 *
 * Small classes are lists of the calling thread's; large blocks are kept for reuse up to a bound
 * and are aligned to 64 bytes (all blocks of 64 bytes and more are). A steady training loop makes
 * no system call.
 */
#ifndef FLAMBEAU_CORE_MEMORY_H
#define FLAMBEAU_CORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* A block of at least `size` bytes, aligned to 64 for sizes from 64 up, else to 16; uninitialised.
 * NULL with the error set (kind FL_OUT_OF_MEMORY: how much was asked, what is held) when there is
 * none. size 0 gives a valid block. */
void *memory_alloc(size_t size);
/* The same, zeroed. */
void *memory_zalloc(size_t size);
/* Gives a block back; size must be the one it was asked with. NULL is allowed. May be called from
 * any thread. */
void memory_free(void *block, size_t size);

struct memory_stats {
    int64_t allocated;    /* bytes handed out now */
    int64_t peak;         /* the most that ever was */
    int64_t reserved;     /* bytes held from the system, free ones included */
    int64_t allocations;  /* calls of memory_alloc so far */
    int64_t system_calls; /* requests that went to the system so far */
};
void memory_stats(struct memory_stats *out);
/* Gives free large blocks back to the system. */
void memory_empty_cache(void);
/* Refuses to hold more than `bytes` from the system; 0 takes the limit away. */
void memory_set_limit(size_t bytes);
/* A test switch: the n-th allocation from now fails (0 is the next one), every later one succeeds;
 * -1 switches it off. */
void memory_fail_nth(int64_t n);

#endif
