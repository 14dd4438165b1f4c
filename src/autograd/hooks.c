/* Hooks: a small growing array; a hook that is removed while hooks run is only marked, and swept
 * afterwards. */
#include "autograd/hooks.h"
#include "autograd/turn.h"

#include <assert.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"

struct hook {
    int64_t id; /* 0: removed */
    enum hook_kind kind;
    int result;
    void (*run)(void);
    void *context;
    void (*drop)(void *context);
};

struct grad_hooks {
    int count, capacity, running;
    struct hook *hook;
};

static void drop(struct hook *h)
{
    if (h->id && h->drop)
        h->drop(h->context);
    h->id = 0;
}

static void sweep(struct grad_hooks *hooks)
{
    assert(hooks->running >= 0 && hooks->count <= hooks->capacity);
    if (hooks->running)
        return;
    int kept = 0;
    for (int i = 0; i < hooks->count; i++)
        if (hooks->hook[i].id)
            hooks->hook[kept++] = hooks->hook[i];
    hooks->count = kept;
}

int64_t hooks_add(struct grad_hooks **at, enum hook_kind kind, int result, void (*run)(void),
                  void *context, void (*drop_context)(void *))
{
    assert(run && result >= 0);
    static _Atomic int64_t next_id = 1;
    if (!*at && !(*at = memory_zalloc(sizeof **at)))
        return -1;
    struct grad_hooks *hooks = *at;
    if (hooks->count == hooks->capacity) {
        int capacity = hooks->capacity ? 2 * hooks->capacity : 4;
        struct hook *grown = memory_alloc((size_t)capacity * sizeof *grown);
        if (!grown)
            return -1;
        if (hooks->count)
            memcpy(grown, hooks->hook, (size_t)hooks->count * sizeof *grown);
        memory_free(hooks->hook, (size_t)hooks->capacity * sizeof *grown);
        hooks->hook = grown, hooks->capacity = capacity;
    }
    int64_t id = atomic_fetch_add(&next_id, 1);
    hooks->hook[hooks->count++] = (struct hook){id, kind, result, run, context, drop_context};
    return id;
}

void hooks_remove(struct grad_hooks *hooks, int64_t id)
{
    for (int i = 0; hooks && i < hooks->count; i++)
        if (hooks->hook[i].id == id)
            drop(&hooks->hook[i]);
    if (hooks)
        sweep(hooks);
}

void hooks_forget(struct grad_hooks *hooks, const void *context)
{
    for (int i = 0; hooks && i < hooks->count; i++)
        if (hooks->hook[i].kind == HOOK_RETAIN && hooks->hook[i].context == context)
            drop(&hooks->hook[i]);
    if (hooks)
        sweep(hooks);
}

int hooks_each(struct grad_hooks *hooks, int (*see)(void (*run)(void), void *context, void *arg),
               void *arg)
{
    int status = 0;
    if (!hooks)
        return 0;
    hooks->running++;
    for (int i = 0; i < hooks->count && status == 0; i++)
        if (hooks->hook[i].id)
            status = see(hooks->hook[i].run, hooks->hook[i].context, arg);
    hooks->running--;
    sweep(hooks);
    return status;
}

void hooks_free(struct grad_hooks *hooks)
{
    if (!hooks)
        return;
    for (int i = 0; i < hooks->count; i++)
        drop(&hooks->hook[i]);
    memory_free(hooks->hook, (size_t)hooks->capacity * sizeof *hooks->hook);
    memory_free(hooks, sizeof *hooks);
}

int hooks_check(const char *name, const fl_tensor *old, const fl_tensor *new)
{
    if (new->dtype != old->dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "hook '%s' has changed the type of value (was torch.%sTensor got "
                         "torch.%sTensor)",
                         name, dtype_title(old->dtype), dtype_title(new->dtype));
    if (tensor_device(new) != tensor_device(old))
        return error_set(FL_RUNTIME_ERROR,
                         "hook '%s' has changed the type of value (was torch.%sTensor on %s got "
                         "torch.%sTensor on %s)",
                         name, dtype_title(old->dtype), tensor_device(old)->name,
                         dtype_title(new->dtype), tensor_device(new)->name);
    return shape_equal(old, new)
               ? 0
               : error_set(FL_RUNTIME_ERROR, "hook '%s' has changed the size of value", name);
}

/* What a hook puts in a gradient's place must be like it. */
static int run_tensor_hook(const struct hook *h, fl_tensor **grad)
{
    fl_tensor *old = tensor_retain(*grad);
    int status = ((tensor_hook_fn)h->run)(h->context, grad);
    if (status == 0 && *grad != old)
        status = hooks_check("hook", old, *grad);
    tensor_release(old);
    return status;
}

static int run_kind(struct grad_hooks *hooks, enum hook_kind kind, int inputs, fl_tensor **in,
                    int results, fl_tensor **g)
{
    assert(results == 0 || g);
    assert(inputs == 0 || in);
    int status = 0;
    hooks->running++;
    for (int i = 0; i < hooks->count && status == 0; i++) {
        struct hook h = hooks->hook[i]; /* a copy: the array may grow while it runs */
        if (!h.id || h.kind != kind)
            continue;
        bool held = kind != HOOK_RETAIN && turn_pause();
        if (kind == HOOK_TENSOR || kind == HOOK_RETAIN) {
            if (h.result < results && g[h.result])
                status = run_tensor_hook(&h, &g[h.result]);
        } else if (kind == HOOK_LEAF) {
            status = ((leaf_hook_fn)h.run)(h.context, in[0]);
        } else {
            status = ((node_hook_fn)h.run)(h.context, inputs, in, results, g);
        }
        turn_resume(held);
    }
    hooks->running--;
    sweep(hooks);
    return status;
}

int hooks_run_before(struct grad_hooks *hooks, int results, fl_tensor **g)
{
    if (run_kind(hooks, HOOK_TENSOR, 0, NULL, results, g) ||
        run_kind(hooks, HOOK_RETAIN, 0, NULL, results, g))
        return -1;
    return run_kind(hooks, HOOK_BEFORE, 0, NULL, results, g);
}

int hooks_run_after(struct grad_hooks *hooks, int inputs, fl_tensor **out, int results,
                    fl_tensor **g)
{
    return run_kind(hooks, HOOK_AFTER, inputs, out, results, g);
}

int hooks_run_leaf(struct grad_hooks *hooks, fl_tensor *leaf)
{
    return run_kind(hooks, HOOK_LEAF, 1, &leaf, 0, NULL);
}
