/* Blocks by size class: small ones from lists of the calling thread, large ones from lists that all
 * threads share.
 *
 * A block has no header: whoever frees it says its size, and the size tells the class. Classes are
 * 16 and 32, the multiples of 64 up to 512, and then eight steps to each doubling, so a block is at
 * most an eighth larger than what was asked. The first SMALL_CLASSES (up to 32 KiB) are served from
 * the thread's own lists, which take and give batches at the shared lists; these are cut from
 * chunks of the system's memory that are never given back. Larger blocks come from the system one
 * by one and go to a shared list when freed, as many as `bound` allows; beyond it the one that has
 * been free longest goes back. A training step asks for the same classes again, so after a few
 * steps everything comes from lists.
 *
 * Small classes are counted by difference: what was cut, less what lies in lists.
 */
#include "core/memory.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cgroup.h"
#include "core/memory_policy.h"
#include "core/pin.h"

#if !MEMORY_PASS_THROUGH

enum {
    LINEAR_CLASSES = 10,                    /* 16, 32, 64, 128, ... 512 */
    SMALL_CLASSES = LINEAR_CLASSES + 6 * 8, /* up to 32 KiB */
    CLASSES = LINEAR_CLASSES + 38 * 8,      /* up to 2^47 */
    CHUNK = 1 << 20,                        /* the pieces that small blocks are cut from */
    HUGE_PAGE = 2 << 20
};
/* From here on a block is mapped by itself; from HUGE_FROM on it is aligned for huge pages. */
#define MAP_FROM  ((size_t)1 << 20)
#define HUGE_FROM ((size_t)4 << 20)

struct block {
    struct block *next;
};

/* A free large block: in the list of its class and in the list of all by age. */
struct large {
    struct large *next, *previous;
    struct large *younger, *older;
    size_t class;
};

struct list {
    struct block *head;
    /* Allocations so far << SPARE_BITS | blocks in the list; written by the owner alone. */
    _Atomic int64_t counts;
    int64_t most; /* more blocks than this in the list are brought to the shared one */
};

enum { SPARE_BITS = 20 };
#define ONE_TAKEN (INT64_C(1) << SPARE_BITS)

struct cache {
    struct list lists[SMALL_CLASSES];
    struct cache *next, *previous;
};

static __thread struct cache *cache;

static struct central {
    pthread_mutex_t lock;
    struct cache *caches;
    /* Small. */
    struct block *small[SMALL_CLASSES];
    int64_t small_spare[SMALL_CLASSES];
    int64_t cut[SMALL_CLASSES]; /* blocks made so far */
    char *chunk;
    size_t chunk_left;
    int64_t past_allocations; /* of threads that have ended */
    /* Large. */
    struct large *free[CLASSES];
    struct large *youngest, *oldest;
    int64_t large_live, large_free; /* bytes */
    int64_t large_allocations;
    /* All. */
    int64_t reserved, peak, system_calls;
    size_t bound; /* free large bytes that are kept; 0 before it is known */
} central = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- Classes -------------------------------------------------------------------------------- */

static inline size_t class_of(size_t size)
{
    if (size <= 512)
        return size <= 16 ? 0 : size <= 32 ? 1 : 1 + ((size + 63) >> 6);
    size_t last = size - 1;
    unsigned power = 63 - (unsigned)__builtin_clzll(last); /* at least 9 */
    return LINEAR_CLASSES + (power - 9) * 8 + ((last >> (power - 3)) & 7);
}

static inline size_t class_bytes(size_t class)
{
    assert(class < CLASSES);
    if (class < LINEAR_CLASSES)
        return class < 2 ? 16u << class : (class - 1) << 6;
    size_t step = class - LINEAR_CLASSES;
    return (9 + (step & 7)) << (step / 8 + 6);
}

/* Blocks that a thread keeps of a class: 256 KiB of them, within limits. */
static int64_t most_spare(size_t class)
{
    size_t count = ((size_t)256 << 10) / class_bytes(class);
    return count < 8 ? 8 : count > 1024 ? 1024 : (int64_t)count;
}

/* ---- Counts --------------------------------------------------------------------------------- */

/* Only the owner writes: no locked instruction is needed. */
static inline void count(struct list *list, int64_t n)
{
    atomic_store_explicit(&list->counts,
                          atomic_load_explicit(&list->counts, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline int64_t spare_blocks(const struct list *list)
{
    return atomic_load_explicit(&list->counts, memory_order_relaxed) & (ONE_TAKEN - 1);
}

static inline int64_t allocations(const struct list *list)
{
    return atomic_load_explicit(&list->counts, memory_order_relaxed) >> SPARE_BITS;
}

/* Bytes handed out. The lock is held. */
static int64_t live_bytes(void)
{
    int64_t bytes = central.large_live;
    for (size_t k = 0; k < SMALL_CLASSES; k++) {
        int64_t blocks = central.cut[k] - central.small_spare[k];
        for (struct cache *c = central.caches; c; c = c->next)
            blocks -= spare_blocks(&c->lists[k]);
        bytes += blocks * (int64_t)class_bytes(k);
    }
    return bytes;
}

/* Called whenever a list takes more memory, and when somebody asks. Between two such moments the
 * blocks in use come from lists that were counted, so no peak is missed by more than what lies in
 * them. */
static void note_peak(void)
{
    int64_t live = live_bytes();
    if (live > central.peak)
        central.peak = live;
}

/* ---- The system ----------------------------------------------------------------------------- */

static bool within_limit(size_t bytes)
{
    size_t limit = memory_limit();
    return !limit || (size_t)central.reserved + bytes <= limit;
}

/* The lock is held. */
static void *from_system(size_t bytes)
{
    if (!within_limit(bytes))
        return NULL;
    void *block = NULL;
    central.system_calls++;
    if (memory_source.allocate) {
        block = memory_source.allocate(bytes, memory_source.context);
        if (block && (uintptr_t)block % 64) {
            memory_source.release(block, bytes, memory_source.context);
            block = NULL;
        }
        if (!block)
            return NULL;
    } else if (bytes < MAP_FROM) {
        if (posix_memalign(&block, 64, bytes) != 0)
            return NULL;
    } else {
        size_t extra = bytes >= HUGE_FROM ? HUGE_PAGE : 0;
        char *map =
            mmap(NULL, bytes + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED)
            return NULL;
        if (extra) {
            size_t front = -(uintptr_t)map & (HUGE_PAGE - 1);
            if (front)
                munmap(map, front);
            if (extra - front)
                munmap(map + front + bytes, extra - front);
            map += front;
            madvise(map, bytes, MADV_HUGEPAGE);
        }
        block = map;
    }
    central.reserved += (int64_t)bytes;
    return block;
}

static void to_system(void *block, size_t bytes)
{
    assert(block && central.reserved >= (int64_t)bytes);
    central.system_calls++;
    central.reserved -= (int64_t)bytes;
    if (memory_source.release)
        memory_source.release(block, bytes, memory_source.context);
    else if (bytes < MAP_FROM)
        free(block);
    else
        munmap(block, bytes);
}

/* ---- Large blocks: the lock is held --------------------------------------------------------- */

static void take_out(struct large *b)
{
    assert(b->class < CLASSES);
    assert(central.large_free >= (int64_t)class_bytes(b->class));
    *(b->previous ? &b->previous->next : &central.free[b->class]) = b->next;
    if (b->next)
        b->next->previous = b->previous;
    *(b->younger ? &b->younger->older : &central.youngest) = b->older;
    *(b->older ? &b->older->younger : &central.oldest) = b->younger;
    central.large_free -= (int64_t)class_bytes(b->class);
}

static void put_in(struct large *b, size_t class)
{
    assert(class >= SMALL_CLASSES && class < CLASSES);
    b->class = class;
    b->previous = NULL;
    b->next = central.free[class];
    if (b->next)
        b->next->previous = b;
    central.free[class] = b;
    b->younger = NULL;
    b->older = central.youngest;
    *(b->older ? &b->older->younger : &central.oldest) = b;
    central.youngest = b;
    central.large_free += (int64_t)class_bytes(class);
}

/* Gives back the blocks that have been free longest until at most `keep` free bytes are left. */
static void shrink_to(int64_t keep)
{
    while (central.oldest && central.large_free > keep) {
        struct large *b = central.oldest;
        take_out(b);
        to_system(b, class_bytes(b->class));
    }
}

/* A quarter of the memory there is, at least 256 MiB. */
static void settle_bound(void)
{
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int64_t granted = cgroup_memory();
    if (granted > 0 && granted < bytes)
        bytes = granted;
    size_t quarter = (size_t)bytes / 4, least = (size_t)256 << 20;
    central.bound = quarter < least ? least : quarter;
}

static void *take_large(size_t class, bool *fresh)
{
    struct large *b = central.free[class];
    if (b) {
        take_out(b);
        *fresh = false;
        return b;
    }
    size_t bytes = class_bytes(class);
    void *block = from_system(bytes);
    if (!block && central.oldest) {
        shrink_to(0);
        block = from_system(bytes);
    }
    *fresh = bytes >= MAP_FROM;
    return block;
}

/* ---- Small blocks --------------------------------------------------------------------------- */

/* Cuts `blocks` blocks of a class and puts them into the shared list. The lock is held. */
static bool cut_blocks(size_t class, int64_t blocks)
{
    assert(class < SMALL_CLASSES);
    assert(blocks > 0);
    size_t bytes = class_bytes(class);
    if (central.chunk_left < bytes) {
        /* What is left of the old chunk goes to the classes that fit it. */
        while (central.chunk_left >= 64) {
            size_t k = class_of(central.chunk_left + 1) - 1;
            if (k >= SMALL_CLASSES)
                k = SMALL_CLASSES - 1;
            struct block *b = (struct block *)central.chunk;
            b->next = central.small[k];
            central.small[k] = b;
            central.small_spare[k]++;
            central.cut[k]++;
            central.chunk += class_bytes(k);
            central.chunk_left -= class_bytes(k);
        }
        char *chunk = from_system(CHUNK);
        if (!chunk) {
            shrink_to(0);
            chunk = from_system(CHUNK);
        }
        if (!chunk)
            return false;
        central.chunk = chunk;
        central.chunk_left = CHUNK;
    }
    /* Blocks of 16 and 32 bytes are cut in multiples of 64 bytes, so that the rest stays aligned.
     */
    if (bytes < 64)
        blocks = (blocks + 3) & ~(int64_t)3;
    for (int64_t i = 0; i < blocks && central.chunk_left >= bytes; i++) {
        struct block *b = (struct block *)central.chunk;
        b->next = central.small[class];
        central.small[class] = b;
        central.small_spare[class]++;
        central.cut[class]++;
        central.chunk += bytes;
        central.chunk_left -= bytes;
    }
    return true;
}

/* Moves up to `blocks` blocks from the shared list to the thread's. The lock is held. */
static void fetch(struct list *list, size_t class, int64_t blocks)
{
    assert(blocks > 0);
    int64_t moved = 0;
    while (moved < blocks && central.small[class]) {
        struct block *b = central.small[class];
        central.small[class] = b->next;
        b->next = list->head;
        list->head = b;
        moved++;
    }
    central.small_spare[class] -= moved;
    count(list, moved);
}

static void bring_back(struct list *list, size_t class, int64_t blocks)
{
    for (int64_t i = 0; i < blocks; i++) {
        struct block *b = list->head;
        list->head = b->next;
        b->next = central.small[class];
        central.small[class] = b;
    }
    central.small_spare[class] += blocks;
    count(list, -blocks);
}

/* A thread ends: its blocks go to the shared lists. */
static void close_cache(void *closing)
{
    struct cache *c = closing;
    cache = NULL;
    pthread_mutex_lock(&central.lock);
    for (size_t k = 0; k < SMALL_CLASSES; k++) {
        bring_back(&c->lists[k], k, spare_blocks(&c->lists[k]));
        central.past_allocations += allocations(&c->lists[k]);
    }
    *(c->previous ? &c->previous->next : &central.caches) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    pthread_mutex_unlock(&central.lock);
    free(c);
}

/* The lock is taken around a fork, so that the child finds the shared lists whole. Caches of
 * threads that the child has not are lost to it. */
static void before_fork(void)
{
    pthread_mutex_lock(&central.lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&central.lock);
}

static void after_fork_child(void)
{
    pthread_mutex_init(&central.lock, NULL);
}

static void start(void)
{
    pthread_key_create(&key, close_cache);
    pin_library(); /* a thread that ends calls close_cache */
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static struct cache *open_cache(void)
{
    pthread_once(&once, start);
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    for (size_t k = 0; k < SMALL_CLASSES; k++)
        c->lists[k].most = most_spare(k);
    pthread_mutex_lock(&central.lock);
    c->next = central.caches;
    if (c->next)
        c->next->previous = c;
    central.caches = c;
    pthread_mutex_unlock(&central.lock);
    pthread_setspecific(key, c);
    cache = c;
    return c;
}

/* ---- Allocation ----------------------------------------------------------------------------- */

/* The error of an allocation that failed; NULL. */
static __attribute__((cold, noinline)) void *refuse(size_t size, int code)
{
    struct memory_stats held;
    memory_stats(&held);
    return memory_refuse(size, code, &held);
}

static __attribute__((noinline)) void *alloc_large(size_t size, bool *fresh)
{
    if (size > MEMORY_LARGEST)
        return refuse(size, ENOMEM);
    pthread_once(&once, start);
    pthread_mutex_lock(&central.lock);
    size_t class = class_of(size);
    void *block = take_large(class, fresh);
    bool limited = !block && !within_limit(class_bytes(class));
    if (block) {
        central.large_live += (int64_t)class_bytes(class);
        central.large_allocations++;
        if (*fresh || central.large_live > central.peak)
            note_peak();
    }
    pthread_mutex_unlock(&central.lock);
    return block ? block : refuse(size, limited ? 0 : ENOMEM);
}

static __attribute__((noinline)) void *alloc_slow(size_t size, bool *fresh)
{
    if (memory_must_fail())
        return refuse(size, ENOMEM);
    size_t class = class_of(size);
    if (class >= SMALL_CLASSES)
        return alloc_large(size, fresh);
    struct cache *c = cache ? cache : open_cache();
    if (!c)
        return refuse(size, ENOMEM);
    struct list *list = &c->lists[class];
    if (!list->head) {
        int64_t batch = list->most / 2;
        pthread_mutex_lock(&central.lock);
        if (!central.small[class] && cut_blocks(class, batch < 64 ? batch : 64))
            note_peak();
        fetch(list, class, batch);
        pthread_mutex_unlock(&central.lock);
        if (!list->head)
            return refuse(size, within_limit(CHUNK) ? ENOMEM : 0);
    }
    struct block *b = list->head;
    list->head = b->next;
    count(list, ONE_TAKEN - 1);
    return b;
}

static inline void *alloc(size_t size, bool *fresh)
{
    struct cache *c = cache;
    size_t class = class_of(size);
    if (__builtin_expect(c && class < SMALL_CLASSES && !memory_may_fail(), 1)) {
        struct list *list = &c->lists[class];
        struct block *b = list->head;
        if (__builtin_expect(b != NULL, 1)) {
            list->head = b->next;
            count(list, ONE_TAKEN - 1);
            return b;
        }
    }
    return alloc_slow(size, fresh);
}

void *memory_alloc(size_t size)
{
    bool fresh;
    return alloc(size, &fresh);
}

void *memory_zalloc(size_t size)
{
    bool fresh = false;
    void *block = alloc(size, &fresh);
    if (block && !fresh)
        memset(block, 0, size);
    return block;
}

static __attribute__((noinline)) void free_slow(void *block, size_t class)
{
    if (class < SMALL_CLASSES) {
        struct cache *c = cache ? cache : open_cache();
        pthread_mutex_lock(&central.lock);
        struct block *b = block;
        if (c) {
            struct list *list = &c->lists[class];
            b->next = list->head;
            list->head = b;
            count(list, 1);
            if (spare_blocks(list) > list->most)
                bring_back(list, class, list->most / 2);
        } else {
            b->next = central.small[class];
            central.small[class] = b;
            central.small_spare[class]++;
        }
        pthread_mutex_unlock(&central.lock);
        return;
    }
    pthread_mutex_lock(&central.lock);
    central.large_live -= (int64_t)class_bytes(class);
    if (!central.bound)
        settle_bound();
    if (class_bytes(class) > central.bound) {
        to_system(block, class_bytes(class));
    } else {
        put_in(block, class);
        shrink_to((int64_t)central.bound);
    }
    pthread_mutex_unlock(&central.lock);
}

void memory_free(void *block, size_t size)
{
    if (!block)
        return;
    struct cache *c = cache;
    size_t class = class_of(size);
    if (__builtin_expect(c && class < SMALL_CLASSES, 1)) {
        struct list *list = &c->lists[class];
        if (__builtin_expect(spare_blocks(list) < list->most, 1)) {
            struct block *b = block;
            b->next = list->head;
            list->head = b;
            count(list, 1);
            return;
        }
    }
    free_slow(block, class);
}

void memory_stats(struct memory_stats *out)
{
    pthread_mutex_lock(&central.lock);
    note_peak();
    out->allocated = live_bytes();
    out->peak = central.peak;
    out->reserved = central.reserved;
    out->allocations = central.past_allocations + central.large_allocations;
    for (struct cache *c = central.caches; c; c = c->next)
        for (size_t k = 0; k < SMALL_CLASSES; k++)
            out->allocations += allocations(&c->lists[k]);
    out->system_calls = central.system_calls;
    pthread_mutex_unlock(&central.lock);
}

void memory_empty_cache(void)
{
    pthread_mutex_lock(&central.lock);
    shrink_to(0);
    pthread_mutex_unlock(&central.lock);
}

#endif
