/* The dense building block for each instruction set: gemm_tile.h in float32 and float64, and half
 * precision's way in and out. */
#include "ops/matmul/gemm.h"

#include "core/half.h"

/* Rows of a tile: as many as leave room among the registers for a row of B. */
#if defined(__AVX512F__)
#define TILE_ROWS 14
#elif defined(__AVX2__)
#define TILE_ROWS 6
#elif defined(__aarch64__)
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif

#define REAL_BITS 32
#include "ops/matmul/gemm_tile.h"
#undef REAL_BITS
#define REAL_BITS 64
#include "ops/matmul/gemm_tile.h"

static void widen(const uint16_t *src, float *dst, int64_t count, bool bfloat)
{
    if (bfloat)
        for (int64_t i = 0; i < count; i++)
            dst[i] = bf16_to_float(src[i]);
    else
        for (int64_t i = 0; i < count; i++)
            dst[i] = half_to_float(src[i]);
}

static void narrow(const float *src, uint16_t *dst, int64_t count, bool bfloat)
{
    if (bfloat)
        for (int64_t i = 0; i < count; i++)
            dst[i] = float_to_bf16(src[i]);
    else
        for (int64_t i = 0; i < count; i++)
            dst[i] = float_to_half(src[i]);
}

const struct gemm_table FL_SIMD(gemm_table) = {
    .f32 = &kernels_f32, .f64 = &kernels_f64, .widen = widen, .narrow = narrow};
