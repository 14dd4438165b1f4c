/* What flambeau.serialization needs of files: zip archives as lists of entries, and files that are
 * written whole or not at all. */
#include <sys/stat.h>

#include "core/memory.h"
#include "io/file_write.h"
#include "io/zip.h"
#include "python/module/optim.h"

/* ---- Buffers --------------------------------------------------------------------------------- */

/* The bytes of a list of objects that have the buffer protocol. */
struct buffers {
    Py_ssize_t count;
    Py_buffer *views;
};

static void buffers_release(struct buffers *b)
{
    for (Py_ssize_t i = 0; i < b->count; i++)
        PyBuffer_Release(&b->views[i]);
    PyMem_Free(b->views);
}

static bool buffers_from(struct buffers *b, PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    *b = (struct buffers){.views = PyMem_Calloc((size_t)count + 1, sizeof *b->views)};
    if (!b->views)
        PyErr_NoMemory();
    for (; b->views && b->count < count; b->count++)
        if (PyObject_GetBuffer(PyList_GetItem(list, b->count), &b->views[b->count], PyBUF_SIMPLE) <
            0)
            break;
    if (!PyErr_Occurred())
        return true;
    buffers_release(b);
    return false;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static PyObject *write_file(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *path = NULL, *list;
    struct buffers pieces;
    if (!PyArg_ParseTuple(args, "O&O!:_write_file", PyUnicode_FSConverter, &path, &PyList_Type,
                          &list))
        return NULL;
    if (!buffers_from(&pieces, list)) {
        Py_DECREF(path);
        return NULL;
    }
    struct file_write w;
    const char *text = PyBytes_AsString(path);
    PyThreadState *thread = python_leave();
    int status = file_write_open(&w, text);
    if (status == 0) {
        for (Py_ssize_t i = 0; i < pieces.count && status == 0; i++)
            status = file_write_bytes(&w, pieces.views[i].buf, (uint64_t)pieces.views[i].len);
        status = file_write_close(&w, status);
    }
    python_return(thread);
    buffers_release(&pieces);
    Py_DECREF(path);
    return status == 0 ? Py_NewRef(Py_None) : raise_error();
}

/* A list of the headers, cut where data stand. */
static PyObject *cut_headers(const char *headers, size_t size, const uint64_t *begin,
                             Py_ssize_t count)
{
    assert(count >= 0);
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i <= count; i++) {
        uint64_t end = i < count ? begin[i + 1] : size;
        PyObject *piece =
            PyBytes_FromStringAndSize(headers + begin[i], (Py_ssize_t)(end - begin[i]));
        if (!piece || PyList_Append(list, piece) < 0)
            Py_CLEAR(list);
        Py_XDECREF(piece);
    }
    return list;
}

/* The entries of those names, or NULL with the exception. (PyMem_Free) */
static struct zip_item *items_of(PyObject *names, const struct buffers *data)
{
    struct zip_item *items = PyMem_Calloc((size_t)data->count + 1, sizeof *items);
    if (!items)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; items && i < data->count; i++) {
        const char *name = PyUnicode_AsUTF8AndSize(PyList_GetItem(names, i), NULL);
        items[i] = (struct zip_item){name, data->views[i].buf, (uint64_t)data->views[i].len};
        if (!name) {
            PyMem_Free(items);
            return NULL;
        }
    }
    return items;
}

static PyObject *headers_of(PyObject *names, const struct buffers *data)
{
    Py_ssize_t count = data->count;
    struct zip_item *items = items_of(names, data);
    uint64_t *begin = PyMem_Calloc((size_t)count + 1, sizeof *begin);
    PyObject *result = NULL;
    if (items && !begin)
        PyErr_NoMemory();
    if (items && begin) {
        size_t size;
        PyThreadState *thread = python_leave();
        char *headers = zip_headers(count, items, &size, begin);
        python_return(thread);
        result = headers ? cut_headers(headers, size, begin, count) : raise_error();
        memory_free(headers, headers ? size : 0);
    }
    PyMem_Free(items);
    PyMem_Free(begin);
    return result;
}

static PyObject *zip_headers_function(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *names, *list;
    struct buffers data;
    if (!PyArg_ParseTuple(args, "O!O!:_zip_headers", &PyList_Type, &names, &PyList_Type, &list))
        return NULL;
    if (PyList_Size(names) != PyList_Size(list))
        return PyErr_Format(PyExc_ValueError, "_zip_headers: as many names as data are expected");
    if (!buffers_from(&data, list))
        return NULL;
    PyObject *result = headers_of(names, &data);
    buffers_release(&data);
    return result;
}

static PyObject *write_archive(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *path = NULL, *names, *list, *result = NULL;
    struct buffers data;
    if (!PyArg_ParseTuple(args, "O&O!O!:_write_archive", PyUnicode_FSConverter, &path, &PyList_Type,
                          &names, &PyList_Type, &list))
        return NULL;
    if (PyList_Size(names) != PyList_Size(list))
        PyErr_SetString(PyExc_ValueError, "_write_archive: as many names as data are expected");
    else if (buffers_from(&data, list)) {
        struct zip_item *items = items_of(names, &data);
        if (items) {
            struct file_write w;
            const char *text = PyBytes_AsString(path);
            PyThreadState *thread = python_leave();
            int status = file_write_open(&w, text);
            if (status == 0)
                status = file_write_close(&w, zip_write(&w, data.count, items));
            python_return(thread);
            result = status == 0 ? Py_NewRef(Py_None) : raise_error();
        }
        PyMem_Free(items);
        buffers_release(&data);
    }
    Py_DECREF(path);
    return result;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static PyObject *entries_of(const struct zip_source *source)
{
    struct zip_index index;
    PyThreadState *thread = python_leave();
    int status = zip_open(source, &index);
    python_return(thread);
    if (status != 0)
        return raise_error();
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < index.count; i++) {
        const struct zip_entry *e = &index.entries[i];
        PyObject *row =
            Py_BuildValue("(sKKKi)", e->name, (unsigned long long)e->place,
                          (unsigned long long)e->packed, (unsigned long long)e->size, e->method);
        if (!row || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    zip_release(&index);
    return list;
}

static PyObject *zip_entries(PyObject *module, PyObject *from)
{
    (void)module;
    if (PyLong_Check(from)) {
        struct stat about;
        long file = PyLong_AsLong(from);
        if (file == -1 && PyErr_Occurred())
            return NULL;
        if (file < 0 || fstat((int)file, &about) != 0)
            return PyErr_SetFromErrno(PyExc_OSError);
        return entries_of(&(struct zip_source){.file = (int)file, .size = (uint64_t)about.st_size});
    }
    Py_buffer view;
    if (PyObject_GetBuffer(from, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result =
        entries_of(&(struct zip_source){.file = -1, .bytes = view.buf, .size = (uint64_t)view.len});
    PyBuffer_Release(&view);
    return result;
}

PyMethodDef archive_functions[] = {
    {"_write_file", write_file, METH_VARARGS,
     "_write_file(path, pieces): writes a list of buffers to a file, whole or not at all."},
    {"_write_archive", write_archive, METH_VARARGS,
     "_write_archive(path, names, data): writes an archive to a file, whole or not at all."},
    {"_zip_headers", zip_headers_function, METH_VARARGS,
     "_zip_headers(names, data): what stands before, between and after the data in an archive."},
    {"_zip_entries", zip_entries, METH_O,
     "_zip_entries(descriptor or bytes): (name, place, packed bytes, bytes, method) of each "
     "entry."},
    {0},
};
