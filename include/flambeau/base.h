/* The base of the C API: what things are, errors, tensors, scopes, calls by name, automatic
 * differentiation, random numbers, threads, memory. It names no operator: flambeau/ops.h does.
 */
#ifndef FLAMBEAU_BASE_H
#define FLAMBEAU_BASE_H

#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <stdbool.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define FL_API __attribute__((visibility("default")))

/* ---- What things are ---- */

typedef struct fl_tensor fl_tensor;
typedef struct fl_op fl_op;
typedef struct fl_generator fl_generator;
typedef struct fl_module fl_module;
typedef struct fl_optimizer fl_optimizer;

/* Element types, PyTorch's. The numbers are part of the ABI; new ones are added at the end. No dtype
 * is 0, which says "none given" where a dtype is optional. */
typedef enum fl_dtype {
    FL_NO_DTYPE,
    FL_BOOL,
    FL_UINT8,
    FL_INT8,
    FL_INT16,
    FL_INT32,
    FL_INT64,
    FL_FLOAT16,
    FL_BFLOAT16,
    FL_FLOAT32,
    FL_FLOAT64,
    FL_COMPLEX64,
    FL_COMPLEX128,
    FL_UINT16, /* from here on: stored, copied and converted, and taken by few operators */
    FL_UINT32,
    FL_UINT64,
    FL_FLOAT8_E4M3FN,
    FL_FLOAT8_E5M2,
    FL_FLOAT8_E4M3FNUZ,
    FL_FLOAT8_E5M2FNUZ,
    FL_FLOAT8_E8M0FNU,
    FL_DTYPE_COUNT
} fl_dtype;

typedef enum fl_device_kind { FL_CPU, FL_CUDA, FL_OPENCL, FL_META, FL_DEVICE_KINDS } fl_device_kind;

/* Where a tensor lives. index counts devices of a kind from 0. */
typedef struct fl_device {
    int16_t kind; /* an fl_device_kind, or -1 for "none given" */
    int16_t index;
} fl_device;

/* What the tag of an fl_value says its content is. */
typedef enum fl_tag {
    FL_NONE,
    FL_BOOLEAN,
    FL_INTEGER,
    FL_FLOATING,
    FL_TENSOR,
    FL_INTS,    /* count integers */
    FL_FLOATS,  /* count doubles */
    FL_TENSORS, /* count tensors, each may be NULL */
    FL_DTYPE,
    FL_DEVICE,
    FL_STRING,
    FL_GENERATOR,
    FL_COMPLEX /* two doubles: a Scalar's real and imaginary part */
} fl_tag;

/* An argument or a result: 16 bytes. Lists are borrowed from the caller for the time of the call; a
 * list that is a result is owned by its receiver (fl_value_release). A Scalar is a value tagged
 * FL_BOOLEAN, FL_INTEGER, FL_FLOATING, or FL_COMPLEX, whose two parts are borrowed as a list is. */
typedef struct fl_value {
    uint32_t tag;
    uint32_t count;
    union {
        int64_t i;
        double f;
        fl_tensor *tensor;
        const int64_t *ints;
        const double *floats;
        fl_tensor *const *tensors;
        fl_device device;
        const char *string;
        fl_generator *generator;
    } as;
} fl_value;

/* A list of integers (sizes, strides, dims). {NULL, 0} stands for "none given" where a list is
 * optional. */
typedef struct fl_ints {
    const int64_t *data;
    int64_t count;
} fl_ints;

typedef struct fl_floats {
    const double *data;
    int64_t count;
} fl_floats;

/* A list of tensors; an element may be NULL where the operator's signature says Tensor?[]. */
typedef struct fl_tensors {
    fl_tensor *const *data;
    int64_t count;
} fl_tensors;

/* A list of integers in place, for the arguments of a call: FL_INTS_OF(2, 3) for sizes (2, 3). The
 * numbers live to the end of the enclosing block in C, and to the end of the whole expression in
 * C++: a list that lives longer is an array of the caller's, {array, count}. */
#ifndef __cplusplus
#define FL_INTS_OF(...)                                                                            \
    ((fl_ints){(const int64_t[]){__VA_ARGS__},                                                     \
               (int64_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))})
#else
#define FL_INTS_OF(...) fl_ints_array_of(__VA_ARGS__)
extern "C++" {
template <int N> struct fl_ints_array {
    int64_t data[N];
    operator fl_ints() const
    {
        fl_ints list = {data, N};
        return list;
    }
};
template <class... T> static inline fl_ints_array<sizeof...(T)> fl_ints_array_of(T... numbers)
{
    return {{(int64_t)numbers...}};
}
}
#endif

static inline fl_value fl_int(int64_t i)
{
    fl_value v;
    v.tag = FL_INTEGER, v.count = 0, v.as.i = i;
    return v;
}
static inline fl_value fl_float(double f)
{
    fl_value v;
    v.tag = FL_FLOATING, v.count = 0, v.as.f = f;
    return v;
}
/* A complex Scalar; `parts`, its real and imaginary part, must live as long as it. */
static inline fl_value fl_complex_of(const double *parts)
{
    fl_value v;
    v.tag = FL_COMPLEX, v.count = 2, v.as.floats = parts;
    return v;
}
static inline fl_value fl_boolean(bool b)
{
    fl_value v;
    v.tag = FL_BOOLEAN, v.count = 0, v.as.i = b;
    return v;
}
static inline fl_value fl_none(void)
{
    fl_value v;
    v.tag = FL_NONE, v.count = 0, v.as.i = 0;
    return v;
}
static inline fl_value fl_tensor_value(fl_tensor *t)
{
    fl_value v;
    v.tag = t ? FL_TENSOR : FL_NONE, v.count = 0, v.as.tensor = t;
    return v;
}

/* ---- Errors ---- */

typedef enum fl_error_kind {
    FL_OK,
    FL_RUNTIME_ERROR,
    FL_VALUE_ERROR,
    FL_TYPE_ERROR,
    FL_INDEX_ERROR,
    FL_NOT_IMPLEMENTED,
    FL_OUT_OF_MEMORY,
    FL_FILE_NOT_FOUND,
    FL_IO_ERROR,
    FL_OVERFLOW_ERROR,
    FL_ASSERTION_ERROR, /* a device that this build has not */
    FL_LINALG_ERROR     /* a matrix that has no factor or inverse */
} fl_error_kind;

/* This thread's last error: its kind (FL_OK when there is none), and its whole text, valid until
 * the next error. */
FL_API fl_error_kind fl_error(void);
FL_API const char *fl_error_message(void);
FL_API void fl_error_clear(void);
/* Warnings of calls that work, as PyTorch gives them (a variance without degrees of freedom, an
 * out= that is resized): `tell` is called with each, on the thread of the call; where it returns
 * other than 0, having set an error or not, the call fails. NULL: each text goes to the standard
 * error once. `text` is the callee's until it returns. */
FL_API void fl_on_warning(int (*tell)(const char *text, void *context), void *context);
/* What a function that is given NULL does: sets an error that names function and parameter, unless
 * the thread has an error already, which then says why the value is NULL. Always -1. */
FL_API int fl_null_argument(const char *function, const char *parameter);

/* ---- Tensors ---- */

/* The version of this header, and of the library that runs ("0.1.0"). */
#define FLAMBEAU_VERSION_MAJOR 0
#define FLAMBEAU_VERSION_MINOR 1
#define FLAMBEAU_VERSION_PATCH 0
#define FLAMBEAU_VERSION       "0.1.0"
FL_API const char *fl_version(void);

/* Adds a reference and returns the tensor; drops one. NULL is allowed. */
FL_API fl_tensor *fl_retain(fl_tensor *t);
FL_API void fl_release(fl_tensor *t);

/* Opens a scope on this thread: from here on, tensors that calls return belong to it. Scopes nest.
 */
FL_API void fl_scope_begin(void);
/* Releases what the innermost scope owns. */
FL_API void fl_scope_end(void);
/* Takes t out of the scope that owns it, the innermost first: then it is the caller's to release,
 * however many scopes are open. A tensor that no scope owns stays as it is. Returns t.
 *
 * A program's function that the library calls (a module's forward, a hook, a backward) runs in a
 * scope and returns as a call does: what its own calls gave it, or what lives elsewhere, of which
 * the library takes a reference for itself. It hands over no reference: what it has kept with
 * fl_keep and returns, it still has to release. */
FL_API fl_tensor *fl_keep(fl_tensor *t);
/* The end of a function that opened a scope: ends it, and lets t live on as what a call returns
 * does, in the care of the scope around, or of the caller where there is none. Returns t, or NULL
 * with the error set when memory is out. */
FL_API fl_tensor *fl_scope_return(fl_tensor *t);

/* A contiguous tensor with a copy of `data`, which holds the product of sizes elements of dtype. */
FL_API fl_tensor *fl_from_data(const void *data, fl_ints sizes, fl_dtype dtype);
/* A tensor over the caller's memory, without a copy; `free` (may be NULL) is called with `context`
 * when it is dropped. */
FL_API fl_tensor *fl_from_memory(void *data, fl_ints sizes, fl_dtype dtype,
                                 void (*free)(void *context), void *context);
/* A tensor of no dimension. */
FL_API fl_tensor *fl_scalar(double value, fl_dtype dtype);
/* t converted, recorded for differentiation (PyTorch's Tensor.to): FL_NO_DTYPE and a device whose
 * kind is -1 leave it as it is. Where nothing changes the result is t itself. */
FL_API fl_tensor *fl_to(fl_tensor *t, fl_dtype dtype, fl_device device);
/* A tensor on the same memory, without history. */
FL_API fl_tensor *fl_detach(fl_tensor *t);

FL_API int fl_ndim(const fl_tensor *t);
FL_API int64_t fl_size(const fl_tensor *t,
                       int dim); /* dim may be negative; -1 with an error when out of range */
FL_API fl_ints fl_sizes(const fl_tensor *t);
FL_API fl_ints fl_strides(const fl_tensor *t);
FL_API int64_t fl_numel(const fl_tensor *t);
FL_API fl_dtype fl_dtype_of(const fl_tensor *t);
FL_API fl_device fl_device_of(const fl_tensor *t);
FL_API bool fl_is_contiguous(const fl_tensor *t);
/* The address of the first element on t's device (strides apply): the host may read it on the CPU
 * alone. Writing through it is not seen by version checks. */
FL_API void *fl_data(const fl_tensor *t);
FL_API size_t fl_dtype_size(fl_dtype dtype);
FL_API const char *fl_dtype_name(fl_dtype dtype); /* "float32" */
/* The single element of t as a double; NaN with an error set when t has another number of elements.
 */
FL_API double fl_item(const fl_tensor *t);
FL_API int64_t fl_item_int(const fl_tensor *t);

/* The text that Python's repr gives: "tensor([1., 2.])". The caller drops it with fl_text_free;
 * NULL with the error set. */
FL_API char *fl_text(const fl_tensor *t);
FL_API void fl_text_free(char *text);
/* Writes the text and a newline to the standard output. 0, or -1 with the error set. */
FL_API int fl_print(const fl_tensor *t);

/* The dtype of new floating-point tensors where none is given: FL_FLOAT32 at the start. Setting
 * takes floating dtypes; 0, or -1 with the error set. */
FL_API fl_dtype fl_default_dtype(void);
FL_API int fl_set_default_dtype(fl_dtype dtype);

/* ---- Calling operators by name: the one door ---- */

/* The operator of that name ("add.Tensor", "relu", "add_.Tensor", "add.out"), or NULL with an
 * error. */
FL_API const fl_op *fl_op_find(const char *name);
/* Calls it: `args` are the first nargs of its parameters, in order; FL_NONE and those that are not
 * given take the default. Of an out= form the destinations stand last. The first nresults results
 * are each a new reference (or the scope's); others are dropped. 0, or -1 with the error set and no
 * result. The counts let an operator gain parameters and results: what was compiled before calls it
 * as before. */
FL_API int fl_call(const fl_op *op, int nargs, const fl_value *args, int nresults,
                   fl_value *results);
/* All operators and forms, by index from 0 to fl_op_count() - 1; NULL for parts of others, which
 * only the library calls. */
FL_API int fl_op_count(void);
FL_API const fl_op *fl_op_at(int i);
/* "add.Tensor"; its paragraph's signature in PyTorch's form, "add.Tensor(Tensor self, ...) ->
 * Tensor" (an in-place or out= form has that of its function); its documentation. NULL for NULL. */
FL_API const char *fl_op_name(const fl_op *op);
FL_API const char *fl_op_signature(const fl_op *op);
FL_API const char *fl_op_doc(const fl_op *op);
/* Releases what a result holds; of a list whose tensors a scope owns, the list alone. */
FL_API void fl_value_release(fl_value *value);

/* ---- Automatic differentiation ---- */

FL_API bool fl_requires_grad(const fl_tensor *t);
FL_API int fl_set_requires_grad(fl_tensor *t, bool requires_grad);
/* The gradient gathered in a leaf: borrowed, NULL when there is none (no error). */
FL_API fl_tensor *fl_grad(const fl_tensor *t);
FL_API int fl_set_grad(fl_tensor *t, fl_tensor *grad); /* NULL drops it */
/* Differentiates a tensor of one element, adding into the .grad of the leaves. */
FL_API int fl_backward(fl_tensor *loss);

/* How to walk back; {0} asks for what fl_backward does. */
typedef struct fl_backward_options {
    bool retain_graph; /* keep what was saved, so that the graph can be walked again */
    bool create_graph; /* record the walk, so that gradients can be differentiated */
    bool allow_unused; /* fl_autograd_grad: an input that no output depends on gets NULL */
} fl_backward_options;

/* Walks back from several tensors of any shape; gradients[i] is the gradient of outputs[i], NULL
 * for 1 of a tensor of one element; {NULL, 0} when all are. Adds into the .grad of the leaves.
 * options may be NULL. 0, or -1 with the error set (PyTorch: autograd.backward). */
FL_API int fl_autograd_backward(fl_tensors outputs, fl_tensors gradients,
                                const fl_backward_options *options);
/* The gradients of outputs with respect to inputs, one each in results: new references, or the
 * scope's. No .grad changes. options may be NULL. 0, or -1 with the error set and no result
 * (PyTorch: autograd.grad). */
FL_API int fl_autograd_grad(fl_tensors outputs, fl_tensors inputs, fl_tensors gradients,
                            const fl_backward_options *options, fl_tensor **results);
/* Lets a tensor that is no leaf keep its gradient. */
FL_API int fl_retain_grad(fl_tensor *t);

/* Calls hook when the gradient of t is known, before it goes on: NULL leaves it as it is, another
 * tensor takes its place (see fl_keep). A hook that fails returns NULL with the
 * error set. `free` (may be NULL) is called with `context` when hook is called no more. Returns an
 * id for fl_remove_hook, or -1 with the error set; then `free` has been called. */
FL_API int64_t fl_add_hook(fl_tensor *t, fl_tensor *(*hook)(fl_tensor *gradient, void *context),
                           void *context, void (*free)(void *context));
FL_API void fl_remove_hook(fl_tensor *t, int64_t id);

/* What the backward function of a program's own operator is given and fills in. */
typedef struct fl_backward_call {
    fl_tensors gradients; /* one an output; NULL where none came */
    fl_tensors saved;     /* as they were given to fl_record */
    void *context;
    fl_tensors inputs;   /* of which a gradient is wanted: the others are NULL */
    fl_tensor **results; /* to fill in, one an input (see fl_keep); NULL for none */
} fl_backward_call;

/* Records a program's own operator: outputs were computed from inputs while recording was off
 * (fl_grad_enabled), and `backward` computes the gradients of inputs from those of outputs: 0, or
 * -1 with the error set. It may use operators, and with create_graph these are recorded. saved are
 * held until the graph is dropped, and refused when they were changed in place. Where recording is
 * off or no input requires a gradient, nothing is recorded. name is what grad_fn is called
 * ("MySquare" is MySquareBackward). `free` (may be NULL) is called with `context` when backward is
 * called no more. 0, or -1 with the error set; then `free` has been called. */
FL_API int fl_record(const char *name, fl_tensors inputs, fl_tensors outputs, fl_tensors saved,
                     int (*backward)(const fl_backward_call *call), void *context,
                     void (*free)(void *context));
/* Sets whether calls of this thread are recorded; returns how it was. */
FL_API bool fl_grad_enabled(bool enabled);

/* Mixed precision (torch.autocast): between begin and end, products and convolutions of this thread
 * compute in dtype (FL_BFLOAT16 or FL_FLOAT16; any other: as it was), losses and some others in
 * float32; enabled false suspends it. Pairs nest: end takes what its begin returned. */
typedef struct fl_autocast {
    bool enabled;
    fl_dtype dtype;
} fl_autocast;
FL_API fl_autocast fl_autocast_begin(bool enabled, fl_dtype dtype);
FL_API void fl_autocast_end(fl_autocast before);

/* ---- Random numbers, threads, memory ---- */

FL_API void fl_manual_seed(uint64_t seed); /* PyTorch's numbers for that seed */
/* A stream of random numbers (mt19937), with PyTorch's default seed; NULL with the error set. NULL
 * in the place of a generator is the default one. */
FL_API fl_generator *fl_generator_new(void);
FL_API void fl_generator_release(fl_generator *g);
FL_API void fl_generator_seed(fl_generator *g, uint64_t seed);
FL_API uint64_t fl_generator_initial_seed(const fl_generator *g);
/* The state as PyTorch's Generator.get_state: a uint8 tensor of 5056 elements. */
FL_API fl_tensor *fl_generator_state(fl_generator *g);
FL_API int fl_generator_set_state(fl_generator *g, const fl_tensor *state);

FL_API void fl_set_num_threads(int count);
FL_API int fl_num_threads(void);

/* What the allocator holds and has done. */
typedef struct fl_memory {
    int64_t allocated;    /* bytes in use now */
    int64_t peak;         /* the most that ever were */
    int64_t reserved;     /* bytes held from the system, free ones included */
    int64_t allocations;  /* blocks handed out so far */
    int64_t system_calls; /* requests to the system so far */
} fl_memory;
FL_API void fl_memory_stats(fl_memory *out);
/* Refuses to hold more than `bytes` from the system: what needs more fails with FL_OUT_OF_MEMORY,
 * and the program can go on. 0 takes the limit away. */
FL_API void fl_memory_limit(size_t bytes);
/* Gives free memory back to the system. */
FL_API void fl_empty_cache(void);
/* Takes memory from the program instead of the system: blocks aligned to 64 bytes, NULL when there
 * is none. Before anything is allocated, else -1 with the error set; NULL, NULL for the system. */
FL_API int fl_set_allocator(void *(*allocate)(size_t bytes, void *context),
                            void (*release)(void *block, size_t bytes, void *context),
                            void *context);

#ifdef __cplusplus
}
#endif

#endif
