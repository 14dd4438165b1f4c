/* Reductions on a device with kernels, in passes (reduce.gpu). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "device/gpu.h"

enum {
    EACH = 64,       /* elements of a line that a work item reduces, about */
    ENOUGH = 1 << 16 /* work items that fill any device: no more parts for their sake */
};

struct dims {
    int count;
    int64_t size[GPU_DIMS], stride[GPU_DIMS];
};

struct detail {
    uint8_t from, to, kept, dropped, first, last, down, scalars;
};

static int write_texts(const struct gpu_key *key, const void *context, const char **texts)
{
    const struct gpu_writing *w = context;
    char *defines = w->defines;
    struct detail d;
    memcpy(&d, key->detail, sizeof d);
    int used = snprintf(
        defines, GPU_DEFINES,
        "%s#define FL_KEPT %d\n#define FL_DROPPED %d\n#define FL_DTYPE_0 %s\n#define FL_DTYPE_out "
        "%s\n%s%s%s",
        gpu_compute_define(key->compute), d.kept, d.dropped, gpu_dtype_name(d.from),
        gpu_dtype_name(d.to), d.first ? "#define FL_FIRST\n" : "",
        d.last ? "#define FL_LAST\n" : "", d.down ? "#define FL_DOWN\n" : "");
    assert(used < GPU_DEFINES);
    (void)used;
    const char *all[] = {w->g->prelude,       defines,   gpu_text_dialect, gpu_text_math,
                         gpu_text_primitives, key->text, gpu_text_reduce};
    memcpy(texts, all, sizeof all);
    return sizeof all / sizeof *all;
}

/* Adds a dim, or joins it with the one in front of it. */
static bool add_dim(struct dims *s, int64_t size, int64_t stride)
{
    assert(size >= 0 && s->count <= GPU_DIMS);
    if (size == 1)
        return true;
    if (s->count && s->stride[s->count - 1] == stride * size) {
        s->size[s->count - 1] *= size;
        s->stride[s->count - 1] = stride;
        return true;
    }
    if (s->count == GPU_DIMS)
        return false;
    s->size[s->count] = size, s->stride[s->count++] = stride;
    return true;
}

static void fill_in(struct dims *s)
{
    if (!s->count)
        s->count = 1, s->size[0] = 1, s->stride[0] = 0;
    gpu_pad(s->count, s->size, 1);
    gpu_pad(s->count, s->stride, 0);
    s->count = gpu_dims(s->count);
}

struct work {
    struct gpu *g;
    const struct device_reduction *r;
    struct dims kept, dropped;
    int64_t results, count; /* count: elements of a whole line */
    bool down;
};

static int run_pass(const struct work *w, const void *from, void *to, int64_t line, int64_t parts,
                    bool first)
{
    assert(line >= 0 && parts > 0);
    const struct device_reduction *r = w->r;
    struct gpu_key key;
    struct detail d = {(uint8_t)r->from.dtype,
                       (uint8_t)r->to.dtype,
                       (uint8_t)w->kept.count,
                       (uint8_t)w->dropped.count,
                       first,
                       parts == 1,
                       w->down && first,
                       (uint8_t)r->scalars};
    memset(&key, 0, sizeof key);
    key.text = r->text, key.compute = (uint8_t)r->compute;
    memcpy(key.detail, &d, sizeof d);
    char defines[GPU_DEFINES];
    const struct gpu_writing writing = {w->g, defines};
    struct gpu_kernel *k = gpu_find(w->g, &key, r->name, "fl_kernel", write_texts, &writing);
    if (!k)
        return -1;
    int64_t kept[2 * GPU_DIMS], dropped[2 * GPU_DIMS];
    size_t n = (size_t)w->kept.count, m = (size_t)w->dropped.count;
    memcpy(kept, w->kept.size, n * sizeof *kept);
    memcpy(kept + n, w->kept.stride, n * sizeof *kept);
    memcpy(dropped, w->dropped.size, m * sizeof *dropped);
    memcpy(dropped + m, w->dropped.stride, m * sizeof *dropped);
    char scalar[4][8];
    struct gpu_launch l = {.name = r->name};
    gpu_bytes(&l, &w->results, sizeof w->results);
    gpu_bytes(&l, &line, sizeof line);
    gpu_bytes(&l, &parts, sizeof parts);
    gpu_bytes(&l, &w->count, sizeof w->count);
    gpu_bytes(&l, kept, 2 * n * sizeof *kept);
    gpu_bytes(&l, dropped, 2 * m * sizeof *dropped);
    gpu_buffer(&l, to);
    gpu_buffer(&l, from);
    for (int i = 0; i < r->scalars; i++)
        gpu_bytes(&l, scalar[i], gpu_scalar(r->scalar[i], r->compute, scalar[i]));
    gpu_spread(&l, w->results * parts);
    return w->g->launch(w->g, k, &l);
}

static int64_t parts_of(const struct work *w, int64_t line)
{
    int64_t parts = w->results >= ENOUGH ? 1 + (line - 1) / (16 * EACH) : (line + EACH - 1) / EACH;
    return parts ? parts : 1;
}

int gpu_reduce(struct device *d, const struct device_reduction *r)
{
    struct work w = {.g = gpu_of(d), .r = r, .results = 1, .count = 1};
    if (!r->text || compute_is_complex(r->compute) || r->compute == COMPUTE_BOOL ||
        r->scalars > 4 || !gpu_has_dtype(r->from.dtype) || !gpu_has_dtype(r->to.dtype))
        return DEVICE_CANNOT;
    for (int i = 0; i < r->from.ndim; i++) {
        bool dropped = r->mask >> i & 1;
        if (!add_dim(dropped ? &w.dropped : &w.kept, r->from.sizes[i], r->from.strides[i]))
            return DEVICE_CANNOT;
        *(dropped ? &w.count : &w.results) *= r->from.sizes[i];
    }
    if (w.results == 0)
        return 0;
    fill_in(&w.kept);
    fill_in(&w.dropped);
    w.down =
        w.results > 1 && w.kept.stride[w.kept.count - 1] < w.dropped.stride[w.dropped.count - 1];
    size_t element = compute_size(r->compute);
    int64_t line = w.count, parts = parts_of(&w, line);
    const void *from = r->from.data;
    void *held = NULL;
    size_t held_bytes = 0;
    int status = 0;
    for (bool first = true; status == 0; first = false) {
        size_t bytes = (size_t)(w.results * parts) * element;
        void *to = parts == 1 ? r->to.data : d->allocate(d, bytes);
        status = to ? run_pass(&w, from, to, line, parts, first) : -1;
        if (held)
            d->free(d, held, held_bytes);
        held = NULL;
        if (parts == 1 || !to)
            break;
        from = held = to, held_bytes = bytes;
        line = parts, parts = parts_of(&w, line);
    }
    if (held)
        d->free(d, held, held_bytes);
    return status;
}
