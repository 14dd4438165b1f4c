/* What LBFGS keeps, in a file of named tensors: the names that lead to its parts in the state_dict()
 * of torch.optim.LBFGS ("state.0.d", "state.0.old_dirs.0", ...), so that a .pt file of that one is
 * read too. There a number may be a text.
 *
 * Loading reads all into memory first and checks it; only then is the optimizer changed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/tensor_file.h"
#include "nn/lbfgs.h"

enum { NAME = 48, PLAIN = 5, OF_A_PAIR = 3 };

/* ---- Saving ---------------------------------------------------------------------------------- */

struct saving {
    int64_t count;
    char (*name)[NAME];
    fl_tensor **tensor; /* references of its own */
};

static void add_vector(struct saving *s, const char *name, fl_tensor *t)
{
    snprintf(s->name[s->count], NAME, "%s", name);
    s->tensor[s->count++] = tensor_retain(t);
}

static int add_number(struct saving *s, const char *name, double number)
{
    fl_tensor *t = tensor_from_number((fl_value){.tag = FL_FLOATING, .as.f = number}, FL_FLOAT64);
    if (!t)
        return -1;
    add_vector(s, name, t);
    tensor_release(t);
    return 0;
}

static int add_pair(struct saving *s, int i, const struct lbfgs_pair *pair)
{
    char name[NAME];
    snprintf(name, NAME, "state.0.old_dirs.%d", i);
    add_vector(s, name, pair->change);
    snprintf(name, NAME, "state.0.old_stps.%d", i);
    add_vector(s, name, pair->moved);
    snprintf(name, NAME, "state.0.ro.%d", i);
    return add_number(s, name, pair->rho);
}

static int add_all(const fl_lbfgs *o, struct saving *s)
{
    int status = add_number(s, "param_groups.0.lr", o->lr);
    if (status || !o->direction)
        return status;
    add_vector(s, "state.0.d", o->direction);
    add_vector(s, "state.0.prev_flat_grad", o->before);
    status = add_number(s, "state.0.t", o->taken) || add_number(s, "state.0.H_diag", o->diagonal);
    for (int i = 0; i < o->kept && !status; i++)
        status = add_pair(s, i, &o->pairs[i]);
    return status ? -1 : 0;
}

int fl_lbfgs_save(const fl_lbfgs *o, const char *path)
{
    if (!o || !path)
        return fl_null_argument("fl_lbfgs_save", o ? "path" : "o");
    const size_t most = PLAIN + (size_t)o->kept * OF_A_PAIR;
    struct saving s = {.name = memory_alloc(most * NAME),
                       .tensor = memory_alloc(most * sizeof(fl_tensor *))};
    const char **names = memory_alloc(most * sizeof *names);
    int status = s.name && s.tensor && names ? add_all(o, &s) : -1;
    for (int64_t i = 0; i < s.count && status == 0; i++)
        names[i] = s.name[i];
    if (status == 0)
        status = tensor_file_save(path, s.count, names, s.tensor);
    for (int64_t i = 0; i < s.count; i++)
        tensor_release(s.tensor[i]);
    memory_free(names, names ? most * sizeof *names : 0);
    memory_free(s.tensor, s.tensor ? most * sizeof(fl_tensor *) : 0);
    memory_free(s.name, s.name ? most * NAME : 0);
    return status;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* A number, which a tensor of one element or a text says: 1; 0 where the file has none of that name;
 * -1 with the error set. */
static int read_number(fl_file *f, const char *name, double *number)
{
    const int64_t place = tensor_file_find(f, name);
    const char *text = place < 0 ? fl_file_metadata(f, name) : NULL;
    char *end = NULL;
    *number = NAN;
    if (text)
        *number = strtod(text, &end);
    fl_tensor *raw = place >= 0 ? tensor_file_read(f, place) : NULL;
    if (place >= 0 && !raw)
        return -1;
    fl_tensor *t = raw && raw->numel == 1 ? tensor_as(raw, FL_FLOAT64) : NULL;
    if (t)
        *number = *(const double *)tensor_data(t);
    tensor_release(t);
    tensor_release(raw);
    if (place < 0 && (!text || strcmp(text, "None") == 0))
        return 0;
    if ((text && (end == text || *end)) || !isfinite(*number))
        return error_set(FL_VALUE_ERROR, "the file's %s is no finite number", name);
    return 1;
}

/* A vector as long as all parameters together, where they live; like read_number. */
static int read_vector(const fl_lbfgs *o, fl_file *f, const char *name, fl_tensor **vector)
{
    const int64_t place = tensor_file_find(f, name);
    int64_t length = 0;
    *vector = NULL;
    if (place < 0)
        return 0;
    for (int64_t i = 0; i < o->count; i++)
        length += o->params[i]->numel;
    fl_tensor *raw = tensor_file_read(f, place), *t = NULL;
    if (raw && (raw->ndim != 1 || raw->numel != length))
        error_set(FL_VALUE_ERROR, "the file's %s does not fit this optimizer", name);
    else if (raw)
        t = tensor_new_on(tensor_device(o->params[0]), 1, raw->sizes, NULL, o->params[0]->dtype);
    if (t && tensor_copy(t, raw)) {
        tensor_release(t);
        t = NULL;
    }
    tensor_release(raw);
    *vector = t;
    return t ? 1 : -1;
}

static int missing(int status, const char *name)
{
    return status < 0 ? -1
                      : error_set(FL_VALUE_ERROR, "the file has no %s of an LBFGS optimizer", name);
}

static int read_pair(const fl_lbfgs *o, fl_file *f, int i, struct lbfgs_pair *pair)
{
    char name[NAME];
    int found;
    snprintf(name, NAME, "state.0.old_dirs.%d", i);
    if ((found = read_vector(o, f, name, &pair->change)) < 1)
        return found;
    snprintf(name, NAME, "state.0.old_stps.%d", i);
    if ((found = read_vector(o, f, name, &pair->moved)) < 1)
        return missing(found, name);
    snprintf(name, NAME, "state.0.ro.%d", i);
    return (found = read_number(f, name, &pair->rho)) < 1 ? missing(found, name) : 1;
}

/* Reads what a step left into `read`, of which the rest is o's. 0 or -1. */
static int read_state(const fl_lbfgs *o, fl_file *f, fl_lbfgs *read)
{
    const char *name = "state.0.d";
    int found = read_vector(o, f, name, &read->direction);
    if (found == 0) /* saved before a step was taken */
        return 0;
    if (found > 0)
        found = read_vector(o, f, name = "state.0.prev_flat_grad", &read->before);
    if (found > 0)
        found = read_number(f, name = "state.0.t", &read->taken);
    if (found > 0)
        found = read_number(f, name = "state.0.H_diag", &read->diagonal);
    if (found < 1)
        return missing(found, name);
    for (int i = 0; found > 0; i++) {
        struct lbfgs_pair pair = {0};
        found = read_pair(o, f, i, &pair);
        if (found < 1) {
            lbfgs_release_pair(&pair);
            break;
        }
        lbfgs_keep_pair(read, pair);
    }
    return found;
}

int fl_lbfgs_load(fl_lbfgs *o, const char *path)
{
    if (!o || !path)
        return fl_null_argument("fl_lbfgs_load", o ? "path" : "o");
    fl_file *f = fl_file_open(path);
    if (!f)
        return -1;
    fl_lbfgs read = {.history = o->history};
    const size_t bytes = (size_t)o->history * sizeof *read.pairs;
    int found = (read.pairs = memory_zalloc(bytes)) ? 1 : -1;
    if (found > 0)
        found = read_number(f, "param_groups.0.lr", &read.lr);
    if (found == 0 || (found > 0 && read.lr < 0))
        found = error_set(FL_VALUE_ERROR, "'%s' holds no state of an LBFGS optimizer", path);
    if (found > 0 && read_state(o, f, &read))
        found = -1;
    fl_file_close(f);
    if (found < 0) {
        lbfgs_forget(&read);
        memory_free(read.pairs, read.pairs ? bytes : 0);
        return -1;
    }
    lbfgs_forget(o);
    memory_free(o->pairs, bytes);
    o->pairs = read.pairs, o->kept = read.kept;
    o->direction = read.direction, o->before = read.before;
    o->taken = read.taken, o->diagonal = read.diagonal, o->lr = read.lr;
    return 0;
}
