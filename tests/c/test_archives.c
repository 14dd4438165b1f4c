/* Tests of the zip and .npy readers and writers: what was written is read back; NumPy's own bytes;
 * lying headers are refused; and a mutation fuzzer (argument: number of files, default 20000), meant
 * to run under AddressSanitizer. Prints one line; exits with 1 at the first failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../draws.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "flambeau/io.h"
#include "io/npy.h"
#include "io/zip.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #condition,              \
                    fl_error_message());                                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *const PATH = "archives_test.npy";

static fl_tensor *read_bytes(const void *bytes, size_t size)
{
    char *exact = malloc(size); /* so that a sanitizer sees a read beyond the end */
    memcpy(exact, bytes, size);
    struct zip_source source = {.file = -1, .bytes = exact, .size = size};
    fl_tensor *t = npy_read(&source, 0, size);
    CHECK(t || (fl_error() != FL_OK && fl_error_message()[0]));
    free(exact);
    return t;
}

/* An .npy file of version 1 with that header and `data` bytes 0, 1, 2, ...; its size. */
static size_t make_array(char *to, const char *header, size_t data)
{
    size_t length = strlen(header);
    memcpy(to, "\x93NUMPY\1\0", 8);
    to[8] = (char)(length & 0xff);
    to[9] = (char)(length >> 8);
    memcpy(to + 10, header, length);
    for (size_t i = 0; i < data; i++)
        to[10 + length + i] = (char)i;
    return 10 + length + data;
}

static fl_tensor *read_header(const char *header, size_t data)
{
    char file[4096];
    return read_bytes(file, make_array(file, header, data));
}

static void test_arrays(void)
{
    fl_tensor *t = read_header("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n", 12);
    CHECK(t && t->dtype == FL_INT16 && t->ndim == 2 && t->sizes[1] == 3);
    CHECK(tensor_element(t, 0).as.i == 0x100 && tensor_element(t, 5).as.i == 0xb0a);
    fl_release(t);
    t = read_header("{'shape': (2, 3), 'fortran_order': True, 'descr': '>i2'}", 12);
    CHECK(t && t->strides[0] == 1 && t->strides[1] == 2 && tensor_element(t, 1).as.i == 0x203);
    fl_release(t);
    t = read_header("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", 1);
    CHECK(t && t->ndim == 0 && t->dtype == FL_BOOL);
    fl_release(t);
    t = read_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }", 0);
    CHECK(t && t->numel == 0);
    fl_release(t);
    static const char *const BAD[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        CHECK(!read_header(BAD[i], 8));
}

static void test_round_trips(void)
{
    int64_t sizes[] = {2, 3}, turned[] = {1, 2};
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++) {
        fl_tensor *t = tensor_new_strided(2, sizes, turned, dtype);
        CHECK(t);
        memset(tensor_data(t), 0, 6 * dtype_size(dtype));
        *(char *)tensor_data(t) = 1;
        if (!dtypes[dtype].numpy) { /* NumPy has none: bfloat16, floats of 8 bits */
            CHECK(fl_npy_save(PATH, t) == -1);
        } else {
            CHECK(fl_npy_save(PATH, t) == 0);
            fl_tensor *again = fl_npy_load(PATH);
            CHECK(again && again->dtype == dtype && shape_equal(again, t));
            CHECK(*(char *)tensor_data(again) == 1);
            fl_release(again);
        }
        fl_release(t);
    }
    unlink(PATH);
    CHECK(!fl_npy_load(PATH) && fl_error() == FL_FILE_NOT_FOUND);
    CHECK(fl_npy_save(NULL, NULL) == -1 && !fl_npy_load(NULL));
}

/* An archive of two arrays and a text, to `to`; its size. */
static size_t make_archive(char *to)
{
    char arrays[2][512];
    struct zip_item items[] = {
        {"a.npy", arrays[0], 0}, {"notes", "hello", 5}, {"b.npy", arrays[1], 0}};
    items[0].bytes =
        make_array(arrays[0], "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", 8);
    items[2].bytes =
        make_array(arrays[1], "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", 3);
    size_t size, used = 0;
    uint64_t begin[4];
    char *headers = zip_headers(3, items, &size, begin);
    CHECK(headers);
    for (int i = 0; i <= 3; i++) {
        size_t end = i < 3 ? begin[i + 1] : size;
        memcpy(to + used, headers + begin[i], end - begin[i]);
        used += end - begin[i];
        if (i < 3) {
            CHECK(used % 64 == 0);
            memcpy(to + used, items[i].data, items[i].bytes);
            used += items[i].bytes;
        }
    }
    memory_free(headers, size);
    return used;
}

static void write_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(PATH, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void test_archives(void)
{
    char bytes[4096];
    write_bytes(bytes, make_archive(bytes));
    fl_file *f = fl_file_open(PATH);
    CHECK(f && fl_file_count(f) == 2 && strcmp(fl_file_name(f, 0), "a") == 0);
    CHECK(strcmp(fl_file_name(f, 1), "b") == 0 && !fl_file_name(f, 2) && !fl_file_metadata(f, "x"));
    fl_tensor *a = fl_file_load(f, "a");
    CHECK(a && a->dtype == FL_INT32 && tensor_element(a, 1).as.i == 0x7060504);
    fl_release(a);
    CHECK(!fl_file_load(f, "notes"));
    fl_file_close(f);
    write_bytes("PK\3\4", 4);
    CHECK(!fl_file_open(PATH) && fl_error() == FL_RUNTIME_ERROR);
    unlink(PATH);
}

/* Opens an archive of these bytes and reads all arrays in it. */
static void try_archive(const char *bytes, size_t size)
{
    char *exact = malloc(size);
    memcpy(exact, bytes, size);
    struct zip_source source = {.file = -1, .bytes = exact, .size = size};
    struct zip_index index;
    if (zip_open(&source, &index) == 0) {
        for (int64_t i = 0; i < index.count; i++)
            fl_release(npy_read(&source, index.entries[i].place, index.entries[i].packed));
        zip_release(&index);
    } else {
        CHECK(fl_error() != FL_OK && fl_error_message()[0]);
    }
    free(exact);
}

static void fuzz(int files)
{
    char sound[4096], bytes[4200];
    size_t whole = make_archive(sound);
    for (int i = 0; i < files; i++) {
        size_t size = whole;
        memcpy(bytes, sound, whole);
        for (int changes = 1 + (int)random_below(4); changes > 0; changes--)
            bytes[random_below((int64_t)size)] =
                (char)(random_below(2) ? random_below(256) : 255 * random_below(2));
        if (random_below(8) == 0)
            size = (size_t)random_below((int64_t)size);
        try_archive(bytes, size ? size : 1);
    }
}

int main(int argc, char **argv)
{
    int files = argc > 1 ? atoi(argv[1]) : 20000;
    test_arrays();
    test_round_trips();
    test_archives();
    fuzz(files);
    printf("archives: ok, %d mutated files\n", files);
    return 0;
}
