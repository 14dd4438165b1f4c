/* Resizing of images by a filter that widens where the image shrinks (PyTorch's antialias=True,
 * Pillow's resize): every element of the output is a weighted mean of neighbours, dim by dim, first
 * across, then downwards. Bytes go as in Pillow, by weights of 16 bits, rounded after each pass. A
 * task is a plane. */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "flambeau/ops/image.h"
#include "ops/op.h"
#include "ops/pointwise/math.h"
#include "ops_kernels.h"

static const double pi = 3.14159265358979323846;

/* One dim: element i of the output is made of count[i] elements of the input, from[i] and on. */
struct taps {
    int64_t in, out, most;
    int64_t *from, *count; /* out each, in one block with the weights */
    void *weight;          /* (out, most): real; or int16_t behind `bits` binary places */
    size_t bytes;
    int bits;
};

struct job {
    struct taps taps[2];
    int dtype; /* FL_FLOAT32, FL_FLOAT64, FL_UINT8 */
    bool back;
    void *x, *y;   /* (planes, in), (planes, out) */
    char *between; /* (planes, in[0], out[1]) */
};

#define REAL_BITS 32
#include "ops/image/resample_loops.h"
#undef REAL_BITS
#define REAL_BITS 64
#include "ops/image/resample_loops.h"

/* ---- Weights --------------------------------------------------------------------------------- */

/* Rounds weights to integers of 16 bits, with as many binary places as the greatest leaves. */
static void to_fixed(struct taps *t)
{
    const double *w = t->weight;
    int16_t *fixed = t->weight;
    double greatest = 0;
    for (int64_t i = 0; i < t->out; i++)
        for (int64_t k = 0; k < t->count[i]; k++)
            greatest = w[i * t->most + k] > greatest ? w[i * t->most + k] : greatest;
    t->bits = 0;
    while (t->bits < 22 && (int)(0.5 + greatest * (1 << (t->bits + 1))) < 1 << 15)
        t->bits++;
    for (int64_t i = 0; i < t->out; i++)
        for (int64_t k = 0; k < t->count[i]; k++) {
            double value = w[i * t->most + k] * (1 << t->bits);
            fixed[i * t->most + k] = (int16_t)(value < 0 ? value - 0.5 : value + 0.5);
        }
}

static int taps_make(struct taps *t, int64_t in, int64_t out, int taps, bool align_corners,
                     const double *scale, int dtype)
{
    double shrink = align_corners         ? out > 1 ? (double)(in - 1) / (double)(out - 1) : 0
                    : scale && *scale > 0 ? 1 / *scale
                                          : (double)in / (double)out;
    double reach = shrink >= 1 ? taps / 2.0 * shrink : taps / 2.0;
    size_t element = dtype == FL_FLOAT32 ? sizeof(float) : sizeof(double), bytes;
    if (!(reach < (double)INT_MAX))
        reach = (double)in;
    *t = (struct taps){.in = in, .out = out, .most = (int64_t)ceil(reach) * 2 + 2};
    t->most = t->most < in ? t->most : in;
    if (__builtin_mul_overflow((size_t)t->most * element + 2 * sizeof(int64_t), (size_t)out,
                               &bytes))
        return error_set(FL_RUNTIME_ERROR,
                         "the weights of an image resized from %lld to %lld "
                         "elements exceed 64 bits",
                         (long long)in, (long long)out);
    t->from = memory_alloc(bytes);
    if (!t->from)
        return -1;
    t->bytes = bytes, t->count = t->from + out, t->weight = t->count + out;
    if (dtype == FL_FLOAT32)
        weigh_f32(t, taps, scale, align_corners);
    else
        weigh_f64(t, taps, scale, align_corners);
    if (dtype == FL_UINT8)
        to_fixed(t);
    return 0;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static inline uint8_t byte_of(const struct taps *t, int sum)
{
    assert(t->bits > 0);
    int value = (sum + (1 << t->bits >> 1)) >> t->bits;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Lines of t->in bytes `step` apart, `lines` of them `apart` apart, to lines of t->out. */
static void pass_bytes(const struct taps *t, int64_t lines, int64_t step, int64_t apart_in,
                       int64_t apart_out, const uint8_t *x, uint8_t *y)
{
    for (int64_t i = 0; i < t->out; i++) {
        const int16_t *w = (const int16_t *)t->weight + i * t->most;
        for (int64_t line = 0; line < lines; line++) {
            const uint8_t *src = x + line * apart_in + t->from[i] * step;
            int sum = 0;
            for (int64_t k = 0; k < t->count[i]; k++)
                sum += src[k * step] * w[k];
            y[line * apart_out + i * step] = byte_of(t, sum);
        }
    }
}

/* A dim that keeps its size is copied, as in Pillow. */
static void plane_bytes(const struct job *j, int64_t p, uint8_t *between)
{
    const struct taps *v = &j->taps[0], *h = &j->taps[1];
    const uint8_t *x = (const uint8_t *)j->x + p * v->in * h->in;
    uint8_t *y = (uint8_t *)j->y + p * v->out * h->out;
    if (h->in == h->out)
        memcpy(between, x, (size_t)(v->in * h->in));
    else
        pass_bytes(h, v->in, 1, h->in, h->out, x, between);
    if (v->in == v->out)
        memcpy(y, between, (size_t)(v->out * h->out));
    else
        pass_bytes(v, h->out, h->out, 1, 1, between, y);
}

/* ---- Running --------------------------------------------------------------------------------- */

static void run_plane(void *context, int64_t p)
{
    const struct job *j = context;
    void *between =
        j->between + (size_t)(p * j->taps[0].in * j->taps[1].out) * dtype_size(j->dtype);
    if (j->dtype == FL_UINT8)
        plane_bytes(j, p, between);
    else if (j->dtype == FL_FLOAT32)
        plane_f32(j, p, between);
    else
        plane_f64(j, p, between);
}

/* Resizes x to y, or the gradient y back to x, which begins as zeros: both contiguous, of the
 * job's dtype. */
static int run(struct job *j, fl_tensor *x, fl_tensor *y, int taps, bool align_corners,
               const double *const *scales)
{
    assert(taps > 0 && x->ndim == 4 && y->ndim == 4);
    int status = -1;
    int64_t planes = x->sizes[0] * x->sizes[1];
    if (!x->numel || !y->numel)
        return 0;
    j->x = tensor_data(x), j->y = tensor_data(y);
    size_t room = (size_t)(planes * x->sizes[2] * y->sizes[3]) * dtype_size(j->dtype);
    if (!taps_make(&j->taps[0], x->sizes[2], y->sizes[2], taps, align_corners, scales[0],
                   j->dtype) &&
        !taps_make(&j->taps[1], x->sizes[3], y->sizes[3], taps, align_corners, scales[1],
                   j->dtype) &&
        (j->between = memory_alloc(room))) {
        threads_for(planes, run_plane, j);
        status = 0;
    }
    memory_free(j->between, room);
    memory_free(j->taps[0].from, j->taps[0].bytes), memory_free(j->taps[1].from, j->taps[1].bytes);
    return status;
}

static int work_of(const fl_tensor *t)
{
    return t->dtype == FL_UINT8 || t->dtype == FL_FLOAT64 ? t->dtype : FL_FLOAT32;
}

int resample_shape(fl_tensor *input, fl_ints output_size, bool align_corners,
                   const double *scales_h, const double *scales_w, struct op_shape *y)
{
    char text[128];
    (void)align_corners, (void)scales_h, (void)scales_w;
    if (input->ndim != 4 || input->sizes[1] < 1 || input->sizes[2] < 1 || input->sizes[3] < 1)
        return error_set(FL_RUNTIME_ERROR,
                         "Non-empty 4D data tensor expected but got a tensor with sizes %s",
                         shape_text(text, sizeof text, input->ndim, input->sizes));
    if (output_size.count != 2 || output_size.data[0] < 1 || output_size.data[1] < 1)
        return error_set(FL_RUNTIME_ERROR,
                         "Input and output sizes should be greater than 0, but got input (H: %lld, "
                         "W: %lld) output %s",
                         (long long)input->sizes[2], (long long)input->sizes[3],
                         shape_text(text, sizeof text, (int)output_size.count, output_size.data));
    if (dtype_is_integral(input->dtype) && input->dtype != FL_UINT8)
        return dtype_refuse("upsample_bilinear2d_aa", input->dtype);
    op_shape_set(
        y, 4,
        (int64_t[]){input->sizes[0], input->sizes[1], output_size.data[0], output_size.data[1]});
    return 0;
}

static int resample(fl_tensor *input, int taps, bool align_corners, const double *scales_h,
                    const double *scales_w, fl_tensor *y)
{
    assert(input->ndim == 4 && y->ndim == 4);
    struct job j = {.dtype = work_of(input)};
    int status = -1;
    fl_tensor *x = tensor_as(input, j.dtype),
              *out = y->dtype == j.dtype ? tensor_retain(y) : tensor_new(4, y->sizes, j.dtype);
    if (x && out && !run(&j, x, out, taps, align_corners, (const double *[]){scales_h, scales_w}))
        status = out == y ? 0 : tensor_copy(y, out);
    tensor_release(x), tensor_release(out);
    return status;
}

int resample_bilinear_cpu(fl_tensor *input, fl_ints output_size, bool align_corners,
                          const double *scales_h, const double *scales_w, fl_tensor *y)
{
    (void)output_size;
    return resample(input, 2, align_corners, scales_h, scales_w, y);
}

int resample_bicubic_cpu(fl_tensor *input, fl_ints output_size, bool align_corners,
                         const double *scales_h, const double *scales_w, fl_tensor *y)
{
    (void)output_size;
    return resample(input, 4, align_corners, scales_h, scales_w, y);
}

int resample_lanczos_cpu(fl_tensor *input, fl_ints output_size, bool align_corners,
                         const double *scales_h, const double *scales_w, fl_tensor *y)
{
    (void)output_size;
    return resample(input, 6, align_corners, scales_h, scales_w, y);
}

int resample_backward_shape(fl_tensor *g, fl_ints size, int64_t taps, bool align_corners,
                            const double *scales_h, const double *scales_w, struct op_shape *y)
{
    (void)g, (void)taps, (void)align_corners, (void)scales_h, (void)scales_w;
    op_shape_set(y, 4, size.data);
    return 0;
}

int resample_backward_cpu(fl_tensor *g, fl_ints size, int64_t taps, bool align_corners,
                          const double *scales_h, const double *scales_w, fl_tensor *y)
{
    assert(size.count == 4 && g->ndim == 4);
    struct job j = {.dtype = work_of(g), .back = true};
    int status = -1;
    fl_tensor *from = tensor_as(g, j.dtype), *to = tensor_new(4, size.data, j.dtype);
    if (from && to) {
        if (to->numel)
            memset(tensor_data(to), 0, (size_t)to->numel * dtype_size(j.dtype));
        status =
            run(&j, to, from, (int)taps, align_corners, (const double *[]){scales_h, scales_w});
        status = status ? status : tensor_copy(y, to);
    }
    tensor_release(from), tensor_release(to);
    return status;
}

int resample_like_compose(fl_tensor *self, fl_ints size, int64_t taps, bool align_corners,
                          const double *scales_h, const double *scales_w, fl_tensor **y)
{
    fl_ints out = {size.data + 2, 2};
    *y = taps == 2   ? fl__upsample_bilinear2d_aa(self, out, align_corners, scales_h, scales_w)
         : taps == 4 ? fl__upsample_bicubic2d_aa(self, out, align_corners, scales_h, scales_w)
                     : fl__upsample_lanczos2d_aa(self, out, align_corners, scales_h, scales_w);
    return *y ? 0 : -1;
}
