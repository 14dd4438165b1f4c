/* Writing safetensors: the header as text, and files that are replaced only when they are whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/safetensors.h"
#include "io/safetensors_dtype.h"

enum { ALIGNMENT = 64 }; /* of the data section in the file */

static const char *const NAMES[FL_DTYPE_COUNT] = {
    [FL_BOOL] = "BOOL",   [FL_UINT8] = "U8",    [FL_INT8] = "I8",       [FL_INT16] = "I16",
    [FL_INT32] = "I32",   [FL_INT64] = "I64",   [FL_FLOAT16] = "F16",   [FL_BFLOAT16] = "BF16",
    [FL_FLOAT32] = "F32", [FL_FLOAT64] = "F64", [FL_COMPLEX64] = "C64", [FL_COMPLEX128] = "C128",
};

int safetensors_dtype_of(const char *name)
{
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++)
        if (strcmp(name, NAMES[dtype]) == 0)
            return dtype;
    return FL_NO_DTYPE;
}

/* A text that is first measured (to NULL) and then written. */
struct out {
    char *to;
    size_t used;
};

static void put(struct out *out, const char *text)
{
    size_t bytes = strlen(text);
    if (out->to)
        memcpy(out->to + out->used, text, bytes);
    out->used += bytes;
}

static void put_number(struct out *out, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    put(out, text);
}

static void put_quoted(struct out *out, const char *text)
{
    put(out, "\"");
    for (; *text; text++) {
        char escape[8] = {*text, '\0'};
        if (*text == '"' || *text == '\\')
            snprintf(escape, sizeof escape, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", *text);
        put(out, escape);
    }
    put(out, "\"");
}

static uint64_t item_bytes(const struct safetensors_item *item)
{
    uint64_t bytes = dtype_size(item->dtype);
    for (int d = 0; d < item->ndim; d++)
        bytes *= (uint64_t)item->sizes[d];
    return bytes;
}

/* The header's JSON. begin[i] is where item i's data stand. */
static void put_header(struct out *out, int64_t count, const struct safetensors_item *items,
                       const uint64_t *begin, int64_t pairs,
                       const struct safetensors_pair *metadata)
{
    put(out, "{");
    if (pairs > 0) {
        put(out, "\"__metadata__\":{");
        for (int64_t i = 0; i < pairs; i++) {
            put(out, i ? "," : "");
            put_quoted(out, metadata[i].key);
            put(out, ":");
            put_quoted(out, metadata[i].value);
        }
        put(out, count ? "}," : "}");
    }
    for (int64_t i = 0; i < count; i++) {
        put(out, i ? "," : "");
        put_quoted(out, items[i].name);
        put(out, ":{\"dtype\":\"");
        put(out, NAMES[items[i].dtype]);
        put(out, "\",\"shape\":[");
        for (int d = 0; d < items[i].ndim; d++) {
            put(out, d ? "," : "");
            put_number(out, (uint64_t)items[i].sizes[d]);
        }
        put(out, "],\"data_offsets\":[");
        put_number(out, begin[i]);
        put(out, ",");
        put_number(out, begin[i] + item_bytes(&items[i]));
        put(out, "]}");
    }
    put(out, "}");
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each text of `texts` is UTF-8 and none is there twice. Sorts them. */
static int check_texts(int64_t count, const char **texts, const char *what)
{
    for (int64_t i = 0; i < count; i++)
        if (!safetensors_check_utf8(texts[i], strlen(texts[i])))
            return error_set(FL_VALUE_ERROR, "safetensors: a %s is not valid UTF-8", what);
    qsort(texts, (size_t)count, sizeof *texts, compare_texts);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(texts[i - 1], texts[i]) == 0)
            return error_set(FL_VALUE_ERROR, "safetensors: the %s '%.200s' is given twice", what,
                             texts[i]);
    return 0;
}

static int check_names(int64_t count, const struct safetensors_item *items, int64_t pairs,
                       const struct safetensors_pair *metadata)
{
    size_t room = (size_t)(count > pairs ? count : pairs) * sizeof(char *);
    const char **texts = memory_alloc(room);
    if (!texts)
        return -1;
    int status = 0;
    for (int64_t i = 0; i < count; i++) {
        texts[i] = items[i].name;
        if (strcmp(items[i].name, "__metadata__") == 0)
            status =
                error_set(FL_VALUE_ERROR, "safetensors: a tensor cannot be named '__metadata__'");
    }
    if (status == 0)
        status = check_texts(count, texts, "name");
    for (int64_t i = 0; i < pairs; i++) {
        texts[i] = metadata[i].key;
        if (status == 0 && !safetensors_check_utf8(metadata[i].value, strlen(metadata[i].value)))
            status = error_set(FL_VALUE_ERROR, "safetensors: a metadata value is not valid UTF-8");
    }
    if (status == 0)
        status = check_texts(pairs, texts, "metadata key");
    memory_free(texts, room);
    return status;
}

/* Fills the order (larger elements first, else as given) and where each item's data begin. */
static void lay_out(int64_t count, const struct safetensors_item *items, int64_t *order,
                    uint64_t *begin)
{
    int64_t placed = 0;
    uint64_t at = 0;
    for (size_t size = 16; size > 0; size /= 2)
        for (int64_t i = 0; i < count; i++)
            if (dtype_size(items[i].dtype) == size) {
                order[placed++] = i;
                begin[i] = at;
                at += item_bytes(&items[i]);
            }
}

char *safetensors_header(int64_t count, const struct safetensors_item *items, int64_t pairs,
                         const struct safetensors_pair *metadata, size_t *size, int64_t *order)
{
    size_t room = (size_t)count * sizeof(uint64_t);
    uint64_t *begin = memory_alloc(room);
    char *header = NULL;
    if (!begin || check_names(count, items, pairs, metadata) != 0)
        goto done;
    lay_out(count, items, order, begin);
    struct out measure = {0};
    put_header(&measure, count, items, begin, pairs, metadata);
    *size = (8 + measure.used + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    header = memory_alloc(*size);
    if (!header)
        goto done;
    memset(header, ' ', *size);
    for (int i = 0; i < 8; i++)
        header[i] = (char)((uint64_t)(*size - 8) >> 8 * i);
    struct out out = {.to = header, .used = 8};
    put_header(&out, count, items, begin, pairs, metadata);
done:
    memory_free(begin, room);
    return header;
}

static int write_all(int file, const void *from, uint64_t bytes)
{
    const char *at = from;
    while (bytes > 0) {
        ssize_t done = write(file, at, bytes < 1 << 30 ? (size_t)bytes : 1 << 30);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set(FL_IO_ERROR, "safetensors: writing failed: %s", strerror(errno));
        at += done;
        bytes -= (uint64_t)done;
    }
    return 0;
}

/* Whether `path` may be replaced by renaming: it is missing, or a regular file that nothing else
 * names. */
static int replaceable(const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0)
        return errno == ENOENT;
    return S_ISREG(about.st_mode) && about.st_nlink == 1;
}

int safetensors_write(const char *path, int64_t count, const struct safetensors_item *items,
                      int64_t pairs, const struct safetensors_pair *metadata)
{
    size_t order_room = (size_t)count * sizeof(int64_t), header_bytes = 0,
           name_room = strlen(path) + 32;
    int64_t *order = memory_alloc(order_room);
    char *name = memory_alloc(name_room), *header = NULL;
    int status = -1, file = -1, rename_it = replaceable(path);
    if (!order || !name ||
        !(header = safetensors_header(count, items, pairs, metadata, &header_bytes, order)))
        goto done;
    snprintf(name, name_room, rename_it ? "%s.%ld.tmp" : "%s", path, (long)getpid());
    file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) {
        error_set(errno == ENOENT ? FL_FILE_NOT_FOUND : FL_IO_ERROR, "%s: '%s'", strerror(errno),
                  path);
        goto done;
    }
    status = write_all(file, header, header_bytes);
    for (int64_t i = 0; i < count && status == 0; i++)
        status = write_all(file, items[order[i]].data, item_bytes(&items[order[i]]));
    if (close(file) != 0 && status == 0)
        status = error_set(FL_IO_ERROR, "safetensors: writing failed: %s", strerror(errno));
    if (status == 0 && rename_it && rename(name, path) != 0)
        status = error_set(FL_IO_ERROR, "%s: '%s'", strerror(errno), path);
    if (status != 0 && rename_it)
        unlink(name);
done:
    memory_free(header, header_bytes);
    memory_free(name, name ? name_room : 0);
    memory_free(order, order ? order_room : 0);
    return status;
}
