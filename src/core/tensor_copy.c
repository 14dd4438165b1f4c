/* Copies between tensors of the same sizes, any strides, any dtypes.
 *
 * The dims are put into the order of the result's memory and merged; what is left is a run (one
 * dim), rows, or a transposition: the source walks contiguously along another dim than the result.
 * A transposition goes by tiles of TILE x TILE elements, which a cache holds whichever way they are
 * walked; whole cache lines of both sides are used while they are there.
 */
#include <assert.h>
#include <string.h>

#include "core/convert.h"
#include "core/device.h"
#include "core/error.h"
#include "core/iterate.h"
#include "core/threads.h"
#include "core/walk.h"
#include "core/warning.h"

enum { GRAIN = 32768, TILE = 64, FEW_ROWS = 16, BLOCK_ROWS = 256, SHORT_ROW = 512 /* bytes */ };

struct copy {
    struct walk w; /* operand 0 the result, 1 the source */
    char *to;
    const char *from;
    int to_dtype, from_dtype;
    bool apart; /* in two storages: a copy within one goes element by element, as PyTorch's does */
    int64_t rows_a_chunk;
    /* Transposition: the dim along which the source is contiguous, and tiles along it and along the
     * last. */
    int across;
    int64_t across_tiles, last_tiles, tiles_a_chunk, tiles;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- One dim -------------------------------------------------------------------------------- */

static void copy_run(void *context, int64_t chunk)
{
    const struct copy *c = context;
    int64_t start = chunk * GRAIN, to_stride = c->w.strides[0][0], from_stride = c->w.strides[1][0];
    convert_elements(least(GRAIN, c->w.sizes[0] - start), c->to + start * to_stride, c->to_dtype,
                     to_stride, c->from + start * from_stride, c->from_dtype, from_stride);
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* So many rows of few elements, neighbours along the last dim but one, a column after the other. */
static void copy_columns(const struct walk *w, int64_t rows, size_t element, char *to,
                         const char *from)
{
    const int last = w->ndim - 1;
    assert(last > 0 && rows <= w->sizes[last - 1]);
    for (int64_t k = 0; k < w->sizes[last]; k++)
        convert_move(rows, element, to + k * w->strides[0][last], w->strides[0][last - 1],
                     from + k * w->strides[1][last], w->strides[1][last - 1]);
}

/* So many rows of `bytes` neighbours, in pieces of `size`, the last of which ends where the row ends. */
#define ROW_PIECES(size)                                                                           \
    for (int64_t r = 0; r < rows; r++, to += to_row, from += from_row) {                           \
        for (int64_t i = 0; i + (size) < bytes; i += (size))                                       \
            memcpy(to + i, from + i, size);                                                        \
        memcpy(to + bytes - (size), from + bytes - (size), size);                                  \
    }

static void copy_short_rows(int64_t rows, int64_t bytes, char *to, int64_t to_row, const char *from,
                            int64_t from_row)
{
    assert(bytes > 0);
    if (bytes >= 32)
        ROW_PIECES(32)
    else if (bytes >= 16)
        ROW_PIECES(16)
    else if (bytes >= 8)
        ROW_PIECES(8)
    else if (bytes >= 4)
        ROW_PIECES(4)
    else if (bytes >= 2)
        ROW_PIECES(2)
    else
        ROW_PIECES(1)
}

static void copy_rows(void *context, int64_t chunk)
{
    const struct copy *c = context;
    const struct walk *w = &c->w;
    int last = w->ndim - 1;
    int64_t size = w->sizes[last], rows = w->numel / size;
    int64_t row = chunk * c->rows_a_chunk, end = least(rows, row + c->rows_a_chunk);
    int64_t at[TENSOR_MAX_DIMS + 1];
    walk_coordinates(w, row * size, at);
    char *to = c->to + walk_offset(w, 0, at);
    const char *from = c->from + walk_offset(w, 1, at);
    const int64_t element = (int64_t)dtype_size(c->to_dtype);
    const bool neighbours =
        c->apart && w->strides[0][last] == element && w->strides[1][last] == element;
    const bool plain = c->to_dtype == c->from_dtype &&
                       (size < WALK_SHORT_RUN || (neighbours && size * element <= SHORT_ROW));
    for (int64_t together = 1; row < end; row += together) {
        const int64_t left = least(w->sizes[last - 1] - at[last - 1], end - row);
        together = plain && (neighbours || left >= FEW_ROWS) ? least(left, BLOCK_ROWS) : 1;
        if (plain && neighbours)
            copy_short_rows(together, size * element, to, w->strides[0][last - 1], from,
                            w->strides[1][last - 1]);
        else if (together > 1)
            copy_columns(w, together, (size_t)element, to, from);
        else if (plain && element >= 4)
            walk_move_short(size, element, to, w->strides[0][last], from, w->strides[1][last]);
        else
            convert_elements(size, to, c->to_dtype, w->strides[0][last], from, c->from_dtype,
                             w->strides[1][last]);
        for (int d = last - 1; d >= 0; d--) {
            const int64_t step = d == last - 1 ? together : 1;
            to += step * w->strides[0][d];
            from += step * w->strides[1][d];
            if ((at[d] += step) < w->sizes[d])
                break;
            to -= at[d] * w->strides[0][d];
            from -= at[d] * w->strides[1][d];
            at[d] = 0;
        }
    }
}

/* ---- Transposition -------------------------------------------------------------------------- */

/* The dim, other than the last, along which the source is contiguous while along the last it is
 * not; -1 for none. */
static int transposed_dim(const struct walk *w, int64_t to_size, int64_t from_size)
{
    int last = w->ndim - 1;
    if (w->strides[0][last] != to_size || w->strides[1][last] == from_size ||
        w->strides[1][last] == 0 || w->sizes[last] < 4)
        return -1;
    for (int d = 0; d < last; d++)
        if (w->strides[1][d] == from_size && w->sizes[d] >= 4)
            return d;
    return -1;
}

static void copy_tile(const struct copy *c, char *to, const char *from, int64_t rows,
                      int64_t columns)
{
    const struct walk *w = &c->w;
    int64_t to_stride = w->strides[0][c->across], from_stride = w->strides[1][w->ndim - 1];
    int log2 = __builtin_ctz((unsigned)dtype_size(c->from_dtype));
    if (c->to_dtype == c->from_dtype) {
        ISA_PICK(convert_kernels)->transpose[log2](rows, columns, to, to_stride, from, from_stride);
        return;
    }
    _Alignas(64) char tile[TILE * TILE * 16];
    int64_t size = (int64_t)dtype_size(c->from_dtype);
    ISA_PICK(convert_kernels)->transpose[log2](rows, columns, tile, TILE * size, from, from_stride);
    for (int64_t r = 0; r < rows; r++)
        convert_elements(columns, to + r * to_stride, c->to_dtype, w->strides[0][w->ndim - 1],
                         tile + r * TILE * size, c->from_dtype, size);
}

static void copy_tiles(void *context, int64_t chunk)
{
    const struct copy *c = context;
    const struct walk *w = &c->w;
    int last = w->ndim - 1;
    int64_t end = least(c->tiles, (chunk + 1) * c->tiles_a_chunk);
    for (int64_t tile = chunk * c->tiles_a_chunk; tile < end; tile++) {
        int64_t column = tile % c->last_tiles * TILE;
        int64_t row = tile / c->last_tiles % c->across_tiles * TILE;
        int64_t outer = tile / c->last_tiles / c->across_tiles;
        char *to = c->to + column * w->strides[0][last] + row * w->strides[0][c->across];
        const char *from = c->from + column * w->strides[1][last] + row * w->strides[1][c->across];
        for (int d = last - 1; d >= 0; d--) {
            if (d == c->across)
                continue;
            int64_t at = outer % w->sizes[d];
            outer /= w->sizes[d];
            to += at * w->strides[0][d];
            from += at * w->strides[1][d];
        }
        copy_tile(c, to, from, least(TILE, w->sizes[c->across] - row),
                  least(TILE, w->sizes[last] - column));
    }
}

/* ---- Choice --------------------------------------------------------------------------------- */

static void copy_walk(struct copy *c)
{
    struct walk *w = &c->w;
    int last = w->ndim - 1;
    if (last == 0) {
        threads_for((w->sizes[0] + GRAIN - 1) / GRAIN, copy_run, c);
        return;
    }
    c->across =
        transposed_dim(w, (int64_t)dtype_size(c->to_dtype), (int64_t)dtype_size(c->from_dtype));
    if (c->across >= 0) {
        c->last_tiles = (w->sizes[last] + TILE - 1) / TILE;
        c->across_tiles = (w->sizes[c->across] + TILE - 1) / TILE;
        int64_t outer = w->numel / (w->sizes[last] * w->sizes[c->across]);
        c->tiles = outer * c->last_tiles * c->across_tiles;
        int64_t a_tile = w->numel / c->tiles;
        c->tiles_a_chunk = a_tile >= GRAIN ? 1 : GRAIN / (a_tile ? a_tile : 1);
        threads_for((c->tiles + c->tiles_a_chunk - 1) / c->tiles_a_chunk, copy_tiles, c);
        return;
    }
    int64_t rows = w->numel / w->sizes[last];
    c->rows_a_chunk = w->sizes[last] >= GRAIN ? 1 : GRAIN / w->sizes[last];
    threads_for((rows + c->rows_a_chunk - 1) / c->rows_a_chunk, copy_rows, c);
}

/* Not inlined, and field by field: a walk is kilobytes, and short copies must not clear it. */
static __attribute__((noinline)) void copy_long(fl_tensor *dst, const fl_tensor *src)
{
    struct copy c;
    c.to = tensor_data(dst), c.to_dtype = dst->dtype;
    c.from = tensor_data(src), c.from_dtype = src->dtype;
    c.apart = dst->storage != src->storage;
    if (dst->flags & src->flags & TENSOR_CONTIGUOUS) {
        c.w.ndim = 1;
        c.w.numel = c.w.sizes[0] = dst->numel;
        c.w.strides[0][0] = (int64_t)dtype_size(dst->dtype);
        c.w.strides[1][0] = (int64_t)dtype_size(src->dtype);
    } else {
        walk_begin(&c.w, dst->ndim, dst->sizes);
        walk_add(&c.w, dst->ndim, dst->sizes, dst->strides, dtype_size(dst->dtype));
        walk_add(&c.w, src->ndim, src->sizes, src->strides, dtype_size(src->dtype));
        walk_merge(&c.w);
    }
    copy_walk(&c);
}

int tensor_copy(fl_tensor *dst, const fl_tensor *src)
{
    assert(shape_equal(dst, src));
    assert(dst->storage && src->storage);
    if (dst->lanes || src->lanes)
        return error_set(FL_RUNTIME_ERROR,
                         "vmap: this operation looks at the elements of a tensor, of which there "
                         "are those of each sample");
    if ((dst->flags | src->flags) & TENSOR_IN_OBJECT)
        return tensor_refuse_in_object("copy_");
    if ((dst->flags | src->flags) & TENSOR_ELSEWHERE)
        return device_copy(dst, src);
    char *to = tensor_data(dst);
    const char *from = tensor_data(src);
    if (dst->numel == 0 || (to == from && dst->dtype == src->dtype &&
                            memcmp(dst->strides, src->strides, (size_t)dst->ndim * 8) == 0))
        return 0;
    if (dst->flags & src->flags & TENSOR_CONTIGUOUS && dst->numel <= GRAIN)
        convert_elements(dst->numel, to, dst->dtype, (int64_t)dtype_size(dst->dtype), from,
                         src->dtype, (int64_t)dtype_size(src->dtype));
    else
        copy_long(dst, src);
    return 0;
}

int tensor_warn_parts(const fl_tensor *src, int dtype)
{
    static atomic_bool given;
    return dtype_is_complex(src->dtype) && !dtype_is_complex(dtype)
               ? warning_once(&given, "Casting complex values to real discards the imaginary part")
               : 0;
}
