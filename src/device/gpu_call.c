/* What operators' kernels are given: operands as contiguous elements of T, room, results; and the
 * launch of one. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "device/gpu.h"

/* ---- operands ---- */

static fl_tensor *keep(struct gpu_call *c, fl_tensor *t)
{
    assert(c->count < (int)(sizeof c->made / sizeof *c->made));
    if (t)
        c->made[c->count++] = t;
    else
        c->failed = true;
    return t;
}

/* A new tensor of t's sizes, contiguous, on the call's device. */
static fl_tensor *new_like(struct gpu_call *c, const fl_tensor *t, int dtype)
{
    return keep(c, tensor_new_on(&c->g->device, t->ndim, t->sizes, NULL, dtype));
}

const void *gpu_operand_as(struct gpu_call *c, const fl_tensor *t, int dtype)
{
    if (!t || c->failed)
        return NULL;
    const bool here = tensor_device(t) == &c->g->device;
    if (here && t->dtype == dtype && t->flags & TENSOR_CONTIGUOUS)
        return tensor_address(t);
    fl_tensor *plain = new_like(c, t, dtype);
    if (plain && plain->numel && tensor_copy(plain, t))
        c->failed = true;
    return plain && plain->numel ? tensor_address(plain) : NULL;
}

const void *gpu_operand(struct gpu_call *c, const fl_tensor *t)
{
    return gpu_operand_as(c, t, c->dtype);
}

void *gpu_room(struct gpu_call *c, int64_t n, int dtype)
{
    assert(n >= 0 && dtype > FL_NO_DTYPE);
    fl_tensor *room = keep(c, tensor_new_on(&c->g->device, 1, &n, NULL, dtype));
    return room && n ? tensor_address(room) : NULL;
}

void *gpu_result_as(struct gpu_call *c, int k, int dtype)
{
    assert(k >= 0 && c->y[k]);
    fl_tensor *y = c->y[k];
    if (y->dtype == dtype)
        return tensor_address(y);
    c->room[k] = new_like(c, y, dtype);
    return c->room[k] ? tensor_address(c->room[k]) : NULL;
}

void *gpu_result(struct gpu_call *c, int k)
{
    return gpu_result_as(c, k, c->y[k]->dtype == FL_INT64 ? FL_INT64 : c->dtype);
}

void gpu_around(const fl_tensor *t, int d, int64_t outer_n_inner[3])
{
    assert(t->ndim == 0 || (d >= 0 && d < t->ndim));
    for (int i = 0; i < 3; i++)
        outer_n_inner[i] = 1;
    for (int k = 0; k < t->ndim; k++)
        outer_n_inner[k < d ? 0 : k == d ? 1 : 2] *= t->sizes[k];
}

int gpu_along(const fl_tensor *t, int64_t dim, int64_t outer_n_inner[3])
{
    const int d = shape_wrap_dim(dim, t->ndim);
    if (d >= 0)
        gpu_around(t, d, outer_n_inner);
    return d;
}

bool gpu_lies_apart(int ndim, const int64_t *sizes, const int64_t *strides)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    for (int d = 0; d < ndim; d++) {
        int64_t others = 0; /* how far those of the dims inside reach */
        for (int k = 0; k < ndim && sizes[d] > 1; k++) {
            const bool inside = strides[k] < strides[d] || (k < d && strides[k] == strides[d]);
            if (k != d && inside)
                others += (sizes[k] - 1) * strides[k];
        }
        if (sizes[d] > 1 && strides[d] <= others)
            return false;
    }
    return true;
}

fl_tensor *gpu_covered(struct gpu_call *c, const fl_tensor *t, const fl_tensor *like, int whole)
{
    static const int64_t ONE = 1;
    const int64_t *wanted = like->ndim ? like->sizes : &ONE;
    const int64_t *given = t->ndim ? t->sizes : &ONE, *strides = t->ndim ? t->strides : &ONE;
    const int ndim = t->ndim ? t->ndim : 1; /* no dims are one of one element */
    int64_t sizes[TENSOR_MAX_DIMS];
    if (ndim != (like->ndim ? like->ndim : 1))
        return NULL;
    for (int d = 0; d < ndim; d++) {
        if (d != whole && wanted[d] > given[d])
            return NULL;
        sizes[d] = d == whole ? given[d] : wanted[d];
    }
    fl_tensor *part = tensor_alias(t, ndim, sizes, strides, t->offset);
    c->failed |= !part;
    return part;
}

/* ---- running ---- */

enum { STORED = sizeof(char *) }; /* in a key's detail, behind the kernel's name */

static int write_texts(const struct gpu_key *key, const void *context, const char **texts)
{
    const struct gpu_writing *w = context;
    snprintf(w->defines, GPU_DEFINES, "%s#define FL_STORED %s\n", gpu_compute_define(key->compute),
             gpu_dtype_name(key->detail[STORED]));
    const char *all[] = {w->g->prelude, w->defines,          gpu_text_dialect,
                         gpu_text_math, gpu_text_primitives, key->text};
    memcpy(texts, all, sizeof all);
    return sizeof all / sizeof *all;
}

int gpu_go(struct gpu_call *c, const char *text, const char *entry, struct gpu_launch *l)
{
    return gpu_go_stored(c, c->dtype, text, entry, l);
}

int gpu_go_stored(struct gpu_call *c, int stored, const char *text, const char *entry,
                  struct gpu_launch *l)
{
    struct gpu_key key;
    char defines[GPU_DEFINES];
    const struct gpu_writing writing = {c->g, defines};
    if (c->failed)
        return -1;
    assert(gpu_has_dtype(stored));
    memset(&key, 0, sizeof key);
    key.text = text, key.compute = (uint8_t)compute_of(c->dtype);
    memcpy(key.detail, &entry, sizeof entry); /* which of the text's kernels */
    key.detail[STORED] = (uint8_t)stored;
    l->name = c->name;
    struct gpu_kernel *k = gpu_find(c->g, &key, c->name, entry, write_texts, &writing);
    return k ? c->g->launch(c->g, k, l) : -1;
}
