/* A module's parameters and buffers in a safetensors file, under PyTorch's names.
 *
 * Loading first compares names and shapes of file and module and lists every difference, as
 * load_state_dict does; only when there is none is anything read into the module.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "io/safetensors.h"
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
    const struct safetensors_index *index;
    int file;
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

static const struct safetensors_entry *find_entry(const struct loading *l, const char *name)
{
    for (int64_t i = 0; i < l->index->count; i++)
        if (strcmp(l->index->entries[i].name, name) == 0)
            return &l->index->entries[i];
    return NULL;
}

static int compare(void *context, const char *name, struct module_entry *e)
{
    struct loading *l = context;
    const struct safetensors_entry *found = find_entry(l, name);
    if (!found) {
        append(l->missing, sizeof l->missing, "%s\"%s\"%s", l->missing[0] ? ", " : "", name, "");
        return 0;
    }
    l->used[found - l->index->entries] = true;
    const fl_tensor *t = e->tensor;
    if (found->ndim == t->ndim &&
        (t->ndim == 0 || memcmp(found->sizes, t->sizes, (size_t)t->ndim * sizeof *t->sizes) == 0))
        return 0;
    char file[256], model[256];
    append(l->unequal, sizeof l->unequal,
           "\n\tsize mismatch for %s: copying a param with shape torch.Size(%s) from checkpoint, "
           "the shape in current model is torch.Size(%s).",
           name, shape_text(file, sizeof file, found->ndim, found->sizes),
           shape_text(model, sizeof model, t->ndim, t->sizes));
    return 0;
}

static int read_one(void *context, const char *name, struct module_entry *e)
{
    struct loading *l = context;
    const struct safetensors_entry *found = find_entry(l, name);
    fl_tensor *t = tensor_new(found->ndim, found->sizes, found->dtype);
    int status = t ? safetensors_read(l->file, l->index, found, tensor_data(t)) : -1;
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
    for (int64_t i = 0; i < l->index->count; i++)
        if (!l->used[i])
            append(unexpected, sizeof unexpected, "%s\"%s\"%s", unexpected[0] ? ", " : "",
                   l->index->entries[i].name, "");
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
    struct safetensors_index index;
    struct loading l = {.index = &index};
    l.file = safetensors_open(path, &index);
    if (l.file < 0)
        return -1;
    l.used = memory_zalloc((size_t)index.count);
    int status = l.used ? module_visit(m, compare, &l) : -1;
    if (status == 0)
        status = refuse(m, &l);
    if (status == 0)
        status = module_visit(m, read_one, &l);
    memory_free(l.used, (size_t)index.count);
    safetensors_release(&index);
    close(l.file);
    return status;
}
