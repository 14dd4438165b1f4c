/* The one door: every call of an operator, from C, Python, a formula or a composite, comes through
 * op_call.
 *
 * By kind: pointwise and reduce have their own files. A view makes a handle on the same storage. A
 * kernel gets results that its shape function described. A composite calls operators in a scope of
 * its own, which releases its temporaries. The in-place and out= forms of the last three compute
 * the result and write it to its destination.
 */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/operations.h"
#include "core/device.h"
#include "core/error.h"
#include "core/lanes.h"
#include "core/memory.h"
#include "core/scope.h"
#include "core/sound.h"
#include "ops/autocast.h"
#include "ops/batch.h"
#include "ops/door.h"
#include "ops/forward.h"
#include "ops/list.h"
#include "ops/place.h"
#include "ops/pointwise/pointwise.h"
#include "ops/profile.h"
#include "ops/record.h"
#include "ops/reduce/reduce.h"
#include "ops/room.h"

void op_shape_set(struct op_shape *y, int ndim, const int64_t *sizes)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    y->ndim = ndim;
    if (ndim) /* a list without elements may be a null pointer */
        memcpy(y->sizes, sizes, sizeof *sizes * (size_t)ndim);
}

void op_shape_like(struct op_shape *y, const fl_tensor *t)
{
    op_shape_set(y, t->ndim, t->sizes);
}

void op_shape_laid_as(struct op_shape *y, const fl_tensor *t)
{
    op_shape_set(y, t->ndim, t->sizes);
    y->strided = !tensor_is_plain(t);
    if (y->strided)
        tensor_dense_strides(t, y->strides);
}

/* ---- dtypes of kernels ---- */

/* Unsigned integers that become int64 or a float are read as integers are. */
static bool accepted(const fl_op *f, int dtype)
{
    bool converted = f->result_dtype == RESULT_FLOAT || f->result_dtype == RESULT_SUM;
    return op_accepts(f->accepts, dtype) ||
           (converted && dtype_group(dtype) == GROUP_UNSIGNED && f->accepts & ACCEPT_INTEGRAL);
}

/* The dtype that the rule gives a kernel's results; -1 with the error when the first tensor's is
 * refused. */
static int kernel_dtype(const fl_op *f, const fl_value *args)
{
    assert(f->first < f->params);
    int dtype = dtype_default();
    if (f->first >= 0 && args[f->first].tag == FL_TENSORS) {
        dtype = pointwise_promote_list(args[f->first].as.tensors, args[f->first].count);
    } else if (f->first >= 0 && args[f->first].tag == FL_TENSOR) {
        dtype = args[f->first].as.tensor->dtype;
    }
    if (dtype < 0)
        return -1;
    if (f->first >= 0 && dtype != FL_NO_DTYPE && !accepted(f, dtype))
        return dtype_refuse(f->called, dtype);
    switch (f->result_dtype) {
    case RESULT_FLOAT:
        return dtype_is_inexact(dtype) ? dtype : dtype_default();
    case RESULT_REAL:
        return dtype_real(dtype);
    case RESULT_SUM:
        return dtype_is_inexact(dtype) ? dtype : FL_INT64;
    case RESULT_BOOL:
        return FL_BOOL;
    case RESULT_INT64:
        return FL_INT64;
    default:
        return dtype;
    }
}

/* ---- each kind computes its functional form ---- */

/* A view between dims and lanes; it is none to the graph, which knows sizes and strides alone. */
static int change_lane(fl_tensor *y, const struct op_view *view)
{
    struct lanes lanes = {0};
    if (y->lanes)
        lanes = *y->lanes;
    lanes_erase(&lanes, view->lane);
    if (view->change == VIEW_ADDS_LANE &&
        lanes_insert(&lanes, (struct lane){view->lane, view->lane_size, view->lane_stride}))
        return -1;
    autograd_mode.interpose |= INTERPOSE_LANES; /* batch_watch clears it */
    return lanes_set(y, &lanes);
}

/* The strides of lanes count elements, which a view as complex numbers, or as parts, makes others. */
static void recount_lanes(fl_tensor *y, int from_dtype)
{
    int64_t from = (int64_t)dtype_size(from_dtype), to = (int64_t)dtype_size(y->dtype);
    for (int i = 0; y->lanes && i < y->lanes->count; i++) {
        assert(y->lanes->lane[i].stride * from % to == 0);
        y->lanes->lane[i].stride = y->lanes->lane[i].stride * from / to;
    }
}

static int call_view(const fl_op *f, const fl_value *args, fl_value *results)
{
    assert(f->first >= 0 && args[f->first].tag == FL_TENSOR);
    fl_tensor *self = args[f->first].as.tensor;
    struct op_view view;
    view.change = VIEW_KEEPS_LANES, view.dtype = self->dtype;
    if (f->view(args, &view))
        return -1;
    fl_tensor *y = tensor_alias(self, view.ndim, view.sizes, view.strides, view.offset);
    if (!y)
        return -1;
    y->dtype = (int8_t)view.dtype;
    recount_lanes(y, self->dtype);
    y->flags &= (uint8_t)~TENSOR_REQUIRES_GRAD;
    y->flags |= self->flags & TENSOR_INFERENCE;
    if (view.change != VIEW_KEEPS_LANES) {
        if (change_lane(y, &view)) {
            tensor_release(y);
            return -1;
        }
    } else if (!(self->flags & TENSOR_INFERENCE)) {
        tensor_set_base(y, self, autograd_creation());
    }
    results[0] = fl_tensor_value(y);
    return 0;
}

enum { ACCEPT_SPECIAL = ACCEPT_COMPLEX | ACCEPT_UNSIGNED | ACCEPT_FLOAT8 };

/* Whether a dtype is one that functions do not take unless they say so. */
static bool is_special(int dtype)
{
    return dtype_group(dtype) >= (int)CLASS_COMPLEX;
}

/* Refuses such tensors for functions that do not say it, and would read them as others. */
static int refuse_special(const fl_op *f, const fl_value *args)
{
    for (int i = 0; i < f->params; i++) {
        int dtype = args[i].tag == FL_TENSOR ? args[i].as.tensor->dtype : FL_NO_DTYPE;
        if (is_special(dtype) && !accepted(f, dtype))
            return dtype_refuse(f->called, dtype);
    }
    return 0;
}

/* Holds a composite to its key `dtypes` as kernels are held: the first tensor is of an accepted dtype,
 * and the others are of none that must be said. */
static int refuse_unaccepted(const fl_op *f, const fl_value *args)
{
    const fl_tensor *first =
        f->first >= 0 && args[f->first].tag == FL_TENSOR ? args[f->first].as.tensor : NULL;
    if (first && !accepted(f, first->dtype))
        return dtype_refuse(f->called, first->dtype);
    return refuse_special(f, args);
}

/* Whether argument i is a number where a kernel takes a tensor. */
static bool is_number_for_tensor(const fl_op *f, const fl_value *args, int i)
{
    return f->param[i].type == TYPE_OPERAND && value_is_number(&args[i]);
}

static bool has_numbers(const fl_op *f, const fl_value *args)
{
    for (int i = 0; i < f->params; i++)
        if (is_number_for_tensor(f, args, i))
            return true;
    return false;
}

int door_numbers(const fl_op *f, fl_value *args, fl_tensor **made)
{
    memset(made, 0, sizeof *made * f->params);
    if (~f->accepts & ACCEPT_SPECIAL && refuse_special(f, args))
        return -1;
    for (int i = 0; i < f->params; i++) {
        if (!is_number_for_tensor(f, args, i))
            continue;
        made[i] = tensor_from_number(args[i], number_dtype(&args[i]));
        if (!made[i])
            return -1;
        made[i]->flags |= TENSOR_WRAPPED_NUMBER;
        args[i] = fl_tensor_value(made[i]);
    }
    return 0;
}

static fl_tensor *new_result(const fl_op *f, const fl_value *args, fl_tensor *to,
                             const struct op_shape *shape)
{
    const int64_t *strides = shape->strided ? shape->strides : NULL;
    fl_tensor *y = NULL;
    if (to && shape->device == &device_cpu && !strides &&
        room_take(f, args, to, shape->ndim, shape->sizes, shape->dtype, &y))
        return NULL;
    if (y) {
        if (shape->zero && tensor_fill(y, fl_int(0))) {
            tensor_release(y);
            return NULL;
        }
        return y;
    }
    y = shape->device == &device_cpu && !strides
            ? tensor_new(shape->ndim, shape->sizes, shape->dtype)
            : tensor_new_on(shape->device, shape->ndim, shape->sizes, strides, shape->dtype);
    if (y && shape->zero && storage_clear(y->storage)) {
        tensor_release(y);
        y = NULL;
    }
    return y;
}

/* The call's dtype has been refused: the error of its shapes comes before that, as PyTorch's does. -1. */
static int __attribute__((cold)) refuse_call(const fl_op *f, const fl_value *args)
{
    struct op_shape shape[OP_RESULTS] = {{.ndim = 0}};
    if (f->first < 0 || args[f->first].tag != FL_TENSOR)
        return -1;
    for (int k = 0; k < f->results; k++)
        shape[k].dtype = args[f->first].as.tensor->dtype, shape[k].device = &device_cpu;
    if (f->shape(args, shape) == 0)
        kernel_dtype(f, args);
    return -1;
}

static int allocate_results(const fl_op *f, const fl_value *args, fl_tensor *to, fl_tensor **y)
{
    assert(f->results >= 1);
    int dtype = kernel_dtype(f, args);
    struct device *d = device_others ? place_of(f, f->params, args) : &device_cpu;
    if (dtype == -1 || !d)
        return d ? refuse_call(f, args) : -1;
    struct op_shape few[2], *shape = few;
    if (f->results > 2 && !(shape = memory_alloc(sizeof *shape * f->results)))
        return -1;
    for (int k = 0; k < f->results; k++)
        shape[k].ndim = 0, shape[k].dtype = dtype, shape[k].zero = shape[k].strided = false,
        shape[k].device = d;
    int status = f->shape(args, shape);
    for (int k = 0; k < f->results && status == 0; k++)
        if (is_special(shape[k].dtype) && !op_accepts(f->accepts, shape[k].dtype))
            status = dtype_refuse(f->called, shape[k].dtype);
    for (int k = 0; k < f->results && status == 0; k++) {
        y[k] = new_result(f, args, to, &shape[k]);
        status = y[k] ? 0 : -1;
    }
    if (shape != few)
        memory_free(shape, sizeof *shape * f->results);
    return status;
}

static int call_kernel(const fl_op *f, const fl_value *args, fl_tensor *to, fl_value *results)
{
    fl_tensor *y[OP_RESULTS] = {NULL};
    int status = allocate_results(f, args, to, y);
    if (status == 0)
        status = kernel_run(f, args, y);
    if (status == 0 && f->keeps)
        status = format_keep(f, args, y);
    for (int k = 0; k < f->results; k++) {
        if (status)
            tensor_release(y[k]);
        results[k] = status ? fl_none() : fl_tensor_value(y[k]);
    }
    return status;
}

static int call_compose(const fl_op *f, const fl_value *args, fl_value *results)
{
    struct scope own;
    if (!(f->accepts & ACCEPT_UNSAID) && ~f->accepts & ACCEPT_EVERY && refuse_unaccepted(f, args)) {
        for (int k = 0; k < f->results; k++)
            results[k] = fl_none();
        return -1;
    }
    struct device *before = device_default;
    if (device_others) /* what it makes lives where its operands do */
        place_follow(f->params, args);
    scope_open(&own);
    if (autograd_mode.grad)
        own.nodes = node_count();
    for (int k = 0; k < f->results; k++)
        results[k] = fl_none();
    unsigned errors = error_times;
    int status = f->compose(args, results);
    device_default = before;
    if (status == 0 && error_since(errors))
        status = -1;
    if (status == 0 && autograd_mode.grad)
        record_title(f, args, results);
    for (int k = 0; k < f->results && status; k++)
        op_list_drop(&results[k]);
    for (int k = 0; k < f->results && status == 0;
         k++) { /* the scope owns them: take references of our own */
        if (results[k].tag == FL_TENSOR)
            tensor_retain(results[k].as.tensor);
        if (results[k].tag == FL_TENSORS)
            list_of(&results[k])->adopted = false;
        for (uint32_t i = 0; results[k].tag == FL_TENSORS && i < results[k].count; i++)
            if (results[k].as.tensors[i])
                tensor_retain(results[k].as.tensors[i]);
    }
    scope_close(&own);
    return status;
}

static int record_results(const fl_op *f, const fl_value *args, fl_value *results)
{
    int status = record_call(f, args, results);
    for (int k = 0; status && k < f->results; k++) {
        tensor_release(results[k].as.tensor);
        results[k] = fl_none();
    }
    return status;
}

/* Whether the view that a call made is recorded: it has one operand. */
static bool is_recorded_view(const fl_op *f, const fl_value *args)
{
    assert(!f->grad || !(f->grad->differentiable & ~(UINT32_C(1) << f->first)));
    return autograd_mode.grad && f->grad && f->grad->differentiable &&
           tensor_requires_grad(args[f->first].as.tensor);
}

/* Computes and records; a composite's parts are recorded, it is not. to: a tensor of the program's
 * that the result may be computed into (room_take), or NULL. */
static int call_function(const fl_op *f, const fl_value *args, fl_tensor *to, fl_value *results)
{
    fl_value own[OP_PARAMS];
    fl_tensor *made[OP_PARAMS];
    bool kernel = f->kind == OP_KERNEL, numbers = false;
    int status = 0;
    if (f->kind == OP_COMPOSE)
        return call_compose(f, args, results);
    if (f->kind == OP_VIEW)
        return call_view(f, args, results) ? -1
               : is_recorded_view(f, args) ? record_results(f, args, results)
                                           : 0;
    if (kernel) {
        if (f->grad && f->grad->refused && autograd_mode.grad && record_refuse(f, args))
            return -1;
        numbers = has_numbers(f, args);
        if (numbers) {
            args = memcpy(own, args, sizeof *own * f->params);
            status = door_numbers(f, own, made);
        } else if (~f->accepts & ACCEPT_SPECIAL && refuse_special(f, args)) {
            return -1;
        }
    }
    if (status == 0)
        status = kernel ? call_kernel(f, args, to, results) : reduce_call(f, args, to, results);
    if (status == 0 && record_is_needed(f, args))
        status = record_results(f, args, results);
    for (int i = 0; numbers && i < f->params; i++)
        tensor_release(made[i]);
    return status;
}

/* ---- forms that write ---- */

/* Refuses a destination of a dtype that the result does not become. A composite that leaves dtypes to
 * its parts, but has a name in errors (a Fourier transform), takes no complex one for a real result
 * either. */
static int check_cast(const fl_op *f, const fl_tensor *y, const fl_tensor *to)
{
    bool complex = dtype_is_complex(y->dtype), unsaid = f->accepts & ACCEPT_UNSAID;
    if (unsaid && complex != dtype_is_complex(to->dtype) && strcmp(f->called, f->base) != 0)
        return error_set(FL_RUNTIME_ERROR, "%s expects a %s output tensor, but got %s", f->called,
                         complex ? "complex" : "floating point", dtype_title(to->dtype));
    return dtype_check_cast(y->dtype, to->dtype);
}

/* Writes what a functional call gave into tensors of the user's. */
static int write_back(const fl_op *f, fl_value *results, fl_tensor *const *to)
{
    for (int k = 0; k < f->results; k++) {
        fl_tensor *y = results[k].tag == FL_TENSOR ? results[k].as.tensor : NULL;
        if (!y || y == to[k])
            continue;
        if (check_cast(f, y, to[k]))
            return -1;
        if (!shape_equal(y, to[k]) && room_resize(f, to[k], y->ndim, y->sizes))
            return -1;
        if (operation_copy_(to[k], y))
            return -1;
    }
    return 0;
}

/* Refuses arguments from number `from` on that overlap the written tensor partly, or where the
 * operator says so at all; not one of no dim, which is a number and read before anything is
 * written. */
static int check_apart(const fl_op *f, const fl_value *args, int from, const fl_tensor *written)
{
    for (int i = from; i < f->params; i++) {
        const bool apart = f->apart >> i & 1;
        if (args[i].tag == FL_TENSOR && args[i].as.tensor->ndim &&
            tensor_check_read(written, args[i].as.tensor, apart))
            return -1;
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            if (args[i].as.tensors[k] && tensor_check_read(written, args[i].as.tensors[k], apart))
                return -1;
    }
    return 0;
}

/* Autograd's refusal to write a tensor, for every form of an operator. */
static int check_permission(const fl_op *op, const fl_value *args)
{
    const fl_op *f = op->function;
    bool out = op->form == FORM_OUT, recorded = !out && record_has_gradient(f, args);
    for (int k = 0; k < (out ? f->results : 1); k++)
        if (autograd_check_inplace(args[out ? f->params + k : 0].as.tensor, recorded))
            return -1;
    return 0;
}

/* In place by nature: the kernel writes its first parameter, which is also the result. */
static int call_writer(const fl_op *f, const fl_value *given, fl_value *results)
{
    assert(op_writes(f) && given[0].tag == FL_TENSOR);
    fl_value args[OP_PARAMS];
    fl_tensor *made[OP_PARAMS], *self = given[0].as.tensor;
    struct node *n = NULL;
    if (check_permission(f, given) || check_apart(f, given, 1, self))
        return -1;
    memcpy(args, given, sizeof *args * f->params);
    int status = door_numbers(f, args, made);
    if (status == 0 && kernel_dtype(f, args) == -1)
        status = -1;
    if (status == 0)
        status = record_write(f, args, self, &n);
    if (status == 0)
        status = autograd_mode.interpose & INTERPOSE_LANES ? batch_run_kernel(f, args)
                                                           : kernel_run(f, args, NULL);
    if (status == 0)
        status = record_written(self, n);
    else if (n)
        node_release(n);
    for (int i = 0; i < f->params; i++)
        tensor_release(made[i]);
    if (status == 0)
        results[0] = fl_tensor_value(tensor_retain(self));
    return status;
}

/* t_(), squeeze_(): the handle itself becomes the view. That counts as a write: who saved the
 * handle has lost its shape. */
static int call_view_inplace(const fl_op *op, const fl_value *args, fl_value *results)
{
    const fl_op *f = op->function;
    fl_tensor *self = args[0].as.tensor;
    struct op_view view;
    if (check_permission(op, args) || f->view(args, &view))
        return -1;
    struct node *n = NULL;
    if (record_is_needed(f, args)) {
        fl_value result = fl_tensor_value(self);
        if (!(n = record_node(f, args, &result)))
            return -1;
        record_name(n, op->title);
    }
    int status = tensor_set_shape(self, view.ndim, view.sizes, view.strides, view.offset);
    if (status == 0)
        tensor_bump_version(self);
    if (status == 0 && n)
        status = autograd_set_node(self, n, 0);
    if (n)
        node_release(n);
    if (status == 0)
        results[0] = fl_tensor_value(tensor_retain(self));
    return status;
}

static int copy_unrecorded(fl_tensor *to, fl_tensor *from)
{
    bool mode = autograd_mode.grad;
    autograd_mode.grad = false;
    int status = operation_copy_(to, from);
    autograd_mode.grad = mode;
    return status;
}

/* Writes into self what a recorded call gave of a copy of it. self then comes from the node that
 * made y: by a recorded copy where it is a view or of another dtype, and where y is constant by a
 * node that says so. */
static int become(const fl_op *f, const fl_value *args, fl_tensor *self, fl_tensor *y)
{
    int result = 0;
    struct node *n = autograd_node(y, &result);
    if (!n && !tensor_requires_grad(y)) {
        if (!(n = constant_node(f, args)))
            return -1;
        int status = copy_unrecorded(self, y);
        if (status == 0)
            status = autograd_rebase(self, n);
        node_release(n);
        return status;
    }
    if (!n || self->base || self->dtype != y->dtype ||
        autograd_mode.interpose & INTERPOSE_TRANSFORMS)
        return operation_copy_(self, y);
    int status = copy_unrecorded(self, y);
    return status ? status : autograd_set_node(self, n, result);
}

/* The in-place form of what computes a new result. Where that is recorded, it is computed from a
 * copy of self, so that nothing saved is written; of another operand that shares self's memory the
 * version tells. */
static int call_inplace(const fl_op *f, const fl_value *given, fl_value *results)
{
    fl_tensor *self = given[0].as.tensor, *before = NULL;
    fl_value args[OP_PARAMS], computed = fl_none();
    if (check_permission(f, given) || (f->apart && check_apart(f, given, 1, self)))
        return -1;
    bool recorded = record_has_gradient(f, given) && dtype_is_inexact(self->dtype);
    memcpy(args, given, sizeof *args * f->params);
    if (recorded && (f->kind == OP_COMPOSE || (f->grad && f->grad->saves & 1))) {
        if (!(before = autograd_copy(self)))
            return -1;
        args[0] = fl_tensor_value(before);
    }
    bool looked_at = autograd_mode.interpose & INTERPOSE_TRANSFORMS;
    int status = looked_at ? op_call(f, args, &computed) : call_function(f, args, NULL, &computed);
    fl_tensor *y = status == 0 && computed.tag == FL_TENSOR ? computed.as.tensor : NULL;
    if (y && ((!shape_equal(y, self) && shape_refuse(self, y->ndim, y->sizes)) ||
              check_cast(f, y, self)))
        status = -1;
    if (y && status == 0)
        status = recorded    ? become(f, args, self, y)
                 : looked_at ? operation_copy_(self, y)
                             : copy_unrecorded(self, y);
    fl_value_release(&computed);
    tensor_release(before);
    if (status == 0)
        results[0] = fl_tensor_value(tensor_retain(self));
    return status;
}

/* What makes a tensor of no other (zeros, arange, rand) makes it of the destination's dtype: a copy of
 * its arguments that says so, or -1 where another dtype is asked for. */
static int take_dtype(const fl_op *f, const fl_value *given, const fl_tensor *to, fl_value *args)
{
    int dtype = -1;
    bool of_others = false;
    memcpy(args, given, sizeof *args * (size_t)(f->params + f->results));
    for (int i = 0; i < f->params; i++) {
        of_others |= given[i].tag == FL_TENSOR || given[i].tag == FL_TENSORS;
        if (strcmp(f->param[i].name, "dtype") == 0)
            dtype = i;
    }
    if (dtype < 0 || of_others)
        return 0;
    if (given[dtype].tag == FL_DTYPE && given[dtype].as.i != FL_NO_DTYPE &&
        given[dtype].as.i != to->dtype)
        return error_set(FL_RUNTIME_ERROR, "dtype %s does not match dtype of out parameter (%s)",
                         dtype_title((int)given[dtype].as.i), dtype_title(to->dtype));
    args[dtype] = (fl_value){.tag = FL_DTYPE};
    args[dtype].as.i = to->dtype;
    return 0;
}

static int call_out(const fl_op *op, const fl_value *given, fl_value *results)
{
    assert(op->form != FORM_FUNCTION);
    const fl_op *f = op->function;
    fl_tensor *to[OP_RESULTS];
    fl_value computed[OP_RESULTS], args[OP_PARAMS + OP_RESULTS];
    for (int k = 0; k < f->results; k++) {
        to[k] = given[f->params + k].as.tensor;
        if (autograd_mode.grad && tensor_requires_grad(to[k]))
            return record_refuse_out(f);
    }
    if (take_dtype(f, given, to[0], args))
        return -1;
    if (check_permission(op, given))
        return -1;
    for (int k = 0; k < f->results; k++)
        if (check_apart(f, args, 0, to[k]))
            return -1;
    const uint8_t who = autograd_mode.interpose;
    bool looked_at = (who & INTERPOSE_TANGENTS && forward_concerns(op, given)) ||
                     (who & INTERPOSE_LANES && batch_concerns(op, given));
    if (looked_at ? op_call(f, args, computed) : call_function(f, args, to[0], computed))
        return -1;
    bool recorded = false;
    for (int k = 0; k < f->results; k++)
        recorded |= computed[k].tag == FL_TENSOR && tensor_requires_grad(computed[k].as.tensor);
    int status =
        recorded && autograd_mode.grad ? record_refuse_out(f) : write_back(f, computed, to);
    for (int k = 0; k < f->results; k++) {
        fl_value_release(&computed[k]);
        if (status == 0)
            results[k] = fl_tensor_value(tensor_retain(to[k]));
    }
    return status;
}

/* ---- the door ---- */

static int __attribute__((cold)) name_operator(const fl_op *op, const fl_value *args)
{
    char text[512];
    int used = 0;
    for (int i = 0; i < op->function->params && used < 400; i++) {
        const fl_tensor *t = args[i].tag == FL_TENSOR ? args[i].as.tensor : NULL;
        char shape[128];
        if (t)
            used += snprintf(text + used, sizeof text - (size_t)used, "%s%s %s%s", used ? ", " : "",
                             op->function->param[i].name, fl_dtype_name(t->dtype),
                             shape_text(shape, sizeof shape, t->ndim, t->sizes));
    }
    if (used)
        error_context("in %s, given %s", "出错的运算是 %s，输入为 %s",
                      op->base + (op->base[0] == '_'), text);
    return -1;
}

static bool is_in_object(const fl_tensor *t)
{
    return t && t->flags & TENSOR_IN_OBJECT;
}

/* Refuses a call on a handle whose elements are in its object: its storage has none to read. */
static int __attribute__((noinline, cold)) refuse_in_object(const fl_op *op, const fl_value *args)
{
    const fl_op *f = op->function;
    bool found = false;
    for (int i = 0; i < f->params + (op->form == FORM_OUT ? f->results : 0); i++) {
        found |= args[i].tag == FL_TENSOR && is_in_object(args[i].as.tensor);
        for (uint32_t k = 0; args[i].tag == FL_TENSORS && k < args[i].count; k++)
            found |= is_in_object(args[i].as.tensors[k]);
    }
    return found ? tensor_refuse_in_object(op->base) : 0;
}

/* Under inference_mode what is made is an inference tensor; what was there before, and its views,
 * stay what they are. */
static void mark_inference(const fl_op *f, const fl_value *args, fl_value *results)
{
    for (int k = 0; k < f->results && f->kind != OP_VIEW; k++)
        if (results[k].tag == FL_TENSOR &&
            (f->kind != OP_COMPOSE || !room_is_shared(f, args, results[k].as.tensor)))
            results[k].as.tensor->flags |= TENSOR_INFERENCE;
}

#ifndef NDEBUG

/* Whether each value is sound. */
static bool are_sound(int count, const fl_value *values)
{
    for (int i = 0; i < count; i++)
        if (!value_is_sound(&values[i]))
            return false;
    return true;
}

/* Whether results are what the descriptor says. */
static bool are_described(const fl_op *op, const fl_value *results)
{
    const fl_op *f = op->function;
    for (int k = 0; k < f->results; k++) {
        bool tensor = f->result_type[k] == TYPE_TENSOR && !op_writes(f);
        if (results[k].tag == FL_NONE && f->optional_results >> k & 1)
            continue;
        /* Parts of other operators leave out gradients that nobody asks for. */
        if (tensor && results[k].tag == FL_NONE && f->kind == OP_COMPOSE && *f->name == '_')
            continue;
        if (tensor && results[k].tag != FL_TENSOR)
            return false;
        /* any and all of uint8 are uint8. */
        if (tensor && op->form == FORM_FUNCTION && f->result_dtype == RESULT_BOOL &&
            results[k].as.tensor->dtype != FL_BOOL &&
            !(f->kind == OP_REDUCE && results[k].as.tensor->dtype == FL_UINT8))
            return false;
    }
    return true;
}

#endif

/* (Part of op_call, whose cost every call pays.) */
static inline __attribute__((always_inline)) int call_plain(const fl_op *op, const fl_value *args,
                                                            fl_value *results)
{
    const fl_op *f = op->function;
    assert(f->function == f && f->params <= OP_PARAMS && f->results <= OP_RESULTS);
    assert(are_sound(f->params + (op->form == FORM_OUT ? f->results : 0), args));
    int status;
    if (__builtin_expect(operation_in_object != NULL, 0) && refuse_in_object(op, args))
        status = -1;
    else if (f->kind == OP_POINTWISE)
        status = pointwise_call(op, args, results);
    else if (device_others && place_looks(f, args))
        status = place_look(op, args, results);
    else if (f->check && f->check(args))
        status = -1;
    else if (op_writes(f))
        status = call_writer(f, args, results);
    else if (op->form == FORM_FUNCTION)
        status = call_function(f, args, NULL, results);
    else if (op->form == FORM_OUT)
        status = call_out(op, args, results);
    else
        status = f->kind == OP_VIEW ? call_view_inplace(op, args, results)
                                    : call_inplace(f, args, results);
    if (status == 0) {
        assert(are_sound(f->results, results) && are_described(op, results));
        if (autograd_mode.inference && op->form == FORM_FUNCTION && !op_writes(f))
            mark_inference(f, args, results);
        return 0;
    }
    for (int k = 0; k < f->results; k++)
        results[k] = fl_none();
    return f->kind == OP_COMPOSE ? -1 : name_operator(op, args);
}

int door_plain(const fl_op *op, const fl_value *args, fl_value *results)
{
    return call_plain(op, args, results);
}

int door_written(const fl_op *op, const fl_value *args, fl_value *results)
{
    assert(op->form != FORM_FUNCTION);
    return op->form == FORM_OUT ? call_out(op, args, results)
                                : call_inplace(op->function, args, results);
}

/* A call that somebody looks at first. */
static int __attribute__((noinline, cold)) call_interposed(const fl_op *op, const fl_value *args,
                                                           fl_value *results)
{
    uint8_t who = autograd_mode.interpose;
    if (who & INTERPOSE_AUTOCAST && op->function->autocast && op->form == FORM_FUNCTION)
        return autocast_call(op, args, results);
    if (who & INTERPOSE_TANGENTS && forward_concerns(op, args))
        return forward_call(op, args, results);
    if (who & INTERPOSE_LANES && batch_concerns(op, args))
        return batch_call(op, args, results);
    size_t event = who & INTERPOSE_PROFILE ? profile_begin(op, args) : 0;
    int status = door_plain(op, args, results);
    if (who & INTERPOSE_PROFILE)
        profile_end(event, op, status == 0 ? results : NULL);
    return status;
}

int op_call(const fl_op *op, const fl_value *args, fl_value *results)
{
    if (__builtin_expect(autograd_mode.interpose, 0))
        return call_interposed(op, args, results);
    return call_plain(op, args, results);
}

fl_tensor *op_call1(const fl_op *op, const fl_value *args)
{
    fl_value result;
    return op_call(op, args, &result) == 0 ? result.as.tensor : NULL;
}
