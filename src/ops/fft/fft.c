/* Fourier transforms of tensors: one dim after another, in blocks of lines, each gathered, transformed
 * and put back. Between two dims the numbers lie in the result, or, where that is real, in memory of
 * their own. Blocks go over threads and do not depend on one another.
 *
 * The transform of real numbers is made for the numbers 0 to n / 2 alone; the others, which are
 * conjugates, are filled in at the end.
 */
#include <assert.h>
#include <string.h>

#include "core/convert.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/fft.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "ops/fft/fourier.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* Where numbers lie: a tensor's elements, or those between two dims. */
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
    int beside; /* the dim whose lines make a block; -1: a block is one line */
    enum direction direction;
    double scale;
    int64_t n, lines, blocks, blocks_beside, chunks;
    char *work;
    size_t work_bytes;
};

/* Where the first line of a block begins. */
static char *block_start(const struct sweep *s, const struct place *p, int64_t block, int64_t line)
{
    int64_t start = s->beside < 0 ? 0 : line * p->strides[s->beside];
    for (int d = s->ndim - 1; d >= 0; d--) {
        if (d == s->dim || d == s->beside)
            continue;
        start += block % p->sizes[d] * p->strides[d];
        block /= p->sizes[d];
    }
    return (char *)p->data + start * (int64_t)dtype_size(p->dtype);
}

/* `n` numbers of the `count` lines from `start` on; of real ones, in pairs where asked. */
static struct fourier_memory memory_of(const struct sweep *s, const struct place *p, char *start,
                                       int64_t n, int64_t count, bool pairs)
{
    bool wide = p->dtype == FL_FLOAT64 || p->dtype == FL_COMPLEX128;
    int64_t part = wide ? sizeof(double) : sizeof(float), unit = dtype_is_complex(p->dtype) ? 2 : 1;
    int64_t step = p->strides[s->dim] * unit, across = 0;
    if (s->beside >= 0)
        across = p->strides[s->beside] * unit;
    struct fourier_memory m = {.re = start, .wide = wide};
    m.im = unit == 2 ? start + part : pairs ? start + step * part : NULL;
    step *= pairs ? 2 : 1;
    if (count > 1)
        m.outer = n, m.inner = count, m.step = step, m.inner_step = across;
    else
        m.outer = 1, m.inner = n, m.inner_step = step;
    return m;
}

/* The conjugate half that is not stored; what should be real is read as such. */
static void complete(const struct fourier *f, struct fourier_lines *x, int64_t n)
{
    bool wide = f->dtype == FL_FLOAT64;
    for (int64_t k = 0; k < n; k++)
        for (int64_t l = 0; l < x->count; l++) {
            int64_t to = k * x->count + l, from = (k > 0 ? n - k : 0) * x->count + l;
            bool is_real = k == 0 || 2 * k == n;
            if (2 * k < n && !is_real)
                continue;
            if (wide) {
                double *re = x->re, *im = x->im;
                re[to] = re[from], im[to] = is_real ? 0 : -im[from];
            } else {
                float *re = x->re, *im = x->im;
                re[to] = re[from], im[to] = is_real ? 0 : -im[from];
            }
        }
}

static void exchange_parts(struct fourier_lines *x)
{
    void *re = x->re, *other_re = x->other_re;
    x->re = x->im, x->other_re = x->other_im;
    x->im = re, x->other_im = other_re;
}

/* The lines of x, gathered, become their transforms. */
static void transform(const struct sweep *s, struct fourier_lines *x)
{
    const struct fourier_loops *loops = fourier_loops(s->plan);
    if (s->direction == BACKWARD_FROM_HALF && s->plan->is_half)
        loops->merge(s->plan, x);
    else if (s->direction == BACKWARD_FROM_HALF)
        complete(s->plan, x, s->n);
    if (s->direction != FORWARD)
        exchange_parts(x);
    fourier_run(s->plan, x);
    if (s->direction != FORWARD)
        exchange_parts(x);
    if (s->direction == FORWARD && s->plan->is_half)
        loops->split(s->plan, x);
}

/* Whether the numbers of a line lie together, so that lines become columns by a transposition. */
static bool is_across(const struct fourier_memory *m)
{
    size_t part = m->wide ? sizeof(double) : sizeof(float);
    return m->outer > 1 && m->step == (m->im ? 2 : 1) &&
           (!m->im || (char *)m->im == (char *)m->re + part);
}

/* The same numbers as columns, in the buffer of x that does not count. */
static struct fourier_memory columns_of(const struct fourier_memory *m,
                                        const struct fourier_lines *x)
{
    assert((char *)x->other_re < (char *)x->other_im);
    size_t part = m->wide ? sizeof(double) : sizeof(float);
    return (struct fourier_memory){.outer = 1,
                                   .inner = m->outer * m->inner,
                                   .inner_step = m->im ? 2 : 1,
                                   .re = x->other_re,
                                   .im = m->im ? (char *)x->other_re + part : NULL,
                                   .wide = m->wide};
}

static void gather(const struct sweep *s, const struct fourier_memory *from,
                   struct fourier_lines *x)
{
    const struct fourier_loops *loops = fourier_loops(s->plan);
    if (!is_across(from)) {
        loops->gather(from, x);
        return;
    }
    struct fourier_memory columns = columns_of(from, x);
    int64_t part = from->wide ? sizeof(double) : sizeof(float), size = part * (from->im ? 2 : 1);
    ISA_PICK(convert_kernels)
        ->transpose[__builtin_ctz((unsigned)size)](from->outer, from->inner, columns.re,
                                                   from->inner * size, from->re,
                                                   from->inner_step * part);
    loops->gather(&columns, x);
}

static void scatter(const struct sweep *s, const struct fourier_memory *to,
                    const struct fourier_lines *x)
{
    const struct fourier_loops *loops = fourier_loops(s->plan);
    if (!is_across(to)) {
        loops->scatter(to, s->scale, x);
        return;
    }
    struct fourier_memory columns = columns_of(to, x);
    int64_t part = to->wide ? sizeof(double) : sizeof(float), size = part * (to->im ? 2 : 1);
    loops->scatter(&columns, s->scale, x);
    ISA_PICK(convert_kernels)
        ->transpose[__builtin_ctz((unsigned)size)](
            to->inner, to->outer, to->re, to->inner_step * part, columns.re, to->inner * size);
}

static void run_block(const struct sweep *s, int64_t block, char *work)
{
    assert(block >= 0 && block < s->blocks);
    int64_t part = block % s->blocks_beside, all = s->beside < 0 ? 1 : s->from.sizes[s->beside];
    int64_t first = all * part / s->blocks_beside;
    int64_t count = all * (part + 1) / s->blocks_beside - first;
    size_t quarter = s->work_bytes / 4;
    struct fourier_lines x = {count, work, work + quarter, work + 2 * quarter, work + 3 * quarter};
    bool half = s->plan->is_half, backward = s->direction == BACKWARD_FROM_HALF;
    bool forward = s->direction == FORWARD && !dtype_is_complex(s->from.dtype);
    int64_t have = half && forward ? s->n / 2 : backward ? s->n / 2 + 1 : s->n;
    int64_t give = half && backward ? s->n / 2 : s->to.sizes[s->dim];
    block /= s->blocks_beside;
    struct fourier_memory from = memory_of(s, &s->from, block_start(s, &s->from, block, first),
                                           have, count, half && forward);
    struct fourier_memory to =
        memory_of(s, &s->to, block_start(s, &s->to, block, first), give, count, half && backward);
    gather(s, &from, &x);
    transform(s, &x);
    scatter(s, &to, &x);
}

static void run_chunk(void *context, int64_t chunk)
{
    const struct sweep *s = context;
    assert(chunk >= 0 && chunk < s->chunks);
    char *work = s->work + (size_t)chunk * s->work_bytes;
    for (int64_t i = s->blocks * chunk / s->chunks; i < s->blocks * (chunk + 1) / s->chunks; i++)
        run_block(s, i, work);
}

/* How lines are put together: those of the dim that lies closest, where a line's own numbers are
 * far apart or too few for vectors. */
static void choose_blocks(struct sweep *s)
{
    enum { LEAST = 8, MOST = 64, NUMBERS = 1 << 12, FEW = 128 };
    const int64_t *strides = s->from.strides, *sizes = s->from.sizes;
    s->beside = -1;
    for (int d = 0; d < s->ndim && (strides[s->dim] != 1 || s->n < FEW); d++)
        if (d != s->dim && sizes[d] > 1 && strides[d] > 0 &&
            (s->beside < 0 || strides[d] < strides[s->beside]))
            s->beside = d;
    s->lines = 1;
    for (int d = 0; d < s->ndim; d++)
        s->lines *= d == s->dim ? 1 : sizes[d];
    int64_t all = s->beside < 0 ? 1 : sizes[s->beside], most = NUMBERS / s->n;
    most = most > MOST ? MOST : most < LEAST ? LEAST : most;
    s->blocks_beside = (all + most - 1) / most;
    s->blocks = s->lines / all * s->blocks_beside;
    int64_t widest = (all + s->blocks_beside - 1) / s->blocks_beside;
    size_t bytes = s->plan->dtype == FL_FLOAT64 ? sizeof(double) : sizeof(float);
    /* Each part begins at a cache line of its own, none 4096 bytes from another's. */
    s->work_bytes =
        4 * (((size_t)(fourier_room(s->plan) * widest) * bytes + 255) / 256 * 256 + 192);
}

/* One dim, s->n points. */
static int run_sweep(struct sweep *s)
{
    assert(s->dim >= 0 && s->dim < s->ndim && s->n > 0);
    enum { WORTH_A_THREAD = 1 << 14 };
    int dtype = s->to.dtype == FL_FLOAT64 || s->to.dtype == FL_COMPLEX128 ? FL_FLOAT64 : FL_FLOAT32;
    bool is_real = !dtype_is_complex(s->from.dtype) || !dtype_is_complex(s->to.dtype);
    s->plan = fourier_plan(s->n, is_real, dtype);
    if (!s->plan)
        return -1;
    choose_blocks(s);
    int64_t most = threads_count(), worth = 1 + s->lines * s->n / WORTH_A_THREAD;
    s->chunks = s->blocks < most ? s->blocks : most;
    s->chunks = s->chunks < worth ? s->chunks : worth;
    size_t bytes = (size_t)s->chunks * s->work_bytes;
    s->work = s->blocks ? memory_alloc(bytes) : NULL;
    if (s->work)
        threads_for(s->chunks, run_chunk, s);
    memory_free(s->work, bytes);
    fourier_release(s->plan);
    return s->work || s->blocks == 0 ? 0 : -1;
}

static struct place place_of(const fl_tensor *t)
{
    return (struct place){tensor_data(t), t->dtype, t->sizes, t->strides};
}

static int wrapped(const fl_tensor *t, int64_t dim)
{
    return (int)(dim < 0 ? dim + t->ndim : dim);
}

/* Along all dims of `dim`. The half of conjugates is left out first, and is read last, along the last
 * of them. */
static int run_dims(const fl_tensor *self, fl_tensor *y, fl_ints dim, double scale,
                    enum direction direction)
{
    assert(self->ndim == y->ndim && dim.count > 0);
    bool from_half = direction == BACKWARD_FROM_HALF;
    int last_dim = wrapped(self, dim.data[dim.count - 1]);
    int64_t strides[TENSOR_MAX_DIMS], sizes[TENSOR_MAX_DIMS];
    shape_contiguous_strides(self->ndim, self->sizes, strides);
    memcpy(sizes, self->sizes, (size_t)self->ndim * sizeof *sizes);
    if (!dtype_is_complex(self->dtype))
        sizes[last_dim] = sizes[last_dim] / 2 + 1;
    size_t bytes = from_half && dim.count > 1 ? (size_t)self->numel * dtype_size(self->dtype) : 0;
    void *apart = bytes ? memory_alloc(bytes) : NULL;
    struct place between = {apart, self->dtype, sizes, strides};
    if (!from_half)
        between = (struct place){tensor_data(y), y->dtype, sizes, y->strides};
    int status = bytes && !apart ? -1 : 0;
    for (int64_t i = 0; i < dim.count && status == 0; i++) {
        bool first = i == 0, last = i == dim.count - 1;
        struct sweep s = {
            .ndim = self->ndim,
            .dim = wrapped(self, dim.data[from_half ? i : dim.count - 1 - i]),
            .from = first ? place_of(self) : between,
            .to = last && from_half ? place_of(y) : between,
            .direction = from_half && !last ? BACKWARD : direction,
            .scale = last ? scale : 1,
        };
        s.n = s.direction == FORWARD ? s.from.sizes[s.dim] : s.to.sizes[s.dim];
        status = run_sweep(&s);
    }
    memory_free(apart, bytes);
    return status;
}

/* ---- Conjugates of numbers 1 to n / 2 -------------------------------------------------------------- */

struct mirror {
    fl_tensor *y;
    int last;
    int64_t lines, chunks;
    bool is_turned[TENSOR_MAX_DIMS]; /* whether an index i of the dim goes with n - i */
};

/* Line i along the last dim takes its second half from the line that goes with it. */
static void mirror_line(const struct mirror *m, int64_t i)
{
    const fl_tensor *y = m->y;
    int64_t to = 0, from = 0, n = y->sizes[m->last], step = y->strides[m->last];
    for (int d = y->ndim - 1; d >= 0; d--) {
        if (d == m->last)
            continue;
        int64_t at = i % y->sizes[d];
        to += at * y->strides[d];
        from += (m->is_turned[d] && at > 0 ? y->sizes[d] - at : at) * y->strides[d];
        i /= y->sizes[d];
    }
    for (int64_t k = n / 2 + 1; k < n; k++) {
        int64_t a = 2 * (to + k * step), b = 2 * (from + (n - k) * step);
        if (y->dtype == FL_COMPLEX128) {
            double *data = tensor_data(y);
            data[a] = data[b], data[a + 1] = -data[b + 1];
        } else {
            float *data = tensor_data(y);
            data[a] = data[b], data[a + 1] = -data[b + 1];
        }
    }
}

static void mirror_chunk(void *context, int64_t chunk)
{
    const struct mirror *m = context;
    for (int64_t i = m->lines * chunk / m->chunks; i < m->lines * (chunk + 1) / m->chunks; i++)
        mirror_line(m, i);
}

static void mirror(fl_tensor *y, fl_ints dim)
{
    enum { WORTH_A_CHUNK = 1 << 16 };
    struct mirror m = {.y = y, .last = wrapped(y, dim.data[dim.count - 1])};
    for (int64_t i = 0; i < dim.count; i++)
        m.is_turned[wrapped(y, dim.data[i])] = true;
    m.lines = y->numel / y->sizes[m.last];
    m.chunks = 1 + y->numel / WORTH_A_CHUNK;
    threads_for(m.chunks, mirror_chunk, &m);
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

/* The result's layout, PyTorch's with MKL: the dims of the transform innermost, the last of them
 * first where it is `apart` (halved), the others before them; each group in the order of self's. */
static void lay_out(const fl_tensor *self, fl_ints dim, bool apart, struct op_shape *y)
{
    assert(y->ndim == self->ndim && dim.count > 0);
    bool transformed[TENSOR_MAX_DIMS] = {false};
    int order[TENSOR_MAX_DIMS], n = 0; /* from the outside inwards */
    const int last = wrapped(self, dim.data[dim.count - 1]);
    for (int64_t i = 0; i < dim.count; i++)
        transformed[wrapped(self, dim.data[i])] = true;
    for (int group = 0; group < 2; group++) {
        const int first = n;
        for (int64_t i = 0; i < (group ? dim.count : self->ndim); i++) {
            const int d = group ? wrapped(self, dim.data[i]) : (int)i;
            int at = n;
            if (group ? apart && d == last : transformed[d])
                continue;
            for (; at > first && self->strides[order[at - 1]] < self->strides[d]; at--)
                order[at] = order[at - 1];
            order[at] = d, n++;
        }
    }
    if (apart)
        order[n++] = last;
    assert(n == self->ndim);
    y->strided = true;
    int64_t step = 1;
    for (int k = n - 1; k >= 0; k--) {
        y->strides[order[k]] = step;
        step *= y->sizes[order[k]] > 1 ? y->sizes[order[k]] : 1;
    }
}

int fft_c2c_shape(fl_tensor *self, fl_ints dim, double scale, bool forward, struct op_shape *y)
{
    (void)scale, (void)forward;
    if (check_dims(self, dim))
        return -1;
    op_shape_set(y, self->ndim, self->sizes);
    lay_out(self, dim, false, y);
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
        return dtype_refuse("_fft_r2c", self->dtype);
    if (self->dtype != FL_FLOAT32 && self->dtype != FL_FLOAT64)
        return error_set(FL_RUNTIME_ERROR, "Unsupported dtype %s", dtype_title(self->dtype));
    if (check_dims(self, dim))
        return -1;
    op_shape_set(y, self->ndim, self->sizes);
    int last = wrapped(self, dim.data[dim.count - 1]);
    if (onesided)
        y->sizes[last] = self->sizes[last] / 2 + 1;
    y->dtype = dtype_complex(self->dtype);
    lay_out(self, dim, true, y);
    return 0;
}

int fft_r2c_cpu(fl_tensor *self, fl_ints dim, double scale, bool onesided, fl_tensor *y)
{
    if (run_dims(self, y, dim, scale, FORWARD))
        return -1;
    if (!onesided)
        mirror(y, dim);
    return 0;
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
    lay_out(self, dim, true, y);
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
