/* What the host sees of tensors on other devices: copies of the memory that they reach.
 *
 * A copy has the tensor's own sizes and strides, over as many bytes as lie between its first and its
 * last element, so that whatever runs on it finds the same layout, gaps and overlaps included; to
 * write it back is to write all of these bytes.
 */
#include <assert.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/lanes.h"

__thread struct device *device_default __attribute__((tls_model("initial-exec")));
bool device_others;

int device_refuse_none(void)
{
    return error_set(FL_NOT_IMPLEMENTED, "Cannot copy out of meta tensor; no data!");
}

/* The bytes that t's elements lie in, and how many elements of them come before its first: those of
 * dims that walk back, which only copies made by flip have. */
static size_t reach(const fl_tensor *t, int64_t *before)
{
    int64_t low = 0, high = 0;
    *before = 0;
    if (t->numel == 0)
        return 0;
    for (int d = 0; d < t->ndim; d++) {
        const int64_t last = (t->sizes[d] - 1) * t->strides[d];
        low += last < 0 ? last : 0, high += last > 0 ? last : 0;
    }
    for (int k = 0; t->lanes && k < t->lanes->count; k++) {
        if (t->lanes->lane[k].size == 0)
            return 0;
        high += (t->lanes->lane[k].size - 1) * t->lanes->lane[k].stride;
    }
    *before = -low;
    return (size_t)(high - low + 1) * dtype_size(t->dtype);
}

/* Where these bytes begin on t's device. */
static char *reach_address(const fl_tensor *t, int64_t before)
{
    return (char *)tensor_address(t) - before * (int64_t)dtype_size(t->dtype);
}

fl_tensor *tensor_host(const fl_tensor *t)
{
    if (!(t->flags & TENSOR_ELSEWHERE))
        return tensor_retain((fl_tensor *)t);
    struct device *d = tensor_device(t);
    if (d->memory == DEVICE_NONE) {
        device_refuse_none();
        return NULL;
    }
    int64_t before;
    size_t bytes = reach(t, &before);
    struct storage *s = storage_new(bytes);
    fl_tensor *copy = NULL;
    if (s && (bytes == 0 || d->read(d, s->address, reach_address(t, before), bytes) == 0))
        copy = tensor_on_storage(s, t->ndim, t->sizes, t->strides, before, t->dtype);
    storage_release(s);
    if (copy && t->lanes && lanes_set(copy, t->lanes)) {
        tensor_release(copy);
        return NULL;
    }
    if (copy)
        copy->flags |= t->flags & TENSOR_WRAPPED_NUMBER;
    return copy;
}

fl_tensor *tensor_host_rows(const fl_tensor *t)
{
    fl_tensor *host = tensor_host(t), *rows = host ? tensor_contiguous(host) : NULL;
    tensor_release(host);
    return rows;
}

int tensor_host_back(const fl_tensor *t, const fl_tensor *copy)
{
    int64_t before;
    size_t bytes = reach(t, &before);
    struct device *d = tensor_device(t);
    if (!(t->flags & TENSOR_ELSEWHERE) || bytes == 0)
        return 0;
    return d->write(d, reach_address(t, before), reach_address(copy, before), bytes);
}

/* Of a contiguous tensor, in all its lanes. */
static size_t dense_bytes(const fl_tensor *t)
{
    int64_t before;
    assert(t->flags & TENSOR_CONTIGUOUS);
    const size_t bytes = reach(t, &before);
    assert(before == 0);
    return bytes;
}

/* dst on the CPU, src elsewhere. */
static int copy_out(fl_tensor *dst, const fl_tensor *src)
{
    struct device *d = tensor_device(src);
    if (src->dtype == dst->dtype && src->flags & dst->flags & TENSOR_CONTIGUOUS)
        return d->read(d, tensor_address(dst), tensor_address(src), dense_bytes(src));
    fl_tensor *host = tensor_host(src);
    int status = host ? tensor_copy(dst, host) : -1;
    tensor_release(host);
    return status;
}

/* dst elsewhere, src on the CPU. */
static int copy_in(fl_tensor *dst, const fl_tensor *src)
{
    struct device *d = tensor_device(dst);
    bool dense = tensor_is_dense(dst);
    if (src->dtype == dst->dtype && src->flags & dst->flags & TENSOR_CONTIGUOUS)
        return d->write(d, tensor_address(dst), tensor_address(src), dense_bytes(src));
    fl_tensor *host = dense ? tensor_new_strided(dst->ndim, dst->sizes, dst->strides, dst->dtype)
                            : tensor_host(dst); /* what lies in the gaps stays */
    int status = host ? tensor_copy(host, src) : -1;
    if (status == 0)
        status = tensor_host_back(dst, host);
    tensor_release(host);
    return status;
}

/* Both on one device. */
static int copy_within(fl_tensor *dst, const fl_tensor *src)
{
    struct device *d = tensor_device(dst);
    const bool as_they_lie =
        src->dtype == dst->dtype && src->flags & dst->flags & TENSOR_CONTIGUOUS;
    const bool alike = as_they_lie || (src->dtype == dst->dtype &&
                                       memcmp(dst->strides, src->strides,
                                              (size_t)dst->ndim * sizeof *dst->strides) == 0);
    if (alike && tensor_address(dst) == tensor_address(src))
        return 0; /* x[0] += 1 ends with a copy of x[0] onto itself */
    if (as_they_lie)
        return d->copy(d, tensor_address(dst), tensor_address(src), dense_bytes(src));
    int status = d->convert ? d->convert(d, dst, src) : DEVICE_CANNOT;
    if (status != DEVICE_CANNOT)
        return status;
    fl_tensor *host = tensor_host(src);
    status = host ? copy_in(dst, host) : -1;
    tensor_release(host);
    return status;
}

int device_copy(fl_tensor *dst, const fl_tensor *src)
{
    struct device *to = tensor_device(dst), *from = tensor_device(src);
    if (dst->numel == 0 || to->memory == DEVICE_NONE)
        return 0;
    if (from->memory == DEVICE_NONE)
        return device_refuse_none();
    if (to == from)
        return copy_within(dst, src);
    if (to == &device_cpu)
        return copy_out(dst, src);
    if (from == &device_cpu)
        return copy_in(dst, src);
    fl_tensor *host = tensor_host(src);
    int status = host ? copy_in(dst, host) : -1;
    tensor_release(host);
    return status;
}

int device_fill(fl_tensor *t, const void *element)
{
    struct device *d = tensor_device(t);
    const size_t size = dtype_size(t->dtype);
    if (t->numel == 0 || d->memory == DEVICE_NONE)
        return 0;
    if (tensor_is_dense(t))
        return d->fill(d, tensor_address(t), element, size, (size_t)t->numel);
    fl_tensor *full = tensor_new_on(d, t->ndim, t->sizes, NULL, t->dtype);
    int status = full ? d->fill(d, tensor_address(full), element, size, (size_t)t->numel) : -1;
    if (status == 0)
        status = copy_within(t, full);
    tensor_release(full);
    return status;
}

int device_element(const fl_tensor *t, int64_t position, void *element)
{
    struct device *d = tensor_device(t);
    const size_t size = dtype_size(t->dtype);
    if (d->memory == DEVICE_NONE)
        return error_set(FL_RUNTIME_ERROR, "Tensor.item() cannot be called on meta tensors");
    return d->read(d, element, (const char *)tensor_address(t) + position * (int64_t)size, size);
}
