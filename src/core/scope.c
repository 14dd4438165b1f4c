/* A scope is a growing list of references, in a stack of scopes a thread. */
#include "core/scope.h"

#include <string.h>

#include "core/error.h"
#include "core/memory.h"

struct scope {
    struct scope *parent;
    fl_tensor **tensors;
    int64_t count, room;
    int64_t depth_missing; /* scopes opened inside this one for which memory was out: they share it */
};

__thread struct scope *scope_current;

enum { FIRST_ROOM = 30 };

static size_t bytes_of(int64_t room)
{
    return (size_t)room * sizeof(fl_tensor *);
}

void fl_scope_begin(void)
{
    struct scope *s = memory_alloc(sizeof *s);
    fl_tensor **tensors = memory_alloc(bytes_of(FIRST_ROOM));
    if (!s || !tensors) {
        memory_free(s, sizeof *s);
        memory_free(tensors, bytes_of(FIRST_ROOM));
        if (scope_current)
            scope_current->depth_missing++;
        return;
    }
    *s = (struct scope){.parent = scope_current, .tensors = tensors, .room = FIRST_ROOM};
    scope_current = s;
}

void fl_scope_end(void)
{
    struct scope *s = scope_current;
    if (!s)
        return;
    if (s->depth_missing > 0) {
        s->depth_missing--;
        return;
    }
    scope_current = s->parent;
    while (s->count > 0)
        tensor_release(s->tensors[--s->count]);
    memory_free(s->tensors, bytes_of(s->room));
    memory_free(s, sizeof *s);
}

int scope_adopt_in(struct scope *s, fl_tensor *t)
{
    if (s->count == s->room) {
        fl_tensor **grown = memory_alloc(bytes_of(2 * s->room));
        if (!grown) {
            tensor_release(t);
            return -1;
        }
        memcpy(grown, s->tensors, bytes_of(s->count));
        memory_free(s->tensors, bytes_of(s->room));
        s->tensors = grown;
        s->room *= 2;
    }
    s->tensors[s->count++] = t;
    return 0;
}

fl_tensor *fl_keep(fl_tensor *t)
{
    struct scope *s = scope_current;
    if (!s || !t)
        return t;
    /* The latest results are kept most often. */
    for (int64_t i = s->count - 1; i >= 0; i--) {
        if (s->tensors[i] != t)
            continue;
        memmove(s->tensors + i, s->tensors + i + 1, bytes_of(s->count - i - 1));
        s->count--;
        if (s->parent && scope_adopt_in(s->parent, t) != 0)
            return NULL;
        break;
    }
    return t;
}
