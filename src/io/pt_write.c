/* Writing .pt files: a dict of tensors by name, as torch.save writes it.
 *
 * The pickle is put together here, in the instructions of protocol 2; see pt.h for the archive
 * around it. Tensors on one storage and of one dtype share it in the file, which then holds all of
 * the storage, as PyTorch's do.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "flambeau/base.h"
#include "io/file_write.h"
#include "io/pt.h"
#include "io/safetensors_text.h"

enum { FIXED_ENTRIES = 5, ENTRY_NAME = 40 };

/* A text that is first measured (to NULL) and then written. */
struct out {
    char *to;
    size_t used;
};

static void put(struct out *out, const void *bytes, size_t count)
{
    if (out->to)
        memcpy(out->to + out->used, bytes, count);
    out->used += count;
}

static void put_code(struct out *out, int code)
{
    char byte = (char)code;
    put(out, &byte, 1);
}

static void put_little(struct out *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        put_code(out, (int)(number >> 8 * i & 0xff));
}

static void put_text(struct out *out, const char *text)
{
    put_code(out, 'X');
    put_little(out, strlen(text), 4);
    put(out, text, strlen(text));
}

static void put_int(struct out *out, int64_t number)
{
    assert(number >= 0);
    bool small = number <= INT32_MAX;
    put_code(out, small ? 'J' : 0x8a);
    if (!small)
        put_code(out, 8);
    put_little(out, (uint64_t)number, small ? 4 : 8);
}

static void put_ints(struct out *out, int count, const int64_t *numbers)
{
    put_code(out, '(');
    for (int i = 0; i < count; i++)
        put_int(out, numbers[i]);
    put_code(out, 't');
}

/* A name: module and name, each with a newline behind it. */
static void put_name(struct out *out, const char *name)
{
    put_code(out, 'c');
    put(out, name, strlen(name));
}

/* ---- tensors ---- */

struct item {
    const char *name;
    fl_tensor *t;    /* on the host, a reference */
    int64_t storage; /* which storage in the file is its own */
};

/* Dtypes that came after PyTorch's types of storages, whose bytes the dtype stands beside. */
static bool is_untyped(int dtype)
{
    return dtype >= FL_UINT16;
}

static void put_tensor(struct out *out, const struct item *item)
{
    const fl_tensor *t = item->t;
    bool untyped = is_untyped(t->dtype);
    int64_t bytes = (int64_t)t->storage->bytes, size = (int64_t)dtype_size(t->dtype);
    char name[64];
    put_name(out,
             untyped ? "torch._utils\n_rebuild_tensor_v3\n" : "torch._utils\n_rebuild_tensor_v2\n");
    put_code(out, '(');
    put_code(out, '(');
    put_text(out, "storage");
    snprintf(name, sizeof name, "torch\n%sStorage\n", dtypes[t->dtype].title);
    put_name(out, untyped ? "torch.storage\nUntypedStorage\n" : name);
    snprintf(name, sizeof name, "%lld", (long long)item->storage);
    put_text(out, name);
    put_text(out, "cpu");
    put_int(out, untyped ? bytes : bytes / size);
    put_code(out, 't');
    put_code(out, 'Q');
    put_int(out, t->offset);
    put_ints(out, t->ndim, t->sizes);
    put_ints(out, t->ndim, t->strides);
    put_code(out, 0x89);
    put_name(out, "collections\nOrderedDict\n");
    put_code(out, ')');
    put_code(out, 'R');
    if (untyped) {
        snprintf(name, sizeof name, "torch\n%s\n", dtypes[t->dtype].name);
        put_name(out, name);
    }
    put_code(out, 't');
    put_code(out, 'R');
}

static void put_pickle(struct out *out, int64_t count, const struct item *items)
{
    put(out, "\x80\2", 2);
    put_name(out, "collections\nOrderedDict\n");
    put(out, ")R(", 3);
    for (int64_t i = 0; i < count; i++) {
        put_text(out, items[i].name);
        put_tensor(out, &items[i]);
    }
    put(out, "u.", 2);
}

/* ---- storages ---- */

static int by_storage(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    uintptr_t p = (uintptr_t)x->t->storage, q = (uintptr_t)y->t->storage;
    return p != q ? (p < q ? -1 : 1) : x->t->dtype - y->t->dtype;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct item *const *)a)->name, (*(struct item *const *)b)->name);
}

/* Checks the names and numbers the storages; owners[k] becomes an item on storage k. Returns how
 * many there are, or -1 with the error set. */
static int64_t number_storages(int64_t count, struct item *items, struct item **owners)
{
    int64_t storages = 0;
    for (int64_t i = 0; i < count; i++) {
        owners[i] = &items[i];
        if (!safetensors_check_utf8(items[i].name, strlen(items[i].name)))
            return error_set(FL_VALUE_ERROR, "a name is not valid UTF-8");
    }
    qsort(owners, (size_t)count, sizeof *owners, by_name);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(owners[i - 1]->name, owners[i]->name) == 0)
            return error_set(FL_VALUE_ERROR, "the name '%.200s' is given twice", owners[i]->name);
    qsort(owners, (size_t)count, sizeof *owners, by_storage);
    for (int64_t i = 0; i < count; i++) {
        if (i == 0 || by_storage(&owners[storages - 1], &owners[i]) != 0)
            owners[storages++] = owners[i];
        owners[i]->storage = storages - 1;
    }
    return storages;
}

/* ---- the file ---- */

static int write_entries(const char *path, int64_t count, const struct zip_item *entries)
{
    struct file_write w;
    if (file_write_open(&w, path) != 0)
        return -1;
    return file_write_close(&w, zip_write(&w, count, entries));
}

/* All of the storage of a tensor on the host. */
static struct zip_item storage_entry(const char *name, const fl_tensor *t)
{
    const char *first = tensor_data(t);
    if (first)
        first -= t->offset * (int64_t)dtype_size(t->dtype);
    return (struct zip_item){name, first, first ? t->storage->bytes : 0};
}

static int write_archive(const char *path, const struct out *pickle, int64_t storages,
                         struct item *const *owners)
{
    size_t entries_room = (size_t)(FIXED_ENTRIES + storages) * sizeof(struct zip_item),
           names_room = (size_t)storages * ENTRY_NAME;
    struct zip_item *entries = memory_alloc(entries_room);
    char *names = memory_alloc(names_room);
    int64_t used = 0;
    int status = -1;
    if (entries && names) {
        entries[used++] = (struct zip_item){"archive/data.pkl", pickle->to, pickle->used};
        entries[used++] = (struct zip_item){"archive/.format_version", "1", 1};
        entries[used++] = (struct zip_item){"archive/.storage_alignment", "64", 2};
        entries[used++] = (struct zip_item){"archive/byteorder", "little", 6};
        for (int64_t k = 0; k < storages; k++) {
            snprintf(names + k * ENTRY_NAME, ENTRY_NAME, "archive/data/%lld", (long long)k);
            entries[used++] = storage_entry(names + k * ENTRY_NAME, owners[k]->t);
        }
        entries[used++] = (struct zip_item){"archive/version", "3\n", 2};
        assert(used == FIXED_ENTRIES + storages);
        status = write_entries(path, used, entries);
    }
    memory_free(entries, entries ? entries_room : 0);
    memory_free(names, names ? names_room : 0);
    return status;
}

int pt_write(const char *path, int64_t count, const char *const *names, fl_tensor *const *tensors)
{
    assert(path && count >= 0 && (names || count == 0));
    size_t items_room = (size_t)count * sizeof(struct item), room = 0;
    size_t owners_room = (size_t)count * sizeof(struct item *);
    struct item *items = memory_zalloc(items_room);
    struct item **owners = memory_alloc(owners_room);
    struct out measured = {0}, pickle = {0};
    int64_t storages = -1, made = 0;
    int status = -1;
    for (; items && owners && made < count; made++) {
        items[made].name = names[made];
        if (tensors[made]->flags & TENSOR_IN_OBJECT || !tensors[made]->storage) {
            tensor_refuse_in_object("fl_file_save");
            goto done;
        }
        if (!(items[made].t = tensor_host(tensors[made])))
            goto done;
    }
    if (items && owners)
        storages = number_storages(count, items, owners);
    if (storages < 0)
        goto done;
    put_pickle(&measured, count, items);
    room = measured.used;
    if ((pickle.to = memory_alloc(room))) {
        put_pickle(&pickle, count, items);
        assert(pickle.used == room);
        status = write_archive(path, &pickle, storages, owners);
    }
done:
    for (int64_t i = 0; i < made; i++)
        tensor_release(items[i].t);
    memory_free(pickle.to, pickle.to ? room : 0);
    memory_free(items, items ? items_room : 0);
    memory_free(owners, owners ? owners_room : 0);
    return status;
}
