/* Fractional max pooling: windows of one size at places drawn at random (Graham, "Fractional
 * Max-Pooling", 2014).
 *
 * A plane's windows along a dim begin at int((i + u) a) - int(u a) with a = (in - kernel) /
 * (out - 1) and its own sample u; the last one ends at the edge. Two spatial dims are three with a
 * depth of one. Planes are tasks; a window's first maximum counts, a NaN wins.
 */
#include <assert.h>
#include <math.h>

#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pool.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/pool/pool_calls.h"
#include "ops_kernels.h"

struct fraction {
    int64_t in[POOL_DIMS], out[POOL_DIMS], kernel[POOL_DIMS];
    int64_t in_size, out_size, starts; /* elements of a volume; windows along all dims together */
    bool single;
    const char *x;
    const void *samples; /* (planes, 3), by dim */
    char *y;
    int64_t *index;
    _Atomic int failed;
};

/* Where a window may begin: samples that are not in [0, 1) lead nowhere else. */
static int64_t within(const struct fraction *f, int d, double start)
{
    double last = (double)(f->in[d] - f->kernel[d]);
    return start >= 0 ? (int64_t)fmin(start, last) : 0;
}

/* Computed in the type of the samples, as PyTorch does. */
static int64_t start_of(const struct fraction *f, int d, int64_t i, double sample)
{
    if (i == f->out[d] - 1)
        return f->in[d] - f->kernel[d];
    if (f->single) {
        float a = (float)(f->in[d] - f->kernel[d]) / (float)(f->out[d] - 1), u = (float)sample;
        return within(f, d, (double)(truncf(((float)i + u) * a) - truncf(u * a)));
    }
    double a = (double)(f->in[d] - f->kernel[d]) / (double)(f->out[d] - 1);
    return within(f, d, trunc(((double)i + sample) * a) - trunc(sample * a));
}

static double element(const struct fraction *f, const void *p, int64_t i)
{
    return f->single ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

/* The first maximum of the window at (t, h, w). */
static int64_t max_of(const struct fraction *f, const char *x, int64_t t, int64_t h, int64_t w)
{
    double best = -INFINITY;
    int64_t at = (t * f->in[1] + h) * f->in[2] + w;
    for (int64_t a = t; a < t + f->kernel[0]; a++)
        for (int64_t b = h; b < h + f->kernel[1]; b++)
            for (int64_t c = w; c < w + f->kernel[2]; c++) {
                int64_t here = (a * f->in[1] + b) * f->in[2] + c;
                double value = element(f, x, here);
                if (value > best || value != value)
                    best = value, at = here;
            }
    return at;
}

static void run_plane(void *context, int64_t plane)
{
    struct fraction *f = context;
    const size_t size = f->single ? sizeof(float) : sizeof(double);
    const char *x = f->x + (size_t)(plane * f->in_size) * size;
    char *y = f->y + (size_t)(plane * f->out_size) * size;
    int64_t *index = f->index + plane * f->out_size, *start[POOL_DIMS];
    int64_t *all = memory_alloc((size_t)f->starts * sizeof *all), *next = all;
    if (!all) {
        atomic_store(&f->failed, 1);
        return;
    }
    for (int d = 0; d < POOL_DIMS; d++) {
        start[d] = next;
        double sample = element(f, f->samples, plane * POOL_DIMS + d);
        for (int64_t i = 0; i < f->out[d]; i++)
            *next++ = start_of(f, d, i, sample);
    }
    int64_t o = 0;
    for (int64_t t = 0; t < f->out[0]; t++)
        for (int64_t h = 0; h < f->out[1]; h++)
            for (int64_t w = 0; w < f->out[2]; w++, o++) {
                index[o] = max_of(f, x, start[0][t], start[1][h], start[2][w]);
                if (f->single)
                    ((float *)y)[o] = ((const float *)x)[index[o]];
                else
                    ((double *)y)[o] = ((const double *)x)[index[o]];
            }
    memory_free(all, (size_t)f->starts * sizeof *all);
}

/* self (N, C, D H, W), in = (D, H, W). */
int fractional_max_pool_shape(fl_tensor *self, fl_ints in, fl_ints kernel, fl_ints out,
                              fl_tensor *samples, struct op_shape *y)
{
    (void)in, (void)kernel, (void)samples;
    for (int k = 0; k < 2; k++)
        op_shape_set(
            &y[k], 4,
            (int64_t[]){self->sizes[0], self->sizes[1], out.data[0] * out.data[1], out.data[2]});
    y[1].dtype = FL_INT64;
    return 0;
}

int fractional_max_pool_cpu(fl_tensor *self, fl_ints in, fl_ints kernel, fl_ints out,
                            fl_tensor *samples, fl_tensor *y, fl_tensor *indices)
{
    assert(in.count == POOL_DIMS && kernel.count == POOL_DIMS && out.count == POOL_DIMS);
    const int work = compute_dtype(compute_of(self->dtype));
    struct fraction f = {.single = work == FL_FLOAT32, .index = tensor_data(indices)};
    f.in_size = f.out_size = 1;
    for (int d = 0; d < POOL_DIMS; d++) {
        f.in[d] = in.data[d], f.out[d] = out.data[d], f.kernel[d] = kernel.data[d];
        f.in_size *= f.in[d], f.out_size *= f.out[d], f.starts += f.out[d];
    }
    fl_tensor *x = tensor_as(self, work), *u = tensor_as(samples, work);
    fl_tensor *to = y->dtype == work ? tensor_retain(y) : tensor_new(4, y->sizes, work);
    int status = -1;
    if (x && u && to) {
        f.x = tensor_data(x), f.samples = tensor_data(u), f.y = tensor_data(to);
        if (to->numel)
            threads_for(self->sizes[0] * self->sizes[1], run_plane, &f);
        status = atomic_load(&f.failed) ? error_set(FL_OUT_OF_MEMORY, "fractional_max_pool: no "
                                                                      "memory for its windows")
                 : to == y              ? 0
                                        : tensor_copy(y, to);
    }
    tensor_release(x), tensor_release(u), tensor_release(to);
    return status;
}

/* ---- As called ---- */

/* Samples by dim: PyTorch's of two spatial dims are (width, height). */
static fl_tensor *samples_by_dim(const char *what, fl_tensor *samples, int64_t planes, int spatial)
{
    char got[128];
    if (samples->ndim != 3 || samples->numel != planes * spatial || samples->sizes[2] != spatial ||
        !dtype_is_floating(samples->dtype))
        return error_null(FL_RUNTIME_ERROR,
                          "%s: Expect _random_samples of size (N, C, %d), floating, got %s", what,
                          spatial, shape_text(got, sizeof got, samples->ndim, samples->sizes));
    fl_tensor *flat = fl_reshape(samples, FL_INTS_OF(planes, spatial));
    if (spatial == 3)
        return flat;
    fl_tensor *parts[3] = {
        fl_zeros_like(fl_narrow(flat, 1, 0, 1), FL_NO_DTYPE, (fl_device){-1, 0}, false, -1),
        fl_narrow(flat, 1, 1, 1), fl_narrow(flat, 1, 0, 1)};
    return fl_cat((fl_tensors){parts, 3}, 1);
}

static int fractional(const char *what, fl_tensor *self, fl_ints kernel_size, fl_ints output_size,
                      fl_tensor *random_samples, int spatial, fl_tensor **y, fl_tensor **indices)
{
    static const char *const DIMS[] = {"time", "height", "width"};
    struct pool_sizes p;
    int64_t out[POOL_DIMS], in[POOL_DIMS] = {1, 1, 1};
    fl_tensor *x = pool_batched(what, self, spatial), *maxima, *where;
    if (!x ||
        pool_sizes_of(what, kernel_size, (fl_ints){NULL, 0}, FL_INTS_OF(0), (fl_ints){NULL, 0},
                      spatial, &p) ||
        pool_output_sizes(what, output_size, spatial, out))
        return -1;
    for (int d = 0; d < spatial; d++)
        in[POOL_DIMS - spatial + d] = x->sizes[2 + d];
    for (int d = POOL_DIMS - spatial; d < POOL_DIMS; d++) /* over volumes PyTorch asks for more */
        if (p.kernel[d] > in[d] || out[d] > in[d] - p.kernel[d] + 1 - (spatial == 3))
            return error_set(FL_RUNTIME_ERROR,
                             "%s(): pool %s %lld too large relative to input %s %lld", what,
                             DIMS[d], (long long)p.kernel[d], DIMS[d], (long long)in[d]);
    fl_tensor *u = samples_by_dim(what, random_samples, x->sizes[0] * x->sizes[1], spatial);
    fl_tensor *flat = fl_reshape(x, FL_INTS_OF(x->sizes[0], x->sizes[1], in[0] * in[1], in[2]));
    if (!u || !flat ||
        fl__fractional_max_pool(flat, (fl_ints){in, 3}, (fl_ints){p.kernel, 3}, (fl_ints){out, 3},
                                u, &maxima, &where))
        return -1;
    int64_t sizes[TENSOR_MAX_DIMS];
    for (int d = 0; d < self->ndim; d++)
        sizes[d] = d < self->ndim - spatial ? self->sizes[d]
                                            : out[POOL_DIMS - spatial + d - (self->ndim - spatial)];
    *y = fl_view(maxima, (fl_ints){sizes, self->ndim});
    *indices = fl_view(where, (fl_ints){sizes, self->ndim});
    return *y && *indices ? 0 : -1;
}

int fractional_max_pool2d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints output_size,
                                  fl_tensor *random_samples, fl_tensor **y, fl_tensor **indices)
{
    return fractional("fractional_max_pool2d", self, kernel_size, output_size, random_samples, 2, y,
                      indices);
}

int fractional_max_pool3d_compose(fl_tensor *self, fl_ints kernel_size, fl_ints output_size,
                                  fl_tensor *random_samples, fl_tensor **y, fl_tensor **indices)
{
    return fractional("fractional_max_pool3d", self, kernel_size, output_size, random_samples, 3, y,
                      indices);
}
