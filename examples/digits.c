/* Trains the network of digits.py in C: the same data, the same seed, the same losses, the same
 * file.
 *
 *     cc digits.c $(pkg-config --cflags --libs flambeau) && ./a.out .../datasets/digits.bin [seed]
 */
#include <flambeau.h>
#include <stdio.h>
#include <stdlib.h>

enum { EPOCHS = 15, BATCH = 64, COUNT = 1797, PIXELS = 64, HEADER = 20 };

/* The pixels of all images, then their labels. */
static unsigned char file[HEADER + COUNT * (PIXELS + 1)];

/* Layer by layer, so that they draw their initial values in this order. */
static fl_module *network(void)
{
    fl_module *net = fl_sequential_new();
    fl_module_add(net, "0", fl_conv2d_new(1, 32, 3, 1, 1, 1, 1, true));
    fl_module_add(net, "1", fl_batch_norm2d_new(32, 1e-5, 0.1));
    fl_module_add(net, "2", fl_relu_new());
    fl_module_add(net, "3", fl_conv2d_new(32, 32, 3, 1, 1, 1, 1, true));
    fl_module_add(net, "4", fl_batch_norm2d_new(32, 1e-5, 0.1));
    fl_module_add(net, "5", fl_relu_new());
    fl_module_add(net, "6", fl_max_pool2d_new(2, 2, 0)); /* 4 x 4 */
    fl_module_add(net, "7", fl_conv2d_new(32, 64, 3, 1, 1, 1, 1, true));
    fl_module_add(net, "8", fl_batch_norm2d_new(64, 1e-5, 0.1));
    fl_module_add(net, "9", fl_relu_new());
    fl_module_add(net, "10", fl_max_pool2d_new(2, 2, 0)); /* 2 x 2 */
    fl_module_add(net, "11", fl_flatten_new());
    fl_module_add(net, "12", fl_linear_new(256, 10, true));
    return net;
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

    const fl_device cpu = {FL_CPU, 0};
    const int64_t dim = 1;
    int64_t label[COUNT], known[COUNT], held_out[COUNT], n = 0, m = 0;
    for (int64_t i = 0; i < COUNT; i++) {
        label[i] = file[HEADER + COUNT * PIXELS + i];
        *(i % 5 ? &known[n++] : &held_out[m++]) = i; /* every fifth is kept for the test */
    }
    fl_scope_begin();
    fl_tensor *bytes = fl_from_data(file + HEADER, FL_INTS_OF(COUNT, 1, 8, 8), FL_UINT8);
    fl_tensor *images = fl_div_scalar(bytes, fl_int(16));
    fl_tensor *labels = fl_from_data(label, FL_INTS_OF(COUNT), FL_INT64);
    fl_tensor *rows = fl_from_data(known, FL_INTS_OF(n), FL_INT64);
    fl_tensor *test = fl_from_data(held_out, FL_INTS_OF(m), FL_INT64);

    fl_manual_seed(argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    fl_module *net = network();
    fl_optimizer *adam = fl_adam_new(fl_module_parameters(net), 2e-3, 0.9, 0.999, 1e-8, 0, false);
    for (int epoch = 1; epoch <= EPOCHS && fl_error() == FL_OK; epoch++) {
        double loss_sum = 0;
        fl_scope_begin();
        fl_tensor *order = fl_index_select(rows, 0, fl_randperm(n, NULL, FL_INT64, cpu, false));
        for (int64_t start = 0; start < n; start += BATCH) {
            int64_t size = n - start < BATCH ? n - start : BATCH;
            fl_scope_begin();
            fl_tensor *batch = fl_narrow(order, 0, start, size);
            fl_tensor *scores = fl_module_forward(net, fl_index_select(images, 0, batch));
            fl_tensor *loss =
                fl_cross_entropy(scores, fl_index_select(labels, 0, batch), NULL, -100, "mean", 0);
            fl_optimizer_zero_grad(adam);
            fl_backward(loss);
            fl_optimizer_step(adam);
            loss_sum += fl_item(loss) * (double)size;
            fl_scope_end();
        }
        fl_scope_end();
        printf("epoch %2d  loss %.6f\n", epoch, loss_sum / (double)n);
    }

    fl_module_train(net, false);
    fl_tensor *scores = fl_module_forward(net, fl_index_select(images, 0, test));
    fl_tensor *right = fl_eq(fl_argmax(scores, &dim, false), fl_index_select(labels, 0, test));
    double accuracy = 100 * fl_item(fl_sum(right, FL_NO_DTYPE)) / (double)m;
    printf("\naccuracy on the %d digits it has not seen: %.2f%%\n", (int)m, accuracy);
    fl_module_save(net, "digits.safetensors");

    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    fl_optimizer_release(adam);
    fl_module_release(net);
    fl_scope_end();
    return failed;
}
