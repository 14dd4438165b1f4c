/* The CUDA driver: memory, copies, compiling, launching, through the driver API (libcuda.so.1), which
 * is opened on first use, and NVRTC.
 *
 * Addresses are CUDA's own pointers. Work is queued in the default stream of the device's primary
 * context, in order. What is given back waits for the next to ask (gpu.h): CUDA's own free may wait for all
 * work, and does not promise to, so it is called for want of memory alone, when nothing runs. */
#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "device/devices.h"
#include "device/gpu.h"
#include "device/nvrtc.h"

typedef struct cu_context *cu_context;
typedef struct cu_module *cu_module;
typedef struct cu_function *cu_function;
typedef struct cu_stream *cu_stream;
typedef uint64_t cu_address;

enum {
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    COMPUTE_CAPABILITY_MAJOR = 75,
    COMPUTE_CAPABILITY_MINOR = 76,
    LARGEST_GRID = 65535 /* of the second and third dim */
};

/* In the order of the names below. */
struct cuda_api {
    int (*init)(unsigned flags);
    int (*count)(int *count);
    int (*get)(int *device, int ordinal);
    int (*attribute)(int *value, int attribute, int device);
    int (*retain_context)(cu_context *c, int device);
    int (*set_context)(cu_context c);
    int (*allocate)(cu_address *a, size_t bytes);
    int (*free)(cu_address a);
    int (*write)(cu_address to, const void *from, size_t bytes);
    int (*read)(void *to, cu_address from, size_t bytes);
    int (*copy)(cu_address to, cu_address from, size_t bytes, cu_stream s);
    int (*fill8)(cu_address a, unsigned char value, size_t n, cu_stream s);
    int (*fill16)(cu_address a, unsigned short value, size_t n, cu_stream s);
    int (*fill32)(cu_address a, unsigned value, size_t n, cu_stream s);
    int (*fill_rows)(cu_address a, size_t pitch, unsigned value, size_t width, size_t rows,
                     cu_stream s);
    int (*synchronize)(cu_stream s);
    int (*load)(cu_module *m, const void *image);
    int (*function)(cu_function *f, cu_module m, const char *name);
    int (*launch)(cu_function f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                  unsigned bz, unsigned shared, cu_stream s, void **arguments, void **extra);
    int (*error_name)(int status, const char **name);
};
static const char *const FUNCTIONS[] = {"cuInit",
                                        "cuDeviceGetCount",
                                        "cuDeviceGet",
                                        "cuDeviceGetAttribute",
                                        "cuDevicePrimaryCtxRetain",
                                        "cuCtxSetCurrent",
                                        "cuMemAlloc_v2",
                                        "cuMemFree_v2",
                                        "cuMemcpyHtoD_v2",
                                        "cuMemcpyDtoH_v2",
                                        "cuMemcpyDtoDAsync_v2",
                                        "cuMemsetD8Async",
                                        "cuMemsetD16Async",
                                        "cuMemsetD32Async",
                                        "cuMemsetD2D32Async",
                                        "cuStreamSynchronize",
                                        "cuModuleLoadData",
                                        "cuModuleGetFunction",
                                        "cuLaunchKernel",
                                        "cuGetErrorName"};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS };
_Static_assert(sizeof(struct cuda_api) == FUNCTION_COUNT * sizeof(void *), "one name a function");

static struct {
    pthread_once_t once;
    int count;
    struct cuda_api api;
} library = {.once = PTHREAD_ONCE_INIT};

/* A block that nobody has, in the list of its class; or room for one, in that of none. */
struct spare {
    cu_address address;
    int next; /* -1: the last */
};

struct cuda_device {
    struct gpu gpu;
    cu_context context;
    int major, minor;
    pthread_mutex_t lock; /* of what follows */
    struct spare *spare;
    int count, none, free[GPU_CLASSES];
};

struct gpu_kernel {
    cu_function function;
};

static struct cuda_device *of(struct device *d)
{
    return (struct cuda_device *)d;
}

static int failed(const char *what, int status)
{
    const char *name = "an unknown error";
    library.api.error_name(status, &name);
    return error_set(status == CUDA_ERROR_OUT_OF_MEMORY ? FL_OUT_OF_MEMORY : FL_RUNTIME_ERROR,
                     "CUDA error: %s gave %s (%d)", what, name, status);
}

/* Threads have a current context each. */
static int enter(struct device *d)
{
    int status = library.api.set_context(of(d)->context);
    return status ? failed("cuCtxSetCurrent", status) : 0;
}

/* ---- memory ---- */

/* Moves the first of one list to the front of another. */
static struct spare *move(struct cuda_device *c, int *from, int *to)
{
    assert(*from >= 0 && *from < c->count);
    const int at = *from;
    *from = c->spare[at].next;
    c->spare[at].next = *to;
    *to = at;
    return &c->spare[at];
}

/* Puts room for more blocks into the list of none. 0, or -1 without an error. */
static int add_room(struct cuda_device *c)
{
    const int more = c->count ? c->count : 64;
    struct spare *larger = realloc(c->spare, (size_t)(c->count + more) * sizeof *larger);
    if (!larger)
        return -1;
    c->spare = larger;
    for (int i = c->count; i < c->count + more; i++)
        larger[i].next = c->none, c->none = i;
    c->count += more;
    return 0;
}

/* Gives CUDA all blocks that nobody has. */
static void drop_spare(struct cuda_device *c)
{
    if (library.api.synchronize(NULL))
        return;
    for (int class = 0; class < GPU_CLASSES; class++)
        while (c->free[class] >= 0)
            library.api.free(move(c, &c->free[class], &c->none)->address);
}

static void *allocate(struct device *d, size_t bytes)
{
    struct cuda_device *c = of(d);
    const int class = gpu_class_of(bytes);
    cu_address a = 0;
    int status = 0;
    if (class < 0)
        return error_null(FL_OUT_OF_MEMORY, "CUDA cannot hold %zu bytes", bytes);
    if (enter(d))
        return NULL;
    pthread_mutex_lock(&c->lock);
    if (c->free[class] >= 0) {
        a = move(c, &c->free[class], &c->none)->address;
    } else if ((status = library.api.allocate(&a, gpu_class_size(class)))) {
        drop_spare(c);
        status = library.api.allocate(&a, gpu_class_size(class));
    }
    pthread_mutex_unlock(&c->lock);
    if (!status)
        return (void *)(uintptr_t)a;
    failed("cuMemAlloc", status);
    error_context("asked for %zu bytes", "请求了 %zu 字节", bytes);
    return NULL;
}

static void give_back(struct device *d, void *address, size_t bytes)
{
    struct cuda_device *c = of(d);
    const int class = gpu_class_of(bytes);
    assert(class >= 0);
    pthread_mutex_lock(&c->lock);
    if (c->none >= 0 || add_room(c) == 0)
        move(c, &c->none, &c->free[class])->address = (uintptr_t)address;
    else if (library.api.set_context(c->context) == 0 && library.api.synchronize(NULL) == 0)
        library.api.free((uintptr_t)address);
    pthread_mutex_unlock(&c->lock);
}

static int read(struct device *d, void *to, const void *address, size_t bytes)
{
    int status = enter(d) ? -1 : library.api.read(to, (uintptr_t)address, bytes);
    return status > 0 ? failed("cuMemcpyDtoH", status) : status;
}

static int write(struct device *d, void *address, const void *from, size_t bytes)
{
    int status = enter(d) ? -1 : library.api.write((uintptr_t)address, from, bytes);
    return status > 0 ? failed("cuMemcpyHtoD", status) : status;
}

static int copy(struct device *d, void *to, const void *from, size_t bytes)
{
    int status = enter(d) ? -1 : library.api.copy((uintptr_t)to, (uintptr_t)from, bytes, NULL);
    return status > 0 ? failed("cuMemcpyDtoD", status) : status;
}

/* Whether an element is the same 4 bytes again and again, as 0 is. */
static bool is_repeated(const void *element, size_t size)
{
    return size % 4 == 0 && memcmp(element, (const char *)element + 4, size - 4) == 0;
}

/* Elements of more than 4 bytes that differ among themselves by columns of 4: each is a set of rows. */
static int fill(struct device *d, void *address, const void *element, size_t size, size_t count)
{
    const cu_address a = (uintptr_t)address;
    uint16_t two;
    uint32_t four;
    int status = enter(d);
    if (status || !count)
        return status;
    if (size == 1)
        status = library.api.fill8(a, *(const unsigned char *)element, count, NULL);
    if (size == 2) {
        memcpy(&two, element, sizeof two);
        status = library.api.fill16(a, two, count, NULL);
    }
    const bool repeated = is_repeated(element, size);
    for (size_t at = 0; size >= 4 && at < (repeated ? 4 : size) && !status; at += 4) {
        memcpy(&four, (const char *)element + at, sizeof four);
        status = repeated ? library.api.fill32(a, four, size / 4 * count, NULL)
                          : library.api.fill_rows(a + at, size, four, 1, count, NULL);
    }
    return status ? failed("cuMemset", status) : 0;
}

static int wait(struct device *d)
{
    int status = enter(d) ? -1 : library.api.synchronize(NULL);
    return status > 0 ? failed("cuStreamSynchronize", status) : status;
}

/* ---- kernels ---- */

static struct gpu_kernel *compile(struct gpu *g, int count, const char *const *texts,
                                  const char *name)
{
    struct cuda_device *c = of(&g->device);
    size_t size;
    cu_module m;
    if (enter(&g->device))
        return NULL;
    char *code = nvrtc_compile(count, texts, c->major, c->minor, &size);
    if (!code)
        return NULL;
    struct gpu_kernel *k = malloc(sizeof *k);
    int status = k ? library.api.load(&m, code) : 0;
    if (!k)
        error_set(FL_OUT_OF_MEMORY, "out of memory for a kernel");
    else if (!status)
        status = library.api.function(&k->function, m, name); /* the module lives on */
    free(code);
    if (status) {
        failed("cuModuleLoadData", status);
        free(k);
        k = NULL;
    }
    return k;
}

static int launch(struct gpu *g, struct gpu_kernel *k, const struct gpu_launch *l)
{
    void *arguments[2 * GPU_ARGUMENTS];
    cu_address addresses[GPU_ARGUMENTS];
    static int64_t no_offset;
    unsigned block[3] = {1, 1, 1}, grid[3] = {1, 1, 1};
    int at = 0;
    for (int i = 0; i < l->count; i++) {
        const struct gpu_argument *a = &l->argument[i];
        if (a->size) {
            arguments[at++] = (void *)a->data;
            continue;
        }
        addresses[i] = (uintptr_t)a->data;
        arguments[at++] = &addresses[i];
        arguments[at++] = &no_offset;
    }
    for (int d = 0; d < l->dims; d++) {
        size_t groups = l->global[d] / l->local[d];
        if (groups > (d ? LARGEST_GRID : INT32_MAX))
            return error_set(FL_RUNTIME_ERROR, "%s is too large for one launch on CUDA", l->name);
        block[d] = (unsigned)l->local[d], grid[d] = (unsigned)groups;
    }
    if (enter(&g->device))
        return -1;
    int status = library.api.launch(k->function, grid[0], grid[1], grid[2], block[0], block[1],
                                    block[2], 0, NULL, arguments, NULL);
    return status ? failed("cuLaunchKernel", status) : 0;
}

/* ---- the driver ---- */

static void open_library(void)
{
    void *handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle || devices_functions(handle, FUNCTION_COUNT, FUNCTIONS, &library.api))
        return;
    if (library.api.init(0) || library.api.count(&library.count))
        library.count = 0;
}

static int count(void)
{
    pthread_once(&library.once, open_library);
    return library.count;
}

static struct device *open_device(int index)
{
    int device;
    const char *what = "cuDeviceGet";
    if (nvrtc_open())
        return NULL;
    struct cuda_device *c = calloc(1, sizeof *c);
    if (!c)
        return error_null(FL_OUT_OF_MEMORY, "out of memory for a device");
    int status = library.api.get(&device, index);
    if (!status && (what = "cuDevicePrimaryCtxRetain"))
        status = library.api.retain_context(&c->context, device);
    if (!status && (what = "cuDeviceGetAttribute"))
        status = library.api.attribute(&c->major, COMPUTE_CAPABILITY_MAJOR, device);
    if (!status)
        status = library.api.attribute(&c->minor, COMPUTE_CAPABILITY_MINOR, device);
    pthread_mutex_init(&c->lock, NULL);
    c->none = -1;
    for (int class = 0; class < GPU_CLASSES; class++)
        c->free[class] = -1;
    c->gpu = (struct gpu){.device = {.allocate = allocate,
                                     .free = give_back,
                                     .read = read,
                                     .write = write,
                                     .copy = copy,
                                     .fill = fill,
                                     .wait = wait},
                          .prelude = gpu_text_cuda,
                          .compile = compile,
                          .launch = launch};
    if (status)
        failed(what, status);
    if (status || gpu_set_up(&c->gpu, driver_cuda.name, (fl_device){FL_CUDA, (int16_t)index})) {
        pthread_mutex_destroy(&c->lock);
        free(c);
        return NULL;
    }
    return &c->gpu.device;
}

const struct driver driver_cuda = {"cuda", true, count, open_device};
