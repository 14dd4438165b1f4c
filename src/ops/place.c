/* Where calls run.
 *
 * A device runs what it has a kernel for. All else runs on the CPU: tensors are copied to the host
 * as they lie (core/host.c), the CPU's kernel runs on the copies, and what it wrote is copied back,
 * with one warning for each operator. On a device without memory nothing runs at all: shapes and
 * dtypes are all there is. What looks at values (`device host` in the table) goes to the CPU as a
 * whole, by recorded copies, and is refused where there are no values; masks among indices are
 * looked at where they live (place_masks.c).
 */
#include "ops/place.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/warning.h"
#include "device/devices.h"
#include "ops/list.h"

/* ---- Which device ---------------------------------------------------------------------------- */

/* How many tensors a value has, and the k-th of them: in lists NULL where there is None. */
static inline uint32_t tensors_of(const fl_value *v)
{
    return v->tag == FL_TENSOR ? 1 : v->tag == FL_TENSORS ? v->count : 0;
}

static inline fl_tensor *tensor_at(const fl_value *v, uint32_t k)
{
    return v->tag == FL_TENSOR ? v->as.tensor : v->as.tensors[k];
}

bool place_is_elsewhere(int count, const fl_value *values)
{
    for (int i = 0; i < count; i++)
        for (uint32_t k = 0; k < tensors_of(&values[i]); k++) {
            const fl_tensor *t = tensor_at(&values[i], k);
            if (t && t->flags & TENSOR_ELSEWHERE)
                return true;
        }
    return false;
}

bool place_looks(const fl_op *f, const fl_value *args)
{
    if (f->place == PLACE_HOST)
        return place_is_elsewhere(f->params, args);
    for (int i = 0; i < f->params; i++)
        for (uint32_t k = 0; f->param[i].elements_optional && k < tensors_of(&args[i]); k++) {
            const fl_tensor *t = tensor_at(&args[i], k);
            if (t && (t->dtype == FL_BOOL || t->dtype == FL_UINT8))
                return place_is_elsewhere(f->params, args);
        }
    return false;
}

struct device *place_refuse(const struct device *a, const struct device *b)
{
    if (a->memory == DEVICE_NONE || b->memory == DEVICE_NONE)
        return error_null(FL_RUNTIME_ERROR, "Tensor on device %s is not on the expected device %s!",
                          b->name, a->name);
    return error_null(FL_RUNTIME_ERROR,
                      "Expected all tensors to be on the same device, but found at least two "
                      "devices, %s and %s!",
                      a->name, b->name);
}

/* Indices may stay on the CPU, as in PyTorch, and so may what is 0-dim. */
static bool may_join(const fl_op *f, int i, const fl_tensor *t)
{
    return t->ndim == 0 || (i < f->params && f->param[i].elements_optional);
}

/* The refusal of tensors of `a` and `b`: of indices in words of their own. NULL, with the error set. */
static struct device *refuse_mix(const fl_op *f, int count, const fl_value *values,
                                 const struct device *a, const struct device *b)
{
    const fl_tensor *self = count && tensors_of(&values[0]) ? tensor_at(&values[0], 0) : NULL;
    for (int i = 0; self && i < f->params && i < count; i++)
        for (uint32_t k = 0; f->param[i].elements_optional && k < tensors_of(&values[i]); k++) {
            const fl_tensor *t = tensor_at(&values[i], k);
            if (t && t->flags & TENSOR_ELSEWHERE && tensor_device(t) != tensor_device(self))
                return error_null(FL_RUNTIME_ERROR,
                                  "indices should be either on cpu or on the same device as the "
                                  "indexed tensor (%s)",
                                  tensor_device(self)->name);
        }
    return place_refuse(a, b);
}

struct device *place_of(const fl_op *f, int count, const fl_value *values)
{
    struct device *there = NULL; /* where tensors elsewhere are */
    bool tensors = false, bound = false, cpu_first = false;
    for (int i = 0; i < count; i++)
        for (uint32_t k = 0; k < tensors_of(&values[i]); k++) {
            const fl_tensor *t = tensor_at(&values[i], k);
            if (!t || !t->storage)
                continue;
            struct device *d = tensor_device(t);
            tensors |= !(t->flags & TENSOR_WRAPPED_NUMBER);
            if (d != &device_cpu) {
                if (there && d != there && f->place != PLACE_ANY)
                    return refuse_mix(f, count, values, there, d);
                there = there ? there : d;
            } else if (!may_join(f, i, t)) {
                cpu_first |= !there;
                bound = true;
            }
        }
    if (there && bound && f->place != PLACE_ANY)
        return refuse_mix(f, count, values, cpu_first ? &device_cpu : there,
                          cpu_first ? there : &device_cpu);
    if (there)
        return there;
    return tensors || !device_default ? &device_cpu : device_default;
}

void place_follow(int count, const fl_value *values)
{
    bool here = false;
    for (int i = 0; i < count; i++)
        for (uint32_t k = 0; k < tensors_of(&values[i]); k++) {
            const fl_tensor *t = tensor_at(&values[i], k);
            if (t && t->flags & TENSOR_ELSEWHERE) {
                device_default = tensor_device(t);
                return;
            }
            here |= t && t->storage && !(t->flags & TENSOR_WRAPPED_NUMBER);
        }
    if (here)
        device_default = NULL;
}

int op_shape_on(struct op_shape *y, fl_device device)
{
    if (device.kind >= 0)
        y->device = device_find(device);
    return y->device ? 0 : -1;
}

/* ---- On the CPU ------------------------------------------------------------------------------ */

int place_warn(const fl_op *f, const struct device *d)
{
    enum { BYTES = 512 }; /* a bit an operator */
    static uint8_t warned[FL_DEVICE_KINDS][BYTES];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int at = 0;
    while (at < ops_count && ops_all[at]->function != f)
        at++;
    pthread_mutex_lock(&lock);
    uint8_t *byte = &warned[d->id.kind][at / 8 % BYTES], bit = (uint8_t)(1 << at % 8);
    bool first = !(*byte & bit);
    *byte |= bit;
    pthread_mutex_unlock(&lock);
    if ((!first && !atomic_load(&warning_always)) || d->quiet)
        return 0;
    return warning_give("%s has no kernel for the device %s: it runs on the CPU, on copies.",
                        f->base + (f->base[0] == '_'), d->name);
}

int place_copy(const fl_op *f, const fl_value *args, struct place_copies *c)
{
    memcpy(c->value, args, sizeof *args * f->params);
    memset(c->list, 0, sizeof c->list);
    for (int i = 0; i < f->params; i++) {
        uint32_t count = tensors_of(&args[i]);
        if (!place_is_elsewhere(1, &args[i]))
            continue;
        if (!(c->list[i] = memory_zalloc(sizeof(fl_tensor *) * count)))
            return -1;
        for (uint32_t k = 0; k < count; k++) {
            fl_tensor *t = tensor_at(&args[i], k);
            if (t && !(c->list[i][k] = tensor_host(t)))
                return -1;
        }
        if (args[i].tag == FL_TENSOR)
            c->value[i].as.tensor = c->list[i][0];
        else
            c->value[i].as.tensors = c->list[i];
    }
    return 0;
}

void place_drop(const fl_op *f, struct place_copies *c)
{
    for (int i = 0; i < f->params; i++) {
        uint32_t count = tensors_of(&c->value[i]);
        for (uint32_t k = 0; c->list[i] && k < count; k++)
            tensor_release(c->list[i][k]);
        memory_free(c->list[i], sizeof(fl_tensor *) * count);
    }
}

/* Brings back what the kernel wrote of its arguments: the first, of one that writes in place; of
 * the others (running statistics) those whose version it has counted up. */
static int write_back(const fl_op *f, const fl_value *args, const struct place_copies *c,
                      bool in_place)
{
    for (int i = 0; i < f->params; i++)
        for (uint32_t k = 0; c->list[i] && k < tensors_of(&args[i]); k++) {
            fl_tensor *t = tensor_at(&args[i], k), *copy = c->list[i][k];
            const bool counted = t && copy != t && copy->storage->version;
            if (!counted && !(in_place && i == 0))
                continue;
            if (tensor_host_back(t, copy))
                return -1;
            if (counted)
                tensor_bump_version(t);
        }
    return 0;
}

/* The CPU's kernel, on copies. */
static int run_on_copies(const fl_op *f, const fl_value *args, fl_tensor **y)
{
    struct place_copies c;
    fl_tensor *result[OP_RESULTS] = {NULL};
    int status = place_copy(f, args, &c);
    for (int k = 0; y && k < f->results && status == 0; k++)
        if (y[k] && !(result[k] = tensor_host(y[k])))
            status = -1;
    if (status == 0)
        status = kernel_run(f, c.value, y ? result : NULL);
    for (int k = 0; y && k < f->results && status == 0; k++)
        if (y[k])
            status = tensor_host_back(y[k], result[k]);
    if (status == 0)
        status = write_back(f, args, &c, !y);
    for (int k = 0; k < f->results; k++)
        tensor_release(result[k]);
    place_drop(f, &c);
    return status;
}

/* A creation's kernel marks what it made: nobody has run it on y itself. */
static int mark(const fl_op *f, const fl_value *args, fl_tensor **y)
{
    for (int i = 0; y && i < f->params; i++)
        if (f->param[i].type == TYPE_BOOL && args[i].as.i &&
            strcmp(f->param[i].name, "requires_grad") == 0)
            return autograd_set_requires_grad(y[0], true);
    return 0;
}

int place_kernel(const fl_op *f, const fl_value *args, fl_tensor **y)
{
    assert(f->kind == OP_KERNEL && f->place != PLACE_ANY);
    struct device *d = y ? tensor_device(y[0]) : place_of(f, f->params, args);
    if (!d)
        return -1;
    int status = d->memory == DEVICE_NONE ? 0 : DEVICE_CANNOT;
    if (status == DEVICE_CANNOT && d->kernel)
        status = d->kernel(d, f->name, args, y);
    if (status == DEVICE_CANNOT && !f->random && place_is_elsewhere(f->params, args) &&
        place_warn(f, d))
        return -1;
    if (status == DEVICE_CANNOT)
        status = run_on_copies(f, args, y);
    return status ? status : mark(f, args, y);
}

/* t, or a recorded copy of it on a device; a new reference. */
static fl_tensor *moved(fl_tensor *t, struct device *d)
{
    return !t || tensor_device(t) == d ? (t ? tensor_retain(t) : NULL) : operation_move(t, d->id);
}

/* Moves a result to a device. */
static int move_result(fl_value *v, struct device *d)
{
    for (uint32_t k = 0; k < tensors_of(v); k++) {
        fl_tensor *t = tensor_at(v, k), *y = moved(t, d);
        if (t && !y)
            return -1;
        tensor_release(t);
        if (v->tag == FL_TENSOR)
            v->as.tensor = y;
        else
            ((fl_tensor **)v->as.tensors)[k] = y;
    }
    return 0;
}

/* Copies a result into the tensor that was to be written, which takes its place. */
static int write_result(fl_value *v, fl_tensor *to)
{
    fl_tensor *y = v->as.tensor;
    if (!shape_equal(to, y) && tensor_resize_output(to, y->ndim, y->sizes))
        return -1;
    if (operation_copy_(to, y))
        return -1;
    *v = fl_tensor_value(tensor_retain(to));
    tensor_release(y);
    return 0;
}

int place_refuse_meta(const fl_op *f)
{
    return error_set(FL_NOT_IMPLEMENTED,
                     "aten::%s: attempted to run this operator with Meta tensors, but there was no "
                     "fake impl or Meta kernel registered.",
                     f->base);
}

int place_on_host(const fl_op *op, const fl_value *args, fl_value *results)
{
    const fl_op *f = op->function;
    fl_value host[OP_PARAMS + OP_RESULTS];
    fl_tensor **list[OP_PARAMS + OP_RESULTS] = {NULL};
    const int count = f->params + (op->form == FORM_OUT ? f->results : 0);
    struct device *d = place_of(f, count, args);
    if (!d)
        return -1;
    if (d->memory == DEVICE_NONE)
        return place_refuse_meta(f);
    int status = place_warn(f, d);
    for (int i = 0; i < count && status == 0; i++) {
        uint32_t n = tensors_of(&args[i]);
        host[i] = args[i];
        if (!n)
            continue;
        if (!(list[i] = memory_zalloc(sizeof(fl_tensor *) * n)))
            status = -1;
        for (uint32_t k = 0; k < n && status == 0; k++)
            if (tensor_at(&args[i], k) &&
                !(list[i][k] = moved(tensor_at(&args[i], k), &device_cpu)))
                status = -1;
        if (args[i].tag == FL_TENSOR && list[i])
            host[i].as.tensor = list[i][0];
        else
            host[i].as.tensors = list[i];
    }
    if (status == 0)
        status = op_call(op, host, results);
    const bool made = status == 0;
    /* What was written is the first argument, or those behind the parameters. */
    const int from = op->form == FORM_OUT ? f->params : 0;
    const bool writes = op->form != FORM_FUNCTION || op_writes(f);
    for (int k = 0; k < f->results && status == 0; k++)
        status = writes ? write_result(&results[k], args[from + k].as.tensor)
                        : move_result(&results[k], d);
    for (int k = 0; k < f->results && made && status; k++)
        fl_value_release(&results[k]);
    for (int i = 0; i < count; i++) {
        for (uint32_t k = 0; list[i] && k < tensors_of(&args[i]); k++)
            tensor_release(list[i][k]);
        memory_free(list[i], sizeof(fl_tensor *) * tensors_of(&args[i]));
    }
    return status;
}
