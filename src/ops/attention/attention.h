/* What the fused kernel of attention takes. */
#ifndef FLAMBEAU_OPS_ATTENTION_ATTENTION_H
#define FLAMBEAU_OPS_ATTENTION_ATTENTION_H

#include <stdbool.h>

#include "core/tensor.h"

/* Whether these are of one floating dtype and one batch shape, have elements, and the mask (bool or
 * of their dtype, or NULL) broadcasts to the scores. */
bool attention_fits(const fl_tensor *query, const fl_tensor *key, const fl_tensor *value,
                    const fl_tensor *mask);

#endif
