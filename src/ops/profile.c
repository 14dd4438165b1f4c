/* A recorder of calls: each event is a name, two times and bytes, in a growing list of the thread's own.
 * Sizes of tensors stand in a second list. An event that finds no memory is counted and lost; sizes
 * that find none are left out. */
#include "ops/profile.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "ops/op.h"

static __thread struct profile_event *list;
static __thread size_t used, room, missed;
static __thread bool weighed, shaped;
static __thread int64_t *sizes;
static __thread size_t sizes_used, sizes_room;

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
    return stats.allocated - (int64_t)(room * sizeof *list) - (int64_t)(sizes_room * sizeof *sizes);
}

/* A full list in memory for twice as much, which *room_of then says; NULL, and no error, where there is
 * none: the list stays. */
static void *grown(void *full, size_t *room_of, size_t size)
{
    const size_t had = *room_of, more = had ? 2 * had : 4096;
    void *larger = memory_alloc(more * size);
    if (!larger) {
        fl_error_clear();
        return NULL;
    }
    if (had) {
        memcpy(larger, full, had * size);
        memory_free(full, had * size);
    }
    *room_of = more;
    return larger;
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

static bool put(int64_t number)
{
    if (sizes_used == sizes_room) {
        int64_t *larger = grown(sizes, &sizes_room, sizeof *sizes);
        if (!larger)
            return false;
        sizes = larger;
    }
    sizes[sizes_used++] = number;
    return true;
}

static bool put_tensor(const fl_tensor *t)
{
    bool whole = put(t ? t->ndim : PROFILE_OTHER);
    for (int d = 0; t && whole && d < t->ndim; d++)
        whole = put(t->sizes[d]);
    return whole;
}

/* Where the sizes of these values begin; -1 where they are not asked for. */
static int64_t put_values(int count, const fl_value *values)
{
    const size_t begin = sizes_used;
    bool whole = shaped && values && put(count);
    for (int i = 0; whole && i < count; i++) {
        const fl_value *v = &values[i];
        if (v->tag != FL_TENSORS) {
            whole = put_tensor(v->tag == FL_TENSOR ? v->as.tensor : NULL);
            continue;
        }
        whole = put(PROFILE_LIST) && put(v->count);
        for (uint32_t k = 0; whole && k < v->count; k++)
            whole = put_tensor(v->as.tensors[k]);
    }
    if (!whole)
        sizes_used = begin;
    return whole ? (int64_t)begin : -1;
}

const int64_t *profile_sizes(void)
{
    return sizes;
}

/* ---- Events ---------------------------------------------------------------------------------- */

void profile_start(bool bytes, bool shapes)
{
    weighed = bytes, shaped = shapes;
    autograd_mode.interpose |= INTERPOSE_PROFILE;
}

void profile_stop(void)
{
    autograd_mode.interpose &= (uint8_t)~INTERPOSE_PROFILE;
}

size_t profile_begin(const fl_op *op, const fl_value *args)
{
    assert(op);
    if (used == room) {
        struct profile_event *larger = grown(list, &room, sizeof *list);
        if (!larger) {
            missed++;
            return SIZE_MAX;
        }
        list = larger;
    }
    const int64_t given = put_values(op->params, args);
    list[used] = (struct profile_event){op->base, now(), 0, held(), given, -1};
    return used++;
}

void profile_end(size_t event, const fl_op *op, const fl_value *results)
{
    assert(op);
    if (event < used) { /* the list may have been cleared meanwhile */
        list[event].end = now();
        list[event].bytes = held() - list[event].bytes;
        list[event].made = results ? put_values(op->results, results) : -1;
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
    if (sizes)
        memory_free(sizes, sizes_room * sizeof *sizes);
    sizes = NULL, sizes_used = sizes_room = 0;
}
