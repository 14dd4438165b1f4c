/* An operator of the program's own with its gradient, checked and trained; and hooks.
 *
 *     cc own_operator.c $(pkg-config --cflags --libs flambeau) -lm && ./a.out
 *
 * softsign(x) = x / (1 + |x|), whose derivative is 1 / (1 + |x|)^2 = (1 - |y|)^2. The value is
 * computed by a loop of C over the numbers themselves; the gradient is made of operators, so that it
 * can be differentiated in turn.
 */
#include <flambeau.h>
#include <math.h>
#include <stdio.h>

enum { POINTS = 64, UNITS = 32, STEPS = 400 };

static const fl_device cpu = {FL_CPU, 0};

/* The gradient of x from that of y: saved[0] is y. */
static int softsign_backward(const fl_backward_call *call)
{
    if (!call->inputs.data[0]) /* nobody asks for it */
        return 0;
    fl_scope_begin();
    fl_tensor *rest = fl_rsub_scalar(fl_abs(call->saved.data[0]), fl_int(1), fl_int(1));
    fl_tensor *gradient = fl_mul(call->gradients.data[0], fl_square(rest));
    call->results[0] = fl_scope_return(gradient);
    return call->results[0] ? 0 : -1;
}

static fl_tensor *softsign(fl_tensor *x)
{
    fl_scope_begin();
    bool recorded = fl_grad_enabled(false); /* fl_record says how y came about, not these calls */
    fl_tensor *y = fl_clone(fl_contiguous(fl_to(x, FL_FLOAT32, cpu), -1), -1);
    if (y) {
        float *numbers = fl_data(y);
        for (int64_t i = 0; i < fl_numel(y); i++)
            numbers[i] /= 1 + fabsf(numbers[i]);
    }
    fl_grad_enabled(recorded);
    if (!y || fl_record("Softsign", (fl_tensors){&x, 1}, (fl_tensors){&y, 1}, (fl_tensors){&y, 1},
                        softsign_backward, NULL, NULL) != 0)
        y = NULL;
    return fl_scope_return(y);
}

/* The greatest difference between the gradient and what small steps of x say, for the first
 * derivative and for the second. */
static void check(void)
{
    const float at[] = {-2, -0.5f, 0.25f, 3};
    const fl_backward_options again = {.create_graph = true};
    double first = 0, second = 0;
    fl_scope_begin();
    fl_tensor *x = fl_from_data(at, FL_INTS_OF(4), FL_FLOAT32), *g, *gg;
    fl_set_requires_grad(x, true);
    fl_tensor *y = fl_sum(softsign(x), FL_NO_DTYPE);
    fl_autograd_grad((fl_tensors){&y, 1}, (fl_tensors){&x, 1}, (fl_tensors){0}, &again, &g);
    y = fl_sum(g, FL_NO_DTYPE);
    fl_autograd_grad((fl_tensors){&y, 1}, (fl_tensors){&x, 1}, (fl_tensors){0}, NULL, &gg);
    for (int i = 0; i < 4 && g && gg; i++) {
        double h = 1e-4, a = at[i], slope = 1 / pow(1 + fabs(a), 2);
        double up = (a + h) / (1 + fabs(a + h)), down = (a - h) / (1 + fabs(a - h));
        double curve = (1 / pow(1 + fabs(a + h), 2) - slope) / h;
        first = fmax(first, fabs((up - down) / (2 * h) - ((float *)fl_data(g))[i]));
        second = fmax(second, fabs(curve - ((float *)fl_data(gg))[i]));
    }
    printf("first derivative off by less than 1e-5: %s, second by less than 1e-2: %s\n",
           first < 1e-5 ? "yes" : "no", second < 1e-2 ? "yes" : "no");
    fl_scope_end();
}

/* A hook sees a gradient on its way and may put another in its place. This one bounds it. */
static fl_tensor *bound(fl_tensor *gradient, void *context)
{
    ++*(int *)context;
    return fl_clamp(gradient, fl_float(-0.1), fl_float(0.1));
}

/* Fits sin(3 x) with one hidden layer of the operator; returns the last loss. */
static double fit(int *calls)
{
    double loss = NAN;
    fl_scope_begin();
    fl_manual_seed(0);
    fl_module *in = fl_linear_new(1, UNITS, true), *out = fl_linear_new(UNITS, 1, true);
    fl_module *net = fl_module_new("Net", NULL, NULL);
    fl_module_add(net, "in", in);
    fl_module_add(net, "out", out);
    fl_optimizer *adam = fl_adam_new(fl_module_parameters(net), 2e-2, 0.9, 0.999, 1e-8, 0, false);
    fl_add_hook(fl_module_get(net, "out.bias"), bound, calls, NULL);

    float place[POINTS], height[POINTS];
    for (int i = 0; i < POINTS; i++) {
        place[i] = 2 * (float)i / (POINTS - 1) - 1;
        height[i] = sinf(3 * place[i]);
    }
    fl_tensor *x = fl_from_data(place, FL_INTS_OF(POINTS, 1), FL_FLOAT32);
    fl_tensor *y = fl_from_data(height, FL_INTS_OF(POINTS, 1), FL_FLOAT32);
    for (int step = 0; step < STEPS && fl_error() == FL_OK; step++) {
        fl_scope_begin();
        fl_tensor *guess = fl_module_forward(out, softsign(fl_module_forward(in, x)));
        fl_tensor *error = fl_mse_loss(guess, y, "mean");
        fl_optimizer_zero_grad(adam);
        fl_backward(error);
        fl_optimizer_step(adam);
        loss = fl_item(error);
        fl_scope_end();
    }
    fl_optimizer_release(adam);
    fl_module_release(net);
    fl_scope_end();
    return loss;
}

int main(void)
{
    check();
    int calls = 0;
    double loss = fit(&calls);
    printf("after %d steps, each seen by the hook, the loss is %.6f\n", calls, loss);
    if (fl_error() != FL_OK)
        fprintf(stderr, "%s\n", fl_error_message());
    return fl_error() != FL_OK;
}
