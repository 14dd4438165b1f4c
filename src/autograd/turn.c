/* One backward moves at a time, of whatever thread: states hang on nodes, and leaves gather what
 * arrives; neither is for two. While code of the user's runs, a hook or a Function, which may wait
 * for another thread, others have their turn. A child that another thread's fork made starts with
 * the lock free.
 */
#include "autograd/turn.h"

#include <assert.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool holding;

static void after_fork(void)
{
    if (!holding)
        pthread_mutex_init(&lock, NULL);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork);
}

void turn_take(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    assert(!holding);
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    holding = true;
}

void turn_end(void)
{
    assert(holding);
    holding = false;
    pthread_mutex_unlock(&lock);
}

bool turn_pause(void)
{
    bool paused = holding;
    if (paused)
        turn_end();
    return paused;
}

void turn_resume(bool paused)
{
    if (paused)
        turn_take();
}
