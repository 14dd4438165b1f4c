/* Fourier transforms of tensors: one dim after another, each line of it gathered to doubles,
 * transformed, and put back. Between two dims the numbers stay doubles, so that all is rounded
 * once. Lines go over threads and do not depend on one another.
 */
#include <assert.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops.h"
#include "ops/fft/fourier.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* Where numbers lie: a tensor's elements, or the doubles between two dims. */
struct place {
    void *data;
    int dtype;
    const int64_t *sizes, *strides; /* in elements */
};

enum direction { FORWARD, BACKWARD, BACKWARD_FROM_HALF };

struct sweep {
    const struct fourier *plan;
    struct place from, to;
    int ndim, dim;
    enum direction direction;
    double scale;
    int64_t n, lines, chunks;
    struct number *work;
};

/* Where line `index` begins, in bytes. */
static char *line_start(const struct sweep *s, const struct place *p, int64_t index)
{
    int64_t start = 0;
    for (int d = s->ndim - 1; d >= 0; d--) {
        if (d == s->dim)
            continue;
        start += index % p->sizes[d] * p->strides[d];
        index /= p->sizes[d];
    }
    return (char *)p->data + start * (int64_t)dtype_size(p->dtype);
}

/* n numbers from a line; step in bytes. */
static void gather(struct number *x, int64_t n, const char *from, int dtype, int64_t step)
{
    for (int64_t k = 0; k < n; k++, from += step) {
        if (dtype == FL_COMPLEX128)
            x[k] = *(const struct number *)from;
        else if (dtype == FL_FLOAT64)
            x[k] = (struct number){*(const double *)from, 0};
        else if (dtype == FL_COMPLEX64)
            x[k] = (struct number){((const float *)from)[0], ((const float *)from)[1]};
        else
            x[k] = (struct number){*(const float *)from, 0};
    }
}

/* The same numbers put back, times scale; of those that become real, the real parts. */
static void scatter(const struct number *x, int64_t n, double scale, char *to, int dtype,
                    int64_t step)
{
    for (int64_t k = 0; k < n; k++, to += step) {
        struct number y = {x[k].re * scale, x[k].im * scale};
        if (dtype == FL_COMPLEX128)
            *(struct number *)to = y;
        else if (dtype == FL_FLOAT64)
            *(double *)to = y.re;
        else if (dtype == FL_COMPLEX64)
            ((float *)to)[0] = (float)y.re, ((float *)to)[1] = (float)y.im;
        else
            *(float *)to = (float)y.re;
    }
}

/* The conjugate half that is not stored; what should be real is read as such. */
static void complete(struct number *x, int64_t n)
{
    assert(n > 0);
    x[0].im = 0;
    if (n % 2 == 0)
        x[n / 2].im = 0;
    for (int64_t k = 1; 2 * k < n; k++)
        x[n - k] = (struct number){x[k].re, -x[k].im};
}

/* Of all numbers: the backward transform is the forward one between two of these. */
static void swap_parts(struct number *x, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        x[k] = (struct number){x[k].im, x[k].re};
}

static void run_line(const struct sweep *s, int64_t index, struct number *work)
{
    assert(index >= 0 && index < s->lines);
    const struct place *from = &s->from, *to = &s->to;
    int64_t from_step = from->strides[s->dim] * (int64_t)dtype_size(from->dtype);
    int64_t to_step = to->strides[s->dim] * (int64_t)dtype_size(to->dtype);
    int64_t have = from->sizes[s->dim], needed = s->n / 2 + 1;
    if (s->direction == BACKWARD_FROM_HALF && have > needed)
        have = needed;
    gather(work, have, line_start(s, from, index), from->dtype, from_step);
    if (s->direction == BACKWARD_FROM_HALF)
        complete(work, s->n);
    if (s->direction != FORWARD)
        swap_parts(work, s->n);
    struct number *y = fourier_run(s->plan, work);
    if (s->direction != FORWARD)
        swap_parts(y, s->n);
    scatter(y, to->sizes[s->dim], s->scale, line_start(s, to, index), to->dtype, to_step);
}

static void run_chunk(void *context, int64_t chunk)
{
    const struct sweep *s = context;
    assert(chunk >= 0 && chunk < s->chunks);
    struct number *work = s->work + chunk * fourier_work(s->plan);
    for (int64_t i = s->lines * chunk / s->chunks; i < s->lines * (chunk + 1) / s->chunks; i++)
        run_line(s, i, work);
}

/* One dim, s->n points. */
static int run_sweep(struct sweep *s)
{
    assert(s->dim >= 0 && s->dim < s->ndim && s->n > 0);
    enum { WORTH_A_THREAD = 1 << 13 };
    s->lines = 1;
    for (int d = 0; d < s->ndim; d++)
        s->lines *= d == s->dim ? 1 : s->from.sizes[d];
    if (s->lines == 0)
        return 0;
    struct fourier *plan = fourier_new(s->n);
    if (!plan)
        return -1;
    int64_t most = threads_count(), worth = 1 + s->lines * s->n / WORTH_A_THREAD;
    s->plan = plan;
    s->chunks = s->lines < most ? s->lines : most;
    s->chunks = s->chunks < worth ? s->chunks : worth;
    size_t bytes = (size_t)(s->chunks * fourier_work(plan)) * sizeof(struct number);
    s->work = memory_alloc(bytes);
    if (s->work)
        threads_for(s->chunks, run_chunk, s);
    memory_free(s->work, bytes);
    fourier_free(plan);
    return s->work ? 0 : -1;
}

static struct place place_of(const fl_tensor *t)
{
    return (struct place){tensor_data(t), t->dtype, t->sizes, t->strides};
}

static int wrapped(const fl_tensor *t, int64_t dim)
{
    return (int)(dim < 0 ? dim + t->ndim : dim);
}

/* Along all dims of `dim`. The half of conjugates is left out first, and filled in last, along the
 * last of them. */
static int run_dims(const fl_tensor *self, fl_tensor *y, fl_ints dim, double scale,
                    enum direction direction)
{
    assert(self->ndim == y->ndim && dim.count > 0);
    bool from_half = direction == BACKWARD_FROM_HALF;
    const fl_tensor *small = from_half ? self : y; /* has the sizes of what lies between two dims */
    int64_t strides[TENSOR_MAX_DIMS];
    shape_contiguous_strides(small->ndim, small->sizes, strides);
    size_t bytes = dim.count > 1 ? (size_t)small->numel * sizeof(struct number) : 0;
    void *doubles = bytes ? memory_alloc(bytes) : NULL;
    struct place between = {doubles, FL_COMPLEX128, small->sizes, strides};
    int status = bytes && !doubles ? -1 : 0;
    for (int64_t i = 0; i < dim.count && status == 0; i++) {
        bool first = i == 0, last = i == dim.count - 1;
        struct sweep s = {
            .ndim = self->ndim,
            .dim = wrapped(self, dim.data[from_half ? i : dim.count - 1 - i]),
            .from = first ? place_of(self) : between,
            .to = last ? place_of(y) : between,
            .direction = from_half && !last ? BACKWARD : direction,
            .scale = last ? scale : 1,
        };
        s.n = s.direction == FORWARD ? s.from.sizes[s.dim] : s.to.sizes[s.dim];
        status = run_sweep(&s);
    }
    memory_free(doubles, bytes);
    return status;
}

/* Dims that exist, once each, with points on each; at least one. */
static int check_dims(const fl_tensor *self, fl_ints dim)
{
    bool seen[TENSOR_MAX_DIMS] = {false};
    if (dim.count < 1)
        return error_set(FL_RUNTIME_ERROR, "a transform must be along at least one dim");
    for (int64_t i = 0; i < dim.count; i++) {
        int d = dim.data[i] < -self->ndim || dim.data[i] >= self->ndim ? -1
                                                                       : wrapped(self, dim.data[i]);
        if (d < 0)
            return error_set(FL_INDEX_ERROR,
                             "Dimension out of range (expected to be in range of [%d, %d], but got "
                             "%lld)",
                             self->ndim ? -self->ndim : -1, self->ndim ? self->ndim - 1 : 0,
                             (long long)dim.data[i]);
        if (seen[d])
            return error_set(FL_RUNTIME_ERROR, "FFT dims must be unique");
        if (self->sizes[d] < 1)
            return error_set(FL_RUNTIME_ERROR, "Invalid number of data points (%lld) specified",
                             (long long)self->sizes[d]);
        seen[d] = true;
    }
    return 0;
}

int fft_c2c_shape(fl_tensor *self, fl_ints dim, double scale, bool forward, struct op_shape *y)
{
    (void)scale, (void)forward;
    if (check_dims(self, dim))
        return -1;
    op_shape_set(y, self->ndim, self->sizes);
    return 0;
}

int fft_c2c_cpu(fl_tensor *self, fl_ints dim, double scale, bool forward, fl_tensor *y)
{
    return run_dims(self, y, dim, scale, forward ? FORWARD : BACKWARD);
}

int fft_r2c_shape(fl_tensor *self, fl_ints dim, double scale, bool onesided, struct op_shape *y)
{
    (void)scale;
    if (dtype_is_complex(self->dtype))
        return error_set(FL_NOT_IMPLEMENTED, "\"_fft_r2c\" not implemented for '%s'",
                         dtype_title(self->dtype));
    if (self->dtype != FL_FLOAT32 && self->dtype != FL_FLOAT64)
        return error_set(FL_RUNTIME_ERROR, "Unsupported dtype %s", dtype_title(self->dtype));
    if (check_dims(self, dim))
        return -1;
    op_shape_set(y, self->ndim, self->sizes);
    int last = wrapped(self, dim.data[dim.count - 1]);
    if (onesided)
        y->sizes[last] = self->sizes[last] / 2 + 1;
    y->dtype = dtype_complex(self->dtype);
    return 0;
}

int fft_r2c_cpu(fl_tensor *self, fl_ints dim, double scale, bool onesided, fl_tensor *y)
{
    (void)onesided;
    return run_dims(self, y, dim, scale, FORWARD);
}

int fft_c2r_shape(fl_tensor *self, fl_ints dim, double scale, int64_t last_dim_size,
                  struct op_shape *y)
{
    (void)scale;
    if (check_dims(self, dim))
        return -1;
    op_shape_set(y, self->ndim, self->sizes);
    int last = wrapped(self, dim.data[dim.count - 1]);
    if (last_dim_size < 1)
        return error_set(FL_RUNTIME_ERROR, "Invalid number of data points (%lld) specified",
                         (long long)last_dim_size);
    if (self->sizes[last] < last_dim_size / 2 + 1)
        return error_set(FL_RUNTIME_ERROR,
                         "a real signal of %lld points is made of %lld numbers, but got %lld",
                         (long long)last_dim_size, (long long)(last_dim_size / 2 + 1),
                         (long long)self->sizes[last]);
    y->sizes[last] = last_dim_size;
    return 0;
}

int fft_c2r_cpu(fl_tensor *self, fl_ints dim, double scale, int64_t last_dim_size, fl_tensor *y)
{
    (void)last_dim_size;
    return run_dims(self, y, dim, scale, BACKWARD_FROM_HALF);
}

int fft_r2c_backward_compose(fl_tensor *g, fl_ints sizes, fl_ints dim, double scale, bool onesided,
                             fl_tensor **y)
{
    int last = dim.count ? wrapped(g, dim.data[dim.count - 1]) : -1;
    if (last < 0 || last >= g->ndim || sizes.count != g->ndim)
        return error_set(FL_RUNTIME_ERROR, "sizes and dims are not those of the gradient");
    int64_t pad[2 * TENSOR_MAX_DIMS] = {0};
    pad[2 * (g->ndim - 1 - last) + 1] = sizes.data[last] - g->sizes[last];
    if (onesided)
        g = fl_constant_pad_nd(g, (fl_ints){pad, 2 * (g->ndim - last)}, fl_int(0));
    return op_give(y, g ? fl__fft_c2c(g, dim, scale, true) : NULL);
}

/* 1 for numbers 0 and n / 2, 2 for those that stand for their conjugates too, with `after` dims of
 * size 1 after them. */
static fl_tensor *weights(int dtype, int64_t n, int after)
{
    assert(n > 0 && after >= 0 && after < TENSOR_MAX_DIMS);
    int64_t count = n / 2 + 1, sizes[TENSOR_MAX_DIMS] = {count};
    for (int d = 1; d <= after; d++)
        sizes[d] = 1;
    fl_tensor *w = op_adopt(tensor_new(after + 1, sizes, FL_FLOAT64));
    if (!w)
        return NULL;
    for (int64_t k = 0; k < count; k++)
        ((double *)tensor_data(w))[k] = k == 0 || 2 * k == n ? 1 : 2;
    return op_as(w, dtype);
}

int fft_c2r_backward_compose(fl_tensor *g, fl_ints dim, double scale, fl_ints sizes, fl_tensor **y)
{
    int last = dim.count ? wrapped(g, dim.data[dim.count - 1]) : -1;
    if (last < 0 || last >= g->ndim || sizes.count != g->ndim)
        return error_set(FL_RUNTIME_ERROR, "sizes and dims are not those of the gradient");
    int64_t n = g->sizes[last], more = sizes.data[last] - (n / 2 + 1);
    fl_tensor *t = fl__fft_r2c(g, dim, scale, true);
    fl_tensor *w = t ? op_beside(weights(g->dtype, n, g->ndim - 1 - last), g) : NULL;
    t = w ? fl__conj(fl_mul(t, w)) : NULL;
    int64_t pad[2 * TENSOR_MAX_DIMS] = {0};
    pad[2 * (g->ndim - 1 - last) + 1] = more;
    if (t && more > 0)
        t = fl_constant_pad_nd(t, (fl_ints){pad, 2 * (g->ndim - last)}, fl_int(0));
    return op_give(y, t);
}
