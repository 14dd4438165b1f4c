/* A program that knows nothing of Flambeau: opens plugin.so, calls it from threads, closes it while
 * they live on, and again. What the library keeps for a thread is given back when the thread ends,
 * which here is after the plugin was closed. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 3, ROUNDS = 3, COUNT = 1 << 20 };

static double (*compute)(long n);
static pthread_barrier_t called, closed;
static double results[THREADS];

static void *use(void *slot)
{
    *(double *)slot = compute(COUNT);
    pthread_barrier_wait(&called);
    pthread_barrier_wait(&closed);
    return NULL;
}

int main(int argc, char **argv)
{
    for (int round = 0; round < ROUNDS && argc > 1; round++) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!plugin)
            return fprintf(stderr, "%s\n", dlerror()), 1;
        *(void **)&compute = dlsym(plugin, "plugin_compute");
        pthread_t threads[THREADS];
        pthread_barrier_init(&called, NULL, THREADS + 1);
        pthread_barrier_init(&closed, NULL, THREADS + 1);
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, use, &results[i]);
        pthread_barrier_wait(&called);
        double here = compute(COUNT);
        dlclose(plugin);
        pthread_barrier_wait(&closed);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        printf("%.0f %.0f %.0f %.0f\n", here, results[0], results[1], results[2]);
    }
    return 0;
}
