/* Batches whose samples are folded into a dim that is there: the images of a pooling, the channels
 * of a batch normalisation, the channels and groups of a convolution whose filters differ between
 * samples. Sample l of L in a dim of n has the places l n to (l + 1) n - 1 of L n. */
#include <string.h>

#include "core/error.h"
#include "core/scope.h"
#include "flambeau/ops/view.h"
#include "ops/batch.h"
#include "ops/door.h"

int64_t batch_samples(const struct lanes *all)
{
    int64_t samples = 1;
    for (int i = 0; i < all->count; i++)
        samples *= all->lane[i].size;
    return samples;
}

int batch_check_samples(const struct lanes *all, const char *name)
{
    return batch_samples(all)
               ? 0
               : error_set(FL_RUNTIME_ERROR, "vmap: %s cannot be run over no samples", name);
}

int batch_join(struct lanes *all, const fl_tensor *t)
{
    for (int i = 0; t && t->lanes && i < t->lanes->count; i++)
        if (!lanes_find(all, t->lanes->lane[i].id) && lanes_insert(all, t->lanes->lane[i]))
            return -1;
    return 0;
}

fl_tensor *batch_fold(fl_tensor *t, const struct lanes *all, int dim)
{
    int64_t order[TENSOR_MAX_DIMS], sizes[TENSOR_MAX_DIMS];
    int count = all->count, own = t->ndim, at = 0;
    if (!count)
        return t;
    fl_tensor *whole = lanes_show(t, all, 0, true);
    if (!whole || !(whole = op_adopt(whole)))
        return NULL;
    for (int d = 0; d < own; d++) {
        for (int i = 0; d == dim && i < count; i++)
            order[at++] = i;
        order[at++] = count + d;
        sizes[d] = t->sizes[d];
    }
    sizes[dim] *= batch_samples(all);
    fl_tensor *moved = fl_permute(whole, (fl_ints){order, at});
    return moved ? fl_reshape(moved, (fl_ints){sizes, own}) : NULL;
}

fl_tensor *batch_unfold(fl_tensor *y, const struct lanes *all, int dim)
{
    int64_t sizes[TENSOR_MAX_DIMS];
    struct lanes lanes = *all;
    if (!all->count)
        return y;
    memcpy(sizes, y->sizes, sizeof *sizes * (size_t)y->ndim);
    sizes[dim] /= batch_samples(all);
    int64_t stride = y->strides[dim] * sizes[dim];
    for (int i = all->count - 1; i >= 0; i--) {
        lanes.lane[i].stride = stride;
        stride *= all->lane[i].size;
    }
    fl_tensor *t = tensor_on_storage(y->storage, y->ndim, sizes, y->strides, y->offset, y->dtype);
    if (t && lanes_set(t, &lanes)) {
        tensor_release(t);
        t = NULL;
    }
    return t ? op_adopt(t) : NULL;
}

/* ---- The rules `fold` and `channels` --------------------------------------------------------- */

/* The dim of a tensor that samples go to. */
static int dim_of(const fl_op *f, int ndim)
{
    return f->batch == BATCH_CHANNELS && ndim > 1;
}

/* The arguments with samples folded in; room holds the lists of sizes. */
static int fold_args(const fl_op *f, fl_value *args, const struct lanes *all,
                     int64_t (*room)[TENSOR_MAX_DIMS])
{
    for (int i = 0; i < f->params; i++) {
        fl_value *v = &args[i];
        if (v->tag == FL_TENSOR) {
            v->as.tensor = batch_fold(v->as.tensor, all, dim_of(f, v->as.tensor->ndim));
            if (!v->as.tensor)
                return -1;
        } else if (f->batch_sizes >> i & 1) {
            memcpy(*room, v->as.ints, sizeof **room * v->count);
            (*room)[dim_of(f, (int)v->count)] *= batch_samples(all);
            v->as.ints = *room++;
        }
    }
    return 0;
}

/* Whether all tensors given are ones that the rule names. */
static bool covers(const fl_op *f, const fl_value *args)
{
    for (int i = 0; f->batch_tensors && i < f->params; i++)
        if (args[i].tag == FL_TENSOR && !(f->batch_tensors >> i & 1))
            return false;
    return true;
}

int batch_folded(const fl_op *f, const fl_value *args, const struct lanes *all, fl_value *results)
{
    fl_value folded[OP_PARAMS];
    int64_t room[2][TENSOR_MAX_DIMS];
    struct scope own;
    if (!covers(f, args))
        return 1;
    if (batch_check_samples(all, f->base))
        return -1;
    memcpy(folded, args, sizeof *args * f->params);
    scope_open(&own);
    int status = fold_args(f, folded, all, room);
    if (status == 0)
        status = door_plain(f, folded, results);
    for (int k = 0; k < f->results && status == 0; k++) {
        if (results[k].tag != FL_TENSOR)
            continue;
        fl_tensor *y = op_adopt(results[k].as.tensor);
        fl_tensor *t = y ? batch_unfold(y, all, dim_of(f, y->ndim)) : NULL;
        results[k] = t ? fl_tensor_value(tensor_retain(t)) : fl_none();
        status = t ? 0 : -1;
    }
    for (int k = 0; status && k < f->results; k++)
        fl_value_release(&results[k]);
    scope_close(&own);
    return status;
}
