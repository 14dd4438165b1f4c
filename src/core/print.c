/* Numbers of tensors as text.
 *
 * The elements that are shown are read once into a list, row by row; of a summarised tensor these
 * are the edges. All of them decide one format: integers with a point, fixed or scientific, and a
 * common width. Then the brackets are written around them, along the same walk.
 */
#include "core/print.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

struct print_options print_options = {4, 1000, 3, 80, -1};

/* ---- The text ------------------------------------------------------------------------------- */

static bool make_room(struct print_text *text, size_t more)
{
    assert(!text->data || text->length < text->room);
    size_t room = text->room ? text->room : 256;
    while (room < text->length + more + 1)
        room *= 2;
    if (room == text->room || text->failed)
        return !text->failed;
    char *grown = memory_alloc(room);
    text->failed = !grown;
    if (!grown)
        return false;
    if (text->data)
        memcpy(grown, text->data, text->length + 1);
    memory_free(text->data, text->room);
    text->data = grown, text->room = room;
    return true;
}

void print_add(struct print_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && make_room(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void print_release(struct print_text *text)
{
    memory_free(text->data, text->room);
    *text = (struct print_text){0};
}

/* ---- One number ----------------------------------------------------------------------------- */

enum { NUMBER_BYTES = 512 }; /* "%.100f" of the largest double has 410 */
enum style { STYLE_WHOLE, STYLE_FIXED, STYLE_SCIENTIFIC, STYLE_INTEGER, STYLE_UNSIGNED };

struct format {
    enum style style;
    int precision, width;
};

/* The number without padding; its length. The point is a point in every locale. */
static int write_number(char *to, fl_value v, const struct format *f)
{
    if (v.tag == FL_BOOLEAN)
        return snprintf(to, NUMBER_BYTES, "%s", v.as.i ? "True" : "False");
    if (f->style == STYLE_INTEGER)
        return snprintf(to, NUMBER_BYTES, "%lld", (long long)v.as.i);
    if (f->style == STYLE_UNSIGNED)
        return snprintf(to, NUMBER_BYTES, "%llu", (unsigned long long)v.as.i);
    if (!isfinite(v.as.f))
        return snprintf(to, NUMBER_BYTES, "%s",
                        isnan(v.as.f) ? "nan"
                        : v.as.f < 0  ? "-inf"
                                      : "inf");
    int length = f->style == STYLE_WHOLE ? snprintf(to, NUMBER_BYTES, "%.0f.", v.as.f)
                 : f->style == STYLE_FIXED
                     ? snprintf(to, NUMBER_BYTES, "%.*f", f->precision, v.as.f)
                     : snprintf(to, NUMBER_BYTES, "%.*e", f->precision, v.as.f);
    char *comma = strchr(to, ',');
    if (comma)
        *comma = '.';
    return length;
}

/* One format for every `step`-th of the values: what the finite ones other than zero need. */
static struct format choose(const fl_value *values, int64_t count, int step, int dtype)
{
    assert(count >= 0 && step > 0);
    struct format f = {STYLE_WHOLE, print_options.precision, 1};
    char text[NUMBER_BYTES];
    double low = INFINITY, high = 0;
    bool floating = count && values[0].tag == FL_FLOATING, whole = true;
    f.precision = f.precision < 0 ? 0 : f.precision > 100 ? 100 : f.precision;
    for (int64_t i = 0; floating && i < count; i += step) {
        double size = fabs(values[i].as.f);
        if (!isfinite(size) || size == 0)
            continue;
        low = size < low ? size : low, high = size > high ? size : high;
        whole &= size == floor(size);
    }
    if (!floating)
        f.style = dtype_digits(dtype) == 64 ? STYLE_UNSIGNED : STYLE_INTEGER;
    else if (high > 0) {
        bool scientific = high / low > 1000.0 || high > 1.0e8 || low < 1.0e-4;
        if (print_options.scientific >= 0)
            scientific = print_options.scientific;
        f.style = scientific ? STYLE_SCIENTIFIC : whole ? STYLE_WHOLE : STYLE_FIXED;
    }
    for (int64_t i = 0; i < count; i += step) {
        if (floating && (!isfinite(values[i].as.f) || values[i].as.f == 0))
            continue;
        int length = write_number(text, values[i], &f);
        f.width = length > f.width ? length : f.width;
    }
    return f;
}

/* ---- The elements that are shown ------------------------------------------------------------ */

struct shown {
    fl_tensor *t;
    bool summarised;
    int parts;       /* values of an element: 2 of a complex one */
    int64_t count;   /* so far */
    fl_value *value; /* in the order of the walk */
};

/* Whether a dim is cut to its edges; then `edge` items are shown at each end. */
static bool is_cut(const struct shown *s, int d)
{
    assert(d >= 0 && d < s->t->ndim);
    return s->summarised && s->t->sizes[d] / 2 >= print_options.edge_items &&
           s->t->sizes[d] > 2 * print_options.edge_items;
}

/* The index after i along dim d: over the gap of a dim that is cut. */
static int64_t next_index(const struct shown *s, int d, int64_t i)
{
    assert(i >= 0);
    bool at_gap = is_cut(s, d) && i + 1 == print_options.edge_items;
    return at_gap ? s->t->sizes[d] - print_options.edge_items : i + 1;
}

static int64_t count_shown(const struct shown *s)
{
    int64_t count = 1;
    for (int d = 0; d < s->t->ndim; d++)
        count *= is_cut(s, d) ? 2 * print_options.edge_items : s->t->sizes[d];
    return count;
}

/* Reads what is shown below dim d; `position` is in memory, in elements. */
static void read_shown(struct shown *s, int d, int64_t position)
{
    assert(d >= 0 && d <= s->t->ndim);
    if (d == s->t->ndim) {
        fl_value number = tensor_number(s->t, position);
        if (s->parts == 1) {
            s->value[s->count++] = number;
        } else {
            s->value[s->count++] = fl_float(number_real(&number));
            s->value[s->count++] = fl_float(number_imag(&number));
        }
        return;
    }
    for (int64_t i = 0; i < s->t->sizes[d]; i = next_index(s, d, i))
        read_shown(s, d + 1, position + i * s->t->strides[d]);
}

/* ---- Brackets ------------------------------------------------------------------------------- */

static void write_padded(struct print_text *text, fl_value v, const struct format *f)
{
    char number[NUMBER_BYTES];
    int length = write_number(number, v, f);
    print_add(text, "%*s%s", length < f->width ? f->width - length : 0, "", number);
}

/* The next element: a number, or two with their sign and j between and behind. */
static void write_element(struct print_text *text, struct shown *s, const struct format *f)
{
    char number[NUMBER_BYTES];
    write_padded(text, s->value[s->count++], &f[0]);
    if (s->parts == 1)
        return;
    write_number(number, s->value[s->count++], &f[1]);
    bool signed_already = number[0] == '-' || number[0] == '+';
    print_add(text, "%s%sj", signed_already ? "" : "+", number);
}

/* The last dim: items in lines of as many as fit. */
static void write_row(struct print_text *text, struct shown *s, const struct format *f, int indent)
{
    assert(indent >= 0);
    int d = s->t->ndim - 1;
    int64_t width = s->parts == 1 ? f->width : f[0].width + f[1].width + 1;
    int64_t per_line = (print_options.line_width - indent) / (width + 2), item = 0;
    bool gap = false;
    if (per_line < 1)
        per_line = 1;
    print_add(text, "[");
    for (int64_t i = 0; i < s->t->sizes[d]; item++) {
        if (item)
            print_add(text, item % per_line ? ", " : ",\n%*s", indent + 1, "");
        if (gap) {
            print_add(text, " ...");
            gap = false;
            continue;
        }
        write_element(text, s, f);
        int64_t next = next_index(s, d, i);
        gap = next != i + 1;
        i = next;
    }
    print_add(text, "]");
}

static void write_dim(struct print_text *text, struct shown *s, int d, const struct format *f,
                      int indent)
{
    int below = s->t->ndim - d - 1;
    if (below == 0) {
        write_row(text, s, f, indent);
        return;
    }
    print_add(text, "[");
    for (int64_t i = 0, next; i < s->t->sizes[d]; i = next) {
        next = next_index(s, d, i);
        write_dim(text, s, d + 1, f, indent + 1);
        for (int pass = 0; pass < (next < s->t->sizes[d]) + (next != i + 1); pass++) {
            print_add(text, ",");
            for (int k = 0; k < below; k++)
                print_add(text, "\n");
            print_add(text, "%*s%s", indent + 1, "", next != i + 1 && pass == 0 ? "..." : "");
        }
    }
    print_add(text, "]");
}

void print_elements(struct print_text *text, fl_tensor *t, int indent)
{
    assert(indent >= 0);
    struct shown s = {.t = t,
                      .summarised = t->numel > print_options.threshold,
                      .parts = dtype_is_complex(t->dtype) ? 2 : 1};
    if (s.summarised && print_options.edge_items <= 0 && t->ndim) {
        print_add(text, "[...]");
        return;
    }
    int64_t count = count_shown(&s) * s.parts;
    s.value = memory_alloc((size_t)count * sizeof *s.value);
    text->failed |= !s.value;
    if (!s.value)
        return;
    read_shown(&s, 0, 0);
    struct format f[2] = {choose(s.value, s.count, s.parts, t->dtype),
                          choose(s.value + s.parts - 1, s.count - s.parts + 1, s.parts, t->dtype)};
    s.count = 0;
    if (t->ndim)
        write_dim(text, &s, 0, f, indent);
    else
        write_element(text, &s, f);
    memory_free(s.value, (size_t)count * sizeof *s.value);
}
