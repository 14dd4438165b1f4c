/* Random numbers: PyTorch's CPU generator (mt19937) and PyTorch's way from its draws to each
 * distribution. */
#ifndef FLAMBEAU_CORE_RANDOM_H
#define FLAMBEAU_CORE_RANDOM_H

#include <pthread.h>
#include <stdatomic.h>

#include "flambeau/base.h"

enum { GENERATOR_WORDS = 624, GENERATOR_STATE_BYTES = 5056 };

struct fl_generator {
    _Atomic int32_t refs;
    pthread_mutex_t lock; /* held through a whole fill, so that threads do not tear the state */
    uint64_t seed;
    uint32_t state[GENERATOR_WORDS];
    int left;        /* draws left in the block, plus one */
    uint32_t next;   /* index of the next draw */
    bool has_normal; /* a cached second value of Box and Muller, double path */
    double normal;
    void *python;
};

/* The generator that operators use when none is given. */
fl_generator *random_default(void);
/* A new one, seeded as PyTorch's default; NULL with the error set. */
fl_generator *generator_new(void);
fl_generator *generator_retain(fl_generator *g);
void generator_release(fl_generator *g);
void generator_seed(fl_generator *g, uint64_t seed);
/* Everything as PyTorch's get_rng_state lays it out: GENERATOR_STATE_BYTES bytes. */
void generator_get_state(fl_generator *g, void *bytes);
int generator_set_state(fl_generator *g, const void *bytes, size_t size);
uint32_t generator_u32(fl_generator *g);
uint64_t
generator_u64(fl_generator *g); /* PyTorch's random64: two draws, the first is the high half */
/* float32 uniform in [0, 1): the low 24 bits of a draw times 2^-24; double: 53 bits of random64. */
float generator_uniform_float(fl_generator *g);
double generator_uniform_double(fl_generator *g);
/* One normal number of mean 0 and variance 1 (Box and Muller); every second call gives the value
 * kept by the one before it. Like the four above it takes no lock. */
double generator_normal_double(fl_generator *g);

/* Fill n contiguous elements of dtype (floating where it says so), as PyTorch 2.13 does on a CPU.
 */
void random_uniform(fl_generator *g, void *data, int64_t n, int dtype, double from, double to);
void random_normal(fl_generator *g, void *data, int64_t n, int dtype, double mean, double std);
/* Integers in [from, from + range): draws of 32 bits when range < 2^28, else 64, modulo the range.
 * range 0: all 2^64. */
void random_integers(fl_generator *g, void *data, int64_t n, int dtype, int64_t from,
                     uint64_t range);
/* What random_() without bounds does: up to the largest integer, or 2^digits of a floating dtype.
 */
void random_full(fl_generator *g, void *data, int64_t n, int dtype);
/* Fisher-Yates with a draw modulo the rest, as torch.randperm. */
void random_permutation(fl_generator *g, int64_t *data, int64_t n);

#endif
