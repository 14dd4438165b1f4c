/* CTC: the likelihood of a short target under a long input, over all alignments.
 *
 * A target of L classes becomes n = 2 L + 1 positions: a blank before, between and after its
 * classes. An alignment goes from one of the first two positions to one of the last two, at each
 * step staying, going to the next one, or jumping over a blank between two different classes. alpha
 * (t, s) sums over all ways to be at s at step t, beta (t, s) over all ways to go on from there
 * (Graves et al. 2006, formulas 5 to 14); both count the probability of step t. beta is alpha of
 * the target and the input reversed, and is kept so, which makes both one loop. Each sequence of
 * the batch is one chunk of work.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/advice.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/loss.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/loss/ctc.h"
#include "ops/op.h"
#include "ops/place.h"
#include "ops_kernels.h"

/* What all sequences share; the arrays are contiguous. */
struct batch {
    const struct ctc_kernels *kernels;
    int dtype;
    size_t real; /* bytes of an element */
    int64_t T, N, C;
    int64_t row, most; /* elements of a row of alpha; positions of the longest target */
    int64_t blank;
    const int64_t *targets, *starts, *input_lengths, *target_lengths;
    const char *log_probs; /* (T, N, C) */
    char *losses;          /* (N) */
    char *alpha;           /* (N, T, row) */
    const char *g;         /* (N), backward alone */
    char *dx;              /* (T, N, C), backward alone */
    bool zero_infinity;
    char *scratch; /* (N, each) bytes */
    size_t each;
};

/* One sequence's part of the scratch. */
struct lane {
    int64_t n;
    int64_t *class;  /* (most) of each position */
    char *skip;      /* (most) 0 where an alignment may come from two positions before, else -inf */
    char *skip_back; /* (most) the same of the reversed target */
    char *log_p;     /* (most) */
    char *log_p_back; /* (most), reversed */
    char *beta[2];    /* (row) each */
    char *posterior;  /* (most) */
};

/* ---- numbers of either type ---- */

static double get(const struct batch *k, const void *row, int64_t i)
{
    assert(i >= 0);
    return k->dtype == FL_FLOAT32 ? (double)((const float *)row)[i] : ((const double *)row)[i];
}

static void put(const struct batch *k, void *row, int64_t i, double value)
{
    if (k->dtype == FL_FLOAT32)
        ((float *)row)[i] = (float)value;
    else
        ((double *)row)[i] = value;
}

/* ---- one sequence ---- */

static size_t lane_size(const struct batch *k)
{
    size_t reals = (size_t)(5 * k->most + 2 * k->row);
    size_t size = (size_t)k->most * sizeof(int64_t) + reals * k->real;
    return (size + 63) / 64 * 64;
}

static struct lane lane_open(const struct batch *k, int64_t b)
{
    assert(b >= 0 && b < k->N);
    assert(2 * k->target_lengths[b] + 1 <= k->most);
    char *at = k->scratch + (size_t)b * k->each;
    size_t line = (size_t)k->most * k->real, row = (size_t)k->row * k->real;
    struct lane l = {.n = 2 * k->target_lengths[b] + 1, .class = (int64_t *)at};
    char **lines[] = {&l.skip, &l.skip_back, &l.log_p, &l.log_p_back, &l.posterior};
    at += (size_t)k->most * sizeof(int64_t);
    for (int i = 0; i < 5; i++, at += line)
        *lines[i] = at;
    l.beta[0] = at, l.beta[1] = at + row;
    const int64_t *target = k->targets + k->starts[b];
    for (int64_t s = 0; s < l.n; s++)
        l.class[s] = s % 2 ? target[s / 2] : k->blank;
    for (int64_t s = 0; s < l.n; s++) {
        bool skips = s >= 2 && l.class[s] != l.class[s - 2];
        put(k, l.skip, s, skips ? 0 : -INFINITY);
        put(k, l.skip_back, s, -INFINITY);
    }
    for (int64_t s = 2; s < l.n; s++) /* reversed, position s comes from n-1-s, s-2 from n+1-s */
        put(k, l.skip_back, s, get(k, l.skip, l.n + 1 - s));
    return l;
}

static const char *log_probs_at(const struct batch *k, int64_t b, int64_t t)
{
    assert(t >= 0 && t < k->T && b >= 0 && b < k->N);
    return k->log_probs + (size_t)((t * k->N + b) * k->C) * k->real;
}

/* The log-probabilities of the positions' classes at step t. */
static void gather(const struct batch *k, const struct lane *l, int64_t b, int64_t t)
{
    const char *from = log_probs_at(k, b, t);
    if (k->dtype == FL_FLOAT32) {
        float *to = (float *)(void *)l->log_p, *back = (float *)(void *)l->log_p_back;
        for (int64_t s = 0; s < l->n; s++)
            to[s] = back[l->n - 1 - s] = ((const float *)(const void *)from)[l->class[s]];
        return;
    }
    double *to = (double *)(void *)l->log_p, *back = (double *)(void *)l->log_p_back;
    for (int64_t s = 0; s < l->n; s++)
        to[s] = back[l->n - 1 - s] = ((const double *)(const void *)from)[l->class[s]];
}

static char *alpha_at(const struct batch *k, int64_t b, int64_t t)
{
    assert(t >= 0 && t < k->T && b >= 0 && b < k->N);
    return k->alpha + (size_t)((b * k->T + t) * k->row) * k->real;
}

/* The first row of alpha or beta: an alignment begins at one of the first two positions. */
static void begin(const struct batch *k, int64_t n, const char *log_p, char *row)
{
    assert(n > 0);
    k->kernels->impossible(CTC_MARGIN + n, row);
    for (int64_t s = 0; s < 2 && s < n; s++)
        put(k, row, CTC_MARGIN + s, get(k, log_p, s));
}

static void forward(void *context, int64_t b)
{
    assert(b >= 0 &&
           ((const struct batch *)context)->input_lengths[b] <= ((const struct batch *)context)->T);
    const struct batch *k = context;
    struct lane l = lane_open(k, b);
    const int64_t T = k->input_lengths[b];
    if (T == 0) { /* nothing says nothing */
        put(k, k->losses, b, l.n == 1 ? -0.0 : INFINITY);
        return;
    }
    for (int64_t t = 0; t < T; t++) {
        char *row = alpha_at(k, b, t);
        gather(k, &l, b, t);
        if (t == 0) {
            begin(k, l.n, l.log_p, row);
            continue;
        }
        k->kernels->impossible(CTC_MARGIN, row);
        k->kernels->step(l.n, alpha_at(k, b, t - 1), l.skip, l.log_p, row);
    }
    /* The sum of the last two positions: those that a step from there to a certain end would find. */
    const double last = get(k, alpha_at(k, b, T - 1), CTC_MARGIN + l.n - 1);
    const double other = get(k, alpha_at(k, b, T - 1), CTC_MARGIN + l.n - 2);
    char ends[3 * sizeof(double)], end[3 * sizeof(double)], zero[sizeof(double)];
    k->kernels->impossible(3, ends);
    put(k, ends, CTC_MARGIN - 1, other), put(k, ends, CTC_MARGIN, last);
    put(k, zero, 0, 0);
    k->kernels->step(1, ends, zero, zero, end);
    put(k, k->losses, b, -get(k, end, CTC_MARGIN));
}

static void backward(void *context, int64_t b)
{
    const struct batch *k = context;
    if (k->zero_infinity && isinf(get(k, k->losses, b)))
        return;
    struct lane l = lane_open(k, b);
    const char *loss = k->losses + (size_t)b * k->real;
    const int64_t T = k->input_lengths[b];
    for (int64_t t = T - 1; t >= 0; t--) {
        char *row = l.beta[t % 2];
        gather(k, &l, b, t);
        if (t == T - 1) {
            begin(k, l.n, l.log_p_back, row);
        } else {
            k->kernels->impossible(CTC_MARGIN, row);
            k->kernels->step(l.n, l.beta[(t + 1) % 2], l.skip_back, l.log_p_back, row);
        }
        k->kernels->posterior(l.n, alpha_at(k, b, t), row, l.log_p, loss, l.posterior);
        k->kernels->gradient(k->C, log_probs_at(k, b, t), l.n, l.class, l.posterior, loss,
                             k->g + (size_t)b * k->real,
                             k->dx + (size_t)((t * k->N + b) * k->C) * k->real);
    }
}

/* ---- the batch ---- */

static int64_t greatest(const int64_t *a, int64_t count)
{
    assert(count >= 0);
    int64_t most = 0;
    for (int64_t i = 0; i < count; i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

static int check_values(const int64_t *lengths, int64_t count, int64_t limit, const char *name)
{
    for (int64_t i = 0; i < count; i++) {
        if (lengths[i] < 0)
            return error_set(FL_RUNTIME_ERROR,
                             "Expected %s to have value at least 0, but got value %lld (while "
                             "checking arguments for ctc_loss_allocate_outputs)",
                             name, (long long)lengths[i]);
        if (lengths[i] > limit)
            return error_set(FL_RUNTIME_ERROR,
                             "Expected %s to have value at most %lld, but got value %lld (while "
                             "checking arguments for ctc_loss_allocate_outputs)",
                             name, (long long)limit, (long long)lengths[i]);
    }
    return 0;
}

/* targets has room for the targets of these lengths. */
static int check_targets(const fl_tensor *targets, const int64_t *lengths, int64_t N)
{
    int64_t total = 0, most = greatest(lengths, N);
    for (int64_t b = 0; b < N; b++)
        if (__builtin_add_overflow(total, lengths[b], &total))
            return error_set(FL_RUNTIME_ERROR, "the sum of target_lengths is too large");
    if (targets->ndim == 2 && targets->sizes[1] < most)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected tensor to have size at least %lld at dimension 1, but got size "
                         "%lld for argument #2 'targets' (while checking arguments for "
                         "ctc_loss_allocate_outputs)",
                         (long long)most, (long long)targets->sizes[1]);
    int64_t rows = targets->ndim == 2 ? N : total;
    if (targets->sizes[0] != rows)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected tensor to have size %lld at dimension 0, but got size %lld for "
                         "argument #2 'targets' (while checking arguments for "
                         "ctc_loss_allocate_outputs)",
                         (long long)rows, (long long)targets->sizes[0]);
    return 0;
}

static int check_tensors(const fl_tensor *log_probs, const fl_tensor *targets,
                         const fl_tensor *input_lengths, const fl_tensor *target_lengths,
                         int64_t blank)
{
    if (log_probs->numel == 0)
        return error_set(FL_RUNTIME_ERROR, "log_probs tensor must not be empty");
    if (log_probs->dtype != FL_FLOAT32 && log_probs->dtype != FL_FLOAT64)
        return dtype_refuse("ctc_loss_cpu", log_probs->dtype);
    if (log_probs->ndim != 3)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected 3-dimensional tensor, but got %d-dimensional tensor for "
                         "argument #1 'log_probs' (while checking arguments for "
                         "ctc_loss_allocate_outputs)",
                         log_probs->ndim);
    if (targets->ndim < 1 || targets->ndim > 2)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected 1 to 2 dimensions, but got %d-dimensional tensor for argument "
                         "#2 'targets' (while checking arguments for ctc_loss_allocate_outputs)",
                         targets->ndim);
    if (blank < 0 || blank >= log_probs->sizes[2])
        return error_set(FL_RUNTIME_ERROR, "blank must be in label range");
    if (input_lengths->numel != log_probs->sizes[1])
        return error_set(FL_RUNTIME_ERROR, "input_lengths must be of size batch_size");
    if (target_lengths->numel != log_probs->sizes[1])
        return error_set(FL_RUNTIME_ERROR, "target_lengths must be of size batch_size");
    return 0;
}

/* Lengths as int64 that the host reads; NULL with the error. A new reference. */
static fl_tensor *host_lengths(const fl_tensor *t)
{
    fl_tensor *here = tensor_host(t), *lengths = here ? tensor_as(here, FL_INT64) : NULL;
    tensor_release(here);
    return lengths;
}

int ctc_loss_shape(fl_tensor *log_probs, fl_tensor *targets, fl_tensor *input_lengths,
                   fl_tensor *target_lengths, int64_t blank, bool zero_infinity, struct op_shape *y)
{
    (void)zero_infinity;
    if (check_tensors(log_probs, targets, input_lengths, target_lengths, blank))
        return -1;
    const int64_t T = log_probs->sizes[0], N = log_probs->sizes[1];
    fl_tensor *of_inputs = host_lengths(input_lengths);
    fl_tensor *of_targets = host_lengths(target_lengths);
    int status = -1;
    if (of_inputs && of_targets) {
        const int64_t *lengths = tensor_data(of_targets);
        status = check_values(tensor_data(of_inputs), N, T, "input_lengths") ||
                         check_values(lengths, N, INT32_MAX, "target_lengths") ||
                         check_targets(targets, lengths, N)
                     ? -1
                     : 0;
        op_shape_set(&y[0], 1, &N);
        op_shape_set(&y[1], 3, (int64_t[]){N, T, 2 * greatest(lengths, N) + 1 + CTC_MARGIN});
        y[1].zero = true; /* the steps past an input's length */
    }
    tensor_release(of_inputs), tensor_release(of_targets);
    return status;
}

/* Where the target of each sequence begins, and whether its classes exist. starts: (N). */
static int find_targets(const struct batch *k, const fl_tensor *targets, int64_t *starts)
{
    const int64_t *class = tensor_data(targets);
    for (int64_t b = 0, at = 0; b < k->N; b++) {
        starts[b] = targets->ndim == 2 ? b * targets->sizes[1] : at;
        at += k->target_lengths[b];
        for (int64_t i = starts[b]; i < starts[b] + k->target_lengths[b]; i++)
            if (class[i] < 0 || class[i] >= k->C) {
                error_set(FL_INDEX_ERROR, "Target %lld is out of bounds.", (long long)class[i]);
                return error_hint("class numbers run from 0 to the number of classes - 1",
                                  "类别编号从 0 到 类别数-1");
            }
    }
    return 0;
}

/* Advises where a target has more classes than its input has steps: no alignment is possible. */
static int advise_of_lengths(const struct batch *k)
{
    static struct advice advice = {
        .name = "ctc_target_too_long",
        .english =
            "A target needs a step for each class (and one more between two that are equal), "
            "so its loss is inf, and its gradient nan.\n"
            "hint: input_lengths count the steps (T, after all strides of the network), "
            "target_lengths the classes without padding: make the steps more, or leave such "
            "samples out; zero_infinity=True ignores them.",
        .chinese = "目标的每个类别至少要占一步（相邻两个相同时还要多一步），所以损失是 inf，"
                   "梯度是 nan。\n"
                   "提示：input_lengths 是步数（T，经过网络的全部 stride 之后），target_lengths "
                   "是不含填充的类别数：请增加步数，或去掉这样的样本；zero_infinity=True "
                   "会忽略它们。"};
    assert(k->N == 0 || (k->target_lengths && k->input_lengths));
    for (int64_t b = 0; b < k->N && !k->zero_infinity && !advice_is_given(&advice); b++)
        if (k->target_lengths[b] > k->input_lengths[b])
            return advice_give_seen(
                &advice, "ctc_loss is given a target of %lld classes for an input of %lld steps.",
                "ctc_loss 的一个目标有 %lld 个类别，而对应的输入只有 %lld 步。",
                (long long)k->target_lengths[b], (long long)k->input_lengths[b]);
    return 0;
}

/* Runs `body` for each sequence. k comes with its results and gradients; the rest is found here. */
static int run(struct batch *k, const fl_tensor *log_probs, const fl_tensor *targets,
               const fl_tensor *input_lengths, const fl_tensor *target_lengths,
               void (*body)(void *, int64_t))
{
    fl_tensor *x = tensor_contiguous(log_probs), *labels = tensor_as(targets, FL_INT64);
    fl_tensor *of_inputs = tensor_as(input_lengths, FL_INT64);
    fl_tensor *of_targets = tensor_as(target_lengths, FL_INT64);
    size_t bytes = 0, starts_size = (size_t)log_probs->sizes[1] * sizeof(int64_t);
    int64_t *starts = memory_alloc(starts_size);
    int status = -1;
    if (x && labels && of_inputs && of_targets && starts) {
        k->dtype = x->dtype, k->real = dtype_size(x->dtype);
        k->kernels = &ISA_PICK(ctc_table)->type[x->dtype == FL_FLOAT64];
        k->T = x->sizes[0], k->N = x->sizes[1], k->C = x->sizes[2];
        k->log_probs = tensor_data(x);
        k->targets = tensor_data(labels), k->starts = starts;
        k->input_lengths = tensor_data(of_inputs), k->target_lengths = tensor_data(of_targets);
        k->most = 2 * greatest(k->target_lengths, k->N) + 1, k->row = k->most + CTC_MARGIN;
        k->each = lane_size(k), bytes = k->each * (size_t)k->N;
        status = find_targets(k, labels, starts) || (!k->g && advise_of_lengths(k)) ? -1 : 0;
        k->scratch = status ? NULL : memory_alloc(bytes);
        status = k->scratch ? 0 : -1;
        if (status == 0)
            threads_for(k->N, body, k);
        memory_free(k->scratch, bytes);
    }
    memory_free(starts, starts_size);
    tensor_release(x), tensor_release(labels);
    tensor_release(of_inputs), tensor_release(of_targets);
    return status;
}

int ctc_loss_cpu(fl_tensor *log_probs, fl_tensor *targets, fl_tensor *input_lengths,
                 fl_tensor *target_lengths, int64_t blank, bool zero_infinity, fl_tensor *losses,
                 fl_tensor *log_alpha)
{
    struct batch k = {.blank = blank,
                      .losses = tensor_data(losses),
                      .alpha = tensor_data(log_alpha),
                      .zero_infinity = zero_infinity};
    return run(&k, log_probs, targets, input_lengths, target_lengths, forward);
}

int ctc_loss_backward_shape(fl_tensor *g, fl_tensor *log_probs, fl_tensor *targets,
                            fl_tensor *input_lengths, fl_tensor *target_lengths, fl_tensor *losses,
                            fl_tensor *log_alpha, int64_t blank, bool zero_infinity,
                            struct op_shape *y)
{
    (void)g, (void)targets, (void)input_lengths, (void)target_lengths;
    (void)losses, (void)log_alpha, (void)blank, (void)zero_infinity;
    op_shape_set(y, 3, log_probs->sizes);
    y->zero = true; /* the steps past an input's length */
    return 0;
}

int ctc_loss_backward_cpu(fl_tensor *g, fl_tensor *log_probs, fl_tensor *targets,
                          fl_tensor *input_lengths, fl_tensor *target_lengths, fl_tensor *losses,
                          fl_tensor *log_alpha, int64_t blank, bool zero_infinity, fl_tensor *y)
{
    fl_tensor *each = tensor_contiguous(g);
    if (!each)
        return -1;
    struct batch k = {.blank = blank,
                      .losses = tensor_data(losses),
                      .alpha = tensor_data(log_alpha),
                      .zero_infinity = zero_infinity,
                      .g = tensor_data(each),
                      .dx = tensor_data(y)};
    int status = run(&k, log_probs, targets, input_lengths, target_lengths, backward);
    tensor_release(each);
    return status;
}

/* ---- ctc_loss as called ---- */

enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };

int ctc_loss_tensor_compose(fl_tensor *log_probs, fl_tensor *targets, fl_tensor *input_lengths,
                            fl_tensor *target_lengths, int64_t blank, int64_t reduction,
                            bool zero_infinity, fl_tensor **y)
{
    if (dtype_is_floating(input_lengths->dtype) || input_lengths->dtype == FL_BOOL)
        return error_set(FL_RUNTIME_ERROR, "input_lengths must be integral");
    if (dtype_is_floating(target_lengths->dtype) || target_lengths->dtype == FL_BOOL)
        return error_set(FL_RUNTIME_ERROR, "target_lengths must be integral");
    const bool batched = log_probs->ndim == 3;
    fl_tensor *alpha, *losses;
    fl_tensor *x = batched ? log_probs : fl_unsqueeze(log_probs, 1);
    if (targets->flags & TENSOR_ELSEWHERE && tensor_device(targets) != tensor_device(log_probs)) {
        place_refuse(tensor_device(log_probs), tensor_device(targets));
        return -1;
    }
    input_lengths = op_beside(op_host(input_lengths), log_probs); /* they may live on the CPU */
    target_lengths = op_beside(op_host(target_lengths), log_probs);
    targets = targets->flags & TENSOR_ELSEWHERE ? targets : op_beside(targets, log_probs);
    if (!input_lengths || !target_lengths || !targets)
        return -1;
    if (!x || fl__ctc_loss(x, targets, input_lengths, target_lengths, blank, zero_infinity, &losses,
                           &alpha))
        return -1;
    if (zero_infinity)
        losses =
            fl_where_scalar_first(fl_eq_scalar(losses, fl_float(INFINITY)), fl_float(0), losses);
    if (reduction == REDUCE_MEAN) {
        fl_tensor *lengths = fl_clamp_min_scalar(target_lengths, fl_int(1));
        *y = fl_mean(fl_div(losses, op_as(lengths, x->dtype)), FL_NO_DTYPE);
    } else if (reduction == REDUCE_SUM) {
        *y = fl_sum(losses, FL_NO_DTYPE);
    } else {
        *y = batched ? losses : fl_squeeze_dim(losses, 0);
    }
    return *y ? 0 : -1;
}

static fl_tensor *tensor_of_ints(fl_ints list)
{
    fl_tensor *t = op_adopt(tensor_new(1, &list.count, FL_INT64));
    if (t && list.count)
        memcpy(tensor_data(t), list.data, (size_t)list.count * sizeof *list.data);
    return t;
}

int ctc_loss_compose(fl_tensor *log_probs, fl_tensor *targets, fl_ints input_lengths,
                     fl_ints target_lengths, int64_t blank, int64_t reduction, bool zero_infinity,
                     fl_tensor **y)
{
    fl_tensor *of_inputs = tensor_of_ints(input_lengths);
    fl_tensor *of_targets = tensor_of_ints(target_lengths);
    if (!of_inputs || !of_targets)
        return -1;
    *y = fl_ctc_loss_tensor(log_probs, targets, of_inputs, of_targets, blank, reduction,
                            zero_infinity);
    return *y ? 0 : -1;
}
