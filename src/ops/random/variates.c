/* Draws by rejection: Poisson, binomial, gamma and Dirichlet, element after element in logical
 * order.
 *
 * The generator is held through a whole fill. Which draws an element takes is part of what is
 * promised: they are those of PyTorch's CPU kernels, and so are the precision in which a proposal
 * is computed and the constants' (0.0331 and 1/3 in float, also for doubles), because a proposal
 * that is accepted here and refused there moves every later number.
 */
#include <assert.h>
#include <float.h>
#include <math.h>

#include "core/convert.h"
#include "core/error.h"
#include "core/random.h"
#include "flambeau/ops/random.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* Draws one element from its parameters; float_given: they were float32. */
typedef double (*variate_fn)(fl_generator *g, double a, double b, bool float_given);

/* y[i] = draw(a[i], b[i]); b NULL: a alone. a, b: tensors of y's sizes. */
static int fill_variates(fl_tensor *y, const fl_tensor *a, const fl_tensor *b,
                         fl_generator *generator, variate_fn draw)
{
    fl_generator *g = generator ? generator : random_default();
    fl_tensor *first = tensor_as(a, FL_FLOAT64), *second = b ? tensor_as(b, FL_FLOAT64) : NULL;
    int64_t size = (int64_t)dtype_size(y->dtype);
    int status = g && first && (second || !b) ? 0 : -1;
    if (status == 0) {
        const double *p = tensor_data(first), *q = second ? tensor_data(second) : p;
        pthread_mutex_lock(&g->lock);
        for (int64_t i = 0; i < y->numel; i++) {
            double x = draw(g, p[i], q[i], a->dtype == FL_FLOAT32);
            convert_elements(1, (char *)tensor_data(y) + i * size, y->dtype, size, &x, FL_FLOAT64,
                             8);
        }
        pthread_mutex_unlock(&g->lock);
    }
    tensor_release(first), tensor_release(second);
    return status;
}

/* A result of self's sizes and dtype, contiguous; floats alone, of halves where `halves`. */
static int variate_shape(const fl_tensor *self, const char *name, bool halves, struct op_shape *y)
{
    bool half = self->dtype == FL_FLOAT16 || self->dtype == FL_BFLOAT16;
    if (!dtype_is_floating(self->dtype) || (half && !halves))
        return dtype_refuse(name, self->dtype);
    op_shape_set(y, self->ndim, self->sizes);
    y->dtype = self->dtype;
    return 0;
}

/* ---- Poisson ------------------------------------------------------------------------------- */

/* From a rate of 10 on: Hoermann, "The transformed rejection method for generating Poisson random
 * variables", 1993 (PTRS). */
static double poisson_by_rejection(fl_generator *g, double rate)
{
    double root = sqrt(rate), log_rate = log(rate);
    double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = generator_uniform_double(g) - 0.5, v = generator_uniform_double(g);
        double s = 0.5 - fabs(u), k = floor((2 * a / s + b) * u + rate + 0.43);
        if (s >= 0.07 && v <= v_r)
            return k;
        if (k < 0 || (s < 0.013 && v > s))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (s * s) + b) <=
            -rate + k * log_rate - lgamma(k + 1))
            return k;
    }
}

/* Below 10: how many uniforms can be multiplied until the product is at most e^-rate (Knuth). */
static double draw_poisson(fl_generator *g, double rate, double unused, bool float_given)
{
    (void)unused, (void)float_given;
    if (rate >= 10)
        return poisson_by_rejection(g, rate);
    double count = 0, product = 1, bound = exp(-rate);
    if (rate == 0)
        return 0;
    while ((product *= generator_uniform_double(g)) > bound)
        count++;
    return count;
}

int poisson_shape(fl_tensor *self, fl_generator *generator, struct op_shape *y)
{
    (void)generator;
    return variate_shape(self, "poisson_cpu", true, y);
}

int poisson_cpu(fl_tensor *self, fl_generator *generator, fl_tensor *y)
{
    fl_tensor *rates = tensor_as(self, FL_FLOAT64);
    int status = rates ? 0 : -1;
    const double *rate = rates ? tensor_data(rates) : NULL;
    for (int64_t i = 0; status == 0 && i < rates->numel; i++)
        if (!(rate[i] >= 0))
            status = error_set(FL_RUNTIME_ERROR,
                               "invalid Poisson rate, expected rate to be non-negative");
    if (status == 0)
        status = fill_variates(y, rates, NULL, generator, draw_poisson);
    tensor_release(rates);
    return status;
}

/* ---- Binomial ------------------------------------------------------------------------------ */

/* What Stirling's formula lacks of log k! at k. */
static double stirling_tail(double k)
{
    static const double TAILS[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983,
                                   0.02079067210376509, 0.0166446911898211, 0.0138761288230707,
                                   0.0118967099458917,  0.0104112652619720, 0.00925546218271273,
                                   0.00833056343336287};
    if (k <= 9)
        return TAILS[k > 0 ? (int)k : 0];
    double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

/* Few successes: the gaps between them are geometric. */
static double binomial_by_gaps(fl_generator *g, double count, double prob)
{
    double sum = 0, successes = 0, log_failure = log1p(-prob);
    for (;;) {
        sum += ceil(log(generator_uniform_double(g)) / log_failure);
        if (!(sum <= count))
            return successes;
        successes++;
    }
}

/* Ten successes and more, prob at most 1/2: Hoermann, "The generation of binomial random variates",
 * 1993 (BTRS). Products of count and prob are rounded to float where those were floats. */
static double binomial_by_rejection(fl_generator *g, double count, double prob, bool float_given)
{
    double n_p = count * prob, std = sqrt(n_p * (1 - prob)), odds = prob / (1 - prob);
    double mode = floor((count + 1) * prob);
    if (float_given) {
        float n = (float)count, p = (float)prob;
        n_p = n * p, std = sqrtf(n * p * (1 - p)), odds = p / (1 - p), mode = floorf((n + 1) * p);
    }
    double b = 1.15 + 2.53 * std, a = -0.0873 + 0.0248 * b + 0.01 * prob, c = n_p + 0.5;
    double v_r = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * std;
    for (;;) {
        double u = generator_uniform_double(g) - 0.5, v = generator_uniform_double(g);
        double s = 0.5 - fabs(u), k = floor((2 * a / s + b) * u + c);
        if (float_given)
            k = (float)k;
        if (k < 0 || k > count)
            continue;
        if (s >= 0.07 && v <= v_r)
            return k;
        double bound = (mode + 0.5) * log((mode + 1) / (odds * (count - mode + 1))) +
                       (count + 1) * log((count - mode + 1) / (count - k + 1)) +
                       (k + 0.5) * log(odds * (count - k + 1) / (k + 1)) + stirling_tail(mode) +
                       stirling_tail(count - mode) - stirling_tail(k) - stirling_tail(count - k);
        if (log(v * alpha / (a / (s * s) + b)) <= bound)
            return k;
    }
}

static double draw_binomial(fl_generator *g, double count, double prob, bool float_given)
{
    if (isnan(count) || isnan(prob))
        return NAN;
    if (count <= 0 || prob <= 0)
        return 0;
    if (prob >= 1)
        return count;
    bool failures = prob > 0.5;
    double p = failures ? (float_given ? (double)(float)(1.0 - prob) : 1.0 - prob) : prob;
    double expected = float_given ? (double)((float)count * (float)p) : count * p;
    double k = expected >= 10 ? binomial_by_rejection(g, count, p, float_given)
                              : binomial_by_gaps(g, count, p);
    return failures ? count - k : k;
}

int binomial_compose(fl_tensor *count, fl_tensor *prob, fl_generator *generator, fl_tensor **y)
{
    int64_t sizes[TENSOR_MAX_DIMS];
    int ndim = count->ndim;
    if (!dtype_is_floating(count->dtype) || !dtype_is_floating(prob->dtype)) {
        bool first = !dtype_is_floating(count->dtype);
        return error_set(FL_VALUE_ERROR,
                         "binomial only supports floating-point dtypes for %s, got: %s",
                         first ? "count" : "prob", dtype_title((first ? count : prob)->dtype));
    }
    for (int d = 0; d < ndim; d++)
        sizes[d] = count->sizes[d];
    if (shape_broadcast(&ndim, sizes, prob->ndim, prob->sizes))
        return -1;
    fl_ints whole = {sizes, ndim};
    *y = fl__binomial(fl_expand(count, whole, false), fl_expand(prob, whole, false), generator);
    return *y ? 0 : -1;
}

int binomial_shape(fl_tensor *count, fl_tensor *prob, fl_generator *generator, struct op_shape *y)
{
    (void)generator;
    if (variate_shape(count, "binomial_cpu", false, y))
        return -1;
    return prob->dtype == count->dtype
               ? 0
               : error_set(FL_RUNTIME_ERROR, "Found dtype %s but expected %s",
                           dtype_title(prob->dtype), dtype_title(count->dtype));
}

int binomial_cpu(fl_tensor *count, fl_tensor *prob, fl_generator *generator, fl_tensor *y)
{
    assert(shape_equal(count, prob) && shape_equal(y, count));
    return fill_variates(y, count, prob, generator, draw_binomial);
}

/* ---- Gamma and Dirichlet ------------------------------------------------------------------- */

/* Marsaglia and Tsang, "A simple method for generating gamma variables", 2000. A concentration
 * below 1 draws by one that is larger by 1 and takes a power of a uniform beside. */
static double draw_gamma(fl_generator *g, double alpha, double unused, bool float_given)
{
    double scale = 1, d = alpha - (double)(1.0f / 3.0f), power = 1 / alpha;
    (void)unused;
    if (alpha == 0)
        return 0;
    if (float_given)
        power = 1.0f / (float)alpha;
    if (alpha < 1) {
        scale = pow(1 - generator_uniform_double(g), power);
        alpha += 1;
        d = alpha - (double)(1.0f / 3.0f);
    }
    if (float_given)
        d = (float)alpha - 1.0f / 3.0f;
    double c = 1 / sqrt(9 * d);
    for (;;) {
        double x, y;
        do {
            x = generator_normal_double(g);
            y = 1 + c * x;
        } while (y <= 0);
        double v = y * y * y, u = 1 - generator_uniform_double(g), xx = x * x;
        if (u < 1 - (double)0.0331f * xx * xx || log(u) < 0.5 * xx + d * (1 - v + log(v)))
            return scale * d * v;
    }
}

static double larger(double least, double x)
{
    return least < x ? x : least;
}

static double draw_gamma_float(fl_generator *g, double alpha, double unused, bool float_given)
{
    return larger(FLT_MIN, draw_gamma(g, alpha, unused, float_given));
}

static double draw_gamma_double(fl_generator *g, double alpha, double unused, bool float_given)
{
    return larger(DBL_MIN, draw_gamma(g, alpha, unused, float_given));
}

int standard_gamma_shape(fl_tensor *self, fl_generator *generator, struct op_shape *y)
{
    (void)generator;
    return variate_shape(self, "gamma_cpu", false, y);
}

int standard_gamma_cpu(fl_tensor *self, fl_generator *generator, fl_tensor *y)
{
    assert(shape_equal(y, self));
    return fill_variates(y, self, NULL, generator,
                         self->dtype == FL_FLOAT32 ? draw_gamma_float : draw_gamma_double);
}

int sample_dirichlet_shape(fl_tensor *self, fl_generator *generator, struct op_shape *y)
{
    (void)generator;
    if (self->ndim < 1)
        return error_set(FL_RUNTIME_ERROR, "_sample_dirichlet: a tensor of at least one dimension "
                                           "is needed");
    return variate_shape(self, "dirichlet", false, y);
}

/* Gammas in double, each divided by its row's sum and kept inside the open interval. */
int sample_dirichlet_cpu(fl_tensor *self, fl_generator *generator, fl_tensor *y)
{
    assert(self->ndim >= 1 && shape_equal(y, self));
    int64_t n = self->sizes[self->ndim - 1], size = (int64_t)dtype_size(y->dtype);
    fl_tensor *alpha = tensor_as(self, FL_FLOAT64);
    fl_tensor *gamma = tensor_new(self->ndim, self->sizes, FL_FLOAT64);
    int status =
        alpha && gamma ? fill_variates(gamma, alpha, NULL, generator, draw_gamma_double) : -1;
    bool single = y->dtype == FL_FLOAT32;
    double least = single ? FLT_MIN : DBL_MIN, most = single ? 0x1.fffffep-1 : 0x1.fffffffffffffp-1;
    for (int64_t at = 0; status == 0 && at < y->numel; at += n) {
        double *row = (double *)tensor_data(gamma) + at, sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += row[i];
        for (int64_t i = 0; i < n; i++) {
            double x = larger(least, row[i] / sum);
            row[i] = x > most ? most : x;
        }
        convert_elements(n, (char *)tensor_data(y) + at * size, y->dtype, size, row, FL_FLOAT64, 8);
    }
    tensor_release(alpha), tensor_release(gamma);
    return status;
}
