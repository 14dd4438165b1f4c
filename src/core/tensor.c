/* Tensor handles: made, shaped, dropped; elements read and written one at a time. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/iterate.h"
#include "core/lanes.h"
#include "core/memory.h"
#include "core/sound.h"
#include "core/tensor.h"
#include "core/warning.h"

void (*tensor_drop_autograd)(fl_tensor *t);
bool (*tensor_drop_python)(fl_tensor *t);

/* ---- Dims ----------------------------------------------------------------------------------- */

/* Room for the sizes and strides of ndim dims: in the handle, or one block beside it. */
static int64_t *dims_room(fl_tensor *t, int ndim)
{
    return ndim <= TENSOR_INLINE_DIMS ? t->inline_dims
                                      : memory_alloc(2 * (size_t)ndim * sizeof(int64_t));
}

static void dims_drop(fl_tensor *t)
{
    assert(t->ndim >= 0 && t->ndim <= TENSOR_MAX_DIMS);
    if (t->sizes != t->inline_dims)
        memory_free(t->sizes, 2 * (size_t)t->ndim * sizeof(int64_t));
}

static void settle_contiguous(fl_tensor *t)
{
    int64_t expected = 1;
    int flags = t->numel > 0 ? TENSOR_CONTIGUOUS | TENSOR_DENSE : TENSOR_CONTIGUOUS;
    for (int i = t->ndim - 1; i >= 0 && t->numel > 0; i--) {
        if (t->strides[i] != expected) {
            flags &= ~TENSOR_DENSE;
            if (t->sizes[i] != 1) {
                flags = 0;
                break;
            }
        }
        expected *= t->sizes[i];
    }
    t->flags = (uint8_t)((t->flags & ~(TENSOR_CONTIGUOUS | TENSOR_DENSE)) | flags);
}

/* A handle with sizes, without storage; strides NULL means contiguous ones. numel is known to the
 * caller. */
static fl_tensor *make_handle(int ndim, const int64_t *sizes, const int64_t *strides, int64_t numel,
                              int dtype)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    assert(numel >= 0);
    assert(dtype_size(dtype) > 0);
    fl_tensor *t = memory_alloc(sizeof *t);
    if (!t)
        return NULL;
    int64_t *dims = dims_room(t, ndim);
    if (!dims) {
        memory_free(t, sizeof *t);
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->dtype = (int8_t)dtype;
    t->flags = 0;
    t->ndim = (int16_t)ndim;
    t->creation = 0, t->view_output = 0, t->view_version = 0;
    t->numel = numel;
    t->sizes = dims;
    t->strides = dims + (ndim <= TENSOR_INLINE_DIMS ? TENSOR_INLINE_DIMS : ndim);
    t->storage = NULL;
    t->offset = 0;
    t->autograd = NULL;
    t->lanes = NULL;
    t->python = NULL;
    t->base = NULL;
    if (strides) {
        for (int i = ndim - 1; i >= 0; i--)
            t->sizes[i] = sizes[i], t->strides[i] = strides[i];
        settle_contiguous(t);
    } else {
        for (int i = 0; i < ndim; i++)
            t->sizes[i] = sizes[i];
        shape_contiguous_strides(ndim, sizes, t->strides);
        t->flags = TENSOR_CONTIGUOUS | TENSOR_DENSE;
    }
    assert(tensor_is_sound(t));
    return t;
}

/* ---- Making --------------------------------------------------------------------------------- */

static int check_ndim(int ndim)
{
    if (ndim >= 0 && ndim <= TENSOR_MAX_DIMS)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "Tensors of more than %d dimensions are not supported (got %d)",
                     TENSOR_MAX_DIMS, ndim);
}

static int too_large(int ndim, const int64_t *sizes)
{
    char text[512];
    return error_set(FL_RUNTIME_ERROR, "Storage size calculation overflowed with sizes=%s",
                     shape_text(text, sizeof text, ndim, sizes));
}

/* Elements from the first to the last that strides reach, both included; -1 with an error on
 * overflow. */
static int64_t extent(int ndim, const int64_t *sizes, const int64_t *strides)
{
    int64_t last = 0;
    for (int i = 0; i < ndim; i++) {
        int64_t reach;
        if (sizes[i] == 0)
            return 0;
        if (strides[i] < 0)
            return error_set(FL_RUNTIME_ERROR,
                             "as_strided: Negative strides are not supported at the "
                             "moment, got strides: [%" PRId64 "]",
                             strides[i]);
        if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return too_large(ndim, sizes);
    }
    return last == INT64_MAX ? too_large(ndim, sizes) : last + 1;
}

/* What a handle's flags say of its storage. */
static void settle_device(fl_tensor *t)
{
    bool elsewhere = t->storage && t->storage->device != &device_cpu;
    t->flags = (uint8_t)(elsewhere ? t->flags | TENSOR_ELSEWHERE : t->flags & ~TENSOR_ELSEWHERE);
}

fl_tensor *tensor_new_on(struct device *d, int ndim, const int64_t *sizes, const int64_t *strides,
                         int dtype)
{
    if (check_ndim(ndim) != 0)
        return NULL;
    int64_t product = 1;
    bool overflow = false;
    for (int i = 0; i < ndim; i++)
        overflow |= __builtin_mul_overflow(product, sizes[i], &product);
    if (overflow && !strides) {
        too_large(ndim, sizes);
        return NULL;
    }
    int64_t numel = shape_numel(ndim, sizes);
    if (numel < 0 || (numel == 0 && !strides && shape_check_strides(ndim, sizes)))
        return NULL;
    int64_t elements = strides ? extent(ndim, sizes, strides) : numel;
    int64_t bytes;
    if (elements < 0)
        return NULL;
    if (__builtin_mul_overflow(elements, (int64_t)dtype_size(dtype), &bytes)) {
        too_large(ndim, sizes);
        return NULL;
    }
    struct storage *s = storage_new_on(d, (size_t)bytes);
    if (!s)
        return NULL;
    fl_tensor *t = make_handle(ndim, sizes, strides, numel, dtype);
    if (!t) {
        storage_release(s);
        return NULL;
    }
    t->storage = s;
    settle_device(t);
    return t;
}

static fl_tensor *make(int ndim, const int64_t *sizes, const int64_t *strides, int dtype)
{
    return tensor_new_on(&device_cpu, ndim, sizes, strides, dtype);
}

/* What every operator asks for is made in one pass; sizes that want a closer look go to make. */
fl_tensor *tensor_new(int ndim, const int64_t *sizes, int dtype)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT && dtype_size(dtype) > 0);
    int64_t numel = 1, strides[TENSOR_INLINE_DIMS], bytes;
    if (ndim < 0 || ndim > TENSOR_INLINE_DIMS)
        return make(ndim, sizes, NULL, dtype);
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = numel;
        if (sizes[i] <= 0 || __builtin_mul_overflow(numel, sizes[i], &numel))
            return make(ndim, sizes, NULL, dtype);
    }
    if (__builtin_mul_overflow(numel, (int64_t)dtype_size(dtype), &bytes))
        return make(ndim, sizes, NULL, dtype);
    struct storage *s = storage_new((size_t)bytes);
    fl_tensor *t = s ? memory_alloc(sizeof *t) : NULL;
    if (!t) {
        storage_release(s);
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->dtype = (int8_t)dtype;
    t->flags = TENSOR_CONTIGUOUS | TENSOR_DENSE;
    t->ndim = (int16_t)ndim;
    t->creation = 0, t->view_output = 0, t->view_version = 0;
    t->numel = numel;
    t->sizes = t->inline_dims;
    t->strides = t->inline_dims + TENSOR_INLINE_DIMS;
    t->storage = s;
    t->offset = 0;
    t->autograd = NULL;
    t->lanes = NULL;
    t->base = NULL;
    t->python = NULL;
    for (int i = 0; i < ndim; i++)
        t->sizes[i] = sizes[i], t->strides[i] = strides[i];
    assert(tensor_is_sound(t));
    return t;
}

fl_tensor *tensor_new_strided(int ndim, const int64_t *sizes, const int64_t *strides, int dtype)
{
    return make(ndim, sizes, strides, dtype);
}

fl_tensor *tensor_new_like(const fl_tensor *like, int dtype)
{
    int64_t strides[TENSOR_MAX_DIMS];
    struct device *d = tensor_device(like);
    if (tensor_is_plain(like))
        return tensor_new_on(d, like->ndim, like->sizes, NULL, dtype);
    tensor_dense_strides(like, strides);
    return tensor_new_on(d, like->ndim, like->sizes, strides, dtype);
}

fl_tensor *tensor_on_storage(struct storage *s, int ndim, const int64_t *sizes,
                             const int64_t *strides, int64_t offset, int dtype)
{
    assert(atomic_load(&s->refs) > 0);
    if (check_ndim(ndim) != 0)
        return NULL;
    int64_t numel = shape_numel(ndim, sizes);
    fl_tensor *t = numel < 0 ? NULL : make_handle(ndim, sizes, strides, numel, dtype);
    if (!t)
        return NULL;
    t->storage = storage_retain(s);
    t->offset = offset;
    settle_device(t);
    return t;
}

fl_tensor *tensor_alias(const fl_tensor *t, int ndim, const int64_t *sizes, const int64_t *strides,
                        int64_t offset)
{
    assert(atomic_load(&t->refs) > 0);
    if (check_ndim(ndim) != 0)
        return NULL;
    int64_t numel = shape_numel(ndim, sizes);
    fl_tensor *view = numel < 0 ? NULL : make_handle(ndim, sizes, strides, numel, t->dtype);
    if (!view)
        return NULL;
    view->storage = storage_retain(t->storage);
    view->offset = offset;
    view->flags |=
        t->flags & (TENSOR_UNTRACKED | TENSOR_INFERENCE | TENSOR_ELSEWHERE | TENSOR_IN_OBJECT);
    assert(!view->storage || view->offset >= 0);
    if (t->lanes && lanes_set(view, t->lanes)) {
        tensor_release(view);
        return NULL;
    }
    return view;
}

int tensor_refuse_in_object(const char *name)
{
    return error_set(FL_NOT_IMPLEMENTED,
                     "Could not run 'aten::%s' with arguments from the 'SparseCPU' backend: "
                     "Flambeau has no sparse form of %s; make the tensor dense first, with "
                     "to_dense()",
                     name, name);
}

void tensor_set_base(fl_tensor *view, fl_tensor *of, int creation)
{
    assert(!view->base);
    view->base = tensor_retain(of->base ? of->base : of);
    view->view_version = view->storage ? view->storage->version : 0;
    view->creation = (uint8_t)(creation ? creation : of->creation);
}

fl_tensor *tensor_shape_only(const fl_tensor *t)
{
    fl_tensor *shape = make_handle(t->ndim, t->sizes, t->strides, t->numel, t->dtype);
    if (shape)
        shape->offset = t->offset;
    if (shape && t->lanes && lanes_set(shape, t->lanes)) {
        tensor_release(shape);
        return NULL;
    }
    return shape;
}

static void store_number(void *to, int dtype, fl_value number)
{
    if (number.tag == FL_COMPLEX)
        convert_elements(1, to, dtype, 0, number.as.floats, FL_COMPLEX128, 0);
    else if (number.tag == FL_FLOATING)
        convert_elements(1, to, dtype, 0, &number.as.f, FL_FLOAT64, 0);
    else
        convert_elements(1, to, dtype, 0, &number.as.i, FL_INT64, 0);
}

fl_tensor *tensor_from_number(fl_value number, int dtype)
{
    assert(value_is_number(&number));
    fl_tensor *t = make(0, NULL, NULL, dtype);
    if (t)
        store_number(tensor_data(t), dtype, number);
    return t;
}

void tensor_destroy(fl_tensor *t)
{
    assert(atomic_load(&t->refs) <= 1);
    assert(!t->base || !t->base->base);
    if (t->python && tensor_drop_python(t))
        return;
    if (t->autograd)
        tensor_drop_autograd(t);
    tensor_release(t->base);
    storage_release(t->storage);
    if (t->lanes)
        lanes_set(t, NULL);
    dims_drop(t);
    memory_free(t, sizeof *t);
}

/* ---- Changing a handle ---------------------------------------------------------------------- */

int tensor_set_shape(fl_tensor *t, int ndim, const int64_t *sizes, const int64_t *strides,
                     int64_t offset)
{
    if (check_ndim(ndim) != 0)
        return -1;
    int64_t numel = shape_numel(ndim, sizes);
    if (numel < 0)
        return -1;
    /* sizes and strides may be t's own arrays, in another order or not. */
    int64_t copy[2 * TENSOR_MAX_DIMS];
    memcpy(copy, sizes, (size_t)ndim * sizeof *copy);
    memcpy(copy + ndim, strides, (size_t)ndim * sizeof *copy);
    if (ndim != t->ndim) {
        int64_t *dims = dims_room(t, ndim);
        if (!dims)
            return -1;
        dims_drop(t);
        t->sizes = dims;
        t->strides = dims + (ndim <= TENSOR_INLINE_DIMS ? TENSOR_INLINE_DIMS : ndim);
        t->ndim = (int16_t)ndim;
    }
    memcpy(t->sizes, copy, (size_t)ndim * sizeof *copy);
    memcpy(t->strides, copy + ndim, (size_t)ndim * sizeof *copy);
    t->numel = numel;
    t->offset = offset;
    settle_contiguous(t);
    return 0;
}

void tensor_set_storage(fl_tensor *t, struct storage *s)
{
    assert(!s || atomic_load(&s->refs) > 0);
    storage_retain(s);
    storage_release(t->storage);
    t->storage = s;
    settle_device(t);
}

int tensor_resize(fl_tensor *t, int ndim, const int64_t *sizes)
{
    assert(t->storage);
    if (t->lanes)
        return error_set(FL_RUNTIME_ERROR, "vmap: a tensor that is vmapped over cannot be resized");
    if (check_ndim(ndim) != 0)
        return -1;
    int64_t numel = shape_numel(ndim, sizes);
    int64_t bytes;
    if (numel < 0 || (numel == 0 && shape_check_strides(ndim, sizes)))
        return -1;
    if (__builtin_add_overflow(numel, t->offset, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)dtype_size(t->dtype), &bytes))
        return too_large(ndim, sizes);
    if (numel > 0 && (size_t)bytes > t->storage->bytes &&
        storage_resize(t->storage, (size_t)bytes) != 0)
        return -1;
    int64_t strides[TENSOR_MAX_DIMS];
    shape_contiguous_strides(ndim, sizes, strides);
    return tensor_set_shape(t, ndim, sizes, strides, t->offset);
}

int tensor_resize_output(fl_tensor *t, int ndim, const int64_t *sizes)
{
    char was[256], becomes[256];
    if (t->numel &&
        warning_give("An output with one or more elements was resized since it had shape %s, which "
                     "does not match the required output shape %s. This behavior is deprecated, "
                     "and in a future PyTorch release outputs will not be resized unless they have "
                     "zero elements. You can explicitly reuse an out tensor t by resizing it, "
                     "inplace, to zero elements with t.resize_(0).",
                     shape_text(was, sizeof was, t->ndim, t->sizes),
                     shape_text(becomes, sizeof becomes, ndim, sizes)))
        return -1;
    return tensor_resize(t, ndim, sizes);
}

/* ---- Questions ------------------------------------------------------------------------------ */

bool tensor_is_dense(const fl_tensor *t)
{
    if ((t->flags & TENSOR_CONTIGUOUS) || t->numel < 2)
        return true;
    /* In the order of their strides the dims must fit without a gap. */
    int64_t expected = 1;
    int dims = 0;
    for (int i = 0; i < t->ndim; i++)
        dims += t->sizes[i] != 1;
    while (dims-- > 0) {
        int i = 0;
        while (i < t->ndim && (t->sizes[i] == 1 || t->strides[i] != expected))
            i++;
        if (i == t->ndim)
            return false;
        expected *= t->sizes[i]; /* at least twice as much: no dim is found again */
    }
    return true;
}

void tensor_dense_strides(const fl_tensor *t, int64_t *strides)
{
    const int64_t *own = t->strides;
    if (tensor_is_dense(t))
        memcpy(strides, own, (size_t)t->ndim * sizeof *strides);
    else
        shape_lay(t->ndim, t->sizes, 1, &own, strides);
}

int tensor_check_written(const fl_tensor *t)
{
    for (int d = 0; d < t->ndim && t->numel > 1; d++)
        if (t->strides[d] == 0 && t->sizes[d] > 1) {
            error_set(FL_RUNTIME_ERROR,
                      "unsupported operation: more than one element of the written-to "
                      "tensor refers to a single memory location. Please clone() the tensor "
                      "before performing the operation.");
            return error_hint("an expanded tensor shows one number in many places: make it "
                              "writable by x = x.clone(), or write x = x + 1 in place of x += 1",
                              "expand 得到的张量在多处显示同一个数，不能就地修改：请先 "
                              "x = x.clone()，或把 x += 1 写成 x = x + 1");
        }
    return 0;
}

int tensor_overlap(const fl_tensor *a, const fl_tensor *b)
{
    if (a == b)
        return 1;
    if (a->numel == 0 || b->numel == 0 || a->storage != b->storage || !tensor_is_dense(a) ||
        !tensor_is_dense(b))
        return 0; /* like PyTorch, no search among tensors with gaps */
    const int64_t a_size = (int64_t)dtype_size(a->dtype), a_begin = a->offset * a_size;
    const int64_t b_size = (int64_t)dtype_size(b->dtype), b_begin = b->offset * b_size;
    const int64_t a_end = a_begin + a->numel * a_size, b_end = b_begin + b->numel * b_size;
    if (a_begin == b_begin && a_end == b_end)
        return a->ndim == b->ndim &&
                       memcmp(a->strides, b->strides, (size_t)a->ndim * sizeof *a->strides) == 0
                   ? 1
                   : 2;
    return a_begin < b_end && b_begin < a_end ? 2 : 0;
}

int tensor_check_read(const fl_tensor *written, const fl_tensor *read, bool apart)
{
    int overlap = tensor_overlap(written, read);
    if (overlap == 0 || (overlap == 1 && !apart))
        return 0;
    return error_set(FL_RUNTIME_ERROR, "unsupported operation: some elements of the input tensor "
                                       "and the written-to tensor refer to a single memory "
                                       "location. Please clone() the tensor before performing the "
                                       "operation.");
}

/* Where the host reads the element; element is room for a copy of it. NULL with the error set. */
static const char *element_at(const fl_tensor *t, int64_t position, char *element)
{
    if (t->flags & TENSOR_ELSEWHERE)
        return device_element(t, position, element) ? NULL : element;
    assert(tensor_data(t));
    return (const char *)tensor_data(t) + position * (int64_t)dtype_size(t->dtype);
}

fl_value tensor_element(const fl_tensor *t, int64_t position)
{
    _Alignas(16) char element[16];
    const char *at = element_at(t, position, element);
    if (!at)
        return fl_none();
    fl_value v = fl_int(0);
    if (dtype_class(t->dtype) <= CLASS_INTEGRAL) {
        convert_elements(1, &v.as.i, FL_INT64, 0, at, t->dtype, 0);
        v.tag = t->dtype == FL_BOOL ? FL_BOOLEAN : FL_INTEGER;
    } else {
        v = fl_float(0);
        convert_elements(1, &v.as.f, FL_FLOAT64, 0, at, t->dtype, 0);
    }
    return v;
}

fl_value tensor_number(const fl_tensor *t, int64_t position)
{
    double parts[2];
    if (!dtype_is_complex(t->dtype))
        return tensor_element(t, position);
    _Alignas(16) char element[16];
    const char *at = element_at(t, position, element);
    if (!at)
        return fl_none();
    convert_elements(1, parts, FL_COMPLEX128, 0, at, t->dtype, 0);
    return number_from_parts(parts[0], parts[1]);
}

/* ---- Copies --------------------------------------------------------------------------------- */

fl_tensor *tensor_as(const fl_tensor *t, int dtype)
{
    if (t->dtype == dtype && (t->flags & TENSOR_CONTIGUOUS))
        return tensor_retain((fl_tensor *)t);
    fl_tensor *copy = tensor_new_on(tensor_device(t), t->ndim, t->sizes, NULL, dtype);
    if (copy && tensor_copy(copy, t) != 0) {
        tensor_release(copy);
        return NULL;
    }
    return copy;
}

fl_tensor *tensor_contiguous(const fl_tensor *t)
{
    return tensor_as(t, t->dtype);
}

int tensor_fill(fl_tensor *t, fl_value number)
{
    assert(value_is_number(&number));
    if (t->lanes)
        return error_set(FL_RUNTIME_ERROR, "vmap: the samples of a tensor cannot be filled");
    _Alignas(16) char element[16];
    static const int64_t ZEROS[TENSOR_MAX_DIMS];
    store_number(element, t->dtype, number);
    if (t->flags & TENSOR_ELSEWHERE)
        return device_fill(t, element);
    struct storage here = {
        .refs = 1, .device = &device_cpu, .address = element, .bytes = sizeof element};
    fl_tensor one = {.dtype = t->dtype,
                     .ndim = t->ndim,
                     .numel = t->numel,
                     .sizes = t->sizes,
                     .strides = (int64_t *)ZEROS,
                     .storage = &here};
    return tensor_copy(t, &one);
}
