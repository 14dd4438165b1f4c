/* The same bits whatever the instruction set and the number of threads.
 *
 * Every operator that can be called with a few tensors and plain numbers is called, over dtypes,
 * shapes and special values, forward and backward; and the kernels that work is cut for, at awkward
 * sizes. What comes out is hashed, by each instruction set of this machine in a process of its own,
 * each with another number of threads, and the hashes must agree. In one more process all operands
 * live on a device whose memory the host cannot read (guarded.h): whatever reads it directly faults.
 * `test_bits print` shows the hashes of this machine's best set instead, to be compared with another
 * machine's or compiler's.
 */
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../draws.h"
#include "../guarded.h"
#include "core/isa.h"
#include "core/iterate.h"
#include "core/tensor.h"
#include "flambeau.h"
#include "ops/op.h"

/* ---- Hashes -------------------------------------------------------------------------------- */

enum { MOST = 4096, NAME = 56 };

/* What one process found, in memory that it shares with its parent. */
struct findings {
    int count, calls;
    char isa[16];
    struct {
        char name[NAME];
        uint64_t hash;
    } entry[MOST];
};
static struct findings *found;
static fl_device here = {FL_CPU, 0}; /* where this process has its operands */

static void begin(const char *name)
{
    REQUIRE(found->count < MOST);
    snprintf(found->entry[found->count].name, NAME, "%s", name);
    found->entry[found->count++].hash = 14695981039346656037u;
    fl_manual_seed(7);
}

static void hash_bytes(const void *data, size_t size)
{
    uint64_t h = found->entry[found->count - 1].hash;
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    found->entry[found->count - 1].hash = h;
}

/* The sizes, the dtype and the elements; every NaN counts as the same. */
static void hash_tensor(fl_tensor *t)
{
    if (!t)
        return;
    t = fl_contiguous(fl_to(t, FL_NO_DTYPE, (fl_device){FL_CPU, 0}), -1);
    REQUIRE(t != NULL);
    hash_bytes(t->sizes, sizeof *t->sizes * (size_t)t->ndim);
    hash_bytes(&(int){t->dtype}, sizeof(int));
    size_t size = fl_dtype_size((fl_dtype)t->dtype);
    int real = t->dtype == FL_COMPLEX64    ? FL_FLOAT32
               : t->dtype == FL_COMPLEX128 ? FL_FLOAT64
                                           : t->dtype;
    size_t step = fl_dtype_size((fl_dtype)real);
    bool floating = real >= FL_FLOAT16;
    for (size_t i = 0; i < size * (size_t)t->numel; i += step) {
        const char *x = (const char *)fl_data(t) + i;
        double value = 0;
        if (floating)
            convert_elements(1, &value, FL_FLOAT64, 0, x, real, 0);
        hash_bytes(value != value ? "nan" : x, value != value ? 3 : step);
    }
    found->calls++;
}

/* t where this process has its operands. */
static fl_tensor *placed(fl_tensor *t)
{
    t = fl_to(t, FL_NO_DTYPE, here);
    REQUIRE(t != NULL);
    return t;
}

/* ---- Operands ------------------------------------------------------------------------------- */

enum values { SMALL, WIDE };

/* SMALL: within 2 of zero. WIDE: any magnitude, and the special values. */
static double number(enum values values)
{
    static const double SPECIAL[] = {0.0,     -0.0,     1,       -1,       INFINITY, -INFINITY,
                                     NAN,     0x1p-149, 0x1p126, 0x1p-127, 0.5,      -0.5,
                                     0x1p-24, 65504,    0x1p31,  -0x1p63,  1e300,    1e-310};
    double x = 2 * random_real();
    if (values == SMALL)
        return x;
    if (random_next() >> 61 == 0)
        return SPECIAL[(random_next() >> 32) % (sizeof SPECIAL / sizeof *SPECIAL)];
    return ldexp(x, (int)((random_next() >> 32) % 64) - 32);
}

static fl_tensor *operand(fl_ints sizes, int dtype, enum values values)
{
    static double room[1 << 17];
    size_t size = fl_dtype_size((fl_dtype)dtype);
    int64_t count = 1;
    for (int64_t d = 0; d < sizes.count; d++)
        count *= sizes.data[d];
    REQUIRE(count <= (int64_t)(sizeof room / sizeof *room));
    for (int64_t i = 0; i < count; i++) {
        double x = number(values);
        if (dtype < FL_FLOAT16 && values == SMALL)
            x = dtype == FL_BOOL ? x > 0 : floor(x * 8);
        convert_elements(1, (char *)room + size * (size_t)i, dtype, 0, &x, FL_FLOAT64, 0);
    }
    return placed(fl_from_data(room, sizes, (fl_dtype)dtype));
}

/* ---- Every operator ------------------------------------------------------------------------- */

struct trial {
    int64_t sizes[4];
    int ndim;
    bool turned; /* the last two dimensions are transposed in memory */
    enum values values;
};

static const struct trial TRIALS[] = {
    {{67}, 1, false, WIDE},       {{17, 17}, 2, true, SMALL},     {{9}, 1, false, SMALL},
    {{3, 5, 5}, 3, false, SMALL}, {{2, 2, 3, 3}, 4, true, SMALL},
};

static bool has_word(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (strstr(name, *words))
            return true;
    return false;
}

static fl_tensor *operand_of(const struct op_param *p, const struct trial *trial, int dtype)
{
    static const char *const INDICES[] = {"index", "indices", "target", NULL};
    static const char *const TRUTHS[] = {"mask", "condition", NULL};
    int own = has_word(p->name, TRUTHS) ? FL_BOOL : dtype;
    fl_ints sizes = {trial->sizes, trial->ndim};
    fl_tensor *t = operand(sizes, own, trial->values);
    if (has_word(p->name, INDICES) && dtype < FL_FLOAT16) {
        t = fl_bitwise_and_scalar(operand(sizes, FL_INT64, SMALL), fl_int(1));
    }
    return trial->turned ? fl_transpose(t, -1, -2) : t;
}

/* Calls op once and hashes what comes of it; a refusal is no finding. */
static void call(const fl_op *op, const struct trial *trial, int dtype)
{
    static const int64_t PAIR[] = {2, 2};
    fl_value args[32], results[4];
    fl_tensor *inputs[32];
    int count = 0;
    fl_scope_begin();
    for (int i = 0; i < op->params; i++) {
        const struct op_param *p = &op->param[i];
        args[i] = fl_none();
        bool tensor = p->type == TYPE_TENSOR || p->type == TYPE_OPERAND;
        if (p->has_default || (p->optional && !tensor))
            continue;
        if (tensor)
            args[i] = fl_tensor_value(inputs[count++] = operand_of(p, trial, dtype));
        else if (p->type == TYPE_TENSORS)
            inputs[count] = operand_of(p, trial, dtype),
            args[i] = (fl_value){.tag = FL_TENSORS, .count = 1, .as.tensors = &inputs[count++]};
        else if (p->type == TYPE_INTS)
            args[i] = (fl_value){.tag = FL_INTS, .count = 2, .as.ints = PAIR};
        else if (p->type == TYPE_INT)
            args[i] = fl_int(trial->ndim > 1);
        else if (p->type == TYPE_BOOL)
            args[i] = fl_boolean(true);
        else if (p->type == TYPE_FLOAT || (p->type == TYPE_SCALAR && dtype >= FL_FLOAT16))
            args[i] = fl_float(0.375);
        else if (p->type == TYPE_SCALAR)
            args[i] = fl_int(3);
        else if (p->type == TYPE_DTYPE)
            args[i] = (fl_value){.tag = FL_DTYPE, .as.i = FL_FLOAT32};
        else if (p->type == TYPE_STRING)
            args[i] = (fl_value){.tag = FL_STRING, .count = 5, .as.string = "valid"};
    }
    bool differentiate = dtype >= FL_FLOAT32 && !op_writes(op);
    for (int i = 0; differentiate && i < count; i++) {
        inputs[i] = dtype_is_floating(inputs[i]->dtype) ? inputs[i] : NULL;
        if (inputs[i])
            fl_set_requires_grad(inputs[i], true);
    }
    if (fl_call(op, op->params, args, op->results, results) == 0) {
        for (int i = 0; i < op->results; i++) {
            for (uint32_t k = 0; results[i].tag == FL_TENSORS && k < results[i].count; k++)
                hash_tensor(results[i].as.tensors[k]);
            hash_tensor(results[i].tag == FL_TENSOR ? results[i].as.tensor : NULL);
            if (results[i].tag == FL_INTEGER || results[i].tag == FL_BOOLEAN)
                hash_bytes(&results[i].as.i, sizeof(int64_t));
        }
        fl_tensor *y = op->results && results[0].tag == FL_TENSOR ? results[0].as.tensor : NULL;
        if (differentiate && y && fl_requires_grad(y) &&
            fl_backward(fl_sum(fl_mul(y, y), FL_NO_DTYPE)) == 0)
            for (int i = 0; i < count; i++)
                if (inputs[i])
                    hash_tensor(fl_grad(inputs[i]));
    }
    fl_error_clear();
    fl_scope_end();
}

/* What only gradients and composites call, with sizes that are known to fit. */
static bool internal(const char *name)
{
    static const char *const PARTS[] = {"_backward", "_scaled", NULL};
    return *name == '_' || has_word(name, PARTS);
}

static void every_operator(void)
{
    static const char *const ANYTHING[] = {"empty", "resize", NULL}; /* show what memory held */
    static const int DTYPES[] = {FL_FLOAT32, FL_FLOAT64, FL_FLOAT16, FL_BFLOAT16,
                                 FL_INT32,   FL_INT64,   FL_UINT8,   FL_BOOL};
    for (int i = 0; i < ops_count; i++) {
        const fl_op *op = ops_all[i];
        if (op->form != FORM_FUNCTION || op->params > 32 || has_word(op->name, ANYTHING) ||
            internal(op->name))
            continue;
        begin(op->name);
        draws_state = 88172645463325252u;
        for (int d = 0; d < 8; d++)
            for (size_t t = 0; t < sizeof TRIALS / sizeof *TRIALS; t++)
                call(op, &TRIALS[t], DTYPES[d]);
    }
}

/* ---- Kernels at awkward sizes --------------------------------------------------------------- */

/* y, and the gradients that a weighted sum of it sends to the inputs. */
static void both_ways(const char *name, fl_tensor *y, fl_tensors inputs)
{
    begin(name);
    if (!CHECK(y != NULL))
        fprintf(stderr, "    %s: %s\n", name, fl_error_message());
    hash_tensor(y);
    if (y && fl_requires_grad(y)) {
        CHECK(fl_backward(fl_sum(fl_mul(y, y), FL_NO_DTYPE)) == 0);
        for (int64_t i = 0; i < inputs.count; i++) {
            hash_tensor(fl_grad(inputs.data[i]));
            fl_set_grad(inputs.data[i], NULL);
        }
    }
}

static fl_tensor *variable(fl_ints sizes, int dtype)
{
    fl_tensor *t = operand(sizes, dtype, SMALL);
    if (dtype_is_floating(dtype))
        fl_set_requires_grad(t, true);
    return t;
}

#define SIZES FL_INTS_OF
#define INPUTS(...)                                                                                \
    ((fl_tensors){(fl_tensor *const[]){__VA_ARGS__},                                               \
                  (int64_t)(sizeof((fl_tensor *const[]){__VA_ARGS__}) / sizeof(fl_tensor *))})

static void products(int dtype)
{
    static const int64_t EACH[][3] = {{1, 67, 5},   {17, 300, 23}, {65, 33, 129}, {100, 3, 100},
                                      {31, 513, 1}, {7, 1000, 50}, {130, 64, 64}, {3, 1, 3}};
    for (int i = 0; i < 8; i++) {
        int64_t m = EACH[i][0], k = EACH[i][1], n = EACH[i][2];
        fl_tensor *a = variable(SIZES(m, k), dtype), *b = variable(SIZES(k, n), dtype);
        fl_tensor *turned = variable(SIZES(n, k), dtype), *c = variable(SIZES(n), dtype);
        both_ways("mm", fl_mm(a, b), INPUTS(a, b));
        both_ways("mm, transposed", fl_mm(a, fl_t(turned)), INPUTS(a, turned));
        both_ways("addmm", fl_addmm(c, a, b, fl_int(1), fl_int(2)), INPUTS(c, a, b));
        both_ways("linear", fl_linear(a, turned, c), INPUTS(a, turned, c));
    }
    fl_tensor *a = variable(SIZES(5, 33, 47), dtype), *b = variable(SIZES(5, 47, 19), dtype);
    both_ways("bmm", fl_bmm(a, b), INPUTS(a, b));
}

static void convolutions(int dtype)
{
    static const struct {
        int64_t in, out, kernel, stride, padding, dilation, groups;
    } EACH[] = {{1, 32, 3, 1, 1, 1, 1}, {5, 7, 3, 1, 0, 1, 1},  {16, 33, 3, 2, 1, 1, 1},
                {6, 6, 5, 1, 2, 1, 6},  {8, 12, 1, 1, 0, 1, 2}, {4, 20, 3, 1, 2, 2, 1}};
    for (int i = 0; i < 6; i++) {
        fl_ints stride = SIZES(EACH[i].stride, EACH[i].stride);
        fl_ints padding = SIZES(EACH[i].padding, EACH[i].padding);
        fl_ints dilation = SIZES(EACH[i].dilation, EACH[i].dilation);
        int64_t each = EACH[i].in / EACH[i].groups, side = EACH[i].kernel;
        fl_tensor *x = variable(SIZES(3, EACH[i].in, 13, 11), dtype);
        fl_tensor *w = variable(SIZES(EACH[i].out, each, side, side), dtype);
        fl_tensor *b = variable(SIZES(EACH[i].out), dtype);
        both_ways("conv2d", fl_conv2d(x, w, b, stride, padding, dilation, EACH[i].groups),
                  INPUTS(x, w, b));
    }
    fl_tensor *x = variable(SIZES(2, 6, 37), dtype), *w = variable(SIZES(9, 6, 4), dtype);
    fl_tensor *back = variable(SIZES(6, 9, 4), dtype);
    fl_ints one = SIZES(1), two = SIZES(2), none = SIZES(0);
    both_ways("conv1d", fl_conv1d(x, w, NULL, two, one, one, 1), INPUTS(x, w));
    both_ways("conv_transpose1d", fl_conv_transpose1d(x, back, NULL, two, none, one, 1, one),
              INPUTS(x, back));
}

static void layers(int dtype)
{
    fl_ints none = {NULL, 0}, two = SIZES(2, 2), three = SIZES(3, 3), one = SIZES(1, 1);
    fl_tensor *x = variable(SIZES(5, 6, 13, 11), dtype);
    fl_tensor *w = variable(SIZES(6), dtype), *b = variable(SIZES(6), dtype);
    both_ways("batch_norm", fl_batch_norm(x, w, b, NULL, NULL, true, 0.1, 1e-5, true),
              INPUTS(x, w, b));
    both_ways("group_norm", fl_group_norm(x, 3, w, b, 1e-5, true), INPUTS(x, w, b));
    both_ways("max_pool2d", fl_max_pool2d(x, three, two, one, one, true), INPUTS(x));
    both_ways("avg_pool2d", fl_avg_pool2d(x, three, two, one, true, true, NULL), INPUTS(x));
    fl_tensor *rows = variable(SIZES(37, 1003), dtype);
    fl_tensor *scale = variable(SIZES(1003), dtype), *shift = variable(SIZES(1003), dtype);
    both_ways("layer_norm", fl_layer_norm(rows, SIZES(1003), scale, shift, 1e-5, true),
              INPUTS(rows, scale, shift));
    for (int dim = 0; dim < 2; dim++) {
        both_ways("softmax", fl_softmax(rows, dim, FL_NO_DTYPE), INPUTS(rows));
        both_ways("log_softmax", fl_log_softmax(rows, dim, FL_NO_DTYPE), INPUTS(rows));
        both_ways("logsumexp", fl_logsumexp(rows, SIZES(dim), false), INPUTS(rows));
        both_ways("mean.dim", fl_mean_dim(rows, SIZES(dim), false, FL_NO_DTYPE), INPUTS(rows));
        both_ways("var.dim", fl_var_dim(rows, SIZES(dim), true, false), INPUTS(rows));
        both_ways("cumsum", fl_cumsum(rows, dim, FL_NO_DTYPE), INPUTS(rows));
        both_ways("prod.dim", fl_prod_dim_int(rows, dim, false, FL_NO_DTYPE), INPUTS(rows));
    }
    fl_tensor *line = variable(SIZES(100003), dtype);
    both_ways("sum", fl_sum(line, FL_NO_DTYPE), INPUTS(line));
    both_ways("var", fl_var(line, true), INPUTS(line));
    both_ways("norm", fl_norm(line, fl_int(2)), INPUTS(line));
    both_ways("max_pool2d, no padding", fl_max_pool2d(x, two, none, SIZES(0, 0), one, false),
              INPUTS(x));
}

/* Padded and packed, two layers in two directions; sequences enough to be cut over threads. */
static void recurrent_nets(int dtype)
{
    fl_tensor *x = variable(SIZES(7, 33, 21), dtype), *h = variable(SIZES(4, 33, 40), dtype);
    fl_tensor *c = variable(SIZES(4, 33, 40), dtype), *states[2] = {h, c}, *w[16];
    fl_tensor *sizes = placed(fl_from_data((int64_t[]){33, 33, 20, 9, 2}, SIZES(5), FL_INT64));
    fl_tensor *rows = variable(SIZES(97, 21), dtype), *y, *hy, *cy;
    for (int gates = 4; gates; gates = gates == 4 ? 3 : gates == 3 ? 1 : 0) {
        for (int i = 0; i < 16; i += 4) {
            w[i] = variable(SIZES(40 * gates, i < 8 ? 21 : 80), dtype);
            w[i + 1] = variable(SIZES(40 * gates, 40), dtype);
            w[i + 2] = variable(SIZES(40 * gates), dtype);
            w[i + 3] = variable(SIZES(40 * gates), dtype);
        }
        fl_tensors all = {w, 16};
        if (gates == 4) {
            fl_lstm(x, (fl_tensors){states, 2}, all, true, 2, 0, true, true, false, &y, &hy, &cy);
            both_ways("lstm", fl_add(fl_sum(y, FL_NO_DTYPE), fl_sum(cy, FL_NO_DTYPE), fl_int(1)),
                      INPUTS(x, h, c, w[0], w[1], w[7], w[8], w[13]));
            fl_lstm_data(rows, sizes, (fl_tensors){states, 2}, all, true, 2, 0, true, true, &y, &hy,
                         &cy);
        } else if (gates == 3) {
            fl_gru(x, h, all, true, 2, 0, true, true, false, &y, &hy);
            both_ways("gru", y, INPUTS(x, h, w[0], w[1], w[7], w[8], w[13]));
            fl_gru_data(rows, sizes, h, all, true, 2, 0, true, true, &y, &hy);
        } else {
            fl_rnn_relu(x, h, all, true, 2, 0, true, true, false, &y, &hy);
            both_ways("rnn_relu", y, INPUTS(x, h, w[0], w[1], w[7], w[8], w[13]));
            fl_rnn_tanh_data(rows, sizes, h, all, true, 2, 0, true, true, &y, &hy);
        }
        both_ways("packed", y, INPUTS(rows, h, w[0], w[1], w[7], w[8], w[13]));
    }
}

/* Targets in lists of lengths, some that do not fit; bags enough to be cut over threads. */
static void targets_and_bags(int dtype)
{
    int64_t inputs[9], lengths[9], classes[9 * 12], rows[700], offsets[100];
    for (int i = 0; i < 9; i++)
        inputs[i] = 23 - i, lengths[i] = (int64_t)(random_next() >> 32) % 13;
    for (int i = 0; i < 9 * 12; i++)
        classes[i] = 1 + (int64_t)(random_next() >> 32) % 5;
    for (int i = 0; i < 700; i++)
        rows[i] = (int64_t)(random_next() >> 32) % 19;
    for (int i = 0; i < 100; i++)
        offsets[i] = 7 * i - i % 5;
    fl_tensor *logits = variable(SIZES(23, 9, 37), dtype), *table = variable(SIZES(19, 21), dtype);
    fl_tensor *targets = placed(fl_from_data(classes, SIZES(9, 12), FL_INT64));
    if (dtype == FL_FLOAT32 || dtype == FL_FLOAT64)
        both_ways("ctc_loss",
                  fl_ctc_loss(fl_log_softmax(logits, 2, FL_NO_DTYPE), targets, (fl_ints){inputs, 9},
                              (fl_ints){lengths, 9}, 0, 0, true),
                  INPUTS(logits));
    fl_tensor *of = placed(fl_from_data(rows, SIZES(700), FL_INT64)), *y, *each, *counts, *places;
    fl_tensor *starts = placed(fl_from_data(offsets, SIZES(100), FL_INT64)),
              *w = variable(SIZES(700), dtype);
    const int64_t padding = 3;
    for (int mode = 0; mode < 3; mode++) {
        fl_embedding_bag(table, of, starts, mode < 2, mode, false, mode ? NULL : w, false, &padding,
                         &y, &each, &counts, &places);
        both_ways("embedding_bag", y, INPUTS(table, w));
    }
}

static void random_numbers(int dtype)
{
    static const int64_t COUNTS[] = {1, 15, 16, 17, 1003, 50000};
    for (int i = 0; i < 6; i++) {
        fl_tensor *t = operand(SIZES(COUNTS[i]), dtype, SMALL);
        begin("uniform_");
        hash_tensor(fl_uniform_(t, -1.5, 2.25, NULL));
        begin("normal_");
        hash_tensor(fl_normal_(t, 0.5, 3, NULL));
        begin("exponential_");
        hash_tensor(fl_exponential_(t, 1.5, NULL));
        begin("dropout");
        hash_tensor(fl_dropout(t, 0.3, true));
        begin("randperm");
        hash_tensor(fl_randperm(COUNTS[i], NULL, FL_INT64, (fl_device){FL_CPU, 0}, false));
    }
}

static void training(int which)
{
    begin(which == 0 ? "training, SGD" : which == 1 ? "training, Adam" : "training, AdamW");
    draws_state = 88172645463325252u;
    fl_module *m = fl_sequential_new();
    fl_module_append(m, fl_conv2d_new(2, 9, 3, 1, 1, 1, 1, true));
    fl_module_append(m, fl_batch_norm2d_new(9, 1e-5, 0.1));
    fl_module_append(m, fl_gelu_new());
    fl_module_append(m, fl_max_pool2d_new(2, 2, 0));
    fl_module_append(m, fl_flatten_new());
    fl_module_append(m, fl_linear_new(9 * 9, 10, true));
    fl_tensors all = fl_module_parameters(m);
    REQUIRE(all.count == 6);
    fl_optimizer *o = which == 0   ? fl_sgd_new(all, 0.01, 0.9, 0, 0.01, true)
                      : which == 1 ? fl_adam_new(all, 0.01, 0.9, 0.999, 1e-8, 0, true)
                                   : fl_adamw_new(all, 0.01, 0.9, 0.999, 1e-8, 0.01, false);
    for (int step = 0; step < 5; step++) {
        fl_scope_begin();
        fl_tensor *x = operand(SIZES(17, 2, 6, 6), FL_FLOAT32, SMALL);
        int64_t labels[17];
        for (int i = 0; i < 17; i++)
            labels[i] = (int64_t)(random_next() >> 32) % 10;
        fl_tensor *loss =
            fl_cross_entropy(fl_module_forward(m, x), fl_from_data(labels, SIZES(17), FL_INT64),
                             NULL, -100, "mean", 0);
        fl_optimizer_zero_grad(o);
        CHECK(fl_backward(loss) == 0 && fl_optimizer_step(o) == 0);
        hash_tensor(loss);
        fl_scope_end();
    }
    fl_scope_begin();
    for (int64_t i = 0; i < all.count; i++)
        hash_tensor(all.data[i]);
    fl_scope_end();
    fl_optimizer_release(o);
    fl_module_release(m);
}

/* ---- Processes ------------------------------------------------------------------------------ */

static void find_all(void)
{
    static const int DTYPES[] = {FL_FLOAT32, FL_FLOAT64, FL_BFLOAT16, FL_FLOAT16};
    snprintf(found->isa, sizeof found->isa, "%s", isa_name());
    every_operator();
    draws_state = 88172645463325252u;
    for (int d = 0; d < 4; d++) {
        fl_scope_begin();
        products(DTYPES[d]);
        convolutions(DTYPES[d]);
        layers(DTYPES[d]);
        recurrent_nets(DTYPES[d]);
        targets_and_bags(DTYPES[d]);
        random_numbers(DTYPES[d]);
        fl_scope_end();
    }
    fl_scope_begin();
    products(FL_INT32);
    products(FL_INT64);
    fl_scope_end();
    for (int which = 0; which < 3 && here.kind == FL_CPU; which++)
        training(which);
}

/* What a child finds that is told to use that instruction set; the child must not have asked
 * before. */
static struct findings *findings_of(const char *isa, int threads, fl_device where)
{
    struct findings *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    int before = check_failures;
    pid_t child = fork();
    if (child == 0) {
        found = shared, here = where;
        device_add(&guarded);
        setenv("FLAMBEAU_ISA", isa, 1);
        fl_set_num_threads(threads);
        find_all();
        CHECK((guarded_blocks > 50000) == (where.kind != FL_CPU));
        _exit(check_failures != before);
    }
    int status = -1;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return shared;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        found = calloc(1, sizeof *found);
        find_all();
        for (int i = 0; i < found->count; i++)
            printf("%016llx %s\n", (unsigned long long)found->entry[i].hash, found->entry[i].name);
        return check_failures != 0;
    }
    static const char *const ISAS[ISA_COUNT] = {"generic", "avx2", "avx512"};
    const fl_device cpu = {FL_CPU, 0};
    const struct findings *first = findings_of(ISAS[0], 1, cpu);
    CHECK(first->count > 500 && first->calls > 15000);
    printf("%d hashes of %d tensors\n", first->count, first->calls);
    for (int i = 1; i < ISA_COUNT; i++) {
        const struct findings *other = findings_of(ISAS[i], i + 1, cpu);
        CHECK(other->count == first->count && other->calls == first->calls);
        for (int k = 0; k < first->count; k++)
            if (!CHECK(other->entry[k].hash == first->entry[k].hash))
                fprintf(stderr, "    %s differs between %s and %s\n", first->entry[k].name,
                        first->isa, other->isa);
    }
    const struct findings *guarded_ones = findings_of(ISAS[0], 1, guarded.id);
    CHECK(guarded_ones->count > 500);
    for (int k = 0; k < guarded_ones->count && k < first->count; k++)
        if (!CHECK(guarded_ones->entry[k].hash == first->entry[k].hash))
            fprintf(stderr, "    %s differs on a device\n", first->entry[k].name);
    return check_result();
}
