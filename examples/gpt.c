/* A small GPT that learns to sort: it reads six digits and writes them in order.
 *
 *     cc gpt.c $(pkg-config --cflags --libs flambeau) && ./a.out
 *
 * "4 0 2 2 5 1" goes in, "0 1 2 2 4 5" comes out, one digit after the other, each from all that
 * stand before it. The blocks are those of GPT-2: x + attention(norm(x)), then x + mlp(norm(x)).
 * Each is a module of the program's own: a struct for its numbers, children, a forward function.
 */
#include <flambeau.h>
#include <math.h>
#include <stdio.h>

enum { DIGITS = 6, KINDS = 6, LENGTH = 2 * DIGITS - 1 }; /* the last digit is never read */
enum { WIDTH = 48, HEADS = 3, HEAD = WIDTH / HEADS, LAYERS = 2 };
enum { BATCH = 64, STEPS = 200, TESTS = 256 };

static const fl_device cpu = {FL_CPU, 0};

static fl_tensor *layer(fl_module *m, const char *name, fl_tensor *x)
{
    return fl_module_forward(fl_module_child(m, name), x);
}

static fl_tensor *plus(fl_tensor *a, fl_tensor *b)
{
    return fl_add(a, b, fl_int(1));
}

/* (N, T, WIDTH) to (N, HEADS, T, HEAD): part 0 are queries, 1 keys, 2 values. */
static fl_tensor *heads(fl_tensor *all, int part)
{
    fl_tensor *one = fl_narrow(all, 2, part * WIDTH, WIDTH);
    fl_ints sizes = FL_INTS_OF(fl_size(all, 0), fl_size(all, 1), HEADS, HEAD);
    return fl_transpose(fl_reshape(one, sizes), 1, 2);
}

/* Every place looks at those before it and at itself. */
static fl_tensor *attention(fl_module *m, fl_tensor *x, void *context)
{
    (void)context;
    fl_tensor *all = layer(m, "qkv", x);
    fl_tensor *keys = fl_transpose(heads(all, 1), 2, 3);
    fl_tensor *scores =
        fl_mul_scalar(fl_matmul(heads(all, 0), keys), fl_float(1 / sqrt((double)HEAD)));
    int64_t t = fl_size(x, 1);
    fl_tensor *mask = fl_narrow(fl_narrow(fl_module_get(m, "mask"), 0, 0, t), 1, 0, t);
    fl_tensor *weights = fl_softmax(plus(scores, mask), 3, FL_NO_DTYPE);
    fl_tensor *mixed = fl_transpose(fl_matmul(weights, heads(all, 2)), 1, 2);
    return layer(m, "proj", fl_reshape(mixed, fl_sizes(x)));
}

static fl_tensor *block(fl_module *m, fl_tensor *x, void *context)
{
    (void)context;
    x = plus(x, layer(m, "attn", layer(m, "ln_1", x)));
    return plus(x, layer(m, "mlp", layer(m, "ln_2", x)));
}

/* Numbers (N, T) to scores (N, T, KINDS). */
static fl_tensor *gpt(fl_module *m, fl_tensor *numbers, void *context)
{
    (void)context;
    fl_tensor *places = fl_arange(fl_int(fl_size(numbers, 1)), FL_INT64, cpu, false);
    fl_tensor *x = plus(layer(m, "wte", numbers), layer(m, "wpe", places));
    return layer(m, "head", layer(m, "ln_f", layer(m, "blocks", x)));
}

static fl_module *attention_new(void)
{
    fl_module *m = fl_module_new("Attention", attention, NULL);
    fl_module_add(m, "qkv", fl_linear_new(WIDTH, 3 * WIDTH, true));
    fl_module_add(m, "proj", fl_linear_new(WIDTH, WIDTH, true));
    float mask[LENGTH][LENGTH];
    for (int i = 0; i < LENGTH; i++)
        for (int j = 0; j < LENGTH; j++)
            mask[i][j] = j > i ? -INFINITY : 0;
    fl_module_add_buffer(m, "mask", fl_from_data(mask, FL_INTS_OF(LENGTH, LENGTH), FL_FLOAT32));
    return m;
}

static fl_module *block_new(void)
{
    fl_module *mlp = fl_sequential_new();
    fl_module_append(mlp, fl_linear_new(WIDTH, 4 * WIDTH, true));
    fl_module_append(mlp, fl_gelu_new());
    fl_module_append(mlp, fl_linear_new(4 * WIDTH, WIDTH, true));
    fl_module *m = fl_module_new("Block", block, NULL);
    fl_module_add(m, "ln_1", fl_layer_norm_new(FL_INTS_OF(WIDTH), 1e-5));
    fl_module_add(m, "attn", attention_new());
    fl_module_add(m, "ln_2", fl_layer_norm_new(FL_INTS_OF(WIDTH), 1e-5));
    fl_module_add(m, "mlp", mlp);
    return m;
}

static fl_module *gpt_new(void)
{
    fl_module *blocks = fl_sequential_new();
    for (int i = 0; i < LAYERS; i++)
        fl_module_append(blocks, block_new());
    fl_module *m = fl_module_new("GPT", gpt, NULL);
    fl_module_add(m, "wte", fl_embedding_new(KINDS, WIDTH));
    fl_module_add(m, "wpe", fl_embedding_new(LENGTH, WIDTH));
    fl_module_add(m, "blocks", blocks);
    fl_module_add(m, "ln_f", fl_layer_norm_new(FL_INTS_OF(WIDTH), 1e-5));
    fl_module_add(m, "head", fl_linear_new(WIDTH, KINDS, false));
    return m;
}

/* Rows of digits, and the same sorted. */
static void exercises(int64_t rows, fl_tensor **digits, fl_tensor **sorted)
{
    fl_tensor *order;
    *digits = fl_randint(KINDS, FL_INTS_OF(rows, DIGITS), NULL, FL_INT64, cpu, false);
    if (fl_sort(*digits, -1, false, sorted, &order) != 0)
        *sorted = NULL;
}

static double train(fl_module *m, fl_optimizer *adamw)
{
    fl_scope_begin();
    fl_tensor *digits, *sorted;
    exercises(BATCH, &digits, &sorted);
    fl_tensor *both[] = {digits, sorted};
    fl_tensor *seen = fl_narrow(fl_cat((fl_tensors){both, 2}, 1), 1, 0, LENGTH);
    /* What follows the last digit and each one after it is asked for: the sorted ones. */
    fl_tensor *scores = fl_narrow(fl_module_forward(m, seen), 1, DIGITS - 1, DIGITS);
    fl_tensor *loss =
        fl_cross_entropy(fl_reshape(scores, FL_INTS_OF(BATCH * DIGITS, KINDS)),
                         fl_reshape(sorted, FL_INTS_OF(BATCH * DIGITS)), NULL, -100, "mean", 0);
    fl_optimizer_zero_grad(adamw);
    fl_backward(loss);
    fl_optimizer_step(adamw);
    double value = fl_item(loss);
    fl_scope_end();
    return value;
}

/* Lets the network write digit by digit, the likeliest each time; the part that is right, in %. */
static double test(fl_module *m)
{
    const int64_t last = 1;
    bool recorded = fl_grad_enabled(false);
    fl_scope_begin();
    fl_tensor *digits, *sorted;
    exercises(TESTS, &digits, &sorted);
    fl_tensor *line = digits;
    for (int i = 0; i < DIGITS; i++) {
        fl_tensor *scores = fl_select(fl_module_forward(m, line), 1, -1);
        fl_tensor *pair[] = {line, fl_argmax(scores, &last, true)};
        line = fl_cat((fl_tensors){pair, 2}, 1);
    }
    fl_tensor *right = fl_eq(fl_narrow(line, 1, DIGITS, DIGITS), sorted);
    double percent = 100 * fl_item(fl_mean(fl_to(right, FL_FLOAT32, cpu), FL_NO_DTYPE));
    printf("\nread, then written:\n");
    fl_print(fl_narrow(line, 0, 0, 4));
    fl_scope_end();
    fl_grad_enabled(recorded);
    return percent;
}

int main(void)
{
    fl_manual_seed(0);
    fl_module *m = gpt_new();
    fl_optimizer *adamw =
        fl_adamw_new(fl_module_parameters(m), 2e-3, 0.9, 0.999, 1e-8, 0.01, false);
    for (int step = 1; step <= STEPS && fl_error() == FL_OK; step++) {
        fl_optimizer_set_lr(adamw, fl_lr_cosine(2e-3, step, STEPS, 1e-5));
        double loss = train(m, adamw);
        if (step % 50 == 0)
            printf("step %3d  loss %.4f\n", step, loss);
    }
    double percent = test(m);
    printf("digits in their place: %.2f%%\n", percent);

    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    fl_optimizer_release(adamw);
    fl_module_release(m);
    return failed;
}
