/* What the node of a call has saved: given to the program's packer where it has one, checked against
 * later writes, shown by name, and dropped.
 */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "ops/op_node.h"

/* Calls visit for each tensor that is saved with its elements, until it fails. */
static int each_saved(struct op_node *self,
                      int (*visit)(struct op_node *self, fl_tensor **t, struct packed_place place))
{
    int status = 0;
    for (int i = 0; i < self->op->params && status == 0; i++) {
        fl_value *v = &self->args[i];
        struct packed_place place = {.param = (int16_t)i, .result = -1};
        if (!(self->saves >> i & 1))
            continue;
        if (v->tag == FL_TENSOR && v->as.tensor->storage)
            status = visit(self, &v->as.tensor, place);
        for (; v->tag == FL_TENSORS && place.k < v->count && status == 0; place.k++) {
            fl_tensor **t = (fl_tensor **)&v->as.tensors[place.k];
            if (*t && (*t)->storage)
                status = visit(self, t, place);
        }
    }
    for (int k = 0; k < self->op->results && status == 0; k++)
        if (self->result[k])
            status = visit(self, &self->result[k],
                           (struct packed_place){.param = -1, .result = (int16_t)k});
    return status;
}

static int count_saved(struct op_node *self, fl_tensor **t, struct packed_place place)
{
    (void)t, (void)place;
    self->packed->count++;
    return 0;
}

static int pack_saved(struct op_node *self, fl_tensor **t, struct packed_place place)
{
    if (saving_keep(&place.tensor, *t, place.param < 0))
        return -1;
    self->packed->at[self->packed->count++] = place;
    fl_tensor *kept = *t;
    *t = place.param < 0 ? NULL : tensor_retain(place.tensor.shape);
    tensor_release(kept);
    return 0;
}

int op_node_pack(struct op_node *self)
{
    struct packed_saves none = {0};
    self->packed = &none;
    each_saved(self, count_saved);
    self->packed = NULL;
    if (none.count == 0)
        return 0;
    size_t bytes = sizeof none + sizeof none.at[0] * (size_t)none.count;
    if (!(self->packed = memory_zalloc(bytes)))
        return -1;
    self->packed->bytes = bytes;
    self->shapes = true;
    return each_saved(self, pack_saved);
}

static void drop_packed(struct op_node *self)
{
    struct packed_saves *packed = self->packed;
    self->packed = NULL;
    for (int i = 0; packed && i < packed->count; i++)
        saving_drop(&packed->at[i].tensor);
    if (packed)
        memory_free(packed, packed->bytes);
}

int op_node_unpack(struct op_node *self, bool create_graph, fl_value *args, fl_tensor **lists,
                   fl_tensor **y, fl_tensor **made)
{
    for (int i = 0; i < self->op->params; i++) {
        if (args[i].tag != FL_TENSORS)
            continue;
        memcpy(lists, args[i].as.tensors, sizeof *lists * args[i].count);
        args[i].as.tensors = lists;
        lists += args[i].count;
    }
    for (int i = 0; i < self->packed->count; i++) {
        const struct packed_place *place = &self->packed->at[i];
        bool own = place->param < 0 && is_differentiable(self->op, place->result);
        fl_tensor *t =
            saving_show(&place->tensor, create_graph, own ? &self->node : NULL, place->result);
        if (!t)
            return -1;
        made[i] = t;
        if (place->param < 0)
            y[place->result] = t;
        else if (args[place->param].tag == FL_TENSOR)
            args[place->param].as.tensor = t;
        else
            ((fl_tensor **)args[place->param].as.tensors)[place->k] = t;
    }
    return 0;
}

int op_node_check_versions(struct op_node *self)
{
    assert(!self->node.released);
    const fl_op *f = self->op;
    uint32_t *list_version = self->list_version;
    for (int i = 0; i < f->params; i++) {
        const fl_value *v = &self->args[i];
        bool elements = self->saves >> i & 1;
        if (v->tag == FL_TENSOR && elements && v->as.tensor->storage &&
            v->as.tensor->storage->version != self->version[i])
            return autograd_refuse_version(v->as.tensor, autograd_node(v->as.tensor, NULL),
                                           self->version[i]);
        for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count; k++, list_version++)
            if (elements && v->as.tensors[k] && v->as.tensors[k]->storage &&
                v->as.tensors[k]->storage->version != *list_version)
                return autograd_refuse_version(
                    v->as.tensors[k], autograd_node(v->as.tensors[k], NULL), *list_version);
    }
    for (int k = 0; k < f->results; k++)
        if (self->result[k] && self->result[k]->storage->version != self->result_version[k])
            return autograd_refuse_version(self->result[k],
                                           is_differentiable(f, k) ? &self->node : NULL,
                                           self->result_version[k]);
    return 0;
}

static const struct packed_tensor *packed_at(const struct op_node *self, int param, int result)
{
    for (int i = 0; self->packed && i < self->packed->count; i++)
        if (self->packed->at[i].param == param && self->packed->at[i].result == result)
            return &self->packed->at[i].tensor;
    return NULL;
}

int record_saved(struct node *n, const char *name, fl_tensor **t)
{
    *t = NULL;
    struct op_node *self = (struct op_node *)n;
    if (n->type != &OP_NODE)
        return 1;
    int param = -1, result = strcmp(name, "result") == 0 ? 0 : -1;
    for (int i = 0; i < self->op->params && result < 0; i++)
        if (strcmp(self->op->param[i].name, name) == 0)
            param = i;
    if (result < 0 ? param < 0 || !(self->saves >> param & 1) : !(self->saves_results & 1))
        return 1;
    if (n->released)
        return engine_refuse_released(false);
    if (op_node_check_versions(self))
        return -1;
    const struct packed_tensor *packed = packed_at(self, param, result);
    fl_tensor *kept = result == 0                          ? self->result[0]
                      : self->args[param].tag == FL_TENSOR ? self->args[param].as.tensor
                                                           : NULL;
    if (packed) {
        *t = saving_show(packed, true, result == 0 ? n : NULL, 0);
        return *t ? 0 : -1;
    }
    if (!kept || result < 0) {
        *t = kept ? tensor_retain(kept) : NULL;
        return 0;
    }
    *t = autograd_unlink(kept);
    return *t && autograd_set_node(*t, n, 0) == 0 ? 0 : -1;
}

bool record_argument(const struct node *n, const char *name, fl_value *v)
{
    const struct op_node *self = (const struct op_node *)n;
    for (int i = 0; n->type == &OP_NODE && i < self->op->params; i++) {
        *v = self->args[i];
        if (strcmp(self->op->param[i].name, name) == 0)
            return value_is_number(v) || v->tag == FL_INTS || v->tag == FL_STRING;
    }
    return false;
}

/* Drops the tensors that hold elements; with `all` the shapes too. */
static void drop_saved(struct op_node *self, bool all)
{
    for (int i = 0; i < self->op->params; i++) {
        fl_value *v = &self->args[i];
        if (v->tag == FL_TENSOR && (all || v->as.tensor->storage)) {
            fl_tensor *t = v->as.tensor;
            *v = fl_none();
            tensor_release(t);
        }
        for (uint32_t k = 0; v->tag == FL_TENSORS && k < v->count; k++) {
            fl_tensor *t = v->as.tensors[k];
            if (t && (all || t->storage)) {
                ((fl_tensor **)v->as.tensors)[k] = NULL;
                tensor_release(t);
            }
        }
    }
    for (int k = 0; k < self->op->results; k++) {
        fl_tensor *y = self->result[k], *shape = self->shape[k];
        self->result[k] = NULL;
        tensor_release(y);
        if (all) {
            self->shape[k] = NULL;
            tensor_release(shape);
        }
    }
}

void op_node_release_saved(struct node *n)
{
    struct op_node *self = (struct op_node *)n;
    if (self->saves || self->saves_results)
        n->released = true;
    drop_packed(self);
    drop_saved(self, false);
}

void op_node_destroy(struct node *n)
{
    struct op_node *self = (struct op_node *)n;
    if (self->shapes) /* all else has been dropped */
        drop_saved(self, true);
    memory_free(n, self->bytes);
}
