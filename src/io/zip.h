/* Zip archives: the index of one that is read, the headers of one that is written.
 *
 * PyTorch's .pt files and NumPy's .npz files are archives whose entries are stored as they are, so
 * that reading one is finding where its bytes stand.
 */
#ifndef FLAMBEAU_IO_ZIP_H
#define FLAMBEAU_IO_ZIP_H

#include <stddef.h>
#include <stdint.h>

/* Where an archive is: an open file, or bytes in memory (then `file` is -1). */
struct zip_source {
    int file;
    const char *bytes;
    uint64_t size;
};

enum { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

struct zip_entry {
    const char *name;      /* valid UTF-8 without NUL, NUL at the end */
    uint64_t head;         /* where its header begins in the archive */
    uint64_t place;        /* where its bytes begin */
    uint64_t packed, size; /* how many stand there, and how many they are unpacked */
    int method;            /* ZIP_STORED: as they are */
};

/* What an archive holds, in its directory's order. */
struct zip_index {
    int64_t count;
    struct zip_entry *entries, **by_name;
    char *names;
    size_t names_bytes, entries_bytes, by_name_bytes;
};

/* Whether bytes begin as an archive does. */
int zip_begins(const void *bytes, uint64_t size);
/* Reads and checks the directory: 0, or -1 with the error set: one that is cut short or damaged,
 * entries that overlap, lie outside, are encrypted or carry one name twice. */
int zip_open(const struct zip_source *source, struct zip_index *index);
void zip_release(struct zip_index *index);
/* Sorts the entries by name again: for who has changed the index. */
void zip_sort(struct zip_index *index);
/* The entry of that name, or NULL (no error). */
const struct zip_entry *zip_find(const struct zip_index *index, const char *name);
/* Reads a part of the archive: 0, or -1 with the error set. */
int zip_read(const struct zip_source *source, void *to, uint64_t bytes, uint64_t offset);

/* An entry to write. */
struct zip_item {
    const char *name;
    const void *data;
    uint64_t bytes;
};

/* The headers of an archive of these items, stored: begin[i] to begin[i + 1] goes before the data
 * of item i, and what begins at begin[count] goes after the last. Data begin at multiples of 64
 * bytes in the file. `begin` receives count + 1 places. Returns *size bytes (memory_free), or NULL
 * with the error set. */
char *zip_headers(int64_t count, const struct zip_item *items, size_t *size, uint64_t *begin);

struct file_write;
/* Writes that archive, each item behind its header: the disk works on the first ones while the next
 * ones' checksums are made. 0, or -1 with the error set. */
int zip_write(struct file_write *file, int64_t count, const struct zip_item *items);

#endif
