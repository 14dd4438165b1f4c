/* histogram and histogramdd: how many elements, or points of N numbers, fall into each bin.
 *
 * A bin holds its lower edge, and the last one its upper edge too; what lies outside all is not
 * counted. Edges that need not be spaced equally are searched by halving. Sums run in the order of
 * the input, in its dtype. */
#include <assert.h>
#include <math.h>

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

static int refuse_dtype(const fl_tensor *self)
{
    if (self->dtype == FL_FLOAT32 || self->dtype == FL_FLOAT64)
        return 0;
    return dtype_refuse("histogramdd", self->dtype);
}

/* ---- Edges ---- */

static double element(const fl_tensor *t, int64_t i)
{
    fl_value x = tensor_number(t, i);
    return x.as.f;
}

/* The range of column d: what was given, or the column's extremes (NULL: 0 and 1); widened where it is
 * empty. */
static int range_of(const fl_tensor *least, const fl_tensor *most, int d, fl_floats range,
                    double *low, double *high)
{
    *low = range.data ? range.data[2 * d] : least ? element(least, d) : 0;
    *high = range.data ? range.data[2 * d + 1] : most ? element(most, d) : 1;
    if (!isfinite(*low) || !isfinite(*high))
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: dimension %d's range [%g, %g] is not finite", d, *low,
                         *high);
    if (*low > *high)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: min should not exceed max, but got min %g max %g for "
                         "dimension %d",
                         *low, *high, d);
    if (*low == *high)
        *low -= 0.5, *high += 0.5;
    return 0;
}

/* bins[d] + 1 equally spaced edges for each of the N dims of the points (..., N). */
static int edges_of(fl_tensor *self, fl_ints bins, fl_floats range, fl_tensor **edges)
{
    int64_t N = self->sizes[self->ndim - 1], rows[] = {N ? self->numel / N : 0, N};
    if (range.data && range.count != 2 * N)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: for a %lld-dimensional histogram range should have "
                         "%lld elements, but got %lld",
                         (long long)N, (long long)(2 * N), (long long)range.count);
    for (int64_t d = 0; d < N; d++)
        if (bins.data[d] <= 0)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.histogram(): bins must be > 0, but got %lld for dimension %lld",
                             (long long)bins.data[d], (long long)d);
    if (refuse_dtype(self))
        return -1;
    fl_tensor *points = fl_reshape(fl_detach(self), (fl_ints){rows, 2}), *least = NULL,
              *most = NULL;
    if (!points)
        return -1;
    if (!range.data && points->numel) {
        least = fl_amin(points, FL_INTS_OF(0), false), most = fl_amax(points, FL_INTS_OF(0), false);
        if (!least || !most)
            return -1;
    }
    for (int64_t d = 0; d < N; d++) {
        double low, high;
        if (range_of(least, most, (int)d, range, &low, &high))
            return -1;
        edges[d] = fl_linspace(fl_float(low), fl_float(high), bins.data[d] + 1,
                               (fl_dtype)self->dtype, (fl_device){-1, 0}, false);
        if (!edges[d])
            return -1;
    }
    return 0;
}

/* ---- Counts ---- */

static int check_edges(const fl_tensor *self, fl_tensors bins, const fl_tensor *weight)
{
    char a[128], b[128];
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: input tensor should have at least 2 dimensions");
    int64_t N = self->sizes[self->ndim - 1];
    if (bins.count != N)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: expected %lld sequences of bin edges for a "
                         "%lld-dimensional histogram but got %lld",
                         (long long)N, (long long)N, (long long)bins.count);
    for (int d = 0; d < N; d++) {
        const fl_tensor *e = bins.data[d];
        if (e->dtype != self->dtype)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.histogramdd: input tensor and bins tensors should have the "
                             "same dtype, but got input with dtype %s and bins for dimension %d "
                             "with dtype %s",
                             dtype_cpp_name(self->dtype), d, dtype_cpp_name(e->dtype));
        if (e->ndim != 1)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.histogramdd: bins tensor should have one dimension, but got %d "
                             "dimensions in the bins tensor for dimension %d",
                             e->ndim, d);
        if (e->numel == 0)
            return error_set(FL_RUNTIME_ERROR,
                             "torch.histogramdd: bins tensor should have at least 1 element, but "
                             "got 0 elements in the bins tensor for dimension %d",
                             d);
    }
    if (!weight)
        return 0;
    if (weight->dtype != self->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: if weight tensor is provided, input tensor and weight "
                         "tensor should have the same dtype, but got input(%s), and weight(%s)",
                         dtype_cpp_name(self->dtype), dtype_cpp_name(weight->dtype));
    bool fits = weight->ndim == self->ndim - 1;
    for (int d = 0; fits && d < weight->ndim; d++)
        fits = weight->sizes[d] == self->sizes[d];
    if (fits)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "torch.histogramdd: if weight tensor is provided it should have the same "
                     "shape as the input tensor excluding its innermost dimension, but got input "
                     "with shape %s and weight with shape %s",
                     shape_text(a, sizeof a, self->ndim, self->sizes),
                     shape_text(b, sizeof b, weight->ndim, weight->sizes));
}

int histogram_counts_shape(fl_tensor *self, fl_tensors bins, fl_tensor *weight, struct op_shape *y)
{
    int64_t sizes[TENSOR_MAX_DIMS];
    if (check_edges(self, bins, weight) || refuse_dtype(self))
        return -1;
    if (bins.count > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims, got %lld bins",
                         TENSOR_MAX_DIMS, (long long)bins.count);
    for (int64_t d = 0; d < bins.count; d++)
        sizes[d] = bins.data[d]->numel - 1;
    op_shape_set(y, (int)bins.count, sizes);
    return 0;
}

/* The bin of x between n edges, or -1. */
static int64_t bin_of(const double *edges, int64_t n, double x)
{
    if (!(x >= edges[0] && x <= edges[n - 1]))
        return -1;
    int64_t low = 0, high = n; /* edges[low] <= x, and all from high on are above it */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (edges[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low < n - 1 ? low : n - 2;
}

static double number_at(const fl_tensor *t, int64_t i)
{
    const void *data = tensor_data(t);
    return t->dtype == FL_FLOAT64 ? ((const double *)data)[i] : ((const float *)data)[i];
}

static void count_points(const fl_tensor *points, fl_tensor *const *edges, int64_t N,
                         const fl_tensor *weight, fl_tensor *y)
{
    int64_t M = N ? points->numel / N : 0;
    for (int64_t i = 0; i < M; i++) {
        int64_t at = 0;
        for (int64_t d = 0; d < N && at >= 0; d++) {
            int64_t n = edges[d]->numel;
            int64_t bin = bin_of(tensor_data(edges[d]), n, number_at(points, i * N + d));
            at = bin < 0 ? -1 : at * (n - 1) + bin;
        }
        if (at < 0)
            continue;
        double add = weight ? number_at(weight, i) : 1;
        if (y->dtype == FL_FLOAT64)
            ((double *)tensor_data(y))[at] += add;
        else
            ((float *)tensor_data(y))[at] += (float)add;
    }
}

int histogram_counts_cpu(fl_tensor *self, fl_tensors bins, fl_tensor *weight, fl_tensor *y)
{
    int64_t N = bins.count;
    assert(N <= TENSOR_MAX_DIMS && y->ndim == N);
    fl_tensor *edges[TENSOR_MAX_DIMS] = {NULL}, *points = tensor_as(self, self->dtype),
              *w = weight ? tensor_as(weight, self->dtype) : NULL;
    int status = points && (w || !weight) ? tensor_fill(y, fl_int(0)) : -1;
    for (int64_t d = 0; status == 0 && d < N; d++)
        status = (edges[d] = tensor_as(bins.data[d], FL_FLOAT64)) ? 0 : -1;
    if (status == 0 && y->numel)
        count_points(points, edges, N, w, y);
    for (int64_t d = 0; d < N; d++)
        tensor_release(edges[d]);
    tensor_release(points), tensor_release(w);
    return status;
}

/* The counts, or with density what integrates to 1 over the bins. */
int histogramdd_counts_compose(fl_tensor *self, fl_tensors bins, fl_tensor *weight, bool density,
                               fl_tensor **y)
{
    *y = fl__histogram_counts(self, bins, weight);
    if (!*y || !density)
        return *y ? 0 : -1;
    *y = fl_div(*y, fl_sum(*y, FL_NO_DTYPE));
    for (int64_t d = 0; d < bins.count && *y; d++) {
        fl_tensor *e = bins.data[d];
        int64_t along[TENSOR_MAX_DIMS], n = e->numel - 1;
        for (int64_t i = 0; i < bins.count; i++)
            along[i] = i == d ? n : 1;
        fl_tensor *widths = fl_sub(fl_narrow(e, 0, 1, n), fl_narrow(e, 0, 0, n), fl_int(1));
        *y = fl_div(*y, fl_reshape(widths, (fl_ints){along, bins.count}));
    }
    return *y ? 0 : -1;
}

int histogramdd_edges_compose(fl_tensor *self, fl_ints bins, fl_floats range, fl_tensor *weight,
                              bool density, fl_value *y)
{
    (void)weight, (void)density;
    if (self->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogramdd: input tensor should have at least 2 dimensions");
    if (bins.count != self->sizes[self->ndim - 1])
        return error_set(FL_RUNTIME_ERROR, "histogramdd: The size of bins must be equal to the "
                                           "innermost dimension of the input.");
    fl_tensor **edges = op_list(y, bins.count);
    return edges ? edges_of(self, bins, range, edges) : -1;
}

int histogramdd_compose(fl_tensor *self, fl_ints bins, fl_floats range, fl_tensor *weight,
                        bool density, fl_tensor **hist, fl_value *edges)
{
    if (fl__histogramdd_bin_edges(self, bins, range, NULL, false, edges))
        return -1;
    return op_give(hist, fl__histogramdd_from_bin_tensors(
                             self, (fl_tensors){edges->as.tensors, edges->count}, weight, density));
}

int histogramdd_int_compose(fl_tensor *self, int64_t bins, fl_floats range, fl_tensor *weight,
                            bool density, fl_tensor **hist, fl_value *edges)
{
    int64_t each[TENSOR_MAX_DIMS], N = self->ndim ? self->sizes[self->ndim - 1] : 1;
    if (N > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims, got points of %lld",
                         TENSOR_MAX_DIMS, (long long)N);
    for (int64_t d = 0; d < N; d++)
        each[d] = bins;
    return histogramdd_compose(self, (fl_ints){each, N}, range, weight, density, hist, edges);
}

int histogramdd_edged_compose(fl_tensor *self, fl_tensors bins, fl_floats range, fl_tensor *weight,
                              bool density, fl_tensor **hist, fl_value *edges)
{
    (void)range;
    fl_tensor **list = op_list(edges, bins.count);
    for (int64_t d = 0; list && d < bins.count; d++)
        list[d] = bins.data[d];
    return list ? op_give(hist, fl__histogramdd_from_bin_tensors(self, bins, weight, density)) : -1;
}

/* All elements as points of one number. */
static fl_tensor *as_points(fl_tensor *self)
{
    int64_t rows[] = {self->numel, 1};
    return fl_reshape(self, (fl_ints){rows, 2});
}

static int histogram_of(fl_tensor *self, fl_tensor *edges, fl_tensor *weight, bool density,
                        fl_tensor **hist, fl_tensor **bin_edges)
{
    fl_tensor *points = as_points(self), *w = weight;
    if (weight && weight->numel == self->numel) /* else refused with the shapes as given */
        w = fl_reshape(weight, (fl_ints){&weight->numel, 1});
    if (!points || !edges || (weight && !w))
        return -1;
    *hist = fl__histogramdd_from_bin_tensors(points, (fl_tensors){&edges, 1}, w, density);
    *bin_edges = fl_clone(fl_detach(edges), -1);
    return *hist && *bin_edges ? 0 : -1;
}

int histogram_bins_compose(fl_tensor *self, fl_tensor *bins, fl_tensor *weight, bool density,
                           fl_tensor **hist, fl_tensor **bin_edges)
{
    return histogram_of(self, bins, weight, density, hist, bin_edges);
}

int histogram_compose(fl_tensor *self, int64_t bins, fl_floats range, fl_tensor *weight,
                      bool density, fl_tensor **hist, fl_tensor **bin_edges)
{
    fl_tensor *points = as_points(self), *edges = NULL;
    if (!points || edges_of(points, (fl_ints){&bins, 1}, range, &edges))
        return -1;
    return histogram_of(self, edges, weight, density, hist, bin_edges);
}
