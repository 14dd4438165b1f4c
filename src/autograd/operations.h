/* The few operations on tensors that the graph itself needs. They are declared here, where they are
 * needed, and defined by src/ops (operations.c): autograd knows no operator by name. Each is an
 * ordinary call through the door, recorded when grad mode is on. A result is a new reference, NULL
 * with the error set.
 */
#ifndef FLAMBEAU_AUTOGRAD_OPERATIONS_H
#define FLAMBEAU_AUTOGRAD_OPERATIONS_H

#include "autograd/autograd.h"

fl_tensor *operation_add(fl_tensor *a, fl_tensor *b);
/* What is done with tensors whose elements are in their object (TENSOR_IN_OBJECT); whoever makes
 * such tensors sets it, and it is NULL while there are none. */
struct object_operations {
    fl_tensor *(*add)(fl_tensor *a, fl_tensor *b); /* one of them is such a tensor */
    fl_tensor *(*dense)(fl_tensor *t);
};
extern const struct object_operations *operation_in_object;
/* t with its elements in its storage. */
fl_tensor *operation_dense(fl_tensor *t);
int operation_add_(fl_tensor *a, fl_tensor *b); /* never recorded */
fl_tensor *operation_clone(fl_tensor *t);
/* A copy row by row. */
fl_tensor *operation_clone_rows(fl_tensor *t);
/* A copy of g laid out as `like` is where that is dense, else row by row. */
fl_tensor *operation_own(fl_tensor *g, const fl_tensor *like);
fl_tensor *operation_ones_like(fl_tensor *t);
fl_tensor *operation_zeros_like(fl_tensor *t);
/* t as sizes and strides over its own storage from an element offset. parts: elements are the parts
 * of t's where that is complex, pairs of t's where it is not; sizes, strides and offset count them. */
fl_tensor *operation_as_strided(fl_tensor *t, bool parts, fl_ints sizes, fl_ints strides,
                                int64_t offset);
/* The node of such a call with t = view's base and the view's geometry, made without running it. */
struct node *operation_view_node(fl_tensor *view);
int operation_copy_(fl_tensor *to, fl_tensor *from);
int operation_zero_(fl_tensor *t);
fl_tensor *operation_sum_to_size(fl_tensor *t, fl_ints sizes);
fl_tensor *operation_conj(fl_tensor *t); /* of a complex tensor */
fl_tensor *operation_cast(fl_tensor *t, int dtype);
fl_tensor *operation_move(fl_tensor *t, fl_device device); /* a copy there */
int operation_has_nan(fl_tensor *t); /* 1 or 0; -1 with the error set */

#endif
