/* Pointwise loops and conversions on a device with kernels.
 *
 * Dims are collapsed for all operands together, so that contiguous ones have one; a kernel is
 * compiled for as many dims (1, 2, 4 or 8), the dtypes, and which operands are numbers.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "device/gpu.h"

enum { MOST_OPERANDS = 9, MOST_SCALARS = 8 };

struct shape {
    int ndim;
    int64_t size[GPU_DIMS], stride[MOST_OPERANDS][GPU_DIMS];
};

/* What a key says beside its text. */
struct detail {
    uint8_t ndim, operands, wide; /* wide: elements are numbered by 64 bits */
    uint8_t kind[MOST_OPERANDS];  /* 0 a number, 1 a tensor, 2 truth values */
    uint8_t dtype[MOST_OPERANDS];
};
_Static_assert(sizeof(struct detail) <= sizeof((struct gpu_key *)0)->detail, "a key has room");

/* The stride of an operand in dim d of the whole; 0 where it is broadcast. */
static int64_t stride_of(const struct iterate_operand *o, int ndim, int d)
{
    assert(d >= 0 && d < ndim);
    int own = d - (ndim - o->ndim);
    return !o->sizes || own < 0 || o->sizes[own] == 1 ? 0 : o->strides[own];
}

/* Dims that every operand walks as one become one. False where too many are left. */
static bool collapse(const struct device_loop *loop, struct shape *s)
{
    s->ndim = 0;
    for (int d = 0; d < loop->ndim; d++) {
        int64_t size = loop->sizes[d];
        if (size == 1)
            continue;
        bool joins = s->ndim > 0;
        for (int k = 0; k < loop->operands && joins; k++)
            joins = s->stride[k][s->ndim - 1] == stride_of(&loop->operand[k], loop->ndim, d) * size;
        if (!joins && s->ndim == GPU_DIMS)
            return false;
        int at = joins ? s->ndim - 1 : s->ndim++;
        s->size[at] = joins ? s->size[at] * size : size;
        for (int k = 0; k < loop->operands; k++)
            s->stride[k][at] = stride_of(&loop->operand[k], loop->ndim, d);
    }
    if (!s->ndim) {
        s->ndim = 1, s->size[0] = 1;
        for (int k = 0; k < loop->operands; k++)
            s->stride[k][0] = 0;
    }
    gpu_pad(s->ndim, s->size, 1);
    for (int k = 0; k < loop->operands; k++)
        gpu_pad(s->ndim, s->stride[k], 0);
    s->ndim = gpu_dims(s->ndim);
    return true;
}

static int write_texts(const struct gpu_key *key, const void *context, const char **texts)
{
    const struct gpu_writing *w = context;
    char *defines = w->defines;
    struct detail d;
    memcpy(&d, key->detail, sizeof d);
    int used = snprintf(defines, GPU_DEFINES, "%s#define FL_NDIM %d\n#define FL_INDEX %s\n",
                        gpu_compute_define(key->compute), d.ndim, d.wide ? "int64_t" : "uint32_t");
    for (int k = 0; k < d.operands; k++) {
        static const char *const KINDS[] = {"number", "tensor", "truth"};
        char name[8] = "out";
        if (k)
            snprintf(name, sizeof name, "%d", k - 1);
        used += snprintf(defines + used, GPU_DEFINES - (size_t)used,
                         "#define FL_KIND_%s %s\n#define FL_DTYPE_%s %s\n", name, KINDS[d.kind[k]],
                         name, gpu_dtype_name(d.dtype[k]));
        assert(used < GPU_DEFINES);
    }
    const char *all[] = {
        w->g->prelude,      defines,  gpu_text_dialect, gpu_text_math, gpu_text_primitives,
        gpu_text_pointwise, key->text};
    memcpy(texts, all, sizeof all);
    return sizeof all / sizeof *all;
}

size_t gpu_scalar(union loop_scalar s, enum compute compute, void *to)
{
    const float f = (float)s.f;
    const int32_t i = (int32_t)s.i;
    switch (compute) {
    case COMPUTE_F32:
        memcpy(to, &f, sizeof f);
        return sizeof f;
    case COMPUTE_F64:
        memcpy(to, &s.f, sizeof s.f);
        return sizeof s.f;
    case COMPUTE_I64:
        memcpy(to, &s.i, sizeof s.i);
        return sizeof s.i;
    default:
        memcpy(to, &i, sizeof i);
        return sizeof i;
    }
}

/* A number of its own dtype, in the host's memory, likewise. */
static size_t number_bytes(const struct iterate_operand *o, enum compute compute, void *to)
{
    bool truth = compute == COMPUTE_BOOL || o->compute == COMPUTE_BOOL;
    int dtype = truth ? FL_BOOL : compute_dtype(compute);
    _Alignas(16) char element[COMPUTE_LARGEST];
    convert_elements(1, element, dtype, COMPUTE_LARGEST, o->data, o->dtype, 0);
    if (!truth) {
        memcpy(to, element, dtype_size(dtype));
        return dtype_size(dtype);
    }
    union loop_scalar one = {.i = element[0] != 0};
    if (compute == COMPUTE_F32 || compute == COMPUTE_F64)
        one.f = element[0] != 0;
    return gpu_scalar(one, compute, to);
}

int gpu_pointwise(struct device *d, const struct device_loop *loop)
{
    struct gpu *g = gpu_of(d);
    struct shape s;
    struct gpu_key key;
    struct detail detail = {0};
    int64_t n = 1;
    memset(&key, 0, sizeof key);
    if (!loop->text || loop->operands > MOST_OPERANDS || loop->scalars > MOST_SCALARS ||
        compute_is_complex(loop->compute))
        return DEVICE_CANNOT;
    for (int k = 0; k < loop->operands; k++) {
        const struct iterate_operand *o = &loop->operand[k];
        if (!gpu_has_dtype(o->dtype))
            return DEVICE_CANNOT;
        detail.dtype[k] = (uint8_t)o->dtype;
        detail.kind[k] = (uint8_t)(k && !o->sizes ? 0 : k && o->compute == COMPUTE_BOOL ? 2 : 1);
        if (!detail.kind[k])
            detail.dtype[k] = FL_FLOAT32; /* not asked: numbers come as T */
    }
    for (int i = 0; i < loop->ndim; i++)
        n *= loop->sizes[i];
    if (n == 0)
        return 0;
    if (!collapse(loop, &s))
        return DEVICE_CANNOT;
    detail.ndim = (uint8_t)s.ndim, detail.operands = (uint8_t)loop->operands;
    detail.wide = n > INT32_MAX;
    key.text = loop->text, key.compute = (uint8_t)loop->compute;
    memcpy(key.detail, &detail, sizeof detail);
    char defines[GPU_DEFINES];
    const struct gpu_writing writing = {g, defines};
    struct gpu_kernel *k = gpu_find(g, &key, loop->name, "fl_kernel", write_texts, &writing);
    if (!k)
        return -1;

    struct gpu_launch l = {.name = loop->name};
    char number[MOST_OPERANDS][16], scalar[MOST_SCALARS][8];
    size_t dims = sizeof(int64_t) * (size_t)s.ndim;
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, s.size, dims);
    for (int i = 0; i < loop->operands; i++) {
        if (!detail.kind[i]) {
            gpu_bytes(&l, number[i], number_bytes(&loop->operand[i], loop->compute, number[i]));
            continue;
        }
        gpu_buffer(&l, loop->operand[i].data);
        gpu_bytes(&l, s.stride[i], dims);
    }
    for (int i = 0; i < loop->scalars; i++)
        gpu_bytes(&l, scalar[i], gpu_scalar(loop->scalar[i], loop->compute, scalar[i]));
    gpu_spread(&l, n);
    return g->launch(g, k, &l);
}

int gpu_convert(struct device *d, fl_tensor *to, const fl_tensor *from)
{
    static const char TEXT[] =
        "FL_KERNEL(k_convert, FL_OUT FL_IN(0))\n{\n    FL_EACH(i) {\n        FL_STORE(i, "
        "FL_LOAD(0, i));\n    }\n}\n";
    if (!gpu_has_dtype(to->dtype) || !gpu_has_dtype(from->dtype))
        return DEVICE_CANNOT;
    enum compute compute = compute_of(from->dtype);
    const struct iterate_operand operands[] = {iterate_tensor(to, compute),
                                               iterate_tensor(from, compute)};
    const struct device_loop loop = {.name = "copy_",
                                     .text = TEXT,
                                     .ndim = to->ndim,
                                     .sizes = to->sizes,
                                     .operands = 2,
                                     .operand = operands,
                                     .compute = compute};
    return gpu_pointwise(d, &loop);
}
