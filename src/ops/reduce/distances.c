/* Norms of differences, and what is divided by norms. A norm's gradient is 0 where it is 0. */
#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/reduce/distances.h"
#include "ops_kernels.h"

static fl_tensor *root(fl_tensor *total, double p)
{
    fl_tensor *zero = fl_eq_scalar(total, fl_int(0));
    fl_tensor *safe = fl_where_scalar_first(zero, fl_float(1), total);
    return fl_where(zero, total, p == 2 ? fl_sqrt(safe) : fl_pow_scalar(safe, fl_float(1 / p)));
}

/* |t|^p; of p < 1 the power's gradient at 0 is infinite, and 0 counts, as the norm's does. */
static fl_tensor *power(fl_tensor *size, double p)
{
    if (p >= 1)
        return fl_pow_scalar(size, fl_float(p));
    fl_tensor *zero = fl_eq_scalar(size, fl_int(0));
    fl_tensor *safe = fl_where_scalar_first(zero, fl_float(1), size);
    return fl_where(zero, size, fl_pow_scalar(safe, fl_float(p)));
}

/* How many differ from 0 along a dim, NaN where there is one; its gradient is 0. */
static fl_tensor *count_of(fl_tensor *t, int64_t dim)
{
    fl_tensor *value = fl_detach(t), *other = op_as(fl_ne_scalar(value, fl_int(0)), t->dtype);
    fl_tensor *counted = fl_where(fl_isnan(value), value, other);
    fl_tensor *finite = fl_where_scalar_first(fl_eq_scalar(counted, fl_int(1)), fl_int(0), t);
    return op_sum_along(fl_add(counted, fl_mul_scalar(finite, fl_int(0)), fl_int(1)), dim, false);
}

/* The p-norm along a dim. */
static fl_tensor *norm_of(fl_tensor *t, double p, int64_t dim)
{
    if (p == 0)
        return count_of(t, dim);
    fl_tensor *size = fl_abs(t);
    if (p == 1)
        return op_sum_along(size, dim, false);
    if (isinf(p))
        return fl__amax_each(size, (fl_ints){&dim, 1}, false);
    return root(op_sum_along(p == 2 ? fl_mul(size, size) : power(size, p), dim, false), p);
}

/* |a - b|^2 = |a|^2 + |b|^2 - 2 a b as one matrix product, as PyTorch computes it. */
static fl_tensor *distances_by_product(fl_tensor *x1, fl_tensor *x2)
{
    fl_tensor *size1 = op_sum_along(fl_mul(x1, x1), -1, true),
              *size2 = op_sum_along(fl_mul(x2, x2), -1, true);
    if (!size1 || !size2)
        return NULL;
    fl_tensor *left[] = {fl_mul_scalar(x1, fl_int(-2)), size1, op_ones_of(size1)};
    fl_tensor *right[] = {x2, op_ones_of(size2), size2};
    fl_tensor *product =
        fl_matmul(op_joined(left, 3, -1), fl_transpose(op_joined(right, 3, -1), -2, -1));
    return root(fl_clamp_min_scalar(product, fl_int(0)), 2);
}

/* The norms of the differences of two tensors' rows, which broadcast. */
static fl_tensor *distances_by_gap(fl_tensor *x1, fl_tensor *x2, double p)
{
    fl_tensor *gap = fl_sub(fl_unsqueeze(x1, -2), fl_unsqueeze(x2, -3), fl_int(1));
    if (!gap)
        return NULL;
    return gap->sizes[gap->ndim - 1] ? norm_of(gap, p, -1) : op_sum_along(gap, -1, false);
}

/* ---- The kernel ------------------------------------------------------------------------------ */

int cdist_shape(fl_tensor *x1, fl_tensor *x2, double p, struct op_shape *y)
{
    (void)p;
    assert(x1->ndim >= 2 && x1->ndim == x2->ndim);
    op_shape_like(y, x1);
    y->sizes[x1->ndim - 1] = x2->sizes[x2->ndim - 2];
    return 0;
}

struct job {
    struct distances d;
    const struct distance_kernels *kernels;
    int64_t panels;
    size_t element;
    _Atomic int failed; /* a task had no memory */
};

static void run_panel(void *context, int64_t task)
{
    struct job *j = context;
    struct distances d = j->d;
    const int64_t batch = task / j->panels;
    const size_t bytes = (size_t)(d.columns * j->kernels->width) * j->element;
    d.a = (const char *)d.a + (size_t)(batch * d.rows * d.columns) * j->element;
    d.b = (const char *)d.b + (size_t)(batch * d.others * d.columns) * j->element;
    d.y = (char *)d.y + (size_t)(batch * d.rows * d.others) * j->element;
    void *scratch = memory_alloc(bytes);
    if (scratch)
        j->kernels->panel(&d, task % j->panels, scratch);
    else
        atomic_store(&j->failed, 1);
    memory_free(scratch, bytes);
}

int cdist_cpu(fl_tensor *x1, fl_tensor *x2, double p, fl_tensor *y)
{
    assert(y->dtype == FL_FLOAT32 || y->dtype == FL_FLOAT64);
    const int n = x1->ndim;
    fl_tensor *a = tensor_contiguous(x1), *b = tensor_contiguous(x2);
    struct job j = {.kernels = &ISA_PICK(distance_table)->type[y->dtype == FL_FLOAT64],
                    .element = dtype_size(y->dtype)};
    if (a && b && y->numel) {
        j.d = (struct distances){.rows = x1->sizes[n - 2],
                                 .others = x2->sizes[n - 2],
                                 .columns = x1->sizes[n - 1],
                                 .a = tensor_data(a),
                                 .b = tensor_data(b),
                                 .y = tensor_data(y),
                                 .p = p};
        j.panels = (j.d.others + j.kernels->width - 1) / j.kernels->width;
        threads_for(y->numel / (j.d.rows * j.d.others) * j.panels, run_panel, &j);
    }
    const int status = a && b ? 0 : -1;
    tensor_release(a), tensor_release(b);
    return atomic_load(&j.failed) ? error_set(FL_OUT_OF_MEMORY, "cdist: no memory for a panel")
                                  : status;
}

/* What the norms y of gap change by with it; 0 where there is no distance. */
static fl_tensor *slope_of(fl_tensor *gap, double p, fl_tensor *y)
{
    fl_tensor *some = fl_where_scalar_first(fl_eq_scalar(y, fl_int(0)), fl_int(1), y);
    if (p == 2)
        return fl_div(gap, some);
    fl_tensor *sign = fl_sign(gap);
    if (p == 0)
        return fl_mul_scalar(sign, fl_int(0));
    if (p == 1)
        return sign;
    if (isinf(p))
        return fl_where_scalar(fl_eq(fl_abs(gap), y), sign, fl_int(0));
    fl_tensor *none = fl_eq_scalar(gap, fl_int(0));
    fl_tensor *share = fl_where_scalar_first(none, fl_int(1), fl_div(fl_abs(gap), some));
    return fl_where_scalar_first(none, fl_int(0),
                                 fl_mul(sign, fl_pow_scalar(share, fl_float(p - 1))));
}

int cdist_backward_compose(fl_tensor *g, fl_tensor *x1, fl_tensor *x2, double p, fl_tensor *y,
                           fl_tensor **of_x1, fl_tensor **of_x2)
{
    fl_tensor *gap = fl_sub(fl_unsqueeze(x1, -2), fl_unsqueeze(x2, -3), fl_int(1));
    fl_tensor *slope = gap ? slope_of(gap, p, fl_unsqueeze(y, -1)) : NULL;
    fl_tensor *all = slope ? fl_mul(slope, fl_unsqueeze(g, -1)) : NULL;
    *of_x1 = all ? op_sum_along(all, -2, false) : NULL;
    *of_x2 = all ? fl_neg(op_sum_along(all, -3, false)) : NULL;
    return *of_x1 && *of_x2 ? 0 : -1;
}

/* ---- The operators --------------------------------------------------------------------------- */

/* By the kernel, which takes batches of one shape; of halves, and without columns, by all differences. */
static fl_tensor *distances_of(fl_tensor *x1, fl_tensor *x2, double p)
{
    fl_tensor *given[] = {x1, x2}, *wide[2];
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim = 0;
    if (!x1 || !x2)
        return NULL;
    if (x1->dtype != x2->dtype || (x1->dtype != FL_FLOAT32 && x1->dtype != FL_FLOAT64) ||
        x1->sizes[x1->ndim - 1] == 0)
        return distances_by_gap(x1, x2, p);
    if (shape_broadcast(&ndim, sizes, x1->ndim - 2, x1->sizes) ||
        shape_broadcast(&ndim, sizes, x2->ndim - 2, x2->sizes))
        return NULL;
    for (int i = 0; i < 2; i++) {
        memcpy(sizes + ndim, given[i]->sizes + given[i]->ndim - 2, 2 * sizeof *sizes);
        wide[i] = fl_expand(given[i], (fl_ints){sizes, ndim + 2}, false);
    }
    return fl__cdist(wide[0], wide[1], p);
}

int cdist_compose(fl_tensor *x1, fl_tensor *x2, double p, const char *compute_mode, fl_tensor **y)
{
    static const char *const MODES[] = {"donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist",
                                        "use_mm_for_euclid_dist_if_necessary"};
    int mode = 0;
    if (x1->ndim < 2 || x2->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "cdist only supports at least 2D tensors, X%d got: %dD",
                         x1->ndim < 2 ? 1 : 2, x1->ndim < 2 ? x1->ndim : x2->ndim);
    if (x1->sizes[x1->ndim - 1] != x2->sizes[x2->ndim - 1])
        return error_set(FL_RUNTIME_ERROR, "X1 and X2 must have the same number of columns.");
    if (!(p >= 0))
        return error_set(FL_RUNTIME_ERROR, "cdist only supports non-negative p values");
    while (mode < 3 && strcmp(MODES[mode], compute_mode) != 0)
        mode++;
    if (mode == 3)
        return error_set(FL_VALUE_ERROR, "%s is not a valid value for compute_mode", compute_mode);
    const bool many = x1->sizes[x1->ndim - 2] > 25 || x2->sizes[x2->ndim - 2] > 25;
    if (p == 2 && x1->sizes[x1->ndim - 1] && (mode == 1 || (mode == 2 && many))) {
        *y = distances_by_product(x1, x2);
        return *y ? 0 : -1;
    }
    *y = distances_of(x1, x2, p);
    return *y ? 0 : -1;
}

/* All distances of some rows and of those behind them, of which those behind the diagonal are picked:
 * an operator, so that the others are released before the next rows come. */
int pdist_rows_compose(fl_tensor *input, int64_t rows, double p, fl_tensor **y)
{
    fl_tensor *all = distances_of(fl_narrow(input, 0, 0, rows), input, p);
    fl_tensor *behind = fl_triu_indices(rows, input->sizes[0], 1, FL_INT64, (fl_device){-1, 0});
    fl_tensor *place = fl_add(fl_mul_scalar(fl_select(behind, 0, 0), fl_int(input->sizes[0])),
                              fl_select(behind, 0, 1), fl_int(1));
    *y = all && place ? fl_index_select(fl_reshape(all, (fl_ints){(int64_t[]){-1}, 1}), 0, place)
                      : NULL;
    return *y ? 0 : -1;
}

enum { MOST_PAIRS = 1 << 20 };

int pdist_compose(fl_tensor *input, double p, fl_tensor **y)
{
    if (input->ndim != 2)
        return error_set(FL_RUNTIME_ERROR, "pdist only supports 2D tensors, got: %dD", input->ndim);
    if (!(p >= 0))
        return error_set(FL_RUNTIME_ERROR, "pdist only supports non-negative p values");
    const int64_t n = input->sizes[0];
    const int64_t step = n && MOST_PAIRS / n > 1 ? MOST_PAIRS / n : 1;
    fl_value list;
    const int64_t count = n > step ? (n + step - 1) / step : 1;
    fl_tensor **part = op_list(&list, count);
    for (int64_t i = 0; part && i < count; i++) {
        const int64_t from = i * step, rows = n - from < step ? n - from : step;
        part[i] = fl__pdist_rows(fl_narrow(input, 0, from, n - from), rows, p);
    }
    *y = part ? op_joined(part, count, 0) : NULL;
    if (part)
        op_list_drop(&list);
    return *y ? 0 : -1;
}

/* ---- Divided by norms ------------------------------------------------------------------------ */

/* The norm, which counts as at least eps; PyTorch derives it as if it were the norm still. */
static fl_tensor *at_least(fl_tensor *norm, double eps)
{
    fl_tensor *y = fl_clone(norm, -1);
    const bool mode = autograd_mode.grad;
    autograd_mode.grad = false;
    y = fl_clamp_min_scalar_(y, fl_float(eps));
    autograd_mode.grad = mode;
    return y;
}

int cosine_similarity_compose(fl_tensor *x1, fl_tensor *x2, int64_t dim, double eps, fl_tensor **y)
{
    fl_tensor *given[] = {x1, x2}, *unit[2];
    fl_value both;
    if (fl_broadcast_tensors((fl_tensors){given, 2}, &both))
        return -1;
    for (int i = 0; i < 2; i++) {
        fl_tensor *t = both.as.tensors[i];
        fl_tensor *norm =
            fl_norm_scalaropt_dim(t, fl_int(2), (fl_ints){&dim, 1}, true, FL_NO_DTYPE);
        unit[i] = fl_div(t, at_least(norm, eps));
    }
    op_list_drop(&both);
    *y = op_sum_along(fl_mul(unit[0], unit[1]), dim, false);
    return *y ? 0 : -1;
}
