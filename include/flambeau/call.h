/* How the functions of flambeau/ops.h call their operators: each writes its arguments into values
 * and goes through fl_call. For ops.h alone.
 *
 * A program outside finds an operator by name once and keeps it; inside the library
 * (FLAMBEAU_INTERNAL) the descriptor is named directly. Valid C11 and C++17.
 */
#ifndef FLAMBEAU_CALL_H
#define FLAMBEAU_CALL_H

#include "flambeau/base.h"

#ifdef FLAMBEAU_INTERNAL
#define FL_OPS_FIND(id, name)                                                                      \
    extern const fl_op id __attribute__((visibility("hidden")));                                   \
    const fl_op *const op = &id
#define fl_ops_null(function, parameter) ((void)0) /* whoever made the NULL said why */
#else
#define FL_OPS_FIND(id, name)                                                                      \
    static const fl_op *found;                                                                     \
    const fl_op *const op = fl_ops_find(&found, name)
#define fl_ops_null(function, parameter) (void)fl_null_argument(function, parameter)
static inline const fl_op *fl_ops_find(const fl_op **found, const char *name)
{
    const fl_op *op = __atomic_load_n(found, __ATOMIC_RELAXED);
    if (!op) {
        op = fl_op_find(name);
        __atomic_store_n(found, op, __ATOMIC_RELAXED);
    }
    return op;
}
#endif

static inline fl_value fl_ops_int(const int64_t *i)
{
    return i ? fl_int(*i) : fl_none();
}
static inline fl_value fl_ops_float(const double *f)
{
    return f ? fl_float(*f) : fl_none();
}
static inline fl_value fl_ops_bool(int b)
{
    return b < 0 ? fl_none() : fl_boolean(b != 0);
}
static inline fl_value fl_ops_enum(int i)
{
    return i < 0 ? fl_none() : fl_int(i);
}
static inline fl_value fl_ops_ints(fl_ints list)
{
    fl_value v = fl_none();
    if (list.data || list.count)
        v.tag = FL_INTS, v.count = (uint32_t)list.count, v.as.ints = list.data;
    return v;
}
static inline fl_value fl_ops_floats(fl_floats list)
{
    fl_value v = fl_none();
    if (list.data || list.count)
        v.tag = FL_FLOATS, v.count = (uint32_t)list.count, v.as.floats = list.data;
    return v;
}
static inline fl_value fl_ops_tensors(fl_tensors list)
{
    fl_value v = fl_none();
    v.tag = FL_TENSORS, v.count = (uint32_t)list.count, v.as.tensors = list.data;
    return v;
}
static inline fl_value fl_ops_dtype(fl_dtype dtype)
{
    fl_value v = fl_none();
    if (dtype != FL_NO_DTYPE)
        v.tag = FL_DTYPE, v.as.i = dtype;
    return v;
}
static inline fl_value fl_ops_device(fl_device device)
{
    fl_value v = fl_none();
    if (device.kind >= 0)
        v.tag = FL_DEVICE, v.as.device = device;
    return v;
}
static inline fl_value fl_ops_string(const char *string)
{
    fl_value v = fl_none();
    if (string)
        v.tag = FL_STRING, v.as.string = string;
    return v;
}
static inline fl_value fl_ops_generator(fl_generator *generator)
{
    fl_value v = fl_none();
    if (generator)
        v.tag = FL_GENERATOR, v.as.generator = generator;
    return v;
}
static inline fl_tensor *fl_ops_call(const fl_op *op, int nargs, const fl_value *args)
{
    fl_value y = fl_none();
    return op && fl_call(op, nargs, args, 1, &y) == 0 ? y.as.tensor : NULL;
}

#endif
