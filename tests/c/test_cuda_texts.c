/* CUDA's own compiler accepts every kernel text, for each compute capability that is served: no GPU is
 * needed for that. It runs nothing; where NVRTC is not there, nothing is compiled either, unless
 * FLAMBEAU_NVRTC names it, as the part of CI that installs it does.
 */
#include "check.h"

#include "device/gpu.h"
#include "device/nvrtc.h"
#include "flambeau.h"
#include "ops/op.h"

static const struct {
    int major, minor;
} CAPABILITIES[] = {{7, 5}, {8, 0}, {9, 0}, {10, 0}};
enum { CAPABILITY_COUNT = sizeof CAPABILITIES / sizeof *CAPABILITIES };

static int capability, compiled;

/* What a device would compile, thrown away. */
static struct gpu_kernel *compile(struct gpu *g, int count, const char *const *texts,
                                  const char *name)
{
    size_t size = 0;
    char *cubin = nvrtc_compile(count, texts, CAPABILITIES[capability].major,
                                CAPABILITIES[capability].minor, &size);
    (void)g, (void)name;
    if (!CHECK(cubin && size > 0))
        fprintf(stderr, "    %s\n", fl_error_message());
    free(cubin);
    compiled++;
    return (struct gpu_kernel *)g;
}

static int launch(struct gpu *g, struct gpu_kernel *k, const struct gpu_launch *l)
{
    (void)g, (void)k, (void)l;
    return 0;
}

static struct gpu gpu = {
    .device = {.id = {FL_CUDA, 0}, .name = "cuda:0"}, .compile = compile, .launch = launch};

/* One loop of so many operands over two dims. */
static void try_loop(const char *name, const char *text, int operands, uint8_t truths, bool truth,
                     int scalars, enum compute compute)
{
    static const int64_t SIZES[2] = {3, 5}, STRIDES[2] = {1, 3};
    static const union loop_scalar SCALARS[8];
    struct iterate_operand operand[9];
    for (int k = 0; k <= operands; k++) {
        bool is_truth = compute == COMPUTE_BOOL || (k ? truths >> (k - 1) & 1 : truth);
        operand[k] = (struct iterate_operand){(void *)4096,
                                              SIZES,
                                              STRIDES,
                                              2,
                                              is_truth ? FL_BOOL : compute_dtype(compute),
                                              is_truth ? COMPUTE_BOOL : compute};
    }
    struct device_loop loop = {.name = name,
                               .text = text,
                               .ndim = 2,
                               .sizes = SIZES,
                               .operands = 1 + operands,
                               .operand = operand,
                               .scalars = scalars,
                               .scalar = SCALARS,
                               .compute = compute};
    CHECK(gpu_pointwise(&gpu.device, &loop) == 0);
}

static void try_reduction(const fl_op *f, enum compute compute)
{
    static const int64_t SIZES[2] = {70, 5}, STRIDES[2] = {5, 1};
    static const union loop_scalar SCALARS[4];
    struct device_reduction r = {
        .name = f->name,
        .text = f->gpu,
        .to = {(void *)4096, SIZES + 1, STRIDES + 1, 1, compute_dtype(compute), compute},
        .from = {(void *)4096, SIZES, STRIDES, 2, compute_dtype(compute), compute},
        .mask = 1,
        .scalars = f->reduce->scalars,
        .scalar = SCALARS,
        .compute = compute};
    CHECK(gpu_reduce(&gpu.device, &r) == 0);
}

/* Every text once, each with the next compute type and capability. */
static void try_table(void)
{
    for (int i = 0; i < ops_count; i++) {
        const fl_op *f = ops_all[i];
        capability = i % CAPABILITY_COUNT;
        if (f->function != f || f->form != FORM_FUNCTION)
            continue;
        for (int t = 0; t <= COMPUTE_BOOL && f->gpu; t++) {
            if (t == COMPUTE_C64 || t == COMPUTE_C128)
                continue;
            if (f->kind == OP_POINTWISE && f->pointwise->loop[t])
                try_loop(f->name, f->gpu, f->pointwise->operands, f->pointwise->truths,
                         f->pointwise->truth, f->pointwise->scalars, (enum compute)t);
            if (f->kind == OP_REDUCE && t < COMPUTE_C64 && f->reduce->loops[t])
                try_reduction(f, (enum compute)t);
        }
        for (int r = 0; f->grad && r < f->grad->rules; r++) {
            const struct op_grad_rule *rule = &f->grad->rule[r];
            if (rule->gpu)
                try_loop(f->name, rule->gpu, rule->operands, rule->truths, false, rule->scalars,
                         COMPUTE_F32);
        }
    }
}

static void try_kernels(void)
{
    static const struct {
        const char *text, *entry;
        bool floats; /* alone */
    } KERNELS[] = {{gpu_text_matmul, "product", false},    {gpu_text_conv, "conv2d", false},
                   {gpu_text_pool, "max_pool2d", true},    {gpu_text_norm, "softmax", true},
                   {gpu_text_index, "select_at", false},   {gpu_text_lines, "running", false},
                   {gpu_text_sort, "merge", false},        {gpu_text_optimizer, "adam_step", true},
                   {gpu_text_image, "blend", true},        {gpu_text_grid, "grid_sample", true},
                   {gpu_text_bags, "fill_bags", true},     {gpu_text_ctc, "ctc_loss", true},
                   {gpu_text_distances, "distances", true}};
    for (capability = 0; capability < CAPABILITY_COUNT; capability++)
        for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++)
            for (int integral = 0; integral < 2; integral++) {
                struct gpu_call c = {
                    .g = &gpu, .name = KERNELS[i].entry, .dtype = integral ? FL_INT32 : FL_FLOAT32};
                struct gpu_launch l = {0};
                if (integral && KERNELS[i].floats)
                    continue;
                gpu.table = gpu_table_new();
                CHECK(gpu_go(&c, KERNELS[i].text, KERNELS[i].entry, &l) == 0);
            }
}

/* What is stored as another dtype than it is computed in. */
static void try_stored(void)
{
    static const struct {
        const char *text, *entry;
        int stored, dtype;
    } KERNELS[] = {{gpu_text_index, "write_at", FL_BFLOAT16, FL_FLOAT32},
                   {gpu_text_index, "write_at", FL_BOOL, FL_INT32},
                   {gpu_text_index, "scatter_true", FL_FLOAT64, FL_INT32},
                   {gpu_text_optimizer, "adam_step", FL_FLOAT16, FL_FLOAT32}};
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) {
        struct gpu_call c = {.g = &gpu, .name = KERNELS[i].entry, .dtype = KERNELS[i].dtype};
        struct gpu_launch l = {0};
        CHECK(gpu_go_stored(&c, KERNELS[i].stored, KERNELS[i].text, KERNELS[i].entry, &l) == 0);
    }
}

/* A GPU that is newer than the compiler gets PTX, which its driver translates; one that is too old is
 * refused. */
static void try_other_capabilities(void)
{
    const char *text = "extern \"C\" __global__ void nothing() {}";
    size_t size = 0;
    char *ptx = nvrtc_compile(1, &text, 99, 0, &size);
    CHECK(ptx && size > 0 && strstr(ptx, ".entry nothing"));
    free(ptx);
    CHECK(!nvrtc_compile(1, &text, 2, 0, &size));
    CHECK(strstr(fl_error_message(), "this NVRTC knows no GPU of compute capability 2.0"));
    fl_error_clear();
}

int main(void)
{
    if (nvrtc_open()) {
        CHECK(!getenv("FLAMBEAU_NVRTC"));
        puts("skipped: NVRTC is not here");
        return check_result();
    }
    gpu.prelude = gpu_text_cuda;
    gpu.device.allocate = device_cpu.allocate, gpu.device.free = device_cpu.free;
    REQUIRE(gpu.table = gpu_table_new());
    try_kernels();
    capability = 0;
    try_stored();
    try_other_capabilities();
    try_table();
    printf("%d kernels compiled\n", compiled);
    return check_result();
}
