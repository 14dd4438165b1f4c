/* Transforms of lines.
 *
 * Stockham's sorting form: n = r1 r2 ..., one pass over the line for each factor, from one buffer
 * to the other, after which the result is in order. Factors are 4, 2, 3, 5, written out, and other
 * small primes by their definition. A length with a large prime in it becomes a convolution with
 * exp(pi i k^2 / n), of a power of two (Bluestein 1970, "A linear filtering approach to the
 * computation of discrete Fourier transform").
 */
#include "ops/fft/fourier.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "core/error.h"
#include "core/memory.h"

enum { MOST_FACTORS = 64, LARGEST_PRIME = 31 };

struct fourier {
    int64_t n;
    int factors, factor[MOST_FACTORS];
    struct number *root; /* n of them: exp(-2 pi i k / n); Bluestein's: exp(-pi i k^2 / n) */
    /* Bluestein's: the transform of the convolution's length, and that of its kernel over it. */
    struct fourier *inner;
    struct number *kernel;
};

static inline struct number plus(struct number a, struct number b)
{
    return (struct number){a.re + b.re, a.im + b.im};
}

static inline struct number minus(struct number a, struct number b)
{
    return (struct number){a.re - b.re, a.im - b.im};
}

static inline struct number times(struct number a, struct number b)
{
    return (struct number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* -i a */
static inline struct number turned(struct number a)
{
    return (struct number){a.im, -a.re};
}

static inline struct number scaled(struct number a, double s)
{
    return (struct number){a.re * s, a.im * s};
}

/* exp(-2 pi i k / n) for 0 <= k < n, from an angle of at most an eighth of a turn. */
static struct number root_of_unity(int64_t k, int64_t n)
{
    assert(k >= 0 && k < n);
    int64_t quarter = 4 * k / n, rest = 4 * k - quarter * n;
    bool mirrored = 2 * rest > n;
    double angle = 1.57079632679489661923 * (double)(mirrored ? n - rest : rest) / (double)n;
    double c = cos(angle), s = sin(angle);
    struct number w = mirrored ? (struct number){s, -c} : (struct number){c, -s};
    for (; quarter > 0; quarter--)
        w = turned(w);
    return w;
}

/* Fills in the factors of n; false where a prime among them is too large. */
static bool factorise(struct fourier *f)
{
    assert(f->n > 0 && f->factors == 0);
    int64_t rest = f->n;
    for (; rest % 4 == 0; rest /= 4)
        f->factor[f->factors++] = 4;
    for (int p = 2; p <= LARGEST_PRIME; p++)
        for (; rest % p == 0; rest /= p)
            f->factor[f->factors++] = p;
    return rest == 1;
}

static size_t bytes_of(int64_t numbers)
{
    return (size_t)numbers * sizeof(struct number);
}

/* The chirp and the transform of its conjugate, wrapped around. */
static int plan_chirp(struct fourier *f)
{
    int64_t n = f->n, length = 1, square = 0;
    while (length < 2 * n - 1)
        length *= 2;
    for (int64_t k = 0; k < n; k++) {
        f->root[k] = root_of_unity(square, 2 * n);
        square = (square + 2 * k + 1) % (2 * n);
    }
    f->inner = fourier_new(length);
    f->kernel = f->inner ? memory_zalloc(bytes_of(2 * length)) : NULL;
    if (!f->kernel)
        return -1;
    for (int64_t k = 0; k < n; k++) {
        struct number c = {f->root[k].re, -f->root[k].im};
        f->kernel[k] = c;
        if (k > 0)
            f->kernel[length - k] = c;
    }
    struct number *y = fourier_run(f->inner, f->kernel);
    for (int64_t k = 0; k < length; k++)
        f->kernel[k] = scaled(y[k], 1.0 / (double)length);
    return 0;
}

struct fourier *fourier_new(int64_t n)
{
    assert(n > 0);
    if (n > INT64_MAX / 512) {
        error_set(FL_RUNTIME_ERROR, "a Fourier transform of %lld points is too long", (long long)n);
        return NULL;
    }
    struct fourier *f = memory_zalloc(sizeof *f);
    if (!f)
        return NULL;
    f->n = n;
    f->root = memory_alloc(bytes_of(n));
    int status = f->root ? 0 : -1;
    if (status == 0 && !factorise(f))
        status = plan_chirp(f);
    else if (status == 0)
        for (int64_t k = 0; k < n; k++)
            f->root[k] = root_of_unity(k, n);
    if (status == 0)
        return f;
    fourier_free(f);
    return NULL;
}

void fourier_free(struct fourier *f)
{
    if (!f)
        return;
    if (f->inner)
        memory_free(f->kernel, bytes_of(2 * f->inner->n));
    fourier_free(f->inner);
    memory_free(f->root, bytes_of(f->n));
    memory_free(f, sizeof *f);
}

int64_t fourier_work(const struct fourier *f)
{
    return 2 * (f->inner ? f->inner->n : f->n);
}

static void butterfly2(struct number *a)
{
    struct number b = minus(a[0], a[1]);
    a[0] = plus(a[0], a[1]);
    a[1] = b;
}

static void butterfly3(struct number *a)
{
    const double s = 0.86602540378443864676; /* sin(2 pi / 3) */
    struct number sum = plus(a[1], a[2]), side = scaled(turned(minus(a[1], a[2])), s);
    struct number middle = minus(a[0], scaled(sum, 0.5));
    a[0] = plus(a[0], sum);
    a[1] = plus(middle, side);
    a[2] = minus(middle, side);
}

static void butterfly4(struct number *a)
{
    struct number even = plus(a[0], a[2]), odd = plus(a[1], a[3]);
    struct number across = minus(a[0], a[2]), side = turned(minus(a[1], a[3]));
    a[0] = plus(even, odd);
    a[1] = plus(across, side);
    a[2] = minus(even, odd);
    a[3] = minus(across, side);
}

static void butterfly5(struct number *a)
{
    const double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410; /* cos(2 pi k / 5) */
    const double s1 = 0.95105651629515357212, s2 = 0.58778525229247312917;  /* sin(2 pi k / 5) */
    struct number p = plus(a[1], a[4]), q = plus(a[2], a[3]);
    struct number u = turned(minus(a[1], a[4])), v = turned(minus(a[2], a[3]));
    struct number near = plus(a[0], plus(scaled(p, c1), scaled(q, c2)));
    struct number far = plus(a[0], plus(scaled(p, c2), scaled(q, c1)));
    struct number near_side = plus(scaled(u, s1), scaled(v, s2));
    struct number far_side = minus(scaled(u, s2), scaled(v, s1));
    a[0] = plus(a[0], plus(p, q));
    a[1] = plus(near, near_side);
    a[2] = plus(far, far_side);
    a[3] = minus(far, far_side);
    a[4] = minus(near, near_side);
}

/* By the definition; `step` roots of f make one of r. */
static void butterfly_any(const struct fourier *f, int r, struct number *a)
{
    assert(r <= LARGEST_PRIME && f->n % r == 0);
    int64_t step = f->n / r;
    struct number y[LARGEST_PRIME];
    for (int k = 0; k < r; k++) {
        y[k] = a[0];
        for (int j = 1; j < r; j++)
            y[k] = plus(y[k], times(a[j], f->root[j * k % r * step]));
    }
    for (int k = 0; k < r; k++)
        a[k] = y[k];
}

/* One factor r: `done` is the product of those before it. */
static inline void pass(const struct fourier *f, int r, int64_t done, const struct number *x,
                        struct number *y)
{
    assert(r <= LARGEST_PRIME && f->n % (done * r) == 0);
    int64_t groups = f->n / done / r;
    struct number a[LARGEST_PRIME], w[LARGEST_PRIME];
    for (int64_t p = 0; p < groups; p++) {
        for (int k = 1; k < r; k++)
            w[k] = f->root[p * k * done];
        for (int64_t q = 0; q < done; q++) {
            for (int j = 0; j < r; j++)
                a[j] = x[q + done * (p + groups * j)];
            if (r == 2)
                butterfly2(a);
            else if (r == 3)
                butterfly3(a);
            else if (r == 4)
                butterfly4(a);
            else if (r == 5)
                butterfly5(a);
            else
                butterfly_any(f, r, a);
            y[q + done * r * p] = a[0];
            for (int k = 1; k < r; k++)
                y[q + done * (r * p + k)] = times(a[k], w[k]);
        }
    }
}

static struct number *run_factors(const struct fourier *f, struct number *work)
{
    assert(!f->inner);
    struct number *x = work, *y = work + f->n;
    int64_t done = 1;
    for (int i = 0; i < f->factors; i++) {
        int r = f->factor[i];
        if (r == 2)
            pass(f, 2, done, x, y);
        else if (r == 3)
            pass(f, 3, done, x, y);
        else if (r == 4)
            pass(f, 4, done, x, y);
        else if (r == 5)
            pass(f, 5, done, x, y);
        else
            pass(f, r, done, x, y);
        done *= r;
        struct number *swap = x;
        x = y;
        y = swap;
    }
    return x;
}

/* The inverse transform is the forward one with real and imaginary parts changed about. */
static struct number swapped(struct number a)
{
    return (struct number){a.im, a.re};
}

static struct number *run_chirp(const struct fourier *f, struct number *work)
{
    assert(f->inner->n >= 2 * f->n - 1);
    int64_t n = f->n, length = f->inner->n;
    for (int64_t k = 0; k < n; k++)
        work[k] = times(work[k], f->root[k]);
    for (int64_t k = n; k < length; k++)
        work[k] = (struct number){0, 0};
    struct number *y = fourier_run(f->inner, work);
    for (int64_t k = 0; k < length; k++)
        work[k] = swapped(times(y[k], f->kernel[k]));
    y = fourier_run(f->inner, work);
    for (int64_t k = 0; k < n; k++)
        y[k] = times(swapped(y[k]), f->root[k]);
    return y;
}

struct number *fourier_run(const struct fourier *f, struct number *work)
{
    return f->inner ? run_chirp(f, work) : run_factors(f, work);
}
