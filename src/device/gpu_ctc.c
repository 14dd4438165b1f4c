/* CTC, for ctc.gpu. The shape function has checked the lengths. */
#include <assert.h>

#include "core/error.h"
#include "device/gpu.h"

/* struct fl_ctc of the text. */
struct ctc {
    int64_t steps, batch, classes, row, blank, width;
};

static struct ctc ctc_of(const fl_tensor *x, const fl_tensor *targets, const fl_tensor *alpha,
                         int64_t blank)
{
    assert(x->ndim == 3 && alpha->ndim == 3);
    return (struct ctc){.steps = x->sizes[0],
                        .batch = x->sizes[1],
                        .classes = x->sizes[2],
                        .row = alpha->sizes[2],
                        .blank = blank,
                        .width = targets->ndim == 2 ? targets->sizes[1] : 0};
}

/* Targets and lengths; no targets at all have no memory, and are not read. */
static void add_labels(struct gpu_call *c, struct gpu_launch *l, const fl_tensor *const label[3])
{
    const void *address[3];
    for (int i = 0; i < 3; i++)
        address[i] = gpu_operand_as(c, label[i], FL_INT64);
    for (int i = 0; i < 3; i++)
        gpu_buffer(l, address[i] ? address[i] : address[2]);
}

/* _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity). */
int gpu_ctc_loss(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0);
    const fl_tensor *label[3] = {gpu_tensor(c, 1), gpu_tensor(c, 2), gpu_tensor(c, 3)};
    const struct ctc k = ctc_of(x, label[0], c->y[1], c->args[4].as.i);
    struct gpu_launch l = {0};
    int64_t found;
    void *wrong = gpu_index_none(c);
    gpu_bytes(&l, &k, sizeof k);
    gpu_buffer(&l, gpu_operand(c, x));
    add_labels(c, &l, label);
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_buffer(&l, gpu_result(c, 1));
    gpu_buffer(&l, wrong);
    gpu_spread(&l, k.batch);
    if (gpu_go(c, gpu_text_ctc, "ctc_loss", &l))
        return -1;
    const int status = gpu_index_wrong(c, wrong, &found);
    if (status <= 0)
        return status;
    error_set(FL_INDEX_ERROR, "Target %lld is out of bounds.", (long long)found);
    return error_hint("class numbers run from 0 to the number of classes - 1",
                      "类别编号从 0 到 类别数-1");
}

/* _ctc_loss_backward(grad_output, log_probs, targets, input_lengths, target_lengths, losses, log_alpha,
 * blank, zero_infinity), into zeros. */
int gpu_ctc_loss_backward(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 1), *alpha = gpu_tensor(c, 6);
    const fl_tensor *label[3] = {gpu_tensor(c, 2), gpu_tensor(c, 3), gpu_tensor(c, 4)};
    const struct ctc k = ctc_of(x, label[0], alpha, c->args[7].as.i);
    const int32_t zero_infinity = c->args[8].as.i != 0;
    struct gpu_launch l = {0};
    assert(c->y[0]->dtype == c->dtype);
    gpu_bytes(&l, &k, sizeof k);
    gpu_bytes(&l, &zero_infinity, sizeof zero_infinity);
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 0)));
    gpu_buffer(&l, gpu_operand(c, x));
    add_labels(c, &l, label);
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 5)));
    gpu_buffer(&l, gpu_operand(c, alpha));
    gpu_buffer(&l, gpu_room(c, 2 * k.batch * k.row, c->dtype));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_spread(&l, k.batch);
    return gpu_go(c, gpu_text_ctc, "ctc_loss_backward", &l);
}
