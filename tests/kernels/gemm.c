/* Matrix products against three plain loops, over sizes, strides, batches, biases and dtypes. */
#include "ops/matmul/gemm.h"
#include "core/threads.h"
#include "kernels.h"

struct operand {
    char *base, *data;
    int64_t row, col, batch, count;
};

/* A rows x cols operand whose storage has row pitch `pad` beyond need; transposed when asked;
 * `batch` copies, or one that is repeated. */
static struct operand make_operand(fl_dtype dtype, int64_t rows, int64_t cols, bool transposed,
                                   int64_t gap, int64_t batch, bool repeated)
{
    struct operand o;
    int64_t inner = transposed ? rows : cols, outer = transposed ? cols : rows;
    int64_t spread = gap == 2 ? 2 : 1, pitch = inner * spread + gap;
    o.row = transposed ? spread : pitch;
    o.col = transposed ? pitch : spread;
    o.batch = repeated ? 0 : outer * pitch;
    int64_t count = inner && outer ? (outer - 1) * pitch + (inner - 1) * spread + 1 : 0;
    o.count = repeated || !count ? count : (batch - 1) * o.batch + count;
    o.base = o.data = random_array(dtype, o.count);
    return o;
}

static double reference(const struct gemm *g, const struct operand *a, const struct operand *b,
                        int64_t batch, int64_t i, int64_t j, double *size)
{
    double sum = 0;
    *size = 1;
    for (int64_t k = 0; k < g->k; k++) {
        double x = element_get(a->data, g->dtype, batch * a->batch + i * a->row + k * a->col);
        double y = element_get(b->data, g->dtype, batch * b->batch + k * b->row + j * b->col);
        sum += x * y;
        *size += fabs(x * y);
    }
    return sum;
}

static void check_case(struct gemm g, int a_kind, int b_kind, int c_kind, int64_t batch,
                       int repeated)
{
    struct operand a =
        make_operand(g.dtype, g.m, g.k, a_kind & 1, a_kind >> 1, batch, repeated & 1);
    struct operand b =
        make_operand(g.dtype, g.k, g.n, b_kind & 1, b_kind >> 1, batch, repeated & 2);
    struct operand c = make_operand(g.dtype, g.m, g.n, c_kind & 1, c_kind >> 1, batch, false);
    void *before = malloc((size_t)c.count * dtype_size(g.dtype) + 1);
    memcpy(before, c.data, (size_t)c.count * dtype_size(g.dtype));
    void *bias = random_array(g.dtype, g.bias_kind == GEMM_BIAS_N ? g.n : g.m);
    g.a = a.data, g.a_row = a.row, g.a_col = a.col;
    g.b = b.data, g.b_row = b.row, g.b_col = b.col;
    g.c = c.data, g.c_row = c.row, g.c_col = c.col;
    g.bias = g.bias_kind ? bias : NULL;
    if (batch > 1) {
        g.batch_dims = 1;
        g.batch_sizes = &batch;
        g.batch_a = &a.batch, g.batch_b = &b.batch, g.batch_c = &c.batch;
    }
    int status = gemm_run(&g);
    double worst = 0;
    for (int64_t z = 0; z < batch && status == 0; z++)
        for (int64_t i = 0; i < g.m; i++)
            for (int64_t j = 0; j < g.n; j++) {
                int64_t at = z * c.batch + i * c.row + j * c.col;
                double size, want = reference(&g, &a, &b, z, i, j, &size);
                if (g.accumulate)
                    want += element_get(before, g.dtype, at);
                if (g.bias_kind)
                    want += element_get(bias, g.dtype, g.bias_kind == GEMM_BIAS_N ? j : i);
                if (g.activation == GEMM_RELU && want < 0)
                    want = 0;
                double got = element_get(c.data, g.dtype, at), error;
                if (dtype_is_integer(g.dtype)) {
                    uint64_t wrapped = 0;
                    element_set(&wrapped, g.dtype, 0, want);
                    error = got == element_get(&wrapped, g.dtype, 0) ? 0 : INFINITY;
                } else {
                    error = fabs(got - want) / (size * dtype_epsilon(g.dtype) * 4);
                }
                if (!(error <= worst))
                    worst = error;
            }
    if (status != 0 || !(worst <= 1)) {
        failures++;
        printf("gemm dtype %d m %d n %d k %d a %d b %d c %d batch %d/%d accumulate %d bias %d relu "
               "%d: "
               "status %d error %g\n",
               (int)g.dtype, (int)g.m, (int)g.n, (int)g.k, a_kind, b_kind, c_kind, (int)batch,
               repeated, g.accumulate, (int)g.bias_kind, (int)g.activation, status, worst);
    }
    free(a.base), free(b.base), free(c.base), free(before), free(bias);
}

static int64_t some_size(void)
{
    static const int64_t sizes[] = {1,  2,  3,  4,  5,  7,  8,  10, 13, 14, 15,
                                    16, 17, 28, 31, 32, 33, 48, 63, 64, 65, 100};
    return sizes[random_below((int64_t)(sizeof sizes / sizeof *sizes))];
}

static void check_dot(void)
{
    for (int64_t n = 0; n < 300; n = n < 140 ? n + 1 : n + 53)
        for (fl_dtype dtype = FL_FLOAT32; dtype <= FL_FLOAT64; dtype++) {
            void *a = random_array(dtype, n + 1), *b = random_array(dtype, n + 1);
            double want = 0, size = 1e-30;
            for (int64_t i = 0; i < n; i++) {
                double product = element_get(a, dtype, i) * element_get(b, dtype, i);
                want += product, size += fabs(product);
            }
            double error = fabs(gemm_dot(dtype, a, b, n) - want) / size;
            if (!(error <= 2 * dtype_epsilon(dtype))) {
                failures++;
                printf("dot dtype %d n %d: error %g\n", (int)dtype, (int)n, error);
            }
            free(a), free(b);
        }
}

void test_gemm(void)
{
    static const fl_dtype dtypes[] = {FL_FLOAT32, FL_FLOAT64, FL_BFLOAT16, FL_FLOAT16, FL_INT64,
                                      FL_INT32,   FL_INT16,   FL_INT8,     FL_UINT8};
    for (int round = 0; round < 1500; round++) {
        struct gemm g = {.dtype = round % 2 ? dtypes[random_below(9)] : dtypes[random_below(2)],
                         .m = some_size(),
                         .n = random_below(30) ? some_size() : 900 + random_below(300),
                         .k = random_below(8)   ? some_size()
                              : random_below(2) ? 0
                                                : 500 + random_below(300)};
        g.accumulate = random_below(3) == 0;
        if (!dtype_is_integer(g.dtype)) {
            g.bias_kind = (enum gemm_bias)random_below(3);
            g.activation = (enum gemm_activation)random_below(2);
        }
        check_case(g, (int)random_below(6), (int)random_below(6), (int)random_below(6),
                   random_below(3) ? 1 : 1 + random_below(5), (int)random_below(4));
    }
    /* A few rows by many columns, which are not packed. */
    for (int round = 0; round < 80; round++) {
        struct gemm g = {.dtype = dtypes[round % 2],
                         .m = 1 + random_below(4),
                         .n = 60 + random_below(900),
                         .k = 1 + random_below(600),
                         .accumulate = random_below(3) == 0,
                         .bias_kind = (enum gemm_bias)random_below(3),
                         .activation = (enum gemm_activation)random_below(2)};
        check_case(g, (int)random_below(6), (int)random_below(6), (int)random_below(6), 1, 0);
    }
    check_dot();
    /* Large enough to be cut over threads, and long enough for several stretches of k. */
    for (int kind = 0; kind < 8; kind++) {
        struct gemm g = {.dtype = kind & 1 ? FL_FLOAT64 : FL_FLOAT32, .m = 150, .n = 601, .k = 530};
        g.bias_kind = GEMM_BIAS_N;
        check_case(g, kind >> 1 & 1, kind >> 2 & 1, 0, 1, 0);
    }
}

struct gemm_times {
    struct gemm g;
};

static void run_gemm(void *context)
{
    gemm_run(context);
}

static void bench_one(const char *what, int64_t m, int64_t n, int64_t k, bool a_t, bool b_t,
                      bool bias)
{
    struct gemm g = {.dtype = FL_FLOAT32, .m = m, .n = n, .k = k};
    void *a = random_array(g.dtype, m * k), *b = random_array(g.dtype, k * n),
         *c = random_array(g.dtype, m * n);
    g.a = a, g.a_row = a_t ? 1 : k, g.a_col = a_t ? m : 1;
    g.b = b, g.b_row = b_t ? 1 : n, g.b_col = b_t ? k : 1;
    g.c = c, g.c_row = n, g.c_col = 1;
    void *bias_data = random_array(g.dtype, n);
    if (bias)
        g.bias = bias_data, g.bias_kind = GEMM_BIAS_N;
    double t = best_time(run_gemm, &g, 0.3);
    printf("gemm %d thread(s) %s %dx%dx%d: %.3f us, %.1f GFLOP/s\n", threads_count(), what, (int)m,
           (int)n, (int)k, t * 1e6, 2e-9 * (double)m * (double)n * (double)k / t);
    free(a), free(b), free(c), free(bias_data);
}

void bench_gemm(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        threads_set_count(threads);
        for (int n = 32; n <= 2048; n *= 2)
            bench_one("mm", n, n, n, false, false, false);
        static const int mlp[][3] = {
            {4, 8, 8},       {32, 32, 8},    {32, 32, 32},   {32, 2, 32},   {128, 256, 64},
            {128, 128, 256}, {128, 10, 128}, {64, 120, 400}, {64, 84, 120}, {64, 10, 84}};
        for (size_t i = 0; i < sizeof mlp / sizeof *mlp; i++) {
            int m = mlp[i][0], n = mlp[i][1], k = mlp[i][2];
            bench_one("linear", m, n, k, false, true, true);
            bench_one("grad input", m, k, n, false, false, false);
            bench_one("grad weight", n, k, m, true, false, false);
        }
    }
}
