/* Tensor's properties: shape and dtype, gradient and graph, the many questions with a fixed answer.
 */
#include <assert.h>

#include "python/call/outside.h"
#include "python/tensor/tensor_object.h"
#include "python/tensor/types.h"

#define GETTER(name)                                                                               \
    static PyObject *get_##name(PyObject *self, void *context __attribute__((unused)))

GETTER(shape)
{
    const fl_tensor *t = pytensor_get(self);
    return types_size(t->ndim, t->sizes);
}

GETTER(ndim)
{
    return PyLong_FromLong(pytensor_get(self)->ndim);
}

GETTER(dtype)
{
    return types_dtype(pytensor_get(self)->dtype);
}

GETTER(device)
{
    return types_device(fl_device_of(pytensor_get(self)));
}

GETTER(layout)
{
    (void)self;
    return types_layout();
}

GETTER(itemsize)
{
    return PyLong_FromSize_t(dtype_size(pytensor_get(self)->dtype));
}

GETTER(nbytes)
{
    const fl_tensor *t = pytensor_get(self);
    return PyLong_FromLongLong(t->numel * (int64_t)dtype_size(t->dtype));
}

GETTER(names)
{
    int ndim = pytensor_get(self)->ndim;
    PyObject *names = PyTuple_New(ndim);
    for (int i = 0; names && i < ndim; i++)
        PyTuple_SetItem(names, i, Py_NewRef(Py_None));
    return names;
}

GETTER(is_cpu)
{
    return python_bool(fl_device_of(pytensor_get(self)).kind == FL_CPU);
}

GETTER(is_meta)
{
    return python_bool(fl_device_of(pytensor_get(self)).kind == FL_META);
}

GETTER(base)
{
    return pytensor_show(pytensor_get(self)->base);
}

GETTER(no)
{
    (void)self;
    Py_RETURN_FALSE;
}

GETTER(none)
{
    (void)self;
    Py_RETURN_NONE;
}

/* ---- The gradient and the graph -------------------------------------------------------------- */

GETTER(requires_grad)
{
    return python_bool(tensor_requires_grad(pytensor_get(self)));
}

static int set_requires_grad(PyObject *self, PyObject *value, void *context)
{
    (void)context;
    if (!value || !PyBool_Check(value)) {
        PyErr_SetString(PyExc_RuntimeError, "requires_grad must be a bool");
        return -1;
    }
    fl_tensor *t = pytensor_get(self);
    if (value == Py_True && !dtype_is_floating(t->dtype) && !dtype_is_complex(t->dtype))
        PyErr_SetString(PyExc_RuntimeError, "only Tensors of floating point and complex dtype can "
                                            "require gradients");
    else if (autograd_set_requires_grad(t, value == Py_True) == 0)
        return 0;
    else
        raise_error();
    return -1;
}

GETTER(is_leaf)
{
    return python_bool(tensor_is_leaf(pytensor_get(self)));
}

static int __attribute__((cold)) warn_of_no_leaf(void)
{
    const char *hint =
        error_speaks_chinese()
            ? "提示：梯度只保留在叶子张量里：请让它最后才要求梯度，x = (...).requires_grad_()，"
              "或在 backward() 之前调用 x.retain_grad()。"
            : "hint: gradients are kept for leaves, which are not computed: let it ask for a "
              "gradient "
              "last, x = (...).requires_grad_(), or call x.retain_grad() before backward().";
    PyObject *text = PyUnicode_FromFormat(
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
        "attribute won't be populated during autograd.backward(). If you indeed want the .grad "
        "field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor."
        "\n%s",
        hint);
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    int status = utf8 ? PyErr_WarnEx(PyExc_UserWarning, utf8, 1) : -1;
    Py_XDECREF(text);
    return status;
}

GETTER(grad)
{
    fl_tensor *t = pytensor_get(self);
    const struct autograd *state = t->autograd;
    if (state && state->grad) {
        fl_tensor *grad = autograd_grad(t);
        return grad ? pytensor_wrap(grad) : Py_NewRef(Py_None);
    }
    if (state && state->node && !state->retains_grad && warn_of_no_leaf() < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int set_grad(PyObject *self, PyObject *value, void *context)
{
    (void)context;
    fl_tensor *grad = NULL;
    if (value && value != Py_None) {
        if (!pytensor_check(value)) {
            PyErr_Format(PyExc_TypeError,
                         "assigned grad expected to be a Tensor or None but got grad of type %s",
                         python_type_name(value));
            return -1;
        }
        if (value == self) {
            PyErr_SetString(PyExc_RuntimeError, "can't assign Variable as its own grad");
            return -1;
        }
        grad = pytensor_get(value);
    }
    if (autograd_set_grad(pytensor_get(self), grad) == 0)
        return 0;
    raise_error();
    return -1;
}

GETTER(grad_fn)
{
    int result;
    fl_tensor *t = pytensor_get(self);
    if (tensor_is_leaf(t) && !t->creation) /* of such views the node's lack may be an error */
        Py_RETURN_NONE;
    struct node *n = autograd_node(t, &result);
    pytensor_track(self); /* a hook or an attribute of the node may come to refer to it */
    return n ? nodes_show(n) : fl_error() != FL_OK ? raise_error() : Py_NewRef(Py_None);
}

GETTER(retains_grad)
{
    const struct autograd *state = pytensor_get(self)->autograd;
    return python_bool(state && state->retains_grad);
}

GETTER(output_nr)
{
    const struct autograd *state = pytensor_get(self)->autograd;
    return PyLong_FromLong(state ? state->result : 0);
}

GETTER(version)
{
    const fl_tensor *t = pytensor_get(self);
    if (t->flags & TENSOR_INFERENCE)
        return PyErr_Format(PyExc_RuntimeError, "Inference tensors do not track version counter.");
    return PyLong_FromLong(t->storage ? (long)t->storage->version : 0);
}

/* ---- The content without history ------------------------------------------------------------- */

GETTER(data)
{
    fl_tensor *alias = autograd_detach(pytensor_get(self));
    if (alias)
        alias->flags |= TENSOR_UNTRACKED;
    return pytensor_wrap(alias);
}

int pytensor_set_data(fl_tensor *t, const fl_tensor *from, int references)
{
    assert(t->storage && from->storage);
    if (t == from)
        return 0;
    if ((t->flags | from->flags) & TENSOR_IN_OBJECT)
        return error_set(FL_RUNTIME_ERROR,
                         "Attempted to call `variable.set_data(tensor)`, but `variable` and "
                         "`tensor` have incompatible tensor type.");
    if (tensor_requires_grad(t) && !dtype_is_inexact(from->dtype))
        return error_set(
            FL_RUNTIME_ERROR,
            "data set to a tensor that requires gradients must be floating point or complex "
            "dtype");
    if (outside_wait(t))
        return -1;
    /* The version is the storage's. Saved as t was, it may be read with new values (as PyTorch does)
     * where nothing else has the memory; what lost its shape or dtype goes beyond all that it had. */
    struct storage *before = t->storage, *after = from->storage;
    const bool fresh = atomic_load(&from->refs) == references && atomic_load(&after->refs) == 1;
    if (fresh && shape_equal(t, from) && t->dtype == from->dtype)
        after->version = before->version;
    else if (fresh && after->version <= before->version)
        after->version = before->version + 1;
    if (tensor_set_shape(t, from->ndim, from->sizes, from->strides, from->offset))
        return -1;
    tensor_set_storage(t, from->storage);
    t->dtype = from->dtype;
    if (t->base && t->base->storage != t->storage) { /* a view of that no longer */
        tensor_release(t->base);
        t->base = NULL;
        t->creation = 0;
    }
    return 0;
}

static int set_data(PyObject *self, PyObject *value, void *context)
{
    (void)context;
    if (!value || !pytensor_check(value)) {
        PyErr_Format(PyExc_TypeError, "Variable data has to be a tensor, but got %s",
                     value ? python_type_name(value) : "nothing");
        return -1;
    }
    if (pytensor_set_data(pytensor_get(self), pytensor_get(value), 1) == 0)
        return 0;
    raise_error();
    return -1;
}

/* ---- Transposed ------------------------------------------------------------------------------ */

static PyObject *transposed(PyObject *self, int dims)
{
    OPERATOR(permute, "permute");
    fl_tensor *t = pytensor_get(self);
    int64_t order[TENSOR_MAX_DIMS];
    for (int i = 0; i < t->ndim; i++)
        order[i] = i < t->ndim - dims ? i : t->ndim - 1 - (i - (t->ndim - dims));
    fl_value list = {.tag = FL_INTS, .count = (uint32_t)t->ndim, .as.ints = order};
    return pytensor_wrap(pytensor_call(permute, t, (struct named_value[]){{"dims", list}, {0}}));
}

/* Tells once that a property is not meant for tensors of this rank; false with an exception. */
static bool warn_of_rank(bool *told, const char *text)
{
    bool first = !*told;
    *told = true;
    return !first || PyErr_WarnEx(PyExc_UserWarning, text, 1) == 0;
}

GETTER(T)
{
    static bool told, told_of_none;
    int ndim = pytensor_get(self)->ndim;
    if (ndim == 0 && !warn_of_rank(&told_of_none, "Tensor.T is deprecated on 0-D tensors. This "
                                                  "function is the identity in these cases."))
        return NULL;
    if (ndim != 2 && ndim != 0 &&
        !warn_of_rank(&told, "The use of `x.T` on tensors of dimension other than 2 to reverse "
                             "their shape is deprecated and it will throw an error in a future "
                             "release. Consider `x.mT` to transpose batches of matrices or "
                             "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the "
                             "dimensions of a tensor."))
        return NULL;
    return transposed(self, pytensor_get(self)->ndim);
}

/* The last two dims swapped; of a tensor without dims itself, with PyTorch's warning. */
static PyObject *matrix_transposed(PyObject *self, const char *name, bool *told, const char *text)
{
    int ndim = pytensor_get(self)->ndim;
    if (ndim == 1)
        return PyErr_Format(
            PyExc_RuntimeError,
            "tensor.%s is only supported on matrices or batches of matrices. Got 1-D tensor.",
            name);
    if (ndim == 0 && !warn_of_rank(told, text))
        return NULL;
    return transposed(self, ndim ? 2 : 0);
}

GETTER(mT)
{
    static bool told;
    return matrix_transposed(self, "mT", &told,
                             "Tensor.mT is deprecated on 0-D tensors. This function "
                             "is the identity in these cases.");
}

/* The conjugate of what is given, which is taken over; of a real tensor it is itself. */
static PyObject *conjugated(PyObject *given)
{
    OPERATOR(conj, "conj");
    if (!given || !dtype_is_complex(pytensor_get(given)->dtype))
        return given;
    PyObject *y =
        pytensor_wrap(pytensor_call(conj, pytensor_get(given), (struct named_value[]){{0}}));
    Py_DECREF(given);
    return y;
}

GETTER(mH)
{
    static bool told;
    return conjugated(matrix_transposed(
        self, "mH", &told, "Tensor.mH is deprecated on 0-D tensors. Consider using x.conj()."));
}

GETTER(H)
{
    int ndim = pytensor_get(self)->ndim;
    if (ndim != 2 && ndim != 0)
        return PyErr_Format(
            PyExc_RuntimeError,
            "tensor.H is only supported on matrices (2-D tensors). Got %d-D tensor.%s", ndim,
            ndim > 2 ? " For batches of matrices, consider using tensor.mH" : "");
    static bool told;
    if (ndim == 0 && !warn_of_rank(&told, "Tensor.H is deprecated on 0-D tensors. Consider using "
                                          "x.conj()."))
        return NULL;
    return conjugated(transposed(self, ndim));
}

GETTER(real)
{
    OPERATOR(real, "real");
    fl_tensor *t = pytensor_get(self);
    if (!dtype_is_complex(t->dtype))
        return Py_NewRef(self);
    return pytensor_wrap(pytensor_call(real, t, (struct named_value[]){{0}}));
}

GETTER(imag)
{
    OPERATOR(imag, "imag");
    return pytensor_wrap(pytensor_call(imag, pytensor_get(self), (struct named_value[]){{0}}));
}

static int set_part(PyObject *part, PyObject *value)
{
    PyObject *done = part && value ? PyObject_CallMethod(part, "copy_", "O", value) : NULL;
    if (part && !value)
        PyErr_SetString(PyExc_RuntimeError, "the parts of a complex tensor cannot be deleted");
    Py_XDECREF(part);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int set_real(PyObject *self, PyObject *value, void *unused)
{
    return set_part(get_real(self, unused), value);
}

static int set_imag(PyObject *self, PyObject *value, void *unused)
{
    return set_part(get_imag(self, unused), value);
}

#define SAYS_NO(name) {name, get_no, NULL, NULL, NULL}

PyGetSetDef pytensor_properties[] = {
    {"shape", get_shape, NULL, "The size of each dimension.", NULL},
    {"ndim", get_ndim, NULL, "The number of dimensions.", NULL},
    {"dtype", get_dtype, NULL, "The dtype of the elements.", NULL},
    {"device", get_device, NULL, "Where the elements are.", NULL},
    {"layout", get_layout, NULL, NULL, NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of an element.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"names", get_names, NULL, NULL, NULL},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether calls with it are recorded.",
     NULL},
    {"is_leaf", get_is_leaf, NULL, "Whether no recorded call made it.", NULL},
    {"grad", get_grad, set_grad, "The gradient gathered by backward, or None.", NULL},
    {"_grad", get_grad, set_grad, NULL, NULL},
    {"grad_fn", get_grad_fn, NULL, "The node of the call that made it, or None.", NULL},
    {"retains_grad", get_retains_grad, NULL, NULL, NULL},
    {"output_nr", get_output_nr, NULL, NULL, NULL},
    {"_version", get_version, NULL, "How often its memory has been written.", NULL},
    {"data", get_data, set_data, "The same memory without history; assigning replaces it.", NULL},
    {"T", get_T, NULL, "With all dimensions reversed.", NULL},
    {"mT", get_mT, NULL, "With the last two dimensions swapped.", NULL},
    {"H", get_H, NULL, NULL, NULL},
    {"mH", get_mH, NULL, "mT, conjugated.", NULL},
    {"real", get_real, set_real, "The real part, a view.", NULL},
    {"imag", get_imag, set_imag, "The imaginary part of a complex tensor, a view.", NULL},
    {"_base", get_base, NULL, "The tensor it is a view of, or None.", NULL},
    {"name", get_none, NULL, NULL, NULL},
    {"_backward_hooks", get_none, NULL, NULL, NULL},
    {"_has_symbolic_sizes_strides", get_no, NULL, NULL, NULL},
    {"is_cpu", get_is_cpu, NULL, NULL, NULL},
    SAYS_NO("is_cuda"),
    SAYS_NO("is_sparse"),
    SAYS_NO("is_sparse_csr"),
    SAYS_NO("is_quantized"),
    {"is_meta", get_is_meta, NULL, "Whether it is a shape without memory.", NULL},
    SAYS_NO("is_mps"),
    SAYS_NO("is_mkldnn"),
    SAYS_NO("is_xpu"),
    SAYS_NO("is_nested"),
    SAYS_NO("is_vulkan"),
    SAYS_NO("is_xla"),
    SAYS_NO("is_ipu"),
    SAYS_NO("is_mtia"),
    SAYS_NO("is_maia"),
    {0},
};
