/* The strided iterator and copies, against element by element, over random shapes, strides, dtypes
 * and sizes. */
#include "check.h"

#include "core/iterate.h"
#include "core/memory.h"
#include "core/threads.h"

static uint32_t random_state = 1;

static int pick(int n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int)((random_state >> 8) % (uint32_t)n);
}

/* ---- Loops ---------------------------------------------------------------------------------- */

/* A step in a, or b, of 0 makes the loop of one element beside a row. */
#define ADD_BY(name, type, by_a, by_b)                                                             \
    static void name(int64_t n, char *const *data, const union loop_scalar *scalars)               \
    {                                                                                              \
        type *r = (type *)data[0];                                                                 \
        const type *a = (const type *)data[1], *b = (const type *)data[2];                         \
        for (int64_t i = 0; i < n; i++)                                                            \
            r[i] = (type)(a[by_a * i] + b[by_b * i] + (type)scalars[0].i);                         \
    }
#define ADD(name, type)                                                                            \
    ADD_BY(name, type, 1, 1)                                                                       \
    ADD_BY(name##_a, type, 0, 1)                                                                   \
    ADD_BY(name##_b, type, 1, 0)

ADD(add_f32, float)
ADD(add_f64, double)
ADD(add_i32, int32_t)
ADD(add_i64, int64_t)
enum { REAL_TYPES = 4 }; /* of the compute types; complex ones have tests of their own */
static const loop_fn ADDS[REAL_TYPES] = {add_f32, add_f64, add_i32, add_i64};
static const loop_fn LEVELS[REAL_TYPES][2] = {
    {add_f32_a, add_f32_b}, {add_f64_a, add_f64_b}, {add_i32_a, add_i32_b}, {add_i64_a, add_i64_b}};

static void less_f64(int64_t n, char *const *data, const union loop_scalar *scalars)
{
    (void)scalars;
    for (int64_t i = 0; i < n; i++)
        data[0][i] = ((const double *)data[1])[i] < ((const double *)data[2])[i];
}

/* ---- Tensors of every kind ------------------------------------------------------------------ */

static const int DTYPES[] = {FL_BOOL,  FL_UINT8,   FL_INT8,     FL_INT16,   FL_INT32,
                             FL_INT64, FL_FLOAT16, FL_BFLOAT16, FL_FLOAT32, FL_FLOAT64};
enum { DTYPES_COUNT = 10, MAX_DIMS = 5 };

/* A tensor of these sizes whose dims lie in memory in a random order, with gaps now and then. */
static fl_tensor *make(int ndim, const int64_t *sizes, int dtype)
{
    int order[MAX_DIMS];
    int64_t strides[MAX_DIMS], stride = 1;
    for (int i = 0; i < ndim; i++)
        order[i] = i;
    bool shuffled = pick(2);
    for (int i = ndim - 1; i > 0 && shuffled; i--) {
        int j = pick(i + 1), saved = order[i];
        order[i] = order[j];
        order[j] = saved;
    }
    for (int i = ndim - 1; i >= 0; i--) {
        if (pick(6) == 0)
            stride *= 2;
        strides[order[i]] = stride;
        stride *= sizes[order[i]] + (pick(5) == 0);
    }
    fl_tensor *t = tensor_new_strided(ndim, sizes, strides, dtype);
    REQUIRE(t != NULL);
    for (size_t i = 0; i < t->storage->bytes / dtype_size(dtype); i++) {
        double x = dtype == FL_BOOL ? pick(2) : dtype == FL_UINT8 ? pick(100) : pick(100) - 50;
        convert_elements(1, (char *)tensor_data(t) + i * dtype_size(dtype), dtype, 0, &x,
                         FL_FLOAT64, 0);
    }
    return t;
}

/* The same, but some dims are 1 or missing. */
static fl_tensor *make_broadcast(int ndim, const int64_t *sizes, int dtype)
{
    int64_t own[MAX_DIMS];
    int missing = pick(4) == 0 && ndim ? pick(ndim) : 0;
    for (int i = missing; i < ndim; i++)
        own[i - missing] = pick(4) ? sizes[i] : 1;
    return make(ndim - missing, own, dtype);
}

static double at(const fl_tensor *t, int ndim, const int64_t *index)
{
    int64_t offset = 0;
    int missing = ndim - t->ndim;
    for (int i = 0; i < t->ndim; i++)
        offset += t->sizes[i] == 1 ? 0 : index[missing + i] * t->strides[i];
    fl_value v = tensor_element(t, offset);
    return v.tag == FL_FLOATING ? v.as.f : (double)v.as.i;
}

static struct iterate_operand operand(const fl_tensor *t, enum compute compute)
{
    return (struct iterate_operand){tensor_data(t), t->sizes, t->strides,
                                    t->ndim,        t->dtype, compute};
}

static int random_sizes(int64_t *sizes)
{
    static const int64_t SIZES[] = {1, 2, 3, 5, 7, 8, 16, 31, 64, 130, 300, 700};
    int ndim = pick(MAX_DIMS + 1);
    int64_t numel = 1;
    for (int i = 0; i < ndim; i++) {
        do
            sizes[i] = SIZES[pick(12)];
        while (numel * sizes[i] > 100000);
        numel *= sizes[i];
    }
    return ndim;
}

static int64_t step(int ndim, const int64_t *sizes, int64_t *index)
{
    for (int i = ndim - 1; i >= 0; i--) {
        if (++index[i] < sizes[i])
            return 1;
        index[i] = 0;
    }
    return 0;
}

static void test_add(void)
{
    int64_t sizes[MAX_DIMS], index[MAX_DIMS] = {0};
    int ndim = random_sizes(sizes);
    enum compute compute = (enum compute)pick(REAL_TYPES);
    static const int RESULTS[REAL_TYPES][3] = {{FL_FLOAT32, FL_FLOAT32, FL_BFLOAT16},
                                               {FL_FLOAT64, FL_FLOAT64, FL_FLOAT32},
                                               {FL_INT32, FL_INT32, FL_INT16},
                                               {FL_INT64, FL_INT64, FL_INT32}};
    int result_dtype = RESULTS[compute][pick(3)];
    fl_tensor *r = make(ndim, sizes, result_dtype);
    fl_tensor *a = make_broadcast(ndim, sizes, pick(2) ? r->dtype : DTYPES[pick(DTYPES_COUNT)]);
    fl_tensor *b = make_broadcast(ndim, sizes, pick(2) ? r->dtype : DTYPES[pick(DTYPES_COUNT)]);
    struct iterate_operand operands[3] = {operand(r, compute), operand(a, compute),
                                          operand(b, compute)};
    union loop_scalar scalar = {.i = 2};
    const loop_fn some[2] = {pick(2) ? LEVELS[compute][0] : NULL,
                             pick(2) ? LEVELS[compute][1] : NULL};
    const loop_fn *level = pick(4) ? some : NULL;
    CHECK(iterate_run(ndim, sizes, 3, 1, operands, ADDS[compute], level, &scalar) == 0);
    int wrong = 0;
    do {
        double want = at(a, ndim, index) + at(b, ndim, index) + 2;
        wrong += at(r, ndim, index) != want;
    } while (step(ndim, sizes, index));
    CHECK(wrong == 0);

    fl_tensor *less = make(ndim, sizes, FL_BOOL);
    operands[0] = operand(less, COMPUTE_BOOL);
    operands[1].compute = operands[2].compute = COMPUTE_F64;
    CHECK(iterate_run(ndim, sizes, 3, 1, operands, less_f64, NULL, NULL) == 0);
    do
        wrong += at(less, ndim, index) != (at(a, ndim, index) < at(b, ndim, index));
    while (step(ndim, sizes, index));
    CHECK(wrong == 0);
    tensor_release(less);
    tensor_release(a);
    tensor_release(b);
    tensor_release(r);
}

static void test_copy(void)
{
    int64_t sizes[MAX_DIMS], index[MAX_DIMS] = {0};
    int ndim = random_sizes(sizes);
    fl_tensor *a = make(ndim, sizes, DTYPES[pick(DTYPES_COUNT)]);
    fl_tensor *r = make(ndim, sizes, pick(2) ? a->dtype : DTYPES[pick(DTYPES_COUNT)]);
    CHECK(tensor_copy(r, a) == 0);
    int wrong = 0;
    do {
        double x = at(a, ndim, index), want;
        _Alignas(16) char element[16];
        convert_elements(1, element, r->dtype, 0, &x, FL_FLOAT64, 0);
        convert_elements(1, &want, FL_FLOAT64, 0, element, r->dtype, 0);
        wrong += at(r, ndim, index) != want;
    } while (step(ndim, sizes, index));
    CHECK(wrong == 0);
    tensor_release(a);
    tensor_release(r);
}

static void test_transposed(void)
{
    static const int64_t SIDES[] = {4, 5, 8, 63, 64, 65, 200};
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 7; j++) {
            for (int size = 0; size < 5; size++) {
                static const int OF_SIZE[] = {FL_INT8, FL_INT16, FL_FLOAT32, FL_INT64,
                                              FL_COMPLEX128};
                fl_tensor *a = tensor_new(2, (int64_t[]){SIDES[i], SIDES[j]}, OF_SIZE[size]);
                unsigned char *bytes = tensor_data(a);
                for (size_t k = 0; k < a->storage->bytes; k++)
                    bytes[k] = (unsigned char)pick(256);
                fl_tensor *t = tensor_alias(a, 2, (int64_t[]){SIDES[j], SIDES[i]},
                                            (int64_t[]){1, SIDES[j]}, 0);
                fl_tensor *r = tensor_contiguous(t);
                size_t n = dtype_size(a->dtype);
                int wrong = 0;
                for (int64_t y = 0; y < SIDES[i]; y++)
                    for (int64_t x = 0; x < SIDES[j]; x++)
                        wrong += memcmp((char *)tensor_data(r) + (size_t)(x * SIDES[i] + y) * n,
                                        bytes + (size_t)(y * SIDES[j] + x) * n, n) != 0;
                CHECK(wrong == 0);
                tensor_release(r);
                tensor_release(t);
                tensor_release(a);
            }
        }
    }
}

static void test_conversion(void)
{
    double x = -1.5;
    uint8_t byte;
    convert_elements(1, &byte, FL_UINT8, 0, &x, FL_FLOAT64, 0);
    CHECK(byte == 255);
    convert_elements(1, &byte, FL_BOOL, 0, &x, FL_FLOAT64, 0);
    CHECK(byte == 1);
    x = 300.7;
    convert_elements(1, &byte, FL_UINT8, 0, &x, FL_FLOAT64, 0);
    CHECK(byte == 44);
    x = NAN;
    int64_t whole;
    convert_elements(1, &whole, FL_INT64, 0, &x, FL_FLOAT64, 0);
    CHECK(whole == INT64_MIN);
    convert_elements(1, &byte, FL_BOOL, 0, &x, FL_FLOAT64, 0);
    CHECK(byte == 1);
    double pair[2];
    x = 2.5;
    convert_elements(1, pair, FL_COMPLEX128, 0, &x, FL_FLOAT64, 0);
    CHECK(pair[0] == 2.5 && pair[1] == 0);
    convert_elements(1, &whole, FL_INT64, 0, pair, FL_COMPLEX128, 0);
    CHECK(whole == 2);

    /* Strided on both sides, longer than the buffers in between. */
    enum { COUNT = 1000 };
    static float from[3 * COUNT];
    static int16_t to[2 * COUNT];
    for (int i = 0; i < COUNT; i++)
        from[3 * i] = (float)i;
    convert_elements(COUNT, to, FL_INT16, 4, from, FL_FLOAT32, 12);
    int wrong = 0;
    for (int i = 0; i < COUNT; i++)
        wrong += to[2 * i] != i || to[2 * i + 1] != 0;
    CHECK(wrong == 0);
}

int main(void)
{
    threads_set_count(3);
    test_conversion();
    test_transposed();
    for (int i = 0; i < 1500; i++) {
        test_add();
        test_copy();
    }
    struct memory_stats s;
    memory_stats(&s);
    CHECK(s.allocated == 0);
    return check_result();
}
