/* The kernel of distances.h for one type: REAL_BITS, and INDEX, the integer as wide. Included once for
 * each by distances.simd.c. */
#include "ops/matmul/gemm_vector.h"

typedef INDEX NAME(lane) __attribute__((vector_size(VECTOR_BYTES)));

enum { NAME(VECTORS) = 4, NAME(WIDTH) = NAME(VECTORS) * LANES };

/* The rows of one panel of b, turned: to[c * WIDTH + j]; what is missing in the last panel is 0. */
static void NAME(turn)(const struct distances *d, int64_t first, int64_t count, real *to)
{
    const real *from = (const real *)d->b + first * d->columns;
    for (int64_t j = 0; j < NAME(WIDTH); j++)
        for (int64_t c = 0; c < d->columns; c++)
            to[c * NAME(WIDTH) + j] = j < count ? from[j * d->columns + c] : 0;
}

INLINE vec NAME(choose)(NAME(lane) which, vec yes, vec no)
{
    return (vec)((which & (NAME(lane))yes) | (~which & (NAME(lane))no));
}

INLINE vec NAME(greatest)(vec a, vec b) /* NaN is greater than all */
{
    return NAME(choose)((NAME(lane))(b > a) | (NAME(lane))(b != b), b, a);
}

/* One difference more in a sum or in a maximum. */
INLINE vec NAME(join)(vec sum, vec gap, double p, const enum order how)
{
    if (how == ORDER_TWO)
        return NAME(fma)(gap, gap, sum);
    const vec size =
        (vec)((NAME(lane))gap & (INDEX)(((uint64_t)1 << (REAL_BITS - 1)) - 1)); /* |gap| */
    if (how == ORDER_ZERO) {
        const vec one = NAME(choose)((NAME(lane))(gap != 0), NAME(splat)(1), (vec){0});
        return sum + NAME(choose)((NAME(lane))(gap != gap), gap, one);
    }
    if (how == ORDER_MOST)
        return NAME(greatest)(sum, size);
    if (how == ORDER_ONE)
        return sum + size;
    real powers[LANES];
    memcpy(powers, &size, sizeof powers);
    for (int i = 0; i < LANES; i++)
        powers[i] = NAME(m_pow)(powers[i], (real)p);
    return sum + *(const vec_loose *)powers;
}

/* The distances of one row of a to a panel. */
INLINE void NAME(row)(const struct distances *d, const real *a, const real *turned,
                      const enum order how, real *y)
{
    vec total[NAME(VECTORS)] = {{0}};
    for (int64_t from = 0; from < d->columns; from += DISTANCE_STRETCH) {
        const int64_t to =
            d->columns - from < DISTANCE_STRETCH ? d->columns : from + DISTANCE_STRETCH;
        vec sum[NAME(VECTORS)] = {{0}};
        for (int64_t c = from; c < to; c++)
            for (int k = 0; k < NAME(VECTORS); k++)
                sum[k] = NAME(join)(sum[k], a[c] - NAME(load)(turned + c * NAME(WIDTH) + k * LANES),
                                    d->p, how);
        for (int k = 0; k < NAME(VECTORS); k++)
            total[k] = how == ORDER_MOST ? NAME(greatest)(total[k], sum[k]) : total[k] + sum[k];
    }
    for (int k = 0; k < NAME(VECTORS); k++)
        NAME(store)(y + k * LANES, total[k]);
    for (int j = 0; j < NAME(WIDTH) && how == ORDER_TWO; j++)
        y[j] = NAME(m_sqrt)(y[j]);
    for (int j = 0; j < NAME(WIDTH) && how == ORDER_ANY; j++)
        y[j] = NAME(m_pow)(y[j], (real)(1 / d->p));
}

static void NAME(rows)(const struct distances *d, const real *turned, int64_t first, int64_t count,
                       const enum order how)
{
    real y[NAME(WIDTH)];
    for (int64_t i = 0; i < d->rows; i++) {
        const real *a = (const real *)d->a + i * d->columns;
        switch (how) {
        case ORDER_ZERO:
            NAME(row)(d, a, turned, ORDER_ZERO, y);
            break;
        case ORDER_ONE:
            NAME(row)(d, a, turned, ORDER_ONE, y);
            break;
        case ORDER_TWO:
            NAME(row)(d, a, turned, ORDER_TWO, y);
            break;
        case ORDER_MOST:
            NAME(row)(d, a, turned, ORDER_MOST, y);
            break;
        default:
            NAME(row)(d, a, turned, ORDER_ANY, y);
        }
        memcpy((real *)d->y + i * d->others + first, y, sizeof *y * (size_t)count);
    }
}

static void NAME(panel)(const struct distances *d, int64_t panel, void *scratch)
{
    const int64_t first = panel * NAME(WIDTH);
    const int64_t left = d->others - first, count = left < NAME(WIDTH) ? left : NAME(WIDTH);
    assert(count > 0);
    NAME(turn)(d, first, count, scratch);
    NAME(rows)(d, scratch, first, count, order_of(d->p));
}
