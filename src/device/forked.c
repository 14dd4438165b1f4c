/* What a device becomes in a forked process.
 *
 * A driver's library has threads, and a fork takes none of them along: whoever waits for one in the
 * child waits for ever, and a lock that another thread held stays shut. So in the child every
 * function of such a device refuses at once, and memory that is freed is left alone. */
#include "core/error.h"
#include "device/devices.h"

int device_refuse_forked(int kind)
{
    const char *name = kind == FL_CUDA ? "CUDA" : "OpenCL";
    return error_set(FL_RUNTIME_ERROR,
                     "Cannot re-initialize %s in forked subprocess. To use %s with "
                     "multiprocessing, you must use the 'spawn' start method",
                     name, name);
}

static void *allocate(struct device *d, size_t bytes)
{
    (void)bytes;
    device_refuse_forked(d->id.kind);
    return NULL;
}

static void leave(struct device *d, void *address, size_t bytes)
{
    (void)d, (void)address, (void)bytes;
}

static int copy(struct device *d, void *to, const void *from, size_t bytes)
{
    (void)to, (void)from, (void)bytes;
    return device_refuse_forked(d->id.kind);
}

static int fill(struct device *d, void *address, const void *element, size_t size, size_t count)
{
    (void)address, (void)element, (void)size, (void)count;
    return device_refuse_forked(d->id.kind);
}

static int wait(struct device *d)
{
    return device_refuse_forked(d->id.kind);
}

static int pointwise(struct device *d, const struct device_loop *loop)
{
    (void)loop;
    return device_refuse_forked(d->id.kind);
}

static int reduce(struct device *d, const struct device_reduction *reduction)
{
    (void)reduction;
    return device_refuse_forked(d->id.kind);
}

static int convert(struct device *d, fl_tensor *to, const fl_tensor *from)
{
    (void)to, (void)from;
    return device_refuse_forked(d->id.kind);
}

static int kernel(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y)
{
    (void)name, (void)args, (void)y;
    return device_refuse_forked(d->id.kind);
}

void device_lose(struct device *d)
{
    d->allocate = allocate, d->free = leave;
    d->read = d->write = d->copy = copy;
    d->fill = fill, d->wait = wait;
    d->pointwise = pointwise, d->reduce = reduce;
    d->convert = convert, d->kernel = kernel;
}
