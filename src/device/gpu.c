/* The table of compiled kernels, classes of memory, and small things that all kernels need. */
#include "device/gpu.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* Open addressing; grows when half full. Kernels live as long as the process. */
struct gpu_table {
    pthread_mutex_t lock;
    size_t room, count;
    struct row {
        struct gpu_key key;
        struct gpu_kernel *kernel;
    } *rows;
};

static size_t hash(const struct gpu_key *key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    const unsigned char *bytes = (const unsigned char *)key;
    for (size_t i = 0; i < sizeof *key; i++)
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 32);
}

/* Where the key stands, or would. */
static struct row *place(const struct gpu_table *t, const struct gpu_key *key)
{
    assert(t->room > t->count);
    size_t at = hash(key) % t->room;
    while (t->rows[at].kernel && memcmp(&t->rows[at].key, key, sizeof *key) != 0)
        at = (at + 1) % t->room;
    return &t->rows[at];
}

static int grow(struct gpu_table *t)
{
    assert(t->count <= t->room);
    struct gpu_table larger = {.room = t->room ? 2 * t->room : 256};
    larger.rows = calloc(larger.room, sizeof *larger.rows);
    if (!larger.rows)
        return error_set(FL_OUT_OF_MEMORY, "out of memory for the table of kernels");
    for (size_t i = 0; i < t->room; i++)
        if (t->rows[i].kernel)
            *place(&larger, &t->rows[i].key) = t->rows[i];
    free(t->rows);
    t->rows = larger.rows, t->room = larger.room;
    return 0;
}

static struct gpu_kernel *build(struct gpu *g, int compute, int count, const char **texts,
                                const char *entry)
{
    assert(count <= GPU_TEXTS);
    char *math = gpu_math_for(count, texts, (enum compute)compute);
    for (int i = 0; i < count; i++)
        if (texts[i] == gpu_text_math)
            texts[i] = math;
    struct gpu_kernel *k = math ? g->compile(g, count, texts, entry) : NULL;
    free(math);
    return k;
}

struct gpu_kernel *gpu_find(struct gpu *g, const struct gpu_key *key, const char *name,
                            const char *entry,
                            int (*write)(const struct gpu_key *, const void *, const char **),
                            const void *context)
{
    struct gpu_table *t = g->table;
    struct gpu_kernel *k = NULL;
    pthread_mutex_lock(&t->lock);
    if (2 * t->count < t->room || grow(t) == 0) {
        struct row *row = place(t, key);
        if (!(k = row->kernel)) {
            const char *texts[GPU_TEXTS];
            if ((k = build(g, key->compute, write(key, context, texts), texts, entry))) {
                *row = (struct row){*key, k};
                t->count++;
            } else {
                error_context("in the kernel of %s", "出错的内核属于 %s", name);
            }
        }
    }
    pthread_mutex_unlock(&t->lock);
    return k;
}

size_t gpu_class_size(int class)
{
    enum { SMALLEST = 256 };
    assert(class >= 0 && class < GPU_CLASSES);
    return ((size_t)SMALLEST << (class / 4)) / 4 * (size_t)(4 + class % 4);
}

int gpu_class_of(size_t bytes)
{
    assert(bytes > 0);
    int class = 0;
    while (class < GPU_CLASSES && gpu_class_size(class) < bytes)
        class++;
    return class < GPU_CLASSES ? class : -1;
}

void gpu_spread(struct gpu_launch *l, int64_t n)
{
    assert(n > 0);
    l->dims = 1;
    l->local[0] = 64; /* one size: a driver may compile for each */
    l->global[0] = ((size_t)n + l->local[0] - 1) / l->local[0] * l->local[0];
}

int gpu_dims(int n)
{
    assert(n > 0 && n <= GPU_DIMS);
    return n <= 2 ? n : n <= 4 ? 4 : GPU_DIMS;
}

void gpu_pad(int n, int64_t *numbers, int64_t front)
{
    const int more = gpu_dims(n) - n;
    memmove(numbers + more, numbers, (size_t)n * sizeof *numbers);
    for (int d = 0; d < more; d++)
        numbers[d] = front;
}

/* By fl_dtype; NULL: kernels do not know it. */
static const char *const DTYPES[FL_DTYPE_COUNT] = {
    [FL_BOOL] = "bool",   [FL_UINT8] = "u8",   [FL_INT8] = "i8",     [FL_INT16] = "i16",
    [FL_INT32] = "i32",   [FL_INT64] = "i64",  [FL_FLOAT16] = "f16", [FL_BFLOAT16] = "bf16",
    [FL_FLOAT32] = "f32", [FL_FLOAT64] = "f64"};

bool gpu_has_dtype(int dtype)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT);
    return DTYPES[dtype] != NULL;
}

const char *gpu_dtype_name(int dtype)
{
    assert(gpu_has_dtype(dtype));
    return DTYPES[dtype];
}

const char *gpu_compute_define(enum compute type)
{
    assert(type <= COMPUTE_I64 || type == COMPUTE_BOOL);
    static const char *const DEFINES[] = {[COMPUTE_F32] = "#define FL_F32\n",
                                          [COMPUTE_F64] = "#define FL_F64\n",
                                          [COMPUTE_I32] = "#define FL_I32\n",
                                          [COMPUTE_I64] = "#define FL_I64\n",
                                          [COMPUTE_BOOL] = "#define FL_I32\n#define FL_TRUTH\n"};
    return DEFINES[type];
}

struct gpu_table *gpu_table_new(void)
{
    struct gpu_table *t = calloc(1, sizeof *t);
    if (!t)
        return error_null(FL_OUT_OF_MEMORY, "out of memory for a device");
    pthread_mutex_init(&t->lock, NULL);
    return t;
}
