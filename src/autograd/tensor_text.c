/* The whole text of a tensor: its numbers, and behind them what is not evident (size, dtype, device,
 * graph), as PyTorch's repr has it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "autograd/tensor_text.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"

/* A suffix on the last line while it fits, else on a line of its own. */
static void add_suffix(struct print_text *text, int64_t *column, int indent, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));
static void add_suffix(struct print_text *text, int64_t *column, int indent, const char *format,
                       ...)
{
    char suffix[TENSOR_MAX_DIMS * 22 + 32];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(suffix, sizeof suffix, format, args);
    va_end(args);
    bool fits = *column + length + 2 <= print_options.line_width;
    if (fits)
        print_add(text, ", %s", suffix);
    else
        print_add(text, ",\n%*s%s", indent, "", suffix);
    *column = fits ? *column + length + 2 : indent + length;
}

/* The name of the node that made t, NULL for a leaf. */
static const char *maker(fl_tensor *t)
{
    struct error_state *before = error_save();
    struct node *n = autograd_node(t, NULL);
    bool failed = !n && fl_error() != FL_OK;
    fl_error_clear();
    error_restore(before);
    const char *name = failed ? "Invalid" : n ? node_name(n) : NULL, *colons;
    while (name && (colons = strstr(name, "::")))
        name = colons + 2;
    return name;
}

static const char *sizes_of(const fl_tensor *t, char *buffer, size_t size)
{
    size_t used = (size_t)snprintf(buffer, size, "(");
    for (int d = 0; d < t->ndim; d++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%lld", d ? ", " : "",
                                 (long long)t->sizes[d]);
    snprintf(buffer + used, size - used, t->ndim == 1 ? ",)" : ")");
    return buffer;
}

void tensor_text(struct print_text *text, fl_tensor *t, const char *prefix, int indent,
                 const char *contents)
{
    char sizes[TENSOR_MAX_DIMS * 22 + 8];
    fl_tensor *host = NULL;
    bool empty = t->numel == 0,
         usual = t->dtype == dtype_default() || t->dtype == dtype_complex(dtype_default());
    print_add(text, "%s", prefix);
    size_t start = text->length;
    if (contents)
        print_add(text, "%s", contents);
    else if (tensor_is_meta(t))
        print_add(text, "...");
    else if (empty)
        print_add(text, "[]");
    else if ((host = tensor_host(t)))
        print_elements(text, host, indent);
    tensor_release(host);
    if (text->failed || !(host || contents || empty || tensor_is_meta(t)))
        return;
    const char *line = strrchr(text->data + start, '\n');
    /* Where the last line ends, as PyTorch counts it. */
    int64_t column =
        line ? (int64_t)strlen(line) + 1 : indent + (int64_t)(text->length - start) + 2;
    if (t->flags & TENSOR_ELSEWHERE)
        add_suffix(text, &column, indent, "device='%s'", tensor_device(t)->name);
    if (tensor_is_meta(t))
        add_suffix(text, &column, indent, "size=%s", sizes_of(t, sizes, sizeof sizes));
    else if (empty ? t->ndim != 1 : print_options.edge_items <= 0)
        add_suffix(text, &column, indent, "size=%s", sizes_of(t, sizes, sizeof sizes));
    if (!usual && (empty || tensor_is_meta(t) || (t->dtype != FL_INT64 && t->dtype != FL_BOOL)))
        add_suffix(text, &column, indent, "dtype=torch.%s", fl_dtype_name((fl_dtype)t->dtype));
    const char *name = maker(t);
    if (name)
        add_suffix(text, &column, indent, "grad_fn=<%s>", name);
    else if (tensor_requires_grad(t))
        add_suffix(text, &column, indent, "requires_grad=True");
    print_add(text, ")");
}

char *fl_text(const fl_tensor *t)
{
    struct print_text text = {0};
    if (!t)
        return fl_null_argument("fl_text", "t"), NULL;
    tensor_text(&text, (fl_tensor *)t, "tensor(", 7, NULL);
    char *copy = text.failed ? NULL : memory_alloc(text.length + 1);
    if (copy)
        memcpy(copy, text.data, text.length + 1);
    print_release(&text);
    return copy;
}

void fl_text_free(char *text)
{
    if (text)
        memory_free(text, strlen(text) + 1);
}

int fl_print(const fl_tensor *t)
{
    char *text = fl_text(t);
    if (!text)
        return -1;
    int status = puts(text);
    fl_text_free(text);
    return status < 0 ? error_set(FL_IO_ERROR, "the standard output cannot be written") : 0;
}
