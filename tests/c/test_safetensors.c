/* Tests of the safetensors reader and writer: what was written is read back; lying headers are
 * refused; and a mutation fuzzer (argument: number of files, default 20000), meant to run under
 * AddressSanitizer. Prints one line; exits with 1 at the first failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../draws.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/safetensors.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #condition,              \
                    fl_error_message());                                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* A file in memory: the header's text with its length in front, then `data` zeros. */
static size_t make_file(unsigned char *to, const char *header, size_t data)
{
    size_t bytes = strlen(header);
    for (int i = 0; i < 8; i++)
        to[i] = (unsigned char)(bytes >> 8 * i);
    memcpy(to + 8, header, bytes);
    memset(to + 8 + bytes, 0, data);
    return 8 + bytes + data;
}

static int accepts(const char *header, size_t data)
{
    static unsigned char file[1 << 16];
    size_t bytes = make_file(file, header, data);
    unsigned char *exact = malloc(bytes); /* so that a sanitizer sees a read beyond the end */
    memcpy(exact, file, bytes);
    struct safetensors_index index;
    int ok = safetensors_parse(exact, bytes, &index) == 0;
    if (ok)
        safetensors_release(&index);
    else
        CHECK(fl_error() != FL_OK && fl_error_message()[0]);
    free(exact);
    return ok;
}

static void test_headers(void)
{
#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
    CHECK(accepts("{}", 0));
    CHECK(accepts("{" A "}", 8));
    CHECK(accepts("{" A "}      ", 8));
    CHECK(accepts("{" A ",\"b\":{\"data_offsets\":[8,9],\"shape\":[],\"dtype\":\"BOOL\"}}", 9));
    CHECK(accepts("{\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}," A "}", 8));
    CHECK(accepts("{\"__metadata__\":{\"k\":\"\\u00e9\\ud83d\\ude00\\n\"}," A "}", 8));
    CHECK(accepts("{\"__metadata__\":{}}", 0));
    CHECK(accepts(
        "{\"\xc3\xa9\xf0\x9f\x98\x80\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        1));

    static const struct {
        const char *header;
        size_t data;
    } BAD[] = {
        {"", 0},
        {"[]", 0},
        {" {}", 0},
        {"{", 0},
        {"{}x", 0},
        {"{" A "", 8},
        {"{" A ",}", 8},
        {"{" A "}", 7}, /* cut short */
        {"{" A "}", 9}, /* too long */
        {"{" A "," A "}", 8},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", 20},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8},
        {"{\"a\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2e0],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":[1]}}", 8},
        {"{\"a\":3}", 0},
        {"{\"__metadata__\":{\"k\":3}}", 0},
        {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0},
        {"{\"__metadata__\":{\"k\":\"\\ud83d\"}}", 0},
        {"{\"__metadata__\":{\"k\":\"\\u0000\"}}", 0},
        {"{\"__metadata__\":{\"k\":\"\\x\"}}", 0},
        {"{\"__metadata__\":{\"k\":\"\n\"}}", 0},
        {"{\"__metadata__\":{\"k\":\"\xff\"}}", 0},
        {"{\"__metadata__\":{\"k\":\"\xc0\x80\"}}", 0},
        {"{\"__metadata__\":{\"k\":\"\xed\xa0\x80\"}}", 0},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (accepts(BAD[i].header, BAD[i].data)) {
            fprintf(stderr, "accepted: %s with %zu bytes\n", BAD[i].header, BAD[i].data);
            exit(1);
        }
    struct safetensors_index index;
    CHECK(safetensors_parse("\x02\0\0\0\0\0\0", 7, &index) != 0);
    CHECK(safetensors_parse("\x03\0\0\0\0\0\0\0{}", 10, &index) != 0);
    CHECK(safetensors_parse("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &index) != 0);
}

static void test_round_trip(const char *path)
{
    float weight[6] = {1, 2, 3, 4, 5, 6};
    int64_t steps[1] = {42};
    uint8_t flags[3] = {1, 0, 1};
    struct safetensors_item items[] = {
        {"flags", FL_BOOL, 1, (int64_t[]){3}, flags},
        {"0.weight \"q\"\n", FL_FLOAT32, 2, (int64_t[]){2, 3}, weight},
        {"none", FL_FLOAT16, 2, (int64_t[]){0, 4}, NULL},
        {"steps", FL_INT64, 0, NULL, steps},
    };
    struct safetensors_pair metadata[] = {{"format", "pt"}, {"note", "tab\t\\"}};
    CHECK(safetensors_write(path, 4, items, 2, metadata) == 0);
    CHECK(safetensors_write(path, 4, items, 2, metadata) == 0); /* over itself */
    struct safetensors_index index;
    int file = safetensors_open(path, &index);
    CHECK(file >= 0);
    CHECK(index.count == 4 && index.pairs == 2);
    CHECK(index.data_start % 64 == 0);
    for (int i = 0; i < 4; i++) {
        const struct safetensors_entry *entry = &index.entries[i];
        CHECK(strcmp(entry->name, items[i].name) == 0);
        CHECK(entry->dtype == items[i].dtype && entry->ndim == items[i].ndim);
        CHECK(entry->begin % dtype_size(entry->dtype) == 0);
        char back[64];
        CHECK(safetensors_read(file, &index, entry, back) == 0);
        if (entry->end > entry->begin)
            CHECK(memcmp(back, items[i].data, entry->end - entry->begin) == 0);
    }
    CHECK(strcmp(index.metadata[1].value, "tab\t\\") == 0);
    safetensors_release(&index);
    close(file);
    CHECK(safetensors_open("/nonexistent/file", &index) < 0 && fl_error() == FL_FILE_NOT_FOUND);
    items[0].name = "steps";
    CHECK(safetensors_write(path, 4, items, 0, NULL) < 0);
    items[0].name = "\xff";
    CHECK(safetensors_write(path, 4, items, 0, NULL) < 0);
    unlink(path);
    CHECK(safetensors_write("/nonexistent/file", 0, NULL, 0, NULL) < 0);
}

/* Changes a good file in a few places, or cuts it; the reader must either refuse it or give an
 * index whose tensors lie in it. */
static void fuzz(long files)
{
    static const char GOOD[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"x\\n\"},"
        "\"b\":{\"dtype\":\"BF16\",\"shape\":[0],\"data_offsets\":[8,8]}," A ","
        "\"c.weight\":{\"dtype\":\"I64\",\"shape\":[1,2],\"data_offsets\":[8,24]}}  ";
    static const char PIECES[][24] = {"\"a\"",
                                      "[0,8]",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      ",",
                                      ":",
                                      "\"",
                                      "\\u",
                                      "0",
                                      "-1",
                                      "99999999999999999999",
                                      "\"F64\"",
                                      "\"shape\"",
                                      "\\ud83d",
                                      "1e3",
                                      "\xc3",
                                      "\xff",
                                      "__metadata__",
                                      "\\"};
    unsigned char good[1024], file[2048];
    size_t good_bytes = make_file(good, GOOD, 24);
    long accepted = 0;
    for (long n = 0; n < files; n++) {
        size_t bytes = good_bytes;
        memcpy(file, good, bytes);
        for (int changes = 1 + (int)(random_next() % 4); changes > 0; changes--) {
            size_t at = random_next() % bytes;
            const char *piece = PIECES[random_next() % (sizeof PIECES / sizeof *PIECES)];
            size_t length = strlen(piece), gone = random_next() % 8;
            switch (random_next() % 5) {
            case 0:
                file[at] ^= (unsigned char)(1u << random_next() % 8);
                break;
            case 1:
                file[at] = (unsigned char)random_next();
                break;
            case 2:
                bytes = at + 1;
                break;
            case 3: /* a piece more, the header's length with it */
                if (bytes + length < sizeof file && at >= 8) {
                    memmove(file + at + length, file + at, bytes - at);
                    memcpy(file + at, piece, length);
                    bytes += length;
                    if (random_next() % 4)
                        file[0] = (unsigned char)(file[0] + length);
                }
                break;
            default:
                if (at >= 8 && at + gone < bytes) {
                    memmove(file + at, file + at + gone, bytes - at - gone);
                    bytes -= gone;
                    if (random_next() % 4)
                        file[0] = (unsigned char)(file[0] - gone);
                }
            }
        }
        unsigned char *exact = malloc(bytes);
        memcpy(exact, file, bytes);
        struct safetensors_index index;
        if (safetensors_parse(exact, bytes, &index) == 0) {
            accepted++;
            for (int64_t i = 0; i < index.count; i++) {
                const struct safetensors_entry *entry = &index.entries[i];
                CHECK(index.data_start + entry->end <= bytes);
                for (int d = 0; d < entry->ndim; d++)
                    CHECK(entry->sizes[d] >= 0);
            }
            safetensors_release(&index);
        }
        free(exact);
    }
    CHECK(files < 1000 || (accepted > 0 && accepted < files));
    printf("safetensors: headers, round trip and %ld mutated files (%ld still valid) passed\n",
           files, accepted);
}

/* Every allocation of a read and of a write fails once. */
static void test_memory(const char *path)
{
    float x[2] = {1, 2};
    struct safetensors_item item = {"x", FL_FLOAT32, 1, (int64_t[]){2}, x};
    int failed = -1;
    for (int64_t n = 0; failed != 0; n++) {
        memory_fail_nth(n);
        failed = safetensors_write(path, 1, &item, 0, NULL) != 0;
        memory_fail_nth(-1);
        CHECK(n < 100);
    }
    failed = -1;
    for (int64_t n = 0; failed != 0; n++) {
        struct safetensors_index index;
        memory_fail_nth(n);
        int file = safetensors_open(path, &index);
        memory_fail_nth(-1);
        failed = file < 0;
        if (!failed) {
            safetensors_release(&index);
            close(file);
        }
        CHECK(n < 100);
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/flambeau-safetensors-XXXXXX";
    int made = mkstemp(path);
    CHECK(made >= 0);
    close(made);
    test_headers();
    test_round_trip(path);
    test_memory(path);
    fuzz(argc > 1 ? atol(argv[1]) : 20000);
    return 0;
}
