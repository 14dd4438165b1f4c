/* The devices of this process: a table of drivers, and what they have opened so far. */
#include "device/devices.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "core/error.h"

static const struct driver *const DRIVERS[FL_DEVICE_KINDS] = {
    [FL_CUDA] = &driver_cuda, [FL_OPENCL] = &driver_opencl, [FL_META] = &driver_meta};
static const char *const NAMES[FL_DEVICE_KINDS] = {"cpu", "cuda", "opencl", "meta"};
static struct device *opened[FL_DEVICE_KINDS][DEVICES_OF_A_KIND];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Devices that each driver counted, in this process or in the one that it was forked from. */
static _Atomic int counted[FL_DEVICE_KINDS];
static bool lost[FL_DEVICE_KINDS]; /* forked after its library was opened */

static void after_fork(void)
{
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* another thread may have held it */
    for (int kind = 0; kind < FL_DEVICE_KINDS; kind++)
        if (DRIVERS[kind] && DRIVERS[kind]->threads && counted[kind]) {
            lost[kind] = true;
            for (int i = 0; i < DEVICES_OF_A_KIND; i++)
                if (opened[kind][i])
                    device_lose(opened[kind][i]);
        }
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork);
}

const char *devices_functions(void *library, int count, const char *const *names, void *api)
{
    assert(library && count > 0);
    for (int i = 0; i < count; i++)
        if (!dlsym(library, names[i]))
            return names[i];
    for (int i = 0; i < count; i++) {
        void *function = dlsym(library, names[i]);
        memcpy((char *)api + (size_t)i * sizeof function, &function, sizeof function);
    }
    return NULL;
}

static struct device *refuse(fl_device id)
{
    if (id.kind == FL_CUDA && device_count(FL_CUDA) == 0) {
        error_set(FL_ASSERTION_ERROR, "Torch not compiled with CUDA enabled");
        error_hint("no CUDA device is available: use the device 'cpu', or 'cuda' only if "
                   "torch.cuda.is_available()",
                   "没有可用的 CUDA 设备：请使用设备 'cpu'，"
                   "或仅在 torch.cuda.is_available() 时使用 'cuda'");
        return NULL;
    }
    if (id.kind == FL_CUDA)
        return error_null(FL_RUNTIME_ERROR, "CUDA error: invalid device ordinal");
    return error_null(FL_RUNTIME_ERROR, "there is no device %s:%d: %d of them were found",
                      NAMES[id.kind], id.index, device_count(id.kind));
}

struct device *device_find(fl_device id)
{
    if (id.kind <= FL_CPU)
        return &device_cpu;
    if (id.kind >= FL_DEVICE_KINDS)
        return error_null(FL_RUNTIME_ERROR, "there is no device of kind %d", id.kind);
    if (id.index < 0 || id.index >= DEVICES_OF_A_KIND)
        return refuse(id);
    const struct driver *driver = DRIVERS[id.kind];
    const int count = device_count(id.kind);
    if (lost[id.kind]) {
        device_refuse_forked(id.kind);
        return NULL;
    }
    if (id.kind == FL_CUDA && id.index >= count)
        driver = NULL; /* PyTorch's words, below */
    pthread_mutex_lock(&lock);
    struct device **d = &opened[id.kind][id.index];
    if (!*d && driver)
        *d = driver->open(id.index);
    struct device *found = *d;
    pthread_mutex_unlock(&lock);
    return found || driver ? found : refuse(id);
}

void device_add(struct device *d)
{
    assert(d->id.kind > FL_CPU && d->id.kind < FL_DEVICE_KINDS && d->id.index >= 0);
    pthread_mutex_lock(&lock);
    opened[d->id.kind][d->id.index] = d;
    pthread_mutex_unlock(&lock);
}

int device_count(int kind)
{
    if (kind == FL_CPU)
        return 1;
    const struct driver *driver = kind > FL_CPU && kind < FL_DEVICE_KINDS ? DRIVERS[kind] : NULL;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!driver || lost[kind])
        return driver ? counted[kind] : 0;
    if (driver->threads)
        pthread_once(&once, watch_forks);
    const int count = driver->count();
    counted[kind] = count;
    return count;
}
