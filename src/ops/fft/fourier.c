/* Plans of transforms, and how their passes follow one another.
 *
 * Stockham's sorting form: n = r1 r2 ..., one pass over the lines for each factor, from one buffer
 * to the other, after which the result is in order. Factors are 8, 4, 2, 3, 5, written out, and other
 * small primes by their definition. A length with a large prime in it becomes a convolution with
 * exp(pi i k^2 / n), of a power of two (Bluestein 1970, "A linear filtering approach to the
 * computation of discrete Fourier transform"), in double.
 *
 * A plan takes as long to make as a few lines to transform, so the last few stay for the next call.
 */
#include "ops/fft/fourier.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau.h"

enum { KEPT_PLANS = 8, KEPT_BYTES = 1 << 20 /* of each at most */ };

struct root {
    double re, im;
};

/* exp(-2 pi i k / n) for 0 <= k < n, from an angle of at most an eighth of a turn. */
static struct root root_of_unity(int64_t k, int64_t n)
{
    assert(k >= 0 && k < n);
    int64_t quarter = 4 * k / n, rest = 4 * k - quarter * n;
    bool mirrored = 2 * rest > n;
    double angle = 1.57079632679489661923 * (double)(mirrored ? n - rest : rest) / (double)n;
    double c = cos(angle), s = sin(angle);
    struct root w = mirrored ? (struct root){s, -c} : (struct root){c, -s};
    for (; quarter > 0; quarter--)
        w = (struct root){w.im, -w.re};
    return w;
}

/* All n of them. Where 8 divides n, an eighth of a turn is the mirror of the next, and a quarter is the
 * one before it, turned. */
static void roots_of_unity(int64_t n, struct root *w)
{
    int64_t eighth = n % 8 == 0 ? n / 8 : n - 1;
    for (int64_t k = 0; k <= eighth; k++)
        w[k] = root_of_unity(k, n);
    for (int64_t k = eighth + 1; k < n; k++) {
        struct root from = k < n / 4 ? w[n / 4 - k] : w[k - n / 4];
        w[k] = k < n / 4 ? (struct root){-from.im, -from.re} : (struct root){from.im, -from.re};
    }
}

/* The parts of a number into place k and k + apart of a list of f's dtype. */
static void put(const struct fourier *f, void *list, int64_t k, int64_t apart, struct root w)
{
    if (f->dtype == FL_FLOAT64)
        ((double *)list)[k] = w.re, ((double *)list)[k + apart] = w.im;
    else
        ((float *)list)[k] = (float)w.re, ((float *)list)[k + apart] = (float)w.im;
}

static size_t bytes_of(const struct fourier *f, int64_t numbers)
{
    return (size_t)numbers * 2 * (f->dtype == FL_FLOAT64 ? sizeof(double) : sizeof(float));
}

static bool is_written_out(int r)
{
    return r <= 5 || r == 8;
}

/* How many numbers the roots of a pass are: a prime that is not written out has those of itself too. */
static int64_t roots_of_pass(int r, int64_t groups)
{
    return (r - 1) * groups + (is_written_out(r) ? 0 : r);
}

/* Fills in the factors of n; false where a prime among them is too large. */
static bool factorise(struct fourier *f)
{
    assert(f->n > 0 && f->factors == 0);
    int64_t rest = f->n;
    for (; rest % 8 == 0 && rest != 16; rest /= 8)
        f->factor[f->factors++] = 8;
    for (; rest % 4 == 0; rest /= 4)
        f->factor[f->factors++] = 4;
    for (int p = 2; p <= FOURIER_LARGEST_PRIME; p++)
        for (; rest % p == 0; rest /= p)
            f->factor[f->factors++] = p;
    return rest == 1;
}

static int64_t roots_count(const struct fourier *f)
{
    int64_t count = 0, groups = f->n;
    for (int i = 0; i < f->factors; i++) {
        groups /= f->factor[i];
        count += roots_of_pass(f->factor[i], groups);
    }
    return f->inner ? f->n : count;
}

/* w: the n roots of unity; the n-th of every second of them where the plan is a half. */
static void fill_passes(struct fourier *f, const struct root *w, int64_t stride)
{
    char *roots = f->roots;
    int64_t groups = f->n, done = 1;
    for (int i = 0; i < f->factors; i++) {
        int r = f->factor[i];
        groups /= r;
        int64_t half = (r - 1) * groups;
        for (int k = 1; k < r; k++)
            for (int64_t p = 0; p < groups; p++)
                put(f, roots, (k - 1) * groups + p, half, w[p * k * done * stride]);
        roots += bytes_of(f, half);
        for (int k = 0; k < r && !is_written_out(r); k++)
            put(f, roots, k, r, w[k * (f->n / r) * stride]);
        roots += bytes_of(f, is_written_out(r) ? 0 : r);
        done *= r;
    }
}

/* The roots of a plan that has factors, and the turns of a half. */
static int fill_roots(struct fourier *f)
{
    int64_t stride = f->is_half ? 2 : 1, n = f->n * stride;
    struct root *w = memory_alloc((size_t)n * sizeof *w);
    if (!w)
        return -1;
    roots_of_unity(n, w);
    fill_passes(f, w, stride);
    for (int64_t k = 0; k <= f->n && f->is_half; k++)
        put(f, f->turns, k, f->n + 1, w[k]);
    memory_free(w, (size_t)n * sizeof *w);
    return 0;
}

/* The chirp and the transform of its conjugate, wrapped around, over the length. */
static int fill_chirp(struct fourier *f)
{
    int64_t n = f->n, length = f->inner->n, square = 0;
    struct fourier_lines x = {1, memory_zalloc(bytes_of(f, length)), NULL,
                              memory_alloc(bytes_of(f, length)), NULL};
    void *both[] = {x.re, x.other_re};
    if (x.re && x.other_re) {
        x.im = (double *)x.re + length, x.other_im = (double *)x.other_re + length;
        for (int64_t k = 0; k < n; k++) {
            struct root w = root_of_unity(square, 2 * n);
            put(f, f->roots, k, n, w);
            put(f, x.re, k, length, (struct root){w.re, -w.im});
            if (k > 0)
                put(f, x.re, length - k, length, (struct root){w.re, -w.im});
            square = (square + 2 * k + 1) % (2 * n);
        }
        fourier_run(f->inner, &x);
        for (int64_t k = 0; k < length; k++)
            put(f, f->kernel, k, length,
                (struct root){((double *)x.re)[k] / (double)length,
                              ((double *)x.im)[k] / (double)length});
    }
    memory_free(both[0], bytes_of(f, length)), memory_free(both[1], bytes_of(f, length));
    return both[0] && both[1] ? 0 : -1;
}

/* One block: the plan, then its lists. */
static struct fourier *plan_new(const struct fourier *wanted)
{
    int64_t turns = wanted->is_half ? wanted->n + 1 : 0;
    int64_t kernel = wanted->inner ? wanted->inner->n : 0, roots = roots_count(wanted);
    size_t bytes = sizeof(struct fourier) + bytes_of(wanted, roots + turns + kernel);
    struct fourier *f = memory_alloc(bytes);
    if (!f)
        return NULL;
    memcpy(f, wanted, sizeof *f);
    f->bytes = bytes;
    f->roots = f + 1;
    f->turns = (char *)f->roots + bytes_of(f, roots);
    f->kernel = (char *)f->turns + bytes_of(f, turns);
    if ((f->inner ? fill_chirp(f) : fill_roots(f)) == 0)
        return f;
    memory_free(f, bytes);
    return NULL;
}

static struct fourier *plan_make(int64_t n, bool is_half, int dtype)
{
    struct fourier f = {.n = is_half ? n / 2 : n, .is_half = is_half, .dtype = dtype, .holders = 1};
    if (!factorise(&f)) {
        int64_t length = 1;
        f = (struct fourier){.n = n, .dtype = FL_FLOAT64, .holders = 1};
        while (length < 2 * n - 1)
            length *= 2;
        f.inner = fourier_plan(length, false, FL_FLOAT64);
        if (!f.inner)
            return NULL;
    }
    struct fourier *made = plan_new(&f);
    if (!made)
        fourier_release(f.inner);
    return made;
}

/* ---- Plans that stay ------------------------------------------------------------------------------- */

struct kept_plan {
    int64_t points;
    bool is_real;
    int dtype;
    struct fourier *plan; /* NULL: none */
};

/* The most recent first. Nobody waits for the lock: who does not get it makes a plan of his own, so
 * that a child is safe whose parent held it when it forked. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept_plan kept[KEPT_PLANS];

static struct fourier *retain(struct fourier *f)
{
    if (f)
        atomic_fetch_add(&f->holders, 1);
    return f;
}

/* `plan` to the front, after the first `before` made room. */
static void keep_first(struct kept_plan plan, int before)
{
    assert(before >= 0 && before < KEPT_PLANS);
    memmove(kept + 1, kept, (size_t)before * sizeof *kept);
    kept[0] = plan;
}

static struct fourier *find_kept(int64_t points, bool is_real, int dtype)
{
    struct fourier *found = NULL;
    if (pthread_mutex_trylock(&lock))
        return NULL;
    for (int i = 0; i < KEPT_PLANS && !found; i++) {
        struct kept_plan k = kept[i];
        if (!k.plan || k.points != points || k.is_real != is_real || k.dtype != dtype)
            continue;
        keep_first(k, i);
        found = retain(k.plan);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void keep(struct kept_plan plan)
{
    if (plan.plan->bytes > KEPT_BYTES || pthread_mutex_trylock(&lock))
        return;
    struct fourier *last = kept[KEPT_PLANS - 1].plan;
    retain(plan.plan);
    keep_first(plan, KEPT_PLANS - 1);
    pthread_mutex_unlock(&lock);
    fourier_release(last);
}

const struct fourier *fourier_plan(int64_t n, bool is_real, int dtype)
{
    assert(n > 0 && (dtype == FL_FLOAT32 || dtype == FL_FLOAT64));
    if (n > INT64_MAX / 1024) {
        error_set(FL_RUNTIME_ERROR, "a Fourier transform of %lld points is too long", (long long)n);
        return NULL;
    }
    struct fourier *f = find_kept(n, is_real, dtype);
    if (!f && (f = plan_make(n, is_real && n % 2 == 0, dtype)))
        keep((struct kept_plan){n, is_real, dtype, f});
    return f;
}

void fourier_release(const struct fourier *plan)
{
    struct fourier *f = (struct fourier *)plan;
    if (!f || atomic_fetch_sub(&f->holders, 1) > 1)
        return;
    fourier_release(f->inner);
    memory_free(f, f->bytes);
}

/* ---- Running ----------------------------------------------------------------------------------------- */

const struct fourier_loops *fourier_loops(const struct fourier *f)
{
    const struct fourier_table *table = ISA_PICK(fourier_table);
    return f->dtype == FL_FLOAT64 ? &table->f64 : &table->f32;
}

int64_t fourier_room(const struct fourier *f)
{
    return f->inner ? f->inner->n : f->n + 1;
}

static void exchange_parts(struct fourier_lines *x)
{
    void *re = x->re, *other_re = x->other_re;
    x->re = x->im, x->other_re = x->other_im;
    x->im = re, x->other_im = other_re;
}

/* The convolution: a product of transforms, transformed back. */
static void run_chirp(const struct fourier *f, struct fourier_lines *x)
{
    const struct fourier_loops *loops = fourier_loops(f);
    int64_t n = f->n, length = f->inner->n;
    assert(length >= 2 * n - 1 && f->dtype == FL_FLOAT64);
    loops->scale(n, f->roots, x);
    size_t rest = (size_t)((length - n) * x->count) * sizeof(double);
    memset((double *)x->re + n * x->count, 0, rest);
    memset((double *)x->im + n * x->count, 0, rest);
    fourier_run(f->inner, x);
    loops->scale(length, f->kernel, x);
    exchange_parts(x);
    fourier_run(f->inner, x);
    exchange_parts(x);
    loops->scale(n, f->roots, x);
}

void fourier_run(const struct fourier *f, struct fourier_lines *x)
{
    assert(x->count > 0);
    if (f->inner) {
        run_chirp(f, x);
        return;
    }
    const struct fourier_loops *loops = fourier_loops(f);
    const char *roots = f->roots;
    int64_t done = 1, groups = f->n;
    for (int i = 0; i < f->factors; i++) {
        int r = f->factor[i];
        groups /= r;
        loops->pass(f, r, done, roots, x);
        roots += bytes_of(f, roots_of_pass(r, groups));
        done *= r;
    }
}
