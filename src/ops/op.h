/* What an operator is at run time: the descriptor that the table's compiler emits for each
 * paragraph, and the door.
 *
 * Everything that is said of an operator stands in its descriptor; nothing switches on which
 * operator it is. The in-place and out= forms have descriptors of their own that point at the
 * functional one (`function`).
 */
#ifndef FLAMBEAU_OPS_OP_H
#define FLAMBEAU_OPS_OP_H

#include "core/isa.h"
#include "core/iterate.h"
#include "core/tensor.h"

/* Bounds of every paragraph; the table's compiler refuses more. */
enum { OP_PARAMS = 16, OP_RESULTS = 8 };

enum op_kind { OP_POINTWISE, OP_REDUCE, OP_VIEW, OP_KERNEL, OP_COMPOSE };

/* FORM_OUT: args are followed by one tensor for each result. */
enum op_form { FORM_FUNCTION, FORM_INPLACE, FORM_OUT };

enum op_type {
    TYPE_TENSOR,
    TYPE_OPERAND, /* Tensor|Scalar: a tensor or a number */
    TYPE_TENSORS, /* Tensor[], Tensor?[] */
    TYPE_INT,
    TYPE_INTS,
    TYPE_FLOAT,
    TYPE_FLOATS,
    TYPE_BOOL,
    TYPE_SCALAR,
    TYPE_DTYPE,
    TYPE_DEVICE,
    TYPE_LAYOUT,
    TYPE_MEMORY_FORMAT,
    TYPE_STRING,
    TYPE_GENERATOR
};

struct op_param {
    const char *name;
    uint8_t type;           /* an op_type */
    bool optional;          /* written with "?": None is a value of it */
    bool elements_optional; /* Tensor?[] */
    bool keyword_only;
    bool has_default;
    bool written;      /* "Tensor! self": the operator changes it in place by nature */
    bool number;       /* a Python number may stand for this Tensor: add's self */
    bool unbounded;    /* an int[] that may hold more ints than a tensor has dims */
    uint8_t list_size; /* int[2]: one int stands for so many; 0: any number */
    fl_value value;    /* the default */
};

/* Which dtypes are accepted; a set. */
enum op_accept {
    ACCEPT_BOOL = 1 << CLASS_BOOL,
    ACCEPT_INTEGRAL = 1 << CLASS_INTEGRAL,
    ACCEPT_FLOATING = 1 << CLASS_FLOATING,
    ACCEPT_COMPLEX = 1 << CLASS_COMPLEX,
    ACCEPT_UNSAID = 2 << CLASS_COMPLEX, /* a composite whose paragraph does not say: its parts do */
    ACCEPT_UNSIGNED = 1 << GROUP_UNSIGNED, /* uint16, uint32, uint64 */
    ACCEPT_FLOAT8 = 1 << GROUP_FLOAT8,
    ACCEPT_EVERY = ACCEPT_BOOL | ACCEPT_INTEGRAL | ACCEPT_FLOATING | ACCEPT_COMPLEX |
                   ACCEPT_UNSIGNED | ACCEPT_FLOAT8
};

/* Whether a set of op_accept has a dtype. */
static inline bool op_accepts(unsigned accepts, int dtype)
{
    assert(dtype >= FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    return accepts >> dtype_group(dtype) & 1;
}

/* What the result's dtype is, given the promoted dtype of the operands. */
enum op_result_dtype {
    RESULT_PROMOTED, /* that dtype */
    RESULT_FLOAT, /* integral and bool become the default dtype ("tofloat"); also what is computed
                     in */
    RESULT_SUM,   /* integral and bool become int64 ("tosum") */
    RESULT_BOOL,
    RESULT_INT64,
    RESULT_REAL, /* the real counterpart of a complex dtype ("toreal") */
    RESULT_OWN   /* the shape function says it */
};

/* What dtype autocast brings tensors to, of those that are float16, bfloat16 or float32. */
enum op_autocast {
    AUTOCAST_NONE,
    AUTOCAST_LOWER,   /* the mode's dtype */
    AUTOCAST_FLOAT32, /* float32 */
    AUTOCAST_PROMOTE  /* float32 where one of them is, else as they are */
};

/* A pointwise operator: which parameters its loops read, and the loops. */
struct op_pointwise {
    uint8_t operands,
        operand[6];             /* parameters that are tensors (or numbers), in the loop's order */
    uint8_t scalars, scalar[6]; /* parameters that every element shares */
    uint8_t truths; /* operands (bits, in the loop's order) that the loop reads as COMPUTE_BOOL and
                       that are not promoted */
    uint8_t promoted; /* scalars (bits, in the loop's order) that take part in promotion as numbers
                         do: pow's exponent */
    uint8_t rounded;  /* scalars (bits) that are rounded to a half dtype: those, and alpha */
    uint8_t exact;    /* operands (bits) that are not where they are numbers: mul's other */
    uint16_t shorts;  /* compute types (bits) whose own dtype is the result's too, or the result is
                        a bool, and nothing else is to be thought of: the short path */
    uint16_t loop[COMPUTE_LOOPS]; /* for ops_loop(), by compute type; 0: none. COMPUTE_BOOL is for a
                                     promoted dtype of bool: all operands are COMPUTE_BOOL, and the
                                     result */
    bool truth;         /* the loop's result is COMPUTE_BOOL */
};

/* A reduction's four steps, in one compute type. acc and x are of that type. */
typedef void (*reduce_inner_fn)(int64_t n, const void *x, void *acc,
                                const union loop_scalar *scalars);
typedef void (*reduce_rows_fn)(int64_t n, void *acc, const void *x, int64_t rows, int64_t apart,
                               const union loop_scalar *scalars);
typedef void (*reduce_outer_fn)(int64_t n, void *acc, const void *x,
                                const union loop_scalar *scalars);
typedef void (*reduce_finish_fn)(int64_t n, void *acc, int64_t count,
                                 const union loop_scalar *scalars);
struct reduce_loops {
    reduce_inner_fn
        inner; /* *acc = the n contiguous elements of x reduced, in fixed lanes and a fixed tree */
    reduce_rows_fn outer;    /* acc[i] = step(acc[i], x[r * apart + i]) for each of the rows */
    reduce_outer_fn join;    /* acc[i] = join(acc[i], x[i]) */
    reduce_outer_fn start;   /* acc[i] = start; x is NULL */
    reduce_finish_fn finish; /* acc[i] = finish(acc[i], count); NULL: nothing to do */
};
struct op_reduce {
    int8_t self, dim, keepdim,
        dtype; /* parameter indices; -1: there is none. dim absent, None or empty: all dims */
    uint8_t scalars, scalar[4];
    uint16_t loops[COMPUTE_TYPES]; /* for ops_reduce_loops(); 0: none */
    bool needs_elements;           /* there is no start (amax): reducing nothing is an error */
};

/* What a shape function fills for each result. sizes is preset to nothing, dtype by the rule. */
struct op_shape {
    int ndim;
    int dtype;
    struct device *device; /* preset to that of the operands */
    bool zero;    /* ask for zeroed memory */
    bool strided; /* strides is filled; else contiguous */
    int64_t sizes[TENSOR_MAX_DIMS];
    int64_t strides[TENSOR_MAX_DIMS];
};
/* PyTorch's memory formats, by the numbers that they have as arguments. */
enum memory_format {
    FORMAT_CONTIGUOUS,
    FORMAT_PRESERVE,
    FORMAT_CHANNELS_LAST,
    FORMAT_CHANNELS_LAST_3D,
    FORMAT_COUNT
};

void op_shape_like(struct op_shape *y, const fl_tensor *t);
/* The same, laid out as t, without gaps. */
void op_shape_laid_as(struct op_shape *y, const fl_tensor *t);
/* Places it on a device; of kind -1: where it is. -1 with the error where there is none. */
int op_shape_on(struct op_shape *y, fl_device device);
void op_shape_set(struct op_shape *y, int ndim, const int64_t *sizes);

/* What a view function fills; offset in elements from the storage's start. `change` is preset to
 * none: few views are between dims and lanes (core/lanes.h). dtype is preset to self's: whoever
 * changes it (view_as_real) counts everything in elements of the new one. */
enum view_change { VIEW_KEEPS_LANES, VIEW_ADDS_LANE, VIEW_DROPS_LANE };
struct op_view {
    int ndim;
    int dtype;
    uint8_t change;
    uint32_t lane;
    int64_t lane_size, lane_stride;
    int64_t offset;
    int64_t sizes[TENSOR_MAX_DIMS];
    int64_t strides[TENSOR_MAX_DIMS];
};

/* What a derivative formula sees. */
struct grad_context {
    const fl_value *args; /* of the forward call: saved tensors where the formulas use them, else
                             shape-only handles */
    fl_tensor *const *g;  /* incoming gradients, one a result; NULL where none came */
    fl_tensor *const *y;  /* saved results */
    uint32_t needs;       /* parameters (bits) whose gradient is wanted */
};

/* The gradient of some parameters. */
struct op_grad_rule {
    uint32_t params;                            /* bits; most rules have one */
    uint32_t saves, saves_shape, saves_results; /* what this rule uses, as in op_grad */
    /* One fused loop where operator and formula are pointwise: its inputs and scalars, named by
     * FROM_*; 0 loop: none. */
    uint8_t operands, operand[8];
    uint8_t scalars, scalar[8];
    uint16_t loop[2]; /* for ops_loop(): COMPUTE_F32, COMPUTE_F64 */
    uint8_t truths;   /* operands that the loop reads as COMPUTE_BOOL */
    /* The same as a composition of operators (differentiable in turn): out has one value for each
     * bit of params, lowest first; FL_NONE for a gradient that is zero. Results are owned by the
     * caller. */
    int (*compose)(const struct grad_context *c, fl_value *out);
    const char *gpu; /* the loop's kernel text for a GPU, or NULL */
    /* The derivative is not known, as in PyTorch, and asking for it is an error that names this
     * ("": the operator); compose and loop are then absent. NULL: it is known. */
    const char *missing;
    uint8_t depends; /* the gradient has a graph by the parameter: 1 if only zeros flow, 2 nothing */
    const char *depends_title; /* of the node that says so, or NULL: made of the operator's */
};
enum { FROM_PARAM = 0, FROM_RESULT = 64, FROM_GRAD = 128 }; /* + index */

struct op_grad {
    uint32_t differentiable; /* parameters with a rule */
    uint32_t saves;          /* parameters whose elements the formulas use */
    uint32_t saves_shape;    /* parameters of which they use sizes or dtype alone */
    uint32_t saves_results;  /* results whose elements they use */
    uint32_t grads; /* results whose incoming gradients they use: the differentiable ones */
    uint32_t
        needed_grads; /* of these, the ones that are zeros where none came in; others are None */
    uint8_t rules;
    const struct op_grad_rule *rule;
    uint32_t refused;    /* parameters that must not ask for a gradient */
    const char *refuser; /* what PyTorch calls the function that refuses them */
};

/* The functions of a descriptor get arguments that the door has completed: defaults filled in, each
 * of its parameter's tag (an int given for a float is FL_FLOATING, a number for Tensor|Scalar stays
 * a number except where a kernel wants a tensor). An int given for int[2] may still be one
 * FL_INTEGER. */
/* How an operator runs over the lanes of a batch, where its kind does not say it (ops/batch.c). */
enum op_batch {
    BATCH_NONE,    /* sample by sample, with a warning */
    BATCH_EACH,    /* sample by sample */
    BATCH_LEAD,    /* lanes are leading dims */
    BATCH_ALIGN,   /* likewise, with ranks aligned: its operands are broadcast */
    BATCH_FOLD,    /* lanes are more places of the first dim */
    BATCH_CHANNELS /* likewise of the second dim, and of the only dim of vectors */
};

/* Where an operator runs that has tensors elsewhere (ops/place.c). */
enum op_place {
    PLACE_DEVICE, /* there, or on copies on the CPU */
    PLACE_ANY,    /* wherever: its function asks for no address itself */
    PLACE_HOST    /* on the CPU: it looks at values */
};

struct fl_op {
    const char *name;  /* "add.Tensor", "add_.Tensor", "add.out" */
    const char *base;  /* "add" */
    const char *called; /* what refuses a dtype in its errors: "abs_cpu" */
    const char *title; /* "AddBackward0": what repr shows as grad_fn. Of a composite, the name of
                          the last node that it records; NULL: that node's own */
    uint8_t kind, form;
    uint8_t params, results;
    uint8_t result_type[OP_RESULTS]; /* an op_type each */
    uint8_t optional_results; /* bits: those that are there only where an argument asks for them */
    uint8_t accepts, result_dtype;
    int8_t first;  /* the parameter whose dtype is checked (the first tensor), -1: none */
    bool promotes; /* all tensor parameters are promoted together (pointwise always) */
    bool random;   /* draws numbers: never cached or reordered */
    bool internal; /* a part of other operators, which trusts its arguments: not for programs */
    uint8_t autocast; /* an op_autocast */
    uint8_t place;    /* an op_place */
    bool pairs;       /* PyTorch has two overloads where this one stands */
    uint32_t keeps;   /* tensors whose channels-last format the results take (bits) */
    uint32_t apart;   /* tensors that may not be the memory written, not even all of it (bits) */
    uint8_t batch;    /* an op_batch */
    uint16_t batch_tensors, batch_dims, batch_sizes; /* parameters (bits): those that may have
                          lanes, those that number dims, those that list sizes */
    int (*batch_compose)(const fl_value *args, fl_value *y); /* in the place of a rule, or NULL */
    const struct op_param *param;
    const fl_op *function;      /* the functional operator; itself for FORM_FUNCTION */
    const fl_op *inplace, *out; /* derived forms, or NULL */
    const struct op_pointwise *pointwise;
    const struct op_reduce *reduce;
    int (*view)(const fl_value *args, struct op_view *y);
    int (*shape)(const fl_value *args, struct op_shape *y);
    int (*kernel)(const fl_value *args, fl_tensor *const *y);
    int (*compose)(const fl_value *args, fl_value *y);
    const struct op_grad *grad; /* NULL: not differentiable (compose: through its parts) */
    int (*check)(const fl_value
                     *args); /* refuses arguments that the loops cannot (zero divisors), or NULL */
    const char *(*titles)(const fl_value *args); /* the title where it depends on them, or NULL */
    /* in what order PyTorch's node has what it came from, or NULL: as the parameters stand */
    const struct node_order *(*order)(const fl_value *args);
    const char *gpu;                             /* kernel text for a GPU, or NULL */
    const char *const *result_names; /* one a result, or NULL: Python's tuple has no names */
    const char *signature;           /* the paragraph's, as written in the table */
    const char *doc;
};

/* format.c: strides of a memory format for these sizes; -1 with PyTorch's error where the format
 * wants another rank. */
int format_strides(int format, int ndim, const int64_t *sizes, int64_t *strides);
/* The format that t's strides speak of: channels last, or contiguous. */
int format_of(const fl_tensor *t);
/* Gives y (replaced; its results) the format that f keeps. 0, or -1 with the error. */
int format_keep(const fl_op *f, const fl_value *args, fl_tensor **y);

/* In place by nature: written with "Tensor! self". */
static inline bool op_writes(const fl_op *f)
{
    return f->params && f->param[0].written;
}

/* ---- the door ---- */

/* Runs an operator: check, promote, broadcast, allocate, run, record. args: one value a parameter
 * (FL_NONE: the default), then the outs in FORM_OUT. results: one value a result, each a reference
 * of the caller's. fl_call is this plus the scope. */
int op_call(const fl_op *op, const fl_value *args, fl_value *results);
/* For operators with one tensor as their result: the new reference or NULL. */
fl_tensor *op_call1(const fl_op *op, const fl_value *args);
/* Refuses a gradient that has not these sizes, for backward operators that programs may call. */
int op_check_gradient(const fl_tensor *g, fl_ints sizes);
/* kernel_run.c: runs a kernel operator's kernel. */
int kernel_run(const fl_op *f, const fl_value *args, fl_tensor **y);
/* In a composite: hands over a tensor made by hand, to be returned like what operators return. NULL
 * when memory is out. */
fl_tensor *op_adopt(fl_tensor *t);
/* In a composite: t, or t as float32 where it is of half precision (as its kernels compute it), so
 * that a chain of operators is rounded once. NULL where t is. */
fl_tensor *op_widen(fl_tensor *t);
/* In a composite: t, or all samples of a vmap's batch as one tensor, for what looks at values. NULL
 * where t is. */
fl_tensor *op_samples(fl_tensor *t);
/* In a composite: t where the host reads its values, itself or a copy; NULL with the error set where
 * it has none, or t is NULL. And t, made by hand on the CPU, moved to where `like` lives. */
fl_tensor *op_host(fl_tensor *t);
/* The same for checks, which a tensor without values passes: it is shown without elements. */
fl_tensor *op_look(const fl_tensor *t);
fl_tensor *op_beside(fl_tensor *t, const fl_tensor *like);
/* In a composite: whether t lives on a device with kernels of its own, where operators do better than a
 * fused kernel that is the CPU's alone, and would run on copies. */
bool op_has_kernels(const fl_tensor *t);
/* In a composite: t as that dtype, itself where it has it. */
fl_tensor *op_as(fl_tensor *t, int dtype);
/* In a composite: y = t, what an operator gave: 0, or -1 where that failed. */
int op_give(fl_tensor **y, fl_tensor *t);
/* In a composite: ones of t's shape and dtype; the sum along one dim; a float64 without dims, NULL
 * where x is. */
fl_tensor *op_ones_of(fl_tensor *t);
fl_tensor *op_sum_along(fl_tensor *t, int64_t dim, bool keepdim);
fl_tensor *op_number(const double *x);
/* Whether all of a list are there: of what operators gave, those that failed are NULL. */
bool op_all_there(fl_tensor *const *list, int64_t count);
/* In a composite: the list joined along a dim, or stacked; NULL where one of it is NULL. */
fl_tensor *op_joined(fl_tensor *const *list, int64_t count, int64_t dim);
fl_tensor *op_stacked(fl_tensor *const *list, int64_t count, int64_t dim);
/* In a composite: makes *y a list of `count` tensors, to be filled in; NULL when memory is out. */
fl_tensor **op_list(fl_value *y, int64_t count);
/* Refuses a list of more ints than a tensor has dims, unless the table calls it unbounded: 0, or -1
 * with the error. Whoever fills in a list of the user's asks, so that functions may rely on it. */
int op_check_ints(const char *function, const struct op_param *p, int64_t count);
/* Refuses a complex number where the operator does not say that it takes complex ones: functions
 * behind it would read it as a real one. 0, or -1 with the error. */
int op_check_complex(const fl_op *f, const fl_value *number);
/* Drops a list that was only a help, not its tensors, which are the scope's. */
void op_list_drop(fl_value *y);

/* What the table's compiler emits (ops_table.c, ops_loops_N.simd.c). ops_all is sorted by name. The
 * loops stand in OPS_LOOP_FILES files, so that they compile side by side and an edited paragraph
 * compiles few of them; index i is slot i / OPS_LOOP_FILES of file i % OPS_LOOP_FILES. */
extern const fl_op *const ops_all[];
extern const int ops_count;
enum { OPS_LOOP_FILES = 16 };
struct ops_loops {
    const loop_fn *loop;
    const loop_fn (*level)[2]; /* loops in which one of two operands is a single number, or NULL */
    const struct reduce_loops *reduce;
};
extern const struct ops_loops *const ops_loops[ISA_COUNT][OPS_LOOP_FILES];
/* Loops of complex numbers exist once, for all instruction sets: their indices have this bit. */
enum { OPS_COMPLEX = 0x8000 };
extern const struct ops_loops ops_loops_complex;

static inline loop_fn ops_loop(int index)
{
    assert(index > 0);
    if (index & OPS_COMPLEX)
        return ops_loops_complex.loop[index & ~OPS_COMPLEX];
    return ops_loops[isa_level()][index % OPS_LOOP_FILES]->loop[index / OPS_LOOP_FILES];
}
/* The loops for a first and a second operand that is one number for all elements; some are NULL. */
static inline const loop_fn *ops_level_loops(int index)
{
    static const loop_fn NONE[2];
    assert(index > 0);
    if (index & OPS_COMPLEX)
        return NONE;
    return ops_loops[isa_level()][index % OPS_LOOP_FILES]->level[index / OPS_LOOP_FILES];
}
static inline const struct reduce_loops *ops_reduce_loops(int index)
{
    assert(index > 0);
    if (index & OPS_COMPLEX)
        return &ops_loops_complex.reduce[index & ~OPS_COMPLEX];
    return &ops_loops[isa_level()][index % OPS_LOOP_FILES]->reduce[index / OPS_LOOP_FILES];
}

#endif
