/* Fits the curve of regression.py in C: the same points, the same seed, the same losses, the plot.
 *
 *     cc regression.c $(pkg-config --cflags --libs flambeau) -lm && ./a.out [seed] [steps]
 */
#include <flambeau.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 200, WIDTH = 72, HEIGHT = 18 };

static const fl_device cpu = {FL_CPU, 0};

/* sin(2x) + x/3 */
static fl_tensor *truth(fl_tensor *x)
{
    fl_tensor *wave = fl_sin(fl_mul_scalar(x, fl_int(2)));
    return fl_add(wave, fl_div_scalar(x, fl_int(3)), fl_int(1));
}

static fl_module *network(void)
{
    fl_module *net = fl_sequential_new();
    fl_module_append(net, fl_linear_new(1, 64, true));
    fl_module_append(net, fl_tanh_new());
    fl_module_append(net, fl_linear_new(64, 64, true));
    fl_module_append(net, fl_tanh_new());
    fl_module_append(net, fl_linear_new(64, 1, true));
    return net;
}

static void fit(fl_module *net, fl_tensor *x, fl_tensor *y, int steps)
{
    fl_optimizer *adam = fl_adam_new(fl_module_parameters(net), 0.01, 0.9, 0.999, 1e-8, 0, false);
    int shown = steps / 5 > 1 ? steps / 5 : 1;
    for (int step = 1; step <= steps && fl_error() == FL_OK; step++) {
        fl_scope_begin();
        fl_tensor *loss = fl_mse_loss(fl_module_forward(net, x), y, "mean");
        fl_optimizer_zero_grad(adam);
        fl_backward(loss);
        fl_optimizer_step(adam);
        fl_optimizer_set_lr(adam, fl_lr_cosine(0.01, step, steps, 0));
        if (step % shown == 0)
            printf("step %4d  loss %.4f\n", step, fl_item(loss));
        fl_scope_end();
    }
    fl_optimizer_release(adam);
}

/* Puts a mark at each (x, y) of a box of characters. */
static void put(const char *rows[HEIGHT][WIDTH], fl_tensor *x, fl_tensor *y, double low,
                double high, const char *mark)
{
    const float *xs = fl_data(x), *ys = fl_data(y);
    for (int64_t i = 0; i < fl_numel(x); i++) {
        long column = lrint((xs[i] + 3) / 6 * (WIDTH - 1));
        rows[lrint((high - ys[i]) / (high - low) * (HEIGHT - 1))][column] = mark;
    }
}

/* Points as dots and the curve as stars; top and bottom are labelled. */
static void draw(fl_tensor *x, fl_tensor *y, fl_tensor *curve_x, fl_tensor *curve_y)
{
    static const char *rows[HEIGHT][WIDTH];
    double low = fmin(fl_item(fl_min(y)), fl_item(fl_min(curve_y)));
    double high = fmax(fl_item(fl_max(y)), fl_item(fl_max(curve_y)));
    put(rows, x, y, low, high, "·");
    put(rows, curve_x, curve_y, low, high, "*");
    for (int i = 0; i < HEIGHT; i++) {
        if (i == 0 || i == HEIGHT - 1)
            printf("%5.1f |", i == 0 ? high : low);
        else
            printf("%5s |", "");
        for (int k = 0; k < WIDTH; k++)
            fputs(rows[i][k] ? rows[i][k] : " ", stdout);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    fl_manual_seed(argc > 1 ? strtoull(argv[1], NULL, 10) : 0);
    fl_scope_begin();
    fl_ints sizes = FL_INTS_OF(POINTS, 1);
    fl_tensor *x = fl_mul_scalar(fl_rand(sizes, NULL, FL_FLOAT32, cpu, false), fl_int(6));
    x = fl_sub_scalar(x, fl_int(3), fl_int(1));
    fl_tensor *noise = fl_randn(sizes, NULL, FL_FLOAT32, cpu, false);
    fl_tensor *y = fl_add(truth(x), fl_mul_scalar(noise, fl_float(0.15)), fl_int(1));
    fl_module *net = network();
    fit(net, x, y, argc > 2 ? atoi(argv[2]) : 1000);

    fl_grad_enabled(false);
    fl_tensor *curve_x = fl_linspace(fl_int(-3), fl_int(3), WIDTH, FL_FLOAT32, cpu, false);
    curve_x = fl_unsqueeze(curve_x, 1);
    fl_tensor *curve_y = fl_module_forward(net, curve_x);
    double error = sqrt(fl_item(fl_mse_loss(curve_y, truth(curve_x), "mean")));
    printf("distance of the curve from the truth without noise: %.3f\n\n", error);
    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    else
        draw(x, y, curve_x, curve_y);
    fl_module_release(net);
    fl_scope_end();
    return failed;
}
