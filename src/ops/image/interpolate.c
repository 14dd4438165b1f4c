/* Resizing of images and signals. Every mode but those of a filter works dim by dim: a point of the
 * output is a weighted sum of a few points of the input, whose positions and weights depend on that
 * dim alone. Nearest positions are computed in float32, as PyTorch does.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/warning.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/image.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/pool.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/record.h"
#include "ops_kernels.h"

enum { SPATIAL_MAX = 3, TAPS_MAX = 4 };

static const struct mode {
    const char *name;
    int ndim, taps; /* ndim 0: any; taps 1: one point is picked; 0: none */
    bool filter;    /* antialias may be asked for */
} MODES[] = {
    {"nearest", 0, 1, false}, {"nearest-exact", 0, 1, false}, {"area", 0, 0, false},
    {"linear", 3, 2, false},  {"bilinear", 4, 2, true},       {"trilinear", 5, 2, false},
    {"bicubic", 4, 4, true},  {"lanczos", 4, 0, true},
};

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (strcmp(MODES[i].name, name) == 0)
            return &MODES[i];
    return NULL;
}

/* What a call asks for. */
struct resize {
    const struct mode *mode;
    int spatial;
    int64_t size[SPATIAL_MAX];
    double factor[SPATIAL_MAX]; /* 0: by the sizes */
    bool align_corners, exact;
};

/* ---- Points and weights ---------------------------------------------------------------------- */

static double scale_of(int64_t old, int64_t n, double factor)
{
    return factor != 0 ? 1 / factor : (double)old / (double)n;
}

static fl_tensor *pick(fl_tensor *t, int d, int64_t n, double factor, bool exact)
{
    assert(d >= 2 && d < t->ndim);
    const int64_t old = t->sizes[d];
    const float scale = (float)scale_of(old, n, factor);
    /* PyTorch copies and doubles images whatever the factor, and signals and volumes by it. */
    const bool images = t->ndim == 4 && !exact;
    const int64_t ratio = !images ? 0 : n == old ? 1 : n == 2 * old ? 2 : 0;
    fl_tensor *index = op_adopt(tensor_new(1, &n, FL_INT64));
    int64_t *at = index ? tensor_data(index) : NULL;
    for (int64_t i = 0; index && i < n; i++) {
        const int64_t point =
            ratio ? i / ratio : (int64_t)(float)(((double)i + (exact ? 0.5 : 0)) * (double)scale);
        at[i] = point < old ? point : old - 1;
    }
    return index ? fl_index_select(t, d, op_beside(index, t)) : NULL;
}

/* Weights of the four neighbours of a point at t between the middle two (Keys, 1981, a = -3/4). */
static void cubic_weights(double t, double *w)
{
    const double a = -0.75, x[] = {t + 1, t, 1 - t, 2 - t};
    for (int k = 0; k < 4; k++)
        w[k] = k == 1 || k == 2 ? ((a + 2) * x[k] - (a + 3)) * x[k] * x[k] + 1
                                : ((a * x[k] - 5 * a) * x[k] + 8 * a) * x[k] - 4 * a;
}

/* Which points of the `old` each of the n is made of, and by which weights: (taps, n) each. As many
 * points are copied by two taps, whatever the factor: a neighbour that is infinite has no say. */
static void find_points(const struct resize *r, int64_t old, int64_t n, double factor,
                        int64_t *index, double *weight)
{
    assert(r->mode->taps >= 1 && r->mode->taps <= TAPS_MAX);
    const int taps = r->mode->taps;
    double w[TAPS_MAX];
    const double scale = r->align_corners ? (n > 1 ? (double)(old - 1) / (double)(n - 1) : 0)
                                          : scale_of(old, n, factor);
    for (int64_t i = 0; i < n; i++) {
        double at = r->align_corners ? (double)i * scale : ((double)i + 0.5) * scale - 0.5;
        if (taps == 2)
            at = n == old ? (double)i : at < 0 ? 0 : at;
        const int64_t first = (int64_t)floor(at);
        const double t = at - (double)first;
        if (taps == 2)
            w[0] = 1 - t, w[1] = t;
        else
            cubic_weights(t, w);
        for (int k = 0; k < taps; k++) {
            const int64_t point = taps == 2 && n == old ? i : first + k - taps / 2 + 1;
            index[k * n + i] = point < 0 ? 0 : point < old ? point : old - 1;
            weight[k * n + i] = w[k];
        }
    }
}

/* find_points as tensors. */
static int new_points(const struct resize *r, int64_t old, int64_t n, double factor,
                      fl_tensor **index, fl_tensor **weight)
{
    const int64_t shape[] = {r->mode->taps, n};
    *index = op_adopt(tensor_new(2, shape, FL_INT64));
    *weight = op_adopt(tensor_new(2, shape, FL_FLOAT64));
    if (!*index || !*weight)
        return -1;
    find_points(r, old, n, factor, tensor_data(*index), tensor_data(*weight));
    return 0;
}

/* Weights are rounded to `kept`, of two taps the second; they are then of t's dtype. */
static fl_tensor *blend(const struct resize *r, fl_tensor *t, int d, int k, int kept)
{
    assert(k >= 0 && k < r->spatial);
    fl_tensor *index, *weight;
    if (new_points(r, t->sizes[d], r->size[k], r->factor[k], &index, &weight))
        return NULL;
    weight = op_as(weight, kept);
    if (r->mode->taps == 2) {
        fl_tensor *second = fl_select(weight, 0, 1);
        fl_tensor *both[] = {fl_rsub_scalar(second, fl_int(1), fl_int(1)), second};
        weight = op_stacked(both, 2, 0);
    }
    return fl__blend_points(t, d, op_beside(index, t), op_beside(op_as(weight, t->dtype), t));
}

/* blend of bytes, in fixed point as PyTorch has it: weights of 16 bits, with as many of them behind
 * the point as the greatest leaves room for; the sum is rounded to the nearest byte. */
static fl_tensor *blend_bytes(const struct resize *r, fl_tensor *t, int d, int k)
{
    assert(d >= 2 && d < t->ndim);
    fl_tensor *index, *weight, *total = NULL;
    const int64_t n = r->size[k], taps = r->mode->taps;
    int64_t shape[TENSOR_MAX_DIMS];
    if (n == t->sizes[d])
        return t;
    if (new_points(r, t->sizes[d], n, r->factor[k], &index, &weight))
        return NULL;
    double *w = tensor_data(weight), greatest = w[0];
    for (int64_t i = 0; i < taps * n; i++)
        greatest = w[i] > greatest ? w[i] : greatest;
    int bits = 0;
    while (bits < 22 && (int64_t)(0.5 + greatest * (double)(1 << (bits + 1))) < 1 << 15)
        bits++;
    for (int64_t i = 0; i < taps * n; i++)
        w[i] = trunc(copysign(0.5, w[i]) + w[i] * (double)(1 << bits));
    for (int i = 0; i < t->ndim; i++)
        shape[i] = i == d ? n : 1;
    fl_tensor *whole = op_beside(op_as(weight, FL_INT32), t), *wide = op_as(t, FL_INT32);
    index = op_beside(index, t);
    for (int64_t tap = 0; tap < taps; tap++) {
        fl_tensor *by = fl_reshape(fl_select(whole, 0, tap), (fl_ints){shape, t->ndim});
        fl_tensor *part = fl_mul(fl_index_select(wide, d, fl_select(index, 0, tap)), by);
        total = tap ? fl_add(part, total, fl_int(1)) : part;
    }
    total = fl_add_scalar(total, fl_int(1 << (bits - 1)), fl_int(1));
    total = fl_clamp(fl_bitwise_right_shift_scalar(total, fl_int(bits)), fl_int(0), fl_int(255));
    return op_as(total, FL_UINT8);
}

static fl_tensor *blend_all(const struct resize *r, fl_tensor *input)
{
    const int dtype = input->dtype;
    fl_tensor *t = input;
    if (dtype == FL_UINT8) {
        for (int k = r->spatial - 1; t && k >= 0; k--)
            t = blend_bytes(r, t, k + 2, k);
        return t;
    }
    int kept = dtype;
    t = op_widen(t); /* one rounding at the end; and of weights, but for small images */
    if (t != input && strcmp(r->mode->name, "bilinear") == 0 && r->size[0] + r->size[1] <= 128)
        kept = FL_FLOAT32;
    for (int k = 0; t && k < r->spatial; k++)
        t = blend(r, t, k + 2, k, kept);
    return op_as(t, dtype);
}

/* ---- The call -------------------------------------------------------------------------------- */

static int check_mode(const fl_tensor *input, const char *name, const struct mode *mode,
                      int align_corners, bool antialias)
{
    if (mode && mode->ndim == 0 && align_corners >= 0)
        return error_set(FL_VALUE_ERROR,
                         "align_corners option can only be set with the interpolating modes: "
                         "linear | bilinear | bicubic | trilinear");
    const int needed = strcmp(name, "linear") == 0      ? 3
                       : strcmp(name, "bilinear") == 0  ? 4
                       : strcmp(name, "trilinear") == 0 ? 5
                                                        : 0;
    if (needed && input->ndim != needed && input->ndim >= 3 && input->ndim <= 5)
        return error_set(FL_NOT_IMPLEMENTED, "Got %dD input, but %s mode needs %dD input",
                         input->ndim, name, needed);
    if (!mode || (mode->ndim ? mode->ndim != input->ndim : input->ndim < 3 || input->ndim > 5))
        return error_set(FL_NOT_IMPLEMENTED,
                         "Input Error: Only 3D, 4D and 5D input Tensors supported (got %dD) for "
                         "the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | "
                         "area | nearest-exact (got %s)",
                         input->ndim, name);
    if (antialias && !mode->filter)
        return error_set(FL_VALUE_ERROR,
                         "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes "
                         "and requires a 4-D tensor as input");
    if (strcmp(name, "lanczos") == 0 && !antialias)
        return error_set(FL_VALUE_ERROR, "Mode 'lanczos' requires antialias=True");
    return 0;
}

/* "(1, 2.5)", as Python shows numbers. */
static const char *factors_text(char *out, size_t room, fl_floats scale)
{
    assert(room > 4);
    size_t used = 0;
    for (int64_t i = 0; i < scale.count && used + 32 < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%g", i ? ", " : "(", scale.data[i]);
    snprintf(out + used, room - used, scale.count == 1 ? ",)" : scale.count ? ")" : "()");
    return out;
}

/* "(8, 8)" and "(8,)", as Python shows sizes. */
static const char *tuple_text(char *out, size_t room, int64_t count, const int64_t *sizes)
{
    shape_text(out, room, (int)count, sizes);
    const size_t end = strlen(out) - 1;
    out[0] = '(';
    snprintf(out + end, room - end, count == 1 ? ",)" : ")");
    return out;
}

static int find_sizes(struct resize *r, const fl_tensor *input, fl_ints size, fl_floats scale,
                      bool recompute)
{
    char a[128], b[128];
    const int64_t *old = input->sizes + 2;
    if (size.data && scale.data)
        return error_set(FL_VALUE_ERROR, "only one of size or scale_factor should be defined");
    if (!size.data && !scale.data)
        return error_set(FL_VALUE_ERROR, "either size or scale_factor should be defined");
    if (size.data && size.count != r->spatial)
        return error_set(
            FL_VALUE_ERROR,
            "Input and output must have the same number of spatial dimensions, but got input with "
            "spatial dimensions of %s and output size of %s. Please provide input tensor in (N, C, "
            "d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format.",
            shape_text(a, sizeof a, r->spatial, old),
            tuple_text(b, sizeof b, size.count, size.data));
    if (scale.data && scale.count != r->spatial)
        return error_set(
            FL_VALUE_ERROR,
            "Input and scale_factor must have the same number of spatial dimensions, but got input "
            "with spatial dimensions of %s and scale_factor of shape %s. Please provide input "
            "tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format.",
            shape_text(a, sizeof a, r->spatial, old), factors_text(b, sizeof b, scale));
    if (size.data && recompute)
        return error_set(FL_VALUE_ERROR,
                         "recompute_scale_factor is not meaningful with an explicit size.");
    for (int k = 0; k < r->spatial; k++) {
        if (scale.data && !(fabs((double)old[k] * scale.data[k]) < 0x1p62))
            return error_set(FL_OVERFLOW_ERROR, "cannot convert float infinity to integer");
        r->size[k] = size.data ? size.data[k] : (int64_t)floor((double)old[k] * scale.data[k]);
        r->factor[k] = scale.data && !recompute ? scale.data[k] : 0;
    }
    return 0;
}

static int refuse_empty(const fl_tensor *input, const struct resize *r)
{
    char text[2][128];
    for (int i = 0; i < 2; i++) {
        size_t used = 0;
        for (int k = 0; k < r->spatial; k++)
            used += (size_t)snprintf(text[i] + used, sizeof text[i] - used, "%s%c: %lld",
                                     k ? ", " : "", "DHW"[3 - r->spatial + k],
                                     (long long)(i ? r->size[k] : input->sizes[k + 2]));
    }
    return error_set(FL_RUNTIME_ERROR,
                     "Input and output sizes should be greater than 0, but got input (%s) %soutput "
                     "(%s)",
                     text[0], r->spatial == 1 ? "and " : "", text[1]);
}

static fl_tensor *filter(const struct resize *r, fl_tensor *input)
{
    assert(r->spatial == 2);
    const fl_ints size = {r->size, 2};
    const double *h = r->factor[0] != 0 ? &r->factor[0] : NULL,
                 *w = r->factor[1] != 0 ? &r->factor[1] : NULL;
    if (r->mode->taps == 2)
        return fl__upsample_bilinear2d_aa(input, size, r->align_corners, h, w);
    if (r->mode->taps == 4)
        return fl__upsample_bicubic2d_aa(input, size, r->align_corners, h, w);
    return fl__upsample_lanczos2d_aa(input, size, r->align_corners, h, w);
}

static fl_tensor *area(const struct resize *r, fl_tensor *input)
{
    const fl_ints size = {r->size, r->spatial};
    return r->spatial == 1   ? fl_adaptive_avg_pool1d(input, size)
           : r->spatial == 2 ? fl_adaptive_avg_pool2d(input, size)
                             : fl_adaptive_avg_pool3d(input, size);
}

/* What no memory can hold is refused before its points are listed. */
static int check_room(const struct resize *r, const fl_tensor *input)
{
    assert(r->spatial >= 1 && input->ndim == r->spatial + 2);
    int64_t sizes[SPATIAL_MAX + 2] = {input->sizes[0], input->sizes[1]};
    if (input->flags & TENSOR_ELSEWHERE)
        return 0;
    memcpy(sizes + 2, r->size, sizeof *sizes * (size_t)r->spatial);
    fl_tensor *room = tensor_new(r->spatial + 2, sizes, input->dtype);
    tensor_release(room);
    return room ? 0 : -1;
}

/* Names the node as PyTorch's operator for the mode. */
static void show(const struct resize *r, const char *mode, bool antialias, const fl_tensor *input,
                 fl_tensor *y)
{
    static const struct {
        const char *mode, *titles[SPATIAL_MAX];
    } shown[] = {
        {"nearest",
         {"UpsampleNearest1DBackward0", "UpsampleNearest2DBackward0",
          "UpsampleNearest3DBackward0"}},
        {"nearest-exact",
         {"UpsampleNearestExact1DBackward0", "UpsampleNearestExact2DBackward0",
          "UpsampleNearestExact3DBackward0"}},
        {"linear", {"UpsampleLinear1DBackward0"}},
        {"bilinear", {NULL, "UpsampleBilinear2DBackward0"}},
        {"bicubic", {NULL, "UpsampleBicubic2DBackward0"}},
        {"trilinear", {NULL, NULL, "UpsampleTrilinear3DBackward0"}},
    };
    assert(r->spatial >= 1 && r->spatial <= SPATIAL_MAX);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const char *title = shown[i].titles[r->spatial - 1];
        if (strcmp(mode, shown[i].mode) == 0 && title)
            record_show(y, input, title);
    }
    if (antialias && strcmp(mode, "bilinear") == 0)
        record_show(y, input, "UpsampleBilinear2DAaBackward0");
    if (antialias && strcmp(mode, "bicubic") == 0)
        record_show(y, input, "UpsampleBicubic2DAaBackward0");
}

int interpolate_compose(fl_tensor *input, fl_ints size, fl_floats scale_factor, const char *mode,
                        int align_corners, int recompute_scale_factor, bool antialias,
                        fl_tensor **y)
{
    struct resize r = {.mode = find_mode(mode),
                       .spatial = input->ndim - 2,
                       .align_corners = align_corners > 0,
                       .exact = strcmp(mode, "nearest-exact") == 0};
    if (check_mode(input, mode, r.mode, align_corners, antialias) ||
        find_sizes(&r, input, size, scale_factor, recompute_scale_factor > 0))
        return -1;
    fl_tensor *t = input;
    if (strcmp(mode, "area") == 0) {
        *y = area(&r, input);
        return *y ? 0 : -1;
    }
    for (int k = 0; k < r.spatial; k++)
        if (input->sizes[k + 2] <= 0 || r.size[k] <= 0)
            return refuse_empty(input, &r);
    if (antialias) {
        *y = filter(&r, input);
        show(&r, mode, true, input, *y);
        return *y ? 0 : -1;
    }
    if (check_room(&r, input))
        return -1;
    if (r.mode->taps == 1)
        for (int k = 0; t && k < r.spatial; k++)
            t = pick(t, k + 2, r.size[k], r.factor[k], r.exact);
    else
        t = blend_all(&r, input);
    *y = t ? fl__keep_format(t, input) : NULL;
    show(&r, mode, false, input, *y);
    return *y ? 0 : -1;
}

int interpolate_number_compose(fl_tensor *input, const int64_t *size, const double *scale_factor,
                               const char *mode, int align_corners, int recompute_scale_factor,
                               bool antialias, fl_tensor **y)
{
    int64_t sizes[SPATIAL_MAX];
    double factors[SPATIAL_MAX];
    const int spatial = input->ndim < 2 ? 0 : input->ndim < 5 ? input->ndim - 2 : SPATIAL_MAX;
    for (int k = 0; k < spatial; k++) {
        sizes[k] = size ? *size : 0;
        factors[k] = scale_factor ? *scale_factor : 0;
    }
    return interpolate_compose(
        input, (fl_ints){size ? sizes : NULL, size ? spatial : 0},
        (fl_floats){scale_factor ? factors : NULL, scale_factor ? spatial : 0}, mode, align_corners,
        recompute_scale_factor, antialias, y);
}

/* ---- older names ---- */

static int warn_of(const char *name)
{
    return warning_give(
        "`nn.functional.%s` is deprecated. Use `nn.functional.interpolate` instead.", name);
}

int upsample_nearest_check(fl_tensor *input, fl_ints size, fl_floats scale_factor)
{
    (void)input, (void)size, (void)scale_factor;
    return warn_of("upsample_nearest");
}

int upsample_nearest_number_check(fl_tensor *input, const int64_t *size, const double *scale_factor)
{
    (void)input, (void)size, (void)scale_factor;
    return warn_of("upsample_nearest");
}

int upsample_bilinear_check(fl_tensor *input, fl_ints size, fl_floats scale_factor)
{
    (void)input, (void)size, (void)scale_factor;
    return warn_of("upsample_bilinear");
}

int upsample_bilinear_number_check(fl_tensor *input, const int64_t *size,
                                   const double *scale_factor)
{
    (void)input, (void)size, (void)scale_factor;
    return warn_of("upsample_bilinear");
}
