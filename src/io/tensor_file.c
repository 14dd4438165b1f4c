/* Named tensors to a file and back: the safetensors format between handles and names. */
#include "io/tensor_file.h"

#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "flambeau/io.h"
#include "io/safetensors.h"

struct fl_file {
    int descriptor;
    struct safetensors_index index;
};

/* ---- Saving --------------------------------------------------------------------------------- */

int tensor_file_save(const char *path, int64_t count, const char *const *names,
                     fl_tensor *const *tensors)
{
    static const struct safetensors_pair FORMAT = {"format",
                                                   "pt"}; /* PyTorch's reader asks for it */
    size_t items_bytes = (size_t)count * sizeof(struct safetensors_item),
           held_bytes = (size_t)count * sizeof(fl_tensor *);
    struct safetensors_item *items = memory_alloc(items_bytes);
    fl_tensor **held = memory_zalloc(held_bytes); /* contiguous tensors behind the items */
    int status = items && held ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < count; i++) {
        fl_tensor *t = held[i] = tensor_contiguous(tensors[i]);
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

fl_file *fl_file_open(const char *path)
{
    if (!path)
        return fl_null_argument("fl_file_open", "path"), NULL;
    fl_file *f = memory_alloc(sizeof *f);
    if (!f)
        return NULL;
    f->descriptor = safetensors_open(path, &f->index);
    if (f->descriptor >= 0)
        return f;
    memory_free(f, sizeof *f);
    return NULL;
}

void fl_file_close(fl_file *f)
{
    if (!f)
        return;
    safetensors_release(&f->index);
    close(f->descriptor);
    memory_free(f, sizeof *f);
}

int64_t fl_file_count(const fl_file *f)
{
    return f ? f->index.count : 0;
}

const char *fl_file_name(const fl_file *f, int64_t i)
{
    return f && i >= 0 && i < f->index.count ? f->index.entries[i].name : NULL;
}

fl_tensor *fl_file_load(fl_file *f, const char *name)
{
    if (!f || !name)
        return fl_null_argument("fl_file_load", f ? "name" : "f"), NULL;
    const struct safetensors_entry *e = NULL;
    for (int64_t i = 0; !e && i < f->index.count; i++)
        if (strcmp(f->index.entries[i].name, name) == 0)
            e = &f->index.entries[i];
    if (!e)
        return error_null(FL_VALUE_ERROR, "the file has no tensor '%.200s'", name);
    fl_tensor *t = tensor_new(e->ndim, e->sizes, e->dtype);
    if (t && safetensors_read(f->descriptor, &f->index, e, tensor_data(t))) {
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
