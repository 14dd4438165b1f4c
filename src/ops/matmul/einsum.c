/* Sums of products over named dims. An operand becomes a term: a tensor whose dims have distinct
 * names, a letter each or a place of the ellipsis, counted from its end. Terms are taken from left
 * to right, two at a time, as one batch of matrix products.
 */
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops_kernels.h"

enum { LETTERS = 52, NAMES = LETTERS + TENSOR_MAX_DIMS, EINSUM_MAX = 64 };

struct term {
    fl_tensor *t;
    int count;
    uint8_t name[TENSOR_MAX_DIMS];
};

static int name_of_letter(char c)
{
    return c >= 'a' ? c - 'a' + 26 : c - 'A';
}

static char letter_of_name(int name)
{
    assert(name >= 0 && name < NAMES);
    return name >= LETTERS ? '.' : (char)(name < 26 ? 'A' + name : 'a' + name - 26);
}

static int place_of(const struct term *a, int name)
{
    assert(a->count >= 0 && a->count <= TENSOR_MAX_DIMS);
    const uint8_t *found = memchr(a->name, name, (size_t)a->count);
    return found ? (int)(found - a->name) : -1;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int refuse_letter(const char *equation, const char *at)
{
    return error_set(FL_RUNTIME_ERROR,
                     "einsum(): invalid subscript given at index %d in the equation string, "
                     "subscripts must be in [a-zA-Z]",
                     (int)(at - equation));
}

/* ---- Reading the equation -------------------------------------------------------------------- */

/* What a term looks like as written: letters, and where an ellipsis stands among them. */
struct subscripts {
    int count, ellipsis; /* ellipsis -1: none */
    uint8_t letter[TENSOR_MAX_DIMS];
};

static int add_letter(struct subscripts *s, const char *equation, const char *at)
{
    if (!is_letter(*at))
        return refuse_letter(equation, at);
    if (s->count == TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "einsum(): more than %d subscripts", TENSOR_MAX_DIMS);
    s->letter[s->count++] = (uint8_t)name_of_letter(*at);
    return 0;
}

/* Reads operand number `number`, up to a comma or the end; *at goes there. */
static int read_operand(const char *equation, const char **at, const char *end, int number,
                        struct subscripts *s)
{
    *s = (struct subscripts){.ellipsis = -1};
    for (; *at < end && **at != ','; ++*at) {
        if (**at == ' ')
            continue;
        if (**at != '.') {
            if (add_letter(s, equation, *at))
                return -1;
            continue;
        }
        if (s->ellipsis >= 0)
            return error_set(FL_RUNTIME_ERROR,
                             "einsum(): found '.' for operand %d for which an ellipsis was already "
                             "found",
                             number);
        if (end - *at < 3 || strncmp(*at, "...", 3) != 0)
            return error_set(FL_RUNTIME_ERROR,
                             "einsum(): found '.' for operand %d that is not part of any ellipsis",
                             number);
        s->ellipsis = s->count;
        *at += 2;
    }
    return 0;
}

/* Gives every dim of t its name. */
static int name_dims(const struct subscripts *s, fl_tensor *t, int number, struct term *term)
{
    int spare = t->ndim - s->count;
    bool dots = s->ellipsis >= 0;
    if (spare < 0 || (spare && !dots))
        return error_set(FL_RUNTIME_ERROR,
                         "einsum(): the number of subscripts in the equation (%d) %s the number of "
                         "dimensions (%d) for operand %d%s",
                         s->count, dots ? "is more than" : "does not match", t->ndim, number,
                         dots ? "" : " and no ellipsis was given");
    term->t = t, term->count = 0;
    for (int i = 0; i <= s->count; i++) {
        for (int k = spare; i == s->ellipsis && k > 0; k--)
            term->name[term->count++] = (uint8_t)(NAMES - k);
        if (i < s->count)
            term->name[term->count++] = s->letter[i];
    }
    return 0;
}

/* Takes diagonals, so that each name stands once. */
static int take_diagonals(struct term *a, int number)
{
    assert(a->count == a->t->ndim);
    for (int i = 0; i < a->count; i++) {
        int j = i + 1;
        while (j < a->count && a->name[j] != a->name[i])
            j++;
        if (j == a->count)
            continue;
        if (a->t->sizes[i] != a->t->sizes[j])
            return error_set(FL_RUNTIME_ERROR,
                             "einsum(): subscript %c is repeated for operand %d but the sizes "
                             "don't match, %lld != %lld",
                             letter_of_name(a->name[i]), number, (long long)a->t->sizes[j],
                             (long long)a->t->sizes[i]);
        uint8_t name = a->name[i];
        if (!(a->t = fl_diagonal(a->t, 0, i, j)))
            return -1;
        int kept = 0;
        for (int d = 0; d < a->count; d++)
            if (d != i && d != j)
                a->name[kept++] = a->name[d];
        a->name[kept++] = name;
        a->count = kept;
        i = -1;
    }
    return 0;
}

/* The names of the output: as written, or the ellipsis and then what stands once, in order. */
static int read_output(const char *equation, const char *arrow, const struct term *terms, int count,
                       const int *times, struct term *output)
{
    int wide = 0;
    for (int i = 0; i < count; i++)
        for (int d = 0; d < terms[i].count; d++)
            if (terms[i].name[d] >= LETTERS && NAMES - terms[i].name[d] > wide)
                wide = NAMES - terms[i].name[d];
    output->count = 0;
    bool dots = false;
    for (const char *c = arrow ? arrow + 2 : ""; *c; c++) {
        if (*c == ' ')
            continue;
        if (*c == '.') {
            if (dots)
                return error_set(FL_RUNTIME_ERROR, "einsum(): found '.' for output but an ellipsis "
                                                   "(...) was already found");
            if (strncmp(c, "...", 3) != 0)
                return error_set(FL_RUNTIME_ERROR, "einsum(): found '.' for output that is not "
                                                   "part of any ellipsis (...)");
            dots = true, c += 2;
            for (int k = wide; k > 0 && output->count < TENSOR_MAX_DIMS; k--)
                output->name[output->count++] = (uint8_t)(NAMES - k);
            continue;
        }
        if (!is_letter(*c))
            return refuse_letter(equation, c);
        int name = name_of_letter(*c);
        bool twice = place_of(output, name) >= 0;
        if (twice || !times[name] || output->count == TENSOR_MAX_DIMS)
            return error_set(FL_RUNTIME_ERROR, "einsum(): output subscript %c %s", *c,
                             twice ? "appears more than once in the output"
                                   : "does not appear in the equation for any input operand");
        output->name[output->count++] = (uint8_t)name;
    }
    if (arrow)
        return 0;
    for (int k = wide; k > 0; k--)
        output->name[output->count++] = (uint8_t)(NAMES - k);
    for (int name = 0; name < LETTERS && output->count < TENSOR_MAX_DIMS; name++)
        if (times[name] == 1)
            output->name[output->count++] = (uint8_t)name;
    return 0;
}

/* ---- Products -------------------------------------------------------------------------------- */

/* Sums the dims of a that `kept` does not name. */
static int sum_others(struct term *a, const bool *kept)
{
    assert(a->count == a->t->ndim);
    int64_t dims[TENSOR_MAX_DIMS];
    int gone = 0, stays = 0;
    for (int d = 0; d < a->count; d++)
        if (kept[a->name[d]])
            a->name[stays++] = a->name[d];
        else
            dims[gone++] = d;
    a->count = stays;
    if (gone)
        a->t = fl_sum_dim_intlist(a->t, (fl_ints){dims, gone}, false, FL_NO_DTYPE);
    return a->t ? 0 : -1;
}

/* t as those sizes, itself where it has them. */
static fl_tensor *as_sizes(fl_tensor *t, const int64_t *sizes, int ndim)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    const bool same =
        t && t->ndim == ndim && memcmp(t->sizes, sizes, sizeof *sizes * (size_t)ndim) == 0;
    return same ? t : fl_reshape(t, (fl_ints){sizes, ndim});
}

/* a's dims in the order of `names`, sizes of 1 broadcast to `size`, as matrices: the dims before
 * `first` are those of the batch (at least one), those before `second` the rows, and the rest the
 * columns. Where rows and columns are a dim each this is a view, of any strides: matmul reads it as
 * it is, and no memory moves. */
static fl_tensor *as_matrices(const struct term *a, const uint8_t *names, int first, int second,
                              const int64_t *size)
{
    assert(first >= 0 && first <= second && second <= a->count);
    int64_t order[TENSOR_MAX_DIMS], wide[TENSOR_MAX_DIMS], shape[TENSOR_MAX_DIMS + 3] = {1};
    const int batch = first ? first : 1;
    bool broadcast = false;
    shape[batch] = shape[batch + 1] = 1;
    for (int d = 0; d < a->count; d++) {
        order[d] = place_of(a, names[d]);
        wide[d] = size[a->name[d]];
        broadcast |= wide[d] != a->t->sizes[d];
        if (d < first)
            shape[d] = size[names[d]];
        else
            shape[d < second ? batch : batch + 1] *= size[names[d]];
    }
    fl_tensor *t = broadcast ? fl_expand(a->t, (fl_ints){wide, a->count}, false) : a->t;
    if (batch + 2 > TENSOR_MAX_DIMS)
        return error_null(FL_RUNTIME_ERROR, "einsum(): more than %d dims", TENSOR_MAX_DIMS);
    return as_sizes(fl_permute(t, (fl_ints){order, a->count}), shape, batch + 2);
}

static void common_sizes(const struct term *a, const struct term *b, int64_t *size)
{
    memset(size, 0, sizeof *size * NAMES);
    for (int d = 0; d < a->count; d++)
        size[a->name[d]] = a->t->sizes[d];
    for (int d = 0; d < b->count; d++)
        if (place_of(a, b->name[d]) < 0 || size[b->name[d]] == 1)
            size[b->name[d]] = b->t->sizes[d];
}

static void add_names(struct term *to, const struct term *from, const struct term *other, bool both,
                      const bool *later, bool wanted)
{
    for (int d = 0; d < from->count; d++) {
        int name = from->name[d];
        if ((place_of(other, name) >= 0) == both && (!both || later[name] == wanted))
            to->name[to->count++] = (uint8_t)name;
    }
}

/* a becomes the product of a and b, summed over the names that `later` does not need. */
static int contract(struct term *a, struct term *b, const bool *later)
{
    bool kept[NAMES];
    int64_t size[NAMES], shape[TENSOR_MAX_DIMS];
    memcpy(kept, later, sizeof kept);
    for (int d = 0; d < b->count; d++)
        kept[b->name[d]] = true;
    if (sum_others(a, kept))
        return -1;
    memcpy(kept, later, sizeof kept);
    for (int d = 0; d < a->count; d++)
        kept[a->name[d]] = true;
    if (sum_others(b, kept))
        return -1;
    common_sizes(a, b, size);
    struct term batch = {0}, inner = {0}, x, y;
    add_names(&batch, a, b, true, later, true);
    add_names(&inner, a, b, true, later, false);
    x = y = batch;
    add_names(&x, a, b, false, later, false); /* batch, left, inner */
    const int left = x.count;
    memcpy(x.name + left, inner.name, (size_t)inner.count);
    memcpy(y.name + y.count, inner.name, (size_t)inner.count); /* batch, inner, right */
    y.count += inner.count;
    const int right = y.count;
    add_names(&y, b, a, false, later, false);
    fl_tensor *p = as_matrices(a, x.name, batch.count, left, size),
              *q = as_matrices(b, y.name, batch.count, right, size);
    struct term product = {.count = left};
    memcpy(product.name, x.name, (size_t)left);
    if (left + y.count - right > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "einsum(): more than %d dims", TENSOR_MAX_DIMS);
    for (int d = right; d < y.count; d++)
        product.name[product.count++] = y.name[d];
    for (int d = 0; d < product.count; d++)
        shape[d] = size[product.name[d]];
    fl_tensor *products = !inner.count      ? fl_mul(p, q)
                          : batch.count > 1 ? fl_matmul(p, q)
                                            : fl_bmm(p, q); /* (batch..., left, right) */
    product.t = as_sizes(products, shape, product.count);
    *a = product;
    return a->t ? 0 : -1;
}

/* Whether all sizes of one name fit together. */
static int check_sizes(const struct term *terms, int count)
{
    assert(count >= 1 && count <= EINSUM_MAX);
    int64_t seen[NAMES];
    memset(seen, 0xff, sizeof seen);
    for (int i = 0; i < count; i++)
        for (int d = 0; d < terms[i].count; d++) {
            int name = terms[i].name[d];
            int64_t size = terms[i].t->sizes[d];
            if (seen[name] == -1 || seen[name] == 1)
                seen[name] = size;
            else if (size != 1 && size != seen[name])
                return error_set(FL_RUNTIME_ERROR,
                                 "einsum(): subscript %c has size %lld for operand %d which does "
                                 "not broadcast with previously seen size %lld",
                                 letter_of_name(name), (long long)size, i, (long long)seen[name]);
        }
    return 0;
}

/* Reads all operands of the equation, which ends before `end`, and gives their dims names. */
static int read_terms(const char *equation, const char *end, fl_tensors operands,
                      struct term *terms, int *times)
{
    const char *at = equation;
    for (int i = 0;; i++, at++) {
        struct subscripts s;
        if (i == operands.count)
            return error_set(FL_RUNTIME_ERROR, "einsum(): fewer operands were provided than "
                                               "specified in the equation");
        if (read_operand(equation, &at, end, i, &s) ||
            name_dims(&s, operands.data[i], i, &terms[i]))
            return -1;
        for (int k = 0; k < s.count; k++)
            times[s.letter[k]]++;
        if (take_diagonals(&terms[i], i))
            return -1;
        if (at < end)
            continue;
        return i + 1 == operands.count
                   ? 0
                   : error_set(FL_RUNTIME_ERROR, "einsum(): more operands were provided than "
                                                 "specified in the equation");
    }
}

static int combine(struct term *terms, int count, const struct term *output, fl_tensor **y)
{
    assert(count >= 1 && count <= EINSUM_MAX);
    bool later[NAMES] = {false};
    int64_t order[TENSOR_MAX_DIMS];
    for (int i = 1; i <= count; i++) {
        memset(later, 0, sizeof later);
        for (int d = 0; d < output->count; d++)
            later[output->name[d]] = true;
        for (int k = i + 1; k < count; k++)
            for (int d = 0; d < terms[k].count; d++)
                later[terms[k].name[d]] = true;
        if (i < count && contract(&terms[0], &terms[i], later))
            return -1;
    }
    if (sum_others(&terms[0], later))
        return -1;
    for (int d = 0; d < output->count; d++)
        order[d] = place_of(&terms[0], output->name[d]);
    *y = fl_permute(terms[0].t, (fl_ints){order, output->count});
    return *y ? 0 : -1;
}

int einsum_compose(const char *equation, fl_tensors tensors, fl_tensor **y)
{
    struct term terms[EINSUM_MAX], output;
    int times[LETTERS] = {0};
    if (tensors.count == 0)
        return error_set(FL_VALUE_ERROR, "einsum(): must provide at least one operand");
    if (tensors.count > EINSUM_MAX)
        return error_set(FL_RUNTIME_ERROR, "einsum(): more than %d operands", EINSUM_MAX);
    const char *arrow = strstr(equation, "->");
    const char *end = arrow ? arrow : equation + strlen(equation);
    int count = (int)tensors.count;
    if (read_terms(equation, end, tensors, terms, times) ||
        read_output(equation, arrow, terms, count, times, &output) || check_sizes(terms, count))
        return -1;
    return combine(terms, count, &output, y);
}
