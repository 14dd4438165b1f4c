/* NVRTC: finding the library, and one compilation. */
#include "device/nvrtc.h"

#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "device/devices.h"

typedef struct nvrtc_program *nvrtc_program;

/* In the order of the names below. */
struct api {
    int (*create)(nvrtc_program *p, const char *text, const char *name, int headers,
                  const char *const *header, const char *const *include);
    int (*compile)(nvrtc_program p, int options, const char *const *option);
    int (*log_size)(nvrtc_program p, size_t *size);
    int (*log)(nvrtc_program p, char *log);
    int (*cubin_size)(nvrtc_program p, size_t *size);
    int (*cubin)(nvrtc_program p, char *cubin);
    int (*ptx_size)(nvrtc_program p, size_t *size);
    int (*ptx)(nvrtc_program p, char *ptx);
    int (*architecture_count)(int *count);
    int (*architectures)(int *capability); /* 75, 80, ..., ascending */
    int (*destroy)(nvrtc_program *p);
    const char *(*error)(int status);
};
static const char *const FUNCTIONS[] = {
    "nvrtcCreateProgram",     "nvrtcCompileProgram", "nvrtcGetProgramLogSize",
    "nvrtcGetProgramLog",     "nvrtcGetCUBINSize",   "nvrtcGetCUBIN",
    "nvrtcGetPTXSize",        "nvrtcGetPTX",         "nvrtcGetNumSupportedArchs",
    "nvrtcGetSupportedArchs", "nvrtcDestroyProgram", "nvrtcGetErrorString"};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS };
_Static_assert(sizeof(struct api) == FUNCTION_COUNT * sizeof(void *), "one name a function");

static struct {
    pthread_once_t once;
    bool found;
    struct api api;
} library = {.once = PTHREAD_ONCE_INIT};

static bool try_path(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return false;
    library.found = !devices_functions(handle, FUNCTION_COUNT, FUNCTIONS, &library.api);
    if (!library.found)
        dlclose(handle);
    return library.found;
}

/* The wheel beside the folder of the package that this code is a part of. */
static bool try_wheel(const char *inside)
{
    Dl_info here;
    char path[4096];
    if (!dladdr(&library, &here) || !here.dli_fname || strlen(here.dli_fname) > 4000)
        return false;
    snprintf(path, sizeof path, "%s", here.dli_fname);
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (!slash)
            return false;
        *slash = 0;
    }
    size_t used = strlen(path);
    snprintf(path + used, sizeof path - used, "%s", inside);
    return try_path(path);
}

static void open_library(void)
{
    static const char *const SYSTEM[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    const char *named = getenv("FLAMBEAU_NVRTC");
    if (named && *named) {
        try_path(named);
        return;
    }
    for (size_t i = 0; i < sizeof SYSTEM / sizeof *SYSTEM && !library.found; i++)
        try_path(SYSTEM[i]);
    if (!library.found && !try_wheel("/nvidia/cu13/lib/libnvrtc.so.13"))
        try_wheel("/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
}

int nvrtc_open(void)
{
    pthread_once(&library.once, open_library);
    if (library.found)
        return 0;
    error_set(FL_RUNTIME_ERROR, "CUDA's compiler NVRTC (libnvrtc.so) cannot be opened");
    return error_hint("pip install nvidia-cuda-nvrtc, or name the library in FLAMBEAU_NVRTC",
                      "请运行 pip install nvidia-cuda-nvrtc，或用 FLAMBEAU_NVRTC 指出该库");
}

static char *joined(int count, const char *const *texts)
{
    assert(count > 0);
    size_t bytes = 1;
    for (int i = 0; i < count; i++)
        bytes += strlen(texts[i]);
    char *whole = malloc(bytes), *to = whole;
    for (int i = 0; whole && i < count; i++)
        to = stpcpy(to, texts[i]);
    if (whole)
        *to = 0;
    return whole;
}

/* The compiler's words, the first of them, as context of the error. */
static void show_log(nvrtc_program p)
{
    size_t size = 0;
    char *log = library.api.log_size(p, &size) == 0 && size ? malloc(size + 1) : NULL;
    if (log && library.api.log(p, log) == 0)
        error_context("the compiler says: %.1500s", "编译器的信息：%.1500s", log);
    free(log);
}

/* The capability to compile for: the GPU's own, or the greatest below it that this NVRTC knows. -1 with the
 * error. */
static int target_of(int capability)
{
    enum { MOST = 256 };
    int known[MOST], count = 0, best = -1;
    int status = library.api.architecture_count(&count);
    if (!status && count > 0 && count <= MOST)
        status = library.api.architectures(known);
    for (int i = 0; !status && i < count && count <= MOST; i++)
        if (known[i] <= capability && known[i] > best)
            best = known[i];
    if (best > 0)
        return best;
    error_set(FL_RUNTIME_ERROR, "CUDA error: this NVRTC knows no GPU of compute capability %d.%d",
              capability / 10, capability % 10);
    return error_hint("install a version of nvidia-cuda-nvrtc that has it",
                      "请安装支持该计算能力的 nvidia-cuda-nvrtc 版本");
}

/* What a compilation gave, of *size bytes, with a 0 behind them: a cubin, or PTX. NULL, and *status. */
static char *result_of(nvrtc_program p, bool ptx, size_t *size, int *status)
{
    *status = ptx ? library.api.ptx_size(p, size) : library.api.cubin_size(p, size);
    char *code = *status ? NULL : calloc(1, *size + 1);
    if (code)
        *status = ptx ? library.api.ptx(p, code) : library.api.cubin(p, code);
    return code;
}

char *nvrtc_compile(int count, const char *const *texts, int major, int minor, size_t *size)
{
    char architecture[48], *code = NULL;
    nvrtc_program p = NULL;
    assert(major > 0 && minor >= 0 && minor < 10);
    const int target = nvrtc_open() ? -1 : target_of(10 * major + minor);
    const bool ptx = target != 10 * major + minor;
    if (target < 0)
        return NULL;
    char *text = joined(count, texts);
    if (!text)
        return error_null(FL_OUT_OF_MEMORY, "out of memory for the text of a kernel");
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s_%d", ptx ? "compute" : "sm",
             target);
    const char *options[] = {architecture, "--device-as-default-execution-space", "--fmad=false"};
    int status = library.api.create(&p, text, "kernel.cu", 0, NULL, NULL);
    if (!status)
        status = library.api.compile(p, sizeof options / sizeof *options, options);
    if (!status)
        code = result_of(p, ptx, size, &status);
    if (status) {
        error_set(FL_RUNTIME_ERROR, "CUDA error: NVRTC gave %s", library.api.error(status));
        if (p)
            show_log(p);
        free(code);
        code = NULL;
    } else if (!code) {
        error_set(FL_OUT_OF_MEMORY, "out of memory for a kernel");
    }
    if (p)
        library.api.destroy(&p);
    free(text);
    return code;
}
