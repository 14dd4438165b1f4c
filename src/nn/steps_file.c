/* What an optimizer keeps, in a safetensors file: "state.0.exp_avg" and so on, the names that
 * torch.save gives them in Python, with "state.0.step"; options stand as "param_groups.0.lr". What
 * torch.save wrote of an optimizer's state_dict() is read, too: there numbers are texts.
 *
 * Loading reads all into memory first and checks it; only then is the optimizer changed.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "flambeau.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "nn/steps.h"

enum { NAME = 96 };

/* A thing to save or load: its name, and where it is. A number is a double, a tensor a handle. */
struct part {
    char name[NAME];
    double *number;
    fl_tensor **tensor;
    const fl_tensor *like; /* the parameter that the tensor belongs to, whose dtype it has */
    int state;             /* which of the rule's */
    int option;            /* of an option: its rule_option and 1; -1: a count of steps */
};

/* ---- Listing --------------------------------------------------------------------------------- */

/* What stands for parameter i. `all`: also what is not there yet. steps: a double for the count. */
static int parts_of(fl_optimizer *o, int64_t i, bool all, double *steps, struct part *part)
{
    assert(i >= 0);
    struct held *h = &o->held[i];
    int n = 0;
    if (!all && !h->steps)
        return 0;
    *steps = (double)h->steps;
    part[n] = (struct part){.number = steps, .option = -1};
    snprintf(part[n++].name, NAME, "state.%lld.step", (long long)i);
    for (int s = 0; s < RULE_STATES; s++) {
        if (!(all ? o->rule->state[s] : (const void *)h->state[s]))
            continue;
        part[n] = (struct part){.tensor = &h->state[s], .like = h->param, .state = s};
        snprintf(part[n++].name, NAME, "state.%lld.%s", (long long)i, o->rule->state[s]);
    }
    for (int k = 0; k < RULE_NUMBERS && o->rule->number[k]; k++) {
        part[n] = (struct part){.number = &h->number[k]};
        snprintf(part[n++].name, NAME, "state.%lld.%s", (long long)i, o->rule->number[k]);
    }
    return n;
}

static int options_of(fl_optimizer *o, int group, struct part *part)
{
    assert(group >= 0);
    int n = 0;
    for (int k = 0; k < OPTIONS; k++) {
        if (!(o->rule->uses >> k & 1))
            continue;
        part[n] = (struct part){.number = &o->option[group][k], .option = k + 1};
        snprintf(part[n++].name, NAME, "param_groups.%d.%s", group, rule_option_name(k));
    }
    return n;
}

/* All parts in one block, to be freed; steps: room for a double a parameter. NULL when memory is
 * out. */
struct listing {
    struct part *part;
    double *steps;
    size_t count, part_bytes, step_bytes;
};

static int list(fl_optimizer *o, bool all, struct listing *l)
{
    size_t most = (size_t)o->count * (1 + RULE_STATES + RULE_NUMBERS) + (size_t)o->groups * OPTIONS;
    l->count = 0;
    l->part_bytes = most * sizeof *l->part, l->step_bytes = (size_t)o->count * sizeof *l->steps;
    l->part = memory_alloc(l->part_bytes), l->steps = memory_alloc(l->step_bytes);
    if (!l->part || !l->steps)
        return -1;
    for (int64_t i = 0; i < o->count; i++)
        l->count += (size_t)parts_of(o, i, all, &l->steps[i], l->part + l->count);
    for (int g = 0; g < o->groups; g++)
        l->count += (size_t)options_of(o, g, l->part + l->count);
    return 0;
}

static void list_free(struct listing *l)
{
    if (l->part)
        memory_free(l->part, l->part_bytes);
    if (l->steps)
        memory_free(l->steps, l->step_bytes);
}

/* ---- Saving ---------------------------------------------------------------------------------- */

int fl_optimizer_save(const fl_optimizer *o, const char *path)
{
    struct listing l = {0};
    if (!o)
        return -1;
    int status = list((fl_optimizer *)o, false, &l);
    size_t bytes = l.count * sizeof(struct safetensors_item);
    struct safetensors_item *item = status == 0 ? memory_alloc(bytes) : NULL;
    fl_tensor **held = item ? memory_zalloc(l.count * sizeof *held) : NULL;
    for (size_t i = 0; held && i < l.count && status == 0; i++) {
        const struct part *p = &l.part[i];
        const fl_tensor *t = p->tensor ? held[i] = tensor_host_rows(*p->tensor) : NULL;
        status = p->tensor && !t ? -1 : 0;
        item[i] =
            t ? (struct safetensors_item){p->name, t->dtype, t->ndim, t->sizes, tensor_data(t)}
              : (struct safetensors_item){p->name, FL_FLOAT64, 0, NULL, p->number};
    }
    struct safetensors_pair metadata[] = {{"format", "pt"}, {"optimizer", o->rule->name}};
    status =
        held && status == 0 ? safetensors_write(path, (int64_t)l.count, item, 2, metadata) : -1;
    for (size_t i = 0; held && i < l.count; i++)
        tensor_release(held[i]);
    memory_free(held, held ? l.count * sizeof *held : 0);
    if (item)
        memory_free(item, bytes);
    list_free(&l);
    return status;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* Options that torch.optim keeps in pairs, as torch.save's files name them. */
static const struct {
    const char *option, *pair;
} PAIRS[] = {{"beta1", "betas.0"},
             {"beta2", "betas.1"},
             {"eta_minus", "etas.0"},
             {"eta_plus", "etas.1"},
             {"step_min", "step_sizes.0"},
             {"step_max", "step_sizes.1"},
             {"eps1", "eps.0"},
             {"eps2", "eps.1"},
             {"ns_a", "ns_coefficients.0"},
             {"ns_b", "ns_coefficients.1"},
             {"ns_c", "ns_coefficients.2"}};

/* What one of torch.save's files says of a number that is no tensor there; NULL: nothing. */
static const char *find_text(const fl_file *f, const char *name)
{
    char paired[NAME + 16];
    const char *text = fl_file_metadata(f, name), *option = strrchr(name, '.');
    for (size_t i = 0; !text && option && i < sizeof PAIRS / sizeof *PAIRS; i++)
        if (strcmp(option + 1, PAIRS[i].option) == 0) {
            snprintf(paired, sizeof paired, "%.*s%s", (int)(option + 1 - name), name,
                     PAIRS[i].pair);
            text = fl_file_metadata(f, paired);
        }
    return text && strcmp(text, "None") != 0 ? text : NULL;
}

/* Digits, or a word for 0 or 1, as a tensor without dims. */
static fl_tensor *read_text(const char *text)
{
    static const char *const WORDS[][2] = {{"False", "original"}, {"True", "match_rms_adamw"}};
    char *end;
    double number = strtod(text, &end);
    bool read = end != text && !*end;
    for (int w = 0; w < 2 && !read; w++) {
        number = w;
        read = strcmp(text, WORDS[w][0]) == 0 || strcmp(text, WORDS[w][1]) == 0;
    }
    if (!read)
        return error_null(FL_VALUE_ERROR, "'%.40s' is no number", text);
    return tensor_from_number((fl_value){.tag = FL_FLOATING, .as.f = number}, FL_FLOAT64);
}

/* Refuses a number of a file that no optimizer would have: 0, or -1 with the error set. */
static int check_number(const struct part *p, double number)
{
    if (p->option > 0)
        return rule_check(p->option - 1, number);
    if (p->option < 0 && !(number >= 0 && number < 0x1p53))
        return error_set(FL_VALUE_ERROR, "the file's %s is no count: %g", p->name, number);
    return 0;
}

/* Whether a tensor has the sizes that the rule gives this state of the parameter. */
static bool has_sizes(const struct rule *rule, const struct part *p, const fl_tensor *t)
{
    double option[OPTIONS]; /* all on: the file's may not be read yet */
    int64_t sizes[TENSOR_MAX_DIMS];
    for (int k = 0; k < OPTIONS; k++)
        option[k] = 1;
    return rule_keeps(rule, p->state, p->like, option, sizes) && t->ndim == p->like->ndim &&
           memcmp(t->sizes, sizes, (size_t)t->ndim * sizeof *sizes) == 0;
}

/* What the file says of a part, in the part's dtype; *found false where it says nothing. */
static fl_tensor *read_part(fl_file *f, const struct rule *rule, const struct part *p, bool *found)
{
    int64_t place = tensor_file_find(f, p->name);
    const char *text = place < 0 && p->number ? find_text(f, p->name) : NULL;
    *found = place >= 0 || text;
    fl_tensor *raw = place >= 0 ? tensor_file_read(f, place) : text ? read_text(text) : NULL;
    if (!raw)
        return NULL;
    fl_tensor *t =
        p->like ? tensor_new_on(tensor_device(p->like), raw->ndim, raw->sizes, NULL, p->like->dtype)
                : tensor_as(raw, FL_FLOAT64);
    if (t && p->like && tensor_copy(t, raw)) {
        tensor_release(t);
        t = NULL;
    }
    tensor_release(raw);
    bool fits = t && (p->like ? has_sizes(rule, p, t) : t->numel == 1);
    if (t && !fits) {
        tensor_release(t);
        return error_null(FL_VALUE_ERROR, "the file's %s does not fit this optimizer", p->name);
    }
    if (t && p->number && check_number(p, *(const double *)tensor_data(t)) != 0) {
        tensor_release(t);
        return NULL;
    }
    return t;
}

/* Puts what was read in its place. */
static void take(struct part *p, fl_tensor *t)
{
    if (p->number) {
        *p->number = *(const double *)tensor_data(t);
        tensor_release(t);
        return;
    }
    tensor_release(*p->tensor);
    *p->tensor = t;
}

int fl_optimizer_load(fl_optimizer *o, const char *path)
{
    struct listing l = {0};
    fl_file *file = o ? fl_file_open(path) : NULL;
    if (!file)
        return -1;
    int status = list(o, true, &l);
    size_t bytes = l.count * sizeof(fl_tensor *), taken = 0;
    fl_tensor **read = status == 0 ? memory_zalloc(bytes) : NULL;
    status = read ? 0 : -1;
    for (size_t i = 0; i < l.count && status == 0; i++) {
        bool found;
        read[i] = read_part(file, o->rule, &l.part[i], &found);
        status = found && !read[i] ? -1 : 0;
        taken += found;
    }
    if (status == 0 && !taken)
        status =
            error_set(FL_VALUE_ERROR, "'%s' holds no state of a %s optimizer", path, o->rule->name);
    for (size_t i = 0; read && i < l.count; i++) {
        if (read[i] && status == 0)
            take(&l.part[i], read[i]);
        else
            tensor_release(read[i]);
    }
    for (int64_t i = 0; status == 0 && i < o->count; i++) {
        struct held *h = &o->held[i];
        h->steps = (int64_t)l.steps[i];
        if (!h->steps && h->state[0]) /* torch.optim's SGD counts no steps: its momentum stands */
            h->steps = 1, h->number[0] = 1;
    }
    if (read)
        memory_free(read, bytes);
    list_free(&l);
    fl_file_close(file);
    return status;
}
