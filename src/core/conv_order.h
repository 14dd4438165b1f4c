/* The order in which a convolution's sums are added up, by its shape alone: the CPU and the devices
 * with kernels follow it alike, so that their results have the same bits. */
#ifndef FLAMBEAU_CORE_CONV_ORDER_H
#define FLAMBEAU_CORE_CONV_ORDER_H

#include <assert.h>
#include <stdint.h>

static inline int64_t conv_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Outputs and input gradients: planes are taken so many at a time, each time through all taps. The
 * largest divisor of planes from 8 to 16, or planes. */
static inline int64_t conv_depth(int64_t planes)
{
    assert(planes >= 0);
    for (int64_t depth = 16; depth >= 8; depth--)
        if (planes % depth == 0)
            return depth;
    return planes;
}

/* Weight gradients: pixels are cut into units of a few hundred, some images or some lines of one,
 * and units into splits. A unit's sum is one chain; a split's is that of its units in order, and
 * the result that of the splits in order. */
struct conv_cut {
    int64_t unit_images, units_of_image; /* one of them is 1 */
    int64_t units, splits;
};

enum { CONV_FILTER_BLOCK = 64 };

/* channels and filters: of a group; size: of an element, bytes. */
static inline struct conv_cut conv_cut(int64_t images, int64_t rows, int64_t cols, int64_t taps,
                                       int64_t channels, int64_t filters, int64_t groups,
                                       int64_t size)
{
    enum {
        UNIT_PIXELS = 768,
        CHUNKS = 16,           /* wanted, where there is work for so many */
        LEAST_CHUNK = 1 << 18, /* multiply-adds */
        MOST_SUMS = 32 << 20   /* bytes of all splits' sums */
    };
    const int64_t pixels = rows * cols;
    assert(images > 0 && pixels > 0 && channels > 0 && filters > 0);
    struct conv_cut c;
    c.unit_images = conv_least(images, pixels < UNIT_PIXELS ? UNIT_PIXELS / pixels : 1);
    c.units_of_image =
        c.unit_images > 1 ? 1 : conv_least(rows, (pixels + UNIT_PIXELS - 1) / UNIT_PIXELS);
    c.units = c.units_of_image > 1 ? images * c.units_of_image
                                   : (images + c.unit_images - 1) / c.unit_images;
    const int64_t pitch = (conv_least(filters, CONV_FILTER_BLOCK) + 15) / 16 * 16;
    const int64_t blocks = groups * ((filters + CONV_FILTER_BLOCK - 1) / CONV_FILTER_BLOCK);
    const int64_t work = images * pixels * channels * taps * pitch * blocks;
    c.splits = conv_least(conv_least((CHUNKS + blocks - 1) / blocks, c.units), work / LEAST_CHUNK);
    c.splits = conv_least(c.splits, MOST_SUMS / (blocks * taps * channels * pitch * size));
    c.splits = c.splits < 1 ? 1 : c.splits;
    return c;
}

#endif
