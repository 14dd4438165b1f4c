/* A recurrent layer in operators, for devices; and its gradient: the kernel's, or where it is to be
 * differentiated in turn, that of the same steps written in operators.
 *
 * The steps run again on aliases of the operands, whose graph the engine then walks with
 * create_graph: what comes out has a history of operators, back to the operands and to g.
 */
#include <assert.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/rnn.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/rnn/rnn.h"
#include "ops_kernels.h"

static fl_tensor *plus(fl_tensor *a, fl_tensor *b)
{
    return fl_add(a, b, fl_int(1));
}

/* Block `index` of the gates: t (rows, gates H). */
static fl_tensor *gate(fl_tensor *t, int64_t index, int64_t H)
{
    assert(index >= 0 && index < 4 && H >= 0);
    return t ? fl_narrow(t, 1, index * H, H) : NULL;
}

/* One step for the first rows of the states: x (rows, gates H) is the input's part. */
static void step(int64_t cell, fl_tensor *x, fl_tensor *const *p, fl_tensor **h, fl_tensor **c)
{
    assert(cell >= 0 && cell < RNN_CELLS && p[RNN_W_HH] && *h);
    fl_tensor *part = fl_linear(*h, p[RNN_W_HH], p[RNN_B_HH]);
    const int64_t H = p[RNN_W_HR] ? p[RNN_W_HR]->sizes[1] : p[RNN_W_HH]->sizes[1];
    if (cell == RNN_LSTM) {
        fl_tensor *sum = plus(x, part);
        fl_tensor *keep = fl_mul(fl_sigmoid(gate(sum, 1, H)), *c);
        *c = plus(keep, fl_mul(fl_sigmoid(gate(sum, 0, H)), fl_tanh(gate(sum, 2, H))));
        *h = fl_mul(fl_sigmoid(gate(sum, 3, H)), fl_tanh(*c));
        if (p[RNN_W_HR])
            *h = fl_linear(*h, p[RNN_W_HR], NULL);
    } else if (cell == RNN_GRU) {
        fl_tensor *r = fl_sigmoid(plus(gate(x, 0, H), gate(part, 0, H)));
        fl_tensor *z = fl_sigmoid(plus(gate(x, 1, H), gate(part, 1, H)));
        fl_tensor *n = fl_tanh(plus(gate(x, 2, H), fl_mul(r, gate(part, 2, H))));
        *h = plus(fl_mul(fl_sub(*h, n, fl_int(1)), z), n);
    } else {
        fl_tensor *sum = plus(x, part);
        *h = cell == RNN_TANH ? fl_tanh(sum) : fl_relu(sum);
    }
}

/* Puts the new first rows of a state in front of its other rows. */
static fl_tensor *with_rest(fl_tensor *rows, fl_tensor *state, int64_t count)
{
    assert(count >= 0 && (!state || count <= state->sizes[0]));
    if (!rows || !state || count == state->sizes[0])
        return rows;
    fl_tensor *both[2] = {rows, fl_narrow(state, 0, count, state->sizes[0] - count)};
    return fl_cat((fl_tensors){both, 2}, 0);
}

/* The layer: y (rows, P), and the last states in *h and *c. */
static fl_tensor *layer(fl_tensor *const *p, fl_tensor *batch_sizes, int64_t cell, bool reverse,
                        fl_tensor **h, fl_tensor **c)
{
    const int64_t steps = batch_sizes ? batch_sizes->numel : p[RNN_X]->sizes[0];
    const int64_t *sizes = batch_sizes ? tensor_data(batch_sizes) : NULL;
    fl_tensor *x =
        fl_linear(batch_sizes ? p[RNN_X] : fl_flatten(p[RNN_X], 0, 1), p[RNN_W_IH], p[RNN_B_IH]);
    fl_value list = fl_none();
    fl_tensor **y = op_list(&list, steps), *all = NULL;
    int64_t row = reverse && x ? x->sizes[0] : 0;
    *h = p[RNN_HX], *c = p[RNN_CX];
    for (int64_t i = 0; y && x && *h && i < steps; i++) {
        const int64_t t = reverse ? steps - 1 - i : i;
        const int64_t count = sizes ? sizes[t * batch_sizes->strides[0]] : p[RNN_X]->sizes[1];
        row -= reverse ? count : 0;
        fl_tensor *state = fl_narrow(*h, 0, 0, count), *cell_state = NULL;
        if (*c)
            cell_state = fl_narrow(*c, 0, 0, count);
        step(cell, fl_narrow(x, 0, row, count), p, &state, &cell_state);
        y[t] = state;
        *h = with_rest(state, *h, count);
        *c = *c ? with_rest(cell_state, *c, count) : NULL;
        row += reverse ? 0 : count;
    }
    if (y && *h)
        all = fl_cat((fl_tensors){y, steps}, 0);
    op_list_drop(&list);
    return all;
}

fl_tensor *rnn_in_operators(fl_tensor *const *operands, fl_tensor *batch_sizes, int64_t cell,
                            bool reverse, fl_tensor **h, fl_tensor **c)
{
    fl_tensor *y = layer(operands, batch_sizes, cell, reverse, h, c);
    const fl_tensor *x = operands[RNN_X];
    if (!y || batch_sizes)
        return y;
    return fl_view(y, (fl_ints){(int64_t[]){x->sizes[0], x->sizes[1], y->sizes[1]}, 3});
}

static int run_backward(fl_tensor *const *g, fl_tensor *const *operands, fl_tensor *batch_sizes,
                        int64_t cell, bool reverse, uint32_t wanted, bool create_graph,
                        fl_tensor **out)
{
    assert(autograd_mode.grad && wanted >> RNN_OPERANDS == 0);
    fl_tensor *p[RNN_OPERANDS] = {NULL}, *asked[RNN_OPERANDS], *found[RNN_OPERANDS] = {NULL}, *h,
              *c;
    int64_t count = 0;
    int which[RNN_OPERANDS];
    for (int k = 0; k < RNN_OPERANDS; k++) {
        if (!operands[k])
            continue;
        /* An alias: an operand that stands in two places has two gradients. */
        p[k] = fl_view(operands[k], (fl_ints){operands[k]->sizes, operands[k]->ndim});
        if (p[k] && wanted >> k & 1 &&
            !tensor_requires_grad(p[k])) { /* asked for by forward mode */
            p[k] = op_adopt(autograd_unlink(p[k]));
            if (p[k] && autograd_set_requires_grad(p[k], true))
                return -1;
        }
        if (!p[k])
            return -1;
        if (wanted >> k & 1)
            which[count] = k, asked[count++] = p[k];
    }
    fl_tensor *sizes = op_host(batch_sizes);
    if (batch_sizes && !sizes)
        return -1;
    fl_tensor *y = layer(p, sizes, cell, reverse, &h, &c);
    if (!y || count == 0)
        return y ? 0 : -1;
    fl_tensor *results[3] = {fl_view(y, (fl_ints){g[0]->sizes, g[0]->ndim}), h, c};
    struct backward_request request = {.count = c ? 3 : 2,
                                       .tensors = results,
                                       .grads = g,
                                       .keep_graph = true,
                                       .create_graph = create_graph,
                                       .allow_unused = true,
                                       .inputs = count,
                                       .input = asked,
                                       .results = found};
    if (!results[0] || engine_backward(&request))
        return -1;
    int status = 0;
    for (int64_t i = 0; i < count; i++)
        if (found[i] && !(out[which[i]] = op_adopt(found[i])))
            status = -1;
    return status;
}

static int backward_in_operators(fl_tensor *const *g, fl_tensor *const *operands,
                                 fl_tensor *batch_sizes, int64_t cell, bool reverse,
                                 uint32_t wanted, fl_tensor **out)
{
    bool mode = autograd_mode.grad;
    autograd_mode.grad = true;
    int status = run_backward(g, operands, batch_sizes, cell, reverse, wanted, mode, out);
    autograd_mode.grad = mode;
    return status;
}

int rnn_layer_backward_compose(fl_tensor *g, fl_tensor *gh, fl_tensor *gc, fl_tensor *input,
                               fl_tensor *batch_sizes, fl_tensor *hx, fl_tensor *cx,
                               fl_tensor *w_ih, fl_tensor *w_hh, fl_tensor *b_ih, fl_tensor *b_hh,
                               fl_tensor *w_hr, fl_tensor *saved, int64_t cell, bool reverse,
                               int64_t needs, fl_tensor **dx, fl_tensor **dh, fl_tensor **dc,
                               fl_tensor **dw_ih, fl_tensor **dw_hh, fl_tensor **db_ih,
                               fl_tensor **db_hh, fl_tensor **dw_hr)
{
    fl_tensor **to[RNN_OPERANDS] = {dx, dh, dc, dw_ih, dw_hh, db_ih, db_hh, dw_hr};
    fl_tensor *out[RNN_OPERANDS] = {NULL};
    /* batch_sizes is the parameter after input and has no gradient. */
    const uint32_t wanted = (uint32_t)((needs & 1) | needs >> 2 << 1);
    if (autograd_derives()) {
        fl_tensor *incoming[3] = {g, gh, gc};
        fl_tensor *operands[RNN_OPERANDS] = {input, hx, cx, w_ih, w_hh, b_ih, b_hh, w_hr};
        if (backward_in_operators(incoming, operands, batch_sizes, cell, reverse, wanted, out))
            return -1;
    } else if (fl__rnn_layer_backward_kernel(
                   g, gh, gc, input, batch_sizes, hx, cx, w_ih, w_hh, b_ih, b_hh, w_hr, saved, cell,
                   reverse, needs, &out[RNN_X], &out[RNN_HX], &out[RNN_CX], &out[RNN_W_IH],
                   &out[RNN_W_HH], &out[RNN_B_IH], &out[RNN_B_HH], &out[RNN_W_HR])) {
        return -1;
    }
    for (int k = 0; k < RNN_OPERANDS; k++)
        *to[k] = wanted >> k & 1 ? out[k] : NULL;
    return 0;
}
