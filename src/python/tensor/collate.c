/* Batches of NumPy's arrays, which are told by Python's buffer protocol: a tensor for each array, to
 * be stacked afterwards, would cost more than the copying. */
#include <string.h>

#include "core/segment.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

/* The dtype of a buffer's elements, or -1. A format without a mark of size and order is native. */
static int dtype_of_buffer(const Py_buffer *view)
{
    const char *format = view->format ? view->format : "B";
    if (strcmp(format, "q") == 0 || strcmp(format, "Q") == 0) /* C's long long is as long */
        format = *format == 'q' ? "l" : "L";
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++)
        if (dtypes[dtype].buffer && strcmp(format, dtypes[dtype].buffer) == 0 &&
            (size_t)view->itemsize == dtype_size(dtype))
            return dtype;
    return -1;
}

/* A new tensor for `count` arrays like `view`, in shared memory or not; NULL without an error where
 * there is none of their kind. */
static fl_tensor *make_batch(const Py_buffer *view, Py_ssize_t count, bool shared,
                             struct storage *into)
{
    int64_t sizes[TENSOR_MAX_DIMS], bytes;
    int dtype = dtype_of_buffer(view);
    if (dtype < 0 || view->ndim >= TENSOR_MAX_DIMS ||
        __builtin_mul_overflow((int64_t)view->len, (int64_t)count, &bytes))
        return NULL;
    sizes[0] = count;
    for (int i = 0; i < view->ndim; i++)
        sizes[i + 1] = view->shape[i];
    if (!shared)
        return tensor_new(view->ndim + 1, sizes, dtype);
    if (into && segment_reuse(into, (size_t)bytes))
        return tensor_on_storage(into, view->ndim + 1, sizes, NULL, 0, dtype);
    struct storage *s = segment_new((size_t)bytes);
    fl_tensor *y = s ? tensor_on_storage(s, view->ndim + 1, sizes, NULL, 0, dtype) : NULL;
    storage_release(s);
    return y;
}

/* Whether an array is like the rows of y. */
static bool is_row(const Py_buffer *view, const fl_tensor *y)
{
    assert(y->ndim >= 1);
    bool same = view->ndim + 1 == y->ndim && dtype_of_buffer(view) == y->dtype;
    for (int i = 0; same && i < view->ndim; i++)
        same = view->shape[i] == y->sizes[i + 1];
    return same;
}

/* The batch, or NULL: with the library's error, or without for what as_tensor must see. */
static fl_tensor *stack_arrays(PyObject *list, Py_ssize_t count, bool shared, struct storage *into)
{
    fl_tensor *y = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_buffer view;
        if (PyObject_GetBuffer(python_item(list, i), &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)) {
            PyErr_Clear();
            tensor_release(y);
            return NULL;
        }
        if (i == 0)
            y = make_batch(&view, count, shared, into);
        bool fits = y && is_row(&view, y);
        if (fits && view.len)
            memcpy((char *)tensor_data(y) + i * view.len, view.buf, (size_t)view.len);
        PyBuffer_Release(&view);
        if (!fits) {
            tensor_release(y);
            return NULL;
        }
    }
    return y;
}

/* _stack_arrays(arrays, shared, holder): as_tensor of each, stacked, in shared memory if `shared`,
 * in the segment of `holder` where that is not None and large enough; None for arrays that
 * as_tensor and stack must see. */
static PyObject *function_stack_arrays(PyObject *module, PyObject *args)
{
    PyObject *list, *holder;
    int shared;
    (void)module;
    if (!PyArg_ParseTuple(args, "OpO", &list, &shared, &holder))
        return NULL;
    struct storage *into = pytensor_check(holder) ? pytensor_get(holder)->storage : NULL;
    Py_ssize_t count = python_is_sequence(list) ? python_length(list) : 0;
    fl_tensor *y = count ? stack_arrays(list, count, shared, segment_is(into) ? into : NULL) : NULL;
    if (y)
        return pytensor_wrap(y);
    if (fl_error() != FL_OK)
        return raise_error();
    Py_RETURN_NONE;
}

PyMethodDef collate_functions[] = {
    {"_stack_arrays", function_stack_arrays, METH_VARARGS, NULL},
    {0},
};
