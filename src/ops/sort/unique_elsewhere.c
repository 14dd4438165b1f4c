/* What has as many results as the values say, on a device with kernels of its own: distinct elements
 * and counts, by operators that run there. */
#include "core/device.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/place.h"
#include "ops/sort/unique.h"
#include "ops_kernels.h"
#include "ops_table.h"

static const fl_device HERE = {-1, 0}; /* where a composite's operands are */

/* The elements of `line`, n at least 1, that differ from the one before. */
static fl_tensor *starts_of(fl_tensor *line)
{
    const int64_t one = 1;
    fl_tensor *const both[] = {
        fl_full((fl_ints){&one, 1}, fl_int(1), FL_BOOL, HERE, false),
        fl_ne(fl_narrow(line, 0, 1, line->numel - 1), fl_narrow(line, 0, 0, line->numel - 1))};
    return op_joined(both, 2, 0);
}

int unique_elsewhere(fl_tensor *self, bool neighbours, bool return_inverse, fl_tensor **values,
                     fl_tensor **inverse, fl_tensor **counts)
{
    const int64_t all = -1, one = 1, none = 0;
    fl_tensor *line = fl_reshape(self, (fl_ints){&all, 1}), *order = NULL;
    if (!line || (!neighbours && fl_sort_stable(line, true, 0, false, &line, &order)))
        return -1;
    fl_tensor *starts = starts_of(line);
    fl_tensor *places = starts ? fl_select(fl_nonzero(starts), 1, 0) : NULL;
    if (!places)
        return -1;
    fl_tensor *const next[] = {
        fl_narrow(places, 0, 1, places->numel - 1),
        fl_full((fl_ints){&one, 1}, fl_int(line->numel), FL_INT64, HERE, false)};
    fl_tensor *ends = op_joined(next, 2, 0);
    *values = fl_index_select(line, 0, places);
    *counts = ends ? fl_sub(ends, places, fl_int(1)) : NULL;
    if (!return_inverse) {
        *inverse = fl_zeros((fl_ints){&none, 1}, FL_INT64, HERE, false);
    } else {
        fl_tensor *number = fl_sub_scalar(fl_cumsum(starts, 0, FL_INT64), fl_int(1), fl_int(1));
        if (!neighbours)
            number =
                fl_scatter(fl_zeros_like(order, FL_NO_DTYPE, HERE, false, -1), 0, order, number);
        *inverse = number ? fl_reshape(number, (fl_ints){self->sizes, self->ndim}) : NULL;
    }
    return *values && *counts && *inverse ? 0 : -1;
}

/* How often each number stands, where the device counts. */
static fl_tensor *counted(fl_tensor *self, int64_t minlength)
{
    fl_tensor *least = fl_min(self), *most = fl_max(self);
    if (!least || !most)
        return NULL;
    const fl_value first = tensor_element(least, 0), last = tensor_element(most, 0);
    if (first.as.i < 0) {
        error_set(FL_RUNTIME_ERROR, "bincount only supports 1-d non-negative integral inputs.");
        return NULL;
    }
    const int64_t length = last.as.i < minlength ? minlength : last.as.i + 1;
    fl_tensor *which = op_as(self, FL_INT64);
    fl_tensor *counts = fl_zeros((fl_ints){&length, 1}, FL_INT64, HERE, false);
    return which && counts ? fl_scatter_add(counts, 0, which, op_ones_of(which)) : NULL;
}

/* Sums of weights, whose order counts, are the kernel's, as is what it refuses. */
int bincount_compose(fl_tensor *self, fl_tensor *weights, int64_t minlength, fl_tensor **y)
{
    if (tensor_is_meta(self))
        return place_refuse_meta(&op_bincount);
    const bool counts =
        op_has_kernels(self) && !weights && self->numel && self->ndim == 1 && minlength >= 0;
    return op_give(y, counts ? counted(self, minlength) : fl__bincount(self, weights, minlength));
}
