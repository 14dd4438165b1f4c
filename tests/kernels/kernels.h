/* What the kernel tests share: random operands, comparison, time. */
#ifndef TESTS_KERNELS_KERNELS_H
#define TESTS_KERNELS_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../draws.h"
#include "core/half.h"
#include "core/tensor.h"

extern int failures;

/* Element i as a double; integers of 64 bits wrap by themselves in the tests' small range. */
static inline double element_get(const void *data, fl_dtype dtype, int64_t i)
{
    switch (dtype) {
    case FL_UINT8:
        return ((const uint8_t *)data)[i];
    case FL_INT8:
        return ((const int8_t *)data)[i];
    case FL_INT16:
        return ((const int16_t *)data)[i];
    case FL_INT32:
        return ((const int32_t *)data)[i];
    case FL_INT64:
        return (double)((const int64_t *)data)[i];
    case FL_FLOAT16:
        return half_to_float(((const uint16_t *)data)[i]);
    case FL_BFLOAT16:
        return bf16_to_float(((const uint16_t *)data)[i]);
    case FL_FLOAT32:
        return ((const float *)data)[i];
    default:
        return ((const double *)data)[i];
    }
}

static inline void element_set(void *data, fl_dtype dtype, int64_t i, double x)
{
    switch (dtype) {
    case FL_UINT8:
    case FL_INT8:
        ((uint8_t *)data)[i] = (uint8_t)(int64_t)x;
        break;
    case FL_INT16:
        ((uint16_t *)data)[i] = (uint16_t)(int64_t)x;
        break;
    case FL_INT32:
        ((uint32_t *)data)[i] = (uint32_t)(int64_t)x;
        break;
    case FL_INT64:
        ((int64_t *)data)[i] = (int64_t)x;
        break;
    case FL_FLOAT16:
        ((uint16_t *)data)[i] = float_to_half((float)x);
        break;
    case FL_BFLOAT16:
        ((uint16_t *)data)[i] = float_to_bf16((float)x);
        break;
    case FL_FLOAT32:
        ((float *)data)[i] = (float)x;
        break;
    default:
        ((double *)data)[i] = x;
    }
}

static inline bool dtype_is_integer(fl_dtype dtype)
{
    return dtype <= FL_INT64;
}

/* The relative step of the dtype. */
static inline double dtype_epsilon(fl_dtype dtype)
{
    return dtype == FL_FLOAT32   ? 1.2e-7
           : dtype == FL_FLOAT64 ? 2.3e-16
           : dtype == FL_FLOAT16 ? 1e-3
                                 : 8e-3;
}

/* An array of exactly count elements (so that a sanitizer sees the end), filled at random. */
static inline void *random_array(fl_dtype dtype, int64_t count)
{
    void *data = malloc((size_t)count * dtype_size(dtype) + (count == 0));
    for (int64_t i = 0; i < count; i++)
        element_set(data, dtype, i,
                    dtype_is_integer(dtype) ? (double)(random_below(15) - 7) : random_real());
    return data;
}

/* CLOCK_MONOTONIC, or for one thread on a busy machine CLOCK_PROCESS_CPUTIME_ID. */
extern clockid_t bench_clock;

static inline double now(void)
{
    struct timespec t;
    clock_gettime(bench_clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best time of one call of body(context), tried for about `seconds`. */
static inline double best_time(void (*body)(void *), void *context, double seconds)
{
    body(context);
    double start = now(), once = now();
    body(context);
    once = now() - once;
    int repeat = once < 2e-5 ? (int)(2e-5 / (once + 1e-9)) + 1 : 1;
    double best = 1e9;
    do {
        double t = now();
        for (int i = 0; i < repeat; i++)
            body(context);
        t = (now() - t) / repeat;
        if (t < best)
            best = t;
    } while (now() - start < seconds);
    return best;
}

void test_fma(void);
void test_gemm(void);
void bench_gemm(void);
void test_conv2d(void);
void test_conv2d_bits(void);
void bench_conv2d(void);

#endif
