/* Scopes of C programs: who owns what calls return between fl_scope_begin and fl_scope_end. */
#ifndef FLAMBEAU_CORE_SCOPE_H
#define FLAMBEAU_CORE_SCOPE_H

#include "core/tensor.h"

struct scope;
extern __thread struct scope *scope_current; /* NULL: results belong to the caller */

/* Hands the reference that the caller holds on a result to the current scope, which outlives the result's use; nothing
 * without a scope. -1 with the error set, the reference dropped, when memory is out. */
int scope_adopt_in(struct scope *s, fl_tensor *t);
static inline int scope_adopt(fl_tensor *t)
{
    return scope_current && t ? scope_adopt_in(scope_current, t) : 0;
}

/* Until scope_resume, results belong to the caller again: around calls back into Python and inside operators. */
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
