/* mt19937 (Matsumoto and Nishimura, 1998) and PyTorch's transforms of its draws.
 *
 * Which draws an element takes, in which order, is what makes the numbers PyTorch's:
 *   uniform   float64 two draws (53 bits), the others one (24 bits, then rounded to the dtype)
 *   normal    16 elements and more: uniforms for all, then Box and Muller inside each block of 16,
 * element j with element j + 8; what is left over at the end: the last 16 elements are drawn again,
 * whole. Fewer: Box and Muller over doubles, the second value kept for the next call integers  one
 * draw, or two where the range is 2^28 or more, modulo the range Draws are made in turn; the
 * transforms of large normals run on the pool.
 */
#include "core/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/convert.h"
#include "core/error.h"
#include "core/iterate.h"
#include "core/memory.h"
#include "core/random_kernels.h"
#include "core/refs.h"
#include "core/threads.h"

enum { N = GENERATOR_WORDS, M = 397, BLOCK = 512 };

static const uint64_t DEFAULT_SEED = 67280421310721u; /* PyTorch's */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- The generator -------------------------------------------------------------------------- */

static void seed_state(fl_generator *g, uint64_t seed)
{
    g->seed = seed;
    g->state[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < N; j++)
        g->state[j] = 1812433253u * (g->state[j - 1] ^ (g->state[j - 1] >> 30)) + j;
    g->left = 1;
    g->next = 0;
    g->has_normal = false;
}

static inline uint32_t twist(uint32_t u, uint32_t v)
{
    uint32_t mixed = (u & 0x80000000u) | (v & 0x7fffffffu);
    return (mixed >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
}

static void next_block(fl_generator *g)
{
    uint32_t *s = g->state;
    for (int j = 0; j < N - M; j++)
        s[j] = s[j + M] ^ twist(s[j], s[j + 1]);
    for (int j = N - M; j < N - 1; j++)
        s[j] = s[j + M - N] ^ twist(s[j], s[j + 1]);
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
    g->left = N;
    g->next = 0;
}

static inline uint32_t temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t generator_u32(fl_generator *g)
{
    assert(g->left >= 0);
    if (--g->left == 0)
        next_block(g);
    return temper(g->state[g->next++]);
}

uint64_t generator_u64(fl_generator *g)
{
    uint64_t high = generator_u32(g);
    return high << 32 | generator_u32(g);
}

float generator_uniform_float(fl_generator *g)
{
    return (float)(generator_u32(g) & 0xffffff) * 0x1p-24f;
}

double generator_uniform_double(fl_generator *g)
{
    return (double)(generator_u64(g) & 0x1fffffffffffff) * 0x1p-53;
}

/* n draws at once: the same as n calls of generator_u32. */
static void draw(fl_generator *g, int64_t n, uint32_t *out)
{
    while (n > 0) {
        if (g->left == 1) {
            next_block(g);
            g->left = N + 1; /* as if no draw of it had been taken */
        }
        int64_t count = n < g->left - 1 ? n : g->left - 1;
        const uint32_t *s = g->state + g->next;
        for (int64_t i = 0; i < count; i++)
            out[i] = temper(s[i]);
        g->left -= (int)count;
        g->next += (uint32_t)count;
        out += count;
        n -= count;
    }
}

static fl_generator default_generator = {.refs = 1, .lock = PTHREAD_MUTEX_INITIALIZER};

static void seed_default(void)
{
    seed_state(&default_generator, DEFAULT_SEED);
}

fl_generator *random_default(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, seed_default);
    return &default_generator;
}

fl_generator *generator_new(void)
{
    fl_generator *g = memory_zalloc(sizeof *g);
    if (!g)
        return NULL;
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    seed_state(g, DEFAULT_SEED);
    return g;
}

fl_generator *generator_retain(fl_generator *g)
{
    refs_add(&g->refs);
    return g;
}

void generator_release(fl_generator *g)
{
    if (!g || !refs_drop(&g->refs) || g == &default_generator)
        return;
    pthread_mutex_destroy(&g->lock);
    memory_free(g, sizeof *g);
}

void generator_seed(fl_generator *g, uint64_t seed)
{
    pthread_mutex_lock(&g->lock);
    seed_state(g, seed);
    pthread_mutex_unlock(&g->lock);
}

/* ---- State ---------------------------------------------------------------------------------- */

/* PyTorch's layout of the state. */
struct saved_state {
    uint64_t seed;
    int32_t left, seeded;
    uint64_t next;
    uint64_t state[N];
    double normal_x, normal_y, normal_rho;
    int32_t normal_is_valid;
    int32_t padding;
    float next_float_normal;
    bool has_float_normal;
};
_Static_assert(sizeof(struct saved_state) == GENERATOR_STATE_BYTES, "PyTorch's size");

void generator_get_state(fl_generator *g, void *bytes)
{
    struct saved_state s;
    memset(&s, 0, sizeof s);
    pthread_mutex_lock(&g->lock);
    s.seed = g->seed;
    s.left = g->left;
    s.seeded = 1;
    s.next = g->next;
    for (int i = 0; i < N; i++)
        s.state[i] = g->state[i];
    s.normal_is_valid = g->has_normal;
    s.normal_y = g->has_normal ? g->normal : 0;
    pthread_mutex_unlock(&g->lock);
    memcpy(bytes, &s, sizeof s);
}

int generator_set_state(fl_generator *g, const void *bytes, size_t size)
{
    if (size != GENERATOR_STATE_BYTES)
        return error_set(
            FL_RUNTIME_ERROR,
            "Expected a CPUGeneratorImplState of size %d but found the input RNG state "
            "size to be %zu",
            GENERATOR_STATE_BYTES, size);
    struct saved_state s;
    memcpy(&s, bytes, sizeof s);
    if (s.left < 1 || s.left > N || s.next > N || (uint64_t)s.left + s.next > N + 1)
        return error_set(FL_RUNTIME_ERROR, "Invalid mt19937 state");
    pthread_mutex_lock(&g->lock);
    g->seed = s.seed;
    g->left = s.left;
    g->next = (uint32_t)s.next;
    for (int i = 0; i < N; i++)
        g->state[i] = (uint32_t)s.state[i];
    g->has_normal = s.normal_is_valid != 0;
    g->normal = s.normal_y;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

/* ---- Uniform -------------------------------------------------------------------------------- */

static void uniform_double(fl_generator *g, double *data, int64_t n, double from, double to)
{
    for (int64_t i = 0; i < n; i++)
        data[i] = generator_uniform_double(g);
    ISA_PICK(random_kernels)->scale_double(n, data, to - from, from);
}

/* n uniforms in [0, 1). */
static void uniform_float(fl_generator *g, float *data, int64_t n)
{
    uint32_t draws[BLOCK];
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t count = least(n - done, BLOCK);
        draw(g, count, draws);
        for (int64_t i = 0; i < count; i++)
            data[done + i] = (float)(int32_t)(draws[i] & 0xffffff) * 0x1p-24f;
    }
}

/* A result that rounding in a small dtype has carried to the upper bound, which is excluded,
 * becomes the lower one. */
static void exclude_bound(int64_t n, uint16_t *data, int dtype, float low, float high)
{
    uint16_t bounds[2];
    convert_elements(2, bounds, dtype, 2, (float[]){low, high}, FL_FLOAT32, sizeof(float));
    for (int64_t i = 0; i < n; i++)
        data[i] = data[i] == bounds[1] ? bounds[0] : data[i];
}

static void uniform(fl_generator *g, char *data, int64_t n, int dtype, double from, double to)
{
    if (dtype == FL_FLOAT64) {
        uniform_double(g, (double *)data, n, from, to);
        return;
    }
    float low = (float)from, high = (float)to;
    float block[BLOCK];
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t count = least(n - done, BLOCK);
        float *at = dtype == FL_FLOAT32 ? (float *)data + done : block;
        uniform_float(g, at, count);
        ISA_PICK(random_kernels)->scale_float(count, at, high - low, low);
        if (at == block) {
            uint16_t *small = (uint16_t *)data + done;
            convert_elements(count, small, dtype, 2, block, FL_FLOAT32, sizeof(float));
            exclude_bound(count, small, dtype, low, high);
        }
    }
}

void random_uniform(fl_generator *g, void *data, int64_t n, int dtype, double from, double to)
{
    assert(n >= 0);
    assert(dtype_is_floating(dtype));
    pthread_mutex_lock(&g->lock);
    uniform(g, data, n, dtype, from, to);
    pthread_mutex_unlock(&g->lock);
}

/* ---- Normal --------------------------------------------------------------------------------- */

enum { PAIRS = 8, NORMAL_BLOCK = 2 * PAIRS, NORMAL_CHUNK = 4096 };

static void normal_double_16(double *x, double mean, double std)
{
    for (int j = 0; j < PAIRS; j++) {
        double radius = sqrt(-2 * log(1 - x[j]));
        double theta = 2.0 * M_PI * x[j + PAIRS];
        x[j] = fma(radius * cos(theta), std, mean);
        x[j + PAIRS] = fma(radius * sin(theta), std, mean);
    }
}

static void normal_double(fl_generator *g, double *data, int64_t n, double mean, double std)
{
    uniform_double(g, data, n, 0, 1);
    for (int64_t i = 0; i + NORMAL_BLOCK <= n; i += NORMAL_BLOCK)
        normal_double_16(data + i, mean, std);
    if (n % NORMAL_BLOCK) {
        uniform_double(g, data + n - NORMAL_BLOCK, NORMAL_BLOCK, 0, 1);
        normal_double_16(data + n - NORMAL_BLOCK, mean, std);
    }
}

struct normals {
    float *data;
    int64_t n;
    float mean, std;
};

static void transform_chunk(void *context, int64_t chunk)
{
    const struct normals *r = context;
    int64_t start = chunk * NORMAL_CHUNK;
    ISA_PICK(random_kernels)
        ->box_muller(least(r->n - start, NORMAL_CHUNK) / NORMAL_BLOCK, r->data + start, r->mean,
                     r->std);
}

static void normal_float(fl_generator *g, float *data, int64_t n, double mean, double std)
{
    struct normals r = {data, n, (float)mean, (float)std};
    uniform_float(g, data, n);
    threads_for((n + NORMAL_CHUNK - 1) / NORMAL_CHUNK, transform_chunk, &r);
    if (n % NORMAL_BLOCK) {
        struct normals tail = {data + n - NORMAL_BLOCK, NORMAL_BLOCK, r.mean, r.std};
        uniform_float(g, tail.data, NORMAL_BLOCK);
        transform_chunk(&tail, 0);
    }
}

double generator_normal_double(fl_generator *g)
{
    double x = g->normal;
    if (!g->has_normal) {
        double u1 = generator_uniform_double(g), u2 = generator_uniform_double(g);
        double radius = sqrt(-2.0 * log1p(-u2)), theta = 2.0 * M_PI * u1;
        g->normal = radius * sin(theta);
        x = radius * cos(theta);
    }
    g->has_normal = !g->has_normal;
    return x;
}

/* Fewer than 16: one at a time, over doubles. */
static void normal_few(fl_generator *g, char *data, int64_t n, int dtype, double mean, double std)
{
    int64_t size = (int64_t)dtype_size(dtype);
    for (int64_t i = 0; i < n; i++) {
        double x = fma(generator_normal_double(g), std, mean);
        convert_elements(1, data + i * size, dtype, 0, &x, FL_FLOAT64, 0);
    }
}

/* float16 and bfloat16: blocks of 16 floats, each drawn, transformed and rounded by itself. */
static void normal_small(fl_generator *g, char *data, int64_t n, int dtype, double mean, double std)
{
    float block[NORMAL_BLOCK];
    for (int64_t i = 0; i < n; i += NORMAL_BLOCK) {
        int64_t start = least(i, n - NORMAL_BLOCK);
        uniform_float(g, block, NORMAL_BLOCK);
        ISA_PICK(random_kernels)->box_muller(1, block, (float)mean, (float)std);
        convert_elements(NORMAL_BLOCK, data + 2 * start, dtype, 2, block, FL_FLOAT32,
                         sizeof(float));
    }
}

void random_normal(fl_generator *g, void *data, int64_t n, int dtype, double mean, double std)
{
    assert(n >= 0);
    assert(dtype_is_floating(dtype));
    pthread_mutex_lock(&g->lock);
    if (n < NORMAL_BLOCK)
        normal_few(g, data, n, dtype, mean, std);
    else if (dtype == FL_FLOAT64)
        normal_double(g, data, n, mean, std);
    else if (dtype == FL_FLOAT32)
        normal_float(g, data, n, mean, std);
    else
        normal_small(g, data, n, dtype, mean, std);
    pthread_mutex_unlock(&g->lock);
}

/* ---- Integers ------------------------------------------------------------------------------- */

static void integers(fl_generator *g, void *data, int64_t n, int dtype, int64_t from,
                     uint64_t range, bool wide)
{
    int64_t block[BLOCK], size = (int64_t)dtype_size(dtype);
    uint32_t draws[BLOCK];
    pthread_mutex_lock(&g->lock);
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t count = least(n - done, BLOCK);
        if (wide) {
            for (int64_t i = 0; i < count; i++) {
                uint64_t x = generator_u64(g);
                block[i] = (int64_t)((range ? x % range : x) + (uint64_t)from);
            }
        } else {
            draw(g, count, draws);
            for (int64_t i = 0; i < count; i++)
                block[i] = (int64_t)(draws[i] % (uint32_t)range + (uint64_t)from);
        }
        convert_elements(count, (char *)data + done * size, dtype, size, block, FL_INT64, 8);
    }
    pthread_mutex_unlock(&g->lock);
}

void random_integers(fl_generator *g, void *data, int64_t n, int dtype, int64_t from,
                     uint64_t range)
{
    integers(g, data, n, dtype, from, range, range == 0 || range >= UINT64_C(1) << 28);
}

void random_full(fl_generator *g, void *data, int64_t n, int dtype)
{
    uint64_t range = (UINT64_C(1) << dtype_digits(dtype)) + dtype_is_floating(dtype);
    integers(g, data, n, dtype, 0, range, dtype == FL_INT64 || dtype == FL_FLOAT64);
}

void random_permutation(fl_generator *g, int64_t *data, int64_t n)
{
    assert(n >= 0);
    pthread_mutex_lock(&g->lock);
    for (int64_t i = 0; i < n; i++)
        data[i] = i;
    bool wide = n >= UINT32_MAX / 20; /* there a 32-bit draw would be visibly uneven */
    for (int64_t i = 0; i < n - 1; i++) {
        uint64_t x = wide ? generator_u64(g) : generator_u32(g);
        int64_t z = i + (int64_t)(x % (uint64_t)(n - i));
        int64_t saved = data[i];
        data[i] = data[z];
        data[z] = saved;
    }
    pthread_mutex_unlock(&g->lock);
}
