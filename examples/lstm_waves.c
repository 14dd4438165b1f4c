/* The LSTM of lstm_waves.py in C: the same waves, the same seed, the same losses.
 *
 *     cc lstm_waves.c $(pkg-config --cflags --libs flambeau) -lm && ./a.out [seed] [steps]
 */
#include <flambeau.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEEN = 60, AHEAD = 40, BATCH = 32, HIDDEN = 64 };

static const fl_device cpu = {FL_CPU, 0};

static fl_tensor *uniform(int64_t count, double scale)
{
    fl_tensor *drawn = fl_rand(FL_INTS_OF(count, 2, 1), NULL, FL_FLOAT32, cpu, false);
    return fl_mul_scalar(drawn, fl_float(scale));
}

/* Sums of two sines of random period and phase: (N, length, 1). */
static fl_tensor *waves(int64_t count, int64_t length)
{
    const double pi = acos(-1.0);
    const int64_t sines = 1;
    fl_tensor *period = fl_add_scalar(uniform(count, 18), fl_int(12), fl_int(1));
    fl_tensor *phase = uniform(count, 2 * pi);
    fl_tensor *size = fl_from_data((float[]){1, 0.5f}, FL_INTS_OF(2, 1), FL_FLOAT32);
    fl_tensor *time = fl_arange(fl_int(length), FL_FLOAT32, cpu, false);
    fl_tensor *angle = fl_div(fl_mul_scalar(time, fl_float(2 * pi)), period);
    fl_tensor *both = fl_mul(size, fl_sin(fl_add(angle, phase, fl_int(1))));
    return fl_unsqueeze(fl_sum_dim_intlist(both, (fl_ints){&sines, 1}, false, FL_NO_DTYPE), -1);
}

/* For each value of x (N, T, 1) the one that comes next; the state goes on from *h and *c. */
static fl_tensor *predict(fl_module *m, fl_tensor *x, fl_tensor **h, fl_tensor **c)
{
    fl_tensor *state[] = {*h, *c}, *y;
    fl_tensors weights = fl_module_parameters(fl_module_child(m, "lstm"));
    if (fl_lstm(x, (fl_tensors){state, 2}, weights, true, 1, 0, true, false, true, &y, h, c))
        return NULL;
    return fl_add(x, fl_module_forward(fl_module_child(m, "value"), y), fl_int(1));
}

static fl_tensor *zero_state(int64_t count)
{
    return fl_zeros(FL_INTS_OF(1, count, HIDDEN), FL_FLOAT32, cpu, false);
}

static fl_tensor *steps_of(fl_tensor *wave, int64_t start, int64_t count)
{
    return fl_narrow(wave, 1, start, count);
}

static void train(fl_module *m, int steps)
{
    fl_tensors weights = fl_module_parameters(m);
    fl_optimizer *adam = fl_adam_new(weights, 5e-3, 0.9, 0.999, 1e-8, 0, false);
    int shown = steps / 5 > 1 ? steps / 5 : 1, length = SEEN + AHEAD;
    for (int step = 0; step < steps && fl_error() == FL_OK; step++) {
        fl_scope_begin();
        /* OneCycleLR turns Adam's first beta the other way, from 0.95 down to 0.85 and back. */
        fl_optimizer_set_lr(adam, fl_lr_one_cycle(1e-2, step, steps, 0.3, 25, 1e4));
        double part = fl_lr_one_cycle(1, step, steps, 0.3, 1e300, 1);
        fl_optimizer_set(adam, -1, "beta1", 0.95 - 0.1 * part);
        fl_tensor *wave = waves(BATCH, length), *h = zero_state(BATCH), *c = zero_state(BATCH);
        fl_tensor *predicted = predict(m, steps_of(wave, 0, length - 1), &h, &c);
        fl_tensor *loss = fl_mse_loss(steps_of(predicted, 10, length - 11),
                                      steps_of(wave, 11, length - 11), "mean");
        fl_optimizer_zero_grad(adam);
        fl_backward(loss);
        fl_clip_grad_norm(weights, 1.0);
        fl_optimizer_step(adam);
        if ((step + 1) % shown == 0)
            printf("step %4d  loss %.5f\n", step + 1, fl_item(loss));
        fl_scope_end();
    }
    fl_optimizer_release(adam);
}

/* How far predictions that go on from their own are from a wave, on average. */
static double error_ahead(fl_module *m)
{
    fl_tensor *wave = waves(1, SEEN + AHEAD), *h = zero_state(1), *c = zero_state(1);
    fl_tensor *x = steps_of(wave, 0, SEEN);
    double error = 0;
    for (int i = 0; i < AHEAD && x; i++) {
        fl_tensor *y = predict(m, x, &h, &c);
        x = steps_of(y, fl_size(y, 1) - 1, 1);
        error += fabs(fl_item(x) - fl_item(steps_of(wave, SEEN + i, 1)));
    }
    return error / AHEAD;
}

int main(int argc, char **argv)
{
    fl_manual_seed(argc > 1 ? strtoull(argv[1], NULL, 10) : 0);
    fl_scope_begin();
    fl_module *m = fl_module_new("Oracle", NULL, NULL);
    fl_module_add(m, "lstm", fl_lstm_new(1, HIDDEN, 1, true, true, 0, false, 0));
    fl_module_add(m, "value", fl_linear_new(HIDDEN, 1, true));
    train(m, argc > 2 ? atoi(argv[2]) : 900);
    fl_grad_enabled(false);
    printf("mean error over %d steps ahead: %.3f\n", AHEAD, error_ahead(m));
    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    fl_module_release(m);
    fl_scope_end();
    return failed;
}
