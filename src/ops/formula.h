/* What the operators' descriptors are written with (opgen's ops_table.c): an argument as the C type
 * of its parameter, a C value as an argument, and the words that formulas have for tensors.
 *
 * The door has completed the arguments: each has its parameter's tag, or FL_NONE where the
 * parameter is optional. What a function makes here is the caller's to release.
 */
#ifndef FLAMBEAU_OPS_FORMULA_H
#define FLAMBEAU_OPS_FORMULA_H

#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "ops/op.h"

/* A table need not use all of what follows; Clang says so of inline functions too. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

/* ---- Arguments as C types ---- */

static inline bool is_number_value(fl_value v)
{
    return value_is_number(&v);
}
static inline fl_tensor *tensor_of(fl_value v)
{
    assert(v.tag == FL_TENSOR || v.tag == FL_NONE);
    return v.tag == FL_TENSOR ? v.as.tensor : NULL;
}
static inline int64_t int_of(fl_value v)
{
    assert(is_number_value(v));
    return v.tag == FL_FLOATING ? (int64_t)v.as.f : v.as.i;
}
/* NaN where a number is not real: no comparison holds. */
static inline double float_of(fl_value v)
{
    assert(is_number_value(v) || v.tag == FL_NONE);
    return v.tag == FL_FLOATING   ? v.as.f
           : v.tag != FL_COMPLEX  ? (double)v.as.i
           : number_imag(&v) == 0 ? number_real(&v)
                                  : NAN;
}
static inline bool bool_of(fl_value v)
{
    assert(is_number_value(v));
    return v.tag == FL_COMPLEX    ? float_of(v) != 0
           : v.tag == FL_FLOATING ? v.as.f != 0
                                  : v.as.i != 0;
}
static inline int bool_or_none(fl_value v)
{
    return v.tag == FL_NONE ? -1 : bool_of(v);
}
static inline int enum_of(fl_value v)
{
    assert(v.tag == FL_INTEGER || v.tag == FL_NONE);
    return v.tag == FL_NONE ? -1 : (int)v.as.i;
}
static inline fl_dtype dtype_of(fl_value v)
{
    assert(v.tag == FL_DTYPE || v.tag == FL_NONE);
    return v.tag == FL_DTYPE ? (fl_dtype)v.as.i : FL_NO_DTYPE;
}
static inline const char *string_of(fl_value v)
{
    assert(v.tag == FL_STRING || v.tag == FL_NONE);
    return v.tag == FL_STRING ? v.as.string : NULL;
}
static inline fl_generator *generator_of(fl_value v)
{
    assert(v.tag == FL_GENERATOR || v.tag == FL_NONE);
    return v.tag == FL_GENERATOR ? v.as.generator : NULL;
}
static inline fl_device device_of(fl_value v)
{
    assert(v.tag == FL_DEVICE || v.tag == FL_NONE);
    return v.tag == FL_DEVICE ? v.as.device : (fl_device){-1, 0};
}
static inline fl_tensors tensors_of(fl_value v)
{
    assert(v.tag == FL_TENSORS || v.tag == FL_NONE);
    return v.tag == FL_TENSORS ? (fl_tensors){v.as.tensors, v.count} : (fl_tensors){NULL, 0};
}
static inline fl_floats floats_of(fl_value v)
{
    assert(v.tag == FL_FLOATS || v.tag == FL_NONE);
    return v.tag == FL_FLOATS ? (fl_floats){v.as.floats, v.count} : (fl_floats){NULL, 0};
}
/* One int stands for `size` of them; `room` holds those. An empty list has data that is not NULL. */
static inline fl_ints ints_of(fl_value v, int size, int64_t *room)
{
    assert(v.tag == FL_INTS || v.tag == FL_INTEGER || v.tag == FL_NONE);
    assert(size >= 1);
    if (v.tag == FL_INTS)
        return (fl_ints){v.as.ints ? v.as.ints : room, v.count};
    if (v.tag != FL_INTEGER)
        return (fl_ints){NULL, 0};
    for (int i = 0; i < size; i++)
        room[i] = v.as.i;
    return (fl_ints){room, size};
}
static inline fl_value none(void)
{
    return (fl_value){.tag = FL_NONE};
}
static inline fl_value tensor_value(fl_tensor *t)
{
    return t ? (fl_value){.tag = FL_TENSOR, .as.tensor = t} : none();
}
static inline fl_value int_value(int64_t i)
{
    return (fl_value){.tag = FL_INTEGER, .as.i = i};
}
static inline fl_value float_value(double f)
{
    return (fl_value){.tag = FL_FLOATING, .as.f = f};
}
static inline fl_value bool_value(bool b)
{
    return (fl_value){.tag = FL_BOOLEAN, .as.i = b};
}
static inline fl_value dtype_value(int d)
{
    return (fl_value){.tag = d < 0 ? FL_NONE : FL_DTYPE, .as.i = d};
}
static inline fl_value string_value(const char *s)
{
    assert(s);
    return (fl_value){.tag = FL_STRING, .count = (uint32_t)strlen(s), .as.string = s};
}
static inline fl_value ints_value(const int64_t *data, int64_t count)
{
    assert(count >= 0 && (data || count == 0));
    return (fl_value){.tag = FL_INTS, .count = (uint32_t)count, .as.ints = data};
}
static inline fl_value floats_value(const double *data, int64_t count)
{
    assert(count >= 0 && (data || count == 0));
    return (fl_value){.tag = FL_FLOATS, .count = (uint32_t)count, .as.floats = data};
}
static inline fl_value tensors_value(fl_tensor *const *data, int64_t count)
{
    assert(count >= 0 && (data || count == 0));
    return (fl_value){.tag = FL_TENSORS, .count = (uint32_t)count, .as.tensors = data};
}
/* What a composite returns belongs to its scope. */
static inline int adopt(fl_value *v)
{
    if (v->tag == FL_TENSOR)
        return op_adopt(v->as.tensor) ? 0 : -1;
    for (uint32_t i = 0; v->tag == FL_TENSORS && i < v->count; i++)
        if (v->as.tensors[i] && !op_adopt(v->as.tensors[i]))
            return -1;
    return 0;
}
static inline fl_value hold(fl_value v)
{
    if (v.tag == FL_TENSOR)
        fl_retain(v.as.tensor);
    return v;
}
/* Lets the scope hold a temporary too: vmap finds there what a composite may write for all samples. */
static inline int show_scope(fl_value v)
{
    v = hold(v);
    return adopt(&v);
}

/* ---- What formulas say of tensors and numbers ---- */

static inline fl_value sizes_of(fl_value v)
{
    return v.tag == FL_TENSOR ? ints_value(v.as.tensor->sizes, v.as.tensor->ndim)
                              : ints_value(NULL, 0);
}
static inline fl_value strides_of(fl_value v)
{
    return v.tag == FL_TENSOR ? ints_value(v.as.tensor->strides, v.as.tensor->ndim)
                              : ints_value(NULL, 0);
}
static inline int64_t ndim_of(fl_value v)
{
    return v.tag == FL_TENSOR ? v.as.tensor->ndim : 0;
}
static inline int64_t numel_of(fl_value v)
{
    return v.tag == FL_TENSOR ? v.as.tensor->numel : 1;
}
static inline int64_t offset_of(fl_value v)
{
    return v.tag == FL_TENSOR ? v.as.tensor->offset : 0;
}
static inline int dtype_in(fl_value v)
{
    return v.tag == FL_TENSOR ? v.as.tensor->dtype : FL_NO_DTYPE;
}
static inline bool is_floating(int dtype)
{
    return dtype >= 0 && dtype_is_floating(dtype);
}
static inline bool is_complex(int dtype)
{
    return dtype >= 0 && dtype_is_complex(dtype);
}
static inline const char *title_of(int dtype)
{
    return dtype >= 0 ? dtype_title(dtype) : "None";
}
static inline const char *dtype_word(int dtype)
{
    return dtype >= 0 ? fl_dtype_name((fl_dtype)dtype) : "None";
}
static inline bool same_string(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}
static inline int64_t divide(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? -a : a / b;
}
static inline int64_t modulo(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}
static inline fl_value number_arithmetic(char sign, fl_value a, fl_value b)
{
    assert(is_number_value(a) && is_number_value(b));
    assert(strchr("+-*/", sign));
    if (a.tag <= FL_INTEGER && b.tag <= FL_INTEGER && sign != '/')
        return int_value(sign == '+'   ? a.as.i + b.as.i
                         : sign == '-' ? a.as.i - b.as.i
                                       : a.as.i * b.as.i);
    if (a.tag == FL_COMPLEX || b.tag == FL_COMPLEX)
        return number_complex(sign, &a, &b);
    double x = float_of(a), y = float_of(b);
    return float_value(sign == '+' ? x + y : sign == '-' ? x - y : sign == '*' ? x * y : x / y);
}
/* ---- Lists: an index counts from the end where it is negative ---- */

/* 1 where there is none: the size of a dim that is not there. */
static inline int64_t int_at(fl_value list, int64_t i)
{
    assert(list.tag == FL_INTS || list.tag == FL_INTEGER || list.tag == FL_NONE);
    if (list.tag == FL_INTEGER)
        return list.as.i;
    const int64_t k = i < 0 ? i + list.count : i;
    return list.tag == FL_INTS && k >= 0 && k < list.count ? list.as.ints[k] : 1;
}
static inline fl_value tensor_at(fl_value list, int64_t i)
{
    assert(list.tag == FL_TENSORS || list.tag == FL_NONE);
    const int64_t k = i < 0 ? i + list.count : i;
    return list.tag == FL_TENSORS && k >= 0 && k < list.count ? tensor_value(list.as.tensors[k])
                                                              : none();
}
/* How many rounds a loop below n takes. */
static inline int64_t natural(int64_t n)
{
    return n > 0 ? n : 0;
}
static inline int64_t bound_of(int64_t i, int64_t count)
{
    i = i < 0 ? i + count : i;
    return i < 0 ? 0 : i > count ? count : i;
}
/* The same memory from one index to before another. */
static inline fl_value list_part(fl_value list, int64_t from, int64_t to)
{
    assert(list.tag == FL_INTS || list.tag == FL_TENSORS || list.tag == FL_NONE);
    from = bound_of(from, list.count), to = bound_of(to, list.count);
    if (list.tag == FL_NONE)
        return list;
    if (from && list.tag == FL_INTS)
        list.as.ints += from;
    else if (from)
        list.as.tensors += from;
    list.count = (uint32_t)(to > from ? to - from : 0);
    return list;
}
static inline bool same_ints(fl_value a, fl_value b)
{
    return a.count == b.count &&
           (!a.count || memcmp(a.as.ints, b.as.ints, a.count * sizeof *a.as.ints) == 0);
}
/* Refuses more ints than a tensor has dims: -1 with the error. */
static inline int ints_room(int64_t count)
{
    return count <= TENSOR_MAX_DIMS
               ? 0
               : error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
}
/* y = a, then b, in `room`, which is of TENSOR_MAX_DIMS ints. */
static inline int join_ints(fl_value *y, int64_t *room, fl_value a, fl_value b)
{
    if (ints_room((int64_t)a.count + b.count))
        return -1;
    if (a.count)
        memcpy(room, a.as.ints, a.count * sizeof *room);
    if (b.count)
        memcpy(room + a.count, b.as.ints, b.count * sizeof *room);
    *y = ints_value(room, (int64_t)a.count + b.count);
    return 0;
}
static inline const char *ints_text(fl_value v, char *room, size_t size)
{
    return shape_text(room, size, (int)v.count, v.as.ints);
}
/* Fills a list of op_list's: v is the list's from now on. */
static inline void list_put(fl_value list, int64_t i, fl_value v)
{
    assert(i >= 0 && i < list.count);
    ((fl_tensor **)(uintptr_t)list.as.tensors)[i] = tensor_of(v);
}

/* Number as 0-dim tensor, weak in promotion; a tensor as it is, with a reference. */
static inline int as_tensor(fl_value v, fl_value *t)
{
    assert(v.tag == FL_TENSOR || v.tag == FL_NONE || is_number_value(v));
    if (v.tag == FL_TENSOR || v.tag == FL_NONE) {
        *t = hold(v);
        return 0;
    }
    *t = tensor_value(tensor_from_number(v, number_dtype(&v)));
    if (t->tag == FL_NONE)
        return -1;
    t->as.tensor->flags |= TENSOR_WRAPPED_NUMBER;
    return 0;
}
static inline void release_all(int n, fl_value *t)
{
    for (int i = 0; i < n; i++)
        if (t[i].tag == FL_TENSOR)
            tensor_release(t[i].as.tensor);
        else if (t[i].tag != FL_NONE)
            fl_value_release(&t[i]);
}

/* The same between the rounds of a loop, which fills them again. */
static inline void renew(int n, fl_value *t)
{
    release_all(n, t);
    memset(t, 0, (size_t)n * sizeof *t);
}
static inline void replace(fl_value *to, fl_value v)
{
    const fl_value old = *to;
    *to = v;
    if (old.tag == FL_TENSOR)
        tensor_release(old.as.tensor);
}

#pragma GCC diagnostic pop

#endif
