/* A tensor as lines along one dim. */
#ifndef FLAMBEAU_OPS_SORT_LINES_H
#define FLAMBEAU_OPS_SORT_LINES_H

#include "core/tensor.h"

struct line {
    char *data;
    int64_t n, stride; /* in bytes */
    int dtype;
};

struct lines {
    char *data;
    int dtype, ndim;
    int64_t n, stride, count;
    int64_t sizes[TENSOR_MAX_DIMS],
        strides[TENSOR_MAX_DIMS]; /* of the other dims, strides in bytes */
};

/* Lines of t along a dim; along -1 each element is a line of its own. A 0-dim tensor is one line of
 * one element. */
struct lines lines_of(const fl_tensor *t, int dim);
struct line line_at(const struct lines *l, int64_t number);

#endif
