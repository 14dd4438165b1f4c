/* Segments of a dim reduced: sum, mean, max, min or prod of rows that follow each other.
 *
 * Segment s holds the places from offsets[s] to offsets[s + 1]; lengths are the differences. The
 * number of offsets up to a place says where its row goes in scatter_reduce, whose first and last row
 * take what lies outside all segments.
 */
#include <math.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* PyTorch's name, scatter_reduce's, and what a segment starts from where `initial` is not given. */
static const struct segment_rule {
    const char *name, *join;
    double start;
} RULES[] = {
    {"sum", "sum", 0},          {"mean", "sum", 0},          {"prod", "prod", 1},
    {"max", "amax", -INFINITY}, {"amax", "amax", -INFINITY}, {"min", "amin", INFINITY},
    {"amin", "amin", INFINITY},
};

static const struct segment_rule *rule_of(const char *reduce)
{
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (strcmp(RULES[i].name, reduce) == 0)
            return &RULES[i];
    error_set(FL_RUNTIME_ERROR,
              "reduce argument must be either sum, prod, mean, amax or amin, got %s", reduce);
    return NULL;
}

/* Whether the rows of lengths add up to the size n that they cut. */
static int check_lengths(fl_tensor *lengths, int64_t n)
{
    fl_tensor *own = tensor_is_meta(lengths) ? NULL : op_host(lengths);
    if (!own)
        return tensor_is_meta(lengths) ? 0 : -1;
    fl_tensor *whole = tensor_as(own, FL_INT64);
    if (!whole)
        return -1;
    const int64_t *at = tensor_data(whole);
    int64_t count = lengths->sizes[lengths->ndim - 1], rows = count ? lengths->numel / count : 0;
    bool negative = false, whole_rows = count || !n;
    assert(rows * count == lengths->numel);
    for (int64_t r = 0; r < rows; r++) {
        int64_t left = n;
        for (int64_t i = 0; i < count; i++, at++) {
            negative |= *at < 0;
            left = *at < 0 || *at > left ? -1 : left - *at; /* -1: the row does not add up to n */
        }
        whole_rows &= left == 0;
    }
    tensor_release(whole);
    if (negative)
        return error_set(FL_RUNTIME_ERROR, "lengths contains negative value!");
    return whole_rows
               ? 0
               : error_set(FL_RUNTIME_ERROR,
                           "segment_reduce(): Expected all rows of lengths along axis to sum "
                           "to data.size(lengths.dim()-1) when !unsafe.");
}

/* Refuses arguments; the dim that is cut, or -1. */
static int cut_dim(fl_tensor *data, fl_tensor *lengths, fl_tensor *indices, fl_tensor *offsets,
                   int64_t axis, bool unsafe)
{
    fl_tensor *cuts = offsets ? offsets : lengths;
    if (!dtype_is_floating(data->dtype))
        return dtype_refuse("_segment_reduce_cpu", data->dtype);
    int d = shape_wrap_dim(axis, data->ndim);
    if (d < 0)
        return -1;
    if (indices)
        return error_set(FL_RUNTIME_ERROR,
                         "segment_reduce(): indices based reduction is not supported yet.");
    if (!cuts)
        return error_set(FL_RUNTIME_ERROR,
                         "segment_reduce(): Either lengths or offsets must be defined.");
    if (cuts->dtype != FL_INT64 && cuts->dtype != FL_INT32)
        return dtype_refuse("_segment_reduce_lengths_cpu_kernel1", cuts->dtype);
    if (cuts->ndim == 0 || cuts->ndim > data->ndim)
        return error_set(FL_RUNTIME_ERROR,
                         "segment_reduce(): Expected %s to have between 1 and %d dims, but got %d",
                         offsets ? "offsets" : "lengths", data->ndim, cuts->ndim);
    if (d != cuts->ndim - 1)
        return error_set(FL_RUNTIME_ERROR,
                         "segment_reduce(): Expected axis to be the last dimension of %s but got "
                         "%d.",
                         offsets ? "offsets" : "lengths", d);
    for (int k = 0; k < d; k++)
        if (cuts->sizes[k] != data->sizes[k])
            return error_set(FL_RUNTIME_ERROR,
                             "segment_reduce(): Expected %s and data to have the same sizes before "
                             "axis, but got %lld and %lld at dim %d",
                             offsets ? "offsets" : "lengths", (long long)cuts->sizes[k],
                             (long long)data->sizes[k], k);
    if (!offsets && !unsafe && check_lengths(lengths, data->sizes[d]))
        return -1;
    return d;
}

/* A tensor of `data`'s dims up to d, with dims of size 1 for the others. */
static fl_tensor *with_dims(fl_tensor *t, int ndim)
{
    while (t && t->ndim < ndim)
        t = fl_unsqueeze(t, -1);
    return t;
}

int segment_reduce_compose(fl_tensor *data, const char *reduce, fl_tensor *lengths,
                           fl_tensor *indices, fl_tensor *offsets, int64_t axis, bool unsafe,
                           fl_value initial, fl_tensor **y)
{
    const struct segment_rule *rule = rule_of(reduce);
    int d = rule ? cut_dim(data, lengths, indices, offsets, axis, unsafe) : -1;
    if (d < 0)
        return -1;
    if (!offsets) {
        int64_t pad[2] = {1, 0};
        offsets = fl_constant_pad_nd(fl_cumsum(lengths, d, FL_INT64), (fl_ints){pad, 2}, fl_int(0));
    } else if (offsets->sizes[d] == 0) {
        return error_set(FL_RUNTIME_ERROR, "segment_reduce(): Expected at least one offset");
    }
    if (!offsets)
        return -1;
    int64_t sizes[TENSOR_MAX_DIMS], count = offsets->sizes[d] - 1;
    memcpy(sizes, data->sizes, sizeof *sizes * (size_t)data->ndim);
    fl_tensor *places =
        fl_arange(fl_int(data->sizes[d]), (fl_dtype)offsets->dtype, (fl_device){-1, 0}, false);
    places = op_beside(places, offsets);
    places = d == 0 ? places : fl_clone(fl_expand(places, (fl_ints){sizes, d + 1}, false), 0);
    fl_tensor *rows = fl_searchsorted(offsets, places, false, true, NULL, NULL);
    rows = fl_expand(with_dims(rows, data->ndim), (fl_ints){sizes, data->ndim}, false);
    sizes[d] = count + 2;
    bool starts = initial.tag != FL_NONE;
    fl_tensor *start =
        fl_full((fl_ints){sizes, data->ndim}, starts ? initial : fl_float(rule->start),
                (fl_dtype)data->dtype, (fl_device){-1, 0}, false);
    start = op_beside(start, data);
    *y = fl_narrow(fl_scatter_reduce_two(start, d, rows, data, rule->join, true), d, 1, count);
    if (strcmp(rule->name, "mean") == 0) {
        fl_tensor *n = fl_diff(offsets, 1, d, NULL, NULL);
        n = with_dims(starts ? fl_clamp_min_scalar(n, fl_int(1)) : n, data->ndim);
        *y = fl_div(*y, n);
    }
    return *y ? 0 : -1;
}
