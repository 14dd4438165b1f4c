/* Levels of forward mode, and the tangents of tensors. */
#include "autograd/tangents.h"

#include <assert.h>

#include "core/error.h"
#include "core/memory.h"

__thread struct tangent_levels tangent_levels;

uint32_t tangents_begin(void)
{
    static _Atomic uint32_t last;
    struct tangent_levels *l = &tangent_levels;
    if (l->count == TANGENT_LEVELS) {
        error_set(FL_RUNTIME_ERROR, "forward mode is nested more than %d deep", TANGENT_LEVELS);
        return 0;
    }
    uint32_t level = atomic_fetch_add(&last, 1) + 1;
    l->level[l->count++] = level;
    autograd_mode.interpose |= INTERPOSE_TANGENTS;
    return level;
}

void tangents_end(uint32_t level)
{
    struct tangent_levels *l = &tangent_levels;
    for (int i = 0; i < l->count; i++)
        if (l->level[i] == level)
            l->count = i;
    if (!l->count)
        autograd_mode.interpose &= (uint8_t)~INTERPOSE_TANGENTS;
}

bool tangents_shown(uint32_t level)
{
    const struct tangent_levels *l = &tangent_levels;
    for (int i = 0; i < l->count; i++)
        if (l->level[i] == level)
            return !l->below || level < l->below;
    return false;
}

fl_tensor *tangents_of(const fl_tensor *t, uint32_t level)
{
    const struct tangents *s = t->autograd ? t->autograd->tangents : NULL;
    for (int i = 0; s && i < s->count; i++)
        if (s->of[i].level == level)
            return s->of[i].t;
    return NULL;
}

/* Whether a level is at work, hidden or not. */
static bool is_at_work(uint32_t level)
{
    for (int i = 0; i < tangent_levels.count; i++)
        if (tangent_levels.level[i] == level)
            return true;
    return false;
}

int tangents_prepare(fl_tensor *t)
{
    struct autograd *a = autograd_of(t);
    if (!a || a->tangents)
        return a ? 0 : -1;
    if (!(a->tangents = memory_zalloc(sizeof *a->tangents)))
        return -1;
    atomic_init(&a->tangents->refs, 1);
    return 0;
}

int tangents_set(fl_tensor *t, uint32_t level, fl_tensor *tangent)
{
    if (tangents_prepare(t))
        return -1;
    struct tangents *s = t->autograd->tangents;
    int i = 0;
    while (i < s->count && s->of[i].level != level && is_at_work(s->of[i].level))
        i++; /* in the place of its own, of one whose level has ended, or behind all */
    assert(i < TANGENT_LEVELS);
    fl_tensor *old = i < s->count ? s->of[i].t : NULL;
    s->of[i] = (struct tangent){level, tensor_retain(tangent)};
    s->count += i == s->count;
    tensor_release(old);
    return 0;
}

int tangents_share(fl_tensor *from, fl_tensor *to)
{
    struct tangents *s = from->autograd ? from->autograd->tangents : NULL;
    struct autograd *a = s ? autograd_of(to) : NULL;
    if (!s || (a && a->tangents == s))
        return 0;
    if (!a)
        return -1;
    refs_add(&s->refs);
    tangents_drop(a->tangents);
    a->tangents = s;
    return 0;
}

void tangents_drop(struct tangents *s)
{
    if (!s || !refs_drop(&s->refs))
        return;
    for (int i = 0; i < s->count; i++)
        tensor_release(s->of[i].t);
    memory_free(s, sizeof *s);
}
