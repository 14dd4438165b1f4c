/* Reading safetensors: a strict parser of the header, and files.
 *
 * The header's grammar is fixed (an object of objects whose fields are known), so the parser is
 * straight code without recursion. It first parses everything, then checks the whole: names by
 * sorting them, the data section by walking the tensors in the order of their offsets. All texts go
 * decoded into one buffer as long as the header, which is enough: a decoded text is no longer than
 * its source, whose two quotes make room for the NUL.
 */
#include "io/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/safetensors_text.h"

enum { MAX_HEADER = 100 * 1000 * 1000 }; /* the format's own limit */

/* A growing array in the library's memory. */
struct list {
    char *data;
    size_t used, room, item; /* in items; bytes an item */
};

struct safetensors_memory {
    struct list entries, pairs, sizes;
    char *texts;
    size_t text_bytes;
};

static int list_grow(struct list *list)
{
    assert(list->used <= list->room && list->item > 0);
    size_t room = list->room ? 2 * list->room : 16;
    char *data = memory_alloc(room * list->item);
    if (!data)
        return -1;
    if (list->used)
        memcpy(data, list->data, list->used * list->item);
    memory_free(list->data, list->room * list->item);
    list->data = data;
    list->room = room;
    return 0;
}

/* Room for one more item at the end, or NULL with the error set. */
static void *list_add(struct list *list)
{
    if (list->used == list->room && list_grow(list) != 0)
        return NULL;
    return list->data + list->used++ * list->item;
}

/* ---- the text ---- */

struct parser {
    const unsigned char *start, *at, *end;
    char *text; /* where the next decoded text goes */
    struct safetensors_memory *memory;
};

static int bad(const struct parser *p, const char *what)
{
    return error_set(FL_RUNTIME_ERROR, "safetensors: %s at byte %lld of the header", what,
                     (long long)(p->at - p->start));
}

static void skip_space(struct parser *p)
{
    assert(p->at <= p->end);
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

/* Takes the character c, after space; 0 when it is not there. */
static int take(struct parser *p, char c)
{
    assert(p->at <= p->end);
    skip_space(p);
    if (p->at == p->end || *p->at != (unsigned char)c)
        return 0;
    p->at++;
    return 1;
}

static int expect(struct parser *p, char c)
{
    if (take(p, c))
        return 0;
    char what[] = "expected ' '";
    what[10] = c;
    return bad(p, what);
}

/* After an item of a list: 1 when another follows, 0 at its end, -1 with the error set. */
static int more(struct parser *p, char close)
{
    if (take(p, ','))
        return 1;
    return expect(p, close) == 0 ? 0 : -1;
}

static int hex4(struct parser *p, unsigned *code)
{
    *code = 0;
    if (p->end - p->at < 4)
        return bad(p, "a \\u escape is cut short");
    for (int i = 0; i < 4; i++) {
        unsigned c = *p->at++, lower = c | 0x20;
        unsigned digit = c >= '0' && c <= '9'           ? c - '0'
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : 16;
        if (digit == 16)
            return bad(p, "a \\u escape is not hexadecimal");
        *code = *code << 4 | digit;
    }
    return 0;
}

static void put_utf8(struct parser *p, unsigned code)
{
    assert(code <= 0x10ffff);
    assert(code <= 0x10ffff);
    static const struct {
        unsigned below, lead;
        int shift;
    } FORMS[] = {{0x80, 0, 0}, {0x800, 0xc0, 6}, {0x10000, 0xe0, 12}, {0x110000, 0xf0, 18}};
    int form = 0;
    while (code >= FORMS[form].below)
        form++;
    *p->text++ = (char)(FORMS[form].lead | code >> FORMS[form].shift);
    for (int shift = FORMS[form].shift - 6; shift >= 0; shift -= 6)
        *p->text++ = (char)(0x80 | (code >> shift & 0x3f));
}

/* What follows a backslash. */
static int escape(struct parser *p)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end)
        return bad(p, "a text is cut short");
    char c = (char)*p->at++;
    const char *known = c ? strchr(FROM, c) : NULL;
    if (known) {
        *p->text++ = TO[known - FROM];
        return 0;
    }
    unsigned code, low;
    if (c != 'u')
        return bad(p, "an unknown escape");
    if (hex4(p, &code) != 0)
        return -1;
    if (code >= 0xd800 && code < 0xdc00) {
        if (p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
            return bad(p, "half of a surrogate pair");
        p->at += 2;
        if (hex4(p, &low) != 0)
            return -1;
        if (low < 0xdc00 || low >= 0xe000)
            return bad(p, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return bad(p, "half of a surrogate pair");
    }
    if (code == 0)
        return bad(p, "a NUL in a text");
    put_utf8(p, code);
    return 0;
}

/* Takes a quoted text; its decoded form, NUL at the end, or NULL with the error set. */
static const char *take_text(struct parser *p)
{
    if (expect(p, '"') != 0)
        return NULL;
    const char *text = p->text;
    while (p->at < p->end && *p->at != '"') {
        if (*p->at == '\\') {
            p->at++;
            if (escape(p) != 0)
                return NULL;
        } else if (*p->at < 0x20) {
            bad(p, "a control character in a text");
            return NULL;
        } else {
            *p->text++ = (char)*p->at++;
        }
    }
    if (p->at == p->end) {
        bad(p, "a text is cut short");
        return NULL;
    }
    p->at++;
    *p->text++ = '\0';
    return text;
}

/* Takes a whole number from 0 to INT64_MAX, without sign, point or leading zero. */
static int take_number(struct parser *p, int64_t *number)
{
    skip_space(p);
    const unsigned char *first = p->at;
    *number = 0;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, *p->at - '0', number))
            return bad(p, "a number too large");
        p->at++;
    }
    if (p->at == first || (*first == '0' && p->at - first > 1))
        return bad(p, "expected a whole number");
    if (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E'))
        return bad(p, "expected a whole number");
    return 0;
}

/* ---- the header ---- */

/* Takes a list of numbers to the end of memory->sizes. Returns how many, or -1. */
static int take_numbers(struct parser *p, int limit, const char *too_many)
{
    assert(limit > 0);
    if (expect(p, '[') != 0)
        return -1;
    if (take(p, ']'))
        return 0;
    for (int count = 0;; count++) {
        int64_t number;
        if (count == limit)
            return bad(p, too_many);
        if (take_number(p, &number) != 0)
            return -1;
        int64_t *place = list_add(&p->memory->sizes);
        if (!place)
            return -1;
        *place = number;
        int next = more(p, ']');
        if (next <= 0)
            return next < 0 ? -1 : count + 1;
    }
}

/* Takes one field of a tensor's description. `seen` has a bit for each field met. */
static int take_field(struct parser *p, struct safetensors_entry *entry, unsigned *seen)
{
    static const char *const FIELDS[] = {"dtype", "shape", "data_offsets"};
    const char *field = take_text(p);
    if (!field || expect(p, ':') != 0)
        return -1;
    unsigned which = 0;
    while (which < 3 && strcmp(field, FIELDS[which]) != 0)
        which++;
    if (which == 3 || *seen >> which & 1)
        return bad(p, which == 3 ? "an unknown field of a tensor" : "a field given twice");
    *seen |= 1u << which;
    if (which == 0) {
        const char *name = take_text(p);
        if (!name)
            return -1;
        entry->dtype = safetensors_dtype_of(name);
        if (entry->dtype == FL_NO_DTYPE)
            return error_set(FL_RUNTIME_ERROR,
                             "safetensors: dtype '%.40s' of '%.200s' is not supported", name,
                             entry->name);
        return 0;
    }
    struct list *sizes = &p->memory->sizes;
    if (which == 1) {
        /* A place in the list: the list may still move. */
        entry->sizes = (const int64_t *)(uintptr_t)sizes->used;
        entry->ndim = take_numbers(p, TENSOR_MAX_DIMS, "a shape of more than 64 dims");
        return entry->ndim < 0 ? -1 : 0;
    }
    int count = take_numbers(p, 2, "more than two offsets");
    if (count < 0)
        return -1;
    if (count != 2)
        return bad(p, "expected two offsets");
    sizes->used -= 2;
    const int64_t *offsets = (const int64_t *)sizes->data + sizes->used;
    entry->begin = (uint64_t)offsets[0];
    entry->end = (uint64_t)offsets[1];
    return 0;
}

static int take_tensor(struct parser *p, const char *name)
{
    struct safetensors_entry entry = {.name = name};
    unsigned seen = 0;
    if (expect(p, '{') != 0)
        return -1;
    int next = take(p, '}') ? 0 : 1;
    while (next > 0) {
        if (take_field(p, &entry, &seen) != 0)
            return -1;
        next = more(p, '}');
    }
    if (next < 0)
        return -1;
    if (seen != 7)
        return error_set(FL_RUNTIME_ERROR, "safetensors: tensor '%.200s' lacks its %s", name,
                         !(seen & 1)   ? "dtype"
                         : !(seen & 2) ? "shape"
                                       : "data_offsets");
    struct safetensors_entry *place = list_add(&p->memory->entries);
    if (!place)
        return -1;
    *place = entry;
    return 0;
}

static int take_metadata(struct parser *p)
{
    if (expect(p, '{') != 0)
        return -1;
    int next = take(p, '}') ? 0 : 1;
    while (next > 0) {
        struct safetensors_pair pair;
        if (!(pair.key = take_text(p)) || expect(p, ':') != 0 || !(pair.value = take_text(p)))
            return -1;
        struct safetensors_pair *place = list_add(&p->memory->pairs);
        if (!place)
            return -1;
        *place = pair;
        next = more(p, '}');
    }
    return next;
}

static int take_header(struct parser *p)
{
    int metadata_seen = 0;
    if (p->at == p->end || *p->at != '{')
        return bad(p, "expected '{'");
    p->at++;
    int next = take(p, '}') ? 0 : 1;
    while (next > 0) {
        const char *name = take_text(p);
        if (!name || expect(p, ':') != 0)
            return -1;
        int is_metadata = strcmp(name, "__metadata__") == 0;
        if (is_metadata && metadata_seen++)
            return bad(p, "__metadata__ given twice");
        if ((is_metadata ? take_metadata(p) : take_tensor(p, name)) != 0)
            return -1;
        next = more(p, '}');
    }
    if (next < 0)
        return -1;
    skip_space(p);
    return p->at == p->end ? 0 : bad(p, "something after the header's end");
}

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct safetensors_entry *const *)a)->name,
                  (*(struct safetensors_entry *const *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_entry *x = *(struct safetensors_entry *const *)a,
                                   *y = *(struct safetensors_entry *const *)b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end
               ? -1
               : x->end > y->end; /* an empty tensor before the one that begins where it stands */
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_pair *)a)->key,
                  ((const struct safetensors_pair *)b)->key);
}

/* The sizes and offsets of one tensor agree. */
static int check_entry(const struct safetensors_entry *entry)
{
    uint64_t bytes = dtype_size(entry->dtype);
    int empty = 0, overflow = 0;
    for (int d = 0; d < entry->ndim; d++) {
        empty |= entry->sizes[d] == 0;
        overflow |= __builtin_mul_overflow(bytes, (uint64_t)entry->sizes[d], &bytes);
    }
    if (overflow && !empty)
        return error_set(FL_RUNTIME_ERROR, "safetensors: the shape of '%.200s' is too large",
                         entry->name);
    if (empty)
        bytes = 0;
    if (entry->end < entry->begin || entry->end - entry->begin != bytes)
        return error_set(FL_RUNTIME_ERROR,
                         "safetensors: the shape of '%.200s' needs %llu bytes, but its "
                         "data_offsets are [%llu, %llu]",
                         entry->name, (unsigned long long)bytes, (unsigned long long)entry->begin,
                         (unsigned long long)entry->end);
    return 0;
}

/* No name twice; the tensors fill the data section one after another. */
static int check_whole(const struct safetensors_index *index)
{
    size_t room = (size_t)index->count * sizeof(struct safetensors_entry *);
    struct safetensors_entry **sorted = memory_alloc(room);
    if (!sorted)
        return -1;
    int status = 0;
    uint64_t at = 0;
    for (int64_t i = 0; i < index->count && status == 0; i++) {
        sorted[i] = &index->entries[i];
        status = check_entry(sorted[i]);
    }
    if (status == 0)
        qsort(sorted, (size_t)index->count, sizeof *sorted, by_name);
    for (int64_t i = 1; i < index->count && status == 0; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = error_set(FL_RUNTIME_ERROR, "safetensors: the name '%.200s' is given twice",
                               sorted[i]->name);
    if (status == 0)
        qsort(sorted, (size_t)index->count, sizeof *sorted, by_place);
    for (int64_t i = 0; i < index->count && status == 0; i++) {
        if (sorted[i]->begin != at)
            status = error_set(
                FL_RUNTIME_ERROR,
                "safetensors: the data of '%.200s' begin at %llu, but %llu was expected (%s)",
                sorted[i]->name, (unsigned long long)sorted[i]->begin, (unsigned long long)at,
                sorted[i]->begin < at ? "tensors overlap" : "a gap");
        at = sorted[i]->end;
    }
    if (status == 0 && at != index->data_bytes)
        status = error_set(
            FL_RUNTIME_ERROR,
            "safetensors: the tensors take %llu bytes, but %llu follow the header: the file is %s",
            (unsigned long long)at, (unsigned long long)index->data_bytes,
            at > index->data_bytes ? "cut short" : "too long");
    memory_free(sorted, room);
    if (status != 0 || index->pairs < 2)
        return status;
    qsort(index->metadata, (size_t)index->pairs, sizeof *index->metadata, by_key);
    for (int64_t i = 1; i < index->pairs; i++)
        if (strcmp(index->metadata[i - 1].key, index->metadata[i].key) == 0)
            return error_set(FL_RUNTIME_ERROR,
                             "safetensors: the metadata key '%.200s' is given twice",
                             index->metadata[i].key);
    return 0;
}

/* Parses a header of `bytes` bytes, in front of data_bytes bytes of data. */
static int parse_header(const char *header, size_t bytes, uint64_t data_bytes,
                        struct safetensors_index *index)
{
    if (!safetensors_check_utf8(header, bytes))
        return error_set(FL_RUNTIME_ERROR, "safetensors: the header is not valid UTF-8");
    struct safetensors_memory *memory = memory_zalloc(sizeof *memory);
    if (!memory)
        return -1;
    memset(index, 0, sizeof *index);
    index->memory = memory;
    memory->entries.item = sizeof(struct safetensors_entry);
    memory->pairs.item = sizeof(struct safetensors_pair);
    memory->sizes.item = sizeof(int64_t);
    memory->text_bytes = bytes;
    memory->texts = memory_alloc(bytes);
    const unsigned char *start = (const unsigned char *)header;
    struct parser p = {
        .start = start, .at = start, .end = start + bytes, .text = memory->texts, .memory = memory};
    if (!memory->texts || take_header(&p) != 0)
        goto fail;
    index->count = (int64_t)memory->entries.used;
    index->entries = (struct safetensors_entry *)memory->entries.data;
    index->pairs = (int64_t)memory->pairs.used;
    index->metadata = (struct safetensors_pair *)memory->pairs.data;
    index->data_start = 8 + bytes;
    index->data_bytes = data_bytes;
    for (int64_t i = 0; i < index->count; i++) {
        size_t place = (size_t)(uintptr_t)index->entries[i].sizes;
        index->entries[i].sizes =
            memory->sizes.data ? (const int64_t *)memory->sizes.data + place : NULL;
    }
    if (check_whole(index) == 0)
        return 0;
fail:
    safetensors_release(index);
    return -1;
}

void safetensors_release(struct safetensors_index *index)
{
    struct safetensors_memory *memory = index->memory;
    if (memory) {
        memory_free(memory->entries.data, memory->entries.room * memory->entries.item);
        memory_free(memory->pairs.data, memory->pairs.room * memory->pairs.item);
        memory_free(memory->sizes.data, memory->sizes.room * memory->sizes.item);
        memory_free(memory->texts, memory->text_bytes);
        memory_free(memory, sizeof *memory);
    }
    memset(index, 0, sizeof *index);
}

/* The header's length from the first 8 bytes of a file, checked; -1 with the error set. */
static int64_t header_length(const unsigned char *first, uint64_t file_bytes)
{
    uint64_t length = 0;
    if (file_bytes < 8)
        return error_set(FL_RUNTIME_ERROR,
                         "safetensors: the file has %llu bytes; a header needs at least 8",
                         (unsigned long long)file_bytes);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | first[i];
    if (length > MAX_HEADER)
        return error_set(
            FL_RUNTIME_ERROR,
            "safetensors: a header of %llu bytes is beyond the limit of %d: this is not a "
            "safetensors file, or it is damaged",
            (unsigned long long)length, MAX_HEADER);
    if (length > file_bytes - 8)
        return error_set(
            FL_RUNTIME_ERROR,
            "safetensors: the header should have %llu bytes, but the file ends after %llu",
            (unsigned long long)length, (unsigned long long)(file_bytes - 8));
    return (int64_t)length;
}

/* Adds what to do to an error about a file's content. */
static void advise(void)
{
    if (fl_error() == FL_RUNTIME_ERROR)
        error_hint("the file is damaged or is no safetensors file: save or download it again",
                   "文件已损坏或不是 safetensors 文件：请重新保存或下载");
}

int safetensors_parse(const void *file, uint64_t bytes, struct safetensors_index *index)
{
    memset(index, 0, sizeof *index);
    int64_t length = header_length(file, bytes);
    const char *header = (const char *)file + 8;
    if (length >= 0 &&
        parse_header(header, (size_t)length, bytes - 8 - (uint64_t)length, index) == 0)
        return 0;
    advise();
    return -1;
}

/* ---- files ---- */

/* Reads exactly `bytes` bytes at `offset`. */
static int read_all(int file, void *to, uint64_t bytes, uint64_t offset)
{
    char *at = to;
    while (bytes > 0) {
        ssize_t got = pread(file, at, bytes < 1 << 30 ? (size_t)bytes : 1 << 30, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(FL_IO_ERROR, "safetensors: reading failed: %s", strerror(errno));
        if (got == 0)
            return error_set(FL_RUNTIME_ERROR,
                             "safetensors: the file ends early: it was cut while being read");
        at += got;
        bytes -= (uint64_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

int safetensors_open(const char *path, struct safetensors_index *index)
{
    memset(index, 0, sizeof *index);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set(errno == ENOENT ? FL_FILE_NOT_FOUND : FL_IO_ERROR, "%s: '%s'",
                         strerror(errno), path);
    struct stat about;
    unsigned char first[8];
    char *header = NULL;
    int64_t length = -1;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        error_set(FL_IO_ERROR, "not a regular file: '%s'", path);
        goto fail;
    }
    uint64_t bytes = (uint64_t)about.st_size;
    if (bytes >= 8 && read_all(file, first, 8, 0) != 0)
        goto fail;
    length = header_length(first, bytes);
    if (length < 0 || !(header = memory_alloc((size_t)length)))
        goto fail;
    if (read_all(file, header, (uint64_t)length, 8) != 0 ||
        parse_header(header, (size_t)length, bytes - 8 - (uint64_t)length, index) != 0)
        goto fail;
    memory_free(header, (size_t)length);
    return file;
fail:
    memory_free(header, header ? (size_t)length : 0);
    error_context("In '%s'", "文件：'%s'", path);
    advise();
    close(file);
    return -1;
}

int safetensors_read(int file, const struct safetensors_index *index,
                     const struct safetensors_entry *entry, void *to)
{
    return read_all(file, to, entry->end - entry->begin, index->data_start + entry->begin);
}
