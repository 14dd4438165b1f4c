/* The gradient of as_strided, and so of what is written in place into a view: to a storage of zeros the
 * elements of g are added where the view shows them, and the base is seen there.
 *
 * Dims whose elements lie apart are one loop. Those that lie over others, as windows do, go one after the
 * other: elements are added in the CPU's order. */
#include <assert.h>

#include "device/gpu.h"

enum { MOST_STEPS = 4096 };

struct geometry {
    int ndim;
    const int64_t *sizes, *strides;
};

static struct geometry geometry_of(const fl_value *sizes, const fl_value *strides)
{
    assert(sizes->count == strides->count && sizes->count <= TENSOR_MAX_DIMS);
    return (struct geometry){(int)sizes->count, sizes->as.ints, strides->as.ints};
}

static int64_t span_of(const struct geometry *a)
{
    int64_t last = 0;
    for (int d = 0; d < a->ndim; d++) {
        if (a->sizes[d] == 0)
            return 0;
        last += (a->sizes[d] - 1) * a->strides[d];
    }
    return last + 1;
}

/* A view's dims in two: those of the loop, with g's strides there, and those that go step by step. */
struct split {
    int ndim, steps;
    int64_t sizes[TENSOR_MAX_DIMS], view[TENSOR_MAX_DIMS], g[TENSOR_MAX_DIMS];
    int64_t step_sizes[TENSOR_MAX_DIMS], step_view[TENSOR_MAX_DIMS], step_g[TENSOR_MAX_DIMS];
    int64_t count; /* of steps */
};

static void split_dims(const struct geometry *a, struct split *s)
{
    int64_t dense = 1;
    *s = (struct split){.count = 1};
    for (int d = a->ndim - 1; d >= 0; d--) {
        s->sizes[s->ndim] = a->sizes[d], s->view[s->ndim] = a->strides[d], s->g[s->ndim] = dense;
        if (gpu_lies_apart(s->ndim + 1, s->sizes, s->view)) {
            s->ndim++;
        } else {
            s->step_sizes[s->steps] = a->sizes[d], s->step_view[s->steps] = a->strides[d];
            s->step_g[s->steps++] = dense;
            s->count *= a->sizes[d] <= MOST_STEPS ? a->sizes[d] : MOST_STEPS + 1;
            if (s->count > MOST_STEPS)
                return;
        }
        dense *= a->sizes[d];
    }
}

/* view += g over the dims of the loop. */
static int add(struct gpu_call *c, const struct split *s, const char *view, const char *g)
{
    static const char TEXT[] =
        "FL_KERNEL(k_add_strided, FL_OUT FL_IN(0) FL_IN(1))\n{\n    FL_EACH(i) {\n        "
        "FL_STORE(i, FL_LOAD(0, i) + FL_LOAD(1, i));\n    }\n}\n";
    const enum compute compute = compute_of(c->dtype);
    const struct iterate_operand into = {.data = (void *)(uintptr_t)view,
                                         .sizes = s->sizes,
                                         .strides = s->view,
                                         .ndim = s->ndim,
                                         .dtype = c->dtype,
                                         .compute = compute};
    struct iterate_operand operand[] = {into, into, into};
    operand[2].data = (void *)(uintptr_t)g, operand[2].strides = s->g;
    return gpu_pointwise(&c->g->device, &(struct device_loop){.name = c->name,
                                                              .text = TEXT,
                                                              .ndim = s->ndim,
                                                              .sizes = s->sizes,
                                                              .operands = 3,
                                                              .operand = operand,
                                                              .compute = compute});
}

static int add_all(struct gpu_call *c, const struct split *s, const char *view, const char *g)
{
    const int64_t size = (int64_t)dtype_size(c->dtype);
    int status = 0;
    for (int64_t i = 0; i < s->count && status == 0; i++) {
        int64_t to = 0, from = 0, left = i;
        for (int d = 0; d < s->steps; d++) { /* the innermost first */
            const int64_t at = left % s->step_sizes[d];
            to += at * s->step_view[d], from += at * s->step_g[d];
            left /= s->step_sizes[d];
        }
        status = add(c, s, view + to * size, g + from * size);
    }
    return status;
}

/* _as_strided_backward(g, base_size, base_stride, base_offset, size, stride, storage_offset). */
int gpu_as_strided_backward(struct gpu_call *c)
{
    const fl_tensor *g = gpu_tensor(c, 0);
    const struct geometry base = geometry_of(&c->args[1], &c->args[2]);
    const struct geometry view = geometry_of(&c->args[4], &c->args[5]);
    const int64_t base_at = c->args[3].as.i;
    const int64_t view_at = c->args[6].tag == FL_NONE ? base_at : c->args[6].as.i;
    const int64_t low = base_at < view_at ? base_at : view_at;
    const int64_t one = base_at - low + span_of(&base), other = view_at - low + span_of(&view);
    const int64_t elements = one > other ? one : other, zero = 0;
    struct split s;
    split_dims(&view, &s);
    if (c->y[0]->numel == 0 || g->numel == 0 || elements > INT32_MAX || s.count > MOST_STEPS ||
        !gpu_lies_apart(base.ndim, base.sizes, base.strides))
        return DEVICE_CANNOT;
    c->dtype = g->dtype == FL_FLOAT32 ? FL_FLOAT32 : FL_FLOAT64;
    const char *from = gpu_operand(c, g);
    fl_tensor *storage = tensor_new_on(&c->g->device, 1, &elements, NULL, c->dtype);
    int status = from && storage ? c->g->device.fill(&c->g->device, tensor_address(storage), &zero,
                                                     dtype_size(c->dtype), (size_t)elements)
                                 : -1;
    if (status == 0)
        status = add_all(c, &s,
                         (const char *)tensor_address(storage) +
                             (view_at - low) * (int64_t)dtype_size(c->dtype),
                         from);
    fl_tensor *shown =
        status == 0 ? tensor_alias(storage, base.ndim, base.sizes, base.strides, base_at - low)
                    : NULL;
    if (status == 0)
        status = shown ? tensor_copy(c->y[0], shown) : -1;
    tensor_release(shown), tensor_release(storage);
    return status;
}
