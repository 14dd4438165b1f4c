/* NumPy's .npy format, read and written.
 *
 * The header is a Python dict of three fixed keys, whose values are a text, a bool and a tuple of
 * numbers; the parser knows just these, in any order.
 */
#include "io/npy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "flambeau/io.h"
#include "io/byte_order.h"
#include "io/file_write.h"

enum { MAX_HEADER = 1 << 16, PREFIX = 12, ALIGNMENT = 64 };

static const char MAGIC[] = "\x93NUMPY";

/* ---- the header ---- */

struct header {
    int dtype, ndim;
    bool swapped, fortran;
    int64_t sizes[TENSOR_MAX_DIMS];
};

struct parser {
    const char *at; /* NUL at the end */
    unsigned seen;  /* a bit for each key met */
};

static int bad(const char *what)
{
    return error_set(FL_RUNTIME_ERROR, "npy: %s", what);
}

/* Takes a text that stands next, after space; 0 when it is not there. */
static int take(struct parser *p, const char *text)
{
    while (*p->at == ' ' || *p->at == '\n')
        p->at++;
    size_t length = strlen(text);
    if (strncmp(p->at, text, length) != 0)
        return 0;
    p->at += length;
    return 1;
}

static int take_descr(struct parser *p, struct header *h)
{
    char text[16], quote = *p->at;
    const char *end = quote == '\'' || quote == '"' ? strchr(p->at + 1, quote) : NULL;
    if (!end)
        return bad("arrays of records are not read");
    snprintf(text, sizeof text, "%.*s", (int)(end - p->at - 1 < 15 ? end - p->at - 1 : 15),
             p->at + 1);
    p->at = end + 1;
    const char *name = text + (text[0] && strchr("<>|=", text[0]));
    h->swapped = text[0] == '>';
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++)
        if (dtypes[dtype].numpy && strcmp(dtypes[dtype].numpy, name) == 0)
            return h->dtype = dtype, 0;
    return error_set(FL_RUNTIME_ERROR, "npy: arrays of dtype '%s' are not supported", text);
}

static int take_shape(struct parser *p, struct header *h)
{
    if (!take(p, "("))
        return bad("the shape is no tuple");
    for (h->ndim = 0; !take(p, ")"); h->ndim++) {
        int64_t size = 0;
        if (h->ndim == TENSOR_MAX_DIMS)
            return bad("a shape of more than 64 dims");
        take(p, "");
        if (*p->at < '0' || *p->at > '9')
            return bad("the shape is no tuple of whole numbers");
        for (; *p->at >= '0' && *p->at <= '9'; p->at++)
            if (__builtin_mul_overflow(size, 10, &size) ||
                __builtin_add_overflow(size, *p->at - '0', &size))
                return bad("a size too large");
        h->sizes[h->ndim] = size;
        take(p, "L"); /* Python 2's long numbers */
        if (!take(p, ",") && (take(p, ""), *p->at != ')'))
            return bad("the shape is no tuple of whole numbers");
    }
    return 0;
}

static int take_field(struct parser *p, struct header *h)
{
    static const char *const KEYS[] = {"'descr'", "'fortran_order'", "'shape'"};
    unsigned key = 0;
    while (key < 3 && !take(p, KEYS[key]))
        key++;
    if (key == 3 || p->seen >> key & 1 || !take(p, ":"))
        return bad("the header is damaged");
    p->seen |= 1u << key;
    take(p, " ");
    if (key == 0)
        return take_descr(p, h);
    if (key == 2)
        return take_shape(p, h);
    h->fortran = take(p, "True");
    return h->fortran || take(p, "False") ? 0 : bad("the header is damaged");
}

static int parse(const char *text, struct header *h)
{
    struct parser p = {.at = text};
    if (!take(&p, "{"))
        return bad("the header is damaged");
    while (!take(&p, "}")) {
        if (take_field(&p, h) != 0)
            return -1;
        if (!take(&p, ",") && (take(&p, ""), *p.at != '}'))
            return bad("the header is damaged");
    }
    return p.seen == 7 ? 0 : bad("the header lacks a field");
}

/* ---- reading ---- */

int npy_begins(const void *bytes, uint64_t size)
{
    return size >= 6 && memcmp(bytes, MAGIC, 6) == 0;
}

/* Reads the header of an array of `bytes` bytes. Returns how long it is with all before it, or -1
 * with the error set. */
static int64_t read_header(const struct zip_source *source, uint64_t begin, uint64_t bytes,
                           struct header *h)
{
    unsigned char prefix[PREFIX] = {0};
    if (bytes < 10)
        return bad("the file is cut short");
    if (zip_read(source, prefix, bytes < PREFIX ? bytes : PREFIX, begin) != 0)
        return -1;
    if (!npy_begins(prefix, PREFIX) || prefix[6] < 1 || prefix[6] > 3)
        return bad("this is no .npy file of version 1 to 3");
    uint64_t fixed = prefix[6] == 1 ? 10 : 12, length = prefix[8] | prefix[9] << 8;
    if (fixed == 12)
        length |= (uint64_t)prefix[10] << 16 | (uint64_t)prefix[11] << 24;
    if (length > MAX_HEADER || bytes < fixed || length > bytes - fixed)
        return bad("the header is cut short or too long");
    char *text = memory_alloc(length + 1);
    int status = text ? zip_read(source, text, length, begin + fixed) : -1;
    if (status == 0) {
        text[length] = '\0';
        status = parse(text, h);
    }
    memory_free(text, text ? length + 1 : 0);
    return status == 0 ? (int64_t)(fixed + length) : -1;
}

/* An uninitialised tensor as the header says. */
static fl_tensor *make(const struct header *h)
{
    int64_t strides[TENSOR_MAX_DIMS], step = 1;
    if (!h->fortran)
        return tensor_new(h->ndim, h->sizes, h->dtype);
    for (int d = 0; d < h->ndim; d++) {
        strides[d] = step;
        step *= h->sizes[d] ? h->sizes[d] : 1;
    }
    return tensor_new_strided(h->ndim, h->sizes, strides, h->dtype);
}

fl_tensor *npy_read(const struct zip_source *source, uint64_t begin, uint64_t bytes)
{
    struct header h = {0};
    int64_t head = read_header(source, begin, bytes, &h);
    int64_t numel = head < 0 ? -1 : shape_numel(h.ndim, h.sizes), size;
    if (numel < 0)
        return NULL;
    if (__builtin_mul_overflow(numel, (int64_t)dtype_size(h.dtype), &size) ||
        (uint64_t)size > bytes - (uint64_t)head)
        return bad("the file is cut short"), NULL;
    fl_tensor *t = make(&h);
    if (!t || zip_read(source, tensor_data(t), (uint64_t)size, begin + (uint64_t)head) != 0) {
        tensor_release(t);
        return NULL;
    }
    int parts = dtype_is_complex(h.dtype) ? 2 : 1;
    if (h.swapped)
        byte_order_swap(tensor_data(t), numel * parts, dtype_size(h.dtype) / (size_t)parts);
    return t;
}

fl_tensor *fl_npy_load(const char *path)
{
    struct stat about;
    if (!path)
        return fl_null_argument("fl_npy_load", "path"), NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_null(errno == ENOENT ? FL_FILE_NOT_FOUND : FL_IO_ERROR, "%s: '%s'",
                          strerror(errno), path);
    fl_tensor *t = NULL;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        error_set(FL_IO_ERROR, "not a regular file: '%s'", path);
    } else {
        struct zip_source source = {.file = file, .size = (uint64_t)about.st_size};
        t = npy_read(&source, 0, source.size);
        if (!t)
            error_context("In '%s'", "文件：'%s'", path);
    }
    close(file);
    return t && scope_adopt(t) == 0 ? t : NULL;
}

/* ---- writing ---- */

/* The header of a contiguous tensor into `to` (MAX_HEADER bytes). Returns its length. */
static size_t write_header(const fl_tensor *t, char *to)
{
    size_t used =
        (size_t)snprintf(to + 10, 80, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         dtype_size(t->dtype) == 1 ? '|' : '<', dtypes[t->dtype].numpy) +
        10;
    for (int d = 0; d < t->ndim; d++)
        used += (size_t)snprintf(to + used, 32, d ? ", %lld" : "%lld", (long long)t->sizes[d]);
    used += (size_t)snprintf(to + used, 8, t->ndim == 1 ? ",), }" : "), }");
    size_t whole = (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(to + used, ' ', whole - used - 1);
    to[whole - 1] = '\n';
    memcpy(to, MAGIC, 6);
    to[6] = 1;
    to[7] = 0;
    to[8] = (char)((whole - 10) & 0xff);
    to[9] = (char)((whole - 10) >> 8);
    return whole;
}

int fl_npy_save(const char *path, fl_tensor *t)
{
    char header[4096]; /* 64 sizes of 20 digits and what stands around them */
    struct file_write w;
    if (!path || !t)
        return fl_null_argument("fl_npy_save", path ? "t" : "path");
    if (!dtypes[t->dtype].numpy)
        return error_set(FL_RUNTIME_ERROR, "npy: NumPy has no dtype %s", fl_dtype_name(t->dtype));
    fl_tensor *whole = tensor_host_rows(t);
    int status = whole ? file_write_open(&w, path) : -1;
    if (status == 0) {
        uint64_t bytes = (uint64_t)whole->numel * dtype_size(whole->dtype);
        status = file_write_bytes(&w, header, write_header(whole, header));
        if (status == 0)
            status = file_write_bytes(&w, tensor_data(whole), bytes);
        status = file_write_close(&w, status);
    }
    tensor_release(whole);
    return status;
}
