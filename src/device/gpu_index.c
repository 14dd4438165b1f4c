/* What reads by index, for index.gpu, and cat, which is copies.
 *
 * A kernel that meets an index out of range says so in a number, which the host reads when the
 * kernel has run: the error comes from the call that made it. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "device/gpu.h"

void *gpu_index_none(struct gpu_call *c)
{
    const int64_t none = INT64_MIN;
    void *wrong = gpu_room(c, 1, FL_INT64);
    if (wrong && c->g->device.write(&c->g->device, wrong, &none, sizeof none))
        c->failed = true;
    return wrong;
}

int gpu_index_wrong(struct gpu_call *c, const void *wrong, int64_t *index)
{
    if (c->g->device.read(&c->g->device, index, wrong, sizeof *index))
        return -1;
    return *index != INT64_MIN;
}

/* ---- nll_loss ---- */

/* (N, C, S...) in size. */
static void classes_of(int ndim, const int64_t *sizes, int64_t size[3])
{
    assert(ndim >= 1);
    size[0] = ndim > 1 ? sizes[0] : 1, size[1] = sizes[ndim > 1], size[2] = 1;
    for (int d = 2; d < ndim; d++)
        size[2] *= sizes[d];
}

int gpu_nll_loss(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0), *target = gpu_tensor(c, 1), *weight = gpu_tensor(c, 2);
    int64_t size[3], index, ignored = c->args[4].as.i;
    int32_t reduction = (int32_t)c->args[3].as.i, has = weight ? 1 : 0;
    classes_of(x->ndim, x->sizes, size);
    int64_t n = size[0] * size[2];
    if (n == 0 || size[1] == 0)
        return DEVICE_CANNOT;
    struct gpu_launch l = {0}, sum = {.dims = 1, .local = {1}, .global = {1}};
    void *y = gpu_result(c, 0), *total = gpu_result(c, 1), *wrong = gpu_index_none(c);
    void *losses = reduction ? gpu_room(c, n, c->dtype) : y, *weights = gpu_room(c, n, c->dtype);
    for (int i = 0; i < 3; i++)
        gpu_bytes(&l, &size[i], sizeof size[i]);
    gpu_bytes(&l, &ignored, sizeof ignored);
    gpu_bytes(&l, &has, sizeof has);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_operand_as(c, target, FL_INT64));
    gpu_buffer(&l, weight ? gpu_operand(c, weight) : losses);
    gpu_buffer(&l, losses);
    gpu_buffer(&l, weights);
    gpu_buffer(&l, wrong);
    gpu_spread(&l, n);
    if (gpu_go(c, gpu_text_index, "nll_loss", &l))
        return -1;
    gpu_bytes(&sum, &n, sizeof n);
    gpu_bytes(&sum, &reduction, sizeof reduction);
    gpu_buffer(&sum, losses);
    gpu_buffer(&sum, weights);
    gpu_buffer(&sum, y);
    gpu_buffer(&sum, total);
    if (gpu_go(c, gpu_text_index, "nll_loss_total", &sum))
        return -1;
    int found = gpu_index_wrong(c, wrong, &index);
    if (found > 0) {
        error_set(FL_INDEX_ERROR, "Target %lld is out of bounds.", (long long)index);
        return error_hint("classes are numbered from 0 to %lld here", "这里类别编号从 0 到 %lld",
                          (long long)size[1] - 1);
    }
    return found;
}

int gpu_nll_loss_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0), *target = gpu_tensor(c, 2), *weight = gpu_tensor(c, 3);
    int64_t size[3], ignored = c->args[6].as.i;
    int32_t reduction = (int32_t)c->args[5].as.i, has = weight ? 1 : 0;
    classes_of(c->y[0]->ndim, c->y[0]->sizes, size);
    struct gpu_launch l = {0};
    if (c->y[0]->numel == 0)
        return 0;
    void *y = gpu_result(c, 0);
    for (int i = 0; i < 3; i++)
        gpu_bytes(&l, &size[i], sizeof size[i]);
    gpu_bytes(&l, &ignored, sizeof ignored);
    gpu_bytes(&l, &reduction, sizeof reduction);
    gpu_bytes(&l, &has, sizeof has);
    gpu_buffer(&l, gpu_operand(c, g));
    gpu_buffer(&l, gpu_operand_as(c, target, FL_INT64));
    gpu_buffer(&l, weight ? gpu_operand(c, weight) : y);
    gpu_buffer(&l, gpu_operand(c, gpu_tensor(c, 4)));
    gpu_buffer(&l, y);
    gpu_spread(&l, c->y[0]->numel);
    return gpu_go(c, gpu_text_index, "nll_loss_backward", &l);
}

/* ---- selecting ---- */

/* x is (outer, n, inner); dim: for messages, -1 where they do not name it. */
static int select_from(struct gpu_call *c, const char *entry, const fl_tensor *x,
                       const fl_tensor *index, const int64_t size[3], int64_t k, int dim)
{
    struct gpu_launch l = {0};
    int64_t found, outer = size[0], n = size[1], inner = size[2];
    if (outer * k * inner == 0)
        return 0;
    if (x->numel == 0)
        return DEVICE_CANNOT;
    void *wrong = gpu_index_none(c);
    gpu_bytes(&l, &outer, sizeof outer);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &k, sizeof k);
    gpu_bytes(&l, &inner, sizeof inner);
    gpu_buffer(&l, gpu_operand(c, x));
    gpu_buffer(&l, gpu_operand_as(c, index, FL_INT64));
    gpu_buffer(&l, gpu_result(c, 0));
    gpu_buffer(&l, wrong);
    gpu_spread(&l, outer * k * inner);
    if (gpu_go(c, gpu_text_index, entry, &l))
        return -1;
    int status = gpu_index_wrong(c, wrong, &found);
    if (status <= 0)
        return status;
    return dim < 0 ? error_set(FL_INDEX_ERROR, "index out of range in self")
                   : shape_refuse_index(FL_RUNTIME_ERROR, found, dim, n);
}

/* index_select(self, dim, index), embedding(weight, indices). */
int gpu_index_select(struct gpu_call *c)
{
    const bool embedding = c->name[0] == 'e';
    const fl_tensor *x = gpu_tensor(c, 0), *index = gpu_tensor(c, embedding ? 1 : 2);
    int64_t size[3];
    int d = embedding ? 0 : shape_wrap_dim(c->args[1].as.i, x->ndim);
    if (d < 0 || x->dtype != c->y[0]->dtype)
        return d < 0 ? -1 : DEVICE_CANNOT;
    gpu_around(x, d, size);
    return select_from(c, "select_at", x, index, size, index->numel, -1);
}

int gpu_gather(struct gpu_call *c)
{
    const fl_tensor *x = gpu_tensor(c, 0), *index = gpu_tensor(c, 2);
    int64_t size[3], own[3];
    int d = shape_wrap_dim(c->args[1].as.i, x->ndim);
    if (d < 0)
        return -1;
    if (index->numel == 0)
        return 0; /* whatever its dims */
    fl_tensor *part = gpu_covered(c, x, index, d);
    if (!part)
        return c->failed ? -1 : DEVICE_CANNOT;
    gpu_around(part, d, size);
    gpu_around(index, d, own);
    int status = select_from(c, "gather", part, index, size, own[1], d);
    tensor_release(part);
    return status;
}

/* ---- cat ---- */

int gpu_cat(struct gpu_call *c)
{
    fl_tensor *y = c->y[0];
    int d = shape_wrap_dim(c->args[1].as.i, y->ndim);
    int64_t at = 0;
    if (d < 0)
        return -1;
    for (uint32_t i = 0; i < c->args[0].count; i++) {
        const fl_tensor *t = c->args[0].as.tensors[i];
        if (t->ndim != y->ndim || t->numel == 0)
            continue; /* an empty vector joins anything */
        if (!gpu_has_dtype(t->dtype))
            return DEVICE_CANNOT;
        fl_tensor *part =
            tensor_alias(y, t->ndim, t->sizes, y->strides, y->offset + at * y->strides[d]);
        int status = part ? gpu_convert(&c->g->device, part, t) : -1;
        tensor_release(part);
        if (status)
            return status;
        at += t->sizes[d];
    }
    return 0;
}
