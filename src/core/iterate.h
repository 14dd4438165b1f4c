/* Strided iteration: many operands walked together, in chunks that are contiguous and of the type a
 * loop computes in.
 *
 * A loop (emitted from the operator table, or hand-written) sees n elements of each operand,
 * contiguous, in its compute type. The iterator collapses dims once, then for each chunk gives an
 * operand's own memory where that is contiguous and of the compute type, and otherwise gathers
 * (with conversion: strides, 0-strides, bfloat16 -> float32, ...) into a buffer of the chunk's size
 * that stays in cache, and scatters results the same way. So broadcasting, mixed dtypes and any
 * strides cost one pass and no temporary tensor. Chunks are cut by the problem alone.
 */
#ifndef FLAMBEAU_CORE_ITERATE_H
#define FLAMBEAU_CORE_ITERATE_H

#include "core/tensor.h"

/* The types in which loops compute. Every dtype has one: float16 and bfloat16 compute in F32; bool,
 * uint8, int8 and int16 in I32. C64 and C128 are pairs of float and of double.
 * Behind them, what pointwise loops are also made for: BOOL is truth values in bytes, of which a
 * loop reads 0 as false and any other byte as true, and writes 0 and 1; of U8, I8 and I16 it reads
 * and writes the elements as they lie, and computes what a loop of I32 would; of BF16, what a loop
 * of F32 would. */
enum compute {
    COMPUTE_F32,
    COMPUTE_F64,
    COMPUTE_I32,
    COMPUTE_I64,
    COMPUTE_C64,
    COMPUTE_C128,
    COMPUTE_TYPES,
    COMPUTE_BOOL = COMPUTE_TYPES,
    COMPUTE_U8,
    COMPUTE_I8,
    COMPUTE_I16,
    COMPUTE_BF16,
    COMPUTE_LOOPS
};

extern const int8_t compute_dtypes[];
static inline enum compute compute_of(int dtype)
{
    return (enum compute)dtypes[dtype].compute;
}
static inline bool compute_is_complex(enum compute type)
{
    return type == COMPUTE_C64 || type == COMPUTE_C128;
}
static inline int compute_dtype(enum compute type) /* the dtype whose elements a loop sees */
{
    return compute_dtypes[type];
}
size_t compute_size(enum compute type);

enum { COMPUTE_LARGEST = 16 }; /* bytes of the largest compute element */

/* A number for a loop, in the member that its compute type asks for: f for F32 and F64, the parts c
 * for C64 and C128. */
union loop_scalar {
    double f;
    int64_t i;
    double c[2];
};
/* Fills it from a number for loops of that type. */
union loop_scalar loop_scalar_of(const fl_value *number, enum compute type);

/* n elements; data[0..outputs-1] are results, the rest inputs; all contiguous in their compute
 * types. */
typedef void (*loop_fn)(int64_t n, char *const *data, const union loop_scalar *scalars);

enum { ITERATE_MAX_OPERANDS = 12 };

struct iterate_operand {
    void *data;
    const int64_t *sizes;   /* the operand's own; broadcast to the whole's */
    const int64_t *strides; /* in elements */
    int ndim;
    int dtype;
    enum compute compute; /* what the loop sees */
};

static inline struct iterate_operand iterate_tensor(const fl_tensor *t, enum compute compute)
{
    return (struct iterate_operand){tensor_address(t), t->sizes, t->strides,
                                    t->ndim,           t->dtype, compute};
}

/* Runs `loop` over a whole of `ndim` dims `sizes`, on the pool where it is large. Outputs come
 * first among operands and must have exactly the whole's sizes. level[k] is the loop for an
 * input k of two that is one element, whatever n; NULL: there is none. Fails only when memory is out. */
int iterate_run(int ndim, const int64_t *sizes, int operands, int outputs,
                const struct iterate_operand *operand, loop_fn loop, const loop_fn *level,
                const union loop_scalar *scalars);

/* Converts n elements between any two dtypes, strides in bytes (0 allowed for the source). The
 * building block of copies. */
void convert_elements(int64_t n, void *to, int to_dtype, int64_t to_stride, const void *from,
                      int from_dtype, int64_t from_stride);

/* x as an element of that dtype, and back. */
double convert_rounded(double x, int dtype);

#endif
