/* The pool: every chunk once, nested calls, several callers, changing counts, fork; threads that share a leaf. */
#include "check.h"
#include "flambeau.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/threads.h"

enum { CHUNKS = 1000 };
static _Atomic int seen[CHUNKS];

static void count(void *context, int64_t chunk)
{
    atomic_fetch_add((_Atomic int *)context + chunk, 1);
}

static void test_each_once(void)
{
    for (int chunks = 0; chunks <= CHUNKS; chunks = chunks * 3 + 1) {
        memset((void *)seen, 0, sizeof seen);
        threads_for(chunks, count, (void *)seen);
        for (int i = 0; i < CHUNKS; i++)
            CHECK(atomic_load(&seen[i]) == (i < chunks));
    }
}

static _Atomic long sum, insides;

static void add(void *context, int64_t chunk)
{
    (void)context;
    atomic_fetch_add(&sum, (long)chunk);
}

static void nest(void *context, int64_t chunk)
{
    (void)chunk;
    atomic_fetch_add(&insides, threads_inside());
    threads_for(10, add, context);
}

static void test_nested(void)
{
    atomic_store(&sum, 0);
    threads_for(20, nest, NULL);
    CHECK(atomic_load(&sum) == 20 * 45);
    CHECK(atomic_load(&insides) == 20);
    CHECK(!threads_inside());
}

static void *call_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2000; i++)
        threads_for(1 + i % 7, add, NULL);
    return NULL;
}

static void test_callers(void)
{
    long each = 0;
    for (int i = 0; i < 2000; i++)
        each += (i % 7) * (i % 7 + 1) / 2;
    atomic_store(&sum, 0);
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, call_often, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK(atomic_load(&sum) == 4 * each);
}

/* A leaf points to its accumulate node without a reference: the node goes with the last graph that
 * ends in it, while other threads make graphs of the same leaf. */
static void *record(void *leaf)
{
    bool good = true;
    for (int i = 0; i < 20000; i++) {
        fl_tensor *y = fl_mul(leaf, leaf);
        good = good && y && fl_requires_grad(y);
        fl_release(y);
    }
    return good ? leaf : NULL;
}

static void test_one_leaf(void)
{
    fl_tensor *leaf = fl_ones(FL_INTS_OF(2), FL_FLOAT32, (fl_device){0, 0}, true);
    CHECK(leaf);
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, record, leaf);
    for (int i = 0; i < 4; i++) {
        void *good = NULL;
        pthread_join(thread[i], &good);
        CHECK(good == leaf);
    }
    fl_release(leaf);
}

static void test_counts(void)
{
    static const int COUNTS[] = {1, 2, 5, 3, 16, 1, 2};
    for (int i = 0; i < 7; i++) {
        threads_set_count(COUNTS[i]);
        CHECK(threads_count() == COUNTS[i]);
        test_each_once();
    }
    threads_set_count(-3);
    CHECK(threads_count() == 1);
    threads_set_count(2);
}

/* Sanitizers that do not survive a fork among threads: the one follows no thread into a child, the
 * other's allocator (until LLVM 17) may be locked in it for ever. */
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define FORKS 1
#endif

#ifdef FORKS
static void *stay_busy(void *stop)
{
    while (!atomic_load((_Atomic int *)stop))
        threads_for(4, add, NULL);
    return NULL;
}

static void *idle(void *unused)
{
    return unused;
}

/* Whether a child of a process with threads can make a thread itself: QEMU's user mode aborts. */
static bool children_may_thread(void)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        pthread_t thread;
        _exit(pthread_create(&thread, NULL, idle, NULL) || pthread_join(thread, NULL));
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Forks while another thread keeps the pool running; the child uses the pool and leaves. */
static void test_fork(void)
{
    static _Atomic int stop;
    pthread_t busy;
    if (!children_may_thread()) {
        printf("skipped: a forked child cannot make threads here, whoever asks\n");
        return;
    }
    pthread_create(&busy, NULL, stay_busy, (void *)&stop);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            atomic_store(&sum, 0);
            for (int j = 0; j < 50; j++)
                threads_for(8, add, NULL);
            _exit(atomic_load(&sum) == 50 * 28 ? 0 : 1);
        }
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    atomic_store(&stop, 1);
    pthread_join(busy, NULL);
}
#endif

int main(void)
{
    alarm(120);
    threads_set_count(3);
    test_each_once();
    test_nested();
    test_callers();
    test_one_leaf();
    test_counts();
#ifdef FORKS
    test_fork();
#endif
    return check_result();
}
