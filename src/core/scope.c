/* A scope is a growing list of references, in a stack of scopes a thread. */
#include "core/scope.h"

#include <assert.h>
#include <string.h>

#include "core/memory.h"

__thread struct scope *scope_current;

static size_t bytes_of(int64_t room)
{
    return (size_t)room * sizeof(fl_tensor *);
}

void scope_open(struct scope *s)
{
    s->parent = scope_current;
    s->tensors = s->inline_tensors;
    s->count = 0;
    s->room = SCOPE_INLINE;
    s->shared = 0;
    s->allocated = false;
    s->nodes = UINT64_MAX;
    scope_current = s;
}

void scope_close(struct scope *s)
{
    assert(s == scope_current);
    assert(s->count >= 0 && s->count <= s->room);
    scope_current = s->parent;
    while (s->count > 0)
        tensor_release(s->tensors[--s->count]);
    if (s->tensors != s->inline_tensors)
        memory_free(s->tensors, bytes_of(s->room));
}

bool scope_take(struct scope *s, fl_tensor *t)
{
    assert(s->count <= s->room);
    /* The latest results are taken most often. */
    for (int64_t i = s->count - 1; i >= 0; i--) {
        if (s->tensors[i] != t)
            continue;
        memmove(s->tensors + i, s->tensors + i + 1, bytes_of(s->count - i - 1));
        s->count--;
        return true;
    }
    return false;
}

int scope_adopt_in(struct scope *s, fl_tensor *t)
{
    assert(atomic_load(&t->refs) > 0);
    if (s->count == s->room) {
        fl_tensor **grown = memory_alloc(bytes_of(2 * s->room));
        if (!grown) {
            tensor_release(t);
            return -1;
        }
        memcpy(grown, s->tensors, bytes_of(s->count));
        if (s->tensors != s->inline_tensors)
            memory_free(s->tensors, bytes_of(s->room));
        s->tensors = grown;
        s->room *= 2;
    }
    s->tensors[s->count++] = t;
    return 0;
}

/* The outermost scope of a thread needs no memory, so that there is always one to share. */
static __thread struct scope outermost;

void fl_scope_begin(void)
{
    struct scope *s = scope_current ? memory_alloc(sizeof *s) : &outermost;
    if (s) {
        scope_open(s);
        s->allocated = true;
    } else {
        fl_error_clear();
        scope_current->shared++;
    }
}

void fl_scope_end(void)
{
    struct scope *s = scope_current;
    if (!s)
        return;
    if (s->shared > 0) {
        s->shared--;
    } else if (s->allocated) { /* else it is not the program's to end */
        scope_close(s);
        if (s != &outermost)
            memory_free(s, sizeof *s);
    }
}

fl_tensor *fl_keep(fl_tensor *t)
{
    for (struct scope *s = scope_current; s && t; s = s->parent)
        if (scope_take(s, t))
            break;
    return t;
}

fl_tensor *fl_scope_return(fl_tensor *t)
{
    struct scope *s = scope_current;
    if (!s)
        return t;
    t = scope_hand_on(s, t);
    fl_scope_end();
    return scope_adopt(t) == 0 ? t : NULL;
}
