/* Named tensors to a file and back: the safetensors format between handles and names; and NumPy's
 * .npz archives, which are only read. */
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
#include "io/safetensors.h"
#include "io/zip.h"

struct fl_file {
    int descriptor;
    bool is_zip; /* which of the two indices is filled */
    struct safetensors_index index;
    struct zip_index zip; /* of the entries that are arrays, under names without .npy */
    uint64_t size;        /* of the archive */
};

/* ---- Saving --------------------------------------------------------------------------------- */

int tensor_file_save(const char *path, int64_t count, const char *const *names,
                     fl_tensor *const *tensors)
{
    assert(count >= 0 && (names || count == 0));
    static const struct safetensors_pair FORMAT = {"format",
                                                   "pt"}; /* PyTorch's reader asks for it */
    size_t items_bytes = (size_t)count * sizeof(struct safetensors_item),
           held_bytes = (size_t)count * sizeof(fl_tensor *);
    struct safetensors_item *items = memory_alloc(items_bytes);
    fl_tensor **held = memory_zalloc(held_bytes); /* contiguous tensors behind the items */
    int status = items && held ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < count; i++) {
        fl_tensor *t = held[i] = tensor_host_rows(tensors[i]);
        if (t)
            items[i] = (struct safetensors_item){names[i], t->dtype, t->ndim, t->sizes,
                                                 tensor_data(t)};
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
}

/* Opens a file that begins as an archive does: 1; 0 where it does not, or is not there; -1 with the
 * error set. */
static int open_archive(struct fl_file *f, const char *path)
{
    char start[4];
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || pread(file, start, 4, 0) != 4 || !zip_begins(start, 4) ||
        fstat(file, &about) != 0) {
        if (file >= 0)
            close(file);
        return 0;
    }
    f->descriptor = file;
    f->is_zip = true;
    f->size = (uint64_t)about.st_size;
    if (zip_open(&(struct zip_source){.file = file, .size = f->size}, &f->zip) == 0) {
        keep_arrays(&f->zip);
        return 1;
    }
    error_context("In '%s'", "文件：'%s'", path);
    close(file);
    return -1;
}

static fl_tensor *load_array(struct fl_file *f, const struct zip_entry *entry)
{
    struct zip_source source = {.file = f->descriptor, .size = f->size};
    if (entry->method != ZIP_STORED)
        return error_null(FL_RUNTIME_ERROR,
                          "npz: '%.200s' is compressed; save it by numpy.savez, without _compressed",
                          entry->name);
    return npy_read(&source, entry->place, entry->size);
}

fl_file *fl_file_open(const char *path)
{
    if (!path)
        return fl_null_argument("fl_file_open", "path"), NULL;
    fl_file *f = memory_zalloc(sizeof *f);
    if (!f)
        return NULL;
    int archive = open_archive(f, path);
    if (archive == 0)
        f->descriptor = safetensors_open(path, &f->index);
    if (archive >= 0 && f->descriptor >= 0)
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
    close(f->descriptor);
    memory_free(f, sizeof *f);
}

int64_t fl_file_count(const fl_file *f)
{
    return !f ? 0 : f->is_zip ? f->zip.count : f->index.count;
}

const char *fl_file_name(const fl_file *f, int64_t i)
{
    if (i < 0 || i >= fl_file_count(f))
        return NULL;
    return f->is_zip ? f->zip.entries[i].name : f->index.entries[i].name;
}

fl_tensor *fl_file_load(fl_file *f, const char *name)
{
    if (!f || !name)
        return fl_null_argument("fl_file_load", f ? "name" : "f"), NULL;
    const struct safetensors_entry *e = NULL;
    const struct zip_entry *array = zip_find(&f->zip, name);
    for (int64_t i = 0; !e && i < f->index.count; i++)
        if (strcmp(f->index.entries[i].name, name) == 0)
            e = &f->index.entries[i];
    if (!e && !array)
        return error_null(FL_VALUE_ERROR, "the file has no tensor '%.200s'", name);
    fl_tensor *t = array ? load_array(f, array) : tensor_new(e->ndim, e->sizes, e->dtype);
    if (t && e && safetensors_read(f->descriptor, &f->index, e, tensor_data(t))) {
        tensor_release(t);
        return NULL;
    }
    return t && scope_adopt(t) == 0 ? t : NULL;
}

const char *fl_file_metadata(const fl_file *f, const char *key)
{
    for (int64_t i = 0; f && key && i < f->index.pairs; i++)
        if (strcmp(f->index.metadata[i].key, key) == 0)
            return f->index.metadata[i].value;
    return NULL;
}
