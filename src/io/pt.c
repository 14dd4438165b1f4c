/* Reading .pt files: the object first, then each tensor when it is asked for.
 *
 * While the pickle is read, storages are only noted, with the sizes that it says; afterwards they
 * are sorted by key, found in the file, and their sizes compared. Then the object is walked from its
 * root, and its leaves get their names. The walk is bounded: in depth, so that a list which holds
 * itself ends, and in the bytes of all names, so that lists which hold a list many times do.
 */
#include "io/pt.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "device/devices.h"
#include "flambeau.h"
#include "io/byte_order.h"

enum { MAX_NAME = 4096, MAX_DEPTH = 100, NAME_BYTES = 64, VERSION = 1001 };

static const char PICKLED[] = "data.pkl";

/* ---- storages ---- */

/* ("storage", type, key, location, count[, None]): the location does not matter here. */
static int note_storage(void *context, struct pickle *p, struct pickle_value id,
                        struct pickle_value *made)
{
    struct pt_index *index = context;
    const struct pickle_value *part = id.kind == PICKLE_TUPLE ? pickle_items(id) : NULL;
    int64_t count = part ? id.as.object->count : 0;
    int dtype;
    uint64_t bytes;
    if (count < 5 || count > 6 || part[0].kind != PICKLE_TEXT ||
        strcmp(pickle_text(part[0]), "storage") != 0 || part[2].kind != PICKLE_TEXT ||
        part[3].kind != PICKLE_TEXT || part[4].kind != PICKLE_INT || part[4].as.i < 0)
        return pickle_bad(p, "a persistent id that stands for no storage");
    if (count == 6 && part[5].kind != PICKLE_NONE)
        return error_set(FL_RUNTIME_ERROR,
                         "views of storages, which PyTorch 0.3 wrote, are not read");
    if (pt_storage_dtype(p, part[1], &dtype) != 0)
        return -1;
    if (__builtin_mul_overflow((uint64_t)part[4].as.i, dtype == FL_NO_DTYPE ? 1 : dtype_size(dtype),
                               &bytes) ||
        bytes > INT64_MAX)
        return pickle_bad(p, "a storage of an impossible size");
    struct pickle_object *o = pickle_new(p, sizeof(struct pt_storage));
    if (!o)
        return -1;
    o->count = PT_STORAGE;
    *made = (struct pickle_value){.kind = PICKLE_OTHER, .as.object = o};
    struct pt_storage *s = o->data;
    *s = (struct pt_storage){index->storages, pickle_text(part[2]), bytes, 0, dtype};
    index->storages = s;
    return 0;
}

/* Says where the bytes of a storage stand. */
struct finder {
    const struct zip_source *source;
    const struct zip_index *zip;
    const char *top; /* of the archive: what its names begin with */
    int top_length;
};

static const struct zip_entry *find_entry(const struct finder *f, const char *folder,
                                          const char *name)
{
    char full[MAX_NAME];
    int length = snprintf(full, sizeof full, "%.*s%s%s", f->top_length, f->top, folder, name);
    return length < (int)sizeof full ? zip_find(f->zip, full) : NULL;
}

static int refuse_compressed(const struct zip_entry *e)
{
    error_set(FL_RUNTIME_ERROR, "'%.200s' is compressed in the archive", e->name);
    return error_hint(
        "entries are read as torch.save writes them, uncompressed: unpack the archive "
        "and pack it with zip -0, or load and save it in Python",
        "只读取 torch.save 写出的未压缩条目：请解压后用 zip -0 重新打包，"
        "或在 Python 中加载并重新保存");
}

static int find_storage(const struct finder *f, struct pt_storage *s)
{
    const struct zip_entry *e = find_entry(f, "data/", s->key);
    if (!e)
        return error_set(FL_RUNTIME_ERROR, "the archive has no storage '%.200s'", s->key);
    if (e->size != s->bytes)
        return error_set(FL_RUNTIME_ERROR,
                         "storage '%.200s' should have %llu bytes, but the archive has %llu",
                         s->key, (unsigned long long)s->bytes, (unsigned long long)e->size);
    s->place = e->place;
    return e->method == ZIP_STORED ? 0 : refuse_compressed(e);
}

/* ---- names of leaves ---- */

struct walk {
    struct pt_index *index;
    char name[MAX_NAME];
    uint64_t bytes; /* how many names and texts may still take */
};

static int too_much(void)
{
    return error_set(FL_RUNTIME_ERROR, "the names of the object's values are too many or too long "
                                       "for a file of its size");
}

static int add_leaf(struct pt_leaves *leaves, struct pt_leaf leaf)
{
    if ((size_t)leaves->count * sizeof leaf == leaves->room) {
        size_t room = leaves->room ? 2 * leaves->room : 16 * sizeof leaf;
        struct pt_leaf *items = memory_alloc(room);
        if (!items)
            return -1;
        if (leaves->room)
            memcpy(items, leaves->items, leaves->room);
        memory_free(leaves->items, leaves->room);
        leaves->items = items;
        leaves->room = room;
    }
    leaves->items[leaves->count++] = leaf;
    return 0;
}

/* A number as the shortest text that is read back as it. */
static void write_float(double number, char *text, size_t size)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    if (!text[strspn(text, "-0123456789")])
        snprintf(text + strlen(text), size - strlen(text), ".0");
}

/* Bytes as hexadecimal digits, those of a number behind "0x" and the highest first. */
static char *write_hex(struct pickle *p, struct pickle_value v)
{
    const unsigned char *bytes = v.as.object->data;
    size_t count = (size_t)v.as.object->count, at = 0;
    bool number = v.kind == PICKLE_BIG, negative = number && bytes[count - 1] & 0x80;
    struct pickle_object *o = pickle_new(p, 2 * count + 4);
    char *text = o ? o->data : NULL;
    unsigned carry = 1;
    if (number && text)
        at = (size_t)snprintf(text, 4, "%s0x", negative ? "-" : "");
    for (size_t i = 0; text && i < count; i++) {
        unsigned byte = bytes[i];
        if (negative) { /* its absolute value: all bits turned over, and 1 */
            byte = (~byte & 0xff) + carry;
            carry = byte >> 8;
        }
        size_t place = number ? count - 1 - i : i;
        text[at + 2 * place] = "0123456789abcdef"[byte >> 4 & 15];
        text[at + 2 * place + 1] = "0123456789abcdef"[byte & 15];
    }
    return text;
}

/* A leaf that is no tensor, as a text; NULL with the error set. */
static const char *text_of(struct pickle *p, struct pickle_value v)
{
    char text[96];
    struct pickle_value made;
    switch (v.kind) {
    case PICKLE_NONE:
        return "None";
    case PICKLE_BOOL:
        return v.as.i ? "True" : "False";
    case PICKLE_INT:
        snprintf(text, sizeof text, "%lld", (long long)v.as.i);
        break;
    case PICKLE_FLOAT:
        write_float(v.as.f, text, sizeof text);
        break;
    case PICKLE_NAME:
        pt_name_text(v.as.i, text);
        break;
    case PICKLE_TEXT:
        if (strlen(pickle_text(v)) != (size_t)v.as.object->count)
            return pickle_bad(p, "a NUL in a text"), NULL;
        return pickle_text(v);
    case PICKLE_BYTES:
    case PICKLE_BIG:
        return write_hex(p, v);
    default:
        return pickle_bad(p, "a value that is neither a tensor nor a number, text or container"),
               NULL;
    }
    return pickle_new_text(p, PICKLE_TEXT, text, strlen(text), &made) == 0 ? pickle_text(made)
                                                                           : NULL;
}

/* Names the leaf v after the `length` bytes of w->name. */
static int name_leaf(struct walk *w, struct pickle_value v, size_t length)
{
    struct pickle *p = &w->index->pickle;
    struct pickle_value name;
    struct pt_leaf leaf = {.tensor = pt_other(v, PT_TENSOR)};
    uint64_t bytes = length + 16;
    if (!leaf.tensor && !(leaf.text = text_of(p, v)))
        return -1;
    if (v.kind == PICKLE_BYTES || v.kind == PICKLE_TEXT)
        bytes += (uint64_t)v.as.object->count;
    if (bytes > w->bytes)
        return too_much();
    w->bytes -= bytes;
    if (pickle_new_text(p, PICKLE_TEXT, w->name, length, &name) != 0)
        return -1;
    leaf.name = pickle_text(name);
    return add_leaf(leaf.tensor ? &w->index->tensors : &w->index->texts, leaf);
}

/* Appends a dict's key to the name of `length` bytes: its new length, or -1 with the error set. */
static int64_t append_key(struct walk *w, struct pickle_value key, size_t length)
{
    const char *text = NULL;
    if (key.kind != PICKLE_TUPLE && key.kind != PICKLE_BYTES && key.kind != PICKLE_NAME)
        text = text_of(&w->index->pickle, key);
    else
        pickle_bad(&w->index->pickle, "a dict's key is neither a text nor a number");
    if (!text)
        return -1;
    size_t more = strlen(text), dot = length > 0;
    if (length + dot + more >= MAX_NAME)
        return error_set(FL_RUNTIME_ERROR, "a name of more than %d bytes", MAX_NAME);
    if (dot)
        w->name[length] = '.';
    memcpy(w->name + length + dot, text, more);
    return (int64_t)(length + dot + more);
}

/* Names the leaves of v, whose own name has `length` bytes. */
static int walk(struct walk *w, struct pickle_value v, size_t length, int depth)
{
    if (v.kind != PICKLE_DICT && !pickle_is_sequence(v))
        return name_leaf(w, v, length);
    const struct pickle_value *items = pickle_items(v);
    int64_t step = v.kind == PICKLE_DICT ? 2 : 1;
    if (depth == MAX_DEPTH)
        return error_set(FL_RUNTIME_ERROR,
                         "the object's containers lie in one another more than "
                         "%d deep, or without end",
                         MAX_DEPTH);
    if (w->bytes < 1)
        return too_much();
    w->bytes--;
    assert(v.as.object->count % step == 0);
    for (int64_t i = 0; i < v.as.object->count; i += step) {
        struct pickle_value place = {.kind = PICKLE_INT, .as.i = i};
        int64_t longer = append_key(w, step == 2 ? items[i] : place, length);
        if (longer < 0 || walk(w, items[i + step - 1], (size_t)longer, depth + 1) != 0)
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct pt_leaf *const *)a)->name, (*(struct pt_leaf *const *)b)->name);
}

static int sort_leaves(struct pt_leaves *leaves)
{
    leaves->by_name_room = (size_t)leaves->count * sizeof *leaves->by_name;
    leaves->by_name = memory_alloc(leaves->by_name_room);
    if (!leaves->by_name)
        return -1;
    for (int64_t i = 0; i < leaves->count; i++)
        leaves->by_name[i] = &leaves->items[i];
    qsort(leaves->by_name, (size_t)leaves->count, sizeof *leaves->by_name, by_name);
    for (int64_t i = 1; i < leaves->count; i++)
        if (strcmp(leaves->by_name[i - 1]->name, leaves->by_name[i]->name) == 0)
            return error_set(FL_RUNTIME_ERROR, "two values have the name '%.200s'",
                             leaves->by_name[i]->name);
    return 0;
}

static int name_all(struct pt_index *index, struct pickle_value object)
{
    struct walk *w = memory_alloc(sizeof *w);
    if (!w)
        return -1;
    w->index = index;
    w->bytes = (index->pickle.at - index->pickle.begin) * NAME_BYTES + MAX_NAME;
    int status = walk(w, object, 0, 0);
    memory_free(w, sizeof *w);
    if (status == 0)
        status = sort_leaves(&index->tensors);
    return status == 0 ? sort_leaves(&index->texts) : status;
}

const struct pt_leaf *pt_find(const struct pt_leaves *leaves, const char *name)
{
    struct pt_leaf wanted = {.name = name}, *key = &wanted;
    struct pt_leaf **found = leaves->count ? bsearch(&key, leaves->by_name, (size_t)leaves->count,
                                                     sizeof *leaves->by_name, by_name)
                                           : NULL;
    return found ? *found : NULL;
}

/* ---- archives ---- */

/* The shortest name that ends in /data.pkl, or NULL. */
static const struct zip_entry *find_pickle(const struct zip_index *zip)
{
    const struct zip_entry *found = NULL;
    size_t least = 0, tail = sizeof PICKLED;
    for (int64_t i = 0; i < zip->count; i++) {
        size_t length = strlen(zip->entries[i].name);
        const char *name = zip->entries[i].name;
        if (length < tail || name[length - tail] != '/' ||
            strcmp(name + length - tail + 1, PICKLED) != 0)
            continue;
        if (!found || length < least) {
            found = &zip->entries[i];
            least = length;
        }
    }
    return found;
}

bool pt_is_archive(const struct zip_index *zip)
{
    return find_pickle(zip) != NULL;
}

static int read_byte_order(const struct finder *f, bool *swapped)
{
    char text[8] = "little";
    const struct zip_entry *e = find_entry(f, "", "byteorder");
    if (e) {
        memset(text, 0, sizeof text);
        if (e->method != ZIP_STORED)
            return refuse_compressed(e);
        if (e->size < sizeof text && zip_read(f->source, text, e->size, e->place) != 0)
            return -1;
    }
    *swapped = strcmp(text, "big") == 0;
    return *swapped || strcmp(text, "little") == 0
               ? 0
               : error_set(FL_RUNTIME_ERROR, "Unknown endianness type: %.7s", text);
}

static int open_archive(struct pt_index *index, const struct zip_source *source,
                        const struct zip_index *zip, const struct pickle_runner *runner,
                        struct pickle_value *object)
{
    const struct zip_entry *e = find_pickle(zip);
    if (!e)
        return error_set(FL_RUNTIME_ERROR,
                         "PytorchStreamReader failed locating file data.pkl: file not found");
    struct finder f = {source, zip, e->name, (int)(strlen(e->name) + 1 - sizeof PICKLED)};
    if (find_entry(&f, "", "constants.pkl"))
        return error_set(FL_RUNTIME_ERROR, "this is a TorchScript archive, a program; save the "
                                           "state_dict() of its module");
    if (e->method != ZIP_STORED)
        return refuse_compressed(e);
    if (read_byte_order(&f, &index->swapped) != 0)
        return -1;
    pickle_begin(&index->pickle, source, e->place, e->place + e->size, runner);
    if (pickle_read(&index->pickle, object) != 0)
        return -1;
    for (struct pt_storage *s = index->storages; s; s = s->next)
        if (find_storage(&f, s) != 0)
            return -1;
    return 0;
}

/* ---- the old format ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(struct pt_storage *const *)a)->key, (*(struct pt_storage *const *)b)->key);
}

/* Storages with the same key, one after another from `first` on, get the place of one of them;
 * returns the first behind them, or 0 with the error set. */
static int64_t place_alike(struct pt_storage **sorted, int64_t count, int64_t first, uint64_t place)
{
    int64_t i = first;
    assert(first >= 0 && first < count);
    for (; i < count && strcmp(sorted[i]->key, sorted[first]->key) == 0; i++) {
        if (sorted[i]->bytes != sorted[first]->bytes || sorted[i]->dtype != sorted[first]->dtype)
            return error_set(FL_RUNTIME_ERROR, "storage '%.200s' is there in two kinds",
                             sorted[i]->key),
                   0;
        sorted[i]->place = place;
    }
    return i;
}

static int bad_list(void)
{
    return error_set(FL_RUNTIME_ERROR, "the file's list of storages is damaged");
}

/* Finds the storages behind the pickles, in the order of the list of their keys. */
static int place_storages(const struct zip_source *source, uint64_t at, struct pickle_value keys,
                          struct pt_storage **sorted, int64_t count)
{
    int64_t placed = 0;
    for (int64_t i = 0; i < keys.as.object->count; i++) {
        struct pickle_value key = pickle_items(keys)[i];
        struct pt_storage wanted = {0}, *wanted_at = &wanted;
        unsigned char length[8];
        uint64_t elements = 0;
        if (key.kind != PICKLE_TEXT)
            return bad_list();
        wanted.key = pickle_text(key);
        struct pt_storage **found =
            count ? bsearch(&wanted_at, sorted, (size_t)count, sizeof *sorted, by_key) : NULL;
        while (found && found > sorted && strcmp(found[-1]->key, wanted.key) == 0)
            found--;
        if (!found || (*found)->place)
            return bad_list();
        if (zip_read(source, length, 8, at) != 0)
            return -1;
        for (int b = 0; b < 8; b++)
            elements |= (uint64_t)length[b] << 8 * b;
        const struct pt_storage *s = *found;
        if (elements != s->bytes / (s->dtype == FL_NO_DTYPE ? 1 : dtype_size(s->dtype)))
            return error_set(FL_RUNTIME_ERROR, "storage has wrong byte size");
        if (s->bytes > source->size - at - 8)
            return error_set(FL_RUNTIME_ERROR, "the file is cut short");
        int64_t next = place_alike(sorted, count, found - sorted, at + 8);
        if (!next)
            return -1;
        placed += next - (found - sorted);
        at += 8 + s->bytes;
    }
    return placed == count ? 0 : bad_list();
}

static int find_storages(struct pt_index *index, struct pickle_value keys)
{
    const struct pickle *p = &index->pickle;
    int64_t count = 0;
    for (const struct pt_storage *s = index->storages; s; s = s->next)
        count++;
    size_t room = (size_t)count * sizeof(struct pt_storage *);
    struct pt_storage **sorted = memory_alloc(room);
    if (!sorted)
        return -1;
    count = 0;
    for (struct pt_storage *s = index->storages; s; s = s->next)
        sorted[count++] = s;
    qsort(sorted, (size_t)count, sizeof *sorted, by_key);
    int status = keys.kind == PICKLE_LIST ? place_storages(p->source, p->at, keys, sorted, count)
                                          : bad_list();
    memory_free(sorted, room);
    return status;
}

static int open_pickles(struct pt_index *index, const struct zip_source *source,
                        const struct pickle_runner *runner, struct pickle_value *object)
{
    static const unsigned char MAGIC[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                          0x20, 0x6a, 0xa8, 0x50, 0x19};
    struct pickle *p = &index->pickle;
    struct pickle_value v;
    pickle_begin(p, source, 0, source->size, &pt_runner);
    if (pickle_read(p, &v) != 0)
        return -1;
    if (v.kind != PICKLE_BIG || v.as.object->count != sizeof MAGIC ||
        memcmp(v.as.object->data, MAGIC, sizeof MAGIC) != 0)
        return error_set(FL_RUNTIME_ERROR, "Invalid magic number; corrupt file?");
    if (pickle_read(p, &v) != 0)
        return -1;
    if (v.kind != PICKLE_INT || v.as.i != VERSION)
        return error_set(FL_RUNTIME_ERROR, "Invalid protocol version");
    if (pickle_read(p, &v) != 0) /* about the machine that wrote it */
        return -1;
    p->runner = runner;
    if (pickle_read(p, object) != 0)
        return -1;
    p->runner = &pt_runner;
    return pickle_read(p, &v) == 0 ? find_storages(index, v) : -1;
}

/* ---- the whole ---- */

int pt_open(const struct zip_source *source, const struct zip_index *zip, struct pt_index *index)
{
    struct pickle_value object;
    struct pickle_runner runner = pt_runner;
    *index = (struct pt_index){0};
    runner.persistent = note_storage;
    runner.context = index;
    int status = zip ? open_archive(index, source, zip, &runner, &object)
                     : open_pickles(index, source, &runner, &object);
    if (status == 0)
        status = name_all(index, object);
    if (status != 0)
        pt_release(index);
    return status;
}

static void release_leaves(struct pt_leaves *leaves)
{
    memory_free(leaves->items, leaves->room);
    memory_free(leaves->by_name, leaves->by_name ? leaves->by_name_room : 0);
}

void pt_release(struct pt_index *index)
{
    release_leaves(&index->tensors);
    release_leaves(&index->texts);
    pickle_release(&index->pickle);
    *index = (struct pt_index){0};
}

/* Makes the values of what is stored, in place: 0, or -1 with the error set. */
static int apply(fl_tensor *flat, const struct pt_tensor *t)
{
    if (t->conj && !fl_conj_physical_(flat))
        return -1;
    return t->neg && !fl_neg_(flat) ? -1 : 0;
}

fl_tensor *pt_read(const struct zip_source *source, const struct pt_index *index,
                   const struct pt_tensor *t)
{
    size_t size = dtype_size(t->dtype);
    if (!t->storage)
        return tensor_new_on(device_find((fl_device){FL_META, 0}), t->ndim, t->sizes, t->strides,
                             t->dtype);
    if (t->extent == 0)
        return tensor_new_strided(t->ndim, t->sizes, t->strides, t->dtype);
    fl_tensor *flat = tensor_new(1, &t->extent, t->dtype), *whole = NULL;
    if (!flat)
        return NULL;
    assert((uint64_t)(t->offset + t->extent) * size <= t->storage->bytes);
    int parts = dtype_is_complex(t->dtype) ? 2 : 1;
    uint64_t bytes = (uint64_t)t->extent * size;
    if (zip_read(source, tensor_data(flat), bytes, t->storage->place + (uint64_t)t->offset * size))
        goto done;
    if (index->swapped)
        byte_order_swap(tensor_data(flat), t->extent * parts, size / (size_t)parts);
    if (apply(flat, t) == 0)
        whole = tensor_on_storage(flat->storage, t->ndim, t->sizes, t->strides, 0, t->dtype);
done:
    tensor_release(flat);
    return whole;
}
