/* Convolutions of complex numbers as three real ones (Gauss's product): with p and q those of the
 * real and of the imaginary parts, and s that of the sums of both, the result is p - q and
 * s - p - q. It serves the three kernels alike, which are linear in either tensor. */
#include "ops/conv/conv_complex.h"

#include "ops_kernels.h"

enum part { REAL, IMAGINARY, SUM };

/* A part of t, or the sum of both, as a real tensor. */
static fl_tensor *part_of(const fl_tensor *t, enum part part)
{
    fl_tensor *plain = tensor_contiguous(t);
    fl_tensor *y = plain ? tensor_new(t->ndim, t->sizes, dtype_real(t->dtype)) : NULL;
    for (int64_t i = 0; y && i < y->numel; i++) {
        if (y->dtype == FL_FLOAT32) {
            const float *x = (const float *)tensor_data(plain) + 2 * i;
            ((float *)tensor_data(y))[i] = part == SUM ? x[0] + x[1] : x[part];
        } else {
            const double *x = (const double *)tensor_data(plain) + 2 * i;
            ((double *)tensor_data(y))[i] = part == SUM ? x[0] + x[1] : x[part];
        }
    }
    tensor_release(plain);
    return y;
}

static int run(const struct conv_complex *c, fl_tensor *a, fl_tensor *b, fl_tensor *bias,
               fl_tensor *y)
{
    switch (c->which) {
    case CONV_FORWARD:
        return conv2d_cpu(a, b, bias, c->stride, c->padding, c->dilation, c->groups, y);
    case CONV_BACKWARD_INPUT:
        return conv2d_backward_input_cpu(a, c->size, b, c->stride, c->padding, c->dilation,
                                         c->groups, y);
    default:
        return conv2d_backward_weight_cpu(a, b, c->size, c->stride, c->padding, c->dilation,
                                          c->groups, y);
    }
}

/* y = p - q and s - p - q, where the bias is a part of p and of s. */
static int join(const fl_tensor *p, const fl_tensor *q, const fl_tensor *s, fl_tensor *y)
{
    fl_tensor *both = tensor_new(y->ndim, y->sizes, y->dtype);
    for (int64_t i = 0; both && i < both->numel; i++) {
        if (p->dtype == FL_FLOAT32) {
            float a = ((float *)tensor_data(p))[i], b = ((float *)tensor_data(q))[i];
            float *to = (float *)tensor_data(both) + 2 * i;
            to[0] = a - b, to[1] = ((float *)tensor_data(s))[i] - a - b;
        } else {
            double a = ((double *)tensor_data(p))[i], b = ((double *)tensor_data(q))[i];
            double *to = (double *)tensor_data(both) + 2 * i;
            to[0] = a - b, to[1] = ((double *)tensor_data(s))[i] - a - b;
        }
    }
    int status = both ? tensor_copy(y, both) : -1;
    tensor_release(both);
    return status;
}

int conv_complex(const struct conv_complex *c, fl_tensor *a, fl_tensor *b, fl_tensor *bias,
                 fl_tensor *y)
{
    fl_tensor *product[3] = {NULL};
    int status = 0;
    for (int part = REAL; status == 0 && part <= SUM; part++) {
        fl_tensor *x = part_of(a, part), *w = part_of(b, part);
        fl_tensor *more = bias && part != IMAGINARY ? part_of(bias, part) : NULL;
        product[part] = tensor_new(y->ndim, y->sizes, dtype_real(y->dtype));
        bool ready = x && w && product[part] && (more || !bias || part == IMAGINARY);
        status = ready ? run(c, x, w, more, product[part]) : -1;
        tensor_release(x), tensor_release(w), tensor_release(more);
    }
    if (status == 0)
        status = join(product[REAL], product[IMAGINARY], product[SUM], y);
    for (int part = REAL; part <= SUM; part++)
        tensor_release(product[part]);
    return status;
}
