/* The engine: walks the graph back from the tensors asked for, each node once, the latest made
 * first.
 *
 * 1. Discover: a breadth-first walk over edges gives every reachable node a state of this run and
 *    counts, for each, the edges that lead to it. With `inputs`, a second look marks the nodes
 *    that lead to one.
 * 2. Run: a heap of ready nodes ordered by sequence number. A node's gradients are summed in its
 *    state's slots as they arrive; when the last has, it is ready.
 *
 * A node belongs to several runs at once when a hook or a Function calls backward in turn: states
 * form a list, each with its run.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/hooks.h"
#include "autograd/operations.h"
#include "autograd/turn.h"
#include "core/error.h"
#include "core/lanes.h"
#include "core/memory.h"

struct run;

struct node_state {
    const struct run *run;
    struct node *node;
    struct node_state *outer; /* of another run, on the same node */
    int32_t waiting;          /* edges from which nothing has come yet */
    bool needed;              /* leads to an input (all do when none are named) */
    bool explored;
    fl_tensor **g; /* node->results slots */
};

struct run {
    int64_t id; /* a number of its own in the process */
    const struct backward_request *request;
    struct node_state **state; /* all of them, as they were met */
    int64_t states, state_room;
    struct node_state **ready; /* a binary heap */
    int64_t heap, heap_room;
    bool selective;
    bool newer; /* the first tensor's node was made after the last run ended */
    struct capture {
        struct node *node;
        int result;
        fl_tensor *g;
    } *capture; /* one an input */
};

/* node_count() at the end of the last run; belongs to whose turn it is. */
static uint64_t ended_at;

static int grow(void *array, int64_t count, int64_t *room, size_t item)
{
    void **at = array;
    if (count < *room)
        return 0;
    int64_t larger = *room ? 2 * *room : 64;
    void *bigger = memory_alloc((size_t)larger * item);
    if (!bigger)
        return -1;
    if (count)
        memcpy(bigger, *at, (size_t)count * item);
    memory_free(*at, (size_t)*room * item);
    *at = bigger, *room = larger;
    return 0;
}

static struct node_state *state_of(const struct run *r, const struct node *n)
{
    struct node_state *s = n->state;
    while (s && s->run != r)
        s = s->outer;
    return s;
}

static struct node_state *state_make(struct run *r, struct node *n)
{
    assert(atomic_load(&n->refs) > 0);
    struct node_state *s = state_of(r, n);
    if (s)
        return s;
    if (grow(&r->state, r->states, &r->state_room, sizeof *r->state))
        return NULL;
    size_t slots = sizeof(fl_tensor *) * (size_t)n->results;
    s = memory_zalloc(sizeof *s + slots);
    if (!s)
        return NULL;
    s->run = r, s->node = node_retain(n), s->g = (fl_tensor **)(s + 1);
    s->needed = !r->selective;
    s->outer = n->state, n->state = s;
    r->state[r->states++] = s;
    return s;
}

static void state_free(struct node_state *s)
{
    assert(s->node->state);
    struct node *n = s->node;
    struct node_state **at = &n->state;
    while (*at && *at != s)
        at = &(*at)->outer;
    if (*at)
        *at = s->outer;
    for (int i = 0; i < n->results; i++)
        tensor_release(s->g[i]);
    memory_free(s, sizeof *s + sizeof(fl_tensor *) * (size_t)n->results);
    node_release(n);
}

/* ---- 1. discover ---- */

/* Gives states to everything reachable from the states there are, in the order found, and counts
 * the edges. */
static int discover(struct run *r)
{
    for (int64_t i = 0; i < r->states; i++) { /* the list is its own queue */
        struct node *n = r->state[i]->node;
        if (r->state[i]->explored)
            continue;
        r->state[i]->explored = true;
        for (int e = 0; e < n->edges; e++) {
            struct node *next = n->edge[e].node;
            if (!next)
                continue;
            struct node_state *s = state_make(r, next);
            if (!s)
                return -1;
            s->waiting++;
        }
    }
    return 0;
}

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = (*(struct node_state *const *)a)->node->sequence,
             y = (*(struct node_state *const *)b)->node->sequence;
    return x < y ? -1 : x > y;
}

/* Marks what leads to an input. An edge leads from a later node to an earlier one or to a leaf, so
 * one pass from the earliest on, leaves first, sees each node after all that it leads to. */
static int mark_needed(struct run *r)
{
    const struct backward_request *q = r->request;
    for (int64_t i = 0; i < q->inputs; i++) {
        struct node_state *s = r->capture[i].node ? state_of(r, r->capture[i].node) : NULL;
        if (s)
            s->needed = true;
    }
    size_t bytes = sizeof(struct node_state *) * (size_t)(r->states + 1);
    struct node_state **order = memory_alloc(bytes);
    if (!order)
        return -1;
    memcpy(order, r->state, sizeof *order * (size_t)r->states);
    qsort(order, (size_t)r->states, sizeof *order, by_sequence);
    for (int64_t i = 0; i < r->states; i++)
        for (int e = 0; e < order[i]->node->edges && !order[i]->needed; e++) {
            struct node *next = order[i]->node->edge[e].node;
            order[i]->needed = next && state_of(r, next)->needed;
        }
    memory_free(order, bytes);
    return 0;
}

/* ---- 2. run ---- */

static bool before(const struct node_state *a, const struct node_state *b)
{
    return a->node->sequence > b->node->sequence;
}

/* Puts s into the hole i, or above it. */
static void rise(struct run *r, int64_t i, struct node_state *s)
{
    for (; i && before(s, r->ready[(i - 1) / 2]); i = (i - 1) / 2)
        r->ready[i] = r->ready[(i - 1) / 2];
    r->ready[i] = s;
}

static int push(struct run *r, struct node_state *s)
{
    assert(s->waiting == 0);
    if (grow(&r->ready, r->heap, &r->heap_room, sizeof *r->ready))
        return -1;
    rise(r, r->heap++, s);
    return 0;
}

/* The hole at the top sinks to a leaf, along the right child where two are alike, and the last one
 * rises from there: the order in which C++'s std::pop_heap leaves leaves, which all have the same
 * number, so that their hooks run in PyTorch's order. */
static struct node_state *pop(struct run *r)
{
    assert(r->heap > 0);
    struct node_state *first = r->ready[0], *last = r->ready[--r->heap];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < r->heap; i = child) {
        if (child + 1 < r->heap && !before(r->ready[child], r->ready[child + 1]))
            child++;
        r->ready[i] = r->ready[child];
    }
    return rise(r, i, last), first;
}

/* g (given away) as dtype: a new reference, NULL with the error. */
static fl_tensor *as_dtype(fl_tensor *g, int dtype)
{
    if (g->dtype == dtype)
        return g;
    fl_tensor *cast = operation_cast(g, dtype);
    tensor_release(g);
    return cast;
}

int engine_fit(fl_tensor **g, const fl_tensor *like, const char *function, int index)
{
    const fl_tensor *given = *g;
    int extra = given->ndim - like->ndim;
    bool fits = extra >= 0;
    for (int d = 0; fits && d < like->ndim; d++)
        fits = like->sizes[d] == 1 || like->sizes[d] == given->sizes[extra + d];
    if (!fits) {
        char got[128], want[128];
        return error_set(FL_RUNTIME_ERROR,
                         "Function %s returned an invalid gradient at index %d - got %s but "
                         "expected shape compatible with %s",
                         function, index, shape_text(got, sizeof got, given->ndim, given->sizes),
                         shape_text(want, sizeof want, like->ndim, like->sizes));
    }
    if (dtype_is_complex(given->dtype) && !dtype_is_complex(like->dtype))
        return error_set(
            FL_RUNTIME_ERROR,
            "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == "
            "grad_is_complex) to be true, but got false.  (Could this error message be "
            "improved?  If so, please report an enhancement request to PyTorch.)");
    if (!shape_equal(given, like)) {
        fl_tensor *sum = operation_sum_to_size(*g, (fl_ints){like->sizes, like->ndim});
        if (!sum)
            return -1;
        tensor_release(*g);
        *g = sum;
    }
    return (*g = as_dtype(*g, like->dtype)) ? 0 : -1;
}

/* Adds g (a reference that is given away) into the slot of something of that dtype. */
static int deliver(fl_tensor **slot, fl_tensor *g, int dtype, bool create_graph)
{
    assert(!g || atomic_load(&g->refs) > 0);
    if (!g)
        return 0;
    if (!(g = as_dtype(g, dtype)))
        return -1;
    if (!*slot) {
        *slot = g;
        return 0;
    }
    fl_tensor *old = *slot;
    int status = 0;
    bool private = !create_graph && !(autograd_mode.interpose & INTERPOSE_TRANSFORMS) &&
                   atomic_load(&old->refs) == 1 && old->flags & TENSOR_CONTIGUOUS && !old->base &&
                   !((old->flags | g->flags) & TENSOR_IN_OBJECT) && old->dtype == g->dtype &&
                   shape_equal(old, g) && atomic_load(&old->storage->refs) == 1;
    if (private) {
        status = operation_add_(old, g);
    } else {
        *slot = operation_add(old, g);
        status = *slot ? 0 : -1;
        tensor_release(old);
    }
    tensor_release(g);
    return status;
}

/* kept: the walk began in a graph that is newer than the last backward. */
int engine_refuse_released(bool kept)
{
    error_set(FL_RUNTIME_ERROR, "Trying to backward through the graph a second time (or directly "
                                "access saved tensors after they have "
                                "already been freed). Saved intermediate values of the graph are "
                                "freed when you call .backward() or "
                                "autograd.grad(). Specify retain_graph=True if you need to "
                                "backward through the graph a second time or if "
                                "you need to access saved tensors after calling backward.");
    if (kept)
        return error_hint(
            "this graph was made after the last backward, but leads into one that backward has "
            "used up. A tensor kept from the step before is cut off where it is kept: hidden = "
            "hidden.detach(), total += loss.item(). What is computed once before the loop is "
            "computed anew in each step. Of two losses of one forward pass (a GAN's) the first "
            "takes it detached, D(fake.detach()), or both are added before one backward",
            "这个图是在上一次 backward 之后建立的，却连到了已被上一次 backward 用掉的图上："
            "从上一步保留下来的张量请在保留时切断：hidden = hidden.detach()、"
            "total += loss.item()；循环之前只算了一次的，请移到循环内每步重新计算；"
            "两个损失共用一次前向计算时（如 GAN），第一个请用 D(fake.detach())，"
            "或相加后只做一次 backward");
    return error_hint(
        "backward was called twice on one graph: call it once (of two losses on their sum, "
        "(a + b).backward()), or run the forward "
        "pass again before each backward; retain_graph=True in the first call keeps "
        "the graph",
        "对同一个图调用了两次 backward：只调用一次（两个损失请相加：(a + b).backward()），"
        "或每次 backward 之前重新做一次前向"
        "计算；若确实需要两次，请在第一次传入 retain_graph=True");
}

/* Under anomaly detection a gradient that is NaN is an error. */
static int refuse_nan(const struct node *n, fl_tensor *const *out)
{
    for (int e = 0; e < n->edges; e++) {
        int found = out[e] ? operation_has_nan(out[e]) : 0;
        if (found < 0)
            return -1;
        if (!found)
            continue;
        error_set(FL_RUNTIME_ERROR, "Function '%s' returned nan values in its %dth output.",
                  node_name(n), e);
        return error_hint("an input of that function is where its derivative has no value (sqrt or "
                          "log of 0, 0/0): keep it away with clamp or a small eps",
                          "该函数的输入落在导数没有值的地方（0 的 sqrt 或 log、0/0）：用 clamp "
                          "或很小的 eps 避开");
    }
    return 0;
}

/* Whether a node's own work is needed in a run with named inputs: some edge leads to one. Leaves
 * only receive. */
static bool leads_on(const struct run *r, const struct node *n)
{
    for (int e = 0; e < n->edges; e++)
        if (n->edge[e].node && state_of(r, n->edge[e].node)->needed)
            return true;
    return false;
}

/* The run whose node is at work on this thread. */
static __thread const struct run *current;

int64_t engine_run(void)
{
    return current ? current->id : -1;
}

bool engine_expects(const struct node *n)
{
    const struct node_state *s = current ? state_of(current, n) : NULL;
    return s && s->needed;
}

bool engine_needs(const struct edge *edge)
{
    if (!edge->node)
        return false;
    const struct node_state *s =
        current && current->selective ? state_of(current, edge->node) : NULL;
    return !s || s->needed;
}

/* Stores what arrived at a node for the inputs that are its results. */
static void take_captures(struct run *r, struct node_state *s)
{
    for (int64_t i = 0; i < r->request->inputs; i++) {
        struct capture *c = &r->capture[i];
        assert(!c->node || c->result < c->node->results);
        if (c->node == s->node && s->g[c->result]) {
            tensor_release(c->g);
            c->g = tensor_retain(s->g[c->result]);
        }
    }
}

/* Makes gradients whose elements are in their object dense: a node's formula reads elements. */
static int make_dense(struct node_state *s)
{
    for (int i = 0; i < s->node->results; i++) {
        fl_tensor *g = s->g[i];
        if (!g || !(g->flags & TENSOR_IN_OBJECT))
            continue;
        if (!(s->g[i] = operation_dense(g))) {
            s->g[i] = g;
            return -1;
        }
        tensor_release(g);
    }
    return 0;
}

static int run_node(struct run *r, struct node_state *s);

/* Runs the leaves that are ready, and the nodes that stand between them and n alone. */
static int run_leaves(struct run *r, const struct node *n)
{
    assert(n->order && n->inside <= n->sequence);
    const uint64_t from = n->inside ? n->inside : n->sequence;
    int status = 0;
    while (status == 0 && r->heap && r->ready[0]->node->sequence >= from)
        status = run_node(r, pop(r));
    return status;
}

static int run_node(struct run *r, struct node_state *s)
{
    assert(s->waiting == 0 && s->run == r);
    struct node *n = s->node;
    const struct backward_request *q = r->request;
    fl_tensor *few[8] = {NULL};
    size_t bytes = sizeof(fl_tensor *) * (size_t)n->edges;
    fl_tensor **out = n->edges <= 8 ? few : memory_zalloc(bytes);
    if (!out)
        return -1;
    int status = 0;
    bool leaf = n->edges == 0 && node_leaf(n);
    const struct run *outer = current;
    current = r;
    if (n->hooks)
        status = hooks_run_before(n->hooks, n->results, s->g);
    if (status == 0 && r->selective)
        take_captures(r, s);
    bool skip = r->selective && !leads_on(r, n);
    if (status == 0 && !skip && !leaf)
        status = make_dense(s);
    if (status == 0 && !skip) {
        status = n->released ? engine_refuse_released(r->newer)
                             : n->type->backward(n, s->g, q->create_graph, out);
        if (status == 0 && autograd_anomaly.check_nan)
            status = refuse_nan(n, out);
        if (status && autograd_anomaly.report)
            autograd_anomaly.report(n);
        else if (status)
            error_context("in the backward of %s", "出错处是 %s 的反向计算", node_name(n));
    }
    if (status == 0 && !skip && n->hooks)
        status = leaf ? hooks_run_leaf(n->hooks, node_leaf(n))
                      : hooks_run_after(n->hooks, n->edges, out, n->results, s->g);
    current = outer;
    for (int i = 0; i < n->results; i++) {
        tensor_release(s->g[i]);
        s->g[i] = NULL;
    }
    if (status == 0 && !skip && !q->keep_graph)
        n->type->release_saved(n);
    for (int k = 0; k < n->edges; k++) {
        int e = n->order ? n->order->edge[k] : k;
        struct node *next = n->edge[e].node;
        if (!next || status) {
            tensor_release(out[e]);
            continue;
        }
        struct node_state *to = state_of(r, next);
        assert(to && to->waiting > 0 && n->edge[e].result < next->results);
        status = deliver(&to->g[n->edge[e].result], out[e], n->edge[e].dtype, q->create_graph);
        if (status == 0 && --to->waiting == 0)
            status = push(r, to);
        if (status == 0 && n->order && n->order->at_once)
            status = run_leaves(r, n);
    }
    if (out != few)
        memory_free(out, bytes);
    return status;
}

/* ---- the request ---- */

static fl_tensor *initial_gradient(const struct backward_request *q, int64_t i)
{
    fl_tensor *t = q->tensors[i], *g = q->grads ? q->grads[i] : NULL;
    if (!g) {
        if (t->numel != 1) {
            error_null(FL_RUNTIME_ERROR, "grad can be implicitly created only for scalar outputs");
            error_hint(
                "reduce it to one number first (loss.mean() or loss.sum()), or give backward a "
                "gradient",
                "backward "
                "只能直接用于一个数，而这个张量有多个元素：先把它归约成一个数（loss.mean() 或 "
                "loss.sum()），或给 backward 传入 gradient");
            return NULL;
        }
        if (!dtype_is_floating(t->dtype))
            return error_null(
                FL_RUNTIME_ERROR,
                "grad can be implicitly created only for real scalar outputs but got torch.%s",
                fl_dtype_name(t->dtype));
        return operation_ones_like(t);
    }
    if (!shape_equal(g, t)) {
        char got[128], want[128];
        return error_null(FL_RUNTIME_ERROR,
                          "Mismatch in shape: grad_output[%lld] has a shape of torch.Size(%s) and "
                          "output[%lld] has a shape "
                          "of torch.Size(%s).",
                          (long long)i, shape_text(got, sizeof got, g->ndim, g->sizes),
                          (long long)i, shape_text(want, sizeof want, t->ndim, t->sizes));
    }
    if (dtype_is_complex(g->dtype) != dtype_is_complex(t->dtype))
        return error_null(FL_RUNTIME_ERROR,
                          "For complex Tensors, both grad_output and output are required to have "
                          "the same dtype. Mismatch in dtype: grad_output[%lld] has a dtype of "
                          "torch.%s and output[%lld] has a dtype of torch.%s.",
                          (long long)i, fl_dtype_name(g->dtype), (long long)i,
                          fl_dtype_name(t->dtype));
    return tensor_retain(g);
}

static int start(struct run *r)
{
    const struct backward_request *q = r->request;
    for (int64_t i = 0; i < q->count; i++) {
        struct edge edge = {.node = NULL};
        if (autograd_edge(q->tensors[i], &edge))
            return -1;
        if (!edge.node) {
            error_set(FL_RUNTIME_ERROR,
                      "element %lld of tensors does not require grad and does not have a grad_fn",
                      (long long)i);
            return error_hint_in_c(/* Python looks for the line that cut it off */
                                   "no input of this tensor has requires_grad, or it was computed "
                                   "with recording off",
                                   "这个张量没有计算图，无法求梯度：它的输入都没有 requires_grad，"
                                   "或它是在关闭记录时算出来的");
        }
        if (i == 0)
            r->newer = edge.node->sequence >= ended_at;
        struct node_state *s = state_make(r, edge.node);
        fl_tensor *g = s ? initial_gradient(q, i) : NULL;
        node_release(edge.node);
        if (!g)
            return -1;
        if (deliver(&s->g[edge.result], g, q->tensors[i]->dtype, q->create_graph))
            return -1;
    }
    for (int64_t i = 0; i < q->inputs; i++) {
        struct edge edge = {.node = NULL};
        if (!tensor_requires_grad(q->input[i]))
            return error_set(FL_RUNTIME_ERROR,
                             "One of the differentiated Tensors does not require grad");
        if (autograd_edge(q->input[i], &edge))
            return -1;
        r->capture[i].node = edge.node, r->capture[i].result = edge.result;
    }
    return 0;
}

static int finish(struct run *r)
{
    const struct backward_request *q = r->request;
    for (int64_t i = 0; i < q->inputs; i++) {
        fl_tensor *g = r->capture[i].g;
        if (q->accumulate) {
            if (g && autograd_add_grad(q->input[i], g, q->create_graph))
                return -1;
        } else if (!g && !q->allow_unused) {
            error_set(FL_RUNTIME_ERROR,
                      "The differentiated Tensor at index %lld appears to not have been "
                      "used in the graph. "
                      "Set allow_unused=True if this is the desired behavior.",
                      (long long)i);
            return error_hint(
                "the result does not depend on input %lld: use it in the "
                "computation, or give allow_unused=True, which makes its gradient None",
                "结果不依赖于第 %lld 个输入：请在计算中用到它，"
                "或加上 allow_unused=True（它的梯度就是 None）",
                (long long)i);
        } else if (g && !q->create_graph && !tensor_is_dense(g)) {
            /* an expanded gradient (of sum, of mean) could not be written */
            if (!(q->results[i] = operation_own(g, g)))
                return -1;
        } else {
            q->results[i] = g;
            r->capture[i].g = NULL;
        }
    }
    return 0;
}

static int walk(const struct backward_request *q)
{
    static int64_t runs; /* one walk at a time */
    struct run r = {.id = runs++, .request = q, .selective = q->inputs > 0};
    struct autograd_mode mode = autograd_mode;
    size_t capture_bytes = sizeof *r.capture * (size_t)(q->inputs + 1);
    for (int64_t i = 0; i < q->inputs && q->results; i++)
        q->results[i] = NULL;
    r.capture = memory_zalloc(capture_bytes);
    if (!r.capture)
        return -1;
    autograd_mode.grad = q->create_graph;
    if (atomic_load_explicit(&lanes_alive, memory_order_relaxed))
        autograd_mode.interpose |= INTERPOSE_LANES; /* the graph may have outlived its vmap */
    int status = start(&r);
    int64_t roots = r.states;
    if (status == 0)
        status = discover(&r);
    if (status == 0 && r.selective)
        status = mark_needed(&r);
    for (int64_t i = 0; i < roots && status == 0; i++)
        if (r.state[i]->waiting == 0)
            status = push(&r, r.state[i]);
    while (status == 0 && r.heap)
        status = run_node(&r, pop(&r));
    if (status == 0)
        status = finish(&r);
    autograd_mode = mode;
    struct error_state *error = status ? error_save() : NULL;
    for (int64_t i = 0; i < r.states; i++)
        state_free(r.state[i]);
    for (int64_t i = 0; i < q->inputs; i++) {
        tensor_release(r.capture[i].g);
        if (r.capture[i].node)
            node_release(r.capture[i].node);
        if (status && q->results) {
            tensor_release(q->results[i]);
            q->results[i] = NULL;
        }
    }
    memory_free(r.capture, capture_bytes);
    memory_free(r.state, (size_t)r.state_room * sizeof *r.state);
    memory_free(r.ready, (size_t)r.heap_room * sizeof *r.ready);
    if (error)
        error_restore(error);
    return status;
}

int engine_backward(const struct backward_request *q)
{
    assert(q->count >= 0 && q->inputs >= 0);
    assert(q->inputs == 0 || q->results || q->accumulate);
    bool held = turn_pause(); /* a C program's node may call this in its backward */
    turn_take();
    int status = walk(q);
    ended_at = node_count();
    turn_end();
    turn_resume(held);
    return status;
}

/* Whether some leaf of the run is none of these. */
static bool has_other_leaf(const struct run *r, int64_t count, fl_tensor *const *leaf)
{
    for (int64_t i = 0; i < r->states; i++) {
        const fl_tensor *t = node_leaf(r->state[i]->node);
        bool known = !t;
        for (int64_t k = 0; k < count && !known; k++)
            known = leaf[k] == t;
        if (!known)
            return true;
    }
    return false;
}

int engine_reaches_others(fl_tensor *t, int64_t count, fl_tensor *const *leaf)
{
    struct edge edge = {.node = NULL};
    struct run r = {.request = NULL};
    if (autograd_edge(t, &edge))
        return -1;
    if (!edge.node)
        return 0;
    bool held = turn_pause();
    turn_take();
    int status = state_make(&r, edge.node) ? discover(&r) : -1;
    node_release(edge.node);
    int found = status ? -1 : has_other_leaf(&r, count, leaf);
    for (int64_t i = 0; i < r.states; i++)
        state_free(r.state[i]);
    memory_free(r.state, (size_t)r.state_room * sizeof *r.state);
    turn_end();
    turn_resume(held);
    return found;
}
