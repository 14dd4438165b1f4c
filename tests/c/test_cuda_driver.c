/* The CUDA driver (src/device/cuda.c) on a CUDA that is played: memory is the host's, kernels do nothing
 * but are written down. What is asked of the driver API is checked as the real one would. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>

#define dlopen            played_open
#define devices_functions played_functions
#define nvrtc_open        played_nvrtc
#define nvrtc_compile     played_compile
#define driver_cuda       played_cuda

static void *played_open(const char *name, int flags);
static const char *played_functions(void *library, int count, const char *const *names, void *api);
static int played_nvrtc(void);
static char *played_compile(int count, const char *const *texts, int major, int minor,
                            size_t *size);
#include "../../src/device/cuda.c"

/* ---- the played CUDA ---- */

enum { CONTEXT = 77, FEW = 64 };
static __thread uintptr_t current; /* context */
static int blocks, allocations, frees, waits, launches, most_blocks = FEW;
static struct {
    unsigned grid[3], block[3];
    cu_address address[2];
    int64_t offset[2], number;
} launched;

static int is_here(void)
{
    return CHECK(current == CONTEXT);
}

static int init(unsigned flags)
{
    return flags ? 1 : 0;
}
static int devices(int *count)
{
    *count = 1;
    return 0;
}
static int get(int *device, int ordinal)
{
    *device = 5;
    return ordinal == 0 ? 0 : 101;
}
static int attribute(int *value, int which, int device)
{
    *value = which == 75 ? 9 : which == 76 ? 0 : -1;
    return device == 5 && *value >= 0 ? 0 : 1;
}
static int retain_context(cu_context *c, int device)
{
    *c = (cu_context)(uintptr_t)CONTEXT;
    return device == 5 ? 0 : 1;
}
static int set_context(cu_context c)
{
    current = (uintptr_t)c;
    return 0;
}
static int get_memory(cu_address *a, size_t bytes)
{
    is_here();
    allocations++;
    if (blocks == most_blocks)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *a = (uintptr_t)malloc(bytes);
    blocks++;
    return 0;
}
static int free_memory(cu_address a)
{
    is_here();
    CHECK(waits > 0); /* nothing may run on it */
    free((void *)(uintptr_t)a);
    blocks--, frees++;
    return 0;
}
static int to_device(cu_address to, const void *from, size_t bytes)
{
    memcpy((void *)(uintptr_t)to, from, bytes);
    return !is_here();
}
static int to_host(void *to, cu_address from, size_t bytes)
{
    memcpy(to, (const void *)(uintptr_t)from, bytes);
    return !is_here();
}
static int within(cu_address to, cu_address from, size_t bytes, cu_stream s)
{
    memcpy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
    return !is_here() || s;
}
static int fill8(cu_address a, unsigned char value, size_t n, cu_stream s)
{
    memset((void *)(uintptr_t)a, value, n);
    return !is_here() || s;
}
static int fill16(cu_address a, unsigned short value, size_t n, cu_stream s)
{
    CHECK(a % 2 == 0);
    for (size_t i = 0; i < n; i++)
        ((uint16_t *)(uintptr_t)a)[i] = value;
    return !is_here() || s;
}
static int fill32(cu_address a, unsigned value, size_t n, cu_stream s)
{
    CHECK(a % 4 == 0);
    for (size_t i = 0; i < n; i++)
        ((uint32_t *)(uintptr_t)a)[i] = value;
    return !is_here() || s;
}
static int fill_rows(cu_address a, size_t pitch, unsigned value, size_t width, size_t rows,
                     cu_stream s)
{
    CHECK(a % 4 == 0 && pitch % 4 == 0 && width * 4 <= pitch);
    for (size_t i = 0; i < rows; i++)
        fill32(a + i * pitch, value, width, s);
    return s ? 1 : 0;
}
static int synchronize(cu_stream s)
{
    waits++;
    return !is_here() || s;
}
static int load(cu_module *m, const void *image)
{
    *m = (cu_module)(uintptr_t)3;
    return !is_here() || strcmp(image, "code") != 0;
}
static int function(cu_function *f, cu_module m, const char *name)
{
    *f = (cu_function)(uintptr_t)4;
    return m == (cu_module)(uintptr_t)3 && name ? 0 : 1;
}
/* Of two buffers and a number. */
static int launch_kernel(cu_function f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                         unsigned by, unsigned bz, unsigned shared, cu_stream s, void **arguments,
                         void **extra)
{
    launched.grid[0] = gx, launched.grid[1] = gy, launched.grid[2] = gz;
    launched.block[0] = bx, launched.block[1] = by, launched.block[2] = bz;
    for (int i = 0; i < 2; i++) {
        launched.address[i] = *(cu_address *)arguments[2 * i];
        launched.offset[i] = *(int64_t *)arguments[2 * i + 1];
    }
    launched.number = *(int64_t *)arguments[4];
    launches++;
    CHECK(gy <= LARGEST_GRID && gz <= LARGEST_GRID && bx * by * bz <= 1024);
    return !is_here() || f != (cu_function)(uintptr_t)4 || shared || s || extra;
}
static int error_name(int status, const char **name)
{
    *name = status == CUDA_ERROR_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR";
    return 0;
}

static void *played_open(const char *name, int flags)
{
    CHECK_TEXT(name, "libcuda.so.1");
    return flags ? &library : NULL;
}

static const char *played_functions(void *from, int count, const char *const *names, void *api)
{
    CHECK(from && count == FUNCTION_COUNT && strcmp(names[count - 1], "cuGetErrorName") == 0);
    *(struct cuda_api *)api = (struct cuda_api){
        init,        devices,     get,     attribute, retain_context, set_context, get_memory,
        free_memory, to_device,   to_host, within,    fill8,          fill16,      fill32,
        fill_rows,   synchronize, load,    function,  launch_kernel,  error_name};
    return NULL;
}

static int played_nvrtc(void)
{
    return 0;
}

static char *played_compile(int n, const char *const *texts, int major, int minor, size_t *size)
{
    CHECK(n > 0 && texts[0] && major == 9 && minor == 0);
    *size = 4;
    return strdup("code");
}

/* ---- what is asked of it ---- */

static void *in_a_thread(void *d)
{
    void *a = ((struct device *)d)->allocate(d, 100);
    CHECK(a);
    ((struct device *)d)->free(d, a, 100);
    return NULL;
}

static void memory(struct device *d)
{
    static const double ONE = 1.5;
    const int64_t minus = -1;
    double seen[3] = {0};
    int64_t whole[3] = {0};
    char *a = d->allocate(d, sizeof seen), *b = d->allocate(d, 16);
    REQUIRE(a && b);
    CHECK(d->fill(d, a, &ONE, sizeof ONE, 3) == 0 && d->read(d, seen, a, sizeof seen) == 0);
    CHECK(seen[0] == 1.5 && seen[2] == 1.5);
    CHECK(d->fill(d, a, &minus, sizeof minus, 3) == 0 && d->read(d, whole, a, sizeof whole) == 0);
    CHECK(whole[0] == -1 && whole[2] == -1);
    for (size_t size = 1; size <= 16; size *= 2) { /* of every size, beside what stays */
        unsigned char element[16], got[48];
        for (size_t i = 0; i < size; i++)
            element[i] = (unsigned char)(i + 1);
        char *c = d->allocate(d, 3 * size);
        CHECK(d->fill(d, c, element, size, 3) == 0 && d->read(d, got, c, 3 * size) == 0);
        CHECK(memcmp(got, element, size) == 0 && memcmp(got + 2 * size, element, size) == 0);
        d->free(d, c, 3 * size);
    }
    CHECK(d->write(d, b, "0123456789", 10) == 0 && d->copy(d, a, b + 2, 8) == 0);
    CHECK(d->read(d, seen, a, 8) == 0 && memcmp(seen, "23456789", 8) == 0);
    CHECK(d->wait(d) == 0);
    d->free(d, a, sizeof seen), d->free(d, b, 16);
}

/* What is given back is given out again, and given to CUDA where it has no more. */
static void keeping(struct device *d)
{
    void *a[2 * FEW], *first = d->allocate(d, 5000);
    d->free(d, first, 5000);
    const int before = allocations;
    CHECK(d->allocate(d, 4900) == first && allocations == before && frees == 0);
    d->free(d, first, 4900);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_a_thread, d) == 0 && pthread_join(thread, NULL) == 0);
    for (int i = 0; i < FEW; i++) /* of a class that nobody has given back */
        CHECK(a[i] = d->allocate(d, 100000));
    CHECK(blocks == FEW && frees > 0);
    CHECK(!d->allocate(d, 100000) && fl_error() == FL_OUT_OF_MEMORY);
    CHECK(strstr(fl_error_message(), "CUDA error: cuMemAlloc gave CUDA_ERROR_OUT_OF_MEMORY (2)"));
    fl_error_clear();
    for (int i = 0; i < FEW; i++)
        d->free(d, a[i], 100000);
    most_blocks = 2 * FEW;
    for (int i = 0; i < 2 * FEW; i++)
        CHECK(a[i] = d->allocate(d, 100000));
    CHECK(blocks == 2 * FEW);
    for (int i = 0; i < 2 * FEW; i++)
        d->free(d, a[i], 100000);
    CHECK(!d->allocate(d, SIZE_MAX) && fl_error() == FL_OUT_OF_MEMORY);
    fl_error_clear();
}

static void kernels(struct device *d)
{
    const int64_t number = 12;
    struct gpu_launch l = {.name = "it", .dims = 2, .global = {640, 64}, .local = {64, 4}};
    char *a = d->allocate(d, 64);
    const char *text = "text";
    struct gpu_kernel *k = gpu_of(d)->compile(gpu_of(d), 1, &text, "it");
    REQUIRE(k);
    gpu_buffer(&l, a + 8);
    gpu_buffer(&l, NULL);
    gpu_bytes(&l, &number, sizeof number);
    CHECK(gpu_of(d)->launch(gpu_of(d), k, &l) == 0 && launches == 1);
    CHECK(launched.grid[0] == 10 && launched.grid[1] == 16 && launched.grid[2] == 1);
    CHECK(launched.block[0] == 64 && launched.block[1] == 4 && launched.block[2] == 1);
    CHECK(launched.address[0] == (uintptr_t)a + 8 && !launched.address[1] && !launched.offset[0]);
    CHECK(launched.number == 12);
    l.global[1] = (size_t)4 * (LARGEST_GRID + 1);
    CHECK(gpu_of(d)->launch(gpu_of(d), k, &l) == -1 && launches == 1);
    CHECK(strstr(fl_error_message(), "it is too large for one launch on CUDA"));
    fl_error_clear();
    free(k);
    d->free(d, a, 64);
}

int main(void)
{
    REQUIRE(played_cuda.count() == 1);
    struct device *d = played_cuda.open(0);
    REQUIRE(d);
    CHECK_TEXT(d->name, "cuda:0");
    CHECK(!played_cuda.open(1) && fl_error() == FL_RUNTIME_ERROR);
    CHECK(strstr(fl_error_message(), "CUDA error: cuDeviceGet gave CUDA_ERROR (101)"));
    fl_error_clear();
    current = 0;
    memory(d);
    kernels(d);
    keeping(d);
    drop_spare((struct cuda_device *)(void *)d);
    CHECK(blocks == 0);
    free(((struct cuda_device *)(void *)d)->spare);
    free(gpu_of(d)->table);
    free(d);
    return check_result();
}
