/* Norms of differences, and what is divided by norms. A norm's gradient is 0 where it is 0. */
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
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

static fl_tensor *distances_by_gap(fl_tensor *x1, fl_tensor *x2, double p)
{
    fl_tensor *gap = fl_sub(fl_unsqueeze(x1, -2), fl_unsqueeze(x2, -3), fl_int(1));
    if (!gap)
        return NULL;
    return gap->sizes[gap->ndim - 1] ? norm_of(gap, p, -1) : op_sum_along(gap, -1, false);
}

enum { MOST_GAPS = 1 << 22 };

/* Some rows at a time: the gaps between all pairs may be many times the result. */
static int distances_by_parts(fl_tensor *x1, fl_tensor *x2, double p, fl_tensor **y)
{
    assert(x1->ndim >= 2 && x2->ndim >= 2);
    const int64_t rows = x1->sizes[x1->ndim - 2], columns = x1->sizes[x1->ndim - 1];
    int64_t a_row = columns * x2->sizes[x2->ndim - 2];
    if (rows && columns && x1->numel / (rows * columns) > 1)
        a_row *= x1->numel / (rows * columns);
    const int64_t step = a_row && MOST_GAPS / a_row > 1 ? MOST_GAPS / a_row : a_row ? 1 : rows + 1;
    if (rows <= step) {
        *y = distances_by_gap(x1, x2, p);
        return *y ? 0 : -1;
    }
    fl_value list;
    const int64_t count = (rows + step - 1) / step;
    fl_tensor **part = op_list(&list, count);
    for (int64_t i = 0; part && i < count; i++) {
        const int64_t from = i * step, length = rows - from < step ? rows - from : step;
        part[i] = distances_by_gap(fl_narrow(x1, -2, from, length), x2, p);
    }
    *y = part ? op_joined(part, count, -2) : NULL;
    if (part)
        op_list_drop(&list);
    return *y ? 0 : -1;
}

int cdist_compose(fl_tensor *x1, fl_tensor *x2, double p, const char *compute_mode, fl_tensor **y)
{
    static const char *const MODES[] = {"donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist",
                                        "use_mm_for_euclid_dist_if_necessary"};
    int mode = 0;
    if (x1->ndim < 2 || x2->ndim < 2)
        return error_set(FL_RUNTIME_ERROR, "cdist only supports at least 2D tensors");
    if (x1->sizes[x1->ndim - 1] != x2->sizes[x2->ndim - 1])
        return error_set(FL_RUNTIME_ERROR, "X1 and X2 must have the same number of columns.");
    if (p < 0)
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
    return distances_by_parts(x1, x2, p, y);
}

int pdist_compose(fl_tensor *input, double p, fl_tensor **y)
{
    if (input->ndim != 2)
        return error_set(FL_RUNTIME_ERROR, "pdist only supports 2D tensors, got: %dD", input->ndim);
    if (p < 0)
        return error_set(FL_RUNTIME_ERROR, "pdist only supports non-negative p values");
    const int64_t n = input->sizes[0];
    fl_tensor *upper = fl_triu_indices(n, n, 1, FL_INT64, (fl_device){-1, 0});
    fl_tensor *gap = fl_sub(fl_index_select(input, 0, fl_select(upper, 0, 0)),
                            fl_index_select(input, 0, fl_select(upper, 0, 1)), fl_int(1));
    *y = gap ? norm_of(gap, p, -1) : NULL;
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
