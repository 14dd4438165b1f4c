/* The pool of threads: one call, which cuts nothing itself.
 *
 * The caller cuts its work into chunks whose number depends on the problem alone, so that results
 * do not depend on the number of threads. Safe across fork; a call from inside a body runs its
 * chunks in turn on the calling thread.
 */
#ifndef FLAMBEAU_CORE_THREADS_H
#define FLAMBEAU_CORE_THREADS_H

#include <stdint.h>

/* Runs body(context, 0) ... body(context, chunks - 1), each once, in any order and on any threads;
 * returns when all have returned. With one chunk, or one thread, it is a plain loop. */
void threads_for(int64_t chunks, void (*body)(void *context, int64_t chunk), void *context);

/* How many threads a call may use, the caller included. Default: the processors this process may
 * run on (affinity and cgroup limit). */
int threads_count(void);
/* Sets that number, at least 1. */
void threads_set_count(int count);

/* True inside a body: a nested call would run in turn anyway. */
int threads_inside(void);

#endif
