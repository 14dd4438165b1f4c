/* What a tensor keeps of the graph: grad_fn, gradient, view history; and the accumulate node of a
 * leaf.
 *
 * Views. A view's base is never a view itself. An in-place write on a view makes the base come from
 * a "copy slices" node (copyslices.c) and the view, on the next look, from an as_strided of the
 * base: autograd_node compares the storage's version with the one at which the view, or its node,
 * was made. Views that came in another way than by one recorded call (tensor_creation) are refused
 * instead, when they are written and when they are used after their base was.
 */
#include "autograd/autograd.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "autograd/hooks.h"
#include "autograd/operations.h"
#include "autograd/tangents.h"
#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"

__thread struct autograd_mode autograd_mode
    __attribute__((tls_model("initial-exec"))) = {.grad = true};

/* A leaf's node. */
struct accumulate {
    struct node node;
    fl_tensor *leaf; /* a reference */
};

static void leave_node(fl_tensor *t, struct autograd *a);

/* What core calls when a handle with a state dies. */
static void drop_state(fl_tensor *t)
{
    assert(t->autograd);
    struct autograd *a = t->autograd;
    t->autograd = NULL;
    if (a->node)
        leave_node(t, a);
    tensor_release(a->grad);
    if (a->tangents)
        tangents_drop(a->tangents);
    if (a->hooks)
        hooks_free(a->hooks);
    if (a->spare)
        memory_free(a->spare, sizeof(struct accumulate));
    memory_free(a, sizeof *a);
}

static __attribute__((constructor)) void install(void)
{
    tensor_drop_autograd = drop_state;
}

/* ---- threads -----------------------------------------------------------------------------------
 *
 * Threads may record and differentiate with the same leaves. Backward runs one at a time
 * (engine.c); what a leaf shares between threads, its state, accumulate node and .grad, changes
 * hands under this lock, which is held for a few instructions. */

static atomic_flag state_flag = ATOMIC_FLAG_INIT;

static void state_lock(void)
{
    if (!refs_alone())
        while (atomic_flag_test_and_set_explicit(&state_flag, memory_order_acquire))
            sched_yield();
}

static void state_unlock(void)
{
    if (!refs_alone())
        atomic_flag_clear_explicit(&state_flag, memory_order_release);
}

struct autograd *autograd_of(fl_tensor *t)
{
    assert(atomic_load(&t->refs) > 0);
    if (t->autograd)
        return t->autograd;
    struct autograd *fresh = memory_zalloc(sizeof *fresh);
    if (!fresh)
        return NULL;
    state_lock();
    if (!t->autograd)
        t->autograd = fresh, fresh = NULL;
    state_unlock();
    if (fresh)
        memory_free(fresh, sizeof *fresh);
    return t->autograd;
}

fl_tensor *autograd_grad(fl_tensor *t)
{
    struct autograd *a = t->autograd;
    if (!a || !a->grad)
        return NULL;
    state_lock();
    fl_tensor *g = a->grad ? tensor_retain(a->grad) : NULL;
    state_unlock();
    return g;
}

/* Puts a gradient (given away, may be NULL) in the place of the one there is. */
static void replace_grad(struct autograd *a, fl_tensor *g)
{
    state_lock();
    fl_tensor *old = a->grad;
    a->grad = g;
    state_unlock();
    tensor_release(old);
}

/* Whether a gradient is in memory that nobody else can see. */
static bool is_own(const fl_tensor *g)
{
    return atomic_load(&g->refs) == 1 && !g->base && atomic_load(&g->storage->refs) == 1;
}

/* Whether a gradient lies as its leaf does, or row by row where the leaf has gaps or overlaps. */
static bool same_layout(const fl_tensor *g, const fl_tensor *leaf)
{
    if (leaf->flags & TENSOR_CONTIGUOUS || !tensor_is_dense(leaf))
        return g->flags & TENSOR_CONTIGUOUS;
    for (int i = 0; i < g->ndim; i++)
        if (g->sizes[i] != 1 && g->strides[i] != leaf->strides[i])
            return false;
    return true;
}

int autograd_add_grad(fl_tensor *t, fl_tensor *g, bool create_graph)
{
    assert(g && atomic_load(&g->refs) > 0);
    struct autograd *a = autograd_of(t);
    if (!a)
        return -1;
    fl_tensor *old = autograd_grad(t), *sum;
    int status = 0;
    bool added = old && !create_graph && !tensor_requires_grad(old) &&
                 !((old->flags | g->flags) & TENSOR_IN_OBJECT);
    if (!old && !create_graph && is_own(g) && g->dtype == t->dtype && same_layout(g, t)) {
        sum = tensor_retain(g); /* nobody else has it: keep it as it is */
    } else if (!old) {
        sum = operation_own(g, t);
    } else if (added) {
        sum = NULL;
        status = operation_add_(old, g);
    } else {
        sum = operation_add(old, g);
    }
    if (sum)
        replace_grad(a, sum);
    tensor_release(old);
    return sum || added ? status : -1;
}

/* ---- the accumulate node: adds what arrives into a leaf's .grad ---- */

static const char *accumulate_name(const struct node *n)
{
    (void)n;
    return "torch::autograd::AccumulateGrad";
}

static int accumulate_backward(struct node *n, fl_tensor *const *g, bool create_graph,
                               fl_tensor **out)
{
    (void)out;
    fl_tensor *leaf = ((struct accumulate *)n)->leaf;
    if (!g[0])
        return 0;
    return autograd_add_grad(leaf, g[0], create_graph);
}

static void accumulate_release_saved(struct node *n)
{
    (void)n;
}

static void accumulate_destroy(struct node *n)
{
    assert(atomic_load(&n->refs) <= 1);
    struct accumulate *self = (struct accumulate *)n;
    struct autograd *a = self->leaf->autograd;
    fl_tensor *leaf = self->leaf;
    bool spare = false;
    state_lock();
    if (a && a->accumulate == n) {
        a->accumulate = NULL;
        a->hooks = n->hooks; /* they belong to the leaf */
        n->hooks = NULL;
        spare = !a->spare;
        if (spare) /* the next call that uses the leaf wants one again */
            a->spare = self;
    }
    state_unlock();
    if (!spare)
        memory_free(self, sizeof *self);
    tensor_release(leaf);
}

static const struct node_class ACCUMULATE = {accumulate_name, accumulate_backward,
                                             accumulate_release_saved, accumulate_destroy};

fl_tensor *node_leaf(const struct node *n)
{
    return n->type == &ACCUMULATE ? ((struct accumulate *)n)->leaf : NULL;
}

/* The leaf's accumulate node, a new reference; NULL while it has none that lives. The lock is held.
 */
static struct node *living_accumulate(const struct autograd *a)
{
    return a->accumulate && refs_add_living(&a->accumulate->refs) ? a->accumulate : NULL;
}

/* Makes self the accumulate node of t, whose state is a. The lock is held. */
static void begin_accumulate(struct accumulate *self, fl_tensor *t, struct autograd *a,
                             const void *code)
{
    struct grad_hooks **hooks = a->accumulate ? &a->accumulate->hooks : &a->hooks;
    self->node = (struct node){.refs = 1,
                               .results = 1,
                               .sequence = UINT64_MAX,
                               .type = &ACCUMULATE,
                               .hooks = *hooks,
                               .code = code};
    *hooks = NULL;
    self->leaf = tensor_retain(t);
    a->accumulate = &self->node;
}

/* Where the leaf has no memory to spare the lock is let go to allocate some: another thread may
 * make the node meanwhile. */
static struct node *accumulate_of(fl_tensor *t)
{
    struct autograd *a = autograd_of(t);
    if (!a)
        return NULL;
    const void *code = autograd_anomaly.locate ? autograd_anomaly.locate() : NULL;
    struct accumulate *self = NULL;
    struct node *n = NULL;
    do {
        state_lock();
        if (!(n = living_accumulate(a))) {
            if (!self)
                self = a->spare, a->spare = NULL;
            if (self) {
                begin_accumulate(self, t, a, code);
                n = &self->node, self = NULL, code = NULL;
            }
        }
        state_unlock();
    } while (!n && (self = memory_alloc(sizeof *self)));
    if (code)
        autograd_anomaly.drop(code);
    memory_free(self, sizeof *self);
    return n;
}

/* ---- tensors ---- */

/* Whether t is a view whose base was written since t's node was made. */
static bool is_stale_view(const fl_tensor *t)
{
    return t->base && t->storage && t->view_version != t->storage->version &&
           tensor_requires_grad(t->base) &&
           !(t->flags & TENSOR_REQUIRES_GRAD && !tensor_has_node(t));
}

/* "Mul" of MulBackward0, "Pow1" of PowBackward1, as PyTorch's errors name an operator. */
static const char *operator_of(const struct node *n, char *text, size_t size)
{
    const char *name = node_name(n), *end = NULL;
    for (const char *at = name; (at = strstr(at, "Backward")); at++)
        end = at; /* the last: BackwardHookFunctionBackward */
    if (!end || end == name || strchr(name, ':'))
        return name;
    const char *number = end + strlen("Backward");
    snprintf(text, size, "%.*s%s", (int)(end - name), name, strcmp(number, "0") ? number : "");
    return text;
}

/* PyTorch's error of a view that may not be written, or whose base was: -1. */
static int refuse_view(const fl_tensor *t, bool base_was_written)
{
    static const char *const WHY[] = {
        [CREATION_NO_GRAD] =
            " Given that this use case is ambiguous and error-prone, it is forbidden. You can "
            "clarify your code by moving both the view and the inplace either both inside the "
            "no_grad block (if you don't want the inplace to be tracked) or both outside (if you "
            "want the inplace to be tracked).",
        [CREATION_INFERENCE] =
            " Given that this use case is ambiguous and error-prone, it is forbidden. You can "
            "clarify your code by moving both the view and the inplace either both inside the "
            "inference_mode block (if you don't want the inplace to be tracked) or both outside "
            "(if you want the inplace to be tracked).",
        [CREATION_MANY] =
            " This view is the output of a function that returns multiple views. Such functions do "
            "not allow the output views to be modified inplace. You should replace the inplace "
            "operation by an out-of-place one.",
        [CREATION_FUNCTION] =
            " This view was created inside a custom Function (or because an input was returned "
            "as-is) and the autograd logic to handle view+inplace would override the custom "
            "backward associated with the custom Function, leading to incorrect gradients. This "
            "behavior is forbidden. You can fix this by cloning the output of the custom "
            "Function."};
    bool inference = t->creation == CREATION_INFERENCE, node = tensor_has_node(t),
         mode = inference || t->creation == CREATION_NO_GRAD;
    char maker[128] = "", name[96];
    if (node)
        snprintf(maker, sizeof maker, "Output %d of %s is a view",
                 t->view_output ? t->view_output : t->autograd->result,
                 operator_of(t->autograd->node, name, sizeof name));
    return error_set(FL_RUNTIME_ERROR, "%s%s%s %s modified inplace%s.%s", maker,
                     !node  ? "A view was created in "
                     : mode ? " of a view which was created in "
                            : "",
                     node && !mode ? " and"
                     : inference   ? "inference mode and"
                                   : "no_grad mode and",
                     base_was_written ? "its base or another view of its base has been"
                                      : "is being",
                     node && !mode ? ""
                     : inference   ? " in normal mode"
                                   : " with grad mode enabled",
                     WHY[t->creation]);
}

struct node *autograd_node(fl_tensor *t, int *result)
{
    if (is_stale_view(t)) {
        struct node *fresh = t->creation ? NULL : operation_view_node(t);
        if (t->creation)
            refuse_view(t, true);
        if (!fresh || autograd_adopt_node(t, fresh, 0))
            return NULL;
    }
    struct autograd *a = t->autograd;
    if (!a)
        return NULL;
    if (result)
        *result = a->result;
    return a->node;
}

/* The edge to what a tensor that requires grad comes from; apart, so that the edge of one that does
 * not costs no saved registers. */
static __attribute__((noinline)) int edge_to_history(fl_tensor *t, struct edge *edge)
{
    if (t->base && is_stale_view(t) && !autograd_node(t, NULL))
        return -1;
    const struct autograd *a = t->autograd;
    if (a && a->node) {
        assert(a->result >= 0 && a->result < a->node->results);
        edge->node = node_retain(a->node), edge->result = a->result;
        return 0;
    }
    if (!(t->flags & TENSOR_REQUIRES_GRAD)) /* a view made where nothing was recorded */
        return 0;
    edge->node = accumulate_of(t);
    return edge->node ? 0 : -1;
}

int autograd_edge(fl_tensor *t, struct edge *edge)
{
    edge->dtype = t->dtype;
    edge->device = t->flags & TENSOR_ELSEWHERE ? t->storage->device->id : (fl_device){FL_CPU, 0};
    edge->result = 0;
    edge->node = NULL;
    return tensor_requires_grad(t) ? edge_to_history(t, edge) : 0;
}

/* t no longer comes from its node: what was to keep its gradient goes too. */
static void leave_node(fl_tensor *t, struct autograd *a)
{
    if (a->retains_grad)
        hooks_forget(a->node->hooks, t);
    a->retains_grad = false;
    struct node *n = a->node;
    a->node = NULL, a->result = 0;
    node_release(n);
}

int autograd_adopt_node(fl_tensor *t, struct node *n, int result)
{
    assert(result >= 0 && result < n->results);
    assert(!node_leaf(n));
    /* No other thread looks at a result that has not been returned, or at what is written: a new
     * state needs no lock. */
    struct autograd *a = t->autograd;
    if (!a && !(a = t->autograd = memory_zalloc(sizeof *a))) {
        node_release(n);
        return -1;
    }
    bool retains = a->retains_grad;
    if (a->node)
        leave_node(t, a);
    a->node = n, a->result = (int16_t)result;
    t->view_version = t->storage ? t->storage->version : 0;
    t->flags |= TENSOR_REQUIRES_GRAD;
    return retains ? autograd_retain_grad(t) : 0;
}

int autograd_set_node(fl_tensor *t, struct node *n, int result)
{
    return autograd_adopt_node(t, node_retain(n), result);
}

int autograd_set_requires_grad(fl_tensor *t, bool requires_grad)
{
    if (!tensor_is_leaf(t)) {
        if (requires_grad)
            return 0;
        return error_set(FL_RUNTIME_ERROR, "you can only change requires_grad flags of leaf "
                                           "variables. If you want to use a computed "
                                           "variable in a subgraph that doesn't require "
                                           "differentiation use var_no_grad = var.detach().");
    }
    if (requires_grad && t->flags & TENSOR_INFERENCE && !autograd_mode.inference)
        return error_set(FL_RUNTIME_ERROR, "Setting requires_grad=True on inference tensor outside "
                                           "InferenceMode is not allowed.");
    if (requires_grad && !dtype_is_inexact(t->dtype))
        return error_set(FL_RUNTIME_ERROR,
                         "Only Tensors of floating point and complex dtype can require gradients");
    /* Threads may share the leaf from now on: they find its state made. */
    if (requires_grad && !autograd_of(t))
        return -1;
    t->flags = (uint8_t)(requires_grad ? t->flags | TENSOR_REQUIRES_GRAD
                                       : t->flags & ~TENSOR_REQUIRES_GRAD);
    return 0;
}

static int refuse_leaf(const char *text)
{
    error_set(FL_RUNTIME_ERROR, "%s", text);
    error_hint("wrap the update in `with torch.no_grad():`, or work on a clone",
               "不能就地修改需要梯度的参数：请把这次更新放进 `with torch.no_grad():`，或先 clone() "
               "再修改");
    return error_hint_in_c("switch recording off around the update (fl_grad_enabled(false)), or "
                           "work on a clone (fl_clone)",
                           "更新前后请关闭记录（fl_grad_enabled(false)），或先 fl_clone 再修改");
}

int autograd_check_inplace(fl_tensor *t, bool recorded)
{
    if (t->flags & TENSOR_INFERENCE && !autograd_mode.inference)
        return error_set(FL_RUNTIME_ERROR,
                         "Inplace update to inference tensor outside InferenceMode is not allowed."
                         "You can make a clone to get a normal tensor before doing inplace update."
                         "See https://github.com/pytorch/rfcs/pull/17 for more details.");
    bool asks = tensor_requires_grad(t);
    if (!autograd_mode.grad || !(recorded || asks || t->base))
        return 0;
    if (t->creation && (recorded || asks))
        return refuse_view(t, false);
    if (t->base && asks && tensor_is_leaf(t->base))
        return refuse_leaf("a view of a leaf Variable that requires grad is being used in an "
                           "in-place operation.");
    return asks && tensor_is_leaf(t)
               ? refuse_leaf("a leaf Variable that requires grad is being used in an in-place "
                             "operation.")
               : 0;
}

fl_tensor *autograd_detach(fl_tensor *t)
{
    assert(t->storage);
    fl_tensor *y = tensor_alias(t, t->ndim, t->sizes, t->strides, t->offset);
    if (y)
        y->flags &= (uint8_t)~TENSOR_REQUIRES_GRAD;
    return y;
}

fl_tensor *autograd_unlink(fl_tensor *t)
{
    fl_tensor *y = autograd_detach(t);
    if (y && tangents_share(t, y)) {
        tensor_release(y);
        return NULL;
    }
    return y;
}

/* Gives a copy of t copies of t's tangents, recorded as the mode says. */
static int copy_tangents(fl_tensor *t, fl_tensor *copy)
{
    for (int i = 0; i < tangent_levels.count; i++) {
        uint32_t level = tangent_levels.level[i], below = tangent_levels.below;
        fl_tensor *own = tangents_shown(level) ? tangents_of(t, level) : NULL, *tangent;
        if (!own)
            continue;
        tangent_levels.below = level;
        tangent = operation_clone(own);
        tangent_levels.below = below;
        int status = tangent ? tangents_set(copy, level, tangent) : -1;
        tensor_release(tangent);
        if (status)
            return -1;
    }
    return 0;
}

fl_tensor *autograd_copy(fl_tensor *t)
{
    int result = 0;
    bool mode = autograd_mode.grad;
    autograd_mode.grad = false;
    fl_tensor *copy = operation_clone(t);
    autograd_mode.grad = mode;
    struct node *n = copy && mode ? autograd_node(t, &result) : NULL;
    bool failed = copy && mode && (n ? autograd_set_node(copy, n, result) != 0 : is_stale_view(t));
    if (failed || (copy && copy_tangents(t, copy))) {
        tensor_release(copy);
        copy = NULL;
    }
    return copy;
}

int autograd_forget(fl_tensor *t)
{
    if (t->base)
        return error_set(
            FL_RUNTIME_ERROR,
            "Can't detach views in-place. Use detach() instead. If you are using "
            "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
            "True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
            "these gradients. To fix this error, please refer to the Optimizer.zero_grad() "
            "function in torch/optim/optimizer.py as the solution.");
    if (t->autograd && t->autograd->node)
        leave_node(t, t->autograd);
    t->flags &= (uint8_t)~TENSOR_REQUIRES_GRAD;
    return 0;
}

/* Keeps a copy of a gradient that passes, or adds it to what is kept; with its history under
 * create_graph. */
static int store_grad(void *context, fl_tensor **grad)
{
    fl_tensor *t = context, *old = autograd_grad(t);
    fl_tensor *kept = old ? operation_add(old, *grad) : operation_clone_rows(*grad);
    tensor_release(old);
    if (kept)
        replace_grad(t->autograd, kept);
    return kept ? 0 : -1;
}

int autograd_retain_grad(fl_tensor *t)
{
    if (!tensor_requires_grad(t))
        return error_set(FL_RUNTIME_ERROR,
                         "can't retain_grad on Tensor that has requires_grad=False");
    int result = 0;
    struct node *n = autograd_node(t, &result);
    if (!n || t->autograd->retains_grad)
        return is_stale_view(t) ? -1 : 0;
    if (hooks_add(&n->hooks, HOOK_RETAIN, result, (void (*)(void))store_grad, t, NULL) < 0)
        return -1;
    t->autograd->retains_grad = true;
    return 0;
}

int autograd_set_grad(fl_tensor *t, fl_tensor *grad)
{
    if (grad == t)
        return error_set(FL_RUNTIME_ERROR, "can't assign Variable as its own grad");
    if (grad && grad->dtype != t->dtype)
        return error_set(
            FL_RUNTIME_ERROR,
            "attempting to assign a gradient with dtype '%s' to a tensor with "
            "grad_dtype '%s'. The gradient must match the tensor's grad_dtype "
            "(defaults to the tensor's dtype). You can set the tensor's grad_dtype "
            "attribute with a specific dtype, or None to allow any dtype. Set "
            "grad_dtype with caution. Diverging the dtypes of a tensor and its gradient "
            "may break downstream systems that assume they match.",
            dtype_cpp_name(grad->dtype), dtype_title(t->dtype));
    if (grad && !shape_equal(grad, t)) {
        char want[128], got[128];
        return error_set(FL_RUNTIME_ERROR,
                         "attempting to assign a gradient of size '%s' to a tensor of size '%s'. "
                         "Please ensure that the "
                         "gradient and the tensor are the same size",
                         shape_text(got, sizeof got, grad->ndim, grad->sizes),
                         shape_text(want, sizeof want, t->ndim, t->sizes));
    }
    if (grad && (grad->flags | t->flags) & TENSOR_ELSEWHERE &&
        tensor_device(grad) != tensor_device(t))
        return error_set(FL_RUNTIME_ERROR,
                         "attempting to assign a gradient with device type '%s' to a tensor with "
                         "device type '%s'. Please ensure that the gradient and the tensor are on "
                         "the same device",
                         tensor_device(grad)->name, tensor_device(t)->name);
    if (!grad && !t->autograd)
        return 0;
    struct autograd *a = autograd_of(t);
    if (!a)
        return -1;
    replace_grad(a, grad ? tensor_retain(grad) : NULL);
    return 0;
}

/* ---- versions ---- */

int autograd_refuse_version(const fl_tensor *t, const struct node *maker, uint32_t expected)
{
    char shape[128], operator[160] = "", name[96];
    bool truth = t->dtype == FL_BOOL; /* as PyTorch writes it here */
    if (maker)
        snprintf(operator, sizeof operator, ", which is output 0 of %s,",
                 operator_of(maker, name, sizeof name));
    error_set(FL_RUNTIME_ERROR,
              "one of the variables needed for gradient computation has been modified by an "
              "inplace operation: "
              "[%s%s%s %s]%s is at version %u; expected version %u instead. Hint: "
              "enable anomaly detection to "
              "find the operation that failed to compute its gradient, with "
              "torch.autograd.set_detect_anomaly(True, check_nan=False).",
              truth ? "" : "torch.", truth ? "CPUBoolType" : dtype_title(t->dtype),
              truth ? "" : "Tensor", shape_text(shape, sizeof shape, t->ndim, t->sizes), operator,
              t->storage->version, expected);
    if (!maker && tensor_requires_grad(t))
        return error_hint(
            "this is a parameter, which optimizer.step() changed between the forward pass and this "
            "backward: call all backwards before the step, (loss_a + loss_b).backward(), or run "
            "the "
            "forward pass again after it",
            "这是模型的参数，optimizer.step() 在前向计算之后、这次 backward 之前改变了它："
            "请先做完所有 backward 再 step，例如 (loss_a + loss_b).backward()；"
            "或在 step 之后重新做前向计算");
    return error_hint(
        "replace the in-place change (x += y, x[i] = v, x.relu_(), "
        "nn.ReLU(inplace=True)) after its use by one that makes a new tensor (x = x + y)",
        "反向计算所需的张量后来被就地修改了：请把使用之后的就地修改（x += y、x[i] = v、"
        "x.relu_()、nn.ReLU(inplace=True)）换成生成新张量的写法（x = x + y）");
}

/* ---- hooks ---- */

/* The list that a tensor's hooks go to: its node's, its accumulate node's, or its own. */
static struct grad_hooks **hooks_of(fl_tensor *t, int *result)
{
    *result = 0;
    struct autograd *a = autograd_of(t);
    if (!a)
        return NULL;
    struct node *n = autograd_node(t, result);
    if (!n && is_stale_view(t))
        return NULL;
    return n ? &n->hooks : a->accumulate ? &a->accumulate->hooks : &a->hooks;
}

int64_t autograd_add_hook(fl_tensor *t, tensor_hook_fn run, void *context,
                          void (*drop_context)(void *))
{
    if (!tensor_requires_grad(t))
        return error_set(FL_RUNTIME_ERROR,
                         "cannot register a hook on a tensor that doesn't require gradient");
    int result;
    struct grad_hooks **at = hooks_of(t, &result);
    return at ? hooks_add(at, HOOK_TENSOR, result, (void (*)(void))run, context, drop_context) : -1;
}

int64_t autograd_add_post_accumulate_hook(fl_tensor *t, leaf_hook_fn run, void *context,
                                          void (*drop_context)(void *))
{
    if (!tensor_requires_grad(t))
        return error_set(FL_RUNTIME_ERROR,
                         "cannot register a hook on a tensor that doesn't require gradient");
    if (!tensor_is_leaf(t))
        return error_set(FL_RUNTIME_ERROR,
                         "post accumulate grad hooks cannot be registered on non-leaf tensors");
    int result;
    struct grad_hooks **at = hooks_of(t, &result);
    return at ? hooks_add(at, HOOK_LEAF, 0, (void (*)(void))run, context, drop_context) : -1;
}

int64_t node_add_hook(struct node *n, bool before, node_hook_fn run, void *context,
                      void (*drop_context)(void *))
{
    return hooks_add(&n->hooks, before ? HOOK_BEFORE : HOOK_AFTER, 0, (void (*)(void))run, context,
                     drop_context);
}

void autograd_remove_hook(fl_tensor *t, int64_t id)
{
    struct autograd *a = t->autograd;
    if (!a)
        return;
    hooks_remove(a->hooks, id);
    if (a->node)
        hooks_remove(a->node->hooks, id);
    if (a->accumulate)
        hooks_remove(a->accumulate->hooks, id);
}

void node_remove_hook(struct node *n, int64_t id)
{
    hooks_remove(n->hooks, id);
}

/* ---- nodes ---- */

struct autograd_anomaly autograd_anomaly;

static _Atomic uint64_t clock = 1; /* 0 is no number */

static uint64_t next_number(void)
{
    if (!refs_alone())
        return atomic_fetch_add_explicit(&clock, 1, memory_order_relaxed);
    const uint64_t number = atomic_load_explicit(&clock, memory_order_relaxed);
    atomic_store_explicit(&clock, number + 1, memory_order_relaxed);
    return number;
}

uint64_t node_count(void)
{
    return atomic_load_explicit(&clock, memory_order_relaxed);
}

void node_init(struct node *n, const struct node_class *type, int edges, struct edge *edge,
               int results)
{
    assert(edges >= 0 && results >= 1);
    assert(type->name && type->backward && type->release_saved && type->destroy);
    assert(edges == 0 || edge);
    *n = (struct node){.refs = 1, .edges = edges, .results = results, .type = type, .edge = edge};
    if (autograd_anomaly.locate)
        n->code = autograd_anomaly.locate();
    n->sequence = next_number();
}

void node_number(struct node *n)
{
    if (atomic_load_explicit(&clock, memory_order_relaxed) != n->sequence + 1)
        n->sequence = next_number();
}

/* Nodes that wait to be freed: a node freed while another is goes here, so that a chain of any
 * length needs no stack. */
static __thread struct node *to_free;
static __thread bool freeing;

void node_release(struct node *n)
{
    /* A leaf points to its accumulate node without a reference. */
    if (!(n->type == &ACCUMULATE ? refs_end(&n->refs) : refs_drop(&n->refs)))
        return;
    n->state = (struct node_state *)to_free; /* no run holds it: the field serves as the link */
    to_free = n;
    if (freeing)
        return;
    freeing = true;
    while ((n = to_free)) {
        to_free = (struct node *)n->state;
        n->state = NULL;
        n->type->release_saved(n);
        for (int i = 0; i < n->edges; i++)
            if (n->edge[i].node)
                node_release(n->edge[i].node);
        if (n->code)
            autograd_anomaly.drop(n->code);
        if (n->type != &ACCUMULATE) { /* whose hooks the leaf's next node may be taking */
            struct grad_hooks *hooks = n->hooks;
            n->hooks = NULL;
            if (hooks)
                hooks_free(hooks);
        }
        n->type->destroy(n);
    }
    freeing = false;
}

const char *node_name(const struct node *n)
{
    assert(atomic_load(&n->refs) > 0);
    return n->type->name(n);
}
