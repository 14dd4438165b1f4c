/* safetensors for Python: names and tensors to a file or bytes, and back. */
#include "io/safetensors.h"

#include <string.h>
#include <unistd.h>

#include "core/device.h"
#include "core/memory.h"
#include "python/call/outside.h"
#include "python/module/optim.h"
#include "python/tensor/tensor_object.h"

/* ---- Writing ---- */

/* What a call writes. Names and metadata texts belong to Python's objects; tensors are contiguous
 * and owned. */
struct writing {
    Py_ssize_t count, pairs;
    fl_tensor **tensors;
    struct safetensors_item *items;
    struct safetensors_pair *metadata;
};

static void writing_release(struct writing *w)
{
    for (Py_ssize_t i = 0; w->tensors && i < w->count; i++)
        tensor_release(w->tensors[i]);
    PyMem_Free(w->tensors);
    PyMem_Free(w->items);
    PyMem_Free(w->metadata);
}

/* A str's text without NUL, or NULL with an exception. */
static const char *text_of(PyObject *o, const char *what)
{
    Py_ssize_t bytes;
    const char *text = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &bytes) : NULL;
    if (!text) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "%s must be str, not %s", what, python_type_name(o));
    } else if ((size_t)bytes != strlen(text)) {
        PyErr_Format(PyExc_ValueError, "%s must not hold a NUL character", what);
        text = NULL;
    }
    return text;
}

static bool writing_tensors(struct writing *w, PyObject *names, PyObject *tensors)
{
    assert(PyList_Check(names) && PyList_Check(tensors));
    for (Py_ssize_t i = 0; i < w->count; i++) {
        PyObject *object = PyList_GetItem(tensors, i);
        const char *name = text_of(PyList_GetItem(names, i), "a tensor's name");
        if (!name)
            return false;
        if (!pytensor_check(object)) {
            PyErr_Format(PyExc_TypeError, "'%s' must be a Tensor, not %s", name,
                         python_type_name(object));
            return false;
        }
        fl_tensor *t = w->tensors[i] = tensor_host_rows(pytensor_get(object));
        if (!t) {
            raise_error();
            return false;
        }
        w->items[i] = (struct safetensors_item){.name = name,
                                                .dtype = t->dtype,
                                                .ndim = t->ndim,
                                                .sizes = t->sizes,
                                                .data = tensor_data(t)};
    }
    return true;
}

/* Reads the arguments names, tensors (lists of one length) and metadata (a dict of str to str). */
static bool writing_from(struct writing *w, PyObject *names, PyObject *tensors, PyObject *metadata)
{
    if (!PyList_Check(names) || !PyList_Check(tensors) ||
        PyList_Size(names) != PyList_Size(tensors) || !PyDict_Check(metadata)) {
        PyErr_SetString(
            PyExc_TypeError,
            "expected a list of names, a list of as many tensors and a dict of metadata");
        return false;
    }
    w->count = PyList_Size(names);
    Py_ssize_t pairs = PyDict_Size(metadata);
    w->tensors = PyMem_Calloc((size_t)w->count + 1, sizeof *w->tensors);
    w->items = PyMem_Calloc((size_t)w->count + 1, sizeof *w->items);
    w->metadata = PyMem_Calloc((size_t)pairs + 1, sizeof *w->metadata);
    if (!w->tensors || !w->items || !w->metadata) {
        PyErr_NoMemory();
        return false;
    }
    PyObject *key, *value;
    for (Py_ssize_t at = 0; w->pairs < pairs && PyDict_Next(metadata, &at, &key, &value);
         w->pairs++) {
        struct safetensors_pair *pair = &w->metadata[w->pairs];
        if (!(pair->key = text_of(key, "a metadata key")) ||
            !(pair->value = text_of(value, "a metadata value")))
            return false;
    }
    return writing_tensors(w, names, tensors);
}

static PyObject *save(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *path = NULL, *names, *tensors, *metadata;
    if (!PyArg_ParseTuple(args, "O&OOO:_safetensors_save", PyUnicode_FSConverter, &path, &names,
                          &tensors, &metadata))
        return NULL;
    struct writing w = {0};
    struct outside_call outside;
    outside_enter(&outside, NULL, 0); /* before the addresses of the tensors are taken */
    bool done = writing_from(&w, names, tensors, metadata);
    const char *file = PyBytes_AsString(path);
    if (done && file) {
        PyThreadState *thread = python_leave();
        int status = safetensors_write(file, w.count, w.items, w.pairs, w.metadata);
        python_return(thread);
        if (status != 0)
            raise_error();
        done = status == 0;
    }
    outside_leave(&outside);
    writing_release(&w);
    Py_DECREF(path);
    return done && file ? Py_NewRef(Py_None) : NULL;
}

/* The whole file as bytes. */
static PyObject *compose(const struct writing *w)
{
    size_t header_bytes, order_room = (size_t)(w->count + 1) * sizeof(int64_t), bytes;
    int64_t *order = memory_alloc(order_room);
    char *header =
        order ? safetensors_header(w->count, w->items, w->pairs, w->metadata, &header_bytes, order)
              : NULL;
    PyObject *file = NULL;
    if (!header) {
        raise_error();
        goto done;
    }
    bytes = header_bytes;
    for (Py_ssize_t i = 0; i < w->count; i++)
        bytes += (size_t)w->tensors[i]->numel * dtype_size(w->tensors[i]->dtype);
    file = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes);
    char *at = file ? PyBytes_AsString(file) : NULL;
    if (at) {
        memcpy(at, header, header_bytes);
        at += header_bytes;
        for (Py_ssize_t i = 0; i < w->count; i++) {
            const fl_tensor *t = w->tensors[order[i]];
            size_t size = (size_t)t->numel * dtype_size(t->dtype);
            if (size)
                memcpy(at, tensor_data(t), size);
            at += size;
        }
    }
    memory_free(header, header_bytes);
done:
    memory_free(order, order ? order_room : 0);
    return file;
}

static PyObject *dumps(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *names, *tensors, *metadata;
    if (!PyArg_ParseTuple(args, "OOO:_safetensors_dumps", &names, &tensors, &metadata))
        return NULL;
    struct writing w = {0};
    PyObject *file = writing_from(&w, names, tensors, metadata) ? compose(&w) : NULL;
    writing_release(&w);
    return file;
}

/* ---- Reading ---- */

/* Where the data come from: a descriptor, or bytes of a whole file. */
struct source {
    int file;
    const char *bytes;
};

/* A new tensor with an entry's elements, or NULL with the library's error. */
static fl_tensor *read_tensor(const struct source *source, const struct safetensors_index *index,
                              const struct safetensors_entry *entry)
{
    assert(entry->ndim >= 0 && entry->ndim <= TENSOR_MAX_DIMS);
    fl_tensor *t = tensor_new(entry->ndim, entry->sizes, entry->dtype);
    if (!t || t->numel == 0)
        return t;
    if (source->bytes) {
        memcpy(tensor_data(t), source->bytes + index->data_start + entry->begin,
               (size_t)(entry->end - entry->begin));
    } else if (safetensors_read(source->file, index, entry, tensor_data(t)) != 0) {
        tensor_release(t);
        return NULL;
    }
    uint8_t *byte = tensor_data(t);
    for (int64_t i = 0; t->dtype == FL_BOOL && i < t->numel; i++)
        byte[i] = byte[i] != 0;
    return t;
}

/* ([name, ...], [tensor, ...], {key: value, ...}). Drops the index. */
static PyObject *read_all(const struct source *source, struct safetensors_index *index)
{
    PyObject *names = PyList_New(0), *tensors = PyList_New(0), *metadata = PyDict_New(),
             *result = NULL;
    bool done = names && tensors && metadata;
    for (int64_t i = 0; done && i < index->count; i++) {
        PyThreadState *thread = python_leave();
        fl_tensor *t = read_tensor(source, index, &index->entries[i]);
        python_return(thread);
        PyObject *tensor = pytensor_wrap(t), *name = PyUnicode_FromString(index->entries[i].name);
        done = tensor && name && PyList_Append(names, name) == 0 &&
               PyList_Append(tensors, tensor) == 0;
        Py_XDECREF(tensor);
        Py_XDECREF(name);
    }
    for (int64_t i = 0; done && i < index->pairs; i++) {
        PyObject *value = PyUnicode_FromString(index->metadata[i].value);
        done = value && PyDict_SetItemString(metadata, index->metadata[i].key, value) == 0;
        Py_XDECREF(value);
    }
    if (done)
        result = PyTuple_Pack(3, names, tensors, metadata);
    Py_XDECREF(names);
    Py_XDECREF(tensors);
    Py_XDECREF(metadata);
    safetensors_release(index);
    return result;
}

static PyObject *load(PyObject *module, PyObject *argument)
{
    (void)module;
    PyObject *path = NULL;
    if (!PyUnicode_FSConverter(argument, &path))
        return NULL;
    struct safetensors_index index;
    const char *text = PyBytes_AsString(path);
    struct source source = {.file = text ? safetensors_open(text, &index) : -1};
    Py_DECREF(path);
    if (source.file < 0)
        return raise_error();
    PyObject *result = read_all(&source, &index);
    close(source.file);
    return result;
}

static PyObject *loads(PyObject *module, PyObject *bytes)
{
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    struct safetensors_index index;
    struct source source = {.file = -1, .bytes = view.buf};
    PyObject *result = safetensors_parse(view.buf, (uint64_t)view.len, &index) == 0
                           ? read_all(&source, &index)
                           : raise_error();
    PyBuffer_Release(&view);
    return result;
}

PyMethodDef safetensors_functions[] = {
    {"_safetensors_save", save, METH_VARARGS,
     "_safetensors_save(path, names, tensors, metadata): writes a file."},
    {"_safetensors_dumps", dumps, METH_VARARGS,
     "_safetensors_dumps(names, tensors, metadata): a file's bytes."},
    {"_safetensors_load", load, METH_O,
     "_safetensors_load(path): (names, tensors, metadata) of a file."},
    {"_safetensors_loads", loads, METH_O, "_safetensors_loads(bytes): the same of a file's bytes."},
    {0},
};
