/* Regions of feature maps: suppression of overlapping boxes, and regions brought to one size by
 * averages at exact places (RoIAlign) or maxima over whole elements (RoIPool). Forward runs a task
 * a region; backward one task, for regions overlap and sums have one order. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/threads.h"
#include "flambeau/ops/image.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/sort.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { MOST = 1 << 13 }; /* samples along a bin: more than an image has pixels, and soon taken */

struct regions {
    int64_t C, in[2], out[2], sampling;
    double scale;
    bool aligned;
    const void *rois; /* (K, 5) */
    void *x, *y;      /* (N, C, in), (K, C, out) */
    int64_t *argmax;  /* (K, C, out) */
};

static inline float up_f32(float x)
{
    return ceilf(x);
}
static inline double up_f64(double x)
{
    return ceil(x);
}
static inline float nearest_f32(float x)
{
    return roundf(x);
}
static inline double nearest_f64(double x)
{
    return round(x);
}
static const float largest_f32 = FLT_MAX;
static const double largest_f64 = DBL_MAX;

#define REAL_BITS 32
#include "ops/image/regions_loops.h"
#undef REAL_BITS
#define REAL_BITS 64
#include "ops/image/regions_loops.h"

static int work_of(const fl_tensor *t)
{
    return t->dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
}

/* ---- Suppression ----------------------------------------------------------------------------- */

int nms_compose(fl_tensor *dets, fl_tensor *scores, double iou_threshold, fl_tensor **y)
{
    if (dets->ndim != 2)
        return error_set(FL_RUNTIME_ERROR, "boxes should be a 2d tensor, got %dD", dets->ndim);
    if (dets->sizes[1] != 4)
        return error_set(FL_RUNTIME_ERROR, "boxes should have 4 elements in dimension 1, got %lld",
                         (long long)dets->sizes[1]);
    if (scores->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "scores should be a 1d tensor, got %dD", scores->ndim);
    if (dets->sizes[0] != scores->sizes[0])
        return error_set(FL_RUNTIME_ERROR,
                         "boxes and scores should have same number of elements in dimension 0, got "
                         "%lld and %lld",
                         (long long)dets->sizes[0], (long long)scores->sizes[0]);
    if (dets->dtype != scores->dtype)
        return error_set(FL_RUNTIME_ERROR, "dets should have the same type as scores");
    fl_tensor *order = fl_argsort_stable(scores, true, 0, true);
    *y = fl_masked_select(order, fl__nms_keep(dets, order, iou_threshold));
    return *y ? 0 : -1;
}

int nms_keep_shape(fl_tensor *dets, fl_tensor *order, double iou_threshold, struct op_shape *y)
{
    (void)dets, (void)iou_threshold;
    op_shape_set(y, 1, order->sizes);
    return 0;
}

int nms_keep_cpu(fl_tensor *dets, fl_tensor *order, double iou_threshold, fl_tensor *y)
{
    assert(dets->ndim == 2 && order->ndim == 1 && order->numel == dets->sizes[0]);
    int work = work_of(dets);
    fl_tensor *box = tensor_as(dets, work), *index = tensor_contiguous(order);
    if (box && index && y->numel) {
        memset(tensor_data(y), 1, (size_t)y->numel);
        if (work == FL_FLOAT64)
            suppress_f64(y->numel, tensor_data(box), tensor_data(index), iou_threshold,
                         tensor_data(y));
        else
            suppress_f32(y->numel, tensor_data(box), tensor_data(index), iou_threshold,
                         tensor_data(y));
    }
    int status = box && index ? 0 : -1;
    tensor_release(box), tensor_release(index);
    return status;
}

/* ---- Arguments of regions -------------------------------------------------------------------- */

static int check(const fl_tensor *input, const fl_tensor *rois, int64_t height, int64_t width)
{
    if (rois->ndim != 2 || rois->sizes[1] != 5)
        return error_set(FL_RUNTIME_ERROR, "rois must have shape as Tensor[K, 5]");
    if (input->ndim != 4)
        return error_set(FL_RUNTIME_ERROR, "input must have four dims (N, C, H, W), got %d",
                         input->ndim);
    if (height < 1 || width < 1)
        return error_set(FL_RUNTIME_ERROR, "output size must be positive, got %lld x %lld",
                         (long long)height, (long long)width);
    if (input->dtype != rois->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "Expected tensor for argument #1 'input' to have the same type as tensor "
                         "for argument #2 'rois'; but type %s does not equal %s",
                         dtype_title(input->dtype), dtype_title(rois->dtype));
    return 0;
}

/* Refuses a region of an image that is not there. rois is of the type of work. */
static int check_images(const fl_tensor *rois, int64_t N)
{
    for (int64_t k = 0; k < rois->sizes[0]; k++) {
        double image = rois->dtype == FL_FLOAT64
                           ? ((const double *)tensor_data(rois))[5 * k]
                           : (double)((const float *)tensor_data(rois))[5 * k];
        if (!(image > -1 && image < (double)N))
            return error_set(FL_INDEX_ERROR,
                             "region %lld is of image %g, but there are %lld images", (long long)k,
                             image, (long long)N);
    }
    return 0;
}

enum what { ALIGN, ALIGN_BACK, POOL, PICK, PICK_BACK };

struct task {
    struct regions r;
    enum what what;
    bool wide; /* double */
};

static void run_region(void *context, int64_t k)
{
    const struct task *t = context;
    bool back = t->what == ALIGN_BACK || t->what == PICK_BACK;
    if (t->what == ALIGN || t->what == ALIGN_BACK)
        t->wide ? align_region_f64(&t->r, k, back) : align_region_f32(&t->r, k, back);
    else if (t->what == POOL)
        t->wide ? pool_region_f64(&t->r, k) : pool_region_f32(&t->r, k);
    else
        t->wide ? pick_region_f64(&t->r, k, back) : pick_region_f32(&t->r, k, back);
}

/* Runs all regions. x is (N, C, H, W) and y (K, C, h, w): one is read and the other written. */
static int run(enum what what, struct regions r, fl_tensor *x, fl_tensor *y, fl_tensor *rois,
               fl_tensor *argmax)
{
    bool back = what == ALIGN_BACK || what == PICK_BACK;
    int work = work_of(x), status = -1;
    fl_tensor *to = back ? x : y, *from = back ? y : x, *box = tensor_as(rois, work);
    fl_tensor *read = tensor_as(from, work), *written = tensor_new(4, to->sizes, work);
    if (box && read && written && !check_images(box, x->sizes[0])) {
        r.C = x->sizes[1], r.in[0] = x->sizes[2], r.in[1] = x->sizes[3];
        r.out[0] = y->sizes[2], r.out[1] = y->sizes[3], r.rois = tensor_data(box);
        r.argmax = argmax ? tensor_data(argmax) : NULL;
        r.x = tensor_data(back ? written : read), r.y = tensor_data(back ? read : written);
        struct task t = {r, what, work == FL_FLOAT64};
        if (back && written->numel)
            memset(tensor_data(written), 0, (size_t)written->numel * dtype_size(work));
        if (!back && y->numel)
            threads_for(y->sizes[0], run_region, &t);
        for (int64_t k = 0; back && x->numel && k < y->sizes[0]; k++)
            run_region(&t, k);
        status = tensor_copy(to, written);
    }
    tensor_release(box), tensor_release(read), tensor_release(written);
    return status;
}

static void shape_of(struct op_shape *y, const fl_tensor *input, const fl_tensor *rois, int64_t h,
                     int64_t w)
{
    op_shape_set(y, 4, (int64_t[]){rois->sizes[0], input->sizes[1], h, w});
}

/* ---- Aligned averages ------------------------------------------------------------------------ */

int roi_align_shape(fl_tensor *input, fl_tensor *rois, double scale, int64_t h, int64_t w,
                    int64_t sampling, bool aligned, struct op_shape *y)
{
    (void)scale, (void)aligned;
    if (check(input, rois, h, w))
        return -1;
    if (sampling > MOST)
        return error_set(FL_RUNTIME_ERROR, "sampling_ratio is at most %d, got %lld", MOST,
                         (long long)sampling);
    shape_of(y, input, rois, h, w);
    return 0;
}

int roi_align_cpu(fl_tensor *input, fl_tensor *rois, double scale, int64_t h, int64_t w,
                  int64_t sampling, bool aligned, fl_tensor *y)
{
    assert(input->ndim == 4 && rois->ndim == 2 && rois->sizes[1] == 5);
    (void)h, (void)w;
    return run(ALIGN, (struct regions){.scale = scale, .sampling = sampling, .aligned = aligned},
               input, y, rois, NULL);
}

int roi_align_backward_shape(fl_tensor *g, fl_tensor *rois, fl_ints size, double scale,
                             int64_t sampling, bool aligned, struct op_shape *y)
{
    (void)g, (void)rois, (void)scale, (void)sampling, (void)aligned;
    op_shape_set(y, 4, size.data);
    return 0;
}

int roi_align_backward_cpu(fl_tensor *g, fl_tensor *rois, fl_ints size, double scale,
                           int64_t sampling, bool aligned, fl_tensor *y)
{
    assert(size.count == 4);
    (void)size;
    return run(ALIGN_BACK,
               (struct regions){.scale = scale, .sampling = sampling, .aligned = aligned}, y, g,
               rois, NULL);
}

int roi_align_like_compose(fl_tensor *self, fl_tensor *rois, fl_ints size, double scale,
                           int64_t sampling, bool aligned, fl_tensor **y)
{
    *y = fl_roi_align(self, rois, scale, size.data[2], size.data[3], sampling, aligned);
    return *y ? 0 : -1;
}

/* ---- Pooled maxima --------------------------------------------------------------------------- */

int roi_pool_shape(fl_tensor *input, fl_tensor *rois, double scale, int64_t h, int64_t w,
                   struct op_shape *y)
{
    (void)scale;
    if (check(input, rois, h, w))
        return -1;
    shape_of(&y[0], input, rois, h, w);
    shape_of(&y[1], input, rois, h, w);
    y[1].dtype = FL_INT64;
    return 0;
}

int roi_pool_cpu(fl_tensor *input, fl_tensor *rois, double scale, int64_t h, int64_t w,
                 fl_tensor *y, fl_tensor *argmax)
{
    assert(input->ndim == 4 && rois->ndim == 2 && rois->sizes[1] == 5);
    (void)h, (void)w;
    return run(POOL, (struct regions){.scale = scale}, input, y, rois, argmax);
}

int roi_pool_backward_shape(fl_tensor *g, fl_tensor *rois, fl_tensor *argmax, fl_ints size,
                            struct op_shape *y)
{
    (void)g, (void)rois, (void)argmax;
    op_shape_set(y, 4, size.data);
    y->dtype = g->dtype;
    return 0;
}

int roi_pool_backward_cpu(fl_tensor *g, fl_tensor *rois, fl_tensor *argmax, fl_ints size,
                          fl_tensor *y)
{
    assert(size.count == 4 && shape_equal(g, argmax));
    (void)size;
    fl_tensor *index = tensor_contiguous(argmax);
    int status = index ? run(PICK_BACK, (struct regions){0}, y, g, rois, index) : -1;
    tensor_release(index);
    return status;
}

int roi_pool_pick_shape(fl_tensor *self, fl_tensor *rois, fl_tensor *argmax, struct op_shape *y)
{
    (void)rois;
    op_shape_set(y, 4, argmax->sizes);
    y->dtype = self->dtype;
    return 0;
}

int roi_pool_pick_cpu(fl_tensor *self, fl_tensor *rois, fl_tensor *argmax, fl_tensor *y)
{
    fl_tensor *index = tensor_contiguous(argmax);
    int status = index ? run(PICK, (struct regions){0}, self, y, rois, index) : -1;
    tensor_release(index);
    return status;
}
