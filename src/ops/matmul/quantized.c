/* A linear layer whose weight is int8 and whose input is made integers as it comes. */
#include "ops/matmul/quantized.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/op.h"
#include "ops_kernels.h"

int quantized_linear_dynamic_shape(fl_tensor *self, fl_tensor *weight, fl_tensor *weight_scale,
                                   fl_tensor *bias, bool reduce_range, struct op_shape *y)
{
    (void)weight_scale, (void)bias, (void)reduce_range;
    op_shape_like(y, self);
    y->sizes[y->ndim - 1] = weight->sizes[0];
    return 0;
}

/* The scale of a range that has 0 in it, and the step that 0 becomes: from the end of the range where
 * it is told more exactly. A scale of which a float has no inverse becomes 0.1; a small one as much as
 * PyTorch lets it. */
static double steps_of_range(double low, double high, struct quantized_steps *s)
{
    const double least = 6.1e-5f;
    double scale = (high - low) / s->top;
    if ((float)scale == 0 || isinf(1 / (float)scale))
        scale = 0.1;
    if (scale < least) {
        if (low == 0)
            high = (float)(least * s->top);
        else if (high == 0)
            low = -(float)(least * s->top);
        else
            low = (float)(low * (least / scale)), high = (float)(high * (least / scale));
        scale = least;
    }
    const bool from_low = fabs(low / scale) < s->top + fabs(high / scale);
    const double zero = nearbyint(from_low ? -low / scale : s->top - high / scale);
    s->zero = zero > 0 ? zero < s->top ? (int)zero : s->top : 0;
    s->inverse = 1 / (float)scale;
    return scale;
}

/* ---- the product ---- */

struct job {
    const struct quantized_kernels *kernels;
    struct quantized_steps steps;
    int64_t rows, columns, outputs;
    const float *x, *bias; /* bias: NULL, or one for each output */
    const int8_t *weight;
    int16_t *stepped; /* x in steps */
    int16_t *wide;    /* the weight, as the products take it */
    float scale, *y;
};

enum { CHUNK = 1 << 14 }; /* numbers of x; products of an output take about as long */

static void make_steps(void *context, int64_t chunk)
{
    const struct job *j = context;
    const int64_t at = chunk * CHUNK, left = j->rows * j->columns - at;
    j->kernels->steps(&j->steps, left < CHUNK ? left : CHUNK, j->stepped + at, j->x + at);
}

static void make_output(void *context, int64_t output)
{
    const struct job *j = context;
    int16_t *w = j->wide + output * j->columns;
    j->kernels->widen(j->columns, w, j->weight + output * j->columns);
    for (int64_t r = 0; r < j->rows; r += QUANTIZED_ROWS) {
        const int rows = (int)(j->rows - r < QUANTIZED_ROWS ? j->rows - r : QUANTIZED_ROWS);
        int64_t sums[QUANTIZED_ROWS] = {0};
        for (int64_t k = 0; k < j->columns; k += QUANTIZED_STRETCH) {
            const int64_t left = j->columns - k;
            j->kernels->dots(rows, left < QUANTIZED_STRETCH ? left : QUANTIZED_STRETCH,
                             j->stepped + r * j->columns + k, j->columns, w + k, sums);
        }
        for (int i = 0; i < rows; i++) {
            const float y = (float)sums[i] * j->scale;
            j->y[(r + i) * j->outputs + output] = j->bias ? y + j->bias[output] : y;
        }
    }
}

static int run(struct job *j)
{
    const size_t inputs = (size_t)(j->rows * j->columns),
                 weights = (size_t)(j->outputs * j->columns);
    j->stepped = memory_alloc((inputs + weights + 1) * sizeof *j->stepped); /* there may be none */
    if (!j->stepped)
        return -1;
    j->wide = j->stepped + inputs;
    threads_for(((int64_t)inputs + CHUNK - 1) / CHUNK, make_steps, j);
    threads_for(j->outputs, make_output, j);
    memory_free(j->stepped, (inputs + weights + 1) * sizeof *j->stepped);
    return 0;
}

int quantized_linear_dynamic_cpu(fl_tensor *self, fl_tensor *weight, fl_tensor *weight_scale,
                                 fl_tensor *bias, bool reduce_range, fl_tensor *y)
{
    if (!y->numel)
        return 0;
    fl_tensor *x = tensor_contiguous(self), *w = tensor_contiguous(weight),
              *b = bias ? tensor_contiguous(bias) : NULL;
    int status = x && w && (b || !bias) ? 0 : -1;
    if (status == 0) {
        struct job j = {.kernels = ISA_PICK(quantized_kernels),
                        .steps.top = reduce_range ? 127 : 255,
                        .rows = y->numel / weight->sizes[0],
                        .columns = weight->sizes[1],
                        .outputs = weight->sizes[0],
                        .x = tensor_data(x),
                        .bias = b ? tensor_data(b) : NULL,
                        .weight = tensor_data(w),
                        .y = tensor_data(y)};
        float low = 0, high = 0;
        if (!j.kernels->range(x->numel, j.x, &low, &high)) {
            status =
                error_set(FL_RUNTIME_ERROR,
                          "In ChooseQuantizationParams, min should be less than or equal to max");
        } else {
            const double scale = steps_of_range(low, high, &j.steps);
            j.scale = (float)scale * *(const float *)tensor_data(weight_scale);
            status = run(&j);
        }
    }
    tensor_release(x), tensor_release(w), tensor_release(b);
    return status;
}
