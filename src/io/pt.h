/* PyTorch's .pt files: torch.save's zip archives, and the older files of pickles.
 *
 *     archive/data.pkl     a pickle of the object, in which a storage is an id with a key
 *     archive/data/KEY     the bytes of that storage
 *     archive/byteorder    "little" or "big"
 *
 * The older ones are pickles one after the other (a magic number, a version, about the machine, the
 * object, the list of keys), then for each key a count of 8 bytes and the elements.
 *
 * An object is what containers hold in containers. Its leaves get names: the keys and places on the
 * way to them, with dots between ("optimizer.state.0.exp_avg"). Those that are no tensors are kept
 * as texts.
 */
#ifndef FLAMBEAU_IO_PT_H
#define FLAMBEAU_IO_PT_H

#include "core/tensor.h"
#include "io/pickle.h"

struct pt_storage {
    struct pt_storage *next;
    const char *key;
    uint64_t bytes, place; /* how many, and where they stand in the file */
    int dtype;             /* FL_NO_DTYPE: an untyped storage */
};

/* A tensor that is not read yet. It lies in its storage. */
struct pt_tensor {
    const struct pt_storage *storage; /* NULL: a tensor without data, on the device meta */
    int dtype, ndim;
    bool conj, neg;   /* its elements are the conjugates, or the negatives, of what is stored */
    int64_t offset;   /* in elements */
    int64_t extent;   /* from its first element to its last, both counted */
    int64_t *sizes;   /* ndim, and as many strides behind */
    int64_t *strides; /* in elements */
};

struct pt_leaf {
    const char *name;
    const struct pt_tensor *tensor; /* or NULL, and then: */
    const char *text;
};

struct pt_leaves {
    struct pt_leaf *items; /* in the object's order */
    struct pt_leaf **by_name;
    int64_t count;
    size_t room, by_name_room;
};

struct pt_index {
    struct pt_leaves tensors, texts;
    bool swapped;         /* the storages have the other byte order */
    struct pickle pickle; /* whose objects hold all names, texts and tensors */
    struct pt_storage *storages;
};

/* Whether an archive is such a file. */
bool pt_is_archive(const struct zip_index *zip);
/* Reads the object; zip: the archive's index, NULL for a file of the old format. 0, or -1 with the
 * error set: what is damaged; names that stand for anything but tensors, numbers, texts and
 * containers, which are refused and named; storages that are missing or compressed, tensors that
 * reach beyond theirs; two leaves of one name. */
int pt_open(const struct zip_source *source, const struct zip_index *zip, struct pt_index *index);
void pt_release(struct pt_index *index);
/* The leaf of that name, or NULL (no error). */
const struct pt_leaf *pt_find(const struct pt_leaves *leaves, const char *name);
/* A new tensor on the CPU with the strides of the one that was saved, on memory of its own. NULL
 * with the error set. */
fl_tensor *pt_read(const struct zip_source *source, const struct pt_index *index,
                   const struct pt_tensor *t);

/* pt_names.c: what names stand for in such files, and what calls of them make. */
extern const struct pickle_runner pt_runner; /* without a context */
/* The dtype, or FL_NO_DTYPE for an untyped storage, of a type of storages; -1 with the error set. */
int pt_storage_dtype(const struct pickle *p, struct pickle_value named, int *dtype);
/* The name that a PICKLE_NAME stands for, as PyTorch writes it, in `text` (64 bytes). */
const char *pt_name_text(int64_t name, char *text);
/* What a PICKLE_OTHER is: one of these, by its object's count. */
enum { PT_STORAGE = 1, PT_TENSOR = 2 };
static inline void *pt_other(struct pickle_value v, int what)
{
    return v.kind == PICKLE_OTHER && v.as.object->count == what ? v.as.object->data : NULL;
}

/* Writes tensors of any strides as a dict by name, whole or not at all; those on one storage share
 * it in the file, too. 0, or -1 with the error set. */
int pt_write(const char *path, int64_t count, const char *const *names, fl_tensor *const *tensors);

#endif
