/* Calls from programs: operators found by name, arguments completed and checked, results given to
 * scopes.
 *
 * Inside the library callers pass what a descriptor wants; a program's arguments are anything.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/scope.h"
#include "device/devices.h"
#include "ops/list.h"
#include "ops_table.h"

static int by_name(const void *name, const void *row)
{
    return strcmp(name, (*(const fl_op *const *)row)->name);
}

const fl_op *fl_op_find(const char *name)
{
    if (!name)
        return error_null(FL_VALUE_ERROR, "an operator's name is needed, not NULL");
    const fl_op *const *found = bsearch(name, ops_all, (size_t)ops_count, sizeof *ops_all, by_name);
    if (found && (*found)->internal)
        found = NULL;
    return found ? *found : error_null(FL_RUNTIME_ERROR, "there is no operator named %s", name);
}

/* The tags that a parameter of each type takes (bits), and what messages call it. */
#define TAG(tag) (1u << (tag))
enum { NUMBERS = TAG(FL_BOOLEAN) | TAG(FL_INTEGER) | TAG(FL_FLOATING) | TAG(FL_COMPLEX) };
static const struct {
    uint32_t tags;
    const char *name;
} ACCEPTED[] = {
    [TYPE_TENSOR] = {TAG(FL_TENSOR), "Tensor"},
    [TYPE_OPERAND] = {TAG(FL_TENSOR) | NUMBERS, "Tensor"},
    [TYPE_TENSORS] = {TAG(FL_TENSORS), "tuple of Tensors"},
    [TYPE_INT] = {TAG(FL_INTEGER), "int"},
    [TYPE_INTS] = {TAG(FL_INTS), "tuple of ints"},
    [TYPE_FLOAT] = {TAG(FL_FLOATING), "float"},
    [TYPE_FLOATS] = {TAG(FL_FLOATS), "tuple of floats"},
    [TYPE_BOOL] = {TAG(FL_BOOLEAN), "bool"},
    [TYPE_SCALAR] = {NUMBERS, "Number"},
    [TYPE_DTYPE] = {TAG(FL_DTYPE), "dtype"},
    [TYPE_DEVICE] = {TAG(FL_DEVICE), "device"},
    [TYPE_LAYOUT] = {TAG(FL_INTEGER), "layout"},
    [TYPE_MEMORY_FORMAT] = {TAG(FL_INTEGER), "memory format"},
    [TYPE_STRING] = {TAG(FL_STRING), "str"},
    [TYPE_GENERATOR] = {TAG(FL_GENERATOR), "Generator"},
};

/* Lists come from C programs: a negative count has become a large one, and elements may be missing.
 */
static int check_list(const fl_op *f, const struct op_param *p, const fl_value *v)
{
    if (v->count > INT32_MAX || (v->count && !v->as.ints))
        return error_set(FL_VALUE_ERROR, "the list '%s' has no memory for %lld elements", p->name,
                         (long long)(int32_t)v->count);
    for (uint32_t i = 0; v->tag == FL_TENSORS && !p->elements_optional && i < v->count; i++)
        if (!v->as.tensors[i])
            return fl_null_argument(f->base, p->name);
    return 0;
}

int op_check_ints(const char *function, const struct op_param *p, int64_t count)
{
    if (count <= TENSOR_MAX_DIMS || p->unbounded)
        return 0;
    return error_set(FL_RUNTIME_ERROR,
                     "%s(): argument '%s' has %lld elements, but a tensor has at "
                     "most %d dims",
                     function, p->name, (long long)count, TENSOR_MAX_DIMS);
}

int op_check_complex(const fl_op *f, const fl_value *number)
{
    if (!number->as.floats)
        return error_set(FL_VALUE_ERROR, "%s(): a complex number without memory", f->base);
    if (f->function->accepts & ACCEPT_COMPLEX)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "value cannot be converted to type double without overflow");
}

static int check_argument(const fl_op *f, int i, const fl_value *v)
{
    const struct op_param *p = &f->param[i];
    if (v->tag == FL_NONE && p->optional)
        return 0;
    if (v->tag > FL_COMPLEX || !(ACCEPTED[p->type].tags & TAG(v->tag)))
        return error_set(FL_TYPE_ERROR, "%s(): argument '%s' (position %d) must be %s%s", f->base,
                         p->name, i + 1, ACCEPTED[p->type].name,
                         v->tag == FL_NONE ? ", not None" : "");
    if (v->tag == FL_COMPLEX)
        return op_check_complex(f, v);
    if (v->tag == FL_DTYPE && (v->as.i <= FL_NO_DTYPE || v->as.i >= FL_DTYPE_COUNT))
        return error_set(FL_TYPE_ERROR, "%lld is not a dtype", (long long)v->as.i);
    if (TAG(v->tag) & (TAG(FL_INTS) | TAG(FL_FLOATS) | TAG(FL_TENSORS)) && check_list(f, p, v))
        return -1;
    return v->tag == FL_INTS ? op_check_ints(f->base, p, v->count) : 0;
}

/* Fills in defaults and brings numbers to the tag of their parameter, as descriptors' functions
 * expect; refuses what is none of the parameter's type. */
static int complete(const fl_op *op, int count, const fl_value *given, fl_value *args)
{
    const fl_op *f = op->function;
    int outs = op->form == FORM_OUT ? f->results : 0, own = count - outs;
    if (own < 0 || own > f->params)
        return error_set(FL_TYPE_ERROR, "%s() takes at most %d arguments (%d given)", op->name,
                         f->params + outs, count);
    for (int i = 0; i < f->params; i++) {
        const struct op_param *p = &f->param[i];
        if (i < own && given[i].tag == FL_TENSOR && ACCEPTED[p->type].tags & TAG(FL_TENSOR)) {
            args[i] = given[i];
            continue;
        }
        fl_value v = i < own ? given[i] : (fl_value){.tag = FL_NONE};
        args[i] = v.tag == FL_NONE && p->has_default ? p->value : v;
        if (args[i].tag == FL_INTEGER && p->type == TYPE_FLOAT)
            args[i] = fl_float((double)args[i].as.i);
        /* A list of no sizes may have no address. */
        if (args[i].tag == FL_NONE && p->type == TYPE_INTS && !p->optional)
            args[i] = (fl_value){.tag = FL_INTS, .count = 0, .as.ints = NULL};
        uint32_t tag = args[i].tag;
        bool plain = tag != FL_NONE && tag <= FL_TENSOR && ACCEPTED[p->type].tags >> tag & 1;
        if (!plain && check_argument(f, i, &args[i]))
            return -1;
    }
    for (int k = 0; k < outs; k++) {
        args[f->params + k] = given[own + k];
        if (args[f->params + k].tag != FL_TENSOR)
            return error_set(FL_TYPE_ERROR, "%s(): argument 'out' must be Tensor", f->base);
    }
    return 0;
}

/* Gives a result to the scope; -1 with the error when it cannot hold it. */
static int adopt(fl_value *result)
{
    int status = 0;
    if (result->tag == FL_TENSOR && scope_adopt(result->as.tensor))
        return result->tag = FL_NONE, -1;
    if (result->tag == FL_TENSORS)
        list_of(result)->adopted = scope_current != NULL;
    for (uint32_t i = 0; result->tag == FL_TENSORS && i < result->count; i++)
        if (scope_adopt(result->as.tensors[i]))
            status = -1;
    return status;
}

static inline int refuse_call(const fl_op *op, int nargs, const fl_value *given, int nresults,
                              const fl_value *results)
{
    if (!op || (!given && nargs > 0) || (!results && nresults > 0))
        return fl_null_argument("fl_call", !op ? "op" : results || !nresults ? "args" : "results");
    if (nresults > op->function->results)
        return error_set(FL_TYPE_ERROR, "%s() has %d results (%d asked for)", op->name,
                         op->function->results, nresults);
    return 0;
}

int fl_call(const fl_op *op, int nargs, const fl_value *given, int nresults, fl_value *results)
{
    fl_value args[OP_PARAMS + OP_RESULTS], made[OP_RESULTS];
    if (refuse_call(op, nargs, given, nresults, results) || complete(op, nargs, given, args) ||
        op_call(op, args, made)) {
        for (int k = 0; results && k < nresults; k++)
            results[k] = (fl_value){.tag = FL_NONE};
        return -1;
    }
    if (nresults == 1 && made[0].tag == FL_TENSOR && op->function->results == 1) {
        int status = scope_adopt(made[0].as.tensor); /* nearly all calls */
        results[0] = status ? fl_none() : made[0];
        return status;
    }
    int status = 0;
    for (int k = 0; k < op->function->results; k++) {
        if (k >= nresults)
            fl_value_release(&made[k]);
        else {
            if (adopt(&made[k]))
                status = -1, op_list_drop(&made[k]);
            results[k] = made[k];
        }
    }
    for (int k = 0; status && k < nresults; k++)
        op_list_drop(&results[k]);
    return status;
}

int fl_op_count(void)
{
    return ops_count;
}

const fl_op *fl_op_at(int i)
{
    return i >= 0 && i < ops_count && !ops_all[i]->internal ? ops_all[i] : NULL;
}

const char *fl_op_name(const fl_op *op)
{
    return op ? op->name : NULL;
}

const char *fl_op_signature(const fl_op *op)
{
    return op ? op->function->signature : NULL;
}

const char *fl_op_doc(const fl_op *op)
{
    return op ? op->function->doc : NULL;
}

/* ---- Conversion ----------------------------------------------------------------------------- */

fl_tensor *fl_to(fl_tensor *t, fl_dtype dtype, fl_device device)
{
    if (!t)
        return fl_null_argument("fl_to", "t"), NULL;
    struct device *d = device.kind < 0 ? tensor_device(t) : device_find(device);
    if (!d)
        return NULL;
    fl_value y = fl_tensor_value(t);
    if (dtype != FL_NO_DTYPE && dtype != (fl_dtype)t->dtype) {
        fl_value args[] = {y, {.tag = FL_DTYPE, .as.i = dtype}};
        if (tensor_warn_parts(t, dtype) || fl_call(&op__cast, 2, args, 1, &y))
            return NULL;
    }
    if (d != tensor_device(t)) {
        fl_value args[] = {y, {.tag = FL_DEVICE, .as.device = d->id}};
        return fl_call(&op__move, 2, args, 1, &y) == 0 ? y.as.tensor : NULL;
    }
    if (y.as.tensor == t)
        return scope_adopt(tensor_retain(t)) == 0 ? t : NULL;
    return y.as.tensor;
}
