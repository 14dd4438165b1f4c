/* Writing safetensors: the header as text, and files. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/file_write.h"
#include "io/safetensors.h"
#include "io/safetensors_text.h"

enum { ALIGNMENT = 64 }; /* of the data section in the file */

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
    assert(item->dtype >= 0 && item->dtype < FL_DTYPE_COUNT);
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
        put(out, safetensors_dtype_name(items[i].dtype));
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
    assert(count >= 0);
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
    assert(count >= 0 && pairs >= 0);
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

int safetensors_write(const char *path, int64_t count, const struct safetensors_item *items,
                      int64_t pairs, const struct safetensors_pair *metadata)
{
    assert(count >= 0 && pairs >= 0);
    size_t order_room = (size_t)count * sizeof(int64_t), header_bytes = 0;
    int64_t *order = memory_alloc(order_room);
    char *header =
        order ? safetensors_header(count, items, pairs, metadata, &header_bytes, order) : NULL;
    struct file_write w;
    int status = header ? file_write_open(&w, path) : -1;
    if (status == 0) {
        status = file_write_bytes(&w, header, header_bytes);
        for (int64_t i = 0; i < count && status == 0; i++)
            status = file_write_bytes(&w, items[order[i]].data, item_bytes(&items[order[i]]));
        status = file_write_close(&w, status);
    }
    memory_free(header, header_bytes);
    memory_free(order, order ? order_room : 0);
    return status;
}
