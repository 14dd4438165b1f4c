/* Reductions at run time: any dims, any strides, any dtype, one order of operations.
 *
 * The kept dims span the results; the reduced dims span, for each result, a "line" of elements.
 * After collapsing, one of two shapes of loop does the work, by which dim has the smallest stride:
 *
 *   across  a reduced dim: each line is read in runs of its innermost dim, each run reduced by the
 *           inner loop, whose lanes and tree are fixed, and the runs joined in order;
 *   down    a kept dim: rows of results side by side are stepped through the line, ROWS at a time
 *           into a fresh row of partial results, which is then joined: errors of float sums grow
 *           with ROWS, not with the line. Lines that are shorter than there are results go down
 *           too, whatever their stride. Where rows are short and follow each other in memory,
 *           `fold` of them, a power of two, are stepped as one, and its parts joined in halves.
 *
 * Long lines are cut into segments of SEGMENT elements; their partial results are joined pairwise.
 * All cuts depend on sizes alone, so results do not depend on the number of threads.
 */
#include "ops/reduce/reduce.h"

#include <assert.h>
#include <string.h>

#include "core/convert.h"
#include "core/error.h"
#include "core/lanes.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/place.h"
#include "ops/room.h"

enum {
    SEGMENT = 32768, /* elements of a line reduced in one go */
    STAGE = 2048,    /* elements converted at a time */
    STAGED = 16384,  /* bytes of rows converted at a time */
    ROWS = 64,       /* steps of a column before a join */
    COLUMNS = 512,   /* results side by side */
    TASK = 32768,    /* elements a task of the pool should have */
    FEW_TASKS = 8,
    SHORT_LINE = 16, /* elements of a line that go down against its stride */
    FOLDED = 256     /* results side by side, folds included */
};

struct dim {
    int64_t size, stride; /* in elements */
};

struct job {
    const struct reduce_loops *loops;
    const union loop_scalar *scalars;
    const char *data;
    int dtype; /* of the input */
    enum compute compute;
    size_t in, acc; /* bytes of an element and of an accumulator */
    bool native;    /* elements are of the compute type */
    int64_t results, line;
    int64_t runs, run; /* line = runs * run: run is the innermost dropped dim */
    int64_t segments, segment_runs,
        segment_run;  /* how a line is cut: whole runs, or parts of the one run */
    char *out;        /* results accumulators of segment s at out + s * results * acc */
    int64_t per_task; /* results a task does */
    int64_t columns;  /* down: results side by side: the innermost kept dim, or 1 */
    int64_t fold;     /* down: rows stepped as one */
    int kept, reduced;
    struct dim keep[TENSOR_MAX_DIMS], drop[TENSOR_MAX_DIMS]; /* outermost first */
};

/* ---- collapsing ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int collapse(int count, struct dim *dims)
{
    assert(count >= 0 && count <= TENSOR_MAX_DIMS);
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (dims[i].size == 1)
            continue;
        if (kept && dims[kept - 1].stride == dims[i].stride * dims[i].size)
            dims[kept - 1] = (struct dim){dims[kept - 1].size * dims[i].size, dims[i].stride};
        else
            dims[kept++] = dims[i];
    }
    return kept;
}

/* Dims that are dropped may be walked in any order: largest stride first. Insertion keeps equal
 * ones in place. */
static void sort_by_stride(int count, struct dim *dims)
{
    assert(count >= 0 && count <= TENSOR_MAX_DIMS);
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && dims[k].stride > dims[k - 1].stride; k--) {
            struct dim d = dims[k];
            dims[k] = dims[k - 1], dims[k - 1] = d;
        }
}

static int64_t offset_of(int count, const struct dim *dims, int64_t index)
{
    assert(index >= 0);
    int64_t offset = 0;
    for (int d = count - 1; d > 0; d--) {
        offset += index % dims[d].size * dims[d].stride;
        index /= dims[d].size;
    }
    return count ? offset + index * dims[0].stride : 0;
}

/* ---- across: lines along memory ---- */

/* n elements, `stride` elements apart, as the compute type. */
static void load(const struct job *j, int64_t n, void *to, const char *from, int64_t stride)
{
    assert(n >= 0);
    convert_elements(n, to, compute_dtype(j->compute), (int64_t)compute_size(j->compute), from,
                     j->dtype, stride * (int64_t)j->in);
}

/* Reduces n elements from `at` into *acc. */
static void reduce_run(const struct job *j, const char *at, int64_t n, int64_t stride, void *acc)
{
    assert(n >= 0);
    if (j->native && stride == 1) {
        j->loops->inner(n, at, acc, j->scalars);
        return;
    }
    _Alignas(64) char stage[STAGE * COMPUTE_LARGEST];
    _Alignas(16) char part[COMPUTE_LARGEST];
    for (int64_t i = 0; i < n; i += STAGE) {
        int64_t count = n - i < STAGE ? n - i : STAGE;
        load(j, count, stage, at + (size_t)(i * stride) * j->in, stride);
        j->loops->inner(count, stage, i ? part : acc, j->scalars);
        if (i)
            j->loops->join(1, acc, part, j->scalars);
    }
}

static void across_one(const struct job *j, int64_t result, int64_t segment, char *acc)
{
    const char *base = j->data + (size_t)offset_of(j->kept, j->keep, result) * j->in;
    int64_t stride = j->reduced ? j->drop[j->reduced - 1].stride : 1;
    if (j->runs == 1) {
        int64_t from = segment * j->segment_run, left = j->run - from;
        int64_t n = left < j->segment_run ? left : j->segment_run;
        reduce_run(j, base + (size_t)(from * stride) * j->in, n, stride, acc);
        return;
    }
    int64_t from = segment * j->segment_runs, end = from + j->segment_runs;
    _Alignas(16) char part[COMPUTE_LARGEST];
    for (int64_t r = from; r < end && r < j->runs; r++) {
        const char *at = base + (size_t)offset_of(j->reduced - 1, j->drop, r) * j->in;
        reduce_run(j, at, j->run, stride, r == from ? acc : part);
        if (r > from)
            j->loops->join(1, acc, part, j->scalars);
    }
}

static void across_task(void *context, int64_t task)
{
    const struct job *j = context;
    int64_t groups = (j->results + j->per_task - 1) / j->per_task;
    int64_t segment = task / groups, from = task % groups * j->per_task, end = from + j->per_task;
    for (int64_t r = from; r < end && r < j->results; r++)
        across_one(j, r, segment, j->out + (size_t)(segment * j->results + r) * j->acc);
}

/* ---- down: results side by side ---- */

/* `rows` rows of n elements, `apart` elements apart, made of the compute type in `stage`, each behind
 * the other. Where the rows' own elements are apart and those of a column are neighbours, tiles are
 * turned. */
static void stage_rows(const struct job *j, int64_t n, const char *at, int64_t rows, int64_t apart,
                       int64_t stride, char *stage)
{
    const int64_t in = (int64_t)j->in, acc = (int64_t)j->acc;
    const bool turned = apart == 1 && stride != 1;
    _Alignas(64) char scratch[STAGED];
    char *to = j->native ? stage : scratch;
    assert(rows * n * (in > acc ? in : acc) <= STAGED);
    if (turned)
        ISA_PICK(convert_kernels)
            ->transpose[__builtin_ctzll(j->in)](rows, n, to, n * in, at, stride * in);
    if (turned && !j->native)
        load(j, rows * n, stage, scratch, 1);
    for (int64_t r = 0; r < rows && !turned; r++)
        load(j, n, stage + r * n * acc, at + r * apart * in, stride);
}

/* acc[i] = step(acc[i], element i of a row) for one row after the other, or acc[i] = element i where
 * there is no start and this is the first. */
static void step_rows(const struct job *j, int64_t n, const char *at, int64_t rows, int64_t apart,
                      int64_t stride, char *acc, bool first)
{
    _Alignas(64) char stage[STAGED];
    const bool staged = !j->native || stride != 1;
    const int64_t most = STAGED / (n * (int64_t)(j->in > j->acc ? j->in : j->acc));
    for (int64_t count; rows; rows -= count, at += count * apart * (int64_t)j->in) {
        count = staged ? least(rows, most) : rows;
        if (staged)
            stage_rows(j, n, at, count, apart, stride, stage);
        const char *row = staged ? stage : at;
        const int64_t step = staged ? n : apart, copied = first && !j->loops->start;
        if (copied)
            memcpy(acc, row, (size_t)n * j->acc);
        j->loops->outer(n, acc, row + copied * step * (int64_t)j->acc, count - copied, step,
                        j->scalars);
        first = false;
    }
}

/* Rows `from` to `end` of the line, `fold` of them as one. */
static void step_line(const struct job *j, int64_t width, const char *base, int64_t from,
                      int64_t end, int64_t fold, char *acc)
{
    const struct dim *inner = &j->drop[j->reduced - 1];
    const int64_t stride = j->keep[j->kept - 1].stride;
    for (int64_t r = from, count; r < end; r += count) {
        count = least(inner->size - r % inner->size, end - r);
        step_rows(j, width, base + (size_t)offset_of(j->reduced, j->drop, r) * j->in, count / fold,
                  inner->stride * fold, stride, acc, r == from);
    }
}

/* n results from `result` on, which stand in one innermost kept dim, over one segment. */
static void down_block(const struct job *j, int64_t result, int64_t n, int64_t segment, char *acc)
{
    const char *base = j->data + (size_t)offset_of(j->kept, j->keep, result) * j->in;
    int64_t from = segment * j->segment_runs, end = from + j->segment_runs;
    _Alignas(64) char part[COLUMNS * COMPUTE_LARGEST], folds[FOLDED * COMPUTE_LARGEST];
    if (end > j->line)
        end = j->line;
    const int64_t fold = end - from < j->fold ? 1 : j->fold, width = n * fold;
    char *sums = fold > 1 ? folds : acc;
    int64_t r = from;
    for (int64_t rows; (rows = least(ROWS, (end - r) / fold)) > 0; r += rows * fold) {
        char *into = r == from ? sums : part;
        if (j->loops->start)
            j->loops->start(width, into, NULL, j->scalars);
        step_line(j, width, base, r, r + rows * fold, fold, into);
        if (into == part)
            j->loops->join(width, sums, part, j->scalars);
    }
    if (r < end) /* the rows that do not make a fold */
        step_rows(j, n * (end - r), base + (size_t)offset_of(j->reduced, j->drop, r) * j->in, 1, 0,
                  1, sums, false);
    for (int64_t half = width / 2; half >= n && fold > 1; half /= 2)
        j->loops->join(half, sums, sums + (size_t)half * j->acc, j->scalars);
    if (fold > 1)
        memcpy(acc, sums, (size_t)n * j->acc);
}

static void down_task(void *context, int64_t task)
{
    const struct job *j = context;
    int64_t blocks = (j->columns + j->per_task - 1) / j->per_task; /* in one row of results */
    int64_t groups = blocks * (j->results / j->columns);
    int64_t segment = task / groups, row = task % groups / blocks,
            from = task % blocks * j->per_task;
    int64_t n = j->columns - from < j->per_task ? j->columns - from : j->per_task;
    int64_t result = row * j->columns + from;
    down_block(j, result, n, segment, j->out + (size_t)(segment * j->results + result) * j->acc);
}

/* ---- planning ---- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    assert(a >= 0 && b > 0);
    return (a + b - 1) / b;
}

/* Cuts the lines and runs the tasks; the accumulators of all segments are in j->out. */
static void run_tasks(struct job *j, bool down)
{
    if (down) {
        int64_t rows = j->results / j->columns;
        j->per_task = least(j->columns, COLUMNS);
        threads_for(j->segments * ceil_div(j->columns, j->per_task) * rows, down_task, j);
    } else {
        int64_t each = least(j->line, SEGMENT);
        j->per_task = each >= TASK ? 1 : least(j->results, TASK / (each ? each : 1) + 1);
        threads_for(j->segments * ceil_div(j->results, j->per_task), across_task, j);
    }
}

/* Joins the segments pairwise into the first. */
static void join_segments(const struct job *j)
{
    size_t row = (size_t)j->results * j->acc;
    for (int64_t step = 1; step < j->segments; step *= 2)
        for (int64_t s = 0; s + step < j->segments; s += 2 * step)
            j->loops->join(j->results, j->out + (size_t)s * row, j->out + (size_t)(s + step) * row,
                           j->scalars);
}

static void plan_segments(struct job *j, bool down)
{
    j->run = j->reduced ? j->drop[j->reduced - 1].size : 1;
    j->runs = j->line / (j->run ? j->run : 1);
    j->segments = 1, j->segment_runs = down ? j->line : j->runs, j->segment_run = j->run;
    int64_t tasks = down ? j->results / j->columns * ceil_div(j->columns, COLUMNS) : j->results;
    bool cut = tasks < FEW_TASKS &&
               j->line * j->results >= 2 * SEGMENT; /* the results alone would not fill the pool */
    if (down && cut) {
        j->segment_runs = ceil_div(SEGMENT, least(j->columns, COLUMNS));
        j->segments = ceil_div(j->line, j->segment_runs);
    } else if (!down && j->runs == 1 && j->line >= 2 * SEGMENT) {
        j->segment_run = SEGMENT;
        j->segments = ceil_div(j->line, SEGMENT);
    } else if (!down && cut) {
        j->segment_runs = j->run >= SEGMENT ? 1 : ceil_div(SEGMENT, j->run);
        j->segments = ceil_div(j->runs, j->segment_runs);
    }
}

static bool goes_down(const struct job *j)
{
    if (!j->kept || !j->reduced)
        return false;
    const struct dim *keep = &j->keep[j->kept - 1], *drop = &j->drop[j->reduced - 1];
    return keep->stride < drop->stride || (j->line <= SHORT_LINE && keep->size > j->line);
}

/* Reduces into `y` (contiguous, of dtype `y->dtype`). */
static int reduce_into(struct job *j, fl_tensor *y)
{
    bool down = goes_down(j), direct;
    j->columns = down ? j->keep[j->kept - 1].size : 1;
    j->fold = 1;
    if (down && j->reduced == 1 && j->keep[j->kept - 1].stride == 1 &&
        j->drop[0].stride == j->columns)
        while (2 * j->fold * j->columns <= FOLDED && 2 * j->fold <= j->line)
            j->fold *= 2;
    plan_segments(j, down);
    direct = j->segments == 1 && compute_of(y->dtype) == j->compute &&
             dtype_size(y->dtype) == j->acc && y->dtype != FL_BOOL;
    size_t bytes = (size_t)(j->segments * j->results) * j->acc;
    j->out = direct ? tensor_data(y) : memory_alloc(bytes);
    if (!j->out)
        return -1;
    if (j->line == 0)
        j->loops->start(j->results, j->out, NULL, j->scalars);
    else
        run_tasks(j, down);
    join_segments(j);
    if (j->loops->finish)
        j->loops->finish(j->results, j->out, j->line, j->scalars);
    if (!direct) {
        convert_elements(j->results, tensor_data(y), y->dtype, (int64_t)dtype_size(y->dtype),
                         j->out, compute_dtype(j->compute), (int64_t)j->acc);
        memory_free(j->out, bytes);
    }
    return 0;
}

/* ---- the call ---- */

int reduce_dims(const fl_value *dims, int ndim, uint64_t *mask)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    *mask = 0;
    if (dims && dims->tag == FL_INTEGER) {
        int dim = shape_wrap_dim(dims->as.i, ndim);
        *mask = dim < 0 ? 0 : UINT64_C(1) << dim;
        return dim < 0 ? -1 : 0;
    }
    if (!dims || dims->tag != FL_INTS || dims->count == 0) {
        *mask = ndim >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << ndim) - 1;
        return 0;
    }
    for (uint32_t i = 0; i < dims->count; i++) {
        int dim = shape_wrap_dim(dims->as.ints[i], ndim);
        if (dim < 0)
            return -1;
        if (*mask >> dim & 1)
            return error_set(FL_RUNTIME_ERROR, "dim %d appears multiple times in the list of dims",
                             dim);
        *mask |= UINT64_C(1) << dim;
    }
    return 0;
}

void reduce_shape(const fl_tensor *t, uint64_t mask, bool keepdim, int *ndim, int64_t *sizes)
{
    assert(t->ndim <= TENSOR_MAX_DIMS);
    *ndim = 0;
    for (int d = 0; d < t->ndim; d++) {
        bool dropped = mask >> d & 1;
        if (!dropped || keepdim)
            sizes[(*ndim)++] = dropped ? 1 : t->sizes[d];
    }
}

/* The dtype of the result; -1 with the error when the input's is refused. */
static int result_dtype(const fl_op *f, const fl_value *args, int dtype)
{
    int8_t given = f->reduce->dtype;
    bool asked = given >= 0 && args[given].tag == FL_DTYPE;
    int from = asked ? (int)args[given].as.i : dtype;
    bool summed = f->result_dtype == RESULT_SUM && !asked && f->accepts & ACCEPT_INTEGRAL;
    if (!op_accepts(f->accepts, from) && !(summed && dtype_group(from) == GROUP_UNSIGNED)) {
        if (strncmp(f->base, "mean", 4) == 0 && !dtype_is_inexact(from)) {
            error_set(FL_RUNTIME_ERROR,
                      "mean(): could not infer output dtype. Input dtype must be either a floating "
                      "point or complex dtype. Got: %s",
                      dtype_title(dtype));
            return error_hint("a mean is a float: x.float().mean()",
                              "平均值是浮点数，请先转换：x.float().mean()");
        }
        return dtype_refuse(f->called, from);
    }
    switch (f->result_dtype) {
    case RESULT_FLOAT:
        return dtype_is_inexact(from) ? from : dtype_default();
    case RESULT_SUM:
        return asked || dtype_is_inexact(from) ? from : FL_INT64;
    case RESULT_BOOL:
        return f->base[0] == 'a' && dtype == FL_UINT8 ? FL_UINT8 : FL_BOOL;
    case RESULT_INT64:
        return FL_INT64;
    default:
        return from;
    }
}

static int check_elements(const fl_op *f, const fl_tensor *t, uint64_t mask, const fl_value *dims)
{
    if (t->numel || !f->reduce->needs_elements)
        return 0;
    if (!dims || dims->tag != FL_INTS || dims->count == 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument.",
            f->base);
    for (int d = 0; d < t->ndim; d++)
        if ((mask >> d & 1) && t->sizes[d] == 0)
            return error_set(FL_INDEX_ERROR,
                             "%s(): Expected reduction dim %d to have non-zero size.", f->base, d);
    return 0;
}

static void set_up(struct job *j, const fl_tensor *t, uint64_t mask)
{
    j->data = tensor_data(t), j->dtype = t->dtype, j->in = dtype_size(t->dtype),
    j->acc = compute_size(j->compute);
    j->native = t->dtype == compute_dtype(j->compute);
    j->results = j->line = 1;
    j->kept = j->reduced = 0;
    for (int d = 0; d < t->ndim; d++) {
        struct dim dim = {t->sizes[d], t->strides[d]};
        if (mask >> d & 1)
            j->drop[j->reduced++] = dim, j->line *= dim.size;
        else
            j->keep[j->kept++] = dim, j->results *= dim.size;
    }
    if (j->line == 0 || j->results == 0)
        return;
    sort_by_stride(j->reduced, j->drop);
    j->reduced = collapse(j->reduced, j->drop);
    j->kept = collapse(j->kept, j->keep);
}

/* t reduced into y, both on the CPU. */
static int run_here(struct job *j, const fl_tensor *t, uint64_t mask, fl_tensor *y)
{
    set_up(j, t, mask);
    return j->results ? reduce_into(j, y) : 0;
}

static int run(const fl_op *f, struct job *j, const fl_tensor *t, uint64_t mask, fl_tensor *y)
{
    struct device *d = tensor_device(t);
    if (d == &device_cpu)
        return run_here(j, t, mask, y);
    if (d->memory == DEVICE_NONE || y->numel == 0)
        return 0;
    if (d->reduce) {
        struct device_reduction r = {.name = f->base,
                                     .text = f->gpu,
                                     .to = iterate_tensor(y, j->compute),
                                     .from = iterate_tensor(t, j->compute),
                                     .mask = mask,
                                     .scalars = f->reduce->scalars,
                                     .scalar = j->scalars,
                                     .compute = j->compute};
        int status = d->reduce(d, &r);
        if (status != DEVICE_CANNOT)
            return status;
    }
    fl_tensor *from = place_warn(f, d) ? NULL : tensor_host(t), *to = NULL;
    int status = from && (to = tensor_new(y->ndim, y->sizes, y->dtype)) ? 0 : -1;
    if (status == 0)
        status = run_here(j, from, mask, to);
    if (status == 0)
        status = tensor_copy(y, to);
    tensor_release(from), tensor_release(to);
    return status;
}

int reduce_call(const fl_op *f, const fl_value *args, fl_tensor *to, fl_value *results)
{
    assert(f->kind == OP_REDUCE && f->reduce && args[0].tag == FL_TENSOR);
    const struct op_reduce *r = f->reduce;
    fl_tensor *t = args[r->self].as.tensor, *shown = NULL;
    const struct lanes *lanes = t->lanes;
    const fl_value *dims = r->dim >= 0 ? &args[r->dim] : NULL;
    bool keepdim = r->keepdim >= 0 && args[r->keepdim].as.i;
    uint64_t mask;
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim;
    int dtype = result_dtype(f, args, t->dtype);
    if (dtype < 0 || reduce_dims(dims, t->ndim, &mask))
        return -1;
    /* An empty list names all dims where one int may stand for it (sum), none elsewhere (any). */
    if (dims && dims->tag == FL_INTS && dims->count == 0 && f->param[r->dim].list_size == 0)
        mask = 0;
    if (check_elements(f, t, mask, dims))
        return -1;
    if (lanes) { /* leading dims that stay */
        if (!(t = shown = lanes_show(t, lanes, 0, true)))
            return -1;
        mask <<= lanes->count;
    }
    if (dtype == FL_BOOL && f->result_dtype == RESULT_SUM && t->dtype != FL_BOOL) {
        fl_tensor *truths = tensor_as(t, FL_BOOL); /* a half is true, and no 0 */
        tensor_release(shown);
        if (!(t = shown = truths))
            return -1;
    }
    reduce_shape(t, mask, keepdim, &ndim, sizes);
    union loop_scalar scalars[4];
    struct job job; /* of two kilobytes, nearly all of them room for dims: set_up fills it in */
    job.compute = compute_of(f->result_dtype == RESULT_BOOL ? t->dtype : dtype);
    job.scalars = scalars;
    if (job.compute == COMPUTE_I32 && !r->loops[job.compute])
        job.compute = COMPUTE_I64; /* a sum asked for in few bits: the low ones of the whole */
    if (!r->loops[job.compute]) {
        tensor_release(shown);
        return dtype_refuse(f->called, args[r->self].as.tensor->dtype);
    }
    for (int i = 0; i < r->scalars; i++)
        scalars[i] = loop_scalar_of(&args[r->scalar[i]], job.compute);
    job.loops = ops_reduce_loops(r->loops[job.compute]);
    fl_tensor *y = NULL;
    if (to && !lanes && !(t->flags & TENSOR_ELSEWHERE) &&
        room_take(f, args, to, ndim, sizes, dtype, &y)) {
        tensor_release(shown);
        return -1;
    }
    if (!y)
        y = t->flags & TENSOR_ELSEWHERE ? tensor_new_on(tensor_device(t), ndim, sizes, NULL, dtype)
                                        : tensor_new(ndim, sizes, dtype);
    int status = y ? run(f, &job, t, mask, y) : -1;
    if (status == 0 && lanes)
        status = lanes_hide(y, lanes);
    tensor_release(shown);
    results[0] = fl_tensor_value(y);
    if (status)
        tensor_release(y);
    return status;
}
