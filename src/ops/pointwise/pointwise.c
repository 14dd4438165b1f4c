/* Pointwise operators at run time.
 *
 * The short path (call_short) serves small contiguous operands of one shape and one dtype that is
 * its own compute type, and numbers beside them: allocate, one loop, done. All else goes the
 * general way: promote, broadcast, lay the result out, iterate. A number among the operands is an
 * operand without dims.
 */
#include "ops/pointwise/pointwise.h"

#include <assert.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/error.h"
#include "core/half.h"
#include "ops/advise.h"
#include "ops/place.h"
#include "ops/record.h"

enum {
    MOST_OPERANDS = 8,
    SHORT_ELEMENTS = 32768, /* up to here one thread does it all */
    NUMBER_ELEMENTS = 256,  /* the short path spreads a number over so many elements at most */
    WHERE = TENSOR_DENSE | TENSOR_ELSEWHERE
};

/* ---- dtypes ---- */

static int rank(int dtype)
{
    assert(dtype >= 0 && dtype < FL_DTYPE_COUNT);
    return (int)dtype_class(dtype);
}

/* The strongest dtype of each class so far: tensors with dims, 0-dim tensors, numbers. */
struct votes {
    int best[3];
};

/* -1 stays: an error was set. */
static void vote(struct votes *v, int class, int dtype)
{
    assert(class >= 0 && class < 3 && dtype > FL_NO_DTYPE);
    int *best = &v->best[class];
    *best = *best == FL_NO_DTYPE ? dtype : *best < 0 ? -1 : dtype_promote(*best, dtype);
}

static void vote_tensor(struct votes *v, const fl_tensor *t)
{
    vote(v, t->flags & TENSOR_WRAPPED_NUMBER ? 2 : t->ndim == 0, t->dtype);
}

/* A weaker class counts only where its kind is higher; a number then brings the default dtype of
 * its kind. Complex numbers beside floats that outweigh them have the floats' size. */
static int count_votes(const struct votes *v)
{
    int result = FL_NO_DTYPE;
    for (int class = 0; class < 3 && result >= 0; class++) {
        int dtype = v->best[class];
        if (dtype < 0)
            return -1;
        if (dtype == FL_NO_DTYPE)
            continue;
        if (class == 2 && dtype_is_inexact(dtype))
            dtype = dtype_is_complex(dtype) ? dtype_complex(dtype_default()) : dtype_default();
        if (result == FL_NO_DTYPE || (dtype_is_complex(dtype) && !dtype_is_inexact(result)))
            result = dtype;
        else if (rank(dtype) > rank(result))
            result =
                dtype_is_floating(result) ? dtype_complex_of(result) : dtype_promote(result, dtype);
    }
    return result;
}

int pointwise_promote(int count, const fl_value *values)
{
    assert(count >= 0);
    struct votes v = {{FL_NO_DTYPE, FL_NO_DTYPE, FL_NO_DTYPE}};
    for (int i = 0; i < count; i++) {
        if (values[i].tag == FL_TENSOR)
            vote_tensor(&v, values[i].as.tensor);
        else if (value_is_number(&values[i]))
            vote(&v, 2, number_dtype(&values[i]));
    }
    return count_votes(&v);
}

int pointwise_promote_list(fl_tensor *const *tensors, int64_t count)
{
    assert(count >= 0);
    struct votes v = {{FL_NO_DTYPE, FL_NO_DTYPE, FL_NO_DTYPE}};
    for (int64_t i = 0; i < count; i++)
        if (tensors[i])
            vote_tensor(&v, tensors[i]);
    return count_votes(&v);
}

/* ---- halves ------------------------------------------------------------------------------------
 *
 * PyTorch converts all operands to the common dtype before it computes. Where that is the dtype of
 * the loop, the iterator does just this; where it is a half, whose loop is float32, an operand that
 * is not of it is rounded to it first.
 */

/* made[i] holds what an operand became, for release. */
static int round_operands(const struct op_pointwise *p, int common, fl_value *operand,
                          fl_tensor **made)
{
    for (int i = 0; i < p->operands; i++) {
        const fl_tensor *t = operand[i].tag == FL_TENSOR ? operand[i].as.tensor : NULL;
        if (p->truths >> i & 1 || (t && t->dtype == common) ||
            (p->exact >> i & 1 && (!t || t->ndim == 0)))
            continue;
        if (!t) {
            operand[i] = fl_float(convert_rounded(number_real(&operand[i]), common));
            continue;
        }
        if (!(made[i] = tensor_as(t, common)))
            return -1;
        operand[i] = fl_tensor_value(made[i]);
    }
    return 0;
}

/* ---- shapes ---- */

int pointwise_broadcast(int count, const fl_value *values, int *ndim, int64_t *sizes)
{
    assert(count >= 0);
    *ndim = 0;
    for (int i = 0; i < count; i++)
        if (values[i].tag == FL_TENSOR &&
            shape_broadcast(ndim, sizes, values[i].as.tensor->ndim, values[i].as.tensor->sizes))
            return -1;
    return 0;
}

/* A new result that lies as its operands do, so that layouts carry through a chain: its dims are
 * ordered by the operands' strides, and memory is without gaps (source: TensorIterator). */
static fl_tensor *new_result(struct device *d, int ndim, const int64_t *sizes, int count,
                             const fl_value *values, int dtype)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS && dtype > FL_NO_DTYPE && count <= MOST_OPERANDS);
    bool plain = true, odd = false, alike = true;
    for (int i = 0; i < count && plain; i++) {
        const fl_tensor *t = values[i].tag == FL_TENSOR ? values[i].as.tensor : NULL;
        plain = !t || t->flags & TENSOR_CONTIGUOUS;
        odd |= t && !tensor_is_plain(t);
        alike = alike && t && t->ndim == ndim &&
                (ndim == 0 || memcmp(t->sizes, sizes, sizeof *sizes * (size_t)ndim) == 0);
    }
    if (plain && (!odd || alike)) /* (as TensorIterator's quick way has it) */
        return d == &device_cpu ? tensor_new(ndim, sizes, dtype)
                                : tensor_new_on(d, ndim, sizes, NULL, dtype);
    int64_t seen[MOST_OPERANDS][TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    const int64_t *list[MOST_OPERANDS];
    int tensors = 0;
    for (int i = 0; i < count; i++) {
        const fl_tensor *t = values[i].tag == FL_TENSOR ? values[i].as.tensor : NULL;
        const int before = t ? ndim - t->ndim : 0;
        for (int k = 0; t && k < ndim; k++)
            seen[tensors][k] =
                k >= before && t->sizes[k - before] == sizes[k] ? t->strides[k - before] : 0;
        if (t)
            list[tensors] = seen[tensors], tensors++;
    }
    shape_lay(ndim, sizes, tensors, list, strides);
    return tensor_new_on(d, ndim, sizes, strides, dtype);
}

/* ---- running a loop ---- */

static void load_scalars(int count, const fl_value *values, enum compute compute,
                         union loop_scalar *out)
{
    assert(count <= MOST_OPERANDS);
    for (int i = 0; i < count; i++)
        out[i] = loop_scalar_of(&values[i], compute);
}

/* Spreads a number over n elements of a compute type. (Out of line: see call_short.) */
static __attribute__((noinline)) void spread(enum compute compute, const fl_value *number,
                                             int64_t n, void *out)
{
    assert(n >= 0 && n <= NUMBER_ELEMENTS);
    const double x = number_real(number);
    const int64_t k = loop_scalar_of(number, COMPUTE_I64).i;
    switch (compute) {
    case COMPUTE_F32:
        for (int64_t i = 0; i < n; i++)
            ((float *)out)[i] = (float)x;
        break;
    case COMPUTE_F64:
        for (int64_t i = 0; i < n; i++)
            ((double *)out)[i] = x;
        break;
    case COMPUTE_I32:
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)out)[i] = (int32_t)k;
        break;
    case COMPUTE_BOOL:
        memset(out, k != 0, (size_t)n);
        break;
    case COMPUTE_U8:
    case COMPUTE_I8:
        memset(out, (int)k, (size_t)n);
        break;
    case COMPUTE_I16:
        for (int64_t i = 0; i < n; i++)
            ((int16_t *)out)[i] = (int16_t)k;
        break;
    case COMPUTE_BF16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)out)[i] = float_to_bf16((float)x);
        break;
    case COMPUTE_C64:
        for (int64_t i = 0; i < n; i++)
            ((float *)out)[2 * i] = (float)x,
                               ((float *)out)[2 * i + 1] = (float)number_imag(number);
        break;
    case COMPUTE_C128:
        for (int64_t i = 0; i < n; i++)
            ((double *)out)[2 * i] = x, ((double *)out)[2 * i + 1] = number_imag(number);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)out)[i] = k;
        break;
    }
}

/* One loop and what it runs over. */
struct job {
    const fl_op *op;
    const char *text; /* a GPU's, or NULL */
    loop_fn loop;
    const loop_fn *level; /* of ops_level_loops() */
    enum compute compute;
    bool truth;     /* its result is COMPUTE_BOOL */
    uint8_t truths; /* operands (bits) read as COMPUTE_BOOL */
    int operands;
    const fl_value *operand;
    int scalar_count;
    union loop_scalar scalars[MOST_OPERANDS];
};

/* Runs the loop at once where every operand is contiguous, of y's sizes and of the compute type;
 * says whether it could. */
static bool run_short(const struct job *j, fl_tensor *y)
{
    assert(j->loop && j->operands <= MOST_OPERANDS);
    int64_t n = y->numel;
    int native = compute_dtype(j->compute);
    if (n > SHORT_ELEMENTS || !(y->flags & TENSOR_CONTIGUOUS) ||
        y->dtype != (j->truth ? FL_BOOL : native))
        return false;
    char *data[1 + MOST_OPERANDS] = {tensor_data(y)};
    _Alignas(64) char buffer[2][NUMBER_ELEMENTS * COMPUTE_LARGEST];
    int numbers = 0;
    for (int i = 0; i < j->operands; i++) {
        bool as_truth = j->truths >> i & 1;
        if (j->operand[i].tag == FL_TENSOR) {
            const fl_tensor *t = j->operand[i].as.tensor;
            if (t->dtype != (as_truth ? FL_BOOL : native) || !(t->flags & TENSOR_CONTIGUOUS) ||
                t->numel != n || !shape_equal(t, y))
                return false;
            data[1 + i] = tensor_data(t);
        } else {
            if (n > NUMBER_ELEMENTS || numbers == 2 || as_truth)
                return false;
            data[1 + i] = buffer[numbers++];
            spread(j->compute, &j->operand[i], n, data[1 + i]);
        }
    }
    j->loop(n, data, j->scalars);
    return true;
}

/* What the iterator or a device is told of the result and the operands. number: room for numbers. */
static void describe(const struct job *j, fl_tensor *y, struct iterate_operand *all,
                     union loop_scalar *number)
{
    all[0] = iterate_tensor(y, j->truth ? COMPUTE_BOOL : j->compute);
    for (int i = 0; i < j->operands; i++) {
        const fl_value *v = &j->operand[i];
        const fl_tensor *t = v->tag == FL_TENSOR ? v->as.tensor : NULL;
        enum compute compute = j->truths >> i & 1 ? COMPUTE_BOOL : j->compute;
        int held = v->tag == FL_BOOLEAN ? FL_INT64 : number_dtype(v);
        if (!t)
            number[i] = loop_scalar_of(v, compute_of(held));
        all[1 + i] = t ? iterate_tensor(t, compute)
                       : (struct iterate_operand){&number[i], NULL, NULL, 0, held, compute};
    }
}

static int run(const struct job *j, fl_tensor *y);

/* On copies, on the CPU. */
static int run_on_copies(const struct job *j, fl_tensor *y)
{
    fl_value operand[MOST_OPERANDS];
    fl_tensor *result = tensor_host(y);
    struct job here = *j;
    int status = result ? 0 : -1, copied = 0;
    here.operand = operand;
    for (; copied < j->operands && status == 0; copied++) {
        operand[copied] = j->operand[copied];
        if (operand[copied].tag == FL_TENSOR &&
            !(operand[copied].as.tensor = tensor_host(operand[copied].as.tensor)))
            status = -1;
    }
    if (status == 0)
        status = run(&here, result);
    if (status == 0)
        status = tensor_host_back(y, result);
    for (int i = 0; i < copied; i++)
        if (operand[i].tag == FL_TENSOR)
            tensor_release(operand[i].as.tensor);
    tensor_release(result);
    return status;
}

/* The loop where y lives. A 0-dim tensor of the CPU beside it is a number there. */
static int run_elsewhere(const struct job *j, fl_tensor *y)
{
    assert(y->flags & TENSOR_ELSEWHERE);
    struct device *d = tensor_device(y);
    if (d->memory == DEVICE_NONE || y->numel == 0)
        return 0;
    if (d->pointwise && j->text) {
        struct iterate_operand all[1 + MOST_OPERANDS];
        union loop_scalar number[MOST_OPERANDS];
        describe(j, y, all, number);
        for (int i = 0; i < j->operands; i++)
            if (j->operand[i].tag == FL_TENSOR &&
                !(j->operand[i].as.tensor->flags & TENSOR_ELSEWHERE))
                all[1 + i].sizes = all[1 + i].strides = NULL, all[1 + i].ndim = 0;
        struct device_loop loop = {.name = j->op->base,
                                   .text = j->text,
                                   .ndim = y->ndim,
                                   .sizes = y->sizes,
                                   .operands = 1 + j->operands,
                                   .operand = all,
                                   .scalars = j->scalar_count,
                                   .scalar = j->scalars,
                                   .compute = j->compute};
        int status = d->pointwise(d, &loop);
        if (status != DEVICE_CANNOT)
            return status;
    }
    return place_warn(j->op, d) ? -1 : run_on_copies(j, y);
}

static int run(const struct job *j, fl_tensor *y)
{
    if (y->flags & TENSOR_ELSEWHERE)
        return run_elsewhere(j, y);
    if (run_short(j, y))
        return 0;
    struct iterate_operand all[1 + MOST_OPERANDS];
    union loop_scalar number[MOST_OPERANDS];
    describe(j, y, all, number);
    return iterate_run(y->ndim, y->sizes, 1 + j->operands, 1, all, j->loop, j->level, j->scalars);
}

fl_tensor *pointwise_new(const fl_op *f, const char *text, int loop, enum compute compute,
                         uint8_t truths, int operands, const fl_value *operand, int scalars,
                         const fl_value *scalar, int dtype)
{
    assert(loop > 0 && operands >= 1);
    int ndim;
    int64_t sizes[TENSOR_MAX_DIMS];
    struct device *d = device_others ? place_of(f, operands, operand) : &device_cpu;
    struct job job = {.op = f,
                      .text = text,
                      .loop = ops_loop(loop),
                      .level = ops_level_loops(loop),
                      .scalar_count = scalars,
                      .compute = compute,
                      .truths = truths,
                      .operands = operands,
                      .operand = operand};
    if (!d || pointwise_broadcast(operands, operand, &ndim, sizes))
        return NULL;
    load_scalars(scalars, scalar, compute, job.scalars);
    fl_tensor *y = new_result(d, ndim, sizes, operands, operand, dtype);
    if (y && run(&job, y)) {
        tensor_release(y);
        y = NULL;
    }
    return y;
}

/* ---- the call ---- */

/* Advice on a - b and a * b of two tensors of different ranks. */
static int advise_uneven(const fl_op *f, const fl_value *operand)
{
    if (f->pointwise->operands != 2 || operand[0].tag != FL_TENSOR || operand[1].tag != FL_TENSOR)
        return 0;
    const fl_tensor *a = operand[0].as.tensor, *b = operand[1].as.tensor;
    if (a->ndim == b->ndim)
        return 0;
    return strcmp(f->base, "sub") == 0   ? advise_difference(a, b)
           : strcmp(f->base, "mul") == 0 ? advise_weights(a, b)
                                         : 0;
}

static int result_dtype(const fl_op *f, int common)
{
    switch (f->result_dtype) {
    case RESULT_BOOL:
        return FL_BOOL;
    case RESULT_INT64:
        return FL_INT64;
    case RESULT_REAL:
        return dtype_real(common);
    default:
        return common;
    }
}

/* Checks a tensor of the user's as the destination of a result: cast, overlap, shape. */
static int check_destination(fl_tensor *y, int common, int ndim, const int64_t *sizes,
                             const fl_op *op, int count, const fl_value *values)
{
    assert(op->form != FORM_FUNCTION);
    if (dtype_check_cast(common, y->dtype))
        return -1;
    bool same = y->ndim == ndim && memcmp(y->sizes, sizes, sizeof *sizes * (size_t)ndim) == 0;
    if (!same && op->form == FORM_INPLACE)
        return shape_refuse(y, ndim, sizes);
    if (same && tensor_check_written(y))
        return -1;
    for (int i = 0; i < count; i++)
        if (values[i].tag == FL_TENSOR && tensor_check_read(y, values[i].as.tensor, false))
            return -1;
    return same ? 0 : tensor_resize_output(y, ndim, sizes);
}

/* Unsigned integers that become floats are read as integers are. */
static bool accepts(const fl_op *f, int dtype)
{
    return op_accepts(f->accepts, dtype) ||
           (f->result_dtype == RESULT_FLOAT && dtype_group(dtype) == GROUP_UNSIGNED &&
            f->accepts & ACCEPT_INTEGRAL);
}

/* The dtype in which all operands are computed; -1 with the error when it is refused. */
static int common_dtype(const fl_op *f, const fl_value *operand, const fl_value *args)
{
    assert(f->kind == OP_POINTWISE && f->pointwise);
    const struct op_pointwise *p = f->pointwise;
    fl_value voters[2 * MOST_OPERANDS];
    int count = 0;
    for (int i = 0; i < p->operands; i++)
        if (!(p->truths >> i & 1))
            voters[count++] = operand[i];
    for (int i = 0; i < p->scalars; i++)
        if (p->promoted >> i & 1)
            voters[count++] = args[p->scalar[i]];
    int common = pointwise_promote(count, voters);
    if (common < 0)
        return -1;
    if (!accepts(f, common))
        return dtype_refuse(f->called, common);
    if (f->result_dtype == RESULT_FLOAT && rank(common) < 2)
        common = dtype_default();
    return common;
}

/* Whether a scalar must fit the dtype, or wraps: one that stands for an operand (300 % x) wraps, as
 * do all that fit but for their sign (-1 as uint8). Halves are computed as float32 and hold
 * infinity. */
static bool is_checked(const fl_op *f, int i, int common)
{
    const struct op_pointwise *p = f->pointwise;
    bool half = dtype_is_narrow(common);
    return f->param[p->scalar[i]].type == TYPE_SCALAR && p->scalar[i] != 0 && !half &&
           !(p->promoted >> i & 1 && dtype_is_inexact(common));
}

static int load_checked_scalars(const fl_op *f, const fl_value *args, int common,
                                union loop_scalar *out)
{
    const struct op_pointwise *p = f->pointwise;
    fl_value value[MOST_OPERANDS];
    for (int i = 0; i < p->scalars; i++) {
        value[i] = args[p->scalar[i]];
        if (value[i].tag == FL_FLOATING && rank(common) < 2 &&
            f->param[p->scalar[i]].type == TYPE_SCALAR && f->result_dtype == RESULT_PROMOTED &&
            strcmp(f->param[p->scalar[i]].name, "alpha") == 0)
            return error_set(
                FL_RUNTIME_ERROR,
                "For integral input tensors, argument alpha must not be a floating point "
                "number.");
        if (value[i].tag == FL_COMPLEX && !dtype_is_complex(common) &&
            strcmp(f->param[p->scalar[i]].name, "alpha") == 0)
            return error_set(FL_RUNTIME_ERROR, "For non-complex input tensors, argument alpha must "
                                               "not be a complex number.");
        if (number_is_small(value[i]))
            continue;
        if (is_checked(f, i, common) && number_check_range(value[i], common))
            return -1;
        value[i] = number_wrap(value[i], common);
    }
    for (int i = 0; dtype_is_narrow(common) && i < p->scalars; i++)
        if (p->rounded >> i & 1)
            value[i] = fl_float(convert_rounded(number_real(&value[i]), common));
    load_scalars(p->scalars, value, compute_of(common), out);
    return 0;
}

/* An integer without dims as the common dtype holds it: it wraps there, where the wider compute
 * type would not. */
static fl_value as_common(fl_value operand, int common)
{
    const fl_tensor *t = operand.tag == FL_TENSOR ? operand.as.tensor : NULL;
    if (t && t->ndim == 0 && dtype_is_integral(common) && t->dtype != common && !tensor_is_meta(t))
        operand = tensor_element(t, 0);
    return operand.tag == FL_INTEGER && !number_is_small(operand) ? number_wrap(operand, common)
                                                                  : operand;
}

/* The compute type of loops over elements of a dtype as they lie, plus 1; 0 where there are none. */
static const uint8_t AS_THEY_LIE[FL_DTYPE_COUNT] = {
    [FL_BOOL] = 1 + COMPUTE_BOOL,      [FL_UINT8] = 1 + COMPUTE_U8,
    [FL_INT8] = 1 + COMPUTE_I8,        [FL_INT16] = 1 + COMPUTE_I16,
    [FL_INT32] = 1 + COMPUTE_I32,      [FL_INT64] = 1 + COMPUTE_I64,
    [FL_BFLOAT16] = 1 + COMPUTE_BF16,  [FL_FLOAT32] = 1 + COMPUTE_F32,
    [FL_FLOAT64] = 1 + COMPUTE_F64,    [FL_COMPLEX64] = 1 + COMPUTE_C64,
    [FL_COMPLEX128] = 1 + COMPUTE_C128};

/* What the loop over a common dtype is made for: narrow integers as they lie, where there is one. */
static enum compute loop_type(const struct op_pointwise *p, int dtype)
{
    assert(dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    const int own = AS_THEY_LIE[dtype] - 1;
    return own == COMPUTE_BOOL || (own >= 0 && p->loop[own]) ? (enum compute)own
                                                             : compute_of(dtype);
}

static bool is_bfloat(double x)
{
    return (double)bf16_to_float(float_to_bf16((float)x)) == x;
}

/* Whether a loop over bfloat16 sees all as it is: what is not a bfloat16 need not be rounded to one. */
static bool lie_as_bfloats(const struct op_pointwise *p, const fl_value *operand)
{
    for (int i = 0; i < p->operands; i++)
        if (operand[i].tag == FL_TENSOR
                ? operand[i].as.tensor->dtype != FL_BFLOAT16 && !(p->truths >> i & 1)
                : !is_bfloat(number_real(&operand[i])))
            return false;
    return true;
}

static const fl_tensor *first_tensor(const struct op_pointwise *p, const fl_value *args)
{
    for (int i = 0; i < p->operands; i++)
        if (args[p->operand[i]].tag == FL_TENSOR)
            return args[p->operand[i]].as.tensor;
    return NULL;
}

/* Whether a number leaves the dtype of the tensors beside it as it is. */
static bool keeps_dtype(const fl_value *v, int dtype)
{
    return v->tag != FL_COMPLEX && (int)v->tag - FL_BOOLEAN <= rank(dtype);
}

/* Whether a number fits whatever the compute type, so that nothing is to be checked or wrapped. */
static bool fits(enum compute compute, const fl_value *v)
{
    if (compute == COMPUTE_U8 && !number_is_small(*v))
        return false;
    if (compute == COMPUTE_BF16 && v->tag == FL_FLOATING && !is_bfloat(v->as.f))
        return false;
    return v->tag == FL_FLOATING  ? v->as.f >= -127 && v->as.f <= 127
           : v->tag == FL_COMPLEX ? false
                                  : v->as.i >= -127 && v->as.i <= 127;
}

/* The short path: contiguous operands of one shape and dtype, and small numbers. Returns 1, before
 * anything is done, when the call needs the general path. What it seldom needs stays out of line:
 * inlined, that code takes the registers, and each call pays for it. */
static inline __attribute__((always_inline)) int call_short(const fl_op *f, const fl_value *args,
                                                            fl_value *results)
{
    const struct op_pointwise *p = f->pointwise;
    const fl_tensor *first = first_tensor(p, args);
    if (!first || (first->flags & WHERE) != TENSOR_DENSE || first->numel > SHORT_ELEMENTS)
        return 1;
    const int dtype = first->dtype;
    assert(dtype > FL_NO_DTYPE && dtype < FL_DTYPE_COUNT);
    const unsigned own = AS_THEY_LIE[dtype];
    if (!((unsigned)p->shorts << 1 >> own & 1))
        return 1;
    const enum compute compute = (enum compute)(own - 1);

    const int64_t size = (int64_t)dtype_size(dtype);
    char *data[1 + MOST_OPERANDS];
    _Alignas(64) char numbers[2][NUMBER_ELEMENTS * COMPUTE_LARGEST];
    int spreads = 0;
    for (int i = 0; i < p->operands; i++) {
        const fl_value *v = &args[p->operand[i]];
        if (v->tag == FL_TENSOR) {
            const fl_tensor *t = v->as.tensor;
            if (t != first &&
                (t->dtype != dtype || (t->flags & WHERE) != TENSOR_DENSE || !shape_equal(t, first)))
                return 1;
            data[1 + i] = tensor_data_of_size(t, size);
        } else {
            if (!value_is_number(v) || !keeps_dtype(v, dtype) || !fits(compute, v) ||
                spreads == 2 || first->numel > NUMBER_ELEMENTS)
                return 1;
            spread(compute, v, first->numel, data[1 + i] = numbers[spreads++]);
        }
    }
    union loop_scalar scalars[MOST_OPERANDS];
    for (int i = 0; i < p->scalars; i++) {
        const fl_value *v = &args[p->scalar[i]];
        if (!fits(compute, v) || (p->promoted >> i & 1 && !keeps_dtype(v, dtype)))
            return 1;
        if (compute <= COMPUTE_F64 || compute == COMPUTE_BF16)
            scalars[i].f = v->tag == FL_FLOATING ? v->as.f : (double)v->as.i;
        else if (compute_is_complex(compute))
            scalars[i] = loop_scalar_of(v, compute);
        else if (v->tag == FL_FLOATING)
            return 1;
        else
            scalars[i].i = v->as.i;
    }

    if (f->check && f->check(args))
        return -1;
    fl_tensor *y = tensor_new(first->ndim, first->sizes, p->truth ? FL_BOOL : dtype);
    if (!y)
        return -1;
    data[0] = tensor_data_of_size(y, p->truth ? 1 : size);
    ops_loop(p->loop[compute])(y->numel, data, scalars);
    results[0] = fl_tensor_value(y);
    if (record_is_needed(f, args) && record_call(f, args, results)) {
        tensor_release(y);
        return -1;
    }
    return 0;
}

/* Where the operands live; what is written must live there too. */
static struct device *device_of_call(const fl_op *op, const fl_value *args, const fl_value *operand)
{
    const fl_op *f = op->function;
    struct device *d = place_of(f, f->pointwise->operands, operand);
    const fl_tensor *to = op->form == FORM_INPLACE ? args[0].as.tensor
                          : op->form == FORM_OUT   ? args[f->params].as.tensor
                                                   : NULL;
    return d && to && tensor_device(to) != d ? place_refuse(d, tensor_device(to)) : d;
}

static __attribute__((noinline)) int call_general(const fl_op *op, const fl_value *args,
                                                  fl_value *results)
{
    const fl_op *f = op->function;
    const struct op_pointwise *p = f->pointwise;
    fl_value operand[MOST_OPERANDS];
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim;
    bool needs_node = record_is_needed(f, args);
    for (int i = 0; i < p->operands; i++)
        operand[i] = args[p->operand[i]];
    if (f->check && f->check(args)) /* first: it may know better words for a dtype */
        return -1;
    const int common = common_dtype(f, operand, args);
    struct device *d = &device_cpu;
    if (device_others && !(d = device_of_call(op, args, operand)))
        return -1;
    if (common < 0 || pointwise_broadcast(p->operands, operand, &ndim, sizes))
        return -1;
    if (needs_node && ndim == 2 && advise_uneven(f, operand))
        return -1;
    const int dtype = result_dtype(f, common);
    fl_tensor *y;
    if (op->form == FORM_FUNCTION) {
        y = new_result(d, ndim, sizes, p->operands, operand, dtype);
        if (!y)
            return -1;
    } else {
        y = op->form == FORM_INPLACE ? args[0].as.tensor : args[f->params].as.tensor;
        bool recorded = needs_node || tensor_requires_grad(y);
        if (op->form == FORM_OUT && autograd_mode.grad && recorded)
            return record_refuse_out(f);
        if (autograd_check_inplace(y, recorded) ||
            check_destination(y, dtype, ndim, sizes, op, p->operands, operand))
            return -1;
        tensor_retain(y);
    }
    if (rank(common) == 1)
        for (int i = 0; i < p->operands; i++)
            operand[i] = as_common(operand[i], common);
    struct job job = {.op = f,
                      .text = f->gpu,
                      .compute = tensor_device(y) == &device_cpu ? loop_type(p, common)
                                 : common == FL_BOOL             ? COMPUTE_BOOL
                                                                 : compute_of(common),
                      .scalar_count = p->scalars,
                      .truth = p->truth,
                      .truths = p->truths,
                      .operands = p->operands,
                      .operand = operand};
    int status = load_checked_scalars(f, args, common, job.scalars);
    fl_tensor *made[MOST_OPERANDS] = {NULL};
    struct node *n = NULL;
    if (status == 0 && dtype_is_narrow(common))
        status = round_operands(p, common, operand, made);
    if (job.compute == COMPUTE_BF16 && !lie_as_bfloats(p, operand))
        job.compute = COMPUTE_F32;
    const int loop = p->loop[job.compute];
    if (status == 0 && loop == 0)
        status = dtype_refuse(f->called, common);
    if (status == 0 && op->form == FORM_INPLACE)
        status = record_write(f, args, y, &n);
    if (status == 0) {
        job.loop = ops_loop(loop), job.level = ops_level_loops(loop);
        status = run(&job, y);
    }
    results[0] = fl_tensor_value(y);
    if (status && n)
        node_release(n);
    else if (status == 0 && op->form != FORM_FUNCTION)
        status = record_written(y, n);
    else if (status == 0 && needs_node)
        status = record_call(f, args, results);
    for (int i = 0; dtype_is_narrow(common) && i < p->operands; i++)
        tensor_release(made[i]);
    if (status)
        tensor_release(y);
    return status;
}

int pointwise_call(const fl_op *op, const fl_value *args, fl_value *results)
{
    assert(op->function->kind == OP_POINTWISE);
    int done = op->form == FORM_FUNCTION ? call_short(op->function, args, results) : 1;
    return done <= 0 ? done : call_general(op, args, results);
}
