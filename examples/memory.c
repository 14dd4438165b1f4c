/* What a program does when memory is out: it is told, has lost nothing, and goes on with less.
 *
 *     cc memory.c $(pkg-config --cflags --libs flambeau) && ./a.out
 *
 * The program sets itself a limit, as a small machine or a container would, and looks for the
 * largest batch that fits: a step that fails with FL_OUT_OF_MEMORY has changed no parameter, its
 * scope gives back what it had allocated, and half the batch is tried.
 */
#include <flambeau.h>
#include <stdio.h>

enum { IN = 256, HIDDEN = 512, MEGABYTE = 1 << 20 };

static const fl_device cpu = {FL_CPU, 0};

static double megabytes(int64_t bytes)
{
    return (double)bytes / MEGABYTE;
}

static int64_t in_use(void)
{
    fl_memory m;
    fl_memory_stats(&m);
    return m.allocated;
}

/* One step on `rows` random rows: 0, or -1 with the error set. */
static int train(fl_module *net, fl_optimizer *sgd, int64_t rows)
{
    fl_scope_begin();
    fl_tensor *x = fl_randn(FL_INTS_OF(rows, IN), NULL, FL_FLOAT32, cpu, false);
    fl_optimizer_zero_grad(sgd);
    /* A call that is given NULL returns NULL and keeps the error: one test at the end is enough. */
    fl_tensor *loss = fl_mean(fl_square(fl_module_forward(net, x)), FL_NO_DTYPE);
    int status = fl_backward(loss) == 0 ? fl_optimizer_step(sgd) : -1;
    fl_scope_end();
    return status;
}

int main(void)
{
    fl_manual_seed(0);
    fl_module *net = fl_sequential_new();
    fl_module_append(net, fl_linear_new(IN, HIDDEN, true));
    fl_module_append(net, fl_relu_new());
    fl_module_append(net, fl_linear_new(HIDDEN, 1, true));
    fl_optimizer *sgd = fl_sgd_new(fl_module_parameters(net), 1e-2, 0, 0, 0, false);
    train(net, sgd, 1); /* makes the gradients and what the optimizer keeps */

    fl_memory_limit(64 * MEGABYTE);
    int64_t before = in_use(), rows = 1 << 17;
    for (; train(net, sgd, rows) != 0 && rows > 1; rows /= 2) {
        if (fl_error() != FL_OUT_OF_MEMORY)
            break;
        if (rows == 1 << 17)
            printf("%s\n\n", fl_error_message());
        fl_error_clear();
        fl_optimizer_zero_grad(sgd); /* gradients that were begun */
        printf("%6lld rows do not fit; %.1f MB are in use\n", (long long)rows, megabytes(in_use()));
    }
    printf("%6lld rows fit\n", (long long)rows);
    for (int i = 0; i < 10 && fl_error() == FL_OK; i++)
        train(net, sgd, rows);

    fl_memory m;
    fl_memory_stats(&m);
    printf("ten steps more: within the limit: %s; in use as before: %s\n",
           m.reserved <= 64 * MEGABYTE ? "yes" : "no",
           in_use() <= before + MEGABYTE ? "yes" : "no");
    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    fl_optimizer_release(sgd);
    fl_module_release(net);
    fl_memory_stats(&m);
    printf("at the end %lld bytes are in use\n", (long long)m.allocated);
    return failed;
}
