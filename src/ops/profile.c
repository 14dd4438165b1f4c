/* A recorder of calls: each event is a name, two times and bytes, in a growing list of the thread's own.
 * An event that finds no memory is counted and lost. */
#include "ops/profile.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"

static __thread struct profile_event *list;
static __thread size_t used, room, missed;
static __thread bool weighed;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes in use, but for the list itself; 0 where nobody asks. */
static int64_t held(void)
{
    struct memory_stats stats;
    if (!weighed)
        return 0;
    memory_stats(&stats);
    return stats.allocated - (int64_t)(room * sizeof *list);
}

static bool grow(void)
{
    size_t more = room ? 2 * room : 4096;
    struct profile_event *larger = memory_alloc(more * sizeof *larger);
    if (!larger) {
        fl_error_clear();
        return false;
    }
    if (list) {
        memcpy(larger, list, used * sizeof *list);
        memory_free(list, room * sizeof *list);
    }
    list = larger, room = more;
    return true;
}

void profile_start(bool bytes)
{
    weighed = bytes;
    autograd_mode.interpose |= INTERPOSE_PROFILE;
}

void profile_stop(void)
{
    autograd_mode.interpose &= (uint8_t)~INTERPOSE_PROFILE;
}

size_t profile_begin(const char *name)
{
    assert(name);
    if (used == room && !grow()) {
        missed++;
        return SIZE_MAX;
    }
    list[used] = (struct profile_event){name, now(), 0, held()};
    return used++;
}

void profile_end(size_t event)
{
    if (event < used) { /* the list may have been cleared meanwhile */
        list[event].end = now();
        list[event].bytes = held() - list[event].bytes;
    }
}

const struct profile_event *profile_events(size_t *count, size_t *lost)
{
    *count = used, *lost = missed;
    return list;
}

void profile_clear(void)
{
    if (list)
        memory_free(list, room * sizeof *list);
    list = NULL, used = room = missed = 0;
}
