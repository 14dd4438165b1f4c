/* What an operand's memory looks like makes no difference to an operator.
 *
 * Every operator that can be called with a few tensors and plain numbers is called with operands
 * whose memory is plain, and again with the same values behind other handles: dims of size 1 with
 * absurd strides, elements in the middle of a storage, bools that are any byte. Results and
 * gradients must have the same bits. Under AddressSanitizer a stray access is a report.
 */
#include "check.h"

#include "../draws.h"
#include "core/iterate.h"
#include "core/tensor.h"
#include "flambeau.h"
#include "ops/op.h"

enum layout { PLAIN, ABSURD, INSIDE, BYTES, LAYOUTS };
static const char *const TITLES[] = {"plain", "absurd strides", "inside a storage", "any byte"};

struct trial {
    int64_t sizes[4];
    int ndim;
    bool turned; /* the last two dims are transposed in memory */
};
static const struct trial TRIALS[] = {
    {{4, 1, 2}, 3, false}, {{1, 4, 2}, 3, true}, {{1, 5}, 2, false},       {{5, 1}, 2, true},
    {{1, 1}, 2, false},    {{1}, 1, false},      {{1, 4, 1, 3}, 4, false}, {{2, 1, 3, 1}, 4, true},
    {{6}, 1, false},       {{3, 3}, 2, false},
};

/* ---- Operands ------------------------------------------------------------------------------- */

static bool has_word(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (strstr(name, *words))
            return true;
    return false;
}

/* The same elements as t, contiguous or with its last two dims turned, behind another handle. */
static fl_tensor *laid_out(fl_tensor *t, enum layout layout)
{
    int64_t strides[4], count = t->numel + 7;
    size_t size = fl_dtype_size((fl_dtype)t->dtype);
    fl_tensor *room = layout == INSIDE ? fl_zeros((fl_ints){&count, 1}, (fl_dtype)t->dtype,
                                                  (fl_device){FL_CPU, 0}, false)
                                       : t;
    int64_t offset = layout == INSIDE ? 3 : t->offset;
    REQUIRE(room != NULL);
    if (layout == INSIDE)
        memcpy((char *)fl_data(room) + 3 * size, fl_data(t), size * (size_t)t->numel);
    for (int d = 0; d < t->ndim; d++)
        strides[d] = layout == ABSURD && t->sizes[d] == 1 ? 1000003 + d : t->strides[d];
    fl_tensor *y = tensor_alias(room, t->ndim, t->sizes, strides, offset);
    REQUIRE(y != NULL);
    if (layout == BYTES && t->dtype == FL_BOOL)
        for (int64_t i = 0; i < t->numel; i++)
            ((uint8_t *)fl_data(y))[i] = ((uint8_t *)fl_data(y))[i] ? (uint8_t)(255 - i % 200) : 0;
    return y;
}

static fl_tensor *operand(const struct op_param *p, const struct trial *trial, int dtype,
                          enum layout layout)
{
    static const char *const INDICES[] = {"index", "indices", "target", NULL};
    static const char *const TRUTHS[] = {"mask", "condition", NULL};
    double room[64];
    bool index = has_word(p->name, INDICES) && dtype < FL_FLOAT16;
    int own = index ? FL_INT64 : has_word(p->name, TRUTHS) ? FL_BOOL : dtype;
    int64_t count = 1, sizes[4];
    for (int d = 0; d < trial->ndim; d++)
        count *= sizes[d] = trial->sizes[d];
    if (trial->turned)
        sizes[trial->ndim - 1] = trial->sizes[trial->ndim - 2],
                            sizes[trial->ndim - 2] = trial->sizes[trial->ndim - 1];
    for (int64_t i = 0; i < count; i++) {
        double x = 2 * random_real();
        x = index ? 0 : own == FL_BOOL ? x > 0 : own < FL_FLOAT16 ? floor(x * 8) : x;
        convert_elements(1, (char *)room + (size_t)i * fl_dtype_size((fl_dtype)own), own, 0, &x,
                         FL_FLOAT64, 0);
    }
    fl_tensor *t = fl_from_data(room, (fl_ints){sizes, trial->ndim}, (fl_dtype)own);
    if (trial->turned)
        t = fl_transpose(t, -1, -2);
    REQUIRE(t != NULL);
    return laid_out(t, layout);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

enum { MOST = 1 << 16 };
struct outcome {
    size_t used;
    char bytes[MOST];
};

static void keep_bytes(struct outcome *o, const void *data, size_t size)
{
    if (o->used + size <= MOST && size)
        memcpy(o->bytes + o->used, data, size);
    o->used += o->used + size <= MOST ? size : 0;
}

/* Sizes, dtype and elements; every NaN counts as the same, and so do all bytes that are true. */
static void keep_tensor(struct outcome *o, fl_tensor *t)
{
    if (!t || !(t = fl_contiguous(t, -1)))
        return;
    keep_bytes(o, t->sizes, sizeof *t->sizes * (size_t)t->ndim);
    keep_bytes(o, &t->dtype, sizeof t->dtype);
    size_t size = fl_dtype_size((fl_dtype)t->dtype);
    for (int64_t i = 0; i < t->numel; i++) {
        const char *x = (const char *)fl_data(t) + (size_t)i * size;
        double value = 0;
        if (t->dtype >= FL_FLOAT16 && t->dtype <= FL_FLOAT64)
            convert_elements(1, &value, FL_FLOAT64, 0, x, t->dtype, 0);
        if (value != value)
            keep_bytes(o, "nan", 3);
        else if (t->dtype == FL_BOOL)
            keep_bytes(o, *x ? "true" : "false", 5);
        else
            keep_bytes(o, x, size);
    }
}

/* A value for a parameter that is no tensor; whether it needs one at all. */
static bool plain_argument(const struct op_param *p, const struct trial *trial, int dtype,
                           fl_value *out)
{
    static const int64_t ONES[] = {1, 1};
    *out = fl_none();
    bool tensor = p->type == TYPE_TENSOR || p->type == TYPE_OPERAND;
    if (p->has_default || (p->optional && !tensor))
        return true;
    if (tensor || p->type == TYPE_TENSORS)
        return false;
    if (p->type == TYPE_INTS)
        *out = (fl_value){.tag = FL_INTS, .count = 2, .as.ints = ONES};
    else if (p->type == TYPE_INT)
        *out = fl_int(trial->ndim > 1);
    else if (p->type == TYPE_BOOL)
        *out = fl_boolean(true);
    else if (p->type == TYPE_FLOAT || (p->type == TYPE_SCALAR && dtype >= FL_FLOAT16))
        *out = fl_float(0.375);
    else if (p->type == TYPE_SCALAR)
        *out = fl_int(3);
    else if (p->type == TYPE_DTYPE)
        *out = (fl_value){.tag = FL_DTYPE, .as.i = FL_FLOAT32};
    else if (p->type == TYPE_STRING)
        *out = (fl_value){.tag = FL_STRING, .count = 5, .as.string = "valid"};
    return true;
}

static void differentiate(struct outcome *o, fl_tensor *y, fl_tensor *const *inputs, int count)
{
    if (!fl_requires_grad(y) || fl_backward(fl_sum(fl_mul(y, y), FL_NO_DTYPE)) != 0)
        return;
    for (int i = 0; i < count; i++)
        if (dtype_is_floating(inputs[i]->dtype))
            keep_tensor(o, fl_grad(inputs[i]));
}

static void call(const fl_op *op, const struct trial *trial, int dtype, enum layout layout,
                 struct outcome *o)
{
    fl_value args[32], results[4];
    fl_tensor *inputs[32];
    int count = 0;
    o->used = 0;
    draws_state = 88172645463325252u;
    fl_manual_seed(7);
    fl_scope_begin();
    for (int i = 0; i < op->params; i++) {
        if (plain_argument(&op->param[i], trial, dtype, &args[i]))
            continue;
        fl_tensor *t = inputs[count] = operand(&op->param[i], trial, dtype, layout);
        args[i] = op->param[i].type == TYPE_TENSORS
                      ? (fl_value){.tag = FL_TENSORS, .count = 1, .as.tensors = &inputs[count]}
                      : fl_tensor_value(t);
        if (dtype_is_floating(t->dtype) && !op_writes(op))
            fl_set_requires_grad(t, true);
        count++;
    }
    int status = fl_call(op, op->params, args, op->results, results);
    keep_bytes(o, &status, sizeof status);
    for (int i = 0; i < op->results && status == 0; i++) {
        for (uint32_t k = 0; results[i].tag == FL_TENSORS && k < results[i].count; k++)
            keep_tensor(o, results[i].as.tensors[k]);
        if (results[i].tag == FL_TENSORS)
            fl_value_release(&results[i]);
        keep_tensor(o, results[i].tag == FL_TENSOR ? results[i].as.tensor : NULL);
    }
    if (status == 0 && op->results && results[0].tag == FL_TENSOR)
        differentiate(o, results[0].as.tensor, inputs, count);
    fl_error_clear();
    for (int i = 0; i < count; i++)
        fl_release(inputs[i]);
    fl_scope_end();
}

static void walk(const fl_op *op)
{
    static const int DTYPES[] = {FL_FLOAT32, FL_FLOAT64, FL_BFLOAT16, FL_INT64, FL_UINT8, FL_BOOL};
    static struct outcome plain, other;
    for (size_t t = 0; t < sizeof TRIALS / sizeof *TRIALS; t++)
        for (int d = 0; d < 6; d++) {
            call(op, &TRIALS[t], DTYPES[d], PLAIN, &plain);
            for (enum layout l = ABSURD; l < LAYOUTS; l++) {
                if (l == INSIDE && strcmp(op->name, "view_as_complex") == 0)
                    continue; /* it refuses a place that is not even */
                call(op, &TRIALS[t], DTYPES[d], l, &other);
                bool same =
                    plain.used == other.used && memcmp(plain.bytes, other.bytes, plain.used) == 0;
                if (!CHECK(same))
                    fprintf(stderr, "    %s of %s, trial %zu: %s\n", op->name,
                            fl_dtype_name((fl_dtype)DTYPES[d]), t, TITLES[l]);
            }
        }
}

int main(void)
{
    /* What memory held, what answers by strides and offset, what trusts its arguments. */
    static const char *const LEFT_OUT[] = {"empty",           "resize",    "stride",  "view.dtype",
                                           "view_copy.dtype", "_backward", "_scaled", NULL};
    setenv("FLAMBEAU_LANG", "en", 1);
    for (int i = 0; i < ops_count; i++)
        if (ops_all[i]->form == FORM_FUNCTION && *ops_all[i]->name != '_' &&
            ops_all[i]->params <= 32 && !has_word(ops_all[i]->name, LEFT_OUT))
            walk(ops_all[i]);
    return check_result();
}
