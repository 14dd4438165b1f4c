/* Tensors and storages: what a handle holds, and the small functions everything else is made of.
 *
 * Invariants: a handle's address never changes while it lives. Where its elements lie is asked of
 * the storage each time (tensor_data), since a storage may move its bytes when it grows. `numel` is
 * the product of the sizes. TENSOR_CONTIGUOUS in `flags` is exact (dims of size 1 have any stride).
 * Sizes and strides stand inside the handle up to TENSOR_INLINE_DIMS dims, else in one block beside
 * it; `sizes` and `strides` point at them. The version counts writes; it belongs to the storage, so
 * views share it.
 */
#ifndef FLAMBEAU_CORE_TENSOR_H
#define FLAMBEAU_CORE_TENSOR_H

#include <assert.h>
#include <stdatomic.h>

#include "core/refs.h"
#include "flambeau/base.h"

enum { TENSOR_INLINE_DIMS = 5, TENSOR_MAX_DIMS = 64 };

enum tensor_flag {
    TENSOR_CONTIGUOUS = 1,    /* rows last, no gap */
    TENSOR_REQUIRES_GRAD = 2, /* a leaf that gathers a gradient, or the result of a recorded call */
    TENSOR_UNTRACKED = 4,     /* made by .data: writes through it do not count as versions */
    TENSOR_INFERENCE = 8,     /* made under inference_mode */
    TENSOR_WRAPPED_NUMBER = 16, /* a 0-dim tensor made from a number: weak in type promotion */
    TENSOR_ELSEWHERE = 32,      /* its storage is not the CPU's */
    TENSOR_IN_OBJECT = 64,      /* the object around it keeps its elements (a sparse tensor) */
    TENSOR_DENSE = 128          /* contiguous, with the strides that a new tensor has: those of dims
                                   of size 1 too */
};

/* How a view came to be, where it may not be written while calls are recorded: its base could not
 * get the history that the write makes. Views of it inherit this. */
enum tensor_creation {
    CREATION_NO_GRAD = 1, /* while grad mode was off */
    CREATION_INFERENCE,   /* under inference_mode */
    CREATION_MANY,        /* with others, by one call: unbind, split, chunk */
    CREATION_FUNCTION     /* by a Function whose derivative the user wrote */
};

struct device; /* core/device.h */

struct storage {
    _Atomic int32_t refs;
    uint32_t version;
    struct device *device;
    void *address; /* the device's; NULL when bytes == 0 or the device has no memory */
    size_t bytes;
    uint16_t room; /* bytes for data behind this struct, in its own block (storage.c) */
    _Atomic int32_t lent; /* how many strangers hold the address: it may not move */
    bool resizable;
    bool
        borrowed; /* memory is someone else's: free(context), where not NULL, tells them that we are
                      done */
    void (*free)(void *context);
    void *context;
};

struct autograd; /* autograd/autograd.h */
struct lanes;    /* core/lanes.h */

/* What begins as zero stands in pairs of 16 bytes: a compiler that sets two at once then crosses no line
 * of the cache, from which the next load would have to wait for the store. */
struct fl_tensor {
    _Atomic int32_t refs;
    int8_t dtype; /* an fl_dtype */
    uint8_t flags;
    int16_t ndim;
    int64_t numel;
    int64_t *sizes;
    int64_t *strides;        /* in elements */
    struct storage *storage; /* NULL for a handle that carries a shape alone (tensor_shape_only) */
    int64_t offset;          /* in elements */
    struct autograd *autograd; /* NULL until needed */
    struct lanes *lanes;       /* hidden dims of vmaps at work, owned; NULL: none */
    fl_tensor *base; /* of a view: the tensor it is a view of, which is none itself (a reference);
                        else NULL */
    void *python;    /* the live Python object that wraps this handle, borrowed; NULL when there is
                        none. Where the handle dies first, it is told by tensor_drop_python */
    uint8_t creation;     /* of views: a tensor_creation, 0 for a view that may be written */
    uint16_t view_output; /* of CREATION_MANY: which of the views */
    uint32_t
        view_version; /* of views: the storage's version when the view, or its node, was made */
    int64_t inline_dims[2 * TENSOR_INLINE_DIMS];
};

/* ---- dtypes ---- */

enum dtype_class { CLASS_BOOL, CLASS_INTEGRAL, CLASS_FLOATING, CLASS_COMPLEX };

/* By what word of the table's key `dtypes` an operator accepts a dtype: its class, or a word of its
 * own for those that few operators take. A bit of fl_op.accepts, where 4 has another meaning. */
enum dtype_group { GROUP_UNSIGNED = 5, GROUP_FLOAT8 };

/* All that is said of a dtype: a row of dtypes (dtype.c). */
struct dtype {
    const char *name, *title; /* "float32"; "Float", by which PyTorch's errors call it */
    const char *c_name;       /* "float": in PyTorch's errors of conversion */
    const char *numpy;        /* "f4", behind the mark of byte order; NULL: NumPy has none */
    const char *buffer;       /* "f", as Python's buffers name it; NULL: they have none */
    const char *safetensors;  /* "F32" */
    uint8_t dlpack;           /* DLPack's code of its kind */
    uint8_t size, class;
    uint8_t group;   /* a dtype_class or dtype_group */
    uint8_t compute; /* an enum compute (iterate.h): what loops compute it in */
    uint8_t real;    /* the dtype of its real part: itself where it is not complex */
    uint8_t complex; /* the complex dtype that has it as parts, or that it promotes to; or none */
    uint8_t digits;  /* bits of an integer without its sign, of a float's significand */
    bool is_signed;
    double largest; /* finite number of a floating dtype */
};
extern const struct dtype dtypes[FL_DTYPE_COUNT];

static inline size_t dtype_size(int dtype)
{
    assert(dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    return dtypes[dtype].size;
}
/* The address of t's first element, an address of its device; NULL where there is no memory (no
 * elements, no storage). It is good until something may resize t's storage or give t another:
 * nothing keeps it. */
static inline void *tensor_address(const fl_tensor *t)
{
    char *base = t->storage ? t->storage->address : NULL;
    return base ? base + t->offset * (int64_t)dtypes[t->dtype].size : NULL;
}
/* The same of a tensor on the CPU, to read and write there. Who cannot know that looks at values by
 * tensor_host or tensor_element. */
static inline void *tensor_data(const fl_tensor *t)
{
    assert(!(t->flags & TENSOR_ELSEWHERE));
    return tensor_address(t);
}
/* The same where there is a storage, and the element's size is at hand: what a short call asks. */
static inline char *tensor_data_of_size(const fl_tensor *t, int64_t size)
{
    assert(!(t->flags & TENSOR_ELSEWHERE) && size == (int64_t)dtypes[t->dtype].size);
    return (char *)t->storage->address + t->offset * size;
}
static inline enum dtype_class dtype_class(int dtype)
{
    assert(dtype >= FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    return (enum dtype_class)dtypes[dtype].class;
}
static inline int dtype_group(int dtype)
{
    return dtypes[dtype].group;
}
static inline bool dtype_is_floating(int dtype)
{
    return dtypes[dtype].class == CLASS_FLOATING;
}
static inline bool dtype_is_integral(int dtype) /* bool excluded */
{
    return dtypes[dtype].class == CLASS_INTEGRAL;
}
static inline bool dtype_is_complex(int dtype)
{
    return dtypes[dtype].class == CLASS_COMPLEX;
}
/* Floating or complex: tensors that may ask for a gradient. */
static inline bool dtype_is_inexact(int dtype)
{
    return dtypes[dtype].class >= CLASS_FLOATING;
}
static inline bool dtype_is_signed(int dtype)
{
    return dtypes[dtype].is_signed;
}
/* Floats of 16 and 8 bits, which are computed as float32. */
static inline bool dtype_is_narrow(int dtype)
{
    return dtypes[dtype].class == CLASS_FLOATING && dtypes[dtype].size < sizeof(float);
}
/* Bits of an integer without its sign; of a float's significand, with the leading one. */
static inline int dtype_digits(int dtype)
{
    return dtypes[dtype].digits;
}
/* The largest finite number of a floating dtype, of a complex one's parts. */
static inline double dtype_largest(int dtype)
{
    assert(dtype_is_inexact(dtype));
    return dtypes[dtype].largest;
}
static inline int dtype_real(int dtype)
{
    return dtypes[dtype].real;
}
static inline int dtype_complex(int dtype)
{
    return dtypes[dtype].complex;
}
/* The parts of a number; the imaginary one of a real number is 0. */
static inline double number_real(const fl_value *v)
{
    return v->tag == FL_FLOATING  ? v->as.f
           : v->tag == FL_COMPLEX ? v->as.floats[0]
                                  : (double)v->as.i;
}
static inline double number_imag(const fl_value *v)
{
    return v->tag == FL_COMPLEX ? v->as.floats[1] : 0;
}
static inline bool value_is_number(const fl_value *v)
{
    return (v->tag >= FL_BOOLEAN && v->tag <= FL_FLOATING) || v->tag == FL_COMPLEX;
}
/* A complex number whose parts this thread keeps until it has made eight more of them; and a + b, a - b,
 * a * b, a / b as such, of numbers of which one is complex. */
fl_value number_from_parts(double real, double imag);
fl_value number_complex(char sign, const fl_value *a, const fl_value *b);
fl_value number_log(fl_value number); /* complex where that is */
/* The dtype that holds a number as it is. */
int number_dtype(const fl_value *number);
/* Whether every dtype holds a number: what most are. */
static inline bool number_is_small(fl_value number)
{
    return number.tag == FL_FLOATING  ? number.as.f >= 0 && number.as.f <= 127
           : number.tag == FL_COMPLEX ? false
                                      : (uint64_t)number.as.i <= 127;
}
/* Refuses a number out of the range of dtype, as PyTorch does where a Scalar is stored or computed
 * with: 0, or -1 with the error. */
int number_check_range(fl_value number, int dtype);
static inline int number_check(fl_value number, int dtype)
{
    return number_is_small(number) ? 0 : number_check_range(number, dtype);
}
/* The number as dtype keeps it: an integer wraps around, as PyTorch's operands that are numbers. */
fl_value number_wrap(fl_value number, int dtype);
/* The least and the largest number of an integral dtype that a number may be; an unsigned one takes
 * a negative number whose absolute value it holds, and of uint64 the largest is that of int64. */
int64_t dtype_least(int dtype);
int64_t dtype_most(int dtype);
bool dtype_holds(double number, int dtype); /* its whole part, likewise */
/* "int8_t", "c10::Half": the names that PyTorch's errors of conversion use. */
const char *dtype_c_name(int dtype);
/* The class of CPU tensors of a dtype, as PyTorch's errors call it: torch.FloatTensor, CPUBoolType. */
const char *dtype_tensor_class(char *text, size_t size, int dtype);

/* "signed char", "long int": the names that the compiler gives to types, which other errors use. */
const char *dtype_cpp_name(int dtype);

/* "Float", "Long": the names that PyTorch's error messages use. */
const char *dtype_title(int dtype);
/* The smallest dtype that holds both (torch.promote_types); -1 with the error for float8 and some of
 * the unsigned, which promote with few others. */
int dtype_promote(int a, int b);
/* dtype_complex, or -1 with the error where there is none. */
int dtype_complex_of(int dtype);
/* Whether a result of dtype `from` may be written to a tensor of dtype `to` (torch.can_cast). */
bool dtype_can_cast(int from, int to);
int dtype_check_cast(int from, int to); /* the same; -1 with PyTorch's error where it may not */
/* PyTorch's refusal of a dtype by the operator, or its kernel, of that name: -1. */
int dtype_refuse(const char *name, int dtype);
/* torch.get_default_dtype. */
int dtype_default(void);
void dtype_set_default(int dtype);

/* ---- making and dropping ---- */

/* A new contiguous uninitialised tensor on the CPU. NULL with the error set. */
fl_tensor *tensor_new(int ndim, const int64_t *sizes, int dtype);
/* The same with strides of one's choice (at least 0); the storage is as large as they reach. */
fl_tensor *tensor_new_strided(int ndim, const int64_t *sizes, const int64_t *strides, int dtype);
/* The same on a device; strides NULL: contiguous. */
fl_tensor *tensor_new_on(struct device *d, int ndim, const int64_t *sizes, const int64_t *strides,
                         int dtype);
/* Uninitialised with the sizes of `like`, and its strides where these are dense without overlap,
 * else contiguous; on its device. */
fl_tensor *tensor_new_like(const fl_tensor *like, int dtype);
/* Another handle on t's storage. offset in elements. No autograd state: the door sets that. */
fl_tensor *tensor_alias(const fl_tensor *t, int ndim, const int64_t *sizes, const int64_t *strides,
                        int64_t offset);
/* Makes a handle on the memory of `of` a view of it, or of its base. creation: a tensor_creation, 0:
 * that of `of`. */
void tensor_set_base(fl_tensor *view, fl_tensor *of, int creation);
/* The error of an operator called on a handle whose elements are in its object: -1. */
int tensor_refuse_in_object(const char *name);
/* A handle on a storage: takes a new reference on it. strides NULL: contiguous; offset in elements.
 */
fl_tensor *tensor_on_storage(struct storage *s, int ndim, const int64_t *sizes,
                             const int64_t *strides, int64_t offset, int dtype);
/* A handle without storage that remembers sizes and dtype. */
fl_tensor *tensor_shape_only(const fl_tensor *t);
/* A 0-dim tensor holding a number converted to dtype. */
fl_tensor *tensor_from_number(fl_value number, int dtype);

/* Whether a new tensor of t's sizes has its strides. */
static inline bool tensor_is_plain(const fl_tensor *t)
{
    return t->flags & TENSOR_DENSE || (t->flags & TENSOR_CONTIGUOUS && t->numel == 0);
}

static inline fl_tensor *tensor_retain(fl_tensor *t)
{
    refs_add(&t->refs);
    return t;
}
/* Called when the last reference goes. */
void tensor_destroy(fl_tensor *t);
static inline void tensor_release(fl_tensor *t)
{
    if (t && refs_drop(&t->refs))
        tensor_destroy(t);
}
/* Set by autograd at start-up: drops t->autograd. Core knows no more of it. */
extern void (*tensor_drop_autograd)(fl_tensor *t);
/* Set by the extension: drops the object of a handle that would die with one, on any thread; true
 * where the handle has a new owner instead. */
extern bool (*tensor_drop_python)(fl_tensor *t);

/* A storage of that many bytes (uninitialised) on the CPU, or on a device; drops one reference. */
struct storage *storage_new(size_t bytes);
struct storage *storage_new_on(struct device *d, size_t bytes);
struct storage *storage_from_memory(void *data, size_t bytes, void (*free)(void *), void *context);
static inline struct storage *storage_retain(struct storage *s) /* NULL for NULL */
{
    if (s)
        refs_add(&s->refs);
    return s;
}
void storage_release(struct storage *s);
/* Lends the memory to someone who keeps its address (an array of NumPy): it lives on, and does not
 * move, until it is given back. */
void storage_lend(struct storage *s);
void storage_take_back(struct storage *s);
/* A storage on the memory of s, which counts its own writes; NULL with the error. */
struct storage *storage_beside(struct storage *s);
/* Makes room for at least `bytes`, keeping the content; an error when the storage cannot grow. */
int storage_resize(struct storage *s, size_t bytes);
/* A new storage beside s: `times` copies of its first bytes, one after the other; NULL with the error.
 */
struct storage *storage_repeat(const struct storage *s, size_t bytes, int64_t times);
/* Sets all bytes to zero. */
int storage_clear(struct storage *s);

/* Changes what a handle is, in place (resize_, set_, t_, p.data = x). */
int tensor_set_shape(fl_tensor *t, int ndim, const int64_t *sizes, const int64_t *strides,
                     int64_t offset);
void tensor_set_storage(fl_tensor *t, struct storage *s); /* takes a new reference on s */
/* Makes t have these sizes, contiguous, growing its storage where needed: what out= and resize_ do.
 */
int tensor_resize(fl_tensor *t, int ndim, const int64_t *sizes);
/* The same for the destination of a result, with PyTorch's warning where it has elements. */
int tensor_resize_output(fl_tensor *t, int ndim, const int64_t *sizes);

/* ---- shapes ---- */

/* The product of sizes, or -1 with an error when it overflows or a size is negative. */
int64_t shape_numel(int ndim, const int64_t *sizes);
/* Refuses sizes whose contiguous strides exceed 64 bits, which a tensor without elements may have. */
int shape_check_strides(int ndim, const int64_t *sizes);
void shape_contiguous_strides(int ndim, const int64_t *sizes, int64_t *strides);
/* Strides of memory without gaps whose dims lie in the order of other tensors' strides, `count`
 * lists of ndim numbers, of which an earlier one counts for more and 0 tells nothing (source:
 * TensorIterator's reorder_dimensions). */
void shape_lay(int ndim, const int64_t *sizes, int count, const int64_t *const *strides,
               int64_t *laid);
static inline bool shape_equal(const fl_tensor *a, const fl_tensor *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->sizes[i] != b->sizes[i])
            return false;
    return true;
}
/* dim wrapped into 0..ndim-1 (a 0-dim tensor counts as one dim); -1 with PyTorch's "Dimension out
 * of range" (IndexError). */
int shape_wrap_dim(int64_t dim, int ndim);
/* Sets PyTorch's error, of the kind that the operator has, of an index that is no place of dim: -1. */
int shape_refuse_index(enum fl_error_kind kind, int64_t index, int dim, int64_t size);
/* The error of a written tensor that has not the sizes of what is to be written: -1. */
int shape_refuse(const fl_tensor *written, int ndim, const int64_t *sizes);
/* Broadcasts `sizes` (ndim of them) into out (out_ndim, up to TENSOR_MAX_DIMS), aligned at the last
 * dim. -1 with PyTorch's "The size of tensor a (3) must match the size of tensor b (4) at
 * non-singleton dimension 1". */
int shape_broadcast(int *out_ndim, int64_t *out, int ndim, const int64_t *sizes);
bool tensor_is_dense(const fl_tensor *t); /* some permutation of it is contiguous */
/* The strides of a new tensor laid out as t: t's own where it is dense, else strides without a gap
 * in the order of t's. */
void tensor_dense_strides(const fl_tensor *t, int64_t *strides);
/* "[2, 3]" into a buffer of the caller's; returns the buffer. */
const char *shape_text(char *buffer, size_t size, int ndim, const int64_t *sizes);

/* t itself (a new reference) when it is contiguous, else a contiguous copy: plain data, nothing
 * recorded. */
fl_tensor *tensor_contiguous(const fl_tensor *t);
/* t as dtype and contiguous: t itself (a new reference) or a converted copy. */
fl_tensor *tensor_as(const fl_tensor *t, int dtype);
/* Copies elements with conversion from src to dst of the same sizes, any strides. Nothing recorded,
 * no version. */
int tensor_copy(fl_tensor *dst, const fl_tensor *src);
/* The warning that imaginary parts will be lost, the first time that a program casts complex
 * elements to a real dtype: 0, or -1 where it takes that for an error. */
int tensor_warn_parts(const fl_tensor *src, int dtype);
/* Fills every element; a number out of the dtype's range becomes what a conversion makes of it. */
int tensor_fill(fl_tensor *t, fl_value number);
/* The element as a number: FL_BOOLEAN, FL_INTEGER or FL_FLOATING; of a complex one its real part,
 * as conversion to real dtypes takes it. `position` counts elements of memory from the first one of
 * t. Whatever the device: FL_NONE with the error set where it cannot be had. */
fl_value tensor_element(const fl_tensor *t, int64_t position);
/* The same of any dtype: of a complex one as number_from_parts gives it. */
fl_value tensor_number(const fl_tensor *t, int64_t position);
/* Refuses to write a tensor that shows one element several times (expand): 0, or -1 with PyTorch's
 * error. */
int tensor_check_written(const fl_tensor *t);
/* Whether two tensors' memory overlaps: 0 no, 1 fully the same, 2 partly. */
int tensor_overlap(const fl_tensor *a, const fl_tensor *b);

/* Refuses to read a tensor that overlaps the written one partly, or with `apart` at all. 0, or -1
 * with the error. */
int tensor_check_read(const fl_tensor *written, const fl_tensor *read, bool apart);

static inline void tensor_bump_version(fl_tensor *t)
{
    assert(!t->storage || atomic_load_explicit(&t->storage->refs, memory_order_relaxed) > 0);
    if (!(t->flags & TENSOR_UNTRACKED) && t->storage)
        t->storage->version++;
}

#endif
