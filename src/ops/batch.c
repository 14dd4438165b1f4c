/* Batches: how a call runs over the lanes of its arguments.
 *
 * Lanes in which all samples are the same are set aside first, and given back to the results. By
 * kind:
 *   pointwise   lanes are leading dims, after which ranks are aligned;
 *   view        the view of one sample, with the same lanes (lanes.h);
 *   reduce      lanes are leading dims, which stay (reduce.c);
 *   kernel      the paragraph's key `batch`: leading dims, more places of a dim (batch_fold.c), or
 *               an expression over operators;
 *   composite   the batches of its parts;
 *   and sample by sample where nothing else is said.
 * The graph records calls as they are made, on tensors with lanes. An argument that asks for a
 * gradient and lacks a lane of the call is expanded to it first, so that the gradient's sum over
 * the samples is that view's derivative, and a node's gradients have the lanes of its arguments.
 */
#include "ops/batch.h"

#include <assert.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "ops/door.h"
#include "ops/list.h"
#include "ops/pointwise/pointwise.h"
#include "ops/record.h"
#include "ops_table.h"

__thread struct batch_levels batch_levels;

/* ---- Vmaps at work --------------------------------------------------------------------------- */

void batch_watch(void)
{
    if (batch_levels.count || atomic_load_explicit(&lanes_alive, memory_order_relaxed))
        autograd_mode.interpose |= INTERPOSE_LANES;
    else
        autograd_mode.interpose &= (uint8_t)~INTERPOSE_LANES;
}

uint32_t batch_begin(int64_t size, enum batch_randomness randomness)
{
    assert(size >= 0);
    static _Atomic uint32_t last;
    struct batch_levels *l = &batch_levels;
    if (l->count == LANES_MAX) {
        error_set(FL_RUNTIME_ERROR, "vmap is nested more than %d deep", LANES_MAX);
        return 0;
    }
    uint32_t id = atomic_fetch_add(&last, 1) + 1;
    l->of[l->count++] = (struct batch_level){size, id, (uint8_t)randomness};
    batch_watch();
    return id;
}

void batch_end(uint32_t id)
{
    assert(id != 0);
    for (int i = 0; i < batch_levels.count; i++)
        if (batch_levels.of[i].id == id)
            batch_levels.count = i;
    batch_watch();
}

fl_tensor *batch_enter(fl_tensor *t, uint32_t id, int64_t dim)
{
    if (t->flags & TENSOR_IN_OBJECT) {
        tensor_refuse_in_object("vmap");
        return NULL;
    }
    return op_call1(&op__lane_enter, (fl_value[]){fl_tensor_value(t), fl_int(id), fl_int(dim)});
}

static fl_tensor *expand(fl_tensor *t, uint32_t id, int64_t size)
{
    return op_call1(&op__lane_expand, (fl_value[]){fl_tensor_value(t), fl_int(id), fl_int(size)});
}

fl_tensor *batch_leave(fl_tensor *t, uint32_t id, int64_t size, int64_t dim)
{
    fl_tensor *whole = lanes_find(t->lanes, id) ? tensor_retain(t) : expand(t, id, size), *y = NULL;
    if (whole)
        y = op_call1(&op__lane_leave,
                     (fl_value[]){fl_tensor_value(whole), fl_int(id), fl_int(size), fl_int(dim)});
    if (y) /* the node of a whole batch's operator, or PyTorch's movedim behind it */
        record_stand_in(y, whole, dim == 0 || dim == -t->ndim - 1 ? NULL : "PermuteBackward0");
    tensor_release(whole);
    return y;
}

/* t expanded to the lanes that it lacks, of a set: a new reference. */
static fl_tensor *expand_to(fl_tensor *t, const struct lanes *all)
{
    assert(all->count <= LANES_MAX);
    fl_tensor *y = tensor_retain(t);
    for (int i = 0; i < all->count && y; i++) {
        if (lanes_find(y->lanes, all->lane[i].id))
            continue;
        fl_tensor *next = expand(y, all->lane[i].id, all->lane[i].size);
        tensor_release(y);
        y = next;
    }
    return y;
}

fl_tensor *batch_spread(fl_tensor *t)
{
    struct lanes all = {0};
    for (int i = 0; i < batch_levels.count; i++)
        all.lane[all.count++] = (struct lane){batch_levels.of[i].id, batch_levels.of[i].size, 0};
    return expand_to(t, &all);
}

/* ---- Arguments ------------------------------------------------------------------------------- */

/* Calls each(t, context) for every tensor of the arguments; stops where it returns not 0. */
static int walk(const fl_op *f, const fl_value *args, int (*each)(fl_tensor *t, void *context),
                void *context)
{
    int status = 0;
    for (int i = 0; i < f->params && !status; i++) {
        if (args[i].tag == FL_TENSOR)
            status = each(args[i].as.tensor, context);
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count && !status; k++)
            if (args[i].as.tensors[k])
                status = each(args[i].as.tensors[k], context);
    }
    return status;
}

static int has_lanes(fl_tensor *t, void *unused)
{
    (void)unused;
    return t->lanes != NULL;
}

bool batch_concerns(const fl_op *op, const fl_value *args)
{
    const fl_op *f = op->function;
    if ((f->random || f == &op_empty_like) && batch_levels.count)
        return true;
    bool found = walk(f, args, has_lanes, NULL);
    for (int k = 0; op->form == FORM_OUT && k < f->results; k++)
        found |= args[f->params + k].as.tensor->lanes != NULL;
    if (!found && !batch_levels.count)
        batch_watch();
    return found;
}

struct split {
    struct lanes *moving, *still;
};

static int split_lanes(fl_tensor *t, void *context)
{
    struct split *s = context;
    for (int i = 0; t->lanes && i < t->lanes->count; i++) {
        struct lane lane = t->lanes->lane[i];
        bool same = lane.stride == 0 && lane.size > 1;
        if (lanes_find(s->moving, lane.id))
            continue;
        if (!same)
            lanes_erase(s->still, lane.id);
        else if (lanes_find(s->still, lane.id))
            continue;
        if (lanes_insert(same ? s->still : s->moving, lane))
            return -1;
    }
    return 0;
}

int batch_lanes(const fl_op *f, const fl_value *args, struct lanes *moving, struct lanes *still)
{
    moving->count = still->count = 0;
    return walk(f, args, split_lanes, &(struct split){moving, still});
}

int batch_args_begin(const fl_op *f, const fl_value *args, struct batch_args *a)
{
    int tensors = 0;
    memset(a, 0, sizeof *a);
    memcpy(a->value, args, sizeof *args * f->params);
    for (int i = 0; i < f->params; i++) {
        tensors += args[i].tag == FL_TENSOR    ? 1
                   : args[i].tag == FL_TENSORS ? (int)args[i].count
                                               : 0;
    }
    a->room = tensors + 1;
    a->made = memory_zalloc(sizeof *a->made * (size_t)a->room);
    return a->made ? 0 : -1;
}

void batch_args_drop(struct batch_args *a)
{
    for (int i = 0; i < a->count; i++)
        tensor_release(a->made[i]);
    memory_free(a->made, sizeof *a->made * (size_t)a->room);
}

/* Puts change(t, context), new references, in the place of the tensors of the chosen parameters. */
static int change_tensors(const fl_op *f, struct batch_args *a, uint32_t chosen,
                          fl_tensor *(*change)(fl_tensor *t, void *context), void *context)
{
    for (int i = 0; i < f->params; i++) {
        fl_value *v = &a->value[i];
        if (!(chosen >> i & 1) || (v->tag != FL_TENSOR && v->tag != FL_TENSORS))
            continue;
        fl_tensor **first = &a->made[a->count], *const *from = v->as.tensors;
        uint32_t count = v->tag == FL_TENSORS ? v->count : 1;
        for (uint32_t k = 0; k < count; k++) {
            fl_tensor *t = v->tag == FL_TENSORS ? from[k] : v->as.tensor;
            assert(a->count < a->room);
            fl_tensor *y = t ? change(t, context) : NULL;
            a->made[a->count++] = y;
            if (t && !y)
                return -1;
        }
        if (v->tag == FL_TENSORS)
            v->as.tensors = first;
        else
            v->as.tensor = *first;
    }
    return 0;
}

enum { ALL_PARAMS = (1 << OP_PARAMS) - 1 };

/* t without the lanes that are not in a set. */
static fl_tensor *strip(fl_tensor *t, void *context)
{
    const struct lanes *keep = context;
    struct lanes lanes = {0};
    for (int i = 0; t->lanes && i < t->lanes->count; i++)
        if (lanes_find(keep, t->lanes->lane[i].id))
            lanes.lane[lanes.count++] = t->lanes->lane[i];
    if (!t->lanes || lanes.count == t->lanes->count)
        return tensor_retain(t);
    fl_tensor *y =
        tensor_on_storage(t->storage, t->ndim, t->sizes, t->strides, t->offset, t->dtype);
    if (y && lanes_set(y, &lanes)) {
        tensor_release(y);
        return NULL;
    }
    return y;
}

struct showing {
    const struct lanes *all;
    int ndim;
    bool expand;
};

static fl_tensor *show(fl_tensor *t, void *context)
{
    const struct showing *s = context;
    return t->lanes || s->expand ? lanes_show(t, s->all, s->ndim, s->expand) : tensor_retain(t);
}

/* ---- Computing ------------------------------------------------------------------------------- */

/* Gives each tensor among the results lanes: its first dims, and those in which all is the same. */
static int finish(const fl_op *f, fl_value *results, const struct lanes *leading,
                  const struct lanes *still)
{
    assert(leading->count <= LANES_MAX && still->count <= LANES_MAX);
    int status = 0;
    for (int k = 0; k < f->results && !status; k++) {
        fl_tensor *y = results[k].tag == FL_TENSOR ? results[k].as.tensor : NULL;
        struct lanes lanes = {0};
        if (!y)
            continue;
        if (leading->count && lanes_hide(y, leading))
            status = -1;
        if (status == 0 && still->count) {
            lanes = y->lanes ? *y->lanes : lanes;
            for (int i = 0; i < still->count && !status; i++)
                status =
                    lanes_insert(&lanes, (struct lane){still->lane[i].id, still->lane[i].size, 0});
            status = status || lanes_set(y, &lanes) ? -1 : 0;
        }
    }
    for (int k = 0; status && k < f->results; k++)
        fl_value_release(&results[k]);
    return status;
}

/* Operands of a broadcast: lanes first, then the dims of all brought to one rank. A number that
 * only lanes make a tensor of several elements stays weak in promotion: it gets the dtype beforehand. */
static int align(const fl_op *f, const fl_value *args, const struct lanes *all, fl_value *results)
{
    static const struct lanes none;
    struct batch_args a;
    struct showing how = {.all = all};
    fl_value operand[OP_PARAMS];
    uint32_t voters = 0; /* parameters (bits) that take part in promotion */
    int operands = 0, common = FL_NO_DTYPE;
    int status = batch_args_begin(f, args, &a);
    for (int i = 0; i < f->params; i++)
        if (args[i].tag == FL_TENSOR && args[i].as.tensor->ndim > how.ndim)
            how.ndim = args[i].as.tensor->ndim;
    if (f->kind == OP_POINTWISE) {
        const struct op_pointwise *p = f->pointwise;
        for (int i = 0; i < p->operands; i++)
            if (!(p->truths >> i & 1))
                operand[operands++] = args[p->operand[i]], voters |= 1u << p->operand[i];
        common = operands > 1 ? pointwise_promote(operands, operand) : FL_NO_DTYPE;
    }
    if (status == 0)
        status = change_tensors(f, &a, ALL_PARAMS, show, &how);
    for (int i = 0; i < f->params && status == 0 && common != FL_NO_DTYPE; i++) {
        const fl_tensor *t = args[i].tag == FL_TENSOR ? args[i].as.tensor : NULL;
        if (!t || !(voters >> i & 1) || !t->lanes || t->ndim || t->dtype == common)
            continue;
        fl_tensor *cast = operation_cast(a.value[i].as.tensor, common);
        for (int k = 0; cast && k < a.count; k++)
            if (a.made[k] == a.value[i].as.tensor) {
                tensor_release(a.made[k]);
                a.value[i].as.tensor = a.made[k] = cast;
                break;
            }
        status = cast ? 0 : -1;
    }
    if (status == 0)
        status = door_plain(f, a.value, results);
    batch_args_drop(&a);
    return status ? -1 : finish(f, results, all, &none);
}

/* The rank to which dims count: that of the sizes in the arguments, or of the first tensor. */
static int rank_of(const fl_op *f, const fl_value *args)
{
    for (int i = 0; i < f->params; i++)
        if (f->batch_sizes >> i & 1 && args[i].tag == FL_INTS)
            return (int)args[i].count;
    for (int i = 0; i < f->params; i++) {
        if (args[i].tag == FL_TENSOR)
            return args[i].as.tensor->ndim;
        if (args[i].tag == FL_TENSORS && args[i].count && args[i].as.tensors[0])
            return args[i].as.tensors[0]->ndim;
    }
    return 0;
}

/* Moves a number of a dim behind so many more; false where it is none. */
static bool move_dim(int64_t *dim, int rank, int more)
{
    assert(more >= 0);
    if (!rank || *dim < -rank || *dim >= rank)
        return false;
    *dim += (*dim < 0 ? rank : 0) + more;
    return true;
}

/* Moves all dims and sizes of a call; room holds the lists. False where the rule does not cover it.
 */
static bool move_dims(const fl_op *f, fl_value *args, const struct lanes *all, int rank,
                      int64_t (*room)[TENSOR_MAX_DIMS])
{
    assert(all->count <= LANES_MAX);
    int lists = 0;
    for (int i = 0; i < f->params; i++) {
        bool dims = f->batch_dims >> i & 1, sizes = f->batch_sizes >> i & 1;
        fl_value *v = &args[i];
        if (dims && v->tag == FL_INTEGER) {
            if (!move_dim(&v->as.i, rank, all->count))
                return false;
            continue;
        }
        if (!dims && !sizes)
            continue;
        if (v->tag != FL_INTS || lists == 2 || v->count + (uint32_t)all->count > TENSOR_MAX_DIMS)
            return false;
        int64_t *to = room[lists++], more = sizes ? all->count : 0;
        for (int k = 0; k < more; k++)
            to[k] = all->lane[k].size;
        for (uint32_t k = 0; k < v->count; k++) {
            to[more + k] = v->as.ints[k];
            if (dims && !move_dim(&to[k], rank, all->count))
                return false;
        }
        v->as.ints = to, v->count += (uint32_t)more;
    }
    return true;
}

/* Whether only parameters that may have lanes have them. */
static bool covers(const fl_op *f, const fl_value *args)
{
    for (int i = 0; f->batch_tensors && i < f->params; i++) {
        if (f->batch_tensors >> i & 1)
            continue;
        if (args[i].tag == FL_TENSOR && args[i].as.tensor->lanes)
            return false;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (args[i].as.tensors[k] && args[i].as.tensors[k]->lanes)
                return false;
    }
    return true;
}

int batch_lead(const fl_op *f, const fl_value *args, const struct lanes *all, fl_value *results)
{
    static const struct lanes none;
    struct batch_args a;
    int64_t room[2][TENSOR_MAX_DIMS];
    struct showing how = {.all = all, .expand = true};
    uint32_t shown = f->batch_tensors ? f->batch_tensors : ALL_PARAMS;
    if (!covers(f, args) || batch_args_begin(f, args, &a))
        return 1;
    int status = move_dims(f, a.value, all, rank_of(f, args), room) ? 0 : 1;
    if (status == 0)
        status = change_tensors(f, &a, shown, show, &how);
    if (status == 0)
        status = door_plain(f, a.value, results);
    batch_args_drop(&a);
    return status ? status : finish(f, results, all, &none);
}

/* The batch as an expression over operators, in a scope of its own. */
static int composed(const fl_op *f, const fl_value *args, fl_value *results)
{
    struct scope own;
    scope_open(&own);
    for (int k = 0; k < f->results; k++)
        results[k] = fl_none();
    int status = f->batch_compose(args, results);
    for (int k = 0; k < f->results && status == 0; k++)
        if (results[k].tag == FL_TENSOR)
            tensor_retain(results[k].as.tensor);
    scope_close(&own);
    return status;
}

/* By the rule of a kernel or a composite; no lane is the same for all samples. */
static int by_rule(const fl_op *f, const fl_value *args, const struct lanes *all, fl_value *results)
{
    int status = 1;
    if (f->batch_compose)
        return composed(f, args, results);
    if (f->batch == BATCH_ALIGN)
        return align(f, args, all, results);
    if (f->batch == BATCH_LEAD)
        status = batch_lead(f, args, all, results);
    else if (f->batch == BATCH_FOLD || f->batch == BATCH_CHANNELS)
        status = batch_folded(f, args, all, results);
    return status <= 0 ? status : batch_each(f, args, &all->lane[0], false, results);
}

/* The results, unrecorded. */
static int compute(const fl_op *f, const fl_value *args, fl_value *results)
{
    static const struct lanes none;
    struct lanes moving, still;
    struct batch_args a;
    if (batch_lanes(f, args, &moving, &still) || batch_args_begin(f, args, &a))
        return -1;
    int status = change_tensors(f, &a, ALL_PARAMS, strip, &moving);
    if (status == 0 && (!moving.count || f->kind == OP_REDUCE))
        status = door_plain(f, a.value, results);
    else if (status == 0 && f->kind == OP_POINTWISE)
        status = align(f, a.value, &moving, results);
    else if (status == 0)
        status = by_rule(f, a.value, &moving, results);
    batch_args_drop(&a);
    return status ? -1 : finish(f, results, &none, &still);
}

static fl_tensor *expand_asking(fl_tensor *t, void *all)
{
    return tensor_requires_grad(t) ? expand_to(t, all) : tensor_retain(t);
}

/* Expands the arguments that ask for a gradient, but `written` ones (bits), to all lanes of the
 * call. */
static int expand_args(const fl_op *f, const fl_value *args, uint32_t written, struct batch_args *a)
{
    struct lanes all, still;
    int status = batch_lanes(f, args, &all, &still);
    for (int i = 0; i < still.count && status == 0; i++)
        status = lanes_insert(&all, still.lane[i]);
    if (status || batch_args_begin(f, args, a))
        return -1;
    if (change_tensors(f, a, f->grad->differentiable & ~written, expand_asking, &all) == 0)
        return 0;
    batch_args_drop(a);
    return -1;
}

static int call_computed(const fl_op *f, const fl_value *args, fl_value *results)
{
    bool mode = autograd_mode.grad;
    if (mode && f->grad && f->grad->refused && record_refuse(f, args))
        return -1;
    autograd_mode.grad = false;
    int status = f->random             ? batch_random(f, args, results)
                 : f == &op_empty_like ? batch_room(f, args, results)
                                       : compute(f, args, results);
    autograd_mode.grad = mode;
    if (status || !record_is_needed(f, args))
        return status;
    struct batch_args a;
    status = expand_args(f, args, 0, &a);
    if (status == 0) {
        status = record_call(f, a.value, results);
        batch_args_drop(&a);
    }
    for (int k = 0; status && k < f->results; k++)
        fl_value_release(&results[k]);
    return status;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int refuse_write(void)
{
    return error_set(
        FL_RUNTIME_ERROR,
        "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a "
        "Tensor `other` in extra_args that has more elements than `self`. This happened due to "
        "`other` being vmapped over but `self` not being vmapped over in a vmap. Please try to use "
        "out-of-place operators instead of inplace arithmetic. If said operator is being called "
        "inside the PyTorch framework, please file a bug report instead.");
}

/* Whether a tensor is a temporary of the composite that is running. */
static bool is_temporary(const fl_tensor *t)
{
    for (int64_t i = 0; scope_current && i < scope_current->count; i++)
        if (scope_current->tensors[i] == t)
            return true;
    return false;
}

/* Gives a handle the storage in which each sample of a lane has its own copy of what it had, and
 * its history by way of an expanded view. */
static int move_to(fl_tensor *t, struct storage *copies, struct lane lane)
{
    struct lanes lanes = {0};
    fl_tensor *expanded = NULL;
    int result, status = 0;
    if (autograd_mode.grad && tensor_requires_grad(t) && !t->base &&
        !lanes_find(t->lanes, lane.id)) {
        expanded = expand(t, lane.id, lane.size);
        struct node *n = expanded ? autograd_node(expanded, &result) : NULL;
        status = n ? autograd_set_node(t, n, result) : -1;
        tensor_release(expanded);
    }
    if (t->lanes)
        lanes = *t->lanes;
    lanes_erase(&lanes, lane.id);
    if (status || lanes_insert(&lanes, lane) || lanes_set(t, &lanes))
        return -1;
    tensor_set_storage(t, copies);
    return 0;
}

/* Makes a tensor that is written one of a lane, whose samples begin as what it is. Its memory is
 * its own, and its base's. */
static int make_lane(fl_tensor *self, struct lane lane)
{
    struct storage *old = self->storage;
    int64_t size = (int64_t)dtype_size(self->dtype), n = (int64_t)old->bytes / size;
    if (atomic_load(&old->refs) != (self->base ? 2 : 1))
        return error_set(FL_RUNTIME_ERROR,
                         "vmap: what differs between samples is written into a tensor that other "
                         "tensors share memory with: clone it first");
    struct storage *copies = storage_repeat(old, (size_t)(n * size), lane.size);
    if (!copies)
        return -1;
    lane.stride = n;
    copies->version = old->version;
    int status = self->base ? move_to(self->base, copies, lane) : 0;
    status = status || move_to(self, copies, lane) ? -1 : 0;
    storage_release(copies);
    return status;
}

/* Sees to it that self has all lanes of the call: a temporary of a composite, or a tensor that is
 * the same for all samples but whose history will not be, gets memory for each sample. PyTorch's error
 * where a tensor of the program's would have to. */
static int prepare_written(const fl_op *f, const fl_value *args)
{
    struct lanes moving, still;
    fl_tensor *self = args[0].as.tensor;
    bool own = is_temporary(self) && (!self->base || is_temporary(self->base));
    if (batch_lanes(f, args, &moving, &still))
        return -1;
    for (int i = 0; i < moving.count; i++) {
        const struct lane *lane = lanes_find(self->lanes, moving.lane[i].id);
        if (lane && (lane->stride || lane->size == 1))
            continue;
        if (!own)
            return refuse_write();
        if (make_lane(self, moving.lane[i]))
            return -1;
    }
    for (int i = 0; i < still.count; i++)
        if (record_is_needed(f, args) && !lanes_find(self->lanes, still.lane[i].id) &&
            make_lane(self, still.lane[i]))
            return -1;
    return 0;
}

/* Refuses a recorded write through an input of vmap into memory whose history it would not change.
 */
static int check_input(const fl_op *f, const fl_value *args)
{
    fl_tensor *self = args[0].as.tensor, *base = self->base ? self->base : self;
    struct node *n = autograd_mode.grad ? autograd_node(base, NULL) : NULL;
    if (!n || record_op(n) != &op__lane_enter || !record_has_gradient(f, args))
        return 0;
    return error_set(FL_NOT_IMPLEMENTED,
                     "vmap: %s would write in place into an input whose gradient is asked for "
                     "outside of vmap: clone it first",
                     f->base);
}

static int call_writer(const fl_op *op, const fl_value *args, fl_value *results)
{
    const fl_op *f = op->function;
    if (f->batch == BATCH_NONE)
        return error_set(FL_NOT_IMPLEMENTED, "vmap over %s isn't supported", f->base);
    if (prepare_written(f, args) || check_input(f, args) ||
        (f->random && batch_check_random_write(args[0].as.tensor)))
        return -1;
    if (!record_is_needed(f, args))
        return door_plain(op, args, results);
    struct batch_args a;
    if (expand_args(f, args, 1, &a))
        return -1;
    int status = door_plain(op, a.value, results);
    batch_args_drop(&a);
    return status;
}

/* t without a lane: one sample of it. */
static fl_tensor *sample(fl_tensor *t, const struct lane *lane, int64_t i)
{
    const struct lane *own = lanes_find(t->lanes, lane->id);
    struct lanes rest = {0};
    if (!own)
        return tensor_retain(t);
    fl_tensor *y = tensor_on_storage(t->storage, t->ndim, t->sizes, t->strides,
                                     t->offset + i * own->stride, t->dtype);
    rest = *t->lanes;
    lanes_erase(&rest, lane->id);
    if (y && lanes_set(y, &rest)) {
        tensor_release(y);
        return NULL;
    }
    return y;
}

struct sampling {
    const struct lane *lane;
    int64_t i;
};

static fl_tensor *take_sample(fl_tensor *t, void *context)
{
    const struct sampling *s = context;
    return sample(t, s->lane, s->i);
}

/* The kernel for one sample after another. */
static int write_each(const fl_op *f, const fl_value *args, const struct lane *lane,
                      bool same_draws)
{
    struct batch_draws draws;
    int status = 0;
    batch_draws_begin(&draws, f, args, same_draws);
    for (int64_t i = 0; i < lane->size && status == 0; i++) {
        struct batch_args one;
        batch_draws_again(&draws);
        status = batch_args_begin(f, args, &one);
        if (status == 0)
            status = change_tensors(f, &one, ALL_PARAMS, take_sample, &(struct sampling){lane, i});
        if (status == 0)
            status = batch_run_kernel(f, one.value);
        batch_args_drop(&one);
    }
    return status;
}

int batch_run_kernel(const fl_op *f, const fl_value *args)
{
    struct lanes moving, still;
    struct batch_args a;
    if (batch_lanes(f, args, &moving, &still) || batch_args_begin(f, args, &a))
        return -1;
    struct showing how = {.all = &moving, .ndim = args[0].as.tensor->ndim};
    const struct lane *same = f->random ? batch_same_lane(&moving) : NULL;
    int status = change_tensors(f, &a, ALL_PARAMS, strip, &moving);
    bool at_once = f->batch == BATCH_ALIGN && !same && covers(f, a.value);
    if (status == 0 && moving.count && !at_once) {
        status = write_each(f, a.value, same ? same : &moving.lane[0], same != NULL);
    } else if (status == 0) {
        struct batch_args shown;
        status = batch_args_begin(f, a.value, &shown);
        if (status == 0)
            status = change_tensors(f, &shown, ALL_PARAMS, show, &how);
        if (status == 0)
            status = kernel_run(f, shown.value, NULL);
        batch_args_drop(&shown);
    }
    batch_args_drop(&a);
    return status;
}

fl_tensor *op_samples(fl_tensor *t)
{
    fl_tensor *all = t && t->lanes ? lanes_show(t, t->lanes, 0, true) : NULL;
    return t && t->lanes ? (all ? op_adopt(all) : NULL) : t;
}

/* ---- The call -------------------------------------------------------------------------------- */

int batch_call(const fl_op *op, const fl_value *args, fl_value *results)
{
    const fl_op *f = op->function;
    fl_value complete[OP_PARAMS];
    fl_tensor *made[OP_PARAMS];
    if (f->kind == OP_VIEW && op->form != FORM_OUT)
        return door_plain(op, args, results);
    if (op->form != FORM_FUNCTION)
        return door_written(op, args, results);
    if (f->kind == OP_COMPOSE) {
        struct lanes moving, still;
        if (f->batch != BATCH_EACH || batch_lanes(f, args, &moving, &still))
            return door_plain(op, args, results);
        const struct lanes *all = moving.count ? &moving : &still;
        return all->count ? batch_each(f, args, &all->lane[0], false, results)
                          : door_plain(op, args, results);
    }
    memcpy(complete, args, sizeof *complete * f->params);
    int status = f->kind == OP_KERNEL ? door_numbers(f, complete, made) : 0;
    if (status == 0)
        status =
            op_writes(f) ? call_writer(op, complete, results) : call_computed(f, complete, results);
    for (int i = 0; f->kind == OP_KERNEL && i < f->params; i++)
        tensor_release(made[i]);
    return status;
}
