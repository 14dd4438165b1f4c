/* Random tensors. A tensor is filled in the order of its memory, whatever order its dims stand in,
 * as PyTorch does: where it has no gaps in place, otherwise by way of a contiguous copy. */
#include <assert.h>
#include <float.h>
#include <math.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/random.h"
#include "core/warning.h"
#include "ops/op.h"
#include "ops_kernels.h"

static fl_generator *or_default(fl_generator *g)
{
    return g ? g : random_default();
}

/* The dims by falling strides; of equal ones the first comes first. */
static void order_of_memory(const fl_tensor *t, int *order)
{
    for (int d = 0; d < t->ndim; d++) {
        int at = d;
        for (; at > 0 && t->strides[order[at - 1]] < t->strides[d]; at--)
            order[at] = order[at - 1];
        order[at] = d;
    }
}

/* A view of t, which may be expanded by strides of 0, with its dims in that order. */
static fl_tensor *permuted(fl_tensor *t, const int *order)
{
    int64_t sizes[TENSOR_MAX_DIMS], strides[TENSOR_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++)
        sizes[d] = t->sizes[order[d]], strides[d] = t->strides[order[d]];
    return tensor_alias(t, t->ndim, sizes, strides, t->offset);
}

/* Where to write the elements of a tensor one after the other. */
struct filling {
    fl_tensor *view; /* the tensor in the order of its memory */
    fl_tensor *into; /* the same, or a contiguous one that is copied there at the end */
};

static int filling_start(struct filling *f, fl_tensor *self)
{
    int order[TENSOR_MAX_DIMS];
    *f = (struct filling){NULL, NULL};
    if (tensor_check_written(self))
        return -1;
    order_of_memory(self, order);
    f->view = self->flags & TENSOR_CONTIGUOUS ? tensor_retain(self) : permuted(self, order);
    if (f->view)
        f->into = f->view->flags & TENSOR_CONTIGUOUS
                      ? tensor_retain(f->view)
                      : tensor_new(f->view->ndim, f->view->sizes, f->view->dtype);
    return f->into ? 0 : -1;
}

static int filling_end(struct filling *f, int status)
{
    assert(f->into || status);
    if (status == 0 && f->into != f->view)
        status = tensor_copy(f->view, f->into);
    tensor_release(f->view), tensor_release(f->into);
    return status;
}

/* What a distribution draws for one element, as a double; p are its parameters. The generator's lock
 * is held. */
typedef double (*draw_fn)(fl_generator *g, const double *p);

/* Fills self, element after element. */
static int fill_drawn(fl_tensor *self, fl_generator *generator, draw_fn draw, const double *p)
{
    assert(draw && p);
    enum { CHUNK = 256 };
    double stage[CHUNK];
    fl_generator *g = or_default(generator);
    struct filling f;
    if (filling_start(&f, self) || !g)
        return filling_end(&f, -1);
    int64_t size = (int64_t)dtype_size(self->dtype);
    pthread_mutex_lock(&g->lock);
    for (int64_t at = 0; at < self->numel; at += CHUNK) {
        int64_t n = self->numel - at < CHUNK ? self->numel - at : CHUNK;
        for (int64_t i = 0; i < n; i++)
            stage[i] = draw(g, p);
        convert_elements(n, (char *)tensor_data(f.into) + at * size, self->dtype, size, stage,
                         FL_FLOAT64, 8);
    }
    pthread_mutex_unlock(&g->lock);
    return filling_end(&f, 0);
}

static double draw_normal(fl_generator *g, const double *p)
{
    return fma(generator_normal_double(g), p[1], p[0]);
}

/* Calls one of core's fillers on self, which may have any layout. */
enum filler { UNIFORM, NORMAL, INTEGERS, FULL };
static int fill_run(fl_tensor *self, fl_generator *generator, enum filler how, double a, double b,
                    int64_t from, uint64_t range);

/* A complex tensor by its parts, each of which has half the variance. */
static int fill_parts(fl_tensor *self, fl_generator *generator, enum filler how, double a, double b)
{
    assert(dtype_is_complex(self->dtype));
    assert(self->ndim < TENSOR_MAX_DIMS);
    int64_t sizes[TENSOR_MAX_DIMS + 1], strides[TENSOR_MAX_DIMS + 1];
    if (how != UNIFORM && how != NORMAL)
        return dtype_refuse("random_", self->dtype);
    for (int d = 0; d < self->ndim; d++)
        sizes[d] = self->sizes[d], strides[d] = 2 * self->strides[d];
    sizes[self->ndim] = 2, strides[self->ndim] = 1;
    fl_tensor *parts = tensor_on_storage(self->storage, self->ndim + 1, sizes, strides,
                                         2 * self->offset, dtype_real(self->dtype));
    int status =
        parts ? fill_run(parts, generator, how, a, how == NORMAL ? b / sqrt(2) : b, 0, 0) : -1;
    tensor_release(parts);
    return status;
}

/* uint16, uint32 and uint64: by way of int64. */
static int fill_unsigned(fl_tensor *self, fl_generator *generator, enum filler how, int64_t from,
                         uint64_t range)
{
    if (how != INTEGERS)
        return dtype_refuse("random_", self->dtype);
    fl_tensor *wide = tensor_new(self->ndim, self->sizes, FL_INT64);
    int status = wide ? fill_run(wide, generator, how, 0, 0, from, range) : -1;
    status = status == 0 ? tensor_copy(self, wide) : -1;
    tensor_release(wide);
    return status;
}

static int fill_run(fl_tensor *self, fl_generator *generator, enum filler how, double a, double b,
                    int64_t from, uint64_t range)
{
    fl_generator *g = or_default(generator);
    if (dtype_is_complex(self->dtype))
        return fill_parts(self, generator, how, a, b);
    if (dtype_group(self->dtype) == GROUP_UNSIGNED)
        return fill_unsigned(self, generator, how, from, range);
    /* PyTorch has another algorithm for layouts that are not contiguous. */
    if (how == NORMAL && !(self->flags & TENSOR_CONTIGUOUS))
        return fill_drawn(self, generator, draw_normal, (double[]){a, b});
    struct filling f;
    if (filling_start(&f, self) || !g)
        return filling_end(&f, -1);
    void *data = tensor_data(f.into);
    if (how == UNIFORM)
        random_uniform(g, data, self->numel, self->dtype, a, b);
    if (how == NORMAL)
        random_normal(g, data, self->numel, self->dtype, a, b);
    if (how == INTEGERS)
        random_integers(g, data, self->numel, self->dtype, from, range);
    if (how == FULL)
        random_full(g, data, self->numel, self->dtype);
    return filling_end(&f, 0);
}

static int mark(fl_tensor *y, bool requires_grad)
{
    return requires_grad ? autograd_set_requires_grad(y, true) : 0;
}

/* ---- new tensors ---- */

static int random_like(fl_ints size, fl_dtype dtype, fl_device device, bool requires_grad,
                       const char *kernel, struct op_shape *y)
{
    if (empty_shape(size, dtype, device, requires_grad, -1, y))
        return -1;
    if (!dtype_is_inexact(y->dtype))
        return dtype_refuse(kernel, y->dtype);
    return 0;
}

int random_shape(fl_ints size, fl_generator *generator, fl_dtype dtype, fl_device device,
                 bool requires_grad, struct op_shape *y)
{
    (void)generator;
    return random_like(size, dtype, device, requires_grad, "check_uniform_bounds", y);
}

int randn_shape(fl_ints size, fl_generator *generator, fl_dtype dtype, fl_device device,
                bool requires_grad, struct op_shape *y)
{
    (void)generator;
    return random_like(size, dtype, device, requires_grad, "normal_kernel_cpu", y);
}

int rand_cpu(fl_ints size, fl_generator *generator, fl_dtype dtype, fl_device device,
             bool requires_grad, fl_tensor *y)
{
    (void)size, (void)dtype, (void)device;
    return fill_run(y, generator, UNIFORM, 0, 1, 0, 0) ? -1 : mark(y, requires_grad);
}

int randn_cpu(fl_ints size, fl_generator *generator, fl_dtype dtype, fl_device device,
              bool requires_grad, fl_tensor *y)
{
    (void)size, (void)dtype, (void)device;
    return fill_run(y, generator, NORMAL, 0, 1, 0, 0) ? -1 : mark(y, requires_grad);
}

int randint_shape(int64_t low, int64_t high, fl_ints size, fl_generator *generator, fl_dtype dtype,
                  fl_device device, bool requires_grad, struct op_shape *y)
{
    (void)generator;
    if (low >= high)
        return error_set(
            FL_RUNTIME_ERROR,
            "random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld",
            (long long)low, (long long)high);
    return empty_shape(size, dtype == FL_NO_DTYPE ? FL_INT64 : dtype, device, requires_grad, -1, y);
}

/* The largest integer that an integral dtype or a bool holds, of those that int64 has. */
static int64_t largest_integer(int dtype)
{
    assert(!dtype_is_inexact(dtype));
    return dtype_digits(dtype) < 63 ? (INT64_C(1) << dtype_digits(dtype)) - 1 : INT64_MAX;
}

/* Whether a dtype holds an integer. */
static int check_bound(int dtype, const char *name, int64_t bound)
{
    static const char *const names[] = {[FL_BOOL] = "bool",
                                        [FL_UINT8] = "unsigned char",
                                        [FL_INT8] = "signed char",
                                        [FL_INT16] = "short int",
                                        [FL_INT32] = "int",
                                        [FL_INT64] = "long int",
                                        [FL_UINT16] = "short unsigned int",
                                        [FL_UINT32] = "unsigned int",
                                        [FL_UINT64] = "long unsigned int"};
    const bool floating = dtype_is_floating(dtype);
    const bool within =
        floating ? fabs((double)bound) <= dtype_largest(dtype)
                 : bound <= largest_integer(dtype) &&
                       bound >= (dtype_is_signed(dtype) ? -largest_integer(dtype) - 1 : 0);
    return within ? 0
                  : error_set(FL_RUNTIME_ERROR, "%s is out of bounds for %s", name,
                              floating ? dtype_c_name(dtype) : names[dtype]);
}

/* Tells of a bound beyond which a float does not hold every integer. */
static int warn_of_bound(int dtype, const char *name, int64_t bound)
{
    if (!dtype_is_floating(dtype))
        return 0;
    const int digits = dtype_digits(dtype);
    const int64_t most = INT64_C(1) << digits;
    return bound >= -most && bound <= most
               ? 0
               : warning_give(
                     "%s is out of bounds [-(2^%d), 2^%d]. Due to precision limitations %s "
                     "can support discrete uniform distribution only within this range. "
                     "This warning will become an error in version 1.7 release, please "
                     "fix the code in advance",
                     name, digits, digits, dtype_c_name(dtype));
}

static int check_bounds(int dtype, int64_t from, int64_t last)
{
    return check_bound(dtype, "from", from) || check_bound(dtype, "to - 1", last) ||
           warn_of_bound(dtype, "from", from) || warn_of_bound(dtype, "to - 1", last);
}

/* The step between two neighbours of a floating dtype beside an integer. */
static int64_t step_beside(int dtype, int64_t number)
{
    int log2 = 0;
    for (uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number; left > 1; left >>= 1)
        log2++;
    return log2 < dtype_digits(dtype) ? 1 : INT64_C(1) << (log2 - dtype_digits(dtype) + 1);
}

/* A number as the dtype rounds it. */
static double as_held(int dtype, int64_t number)
{
    return convert_rounded((double)number, dtype);
}

/* Bounds of integers as a floating dtype holds them: where `to - 1` is rounded to `to` or above, one
 * step of the dtype below that, and where `from + 1` is rounded below `from`, one above (source:
 * update_to and update_from of PyTorch's DistributionTemplates.h). */
static int64_t last_held(int dtype, int64_t to)
{
    assert(dtype_is_floating(dtype));
    double last = as_held(dtype, to - 1);
    if (!(last < 0x1p63) || (int64_t)last < to)
        return to;
    return (int64_t)last - step_beside(dtype, to - 1);
}

static int64_t first_held(int dtype, int64_t from)
{
    assert(dtype_is_floating(dtype));
    double next = as_held(dtype, from + 1);
    if (!(next >= -0x1p63) || !(next < 0x1p63) || (int64_t)next >= from)
        return from;
    return (int64_t)next + step_beside(dtype, from + 1);
}

static int fill_integers(fl_tensor *self, fl_generator *generator, int64_t from, int64_t to)
{
    static const char refusal[] =
        "random_ expects 'from'%s to be less than 'to'%s, but got from=%lld >= to=%lld";
    const bool floating = dtype_is_floating(self->dtype);
    const char *cast = floating ? " casted to dtype" : "";
    if (from >= to)
        return error_set(FL_RUNTIME_ERROR, refusal, "", "", (long long)from, (long long)to);
    if (dtype_is_complex(self->dtype))
        return dtype_refuse("random_from_to_kernel_cpu", self->dtype);
    if (floating)
        from = first_held(self->dtype, from), to = last_held(self->dtype, to);
    if (from >= to)
        return error_set(FL_RUNTIME_ERROR, refusal, cast, cast, (long long)from, (long long)to);
    if (check_bounds(self->dtype, from, to - 1))
        return -1;
    return fill_run(self, generator, INTEGERS, 0, 0, from, (uint64_t)to - (uint64_t)from);
}

/* From a number up to the last that the dtype holds; all 64 bits where that is the least of int64. */
static int fill_above(fl_tensor *self, fl_generator *generator, int64_t from)
{
    const int dtype = self->dtype;
    const bool floating = dtype_is_floating(dtype);
    if (dtype_is_complex(dtype))
        return dtype_refuse("random_from_to_kernel_cpu", dtype);
    if (from == INT64_MIN &&
        (dtype == FL_FLOAT16 || dtype == FL_BOOL || dtype_group(dtype) == GROUP_UNSIGNED))
        return dtype_refuse("random_full_64_bits_range_kernel_cpu", dtype);
    if (from == INT64_MIN && !floating && dtype != FL_INT64)
        return error_set(FL_RUNTIME_ERROR, "random_full_64_bits_range_kernel_cpu handles only "
                                           "int64, double, float and bfloat16");
    if (from == INT64_MIN)
        return fill_run(self, generator, INTEGERS, 0, 0, 0, 0);
    const int64_t last = floating ? INT64_C(1) << dtype_digits(dtype) : largest_integer(dtype);
    if (floating)
        from = first_held(dtype, from);
    if (floating && from >= last)
        return error_set(FL_RUNTIME_ERROR,
                         "random_ expects 'from' casted to dtype to be less than or equal to "
                         "'to_inc' casted to dtype, but got from=%lld > to_inc=%lld",
                         (long long)from, (long long)last);
    if (check_bounds(dtype, from, last))
        return -1;
    return fill_run(self, generator, INTEGERS, 0, 0, from, (uint64_t)last - (uint64_t)from + 1);
}

int randint_cpu(int64_t low, int64_t high, fl_ints size, fl_generator *generator, fl_dtype dtype,
                fl_device device, bool requires_grad, fl_tensor *y)
{
    (void)size, (void)dtype, (void)device;
    return fill_integers(y, generator, low, high) ? -1 : mark(y, requires_grad);
}

int randint_high_shape(int64_t high, fl_ints size, fl_generator *generator, fl_dtype dtype,
                       fl_device device, bool requires_grad, struct op_shape *y)
{
    return randint_shape(0, high, size, generator, dtype, device, requires_grad, y);
}

int randint_high_cpu(int64_t high, fl_ints size, fl_generator *generator, fl_dtype dtype,
                     fl_device device, bool requires_grad, fl_tensor *y)
{
    return randint_cpu(0, high, size, generator, dtype, device, requires_grad, y);
}

int randperm_shape(int64_t n, fl_generator *generator, fl_dtype dtype, fl_device device,
                   bool requires_grad, struct op_shape *y)
{
    (void)generator;
    if (n < 0)
        return error_set(FL_RUNTIME_ERROR,
                         "Trying to create tensor with negative dimension %lld: [%lld]",
                         (long long)n, (long long)n);
    if (dtype == FL_FLOAT16 && n > 2049) /* all integers that it holds */
        return error_set(FL_RUNTIME_ERROR, "n cannot be greater than 2049 for Half type.");
    if (dtype == FL_BOOL)
        return dtype_refuse("randperm", dtype);
    if (dtype != FL_NO_DTYPE && n > 0 && number_check(fl_int(n - 1), dtype))
        return -1;
    return empty_shape((fl_ints){&n, 1}, dtype == FL_NO_DTYPE ? FL_INT64 : dtype, device,
                       requires_grad, -1, y);
}

int randperm_cpu(int64_t n, fl_generator *generator, fl_dtype dtype, fl_device device,
                 bool requires_grad, fl_tensor *y)
{
    assert(y->ndim == 1 && y->numel == n);
    (void)dtype, (void)device;
    fl_generator *g = or_default(generator);
    const bool in_place = y->dtype == FL_INT64 && y->flags & TENSOR_CONTIGUOUS;
    fl_tensor *order = in_place ? tensor_retain(y) : tensor_new(1, &n, FL_INT64);
    int status = order && g ? 0 : -1;
    if (status == 0) {
        random_permutation(g, tensor_data(order), n);
        status = order == y ? 0 : tensor_copy(y, order);
    }
    tensor_release(order);
    return status ? -1 : mark(y, requires_grad);
}

/* ---- in place ---- */

int uniform__cpu(fl_tensor *self, double from, double to, fl_generator *generator)
{
    double most = dtype_largest(self->dtype);
    if (!(fabs(from) <= most) || !(fabs(to) <= most))
        return error_set(FL_RUNTIME_ERROR, "%s is out of bounds for %s",
                         fabs(from) <= most ? "to" : "from", dtype_c_name(self->dtype));
    if (from > to)
        return error_set(FL_RUNTIME_ERROR,
                         "uniform_ expects to return a [from, to) range, but found from=%g > to=%g",
                         from, to);
    if (to - from > most)
        return error_set(FL_RUNTIME_ERROR,
                         "uniform_ expects to-from <= std::numeric_limits<%s>::max(), but found "
                         "to=%g and from=%g which result in to-from to exceed the limit",
                         dtype_title(self->dtype), to, from);
    return fill_run(self, generator, UNIFORM, from, to, 0, 0);
}

int normal__cpu(fl_tensor *self, double mean, double std, fl_generator *generator)
{
    if (std < 0)
        return error_set(FL_RUNTIME_ERROR, "normal expects std >= 0.0, but found std %g", std);
    return fill_run(self, generator, NORMAL, mean, std, 0, 0);
}

int random__cpu(fl_tensor *self, fl_generator *generator)
{
    return fill_run(self, generator, FULL, 0, 0, 0, 0);
}

int random_to__cpu(fl_tensor *self, int64_t to, fl_generator *generator)
{
    return fill_integers(self, generator, 0, to);
}

int random_from__cpu(fl_tensor *self, int64_t from, const int64_t *to, fl_generator *generator)
{
    return to ? fill_integers(self, generator, from, *to) : fill_above(self, generator, from);
}

static double draw_exponential(fl_generator *g, const double *p)
{
    assert(p[0] > 0);
    return -1 / p[0] * log1p(-generator_uniform_double(g));
}

int exponential__cpu(fl_tensor *self, double lambd, fl_generator *generator)
{
    if (!(lambd > 0))
        return error_set(FL_RUNTIME_ERROR, "exponential_ expects lambda > 0.0, but found lambda=%g",
                         lambd);
    return fill_drawn(self, generator, draw_exponential, &lambd);
}

static double draw_geometric(fl_generator *g, const double *p)
{
    assert(p[0] > 0 && p[0] < 1);
    return ceil(log(generator_uniform_double(g)) / log1p(-p[0]));
}

int geometric__cpu(fl_tensor *self, double p, fl_generator *generator)
{
    if (!(p > 0 && p < 1))
        return error_set(FL_RUNTIME_ERROR, "geometric_ expects p to be in (0, 1), but got p=%g", p);
    return fill_drawn(self, generator, draw_geometric, &p);
}

static double draw_cauchy(fl_generator *g, const double *p)
{
    assert(p[1] > 0);
    return p[0] + p[1] * tan(3.14159265358979323846 * (generator_uniform_double(g) - 0.5));
}

int cauchy__cpu(fl_tensor *self, double median, double sigma, fl_generator *generator)
{
    if (!(sigma > 0))
        return error_set(FL_RUNTIME_ERROR, "cauchy_ expects sigma > 0.0, but found sigma=%g",
                         sigma);
    return fill_drawn(self, generator, draw_cauchy, (double[]){median, sigma});
}

static double draw_log_normal(fl_generator *g, const double *p)
{
    return exp(draw_normal(g, p));
}

int log_normal__cpu(fl_tensor *self, double mean, double std, fl_generator *generator)
{
    if (!(std > 0))
        return error_set(FL_RUNTIME_ERROR, "log_normal_ expects std > 0.0, but found std=%g", std);
    return fill_drawn(self, generator, draw_log_normal, (double[]){mean, std});
}

static double draw_bernoulli(fl_generator *g, const double *p)
{
    assert(p[0] >= 0 && p[0] <= 1);
    return generator_uniform_double(g) < p[0];
}

static int check_probability(double p)
{
    if (p >= 0 && p <= 1)
        return 0;
    return error_set(FL_RUNTIME_ERROR, "bernoulli_ expects p to be in [0, 1], but got p=%g", p);
}

int bernoulli__cpu(fl_tensor *self, double p, fl_generator *generator)
{
    return check_probability(p) ? -1 : fill_drawn(self, generator, draw_bernoulli, &p);
}

int bernoulli_p_cpu(fl_tensor *self, double p, fl_generator *generator, fl_tensor *y)
{
    (void)self;
    return bernoulli__cpu(y, p, generator);
}

/* p and y have the same sizes. PyTorch draws a float for probabilities in float, a double for those
 * in double. */
static int draw_by_probabilities(fl_tensor *y, fl_tensor *p, fl_generator *generator)
{
    assert(shape_equal(y, p));
    int order[TENSOR_MAX_DIMS];
    fl_generator *g = or_default(generator);
    if (tensor_check_written(y))
        return -1;
    order_of_memory(y, order);
    int work = p->dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32, status = 0;
    fl_tensor *view = permuted(y, order), *chances_view = permuted(p, order);
    fl_tensor *dense = chances_view ? tensor_as(chances_view, work) : NULL;
    fl_tensor *drawn = view ? tensor_new(view->ndim, view->sizes, FL_BOOL) : NULL;
    if (!dense || !drawn || !g)
        status = -1;
    const void *chances = status ? NULL : tensor_data(dense);
    uint8_t *out = status ? NULL : tensor_data(drawn);
    for (int64_t i = 0; status == 0 && i < p->numel; i++) {
        double chance =
            work == FL_FLOAT32 ? (double)((const float *)chances)[i] : ((const double *)chances)[i];
        if (!(chance >= 0 && chance <= 1))
            status = error_set(FL_RUNTIME_ERROR,
                               "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  "
                               "(Could this error message be improved?  If so, please report an "
                               "enhancement request to PyTorch.)");
        else
            out[i] = work == FL_FLOAT32 ? generator_uniform_float(g) < (float)chance
                                        : generator_uniform_double(g) < chance;
    }
    if (status == 0)
        status = tensor_copy(view, drawn);
    tensor_release(dense), tensor_release(drawn);
    tensor_release(view), tensor_release(chances_view);
    return status;
}

int bernoulli_cpu(fl_tensor *self, fl_generator *generator, fl_tensor *y)
{
    return draw_by_probabilities(y, self, generator);
}

int bernoulli_tensor__cpu(fl_tensor *self, fl_tensor *p, fl_generator *generator)
{
    int extra = self->ndim - p->ndim;
    int64_t strides[TENSOR_MAX_DIMS];
    if (!dtype_is_floating(p->dtype))
        return error_set(FL_RUNTIME_ERROR, "bernoulli_: p must be floating, got %s",
                         dtype_title(p->dtype));
    for (int d = 0; d < self->ndim && extra >= 0; d++) {
        int s = d - extra;
        bool fits = s < 0 || p->sizes[s] == self->sizes[d] || p->sizes[s] == 1;
        strides[d] = s < 0 || p->sizes[s] == 1 ? 0 : p->strides[s];
        extra = fits ? extra : -1;
    }
    if (extra < 0)
        return error_set(FL_RUNTIME_ERROR, "bernoulli_: p cannot be broadcast to self");
    fl_tensor *spread = tensor_alias(p, self->ndim, self->sizes, strides, p->offset);
    int status = spread ? draw_by_probabilities(self, spread, generator) : -1;
    tensor_release(spread);
    return status;
}

/* What rrelu multiplies by: 1, and of elements that are not above 0 a slope, drawn as a double. */
int rrelu_slopes_cpu(fl_tensor *self, double lower, double upper, fl_generator *generator,
                     fl_tensor *y)
{
    assert(y->numel == self->numel);
    fl_generator *g = or_default(generator);
    fl_tensor *dense = tensor_as(self, FL_FLOAT64);
    int64_t size = (int64_t)dtype_size(y->dtype);
    for (int64_t i = 0; dense && g && i < self->numel; i++) {
        double slope = ((const double *)tensor_data(dense))[i] <= 0
                           ? generator_uniform_double(g) * (upper - lower) + lower
                           : 1;
        convert_elements(1, (char *)tensor_data(y) + i * size, y->dtype, size, &slope, FL_FLOAT64,
                         8);
    }
    tensor_release(dense);
    return dense && g ? 0 : -1;
}

int rrelu_slopes_shape(fl_tensor *self, double lower, double upper, fl_generator *generator,
                       struct op_shape *y)
{
    (void)lower, (void)upper, (void)generator;
    op_shape_set(y, self->ndim, self->sizes);
    return 0;
}

/* ---- multinomial ---- */

int multinomial_shape(fl_tensor *self, int64_t num_samples, bool replacement,
                      fl_generator *generator, struct op_shape *y)
{
    (void)generator;
    if (!dtype_is_floating(self->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "multinomial only supports floating-point dtypes for input, got: %s",
                         dtype_title(self->dtype));
    if (self->ndim < 1 || self->ndim > 2)
        return error_set(FL_RUNTIME_ERROR, "prob_dist must be 1 or 2 dim");
    int64_t n = self->sizes[self->ndim - 1];
    if (num_samples <= 0)
        return error_set(FL_RUNTIME_ERROR, "cannot sample n_sample <= 0 samples");
    if (!replacement && num_samples > n)
        return error_set(FL_RUNTIME_ERROR,
                         "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    if (n == 0 && replacement && num_samples > 1)
        return error_set(FL_RUNTIME_ERROR,
                         "invalid multinomial distribution (sum of probabilities <= 0)");
    if (n == 0)
        return error_set(FL_RUNTIME_ERROR,
                         "aminmax(): cannot compute aminmax over an empty dimension as the "
                         "operation has no identity.");
    op_shape_like(y, self);
    y->sizes[self->ndim - 1] = num_samples;
    return 0;
}

static int check_weights(const double *w, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(w[i] >= 0) || isinf(w[i]))
            return error_set(FL_RUNTIME_ERROR,
                             "probability tensor contains either `inf`, `nan` or element < 0");
        sum += w[i];
    }
    return sum > 0 ? 0
                   : error_set(FL_RUNTIME_ERROR,
                               "invalid multinomial distribution (sum of probabilities <= 0)");
}

/* Draws by the running sum of the weights. */
static void draw_with_replacement(fl_generator *g, double *w, int64_t n, int64_t samples,
                                  int64_t *out)
{
    assert(n > 0 && samples > 0);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        w[i] = sum += w[i];
    for (int64_t k = 0; k < samples; k++) {
        double u = generator_uniform_double(g);
        int64_t low = 0, high = n - 1;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (w[middle] / sum < u)
                low = middle + 1;
            else
                high = middle;
        }
        out[k] = low;
    }
}

/* The largest of weight / exponential draw: Efraimidis and Spirakis, "Weighted random sampling with
 * a reservoir", 2006. */
static void take_largest(double *w, int64_t n, int64_t samples, int64_t *out)
{
    assert(samples <= n);
    for (int64_t k = 0; k < samples; k++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++)
            if (w[i] >= 0 && (best < 0 || w[i] > w[best]))
                best = i;
        out[k] = best;
        w[best] = -1;
    }
}

int multinomial_cpu(fl_tensor *self, int64_t num_samples, bool replacement, fl_generator *generator,
                    fl_tensor *y)
{
    assert(y->sizes[y->ndim - 1] == num_samples);
    fl_generator *g = or_default(generator);
    int64_t n = self->sizes[self->ndim - 1];
    fl_tensor *weights = tensor_new(self->ndim, self->sizes, FL_FLOAT64);
    int status = weights && g ? tensor_copy(weights, self) : -1;
    double *w = weights ? tensor_data(weights) : NULL;
    fl_tensor *drawn =
        y->flags & TENSOR_CONTIGUOUS ? tensor_retain(y) : tensor_new(y->ndim, y->sizes, FL_INT64);
    status = drawn ? status : -1;
    for (int64_t r = 0; status == 0 && n && r < self->numel / n; r++)
        status = check_weights(w + r * n, n);
    if (status == 0 && (!replacement || num_samples == 1)) {
        bool columns =
            self->ndim == 2 && tensor_is_dense(self) && self->strides[0] < self->strides[1];
        int64_t rows = n ? self->numel / n : 0;
        for (int64_t i = 0; i < self->numel; i++) {
            double q = draw_exponential(g, (double[]){1});
            w[columns ? i % rows * n + i / rows : i] /=
                self->dtype == FL_FLOAT64 ? q : (double)(float)q;
        }
    }
    for (int64_t r = 0; status == 0 && n && r < self->numel / n; r++) {
        int64_t *out = (int64_t *)tensor_data(drawn) + r * num_samples;
        if (replacement && num_samples > 1)
            draw_with_replacement(g, w + r * n, n, num_samples, out);
        else
            take_largest(w + r * n, n, num_samples, out);
    }
    if (status == 0 && drawn != y)
        status = tensor_copy(y, drawn);
    tensor_release(weights), tensor_release(drawn);
    return status;
}
