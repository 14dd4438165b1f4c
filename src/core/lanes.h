/* Lanes: hidden dims of a tensor, one for each vmap at work.
 *
 * A tensor with lanes shows the sizes of one sample, and its memory from the first sample on; a lane
 * says how many samples there are and how far apart they lie (0: all are the same). So a view of
 * such a tensor is that view of its first sample, with the same lanes. Operators compute on all
 * samples at once: ops/batch.c shows them the lanes as leading dims.
 */
#ifndef FLAMBEAU_CORE_LANES_H
#define FLAMBEAU_CORE_LANES_H

#include "core/tensor.h"

enum { LANES_MAX = 8 };

struct lane {
    uint32_t id; /* of the vmap; never used again */
    int64_t size, stride;
};
struct lanes {
    int count;
    struct lane lane[LANES_MAX]; /* by rising id */
};

/* How many tensors have lanes, in all threads. */
extern _Atomic int64_t lanes_alive;

/* t's lane of that id, or NULL. */
const struct lane *lanes_find(const struct lanes *lanes, uint32_t id);
/* Adds a lane to a set that has none of its id. -1 with the error set when there are too many. */
int lanes_insert(struct lanes *lanes, struct lane lane);
void lanes_erase(struct lanes *lanes, uint32_t id);

/* Gives t these lanes in the place of those it has; NULL or empty: none. -1 when memory is out. */
int lanes_set(fl_tensor *t, const struct lanes *lanes);
/* Gives t, which has no lanes, these, all samples of which are the same. */
int lanes_spread(fl_tensor *t, const struct lanes *lanes);
/* A handle without lanes on t's memory: first a dim for each lane of `all` (of size 1 where t has it
 * not, or of stride 0 where `expand`), then dims of size 1 up to `ndim` more, then t's own. */
fl_tensor *lanes_show(const fl_tensor *t, const struct lanes *all, int ndim, bool expand);
/* A new uninitialised tensor of these sizes and strides, with lanes of those sizes, on a device. */
fl_tensor *lanes_new(const struct lanes *like, struct device *d, int ndim, const int64_t *sizes,
                     const int64_t *strides, int dtype);
/* Makes the first dims of t, which has no lanes, the lanes that `all` names. */
int lanes_hide(fl_tensor *t, const struct lanes *all);

#endif
