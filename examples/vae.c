/* The variational autoencoder of vae.py in C: the same digits, the same seed, the same losses.
 *
 *     cc vae.c $(pkg-config --cflags --libs flambeau) && ./a.out .../datasets/digits.bin [seed] [epochs]
 */
#include <flambeau.h>
#include <stdio.h>
#include <stdlib.h>

enum { HIDDEN = 256, BATCH = 64, GRID = 8, COUNT = 1797, PIXELS = 64, HEADER = 20 };

static const fl_device cpu = {FL_CPU, 0};
static unsigned char file[HEADER + COUNT * PIXELS];

static fl_module *layers(int64_t in, int64_t out)
{
    fl_module *m = fl_sequential_new();
    fl_module_append(m, fl_linear_new(in, HIDDEN, true));
    fl_module_append(m, fl_relu_new());
    fl_module_append(m, fl_linear_new(HIDDEN, HIDDEN, true));
    fl_module_append(m, fl_relu_new());
    fl_module_append(m, fl_linear_new(HIDDEN, out, true));
    return m;
}

/* The two parts of the bound for one image of x (N, 64): what the reconstruction loses, and how far
 * the points are from a standard normal distribution. */
static void bound(fl_module *m, fl_tensor *x, fl_tensor **lost, fl_tensor **apart)
{
    const fl_value one = fl_int(1), count = fl_int(fl_size(x, 0));
    fl_tensor *code = fl_module_forward(fl_module_child(m, "encoder"), x);
    fl_tensor *mean = fl_narrow(code, 1, 0, 2), *log_variance = fl_narrow(code, 1, 2, 2);
    fl_tensor *noise = fl_randn_like(mean, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    fl_tensor *spread = fl_exp(fl_div_scalar(log_variance, fl_int(2)));
    fl_tensor *point = fl_add(mean, fl_mul(spread, noise), one);
    fl_tensor *logits = fl_module_forward(fl_module_child(m, "decoder"), point);
    *lost = fl_binary_cross_entropy_with_logits(logits, x, NULL, NULL, "sum");
    *lost = fl_div_scalar(*lost, count);
    fl_tensor *part = fl_sub(fl_add_scalar(log_variance, one, one), fl_square(mean), one);
    part = fl_sum(fl_sub(part, fl_exp(log_variance), one), FL_NO_DTYPE);
    *apart = fl_div_scalar(fl_mul_scalar(part, fl_float(-0.5)), count);
}

static void train(fl_module *m, fl_tensor *images, int epochs)
{
    fl_optimizer *adam = fl_adam_new(fl_module_parameters(m), 2e-3, 0.9, 0.999, 1e-8, 0, false);
    int64_t n = fl_size(images, 0);
    int shown = epochs / 5 > 1 ? epochs / 5 : 1;
    for (int epoch = 1; epoch <= epochs && fl_error() == FL_OK; epoch++) {
        double sums[2] = {0, 0};
        fl_scope_begin();
        fl_tensor *order = fl_randperm(n, NULL, FL_INT64, cpu, false);
        for (int64_t start = 0; start < n; start += BATCH) {
            int64_t size = n - start < BATCH ? n - start : BATCH;
            fl_tensor *lost, *apart;
            fl_scope_begin();
            bound(m, fl_index_select(images, 0, fl_narrow(order, 0, start, size)), &lost, &apart);
            fl_optimizer_zero_grad(adam);
            fl_backward(fl_add(lost, apart, fl_int(1)));
            fl_optimizer_step(adam);
            sums[0] += fl_item(lost) * (double)size;
            sums[1] += fl_item(apart) * (double)size;
            fl_scope_end();
        }
        fl_scope_end();
        if (epoch % shown == 0)
            printf("epoch %3d  loss %.2f = %.2f + %.2f\n", epoch, (sums[0] + sums[1]) / (double)n,
                   sums[0] / (double)n, sums[1] / (double)n);
    }
    fl_optimizer_release(adam);
}

/* What the decoder makes of points of the plane that are even in probability. */
static void draw(fl_module *m)
{
    static const char *const shades[] = {" ", "░", "▒", "▓", "█"};
    float points[GRID * GRID][2];
    fl_tensor *even = fl_arange(fl_int(GRID), FL_FLOAT32, cpu, false);
    even = fl_div_scalar(fl_add_scalar(even, fl_float(0.5), fl_int(1)), fl_int(GRID));
    const float *steps = fl_data(fl_special_ndtri(even));
    if (!steps)
        return;
    for (int i = 0; i < GRID * GRID; i++)
        points[i][0] = steps[i % GRID], points[i][1] = steps[i / GRID];
    fl_tensor *x = fl_from_data(points, FL_INTS_OF(GRID * GRID, 2), FL_FLOAT32);
    fl_tensor *grey = fl_sigmoid(fl_module_forward(fl_module_child(m, "decoder"), x));
    const float *pixel = grey ? fl_data(grey) : NULL;
    for (int row = 0; row < GRID * 8 && pixel; row++) {
        for (int column = 0; column < GRID * 8; column++) {
            int image = row / 8 * GRID + column / 8, place = row % 8 * 8 + column % 8;
            fputs(shades[(int)(4 * pixel[image * PIXELS + place] + 0.5f)], stdout);
            if (column % 8 == 7)
                fputs(column == GRID * 8 - 1 ? "\n" : "  ", stdout);
        }
    }
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "python/flambeau/datasets/digits.bin";
    FILE *f = fopen(path, "rb");
    if (!f || fread(file, 1, sizeof file, f) != sizeof file) {
        fprintf(stderr, "%s is not the file of digits\n", path);
        return 1;
    }
    fclose(f);
    int64_t known[COUNT], n = 0;
    for (int64_t i = 0; i < COUNT; i++)
        if (i % 5) /* every fifth is kept for tests */
            known[n++] = i;
    fl_scope_begin();
    fl_tensor *bytes = fl_from_data(file + HEADER, FL_INTS_OF(COUNT, PIXELS), FL_UINT8);
    fl_tensor *rows = fl_from_data(known, FL_INTS_OF(n), FL_INT64);
    fl_tensor *images = fl_index_select(fl_div_scalar(bytes, fl_int(16)), 0, rows);

    fl_manual_seed(argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    fl_module *m = fl_module_new("VAE", NULL, NULL);
    fl_module_add(m, "encoder", layers(PIXELS, 4));
    fl_module_add(m, "decoder", layers(2, PIXELS));
    train(m, images, argc > 3 ? atoi(argv[3]) : 60);
    fl_grad_enabled(false);
    printf("\nnew digits, drawn from points of the plane:\n\n");
    draw(m);

    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    fl_module_release(m);
    fl_scope_end();
    return failed;
}
