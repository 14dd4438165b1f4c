/* Learns a poem letter by letter with a recurrent network written by hand, then writes by itself.
 *
 *     cc char_gru.c $(pkg-config --cflags --libs flambeau) && ./a.out
 *
 * A gated recurrent unit (Cho et al., 2014, in PyTorch's form) keeps a state h and changes it with
 * each letter x:
 *
 *     r = sigmoid(Wr x + Ur h)       how much of the old state the proposal sees
 *     z = sigmoid(Wz x + Uz h)       how much of the old state stays
 *     n = tanh(Wn x + r (Un h))      the proposal
 *     h = (1 - z) n + z h
 *
 * x is one of few letters, so W x is a row of a table: an embedding.
 */
#include <flambeau.h>
#include <stdio.h>
#include <string.h>

static const char poem[] = "Tyger Tyger, burning bright,\n"
                           "In the forests of the night;\n"
                           "What immortal hand or eye,\n"
                           "Could frame thy fearful symmetry?\n\n"
                           "In what distant deeps or skies,\n"
                           "Burnt the fire of thine eyes?\n"
                           "On what wings dare he aspire?\n"
                           "What the hand, dare seize the fire?\n\n";

enum { LENGTH = sizeof poem - 1, HIDDEN = 96, ROWS = 8, WINDOW = 24, EPOCHS = 40 };

static const fl_device cpu = {FL_CPU, 0};
static int64_t number_of[256]; /* a letter's number */
static char letter_of[256];    /* and back */
static int letters;

static void count_letters(void)
{
    char known[256] = {0};
    for (int i = 0; i < LENGTH; i++)
        known[(unsigned char)poem[i]] = 1;
    for (int c = 0; c < 256; c++)
        if (known[c]) {
            number_of[c] = letters;
            letter_of[letters++] = (char)c;
        }
}

/* The three layers under their names, with no forward of its own: step() says how they are used. */
static fl_module *network(void)
{
    fl_module *m = fl_module_new("CharGRU", NULL, NULL);
    fl_module_add(m, "input", fl_embedding_new(letters, 3 * HIDDEN));
    fl_module_add(m, "state", fl_linear_new(HIDDEN, 3 * HIDDEN, true));
    fl_module_add(m, "output", fl_linear_new(HIDDEN, letters, true));
    return m;
}

static fl_tensor *layer(fl_module *m, const char *name, fl_tensor *x)
{
    return fl_module_forward(fl_module_child(m, name), x);
}

/* Gate i of three that stand side by side: (rows, 3 HIDDEN) to (rows, HIDDEN). */
static fl_tensor *gate(fl_tensor *gates, int i)
{
    return fl_narrow(gates, 1, i * HIDDEN, HIDDEN);
}

/* The state after the letters (rows). */
static fl_tensor *step(fl_module *m, fl_tensor *numbers, fl_tensor *h)
{
    const fl_value one = fl_int(1);
    fl_tensor *x = layer(m, "input", numbers), *u = layer(m, "state", h);
    fl_tensor *r = fl_sigmoid(fl_add(gate(x, 0), gate(u, 0), one));
    fl_tensor *z = fl_sigmoid(fl_add(gate(x, 1), gate(u, 1), one));
    fl_tensor *n = fl_tanh(fl_add(gate(x, 2), fl_mul(r, gate(u, 2)), one));
    return fl_add(n, fl_mul(z, fl_sub(h, n, one)), one);
}

/* One window of all rows: shows WINDOW letters, asks each time for the next. Takes the state from
 * *h and leaves the new one there, without the history that led to it. */
static double train(fl_module *m, fl_optimizer *adam, fl_tensor *text, int64_t at, fl_tensor **h)
{
    fl_scope_begin();
    fl_tensor *states[WINDOW], *state = *h;
    for (int t = 0; t < WINDOW; t++)
        states[t] = state = step(m, fl_select(text, 1, at + t), state);
    fl_tensor *all = fl_stack((fl_tensors){states, WINDOW}, 1); /* rows, WINDOW, HIDDEN */
    fl_tensor *scores = fl_reshape(layer(m, "output", all), FL_INTS_OF(ROWS * WINDOW, letters));
    fl_tensor *next = fl_reshape(fl_narrow(text, 1, at + 1, WINDOW), FL_INTS_OF(ROWS * WINDOW));
    fl_tensor *loss = fl_cross_entropy(scores, next, NULL, -100, "mean", 0);
    fl_optimizer_zero_grad(adam);
    fl_backward(loss);
    fl_clip_grad_norm(fl_module_parameters(m), 1.0);
    fl_optimizer_step(adam);
    double value = fl_item(loss);
    fl_release(*h);
    *h = fl_keep(fl_detach(state)); /* lives on after the scope: this function's caller's */
    fl_scope_end();
    return value;
}

/* Writes `count` letters that the network draws, each from its scores for the next one. */
static void write_text(fl_module *m, int count, double temperature)
{
    bool recorded = fl_grad_enabled(false);
    fl_tensor *h = fl_zeros(FL_INTS_OF(1, HIDDEN), FL_FLOAT32, cpu, false);
    int64_t number = number_of['\n'];
    for (int i = 0; i < count && h; i++) {
        fl_scope_begin();
        fl_tensor *next = step(m, fl_from_data(&number, FL_INTS_OF(1), FL_INT64), h);
        fl_tensor *scores = fl_div_scalar(layer(m, "output", next), fl_float(temperature));
        fl_tensor *chances = fl_softmax(scores, 1, FL_NO_DTYPE);
        number = fl_item_int(fl_multinomial(chances, 1, false, NULL));
        fl_release(h);
        h = fl_keep(next);
        fl_scope_end();
        if (fl_error() == FL_OK)
            putchar(letter_of[number]);
    }
    putchar('\n');
    fl_release(h);
    fl_grad_enabled(recorded);
}

int main(void)
{
    count_letters();
    fl_manual_seed(1);
    fl_module *m = network();
    fl_optimizer *adam = fl_adam_new(fl_module_parameters(m), 5e-3, 0.9, 0.999, 1e-8, 0, false);

    /* Every row reads the whole poem, each from another place: (ROWS, LENGTH + 1). */
    int64_t numbers[ROWS][LENGTH + 1];
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i <= LENGTH; i++)
            numbers[row][i] = number_of[(unsigned char)poem[(i + row * LENGTH / ROWS) % LENGTH]];
    fl_tensor *text = fl_from_data(numbers, FL_INTS_OF(ROWS, LENGTH + 1), FL_INT64);

    for (int epoch = 1; epoch <= EPOCHS && fl_error() == FL_OK; epoch++) {
        double sum = 0;
        int windows = 0;
        fl_tensor *h = fl_zeros(FL_INTS_OF(ROWS, HIDDEN), FL_FLOAT32, cpu, false);
        for (int64_t at = 0; at + WINDOW <= LENGTH; at += WINDOW, windows++)
            sum += train(m, adam, text, at, &h);
        fl_release(h);
        if (epoch % 10 == 0)
            printf("epoch %2d  loss %.4f\n", epoch, sum / windows);
    }
    printf("\n");
    write_text(m, 240, 0.7);

    int failed = fl_error() != FL_OK;
    if (failed)
        fprintf(stderr, "%s\n", fl_error_message());
    fl_release(text);
    fl_optimizer_release(adam);
    fl_module_release(m);
    return failed;
}
