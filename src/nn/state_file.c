/* A module's parameters and buffers in a safetensors or .pt file, under PyTorch's names.
 *
 * Loading first compares names and shapes of file and module and lists every difference, as
 * load_state_dict does; only when there is none is anything read into the module.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "io/tensor_file.h"
#include "nn/modules.h"

/* ---- Saving --------------------------------------------------------------------------------- */

struct saving {
    int64_t count, room;
    char **names; /* copies */
    fl_tensor **tensors;
};

static int count_one(void *context, const char *name, struct module_entry *e)
{
    (void)name;
    (void)e;
    ++*(int64_t *)context;
    return 0;
}

static int add_one(void *context, const char *name, struct module_entry *e)
{
    struct saving *s = context;
    size_t bytes = strlen(name) + 1;
    char *copy = memory_alloc(bytes);
    if (!copy)
        return -1;
    s->names[s->count] = memcpy(copy, name, bytes);
    s->tensors[s->count++] = e->tensor;
    return 0;
}

int fl_module_save(const fl_module *m, const char *path)
{
    if (!m || !path)
        return fl_null_argument("fl_module_save", m ? "path" : "m");
    struct saving s = {0};
    if (module_visit(m, count_one, &s.room) != 0)
        return -1;
    size_t bytes = (size_t)s.room * sizeof(void *);
    s.names = memory_alloc(bytes);
    s.tensors = memory_alloc(bytes);
    int status = s.names && s.tensors ? module_visit(m, add_one, &s) : -1;
    if (status == 0)
        status = tensor_file_save(path, s.count, (const char *const *)s.names, s.tensors);
    for (int64_t i = 0; i < s.count; i++)
        memory_free(s.names[i], strlen(s.names[i]) + 1);
    memory_free(s.names, bytes);
    memory_free(s.tensors, bytes);
    return status;
}

/* ---- Loading -------------------------------------------------------------------------------- */

struct loading {
    fl_file *file;
    bool *used;         /* which entries of the file the module has */
    char missing[1024]; /* names, quoted */
    char unequal[2048]; /* lines */
};

/* Appends to a text of fixed size; what does not fit is left out. */
static void append(char *text, size_t size, const char *format, const char *a, const char *b,
                   const char *c)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, format, a, b, c);
}

static int compare(void *context, const char *name, struct module_entry *e)
{
    struct loading *l = context;
    const int64_t *sizes;
    int64_t found = tensor_file_find(l->file, name);
    if (found < 0) {
        append(l->missing, sizeof l->missing, "%s\"%s\"%s", l->missing[0] ? ", " : "", name, "");
        return 0;
    }
    l->used[found] = true;
    const fl_tensor *t = e->tensor;
    int ndim = tensor_file_sizes(l->file, found, &sizes);
    if (ndim < 0)
        return -1;
    if (ndim == t->ndim &&
        (t->ndim == 0 || memcmp(sizes, t->sizes, (size_t)t->ndim * sizeof *t->sizes) == 0))
        return 0;
    char file[256], model[256];
    append(l->unequal, sizeof l->unequal,
           "\n\tsize mismatch for %s: copying a param with shape torch.Size(%s) from checkpoint, "
           "the shape in current model is torch.Size(%s).",
           name, shape_text(file, sizeof file, ndim, sizes),
           shape_text(model, sizeof model, t->ndim, t->sizes));
    return 0;
}

static int read_one(void *context, const char *name, struct module_entry *e)
{
    struct loading *l = context;
    fl_tensor *t = tensor_file_read(l->file, tensor_file_find(l->file, name));
    int status = t ? 0 : -1;
    if (status == 0) {
        status = tensor_copy(e->tensor, t);
        tensor_bump_version(e->tensor);
    }
    tensor_release(t);
    return status;
}

static int refuse(const fl_module *m, const struct loading *l)
{
    char unexpected[1024] = "";
    for (int64_t i = 0; i < fl_file_count(l->file); i++)
        if (!l->used[i])
            append(unexpected, sizeof unexpected, "%s\"%s\"%s", unexpected[0] ? ", " : "",
                   fl_file_name(l->file, i), "");
    if (!l->missing[0] && !unexpected[0] && !l->unequal[0])
        return 0;
    error_set(FL_RUNTIME_ERROR, "Error(s) in loading state_dict for %s:%s%s%s%s%s%s%s",
              m->type->name, l->missing[0] ? "\n\tMissing key(s) in state_dict: " : "", l->missing,
              l->missing[0] ? ". " : "",
              unexpected[0] ? "\n\tUnexpected key(s) in state_dict: " : "", unexpected,
              unexpected[0] ? ". " : "", l->unequal);
    return error_hint("the file was saved from a network of another structure; build the same one "
                      "before loading.",
                      "该文件由结构不同的网络保存；请先构建相同的网络再加载。");
}

int fl_module_load(fl_module *m, const char *path)
{
    if (!m || !path)
        return fl_null_argument("fl_module_load", m ? "path" : "m");
    struct loading l = {.file = fl_file_open(path)};
    if (!l.file)
        return -1;
    size_t count = (size_t)fl_file_count(l.file);
    l.used = memory_zalloc(count);
    int status = l.used ? module_visit(m, compare, &l) : -1;
    if (status == 0)
        status = refuse(m, &l);
    if (status == 0)
        status = module_visit(m, read_one, &l);
    memory_free(l.used, count);
    fl_file_close(l.file);
    return status;
}
