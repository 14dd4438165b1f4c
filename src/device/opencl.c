/* The OpenCL driver: memory, copies, compiling, launching.
 *
 * OpenCL has handles where the seam (core/device.h) wants addresses. The driver reserves one range
 * of address space without access and gives out blocks of it, each with a buffer of its size
 * behind; from an address the block is found by halving, since blocks lie in the order in which
 * they were made. Blocks that are given back wait in lists by size for the next to ask: the queue
 * is in order, so what still runs on a block ends before anything new begins.
 *
 * One lock guards all of it: setting a kernel's arguments and launching it are several calls.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/memory.h"
#include "device/devices.h"
#include "device/gpu.h"
#include "device/opencl_api.h"

struct block {
    char *address;
    size_t size;
    cl_memory memory; /* NULL: its memory went back to the driver */
    int next;         /* of the same class, free; -1: none */
};

struct opencl_device {
    struct gpu gpu;
    struct opencl *cl;
    pthread_mutex_t lock;
    char *range, *range_end, *next; /* reserved addresses, and the first one not given out */
    struct block *blocks;
    int count, room, free[GPU_CLASSES];
};

struct gpu_kernel {
    cl_kernel kernel;
};

static struct opencl_device *of(struct device *d)
{
    return (struct opencl_device *)d;
}

/* ---- memory ---- */

static int reserve(struct opencl_device *o)
{
    for (int log2 = 42; log2 >= 32; log2 -= 2) {
        size_t bytes = (size_t)1 << log2;
        void *range =
            mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (range != MAP_FAILED) {
            o->range = o->next = range;
            o->range_end = o->range + bytes;
            return 0;
        }
    }
    return error_set(FL_OUT_OF_MEMORY, "no address space for OpenCL's buffers");
}

/* Gives the driver the memory of all free blocks. */
static void drop_free(struct opencl_device *o)
{
    for (int class = 0; class < GPU_CLASSES; class++)
        for (int b = o->free[class]; b >= 0; b = o->blocks[b].next)
            if (o->blocks[b].memory) {
                o->cl->api.release_memory(o->blocks[b].memory);
                o->blocks[b].memory = NULL;
            }
}

static int new_block(struct opencl_device *o, size_t size)
{
    if (o->count == o->room) {
        int room = o->room ? 2 * o->room : 64;
        struct block *larger = realloc(o->blocks, (size_t)room * sizeof *larger);
        if (!larger)
            return error_set(FL_OUT_OF_MEMORY, "out of memory for the list of OpenCL's buffers");
        o->blocks = larger, o->room = room;
    }
    if ((size_t)(o->range_end - o->next) < size)
        return error_set(FL_OUT_OF_MEMORY, "no address space left for OpenCL's buffers");
    o->blocks[o->count] = (struct block){.address = o->next, .size = size, .next = -1};
    o->next += size;
    return o->count++;
}

static int give_memory(struct opencl_device *o, struct block *b)
{
    int status = 0;
    const struct opencl_api *api = &o->cl->api;
    b->memory = api->create_buffer(o->cl->context, CL_MEM_READ_WRITE, b->size, NULL, &status);
    if (!b->memory) {
        drop_free(o);
        b->memory = api->create_buffer(o->cl->context, CL_MEM_READ_WRITE, b->size, NULL, &status);
    }
    if (b->memory)
        return 0;
    opencl_failed(o->cl, "clCreateBuffer", status);
    return error_context("asked for %zu bytes", "请求了 %zu 字节", b->size);
}

static void *allocate(struct device *d, size_t bytes)
{
    struct opencl_device *o = of(d);
    int class = gpu_class_of(bytes);
    void *address = NULL;
    if (class < 0)
        return error_null(FL_OUT_OF_MEMORY, "OpenCL cannot hold %zu bytes", bytes);
    pthread_mutex_lock(&o->lock);
    int b = o->free[class];
    if (b >= 0)
        o->free[class] = o->blocks[b].next;
    else
        b = new_block(o, gpu_class_size(class));
    if (b >= 0 && !o->blocks[b].memory && give_memory(o, &o->blocks[b])) {
        o->blocks[b].next = o->free[class]; /* the address range stays for another time */
        o->free[class] = b;
    } else if (b >= 0) {
        address = o->blocks[b].address;
    }
    pthread_mutex_unlock(&o->lock);
    return address;
}

/* The block of an address; its offset there in *offset. */
static struct block *find(const struct opencl_device *o, const void *address, size_t *offset)
{
    int low = 0, high = o->count - 1;
    assert(o->count);
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (o->blocks[middle].address <= (const char *)address)
            low = middle;
        else
            high = middle - 1;
    }
    *offset = (size_t)((const char *)address - o->blocks[low].address);
    assert(*offset <= o->blocks[low].size && o->blocks[low].memory);
    return &o->blocks[low];
}

static void give_back(struct device *d, void *address, size_t bytes)
{
    struct opencl_device *o = of(d);
    size_t offset;
    (void)bytes;
    pthread_mutex_lock(&o->lock);
    struct block *b = find(o, address, &offset);
    int class = gpu_class_of(b->size);
    assert(offset == 0);
    b->next = o->free[class];
    o->free[class] = (int)(b - o->blocks);
    pthread_mutex_unlock(&o->lock);
}

static int read(struct device *d, void *to, const void *address, size_t bytes)
{
    struct opencl_device *o = of(d);
    size_t offset;
    pthread_mutex_lock(&o->lock);
    struct block *b = find(o, address, &offset);
    int status =
        o->cl->api.read_buffer(o->cl->queue, b->memory, 1, offset, bytes, to, 0, NULL, NULL);
    pthread_mutex_unlock(&o->lock);
    return status ? opencl_failed(o->cl, "clEnqueueReadBuffer", status) : 0;
}

static int write(struct device *d, void *address, const void *from, size_t bytes)
{
    struct opencl_device *o = of(d);
    size_t offset;
    pthread_mutex_lock(&o->lock);
    struct block *b = find(o, address, &offset);
    int status =
        o->cl->api.write_buffer(o->cl->queue, b->memory, 1, offset, bytes, from, 0, NULL, NULL);
    pthread_mutex_unlock(&o->lock);
    return status ? opencl_failed(o->cl, "clEnqueueWriteBuffer", status) : 0;
}

static int copy(struct device *d, void *to, const void *from, size_t bytes)
{
    struct opencl_device *o = of(d);
    size_t to_offset, from_offset;
    pthread_mutex_lock(&o->lock);
    struct block *source = find(o, from, &from_offset), *b = find(o, to, &to_offset);
    int status = o->cl->api.copy_buffer(o->cl->queue, source->memory, b->memory, from_offset,
                                        to_offset, bytes, 0, NULL, NULL);
    pthread_mutex_unlock(&o->lock);
    return status ? opencl_failed(o->cl, "clEnqueueCopyBuffer", status) : 0;
}

static int fill(struct device *d, void *address, const void *element, size_t size, size_t count)
{
    struct opencl_device *o = of(d);
    size_t offset;
    if (!count)
        return 0;
    pthread_mutex_lock(&o->lock);
    struct block *b = find(o, address, &offset);
    int status = o->cl->api.fill_buffer(o->cl->queue, b->memory, element, size, offset,
                                        size * count, 0, NULL, NULL);
    pthread_mutex_unlock(&o->lock);
    return status ? opencl_failed(o->cl, "clEnqueueFillBuffer", status) : 0;
}

static int wait(struct device *d)
{
    struct opencl_device *o = of(d);
    int status = o->cl->api.finish(o->cl->queue);
    return status ? opencl_failed(o->cl, "clFinish", status) : 0;
}

/* ---- kernels ---- */

/* The compiler's words, the first of them, as context of the error. */
static void show_log(struct opencl_device *o, cl_program program)
{
    char log[1500] = "";
    size_t size = 0;
    const struct opencl_api *api = &o->cl->api;
    api->get_build_info(program, o->cl->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *whole = size ? malloc(size + 1) : NULL;
    if (whole &&
        api->get_build_info(program, o->cl->device, CL_PROGRAM_BUILD_LOG, size, whole, NULL) == 0) {
        whole[size] = 0;
        snprintf(log, sizeof log, "%s", whole);
    }
    free(whole);
    error_context("the compiler says: %s", "编译器的信息：%s", log);
}

static struct gpu_kernel *compile(struct gpu *g, int count, const char *const *texts,
                                  const char *name)
{
    struct opencl_device *o = of(&g->device);
    const struct opencl_api *api = &o->cl->api;
    struct gpu_kernel *k = NULL;
    int status = 0;
    pthread_mutex_lock(&o->lock);
    cl_program p =
        api->create_program(o->cl->context, (unsigned)count, (const char **)texts, NULL, &status);
    if (!p) {
        opencl_failed(o->cl, "clCreateProgramWithSource", status);
    } else if ((status = api->build_program(p, 1, &o->cl->device, o->cl->options, NULL, NULL))) {
        opencl_failed(o->cl, "clBuildProgram", status);
        show_log(o, p);
    } else if ((k = malloc(sizeof *k)) && !(k->kernel = api->create_kernel(p, name, &status))) {
        opencl_failed(o->cl, "clCreateKernel", status);
        free(k);
        k = NULL;
    } else if (!k) {
        error_set(FL_OUT_OF_MEMORY, "out of memory for a kernel");
    }
    if (p)
        api->release_program(p); /* the kernel holds it */
    pthread_mutex_unlock(&o->lock);
    return k;
}

/* A buffer is two arguments of the kernel: the handle, and the offset in bytes. */
static int set_arguments(struct opencl_device *o, cl_kernel k, const struct gpu_launch *l)
{
    const struct opencl_api *api = &o->cl->api;
    unsigned at = 0;
    int status = 0;
    assert(l->count <= GPU_ARGUMENTS);
    for (int i = 0; i < l->count && !status; i++) {
        const struct gpu_argument *a = &l->argument[i];
        if (a->size) {
            status = api->set_argument(k, at++, a->size, a->data);
            continue;
        }
        size_t offset = 0;
        cl_memory memory = a->data ? find(o, a->data, &offset)->memory : NULL;
        int64_t bytes = (int64_t)offset;
        status = api->set_argument(k, at++, sizeof memory, &memory);
        if (!status)
            status = api->set_argument(k, at++, sizeof bytes, &bytes);
    }
    return status;
}

static int launch(struct gpu *g, struct gpu_kernel *k, const struct gpu_launch *l)
{
    struct opencl_device *o = of(&g->device);
    pthread_mutex_lock(&o->lock);
    const char *what = "clSetKernelArg";
    int status = set_arguments(o, k->kernel, l);
    if (!status) {
        what = "clEnqueueNDRangeKernel";
        status = o->cl->api.run_kernel(o->cl->queue, k->kernel, (unsigned)l->dims, NULL, l->global,
                                       l->local, 0, NULL, NULL);
    }
    pthread_mutex_unlock(&o->lock);
    if (!status)
        return 0;
    opencl_failed(o->cl, what, status);
    return error_context("in the kernel of %s", "出错的内核属于 %s", l->name);
}

/* ---- the driver ---- */

static int count(void)
{
    struct error_state *before = error_save(); /* the caller's */
    int found = opencl_count();
    if (found < 0)
        fl_error_clear();
    error_restore(before);
    return found < 0 ? 0 : found;
}

static struct device *open_device(int index)
{
    struct opencl *cl = opencl_open(index);
    struct opencl_device *o = cl ? calloc(1, sizeof *o) : NULL;
    if (!o)
        return cl ? error_null(FL_OUT_OF_MEMORY, "out of memory for a device") : NULL;
    o->cl = cl;
    pthread_mutex_init(&o->lock, NULL);
    for (int class = 0; class < GPU_CLASSES; class++)
        o->free[class] = -1;
    o->gpu = (struct gpu){.device = {.allocate = allocate,
                                     .free = give_back,
                                     .read = read,
                                     .write = write,
                                     .copy = copy,
                                     .fill = fill,
                                     .wait = wait},
                          .prelude = gpu_text_opencl,
                          .compile = compile,
                          .launch = launch};
    if (reserve(o) == 0 &&
        gpu_set_up(&o->gpu, driver_opencl.name, (fl_device){FL_OPENCL, (int16_t)index}) == 0)
        return &o->gpu.device;
    if (o->range)
        munmap(o->range, (size_t)(o->range_end - o->range));
    pthread_mutex_destroy(&o->lock);
    free(o);
    return NULL;
}

const struct driver driver_opencl = {"opencl", true, count, open_device};
