/* Calls that run without the GIL: a list of them, and one of those who wait. Both change with the GIL
 * held alone; `turn` counts the changes, so that who releases the GIL to wait misses none. */
#include "python/call/outside.h"

#include <assert.h>
#include <pthread.h>

#include "core/error.h"

struct waiter {
    const fl_tensor *t;
    struct waiter *before;
};

static struct outside_call *calls;
static struct waiter *waiters;
static uint64_t turn;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static _Thread_local char here;
static _Thread_local struct outside_call *whole; /* this thread's innermost with every tensor */

static bool shares(const fl_tensor *a, const fl_tensor *t)
{
    return a && (a == t || (a->storage && a->storage == t->storage));
}

static bool has(const fl_value *values, int count, const fl_tensor *t)
{
    for (int i = 0; i < count; i++) {
        const fl_value *v = &values[i];
        if (v->tag == FL_TENSOR && shares(v->as.tensor, t))
            return true;
        for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count; k++)
            if (shares(v->as.tensors[k], t))
                return true;
    }
    return false;
}

static bool is_inside(void)
{
    for (const struct outside_call *c = calls; c; c = c->before)
        if (c->thread == &here && !c->paused)
            return true;
    return false;
}

static bool is_awaited(const fl_value *values, int count)
{
    for (const struct waiter *w = waiters; w; w = w->before)
        if (!values || has(values, count, w->t))
            return true;
    return false;
}

static bool is_busy(const fl_tensor *t)
{
    for (const struct outside_call *c = calls; c; c = c->before)
        if (c->thread != &here && !c->paused && (!c->values || has(c->values, c->count, t)))
            return true;
    return false;
}

/* Tells those who wait that one of the lists is another. */
static void tell(void)
{
    pthread_mutex_lock(&lock);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Until then, without the GIL. */
static void wait_for_change(void)
{
    const uint64_t seen = turn;
    PyThreadState *state = python_leave();
    pthread_mutex_lock(&lock);
    while (turn == seen)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    python_return(state);
}

/* A fork's child has one thread, and that one is in no call. */
static void forget_others(void)
{
    calls = NULL, waiters = NULL;
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&changed, NULL);
}

static void at_fork(void)
{
    pthread_atfork(NULL, NULL, forget_others);
}

void outside_enter(struct outside_call *c, const fl_value *values, int count)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    assert(values ? count >= 0 : count == 0);
    pthread_once(&once, at_fork);
    if (waiters && !is_inside()) /* who is inside is waited for: it goes on */
        while (is_awaited(values, count))
            wait_for_change();
    *c = (struct outside_call){values, count, false, &here, calls, whole};
    calls = c;
    if (!values)
        whole = c;
}

void outside_leave(struct outside_call *c)
{
    struct outside_call **at = &calls;
    while (*at && *at != c)
        at = &(*at)->before;
    if (*at) /* not in a child that was forked from within the call */
        *at = c->before;
    if (!c->values) {
        assert(whole == c && !c->paused);
        whole = c->around;
    }
    if (waiters)
        tell();
}

struct outside_callback outside_callback(void)
{
    struct outside_callback c = {PyGILState_Ensure(), NULL};
    if (whole && !whole->paused) {
        c.paused = whole, whole->paused = true;
        if (waiters)
            tell();
    }
    return c;
}

/* A change that goes on keeps the GIL: there is none now. */
void outside_callback_end(struct outside_callback c)
{
    assert(!c.paused || (c.paused == whole && whole->paused));
    if (c.paused)
        c.paused->paused = false;
    PyGILState_Release(c.gil);
}

int outside_wait(const fl_tensor *t)
{
    assert(t);
    if (!calls || !is_busy(t))
        return 0;
    if (is_inside())
        return error_set(FL_RUNTIME_ERROR,
                         "a tensor that another thread computes with cannot be "
                         "given other memory or another shape from within a call");
    struct waiter self = {t, waiters}, **at = &waiters;
    waiters = &self;
    while (is_busy(t))
        wait_for_change();
    while (*at != &self)
        at = &(*at)->before;
    *at = self.before;
    tell();
    return 0;
}
