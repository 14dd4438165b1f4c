/* Discrete Fourier transforms of one line of complex doubles, of any length.
 *
 * y[k] = sum over j of x[j] exp(-2 pi i jk / n), with roots whose angles are exact but for one
 * rounding, so that the error grows as the logarithm of the length.
 */
#ifndef FLAMBEAU_OPS_FFT_FOURIER_H
#define FLAMBEAU_OPS_FFT_FOURIER_H

#include <stddef.h>
#include <stdint.h>

struct number {
    double re, im;
};

struct fourier; /* what a length needs: its factors and roots; many threads may read it */

/* NULL with the error set where memory is out. n is at least 1. */
struct fourier *fourier_new(int64_t n);
void fourier_free(struct fourier *f);
/* How many numbers `work` of fourier_run holds; the first n of them are the input. */
int64_t fourier_work(const struct fourier *f);
/* The transform of work[0..n), which it overwrites; the result lies somewhere in work. */
struct number *fourier_run(const struct fourier *f, struct number *work);

#endif
