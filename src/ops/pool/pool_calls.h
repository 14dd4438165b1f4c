/* A pool's arguments as read from a call and checked: shared by those of one to three spatial dims.
 */
#ifndef FLAMBEAU_OPS_POOL_POOL_CALLS_H
#define FLAMBEAU_OPS_POOL_POOL_CALLS_H

#include "core/tensor.h"

enum { POOL_DIMS = 3 };

/* One of each for a spatial dim; the last one stands last, those that a call has not do nothing. */
struct pool_sizes {
    int64_t kernel[POOL_DIMS], stride[POOL_DIMS], padding[POOL_DIMS], dilation[POOL_DIMS];
};
int pool_sizes_of(const char *what, fl_ints kernel, fl_ints stride, fl_ints padding,
                  fl_ints dilation, int spatial, struct pool_sizes *p);
int pool_output_sizes(const char *what, fl_ints output_size, int spatial, int64_t *out);

/* t with a batch dim, and of one spatial dim with a second: four dims, or five of three spatial
 * ones; NULL with the error set where it has not the dims. And back. */
fl_tensor *pool_batched(const char *what, fl_tensor *t, int spatial);
fl_tensor *pool_own_dims(fl_tensor *y, const fl_tensor *t, int spatial);

#endif
