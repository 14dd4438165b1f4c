/* Scopes: who owns what calls return between fl_scope_begin and fl_scope_end. */
#ifndef FLAMBEAU_CORE_SCOPE_H
#define FLAMBEAU_CORE_SCOPE_H

#include "core/tensor.h"

enum { SCOPE_INLINE = 26 };

struct scope {
    struct scope *parent;
    fl_tensor **tensors; /* inline_tensors until there are more */
    int64_t count, room;
    int64_t shared; /* scopes begun inside this one for which memory was out: they share it */
    bool allocated; /* by fl_scope_begin */
    uint64_t nodes; /* of a composite: how many nodes were made before it */
    fl_tensor *inline_tensors[SCOPE_INLINE];
};

extern __thread struct scope *scope_current; /* NULL: results belong to the caller */

/* Opens a scope in memory of the caller's, and closes it, releasing what it owns: for C code inside
 * the library. */
void scope_open(struct scope *s);
void scope_close(struct scope *s);
/* Takes one reference on t out of s: then it is the caller's. False when s does not own t. */
bool scope_take(struct scope *s, fl_tensor *t);
/* What a function that ran in s hands on, as a reference of the caller's: out of s where s owns t,
 * else a new one, since t lives elsewhere (an input, a parameter, what the program keeps). */
static inline fl_tensor *scope_hand_on(struct scope *s, fl_tensor *t)
{
    return t && !scope_take(s, t) ? tensor_retain(t) : t;
}

/* Hands the reference that the caller holds on a result to the current scope; nothing without a
 * scope. -1 with the error set, the reference dropped, when memory is out. */
int scope_adopt_in(struct scope *s, fl_tensor *t);
static inline int scope_adopt(fl_tensor *t)
{
    return scope_current && t ? scope_adopt_in(scope_current, t) : 0;
}

/* Until scope_resume, results belong to the caller again: around calls back into Python and inside
 * operators. */
static inline struct scope *scope_suspend(void)
{
    struct scope *s = scope_current;
    scope_current = NULL;
    return s;
}
static inline void scope_resume(struct scope *s)
{
    scope_current = s;
}

#endif
