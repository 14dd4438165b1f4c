/* The tree of modules: entries under names, forward, training, the list of parameters. */
#include "nn/modules.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"

/* ---- Life ----------------------------------------------------------------------------------- */

fl_module *module_new(const struct module_class *type)
{
    fl_module *m = memory_zalloc(sizeof *m);
    if (!m)
        return NULL;
    atomic_init(&m->refs, 1);
    m->training = true;
    m->type = type;
    return m;
}

fl_module *fl_module_retain(fl_module *m)
{
    if (m)
        refs_add(&m->refs);
    return m;
}

static size_t entries_bytes(int room)
{
    assert(room >= 0);
    return (size_t)room * sizeof(struct module_entry);
}

static void drop_list(fl_module *m)
{
    assert(m->parameters || m->parameters_room == 0);
    memory_free(m->parameters, (size_t)m->parameters_room * sizeof(fl_tensor *));
    m->parameters = NULL;
    m->parameters_room = 0;
}

void fl_module_release(fl_module *m)
{
    if (!m || !refs_drop(&m->refs))
        return;
    for (int i = 0; i < m->count; i++) {
        memory_free(m->entries[i].name, strlen(m->entries[i].name) + 1);
        tensor_release(m->entries[i].tensor);
        fl_module_release(m->entries[i].child);
    }
    memory_free(m->entries, entries_bytes(m->room));
    drop_list(m);
    memory_free(m, sizeof *m);
}

static fl_tensor *forward_own(fl_module *m, fl_tensor *x)
{
    if (m->own_forward)
        return m->own_forward(m, x, m->context);
    return error_null(FL_NOT_IMPLEMENTED,
                      "Module [%s] is missing the required \"forward\" function", m->type->name);
}

fl_module *fl_module_new(const char *class_name,
                         fl_tensor *(*forward)(fl_module *m, fl_tensor *x, void *context),
                         void *context)
{
    if (!class_name)
        return fl_null_argument("fl_module_new", "class_name"), NULL;
    fl_module *m = module_new(NULL);
    if (!m)
        return NULL;
    m->own_type = (struct module_class){class_name, forward_own};
    m->type = &m->own_type;
    m->own_forward = forward;
    m->context = context;
    return m;
}

/* ---- Entries -------------------------------------------------------------------------------- */

static struct module_entry *find(const fl_module *m, const char *name, size_t length)
{
    assert(name && m->count <= m->room);
    for (int i = 0; i < m->count; i++)
        if (strncmp(m->entries[i].name, name, length) == 0 && m->entries[i].name[length] == '\0')
            return &m->entries[i];
    return NULL;
}

static bool contains(const fl_module *m, const fl_module *wanted)
{
    if (m == wanted)
        return true;
    for (int i = 0; i < m->count; i++)
        if (m->entries[i].child && contains(m->entries[i].child, wanted))
            return true;
    return false;
}

/* Adds an entry, whose references then are m's. */
static int add_entry(fl_module *m, const char *kind, const char *name, struct module_entry e)
{
    assert((e.tensor != NULL) != (e.child != NULL));
    if (strchr(name, '.') || !*name)
        return error_set(FL_VALUE_ERROR,
                         *name ? "%s name can't contain \".\", got: %s"
                               : "%s name can't be empty string \"\"%s",
                         kind, name);
    if (find(m, name, strlen(name)))
        return error_set(FL_VALUE_ERROR, "attribute '%s' already exists", name);
    if (m->count == m->room) {
        int room = m->room ? 2 * m->room : 8;
        struct module_entry *grown = memory_alloc(entries_bytes(room));
        if (!grown)
            return -1;
        if (m->count)
            memcpy(grown, m->entries, entries_bytes(m->count));
        memory_free(m->entries, entries_bytes(m->room));
        m->entries = grown;
        m->room = room;
    }
    size_t bytes = strlen(name) + 1;
    e.name = memory_alloc(bytes);
    if (!e.name)
        return -1;
    memcpy(e.name, name, bytes);
    m->entries[m->count++] = e;
    drop_list(m);
    return 0;
}

/* Notes that m lacks something; -1. */
static int broken(fl_module *m)
{
    if (m)
        m->broken = true;
    return -1;
}

/* Whether m and all that is inside it are whole; else the error is set, unless it still tells why.
 */
static bool is_whole(const fl_module *m)
{
    if (m->broken) {
        if (fl_error() == FL_OK)
            error_set(FL_RUNTIME_ERROR, "this %s is not whole: something could not be added to it",
                      m->type->name);
        return false;
    }
    for (int i = 0; i < m->count; i++)
        if (m->entries[i].child && !is_whole(m->entries[i].child))
            return false;
    return true;
}

int fl_module_add(fl_module *m, const char *name, fl_module *child)
{
    if (!m || !child || !name) {
        fl_null_argument("fl_module_add", !m ? "m" : !name ? "name" : "child");
        fl_module_release(child);
        return broken(m);
    }
    int status = contains(child, m)
                     ? error_set(FL_VALUE_ERROR, "a module cannot be inside itself (%s)", name)
                     : add_entry(m, "module", name, (struct module_entry){.child = child});
    if (status == 0)
        return 0;
    fl_module_release(child);
    return broken(m);
}

int fl_module_append(fl_module *m, fl_module *child)
{
    char name[16];
    int children = 0;
    for (int i = 0; m && i < m->count; i++)
        children += m->entries[i].child != NULL;
    snprintf(name, sizeof name, "%d", children);
    return fl_module_add(m, name, child);
}

static int add_tensor(fl_module *m, const char *name, fl_tensor *t, bool buffer)
{
    fl_keep(t); /* the reference may be a scope's */
    if (!m || !t || !name) {
        fl_null_argument(buffer ? "fl_module_add_buffer" : "fl_module_add_parameter",
                         !m       ? "m"
                         : !name  ? "name"
                         : buffer ? "buffer"
                                  : "parameter");
        tensor_release(t);
        return broken(m);
    }
    int status = buffer ? 0 : fl_set_requires_grad(t, true);
    if (status == 0)
        status = add_entry(m, buffer ? "buffer" : "parameter", name,
                           (struct module_entry){.tensor = t, .buffer = buffer});
    if (status == 0)
        return 0;
    tensor_release(t);
    return broken(m);
}

int fl_module_add_parameter(fl_module *m, const char *name, fl_tensor *parameter)
{
    return add_tensor(m, name, parameter, false);
}

int fl_module_add_buffer(fl_module *m, const char *name, fl_tensor *buffer)
{
    return add_tensor(m, name, buffer, true);
}

fl_tensor *module_tensor(const fl_module *m, const char *name)
{
    assert(name && m->count <= m->room);
    struct module_entry *e = find(m, name, strlen(name));
    return e ? e->tensor : NULL;
}

/* The entry at the end of a dotted name. */
static struct module_entry *follow(const fl_module *m, const char *name)
{
    for (;;) {
        size_t length = strcspn(name, ".");
        struct module_entry *e = find(m, name, length);
        if (!e || name[length] == '\0')
            return e;
        if (!(m = e->child))
            return NULL;
        name += length + 1;
    }
}

fl_tensor *fl_module_get(const fl_module *m, const char *name)
{
    if (!m || !name)
        return fl_null_argument("fl_module_get", m ? "name" : "m"), NULL;
    struct module_entry *e = follow(m, name);
    return e && e->tensor ? e->tensor
                          : error_null(FL_VALUE_ERROR, "%s has no parameter or buffer '%s'",
                                       m->type->name, name);
}

fl_module *fl_module_child(const fl_module *m, const char *name)
{
    if (!m || !name)
        return fl_null_argument("fl_module_child", m ? "name" : "m"), NULL;
    struct module_entry *e = follow(m, name);
    return e && e->child
               ? e->child
               : error_null(FL_VALUE_ERROR, "%s has no submodule '%s'", m->type->name, name);
}

/* ---- Walking the tree ----------------------------------------------------------------------- */

struct visit {
    int (*visit)(void *context, const char *name, struct module_entry *e);
    void *context;
    char name[MODULE_NAME_BYTES];
};

static int visit_below(const fl_module *m, struct visit *v, size_t prefix)
{
    enum { PARAMETERS, BUFFERS, CHILDREN, PASSES };
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < m->count; i++) {
            struct module_entry *e = &m->entries[i];
            if (pass != (e->child ? CHILDREN : e->buffer ? BUFFERS : PARAMETERS))
                continue;
            size_t room = sizeof v->name - prefix;
            int length = snprintf(v->name + prefix, room, e->child ? "%s." : "%s", e->name);
            if (length < 0 || (size_t)length >= room)
                return error_set(FL_VALUE_ERROR, "the name %s... is too long", v->name);
            int status = e->child ? visit_below(e->child, v, prefix + (size_t)length)
                                  : v->visit(v->context, v->name, e);
            if (status != 0)
                return status;
        }
    }
    return 0;
}

int module_visit(const fl_module *m,
                 int (*visit)(void *context, const char *name, struct module_entry *e),
                 void *context)
{
    struct visit v = {visit, context, ""};
    return visit_below(m, &v, 0);
}

static int64_t count_entries(const fl_module *m)
{
    int64_t count = 0;
    for (int i = 0; i < m->count; i++)
        count += m->entries[i].child ? count_entries(m->entries[i].child) : 1;
    return count;
}

/* Appends a parameter to the list that `context` fills, unless it is in it (one that two modules
 * share). */
static int list_parameter(void *context, const char *name, struct module_entry *e)
{
    fl_tensors *list = context;
    (void)name;
    if (e->buffer)
        return 0;
    for (int64_t i = 0; i < list->count; i++)
        if (list->data[i] == e->tensor)
            return 0;
    ((fl_tensor **)list->data)[list->count++] = e->tensor;
    return 0;
}

fl_tensors fl_module_parameters(fl_module *m)
{
    fl_tensors list = {NULL, 0};
    if (!m || !is_whole(m))
        return list;
    int64_t room = count_entries(m);
    fl_tensor **made = memory_alloc((size_t)room * sizeof *made);
    if (!made)
        return list;
    list.data = made;
    module_visit(m, list_parameter, &list);
    /* The list given out before stands as long as it is right. */
    if (m->parameters && m->parameters_room == room && m->parameters_count == list.count &&
        memcmp(m->parameters, made, (size_t)list.count * sizeof *made) == 0) {
        memory_free(made, (size_t)room * sizeof *made);
        list.data = m->parameters;
        return list;
    }
    drop_list(m);
    m->parameters = made, m->parameters_room = room, m->parameters_count = list.count;
    return list;
}

struct program_visit {
    int (*visit)(const char *name, fl_tensor *t, bool is_buffer, void *context);
    void *context;
};

static int visit_one(void *context, const char *name, struct module_entry *e)
{
    struct program_visit *v = context;
    return v->visit(name, e->tensor, e->buffer, v->context);
}

int fl_module_each(const fl_module *m,
                   int (*visit)(const char *name, fl_tensor *t, bool is_buffer, void *context),
                   void *context)
{
    if (!m || !visit)
        return fl_null_argument("fl_module_each", m ? "visit" : "m");
    struct program_visit v = {visit, context};
    return module_visit(m, visit_one, &v);
}

void fl_module_train(fl_module *m, bool training)
{
    if (!m)
        return;
    m->training = training;
    for (int i = 0; i < m->count; i++)
        fl_module_train(m->entries[i].child, training);
}

bool fl_module_is_training(const fl_module *m)
{
    return m && m->training;
}

/* ---- Forward -------------------------------------------------------------------------------- */

/* Runs in a scope of its own, so that what a module makes on the way is dropped. */
fl_tensor *fl_module_forward(fl_module *m, fl_tensor *x)
{
    if (!m || !x)
        return fl_null_argument("fl_module_forward", m ? "x" : "m"), NULL;
    if (m->broken && !is_whole(m))
        return NULL;
    struct scope here;
    scope_open(&here);
    fl_tensor *y = scope_hand_on(&here, m->type->forward(m, x));
    scope_close(&here);
    return scope_adopt(y) == 0 ? y : NULL;
}

static fl_tensor *forward_sequential(fl_module *m, fl_tensor *x)
{
    struct scope *here = scope_current;
    for (int i = 0; i < m->count && x; i++) {
        fl_tensor *y = fl_module_forward(m->entries[i].child, x);
        if (i > 0 && y != x && scope_take(here, x))
            tensor_release(
                x); /* nobody waits for it: it need not stay until the last module is done */
        x = y;
    }
    return x;
}

static const struct module_class SEQUENTIAL = {"Sequential", forward_sequential};

fl_module *fl_sequential_new(void)
{
    return module_new(&SEQUENTIAL);
}
