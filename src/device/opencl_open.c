/* Opening OpenCL: the loader, the devices of all its platforms, a context and a queue for each that
 * is used.
 *
 * A device must have float64 (cl_khr_fp64), in which some functions of float32 are computed too.
 * Devices are numbered in the order of the loader's platforms.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "device/devices.h"
#include "device/opencl_api.h"

enum { MOST_DEVICES = 16, MOST_PLATFORMS = 16 };

/* In the order of struct opencl_api. */
static const char *const FUNCTIONS[] = {"clGetPlatformIDs",
                                        "clGetDeviceIDs",
                                        "clGetDeviceInfo",
                                        "clCreateContext",
                                        "clReleaseContext",
                                        "clCreateCommandQueue",
                                        "clCreateBuffer",
                                        "clReleaseMemObject",
                                        "clEnqueueReadBuffer",
                                        "clEnqueueWriteBuffer",
                                        "clEnqueueCopyBuffer",
                                        "clEnqueueFillBuffer",
                                        "clCreateProgramWithSource",
                                        "clBuildProgram",
                                        "clGetProgramBuildInfo",
                                        "clReleaseProgram",
                                        "clCreateKernel",
                                        "clSetKernelArg",
                                        "clEnqueueNDRangeKernel",
                                        "clFinish"};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS };
_Static_assert(sizeof(struct opencl_api) == FUNCTION_COUNT * sizeof(void *), "one name a function");

static struct {
    pthread_mutex_t lock;
    bool tried;
    void *loader;
    const char *missing; /* a function that the loader lacks */
    struct opencl_api api;
    int count;
    cl_device device[MOST_DEVICES];
    struct opencl *opened[MOST_DEVICES];
} library = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- errors ---- */

static const struct {
    int status;
    const char *name;
} STATUSES[] = {{-1, "CL_DEVICE_NOT_FOUND"},         {-2, "CL_DEVICE_NOT_AVAILABLE"},
                {-3, "CL_COMPILER_NOT_AVAILABLE"},   {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
                {-5, "CL_OUT_OF_RESOURCES"},         {-6, "CL_OUT_OF_HOST_MEMORY"},
                {-8, "CL_MEM_COPY_OVERLAP"},         {-11, "CL_BUILD_PROGRAM_FAILURE"},
                {-30, "CL_INVALID_VALUE"},           {-33, "CL_INVALID_DEVICE"},
                {-34, "CL_INVALID_CONTEXT"},         {-36, "CL_INVALID_COMMAND_QUEUE"},
                {-38, "CL_INVALID_MEM_OBJECT"},      {-43, "CL_INVALID_BUILD_OPTIONS"},
                {-44, "CL_INVALID_PROGRAM"},         {-45, "CL_INVALID_PROGRAM_EXECUTABLE"},
                {-46, "CL_INVALID_KERNEL_NAME"},     {-48, "CL_INVALID_KERNEL"},
                {-49, "CL_INVALID_ARG_INDEX"},       {-50, "CL_INVALID_ARG_VALUE"},
                {-51, "CL_INVALID_ARG_SIZE"},        {-52, "CL_INVALID_KERNEL_ARGS"},
                {-54, "CL_INVALID_WORK_GROUP_SIZE"}, {-55, "CL_INVALID_WORK_ITEM_SIZE"},
                {-61, "CL_INVALID_BUFFER_SIZE"},     {-63, "CL_INVALID_GLOBAL_WORK_SIZE"},
                {-1001, "CL_PLATFORM_NOT_FOUND_KHR"}};

int opencl_failed(const struct opencl *cl, const char *what, int status)
{
    const char *name = "an unknown error";
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++)
        if (STATUSES[i].status == status)
            name = STATUSES[i].name;
    return error_set(status == -4 || status == -6 ? FL_OUT_OF_MEMORY : FL_RUNTIME_ERROR,
                     "OpenCL error: %s gave %s (%d)%s%s", what, name, status, cl ? " on " : "",
                     cl ? cl->name : "");
}

static int refuse_missing(void)
{
    if (library.missing)
        error_set(FL_RUNTIME_ERROR,
                  "the OpenCL loader (libOpenCL.so.1) lacks %s: it is older than "
                  "OpenCL 1.2",
                  library.missing);
    else if (!library.loader)
        error_set(FL_RUNTIME_ERROR, "no OpenCL here: libOpenCL.so.1 cannot be opened");
    else
        error_set(FL_RUNTIME_ERROR, "no OpenCL device with float64 (cl_khr_fp64) here");
    return error_hint(
        "Install the OpenCL loader and your device's driver. For a CPU, on Debian and "
        "Ubuntu: apt-get install ocl-icd-libopencl1 pocl-opencl-icd",
        "请安装 OpenCL 加载库和设备驱动。在 Debian 或 Ubuntu 上用 CPU 运行："
        "apt-get install ocl-icd-libopencl1 pocl-opencl-icd");
}

/* ---- finding devices ---- */

static bool has_float64(cl_device d)
{
    static const char WANTED[] = "cl_khr_fp64";
    size_t size = 0;
    if (library.api.get_device_info(d, CL_DEVICE_EXTENSIONS, 0, NULL, &size) || !size)
        return false;
    char *text = calloc(size + 1, 1);
    bool found = text &&
                 library.api.get_device_info(d, CL_DEVICE_EXTENSIONS, size, text, NULL) == 0 &&
                 strstr(text, WANTED) != NULL;
    free(text);
    return found;
}

static void find_devices(void)
{
    cl_platform platforms[MOST_PLATFORMS];
    unsigned count = 0;
    if (library.api.get_platforms(MOST_PLATFORMS, platforms, &count))
        return;
    for (unsigned p = 0; p < count && p < MOST_PLATFORMS; p++) {
        cl_device found[MOST_DEVICES];
        unsigned devices = 0;
        if (library.api.get_devices(platforms[p], CL_DEVICE_TYPE_ALL, MOST_DEVICES, found,
                                    &devices))
            continue;
        for (unsigned d = 0; d < devices && d < MOST_DEVICES; d++)
            if (library.count < MOST_DEVICES && has_float64(found[d]))
                library.device[library.count++] = found[d];
    }
}

static void open_loader(void)
{
    library.tried = true;
    library.loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library.loader)
        library.loader = dlopen("libOpenCL.so", RTLD_NOW | RTLD_LOCAL);
    if (library.loader)
        library.missing =
            devices_functions(library.loader, FUNCTION_COUNT, FUNCTIONS, &library.api);
    if (library.loader && !library.missing)
        find_devices();
}

static int count_locked(void)
{
    if (!library.tried)
        open_loader();
    return library.count ? library.count : refuse_missing();
}

int opencl_count(void)
{
    pthread_mutex_lock(&library.lock);
    int count = count_locked();
    pthread_mutex_unlock(&library.lock);
    return count;
}

/* ---- opening one ---- */

static int set_up(struct opencl *cl)
{
    int status = 0;
    uint64_t precision = 0;
    const struct opencl_api *api = &cl->api;
    api->get_device_info(cl->device, CL_DEVICE_NAME, sizeof cl->name - 1, cl->name, NULL);
    api->get_device_info(cl->device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof precision, &precision,
                         NULL);
    snprintf(cl->options, sizeof cl->options, "-cl-std=CL1.2%s",
             precision & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT
                 ? " -cl-fp32-correctly-rounded-divide-sqrt"
                 : "");
    cl->context = api->create_context(NULL, 1, &cl->device, NULL, NULL, &status);
    if (!cl->context)
        return opencl_failed(cl, "clCreateContext", status);
    cl->queue = api->create_queue(cl->context, cl->device, 0, &status);
    if (cl->queue)
        return 0;
    api->release_context(cl->context);
    return opencl_failed(cl, "clCreateCommandQueue", status);
}

struct opencl *opencl_open(int index)
{
    struct opencl *cl = NULL;
    pthread_mutex_lock(&library.lock);
    int count = count_locked();
    if (count > 0 && (index < 0 || index >= count)) {
        error_set(FL_RUNTIME_ERROR, "OpenCL error: invalid device ordinal %d: there %s %d", index,
                  count == 1 ? "is" : "are", count);
    } else if (count > 0 && !(cl = library.opened[index])) {
        cl = calloc(1, sizeof *cl);
        if (!cl) {
            error_set(FL_OUT_OF_MEMORY, "out of memory while an OpenCL device is opened");
        } else {
            cl->api = library.api, cl->device = library.device[index];
            if (set_up(cl)) {
                free(cl);
                cl = NULL;
            }
        }
        library.opened[index] = cl;
    }
    pthread_mutex_unlock(&library.lock);
    return cl;
}
