/* The safetensors format: named tensors in one file, behind a JSON header.
 *
 *     8 bytes   length N of the header, little-endian
 *     N bytes   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
 *                "__metadata__": {"key": "text", ...}}, padded with spaces
 *     the rest  the tensors' elements, little-endian, rows last; offsets count from here, and
 *               the tensors fill it without gap or overlap
 *
 * Files come from anywhere, so the reader checks everything before it allocates or reads by it.
 */
#ifndef FLAMBEAU_IO_SAFETENSORS_H
#define FLAMBEAU_IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

struct safetensors_entry {
    const char *name; /* valid UTF-8 without NUL, NUL at the end */
    int dtype;        /* an fl_dtype */
    int ndim;
    const int64_t *sizes;
    uint64_t begin, end; /* in the data section */
};

struct safetensors_pair {
    const char *key, *value; /* as names */
};

/* What a header says, in its order. The memory behind the pointers belongs to the index. */
struct safetensors_index {
    int64_t count;
    struct safetensors_entry *entries;
    int64_t pairs;
    struct safetensors_pair *metadata;
    uint64_t data_start; /* where in the file the data section begins */
    uint64_t data_bytes;
    struct safetensors_memory *memory;
};

/* Checks a whole file of `bytes` bytes in memory and fills the index (release it). 0, or -1 with
 * the error set: a header that is cut short, too long, no strict JSON or not UTF-8; duplicate
 * names; unknown dtypes; sizes that overflow or that offsets contradict; tensors that overlap,
 * leave gaps, or reach beyond the end. */
int safetensors_parse(const void *file, uint64_t bytes, struct safetensors_index *index);
void safetensors_release(struct safetensors_index *index);

/* Opens a file and reads its header: a descriptor to close, or -1 with the error set
 * (FL_FILE_NOT_FOUND where it is). */
int safetensors_open(const char *path, struct safetensors_index *index);
/* Reads one tensor's elements: end - begin bytes to `to`. 0, or -1 with the error set. */
int safetensors_read(int file, const struct safetensors_index *index,
                     const struct safetensors_entry *entry, void *to);

/* A tensor to write: contiguous elements. */
struct safetensors_item {
    const char *name;
    int dtype;
    int ndim;
    const int64_t *sizes;
    const void *data;
};

/* A header for these items, and the order in which their data follow: `order` receives `count`
 * indices. The data stand with the largest element sizes first and the section starts at a multiple
 * of 64 bytes, so that every tensor is aligned. Returns the bytes (memory_free with *size), or NULL
 * with the error set: a name twice, not UTF-8, or "__metadata__". */
char *safetensors_header(int64_t count, const struct safetensors_item *items, int64_t pairs,
                         const struct safetensors_pair *metadata, size_t *size, int64_t *order);
/* Writes a file, whole or not at all (file_write.h). 0, or -1 with the error set. */
int safetensors_write(const char *path, int64_t count, const struct safetensors_item *items,
                      int64_t pairs, const struct safetensors_pair *metadata);

#endif
