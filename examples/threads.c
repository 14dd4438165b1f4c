/* One network answers from four threads at once.
 *
 *     cc threads.c $(pkg-config --cflags --libs flambeau) -pthread && ./a.out
 *
 * A module that nobody changes may be used from any number of threads. What belongs to a thread
 * alone: its scopes, its last error, whether it records. So each thread opens its own scope and
 * looks at its own fl_error; nothing is locked. The numbers are the same, bit by bit, however many
 * threads there are.
 */
#include <flambeau.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, ROWS = 256, IN = 64, OUT = 10, REPEATS = 20 };

struct job {
    fl_module *net;
    fl_tensor *questions;     /* (ROWS, IN), shared: only read */
    int64_t first, count;     /* the rows that this thread answers */
    float answers[ROWS][OUT]; /* filled in from row `first` on */
    char error[200];
};

static void *answer(void *argument)
{
    struct job *job = argument;
    fl_grad_enabled(false); /* of this thread: nothing here is differentiated */
    for (int i = 0; i < REPEATS; i++) {
        fl_scope_begin();
        fl_tensor *rows = fl_narrow(job->questions, 0, job->first, job->count);
        fl_tensor *scores = fl_contiguous(fl_module_forward(job->net, rows), -1);
        if (scores)
            memcpy(job->answers[job->first], fl_data(scores),
                   sizeof(float[OUT]) * (size_t)job->count);
        fl_scope_end();
    }
    if (fl_error() != FL_OK)
        snprintf(job->error, sizeof job->error, "%s", fl_error_message());
    return NULL;
}

/* A question of a wrong width: the error is this thread's, and the others do not see it. */
static void *ask_wrongly(void *argument)
{
    struct job *job = argument;
    fl_scope_begin();
    fl_tensor *rows = fl_zeros(FL_INTS_OF(2, IN + 1), FL_FLOAT32, (fl_device){FL_CPU, 0}, false);
    if (!fl_module_forward(job->net, rows))
        snprintf(job->error, sizeof job->error, "%s", fl_error_message());
    fl_scope_end();
    return NULL;
}

static fl_module *network(void)
{
    fl_module *net = fl_sequential_new();
    fl_module_append(net, fl_linear_new(IN, 128, true));
    fl_module_append(net, fl_relu_new());
    fl_module_append(net, fl_dropout_new(0.5));
    fl_module_append(net, fl_linear_new(128, OUT, true));
    fl_module_train(net, false); /* answers are not drawn by lot: dropout rests */
    return net;
}

int main(void)
{
    static struct job jobs[THREADS], alone, wrong;
    pthread_t threads[THREADS], wrong_thread;
    fl_manual_seed(0);
    fl_module *net = network();
    fl_tensor *questions =
        fl_randn(FL_INTS_OF(ROWS, IN), NULL, FL_FLOAT32, (fl_device){FL_CPU, 0}, false);

    wrong = (struct job){.net = net};
    pthread_create(&wrong_thread, NULL, ask_wrongly, &wrong);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.net = net,
                               .questions = questions,
                               .first = i * ROWS / THREADS,
                               .count = ROWS / THREADS};
        pthread_create(&threads[i], NULL, answer, &jobs[i]);
    }
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].error[0])
            fprintf(stderr, "thread %d: %s\n", i, jobs[i].error), failed = 1;
    }
    pthread_join(wrong_thread, NULL);

    /* The same once more, in one piece on this thread. */
    alone = (struct job){.net = net, .questions = questions, .count = ROWS};
    answer(&alone);
    int same = 0;
    for (int row = 0; row < ROWS; row++)
        same += memcmp(alone.answers[row], jobs[row * THREADS / ROWS].answers[row],
                       sizeof alone.answers[row]) == 0;
    printf("%d of %d rows are the same, bit by bit\n", same, ROWS);
    printf("the thread that asked wrongly: %s\n", wrong.error);
    failed |= alone.error[0] != 0 || same != ROWS;
    fl_release(questions);
    fl_module_release(net);
    return failed;
}
