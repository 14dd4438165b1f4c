/* Reading zip archives: the directory at their end, checked in full before anything is read by it.
 *
 * Every entry lies inside the archive and none overlaps another, so what is read is never more than
 * the file (the format itself lets a thousand entries show the same bytes).
 */
#include "io/zip.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau/base.h"
#include "io/safetensors_text.h"

enum {
    END_BYTES = 22,
    MAX_COMMENT = 0xffff,
    LOCATOR_BYTES = 20,
    WIDE_END_BYTES = 56,
    ROW_BYTES = 46,
    HEAD_BYTES = 30
};

static int bad(const char *what)
{
    error_set(FL_RUNTIME_ERROR, "PytorchStreamReader failed reading zip archive: %s", what);
    return error_hint("the file is cut short or damaged: save or download it again",
                      "文件不完整或已损坏：请重新保存或下载");
}

static uint64_t number(const unsigned char *at, int bytes)
{
    assert(bytes >= 1 && bytes <= 8);
    uint64_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

int zip_begins(const void *bytes, uint64_t size)
{
    return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

int zip_read(const struct zip_source *source, void *to, uint64_t bytes, uint64_t offset)
{
    if (offset > source->size || bytes > source->size - offset)
        return bad("the archive ends early");
    if (source->file < 0) {
        if (bytes)
            memcpy(to, source->bytes + offset, bytes);
        return 0;
    }
    for (char *at = to; bytes > 0;) {
        ssize_t got =
            pread(source->file, at, bytes < 1 << 30 ? (size_t)bytes : 1 << 30, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(FL_IO_ERROR, "reading failed: %s", strerror(errno));
        if (got == 0)
            return bad("the archive was cut short while being read");
        at += got;
        bytes -= (uint64_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

struct directory {
    uint64_t count, bytes, at;
};

/* What the record of the long format says, in front of the end record. */
static int read_wide_end(const struct zip_source *source, uint64_t end, struct directory *found)
{
    unsigned char locator[LOCATOR_BYTES], wide[WIDE_END_BYTES];
    if (end < LOCATOR_BYTES)
        return bad("failed finding central directory");
    if (zip_read(source, locator, sizeof locator, end - LOCATOR_BYTES) != 0)
        return -1;
    if (memcmp(locator, "PK\6\7", 4) != 0)
        return bad("failed finding central directory");
    if (zip_read(source, wide, sizeof wide, number(locator + 8, 8)) != 0)
        return -1;
    if (memcmp(wide, "PK\6\6", 4) != 0)
        return bad("failed finding central directory");
    *found = (struct directory){number(wide + 32, 8), number(wide + 40, 8), number(wide + 48, 8)};
    return 0;
}

/* Finds the end record: the last whose comment ends where the archive does. */
static int find_directory(const struct zip_source *source, struct directory *found)
{
    unsigned char tail[END_BYTES + MAX_COMMENT];
    uint64_t size = source->size, taken = size < sizeof tail ? size : sizeof tail;
    if (zip_read(source, tail, taken, size - taken) != 0)
        return -1;
    for (int64_t i = (int64_t)taken - END_BYTES; i >= 0; i--) {
        const unsigned char *end = tail + i;
        if (memcmp(end, "PK\5\6", 4) != 0 || number(end + 20, 2) != taken - (uint64_t)i - END_BYTES)
            continue;
        *found = (struct directory){number(end + 10, 2), number(end + 12, 4), number(end + 16, 4)};
        if (found->count == 0xffff || found->bytes == 0xffffffff || found->at == 0xffffffff)
            return read_wide_end(source, size - taken + (uint64_t)i, found);
        return 0;
    }
    return bad("failed finding central directory");
}

/* The long numbers of a row, from its extra fields: those that the short ones refer to. */
static int read_wide_fields(const unsigned char *at, const unsigned char *end,
                            struct zip_entry *entry)
{
    uint64_t *fields[] = {&entry->size, &entry->packed, &entry->head};
    int wanted = 0;
    for (int i = 0; i < 3; i++)
        wanted += *fields[i] == 0xffffffff;
    while (wanted && end - at >= 4) {
        uint64_t id = number(at, 2), bytes = number(at + 2, 2);
        at += 4;
        if (bytes > (uint64_t)(end - at))
            break;
        const unsigned char *next = at + bytes;
        for (int i = 0; id == 1 && i < 3; i++)
            if (*fields[i] == 0xffffffff && next - at >= 8) {
                *fields[i] = number(at, 8);
                at += 8;
                wanted--;
            }
        at = next;
    }
    return wanted ? bad("a long entry without its sizes") : 0;
}

/* Reads the header before an entry, to know where its bytes begin. */
static int place_entry(const struct zip_source *source, struct zip_entry *entry)
{
    unsigned char head[HEAD_BYTES];
    if (zip_read(source, head, sizeof head, entry->head) != 0)
        return -1;
    if (memcmp(head, "PK\3\4", 4) != 0)
        return bad("an entry has no header");
    entry->place = entry->head + HEAD_BYTES + number(head + 26, 2) + number(head + 28, 2);
    if (entry->place > source->size || entry->packed > source->size - entry->place)
        return bad("an entry reaches beyond the archive's end");
    return 0;
}

/* Reads one row of the directory. Returns where the next begins, or NULL with the error set. */
static const unsigned char *read_row(const struct zip_source *source, const unsigned char *row,
                                     const unsigned char *end, struct zip_entry *entry,
                                     char **names)
{
    if (end - row < ROW_BYTES || memcmp(row, "PK\1\2", 4) != 0)
        return bad("the directory is damaged"), NULL;
    size_t name = number(row + 28, 2), extra = number(row + 30, 2), comment = number(row + 32, 2);
    const unsigned char *text = row + ROW_BYTES, *fields = text + name;
    if ((size_t)(end - text) < name + extra + comment)
        return bad("the directory is damaged"), NULL;
    *entry = (struct zip_entry){.name = *names,
                                .head = number(row + 42, 4),
                                .packed = number(row + 20, 4),
                                .size = number(row + 24, 4),
                                .method = (int)number(row + 10, 2)};
    if (number(row + 8, 2) & 1)
        return bad("an entry is encrypted"), NULL;
    if (memchr(text, '\0', name) || !safetensors_check_utf8((const char *)text, name))
        return bad("the name of an entry is not valid UTF-8"), NULL;
    memcpy(*names, text, name);
    (*names)[name] = '\0';
    *names += name + 1;
    if (read_wide_fields(fields, fields + extra, entry) != 0 || place_entry(source, entry) != 0)
        return NULL;
    if (entry->method != ZIP_STORED && entry->method != ZIP_DEFLATED)
        return bad("an entry is compressed by an unknown method"), NULL;
    if (entry->method == ZIP_STORED && entry->packed != entry->size)
        return bad("the sizes of an entry contradict each other"), NULL;
    return fields + extra + comment;
}

static int by_head(const void *a, const void *b)
{
    const struct zip_entry *x = *(struct zip_entry *const *)a, *y = *(struct zip_entry *const *)b;
    return x->head < y->head ? -1 : x->head > y->head;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct zip_entry *const *)a)->name, (*(struct zip_entry *const *)b)->name);
}

void zip_sort(struct zip_index *index)
{
    assert((size_t)index->count * sizeof *index->by_name <= index->by_name_bytes);
    for (int64_t i = 0; i < index->count; i++)
        index->by_name[i] = &index->entries[i];
    qsort(index->by_name, (size_t)index->count, sizeof *index->by_name, by_name);
}

/* No entry overlaps the next or the directory, and no name is there twice. */
static int check_whole(struct zip_index *index, uint64_t directory)
{
    struct zip_entry **sorted = index->by_name;
    for (int64_t i = 0; i < index->count; i++)
        sorted[i] = &index->entries[i];
    qsort(sorted, (size_t)index->count, sizeof *sorted, by_head);
    for (int64_t i = 0; i < index->count; i++)
        if (sorted[i]->place + sorted[i]->packed >
            (i + 1 < index->count ? sorted[i + 1]->head : directory))
            return bad("entries overlap");
    zip_sort(index);
    for (int64_t i = 1; i < index->count; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            return bad("two entries have one name");
    return 0;
}

int zip_open(const struct zip_source *source, struct zip_index *index)
{
    struct directory directory;
    memset(index, 0, sizeof *index);
    if (find_directory(source, &directory) != 0)
        return -1;
    if (directory.at > source->size || directory.bytes > source->size - directory.at ||
        directory.count > directory.bytes / ROW_BYTES)
        return bad("failed finding central directory");
    unsigned char *rows = memory_alloc(directory.bytes);
    index->entries_bytes = (size_t)directory.count * sizeof(struct zip_entry);
    index->names_bytes = directory.bytes; /* a row is longer than its name and a NUL */
    index->entries = memory_alloc(index->entries_bytes);
    index->names = memory_alloc(index->names_bytes);
    index->by_name_bytes = (size_t)directory.count * sizeof(struct zip_entry *);
    index->by_name = memory_alloc(index->by_name_bytes);
    int status = rows && index->entries && index->names && index->by_name
                     ? zip_read(source, rows, directory.bytes, directory.at)
                     : -1;
    const unsigned char *at = rows;
    char *names = index->names;
    for (; status == 0 && (uint64_t)index->count < directory.count; index->count++) {
        at = read_row(source, at, rows + directory.bytes, &index->entries[index->count], &names);
        if (!at) {
            status = -1;
            break;
        }
    }
    if (status == 0)
        status = check_whole(index, directory.at);
    memory_free(rows, rows ? directory.bytes : 0);
    if (status != 0)
        zip_release(index);
    return status;
}

void zip_release(struct zip_index *index)
{
    memory_free(index->entries, index->entries ? index->entries_bytes : 0);
    memory_free(index->by_name, index->by_name ? index->by_name_bytes : 0);
    memory_free(index->names, index->names ? index->names_bytes : 0);
    memset(index, 0, sizeof *index);
}

const struct zip_entry *zip_find(const struct zip_index *index, const char *name)
{
    struct zip_entry wanted = {.name = name}, *key = &wanted;
    struct zip_entry **found = index->count ? bsearch(&key, index->by_name, (size_t)index->count,
                                                      sizeof *index->by_name, by_name)
                                            : NULL;
    return found ? *found : NULL;
}
