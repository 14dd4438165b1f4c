/* Tests of .pt files: those of PyTorch in tests/data are read; what is written is read back; hostile
 * and damaged pickles are refused; and a mutation fuzzer (argument: number of files, default 4000),
 * meant to run under AddressSanitizer. Prints one line; exits with 1 at the first failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../draws.h"
#include "core/memory.h"
#include "flambeau.h"
#include "io/pt.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #condition,              \
                    fl_error_message());                                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *const PATH = "pt_test.pt";

/* The element at `position` of the memory of the tensor of that name. */
static double element(fl_file *f, const char *name, int64_t position)
{
    fl_tensor *t = fl_file_load(f, name);
    CHECK(t);
    fl_value v = tensor_element(t, position);
    fl_release(t);
    return number_real(&v);
}

static bool says(fl_file *f, const char *key, const char *text)
{
    const char *found = fl_file_metadata(f, key);
    return found && strcmp(found, text) == 0;
}

/* ---- files of PyTorch ---- */

/* The object of tests/data/make_pt.py. */
static void check_everything(const char *path)
{
    fl_file *f = fl_file_open(path);
    CHECK(f && fl_file_count(f) == 23 && strcmp(fl_file_name(f, 0), "base") == 0);
    fl_tensor *t = fl_file_load(f, "turned");
    CHECK(t && t->ndim == 2 && t->sizes[0] == 4 && t->strides[0] == 1 && t->strides[1] == 4);
    CHECK(tensor_element(t, 11).as.f == 11);
    fl_release(t);
    CHECK(element(f, "part", 0) == 2 && element(f, "part", 2) == 4);
    t = fl_file_load(f, "wide");
    CHECK(t && t->numel == 100 && t->strides[0] == 0 && t->storage->bytes == 4);
    fl_release(t);
    t = fl_file_load(f, "images");
    CHECK(t && t->ndim == 4 && t->strides[1] == 1 && tensor_element(t, 1).as.f == 4);
    fl_release(t);
    t = fl_file_load(f, "nothing");
    CHECK(t && t->numel == 0 && t->ndim == 2 && t->sizes[1] == 3);
    fl_release(t);
    CHECK(element(f, "number", 0) == 3 && element(f, "ordered.a", 0) == 0);
    for (int dtype = FL_BOOL; dtype <= FL_COMPLEX128; dtype++) {
        t = fl_file_load(f, dtypes[dtype].name);
        CHECK(t && t->dtype == dtype && t->numel == 3);
        fl_release(t);
        CHECK(element(f, dtypes[dtype].name, 2) == (dtype == FL_BOOL ? 1 : 2));
    }
    CHECK(says(f, "ordered.b", "1") && says(f, "counter.a", "2") && says(f, "nested.1", "-2.5"));
    CHECK(says(f, "nested.2", "ünï") && says(f, "nested.3", "None") && says(f, "nested.4", "True"));
    CHECK(says(f, "nested.5.1.1", "00ff") && says(f, "nested.7.x.5.0", "6"));
    CHECK(says(f, "big", "0x0100000000000000000000") && says(f, "complex", "(1+2j)"));
    CHECK(says(f, "size.1", "2") && says(f, "dtype", "torch.bfloat16") && says(f, "device", "cpu"));
    CHECK(strcmp(fl_file_metadata_key(f, 0), "ordered.b") == 0 && !fl_file_metadata_key(f, 99));
    CHECK(!fl_file_metadata(f, "base") && !fl_file_load(f, "big") && fl_error() == FL_VALUE_ERROR);
    fl_file_close(f);
}

/* Values that are not those stored, and dtypes without a type of storages. */
static void check_rare(void)
{
    fl_file *f = fl_file_open("tests/data/rare.pt");
    CHECK(f);
    fl_tensor *t = fl_file_load(f, "conj");
    CHECK(t && t->dtype == FL_COMPLEX64);
    const float *z = tensor_data(t);
    CHECK(z[0] == 1 && z[1] == -2 && z[2] == 3 && z[3] == 4);
    fl_release(t);
    t = fl_file_load(f, "neg");
    CHECK(t && t->dtype == FL_FLOAT32 && t->strides[0] == 2);
    CHECK(tensor_element(t, 0).as.f == -2 && tensor_element(t, 2).as.f == 4);
    fl_release(t);
    static const char *const NAMES[] = {"uint16",         "uint32",      "uint64",
                                        "float8_e4m3fn",  "float8_e5m2", "float8_e4m3fnuz",
                                        "float8_e5m2fnuz"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        t = fl_file_load(f, NAMES[i]);
        CHECK(t && strcmp(dtypes[t->dtype].name, NAMES[i]) == 0);
        CHECK(element(f, NAMES[i], 0) == 1 && element(f, NAMES[i], 1) == 2);
        fl_release(t);
    }
    CHECK(element(f, "sparse.indices", 3) == 2 && element(f, "sparse.values", 1) == 7);
    CHECK(says(f, "sparse.layout", "torch.sparse_coo") && says(f, "sparse.size.1", "3"));
    CHECK(element(f, "csr.crow_indices", 1) == 1 && says(f, "csr.layout", "torch.sparse_csr"));
    t = fl_file_load(f, "meta");
    CHECK(t && fl_device_of(t).kind == FL_META && t->sizes[0] == 2);
    fl_release(t);
    fl_file_close(f);
}

static void test_files_of_pytorch(void)
{
    check_everything("tests/data/everything.pt");
    check_everything("tests/data/everything_old.pt");
    check_rare();
    CHECK(!fl_file_open("tests/data/module.pt") &&
          strstr(fl_error_message(), "torch.nn.modules.container.Sequential"));
    fl_file *f = fl_file_open("tests/data/run.pt");
    CHECK(f && says(f, "optimizer.param_groups.0.lr", "0.01"));
    CHECK(says(f, "optimizer.param_groups.0.eps", "1e-08"));
    CHECK(element(f, "optimizer.state.5.step", 0) == 1);
    CHECK(element(f, "model.1.num_batches_tracked", 0) == 1);
    fl_file_close(f);
}

/* ---- files of one's own ---- */

static void test_round_trips(void)
{
    int64_t sizes[] = {2, 3}, turned[] = {1, 2};
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++) {
        fl_tensor *t = tensor_new_strided(2, sizes, turned, dtype);
        CHECK(t);
        memset(tensor_data(t), 0, 6 * dtype_size(dtype));
        *((char *)tensor_data(t) + 5 * dtype_size(dtype)) = 1;
        CHECK(fl_file_save(PATH, 1, (const char *[]){"ü \"x\""}, &t) == 0);
        fl_file *f = fl_file_open(PATH);
        CHECK(f && strcmp(fl_file_name(f, 0), "ü \"x\"") == 0);
        fl_tensor *again = fl_file_load(f, fl_file_name(f, 0));
        CHECK(again && again->dtype == dtype && shape_equal(again, t) && again->strides[1] == 2);
        CHECK(memcmp(tensor_data(again), tensor_data(t), 6 * dtype_size(dtype)) == 0);
        fl_release(again);
        fl_release(t);
        fl_file_close(f);
    }
    CHECK(fl_file_save(PATH, 0, NULL, NULL) == 0);
    fl_file *f = fl_file_open(PATH);
    CHECK(f && fl_file_count(f) == 0 && !fl_file_name(f, 0));
    fl_file_close(f);
    fl_tensor *t = fl_scalar(1, FL_FLOAT32);
    static const char *const LINK = "pt_link_test.pth";
    struct stat about;
    CHECK(chmod(PATH, 0640) == 0 && symlink(PATH, LINK) == 0);
    CHECK(fl_file_save(LINK, 1, (const char *[]){"a"}, &t) == 0);
    CHECK(lstat(LINK, &about) == 0 && S_ISLNK(about.st_mode) && unlink(LINK) == 0);
    CHECK(stat(PATH, &about) == 0 && (about.st_mode & 0777) == 0640);
    CHECK(fl_file_save("nowhere/x.pt", 1, (const char *[]){"a"}, &t) == -1 &&
          fl_error() == FL_FILE_NOT_FOUND);
    CHECK(symlink("/dev/full", LINK) == 0);
    CHECK(fl_file_save(LINK, 1, (const char *[]){"a"}, &t) == -1 && fl_error() == FL_IO_ERROR);
    CHECK(unlink(LINK) == 0);
    CHECK(fl_file_save(PATH, 2, (const char *[]){"a", "a"}, (fl_tensor *[]){t, t}) == -1);
    CHECK(fl_file_save(PATH, 1, (const char *[]){"\xff"}, &t) == -1);
    fl_release(t);
}

/* The storages behind two tensors of the file at PATH are one. */
static void check_shared(const char *a, const char *b, bool shared)
{
    static char bytes[1 << 16];
    FILE *file = fopen(PATH, "rb");
    CHECK(file);
    struct zip_source source = {
        .file = -1, .bytes = bytes, .size = fread(bytes, 1, sizeof bytes, file)};
    struct zip_index zip;
    struct pt_index index;
    fclose(file);
    CHECK(zip_open(&source, &zip) == 0 && pt_open(&source, &zip, &index) == 0);
    const struct pt_leaf *x = pt_find(&index.tensors, a), *y = pt_find(&index.tensors, b);
    CHECK(x && y && (x->tensor->storage->place == y->tensor->storage->place) == shared);
    pt_release(&index);
    zip_release(&zip);
}

static void test_modules(void)
{
    fl_manual_seed(0);
    fl_module *net = fl_sequential_new(), *other = fl_sequential_new();
    CHECK(fl_module_append(net, fl_linear_new(3, 2, true)) == 0);
    CHECK(fl_module_append(net, fl_batch_norm2d_new(2, 1e-5, 0.1)) == 0);
    CHECK(fl_module_append(other, fl_linear_new(3, 2, true)) == 0);
    CHECK(fl_module_append(other, fl_batch_norm2d_new(2, 1e-5, 0.1)) == 0);
    CHECK(fl_module_save(net, PATH) == 0 && fl_module_load(other, PATH) == 0);
    bool same = false;
    CHECK(fl_equal(fl_module_get(net, "0.weight"), fl_module_get(other, "0.weight"), &same) == 0);
    CHECK(same);
    fl_module *wrong = fl_linear_new(3, 2, true);
    CHECK(fl_module_load(wrong, PATH) == -1 && strstr(fl_error_message(), "Missing key(s)"));
    CHECK(fl_module_load(net, "tests/data/run.pt") == -1 &&
          strstr(fl_error_message(), "Unexpected key(s) in state_dict: \"model.0.weight\""));
    fl_tensor *w = fl_module_get(net, "0.weight"), *b = fl_module_get(net, "0.bias");
    CHECK(fl_file_save(PATH, 3, (const char *[]){"x", "y", "z"}, (fl_tensor *[]){w, b, w}) == 0);
    check_shared("x", "z", true);
    check_shared("x", "y", false);
    fl_module_release(wrong);
    fl_module_release(net);
    fl_module_release(other);
}

/* The state_dict() of the Adam in tests/data/adam.pt goes on where PyTorch's did; SGD's, too. */
static void test_optimizers(void)
{
    static const struct {
        const char *name, *path;
        float start, want; /* as PyTorch's step leaves it */
    } RUNS[] = {{"Adam", "tests/data/adam.pt", 1.75037265f, 1.62639666f},
                {"SGD", "tests/data/sgd.pt", 0.875f, 0.34375f}};
    for (int i = 0; i < 2; i++) {
        fl_tensor *p = fl_from_data(&RUNS[i].start, FL_INTS_OF(1), FL_FLOAT32);
        CHECK(p);
        fl_set_requires_grad(p, true);
        fl_optimizer *o = fl_optimizer_new(RUNS[i].name, (fl_tensors){&p, 1});
        CHECK(o && fl_optimizer_load(o, RUNS[i].path) == 0);
        CHECK(fl_optimizer_get(o, 0, "lr") == 0.125);
        CHECK(i == 1 || fl_optimizer_get(o, 0, "beta1") == 0.75);
        fl_scope_begin();
        CHECK(fl_backward(fl_sum(fl_mul(p, p), FL_NO_DTYPE)) == 0);
        fl_scope_end();
        CHECK(fl_optimizer_step(o) == 0);
        float got = (float)fl_item(p);
        CHECK(got > RUNS[i].want - 1e-6f && got < RUNS[i].want + 1e-6f);
        fl_optimizer_release(o);
        fl_release(p);
    }
}

/* ---- hostile files ---- */

/* An archive with that pickle and one storage of 8 bytes, to `to`; its size. */
static size_t make_archive(char *to, const void *pickle, size_t bytes)
{
    struct zip_item items[] = {{"a/data.pkl", pickle, bytes},
                               {"a/byteorder", "little", 6},
                               {"a/data/0", "\0\0\x80\x3f\0\0\0\x40", 8}};
    size_t size, used = 0;
    uint64_t begin[4];
    char *headers = zip_headers(3, items, &size, begin);
    CHECK(headers);
    for (int i = 0; i <= 3; i++) {
        size_t end = i < 3 ? begin[i + 1] : size;
        memcpy(to + used, headers + begin[i], end - begin[i]);
        used += end - begin[i];
        if (i < 3) {
            memcpy(to + used, items[i].data, items[i].bytes);
            used += items[i].bytes;
        }
    }
    memory_free(headers, size);
    return used;
}

/* Opens a file of these bytes and reads all tensors in it: how many values it has, or -1 with the
 * error set. */
static int64_t try_file(const char *bytes, size_t size)
{
    char *exact = malloc(size); /* so that a sanitizer sees a read beyond the end */
    memcpy(exact, bytes, size);
    struct zip_source source = {.file = -1, .bytes = exact, .size = size};
    struct zip_index zip = {0};
    struct pt_index index;
    bool archive = zip_begins(exact, size);
    int64_t found = -1;
    if ((!archive || zip_open(&source, &zip) == 0) &&
        pt_open(&source, archive ? &zip : NULL, &index) == 0) {
        found = index.tensors.count + index.texts.count;
        for (int64_t i = 0; i < index.tensors.count; i++) {
            fl_tensor *t = pt_read(&source, &index, index.tensors.items[i].tensor);
            found = t ? found : -1;
            fl_release(t);
        }
        pt_release(&index);
    } else {
        CHECK(fl_error() != FL_OK && fl_error_message()[0]);
    }
    zip_release(&zip);
    free(exact);
    return found;
}

static int64_t try_pickle(const void *pickle, size_t bytes)
{
    size_t room = bytes + 2048;
    char *file = malloc(room);
    int64_t found = try_file(file, make_archive(file, pickle, bytes));
    free(file);
    return found;
}

#define STORAGE                                                                                    \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                             \
    "0X\3\0\0\0cpuK\2tQ"
#define TENSOR(rest) "\x80\2ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE rest
#define TRY(literal) try_pickle(literal, sizeof literal - 1)

static void test_pickles(void)
{
    CHECK(TRY("\x80\2N.") == 1 && TRY("\x80\2].") == 0 && TRY("]K\1aI01\na.") == 2);
    CHECK(TRY("\x80\2](I01\nI00\nI-7\nL8L\nF1.5\nM\1\2J\xff\xff\xff\xff\x8a\0e.") == 8);
    CHECK(TRY("\x80\4\x95\1\0\0\0\0\0\0\0}\x94(\x8c\1a\x94K\1\x8c\1b\x94h\2u.") == 2);
    CHECK(TRY("(K\1K\2t.") == 2 && TRY("(K\1K\2d.") == 1 && TRY("(K\1K\2l.") == 2);
    CHECK(TRY("\x8f(K\1K\2\x90.") == 2 && TRY("K\1K\2K\3\x87"
                                              "2\x86.") == 6);
    CHECK(TRY("]p1\nK\1a0g1\n.") == 1 && TRY("(K\1"
                                             "1N.") == 1);
    CHECK(TRY("ccollections\nOrderedDict\n]K\1K\2\x86"
              "a\x85R.") == 1);
    CHECK(TRY("ccollections\nOrderedDict\n)R}K\1K\2sb.") == 0);
    CHECK(TRY(TENSOR("K\0K\1\x85K\1\x85\x89NtR.")) == 1);
    CHECK(TRY(TENSOR("K\0(K\0K\5tK\1K\1\x86\x89NtR.")) == 1);
    CHECK(TRY(TENSOR("K\0(ttR.")) == -1 && TRY(TENSOR("K\0))\x89NtR.")) == 1);
}

static void test_tensors_stay_in_their_storage(void)
{
    CHECK(TRY(TENSOR("K\1K\1\x85K\1\x85\x89NtR.")) == 1);
    CHECK(TRY(TENSOR("K\0K\3\x85K\1\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR("K\1K\2\x85K\1\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR("J\xff\xff\xff\xffK\1\x85K\1\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR("K\0K\2\x85K\2\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR("K\0K\2\x85J\xff\xff\xff\xff\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR(
              "K\0\x8a\10\0\0\0\0\0\0\0\x40\x8a\10\0\0\0\0\0\0\0\x40\x86K\0K\0\x86\x89NtR.")) ==
          -1);
    CHECK(TRY(TENSOR("K\0\x8a\10\0\0\0\0\0\0\0\x40\x85\x8a\10\0\0\0\0\0\0\0\x40\x85\x89NtR.")) ==
          -1);
    CHECK(TRY(TENSOR("\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fK\1\x85K\1\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR("K\0X\1\0\0\0a\x85K\1\x85\x89NtR.")) == -1);
    CHECK(TRY(TENSOR("K\0K\1\x85K\1\x85\x89N}X\4\0\0\0conj\x88stR.")) == -1); /* of floats */
    CHECK(TRY(TENSOR("K\0K\1\x85K\1\x85\x89N}X\3\0\0\0neg\x88stR.")) == 1);
    CHECK(TRY(TENSOR("K\0K\1\x85K\1\x85\x89N}X\3\0\0\0odd\x88stR.")) == -1);
    char many[1024] = TENSOR("K\0("), *at = many + sizeof TENSOR("K\0(") - 1;
    for (int i = 0; i < 2; i++) { /* 65 sizes and strides */
        for (int d = 0; d < 65; d++, at += 2)
            memcpy(at, "K\1", 2);
        memcpy(at, i ? "t\x89NtR." : "t(", 2 + 4 * (size_t)i);
        at += i ? 6 : 2;
    }
    CHECK(try_pickle(many, (size_t)(at - many)) == -1 && strstr(fl_error_message(), "64 dims"));
}

static void test_damaged_pickles(void)
{
    CHECK(TRY("") == -1 && TRY("\x80\2") == -1 && TRY("\x80\2.") == -1 && TRY("\x80\7N.") == -1);
    CHECK(TRY("\x80\2h\7.") == -1 && TRY("K\1t.") == -1 && TRY("K\1(.") == -1);
    CHECK(TRY("X\xff\xff\xff\xff.") == -1 && TRY("T\xff\xff\xff\xff.") == -1);
    CHECK(TRY("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.") == -1 && TRY("\x8a\xff\1.") == -1);
    CHECK(TRY("}]K\1s.") == -1 && TRY("}(K\1u.") == -1 && TRY("K\1K\2a.") == -1);
    CHECK(TRY("(0.") == -1 && TRY("0.") == -1 && TRY("1.") == -1 && TRY("(K\1\x86.") == -1);
    CHECK(TRY("Nr\xff\xff\xff\xff.") == -1 && TRY("Np99999999999999999999\n.") == -1);
    CHECK(TRY("I\n.") == -1 && TRY("Fx\n.") == -1 && TRY("L99999999999999999999L\n.") == -1);
    CHECK(TRY("X\1\0\0\0\xff.") == -1 && TRY("X\1\0\0\0\0.") == -1 && TRY("U\1\xff.") == 1);
    CHECK(TRY("K\1Q.") == -1 && TRY("K\1K\2R.") == -1 && TRY("K\1}b.") == -1);
    CHECK(TRY("ctorch\nTensor\n)R.") == -1 && TRY("ctorch\nSize\nK\1\x85R.") == -1);
    CHECK(TRY("cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.") == -1);
    CHECK(TRY("}(NK\1NK\2u.") == -1 &&
          strstr(fl_error_message(), "two values have the name 'None'"));
    CHECK(TRY("}(X\3\0\0\0a.bK\1X\1\0\0\0a}X\1\0\0\0bK\2su.") == -1); /* both are a.b */
    CHECK(TRY("}(K\1K\2X\1\0\0\0"
              "1K\2u.") == -1 &&
          TRY("}K\1\x85K\1s.") == -1);
}

static void test_hostile_pickles(void)
{
    static const char *const NAMES[] = {"os\nsystem\n",
                                        "posix\nsystem\n",
                                        "builtins\neval\n",
                                        "builtins\ngetattr\n",
                                        "builtins\n__import__\n",
                                        "subprocess\nPopen\n",
                                        "torch\nload\n",
                                        "torch\nos.system\n",
                                        "torch.hub\nload\n",
                                        "collections\nnamedtuple\n",
                                        "_codecs\nlookup\n",
                                        "torch.nn.modules.linear\nLinear\n",
                                        "torch\ncomplex32\n",
                                        "torch\nQInt8Storage\n",
                                        "torch.storage\n_load_from_bytes\n"};
    char pickle[256];
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        int bytes = snprintf(pickle, sizeof pickle, "c%s(U\7true >xtR.", NAMES[i]);
        CHECK(try_pickle(pickle, (size_t)bytes) == -1);
        CHECK(strstr(fl_error_message(), "Weights only load failed: the file names "));
    }
    /* A list that holds itself; lists that hold a list twice, sixty levels of them; a thousand
     * tuples in tuples; a hundred thousand marks; a set copied a thousand times. */
    CHECK(TRY("]q\0h\0a.") == -1 && strstr(fl_error_message(), "without end"));
    static char long_one[400000];
    size_t used = (size_t)snprintf(long_one, 8, "]");
    for (int i = 0; i < 60; i++)
        used += (size_t)snprintf(long_one + used, 16, "p0\n0](g0\ng0\ne");
    long_one[used++] = '.';
    CHECK(try_pickle(long_one, used) == -1 && strstr(fl_error_message(), "too many"));
    memset(long_one, 0x85, 1000);
    long_one[0] = 'N', long_one[1000] = '.';
    CHECK(try_pickle(long_one, 1001) == -1);
    memset(long_one, '(', 100000);
    CHECK(try_pickle(long_one, 100000) == -1);
    used = (size_t)snprintf(long_one, 4, "](");
    for (int i = 0; i < 50000; i++, used += 2)
        memcpy(long_one + used, "K\1", 2);
    used += (size_t)snprintf(long_one + used, 8, "ep0\n");
    for (int i = 0; i < 1000; i++)
        used += (size_t)snprintf(long_one + used, 32, "cbuiltins\nset\ng0\n\x85R0");
    long_one[used++] = '.';
    CHECK(try_pickle(long_one, used) == -1 && strstr(fl_error_message(), "copy more"));
}

static void test_archives(void)
{
    static const char PICKLE[] = TENSOR("K\0K\1\x85K\1\x85\x89NtR.");
    char file[2048], changed[2048];
    size_t size = make_archive(file, PICKLE, sizeof PICKLE - 1);
    memcpy(changed, file, size);
    char *order = changed + size;
    while (memcmp(--order, "little", 6) != 0) /* its entry's bytes stand before no other "little" */
        ;
    memcpy(order, "middle", 6);
    CHECK(try_file(changed, size) == -1 && strstr(fl_error_message(), "endianness"));
    for (size_t cut = 0; cut < size; cut++)
        CHECK(try_file(file, cut ? cut : 1) == -1);
    FILE *out = fopen(PATH, "wb"); /* from a file, through the window */
    CHECK(out && fwrite(file, 1, size, out) == size && fclose(out) == 0);
    fl_file *f = fl_file_open(PATH);
    CHECK(f && fl_file_count(f) == 1 && strcmp(fl_file_name(f, 0), "") == 0);
    CHECK(element(f, "", 0) == 1);
    fl_file_close(f);
    unlink(PATH);
}

/* Each allocation in turn fails once, while a file is read and while one is written. */
static void test_out_of_memory(void)
{
    static char bytes[1 << 14];
    int64_t found = -1, sizes = 3;
    for (int k = 0; k < 2; k++) {
        FILE *file = fopen(k ? "tests/data/everything_old.pt" : "tests/data/rare.pt", "rb");
        size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
        CHECK(size && fclose(file) == 0);
        found = -1;
        for (int64_t n = 0; found < 0; n++) {
            memory_fail_nth(n);
            found = try_file(bytes, size);
            memory_fail_nth(-1);
            CHECK(found >= 0 || fl_error() == FL_OUT_OF_MEMORY);
        }
    }
    fl_tensor *t = fl_zeros((fl_ints){&sizes, 1}, FL_FLOAT32, (fl_device){-1, 0}, false);
    CHECK(t);
    for (int64_t n = 0, status = -1; status != 0; n++) {
        memory_fail_nth(n);
        status = fl_file_save(PATH, 2, (const char *[]){"a", "b"}, (fl_tensor *[]){t, t});
        memory_fail_nth(-1);
        CHECK(status == 0 || fl_error() == FL_OUT_OF_MEMORY);
    }
    fl_release(t);
    unlink(PATH);
}

/* ---- the fuzzer ---- */

static size_t read_file(const char *path, char *to, size_t room)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t size = fread(to, 1, room, file);
    fclose(file);
    return size;
}

static void change(char *bytes, size_t size)
{
    static const char CODES[] =
        "().}]tRQbNKXhqceasuJ\x85\x86\x87\x88\x8a\x90\x93\x94\0\xff\x7f\x80";
    for (int changes = 1 + (int)random_below(4); changes > 0; changes--) {
        char *at = bytes + random_below((int64_t)size);
        *at = random_below(2) ? CODES[random_below(sizeof CODES - 1)] : (char)random_below(256);
    }
}

static long fuzz(long files)
{
    static const char *const PATHS[] = {"tests/data/everything_old.pt", "tests/data/everything.pt",
                                        "tests/data/rare.pt", "tests/data/run.pt"};
    static char sound[4][1 << 14], bytes[1 << 15], pickle[1 << 14];
    size_t sizes[4], begins[4], lengths[4];
    long accepted = 0;
    for (int k = 0; k < 4; k++) {
        sizes[k] = read_file(PATHS[k], sound[k], sizeof sound[k]);
        struct zip_source source = {.file = -1, .bytes = sound[k], .size = sizes[k]};
        struct zip_index zip;
        if (k == 0)
            continue;
        CHECK(zip_open(&source, &zip) == 0);
        begins[k] = (size_t)zip.entries[0].place;
        lengths[k] = (size_t)zip.entries[0].size;
        zip_release(&zip);
    }
    for (long i = 0; i < files; i++) {
        int k = (int)random_below(4);
        size_t size = sizes[k];
        memcpy(bytes, sound[k], size);
        if (k > 0 &&
            random_below(8)) { /* the pickle alone, whose length may change, in the archive */
            size_t length = lengths[k], at = (size_t)random_below((int64_t)length);
            memcpy(pickle, sound[k] + begins[k], length);
            size_t gone =
                random_below(3)
                    ? 0
                    : (size_t)random_below((int64_t)(length - at < 16 ? length - at : 16));
            memmove(pickle + at, pickle + at + gone, length - at - gone);
            change(pickle, length - gone);
            memcpy(bytes + begins[k], pickle, length - gone);
        } else {
            change(bytes, size);
            if (random_below(8) == 0)
                size = 1 + (size_t)random_below((int64_t)size);
        }
        accepted += try_file(bytes, size) >= 0;
    }
    return accepted;
}

int main(int argc, char **argv)
{
    long files = argc > 1 ? atol(argv[1]) : 4000;
    test_files_of_pytorch();
    test_round_trips();
    test_modules();
    test_optimizers();
    test_pickles();
    test_tensors_stay_in_their_storage();
    test_damaged_pickles();
    test_hostile_pickles();
    test_archives();
    test_out_of_memory();
    long accepted = fuzz(files);
    printf("pt: ok, %ld mutated files, %ld of them read\n", files, accepted);
    return 0;
}
