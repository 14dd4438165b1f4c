/* Dims into memory order, merged. */
#include "core/walk.h"

#include <assert.h>

void walk_begin(struct walk *w, int ndim, const int64_t *sizes)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    w->ndim = ndim;
    w->operands = 0;
    w->numel = 1;
    for (int i = 0; i < ndim; i++) {
        w->sizes[i] = sizes[i];
        w->numel *= sizes[i];
    }
}

void walk_add(struct walk *w, int ndim, const int64_t *sizes, const int64_t *strides,
              size_t element)
{
    assert(w->operands < WALK_MAX_OPERANDS);
    assert(ndim <= w->ndim);
    int64_t *own = w->strides[w->operands++];
    int missing = w->ndim - ndim;
    for (int i = 0; i < missing; i++)
        own[i] = 0;
    for (int i = 0; i < ndim; i++)
        own[missing + i] = sizes[i] == 1 ? 0 : strides[i] * (int64_t)element;
}

/* Whether dim `a` belongs inside dim `b`: the first operand that walks along both says so. */
static bool belongs_inside(const struct walk *w, int a, int b)
{
    for (int k = 0; k < w->operands; k++) {
        int64_t x = w->strides[k][a], y = w->strides[k][b];
        if (x && y && x != y)
            return x < y;
    }
    return false;
}

static void swap_dims(struct walk *w, int a, int b)
{
    int64_t size = w->sizes[a];
    w->sizes[a] = w->sizes[b];
    w->sizes[b] = size;
    for (int k = 0; k < w->operands; k++) {
        int64_t stride = w->strides[k][a];
        w->strides[k][a] = w->strides[k][b];
        w->strides[k][b] = stride;
    }
}

static bool runs_on(const struct walk *w, int outer, int inner)
{
    for (int k = 0; k < w->operands; k++)
        if (w->strides[k][outer] != w->strides[k][inner] * w->sizes[inner])
            return false;
    return true;
}

void walk_merge(struct walk *w)
{
    int kept = 0;
    for (int i = 0; i < w->ndim; i++) {
        if (w->sizes[i] == 1)
            continue;
        if (kept != i)
            swap_dims(w, kept, i);
        kept++;
    }
    for (int i = 1; i < kept; i++)
        for (int j = i; j > 0 && belongs_inside(w, j - 1, j); j--)
            swap_dims(w, j - 1, j);
    int last = 0;
    for (int i = 1; i < kept; i++) {
        if (runs_on(w, last, i)) {
            w->sizes[last] *= w->sizes[i];
            for (int k = 0; k < w->operands; k++)
                w->strides[k][last] = w->strides[k][i];
        } else if (++last != i) {
            swap_dims(w, last, i);
        }
    }
    w->ndim = last + 1;
    if (kept == 0) {
        w->sizes[0] = 1;
        for (int k = 0; k < w->operands; k++)
            w->strides[k][0] = 0;
    }
}

void walk_coordinates(const struct walk *w, int64_t element, int64_t *coordinates)
{
    assert(element >= 0 && element < w->numel);
    for (int i = w->ndim - 1; i > 0; i--) {
        int64_t whole = element / w->sizes[i];
        coordinates[i] = element - whole * w->sizes[i];
        element = whole;
    }
    coordinates[0] = element;
}

int64_t walk_offset(const struct walk *w, int operand, const int64_t *coordinates)
{
    assert(operand >= 0 && operand < w->operands);
    int64_t offset = 0;
    for (int i = 0; i < w->ndim; i++)
        offset += coordinates[i] * w->strides[operand][i];
    return offset;
}
