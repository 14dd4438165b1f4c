/* Where calls run: the device of their tensors, and what happens where an operator has no kernel there. */
#ifndef FLAMBEAU_OPS_PLACE_H
#define FLAMBEAU_OPS_PLACE_H

#include "core/device.h"
#include "ops/op.h"

/* The device of the tensors among `count` values: of those elsewhere, which take 0-dim tensors of
 * the CPU beside them; where there is none, the thread's own. NULL with PyTorch's refusal of a mix.
 * Asked only where device_others. */
struct device *place_of(const fl_op *f, int count, const fl_value *values);
/* That refusal: NULL, with the error set. */
struct device *place_refuse(const struct device *expected, const struct device *found);
/* Whether f looks at values of arguments that are elsewhere: the paragraph says so, or there is a
 * mask among indices, whose true ones are counted. */
bool place_looks(const fl_op *f, const fl_value *args);
/* Whether any of the values is a tensor elsewhere. */
bool place_is_elsewhere(int count, const fl_value *values);
/* Makes the device of the values' tensors the thread's own, where there are any; the caller puts back
 * device_default. */
void place_follow(int count, const fl_value *values);
/* place_masks.c. Calls op, of which place_looks: with the positions of masks in their place, or on the
 * host. */
int place_look(const fl_op *op, const fl_value *args, fl_value *results);
/* How many elements of t, which is elsewhere and has values, are not zero; -1 with the error. */
int64_t place_count(const fl_tensor *t);
/* Refuses, as PyTorch does, to look at values that are not there: -1. */
int place_refuse_meta(const fl_op *f);
/* Calls op on copies of its arguments on the CPU and brings its results back, all of it recorded. */
int place_on_host(const fl_op *op, const fl_value *args, fl_value *results);
/* A kernel whose arguments or results (NULL: of one that writes) are elsewhere. */
int place_kernel(const fl_op *f, const fl_value *args, fl_tensor **y);
/* Warns, the first time for each operator, that it runs on the CPU. 0, or -1 where that is an
 * error. */
int place_warn(const fl_op *f, const struct device *d);
/* The same values with tensors elsewhere replaced by copies for the host, which place_drop releases.
 */
struct place_copies {
    fl_value value[OP_PARAMS];
    fl_tensor **list[OP_PARAMS]; /* new references; NULL: the value is as it was */
};
int place_copy(const fl_op *f, const fl_value *args, struct place_copies *c);
void place_drop(const fl_op *f, struct place_copies *c);

#endif
