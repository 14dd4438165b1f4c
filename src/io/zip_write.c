/* Writing zip archives: the headers, with the checksums of what stands between them, by themselves or
 * to a file. */
#include <assert.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau/base.h"
#include "io/checksum.h"
#include "io/file_write.h"
#include "io/zip.h"

enum { ALIGNMENT = 64, WIDE = 0xffff, FIRST_OF_1980 = 0x21, UTF8_NAMES = 0x800 };
static const uint64_t LONG = 0xffffffff; /* a field of 4 bytes that says: see the long one */

/* ---- headers ---- */

/* A text that is first measured (to NULL) and then written. */
struct out {
    char *to;
    size_t used;
};

/* A number of `bytes` bytes, the lowest first. */
static void put(struct out *out, int bytes, uint64_t number)
{
    assert(bytes >= 1 && bytes <= 8);
    for (int i = 0; i < bytes; i++, out->used++)
        if (out->to)
            out->to[out->used] = (char)(number >> 8 * i);
}

static void put_text(struct out *out, const char *text, size_t bytes)
{
    if (out->to)
        memcpy(out->to + out->used, text, bytes);
    out->used += bytes;
}

static uint64_t shortened(uint64_t number)
{
    return number < LONG ? number : LONG;
}

/* What the header before an entry and its row of the directory have in common. */
static void put_common(struct out *out, const struct zip_item *item, uint32_t crc, int wide,
                       size_t extra)
{
    put(out, 2, wide ? 45 : 20); /* the version that reads it */
    put(out, 2, UTF8_NAMES);
    put(out, 2, ZIP_STORED);
    put(out, 2, 0);
    put(out, 2, FIRST_OF_1980);
    put(out, 4, crc);
    put(out, 4, shortened(item->bytes));
    put(out, 4, shortened(item->bytes));
    put(out, 2, strlen(item->name));
    put(out, 2, extra);
}

/* The header that stands at `at` in the file; fills up so that the data are aligned. */
static void put_head(struct out *out, const struct zip_item *item, uint32_t crc, uint64_t at)
{
    int wide = item->bytes >= LONG;
    size_t name = strlen(item->name), fixed = wide ? 20 : 0;
    uint64_t end = at + 30 + name + fixed + 4;
    size_t fill = (size_t)(-end % ALIGNMENT);
    put(out, 4, 0x04034b50);
    put_common(out, item, crc, wide, fixed + 4 + fill);
    put_text(out, item->name, name);
    if (wide) {
        put(out, 2, 1);
        put(out, 2, 16);
        put(out, 8, item->bytes);
        put(out, 8, item->bytes);
    }
    put_text(out, "FB", 2); /* PyTorch's mark of such a filling */
    put(out, 2, fill);
    for (size_t i = 0; i < fill; i++)
        put(out, 1, 'Z');
}

static void put_row(struct out *out, const struct zip_item *item, uint32_t crc, uint64_t head)
{
    int wide = item->bytes >= LONG, far = head >= LONG;
    size_t extra = (size_t)(16 * wide + 8 * far);
    put(out, 4, 0x02014b50);
    put(out, 2, 45);
    put_common(out, item, crc, wide || far, extra ? extra + 4 : 0);
    put(out, 2, 0); /* comment, disk, attributes */
    put(out, 2, 0);
    put(out, 2, 0);
    put(out, 4, 0);
    put(out, 4, shortened(head));
    put_text(out, item->name, strlen(item->name));
    if (extra) {
        put(out, 2, 1);
        put(out, 2, extra);
    }
    if (wide) {
        put(out, 8, item->bytes);
        put(out, 8, item->bytes);
    }
    if (far)
        put(out, 8, head);
}

/* What ends an archive: where its directory stands. */
static void put_end(struct out *out, uint64_t count, uint64_t at, uint64_t bytes)
{
    int wide = count >= WIDE || at >= LONG || bytes >= LONG;
    if (wide) {
        put(out, 4, 0x06064b50);
        put(out, 8, 44);
        put(out, 2, 45);
        put(out, 2, 45);
        put(out, 8, 0);
        put(out, 8, count);
        put(out, 8, count);
        put(out, 8, bytes);
        put(out, 8, at);
        put(out, 4, 0x07064b50);
        put(out, 4, 0);
        put(out, 8, at + bytes);
        put(out, 4, 1);
    }
    uint64_t rows = count < WIDE ? count : WIDE;
    put(out, 4, 0x06054b50);
    put(out, 4, 0);
    put(out, 2, rows);
    put(out, 2, rows);
    put(out, 4, shortened(bytes));
    put(out, 4, shortened(at));
    put(out, 2, 0);
}

/* What stands behind the data, at `at`: the directory and its end. */
static void put_directory(struct out *out, int64_t count, const struct zip_item *items,
                          const uint32_t *crcs, const uint64_t *heads, uint64_t at)
{
    const size_t before = out->used;
    for (int64_t i = 0; i < count; i++)
        put_row(out, &items[i], crcs[i], heads[i]);
    put_end(out, (uint64_t)count, at, out->used - before);
}

/* All headers. heads[i] receives where item i's stands in the file. */
static void put_all(struct out *out, int64_t count, const struct zip_item *items,
                    const uint32_t *crcs, uint64_t *begin, uint64_t *heads)
{
    uint64_t data = 0;
    for (int64_t i = 0; i < count; i++) {
        begin[i] = out->used;
        heads[i] = out->used + data;
        put_head(out, &items[i], crcs[i], heads[i]);
        data += items[i].bytes;
    }
    begin[count] = out->used;
    put_directory(out, count, items, crcs, heads, out->used + data);
}

static int check_names(int64_t count, const struct zip_item *items)
{
    for (int64_t i = 0; i < count; i++)
        if (strlen(items[i].name) >= WIDE)
            return error_set(FL_VALUE_ERROR, "zip: the name of an entry has %zu bytes",
                             strlen(items[i].name));
    return 0;
}

char *zip_headers(int64_t count, const struct zip_item *items, size_t *size, uint64_t *begin)
{
    assert(count >= 0 && size && begin);
    size_t crc_room = (size_t)count * sizeof(uint32_t),
           head_room = (size_t)count * sizeof(uint64_t);
    if (check_names(count, items))
        return NULL;
    uint32_t *crcs = memory_alloc(crc_room);
    uint64_t *heads = memory_alloc(head_room);
    char *headers = NULL;
    if (crcs && heads) {
        for (int64_t i = 0; i < count; i++)
            crcs[i] = ISA_PICK(checksum_kernels)->crc32(items[i].data, items[i].bytes);
        struct out measure = {0};
        put_all(&measure, count, items, crcs, begin, heads);
        *size = measure.used;
        headers = memory_alloc(*size);
        struct out out = {.to = headers};
        if (headers)
            put_all(&out, count, items, crcs, begin, heads);
    }
    memory_free(crcs, crcs ? crc_room : 0);
    memory_free(heads, heads ? head_room : 0);
    return headers;
}

/* ---- a file ---- */

/* One item with its header, which stands at *at; moves that on. */
static int write_item(struct file_write *file, const struct zip_item *item, uint32_t crc,
                      uint64_t *at)
{
    struct out measure = {0};
    put_head(&measure, item, crc, *at);
    struct out head = {.to = memory_alloc(measure.used)};
    if (!head.to)
        return -1;
    put_head(&head, item, crc, *at);
    assert(head.used == measure.used);
    int status = file_write_bytes(file, head.to, head.used) != 0 ||
                         file_write_bytes(file, item->data, item->bytes) != 0
                     ? -1
                     : 0;
    *at += head.used + item->bytes;
    memory_free(head.to, measure.used);
    return status;
}

static int write_directory(struct file_write *file, int64_t count, const struct zip_item *items,
                           const uint32_t *crcs, const uint64_t *heads, uint64_t at)
{
    struct out measure = {0};
    put_directory(&measure, count, items, crcs, heads, at);
    struct out out = {.to = memory_alloc(measure.used)};
    if (!out.to)
        return -1;
    put_directory(&out, count, items, crcs, heads, at);
    int status = file_write_bytes(file, out.to, out.used);
    memory_free(out.to, measure.used);
    return status;
}

int zip_write(struct file_write *file, int64_t count, const struct zip_item *items)
{
    assert(file && count >= 0 && (items || count == 0));
    size_t crc_room = (size_t)count * sizeof(uint32_t),
           head_room = (size_t)count * sizeof(uint64_t);
    if (check_names(count, items))
        return -1;
    uint32_t *crcs = memory_alloc(crc_room);
    uint64_t *heads = memory_alloc(head_room), at = 0;
    int status = crcs && heads ? 0 : -1;
    for (int64_t i = 0; i < count && status == 0; i++) {
        heads[i] = at;
        crcs[i] = ISA_PICK(checksum_kernels)->crc32(items[i].data, items[i].bytes);
        status = write_item(file, &items[i], crcs[i], &at);
    }
    if (status == 0)
        status = write_directory(file, count, items, crcs, heads, at);
    memory_free(crcs, crcs ? crc_room : 0);
    memory_free(heads, heads ? head_room : 0);
    return status;
}
