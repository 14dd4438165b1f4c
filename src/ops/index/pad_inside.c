/* Padding with what is inside: mirrored, held at the edge, or going round; dim by dim, by the
 * positions that the padded dim shows.
 */
#include <string.h>

#include "core/error.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/view.h"
#include "ops/op.h"
#include "ops/record.h"
#include "ops_kernels.h"

enum inside { PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR };

static int inside_of(const char *mode)
{
    static const char *const MODES[] = {"reflect", "replicate", "circular"};
    for (int i = 0; i < 3; i++)
        if (strcmp(mode, MODES[i]) == 0)
            return i;
    return error_set(FL_NOT_IMPLEMENTED, "Unrecognised padding mode %s", mode);
}

static int64_t distance(int64_t a)
{
    return a < 0 ? -a : a;
}

/* Which of n points stands at position i, which may lie outside. */
static int64_t point_at(enum inside mode, int64_t i, int64_t n)
{
    if (mode == PAD_REPLICATE)
        return i < 0 ? 0 : i < n ? i : n - 1;
    if (mode == PAD_CIRCULAR)
        return (i % n + n) % n;
    return n - 1 - distance(n - 1 - distance(i));
}

/* What negative padding takes away. */
static fl_tensor *crop(fl_tensor *t, int d, int64_t before, int64_t after)
{
    const int64_t n = t->sizes[d], start = before < 0 ? -before : 0;
    const int64_t length = n - start - (after < 0 ? -after : 0);
    if (length < 0)
        return error_null(FL_RUNTIME_ERROR,
                          "The input size %lld, plus negative padding %lld and %lld, resulted in a "
                          "negative output size, which is invalid. Check dimension %d of your "
                          "input.",
                          (long long)n, (long long)before, (long long)after, d);
    return before >= 0 && after >= 0 ? t : fl_narrow(t, d, start, length);
}

static int check_margins(const fl_tensor *t, int d, int64_t before, int64_t after, enum inside mode)
{
    char got[128];
    const int64_t n = t->sizes[d], most = before > after ? before : after;
    if (mode == PAD_REFLECT && most >= n)
        return error_set(FL_RUNTIME_ERROR,
                         "Argument #4: Padding size should be less than the corresponding input "
                         "dimension, but got: padding (%lld, %lld) at dimension %d of input %s",
                         (long long)before, (long long)after, d,
                         shape_text(got, sizeof got, t->ndim, t->sizes));
    if (mode == PAD_CIRCULAR && most > n)
        return error_set(FL_RUNTIME_ERROR, "Padding value causes wrapping around more than once.");
    if (n == 0 && (before > 0 || after > 0))
        return error_set(FL_RUNTIME_ERROR,
                         "Expected input to have non-zero size in dimension %d, but got %s", d,
                         shape_text(got, sizeof got, t->ndim, t->sizes));
    return 0;
}

static fl_tensor *pad_dim(fl_tensor *t, int d, int64_t before, int64_t after, enum inside mode)
{
    int64_t points;
    if (mode == PAD_CIRCULAR) {
        if (!(t = crop(t, d, before, after)))
            return NULL;
        before = before < 0 ? 0 : before, after = after < 0 ? 0 : after;
    }
    if (check_margins(t, d, before, after, mode))
        return NULL;
    if (before == 0 && after == 0)
        return t;
    const int64_t n = t->sizes[d];
    if (__builtin_add_overflow(n, before, &points) ||
        __builtin_add_overflow(points, after, &points))
        return error_null(FL_RUNTIME_ERROR, "a padded size exceeds 64 bits");
    points = points < 0 ? 0 : points;
    fl_tensor *index = op_adopt(tensor_new(1, &points, FL_INT64));
    int64_t *at = index ? tensor_data(index) : NULL;
    for (int64_t i = 0; index && i < points; i++)
        at[i] = point_at(mode, i - before, n);
    if (!index)
        return NULL;
    return mode == PAD_CIRCULAR ? fl_index_select(t, d, op_beside(index, t))
                                : fl__points_of(t, d, op_beside(index, t));
}

int pad_inside_compose(fl_tensor *self, fl_ints pad, const char *mode, fl_tensor **y)
{
    int how = inside_of(mode);
    fl_tensor *t = how < 0 ? NULL : self;
    for (int64_t i = 0; t && i < pad.count; i += 2)
        t = pad_dim(t, self->ndim - 1 - (int)(i / 2), pad.data[i], pad.data[i + 1],
                    (enum inside)how);
    if (t && t->storage == self->storage) /* nothing was added: a result is never its input */
        t = fl_clone(t, -1);
    *y = t && how != PAD_CIRCULAR ? fl__keep_format(t, self) : t;
    return *y ? 0 : -1;
}

int padded_compose(fl_tensor *input, fl_ints pad, const char *mode, fl_value value, fl_tensor **y)
{
    const bool constant = strcmp(mode, "constant") == 0, given = value.tag != FL_NONE;
    if (pad.count % 2)
        return error_set(FL_RUNTIME_ERROR, "Padding length must be divisible by 2");
    if (pad.count > 2 * (int64_t)input->ndim)
        return error_set(FL_RUNTIME_ERROR,
                         "Padding length should be less than or equal to two times the input "
                         "dimension but got padding length %lld and input of dimension %d",
                         (long long)pad.count, input->ndim);
    if (constant) {
        *y = fl_constant_pad_nd(input, pad, given ? value : fl_int(0));
        return *y ? 0 : -1;
    }
    if (given && number_real(&value) != 0)
        return error_set(FL_RUNTIME_ERROR, "Padding mode \"%s\" doesn't take in value argument",
                         mode);
    int how = inside_of(mode);
    if (how < 0)
        return -1;
    const int64_t pairs = pad.count / 2, around = input->ndim - pairs;
    if (pairs < 1 || pairs > 3 || around < 1 || around > 2)
        return error_set(FL_NOT_IMPLEMENTED,
                         "Padding size %lld is not supported for %dD input tensor.",
                         (long long)pad.count, input->ndim);
    *y = how == PAD_REPLICATE || (how == PAD_REFLECT && pad.count < 6)
             ? fl__pad_inside_float32(input, pad, mode)
             : fl__pad_inside(input, pad, mode);
    static const char *const titles[2][3] = {
        {"ReflectionPad1DBackward0", "ReflectionPad2DBackward0", "ReflectionPad3DBackward0"},
        {"ReplicationPad1DBackward0", "ReplicationPad2DBackward0", "ReplicationPad3DBackward0"}};
    if (how == PAD_REFLECT || how == PAD_REPLICATE)
        record_show(*y, input, titles[how == PAD_REPLICATE][pairs - 1]);
    return *y ? 0 : -1;
}
