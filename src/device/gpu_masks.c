/* Masks: filling and scattering where they are true, and the positions of what is not zero, for
 * index.gpu. */
#include <assert.h>

#include "core/error.h"
#include "device/gpu.h"

/* masked_fill_(self, mask, value): a loop of self, the mask broadcast to it, and a number. */
int gpu_masked_fill(struct gpu_call *c)
{
    static const char TEXT[] =
        "FL_KERNEL(k_masked_fill, FL_OUT FL_IN(0) FL_IN(1) FL_IN_BOOL(2))\n{\n    FL_EACH(i) {\n  "
        "      FL_STORE(i, FL_LOAD_BOOL(2, i) ? FL_LOAD(1, i) : FL_LOAD(0, i));\n    }\n}\n";
    fl_tensor *y = c->y[0];
    const fl_tensor *mask = gpu_tensor(c, 1), *value = gpu_tensor(c, 2);
    const bool number = !value || value->flags & TENSOR_WRAPPED_NUMBER;
    bool fits = tensor_device(mask) == &c->g->device && mask->dtype == FL_BOOL &&
                mask->ndim <= y->ndim && !compute_is_complex(compute_of(y->dtype));
    for (int d = 1; fits && d <= mask->ndim; d++)
        fits = mask->sizes[mask->ndim - d] == 1 ||
               mask->sizes[mask->ndim - d] == y->sizes[y->ndim - d];
    if (!fits || (value && (value->ndim || (!number && value->dtype != y->dtype))))
        return DEVICE_CANNOT;
    const fl_value given = value && number ? tensor_number(value, 0) : c->args[2];
    if (number && number_check(given, y->dtype))
        return -1;
    fl_tensor *one =
        number ? tensor_from_number(given, y->dtype) : tensor_retain((fl_tensor *)value);
    if (!one)
        return -1;
    const enum compute compute = compute_of(y->dtype);
    struct iterate_operand operand[] = {iterate_tensor(y, compute), iterate_tensor(y, compute),
                                        iterate_tensor(one, compute),
                                        iterate_tensor(mask, COMPUTE_BOOL)};
    if (tensor_device(one) == &device_cpu)
        operand[2].sizes = NULL; /* a number, which the host has */
    const struct device_loop loop = {.name = c->name,
                                     .text = TEXT,
                                     .ndim = y->ndim,
                                     .sizes = y->sizes,
                                     .operands = 4,
                                     .operand = operand,
                                     .compute = compute};
    int status = gpu_pointwise(&c->g->device, &loop);
    tensor_release(one);
    return status;
}

/* Counts what of x, n elements of T, is not zero, EACH to an item: an array of how many there are in
 * front of each item's, and of all behind the last. NULL with the error. */
enum { EACH = 256 };
static const void *count_true(struct gpu_call *c, const void *x, int64_t n)
{
    const int64_t each = EACH, items = (n + EACH - 1) / EACH;
    struct gpu_launch l = {0}, add = {.dims = 1, .local = {1}, .global = {1}};
    assert(n > 0);
    const void *counts = gpu_room(c, items + 1, FL_INT64);
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &each, sizeof each);
    gpu_buffer(&l, x);
    gpu_buffer(&l, counts);
    gpu_spread(&l, items);
    gpu_bytes(&add, &items, sizeof items);
    gpu_buffer(&add, counts);
    return gpu_go(c, gpu_text_index, "count_true", &l) ||
                   gpu_go(c, gpu_text_index, "add_counts", &add)
               ? NULL
               : counts;
}

/* nonzero(self): a column of y for each dim, in any layout whose columns are dense. */
int gpu_nonzero(struct gpu_call *c)
{
    const fl_tensor *self = gpu_tensor(c, 0);
    fl_tensor *y = c->y[0];
    const int64_t n = self->numel, each = EACH;
    int64_t inner = 1;
    assert(y->dtype == FL_INT64 && y->ndim == 2 && y->sizes[1] == self->ndim);
    if (y->numel == 0)
        return 0;
    if (y->strides[0] != 1 && y->sizes[0] > 1)
        return DEVICE_CANNOT;
    c->dtype = compute_dtype(compute_of(self->dtype));
    const void *x = gpu_operand(c, self), *counts = count_true(c, x, n);
    if (!counts)
        return -1;
    for (int d = self->ndim - 1; d >= 0; d--) {
        const int64_t size = self->sizes[d], at = d * y->strides[1] * (int64_t)sizeof(int64_t);
        struct gpu_launch l = {0};
        gpu_bytes(&l, &n, sizeof n);
        gpu_bytes(&l, &each, sizeof each);
        gpu_bytes(&l, &size, sizeof size);
        gpu_bytes(&l, &inner, sizeof inner);
        gpu_buffer(&l, x);
        gpu_buffer(&l, counts);
        gpu_buffer(&l, (const char *)tensor_address(y) + at);
        gpu_spread(&l, (n + EACH - 1) / EACH);
        if (gpu_go(c, gpu_text_index, "write_true", &l))
            return -1;
        inner *= size;
    }
    return 0;
}

/* masked_scatter_(self, mask, source): what does not fit is the CPU's to refuse. */
int gpu_masked_scatter(struct gpu_call *c)
{
    fl_tensor *y = c->y[0];
    const fl_tensor *mask = gpu_tensor(c, 1), *from = gpu_tensor(c, 2);
    const int64_t n = y->numel, each = EACH, items = (n + EACH - 1) / EACH;
    int64_t strides[TENSOR_MAX_DIMS], total;
    struct gpu_launch l = {0};
    const int extra = y->ndim - mask->ndim;
    bool fits = mask->dtype == FL_BOOL && from->dtype == y->dtype && extra >= 0 && n > 0;
    for (int d = 0; fits && d < y->ndim; d++) {
        const bool one = d < extra || mask->sizes[d - extra] == 1;
        fits = one || mask->sizes[d - extra] == y->sizes[d];
        strides[d] = one ? 0 : mask->strides[d - extra];
    }
    if (!fits)
        return DEVICE_CANNOT;
    fl_tensor *spread = tensor_alias(mask, y->ndim, y->sizes, strides, mask->offset);
    c->failed |= !spread;
    c->dtype =
        FL_INT32; /* of the mask as the kernels read it; y and source are moved as they are */
    const void *where = gpu_operand(c, spread), *counts = where ? count_true(c, where, n) : NULL;
    tensor_release(spread);
    if (!counts ||
        c->g->device.read(&c->g->device, &total, (const int64_t *)counts + items, sizeof total))
        return -1;
    if (total > from->numel)
        return error_set(FL_RUNTIME_ERROR,
                         "masked_scatter: expected self and source to have enough elements: the "
                         "mask is true more often than source has elements");
    if (total == 0)
        return 0;
    gpu_bytes(&l, &n, sizeof n);
    gpu_bytes(&l, &each, sizeof each);
    gpu_buffer(&l, where);
    gpu_buffer(&l, counts);
    gpu_buffer(&l, gpu_operand_as(c, from, y->dtype));
    gpu_buffer(&l, tensor_address(y));
    gpu_spread(&l, items);
    return gpu_go_stored(c, y->dtype, gpu_text_index, "scatter_true", &l);
}
