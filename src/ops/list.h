/* Lists of tensors that operators return. */
#ifndef FLAMBEAU_OPS_LIST_H
#define FLAMBEAU_OPS_LIST_H

#include <stddef.h>

#include "ops/op.h"

/* A list of tensors knows whether a scope has taken them. */
struct op_list {
    bool adopted;
    fl_tensor *tensor[];
};

static inline size_t list_bytes(int64_t count)
{
    return sizeof(struct op_list) + sizeof(fl_tensor *) * (size_t)count;
}

static inline struct op_list *list_of(const fl_value *y)
{
    return (struct op_list *)((char *)(uintptr_t)y->as.tensors - offsetof(struct op_list, tensor));
}

#endif
