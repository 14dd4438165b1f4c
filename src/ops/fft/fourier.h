/* Discrete Fourier transforms of a few lines of complex numbers at a time, of any length.
 *
 * y[k] = sum over j of x[j] exp(-2 pi i jk / n), with roots whose angles are exact but for one
 * rounding, so that the error grows as the logarithm of the length. A line's result does not depend
 * on those beside it. With re and im exchanged before and after, it is the backward transform.
 *
 * A real line of an even number n of points is transformed as n / 2 complex ones, its points in
 * pairs, which fourier_split and fourier_merge turn into the numbers 0 to n / 2 and back.
 */
#ifndef FLAMBEAU_OPS_FFT_FOURIER_H
#define FLAMBEAU_OPS_FFT_FOURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/isa.h"

enum { FOURIER_MOST_FACTORS = 64, FOURIER_LARGEST_PRIME = 31 };

/* What a length needs; many threads may read it. */
struct fourier {
    int64_t n;    /* the numbers transformed: half of the points of a real line of even length */
    bool is_half; /* whether it is of real lines of 2 n points */
    int dtype;    /* FL_FLOAT32 or FL_FLOAT64: what is computed in */
    int factors, factor[FOURIER_MOST_FACTORS];
    /* In dtype: for each factor r, with `groups` = n / (the product of the factors up to it), the
     * parts of exp(-2 pi i pk / (r groups)): (r - 1, groups) real ones, k from 1, then imaginary
     * ones. Bluestein's: n real and n imaginary parts of exp(-pi i k^2 / n). */
    void *roots;
    void *turns; /* is_half: n + 1 real, n + 1 imaginary parts of exp(-2 pi i k / 2n) */
    /* Bluestein's: the transform of the convolution's length, and that of its kernel over it. */
    const struct fourier *inner;
    void *kernel;
    size_t bytes;
    _Atomic int holders;
};

/* The parts of `count` lines: number k of line l at [k * count + l]. There are two buffers of
 * fourier_room numbers each; a step reads one and writes the other, which then is re and im. */
struct fourier_lines {
    int64_t count;
    void *re, *im, *other_re, *other_im;
};

/* `outer` times `inner` numbers of the memory of tensors, `step` and `inner_step` elements apart. */
struct fourier_memory {
    int64_t outer, inner, step, inner_step;
    void *re, *im; /* im NULL: real numbers */
    bool wide;     /* of doubles, else floats */
};

struct fourier_loops {
    /* One factor of a plan, the product of those before it being `done`. */
    void (*pass)(const struct fourier *f, int r, int64_t done, const void *roots,
                 struct fourier_lines *x);
    /* Products with the n numbers of `by`, whose imaginary parts follow its real ones. */
    void (*scale)(int64_t n, const void *by, struct fourier_lines *x);
    void (*split)(const struct fourier *f, struct fourier_lines *x);
    void (*merge)(const struct fourier *f, struct fourier_lines *x);
    /* Numbers read to the front of x, and put back times `scale`. */
    void (*gather)(const struct fourier_memory *from, struct fourier_lines *x);
    void (*scatter)(const struct fourier_memory *to, double scale, const struct fourier_lines *x);
};

struct fourier_table {
    struct fourier_loops f32, f64;
};
FL_SIMD_TABLE(struct fourier_table, fourier_table);

/* A plan, which the caller releases; NULL with the error set where memory is out. n, the points of a
 * line, is at least 1; dtype is what is wanted: large primes are computed in double. */
const struct fourier *fourier_plan(int64_t n, bool is_real, int dtype);
void fourier_release(const struct fourier *f);
const struct fourier_loops *fourier_loops(const struct fourier *f);
/* How many numbers of a line a buffer has room for. */
int64_t fourier_room(const struct fourier *f);
/* The transform of the n numbers of each line. */
void fourier_run(const struct fourier *f, struct fourier_lines *x);
/* The other buffer becomes the one that counts. */
static inline void fourier_exchange(struct fourier_lines *x)
{
    void *re = x->re, *im = x->im;
    x->re = x->other_re, x->im = x->other_im;
    x->other_re = re, x->other_im = im;
}

#endif
