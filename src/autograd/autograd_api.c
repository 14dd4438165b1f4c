/* The public functions of automatic differentiation. */
#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"

bool fl_requires_grad(const fl_tensor *t)
{
    return t && tensor_requires_grad(t);
}

int fl_set_requires_grad(fl_tensor *t, bool requires_grad)
{
    return t ? autograd_set_requires_grad(t, requires_grad)
             : fl_null_argument("fl_set_requires_grad", "t");
}

fl_tensor *fl_grad(const fl_tensor *t)
{
    return t && t->autograd ? t->autograd->grad : NULL;
}

int fl_set_grad(fl_tensor *t, fl_tensor *grad)
{
    return t ? autograd_set_grad(t, grad) : fl_null_argument("fl_set_grad", "t");
}

int fl_retain_grad(fl_tensor *t)
{
    return t ? autograd_retain_grad(t) : fl_null_argument("fl_retain_grad", "t");
}

bool fl_grad_enabled(bool enabled)
{
    bool was = autograd_mode.grad;
    autograd_mode.grad = enabled;
    return was;
}

fl_tensor *fl_detach(fl_tensor *t)
{
    if (!t)
        return fl_null_argument("fl_detach", "t"), NULL;
    fl_tensor *y = autograd_detach(t);
    return y && scope_adopt(y) == 0 ? y : NULL;
}

/* ---- Backward ------------------------------------------------------------------------------- */

/* What a backward makes is the graph's, and of no scope. */
static int run_backward(const struct backward_request *request)
{
    struct scope *scope = scope_suspend();
    int status = engine_backward(request);
    scope_resume(scope);
    return status;
}

int fl_backward(fl_tensor *loss)
{
    if (!loss)
        return fl_null_argument("fl_backward", "loss");
    return run_backward(&(struct backward_request){.count = 1, .tensors = &loss});
}

static int check_list(const char *function, const char *name, fl_tensors list)
{
    if (list.count < 0 || (list.count > 0 && !list.data))
        return error_set(FL_VALUE_ERROR, "%s(): the list '%s' has no memory for %lld elements",
                         function, name, (long long)list.count);
    for (int64_t i = 0; i < list.count; i++)
        if (!list.data[i])
            return fl_null_argument(function, name);
    return 0;
}

/* The request that both functions share; results in a scope are the scope's. */
static int walk(const char *function, fl_tensors outputs, fl_tensors gradients,
                const fl_backward_options *options, struct backward_request *request)
{
    static const fl_backward_options NONE;
    const fl_backward_options *o = options ? options : &NONE;
    if (check_list(function, "outputs", outputs))
        return -1;
    if (gradients.data && gradients.count != outputs.count)
        return error_set(FL_RUNTIME_ERROR, "got %lld tensors and %lld gradients",
                         (long long)outputs.count, (long long)gradients.count);
    request->count = outputs.count;
    request->tensors = outputs.data;
    request->grads = gradients.data;
    request->keep_graph = o->retain_graph || o->create_graph;
    request->create_graph = o->create_graph;
    request->allow_unused = o->allow_unused;
    return run_backward(request);
}

int fl_autograd_backward(fl_tensors outputs, fl_tensors gradients,
                         const fl_backward_options *options)
{
    return walk("fl_autograd_backward", outputs, gradients, options, &(struct backward_request){0});
}

int fl_autograd_grad(fl_tensors outputs, fl_tensors inputs, fl_tensors gradients,
                     const fl_backward_options *options, fl_tensor **results)
{
    if (!results)
        return fl_null_argument("fl_autograd_grad", "results");
    if (check_list("fl_autograd_grad", "inputs", inputs))
        return -1;
    for (int64_t i = 0; i < inputs.count; i++)
        results[i] = NULL;
    struct backward_request request = {
        .inputs = inputs.count, .input = inputs.data, .results = results};
    if (walk("fl_autograd_grad", outputs, gradients, options, &request))
        return -1;
    int status = 0;
    for (int64_t i = 0; i < inputs.count; i++)
        if (scope_adopt(results[i])) /* which has dropped it */
            results[i] = NULL, status = -1;
    return status;
}

/* ---- Hooks ---------------------------------------------------------------------------------- */

struct program_hook {
    fl_tensor *(*run)(fl_tensor *gradient, void *context);
    void *context;
    void (*free)(void *context);
};

static void drop_hook(void *memory)
{
    struct program_hook *h = memory;
    if (h->free)
        h->free(h->context);
    memory_free(h, sizeof *h);
}

/* Runs the program's function in a scope of its own. It fails by returning NULL with an error. */
static int run_hook(void *memory, fl_tensor **gradient)
{
    struct program_hook *h = memory;
    struct scope here;
    struct error_state *before = error_save();
    scope_open(&here);
    fl_tensor *y = h->run(*gradient, h->context);
    int status = !y && fl_error() != FL_OK ? -1 : 0;
    if (y && y != *gradient) {
        tensor_release(*gradient);
        *gradient = scope_hand_on(&here, y);
    }
    scope_close(&here);
    if (status == 0)
        error_restore(before);
    else
        error_drop(before);
    return status;
}

int64_t fl_add_hook(fl_tensor *t, fl_tensor *(*hook)(fl_tensor *gradient, void *context),
                    void *context, void (*free)(void *context))
{
    struct program_hook *h = t && hook ? memory_alloc(sizeof *h) : NULL;
    if (!h) {
        if (!t || !hook)
            fl_null_argument("fl_add_hook", t ? "hook" : "t");
        if (free)
            free(context);
        return -1;
    }
    *h = (struct program_hook){hook, context, free};
    int64_t id = autograd_add_hook(t, run_hook, h, drop_hook);
    if (id < 0)
        drop_hook(h);
    return id;
}

void fl_remove_hook(fl_tensor *t, int64_t id)
{
    if (t)
        autograd_remove_hook(t, id);
}
