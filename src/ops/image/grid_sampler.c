/* Sampling of images and volumes at the points of a grid (Jaderberg et al., "Spatial Transformer
 * Networks", 2015). An image is a volume of depth 1, at whose only layer all points lie. Each point
 * is turned into a few elements with weights, once for all channels. Forward runs a task a row of the
 * output; backward one an image, for the points of an image add to the same elements. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/threads.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/image.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/view.h"
#include "ops/image/points.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { MODE_BILINEAR, MODE_NEAREST, MODE_BICUBIC };
enum { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION };

struct sampler {
    int64_t N, C, in[3], out[3]; /* (D, H, W) */
    int dims, mode, padding;     /* dims: 2, where D is 1, or 3 */
    bool align_corners;
    const void *x, *grid; /* (N, C, in), (N, out, dims) */
    void *y;              /* (N, C, out); backward: the incoming gradient */
    void *dx, *dgrid;
};

static inline float absolute_f32(float x)
{
    return fabsf(x);
}
static inline double absolute_f64(double x)
{
    return fabs(x);
}
static inline float down_f32(float x)
{
    return floorf(x);
}
static inline double down_f64(double x)
{
    return floor(x);
}
static inline float even_f32(float x)
{
    return rintf(x);
}
static inline double even_f64(double x)
{
    return rint(x);
}

#define REAL_BITS   32
#define POINT_LOOPS (&ISA_PICK(point_table)->f32)
#include "ops/image/grid_sampler_loops.h"
#undef REAL_BITS
#undef POINT_LOOPS
#define REAL_BITS   64
#define POINT_LOOPS (&ISA_PICK(point_table)->f64)
#include "ops/image/grid_sampler_loops.h"

static int check(const fl_tensor *input, const fl_tensor *grid, int dims)
{
    char a[128], b[128];
    if (input->ndim > 2 && grid->ndim > 0 && input->sizes[0] != grid->sizes[0])
        return error_set(FL_RUNTIME_ERROR,
                         "grid_sampler(): expected grid and input to have same batch size, but got "
                         "input with sizes %s and grid with sizes %s",
                         shape_text(a, sizeof a, input->ndim, input->sizes),
                         shape_text(b, sizeof b, grid->ndim, grid->sizes));
    if (input->ndim > 2 && grid->ndim > 0 && grid->sizes[grid->ndim - 1] != input->ndim - 2)
        return error_set(FL_RUNTIME_ERROR,
                         "grid_sampler(): expected grid to have size %d in last dimension, but got "
                         "grid with sizes %s",
                         input->ndim - 2, shape_text(b, sizeof b, grid->ndim, grid->sizes));
    if (input->ndim != dims + 2 || grid->ndim != input->ndim)
        return error_set(FL_RUNTIME_ERROR,
                         "grid_sampler(): expected %dD input and grid with same number of "
                         "dimensions, but got input with sizes %s and grid with sizes %s",
                         dims + 2, shape_text(a, sizeof a, input->ndim, input->sizes),
                         shape_text(b, sizeof b, grid->ndim, grid->sizes));
    for (int d = 2; d < dims + 2; d++)
        if (input->sizes[d] <= 0)
            return error_set(FL_RUNTIME_ERROR,
                             "grid_sampler(): expected input to have non-empty spatial dimensions, "
                             "but input has sizes %s with dimension %d being empty",
                             shape_text(a, sizeof a, input->ndim, input->sizes), d);
    if (input->dtype != grid->dtype)
        return error_set(FL_RUNTIME_ERROR, "expected scalar type %s but found %s",
                         dtype_title(input->dtype), dtype_title(grid->dtype));
    return 0;
}

static struct sampler sampler_of(const fl_tensor *input, const fl_tensor *grid, int64_t mode,
                                 int64_t padding, bool align_corners)
{
    assert(input->ndim == 4 || input->ndim == 5);
    struct sampler s = {.N = input->sizes[0],
                        .C = input->sizes[1],
                        .in = {1, 1, 1},
                        .out = {1, 1, 1},
                        .dims = input->ndim - 2,
                        .mode = (int)mode,
                        .padding = (int)padding,
                        .align_corners = align_corners};
    for (int d = 0; d < s.dims; d++) {
        s.in[3 - s.dims + d] = input->sizes[2 + d];
        s.out[3 - s.dims + d] = grid->sizes[1 + d];
    }
    return s;
}

static int work_of(const fl_tensor *t)
{
    return t->dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
}

static int sampled_shape(const fl_tensor *input, const fl_tensor *grid, int dims, int64_t mode,
                         int64_t padding, struct op_shape *y)
{
    int64_t sizes[5];
    if (check(input, grid, dims))
        return -1;
    if (dims == 3 && mode == MODE_BICUBIC)
        return error_set(FL_RUNTIME_ERROR,
                         "grid_sampler(): bicubic interpolation only supports 4D input");
    if (mode < 0 || mode > 2 || padding < 0 || padding > 2)
        return error_set(FL_RUNTIME_ERROR,
                         "grid_sampler(): no interpolation mode %lld or padding mode %lld",
                         (long long)mode, (long long)padding);
    memcpy(sizes, input->sizes, 2 * sizeof *sizes);
    memcpy(sizes + 2, grid->sizes + 1, (size_t)dims * sizeof *sizes);
    op_shape_set(y, dims + 2, sizes);
    return 0;
}

int grid_sampler_2d_shape(fl_tensor *input, fl_tensor *grid, int64_t mode, int64_t padding,
                          bool align_corners, struct op_shape *y)
{
    (void)align_corners;
    return sampled_shape(input, grid, 2, mode, padding, y);
}

int grid_sampler_3d_shape(fl_tensor *input, fl_tensor *grid, int64_t mode, int64_t padding,
                          bool align_corners, struct op_shape *y)
{
    (void)align_corners;
    return sampled_shape(input, grid, 3, mode, padding, y);
}

static void forward_row_f32(void *context, int64_t row)
{
    sample_row_f32(context, row);
}

static void forward_row_f64(void *context, int64_t row)
{
    sample_row_f64(context, row);
}

int grid_sampler_cpu(fl_tensor *input, fl_tensor *grid, int64_t mode, int64_t padding,
                     bool align_corners, fl_tensor *y)
{
    assert(input->ndim == grid->ndim && y->ndim == input->ndim);
    int work = work_of(input), status = -1;
    struct sampler s = sampler_of(input, grid, mode, padding, align_corners);
    fl_tensor *x = tensor_as(input, work), *points = tensor_as(grid, work),
              *out = y->dtype == work ? tensor_retain(y) : tensor_new(y->ndim, y->sizes, work);
    if (x && points && out) {
        s.x = tensor_data(x), s.grid = tensor_data(points), s.y = tensor_data(out);
        if (y->numel)
            threads_for(s.N * s.out[0] * s.out[1],
                        work == FL_FLOAT64 ? forward_row_f64 : forward_row_f32, &s);
        status = out == y ? 0 : tensor_copy(y, out);
    }
    tensor_release(x), tensor_release(points), tensor_release(out);
    return status;
}

int grid_sampler_backward_shape(fl_tensor *g, fl_tensor *input, fl_tensor *grid, int64_t mode,
                                int64_t padding, bool align_corners, struct op_shape *y)
{
    (void)g, (void)mode, (void)padding, (void)align_corners;
    op_shape_set(&y[0], input->ndim, input->sizes);
    op_shape_set(&y[1], grid->ndim, grid->sizes);
    return 0;
}

static void backward_task_f32(void *context, int64_t image)
{
    backward_image_f32(context, image);
}

static void backward_task_f64(void *context, int64_t image)
{
    backward_image_f64(context, image);
}

int grid_sampler_backward_cpu(fl_tensor *g, fl_tensor *input, fl_tensor *grid, int64_t mode,
                              int64_t padding, bool align_corners, fl_tensor *dinput,
                              fl_tensor *dgrid)
{
    assert(g->ndim == input->ndim && shape_equal(dgrid, grid));
    int work = work_of(input), status = -1;
    struct sampler s = sampler_of(input, grid, mode, padding, align_corners);
    fl_tensor *x = tensor_as(input, work), *points = tensor_as(grid, work),
              *gy = tensor_as(g, work), *dx = tensor_new(input->ndim, input->sizes, work),
              *dp = tensor_new(grid->ndim, grid->sizes, work);
    if (x && points && gy && dx && dp) {
        s.x = tensor_data(x), s.grid = tensor_data(points), s.y = tensor_data(gy);
        s.dx = tensor_data(dx), s.dgrid = tensor_data(dp);
        if (dx->numel)
            memset(tensor_data(dx), 0, (size_t)dx->numel * dtype_size(work));
        if (dp->numel)
            threads_for(s.N, work == FL_FLOAT64 ? backward_task_f64 : backward_task_f32, &s);
        status = tensor_copy(dinput, dx) || tensor_copy(dgrid, dp) ? -1 : 0;
    }
    tensor_release(x), tensor_release(points), tensor_release(gy), tensor_release(dx),
        tensor_release(dp);
    return status;
}

int grid_sampler_compose(fl_tensor *input, fl_tensor *grid, int64_t mode, int64_t padding,
                         bool align_corners, fl_tensor **y)
{
    *y = input->ndim == 5 ? fl_grid_sampler_3d(input, grid, mode, padding, align_corners)
                          : fl_grid_sampler_2d(input, grid, mode, padding, align_corners);
    return *y ? 0 : -1;
}

/* ---- The grid of an affine map --------------------------------------------------------------- */

/* n coordinates from -1 to 1: of the corners, or of the middles of n cells. */
static fl_tensor *coordinates(const fl_tensor *theta, int64_t n, bool align_corners)
{
    if (n <= 1)
        return fl_zeros((fl_ints){&n, 1}, (fl_dtype)theta->dtype, (fl_device){-1, 0}, false);
    fl_tensor *t = fl_linspace(fl_float(-1), fl_float(1), n, (fl_dtype)theta->dtype,
                               (fl_device){-1, 0}, false);
    return align_corners ? t : fl_div_scalar(fl_mul_scalar(t, fl_int(n - 1)), fl_int(n));
}

/* The matrices times (x, y, z..., 1) of every point: coordinate k of a point varies along dim n - 1 - k
 * of the grid. */
int affine_grid_generator_compose(fl_tensor *theta, fl_ints size, bool align_corners, fl_tensor **y)
{
    char text[128], want[128];
    int n = (int)size.count - 2;
    if (n != 2 && n != 3)
        return error_set(
            FL_NOT_IMPLEMENTED,
            "affine_grid_generator needs 4d (spatial) or 5d (volumetric) input: a size "
            "(N, C, H, W) or (N, C, D, H, W), but got one of %lld numbers",
            (long long)size.count);
    const int64_t N = size.data[0], *out = size.data + 2;
    if (theta->ndim != 3 || theta->sizes[0] != N || theta->sizes[1] != n ||
        theta->sizes[2] != n + 1)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected a batch of %dD affine matrices of shape Nx%dx%d for size %s. "
                         "Got %s.",
                         n, n, n + 1, shape_text(want, sizeof want, (int)size.count, size.data),
                         shape_text(text, sizeof text, theta->ndim, theta->sizes));
    int64_t P = 1, grid[5] = {N};
    for (int d = 0; d < n; d++)
        P *= out[d], grid[d + 1] = out[d];
    grid[n + 1] = n;
    fl_tensor *list[4];
    for (int k = 0; k < n; k++) {
        int64_t along[3] = {1, 1, 1};
        along[n - 1 - k] = out[n - 1 - k];
        fl_tensor *t =
            fl_view(coordinates(theta, out[n - 1 - k], align_corners), (fl_ints){along, n});
        if (!(list[k] = fl_expand(t, (fl_ints){out, n}, false)))
            return -1;
    }
    list[n] = fl_ones_like(list[0], FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    if (!list[n])
        return -1;
    int64_t points[] = {1, P, n + 1}, batch[] = {N, P, n + 1};
    fl_tensor *base = fl_reshape(fl_stack((fl_tensors){list, n + 1}, -1), (fl_ints){points, 3});
    fl_tensor *product =
        fl_bmm(fl_expand(base, (fl_ints){batch, 3}, false), fl_transpose(theta, 1, 2));
    *y = fl_view(product, (fl_ints){grid, n + 2});
    return *y ? 0 : -1;
}
