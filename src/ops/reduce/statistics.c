/* Quantiles, medians without NaN, and covariances. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

static fl_tensor *constant(fl_value number, int dtype)
{
    return fl_full((fl_ints){NULL, 0}, number, (fl_dtype)dtype, (fl_device){-1, 0}, false);
}

/* What a tensor of truth values without dims says: 1, 0, or -1 with the error. */
static int truth_of(fl_tensor *t)
{
    return t ? fl_item(t) != 0 : -1;
}

/* ---- Quantiles ------------------------------------------------------------------------------- */

/* q as a tensor of self's dtype, checked; NULL with the error. */
static fl_tensor *ranks_of(const fl_tensor *self, const fl_value *q)
{
    if (q->tag != FL_TENSOR) {
        double one = number_real(q);
        if (!(one >= 0 && one <= 1))
            return error_null(FL_RUNTIME_ERROR,
                              "quantile() q must be in the range [0, 1] but got %g", one);
        return constant(*q, self->dtype);
    }
    fl_tensor *t = q->as.tensor;
    if (t->ndim > 1)
        return error_null(FL_RUNTIME_ERROR, "quantile() q must be a scalar or 1D tensor");
    if (t->dtype != self->dtype)
        return error_null(FL_RUNTIME_ERROR,
                          "quantile() q tensor must be same dtype as the input tensor");
    fl_tensor *seen = op_samples(op_look(t));
    int good = truth_of(
        fl_all(fl_logical_and(fl_ge_scalar(seen, fl_int(0)), fl_le_scalar(seen, fl_int(1)))));
    if (good == 0)
        error_set(FL_RUNTIME_ERROR, "quantile() q values must be in the range [0, 1]");
    return good == 1 ? t : NULL;
}

enum between { BETWEEN_LINEAR, BETWEEN_LOWER, BETWEEN_HIGHER, BETWEEN_MIDPOINT, BETWEEN_NEAREST };

static int between_of(const char *name)
{
    static const char *const NAMES[] = {"linear", "lower", "higher", "midpoint", "nearest"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return i;
    return error_set(FL_RUNTIME_ERROR,
                     "quantile() interpolation must be one of linear, lower, higher, midpoint or "
                     "nearest, but got %s",
                     name);
}

/* The place of each quantile (the last dim) in sorted lines: where a NaN is not skipped it is the
 * last place, where the NaN stands. */
static fl_tensor *places(fl_tensor *lines, fl_tensor *q, bool skip)
{
    assert(lines->ndim >= 1);
    const int64_t last = lines->sizes[lines->ndim - 1] - 1;
    fl_tensor *bad = fl_isnan(lines);
    if (!skip)
        return fl_where(fl_any_dim(bad, -1, true), constant(fl_float((double)last), lines->dtype),
                        fl_mul_scalar(q, fl_int(last)));
    fl_tensor *count = op_sum_along(fl_logical_not(bad), -1, true);
    count = fl_clamp_min_scalar(fl_sub_scalar(count, fl_int(1), fl_int(1)), fl_int(0));
    return fl_mul(q, op_as(count, lines->dtype));
}

static fl_tensor *at_places(fl_tensor *lines, fl_tensor *place, fl_ints shape)
{
    return fl_gather(lines, -1, fl_expand(op_as(place, FL_INT64), shape, false), false);
}

/* The quantiles of lines (..., n), last. */
static fl_tensor *quantiles_of(fl_tensor *lines, fl_tensor *q, enum between how, bool skip)
{
    int64_t shape[TENSOR_MAX_DIMS];
    fl_tensor *order, *place = lines && q ? places(lines, q, skip) : NULL;
    if (!place || fl_sort(lines, -1, false, &lines, &order))
        return NULL;
    place = how == BETWEEN_LOWER     ? fl_floor(place)
            : how == BETWEEN_HIGHER  ? fl_ceil(place)
            : how == BETWEEN_NEAREST ? fl_round(place)
                                     : place;
    memcpy(shape, lines->sizes, sizeof *shape * (size_t)lines->ndim);
    shape[lines->ndim - 1] = q->sizes[0];
    const fl_ints all = {shape, lines->ndim};
    fl_tensor *low = fl_floor(place), *below = at_places(lines, low, all);
    if (how != BETWEEN_LINEAR && how != BETWEEN_MIDPOINT)
        return below;
    fl_tensor *above = at_places(lines, fl_ceil(place), all);
    fl_tensor *weight = how == BETWEEN_LINEAR ? fl_sub(place, low, fl_int(1))
                                              : constant(fl_float(0.5), lines->dtype);
    return fl_lerp(below, above, fl_expand(weight, all, false));
}

static int quantile(fl_tensor *self, const fl_value *q, const int64_t *dim, bool keepdim,
                    const char *interpolation, bool skip, fl_tensor **y)
{
    if (self->dtype != FL_FLOAT32 && self->dtype != FL_FLOAT64)
        return error_set(FL_RUNTIME_ERROR,
                         "quantile() input tensor must be either float or double dtype");
    fl_tensor *wanted = ranks_of(self, q);
    int how = wanted ? between_of(interpolation) : -1;
    if (how < 0)
        return -1;
    if (self->numel == 0)
        return error_set(FL_RUNTIME_ERROR, "quantile() input tensor must be non-empty");
    int along = dim ? shape_wrap_dim(*dim, self->ndim) : 0;
    if (along < 0)
        return -1;
    const int64_t first = 0, last = -1, from = along;
    fl_tensor *lines = dim && self->ndim
                           ? fl_movedim(self, (fl_ints){&from, 1}, (fl_ints){&last, 1})
                           : fl_flatten(self, 0, -1);
    fl_tensor *found = quantiles_of(lines, fl_flatten(wanted, 0, -1), (enum between)how, skip);
    found = fl_movedim(found, (fl_ints){&last, 1}, (fl_ints){&first, 1});
    if (keepdim && self->ndim && !dim) {
        int64_t ones[TENSOR_MAX_DIMS];
        ones[0] = -1;
        for (int d = 0; d < self->ndim && d + 1 < TENSOR_MAX_DIMS; d++)
            ones[d + 1] = 1;
        found = fl_reshape(found, (fl_ints){ones, self->ndim + 1});
    } else if (keepdim && self->ndim) {
        found = fl_unsqueeze(found, along + 1);
    }
    return op_give(y, wanted->ndim ? found : fl_squeeze_dim(found, 0));
}

int quantile_compose(fl_tensor *self, fl_value q, const int64_t *dim, bool keepdim,
                     const char *interpolation, fl_tensor **y)
{
    return quantile(self, &q, dim, keepdim, interpolation, false, y);
}

int nanquantile_compose(fl_tensor *self, fl_value q, const int64_t *dim, bool keepdim,
                        const char *interpolation, fl_tensor **y)
{
    return quantile(self, &q, dim, keepdim, interpolation, true, y);
}

/* ---- Medians without NaN --------------------------------------------------------------------- */

int nanmedian_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *flat = fl_flatten(self, 0, -1);
    if (!dtype_is_floating(self->dtype) || self->numel == 0)
        return op_give(y, fl_median(self));
    fl_tensor *kept = fl_masked_select(flat, fl_logical_not(fl_isnan(flat)));
    return kept ? op_give(y, fl_median(kept->numel ? kept : flat)) : -1;
}

int nanmedian_dim_compose(fl_tensor *self, int64_t dim, bool keepdim, fl_tensor **values,
                          fl_tensor **indices)
{
    fl_tensor *sorted, *order;
    if (!dtype_is_floating(self->dtype) || self->ndim == 0)
        return fl_median_dim(self, dim, keepdim, values, indices);
    if (fl_sort_stable(self, true, dim, false, &sorted, &order))
        return -1;
    fl_tensor *count = op_sum_along(fl_logical_not(fl_isnan(sorted)), dim, true);
    fl_tensor *middle = fl_floor_divide_scalar(
        fl_clamp_min_scalar(fl_sub_scalar(count, fl_int(1), fl_int(1)), fl_int(0)), fl_int(2));
    fl_tensor *at = fl_gather(order, dim, middle, false);
    fl_tensor *best = fl_gather(self, dim, at, false);
    *values = keepdim ? best : fl_squeeze_dim(best, dim);
    *indices = keepdim ? at : fl_squeeze_dim(at, dim);
    return *values && *indices ? 0 : -1;
}

/* ---- Covariances ----------------------------------------------------------------------------- */

static int check_weights(const fl_tensor *rows, fl_tensor *w, const char *name, bool floating)
{
    assert(rows->ndim == 2);
    if (w->ndim > 1)
        return error_set(FL_RUNTIME_ERROR,
                         "cov(): expected %s to have one or fewer dimensions but got %s with %d "
                         "dimensions",
                         name, name, w->ndim);
    if (floating ? !dtype_is_floating(w->dtype)
                 : !dtype_is_integral(w->dtype) || w->dtype == FL_BOOL)
        return error_set(FL_RUNTIME_ERROR,
                         "cov(): expected %s to have %s dtype but got %s with %s dtype", name,
                         floating ? "floating point" : "integral", name, dtype_title(w->dtype));
    if (w->numel != rows->sizes[1])
        return error_set(FL_RUNTIME_ERROR,
                         "cov(): expected %s to have the same numel as there are observations in "
                         "the input but got %lld != %lld",
                         name, (long long)w->numel, (long long)rows->sizes[1]);
    int negative = truth_of(fl_any(fl_lt_scalar(op_samples(op_look(w)), fl_int(0))));
    return negative == 1 ? error_set(FL_RUNTIME_ERROR, "cov(): %s cannot be negative", name)
                         : negative;
}

/* What the sum of products is divided by, with weights w. */
static fl_tensor *norm_of(fl_tensor *w, fl_tensor *total, fl_tensor *aweights, int64_t correction)
{
    fl_tensor *norm = fl_sub_scalar(total, fl_int(correction), fl_int(1));
    if (aweights && correction) {
        fl_tensor *squares = fl_sum(fl_mul(w, aweights), FL_NO_DTYPE);
        norm = fl_sub(total, fl_div(fl_mul_scalar(squares, fl_int(correction)), total), fl_int(1));
    }
    return fl_clamp_min_scalar(norm, fl_int(0));
}

int cov_compose(fl_tensor *self, int64_t correction, fl_tensor *fweights, fl_tensor *aweights,
                fl_tensor **y)
{
    if (self->ndim > 2)
        return error_set(FL_RUNTIME_ERROR,
                         "cov(): expected input to have two or fewer dimensions but got an input "
                         "with %d dimensions",
                         self->ndim);
    if (self->dtype == FL_BOOL)
        return error_set(FL_RUNTIME_ERROR, "cov(): bool dtype is not supported for input");
    fl_tensor *rows = self->ndim < 2 ? fl_reshape(self, (fl_ints){(int64_t[]){1, -1}, 2}) : self;
    if (!rows || (fweights && check_weights(rows, fweights, "fweights", false)) ||
        (aweights && check_weights(rows, aweights, "aweights", true)))
        return -1;
    fl_tensor *w = fweights && aweights ? fl_mul(fweights, aweights)
                   : fweights           ? fweights
                                        : aweights;
    const int64_t n = rows->sizes[1], free = n - correction > 0 ? n - correction : 0;
    fl_tensor *total = w ? fl_sum(w, FL_NO_DTYPE) : NULL;
    fl_tensor *mean = w ? fl_div(op_sum_along(fl_mul(rows, w), 1, true), total)
                        : fl_div_scalar(op_sum_along(rows, 1, true), fl_int(n));
    fl_tensor *centered = fl_sub(rows, mean, fl_int(1));
    fl_tensor *weighted = w ? fl_mul(centered, w) : centered;
    fl_tensor *products = fl_matmul(centered, fl_conj(fl_t(weighted)));
    fl_tensor *c = w ? fl_div(products, norm_of(w, total, aweights, correction))
                     : fl_div_scalar(products, fl_int(free));
    return op_give(y, fl_squeeze(c));
}

int corrcoef_compose(fl_tensor *self, fl_tensor **y)
{
    fl_tensor *c = fl_cov(self, 1, NULL, NULL);
    if (!c)
        return -1;
    if (c->ndim == 0)
        return op_give(y, fl_div(c, c));
    fl_tensor *d = fl_sqrt(fl_diagonal(c, 0, 0, 1));
    c = fl_div(fl_div(c, fl_unsqueeze(d, 1)), fl_unsqueeze(d, 0));
    if (c && dtype_is_complex(c->dtype))
        return op_give(y, fl_complex(fl_clamp(fl_real(c), fl_int(-1), fl_int(1)),
                                     fl_clamp(fl_imag(c), fl_int(-1), fl_int(1))));
    return op_give(y, fl_clamp(c, fl_int(-1), fl_int(1)));
}
