/* A plugin that computes with Flambeau: host.c opens it, calls it from several threads, closes it. */
#include <flambeau.h>
#include <math.h>

/* The sum of the squares of n ones times two, by operators that the pool's threads share; NaN where
 * something failed. Asks for the derivative too. */
double plugin_compute(long n)
{
    double result = NAN;
    fl_set_num_threads(4);
    fl_scope_begin();
    fl_tensor *x = fl_ones(FL_INTS_OF(n), FL_FLOAT32, (fl_device){FL_CPU, 0}, true);
    fl_tensor *y = fl_sum(fl_square(fl_mul_scalar(x, fl_int(2))), FL_NO_DTYPE);
    if (fl_backward(y) == 0 && fl_item(fl_select(fl_grad(x), 0, n - 1)) == 8)
        result = fl_item(y);
    fl_tensor *wrong = fl_narrow(x, 0, n, 1); /* leaves an error behind in this thread */
    if (wrong)
        result = NAN;
    fl_scope_end();
    return result;
}
