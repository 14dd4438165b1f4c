/* Convolution and its gradients against plain loops, over strides, paddings, dilations, groups and
 * memory orders. */
#include "ops/conv/conv2d.h"
#include "core/threads.h"
#include "kernels.h"

enum { CONTIGUOUS, CHANNELS_LAST, EXPANDED, GAPPED, ORDERS };

/* An array of the given sizes in one of the memory orders; EXPANDED repeats one element. */
static struct conv2d_view make_view(fl_dtype dtype, const int64_t s[4], int order)
{
    struct conv2d_view v = {NULL, {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}};
    int64_t count = s[0] * s[1] * s[2] * s[3];
    if (order == CHANNELS_LAST) {
        v.strides[1] = 1, v.strides[2] = s[3] * s[1], v.strides[3] = s[1];
    } else if (order == EXPANDED) {
        memset(v.strides, 0, sizeof v.strides);
        count = 1;
    } else if (order == GAPPED) {
        int64_t pitch = 2 * s[3] + 1;
        v.strides[3] = 2, v.strides[2] = pitch, v.strides[1] = s[2] * pitch,
        v.strides[0] = s[1] * s[2] * pitch;
        count = s[0] * s[1] * s[2] * pitch;
    }
    v.data = random_array(dtype, count);
    return v;
}

static double view_get(const struct conv2d_view *v, fl_dtype dtype, int64_t n, int64_t c, int64_t h,
                       int64_t w)
{
    return element_get(v->data, dtype,
                       n * v->strides[0] + c * v->strides[1] + h * v->strides[2] +
                           w * v->strides[3]);
}

struct wanted {
    double *y, *dx, *dw, *size_y, *size_dx, *size_dw;
};

static void reference(const struct conv2d_shape *p, fl_dtype dtype, const struct conv2d_view *x,
                      const struct conv2d_view *w, const struct conv2d_view *g, const void *bias,
                      struct wanted *o)
{
    int64_t rows = conv2d_rows(p), cols = conv2d_cols(p), cg = p->c / p->groups,
            kg = p->k / p->groups;
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t k = 0; k < p->k; k++)
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < cols; j++) {
                    int64_t at = ((n * p->k + k) * rows + i) * cols + j;
                    double go = view_get(g, dtype, n, k, i, j);
                    o->y[at] = bias ? element_get(bias, dtype, k) : 0;
                    o->size_y[at] = 1;
                    for (int64_t c = 0; c < cg; c++)
                        for (int64_t r = 0; r < p->r; r++)
                            for (int64_t s = 0; s < p->s; s++) {
                                int64_t h = i * p->stride[0] - p->padding[0] + r * p->dilation[0];
                                int64_t v = j * p->stride[1] - p->padding[1] + s * p->dilation[1];
                                if (h < 0 || h >= p->h || v < 0 || v >= p->w)
                                    continue;
                                int64_t channel = k / kg * cg + c;
                                double xe = view_get(x, dtype, n, channel, h, v);
                                double we = view_get(w, dtype, k, c, r, s);
                                int64_t in = ((n * p->c + channel) * p->h + h) * p->w + v;
                                int64_t filter = ((k * cg + c) * p->r + r) * p->s + s;
                                o->y[at] += xe * we;
                                o->size_y[at] += fabs(xe * we);
                                o->dx[in] += go * we;
                                o->size_dx[in] += fabs(go * we);
                                o->dw[filter] += go * xe;
                                o->size_dw[filter] += fabs(go * xe);
                            }
                }
}

/* In units of what rounding may do to a sum of such terms: equal terms round the same way each
 * time, save in half precision, which rounds once. */
static double worst_error(fl_dtype dtype, const void *got, const double *want, const double *size,
                          int64_t count)
{
    double worst = 0, unit = dtype_epsilon(dtype) * (dtype_size(dtype) == 2 ? 2 : 256);
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(element_get(got, dtype, i) - want[i]) / ((size[i] + 1) * unit);
        if (!(error <= worst))
            worst = error;
    }
    return worst;
}

static void check_shape(const struct conv2d_shape *p, fl_dtype dtype, int x_order, int w_order,
                        int g_order, bool with_bias)
{
    int64_t rows = conv2d_rows(p), cols = conv2d_cols(p);
    int64_t xs[4] = {p->n, p->c, p->h, p->w}, ws[4] = {p->k, p->c / p->groups, p->r, p->s};
    int64_t ys[4] = {p->n, p->k, rows, cols};
    int64_t xn = xs[0] * xs[1] * xs[2] * xs[3], wn = ws[0] * ws[1] * ws[2] * ws[3];
    int64_t yn = ys[0] * ys[1] * ys[2] * ys[3];
    struct conv2d_view x = make_view(dtype, xs, x_order), w = make_view(dtype, ws, w_order);
    struct conv2d_view g = make_view(dtype, ys, g_order);
    void *bias = random_array(dtype, p->k), *y = random_array(dtype, yn),
         *dx = random_array(dtype, xn);
    void *dw = random_array(dtype, wn);
    struct wanted o = {calloc((size_t)yn + 1, 8), calloc((size_t)xn + 1, 8),
                       calloc((size_t)wn + 1, 8), calloc((size_t)yn + 1, 8),
                       calloc((size_t)xn + 1, 8), calloc((size_t)wn + 1, 8)};
    reference(p, dtype, &x, &w, &g, with_bias ? bias : NULL, &o);
    int status = conv2d_forward(p, dtype, &x, &w, with_bias ? bias : NULL, y);
    status |= conv2d_backward_input(p, dtype, &g, &w, dx);
    status |= conv2d_backward_weight(p, dtype, &g, &x, dw);
    double errors[3] = {worst_error(dtype, y, o.y, o.size_y, yn),
                        worst_error(dtype, dx, o.dx, o.size_dx, xn),
                        worst_error(dtype, dw, o.dw, o.size_dw, wn)};
    for (int i = 0; i < 3; i++)
        if (status != 0 || !(errors[i] <= 1)) {
            failures++;
            printf("conv2d %s dtype %d n %d c %d h %d w %d k %d r %d s %d groups %d stride %d %d "
                   "padding %d %d "
                   "dilation %d %d orders %d %d %d: status %d error %g\n",
                   (const char *[]){"forward", "input", "weight"}[i], (int)dtype, (int)p->n,
                   (int)p->c, (int)p->h, (int)p->w, (int)p->k, (int)p->r, (int)p->s, (int)p->groups,
                   (int)p->stride[0], (int)p->stride[1], (int)p->padding[0], (int)p->padding[1],
                   (int)p->dilation[0], (int)p->dilation[1], x_order, w_order, g_order, status,
                   errors[i]);
        }
    free((void *)x.data), free((void *)w.data), free((void *)g.data);
    free(bias), free(y), free(dx), free(dw);
    free(o.y), free(o.dx), free(o.dw), free(o.size_y), free(o.size_dx), free(o.size_dw);
}

static int64_t one_of(const int64_t *list, int64_t count)
{
    return list[random_below(count)];
}

void test_conv2d(void)
{
    static const int64_t channels[] = {1, 2, 3, 4, 6, 8, 16, 17, 33};
    static const fl_dtype dtypes[] = {FL_FLOAT32, FL_FLOAT32, FL_FLOAT64, FL_BFLOAT16, FL_FLOAT16};
    for (int round = 0; round < 600; round++) {
        struct conv2d_shape p = {.n = 1 + random_below(4),
                                 .h = 1 + random_below(20),
                                 .w = 1 + random_below(40),
                                 .r = 1 + random_below(5),
                                 .s = 1 + random_below(5),
                                 .groups = random_below(3) ? 1 : 1 + random_below(4)};
        const bool depthwise = random_below(5) == 0;
        p.groups = depthwise ? 2 + random_below(9) : p.groups;
        p.c = p.groups * (depthwise ? 1 : one_of(channels, 9));
        p.k = p.groups * (depthwise ? 1 : one_of(channels, 9));
        for (int i = 0; i < 2; i++) {
            p.stride[i] = random_below(2) ? 1 : 1 + random_below(4);
            p.padding[i] = random_below(4);
            p.dilation[i] = random_below(3) ? 1 : 1 + random_below(3);
        }
        if (random_below(3) == 0) {
            p.r = p.s, p.stride[0] = p.stride[1], p.padding[0] = p.padding[1] = p.s / 2;
            p.dilation[0] = p.dilation[1] = 1;
        }
        check_shape(&p, dtypes[random_below(5)], (int)random_below(ORDERS),
                    (int)random_below(ORDERS), (int)random_below(ORDERS), random_below(2));
    }
    /* Large enough for several units, splits and blocks of filters and channels. */
    struct conv2d_shape large = {3, 70, 40, 41, 66, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}};
    check_shape(&large, FL_FLOAT32, CONTIGUOUS, CONTIGUOUS, CONTIGUOUS, true);
    large.stride[0] = large.stride[1] = 2;
    check_shape(&large, FL_FLOAT64, CHANNELS_LAST, CONTIGUOUS, CHANNELS_LAST, true);
}

/* ---- The same bits ------------------------------------------------------------------------------
 */

/* A number that any changed bit of the array changes. */
static uint64_t digest(const void *data, int64_t bytes)
{
    uint64_t sum = 14695981039346656037u;
    for (int64_t i = 0; i < bytes; i++)
        sum = (sum ^ ((const uint8_t *)data)[i]) * 1099511628211u;
    return sum;
}

/* Forward and gradients of a layer with 1, 2 and 5 threads; prints a digest, to be compared between
 * instruction sets. */
static void check_bits(const char *what, const struct conv2d_shape *p)
{
    draws_state = 7; /* compilers order the draws of the tests above in their own ways */
    int64_t xs[4] = {p->n, p->c, p->h, p->w}, ws[4] = {p->k, p->c / p->groups, p->r, p->s};
    int64_t ys[4] = {p->n, p->k, conv2d_rows(p), conv2d_cols(p)};
    int64_t xn = xs[0] * xs[1] * xs[2] * xs[3], wn = ws[0] * ws[1] * ws[2] * ws[3];
    int64_t yn = ys[0] * ys[1] * ys[2] * ys[3], first = 0;
    struct conv2d_view x = make_view(FL_FLOAT32, xs, CONTIGUOUS);
    struct conv2d_view w = make_view(FL_FLOAT32, ws, CONTIGUOUS);
    struct conv2d_view g = make_view(FL_FLOAT32, ys, CONTIGUOUS);
    float *out = malloc((size_t)(xn + wn + yn) * sizeof(float));
    static const int counts[] = {1, 2, 5};
    for (int i = 0; i < 3; i++) {
        threads_set_count(counts[i]);
        conv2d_forward(p, FL_FLOAT32, &x, &w, NULL, out);
        conv2d_backward_input(p, FL_FLOAT32, &g, &w, out + yn);
        conv2d_backward_weight(p, FL_FLOAT32, &g, &x, out + yn + xn);
        int64_t sum = (int64_t)digest(out, (xn + wn + yn) * 4);
        if (i > 0 && sum != first) {
            failures++;
            printf("%s: other bits with %d threads\n", what, counts[i]);
        }
        first = sum;
    }
    printf("%s bits: %016llx\n", what, (unsigned long long)first);
    free((void *)x.data), free((void *)w.data), free((void *)g.data), free(out);
}

void test_conv2d_bits(void)
{
    const struct conv2d_shape dense = {6, 48, 30, 31, 40, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}};
    const struct conv2d_shape depthwise = {3, 24, 30, 43, 24, 3, 5, 24, {1, 2}, {1, 2}, {1, 1}};
    check_bits("conv2d", &dense);
    check_bits("depthwise conv2d", &depthwise);
}

/* ---- Time ------------------------------------------------------------------------------------ */

struct run {
    struct conv2d_shape p;
    struct conv2d_view x, w, g;
    void *bias, *y, *dx, *dw;
};

static void run_forward(void *context)
{
    struct run *r = context;
    conv2d_forward(&r->p, FL_FLOAT32, &r->x, &r->w, r->bias, r->y);
}

static void run_input(void *context)
{
    struct run *r = context;
    conv2d_backward_input(&r->p, FL_FLOAT32, &r->g, &r->w, r->dx);
}

static void run_weight(void *context)
{
    struct run *r = context;
    conv2d_backward_weight(&r->p, FL_FLOAT32, &r->g, &r->x, r->dw);
}

void bench_conv2d(void)
{
    static const struct conv2d_shape shapes[] = {
        {16, 64, 56, 56, 64, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}},
        {32, 64, 32, 32, 64, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}},
        {32, 128, 16, 16, 128, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}},
        {32, 64, 32, 32, 128, 3, 3, 1, {2, 2}, {1, 1}, {1, 1}},
        {32, 64, 32, 32, 128, 1, 1, 1, {2, 2}, {0, 0}, {1, 1}},
        {64, 1, 28, 28, 6, 5, 5, 1, {1, 1}, {2, 2}, {1, 1}},
        {64, 6, 14, 14, 16, 5, 5, 1, {1, 1}, {0, 0}, {1, 1}},
        {64, 1, 8, 8, 16, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}},
        {64, 16, 8, 8, 32, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}},
        {32, 64, 56, 56, 64, 3, 3, 64, {1, 1}, {1, 1}, {1, 1}},
        {8, 512, 7, 7, 512, 3, 3, 1, {1, 1}, {1, 1}, {1, 1}},
        {16, 64, 56, 56, 256, 1, 1, 1, {1, 1}, {0, 0}, {1, 1}},
        {8, 3, 224, 224, 64, 7, 7, 1, {2, 2}, {3, 3}, {1, 1}},
    };
    for (int threads = 1; threads <= 2; threads++) {
        threads_set_count(threads);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            struct run r = {.p = shapes[i]};
            const struct conv2d_shape *p = &r.p;
            int64_t rows = conv2d_rows(p), cols = conv2d_cols(p);
            int64_t xs[4] = {p->n, p->c, p->h, p->w}, ws[4] = {p->k, p->c / p->groups, p->r, p->s};
            int64_t ys[4] = {p->n, p->k, rows, cols};
            r.x = make_view(FL_FLOAT32, xs, CONTIGUOUS);
            r.w = make_view(FL_FLOAT32, ws, CONTIGUOUS);
            r.g = make_view(FL_FLOAT32, ys, CONTIGUOUS);
            r.bias = random_array(FL_FLOAT32, p->k);
            r.y = random_array(FL_FLOAT32, p->n * p->k * rows * cols);
            r.dx = random_array(FL_FLOAT32, p->n * p->c * p->h * p->w);
            r.dw = random_array(FL_FLOAT32, ws[0] * ws[1] * ws[2] * ws[3]);
            double work = 2e-9 * (double)(p->n * p->k * rows * cols * ws[1] * p->r * p->s);
            double t[3] = {best_time(run_forward, &r, 0.2), best_time(run_input, &r, 0.2),
                           best_time(run_weight, &r, 0.2)};
            printf("conv2d %d thread(s) %dx%dx%dx%d to %d, %dx%d stride %d groups %d: forward %.3f "
                   "ms %.1f GFLOP/s, "
                   "input %.3f ms %.1f, weight %.3f ms %.1f; all %.3f ms\n",
                   threads, (int)p->n, (int)p->c, (int)p->h, (int)p->w, (int)p->k, (int)p->r,
                   (int)p->s, (int)p->stride[0], (int)p->groups, t[0] * 1e3, work / t[0],
                   t[1] * 1e3, work / t[1], t[2] * 1e3, work / t[2], (t[0] + t[1] + t[2]) * 1e3);
            free((void *)r.x.data), free((void *)r.w.data), free((void *)r.g.data);
            free(r.bias), free(r.y), free(r.dx), free(r.dw);
        }
    }
}
