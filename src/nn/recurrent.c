/* Recurrent layers of C programs: LSTM, GRU and the simple net, with PyTorch's names and first
 * values. */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/rnn.h"
#include "nn/initialise.h"
#include "nn/modules.h"

enum { HIDDEN, STATE, LAYERS, BIAS, BATCH_FIRST, BIDIRECTIONAL, RELU };

/* The first state, of zeros: (layers * directions, N, size). */
static fl_tensor *zeros(const fl_module *m, const fl_tensor *x, int64_t size)
{
    assert(size >= 0 && x->ndim >= 2);
    int64_t count = m->numbers[LAYERS] * (m->numbers[BIDIRECTIONAL] ? 2 : 1);
    int64_t batch = x->sizes[m->numbers[BATCH_FIRST] ? 0 : 1];
    return fl_zeros(FL_INTS_OF(count, batch, size), (fl_dtype)x->dtype, (fl_device){-1, 0}, false);
}

static int check_input(const fl_module *m, const fl_tensor *x)
{
    if (x->ndim == 3)
        return 0;
    return error_set(FL_VALUE_ERROR, "%s: Expected input to be 3D, got %dD instead", m->type->name,
                     x->ndim);
}

static fl_tensor *forward_lstm(fl_module *m, fl_tensor *x)
{
    if (check_input(m, x))
        return NULL;
    fl_tensor *states[2] = {zeros(m, x, m->numbers[STATE]), zeros(m, x, m->numbers[HIDDEN])};
    fl_tensor *y, *h, *c;
    if (!states[0] || !states[1] ||
        fl_lstm(x, (fl_tensors){states, 2}, fl_module_parameters(m), m->numbers[BIAS],
                m->numbers[LAYERS], m->reals[0], m->training, m->numbers[BIDIRECTIONAL],
                m->numbers[BATCH_FIRST], &y, &h, &c))
        return NULL;
    return y;
}

/* GRU and the simple net: one state. */
static fl_tensor *forward_one_state(fl_module *m, fl_tensor *x, bool gru)
{
    if (check_input(m, x))
        return NULL;
    fl_tensor *state = zeros(m, x, m->numbers[HIDDEN]), *y, *h;
    int (*run)(fl_tensor *, fl_tensor *, fl_tensors, bool, int64_t, double, bool, bool, bool,
               fl_tensor **, fl_tensor **) = gru                ? fl_gru
                                             : m->numbers[RELU] ? fl_rnn_relu
                                                                : fl_rnn_tanh;
    if (!state ||
        run(x, state, fl_module_parameters(m), m->numbers[BIAS], m->numbers[LAYERS], m->reals[0],
            m->training, m->numbers[BIDIRECTIONAL], m->numbers[BATCH_FIRST], &y, &h))
        return NULL;
    return y;
}

static fl_tensor *forward_gru(fl_module *m, fl_tensor *x)
{
    return forward_one_state(m, x, true);
}

static fl_tensor *forward_rnn(fl_module *m, fl_tensor *x)
{
    return forward_one_state(m, x, false);
}

static const struct module_class LSTM = {"LSTM", forward_lstm};
static const struct module_class GRU = {"GRU", forward_gru};
static const struct module_class RNN = {"RNN", forward_rnn};

static int check_options(const char *name, int64_t input_size, int64_t hidden_size,
                         int64_t num_layers, double dropout, int64_t proj_size)
{
    if (input_size <= 0 || hidden_size <= 0 || num_layers <= 0)
        return error_set(FL_VALUE_ERROR, "%s: %s must be greater than zero", name,
                         input_size <= 0    ? "input_size"
                         : hidden_size <= 0 ? "hidden_size"
                                            : "num_layers");
    if (!(dropout >= 0 && dropout <= 1))
        return error_set(FL_VALUE_ERROR,
                         "dropout should be a number in range [0, 1] representing the probability "
                         "of an element being zeroed");
    if (proj_size < 0 || proj_size >= hidden_size)
        return error_set(FL_VALUE_ERROR, "proj_size has to be smaller than hidden_size");
    return 0;
}

/* A parameter of layer k in one direction, uniform over +-1 / sqrt(hidden). */
static int add(fl_module *m, const char *what, int64_t layer, bool reverse, fl_ints sizes)
{
    assert(layer >= 0);
    char name[64];
    snprintf(name, sizeof name, "%s_l%lld%s", what, (long long)layer, reverse ? "_reverse" : "");
    return fl_module_add_parameter(m, name,
                                   initialise_uniform(sizes, 1 / sqrt((double)m->numbers[HIDDEN])));
}

static fl_module *make(const struct module_class *type, int64_t gates, int64_t input_size,
                       int64_t hidden_size, int64_t num_layers, bool bias, bool batch_first,
                       double dropout, bool bidirectional, int64_t proj_size)
{
    if (check_options(type->name, input_size, hidden_size, num_layers, dropout, proj_size))
        return NULL;
    fl_module *m = module_new(type);
    if (!m)
        return NULL;
    const int64_t rows = gates * hidden_size, state = proj_size ? proj_size : hidden_size;
    m->numbers[HIDDEN] = hidden_size, m->numbers[STATE] = state, m->numbers[LAYERS] = num_layers;
    m->numbers[BIAS] = bias, m->numbers[BATCH_FIRST] = batch_first;
    m->numbers[BIDIRECTIONAL] = bidirectional;
    m->reals[0] = dropout;
    int failures = 0;
    for (int64_t layer = 0; layer < num_layers && !failures; layer++)
        for (int reverse = 0; reverse <= bidirectional; reverse++) {
            int64_t in = layer == 0 ? input_size : state * (1 + bidirectional);
            failures |= add(m, "weight_ih", layer, reverse, FL_INTS_OF(rows, in));
            failures |= add(m, "weight_hh", layer, reverse, FL_INTS_OF(rows, state));
            if (bias) {
                failures |= add(m, "bias_ih", layer, reverse, FL_INTS_OF(rows));
                failures |= add(m, "bias_hh", layer, reverse, FL_INTS_OF(rows));
            }
            if (proj_size)
                failures |= add(m, "weight_hr", layer, reverse, FL_INTS_OF(proj_size, hidden_size));
        }
    if (!failures)
        return m;
    fl_module_release(m);
    return NULL;
}

fl_module *fl_lstm_new(int64_t input_size, int64_t hidden_size, int64_t num_layers, bool bias,
                       bool batch_first, double dropout, bool bidirectional, int64_t proj_size)
{
    return make(&LSTM, 4, input_size, hidden_size, num_layers, bias, batch_first, dropout,
                bidirectional, proj_size);
}

fl_module *fl_gru_new(int64_t input_size, int64_t hidden_size, int64_t num_layers, bool bias,
                      bool batch_first, double dropout, bool bidirectional)
{
    return make(&GRU, 3, input_size, hidden_size, num_layers, bias, batch_first, dropout,
                bidirectional, 0);
}

fl_module *fl_rnn_new(int64_t input_size, int64_t hidden_size, int64_t num_layers, bool relu,
                      bool bias, bool batch_first, double dropout, bool bidirectional)
{
    fl_module *m = make(&RNN, 1, input_size, hidden_size, num_layers, bias, batch_first, dropout,
                        bidirectional, 0);
    if (m)
        m->numbers[RELU] = relu;
    return m;
}
