/* Mixed precision (torch.autocast): the rules are the table's (key `autocast`), PyTorch's for a CPU
 * (aten/src/ATen/autocast_mode.cpp).
 *
 * Casts are recorded calls, so that gradients come back in the dtype of the leaf. The cast of a
 * float32 leaf that asks for a gradient is kept until the outermost context ends: a weight that is
 * used twice is converted once, and its gradients meet before they are converted back. A kept cast
 * has a history, so none is made while nothing is recorded. The table of casts is open addressing
 * by the leaf's address, at most half full, and holds a reference on both tensors.
 */
#include "ops/autocast.h"

#include <string.h>

#include "autograd/operations.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"

__thread struct autocast_state autocast_state = {
    .dtype = {FL_BFLOAT16, FL_FLOAT16, FL_FLOAT16, FL_FLOAT16}, .cache = true};

void autocast_enable(int kind, bool on)
{
    assert(kind >= 0 && kind < FL_DEVICE_KINDS);
    autocast_state.on &= (uint8_t)~(1u << kind);
    autocast_state.on |= (uint8_t)((unsigned)on << kind);
    autograd_mode.interpose &= (uint8_t)~INTERPOSE_AUTOCAST;
    autograd_mode.interpose |= autocast_state.on ? INTERPOSE_AUTOCAST : 0;
}

static int kind_of(const fl_tensor *t)
{
    return tensor_device(t)->id.kind;
}

struct kept {
    fl_tensor *leaf, *cast; /* leaf NULL: a free place */
};
static __thread struct kept *table;
static __thread size_t places, used; /* places: a power of two, or 0 */

static struct kept *place_of(struct kept *in, size_t count, const fl_tensor *leaf)
{
    size_t i = ((uintptr_t)leaf >> 6) * 0x9E3779B9u;
    while (in[i & (count - 1)].leaf && in[i & (count - 1)].leaf != leaf)
        i++;
    return &in[i & (count - 1)];
}

void autocast_clear(void)
{
    struct kept *old = table;
    size_t count = places;
    table = NULL, places = used = 0; /* a release may run hooks, which may cast */
    for (size_t i = 0; i < count; i++) {
        tensor_release(old[i].leaf);
        tensor_release(old[i].cast);
    }
    if (old)
        memory_free(old, count * sizeof *old);
}

/* Makes room for one more; -1 when memory is out. */
static int grow(void)
{
    if (2 * (used + 1) <= places)
        return 0;
    size_t count = places ? 2 * places : 64;
    struct kept *larger = memory_zalloc(count * sizeof *larger);
    if (!larger)
        return -1;
    for (size_t i = 0; i < places; i++)
        if (table[i].leaf)
            *place_of(larger, count, table[i].leaf) = table[i];
    if (table)
        memory_free(table, places * sizeof *table);
    table = larger, places = count;
    return 0;
}

/* Whether the cast of t to dtype is one to keep. */
static bool keeps(const fl_tensor *t, int dtype)
{
    return autocast_state.cache && dtype == autocast_state.dtype[kind_of(t)] &&
           t->dtype == FL_FLOAT32 && autograd_mode.grad && t->flags & TENSOR_REQUIRES_GRAD &&
           tensor_is_leaf(t) && !t->base;
}

/* t as dtype, a new reference. */
static fl_tensor *cast(fl_tensor *t, int dtype)
{
    if (!keeps(t, dtype))
        return operation_cast(t, dtype);
    struct kept *found = places ? place_of(table, places, t) : NULL;
    if (found && found->leaf && found->cast->dtype == dtype)
        return tensor_retain(found->cast);
    fl_tensor *y = operation_cast(t, dtype);
    if (found && found->leaf) /* kept for a context of another dtype */
        return y;
    if (!y || grow()) {
        tensor_release(y);
        return NULL;
    }
    *place_of(table, places, t) = (struct kept){tensor_retain(t), tensor_retain(y)};
    used++;
    return y;
}

/* Whether autocast touches t: of floating point, and not float64, where it is on. */
static bool eligible(const fl_tensor *t)
{
    return t && (t->dtype == FL_FLOAT32 || t->dtype == FL_FLOAT16 || t->dtype == FL_BFLOAT16) &&
           autocast_state.on >> kind_of(t) & 1;
}

/* Walks the tensors of the arguments: calls each(t, context) with the place of each. */
static int walk(const fl_op *f, fl_value *args, int (*each)(fl_tensor **t, void *context),
                void *context)
{
    int status = 0;
    for (int i = 0; i < f->params && status == 0; i++) {
        if (args[i].tag == FL_TENSOR)
            status = each(&args[i].as.tensor, context);
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count && status == 0; k++)
            status = each((fl_tensor **)&args[i].as.tensors[k], context);
    }
    return status;
}

static int find_float32(fl_tensor **t, void *found)
{
    if (eligible(*t) && (*t)->dtype == FL_FLOAT32)
        *(bool *)found = true;
    return 0;
}

/* What is cast, and the references to drop after the call. */
struct casts {
    int dtype; /* FL_NO_DTYPE: the lower one of the tensor's device */
    size_t count;
    fl_tensor **made;
};

static int cast_one(fl_tensor **t, void *context)
{
    struct casts *c = context;
    if (!eligible(*t))
        return 0;
    const int dtype = c->dtype == FL_NO_DTYPE ? autocast_state.dtype[kind_of(*t)] : c->dtype;
    if ((*t)->dtype == dtype)
        return 0;
    fl_tensor *y = cast(*t, dtype);
    if (!y)
        return -1;
    *t = c->made[c->count++] = y;
    return 0;
}

/* How many tensors the arguments have, those of lists included. */
static size_t count_tensors(const fl_op *f, const fl_value *args)
{
    size_t count = 0;
    for (int i = 0; i < f->params; i++)
        count += args[i].tag == FL_TENSOR ? 1 : args[i].tag == FL_TENSORS ? args[i].count : 0;
    return count;
}

/* The dtype that the operator's rule gives; FL_NO_DTYPE: the lower one. */
static int wanted(const fl_op *f, fl_value *args)
{
    bool any = false;
    if (f->autocast == AUTOCAST_LOWER)
        return FL_NO_DTYPE;
    if (f->autocast == AUTOCAST_FLOAT32)
        return FL_FLOAT32;
    walk(f, args, find_float32, &any);
    return any ? FL_FLOAT32 : FL_NO_DTYPE;
}

int autocast_call(const fl_op *op, const fl_value *given, fl_value *results)
{
    const fl_op *f = op->function;
    size_t total = count_tensors(f, given), bytes = 2 * (total + 1) * sizeof(fl_tensor *);
    fl_tensor *few[32], **room = total < 16 ? few : memory_alloc(bytes);
    fl_value args[16];
    if (!room)
        return -1;
    fl_tensor **lists = room + total;
    memcpy(args, given, sizeof *args * f->params);
    for (int i = 0; i < f->params; i++) { /* lists are copied: their elements change */
        if (args[i].tag != FL_TENSORS || !args[i].count)
            continue;
        memcpy(lists, args[i].as.tensors, sizeof *lists * args[i].count);
        args[i].as.tensors = lists;
        lists += args[i].count;
    }
    struct casts c = {.dtype = wanted(f, args), .made = room};
    autograd_mode.interpose &= (uint8_t)~INTERPOSE_AUTOCAST;
    int status = walk(f, args, cast_one, &c);
    if (status == 0)
        status = op_call(op, args, results);
    autograd_mode.interpose |= INTERPOSE_AUTOCAST;
    for (int k = 0; status && k < f->results; k++)
        results[k] = fl_none();
    for (size_t i = 0; i < c.count; i++)
        tensor_release(c.made[i]);
    if (room != few)
        memory_free(room, bytes);
    return status;
}

/* ---- C API ---- */

/* A C program's autocast is that of all devices. */
static void set_everywhere(bool on, int dtype)
{
    for (int kind = FL_CPU; kind < FL_DEVICE_KINDS; kind++) {
        autocast_enable(kind, on);
        if (dtype == FL_BFLOAT16 || dtype == FL_FLOAT16)
            autocast_state.dtype[kind] = dtype;
    }
}

fl_autocast fl_autocast_begin(bool enabled, fl_dtype dtype)
{
    fl_autocast before = {autocast_enabled(FL_CPU), (fl_dtype)autocast_state.dtype[FL_CPU]};
    set_everywhere(enabled, dtype);
    autocast_state.nesting++;
    return before;
}

void fl_autocast_end(fl_autocast before)
{
    if (autocast_state.nesting > 0 && --autocast_state.nesting == 0)
        autocast_clear();
    set_everywhere(before.enabled, before.dtype);
}
