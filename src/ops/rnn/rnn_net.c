/* Recurrent nets of several layers and directions, and single steps, made of _rnn_layer. */
#include <assert.h>

#include "core/device.h"
#include "core/error.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/random.h"
#include "flambeau/ops/rnn.h"
#include "flambeau/ops/view.h"
#include "ops/autocast.h"
#include "ops/op.h"
#include "ops/record.h"
#include "ops/rnn/rnn.h"
#include "ops_kernels.h"

/* A call of lstm, gru, rnn_tanh or rnn_relu, padded or packed. */
struct net {
    enum rnn_cell cell;
    fl_tensor *input, *batch_sizes, *hx, *cx;
    fl_tensors params;
    bool biases, train, bidirectional, batch_first;
    int64_t layers;
    double dropout;
};

static int check_state(const struct net *net, const fl_tensor *state, int64_t count)
{
    char got[128];
    if (state->ndim == 3 && state->sizes[0] == count)
        return 0;
    return error_set(
        FL_RUNTIME_ERROR, "Expected hidden size (%lld, batch, hidden) for %lld layers%s, got %s",
        (long long)count, (long long)net->layers, net->bidirectional ? " of two directions" : "",
        shape_text(got, sizeof got, state->ndim, state->sizes));
}

/* How many tensors of params belong to one direction of one layer, or -1. */
static int64_t params_each(const struct net *net, int64_t count)
{
    const bool projected = net->cx && net->hx->ndim == 3 && net->cx->ndim == 3 &&
                           net->hx->sizes[2] != net->cx->sizes[2];
    const int64_t each = 2 + 2 * net->biases + projected;
    if (net->layers <= 0)
        return error_set(FL_RUNTIME_ERROR, "num_layers must be greater than zero");
    if (net->params.count != each * count)
        return error_set(FL_RUNTIME_ERROR, "got an incorrect number of RNN parameters");
    for (int64_t i = 0; i < net->params.count; i++)
        if (!net->params.data[i])
            return error_set(FL_RUNTIME_ERROR, "parameter %lld is None", (long long)i);
    return each;
}

/* Last states of all layers as one tensor. */
static fl_tensor *stacked(fl_tensor *const *states, int64_t count)
{
    assert(count >= 1);
    if (count > 1)
        return fl_stack((fl_tensors){states, count}, 0);
    fl_tensor *y = fl_unsqueeze(states[0], 0);
    record_show(y, states[0], "StackBackward0");
    return y;
}

/* Names the node of the results as PyTorch's: oneDNN's layer has the LSTMs of float32. */
static void show(const struct net *net, bool projected, fl_tensor *y)
{
    const bool fast = net->cell == RNN_LSTM && !projected && net->input->dtype == FL_FLOAT32;
    if (net->batch_first && net->input->ndim > 1)
        record_show(y, net->input, fast ? "TransposeBackward0" : "TransposeBackward1");
    else if (net->bidirectional || net->batch_sizes)
        record_show(y, net->input, "CatBackward0");
    else
        record_show(y, net->input, fast ? "MkldnnRnnLayerBackward0" : "StackBackward0");
}

/* The order in which PyTorch's graph gives gradients back: edges are x, hx, cx, w_ih, w_hh, b_ih, b_hh,
 * w_hr, as far as they are. */
static const struct node_order *order_of(const struct net *net, fl_tensor *const *o)
{
    static const struct node_order STEPS[2][3] = {
        /* one state, two, two and a projection */
        {{true, 4, {3, 0, 2, 1}}, {true, 5, {4, 0, 3, 2, 1}}, {true, 6, {5, 4, 0, 3, 2, 1}}},
        {{true, 6, {5, 3, 4, 2, 0, 1}},
         {true, 7, {6, 4, 5, 3, 0, 2, 1}},
         {true, 8, {7, 6, 4, 5, 3, 0, 2, 1}}}};
    static const struct node_order WHOLE[2] = {{false, 5, {0, 3, 4, 1, 2}},
                                               {false, 7, {0, 3, 4, 5, 6, 1, 2}}};
    const bool biases = o[RNN_B_IH] != NULL;
    if (net->cell == RNN_LSTM && !o[RNN_W_HR] && o[RNN_X]->dtype == FL_FLOAT32)
        return &WHOLE[biases];
    return &STEPS[biases][!o[RNN_CX] ? 0 : !o[RNN_W_HR] ? 1 : 2];
}

/* Whether each step's operators round for themselves, as PyTorch's do: of halves, and under
 * autocast, which brings each operator to a dtype of its own (what it casts as a whole is called with
 * the mode off). */
static bool is_stepwise(const fl_tensor *x)
{
    return x->dtype == FL_BFLOAT16 || x->dtype == FL_FLOAT16 ||
           autocast_enabled(tensor_device(x)->id.kind);
}

/* One layer in one direction: the fused kernel, or where that is not, its steps in operators. */
static int run_layer(const struct net *net, fl_tensor *const *o, bool reverse, fl_tensor **y,
                     fl_tensor **h, fl_tensor **c)
{
    fl_tensor *saved;
    struct op_shape checked[4];
    assert(o[RNN_X] && o[RNN_HX] && o[RNN_W_IH] && o[RNN_W_HH]);
    /* PyTorch has a kernel for LSTMs of bfloat16 too, which rounds a step once, as ours does. */
    const bool whole = net->cell == RNN_LSTM && o[RNN_X]->dtype == FL_BFLOAT16;
    if (!op_has_kernels(o[RNN_X]) && (whole || !is_stepwise(o[RNN_X]))) {
        if (fl__rnn_layer(o[RNN_X], op_beside(net->batch_sizes, o[RNN_X]), o[RNN_HX], o[RNN_CX],
                          o[RNN_W_IH], o[RNN_W_HH], o[RNN_B_IH], o[RNN_B_HH], o[RNN_W_HR],
                          net->cell, reverse, y, h, c, &saved))
            return -1;
        record_order(*y, order_of(net, o), false);
        return 0;
    }
    if (rnn_layer_shape(o[RNN_X], net->batch_sizes, o[RNN_HX], o[RNN_CX], o[RNN_W_IH], o[RNN_W_HH],
                        o[RNN_B_IH], o[RNN_B_HH], o[RNN_W_HR], net->cell, reverse, checked))
        return -1;
    *y = rnn_in_operators(o, net->batch_sizes, net->cell, reverse, h, c);
    return *y ? 0 : -1;
}

static int run_layers(const struct net *net, int64_t each, fl_tensor **h, fl_tensor **c,
                      fl_tensor **y)
{
    assert(each >= 2);
    const int64_t directions = net->bidirectional ? 2 : 1;
    fl_tensor *input = net->input, *result[2];
    if (net->batch_first && input->ndim > 1)
        input = fl_transpose(input, 0, 1);
    for (int64_t i = 0; i < net->layers * directions; i++) {
        fl_tensor *const *p = net->params.data + i * each;
        fl_tensor *operands[RNN_OPERANDS] = {[RNN_X] = input,
                                             [RNN_HX] = fl_select(net->hx, 0, i),
                                             [RNN_CX] = net->cx ? fl_select(net->cx, 0, i) : NULL,
                                             [RNN_W_IH] = p[0],
                                             [RNN_W_HH] = p[1],
                                             [RNN_B_IH] = net->biases ? p[2] : NULL,
                                             [RNN_B_HH] = net->biases ? p[3] : NULL,
                                             [RNN_W_HR] = each & 1 ? p[each - 1] : NULL};
        if (!input || !operands[RNN_HX] || (net->cx && !operands[RNN_CX]) ||
            run_layer(net, operands, i % directions, &result[i % directions], &h[i], &c[i]))
            return -1;
        if ((i + 1) % directions)
            continue;
        input = directions == 1 ? result[0] : fl_cat((fl_tensors){result, 2}, result[0]->ndim - 1);
        if (net->train && net->dropout > 0 && i + 1 < net->layers * directions)
            input = fl_dropout(input, net->dropout, true);
    }
    *y = net->batch_first ? fl_transpose(input, 0, 1) : input;
    show(net, each & 1, *y);
    return *y ? 0 : -1;
}

static int run(const struct net *net, fl_tensor **y, fl_tensor **hy, fl_tensor **cy)
{
    const int64_t directions = net->bidirectional ? 2 : 1, count = net->layers * directions;
    const int64_t each = params_each(net, count);
    if (each < 0 || check_state(net, net->hx, count) ||
        (net->cx && check_state(net, net->cx, count)))
        return -1;
    fl_value h_list = fl_none(), c_list = fl_none();
    fl_tensor **h = op_list(&h_list, count), **c = op_list(&c_list, count);
    int status = h && c ? run_layers(net, each, h, c, y) : -1;
    if (status == 0)
        *hy = stacked(h, count);
    if (status == 0 && cy)
        *cy = stacked(c, count);
    op_list_drop(&h_list), op_list_drop(&c_list);
    return status || !*hy || (cy && !*cy) ? -1 : 0;
}

static int two_states(fl_tensors hx)
{
    if (hx.count == 2 && hx.data[0] && hx.data[1])
        return 0;
    return error_set(FL_RUNTIME_ERROR, "lstm expects two hidden states");
}

int lstm_compose(fl_tensor *input, fl_tensors hx, fl_tensors params, bool has_biases,
                 int64_t num_layers, double dropout, bool train, bool bidirectional,
                 bool batch_first, fl_tensor **y, fl_tensor **hy, fl_tensor **cy)
{
    if (two_states(hx))
        return -1;
    return run(&(struct net){RNN_LSTM, input, NULL, hx.data[0], hx.data[1], params, has_biases,
                             train, bidirectional, batch_first, num_layers, dropout},
               y, hy, cy);
}

int lstm_data_compose(fl_tensor *data, fl_tensor *batch_sizes, fl_tensors hx, fl_tensors params,
                      bool has_biases, int64_t num_layers, double dropout, bool train,
                      bool bidirectional, fl_tensor **y, fl_tensor **hy, fl_tensor **cy)
{
    if (two_states(hx) || !(batch_sizes = op_host(batch_sizes)))
        return -1;
    return run(&(struct net){RNN_LSTM, data, batch_sizes, hx.data[0], hx.data[1], params,
                             has_biases, train, bidirectional, false, num_layers, dropout},
               y, hy, cy);
}

/* The three cells of one state: padded and packed. */
#define ONE_STATE(name, cell)                                                                      \
    int name##_compose(fl_tensor *input, fl_tensor *hx, fl_tensors params, bool has_biases,        \
                       int64_t num_layers, double dropout, bool train, bool bidirectional,         \
                       bool batch_first, fl_tensor **y, fl_tensor **hy)                            \
    {                                                                                              \
        return run(&(struct net){cell, input, NULL, hx, NULL, params, has_biases, train,           \
                                 bidirectional, batch_first, num_layers, dropout},                 \
                   y, hy, NULL);                                                                   \
    }                                                                                              \
    int name##_data_compose(fl_tensor *data, fl_tensor *batch_sizes, fl_tensor *hx,                \
                            fl_tensors params, bool has_biases, int64_t num_layers,                \
                            double dropout, bool train, bool bidirectional, fl_tensor **y,         \
                            fl_tensor **hy)                                                        \
    {                                                                                              \
        if (!(batch_sizes = op_host(batch_sizes)))                                                 \
            return -1;                                                                             \
        return run(&(struct net){cell, data, batch_sizes, hx, NULL, params, has_biases, train,     \
                                 bidirectional, false, num_layers, dropout},                       \
                   y, hy, NULL);                                                                   \
    }

ONE_STATE(gru, RNN_GRU)
ONE_STATE(rnn_tanh, RNN_TANH)
ONE_STATE(rnn_relu, RNN_RELU)

/* ---- Single steps ---------------------------------------------------------------------------- */

static int check_cell(const fl_tensor *input, const fl_tensor *w_ih, const fl_tensor *w_hh,
                      fl_tensor *const *state, int states)
{
    if (input->ndim != 2 || w_ih->ndim != 2 || w_hh->ndim != 2)
        return error_set(FL_RUNTIME_ERROR,
                         "a recurrent cell takes an input (N, in) and two matrices, got %d, %d and "
                         "%d dimensions",
                         input->ndim, w_ih->ndim, w_hh->ndim);
    if (input->sizes[1] != w_ih->sizes[1])
        return error_set(FL_RUNTIME_ERROR,
                         "input has inconsistent input_size: got %lld expected %lld",
                         (long long)input->sizes[1], (long long)w_ih->sizes[1]);
    for (int i = 0; i < states; i++) {
        if (state[i]->ndim != 2 || state[i]->sizes[0] != input->sizes[0])
            return error_set(FL_RUNTIME_ERROR,
                             "Input batch size %lld doesn't match hidden%d batch size %lld",
                             (long long)input->sizes[0], i,
                             (long long)(state[i]->ndim ? state[i]->sizes[0] : 0));
        if (state[i]->sizes[1] != w_hh->sizes[1])
            return error_set(FL_RUNTIME_ERROR,
                             "hidden%d has inconsistent hidden_size: got %lld, expected %lld", i,
                             (long long)state[i]->sizes[1], (long long)w_hh->sizes[1]);
    }
    return 0;
}

/* A sequence of one step. */
static int run_cell(enum rnn_cell cell, fl_tensor *input, fl_tensor *hx, fl_tensor *cx,
                    fl_tensor *w_ih, fl_tensor *w_hh, fl_tensor *b_ih, fl_tensor *b_hh,
                    fl_tensor **hy, fl_tensor **cy)
{
    fl_tensor *states[2] = {hx, cx}, *y, *saved;
    if (check_cell(input, w_ih, w_hh, states, cx ? 2 : 1))
        return -1;
    fl_tensor *x = fl_unsqueeze(input, 0);
    if (x && is_stepwise(x)) {
        fl_tensor *o[RNN_OPERANDS] = {x, hx, cx, w_ih, w_hh, b_ih, b_hh, NULL}, *c;
        y = rnn_in_operators(o, NULL, cell, false, hy, &c);
        if (cy)
            *cy = c;
        return y ? 0 : -1;
    }
    if (!x || fl__rnn_layer(x, NULL, hx, cx, w_ih, w_hh, b_ih, b_hh, NULL, cell, false, &y, hy, cy,
                            &saved))
        return -1;
    static const char *const titles[] = {[RNN_LSTM] = "MulBackward0",
                                         [RNN_GRU] = "AddBackward0",
                                         [RNN_TANH] = "TanhBackward0",
                                         [RNN_RELU] = "ReluBackward0"};
    /* edges are x, hx, cx, w_ih, w_hh, b_ih, b_hh */
    static const struct node_order ORDERS[2][3] = {
        {{true, 4, {0, 2, 1, 3}}, {true, 4, {1, 3, 0, 2}}, {true, 5, {2, 0, 3, 1, 4}}},
        {{true, 6, {4, 0, 2, 5, 1, 3}},
         {true, 6, {5, 1, 3, 4, 0, 2}},
         {true, 7, {2, 5, 0, 3, 6, 1, 4}}}};
    record_show(*hy, x, titles[cell]);
    record_order(*hy, &ORDERS[b_ih != NULL][cell == RNN_LSTM ? 2 : cell == RNN_GRU], true);
    return 0;
}

int lstm_cell_compose(fl_tensor *input, fl_tensors hx, fl_tensor *w_ih, fl_tensor *w_hh,
                      fl_tensor *b_ih, fl_tensor *b_hh, fl_tensor **hy, fl_tensor **cy)
{
    if (hx.count != 2 || !hx.data[0] || !hx.data[1])
        return error_set(FL_RUNTIME_ERROR, "lstm_cell expects two hidden states");
    return run_cell(RNN_LSTM, input, hx.data[0], hx.data[1], w_ih, w_hh, b_ih, b_hh, hy, cy);
}

int gru_cell_compose(fl_tensor *input, fl_tensor *hx, fl_tensor *w_ih, fl_tensor *w_hh,
                     fl_tensor *b_ih, fl_tensor *b_hh, fl_tensor **y)
{
    fl_tensor *none;
    return run_cell(RNN_GRU, input, hx, NULL, w_ih, w_hh, b_ih, b_hh, y, &none);
}

int rnn_tanh_cell_compose(fl_tensor *input, fl_tensor *hx, fl_tensor *w_ih, fl_tensor *w_hh,
                          fl_tensor *b_ih, fl_tensor *b_hh, fl_tensor **y)
{
    fl_tensor *none;
    return run_cell(RNN_TANH, input, hx, NULL, w_ih, w_hh, b_ih, b_hh, y, &none);
}

int rnn_relu_cell_compose(fl_tensor *input, fl_tensor *hx, fl_tensor *w_ih, fl_tensor *w_hh,
                          fl_tensor *b_ih, fl_tensor *b_hh, fl_tensor **y)
{
    fl_tensor *none;
    return run_cell(RNN_RELU, input, hx, NULL, w_ih, w_hh, b_ih, b_hh, y, &none);
}
