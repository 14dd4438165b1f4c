/* Masks among indices on a device: each becomes the positions where it is true, a column of indices for
 * each of its dims, which are found where it lives. How many there are is all that the host reads. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "ops/index/index.h"
#include "ops/place.h"
#include "ops_table.h"

int64_t place_count(const fl_tensor *t)
{
    assert(t->flags & TENSOR_ELSEWHERE);
    fl_tensor *count =
        op_call1(&op_count_nonzero, (fl_value[]){fl_tensor_value((fl_tensor *)t), fl_none()});
    const int64_t n = count ? tensor_element(count, 0).as.i : -1;
    tensor_release(count);
    return n;
}

/* Room for what stands in the place of one list of indices. */
struct columns {
    fl_tensor *index[TENSOR_MAX_DIMS]; /* new references, or NULL: the whole dim */
    uint32_t count;
};

static void drop(struct columns *c)
{
    for (uint32_t k = 0; k < c->count; k++)
        tensor_release(c->index[k]);
}

/* Adds the columns of one mask, of the next dims of self. */
static int add_mask(struct columns *c, const fl_tensor *self, fl_tensor *mask)
{
    assert(mask->ndim > 0);
    if (mask_warn(mask) || index_check_mask(self, mask, (int)c->count))
        return -1;
    fl_tensor *where = op_call1(&op_nonzero, (fl_value[]){fl_tensor_value(mask)});
    for (int d = 0; where && d < mask->ndim; d++) {
        fl_tensor *column = tensor_alias(where, 1, where->sizes, where->strides,
                                         where->offset + d * where->strides[1]);
        if (!column) {
            tensor_release(where);
            return -1;
        }
        c->index[c->count++] = column;
    }
    tensor_release(where);
    return where ? 0 : -1;
}

static int add_all(struct columns *c, const fl_tensor *self, const fl_value *indices)
{
    for (uint32_t k = 0; k < indices->count; k++) {
        fl_tensor *t = indices->as.tensors[k];
        if ((int)c->count >= self->ndim)
            return error_set(FL_INDEX_ERROR, "too many indices for tensor of dimension %d",
                             self->ndim);
        if (!t || !index_is_mask(t))
            c->index[c->count++] = t ? tensor_retain(t) : NULL;
        else if (add_mask(c, self, t))
            return -1;
    }
    return 0;
}

/* Whether the first argument is a tensor with values that the indices of argument `at` are of, and no
 * mask is a single truth. A single element of another dtype may be written by a mask alone, and so is
 * the CPU's affair. */
static bool can_be_columns(const fl_op *f, const fl_value *args, int at)
{
    const fl_tensor *self = args[0].tag == FL_TENSOR ? args[0].as.tensor : NULL;
    bool can = self && strcmp(f->param[0].name, "self") == 0 && !tensor_is_meta(self);
    for (uint32_t k = 0; can && k < args[at].count; k++) {
        const fl_tensor *t = args[at].as.tensors[k];
        can = !t || !index_is_mask(t) || (t->ndim > 0 && !tensor_is_meta(t));
    }
    for (int i = 1; can && i < f->params; i++) {
        const fl_tensor *t = args[i].tag == FL_TENSOR ? args[i].as.tensor : NULL;
        can = !t || t->dtype == self->dtype || t->flags & TENSOR_WRAPPED_NUMBER;
    }
    return can;
}

int place_look(const fl_op *op, const fl_value *args, fl_value *results)
{
    const fl_op *f = op->function;
    fl_value given[OP_PARAMS + OP_RESULTS];
    struct columns c = {.count = 0};
    int at = 0;
    while (at < f->params && !(f->param[at].elements_optional && args[at].tag == FL_TENSORS))
        at++;
    if (f->place == PLACE_HOST || at == f->params || !can_be_columns(f, args, at))
        return place_on_host(op, args, results);
    memcpy(given, args,
           sizeof *args * (size_t)(f->params + (op->form == FORM_OUT ? f->results : 0)));
    int status = add_all(&c, args[0].as.tensor, &args[at]);
    if (status == 0) {
        given[at].as.tensors = c.index, given[at].count = c.count;
        status = op_call(op, given, results);
    }
    drop(&c);
    return status;
}
