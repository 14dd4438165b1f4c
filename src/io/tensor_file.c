/* Named tensors to a file and back, between handles and names: the safetensors format and PyTorch's;
 * and NumPy's .npz archives, which are only read.
 *
 * What a file is, its first bytes say; which of the two is written, the end of its path. */
#include "io/tensor_file.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "flambeau/io.h"
#include "io/npy.h"
#include "io/pt.h"
#include "io/safetensors.h"
#include "io/zip.h"

enum format { SAFETENSORS, NPZ, PT };

struct fl_file {
    struct zip_source source;
    enum format format; /* which of the three indices is filled */
    struct safetensors_index index;
    struct zip_index zip; /* of the entries that are arrays, under names without .npy */
    struct pt_index pt;
};

/* ---- Saving --------------------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *end)
{
    size_t length = strlen(path), tail = strlen(end);
    return length >= tail && strcmp(path + length - tail, end) == 0;
}

int tensor_file_save(const char *path, int64_t count, const char *const *names,
                     fl_tensor *const *tensors)
{
    assert(count >= 0 && (names || count == 0));
    static const struct safetensors_pair FORMAT = {"format",
                                                   "pt"}; /* PyTorch's reader asks for it */
    if (ends_in(path, ".pt") || ends_in(path, ".pth"))
        return pt_write(path, count, names, tensors);
    size_t items_bytes = (size_t)count * sizeof(struct safetensors_item),
           held_bytes = (size_t)count * sizeof(fl_tensor *);
    struct safetensors_item *items = memory_alloc(items_bytes);
    fl_tensor **held = memory_zalloc(held_bytes); /* contiguous tensors behind the items */
    int status = items && held ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < count; i++) {
        fl_tensor *t = held[i] = tensor_host_rows(tensors[i]);
        if (t)
            items[i] =
                (struct safetensors_item){names[i], t->dtype, t->ndim, t->sizes, tensor_data(t)};
        else
            status = -1;
    }
    if (status == 0)
        status = safetensors_write(path, count, items, 1, &FORMAT);
    for (int64_t i = 0; held && i < count; i++)
        tensor_release(held[i]);
    memory_free(items, items_bytes);
    memory_free(held, held_bytes);
    return status;
}

int fl_file_save(const char *path, int64_t count, const char *const *names,
                 fl_tensor *const *tensors)
{
    if (!path || (count > 0 && (!names || !tensors)))
        return fl_null_argument("fl_file_save", !path ? "path" : !names ? "names" : "tensors");
    if (count < 0)
        return error_set(FL_VALUE_ERROR, "fl_file_save(): %lld tensors", (long long)count);
    for (int64_t i = 0; i < count; i++)
        if (!names[i] || !tensors[i])
            return fl_null_argument("fl_file_save", names[i] ? "tensors" : "names");
    return tensor_file_save(path, count, names, tensors);
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* Leaves the arrays of an archive in its index. */
static void keep_arrays(struct zip_index *zip)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < zip->count; i++) {
        char *name = zip->names + (zip->entries[i].name - zip->names);
        size_t length = strlen(name);
        if (length < 4 || strcmp(name + length - 4, ".npy") != 0)
            continue;
        name[length - 4] = '\0';
        zip->entries[kept++] = zip->entries[i];
    }
    zip->count = kept;
    zip_sort(zip);
}

/* Reads the index of an archive, NumPy's or PyTorch's. */
static int open_archive(struct fl_file *f)
{
    if (zip_open(&f->source, &f->zip) != 0)
        return -1;
    if (!pt_is_archive(&f->zip)) {
        f->format = NPZ;
        keep_arrays(&f->zip);
        return 0;
    }
    f->format = PT;
    int status = pt_open(&f->source, &f->zip, &f->pt);
    zip_release(&f->zip);
    return status;
}

/* Opens a file that begins as an archive or a pickle does: 1; 0 where it begins otherwise, or is not
 * there; -1 with the error set. */
static int open_other(struct fl_file *f, const char *path)
{
    char start[9] = {0};
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t got = fstat(file, &about) == 0 && S_ISREG(about.st_mode)
                      ? pread(file, start, sizeof start, 0)
                      : 0;
    bool archive = got >= 4 && zip_begins(start, 4);
    /* The length in front of a safetensors header may begin with the same byte. */
    bool pickles = !archive && (unsigned char)start[0] == 0x80 && start[8] != '{';
    if (!archive && !pickles) {
        close(file);
        return 0;
    }
    f->source = (struct zip_source){.file = file, .size = (uint64_t)about.st_size};
    f->format = PT;
    if ((archive ? open_archive(f) : pt_open(&f->source, NULL, &f->pt)) == 0)
        return 1;
    error_context("In '%s'", "文件：'%s'", path);
    close(file);
    return -1;
}

static fl_tensor *load_array(struct fl_file *f, const struct zip_entry *entry)
{
    if (entry->method != ZIP_STORED)
        return error_null(
            FL_RUNTIME_ERROR,
            "npz: '%.200s' is compressed; save it by numpy.savez, without _compressed",
            entry->name);
    return npy_read(&f->source, entry->place, entry->size);
}

static fl_tensor *load_entry(struct fl_file *f, const struct safetensors_entry *e)
{
    fl_tensor *t = tensor_new(e->ndim, e->sizes, e->dtype);
    if (t && safetensors_read(f->source.file, &f->index, e, tensor_data(t)) != 0) {
        tensor_release(t);
        return NULL;
    }
    return t;
}

fl_file *fl_file_open(const char *path)
{
    if (!path)
        return fl_null_argument("fl_file_open", "path"), NULL;
    fl_file *f = memory_zalloc(sizeof *f);
    if (!f)
        return NULL;
    int other = open_other(f, path);
    if (other == 0)
        f->source.file = safetensors_open(path, &f->index);
    if (other >= 0 && f->source.file >= 0)
        return f;
    memory_free(f, sizeof *f);
    return NULL;
}

void fl_file_close(fl_file *f)
{
    if (!f)
        return;
    safetensors_release(&f->index);
    zip_release(&f->zip);
    pt_release(&f->pt);
    close(f->source.file);
    memory_free(f, sizeof *f);
}

int64_t fl_file_count(const fl_file *f)
{
    return !f                 ? 0
           : f->format == NPZ ? f->zip.count
           : f->format == PT  ? f->pt.tensors.count
                              : f->index.count;
}

const char *fl_file_name(const fl_file *f, int64_t i)
{
    if (i < 0 || i >= fl_file_count(f))
        return NULL;
    return f->format == NPZ  ? f->zip.entries[i].name
           : f->format == PT ? f->pt.tensors.items[i].name
                             : f->index.entries[i].name;
}

int64_t tensor_file_find(const fl_file *f, const char *name)
{
    assert(f && name);
    const struct zip_entry *array = f->format == NPZ ? zip_find(&f->zip, name) : NULL;
    const struct pt_leaf *leaf = f->format == PT ? pt_find(&f->pt.tensors, name) : NULL;
    if (array || leaf)
        return array ? array - f->zip.entries : leaf - f->pt.tensors.items;
    for (int64_t i = 0; i < f->index.count; i++)
        if (strcmp(f->index.entries[i].name, name) == 0)
            return i;
    return -1;
}

int tensor_file_sizes(const fl_file *f, int64_t i, const int64_t **sizes)
{
    assert(i >= 0 && i < fl_file_count(f));
    if (f->format == NPZ)
        return error_set(FL_RUNTIME_ERROR,
                         "an .npz archive holds arrays, not the state of a module");
    *sizes = f->format == PT ? f->pt.tensors.items[i].tensor->sizes : f->index.entries[i].sizes;
    return f->format == PT ? f->pt.tensors.items[i].tensor->ndim : f->index.entries[i].ndim;
}

fl_tensor *tensor_file_read(fl_file *f, int64_t i)
{
    assert(i >= 0 && i < fl_file_count(f));
    if (f->format == PT)
        return pt_read(&f->source, &f->pt, f->pt.tensors.items[i].tensor);
    return f->format == NPZ ? load_array(f, &f->zip.entries[i])
                            : load_entry(f, &f->index.entries[i]);
}

fl_tensor *fl_file_load(fl_file *f, const char *name)
{
    if (!f || !name)
        return fl_null_argument("fl_file_load", f ? "name" : "f"), NULL;
    int64_t i = tensor_file_find(f, name);
    if (i < 0)
        return error_null(FL_VALUE_ERROR, "the file has no tensor '%.200s'", name);
    fl_tensor *t = tensor_file_read(f, i);
    return t && scope_adopt(t) == 0 ? t : NULL;
}

const char *fl_file_metadata(const fl_file *f, const char *key)
{
    const struct pt_leaf *leaf = f && key ? pt_find(&f->pt.texts, key) : NULL;
    for (int64_t i = 0; f && key && i < f->index.pairs; i++)
        if (strcmp(f->index.metadata[i].key, key) == 0)
            return f->index.metadata[i].value;
    return leaf ? leaf->text : NULL;
}

const char *fl_file_metadata_key(const fl_file *f, int64_t i)
{
    if (!f || i < 0 || i >= (f->format == PT ? f->pt.texts.count : f->index.pairs))
        return NULL;
    return f->format == PT ? f->pt.texts.items[i].name : f->index.metadata[i].key;
}
