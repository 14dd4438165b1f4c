/* The pool: workers that enrol for a job while it is open.
 *
 * A job is published by one 64-bit word, the ticket: its generation, how many workers may take
 * part, how many have enrolled, and whether it is closed. Workers spin on it for a while, then
 * sleep on `bell`. A worker enrols by adding one to the ticket with compare-and-swap, so it can
 * only join the job it saw. It takes chunks from one end of the row and the caller from the other,
 * so that in the next job over the same data each finds what it has in its cache; then it counts
 * itself done. When no chunk is left the caller closes the ticket and waits for those who enrolled,
 * never for a worker that is still waking up. So a region costs no more than its own work, and the
 * job's fields, which live in the pool, are never read after the caller has returned.
 *
 * One job runs at a time: a second caller, and a call from inside a body, run their chunks in turn
 * on their own thread. Fork: the pool's lock is taken around it, so no job is under way, and the
 * child starts workers of its own.
 */
#include "core/threads.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cgroup.h"
#include "core/pin.h"
#include "flambeau/base.h"

enum {
    MAX_WORKERS = 255,
    WORKER_STACK = 1 << 21,
    MOST_CHUNKS = INT32_MAX - 2 * MAX_WORKERS /* that two counts of 32 bits hold */
};

/* Turns of the spinning loops, a pause each (some 20 ns): how long a worker waits for the next job
 * before it sleeps, and a caller for its workers. */
enum { SPIN_WORKER = 10000, SPIN_JOIN = 4000 };

/* The ticket: generation << 32 | closed << 31 | limit << 16 | enrolled. */
#define CLOSED (UINT64_C(1) << 31)
enum { LIMIT_SHIFT = 16, LIMIT_MASK = 0x7fff, ENROLLED_MASK = 0xffff };

static struct pool {
    _Alignas(64) _Atomic uint64_t ticket;
    /* The job; written while the ticket is closed. */
    void (*body)(void *context, int64_t chunk);
    void *context;
    int64_t chunks;
    bool spin; /* workers and callers have a processor each */
    _Alignas(64) _Atomic uint64_t taken; /* chunks from the back << 32 | from the front */
    _Alignas(64) _Atomic uint32_t done; /* a futex: workers that have left the job */
    _Atomic uint32_t joiner_sleeps;
    _Alignas(64) _Atomic uint32_t bell; /* a futex: rung for each job */
    _Atomic uint32_t sleepers;
    _Alignas(64) pthread_mutex_t lock;
    int workers; /* started */
} pool = {.ticket = CLOSED, .lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic int wanted; /* threads_count, 0 before it is known */
static __thread int inside;

/* FUTEX_WAIT and FUTEX_WAKE with FUTEX_PRIVATE_FLAG: <linux/futex.h> is not there for musl-gcc. */
enum { FUTEX_WAIT_HERE = 0 | 128, FUTEX_WAKE_HERE = 1 | 128 };

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_HERE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_HERE, count, NULL, NULL, 0);
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Takes chunks from the front, or from the back, until none is left. */
static void work(bool from_back)
{
    const uint64_t one = from_back ? UINT64_C(1) << 32 : 1;
    for (;;) {
        const uint64_t taken = atomic_fetch_add_explicit(&pool.taken, one, memory_order_relaxed);
        const int64_t front = (int64_t)(taken & UINT32_MAX), back = (int64_t)(taken >> 32);
        if (front + back >= pool.chunks)
            return;
        pool.body(pool.context, from_back ? pool.chunks - 1 - back : front);
    }
}

/* Waits until the ticket's generation is another than `seen`; returns the ticket. */
static uint64_t await_job(uint32_t seen, bool spin)
{
    for (;;) {
        uint32_t bell = atomic_load(&pool.bell);
        for (int i = spin ? SPIN_WORKER : 1; i > 0; i--) {
            uint64_t ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
            if ((uint32_t)(ticket >> 32) != seen)
                return ticket;
            pause_briefly();
        }
        /* The bell is rung after the ticket is written: whoever wrote it since we read the bell
         * wakes us. */
        atomic_fetch_add(&pool.sleepers, 1);
        futex_wait(&pool.bell, bell);
        atomic_fetch_sub(&pool.sleepers, 1);
    }
}

static void *worker_main(void *argument)
{
    (void)argument;
    uint32_t seen = 0;
    bool spin = false;
    inside = 1;
    for (;;) {
        uint64_t ticket = await_job(seen, spin);
        /* Enrol, unless the job is over or full. */
        while (!(ticket & CLOSED) &&
               (ticket & ENROLLED_MASK) < ((ticket >> LIMIT_SHIFT) & LIMIT_MASK)) {
            uint64_t enrolled = ticket + 1;
            if (atomic_compare_exchange_weak_explicit(&pool.ticket, &ticket, enrolled,
                                                      memory_order_acquire, memory_order_acquire)) {
                spin = pool.spin;
                work(ticket % 2 == 0);
                atomic_fetch_add(&pool.done, 1);
                if (atomic_load(&pool.joiner_sleeps))
                    futex_wake(&pool.done, 1);
                break;
            }
        }
        seen = (uint32_t)(ticket >> 32);
    }
    return NULL;
}

/* Waits until `count` workers have left the job. */
static void join(uint32_t count)
{
    for (int i = pool.spin ? SPIN_JOIN : 1; i > 0; i--) {
        if (atomic_load_explicit(&pool.done, memory_order_acquire) == count)
            return;
        pause_briefly();
    }
    atomic_store(&pool.joiner_sleeps, 1);
    uint32_t done;
    while ((done = atomic_load(&pool.done)) != count)
        futex_wait(&pool.done, done);
    atomic_store(&pool.joiner_sleeps, 0);
}

/* Starts workers up to `count`; fewer when the system gives no more. Signals are the other threads'
 * business. */
static void start_workers(int count)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    while (pool.workers < count && pool.workers < MAX_WORKERS &&
           pthread_create(&thread, &attributes, worker_main, NULL) == 0)
        pool.workers++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/* ---- Fork ----------------------------------------------------------------------------------- */

static void before_fork(void)
{
    if (!inside)
        pthread_mutex_lock(&pool.lock);
}

static void after_fork_parent(void)
{
    if (!inside)
        pthread_mutex_unlock(&pool.lock);
}

static void after_fork_child(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pool.workers = 0;
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.joiner_sleeps, 0);
    atomic_store(&pool.done, 0);
    atomic_store(&pool.ticket, CLOSED);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    pin_library(); /* its threads sleep in this code */
}

/* ---- Count ---------------------------------------------------------------------------------- */

static int processors(void)
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    if (count < 1)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = cgroup_cpus();
    if (quota > 0 && quota < count)
        count = quota;
    return count < 1 ? 1 : count;
}

static int from_environment(const char *name)
{
    const char *text = getenv(name);
    long value = text ? strtol(text, NULL, 10) : 0;
    return value < 1 ? 0 : value > MAX_WORKERS + 1 ? MAX_WORKERS + 1 : (int)value;
}

int threads_count(void)
{
    int count = atomic_load_explicit(&wanted, memory_order_relaxed);
    if (count)
        return count;
    count = from_environment("FLAMBEAU_NUM_THREADS");
    if (!count)
        count = from_environment("OMP_NUM_THREADS");
    if (!count)
        count = processors();
    int unknown = 0; /* a count set meanwhile stands */
    return atomic_compare_exchange_strong(&wanted, &unknown, count) ? count : unknown;
}

void threads_set_count(int count)
{
    atomic_store(&wanted, count < 1 ? 1 : count > MAX_WORKERS + 1 ? MAX_WORKERS + 1 : count);
}

int threads_inside(void)
{
    return inside;
}

/* ---- A region ------------------------------------------------------------------------------- */

static void run_in_turn(int64_t chunks, void (*body)(void *, int64_t), void *context)
{
    assert(inside >= 0);
    for (int64_t i = 0; i < chunks; i++)
        body(context, i);
}

static __attribute__((noinline)) void run_on_pool(int64_t chunks, void (*body)(void *, int64_t),
                                                  void *context)
{
    if (pthread_mutex_trylock(&pool.lock) != 0) {
        run_in_turn(chunks, body, context);
        return;
    }
    int helpers = threads_count() - 1;
    if (pool.workers < helpers) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, watch_forks);
        start_workers(helpers);
    }
    static _Atomic int cpus;
    if (!atomic_load_explicit(&cpus, memory_order_relaxed))
        atomic_store_explicit(&cpus, processors(), memory_order_relaxed);
    pool.spin = helpers < atomic_load_explicit(&cpus, memory_order_relaxed);
    if (helpers > chunks - 1)
        helpers = (int)(chunks - 1);

    pool.body = body;
    pool.context = context;
    pool.chunks = chunks;
    atomic_store_explicit(&pool.taken, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
    uint32_t generation =
        (uint32_t)(atomic_load_explicit(&pool.ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&pool.ticket,
                          (uint64_t)generation << 32 | (uint64_t)helpers << LIMIT_SHIFT,
                          memory_order_release);
    atomic_fetch_add(&pool.bell, 1);
    uint32_t sleepers = atomic_load(&pool.sleepers);
    if (sleepers)
        futex_wake(&pool.bell, helpers < (int)sleepers ? helpers : (int)sleepers);

    inside = 1;
    work(false);
    inside = 0;
    uint64_t ticket = atomic_fetch_or_explicit(&pool.ticket, CLOSED, memory_order_acq_rel);
    join((uint32_t)ticket & ENROLLED_MASK);
    pthread_mutex_unlock(&pool.lock);
}

void threads_for(int64_t chunks, void (*body)(void *context, int64_t chunk), void *context)
{
    assert(chunks >= 0);
    assert(body);
    if (chunks <= 1 || chunks > MOST_CHUNKS || inside || threads_count() == 1)
        run_in_turn(chunks, body, context);
    else
        run_on_pool(chunks, body, context);
}

void fl_set_num_threads(int count)
{
    threads_set_count(count);
}

int fl_num_threads(void)
{
    return threads_count();
}
