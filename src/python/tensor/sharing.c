/* Tensors in memory that processes share: what flambeau.multiprocessing and the loader's workers
 * are made of; and how a worker ends with its parent. */
#include <assert.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/segment.h"
#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

PyObject *sharing_is_shared(PyObject *self, PyObject *unused)
{
    (void)unused;
    return python_bool(segment_is(pytensor_get(self)->storage));
}

PyObject *sharing_share_memory(PyObject *self, PyObject *unused)
{
    (void)unused;
    fl_tensor *t = pytensor_get(self);
    return t->storage && (outside_wait(t) || segment_move(t->storage) < 0) ? raise_error()
                                                                           : Py_NewRef(self);
}

/* A handle on a new storage, which it takes over. */
static PyObject *over(struct storage *s, int ndim, const int64_t *sizes, const int64_t *strides,
                      int64_t offset, int dtype)
{
    fl_tensor *t = s ? tensor_on_storage(s, ndim, sizes, strides, offset, dtype) : NULL;
    storage_release(s);
    return pytensor_wrap(t);
}

/* A tuple of ints into `out`; how many, or -1 with an exception. */
static int read_ints(PyObject *tuple, int64_t *out)
{
    Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : -1;
    if (count < 0 || count > TENSOR_MAX_DIMS) {
        PyErr_SetString(PyExc_TypeError, "expected a tuple of at most 64 ints");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        out[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
    return PyErr_Occurred() ? -1 : (int)count;
}

/* _new_shared(sizes, dtype): zeros in shared memory. */
static PyObject *function_new_shared(PyObject *module, PyObject *args)
{
    PyObject *shape, *type;
    int64_t sizes[TENSOR_MAX_DIMS], bytes;
    int dtype;
    (void)module;
    if (!PyArg_UnpackTuple(args, "_new_shared", 2, 2, &shape, &type))
        return NULL;
    int ndim = read_ints(shape, sizes);
    if (ndim < 0)
        return NULL;
    if (!types_as_dtype(type, &dtype))
        return PyErr_Format(PyExc_TypeError, "_new_shared: the second argument is no dtype");
    int64_t numel = shape_numel(ndim, sizes);
    if (numel < 0)
        return raise_error();
    if (__builtin_mul_overflow(numel, (int64_t)dtype_size(dtype), &bytes))
        return PyErr_Format(PyExc_RuntimeError, "_new_shared: the sizes are too large");
    return over(segment_new((size_t)bytes), ndim, sizes, NULL, 0, dtype);
}

/* The tensors of a list or tuple as rows of a new one in shared memory; NULL without an error where
 * they are no plain tensors of one shape and dtype. */
static fl_tensor *stack_rows(PyObject *list, Py_ssize_t count, struct storage *into)
{
    assert(count > 0);
    const fl_tensor *first = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *o = python_item(list, i);
        const fl_tensor *t = Py_IS_TYPE(o, pytensor_type) ? pytensor_get(o) : NULL;
        if (!t || !t->storage || tensor_requires_grad(t) || t->ndim == TENSOR_MAX_DIMS)
            return NULL;
        first = i ? first : t;
        if (t->dtype != first->dtype || !shape_equal(t, first))
            return NULL;
    }
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    int64_t bytes = first->numel * (int64_t)dtype_size(first->dtype);
    if (__builtin_mul_overflow(bytes, (int64_t)count, &bytes))
        return NULL;
    sizes[0] = count;
    for (int i = 0; i < first->ndim; i++)
        sizes[i + 1] = first->sizes[i];
    if (into && !segment_reuse(into, (size_t)bytes))
        into = NULL;
    struct storage *s = into ? into : segment_new((size_t)bytes);
    fl_tensor *y = s ? tensor_on_storage(s, first->ndim + 1, sizes, NULL, 0, first->dtype) : NULL;
    if (!into)
        storage_release(s);
    shape_contiguous_strides(first->ndim, sizes + 1, strides);
    for (Py_ssize_t i = 0; y && i < count; i++) {
        fl_tensor *row = tensor_alias(y, first->ndim, sizes + 1, strides, i * first->numel);
        if (!row || tensor_copy(row, pytensor_get(python_item(list, i))) < 0) {
            tensor_release(y);
            y = NULL;
        }
        tensor_release(row);
    }
    return y;
}

/* The storage of a tensor that is a segment, or NULL with an exception. */
static struct storage *segment_of(PyObject *o)
{
    struct storage *s = pytensor_check(o) ? pytensor_get(o)->storage : NULL;
    if (segment_is(s))
        return s;
    PyErr_SetString(PyExc_TypeError, "a Tensor in shared memory is expected");
    return NULL;
}

/* _stack_shared(tensors, whole): stack(tensors, 0) in shared memory, the segment of `whole` where
 * that is large enough and not None; None for what stack must see. */
static PyObject *function_stack_shared(PyObject *module, PyObject *args)
{
    PyObject *o, *whole;
    (void)module;
    if (!PyArg_UnpackTuple(args, "_stack_shared", 2, 2, &o, &whole))
        return NULL;
    struct storage *into = whole == Py_None ? NULL : segment_of(whole);
    if (!into && whole != Py_None)
        return NULL;
    Py_ssize_t count = python_is_sequence(o) ? python_length(o) : 0;
    fl_tensor *y = count ? stack_rows(o, count, into) : NULL;
    if (y)
        return pytensor_wrap(y);
    if (fl_error() != FL_OK)
        return raise_error();
    Py_RETURN_NONE;
}

/* Whether a handle of this shape reaches no further than `bytes`. */
static bool fits(int ndim, const int64_t *sizes, const int64_t *strides, int64_t offset, int dtype,
                 int64_t bytes)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    int64_t last = offset, step;
    if (offset < 0)
        return false;
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] < 0 || strides[i] < 0)
            return false;
        if (sizes[i] == 0)
            return true;
        if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return false;
    }
    return last < bytes / (int64_t)dtype_size(dtype);
}

/* _open_shared(descriptor, bytes, keep, dtype, sizes, strides, offset): a tensor over a segment;
 * takes the descriptor over, also when it fails. */
static PyObject *function_open_shared(PyObject *module, PyObject *args)
{
    int descriptor, keep, dtype;
    long long bytes, offset;
    PyObject *type, *shape, *steps;
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    (void)module;
    if (!PyArg_ParseTuple(args, "iLpOOOL", &descriptor, &bytes, &keep, &type, &shape, &steps,
                          &offset))
        return NULL;
    int ndim = read_ints(shape, sizes);
    bool sound = ndim >= 0 && read_ints(steps, strides) == ndim && types_as_dtype(type, &dtype) &&
                 bytes >= 0 && bytes <= lseek(descriptor, 0, SEEK_END) &&
                 fits(ndim, sizes, strides, offset, dtype, bytes);
    if (!sound) {
        close(descriptor);
        return PyErr_Occurred()
                   ? NULL
                   : PyErr_Format(PyExc_RuntimeError, "_open_shared: the tensor does not fit in "
                                                      "the shared memory");
    }
    return over(segment_open(descriptor, (size_t)bytes, keep), ndim, sizes, strides, offset, dtype);
}

/* _share(tensor): (descriptor, bytes) of its storage, which moves to shared memory where it is not
 * there. The descriptor stays the storage's. */
static PyObject *function_share(PyObject *module, PyObject *o)
{
    (void)module;
    if (!pytensor_check(o))
        return PyErr_Format(PyExc_TypeError, "_share: a Tensor is expected");
    if (!pytensor_get(o)->storage)
        return PyErr_Format(PyExc_RuntimeError, "_share: the tensor has no memory");
    if (outside_wait(pytensor_get(o)))
        return raise_error();
    struct storage *s = pytensor_get(o)->storage;
    int descriptor = segment_move(s) < 0 ? -1 : segment_descriptor(s);
    return descriptor < 0 ? raise_error() : Py_BuildValue("in", descriptor, (Py_ssize_t)s->bytes);
}

/* ---- Segments that are used again ------------------------------------------------------------ */

/* _hold_shared(tensor): a tensor without elements that keeps the segment of another. */
static PyObject *function_hold_shared(PyObject *module, PyObject *o)
{
    (void)module;
    struct storage *s = segment_of(o);
    int64_t none = 0;
    return s ? pytensor_wrap(tensor_on_storage(s, 1, &none, NULL, 0, FL_UINT8)) : NULL;
}

/* _lend_shared(holder, bytes, dtype, sizes, strides, offset): a tensor on its segment, which is as
 * good as new when the holder is alone. */
static PyObject *function_lend_shared(PyObject *module, PyObject *args)
{
    long long bytes, offset;
    PyObject *holder, *type, *shape, *steps;
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    int dtype;
    (void)module;
    if (!PyArg_ParseTuple(args, "OLOOOL", &holder, &bytes, &type, &shape, &steps, &offset))
        return NULL;
    struct storage *s = segment_of(holder);
    int ndim = s ? read_ints(shape, sizes) : -1;
    if (ndim < 0 || read_ints(steps, strides) != ndim || !types_as_dtype(type, &dtype) ||
        bytes < 0 || !fits(ndim, sizes, strides, offset, dtype, bytes) ||
        !segment_reuse(s, (size_t)bytes))
        return PyErr_Occurred()
                   ? NULL
                   : PyErr_Format(PyExc_RuntimeError, "_lend_shared: the tensor does not fit");
    return pytensor_wrap(tensor_on_storage(s, ndim, sizes, strides, offset, dtype));
}

/* _users_of_shared(holder): how many tensors are on its segment, the holder with them; 0 where it
 * has a descriptor and so may have been given to another process. */
static PyObject *function_users_of_shared(PyObject *module, PyObject *o)
{
    (void)module;
    struct storage *s = segment_of(o);
    return s ? PyLong_FromLong(segment_is_closed(s) ? atomic_load(&s->refs) : 0) : NULL;
}

/* _close_shared(holder): closes the descriptor of its segment. */
static PyObject *function_close_shared(PyObject *module, PyObject *o)
{
    (void)module;
    struct storage *s = segment_of(o);
    if (!s)
        return NULL;
    segment_close(s);
    Py_RETURN_NONE;
}

/* ---- A process that ends with its parent ----------------------------------------------------- */

static pid_t parent;

/* The kernel tells of the end of the thread that forked us, too: the process decides. */
static void on_parent_death(int number)
{
    (void)number;
    if (getppid() != parent)
        _exit(1);
}

/* _follow_parent(): from now on the process ends when its parent does, whatever it is doing. */
static PyObject *function_follow_parent(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    const int number = SIGRTMAX - 1;
    struct sigaction action = {.sa_handler = on_parent_death, .sa_flags = SA_RESTART};
    parent = getppid();
    if (sigaction(number, &action, NULL) != 0 || prctl(PR_SET_PDEATHSIG, number) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (getppid() != parent || parent == 1)
        on_parent_death(number);
    Py_RETURN_NONE;
}

PyMethodDef sharing_functions[] = {
    {"_new_shared", function_new_shared, METH_VARARGS, NULL},
    {"_stack_shared", function_stack_shared, METH_VARARGS, NULL},
    {"_open_shared", function_open_shared, METH_VARARGS, NULL},
    {"_hold_shared", function_hold_shared, METH_O, NULL},
    {"_lend_shared", function_lend_shared, METH_VARARGS, NULL},
    {"_users_of_shared", function_users_of_shared, METH_O, NULL},
    {"_close_shared", function_close_shared, METH_O, NULL},
    {"_share", function_share, METH_O, NULL},
    {"_follow_parent", function_follow_parent, METH_NOARGS, NULL},
    {0},
};
