/* Rows of tables, as embedding and embedding_bag add them. */
#ifndef FLAMBEAU_OPS_LOSS_GATHER_H
#define FLAMBEAU_OPS_LOSS_GATHER_H

#include "core/tensor.h"

/* Row k of `to` += row i of `from` times scale: rows of n elements, of contiguous tensors that are
 * both float32 or both float64. */
void gather_add_row(const fl_tensor *from, int64_t i, fl_tensor *to, int64_t k, int64_t n,
                    double scale);

#endif
