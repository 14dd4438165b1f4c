/* What a call costs from C, part by part: nanoseconds, the fastest of many rounds. `make
 * bench-door` builds and runs it.
 *
 * The parts build on one another: a block of memory, a tensor, the operator through the door, the
 * same through the typed function with a scope, the same recorded for backward.
 */
#include <stdio.h>
#include <time.h>

#include "autograd/autograd.h"
#include "core/memory.h"
#include "flambeau.h"
#include "ops/op.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static fl_tensor *a, *b, *w;
static const fl_op *add;

static void block(void)
{
    memory_free(memory_alloc(64), 64);
}

static void tensor(void)
{
    tensor_release(tensor_new(1, (int64_t[]){1}, FL_FLOAT32));
}

static void view(void)
{
    tensor_release(tensor_alias(a, 1, a->sizes, a->strides, 0));
}

static void door(void)
{
    fl_value y, args[] = {fl_tensor_value(a), fl_tensor_value(b), fl_int(1)};
    op_call(add, args, &y);
    tensor_release(y.as.tensor);
}

static void typed(void)
{
    fl_scope_begin();
    fl_add(a, b, fl_int(1));
    fl_scope_end();
}

static void recorded(void)
{
    fl_value y, args[] = {fl_tensor_value(w), fl_tensor_value(b), fl_int(1)};
    op_call(add, args, &y);
    tensor_release(y.as.tensor);
}

static void backward(void)
{
    fl_value y, args[] = {fl_tensor_value(w), fl_tensor_value(b), fl_int(1)};
    op_call(add, args, &y);
    fl_backward(y.as.tensor);
    tensor_release(y.as.tensor);
    fl_set_grad(w, NULL);
}

static void measure(const char *what, void (*part)(void))
{
    enum { ROUNDS = 200, CALLS = 1000 };
    double best = 1e9;
    for (int r = 0; r < ROUNDS; r++) {
        double start = now();
        for (int i = 0; i < CALLS; i++)
            part();
        double took = (now() - start) / CALLS;
        best = took < best ? took : best;
    }
    printf("%-44s %8.1f ns\n", what, best);
}

int main(void)
{
    a = fl_scalar(1, FL_FLOAT32), b = fl_scalar(2, FL_FLOAT32), w = fl_scalar(3, FL_FLOAT32);
    add = fl_op_find("add.Tensor");
    if (!a || !b || !w || !add || fl_set_requires_grad(w, true)) {
        fprintf(stderr, "%s\n", fl_error_message());
        return 1;
    }
    measure("C: a block of 64 bytes and back", block);
    measure("C: a tensor with its storage and back", tensor);
    measure("C: a view and back", view);
    measure("C: add through the door (op_call)", door);
    measure("C: fl_add in a scope", typed);
    measure("C: add, recorded", recorded);
    measure("C: add, recorded, and its backward", backward);
    return 0;
}
