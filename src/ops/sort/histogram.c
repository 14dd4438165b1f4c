/* Counting of elements in equal parts of a span. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { CHUNK = 512 };

int histc_shape(fl_tensor *self, int64_t bins, fl_value min, fl_value max, struct op_shape *y)
{
    (void)self, (void)min, (void)max;
    if (bins <= 0)
        return error_set(FL_RUNTIME_ERROR,
                         "torch.histogram(): bins must be > 0, but got %lld for dimension 0",
                         (long long)bins);
    op_shape_set(y, 1, &bins);
    return 0;
}

/* The elements from `at` on, at most CHUNK, as double. */
static int64_t read_numbers(const fl_tensor *t, int64_t at, double *out)
{
    const int64_t size = (int64_t)dtype_size(t->dtype), n = t->numel - at;
    const int64_t m = n < CHUNK ? n : CHUNK;
    convert_elements(m, out, FL_FLOAT64, 8, (const char *)tensor_data(t) + at * size, t->dtype,
                     size);
    return m;
}

/* The span: as given, or that of the elements; never without extent. */
static int find_span(const fl_tensor *from, double *low, double *high)
{
    double block[CHUNK];
    if (*low == *high && from->numel) {
        *low = INFINITY, *high = -INFINITY;
        for (int64_t at = 0, m; at < from->numel; at += m) {
            m = read_numbers(from, at, block);
            for (int64_t i = 0; i < m; i++) {
                *low = block[i] < *low || isnan(block[i]) ? block[i] : *low;
                *high = block[i] > *high || isnan(block[i]) ? block[i] : *high;
            }
        }
    }
    if (*low == *high)
        *low -= 1, *high += 1;
    if (!isfinite(*low) || !isfinite(*high))
        return error_set(FL_RUNTIME_ERROR, "torch.histc: range of [%g, %g] is not finite", *low,
                         *high);
    return *low > *high ? error_set(FL_RUNTIME_ERROR, "torch.histc: max must be larger than min")
                        : 0;
}

/* x as an element of the dtype holds it. */
static double held(double x, int dtype)
{
    return dtype == FL_FLOAT32        ? (double)(float)x
           : dtype == FL_FLOAT64      ? x
           : dtype_is_floating(dtype) ? convert_rounded(x, dtype)
                                      : x;
}

/* Counts, as elements of a floating dtype rounded at each step as PyTorch does: an element on an
 * edge, as 0.7 of ten bins from 0 to 1, falls where single precision puts it. */
int histc_cpu(fl_tensor *self, int64_t bins, fl_value min, fl_value max, fl_tensor *y)
{
    double low = number_real(&min), high = number_real(&max), block[CHUNK];
    const size_t bytes = sizeof(double) * (size_t)bins;
    fl_tensor *from = tensor_contiguous(self);
    double *count = NULL;
    int status = from ? find_span(from, &low, &high) : -1;
    if (status == 0)
        status = (count = memory_zalloc(bytes)) ? 0 : -1;
    const int dtype = self->dtype;
    low = held(low, dtype), high = held(high, dtype);
    const double width = held(high - low, dtype), parts = held((double)bins, dtype);
    for (int64_t at = 0, m; status == 0 && at < from->numel; at += m) {
        m = read_numbers(from, at, block);
        for (int64_t i = 0; i < m; i++)
            if (block[i] >= low && block[i] <= high) {
                const double scaled = held(held(block[i] - low, dtype) * parts, dtype);
                const double part = held(scaled / width, dtype); /* NaN for halves too far apart */
                count[part < (double)bins ? (int64_t)part : bins - 1]++;
            }
    }
    if (status == 0)
        convert_elements(bins, tensor_data(y), y->dtype, (int64_t)dtype_size(y->dtype), count,
                         FL_FLOAT64, sizeof *count);
    if (count)
        memory_free(count, bytes);
    tensor_release(from);
    return status;
}
