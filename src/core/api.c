/* The public functions on tensors: each a line or two over the functions of core. */
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/scope.h"
#include "core/tensor.h"

const char *fl_version(void)
{
    return FLAMBEAU_VERSION;
}

fl_tensor *fl_retain(fl_tensor *t)
{
    return t ? tensor_retain(t) : NULL;
}

void fl_release(fl_tensor *t)
{
    tensor_release(t);
}

/* ---- Making --------------------------------------------------------------------------------- */

/* The new tensor in the scope's care, where there is a scope. */
static fl_tensor *given_out(fl_tensor *t)
{
    assert(!t || atomic_load(&t->refs) > 0);
    return scope_adopt(t) == 0 ? t : NULL;
}

static int check_request(fl_ints sizes, fl_dtype dtype)
{
    if (dtype <= FL_NO_DTYPE || dtype >= FL_DTYPE_COUNT)
        return error_set(FL_TYPE_ERROR, "%d is not a dtype", (int)dtype);
    if (sizes.count > 0 && !sizes.data)
        return error_set(FL_VALUE_ERROR, "the list of %" PRId64 " sizes has no memory",
                         sizes.count);
    if (sizes.count < 0 || sizes.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR,
                         "Tensors of more than %d dimensions are not supported (got %" PRId64 ")",
                         TENSOR_MAX_DIMS, sizes.count);
    return 0;
}

fl_tensor *fl_from_data(const void *data, fl_ints sizes, fl_dtype dtype)
{
    if (check_request(sizes, dtype) != 0)
        return NULL;
    fl_tensor *t = tensor_new((int)sizes.count, sizes.data, dtype);
    if (!t)
        return NULL;
    if (t->numel && !data) {
        tensor_release(t);
        return fl_null_argument("fl_from_data", "data"), NULL;
    }
    if (t->numel)
        memcpy(tensor_data(t), data, t->storage->bytes);
    return given_out(t);
}

fl_tensor *fl_from_memory(void *data, fl_ints sizes, fl_dtype dtype, void (*free)(void *context),
                          void *context)
{
    if (check_request(sizes, dtype) != 0)
        return NULL;
    int64_t bytes = shape_numel((int)sizes.count, sizes.data);
    if (bytes < 0)
        return NULL;
    if (bytes > 0 && !data)
        return fl_null_argument("fl_from_memory", "data"), NULL;
    if (__builtin_mul_overflow(bytes, (int64_t)dtype_size(dtype), &bytes))
        return error_null(FL_RUNTIME_ERROR, "Storage size calculation overflowed");
    /* `free` is told only when the tensor exists: until then the memory is the caller's. */
    struct storage *s = storage_from_memory(data, (size_t)bytes, NULL, context);
    if (!s)
        return NULL;
    fl_tensor *t = tensor_on_storage(s, (int)sizes.count, sizes.data, NULL, 0, dtype);
    storage_release(s);
    if (!(t = t ? given_out(t) : NULL))
        return NULL;
    t->storage->free = free;
    return t;
}

fl_tensor *fl_scalar(double value, fl_dtype dtype)
{
    if (check_request((fl_ints){NULL, 0}, dtype) != 0)
        return NULL;
    if (dtype_is_integral(dtype) && number_check(fl_float(value), dtype))
        return NULL;
    fl_tensor *t = tensor_from_number(fl_float(value), dtype);
    return t ? given_out(t) : NULL;
}

/* ---- Asking --------------------------------------------------------------------------------- */

int fl_ndim(const fl_tensor *t)
{
    return t ? t->ndim : -1;
}

int64_t fl_size(const fl_tensor *t, int dim)
{
    if (!t)
        return -1;
    if (t->ndim == 0)
        return error_set(FL_INDEX_ERROR, "Dimension specified as %d but tensor has no dimensions",
                         dim);
    int wrapped = shape_wrap_dim(dim, t->ndim);
    return wrapped < 0 ? -1 : t->sizes[wrapped];
}

fl_ints fl_sizes(const fl_tensor *t)
{
    return t ? (fl_ints){t->sizes, t->ndim} : (fl_ints){NULL, 0};
}

fl_ints fl_strides(const fl_tensor *t)
{
    return t ? (fl_ints){t->strides, t->ndim} : (fl_ints){NULL, 0};
}

int64_t fl_numel(const fl_tensor *t)
{
    return t ? t->numel : -1;
}

fl_dtype fl_dtype_of(const fl_tensor *t)
{
    return t ? (fl_dtype)t->dtype : FL_NO_DTYPE;
}

fl_device fl_device_of(const fl_tensor *t)
{
    return t ? tensor_device(t)->id : (fl_device){FL_CPU, 0};
}

bool fl_is_contiguous(const fl_tensor *t)
{
    return t && (t->flags & TENSOR_CONTIGUOUS);
}

void *fl_data(const fl_tensor *t)
{
    return t ? tensor_data(t) : NULL;
}

/* The single element of t, or FL_NONE with the error set. */
static fl_value only_element(const fl_tensor *t)
{
    assert(t->storage);
    if (!t)
        return fl_none();
    if (t->lanes) {
        error_set(FL_RUNTIME_ERROR, "a tensor that is vmapped over has no one value");
        return fl_none();
    }
    if (t->numel != 1) {
        error_set(FL_RUNTIME_ERROR,
                  "a Tensor with %" PRId64 " elements cannot be converted to Scalar", t->numel);
        error_hint("reduce it to one element first (mean, sum), or index the element you mean.",
                   "请先归约为单个元素（mean、sum），或用下标取出所需元素。");
        return fl_none();
    }
    return tensor_element(t, 0);
}

double fl_item(const fl_tensor *t)
{
    fl_value v = only_element(t);
    return v.tag == FL_NONE ? NAN : v.tag == FL_FLOATING ? v.as.f : (double)v.as.i;
}

int64_t fl_item_int(const fl_tensor *t)
{
    fl_value v = only_element(t);
    if (v.tag != FL_FLOATING)
        return v.as.i;
    if (v.as.f >= -0x1p63 && v.as.f < 0x1p63)
        return (int64_t)v.as.f;
    error_set(FL_OVERFLOW_ERROR, "%g does not fit into an integer of 64 bits", v.as.f);
    return 0;
}

/* ---- Settings ------------------------------------------------------------------------------- */

void fl_manual_seed(uint64_t seed)
{
    generator_seed(random_default(), seed);
}

fl_generator *fl_generator_new(void)
{
    return generator_new();
}

void fl_generator_release(fl_generator *g)
{
    if (g)
        generator_release(g);
}

static fl_generator *or_default(fl_generator *g)
{
    return g ? g : random_default();
}

void fl_generator_seed(fl_generator *g, uint64_t seed)
{
    generator_seed(or_default(g), seed);
}

uint64_t fl_generator_initial_seed(const fl_generator *g)
{
    return (g ? g : random_default())->seed;
}

fl_tensor *fl_generator_state(fl_generator *g)
{
    const int64_t size = GENERATOR_STATE_BYTES;
    fl_tensor *t = tensor_new(1, &size, FL_UINT8);
    if (!t)
        return NULL;
    generator_get_state(or_default(g), tensor_data(t));
    return given_out(t);
}

int fl_generator_set_state(fl_generator *g, const fl_tensor *state)
{
    if (!state)
        return fl_null_argument("fl_generator_set_state", "state");
    if (state->dtype != FL_UINT8)
        return error_set(FL_TYPE_ERROR, "expected a torch.ByteTensor, but got %s",
                         fl_dtype_name((fl_dtype)state->dtype));
    fl_tensor *dense = tensor_contiguous(state);
    int status =
        dense ? generator_set_state(or_default(g), tensor_data(dense), (size_t)dense->numel) : -1;
    tensor_release(dense);
    return status;
}

fl_dtype fl_default_dtype(void)
{
    return (fl_dtype)dtype_default();
}

int fl_set_default_dtype(fl_dtype dtype)
{
    bool known = (int)dtype >= 0 && dtype < FL_DTYPE_COUNT;
    if (known && dtype_group(dtype) == GROUP_FLOAT8)
        return error_set(FL_TYPE_ERROR, "couldn't find storage object %sStorage",
                         dtype_title(dtype));
    if (!known || !dtype_is_floating(dtype))
        return error_set(FL_TYPE_ERROR,
                         "only floating-point types are supported as the default type");
    dtype_set_default(dtype);
    return 0;
}

void fl_empty_cache(void)
{
    memory_empty_cache();
}
